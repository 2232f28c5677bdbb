/* length_mask.c - which steps of rows of unequal length are real. */
#include "util.h"

static int length_mask_infer(gr_ctx *c)
{
    const gr_type *in = gr_in_type(c, 0);
    if (in->dtype != GR_INT32)
        return gr_fail(c, GR_AT_INPUT, "lengths", "lengths must be int32, but is %s; Cast converts", op_type_text(c, in));
    if (in->rank == GR_MAX_RANK) return gr_fail(c, GR_AT_INPUT, "lengths", "lengths has %d axes already", GR_MAX_RANK);
    gr_type t = {.dtype = GR_BOOL, .rank = in->rank + 1, .dim = {gr_int(c, "size")}, .axis = {gr_string(c, "axis")}};
    for (int i = 0; i < in->rank; i++) {
        t.dim[i + 1] = in->dim[i];
        t.axis[i + 1] = in->axis[i];
    }
    return gr_set_output(c, 0, &t);
}

/* The masks of T lengths at once, [size, T, ...], with T in front. */
static int length_mask_batch(gr_ctx *c)
{
    gr_val lengths = gr_in(c, 0);
    const char *axis = gr_string(c, "axis");
    gr_val all = gr_emit(c, "LengthMask", NULL, 1, &lengths, "size=%lld, axis=%s", (long long)gr_int(c, "size"), axis ? axis : "~");
    return gr_set_result(c, 0, gr_emit(c, "Transpose", NULL, 1, &all, "dim0=0, dim1=1"));
}

/* A unit is one step of all rows. */
static int64_t length_mask_units(const gr_call *call) { return call->out[0].dim[0]; }

static void check_lengths(const gr_call *call, const int32_t *length, int64_t rows, int64_t size)
{
    for (int64_t i = 0; i < rows; i++)
        if (length[i] < 1 || length[i] > size)
            gr_call_fail(call, i, "the length of row %lld is %d; lengths must be from 1 to %lld, the length of the axis",
                         (long long)i, (int)length[i], (long long)size);
}

static void length_mask_run(const gr_call *call)
{
    const int32_t *length = call->in[0].data;
    int64_t rows = op_numel(&call->in[0]);
    if (call->begin == 0) check_lengths(call, length, rows, call->out[0].dim[0]);
    for (int64_t t = call->begin; t < call->end; t++) {
        bool *active = (bool *)call->out[0].data + t * rows;
        for (int64_t i = 0; i < rows; i++) active[i] = t < length[i];
    }
}

static const gr_attr_spec attrs[] = {
    {"size", GR_ATTR_INT, NULL, 0, 9007199254740992.0, NULL, "Length of the axis, which no length exceeds."},
    {"axis", GR_ATTR_STRING, "~", 0, 0, NULL, "Name of the axis: time; absent: it has none."}, OP_END};
static const gr_port inputs[] = {{"lengths", GR_PORT_INT, "[...]: how many steps of each row are real"}, OP_END};
static const gr_port outputs[] = {{"output", 0, "[size, ...]: bool"}, OP_END};

extern const gr_op gr_op_length_mask;
const gr_op gr_op_length_mask = {GR_OP_HEADER, .name = "LengthMask", .reference = "tf.sequence_mask", .summary = "Which steps of rows of unequal length are real.",
    .formula = "output[t, ...] = t < lengths[...]", .attrs = attrs, .inputs = inputs, .outputs = outputs, .traits = GR_ZERO_GRAD,
    .role = GR_ROLE_LENGTH_MASK, .infer = length_mask_infer, .batch = length_mask_batch, .units = length_mask_units,
    .kernels = (const gr_kernel[]){{GR_BOOL, length_mask_run}, {0, NULL}},
    .kind = "shapes",
    .example = "graph:\n"
               "  lengths: {op: Constant, value: [3, 1]}\n"
               "  y: {op: LengthMask, in: lengths, size: 4}   # [4, 2]: time first\n"};
