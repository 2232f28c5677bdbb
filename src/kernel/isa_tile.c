/* isa_tile.c - products of a few rows, a panel being two vectors wide. Included by isa_gemm.c for each
 * type that panels are kept in: PAIR(p, b) loads the two vectors of a row at p into b. */

/* Rows of s: row 4 g + i lies i times `step` bytes behind at[g]. Both are opaque to compilers from step to step, which else
 * keep an offset of each row in each of several steps, 32 and more, on the stack: AVX-512's tiles of 8 rows ran at 92% of
 * the peak, at 96.5% since. */
typedef struct NAME(rows) {
    const char *at[(MAX_ROWS + 3) / 4];
    int64_t step, step3;
} NAME(rows);

static inline __attribute__((always_inline)) NAME(rows) NAME(rows_of)(const int rows, const REAL *s, int64_t s_rs)
{
    const int64_t step = s_rs * (int64_t)sizeof *s;
    NAME(rows) r = {.step = step, .step3 = 3 * step};
#pragma GCC unroll 4
    for (int g = 0; 4 * g < rows; g++) r.at[g] = (const char *)s + 4 * g * step;
    return r;
}

static inline __attribute__((always_inline)) void NAME(move_on)(const int rows, NAME(rows) *r, int64_t bytes)
{
#pragma GCC unroll 4
    for (int g = 0; 4 * g < rows; g++) {
        r->at[g] += bytes;
        __asm__("" : "+r"(r->at[g]));
    }
}

/* One step of the sums: rows of s, `place` bytes on, by nv vectors of v, of which each pair is a panel's. */
static inline __attribute__((always_inline)) void NAME(one_step)(const int rows, const int nv, VEC *acc, const STORED *v, int64_t v_ps,
                                                                 NAME(rows) *r, int64_t place)
{
    VEC b[8];
    __asm__("" : "+r"(r->step), "+r"(r->step3));
#pragma GCC unroll 8
    for (int j = 0; j < nv; j += 2) PAIR(v + j / 2 * v_ps, b + j);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
        const char *s = r->at[i / 4] + (i % 4 == 3 ? r->step3 : i % 4 * r->step) + place;
        const VEC x = VN(set)(*(const REAL *)(const void *)s);
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) acc[i * nv + j] = VN(fma)(x, b[j], acc[i * nv + j]);
    }
}

/* rows x nv vectors in registers, straight into C (columns side by side). */
static inline __attribute__((always_inline)) void NAME(core)(const int rows, const int nv, const gr_tile *t,
                                                             const STORED *v, REAL *c, int64_t c_rs, bool first)
{
    VEC acc[MAX_ROWS * 2 > 16 ? MAX_ROWS * 2 : 16];
    const int64_t v_ks = t->v_ks, v_ps = t->v_ps, s_ks = t->s_ks, s_step = s_ks * (int64_t)sizeof *c;
    const REAL *from = t->s;
    const char *ahead = t->ahead ? t->ahead : t->s;
    const int64_t line = t->ahead ? GR_LINE : 0;
#pragma GCC unroll 32
    for (int i = 0; i < rows * nv; i++) acc[i] = (VEC){0};
    int64_t left = t->k;
#ifdef STEPS
    if (rows >= 4 && nv == 2 && v_ks == 2 * WIDTH && s_ks == 1)
        for (; left >= 2 * GR_AHEAD; left -= 2 * GR_AHEAD, ahead += 2 * line, v += 4 * GR_AHEAD * WIDTH, from += 2 * GR_AHEAD)
            STEPS(rows, acc, v, from, t->s_rs * (int64_t)sizeof *from, ahead);
#endif
    NAME(rows) s = NAME(rows_of)(rows, from, t->s_rs);
    /* A panel's rows lie one behind the other; where the elements of a row of s do, too, all offsets are constants. */
    if (rows <= GR_TILE_STREAMS && nv == 2 && v_ks == 2 * WIDTH && s_ks == 1)
        for (; left >= GR_AHEAD; left -= GR_AHEAD, ahead += line, v += 2 * GR_AHEAD * WIDTH) {
            __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 8
            for (int l = 0; l < GR_AHEAD; l++) NAME(one_step)(rows, nv, acc, v + 2 * l * WIDTH, v_ps, &s, l * (int64_t)sizeof *c);
            NAME(move_on)(rows, &s, GR_AHEAD * (int64_t)sizeof *c);
        }
    for (; left > 0; left -= GR_AHEAD, ahead += line) {
        __builtin_prefetch(ahead, 0, 2);
        for (int64_t l = left < GR_AHEAD ? left : GR_AHEAD; l > 0; l--, v += v_ks) {
            NAME(one_step)(rows, nv, acc, v, v_ps, &s, 0);
            NAME(move_on)(rows, &s, s_step);
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
static void NAME(vectors)(const gr_tile *t, int nv, const STORED *v, REAL *c, int64_t c_rs, bool first)
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
    const STORED *v = t->v;
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
