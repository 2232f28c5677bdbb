/* optimiser.h - what the optimisers' expansions share.
 *
 * An optimiser is a composite whose carries are the parameter and its moments: every
 * output but `param` is also an optional input port, a state as large as the parameter
 * that starts at zeros unless the op's gr_optimiser says otherwise; one that the attributes
 * do not need is handed back as it came.
 * `lr` is a scalar that is fed, so that a schedule needs no other program; `step` counts
 * this parameter's updates from 1. The formulas are those of torch.optim. */
#ifndef GR_OPS_OPTIMISER_H
#define GR_OPS_OPTIMISER_H

#include "example.h"
#include <graphrun/optimiser.h>
#include <math.h>

enum { OPT_PARAM, OPT_GRAD, OPT_LR, OPT_STEP, OPT_FIRST_MOMENT };

#define OPT_PORTS                                                  \
    {"param", 0, "[...]: the parameter"},                          \
    {"grad", 0, "[...]: the objective's derivative by it"},        \
    {"lr", 0, "[]: learning rate of this step"},                   \
    {"step", 0, "[]: number of this update, from 1"}
#define OPT_MOMENT(name, doc) {name, GR_PORT_OPTIONAL, "[...]: " doc}

#define OPT_LR_ATTR(fallback) \
    {"lr", GR_ATTR_FLOAT, fallback, 0, 1e30, NULL, "Learning rate: a number or a schedule."}
#define OPT_EPS_ATTR(fallback, doc) {"eps", GR_ATTR_FLOAT, fallback, 0, 1e30, NULL, doc}
#define OPT_DECAY_ATTR \
    {"weight_decay", GR_ATTR_FLOAT, "0", 0, 1e30, NULL, "L2 penalty, added to the gradient."}
#define OPT_DECOUPLED_ATTR \
    {"decoupled_weight_decay", GR_ATTR_BOOL, "false", 0, 0, NULL, "Shrink weights as AdamW does instead."}
#define OPT_BETAS_ATTR \
    {"betas", GR_ATTR_FLOATS, "[0.9, 0.999]", 0, 1, NULL, "How much of both averages is kept."}
#define OPT_MAXIMIZE_ATTR {"maximize", GR_ATTR_BOOL, "false", 0, 0, NULL, "Climb instead of descending."}
#define OPT_PARAM_OUT {"param", 0, "[...]: the parameter after the step"}

/* A real scalar; the exponent keeps it from being read as an integer. */
static inline gr_val opt_number(gr_ctx *c, double x)
{
    return gr_emit(c, "Constant", NULL, 0, NULL, "value=%.17e", x);
}
static inline gr_val opt_scale(gr_ctx *c, gr_val a, double x) { return gr_emit2(c, "Mul", a, opt_number(c, x)); }
static inline gr_val opt_add_scaled(gr_ctx *c, gr_val a, gr_val b, double x)
{
    return gr_emit2(c, "Add", a, opt_scale(c, b, x));
}
/* beta * a + (1 - beta) * b, the running average */
static inline gr_val opt_average(gr_ctx *c, gr_val a, gr_val b, double beta)
{
    return gr_emit2(c, "Add", opt_scale(c, a, beta), opt_scale(c, b, 1 - beta));
}
/* The same as PyTorch's lerp has it: a + (1 - beta) * (b - a). */
static inline gr_val opt_lerp(gr_ctx *c, gr_val a, gr_val b, double beta)
{
    return opt_add_scaled(c, a, gr_emit2(c, "Sub", b, a), 1 - beta);
}
static inline gr_val opt_square(gr_ctx *c, gr_val a) { return gr_emit2(c, "Mul", a, a); }
/* The gradient of what is to become smaller. */
static inline gr_val opt_gradient(gr_ctx *c)
{
    gr_val grad = gr_in(c, OPT_GRAD);
    return gr_bool(c, "maximize") ? gr_emit1(c, "Neg", grad) : grad;
}
/* grad + weight_decay * param */
static inline gr_val opt_decayed(gr_ctx *c)
{
    double decay = gr_float(c, "weight_decay");
    gr_val grad = opt_gradient(c);
    return decay != 0 ? opt_add_scaled(c, grad, gr_in(c, OPT_PARAM), decay) : grad;
}
/* param * (1 - lr * weight_decay): decay that stays out of the moments */
static inline gr_val opt_shrunk(gr_ctx *c)
{
    double decay = gr_float(c, "weight_decay");
    gr_val param = gr_in(c, OPT_PARAM);
    if (decay == 0) return param;
    return gr_emit2(c, "Mul", param, gr_emit2(c, "Sub", opt_number(c, 1), opt_scale(c, gr_in(c, OPT_LR), decay)));
}
/* Both betas, which must be below 1. NULL after a message. */
static inline const double *opt_betas(gr_ctx *c)
{
    const gr_attr *betas = gr_get(c, "betas");
    if (betas->n == 2 && betas->floats[0] < 1 && betas->floats[1] < 1) return betas->floats;
    gr_fail(c, GR_AT_ATTR, "betas", "expected two numbers from 0 up to 1, as in [0.9, 0.999]");
    return NULL;
}
/* 1 - beta^step. As -expm1(step log beta), because in float 1 - 0.999^1 keeps few digits. */
static inline gr_val opt_bias_correction(gr_ctx *c, double beta)
{
    return gr_emit1(c, "Neg", gr_emit1(c, "Expm1", opt_scale(c, gr_in(c, OPT_STEP), log(beta))));
}
/* param - rate * direction */
static inline gr_val opt_descend(gr_ctx *c, gr_val param, gr_val rate, gr_val direction)
{
    return gr_emit2(c, "Sub", param, gr_emit2(c, "Mul", rate, direction));
}

static inline int opt_results(gr_ctx *c, int n, const gr_val *result)
{
    for (int i = 0; i < n; i++)
        if (gr_set_result(c, i, result[i])) return -1;
    return 0;
}

#endif
