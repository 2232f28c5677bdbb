/* adadelta.c - steps as large as recent ones, relative to recent gradients. */
#include "optimiser.h"

enum { DELTA_SQ = OPT_FIRST_MOMENT, DELTA_ACC };

/* sqrt(v + eps) */
static gr_val adadelta_root(gr_ctx *c, gr_val v)
{
    return gr_emit1(c, "Sqrt", gr_emit2(c, "Add", v, opt_number(c, gr_float(c, "eps"))));
}

static int adadelta_expand(gr_ctx *c)
{
    double rho = gr_float(c, "rho");
    gr_val g = opt_decayed(c), moved = gr_in(c, DELTA_ACC);
    gr_val square = opt_average(c, gr_in(c, DELTA_SQ), opt_square(c, g), rho);
    gr_val ratio = gr_emit2(c, "Div", adadelta_root(c, moved), adadelta_root(c, square));
    gr_val delta = gr_emit2(c, "Mul", ratio, g);
    gr_val next = opt_descend(c, gr_in(c, OPT_PARAM), gr_in(c, OPT_LR), delta);
    return opt_results(c, 3, (const gr_val[]){next, square, opt_average(c, moved, opt_square(c, delta), rho)});
}

static const gr_attr_spec adadelta_attrs[] = {
    OPT_LR_ATTR("1"),
    {"rho", GR_ATTR_FLOAT, "0.9", 0, 1, NULL, "How much of both averages is kept."},
    OPT_EPS_ATTR("1e-6", "Added under both roots."),
    OPT_DECAY_ATTR,
    OPT_MAXIMIZE_ATTR,
    {0},
};
static const gr_port adadelta_inputs[] = {OPT_PORTS, OPT_MOMENT("square_avg", "average of squared gradients"),
    OPT_MOMENT("acc_delta", "average of squared steps"), {0}};
static const gr_port adadelta_outputs[] = {OPT_PARAM_OUT, {"square_avg", 0, "[...]"}, {"acc_delta", 0, "[...]"}, {0}};

const gr_op gr_op_adadelta = {
    GR_OP_HEADER,
    .name = "Adadelta",
    .summary = "Steps in proportion to the size of recent ones.",
    .formula = "v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2; param -= lr d",
    .reference = "torch.optim.Adadelta; Zeiler 2012",
    .attrs = adadelta_attrs,
    .inputs = adadelta_inputs,
    .outputs = adadelta_outputs,
    .expand = adadelta_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: Adadelta, lr: 1}"),
};
