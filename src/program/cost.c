/* cost.c - what a template costs on one core.
 *
 *     call + bytes / bandwidth + { product   flops / rate(rows)
 *                                { kernel    units * begin + operations * each
 *                                { tape      elements * (operands * access + instructions)
 *
 * Bandwidth is that of the smallest cache that holds what one call touches. A product with an
 * epilogue has both its terms. */
#include "program/cost.h"
#include "program/build.h"
#include <string.h>

const gr_costs gr_builtin_costs = {.call_ns = 90, .gflops = 60, .row_gflops = 25, .simple_ns = 0.1, .divide_ns = 0.3,
                                   .vector_ns = 0.8, .access_ns = 0.08, .l2_bytes_ns = 50, .l3_bytes_ns = 25,
                                   .memory_bytes_ns = 12, .wait_ns = 300};

#define PACKED 2       /* the input of a product that is its second operand, packed */
#define MANY_ROWS 8    /* that keep the multipliers busy */
/* Nanoseconds of a kernel that is no product: for a unit (a row), for one operation in it. */
#define UNIT 100
#define OPERATION 0.15

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

static double elements(const gr_tensor *t)
{
    double n = 1;
    for (int i = 0; i < t->rank; i++) n *= (double)t->dim[i];
    return n;
}

static double bytes_of(const gr_operand *o, int n)
{
    double bytes = 0;
    for (int i = 0; i < n; i++)
        if (o[i].buffer >= 0) bytes += elements(&o[i].tensor) * (double)gr_dtype_size(o[i].tensor.dtype);
    return bytes;
}

static double moving_ns(const scale *s, double bytes)
{
    if (bytes <= s->l2 / 2) return bytes / s->c->l2_bytes_ns;
    return bytes / (bytes <= s->l3 / 2 ? s->c->l3_bytes_ns : s->c->memory_bytes_ns);
}

static double tape_ns(const scale *s, const gr_template *t)
{
    double each = s->c->access_ns * (t->num_in + t->num_out);
    for (int i = 0; i < t->tape->num_ins; i++) each += instruction_ns(s->c, t->tape->ins[i].op);
    return each * elements(&t->out[0].tensor) * s->real;
}

/* Rows of the product: elements of its result that share a column. */
static double product_ns(const scale *s, const gr_call *call, double flops)
{
    const gr_tensor *c = &call->out[0];
    const double cols = c->rank > 0 ? (double)c->dim[c->rank - 1] : 1, rows = cols > 0 ? elements(c) / cols : 1;
    double share = rows >= MANY_ROWS ? 1 : (rows - 1) / (MANY_ROWS - 1);
    return flops * s->real / (s->c->row_gflops + share * (s->c->gflops - s->c->row_gflops));
}

static bool is_product(const gr_template *t)
{
    return (t->kind == GR_TASK_KERNEL || t->kind == GR_TASK_PRODUCT) && (t->node->op->traits & GR_CONTRACTION) && t->num_out > 0;
}

/* What one call touches. An operand that was packed ahead is read in that form alone. */
static double bytes_touched(const gr_template *t)
{
    const double bytes = bytes_of(t->in, t->num_in) + bytes_of(t->out, t->num_out);
    const bool packed = is_product(t) && t->node->op->prepack && t->num_in > PACKED && t->in[PACKED].buffer >= 0 &&
                        (t->kind == GR_TASK_KERNEL || t->node->product_inputs > PACKED);
    return packed ? bytes - bytes_of(&t->in[PACKED - 1], 1) : bytes;
}

static double op_ns(gr_arena *a, const scale *s, const gr_template *t)
{
    const gr_op *op = t->node->op;
    gr_call call;
    gr_tensor *in = gr_arena_array(a, (size_t)(t->num_in + t->num_out + 2), sizeof *in);
    gr_template_call(t, &call, in, in + t->num_in + 1);
    double flops = op->flops ? op->flops(&call) : (t->num_out ? elements(&call.out[0]) : 0);
    if (is_product(t)) return product_ns(s, &call, flops);
    return (t->units > 1 ? (double)t->units : 0) * UNIT + flops * OPERATION * s->real;
}

static double template_ns(gr_arena *a, const scale *s, const gr_template *t)
{
    double ns = s->c->call_ns + moving_ns(s, bytes_touched(t));
    if (t->kind == GR_TASK_KERNEL || t->kind == GR_TASK_PRODUCT) ns += op_ns(a, s, t);
    if (t->tape) ns += tape_ns(s, t);
    return ns;
}

void gr_program_weigh(gr_program *p, const gr_costs *c, size_t l2_bytes, size_t l3_bytes)
{
    const scale s = {c, l2_bytes ? (double)l2_bytes : 512e3, l3_bytes ? (double)l3_bytes : 8e6, p->real == GR_FLOAT64 ? 2 : 1};
    for (int i = 0; i < p->num_templates; i++) p->templates[i].cost = template_ns(p->arena, &s, &p->templates[i]);
}

double gr_program_ns(const gr_program *p)
{
    double sum = 0;
    for (int i = 0; i < p->num_templates; i++) sum += gr_iterations(p, p->templates[i].loop) * p->templates[i].cost;
    return sum;
}
