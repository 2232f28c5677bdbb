/* rmse.c - root of the mean squared error. */
#include "metric_error.h"

static int rmse_expand(gr_ctx *c)
{
    metric_errors e;
    if (metric_take_errors(c, &e) < 0) return -1;
    return metric_set_errors(c, gr_emit2(c, "Mul", e.difference, e.difference), e.count);
}

static double rmse_finish(const gr_sums *s) { return sqrt(s->sum[0][0] / s->sum[1][0]); }

static const gr_metric rmse_metric = {.size = sizeof(gr_metric), .finish = rmse_finish};

const gr_op gr_op_rmse = {
    GR_OP_HEADER,
    .name = "RMSE", .reference = "sklearn.metrics.root_mean_squared_error",
    .summary = "Root of the mean squared error.",
    .formula = "sqrt(mean((input - target)^2))",
    .attrs = metric_error_attrs,
    .inputs = metric_error_inputs,
    .outputs = metric_error_outputs,
    .traits = GR_METRIC,
    .expand = rmse_expand,
    .data = &rmse_metric,
    .example = METRIC_ERROR_EXAMPLE("rmse"),
};
