/* test_half.c - numbers of 16 bits: conversions, and products whose right operand is kept so. */
#include "base/half.h"
#include "kernel/isa.h"
#include "kernel/kernel.h"
#include "failing.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 11;
static float noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-23f - 1;
}

static const gr_dtype halves[] = {GR_BFLOAT16, GR_FLOAT16};

static float from(gr_dtype half, uint16_t h) { return half == GR_BFLOAT16 ? gr_from_bf16(h) : gr_from_f16(h); }
static uint16_t to(gr_dtype half, float x) { return half == GR_BFLOAT16 ? gr_to_bf16(x) : gr_to_f16(x); }

/* ---- conversions ---- */

static void every_number_goes_there_and_back(void)
{
    for (int k = 0; k < 2; k++) {
        int wrong = 0;
        for (uint32_t h = 0; h < 65536; h++) {
            float x = from(halves[k], (uint16_t)h);
            uint16_t back = to(halves[k], x);
            wrong += isnan(x) ? !isnan(from(halves[k], back)) : back != h;
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
    CU_ASSERT_EQUAL(gr_from_f16(0x3c00), 1.0f);
    CU_ASSERT_EQUAL(gr_from_f16(0x7bff), 65504.0f);
    CU_ASSERT_EQUAL(gr_from_f16(0x8001), -0x1p-24f);
    CU_ASSERT_EQUAL(gr_from_bf16(0x3f80), 1.0f);
}

/* The nearer of two neighbours, the even one of two as near. */
static void rounding_is_to_the_nearest(void)
{
    for (int k = 0; k < 2; k++) {
        int wrong = 0;
        for (uint32_t h = 0; h < 0x7fff; h++) {
            float low = from(halves[k], (uint16_t)h), high = from(halves[k], (uint16_t)(h + 1));
            if (isnan(high) || isinf(high)) break;
            float middle = (float)(((double)low + high) / 2); /* exact: float has bits enough */
            wrong += to(halves[k], middle) != (uint16_t)(h & 1 ? h + 1 : h);
            wrong += to(halves[k], nextafterf(middle, low)) != h && middle > low;
            wrong += to(halves[k], nextafterf(middle, high)) != h + 1 && middle < high;
            wrong += to(halves[k], -middle) != (to(halves[k], middle) | 0x8000);
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
    CU_ASSERT_EQUAL(gr_to_f16(65519.9f), 0x7bff);
    CU_ASSERT_EQUAL(gr_to_f16(65520), 0x7c00);
    CU_ASSERT_EQUAL(gr_to_f16(-INFINITY), 0xfc00);
    CU_ASSERT_EQUAL(gr_to_f16(1e-9f), 0);
    CU_ASSERT_EQUAL(gr_to_bf16(3.4e38f), 0x7f80);
}

static void every_instruction_set_converts_alike(void)
{
    static uint16_t src[65536];
    static float dst[65536];
    for (int i = 0; i < 65536; i++) src[i] = (uint16_t)i;
    for (int n = 0; gr_isa_at(n); n++) {
        const gr_isa *isa = gr_isa_at(n);
        int width = isa->panel_f32, wrong = 0;
        isa->widen_f16(dst, src, 65536 / width);
        for (int i = 0; i < 65536; i++) wrong += isnan(dst[i]) ? !isnan(gr_from_f16(src[i])) : gr_float_bits(dst[i]) != gr_float_bits(gr_from_f16(src[i]));
        isa->widen_bf16(dst, src, 65536 / width);
        for (int i = 0; i < 65536; i++) {
            int row = i / width * width, j = i % width, at = row + (j < width / 2 ? 2 * j : 2 * (j - width / 2) + 1);
            wrong += gr_float_bits(dst[i]) != gr_float_bits(gr_from_bf16(src[at]));
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
}

/* ---- products ---- */

typedef struct problem { int64_t m, n, k; float *a, *b, *rounded, *c[2]; void *packed[2]; } problem;

static problem new_problem(gr_dtype half, int64_t m, int64_t n, int64_t k)
{
    const gr_math *math = gr_math_get();
    problem p = {m, n, k, .a = gr_malloc(sizeof(float) * (size_t)(m * k)), .b = gr_malloc(sizeof(float) * (size_t)(k * n)),
                 .rounded = gr_malloc(sizeof(float) * (size_t)(k * n))};
    for (int64_t i = 0; i < m * k; i++) p.a[i] = noise();
    for (int64_t i = 0; i < k * n; i++) p.rounded[i] = from(half, to(half, p.b[i] = noise() * (i % 7 ? 1 : 1e-6f)));
    for (int i = 0; i < 2; i++) {
        gr_dtype kept = i ? half : GR_FLOAT32;
        p.c[i] = gr_malloc(sizeof(float) * (size_t)(m * n));
        p.packed[i] = gr_malloc_aligned((math->gemm_packed_bytes(kept, k, n) + 63) / 64 * 64, 64);
        math->gemm_pack(kept, k, n, i ? p.b : p.rounded, n, 1, 0, n, p.packed[i]);
    }
    return p;
}

static void end_problem(problem *p)
{
    for (int i = 0; i < 2; i++) gr_free(p->c[i]), gr_free(p->packed[i]);
    gr_free(p->a);
    gr_free(p->b);
    gr_free(p->rounded);
}

/* Columns [col, n) with the operand kept as floats, already rounded, and with 16 bits: the same bits. `columns`: a is read as
 * if its columns were dense. */
static bool agrees(problem *p, gr_dtype half, int64_t col, bool accumulate, bool columns)
{
    const gr_math *math = gr_math_get();
    void *scratch = gr_malloc_aligned((math->gemm_scratch(GR_FLOAT32, p->m, p->n, p->k) + 63) / 64 * 64, 64);
    for (int i = 0; i < 2; i++) {
        for (int64_t q = 0; q < p->m * p->n; q++) p->c[i][q] = (float)(q % 13);
        gr_gemm g = {.dtype = GR_FLOAT32, .m = p->m, .n = p->n - col, .k = p->k, .a = p->a, .a_rs = columns ? 1 : p->k,
                     .a_cs = columns ? p->m : 1, .c = p->c[i] + col, .c_rs = p->n, .c_cs = 1, .accumulate = accumulate,
                     .scratch = scratch, .packed = p->packed[i], .packed_n = p->n, .packed_col = col,
                     .packed_dtype = i ? half : GR_FLOAT32};
        math->gemm(&g);
    }
    gr_free(scratch);
    return memcmp(p->c[0], p->c[1], sizeof(float) * (size_t)(p->m * p->n)) == 0;
}

static void products_are_those_of_rounded_operands(void)
{
    static const int64_t rows[] = {1, 2, 3, 6, 7, 9, 12, 14, 15, 32, 140};
    static const int64_t shapes[][2] = {{128, 64}, {100, 300}, {33, 17}, {5, 600}, {260, 256}, {1024, 100}};
    for (size_t h = 0; h < 2; h++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                problem p = new_problem(halves[h], rows[r], shapes[s][0], shapes[s][1]);
                CU_ASSERT_TRUE(agrees(&p, halves[h], 0, r % 2, false));
                CU_ASSERT_TRUE(agrees(&p, halves[h], 0, r % 2, true));
                CU_ASSERT_TRUE(agrees(&p, halves[h], 3, false, false));
                double sum = 0;
                for (int64_t l = 0; l < p.k; l++) sum += (double)p.a[l] * p.rounded[l * p.n + p.n - 1];
                CU_ASSERT_TRUE(fabs(p.c[1][p.n - 1] - sum) <= 1e-4);
                end_problem(&p);
            }
}

static void half_the_memory(void)
{
    const gr_math *math = gr_math_get();
    int64_t panel = math->gemm_panel(GR_BFLOAT16);
    CU_ASSERT_EQUAL(panel, math->gemm_panel(GR_FLOAT32));
    for (int h = 0; h < 2; h++) {
        size_t whole = math->gemm_packed_bytes(GR_FLOAT32, 100, 4 * panel), half = math->gemm_packed_bytes(halves[h], 100, 4 * panel);
        CU_ASSERT_EQUAL(whole - half, (size_t)(100 * 4 * panel * 2));
    }
}

void test_half(void)
{
    CU_pSuite s = CU_add_suite("half", NULL, NULL);
    CU_add_test(s, "every number goes to float and back", every_number_goes_there_and_back);
    CU_add_test(s, "rounding is to the nearest, ties to even", rounding_is_to_the_nearest);
    CU_add_test(s, "every instruction set converts alike", every_instruction_set_converts_alike);
    CU_add_test(s, "products are those of the rounded operand", products_are_those_of_rounded_operands);
    CU_add_test(s, "a packed operand takes half the memory", half_the_memory);
}
