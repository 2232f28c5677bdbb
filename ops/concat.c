/* concat.c - values side by side along an axis. */
#include "util.h"

#include <inttypes.h>
#include <string.h>

static const gr_port many[] = {{"input", GR_PORT_VARIADIC, "[...]: alike in all axes but dim"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

static const gr_attr_spec concat_attrs[] = {{"dim", GR_ATTR_INT, "0", 0, 0, NULL, "The axis along which they stand."}, OP_END};

static bool fits(const gr_type *a, const gr_type *b, int except)
{
    if (a->rank != b->rank || a->dtype != b->dtype) return false;
    for (int i = 0; i < a->rank; i++)
        if (i != except && a->dim[i] != b->dim[i]) return false;
    return true;
}

static int concat_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t.rank, 0);
    if (d < 0) return -1;
    for (int i = 1; i < gr_count(c, 0); i++) {
        const gr_type *other = gr_type_of(c, gr_in_at(c, 0, i));
        if (!fits(&t, other, d))
            return gr_fail(c, GR_AT_NODE, NULL, "%s and %s must be alike in dtype and all axes but axis %d",
                           op_type_text(c, gr_in_type(c, 0)), op_type_text(c, other), d);
        t.dim[d] += other->dim[d];
    }
    if (gr_count(c, 0) > 1) t.axis[d] = NULL;
    gr_set_attr_int(c, "dim", d - t.rank);
    return gr_set_output(c, 0, &t);
}

static int concat_gradient(gr_ctx *c)
{
    int d = (int)gr_int(c, "dim");
    gr_val g = gr_grad(c, 0);
    int64_t at = 0;
    for (int i = 0; i < gr_count(c, 0); i++) {
        const gr_type *t = gr_type_of(c, gr_in_at(c, 0, i));
        int64_t next = at + t->dim[t->rank + d];
        if (gr_wants(c, 0, i) &&
            gr_set_grad(c, 0, i, gr_emit(c, "Slice", NULL, 1, &g, "dim=%d, start=%" PRId64 ", stop=%" PRId64, d, at, next)) < 0)
            return -1;
        at = next;
    }
    return 0;
}

/* It moves, and computes nothing. */
static double concat_flops(const gr_call *call)
{
    (void)call;
    return 0;
}

/* A unit is one index of all axes before dim: a piece of each input. */
static int64_t concat_units(const gr_call *call)
{
    const gr_tensor *o = &call->out[0];
    int64_t n = 1;
    for (int i = 0; i < (int)call->attr[0].i + o->rank; i++) n *= o->dim[i];
    return n;
}

/* From which axis on the elements of t lie densely. */
static int dense_from(const gr_tensor *t)
{
    int64_t n = 1;
    int i = t->rank;
    for (; i > 0 && (t->dim[i - 1] == 1 || t->stride[i - 1] == n); i--) n *= t->dim[i - 1];
    return i;
}

/* Axes [axis, rank) of t, of which those from `dense` on lie densely; where its copy ends. */
static char *copy_axes(char *to, const char *from, const gr_tensor *t, int axis, int dense)
{
    int64_t bytes = (int64_t)gr_dtype_size(t->dtype);
    if (axis < dense) {
        for (int64_t i = 0; i < t->dim[axis]; i++) to = copy_axes(to, from + i * t->stride[axis] * bytes, t, axis + 1, dense);
        return to;
    }
    for (int i = axis; i < t->rank; i++) bytes *= t->dim[i];
    memcpy(to, from, (size_t)bytes);
    return to + bytes;
}

static void concat_run(const gr_call *call)
{
    const gr_tensor *o = &call->out[0];
    const int d = (int)call->attr[0].i + o->rank;
    int64_t inner = (int64_t)gr_dtype_size(o->dtype);
    for (int i = d + 1; i < o->rank; i++) inner *= o->dim[i];
    char *to = (char *)o->data + call->begin * o->dim[d] * inner;
    for (int64_t u = call->begin; u < call->end; u++)
        for (int i = 0; i < call->num_in; i++) {
            const gr_tensor *t = &call->in[i];
            const int dense = dense_from(t);
            const int64_t at = dense ? op_at(u, d, t->dim, t->stride) * (int64_t)gr_dtype_size(t->dtype) : u * t->dim[d] * inner;
            to = copy_axes(to, (const char *)t->data + at, t, d, dense);
        }
}

extern const gr_op gr_op_concat;
const gr_op gr_op_concat = {GR_OP_HEADER, .name = "Concat", .reference = "torch.cat",
    .formula = "output[.., o_i + k, ..] = input_i[.., k, ..], o_i the length of those before", .summary = "Joins values along an axis.", .attrs = concat_attrs,
    .inputs = many, .outputs = output, .traits = GR_ROWWISE | GR_STRIDED, .role = GR_ROLE_CONCAT, .infer = concat_infer,
    .gradient = concat_gradient, .units = concat_units, .flops = concat_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, concat_run}, {GR_FLOAT64, concat_run}, {GR_INT32, concat_run}, {GR_BOOL, concat_run}, {0, NULL}},
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Concat, in: [x, x], dim: -1}   # [2, 6]\n"};

/* ---- Stack ---- */

static int stack_expand(gr_ctx *c)
{
    int n = gr_count(c, 0), rank = gr_in_type(c, 0)->rank;
    int d = op_dim(c, "dim", gr_int(c, "dim"), rank, 1);
    if (d < 0) return -1;
    gr_val *v = gr_alloc(c, sizeof *v * (size_t)n);
    for (int i = 0; i < n; i++) {
        gr_val in = gr_in_at(c, 0, i);
        if (gr_type_of(c, in)->rank != rank)
            return gr_fail(c, GR_AT_NODE, NULL, "%s and %s are not alike", op_type_text(c, gr_in_type(c, 0)),
                           op_type_text(c, gr_type_of(c, in)));
        v[i] = gr_emit(c, "Unsqueeze", NULL, 1, &in, "dim=%d", d - rank - 1);
    }
    return gr_set_result(c, 0, gr_emit(c, "Concat", "", n, v, "dim=%d", d - rank - 1));
}

static const gr_attr_spec stack_attrs[] = {{"dim", GR_ATTR_INT, "0", 0, 0, NULL, "Where the new axis stands in the result."}, OP_END};

extern const gr_op gr_op_stack;
const gr_op gr_op_stack = {GR_OP_HEADER, .name = "Stack", .reference = "torch.stack",
    .formula = "output[.., i, ..] = input_i", .summary = "Joins values along a new axis.", .attrs = stack_attrs,
    .inputs = many, .outputs = output, .expand = stack_expand,
    .kind = "shapes",
    .example = OP_X
               "  y: {op: Stack, in: [x, x], dim: 0}   # [2, 2, 3]\n"};
