/* test_tape_space.c - random tapes over random spaces: fast, in parts and in corners, against
 * plain C bit by bit.
 *
 * Every operand lies densely, with gaps, transposed, with an odd stride, or broadcast, in any
 * dtype; outputs lie on memory of inputs or of their own. The instructions are those that both
 * interpreters round alike. */
#include "kernel/tape.h"
#include "failing.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <string.h>

enum { ROOM = 16000, REGS = 8, CONST_REG = 4, MAX_IN = 4, MAX_OUT = 3, OPERANDS = MAX_IN + MAX_OUT };

static uint32_t seed = 11;
static int below(int n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int)((uint64_t)(seed >> 8) * (uint64_t)n >> 24);
}

typedef struct memory { double cell[OPERANDS][ROOM]; } memory;

typedef struct trial {
    gr_dtype real;
    int rank;
    int64_t dim[4];
    gr_tape_ins ins[8];
    uint8_t in_reg[MAX_IN], out_reg[MAX_OUT], const_reg[1];
    double value[1];
    gr_tape tape;
    gr_tensor operand[OPERANDS];
    int lies_in[OPERANDS]; /* which cell[] */
    void *scratch;
} trial;

static int64_t count(const int64_t *dim, int rank)
{
    int64_t n = 1;
    for (int d = 0; d < rank; d++) n *= dim[d];
    return n;
}

static void random_space(trial *t)
{
    static const int64_t lengths[] = {1, 2, 3, 5, 7, 8, 13, 16, 17, 32, 40, 70, 300, 1300};
    t->rank = 1 + below(4);
    do
        for (int d = 0; d < t->rank; d++) t->dim[d] = lengths[below(14)];
    while (count(t->dim, t->rank) > 1500);
}

static void random_tape(trial *t)
{
    static const gr_tape_op ops[] = {GR_TAPE_COPY, GR_TAPE_ADD, GR_TAPE_SUB, GR_TAPE_MAXIMUM, GR_TAPE_MINIMUM,
                                     GR_TAPE_NEG, GR_TAPE_ABS, GR_TAPE_LESS, GR_TAPE_WHERE, GR_TAPE_MUL};
    int defined[REGS], n = 0, muls = 0;
    gr_tape *p = &t->tape;
    *p = (gr_tape){.num_regs = REGS, .num_in = 1 + below(MAX_IN), .in_reg = t->in_reg, .num_const = below(2),
                   .const_reg = t->const_reg, .value = t->value, .num_ins = below(9), .ins = t->ins,
                   .num_out = 1 + below(MAX_OUT), .out_reg = t->out_reg};
    for (int i = 0; i < p->num_in; i++) defined[n++] = t->in_reg[i] = (uint8_t)i;
    t->const_reg[0] = CONST_REG;
    t->value[0] = 0.5;
    if (p->num_const) defined[n++] = CONST_REG;
    for (int k = 0; k < p->num_ins; k++) {
        const int dst = (CONST_REG + 1 + below(REGS - 1)) % REGS, op = below(muls < 2 ? 10 : 9); /* any but CONST_REG */
        muls += ops[op] == GR_TAPE_MUL;
        t->ins[k] = (gr_tape_ins){(uint8_t)ops[op], (uint8_t)dst, (uint8_t)defined[below(n)], (uint8_t)defined[below(n)],
                                  (uint8_t)defined[below(n)]};
        bool known = false;
        for (int i = 0; i < n; i++) known |= defined[i] == dst;
        if (!known) defined[n++] = dst;
    }
    for (int i = 0; i < p->num_out; i++) t->out_reg[i] = (uint8_t)defined[below(n)];
}

static void random_layout(const trial *t, gr_tensor *x, bool input)
{
    const int kind = below(input ? 6 : 4);
    int64_t stride = kind == 3 ? 2 : 1;
    x->rank = t->rank;
    memcpy(x->dim, t->dim, sizeof t->dim);
    for (int i = 0; i < t->rank; i++) {
        const int d = kind == 2 ? i : t->rank - 1 - i;
        x->stride[d] = stride;
        stride = stride * t->dim[d] + (kind == 1 ? below(5) : 0);
    }
    for (int d = 0; d < t->rank && kind == 4; d++)
        if (below(2)) x->stride[d] = 0;
    if (kind == 5) memset(x->stride, 0, sizeof x->stride);
}

/* Output `out` takes the memory of an input that lies as an output may, if no other has. */
static void lay_over(trial *t, int out)
{
    const int in = below(t->tape.num_in);
    for (int d = 0; d < t->rank; d++)
        if (t->dim[d] > 1 && t->operand[in].stride[d] == 0) return;
    for (int i = t->tape.num_in; i < out; i++)
        if (t->lies_in[i] == in) return;
    t->operand[out] = t->operand[in];
    t->lies_in[out] = in;
}

static void random_operands(trial *t)
{
    static const gr_dtype dtypes[] = {GR_FLOAT32, GR_FLOAT64, GR_INT32, GR_BOOL};
    const int n = t->tape.num_in + t->tape.num_out;
    for (int i = 0; i < n; i++) {
        t->operand[i] = (gr_tensor){.dtype = below(3) ? t->real : dtypes[below(4)]};
        random_layout(t, &t->operand[i], i < t->tape.num_in);
        t->lies_in[i] = i;
        if (i >= t->tape.num_in && below(3) == 0) lay_over(t, i);
    }
}

static void fill(memory *m, const trial *t)
{
    for (int i = 0; i < OPERANDS; i++)
        for (int k = 0; k < ROOM; k++) {
            const double x = (below(64) - 32) / 4.0;
            switch (i < t->tape.num_in ? t->operand[i].dtype : GR_FLOAT64) {
            case GR_FLOAT32: ((float *)m->cell[i])[k] = (float)x; break;
            case GR_FLOAT64: m->cell[i][k] = x; break;
            case GR_INT32: ((int32_t *)m->cell[i])[k] = (int32_t)x; break;
            default: ((uint8_t *)m->cell[i])[k] = x > 0; break;
            }
        }
}

typedef enum way { PLAIN, WHOLE, PARTS, CORNER } way;

static void compute(trial *t, memory *m, const int64_t *dim, way how)
{
    for (int i = 0; i < t->tape.num_in + t->tape.num_out; i++) t->operand[i].data = m->cell[t->lies_in[i]];
    gr_tape_run r = {.tape = &t->tape, .real = t->real, .rank = t->rank, .dim = how == PLAIN ? dim : t->dim, .in = t->operand,
                     .out = t->operand + t->tape.num_in, .scratch = t->scratch, .corner = how == CORNER};
    const int64_t n = count(t->dim, t->rank);
    gr_arena *a = gr_arena_create();
    gr_tape_constants shared = {NULL};
    if (how == PARTS) { /* the second tape with these constants */
        r.constants = &shared;
        gr_tape_prepare(a, &r);
    }
    if (how == PLAIN) {
        gr_tape_exec_plain(&r, 0, count(dim, t->rank));
    } else {
        gr_tape_plan *p = gr_tape_prepare(a, &r);
        if (how == WHOLE) gr_tape_exec(p, 0, n);
        if (how == CORNER) gr_tape_exec_corner(p, dim[0], dim[1]);
        for (int64_t at = 0, step; how == PARTS && at < n; at += step) {
            step = 1 + below(below(2) ? 900 : 20);
            gr_tape_exec(p, at, at + step < n ? at + step : n);
        }
    }
    gr_arena_destroy(a);
}

/* Whether `how` leaves the memory as plain C does, gaps included. */
static bool agrees(trial *t, const memory *start, const int64_t *dim, way how)
{
    static memory plain, fast;
    plain = *start;
    fast = *start;
    compute(t, &plain, dim, PLAIN);
    compute(t, &fast, dim, how);
    return memcmp(&plain, &fast, sizeof plain) == 0;
}

static void spaces_in(gr_dtype real)
{
    static memory start;
    int wrong[4] = {0};
    for (int k = 0; k < 600; k++) {
        trial t = {.real = real};
        random_space(&t);
        random_tape(&t);
        random_operands(&t);
        fill(&start, &t);
        t.scratch = gr_malloc(gr_tape_scratch(&t.tape, real));
        wrong[WHOLE] += !agrees(&t, &start, t.dim, WHOLE);
        wrong[PARTS] += !agrees(&t, &start, t.dim, PARTS);
        const int64_t corner[2] = {1 + below((int)t.dim[0]), t.rank > 1 ? 1 + below((int)t.dim[1]) : 1};
        if (t.rank == 2) wrong[CORNER] += !agrees(&t, &start, corner, CORNER);
        gr_free(t.scratch);
    }
    CU_ASSERT_EQUAL(wrong[WHOLE], 0);
    CU_ASSERT_EQUAL(wrong[PARTS], 0);
    CU_ASSERT_EQUAL(wrong[CORNER], 0);
}

static void spaces(void)
{
    spaces_in(GR_FLOAT32);
    spaces_in(GR_FLOAT64);
}

void test_tape_space(void)
{
    CU_pSuite s = CU_add_suite("tape_space", NULL, NULL);
    CU_add_test(s, "random tapes, layouts and partitions", spaces);
}
