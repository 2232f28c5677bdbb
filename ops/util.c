/* util.c - what the built-in ops share. */
#include "util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int op_dim(gr_ctx *c, const char *attr, int64_t dim, int rank, int extra)
{
    int64_t places = rank + extra, d = dim < 0 ? dim + places : dim;
    if (d >= 0 && d < places) return (int)d;
    if (places == 0) return gr_fail(c, GR_AT_ATTR, attr, "%s=%" PRId64 ", but the input is a scalar and has no axes", attr, dim);
    return gr_fail(c, GR_AT_ATTR, attr, "%s=%" PRId64 ", but the input has %d axes: give %" PRId64 " to %" PRId64, attr,
                   dim, rank, -places, places - 1);
}

int op_dims(gr_ctx *c, const char *attr, int rank, int64_t dims[GR_MAX_RANK])
{
    const gr_attr *a = gr_get(c, attr);
    bool taken[GR_MAX_RANK] = {false};
    for (int64_t i = 0; a->present && i < a->n; i++) {
        int d = op_dim(c, attr, a->ints[i], rank, rank == 0); /* a scalar's dim 0 is that of its one element */
        if (d < 0) return -1;
        if (taken[d]) return gr_fail(c, GR_AT_ATTR, attr, "%s names axis %d twice", attr, d);
        taken[d] = true;
    }
    int n = 0;
    for (int d = 0; d < rank; d++)
        if (taken[d] || !a->present) dims[n++] = d - rank;
    gr_set_attr_ints(c, attr, n, dims);
    return n;
}

const char *op_text(gr_ctx *c, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = gr_alloc(c, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

const char *op_ints(gr_ctx *c, int64_t n, const int64_t *v)
{
    char *text = gr_alloc(c, (size_t)n * 23 + 3), *s = text;
    *s++ = '[';
    for (int64_t i = 0; i < n; i++) s += sprintf(s, "%s%" PRId64, i ? ", " : "", v[i]);
    strcpy(s, "]");
    return text;
}

const char *op_type_text(gr_ctx *c, const gr_type *t)
{
    static const char *const dtype[GR_NUM_DTYPES] = {"unknown", "float32", "float64", "int32", "bool", "bfloat16", "float16"};
    const char *text = op_text(c, "%s [", dtype[t->dtype]);
    for (int i = 0; i < t->rank; i++)
        text = op_text(c, "%s%s%s%s%" PRId64, text, i ? ", " : "", t->axis[i] ? t->axis[i] : "", t->axis[i] ? " " : "",
                       t->dim[i]);
    return op_text(c, "%s]", text);
}

int op_broadcast(const gr_type *a, const gr_type *b, gr_type *out)
{
    gr_type r = {.dtype = a->dtype, .rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 1; i <= r.rank; i++) {
        bool in_a = i <= a->rank, in_b = i <= b->rank;
        int64_t da = in_a ? a->dim[a->rank - i] : 1, db = in_b ? b->dim[b->rank - i] : 1;
        const char *na = in_a ? a->axis[a->rank - i] : NULL, *nb = in_b ? b->axis[b->rank - i] : NULL;
        if (da != db && da != 1 && db != 1) return -1;
        if (na && nb && da == db && strcmp(na, nb) != 0) return -1;
        r.dim[r.rank - i] = da == 1 ? db : da;
        r.axis[r.rank - i] = da != db ? (da == 1 ? nb : na) : na ? na : nb;
    }
    *out = r;
    return 0;
}

int op_need_float(gr_ctx *c, int port)
{
    const gr_type *t = gr_in_type(c, port);
    if (gr_is_float(t->dtype)) return 0;
    const char *name = gr_self(c)->inputs[port].name;
    return gr_fail(c, GR_AT_INPUT, name, "'%s' must be float, but is %s; Cast converts", name, op_type_text(c, t));
}

int op_need_int(gr_ctx *c, int port)
{
    const gr_type *t = gr_in_type(c, port);
    if (!gr_is_float(t->dtype)) return 0;
    const char *name = gr_self(c)->inputs[port].name;
    return gr_fail(c, GR_AT_INPUT, name, "'%s' must be integers, but is %s; Cast converts", name, op_type_text(c, t));
}

void op_explain_index(const gr_call *call, int64_t place, const char *port, int64_t index, int64_t n, const char *of)
{
    gr_call_explain(call, place, "%s holds %lld, but there are %lld %s, 0 to %lld", port, (long long)index, (long long)n, of, (long long)n - 1);
}

gr_val op_number(gr_ctx *c, double value)
{
    return gr_emit(c, "Fill", NULL, 0, NULL, "shape=[], value=%.17g", value);
}

gr_val op_reshape(gr_ctx *c, gr_val v, int rank, const int64_t *dim)
{
    const gr_type *t = gr_type_of(c, v);
    if (t->rank == rank && memcmp(t->dim, dim, sizeof *dim * (size_t)rank) == 0) return v;
    return gr_emit(c, "Reshape", NULL, 1, &v, "shape=%s", op_ints(c, rank, dim));
}

gr_val op_sum_to(gr_ctx *c, gr_val v, const gr_type *t)
{
    const gr_type *from = gr_type_of(c, v);
    int64_t dims[GR_MAX_RANK];
    int n = 0, extra = from->rank - t->rank;
    for (int i = 0; i < from->rank; i++)
        if (i < extra || (t->dim[i - extra] == 1 && from->dim[i] != 1)) dims[n++] = i - from->rank;
    if (n) v = gr_emit(c, "Sum", NULL, 1, &v, "dim=%s, keepdim=true", op_ints(c, n, dims));
    return op_reshape(c, v, t->rank, t->dim);
}

const gr_type *op_view_input(const gr_ctx *c)
{
    gr_ctx *open = (gr_ctx *)(uintptr_t)c;
    return gr_in_type(open, 0);
}

gr_val op_reduce_loss(gr_ctx *c, gr_val loss)
{
    const char *how = gr_string(c, "reduction");
    if (strcmp(how, "none") == 0) return loss;
    return gr_emit1(c, strcmp(how, "sum") == 0 ? "Sum" : "Mean", loss);
}

gr_val op_mean_loss(gr_ctx *c, gr_val loss, gr_val weight)
{
    gr_val count = gr_emit1(c, "Sum", weight), mean = gr_emit2(c, "Div", gr_emit1(c, "Sum", loss), count);
    gr_mean_of(c, mean, count, 0);
    return mean;
}

int64_t op_numel(const gr_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

op_lines op_lines_of(const gr_tensor *t, int64_t dim)
{
    op_lines l = {1, 1, 1};
    int d = (int)dim + t->rank;
    if (t->rank == 0) return l;
    l.n = t->dim[d];
    for (int i = 0; i < t->rank; i++) {
        if (i != d) l.count *= t->dim[i];
        if (i > d) l.step *= t->dim[i];
    }
    return l;
}

int64_t op_line_start(const op_lines *l, int64_t line) { return line / l->step * l->step * l->n + line % l->step; }

void op_dense(int rank, const int64_t *dim, int64_t *stride)
{
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= dim[i];
    }
}

int64_t op_at(int64_t flat, int rank, const int64_t *dim, const int64_t *stride)
{
    int64_t at = 0;
    for (int i = rank - 1; i >= 0; i--) {
        at += flat % dim[i] * stride[i];
        flat /= dim[i];
    }
    return at;
}
