/* body.c - names within a body, and the order of its nodes. */
#include "model/body.h"

#include <string.h>

gr_item *gr_body_find(const gr_body *b, const char *name)
{
    for (int i = 0; i < b->num_items; i++)
        if (strcmp(b->items[i].name, name) == 0) return &b->items[i];
    return NULL;
}

static int find_input(const gr_body *b, const char *name)
{
    for (int i = 0; i < b->num_inputs; i++)
        if (strcmp(b->inputs[i].name, name) == 0) return i;
    return -1;
}

static const char *const *known_names(const gr_body *b)
{
    const char **names = GR_NEW_ARRAY(b->m->arena, const char *, b->num_inputs + b->num_items + 1);
    int n = 0;
    for (int i = 0; i < b->num_inputs; i++) names[n++] = b->inputs[i].name;
    for (int i = 0; i < b->num_items; i++) names[n++] = b->items[i].name;
    return names;
}

static int unknown_name(gr_body *b, const gr_doc *doc, const char *head)
{
    gr_arena *a = b->m->arena;
    for (gr_body *o = b->outer; o; o = o->outer)
        if (gr_body_find(o, head) || find_input(o, head) >= 0) {
            gr_diag_error(b->m->diag, doc->at, "'%s' is outside %s; hand it in by a name under 'in' (one slice a step) or "
                          "'with' (seen whole)", head, b->what);
            return -1;
        }
    gr_diag_error(b->m->diag, doc->at, "%s has no node called '%s'%s", b->what, head,
                  gr_suggest(a, head, known_names(b)));
    return -1;
}

int gr_body_use(gr_body *b, gr_doc *doc, gr_use *u)
{
    gr_arena *a = b->m->arena;
    doc->used = true;
    *u = (gr_use){.doc = doc, .input = -1, .item = -1};
    if (doc->kind != GR_DOC_SCALAR) {
        gr_diag_error(b->m->diag, doc->at, "expected the name of a node here");
        return -1;
    }
    if (!b->raw && !b->e && strchr(doc->text, '$')) {
        gr_mention(b->m, b->scope, doc);
        return 0;
    }
    u->text = strchr(doc->text, '$') ? gr_eval_text(b->m, b->scope, doc) : doc->text;
    if (!u->text) return -1;
    const char *dot = strchr(u->text, '.');
    const char *head = dot ? gr_arena_strndup(a, u->text, (size_t)(dot - u->text)) : u->text;
    u->rest = dot ? dot + 1 : NULL;
    u->input = find_input(b, head);
    const gr_item *it = u->input < 0 ? gr_body_find(b, head) : NULL;
    if (it) u->item = (int)(it - b->items);
    return u->input >= 0 || it ? 0 : unknown_name(b, doc, head);
}

/* ---- order ---- */

static void report_cycle(gr_body *b, int item)
{
    int first = 0;
    while (b->busy[first] != item) first++;
    const char *way = b->items[item].name;
    for (int i = b->num_busy - 1; i >= first; i--) {
        b->items[b->busy[i]].bad = true;
        way = gr_arena_printf(b->m->arena, "%s -> %s", b->items[b->busy[i]].name, way);
    }
    gr_diag_error(b->m->diag, b->items[b->busy[first]].doc->key_at,
                  "these nodes wait for each other: %s; what one step hands to the next is a carry of a Scan", way);
}

/* What is to be made before an item, number k: what it reads, then what it only wishes for where that does not wait for
 * it in turn. A tie is such a wish: a parameter has to be made before it is shared. -1: nothing. */
static int before_item(const gr_item *it, int k, bool *wish)
{
    *wish = k >= it->num_uses;
    if (!*wish) return it->uses[k].item;
    k -= it->num_uses;
    return k < it->num_ties ? it->ties[k].use.item : it->before[k - it->num_ties];
}

static void enter(gr_body *b, int item)
{
    b->items[item].state = GR_ITEM_BUSY;
    b->busy[b->num_busy++] = item;
}

static void leave(gr_body *b, gr_item *it)
{
    b->num_busy--;
    it->state = GR_ITEM_DONE;
    if (b->raw || b->e) gr_item_make(b, it);
}

/* Makes the item after all that it waits for, in depth: `busy` is the way down to the one in hand. */
static void visit(gr_body *b, int item)
{
    if (b->items[item].state == GR_ITEM_NEW) enter(b, item);
    while (b->num_busy > 0) {
        gr_item *it = &b->items[b->busy[b->num_busy - 1]];
        if (it->visited == it->num_uses + it->num_ties + it->num_before) {
            leave(b, it);
            continue;
        }
        bool wish;
        const int before = before_item(it, it->visited++, &wish);
        if (before < 0) continue;
        if (b->items[before].state == GR_ITEM_NEW) enter(b, before);
        else if (b->items[before].state == GR_ITEM_BUSY && !wish) report_cycle(b, before);
    }
}

/* ---- making ---- */

static bool valid_name(const char *s)
{
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == 0 && *s;
}

static int read_items(gr_body *b)
{
    b->doc->used = true;
    if (b->doc->kind != GR_DOC_MAP) {
        gr_diag_error(b->m->diag, b->doc->at, "expected a map of nodes, name: {op: ..., in: ...}");
        return -1;
    }
    b->items = GR_NEW_ARRAY(b->m->arena, gr_item, b->doc->count);
    for (int i = 0; i < b->doc->count; i++) {
        gr_doc *d = b->doc->item[i];
        gr_item *it = &b->items[b->num_items++];
        *it = (gr_item){.name = d->key, .doc = d};
        d->used = true;
        if (!valid_name(d->key)) {
            gr_diag_error(b->m->diag, d->key_at, "a node's name may hold letters, digits and _ only");
            it->bad = true;
        } else if (find_input(b, d->key) >= 0) {
            gr_diag_error(b->m->diag, d->key_at, "'%s' is an input of %s already; give the node another name", d->key, b->what);
            it->bad = true;
        }
    }
    return 0;
}

int gr_body_make(gr_body *b)
{
    if (!b->params) b->params = "";
    if (!b->doc || read_items(b) < 0) return 1;
    b->busy = GR_NEW_ARRAY(b->m->arena, int, b->num_items);
    for (int i = 0; i < b->num_items; i++) gr_item_read(b, &b->items[i]);
    for (int i = 0; i < b->num_items; i++) visit(b, i);
    int bad = 0;
    for (int i = 0; i < b->num_items; i++) bad += b->items[i].bad;
    return bad;
}

gr_value *gr_body_value(gr_body *b, gr_doc *doc, const char *what)
{
    gr_use u;
    gr_value *const *v;
    int n = 0;
    if (gr_body_use(b, doc, &u) < 0) return NULL;
    if (!b->raw && !b->e) return NULL;
    int r = gr_use_values(b, &u, &v, &n);
    if (r == 0) gr_diag_error(b->m->diag, doc->at, "'%s' is absent here (its 'when' is false), but %s needs it", u.text, what);
    if (r > 0 && n > 1) gr_diag_error(b->m->diag, doc->at, "'%s' stands for %d values here, but %s takes one", u.text, n, what);
    return r > 0 && n == 1 ? v[0] : NULL;
}
