/* trainer.h - a training run at work; private to loop.c, checkpoint.c and validate.c.
 *
 * A position is (epoch, batch in it, piece of that, steps done, whether a validation is due). With the states
 * it is all that going on bit for bit needs: random numbers and the order of data are functions
 * of it and the seed. */
#ifndef GR_TRAIN_TRAINER_H
#define GR_TRAIN_TRAINER_H

#include "train/log.h"
#include "train/loop.h"
#include "train/pace.h"
#include "train/progress.h"
#include "train/watch.h"

typedef struct gr_trainer {
    gr_session *session;
    const gr_train_options *options;
    gr_train_result *result;
    gr_exec *exec;        /* for the batch last met */
    gr_meter *meter;      /* since the last report */
    gr_meter *valid;      /* of the split `valid`, NULL: there is none */
    gr_meter *whole;      /* of the whole epoch, where `meter` may be of a part or a learning rate watches it; else NULL */
    gr_watch *watch;      /* what is kept of validations; NULL: nothing */
    gr_progress progress;
    gr_log *log;
    double first;          /* loss of the first step of this run */
    int64_t epoch, batch, piece, step; /* piece: of the batch, that comes next */
    int64_t per_epoch;     /* batches */
    gr_tensor *fields;     /* room for a piece of a batch */
    int64_t valid_step;    /* of the last validation of this run; -1: none */
    bool valid_due;        /* a validation was begun and interrupted */
    bool data_moved;       /* a validation took the data source away from the split train */
    int64_t epochs, steps; /* where to end; -1: no bound */
    int64_t report;        /* steps between reports; 0: at the end of each epoch */
    gr_pace pace;
} gr_trainer;

/* checkpoint.c */
int gr_trainer_write_checkpoint(gr_trainer *t, gr_error *e);
/* Where the checkpoint that the session has loaded was made. */
int gr_trainer_read_position(gr_trainer *t, gr_error *e);
/* The rest of it, which needs the program. */
int gr_trainer_read_rest(gr_trainer *t, gr_error *e);

/* validate.c */
/* What the recipe asks of validations can be had. */
int gr_trainer_prepare_watch(gr_trainer *t, gr_error *e);
/* Whether one is made now, within an epoch or at the end of one. */
bool gr_trainer_is_valid_step(const gr_trainer *t);
bool gr_trainer_is_valid_epoch(const gr_trainer *t);
/* Measures the split `valid`, reports, and keeps what is best; of_epoch: at the end of one. */
int gr_trainer_validate(gr_trainer *t, bool of_epoch, gr_error *e);
/* The best weights in place of the last where they are wanted, and says so. */
int gr_trainer_take_best(gr_trainer *t, gr_error *e);

/* loop.c */
bool gr_trainer_stop_asked(const gr_trainer *t);
/* Tells the sums since the last report, or those of the epoch that is over, and begins new ones; valid may be NULL. */
void gr_trainer_report(gr_trainer *t, const gr_meter *valid, bool of_epoch);
#endif
