/* cross_entropy.c - the loss of predicting a class, from logits.
 *
 * ClassLoss gives, for each row of logits x [classes] and its target t,
 *
 *     loss = (1 - s) w[t] (lse - x[t]) + s/classes * sum over k of w[k] (lse - x[k])
 *
 * with lse = ln sum over k of e^x[k], s = label_smoothing, and w = 1 where there is no class
 * weight; loss is 0 where t is ignore_index, and NaN where it is no class at all,
 * so that a step that was fed wrong targets is not committed. The mean divides the sum of losses by
 * that of w[t], which is made of the targets alone: so the gradient toward a row of logits needs no
 * other row, and many logits need not be there at once. lse is kept as the row's
 * maximum and a logarithm, which for large logits is more exact. The gradient, with
 * p = softmax(x) and W = sum of w:
 *
 *     dloss/dx[k] = p[k] ((1 - s) w[t] + s W/classes) - (1 - s) w[t] [k = t] - s w[k]/classes */
#ifdef REAL

static REAL NAME(weight_at)(const REAL *w, int64_t k) { return w ? w[k] : 1; }

/* sum over k of w[k] (max - x[k] + log) */
static REAL NAME(smooth_sum)(const gr_call *call, const REAL *x, const REAL *w, int64_t n, REAL max, REAL log, REAL *scratch)
{
    for (int64_t k = 0; k < n; k++) scratch[k] = NAME(weight_at)(w, k) * (max - x[k] + log);
    return call->math->MATH(sum)(scratch, n);
}

static void NAME(class_loss_run)(const gr_call *call)
{
    const REAL *in = call->in[0].data, *w = call->in[2].data;
    const int32_t *target = call->in[1].data;
    REAL *loss = call->out[0].data;
    int64_t n = call->in[0].dim[call->in[0].rank - 1];
    REAL s = (REAL)call->attr[1].f;
    for (int64_t u = call->begin; u < call->end; u++) {
        const REAL *x = in + u * n;
        int32_t t = target[u];
        bool ignored = t == call->attr[0].i, valid = t >= 0 && t < n;
        loss[u] = ignored ? 0 : (REAL)NAN;
        if (!ignored && !valid) op_explain_index(call, u, "target", t, n, "classes");
        if (ignored || !valid) continue;
        REAL max = call->math->MATH(max)(x, n), sum = call->math->MATH(exp_sum)(NULL, x, max, n), log;
        call->math->MATH(log)(&log, &sum, 1);
        loss[u] = (1 - s) * NAME(weight_at)(w, t) * (max - x[t] + log);
        if (s != 0) loss[u] += s / (REAL)n * NAME(smooth_sum)(call, x, w, n, max, log, call->scratch);
    }
}

/* Inputs: x, target, weight, the gradient toward loss. */
static void NAME(class_loss_back_run)(const gr_call *call)
{
    const REAL *in = call->in[0].data, *w = call->in[2].data, *grad = call->in[3].data;
    const int32_t *target = call->in[1].data;
    int64_t n = call->in[0].dim[call->in[0].rank - 1];
    REAL s = (REAL)call->attr[1].f, even = s / (REAL)n, all = w ? call->math->MATH(sum)(w, n) : (REAL)n;
    for (int64_t u = call->begin; u < call->end; u++) {
        REAL *out = (REAL *)call->out[0].data + u * n, g = grad[u];
        int32_t t = target[u];
        bool ignored = t == call->attr[0].i, valid = t >= 0 && t < n;
        if (ignored || !valid) {
            for (int64_t k = 0; k < n; k++) out[k] = ignored ? 0 : (REAL)NAN;
            continue;
        }
        REAL sum = call->math->MATH(exp_sum)(out, in + u * n, call->math->MATH(max)(in + u * n, n), n);
        REAL own = (1 - s) * NAME(weight_at)(w, t), scale = g * (own + even * all) / sum;
        call->math->MATH(normalize)(out, out, 0, scale, NULL, NULL, n);
        if (s != 0) for (int64_t k = 0; k < n; k++) out[k] -= g * even * NAME(weight_at)(w, k);
        out[t] -= g * own;
    }
}

#else
#include "ragged.h"
#include "util.h"

#include <math.h>
#include <string.h>

#define GR_KERNELS "cross_entropy.c"
#include <graphrun/each_real.h>

static const gr_attr_spec kernel_attrs[] = {
    {"ignore_index", GR_ATTR_INT, "-100", 0, 0, NULL, "A target that counts for nothing."},
    {"label_smoothing", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Share of the target that is spread evenly over all classes."},
    OP_END};

static int64_t class_loss_units(const gr_call *call)
{
    int64_t n = 1;
    for (int i = 0; i < call->in[0].rank - 1; i++) n *= call->in[0].dim[i];
    return n;
}

static size_t class_loss_scratch(const gr_call *call)
{
    return gr_dtype_size(call->in[0].dtype) * (size_t)call->in[0].dim[call->in[0].rank - 1];
}

/* Of a row: what each class takes, and a logarithm and what is left over of vectors. */
static double class_loss_flops(const gr_call *call)
{
    return (double)class_loss_units(call) * (8.0 * (double)call->in[0].dim[call->in[0].rank - 1] + 600);
}

static int check_shapes(gr_ctx *c)
{
    const gr_type *x = gr_in_type(c, 0), *t = gr_in_type(c, 1);
    bool same = x->rank == t->rank + 1;
    if (op_need_float(c, 0) < 0 || op_need_int(c, 1) < 0) return -1;
    for (int i = 0; same && i < t->rank; i++) same = x->dim[i] == t->dim[i];
    if (!same)
        return gr_fail(c, GR_AT_INPUT, "target", "target is %s; an input of %s needs one class for each row: its axes without the last",
                       op_type_text(c, t), op_type_text(c, x));
    if (gr_count(c, 2) == 0) return 0;
    const gr_type *w = gr_in_type(c, 2);
    if (w->rank == 1 && w->dim[0] == x->dim[x->rank - 1] && gr_is_float(w->dtype)) return 0;
    return gr_fail(c, GR_AT_INPUT, "weight", "weight is %s; it must be float [%lld], a number for each class", op_type_text(c, w),
                   (long long)x->dim[x->rank - 1]);
}

static int class_loss_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 1);
    if (check_shapes(c) < 0) return -1;
    if (t.dtype != GR_INT32) return gr_fail(c, GR_AT_INPUT, "target", "target must be int32, but is %s; Cast converts", op_type_text(c, &t));
    t.dtype = gr_in_type(c, 0)->dtype;
    return gr_set_output(c, 0, &t);
}

static int class_loss_gradient(gr_ctx *c)
{
    gr_val in[4] = {gr_in(c, 0), gr_in(c, 1), gr_in(c, 2), gr_grad(c, 0)};
    if (!in[3]) return 0;
    return gr_set_grad(c, 0, 0, gr_emit(c, "ClassLossGradient", NULL, 4, in, "ignore_index=%lld, label_smoothing=%.17g",
                                        (long long)gr_int(c, "ignore_index"), gr_float(c, "label_smoothing")));
}

static int class_loss_back_infer(gr_ctx *c) { return gr_set_output(c, 0, gr_in_type(c, 0)); }

static const gr_port loss_in[] = {{"input", 0, "[..., classes]: logits"}, {"target", GR_PORT_INT, "[...]: a class for each row"},
                                  {"weight", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[classes]: how much each class counts"}, OP_END};
static const gr_port class_loss_out[] = {{"loss", 0, "[...]"}, OP_END};
static const gr_port back_in[] = {{"input", 0, "[..., classes]"}, {"target", GR_PORT_INT, "[...]"},
                                  {"weight", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[classes]"},
                                  {"grad_loss", 0, "[...]"}, OP_END};
static const gr_port back_out[] = {{"grad_input", 0, "[..., classes]"}, OP_END};

extern const gr_op gr_op_class_loss, gr_op_class_loss_gradient;
const gr_op gr_op_class_loss = {GR_OP_HEADER, .name = "ClassLoss", .summary = "Cross entropy of each row of logits.",
    .formula = "weight[target] * (ln sum of e^input - input[target])", .attrs = kernel_attrs, .inputs = loss_in,
    .outputs = class_loss_out, .traits = GR_ROWWISE, .infer = class_loss_infer, .gradient = class_loss_gradient,
    .units = class_loss_units, .scratch = class_loss_scratch, .flops = class_loss_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, class_loss_run_f32}, {GR_FLOAT64, class_loss_run_f64}, {0, NULL}},
    .kind = "internal"};
const gr_op gr_op_class_loss_gradient = {GR_OP_HEADER, .name = "ClassLossGradient",
    .formula = "grad_input = grad_output * d(ClassLoss)/d(input)", .summary = "The gradient of ClassLoss toward its logits.",
    .attrs = kernel_attrs, .inputs = back_in, .outputs = back_out, .traits = GR_ROWWISE, .infer = class_loss_back_infer,
    .units = class_loss_units, .scratch = class_loss_scratch, .flops = class_loss_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, class_loss_back_run_f32}, {GR_FLOAT64, class_loss_back_run_f64}, {0, NULL}},
    .kind = "internal"};

/* ---- CrossEntropyLoss ---- */

static const gr_attr_spec loss_attrs[] = {
    {"ignore_index", GR_ATTR_INT, "-100", 0, 0, NULL, "A target that counts for nothing."},
    {"label_smoothing", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Share of the target that is spread evenly over all classes."},
    {"reduction", GR_ATTR_CHOICE, "mean", 0, 0, "none|mean|sum", "mean divides by the weights of the targets."},
    RAGGED_ATTR, OP_END};
static const gr_port cross_entropy_in[] = {{"input", 0, "[..., classes]: logits"}, {"target", GR_PORT_INT, "[...]: a class for each row"},
                                           {"weight", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[classes]: how much each class counts"}, RAGGED_PORT, OP_END};
static const gr_port loss_out[] = {{"output", 0, "[], or [...] without reduction"}, OP_END};

/* The inputs of a loss of classes, its shapes checked; padding is of no class that counts. */
static int class_inputs(gr_ctx *c, gr_val in[3])
{
    gr_val real;
    if (check_shapes(c) < 0 || op_real_steps(c, 1, &real) < 0) return -1;
    in[0] = op_only_real(c, real, gr_in(c, 0), NULL);
    in[2] = gr_in(c, 2);
    gr_val ignored = gr_emit(c, "Constant", NULL, 0, NULL, "value=%lld, dtype=int32", (long long)gr_int(c, "ignore_index"));
    in[1] = op_only_real(c, real, gr_in(c, 1), ignored);
    return 0;
}

/* How much each target counts, 0 where it is ignored; which do, and, unless NULL, the targets with 0 for those that do not. */
static gr_val target_weights(gr_ctx *c, const gr_val in[3], gr_val *counts, gr_val *target)
{
    *counts = gr_emit2(c, "NotEqual", in[1], op_number(c, (double)gr_int(c, "ignore_index")));
    gr_val kept = target || in[2] ? gr_emit2(c, "Mul", in[1], *counts) : in[1];
    gr_val one = gr_emit(c, "Cast", NULL, 1, counts, "dtype=float32"), rows[2] = {in[2], kept};
    if (target) *target = kept;
    return in[2] ? gr_emit2(c, "Mul", one, gr_emit(c, "Take", NULL, 2, rows, NULL)) : one;
}

static int cross_entropy_expand(gr_ctx *c)
{
    gr_val in[3];
    if (class_inputs(c, in) < 0) return -1;
    gr_val loss = gr_emit(c, "ClassLoss", "rows", 3, in, "ignore_index=%lld, label_smoothing=%.17g",
                          (long long)gr_int(c, "ignore_index"), gr_float(c, "label_smoothing"));
    if (strcmp(gr_string(c, "reduction"), "mean") != 0) return gr_set_result(c, 0, op_reduce_loss(c, loss));
    gr_val counts;
    if (in[2]) in[2] = gr_emit1(c, "StopGradient", in[2]); /* as toward ClassLoss's: classes' weights are not learned */
    return gr_set_result(c, 0, op_mean_loss(c, loss, target_weights(c, in, &counts, NULL)));
}

extern const gr_op gr_op_cross_entropy_loss;
const gr_op gr_op_cross_entropy_loss = {GR_OP_HEADER, .name = "CrossEntropyLoss",
    .summary = "How surprised the logits are by the target classes.", .formula = "mean of -ln softmax(input)[target]",
    .reference = "torch.nn.CrossEntropyLoss; classes are the last axis", .attrs = loss_attrs, .inputs = cross_entropy_in,
    .outputs = loss_out, .expand = cross_entropy_expand,
    .kind = "losses",
    .example = OP_X
               "  target: {op: Constant, value: [2, 0]}   # a class for each row\n"
               "  loss: {op: CrossEntropyLoss, in: {input: x, target: target}, label_smoothing: 0.1}\n"};

/* ---- NLLLoss: log probabilities come in, so a Gather does ---- */

static int nll_expand(gr_ctx *c)
{
    gr_val in[3];
    if (class_inputs(c, in) < 0) return -1;
    gr_val counts, target, weight = target_weights(c, in, &counts, &target);
    gr_val index = gr_emit(c, "Unsqueeze", NULL, 1, &target, "dim=-1"), pick[2] = {in[0], index};
    const gr_type *t = gr_in_type(c, 1);
    gr_val picked = op_reshape(c, gr_emit(c, "Gather", NULL, 2, pick, "dim=-1"), t->rank, t->dim);
    gr_val loss = gr_emit3(c, "Where", counts, gr_emit1(c, "Neg", gr_emit2(c, "Mul", weight, picked)), op_number(c, 0));
    if (strcmp(gr_string(c, "reduction"), "mean") != 0) return gr_set_result(c, 0, op_reduce_loss(c, loss));
    return gr_set_result(c, 0, op_mean_loss(c, loss, weight));
}

static const gr_attr_spec nll_attrs[] = {
    {"ignore_index", GR_ATTR_INT, "-100", 0, 0, NULL, "A target that counts for nothing."},
    {"reduction", GR_ATTR_CHOICE, "mean", 0, 0, "none|mean|sum", "mean divides by the weights of the targets."},
    RAGGED_ATTR, OP_END};
static const gr_port nll_in[] = {{"input", 0, "[..., classes]: logarithms of probabilities"},
                                 {"target", GR_PORT_INT, "[...]: a class for each row"},
                                 {"weight", GR_PORT_OPTIONAL | GR_PORT_WHOLE, "[classes]: how much each class counts"}, RAGGED_PORT, OP_END};

extern const gr_op gr_op_nll_loss;
const gr_op gr_op_nll_loss = {GR_OP_HEADER, .name = "NLLLoss", .summary = "CrossEntropyLoss for log probabilities.",
    .formula = "mean of -input[target]", .reference = "torch.nn.NLLLoss; classes are the last axis", .attrs = nll_attrs,
    .inputs = nll_in, .outputs = loss_out, .expand = nll_expand,
    .kind = "losses",
    .example = OP_X
               "  target: {op: Constant, value: [2, 0]}   # a class for each row\n"
               "  log: {op: LogSoftmax, in: x, dim: -1}\n"
               "  loss: {op: NLLLoss, in: {input: log, target: target}}\n"};
#endif
