/* compare_work.h - a comparison being made; private to compare*.c.
 *
 *     open     every model: what it is, whether its data are the others', its speed
 *     recall   runs that the file of an earlier comparison has already
 *     tune     runs that choose learning rates
 *     run      the others, several side by side
 *
 * The comparison and its arena are guarded by `lock` while runs are made. */
#ifndef GR_TRAIN_COMPARE_WORK_H
#define GR_TRAIN_COMPARE_WORK_H

#include "train/compare.h"
#include "train/loop.h"
#include "train/progress.h"
#include <pthread.h>

/* What a model's data are, a line a fact, the batches by their contents: the same whatever the order of axes;
 * `ordered` is of the batches as they are. */
typedef struct gr_data_traits { const char **line; int count, cap; uint64_t ordered; } gr_data_traits;

/* Files of a model's data and plugins, and what they held when it was added. */
typedef struct gr_used_file { const char *path; uint64_t digest; } gr_used_file;
typedef struct gr_used_files { gr_used_file *item; int count, cap; } gr_used_files;

/* A run to be made. */
typedef struct gr_job {
    int contender;
    gr_trial *trial;
    bool shows;            /* attention is looked at afterwards */
} gr_job;

typedef struct gr_compare_work {
    gr_arena *arena;
    const gr_compare_options *options;
    gr_comparison *c;
    gr_session **open;     /* by contender; NULL once speeds are measured */
    gr_data_traits *traits; /* by contender */
    gr_used_files *files;  /* by contender */
    gr_comparison *before; /* what the file held; NULL: there was none */
    bool settled;          /* learning rates are known */
    pthread_mutex_t lock;
    gr_job *job; int num_jobs, next, done, left; /* left: of all phases together */
    gr_progress progress;
    int64_t steps_made;    /* of all runs */
    gr_error error;        /* the first that ended the work */
    const char *lock_path; int lock_fd; /* of the file of results; -1: it is not locked */
} gr_compare_work;

#define GR_COMPARE_MOST_BYTES ((size_t)16 << 20) /* of a model file */
#define GR_COMPARE_MOST_RESULTS ((size_t)1 << 30) /* bytes of a file of results */

/* A run of which nothing is made. */
static inline gr_trial gr_trial_waiting(uint64_t seed, double lr)
{
    return (gr_trial){.seed = seed, .lr = lr, .why = "", .final = NAN, .best = NAN, .best_step = -1};
}

/* The contender that i is compared with: the first model with the same value of a sweep. */
static inline int gr_compare_first(const gr_comparison *c, int i) { return i - i % gr_comparison_models(c); }

static inline bool gr_compare_stopped(const gr_compare_work *w) { return gr_stop_asked(w->options->stop); }

/* splitmix64 (Steele, Lea, Flood 2014): numbers that are alike give others that are not. */
static inline uint64_t gr_mixed(uint64_t z)
{
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Options of a session of contender i, for that many threads. Its model is the text that its file had when it was added,
 * from the file itself until then. */
gr_session_options gr_compare_session(const gr_compare_work *w, int i, int threads);

/* compare_data.c */
int gr_data_traits_of(gr_session *s, gr_arena *a, gr_data_traits *to, gr_error *e);
/* In what contender i's data differ from those of the first of its value, in words; NULL: they do not. */
const char *gr_data_difference(const gr_compare_work *w, int i);
/* Steps of training program x until so many tokens were read; 0 with e filled. */
int64_t gr_steps_of_tokens(const gr_exec *x, double tokens, gr_error *e);

/* compare_key.c */
uint64_t gr_hash_bytes(uint64_t h, const char *bytes, size_t n);
/* A hash of all that the numbers of contender i's runs depend on, but seed and learning rate. */
void gr_compare_key(gr_compare_work *w, int i);

/* compare_files.c */
int gr_compare_note_files(gr_compare_work *w, int i, gr_error *e); /* what the files of contender i, which is open, hold */
int gr_compare_check_files(const gr_compare_work *w, int i, gr_error *e); /* that they hold the same still; by any thread */

/* compare_lock.c: keeps other comparisons from the file of results. */
int gr_compare_lock(gr_compare_work *w, gr_error *e);
void gr_compare_unlock(gr_compare_work *w);

/* compare_sweep.c: that what is swept changes the models, which are open. */
int gr_compare_check_sweep(gr_compare_work *w, gr_error *e);
/* After a model could not be opened: what stands in place of a var that it has not, where that is known. */
int gr_compare_explain_sweep(const gr_compare_work *w, gr_error *e);

/* compare_match.c: scales the var of all models but the first and adds it to their `sets`. */
int gr_compare_match(gr_compare_work *w, gr_error *e);
/* Numbers that are trained, of an open session; -1 with e filled. */
int64_t gr_count_parameters(gr_session *s, gr_error *e);

/* compare_metric.c: which metrics all models have, and which is judged. */
int gr_compare_metrics(gr_compare_work *w, gr_error *e);
/* Metric i of the comparison; NaN: the model has none of that name. */
double gr_compare_metric(const gr_comparison *c, int i, const gr_session *s, const gr_meter *m);

/* compare_speed.c: fills speeds of those that have none. */
enum { GR_SPEED_LEAST = 5, GR_SPEED_ROUNDS = 20 }; /* rounds of a model at least, and at most */
#define GR_SPEED_ALIKE 1.1                         /* times the fastest round: alike */
int gr_compare_speed(gr_compare_work *w, gr_error *e);
/* How many of n rounds, at most GR_SPEED_ROUNDS, are alike to the fastest, and the median of their seconds a step. */
int gr_rounds_agree(const double *per_step, int n, double *median_of_these);

/* compare_tune.c */
int gr_compare_grid(gr_compare_work *w, gr_error *e);  /* the runs that are to be made */
int gr_compare_choose(gr_compare_work *w, gr_error *e); /* when they are made */

/* compare_attention.c: where the session's model looks, with the weights that it has; in its arena. Their number. */
int gr_compare_look(gr_session *s, const gr_attention_map **maps);

/* compare_gradient.c: how much of the loss's gradient reaches each step, of all that do not know it yet. */
int gr_compare_gradients(gr_compare_work *w, gr_error *e);

/* compare_run.c: makes the jobs, several side by side. */
int gr_compare_run(gr_compare_work *w, gr_error *e);

/* compare_recall.c: the file of before; and what of it still holds, for all that is not known yet. */
int gr_compare_read_before(gr_compare_work *w, gr_error *e);
void gr_compare_recall(gr_compare_work *w);
/* How many contenders before k have its key: a model may be compared with itself. */
int gr_compare_ordinal(const gr_comparison *c, const gr_contender *k);
void gr_compare_tell_recalled(const gr_compare_work *w); /* on standard error: how much that is, and what is made again */
/* Where the file holds runs that have no place in this comparison, of which it is about to be written over: copies it. */
int gr_compare_keep_before(gr_compare_work *w, gr_error *e);
#endif
