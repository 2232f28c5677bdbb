/* linear.c - y = x W^T + b, over the last axis.
 *
 * Several inputs have a weight each and are summed, which is one Linear over their
 * concatenation with its weight cut into column blocks: weight, weight_1, ... So
 * initialisation is that of the whole: PyTorch's Uniform(-1/sqrt(in), 1/sqrt(in))
 * with `in` the inputs' widths together. */
#include "example.h"
#include <graphrun/op.h>
#include <math.h>
#include <stdio.h>

static const gr_attr_spec linear_attrs[] = {
    {"out_features", GR_ATTR_INT, NULL, 1, 1 << 30, NULL, "Width of the output."},
    {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether a learned bias is added."},
    {0},
};
static const gr_port linear_inputs[] = {
    {"input", GR_PORT_VARIADIC, "[..., in_features]: what is mapped; several are summed, a weight each"},
    {0},
};
static const gr_port linear_outputs[] = {{"output", 0, "[..., out_features]"}, {0}};

/* Widths of all inputs together, or -1. */
static int64_t linear_width(gr_ctx *c)
{
    int64_t width = 0;
    for (int i = 0; i < gr_count(c, 0); i++) {
        const gr_type *t = gr_type_of(c, gr_in_at(c, 0, i));
        if (t->rank < 1) return gr_fail(c, GR_AT_INPUT, "input", "Linear needs an input of at least one axis, [..., in_features]");
        if (!gr_is_float(t->dtype))
            return gr_fail(c, GR_AT_INPUT, "input", "Linear needs numbers, not integers; put a Cast, OneHot or Embedding before it");
        width += t->dim[t->rank - 1];
    }
    return width;
}

static int linear_expand(gr_ctx *c)
{
    int64_t out = gr_int(c, "out_features"), width = linear_width(c);
    if (width < 0) return -1;
    double bound = width > 0 ? 1 / sqrt((double)width) : 0;
    int n = gr_count(c, 0);
    gr_val *terms = gr_alloc(c, sizeof(gr_val) * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        gr_val x = gr_in_at(c, 0, i);
        const gr_type *t = gr_type_of(c, x);
        gr_type shape = {.dtype = gr_real(c), .rank = 2, .dim = {out, t->dim[t->rank - 1]}};
        char name[32] = "weight";
        if (i > 0) snprintf(name, sizeof name, "weight_%d", i);
        gr_val in[2] = {x, gr_parameter(c, name, &shape, "Uniform low=%.17g high=%.17g", -bound, bound)};
        if (!in[1] || !(terms[i] = gr_emit(c, "MatMul", "product", 2, in, "transpose_b=true"))) return -1;
    }
    if (gr_bool(c, "bias")) {
        gr_type shape = {.dtype = gr_real(c), .rank = 1, .dim = {out}};
        if (!(terms[n++] = gr_parameter(c, "bias", &shape, "Uniform low=%.17g high=%.17g", -bound, bound))) return -1;
    }
    gr_val sum = n == 1 ? terms[0] : gr_emit(c, "Add", "sum", n, terms, NULL);
    return sum ? gr_set_result(c, 0, sum) : -1;
}

const gr_op gr_op_linear = {
    GR_OP_HEADER,
    .name = "Linear",
    .summary = "A learned linear map of the last axis, with a bias.",
    .formula = "output = sum over inputs of input_i weight_i^T, + bias",
    .reference = "torch.nn.Linear",
    .attrs = linear_attrs,
    .inputs = linear_inputs,
    .outputs = linear_outputs,
    .expand = linear_expand,
    .kind = "layers",
    .example = OP_X
               "  y: {op: Linear, in: x, out_features: 4}   # [2, 4]\n",
};
