/* pace.h - at which learning rate, and after how many batches, parameters are updated.
 *
 * An update is made of the gradients of `accumulate` batches (1 unless said otherwise); what is
 * left over at the end of an epoch makes an update of its own, unless an epoch has fewer batches
 * than that: then the next epoch goes on. Schedules count the updates or the epochs before. */
#ifndef GR_TRAIN_PACE_H
#define GR_TRAIN_PACE_H

#include "train/metrics.h"
#include "train/session.h"

typedef struct gr_pace {
    const gr_recipe *recipe;
    int64_t updates;     /* made so far */
    int64_t pending;     /* batches since the last one */
    bool last;           /* the step in hand makes an update */
    double *lr;          /* by rate of the recipe: what the step in hand is made with */
    gr_plateau *plateau; /* by rate: of those whose schedule watches */
} gr_pace;

gr_pace gr_pace_start(gr_arena *a, const gr_recipe *r);
/* The rates of a step in that epoch, into p->lr and x, and whether it makes an update; ends_epoch:
 * it is the last of the epoch, which has so many steps. */
void gr_pace_set(gr_pace *p, gr_exec *x, int64_t epoch, bool ends_epoch, int64_t per_epoch);
/* The step was made. */
void gr_pace_step(gr_pace *p);
/* A validation was made or, where there is no split `valid`, an epoch is over: what was measured. */
void gr_pace_see(gr_pace *p, const gr_meter *of);
/* Whether a rate depends on what is measured. */
bool gr_pace_watches(const gr_pace *p);
/* For a checkpoint, and back; nothing is lost. */
const char *gr_pace_text(gr_arena *a, const gr_pace *p);
void gr_pace_from_text(gr_pace *p, const char *text);
#endif
