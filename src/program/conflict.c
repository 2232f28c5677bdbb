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
 * the highest byte, so interleaved columns count as overlapping. */
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

static void add(finder *f, int before, int after, int loop, int64_t d)
{
    gr_program *p = f->p;
    *GR_PUSH(f->b->a, p->deps, p->num_deps, f->b->cap_deps) = (gr_dependency){before, after, loop, d};
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
    if (common < 0 && i != j) add(f, i, j, -1, 0);
    for (int loop = common; loop >= 0; loop = p->loops[loop].parent) {
        int depth = p->loops[loop].depth;
        int64_t d = distance(f, x, y, depth, loop == common && i != j ? 0 : 1);
        if (d >= 0) add(f, i, j, loop, d);
        if (i == j && x == y) continue;
        d = distance(f, y, x, depth, 1);
        if (d >= 0) add(f, j, i, loop, d);
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
    return (x->distance > y->distance) - (x->distance < y->distance);
}

/* Of dependencies between the same two at the same loop the nearest says all. */
static void unique(gr_program *p)
{
    if (p->num_deps == 0) return;
    qsort(p->deps, (size_t)p->num_deps, sizeof *p->deps, by_pair);
    int n = 1;
    for (int i = 1; i < p->num_deps; i++) {
        const gr_dependency *d = &p->deps[i], *last = &p->deps[n - 1];
        if (d->before == last->before && d->after == last->after && d->loop == last->loop) continue;
        p->deps[n++] = *d;
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
