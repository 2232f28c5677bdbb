/* check_schedule.c - see check_schedule.h.
 *
 * Each task counts on its worker's clock; a wait joins in the clock that the awaited task
 * had when it ended. A cell of memory, as large as the program's smallest elements, remembers
 * for each worker the last task that wrote and read it. */
#include "check_schedule.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORKERS 8

typedef struct cell {
    int64_t order; /* of the last writer in the sequential program */
    int32_t write[MAX_WORKERS], read[MAX_WORKERS];
    int64_t last_read; /* the highest order of a reader */
} cell;

typedef struct history { int64_t (*clock)[MAX_WORKERS]; int64_t count, room; } history; /* after each task */

typedef struct walker {
    const gr_program *p;
    const gr_schedule *s;
    int64_t cell_bytes;
    cell *memory[2]; /* arena and results; states */
    int64_t *size, *ahead; /* by loop: tasks in one iteration, and before it in one of the loop around it */
    int64_t *before;       /* by template: tasks before it in one iteration of its loop */
    int at[MAX_WORKERS];
    int64_t index[MAX_WORKERS][GR_MAX_LOOPS];
    int64_t clock[MAX_WORKERS][MAX_WORKERS];
    history past[MAX_WORKERS];
    int64_t *units; /* by template: computed in all */
    const char *wrong;
} walker;

static char message[256];

/* ---- the sequential order ------------------------------------------------- */

/* Tasks of one iteration of a loop (-1: of all) that come before template t. */
static int64_t count_before(const walker *w, int t, int loop)
{
    const gr_program *p = w->p;
    const int first = loop >= 0 ? p->loops[loop].first : 0;
    int64_t n = 0;
    for (int k = first; k < t; k++) n += p->templates[k].loop == loop;
    for (int l = 0; l < p->num_loops; l++)
        if (p->loops[l].parent == loop && p->loops[l].last <= t && p->loops[l].first >= first) n += p->loops[l].count * w->size[l];
    return n;
}

static void lay_order(walker *w)
{
    const gr_program *p = w->p;
    for (int t = 0; t < p->num_templates; t++) {
        int64_t times = 1;
        for (int l = p->templates[t].loop; l >= 0; times *= p->loops[l].count, l = p->loops[l].parent) w->size[l] += times;
    }
    for (int t = 0; t < p->num_templates; t++) w->before[t] = count_before(w, t, p->templates[t].loop);
    for (int l = 0; l < p->num_loops; l++) w->ahead[l] = count_before(w, p->loops[l].first, p->loops[l].parent);
}

static int64_t order_of(const walker *w, int t, const int64_t *index)
{
    const gr_loop_info *loops = w->p->loops;
    int64_t n = w->before[t];
    for (int l = w->p->templates[t].loop; l >= 0; l = loops[l].parent) n += w->ahead[l] + index[loops[l].depth] * w->size[l];
    return n;
}

/* ---- memory --------------------------------------------------------------- */

static void take_smallest(walker *w, const gr_operand *o, int n)
{
    for (int i = 0; i < n; i++) {
        const int64_t size = (int64_t)gr_dtype_size(o[i].tensor.dtype);
        if (o[i].buffer >= 0 && size < w->cell_bytes) w->cell_bytes = size;
    }
}

static void lay_memory(walker *w)
{
    const gr_program *p = w->p;
    w->cell_bytes = 8;
    for (int t = 0; t < p->num_templates; t++) {
        take_smallest(w, p->templates[t].in, p->templates[t].num_in);
        take_smallest(w, p->templates[t].out, p->templates[t].num_out);
    }
    w->memory[0] = calloc((p->arena_bytes + p->result_bytes) / (size_t)w->cell_bytes + 64, sizeof(cell));
    w->memory[1] = calloc(p->state_bytes / (size_t)w->cell_bytes + 64, sizeof(cell));
}

static void conflict(walker *w, int t, int other_worker, const char *what)
{
    if (w->wrong) return;
    snprintf(message, sizeof message, "template %d: no order with worker %d's %s", t, other_worker, what);
    w->wrong = message;
}

static void touch(walker *w, cell *b, int me, int t, int64_t order, bool write)
{
    int64_t now = w->clock[me][me] + 1;
    for (int u = 0; u < w->s->threads; u++) {
        if (u == me) continue;
        if (b->order != order && b->write[u] > w->clock[me][u]) conflict(w, t, u, "write");
        if (write && b->last_read != order && b->read[u] > w->clock[me][u]) conflict(w, t, u, "read");
    }
    if (b->order > order || (write && b->last_read > order)) conflict(w, t, me, "later task, done before");
    if (write) {
        if (b->order != order) memset(b->write, 0, sizeof b->write), memset(b->read, 0, sizeof b->read);
        b->order = order;
        b->write[me] = (int32_t)now;
    } else {
        b->read[me] = (int32_t)now;
        if (order > b->last_read) b->last_read = order;
    }
}

static void touch_operand(walker *w, const gr_operand *o, int me, int t, int64_t order, bool write)
{
    if (o->buffer < 0) return;
    const gr_buffer *b = &w->p->buffers[o->buffer];
    if (b->kind == GR_BUFFER_FEED || b->kind == GR_BUFFER_CONSTANT) return;
    cell *memory = w->memory[b->kind == GR_BUFFER_STATE];
    const int64_t base = (int64_t)(b->offset + (b->kind == GR_BUFFER_RESULT ? w->p->arena_bytes : 0));
    int64_t at = o->offset, size = (int64_t)gr_dtype_size(o->tensor.dtype), n = 1, index[GR_MAX_RANK] = {0};
    for (int l = 0; l < GR_MAX_LOOPS; l++) {
        int64_t i = w->index[me][l];
        at += o->stride[l] * (o->ring[l] ? (i + o->ring_shift[l]) % o->ring[l] : i);
    }
    for (int i = 0; i < o->tensor.rank; i++) n *= o->tensor.dim[i];
    for (; n > 0; n--) {
        int64_t element = at;
        for (int i = 0; i < o->tensor.rank; i++) element += index[i] * o->tensor.stride[i];
        const int64_t begin = base + element * size;
        if (begin % w->cell_bytes) w->wrong = "an element lies across others";
        for (int64_t k = begin / w->cell_bytes; k < (begin + size) / w->cell_bytes; k++) touch(w, memory + k, me, t, order, write);
        for (int i = o->tensor.rank - 1; i >= 0 && ++index[i] == o->tensor.dim[i]; i--) index[i] = 0;
    }
}

/* ---- walking -------------------------------------------------------------- */

static bool ready(walker *w, int me, const gr_instruction *ins)
{
    for (int i = 0; i < ins->num_waits; i++) {
        const gr_wait *x = &w->s->worker[me].waits[ins->first_wait + i];
        int64_t count = gr_wait_count(x, w->index[me]);
        if (w->past[x->worker].count < count) return false;
        if (count <= 0) continue;
        for (int u = 0; u < w->s->threads; u++) {
            int64_t known = w->past[x->worker].clock[count - 1][u];
            if (known > w->clock[me][u]) w->clock[me][u] = known;
        }
    }
    return true;
}

static void run(walker *w, int me, const gr_instruction *ins)
{
    const gr_template *t = &w->p->templates[ins->template_index];
    int64_t order = 1 + order_of(w, ins->template_index, w->index[me]);
    for (int i = 0; i < t->num_in; i++) touch_operand(w, &t->in[i], me, ins->template_index, order, false);
    for (int i = 0; i < t->num_out; i++) touch_operand(w, &t->out[i], me, ins->template_index, order, true);
    w->units[ins->template_index] += ins->end - ins->begin;
    history *past = &w->past[me];
    if (past->count == past->room) {
        past->room = 2 * past->room + 64;
        past->clock = realloc(past->clock, sizeof *past->clock * (size_t)past->room);
    }
    w->clock[me][me]++;
    memcpy(past->clock[past->count++], w->clock[me], sizeof *past->clock);
}

/* One instruction of worker `me`; false: it waits or has ended. */
static bool step(walker *w, int me)
{
    const gr_worker_list *list = &w->s->worker[me];
    if (w->at[me] >= list->num_ins) return false;
    const gr_instruction *ins = &list->ins[w->at[me]];
    int depth = ins->loop >= 0 ? w->p->loops[ins->loop].depth : 0;
    if (ins->kind == GR_RUN) {
        if (!ready(w, me, ins)) return false;
        run(w, me, ins);
    } else if (ins->kind == GR_LOOP_BEGIN) {
        w->index[me][depth] = 0;
    } else if (++w->index[me][depth] < w->p->loops[ins->loop].count) {
        w->at[me] = ins->jump;
        return true;
    } else {
        w->index[me][depth] = 0;
    }
    w->at[me]++;
    return true;
}

static void walk(walker *w)
{
    bool moved = true;
    while (moved && !w->wrong) {
        moved = false;
        for (int me = 0; me < w->s->threads; me++)
            while (!w->wrong && step(w, me)) moved = true;
    }
    for (int me = 0; me < w->s->threads && !w->wrong; me++) {
        if (w->at[me] < w->s->worker[me].num_ins) w->wrong = "the lists wait for each other for ever";
        else if (w->past[me].count != w->s->worker[me].tasks) w->wrong = "a list's number of tasks is wrong";
    }
    for (int t = 0; t < w->p->num_templates && !w->wrong; t++) {
        int64_t n = w->p->templates[t].units;
        for (int l = w->p->templates[t].loop; l >= 0; l = w->p->loops[l].parent) n *= w->p->loops[l].count;
        if (w->units[t] != n) w->wrong = "not all units are computed once";
    }
}

const char *check_schedule(const gr_program *p, const gr_schedule *s)
{
    if (s->threads > MAX_WORKERS) return "too many workers for this check";
    walker *w = calloc(1, sizeof *w);
    w->p = p;
    w->s = s;
    w->size = calloc((size_t)p->num_loops + 1, sizeof *w->size);
    w->ahead = calloc((size_t)p->num_loops + 1, sizeof *w->ahead);
    w->before = calloc((size_t)p->num_templates + 1, sizeof *w->before);
    w->units = calloc((size_t)p->num_templates + 1, sizeof *w->units);
    lay_order(w);
    lay_memory(w);
    walk(w);
    const char *wrong = w->wrong;
    for (int i = 0; i < s->threads; i++) free(w->past[i].clock);
    free(w->memory[0]);
    free(w->memory[1]);
    free(w->size);
    free(w->ahead);
    free(w->before);
    free(w->units);
    free(w);
    return wrong;
}
