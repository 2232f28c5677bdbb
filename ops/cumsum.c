/* cumsum.c - running sums. A unit is one line along dim. */
#ifdef REAL

static void NAME(cumsum_run)(const gr_call *call)
{
    op_lines l = op_lines_of(&call->out[0], call->attr[0].i);
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t at = op_line_start(&l, u);
        const REAL *in = (const REAL *)call->in[0].data + at;
        REAL *out = (REAL *)call->out[0].data + at, sum = 0;
        for (int64_t i = 0; i < l.n; i++) out[i * l.step] = sum += in[i * l.step];
    }
}

#else
#include "util.h"

#define GR_KERNELS "cumsum.c"
#include <graphrun/each_real.h>

static void cumsum_run_whole(const gr_call *call)
{
    op_lines l = op_lines_of(&call->out[0], call->attr[0].i);
    bool flags = call->in[0].dtype == GR_BOOL;
    for (int64_t u = call->begin; u < call->end; u++) {
        int64_t at = op_line_start(&l, u), sum = 0;
        for (int64_t i = 0; i < l.n; i++, at += l.step) {
            sum += flags ? ((const uint8_t *)call->in[0].data)[at] : ((const int32_t *)call->in[0].data)[at];
            ((int32_t *)call->out[0].data)[at] = (int32_t)sum;
        }
    }
}

/* Bools are counted. */
static int cumsum_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    int d = op_dim(c, "dim", gr_int(c, "dim"), t.rank, 0);
    if (d < 0) return -1;
    gr_set_attr_int(c, "dim", d - t.rank);
    if (t.dtype == GR_BOOL) t.dtype = GR_INT32;
    return gr_set_output(c, 0, &t);
}

static int64_t cumsum_units(const gr_call *call)
{
    op_lines l = op_lines_of(&call->out[0], call->attr[0].i);
    return l.count;
}

/* Element i is in all sums from i on: the running sum from the other end. */
static int cumsum_gradient(gr_ctx *c)
{
    int d = (int)gr_int(c, "dim");
    gr_val g = gr_grad(c, 0);
    g = gr_emit(c, "Flip", NULL, 1, &g, "dims=%d", d);
    g = gr_emit(c, "CumSum", NULL, 1, &g, "dim=%d", d);
    return gr_set_grad(c, 0, 0, gr_emit(c, "Flip", NULL, 1, &g, "dims=%d", d));
}

static const gr_attr_spec attrs[] = {{"dim", GR_ATTR_INT, NULL, 0, 0, NULL, "The axis."}, OP_END};
static const gr_port inputs[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port outputs[] = {{"output", 0, "[...]"}, OP_END};

extern const gr_op gr_op_cum_sum;
const gr_op gr_op_cum_sum = {GR_OP_HEADER, .name = "CumSum",
    .formula = "output[.., i, ..] = sum of input[.., k, ..] over k = 0 .. i", .summary = "Running sums along an axis.", .reference = "torch.cumsum",
    .attrs = attrs, .inputs = inputs, .outputs = outputs, .traits = GR_ROWWISE, .infer = cumsum_infer, .gradient = cumsum_gradient,
    .units = cumsum_units, .kernels = (const gr_kernel[]){{GR_FLOAT32, cumsum_run_f32}, {GR_FLOAT64, cumsum_run_f64}, {GR_INT32, cumsum_run_whole}, {0, NULL}},
    .kind = "reductions",
    .example = OP_X
               "  y: {op: CumSum, in: x, dim: -1}\n"};
#endif
