/* trace.h - when each task of a step began and ended, who ran it, and how long it waited.
 *
 * A trace is attached to a run between steps. While it is, each worker writes into a list of its own, of
 * which it alone is the writer; without one a task costs a test of a pointer. Which task comes when is the same
 * in every step, so all that is written is ticks of the processor's clock, for each step
 *
 *     | its begin | the wait's end, the task's end | the task's end | the end of several tasks | ...
 *
 * with a wait's end only where the instruction has waits. Reading the clock takes several nanoseconds, so that
 * neighbours that are predicted to take less than GR_TRACE_NS have one reading for several of them. Which ones
 * follows from the list. gr_trace_next makes events of all, gr_trace_ns nanoseconds. */
#ifndef GR_RUN_TRACE_H
#define GR_RUN_TRACE_H

#include "program/schedule.h"
#include <time.h>

enum { GR_TRACE_NS = 1000 };

typedef struct gr_event {
    int32_t template_index;
    int32_t step;                  /* of those traced, from 0 */
    int64_t units_begin, units_end;
    int64_t index[GR_MAX_LOOPS];   /* where the loops around it were, in order of execution */
    int64_t arrived, begin, end;   /* ticks; arrived: the end of the task before; from then to begin it
                                      waited for another worker */
    int64_t timed;                 /* so many tasks share a reading: begin and end are a share of theirs, as predicted */
} gr_event;

typedef struct gr_trace {
    const gr_program *program;
    const gr_schedule *schedule;
    int steps;                     /* traced so far */
    int64_t **tick;                /* by worker */
    int64_t *each;                 /* by worker: ticks of a step */
    int32_t **ns;                  /* by worker and instruction: predicted */
    int64_t *started, *ended;      /* ticks, by step */
    int64_t tick0, ns0, tick1, ns1; /* both clocks at the beginning and at the end */
} gr_trace;

/* Tasks of a list, the one after the other, that a reading of the clock ends. */
typedef struct gr_trace_group { int64_t tasks, ns; } gr_trace_group; /* ns: predicted of all */

/* What a worker did, in order. At first {trace, worker}. */
typedef struct gr_trace_reader {
    const gr_trace *trace;
    int worker, step, at;          /* at: in the worker's list */
    const int64_t *tick;           /* the last one read */
    int64_t index[GR_MAX_LOOPS];
    gr_trace_group group, passed;  /* passed: of the group */
    int64_t begin;                 /* the group's */
} gr_trace_reader;

/* Room for `steps` steps of the schedule. NULL with e filled. Freed with gr_trace_free. */
gr_trace *gr_trace_create(const gr_program *p, const gr_schedule *s, int steps, gr_error *e);
void gr_trace_free(gr_trace *t); /* NULL is allowed */
/* false: that was all. */
bool gr_trace_next(gr_trace_reader *r, gr_event *e);
/* Nanoseconds since the first event's clock was read. Good once gr_trace_stop has been called. */
double gr_trace_ns(const gr_trace *t, int64_t ticks);
void gr_trace_stop(gr_trace *t);

static inline int64_t gr_ticks(void)
{
#if defined(__x86_64__)
    return (int64_t)__builtin_ia32_rdtsc();
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
#endif
}

/* What a worker writes with, while it runs its list once; tick is NULL where nothing is written. */
typedef struct gr_trace_pen {
    int64_t *tick;
    const int32_t *ns;
    int64_t owed;                  /* predicted of the tasks since the last reading */
} gr_trace_pen;

static inline gr_trace_pen gr_trace_begin(const gr_trace *t, int worker)
{
    gr_trace_pen pen = {0};
    if (!t) return pen;
    pen = (gr_trace_pen){.tick = t->tick[worker] + t->steps * t->each[worker], .ns = t->ns[worker]};
    *pen.tick++ = gr_ticks();
    return pen;
}

/* Tasks that have no end yet have it now. */
static inline void gr_trace_close(gr_trace_pen *pen)
{
    if (!pen->tick || !pen->owed) return;
    *pen->tick++ = gr_ticks();
    pen->owed = 0;
}

static inline void gr_trace_waited(gr_trace_pen *pen)
{
    if (pen->tick) *pen->tick++ = gr_ticks();
}

/* Before and after instruction i. */
static inline void gr_trace_enter(gr_trace_pen *pen, int i)
{
    if (pen->tick && pen->ns[i] >= GR_TRACE_NS) gr_trace_close(pen);
}

static inline void gr_trace_leave(gr_trace_pen *pen, int i)
{
    if (pen->tick && (pen->owed += pen->ns[i]) >= GR_TRACE_NS) gr_trace_close(pen);
}
#endif
