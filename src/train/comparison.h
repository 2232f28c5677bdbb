/* comparison.h - models trained on the same data, and how sure it is which is better: plain data.
 *
 * train/compare.h fills it; its file as JSON is what a comparison goes on from (compare_file.h); reports
 * only read it. A number that is not known is NaN (JSON: null). All memory belongs to one arena. */
#ifndef GR_TRAIN_COMPARISON_H
#define GR_TRAIN_COMPARISON_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* One place of a curve: a validation, and what was trained since the one before. */
typedef struct gr_trial_point {
    int64_t step;         /* training steps made so far */
    int64_t tokens;       /* that they read; 0: the data have no field of whole numbers */
    double seconds;       /* that they took, with the other runs beside this one: no fair measure of
                             a model's speed, for which step * seconds_per_step of the contender stands */
    double train_loss;    /* mean since the point before */
    const double *valid;  /* by metric of the comparison, of the split `valid` */
} gr_trial_point;

typedef enum gr_trial_status {
    GR_TRIAL_WAITING,       /* not made, or interrupted */
    GR_TRIAL_DONE,
    GR_TRIAL_DIVERGED,      /* a value was not finite: training ended there, or the metric is none */
} gr_trial_status;

/* One training of one model. */
typedef struct gr_trial {
    uint64_t seed;        /* of initial weights, order of the data and Dropout */
    double lr;            /* the optimiser's learning rate (where a schedule begins) */
    gr_trial_status status;
    bool ended;           /* training came to its end */
    const char *why;      /* it diverged; else "" */
    const gr_trial_point *point; int num_points; /* of a run that diverged those before */
    int64_t steps, tokens; double seconds; /* made so far: of a run that waits, before it was interrupted */
    double final, best;   /* of the metric that is judged; NaN unless done */
    int64_t best_step;
} gr_trial;

/* A mean over seeds with its Student t interval. */
typedef struct gr_estimate {
    int n;                /* seeds that gave a number */
    double mean, low, high; /* n 1: low and high are NaN, of one seed nothing is known of the others; n 0: all are; of
                               differences also where few seeds all gave the same */
    bool equal;           /* n above 1, and all of them gave the same: without a spread low and high, which are the mean,
                             say nothing of other seeds */
} gr_estimate;

typedef enum gr_verdict {
    GR_VERDICT_NONE,      /* cannot be said: fewer than two seeds, or some diverged; `why` says which */
    GR_VERDICT_NO,        /* the interval holds 0, or there is none */
    GR_VERDICT_BETTER, GR_VERDICT_WORSE, /* than the first model, significantly */
} gr_verdict;

/* Of a contender to the first, paired by seed: the mean of (its number - the first's). */
typedef struct gr_difference {
    gr_estimate of;       /* interval at the level 1 - (1 - level) / comparisons (Bonferroni), so that all
                             intervals together hold with `level` */
    double p;             /* two-sided, times the number of comparisons, at most 1 */
    gr_verdict verdict;
    const char *why;      /* there is none; else "" */
} gr_difference;

/* What an attention looked at: value[(row * heads + head) * columns + column], each row of a head sums to 1 as a rule. */
typedef struct gr_attention_map {
    const char *name;     /* of the value, as in the model: "decoder.look.weights" */
    const char *prompt;   /* the text it is of; "": the first example of the split `valid` */
    uint64_t seed;        /* of the run whose weights these are */
    int rows, heads, columns;
    const char *const *row;    /* target tokens, or NULL: by number */
    const char *const *column; /* source tokens, or NULL: by number */
    const double *value;
} gr_attention_map;

typedef struct gr_contender {
    const char *name;     /* of the model, with its own settings and the value of a sweep; made unique */
    const char *model;    /* without the value: the same for all values */
    const char *path;     /* as given on the command line */
    const char *doc;      /* the file's `doc:`, or "" */
    const char *yaml;     /* the file's text */
    const char *const *sets; int num_sets; /* "KEY=VALUE" put in its place: --set, the value of a sweep, and the matched var */
    const char *key;      /* a hash of all that its runs depend on, apart from seed and learning rate */
    int64_t parameters;   /* numbers that are trained */
    int64_t memory;       /* bytes of a training step in all: parameters, moments, arena, inputs, results */
    const char *matched;  /* --match-parameters: the var that was scaled; NULL: none was */
    int64_t matched_from, matched_to; /* its values before and after */
    int64_t steps;        /* of every run: the budget in this model's steps */
    double tokens_per_second, seconds_per_step; /* trained alone on `threads` threads, median of interleaved rounds */
    double own_lr, lr;    /* the file's, and the one that the runs have */
    gr_trial *grid; int num_grid; /* --tune-lr: one run for each learning rate, of the seed tuning_seed */
    gr_trial *trial; /* by seed, num_seeds of the comparison */
    int diverged;         /* runs that did */
    gr_estimate final, best; /* level `level`; over the runs that are done */
    gr_difference difference; /* of what is judged, to the first of the same value; of the first itself n is 0 */
    const gr_attention_map *attention; int num_attention;
    int num_gradient;     /* steps of the value toward which gradients were measured; 0: none was */
    double *gradient;     /* [seed][step]: the length of the loss's gradient there before training */
} gr_contender;

typedef enum gr_budget { GR_BUDGET_STEPS, GR_BUDGET_SECONDS, GR_BUDGET_TOKENS } gr_budget;

typedef struct gr_comparison {
    const char *command;  /* the command line that made it */
    const char *date;     /* of the last run, as the caller gave it: "2026-11-21 17:30 UTC" */
    const char *version, *kernel, *cpu; /* of graphrun; as gr_kernel_name() has it; the processor's name */
    const char *dtype;    /* "float32" */
    int threads;          /* that a model alone was measured with, and that runs shared */
    int at_once;          /* runs side by side, each on one thread; 1: each on all threads */
    gr_budget budget;
    double amount;        /* of it: steps, seconds or tokens */
    bool same_data;       /* false: --allow-different-data, and they differ */
    const char *different; /* in what; "" */
    const char *data;     /* the data section of the first model, as in its file */
    const char *const *metric; int num_metrics; /* "loss", then those that all models have */
    int judged;           /* which of them */
    bool larger;          /* of it is better */
    bool by_best;         /* the best validation is judged, as the first model keeps its best weights; else the last */
    double level;         /* 0.95 */
    int num_seeds;
    const uint64_t *seed;
    int points;           /* validations of a run */
    bool tuned;           /* learning rates were chosen */
    uint64_t tuning_seed; /* none of `seed` */
    bool complete;        /* all runs are done or diverged, and gradients measured where they were asked for */
    const char *sweep;    /* the var or setting that is swept; NULL: none is */
    const char *const *value; int num_values; /* of it */
    int at;               /* the only one that this comparison has, of gr_comparison_at(); -1: it has all. Without a sweep: 0 */
    const char *gradient; /* the value of the models toward which the loss's gradient was measured; NULL: none */
    gr_contender *contender; int num_contenders; /* of a sweep all models with its first value, then with the next ... */
} gr_comparison;

static inline int gr_comparison_values(const gr_comparison *c) { return c->sweep && c->at < 0 ? c->num_values : 1; }
static inline int gr_comparison_models(const gr_comparison *c) { return c->num_contenders / gr_comparison_values(c); }

#endif
