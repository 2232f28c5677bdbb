/* reduce.c - sums, extrema and products over axes.
 *
 * The axes fall into kept ones (outer) and reduced ones. If the last axis is reduced, a
 * unit is one element of the result: rows of the last axis are reduced by a fixed tree, and
 * the rows' results one after another. If it is kept, a unit is a strip of up to STRIP
 * columns of it, and whole strips are added up, in chunks of CHUNK, so that the error of a
 * long sum grows slowly. Either way a unit's bits depend on shapes alone. */
#ifdef REAL

static REAL NAME(combine)(int how, REAL x, REAL y)
{
    switch (how) {
    case REDUCE_SUM: return x + y;
    case REDUCE_PROD: return x * y;
    case REDUCE_MAX: return x > y || x != x ? x : y;
    default: return x < y || x != x ? x : y;
    }
}

static REAL NAME(reduce_row)(const gr_call *call, int how, const REAL *x, int64_t n)
{
    if (how == REDUCE_SUM) return call->math->MATH(sum)(x, n);
    if (how == REDUCE_MAX) return call->math->MATH(max)(x, n);
    REAL r = x[0];
    for (int64_t i = 1; i < n; i++) r = NAME(combine)(how, r, x[i]);
    return r;
}

static void NAME(reduce_element)(const gr_call *call, const axes *s, int how, const REAL *x, REAL *out)
{
    REAL total = how == REDUCE_PROD ? 1 : 0, chunk = total;
    int64_t rows = s->reduced / s->width;
    if (rows == 1) {
        *out = NAME(reduce_row)(call, how, x, s->width);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        const REAL *row = x + op_at(r, s->num_reduced - 1, s->reduced_dim, s->reduced_step);
        REAL v = NAME(reduce_row)(call, how, row, s->width);
        chunk = r % CHUNK ? NAME(combine)(how, chunk, v) : v;
        if (r % CHUNK == CHUNK - 1 || r == rows - 1) total = r < CHUNK ? chunk : NAME(combine)(how, total, chunk);
    }
    *out = total;
}

static void NAME(reduce_strip)(const axes *s, int how, const REAL *x, int64_t n, REAL *out)
{
    REAL chunk[STRIP];
    for (int64_t r = 0; r < s->reduced; r++) {
        const REAL *row = x + op_at(r, s->num_reduced, s->reduced_dim, s->reduced_step);
        if (r % CHUNK == 0) memcpy(chunk, row, sizeof *row * (size_t)n);
        else if (how == REDUCE_SUM)
            for (int64_t j = 0; j < n; j++) chunk[j] += row[j];
        else
            for (int64_t j = 0; j < n; j++) chunk[j] = NAME(combine)(how, chunk[j], row[j]);
        if (r % CHUNK != CHUNK - 1 && r != s->reduced - 1) continue;
        for (int64_t j = 0; j < n; j++) out[j] = r < CHUNK ? chunk[j] : NAME(combine)(how, out[j], chunk[j]);
    }
}

/* Neighbouring strips are added up together. */
static void NAME(sum_columns)(const gr_call *call, const axes *s, const REAL *in, REAL *out)
{
    for (int64_t u = call->begin, next; u < call->end; u = next) {
        int64_t outer = u / s->strips, col = u % s->strips * STRIP;
        next = (outer + 1) * s->strips < call->end ? (outer + 1) * s->strips : call->end;
        int64_t end = (next - outer * s->strips) * STRIP, n = (end < s->width ? end : s->width) - col;
        call->math->MATH(column_sums)(out + outer * s->width + col, in + op_at(outer, s->num_kept, s->kept_dim, s->kept_step) + col,
                                      s->reduced_step[0], s->reduced, n);
    }
}

static void NAME(reduce_run)(const gr_call *call, int how)
{
    axes s = axes_of(call);
    const REAL *in = call->in[0].data;
    REAL *out = call->out[0].data;
    if (how == REDUCE_SUM && s.by_strips && s.num_reduced == 1) {
        NAME(sum_columns)(call, &s, in, out);
        return;
    }
    for (int64_t u = call->begin; u < call->end; u++) {
        if (s.by_strips) {
            int64_t outer = u / s.strips, col = u % s.strips * STRIP, n = s.width - col < STRIP ? s.width - col : STRIP;
            REAL *to = out + outer * s.width + col;
            if (s.reduced == 0) for (int64_t j = 0; j < n; j++) to[j] = how == REDUCE_PROD;
            NAME(reduce_strip)(&s, how, in + op_at(outer, s.num_kept, s.kept_dim, s.kept_step) + col, n, to);
        } else if (s.reduced == 0) {
            out[u] = how == REDUCE_PROD;
        } else {
            NAME(reduce_element)(call, &s, how, in + op_at(u, s.num_kept, s.kept_dim, s.kept_step), &out[u]);
        }
    }
}

static void NAME(sum_run)(const gr_call *call) { NAME(reduce_run)(call, REDUCE_SUM); }
static void NAME(prod_run)(const gr_call *call) { NAME(reduce_run)(call, REDUCE_PROD); }
static void NAME(max_run)(const gr_call *call) { NAME(reduce_run)(call, REDUCE_MAX); }
static void NAME(min_run)(const gr_call *call) { NAME(reduce_run)(call, REDUCE_MIN); }

/* d(x0 x1 ... xn)/dxi is the product of those before i times that of those after. */
static void NAME(prod_gradient_run)(const gr_call *call)
{
    axes s = axes_of(call);
    const REAL *in = call->in[0].data, *g = call->in[1].data;
    REAL *out = call->out[0].data;
    int64_t kept = 1;
    if (s.by_strips) s.kept_dim[s.num_kept] = s.width, s.kept_step[s.num_kept++] = 1;
    for (int i = 0; i < s.num_kept; i++) kept *= s.kept_dim[i];
    for (int64_t u = 0; u < kept; u++) {
        int64_t base = op_at(u, s.num_kept, s.kept_dim, s.kept_step);
        REAL before = 1, after = 1;
        for (int64_t r = 0; r < s.reduced; r++) {
            int64_t at = base + op_at(r, s.num_reduced, s.reduced_dim, s.reduced_step);
            out[at] = before * g[u];
            before *= in[at];
        }
        for (int64_t r = s.reduced - 1; r >= 0; r--) {
            int64_t at = base + op_at(r, s.num_reduced, s.reduced_dim, s.reduced_step);
            out[at] *= after;
            after *= in[at];
        }
    }
}

#else
#include "util.h"

#include <string.h>

enum { STRIP = 64, CHUNK = 64 };
enum { REDUCE_SUM, REDUCE_PROD, REDUCE_MAX, REDUCE_MIN };

typedef struct axes {
    int num_kept, num_reduced;  /* kept: without the last axis, if that is kept */
    int64_t kept_dim[GR_MAX_RANK], kept_step[GR_MAX_RANK];
    int64_t reduced_dim[GR_MAX_RANK], reduced_step[GR_MAX_RANK];
    int64_t reduced;            /* elements that make one of the result */
    int64_t width;              /* of the last axis */
    bool by_strips;             /* the last axis is kept */
    int64_t strips;
} axes;

/* Neighbours that lie as one axis become one. */
static void join(int *n, int64_t *dim, int64_t *step)
{
    int to = 0;
    for (int i = 0; i < *n; i++) {
        if (to > 0 && step[to - 1] == dim[i] * step[i]) dim[to - 1] *= dim[i], step[to - 1] = step[i];
        else dim[to] = dim[i], step[to++] = step[i];
    }
    *n = to;
}

static axes axes_of(const gr_call *call)
{
    const gr_tensor *t = &call->in[0];
    const gr_attr *dims = &call->attr[0];
    axes s = {.reduced = 1, .width = 1};
    int64_t stride[GR_MAX_RANK], next = 0;
    op_dense(t->rank, t->dim, stride);
    for (int i = 0; i < t->rank; i++) {
        bool gone = next < dims->n && dims->ints[next] + t->rank == i;
        if (i == t->rank - 1) s.width = t->dim[i], s.by_strips = !gone;
        if (gone) {
            next++;
            s.reduced *= t->dim[i];
            s.reduced_dim[s.num_reduced] = t->dim[i];
            s.reduced_step[s.num_reduced++] = stride[i];
        } else if (i < t->rank - 1) {
            s.kept_dim[s.num_kept] = t->dim[i];
            s.kept_step[s.num_kept++] = stride[i];
        }
    }
    if (t->rank == 0) s.num_reduced = 1, s.reduced_dim[0] = 1;
    join(&s.num_kept, s.kept_dim, s.kept_step);
    if (s.by_strips) join(&s.num_reduced, s.reduced_dim, s.reduced_step);
    s.strips = (s.width + STRIP - 1) / STRIP;
    return s;
}

static int64_t reduce_units(const gr_call *call)
{
    axes s = axes_of(call);
    int64_t n = s.by_strips ? s.strips : 1;
    for (int i = 0; i < s.num_kept; i++) n *= s.kept_dim[i];
    return n;
}

static double reduce_flops(const gr_call *call)
{
    double n = 1;
    for (int i = 0; i < call->in[0].rank; i++) n *= (double)call->in[0].dim[i];
    return n;
}

#define GR_KERNELS "reduce.c"
#include <graphrun/each_real.h>

/* ---- integers and bools: in no hurry, and exact in any order ---- */

static int64_t whole_at(const gr_tensor *t, int64_t i)
{
    return t->dtype == GR_BOOL ? ((const uint8_t *)t->data)[i] : ((const int32_t *)t->data)[i];
}

static int64_t reduce_whole(const axes *s, int how, const gr_tensor *in, int64_t from)
{
    int64_t y = how == REDUCE_PROD;
    for (int64_t r = 0; r < s->reduced; r++) {
        int64_t x = whole_at(in, from + op_at(r, s->num_reduced, s->reduced_dim, s->reduced_step));
        if (how == REDUCE_SUM) y += x;
        else if (how == REDUCE_PROD) y = (int32_t)((uint64_t)y * (uint64_t)x);
        else if (r == 0 || (how == REDUCE_MAX ? x > y : x < y)) y = x;
    }
    return y;
}

static void reduce_whole_run(const gr_call *call, int how)
{
    axes s = axes_of(call);
    const gr_tensor *out = &call->out[0];
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t outer = s.by_strips ? u / s.strips : u, first = s.by_strips ? u % s.strips * STRIP : 0;
        int64_t last = !s.by_strips ? 1 : s.width - first < STRIP ? s.width : first + STRIP;
        int64_t from = op_at(outer, s.num_kept, s.kept_dim, s.kept_step);
        for (int64_t j = first; j < last; j++) {
            int64_t y = reduce_whole(&s, how, &call->in[0], from + j), at = s.by_strips ? outer * s.width + j : u;
            if (out->dtype == GR_BOOL) ((uint8_t *)out->data)[at] = y != 0;
            else ((int32_t *)out->data)[at] = (int32_t)y;
        }
    }
}

static void sum_run_whole(const gr_call *call) { reduce_whole_run(call, REDUCE_SUM); }
static void prod_run_whole(const gr_call *call) { reduce_whole_run(call, REDUCE_PROD); }
static void max_run_whole(const gr_call *call) { reduce_whole_run(call, REDUCE_MAX); }
static void min_run_whole(const gr_call *call) { reduce_whole_run(call, REDUCE_MIN); }

/* ---- types ---- */

static int reduced_type(gr_ctx *c, gr_type *t)
{
    const gr_type *from = gr_in_type(c, 0);
    int64_t dims[GR_MAX_RANK];
    int n = op_dims(c, "dim", from->rank, dims), next = 0;
    bool keep = gr_bool(c, "keepdim");
    if (n < 0) return -1;
    *t = (gr_type){.dtype = from->dtype};
    for (int i = 0; i < from->rank; i++) {
        bool gone = next < n && dims[next] + from->rank == i;
        next += gone;
        if (gone && !keep) continue;
        t->axis[t->rank] = gone ? NULL : from->axis[i];
        t->dim[t->rank++] = gone ? 1 : from->dim[i];
    }
    return n;
}

/* Bools are counted. */
static int reduce_infer(gr_ctx *c)
{
    gr_type t;
    if (reduced_type(c, &t) < 0) return -1;
    if (t.dtype == GR_BOOL) t.dtype = GR_INT32;
    return gr_set_output(c, 0, &t);
}

static int extremum_infer(gr_ctx *c)
{
    const gr_type *from = gr_in_type(c, 0);
    gr_type t;
    if (reduced_type(c, &t) < 0) return -1;
    if (gr_numel(from) == 0 && gr_numel(&t) > 0) return gr_fail(c, GR_AT_INPUT, "input", "%s has no element to choose from", op_type_text(c, from));
    return gr_set_output(c, 0, &t);
}

/* A value of the result's shape with the reduced axes put back as 1. */
static gr_val kept(gr_ctx *c, gr_val v)
{
    gr_type t = *gr_in_type(c, 0);
    const gr_attr *dims = gr_get(c, "dim");
    for (int64_t i = 0; i < dims->n; i++) t.dim[dims->ints[i] + t.rank] = 1;
    return op_reshape(c, v, t.rank, t.dim);
}

/* ---- gradients ---- */

static int sum_gradient(gr_ctx *c)
{
    gr_val g = kept(c, gr_grad(c, 0));
    const gr_type *t = gr_in_type(c, 0);
    return gr_set_grad(c, 0, 0, gr_emit(c, "Expand", NULL, 1, &g, "shape=%s", op_ints(c, t->rank, t->dim)));
}

/* The elements that equal the result share its gradient. */
static int extremum_gradient(gr_ctx *c)
{
    const gr_attr *dims = gr_get(c, "dim");
    gr_val is = gr_emit2(c, "Equal", gr_in(c, 0), kept(c, gr_out(c, 0)));
    is = gr_emit(c, "Cast", NULL, 1, &is, "dtype=float32");
    gr_val count = gr_emit(c, "Sum", NULL, 1, &is, "dim=%s, keepdim=true", op_ints(c, dims->n, dims->ints));
    return gr_set_grad(c, 0, 0, gr_emit2(c, "Mul", is, gr_emit2(c, "Div", kept(c, gr_grad(c, 0)), count)));
}

static int prod_gradient(gr_ctx *c)
{
    const gr_attr *dims = gr_get(c, "dim");
    gr_val in[2] = {gr_in(c, 0), kept(c, gr_grad(c, 0))};
    return gr_set_grad(c, 0, 0, gr_emit(c, "ProdGradient", NULL, 2, in, "dim=%s", op_ints(c, dims->n, dims->ints)));
}

static int prod_gradient_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int64_t dims[GR_MAX_RANK];
    int n = op_dims(c, "dim", t.rank, dims);
    if (n < 0) return -1;
    for (int i = 0; i < n; i++) t.dim[dims[i] + t.rank] = 1;
    if (gr_numel(&t) != gr_numel(gr_in_type(c, 1)))
        return gr_fail(c, GR_AT_INPUT, "grad_output", "grad_output must be shaped like the input with the axes of dim 1 long");
    return gr_set_output(c, 0, gr_in_type(c, 0));
}

/* The sum over T steps is a sum over one more axis. */
static int sum_accumulate(gr_ctx *c)
{
    const gr_attr *dims = gr_get(c, "dim");
    gr_val v = gr_in(c, 0);
    gr_type t = *gr_type_of(c, v);
    int64_t all[GR_MAX_RANK + 1];
    all[0] = -t.rank;
    memcpy(all + 1, dims->ints, sizeof *all * (size_t)dims->n);
    v = gr_emit(c, "Sum", NULL, 1, &v, "dim=%s, keepdim=false", op_ints(c, dims->n + 1, all));
    if (!gr_bool(c, "keepdim")) return gr_set_result(c, 0, v);
    for (int64_t i = 0; i < dims->n; i++) t.dim[dims->ints[i] + t.rank] = 1;
    return gr_set_result(c, 0, op_reshape(c, v, t.rank - 1, t.dim + 1));
}

/* ---- descriptors ---- */

static const gr_attr_spec reduce_attrs[] = {
    {"dim", GR_ATTR_INTS, "~", 0, 0, NULL, "An axis or several, negative from the end; absent: all."},
    {"keepdim", GR_ATTR_BOOL, "false", 0, 0, NULL, "Keep the reduced axes, with length 1."},
    OP_END};
static const gr_attr_spec dim_attrs[] = {{"dim", GR_ATTR_INTS, "~", 0, 0, NULL, "The axes of the product."}, OP_END};
static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]: without the reduced axes"}, OP_END};
static const gr_port prod_in[] = {{"input", 0, "[...]"}, {"grad_output", 0, "[...]: reduced axes kept as 1"}, OP_END};
static const gr_port prod_out[] = {{"grad_input", 0, "[...]"}, OP_END};

#define REALS(fn) (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {0, NULL}}
#define ALL(fn) (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {GR_INT32, fn##_whole}, {GR_BOOL, fn##_whole}, {0, NULL}}
#define REDUCTION(NAME, symbol, text, math, inference, derivative, fn, ...)                                          \
    extern const gr_op gr_op_##symbol;                                                                         \
    const gr_op gr_op_##symbol = {GR_OP_HEADER, .name = #NAME, .summary = text, .formula = math, .attrs = reduce_attrs, \
        .inputs = one, .outputs = output, .traits = GR_ROWWISE, .infer = inference, .gradient = derivative,  \
        .units = reduce_units, .flops = reduce_flops, .kernels = ALL(fn), .kind = "reductions",           \
        .example = OP_EXAMPLE_ONE(#NAME, ", dim: -1"), __VA_ARGS__};

REDUCTION(Sum, sum, "The sum over axes; of bools, how many are true.", "sum of input over dim", reduce_infer, sum_gradient, sum_run,
          .reference = "torch.sum", .role = GR_ROLE_REDUCE_SUM, .accumulate = sum_accumulate)
REDUCTION(Prod, prod, "The product over axes.", "product of input over dim", reduce_infer, prod_gradient, prod_run, .reference = "torch.prod")
REDUCTION(Max, max, "The largest over axes.", "max of input over dim", extremum_infer, extremum_gradient, max_run, .reference = "torch.amax")
REDUCTION(Min, min, "The smallest over axes.", "min of input over dim", extremum_infer, extremum_gradient, min_run, .reference = "torch.amin")

extern const gr_op gr_op_prod_gradient;
const gr_op gr_op_prod_gradient = {GR_OP_HEADER, .name = "ProdGradient",
    .formula = "grad_input = grad_output * product of the others over dim", .summary = "The gradient of Prod toward its input.",
    .attrs = dim_attrs, .inputs = prod_in, .outputs = prod_out, .infer = prod_gradient_infer, .kernels = REALS(prod_gradient_run),
    .kind = "internal"};
#endif
