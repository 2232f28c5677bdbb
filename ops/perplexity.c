/* perplexity.c - e to the mean negative log-likelihood of the targets. */
#include "metric.h"

static double perplexity_finish(const gr_sums *s) { return exp(s->sum[0][0] / s->sum[1][0]); }

static const gr_metric perplexity_metric = {.size = sizeof(gr_metric), .finish = perplexity_finish};

const gr_op gr_op_perplexity = {
    GR_OP_HEADER,
    .name = "Perplexity", .reference = "Jelinek et al., Perplexity: a measure of the difficulty of speech recognition tasks, 1977",
    .summary = "e to the mean negative log-likelihood of the targets.",
    .formula = "exp(sum of cross entropies / number of targets)",
    .attrs = metric_target_attrs,
    .inputs = metric_target_inputs,
    .outputs = metric_ratio_outputs,
    .traits = GR_METRIC,
    .expand = metric_likelihood_expand,
    .data = &perplexity_metric,
    .example = METRIC_EXAMPLE("perplexity"),
};
