/* run.c - a program with its memory, ready to step.
 *
 * It has lists for several numbers of threads, all over the same memory, and takes at every step
 * those for as many as the pool uses. */
#include "graph/graph.h"
#include "kernel/kernel.h"
#include "program/build.h"
#include "run/exec.h"
#include <limits.h>
#include <string.h>
#include <time.h>

/* Kernels may read (never write) a little past the end of what they are given. */
#define PADDING 4096

/* The lists of a schedule, ready to run. */
typedef struct lineup {
    int threads;           /* that have anything to do */
    gr_worker_run *worker;
    bool known;            /* has run before: its pages are there */
} lineup;

struct gr_run {
    gr_arena *arena;
    const gr_program *program;
    gr_pool *pool;
    char *memory;    /* feeds, constants, results; the rest is the store's workspace */
    char **where;    /* of each buffer */
    lineup *lineup;  /* the most threads first */
    int num_lineups;
    double work;     /* predicted nanoseconds on the fewest threads */
    int64_t *base;
    gr_faults faults, reasons;
    gr_tape_constants constants;
};

/* ---- constants ------------------------------------------------------------ */

static double constant_at(const gr_node *n, int64_t i)
{
    int index = gr_op_attr(n->op, "value");
    if (index < 0) return 0;
    const gr_attr *v = &n->attr[index];
    switch (n->op->attrs[index].kind) {
    case GR_ATTR_BOOL:
    case GR_ATTR_INT: return (double)v->i;
    case GR_ATTR_TENSOR:
    case GR_ATTR_FLOATS: return v->n > 1 ? v->floats[i] : (v->n == 1 ? v->floats[0] : 0);
    case GR_ATTR_INTS: return (double)(v->n > 1 ? v->ints[i] : v->ints[0]);
    default: return v->f;
    }
}

static void fill_by_kernel(gr_run *r, const gr_buffer *b, void *to)
{
    const gr_node *n = b->fill;
    gr_tensor out = gr_operand_dense(0, &b->type).tensor;
    out.data = to;
    gr_call call = {.size = sizeof call, .attr = n->attr, .port = n->port, .in = GR_NEW_ARRAY(r->arena, gr_tensor, n->num_in),
                    .num_in = n->num_in, .out = &out, .num_out = 1, .math = gr_math_get()};
    call.end = n->op->units ? n->op->units(&call) : 1;
    for (const gr_kernel *k = n->op->kernels; k->run; k++)
        if (k->dtype == b->type.dtype) k->run(&call);
}

static void fill_constant(gr_run *r, const gr_buffer *b, void *to)
{
    if (b->fill->op->kernels) {
        fill_by_kernel(r, b, to);
        return;
    }
    for (int64_t i = 0, n = gr_numel(&b->type); i < n; i++) gr_put_element(to, b->type.dtype, i, constant_at(b->fill, i));
}

/* ---- creation ------------------------------------------------------------- */

static size_t aligned(size_t n) { return (n + 63) / 64 * 64; }

static int bind_states(gr_run *r, gr_store *store, gr_error *e)
{
    const gr_program *p = r->program;
    for (int i = 0; i < p->num_buffers; i++) {
        if (p->buffers[i].kind != GR_BUFFER_STATE) continue;
        r->where[i] = gr_store_get(store, p->buffers[i].name, &p->buffers[i].type, NULL, e);
        if (!r->where[i]) return -1;
    }
    return 0;
}

static int out_of_memory(size_t bytes, gr_error *e)
{
    gr_set_error(e, GR_ENOMEM, "out of memory: the program needs %zu MiB", bytes >> 20);
    return -1;
}

/* The run's own: [feeds][constants][results][padding]. The store's, which other runs overwrite:
 * [arena][padding][scratch of each worker]. Its pages are first touched by who first writes them. */
static int bind_memory(gr_run *r, gr_store *store, gr_error *e)
{
    const gr_program *p = r->program;
    const int threads = r->lineup[0].threads;
    size_t scratch = aligned(p->scratch_bytes) + PADDING, arena = aligned(p->arena_bytes) + PADDING;
    size_t own = p->feed_bytes + p->constant_bytes + p->result_bytes + PADDING, shared = arena + scratch * (size_t)threads;
    char *workspace = gr_store_workspace(store, shared);
    r->memory = workspace ? gr_allocate(gr_arena_memory(r->arena), own, 4096) : NULL;
    if (!r->memory) return out_of_memory(own + shared, e);
#ifdef GR_CHECKS
    memset(r->memory, 0xff, own); /* NaN, so that reading too early shows */
#endif
    memset(r->memory, 0, p->feed_bytes);
    char *start[] = {[GR_BUFFER_ARENA] = workspace, [GR_BUFFER_FEED] = r->memory,
                     [GR_BUFFER_CONSTANT] = r->memory + p->feed_bytes,
                     [GR_BUFFER_RESULT] = r->memory + p->feed_bytes + p->constant_bytes};
    for (int i = 0; i < p->num_buffers; i++) {
        const gr_buffer *b = &p->buffers[i];
        if (b->kind == GR_BUFFER_STATE) continue;
        r->where[i] = start[b->kind] + b->offset;
        if (b->kind == GR_BUFFER_CONSTANT) fill_constant(r, b, r->where[i]);
    }
    for (int i = 0; i < r->num_lineups; i++)
        for (int w = 0; w < r->lineup[i].threads; w++)
            r->lineup[i].worker[w].scratch = workspace + arena + scratch * (size_t)w;
    return 0;
}

static int active_workers(const gr_schedule *s)
{
    int n = 1;
    for (int w = 1; w < s->threads; w++)
        if (s->worker[w].tasks > 0) n = w + 1;
    return n;
}

static void prepare_worker(gr_run *r, const lineup *l, const gr_schedule *s, int w, uint64_t seed)
{
    gr_worker_run *x = &l->worker[w];
    x->program = r->program;
    x->list = &s->worker[w];
    x->index = w;
    x->threads = l->threads;
    x->spins = gr_pool_spins(r->pool);
    x->base = r->base;
    x->faults = &r->faults;
    x->reasons = &r->reasons;
    x->constants = &r->constants;
    x->seen = GR_NEW_ARRAY(r->arena, int64_t, l->threads + 16); /* with a gap to the next worker's */
    x->loop_index = GR_NEW_ARRAY(r->arena, int64_t, GR_MAX_LOOPS + 16);
    x->progress = GR_NEW_ARRAY(r->arena, gr_signal *, l->threads);
    for (int i = 0; i < l->threads; i++) x->progress[i] = gr_pool_progress(r->pool, i);
    x->seed = seed;
    gr_prepare_worker(r->arena, x, r->where);
}

/* One for each number of threads that have something to do; of schedules that leave as many idle
 * that nothing changes, the first. */
static void line_up(gr_run *r, const gr_schedule *s, const gr_schedule **of)
{
    int least = INT_MAX;
    for (; s; s = s->fewer) {
        int threads = active_workers(s);
        r->work = s->predicted;
        if (threads >= least) continue;
        least = threads;
        of[r->num_lineups] = s;
        r->lineup[r->num_lineups++] = (lineup){.threads = threads, .worker = GR_NEW_ARRAY(r->arena, gr_worker_run, threads)};
    }
}

static int create(gr_run *r, const gr_schedule *s, gr_store *store, uint64_t seed, gr_error *e)
{
    int count = 0;
    for (const gr_schedule *x = s; x; x = x->fewer) count++;
    const gr_schedule **of = GR_NEW_ARRAY(r->arena, const gr_schedule *, count);
    r->lineup = GR_NEW_ARRAY(r->arena, lineup, count);
    line_up(r, s, of);
    const int most = r->lineup[0].threads;
    if (most > gr_pool_threads(r->pool))
        return gr_set_error(e, GR_EINVAL, "the schedule is for %d threads, the pool has %d", most, gr_pool_threads(r->pool));
    r->where = GR_NEW_ARRAY(r->arena, char *, r->program->num_buffers + 1);
    r->base = GR_NEW_ARRAY(r->arena, int64_t, most);
    if (bind_memory(r, store, e) < 0 || bind_states(r, store, e) < 0) return -1;
    for (int i = 0; i < r->num_lineups; i++)
        for (int w = 0; w < r->lineup[i].threads; w++) prepare_worker(r, &r->lineup[i], of[i], w, seed);
    return 0;
}

gr_run *gr_run_create(const gr_program *p, const gr_schedule *s, gr_pool *pool, gr_store *store, uint64_t seed, gr_error *e)
{
    gr_arena *a = gr_arena_create_in(gr_memory_of(store));
    gr_run *volatile r = NULL;
    volatile int status = GR_ENOMEM;
    gr_frame frame;
    if (!a) {
        gr_set_error(e, GR_ENOMEM, "out of memory for a run");
    } else if (gr_try(a, &frame)) {
        r = GR_NEW(a, gr_run);
        *r = (gr_run){.arena = a, .program = p, .pool = pool};
        status = create(r, s, store, seed, e);
        gr_end_try(a, &frame);
    } else {
        status = gr_caught(a, e);
    }
    if (status == 0) return r;
    if (r) gr_run_destroy(r);
    else gr_arena_destroy(a);
    return NULL;
}

void gr_run_destroy(gr_run *r)
{
    if (!r) return;
    gr_free(r->memory);
    gr_arena_destroy(r->arena);
}

size_t gr_run_bytes(const gr_run *r)
{
    const gr_program *p = r->program;
    return gr_arena_bytes(r->arena) + p->feed_bytes + p->constant_bytes + p->result_bytes + PADDING;
}

/* ---- use ------------------------------------------------------------------ */

void *gr_run_feed(gr_run *r, const char *name, gr_type *t)
{
    int b = gr_program_feed(r->program, name);
    if (b < 0) return NULL;
    if (t) *t = r->program->buffers[b].type;
    return r->where[b];
}

static const char *result_at(const gr_run *r, int i)
{
    const gr_operand *o = &r->program->results[i].at;
    return r->where[o->buffer] + o->offset * (int64_t)gr_dtype_size(o->tensor.dtype);
}

const void *gr_run_result(const gr_run *r, const char *name, gr_type *t)
{
    int i = gr_program_find_result(r->program, name);
    if (i < 0) return NULL;
    const gr_operand *o = &r->program->results[i].at;
    if (t) {
        *t = (gr_type){.dtype = o->tensor.dtype, .rank = o->tensor.rank};
        memcpy(t->dim, o->tensor.dim, sizeof t->dim);
    }
    return result_at(r, i);
}

static void run_worker(void *data, int w) { gr_run_list(&((gr_worker_run *)data)[w]); }

static void run_lineup(gr_run *r, const lineup *l, int64_t step)
{
    for (int w = 0; w < l->threads; w++) l->worker[w].step = step;
    if (l->threads == 1) {
        gr_run_list(&l->worker[0]);
        return;
    }
    for (int w = 0; w < l->threads; w++)
        r->base[w] = atomic_load_explicit(&gr_pool_progress(r->pool, w)->count, memory_order_relaxed);
    gr_pool_run(r->pool, l->threads, run_worker, l->worker);
}

/* On the threads of the run's own schedule, whatever the machine is busy with. */
static void run_recorded(gr_run *r, int64_t step)
{
    gr_trace *t = r->lineup->worker[0].trace;
    t->started[t->steps] = gr_ticks();
    run_lineup(r, r->lineup, step);
    t->ended[t->steps++] = gr_ticks();
}

/* The most threads that the pool uses now. What has a choice is measured. */
static void run_measured(gr_run *r, int64_t step)
{
    const int most = gr_pool_next_threads(r->pool, r->lineup->threads);
    lineup *l = r->lineup;
    while (l->threads > most && l + 1 < r->lineup + r->num_lineups) l++;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    run_lineup(r, l, step);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (l->known)
        gr_pool_took(r->pool, (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec), r->work);
    l->known = true;
}

int gr_run_step(gr_run *r, int64_t step)
{
    gr_faults_clear(&r->faults);
    gr_faults_clear(&r->reasons);
    if (r->lineup->worker[0].trace) run_recorded(r, step);
    else if (r->num_lineups == 1) run_lineup(r, r->lineup, step);
    else run_measured(r, step);
    if (r->faults.at) return GR_EINVAL;
    if (r->program->commit >= 0 && !*result_at(r, r->program->commit)) return GR_ESTATE;
    return 0;
}

const char *gr_run_reason(const gr_run *r, const gr_node *n) { return r->reasons.at && r->reasons.at->node == n ? r->reasons.text : NULL; }
const char *gr_run_fault(gr_run *r, char *to, size_t room) { return gr_faults_text(&r->faults, r->program, to, room); }

void gr_run_set_trace(gr_run *r, gr_trace *t)
{
    for (int w = 0; w < r->lineup->threads; w++) r->lineup->worker[w].trace = t;
}
