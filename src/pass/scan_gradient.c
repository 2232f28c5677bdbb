/* scan_gradient.c - the gradient of a loop is a loop that runs the other way.
 *
 *     forward, step t:   c[t+1], y[t] = body(c[t], x[t], w)
 *     backward, step t:  a[t] = body'(a[t+1], dy[t]; what body had at t)
 *
 * a is the adjoint of the carry, itself a carry: it starts as the adjoint of the last
 * value and ends as that of the init. To the adjoint of the carry that step t made is
 * added the slice of the history's adjoint there. dy, the adjoints of stacked values,
 * are sequences; the adjoints of sequences are stacked; an adjoint of an invariant is
 * accumulated, one accumulator for each term that its op can sum over all steps at
 * once (a product's weight gradient becomes one product when the loop is hoisted), and
 * one for all other terms.
 *
 * What the backward step reads of the forward one is imported on demand: an invariant
 * as it is, a sequence or a carry's history slice by slice, constants and views made
 * again, and any other value as a new stacked output of the forward loop. A loop over chunks
 * stacks nothing: all its nodes stand again in the backward body, before the adjoints, as they
 * do at the root. */
#include "pass/gradient.h"
#include "pass/lift.h"
#include "pass/rewrite.h"

/* ---- importing forward values ---- */

/* history without its entry at one end: what the steps read, or what they made. */
static gr_value *history_slice(const ad_level *l, gr_value *history, bool from_one)
{
    const int64_t start = from_one ? 1 : 0, stop = start + l->scan->scan->steps;
    gr_value *v = gr_emit_role(l->outer->emitter, GR_ROLE_SLICE, 1, &history, "dim=0, start=%lld, stop=%lld", (long long)start,
                               (long long)stop);
    v->type.axis[0] = gr_scan_axis(l->scan);
    return v;
}

static const char *value_name(const gr_value *v)
{
    const gr_node *n = v->node;
    return n->num_out > 1 && v->port ? gr_arena_printf(n->graph->arena, "%s.%s", n->name, v->port) : n->name;
}

/* A value of the graph around the loop, one slice a step. */
static gr_value *import_slices(ad_level *l, gr_value *outer, const char *name)
{
    return gr_scan_sequence(l->loop, ad_import(l->outer, outer), name);
}

/* The carry as step t read it (made: as it left it). */
static gr_value *import_carry(ad_level *l, int carry, bool made, const char *name)
{
    gr_value *history = ad_import(l->outer, gr_scan_history(l->scan, carry));
    bool from_one = made != l->scan->scan->reverse;
    return gr_scan_sequence(l->loop, history_slice(l, history, from_one), name);
}

static gr_value *import_arg(ad_level *l, gr_value *arg)
{
    int number;
    switch (gr_arg_kind(arg, &number)) {
    case GR_ARG_CARRY: return import_carry(l, number, false, arg->node->name);
    case GR_ARG_SEQUENCE: return import_slices(l, gr_arg_outer(arg), arg->node->name);
    default: return gr_graph_capture(l->backward, ad_import(l->outer, gr_arg_outer(arg)));
    }
}

/* The same node in the backward body, reading imported values. */
static gr_value *import_again(ad_level *l, gr_value *v)
{
    gr_node *n = v->node;
    gr_value **in = GR_NEW_ARRAY(l->backward->arena, gr_value *, n->num_in + 1);
    for (int i = 0; i < n->num_in; i++) in[i] = n->in[i] ? ad_import(l, n->in[i]) : NULL;
    gr_node *copy = gr_node_add(l->backward, &(gr_node_spec){.op = n->op, .name = n->name, .at = n->at,
        .phase = GR_BACKWARD, .num_in = n->num_in, .in = in, .port = n->port, .attr = n->attr});
    for (int o = 0; o < n->num_out; o++)
        ad_mark_of(n->out[o])->import = gr_node_add_output(copy, n->out[o]->port, &n->out[o]->type);
    return ad_mark_of(v)->import;
}

/* A view is made again from its source, unless that would keep much more than the view. */
static bool is_cheap_view(gr_value *v)
{
    const gr_node *n = v->node;
    if (!(n->op->traits & GR_VIEW)) return false;
    return ad_mark_of(n->in[0])->import || gr_numel(&n->in[0]->type) < 2 * gr_numel(&v->type);
}

static int carry_made_by(const gr_scan *s, const gr_value *v)
{
    for (int i = 0; i < s->carries; i++)
        if (s->body->results[i] == v) return i;
    return -1;
}

gr_value *ad_import(ad_level *l, gr_value *v)
{
    if (l->forward == l->backward) return v;
    ad_mark *m = ad_mark_of(v);
    if (m->import) return m->import;
    if (v->node->op->role == GR_ROLE_ARG) return m->import = import_arg(l, v);
    if (ad_is_constant(v)) return import_again(l, v);
    int carry = carry_made_by(l->scan->scan, v);
    if (carry >= 0) return m->import = import_carry(l, carry, true, value_name(v));
    if (is_cheap_view(v)) return import_again(l, v);
    *GR_PUSH(l->backward->arena, l->stacked, l->num_stacked, l->cap_stacked) = v;
    return m->import = import_slices(l, gr_stack_once(l->scan, v), value_name(v));
}

/* ---- keeping or computing again ---- */

/* Whether computing it again costs less than writing and reading it: a single instruction of plain
 * arithmetic. Its bits are the same, since a tape does each instruction as it stands. */
static bool is_cheap(const gr_node *n)
{
    if (!(n->op->traits & GR_POINTWISE) || n->num_out != 1 || n->num_in > 3) return false;
    switch (n->op->tape) {
    case GR_TAPE_ADD: case GR_TAPE_SUB: case GR_TAPE_MUL: return n->num_in == 2;
    case GR_TAPE_NEG: case GR_TAPE_ABS: case GR_TAPE_SIGN: case GR_TAPE_MAXIMUM: case GR_TAPE_MINIMUM: case GR_TAPE_WHERE:
    case GR_TAPE_EQUAL: case GR_TAPE_NOT_EQUAL: case GR_TAPE_LESS: case GR_TAPE_LESS_EQUAL: return true;
    default: return false;
    }
}

/* Whether the forward step has v in registers alone, so that storing it is a cost. */
static bool is_fused(const gr_value *v)
{
    const gr_graph *g = v->node->graph;
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++)
            if (g->nodes[i]->in[k] == v && !(g->nodes[i]->op->traits & GR_POINTWISE)) return false;
    return true;
}

/* Whether the backward step has v without more being stored. */
static bool is_at_hand(gr_value *v)
{
    if (ad_mark_of(v)->import || ad_is_constant(v)) return true;
    return v->node->op->role == GR_ROLE_ARG && gr_arg_kind(v, NULL) != GR_ARG_CARRY;
}

/* What is cheaply made of other imported values is made of them, and no longer stored. */
static void compute_again(ad_level *l)
{
    for (int k = 0; k < l->num_stacked; k++) {
        gr_value *v = l->stacked[k], *stored = ad_mark_of(v)->import;
        bool again = is_cheap(v->node) && is_fused(v);
        for (int i = 0; again && i < v->node->num_in; i++) again = is_at_hand(v->node->in[i]);
        if (again) gr_replace(stored, import_again(l, v));
    }
}

/* ---- the backward loop ---- */

static const char *primed(gr_graph *g, const char *name) { return gr_arena_printf(g->arena, "%s'", name); }

/* Whether the adjoint of carry i is a carry of the backward loop. */
static bool carries_adjoint(const ad_level *l, int i)
{
    const ad_mark *arg = ad_mark_of(l->arg[i]), *next = ad_mark_of(l->result[i]);
    return arg->wanted && (arg->useful || next->useful);
}

/* The adjoint of the init as an entry of the history. */
static gr_value *history_init(ad_level *outer, gr_node *scan, gr_value *adjoint)
{
    if (!adjoint) return NULL;
    int64_t index = scan->scan->reverse ? scan->scan->steps : 0;
    return gr_emit_role(outer->emitter, GR_ROLE_SELECT, 1, &adjoint, "dim=0, index=%lld", (long long)index);
}

/* Adds the adjoint of carry i as a carry; gives its arg. */
static gr_value *open_carry(ad_level *l, int i)
{
    gr_node *scan = l->scan;
    const gr_scan *s = scan->scan;
    gr_value *arg = l->arg[i];
    gr_value *last = ad_adjoint(l->outer, gr_scan_last(scan, i));
    gr_value *history = ad_adjoint(l->outer, gr_scan_history(scan, i));
    gr_value *init = last ? last : gr_emit_zeros(l->outer->emitter, &arg->type);
    gr_value *adjoint = gr_scan_carry(l->loop, init, primed(l->backward, arg->node->name));
    ad_add_term(l, l->result[i], adjoint);
    if (history) {
        gr_value *made = history_slice(l, history, !s->reverse);
        ad_add_term(l, l->result[i], gr_scan_sequence(l->loop, made, primed(l->backward, "history")));
    }
    return adjoint;
}

/* Closes the adjoint of carry i and gives its last value to the init. */
static void close_carry(ad_level *l, int i, gr_value *adjoint)
{
    gr_value *arg = l->arg[i], *init = l->scan->in[i];
    gr_value *next = ad_adjoint(l, arg);
    int number;
    gr_arg_kind(adjoint, &number);
    gr_scan_set_next(l->loop, number, next ? next : gr_emit_zeros(l->emitter, &arg->type));
    if (!ad_mark_of(init)->wanted) return;
    ad_add_term(l->outer, init, gr_scan_last(l->loop, number));
    gr_value *history = ad_adjoint(l->outer, gr_scan_history(l->scan, i));
    ad_add_term(l->outer, init, history_init(l->outer, l->scan, history));
}

static void close_sequence(ad_level *l, int i)
{
    gr_value *arg = l->arg[i];
    gr_value *adjoint = ad_adjoint(l, arg);
    if (!adjoint) return;
    int j = gr_scan_stack(l->loop, adjoint, primed(l->backward, arg->node->name));
    ad_add_term(l->outer, l->scan->in[i], gr_scan_stacked(l->loop, j));
}

/* acc starts at zeros, next = acc + terms; gives its last value. Two invariants that get
 * the same term (biases) share one. */
static gr_value *accumulate(ad_level *l, int n, gr_value **terms)
{
    gr_value **sum = GR_NEW_ARRAY(l->backward->arena, gr_value *, n + 1);
    int number;
    for (int k = 0; k < l->num_sums && n == 1; k++)
        if (l->sums[k].term == terms[0]) {
            gr_arg_kind(l->sums[k].carry, &number);
            return gr_scan_last(l->loop, number);
        }
    gr_value *zeros = gr_emit_zeros(l->outer->emitter, &terms[0]->type);
    sum[0] = gr_scan_carry(l->loop, zeros, gr_arena_printf(l->backward->arena, "%s.sum", terms[0]->node->name));
    for (int k = 0; k < n; k++) sum[k + 1] = terms[k];
    gr_arg_kind(sum[0], &number);
    gr_scan_set_next(l->loop, number, gr_emit_role(l->emitter, GR_ROLE_ADD, n + 1, sum, NULL));
    if (n == 1) *GR_PUSH(l->backward->arena, l->sums, l->num_sums, l->cap_sums) = (struct ad_sum){terms[0], sum[0]};
    return gr_scan_last(l->loop, number);
}

/* The parts of an invariant stay parts outside. */
static void close_invariant(ad_level *l, int i)
{
    const ad_mark *m = ad_mark_of(l->arg[i]);
    gr_value **others = GR_NEW_ARRAY(l->backward->arena, gr_value *, m->num_terms + 1), *in = l->scan->in[i];
    int rest = 0;
    for (int k = 0; k < m->num_parts; k++) {
        ad_part part = m->parts[k];
        part.grad = accumulate(l, 1, &part.grad);
        ad_add_part(l->outer, in, part);
    }
    for (int k = 0; k < m->num_terms; k++) {
        gr_value *term = m->terms[k];
        if (term->node->op->accumulate) ad_add_term(l->outer, in, accumulate(l, 1, &term));
        else others[rest++] = term;
    }
    if (rest > 0) ad_add_term(l->outer, in, accumulate(l, rest, others));
}

static void close_args(ad_level *l)
{
    const gr_scan *s = l->scan->scan;
    for (int i = s->carries; i < l->scan->num_in; i++) {
        if (!ad_mark_of(l->scan->in[i])->wanted) continue;
        if (i < s->carries + s->sequences) close_sequence(l, i);
        else close_invariant(l, i);
    }
}

static void open_stacked(ad_level *l)
{
    const gr_scan *s = l->scan->scan;
    for (int j = 0; j < s->stacked; j++) {
        gr_value *result = l->result[s->carries + j];
        gr_value *adjoint = ad_adjoint(l->outer, gr_scan_stacked(l->scan, j));
        if (adjoint && ad_mark_of(result)->wanted)
            ad_add_term(l, result, gr_scan_sequence(l->loop, adjoint, primed(l->backward, value_name(result))));
    }
}

/* ---- the forward chunk again ---- */

static void copy_marks(const gr_node *from, const gr_node *to)
{
    for (int o = 0; o < from->num_out; o++) {
        const ad_mark *m = ad_mark_of(from->out[o]);
        ad_mark_of(to->out[o])->wanted |= m->wanted;
        ad_mark_of(to->out[o])->useful |= m->useful;
    }
    for (int i = 0; from->scan && i < from->scan->body->num_nodes; i++)
        copy_marks(from->scan->body->nodes[i], to->scan->body->nodes[i]);
}

static gr_value *again(const gr_value *v) { return v ? ((gr_node *)v->node->mark)->out[v->index] : NULL; }

static void stand_again(ad_level *l)
{
    const gr_graph *body = l->forward;
    gr_arena *a = body->arena;
    for (int i = 0; i < body->num_args; i++) {
        l->arg[i] = ad_import(l, body->args[i]);
        body->args[i]->node->mark = l->arg[i]->node;
        copy_marks(body->args[i]->node, l->arg[i]->node);
    }
    for (int i = 0; i < body->num_nodes; i++) {
        gr_node *n = body->nodes[i];
        if (n->op->role == GR_ROLE_ARG) continue;
        gr_value **in = GR_NEW_ARRAY(a, gr_value *, n->num_in + 1);
        for (int k = 0; k < n->num_in; k++) in[k] = again(n->in[k]);
        copy_marks(n, gr_copy_deep(l->backward, n, in));
    }
    for (int i = 0; i < body->num_results; i++) l->result[i] = again(body->results[i]);
    l->forward = l->backward;
}

int ad_scan_gradient(ad_level *outer, gr_node *scan)
{
    const gr_scan *s = scan->scan;
    gr_arena *a = outer->backward->arena;
    gr_node *loop = gr_scan_detached(outer->backward, &(gr_node_spec){.op = scan->op,
        .name = primed(outer->backward, scan->name), .at = scan->at, .phase = GR_BACKWARD}, !s->reverse, s->steps);
    gr_scan_stands_for(loop->scan, s);
    ad_level l = {.outer = outer, .forward = s->body, .backward = loop->scan->body, .scan = scan, .loop = loop,
                  .emitter = gr_emitter_create(loop->scan->body, GR_BACKWARD)};
    gr_emitter_at(l.emitter, loop->name, scan->at);
    int carries = s->carries;
    l.arg = gr_arena_copy(a, s->body->args, sizeof *l.arg * (size_t)s->body->num_args);
    l.result = gr_arena_copy(a, s->body->results, sizeof *l.result * (size_t)s->body->num_results);
    if (s->chunks) stand_again(&l);
    gr_value **adjoint = GR_NEW_ARRAY(a, gr_value *, carries + 1);
    for (int i = 0; i < carries; i++)
        if (carries_adjoint(&l, i)) adjoint[i] = open_carry(&l, i);
    open_stacked(&l);
    if (ad_walk(&l) != 0) return -1;
    gr_emitter_at(l.emitter, loop->name, scan->at);
    for (int i = 0; i < carries; i++)
        if (adjoint[i]) close_carry(&l, i, adjoint[i]);
    close_args(&l);
    compute_again(&l);
    gr_scan_insert(loop);
    return 0;
}
