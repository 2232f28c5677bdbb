/* optimiser.h - what the optimisers' expansions share.
 *
 * An optimiser is a composite whose carries are the parameter and its moments: every
 * output but `param` is also an optional input port, a state as large as the parameter
 * that starts at zeros; one that the attributes do not need is handed back as it came.
 * `lr` is a scalar that is fed, so that a schedule needs no other program; `step` counts
 * this parameter's updates from 1. The formulas are those of torch.optim. */
#ifndef GR_OPS_OPTIMISER_H
#define GR_OPS_OPTIMISER_H

#include <graphrun/op.h>
#include <math.h>

enum { OPT_PARAM, OPT_GRAD, OPT_LR, OPT_STEP, OPT_FIRST_MOMENT };

#define OPT_PORTS                                                  \
    {"param", 0, "[...]: the parameter"},                          \
    {"grad", 0, "[...]: the objective's derivative by it"},        \
    {"lr", 0, "[]: learning rate of this step"},                   \
    {"step", 0, "[]: number of this update, from 1"}
#define OPT_MOMENT(name, doc) {name, GR_PORT_OPTIONAL, "[...]: " doc}

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
/* grad + weight_decay * param */
static inline gr_val opt_decayed(gr_ctx *c, gr_val grad)
{
    double decay = gr_float(c, "weight_decay");
    return decay != 0 ? opt_add_scaled(c, grad, gr_in(c, OPT_PARAM), decay) : grad;
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

#endif
