/* metric_error.h - what metrics of real targets share. */
#ifndef GR_OPS_METRIC_ERROR_H
#define GR_OPS_METRIC_ERROR_H

#include "example.h"
#include "ragged.h"

#include <graphrun/metric.h>
#include <math.h>

#define metric_error_inputs (const gr_port[]){{"input", 0, "[...]: predictions"}, {"target", 0, "[...]: what is right"}, RAGGED_PORT, {0}}
#define metric_error_attrs (const gr_attr_spec[]){RAGGED_ATTR, {0}}
#define metric_error_outputs (const gr_port[]){{"total", 0, "[]: sum"}, {"count", 0, "[]: of how many"}, {0}}

/* input - target, 0 in padding, and how many are real. */
typedef struct metric_errors { gr_val difference, count; } metric_errors;

static inline int metric_take_errors(gr_ctx *c, metric_errors *e)
{
    gr_val real;
    if (op_real_steps(c, 0, &real) < 0) return -1;
    e->difference = gr_emit2(c, "Sub", op_only_real(c, real, gr_in(c, 0), NULL), op_only_real(c, real, gr_in(c, 1), NULL));
    const gr_type *t = gr_type_of(c, e->difference);
    e->count = real ? op_count_real(c, real, t) : gr_emit(c, "Constant", NULL, 0, NULL, "value=%.17e", (double)gr_numel(t));
    return 0;
}

static inline int metric_set_errors(gr_ctx *c, gr_val errors, gr_val count)
{
    return gr_set_result(c, 0, gr_emit1(c, "Sum", errors)) || gr_set_result(c, 1, count) ? -1 : 0;
}

#endif
