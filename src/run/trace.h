/* trace.h - when each task of a step began and ended, who ran it, and how long it waited.
 *
 * A trace is attached to a run between steps. While it is, each worker writes into a list of its own, of
 * which it alone is the writer; without one a task costs a test of a pointer. Which task comes when is the same
 * in every step, so all that is written is ticks of the processor's clock, for each step
 *
 *     | its begin | the wait's end, the task's end | the task's end | ...
 *
 * with a wait's end only where the instruction has waits. gr_trace_next makes events of them, gr_trace_ns
 * nanoseconds. */
#ifndef GR_RUN_TRACE_H
#define GR_RUN_TRACE_H

#include "program/schedule.h"
#include <time.h>

typedef struct gr_event {
    int32_t template_index;
    int32_t step;                  /* of those traced, from 0 */
    int64_t units_begin, units_end;
    int64_t index[GR_MAX_LOOPS];   /* where the loops around it were, in order of execution */
    int64_t arrived, begin, end;   /* ticks; arrived: the end of the task before; from then to begin it
                                      waited for another worker */
} gr_event;

typedef struct gr_trace {
    const gr_program *program;
    const gr_schedule *schedule;
    int steps;                     /* traced so far */
    int64_t **tick;                /* by worker */
    int64_t *each;                 /* by worker: ticks of a step */
    int64_t *started, *ended;      /* ticks, by step */
    int64_t tick0, ns0, tick1, ns1; /* both clocks at the beginning and at the end */
} gr_trace;

/* What a worker did, in order. At first {trace, worker}. */
typedef struct gr_trace_reader {
    const gr_trace *trace;
    int worker, step, at;          /* at: in the worker's list */
    const int64_t *tick;           /* the last one read */
    int64_t index[GR_MAX_LOOPS];
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
#endif
