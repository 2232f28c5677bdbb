/* isa_rows.c - what is done to a row, or to columns over many rows; random numbers.
 *
 * Plain loops that the compiler vectorises: each operation in them is rounded exactly, so that
 * the bits are those of C on every instruction set. */
#ifdef REAL

void ISA(NAME(gr_divide))(REAL *dst, const REAL *src, REAL by, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) dst[i] = src[i] / by;
}

void ISA(NAME(gr_normalize))(REAL *dst, const REAL *src, REAL mean, REAL rstd, const REAL *w, const REAL *b, int64_t n)
{
    if (w && b) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) dst[i] = (src[i] - mean) * rstd * w[i] + b[i];
    } else if (w) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) dst[i] = (src[i] - mean) * rstd * w[i];
    } else if (b) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) dst[i] = (src[i] - mean) * rstd + b[i];
    } else {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) dst[i] = (src[i] - mean) * rstd;
    }
}

void ISA(NAME(gr_normalize_back))(REAL *dst, const REAL *src, const REAL *grad, const REAL *w, REAL mean, REAL rstd,
                                  bool centred, int64_t n)
{
    const REAL along = ISA(NAME(gr_along))(grad, w, src, mean, rstd, n) / (REAL)n;
    const REAL level = centred ? ISA(NAME(gr_level))(grad, w, n) / (REAL)n : 0;
    if (w) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) dst[i] = rstd * (grad[i] * w[i] - level - (src[i] - mean) * rstd * along);
    } else {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) dst[i] = rstd * (grad[i] - level - (src[i] - mean) * rstd * along);
    }
}

/* sum += rows [first, last), GROUP of them at a time so that `sum` is read and written less often. */
static void NAME(add_rows)(REAL *restrict sum, const REAL *src, int64_t step, int64_t first, int64_t last, int64_t n)
{
    int64_t r = first;
    for (; r + GROUP <= last; r += GROUP) {
        const REAL *p = src + r * step;
        for (int64_t j = 0; j < n; j++) {
            REAL s = sum[j];
#pragma GCC unroll 8
            for (int q = 0; q < GROUP; q++) s += p[q * step + j];
            sum[j] = s;
        }
    }
    for (; r < last; r++)
        for (int64_t j = 0; j < n; j++) sum[j] += src[r * step + j];
}

static void NAME(add_normalized)(REAL *restrict sum, const NAME(columns) *c, int64_t first, int64_t last, int64_t n)
{
    int64_t r = first;
    for (; r + GROUP <= last; r += GROUP) {
        const REAL *x = c->src + r * c->step, *g = c->grad + r * c->step, *mean = c->mean + r, *rstd = c->rstd + r;
        for (int64_t j = 0; j < n; j++) {
            REAL s = sum[j];
#pragma GCC unroll 8
            for (int q = 0; q < GROUP; q++) s += g[q * c->step + j] * ((x[q * c->step + j] - mean[q]) * rstd[q]);
            sum[j] = s;
        }
    }
    for (; r < last; r++) {
        const REAL *x = c->src + r * c->step, *g = c->grad + r * c->step;
        for (int64_t j = 0; j < n; j++) sum[j] += g[j] * ((x[j] - c->mean[r]) * c->rstd[r]);
    }
}

/* Columns by blocks that stay in L1, rows by chunks whose sums are added up in their order. */
static inline __attribute__((always_inline)) void NAME(columns_by_chunks)(REAL *dst, const NAME(columns) *all, int64_t n)
{
    REAL sum[COLUMNS];
    for (int64_t col = 0; col < n; col += COLUMNS) {
        const int64_t m = n - col < COLUMNS ? n - col : COLUMNS;
        NAME(columns) c = *all;
        c.src += col;
        if (c.grad) c.grad += col;
        for (int64_t j = 0; j < m; j++) dst[col + j] = 0;
        for (int64_t first = 0; first < c.rows; first += CHUNK) {
            const int64_t last = first + CHUNK < c.rows ? first + CHUNK : c.rows;
            for (int64_t j = 0; j < m; j++) sum[j] = 0;
            if (c.grad) NAME(add_normalized)(sum, &c, first, last, m);
            else NAME(add_rows)(sum, c.src, c.step, first, last, m);
            for (int64_t j = 0; j < m; j++) dst[col + j] += sum[j];
        }
    }
}

void ISA(NAME(gr_column_sums))(REAL *dst, const REAL *src, int64_t step, int64_t rows, int64_t n)
{
    NAME(columns_by_chunks)(dst, &(NAME(columns)){.src = src, .step = step, .rows = rows}, n);
}

void ISA(NAME(gr_row_sums))(REAL *restrict dst, const REAL *src, int64_t step, const int32_t *row, int64_t count, int64_t n)
{
    int64_t k = 0;
    for (int64_t j = 0; j < n; j++) dst[j] = 0;
    for (; k + GROUP <= count; k += GROUP) {
        const REAL *p[GROUP];
        for (int q = 0; q < GROUP; q++) p[q] = src + row[k + q] * step;
        for (int64_t j = 0; j < n; j++) {
            REAL s = dst[j];
#pragma GCC unroll 8
            for (int q = 0; q < GROUP; q++) s += p[q][j];
            dst[j] = s;
        }
    }
    for (; k < count; k++)
        for (int64_t j = 0; j < n; j++) dst[j] += src[row[k] * step + j];
}

void ISA(NAME(gr_normalize_weight_back))(REAL *dst, const REAL *src, const REAL *grad, const REAL *mean, const REAL *rstd,
                                         int64_t step, int64_t rows, int64_t n)
{
    const NAME(columns) c = {.src = src, .grad = grad, .mean = mean, .rstd = rstd, .step = step, .rows = rows};
    NAME(columns_by_chunks)(dst, &c, n);
}

#else
#include "kernel/isa_private.h"

enum { CHUNK = 64, COLUMNS = 256, GROUP = 8 };

typedef struct columns_f32 { const float *src, *grad, *mean, *rstd; int64_t step, rows; } columns_f32;
typedef struct columns_f64 { const double *src, *grad, *mean, *rstd; int64_t step, rows; } columns_f64;

#define GR_KERNELS "kernel/isa_rows.c"
#include <graphrun/each_real.h>

/* ---- Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) ----
 *
 * A vector of counters, block .. block + VL - 1, each of which gives four numbers. Philox has a
 * key of 64 bits and a counter of 128: key[1] takes the counter's upper half, where the high
 * words of the block and the row, hardly ever other than zero, are mixed in. */

typedef uint64_t vul __attribute__((vector_size(VEC_BYTES)));

/* The products of the low halves. */
static inline vul multiply_low(vul a, vul b)
{
#if defined(__AVX512F__)
    return (vul)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (vul)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (vul)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & UINT32_MAX) * (b & UINT32_MAX);
#endif
}

/* The high words of a * m, and the low ones. */
static inline vu multiply(vu a, uint32_t m, vu *low)
{
    const vul by = (vul){0} + m, even = multiply_low((vul)a, by), odd = multiply_low((vul)a >> 32, by);
    *low = (vu)((even & UINT32_MAX) | odd << 32);
    return (vu)(even >> 32 | (odd & ~(uint64_t)UINT32_MAX));
}

static inline void philox(vu c[4], uint64_t key)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        vu a, b;
        const vu high_a = multiply(c[0], 0xD2511F53u, &a), high_b = multiply(c[2], 0xCD9E8D57u, &b);
        c[0] = high_b ^ c[1] ^ k0;
        c[2] = high_a ^ c[3] ^ k1;
        c[1] = b;
        c[3] = a;
    }
}

/* Numbers 4 block .. 4 (block + VL) - 1 of the row. */
static inline void draw(const uint64_t key[2], uint64_t row, uint64_t block, float *out)
{
    float four[4][VL];
    vu lane, c[4];
    for (int i = 0; i < VL; i++) lane[i] = (uint32_t)i;
    c[0] = lane + (uint32_t)block;
    const vu carry = (vu)(c[0] < (uint32_t)block), high = (uint32_t)(block >> 32) - carry;
    c[1] = (vu){0} + (uint32_t)row;
    c[2] = high ^ (uint32_t)key[1];
    c[3] = (vu){0} + ((uint32_t)(key[1] >> 32) ^ (uint32_t)(row >> 32));
    philox(c, key[0]);
    for (int q = 0; q < 4; q++) vf_store(four[q], __builtin_convertvector((vi)(c[q] >> 8), vf) * 0x1p-24f);
    for (int i = 0; i < VL; i += 4) square_f32(out + 4 * i, 4, &four[0][i], VL);
}

void ISA(gr_uniform_f32)(const uint64_t key[2], uint64_t row, int64_t first, float *out, int64_t n)
{
    enum { EACH = 4 * VL };
    float some[EACH];
    for (int64_t i = 0; i < n;) {
        const uint64_t block = (uint64_t)(first + i) / 4;
        const int64_t skip = (first + i) % 4, m = EACH - skip < n - i ? EACH - skip : n - i;
        if (m == EACH) {
            draw(key, row, block, out + i);
        } else {
            draw(key, row, block, some);
            memcpy(out + i, some + skip, (size_t)m * sizeof *out);
        }
        i += m;
    }
}
#endif
