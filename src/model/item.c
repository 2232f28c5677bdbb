/* item.c - one node of a body: its keys read, its inputs resolved, the node made.
 *
 * A key of a node is one of the format's own (op, in, when, else, repeat, share), an
 * input port, an attribute, or, where the op is a composite and the value names another
 * node, a tie of a parameter; the emitter reports a tie that no parameter answers to. */
#include "graph/names.h"
#include "model/body.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_OUTPUTS = 256, MAX_COPIES = 100000 };

static const char *const own_keys[] = {"op", "in", "when", "else", "repeat", "share", NULL};

static bool is_own_key(const char *key)
{
    for (int i = 0; own_keys[i]; i++)
        if (strcmp(own_keys[i], key) == 0) return true;
    return false;
}

static bool only_checked(const gr_body *b) { return !b->raw && !b->e; }
static bool has_expression(const gr_doc *d) { return d->kind == GR_DOC_SCALAR && strchr(d->text, '$'); }

static const char *const *port_names(gr_arena *a, const gr_port *ports)
{
    int n = 0;
    while (ports && ports[n].name) n++;
    const char **names = GR_NEW_ARRAY(a, const char *, n + 1);
    for (int i = 0; i < n; i++) names[i] = ports[i].name;
    return names;
}

/* ---- reading: inputs ---- */

static void add_use(gr_body *b, gr_item *it, int port, gr_doc *doc)
{
    gr_use u;
    if (gr_body_use(b, doc, &u) < 0) it->bad = true;
    u.port = port;
    *GR_PUSH(b->m->arena, it->uses, it->num_uses, it->cap_uses) = u;
}

static bool port_is_taken(const gr_item *it, int port)
{
    for (int i = 0; i < it->num_uses; i++)
        if (it->uses[i].port == port) return true;
    return false;
}

/* One port's value: a name, or a list of names where the port takes several. */
static void add_port(gr_body *b, gr_item *it, int port, gr_doc *doc, gr_loc at)
{
    doc->used = true;
    if (port_is_taken(it, port)) {
        gr_diag_error(b->m->diag, at, "the input '%s' is given twice", it->op->inputs[port].name);
        it->bad = true;
    } else if (doc->kind != GR_DOC_LIST) {
        add_use(b, it, port, doc);
    } else if (doc->count > 1 && !(it->op->inputs[port].flags & GR_PORT_VARIADIC) && !gr_op_is_block(it->op)) {
        gr_diag_error(b->m->diag, doc->at, "%s takes one value on '%s', not a list of %d", it->op->name,
                      it->op->inputs[port].name, doc->count);
        it->bad = true;
    } else {
        for (int i = 0; i < doc->count; i++) add_use(b, it, port, doc->item[i]);
    }
}

/* How many of n inputs given in order the variadic port takes: what the required ports
 * behind it leave. */
static int variadic_share(const gr_op *op, int n)
{
    bool behind = false;
    for (int p = 0; p < gr_op_num_inputs(op); p++) {
        if (op->inputs[p].flags & GR_PORT_VARIADIC) behind = true;
        else if (!behind || !(op->inputs[p].flags & GR_PORT_OPTIONAL)) n--;
    }
    return n > 0 ? n : 0;
}

static void too_many(gr_body *b, gr_item *it, const gr_doc *doc, int given)
{
    int n = gr_op_num_inputs(it->op);
    const char *list = "";
    for (int i = 0; i < n; i++)
        list = gr_arena_printf(b->m->arena, "%s%s%s", list, i ? ", " : "", it->op->inputs[i].name);
    if (n == 0) gr_diag_error(b->m->diag, doc->at, "%s takes no input", it->op->name);
    else gr_diag_error(b->m->diag, doc->at, "%s takes %d input%s (%s), but %d are given", it->op->name, n, n > 1 ? "s" : "", list, given);
    it->bad = true;
}

static void add_in_order(gr_body *b, gr_item *it, gr_doc *const *docs, int n)
{
    int ports = gr_op_num_inputs(it->op), next = 0;
    for (int p = 0; p < ports; p++) {
        if (it->op->inputs[p].flags & GR_PORT_VARIADIC)
            for (int k = variadic_share(it->op, n); k > 0 && next < n; k--) add_use(b, it, p, docs[next++]);
        else if (next < n)
            add_port(b, it, p, docs[next], docs[next]->at), next++;
    }
    if (next < n) too_many(b, it, docs[next], n);
}

static void add_by_port(gr_body *b, gr_item *it, gr_doc *map)
{
    gr_arena *a = b->m->arena;
    for (int i = 0; i < map->count; i++) {
        gr_doc *d = map->item[i];
        int port = gr_op_input(it->op, d->key);
        if (port >= 0) {
            add_port(b, it, port, d, d->key_at);
            continue;
        }
        gr_diag_error(b->m->diag, d->key_at, "%s has no input called '%s'%s", it->op->name, d->key,
                      gr_suggest_term(a, d->key, port_names(a, it->op->inputs)));
        gr_doc_use_all(d);
        it->bad = true;
    }
}

static void read_in(gr_body *b, gr_item *it)
{
    gr_doc *in = gr_doc_get(it->doc, "in");
    if (!in) return;
    if (in->kind == GR_DOC_MAP) add_by_port(b, it, in);
    else if (in->kind == GR_DOC_LIST) add_in_order(b, it, in->item, in->count);
    else add_in_order(b, it, &in, 1);
}

/* ---- reading: ties ---- */

static bool names_a_node(const gr_body *b, const gr_doc *d)
{
    if (d->kind != GR_DOC_SCALAR || !d->text || has_expression(d)) return false;
    const char *head = gr_arena_strndup(b->m->arena, d->text, strcspn(d->text, "."));
    for (; b; b = b->outer)
        if (gr_body_find(b, head)) return true;
    return false;
}

static void add_tie(gr_body *b, gr_item *it, gr_doc *d)
{
    gr_item_tie *t = GR_PUSH(b->m->arena, it->ties, it->num_ties, it->cap_ties);
    *t = (gr_item_tie){.param = d->key, .use = {.doc = d, .text = d->text, .input = -1, .item = -1}};
    const char *head = gr_arena_strndup(b->m->arena, d->text, strcspn(d->text, "."));
    if (gr_body_find(b, head)) {
        gr_body_use(b, d, &t->use);
        return;
    }
    d->used = true;
    for (const gr_body *o = b->outer; o && !t->outer; o = o->outer)
        if (gr_body_find(o, head))
            t->outer = *o->params ? gr_arena_printf(b->m->arena, "%s.%s", o->params, d->text) : d->text;
}

/* A flag that says whether there is a parameter may stand for it: `bias: fc.bias`. */
static bool is_flag_of_param(const gr_item *it, const gr_doc *d)
{
    int k = gr_op_attr(it->op, d->key);
    return k >= 0 && it->op->attrs[k].kind == GR_ATTR_BOOL && d->kind == GR_DOC_SCALAR && d->text && strchr(d->text, '.');
}

static void read_ports_and_ties(gr_body *b, gr_item *it)
{
    for (int i = 0; i < it->doc->count; i++) {
        gr_doc *d = it->doc->item[i];
        if (is_own_key(d->key) || (gr_op_attr(it->op, d->key) >= 0 && !is_flag_of_param(it, d))) continue;
        int port = gr_op_input(it->op, d->key);
        if (port >= 0) add_port(b, it, port, d, d->key_at);
        else if (it->op->expand && names_a_node(b, d)) add_tie(b, it, d);
    }
}

/* ---- reading: the node ---- */

static void read_absent(gr_body *b, gr_item *it)
{
    gr_doc *other = gr_doc_get(it->doc, "else");
    gr_mention(b->m, b->scope, it->doc);
    if (other) add_use(b, it, -1, other);
}

static void read_when(gr_body *b, gr_item *it)
{
    gr_doc *when = gr_doc_get(it->doc, "when"), *other = gr_doc_get(it->doc, "else");
    bool present = true;
    if (other && !when) {
        gr_diag_error(b->m->diag, other->key_at, "'else' says what stands in for a node whose 'when' is false; this one has no 'when'");
        it->bad = true;
    }
    if (!when || only_checked(b)) return;
    if (gr_eval_condition(b->m, b->scope, when, &present) < 0) it->bad = true;
    it->absent = !present;
}

static const gr_op *find_op(gr_body *b, gr_item *it)
{
    gr_doc *d = gr_doc_get(it->doc, "op");
    if (!d) {
        gr_diag_error(b->m->diag, it->doc->key_at, "node '%s' has no 'op'", it->name);
        return NULL;
    }
    if (only_checked(b) && has_expression(d)) return NULL;
    const char *name = gr_eval_text(b->m, b->scope, d);
    if (!name) return NULL;
    const gr_op *op = gr_op_named(b->m->registry, name);
    if (!op && !gr_registry_lacks_plugin(b->m->registry)) {
        gr_diag_error(b->m->diag, d->at, "there is no op called '%s'%s", name,
                      gr_suggest_term(b->m->arena, name, gr_registry_names(b->m->registry)));
        gr_registry_hint_plugins(b->m->registry, b->m->diag);
    }
    if (op && op->role == GR_ROLE_SCAN) return gr_scan_op(b, it, op);
    return op && (op->traits & GR_OVER_CELL) ? gr_over_op(b, it, op) : op;
}

static void read_repeat(gr_body *b, gr_item *it)
{
    gr_doc *repeat = gr_doc_get(it->doc, "repeat"), *share = gr_doc_get(it->doc, "share");
    if (share && !repeat) {
        gr_diag_error(b->m->diag, share->key_at, "'share' is about the copies that 'repeat' makes; this node has no 'repeat'");
        it->bad = true;
    }
    if (share && gr_eval_bool(b->m, b->scope, share, &it->share) < 0) it->bad = true;
    if (!repeat) return;
    if (gr_eval_int(b->m, b->scope, repeat, 1, &it->repeat) < 0) it->bad = true;
    if (gr_op_num_inputs(it->op) == 0 || it->repeat > MAX_COPIES) {
        gr_diag_error(b->m->diag, repeat->at, it->repeat > MAX_COPIES ? "at most 100000 copies can be made" :
                      "each copy reads the one before, but %s takes no input", it->op->name);
        it->bad = true;
    }
}

void gr_item_read(gr_body *b, gr_item *it)
{
    it->doc->used = true;
    if (it->doc->kind != GR_DOC_MAP) {
        bool empty = it->doc->kind == GR_DOC_NULL && !*it->doc->text; /* reported when it was read */
        if (!empty) gr_diag_error(b->m->diag, it->doc->at, "expected a node here: {op: ..., in: ...}");
        it->bad = true;
        return;
    }
    read_when(b, it);
    if (it->absent) {
        read_absent(b, it);
        return;
    }
    gr_doc *other = gr_doc_get(it->doc, "else");
    gr_use unused;
    if (other && gr_body_use(b, other, &unused) < 0) it->bad = true;
    it->op = find_op(b, it);
    if (!it->op) {
        it->bad = true;
        gr_mention(b->m, b->scope, it->doc);
        return;
    }
    if (!gr_op_is_scan(it->op)) {
        read_in(b, it);
        read_ports_and_ties(b, it);
    }
    if (!only_checked(b)) read_repeat(b, it);
    else gr_mention(b->m, b->scope, it->doc);
}

/* ---- values ---- */

/* A parameter or an inner value of a composite, emitted already. */
static gr_value *find_inner(gr_body *b, const gr_item *it, const gr_use *u)
{
    gr_arena *a = b->m->arena;
    gr_graph *g = gr_emitter_graph(b->e), *root = gr_graph_root(g);
    const char *prefix = gr_emitter_prefix(b->e);
    gr_state *s = gr_graph_find_state(root, *b->params ? gr_arena_printf(a, "%s.%s", b->params, u->text) : u->text);
    gr_value *v = s ? s->value : gr_graph_find_name(root, *prefix ? gr_arena_printf(a, "%s.%s", prefix, u->text) : u->text);
    const gr_graph *home = g;
    while (v && home && v->node->graph != home) home = home->parent;
    if (v && home) return v;
    if (v) gr_diag_error(g->diag, u->doc->at, "'%s' is made inside a loop; only its outputs can be read here", u->text);
    else gr_diag_error(g->diag, u->doc->at, "%s has no output or parameter '%s'%s", it->op->name, u->rest,
                       gr_suggest(a, u->rest, port_names(a, it->op->outputs)));
    return NULL;
}

/* In a raw graph it is an output that the op does not declare; expansion finds it. */
static gr_value *inner_value(gr_body *b, gr_item *it, const gr_use *u)
{
    if (b->e) return find_inner(b, it, u);
    gr_value *v = gr_node_add_output(it->raw, u->rest, NULL);
    if (it->num_out < MAX_OUTPUTS) {
        it->out[it->num_out] = v;
        it->out_name[it->num_out++] = v->port;
    }
    return v;
}

/* Raw Split-like nodes get outputs as readers ask for them. */
static bool add_numbered_output(gr_item *it, const char *name)
{
    const gr_port *p = it->op->outputs;
    char *end;
    long want = strtol(name, &end, 10);
    if (!it->raw || !p || *end || want < 0 || want >= MAX_OUTPUTS) return false;
    while (p->name && !(p->flags & GR_PORT_VARIADIC)) p++;
    if (!p->name) return false;
    while (it->raw->num_out <= want) gr_node_add_output(it->raw, NULL, NULL);
    for (int i = 0; i < it->raw->num_out; i++) {
        it->out[i] = it->raw->out[i];
        it->out_name[i] = it->raw->out[i]->port;
    }
    it->num_out = it->raw->num_out;
    return true;
}

static int find_output(gr_item *it, const char *name)
{
    for (int i = 0; i < it->num_out; i++)
        if (it->out_name[i] && strcmp(it->out_name[i], name) == 0) return i;
    return -1;
}

static gr_value *output_called(gr_body *b, gr_item *it, const gr_use *u)
{
    gr_arena *a = b->m->arena;
    int i = find_output(it, u->rest);
    if (i < 0 && add_numbered_output(it, u->rest)) i = find_output(it, u->rest);
    if (i >= 0) return it->out[i];
    char *end;
    long copy = strtol(u->rest, &end, 10);
    if (it->repeat && !*end && copy >= 0 && copy < it->repeat) return it->copy[copy];
    if (it->op->expand) return inner_value(b, it, u);
    const char **names = GR_NEW_ARRAY(a, const char *, it->num_out + 1);
    for (int k = 0; k < it->num_out; k++) names[k] = it->out_name[k];
    gr_diag_error(b->m->diag, u->doc->at, "%s has no output called '%s'%s", it->op->name, u->rest, gr_suggest(a, u->rest, names));
    return NULL;
}

int gr_use_values(gr_body *b, const gr_use *u, gr_value *const **v, int *n)
{
    *n = 0;
    if (u->input >= 0) {
        const gr_body_input *in = &b->inputs[u->input];
        if (u->rest) {
            gr_diag_error(b->m->diag, u->doc->at, "'%s' is one value; it has no output '%s'", in->name, u->rest);
            return -1;
        }
        *v = in->value;
        *n = in->count;
        return in->count > 0;
    }
    gr_item *it = u->item >= 0 ? &b->items[u->item] : NULL;
    if (!it || it->bad) return -1;
    if (it->absent && it->num_uses == 0) return 0;
    if (it->absent) {
        gr_use other = it->uses[0];
        if (!other.rest) other.rest = u->rest;
        return gr_use_values(b, &other, v, n);
    }
    gr_value **one = GR_NEW(b->m->arena, gr_value *);
    one[0] = u->rest ? output_called(b, it, u) : it->num_out ? it->out[0] : NULL;
    *v = one;
    *n = 1;
    return one[0] ? 1 : -1;
}

/* ---- making ---- */

typedef struct wiring {
    gr_value **in; int num_in, cap_in;
    int *port;
    gr_loc *port_at;
    gr_attr *attr;
    gr_loc *attr_at;
    gr_tie *ties; int num_ties;
} wiring;

static void explain_list(gr_body *b, const gr_use *u)
{
    gr_loc at = u->input >= 0 ? b->inputs[u->input].at : (gr_loc){0};
    if (at.line) gr_diag_note(b->m->diag, at, "the list is given here");
}

/* Whether an op that runs a cell over time has the port only because its cell reads it. */
static bool is_of_cell(const gr_body *b, const gr_item *it, const gr_port *port)
{
    const gr_op *over = it->op->traits & GR_OVER_CELL ? gr_registry_find(b->m->registry, it->op->name) : NULL;
    return over && gr_op_input(over, port->name) < 0;
}

/* What was meant for the port that is missing but taken for a parameter's tie, as any name that the op does not have. */
static const gr_item_tie *meant_for_port(const gr_item *it, const char *port)
{
    const char *const names[] = {"in", port, NULL};
    for (int i = 0; i < it->num_ties; i++)
        if (gr_nearest_term(it->ties[i].param, names)) return &it->ties[i];
    return NULL;
}

static void missing_port(gr_body *b, const gr_item *it, const gr_port *port)
{
    const gr_item_tie *meant = meant_for_port(it, port->name);
    if (meant)
        gr_diag_error(b->m->diag, meant->use.doc->key_at, "%s has no '%s'; did you mean 'in'?", it->op->name, meant->param);
    else
        gr_diag_error(b->m->diag, it->doc->key_at, "node '%s' (%s) needs the input '%s'%s", it->name, it->op->name, port->name,
                      is_of_cell(b, it, port) ? gr_arena_printf(b->m->arena, "; if the cell is to carry '%s' from step to step, its `out` lacks it: "
                                                                "out: {%s: NODE}", port->name, port->name) : "");
}

/* The values on port p; -1 if one is bad. */
static int wire_port(gr_body *b, gr_item *it, int p, wiring *w)
{
    const gr_port *port = &it->op->inputs[p];
    const gr_use *absent = NULL;
    int first = w->num_in, r = 0;
    for (int i = 0; i < it->num_uses; i++) {
        const gr_use *u = &it->uses[i];
        gr_value *const *v;
        int n = 0;
        if (u->port != p) continue;
        if (!w->port_at[p].line) w->port_at[p] = u->doc->at;
        int got = gr_use_values(b, u, &v, &n);
        if (got < 0) r = -1;
        if (got == 0) absent = u;
        if (n > 1 && !(port->flags & GR_PORT_VARIADIC) && !gr_op_is_block(it->op)) {
            gr_diag_error(b->m->diag, u->doc->at, "'%s' stands for %d values here, but %s '%s' takes one on '%s'", u->text, n,
                          it->op->name, it->name, port->name);
            explain_list(b, u);
            r = -1;
        }
        for (int k = 0; k < n && got > 0; k++) *GR_PUSH(b->m->arena, w->in, w->num_in, w->cap_in) = v[k];
    }
    if (r < 0 || it->bad || w->num_in > first || (port->flags & GR_PORT_OPTIONAL)) return r;
    if (absent)
        gr_diag_error(b->m->diag, absent->doc->at, "'%s' is absent here, but %s needs the input '%s'", absent->text,
                      it->op->name, port->name);
    else
        missing_port(b, it, port);
    return -1;
}

static int wire(gr_body *b, gr_item *it, wiring *w)
{
    int ports = gr_op_num_inputs(it->op), r = 0;
    w->port = GR_NEW_ARRAY(b->m->arena, int, ports + 1);
    w->port_at = GR_NEW_ARRAY(b->m->arena, gr_loc, ports + 1);
    for (int p = 0; p < ports; p++) {
        w->port[p] = w->num_in;
        if (wire_port(b, it, p, w) < 0) r = -1;
    }
    w->port[ports] = w->num_in;
    return r;
}

static int read_attrs(gr_body *b, gr_item *it, wiring *w)
{
    gr_arena *a = b->m->arena;
    if (gr_op_is_scan(it->op)) {
        w->attr = gr_attr_defaults(a, it->op);
        return 0;
    }
    const char **skip = NULL;
    int n = 0, cap = 0;
    for (int i = 0; own_keys[i]; i++) *GR_PUSH(a, skip, n, cap) = own_keys[i];
    for (int i = 0; i < gr_op_num_inputs(it->op); i++) *GR_PUSH(a, skip, n, cap) = it->op->inputs[i].name;
    for (int i = 0; i < it->num_ties; i++) *GR_PUSH(a, skip, n, cap) = it->ties[i].param;
    *GR_PUSH(a, skip, n, cap) = NULL;
    w->attr = gr_eval_attrs(b->m, b->scope, it->doc, it->op->attrs, it->op->name, skip, &w->attr_at);
    return w->attr ? 0 : -1;
}

static int resolve_ties(gr_body *b, gr_item *it, wiring *w)
{
    gr_arena *a = b->m->arena;
    w->ties = GR_NEW_ARRAY(a, gr_tie, it->num_ties);
    for (int i = 0; i < it->num_ties; i++) {
        const gr_item_tie *t = &it->ties[i];
        gr_item *other = t->outer ? NULL : &b->items[t->use.item];
        if (other && other->absent)
            gr_diag_error(b->m->diag, t->use.doc->at, "'%s' is absent here, so '%s' of '%s' cannot be tied to it", t->use.text,
                          t->param, it->name);
        if (other && (other->bad || other->absent)) return -1;
        gr_tie *tie = &w->ties[w->num_ties++];
        *tie = (gr_tie){.param = t->param, .target = t->outer, .at = t->use.doc->key_at};
        if (t->outer) continue;
        if (!t->use.rest) tie->value = other->num_out ? other->out[0] : NULL;
        else if (find_output(other, t->use.rest) >= 0) tie->value = other->out[find_output(other, t->use.rest)];
        else tie->target = *b->params ? gr_arena_printf(a, "%s.%s", b->params, t->use.text) : t->use.text;
    }
    return 0;
}

static int add_raw(gr_body *b, gr_item *it, const char *name, const wiring *w)
{
    gr_node_spec spec = {.op = it->op, .name = name, .at = it->doc->key_at, .phase = GR_FORWARD, .num_in = w->num_in,
                         .in = w->in, .port = w->port, .attr = w->attr};
    gr_node *n = gr_node_add(b->raw, &spec);
    n->attr_at = w->attr_at;
    n->port_at = w->port_at;
    n->ties = w->ties;
    n->num_ties = w->num_ties;
    n->params = it->share ? it->name : NULL;
    it->raw = n;
    for (const gr_port *p = it->op->outputs; p && p->name; p++)
        if (!(p->flags & GR_PORT_VARIADIC)) gr_node_add_output(n, NULL, NULL);
    if (!n->num_out) gr_node_add_output(n, NULL, NULL);
    for (int i = 0; i < n->num_out; i++) {
        it->out[i] = n->out[i];
        it->out_name[i] = n->out[i]->port;
    }
    it->num_out = n->num_out;
    return 0;
}

static int emit(gr_body *b, gr_item *it, const char *name, const wiring *w)
{
    gr_apply apply = {.op = it->op, .name = name, .at = it->doc->key_at, .num_in = w->num_in, .in = w->in,
                      .port = w->port, .attr = w->attr, .attr_at = w->attr_at, .port_at = w->port_at,
                      .params = it->share ? it->name : NULL, .ties = w->ties, .num_ties = w->num_ties};
    if (!b->m->root) { /* a cell of the library: what is wrong is wrong where it is used */
        apply.at = (gr_loc){0};
        apply.attr_at = apply.port_at = NULL;
    }
    int n = gr_apply_op(b->e, &apply, it->out, it->out_name, MAX_OUTPUTS);
    it->num_out = n < MAX_OUTPUTS ? n : MAX_OUTPUTS;
    return n > 0 ? 0 : -1;
}

/* "enc" is the last of enc.0, enc.1, ... */
static void name_last_copy(gr_body *b, const gr_item *it)
{
    gr_graph *root = b->raw ? b->raw : gr_graph_root(gr_emitter_graph(b->e));
    const char *prefix = b->raw ? "" : gr_emitter_prefix(b->e);
    const char *path = *prefix ? gr_arena_printf(b->m->arena, "%s.%s", prefix, it->name) : it->name;
    if (it->num_out && it->out[0]) gr_graph_set_name(root, path, it->out[0]);
}

static int make_copies(gr_body *b, gr_item *it, wiring *w)
{
    gr_arena *a = b->m->arena;
    int64_t n = it->repeat ? it->repeat : 1;
    it->out = GR_NEW_ARRAY(a, gr_value *, MAX_OUTPUTS);
    it->out_name = GR_NEW_ARRAY(a, const char *, MAX_OUTPUTS);
    it->copy = GR_NEW_ARRAY(a, gr_value *, n);
    for (int64_t k = 0; k < n; k++) {
        const char *name = it->repeat ? gr_arena_printf(a, "%s.%lld", it->name, (long long)k) : it->name;
        if (k > 0) w->in[w->port[0]] = it->copy[k - 1];
        if ((b->raw ? add_raw(b, it, name, w) : emit(b, it, name, w)) < 0) return -1;
        it->copy[k] = it->out[0];
    }
    if (it->repeat) name_last_copy(b, it);
    return 0;
}

void gr_item_make(gr_body *b, gr_item *it)
{
    wiring w = {0};
    if (it->absent || !it->op) return;
    if (wire(b, it, &w) < 0) it->bad = true;
    if (read_attrs(b, it, &w) < 0 || resolve_ties(b, it, &w) < 0) it->bad = true;
    if (it->bad || make_copies(b, it, &w) < 0) it->bad = true;
}
