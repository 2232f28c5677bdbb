/* isa_gemm.c - products of a few rows, and packing by transposition.
 *
 * Every element is one chain acc = fma(s, v, acc) over l from zero, and then C + acc. BLIS's
 * microkernels for machines with fma do the same, which gemm.c verifies at start; so both may
 * compute parts of one product. A panel is two vectors wide. */
#ifdef REAL

/* rows x nv vectors in registers, straight into C (columns side by side). */
static inline __attribute__((always_inline)) void NAME(core)(const int rows, const int nv, const gr_tile *t,
                                                             const REAL *v, REAL *c, int64_t c_rs, bool first)
{
    VEC acc[MAX_ROWS * 2 > 16 ? MAX_ROWS * 2 : 16];
    const REAL *s = t->s;
    const int64_t v_ks = t->v_ks, v_ps = t->v_ps, s_rs = t->s_rs, s_ks = t->s_ks;
#pragma GCC unroll 32
    for (int i = 0; i < rows * nv; i++) acc[i] = (VEC){0};
    for (int64_t l = 0; l < t->k; l++, v += v_ks, s += s_ks) {
        VEC b[8];
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) b[j] = VN(load)(v + (j / 2) * v_ps + (j % 2) * WIDTH);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const VEC x = VN(set)(s[i * s_rs]);
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) acc[i * nv + j] = VN(fma)(x, b[j], acc[i * nv + j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) {
            REAL *p = c + i * c_rs + j * WIDTH;
            VN(store)(p, first ? acc[i * nv + j] : VN(load)(p) + acc[i * nv + j]);
        }
}

/* nv: 1 or 2, or with one row 4 or 8, with two rows 4. */
static void NAME(vectors)(const gr_tile *t, int nv, const REAL *v, REAL *c, int64_t c_rs, bool first)
{
    if (nv == 8) {
        NAME(core)(1, 8, t, v, c, c_rs, first);
        return;
    }
    if (nv == 4) {
        if (t->rows == 1) NAME(core)(1, 4, t, v, c, c_rs, first);
        else NAME(core)(2, 4, t, v, c, c_rs, first);
        return;
    }
    switch (t->rows) {
#define ROWS(r)                                             \
    case r:                                                 \
        if (nv == 1) NAME(core)(r, 1, t, v, c, c_rs, first); \
        else NAME(core)(r, 2, t, v, c, c_rs, first);        \
        break;
    ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if VEC_BYTES == 64
    ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#endif
#undef ROWS
    default: break;
    }
}

/* `from` holds rows x cols, a panel's width apart. */
static void NAME(put)(const gr_tile *t, REAL *c, const REAL *from, int64_t cols)
{
    for (int64_t i = 0; i < t->rows; i++, c += t->c_rs, from += 2 * WIDTH) {
        if (t->c_cs == 1 && t->first) {
            memcpy(c, from, (size_t)cols * sizeof *c);
        } else if (t->c_cs == 1) {
            for (int64_t q = 0; q < cols; q++) c[q] += from[q];
        } else {
            for (int64_t q = 0; q < cols; q++) c[q * t->c_cs] = t->first ? from[q] : c[q * t->c_cs] + from[q];
        }
    }
}

void ISA(NAME(gr_tile))(const gr_tile *t)
{
    enum { PANEL = 2 * WIDTH };
    REAL buffer[MAX_ROWS * PANEL];
    const int group = t->rows == 1 ? 4 : t->rows == 2 ? 2 : 1;
    const REAL *v = t->v;
    REAL *c = t->c;
    for (int64_t j = -t->skip; j < t->cols;) {
        const int64_t left = t->cols - j, skip = j < 0 ? -j : 0;
        if (t->c_cs == 1 && left >= PANEL && skip == 0) {
            const int np = left >= group * PANEL ? group : group == 4 && left >= 2 * PANEL ? 2 : 1;
            NAME(vectors)(t, 2 * np, v, c + j, t->c_rs, t->first);
            v += np * t->v_ps;
            j += np * PANEL;
        } else {
            NAME(vectors)(t, left <= WIDTH ? 1 : 2, v, buffer, PANEL, true);
            NAME(put)(t, c + (j + skip) * t->c_cs, buffer + skip, (left < PANEL ? left : PANEL) - skip);
            v += t->v_ps;
            j += PANEL;
        }
    }
}

void ISA(NAME(gr_tiny))(const gr_tile *t)
{
    for (int64_t i = 0; i < t->rows; i++)
        for (int64_t j = 0; j < t->cols; j += 4) {
            REAL acc[4] = {0};
            const int cols = t->cols - j < 4 ? (int)(t->cols - j) : 4;
            const REAL *s = (const REAL *)t->s + i * t->s_rs, *v = (const REAL *)t->v + j * t->v_ps;
            for (int64_t l = 0; l < t->k; l++, s += t->s_ks, v += t->v_ks)
                for (int q = 0; q < cols; q++) acc[q] = NAME(step)(*s, v[q * t->v_ps], acc[q]);
            REAL *c = (REAL *)t->c + i * t->c_rs + j * t->c_cs;
            for (int q = 0; q < cols; q++) c[q * t->c_cs] = t->first ? acc[q] : c[q * t->c_cs] + acc[q];
        }
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

/* Full panels whose columns lie side by side: a few rows at a time, so that source lines are
 * read whole and not too many are open. */
static inline __attribute__((always_inline)) void NAME(pack_rows)(REAL *dst, const int64_t width, const REAL *src, int64_t ks,
                                                                  int64_t panels, int64_t k)
{
    enum { ROWS = 4 };
    for (int64_t l0 = 0; l0 < k; l0 += ROWS) {
        const int64_t rows = k - l0 < ROWS ? k - l0 : ROWS;
        for (int64_t p = 0; p < panels; p++)
            for (int64_t l = l0; l < l0 + rows; l++)
                memcpy(dst + (p * k + l) * width, src + l * ks + p * width, (size_t)width * sizeof *dst);
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

#define MAX_ROWS GR_TILE_ROWS
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
#define NAME(n) n##_f32
#define VEC vf
#define VN(n) vf_##n
#define WIDTH VL
#include "kernel/isa_gemm.c"
#undef REAL
#undef NAME
#undef VEC
#undef VN
#undef WIDTH
#define REAL double
#define NAME(n) n##_f64
#define VEC vd
#define VN(n) vd_##n
#define WIDTH VLD
#include "kernel/isa_gemm.c"
#endif
