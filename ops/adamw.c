/* adamw.c - Adam whose weight decay stays out of the moments. */
#include "adam.h"

static int adamw_expand(gr_ctx *c) { return adam_step(c, opt_shrunk(c), opt_gradient(c)); }

static const gr_attr_spec adamw_attrs[] = {ADAM_ATTRS("0.01", "Part of lr by which weights shrink."), {0}};
static const gr_port adamw_inputs[] = {ADAM_INPUTS, {0}};
static const gr_port adamw_outputs[] = {ADAM_OUTPUTS, {0}};

const gr_op gr_op_adamw = {
    GR_OP_HEADER,
    .name = "AdamW",
    .summary = "Adam with decoupled weight decay.",
    .formula = "param *= 1 - lr weight_decay; then Adam's step",
    .reference = "torch.optim.AdamW; Loshchilov and Hutter 2017",
    .attrs = adamw_attrs,
    .inputs = adamw_inputs,
    .outputs = adamw_outputs,
    .expand = adamw_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: AdamW, lr: 0.001, weight_decay: 0.01}"),
};
