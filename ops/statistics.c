/* statistics.c - reductions that are made of Sum, Max and pointwise ops. */
#include "util.h"

#include <math.h>
#include <string.h>

static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]: without the reduced axes"}, OP_END};

typedef struct over { /* axes as text, and how many elements they hold */
    const char *dims;
    double n;
} over;

static int reduced_axes(gr_ctx *c, over *o)
{
    const gr_type *t = gr_in_type(c, 0);
    int64_t dims[GR_MAX_RANK];
    int n = op_need_float(c, 0) < 0 ? -1 : op_dims(c, "dim", t->rank, dims);
    if (n < 0) return -1;
    o->dims = op_ints(c, n, dims);
    o->n = 1;
    for (int i = 0; i < n; i++) o->n *= (double)t->dim[dims[i] + t->rank];
    return 0;
}

static gr_val reduce(gr_ctx *c, const char *op, gr_val v, const over *o, bool keep)
{
    return gr_emit(c, op, NULL, 1, &v, "dim=%s, keepdim=%s", o->dims, keep ? "true" : "false");
}

static gr_val scale(gr_ctx *c, gr_val v, double by) { return gr_emit2(c, "Mul", v, op_number(c, by)); }

static int mean_expand(gr_ctx *c)
{
    over o;
    if (reduced_axes(c, &o) < 0) return -1;
    gr_val mean = scale(c, reduce(c, "Sum", gr_in(c, 0), &o, gr_bool(c, "keepdim")), 1 / o.n);
    gr_mean_of(c, mean, NULL, o.n);
    return gr_set_result(c, 0, mean);
}

/* The mean squared distance from the mean. */
static gr_val variance(gr_ctx *c, const over *o)
{
    gr_val x = gr_in(c, 0), mean = scale(c, reduce(c, "Sum", x, o, true), 1 / o->n);
    gr_val far = gr_emit2(c, "Sub", x, mean), square = gr_emit2(c, "Mul", far, far);
    double rest = o->n - (double)gr_int(c, "correction");
    return scale(c, reduce(c, "Sum", square, o, gr_bool(c, "keepdim")), rest > 0 ? 1 / rest : (double)INFINITY);
}

static int var_expand(gr_ctx *c)
{
    over o;
    return reduced_axes(c, &o) < 0 ? -1 : gr_set_result(c, 0, variance(c, &o));
}

/* x to the 1/p, of a sum that may be 0, where its gradient is 0 and not infinite. */
static gr_val safe_root(gr_ctx *c, gr_val sum, double p)
{
    gr_val zero = gr_emit2(c, "Equal", sum, op_number(c, 0));
    gr_val safe = gr_emit3(c, "Where", zero, op_number(c, 1), sum);
    gr_val root = p == 2 ? gr_emit1(c, "Sqrt", safe) : gr_emit2(c, "Pow", safe, op_number(c, 1 / p));
    return gr_emit3(c, "Where", zero, op_number(c, 0), root);
}

static int std_expand(gr_ctx *c)
{
    over o;
    return reduced_axes(c, &o) < 0 ? -1 : gr_set_result(c, 0, safe_root(c, variance(c, &o), 2));
}

/* max + ln sum e^(x - max); an infinite maximum is not subtracted, for inf - inf is NaN. */
static int log_sum_exp_expand(gr_ctx *c)
{
    over o;
    if (reduced_axes(c, &o) < 0) return -1;
    gr_val x = gr_in(c, 0);
    if (o.n == 0) return gr_set_result(c, 0, gr_emit1(c, "Log", reduce(c, "Sum", x, &o, gr_bool(c, "keepdim"))));
    gr_val max = gr_emit1(c, "StopGradient", reduce(c, "Max", x, &o, true));
    gr_val finite = gr_emit2(c, "Less", gr_emit1(c, "Abs", max), op_number(c, (double)INFINITY));
    max = gr_emit3(c, "Where", finite, max, op_number(c, 0));
    gr_val sum = reduce(c, "Sum", gr_emit1(c, "Exp", gr_emit2(c, "Sub", x, max)), &o, true);
    gr_val y = gr_emit2(c, "Add", gr_emit1(c, "Log", sum), max);
    return gr_set_result(c, 0, gr_bool(c, "keepdim") ? y : reduce(c, "Sum", y, &o, false));
}

/* |x|^p, whose gradient at 0 is 0: for p < 1 it would be infinite. */
static gr_val safe_power(gr_ctx *c, gr_val size, double p)
{
    if (p > 1) return gr_emit2(c, "Pow", size, op_number(c, p));
    gr_val zero = gr_emit2(c, "Equal", size, op_number(c, 0));
    gr_val power = gr_emit2(c, "Pow", gr_emit3(c, "Where", zero, op_number(c, 1), size), op_number(c, p));
    return gr_emit3(c, "Where", zero, op_number(c, p > 0 ? 0 : (double)INFINITY), power);
}

static int norm_expand(gr_ctx *c)
{
    over o;
    if (reduced_axes(c, &o) < 0) return -1;
    double p = gr_float(c, "p");
    bool keep = gr_bool(c, "keepdim");
    gr_val x = gr_in(c, 0), size = gr_emit1(c, "Abs", x), y;
    if (isinf(p)) y = reduce(c, p > 0 ? "Max" : "Min", size, &o, keep);
    else if (p == 1) y = reduce(c, "Sum", size, &o, keep);
    else if (p == 2) y = safe_root(c, reduce(c, "Sum", gr_emit2(c, "Mul", x, x), &o, keep), 2);
    else if (p == 0) {
        gr_val is = gr_emit2(c, "NotEqual", x, op_number(c, 0));
        y = reduce(c, "Sum", gr_emit(c, "Cast", NULL, 1, &is, "dtype=float32"), &o, keep);
    } else y = safe_root(c, reduce(c, "Sum", safe_power(c, size, p), &o, keep), p);
    return gr_set_result(c, 0, y);
}

#define DIM {"dim", GR_ATTR_INTS, "~", 0, 0, NULL, "An axis or several, negative from the end; absent: all."}
#define KEEPDIM {"keepdim", GR_ATTR_BOOL, "false", 0, 0, NULL, "Keep the reduced axes, with length 1."}
static const gr_attr_spec plain[] = {DIM, KEEPDIM, OP_END};
static const gr_attr_spec corrected[] = {DIM, KEEPDIM, {"correction", GR_ATTR_INT, "1", 0, 0, NULL, "What the divisor is less than the count."}, OP_END};
static const gr_attr_spec powered[] = {DIM, KEEPDIM, {"p", GR_ATTR_FLOAT, "2", 0, 0, NULL, "The power; inf gives the largest."}, OP_END};

#define STATISTIC(NAME, symbol, list, text, math, like, fn)                                                              \
    extern const gr_op gr_op_##symbol;                                                                         \
    const gr_op gr_op_##symbol = {GR_OP_HEADER, .name = #NAME, .summary = text, .formula = math, .reference = like, .attrs = list, \
                                .inputs = one, .outputs = output, .expand = fn, .kind = "reductions",           \
                                .example = OP_EXAMPLE_ONE(#NAME, ", dim: -1")};

STATISTIC(Mean, mean, plain, "The mean over axes.", "sum of input / n", "torch.mean", mean_expand)
STATISTIC(Var, var, corrected, "The variance over axes.", "sum of (input - mean)^2 / (n - correction)", "torch.var", var_expand)
STATISTIC(Std, std, corrected, "The standard deviation over axes.", "sqrt(sum of (input - mean)^2 / (n - correction))", "torch.std", std_expand)
STATISTIC(LogSumExp, log_sum_exp, plain, "The logarithm of a sum of exponentials.", "ln sum of e^input", "torch.logsumexp", log_sum_exp_expand)
STATISTIC(Norm, norm, powered, "The length of a vector.", "(sum of |input|^p)^(1/p)", "torch.linalg.vector_norm", norm_expand)
