/* schedule.c - the workers' lists, and what each waits for.
 *
 * Each worker's list is a part of the sequential order, so every wait points backwards in
 * that order and no schedule can lock up. Who computes what is place.c's. */
#include "program/build.h"
#include "program/place.h"
#include <string.h>

typedef struct maker {
    gr_arena *a;
    const gr_program *p;
    int n;              /* workers */
    const gr_team *team; /* of each template */
    int *dep_at;        /* template t waits for deps [dep_at[t], dep_at[t + 1]) */
    int64_t *in_loop;   /* [loop * n + w]: w's tasks in one iteration */
    int64_t *done;      /* [template * n + w]: w's tasks when it is done, all indices 0 */
} maker;

/* ---- counting ------------------------------------------------------------- */

static void share(const maker *m, int t, int w, int64_t *begin, int64_t *end)
{
    int64_t units = m->p->templates[t].units;
    gr_team team = m->team[t];
    int place = w - team.first;
    bool in = place >= 0 && place < team.count;
    *begin = in ? units * place / team.count : 0;
    *end = in ? units * (place + 1) / team.count : 0;
}

static bool has_task(const maker *m, int t, int w)
{
    int64_t begin, end;
    share(m, t, w, &begin, &end);
    return begin < end;
}

static void count_tasks(maker *m, int w)
{
    const gr_program *p = m->p;
    for (int t = 0; t < p->num_templates; t++)
        if (p->templates[t].loop >= 0 && has_task(m, t, w)) m->in_loop[p->templates[t].loop * m->n + w]++;
    for (int l = p->num_loops - 1; l >= 0; l--) /* inner loops come after outer ones */
        if (p->loops[l].parent >= 0)
            m->in_loop[p->loops[l].parent * m->n + w] += p->loops[l].count * m->in_loop[l * m->n + w];
    int64_t at = 0;
    int t = 0;
    int64_t begun[GR_MAX_LOOPS] = {0};
    int open = -1;
    for (; t < p->num_templates; t++) {
        int loop = p->templates[t].loop;
        while (!gr_loop_within(p, loop, open)) { /* leave loops that t is not in */
            at = begun[p->loops[open].depth] + p->loops[open].count * m->in_loop[open * m->n + w];
            open = p->loops[open].parent;
        }
        for (int l = loop; l != open; l = p->loops[l].parent) begun[p->loops[l].depth] = at;
        open = loop;
        if (has_task(m, t, w)) at++;
        m->done[t * m->n + w] = at;
    }
}

/* ---- waits ---------------------------------------------------------------- */

typedef struct facts { gr_wait *list; int count, cap; } facts; /* what of one worker holds where we are */

typedef struct writer {
    maker *m;
    gr_worker_list *list;
    int w, cap_ins, cap_waits;
    facts *known;                 /* by worker */
    int64_t length[GR_MAX_LOOPS]; /* of open loops */
    int begin[GR_MAX_LOOPS];      /* their LOOP_BEGIN */
    int open;
} writer;

/* What the lag of w adds at index j. */
static int64_t lagged(const gr_wait *w, int64_t j)
{
    int64_t q = gr_lag_at(&w->lag, j);
    return w->lag.div == 0 ? 0 : w->each * (q < w->last ? q : w->last);
}

static bool same_lag(const gr_wait *a, const gr_wait *b)
{
    return memcmp(&a->lag, &b->lag, sizeof a->lag) == 0 && a->depth == b->depth && a->each == b->each && a->last == b->last;
}

/* Does `known` hold `wanted`, of the same worker, at all indices of the open loops? */
static bool implies(const writer *x, const gr_wait *known, const gr_wait *wanted)
{
    int64_t least = known->base - wanted->base;
    if (!same_lag(known, wanted)) { /* lags never fall */
        if (known->lag.div && gr_lag_at(&known->lag, 0) < 0) return false;
        int64_t end = wanted->lag.div ? x->length[wanted->depth] - 1 : 0;
        least += lagged(known, 0) - lagged(wanted, end);
    }
    for (int l = 0; l < GR_MAX_LOOPS; l++) {
        int64_t slope = known->step[l] - wanted->step[l];
        if (slope < 0) least += slope * (x->length[l] > 0 ? x->length[l] - 1 : 0);
    }
    return least >= 0;
}

/* A fact that a later one holds is forgotten: there are few at any place. */
static void add_wait(writer *x, gr_wait wait)
{
    const gr_wait nothing = {.worker = wait.worker};
    facts *f = &x->known[wait.worker];
    int kept = 0;
    if (implies(x, &nothing, &wait)) return;
    for (int i = 0; i < f->count; i++)
        if (implies(x, &f->list[i], &wait)) return;
    for (int i = 0; i < f->count; i++)
        if (!implies(x, &wait, &f->list[i])) f->list[kept++] = f->list[i];
    f->count = kept;
    *GR_PUSH(x->m->a, x->list->waits, x->list->num_waits, x->cap_waits) = wait;
    *GR_PUSH(x->m->a, f->list, f->count, f->cap) = wait;
}

/* Worker w's counter when d->before is done as d asks. */
static gr_wait wait_for(const maker *m, const gr_dependency *d, int w)
{
    const gr_program *p = m->p;
    gr_wait wait = {.worker = w, .base = m->done[d->before * m->n + w]};
    int l = p->templates[d->before].loop;
    for (; l != d->loop; l = p->loops[l].parent) wait.base += (p->loops[l].count - 1) * m->in_loop[l * m->n + w];
    if (d->lag.div) {
        int from = gr_loop_below(p, p->templates[d->before].loop, d->loop);
        wait.lag = d->lag;
        wait.depth = p->loops[from].depth;
        wait.last = p->loops[from].count - 1;
        wait.each = m->in_loop[from * m->n + w];
        wait.base -= wait.last * wait.each;
    }
    if (l >= 0) wait.base -= d->distance * m->in_loop[l * m->n + w];
    for (; l >= 0; l = p->loops[l].parent) wait.step[p->loops[l].depth] = m->in_loop[l * m->n + w];
    return wait;
}

/* Nearest first: what it holds makes most others needless. */
static void add_waits(writer *x, int t)
{
    const gr_program *p = x->m->p;
    for (int i = x->m->dep_at[t + 1] - 1; i >= x->m->dep_at[t]; i--) {
        const gr_dependency *d = &p->deps[i];
        for (int w = 0; w < x->m->n; w++)
            if (w != x->w && has_task(x->m, d->before, w)) add_wait(x, wait_for(x->m, d, w));
    }
}

/* ---- lists ---------------------------------------------------------------- */

static gr_instruction *add_instruction(writer *x, gr_instruction_kind kind)
{
    gr_instruction *i = GR_PUSH(x->m->a, x->list->ins, x->list->num_ins, x->cap_ins);
    *i = (gr_instruction){.kind = kind, .loop = -1, .jump = -1, .template_index = -1, .first_wait = x->list->num_waits};
    return i;
}

static void enter(writer *x, int loop)
{
    if (loop == x->open) return;
    const gr_loop_info *l = &x->m->p->loops[loop];
    enter(x, l->parent);
    x->begin[l->depth] = x->list->num_ins;
    add_instruction(x, GR_LOOP_BEGIN)->loop = loop;
    x->length[l->depth] = l->count;
    x->open = loop;
}

/* What held in the loop's last iteration still does. */
static void age(gr_wait *w, const gr_loop_info *l)
{
    w->base += w->step[l->depth] * (l->count - 1);
    w->step[l->depth] = 0;
    if (!w->lag.div || w->depth != l->depth) return;
    w->base += lagged(w, l->count - 1);
    w->lag = (gr_lag){0};
}

static void leave(writer *x)
{
    const gr_loop_info *l = &x->m->p->loops[x->open];
    gr_instruction *i = add_instruction(x, GR_LOOP_END);
    i->loop = x->open;
    i->jump = x->begin[l->depth] + 1;
    x->list->ins[x->begin[l->depth]].jump = x->list->num_ins;
    for (int w = 0; w < x->m->n; w++)
        for (int k = 0; k < x->known[w].count; k++) age(&x->known[w].list[k], l);
    x->length[l->depth] = 0;
    x->open = l->parent;
}

static void write_list(maker *m, gr_worker_list *list, int w)
{
    const gr_program *p = m->p;
    writer x = {.m = m, .list = list, .w = w, .open = -1, .known = GR_NEW_ARRAY(m->a, facts, m->n)};
    for (int t = 0; t < p->num_templates; t++) {
        if (!has_task(m, t, w) || gr_iterations(p, p->templates[t].loop) == 0) continue;
        while (!gr_loop_within(p, p->templates[t].loop, x.open)) leave(&x);
        enter(&x, p->templates[t].loop);
        int first = list->num_waits;
        if (m->n > 1) add_waits(&x, t);
        gr_instruction *i = add_instruction(&x, GR_RUN);
        i->template_index = t;
        i->first_wait = first;
        i->num_waits = list->num_waits - first;
        share(m, t, w, &i->begin, &i->end);
        double part = (double)(i->end - i->begin) / (double)p->templates[t].units;
        list->load += p->templates[t].cost * part * gr_iterations(p, p->templates[t].loop);
    }
    while (x.open >= 0) leave(&x);
    for (int t = 0; t < p->num_templates; t++)
        if (has_task(m, t, w)) list->tasks += (int64_t)gr_iterations(p, p->templates[t].loop);
}

static void write_lists(gr_arena *a, const gr_program *p, gr_schedule *s)
{
    const int n = s->threads;
    maker m = {.a = a, .p = p, .n = n, .team = s->team, .dep_at = gr_dependencies_of(a, p)};
    m.in_loop = GR_NEW_ARRAY(a, int64_t, (p->num_loops + 1) * n);
    m.done = GR_NEW_ARRAY(a, int64_t, (p->num_templates + 1) * n);
    for (int w = 0; w < n; w++) {
        s->worker[w] = (gr_worker_list){.core = s->worker[w].core};
        count_tasks(&m, w);
    }
    for (int w = 0; w < n; w++) {
        write_list(&m, &s->worker[w], w);
        for (int i = 0; i < s->worker[w].num_waits; i++) s->worker[s->worker[w].waits[i].worker].awaited = true;
    }
}

static gr_schedule *make(gr_arena *a, const gr_program *p, const gr_topology *topo, int n)
{
    gr_schedule *s = GR_NEW(a, gr_schedule);
    s->threads = n;
    s->worker = GR_NEW_ARRAY(a, gr_worker_list, n);
    for (int w = 0; w < n; w++) s->worker[w].core = w < topo->cores && topo->core ? topo->core[w] : -1;
    gr_place(a, p, topo, n, s);
    write_lists(a, p, s);
    return s;
}

int gr_schedule_rewrite(gr_arena *a, const gr_program *p, gr_schedule *s, gr_error *e)
{
    gr_frame frame;
    if (!gr_try(a, &frame)) return gr_caught(a, e);
    write_lists(a, p, s);
    gr_end_try(a, &frame);
    return 0;
}

/* More threads must gain a tenth each time, or the machine has better use for them. */
static gr_schedule *make_best(gr_arena *a, const gr_program *p, const gr_topology *topo)
{
    gr_schedule *best = make(a, p, topo, 1);
    for (int n = 2; n <= topo->cores; n++) {
        gr_schedule *s = make(a, p, topo, n);
        if (s->predicted < 0.9 * best->predicted) best = s;
    }
    return best;
}

gr_schedule *gr_schedule_create(gr_arena *a, const gr_program *p, const gr_topology *t, int threads, gr_error *e)
{
    gr_schedule *volatile made = NULL;
    gr_frame frame;
    if (gr_try(a, &frame)) {
        made = threads > 0 ? make(a, p, t, threads) : make_best(a, p, t);
        gr_end_try(a, &frame);
    } else {
        gr_caught(a, e);
    }
    return made;
}
