/* reach.c - which values a gradient must pass through.
 *
 * A value takes part where it depends on a target (wanted) and the objective depends
 * on it (useful). Both spread through a loop by a fixpoint over its carries: a carry
 * that is wanted after a step is wanted before the next. */
#include "pass/gradient.h"

ad_mark *ad_mark_of(gr_value *v)
{
    if (!v->mark) v->mark = GR_NEW(v->node->graph->arena, ad_mark);
    return v->mark;
}

void ad_clear_marks(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        for (int o = 0; o < n->num_out; o++) n->out[o]->mark = NULL;
        if (n->scan) ad_clear_marks(n->scan->body);
    }
}

static int port_of_input(const gr_node *n, int i)
{
    int p = 0;
    while (n->port[p + 1] <= i) p++;
    return p;
}

bool ad_differentiable(const gr_node *n, int i)
{
    const gr_value *v = n->in[i];
    if (!v || !gr_is_float(v->type.dtype)) return false;
    if (n->scan) return true;
    if (n->op->traits & GR_ZERO_GRAD) return false;
    return !(n->op->inputs[port_of_input(n, i)].flags & (GR_PORT_INT | GR_PORT_BOOL));
}

static bool set_wanted(gr_value *v)
{
    ad_mark *m = ad_mark_of(v);
    if (m->wanted || !gr_is_float(v->type.dtype)) return false;
    return m->wanted = true;
}

static bool set_useful(gr_value *v)
{
    ad_mark *m = ad_mark_of(v);
    if (m->useful || !gr_is_float(v->type.dtype)) return false;
    return m->useful = true;
}

static bool is_wanted(gr_value *v) { return v && ad_mark_of(v)->wanted; }
static bool is_useful(gr_value *v) { return v && ad_mark_of(v)->useful; }

static void scan_wanted(gr_node *n)
{
    const gr_scan *s = n->scan;
    gr_graph *body = s->body;
    for (int i = 0; i < n->num_in; i++)
        if (is_wanted(n->in[i])) set_wanted(body->args[i]);
    for (bool again = true; again;) {
        again = false;
        ad_reach_wanted(body);
        for (int i = 0; i < s->carries; i++)
            if (is_wanted(body->results[i]) && set_wanted(body->args[i])) again = true;
    }
    for (int i = 0; i < s->carries; i++)
        if (is_wanted(body->args[i])) {
            set_wanted(gr_scan_last(n, i));
            set_wanted(gr_scan_history(n, i));
        }
    for (int j = 0; j < s->stacked; j++)
        if (is_wanted(body->results[s->carries + j])) set_wanted(gr_scan_stacked(n, j));
}

void ad_reach_wanted(gr_graph *g)
{
    for (int k = 0; k < g->num_nodes; k++) {
        gr_node *n = g->nodes[k];
        if (n->scan) {
            scan_wanted(n);
            continue;
        }
        bool wanted = false;
        for (int i = 0; i < n->num_in; i++) wanted |= ad_differentiable(n, i) && is_wanted(n->in[i]);
        for (int o = 0; o < n->num_out && wanted; o++) set_wanted(n->out[o]);
    }
}

static void scan_useful(gr_node *n)
{
    const gr_scan *s = n->scan;
    gr_graph *body = s->body;
    for (int i = 0; i < s->carries; i++) {
        bool history = is_useful(gr_scan_history(n, i));
        if (history || is_useful(gr_scan_last(n, i))) set_useful(body->results[i]);
        if (history) set_useful(n->in[i]); /* its first entry is the init */
    }
    for (int j = 0; j < s->stacked; j++)
        if (is_useful(gr_scan_stacked(n, j))) set_useful(body->results[s->carries + j]);
    for (bool again = true; again;) {
        again = false;
        ad_reach_useful(body);
        for (int i = 0; i < s->carries; i++)
            if (is_useful(body->args[i]) && set_useful(body->results[i])) again = true;
    }
    for (int i = 0; i < n->num_in; i++)
        if (is_useful(body->args[i])) set_useful(n->in[i]);
}

void ad_reach_useful(gr_graph *g)
{
    for (int k = g->num_nodes - 1; k >= 0; k--) {
        gr_node *n = g->nodes[k];
        if (n->scan) {
            scan_useful(n);
            continue;
        }
        bool useful = false;
        for (int o = 0; o < n->num_out; o++) useful |= is_useful(n->out[o]);
        for (int i = 0; i < n->num_in && useful; i++)
            if (ad_differentiable(n, i)) set_useful(n->in[i]);
    }
}
