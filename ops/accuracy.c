/* accuracy.c - how often the largest logit is the target's. */
#include "metric.h"

static int accuracy_expand(gr_ctx *c)
{
    metric_rows r;
    if (metric_take_rows(c, &r) < 0) return -1;
    gr_val chosen = gr_emit(c, "ArgMax", NULL, 1, &r.input, "dim=-1");
    gr_val equal = gr_emit2(c, "Equal", chosen, r.target);
    gr_val right = gr_emit2(c, "Mul", gr_emit(c, "Cast", NULL, 1, &equal, "dtype=float32"), r.counted);
    return metric_set_ratio(c, gr_emit1(c, "Sum", right), gr_emit1(c, "Sum", r.counted));
}

static double accuracy_finish(const gr_sums *s) { return s->sum[0][0] / s->sum[1][0]; }

static const gr_metric accuracy_metric = {.size = sizeof(gr_metric), .finish = accuracy_finish,
                                          .larger_is_better = true, .counts = "ConfusionMatrix"};

const gr_op gr_op_accuracy = {
    GR_OP_HEADER,
    .name = "Accuracy", .reference = "sklearn.metrics.accuracy_score",
    .summary = "How often the largest logit is the target's.",
    .formula = "number of argmax(input) = target / number of targets",
    .attrs = metric_target_attrs,
    .inputs = metric_target_inputs,
    .outputs = metric_ratio_outputs,
    .traits = GR_METRIC,
    .expand = accuracy_expand,
    .data = &accuracy_metric,
    .example = METRIC_EXAMPLE("accuracy"),
};
