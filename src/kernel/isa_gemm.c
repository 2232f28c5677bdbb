/* isa_gemm.c - products of a few rows, and packing by transposition.
 *
 * Every element is one chain acc = fma(s, v, acc) over l from zero, and then C + acc. BLIS's
 * microkernels for machines with fma do the same, which microkernel.c verifies at start; so both may
 * compute parts of one product. A panel is two vectors wide. */
#ifdef REAL

/* One row with `cols` columns, as many sums side by side. */
static inline __attribute__((always_inline)) void NAME(tiny_columns)(const int cols, const gr_tile *t, const REAL *s, const REAL *v, REAL *c)
{
    REAL acc[TINY_COLUMNS] = {0};
    for (int64_t l = 0; l < t->k; l++, s += t->s_ks, v += t->v_ks)
#pragma GCC unroll 8
        for (int q = 0; q < cols; q++) acc[q] = NAME(step)(*s, v[q * t->v_ps], acc[q]);
#pragma GCC unroll 8
    for (int q = 0; q < cols; q++) c[q * t->c_cs] = t->first ? acc[q] : c[q * t->c_cs] + acc[q];
}

/* One row with n vectors of columns that lie side by side, in C as well. */
static inline __attribute__((always_inline)) void NAME(tiny_vectors)(const int n, const gr_tile *t, const REAL *s, const REAL *v, REAL *c)
{
    VEC acc[4] = {0};
    for (int64_t l = 0; l < t->k; l++, s += t->s_ks, v += t->v_ks)
#pragma GCC unroll 4
        for (int q = 0; q < n; q++) acc[q] = VN(fma)(VN(set)(*s), VN(load)(v + q * WIDTH), acc[q]);
#pragma GCC unroll 4
    for (int q = 0; q < n; q++) VN(store)(c + q * WIDTH, t->first ? acc[q] : VN(load)(c + q * WIDTH) + acc[q]);
}

/* As many columns of a row as are computed at once. */
static int64_t NAME(tiny_part)(const gr_tile *t, const REAL *s, const REAL *v, REAL *c, int64_t cols)
{
    if (t->v_ps == 1 && t->c_cs == 1 && cols >= WIDTH) {
        const int64_t n = cols >= 4 * WIDTH ? 4 : cols >= 2 * WIDTH ? 2 : 1;
        if (n == 4) NAME(tiny_vectors)(4, t, s, v, c);
        else if (n == 2) NAME(tiny_vectors)(2, t, s, v, c);
        else NAME(tiny_vectors)(1, t, s, v, c);
        return n * WIDTH;
    }
    switch (cols) {
    case 1: NAME(tiny_columns)(1, t, s, v, c); return 1;
    case 2: NAME(tiny_columns)(2, t, s, v, c); return 2;
    case 3: NAME(tiny_columns)(3, t, s, v, c); return 3;
    case 4: NAME(tiny_columns)(4, t, s, v, c); return 4;
    case 5: NAME(tiny_columns)(5, t, s, v, c); return 5;
    case 6: NAME(tiny_columns)(6, t, s, v, c); return 6;
    case 7: NAME(tiny_columns)(7, t, s, v, c); return 7;
    default: NAME(tiny_columns)(TINY_COLUMNS, t, s, v, c); return TINY_COLUMNS;
    }
}

void ISA(NAME(gr_tiny))(const gr_tile *t)
{
    for (int64_t i = 0; i < t->rows; i++)
        for (int64_t j = 0; j < t->cols;)
            j += NAME(tiny_part)(t, (const REAL *)t->s + i * t->s_rs, (const REAL *)t->v + j * t->v_ps,
                                 (REAL *)t->c + i * t->c_rs + j * t->c_cs, t->cols - j);
}

/* Blocks of Q x Q in registers; the rest one by one. */
static void NAME(transpose)(REAL *dst, int64_t width, const REAL *src, int64_t ld, int64_t cols, int64_t k)
{
    enum { Q = 16 / sizeof(REAL) };
    int64_t j = 0;
    for (; j + Q <= cols; j += Q) {
        int64_t l = 0;
        for (; l + Q <= k; l += Q) NAME(square)(dst + l * width + j, width, src + j * ld + l, ld);
        for (; l < k; l++)
            for (int q = 0; q < Q; q++) dst[l * width + j + q] = src[(j + q) * ld + l];
    }
    for (; j < cols; j++)
        for (int64_t l = 0; l < k; l++) dst[l * width + j] = src[j * ld + l];
}

static void NAME(pack_panel)(REAL *dst, int64_t width, const REAL *src, int64_t cs, int64_t ks, int64_t cols, int64_t k)
{
    if (cols < width) memset(dst, 0, (size_t)(width * k) * sizeof(REAL));
    if (ks == 1) {
        NAME(transpose)(dst, width, src, cs, cols, k);
    } else {
        for (int64_t l = 0; l < k; l++)
            for (int64_t j = 0; j < cols; j++) dst[l * width + j] = src[l * ks + j * cs];
    }
}

/* Rows of one panel. Where another panel and another row follow, whole vectors: what they read too much is there, and
 * what they write too much is written over by the next row. */
static inline __attribute__((always_inline)) void NAME(pack_columns)(REAL *dst, const int64_t width, const REAL *src, int64_t ks,
                                                                     int64_t rows, bool followed)
{
    for (int64_t l = 0; l < rows; l++, dst += width, src += ks) {
        if (!followed) memcpy(dst, src, (size_t)width * sizeof *dst);
        else for (int64_t q = 0; q < width; q += WIDTH) VN(store)(dst + q, VN(load)(src + q));
    }
}

/* Full panels whose columns lie side by side: a few rows at a time, so that source lines are
 * read whole and not too many are open. Rows further on are asked for, which may lie in pages of
 * their own, where no prefetcher of the CPU follows. */
static inline __attribute__((always_inline)) void NAME(pack_rows)(REAL *dst, const int64_t width, const REAL *src, int64_t ks,
                                                                  int64_t panels, int64_t k)
{
    enum { ROWS = 4, AHEAD = 8 };
    for (int64_t l0 = 0; l0 < k; l0 += ROWS) {
        const int64_t rows = k - l0 < ROWS ? k - l0 : ROWS;
        for (int64_t l = l0 + AHEAD; l < k && l < l0 + AHEAD + ROWS; l++)
            for (int64_t i = 0; i < panels * width; i += GR_LINE / (int64_t)sizeof *src) __builtin_prefetch(src + l * ks + i);
        for (int64_t p = 0; p < panels; p++)
            NAME(pack_columns)(dst + (p * k + l0) * width, width, src + l0 * ks + p * width, ks, rows, p + 1 < panels && l0 + rows < k);
    }
}

void ISA(NAME(gr_pack))(REAL *dst, int64_t width, const REAL *src, int64_t cs, int64_t ks, int64_t cols, int64_t k)
{
    int64_t full = cs == 1 ? cols / width : 0;
    if (width == 2 * WIDTH) NAME(pack_rows)(dst, 2 * WIDTH, src, ks, full, k);
    else if (width == MAX_ROWS) NAME(pack_rows)(dst, MAX_ROWS, src, ks, full, k);
    else NAME(pack_rows)(dst, width, src, ks, full, k);
    for (int64_t col = full * width; col < cols; col += width)
        NAME(pack_panel)(dst + col * k, width, src + col * cs, cs, ks, cols - col < width ? cols - col : width, k);
}

#else
#include "kernel/isa_private.h"
#include "kernel/isa_steps.h"

#define MAX_ROWS GR_TILE_ROWS
enum { TINY_COLUMNS = 8 };
typedef uint16_t vh __attribute__((vector_size(VEC_BYTES / 2)));

static inline __attribute__((always_inline)) void pair_f32(const float *p, vf *b)
{
    b[0] = vf_load(p);
    b[1] = vf_load(p + VL);
}

static inline __attribute__((always_inline)) void pair_f64(const double *p, vd *b)
{
    b[0] = vd_load(p);
    b[1] = vd_load(p + VLD);
}

/* Element j of the first vector and element j of the second share a word, the second above. */
static inline __attribute__((always_inline)) void pair_bf16(const uint16_t *p, vf *b)
{
    vu w;
    memcpy(&w, p, sizeof w);
    b[0] = (vf)(w << 16);
    b[1] = (vf)(w & 0xffff0000u);
}

static inline __attribute__((always_inline)) vf widen_f16(const uint16_t *p)
{
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif defined(__F16C__)
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
#else
    vh h; /* its exponent in float's place is 112 too low, that of infinity and NaN 224 */
    memcpy(&h, p, sizeof h);
    const vu w = __builtin_convertvector(h, vu), magnitude = (w & 0x7fffu) << 13;
    const vu finite = (vu)((vf)magnitude * vf_set(0x1p112f)), other = magnitude | 0x7f800000u;
    const vu is_finite = (vu)((vi)(w & 0x7c00u) != 0x7c00);
    return (vf)((w & 0x8000u) << 16 | (is_finite & finite) | (~is_finite & other));
#endif
}

static inline __attribute__((always_inline)) void pair_f16(const uint16_t *p, vf *b)
{
    b[0] = widen_f16(p);
    b[1] = widen_f16(p + VL);
}

#define WIDEN(type)                                                                                 \
    void ISA(gr_widen_##type)(float *dst, const uint16_t *src, int64_t pairs)                       \
    {                                                                                               \
        for (int64_t i = 0; i < pairs; i++, src += 2 * VL, dst += 2 * VL) {                         \
            vf b[2];                                                                                \
            pair_##type(src, b);                                                                    \
            vf_store(dst, b[0]);                                                                    \
            vf_store(dst + VL, b[1]);                                                               \
        }                                                                                           \
    }
WIDEN(bf16)
WIDEN(f16)

static inline float step_f32(float a, float b, float c) { return FMA_F32(a, b, c); }
static inline double step_f64(double a, double b, double c) { return FMA_F64(a, b, c); }

typedef double pair __attribute__((vector_size(16)));
typedef int64_t index2 __attribute__((vector_size(16)));

static inline void square_f64(double *dst, int64_t width, const double *src, int64_t ld)
{
    pair a, b;
    memcpy(&a, src, 16);
    memcpy(&b, src + ld, 16);
    pair c = __builtin_shuffle(a, b, (index2){0, 2}), d = __builtin_shuffle(a, b, (index2){1, 3});
    memcpy(dst, &c, 16);
    memcpy(dst + width, &d, 16);
}

#define REAL float
#define VEC vf
#define VN(n) vf_##n
#define WIDTH VL
#define STORED uint16_t
#define NAME(n) n##_bf16
#define PAIR pair_bf16
#include "kernel/isa_tile.c"
#undef NAME
#undef PAIR
#define NAME(n) n##_f16
#define PAIR pair_f16
#include "kernel/isa_tile.c"
#undef NAME
#undef PAIR
#undef STORED
#define STORED float
#define NAME(n) n##_f32
#define PAIR pair_f32
#ifdef GR_STEPS_F32
#define STEPS gr_steps_f32
#endif
#include "kernel/isa_tile.c"
#undef STEPS
#include "kernel/isa_gemm.c"
#undef REAL
#undef VEC
#undef VN
#undef WIDTH
#undef STORED
#undef NAME
#undef PAIR
#define REAL double
#define VEC vd
#define VN(n) vd_##n
#define WIDTH VLD
#define STORED double
#define NAME(n) n##_f64
#define PAIR pair_f64
#include "kernel/isa_tile.c"
#include "kernel/isa_gemm.c"
#endif
