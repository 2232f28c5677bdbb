/* clip_grad_norm.c - scales all gradients so that their joint norm has a bound. */
#include "example.h"
#include <graphrun/op.h>

static gr_val clip_number(gr_ctx *c, double x) { return gr_emit(c, "Constant", NULL, 0, NULL, "value=%.17e", x); }

/* min(1, max_norm / (norm + 1e-6)), the norm over all elements of all gradients. */
static gr_val clip_factor(gr_ctx *c, int n)
{
    gr_val *grads = gr_alloc(c, (size_t)n * sizeof *grads);
    for (int i = 0; i < n; i++) grads[i] = gr_in_at(c, 0, i);
    gr_val sum = gr_emit1(c, "Sum", gr_emit(c, "SquareSums", NULL, n, grads, NULL));
    gr_val norm = gr_emit2(c, "Add", gr_emit1(c, "Sqrt", sum), clip_number(c, 1e-6));
    gr_val ratio = gr_emit2(c, "Div", clip_number(c, gr_float(c, "max_norm")), norm);
    return gr_emit2(c, "Minimum", ratio, clip_number(c, 1));
}

static int clip_grad_norm_expand(gr_ctx *c)
{
    int n = gr_count(c, 0);
    if (n == 0) return 0;
    gr_val factor = clip_factor(c, n);
    for (int i = 0; i < n; i++)
        if (gr_set_result(c, i, gr_emit2(c, "Mul", gr_in_at(c, 0, i), factor))) return -1;
    return 0;
}

static const gr_attr_spec clip_grad_norm_attrs[] = {
    {"max_norm", GR_ATTR_FLOAT, NULL, 0, 1e30, NULL, "The largest norm that is let through."}, {0}};
static const gr_port clip_grad_norm_inputs[] = {{"grads", GR_PORT_VARIADIC, "[...] each: gradients"}, {0}};
static const gr_port clip_grad_norm_outputs[] = {{"clipped", GR_PORT_VARIADIC, "[...] each: the same, scaled"}, {0}};

const gr_op gr_op_clip_grad_norm = {
    GR_OP_HEADER,
    .name = "ClipGradNorm",
    .summary = "Scales gradients down to a joint 2-norm of at most max_norm.",
    .formula = "g * min(1, max_norm / (norm + 1e-6))",
    .reference = "torch.nn.utils.clip_grad_norm_",
    .attrs = clip_grad_norm_attrs,
    .inputs = clip_grad_norm_inputs,
    .outputs = clip_grad_norm_outputs,
    .expand = clip_grad_norm_expand,
    .kind = "optimisers",
    .example = OPT_EXAMPLE("{op: SGD, lr: 0.1}\n  clip_grad_norm: 1"),
};
