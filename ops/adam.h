/* adam.h - the step of Adam, which AdamW shares: they differ in how weights decay. */
#ifndef GR_OPS_ADAM_H
#define GR_OPS_ADAM_H

#include "optimiser.h"

enum { ADAM_AVG = OPT_FIRST_MOMENT, ADAM_SQ, ADAM_MAX };

#define ADAM_ATTRS(decay, decay_doc)                                                      \
    OPT_LR_ATTR("0.001"), OPT_BETAS_ATTR, OPT_EPS_ATTR("1e-8", "Added to the denominator."), \
    {"weight_decay", GR_ATTR_FLOAT, decay, 0, 1e30, NULL, decay_doc},                      \
    {"amsgrad", GR_ATTR_BOOL, "false", 0, 0, NULL, "Divide by the largest average so far."}, OPT_MAXIMIZE_ATTR
#define ADAM_INPUTS                                                       \
    OPT_PORTS, OPT_MOMENT("exp_avg", "average of gradients"),             \
    OPT_MOMENT("exp_avg_sq", "average of squared gradients"),             \
    OPT_MOMENT("max_exp_avg_sq", "the largest exp_avg_sq so far")
#define ADAM_OUTPUTS                                                                              \
    OPT_PARAM_OUT, {"exp_avg", 0, "[...]"},                                                       \
    {"exp_avg_sq", 0, "[...]"}, {"max_exp_avg_sq", 0, "[...]"}

/* m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
 * param -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps) */
static inline int adam_step(gr_ctx *c, gr_val param, gr_val g)
{
    const double *beta = opt_betas(c);
    if (!beta) return -1;
    gr_val m = opt_lerp(c, gr_in(c, ADAM_AVG), g, beta[0]);
    gr_val v = opt_average(c, gr_in(c, ADAM_SQ), opt_square(c, g), beta[1]);
    bool amsgrad = gr_bool(c, "amsgrad");
    gr_val largest = amsgrad ? gr_emit2(c, "Maximum", gr_in(c, ADAM_MAX), v) : gr_in(c, ADAM_MAX);
    gr_val root = gr_emit1(c, "Sqrt", amsgrad ? largest : v);
    gr_val scaled = gr_emit2(c, "Div", root, gr_emit1(c, "Sqrt", opt_bias_correction(c, beta[1])));
    gr_val denominator = gr_emit2(c, "Add", scaled, opt_number(c, gr_float(c, "eps")));
    gr_val rate = gr_emit2(c, "Div", gr_in(c, OPT_LR), opt_bias_correction(c, beta[0]));
    gr_val next = opt_descend(c, param, rate, gr_emit2(c, "Div", m, denominator));
    return opt_results(c, 4, (const gr_val[]){next, m, v, largest});
}

#endif
