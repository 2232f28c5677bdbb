/* inplace.c - outputs that take the memory of an input that ends there.
 *
 * After unroll every output has memory of its own. Here three kinds of it go away where
 * the writer reads the old value element by element at the very place it writes:
 *
 *     a state's next     written into the state, if nothing reads the state later
 *     a ring of 2 slots  becomes 1 slot
 *     a temporary        takes its last reader's output
 *
 * Right for the sequential program; conflict.c then orders everything else around it. */
#include "program/build.h"
#include <string.h>

static bool same_layout(const gr_operand *a, const gr_operand *b)
{
    gr_operand x = *a, y = *b;
    y.buffer = x.buffer;
    memset(x.ring_shift, 0, sizeof x.ring_shift);
    memset(y.ring_shift, 0, sizeof y.ring_shift);
    return gr_operand_same(&x, &y);
}

/* May output `out` of t lie over `buffer`, as t reads it? */
static bool reads_in_place(const gr_template *t, int buffer, const gr_operand *out)
{
    for (int i = 0; i < t->num_in; i++) {
        if (t->in[i].buffer != buffer) continue;
        if (!same_layout(&t->in[i], out)) return false;
        if (t->kind == GR_TASK_PRODUCT && i < t->node->product_inputs) return false;
        bool over = (t->node && (t->node->op->traits & GR_INPLACE)) && i == 0 && out == &t->out[0];
        if (t->kind == GR_TASK_KERNEL && !over) return false;
    }
    return true;
}

static gr_operand *output_on(const gr_template *t, int buffer)
{
    for (int i = 0; i < t->num_out; i++)
        if (t->out[i].buffer == buffer) return &t->out[i];
    return NULL;
}

/* The only template that writes the buffer (in `within`, that all its writers in that loop
 * must stand directly in), -1: none or several. */
static int only_writer(const gr_program *p, int buffer, int within)
{
    int found = -1;
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        if (!gr_loop_within(p, x->loop, within) || !output_on(x, buffer)) continue;
        if (found >= 0 || x->loop != within) return -1;
        found = t;
    }
    return found;
}

static void rename_operands(gr_operand *o, int n, int from, int to)
{
    for (int i = 0; i < n; i++)
        if (o[i].buffer == from) o[i].buffer = to;
}

static void rename_buffer(gr_program *p, int from, int to)
{
    for (int t = 0; t < p->num_templates; t++) {
        rename_operands(p->templates[t].in, p->templates[t].num_in, from, to);
        rename_operands(p->templates[t].out, p->templates[t].num_out, from, to);
    }
    for (int r = 0; r < p->num_results; r++) rename_operands(&p->results[r].at, 1, from, to);
    p->buffers[from].bytes = 0;
}

/* ---- states --------------------------------------------------------------- */

static bool state_in_place(const gr_program *p, const gr_commit *c, int writer)
{
    const gr_template *w = &p->templates[writer];
    const gr_operand *out = output_on(w, p->templates[c->copy].in[0].buffer);
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        if (t == c->copy) continue;
        if (output_on(x, c->state)) return false;
        if (t > writer && gr_touches(x->in, x->num_in, c->state)) return false;
    }
    return reads_in_place(w, c->state, out);
}

static void share_state(gr_program *p, const gr_commit *c)
{
    gr_template *copy = &p->templates[c->copy];
    int next = copy->in[0].buffer;
    const gr_buffer *b = &p->buffers[next];
    bool whole = same_layout(&copy->in[0], &copy->out[0]) && b->slots == 1 && gr_type_equal(&b->type, &p->buffers[c->state].type);
    if (b->kind != GR_BUFFER_ARENA || b->loop != -1 || !whole) return;
    int writer = only_writer(p, next, -1);
    if (writer < 0 || !state_in_place(p, c, writer)) return;
    copy->num_in = copy->num_out = 0;
    copy->units = 0;
    rename_buffer(p, next, c->state);
}

/* ---- rings ---------------------------------------------------------------- */

static bool ring_in_place(const gr_program *p, const gr_ring *r, int writer)
{
    const gr_template *w = &p->templates[writer];
    const gr_operand *out = output_on(w, r->buffer);
    int depth = p->loops[r->loop].depth;
    for (int t = p->loops[r->loop].first; t < p->loops[r->loop].last; t++)
        for (int i = 0; i < p->templates[t].num_in; i++) {
            const gr_operand *o = &p->templates[t].in[i];
            if (o->buffer == r->buffer && o->ring_shift[depth] == 0 && t > writer) return false;
            if (o->buffer == r->buffer && o->ring_shift[depth] == 1 && t <= writer) return false;
        }
    return reads_in_place(w, r->buffer, out);
}

static void flatten_ring(gr_operand *o, int n, const gr_ring *r, int depth, int64_t slot)
{
    for (int i = 0; i < n; i++) {
        if (o[i].buffer != r->buffer) continue;
        o[i].ring[depth] = o[i].ring_shift[depth] = 0;
        o[i].stride[depth] = 0;
        if (o[i].offset >= slot) o[i].offset -= slot;
    }
}

static void share_ring(gr_program *p, const gr_ring *r)
{
    gr_buffer *b = &p->buffers[r->buffer];
    int writer = only_writer(p, r->buffer, r->loop), depth = p->loops[r->loop].depth;
    if (writer < 0 || b->slots != 2 || !ring_in_place(p, r, writer)) return;
    int64_t slot = gr_numel(&b->type);
    for (int t = 0; t < p->num_templates; t++) {
        flatten_ring(p->templates[t].in, p->templates[t].num_in, r, depth, slot);
        flatten_ring(p->templates[t].out, p->templates[t].num_out, r, depth, slot);
    }
    for (int i = 0; i < p->num_results; i++) flatten_ring(&p->results[i].at, 1, r, depth, slot);
    b->slots = 1;
    b->bytes = ((size_t)slot * gr_dtype_size(b->type.dtype) + 63) / 64 * 64;
}

/* ---- temporaries ---------------------------------------------------------- */

static bool is_temporary(const gr_program *p, int buffer, int loop)
{
    if (buffer < 0) return false;
    const gr_buffer *b = &p->buffers[buffer];
    return b->kind == GR_BUFFER_ARENA && b->slots == 1 && b->loop == loop && b->bytes > 0;
}

static void share_temporary(gr_program *p, int t, int out)
{
    const gr_template *x = &p->templates[t];
    int to = x->out[out].buffer;
    if (!is_temporary(p, to, x->loop) || p->buffers[to].first != t) return;
    for (int i = 0; i < x->num_in; i++) {
        int from = x->in[i].buffer;
        if (from == to || !is_temporary(p, from, x->loop) || p->buffers[from].last != t) continue;
        if (p->buffers[from].bytes != p->buffers[to].bytes || output_on(x, from)) continue;
        if (!reads_in_place(x, from, &x->out[out])) continue;
        p->buffers[from].last = p->buffers[to].last;
        rename_buffer(p, to, from);
        return;
    }
}

/* ---- all ------------------------------------------------------------------ */

static void drop_empty(gr_program *p)
{
    int n = 0;
    int *kept = gr_arena_array(p->arena, (size_t)p->num_templates + 1, sizeof *kept);
    for (int t = 0; t < p->num_templates; t++) {
        kept[t] = n;
        if (p->templates[t].units > 0) p->templates[n++] = p->templates[t];
    }
    kept[p->num_templates] = n;
    for (int l = 0; l < p->num_loops; l++) {
        p->loops[l].first = kept[p->loops[l].first];
        p->loops[l].last = kept[p->loops[l].last];
    }
    p->num_templates = n;
}

void gr_share_in_place(gr_build *b)
{
    gr_program *p = b->p;
    for (int i = 0; i < b->num_commits; i++) share_state(p, &b->commits[i]);
    for (int i = 0; i < b->num_rings; i++) share_ring(p, &b->rings[i]);
    drop_empty(p);
    gr_plan_lifetimes(p);
    for (int t = 0; t < p->num_templates; t++)
        for (int o = 0; o < p->templates[t].num_out; o++) share_temporary(p, t, o);
}
