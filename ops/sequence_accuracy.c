/* sequence_accuracy.c - how often every step of a sequence is right. */
#include "metric.h"

static int sequence_accuracy_expand(gr_ctx *c)
{
    metric_rows r;
    int time = metric_time_axis(c);
    if (time < 0 || metric_take_rows(c, &r) < 0) return -1;
    gr_val chosen = gr_emit(c, "ArgMax", NULL, 1, &r.input, "dim=-1"), wrong = gr_emit2(c, "NotEqual", chosen, r.target);
    wrong = gr_emit2(c, "Mul", gr_emit(c, "Cast", NULL, 1, &wrong, "dtype=float32"), r.counted);
    gr_val any_wrong = gr_emit(c, "Max", NULL, 1, &wrong, "dim=%d", time);
    gr_val any = gr_emit(c, "Max", NULL, 1, &r.counted, "dim=%d", time); /* 0 where nothing of a sequence counts */
    return metric_set_ratio(c, gr_emit1(c, "Sum", gr_emit2(c, "Sub", any, any_wrong)), gr_emit1(c, "Sum", any));
}

static double sequence_accuracy_finish(const gr_sums *s) { return s->sum[0][0] / s->sum[1][0]; }

static const gr_metric sequence_accuracy_metric = {.size = sizeof(gr_metric), .finish = sequence_accuracy_finish,
                                                   .larger_is_better = true};

const gr_op gr_op_sequence_accuracy = {
    GR_OP_HEADER,
    .name = "SequenceAccuracy", .reference = "sklearn.metrics.accuracy_score of whole sequences; allennlp's SequenceAccuracy",
    .summary = "How often every step of a sequence is right.",
    .formula = "number of sequences with argmax(input) = target at every step that counts / number of sequences",
    .attrs = metric_target_attrs,
    .inputs = metric_target_inputs,
    .outputs = metric_ratio_outputs,
    .traits = GR_METRIC,
    .expand = sequence_accuracy_expand,
    .data = &sequence_accuracy_metric,
    .example = METRIC_SEQUENCE_EXAMPLE("sequence_accuracy"),
};
