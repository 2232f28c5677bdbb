/* band.c - a loop whose rows never meet becomes several, each over a band of the rows.
 *
 * A step of a recurrent layer reads of the step before the same rows of the batch alone. Were each step
 * split by columns, all workers would wait for each other at every one, as long as the slowest of them takes
 * then. With rows of its own a worker waits for nobody until the loop ends:
 *
 *     loop of T steps, rows 0 .. R - 1    ->    loop of T steps, rows 0 .. R / 2 - 1
 *                                               loop of T steps, rows R / 2 .. R - 1
 *
 * To place.c these are like the two directions of one layer. Each band reads all weights, which therefore
 * must fit a cache, and keeps rows enough to make use of them. Where there are more workers than such bands,
 * loops stay whole, and chunk.c may let layers run behind each other.
 *
 * That bands never meet in any step is seen from the addresses of all their operands. To cut rows changes
 * no bit. */
#include "program/build.h"
#include "program/schedule.h"
#include <string.h>

#define LEAST_ROWS 8              /* of a band: fewer leave the multipliers waiting */
#define LEAST_FLOPS 1e5           /* of a band's step: less is not worth a loop of its own */
#define SHARED_BYTES (4.5 * 1048576) /* that every band reads at every step */

typedef struct bander {
    gr_build *b;
    gr_program *p;
    int bands;
    int64_t *rows;       /* by loop: of one that is cut; 0: it is not */
    gr_template *templates; int num_templates, cap_templates;
    gr_loop_info *loops; int num_loops, cap_loops;
    int *now;            /* by old loop: what it has become; -1: several */
} bander;

/* ---- which loops can be cut --------------------------------------------------- */

/* Rows of the first product in the loop. */
static int64_t rows_of(const gr_program *p, const gr_loop_info *l)
{
    for (int t = l->first; t < l->last; t++)
        if (gr_is_product(&p->templates[t]) && p->templates[t].out[0].tensor.rank > 0) return p->templates[t].out[0].tensor.dim[0];
    return 0;
}

/* Whether the leading axis of what t makes are the rows, one apart from the other. */
static bool cuts(const bander *x, const gr_template *t, int64_t rows)
{
    const gr_tensor *out = &t->out[0].tensor;
    if (t->num_out == 0 || out->rank < 1 || out->dim[0] % rows || !gr_steps_apart(x->b->a, t, rows)) return false;
    if (t->kind == GR_TASK_COPY) return true;
    if (t->kind == GR_TASK_PRODUCT) return out->dim[0] == rows;
    return t->node->out[0]->type.rank > 0 && t->node->out[0]->type.dim[0] == rows;
}

static gr_operand rows_of_operand(const gr_operand *from, int64_t rows, int64_t first, int64_t count)
{
    gr_operand o = *from;
    int64_t each = o.tensor.dim[0] / rows;
    o.offset += first * each * o.tensor.stride[0];
    o.tensor.dim[0] = count * each;
    return o;
}

/* Operand i of the template (inputs, then outputs) in rows [first, first + count). */
static gr_operand cut_operand(const gr_template *t, int i, int64_t rows, int64_t first, int64_t count)
{
    const gr_operand *o = i < t->num_in ? &t->in[i] : &t->out[i - t->num_in];
    if (o->buffer < 0 || (i < t->num_in && !gr_has_steps(t, i, rows))) return *o;
    return rows_of_operand(o, rows, first, count);
}

/* Whether two operands of one buffer, in two bands, may touch the same byte, in whatever steps. */
static bool meet(const gr_operand *x, const gr_operand *y, int64_t steps)
{
    static const int64_t one[GR_MAX_LOOPS] = {1, 1, 1, 1};
    const int64_t all[GR_MAX_LOOPS] = {steps, 1, 1, 1};
    int64_t xl, xh, yl, yh, size = (int64_t)gr_dtype_size(x->tensor.dtype), ring = x->ring[0];
    const bool alike = x->stride[0] == y->stride[0] && ring == y->ring[0];
    if (!gr_operand_bounds(x, 0, alike ? one : all, &xl, &xh) || !gr_operand_bounds(y, 0, alike ? one : all, &yl, &yh)) return false;
    return gr_ranges_meet(xl, xh, yl, yh, alike ? x->stride[0] * size : 0, ring > 0 ? ring - 1 : steps - 1);
}

/* Whether what t writes in the rows before `first` and what u touches in those from there on meet, or the other way round. */
static bool templates_meet(const gr_template *t, const gr_template *u, int64_t rows, int64_t first, int64_t steps)
{
    for (int i = 0; i < t->num_out; i++)
        for (int k = 0; k < u->num_in + u->num_out; k++) {
            if (t->out[i].buffer != (k < u->num_in ? u->in[k].buffer : u->out[k - u->num_in].buffer)) continue;
            const gr_operand low = cut_operand(t, t->num_in + i, rows, 0, first), high = cut_operand(t, t->num_in + i, rows, first, rows - first);
            const gr_operand below = cut_operand(u, k, rows, 0, first), above = cut_operand(u, k, rows, first, rows - first);
            if (meet(&low, &above, steps) || meet(&high, &below, steps)) return true;
        }
    return false;
}

/* Bytes of the largest input that all bands read. */
static double shared_bytes(const gr_template *t, int64_t rows)
{
    double most = 0;
    for (int i = 0; i < t->num_in; i++) {
        if (t->in[i].buffer < 0 || gr_has_steps(t, i, rows)) continue;
        const double bytes = (double)gr_tensor_numel(&t->in[i].tensor) * (double)gr_dtype_size(t->in[i].tensor.dtype);
        if (bytes > most) most = bytes;
    }
    return most;
}

/* The rows of a loop that can be cut, and is worth it; 0: it is not. */
static int64_t rows_to_cut(const bander *x, int loop)
{
    const gr_program *p = x->p;
    const gr_loop_info *l = &p->loops[loop];
    const int64_t rows = rows_of(p, l);
    double flops = 0, shared = 0;
    if (l->parent >= 0 || l->count < 2 || rows < LEAST_ROWS * x->bands) return 0;
    for (int t = l->first; t < l->last; t++) {
        if (p->templates[t].loop != loop || !cuts(x, &p->templates[t], rows)) return 0;
        flops += gr_template_flops(&p->templates[t]);
        shared += shared_bytes(&p->templates[t], rows);
    }
    if (flops < LEAST_FLOPS * x->bands || shared > SHARED_BYTES) return 0;
    for (int k = 1; k < x->bands; k++)
        for (int t = l->first; t < l->last; t++)
            for (int u = l->first; u < l->last; u++)
                if (templates_meet(&p->templates[t], &p->templates[u], rows, rows * k / x->bands, l->count)) return 0;
    return rows;
}

/* ---- rebuilding the program ----------------------------------------------------- */

static int add_loop(bander *x, int old)
{
    *GR_PUSH(x->b->a, x->loops, x->num_loops, x->cap_loops) = x->p->loops[old];
    return x->num_loops - 1;
}

static void add_template(bander *x, const gr_template *t, int loop)
{
    gr_template *c = GR_PUSH(x->b->a, x->templates, x->num_templates, x->cap_templates);
    *c = *t;
    c->loop = loop;
}

static void add_band(bander *x, int old, int64_t first, int64_t count)
{
    const gr_program *p = x->p;
    const int64_t rows = x->rows[old];
    const int loop = add_loop(x, old);
    x->loops[loop].first = x->num_templates;
    x->loops[loop].first_row = first;
    x->loops[loop].rows = count;
    for (int t = p->loops[old].first; t < p->loops[old].last; t++) {
        const gr_template *from = &p->templates[t];
        add_template(x, from, loop);
        gr_template *c = &x->templates[x->num_templates - 1];
        c->in = GR_NEW_ARRAY(x->b->a, gr_operand, c->num_in + 1);
        c->out = GR_NEW_ARRAY(x->b->a, gr_operand, c->num_out + 1);
        for (int i = 0; i < c->num_in; i++) c->in[i] = cut_operand(from, i, rows, first, count);
        for (int i = 0; i < c->num_out; i++) c->out[i] = cut_operand(from, c->num_in + i, rows, first, count);
        if (c->kind == GR_TASK_PRODUCT) c->steps = count;
        gr_template_measure(x->b, c);
    }
    x->loops[loop].last = x->num_templates;
}

/* A loop that stays whole, and those in it. */
static void add_whole(bander *x, int old)
{
    const gr_program *p = x->p;
    const int shift = x->num_templates - p->loops[old].first;
    for (int l = old; l < p->num_loops && gr_loop_within(p, l, old); l++) {
        x->now[l] = add_loop(x, l);
        gr_loop_info *own = &x->loops[x->now[l]];
        if (own->parent >= 0) own->parent = x->now[own->parent];
        own->first += shift;
        own->last += shift;
    }
    for (int t = p->loops[old].first; t < p->loops[old].last; t++) add_template(x, &p->templates[t], x->now[p->templates[t].loop]);
}

static void rebuild(bander *x)
{
    const gr_program *p = x->p;
    for (int t = 0; t < p->num_templates;) {
        const int loop = p->templates[t].loop >= 0 ? gr_loop_below(p, p->templates[t].loop, -1) : -1;
        if (loop < 0) {
            add_template(x, &p->templates[t++], -1);
            continue;
        }
        const int64_t rows = x->rows[loop];
        for (int k = 0; rows && k < x->bands; k++)
            add_band(x, loop, rows * k / x->bands, rows * (k + 1) / x->bands - rows * k / x->bands);
        if (!rows) add_whole(x, loop);
        t = p->loops[loop].last;
    }
}

/* Whether there is one that so many bands can be made of. */
static bool find_loops(bander *x, int bands)
{
    bool any = false;
    x->bands = bands;
    for (int l = 0; bands > 1 && l < x->p->num_loops; l++) {
        x->now[l] = -1;
        any |= (x->rows[l] = rows_to_cut(x, l)) > 0;
    }
    return any;
}

void gr_band_loops(gr_build *b, int workers)
{
    gr_program *p = b->p;
    bander x = {.b = b, .p = p, .rows = GR_NEW_ARRAY(b->a, int64_t, p->num_loops + 1), .now = GR_NEW_ARRAY(b->a, int, p->num_loops + 1)};
    if (!find_loops(&x, workers ? workers : 2) || (!workers && !find_loops(&x, gr_topology_usable()))) return;
    rebuild(&x);
    for (int i = 0; i < p->num_buffers; i++)
        if (p->buffers[i].loop >= 0) p->buffers[i].loop = x.now[p->buffers[i].loop];
    p->templates = x.templates, p->num_templates = x.num_templates, b->cap_templates = x.cap_templates;
    p->loops = x.loops, p->num_loops = x.num_loops, b->cap_loops = x.cap_loops;
}
