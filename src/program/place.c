/* place.c - who computes each template, by predicted time.
 *
 * An item is a template outside all loops or a whole outermost loop. A template goes to the
 * worker that ends it first, or to all. Loops are decided by groups: those of which each may
 * run while the one before does, because it follows that step by step (a stack of layers) or
 * not at all (two directions). A group may be
 *
 *     columns     every loop on all workers, one after the other; a template of it gives each
 *                 worker a range of its units, always the same, so that a worker finds its
 *                 part of weights and states in its own cache at every step
 *     wavefront   every loop on a team of its own, beside or behind the others
 *
 * and is what lets the stretch of the program up to the next group end first. The loops of one
 * layer (what is left over of its chunks, then the chunks) count as one. */
#include "program/place.h"
#include "program/build.h"
#include "program/cost.h"
#include <string.h>

#define BANDS 1.2 /* how much longer one worker a band may be predicted to take than all for each step */

typedef struct item {
    int first, last;    /* templates */
    int loop;           /* outermost, -1: none */
    int64_t count;      /* its iterations, 1: none */
    double start, finish; /* predicted, nanoseconds */
    gr_team team;
} item;

/* Items [first, last) that are placed in one way: a group's loops, and what is between them and
 * the next group. */
typedef struct group { int first, last, layers; } group;

typedef struct placer {
    gr_arena *a;
    const gr_program *p;
    const gr_topology *topo;
    int n;              /* workers */
    item *items; int num_items;
    int *item_of;       /* by template */
    int *dep_at;
    double *busy;       /* by worker: until when */
    gr_team *team;      /* by template */
} placer;

int *gr_dependencies_of(gr_arena *a, const gr_program *p)
{
    int *at = GR_NEW_ARRAY(a, int, p->num_templates + 2);
    for (int t = 0, d = 0; t <= p->num_templates; t++) {
        while (d < p->num_deps && p->deps[d].after < t) d++;
        at[t] = d;
    }
    return at;
}

/* ---- what an item takes ------------------------------------------------------ */

/* Of a template on `size` workers: the longest share. */
static double shared_cost(const gr_template *t, int size)
{
    int64_t most = (t->units + size - 1) / size;
    return t->units > 0 ? t->cost * (double)most / (double)t->units : t->cost;
}

#define COUNTERS 4 /* of others, that can be looked at in the time of a hand-over */

/* Each waits for all others, and looks at one's counter after the other's. */
static double meeting_ns(const placer *m, int size)
{
    return size > 1 ? m->topo->wait_ns * (1 + (double)(size - 2) / COUNTERS) : 0;
}

static bool pays(const placer *m, const gr_template *t, int size)
{
    return size > 1 && t->units > 1 && shared_cost(t, size) + meeting_ns(m, size) < t->cost;
}

/* What several hand over in a loop, they hand over at each of its steps. */
static double item_cost(const placer *m, const item *x, int size)
{
    const double wait = x->loop >= 0 ? meeting_ns(m, size) : 0;
    double ns = 0;
    for (int t = x->first; t < x->last; t++) {
        const gr_template *one = &m->p->templates[t];
        double each = pays(m, one, size) ? shared_cost(one, size) : one->cost;
        ns += (each + wait) * gr_iterations(m->p, one->loop);
    }
    return ns;
}

/* When iterations 0 .. q of an item are done. */
static double done_at(const item *x, int64_t q)
{
    if (q >= x->count) q = x->count - 1;
    return x->start + (x->finish - x->start) * (double)(q + 1) / (double)x->count;
}

/* When what an item waits for is made. */
typedef struct ready {
    double first, last;   /* what its first iteration needs, what its last one does */
    int maker;            /* the worker that makes the latest of the first's; -1: several do */
    double others;        /* the latest of the first's that `maker` does not make */
} ready;

static ready item_ready(const placer *m, const item *x)
{
    ready r = {.maker = -1};
    for (int i = m->dep_at[x->first]; i < m->dep_at[x->last]; i++) {
        const gr_dependency *d = &m->p->deps[i];
        if (d->before >= x->first) continue;
        const item *y = &m->items[m->item_of[d->before]];
        int64_t from = d->loop < 0 ? gr_lag_at(&d->lag, 0) : INT64_MAX, to = d->loop < 0 ? gr_lag_at(&d->lag, x->count - 1) : INT64_MAX;
        double begins = from < 0 ? 0 : done_at(y, from), ends = done_at(y, to);
        const int maker = y->team.count == 1 ? y->team.first : -1;
        if (begins > r.first) {
            if (maker != r.maker) r.others = r.first;
            r.first = begins;
            r.maker = maker;
        } else if (maker != r.maker && begins > r.others) {
            r.others = begins;
        }
        if (ends > r.last) r.last = ends;
    }
    return r;
}

/* When the team can begin: what others have made is handed over. */
static double team_start(const placer *m, const ready *r, gr_team team)
{
    const double made = team.count == 1 && team.first == r->maker ? r->others : r->first;
    double start = m->n > 1 && made > 0 ? made + m->topo->wait_ns : made;
    for (int w = team.first; w < team.first + team.count; w++)
        if (m->busy[w] > start) start = m->busy[w];
    return start;
}

/* ---- placing one ---------------------------------------------------------------- */

/* When an item that starts then ends: its last iteration cannot come before what that needs. */
static double item_end(const item *x, const ready *r, double start, double cost)
{
    const double least = r->last + cost / (double)x->count;
    return start + cost > least ? start + cost : least;
}

/* On a team of `size`, of all that begin at a multiple of it the one that ends first; a later one must gain what
 * it takes to hand the result over. */
static double best_team(const placer *m, const item *x, int size, const ready *r, gr_team *team)
{
    double cost = item_cost(m, x, size), best = 0;
    team->count = 0;
    for (int first = 0; first + size <= m->n; first += size) {
        const gr_team next = {first, size};
        const double end = item_end(x, r, team_start(m, r, next), cost);
        if (team->count && end + m->topo->wait_ns >= best) continue;
        best = end;
        *team = next;
    }
    return best;
}

static void put(placer *m, item *x, gr_team team, double start, double finish)
{
    x->team = team;
    x->start = start;
    x->finish = finish;
    for (int w = team.first; w < team.first + team.count; w++) m->busy[w] = finish;
    for (int t = x->first; t < x->last; t++)
        m->team[t] = pays(m, &m->p->templates[t], team.count) ? team : (gr_team){team.first, 1};
}

/* before: the item that went through the earlier steps of the same layer; NULL: none. */
static void place_item(placer *m, item *x, int size, const item *before)
{
    const ready r = item_ready(m, x);
    gr_team one = {0}, all = {0};
    double best = best_team(m, x, x->loop >= 0 && size < m->n ? size : 1, &r, &one);
    if (x->loop < 0 || size == m->n) {
        double together = best_team(m, x, m->n, &r, &all);
        if (m->n > 1 && together < best) best = together, one = all;
    } else if (before) {
        one = before->team;
        best = item_end(x, &r, team_start(m, &r, one), item_cost(m, x, one.count));
    }
    put(m, x, one, team_start(m, &r, one), best);
}

/* ---- groups ------------------------------------------------------------------------ */

static bool same_layer(const placer *m, const item *x, const item *y)
{
    if (x->loop < 0 || y->loop < 0) return false;
    const gr_loop_info *a = &m->p->loops[x->loop], *b = &m->p->loops[y->loop];
    return a->scan == b->scan && a->first_row == b->first_row;
}

/* Does an item ask all of item `of` or of a later one that is marked? */
static bool asks_all(const placer *m, const item *x, const item *of, const bool *marked)
{
    for (int i = m->dep_at[x->first]; i < m->dep_at[x->last]; i++) {
        const gr_dependency *d = &m->p->deps[i];
        const item *y = &m->items[m->item_of[d->before]];
        if (y < of || y >= x) continue;
        if (y == of ? !d->lag.div : marked[y - m->items]) return true;
    }
    return false;
}

/* The group that begins at item `first`, up to where a loop needs all of the one before it. */
static group find_group(const placer *m, int first, bool *marked)
{
    group g = {first, first, 0};
    const item *last = NULL;
    for (; g.last < m->num_items; g.last++) {
        const item *x = &m->items[g.last];
        marked[g.last] = last && asks_all(m, x, last, marked);
        if (x->loop < 0) continue;
        bool same = last && same_layer(m, last, x);
        if (marked[g.last] && !same) break;
        if (!same) g.layers++;
        last = x;
    }
    return g;
}

static double end_of(const placer *m)
{
    double end = 0;
    for (int w = 0; w < m->n; w++)
        if (m->busy[w] > end) end = m->busy[w];
    return end;
}

static double place_group(placer *m, const group *g, int size, const double *busy)
{
    memcpy(m->busy, busy, sizeof *busy * (size_t)m->n);
    const item *layer = NULL;
    for (int i = g->first; i < g->last; i++) {
        item *x = &m->items[i];
        place_item(m, x, size, layer && same_layer(m, layer, x) ? layer : NULL);
        if (x->loop >= 0) layer = x;
    }
    return end_of(m);
}

static void note_choice(const placer *m, const group *g, const double *ns, gr_loop_split split, gr_schedule *s, int *cap)
{
    for (int i = g->first; i < g->last; i++) {
        const item *x = &m->items[i];
        if (x->loop < 0 || m->n < 2) continue;
        gr_choice *c = GR_PUSH(m->a, s->choices, s->num_choices, *cap);
        *c = (gr_choice){.loop = x->loop, .split = split, .workers = x->team.count};
        memcpy(c->ns, ns, sizeof c->ns);
    }
}

/* Whether workers that share each step are to be avoided: bands are made so that none waits for the others at every
 * one of them, each time for the slowest, which no prediction counts. */
static bool has_bands(const placer *m, const group *g)
{
    for (int i = g->first; i < g->last; i++)
        if (m->items[i].loop >= 0 && m->p->loops[m->items[i].loop].rows > 0) return true;
    return false;
}

/* Every way of placing a group from the same start; the one that ends first stays. */
static void choose(placer *m, const group *g, double *busy, gr_schedule *s, int *cap)
{
    int team = g->layers > 1 ? m->n / g->layers : m->n, size[GR_LOOP_SPLITS] = {m->n, team > 1 ? team : 1, 1};
    double ns[GR_LOOP_SPLITS] = {0}, begin = end_of(m);
    gr_loop_split best = GR_SPLIT_COLUMNS;
    const double shared = has_bands(m, g) ? BANDS : 1;
    memcpy(busy, m->busy, sizeof *busy * (size_t)m->n);
    for (gr_loop_split k = 0; k < GR_LOOP_SPLITS; k++) {
        bool again = (k > 0 && size[k] == size[0]) || (k == GR_SPLIT_WHOLE && size[k] == size[GR_SPLIT_WAVEFRONT]);
        if (again || (g->layers == 0 && k > 0)) continue;
        ns[k] = place_group(m, g, size[k], busy) - begin;
        if (ns[k] < ns[best] * (best == GR_SPLIT_COLUMNS ? shared : 1)) best = k;
    }
    place_group(m, g, size[best], busy);
    note_choice(m, g, ns, best, s, cap);
}

/* ---- all ---------------------------------------------------------------------------- */

static void find_items(placer *m)
{
    const gr_program *p = m->p;
    m->items = GR_NEW_ARRAY(m->a, item, p->num_templates + 1);
    m->item_of = GR_NEW_ARRAY(m->a, int, p->num_templates + 1);
    for (int t = 0; t < p->num_templates;) {
        int loop = p->templates[t].loop >= 0 ? gr_loop_below(p, p->templates[t].loop, -1) : -1;
        item *x = &m->items[m->num_items];
        *x = (item){.first = t, .last = loop >= 0 ? p->loops[loop].last : t + 1, .loop = loop, .count = 1};
        if (loop >= 0 && p->loops[loop].count > 1) x->count = p->loops[loop].count;
        for (; t < x->last; t++) m->item_of[t] = m->num_items;
        m->num_items++;
    }
}

/* As much longer as the mean number of busy workers makes a step that would take `ns` if they shared nothing. */
static double crowded(const placer *m, double ns)
{
    const int others = m->topo->cores - 1;
    double busy = ns > 0 ? gr_program_ns(m->p) / ns - 1 : 0;
    if (m->n < 2 || m->topo->crowd <= 1 || others < 1 || busy <= 0) return ns;
    return ns * (1 + (m->topo->crowd - 1) * (busy < others ? busy : others) / others);
}

static bool uses_several(const placer *m)
{
    for (int t = 0; t < m->p->num_templates; t++)
        if (m->team[t].first + m->team[t].count > 1) return true;
    return false;
}

void gr_place(gr_arena *a, const gr_program *p, const gr_topology *topo, int threads, gr_schedule *s)
{
    placer m = {.a = a, .p = p, .topo = topo, .n = threads, .dep_at = gr_dependencies_of(a, p)};
    m.busy = GR_NEW_ARRAY(a, double, threads);
    m.team = GR_NEW_ARRAY(a, gr_team, p->num_templates + 1);
    find_items(&m);
    double *busy = GR_NEW_ARRAY(a, double, threads);
    bool *marked = GR_NEW_ARRAY(a, bool, m.num_items + 1);
    int cap = 0;
    for (int i = 0; i < m.num_items;) {
        group g = find_group(&m, i, marked);
        choose(&m, &g, busy, s, &cap);
        i = g.last;
    }
    s->predicted = m.num_items > 0 ? crowded(&m, end_of(&m)) + (uses_several(&m) ? 2 * topo->wait_ns : 0) : 0; /* begin and end */
    s->team = m.team;
}
