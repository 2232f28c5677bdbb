/* isa_reduce.c - sum, max and dot over a fixed tree.
 *
 * The tree: element i of a block of 1024 goes to lane i % 64; lanes are added by halves; the
 * blocks' results are added pairwise as a binary counter carries (block 0 + 1, 2 + 3, then
 * those). It depends on n alone, and is the same on every instruction set but for dot's fma.
 * Pairwise sums also keep the rounding error at log n. */
#ifdef REAL

static REAL NAME(lanes_sum)(REAL *lane)
{
    for (int w = 32; w > 0; w /= 2)
        for (int j = 0; j < w; j++) lane[j] += lane[j + w];
    return lane[0];
}

static REAL NAME(block_sum)(const REAL *x, int64_t n)
{
    REAL lane[64] = {0};
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int j = 0; j < 64; j++) lane[j] += x[i + j];
    for (int64_t j = 0; i + j < n; j++) lane[j] += x[i + j];
    return NAME(lanes_sum)(lane);
}

static REAL NAME(block_dot)(const REAL *a, const REAL *b, int64_t n)
{
    REAL lane[64] = {0};
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        for (int j = 0; j < 64; j++) lane[j] = NAME(step)(a[i + j], b[i + j], lane[j]);
    for (int64_t j = 0; i + j < n; j++) lane[j] = NAME(step)(a[i + j], b[i + j], lane[j]);
    return NAME(lanes_sum)(lane);
}

/* `pending[d]` holds the sum of 2^d blocks while bit d of `count` is set. */
static REAL NAME(tree)(const REAL *a, const REAL *b, int64_t n)
{
    enum { BLOCK = 1024 };
    REAL pending[64] = {0};
    uint64_t count = 0;
    for (int64_t i = 0; i < n; i += BLOCK, count++) {
        int64_t len = n - i < BLOCK ? n - i : BLOCK;
        REAL s = b ? NAME(block_dot)(a + i, b + i, len) : NAME(block_sum)(a + i, len);
        int d = 0;
        for (; count >> d & 1; d++) s = pending[d] + s;
        pending[d] = s;
    }
    REAL total = 0;
    for (int d = 0; count >> d; d++)
        if (count >> d & 1) total = pending[d] + total;
    return total;
}

REAL ISA(NAME(gr_sum))(const REAL *src, int64_t n) { return NAME(tree)(src, NULL, n); }
REAL ISA(NAME(gr_dot))(const REAL *a, const REAL *b, int64_t n) { return NAME(tree)(a, b, n); }

REAL ISA(NAME(gr_max))(const REAL *src, int64_t n)
{
    REAL lane[64];
    int odd[64] = {0};
    for (int j = 0; j < 64; j++) lane[j] = (REAL)-INFINITY;
    for (int64_t i = 0; i < n; i += 64) {
        int len = n - i < 64 ? (int)(n - i) : 64;
        for (int j = 0; j < len; j++) {
            REAL x = src[i + j];
            lane[j] = x > lane[j] ? x : lane[j];
            odd[j] |= x != x;
        }
    }
    REAL best = lane[0];
    int any = odd[0];
    for (int j = 1; j < 64; j++) {
        best = lane[j] > best ? lane[j] : best;
        any |= odd[j];
    }
    return any ? (REAL)NAN : best;
}

#else
#include "kernel/isa_private.h"

static inline float step_f32(float a, float b, float c) { return FMA_F32(a, b, c); }
static inline double step_f64(double a, double b, double c) { return FMA_F64(a, b, c); }

#define GR_KERNELS "kernel/isa_reduce.c"
#include <graphrun/each_real.h>
#endif
