/* gemm.c - matrix products on microkernels: blocks, strips, and which of the ways a product takes.
 *
 *     k is cut into blocks of equal length, at most GR_KC; for each block
 *       S  some rows of one operand, packed in panels of `sw` rows:      [panel][l][sw]
 *          or, for tiles of our own, where they lie
 *       V  one panel of the other operand, `vw` columns wide:            [l][vw]
 *     and the microkernel makes sw x vw elements of C from a panel of each (microkernel.h), or a tile of
 *     our own of up to max_rows x vw.
 *
 * An element is, for each block of k, a chain of fma from zero, added to C; nothing else about
 * its place matters, so that any partition of m and n gives the same bits. The same chain in
 * vectors of our own (isa_gemm.c) serves what need not be packed, edges and small products, once a trial
 * at start has shown that its bits are the microkernel's; else everything goes to BLIS. */
#include "kernel/gemm.h"
#include "base/count.h"
#include "base/half.h"
#include "kernel/microkernel.h"
#include <string.h>

#define LEAST_STRIP 64  /* rows that a V read from L3 is multiplied with at a time, at least */
#define TINY 1024       /* m n k up to which nothing is packed */

/* A product with sides named as above; s_ms is S's stride between rows (along m). */
typedef struct job {
    const gr_engine *e;
    int64_t m, n, k;
    const char *v; int64_t v_ns, v_ks;
    const char *s; int64_t s_ms, s_ks;
    char *c; int64_t c_ms, c_ns;
    const char *packed; /* V, all of it; NULL: not packed */
    gr_dtype half;      /* GR_BFLOAT16, GR_FLOAT16: `packed` is kept so; else GR_UNKNOWN */
    int64_t panels;     /* of `packed` */
    int64_t first_panel, skip; /* column 0 is column `skip` of that panel */
    bool accumulate;
    char *s_room, *v_room, *tile_room;
    /* the block of k in hand */
    int64_t k0, kc;
    bool first;
} job;

/* ---- blocks of k, rooms ---- */

static int64_t block_length(int64_t k)
{
    const int64_t blocks = (k + GR_KC - 1) / GR_KC;
    const int64_t length = (k + blocks - 1) / blocks;
    return (length + 3) / 4 * 4;
}

/* m rows in strips of about `most`, a multiple of `step` each but the last: as even as can be, and rather a quarter
 * longer than one more, since a strip of few rows reads all of V for these alone. */
static int64_t strip_rows(int64_t m, int64_t most, int64_t step)
{
    const int64_t strips = m > most ? (m - most / 4 + most - 1) / most : 1;
    return gr_round_up((m + strips - 1) / strips, step);
}

/* Room for packed panels of S: those of a strip, which strip_rows may make a quarter longer and rounds. */
static int64_t s_bytes(const gr_engine *e, int64_t m, int64_t k)
{
    const int64_t rows = gr_round_up(gr_smaller(m, e->mc + e->mc / 4), e->sw);
    return gr_round_up(rows * (k < GR_KC ? k : GR_KC) * e->size + GR_GEMM_SLACK, 64);
}

static int64_t v_bytes(const gr_engine *e, int64_t n, int64_t k)
{
    const int64_t cols = gr_round_up(n, e->vw) < e->nc ? gr_round_up(n, e->vw) : e->nc;
    return gr_round_up(cols * (k < GR_KC ? k : GR_KC) * e->size + GR_GEMM_SLACK, 64);
}

size_t gr_gemm_scratch(gr_dtype dtype, int64_t m, int64_t n, int64_t k)
{
    const gr_engine *e = gr_engine_of(dtype);
    const int64_t longer = m > n ? m : n; /* the sides may be exchanged */
    return (size_t)(s_bytes(e, longer, k) + v_bytes(e, longer, k) + e->vw * e->sw * e->size + 64);
}

static void place_rooms(job *j, void *scratch)
{
    const gr_engine *e = j->e;
    const int64_t longer = j->m > j->n ? j->m : j->n;
    j->s_room = (char *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    j->v_room = j->s_room + s_bytes(e, longer, j->k);
    j->tile_room = j->v_room + v_bytes(e, longer, j->k);
}

static void pack(const gr_engine *e, void *dst, int64_t width, const char *src, int64_t cs, int64_t ks, int64_t cols,
                 int64_t k)
{
    if (e->is_float) e->isa->pack_f32((float *)dst, width, (const float *)(const void *)src, cs, ks, cols, k);
    else e->isa->pack_f64((double *)dst, width, (const double *)(const void *)src, cs, ks, cols, k);
}

/* ---- tiles ---- */

static void merge_tile(const job *j, int64_t rows, int64_t skip, int64_t cols, char *c)
{
    const gr_engine *e = j->e;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t q = 0; q < cols; q++) {
            const int64_t from = i * e->vw + skip + q, to = i * j->c_ms + q * j->c_ns;
            if (e->is_float) {
                float x = ((float *)(void *)j->tile_room)[from], *p = (float *)(void *)c + to;
                *p = j->first ? x : *p + x;
            } else {
                double x = ((double *)(void *)j->tile_room)[from], *p = (double *)(void *)c + to;
                *p = j->first ? x : *p + x;
            }
        }
}

/* Columns [skip, skip + cols) of a V panel with rows of an S panel, into C from c on. */
static void tile(const job *j, const char *s, int64_t rows, const char *v, int64_t skip, int64_t cols, char *c)
{
    const gr_engine *e = j->e;
    if (rows == e->sw && skip == 0 && cols == e->vw) {
        gr_engine_run(e, j->kc, s, v, c, j->c_ms, j->c_ns, j->first);
    } else if (e->own && rows <= e->isa->max_rows) {
        gr_engine_run_own(e, &(gr_tile){.rows = rows, .cols = cols, .skip = skip, .k = j->kc, .v = v, .v_ks = e->vw,
                                       .v_ps = e->vw * j->kc, .s = s, .s_rs = 1, .s_ks = e->sw, .c = c, .c_rs = j->c_ms,
                                       .c_cs = j->c_ns, .first = j->first});
    } else {
        gr_engine_run(e, j->kc, s, v, j->tile_room, e->vw, 1, true);
        merge_tile(j, rows, skip, cols, c);
    }
}

/* ---- a block of k ---- */

/* The panel of `packed` that column `col` of the product is in, as it is kept. */
static const char *kept_panel(const job *j, int64_t col)
{
    const int64_t size = j->half ? (int64_t)gr_dtype_size(j->half) : j->e->size;
    return j->packed + (j->k0 * j->panels + (j->first_panel + (j->skip + col) / j->e->vw) * j->kc) * j->e->vw * size;
}

/* Where column j stands in a row of a panel that is kept with 16 bits an element (isa.h). */
static int64_t half_place(gr_dtype half, int64_t width, int64_t j)
{
    return half == GR_FLOAT16 ? j : j < width / 2 ? 2 * j : 2 * (j - width / 2) + 1;
}

/* Rows of such a panel in v_room, as floats. */
static const char *widen(const job *j, const uint16_t *from)
{
    const gr_engine *e = j->e;
    float *to = (float *)(void *)j->v_room;
    if (e->isa->panel_f32 == e->vw) {
        if (j->half == GR_BFLOAT16) e->isa->widen_bf16(to, from, j->kc);
        else e->isa->widen_f16(to, from, j->kc);
        return j->v_room;
    }
    for (int64_t l = 0; l < j->kc; l++, from += e->vw, to += e->vw)
        for (int64_t q = 0; q < e->vw; q++) {
            const uint16_t h = from[half_place(j->half, e->vw, q)];
            to[q] = j->half == GR_BFLOAT16 ? gr_from_bf16(h) : gr_from_f16(h);
        }
    return j->v_room;
}

/* The packed V panel that column `col` of the product is in; `base`: what column v_room starts at. */
static const char *v_panel(const job *j, int64_t base, int64_t col)
{
    if (!j->packed) return j->v_room + (col - base) * j->kc * j->e->size;
    return j->half ? widen(j, (const uint16_t *)(const void *)kept_panel(j, col)) : kept_panel(j, col);
}

static void pack_v(const job *j, int64_t col, int64_t cols)
{
    pack(j->e, j->v_room, j->e->vw, j->v + (col * j->v_ns + j->k0 * j->v_ks) * j->e->size, j->v_ns, j->v_ks, cols, j->kc);
}

/* Rows of S that are read where they lie: chunks as even as can be, since one of few rows leaves the
 * multipliers waiting. The first `longer` of them have one row more than `rows`. */
typedef struct chunks { int64_t count, rows, longer; } chunks;

static chunks chunks_of(const job *j, int64_t rows)
{
    const int64_t most = gr_engine_rows(j->e, j->s_ms), count = (rows + most - 1) / most;
    return (chunks){count, rows / count, rows % count};
}

/* What all tiles of a block of k have in common. */
static gr_tile direct_tile(const job *j)
{
    return (gr_tile){.k = j->kc, .v_dtype = j->half, .v_ks = j->e->vw, .v_ps = j->e->vw * j->kc, .s_rs = j->s_ms, .s_ks = j->s_ks,
                     .c_rs = j->c_ms, .c_cs = j->c_ns, .first = j->first};
}

/* Row `row` of S, in the block of k in hand. */
static const char *row_of_s(const job *j, int64_t row)
{
    return j->s + (row * j->s_ms + j->k0 * j->s_ks) * j->e->size;
}

/* Multiplies the rows at s, in chunks, by the columns that t has of a panel, into C from [row, col] on; meanwhile `ahead` is
 * asked for. The tile is changed in place: to make one anew for each panel costs 3% of 16 rows' time. */
static void direct_rows(const job *j, gr_tile *t, const char *s, int64_t row, const chunks *x, int64_t col, const char *ahead)
{
    const gr_engine *e = j->e;
    const int64_t asked = (j->kc + GR_AHEAD - 1) / GR_AHEAD * GR_LINE, s_row = t->s_rs * e->size, c_row = j->c_ms * e->size;
    const char *end = ahead ? ahead + e->vw * j->kc * e->size : NULL;
    char *c = j->c + row * c_row + col * j->c_ns * e->size;
    for (int64_t i = 0; i < x->count; i++, s += t->rows * s_row, c += t->rows * c_row) {
        t->rows = x->rows + (i < x->longer);
        t->s = s;
        t->c = c;
        t->ahead = ahead < end ? ahead : NULL;
        if (ahead) ahead += asked;
        gr_engine_run_own(e, t);
    }
}

static void packed_rows(const job *j, int64_t row, int64_t rows, int64_t col, int64_t skip, int64_t cols, const char *v)
{
    const gr_engine *e = j->e;
    for (int64_t i = 0; i < rows; i += e->sw)
        tile(j, j->s_room + i * j->kc * e->size, rows - i < e->sw ? rows - i : e->sw, v, skip, cols,
             j->c + ((row + i) * j->c_ms + col * j->c_ns) * e->size);
}

/* What to ask for while v is multiplied. Behind the last panel of a block of k, or of the columns of this call, lies what
 * the next block or call most likely takes; behind the last of all, the first for the next step of a loop. */
static const char *panel_behind(const job *j, const char *v, bool last)
{
    const gr_engine *e = j->e;
    const char *next = v + e->vw * j->kc * e->size;
    if (j->half || (last && !j->packed)) return NULL;
    return j->packed && next >= j->packed + j->panels * e->vw * j->k * e->size ? j->packed : next;
}

/* Rows [row, row + rows), few enough that S stays in L2, with columns [base, end) of V's panels. */
static void block_rows(const job *j, int64_t row, int64_t rows, int64_t base, int64_t end, bool direct)
{
    const gr_engine *e = j->e;
    const chunks x = chunks_of(j, rows);
    gr_tile t = direct_tile(j);
    t.v_dtype = GR_UNKNOWN; /* v_panel widens */
    const char *s = row_of_s(j, row);
    if (!direct) pack(e, j->s_room, e->sw, s, j->s_ms, j->s_ks, rows, j->kc);
    for (int64_t col = base, cols; col < end; col += cols) {
        const int64_t skip = (j->skip + col) % e->vw;
        const char *v = v_panel(j, base, col);
        cols = e->vw - skip < end - col ? e->vw - skip : end - col;
        if (direct) {
            t.v = v, t.cols = cols, t.skip = skip;
            direct_rows(j, &t, s, row, &x, col, panel_behind(j, v, col + cols >= end));
        } else {
            packed_rows(j, row, rows, col, skip, cols, v);
        }
    }
}

static void block_tiny(const job *j)
{
    const gr_engine *e = j->e;
    const gr_tile t = {.rows = j->m, .cols = j->n, .k = j->kc, .v = j->v + j->k0 * j->v_ks * e->size,
                       .v_ks = j->v_ks, .v_ps = j->v_ns, .s = row_of_s(j, 0), .s_rs = j->s_ms,
                       .s_ks = j->s_ks, .c = j->c, .c_rs = j->c_ms, .c_cs = j->c_ns, .first = j->first};
    if (e->is_float) e->isa->tiny_f32(&t);
    else e->isa->tiny_f64(&t);
}

/* ---- a product ---- */

/* Whether V should be the side of m: C is contiguous along it, or n fills no vector. */
static bool sides_exchanged(const gr_engine *e, const gr_gemm *g)
{
    if (g->packed) return false;
    if (g->n <= e->vw / 2 && g->m > g->n) return true;
    return g->c_rs == 1 && g->c_cs != 1 && g->m > e->vw / 2;
}

static job make_job(const gr_gemm *g)
{
    const gr_engine *e = gr_engine_of(g->dtype);
    job j = {.e = e, .m = g->m, .n = g->n, .k = g->k, .v = g->b, .v_ns = g->b_cs, .v_ks = g->b_rs, .s = g->a,
             .s_ms = g->a_rs, .s_ks = g->a_cs, .c = g->c, .c_ms = g->c_rs, .c_ns = g->c_cs,
             .accumulate = g->accumulate};
    if (g->packed) {
        j.panels = (g->packed_n + e->vw - 1) / e->vw;
        j.first_panel = g->packed_col / e->vw;
        j.skip = g->packed_col % e->vw;
        j.packed = g->packed;
        j.half = gr_is_half(g->packed_dtype) ? g->packed_dtype : GR_UNKNOWN;
    } else if (sides_exchanged(e, g)) {
        j = (job){.e = e, .m = g->n, .n = g->m, .k = g->k, .v = g->a, .v_ns = g->a_rs, .v_ks = g->a_cs, .s = g->b,
                  .s_ms = g->b_cs, .s_ks = g->b_rs, .c = g->c, .c_ms = g->c_cs, .c_ns = g->c_rs,
                  .accumulate = g->accumulate};
    }
    place_rooms(&j, g->scratch);
    return j;
}

/* Whether packing S would cost more than it saves: each of its rows lies well, or as many as a tile has fill most of a cache
 * line, or it meets few columns. */
static bool reads_s_directly(const job *j)
{
    const gr_engine *e = j->e;
    const bool fills_lines = j->s_ms == 1 && e->isa->max_rows * e->size > GR_LINE * 3 / 4;
    return e->own && (j->s_ks == 1 || fills_lines || j->n <= 2 * e->vw);
}

/* One block of k after the other. */
static void next_block(job *j, int64_t k0, int64_t length)
{
    j->k0 = k0;
    j->kc = j->k - k0 < length ? j->k - k0 : length;
    j->first = k0 == 0 && !j->accumulate;
}

/* Few rows: C's columns, a panel at a time, stay in L1 from one block of k to the next, and V is read where it lies if
 * its rows do, but for a last panel that is not full. V that is not packed, or kept with 16 bits, meets all rows at once:
 * to read it twice took half as long again where it comes from memory. One or two rows take several panels at once. */
static void run_few_rows(job *j, int64_t length)
{
    const gr_engine *e = j->e;
    const bool lies_well = !j->packed && j->v_ns == 1;
    const int64_t panels = j->m <= 2 ? 4 : 1;
    const chunks all = j->packed && !j->half ? chunks_of(j, j->m) : (chunks){1, j->m, 0};
    for (int64_t col = 0, cols; col < j->n; col += cols) {
        const int64_t skip = (j->skip + col) % e->vw;
        cols = panels * e->vw - skip;
        if (cols > j->n - col) cols = lies_well && j->n - col > e->vw ? (j->n - col) / e->vw * e->vw : j->n - col;
        const bool in_place = lies_well && cols % e->vw == 0;
        for (int64_t k0 = 0; k0 < j->k; k0 += length) {
            next_block(j, k0, length);
            if (!j->packed && !in_place) pack_v(j, col, cols);
            gr_tile t = direct_tile(j);
            t.v = in_place ? j->v + (col + k0 * j->v_ks) * e->size : j->half ? kept_panel(j, col) : v_panel(j, col, col);
            if (in_place) t.v_ks = j->v_ks, t.v_ps = e->vw;
            t.cols = cols, t.skip = skip;
            direct_rows(j, &t, row_of_s(j, 0), 0, &all, col, NULL);
        }
    }
}

/* Strips of columns, blocks of k, strips of rows: a panel of V in L1, S in L2, V in L3. */
static void run_strips(job *j, int64_t length)
{
    const bool direct = reads_s_directly(j);
    const int64_t rows = strip_rows(j->m, j->e->mc, j->e->sw);
    for (int64_t col = 0; col < j->n; col += j->e->nc) {
        const int64_t end = j->packed || j->n - col < j->e->nc ? j->n : col + j->e->nc;
        for (int64_t k0 = 0; k0 < j->k; k0 += length) {
            next_block(j, k0, length);
            if (!j->packed) pack_v(j, col, end - col);
            for (int64_t row = 0; row < j->m; row += rows) block_rows(j, row, gr_smaller(rows, j->m - row), col, end, direct);
        }
        if (end == j->n) break;
    }
}

/* S read where it lies, V packed ahead: each strip of rows goes through all blocks of k while its C is in L2, and its S,
 * unless V is small enough to stay there. */
static void run_direct_strips(job *j, int64_t length)
{
    const bool v_stays = j->half || j->n * j->k * j->e->size <= 2 * GR_S_BYTES;
    const int64_t fit = v_stays ? j->e->mc : gr_smaller(j->e->mc, GR_S_BYTES / (j->k * j->e->size));
    const int64_t rows = strip_rows(j->m, fit < LEAST_STRIP ? LEAST_STRIP : fit, gr_engine_rows(j->e, j->s_ms));
    for (int64_t row = 0; row < j->m; row += rows)
        for (int64_t k0 = 0; k0 < j->k; k0 += length) {
            next_block(j, k0, length);
            block_rows(j, row, gr_smaller(rows, j->m - row), 0, j->n, true);
        }
}

static void run_job(job *j)
{
    const int64_t length = j->k > 0 ? block_length(j->k) : 0;
    if (j->k <= 0) {
        if (!j->accumulate) gr_engine_clear(j->e, j->c, j->m, j->n, j->c_ms, j->c_ns);
    } else if (j->e->own && !j->packed && j->m * j->n * j->k <= TINY && j->k <= length) {
        next_block(j, 0, length);
        block_tiny(j);
    } else if (j->e->own && j->m <= j->e->isa->max_rows) {
        run_few_rows(j, length);
    } else if (j->packed && reads_s_directly(j)) {
        run_direct_strips(j, length);
    } else {
        run_strips(j, length);
    }
}

void gr_gemm_run(const gr_gemm *g)
{
    if (g->m <= 0 || g->n <= 0) return;
    job j = make_job(g);
    run_job(&j);
}

void gr_gemm_run_stack(const gr_gemm *g, int64_t count, int64_t a_step, int64_t b_step, int64_t c_step)
{
    if (g->m <= 0 || g->n <= 0) return;
    job j = make_job(g);
    const bool exchanged = sides_exchanged(j.e, g);
    const int64_t v_step = (exchanged ? a_step : b_step) * j.e->size, s_step = (exchanged ? b_step : a_step) * j.e->size;
    for (int64_t i = 0; i < count; i++) {
        run_job(&j);
        if (!j.packed) j.v += v_step;
        j.s += s_step;
        j.c += c_step * j.e->size;
    }
}

/* ---- packing ahead ---- */

int64_t gr_gemm_panel(gr_dtype dtype) { return gr_engine_of(dtype)->vw; }

size_t gr_gemm_packed_bytes(gr_dtype dtype, int64_t k, int64_t n)
{
    const gr_engine *e = gr_engine_of(dtype);
    return (size_t)(gr_round_up(n, e->vw) * k * (int64_t)gr_dtype_size(dtype) + GR_GEMM_SLACK);
}

/* Columns from `first` on of a block of k, kept with 16 bits an element. */
static void pack_half(gr_dtype half, uint16_t *to, const float *b, int64_t rs, int64_t cs, int64_t cols, int64_t kc)
{
    const int64_t width = gr_engine_of(GR_FLOAT32)->vw;
    for (int64_t col = 0; col < cols; col += width)
        for (int64_t l = 0; l < kc; l++, to += width)
            for (int64_t q = 0; q < width; q++) {
                const float x = col + q < cols ? b[l * rs + (col + q) * cs] : 0;
                to[half_place(half, width, q)] = half == GR_BFLOAT16 ? gr_to_bf16(x) : gr_to_f16(x);
            }
}

/* Layout: block of k by block, panel by panel, [l][vw]. */
void gr_gemm_pack(gr_dtype dtype, int64_t k, int64_t n, const void *b, int64_t rs, int64_t cs, int64_t first,
                  int64_t cols, void *packed)
{
    const gr_engine *e = gr_engine_of(dtype);
    const int64_t panels = (n + e->vw - 1) / e->vw, length = block_length(k > 0 ? k : 1);
    for (int64_t k0 = 0; k0 < k; k0 += length) {
        const int64_t kc = k - k0 < length ? k - k0 : length, at = k0 * panels * e->vw + first * kc;
        const char *from = (const char *)b + (k0 * rs + first * cs) * e->size;
        if (gr_is_half(dtype)) pack_half(dtype, (uint16_t *)packed + at, (const float *)(const void *)from, rs, cs, cols, kc);
        else pack(e, (char *)packed + at * e->size, e->vw, from, cs, rs, cols, kc);
    }
}
