/* sparse_adam.c - Adam for gradients of rows: moments of rows that were not met stay. */
#include "adam.h"

/* m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
 * param -= lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps) */
static int sparse_adam_expand(gr_ctx *c)
{
    const double *betas = opt_betas(c);
    if (!betas) return -1;
    gr_val g = opt_gradient(c), m = opt_lerp(c, gr_in(c, ADAM_AVG), g, betas[0]);
    gr_val v = opt_lerp(c, gr_in(c, ADAM_SQ), opt_square(c, g), betas[1]);
    gr_val denominator = gr_emit2(c, "Add", gr_emit1(c, "Sqrt", v), opt_number(c, gr_float(c, "eps")));
    gr_val correction = gr_emit2(c, "Div", gr_emit1(c, "Sqrt", opt_bias_correction(c, betas[1])), opt_bias_correction(c, betas[0]));
    gr_val rate = gr_emit2(c, "Mul", gr_in(c, OPT_LR), correction);
    gr_val next = opt_descend(c, gr_in(c, OPT_PARAM), rate, gr_emit2(c, "Div", m, denominator));
    return opt_results(c, 3, (const gr_val[]){next, m, v});
}

static const gr_attr_spec sparse_adam_attrs[] = {
    OPT_LR_ATTR("0.001"), OPT_BETAS_ATTR, OPT_EPS_ATTR("1e-8", "Added to the denominator."), OPT_MAXIMIZE_ATTR, {0}};
static const gr_port sparse_adam_inputs[] = {
    OPT_PORTS, OPT_MOMENT("exp_avg", "average of gradients"), OPT_MOMENT("exp_avg_sq", "average of squared gradients"), {0}};
static const gr_port sparse_adam_outputs[] = {OPT_PARAM_OUT, {"exp_avg", 0, "[...]"}, {"exp_avg_sq", 0, "[...]"}, {0}};
static const gr_optimiser sparse_adam_says = {sizeof sparse_adam_says, NULL, "SparseAdam", NULL};

extern const gr_op gr_op_sparse_adam;
const gr_op gr_op_sparse_adam = {
    GR_OP_HEADER,
    .name = "SparseAdam",
    .summary = "Adam that moves only the rows a sparse gradient has.",
    .formula = "m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; param -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)",
    .reference = "torch.optim.SparseAdam",
    .traits = GR_OPTIMISER,
    .data = &sparse_adam_says,
    .attrs = sparse_adam_attrs,
    .inputs = sparse_adam_inputs,
    .outputs = sparse_adam_outputs,
    .expand = sparse_adam_expand,
    .kind = "optimisers",
    .example = "graph:\n"
               "  rows: {op: Constant, value: [0, 2]}\n"
               "  table: {op: Embedding, in: rows, num_embeddings: 5, embedding_dim: 3, sparse: true}\n"
               "  square: {op: Square, in: table}\n"
               "  loss: {op: Sum, in: square}\n"
               "train: {minimize: loss, optimizer: {op: SparseAdam, lr: 0.001}, steps: 3}\n",
};
