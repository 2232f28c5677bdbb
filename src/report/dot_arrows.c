/* dot_arrows.c - the arrows of a graph's picture, and which boxes of two phases stand side by side. */
#include "report/dot_graph.h"

#include <string.h>

enum { WIDTH = 24 }; /* of a line, in characters */

static int num_names(const gr_type *t)
{
    int n = 0;
    for (int i = 0; i < t->rank; i++) n += t->axis[i] != NULL;
    return n;
}

gr_node *gr_dot_origin(const gr_value *v, const gr_type **type)
{
    bool inner = false;
    for (*type = &v->type;; *type = inner || num_names(&v->type) <= num_names(*type) ? *type : &v->type) {
        gr_node *n = v->node;
        if (n->scan) {
            const int c = n->scan->carries;
            v = n->scan->body->results[v->index < c ? v->index : v->index - c];
            inner = true;
        } else if (gr_dot_is_invariant(n)) {
            v = gr_arg_outer(v);
        } else if (!gr_dot_is_hidden(n)) {
            return n;
        } else if (n->num_in && n->in[0]) {
            v = n->in[0];
        } else {
            return NULL;
        }
    }
}

/* The box of n that a reader of that phase is drawn to read. */
static gr_pic_box *box_for(const gr_node *n, gr_phase phase)
{
    const gr_dot_place *at = gr_dot_place_of(n);
    return n->op->role == GR_ROLE_STATE ? at->box[phase] : at->box[n->phase];
}

/* An opened update reads all gradients from one box. */
static gr_pic_box *gradients(gr_dot *d)
{
    if (!d->gradients) d->gradients = gr_pic_add_box(d->p, d->update->group, GR_LOOK_SLICE, GR_UPDATE, "gradients", "");
    return d->gradients;
}

static void add(gr_dot *d, const gr_value *v, const gr_node *to, gr_phase phase, gr_pic_flow flow)
{
    const gr_type *type;
    const gr_node *from = v ? gr_dot_origin(v, &type) : NULL;
    gr_pic_box *tail = from ? box_for(from, phase) : NULL, *head = box_for(to, phase);
    const bool is_state = from && from->op->role == GR_ROLE_STATE, goes_to_state = to->op->role == GR_ROLE_STATE;
    if (!tail || !head || (tail == head && (tail->look == GR_LOOK_PART || goes_to_state || gr_dot_place_of(from)->like || gr_dot_place_of(to)->like))) return;
    if (is_state && tail->look != GR_LOOK_STATE) return; /* listed in a box that reads it */
    if (flow == GR_FLOW_DATA && tail->phase != head->phase) flow = GR_FLOW_KEPT;
    const bool part = tail->look == GR_LOOK_PART || head->look == GR_LOOK_PART;
    const bool said = phase == GR_UPDATE || (part && is_state); /* beside the parameter's name */
    if (tail->phase == GR_BACKWARD && head->phase == GR_UPDATE && !gr_dot_closed(d, d->update)) {
        const gr_dot_place *at = gr_dot_place_of(to);
        gr_pic_add_arrow(d->p, tail, gradients(d), phase, flow, at->alike ? gr_dot_name_in_box(at->owner, tail) : "");
        gr_pic_add_arrow(d->p, gradients(d), head, phase, GR_FLOW_DATA, "");
        return;
    }
    gr_pic_add_arrow(d->p, tail, head, phase, flow, said ? "" : gr_dot_type(d, type));
}

static void draw_graph(gr_dot *d, const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        for (int k = 0; k < n->num_in && !n->scan; k++)
            if (!gr_dot_is_hidden(n)) add(d, n->in[k], n, n->phase, GR_FLOW_DATA);
        if (!n->scan) continue;
        const gr_scan *s = n->scan;
        for (int k = 0; k < s->carries + s->sequences; k++) add(d, n->in[k], s->body->args[k]->node, n->phase, GR_FLOW_DATA);
        draw_graph(d, s->body);
        for (int k = 0; k < s->carries; k++) add(d, s->body->results[k], s->body->args[k]->node, n->phase, GR_FLOW_NEXT);
    }
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->next) add(d, g->states[i]->next, g->states[i]->value->node, GR_UPDATE, GR_FLOW_NEXT);
}

/* ---- what the model hands on as it is ---- */

static bool owns_a_node(const gr_dot *d, const gr_branch *b, const char *path)
{
    if (strcmp(b->path, path) == 0) return true;
    for (const gr_branch *k = b->first; k; k = k->next)
        if (owns_a_node(d, k, path)) return true;
    return false;
}

/* Pruning may have taken it away. */
static bool is_in(const gr_graph *g, const gr_node *n)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i] == n || (g->nodes[i]->scan && is_in(g->nodes[i]->scan->body, n))) return true;
    return false;
}

/* A written node that came to nothing (Dropout with p = 0): its output is one of its inputs. It is drawn
 * beside its reader, so that no node of the file is missing. */
static void draw_passed_on(gr_dot *d)
{
    for (int i = 0; i < d->g->num_applied; i++) {
        const gr_applied *part = &d->g->applied[i];
        bool same = false;
        for (int k = 0; k < part->num_in; k++) same |= part->num_out && part->in[k] == part->out[0];
        const gr_type *type;
        const gr_node *from = same && is_in(d->g, part->out[0]->node) ? gr_dot_origin(part->out[0], &type) : NULL;
        if (!from || strchr(part->name, '.') || owns_a_node(d, &d->top, part->name)) continue;
        gr_pic_box *tail = box_for(from, GR_FORWARD);
        if (!tail) continue;
        gr_pic_box *b = gr_pic_add_box(d->p, &d->p->top, GR_LOOK_VIEW, GR_FORWARD, part->name, part->op->name);
        for (int k = 0; k < d->p->num_arrows; k++)
            if (d->p->arrow[k]->from == tail && d->p->arrow[k]->flow == GR_FLOW_DATA) d->p->arrow[k]->from = b;
        gr_pic_add_arrow(d->p, tail, b, GR_FORWARD, GR_FLOW_DATA, gr_dot_type(d, type));
    }
}

/* ---- side by side ---- */

/* A closed branch beside that of the same path, a node beside what derives from it. */
static void pair(gr_dot *d, const char *path, const char *key, gr_pic_box *box)
{
    box->path = path;
    const char *taken = gr_arena_printf(d->a, "%s/%d", key, (int)box->phase);
    if (gr_map_get(d->pairs, taken)) return;
    gr_map_set(d->pairs, taken, box);
    gr_pic_box *other = gr_map_get(d->pairs, gr_arena_printf(d->a, "%s/%d", key, (int)GR_BACKWARD));
    if (box->phase != GR_UPDATE || !other) other = gr_map_get(d->pairs, key);
    if (!other) gr_map_set(d->pairs, key, box);
    else gr_pic_put_beside(box, other);
}

static void pair_node(gr_dot *d, const gr_node *n, gr_pic_box *box)
{
    const char *path = gr_arena_strndup(d->a, n->name, strcspn(n->name, "'"));
    pair(d, path, path, box);
}

static void pair_nodes(gr_dot *d, const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        gr_pic_box *box = gr_dot_place_of(n)->box[n->phase];
        if (box && box->look != GR_LOOK_PART && n->op->role != GR_ROLE_STATE && n->op->role != GR_ROLE_ARG)
            pair_node(d, n, box);
        if (n->scan) pair_nodes(d, n->scan->body);
    }
}

static void pair_branches(gr_dot *d, const gr_branch *b)
{
    for (int i = 0; i < GR_NUM_STAGES; i++)
        if (b->closed[i] && b->derived) pair_node(d, b->node[0], b->closed[i]);
        else if (b->closed[i]) pair(d, b->path, gr_arena_printf(d->a, "%s/%d", b->path, b->phase == GR_UPDATE ? 0 : i), b->closed[i]);
    for (const gr_branch *k = b->first; k; k = k->next) pair_branches(d, k);
}

/* ---- what goes without saying ---- */

static bool is_within(const char *path, const char *around)
{
    const size_t n = strlen(around);
    return n && strncmp(path, around, n) == 0 && (!path[n] || path[n] == '.');
}

static const char *read_key(const gr_dot *d, const gr_pic_box *from, const char *path, size_t n)
{
    return gr_arena_printf(d->a, "%d %.*s", from->id, (int)n, path);
}

/* For each box, the paths of what reads it: of boxes and of all that they stand in. */
static gr_map *note_reads(const gr_dot *d)
{
    gr_map *reads = gr_map_create(d->a);
    for (int i = 0; i < d->p->num_arrows; i++) {
        const gr_pic_arrow *x = d->p->arrow[i];
        const char *path = x->to->path;
        for (size_t n = strcspn(path, "."); x->flow == GR_FLOW_DATA && *path; n += 1 + strcspn(path + n + 1, ".")) {
            gr_map_set(reads, read_key(d, x->from, path, n), x->from);
            if (!path[n]) break;
        }
    }
    return reads;
}

/* A gradient reads what its node made and read: of the arrows that say so, one is drawn, from the box beside it or
 * else the first one from what its node stands in. */
static void drop_implied(gr_dot *d)
{
    int kept = 0;
    gr_map *reads = note_reads(d);
    bool *told = GR_NEW_ARRAY(d->a, bool, d->p->num_boxes + 1);
    for (int i = 0; i < d->p->num_arrows; i++) {
        gr_pic_arrow *x = d->p->arrow[i];
        const bool gradient = x->flow == GR_FLOW_KEPT && x->from->phase == GR_FORWARD && x->to->phase == GR_BACKWARD;
        const bool within = is_within(x->from->path, x->to->path);
        const bool own = x->to->beside ? x->from == x->to->beside : within && !told[x->to->id];
        told[x->to->id] |= within;
        if (gradient && own) gr_pic_put_beside(x->to, x->from);
        else if (gradient && (within || gr_map_get(reads, read_key(d, x->from, x->to->path, strlen(x->to->path))))) continue;
        d->p->arrow[kept++] = x;
    }
    d->p->num_arrows = kept;
}

/* The gradient that most others come before: an arrow from its box to that of all gradients. */
static const gr_pic_arrow *last_gradient(const gr_dot *d)
{
    enum { MOST = 1000 }; /* boxes in a row; where they go round in a circle, it ends */
    int *before = GR_NEW_ARRAY(d->a, int, d->p->num_boxes + 1);
    const gr_pic_arrow *last = NULL;
    bool more = true;
    for (int round = 0; round < MOST && more; round++) {
        more = false;
        for (int i = 0; i < d->p->num_arrows; i++) {
            const gr_pic_arrow *x = d->p->arrow[i];
            if (x->flow != GR_FLOW_DATA || x->to->phase != GR_BACKWARD || before[x->to->id] > before[x->from->id]) continue;
            before[x->to->id] = before[x->from->id] + 1;
            more = true;
        }
    }
    for (int i = 0; i < d->p->num_arrows; i++) {
        const gr_pic_arrow *x = d->p->arrow[i];
        if (x->to == d->gradients && (!last || before[x->from->id] > before[last->from->id])) last = x;
    }
    return last;
}

/* What the update begins with besides gradients stands over them, so that all of it does over the backward graph. */
static void lift_sources(gr_dot *d)
{
    bool *reads = GR_NEW_ARRAY(d->a, bool, d->p->num_boxes + 1);
    gr_pic_box **box = GR_NEW_ARRAY(d->a, gr_pic_box *, d->p->num_boxes + 1);
    const int arrows = d->p->num_arrows;
    for (int i = 0; i < arrows; i++) {
        const gr_pic_arrow *x = d->p->arrow[i];
        if (x->flow == GR_FLOW_DATA) reads[x->to->id] = true;
        if (x->flow == GR_FLOW_DATA && x->from->phase == GR_UPDATE) box[x->from->id] = x->from;
    }
    for (int id = 1; id <= d->p->num_boxes; id++)
        if (box[id] && !reads[id] && box[id] != d->gradients) gr_pic_add_arrow(d->p, d->gradients, box[id], GR_UPDATE, GR_FLOW_ORDER, "");
}

/* To an opened update no arrows lead: each box says whose gradient it makes. One that is not drawn keeps the update over them. */
static void mark_gradients(gr_dot *d)
{
    if (!d->gradients) return;
    int kept = 0;
    lift_sources(d);
    const gr_pic_arrow *last = last_gradient(d);
    for (int i = 0; i < d->p->num_arrows; i++) {
        gr_pic_arrow *x = d->p->arrow[i];
        if (x->to == d->gradients && x->num_labels) {
            const char *of = x->label[0];
            for (int k = 1; k < x->num_labels; k++) of = gr_arena_printf(d->a, "%s, %s", of, x->label[k]);
            gr_pic_add_line(d->p, x->from, gr_pic_wrap(d->a, gr_arena_printf(d->a, "gradient of %s", of), WIDTH));
        }
        if (x == last) x->flow = GR_FLOW_ORDER;
        if (x->to != d->gradients || x == last) d->p->arrow[kept++] = x;
    }
    d->p->num_arrows = kept;
    gr_pic_add_line(d->p, d->gradients, "of the boxes that say\n\"gradient of\"");
}

/* That the loss is finite. */
static void drop_finite(gr_dot *d)
{
    int kept = 0;
    for (int i = 0; i < d->p->num_arrows; i++)
        if (!d->p->arrow[i]->from->result || d->p->arrow[i]->to->phase != GR_UPDATE) d->p->arrow[kept++] = d->p->arrow[i];
    d->p->num_arrows = kept;
}

static const char *labels_key(const gr_dot *d, const gr_pic_arrow *x, int from, int to)
{
    const char *key = gr_arena_printf(d->a, "%d %d", from, to);
    for (int i = 0; i < x->num_labels; i++) key = gr_arena_printf(d->a, "%s\n%s", key, x->label[i]);
    return key;
}

/* What goes to several boxes says its type once, and a gradient that runs beside what it is the gradient of does not
 * say it again. */
static void drop_labels(gr_dot *d)
{
    gr_map *said = gr_map_create(d->a);
    for (int i = 0; i < d->p->num_arrows; i++) {
        gr_pic_arrow *x = d->p->arrow[i];
        gr_map_set(said, labels_key(d, x, x->from->id, x->to->id), x);
    }
    for (int i = 0; i < d->p->num_arrows; i++) {
        gr_pic_arrow *x = d->p->arrow[i];
        const char *from = labels_key(d, x, x->from->id, 0);
        const gr_pic_box *a = x->to->beside, *b = x->from->beside;
        const bool gradient = x->phase == GR_BACKWARD && a && b && gr_map_get(said, labels_key(d, x, a->id, b->id));
        if (gradient || gr_map_get(said, from)) x->num_labels = 0;
        else gr_map_set(said, from, x);
    }
}

void gr_dot_draw_arrows(gr_dot *d)
{
    draw_graph(d, d->g);
    drop_finite(d);
    mark_gradients(d);
    if (!d->options->inside) draw_passed_on(d);
    pair_branches(d, &d->top);
    pair_nodes(d, d->g);
    if (d->options->depth != GR_DOT_ALL) drop_implied(d);
    if (d->options->inside || d->options->depth) drop_labels(d);
}
