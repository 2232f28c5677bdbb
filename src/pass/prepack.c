/* prepack.c - the weights of a loop's products are packed once, before the loop.
 *
 * A product in a loop reads a right operand that stays the same at every step. Its op may
 * know a form of it that is faster to read (op->prepack): that is made where the operand
 * is made, outside of all loops through which it comes unchanged, and handed in. */
#include "graph/emit.h"
#include "pass/fuse.h"
#include "pass/rewrite.h"

/* What v is outside of all loops through which it comes unchanged. */
static gr_value *unchanged(gr_value *v)
{
    while (v->node->op->role == GR_ROLE_ARG && v->node->graph->owner && gr_arg_kind(v, NULL) == GR_ARG_INVARIANT)
        v = gr_arg_outer(v);
    return v;
}

typedef struct packing {
    const gr_node *node;
    gr_value *result;
} packing;

static gr_value *packing_in(void *data, gr_emitter *e, int input)
{
    const packing *p = data;
    gr_value *v = unchanged(p->node->in[input]);
    return v->node->graph == gr_emitter_graph(e) ? v : NULL;
}

static int packing_result(void *data, gr_emitter *e, int output, gr_value *v)
{
    packing *p = data;
    (void)e;
    if (output == 0) p->result = v;
    return output == 0 ? 0 : -1;
}

static void prepack_node(gr_node *n)
{
    int last = gr_op_num_inputs(n->op) - 1, place = n->port[last];
    if (n->num_in != place + 1 || n->in[place] || !n->in[1]) return;
    gr_value *operand = unchanged(n->in[1]);
    if (operand == n->in[1]) return;
    packing p = {.node = n};
    gr_node_view view = {.node = n, .in = packing_in, .set_result = packing_result, .data = &p};
    if (gr_emitter_call(gr_emitter_create(operand->node->graph, n->phase), &view, n->op->prepack) != 0 || !p.result) return;
    n->in[place] = gr_graph_capture(n->graph, p.result);
}

void gr_prepack(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->scan) gr_prepack(n->scan->body);
        else if (n->op->prepack && !n->tape) prepack_node(n);
    }
    gr_graph_sort(g);
}
