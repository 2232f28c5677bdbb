/* permute.c - axes in another order, without moving data. */
#include "util.h"

#include <string.h>

static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

/* ---- Transpose ---- */

static int transpose_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0), r = t;
    int a = op_dim(c, "dim0", gr_int(c, "dim0"), t.rank, 0), b = op_dim(c, "dim1", gr_int(c, "dim1"), t.rank, 0);
    if (a < 0 || b < 0) return -1;
    r.dim[a] = t.dim[b];
    r.axis[a] = t.axis[b];
    r.dim[b] = t.dim[a];
    r.axis[b] = t.axis[a];
    gr_set_attr_int(c, "dim0", a - t.rank);
    gr_set_attr_int(c, "dim1", b - t.rank);
    return gr_set_output(c, 0, &r);
}

static int transpose_view(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    int rank = op_view_input(c)->rank, a = (int)gr_int(c, "dim0") + rank, b = (int)gr_int(c, "dim1") + rank;
    gr_layout from = *in;
    *out = from;
    out->stride[a] = from.stride[b];
    out->stride[b] = from.stride[a];
    return 0;
}

static int transpose_gradient(gr_ctx *c)
{
    gr_val g = gr_grad(c, 0);
    return gr_set_grad(c, 0, 0, gr_emit(c, "Transpose", NULL, 1, &g, "dim0=%d, dim1=%d", (int)gr_int(c, "dim0"),
                                        (int)gr_int(c, "dim1")));
}

static const gr_attr_spec transpose_attrs[] = {
    {"dim0", GR_ATTR_INT, NULL, 0, 0, NULL, "One axis."}, {"dim1", GR_ATTR_INT, NULL, 0, 0, NULL, "The other."}, OP_END};

extern const gr_op gr_op_transpose;
const gr_op gr_op_transpose = {GR_OP_HEADER, .name = "Transpose", .reference = "torch.transpose",
    .formula = "axes dim0 and dim1 change places", .summary = "Swaps two axes.", .attrs = transpose_attrs,
    .inputs = one, .outputs = output, .traits = GR_VIEW | GR_ROWWISE, .infer = transpose_infer,
    .gradient = transpose_gradient, .view = transpose_view,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Transpose, in: x, dim0: 0, dim1: 1}   # [3, 2]\n"};

/* ---- Permute ----
 * dims are kept as counted from the end; those that are not named are leading axes, which
 * stay where they are. */

static int permute_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0), r = t;
    const gr_attr *a = gr_get(c, "dims");
    int64_t dims[GR_MAX_RANK];
    bool taken[GR_MAX_RANK] = {false};
    int n = (int)a->n, lead = t.rank - n;
    if (lead < 0) return gr_fail(c, GR_AT_ATTR, "dims", "dims names %d axes, but the input has %d", n, t.rank);
    for (int i = 0; i < n; i++) {
        int d = op_dim(c, "dims", a->ints[i], t.rank, 0);
        if (d < 0) return -1;
        if (d < lead || taken[d]) return gr_fail(c, GR_AT_ATTR, "dims", "dims must name each of the %d axes once", t.rank);
        taken[d] = true;
        r.dim[lead + i] = t.dim[d];
        r.axis[lead + i] = t.axis[d];
        dims[i] = d - t.rank;
    }
    gr_set_attr_ints(c, "dims", n, dims);
    return gr_set_output(c, 0, &r);
}

static int permute_view(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    const gr_attr *a = gr_get(c, "dims");
    int rank = op_view_input(c)->rank, lead = rank - (int)a->n;
    gr_layout from = *in;
    *out = from;
    for (int i = 0; i < (int)a->n; i++) out->stride[lead + i] = from.stride[a->ints[i] + rank];
    return 0;
}

static int permute_gradient(gr_ctx *c)
{
    const gr_attr *a = gr_get(c, "dims");
    int64_t back[GR_MAX_RANK];
    gr_val g = gr_grad(c, 0);
    for (int i = 0; i < (int)a->n; i++) back[a->ints[i] + a->n] = i - a->n;
    return gr_set_grad(c, 0, 0, gr_emit(c, "Permute", NULL, 1, &g, "dims=%s", op_ints(c, a->n, back)));
}

static const gr_attr_spec permute_attrs[] = {{"dims", GR_ATTR_INTS, NULL, 0, 0, NULL, "Which axis stands at each place."}, OP_END};

extern const gr_op gr_op_permute;
const gr_op gr_op_permute = {GR_OP_HEADER, .name = "Permute", .reference = "torch.permute",
    .formula = "axis i of output is axis dims[i] of input", .summary = "Puts the axes in another order.", .attrs = permute_attrs,
    .inputs = one, .outputs = output, .traits = GR_VIEW | GR_ROWWISE, .role = GR_ROLE_PERMUTE, .infer = permute_infer,
    .gradient = permute_gradient, .view = permute_view,
    .kind = "shapes",
    .example = "graph:\n"
               "  x: {op: Ones, shape: [2, 3, 4]}\n"
               "  y: {op: Permute, in: x, dims: [2, 0, 1]}   # [4, 2, 3]\n"};
