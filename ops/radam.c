/* radam.c - Adam that waits until its mean square can be trusted. */
#include "optimiser.h"

enum { RADAM_AVG = OPT_FIRST_MOMENT, RADAM_SQ };

static gr_val radam_number(gr_ctx *c, double x)
{
    return gr_emit(c, "Constant", NULL, 0, NULL, "value=%.17e, dtype=float64", x);
}
static gr_val radam_cast(gr_ctx *c, gr_val v, const char *dtype) { return gr_emit(c, "Cast", NULL, 1, &v, "dtype=%s", dtype); }

/* rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t), how many steps the mean square is the mean of. In
 * double: rho_inf is about 2000, and the difference of the two about 1 at first. */
static gr_val radam_length(gr_ctx *c, double beta2, double rho_inf)
{
    gr_val t = radam_cast(c, gr_in(c, OPT_STEP), "float64");
    gr_val growth = gr_emit1(c, "Expm1", gr_emit2(c, "Mul", t, radam_number(c, -log(beta2)))); /* beta2^-t - 1 */
    gr_val lost = gr_emit2(c, "Div", gr_emit2(c, "Mul", t, radam_number(c, 2)), growth);
    return gr_emit2(c, "Sub", radam_number(c, rho_inf), lost);
}

/* sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho)) */
static gr_val radam_rectifier(gr_ctx *c, gr_val rho, double rho_inf)
{
    gr_val a = gr_emit2(c, "Sub", rho, radam_number(c, 4)), b = gr_emit2(c, "Sub", rho, radam_number(c, 2));
    gr_val ratio = gr_emit2(c, "Div", gr_emit2(c, "Mul", a, b), rho);
    return gr_emit1(c, "Sqrt", gr_emit2(c, "Mul", ratio, radam_number(c, rho_inf / ((rho_inf - 4) * (rho_inf - 2)))));
}

/* What the corrected average is multiplied with: sqrt(1 - beta2^t) r / (sqrt(v) + eps), or 1 while
 * rho_t <= 5. A square root of what is not taken must not be NaN. */
static gr_val radam_factor(gr_ctx *c, gr_val v, double beta2)
{
    double rho_inf = 2 / (1 - beta2) - 1;
    const char *real = gr_real(c) == GR_FLOAT64 ? "float64" : "float32";
    if (rho_inf <= 5) return opt_number(c, 1);
    gr_val rho = radam_length(c, beta2, rho_inf), long_enough = gr_emit2(c, "Greater", rho, radam_number(c, 5));
    gr_val safe = gr_emit3(c, "Where", long_enough, rho, radam_number(c, 5));
    gr_val rate = radam_cast(c, radam_rectifier(c, safe, rho_inf), real);
    gr_val root = gr_emit2(c, "Add", gr_emit1(c, "Sqrt", v), opt_number(c, gr_float(c, "eps")));
    gr_val scaled = gr_emit2(c, "Mul", gr_emit1(c, "Sqrt", opt_bias_correction(c, beta2)), rate);
    return gr_emit3(c, "Where", long_enough, gr_emit2(c, "Div", scaled, root), opt_number(c, 1));
}

static int radam_expand(gr_ctx *c)
{
    const double *beta = opt_betas(c);
    if (!beta) return -1;
    bool decoupled = gr_bool(c, "decoupled_weight_decay");
    gr_val param = decoupled ? opt_shrunk(c) : gr_in(c, OPT_PARAM), g = decoupled ? opt_gradient(c) : opt_decayed(c);
    gr_val m = opt_lerp(c, gr_in(c, RADAM_AVG), g, beta[0]);
    gr_val v = opt_average(c, gr_in(c, RADAM_SQ), opt_square(c, g), beta[1]);
    gr_val rate = gr_emit2(c, "Div", gr_in(c, OPT_LR), opt_bias_correction(c, beta[0]));
    gr_val next = opt_descend(c, param, rate, gr_emit2(c, "Mul", m, radam_factor(c, v, beta[1])));
    return opt_results(c, 3, (const gr_val[]){next, m, v});
}

static const gr_attr_spec radam_attrs[] = {
    OPT_LR_ATTR("0.001"),
    OPT_BETAS_ATTR,
    OPT_EPS_ATTR("1e-8", "Added to the denominator."),
    OPT_DECAY_ATTR,
    OPT_DECOUPLED_ATTR,
    OPT_MAXIMIZE_ATTR,
    {0},
};
static const gr_port radam_inputs[] = {OPT_PORTS, OPT_MOMENT("exp_avg", "average of gradients"),
    OPT_MOMENT("exp_avg_sq", "average of squared gradients"), {0}};
static const gr_port radam_outputs[] = {OPT_PARAM_OUT, {"exp_avg", 0, "[...]"}, {"exp_avg_sq", 0, "[...]"}, {0}};

const gr_op gr_op_radam = {
    GR_OP_HEADER,
    .name = "RAdam",
    .summary = "Adam with a rectified adaptive rate.",
    .formula = "param -= lr m' r_t / (sqrt(v') + eps), or lr m' while rho_t <= 5",
    .reference = "torch.optim.RAdam; Liu et al. 2019",
    .attrs = radam_attrs,
    .inputs = radam_inputs,
    .outputs = radam_outputs,
    .expand = radam_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: RAdam, lr: 0.001}"),
};
