/* cost.c - what a template costs on one core.
 *
 *     call + bytes / bandwidth + { kernel    units * begin + operations * each
 *                                { tape      elements * (operands * access + instructions)
 *                                { tape, copy    elements that do not lie beside the one before * astray
 *     call + packing + the larger of bytes / bandwidth and flops / rate(rows), for a product, which reads ahead
 *
 * Each operand's bandwidth is that of the cache that still has it (see reuse). A product with an
 * epilogue has a tape's terms as well. */
#include "program/cost.h"
#include "program/build.h"
#include <math.h>
#include <string.h>

const gr_costs gr_builtin_costs = {.call_ns = 50, .product_ns = 100, .gflops = 60, .short_gflops = 45, .row_gflops = 25, .simple_ns = 0.1,
                                   .divide_ns = 0.3, .vector_ns = 0.8, .access_ns = 0.08, .l2_bytes_ns = 60, .l3_bytes_ns = 40,
                                   .memory_bytes_ns = 12, .wait_ns = 300, .crowd = 1};

#define PACKED 2       /* the input of a product that is its second operand, packed */
#define MANY_ROWS 8    /* that keep the multipliers busy */
#define HALF_ROW 1.5   /* as fast a product of one row is on weights of half the size: it waits for them */
#define PANEL 16       /* columns that are computed at once, needed or not */
#define UNIT 25        /* nanoseconds of a kernel that is no product for a unit (a row), apart from its operations */
#define INSTRUCTION 8  /* of a tape for an instruction, apart from its elements */
#define ASTRAY 1       /* of a tape or a copy for an element that does not lie beside the one before */

typedef struct scale { const gr_costs *c; double l2, l3, real; } scale; /* real: 1 for float, 2 for double */

static double instruction_ns(const gr_costs *c, int op)
{
    switch (op) {
    case GR_TAPE_POW: return 4 * c->vector_ns;
    case GR_TAPE_SIN: case GR_TAPE_COS: return 3 * c->vector_ns;
    case GR_TAPE_EXP: case GR_TAPE_LOG: case GR_TAPE_LOG1P: case GR_TAPE_EXPM1:
    case GR_TAPE_ERF: case GR_TAPE_TANH: case GR_TAPE_SIGMOID: return c->vector_ns;
    case GR_TAPE_DIV: case GR_TAPE_SQRT: case GR_TAPE_RSQRT: case GR_TAPE_RECIPROCAL: return c->divide_ns;
    default: return c->simple_ns;
    }
}

/* ---- what a call touches -------------------------------------------------------- */

/* Bytes of one call through the operand; what repeats is touched once. */
static double bytes_of(const gr_operand *o)
{
    double bytes = (double)gr_dtype_size(o->tensor.dtype);
    for (int i = 0; i < o->tensor.rank; i++)
        if (o->tensor.stride[i] || o->tensor.dim[i] == 0) bytes *= (double)o->tensor.dim[i];
    return bytes;
}

/* In all iterations of the loops from `loop` outwards. */
static double bytes_in_loops(const gr_program *p, const gr_operand *o, int loop)
{
    double bytes = bytes_of(o);
    for (; loop >= 0; loop = p->loops[loop].parent) {
        const int depth = p->loops[loop].depth;
        if (o->stride[depth]) bytes *= (double)(o->ring[depth] > 0 ? o->ring[depth] : p->loops[loop].count);
    }
    return bytes;
}

/* An operand that was packed ahead is read in that form alone. */
static bool is_read(const gr_template *t, int in)
{
    if (in != PACKED - 1 || !gr_is_product(t) || !t->node->op->prepack || t->num_in <= PACKED || t->in[PACKED].buffer < 0) return true;
    return t->kind != GR_TASK_KERNEL && t->node->product_inputs <= PACKED;
}

static int count_operands(const gr_template *t) { return t->num_in + t->num_out; }

/* Operand i of inputs and outputs; NULL: it is not touched. */
static const gr_operand *touched(const gr_template *t, int i)
{
    const gr_operand *o = i < t->num_in ? &t->in[i] : &t->out[i - t->num_in];
    return o->buffer < 0 || (i < t->num_in && !is_read(t, i)) ? NULL : o;
}

/* ---- how far away it is ----------------------------------------------------------- */

/* Bytes touched since an operand's were touched before say which cache has them still:
 *
 *     in a loop, by each iteration again     those of an iteration
 *     else                                   those since the last template or outermost loop that did,
 *                                            in this step or the one before
 *
 * and never more than all there are, because buffers share memory. */
typedef struct reuse {
    double *each;      /* by loop: touched in an iteration */
    double *last;      /* by buffer: the clock when it was touched last */
    double clock;      /* bytes touched so far */
    double most;       /* bytes that there are */
} reuse;

/* Does operand y of template u touch, in loop l, what operand x of template t touches, before it does? */
static bool leads(const gr_program *p, int l, int u, int y, int t, int x)
{
    const gr_operand *a = touched(&p->templates[u], y), *b = touched(&p->templates[t], x);
    const int depth = p->loops[l].depth;
    if (!a || a->buffer != b->buffer) return false;
    if (u < t || (u == t && y < x && gr_operand_same(a, b))) return true;
    return a->stride[depth] == b->stride[depth] && (b->stride[depth] > 0 ? a->offset > b->offset : a->offset < b->offset);
}

static bool is_led(const gr_program *p, int l, int t, int x)
{
    for (int u = p->loops[l].first; u < p->loops[l].last; u++)
        for (int y = 0; y < count_operands(&p->templates[u]); y++)
            if (leads(p, l, u, y, t, x)) return true;
    return false;
}

/* The innermost loop around template t that has touched what its operand x does; -1: none. *first: whether it
 * is this operand that touches it in the loop's first iteration. */
static int loop_of_reuse(const gr_program *p, int t, int x, bool *first)
{
    const gr_operand *o = touched(&p->templates[t], x);
    *first = true;
    for (int l = p->templates[t].loop; l >= 0; l = p->loops[l].parent) {
        const int depth = p->loops[l].depth;
        *first = !is_led(p, l, t, x);
        if (!*first || o->stride[depth] == 0 || o->ring[depth] > 0) return l;
    }
    return -1;
}

static void count_each(const gr_program *p, double *each)
{
    for (int t = 0; t < p->num_templates; t++) {
        double times = 1;
        for (int l = p->templates[t].loop; l >= 0; l = p->loops[l].parent) {
            for (int i = 0; i < count_operands(&p->templates[t]); i++)
                if (touched(&p->templates[t], i)) each[l] += times * bytes_of(touched(&p->templates[t], i));
            times *= (double)p->loops[l].count;
        }
    }
}

/* What templates [first, last), one or an outermost loop, touch that is not there already. */
static double bytes_of_item(const gr_program *p, int first, int last)
{
    double bytes = 0;
    bool new;
    for (int t = first; t < last; t++)
        for (int i = 0; i < count_operands(&p->templates[t]); i++) {
            const gr_operand *o = touched(&p->templates[t], i);
            if (o && (loop_of_reuse(p, t, i, &new) < 0 || new)) bytes += bytes_in_loops(p, o, p->templates[t].loop);
        }
    return bytes;
}

/* ---- what it takes ------------------------------------------------------------------ */

/* From half of L3 on all comes from memory; before, the more of it the more is touched: other cores fill L3, too. */
static double moving_ns(const scale *s, double bytes, double distance)
{
    const double l3 = bytes / s->c->l3_bytes_ns, memory = bytes / s->c->memory_bytes_ns, far = s->l3 / 2;
    if (distance <= s->l2 / 2) return bytes / s->c->l2_bytes_ns;
    if (distance >= far) return memory;
    return distance <= GR_L3_TOUCHED ? l3 : l3 + (memory - l3) * log(distance / GR_L3_TOUCHED) / log(far / GR_L3_TOUCHED);
}

/* Of operand i of template t; the clock is that of its item's end. */
static double operand_ns(const scale *s, const gr_program *p, const reuse *r, int t, int i)
{
    const gr_operand *o = touched(&p->templates[t], i);
    bool first;
    if (!o) return 0;
    const int l = loop_of_reuse(p, t, i, &first);
    const double distance = l >= 0 ? r->each[l] : r->clock - r->last[o->buffer];
    return moving_ns(s, bytes_of(o), distance < r->most ? distance : r->most);
}

typedef struct moved { double ns, packing; } moved; /* packing: of what a product packs before it begins */

/* Bandwidths are those of copies, which move three bytes for each two that they count: what is written is fetched
 * before. What a product reads alone comes faster. */

static moved operands_ns(const scale *s, const gr_program *p, const reuse *r, int t)
{
    const gr_template *x = &p->templates[t];
    const int packed = gr_is_product(x) && is_read(x, PACKED - 1) ? PACKED - 1 : -1;
    moved m = {0};
    for (int i = 0; i < count_operands(x); i++) {
        const double ns = operand_ns(s, p, r, t, i);
        if (i == packed) m.packing += ns;
        else m.ns += gr_is_product(x) && i < x->num_in ? ns * 2 / 3 : ns;
    }
    if (packed >= 0) m.packing += bytes_of(&x->in[packed]) / s->c->l2_bytes_ns;
    return m;
}

static double astray_ns(const gr_template *t)
{
    double elements = 0;
    for (int i = 0; i < count_operands(t); i++) {
        const gr_tensor *x = i < t->num_in ? &t->in[i].tensor : &t->out[i - t->num_in].tensor;
        if (x->rank && x->dim[x->rank - 1] > 1 && x->stride[x->rank - 1] != 0 && x->stride[x->rank - 1] != 1) elements += (double)gr_tensor_numel(x);
    }
    return ASTRAY * elements;
}

static double tape_ns(const scale *s, const gr_template *t)
{
    double each = s->c->access_ns * (t->num_in + t->num_out);
    for (int i = 0; i < t->tape->num_ins; i++) each += instruction_ns(s->c, t->tape->ins[i].op);
    return INSTRUCTION * t->tape->num_ins + each * (double)gr_tensor_numel(&t->out[0].tensor) * s->real;
}

/* How often the product's kernel is called: for each of a stack of matrices; for each slice of a tile, and
 * tiles side by side are one. */
static double product_calls(const gr_template *t, double stack)
{
    if (t->kind != GR_TASK_PRODUCT || t->run_cols == 0) return stack;
    const double tiles = (double)t->units * (double)t->tile_cols / (double)t->run_cols;
    return (tiles > stack ? tiles : stack) * t->node->epilogue->num_slices;
}

/* Time of an operation: that of a long sum, and for each sum the same again as a short one takes longer. Rows
 * of the product: elements of its result that share a column, in one of a stack of matrices. */
static double product_ns(const scale *s, const gr_template *t, const gr_call *call, double flops)
{
    const gr_tensor *c = &call->out[0], *other = &call->in[PACKED - 1];
    const gr_costs *k = s->c;
    double cols = c->rank > 0 && other->rank > 1 ? (double)c->dim[c->rank - 1] : 1, rows = cols > 0 ? (double)gr_tensor_numel(c) / cols : 1, stack = 1;
    for (int i = 0; other->rank > 2 && i < c->rank - 2; i++) stack *= (double)c->dim[i];
    if (stack > 0) rows /= stack;
    const double share = rows >= MANY_ROWS ? 1 : (rows - 1) / (MANY_ROWS - 1), sum = flops > 0 ? flops / (2 * (double)gr_tensor_numel(c)) : 1;
    const gr_dtype kept = is_read(t, PACKED - 1) ? other->dtype : t->in[PACKED].tensor.dtype;
    const double row = k->row_gflops * (gr_dtype_size(kept) < sizeof(float) ? HALF_ROW : 1);
    double each = 1 / (row + share * (k->gflops - row)), begin = 1 / k->short_gflops - 1 / k->gflops;
    if (begin > 0) each += begin * GR_SHORT_SUM / sum;
    if (cols > PANEL || rows >= MANY_ROWS) flops *= ceil(cols / PANEL) * PANEL / cols;
    return flops * s->real * each + product_calls(t, stack) * k->product_ns;
}

static double op_ns(gr_arena *a, const scale *s, const gr_template *t, const moved *m)
{
    const gr_op *op = t->node->op;
    gr_call call;
    gr_tensor *in = gr_arena_array(a, (size_t)(t->num_in + t->num_out + 2), sizeof *in);
    gr_template_call(t, &call, in, in + t->num_in + 1);
    double flops = op->flops ? op->flops(&call) : (t->num_out ? (double)gr_tensor_numel(&call.out[0]) : 0);
    if (gr_is_product(t)) {
        const double ns = product_ns(s, t, &call, flops);
        return m->packing + (ns > m->ns ? ns : m->ns);
    }
    return m->ns + (t->units > 1 ? (double)t->units : 0) * UNIT + flops * s->c->simple_ns * s->real;
}

static double template_ns(gr_arena *a, const scale *s, const gr_template *t, const moved *m)
{
    const bool op = t->kind == GR_TASK_KERNEL || t->kind == GR_TASK_PRODUCT;
    return s->c->call_ns + (op ? op_ns(a, s, t, m) : m->ns + astray_ns(t)) + (t->tape ? tape_ns(s, t) : 0);
}

/* Passes the items of a step: the first time to learn what is touched when. */
static void pass_step(const gr_program *p, const scale *s, reuse *r, bool weigh)
{
    for (int first = 0, last; first < p->num_templates; first = last) {
        const int loop = p->templates[first].loop;
        last = loop >= 0 ? p->loops[gr_loop_below(p, loop, -1)].last : first + 1;
        r->clock += bytes_of_item(p, first, last);
        for (int t = first; weigh && t < last; t++) {
            const moved m = operands_ns(s, p, r, t);
            p->templates[t].cost = template_ns(p->arena, s, &p->templates[t], &m);
        }
        for (int t = first; t < last; t++)
            for (int i = 0; i < count_operands(&p->templates[t]); i++)
                if (touched(&p->templates[t], i)) r->last[touched(&p->templates[t], i)->buffer] = r->clock;
    }
}

void gr_program_weigh(gr_program *p, const gr_costs *c, size_t l2_bytes, size_t l3_bytes)
{
    const scale s = {c, l2_bytes ? (double)l2_bytes : 512e3, l3_bytes ? (double)l3_bytes : 8e6, p->real == GR_FLOAT64 ? 2 : 1};
    reuse r = {.each = GR_NEW_ARRAY(p->arena, double, p->num_loops + 1), .last = GR_NEW_ARRAY(p->arena, double, p->num_buffers + 1)};
    r.most = (double)(p->arena_bytes + p->state_bytes + p->feed_bytes + p->constant_bytes + p->result_bytes);
    count_each(p, r.each);
    pass_step(p, &s, &r, false);
    pass_step(p, &s, &r, true);
}

double gr_program_ns(const gr_program *p)
{
    double sum = 0;
    for (int i = 0; i < p->num_templates; i++) sum += gr_iterations(p, p->templates[i].loop) * p->templates[i].cost;
    return sum;
}
