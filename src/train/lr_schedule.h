/* lr_schedule.h - how a learning rate changes while a model is trained.
 *
 * A schedule is a descriptor in one table. Nearly all are functions of a position k, the number
 * of epochs (or of updates, `by: step`) that have been made before: a closed form that agrees
 * with the class of torch.optim.lr_scheduler after k calls of its step(). The one that watches
 * a measurement has a state, gr_plateau, that each measurement changes. */
#ifndef GR_TRAIN_LR_SCHEDULE_H
#define GR_TRAIN_LR_SCHEDULE_H

#include "base/arena.h"
#include <graphrun/op.h>

typedef struct gr_lr_schedule {
    const char *name, *summary, *formula, *reference;
    const gr_attr_spec *attrs; /* its own, besides lr, by and warmup; ends with name NULL */
    const char *lr;            /* default of `lr`; NULL: the optimiser's */
    const char *lr_alias;      /* what PyTorch calls `lr` here, also accepted; NULL: nothing else */
    const char *example;       /* a model file that uses it, as gr_op's */
    bool watches;              /* has a gr_plateau, and no position */
    /* The number at position k. attr: by position in attrs. NULL where it watches. */
    double (*at)(const gr_attr *attr, double lr, int64_t k);
    /* What is wrong with attributes that are right one by one, and *which of them is at fault.
     * NULL: nothing. The function may be NULL. */
    const char *(*wrong)(const gr_attr *attr, int *which);
} gr_lr_schedule;

extern const gr_lr_schedule gr_lr_schedules[]; /* ends with name NULL */
const gr_lr_schedule *gr_lr_schedule_find(const char *name); /* NULL: none is called so */

/* What its map may hold, ends with name NULL: first its own attributes; then `lr`, which is the optimiser's attribute, also
 * under PyTorch's name; `by` and `warmup`. s NULL: a number with a warm-up. */
const gr_attr_spec *gr_lr_schedule_specs(gr_arena *a, const gr_lr_schedule *s, const gr_attr_spec *lr);

/* What a schedule that watches has seen so far; all of it is in a checkpoint. */
typedef struct gr_plateau {
    double lr, best;
    int64_t bad, cooldown; /* measurements that were no better; how many more do not count */
} gr_plateau;

gr_plateau gr_plateau_start(const gr_attr *attr, double lr);
/* `value` was measured: of a validation or, where there is none, of an epoch. */
void gr_plateau_see(const gr_attr *attr, gr_plateau *p, double value);
/* Which metric is watched; NULL: the loss. */
const char *gr_plateau_metric(const gr_attr *attr);
#endif
