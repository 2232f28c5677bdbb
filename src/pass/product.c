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

/* Whether n's result, with one more entry on `axis` of an operand, has one more on the axis `result`, counted from its end. */
static bool widens(gr_graph *g, const gr_node *n, int operand, int axis, int result)
{
    gr_type *type = GR_NEW_ARRAY(g->arena, gr_type, n->num_in);
    for (int i = 0; i < 2; i++) {
        type[i] = n->in[i]->type;
        for (int k = 0; k < type[i].rank; k++) type[i].axis[k] = NULL;
    }
    type[operand].dim[axis]++;
    const gr_node *trial = gr_infer_as(g->arena, n, n->num_in, type);
    if (!trial || trial->num_out != 1) return false;
    const gr_type *was = &n->out[0]->type, *now = &trial->out[0]->type;
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
