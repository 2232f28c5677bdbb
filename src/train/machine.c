/* machine.c - see machine.h. */
#include "train/machine.h"
#include "train/progress.h"

#include <string.h>

#define TOO_SMALL 10e3 /* nanoseconds: waking another worker alone takes half of it */
#define LARGE 500e3    /* that measuring the machine is worth it */

static int need_pool(gr_session *s, gr_error *e)
{
    if (s->pool) return 0;
    s->topology = gr_topology_get(s->arena, NULL, e);
    if (!s->topology) return e->status;
    if (s->options.unbound) s->topology->core = NULL;
    const int threads = s->options.threads ? s->options.threads : s->topology->cores;
    s->pool = gr_pool_create(gr_arena_memory(s->arena), s->topology, threads, e);
    return s->pool ? 0 : e->status;
}

/* A pool of the caller alone: no thread is made, nothing bound. */
static int need_alone(gr_session *s, gr_error *e)
{
    static const gr_topology one = {.cores = 1};
    if (!s->alone) s->alone = gr_pool_create(gr_arena_memory(s->arena), &one, 1, e);
    return s->alone ? 0 : e->status;
}

/* A hand-over needs two workers, where there are two cores. list: what was measured before; of a full one the oldest
 * is forgotten. */
static int measure_costs(gr_session *s, int cores, gr_costs *list, int count, gr_error *e)
{
    const bool lonely = cores > 1 && gr_pool_threads(s->pool) == 1;
    gr_pool *pool = lonely ? gr_pool_create(gr_arena_memory(s->arena), s->topology, 2, e) : s->pool;
    const double start = gr_seconds();
    if (!pool) return e->status;
    if (count == GR_COSTS_KEPT) memmove(list, list + 1, (size_t)--count * sizeof *list);
    const bool done = gr_costs_measure(&list[count++], s->arena, pool);
    s->measuring += gr_seconds() - start;
    if (lonely) gr_pool_destroy(pool);
    if (!done) return gr_set_error(e, GR_ENOMEM, "out of memory");
    s->costs = gr_costs_usual(list, count);
    gr_costs_write(s->arena, s->options.costs, cores, list, count);
    return 0;
}

/* Without workers, as for a plan, nothing is measured: it takes what is known. */
static int find_costs(gr_session *s, int cores, bool large, gr_error *e)
{
    const bool able = large && s->pool && !s->costs_settled;
    gr_costs list[GR_COSTS_KEPT];
    if (s->costs_known && !able) return 0;
    const int count = gr_costs_read(s->arena, s->options.costs, cores, list);
    s->costs = count ? gr_costs_usual(list, count) : gr_builtin_costs;
    s->costs_known = count || able;
    s->costs_settled = able;
    return able && (count < GR_COSTS_KEPT || s->options.measure) ? measure_costs(s, cores, list, count, e) : 0;
}

int gr_session_weigh(gr_session *s, gr_program *p, gr_topology *t, gr_error *e)
{
    const double ns = gr_program_ns(p);
    const bool known = s->options.costs && ns >= TOO_SMALL;
    if (s->options.costs && !known) return 0;
    if (known && find_costs(s, t->cores, ns >= LARGE, e)) return e->status;
    if (known) {
        t->wait_ns = s->costs.wait_ns;
        t->crowd = s->costs.crowd;
    }
    gr_program_weigh(p, known ? &s->costs : &gr_builtin_costs, t->l2_bytes, t->l3_bytes);
    return 0;
}

/* What a program made for n workers would take on them; 0 if none can be made. */
static double ns_for(gr_session *s, gr_graph *g, gr_topology *t, int n)
{
    gr_error e = {0};
    double ns = 0;
    gr_arena *a = gr_arena_create_in(gr_arena_memory(s->arena));
    gr_program *p = a ? gr_program_create_for(a, g, n, &e) : NULL;
    if (p && !gr_session_weigh(s, p, t, &e)) {
        const gr_schedule *made = gr_schedule_create(a, p, t, n, &e);
        if (made) ns = made->predicted;
    }
    gr_arena_destroy(a);
    return ns;
}

int gr_session_schedule(gr_session *s, gr_topology *t, int most, gr_program **p, gr_schedule **made, gr_error *e)
{
    gr_arena *a = (*p)->arena;
    int best = 0;
    *made = gr_schedule_ladder(a, *p, t, s->options.threads, most, e);
    if (!*made) return e->status;
    if (s->options.threads || (*made)->threads == most) return 0;
    double least = (*made)->predicted;
    for (int n = most / 2; n > 0; n /= 2) {
        const double ns = ns_for(s, (*p)->graph, t, n);
        if (ns > 0 && ns < least) least = ns, best = n;
    }
    if (!best) return 0;
    *p = gr_program_create_for(a, (*p)->graph, best, e);
    if (!*p || gr_session_weigh(s, *p, t, e)) return e->status;
    *made = gr_schedule_ladder(a, *p, t, best, most, e);
    return *made ? 0 : e->status;
}

int gr_exec_schedule(gr_exec *x, gr_error *e)
{
    gr_session *s = x->session;
    static const gr_topology one = {.cores = 1};
    const bool small = s->options.threads == 0 && gr_program_ns(x->program) < TOO_SMALL;
    if (small || (s->options.threads == 1 && s->options.unbound)) {
        if (need_alone(s, e)) return e->status;
        x->pool = s->alone;
        x->schedule = gr_schedule_ladder(x->arena, x->program, &one, 1, 1, e);
    } else {
        if (need_pool(s, e) || gr_session_weigh(s, x->program, s->topology, e)) return e->status;
        x->pool = s->pool;
        return gr_session_schedule(s, s->topology, gr_pool_threads(s->pool), &x->program, &x->schedule, e);
    }
    return x->schedule ? 0 : e->status;
}
