/* metrics.h - what is measured beside the loss.
 *
 * A metric is an op (trait GR_METRIC) whose outputs are sums that batches add up, and
 * whose gr_metric says what the sums mean; or one whose only output is shown as text
 * through the vocabulary of the data source. It is part of the graph, so that it runs
 * on the workers and reads no value twice. */
#ifndef GR_TRAIN_METRICS_H
#define GR_TRAIN_METRICS_H

#include "train/loss.h"
#include "train/session.h"
#include <graphrun/metric.h>

/* Attributes that name a class, or an item of the vocabulary, become its number (metric.h). */
void gr_metrics_resolve(gr_session *s);
/* The names of the classes of x's targets: those of the field that they are fed from. NULL: it has none. */
const char *const *gr_metric_classes(const gr_session *s, const gr_metric_spec *x, int *count);

/* Of more classes the square of their number is not counted. */
#define GR_MAX_COUNTED_CLASSES 1000
/* Adds the recipe's metrics to a typed graph, as results; with `counts` also what was taken for
 * what, by class (gr_metric.counts). -1 after a diagnostic. */
int gr_metrics_emit(const gr_recipe *r, gr_graph *root, bool counts);

#define GR_METRIC_TEXT 256

/* An output of a metric, added up element by element. */
typedef struct gr_meter_sum {
    int64_t size;   /* 0 until first met */
    double *value;
} gr_meter_sum;

/* A term of a loss: factor times the mean of `count` elements. */
typedef struct gr_meter_term { int loss; double factor, sum, count; } gr_meter_term;

/* What has been seen since gr_meter_clear: the loss and every metric. */
typedef struct gr_meter {
    int64_t batches;
    const gr_recipe *recipe;
    int num_terms;
    gr_meter_term term[GR_LOSS_TERMS]; /* of the loss */
    int num_metrics;
    gr_meter_sum (*sum)[GR_METRIC_MAX_SUMS]; /* by metric */
    gr_meter_sum *counts;            /* by metric: [classes, classes], targets by what was chosen */
    bool count_classes;              /* asks an evaluation for them */
    int64_t examples;                /* of an evaluation: rows of the axis `batch`; 0: no axis is called so */
    gr_tensor *room;                 /* of an evaluation, for the fields of a piece */
    char (*text)[GR_METRIC_TEXT];    /* by metric: of the last batch; "" where it is a number */
} gr_meter;

gr_meter *gr_meter_create(gr_session *s);
void gr_meter_clear(gr_meter *m);
/* Adds what the last run of x gave. Allocates nothing after the first time. */
void gr_meter_add(gr_meter *m, const gr_exec *x);
double gr_meter_loss(const gr_meter *m);
/* Of several losses the one of that number, without its weight. */
double gr_meter_part(const gr_meter *m, int loss);
/* A sum of so many elements: zeros unless it is of as many already. */
void gr_meter_size(gr_arena *a, gr_meter_sum *sum, int64_t size);
double gr_meter_value(const gr_meter *m, const gr_recipe *r, int metric);
/* "loss 1.234  perplexity 3.43  decode \"ohlol\"" */
void gr_meter_print(const gr_meter *m, const gr_recipe *r, char *to, size_t size);
#endif
