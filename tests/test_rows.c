/* test_rows.c - row functions and random numbers of every instruction set, to the bit, against
 * plain C that spells the trees of their sums out. */
#ifdef REAL

typedef struct NAME(row) { REAL x[LONGEST], g[LONGEST], w[LONGEST], b[LONGEST]; } NAME(row);
static NAME(row) NAME(data);

static REAL NAME(step)(bool fma, REAL a, REAL b, REAL c) { return fma ? NAME(fused)(a, b, c) : a * b + c; }

/* Term i to lane i % 64 of its block, lanes by halves, blocks in pairs. term(a, b) is a b, or a where b is NULL. */
static REAL NAME(plain_tree)(bool fma, const REAL *a, const REAL *b, int64_t n)
{
    if (n > 1024) {
        int64_t half = 1024;
        while (half * 2 < n) half *= 2;
        return NAME(plain_tree)(fma, a, b, half) + NAME(plain_tree)(fma, a + half, b ? b + half : NULL, n - half);
    }
    REAL lane[64] = {0};
    for (int64_t i = 0; i < n; i++) lane[i % 64] = b ? NAME(step)(fma, a[i], b[i], lane[i % 64]) : lane[i % 64] + a[i];
    for (int w = 32; w > 0; w /= 2)
        for (int j = 0; j < w; j++) lane[j] += lane[j + w];
    return lane[0];
}

static void NAME(check_sums)(const gr_isa *isa, int64_t n)
{
    const NAME(row) *d = &NAME(data);
    static REAL far[LONGEST], e[LONGEST], kept[LONGEST];
    const REAL shift = (REAL)0.3;
    for (int64_t i = 0; i < n; i++) far[i] = d->x[i] - shift;
    CU_ASSERT_EQUAL(isa->math.MATH(sum)(d->x, n), NAME(plain_tree)(isa->fma, d->x, NULL, n));
    CU_ASSERT_EQUAL(isa->math.MATH(dot)(d->x, d->g, n), NAME(plain_tree)(isa->fma, d->x, d->g, n));
    CU_ASSERT_EQUAL(isa->math.MATH(square_sum)(d->x, shift, n), NAME(plain_tree)(isa->fma, far, far, n));
    char *const at[2] = {(char *)e, (char *)far};
    isa->MATH(tape)[GR_TAPE_EXP](&(gr_tape_step){.x = 1, .y = 1, .z = 1}, at, 1, n);
    const REAL sum = NAME(plain_tree)(isa->fma, e, NULL, n);
    kept[n] = 7;
    CU_ASSERT_EQUAL(isa->math.MATH(exp_sum)(NULL, d->x, shift, n), sum);
    CU_ASSERT_EQUAL(isa->math.MATH(exp_sum)(kept, d->x, shift, n), sum);
    CU_ASSERT_EQUAL(memcmp(kept, e, (size_t)n * sizeof *e), 0);
    CU_ASSERT_EQUAL(kept[n], 7);
    REAL max = (REAL)-INFINITY;
    for (int64_t i = 0; i < n; i++) max = d->x[i] > max ? d->x[i] : max;
    CU_ASSERT_EQUAL(isa->math.MATH(max)(d->x, n), max);
}

static void NAME(check_row)(const gr_isa *isa, int64_t n, const REAL *w, const REAL *b, bool centred)
{
    const NAME(row) *d = &NAME(data);
    static REAL y[LONGEST], h[LONGEST], u[LONGEST];
    const REAL mean = (REAL)0.1, rstd = (REAL)1.7;
    int wrong = 0;
    isa->math.MATH(normalize)(y, d->x, mean, rstd, w, b, n);
    for (int64_t i = 0; i < n; i++) {
        h[i] = (d->x[i] - mean) * rstd;
        u[i] = w ? d->g[i] * w[i] : d->g[i];
        REAL z = w ? h[i] * w[i] : h[i];
        wrong += y[i] != (b ? z + b[i] : z);
    }
    const REAL along = NAME(plain_tree)(isa->fma, u, h, n) / (REAL)n;
    const REAL level = centred ? NAME(plain_tree)(isa->fma, u, NULL, n) / (REAL)n : 0;
    isa->math.MATH(normalize_back)(y, d->x, d->g, w, mean, rstd, centred, n);
    for (int64_t i = 0; i < n; i++) wrong += y[i] != rstd * (u[i] - level - h[i] * along);
    isa->math.MATH(divide)(y, d->x, rstd, n);
    for (int64_t i = 0; i < n; i++) wrong += y[i] != d->x[i] / rstd;
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Column j of both sums over rows, 64 rows at a time. */
static void NAME(plain_column)(int64_t j, int64_t step, int64_t rows, REAL *plain, REAL *weighted)
{
    const NAME(row) *d = &NAME(data);
    *plain = *weighted = 0;
    for (int64_t first = 0; first < rows; first += 64) {
        REAL a = 0, c = 0;
        for (int64_t r = first; r < rows && r < first + 64; r++) {
            a += d->x[r * step + j];
            c += d->g[r * step + j] * ((d->x[r * step + j] - d->w[r]) * d->b[r]);
        }
        *plain += a;
        *weighted += c;
    }
}

static void NAME(check_columns)(const gr_isa *isa, int64_t step, int64_t rows, int64_t n)
{
    const NAME(row) *d = &NAME(data);
    static REAL sums[LONGEST], weighted[LONGEST];
    int wrong = 0;
    isa->math.MATH(column_sums)(sums, d->x, step, rows, n);
    isa->math.MATH(normalize_weight_back)(weighted, d->x, d->g, d->w, d->b, step, rows, n);
    for (int64_t j = 0; j < n; j++) {
        REAL a, c;
        NAME(plain_column)(j, step, rows, &a, &c);
        wrong += sums[j] != a || weighted[j] != c;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Rows in any order, one of them twice. */
static void NAME(check_row_sums)(const gr_isa *isa, int64_t step, int64_t rows, int64_t n)
{
    const NAME(row) *d = &NAME(data);
    static REAL sums[LONGEST];
    int32_t row[LONGEST];
    int wrong = 0;
    for (int64_t k = 0; k < rows; k++) row[k] = (int32_t)(k * 7 % rows);
    if (rows > 1) row[1] = row[0];
    isa->math.MATH(row_sums)(sums, d->x, step, row, rows, n);
    for (int64_t j = 0; j < n; j++) {
        REAL sum = 0;
        for (int64_t k = 0; k < rows; k++) sum += d->x[row[k] * step + j];
        wrong += sums[j] != sum;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void NAME(check_all)(void)
{
    static const int64_t sizes[] = {0, 1, 3, 4, 7, 8, 15, 17, 28, 63, 64, 65, 256, 1000, 1024, 1025, 5000};
    static const int64_t shapes[][3] = {{1, 1, 1}, {28, 40, 28}, {28, 200, 5}, {300, 17, 300}, {9, 130, 9}, {700, 8, 600}, {3, 0, 3}};
    NAME(row) *d = &NAME(data);
    for (int64_t i = 0; i < LONGEST; i++) {
        d->x[i] = (REAL)noise();
        d->g[i] = (REAL)noise();
        d->w[i] = (REAL)noise();
        d->b[i] = (REAL)noise();
    }
    for (int k = 0; gr_isa_at(k); k++) {
        const gr_isa *isa = gr_isa_at(k);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            NAME(check_sums)(isa, sizes[i]);
            for (int with = 0; with < 8; with++)
                NAME(check_row)(isa, sizes[i], with & 1 ? d->w : NULL, with & 2 ? d->b : NULL, with & 4);
        }
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            NAME(check_columns)(isa, shapes[i][0], shapes[i][1], shapes[i][2]);
            NAME(check_row_sums)(isa, shapes[i][0], shapes[i][1], shapes[i][2]);
        }
    }
}

/* One NaN anywhere is found, also past the last whole vector. */
static void NAME(check_nan)(void)
{
    REAL x[100];
    for (int k = 0; gr_isa_at(k); k++)
        for (int64_t n = 1; n <= 100; n++)
            for (int64_t at = 0; at < n; at += 3) {
                for (int64_t i = 0; i < n; i++) x[i] = (REAL)i;
                x[at] = (REAL)NAN;
                CU_ASSERT_TRUE(isnan(gr_isa_at(k)->math.MATH(max)(x, n)));
            }
}

#else
#include "kernel/isa.h"
#include "kernel/kernel.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

enum { LONGEST = 6000 };

static uint32_t state = 5;
static double noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) * 0x1p-23 - 1;
}
static float fused_f32(float a, float b, float c) { return fmaf(a, b, c); }
static double fused_f64(double a, double b, double c) { return fma(a, b, c); }

#define GR_KERNELS "test_rows.c"
#include <graphrun/each_real.h>

static void rows_in_plain_c(void)
{
    check_all_f32();
    check_all_f64();
}

static void largest_of_nan(void)
{
    check_nan_f32();
    check_nan_f64();
}

/* ---- Philox, as its authors write it ---- */

static void philox(uint32_t c[4], uint64_t key)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        const uint64_t a = (uint64_t)c[0] * 0xD2511F53u, b = (uint64_t)c[2] * 0xCD9E8D57u;
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        memcpy(c, next, sizeof next);
    }
}

static float number(const uint64_t key[2], uint64_t row, uint64_t i)
{
    const uint64_t block = i / 4;
    uint32_t c[4] = {(uint32_t)block, (uint32_t)row, (uint32_t)key[1] ^ (uint32_t)(block >> 32),
                     (uint32_t)(key[1] >> 32) ^ (uint32_t)(row >> 32)};
    philox(c, key[0]);
    return (float)(c[i % 4] >> 8) * 0x1p-24f;
}

/* Wherever the numbers begin; in the last places the counter's low word wraps. */
static void random_numbers(void)
{
    static const int64_t firsts[] = {0, 1, 2, 3, 250, INT64_C(0x3fffffffe), INT64_C(0x3ffffffe1)};
    const uint64_t key[2] = {UINT64_C(0x123456789abcdef0), UINT64_C(0xfedcba9876543210)}, row = UINT64_C(0x100000007);
    float x[201];
    for (int k = 0; gr_isa_at(k); k++)
        for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++)
            for (int64_t n = 0; n <= 200; n += 1 + n / 3) {
                int wrong = 0;
                x[n] = 7;
                gr_isa_at(k)->math.uniform_f32(key, row, firsts[f], x, n);
                for (int64_t i = 0; i < n; i++) wrong += x[i] != number(key, row, (uint64_t)(firsts[f] + i));
                CU_ASSERT_TRUE(wrong == 0 && x[n] == 7);
            }
}

/* ---- SquareSums: pieces of 65536 elements of an input ---- */

extern const gr_op gr_op_square_sums;

static void square_sums(const float *x, const float *y, int64_t begin, int64_t end, float squares[3], float check[3])
{
    const gr_tensor in[2] = {{.data = (void *)(uintptr_t)x, .dtype = GR_FLOAT32, .rank = 1, .dim = {70000}, .stride = {1}},
                             {.data = (void *)(uintptr_t)y, .dtype = GR_FLOAT32, .rank = 1, .dim = {2}, .stride = {1}}};
    const gr_tensor out[2] = {{.data = squares, .dtype = GR_FLOAT32, .rank = 1, .dim = {3}, .stride = {1}},
                              {.data = check, .dtype = GR_FLOAT32, .rank = 1, .dim = {3}, .stride = {1}}};
    const gr_call call = {.size = sizeof call, .in = in, .out = out, .num_in = 2, .num_out = 2, .begin = begin, .end = end,
                          .math = gr_math_get()};
    CU_ASSERT_EQUAL(gr_op_square_sums.units(&call), 3);
    gr_op_square_sums.kernels[0].run(&call);
}

/* A square that overflows is no fault of its element; one element that is not finite is found. */
static void squares_and_their_check(void)
{
    static float x[70000];
    float y[2] = {3, 4}, squares[3], check[3], part[3], part_check[3];
    for (int i = 0; i < 70000; i++) x[i] = 0.5f;
    square_sums(x, y, 0, 3, squares, check);
    CU_ASSERT_TRUE(squares[0] == 16384 && squares[1] == 1116 && squares[2] == 25);
    CU_ASSERT_TRUE(check[0] == 0 && check[1] == 0 && check[2] == 0);
    square_sums(x, y, 1, 2, part, part_check);
    square_sums(x, y, 2, 3, part, part_check);
    CU_ASSERT_TRUE(part[1] == squares[1] && part[2] == squares[2] && part_check[1] == 0 && part_check[2] == 0);
    y[1] = 1e30f;
    x[69999] = -INFINITY;
    square_sums(x, y, 0, 3, squares, check);
    CU_ASSERT_TRUE(isinf(squares[1]) && isinf(squares[2]));
    CU_ASSERT_TRUE(check[0] == 0 && isnan(check[1]) && check[2] == 0);
}

void test_rows(void)
{
    CU_pSuite s = CU_add_suite("rows", NULL, NULL);
    CU_add_test(s, "row functions of every instruction set are plain C's", rows_in_plain_c);
    CU_add_test(s, "the largest is NaN where any is", largest_of_nan);
    CU_add_test(s, "squares are summed by pieces, and checked exactly", squares_and_their_check);
    CU_add_test(s, "random numbers are Philox's, wherever they begin", random_numbers);
}
#endif
