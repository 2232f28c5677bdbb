/* attention.c - masks, lengths and products of the attention ops. */
#include "attention.h"

#include <inttypes.h>
#include <string.h>

gr_val op_swap(gr_ctx *c, gr_val v, int dim0, int dim1)
{
    return gr_emit(c, "Transpose", NULL, 1, &v, "dim0=%d, dim1=%d", dim0, dim1);
}

gr_val op_unsqueeze(gr_ctx *c, gr_val v, int dim) { return gr_emit(c, "Unsqueeze", NULL, 1, &v, "dim=%d", dim); }

gr_val op_scale(gr_ctx *c, gr_val v, double factor)
{
    return factor == 1 ? v : gr_emit2(c, "Mul", v, op_number(c, factor));
}

int op_need_rank(gr_ctx *c, int port, int low, int high, const char *shape)
{
    const gr_type *t = gr_in_type(c, port);
    const char *name = gr_self(c)->inputs[port].name;
    if (op_need_float(c, port) < 0) return -1;
    if (t->rank == low || t->rank == high) return 0;
    return gr_fail(c, GR_AT_INPUT, name, "'%s' must be %s, but is %s", name, shape, op_type_text(c, t));
}

/* ---- masks ---- */

static gr_val either(gr_ctx *c, gr_val a, gr_val b) { return a ? gr_emit2(c, "LogicalOr", a, b) : b; }

int op_mask_add(gr_ctx *c, op_mask *m, const char *port, gr_val mask, bool true_looks)
{
    const gr_type *t = gr_type_of(c, mask);
    if (gr_is_float(t->dtype)) {
        m->bias = m->bias ? gr_emit2(c, "Add", m->bias, mask) : mask;
        return 0;
    }
    if (t->dtype != GR_BOOL)
        return gr_fail(c, GR_AT_INPUT, port, "'%s' must be bool (true: a query may %slook) or float (added to the scores), but is %s; "
                       "Cast converts", port, true_looks ? "" : "not ", op_type_text(c, t));
    m->hide = either(c, m->hide, true_looks ? gr_emit1(c, "LogicalNot", mask) : mask);
    return 0;
}

void op_mask_causal(gr_ctx *c, op_mask *m, int64_t queries, int64_t keys)
{
    gr_val i = gr_emit(c, "Arange", "row", 0, NULL, "end=%" PRId64, queries);
    gr_val j = gr_emit(c, "Arange", "column", 0, NULL, "end=%" PRId64, keys);
    m->hide = either(c, m->hide, gr_emit2(c, "Greater", j, op_unsqueeze(c, i, -1)));
}

gr_val op_mask_apply(gr_ctx *c, const op_mask *m, gr_val scores)
{
    gr_val in[2] = {m->bias ? gr_emit2(c, "Add", scores, m->bias) : scores, m->hide};
    return m->hide ? gr_emit(c, "MaskedFill", NULL, 2, in, "value=-inf") : in[0];
}

gr_val op_align(gr_ctx *c, gr_val v, int rank)
{
    const gr_type *t = gr_type_of(c, v);
    int64_t dim[GR_MAX_RANK];
    int n = 0;
    if (t->rank < 2 || t->rank >= rank) return v; /* as broadcasting has it */
    for (int i = 0; i < t->rank - 1; i++) dim[n++] = t->dim[i];
    while (n < rank - 1) dim[n++] = 1;
    dim[n++] = t->dim[t->rank - 1];
    return op_reshape(c, v, n, dim);
}

/* ---- lengths ---- */

gr_val op_real_keys(gr_ctx *c, const char *port, gr_val lengths, int rows, const gr_type *of, int first, int64_t size)
{
    const gr_type *t = gr_type_of(c, lengths);
    gr_type want = {.dtype = GR_INT32, .rank = rows};
    bool fits = t->dtype == GR_INT32 && t->rank == rows;
    for (int i = 0; i < rows; i++) {
        const char *name = want.axis[i] = of->axis[first + i];
        want.dim[i] = of->dim[first + i];
        fits = fits && t->dim[i] == want.dim[i] && (!name || !t->axis[i] || strcmp(name, t->axis[i]) == 0);
    }
    if (!fits) {
        gr_fail(c, GR_AT_INPUT, port, "'%s' must be %s, a length for each row of the batch, but is %s%s", port, op_type_text(c, &want),
                op_type_text(c, t), first ? "; inputs of [batch, time, ...] need batch_first: true" : "");
        return NULL;
    }
    gr_val real = gr_emit(c, "LengthMask", "real", 1, &lengths, "size=%" PRId64, size);
    if (rows == 0) return real;
    int64_t dims[GR_MAX_RANK];
    for (int i = 0; i < rows; i++) dims[i] = i + 1;
    dims[rows] = 0;
    return gr_emit(c, "Permute", NULL, 1, &real, "dims=%s", op_ints(c, rows + 1, dims));
}

/* ---- the attention itself ---- */

void op_attend(gr_ctx *c, op_attention *a)
{
    gr_val scores = op_mask_apply(c, &a->mask, a->scores);
    bool masked = a->mask.hide || a->mask.bias;
    a->weights = gr_emit(c, "Softmax", "softmax", 1, &scores, "dim=-1, safe=%s", a->safe && masked ? "true" : "false");
    if (a->dropout > 0) a->weights = gr_emit(c, "Dropout", "dropout", 1, &a->weights, "p=%.17g", a->dropout);
    gr_val in[2] = {a->weights, a->value};
    a->output = gr_emit(c, "MatMul", "mixed", 2, in, NULL);
}
