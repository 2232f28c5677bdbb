/* metric_error.h - what metrics of real targets share. */
#ifndef GR_OPS_METRIC_ERROR_H
#define GR_OPS_METRIC_ERROR_H

#include <graphrun/metric.h>
#include <math.h>

#define metric_error_inputs (const gr_port[]){{"input", 0, "[...]: predictions"}, {"target", 0, "[...]: what is right"}, {0}}
#define metric_error_outputs (const gr_port[]){{"total", 0, "[]: sum"}, {"count", 0, "[]: of how many"}, {0}}

static inline gr_val metric_difference(gr_ctx *c) { return gr_emit2(c, "Sub", gr_in(c, 0), gr_in(c, 1)); }

static inline int metric_error_expand(gr_ctx *c, gr_val errors)
{
    const gr_type *t = gr_type_of(c, errors);
    gr_val count = gr_emit(c, "Constant", NULL, 0, NULL, "value=%.17e", t ? (double)gr_numel(t) : 1);
    return gr_set_result(c, 0, gr_emit1(c, "Sum", errors)) || gr_set_result(c, 1, count) ? -1 : 0;
}

#endif
