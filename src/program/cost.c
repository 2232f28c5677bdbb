/* cost.c - what a template costs on one core.
 *
 * A model of three numbers: arithmetic, memory moved, and a fixed start. The figures are
 * of a common core (AVX2, 3 GHz) and choose only who computes what and when; bits never
 * depend on them. */
#include "program/build.h"
#include <string.h>

#define START_NS 60.0
#define GFLOPS 40.0        /* products, float */
#define BYTES_PER_NS 8.0

/* Nanoseconds for one element of an instruction, float. */
static double instruction_ns(int op)
{
    switch (op) {
    case GR_TAPE_POW: return 4.0;
    case GR_TAPE_SIN: case GR_TAPE_COS: return 3.0;
    case GR_TAPE_EXP: case GR_TAPE_LOG: case GR_TAPE_LOG1P: case GR_TAPE_EXPM1:
    case GR_TAPE_ERF: case GR_TAPE_TANH: case GR_TAPE_SIGMOID: return 0.9;
    case GR_TAPE_DIV: case GR_TAPE_SQRT: case GR_TAPE_RSQRT: case GR_TAPE_RECIPROCAL: return 0.5;
    default: return 0.12;
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

static double tape_ns(const gr_template *t)
{
    double each = 0.05 * (t->num_in + t->num_out);
    for (int i = 0; i < t->tape->num_ins; i++) each += instruction_ns(t->tape->ins[i].op);
    return each * elements(&t->out[0].tensor);
}

static double op_ns(gr_arena *a, const gr_template *t)
{
    const gr_op *op = t->node->op;
    gr_call call;
    gr_tensor *in = gr_arena_array(a, (size_t)(t->num_in + t->num_out + 2), sizeof *in);
    gr_template_call(t, &call, in, in + t->num_in + 1);
    double flops = op->flops ? op->flops(&call) : (t->num_out ? elements(&call.out[0]) : 0);
    return (op->traits & GR_CONTRACTION) ? flops / GFLOPS : flops;
}

double gr_template_cost(gr_arena *a, const gr_template *t, gr_dtype real)
{
    double ns = 0, memory = (bytes_of(t->in, t->num_in) + bytes_of(t->out, t->num_out)) / BYTES_PER_NS;
    if (t->kind == GR_TASK_KERNEL || t->kind == GR_TASK_PRODUCT) ns += op_ns(a, t);
    if (t->tape) ns += tape_ns(t);
    if (real == GR_FLOAT64) ns *= 2;
    return START_NS + (ns > memory ? ns : memory);
}
