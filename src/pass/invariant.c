/* invariant.c - out of a loop goes what is the same at every step.
 *
 * Done before differentiating, because the order matters there: the gradient toward a
 * moved value is accumulated over the steps first and goes through its node once. Inside
 * the loop it would go through at every step (a projection of attended memory: a product
 * over all of memory for each step of the decoder). */
#include "pass/gradient.h"

/* A node without inputs that gives the same numbers wherever it stands. */
bool ad_is_constant(const gr_value *v)
{
    const gr_node *n = v->node;
    return n->num_in == 0 && n->op->role != GR_ROLE_ARG && !n->scan && !(n->op->traits & (GR_RANDOM | GR_EFFECT));
}

static gr_node *copy_outside(gr_node *n, gr_graph *to, gr_value *const *in)
{
    gr_node *c = gr_node_add(to, &(gr_node_spec){.op = n->op, .name = n->name, .at = n->at, .phase = n->phase,
        .num_in = n->num_in, .in = in, .port = n->port, .attr = n->attr});
    c->attr_at = n->attr_at;
    c->port_at = n->port_at;
    for (int o = 0; o < n->num_out; o++) gr_node_add_output(c, n->out[o]->port, &n->out[o]->type);
    return c;
}

/* Whether v of a body is one value outside. */
static bool stands_outside(const gr_value *v)
{
    int number;
    if (v->node->op->role != GR_ROLE_ARG) return ad_is_constant(v);
    return gr_arg_kind(v, &number) == GR_ARG_INVARIANT;
}

static bool movable(const gr_node *n)
{
    if (n->num_in == 0 || n->scan || (n->op->traits & (GR_RANDOM | GR_EFFECT))) return false;
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && !stands_outside(n->in[i])) return false;
    return true;
}

/* Readers of a moved value read an arg from then on, so that their turn may come. */
static void move(gr_node *n)
{
    gr_graph *body = n->graph, *outer = body->parent;
    gr_value **in = GR_NEW_ARRAY(body->arena, gr_value *, n->num_in);
    for (int i = 0; i < n->num_in; i++) {
        gr_value *v = n->in[i];
        if (!v) continue;
        in[i] = v->node->op->role == GR_ROLE_ARG ? gr_arg_outer(v) : copy_outside(v->node, outer, NULL)->out[v->index];
    }
    gr_node *copy = copy_outside(n, outer, in);
    for (int o = 0; o < n->num_out; o++) gr_replace(n->out[o], gr_graph_capture(body, copy->out[o]));
}

int ad_move_invariants(gr_graph *g)
{
    for (int i = 0, n = g->num_nodes; i < n; i++) {
        if (!g->nodes[i]->scan) continue;
        gr_graph *body = g->nodes[i]->scan->body;
        if (ad_move_invariants(body) != 0) return -1;
        for (int k = 0, m = body->num_nodes; k < m; k++)
            if (movable(body->nodes[k])) move(body->nodes[k]);
        if (gr_graph_sort(body) != 0) return -1;
    }
    return gr_graph_sort(g);
}
