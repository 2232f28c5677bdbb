/* trace.c - see trace.h. */
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

static int64_t ticks_of(const gr_program *p, const gr_worker_list *list)
{
    int64_t n = 1;
    for (int i = 0; i < list->num_ins; i++)
        if (list->ins[i].kind == GR_RUN)
            n += (int64_t)gr_iterations(p, p->templates[list->ins[i].template_index].loop) * (list->ins[i].num_waits ? 2 : 1);
    return n;
}

gr_trace *gr_trace_create(const gr_program *p, const gr_schedule *s, int steps, gr_error *e)
{
    const size_t n = (size_t)s->threads, k = (size_t)steps;
    gr_trace *t = zeros(1, sizeof *t);
    if (!t) goto fail;
    t->program = p;
    t->schedule = s;
    t->tick = zeros(n, sizeof *t->tick);
    t->each = zeros(n, sizeof *t->each);
    t->started = zeros(k, sizeof *t->started);
    t->ended = zeros(k, sizeof *t->ended);
    if (!t->tick || !t->each || !t->started || !t->ended) goto fail;
    for (int w = 0; w < s->threads; w++) {
        t->each[w] = ticks_of(p, &s->worker[w]);
        if (!(t->tick[w] = zeros((size_t)t->each[w] * k, sizeof **t->tick))) goto fail;
    }
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
    for (int w = 0; t->tick && w < t->schedule->threads; w++) gr_free(t->tick[w]);
    gr_free(t->tick);
    gr_free(t->each);
    gr_free(t->started);
    gr_free(t->ended);
    gr_free(t);
}

static void read_event(gr_trace_reader *r, const gr_instruction *ins, gr_event *e)
{
    *e = (gr_event){.template_index = ins->template_index, .step = r->step, .units_begin = ins->begin, .units_end = ins->end};
    memcpy(e->index, r->index, sizeof e->index);
    e->arrived = *r->tick;
    if (ins->num_waits) r->tick++;
    e->begin = *r->tick;
    e->end = *++r->tick;
}

bool gr_trace_next(gr_trace_reader *r, gr_event *e)
{
    const gr_trace *t = r->trace;
    const gr_worker_list *list = &t->schedule->worker[r->worker];
    for (; r->step < t->steps; r->step++, r->at = 0) {
        if (r->at == 0) r->tick = t->tick[r->worker] + r->step * t->each[r->worker];
        while (r->at < list->num_ins) {
            const gr_instruction *ins = &list->ins[r->at];
            if (ins->kind != GR_RUN) {
                r->at = gr_follow_loop(t->program, ins, r->at, r->index);
                continue;
            }
            r->at++;
            read_event(r, ins, e);
            return true;
        }
    }
    return false;
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
