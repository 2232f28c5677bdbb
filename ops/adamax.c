/* adamax.c - Adam with the largest gradient in place of the mean square. */
#include "optimiser.h"

enum { MAX_AVG = OPT_FIRST_MOMENT, MAX_INF };

static int adamax_expand(gr_ctx *c)
{
    const double *beta = opt_betas(c);
    if (!beta) return -1;
    gr_val g = opt_decayed(c), m = opt_lerp(c, gr_in(c, MAX_AVG), g, beta[0]);
    gr_val size = gr_emit2(c, "Add", gr_emit1(c, "Abs", g), opt_number(c, gr_float(c, "eps")));
    gr_val largest = gr_emit2(c, "Maximum", opt_scale(c, gr_in(c, MAX_INF), beta[1]), size);
    gr_val rate = gr_emit2(c, "Div", gr_in(c, OPT_LR), opt_bias_correction(c, beta[0]));
    gr_val next = opt_descend(c, gr_in(c, OPT_PARAM), rate, gr_emit2(c, "Div", m, largest));
    return opt_results(c, 3, (const gr_val[]){next, m, largest});
}

static const gr_attr_spec adamax_attrs[] = {
    OPT_LR_ATTR("0.002"),
    OPT_BETAS_ATTR,
    OPT_EPS_ATTR("1e-8", "Added to the size of a gradient."),
    OPT_DECAY_ATTR,
    OPT_MAXIMIZE_ATTR,
    {0},
};
static const gr_port adamax_inputs[] = {OPT_PORTS, OPT_MOMENT("exp_avg", "average of gradients"),
    OPT_MOMENT("exp_inf", "the largest gradient, older ones shrunk"), {0}};
static const gr_port adamax_outputs[] = {OPT_PARAM_OUT, {"exp_avg", 0, "[...]"}, {"exp_inf", 0, "[...]"}, {0}};

const gr_op gr_op_adamax = {
    GR_OP_HEADER,
    .name = "Adamax",
    .summary = "Adam by the infinity norm.",
    .formula = "m = b1 m + (1 - b1) g; u = max(b2 u, |g| + eps); param -= lr / (1 - b1^t) * m / u",
    .reference = "torch.optim.Adamax; Kingma and Ba 2014",
    .attrs = adamax_attrs,
    .inputs = adamax_inputs,
    .outputs = adamax_outputs,
    .expand = adamax_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: Adamax, lr: 0.002}"),
};
