/* arg.c - where the largest and the smallest elements are: ArgMax, ArgMin, TopK.
 *
 * Of equal elements the first is meant; NaN counts as larger than every number, and for
 * ArgMin as smaller. */
#include "util.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static double element(const gr_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case GR_FLOAT32: return (double)((const float *)t->data)[i];
    case GR_FLOAT64: return ((const double *)t->data)[i];
    case GR_INT32: return (double)((const int32_t *)t->data)[i];
    default: return (double)((const uint8_t *)t->data)[i];
    }
}

static bool beats(double x, double y, bool largest)
{
    if (isnan(y)) return false;
    return isnan(x) || (largest ? x > y : x < y);
}

#define EVERY(fn) (const gr_kernel[]){{GR_FLOAT32, fn}, {GR_FLOAT64, fn}, {GR_INT32, fn}, {0, NULL}}
static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};

/* ---- ArgMax, ArgMin: a unit is one element of the result ----
 * dim is one axis, or all: then the index counts through all elements in row-major order.
 * All are the last ones once there are leading axes of steps. */

static int arg_infer(gr_ctx *c)
{
    const gr_type *in = gr_in_type(c, 0);
    gr_type t = {.dtype = GR_INT32};
    int64_t dims[GR_MAX_RANK];
    int n = op_dims(c, "dim", in->rank, dims);
    bool keep = gr_bool(c, "keepdim");
    if (n < 0) return -1;
    if (n > 1 && dims[0] != -n) return gr_fail(c, GR_AT_ATTR, "dim", "dim must be one axis, or be left out");
    for (int i = 0; i < in->rank; i++) {
        bool gone = n > 1 ? i >= in->rank - n : n == 1 && dims[0] + in->rank == i;
        if (gone && in->dim[i] == 0) return gr_fail(c, GR_AT_INPUT, "input", "%s has no element to choose from", op_type_text(c, in));
        if (gone && !keep) continue;
        t.axis[t.rank] = gone ? NULL : in->axis[i];
        t.dim[t.rank++] = gone ? 1 : in->dim[i];
    }
    return gr_set_output(c, 0, &t);
}

static void arg_run(const gr_call *call, bool largest)
{
    const gr_tensor *in = &call->in[0];
    const gr_attr *dims = &call->attr[0];
    op_lines l = op_lines_of(in, -1);
    if (dims->n == 1) l = op_lines_of(in, dims->ints[0]);
    else { /* the last axes together */
        l = (op_lines){1, 1, 1};
        for (int i = 0; i < in->rank; i++) *(i < in->rank - (int)dims->n ? &l.count : &l.n) *= in->dim[i];
    }
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t at = op_line_start(&l, u), best = 0;
        for (int64_t i = 1; i < l.n; i++)
            if (beats(element(in, at + i * l.step), element(in, at + best * l.step), largest)) best = i;
        ((int32_t *)call->out[0].data)[u] = (int32_t)best;
    }
}

static void arg_max_run(const gr_call *call) { arg_run(call, true); }
static void arg_min_run(const gr_call *call) { arg_run(call, false); }
static int64_t arg_units(const gr_call *call) { return op_numel(&call->out[0]); }

static const gr_attr_spec arg_attrs[] = {
    {"dim", GR_ATTR_INTS, "~", 0, 0, NULL, "The axis; absent: all, counted through."},
    {"keepdim", GR_ATTR_BOOL, "false", 0, 0, NULL, "Keep the axis, with length 1."}, OP_END};
static const gr_port index_out[] = {{"output", 0, "[...]: int32"}, OP_END};

extern const gr_op gr_op_arg_max, gr_op_arg_min, gr_op_top_k;
const gr_op gr_op_arg_max = {GR_OP_HEADER, .name = "ArgMax",
    .formula = "output = the first i with input[.., i, ..] = max of input over dim", .summary = "Where the largest element is.", .reference = "torch.argmax",
    .attrs = arg_attrs, .inputs = one, .outputs = index_out, .traits = GR_ROWWISE | GR_ZERO_GRAD, .infer = arg_infer, .units = arg_units,
    .kernels = EVERY(arg_max_run),
    .kind = "reductions",
    .example = OP_X
               "  y: {op: ArgMax, in: x, dim: -1}   # [2]\n"};
const gr_op gr_op_arg_min = {GR_OP_HEADER, .name = "ArgMin",
    .formula = "output = the first i with input[.., i, ..] = min of input over dim", .summary = "Where the smallest element is.", .reference = "torch.argmin",
    .attrs = arg_attrs, .inputs = one, .outputs = index_out, .traits = GR_ROWWISE | GR_ZERO_GRAD, .infer = arg_infer, .units = arg_units,
    .kernels = EVERY(arg_min_run),
    .kind = "reductions",
    .example = OP_X
               "  y: {op: ArgMin, in: x, dim: -1}   # [2]\n"};

/* ---- TopK: a unit is one line; the k best so far are kept in order ---- */

static int top_k_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t.rank, 0);
    if (d < 0) return -1;
    if (gr_int(c, "k") > t.dim[d]) return gr_fail(c, GR_AT_ATTR, "k", "k=%" PRId64 ", but axis %d has %" PRId64 " entries", gr_int(c, "k"), d, t.dim[d]);
    gr_set_attr_int(c, "dim", d - t.rank);
    t.dim[d] = gr_int(c, "k");
    t.axis[d] = NULL;
    if (gr_set_output(c, 0, &t) < 0) return -1;
    t.dtype = GR_INT32;
    return gr_set_output(c, 1, &t);
}

static void top_k_run(const gr_call *call)
{
    const gr_tensor *in = &call->in[0], *values = &call->out[0];
    op_lines from = op_lines_of(in, call->attr[1].i), to = op_lines_of(values, call->attr[1].i);
    size_t size = gr_dtype_size(in->dtype);
    bool largest = call->attr[2].i != 0;
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t at = op_line_start(&from, u), out = op_line_start(&to, u), kept = 0;
        int32_t *index = (int32_t *)call->out[1].data + out;
        for (int64_t i = 0; i < from.n; i++) {
            int64_t place = kept < to.n ? kept++ : to.n;
            for (; place > 0; place--) {
                int64_t before = index[(place - 1) * to.step];
                if (!beats(element(in, at + i * from.step), element(in, at + before * from.step), largest)) break;
                if (place < to.n) index[place * to.step] = (int32_t)before;
            }
            if (place < to.n) index[place * to.step] = (int32_t)i;
        }
        for (int64_t j = 0; j < to.n; j++)
            memcpy((char *)values->data + (size_t)(out + j * to.step) * size,
                   (const char *)in->data + (size_t)(at + index[j * to.step] * from.step) * size, size);
    }
}

static int64_t top_k_units(const gr_call *call)
{
    op_lines l = op_lines_of(&call->out[0], call->attr[1].i);
    return l.count;
}

static int top_k_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int d = (int)gr_int(c, "dim");
    gr_val in[2] = {gr_grad(c, 0), gr_out(c, 1)};
    if (!in[0]) return 0;
    return gr_set_grad(c, 0, 0, gr_emit(c, "ScatterAdd", NULL, 2, in, "dim=%d, length=%" PRId64, d, t->dim[t->rank + d]));
}

static const gr_attr_spec top_k_attrs[] = {
    {"k", GR_ATTR_INT, NULL, 0, 2147483647, NULL, "How many."},
    {"dim", GR_ATTR_INT, "-1", 0, 0, NULL, "The axis."},
    {"largest", GR_ATTR_BOOL, "true", 0, 0, NULL, "false: the smallest."}, OP_END};
static const gr_port top_k_out[] = {{"values", 0, "[...]: best first"}, {"indices", 0, "[...]: int32"}, OP_END};

const gr_op gr_op_top_k = {GR_OP_HEADER, .name = "TopK",
    .formula = "values[.., i, ..] = the i-th largest of input over dim = input[.., indices[.., i, ..], ..]", .summary = "The k largest elements of an axis, and where they are.",
    .reference = "torch.topk", .attrs = top_k_attrs, .inputs = one, .outputs = top_k_out, .traits = GR_ROWWISE, .infer = top_k_infer,
    .gradient = top_k_gradient, .units = top_k_units, .kernels = EVERY(top_k_run),
    .kind = "reductions",
    .example = OP_X
               "  best: {op: TopK, in: x, k: 2, dim: -1}\n"
               "  y: {op: Sum, in: best.values, dim: -1}\n"};
