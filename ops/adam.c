/* adam.c - adaptive moment estimation; weight decay is an L2 penalty. */
#include "adam.h"

static int adam_expand(gr_ctx *c) { return adam_step(c, gr_in(c, OPT_PARAM), opt_decayed(c)); }

static const gr_attr_spec adam_attrs[] = {ADAM_ATTRS("0", "L2 penalty, added to the gradient."), {0}};
static const gr_port adam_inputs[] = {ADAM_INPUTS, {0}};
static const gr_port adam_outputs[] = {ADAM_OUTPUTS, {0}};

static const char *const adam_dense[] = {"weight_decay", "amsgrad", NULL};
static const gr_optimiser adam_says = {sizeof adam_says, NULL, "SparseAdam", adam_dense};

const gr_op gr_op_adam = {
    GR_OP_HEADER,
    .name = "Adam",
    .summary = "Adaptive moment estimation.",
    .formula = "m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; param -= lr m' / (sqrt(v') + eps)",
    .reference = "torch.optim.Adam; Kingma and Ba 2014",
    .traits = GR_OPTIMISER,
    .data = &adam_says,
    .attrs = adam_attrs,
    .inputs = adam_inputs,
    .outputs = adam_outputs,
    .expand = adam_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: Adam, lr: 0.001}"),
};
