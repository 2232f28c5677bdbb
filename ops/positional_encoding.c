/* positional_encoding.c - which step it is, added to the input: sinusoids, or rows that are learned. */
#ifdef REAL

/* The angle is rounded as PyTorch's tutorials have it, in the type of the table. */
static void NAME(sinusoids_run)(const gr_call *call)
{
    int64_t width = call->out[0].dim[1];
    REAL *to = (REAL *)call->out[0].data + call->begin * width;
    REAL factor = (REAL)(-2 * log(10000) / (double)(width ? width : 1));
    const int32_t *number = call->num_in ? call->in[0].data : NULL;
    for (int64_t t = call->begin; t < call->end; t++)
        for (int64_t j = 0; j < width; j++, to++) {
            REAL power = (REAL)(j / 2) * factor, slower;
            call->math->MATH(exp)(&slower, &power, 1);
            double angle = (REAL)(number ? number[t] : t) * slower;
            *to = (REAL)(j % 2 ? cos(angle) : sin(angle));
        }
}

#else
#include "attention.h"

#include <inttypes.h>
#include <math.h>

#define GR_KERNELS "positional_encoding.c"
#include <graphrun/each_real.h>

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

/* ---- Sinusoids: nothing but attributes goes in, so that a program fills it once ---- */

static int sinusoids_infer(gr_ctx *c)
{
    gr_type t = {.dtype = gr_real(c), .rank = 2, .dim = {gr_int(c, "steps"), gr_int(c, "width")}};
    const gr_type *n = gr_count(c, 0) ? gr_in_type(c, 0) : NULL;
    if (n && (n->dtype != GR_INT32 || n->rank != 1 || n->dim[0] != t.dim[0]))
        return gr_fail(c, GR_AT_INPUT, "numbers", "'numbers' must be %" PRId64 " of int32, but is %s", t.dim[0], op_type_text(c, n));
    return gr_set_output(c, 0, &t);
}

static int sinusoids_step(gr_ctx *c)
{
    gr_val numbers = gr_step_numbers(c, gr_int(c, "max_len"));
    return gr_set_result(c, 0, gr_emit(c, "Sinusoids", NULL, 1, &numbers, "steps=%" PRId64 ", width=%" PRId64, gr_type_of(c, numbers)->dim[0],
                                       gr_int(c, "width")));
}

static int64_t sinusoids_units(const gr_call *call) { return call->out[0].dim[0]; }
static double sinusoids_flops(const gr_call *call) { return 30 * (double)op_numel(&call->out[0]); }

static const gr_attr_spec table_attrs[] = {
    {"steps", GR_ATTR_INT, NULL, 0, 2147483647, NULL, "How many rows."}, {"width", GR_ATTR_INT, NULL, 0, 2147483647, NULL, "How many columns."},
    {"max_len", GR_ATTR_INT, "0", 0, 2147483647, NULL, "How many rows there may be, step by step; 0: any number."}, OP_END};
static const gr_port table_in[] = {{"numbers", GR_PORT_OPTIONAL | GR_PORT_INT, "[steps]: which step each row is of; absent: 0, 1, ..."}, OP_END};
static const gr_port table_out[] = {{"output", 0, "[steps, width]"}, OP_END};

extern const gr_op gr_op_sinusoids;
const gr_op gr_op_sinusoids = {GR_OP_HEADER, .name = "Sinusoids", .summary = "A row for each step: sines and cosines of its number, slower and slower.",
    .formula = "output[t, 2i] = sin(t / 10000^(2i / width)), output[t, 2i + 1] = cos(the same)", .reference = "Vaswani et al. 2017",
    .attrs = table_attrs, .inputs = table_in, .outputs = table_out, .traits = GR_ZERO_GRAD, .infer = sinusoids_infer, .step = sinusoids_step, .units = sinusoids_units,
    .flops = sinusoids_flops, .kernels = (const gr_kernel[]){{GR_FLOAT32, sinusoids_run_f32}, {GR_FLOAT64, sinusoids_run_f64}, {0, NULL}},
    .kind = "internal"};

/* ---- PositionalEncoding, LearnedPositionalEncoding ---- */

static int sinusoids_expand(gr_ctx *c)
{
    int axis = position_axis(c);
    if (axis < 0) return -1;
    const gr_type *t = gr_in_type(c, 0);
    gr_val table = gr_emit(c, "Sinusoids", "table", 0, NULL, "steps=%" PRId64 ", width=%" PRId64 ", max_len=%" PRId64, t->dim[axis], t->dim[t->rank - 1],
                           gr_int(c, "max_len"));
    return position_add(c, axis, table);
}

static int learned_expand(gr_ctx *c)
{
    int axis = position_axis(c);
    if (axis < 0) return -1;
    const gr_type *t = gr_in_type(c, 0);
    gr_type shape = {.dtype = gr_real(c), .rank = 2, .dim = {gr_int(c, "max_len"), t->dim[t->rank - 1]}};
    gr_val table = gr_parameter(c, "weight", &shape, "Normal mean=0 std=1");
    table = gr_emit(c, "Slice", NULL, 1, &table, "dim=0, start=0, stop=%" PRId64, t->dim[axis]);
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
    .reference = "Vaswani et al. 2017", .attrs = sinusoid_attrs, .inputs = inputs, .outputs = outputs, .expand = sinusoids_expand,
    .kind = "layers",
    .example = OP_SEQUENCE
               "  y: {op: PositionalEncoding, in: x}\n"};
const gr_op gr_op_learned_positional_encoding = {GR_OP_HEADER, .name = "LearnedPositionalEncoding",
    .summary = "Adds a learned vector for each step.", .formula = "output[t] = input[t] + weight[t]", .reference = "Gehring et al. 2017",
    .attrs = learned_attrs, .inputs = inputs, .outputs = outputs, .expand = learned_expand,
    .kind = "layers",
    .example = OP_SEQUENCE
               "  y: {op: LearnedPositionalEncoding, in: x, max_len: 16}\n"};
#endif
