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

/* ---- groups ---- */

/* What begins with the next task of r's list; none after the last. */
static gr_trace_group next_group(const gr_trace_reader *r)
{
    const gr_worker_list *list = &r->trace->schedule->worker[r->worker];
    const int32_t *ns = r->trace->ns[r->worker];
    gr_trace_reader x = *r;
    gr_trace_group g = {0};
    while (x.at < list->num_ins && g.ns < GR_TRACE_NS) {
        const gr_instruction *ins = &list->ins[x.at];
        if (ins->kind != GR_RUN) {
            x.at = gr_follow_loop(r->trace->program, ins, x.at, x.index);
            continue;
        }
        if (g.tasks && (ins->num_waits || ns[x.at] >= GR_TRACE_NS)) break;
        g.ns += ns[x.at++];
        g.tasks++;
    }
    return g;
}

/* The next task of r's list; NULL after the last. */
static const gr_instruction *next_task(gr_trace_reader *r)
{
    const gr_worker_list *list = &r->trace->schedule->worker[r->worker];
    while (r->at < list->num_ins) {
        const gr_instruction *ins = &list->ins[r->at];
        if (ins->kind == GR_RUN) return ins;
        r->at = gr_follow_loop(r->trace->program, ins, r->at, r->index);
    }
    return NULL;
}

static int64_t ticks_of(const gr_trace *t, int worker)
{
    gr_trace_reader r = {.trace = t, .worker = worker};
    int64_t n = 1;
    for (const gr_instruction *ins; (ins = next_task(&r));) {
        n += ins->num_waits ? 2 : 1;
        for (int64_t i = next_group(&r).tasks; i > 0; i--, r.at++) next_task(&r);
    }
    return n;
}

static int32_t *predict(const gr_program *p, const gr_worker_list *list)
{
    int32_t *ns = zeros((size_t)list->num_ins, sizeof *ns);
    for (int i = 0; ns && i < list->num_ins; i++) {
        const gr_instruction *ins = &list->ins[i];
        if (ins->kind != GR_RUN) continue;
        const gr_template *t = &p->templates[ins->template_index];
        const double share = t->units > 0 ? t->cost * (double)(ins->end - ins->begin) / (double)t->units : t->cost;
        ns[i] = share < 1 ? 1 : share < GR_TRACE_NS ? (int32_t)share : GR_TRACE_NS;
    }
    return ns;
}

/* ---- traces ---- */

gr_trace *gr_trace_create(const gr_program *p, const gr_schedule *s, int steps, gr_error *e)
{
    const size_t n = (size_t)s->threads, k = (size_t)steps;
    gr_trace *t = zeros(1, sizeof *t);
    if (!t) goto fail;
    t->program = p;
    t->schedule = s;
    t->tick = zeros(n, sizeof *t->tick);
    t->each = zeros(n, sizeof *t->each);
    t->ns = zeros(n, sizeof *t->ns);
    t->started = zeros(k, sizeof *t->started);
    t->ended = zeros(k, sizeof *t->ended);
    if (!t->tick || !t->each || !t->ns || !t->started || !t->ended) goto fail;
    for (int w = 0; w < s->threads; w++) {
        if (!(t->ns[w] = predict(p, &s->worker[w]))) goto fail;
        t->each[w] = ticks_of(t, w);
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
    for (int w = 0; t->ns && w < t->schedule->threads; w++) gr_free(t->ns[w]);
    gr_free(t->tick);
    gr_free(t->each);
    gr_free(t->ns);
    gr_free(t->started);
    gr_free(t->ended);
    gr_free(t);
}

/* ---- reading ---- */

/* Where `ns` of the group's predicted time have passed. */
static int64_t tick_at(const gr_trace_reader *r, int64_t ns)
{
    return r->begin + (int64_t)((double)(*r->tick - r->begin) * (double)ns / (double)r->group.ns);
}

static void read_event(gr_trace_reader *r, const gr_instruction *ins, gr_event *e)
{
    *e = (gr_event){.template_index = ins->template_index, .step = r->step, .units_begin = ins->begin, .units_end = ins->end};
    memcpy(e->index, r->index, sizeof e->index);
    const bool first = r->passed.tasks == r->group.tasks;
    if (first) {
        e->arrived = *r->tick;
        if (ins->num_waits) r->tick++;
        r->begin = *r->tick++;
        r->group = next_group(r);
        r->passed = (gr_trace_group){0};
    }
    e->begin = tick_at(r, r->passed.ns);
    if (!first) e->arrived = e->begin;
    r->passed.tasks++;
    r->passed.ns += r->trace->ns[r->worker][r->at];
    e->end = tick_at(r, r->passed.ns);
    e->timed = r->group.tasks;
}

bool gr_trace_next(gr_trace_reader *r, gr_event *e)
{
    const gr_trace *t = r->trace;
    for (; r->step < t->steps; r->step++, r->at = 0) {
        if (r->at == 0) r->tick = t->tick[r->worker] + r->step * t->each[r->worker];
        const gr_instruction *ins = next_task(r);
        if (!ins) continue;
        read_event(r, ins, e);
        r->at++;
        return true;
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
