/* compute.c - templates: what a node's task calls, on what, in how many units.
 *
 * Units depend on shapes alone, so that bits cannot depend on who computes them. */
#include "base/count.h"
#include "kernel/kernel.h"
#include "program/build.h"
#include <string.h>

static gr_template *add_template(gr_build *b, gr_template_kind kind, const gr_node *n, int loop)
{
    gr_template *t = GR_PUSH(b->a, b->p->templates, b->p->num_templates, b->cap_templates);
    *t = (gr_template){.kind = kind, .node = n, .loop = loop};
    return t;
}

/* ---- calls ---------------------------------------------------------------- */

static void present(gr_tensor *to, const gr_operand *from)
{
    static double nowhere;
    *to = from->tensor;
    to->data = from->buffer >= 0 ? &nowhere : NULL;
}

/* How many time steps hoisting put into the leading axes of a random node. */
static int64_t outer_rows(const gr_node *n)
{
    int64_t rows = 1;
    for (int i = 0; n->num_out && i < n->outer_axes; i++) rows *= n->out[0]->type.dim[i];
    return rows;
}

void gr_template_call(const gr_template *t, gr_call *call, gr_tensor *in, gr_tensor *out)
{
    for (int i = 0; i < t->num_in; i++) present(&in[i], &t->in[i]);
    for (int i = 0; i < t->num_out; i++) present(&out[i], &t->out[i]);
    *call = (gr_call){.size = sizeof *call, .in = in, .out = out, .num_in = t->num_in, .num_out = t->num_out,
                      .math = gr_math_get()};
    if (t->node) { /* a chunk's are never random */
        call->attr = t->node->attr;
        call->port = t->node->port;
        call->random.rows = outer_rows(t->node);
    }
    if (t->kind != GR_TASK_PRODUCT) return;
    call->num_in = t->node->product_inputs;
    call->num_out = 1;
    out[0] = gr_operand_dense(0, &t->node->epilogue->product).tensor;
    if (t->steps) out[0].dim[0] = t->steps;
    out[0].data = out;
}

/* ---- joining axes --------------------------------------------------------- */

/* Drops axes of length 1 and joins neighbours that every operand walks through as one:
 * fewer axes, longer runs. Keeps the last axis apart if `keep_last`. */
static void join_axes(gr_operand **o, int n, bool keep_last)
{
    int rank = o[0]->tensor.rank, to = 0;
    const int64_t *dim = o[0]->tensor.dim;
    for (int axis = 0; axis < rank; axis++) {
        int64_t length = dim[axis];
        bool last = keep_last && axis == rank - 1;
        if (length == 1 && !last) continue;
        bool join = to > 0 && !last;
        for (int i = 0; i < n && join; i++)
            join = o[i]->tensor.stride[to - 1] == o[i]->tensor.stride[axis] * length;
        if (!join) to++;
        for (int i = 0; i < n; i++) {
            gr_tensor *t = &o[i]->tensor;
            t->dim[to - 1] = join ? t->dim[to - 1] * length : length;
            t->stride[to - 1] = t->stride[axis];
        }
    }
    for (int i = 0; i < n; i++) {
        gr_tensor *t = &o[i]->tensor;
        t->rank = to > 0 ? to : 1;
        if (to == 0) t->dim[0] = t->stride[0] = 1;
    }
}

/* `o` broadcast to the dims of `space`. */
static gr_operand stretch(const gr_operand *o, const gr_tensor *space)
{
    gr_operand r = *o;
    int shift = space->rank - o->tensor.rank;
    r.tensor.rank = space->rank;
    for (int i = space->rank - 1; i >= 0; i--) {
        bool repeat = i < shift || (o->tensor.dim[i - shift] == 1 && space->dim[i] != 1);
        r.tensor.stride[i] = repeat ? 0 : o->tensor.stride[i - shift];
        r.tensor.dim[i] = space->dim[i];
    }
    return r;
}

/* All operands of t on one iteration space, the dims of the first output. */
static void share_space(gr_build *b, gr_template *t, bool keep_last, int first_in)
{
    gr_tensor space = t->out[0].tensor;
    int n = 0;
    gr_operand **all = GR_NEW_ARRAY(b->a, gr_operand *, t->num_in + t->num_out);
    for (int i = 0; i < t->num_out; i++) all[n++] = &t->out[i];
    for (int i = first_in; i < t->num_in; i++) {
        if (t->in[i].buffer < 0) continue;
        t->in[i] = stretch(&t->in[i], &space);
        all[n++] = &t->in[i];
    }
    join_axes(all, n, keep_last);
}

/* ---- copies --------------------------------------------------------------- */

void gr_add_copy(gr_build *b, const gr_node *n, int loop, const gr_operand *from, const gr_operand *to)
{
    if (gr_tensor_numel(&to->tensor) == 0) return;
    gr_template *t = add_template(b, GR_TASK_COPY, n, loop);
    t->num_in = t->num_out = 1;
    t->in = gr_arena_copy(b->a, from, sizeof *from);
    t->out = gr_arena_copy(b->a, to, sizeof *to);
    share_space(b, t, false, 0);
    gr_template_measure(b, t);
}

/* ---- tapes ---------------------------------------------------------------- */

/* The tape of a single pointwise node; a variadic one folds its inputs. */
static gr_tape *single_tape(gr_arena *a, const gr_node *n, int num_in)
{
    gr_tape *t = GR_NEW(a, gr_tape);
    uint8_t *reg = GR_NEW_ARRAY(a, uint8_t, num_in + 1);
    for (int i = 0; i <= num_in; i++) reg[i] = (uint8_t)i;
    bool binary = gr_tape_op_arity(n->op->tape) == 2;
    int count = binary && num_in > 2 ? num_in - 1 : 1;
    gr_tape_ins *ins = GR_NEW_ARRAY(a, gr_tape_ins, count);
    uint8_t dst = (uint8_t)num_in;
    if (num_in == 1 && binary)
        ins[0] = (gr_tape_ins){GR_TAPE_COPY, dst, 0, 0, 0};
    else
        ins[0] = (gr_tape_ins){(uint8_t)n->op->tape, dst, 0, (uint8_t)(num_in > 1), (uint8_t)(num_in > 2 ? 2 : 0)};
    for (int i = 1; i < count; i++) ins[i] = (gr_tape_ins){(uint8_t)n->op->tape, dst, dst, (uint8_t)(i + 1), 0};
    *t = (gr_tape){.num_regs = num_in + 1, .num_in = num_in, .in_reg = reg, .num_ins = count, .ins = ins,
                   .num_out = 1, .out_reg = reg + num_in};
    return t;
}

static int add_tape(gr_build *b, gr_template *t)
{
    const gr_node *n = t->node;
    t->kind = GR_TASK_TAPE;
    t->tape = n->tape;
    if (!t->tape) {
        if (t->num_in >= GR_TAPE_MAX_REGS)
            return gr_set_error(b->e, GR_EINVAL, "%s: %s of more than %d inputs", n->name, n->op->name, GR_TAPE_MAX_REGS - 1);
        t->tape = single_tape(b->a, n, t->num_in);
    }
    share_space(b, t, false, 0);
    gr_template_measure(b, t);
    return 0;
}

/* ---- kernels -------------------------------------------------------------- */

static gr_kernel_fn find_kernel(const gr_node *n)
{
    gr_dtype dtype = n->num_out ? n->out[0]->type.dtype : GR_UNKNOWN;
    bool found = false;
    for (int i = 0; i < n->num_out && !found; i++)
        if (gr_is_float(n->out[i]->type.dtype)) dtype = n->out[i]->type.dtype, found = true;
    for (int i = 0; i < n->num_in && !found; i++)
        if (n->in[i] && gr_is_float(n->in[i]->type.dtype)) dtype = n->in[i]->type.dtype, found = true;
    for (const gr_kernel *k = n->op->kernels; k && k->run; k++)
        if (k->dtype == dtype) return k->run;
    return NULL;
}

static int add_kernel(gr_build *b, gr_template *t)
{
    const gr_node *n = t->node;
    t->run = find_kernel(n);
    if (!t->run) return gr_set_error(b->e, GR_EINVAL, "%s: %s has no kernel for its types", n->name, n->op->name);
    gr_template_measure(b, t);
    return 0;
}

/* ---- products with an epilogue -------------------------------------------- */

#define RUN_BYTES 131072
enum { LEAST_ROWS = 32, MOST_ROWS = 256 };

/* A run is of whole rows, if enough of them fit: the tape streams what it reads and writes, and a step from row to
 * row of a large matrix costs it a page and a stream. But a product reads its other operand once a run: few rows
 * are dear, and of a very wide one, which no cache holds, many are run. */
static int64_t rows_of_run(int64_t rows, int64_t row_bytes)
{
    const int64_t fit = RUN_BYTES / row_bytes;
    if (fit < LEAST_ROWS / 2) return gr_smaller(rows, MOST_ROWS);
    return gr_smaller(rows, fit < LEAST_ROWS ? LEAST_ROWS : gr_smaller(fit, MOST_ROWS));
}

/* Tiles of the tape's space: narrow, so that a recurrent step can be split by columns. One row is
 * wide instead: its sums wait for one another unless many columns are summed side by side. Tiles of
 * the same rows that one worker has are run together, up to run_cols columns; all blocks of such a run
 * stay in the L2 cache. */
static void choose_tile(gr_template *t, gr_dtype real)
{
    const gr_tensor *space = &t->out[0].tensor;
    int64_t rows = space->dim[0], cols = space->dim[1];
    const int64_t widest = rows == 1 ? 128 : 32;
    t->tile_rows = rows;
    t->tile_cols = t->run_cols = cols < widest ? cols : widest;
    t->units = 0;
    if (rows == 0 || cols == 0) return;
    const int64_t each = t->node->epilogue->num_slices * (int64_t)gr_dtype_size(real); /* bytes of an element */
    t->tile_rows = rows_of_run(rows, cols * each);
    const int64_t across = (cols + t->tile_cols - 1) / t->tile_cols;
    const int64_t together = gr_smaller(RUN_BYTES / (t->tile_rows * t->tile_cols * each), across);
    if (together > 1) t->run_cols = together * t->tile_cols;
    t->units = ((rows + t->tile_rows - 1) / t->tile_rows) * ((cols + t->tile_cols - 1) / t->tile_cols);
}

/* The tape's operands become [rows, columns]; one that does not is copied first. */
static void dense_rows(gr_build *b, gr_template *t)
{
    gr_tensor space = t->out[0].tensor;
    for (int i = t->node->product_inputs; i < t->num_in; i++) {
        gr_operand o = stretch(&t->in[i], &space);
        gr_operand *one = &o;
        gr_type whole = {.dtype = o.tensor.dtype, .rank = space.rank};
        memcpy(whole.dim, space.dim, sizeof whole.dim);
        gr_operand wide = o;
        join_axes(&one, 1, true);
        if (o.tensor.rank <= 2) continue;
        gr_operand to = gr_operand_dense(gr_add_buffer(b, GR_BUFFER_ARENA, t->node->name, &whole, 1, t->loop), &whole);
        gr_add_copy(b, t->node, t->loop, &wide, &to);
        t->in[i] = to;
    }
}

static void two_axes(gr_operand *o, int n)
{
    for (int i = 0; i < n; i++) {
        gr_tensor *t = &o[i].tensor;
        if (t->rank != 1) continue;
        t->dim[1] = t->dim[0];
        t->stride[1] = t->stride[0];
        t->dim[0] = 1;
        t->stride[0] = 0;
        t->rank = 2;
    }
}

static int add_product(gr_build *b, gr_template *t)
{
    const gr_node *n = t->node;
    t->kind = GR_TASK_PRODUCT;
    t->tape = n->tape;
    share_space(b, t, true, n->product_inputs);
    two_axes(t->in + n->product_inputs, t->num_in - n->product_inputs);
    two_axes(t->out, t->num_out);
    gr_template_measure(b, t);
    return 0;
}

/* ---- units and scratch ------------------------------------------------------ */

static void measure_product(gr_build *b, gr_template *t, const gr_call *call)
{
    const gr_node *n = t->node;
    t->block_scratch = n->op->scratch ? n->op->scratch(call) : 0;
    t->block_scratch = (t->block_scratch + 63) / 64 * 64;
    choose_tile(t, b->p->real);
    size_t tile = (size_t)(t->tile_rows * t->run_cols * n->epilogue->num_slices) * gr_dtype_size(b->p->real);
    t->tile_scratch = (tile + 63) / 64 * 64;
    t->scratch = t->block_scratch + t->tile_scratch + gr_tape_scratch(t->tape, b->p->real);
}

void gr_template_measure(gr_build *b, gr_template *t)
{
    gr_call call;
    gr_tensor *in = GR_NEW_ARRAY(b->a, gr_tensor, t->num_in + 1), *out = GR_NEW_ARRAY(b->a, gr_tensor, t->num_out + 1);
    if (t->kind == GR_TASK_KERNEL || t->kind == GR_TASK_PRODUCT) gr_template_call(t, &call, in, out);
    switch (t->kind) {
    case GR_TASK_COPY:
        t->units = (gr_tensor_numel(&t->out[0].tensor) + GR_COPY_UNIT - 1) / GR_COPY_UNIT;
        break;
    case GR_TASK_TAPE:
        t->units = (gr_tensor_numel(&t->out[0].tensor) + GR_TAPE_TILE - 1) / GR_TAPE_TILE;
        t->scratch = gr_tape_scratch(t->tape, b->p->real);
        break;
    case GR_TASK_KERNEL:
        t->units = t->node->op->units ? t->node->op->units(&call) : 1;
        if (t->units < 0) gr_blame(b->a, "op %s: 'units' gives %lld for '%s'; write 0 or more", t->node->op->name, (long long)t->units, t->node->name);
        t->scratch = t->node->op->scratch ? t->node->op->scratch(&call) : 0;
        break;
    case GR_TASK_PRODUCT:
        measure_product(b, t, &call);
        break;
    }
    if (t->scratch > b->p->scratch_bytes) b->p->scratch_bytes = t->scratch;
}

/* ---- nodes ----------------------------------------------------------------- */

int gr_add_compute(gr_build *b, const gr_node *n, int loop, const gr_operand *const *in, const gr_operand *out)
{
    gr_template t = {.kind = GR_TASK_KERNEL, .node = n, .loop = loop, .num_in = n->num_in, .num_out = n->num_out};
    t.in = GR_NEW_ARRAY(b->a, gr_operand, n->num_in + 1);
    t.out = gr_arena_copy(b->a, out, sizeof *out * (size_t)(n->num_out + 1));
    for (int i = 0; i < n->num_in; i++) {
        if (in[i]) t.in[i] = *in[i];
        else t.in[i].buffer = -1;
    }
    if (n->op->role == GR_ROLE_COPY && !n->tape) {
        gr_add_copy(b, n, loop, &t.in[0], &t.out[0]);
        return 0;
    }
    if (n->epilogue) dense_rows(b, &t);
    gr_template *added = add_template(b, t.kind, n, loop);
    *added = t;
    if (n->epilogue) return add_product(b, added);
    return n->tape || n->op->tape ? add_tape(b, added) : add_kernel(b, added);
}
