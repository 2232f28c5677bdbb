/* loop.c - loops as an op makes them: slices, carries, stacked values, and rows of a
 * batch that end early.
 *
 * With lengths, a row takes part in the first lengths[row] steps only. Everything that
 * this asks of a loop is a Where:
 *
 *     slice    its sequence is made zero where the row has ended, before the loop, so that
 *              what can be hoisted still is, and what padding held (NaN too) is not read
 *     carry    next = active ? next : carry. Run in reverse, a row's carry so stays at its
 *              init until the row's last step, which is its first
 *     stacked  zero where the row has ended */
#include "graph/frame.h"

#include <string.h>

struct gr_loop {
    gr_node *scan;
    gr_graph *outer;
    gr_value *lengths; /* of outer; NULL: all rows take part in all steps */
    gr_value *active[GR_MAX_RANK + 1]; /* [r]: the mask of a slice with r axes, as a sequence: [T, lengths' axes, 1, ...] */
    bool broken; /* something in it is unknown: the loop gives unknown values */
};

static gr_emitter *emitter(const gr_ctx *c) { return (gr_emitter *)(uintptr_t)c; }
static gr_value *value(gr_val v) { return (gr_value *)(uintptr_t)v; }
static bool unknown(const gr_value *v) { return v && v->type.dtype == GR_UNKNOWN; }

gr_loop *gr_host_loop_begin(gr_ctx *c, const char *name, bool reverse)
{
    gr_emitter *e = emitter(c);
    gr_loop *l = GR_NEW(e->graph->arena, gr_loop);
    gr_node_spec spec = {.op = gr_registry_role(e->graph->registry, GR_ROLE_SCAN),
                         .name = gr_path_join(e->graph->arena, gr_emitter_prefix(e), name ? name : "scan"),
                         .at = e->frame ? e->frame->at : e->at,
                         .phase = e->phase};
    l->outer = e->graph;
    l->scan = gr_scan_detached(e->graph, &spec, reverse, 0);
    e->graph = l->scan->scan->body;
    return l;
}

/* Nodes go into the body of the loop that was begun last. */
static void check_inside(gr_ctx *c, const gr_loop *l, const char *function)
{
    if (!l || emitter(c)->graph != l->scan->scan->body)
        gr_misuse(c, "calls %s() for a loop that is not begun, has ended, or has another one open inside", function);
}

static gr_val broken(gr_ctx *c, gr_loop *l)
{
    l->broken = true;
    return gr_unknown_value(emitter(c));
}

/* ---- lengths ---- */

int gr_host_loop_lengths(gr_ctx *c, gr_loop *l, gr_val lengths)
{
    gr_value *v = gr_graph_capture(l->outer, value(lengths));
    if (!v || unknown(v)) {
        broken(c, l);
        return -1;
    }
    if (v->type.dtype != GR_INT32)
        return gr_fail(c, GR_AT_INPUT, "lengths", "lengths must be int32, the number of steps of each row, but is %s",
                       gr_type_text(l->outer->arena, &v->type));
    l->lengths = v;
    return 0;
}

void gr_host_loop_recompute(gr_ctx *c, gr_loop *l, int64_t every)
{
    (void)c;
    l->scan->scan->recompute = every;
}

/* The leading axes of a step's value are those of lengths. */
static int check_rows(gr_ctx *c, const gr_loop *l, const char *what, const char *name, const gr_type *t)
{
    const gr_type *rows = &l->lengths->type;
    bool fits = t->rank >= rows->rank;
    for (int i = 0; fits && i < rows->rank; i++)
        fits = t->dim[i] == rows->dim[i] && (!t->axis[i] || !rows->axis[i] || strcmp(t->axis[i], rows->axis[i]) == 0);
    if (fits) return 0;
    gr_arena *a = l->outer->arena;
    return gr_fail(c, GR_AT_INPUT, "lengths", "lengths is %s, but %s '%s' is %s in each step: its first axis must be the batch, as long as lengths",
                   gr_type_text(a, rows), what, name, gr_type_text(a, t));
}

/* For a slice with `rank` axes: bool [T, lengths' axes, 1, ...], in the graph around the loop; axis: what that of T is called. */
static gr_value *active_rows(gr_emitter *e, gr_loop *l, int rank, const char *axis)
{
    gr_graph *body = e->graph;
    gr_arena *a = l->outer->arena;
    if (l->active[rank]) return l->active[rank];
    e->graph = l->outer;
    int own = l->lengths->type.rank;
    gr_value *v = l->active[own];
    if (!v)
        v = l->active[own] = gr_emit_role(e, GR_ROLE_LENGTH_MASK, 1, &l->lengths, "size=%lld, axis=%s", (long long)l->scan->scan->steps, axis ? axis : "~");
    if (rank != own && !unknown(v)) {
        const char *shape = "";
        for (int i = 0; i <= rank; i++)
            shape = gr_arena_printf(a, "%s%s%lld", shape, i ? ", " : "", (long long)(i <= own ? v->type.dim[i] : 1));
        v = l->active[rank] = gr_emit_role(e, GR_ROLE_RESHAPE, 1, &v, "shape=[%s]", shape);
    }
    e->graph = body;
    return v;
}

static gr_value *where(gr_emitter *e, gr_value *condition, gr_value *v, gr_value *other)
{
    if (!other) {
        const gr_type number = {.dtype = v->type.dtype};
        other = gr_emit_zeros(e, &number);
    }
    if (unknown(condition)) return condition;
    return gr_emit_role(e, GR_ROLE_WHERE, 3, (gr_value *[]){condition, v, other}, NULL);
}

/* `sequence` with zeros where rows have ended. A slice that is one number is all rows'. */
static gr_value *without_padding(gr_ctx *c, gr_loop *l, const char *name, gr_value *sequence)
{
    gr_emitter *e = emitter(c);
    gr_type t = gr_type_slice(&sequence->type);
    if (!l->lengths || (t.rank == 0 && l->lengths->type.rank > 0)) return sequence;
    if (check_rows(c, l, "the slice", name, &t) < 0) return gr_unknown_value(e);
    gr_value *active = active_rows(e, l, t.rank, sequence->type.axis[0]);
    gr_graph *body = e->graph;
    e->graph = l->outer;
    gr_value *v = where(e, active, sequence, NULL);
    e->graph = body;
    return v;
}

/* In a step: v where the row goes on, else `other`, or zero if that is NULL. */
static gr_value *while_active(gr_ctx *c, gr_loop *l, const char *what, const char *name, gr_value *v, gr_value *other)
{
    if (!l->lengths) return v;
    if (check_rows(c, l, what, name, &v->type) < 0) return gr_unknown_value(emitter(c));
    gr_value *active = active_rows(emitter(c), l, v->type.rank, gr_scan_axis(l->scan));
    if (unknown(active)) return active;
    return where(emitter(c), gr_scan_sequence(l->scan, active, gr_path_join(l->outer->arena, l->scan->name, "active")), v, other);
}

/* ---- steps ---- */

gr_val gr_host_loop_slice(gr_ctx *c, gr_loop *l, const char *name, gr_val sequence)
{
    check_inside(c, l, "gr_loop_slice");
    gr_value *v = gr_graph_capture(l->outer, value(sequence));
    gr_scan *s = l->scan->scan;
    if (!v || unknown(v)) return broken(c, l);
    if (v->type.rank < 1 || (s->steps && v->type.dim[0] != s->steps)) {
        gr_fail(c, GR_AT_NODE, NULL, "'%s' is %s; the loop runs over a leading axis of %lld steps", v->node->name,
                gr_type_text(l->outer->arena, &v->type), (long long)s->steps);
        return broken(c, l);
    }
    if (!s->steps) s->steps = v->type.dim[0];
    v = without_padding(c, l, name ? name : v->node->name, v);
    if (unknown(v)) return broken(c, l);
    return gr_scan_sequence(l->scan, v, gr_path_join(l->outer->arena, l->scan->name, name));
}

gr_val gr_host_loop_carry(gr_ctx *c, gr_loop *l, const char *name, gr_val init)
{
    check_inside(c, l, "gr_loop_carry");
    gr_value *v = gr_graph_capture(l->outer, value(init));
    if (!v || unknown(v)) return broken(c, l);
    return gr_scan_carry(l->scan, v, name);
}

int gr_host_loop_next(gr_ctx *c, gr_loop *l, gr_val carry, gr_val next)
{
    check_inside(c, l, "gr_loop_next");
    gr_value *v = gr_graph_capture(l->scan->scan->body, value(next));
    int number = 0;
    if (!v || !carry || unknown(v) || unknown(value(carry))) {
        l->broken = true;
        return -1;
    }
    const bool argument = value(carry)->node->graph == l->scan->scan->body && value(carry)->node->op->role == GR_ROLE_ARG;
    if (!argument || gr_arg_kind(value(carry), &number) != GR_ARG_CARRY) gr_misuse(c, "gives gr_loop_next() what is no carry of the loop");
    if (gr_type_equal(&v->type, &carry->type)) /* if not, gr_host_loop_end says so */
        v = while_active(c, l, "the carry", carry->node->name, v, value(carry));
    l->broken |= unknown(v);
    gr_scan_set_next(l->scan, number, v);
    return unknown(v) ? -1 : 0;
}

int gr_host_loop_stack(gr_ctx *c, gr_loop *l, const char *name, gr_val v)
{
    check_inside(c, l, "gr_loop_stack");
    gr_value *inner = gr_graph_capture(l->scan->scan->body, value(v));
    if (inner && !unknown(inner)) inner = while_active(c, l, "the stacked value", name ? name : inner->node->name, inner, NULL);
    if (!inner || unknown(inner)) {
        broken(c, l);
        return -1;
    }
    return gr_scan_stack(l->scan, inner, name);
}

static int check_loop(gr_ctx *c, gr_loop *l)
{
    const gr_scan *s = l->scan->scan;
    gr_arena *a = l->outer->arena;
    if (l->broken) return -1;
    if (!s->steps) return gr_fail(c, GR_AT_NODE, NULL, "the loop has no sequence to run over");
    for (int i = 0; i < s->carries; i++) {
        const gr_value *arg = s->body->args[i], *next = s->body->results[i];
        if (!next) return gr_fail(c, GR_AT_NODE, NULL, "carry '%s' has no next", arg->node->name);
        if (!gr_type_equal(&arg->type, &next->type))
            return gr_fail(c, GR_AT_NODE, NULL, "carry '%s' starts as %s, but its next, '%s', is %s", arg->node->name,
                           gr_type_text(a, &arg->type), next->node->name, gr_type_text(a, &next->type));
    }
    return 0;
}

/* The lengths of the outputs, once the number of steps is known. */
static void set_lengths(gr_node *scan)
{
    gr_scan *s = scan->scan;
    for (int i = 0; i < s->carries; i++) scan->out[s->carries + i]->type.dim[0] = s->steps + 1;
    for (int j = 0; j < s->stacked; j++) gr_scan_stacked(scan, j)->type.dim[0] = s->steps;
    for (int j = 0; j < s->stacked && s->sequences; j++)
        gr_scan_stacked(scan, j)->type.axis[0] = scan->in[s->carries]->type.axis[0];
}

gr_val gr_host_loop_end(gr_ctx *c, gr_loop *l)
{
    check_inside(c, l, "gr_loop_end");
    gr_emitter *e = emitter(c);
    e->graph = l->outer;
    if (check_loop(c, l) < 0) return gr_unknown_value(e);
    set_lengths(l->scan);
    gr_scan_insert(l->scan);
    return l->scan->num_out ? l->scan->out[0] : NULL;
}

