/* test_tape.c - tapes against plain C, on every instruction, layout and partition. */
#include "base/arena.h"
#include "kernel/isa.h"
#include "kernel/tape.h"
#include "failing.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 1;
static double noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) * 0x1p-23 - 1;
}

/* NaN like NaN, infinities and zeros alike, else within `limit` relatively. */
static bool near(double x, double y, double limit)
{
    if (x != x || y != y) return x != x && y != y;
    if (isinf(x) || isinf(y)) return x == y;
    return fabs(x - y) <= limit * fabs(y) + (limit > 1e-10 ? 2e-45 : 0);
}

static const char *name_of(gr_tape_op op)
{
#define X(name, arity) #name,
    static const char *const names[] = {"NONE", GR_TAPE_OPS(X)};
#undef X
    return names[op];
}

static gr_tape_ins one_ins(gr_tape_op op) { return (gr_tape_ins){(uint8_t)op, 3, 0, 1, 2}; }

/* Elements [begin, end) of r. */
static void run_fast(const gr_tape_run *r, int64_t begin, int64_t end)
{
    gr_arena *a = gr_arena_create();
    gr_tape_exec(gr_tape_prepare(a, r), begin, end);
    gr_arena_destroy(a);
}

/* A tape of one instruction over n elements, all dense. */
static void run_one(gr_tape_op op, gr_dtype real, void *out, void *const in[3], int64_t n, bool plain)
{
    const gr_tape_ins ins = one_ins(op);
    const uint8_t in_reg[] = {0, 1, 2}, out_reg[] = {3};
    const int arity = gr_tape_op_arity(op);
    const gr_tape t = {.num_regs = 4, .num_in = arity, .in_reg = in_reg, .num_ins = 1, .ins = &ins, .num_out = 1,
                       .out_reg = out_reg};
    gr_tensor ti[3], to = {.data = out, .dtype = real, .rank = 1, .dim = {n}, .stride = {1}};
    for (int i = 0; i < arity; i++)
        ti[i] = (gr_tensor){.data = in[i], .dtype = real, .rank = 1, .dim = {n}, .stride = {1}};
    void *scratch = gr_malloc(gr_tape_scratch(&t, real));
    const gr_tape_run r = {.tape = &t, .real = real, .rank = 1, .dim = &n, .in = ti, .out = &to, .scratch = scratch};
    if (plain) gr_tape_exec_plain(&r, 0, n);
    else run_fast(&r, 0, n);
    gr_free(scratch);
}

static const double special[] = {0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 1.5, 2.5, -2.5, 3, 1e-30, -1e-30, 1e-38, 1e-42,
    -1e-42, 1e-45, 1e30, -1e30, 3e38, -3e38, 88, 88.72, 88.73, 89, 90, -87, -88, -100, -103, -104, -105, 120,
    -120, 9, 9.02, 10, -9.1, 0.92, 0.919, -0.92, 3.9, 3.93, 4, -4, 8388608, 8388609, 16777217, -8388607.5,
    1e-4, -1e-4, 1e-8, 0.7853981, 1.5707963, 3.1415927, 30000, 32767, 32769, 1e6, 1e20, 0.99999994, 1.0000001,
    -0.99999994, 127.5, 1e-20, INFINITY, -INFINITY, NAN};
enum { SPECIAL = sizeof special / sizeof *special, N = 20000 };

/* Argument i: the special values in all pairs and triples, then numbers of all sizes. */
static double argument(int i, int which, double range)
{
    if (i < SPECIAL * SPECIAL) {
        const int v = which == 0 ? i % SPECIAL : which == 1 ? i / SPECIAL : (i + i / 7) % SPECIAL;
        return special[v];
    }
    const double x = noise() * range;
    return i % 5 == 0 ? x * pow(2, noise() * 30) : x;
}

/* Float: what may be wrong beyond the rounding of the result (6e-8). */
static double limit_of(gr_tape_op op, gr_dtype real)
{
    if (real == GR_FLOAT64) return 1e-15;
    switch (op) {
    case GR_TAPE_TANH: return 3.8e-7; /* without fma; with it 3.4e-7 */
    case GR_TAPE_SIGMOID: case GR_TAPE_EXPM1: return 2.5e-7;
    case GR_TAPE_EXP: case GR_TAPE_LOG: case GR_TAPE_LOG1P: case GR_TAPE_ERF: return 2e-7;
    case GR_TAPE_SIN: case GR_TAPE_COS: return 2e-7;
    case GR_TAPE_POW: case GR_TAPE_RSQRT: case GR_TAPE_FMA: return 1.3e-7;
    default: return 0;
    }
}

static int compare(gr_tape_op op, gr_dtype real, const void *fast, const void *plain, void *const in[3])
{
    int wrong = 0;
    for (int i = 0; i < N; i++) {
        const double a = real == GR_FLOAT32 ? (double)((const float *)fast)[i] : ((const double *)fast)[i];
        const double b = real == GR_FLOAT32 ? (double)((const float *)plain)[i] : ((const double *)plain)[i];
        if (near(a, b, limit_of(op, real))) continue;
        if (wrong++ < 3 && real == GR_FLOAT32)
            printf("\n%s(%.9g, %.9g, %.9g) = %.9g, not %.9g", name_of(op), ((float *)in[0])[i],
                   ((float *)in[1])[i], ((float *)in[2])[i], a, b);
        else if (wrong < 3)
            printf("\n%s(%.17g, %.17g) = %.17g, not %.17g", name_of(op), ((double *)in[0])[i],
                   ((double *)in[1])[i], a, b);
    }
    return wrong;
}

static void every_instruction_in(gr_dtype real)
{
    static const double ranges[] = {1, 10, 100};
    const size_t size = gr_dtype_size(real);
    void *in[3], *fast = gr_malloc(N * size), *plain = gr_malloc(N * size);
    for (int i = 0; i < 3; i++) in[i] = gr_malloc(N * size);
    for (int r = 0; r < 3; r++) {
        for (int w = 0; w < 3; w++)
            for (int i = 0; i < N; i++) {
                const double x = argument(i, w, ranges[r]);
                if (real == GR_FLOAT32) ((float *)in[w])[i] = (float)x;
                else ((double *)in[w])[i] = x;
            }
        for (int op = GR_TAPE_NONE + 1; op < GR_TAPE_NUM_OPS; op++) {
            run_one((gr_tape_op)op, real, fast, in, N, false);
            run_one((gr_tape_op)op, real, plain, in, N, true);
            CU_ASSERT_EQUAL(compare((gr_tape_op)op, real, fast, plain, in), 0);
        }
    }
    for (int i = 0; i < 3; i++) gr_free(in[i]);
    gr_free(fast);
    gr_free(plain);
}

static void every_instruction(void)
{
    every_instruction_in(GR_FLOAT32);
    every_instruction_in(GR_FLOAT64);
}

/* The sign of zero, which a relative error does not see. */
static void zeros_keep_their_sign(void)
{
    static const gr_tape_op odd[] = {GR_TAPE_LOG1P, GR_TAPE_EXPM1, GR_TAPE_SIN, GR_TAPE_ERF, GR_TAPE_TANH,
                                     GR_TAPE_FLOOR, GR_TAPE_CEIL, GR_TAPE_ROUND, GR_TAPE_SQRT};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        float x[2] = {-0.0f, 0.0f}, y[2];
        void *in[3] = {x, x, x};
        run_one(odd[i], GR_FLOAT32, y, in, 2, false);
        CU_ASSERT_TRUE(y[0] == 0 && signbit(y[0]) != 0);
        CU_ASSERT_TRUE(y[1] == 0 && signbit(y[1]) == 0);
    }
}

/* Every set that this CPU runs, not only the one that it would choose. */
static void every_instruction_set(void)
{
    enum { M = 1003 };
    static float x[M], y[M], z[M], out[M], ref[M];
    for (int i = 0; i < M; i++) {
        x[i] = (float)(noise() * 20);
        y[i] = (float)noise();
        z[i] = (float)noise();
    }
    for (int k = 0; gr_isa_at(k); k++)
        for (int op = GR_TAPE_NONE + 1; op < GR_TAPE_NUM_OPS; op++) {
            void *in[3] = {x, y, z};
            char *const at[] = {(char *)out, (char *)x, (char *)y, (char *)z};
            const gr_tape_step step = {.x = 1, .y = 2, .z = 3, .ld_dst = 59, .ld_x = 59, .ld_y = 59, .ld_z = 59};
            gr_isa_at(k)->tape_f32[op](&step, at, M / 59, 59);
            run_one((gr_tape_op)op, GR_FLOAT32, ref, in, M, true);
            int wrong = 0;
            for (int i = 0; i < M; i++) wrong += !near(out[i], ref[i], limit_of((gr_tape_op)op, GR_FLOAT32));
            CU_ASSERT_EQUAL(wrong, 0);
        }
}

/* ---- layouts ---- */

/* tanh(x * w + b) with a mask, and x passed on: every kind of operand at once. */
static const gr_tape_ins mixed_ins[] = {
    {GR_TAPE_FMA, 6, 0, 1, 2},  {GR_TAPE_TANH, 6, 6, 0, 0}, {GR_TAPE_WHERE, 7, 3, 6, 5},
    {GR_TAPE_ADD, 8, 7, 4, 0},  {GR_TAPE_LESS, 2, 8, 5, 0}, {GR_TAPE_MUL, 0, 8, 0, 0},
};
static const uint8_t mixed_in[] = {0, 1, 2, 3, 4}, mixed_const[] = {5}, mixed_out[] = {8, 2, 0, 7};
static const double mixed_value[] = {0.25};
static const gr_tape mixed = {.num_regs = 9, .num_in = 5, .in_reg = mixed_in, .num_const = 1,
    .const_reg = mixed_const, .value = mixed_value, .num_ins = 6, .ins = mixed_ins, .num_out = 4,
    .out_reg = mixed_out};

typedef struct bench {
    int64_t dim[4];
    double x[40000], w[4000], b[4000]; /* big enough for float and double */
    uint8_t mask[40000];
    int32_t whole[40000];
    double out[40000], product[40000], last[40000];
    uint8_t less[40000];
} bench;

/* x dense (rows `gap` apart), w along the last axis, b along the first, a mask, integers. */
static gr_tape_run layout(bench *b, gr_dtype real, gr_tensor in[5], gr_tensor out[4], int64_t gap)
{
    const int64_t *d = b->dim, dense[4] = {d[1] * d[2] * d[3], d[2] * d[3], d[3], 1};
    const int64_t row = d[3] + gap, apart[4] = {d[1] * d[2] * row, d[2] * row, row, 1};
    const gr_tensor t = {.rank = 4, .dim = {d[0], d[1], d[2], d[3]}};
    for (int i = 0; i < 5; i++) in[i] = t;
    for (int i = 0; i < 4; i++) {
        out[i] = t;
        memcpy(out[i].stride, dense, sizeof dense);
    }
    memcpy(in[0].stride, apart, sizeof apart);
    in[1].stride[3] = 1;
    in[2].stride[0] = 2;
    memcpy(in[3].stride, dense, sizeof dense);
    memcpy(in[4].stride, dense, sizeof dense);
    in[0].data = b->x, in[1].data = b->w, in[2].data = b->b, in[3].data = b->mask, in[4].data = b->whole;
    in[0].dtype = in[1].dtype = real;
    in[2].dtype = real == GR_FLOAT32 ? GR_FLOAT64 : GR_FLOAT32;
    in[3].dtype = GR_BOOL;
    in[4].dtype = GR_INT32;
    out[0].data = b->out, out[1].data = b->less, out[2].data = b->product, out[3].data = b->last;
    out[0].dtype = out[2].dtype = out[3].dtype = real;
    out[1].dtype = GR_BOOL;
    return (gr_tape_run){.tape = &mixed, .real = real, .rank = 4, .dim = b->dim, .in = in, .out = out};
}

static void put(void *p, gr_dtype t, int64_t i, double x)
{
    if (t == GR_FLOAT32) ((float *)p)[i] = (float)x;
    else ((double *)p)[i] = x;
}

static bench *new_bench(gr_dtype real, const int64_t dim[4])
{
    bench *b = gr_malloc(sizeof *b);
    memset(b, 0, sizeof *b);
    memcpy(b->dim, dim, sizeof b->dim);
    for (int i = 0; i < 40000; i++) {
        put(b->x, real, i, noise());
        b->mask[i] = noise() > 0;
        b->whole[i] = (int32_t)(noise() * 5);
    }
    for (int i = 0; i < 4000; i++) {
        put(b->w, real, i, noise());
        put(b->b, real == GR_FLOAT32 ? GR_FLOAT64 : GR_FLOAT32, i, noise());
    }
    return b;
}

static void layouts_in(gr_dtype real, const int64_t dim[4], int64_t gap, bool in_place)
{
    gr_tensor in[5], out[4];
    bench *whole = new_bench(real, dim), *parts = gr_malloc(sizeof *parts), *plain = gr_malloc(sizeof *plain);
    memcpy(parts, whole, sizeof *parts);
    memcpy(plain, whole, sizeof *plain);
    bench *all[3] = {whole, parts, plain};
    const int64_t n = dim[0] * dim[1] * dim[2] * dim[3];
    void *scratch = gr_malloc(gr_tape_scratch(&mixed, real));
    for (int k = 0; k < 3; k++) {
        gr_tape_run r = layout(all[k], real, in, out, gap);
        r.scratch = scratch;
        if (in_place) out[3].data = all[k]->x; /* register 7 is ready when x is read once more */
        if (k == 0) run_fast(&r, 0, n);
        else if (k == 2) gr_tape_exec_plain(&r, 0, n);
        else for (int64_t i = 0, step = 1; i < n; i += step, step = step * 7 % 611 + 1)
            run_fast(&r, i, i + step < n ? i + step : n);
    }
    CU_ASSERT_EQUAL(memcmp(whole, parts, sizeof *whole), 0);
    int wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        const double a = real == GR_FLOAT32 ? (double)((float *)whole->product)[i] : whole->product[i];
        const double b = real == GR_FLOAT32 ? (double)((float *)plain->product)[i] : plain->product[i];
        const double c = real == GR_FLOAT32 ? (double)((float *)whole->x)[i] : whole->x[i];
        const double d = real == GR_FLOAT32 ? (double)((float *)plain->x)[i] : plain->x[i];
        wrong += !(fabs(a - b) < 1e-5) + !(fabs(c - d) < 1e-5) + (whole->less[i] != plain->less[i]);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    gr_free(scratch);
    for (int k = 0; k < 3; k++) gr_free(all[k]);
}

static void layouts(void)
{
    static const int64_t dims[][4] = {{1, 1, 1, 1}, {1, 1, 1, 7}, {3, 1, 5, 4}, {2, 3, 4, 5}, {7, 2, 1, 63},
                                      {5, 1, 3, 64}, {3, 2, 2, 700}, {2, 1, 1, 1500}, {6, 11, 13, 9}};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        for (int real = GR_FLOAT32; real <= GR_FLOAT64; real++)
            for (int gap = 0; gap < 6; gap += 5) {
                layouts_in((gr_dtype)real, dims[i], gap, false);
                if (gap == 0) layouts_in((gr_dtype)real, dims[i], gap, true);
            }
}

/* x - y into x, and the old x elsewhere: what is stored first must not spoil what comes later. */
static void in_place_with_old_value(void)
{
    static const gr_tape_ins ins[] = {{GR_TAPE_SUB, 2, 0, 1, 0}};
    static const uint8_t in_reg[] = {0, 1}, out_reg[] = {2, 0};
    const gr_tape t = {.num_regs = 3, .num_in = 2, .in_reg = in_reg, .num_ins = 1, .ins = ins, .num_out = 2,
                       .out_reg = out_reg};
    enum { M = 777 };
    const int64_t n = M;
    static float x[M], y[M], old[M];
    for (int i = 0; i < M; i++) x[i] = (float)i, y[i] = 1;
    const gr_tensor v = {.dtype = GR_FLOAT32, .rank = 1, .dim = {M}, .stride = {1}};
    gr_tensor in[2] = {v, v}, out[2] = {v, v};
    in[0].data = out[0].data = x, in[1].data = y, out[1].data = old;
    void *scratch = gr_malloc(gr_tape_scratch(&t, GR_FLOAT32));
    run_fast(&(gr_tape_run){&t, GR_FLOAT32, 1, &n, in, out, scratch, NULL, false}, 0, n);
    int wrong = 0;
    for (int i = 0; i < M; i++) wrong += x[i] != (float)(i - 1) || old[i] != (float)i;
    CU_ASSERT_EQUAL(wrong, 0);
    gr_free(scratch);
}

/* x^2 - y elsewhere, 2 y over x: the square may not wait for the difference, which it could be computed with. */
static void in_place_between_two_that_join(void)
{
    static const gr_tape_ins ins[] = {{GR_TAPE_MUL, 2, 0, 0, 0}, {GR_TAPE_ADD, 3, 1, 1, 0}, {GR_TAPE_SUB, 4, 2, 1, 0}};
    static const uint8_t in_reg[] = {0, 1}, out_reg[] = {3, 4};
    const gr_tape t = {.num_regs = 5, .num_in = 2, .in_reg = in_reg, .num_ins = 3, .ins = ins, .num_out = 2, .out_reg = out_reg};
    enum { M = 777 };
    const int64_t n = M;
    static float x[M], y[M], difference[M];
    for (int i = 0; i < M; i++) x[i] = (float)i, y[i] = (float)(i % 5);
    const gr_tensor v = {.dtype = GR_FLOAT32, .rank = 1, .dim = {M}, .stride = {1}};
    gr_tensor in[2] = {v, v}, out[2] = {v, v};
    in[0].data = out[0].data = x, in[1].data = y, out[1].data = difference;
    void *scratch = gr_malloc(gr_tape_scratch(&t, GR_FLOAT32));
    run_fast(&(gr_tape_run){&t, GR_FLOAT32, 1, &n, in, out, scratch, NULL, false}, 0, n);
    int wrong = 0;
    for (int i = 0; i < M; i++) wrong += x[i] != (float)(2 * (i % 5)) || difference[i] != (float)(i * i - i % 5);
    CU_ASSERT_EQUAL(wrong, 0);
    gr_free(scratch);
}

enum { PAIRED = SPECIAL * SPECIAL };

/* Slot 3 of the room as the two instructions make it, one after the other. */
static void run_two(const gr_isa *isa, int first, int second, int side, gr_dtype real, char *const *at)
{
    static const gr_tape_op seconds[] = {GR_TAPE_ADD, GR_TAPE_SUB, GR_TAPE_MUL, GR_TAPE_TANH, GR_TAPE_SIGMOID};
    const gr_tape_fn *run = real == GR_FLOAT32 ? isa->tape_f32 : isa->tape_f64;
    const gr_tape_step one = {.dst = 4, .x = 0, .y = 1, .z = 0}, two = {.dst = 3, .x = side ? 2 : 4, .y = side ? 4 : 2, .z = 0};
    run[GR_TAPE_ADD + first](&one, at, 1, PAIRED);
    run[seconds[second]](&two, at, 1, PAIRED);
}

/* Whether a pair makes other bits than its two instructions. */
static bool pair_differs(const gr_isa *isa, int first, int second, int side, gr_dtype real)
{
    static double room[5][PAIRED], made[PAIRED];
    static const gr_tape_step slots = {.dst = 3, .x = 0, .y = 1, .z = 2};
    char *const at[] = {(char *)room[0], (char *)room[1], (char *)room[2], (char *)room[3], (char *)room[4]};
    const gr_tape_fn pair = (real == GR_FLOAT32 ? isa->pair_f32 : isa->pair_f64)[first][second][side];
    if (!pair) return side == 0;
    for (int i = 0; i < PAIRED; i++)
        for (int k = 0; k < 3; k++) put(room[k], real, i, argument(i, k, 1));
    pair(&slots, at, 1, PAIRED);
    memcpy(made, room[3], sizeof made);
    run_two(isa, first, second, side, real, at);
    int wrong = 0;
    for (int i = 0; i < PAIRED; i++) {
        const double x = real == GR_FLOAT32 ? (double)((float *)made)[i] : made[i], y = real == GR_FLOAT32 ? (double)((float *)room[3])[i] : room[3][i];
        wrong += !(x == y || (x != x && y != y)) || signbit(x) != signbit(y);
    }
    return wrong > 0;
}

static void every_pair(void)
{
    int wrong = 0;
    for (int k = 0; gr_isa_at(k); k++)
        for (int i = 0; i < 4 * GR_TAPE_FIRSTS * GR_TAPE_SECONDS; i++)
            wrong += pair_differs(gr_isa_at(k), i / 4 % GR_TAPE_FIRSTS, i / 4 / GR_TAPE_FIRSTS, i % 2, i / 2 % 2 ? GR_FLOAT64 : GR_FLOAT32);
    CU_ASSERT_EQUAL(wrong, 0);
}

static void conversions_saturate(void)
{
    static const gr_tape_ins ins[] = {{GR_TAPE_COPY, 1, 0, 0, 0}};
    static const uint8_t in_reg[] = {0}, out_reg[] = {1};
    const gr_tape t = {.num_regs = 2, .num_in = 1, .in_reg = in_reg, .num_ins = 1, .ins = ins, .num_out = 1,
                       .out_reg = out_reg};
    float x[6] = {1.9f, -1.9f, 3e9f, -3e9f, NAN, INFINITY};
    const int32_t expected[6] = {1, -1, INT32_MAX, INT32_MIN, 0, INT32_MAX};
    int32_t y[6];
    const int64_t n = 6;
    const gr_tensor in = {.data = x, .dtype = GR_FLOAT32, .rank = 1, .dim = {6}, .stride = {1}};
    const gr_tensor out = {.data = y, .dtype = GR_INT32, .rank = 1, .dim = {6}, .stride = {1}};
    void *scratch = gr_malloc(gr_tape_scratch(&t, GR_FLOAT32));
    run_fast(&(gr_tape_run){&t, GR_FLOAT32, 1, &n, &in, &out, scratch, NULL, false}, 0, n);
    CU_ASSERT_EQUAL(memcmp(y, expected, sizeof y), 0);
    gr_free(scratch);
}

void test_tape(void)
{
    CU_pSuite s = CU_add_suite("tape", NULL, NULL);
    CU_add_test(s, "every instruction agrees with libm", every_instruction);
    CU_add_test(s, "zeros keep their sign", zeros_keep_their_sign);
    CU_add_test(s, "every instruction set agrees", every_instruction_set);
    CU_add_test(s, "layouts, conversions, partitions", layouts);
    CU_add_test(s, "in place, old value kept elsewhere", in_place_with_old_value);
    CU_add_test(s, "in place between two that join", in_place_between_two_that_join);
    CU_add_test(s, "every pair is its two instructions", every_pair);
    CU_add_test(s, "conversion to integers saturates", conversions_saturate);
}
