/* compare.h - which of several models is better for some data, and how sure that is.
 *
 * Every model is trained alike: on the same data in the same batches, for the same budget, once for each
 * of several seeds. A seed is the same order of data and, where shapes agree, the same initial weights for
 * all models, so that differences are taken seed by seed. What the file of a model says of its optimiser,
 * clipping and schedules is its own; `epochs`, `steps`, `early_stopping` and `valid_every` are not used.
 *
 * A budget of seconds or tokens is turned into steps before the first run: seconds by each model's measured
 * speed, tokens by counting those of the batches. From then on nothing depends on time, on the number of
 * threads, on how many runs are made side by side or on interruptions. */
#ifndef GR_TRAIN_COMPARE_H
#define GR_TRAIN_COMPARE_H

#include "train/comparison.h"
#include "train/session.h"
#include <signal.h>

#define GR_COMPARE_LEVEL 0.95
#define GR_COMPARE_STEPS 1000     /* at most, where no budget is given */
#define GR_COMPARE_POINTS 20      /* validations of a run */
#define GR_COMPARE_MAX_SEEDS 1000
#define GR_COMPARE_ROUND 0.15     /* seconds */
#define GR_TUNING_SEED 1000000    /* added to the first seed, for the runs that choose a learning rate */
#define GR_COMPARE_AUTO "auto"    /* x0.1, x0.3, x1, x3 */
#define GR_COMPARE_MAX_RATES 16
#define GR_COMPARE_MAX_VALUES 16

typedef struct gr_compare_options {
    const char *const *path; int num_models; /* model files */
    const char *const *const *sets; /* by model: "KEY=VALUE", NULL-ended, besides those of `session`; NULL: none */
    gr_session_options session; /* of all models: --set, --dtype, threads, the first seed */
    int64_t seeds;
    int64_t at_once;            /* runs side by side; 0: as many as there are threads */
    gr_budget budget;
    double amount;              /* 0: the first model's own steps, GR_COMPARE_STEPS at most */
    int64_t points;             /* validations of each run, the last at its end */
    const char *metric;         /* that is judged; NULL: what the first model keeps its best weights by, else
                                   its first metric, else the loss */
    const char *match;          /* var to scale so that parameters match; NULL: none */
    const char *tune;           /* learning rates to choose from: "0.01, 0.1", factors of the file's own:
                                   "x0.3, x1, x3", or GR_COMPARE_AUTO; NULL: the file's own */
    const char *sweep;          /* a var or dotted setting: all models are compared with each of its values; NULL: none */
    const char *const *value; int num_values; /* from 2 to GR_COMPARE_MAX_VALUES, none twice */
    const char *gradient;       /* a value of all models, [steps, batch, ...] or [batch, steps, ...]: how much of the loss's
                                   gradient reaches it at each step before training; NULL: not asked */
    bool allow_different_data;
    double round_seconds;       /* of each of the rounds in which speeds are measured; 0: they are not */
    const char *file;           /* where results go after every run, and what is gone on from; NULL: nowhere */
    const char *command, *date, *version; /* for the record */
    const volatile sig_atomic_t *stop; /* set: end the steps in hand, keep what is done; or NULL */
} gr_compare_options;

/* Why a comparison does not take what stands at a dotted key from the models' files, as in "train.epochs", so that it is not
 * to be swept, and what gives it instead; NULL: it does. */
const char *gr_compare_instead(const char *key);

/* All in `a`, which must outlive the result. *out is also filled where runs are missing because `stop` was
 * set: it is not `complete`. 0, or a status with e filled; runs that were done by then are in the file. */
int gr_compare(gr_arena *a, const gr_compare_options *o, gr_comparison **out, gr_error *e);

/* The mean of n numbers and its Student t interval. */
gr_estimate gr_estimate_of(const double *x, int n, double level);
/* The same of differences paired by seed, and the two-sided *p of their mean being 0 (n 1: NaN). low and high are also
 * NaN where all are the same, but not 0, and too few to tell that from chance. */
gr_estimate gr_estimate_of_differences(const double *x, int n, double level, double *p);
/* The length of the loss's gradient at the first step, the geometric mean over seeds: infinite where that of a seed
 * overflows, NaN where none was measured. */
double gr_gradient_at_first(const gr_comparison *c, const gr_contender *k);
/* The first contender before i whose runs are those of i to the bit, as of a model compared with itself; -1: there is none. */
int gr_compare_twin(const gr_comparison *c, int i);
/* What a sweep gave for value i, as a comparison of its own, in `a`; models have the names that they have for all
 * values. */
const gr_comparison *gr_comparison_at(gr_arena *a, const gr_comparison *c, int i);

/* Fills all that follows from the runs: `final` and `best` of runs and contenders, differences, verdicts,
 * whether it is complete. */
void gr_compare_judge(gr_comparison *c);

/* The learning rates that such a text as options.tune means where the file's own is `own`; rate has room for
 * GR_COMPARE_MAX_RATES. What is given twice counts once. Their number, or a status with e filled. */
int gr_compare_rates(const char *text, double own, double *rate, gr_error *e);

/* ---- compare_file.c: the comparison as a file ---- */
/* Beside and renamed, so that a whole file stands at `path` at any time. */
int gr_comparison_write(const gr_comparison *c, const char *path, gr_error *e);
/* 1, 0: there is no such file, or a status with e filled. Judged anew. */
int gr_comparison_read(gr_arena *a, const char *path, gr_comparison **out, gr_error *e);
#endif
