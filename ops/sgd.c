/* sgd.c - stochastic gradient descent with momentum. */
#include "optimiser.h"

static gr_val sgd_momentum(gr_ctx *c, gr_val g, double momentum, double dampening)
{
    gr_val moved = opt_add_scaled(c, opt_scale(c, gr_in(c, OPT_FIRST_MOMENT), momentum), g, 1 - dampening);
    if (dampening == 0) return moved; /* on zeros it is g, as the first update wants it */
    gr_val first = gr_emit2(c, "LessEqual", gr_in(c, OPT_STEP), opt_number(c, 1));
    return gr_emit3(c, "Where", first, g, moved);
}

static int sgd_expand(gr_ctx *c)
{
    double momentum = gr_float(c, "momentum");
    bool nesterov = gr_bool(c, "nesterov");
    if (nesterov && (momentum <= 0 || gr_float(c, "dampening") != 0))
        return gr_fail(c, GR_AT_ATTR, "nesterov", "Nesterov momentum needs a momentum above 0 and dampening 0");
    gr_val g = opt_decayed(c), buffer = gr_in(c, OPT_FIRST_MOMENT);
    if (momentum != 0) {
        buffer = sgd_momentum(c, g, momentum, gr_float(c, "dampening"));
        g = nesterov ? opt_add_scaled(c, g, buffer, momentum) : buffer;
    }
    if (gr_set_result(c, 0, opt_descend(c, gr_in(c, OPT_PARAM), gr_in(c, OPT_LR), g))) return -1;
    return gr_set_result(c, 1, buffer);
}

static const gr_attr_spec sgd_attrs[] = {
    OPT_LR_ATTR("0.001"),
    {"momentum", GR_ATTR_FLOAT, "0", 0, 1e30, NULL, "How much of the last direction is kept."},
    {"dampening", GR_ATTR_FLOAT, "0", 0, 0, NULL, "How much of the gradient is left out of the direction."},
    OPT_DECAY_ATTR,
    {"nesterov", GR_ATTR_BOOL, "false", 0, 0, NULL, "Look ahead along the direction."},
    OPT_MAXIMIZE_ATTR,
    {0},
};
static const gr_port sgd_inputs[] = {OPT_PORTS, OPT_MOMENT("momentum_buffer", "the last direction"), {0}};
static const gr_port sgd_outputs[] = {
    OPT_PARAM_OUT, {"momentum_buffer", 0, "[...]: the direction"}, {0}};

static const char *const sgd_dense[] = {"momentum", "weight_decay", NULL};
static const gr_optimiser sgd_says = {sizeof sgd_says, NULL, "SGD", sgd_dense};

const gr_op gr_op_sgd = {
    GR_OP_HEADER,
    .name = "SGD",
    .summary = "Stochastic gradient descent, optionally with momentum.",
    .formula = "b = momentum * b + (1 - dampening) * (grad + weight_decay * param); param -= lr * b",
    .reference = "torch.optim.SGD",
    .traits = GR_OPTIMISER,
    .data = &sgd_says,
    .attrs = sgd_attrs,
    .inputs = sgd_inputs,
    .outputs = sgd_outputs,
    .expand = sgd_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: SGD, lr: 0.1, momentum: 0.9}"),
};
