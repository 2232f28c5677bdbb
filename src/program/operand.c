/* operand.c - addresses that are affine in the loop indices. */
#include "program/build.h"
#include <string.h>

/* More than any machine has, and so little that no sum of buffers overflows. */
#define MAX_BYTES ((int64_t)1 << 48)

int gr_add_buffer(gr_build *b, gr_buffer_kind kind, const char *name, const gr_type *slot, int64_t slots, int loop)
{
    gr_program *p = b->p;
    gr_buffer *buffer = GR_PUSH(b->a, p->buffers, p->num_buffers, b->cap_buffers);
    *buffer = (gr_buffer){.kind = kind, .name = name, .type = *slot, .slots = slots, .loop = loop};
    int64_t bytes = gr_type_elements(slot);
    bool fits = bytes >= 0 && !__builtin_mul_overflow(bytes, slots * (int64_t)gr_dtype_size(slot->dtype), &bytes) &&
                bytes <= MAX_BYTES;
    if (!fits) b->too_large = name;
    buffer->bytes = fits ? (size_t)(gr_numel(slot) * slots) * gr_dtype_size(slot->dtype) : 0;
    buffer->bytes = (buffer->bytes + 63) / 64 * 64;
    return p->num_buffers - 1;
}

gr_operand gr_operand_dense(int buffer, const gr_type *t)
{
    return (gr_operand){.buffer = buffer, .tensor = gr_tensor_over(NULL, t)};
}

static bool same_loops(const gr_operand *a, const gr_operand *b)
{
    for (int l = 0; l < GR_MAX_LOOPS; l++)
        if (a->stride[l] != b->stride[l] || a->ring[l] != b->ring[l] || a->ring_shift[l] != b->ring_shift[l])
            return false;
    return true;
}

bool gr_operand_same(const gr_operand *a, const gr_operand *b)
{
    if (a->buffer != b->buffer || a->offset != b->offset || !same_loops(a, b)) return false;
    const gr_tensor *x = &a->tensor, *y = &b->tensor;
    if (x->dtype != y->dtype || x->rank != y->rank) return false;
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i] != y->dim[i]) return false;
        if (x->dim[i] > 1 && x->stride[i] != y->stride[i]) return false;
    }
    return true;
}

/* Widens [low, high] (both included) by steps 0 .. n-1 of `stride`. */
static void widen(int64_t *low, int64_t *high, int64_t stride, int64_t n)
{
    if (n < 2) return;
    if (stride > 0) *high += stride * (n - 1);
    else *low += stride * (n - 1);
}

bool gr_operand_bounds(const gr_operand *o, int from, const int64_t *count, int64_t *low, int64_t *high)
{
    int64_t first = o->offset, last = o->offset;
    for (int i = 0; i < o->tensor.rank; i++) {
        if (o->tensor.dim[i] == 0) return false;
        widen(&first, &last, o->tensor.stride[i], o->tensor.dim[i]);
    }
    for (int l = from; l < GR_MAX_LOOPS; l++) {
        if (count[l] == 0) return false;
        widen(&first, &last, o->stride[l], o->ring[l] > 0 ? o->ring[l] : count[l]);
    }
    int64_t size = (int64_t)gr_dtype_size(o->tensor.dtype);
    *low = first * size;
    *high = (last + 1) * size;
    return true;
}

bool gr_ranges_meet(int64_t xl, int64_t xh, int64_t yl, int64_t yh, int64_t s, int64_t most)
{
    if (s == 0) return xl < yh && yl < xh;
    if (s < 0) s = -s;
    int64_t above = xl - yh, e = above / s; /* s e > above where y reaches x from below ... */
    e = e * s > above ? e : e + 1;
    if (e < -most) e = -most;
    return e <= most && yl + s * e < xh; /* ... and the least such leaves it soonest */
}

int gr_loop_depth(const gr_program *p, int loop) { return loop < 0 ? -1 : p->loops[loop].depth; }

bool gr_loop_within(const gr_program *p, int inner, int outer)
{
    while (inner != outer && inner >= 0) inner = p->loops[inner].parent;
    return inner == outer;
}

int gr_loop_below(const gr_program *p, int inner, int outer)
{
    if (inner == outer) return -1;
    while (p->loops[inner].parent != outer) inner = p->loops[inner].parent;
    return inner;
}

int gr_loop_common(const gr_program *p, int a, int b)
{
    while (!gr_loop_within(p, b, a)) a = p->loops[a].parent;
    return a;
}

bool gr_touches(const gr_operand *o, int n, int buffer)
{
    for (int i = 0; i < n; i++)
        if (o[i].buffer == buffer) return true;
    return false;
}

bool gr_may_swap(const gr_template *t, const gr_template *u)
{
    for (int i = 0; i < t->num_out; i++)
        if (gr_touches(u->in, u->num_in, t->out[i].buffer) || gr_touches(u->out, u->num_out, t->out[i].buffer)) return false;
    for (int i = 0; i < t->num_in; i++)
        if (t->in[i].buffer >= 0 && gr_touches(u->out, u->num_out, t->in[i].buffer)) return false;
    return true;
}
