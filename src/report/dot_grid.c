/* dot_grid.c - the unrolled program as a grid: columns are steps of time, rows ("lanes") are what runs.
 *
 *     outside of loops     one box as wide as the grid
 *     in a loop of steps   a box a step; loops over parts of one sequence share a lane
 *     in a loop of chunks  a box a chunk, as wide as its steps
 *
 * Lanes stand in the order in which one thread would come to them. Steps behind the last column are one box.
 * More columns than fit a page with names in them are narrow: names stand at the left of the lane, the boxes
 * have threads alone.
 * An arrow is a wait of the program from the box that is done last to the one that waits first; those that
 * follow from others are left out. */
#include "report/dot.h"
#include "report/dot_picture.h"
#include "base/utf8.h"

#include <string.h>

enum { TASKS = 4, LEAST = 4, MOST = 8 }; /* that a box lists; columns of a lane outside of loops; columns with names */
static const double heading = 132, names_width = 118, line_height = 15;

/* In points: of a column, between two, of what stands left of them. */
typedef struct measures { double column, gap, left; } measures;

typedef enum lane_kind { LANE_WHOLE, LANE_STEPS, LANE_CHUNKS } lane_kind;

typedef struct lane {
    lane_kind kind;
    const char *unit, *note;
    gr_phase phase;
    gr_pic_group *group;
    gr_pic_box **box;      /* by column; the last is for all steps behind; whole: [0] */
} lane;

typedef struct grid {
    gr_arena *a;
    gr_picture *p;
    const gr_program *program;
    const gr_schedule *schedule;
    int64_t columns;       /* of single steps */
    bool narrow;
    measures is;
    lane **lanes; int num_lanes, cap_lanes;
    lane **lane_of;        /* by template */
    const gr_pic_box *last_from, *last_to; /* of the last arrow */
} grid;

/* ---- where a template stands ---- */

static const char *node_name(const gr_template *t) { return t->node ? t->node->name : gr_template_name(t); }

/* The loop inside a loop of chunks, -1: none. */
static int loop_of_chunks(const gr_program *p, int chunks)
{
    for (int l = 0; l < p->num_loops; l++)
        if (p->loops[l].parent == chunks) return l;
    return -1;
}

/* The loop whose steps are the columns for t; -1: it stands outside, or in a loop of chunks alone. */
static int step_loop(const gr_program *p, const gr_template *t)
{
    int l = t->loop, inner = -1;
    while (l >= 0 && p->loops[l].parent >= 0) inner = l, l = p->loops[l].parent;
    return l >= 0 && p->loops[l].chunks && loop_of_chunks(p, l) >= 0 ? inner : l;
}

/* The loop around or at `inner` that stands directly in `outer`. */
static int loop_below(const gr_program *p, int inner, int outer)
{
    while (inner >= 0 && p->loops[inner].parent != outer) inner = p->loops[inner].parent;
    return inner;
}

static int64_t steps_of(const gr_loop_info *l) { return l->steps ? l->steps : l->count; }

/* ---- names ---- */

/* What a lane is called: its loop, "rnn.l0"; outside of loops the node of the model, "rnn"; "update" for the
 * training step's own part. */
static const char *unit_of(grid *g, const gr_template *t, int steps, gr_phase phase)
{
    const gr_program *p = g->program;
    const char *name = steps >= 0 ? p->loops[steps].scan->name : t->loop >= 0 ? p->loops[loop_of_chunks(p, t->loop)].scan->name : node_name(t);
    if (phase == GR_UPDATE) return "update";
    return gr_arena_strndup(g->a, name, strcspn(name, t->loop >= 0 ? "'" : "'."));
}

/* The name within its unit; a derived one's origin. */
static const char *task_name(grid *g, const gr_template *t, const char *unit)
{
    enum { LONGEST = 17 };
    const char *name = node_name(t);
    const size_t n = strlen(unit);
    if (strncmp(name, unit, n) == 0 && name[n]) name += n;
    while (*name == '\'' || *name == '.') name++;
    if (t->kind == GR_TASK_COPY) name = "copy";
    return *name ? gr_pic_cut(g->a, name, LONGEST) : t->node ? t->node->op->name : "copy";
}

/* ---- lanes ---- */

static lane *add_lane(grid *g, lane_kind kind, const char *unit, gr_phase phase, bool reverse)
{
    lane *l = GR_NEW(g->a, lane);
    *l = (lane){.kind = kind, .unit = unit, .phase = phase, .box = GR_NEW_ARRAY(g->a, gr_pic_box *, g->columns + 1)};
    l->note = kind == LANE_WHOLE ? phase == GR_UPDATE ? "once" : "all steps at once" : kind == LANE_CHUNKS ? "some steps at once" : reverse ? "last step first" : "step by step";
    l->group = gr_pic_add_group(g->p, &g->p->top, unit, phase);
    l->group->note = l->note;
    *GR_PUSH(g->a, g->lanes, g->num_lanes, g->cap_lanes) = l;
    return l;
}

/* The last lane if it is of this kind; that of another part of the same sequence. */
static lane *find_lane(grid *g, lane_kind kind, const char *unit, gr_phase phase)
{
    for (int i = g->num_lanes - 1; i >= 0; i--) {
        lane *l = g->lanes[i];
        if (l->kind == kind && l->phase == phase && strcmp(l->unit, unit) == 0) return l;
        if (kind == LANE_WHOLE && phase != GR_UPDATE) return NULL;
    }
    return NULL;
}

static void make_lanes(grid *g)
{
    const gr_program *p = g->program;
    for (int i = 0; i < p->num_templates; i++) {
        const gr_template *t = &p->templates[i];
        const int steps = step_loop(p, t);
        const gr_phase phase = t->node ? t->node->phase : GR_UPDATE;
        const lane_kind kind = steps >= 0 ? LANE_STEPS : t->loop >= 0 ? LANE_CHUNKS : LANE_WHOLE;
        const char *unit = unit_of(g, t, steps, phase);
        lane *l = find_lane(g, kind, unit, phase);
        if (!l) l = add_lane(g, kind, unit, phase, steps >= 0 && p->loops[steps].reverse);
        g->lane_of[i] = l;
    }
}

/* ---- boxes ---- */

static int64_t column_of(const grid *g, int64_t step) { return step < g->columns ? step : g->columns; }

/* The first and last step that stand in the box of t at these indices. */
static void steps_at(const grid *g, const gr_template *t, const int64_t *index, int64_t *first, int64_t *last)
{
    const gr_program *p = g->program;
    const int l = step_loop(p, t);
    *first = *last = 0;
    if (l >= 0) {
        *first = *last = gr_loop_iteration(&p->loops[l], index);
    } else if (t->loop >= 0) {
        const gr_loop_info *inner = &p->loops[loop_of_chunks(p, t->loop)];
        int64_t at[GR_MAX_LOOPS] = {index[0]};
        const int64_t a = gr_loop_iteration(inner, at);
        at[inner->depth] = inner->count - 1;
        const int64_t b = gr_loop_iteration(inner, at);
        *first = a < b ? a : b;
        *last = a < b ? b : a;
    }
}

/* The box of t at these indices, made when first asked for. */
static gr_pic_box *box_at(grid *g, int t, const int64_t *index)
{
    lane *l = g->lane_of[t];
    int64_t first, last;
    steps_at(g, &g->program->templates[t], index, &first, &last);
    const int64_t from = column_of(g, first), to = from < g->columns && last >= g->columns ? g->columns - 1 : column_of(g, last);
    if (l->box[from]) return l->box[from];
    const char *name = l->kind == LANE_WHOLE ? l->unit : from == g->columns ? "later steps"
                     : first == last ? gr_arena_printf(g->a, "step %lld", (long long)first)
                     : gr_arena_printf(g->a, "steps %lld to %lld", (long long)first, (long long)last);
    gr_pic_box *b = gr_pic_add_box(g->p, l->group, GR_LOOK_TASKS, l->phase, name, "");
    const bool more = g->p->columns > g->columns;
    b->x = g->is.left + (double)from * (g->is.column + g->is.gap);
    const int64_t all = g->columns + more > LEAST ? g->columns + more : LEAST;
    b->column = (int)from;
    b->span = (int)(l->kind == LANE_WHOLE ? all : to - from + 1);
    b->width = b->span * (g->is.column + g->is.gap) - g->is.gap;
    return l->box[from] = b;
}

/* Which threads run the template, and which of its units. */
static void add_shares(grid *g, gr_pic_task *task, int t)
{
    int room = 0;
    for (int w = 0; w < g->schedule->threads; w++)
        for (int i = 0; i < g->schedule->worker[w].num_ins; i++) {
            const gr_instruction *x = &g->schedule->worker[w].ins[i];
            if (x->kind != GR_RUN || x->template_index != t) continue;
            bool known = false;
            for (int k = 0; k < task->num_shares; k++) known |= task->share[k] == w;
            if (!known) *GR_PUSH(g->a, task->share, task->num_shares, room) = w;
        }
}

/* Of several alike one is listed. */
static void add_task(grid *g, gr_pic_box *b, int t)
{
    gr_pic_task task = {.name = task_name(g, &g->program->templates[t], g->lane_of[t]->unit), .count = 1};
    add_shares(g, &task, t);
    for (int i = 0; i < b->num_tasks; i++) {
        gr_pic_task *other = &b->task[i];
        if (strcmp(other->name, task.name) != 0 || other->num_shares != task.num_shares) continue;
        if (memcmp(other->share, task.share, (size_t)task.num_shares * sizeof *task.share) != 0) continue;
        other->count++;
        return;
    }
    *GR_PUSH(g->a, b->task, b->num_tasks, b->cap_tasks) = task;
}

/* Runs through the steps of t that are shown, one of those behind them, too. */
static void add_tasks(grid *g, int t)
{
    const gr_program *p = g->program;
    const int l = step_loop(p, &p->templates[t]), own = p->templates[t].loop;
    const gr_loop_info *inner = l >= 0 ? &p->loops[l] : own >= 0 ? &p->loops[own] : NULL;
    const gr_loop_info *outer = inner && inner->parent >= 0 ? &p->loops[inner->parent] : NULL;
    bool later = false;
    for (int64_t i = 0; i < (outer ? outer->count : 1); i++)
        for (int64_t k = 0; k < (inner ? inner->count : 1); k++) {
            int64_t index[GR_MAX_LOOPS] = {0}, first, last;
            if (outer) index[outer->depth] = i;
            if (inner) index[inner->depth] = k;
            steps_at(g, &p->templates[t], index, &first, &last);
            if (first >= g->columns && later) continue;
            later |= first >= g->columns;
            add_task(g, box_at(g, t, index), t);
        }
}

/* A box with many tasks says how many. */
static void shorten(grid *g, gr_pic_box *b)
{
    if (b->num_tasks <= TASKS) return;
    int count = 0;
    for (int i = 0; i < b->num_tasks; i++) count += b->task[i].count;
    gr_pic_task all = {.name = gr_arena_printf(g->a, "%d tasks", count), .count = 1};
    int room = 0;
    for (int w = 0; w < g->schedule->threads; w++) {
        bool runs = false;
        for (int i = 0; i < b->num_tasks; i++)
            for (int k = 0; k < b->task[i].num_shares; k++) runs |= b->task[i].share[k] == w;
        if (runs) *GR_PUSH(g->a, all.share, all.num_shares, room) = w;
    }
    b->task[0] = all;
    b->num_tasks = 1;
}

static gr_pic_box *add_heading(grid *g, const char *name, const char *note, gr_phase phase, double x, double y, double width, double height)
{
    gr_pic_box *b = gr_pic_add_box(g->p, &g->p->top, GR_LOOK_HEADING, phase, name, note);
    b->x = x;
    b->y = y;
    b->width = width;
    b->height = height;
    return b;
}

/* The names of a lane's tasks, beside its narrow boxes. */
static void add_names(grid *g, const lane *l, double y, double height)
{
    const gr_pic_box *first = l->group->box[0];
    gr_pic_box *b = add_heading(g, "", "", l->phase, heading - 8, y, names_width, height);
    b->look = GR_LOOK_NAMES;
    b->op = *first->op ? "steps" : "";
    for (int i = 0; i < first->num_tasks; i++)
        *GR_PUSH(g->a, b->task, b->num_tasks, b->cap_tasks) = (gr_pic_task){.name = first->task[i].name, .count = first->task[i].count};
}

/* What a narrow box of a lane says over its threads: which steps. */
static const char *steps_text(const grid *g, const gr_pic_box *b)
{
    if (b->column == g->columns) return "...";
    return b->span == 1 ? gr_arena_printf(g->a, "%d", b->column) : gr_arena_printf(g->a, "%d-%d", b->column, b->column + b->span - 1);
}

/* Over the columns stand their steps. What stands over the last one may be wider than it is. */
static void add_steps(grid *g)
{
    if (g->narrow) add_heading(g, "step", "", GR_FORWARD, heading - 8, 0, names_width, line_height);
    for (int64_t c = 0; c <= g->columns && c < g->p->columns && g->p->columns > 1; c++) {
        const char *steps = gr_pic_steps(g->p, (int)c);
        const double x = g->is.left + (double)c * (g->is.column + g->is.gap), room = 7. * gr_utf8_width(steps, strlen(steps));
        const double width = c == g->columns && room > g->is.column ? room : g->is.column;
        add_heading(g, g->narrow ? steps : gr_arena_printf(g->a, "t = %s", steps), "", GR_FORWARD, x, 0, width, line_height);
    }
}

static void lay_out(grid *g)
{
    double y = line_height + 8;
    add_steps(g);
    for (int i = 0; i < g->num_lanes; i++) {
        lane *l = g->lanes[i];
        double height = 2 * line_height;
        const bool brief = g->narrow && l->kind != LANE_WHOLE;
        for (int k = 0; k < l->group->num_boxes; k++) {
            shorten(g, l->group->box[k]);
            const bool wide = !brief && l->group->box[k]->width >= l->group->box[k]->num_tasks * GR_TASK_WIDTH;
            const int rows = (wide ? 1 : l->group->box[k]->num_tasks) + (l->kind == LANE_CHUNKS);
            if (rows * (line_height + 3) + 6 > height) height = rows * (line_height + 3) + 6;
        }
        for (int k = 0; k < l->group->num_boxes; k++) {
            l->group->box[k]->brief = brief;
            if (l->kind == LANE_CHUNKS) l->group->box[k]->op = brief ? steps_text(g, l->group->box[k]) : l->group->box[k]->name;
            l->group->box[k]->y = y;
            l->group->box[k]->height = height;
        }
        add_heading(g, l->unit, l->note, l->phase, 0, y, heading - 16, height);
        if (brief) add_names(g, l, y, height);
        y += height + 19;
    }
}

/* ---- arrows ---- */

/* Index i in the loop around l at depth, and l's inner loops at their first or last iteration. */
static void fill_index(const gr_program *p, int loop, int common, bool last, const int64_t *at, int64_t *index)
{
    for (int l = loop; l >= 0; l = p->loops[l].parent) index[p->loops[l].depth] = last ? p->loops[l].count - 1 : 0;
    for (int l = common; l >= 0; l = p->loops[l].parent) index[p->loops[l].depth] = at[p->loops[l].depth];
}

static void add_wait(grid *g, const gr_dependency *d, const int64_t *before, const int64_t *after)
{
    gr_pic_box *from = box_at(g, d->before, before), *to = box_at(g, d->after, after);
    if (from == to || (from == g->last_from && to == g->last_to)) return;
    g->last_from = from;
    g->last_to = to;
    gr_pic_add_arrow(g->p, from, to, to->phase, GR_FLOW_DATA, "");
}

/* Loops of their own below the common one, one behind the other. */
static void add_lagging(grid *g, const gr_dependency *d, int64_t *before, int64_t *after)
{
    const gr_program *p = g->program;
    const int from = loop_below(p, p->templates[d->before].loop, d->loop), to = loop_below(p, p->templates[d->after].loop, d->loop);
    for (int64_t j = 0; j < p->loops[to].count; j++) {
        int64_t q = gr_lag_at(&d->lag, j);
        if (q < 0) continue;
        before[p->loops[from].depth] = q < p->loops[from].count ? q : p->loops[from].count - 1;
        after[p->loops[to].depth] = j;
        add_wait(g, d, before, after);
    }
}

static void add_waits(grid *g, const gr_dependency *d)
{
    const gr_program *p = g->program;
    const gr_loop_info *c = d->loop >= 0 ? &p->loops[d->loop] : NULL, *o = c && c->parent >= 0 ? &p->loops[c->parent] : NULL;
    for (int64_t k = 0; k < (o ? o->count : 1); k++)
        for (int64_t i = c ? d->distance : 0; i < (c ? c->count : 1); i++) {
            int64_t at[GR_MAX_LOOPS] = {0}, before[GR_MAX_LOOPS] = {0}, after[GR_MAX_LOOPS] = {0};
            if (o) at[o->depth] = k;
            if (c) at[c->depth] = i;
            fill_index(p, p->templates[d->after].loop, d->loop, false, at, after);
            if (c) at[c->depth] = i - d->distance;
            fill_index(p, p->templates[d->before].loop, d->loop, true, at, before);
            if (d->lag.div) add_lagging(g, d, before, after);
            else add_wait(g, d, before, after);
        }
}

/* Arrows by the box that they leave: out[first[id]] .. out[first[id + 1] - 1]. */
typedef struct leaving { int *first; gr_pic_arrow **out; } leaving;

static leaving sort_arrows(const grid *g)
{
    const gr_picture *p = g->p;
    leaving l = {GR_NEW_ARRAY(g->a, int, p->num_boxes + 2), GR_NEW_ARRAY(g->a, gr_pic_arrow *, p->num_arrows + 1)};
    for (int i = 0; i < p->num_arrows; i++) l.first[p->arrow[i]->from->id + 1]++;
    for (int b = 0; b <= p->num_boxes; b++) l.first[b + 1] += l.first[b];
    int *at = gr_arena_copy(g->a, l.first, (size_t)(p->num_boxes + 2) * sizeof *at);
    for (int i = 0; i < p->num_arrows; i++) l.out[at[p->arrow[i]->from->id]++] = p->arrow[i];
    return l;
}

/* Whether arrows other than `but` lead from b to where that leads. */
static bool leads(const leaving *l, const gr_pic_box *b, const gr_pic_arrow *but, bool *seen)
{
    if (b == but->to) return true;
    if (seen[b->id]) return false;
    seen[b->id] = true;
    for (int i = l->first[b->id]; i < l->first[b->id + 1]; i++)
        if (l->out[i] != but && leads(l, l->out[i]->to, but, seen)) return true;
    return false;
}

/* Boxes whose arrows go round in a circle, as the one for all later steps may have them, keep them. */
static void drop_needless(grid *g)
{
    const leaving l = sort_arrows(g);
    bool *seen = GR_NEW_ARRAY(g->a, bool, g->p->num_boxes + 1);
    int kept = 0;
    gr_pic_arrow **list = GR_NEW_ARRAY(g->a, gr_pic_arrow *, g->p->num_arrows + 1);
    for (int i = 0; i < g->p->num_arrows; i++) {
        memset(seen, 0, (size_t)(g->p->num_boxes + 1) * sizeof *seen);
        if (!leads(&l, g->p->arrow[i]->from, g->p->arrow[i], seen)) list[kept++] = g->p->arrow[i];
    }
    g->p->arrow = list;
    g->p->num_arrows = kept;
}

/* ---- the whole ---- */

gr_picture *gr_picture_of_program(const gr_program *p, const gr_schedule *s, int64_t steps, const gr_dot_options *o)
{
    gr_arena *a = p->arena;
    grid g = {.a = a, .p = gr_pic_create(a, o->title), .program = p, .schedule = s, .lane_of = GR_NEW_ARRAY(a, lane *, p->num_templates + 1)};
    g.p->columns = 1;
    for (int i = 0; i < p->num_templates; i++) {
        const int l = step_loop(p, &p->templates[i]);
        if (l >= 0 && steps_of(&p->loops[l]) > g.p->columns) g.p->columns = steps_of(&p->loops[l]);
    }
    g.columns = steps < g.p->columns ? steps : g.p->columns;
    g.narrow = g.columns > MOST;
    g.is = g.narrow ? (measures){26, 9, heading + names_width} : (measures){124, 16, heading};
    g.p->threads = s->threads;
    g.p->shown = (int)g.columns;
    make_lanes(&g);
    for (int i = 0; i < p->num_templates; i++) add_tasks(&g, i);
    lay_out(&g);
    for (int i = 0; i < p->num_deps; i++) add_waits(&g, &p->deps[i]);
    drop_needless(&g);
    const char *time = g.p->columns == 1 ? "no loop over time" : gr_arena_printf(a, "%lld of %lld steps", (long long)g.columns, (long long)g.p->columns);
    g.p->note = gr_arena_printf(a, "%s, %d thread%s", time, s->threads, s->threads == 1 ? "" : "s");
    return g.p;
}
