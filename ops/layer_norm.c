/* layer_norm.c - LayerNorm and RMSNorm: a row brought to mean 0 and deviation 1, or to length 1.
 *
 * NormalizeRows does both, over the last axes of its input taken as one row x of n numbers:
 *
 *     mean = sum x / n (0 unless centred)    rstd = 1 / sqrt(sum (x - mean)^2 / n + eps)
 *     h = (x - mean) rstd                    output = h weight + bias
 *
 * With u = dL/doutput * weight, and the mean of u only where centred:
 *
 *     dL/dx = rstd (u - mean(u) - h mean(u h))    dL/dweight = sum over rows of dL/doutput * h
 *
 * A unit is one row, which stays in the first cache while it is passed over. For the weight's
 * gradient a unit is a strip of columns; neighbouring strips are added up together. */
#ifdef REAL

static void NAME(normalize_run)(const gr_call *call)
{
    const REAL *w = call->in[1].data, *b = call->in[2].data;
    const gr_math *math = call->math;
    int64_t n = norm_width(call);
    bool centred = call->attr[2].i;
    for (int64_t u = call->begin; u < call->end; u++) {
        const REAL *x = (const REAL *)call->in[0].data + u * n;
        REAL mean = centred ? math->MATH(sum)(x, n) / (REAL)n : 0;
        REAL rstd = 1 / NAME(root)(math->MATH(square_sum)(x, mean, n) / (REAL)n + (REAL)call->attr[1].f);
        math->MATH(normalize)((REAL *)call->out[0].data + u * n, x, mean, rstd, w, b, n);
        ((REAL *)call->out[1].data)[u] = mean;
        ((REAL *)call->out[2].data)[u] = rstd;
    }
}

/* Inputs: x, weight, mean, rstd, the gradient toward output. */
static void NAME(normalize_back_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data, *w = call->in[1].data, *mean = call->in[2].data, *rstd = call->in[3].data, *g = call->in[4].data;
    REAL *out = call->out[0].data;
    int64_t n = norm_width(call);
    for (int64_t r = call->begin; r < call->end; r++)
        call->math->MATH(normalize_back)(out + r * n, x + r * n, g + r * n, w, mean[r], rstd[r], call->attr[1].i, n);
}

/* Inputs: x, mean, rstd, the gradient toward output. */
static void NAME(normalize_weight_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data, *mean = call->in[1].data, *rstd = call->in[2].data, *g = call->in[3].data;
    int64_t n = op_numel(&call->out[0]), rows = op_numel(&call->in[1]);
    int64_t col = call->begin * STRIP, end = call->end * STRIP < n ? call->end * STRIP : n;
    if (col < end)
        call->math->MATH(normalize_weight_back)((REAL *)call->out[0].data + col, x + col, g + col, mean, rstd, n, rows, end - col);
}

#else
#include "util.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { STRIP = 64 };

static inline float root_f32(float x) { return sqrtf(x); }
static inline double root_f64(double x) { return sqrt(x); }

/* Numbers of a row: of the last `axes` axes. */
static int64_t norm_width(const gr_call *call)
{
    const gr_tensor *t = &call->in[0];
    int64_t n = 1;
    for (int i = t->rank - (int)call->attr[0].i; i < t->rank; i++) n *= t->dim[i];
    return n;
}

#define GR_KERNELS "layer_norm.c"
#include <graphrun/each_real.h>

#define REALS(fn) (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {0, NULL}}

/* ---- NormalizeRows ---- */

static int64_t normalize_units(const gr_call *call)
{
    int64_t n = 1;
    for (int i = 0; i < call->in[0].rank - (int)call->attr[0].i; i++) n *= call->in[0].dim[i];
    return n;
}

static double normalize_flops(const gr_call *call) { return 4 * (double)op_numel(&call->in[0]); }

/* weight and bias: the numbers of one row. */
static int check_row(gr_ctx *c, int port)
{
    const gr_type *x = gr_in_type(c, 0);
    int axes = (int)gr_int(c, "axes");
    if (!gr_count(c, port)) return 0;
    const gr_type *t = gr_in_type(c, port);
    bool same = t->rank == axes && t->dtype == x->dtype;
    for (int i = 0; same && i < axes; i++) same = t->dim[i] == x->dim[x->rank - axes + i];
    const char *name = gr_self(c)->inputs[port].name;
    return same ? 0 : gr_fail(c, GR_AT_INPUT, name, "%s is %s; it must have the last %d axes of the input, %s", name,
                              op_type_text(c, t), axes, op_type_text(c, x));
}

static int normalize_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int64_t axes = gr_int(c, "axes");
    if (op_need_float(c, 0) < 0) return -1;
    if (axes > t.rank)
        return gr_fail(c, GR_AT_ATTR, "axes", "the input has %d axes, not %" PRId64, t.rank, axes);
    if (check_row(c, 1) < 0 || check_row(c, 2) < 0 || gr_set_output(c, 0, &t) < 0) return -1;
    t.rank -= (int)axes;
    return gr_set_output(c, 1, &t) < 0 ? -1 : gr_set_output(c, 2, &t);
}

/* What the statistics pass on, where somebody reads them: dmean/dx = 1/n,
 * drstd/dx = -rstd^3 (x - mean) / n. */
static gr_val statistics_gradient(gr_ctx *c, gr_val dx)
{
    const gr_type *t = gr_in_type(c, 0);
    gr_type kept = *t;
    double n = 1;
    for (int i = t->rank - (int)gr_int(c, "axes"); i < t->rank; i++) n *= (double)t->dim[i], kept.dim[i] = 1;
    gr_val to_mean = gr_grad(c, 1), to_rstd = gr_grad(c, 2), rstd = gr_out(c, 2), terms[3] = {dx};
    int count = dx != NULL;
    if (to_mean && gr_bool(c, "centred"))
        terms[count++] = op_reshape(c, gr_emit2(c, "Mul", to_mean, op_number(c, 1 / n)), kept.rank, kept.dim);
    if (to_rstd) {
        gr_val scale = gr_emit(c, "Mul", NULL, 5, (gr_val[]){to_rstd, rstd, rstd, rstd, op_number(c, -1 / n)}, NULL);
        gr_val far = gr_emit2(c, "Sub", gr_in(c, 0), op_reshape(c, gr_out(c, 1), kept.rank, kept.dim));
        terms[count++] = gr_emit2(c, "Mul", far, op_reshape(c, scale, kept.rank, kept.dim));
    }
    gr_val sum = count > 1 ? gr_emit(c, "Add", NULL, count, terms, NULL) : count ? terms[0] : NULL;
    return sum ? gr_emit(c, "Expand", NULL, 1, &sum, "shape=%s", op_ints(c, t->rank, t->dim)) : NULL;
}

static int normalize_gradient(gr_ctx *c)
{
    gr_val x = gr_in(c, 0), w = gr_in(c, 1), mean = gr_out(c, 1), rstd = gr_out(c, 2), g = gr_grad(c, 0);
    int axes = (int)gr_int(c, "axes");
    if (gr_wants(c, 0, 0)) {
        gr_val in[5] = {x, w, mean, rstd, g}, dx = NULL;
        if (g) dx = gr_emit(c, "NormalizeRowsGradient", NULL, 5, in, "axes=%d, centred=%s", axes, gr_bool(c, "centred") ? "true" : "false");
        if (gr_grad(c, 1) || gr_grad(c, 2)) dx = statistics_gradient(c, dx);
        if (gr_set_grad(c, 0, 0, dx) < 0) return -1;
    }
    if (g && gr_wants(c, 1, 0)) {
        gr_val in[4] = {x, mean, rstd, g};
        if (gr_set_grad(c, 1, 0, gr_emit(c, "NormalizeRowsWeightGradient", NULL, 4, in, "axes=%d", axes)) < 0) return -1;
    }
    return g && gr_wants(c, 2, 0) ? gr_set_grad(c, 2, 0, op_sum_to(c, g, gr_in_type(c, 2))) : 0;
}

#define AXES {"axes", GR_ATTR_INT, "1", 1, GR_MAX_RANK, NULL, "How many of the last axes make a row."}
#define CENTRED {"centred", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether the mean is taken away."}
static const gr_attr_spec normalize_attrs[] = {
    AXES, {"eps", GR_ATTR_FLOAT, "1e-5", 0, 1e30, NULL, "Added to the variance."}, CENTRED, OP_END};
static const gr_port normalize_in[] = {
    {"input", 0, "[..., row]"},
    {"weight", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[row]: what a normalized row is multiplied by"},
    {"bias", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[row]: what is added"},
    OP_END};
static const gr_port normalize_out[] = {
    {"output", 0, "[..., row]"}, {"mean", 0, "[...]: of each row"}, {"rstd", 0, "[...]: 1 / deviation of each row"}, OP_END};

extern const gr_op gr_op_normalize_rows, gr_op_normalize_rows_gradient, gr_op_normalize_rows_weight_gradient;
const gr_op gr_op_normalize_rows = {GR_OP_HEADER, .name = "NormalizeRows", .summary = "Rows brought to mean 0 and deviation 1.",
    .formula = "(input - mean) * rstd * weight + bias", .attrs = normalize_attrs, .inputs = normalize_in, .outputs = normalize_out,
    .traits = GR_ROWWISE, .infer = normalize_infer, .gradient = normalize_gradient, .units = normalize_units,
    .flops = normalize_flops, .kernels = REALS(normalize_run),
    .kind = "internal"};

/* ---- its gradients ---- */

static int normalize_back_infer(gr_ctx *c) { return gr_set_output(c, 0, gr_in_type(c, 0)); }

static const gr_attr_spec back_attrs[] = {AXES, CENTRED, OP_END};
static const gr_port back_in[] = {
    {"input", 0, "[..., row]"}, {"weight", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[row]"}, {"mean", 0, "[...]"},
    {"rstd", 0, "[...]"}, {"grad_output", 0, "[..., row]"}, OP_END};
static const gr_port back_out[] = {{"grad_input", 0, "[..., row]"}, OP_END};
const gr_op gr_op_normalize_rows_gradient = {GR_OP_HEADER, .name = "NormalizeRowsGradient",
    .summary = "The gradient of NormalizeRows toward its input.", .formula = "rstd (u - mean(u) - h mean(u h)), u = grad_output * weight",
    .attrs = back_attrs, .inputs = back_in, .outputs = back_out, .traits = GR_ROWWISE, .infer = normalize_back_infer,
    .units = normalize_units, .flops = normalize_flops, .kernels = REALS(normalize_back_run),
    .kind = "internal"};

static int normalize_weight_infer(gr_ctx *c)
{
    const gr_type *x = gr_in_type(c, 0);
    gr_type t = {.dtype = x->dtype, .rank = (int)gr_int(c, "axes")};
    memcpy(t.dim, x->dim + x->rank - t.rank, sizeof *t.dim * (size_t)t.rank);
    return gr_set_output(c, 0, &t);
}

static int64_t normalize_weight_units(const gr_call *call) { return (op_numel(&call->out[0]) + STRIP - 1) / STRIP; }

/* The kernel adds over all rows, those of all steps among them. */
static int normalize_weight_accumulate(gr_ctx *c)
{
    gr_val in[4];
    for (int i = 0; i < 4; i++) {
        if (!gr_is_stacked(c, i, 0)) return 1;
        in[i] = gr_in(c, i);
    }
    return gr_set_result(c, 0, gr_emit(c, "NormalizeRowsWeightGradient", NULL, 4, in, "axes=%d", (int)gr_int(c, "axes")));
}

static const gr_attr_spec weight_attrs[] = {AXES, OP_END};
static const gr_port weight_in[] = {
    {"input", 0, "[..., row]"}, {"mean", 0, "[...]"}, {"rstd", 0, "[...]"}, {"grad_output", 0, "[..., row]"}, OP_END};
static const gr_port weight_out[] = {{"grad_weight", 0, "[row]"}, OP_END};
const gr_op gr_op_normalize_rows_weight_gradient = {GR_OP_HEADER, .name = "NormalizeRowsWeightGradient",
    .summary = "The gradient of NormalizeRows toward its weight.", .formula = "sum over rows of grad_output * (input - mean) * rstd",
    .attrs = weight_attrs, .inputs = weight_in, .outputs = weight_out, .infer = normalize_weight_infer,
    .accumulate = normalize_weight_accumulate, .units = normalize_weight_units, .flops = normalize_flops,
    .kernels = REALS(normalize_weight_run),
    .kind = "internal"};

/* ---- LayerNorm, RMSNorm ---- */

static int check_normalized_shape(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    const gr_attr *shape = gr_get(c, "normalized_shape");
    if (op_need_float(c, 0) < 0) return -1;
    bool same = shape->n >= 1 && shape->n <= t->rank;
    for (int64_t i = 0; same && i < shape->n; i++) same = t->dim[t->rank - shape->n + i] == shape->ints[i];
    return same ? 0 : gr_fail(c, GR_AT_ATTR, "normalized_shape", "normalized_shape=%s must be the lengths of the input's last axes, but the input is %s",
                              op_ints(c, shape->n, shape->ints), op_type_text(c, t));
}

static int norm_expand(gr_ctx *c, bool centred, bool bias)
{
    if (check_normalized_shape(c) < 0) return -1;
    const gr_attr *shape = gr_get(c, "normalized_shape");
    gr_type t = {.dtype = gr_real(c), .rank = (int)shape->n};
    memcpy(t.dim, shape->ints, sizeof *t.dim * (size_t)shape->n);
    gr_val in[3] = {gr_in(c, 0), NULL, NULL};
    if (gr_bool(c, "elementwise_affine")) in[1] = gr_parameter(c, "weight", &t, "Ones");
    if (gr_bool(c, "elementwise_affine") && bias) in[2] = gr_parameter(c, "bias", &t, "Zeros");
    return gr_set_result(c, 0, gr_emit(c, "NormalizeRows", "", 3, in, "axes=%d, eps=%.17g, centred=%s", t.rank,
                                       gr_float(c, "eps"), centred ? "true" : "false"));
}

static int layer_norm_expand(gr_ctx *c) { return norm_expand(c, true, gr_bool(c, "bias")); }
static int rms_norm_expand(gr_ctx *c) { return norm_expand(c, false, false); }

#define SHAPE {"normalized_shape", GR_ATTR_INTS, NULL, 1, 2147483647, NULL, "Lengths of the last axes, which make a row: a number or a list."}
#define AFFINE {"elementwise_affine", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether the result is scaled (and shifted) by what is learned."}
static const gr_attr_spec layer_attrs[] = {
    SHAPE, {"eps", GR_ATTR_FLOAT, "1e-5", 0, 1e30, NULL, "Added to the variance."}, AFFINE,
    {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether a learned bias is added."}, OP_END};
static const gr_attr_spec rms_attrs[] = {
    SHAPE, {"eps", GR_ATTR_FLOAT, "1.1920929e-7", 0, 1e30, NULL, "Added to the mean square."}, AFFINE, OP_END};
static const gr_port layer_in[] = {{"input", 0, "[..., row]"}, OP_END};
static const gr_port layer_out[] = {{"output", 0, "[..., row]"}, OP_END};

extern const gr_op gr_op_layer_norm, gr_op_rms_norm;
const gr_op gr_op_layer_norm = {GR_OP_HEADER, .name = "LayerNorm", .summary = "Each row brought to mean 0 and deviation 1, then scaled and shifted.",
    .formula = "(input - mean) / sqrt(var + eps) * weight + bias", .reference = "torch.nn.LayerNorm; Ba et al. 2016", .attrs = layer_attrs,
    .inputs = layer_in, .outputs = layer_out, .expand = layer_norm_expand,
    .kind = "layers",
    .example = OP_X
               "  y: {op: LayerNorm, in: x, normalized_shape: 3}\n"};
const gr_op gr_op_rms_norm = {GR_OP_HEADER, .name = "RMSNorm", .summary = "Each row divided by its root mean square, then scaled.",
    .formula = "input / sqrt(mean of input^2 + eps) * weight", .reference = "torch.nn.RMSNorm; Zhang and Sennrich 2019", .attrs = rms_attrs,
    .inputs = layer_in, .outputs = layer_out, .expand = rms_norm_expand,
    .kind = "layers",
    .example = OP_X
               "  y: {op: RMSNorm, in: x, normalized_shape: 3}\n"};
#endif
