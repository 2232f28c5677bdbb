/* exec.c - runs a worker's list.
 *
 * Everything that is the same at every step is worked out beforehand; what is left for a
 * task is to move the pointers that move, to wait, to call. */
#include "run/exec.h"
#include "base/count.h"
#include <string.h>

/* ---- faults --------------------------------------------------------------- */

static const gr_task *task_of(const gr_call *call)
{
    return (const gr_task *)(const void *)((const char *)call - offsetof(gr_task, call));
}

/* Number of the first of the `rows` steps that the task makes at once, among the steps of all
 * loops around it, in the order of time. */
static int64_t time_of(const gr_worker_run *w, const gr_template *t, int64_t rows)
{
    const gr_program *p = w->program;
    int64_t row = 0;
    for (int l = t->loop; l >= 0; l = p->loops[l].parent) {
        const gr_loop_info *loop = &p->loops[l];
        const gr_scan *s = loop->scan->scan;
        if (loop->chunks) continue; /* the loop in it counts for both */
        int64_t each = s->each ? s->each : 1;
        rows /= each; /* now of one step */
        row += rows * (s->first + gr_loop_iteration(loop, w->loop_index) * each);
        rows *= s->span ? s->span : loop->steps ? loop->steps : loop->count;
    }
    return row;
}

static void task_fail(const gr_call *call, int64_t place, const char *fmt, va_list args)
{
    const gr_task *task = task_of(call);
    gr_faults_add(task->worker->faults, task->t, time_of(task->worker, task->t, call->random.rows), place, fmt, args);
}

static void task_explain(const gr_call *call, int64_t place, const char *fmt, va_list args)
{
    const gr_task *task = task_of(call);
    gr_faults_add(task->worker->reasons, task->t, time_of(task->worker, task->t, call->random.rows), place, fmt, args);
}

static bool task_failed(const gr_call *call) { return atomic_load(&task_of(call)->worker->faults->any); }

/* ---- preparing ------------------------------------------------------------ */

static void prepare_operand(const gr_operand *o, gr_tensor *tensor, char *const *where)
{
    *tensor = o->tensor;
    if (o->buffer >= 0) tensor->data = where[o->buffer] + o->offset * (int64_t)gr_dtype_size(o->tensor.dtype);
}

/* Lets *to, where the operand lies at the first step, move with the loops. */
static void add_move(gr_arena *a, gr_task *task, const gr_operand *o, void **to, int *cap)
{
    int64_t size = (int64_t)gr_dtype_size(o->tensor.dtype);
    gr_move m = {.to = to, .base = *to};
    if (o->buffer < 0) return;
    for (int l = 0; l < GR_MAX_LOOPS; l++)
        if (o->stride[l]) m.term[m.num_terms++] = (gr_move_term){o->stride[l] * size, l, o->ring[l], o->ring_shift[l]};
    if (m.num_terms) *GR_PUSH(a, task->moves, task->num_moves, *cap) = m;
}

static void prepare_tape(gr_arena *a, gr_task *task, gr_dtype real, void *scratch)
{
    const gr_template *t = task->t;
    int cap = 0;
    task->tape = gr_tape_prepare(a, &(gr_tape_run){.tape = t->tape, .real = real, .rank = task->out[0].rank,
                                                   .dim = task->out[0].dim, .in = task->in, .out = task->out,
                                                   .scratch = scratch, .constants = task->worker->constants});
    for (int i = 0; i < t->num_in; i++) add_move(a, task, &t->in[i], gr_tape_operand(task->tape, i), &cap);
    for (int i = 0; i < t->num_out; i++) add_move(a, task, &t->out[i], gr_tape_operand(task->tape, t->num_in + i), &cap);
}

/* Tape inputs of a product's tile: its slices, in scratch, then the operands' tiles. */
static void prepare_product(gr_arena *a, gr_task *task, gr_dtype real, char *scratch)
{
    const gr_template *t = task->t;
    int slices = t->node->epilogue->num_slices, others = t->num_in - t->node->product_inputs;
    int64_t dim[2] = {t->tile_rows, t->run_cols}, size = (int64_t)gr_dtype_size(real);
    gr_tensor *in = GR_NEW_ARRAY(a, gr_tensor, slices + others);
    char *tile = scratch + t->block_scratch;
    for (int i = 0; i < slices; i++)
        in[i] = (gr_tensor){.dtype = real, .rank = 2, .data = tile + i * dim[0] * dim[1] * size, .stride = {dim[1], 1}};
    for (int i = 0; i < others; i++) in[slices + i] = task->in[t->node->product_inputs + i];
    task->tape = gr_tape_prepare(a, &(gr_tape_run){.tape = t->tape, .real = real, .rank = 2, .dim = dim, .in = in,
                                                   .out = task->out, .scratch = tile + t->tile_scratch,
                                                   .constants = task->worker->constants, .corner = true});
}

static void prepare_task(gr_arena *a, gr_worker_run *w, gr_task *task, char *const *where)
{
    const gr_template *t = task->t;
    gr_dtype real = w->program->real;
    int cap = 0;
    task->in = GR_NEW_ARRAY(a, gr_tensor, t->num_in + 1);
    task->out = GR_NEW_ARRAY(a, gr_tensor, t->num_out + 1);
    gr_template_call(t, &task->call, task->in, task->out);
    task->call.fail = task_fail;
    task->call.failed = task_failed;
    task->call.explain = task_explain;
    if (t->kind == GR_TASK_PRODUCT) /* the product itself has no memory */
        task->call.out = gr_arena_copy(a, task->out, sizeof *task->out);
    for (int i = 0; i < t->num_in; i++) prepare_operand(&t->in[i], &task->in[i], where);
    for (int i = 0; i < t->num_out; i++) prepare_operand(&t->out[i], &task->out[i], where);
    task->run = t->run;
    task->call.scratch = w->scratch;
    task->call.begin = task->begin;
    task->call.end = task->end;
    if (t->kind == GR_TASK_PRODUCT) prepare_product(a, task, real, w->scratch);
    if (t->kind == GR_TASK_TAPE) {
        prepare_tape(a, task, real, w->scratch);
    } else {
        for (int i = 0; i < t->num_in; i++) add_move(a, task, &t->in[i], &task->in[i].data, &cap);
        for (int i = 0; i < t->num_out; i++) add_move(a, task, &t->out[i], &task->out[i].data, &cap);
    }
    task->random = t->kind == GR_TASK_KERNEL && (t->node->op->traits & GR_RANDOM);
    if (task->random) task->random_rows = task->call.random.rows;
}

void gr_prepare_worker(gr_arena *a, gr_worker_run *w, char *const *where)
{
    w->task = GR_NEW_ARRAY(a, gr_task, w->list->num_ins + 1);
    for (int i = 0; i < w->list->num_ins; i++) {
        const gr_instruction *ins = &w->list->ins[i];
        if (ins->kind != GR_RUN) continue;
        w->task[i].worker = w;
        w->task[i].t = &w->program->templates[ins->template_index];
        w->task[i].begin = ins->begin;
        w->task[i].end = ins->end;
        prepare_task(a, w, &w->task[i], where);
    }
}

/* ---- copies --------------------------------------------------------------- */

/* n times the same, by copying twice as much each time. */
static void repeat(char *to, const char *from, int64_t n, size_t size)
{
    const size_t all = (size_t)n * size;
    memcpy(to, from, size);
    for (size_t done = size; done < all; done *= 2) memcpy(to + done, to, done < all - done ? done : all - done);
}

/* n is not 0. */
static void copy_run(char *to, const char *from, int64_t n, int64_t to_step, int64_t from_step, size_t size)
{
    const bool dense = to_step == (int64_t)size;
    if (dense && from_step == (int64_t)size) {
        memcpy(to, from, (size_t)n * size);
    } else if (dense && from_step == 0) {
        repeat(to, from, n, size);
    } else if (size == sizeof(float)) { /* a size that is known makes it a move */
        for (int64_t i = 0; i < n; i++) memcpy(to + i * to_step, from + i * from_step, sizeof(float));
    } else {
        for (int64_t i = 0; i < n; i++) memcpy(to + i * to_step, from + i * from_step, size);
    }
}

/* Elements [begin, end) in row-major order; both have the same dims. */
static void copy_elements(const gr_tensor *from, const gr_tensor *to, int64_t begin, int64_t end)
{
    size_t size = gr_dtype_size(to->dtype);
    int last = to->rank - 1;
    for (int64_t at = begin; at < end;) {
        int64_t rest = at, from_offset = 0, to_offset = 0, column = 0;
        for (int i = last; i >= 0; i--) {
            int64_t index = rest % to->dim[i];
            rest /= to->dim[i];
            if (i == last) column = index;
            from_offset += index * from->stride[i];
            to_offset += index * to->stride[i];
        }
        int64_t n = to->dim[last] - column;
        if (n > end - at) n = end - at;
        copy_run((char *)to->data + to_offset * (int64_t)size, (const char *)from->data + from_offset * (int64_t)size, n,
                 to->stride[last] * (int64_t)size, from->stride[last] * (int64_t)size, size);
        at += n;
    }
}

static int64_t clip(int64_t units, int64_t each, const gr_tensor *t)
{
    int64_t end = units * each, n = gr_tensor_numel(t);
    return end < n ? end : n;
}

/* ---- products with an epilogue -------------------------------------------- */

static void *element(const gr_tensor *t, int64_t row, int64_t col)
{
    return (char *)t->data + (row * t->stride[0] + col * t->stride[1]) * (int64_t)gr_dtype_size(t->dtype);
}

static void run_tile(gr_task *task, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
    const gr_template *t = task->t;
    const gr_epilogue *e = t->node->epilogue;
    const gr_tensor *in = task->in + t->node->product_inputs;
    int others = t->num_in - t->node->product_inputs, n = e->num_slices;
    for (int i = 0; i < n; i++)
        t->node->op->block(&task->call, row, rows, e->column[i] + col, cols, *gr_tape_operand(task->tape, i), t->run_cols);
    for (int i = 0; i < others; i++) *gr_tape_operand(task->tape, n + i) = element(&in[i], row, col);
    for (int i = 0; i < t->num_out; i++) *gr_tape_operand(task->tape, n + others + i) = element(&task->out[i], row, col);
    gr_tape_exec_corner(task->tape, rows, cols);
}

static void run_product(gr_task *task)
{
    const gr_template *t = task->t;
    int64_t rows = t->out[0].tensor.dim[0], cols = t->out[0].tensor.dim[1];
    int64_t across = (cols + t->tile_cols - 1) / t->tile_cols, together = t->run_cols / t->tile_cols;
    for (int64_t u = task->begin, n; u < task->end; u += n) {
        int64_t first = u % across;
        n = gr_smaller(together, gr_smaller(across - first, task->end - u));
        int64_t row = u / across * t->tile_rows, col = first * t->tile_cols;
        run_tile(task, row, gr_smaller(rows - row, t->tile_rows), col, gr_smaller(cols - col, n * t->tile_cols));
    }
}

/* ---- tasks ---------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void set_random(gr_worker_run *w, gr_task *task)
{
    gr_random *r = &task->call.random;
    r->key[0] = mix(w->seed + 0x9e3779b97f4a7c15u) ^ mix(task->t->node->path);
    r->key[1] = mix((uint64_t)w->step + 0x9e3779b97f4a7c15u);
    r->row = (uint64_t)time_of(w, task->t, task->random_rows);
    r->rows = task->random_rows;
}

static void move_all(gr_task *task, const int64_t *index)
{
    for (int i = 0; i < task->num_moves; i++) {
        gr_move *m = &task->moves[i];
        char *at = m->base;
        for (int k = 0; k < m->num_terms; k++) {
            const gr_move_term *t = &m->term[k];
            int64_t n = index[t->depth];
            at += t->stride * (t->ring ? (n + t->shift) % t->ring : n);
        }
        *m->to = at;
    }
}

static void run_task(gr_worker_run *w, gr_task *task)
{
    move_all(task, w->loop_index);
    switch (task->t->kind) {
    case GR_TASK_KERNEL:
        if (task->random) set_random(w, task);
        task->run(&task->call);
        break;
    case GR_TASK_TAPE:
        gr_tape_exec(task->tape, task->begin * GR_TAPE_TILE, clip(task->end, GR_TAPE_TILE, task->out));
        break;
    case GR_TASK_COPY:
        copy_elements(task->in, task->out, task->begin * GR_COPY_UNIT, clip(task->end, GR_COPY_UNIT, task->out));
        break;
    case GR_TASK_PRODUCT:
        run_product(task);
        break;
    }
}

/* ---- lists ---------------------------------------------------------------- */

static void wait_all(gr_worker_run *w, const gr_instruction *ins)
{
    const int64_t *index = w->loop_index;
    for (int i = 0; i < ins->num_waits; i++) {
        const gr_wait *x = &w->list->waits[ins->first_wait + i];
        int64_t count = gr_wait_count(x, index);
        if (count == INT64_MIN || w->seen[x->worker] >= w->base[x->worker] + count) continue;
        w->seen[x->worker] = gr_signal_wait(w->progress[x->worker], w->base[x->worker] + count, w->spins);
    }
}

void gr_run_list(gr_worker_run *w)
{
    gr_trace_pen pen = gr_trace_begin(w->trace, w->index);
    int64_t *index = w->loop_index, done = w->threads > 1 ? w->base[w->index] : 0;
    bool counts = w->threads > 1 && w->list->awaited;
    memset(index, 0, sizeof *index * GR_MAX_LOOPS);
    for (int i = 0; i < w->list->num_ins;) {
        const gr_instruction *ins = &w->list->ins[i];
        if (ins->kind != GR_RUN) {
            i = gr_follow_loop(w->program, ins, i, index);
            continue;
        }
        if (ins->num_waits) {
            gr_trace_close(&pen);
            wait_all(w, ins);
            gr_trace_waited(&pen);
        }
        gr_trace_enter(&pen, i);
        run_task(w, &w->task[i]);
        gr_trace_leave(&pen, i++);
        if (counts) gr_signal_raise(w->progress[w->index], ++done);
    }
    gr_trace_close(&pen);
}
