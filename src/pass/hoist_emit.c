/* hoist_emit.c - what takes a loop's place: loops of single components, and nodes over
 * whole sequences.
 *
 * A value of the old body has up to three forms outside (gr_form). Forms are made when a
 * reader asks: a loop stacks a value only if something outside reads it, and what is the
 * next of a carry is never stacked beside the carry's history, but a slice of it. */
#include "pass/hoist.h"

#include <stdio.h>

gr_form *gr_form_of(gr_value *v)
{
    if (!v->mark) v->mark = GR_NEW(v->node->graph->arena, gr_form);
    return v->mark;
}

static int64_t steps_of(const gr_hoister *h) { return h->scan->scan->steps; }

static const char *shape_text(gr_arena *a, int64_t leading, int ones, const gr_type *t, int from)
{
    const char *text = gr_arena_printf(a, "[%lld", (long long)leading);
    for (int i = 0; i < ones; i++) text = gr_arena_printf(a, "%s, 1", text);
    for (int i = from; i < t->rank; i++) text = gr_arena_printf(a, "%s, %lld", text, (long long)t->dim[i]);
    return gr_arena_printf(a, "%s]", text);
}

static gr_value *with_unit_axis(gr_hoister *h, gr_value *v)
{
    const char *shape = shape_text(h->g->arena, 1, 0, &v->type, 0);
    return gr_add_role(h->g, GR_ROLE_RESHAPE, v->node, 1, &v, "shape=%s", shape)->out[0];
}

/* v repeated n times along a new leading axis. */
static gr_value *repeated(gr_hoister *h, gr_value *v, int64_t n)
{
    gr_value *unit = with_unit_axis(h, v);
    const char *shape = shape_text(h->g->arena, n, 0, &v->type, 0);
    return gr_add_role(h->g, GR_ROLE_EXPAND, v->node, 1, &unit, "shape=%s", shape)->out[0];
}

/* The steps' part of a history: what step t reads (made: what it makes) at [t]. */
static gr_value *history_part(gr_hoister *h, gr_value *history, bool made)
{
    int64_t start = made != h->scan->scan->reverse;
    return gr_add_role(h->g, GR_ROLE_SLICE, history->node, 1, &history, "dim=0, start=%lld, stop=%lld",
                       (long long)start, (long long)(start + steps_of(h)))->out[0];
}

gr_value *gr_history_form(gr_hoister *h, gr_value *arg, int carry)
{
    const gr_form *f = gr_form_of(arg);
    if (f->loop) return gr_scan_history(f->loop, f->carry);
    if (gr_place_of(h, arg) == GR_ONCE) return repeated(h, gr_once_form(h, arg), steps_of(h) + 1);
    /* A carry that no loop needs only delays a sequence. */
    gr_value *init = with_unit_axis(h, gr_arg_outer(arg));
    gr_value *made = gr_stacked_form(h, h->body->results[carry]);
    bool reverse = h->scan->scan->reverse;
    gr_value *in[2] = {reverse ? made : init, reverse ? init : made};
    return gr_add_role(h->g, GR_ROLE_CONCAT, arg->node, 2, in, "dim=0")->out[0];
}

gr_value *gr_last_form(gr_hoister *h, gr_value *arg, int carry)
{
    const gr_form *f = gr_form_of(arg);
    gr_value *next = h->body->results[carry];
    if (h->total[carry]) return h->total[carry];
    if (f->loop) return gr_scan_last(f->loop, f->carry);
    if (gr_place_of(h, arg) == GR_ONCE || gr_place_of(h, next) == GR_ONCE) return gr_once_form(h, next);
    gr_value *made = gr_stacked_form(h, next);
    int64_t index = h->scan->scan->reverse ? 0 : steps_of(h) - 1;
    return gr_add_role(h->g, GR_ROLE_SELECT, next->node, 1, &made, "dim=0, index=%lld", (long long)index)->out[0];
}

gr_value *gr_once_form(gr_hoister *h, gr_value *v)
{
    gr_form *f = gr_form_of(v);
    if (!f->once && v->node->op->role == GR_ROLE_ARG) f->once = gr_arg_outer(v);
    if (f->once) return f->once;
    gr_bug(h->g->arena, "hoist: %s was not made outside", v->node->name);
}

/* The carry of `loop` whose next v is; -1: none. */
static int carry_made(gr_hoister *h, const gr_value *v, const gr_node *loop)
{
    for (int c = 0; c < h->scan->scan->carries; c++)
        if (h->body->results[c] == v && gr_form_of(h->body->args[c])->loop == loop) return c;
    return -1;
}

static gr_value *stack(gr_hoister *h, gr_value *v)
{
    const gr_form *f = gr_form_of(v);
    int carry;
    if (gr_place_of(h, v) == GR_ONCE) return repeated(h, gr_once_form(h, v), steps_of(h));
    if (gr_is_carry(v, &carry)) return history_part(h, gr_history_form(h, v, carry), false);
    if (v->node->op->role == GR_ROLE_ARG) return gr_arg_outer(v);
    if (!f->loop) gr_bug(h->g->arena, "hoist: %s was not made yet", v->node->name);
    carry = carry_made(h, v, f->loop);
    if (carry >= 0) return history_part(h, gr_history_form(h, h->body->args[carry], carry), true);
    const char *name = v->node->num_out > 1 ? gr_arena_printf(h->g->arena, "%s.%s", v->node->name, v->port)
                                            : v->node->name;
    return gr_scan_stacked(f->loop, gr_scan_stack(f->loop, f->inner, name));
}

/* A step's names behind that of the loop's axis. */
static void name_axes(const gr_hoister *h, gr_value *stacked, const gr_type *step)
{
    const gr_type t = gr_type_stacked(step, steps_of(h), gr_scan_axis(h->scan));
    gr_type_take_names(&stacked->type, &t);
}

gr_value *gr_stacked_form(gr_hoister *h, gr_value *v)
{
    gr_form *f = gr_form_of(v);
    if (!f->stacked) {
        f->stacked = stack(h, v);
        name_axes(h, f->stacked, &v->type);
    }
    return f->stacked;
}

gr_value *gr_outer_form(gr_hoister *h, gr_value *v)
{
    return gr_place_of(h, v) == GR_ONCE ? gr_once_form(h, v) : gr_stacked_form(h, v);
}

/* ---- loops ---- */

static gr_value *inner_form(gr_hoister *h, gr_node *loop, gr_value *v)
{
    const gr_form *f = gr_form_of(v);
    if (f->inner && f->loop == loop) return f->inner;
    if (gr_place_of(h, v) == GR_ONCE) return gr_scan_invariant(loop, gr_once_form(h, v));
    return gr_scan_sequence(loop, gr_stacked_form(h, v), v->node->name);
}

static void add_carries(gr_hoister *h, gr_node *loop, gr_node **members, int n)
{
    for (int i = 0; i < n; i++) {
        int carry;
        if (members[i]->op->role != GR_ROLE_ARG || !gr_is_carry(members[i]->out[0], &carry)) continue;
        gr_value *arg = members[i]->out[0];
        gr_form *f = gr_form_of(arg);
        const char *name = h->body->result_names[carry];
        f->loop = loop;
        f->carry = loop->scan->carries;
        f->inner = gr_scan_carry(loop, gr_arg_outer(arg), name ? name : arg->node->name);
        gr_scan_name_carry(loop, f->carry, &arg->type);
    }
}

static void set_nexts(gr_hoister *h, gr_node *loop, gr_node **members, int n)
{
    for (int i = 0; i < n; i++) {
        int carry;
        if (members[i]->op->role != GR_ROLE_ARG || !gr_is_carry(members[i]->out[0], &carry)) continue;
        const gr_form *f = gr_form_of(members[i]->out[0]);
        gr_scan_set_next(loop, f->carry, inner_form(h, loop, h->body->results[carry]));
    }
}

/* A loop of the members alone: their carries, and what they read from outside. */
static void emit_loop(gr_hoister *h, gr_node **members, int n)
{
    const gr_scan *s = h->scan->scan;
    gr_node_spec spec = {.op = h->scan->op, .name = h->scan->name, .at = h->scan->at, .phase = h->scan->phase,
                         .attr = h->scan->attr};
    gr_node *loop = gr_scan_add(h->g, &spec, s->reverse, s->steps);
    gr_scan_stands_for(loop->scan, s);
    if (!h->loops++) loop->name = h->scan->name;
    add_carries(h, loop, members, n);
    for (int i = 0; i < n; i++) {
        gr_node *m = members[i];
        if (m->op->role == GR_ROLE_ARG) continue;
        gr_value **in = GR_NEW_ARRAY(h->g->arena, gr_value *, m->num_in + 1);
        for (int k = 0; k < m->num_in; k++) in[k] = m->in[k] ? inner_form(h, loop, m->in[k]) : NULL;
        gr_node *copy = gr_copy_node(loop->scan->body, m, in);
        for (int k = 0; k < m->num_out; k++) {
            gr_form *f = gr_form_of(m->out[k]);
            f->loop = loop;
            f->inner = copy->out[k];
        }
    }
    set_nexts(h, loop, members, n);
}

/* ---- whole sequences ---- */

/* v [time, ...] of per-step rank below `rank` gets axes of 1 behind time. */
static gr_value *aligned(gr_hoister *h, gr_value *v, int rank)
{
    int missing = rank + 1 - v->type.rank;
    if (missing <= 0) return v;
    const char *shape = shape_text(h->g->arena, v->type.dim[0], missing, &v->type, 1);
    return gr_add_role(h->g, GR_ROLE_RESHAPE, v->node, 1, &v, "shape=%s", shape)->out[0];
}

static bool is_stack_of(const gr_hoister *h, const gr_type *whole, const gr_type *step)
{
    if (whole->rank != step->rank + 1 || whole->dim[0] != steps_of(h) || whole->dtype != step->dtype) return false;
    for (int i = 0; i < step->rank; i++)
        if (whole->dim[i + 1] != step->dim[i]) return false;
    return true;
}

static bool take_results(gr_hoister *h, gr_node *n, gr_value **result)
{
    for (int i = 0; i < n->num_out; i++)
        if (!result[i] || !is_stack_of(h, &result[i]->type, &n->out[i]->type)) return false;
    for (int i = 0; i < n->num_out; i++) {
        gr_form_of(n->out[i])->stacked = result[i];
        name_axes(h, result[i], &n->out[i]->type);
    }
    return true;
}

/* The same node over stacked operands. rank: what pointwise operands are aligned to, -1: each
 * operand is stacked as it is, those of WHOLE ports apart. */
static bool reapply(gr_hoister *h, gr_node *n, int rank)
{
    gr_value **in = GR_NEW_ARRAY(h->g->arena, gr_value *, n->num_in + 1);
    for (int p = 0; p < gr_op_num_inputs(n->op); p++)
        for (int i = n->port[p]; i < n->port[p + 1]; i++) {
            gr_value *v = n->in[i];
            bool once = v && gr_place_of(h, v) == GR_ONCE;
            if (!v) continue;
            if ((n->op->inputs[p].flags & GR_PORT_WHOLE) && !once) return false;
            if (rank >= 0) in[i] = once ? gr_once_form(h, v) : aligned(h, gr_stacked_form(h, v), rank);
            else in[i] = (n->op->inputs[p].flags & GR_PORT_WHOLE) ? gr_once_form(h, v) : gr_stacked_form(h, v);
        }
    gr_node *whole = gr_copy_node(h->g, n, in);
    whole->outer_axes = n->outer_axes + 1;
    return gr_infer_node(h->g, whole) == 0 && take_results(h, n, whole->out);
}

typedef struct outside {
    gr_hoister *h;
    gr_node *node;
    gr_value **result;
} outside;

static gr_value *outside_in(void *data, gr_emitter *e, int input)
{
    outside *o = data;
    (void)e;
    return gr_outer_form(o->h, o->node->in[input]);
}

static bool outside_stacked(void *data, int input)
{
    outside *o = data;
    return o->node->in[input] && gr_place_of(o->h, o->node->in[input]) != GR_ONCE;
}

static int outside_result(void *data, gr_emitter *e, int output, gr_value *v)
{
    outside *o = data;
    (void)e;
    if (output < 0 || output >= o->node->num_out) return -1;
    o->result[output] = v;
    return 0;
}

int gr_call_outside(gr_hoister *h, gr_node *n, int (*fn)(gr_ctx *), gr_value **result)
{
    outside o = {h, n, result};
    gr_node_view view = {.node = n, .in = outside_in, .stacked = outside_stacked, .set_result = outside_result,
                         .data = &o};
    int before = h->g->num_nodes;
    int status = gr_emitter_call(gr_emitter_create(h->g, n->phase), &view, fn);
    for (int i = before; i < h->g->num_nodes; i++)
        if (h->g->nodes[i]->op->traits & GR_RANDOM) {
            h->g->nodes[i]->path = n->path;
            h->g->nodes[i]->outer_axes = n->outer_axes + 1;
        }
    if (status == 0 && n->num_out == 1 && h->g->num_nodes > before && h->g->nodes[h->g->num_nodes - 1]->out[0] == result[0])
        gr_node_rename(h->g->nodes[h->g->num_nodes - 1], n->name);
    return status;
}

static bool emit_batched(gr_hoister *h, gr_node *n)
{
    if ((n->op->traits & GR_POINTWISE) && reapply(h, n, n->out[0]->type.rank)) return true;
    if ((n->op->traits & GR_ROWWISE) && !(n->op->traits & GR_POINTWISE) && n->num_in && reapply(h, n, -1)) return true;
    if (!n->op->batch) return false;
    gr_value **result = GR_NEW_ARRAY(h->g->arena, gr_value *, n->num_out + 1);
    return gr_call_outside(h, n, n->op->batch, result) == 0 && take_results(h, n, result);
}

static void emit_once(gr_hoister *h, gr_node *n)
{
    gr_value **in = GR_NEW_ARRAY(h->g->arena, gr_value *, n->num_in + 1);
    for (int i = 0; i < n->num_in; i++) in[i] = n->in[i] ? gr_once_form(h, n->in[i]) : NULL;
    gr_node *copy = gr_copy_node(h->g, n, in);
    for (int i = 0; i < n->num_out; i++) gr_form_of(n->out[i])->once = copy->out[i];
}

void gr_emit_whole(gr_hoister *h, gr_node *n)
{
    if (n->op->role == GR_ROLE_ARG) return;
    if (h->place[gr_number(n)] == GR_ONCE) {
        emit_once(h, n);
    } else if (!emit_batched(h, n)) {
        h->place[gr_number(n)] = GR_IN_LOOP;
        emit_loop(h, &n, 1);
    }
}

/* ---- groups ---- */

static void emit_gathering(gr_hoister *h, gr_gather *a, gr_node **members, int n)
{
    gr_value **rest = GR_NEW_ARRAY(h->g->arena, gr_value *, a->sum->num_in + 1);
    int num_rest = gr_emit_gather(h, a, rest), carry;
    if (!num_rest) return;
    gr_value *total = a->total;
    a->sum->in = rest;
    a->sum->in[num_rest++] = a->arg;
    a->sum->num_in = num_rest;
    a->sum->port[gr_op_num_inputs(a->sum->op)] = num_rest;
    gr_node **all = GR_NEW_ARRAY(h->g->arena, gr_node *, n + a->num_kept);
    for (int i = 0; i < a->num_kept; i++) all[i] = a->kept[i];
    for (int i = 0; i < n; i++) all[a->num_kept + i] = members[i];
    emit_loop(h, all, n + a->num_kept);
    gr_is_carry(a->arg, &carry);
    gr_value *last = gr_last_form(h, a->arg, carry);
    h->total[carry] = total ? gr_add_role(h->g, GR_ROLE_ADD, a->sum, 2, (gr_value *[]){last, total}, NULL)->out[0] : last;
}

void gr_emit_group(gr_hoister *h, gr_node **members, int num_members)
{
    int first = gr_number(members[0]);
    if (h->gather[first]) emit_gathering(h, h->gather[first], members, num_members);
    else if (h->place[first] == GR_IN_LOOP) emit_loop(h, members, num_members);
    else if (!h->deferred[first]) gr_emit_whole(h, members[0]);
}
