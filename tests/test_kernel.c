/* test_kernel.c - sums, random numbers and products against plain C. */
#include "base/arena.h"
#include "kernel/isa.h"
#include "kernel/kernel.h"
#include "failing.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 7;
static double noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) * 0x1p-23 - 1;
}
static int64_t below(int64_t n) { return (int64_t)((noise() + 1) * 0.5 * (double)n); }

static void reductions(void)
{
    static const int64_t sizes[] = {0, 1, 5, 63, 64, 65, 1000, 1024, 1025, 5000};
    static float x[5000], y[5000];
    static double xd[5000], yd[5000];
    for (int i = 0; i < 5000; i++) {
        xd[i] = x[i] = (float)noise();
        yd[i] = y[i] = (float)noise();
    }
    const gr_math *m = gr_math_get();
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const int64_t n = sizes[k];
        double sum = 0, dot = 0, max = -INFINITY;
        for (int64_t i = 0; i < n; i++) {
            sum += xd[i];
            dot += xd[i] * yd[i];
            max = fmax(max, xd[i]);
        }
        CU_ASSERT_TRUE(fabs(m->sum_f32(x, n) - sum) <= 1e-5 * (1 + fabs(sum)));
        CU_ASSERT_TRUE(fabs(m->sum_f64(xd, n) - sum) <= 1e-13 * (1 + fabs(sum)));
        CU_ASSERT_TRUE(fabs(m->dot_f32(x, y, n) - dot) <= 1e-5 * (1 + fabs(dot)));
        CU_ASSERT_TRUE(fabs(m->dot_f64(xd, yd, n) - dot) <= 1e-13 * (1 + fabs(dot)));
        CU_ASSERT_EQUAL(m->max_f32(x, n), (float)max);
        CU_ASSERT_EQUAL(m->max_f64(xd, n), max);
        for (int i = 0; gr_isa_at(i); i++) {
            CU_ASSERT_EQUAL(gr_isa_at(i)->math.sum_f32(x, n), m->sum_f32(x, n));
            CU_ASSERT_EQUAL(gr_isa_at(i)->math.max_f64(xd, n), m->max_f64(xd, n));
        }
    }
    x[777] = NAN;
    CU_ASSERT_TRUE(isnan(m->max_f32(x, 1000)));
    CU_ASSERT_TRUE(isnan(m->sum_f32(x, 1000)));
    CU_ASSERT_FALSE(isnan(m->max_f32(x, 777)));
}

/* A long sum: pairs of blocks keep the error far below n roundings. */
static void long_sum_is_exact_enough(void)
{
    enum { N = 1 << 20 };
    float *x = gr_malloc(N * sizeof *x);
    double sum = 0;
    for (int i = 0; i < N; i++) sum += x[i] = (float)(noise() + 1);
    CU_ASSERT_TRUE(fabs(gr_math_get()->sum_f32(x, N) - sum) < 1e-6 * sum);
    gr_free(x);
}

static void uniform_numbers(void)
{
    /* Known answers of Random123: counter 0, key 0. */
    static const uint32_t known[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const gr_math *m = gr_math_get();
    const uint64_t zero[2] = {0, 0}, key[2] = {123, 456}, other[2] = {123, 457};
    float x[1000], y[1000], z[1000];
    m->uniform_f32(zero, 0, 0, x, 4);
    for (int i = 0; i < 4; i++) CU_ASSERT_EQUAL(x[i], (float)(known[i] >> 8) * 0x1p-24f);
    m->uniform_f32(key, 3, 0, x, 1000);
    for (int64_t i = 0, n; i < 1000; i += n) {
        n = 1 + i % 7 < 1000 - i ? 1 + i % 7 : 1000 - i;
        m->uniform_f32(key, 3, i, y + i, n);
    }
    CU_ASSERT_EQUAL(memcmp(x, y, sizeof x), 0);
    double mean = 0;
    int same_row = 0, same_key = 0;
    m->uniform_f32(key, 4, 0, y, 1000);
    m->uniform_f32(other, 3, 0, z, 1000);
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_TRUE(x[i] >= 0 && x[i] < 1);
        mean += x[i] / 1000.0;
        same_row += x[i] == y[i];
        same_key += x[i] == z[i];
    }
    CU_ASSERT_TRUE(fabs(mean - 0.5) < 0.05 && same_row < 3 && same_key < 3);
}

static void exponential_of_a_row(void)
{
    float x[100], y[100], z[100];
    for (int i = 0; i < 100; i++) x[i] = (float)noise() * 10;
    gr_math_get()->exp_f32(y, x, 100);
    for (int begin = 0; begin < 100; begin += 13) {
        const int n = begin + 13 < 100 ? 13 : 100 - begin;
        gr_math_get()->exp_f32(z + begin, x + begin, n);
    }
    CU_ASSERT_EQUAL(memcmp(y, z, sizeof y), 0);
    CU_ASSERT_TRUE(fabsf(y[5] - expf(x[5])) <= 3e-7f * y[5]);
    gr_math_get()->log_f32(z, y, 100);
    CU_ASSERT_TRUE(fabsf(z[5] - x[5]) <= 1e-5f);
}

/* ---- products ---- */

enum { GUARD = 4096 }; /* bytes behind scratch memory */

static bool is_guard(const char *p)
{
    int changed = 0;
    for (int i = 0; i < GUARD; i++) changed += p[i] != 0x5a;
    return changed == 0;
}

typedef struct problem {
    gr_dtype dtype;
    int64_t m, n, k, a_rs, a_cs, b_rs, b_cs, c_rs, c_cs;
    bool accumulate;
    char *a, *b, *c; /* c: what is added to */
    int64_t c_count;
} problem;

static void set(char *p, gr_dtype t, int64_t i, double x)
{
    if (t == GR_FLOAT32) ((float *)(void *)p)[i] = (float)x;
    else ((double *)(void *)p)[i] = x;
}
static double get(const char *p, gr_dtype t, int64_t i)
{
    return t == GR_FLOAT32 ? (double)((const float *)(const void *)p)[i] : ((const double *)(const void *)p)[i];
}

static char *random_operand(gr_dtype t, int64_t count)
{
    char *p = gr_malloc_aligned((size_t)count * gr_dtype_size(t) + 64, 64);
    for (int64_t i = 0; i < count; i++) set(p, t, i, noise());
    return p;
}

/* layout 0: rows dense, those of a multiple of 1024 without a gap, so that all begin in one set of L1, others with one now and
 * then; 1: columns dense; 2: neither. */
static int64_t strides(int layout, int64_t rows, int64_t cols, int64_t *rs, int64_t *cs)
{
    *rs = layout == 0 ? cols + (cols % 1024 ? rows & 3 : 0) : layout == 1 ? 1 : 2 * cols + 1;
    *cs = layout == 0 ? 1 : layout == 1 ? rows + (cols & 3) : 2;
    return rows * *rs + cols * *cs + 1;
}

static problem new_problem(gr_dtype t, int64_t m, int64_t n, int64_t k, int layouts, bool accumulate)
{
    problem p = {.dtype = t, .m = m, .n = n, .k = k, .accumulate = accumulate};
    p.a = random_operand(t, strides(layouts % 3, m, k, &p.a_rs, &p.a_cs));
    p.b = random_operand(t, strides(layouts / 3 % 3, k, n, &p.b_rs, &p.b_cs));
    p.c_count = strides(layouts / 9 % 3, m, n, &p.c_rs, &p.c_cs);
    p.c = random_operand(t, p.c_count);
    return p;
}

static void free_problem(problem *p)
{
    gr_free(p->a);
    gr_free(p->b);
    gr_free(p->c);
}

/* The block [i, i + m) x [j, j + n) of the product, into c. What lies behind the scratch memory stays as it is. */
static void block(const problem *p, char *c, int64_t i, int64_t j, int64_t m, int64_t n, const void *packed)
{
    const int64_t size = (int64_t)gr_dtype_size(p->dtype);
    const gr_math *math = gr_math_get();
    const size_t room = math->gemm_scratch(p->dtype, m, n, p->k);
    char *scratch = gr_malloc_aligned(room + GUARD, 64);
    memset(scratch + room, 0x5a, GUARD);
    const gr_gemm g = {.dtype = p->dtype, .m = m, .n = n, .k = p->k, .a = p->a + i * p->a_rs * size,
                       .a_rs = p->a_rs, .a_cs = p->a_cs, .b = packed ? NULL : p->b + j * p->b_cs * size,
                       .b_rs = p->b_rs, .b_cs = p->b_cs, .c = c + (i * p->c_rs + j * p->c_cs) * size,
                       .c_rs = p->c_rs, .c_cs = p->c_cs, .accumulate = p->accumulate, .scratch = scratch,
                       .packed = packed, .packed_n = p->n, .packed_col = j};
    math->gemm(&g);
    CU_ASSERT_TRUE(is_guard(scratch + room));
    gr_free(scratch);
}

static int against_plain(const problem *p, const char *c)
{
    int wrong = 0;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double x = p->accumulate ? get(p->c, p->dtype, i * p->c_rs + j * p->c_cs) : 0;
            for (int64_t l = 0; l < p->k; l++)
                x += get(p->a, p->dtype, i * p->a_rs + l * p->a_cs) * get(p->b, p->dtype, l * p->b_rs + j * p->b_cs);
            const double y = get(c, p->dtype, i * p->c_rs + j * p->c_cs);
            wrong += !(fabs(x - y) <= (p->dtype == GR_FLOAT32 ? 1e-5 : 1e-13) * (1 + sqrt((double)p->k)));
        }
    return wrong;
}

static char *copy_of(const problem *p)
{
    const size_t bytes = (size_t)p->c_count * gr_dtype_size(p->dtype);
    char *c = gr_malloc_aligned(bytes, 64);
    memcpy(c, p->c, bytes);
    return c;
}

/* Rows and columns cut at random; some blocks of one row or one column. */
static void by_blocks(const problem *p, char *c, const void *packed)
{
    for (int64_t i = 0, m; i < p->m; i += m) {
        m = 1 + below(below(3) ? p->m : 3);
        m = m < p->m - i ? m : p->m - i;
        for (int64_t j = 0, n; j < p->n; j += n) {
            n = 1 + below(below(3) ? p->n : 3);
            n = n < p->n - j ? n : p->n - j;
            block(p, c, i, j, m, n, packed);
        }
    }
}

static void *pack_in_parts(const problem *p)
{
    const gr_math *m = gr_math_get();
    void *packed = gr_malloc_aligned(m->gemm_packed_bytes(p->dtype, p->k, p->n), 64);
    const int64_t panel = m->gemm_panel(p->dtype);
    for (int64_t j = 0; j < p->n; j += 2 * panel)
        m->gemm_pack(p->dtype, p->k, p->n, p->b, p->b_rs, p->b_cs, j, 2 * panel < p->n - j ? 2 * panel : p->n - j,
                     packed);
    return packed;
}

static void check_product(gr_dtype t, int64_t m, int64_t n, int64_t k, int layouts, bool accumulate)
{
    problem p = new_problem(t, m, n, k, layouts, accumulate);
    const size_t bytes = (size_t)p.c_count * gr_dtype_size(t);
    char *whole = copy_of(&p);
    block(&p, whole, 0, 0, m, n, NULL);
    CU_ASSERT_EQUAL(against_plain(&p, whole), 0);
    void *packed = pack_in_parts(&p);
    for (int i = 0; i < 4; i++) {
        char *parts = copy_of(&p);
        if (i == 3) block(&p, parts, 0, 0, m, n, packed);
        else by_blocks(&p, parts, i == 2 ? packed : NULL);
        CU_ASSERT_EQUAL(memcmp(whole, parts, bytes), 0);
        gr_free(parts);
    }
    gr_free(packed);
    gr_free(whole);
    free_problem(&p);
}

static void products(void)
{
    static const int64_t shapes[][3] = {{1, 1, 1}, {5, 4, 4}, {1, 4, 4}, {1, 16, 256}, {32, 48, 256}, {6, 16, 257},
        {7, 17, 33}, {64, 1, 300}, {1, 300, 64}, {140, 35, 20}, {13, 100, 600}, {2, 33, 1000}, {3, 5, 0},
        {33, 129, 511}, {200, 3, 70}, {12, 32, 1025},
        {9, 33, 520}, {10, 70, 300}, {14, 66, 300}, /* tiles of columns of S, more rows than lie along k in one */
        {157, 36, 258}, {75, 36, 258}, {290, 20, 300}, {166, 80, 256}, /* strips of rows: longer than usual (in float, in double), several */
        {9, 1060, 270}, /* more columns than a strip has */
        {12, 40, 1024}, {13, 70, 2048}, {97, 40, 1024}}; /* rows that share a set of L1 */
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int q = 0, layouts; (layouts = q * (i % 2 ? 5 : 4)) < 27; q++)
            for (int t = GR_FLOAT32; t <= GR_FLOAT64; t++)
                check_product((gr_dtype)t, shapes[i][0], shapes[i][1], shapes[i][2], layouts, q % 2);
    for (int i = 0; i < 150; i++)
        check_product(i % 2 ? GR_FLOAT32 : GR_FLOAT64, 1 + below(40), 1 + below(80), 1 + below(600), (int)below(27),
                      below(2));
}

/* k columns of a matrix of 1024, whose rows all begin in one set of L1, by a packed one too large for L2: strips of many rows.
 * What lies behind the scratch memory stays as it is, and C is that of rows which lie side by side. */
static void check_slice(gr_dtype t, int64_t m, int64_t n, int64_t k)
{
    enum { WIDE = 1024 };
    problem p = new_problem(t, 1, n, k, 0, false);
    const int64_t size = (int64_t)gr_dtype_size(t);
    char *wide = random_operand(t, m * WIDE), *dense = gr_malloc_aligned((size_t)(m * k * size), 64), *c[2];
    for (int64_t i = 0; i < m; i++) memcpy(dense + i * k * size, wide + i * WIDE * size, (size_t)(k * size));
    void *packed = pack_in_parts(&p);
    for (int i = 0; i < 2; i++) {
        problem rows = p;
        rows.m = m, rows.c_rs = n, rows.c_cs = 1;
        rows.a = i ? dense : wide, rows.a_rs = i ? k : WIDE, rows.a_cs = 1;
        c[i] = gr_malloc_aligned((size_t)(m * n * size), 64);
        block(&rows, c[i], 0, 0, m, n, packed);
    }
    CU_ASSERT_EQUAL(memcmp(c[0], c[1], (size_t)(m * n * size)), 0);
    gr_free(c[0]);
    gr_free(c[1]);
    gr_free(packed);
    gr_free(dense);
    gr_free(wide);
    free_problem(&p);
}

static void slices(void)
{
    check_slice(GR_FLOAT32, 1024, 2176, 32);
    check_slice(GR_FLOAT32, 1258, 4097, 16);
    check_slice(GR_FLOAT64, 812, 2049, 16);
    check_slice(GR_FLOAT32, 300, 300, 260);
}

/* What stood in C before must not be read, nor may padding spread. */
static void nan_stays_in_its_row(void)
{
    problem p = new_problem(GR_FLOAT32, 9, 20, 30, 0, false);
    char *c = copy_of(&p);
    for (int64_t i = 0; i < p.c_count; i++) set(c, GR_FLOAT32, i, NAN);
    set(p.a, GR_FLOAT32, 4 * p.a_rs + 3, NAN);
    block(&p, c, 0, 0, 9, 20, NULL);
    for (int64_t i = 0; i < 9; i++)
        for (int64_t j = 0; j < 20; j++)
            CU_ASSERT_EQUAL(isnan(get(c, GR_FLOAT32, i * p.c_rs + j)) != 0, i == 4);
    gr_free(c);
    free_problem(&p);
}

static void names_and_peak(void)
{
    CU_ASSERT_TRUE(strlen(gr_kernel_name()) > 3);
    CU_ASSERT_TRUE(gr_gemm_peak(GR_FLOAT32, 0.001) > 0.01);
    CU_ASSERT_EQUAL(gr_math_get()->size, sizeof(gr_math));
}

/* The kernels of another machine, which BLIS_ARCH_TYPE asks for by its number in BLIS 0.9: a plain
 * one, and one with AVX2, must pass what decides the bits of everything else. */
static void other_kernels(void)
{
    static const struct { int number; const char *name; } arch[] = {{25, "generic"}, {3, "haswell"}};
    const char *named = temp_path("kernels");
    char command[4096];
    if (getenv("BLIS_ARCH_TYPE")) return; /* this is such a run */
    for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
        snprintf(command, sizeof command,
                 "BLIS_ARCH_TYPE=%d '%s/tools/graphrun' bench '%s/graphs/hello.yaml' --seconds 0.01 --rounds 1 --noisy >'%s' 2>&1",
                 arch[i].number, GR_BUILD_DIR, GR_SOURCE_DIR, named);
        const bool ran = system(command) == 0;
        char *text = read_text(named, NULL);
        if (!ran || !text || !strstr(text, arch[i].name)) {
            printf("\n    skipped: this BLIS or CPU has no kernels for %s under number %d", arch[i].name, arch[i].number);
        } else {
            snprintf(command, sizeof command, "BLIS_ARCH_TYPE=%d '%s/tests/tests' kernel tape run recurrent attention fuse >'%s' 2>&1",
                     arch[i].number, GR_BUILD_DIR, named);
            CU_ASSERT_EQUAL(system(command), 0);
        }
        free(text);
    }
}

void test_kernel(void)
{
    CU_pSuite s = CU_add_suite("kernel", NULL, NULL);
    CU_add_test(s, "sum, dot and max", reductions);
    CU_add_test(s, "a long sum keeps its digits", long_sum_is_exact_enough);
    CU_add_test(s, "uniform numbers are Philox's", uniform_numbers);
    CU_add_test(s, "exp and log of a row, any split", exponential_of_a_row);
    CU_add_test(s, "products, whole, in blocks and packed, to the bit", products);
    CU_add_test(s, "products of a slice keep to their memory", slices);
    CU_add_test(s, "NaN stays in its row", nan_stays_in_its_row);
    CU_add_test(s, "the kernels have a name and a peak", names_and_peak);
    if (GR_TEST_NUMBERS) CU_add_test(s, "kernels of other machines", other_kernels);
}
