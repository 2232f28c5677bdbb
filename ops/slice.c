/* slice.c - parts of an axis, without moving data; and Place, which puts a part back. */
#include "util.h"

#include <inttypes.h>
#include <string.h>

static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

/* ---- Slice ---- */

static const gr_attr_spec slice_attrs[] = {
    {"dim", GR_ATTR_INT, "0", 0, 0, NULL, "The axis."},
    {"start", GR_ATTR_INT, "0", 0, 0, NULL, "First index; negative counts from the end."},
    {"stop", GR_ATTR_INT, "~", 0, 0, NULL, "Index after the last; negative counts from the end; absent: the end."},
    {"step", GR_ATTR_INT, "1", 1, 2147483647, NULL, "Distance of one index to the next."},
    OP_END};

static int64_t clip(int64_t i, int64_t length)
{
    if (i < 0) i += length;
    return i < 0 ? 0 : i > length ? length : i;
}

static int slice_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t.rank, 0);
    if (d < 0) return -1;
    const gr_attr *end = gr_get(c, "stop");
    int64_t start = clip(gr_int(c, "start"), t.dim[d]), stop = end->present ? clip(end->i, t.dim[d]) : t.dim[d];
    int64_t step = gr_int(c, "step"), length = stop > start ? (stop - start + step - 1) / step : 0;
    if (length != t.dim[d]) t.axis[d] = NULL;
    t.dim[d] = length;
    gr_set_attr_int(c, "dim", d - t.rank);
    gr_set_attr_int(c, "start", start);
    gr_set_attr_int(c, "stop", stop);
    return gr_set_output(c, 0, &t);
}

static int slice_view(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    int d = (int)gr_int(c, "dim") + op_view_input(c)->rank;
    int64_t stride = in->stride[d];
    *out = *in;
    out->offset += gr_int(c, "start") * stride;
    out->stride[d] = gr_int(c, "step") * stride;
    return 0;
}

static int slice_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int d = (int)gr_int(c, "dim");
    gr_val g = gr_grad(c, 0);
    return gr_set_grad(c, 0, 0, gr_emit(c, "Place", NULL, 1, &g, "dim=%d, start=%" PRId64 ", step=%" PRId64 ", length=%" PRId64,
                                        d, gr_int(c, "start"), gr_int(c, "step"), t->dim[t->rank + d]));
}

/* The first rows of a table, one for each step: they are looked up by number. */
static int slice_step(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int d = (int)gr_int(c, "dim");
    if (gr_step_axis(c, 0, 0) >= 0 || gr_int(c, "start") != 0 || gr_int(c, "step") != 1) return 1;
    gr_val in[2] = {gr_in(c, 0), gr_step_numbers(c, t->dim[t->rank + d])};
    return gr_set_result(c, 0, gr_emit(c, "IndexSelect", NULL, 2, in, "dim=%d", d));
}

extern const gr_op gr_op_slice;
const gr_op gr_op_slice = {GR_OP_HEADER, .name = "Slice", .reference = "slices of a tensor in PyTorch and NumPy", .summary = "A part of an axis.", .formula = "input[..., start:stop:step, ...]",
    .attrs = slice_attrs, .inputs = one, .outputs = output, .traits = GR_VIEW | GR_ROWWISE, .role = GR_ROLE_SLICE,
    .infer = slice_infer, .gradient = slice_gradient, .view = slice_view, .step = slice_step,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Slice, in: x, dim: 1, start: 1}   # [2, 2]\n"};

/* ---- Select ---- */

static const gr_attr_spec select_attrs[] = {
    {"dim", GR_ATTR_INT, NULL, 0, 0, NULL, "The axis, which goes away."},
    {"index", GR_ATTR_INT, NULL, 0, 0, NULL, "Which index of it; negative counts from the end."},
    OP_END};

static int select_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t.rank, 0);
    int64_t index = gr_int(c, "index");
    if (d < 0) return -1;
    if (index < 0) index += t.dim[d];
    if (index < 0 || index >= t.dim[d])
        return gr_fail(c, GR_AT_ATTR, "index", "index=%" PRId64 ", but axis %d has %" PRId64 " entries", gr_int(c, "index"), d, t.dim[d]);
    gr_set_attr_int(c, "dim", d - t.rank);
    gr_set_attr_int(c, "index", index);
    for (int i = d; i < t.rank - 1; i++) {
        t.dim[i] = t.dim[i + 1];
        t.axis[i] = t.axis[i + 1];
    }
    t.rank--;
    return gr_set_output(c, 0, &t);
}

static int select_view(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    int rank = op_view_input(c)->rank, d = (int)gr_int(c, "dim") + rank;
    gr_layout from = *in;
    out->offset = from.offset + gr_int(c, "index") * from.stride[d];
    for (int i = 0; i < rank - 1; i++) out->stride[i] = from.stride[i < d ? i : i + 1];
    return 0;
}

static int select_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int d = (int)gr_int(c, "dim");
    gr_val g = gr_grad(c, 0);
    g = gr_emit(c, "Unsqueeze", NULL, 1, &g, "dim=%d", d);
    return gr_set_grad(c, 0, 0, gr_emit(c, "Place", NULL, 1, &g, "dim=%d, start=%" PRId64 ", length=%" PRId64, d,
                                        gr_int(c, "index"), t->dim[t->rank + d]));
}

extern const gr_op gr_op_select;
const gr_op gr_op_select = {GR_OP_HEADER, .name = "Select", .reference = "torch.select", .summary = "One entry of an axis.", .formula = "input[..., index, ...]",
    .attrs = select_attrs, .inputs = one, .outputs = output, .traits = GR_VIEW | GR_ROWWISE, .role = GR_ROLE_SELECT,
    .infer = select_infer, .gradient = select_gradient, .view = select_view,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Select, in: x, dim: 1, index: -1}   # [2]\n"};

/* ---- Split: a Slice for each part ---- */

static const gr_attr_spec split_attrs[] = {
    {"sections", GR_ATTR_INT, "~", 1, 256, NULL, "How many equal parts."},
    {"sizes", GR_ATTR_INTS, "~", 0, 0, NULL, "In place of sections: the length of each part."},
    {"dim", GR_ATTR_INT, "0", 0, 0, NULL, "The axis."},
    OP_END};
static const gr_port parts[] = {{"output", GR_PORT_VARIADIC, "[...]: the parts, .0 .1 ..."}, OP_END};

/* How long part i is; -1 after a message. */
static int64_t split_count(gr_ctx *c, int64_t length)
{
    const gr_attr *sections = gr_get(c, "sections"), *sizes = gr_get(c, "sizes");
    if (sections->present == sizes->present) return gr_fail(c, GR_AT_NODE, NULL, "give either sections or sizes");
    if (sections->present) {
        if (length % sections->i == 0) return sections->i;
        return gr_fail(c, GR_AT_ATTR, "sections", "%" PRId64 " entries do not split into %" PRId64 " equal parts; sizes takes unequal ones",
                       length, sections->i);
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < sizes->n; i++) sum += sizes->ints[i];
    if (sum == length && sizes->n > 0) return sizes->n;
    return gr_fail(c, GR_AT_ATTR, "sizes", "sizes add up to %" PRId64 ", but the axis has %" PRId64 " entries", sum, length);
}

static int split_expand(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t->rank, 0);
    int64_t n = d < 0 ? -1 : split_count(c, t->dim[d]), at = 0;
    const gr_attr *sizes = gr_get(c, "sizes");
    gr_val in = gr_in(c, 0);
    for (int64_t i = 0; i < n; i++) {
        int64_t size = sizes->present ? sizes->ints[i] : t->dim[d] / n;
        gr_val v = gr_emit(c, "Slice", op_text(c, "%" PRId64, i), 1, &in, "dim=%d, start=%" PRId64 ", stop=%" PRId64, d - t->rank,
                           at, at + size);
        at += size;
        if (gr_set_result(c, (int)i, v) < 0) return -1;
    }
    return n < 0 ? -1 : 0;
}

extern const gr_op gr_op_split;
const gr_op gr_op_split = {GR_OP_HEADER, .name = "Split", .reference = "torch.split",
    .formula = "output_i = entries o_i to o_i + sizes_i of dim, o_i the sum of the sizes before", .summary = "Cuts an axis into parts.", .attrs = split_attrs, .inputs = one,
    .outputs = parts, .expand = split_expand,
    .kind = "shapes",
    .example = OP_X
               "  parts: {op: Split, in: x, sizes: [1, 2], dim: 1}\n"
               "  y: {op: Mul, in: [parts.0, parts.1]}   # [2, 1] times [2, 2]\n"};

/* ---- Place: zeros, but for the entries start, start + step, ... of an axis ---- */

static const gr_attr_spec place_attrs[] = {
    {"dim", GR_ATTR_INT, NULL, 0, 0, NULL, "The axis."},
    {"start", GR_ATTR_INT, "0", 0, 0, NULL, "Index of the first entry in the result."},
    {"step", GR_ATTR_INT, "1", 1, 2147483647, NULL, "Distance of one entry to the next."},
    {"length", GR_ATTR_INT, NULL, 0, 9007199254740992.0, NULL, "Length of the axis in the result."},
    OP_END};

static int place_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t.rank, 0);
    if (d < 0) return -1;
    int64_t last = gr_int(c, "start") + (t.dim[d] - 1) * gr_int(c, "step");
    if (gr_int(c, "start") < 0 || last >= gr_int(c, "length"))
        return gr_fail(c, GR_AT_ATTR, "length", "%" PRId64 " entries from %" PRId64 " on do not fit", t.dim[d], gr_int(c, "start"));
    if (t.dim[d] != gr_int(c, "length")) t.axis[d] = NULL;
    t.dim[d] = gr_int(c, "length");
    gr_set_attr_int(c, "dim", d - t.rank);
    return gr_set_output(c, 0, &t);
}

static int place_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int d = (int)gr_int(c, "dim");
    int64_t step = gr_int(c, "step"), start = gr_int(c, "start"), n = t->dim[t->rank + d];
    gr_val g = gr_grad(c, 0);
    return gr_set_grad(c, 0, 0, gr_emit(c, "Slice", NULL, 1, &g, "dim=%d, start=%" PRId64 ", stop=%" PRId64 ", step=%" PRId64, d,
                                        start, n ? start + (n - 1) * step + 1 : start, step));
}

/* A unit is one index of all axes up to `dim`: [inner] elements, copied or zero. */
static int64_t place_units(const gr_call *call)
{
    const gr_tensor *o = &call->out[0];
    int64_t n = 1;
    for (int i = 0; i <= (int)call->attr[0].i + o->rank; i++) n *= o->dim[i];
    return n;
}

static void place_run(const gr_call *call)
{
    const gr_tensor *in = &call->in[0], *out = &call->out[0];
    int d = (int)call->attr[0].i + out->rank;
    int64_t start = call->attr[1].i, step = call->attr[2].i, length = out->dim[d], parts_in = in->dim[d], inner = 1;
    for (int i = d + 1; i < out->rank; i++) inner *= out->dim[i];
    size_t bytes = (size_t)inner * gr_dtype_size(out->dtype);
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t outer = u / length, at = u % length - start, i = at / step;
        char *to = (char *)out->data + (size_t)u * bytes;
        if (at >= 0 && at % step == 0 && i < parts_in) memcpy(to, (const char *)in->data + (size_t)(outer * parts_in + i) * bytes, bytes);
        else memset(to, 0, bytes);
    }
}

extern const gr_op gr_op_place;
const gr_op gr_op_place = {GR_OP_HEADER, .name = "Place", .summary = "Puts the input into a part of an axis of zeros.",
    .formula = "output[..., start + i * step, ...] = input[..., i, ...]", .attrs = place_attrs, .inputs = one, .outputs = output,
    .traits = GR_ROWWISE, .infer = place_infer, .gradient = place_gradient, .units = place_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, place_run}, {GR_FLOAT64, place_run}, {GR_INT32, place_run}, {GR_BOOL, place_run}, {0, NULL}},
    .kind = "internal"};
