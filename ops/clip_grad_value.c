/* clip_grad_value.c - bounds every element of every gradient. */
#include "example.h"
#include <graphrun/op.h>

static int clip_grad_value_expand(gr_ctx *c)
{
    double bound = gr_float(c, "clip_value");
    for (int i = 0; i < gr_count(c, 0); i++) {
        gr_val g = gr_in_at(c, 0, i);
        gr_val clamped = gr_emit(c, "Clamp", NULL, 1, &g, "min=%.17g, max=%.17g", -bound, bound);
        if (gr_set_result(c, i, clamped)) return -1;
    }
    return 0;
}

static const gr_attr_spec clip_grad_value_attrs[] = {
    {"clip_value", GR_ATTR_FLOAT, NULL, 0, 1e30, NULL, "The largest absolute value that is let through."}, {0}};
static const gr_port clip_grad_value_inputs[] = {{"grads", GR_PORT_VARIADIC, "[...] each: gradients"}, {0}};
static const gr_port clip_grad_value_outputs[] = {{"clipped", GR_PORT_VARIADIC, "[...] each: the same, clamped"}, {0}};

const gr_op gr_op_clip_grad_value = {
    GR_OP_HEADER,
    .name = "ClipGradValue",
    .summary = "Clamps every element of the gradients to [-clip_value, clip_value].",
    .formula = "min(max(g, -clip_value), clip_value)",
    .reference = "torch.nn.utils.clip_grad_value_",
    .attrs = clip_grad_value_attrs,
    .inputs = clip_grad_value_inputs,
    .outputs = clip_grad_value_outputs,
    .expand = clip_grad_value_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: SGD, lr: 0.1}\n  clip_grad_value: 0.5"),
};
