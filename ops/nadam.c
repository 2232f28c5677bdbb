/* nadam.c - Adam that looks ahead as Nesterov's momentum does. */
#include "optimiser.h"

enum { NADAM_AVG = OPT_FIRST_MOMENT, NADAM_SQ, NADAM_PRODUCT };

/* mu_t = beta1 (1 - 0.5 * 0.96^(t * momentum_decay)) */
static gr_val nadam_mu(gr_ctx *c, gr_val step, double beta1)
{
    gr_val power = gr_emit1(c, "Exp", opt_scale(c, step, gr_float(c, "momentum_decay") * log(0.96)));
    return opt_scale(c, opt_add_scaled(c, opt_number(c, 1), power, -0.5), beta1);
}
static gr_val nadam_rest(gr_ctx *c, gr_val x) { return gr_emit2(c, "Sub", opt_number(c, 1), x); }

/* param -= lr ((1 - mu) / (1 - P) g + mu' / (1 - P mu') m) / (sqrt(v / (1 - beta2^t)) + eps),
 * P the product of all mu so far, mu' the next one */
static int nadam_expand(gr_ctx *c)
{
    const double *beta = opt_betas(c);
    if (!beta) return -1;
    bool decoupled = gr_bool(c, "decoupled_weight_decay");
    gr_val param = decoupled ? opt_shrunk(c) : gr_in(c, OPT_PARAM), g = decoupled ? opt_gradient(c) : opt_decayed(c);
    gr_val step = gr_in(c, OPT_STEP), mu = nadam_mu(c, step, beta[0]);
    gr_val mu_next = nadam_mu(c, gr_emit2(c, "Add", step, opt_number(c, 1)), beta[0]);
    gr_val product = gr_emit2(c, "Mul", gr_in(c, NADAM_PRODUCT), mu);
    gr_val m = opt_lerp(c, gr_in(c, NADAM_AVG), g, beta[0]);
    gr_val v = opt_average(c, gr_in(c, NADAM_SQ), opt_square(c, g), beta[1]);
    gr_val root = gr_emit1(c, "Sqrt", gr_emit2(c, "Div", v, opt_bias_correction(c, beta[1])));
    gr_val denominator = gr_emit2(c, "Add", root, opt_number(c, gr_float(c, "eps")));
    gr_val of_g = gr_emit2(c, "Div", nadam_rest(c, mu), nadam_rest(c, product));
    gr_val of_m = gr_emit2(c, "Div", mu_next, nadam_rest(c, gr_emit2(c, "Mul", product, mu_next)));
    gr_val sum = gr_emit2(c, "Add", gr_emit2(c, "Mul", of_g, g), gr_emit2(c, "Mul", of_m, m));
    gr_val next = opt_descend(c, param, gr_in(c, OPT_LR), gr_emit2(c, "Div", sum, denominator));
    return opt_results(c, 4, (const gr_val[]){next, m, v, product});
}

static const gr_attr_spec nadam_attrs[] = {
    OPT_LR_ATTR("0.002"),
    OPT_BETAS_ATTR,
    OPT_EPS_ATTR("1e-8", "Added to the denominator."),
    OPT_DECAY_ATTR,
    {"momentum_decay", GR_ATTR_FLOAT, "0.004", 0, 1e30, NULL, "How fast the momentum comes up to its beta."},
    OPT_DECOUPLED_ATTR,
    OPT_MAXIMIZE_ATTR,
    {0},
};
static const gr_port nadam_inputs[] = {OPT_PORTS, OPT_MOMENT("exp_avg", "average of gradients"),
    OPT_MOMENT("exp_avg_sq", "average of squared gradients"),
    {"mu_product", GR_PORT_OPTIONAL, "[]: product of all momenta so far"}, {0}};
static const gr_port nadam_outputs[] = {OPT_PARAM_OUT, {"exp_avg", 0, "[...]"}, {"exp_avg_sq", 0, "[...]"},
    {"mu_product", 0, "[]"}, {0}};
static const gr_moment nadam_moments[] = {{.port = "mu_product", .scalar = true, .first = 1}, {0}};
static const gr_optimiser nadam_says = {.size = sizeof nadam_says, .moments = nadam_moments};

const gr_op gr_op_nadam = {
    GR_OP_HEADER,
    .name = "NAdam",
    .summary = "Adam with Nesterov momentum.",
    .formula = "param -= lr ((1 - mu) / (1 - P) g + mu' / (1 - P mu') m) / (sqrt(v') + eps)",
    .reference = "torch.optim.NAdam; Dozat 2016",
    .traits = GR_OPTIMISER,
    .data = &nadam_says,
    .attrs = nadam_attrs,
    .inputs = nadam_inputs,
    .outputs = nadam_outputs,
    .expand = nadam_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: NAdam, lr: 0.002}"),
};
