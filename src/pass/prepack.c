/* prepack.c - what many rows or many steps of products share is packed once.
 *
 * A product in a loop reads a right operand that stays the same at every step; one outside may
 * have so many rows that its tiles read the operand again and again. Its op may know a form of
 * it that is faster to read (op->prepack): that is made where the operand is made, outside of all
 * loops through which it comes unchanged, and handed in. Where weights are frozen, all products
 * with them get it, in loops or not, however few the rows; and may keep it with fewer bits. */
#include "graph/emit.h"
#include "pass/frozen.h"
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
    bool frozen;
    gr_value *result;
} packing;

static gr_value *packing_in(void *data, gr_emitter *e, int input)
{
    const packing *p = data;
    gr_value *v = unchanged(p->node->in[input]);
    return v->node->graph == gr_emitter_graph(e) && (!p->frozen || gr_is_frozen(v)) ? v : NULL;
}

static int packing_result(void *data, gr_emitter *e, int output, gr_value *v)
{
    packing *p = data;
    (void)e;
    if (output == 0) p->result = v;
    return output == 0 ? 0 : -1;
}

/* Whether n runs once only in a program that runs again and again: a step of generate. */
static bool runs_once(const gr_node *n) { return !n->graph->owner || n->graph->owner->scan->steps == 1; }

static void prepack_node(gr_node *n, const gr_request *r)
{
    int last = gr_op_num_inputs(n->op) - 1, place = n->port[last];
    if (!n->in[1] || (n->num_in > place && n->in[place])) return;
    gr_value *operand = unchanged(n->in[1]);
    packing p = {.node = n, .frozen = r->frozen && !operand->node->graph->parent && gr_is_frozen(operand)};
    if (r->frozen && !p.frozen && operand != n->in[1] && runs_once(n)) return;
    gr_node_view view = {.node = n, .in = packing_in, .set_result = packing_result, .data = &p,
                         .packed_dtype = p.frozen ? r->packed_dtype : GR_UNKNOWN};
    if (gr_emitter_call(gr_emitter_create(operand->node->graph, n->phase), &view, n->op->prepack) != 0 || !p.result) return;
    gr_value *packed = gr_graph_capture(n->graph, p.result);
    if (n->num_in > place) n->in[place] = packed;
    else gr_node_add_input(n, place, packed); /* whoever made it left the port out */
}

void gr_prepack(gr_graph *g, const gr_request *r)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->scan) gr_prepack(n->scan->body, r);
        else if (n->op->prepack && !n->tape) prepack_node(n, r);
    }
    gr_graph_sort(g);
}
