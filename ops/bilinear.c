/* bilinear.c - y_o = x1^T W_o x2 + b_o.
 *
 * x2 meets the weight as the matrix [out * in1, in2] in one product, and what comes out, a
 * matrix [out, in1] for each row, meets x1. */
#include "util.h"

#include <math.h>

static int bilinear_check(gr_ctx *c)
{
    const gr_type *a = gr_in_type(c, 0), *b = gr_in_type(c, 1);
    if (op_need_float(c, 0) < 0 || op_need_float(c, 1) < 0) return -1;
    bool same = a->rank == b->rank && a->rank > 0;
    for (int i = 0; same && i < a->rank - 1; i++) same = a->dim[i] == b->dim[i];
    return same ? 0 : gr_fail(c, GR_AT_INPUT, "input2", "input2 is %s; but for its last axis it must be like input1, which is %s",
                              op_type_text(c, b), op_type_text(c, a));
}

static int bilinear_expand(gr_ctx *c)
{
    if (bilinear_check(c) < 0) return -1;
    const gr_type *t = gr_in_type(c, 0);
    int64_t out = gr_int(c, "out_features"), in1 = t->dim[t->rank - 1], in2 = gr_in_type(c, 1)->dim[t->rank - 1];
    gr_type shape = {.dtype = gr_real(c), .rank = 3, .dim = {out, in1, in2}}, each = {.dtype = gr_real(c), .rank = 1, .dim = {out}};
    double bound = in1 > 0 ? 1 / sqrt((double)in1) : 0;
    gr_val weight = gr_parameter(c, "weight", &shape, "Uniform low=%.17g high=%.17g", -bound, bound);
    gr_val right[2] = {gr_in(c, 1), op_reshape(c, weight, 2, (int64_t[]){out * in1, in2})};
    gr_val rows = gr_emit(c, "MatMul", "product", 2, right, "transpose_b=true");
    int64_t dim[GR_MAX_RANK];
    for (int i = 0; i < t->rank - 1; i++) dim[i] = t->dim[i];
    dim[t->rank - 1] = out;
    dim[t->rank] = in1;
    if (t->rank == GR_MAX_RANK) return gr_fail(c, GR_AT_INPUT, "input1", "the input has %d axes; it can have %d", t->rank, GR_MAX_RANK - 1);
    gr_val left = gr_in(c, 0), pair[2] = {op_reshape(c, rows, t->rank + 1, dim), gr_emit(c, "Unsqueeze", NULL, 1, &left, "dim=-1")};
    gr_val y = gr_emit(c, "MatMul", "rows", 2, pair, NULL);
    y = gr_emit(c, "Squeeze", NULL, 1, &y, "dim=-1");
    if (gr_bool(c, "bias")) y = gr_emit2(c, "Add", y, gr_parameter(c, "bias", &each, "Uniform low=%.17g high=%.17g", -bound, bound));
    return gr_set_result(c, 0, y);
}

static const gr_attr_spec bilinear_attrs[] = {
    {"out_features", GR_ATTR_INT, NULL, 1, 1 << 30, NULL, "Width of the output."},
    {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether a learned bias is added."}, OP_END};
static const gr_port bilinear_in[] = {{"input1", 0, "[..., in1]"}, {"input2", 0, "[..., in2]: with the leading axes of input1"}, OP_END};
static const gr_port bilinear_out[] = {{"output", 0, "[..., out_features]"}, OP_END};

extern const gr_op gr_op_bilinear;
const gr_op gr_op_bilinear = {GR_OP_HEADER, .name = "Bilinear", .summary = "A learned map that is linear in each of two inputs.",
    .formula = "output_o = input1^T weight_o input2 + bias_o", .reference = "torch.nn.Bilinear", .attrs = bilinear_attrs,
    .inputs = bilinear_in, .outputs = bilinear_out, .expand = bilinear_expand,
    .kind = "layers",
    .example = OP_X
               "  y: {op: Bilinear, in: [x, x], out_features: 4}   # [2, 4]\n"};
