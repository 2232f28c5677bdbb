/* reshape.c - other shapes over the same elements in the same order, and broadcasting. */
#include "util.h"

#include <inttypes.h>
#include <string.h>

static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

/* Gives the gradient the shape of the input back. */
static int reshape_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    return gr_set_grad(c, 0, 0, op_reshape(c, gr_grad(c, 0), t->rank, t->dim));
}

/* Strides of `to` over the memory of `from`, both of the same elements in row-major order.
 * Runs of axes with equal products are matched; each must be one run of memory too. */
static int reshape_layout(const gr_type *from, const gr_type *to, const gr_layout *in, gr_layout *out)
{
    out->offset = in->offset;
    int i = 0, j = 0;
    op_dense(to->rank, to->dim, out->stride);
    if (gr_numel(from) == 0) return 0;
    while (i < from->rank || j < to->rank) {
        int first = i, to_first = j;
        int64_t m = i < from->rank ? from->dim[i++] : 1, n = j < to->rank ? to->dim[j++] : 1;
        while (m != n) {
            if (m < n) m *= from->dim[i++];
            else n *= to->dim[j++];
        }
        int64_t step = 1, inner = 0;
        for (int k = i - 1; k >= first; k--) {
            if (from->dim[k] == 1) continue;
            if (inner && in->stride[k] != inner * step) return 1;
            if (!inner) inner = in->stride[k] ? in->stride[k] : (i - first > 1 ? -1 : 0);
            if (inner == -1) return 1;
            if (!inner && m != from->dim[k]) return 1;
            step *= from->dim[k];
        }
        for (int k = j - 1; k >= to_first; k--) {
            out->stride[k] = inner;
            inner *= to->dim[k];
        }
    }
    return 0;
}

/* ---- Reshape ---- */

static const gr_attr_spec reshape_attrs[] = {
    {"shape", GR_ATTR_SHAPE, NULL, 0, 0, NULL, "Lengths of the axes; one may be -1, and follows from the others."}, OP_END};

static int reshape_type(gr_ctx *c, gr_type *t)
{
    const gr_attr *shape = gr_get(c, "shape");
    const gr_type *from = gr_in_type(c, 0);
    int64_t known = 1, open = -1, all = gr_numel(from);
    *t = (gr_type){.dtype = from->dtype, .rank = (int)shape->n};
    for (int i = 0; i < t->rank; i++) {
        t->dim[i] = shape->ints[i];
        t->axis[i] = shape->names ? shape->names[i] : NULL;
        if (t->dim[i] >= 0) {
            known *= t->dim[i];
            continue;
        }
        if (t->dim[i] != -1 || open >= 0) return gr_fail(c, GR_AT_ATTR, "shape", "only one length may be -1");
        open = i;
    }
    if (open >= 0 && known > 0 && all % known == 0) t->dim[open] = all / known;
    else if (open >= 0 || known != all)
        return gr_fail(c, GR_AT_ATTR, "shape", "%s has %" PRId64 " elements, which do not make %s", op_type_text(c, from), all,
                       op_ints(c, t->rank, t->dim));
    return 0;
}

/* An axis that is neither joined nor cut keeps its name. Axes of length 1 between two others do
 * if there are as many of them as before; else nobody can tell which is which. */
static void keep_names(const gr_type *from, gr_type *to)
{
    int i = 0, j = 0;
    if (gr_numel(from) == 0) return;
    while (i < from->rank || j < to->rank) {
        int ones = 0, to_ones = 0;
        while (i + ones < from->rank && from->dim[i + ones] == 1) ones++;
        while (j + to_ones < to->rank && to->dim[j + to_ones] == 1) to_ones++;
        for (int k = 0; ones == to_ones && k < ones; k++) to->axis[j + k] = from->axis[i + k];
        i += ones, j += to_ones;
        if (i == from->rank || j == to->rank) return;
        int64_t m = from->dim[i], n = to->dim[j];
        if (m == n) to->axis[j] = from->axis[i];
        i++, j++;
        while (m != n)
            if (m < n) m *= from->dim[i++];
            else n *= to->dim[j++];
    }
}

static int reshape_infer(gr_ctx *c)
{
    gr_type t;
    if (reshape_type(c, &t) < 0) return -1;
    bool named = false;
    for (int i = 0; i < t.rank; i++) named |= t.axis[i] != NULL;
    if (!named) keep_names(gr_in_type(c, 0), &t);
    gr_set_attr_ints(c, "shape", t.rank, t.dim);
    return gr_set_output(c, 0, &t);
}

static int reshape_view(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    const gr_attr *shape = gr_get(c, "shape");
    gr_type to = {.rank = (int)shape->n};
    memcpy(to.dim, shape->ints, sizeof *shape->ints * (size_t)shape->n);
    return reshape_layout(op_view_input(c), &to, in, out);
}

static int reshape_batch(gr_ctx *c)
{
    const gr_attr *shape = gr_get(c, "shape");
    int64_t dim[GR_MAX_RANK];
    if (shape->n >= GR_MAX_RANK) return 1;
    dim[0] = gr_in_type(c, 0)->dim[0];
    memcpy(dim + 1, shape->ints, sizeof *dim * (size_t)shape->n);
    return gr_set_result(c, 0, op_reshape(c, gr_in(c, 0), (int)shape->n + 1, dim));
}

extern const gr_op gr_op_reshape;
const gr_op gr_op_reshape = {GR_OP_HEADER, .name = "Reshape", .reference = "torch.reshape",
    .formula = "output[flat index i] = input[flat index i]", .summary = "The same elements in the same order under another shape.",
    .attrs = reshape_attrs, .inputs = one, .outputs = output, .traits = GR_VIEW, .role = GR_ROLE_RESHAPE,
    .infer = reshape_infer, .gradient = reshape_gradient, .batch = reshape_batch, .view = reshape_view,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Reshape, in: x, shape: [3, -1]}   # [3, 2]\n"};

/* ---- Flatten, Squeeze, Unsqueeze: a Reshape, once the shape is known ---- */

static int flatten_expand(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int64_t dim[GR_MAX_RANK];
    if (t->rank == 0) return gr_set_result(c, 0, op_reshape(c, gr_in(c, 0), 1, (int64_t[]){1}));
    int start = op_dim(c, "start_dim", gr_int(c, "start_dim"), t->rank, 0);
    int end = op_dim(c, "end_dim", gr_int(c, "end_dim"), t->rank, 0), n = 0;
    if (start < 0 || end < 0) return -1;
    if (start > end) return gr_fail(c, GR_AT_ATTR, "start_dim", "start_dim comes after end_dim");
    for (int i = 0; i < t->rank; i++) {
        if (i > start && i <= end) dim[n - 1] *= t->dim[i];
        else dim[n++] = t->dim[i];
    }
    return gr_set_result(c, 0, op_reshape(c, gr_in(c, 0), n, dim));
}

static const gr_attr_spec flatten_attrs[] = {
    {"start_dim", GR_ATTR_INT, "0", 0, 0, NULL, "First axis that is joined."},
    {"end_dim", GR_ATTR_INT, "-1", 0, 0, NULL, "Last axis that is joined."}, OP_END};

static int squeeze_expand(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    const gr_attr *dims = gr_get(c, "dim");
    bool chosen[GR_MAX_RANK] = {false};
    int64_t dim[GR_MAX_RANK];
    int n = 0;
    for (int64_t i = 0; dims->present && i < dims->n; i++) {
        int d = op_dim(c, "dim", dims->ints[i], t->rank, 0);
        if (d < 0) return -1;
        chosen[d] = true;
    }
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != 1 || (dims->present && !chosen[i])) dim[n++] = t->dim[i];
    return gr_set_result(c, 0, op_reshape(c, gr_in(c, 0), n, dim));
}

static const gr_attr_spec squeeze_attrs[] = {
    {"dim", GR_ATTR_INTS, "~", 0, 0, NULL, "Axes that are dropped if their length is 1; absent: all such."}, OP_END};

/* A view of its own, so that an axis may be put before the last ones of any stack. */
static int unsqueeze_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t.rank, 1);
    if (d < 0) return -1;
    if (t.rank == GR_MAX_RANK) return gr_fail(c, GR_AT_NODE, NULL, "the input has %d axes already", GR_MAX_RANK);
    for (int i = t.rank; i > d; i--) {
        t.dim[i] = t.dim[i - 1];
        t.axis[i] = t.axis[i - 1];
    }
    t.dim[d] = 1;
    t.axis[d] = NULL;
    t.rank++;
    gr_set_attr_int(c, "dim", d - t.rank);
    return gr_set_output(c, 0, &t);
}

static int unsqueeze_view(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    int rank = op_view_input(c)->rank + 1, d = (int)gr_int(c, "dim") + rank;
    out->offset = in->offset;
    for (int i = 0; i < rank; i++) out->stride[i] = i < d ? in->stride[i] : i == d ? 0 : in->stride[i - 1];
    return 0;
}

static const gr_attr_spec unsqueeze_attrs[] = {
    {"dim", GR_ATTR_INT, NULL, 0, 0, NULL, "Where the axis of length 1 stands in the result."}, OP_END};

extern const gr_op gr_op_flatten, gr_op_squeeze, gr_op_unsqueeze;
const gr_op gr_op_flatten = {GR_OP_HEADER, .name = "Flatten", .reference = "torch.flatten",
    .formula = "axes start_dim to end_dim become one, of the product of their lengths", .summary = "Joins neighbouring axes into one.", .attrs = flatten_attrs,
    .inputs = one, .outputs = output, .expand = flatten_expand,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Flatten, in: x, start_dim: 0}   # [6]\n"};
const gr_op gr_op_squeeze = {GR_OP_HEADER, .name = "Squeeze", .reference = "torch.squeeze",
    .formula = "the input without axes of length 1, or without those of dim that are", .summary = "Drops axes of length 1.", .attrs = squeeze_attrs,
    .inputs = one, .outputs = output, .expand = squeeze_expand,
    .kind = "shapes",
    .example = "graph:\n"
               "  x: {op: Ones, shape: [2, 1, 3]}\n"
               "  y: {op: Squeeze, in: x, dim: 1}   # [2, 3]\n"};
const gr_op gr_op_unsqueeze = {GR_OP_HEADER, .name = "Unsqueeze", .reference = "torch.unsqueeze",
    .formula = "the input with an axis of length 1 at dim", .summary = "Adds an axis of length 1.", .attrs = unsqueeze_attrs,
    .inputs = one, .outputs = output, .traits = GR_VIEW | GR_ROWWISE, .infer = unsqueeze_infer, .gradient = reshape_gradient,
    .view = unsqueeze_view,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Unsqueeze, in: x, dim: 1}   # [2, 1, 3]\n"};

/* ---- Expand ---- */

static int expand_infer(gr_ctx *c)
{
    const gr_type *from = gr_in_type(c, 0);
    const gr_attr *shape = gr_get(c, "shape");
    gr_type t = {.dtype = from->dtype, .rank = (int)shape->n};
    int extra = t.rank - from->rank;
    for (int i = 0; i < t.rank; i++) {
        int64_t have = i >= extra && extra >= 0 ? from->dim[i - extra] : 1, want = shape->ints[i];
        bool keep = want == -1 && i >= extra && !(shape->names && shape->names[i]);
        t.dim[i] = keep ? have : want;
        t.axis[i] = shape->names && shape->names[i] ? shape->names[i] : i >= extra && extra >= 0 ? from->axis[i - extra] : NULL;
        if (extra < 0 || t.dim[i] < 0 || (have != 1 && have != t.dim[i]))
            return gr_fail(c, GR_AT_ATTR, "shape", "%s cannot be repeated to %s", op_type_text(c, from), op_ints(c, shape->n, shape->ints));
    }
    if (extra < 0) return gr_fail(c, GR_AT_ATTR, "shape", "shape has fewer axes than %s", op_type_text(c, from));
    gr_set_attr_ints(c, "shape", t.rank, t.dim);
    return gr_set_output(c, 0, &t);
}

static int expand_view(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    const gr_type *from = op_view_input(c);
    const gr_attr *shape = gr_get(c, "shape");
    int extra = (int)shape->n - from->rank;
    out->offset = in->offset;
    for (int i = 0; i < (int)shape->n; i++)
        out->stride[i] = i < extra || from->dim[i - extra] != shape->ints[i] ? 0 : in->stride[i - extra];
    return 0;
}

static int expand_gradient(gr_ctx *c) { return gr_set_grad(c, 0, 0, op_sum_to(c, gr_grad(c, 0), gr_in_type(c, 0))); }

static int expand_batch(gr_ctx *c)
{
    const gr_attr *shape = gr_get(c, "shape");
    const gr_type *t = gr_in_type(c, 0);
    int64_t dim[GR_MAX_RANK], full[GR_MAX_RANK];
    int extra = (int)shape->n - (t->rank - 1);
    if (shape->n >= GR_MAX_RANK) return 1;
    full[0] = dim[0] = t->dim[0];
    for (int i = 0; i < (int)shape->n; i++) {
        dim[i + 1] = i < extra ? 1 : t->dim[i - extra + 1];
        full[i + 1] = shape->ints[i];
    }
    gr_val v = op_reshape(c, gr_in(c, 0), (int)shape->n + 1, dim);
    return gr_set_result(c, 0, gr_emit(c, "Expand", NULL, 1, &v, "shape=%s", op_ints(c, shape->n + 1, full)));
}

static const gr_attr_spec expand_attrs[] = {
    {"shape", GR_ATTR_SHAPE, NULL, 0, 0, NULL, "What axes of length 1, or new leading axes, are repeated to; -1 keeps a length."}, OP_END};

extern const gr_op gr_op_expand;
const gr_op gr_op_expand = {GR_OP_HEADER, .name = "Expand", .reference = "torch.Tensor.expand",
    .formula = "output[.., i, ..] = input[.., 0, ..] where the input's axis is 1 long, else input[.., i, ..]", .summary = "Repeats axes of length 1, without copying.",
    .attrs = expand_attrs, .inputs = one, .outputs = output, .traits = GR_VIEW, .role = GR_ROLE_EXPAND,
    .infer = expand_infer, .gradient = expand_gradient, .batch = expand_batch, .view = expand_view,
    .kind = "shapes",
    .example = "graph:\n"
               "  x: {op: Constant, value: [[1.0], [2.0]]}\n"
               "  y: {op: Expand, in: x, shape: [2, 3]}\n"};
