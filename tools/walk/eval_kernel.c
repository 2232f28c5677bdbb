/* eval_kernel.c - the interpreter's calls of kernels: outputs and scratch lie between guarded zones, so that what a
 * kernel writes beyond them is found, and inputs are compared with what they were. */
#include "eval_own.h"
#include "kernel/kernel.h"

#include <stdlib.h>
#include <string.h>

/* ---- guarded memory ---- */

enum { ZONE = 1024, GUARD = 0xa7 };    /* bytes before and behind; what they hold */
enum { FRESH = 0xff, OTHER = 0x5a }; /* what outputs and scratch hold before a call */

/*     | ZONE of GUARD | bytes of fill | ZONE of GUARD |        the second starts 64-byte aligned */
static void *guarded(gr_arena *a, size_t bytes, int fill)
{
    char *p = gr_arena_alloc(a, bytes + 2 * ZONE + 64);
    p += ZONE + (64 - (uintptr_t)p % 64) % 64;
    memset(p - ZONE, GUARD, ZONE);
    memset(p, fill, bytes);
    memset(p + bytes, GUARD, ZONE);
    return p;
}

/* The first byte from p on, or before it, that was written in the zones around `bytes`; false: none. */
static bool written_beyond(const void *data, size_t bytes, int64_t *at)
{
    const unsigned char *p = data;
    for (int64_t i = 0; i < ZONE; i++) {
        if (p[bytes + (size_t)i] != GUARD) return *at = (int64_t)bytes + i, true;
        if (p[-1 - i] != GUARD) return *at = -1 - i, true;
    }
    return false;
}

gr_tensor *eval_tensor(gr_arena *a, const gr_type *t, int fill)
{
    gr_tensor *r = GR_NEW(a, gr_tensor);
    int64_t step = 1;
    *r = (gr_tensor){.dtype = t->dtype, .rank = t->rank};
    memcpy(r->dim, t->dim, sizeof r->dim);
    for (int i = t->rank - 1; i >= 0; step *= t->dim[i--]) r->stride[i] = step;
    r->data = guarded(a, eval_bytes(r), fill);
    return r;
}

size_t eval_bytes(const gr_tensor *t) { return (size_t)eval_numel(t) * gr_dtype_size(t->dtype); }

/* ---- a call ---- */

static size_t scratch_bytes(const gr_node *n, const gr_call *c) { return n->op->scratch ? n->op->scratch(c) : 0; }

gr_call eval_call(gr_eval *e, const gr_node *n, int num_in)
{
    gr_tensor *in = GR_NEW_ARRAY(e->run, gr_tensor, num_in + 1);
    gr_tensor *out = GR_NEW_ARRAY(e->run, gr_tensor, n->num_out + 1);
    for (int i = 0; i < num_in; i++)
        if (n->in[i]) in[i] = *eval_held(n->in[i]);
    for (int i = 0; i < n->num_out; i++) out[i] = *eval_held(n->out[i]);
    gr_call c = {.size = sizeof c, .attr = n->attr, .in = in, .port = n->port, .out = out, .num_in = num_in,
                 .num_out = n->num_out, .math = gr_math_get()};
    int64_t rows = 1;
    for (int i = 0; i < n->outer_axes; i++) rows *= n->out[0]->type.dim[i];
    c.random = (gr_random){{eval_mix(e->seed + 0x9e3779b97f4a7c15u) ^ eval_mix(n->path), eval_mix((uint64_t)e->step + 0x9e3779b97f4a7c15u)},
                           (uint64_t)(e->row * rows), rows};
    return c;
}

static void give_scratch(gr_eval *e, const gr_node *n, gr_call *c, int fill) { c->scratch = guarded(e->run, scratch_bytes(n, c), fill); }

void eval_give_scratch(gr_eval *e, const gr_node *n, gr_call *c) { give_scratch(e, n, c, FRESH); }

static gr_dtype kernel_dtype(const gr_call *c)
{
    for (int i = 0; i < c->num_out; i++)
        if (gr_is_float(c->out[i].dtype)) return c->out[i].dtype;
    for (int i = 0; i < c->num_in; i++)
        if (gr_is_float(c->in[i].dtype)) return c->in[i].dtype;
    return c->num_out ? c->out[0].dtype : GR_UNKNOWN;
}

/* Output 0 becomes what input 0 holds, and is read in its place. */
static void read_output(const gr_node *n, gr_call *c)
{
    gr_tensor *in = (gr_tensor *)(uintptr_t)&c->in[0];
    if (!(n->op->traits & GR_INPLACE) || !n->num_in || !n->in[0] || !n->num_out || !gr_type_equal(&n->in[0]->type, &n->out[0]->type)) return;
    memcpy(c->out[0].data, in->data, eval_bytes(in));
    in->data = c->out[0].data;
}

/* ---- what a kernel may not write ---- */

/* The name of the port that has the i-th tensor, where a variadic port ends the list. */
static const char *port_of(const gr_port *p, int i)
{
    while (p->name && p[1].name && i > 0 && !(p->flags & GR_PORT_VARIADIC)) p++, i--;
    return p->name;
}

static const char *input_of(const gr_node *n, int i)
{
    int p = 0;
    while (n->op->inputs[p].name && n->port[p + 1] <= i) p++;
    return n->op->inputs[p].name;
}

/* The element that holds a byte, which may be before the first. */
static long long element(int64_t byte, gr_dtype t)
{
    const int64_t size = (int64_t)gr_dtype_size(t);
    return byte < 0 ? (long long)(-1 - (-1 - byte) / size) : (long long)(byte / size);
}

static int outputs_kept(gr_eval *e, const gr_node *n, const gr_call *c)
{
    int64_t at;
    for (int i = 0; i < c->num_out; i++)
        if (written_beyond(c->out[i].data, eval_bytes(&c->out[i]), &at))
            return eval_refuse(e, "%s writes beyond output `%s`, element %lld of %lld", n->op->name, port_of(n->op->outputs, i),
                               element(at, c->out[i].dtype), (long long)eval_numel(&c->out[i]));
    if (!written_beyond(c->scratch, scratch_bytes(n, c), &at)) return 0;
    return eval_refuse(e, "%s writes beyond its scratch, byte %lld of %zu", n->op->name, (long long)at, scratch_bytes(n, c));
}

/* before: copies of the inputs. */
static int inputs_kept(gr_eval *e, const gr_node *n, const gr_call *c, void *const *before)
{
    for (int i = 0; i < c->num_in; i++) {
        const char *was = before[i], *is = c->in[i].data;
        size_t bytes = was ? eval_bytes(&c->in[i]) : 0, at = 0;
        while (at < bytes && was[at] == is[at]) at++;
        if (at < bytes) return eval_refuse(e, "%s writes to its input `%s`, element %lld of %lld", n->op->name, input_of(n, i),
                                           element((int64_t)at, c->in[i].dtype), (long long)eval_numel(&c->in[i]));
    }
    return 0;
}

/* Copies of the inputs, but for one that output 0 lies over. */
static void **copies(gr_eval *e, const gr_call *c)
{
    void **copy = GR_NEW_ARRAY(e->run, void *, c->num_in + 1);
    for (int i = 0; i < c->num_in; i++)
        if (c->in[i].data && !(c->num_out && c->in[i].data == c->out[0].data)) copy[i] = gr_arena_copy(e->run, c->in[i].data, eval_bytes(&c->in[i]));
    return copy;
}

/* ---- calling it ---- */

/* In two calls, the last units first: no unit may depend on another. */
static void call_in_two(const gr_kernel *k, gr_call c, int64_t units)
{
    c.begin = units / 2, c.end = units;
    k->run(&c);
    c.begin = 0, c.end = units / 2;
    if (c.end) k->run(&c);
}

static void call_whole(const gr_kernel *k, gr_call c, int64_t units)
{
    c.begin = 0, c.end = units;
    k->run(&c);
}

/* Outputs of the same call in other memory, every byte of them `fill` before, likewise the scratch. */
static gr_call again(gr_eval *e, const gr_node *n, const gr_call *c, int fill)
{
    gr_call other = *c;
    gr_tensor *out = GR_NEW_ARRAY(e->run, gr_tensor, c->num_out + 1);
    for (int i = 0; i < c->num_out; i++) out[i] = *eval_tensor(e->run, &n->out[i]->type, fill);
    other.out = out;
    give_scratch(e, n, &other, fill);
    return other;
}

/* The first element that differs, of which output; false: none. */
static bool differs(const gr_call *x, const gr_call *y, int *output, int64_t *at)
{
    for (int i = 0; i < x->num_out; i++) {
        const size_t size = gr_dtype_size(x->out[i].dtype);
        const char *a = x->out[i].data, *b = y->out[i].data;
        for (int64_t k = 0; k < eval_numel(&x->out[i]); k++)
            if (memcmp(a + size * (size_t)k, b + size * (size_t)k, size) != 0) return *output = i, *at = k, true;
    }
    return false;
}

static bool is_filled(const gr_tensor *t, int64_t at, int fill)
{
    const size_t size = gr_dtype_size(t->dtype);
    const unsigned char *p = (const unsigned char *)t->data + size * (size_t)at;
    for (size_t i = 0; i < size; i++)
        if (p[i] != fill) return false;
    return true;
}

/* The call once more as it was, with all units at once, and where other bytes were before: the same bits. */
static int look_again(gr_eval *e, const gr_node *n, const gr_kernel *k, const gr_call *c, int64_t units)
{
    const gr_call same = again(e, n, c, FRESH), whole = again(e, n, c, FRESH), other = again(e, n, c, OTHER);
    const char *why = NULL;
    int o;
    int64_t at;
    call_in_two(k, same, units);
    call_whole(k, whole, units);
    call_in_two(k, other, units);
    if (differs(c, &same, &o, &at)) why = "is another when the kernel is called again: it keeps something between calls";
    else if (differs(c, &whole, &o, &at)) why = "depends on which units a call has";
    else if (differs(c, &other, &o, &at))
        why = is_filled(&c->out[o], at, FRESH) && is_filled(&other.out[o], at, OTHER) ? "was never written" : "depends on what output and scratch held before the call";
    return why ? eval_refuse(e, "%s: output `%s`[%lld] %s", n->op->name, port_of(n->op->outputs, o), (long long)at, why) : 0;
}

int eval_kernel(gr_eval *e, gr_node *n)
{
    gr_call c = eval_call(e, n, n->num_in);
    const gr_dtype dtype = kernel_dtype(&c);
    const gr_kernel *k = n->op->kernels;
    while (k && k->run && k->dtype != dtype) k++;
    if (!k || !k->run) return eval_refuse(e, "%s has no kernel for %s%s", n->op->name, gr_dtype_name(dtype), dtype == GR_FLOAT64 ? ", which checking gradients needs" : "");
    const int64_t units = n->op->units ? n->op->units(&c) : 1;
    eval_give_scratch(e, n, &c);
    if (e->in_place) read_output(n, &c);
    void **before = copies(e, &c);
    call_in_two(k, c, units);
    if (inputs_kept(e, n, &c, before) < 0 || outputs_kept(e, n, &c) < 0) return -1;
    return e->doubting && !e->in_place ? look_again(e, n, k, &c, units) : 0;
}
