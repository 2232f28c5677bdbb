/* leaf.c - values that come from nowhere: inputs, states, constants. */
#include "util.h"

static const gr_port value_out[] = {{"output", 0, "[shape]"}, OP_END};

/* float32 is what the model computes in, which is double under --dtype float64. */
static gr_dtype real_dtype(gr_ctx *c, gr_dtype t) { return gr_is_float(t) ? gr_real(c) : t; }

static int shape_type(gr_ctx *c, const char *attr, gr_type *t)
{
    const gr_attr *shape = gr_get(c, attr);
    if (shape->n > GR_MAX_RANK) return gr_fail(c, GR_AT_ATTR, attr, "%s has more than %d axes", attr, GR_MAX_RANK);
    t->rank = (int)shape->n;
    for (int i = 0; i < t->rank; i++) {
        t->dim[i] = shape->ints[i];
        t->axis[i] = shape->names ? shape->names[i] : NULL;
        if (t->dim[i] >= 0) continue;
        if (t->axis[i])
            return gr_fail(c, GR_AT_ATTR, attr, "the length of axis '%s' is not known: give a var of that name, or feed it", t->axis[i]);
        return gr_fail(c, GR_AT_ATTR, attr, "%s must hold lengths of at least 0", attr);
    }
    return 0;
}

static int filled_infer(gr_ctx *c)
{
    gr_type t = {.dtype = real_dtype(c, (gr_dtype)gr_int(c, "dtype"))};
    return shape_type(c, "shape", &t) < 0 ? -1 : gr_set_output(c, 0, &t);
}

/* ---- Input, State ---- */

static const gr_attr_spec input_attrs[] = {
    {"shape", GR_ATTR_SHAPE, NULL, 0, 0, NULL, "Lengths of the axes; a name stands for the length of the axis so called."},
    {"dtype", GR_ATTR_DTYPE, "float32", 0, 0, NULL, "Of the elements; float32 is float64 under --dtype float64."},
    {"from", GR_ATTR_STRING, "~", 0, 0, NULL, "The field of the data source that feeds it; absent: the caller does."},
    OP_END};

extern const gr_op gr_op_input_leaf;
const gr_op gr_op_input_leaf = {GR_OP_HEADER, .name = "Input", .reference = "keras.Input",
    .formula = "output = what is fed", .summary = "A value that is fed before every step.",
    .attrs = input_attrs, .outputs = value_out, .traits = GR_LEAF, .role = GR_ROLE_INPUT, .infer = filled_infer,
    .kind = "leaves",
    .example = "data: {op: Inline, values: {x: [[1.0, 2.0], [3.0, 4.0]]}}\n"
               "graph:\n"
               "  x: {op: Input, shape: [batch, 2], from: data.x}\n"
               "  y: {op: Tanh, in: x}\n"};

static int kept_infer(gr_ctx *c)
{
    (void)c; /* whoever makes one sets its type */
    return 0;
}

extern const gr_op gr_op_state;
const gr_op gr_op_state = {GR_OP_HEADER, .name = "State",
    .formula = "output = what the step before left", .summary = "A carry of the training loop: a parameter, a moment, a kept state.",
    .outputs = value_out, .traits = GR_LEAF, .role = GR_ROLE_STATE, .infer = kept_infer,
    .kind = "internal"};

/* ---- Parameter ---- */

static const gr_attr_spec parameter_attrs[] = {
    {"shape", GR_ATTR_SHAPE, NULL, 0, 0, NULL, "Lengths of the axes."},
    {"init", GR_ATTR_INIT, NULL, 0, 0, NULL, "How it starts: {op: Uniform, low: -1, high: 1}, Normal, XavierUniform, "
                                             "XavierNormal, KaimingUniform, Orthogonal, Zeros, Ones, Constant."},
    {"trainable", GR_ATTR_BOOL, "true", 0, 0, NULL, "false: no optimiser changes it."},
    OP_END};

static int parameter_expand(gr_ctx *c)
{
    gr_type t = {.dtype = gr_real(c)};
    if (shape_type(c, "shape", &t) < 0) return -1;
    gr_val v = gr_parameter(c, "", &t, "%s", gr_string(c, "init"));
    if (!gr_bool(c, "trainable")) gr_freeze(c, v);
    return gr_set_result(c, 0, v);
}

extern const gr_op gr_op_parameter;
const gr_op gr_op_parameter = {GR_OP_HEADER, .name = "Parameter", .reference = "torch.nn.Parameter",
    .formula = "output = the parameter", .summary = "A tensor that training changes, kept in the weights file.",
    .attrs = parameter_attrs, .outputs = value_out, .expand = parameter_expand,
    .kind = "leaves",
    .example = OP_X
               "  w: {op: Parameter, shape: [3, 4], init: {op: Normal, mean: 0, std: 0.1}}\n"
               "  y: {op: MatMul, in: [x, w]}\n"};

/* ---- Constant, Fill ---- */

static const gr_attr_spec constant_attrs[] = {
    {"value", GR_ATTR_TENSOR, NULL, 0, 0, NULL, "A number, a list, or nested lists."},
    {"dtype", GR_ATTR_DTYPE, "~", 0, 0, NULL, "Absent: float32 where a number has a point or an exponent, else int32."},
    OP_END};

static int constant_infer(gr_ctx *c)
{
    const gr_attr *value = gr_get(c, "value"), *dtype = gr_get(c, "dtype");
    gr_type t = value->shape;
    t.dtype = real_dtype(c, dtype->present ? (gr_dtype)dtype->i : value->i ? GR_INT32 : GR_FLOAT32);
    return gr_set_output(c, 0, &t);
}

extern const gr_op gr_op_constant;
const gr_op gr_op_constant = {GR_OP_HEADER, .name = "Constant", .reference = "torch.tensor",
    .formula = "output = value", .summary = "Numbers that are written in the model.",
    .attrs = constant_attrs, .outputs = value_out, .traits = GR_LEAF, .role = GR_ROLE_CONSTANT, .infer = constant_infer,
    .kind = "leaves",
    .example = "graph:\n"
               "  c: {op: Constant, value: [[1.5, 2.0], [3.0, 4.0]]}\n"
               "  y: {op: Sum, in: c}\n"};

static const gr_attr_spec fill_attrs[] = {
    {"shape", GR_ATTR_SHAPE, NULL, 0, 0, NULL, "Lengths of the axes."},
    {"value", GR_ATTR_FLOAT, NULL, 0, 0, NULL, "Every element."},
    {"dtype", GR_ATTR_DTYPE, "float32", 0, 0, NULL, "Of the elements."},
    OP_END};

extern const gr_op gr_op_fill;
const gr_op gr_op_fill = {GR_OP_HEADER, .name = "Fill",
    .formula = "output = value", .summary = "One number, everywhere.",
    .attrs = fill_attrs, .outputs = value_out, .traits = GR_LEAF, .role = GR_ROLE_FILL, .infer = filled_infer,
    .kind = "internal"};

static int fill_expand(gr_ctx *c, double value)
{
    gr_type t = {.dtype = GR_UNKNOWN};
    if (shape_type(c, "shape", &t) < 0) return -1;
    static const char *const dtype[GR_NUM_DTYPES] = {"", "float32", "float64", "int32", "bool"};
    return gr_set_result(c, 0, gr_emit(c, "Fill", "", 0, NULL, "shape=%s, value=%.17g, dtype=%s",
                                       op_ints(c, t.rank, t.dim), value, dtype[gr_int(c, "dtype")]));
}

static int zeros_expand(gr_ctx *c) { return fill_expand(c, 0); }
static int ones_expand(gr_ctx *c) { return fill_expand(c, 1); }
static int full_expand(gr_ctx *c) { return fill_expand(c, gr_float(c, "value")); }

static const gr_attr_spec shape_attrs[] = {
    {"shape", GR_ATTR_SHAPE, NULL, 0, 0, NULL, "Lengths of the axes."},
    {"dtype", GR_ATTR_DTYPE, "float32", 0, 0, NULL, "Of the elements."},
    OP_END};

extern const gr_op gr_op_zeros, gr_op_ones, gr_op_full;
const gr_op gr_op_zeros = {GR_OP_HEADER, .name = "Zeros", .reference = "torch.zeros",
    .formula = "output = 0", .summary = "0 everywhere.", .attrs = shape_attrs,
    .outputs = value_out, .expand = zeros_expand,
    .kind = "leaves",
    .example = "graph:\n"
               "  c: {op: Zeros, shape: [2, 3]}\n"
               "  y: {op: Exp, in: c}\n"};
const gr_op gr_op_ones = {GR_OP_HEADER, .name = "Ones", .reference = "torch.ones",
    .formula = "output = 1", .summary = "1 everywhere.", .attrs = shape_attrs,
    .outputs = value_out, .expand = ones_expand,
    .kind = "leaves",
    .example = "graph:\n"
               "  c: {op: Ones, shape: [2, 3]}\n"
               "  y: {op: Exp, in: c}\n"};
const gr_op gr_op_full = {GR_OP_HEADER, .name = "Full", .reference = "torch.full",
    .formula = "output = value", .summary = "One number, everywhere.", .attrs = fill_attrs,
    .outputs = value_out, .expand = full_expand,
    .kind = "leaves",
    .example = "graph:\n"
               "  c: {op: Full, shape: [2, 3], value: 0.5}\n"
               "  y: {op: Exp, in: c}\n"};

/* ---- Arange, Eye ---- */

static void put_number(const gr_tensor *t, int64_t i, double x)
{
    switch (t->dtype) {
    case GR_FLOAT32: ((float *)t->data)[i] = (float)x; break;
    case GR_FLOAT64: ((double *)t->data)[i] = x; break;
    case GR_INT32: ((int32_t *)t->data)[i] = (int32_t)x; break;
    default: ((uint8_t *)t->data)[i] = x != 0;
    }
}

static const gr_attr_spec arange_attrs[] = {
    {"end", GR_ATTR_INT, NULL, 0, 2147483647, NULL, "How many: 0, 1, ..., end - 1."},
    {"dtype", GR_ATTR_DTYPE, "int32", 0, 0, NULL, "Of the elements."},
    OP_END};
static const gr_port arange_out[] = {{"output", 0, "[end]"}, OP_END};

static int arange_infer(gr_ctx *c)
{
    gr_type t = {.dtype = real_dtype(c, (gr_dtype)gr_int(c, "dtype")), .rank = 1, .dim = {gr_int(c, "end")}};
    return gr_set_output(c, 0, &t);
}

static void arange_run(const gr_call *call)
{
    for (int64_t i = 0; i < call->out[0].dim[0]; i++) put_number(&call->out[0], i, (double)i);
}

#define EVERY_DTYPE(fn) (const gr_kernel[]){{GR_FLOAT32, fn}, {GR_FLOAT64, fn}, {GR_INT32, fn}, {GR_BOOL, fn}, {0, NULL}}

extern const gr_op gr_op_arange, gr_op_eye;
const gr_op gr_op_arange = {GR_OP_HEADER, .name = "Arange", .reference = "torch.arange",
    .formula = "output[i] = i", .summary = "0, 1, 2, ...", .attrs = arange_attrs,
    .outputs = arange_out, .traits = GR_ZERO_GRAD, .infer = arange_infer, .kernels = EVERY_DTYPE(arange_run),
    .kind = "leaves",
    .example = "graph:\n"
               "  c: {op: Arange, end: 5}\n"};

static int eye_infer(gr_ctx *c)
{
    if (gr_get(c, "shape")->n != 2) return gr_fail(c, GR_AT_ATTR, "shape", "shape must be [rows, columns]");
    return filled_infer(c);
}

static void eye_run(const gr_call *call)
{
    const gr_tensor *o = &call->out[0];
    for (int64_t i = 0; i < o->dim[0] * o->dim[1]; i++) put_number(o, i, i / o->dim[1] == i % o->dim[1]);
}

const gr_op gr_op_eye = {GR_OP_HEADER, .name = "Eye", .reference = "torch.eye",
    .formula = "output[i, j] = i = j ? 1 : 0", .summary = "1 on the diagonal, 0 elsewhere.", .attrs = shape_attrs,
    .outputs = value_out, .traits = GR_ZERO_GRAD, .infer = eye_infer, .kernels = EVERY_DTYPE(eye_run),
    .kind = "leaves",
    .example = "graph:\n"
               "  c: {op: Eye, shape: [3, 3]}\n"};
