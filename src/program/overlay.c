/* overlay.c - what a step keeps for later, written over what that step alone reads.
 *
 * The gates of a recurrent layer are made of pre-activations that one product made for all steps, and
 * nobody reads these again; nor gates after the step of the gradient that makes their gradients. So the
 * three are one piece of memory, which a step has in its cache already when it writes:
 *
 *     pre-activations  | x_i x_f x_g x_o |        [time, batch, 4 hidden], by a product
 *     step t           | i   f   g   o   |        each element by the instruction that read it
 *     gradient, t      | d_i d_f d_g d_o |
 *
 * A sequence ends in a step where its value, or the columns of a wider one that it is, has no other reader than the
 * loop, and its slice of the step no other than one tape; tapes may write over what they read (kernel/tape.h). */
#include "program/unroll.h"
#include "graph/emit.h"
#include <stdlib.h>
#include <string.h>

/* ---- operands of which no element is the other's ------------------------------ */

static bool same_shape(const gr_operand *a, const gr_operand *b)
{
    gr_operand x = *a;
    x.offset = b->offset;
    return gr_operand_same(&x, b);
}

/* Columns of the same rows. */
static bool disjoint(const gr_operand *a, const gr_operand *b)
{
    const gr_tensor *t = &a->tensor;
    if (!same_shape(a, b) || t->rank < 1 || t->stride[t->rank - 1] != 1) return false;
    int64_t n = t->dim[t->rank - 1], d = llabs(a->offset - b->offset), row = INT64_MAX;
    for (int i = 0; i < t->rank - 1; i++)
        if (t->dim[i] > 1 && t->stride[i] < row) row = t->stride[i];
    for (int i = 0; i < t->rank - 1; i++)
        if (row <= 0 || (t->dim[i] > 1 && t->stride[i] % row)) return false;
    return n <= d && d <= row - n;
}

/* A product's tiles need rows of equal distance. */
static bool has_rows(const gr_operand *o)
{
    const gr_tensor *t = &o->tensor;
    for (int i = 1; i < t->rank - 1; i++)
        if (t->stride[i - 1] != t->stride[i] * t->dim[i]) return false;
    return true;
}

/* ---- sequences that end in a step ----------------------------------------------- */

static bool is_tape(const gr_node *n) { return n->tape || n->op->tape; }
static bool is_view(const gr_node *n) { return (n->op->traits & GR_VIEW) && !n->tape; }

static gr_operand view_at(const gr_value *v, const gr_operand *in)
{
    const gr_node *n = v->node;
    gr_layout from = layout_of(in), to[GR_MAX_RANK];
    gr_operand none = {.buffer = -1};
    if (n->num_out > GR_MAX_RANK || gr_view_node(n, &from, to) != 0) return none;
    return viewed(v, in, &to[v->index]);
}

/* Does nothing but v, a view of `of`, read those of its elements that v shows? */
static bool alone_in(unroller *u, const gr_graph *g, const gr_value *of, const gr_value *v, const gr_operand *o)
{
    int views = 0;
    for (int k = 0; k < g->num_nodes; k++) {
        const gr_node *n = g->nodes[k];
        if (!is_view(n) || n->in[0] != of) continue;
        views++;
        for (int i = 0; i < n->num_out; i++) {
            if (n->out[i] == v) continue;
            gr_operand other = view_at(n->out[i], place_of(u, of)->at);
            if (other.buffer < 0 || !disjoint(&other, o)) return false;
        }
    }
    return views == place_of(u, of)->readers;
}

/* Whether the loop reads all that views show of a value outside, and alone: what another loop reads beside its columns
 * would seem to wait for what is written there, since addresses are compared by their ends. */
static bool reads_all(unroller *u, const scan_place *s, const gr_value *of)
{
    const gr_graph *g = s->node->graph;
    for (int k = 0; k < g->num_nodes; k++) {
        const gr_node *n = g->nodes[k];
        for (int o = 0; is_view(n) && n->in[0] == of && o < n->num_out; o++) {
            int times = 0;
            for (int i = 0; i < s->node->num_in; i++) times += s->node->in[i] == n->out[o];
            if (times != place_of(u, n->out[o])->readers) return false;
        }
    }
    return true;
}

/* Whether the loop alone reads v, a value outside or columns of one. */
static bool ends(unroller *u, const scan_place *s, const gr_value *v)
{
    const gr_value *of = is_view(v->node) ? v->node->in[0] : v;
    const place *outside = place_of(u, of);
    if (place_of(u, v)->readers != 1 || !outside->own) return false;
    if (of != v && !(reads_all(u, s, of) && alone_in(u, s->node->graph, of, v, place_of(u, v)->at))) return false;
    const gr_buffer *b = &u->p->buffers[outside->at->buffer];
    return b->kind == GR_BUFFER_ARENA && b->loop == u->loop;
}

/* Of the body's argument that is a sequence; -1: it is none, or does not end here. */
static int ending_argument(unroller *u, const scan_place *s, const gr_value *arg)
{
    const gr_scan *scan = s->scan;
    int i = scan->carries;
    while (i < scan->carries + scan->sequences && scan->body->args[i] != arg) i++;
    return i < scan->carries + scan->sequences && ends(u, s, s->node->in[i]) ? i : -1;
}

/* Whether all elements of o, over the steps of a loop at `depth`, lie apart: an expanded value's do not. */
static bool lies_apart(const gr_operand *o, int depth, int64_t steps)
{
    const int n = o->tensor.rank + 1;
    int64_t dim[GR_MAX_RANK + 1], stride[GR_MAX_RANK + 1], extent = 1;
    memcpy(dim, o->tensor.dim, sizeof o->tensor.dim);
    memcpy(stride, o->tensor.stride, sizeof o->tensor.stride);
    dim[n - 1] = steps;
    stride[n - 1] = llabs(o->stride[depth]);
    for (int done = 0; done < n; done++) {
        int least = done;
        for (int i = done; i < n; i++)
            if (stride[i] < stride[least]) least = i;
        if (dim[least] > 1 && stride[least] < extent) return false;
        if (dim[least] > 1) extent += (dim[least] - 1) * stride[least];
        dim[least] = dim[done];
        stride[least] = stride[done];
    }
    return true;
}

/* Where input i of the tape n lies, if it is a sequence, or a view of one, that ends there. */
static bool ends_at(unroller *u, const scan_place *s, const gr_node *n, int i, gr_operand *o)
{
    const gr_value *v = n->in[i], *arg = v;
    if (!v || (n->epilogue && i < n->product_inputs) || place_of(u, v)->readers != 1 || place_of(u, v)->taken) return false;
    if (is_view(v->node)) arg = v->node->in[0];
    if (ending_argument(u, s, arg) < 0) return false;
    *o = arg == v ? *place_of(u, arg)->at : view_at(v, place_of(u, arg)->at);
    if (o->buffer < 0 || !lies_apart(o, s->depth, s->scan->steps)) return false;
    return arg == v || alone_in(u, s->scan->body, arg, v, o);
}

/* ---- what is written over them --------------------------------------------------- */

/* Steps of the loop become the leading axis again. */
static gr_operand all_steps(const scan_place *s, const gr_operand *slot)
{
    gr_operand o = *slot;
    int64_t step = s->scan->reverse ? -o.stride[s->depth] : o.stride[s->depth];
    if (s->scan->reverse) o.offset -= step * (s->scan->steps - 1);
    o.stride[s->depth] = 0;
    memmove(o.tensor.dim + 1, o.tensor.dim, sizeof o.tensor.dim - sizeof *o.tensor.dim);
    memmove(o.tensor.stride + 1, o.tensor.stride, sizeof o.tensor.stride - sizeof *o.tensor.stride);
    o.tensor.dim[0] = s->scan->steps;
    o.tensor.stride[0] = step;
    o.tensor.rank++;
    return o;
}

static void settle_on(unroller *u, scan_place *s, int j, const gr_operand *slot)
{
    s->stack[j] = *slot;
    s->stacked[j] = all_steps(s, slot);
    place_of(u, stack_value(s, j))->wish = gr_arena_copy(u->a, slot, sizeof *slot);
    place_of(u, stack_output(s, j))->own = true;
}

/* What one tape makes. */
static bool overlay_value(unroller *u, scan_place *s, int j)
{
    const gr_value *v = stack_value(s, j);
    const gr_node *n = v->node;
    bool strided = !place_of(u, v)->needs_dense && !place_of(u, stack_output(s, j))->needs_dense;
    for (int i = 0; i < n->num_in; i++) {
        gr_operand o;
        if (!n->in[i] || !gr_type_equal(&n->in[i]->type, &v->type) || !ends_at(u, s, n, i, &o)) continue;
        if (!(strided || gr_tensor_dense(&o.tensor)) || (n->epilogue && !has_rows(&o))) continue;
        place_of(u, n->in[i])->taken = true;
        settle_on(u, s, j, &o);
        return true;
    }
    return false;
}

/* The value that ends at `where` in the tape that makes v; NULL: none. */
static const gr_value *under(unroller *u, const scan_place *s, const gr_value *v, const gr_operand *where)
{
    const gr_node *n = v->node;
    bool made = n->graph == s->scan->body && is_tape(n) && !n->epilogue && place_of(u, v)->readers == 1 && !place_of(u, v)->wish;
    for (int i = 0; made && i < n->num_in; i++) {
        gr_operand o;
        if (n->in[i] && gr_type_equal(&n->in[i]->type, &v->type) && ends_at(u, s, n, i, &o) && gr_operand_same(&o, where)) return n->in[i];
    }
    return NULL;
}

/* A concatenation at `whole`, each part of which lies over a value of its own. */
static bool overlay_parts(unroller *u, scan_place *s, int j, const gr_operand *whole)
{
    const gr_node *n = stack_value(s, j)->node;
    for (int pass = 0; pass < 2; pass++)
        for (int k = 0; k < n->num_in; k++) {
            gr_operand part = part_of(n, whole, k);
            const gr_value *v = under(u, s, n->in[k], &part);
            if (!v) return false;
            if (pass == 1) place_of(u, v)->taken = true;
        }
    settle_on(u, s, j, whole);
    return true;
}

static bool overlay_concat(unroller *u, scan_place *s, int j)
{
    const gr_node *n = stack_value(s, j)->node, *first = n->in[0]->node;
    for (int i = 0; i < first->num_in; i++) {
        gr_operand o;
        if (!first->in[i] || !ends_at(u, s, first, i, &o)) continue;
        gr_operand dense = gr_operand_dense(o.buffer, &n->out[0]->type);
        o.tensor = dense.tensor;
        if (overlay_parts(u, s, j, &o)) return true;
    }
    return false;
}

bool overlay(unroller *u, scan_place *s, int j)
{
    const gr_value *v = stack_value(s, j);
    const gr_node *n = v->node;
    if (n->graph != s->scan->body || place_of(u, v)->wish || place_of(u, stack_output(s, j))->wish) return false;
    if (is_tape(n)) return overlay_value(u, s, j);
    return n->op->role == GR_ROLE_CONCAT && overlay_concat(u, s, j);
}
