/* softmax.c - Softmax, LogSoftmax and their gradients, over one axis.
 *
 * A unit is one row: the elements along `dim`. A row that does not lie densely is gathered
 * into scratch, so that its bits do not depend on where the axis stands. */
#ifdef REAL

static const REAL *NAME(gather)(const REAL *x, int64_t n, int64_t step, REAL *to)
{
    if (step == 1) return x;
    for (int64_t i = 0; i < n; i++) to[i] = x[i * step];
    return to;
}

static void NAME(scatter)(const REAL *from, int64_t n, int64_t step, REAL *to)
{
    for (int64_t i = 0; i < n; i++) to[i * step] = from[i];
}

/* The maximum is subtracted so that nothing overflows. */
static void NAME(softmax_row)(const gr_call *call, const REAL *x, int64_t n, REAL *out)
{
    REAL max = call->math->MATH(max)(x, n);
    if (max == -INFINITY && call->attr[1].i) {
        for (int64_t i = 0; i < n; i++) out[i] = 0;
        return;
    }
    REAL sum = call->math->MATH(exp_sum)(out, x, max, n);
    call->math->MATH(divide)(out, out, sum, n);
}

static void NAME(log_softmax_row)(const gr_call *call, const REAL *x, int64_t n, REAL *out)
{
    REAL max = call->math->MATH(max)(x, n), sum = call->math->MATH(exp_sum)(NULL, x, max, n), log;
    call->math->MATH(log)(&log, &sum, 1);
    for (int64_t i = 0; i < n; i++) out[i] = x[i] - max - log;
}

static void NAME(forward_rows)(const gr_call *call, void (*row)(const gr_call *, const REAL *, int64_t, REAL *))
{
    op_lines r = op_lines_of(&call->out[0], call->attr[0].i);
    REAL *x = call->scratch, *y = x + r.n;
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t at = op_line_start(&r, u);
        REAL *out = (REAL *)call->out[0].data + at;
        const REAL *in = NAME(gather)((const REAL *)call->in[0].data + at, r.n, r.step, x);
        row(call, in, r.n, r.step == 1 ? out : y);
        if (r.step != 1) NAME(scatter)(y, r.n, r.step, out);
    }
}

static void NAME(softmax_run)(const gr_call *call) { NAME(forward_rows)(call, NAME(softmax_row)); }
static void NAME(log_softmax_run)(const gr_call *call) { NAME(forward_rows)(call, NAME(log_softmax_row)); }

/* y = e^x / s: dL/dx = y (g - sum of g y). */
static void NAME(softmax_back_row)(const gr_call *call, const REAL *y, const REAL *g, int64_t n, REAL *out)
{
    call->math->MATH(normalize)(out, g, call->math->MATH(dot)(g, y, n), 1, y, NULL, n);
}

/* y = x - ln s: dL/dx = g - e^y sum of g. */
static void NAME(log_softmax_back_row)(const gr_call *call, const REAL *y, const REAL *g, int64_t n, REAL *out)
{
    REAL sum = call->math->MATH(sum)(g, n);
    call->math->MATH(exp)(out, y, n);
    for (int64_t i = 0; i < n; i++) out[i] = g[i] - out[i] * sum;
}

static void NAME(backward_rows)(const gr_call *call, void (*row)(const gr_call *, const REAL *, const REAL *, int64_t, REAL *))
{
    op_lines r = op_lines_of(&call->out[0], call->attr[0].i);
    REAL *scratch = call->scratch;
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t at = op_line_start(&r, u);
        REAL *out = (REAL *)call->out[0].data + at;
        const REAL *y = NAME(gather)((const REAL *)call->in[0].data + at, r.n, r.step, scratch);
        const REAL *g = NAME(gather)((const REAL *)call->in[1].data + at, r.n, r.step, scratch + r.n);
        row(call, y, g, r.n, r.step == 1 ? out : scratch + 2 * r.n);
        if (r.step != 1) NAME(scatter)(scratch + 2 * r.n, r.n, r.step, out);
    }
}

static void NAME(softmax_back_run)(const gr_call *call) { NAME(backward_rows)(call, NAME(softmax_back_row)); }
static void NAME(log_softmax_back_run)(const gr_call *call) { NAME(backward_rows)(call, NAME(log_softmax_back_row)); }

#else
#include "util.h"

#include <math.h>

#define GR_KERNELS "softmax.c"
#include <graphrun/each_real.h>

static int64_t softmax_units(const gr_call *call)
{
    op_lines r = op_lines_of(&call->out[0], call->attr[0].i);
    return r.n ? r.count : 0;
}

static size_t softmax_scratch(const gr_call *call)
{
    return 3 * gr_dtype_size(call->out[0].dtype) * (size_t)op_lines_of(&call->out[0], call->attr[0].i).n;
}

static double softmax_flops(const gr_call *call) { return 8 * (double)op_numel(&call->out[0]); }

static int softmax_infer(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    if (op_need_float(c, 0) < 0) return -1;
    if (t->rank > 0) {
        int d = op_dim(c, "dim", gr_int(c, "dim"), t->rank, 0);
        if (d < 0) return -1;
        gr_set_attr_int(c, "dim", d - t->rank);
    }
    return gr_set_output(c, 0, t);
}

static int backward(gr_ctx *c, const char *op)
{
    gr_val in[2] = {gr_out(c, 0), gr_grad(c, 0)};
    return gr_set_grad(c, 0, 0, gr_emit(c, op, NULL, 2, in, "dim=%d", (int)gr_int(c, "dim")));
}

static int softmax_gradient(gr_ctx *c) { return backward(c, "SoftmaxGradient"); }
static int log_softmax_gradient(gr_ctx *c) { return backward(c, "LogSoftmaxGradient"); }

#define DIM {"dim", GR_ATTR_INT, "-1", 0, 0, NULL, "The axis whose entries add up to 1."}
static const gr_attr_spec dim_attrs[] = {DIM, OP_END};
static const gr_attr_spec softmax_attrs[] = {
    DIM, {"safe", GR_ATTR_BOOL, "false", 0, 0, NULL, "Where all is -inf (a row that is masked throughout) give zeros, not NaN."}, OP_END};
static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};
static const gr_port back_in[] = {{"output", 0, "[...]"}, {"grad_output", 0, "[...]"}, OP_END};
static const gr_port back_out[] = {{"grad_input", 0, "[...]"}, OP_END};

#define ROWS(fn) .traits = GR_ROWWISE, .infer = softmax_infer, .units = softmax_units, .scratch = softmax_scratch, \
    .flops = softmax_flops, .kernels = (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {0, NULL}}

extern const gr_op gr_op_softmax, gr_op_log_softmax, gr_op_softmax_gradient, gr_op_log_softmax_gradient;
const gr_op gr_op_softmax = {GR_OP_HEADER, .name = "Softmax", .reference = "torch.nn.functional.softmax", .summary = "Turns an axis into probabilities.",
    .formula = "e^input / sum of e^input over dim", .attrs = softmax_attrs, .inputs = one, .outputs = output,
    .gradient = softmax_gradient, ROWS(softmax_run),
    .kind = "reductions",
    .example = OP_X
               "  y: {op: Softmax, in: x, dim: -1}\n"};
const gr_op gr_op_log_softmax = {GR_OP_HEADER, .name = "LogSoftmax", .reference = "torch.nn.functional.log_softmax", .summary = "The logarithm of Softmax, exact where it is small.",
    .formula = "input - ln(sum of e^input over dim)", .attrs = dim_attrs, .inputs = one, .outputs = output,
    .gradient = log_softmax_gradient, ROWS(log_softmax_run),
    .kind = "reductions",
    .example = OP_X
               "  y: {op: LogSoftmax, in: x, dim: -1}\n"};
const gr_op gr_op_softmax_gradient = {GR_OP_HEADER, .name = "SoftmaxGradient", .summary = "The gradient of Softmax toward its input.",
    .formula = "output * (grad_output - sum of grad_output * output)", .attrs = dim_attrs, .inputs = back_in, .outputs = back_out,
    ROWS(softmax_back_run),
    .kind = "internal"};
const gr_op gr_op_log_softmax_gradient = {GR_OP_HEADER, .name = "LogSoftmaxGradient",
    .summary = "The gradient of LogSoftmax toward its input.", .formula = "grad_output - e^output * sum of grad_output",
    .attrs = dim_attrs, .inputs = back_in, .outputs = back_out, ROWS(log_softmax_back_run),
    .kind = "internal"};
#endif
