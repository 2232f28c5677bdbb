/* arg_max.c - where the largest or smallest element stands.
 *
 * The input is [outer, n, inner] around the reduced axis (or all axes, as one); a unit is
 * one element of the result. The first of equal ones wins; NaN wins over all, as in
 * PyTorch. */
#ifdef REAL

static int32_t NAME(arg_of)(const REAL *x, int64_t n, int64_t stride, bool largest)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++) {
        REAL v = x[i * stride], b = x[best * stride];
        if (b != b) break;
        if (v != v || (largest ? v > b : v < b)) best = i;
    }
    return (int32_t)best;
}

static void NAME(arg_run)(const gr_call *call, bool largest)
{
    arg_space s = arg_space_of(call);
    const REAL *in = call->in[0].data;
    int32_t *out = call->out[0].data;
    for (int64_t u = call->begin; u < call->end; u++)
        out[u] = NAME(arg_of)(in + u / s.inner * s.n * s.inner + u % s.inner, s.n, s.inner, largest);
}

static void NAME(arg_max_run)(const gr_call *call) { NAME(arg_run)(call, true); }
static void NAME(arg_min_run)(const gr_call *call) { NAME(arg_run)(call, false); }

#else
#include "util.h"

typedef struct arg_space { int64_t outer, n, inner; } arg_space;

/* attr 0 holds the reduced axes, counted from the end, ascending and side by side. */
static arg_space arg_space_of(const gr_call *call)
{
    const gr_tensor *t = &call->in[0];
    const gr_attr *dims = &call->attr[0];
    arg_space s = {1, 1, 1};
    for (int i = 0; i < t->rank; i++) {
        bool before = dims->n == 0 || i - t->rank < dims->ints[0], after = dims->n && i - t->rank > dims->ints[dims->n - 1];
        *(before ? &s.outer : after ? &s.inner : &s.n) *= t->dim[i];
    }
    return s;
}

#define GR_KERNELS "arg_max.c"
#include <graphrun/each_real.h>

static int arg_infer(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    gr_type out = {.dtype = GR_INT32};
    int64_t dims[GR_MAX_RANK];
    bool all = !gr_get(c, "dim")->present;
    if (op_need_float(c, 0)) return -1;
    int n = op_dims(c, "dim", t->rank, dims), next = 0;
    if (n < 0) return -1;
    if (!all && n != 1) return gr_fail(c, GR_AT_ATTR, "dim", "one axis, or none for the place among all elements");
    for (int i = 0; i < t->rank; i++) {
        bool gone = next < n && dims[next] + t->rank == i;
        next += gone;
        if (gone && t->dim[i] == 0) return gr_fail(c, GR_AT_INPUT, "input", "an axis of length 0 has no largest element");
        if (gone && !gr_bool(c, "keepdim")) continue;
        out.axis[out.rank] = gone ? NULL : t->axis[i];
        out.dim[out.rank++] = gone ? 1 : t->dim[i];
    }
    return gr_set_output(c, 0, &out);
}

static int64_t arg_units(const gr_call *call)
{
    arg_space s = arg_space_of(call);
    return s.outer * s.inner;
}

static double arg_flops(const gr_call *call)
{
    arg_space s = arg_space_of(call);
    return (double)(s.outer * s.n * s.inner);
}

static const gr_attr_spec attrs[] = {
    {"dim", GR_ATTR_INTS, "~", 0, 0, NULL, "Axis to look along; absent: all elements, counted row by row."},
    {"keepdim", GR_ATTR_BOOL, "false", 0, 0, NULL, "Keep the axis with length 1."},
    OP_END,
};
static const gr_port inputs[] = {{"input", 0, "[...]: floats"}, OP_END};
static const gr_port outputs[] = {{"output", 0, "the input's shape without the axis, int32"}, OP_END};

extern const gr_op gr_op_arg_max, gr_op_arg_min;
const gr_op gr_op_arg_max = {GR_OP_HEADER, .name = "ArgMax", .summary = "Where the largest element stands.",
    .formula = "the first i with input[..., i] = max(input)", .reference = "torch.argmax", .attrs = attrs, .inputs = inputs,
    .outputs = outputs, .traits = GR_ROWWISE | GR_ZERO_GRAD, .infer = arg_infer, .units = arg_units, .flops = arg_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, arg_max_run_f32}, {GR_FLOAT64, arg_max_run_f64}, {0, NULL}}};
const gr_op gr_op_arg_min = {GR_OP_HEADER, .name = "ArgMin", .summary = "Where the smallest element stands.",
    .formula = "the first i with input[..., i] = min(input)", .reference = "torch.argmin", .attrs = attrs, .inputs = inputs,
    .outputs = outputs, .traits = GR_ROWWISE | GR_ZERO_GRAD, .infer = arg_infer, .units = arg_units, .flops = arg_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, arg_min_run_f32}, {GR_FLOAT64, arg_min_run_f64}, {0, NULL}}};
#endif
