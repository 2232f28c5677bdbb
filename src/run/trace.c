/* trace.c - lists of events. */
#include "run/trace.h"
#include "graph/graph.h"
#include <string.h>
#include <time.h>

static int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void *zeros(size_t n, size_t size)
{
    void *p = gr_allocate(&gr_system_memory, (n ? n : 1) * size, 0);
    if (p) memset(p, 0, (n ? n : 1) * size);
    return p;
}

gr_trace *gr_trace_create(const gr_schedule *s, int steps, gr_error *e)
{
    const size_t n = (size_t)s->threads, k = (size_t)steps;
    gr_trace *t = zeros(1, sizeof *t);
    if (!t) goto fail;
    t->threads = s->threads;
    t->event = zeros(n, sizeof *t->event);
    t->count = zeros(n, sizeof *t->count);
    t->started = zeros(k, sizeof *t->started);
    t->ended = zeros(k, sizeof *t->ended);
    if (!t->event || !t->count || !t->started || !t->ended) goto fail;
    for (int w = 0; w < s->threads; w++)
        if (!(t->event[w] = zeros((size_t)s->worker[w].tasks * k, sizeof **t->event))) goto fail;
    t->tick0 = gr_ticks();
    t->ns0 = monotonic_ns();
    return t;
fail:
    gr_trace_free(t);
    gr_set_error(e, GR_ENOMEM, "out of memory for a trace");
    return NULL;
}

void gr_trace_free(gr_trace *t)
{
    if (!t) return;
    for (int w = 0; t->event && w < t->threads; w++) gr_free(t->event[w]);
    gr_free(t->event);
    gr_free(t->count);
    gr_free(t->started);
    gr_free(t->ended);
    gr_free(t);
}

void gr_trace_stop(gr_trace *t)
{
    t->tick1 = gr_ticks();
    t->ns1 = monotonic_ns();
}

double gr_trace_ns(const gr_trace *t, int64_t ticks)
{
    const double rate = t->tick1 > t->tick0 ? (double)(t->ns1 - t->ns0) / (double)(t->tick1 - t->tick0) : 1;
    return (double)(ticks - t->tick0) * rate;
}
