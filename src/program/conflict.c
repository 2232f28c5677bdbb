/* conflict.c - dependencies, from the addresses that templates touch.
 *
 * Two accesses to the same bytes, one of them a write, must happen in the order of the
 * sequential program. For templates X before Y (or X = Y) with a common loop l:
 *
 *     X at iteration i and Y at iteration i + d touch [x + s i, ...) and [y + s (i + d), ...)
 *
 * so they meet where d lies in an interval (strides s alike), or where d has one value
 * modulo the ring. The smallest d that may meet is the dependency's distance; earlier
 * iterations are done by then. Where strides differ the smallest d that the order allows
 * is taken: a wait too many, never one too few. Regions are intervals from the lowest to
 * the highest byte, so interleaved columns count as overlapping.
 *
 * Two templates in loops of their own, X at iteration i of the one and Y at iteration j of the
 * other, touch [x + s i, ...) and [y + r j, ...). They meet up to an i that is affine in j,
 * rounded: Y's lag (program.h). */
#include "program/build.h"
#include <stdlib.h>
#include <string.h>

typedef struct access {
    int template_index;
    const gr_operand *o;
    bool write;
    int64_t base;      /* of its buffer, in one address space for all kinds */
    int64_t low, high; /* of all steps */
} access;

typedef struct finder {
    gr_build *b;
    gr_program *p;
    access *list;
    int count, cap;
    int64_t (*length)[GR_MAX_LOOPS]; /* of the loops around each template, by depth */
} finder;

/* ---- collecting ----------------------------------------------------------- */

/* Results and states live behind the arena; feeds and constants are never written. */
static int64_t buffer_base(const gr_program *p, int buffer)
{
    const gr_buffer *b = &p->buffers[buffer];
    int64_t base = (int64_t)b->offset;
    if (b->kind == GR_BUFFER_ARENA) return base;
    base += (int64_t)p->arena_bytes;
    if (b->kind == GR_BUFFER_RESULT) return base;
    return base + (int64_t)p->result_bytes;
}

static void collect(finder *f, int t, const gr_operand *o, int n, bool write)
{
    for (int i = 0; i < n; i++) {
        if (o[i].buffer < 0) continue;
        gr_buffer_kind kind = f->p->buffers[o[i].buffer].kind;
        if (kind == GR_BUFFER_FEED || kind == GR_BUFFER_CONSTANT) continue;
        access a = {.template_index = t, .o = &o[i], .write = write, .base = buffer_base(f->p, o[i].buffer)};
        if (!gr_operand_bounds(&o[i], 0, f->length[t], &a.low, &a.high)) continue;
        a.low += a.base;
        a.high += a.base;
        *GR_PUSH(f->b->a, f->list, f->count, f->cap) = a;
    }
}

static void loop_lengths(finder *f)
{
    gr_program *p = f->p;
    f->length = gr_arena_array(f->b->a, (size_t)p->num_templates + 1, sizeof *f->length);
    for (int t = 0; t < p->num_templates; t++) {
        for (int l = 0; l < GR_MAX_LOOPS; l++) f->length[t][l] = 1;
        for (int l = p->templates[t].loop; l >= 0; l = p->loops[l].parent)
            f->length[t][p->loops[l].depth] = p->loops[l].count;
    }
}

/* ---- two accesses --------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return q * b > a ? q - 1 : q;
}

/* The smallest d >= least where [xl, xh) and [yl + s d, yh + s d) overlap; -1: none. */
static int64_t meet(int64_t xl, int64_t xh, int64_t yl, int64_t yh, int64_t s, int64_t least)
{
    if (s == 0) return xl < yh && yl < xh ? least : -1;
    if (s < 0) { /* mirror everything */
        int64_t l = xl;
        xl = -xh, xh = -l;
        l = yl;
        yl = -yh, yh = -l;
        s = -s;
    }
    int64_t d = floor_div(xl - yh, s) + 1;
    if (d < least) d = least;
    return yl + s * d < xh ? d : -1;
}

static bool alike(const gr_operand *x, const gr_operand *y, int depth)
{
    return x->stride[depth] == y->stride[depth] && x->ring[depth] == y->ring[depth];
}

static int64_t positive_mod(int64_t a, int64_t n) { return ((a % n) + n) % n; }

/* The smallest d >= least such that x in iteration i and y in iteration i + d of the loop at
 * `depth` may meet, the loops outside it at equal indices; -1: never. */
static int64_t distance(const finder *f, const access *x, const access *y, int depth, int64_t least)
{
    int64_t n = f->length[x->template_index][depth];
    if (least >= n) return -1;
    for (int l = 0; l <= depth; l++) {
        bool shifted = x->o->ring[l] > 0 && l < depth && x->o->ring_shift[l] != y->o->ring_shift[l];
        if (!alike(x->o, y->o, l) || shifted) return least;
    }
    int64_t xl, xh, yl, yh;
    gr_operand_bounds(x->o, depth + 1, f->length[x->template_index], &xl, &xh);
    gr_operand_bounds(y->o, depth + 1, f->length[y->template_index], &yl, &yh);
    xl += x->base, xh += x->base, yl += y->base, yh += y->base;
    int64_t ring = x->o->ring[depth], d;
    if (ring > 0 && x->o->buffer != y->o->buffer) return least;
    if (ring > 0) {
        if (xl >= yh || yl >= xh) return -1;
        d = positive_mod(x->o->ring_shift[depth] - y->o->ring_shift[depth], ring);
        while (d < least) d += ring;
    } else {
        d = meet(xl, xh, yl, yh, x->o->stride[depth] * (int64_t)gr_dtype_size(x->o->tensor.dtype), least);
    }
    return d < n ? d : -1;
}

static void add(finder *f, int before, int after, int loop, int64_t d, gr_lag lag)
{
    gr_program *p = f->p;
    *GR_PUSH(f->b->a, p->deps, p->num_deps, f->b->cap_deps) = (gr_dependency){before, after, loop, d, lag};
}

/* ---- two loops ------------------------------------------------------------ */

/* Bytes from one iteration to the next of the loop at `depth`; 0 for a ring, all of which
 * [*low, *high), the bytes of the first, then holds. */
static int64_t region(const finder *f, const access *x, int depth, int64_t *low, int64_t *high)
{
    bool ring = x->o->ring[depth] > 0;
    gr_operand_bounds(x->o, ring ? depth : depth + 1, f->length[x->template_index], low, high);
    *low += x->base;
    *high += x->base;
    return ring ? 0 : x->o->stride[depth] * (int64_t)gr_dtype_size(x->o->tensor.dtype);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

/* Largest i at which [xl + s i, xh + s i) may meet [yl + r j, yh + r j), as a function of j:
 *     s > 0:  xl + s i < yh + r j        s < 0:  yl + r j < xh + s i
 * A lag that falls asks most of j = 0, after which nothing is left to ask. */
static gr_lag lag_of(int64_t xl, int64_t xh, int64_t s, int64_t yl, int64_t yh, int64_t r)
{
    gr_lag p = {.div = s < 0 ? -s : s, .mul = s < 0 ? -r : r, .add = s < 0 ? xh - yl - 1 : yh - xl - 1};
    if (s == 0) return (gr_lag){0};
    if (p.mul < 0) p.mul = 0;
    int64_t g = common_divisor(p.div, p.mul);
    return (gr_lag){p.mul / g, floor_div(p.add, g), p.div / g};
}

/* Rows of x and other rows of y, in steps that lie alike (band.c). */
static bool never_meet(const finder *f, const access *x, const access *y, int depth)
{
    const int64_t *n = f->length[x->template_index], *m = f->length[y->template_index], ring = x->o->ring[depth];
    int64_t xl, xh, yl, yh, most = (n[depth] > m[depth] ? n[depth] : m[depth]) - 1;
    if (!alike(x->o, y->o, depth) || (ring > 0 && x->o->buffer != y->o->buffer)) return false;
    gr_operand_bounds(x->o, depth + 1, n, &xl, &xh);
    gr_operand_bounds(y->o, depth + 1, m, &yl, &yh);
    return !gr_ranges_meet(xl + x->base, xh + x->base, yl + y->base, yh + y->base,
                           x->o->stride[depth] * (int64_t)gr_dtype_size(x->o->tensor.dtype), ring > 0 ? ring - 1 : most);
}

/* x before y, neither of which stands in the other's loop, in the same iteration of `common`. */
static void relate_across(finder *f, const access *x, const access *y, int common)
{
    const gr_program *p = f->p;
    int i = x->template_index, j = y->template_index, depth = gr_loop_depth(p, common) + 1;
    int from = gr_loop_below(p, p->templates[i].loop, common), to = gr_loop_below(p, p->templates[j].loop, common);
    gr_lag lag = {0};
    bool same = true;
    for (int l = 0; l < depth; l++) same = same && alike(x->o, y->o, l) && x->o->ring[l] == 0;
    if (from >= 0 && to >= 0 && same && never_meet(f, x, y, depth)) return;
    if (from >= 0 && to >= 0 && same) {
        int64_t xl, xh, yl, yh;
        int64_t s = region(f, x, depth, &xl, &xh), r = region(f, y, depth, &yl, &yh);
        lag = lag_of(xl, xh, s, yl, yh, r);
        if (gr_lag_at(&lag, p->loops[to].count - 1) < 0) return;
        if (gr_lag_at(&lag, 0) >= p->loops[from].count - 1) lag = (gr_lag){0};
    }
    add(f, i, j, common, 0, lag);
}

/* Both directions at every common loop. */
static void relate(finder *f, const access *x, const access *y)
{
    if (x->template_index > y->template_index) {
        const access *z = x;
        x = y;
        y = z;
    }
    const gr_program *p = f->p;
    int i = x->template_index, j = y->template_index;
    int common = gr_loop_common(p, p->templates[i].loop, p->templates[j].loop);
    bool apart = p->templates[i].loop != common && p->templates[j].loop != common && i != j;
    if (common < 0 && i != j) relate_across(f, x, y, common);
    for (int loop = common; loop >= 0; loop = p->loops[loop].parent) {
        int depth = p->loops[loop].depth;
        int64_t d = distance(f, x, y, depth, loop == common && i != j ? 0 : 1);
        if (loop == common && apart && d == 0) {
            relate_across(f, x, y, common);
            d = distance(f, x, y, depth, 1);
        }
        if (d >= 0) add(f, i, j, loop, d, (gr_lag){0});
        if (i == j && x == y) continue;
        d = distance(f, y, x, depth, 1);
        if (d >= 0) add(f, j, i, loop, d, (gr_lag){0});
    }
}

/* ---- all ------------------------------------------------------------------ */

static int by_low(const void *a, const void *b)
{
    const access *x = a, *y = b;
    if (x->low != y->low) return x->low < y->low ? -1 : 1;
    return (x->template_index > y->template_index) - (x->template_index < y->template_index);
}

static int by_pair(const void *a, const void *b)
{
    const gr_dependency *x = a, *y = b;
    if (x->after != y->after) return x->after < y->after ? -1 : 1;
    if (x->before != y->before) return x->before < y->before ? -1 : 1;
    if (x->loop != y->loop) return x->loop < y->loop ? -1 : 1;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return memcmp(&x->lag, &y->lag, sizeof x->lag); /* {0}, which waits for all, is first */
}

/* Does what x asks hold where what `known` asks of the same two does? */
static bool is_known(const gr_dependency *x, const gr_dependency *known)
{
    if (known->before != x->before || known->after != x->after || known->loop != x->loop) return false;
    if (known->lag.div == 0 || known->distance < x->distance) return true;
    return memcmp(&known->lag, &x->lag, sizeof x->lag) == 0;
}

/* Of dependencies between the same two at the same loop the nearest says all; of lags, each. */
static void unique(gr_program *p)
{
    if (p->num_deps == 0) return;
    qsort(p->deps, (size_t)p->num_deps, sizeof *p->deps, by_pair);
    int n = 1;
    for (int i = 1; i < p->num_deps; i++) {
        if (!is_known(&p->deps[i], &p->deps[n - 1])) p->deps[n++] = p->deps[i];
    }
    p->num_deps = n;
}

void gr_find_dependencies(gr_build *b)
{
    finder f = {.b = b, .p = b->p};
    loop_lengths(&f);
    for (int t = 0; t < b->p->num_templates; t++) {
        const gr_template *x = &b->p->templates[t];
        collect(&f, t, x->in, x->num_in, false);
        collect(&f, t, x->out, x->num_out, true);
    }
    if (f.count == 0) return;
    qsort(f.list, (size_t)f.count, sizeof *f.list, by_low);
    for (int i = 0; i < f.count; i++) {
        if (f.list[i].write) relate(&f, &f.list[i], &f.list[i]);
        for (int j = i + 1; j < f.count && f.list[j].low < f.list[i].high; j++)
            if (f.list[i].write || f.list[j].write) relate(&f, &f.list[i], &f.list[j]);
    }
    unique(b->p);
}
