/* adagrad.c - gradients divided by the root of all their squares so far. */
#include "optimiser.h"

/* lr / (1 + (step - 1) * lr_decay) */
static gr_val adagrad_rate(gr_ctx *c)
{
    double decay = gr_float(c, "lr_decay");
    if (decay == 0) return gr_in(c, OPT_LR);
    gr_val before = gr_emit2(c, "Sub", gr_in(c, OPT_STEP), opt_number(c, 1));
    return gr_emit2(c, "Div", gr_in(c, OPT_LR), opt_add_scaled(c, opt_number(c, 1), before, decay));
}

static int adagrad_expand(gr_ctx *c)
{
    gr_val g = opt_decayed(c), sum = gr_emit2(c, "Add", gr_in(c, OPT_FIRST_MOMENT), opt_square(c, g));
    gr_val root = gr_emit2(c, "Add", gr_emit1(c, "Sqrt", sum), opt_number(c, gr_float(c, "eps")));
    gr_val next = opt_descend(c, gr_in(c, OPT_PARAM), adagrad_rate(c), gr_emit2(c, "Div", g, root));
    return opt_results(c, 2, (const gr_val[]){next, sum});
}

static const gr_attr_spec adagrad_attrs[] = {
    OPT_LR_ATTR("0.01"),
    {"lr_decay", GR_ATTR_FLOAT, "0", 0, 1e30, NULL, "How fast lr falls: lr / (1 + (step - 1) * lr_decay)."},
    OPT_DECAY_ATTR,
    {"initial_accumulator_value", GR_ATTR_FLOAT, "0", 0, 1e30, NULL, "What the sum of squares starts from."},
    OPT_EPS_ATTR("1e-10", "Added to the denominator."),
    OPT_MAXIMIZE_ATTR,
    {0},
};
static const gr_port adagrad_inputs[] = {OPT_PORTS, OPT_MOMENT("sum", "sum of squared gradients"), {0}};
static const gr_port adagrad_outputs[] = {OPT_PARAM_OUT, {"sum", 0, "[...]"}, {0}};
static const gr_moment adagrad_moments[] = {{.port = "sum", .attr = "initial_accumulator_value"}, {0}};
static const char *const adagrad_dense[] = {"weight_decay", NULL};
static const gr_optimiser adagrad_says = {sizeof adagrad_says, adagrad_moments, "Adagrad", adagrad_dense};

const gr_op gr_op_adagrad = {
    GR_OP_HEADER,
    .name = "Adagrad",
    .summary = "Gradients divided by the root of the sum of their squares.",
    .formula = "s = s + g^2; param -= lr / (1 + (step - 1) lr_decay) * g / (sqrt(s) + eps)",
    .reference = "torch.optim.Adagrad; Duchi et al. 2011",
    .traits = GR_OPTIMISER,
    .data = &adagrad_says,
    .attrs = adagrad_attrs,
    .inputs = adagrad_inputs,
    .outputs = adagrad_outputs,
    .expand = adagrad_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: Adagrad, lr: 0.01}"),
};
