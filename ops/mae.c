/* mae.c - mean absolute error. */
#include "metric_error.h"

static int mae_expand(gr_ctx *c) { return metric_error_expand(c, gr_emit1(c, "Abs", metric_difference(c))); }

static double mae_finish(const gr_sums *s) { return s->sum[0][0] / s->sum[1][0]; }

static const gr_metric mae_metric = {.size = sizeof(gr_metric), .finish = mae_finish};

const gr_op gr_op_mae = {
    GR_OP_HEADER,
    .name = "MAE",
    .summary = "Mean absolute error.",
    .formula = "mean(|input - target|)",
    .inputs = metric_error_inputs,
    .outputs = metric_error_outputs,
    .traits = GR_METRIC,
    .expand = mae_expand,
    .data = &mae_metric,
};
