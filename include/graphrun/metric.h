/* metric.h - what an op with the trait GR_METRIC says in its `data`.
 *
 * A metric is a composite op. Its outputs are either scalars, sums over one batch that
 * batches add up ("total", "count"), or one integer tensor that is shown as text. */
#ifndef GRAPHRUN_METRIC_H
#define GRAPHRUN_METRIC_H

#include <graphrun/op.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_METRIC_MAX_SUMS 4

typedef struct gr_metric {
    uint32_t size;  /* sizeof(gr_metric) */
    double (*finish)(const double *sums); /* of all batches, in the order of the outputs;
                                             NULL: the output is shown through the
                                             vocabulary of the data source */
} gr_metric;

#ifdef __cplusplus
}
#endif
#endif
