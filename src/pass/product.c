/* product.c - a product's operands and its result, axis by axis. */
#include "pass/product.h"
#include "graph/emit.h"
#include "pass/rewrite.h"

bool gr_is_fixed(const gr_value *v)
{
    const gr_node *n = v->node;
    if (n->op->role == GR_ROLE_ARG) return n->graph->owner && gr_arg_kind(v, NULL) == GR_ARG_INVARIANT;
    if (gr_is_view(n)) return gr_is_fixed(n->in[0]);
    return (n->op->traits & GR_LEAF) || !n->num_in;
}

bool gr_is_matrix_product(const gr_node *n)
{
    for (int i = 2; i < n->num_in; i++)
        if (n->in[i]) return false;
    return (n->op->traits & GR_CONTRACTION) && n->num_in >= 2 && n->num_out == 1 && !n->tape && n->in[0] && n->in[1] &&
           n->in[1]->type.rank == 2 && n->out[0]->type.rank > 0;
}

/* Infers n's type with one more entry on `axis` of an operand, in a graph that nobody keeps: whether
 * the result has one more on the axis `result`, counted from its end. */
static bool widens(gr_graph *g, const gr_node *n, int operand, int axis, int result)
{
    gr_graph *aside = gr_graph_create(g->arena, g->registry, gr_diag_create(g->arena), g->real);
    gr_value *in[2];
    for (int i = 0; i < 2; i++) {
        gr_type t = n->in[i]->type;
        for (int k = 0; k < t.rank; k++) t.axis[k] = NULL;
        if (i == operand) t.dim[axis]++;
        gr_node_spec arg = {.op = gr_registry_role(g->registry, GR_ROLE_ARG), .name = i ? "right" : "left"};
        in[i] = gr_node_add_output(gr_node_add(aside, &arg), NULL, &t);
    }
    gr_node_spec spec = {.op = n->op, .name = "product", .num_in = 2, .in = in, .attr = n->attr};
    gr_node *trial = gr_node_add(aside, &spec);
    const gr_type *was = &n->out[0]->type;
    if (gr_infer_node(aside, trial) < 0 || trial->num_out != 1) return false;
    const gr_type *now = &trial->out[0]->type;
    return now->rank == was->rank && now->dim[now->rank - result] == was->dim[was->rank - result] + 1;
}

int gr_columns_axis(gr_graph *g, const gr_node *n)
{
    for (int axis = 0; axis < 2; axis++)
        if (widens(g, n, 1, axis, 1)) return axis;
    return -1;
}

bool gr_keeps_rows(gr_graph *g, const gr_node *n)
{
    const int rank = n->in[0]->type.rank;
    return rank == n->out[0]->type.rank && (rank == 1 || widens(g, n, 0, rank - 2, 2));
}
