/* conv.c - Conv1d: a learned linear map of a window that moves along time.
 *
 * Patches lays the windows side by side, [..., channels, time] -> [..., steps, channels * kernel],
 * with zeros where a window reaches over an end; the convolution is then one product with the
 * weight as [out, channels * kernel]. Its gradient adds every number of a window back to where
 * it came from; a unit there is one channel of one example, so no two add to one element. */
#ifdef REAL

static void NAME(patches_run)(const gr_call *call)
{
    window w = window_of(call, &call->in[0], &call->out[0]);
    for (int64_t u = call->begin; u < call->end; u++) {
        const REAL *x = (const REAL *)call->in[0].data + u / w.steps * w.channels * w.length;
        REAL *to = (REAL *)call->out[0].data + u * w.channels * w.kernel;
        int64_t first = u % w.steps * w.stride - w.before;
        for (int64_t c = 0; c < w.channels; c++)
            for (int64_t k = 0; k < w.kernel; k++) {
                int64_t t = first + k * w.dilation;
                *to++ = t >= 0 && t < w.length ? x[c * w.length + t] : 0;
            }
    }
}

static void NAME(patches_back_run)(const gr_call *call)
{
    window w = window_of(call, &call->out[0], &call->in[0]);
    for (int64_t u = call->begin; u < call->end; u++) {
        const REAL *g = (const REAL *)call->in[0].data + (u / w.channels * w.steps * w.channels + u % w.channels) * w.kernel;
        REAL *to = (REAL *)call->out[0].data + u * w.length;
        for (int64_t t = 0; t < w.length; t++) to[t] = 0;
        for (int64_t s = 0; s < w.steps; s++)
            for (int64_t k = 0; k < w.kernel; k++) {
                int64_t t = s * w.stride - w.before + k * w.dilation;
                if (t >= 0 && t < w.length) to[t] += g[s * w.channels * w.kernel + k];
            }
    }
}

#else
#include "util.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct window {
    int64_t channels, length; /* of the input */
    int64_t steps;            /* windows along time */
    int64_t kernel, stride, dilation, before;
} window;

static window window_of(const gr_call *call, const gr_tensor *x, const gr_tensor *patches)
{
    return (window){.channels = x->dim[x->rank - 2], .length = x->dim[x->rank - 1], .steps = patches->dim[patches->rank - 2],
                    .kernel = call->attr[0].i, .stride = call->attr[1].i, .dilation = call->attr[2].i, .before = call->attr[3].i};
}

#define GR_KERNELS "conv.c"
#include <graphrun/each_real.h>

#define REALS(fn) (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {0, NULL}}

/* ---- Patches ---- */

static int64_t product_of(const gr_tensor *t, int axes)
{
    int64_t n = 1;
    for (int i = 0; i < axes; i++) n *= t->dim[i];
    return n;
}

static int64_t row_units(const gr_call *call) { return product_of(&call->out[0], call->out[0].rank - 1); }

static int patches_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    if (op_need_float(c, 0) < 0) return -1;
    if (t.rank < 2) return gr_fail(c, GR_AT_INPUT, "input", "the input is %s; it must be [..., channels, time]", op_type_text(c, &t));
    int64_t kernel = gr_int(c, "kernel_size"), channels = t.dim[t.rank - 2], length = t.dim[t.rank - 1];
    int64_t padded = length + gr_int(c, "before") + gr_int(c, "after"), span = gr_int(c, "dilation") * (kernel - 1) + 1;
    if (padded < span)
        return gr_fail(c, GR_AT_ATTR, "kernel_size", "a window of %" PRId64 " steps does not fit into the %" PRId64 " that there are with padding",
                       span, padded);
    int64_t steps = (padded - span) / gr_int(c, "stride") + 1;
    t.axis[t.rank - 2] = steps == length ? t.axis[t.rank - 1] : NULL;
    t.axis[t.rank - 1] = NULL;
    t.dim[t.rank - 2] = steps;
    t.dim[t.rank - 1] = channels * kernel;
    return gr_set_output(c, 0, &t);
}

static const char *window_text(gr_ctx *c)
{
    return op_text(c, "kernel_size=%" PRId64 ", stride=%" PRId64 ", dilation=%" PRId64 ", before=%" PRId64 ", after=%" PRId64,
                   gr_int(c, "kernel_size"), gr_int(c, "stride"), gr_int(c, "dilation"), gr_int(c, "before"), gr_int(c, "after"));
}

static int patches_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    gr_val g = gr_grad(c, 0);
    return gr_set_grad(c, 0, 0, gr_emit(c, "PatchesGradient", NULL, 1, &g, "%s, length=%" PRId64, window_text(c), t->dim[t->rank - 1]));
}

static int patches_back_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int64_t kernel = gr_int(c, "kernel_size"), span = gr_int(c, "dilation") * (kernel - 1) + 1;
    int64_t room = gr_int(c, "length") + gr_int(c, "before") + gr_int(c, "after") - span;
    if (op_need_float(c, 0) < 0) return -1;
    if (t.rank < 2 || t.dim[t.rank - 1] % kernel || room < 0 || t.dim[t.rank - 2] != room / gr_int(c, "stride") + 1)
        return gr_fail(c, GR_AT_INPUT, "grad_output", "grad_output is %s; it must be [..., steps, channels * kernel_size] with as many steps as "
                       "windows fit into length", op_type_text(c, &t));
    t.dim[t.rank - 2] = t.dim[t.rank - 1] / kernel;
    t.dim[t.rank - 1] = gr_int(c, "length");
    t.axis[t.rank - 2] = t.axis[t.rank - 1] = NULL;
    return gr_set_output(c, 0, &t);
}

#define LARGEST 2147483647
#define WINDOW \
    {"kernel_size", GR_ATTR_INT, NULL, 1, LARGEST, NULL, "Steps of a window."}, \
    {"stride", GR_ATTR_INT, "1", 1, LARGEST, NULL, "Steps from a window to the next."}, \
    {"dilation", GR_ATTR_INT, "1", 1, LARGEST, NULL, "Distance of a window's steps."}
#define ENDS \
    {"before", GR_ATTR_INT, "0", 0, LARGEST, NULL, "Zeros before the first step."}, \
    {"after", GR_ATTR_INT, "0", 0, LARGEST, NULL, "Zeros after the last step."}
static const gr_attr_spec patches_attrs[] = {WINDOW, ENDS, OP_END};
static const gr_attr_spec patches_back_attrs[] = {WINDOW, ENDS, {"length", GR_ATTR_INT, NULL, 0, 9007199254740992.0, NULL, "Steps of the input."}, OP_END};
static const gr_port patches_in[] = {{"input", 0, "[..., channels, time]"}, OP_END};
static const gr_port patches_out[] = {{"output", 0, "[..., steps, channels * kernel_size]"}, OP_END};
static const gr_port patches_back_in[] = {{"grad_output", 0, "[..., steps, channels * kernel_size]"}, OP_END};
static const gr_port patches_back_out[] = {{"grad_input", 0, "[..., channels, time]"}, OP_END};

extern const gr_op gr_op_patches, gr_op_patches_gradient;
const gr_op gr_op_patches = {GR_OP_HEADER, .name = "Patches", .summary = "The windows of a convolution, side by side.",
    .formula = "output[s, c * kernel_size + k] = input[c, s * stride + k * dilation - before]", .attrs = patches_attrs, .inputs = patches_in,
    .outputs = patches_out, .traits = GR_ROWWISE, .infer = patches_infer, .gradient = patches_gradient, .units = row_units, .kernels = REALS(patches_run),
    .kind = "internal"};
const gr_op gr_op_patches_gradient = {GR_OP_HEADER, .name = "PatchesGradient",
    .formula = "grad_input[c, t] = sum of grad_output[s, c * kernel_size + k] over s * stride + k * dilation - before = t", .summary = "The gradient of Patches toward its input.",
    .attrs = patches_back_attrs, .inputs = patches_back_in, .outputs = patches_back_out, .traits = GR_ROWWISE, .infer = patches_back_infer,
    .units = row_units, .kernels = REALS(patches_back_run),
    .kind = "internal"};

/* ---- Conv1d ---- */

typedef struct ends { int64_t before, after; } ends;

/* padding: a number, or valid (none), same (as many steps as the input has), causal (the same,
 * and none sees later ones). */
static int find_ends(gr_ctx *c, ends *out)
{
    const char *padding = gr_string(c, "padding");
    int64_t reach = gr_int(c, "dilation") * (gr_int(c, "kernel_size") - 1);
    char *rest;
    int64_t n = strtoll(padding, &rest, 10);
    if (*padding && !*rest && n >= 0 && n <= LARGEST) *out = (ends){n, n};
    else if (strcmp(padding, "valid") == 0) *out = (ends){0, 0};
    else if (strcmp(padding, "causal") == 0) *out = (ends){reach, 0};
    else if (strcmp(padding, "same") == 0) *out = (ends){reach / 2, reach - reach / 2};
    else return gr_fail(c, GR_AT_ATTR, "padding", "padding is '%s'; it must be a number from 0 on, or same, valid or causal", padding);
    if (strcmp(padding, "same") == 0 && gr_int(c, "stride") != 1)
        return gr_fail(c, GR_AT_ATTR, "padding", "padding: same needs stride 1, or there are fewer steps than the input has");
    return 0;
}

static int check_channels(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    int64_t groups = gr_int(c, "groups"), out = gr_int(c, "out_channels");
    if (op_need_float(c, 0) < 0) return -1;
    if (t->rank != 2 && t->rank != 3)
        return gr_fail(c, GR_AT_INPUT, "input", "the input is %s; it must be [batch, channels, time] or [channels, time]", op_type_text(c, t));
    int64_t in = t->dim[t->rank - 2];
    if (in % groups || out % groups)
        return gr_fail(c, GR_AT_ATTR, "groups", "%" PRId64 " channels in and %" PRId64 " out do not fall into %" PRId64 " equal groups", in, out, groups);
    return 0;
}

/* The windows of each group's channels times its part of the weight: [batch..., groups, steps, out]. */
static gr_val convolve(gr_ctx *c, gr_val x, gr_val weight, const ends *e)
{
    const gr_type *t = gr_type_of(c, x);
    int64_t groups = gr_int(c, "groups"), out = gr_int(c, "out_channels"), kernel = gr_int(c, "kernel_size");
    int64_t in = t->dim[t->rank - 2], length = t->dim[t->rank - 1];
    int64_t grouped[4] = {t->dim[0], groups, in / groups, length}, matrix[3] = {groups, out / groups, in / groups * kernel};
    if (groups > 1) x = op_reshape(c, x, t->rank + 1, t->rank == 3 ? grouped : grouped + 1);
    gr_val patches = gr_emit(c, "Patches", "patches", 1, &x, "kernel_size=%" PRId64 ", stride=%" PRId64 ", dilation=%" PRId64 ", before=%" PRId64
                             ", after=%" PRId64, kernel, gr_int(c, "stride"), gr_int(c, "dilation"), e->before, e->after);
    gr_val in_pair[2] = {patches, op_reshape(c, weight, groups > 1 ? 3 : 2, groups > 1 ? matrix : matrix + 1)};
    return gr_emit(c, "MatMul", "product", 2, in_pair, "transpose_b=true");
}

static int conv_expand(gr_ctx *c)
{
    ends e = {0, 0};
    if (check_channels(c) < 0 || find_ends(c, &e) < 0) return -1;
    const gr_type *t = gr_in_type(c, 0);
    int64_t groups = gr_int(c, "groups"), out = gr_int(c, "out_channels"), in = t->dim[t->rank - 2] / groups;
    gr_type shape = {.dtype = gr_real(c), .rank = 3, .dim = {out, in, gr_int(c, "kernel_size")}}, each = {.dtype = gr_real(c), .rank = 1, .dim = {out}};
    double width = (double)in * (double)shape.dim[2], bound = width > 0 ? 1 / sqrt(width) : 0;
    gr_val weight = gr_parameter(c, "weight", &shape, "Uniform low=%.17g high=%.17g", -bound, bound);
    gr_val y = convolve(c, gr_in(c, 0), weight, &e);
    if (gr_bool(c, "bias")) {
        int64_t dims[3] = {groups, 1, out / groups};
        gr_val bias = gr_parameter(c, "bias", &each, "Uniform low=%.17g high=%.17g", -bound, bound);
        y = gr_emit2(c, "Add", y, groups > 1 ? op_reshape(c, bias, 3, dims) : bias);
    }
    y = gr_emit(c, "Transpose", NULL, 1, &y, "dim0=-1, dim1=-2");
    const gr_type *made = gr_type_of(c, y);
    if (groups > 1 && made->dtype != GR_UNKNOWN) {
        int64_t dims[3] = {t->dim[0], out, made->dim[made->rank - 1]};
        y = op_reshape(c, y, t->rank, t->rank == 3 ? dims : dims + 1);
    }
    return gr_set_result(c, 0, y);
}

static const gr_attr_spec conv_attrs[] = {
    {"out_channels", GR_ATTR_INT, NULL, 1, 1 << 30, NULL, "Channels of the output."}, WINDOW,
    {"padding", GR_ATTR_STRING, "0", 0, 0, NULL, "Zeros at both ends of time: a number, or valid (none), same (as many steps as the input), causal (the same, all before)."},
    {"groups", GR_ATTR_INT, "1", 1, 1 << 30, NULL, "Channels fall into so many groups that do not see each other."},
    {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether a learned bias is added."}, OP_END};
static const gr_port conv_in[] = {{"input", 0, "[batch, channels, time] or [channels, time]"}, OP_END};
static const gr_port conv_out[] = {{"output", 0, "[batch, out_channels, steps]"}, OP_END};

extern const gr_op gr_op_conv1d;
const gr_op gr_op_conv1d = {GR_OP_HEADER, .name = "Conv1d", .summary = "A learned linear map of a window that moves along time.",
    .formula = "output[o, s] = sum over c, k of weight[o, c, k] input[c, s * stride + k * dilation - padding] + bias[o]",
    .reference = "torch.nn.Conv1d", .attrs = conv_attrs, .inputs = conv_in, .outputs = conv_out, .expand = conv_expand,
    .kind = "layers",
    .example = "graph:\n"
               "  x: {op: Ones, shape: [2, 3, 8]}   # [batch, channels, time]\n"
               "  y: {op: Conv1d, in: x, out_channels: 4, kernel_size: 3, padding: causal}   # [2, 4, 8]\n"};
#endif
