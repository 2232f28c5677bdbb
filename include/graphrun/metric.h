/* metric.h - what an op with the trait GR_METRIC says in its `data`.
 *
 * A metric is a composite op. Its outputs are either sums over one batch, scalars or tensors,
 * that batches add up element by element ("total", "count"), or one integer tensor that is
 * shown as text. */
#ifndef GRAPHRUN_METRIC_H
#define GRAPHRUN_METRIC_H

#include <graphrun/op.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_METRIC_MAX_SUMS 4

/* The outputs of a metric, added up over batches. */
typedef struct gr_sums {
    const gr_attr *attr;       /* of the metric, by position in op->attrs */
    const double *const *sum;  /* by output: its elements, row-major */
    const int64_t *size;       /* by output: how many */
} gr_sums;

/* What `choices` of an attribute of a metric may say, its targets being fed from a field of the
 * data source that has a vocabulary: a GR_ATTR_STRING is a class, by its number or its name, and
 * .i becomes its number; a GR_ATTR_INT that is left out is the number of this item, if it has it. */
#define GR_METRIC_CLASS "class"
#define GR_METRIC_EOS "<eos>"

typedef struct gr_metric {
    uint32_t size;  /* sizeof(gr_metric) */
    double (*finish)(const gr_sums *s); /* NULL: the output is shown through the vocabulary of
                                           the data source */
    bool larger_is_better;
    const char *counts; /* op of the same inputs, and attributes by the same names, whose output
                           [classes, classes] counts the targets of each class by what was chosen,
                           for the report of an evaluation; NULL: none */
} gr_metric;

#ifdef __cplusplus
}
#endif
#endif
