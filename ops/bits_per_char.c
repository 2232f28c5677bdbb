/* bits_per_char.c - mean negative log-likelihood of the targets, in bits. */
#include "metric.h"

static double bits_per_char_finish(const gr_sums *s) { return s->sum[0][0] / s->sum[1][0] / log(2); }

static const gr_metric bits_per_char_metric = {.size = sizeof(gr_metric), .finish = bits_per_char_finish};

const gr_op gr_op_bits_per_char = {
    GR_OP_HEADER,
    .name = "BitsPerChar", .reference = "Graves, Generating Sequences With Recurrent Neural Networks, 2013",
    .summary = "Mean negative log-likelihood of the targets, in bits.",
    .formula = "sum of cross entropies / number of targets / log(2)",
    .attrs = metric_target_attrs,
    .inputs = metric_target_inputs,
    .outputs = metric_ratio_outputs,
    .traits = GR_METRIC,
    .expand = metric_likelihood_expand,
    .data = &bits_per_char_metric,
    .example = METRIC_EXAMPLE("bits_per_char"),
};
