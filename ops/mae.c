/* mae.c - mean absolute error. */
#include "metric_error.h"

static int mae_expand(gr_ctx *c)
{
    metric_errors e;
    return metric_take_errors(c, &e) < 0 ? -1 : metric_set_errors(c, gr_emit1(c, "Abs", e.difference), e.count);
}

static double mae_finish(const gr_sums *s) { return s->sum[0][0] / s->sum[1][0]; }

static const gr_metric mae_metric = {.size = sizeof(gr_metric), .finish = mae_finish};

const gr_op gr_op_mae = {
    GR_OP_HEADER,
    .name = "MAE", .reference = "torch.nn.L1Loss; sklearn.metrics.mean_absolute_error",
    .summary = "Mean absolute error.",
    .formula = "mean(|input - target|)",
    .attrs = metric_error_attrs,
    .inputs = metric_error_inputs,
    .outputs = metric_error_outputs,
    .traits = GR_METRIC,
    .expand = mae_expand,
    .data = &mae_metric,
    .example = METRIC_ERROR_EXAMPLE("mae"),
};
