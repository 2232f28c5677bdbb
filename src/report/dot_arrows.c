/* dot_arrows.c - the arrows of a graph's picture, and which boxes of two phases stand side by side. */
#include "report/dot_graph.h"

#include <string.h>

gr_node *gr_dot_origin(const gr_value *v)
{
    for (;;) {
        gr_node *n = v->node;
        if (n->scan) {
            const int c = n->scan->carries;
            v = n->scan->body->results[v->index < c ? v->index : v->index - c];
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

static void add(gr_dot *d, const gr_value *v, const gr_node *to, gr_phase phase, gr_pic_flow flow)
{
    const gr_node *from = v ? gr_dot_origin(v) : NULL;
    gr_pic_box *tail = from ? box_for(from, phase) : NULL, *head = box_for(to, phase);
    if (!tail || !head || (tail == head && tail->look == GR_LOOK_PART)) return;
    if (flow == GR_FLOW_DATA && tail->phase != head->phase) flow = GR_FLOW_KEPT;
    const bool part = tail->look == GR_LOOK_PART || head->look == GR_LOOK_PART;
    const bool said = part && (phase == GR_UPDATE || from->op->role == GR_ROLE_STATE); /* beside the parameter's name */
    gr_pic_add_arrow(d->p, tail, head, phase, flow, said ? "" : gr_dot_type(d, &v->type));
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
        const gr_node *from = same && is_in(d->g, part->out[0]->node) ? gr_dot_origin(part->out[0]) : NULL;
        if (!from || strchr(part->name, '.') || owns_a_node(d, &d->top, part->name)) continue;
        gr_pic_box *tail = box_for(from, GR_FORWARD);
        if (!tail) continue;
        gr_pic_box *b = gr_pic_add_box(d->p, &d->p->top, GR_LOOK_VIEW, GR_FORWARD, part->name, part->op->name);
        for (int k = 0; k < d->p->num_arrows; k++)
            if (d->p->arrow[k]->from == tail && d->p->arrow[k]->flow == GR_FLOW_DATA) d->p->arrow[k]->from = b;
        gr_pic_add_arrow(d->p, tail, b, GR_FORWARD, GR_FLOW_DATA, gr_dot_type(d, &part->out[0]->type));
    }
}

/* ---- side by side ---- */

/* A closed branch beside that of the same path, a node beside what derives from it. */
static void pair(gr_dot *d, const char *key, gr_pic_box *box)
{
    const char *taken = gr_arena_printf(d->a, "%s/%d", key, (int)box->phase);
    if (gr_map_get(d->pairs, taken)) return;
    gr_map_set(d->pairs, taken, box);
    gr_pic_box *other = gr_map_get(d->pairs, gr_arena_printf(d->a, "%s/%d", key, (int)GR_BACKWARD));
    if (box->phase != GR_UPDATE || !other) other = gr_map_get(d->pairs, key);
    if (!other) gr_map_set(d->pairs, key, box);
    else *GR_PUSH(d->a, d->p->pair, d->p->num_pairs, d->p->cap_pairs) = (gr_pic_pair){other, box};
}

static void pair_nodes(gr_dot *d, const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        gr_pic_box *box = gr_dot_place_of(n)->box[n->phase];
        if (box && box->look != GR_LOOK_PART && n->op->role != GR_ROLE_STATE && n->op->role != GR_ROLE_ARG)
            pair(d, gr_arena_strndup(d->a, n->name, strcspn(n->name, "'")), box);
        if (n->scan) pair_nodes(d, n->scan->body);
    }
}

static void pair_branches(gr_dot *d, const gr_branch *b)
{
    for (int i = 0; i < GR_NUM_STAGES; i++)
        if (b->closed[i]) pair(d, gr_arena_printf(d->a, "%s/%d", b->path, b->phase == GR_UPDATE ? 0 : i), b->closed[i]);
    for (const gr_branch *k = b->first; k; k = k->next) pair_branches(d, k);
}

void gr_dot_draw_arrows(gr_dot *d)
{
    draw_graph(d, d->g);
    if (!d->options->inside) draw_passed_on(d);
    pair_branches(d, &d->top);
    pair_nodes(d, d->g);
}
