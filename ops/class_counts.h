/* class_counts.h - what is counted class by class: chosen and right classes as rows of zeros
 * with a 1 in them, all zero where a target does not count. */
#ifndef GR_OPS_CLASS_COUNTS_H
#define GR_OPS_CLASS_COUNTS_H

#include "metric.h"

typedef struct class_counts {
    gr_val chosen, target; /* [rows, classes] */
} class_counts;

static inline int class_counts_emit(gr_ctx *c, class_counts *k)
{
    metric_rows r;
    if (metric_take_rows(c, &r) < 0) return -1;
    gr_val row = r.counted;
    const gr_type *t = gr_in_type(c, 0);
    long long classes = t->rank ? (long long)t->dim[t->rank - 1] : 0;
    gr_val chosen = gr_emit(c, "ArgMax", NULL, 1, &r.input, "dim=-1");
    gr_val counted = gr_emit(c, "Cast", NULL, 1, &row, "dtype=int32");
    gr_val target = gr_emit2(c, "Mul", r.target, counted); /* what does not count may be no class */
    row = gr_emit(c, "Reshape", NULL, 1, &row, "shape=[-1, 1]");
    chosen = gr_emit(c, "Reshape", NULL, 1, &chosen, "shape=[-1]");
    target = gr_emit(c, "Reshape", NULL, 1, &target, "shape=[-1]");
    chosen = gr_emit(c, "OneHot", NULL, 1, &chosen, "num_classes=%lld", classes);
    target = gr_emit(c, "OneHot", NULL, 1, &target, "num_classes=%lld", classes);
    *k = (class_counts){gr_emit2(c, "Mul", chosen, row), gr_emit2(c, "Mul", target, row)};
    return 0;
}

#endif
