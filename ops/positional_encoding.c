/* positional_encoding.c - which step it is, added to the input: sinusoids, or rows that are learned. */
#include "attention.h"

#include <inttypes.h>
#include <math.h>

/* Checks the input; gives the axis of time, or -1. */
static int position_axis(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    bool first = gr_bool(c, "batch_first");
    if (op_need_rank(c, 0, 2, 3, first ? "[batch, time, width] or, without a batch, [time, width]"
                                       : "[time, batch, width] or, without a batch, [time, width]") < 0) return -1;
    int axis = t->rank == 3 && first;
    if (t->dim[axis] > gr_int(c, "max_len"))
        return gr_fail(c, GR_AT_INPUT, "input", "the input has %" PRId64 " steps, but there are positions for max_len = %" PRId64 "; give a larger max_len",
                       t->dim[axis], gr_int(c, "max_len"));
    return axis;
}

/* input + table [time, width], which may lack the batch. */
static int position_add(gr_ctx *c, int axis, gr_val table)
{
    gr_val in = gr_in(c, 0);
    if (gr_type_of(c, in)->rank == 3 && axis == 0) table = op_unsqueeze(c, table, 1);
    gr_val sum = gr_emit2(c, "Add", in, table);
    return gr_set_result(c, 0, gr_emit(c, "Dropout", "dropout", 1, &sum, "p=%.17g", gr_float(c, "dropout")));
}

/* Column 2i is sin(t / 10000^(2i / width)), column 2i + 1 cos of the same. */
static int sinusoids_expand(gr_ctx *c)
{
    int axis = position_axis(c);
    if (axis < 0) return -1;
    const gr_type *t = gr_in_type(c, 0);
    int64_t time = t->dim[axis], width = t->dim[t->rank - 1], pairs = (width + 1) / 2, dim[2] = {time, 2 * pairs};
    gr_val step = op_unsqueeze(c, gr_emit(c, "Arange", "step", 0, NULL, "end=%" PRId64 ", dtype=float32", time), -1);
    gr_val pair = gr_emit(c, "Arange", "pair", 0, NULL, "end=%" PRId64 ", dtype=float32", pairs);
    gr_val angle = gr_emit2(c, "Mul", step, gr_emit1(c, "Exp", op_scale(c, pair, -2 * log(10000) / (double)(width ? width : 1))));
    gr_val both[2] = {gr_emit1(c, "Sin", angle), gr_emit1(c, "Cos", angle)};
    gr_val table = op_reshape(c, gr_emit(c, "Stack", NULL, 2, both, "dim=-1"), 2, dim);
    if (width % 2) table = gr_emit(c, "Slice", NULL, 1, &table, "dim=-1, start=0, stop=%" PRId64, width);
    return position_add(c, axis, table);
}

static int learned_expand(gr_ctx *c)
{
    int axis = position_axis(c);
    if (axis < 0) return -1;
    const gr_type *t = gr_in_type(c, 0);
    gr_type shape = {.dtype = gr_real(c), .rank = 2, .dim = {gr_int(c, "max_len"), t->dim[t->rank - 1]}};
    gr_val table = gr_parameter(c, "weight", &shape, "Normal mean=0 std=1");
    if (t->dim[axis] < shape.dim[0]) table = gr_emit(c, "Slice", NULL, 1, &table, "dim=0, start=0, stop=%" PRId64, t->dim[axis]);
    return position_add(c, axis, table);
}

#define MORE {"dropout", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Probability that an element of the sum becomes 0 while training."}, \
    {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Input and output are [batch, time, width]."}
#define MAX_LEN(fallback) {"max_len", GR_ATTR_INT, fallback, 1, 1 << 30, NULL, "The longest sequence."}
static const gr_attr_spec sinusoid_attrs[] = {MAX_LEN("5000"), MORE, OP_END};
static const gr_attr_spec learned_attrs[] = {MAX_LEN(NULL), MORE, OP_END};
static const gr_port inputs[] = {{"input", 0, "[time, batch, width], or [time, width]"}, OP_END};
static const gr_port outputs[] = {{"output", 0, "[...]: as the input"}, OP_END};

extern const gr_op gr_op_positional_encoding, gr_op_learned_positional_encoding;
const gr_op gr_op_positional_encoding = {GR_OP_HEADER, .name = "PositionalEncoding", .summary = "Adds sinusoids of the step's number.",
    .formula = "output[t, 2i] = input + sin(t / 10000^(2i / width)), output[t, 2i + 1] = input + cos(the same)",
    .reference = "Vaswani et al. 2017", .attrs = sinusoid_attrs, .inputs = inputs, .outputs = outputs, .expand = sinusoids_expand};
const gr_op gr_op_learned_positional_encoding = {GR_OP_HEADER, .name = "LearnedPositionalEncoding",
    .summary = "Adds a learned vector for each step.", .formula = "output[t] = input[t] + weight[t]", .reference = "Gehring et al. 2017",
    .attrs = learned_attrs, .inputs = inputs, .outputs = outputs, .expand = learned_expand};
