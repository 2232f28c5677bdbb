/* adapt.h - how many threads a run uses, found by measuring it.
 *
 * Results do not depend on the number of threads, so it may change between any two steps. A
 * ladder of numbers is climbed up and down by trials: from time to time, and at once where steps have
 * become slower or other processes take the cores, a neighbouring rung is used for a window of 20 ms
 * (one step where that is longer) and kept if it does more work in a nanosecond. A trial that fails
 * makes the next one of its direction wait longer, so that trying costs a per cent of the time.
 *
 * Nothing here reads a clock or knows a thread: time comes in, a number of threads goes out. */
#ifndef GR_RUN_ADAPT_H
#define GR_RUN_ADAPT_H

#include <stdbool.h>
#include <stdint.h>

#define GR_MAX_RUNGS 16
#define GR_ADAPT_WINDOW 20e6 /* nanoseconds; a scheduler's time slices are 3 to 5 ms */

typedef struct gr_adapt_way { /* the next trial in a direction */
    double until, pause;      /* nanoseconds until it; those from it to the one after it */
} gr_adapt_way;

typedef struct gr_adapt {
    int rung[GR_MAX_RUNGS], rungs; /* numbers of threads, falling to 1 */
    int at, home;                  /* the rung in use; what a trial is compared with, else `at` */
    int top;                       /* the program that runs has no use for those before it */
    int64_t switches;              /* how often the home has changed */
    double pace[GR_MAX_RUNGS];     /* nanoseconds for a unit of work in the last window there */
    double usual;                  /* running mean of the home's */
    int trouble;                   /* windows in a row that were much slower, or had a core taken away */
    int reach;                     /* how many rungs below home the next trial downward is */
    gr_adapt_way up, down, alarm;  /* alarm: down, because of trouble */
    double ns, work, taken;        /* the window so far */
    double last;                   /* the step before, nanoseconds */
    bool cold;                     /* the next step finds caches that others have filled */
} gr_adapt;

/* Its rungs are those of gr_threads_below(). */
gr_adapt gr_adapt_start(int most);
static inline int gr_adapt_threads(const gr_adapt *a) { return a->rung[a->at]; } /* for the next step */
static inline int gr_adapt_settled(const gr_adapt *a) { return a->rung[a->home]; } /* trials apart */
/* Whether the step to come is the first of a window. */
static inline bool gr_adapt_opens(const gr_adapt *a) { return a->ns == 0; }
/* Whether the step to come is likely to close a window, so that `taken` is worth knowing. */
static inline bool gr_adapt_closes(const gr_adapt *a) { return a->ns + a->last >= GR_ADAPT_WINDOW; }
/* A step made with gr_adapt_threads() has taken so long; `work` is its size in any unit that is the
 * same for all steps; `taken` is how often the scheduler gave a worker's core to others meanwhile.
 * Whether the number of threads has changed. */
bool gr_adapt_step(gr_adapt *a, double ns, double work, int64_t taken);
/* The program of the step to come uses so many threads at most: what was at the top is at its top. A
 * trial is not disturbed. Whether the number of threads or the top has changed. */
bool gr_adapt_bound(gr_adapt *a, int threads);
/* That many at most from now on, until a trial finds better. */
void gr_adapt_force(gr_adapt *a, int threads);
#endif
