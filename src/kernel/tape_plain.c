/* tape_plain.c - what every instruction means, in plain C with libm; and an interpreter that goes
 * element by element, which tests hold the fast one against.
 *
 * Arithmetic is done in double and rounded once an instruction, so in float it is exact for
 * + - * / and sqrt (a double holds more than twice a float's bits). */
#include "kernel/tape.h"
#include "base/tensor.h"
#include <math.h>

double gr_tape_plain(gr_tape_op op, double x, double y, double z)
{
    switch (op) {
    case GR_TAPE_COPY: return x;
    case GR_TAPE_ADD: return x + y;
    case GR_TAPE_SUB: return x - y;
    case GR_TAPE_MUL: return x * y;
    case GR_TAPE_DIV: return x / y;
    case GR_TAPE_FMA: return fma(x, y, z);
    case GR_TAPE_POW: return pow(x, y);
    case GR_TAPE_MAXIMUM: return x != x ? x : y != y ? y : x > y ? x : y;
    case GR_TAPE_MINIMUM: return x != x ? x : y != y ? y : x < y ? x : y;
    case GR_TAPE_NEG: return -x;
    case GR_TAPE_ABS: return fabs(x);
    case GR_TAPE_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
    case GR_TAPE_EXP: return exp(x);
    case GR_TAPE_LOG: return log(x);
    case GR_TAPE_LOG1P: return log1p(x);
    case GR_TAPE_EXPM1: return expm1(x);
    case GR_TAPE_SQRT: return sqrt(x);
    case GR_TAPE_RSQRT: return 1 / sqrt(x);
    case GR_TAPE_RECIPROCAL: return 1 / x;
    case GR_TAPE_SIN: return sin(x);
    case GR_TAPE_COS: return cos(x);
    case GR_TAPE_ERF: return erf(x);
    case GR_TAPE_TANH: return tanh(x);
    case GR_TAPE_SIGMOID: return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    case GR_TAPE_FLOOR: return floor(x);
    case GR_TAPE_CEIL: return ceil(x);
    case GR_TAPE_ROUND: return rint(x);
    case GR_TAPE_EQUAL: return x == y;
    case GR_TAPE_NOT_EQUAL: return x != y;
    case GR_TAPE_LESS: return x < y;
    case GR_TAPE_LESS_EQUAL: return x <= y;
    case GR_TAPE_LOGICAL_AND: return x != 0 && y != 0;
    case GR_TAPE_LOGICAL_OR: return x != 0 || y != 0;
    case GR_TAPE_LOGICAL_NOT: return x == 0;
    case GR_TAPE_WHERE: return x != 0 ? y : z;
    case GR_TAPE_NONE:
    case GR_TAPE_NUM_OPS: break;
    }
    return NAN;
}

/* As a tape stores: integers are cut off to 32 bits, NaN is 0. */
static void store(const gr_tensor *t, int64_t offset, double x)
{
    if (t->dtype == GR_INT32) x = x != x ? 0 : fmax(fmin(x, INT32_MAX), INT32_MIN);
    gr_put_element(t->data, t->dtype, offset, x);
}

static int64_t offset_of(const gr_tape_run *r, const gr_tensor *t, int64_t index)
{
    int64_t offset = 0;
    for (int d = r->rank - 1; d >= 0; d--) {
        offset += index % r->dim[d] * t->stride[d];
        index /= r->dim[d];
    }
    return offset;
}

void gr_tape_exec_plain(const gr_tape_run *r, int64_t begin, int64_t end)
{
    const gr_tape *t = r->tape;
    const bool narrow = r->real == GR_FLOAT32;
    double reg[GR_TAPE_MAX_REGS] = {0};
    for (int64_t e = begin; e < end; e++) {
        for (int i = 0; i < t->num_const; i++)
            reg[t->const_reg[i]] = narrow ? (double)(float)t->value[i] : t->value[i];
        for (int i = 0; i < t->num_in; i++) {
            const double x = gr_element(r->in[i].data, r->in[i].dtype, offset_of(r, &r->in[i], e));
            reg[t->in_reg[i]] = narrow ? (double)(float)x : x;
        }
        for (int k = 0; k < t->num_ins; k++) {
            const gr_tape_ins *c = &t->ins[k];
            const int arity = gr_tape_op_arity((gr_tape_op)c->op);
            const double x = gr_tape_plain((gr_tape_op)c->op, reg[c->x], arity > 1 ? reg[c->y] : 0, arity > 2 ? reg[c->z] : 0);
            reg[c->dst] = narrow ? (double)(float)x : x;
        }
        for (int i = 0; i < t->num_out; i++)
            store(&r->out[i], offset_of(r, &r->out[i], e), reg[t->out_reg[i]]);
    }
}
