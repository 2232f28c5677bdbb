/* rearrange.c - Flip, Roll, Pad, Repeat, Tril, Triu. */
#include "util.h"

#include <inttypes.h>
#include <string.h>

static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

#define EVERY(fn) (const gr_kernel[]){{GR_FLOAT32, fn}, {GR_FLOAT64, fn}, {GR_INT32, fn}, {GR_BOOL, fn}, {0, NULL}}

/* ---- Flip: a unit is one row of the last axis ---- */

static int flip_infer(gr_ctx *c)
{
    int64_t dims[GR_MAX_RANK];
    const gr_type *t = gr_in_type(c, 0);
    return op_dims(c, "dims", t->rank, dims) < 0 ? -1 : gr_set_output(c, 0, t);
}

static int64_t row_units(const gr_call *call)
{
    int64_t n = 1;
    for (int i = 0; i < call->out[0].rank - 1; i++) n *= call->out[0].dim[i];
    return n;
}

static void flip_run(const gr_call *call)
{
    const gr_tensor *o = &call->out[0];
    int64_t stride[GR_MAX_RANK], start = 0, n = o->rank ? o->dim[o->rank - 1] : 1;
    op_dense(o->rank, o->dim, stride);
    for (int64_t k = 0; k < call->attr[0].n; k++) {
        int d = (int)call->attr[0].ints[k] + o->rank;
        start += (o->dim[d] - 1) * stride[d];
        stride[d] = -stride[d];
    }
    size_t size = gr_dtype_size(o->dtype);
    int64_t step = o->rank ? stride[o->rank - 1] : 1;
    for (int64_t u = call->begin; u < call->end; u++) {
        const char *from = (const char *)call->in[0].data + (start + op_at(u, o->rank - 1, o->dim, stride)) * (int64_t)size;
        char *to = (char *)o->data + u * n * (int64_t)size;
        for (int64_t i = 0; i < n; i++) memcpy(to + i * (int64_t)size, from + i * step * (int64_t)size, size);
    }
}

static int flip_gradient(gr_ctx *c)
{
    const gr_attr *a = gr_get(c, "dims");
    gr_val g = gr_grad(c, 0);
    return gr_set_grad(c, 0, 0, gr_emit(c, "Flip", NULL, 1, &g, "dims=%s", op_ints(c, a->n, a->ints)));
}

static const gr_attr_spec flip_attrs[] = {{"dims", GR_ATTR_INTS, NULL, 0, 0, NULL, "The axes that are turned around."}, OP_END};

extern const gr_op gr_op_flip;
const gr_op gr_op_flip = {GR_OP_HEADER, .name = "Flip", .reference = "torch.flip",
    .formula = "output[.., i, ..] = input[.., length - 1 - i, ..]", .summary = "Turns axes around.", .attrs = flip_attrs, .inputs = one,
    .outputs = output, .traits = GR_ROWWISE, .infer = flip_infer, .gradient = flip_gradient, .units = row_units, .kernels = EVERY(flip_run),
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Flip, in: x, dims: [1]}\n"};

/* ---- Tril, Triu: what is on one side of a diagonal of the last two axes ---- */

static int triangle_infer(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    if (t->rank < 2) return gr_fail(c, GR_AT_INPUT, "input", "%s is no matrix", op_type_text(c, t));
    return gr_set_output(c, 0, t);
}

static void triangle_run(const gr_call *call, bool lower)
{
    const gr_tensor *o = &call->out[0];
    int64_t rows = o->dim[o->rank - 2], n = o->dim[o->rank - 1], diagonal = call->attr[0].i;
    size_t size = gr_dtype_size(o->dtype);
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t edge = u % rows + diagonal + lower; /* first column above (Tril) or of (Triu) the diagonal */
        if (edge < 0) edge = 0;
        if (edge > n) edge = n;
        int64_t first = lower ? 0 : edge, count = lower ? edge : n - edge;
        char *to = (char *)o->data + (size_t)(u * n) * size;
        memset(to, 0, (size_t)n * size);
        memcpy(to + (size_t)first * size, (const char *)call->in[0].data + (size_t)(u * n + first) * size, (size_t)count * size);
    }
}

static void tril_run(const gr_call *call) { triangle_run(call, true); }
static void triu_run(const gr_call *call) { triangle_run(call, false); }

static int triangle_gradient(gr_ctx *c)
{
    gr_val g = gr_grad(c, 0);
    return gr_set_grad(c, 0, 0, gr_emit(c, gr_self(c)->name, NULL, 1, &g, "diagonal=%" PRId64, gr_int(c, "diagonal")));
}

static const gr_attr_spec triangle_attrs[] = {{"diagonal", GR_ATTR_INT, "0", 0, 0, NULL, "How far above the main one."}, OP_END};

extern const gr_op gr_op_tril, gr_op_triu;
const gr_op gr_op_tril = {GR_OP_HEADER, .name = "Tril", .reference = "torch.tril",
    .formula = "output[.., i, j] = j - i <= diagonal ? input[.., i, j] : 0", .summary = "A matrix without what is above a diagonal.", .attrs = triangle_attrs,
    .inputs = one, .outputs = output, .traits = GR_ROWWISE, .infer = triangle_infer, .gradient = triangle_gradient, .units = row_units,
    .kernels = EVERY(tril_run),
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Tril, in: x, diagonal: 0}\n"};
const gr_op gr_op_triu = {GR_OP_HEADER, .name = "Triu", .reference = "torch.triu",
    .formula = "output[.., i, j] = j - i >= diagonal ? input[.., i, j] : 0", .summary = "A matrix without what is below a diagonal.", .attrs = triangle_attrs,
    .inputs = one, .outputs = output, .traits = GR_ROWWISE, .infer = triangle_infer, .gradient = triangle_gradient, .units = row_units,
    .kernels = EVERY(triu_run),
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Triu, in: x, diagonal: 1}\n"};

/* ---- Roll: the end of the axis before its start ---- */

static gr_val part(gr_ctx *c, gr_val v, int dim, int64_t start, int64_t stop)
{
    return gr_emit(c, "Slice", NULL, 1, &v, "dim=%d, start=%" PRId64 ", stop=%" PRId64, dim, start, stop);
}

static gr_val roll_axis(gr_ctx *c, gr_val v, int d, int64_t shift)
{
    int64_t n = gr_type_of(c, v)->dim[d];
    if (n) shift %= n;
    if (shift < 0) shift += n;
    if (shift == 0 || n == 0) return v;
    gr_val parts[2] = {part(c, v, d, n - shift, n), part(c, v, d, 0, n - shift)};
    return gr_emit(c, "Concat", NULL, 2, parts, "dim=%d", d);
}

static int roll_expand(gr_ctx *c)
{
    const gr_attr *shifts = gr_get(c, "shifts"), *dims = gr_get(c, "dims");
    const gr_type *t = gr_in_type(c, 0);
    gr_val v = gr_in(c, 0);
    if (dims->present && dims->n != shifts->n) return gr_fail(c, GR_AT_ATTR, "shifts", "give one shift for each of dims");
    if (!dims->present) {
        if (shifts->n != 1) return gr_fail(c, GR_AT_ATTR, "shifts", "without dims give one shift");
        v = roll_axis(c, op_reshape(c, v, 1, (int64_t[]){gr_numel(t)}), 0, shifts->ints[0]);
        return gr_set_result(c, 0, op_reshape(c, v, t->rank, t->dim));
    }
    for (int64_t i = 0; i < dims->n; i++) {
        int d = op_dim(c, "dims", dims->ints[i], t->rank, 0);
        if (d < 0) return -1;
        v = roll_axis(c, v, d, shifts->ints[i]);
    }
    return gr_set_result(c, 0, v);
}

static const gr_attr_spec roll_attrs[] = {
    {"shifts", GR_ATTR_INTS, NULL, 0, 0, NULL, "How far, for each of dims."},
    {"dims", GR_ATTR_INTS, "~", 0, 0, NULL, "The axes; absent: all as one."}, OP_END};

extern const gr_op gr_op_roll;
const gr_op gr_op_roll = {GR_OP_HEADER, .name = "Roll",
    .formula = "output[.., i, ..] = input[.., (i - shifts) mod length, ..]", .summary = "Moves entries along an axis; what leaves at the end enters at the start.",
    .reference = "torch.roll", .attrs = roll_attrs, .inputs = one, .outputs = output, .expand = roll_expand,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Roll, in: x, shifts: [1], dims: [1]}\n"};

/* ---- Pad ---- */

static gr_val pad_axis(gr_ctx *c, gr_val v, int d, int64_t low, int64_t high)
{
    gr_type t = *gr_type_of(c, v);
    int64_t start = low < 0 ? -low : 0, stop = t.dim[d] + (high < 0 ? high : 0);
    if (start || stop != t.dim[d]) v = part(c, v, d, start, stop);
    gr_val parts[3];
    int n = 0;
    static const char *const dtype[GR_NUM_DTYPES] = {"", "float32", "float64", "int32", "bool"};
    for (int side = 0; side < 2; side++) {
        t.dim[d] = side ? high : low;
        if (t.dim[d] > 0)
            parts[n++] = gr_emit(c, "Fill", NULL, 0, NULL, "shape=%s, value=%.17g, dtype=%s", op_ints(c, t.rank, t.dim), gr_float(c, "value"),
                                 dtype[t.dtype]);
        if (!side) parts[n++] = v;
    }
    return n == 1 ? v : gr_emit(c, "Concat", NULL, n, parts, "dim=%d", d);
}

static int pad_expand(gr_ctx *c)
{
    const gr_attr *pad = gr_get(c, "pad");
    const gr_type *t = gr_in_type(c, 0);
    gr_val v = gr_in(c, 0);
    if (pad->n % 2 || pad->n / 2 > t->rank)
        return gr_fail(c, GR_AT_ATTR, "pad", "pad must hold two numbers for each axis, the last axis first");
    for (int64_t i = 0; i < pad->n / 2; i++) {
        int d = t->rank - 1 - (int)i;
        int64_t low = pad->ints[2 * i], high = pad->ints[2 * i + 1];
        if (t->dim[d] + (low < 0 ? low : 0) + (high < 0 ? high : 0) < 0) return gr_fail(c, GR_AT_ATTR, "pad", "pad takes away more than axis %d has", d);
        v = pad_axis(c, v, d, low, high);
    }
    return gr_set_result(c, 0, v);
}

static const gr_attr_spec pad_attrs[] = {
    {"pad", GR_ATTR_INTS, NULL, 0, 0, NULL, "Entries added before and after the last axis, then the one before it, ...; negative takes away."},
    {"value", GR_ATTR_FLOAT, "0", 0, 0, NULL, "What is added."}, OP_END};

extern const gr_op gr_op_pad;
const gr_op gr_op_pad = {GR_OP_HEADER, .name = "Pad",
    .formula = "output[.., i, ..] = input[.., i - before, ..] where there is such an entry, else value", .summary = "Adds entries of one number around.", .reference = "torch.nn.functional.pad",
    .attrs = pad_attrs, .inputs = one, .outputs = output, .expand = pad_expand,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Pad, in: x, pad: [1, 0], value: 0}   # one 0 before each row\n"};

/* ---- Repeat: an axis for the copies before each axis that is repeated, then Expand ---- */

static int repeat_expand(gr_ctx *c)
{
    const gr_attr *r = gr_get(c, "repeats");
    const gr_type *t = gr_in_type(c, 0);
    int extra = (int)r->n - t->rank, n = 0, rank = (int)r->n;
    int64_t ones[2 * GR_MAX_RANK], wide[2 * GR_MAX_RANK], last[GR_MAX_RANK];
    if (extra < 0 || rank > GR_MAX_RANK) return gr_fail(c, GR_AT_ATTR, "repeats", "repeats must have a number for each axis of %s, or more", op_type_text(c, t));
    for (int i = 0; i < rank; i++) {
        int64_t own = i < extra ? 1 : t->dim[i - extra];
        if (r->ints[i] != 1) ones[n] = 1, wide[n++] = r->ints[i];
        ones[n] = wide[n] = own;
        n++;
        last[i] = own * r->ints[i];
    }
    if (n > GR_MAX_RANK) return gr_fail(c, GR_AT_ATTR, "repeats", "more than %d axes are needed", GR_MAX_RANK);
    gr_val v = op_reshape(c, gr_in(c, 0), n, ones);
    v = gr_emit(c, "Expand", NULL, 1, &v, "shape=%s", op_ints(c, n, wide));
    return gr_set_result(c, 0, op_reshape(c, v, rank, last));
}

static const gr_attr_spec repeat_attrs[] = {
    {"repeats", GR_ATTR_INTS, NULL, 0, 2147483647, NULL, "How often, for each axis; more numbers than axes add leading ones."}, OP_END};

extern const gr_op gr_op_repeat;
const gr_op gr_op_repeat = {GR_OP_HEADER, .name = "Repeat",
    .formula = "output[.., i, ..] = input[.., i mod length, ..]", .summary = "Copies side by side.", .reference = "torch.Tensor.repeat",
    .attrs = repeat_attrs, .inputs = one, .outputs = output, .expand = repeat_expand,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Repeat, in: x, repeats: [1, 2]}   # [2, 6]\n"};
