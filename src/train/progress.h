/* progress.h - how far training is: a bar on a terminal, a line now and then elsewhere,
 * and JSON lines in a log. */
#ifndef GR_TRAIN_PROGRESS_H
#define GR_TRAIN_PROGRESS_H

#include "base/diag.h"
#include <stdint.h>

typedef struct gr_progress {
    FILE *to;              /* NULL: nowhere */
    bool terminal, color;
    int64_t first, total;  /* steps: where this run began, where it ends (-1: unknown) */
    double start, shown;   /* seconds of a clock */
    bool drawn;            /* a bar stands on the line */
} gr_progress;

double gr_seconds(void); /* of a monotonic clock */
void gr_progress_start(gr_progress *p, FILE *to, int64_t first, int64_t total);
/* After a step; tokens: done in this run, 0 where steps are counted instead. */
void gr_progress_step(gr_progress *p, int64_t done, int64_t tokens);
/* Takes the bar away, so that a line may be written. */
void gr_progress_clear(gr_progress *p);
#endif
