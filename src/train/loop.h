/* loop.h - the training loop around the training step: epochs, reports, checkpoints. */
#ifndef GR_TRAIN_LOOP_H
#define GR_TRAIN_LOOP_H

#include "train/metrics.h"
#include "train/session.h"
#include <signal.h>

/* What training tells of itself now and then. */
typedef struct gr_train_report {
    const gr_meter *train;   /* what was trained since the report before; of no batches: nothing was */
    bool of_epoch;           /* an epoch is over, and `train` is of all of it */
    const gr_meter *valid;   /* of the split `valid`; NULL: it was not measured */
    int64_t epoch, step;
    const double *lr;        /* by rate of the recipe */
    double seconds;          /* in steps of this run, compiling left out */
    int64_t tokens;          /* that they read */
} gr_train_report;

typedef struct gr_train_options {
    int64_t epochs, steps;   /* in all, also after a resume: whichever comes first; both -1: as the model says */
    const char *save;        /* where weights go at the end; NULL: nowhere */
    const char *checkpoint;  /* likewise all states */
    int64_t report;          /* steps between reports, in place of one an epoch, unless the epoch ends in a validation; 0: as usual */
    int64_t validations;     /* so many, evenly spread over `steps`, the last at the end, and no other reports;
                                -1: none; 0: as the model says */
    int64_t every;           /* steps between checkpoints; 0: at the end alone */
    const char *resume;      /* checkpoint to go on from; NULL: from the beginning */
    const char *log;         /* JSON lines; NULL: none */
    bool quiet;              /* no progress, no notes */
    FILE *out;               /* reports as lines of text; NULL: nowhere */
    FILE *progress;          /* where progress goes: a bar if it is a terminal; NULL: nowhere */
    void (*reported)(void *data, const gr_session *s, const gr_train_report *r); /* gets every report; or NULL */
    void *data;
    const volatile sig_atomic_t *stop; /* set: finish the step, save, return; may be NULL */
} gr_train_options;

typedef struct gr_train_result {
    int64_t epochs, steps;   /* done in all, also where training failed */
    double loss;             /* mean of the last epoch or report */
    double seconds;          /* in steps of this run, compiling left out */
    int64_t tokens;          /* elements of the first integer field that these steps read */
    bool stopped;
    bool early;              /* ended because validations got no better */
    int64_t best_epoch, best_step; /* of the validation that was best; -1: none was watched */
    double best;             /* what it gave */
} gr_train_result;

/* Whether a `stop` was set, by a signal's handler or another thread; NULL: there is none. */
static inline bool gr_stop_asked(const volatile sig_atomic_t *stop) { return stop && __atomic_load_n(stop, __ATOMIC_RELAXED); }

/* Trains until done or stopped. GR_ESTATE with e filled where a value was not finite: the
 * message names the first. */
int gr_train(gr_session *s, const gr_train_options *o, gr_train_result *result, gr_error *e);

/* How many steps that is at most, of these bounds whichever comes first; -1: there is none. */
int64_t gr_train_steps(const gr_session *s, int64_t epochs, int64_t steps);

/* Elements of the first field of whole numbers that x reads; field NULL: 0. */
int64_t gr_count_tokens(const gr_exec *x, const gr_tensor *field);

/* Measures a split without changing a weight, or a state that training carries: the meter is
 * filled. stop, when set, ends it with what was measured so far; it may be NULL. */
int gr_evaluate(gr_session *s, const char *split, gr_meter *meter, const volatile sig_atomic_t *stop, gr_error *e);

/* Whether there is a split for the validations that the section `train` asks for; else a diagnostic says
 * that there is none. (validate.c) */
bool gr_check_validations(gr_session *s);

/* Runs the step of x again keeping every value, and says which was the first that is not
 * finite, and at which time step. Always fills e. (nonfinite.c) */
void gr_find_nonfinite(const gr_exec *x, int64_t step, gr_error *e);
#endif
