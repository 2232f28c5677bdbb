/* gather.c - elements by number along an axis, and the sum that undoes it.
 *
 * Gather: output[i][j] = input[i][index[i][j]], for dim = -1. ScatterAdd is its gradient: a
 * unit is one line along dim, so that no two units add to one element, and adds in order. */
#ifdef REAL

static void NAME(scatter_run)(const gr_call *call)
{
    op_lines to = op_lines_of(&call->out[0], call->attr[0].i), from = op_lines_of(&call->in[0], call->attr[0].i);
    for (int64_t u = call->begin; u < call->end; u++) {
        REAL *out = (REAL *)call->out[0].data + op_line_start(&to, u);
        int64_t at = op_line_start(&from, u);
        const REAL *g = (const REAL *)call->in[0].data + at;
        const int32_t *index = (const int32_t *)call->in[1].data + at;
        for (int64_t i = 0; i < to.n; i++) out[i * to.step] = 0;
        for (int64_t i = 0; i < from.n; i++) {
            int64_t k = index[i * from.step];
            if (k >= 0 && k < to.n) out[k * to.step] += g[i * from.step];
        }
    }
}

#else
#include "util.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define GR_KERNELS "gather.c"
#include <graphrun/each_real.h>

/* Where an index is none: NaN, or 0 of an integer. */
static void put_missing(gr_dtype dtype, char *to)
{
    if (dtype == GR_FLOAT32) *(float *)(void *)to = NAN;
    else if (dtype == GR_FLOAT64) *(double *)(void *)to = (double)NAN;
    else memset(to, 0, gr_dtype_size(dtype));
}

/* Where line `line` of `small` along dim lies in `large`, whose other axes may be longer. */
static int64_t line_in(const gr_tensor *large, const gr_tensor *small, int64_t dim, int64_t line)
{
    int64_t lines[GR_MAX_RANK], stride[GR_MAX_RANK];
    op_dense(large->rank, large->dim, stride);
    for (int i = 0; i < large->rank; i++) lines[i] = i == dim + large->rank ? 1 : small->dim[i];
    return op_at(line, large->rank, lines, stride);
}

static void gather_run(const gr_call *call)
{
    op_lines to = op_lines_of(&call->out[0], call->attr[0].i), from = op_lines_of(&call->in[0], call->attr[0].i);
    size_t size = gr_dtype_size(call->out[0].dtype);
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t at = op_line_start(&to, u);
        const char *in = (const char *)call->in[0].data + (size_t)line_in(&call->in[0], &call->out[0], call->attr[0].i, u) * size;
        const int32_t *index = (const int32_t *)call->in[1].data + at;
        char *out = (char *)call->out[0].data + (size_t)at * size;
        for (int64_t i = 0; i < to.n; i++) {
            int64_t k = index[i * to.step];
            char *element = out + (size_t)(i * to.step) * size;
            if (k >= 0 && k < from.n) memcpy(element, in + (size_t)(k * from.step) * size, size);
            else put_missing(call->out[0].dtype, element), op_explain_index(call, at + i * to.step, "index", k, from.n, "elements along dim");
        }
    }
}

static int64_t line_units(const gr_call *call)
{
    op_lines l = op_lines_of(&call->out[0], call->attr[0].i);
    return l.count;
}

/* The index has the input's axes, none but dim longer; alike: nor shorter. Gives the dim, from the
 * front, or -1. */
static int matched(gr_ctx *c, bool alike)
{
    const gr_type *in = gr_in_type(c, 0), *index = gr_in_type(c, 1);
    int d = op_dim(c, "dim", gr_int(c, "dim"), in->rank, 0);
    if (d < 0) return -1;
    bool fits = in->rank == index->rank && index->dtype == GR_INT32;
    for (int i = 0; fits && i < in->rank; i++) fits = i == d || in->dim[i] == index->dim[i] || (!alike && in->dim[i] > index->dim[i]);
    if (!fits) return gr_fail(c, GR_AT_INPUT, "index", "index is %s; it must be int32 and, but for axis %d, no longer than the input, %s",
                              op_type_text(c, index), d, op_type_text(c, in));
    gr_set_attr_int(c, "dim", d - in->rank);
    return d;
}

static int gather_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 1);
    if (matched(c, false) < 0) return -1;
    t.dtype = gr_in_type(c, 0)->dtype;
    return gr_set_output(c, 0, &t);
}

/* Axes that the index does not cover to their end get zeros there. */
static int gather_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0), *index = gr_in_type(c, 1);
    int d = (int)gr_int(c, "dim");
    gr_val in[2] = {gr_grad(c, 0), gr_in(c, 1)};
    gr_val g = gr_emit(c, "ScatterAdd", NULL, 2, in, "dim=%d, length=%" PRId64, d, t->dim[t->rank + d]);
    for (int i = 0; i < t->rank; i++)
        if (i != t->rank + d && index->dim[i] != t->dim[i])
            g = gr_emit(c, "Place", NULL, 1, &g, "dim=%d, length=%" PRId64, i - t->rank, t->dim[i]);
    return gr_set_grad(c, 0, 0, g);
}

static int scatter_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_need_float(c, 0) < 0 ? -1 : matched(c, true);
    if (d < 0) return -1;
    if (t.dim[d] != gr_in_type(c, 1)->dim[d]) return gr_fail(c, GR_AT_INPUT, "index", "input and index must have one shape");
    t.dim[d] = gr_int(c, "length");
    t.axis[d] = NULL;
    return gr_set_output(c, 0, &t);
}

static int scatter_gradient(gr_ctx *c)
{
    gr_val in[2] = {gr_grad(c, 0), gr_in(c, 1)};
    return gr_set_grad(c, 0, 0, gr_emit(c, "Gather", NULL, 2, in, "dim=%d", (int)gr_int(c, "dim")));
}

static const gr_attr_spec gather_attrs[] = {{"dim", GR_ATTR_INT, NULL, 0, 0, NULL, "The axis along which the index counts."}, OP_END};
static const gr_attr_spec scatter_attrs[] = {
    {"dim", GR_ATTR_INT, NULL, 0, 0, NULL, "The axis along which the index counts."},
    {"length", GR_ATTR_INT, NULL, 0, 9007199254740992.0, NULL, "Length of that axis in the result."}, OP_END};
static const gr_port pair[] = {{"input", 0, "[...]"}, {"index", GR_PORT_INT, "[...]: axes as the input, or shorter, but for dim"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

extern const gr_op gr_op_gather, gr_op_scatter_add, gr_op_index_select;
const gr_op gr_op_gather = {GR_OP_HEADER, .name = "Gather", .summary = "Elements by number along an axis.",
    .formula = "output[i][j] = input[i][index[i][j]] for dim = -1", .reference = "torch.gather", .attrs = gather_attrs, .inputs = pair,
    .outputs = output, .traits = GR_ROWWISE, .infer = gather_infer, .gradient = gather_gradient, .units = line_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, gather_run}, {GR_FLOAT64, gather_run}, {GR_INT32, gather_run}, {GR_BOOL, gather_run}, {0, NULL}},
    .kind = "shapes",
    .example = OP_X
               "  index: {op: Constant, value: [[2], [0]]}\n"
               "  y: {op: Gather, in: [x, index], dim: 1}   # [2, 1]\n"};
const gr_op gr_op_scatter_add = {GR_OP_HEADER, .name = "ScatterAdd", .summary = "Adds elements to numbered places of an axis of zeros.",
    .formula = "output[i][index[i][j]] += input[i][j] for dim = -1", .attrs = scatter_attrs, .inputs = pair, .outputs = output,
    .traits = GR_ROWWISE, .infer = scatter_infer, .gradient = scatter_gradient, .units = line_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, scatter_run_f32}, {GR_FLOAT64, scatter_run_f64}, {0, NULL}},
    .kind = "internal"};

/* ---- IndexSelect: a Gather with the same index for every line ---- */

static int index_select_expand(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0), *index = gr_in_type(c, 1);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t->rank, 0);
    if (d < 0) return -1;
    if (index->rank > 1 || index->dtype != GR_INT32)
        return gr_fail(c, GR_AT_INPUT, "index", "index is %s; it must be int32 with one axis", op_type_text(c, index));
    int64_t entries = gr_numel(index);
    int64_t dim[GR_MAX_RANK], ones[GR_MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        dim[i] = i == d ? entries : t->dim[i];
        ones[i] = i == d ? entries : 1;
    }
    gr_val wide = op_reshape(c, gr_in(c, 1), t->rank, ones), in[2] = {gr_in(c, 0), NULL};
    in[1] = gr_emit(c, "Expand", NULL, 1, &wide, "shape=%s", op_ints(c, t->rank, dim));
    return gr_set_result(c, 0, gr_emit(c, "Gather", "", 2, in, "dim=%d", d - t->rank));
}

static const gr_attr_spec select_attrs[] = {{"dim", GR_ATTR_INT, NULL, 0, 0, NULL, "The axis."}, OP_END};
static const gr_port select_in[] = {{"input", 0, "[...]"}, {"index", GR_PORT_INT, "[n]: entries of the axis"}, OP_END};

const gr_op gr_op_index_select = {GR_OP_HEADER, .name = "IndexSelect", .summary = "Entries of an axis, by number.",
    .formula = "input[..., index, ...]", .reference = "torch.index_select", .attrs = select_attrs, .inputs = select_in,
    .outputs = output, .expand = index_select_expand,
    .kind = "shapes",
    .example = OP_X
               "  index: {op: Constant, value: [2, 0]}\n"
               "  y: {op: IndexSelect, in: [x, index], dim: 1}   # [2, 2]\n"};
#endif
