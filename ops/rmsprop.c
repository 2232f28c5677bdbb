/* rmsprop.c - gradients divided by their running root mean square. */
#include "optimiser.h"

enum { RMS_SQ = OPT_FIRST_MOMENT, RMS_BUFFER, RMS_AVG };

/* The root of the average square, about the average gradient if centered. */
static gr_val rmsprop_root(gr_ctx *c, gr_val square, gr_val average)
{
    if (gr_bool(c, "centered")) square = gr_emit2(c, "Sub", square, opt_square(c, average));
    return gr_emit2(c, "Add", gr_emit1(c, "Sqrt", square), opt_number(c, gr_float(c, "eps")));
}

static int rmsprop_expand(gr_ctx *c)
{
    double alpha = gr_float(c, "alpha"), momentum = gr_float(c, "momentum");
    gr_val g = opt_decayed(c), average = gr_in(c, RMS_AVG), buffer = gr_in(c, RMS_BUFFER);
    gr_val square = opt_average(c, gr_in(c, RMS_SQ), opt_square(c, g), alpha);
    if (gr_bool(c, "centered")) average = opt_lerp(c, average, g, alpha);
    gr_val direction = gr_emit2(c, "Div", g, rmsprop_root(c, square, average));
    if (momentum > 0) direction = buffer = gr_emit2(c, "Add", opt_scale(c, buffer, momentum), direction);
    gr_val next = opt_descend(c, gr_in(c, OPT_PARAM), gr_in(c, OPT_LR), direction);
    return opt_results(c, 4, (const gr_val[]){next, square, buffer, average});
}

static const gr_attr_spec rmsprop_attrs[] = {
    OPT_LR_ATTR("0.01"),
    {"alpha", GR_ATTR_FLOAT, "0.99", 0, 1, NULL, "How much of the average square is kept."},
    OPT_EPS_ATTR("1e-8", "Added to the denominator."),
    OPT_DECAY_ATTR,
    {"momentum", GR_ATTR_FLOAT, "0", 0, 1e30, NULL, "How much of the last direction is kept."},
    {"centered", GR_ATTR_BOOL, "false", 0, 0, NULL, "Subtract the squared average gradient."},
    OPT_MAXIMIZE_ATTR,
    {0},
};
static const gr_port rmsprop_inputs[] = {OPT_PORTS, OPT_MOMENT("square_avg", "average of squared gradients"),
    OPT_MOMENT("momentum_buffer", "the last direction"), OPT_MOMENT("grad_avg", "average of gradients"), {0}};
static const gr_port rmsprop_outputs[] = {OPT_PARAM_OUT,
    {"square_avg", 0, "[...]"}, {"momentum_buffer", 0, "[...]"}, {"grad_avg", 0, "[...]"}, {0}};

const gr_op gr_op_rmsprop = {
    GR_OP_HEADER,
    .name = "RMSprop",
    .summary = "Gradients divided by their running root mean square.",
    .formula = "v = alpha v + (1 - alpha) g^2; param -= lr g / (sqrt(v) + eps)",
    .reference = "torch.optim.RMSprop; Hinton's lecture 6e, 2012",
    .attrs = rmsprop_attrs,
    .inputs = rmsprop_inputs,
    .outputs = rmsprop_outputs,
    .expand = rmsprop_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: RMSprop, lr: 0.01, alpha: 0.99}"),
};
