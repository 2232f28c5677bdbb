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

void op_mask_causal(op_mask *m, int64_t queries, int64_t keys)
{
    m->causal = true;
    m->queries = queries, m->keys = keys;
}

/* What of m is bool. */
static gr_val hidden(gr_ctx *c, const op_mask *m)
{
    if (!m->causal) return m->hide;
    gr_val i = gr_emit(c, "Arange", "row", 0, NULL, "end=%" PRId64, m->queries);
    gr_val j = gr_emit(c, "Arange", "column", 0, NULL, "end=%" PRId64, m->keys);
    return either(c, m->hide, gr_emit2(c, "Greater", j, op_unsqueeze(c, i, -1)));
}

gr_val op_mask_apply(gr_ctx *c, const op_mask *m, gr_val scores)
{
    gr_val in[2] = {m->bias ? gr_emit2(c, "Add", scores, m->bias) : scores, hidden(c, m)};
    return in[1] ? gr_emit(c, "MaskedFill", NULL, 2, in, "value=-inf") : in[0];
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
    const char *axis = of->axis[first ? 0 : of->rank - 2];
    gr_val real = gr_emit(c, "LengthMask", "real", 1, &lengths, "size=%" PRId64 ", axis=%s", size, axis ? axis : "~");
    if (rows == 0) return real;
    int64_t dims[GR_MAX_RANK];
    for (int i = 0; i < rows; i++) dims[i] = i + 1;
    dims[rows] = 0;
    return gr_emit(c, "Permute", NULL, 1, &real, "dims=%s", op_ints(c, rows + 1, dims));
}

/* ---- where steps stand ---- */

/* The order of axes that brings axis `dim` before the last one, or (back) from there. */
static gr_val move_steps(gr_ctx *c, gr_val v, int dim, bool back)
{
    int rank = gr_type_of(c, v)->rank, at = rank + dim, n = 0;
    int64_t order[GR_MAX_RANK], inverse[GR_MAX_RANK];
    if (dim == -2) return v;
    for (int i = 0; i < rank - 1; i++)
        if (i != at) order[n++] = i;
    order[n++] = at, order[n] = rank - 1;
    for (int i = 0; i < rank; i++) inverse[order[i]] = i;
    return gr_emit(c, "Permute", NULL, 1, &v, "dims=%s", op_ints(c, rank, back ? inverse : order));
}

gr_val op_steps_last(gr_ctx *c, gr_val v, int dim) { return move_steps(c, v, dim, false); }
gr_val op_steps_back(gr_ctx *c, gr_val v, int dim) { return move_steps(c, v, dim, true); }

/* ---- the attention itself ---- */

/* With fewer queries or keys than this the products are too small for tiles to pay. A model that is run piece by piece
 * takes Attend, which knows how, for pieces of any length alike, or each would have states of its own. */
enum { FEW = 16 };

/* Whether a mask leaves the scores' leading axes, those of a query [..., width] with steps on axis `at`, as they are. */
static bool keeps_batch(gr_ctx *c, gr_val mask, const gr_type *query, int at)
{
    if (!mask) return true;
    const gr_type *t = gr_type_of(c, mask);
    bool fits = t->rank <= query->rank;
    for (int i = 0; fits && i < t->rank - 2; i++) {
        int axis = query->rank - t->rank + i; /* of the scores; the steps are not where theirs are */
        fits = t->dim[i] == 1 || t->dim[i] == query->dim[axis < at ? axis : axis + 1];
    }
    return fits;
}

static bool is_worth_tiles(gr_ctx *c, const op_attention *a)
{
    if (!a->query) return false;
    const gr_type *q = gr_type_of(c, a->query), *k = gr_type_of(c, a->key), *v = gr_type_of(c, a->value);
    int at = q->rank + a->dim;
    bool alike = k->rank == q->rank && v->rank == q->rank;
    for (int i = 0; alike && i < q->rank - 1; i++) alike = i == at || (k->dim[i] == q->dim[i] && v->dim[i] == q->dim[i]);
    alike = alike && keeps_batch(c, a->mask.hide, q, at) && keeps_batch(c, a->mask.bias, q, at);
    bool training = gr_is_training(c), few = k->dim[at] < FEW || (training && q->dim[at] < FEW);
    return alike && (!few || (a->mask.causal && !training));
}

/* v with axes of length 1 in front, so that it has `rank` axes. */
static gr_val with_leading(gr_ctx *c, gr_val v, int rank)
{
    int64_t dim[GR_MAX_RANK];
    if (!v) return NULL;
    const gr_type *t = gr_type_of(c, v);
    for (int i = 0; i < rank; i++) dim[i] = i < rank - t->rank ? 1 : t->dim[i - (rank - t->rank)];
    return op_reshape(c, v, rank, dim);
}

static gr_val in_tiles(gr_ctx *c, const op_attention *a)
{
    int rank = gr_type_of(c, a->query)->rank;
    double dropout = gr_is_training(c) ? a->dropout : 0;
    gr_val in[5] = {a->query, a->key, a->value, with_leading(c, a->mask.hide, rank), with_leading(c, a->mask.bias, rank)};
    gr_val v = gr_emit(c, "Attend", "attend", 5, in, "dim=%d, scale=%.17g, is_causal=%s, safe=%s, dropout=%.17g", a->dim, a->scale,
                       a->mask.causal ? "true" : "false", a->safe ? "true" : "false", dropout);
    gr_draw_as(c, v, "dropout.mask"); /* as the weights do, should they be read */
    return v;
}

void op_attend(gr_ctx *c, op_attention *a)
{
    if (!a->dim) a->dim = -2;
    bool tiles = is_worth_tiles(c, a), masked = a->mask.hide || a->mask.bias || a->mask.causal;
    a->safe = a->safe && masked;
    if (tiles) a->output = in_tiles(c, a);
    if (!a->scores) {
        gr_val in[2] = {op_scale(c, op_steps_last(c, a->query, a->dim), a->scale), op_steps_last(c, a->key, a->dim)};
        a->scores = gr_emit(c, "MatMul", "scores", 2, in, "transpose_b=true");
    }
    gr_val scores = op_mask_apply(c, &a->mask, a->scores);
    a->weights = gr_emit(c, "Softmax", "softmax", 1, &scores, "dim=-1, safe=%s", a->safe ? "true" : "false");
    if (a->dropout > 0) a->weights = gr_emit(c, "Dropout", "dropout", 1, &a->weights, "p=%.17g", a->dropout);
    if (tiles) return;
    gr_val in[2] = {a->weights, op_steps_last(c, a->value, a->dim)};
    a->output = op_steps_back(c, gr_emit(c, "MatMul", "mixed", 2, in, NULL), a->dim);
}
