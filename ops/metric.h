/* metric.h - what metrics of classes share: ports, and sums that leave ignored targets and
 * padding out. */
#ifndef GR_OPS_METRIC_H
#define GR_OPS_METRIC_H

#include "ragged.h"
#include "util.h"

#include <graphrun/metric.h>
#include <math.h>

#define METRIC_TARGET_SPECS \
    {"ignore_index", GR_ATTR_INT, "-100", 0, 0, NULL, "Targets of this number do not count."}, \
    {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "Targets are [batch, time, ...], not [time, batch, ...]."}
enum { METRIC_TARGET_ATTRS = 2 };

#define metric_target_attrs (const gr_attr_spec[]){METRIC_TARGET_SPECS, {0}}
#define metric_target_inputs                                                              \
    (const gr_port[]){{"input", 0, "[..., classes]: logits"},                             \
                      {"target", GR_PORT_INT, "[...]: number of the right class"}, RAGGED_PORT, {0}}
#define metric_ratio_outputs (const gr_port[]){{"total", 0, "[]: sum"}, {"count", 0, "[]: of how many"}, {0}}

/* Its inputs without padding, which has targets that do not count, and which targets count. */
typedef struct metric_rows {
    gr_val input, target;
    gr_val counted; /* 1 or 0, as a real number; [...] */
} metric_rows;

/* Each row of logits has the number of one class. */
static inline int metric_check_target(gr_ctx *c)
{
    const gr_type *in = gr_in_type(c, 0), *t = gr_in_type(c, 1);
    bool same = t->rank == in->rank - 1;
    for (int k = 0; same && k < t->rank; k++) same = t->dim[k] == in->dim[k];
    if (same && !gr_is_float(t->dtype)) return 0;
    return gr_fail(c, GR_AT_INPUT, "target", "%s compares numbers of classes: logits %s need a target int32 of the same axes without "
                   "the last, not %s", gr_self(c)->name, op_type_text(c, in), op_type_text(c, t));
}

static inline int metric_take_rows(gr_ctx *c, metric_rows *r)
{
    if (metric_check_target(c) < 0) return -1;
    gr_val real, ignored = gr_emit(c, "Constant", NULL, 0, NULL, "value=%lld, dtype=int32", (long long)gr_int(c, "ignore_index"));
    if (op_real_steps(c, 1, &real) < 0) return -1;
    r->input = op_only_real(c, real, gr_in(c, 0), NULL);
    r->target = op_only_real(c, real, gr_in(c, 1), ignored);
    gr_val counted = gr_emit2(c, "NotEqual", r->target, ignored);
    r->counted = gr_emit(c, "Cast", NULL, 1, &counted, "dtype=float32");
    return 0;
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
    metric_rows r;
    if (metric_take_rows(c, &r) < 0) return -1;
    const gr_val in[2] = {r.input, r.target};
    gr_val total = gr_emit(c, "CrossEntropyLoss", NULL, 2, in, "reduction=sum, ignore_index=%lld",
                           (long long)gr_int(c, "ignore_index"));
    return metric_set_ratio(c, total, gr_emit1(c, "Sum", r.counted));
}

#endif
