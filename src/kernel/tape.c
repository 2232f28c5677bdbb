/* tape.c - prepares tapes and runs them: block by block, one vector loop an instruction or a pair (tape_pair.c).
 *
 *     inputs --(in place where rows are dense, else loaded)--> registers --> outputs
 *
 * Before the first run, axes that lie alike in all operands are merged; the last of them are the
 * columns, the ones before the rows of blocks. Every value of the tape gets a slot, and at[slot]
 * is where it lies in the block in hand:
 *
 *     [operands, in their own memory][registers, in scratch][constants][inputs that repeat, loaded]
 *
 * A number that is the same for all elements has a row, as long as a block; tapes may share those of constants. Where rows
 * are shorter than a few vectors, only what is dense as a whole is used in place, so that a block
 * is one long row.
 *
 * Invariant: nothing is written to an output that lies on an input's memory while a later
 * instruction of the tape reads that input there. */
#include "kernel/tape.h"
#include "base/count.h"
#include "kernel/isa.h"
#include "kernel/tape_move.h"
#include "kernel/tape_pair.h"
#include <assert.h>
#include <string.h>

static const int arity_of[GR_TAPE_NUM_OPS] = {
#define X(name, arity) [GR_TAPE_##name] = arity,
    GR_TAPE_OPS(X)
#undef X
};

int gr_tape_op_arity(gr_tape_op op) { return arity_of[op]; }

#define MAX_OPERANDS (2 * GR_TAPE_MAX_REGS)
#define L1_BYTES 32768 /* of all values of a block: more is used once than again, so that L1 may be full */
#define MIN_BLOCK 64   /* elements */
#define MAX_BLOCK 1024
#define MAX_ROW (MAX_BLOCK * 3 / 2) /* elements of any block */
#define SHORT_ROW 16
#define GATHER_COLS 32 /* columns of a block with gathered rows: whole cache lines serve several rows */

/* How the tape comes to an input, or an output to its memory. */
typedef enum access {
    IN_PLACE,
    MOVED,   /* loaded into its register, or stored from it, block by block */
    ONE_ROW, /* input: the same row for all of a block, loaded for each */
    ROW,     /* input: the same row everywhere, loaded once a run for all rows of a block */
    UNIFORM, /* input: one number, loaded once a run, a row as long as a block */
} access;

/* An operand's memory; `data` is set by the caller. Steps are bytes. */
typedef struct place {
    void *data;
    int64_t row_step, col_step;
    int64_t outer_step[GR_MAX_RANK]; /* of the axes before the rows */
} place;

typedef struct transfer {
    int32_t memory, slot;
    gr_dtype dtype;
    int64_t row_step, col_stride; /* of the memory: bytes, elements */
    int64_t ld;                   /* of the slot, bytes; 0: one row */
    char *room;                   /* once a run: the slot's memory; a block's begins at its column */
    int64_t col_step;
} transfer;

struct gr_tape_plan {
    gr_dtype real;
    int64_t size; /* of a real */
    int outer_axes;
    int64_t outer_dim[GR_MAX_RANK];
    int64_t rows, cols, count;
    int64_t block_rows, block_cols;
    bool one_block;
    int num_operands;
    place *places;
    char **at;
    int num_once, num_loads, num_stores, num_steps;
    transfer *once, *loads, *stores;
    gr_tape_step *steps;
};

size_t gr_tape_scratch(const gr_tape *t, gr_dtype real)
{
    const size_t slots = (size_t)(t->num_regs + t->num_in), least = slots * MIN_BLOCK * gr_dtype_size(real);
    return (least > L1_BYTES ? least : L1_BYTES) * 3 / 2 + 64 * (slots + 1);
}

/* ---- preparing: the space ---- */

typedef struct operand {
    gr_dtype dtype;
    uint8_t reg;
    access access;
    int last_use;  /* input: the last instruction that reads it where it was loaded */
    int final_def; /* output: the last instruction that writes its register; -1: none */
    int64_t stride[GR_MAX_RANK];
} operand;

typedef struct builder {
    gr_tape_plan *p;
    const gr_tape_run *r;
    const gr_tape *tape;
    size_t size; /* of a real */
    int num_in, num_operands;
    int rank;
    int64_t dim[GR_MAX_RANK];
    bool short_rows;
    operand op[MAX_OPERANDS]; /* inputs, then outputs */
    int *held;                /* the slot of a register's value */
    bool *used;               /* slots that need memory */
    uint8_t *code;            /* by step: the gr_tape_op */
    int num_slots;
    char *free;               /* scratch not given away */
} builder;

static const gr_tensor *tensor_of(const builder *b, int i)
{
    return i < b->num_in ? &b->r->in[i] : &b->r->out[i - b->num_in];
}

static bool merges(const builder *b, int outer, int inner)
{
    if (b->r->corner) return false;
    for (int i = 0; i < b->num_operands; i++)
        if (tensor_of(b, i)->stride[outer] != tensor_of(b, i)->stride[inner] * b->r->dim[inner]) return false;
    return true;
}

/* Axes of length 1 go; an axis joins the one inside it where all operands allow. Axes are
 * found from the innermost on, and then turned round. */
static void merge_axes(builder *b)
{
    const gr_tape_run *r = b->r;
    int axis[GR_MAX_RANK], k = 0, last = -1;
    int64_t dim[GR_MAX_RANK];
    for (int d = r->rank - 1; d >= 0; d--) {
        if (r->dim[d] == 1 && !r->corner) continue;
        if (last >= 0 && merges(b, d, last)) {
            dim[k - 1] *= r->dim[d];
        } else {
            axis[k] = d;
            dim[k++] = r->dim[d];
        }
        last = d;
    }
    b->rank = k > 0 ? k : 1;
    b->dim[0] = 1;
    for (int i = 0; i < k; i++) b->dim[k - 1 - i] = dim[i];
    for (int j = 0; j < b->num_operands; j++) {
        b->op[j].stride[0] = 1;
        for (int i = 0; i < k; i++) b->op[j].stride[k - 1 - i] = tensor_of(b, j)->stride[axis[i]];
    }
}

static void set_space(builder *b)
{
    gr_tape_plan *p = b->p;
    p->cols = b->dim[b->rank - 1];
    p->rows = b->rank > 1 ? b->dim[b->rank - 2] : 1;
    p->outer_axes = b->rank > 2 ? b->rank - 2 : 0;
    p->count = p->rows * p->cols;
    for (int d = 0; d < p->outer_axes; d++) p->count *= p->outer_dim[d] = b->dim[d];
    b->short_rows = p->rows > 1 && p->cols < SHORT_ROW;
}

/* ---- preparing: who reads and writes what ---- */

static int64_t row_stride(const builder *b, const operand *o) { return b->rank > 1 ? o->stride[b->rank - 2] : 0; }
static int64_t col_stride(const builder *b, const operand *o) { return o->stride[b->rank - 1]; }

static access find_access(const builder *b, const operand *o, bool input)
{
    const int64_t rs = row_stride(b, o), cs = col_stride(b, o);
    bool repeats = true; /* from row to row, in all of the space */
    for (int d = 0; d < b->rank - 1; d++) repeats &= o->stride[d] == 0;
    if (input && repeats && cs == 0) return UNIFORM;
    if (o->dtype == b->r->real && cs == 1 && (!b->short_rows || rs == b->p->cols)) return IN_PLACE;
    if (input && b->short_rows && repeats) return ROW;
    return input && !b->short_rows && rs == 0 ? ONE_ROW : MOVED;
}

/* Who reads an input for the last time, and who writes an output for the last time. */
static void trace_uses(builder *b)
{
    const gr_tape *t = b->tape;
    for (int i = 0; i < b->num_operands; i++) b->op[i].last_use = b->op[i].final_def = -1;
    for (int i = 0; i < t->num_in; i++)
        for (int k = 0; k < t->num_ins; k++) {
            const gr_tape_ins *c = &t->ins[k];
            operand *o = &b->op[i];
            const int arity = arity_of[c->op];
            if (c->x == o->reg || (arity > 1 && c->y == o->reg) || (arity > 2 && c->z == o->reg)) o->last_use = k;
            if (c->dst == o->reg) break;
        }
    for (int i = t->num_in; i < b->num_operands; i++)
        for (int k = 0; k < t->num_ins; k++)
            if (t->ins[k].dst == b->op[i].reg) b->op[i].final_def = k;
}

/* Whether an output is the input as it is, and another lies on its memory: that may be stored first. */
static bool is_passed_on(const builder *b, int in)
{
    bool passed = false, overlaid = false;
    for (int j = b->num_in; j < b->num_operands; j++) {
        passed |= b->op[j].reg == b->op[in].reg && b->op[j].final_def < 0;
        overlaid |= tensor_of(b, j)->data == tensor_of(b, in)->data;
    }
    return passed && overlaid;
}

static void describe_operands(builder *b)
{
    const gr_tape *t = b->tape;
    for (int i = 0; i < b->num_operands; i++) {
        b->op[i].dtype = tensor_of(b, i)->dtype;
        b->op[i].reg = i < b->num_in ? t->in_reg[i] : t->out_reg[i - b->num_in];
        b->op[i].access = find_access(b, &b->op[i], i < b->num_in);
    }
    trace_uses(b);
    for (int i = 0; i < b->num_in; i++)
        if (b->op[i].access == IN_PLACE && is_passed_on(b, i)) b->op[i].access = MOVED;
}

/* ---- preparing: slots ---- */

static int slot_of_register(const builder *b, int reg) { return b->num_operands + reg; }
static int slot_of_constant(const builder *b, int i) { return slot_of_register(b, b->tape->num_regs) + i; }
static int slot_of_input(const builder *b, int in) { return slot_of_constant(b, b->tape->num_const) + in; }

static int hold_input(builder *b, int in)
{
    switch (b->op[in].access) {
    case IN_PLACE: return in;
    case MOVED: return slot_of_register(b, b->op[in].reg);
    default: return slot_of_input(b, in);
    }
}

/* The output that instruction k may write straight into; -1: none. */
static int direct_output(const builder *b, int k)
{
    for (int j = b->num_in; j < b->num_operands; j++) {
        const operand *o = &b->op[j];
        if (o->final_def != k || o->access != IN_PLACE) continue;
        bool free = true;
        for (int i = 0; i < b->num_in; i++)
            if (b->op[i].access == IN_PLACE && tensor_of(b, i)->data == tensor_of(b, j)->data)
                free &= b->op[i].last_use <= k;
        if (free) return j;
    }
    return -1;
}

static void add_step(builder *b, int op, int dst, int x, int y, int z)
{
    const gr_isa *isa = gr_isa_get();
    const int k = b->p->num_steps++;
    b->p->steps[k] = (gr_tape_step){.run = b->r->real == GR_FLOAT32 ? isa->tape_f32[op] : isa->tape_f64[op],
                                    .dst = dst, .x = x, .y = arity_of[op] > 1 ? y : x, .z = arity_of[op] > 2 ? z : x};
    b->code[k] = (uint8_t)op;
}

static void add_steps(builder *b)
{
    const gr_tape *t = b->tape;
    for (int i = 0; i < t->num_const; i++) b->held[t->const_reg[i]] = slot_of_constant(b, i);
    for (int i = 0; i < t->num_in; i++) b->held[t->in_reg[i]] = hold_input(b, i);
    for (int k = 0; k < t->num_ins; k++) {
        const gr_tape_ins *c = &t->ins[k];
        const int out = direct_output(b, k), dst = out >= 0 ? out : slot_of_register(b, c->dst);
        add_step(b, c->op, dst, b->held[c->x], b->held[c->y], b->held[c->z]);
        b->held[c->dst] = dst;
    }
    for (int j = b->num_in; j < b->num_operands; j++) { /* what no instruction wrote to its place */
        const int slot = b->held[b->op[j].reg];
        if (b->op[j].access == IN_PLACE && slot != j) add_step(b, GR_TAPE_COPY, j, slot, slot, slot);
    }
}

/* The first operand on the memory of operand i, and so where it lies. */
static int memory_of(const builder *b, int i)
{
    int first = 0;
    while (tensor_of(b, first)->data != tensor_of(b, i)->data) first++;
    return first;
}

static void join_steps(builder *b, gr_arena *a)
{
    int *memory = GR_NEW_ARRAY(a, int, b->num_operands + 1);
    bool *kept = GR_NEW_ARRAY(a, bool, b->num_slots + 1);
    for (int i = 0; i < b->num_operands; i++) memory[i] = memory_of(b, i);
    for (int j = b->num_in; j < b->num_operands; j++)
        if (b->op[j].access == MOVED) kept[b->held[b->op[j].reg]] = true;
    const gr_tape_slots slots = {.operands = b->num_operands, .memory = memory, .end = slot_of_constant(b, 0), .kept = kept};
    b->p->num_steps = gr_tape_join(b->p->steps, b->code, b->p->num_steps, b->r->real, &slots);
}

static void mark_used(builder *b)
{
    for (int k = 0; k < b->p->num_steps; k++) {
        const gr_tape_step *s = &b->p->steps[k];
        b->used[s->dst] = b->used[s->x] = b->used[s->y] = b->used[s->z] = true;
    }
    for (int j = b->num_in; j < b->num_operands; j++) b->used[b->held[b->op[j].reg]] = true;
}

/* ---- preparing: blocks ---- */

/* Rows and columns, such that the values of all slots fit the L1 cache. */
static void choose_block(builder *b)
{
    gr_tape_plan *p = b->p;
    int values = 1;
    bool gathers = false;
    for (int i = 0; i < b->num_slots; i++) values += b->used[i];
    for (int i = 0; i < b->num_operands; i++)
        gathers |= b->op[i].access == MOVED && col_stride(b, &b->op[i]) > 1 && p->rows > 1;
    int64_t elements = L1_BYTES / ((int64_t)b->size * values) / MIN_BLOCK * MIN_BLOCK;
    elements = elements < MIN_BLOCK ? MIN_BLOCK : elements > MAX_BLOCK ? MAX_BLOCK : elements;
    if (gathers && p->cols > GATHER_COLS) p->block_cols = GATHER_COLS;
    else if (p->cols <= elements * 3 / 2) p->block_cols = p->cols;
    else p->block_cols = elements;
    p->block_rows = p->block_cols < elements && p->block_cols > 0 ? elements / p->block_cols : 1;
    if (p->block_rows > p->rows) p->block_rows = p->rows;
    p->one_block = p->block_rows * p->block_cols == p->count;
}

static char *take(builder *b, int64_t elements)
{
    char *p = b->free;
    b->free += ((size_t)elements * b->size + 63) / 64 * 64;
    return p;
}

typedef struct gr_tape_row {
    struct gr_tape_row *next;
    gr_dtype real;
    double value;
    char *data;
} number_row;

/* MAX_ROW times the value. */
static char *constant_row(const builder *b, gr_arena *a, double value)
{
    gr_tape_constants own = {NULL}, *all = b->r->constants ? b->r->constants : &own;
    for (number_row *r = all->first; r; r = r->next)
        if (r->real == b->r->real && memcmp(&r->value, &value, sizeof value) == 0) return r->data;
    number_row *r = GR_NEW(a, number_row);
    *r = (number_row){all->first, b->r->real, value, gr_arena_alloc(a, MAX_ROW * b->size + 64)};
    r->data = (char *)(((uintptr_t)r->data + 63) & ~(uintptr_t)63);
    gr_tape_fill(b->r->real, r->data, value, MAX_ROW);
    all->first = r;
    return r->data;
}

static void give_memory(builder *b, gr_arena *a)
{
    gr_tape_plan *p = b->p;
    const int64_t n = p->block_rows * p->block_cols;
    assert(n <= MAX_ROW);
    b->free = (char *)(((uintptr_t)b->r->scratch + 63) & ~(uintptr_t)63);
    for (int i = b->num_operands; i < b->num_slots; i++) {
        const int constant = i - slot_of_constant(b, 0);
        if (!b->used[i]) continue;
        if (constant < 0 || constant >= b->tape->num_const) {
            p->at[i] = take(b, n);
        } else {
            p->at[i] = constant_row(b, a, b->tape->value[constant]);
        }
    }
    assert(!b->r->scratch || b->free <= (char *)b->r->scratch + gr_tape_scratch(b->tape, p->real));
}

static int64_t ld_of(const builder *b, int slot, bool *uniform)
{
    const int in = slot - slot_of_input(b, 0);
    *uniform = in >= 0 ? b->op[in].access == UNIFORM : slot >= slot_of_constant(b, 0);
    if (*uniform || (in >= 0 && b->op[in].access == ONE_ROW)) return 0;
    return slot < b->num_operands ? row_stride(b, &b->op[slot]) : b->p->block_cols;
}

static void set_lds(const builder *b, gr_tape_step *s)
{
    const int32_t slot[] = {s->dst, s->x, s->y, s->z};
    int64_t *ld[] = {&s->ld_dst, &s->ld_x, &s->ld_y, &s->ld_z};
    for (int i = 0; i < 4; i++) {
        bool uniform;
        *ld[i] = ld_of(b, slot[i], &uniform);
        if (i == 0) s->flat = *ld[i];
        else if (!uniform && *ld[i] != s->flat) s->flat = -1;
    }
}

/* ---- preparing: transfers and places ---- */

static transfer make_transfer(const builder *b, int memory, int slot)
{
    const operand *o = &b->op[memory];
    bool uniform;
    return (transfer){.memory = memory, .slot = slot, .dtype = o->dtype,
                      .row_step = row_stride(b, o) * (int64_t)gr_dtype_size(o->dtype), .col_stride = col_stride(b, o),
                      .ld = ld_of(b, slot, &uniform) * b->p->size};
}

static void add_transfers(builder *b)
{
    gr_tape_plan *p = b->p;
    for (int i = 0; i < b->num_in; i++) {
        const int slot = hold_input(b, i);
        const access how = b->op[i].access;
        if (how == IN_PLACE || !b->used[slot]) continue;
        transfer t = make_transfer(b, i, slot);
        t.room = p->at[slot];
        t.col_step = how == ROW ? p->size : 0;
        if (how == MOVED || how == ONE_ROW) p->loads[p->num_loads++] = t;
        else p->once[p->num_once++] = t;
    }
    for (int j = b->num_in; j < b->num_operands; j++)
        if (b->op[j].access == MOVED) p->stores[p->num_stores++] = make_transfer(b, j, b->held[b->op[j].reg]);
}

static void set_place(const builder *b, int i)
{
    const operand *o = &b->op[i];
    const int64_t size = (int64_t)gr_dtype_size(o->dtype);
    place *x = &b->p->places[i];
    x->data = tensor_of(b, i)->data;
    x->row_step = row_stride(b, o) * size;
    x->col_step = col_stride(b, o) * size;
    for (int d = 0; d < b->p->outer_axes; d++) x->outer_step[d] = o->stride[d] * size;
}

static void allocate(builder *b, gr_arena *a)
{
    const gr_tape *t = b->tape;
    gr_tape_plan *p = b->p;
    b->num_slots = slot_of_input(b, t->num_in);
    b->used = GR_NEW_ARRAY(a, bool, b->num_slots);
    b->held = GR_NEW_ARRAY(a, int, t->num_regs);
    p->at = GR_NEW_ARRAY(a, char *, b->num_slots);
    p->places = GR_NEW_ARRAY(a, place, b->num_operands);
    p->steps = GR_NEW_ARRAY(a, gr_tape_step, t->num_ins + t->num_out);
    b->code = GR_NEW_ARRAY(a, uint8_t, t->num_ins + t->num_out + 1);
    p->once = GR_NEW_ARRAY(a, transfer, t->num_in);
    p->loads = GR_NEW_ARRAY(a, transfer, t->num_in);
    p->stores = GR_NEW_ARRAY(a, transfer, t->num_out);
}

gr_tape_plan *gr_tape_prepare(gr_arena *a, const gr_tape_run *r)
{
    const gr_tape *t = r->tape;
    assert(t->num_regs <= GR_TAPE_MAX_REGS && t->num_in + t->num_out <= MAX_OPERANDS);
    builder *b = GR_NEW(a, builder);
    *b = (builder){.p = GR_NEW(a, gr_tape_plan), .r = r, .tape = t, .size = gr_dtype_size(r->real),
                   .num_in = t->num_in, .num_operands = t->num_in + t->num_out};
    b->p->real = r->real;
    b->p->size = (int64_t)b->size;
    b->p->num_operands = b->num_operands;
    allocate(b, a);
    merge_axes(b);
    set_space(b);
    describe_operands(b);
    add_steps(b);
    join_steps(b, a);
    mark_used(b);
    choose_block(b);
    give_memory(b, a);
    for (int k = 0; k < b->p->num_steps; k++) set_lds(b, &b->p->steps[k]);
    add_transfers(b);
    for (int i = 0; i < b->num_operands; i++) set_place(b, i);
    return b->p;
}

void **gr_tape_operand(gr_tape_plan *p, int i) { return &p->places[i].data; }

/* ---- running ---- */

static void load(const gr_tape_plan *p, const transfer *t, const char *from, int64_t rows, int64_t cols)
{
    if (t->ld == 0) rows = 1;
    for (int64_t r = 0; r < rows; r++)
        gr_tape_load(p->real, p->at[t->slot] + r * t->ld, from + r * t->row_step, t->dtype, t->col_stride, cols);
}

/* Uniform inputs are one row as long as a block. */
static void load_once(const gr_tape_plan *p)
{
    for (int i = 0; i < p->num_once; i++) {
        const transfer *t = &p->once[i];
        const char *from = p->places[t->memory].data;
        p->at[t->slot] = t->room;
        if (t->col_stride == 0) gr_tape_load(p->real, p->at[t->slot], from, t->dtype, 0, p->block_rows * p->block_cols);
        else load(p, t, from, p->block_rows, p->block_cols);
    }
}

static void store(const gr_tape_plan *p, const transfer *t, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++)
        gr_tape_store(p->real, p->at[t->memory] + r * t->row_step, t->dtype, t->col_stride,
                      p->at[t->slot] + r * t->ld, cols);
}

/* The block that at[] shows. */
static void run_block(const gr_tape_plan *p, int64_t rows, int64_t cols)
{
    for (int i = 0; i < p->num_loads; i++) load(p, &p->loads[i], p->at[p->loads[i].memory], rows, cols);
    const gr_tape_step *end = p->steps + p->num_steps;
    for (const gr_tape_step *s = p->steps; s < end; s++) {
        if (s->flat == cols) s->run(s, p->at, 1, rows * cols);
        else s->run(s, p->at, rows, cols);
    }
    for (int i = 0; i < p->num_stores; i++) store(p, &p->stores[i], rows, cols);
}

/* Rows and columns of matrix `outer` of the space, which the outer axes count. */
static void run_rows(const gr_tape_plan *p, int64_t outer, int64_t row, int64_t rows, int64_t col, int64_t cols)
{
    char *base[MAX_OPERANDS];
    for (int i = 0; i < p->num_operands; i++) base[i] = p->places[i].data;
    for (int d = p->outer_axes - 1; d >= 0; d--) {
        const int64_t index = outer % p->outer_dim[d];
        outer /= p->outer_dim[d];
        for (int i = 0; i < p->num_operands; i++) base[i] += index * p->places[i].outer_step[d];
    }
    for (int64_t r = row; r < row + rows; r += p->block_rows)
        for (int64_t c = col; c < col + cols; c += p->block_cols) {
            for (int i = 0; i < p->num_operands; i++)
                p->at[i] = base[i] + r * p->places[i].row_step + c * p->places[i].col_step;
            for (int i = 0; i < p->num_once; i++) p->at[p->once[i].slot] = p->once[i].room + c * p->once[i].col_step;
            run_block(p, gr_smaller(p->block_rows, row + rows - r), gr_smaller(p->block_cols, col + cols - c));
        }
}

static void run_all(gr_tape_plan *p)
{
    for (int i = 0; i < p->num_operands; i++) p->at[i] = p->places[i].data;
    run_block(p, p->rows, p->cols);
}

void gr_tape_exec(gr_tape_plan *p, int64_t begin, int64_t end)
{
    if (begin >= end) return;
    load_once(p);
    if (p->one_block && end - begin == p->count) {
        run_all(p);
        return;
    }
    for (int64_t n; begin < end; begin += n) {
        const int64_t col = begin % p->cols, row = begin / p->cols % p->rows, outer = begin / p->cols / p->rows;
        const int64_t rows = col ? 0 : gr_smaller((end - begin) / p->cols, p->rows - row);
        n = rows ? rows * p->cols : gr_smaller(p->cols - col, end - begin);
        run_rows(p, outer, row, rows ? rows : 1, col, rows ? p->cols : n);
    }
}

void gr_tape_exec_corner(gr_tape_plan *p, int64_t rows, int64_t cols)
{
    load_once(p);
    run_rows(p, 0, 0, rows, 0, cols);
}
