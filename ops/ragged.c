/* ragged.c - leaving the padding of ragged batches out. */
#include "ragged.h"
#include "util.h"

#include <string.h>

static int lengths_port(gr_ctx *c)
{
    int p = 0;
    while (strcmp(gr_self(c)->inputs[p].name, "lengths") != 0) p++;
    return p;
}

static int check_lengths(gr_ctx *c, const gr_type *lengths, const char *name, const gr_type *t, int rows)
{
    const char *given = op_text(c, "lengths is %s, but '%s' is %s", op_type_text(c, lengths), name, op_type_text(c, t));
    bool first = rows == 0;
    if (lengths->dtype != GR_INT32) return gr_fail(c, GR_AT_INPUT, "lengths", "%s; lengths must be int32", given);
    if (t->rank < 2 || lengths->rank != 1)
        return gr_fail(c, GR_AT_INPUT, "lengths", "%s; lengths are [batch], those of the rows of %s", given,
                       first ? "[batch, time, ...]" : "[time, batch, ...]");
    const char *a = lengths->axis[0], *b = t->axis[rows];
    if (lengths->dim[0] == t->dim[rows] && (!a || !b || strcmp(a, b) == 0)) return 0;
    return gr_fail(c, GR_AT_INPUT, "lengths", "%s; with batch_first: %s its %s axis must be the batch, as that of lengths", given,
                   first ? "true" : "false", first ? "first" : "second");
}

int op_real_steps(gr_ctx *c, int port, gr_val *real)
{
    int p = lengths_port(c);
    *real = NULL;
    if (gr_count(c, p) == 0) return 0;
    bool first = gr_bool(c, "batch_first");
    const gr_type *t = gr_in_type(c, port);
    if (check_lengths(c, gr_in_type(c, p), gr_self(c)->inputs[port].name, t, first ? 0 : 1) < 0) return -1;
    gr_val lengths = gr_in(c, p);
    const char *axis = t->axis[first ? 1 : 0];
    *real = gr_emit(c, "LengthMask", "real", 1, &lengths, "size=%lld, axis=%s", (long long)t->dim[first ? 1 : 0], axis ? axis : "~");
    if (first) *real = gr_emit(c, "Transpose", NULL, 1, real, "dim0=0, dim1=1");
    return 0;
}

gr_val op_only_real(gr_ctx *c, gr_val real, gr_val v, gr_val other)
{
    if (!real) return v;
    const gr_type *t = gr_type_of(c, v), *r = gr_type_of(c, real);
    int64_t dim[GR_MAX_RANK];
    for (int i = 0; i < t->rank; i++) dim[i] = i < r->rank ? r->dim[i] : 1;
    if (!other) other = gr_emit(c, "Constant", NULL, 0, NULL, gr_is_float(t->dtype) ? "value=0.0" : "value=0");
    return gr_emit3(c, "Where", op_reshape(c, real, t->rank, dim), v, other);
}

gr_val op_count_real(gr_ctx *c, gr_val real, const gr_type *t)
{
    const gr_type *r = gr_type_of(c, real);
    int64_t each = 1;
    for (int i = r->rank; i < t->rank; i++) each *= t->dim[i];
    gr_val steps = gr_emit1(c, "Sum", gr_emit(c, "Cast", NULL, 1, &real, "dtype=float32"));
    return each == 1 ? steps : gr_emit2(c, "Mul", steps, op_number(c, (double)each));
}
