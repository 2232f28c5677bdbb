/* isa_reduce.c - sums over a fixed tree, and the largest.
 *
 * The tree: term i of a block of 1024 goes to lane i % 64; lanes are added by halves; the
 * blocks' results are added pairwise as a binary counter carries (block 0 + 1, 2 + 3, then
 * those). It depends on n alone, and is the same on every instruction set but for the fma of
 * products. Pairwise sums also keep the rounding error at log n. The lanes are vectors that
 * stay in registers; of a vector that reaches past the end, the terms past it are zeros. */
#ifdef REAL

enum { NAME(LANES) = 64 / WIDTH };
#define LANES NAME(LANES)

typedef struct NAME(terms) {
    const REAL *x, *y, *w;
    REAL *e;          /* EXP: where the terms are kept; NULL: nowhere */
    REAL shift, scale;
} NAME(terms);

/* The first n elements of v; zero beyond. */
static inline VEC NAME(keep)(VEC v, int64_t n)
{
    static const INT mask[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    MASK m;
    memcpy(&m, mask + 16 - n, sizeof m);
    return (VEC)((MASK)v & m);
}

static inline __attribute__((always_inline)) VEC NAME(load)(const REAL *p, int64_t left)
{
    return left < WIDTH ? VN(load_some)(p, left) : VN(load)(p);
}

/* sum + term i, of `left` terms from i on. `what` is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) VEC NAME(add)(const int what, const NAME(terms) *t, int64_t i, int64_t left,
                                                           VEC sum)
{
    VEC x = NAME(load)(t->x + i, left);
    if (what & WEIGHTED) x *= NAME(load)(t->w + i, left);
    switch (what & ~WEIGHTED) {
    case DOT: return VN(fma)(x, NAME(load)(t->y + i, left), sum);
    case ALONG: return VN(fma)(x, (NAME(load)(t->y + i, left) - t->shift) * t->scale, sum);
    case SQUARES:
        x -= t->shift;
        if (left < WIDTH) x = NAME(keep)(x, left);
        return VN(fma)(x, x, sum);
    case EXP:
        x = NAME(exp_of)(x - t->shift);
        if (t->e && left < WIDTH) VN(store_some)(t->e + i, x, left);
        else if (t->e) VN(store)(t->e + i, x);
        return sum + (left < WIDTH ? NAME(keep)(x, left) : x);
    default: return sum + x;
    }
}

static inline __attribute__((always_inline)) REAL NAME(block)(const int what, const NAME(terms) *t, int64_t i, int64_t end)
{
    VEC lane[LANES];
    REAL rest[WIDTH];
#pragma GCC unroll 32
    for (int j = 0; j < LANES; j++) lane[j] = (VEC){0};
    for (; i + 64 <= end; i += 64)
#pragma GCC unroll 32
        for (int j = 0; j < LANES; j++) lane[j] = NAME(add)(what, t, i + j * WIDTH, WIDTH, lane[j]);
#pragma GCC unroll 32
    for (int j = 0; j < LANES; j++) {
        const int64_t at = i + j * WIDTH, left = end - at;
        if (left >= WIDTH) lane[j] = NAME(add)(what, t, at, WIDTH, lane[j]);
        else if (left > 0) lane[j] = NAME(add)(what, t, at, left, lane[j]);
    }
#pragma GCC unroll 32
    for (int w = LANES / 2; w > 0; w /= 2)
#pragma GCC unroll 32
        for (int j = 0; j < w; j++) lane[j] += lane[j + w];
    VN(store)(rest, lane[0]);
    for (int w = WIDTH / 2; w > 0; w /= 2)
        for (int j = 0; j < w; j++) rest[j] += rest[j + w];
    return rest[0];
}

/* `pending[d]` holds the sum of 2^d blocks while bit d of `count` is set. */
static inline __attribute__((always_inline)) REAL NAME(tree)(const int what, const NAME(terms) *t, int64_t n)
{
    enum { BLOCK = 1024 };
    if (n <= BLOCK) return NAME(block)(what, t, 0, n);
    REAL pending[64];
    uint64_t count = 0;
    for (int64_t i = 0; i < n; i += BLOCK, count++) {
        REAL s = NAME(block)(what, t, i, n - i < BLOCK ? n : i + BLOCK);
        int d = 0;
        for (; count >> d & 1; d++) s = pending[d] + s;
        pending[d] = s;
    }
    REAL total = 0;
    for (int d = 0; count >> d; d++)
        if (count >> d & 1) total = pending[d] + total;
    return total;
}

REAL ISA(NAME(gr_sum))(const REAL *src, int64_t n) { return NAME(tree)(SUM, &(NAME(terms)){.x = src}, n); }
REAL ISA(NAME(gr_dot))(const REAL *a, const REAL *b, int64_t n) { return NAME(tree)(DOT, &(NAME(terms)){.x = a, .y = b}, n); }
REAL ISA(NAME(gr_square_sum))(const REAL *src, REAL shift, int64_t n)
{
    return NAME(tree)(SQUARES, &(NAME(terms)){.x = src, .shift = shift}, n);
}
REAL ISA(NAME(gr_exp_sum))(REAL *dst, const REAL *src, REAL shift, int64_t n)
{
    return NAME(tree)(EXP, &(NAME(terms)){.x = src, .e = dst, .shift = shift}, n);
}

/* With u = grad w: the sum of u, and that of u (src - mean) rstd. */
REAL ISA(NAME(gr_level))(const REAL *grad, const REAL *w, int64_t n)
{
    const NAME(terms) t = {.x = grad, .w = w};
    return w ? NAME(tree)(SUM | WEIGHTED, &t, n) : NAME(tree)(SUM, &t, n);
}
REAL ISA(NAME(gr_along))(const REAL *grad, const REAL *w, const REAL *src, REAL mean, REAL rstd, int64_t n)
{
    const NAME(terms) t = {.x = grad, .y = src, .w = w, .shift = mean, .scale = rstd};
    return w ? NAME(tree)(ALONG | WEIGHTED, &t, n) : NAME(tree)(ALONG, &t, n);
}

/* NaN if any is: a comparison with NaN is false, so those are looked for apart. */
REAL ISA(NAME(gr_max))(const REAL *src, int64_t n)
{
    VEC lane[LANES];
    MASK odd = {0};
    REAL rest[WIDTH];
    int64_t i = 0;
#pragma GCC unroll 32
    for (int j = 0; j < LANES; j++) lane[j] = VN(set)((REAL)-INFINITY);
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 32
        for (int j = 0; j < LANES; j++) {
            const VEC x = VN(load)(src + i + j * WIDTH);
            lane[j] = VN(select)(x > lane[j], x, lane[j]);
            odd |= x != x;
        }
#pragma GCC unroll 32
    for (int j = 0; j < LANES; j++)
        if (i + (j + 1) * WIDTH <= n) {
            const VEC x = VN(load)(src + i + j * WIDTH);
            lane[j] = VN(select)(x > lane[j], x, lane[j]);
            odd |= x != x;
        }
#pragma GCC unroll 32
    for (int w = LANES / 2; w > 0; w /= 2)
#pragma GCC unroll 32
        for (int j = 0; j < w; j++) lane[j] = VN(select)(lane[j + w] > lane[j], lane[j + w], lane[j]);
    VN(store)(rest, lane[0]);
    bool any = false;
    for (int j = 0; j < WIDTH; j++) any |= odd[j] != 0;
    REAL best = rest[0];
    for (int j = 1; j < WIDTH; j++) best = rest[j] > best ? rest[j] : best;
    for (i = n / WIDTH * WIDTH; i < n; i++) {
        best = src[i] > best ? src[i] : best;
        any |= src[i] != src[i];
    }
    return any ? (REAL)NAN : best;
}
#undef LANES

#else
#include "kernel/isa_private.h"

enum { SUM, DOT, SQUARES, EXP, ALONG, WEIGHTED = 8 };

static inline vf exp_of_f32(vf x) { return vf_exp(x); }
static inline vd exp_of_f64(vd x)
{
    for (int i = 0; i < VLD; i++) x[i] = exp(x[i]);
    return x;
}

#define REAL float
#define NAME(n) n##_f32
#define VEC vf
#define VN(n) vf_##n
#define WIDTH VL
#define MASK vi
#define INT int32_t
#include "kernel/isa_reduce.c"
#undef REAL
#undef NAME
#undef VEC
#undef VN
#undef WIDTH
#undef MASK
#undef INT
#define REAL double
#define NAME(n) n##_f64
#define VEC vd
#define VN(n) vd_##n
#define WIDTH VLD
#define MASK vl
#define INT int64_t
#include "kernel/isa_reduce.c"
#endif
