/* unroll.c - a graph becomes the sequential program: templates in a tree of loops.
 *
 * Every value gets a place: an operand, that is a buffer and an address affine in the
 * loop indices. A view's place is its input's under other strides, an arg's place is
 * what it stands for outside; both compute nothing.
 *
 * A value that a loop hands out or on is written at once where it must end ("wish"):
 *
 *     carry          ring of two slots   | i % 2 | (i + 1) % 2 |
 *     with history   [T + 1] slots       | init | after step 0 | ... | after step T - 1 |
 *                    (reverse: the same from the other end)
 *     stacked        [T] slots, or a part of the history where the value is the carry
 *
 * Only what cannot be (a value wanted in two places, an arg, a strided view) is copied. */
#include "program/unroll.h"
#include "graph/emit.h"
#include <string.h>

static int unroll_graph(unroller *u, gr_graph *g);

place *place_of(unroller *u, const gr_value *v)
{
    gr_value *value = (gr_value *)(uintptr_t)v;
    if (!value->mark) value->mark = GR_NEW(u->a, place);
    return value->mark;
}

static gr_operand *operand_copy(unroller *u, const gr_operand *o) { return gr_arena_copy(u->a, o, sizeof *o); }
static void put(unroller *u, const gr_value *v, gr_operand o) { place_of(u, v)->at = operand_copy(u, &o); }
static const gr_operand *at(unroller *u, const gr_value *v) { return place_of(u, v)->at; }

/* ---- readers -------------------------------------------------------------- */

static void clear_marks(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        for (int o = 0; o < g->nodes[i]->num_out; o++) g->nodes[i]->out[o]->mark = NULL;
        if (g->nodes[i]->scan) clear_marks(g->nodes[i]->scan->body);
    }
    for (int i = 0; i < g->num_args; i++) g->args[i]->mark = NULL;
    for (int i = 0; i < g->num_states; i++) g->states[i]->value->mark = NULL;
}

static bool takes_strides(const gr_node *n)
{
    return n->tape || n->op->tape || (n->op->traits & GR_STRIDED) || n->op->role == GR_ROLE_COPY;
}

/* Of one that computes: is input i read through its strides? */
static bool reads_strides(const gr_node *n, int i)
{
    return takes_strides(n) && !(n->epilogue && i < n->product_inputs && !(n->op->traits & GR_STRIDED));
}

/* Would input k of n, were it not dense, have to be copied? A view may need it, too. */
static bool needs_dense(unroller *u, const gr_node *n, int k)
{
    if (!n->scan) return !reads_strides(n, k);
    return k >= n->scan->carries && place_of(u, n->scan->body->args[k])->needs_dense;
}

static void count_readers(unroller *u, gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->scan) count_readers(u, n->scan->body);
        for (int k = 0; k < n->num_in; k++) {
            if (!n->in[k]) continue;
            place *pl = place_of(u, n->in[k]);
            pl->readers++;
            pl->needs_dense |= needs_dense(u, n, k);
        }
    }
    for (int i = 0; i < g->num_results; i++) place_of(u, g->results[i])->readers++;
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->next) place_of(u, g->states[i]->next)->readers++;
    if (g->commit) place_of(u, g->commit)->readers++;
}

/* ---- leaves --------------------------------------------------------------- */

static const char *state_name(const gr_graph *root, const gr_value *v)
{
    for (int i = 0; i < root->num_states; i++)
        if (root->states[i]->value == v) return root->states[i]->name;
    return v->node->name;
}

/* What a kernel makes of its attributes alone; inputs that it may have are not given. */
static bool is_constant(const gr_node *n)
{
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i]) return false;
    return n->num_out == 1 && n->op->kernels && !n->op->scratch && !(n->op->traits & (GR_RANDOM | GR_EFFECT));
}

/* A constant is filled once; FILL keeps a single element and repeats it. */
static void unroll_constant(unroller *u, const gr_node *n, bool repeated)
{
    gr_type t = n->out[0]->type, slot = t;
    if (repeated) slot.rank = 0;
    int buffer = gr_add_buffer(u->b, GR_BUFFER_CONSTANT, n->name, &slot, 1, -1);
    u->p->buffers[buffer].fill = n;
    gr_operand o = gr_operand_dense(buffer, &t);
    if (repeated) memset(o.tensor.stride, 0, sizeof o.tensor.stride);
    put(u, n->out[0], o);
}

static bool unroll_leaf(unroller *u, const gr_node *n)
{
    gr_buffer_kind kind = GR_BUFFER_FEED;
    const char *name = n->name;
    switch (n->op->role) {
    case GR_ROLE_ARG: return true;
    case GR_ROLE_CONSTANT: unroll_constant(u, n, false); return true;
    case GR_ROLE_FILL: unroll_constant(u, n, true); return true;
    case GR_ROLE_INPUT: break;
    case GR_ROLE_STATE:
        kind = GR_BUFFER_STATE;
        name = state_name(gr_graph_root(n->graph), n->out[0]);
        break;
    default:
        if (!is_constant(n)) return false;
        unroll_constant(u, n, false);
        return true;
    }
    const gr_type *t = &n->out[0]->type;
    put(u, n->out[0], gr_operand_dense(gr_add_buffer(u->b, kind, name, t, 1, -1), t));
    return true;
}

/* ---- nodes that compute, and views ---------------------------------------- */

/* A dense place with v's values: its own, or a copy made here, in the open loop. */
static const gr_operand *dense_at(unroller *u, const gr_node *reader, const gr_value *v)
{
    place *pl = place_of(u, v);
    if (gr_tensor_dense(&pl->at->tensor)) return pl->at;
    if (pl->dense) return pl->dense;
    const gr_buffer *from = &u->p->buffers[pl->at->buffer];
    gr_operand o;
    if (from->kind == GR_BUFFER_CONSTANT && from->fill->op->role == GR_ROLE_FILL) {
        int buffer = gr_add_buffer(u->b, GR_BUFFER_CONSTANT, from->name, &v->type, 1, -1);
        u->p->buffers[buffer].fill = u->p->buffers[pl->at->buffer].fill;
        o = gr_operand_dense(buffer, &v->type);
    } else {
        int buffer = gr_add_buffer(u->b, GR_BUFFER_ARENA, v->node->name, &v->type, 1, u->loop);
        o = gr_operand_dense(buffer, &v->type);
        gr_add_copy(u->b, reader, u->loop, pl->at, &o);
    }
    pl->dense = operand_copy(u, &o);
    return pl->dense;
}

gr_operand viewed(const gr_value *v, const gr_operand *in, const gr_layout *layout)
{
    gr_operand o = *in;
    o.offset = layout->offset;
    o.tensor.rank = v->type.rank;
    o.tensor.dtype = v->type.dtype;
    memcpy(o.tensor.dim, v->type.dim, sizeof o.tensor.dim);
    memcpy(o.tensor.stride, layout->stride, sizeof o.tensor.stride);
    return o;
}

gr_layout layout_of(const gr_operand *o)
{
    gr_layout l = {.offset = o->offset};
    memcpy(l.stride, o->tensor.stride, sizeof l.stride);
    return l;
}

static int unroll_view(unroller *u, gr_node *n)
{
    const gr_operand *in = at(u, n->in[0]);
    gr_layout from = layout_of(in);
    gr_layout *to = GR_NEW_ARRAY(u->a, gr_layout, n->num_out);
    int r = gr_view_node(n, &from, to);
    if (r == 1) {
        in = dense_at(u, n, n->in[0]);
        from = layout_of(in);
        r = gr_view_node(n, &from, to);
    }
    if (r != 0) return gr_set_error(u->b->e, GR_EINVAL, "%s: %s gives no view of its input", n->name, n->op->name);
    for (int i = 0; i < n->num_out; i++) put(u, n->out[i], viewed(n->out[i], in, &to[i]));
    return 0;
}

static int unroll_compute(unroller *u, gr_node *n)
{
    const gr_operand **in = GR_NEW_ARRAY(u->a, const gr_operand *, n->num_in + 1);
    gr_operand *out = GR_NEW_ARRAY(u->a, gr_operand, n->num_out + 1);
    for (int i = 0; i < n->num_in; i++) {
        if (!n->in[i]) continue;
        in[i] = reads_strides(n, i) ? at(u, n->in[i]) : dense_at(u, n, n->in[i]);
    }
    for (int i = 0; i < n->num_out; i++) {
        const gr_value *v = n->out[i];
        place *pl = place_of(u, v);
        pl->own = !pl->wish;
        if (pl->wish) out[i] = *pl->wish;
        else out[i] = gr_operand_dense(gr_add_buffer(u->b, GR_BUFFER_ARENA, n->name, &v->type, 1, u->loop), &v->type);
        put(u, v, out[i]);
    }
    return gr_add_compute(u->b, n, u->loop, in, out);
}

/* ---- wishes --------------------------------------------------------------- */

/* Is n's only output its input's elements in the same dense order? */
static bool renames(const gr_node *n)
{
    if (!(n->op->traits & GR_VIEW) || n->num_out != 1) return false;
    gr_operand in = gr_operand_dense(0, &n->in[0]->type), out = gr_operand_dense(0, &n->out[0]->type);
    gr_layout from = layout_of(&in), to = {0};
    if (gr_numel(&n->in[0]->type) != gr_numel(&n->out[0]->type)) return false;
    if (gr_view_node(n, &from, &to) != 0 || to.offset != 0) return false;
    memcpy(out.tensor.stride, to.stride, sizeof to.stride);
    return gr_tensor_dense(&out.tensor);
}

/* Asks that v, made in body g, be written at `where` (dense). Only a hope. */
static void wish(unroller *u, const gr_graph *g, const gr_value *v, const gr_operand *where)
{
    gr_operand o = *where;
    while (v->node->graph == g && renames(v->node)) v = v->node->in[0];
    const gr_node *n = v->node;
    bool leaf = (n->op->traits & (GR_LEAF | GR_VIEW)) || n->op->role == GR_ROLE_ARG;
    if (n->graph != g || leaf || place_of(u, v)->wish) return;
    gr_operand dense = gr_operand_dense(o.buffer, &v->type);
    memcpy(o.tensor.dim, dense.tensor.dim, sizeof o.tensor.dim);
    memcpy(o.tensor.stride, dense.tensor.stride, sizeof o.tensor.stride);
    o.tensor.rank = dense.tensor.rank;
    place_of(u, v)->wish = operand_copy(u, &o);
}

/* ---- concatenations ------------------------------------------------------- */

/* The part of a concatenation's output that is input i. */
gr_operand part_of(const gr_node *n, const gr_operand *whole, int i)
{
    gr_operand o = *whole;
    int dim = (int)gr_node_attr(n, "dim")->i;
    if (dim < 0) dim += o.tensor.rank;
    for (int k = 0; k < i; k++) o.offset += n->in[k]->type.dim[dim] * whole->tensor.stride[dim];
    o.tensor.dim[dim] = n->in[i]->type.dim[dim];
    return o;
}

static bool is_written_in_part(unroller *u, const gr_node *n, int i)
{
    const gr_value *v = n->in[i];
    const gr_node *from = v->node;
    bool tape = (from->tape || from->op->tape) && !from->epilogue;
    if (tape) return from->graph == n->graph && place_of(u, v)->readers == 1 && !place_of(u, v)->wish;
    gr_operand whole = gr_operand_dense(0, &n->out[0]->type), part = part_of(n, &whole, i);
    while (renames(v->node)) v = v->node->in[0];
    return v->node->scan && v->index >= 2 * v->node->scan->carries && !place_of(u, v)->wish && gr_tensor_dense(&part.tensor);
}

/* Tapes write anywhere: what they make for a concatenation alone, they make in place. What a loop
 * stacks needs a place without gaps. */
static void plan_concat(unroller *u, const gr_node *n)
{
    place *pl = place_of(u, n->out[0]);
    bool planned = false;
    for (int i = 0; i < n->num_in; i++) {
        if (!is_written_in_part(u, n, i)) continue;
        if (!pl->wish) {
            const gr_type *t = &n->out[0]->type;
            gr_operand whole = gr_operand_dense(gr_add_buffer(u->b, GR_BUFFER_ARENA, n->name, t, 1, u->loop), t);
            pl->wish = operand_copy(u, &whole);
        }
        gr_operand part = part_of(n, pl->wish, i);
        bool dense = gr_tensor_dense(&part.tensor);
        if (dense) wish(u, n->graph, n->in[i], &part);
        else place_of(u, n->in[i])->wish = operand_copy(u, &part);
        planned = true;
    }
    pl->in_parts = planned;
}

static void unroll_parts(unroller *u, const gr_node *n)
{
    const gr_operand *whole = place_of(u, n->out[0])->wish;
    for (int i = 0; i < n->num_in; i++) {
        gr_operand part = part_of(n, whole, i);
        if (!gr_operand_same(at(u, n->in[i]), &part)) gr_add_copy(u->b, n, u->loop, at(u, n->in[i]), &part);
    }
    put(u, n->out[0], *whole);
}

/* ---- loops ---------------------------------------------------------------- */

static bool is_read(unroller *u, const gr_value *v) { return place_of(u, v)->readers > 0; }

const gr_value *stack_value(const scan_place *s, int j) { return s->scan->body->results[s->scan->carries + j]; }
const gr_value *stack_output(const scan_place *s, int j) { return s->node->out[2 * s->scan->carries + j]; }

/* The carry whose history holds stacked value j, -1: none. *next: as what it makes
 * rather than what it reads. */
static int stack_carry(const scan_place *s, int j, bool *next)
{
    for (int c = 0; c < s->scan->carries; c++) {
        *next = s->scan->body->results[c] == stack_value(s, j);
        if (*next || s->scan->body->args[c] == stack_value(s, j)) return c;
    }
    return -1;
}

static bool keeps_history(unroller *u, const scan_place *s, int c)
{
    if (is_read(u, s->node->out[s->scan->carries + c])) return true;
    bool next;
    for (int j = 0; j < s->scan->stacked; j++)
        if (is_read(u, stack_output(s, j)) && stack_carry(s, j, &next) == c) return true;
    return false;
}

/* The slot of step i of a buffer of `slots` steps, as a loop goes through it. */
static gr_operand slot_at(const scan_place *s, gr_operand o, int64_t slot, int64_t first)
{
    bool reverse = s->scan->reverse;
    o.stride[s->depth] = reverse ? -slot : slot;
    o.offset += slot * (first + (reverse ? s->scan->steps - 1 : 0));
    return o;
}

static void place_carry(unroller *u, scan_place *s, int c)
{
    carry_place *k = &s->carry[c];
    const gr_type *t = &s->scan->body->args[c]->type;
    int64_t size = gr_numel(t), steps = s->scan->steps;
    bool reverse = s->scan->reverse;
    k->full = keeps_history(u, s, c);
    const char *name = gr_arena_printf(u->a, "%s.%s", s->node->name, s->scan->body->args[c]->node->name);
    k->buffer = gr_add_buffer(u->b, GR_BUFFER_ARENA, name, t, k->full ? steps + 1 : 2, u->loop);
    gr_operand base = gr_operand_dense(k->buffer, t), start = base;
    if (k->full) {
        k->read = slot_at(s, base, size, reverse ? 1 : 0);
        k->write = slot_at(s, base, size, reverse ? 0 : 1);
        start.offset = reverse ? steps * size : 0;
    } else {
        k->read = base;
        k->read.stride[s->depth] = size;
        k->read.ring[s->depth] = 2;
        k->write = k->read;
        k->write.ring_shift[s->depth] = 1;
    }
    gr_add_copy(u->b, s->node, u->loop, at(u, s->node->in[c]), &start);
}

/* Where stacked value j goes: a part of a history, over a sequence that its step alone reads
 * (overlay.c), or a buffer of its own (perhaps one that an outer loop wishes for). */
static void place_stacked(unroller *u, scan_place *s, int j)
{
    const gr_value *whole = stack_output(s, j);
    int64_t size = gr_numel(&stack_value(s, j)->type);
    bool next;
    int c = stack_carry(s, j, &next);
    if (c >= 0) {
        s->stacked[j] = gr_operand_dense(s->carry[c].buffer, &whole->type);
        if (next != s->scan->reverse) s->stacked[j].offset += size;
        s->stack[j] = next ? s->carry[c].write : s->carry[c].read;
        return;
    }
    if (overlay(u, s, j)) return;
    const gr_operand *wished = place_of(u, whole)->wish;
    place_of(u, whole)->own = !wished;
    s->stacked[j] = wished ? *wished : gr_operand_dense(
        gr_add_buffer(u->b, GR_BUFFER_ARENA, whole->node->name, &whole->type, 1, u->loop), &whole->type);
    gr_operand slot = gr_operand_dense(s->stacked[j].buffer, &stack_value(s, j)->type);
    slot.offset = s->stacked[j].offset;
    memcpy(slot.stride, s->stacked[j].stride, sizeof slot.stride);
    memcpy(slot.ring, s->stacked[j].ring, sizeof slot.ring);
    memcpy(slot.ring_shift, s->stacked[j].ring_shift, sizeof slot.ring_shift);
    s->stack[j] = slot_at(s, slot, size, 0);
}

static void place_args(unroller *u, const scan_place *s)
{
    const gr_graph *body = s->scan->body;
    int carries = s->scan->carries, sequences = s->scan->sequences;
    for (int i = 0; i < body->num_args; i++) {
        if (i < carries) {
            put(u, body->args[i], s->carry[i].read);
            continue;
        }
        gr_operand o = *at(u, s->node->in[i]);
        if (i < carries + sequences) {
            int64_t step = o.tensor.stride[0];
            o.tensor.rank--;
            memmove(o.tensor.dim, o.tensor.dim + 1, sizeof o.tensor.dim - sizeof *o.tensor.dim);
            memmove(o.tensor.stride, o.tensor.stride + 1, sizeof o.tensor.stride - sizeof *o.tensor.stride);
            o = slot_at(s, o, step, 0);
        }
        put(u, body->args[i], o);
    }
}

/* What is not where it must be when the step ends is copied there. */
static void settle(unroller *u, const scan_place *s, const gr_value *v, const gr_operand *where)
{
    if (!gr_operand_same(at(u, v), where)) gr_add_copy(u->b, s->node, u->loop, at(u, v), where);
}

static void place_outputs(unroller *u, const scan_place *s)
{
    int carries = s->scan->carries;
    int64_t steps = s->scan->steps;
    for (int c = 0; c < carries; c++) {
        const carry_place *k = &s->carry[c];
        const gr_value *last = s->node->out[c], *history = s->node->out[carries + c];
        gr_operand o = gr_operand_dense(k->buffer, &last->type);
        int64_t slot = k->full ? (s->scan->reverse ? 0 : steps) : steps % 2;
        o.offset = slot * gr_numel(&last->type);
        put(u, last, o);
        if (k->full) put(u, history, gr_operand_dense(k->buffer, &history->type));
    }
    for (int j = 0; j < s->scan->stacked; j++)
        if (is_read(u, stack_output(s, j))) put(u, stack_output(s, j), s->stacked[j]);
}

static int open_loop(unroller *u, const scan_place *s)
{
    gr_program *p = u->p;
    gr_loop_info *l = GR_PUSH(u->a, p->loops, p->num_loops, u->b->cap_loops);
    *l = (gr_loop_info){.scan = s->node, .parent = u->loop, .depth = s->depth, .count = s->scan->steps,
                        .reverse = s->scan->reverse, .first = p->num_templates};
    u->loop = p->num_loops - 1;
    return u->loop;
}

static int unroll_scan(unroller *u, gr_node *n)
{
    const gr_scan *scan = n->scan;
    scan_place s = {.node = n, .scan = scan, .depth = gr_loop_depth(u->p, u->loop) + 1};
    if (s.depth >= GR_MAX_LOOPS)
        return gr_set_error(u->b->e, GR_EINVAL, "%s: more than %d loops inside each other", n->name, GR_MAX_LOOPS);
    s.carry = GR_NEW_ARRAY(u->a, carry_place, scan->carries + 1);
    s.stack = GR_NEW_ARRAY(u->a, gr_operand, scan->stacked + 1);
    s.stacked = GR_NEW_ARRAY(u->a, gr_operand, scan->stacked + 1);
    for (int c = 0; c < scan->carries; c++) place_carry(u, &s, c);
    place_args(u, &s);
    for (int j = 0; j < scan->stacked; j++)
        if (is_read(u, stack_output(&s, j))) place_stacked(u, &s, j);
    int outer = u->loop, loop = open_loop(u, &s);
    for (int c = 0; c < scan->carries; c++)
        if (!s.carry[c].full) *GR_PUSH(u->a, u->b->rings, u->b->num_rings, u->b->cap_rings) = (gr_ring){s.carry[c].buffer, loop};
    for (int c = 0; c < scan->carries; c++)
        if (s.carry[c].full) wish(u, scan->body, scan->body->results[c], &s.carry[c].write);
    for (int c = 0; c < scan->carries; c++) wish(u, scan->body, scan->body->results[c], &s.carry[c].write);
    for (int j = 0; j < scan->stacked; j++)
        if (is_read(u, stack_output(&s, j))) wish(u, scan->body, stack_value(&s, j), &s.stack[j]);
    if (unroll_graph(u, scan->body) < 0) return -1;
    for (int c = 0; c < scan->carries; c++) settle(u, &s, scan->body->results[c], &s.carry[c].write);
    for (int j = 0; j < scan->stacked; j++)
        if (is_read(u, stack_output(&s, j))) settle(u, &s, stack_value(&s, j), &s.stack[j]);
    u->p->loops[loop].last = u->p->num_templates;
    u->loop = outer;
    place_outputs(u, &s);
    return 0;
}

static int unroll_graph(unroller *u, gr_graph *g)
{
    for (int i = g->num_nodes - 1; i >= 0; i--) /* an outer one first */
        if (g->nodes[i]->op->role == GR_ROLE_CONCAT) plan_concat(u, g->nodes[i]);
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        int r = 0;
        if (unroll_leaf(u, n)) continue;
        if (n->scan) r = unroll_scan(u, n);
        else if (n->num_out && place_of(u, n->out[0])->in_parts) unroll_parts(u, n);
        else if ((n->op->traits & GR_VIEW) && !n->tape) r = unroll_view(u, n);
        else r = unroll_compute(u, n);
        if (r < 0) return r;
    }
    return 0;
}

/* ---- results and states --------------------------------------------------- */

static void add_result(unroller *u, const char *name, const gr_value *v)
{
    gr_program *p = u->p;
    const gr_operand *from = at(u, v);
    gr_program_result *r = GR_PUSH(u->a, p->results, p->num_results, u->b->cap_results);
    r->name = name;
    gr_buffer *buffer = &p->buffers[from->buffer];
    bool own = buffer->kind == GR_BUFFER_ARENA || buffer->kind == GR_BUFFER_RESULT;
    if (own && gr_tensor_dense(&from->tensor)) {
        buffer->kind = GR_BUFFER_RESULT;
        r->at = *from;
        return;
    }
    r->at = gr_operand_dense(gr_add_buffer(u->b, GR_BUFFER_RESULT, name, &v->type, 1, -1), &v->type);
    gr_add_copy(u->b, NULL, -1, from, &r->at);
}

/* A next value that is itself (part of) a state is taken aside before any state changes. */
static gr_operand next_place(unroller *u, const gr_state *s)
{
    const gr_operand *from = at(u, s->next);
    if (u->p->buffers[from->buffer].kind != GR_BUFFER_STATE) return *from;
    int buffer = gr_add_buffer(u->b, GR_BUFFER_ARENA, s->name, &s->next->type, 1, -1);
    gr_operand aside = gr_operand_dense(buffer, &s->next->type);
    gr_add_copy(u->b, NULL, -1, from, &aside);
    return aside;
}

static void unroll_states(unroller *u, const gr_graph *g)
{
    gr_operand *next = GR_NEW_ARRAY(u->a, gr_operand, g->num_states + 1);
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->next && g->states[i]->next != g->states[i]->value) next[i] = next_place(u, g->states[i]);
    for (int i = 0; i < g->num_states; i++) {
        const gr_state *s = g->states[i];
        if (!s->next || s->next == s->value || !at(u, s->value)) continue;
        int copy = u->p->num_templates;
        gr_add_copy(u->b, NULL, -1, &next[i], at(u, s->value));
        if (copy == u->p->num_templates) continue;
        *GR_PUSH(u->a, u->b->commits, u->b->num_commits, u->b->cap_commits) =
            (gr_commit){at(u, s->value)->buffer, copy};
    }
}

int gr_unroll(gr_build *b)
{
    gr_graph *g = b->p->graph;
    unroller u = {.b = b, .p = b->p, .a = b->a, .loop = -1};
    clear_marks(g);
    count_readers(&u, g);
    if (unroll_graph(&u, g) < 0) return -1;
    for (int i = 0; i < g->num_results; i++) add_result(&u, g->result_names[i], g->results[i]);
    b->p->commit = -1;
    if (g->commit) {
        b->p->commit = b->p->num_results;
        add_result(&u, "", g->commit);
    }
    unroll_states(&u, g);
    clear_marks(g);
    return 0;
}
