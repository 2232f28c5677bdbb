/* metric.h - what metrics of classes share: ports, and sums that leave ignored targets out. */
#ifndef GR_OPS_METRIC_H
#define GR_OPS_METRIC_H

#include <graphrun/metric.h>
#include <math.h>

/* What every metric of targets has, and how many that are; and what those of sequences have. */
#define METRIC_TARGET_SPECS {"ignore_index", GR_ATTR_INT, "-100", 0, 0, NULL, "Targets of this number do not count."}
enum { METRIC_TARGET_ATTRS = 1 };
#define METRIC_SEQUENCE_SPECS \
    METRIC_TARGET_SPECS, {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Targets are [batch, time], not [time, batch]."}

#define metric_target_attrs (const gr_attr_spec[]){METRIC_TARGET_SPECS, {0}}
#define metric_sequence_attrs (const gr_attr_spec[]){METRIC_SEQUENCE_SPECS, {0}}
#define metric_target_inputs                                                              \
    (const gr_port[]){{"input", 0, "[..., classes]: logits"},                             \
                      {"target", GR_PORT_INT, "[...]: number of the right class"}, {0}}
#define metric_ratio_outputs (const gr_port[]){{"total", 0, "[]: sum"}, {"count", 0, "[]: of how many"}, {0}}

/* 1 where a target counts, as a real number; [...] */
static inline gr_val metric_counted(gr_ctx *c)
{
    gr_val ignored = gr_emit(c, "Constant", NULL, 0, NULL, "value=%lld, dtype=int32", (long long)gr_int(c, "ignore_index"));
    gr_val counted = gr_emit2(c, "NotEqual", gr_in(c, 1), ignored);
    return gr_emit(c, "Cast", NULL, 1, &counted, "dtype=float32");
}

/* Which axis of the target is time; -1 after an error. */
static inline int metric_time_axis(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 1);
    if (t->rank == 0) return gr_fail(c, GR_AT_INPUT, "target", "the target is one number; a sequence has an axis of time");
    return t->rank > 1 && gr_bool(c, "batch_first") ? 1 : 0;
}

static inline int metric_set_ratio(gr_ctx *c, gr_val total, gr_val count)
{
    return gr_set_result(c, 0, total) || gr_set_result(c, 1, count) ? -1 : 0;
}

static inline int metric_likelihood_expand(gr_ctx *c)
{
    const gr_val in[2] = {gr_in(c, 0), gr_in(c, 1)};
    gr_val total = gr_emit(c, "CrossEntropyLoss", NULL, 2, in, "reduction=sum, ignore_index=%lld",
                           (long long)gr_int(c, "ignore_index"));
    return metric_set_ratio(c, total, gr_emit1(c, "Sum", metric_counted(c)));
}

#endif
