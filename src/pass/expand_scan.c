/* expand_scan.c - a raw loop becomes a typed one.
 *
 * The raw node is laid out as a gr_scan says. Sequences run over the axis called `over`:
 * one that has it elsewhere than in front is read through a transposed view, and the
 * stacked outputs are given back with time where the first sequence has it. A carry
 * that starts from zeros is [batch, size]; batch comes from a slice of a sequence, or
 * from another carry. */
#include "pass/expand.h"
#include <string.h>

typedef struct scan_work {
    expansion *x;
    gr_node *raw;
    gr_value **in;  /* typed: inits, sequences with time in front, invariants */
    gr_ctx *ctx;
    gr_loop *loop;
    int time_axis;  /* where the first sequence had it */
    bool broken;    /* something is unknown: all outputs are */
} scan_work;

static int axis_of(const gr_type *t, const char *over)
{
    for (int i = 0; over && i < t->rank; i++)
        if (t->axis[i] && strcmp(t->axis[i], over) == 0) return i;
    return 0;
}

static gr_value *swap_axes(expansion *x, gr_value *v, int axis)
{
    if (axis == 0) return v;
    return gr_emit_role(x->emitter, GR_ROLE_TRANSPOSE, 1, &v, "dim0=0, dim1=%d", axis);
}

static void order_sequences(scan_work *w)
{
    const gr_scan *s = w->raw->scan;
    for (int i = s->carries; i < s->carries + s->sequences; i++) {
        if (!w->in[i] || gr_is_unknown(w->in[i])) {
            w->broken = true;
            continue;
        }
        int axis = axis_of(&w->in[i]->type, s->over);
        if (i == s->carries) w->time_axis = axis;
        w->in[i] = swap_axes(w->x, w->in[i], axis);
    }
}

/* The batch axis of what the loop reads; rank 0 if nothing has one. */
static gr_type batch_of(const scan_work *w)
{
    const gr_scan *s = w->raw->scan;
    gr_type t = {.rank = 0};
    for (int i = 0; i < s->carries + s->sequences && t.rank == 0; i++) {
        const gr_value *v = w->in[i];
        int at = i < s->carries ? 0 : 1;
        if (!v || gr_is_unknown(v) || v->type.rank < 2) continue;
        t.rank = 1;
        t.dim[0] = v->type.dim[at];
        t.axis[0] = v->type.axis[at];
    }
    return t;
}

static void make_zeros(scan_work *w)
{
    const gr_scan *s = w->raw->scan;
    for (int i = 0; i < s->carries; i++) {
        if (w->raw->in[i]) {
            w->broken |= gr_is_unknown(w->in[i]);
            continue;
        }
        gr_type t = batch_of(w);
        t.dtype = w->x->to->real;
        t.dim[t.rank++] = s->carry_size ? s->carry_size[i] : 0;
        w->in[i] = gr_emit_zeros(w->x->emitter, &t);
    }
}

/* An arg's name without the loop's own in front. */
static const char *arg_name(const gr_node *scan, const gr_value *arg)
{
    size_t n = strlen(scan->name);
    const char *name = arg->node->name;
    return strncmp(name, scan->name, n) == 0 && name[n] == '.' ? name + n + 1 : name;
}

static void open_args(scan_work *w)
{
    const gr_scan *s = w->raw->scan;
    for (int i = 0; i < w->raw->num_in; i++) {
        gr_value *arg = s->body->args[i];
        gr_val v = w->in[i];
        const char *name = arg_name(w->raw, arg);
        if (i < s->carries) v = gr_loop_carry(w->ctx, w->loop, name, w->in[i]);
        else if (i < s->carries + s->sequences) v = gr_loop_slice(w->ctx, w->loop, name, w->in[i]);
        arg->mark = (gr_value *)(uintptr_t)v;
        w->broken |= gr_is_unknown(v);
        if (i < s->carries + s->sequences && !gr_is_unknown(v))
            gr_graph_set_name(w->x->to, gr_arena_printf(w->x->arena, "%s.%s", w->raw->name, name), arg->mark);
    }
}

/* The next of a carry must be like its init. */
static int check_carry(scan_work *w, int i, const gr_value *next)
{
    const gr_scan *s = w->raw->scan;
    const gr_value *init = w->in[i];
    gr_arena *a = w->x->arena;
    gr_diag *d = w->x->to->diag;
    if (gr_type_equal(&init->type, &next->type)) return 0;
    gr_diag_error(d, s->carry_at && s->carry_at[i].line ? s->carry_at[i] : w->raw->at,
                  "carry '%s' of '%s' starts as %s, but its next, '%s', is %s", arg_name(w->raw, s->body->args[i]),
                  w->raw->name, gr_type_text(a, &init->type), next->node->name, gr_type_text(a, &next->type));
    if (init->node->at.line) gr_diag_note(d, init->node->at, "it starts as %s here", gr_type_text(a, &init->type));
    gr_diag_note(d, next->node->at, "'%s' is %s", next->node->name, gr_type_text(a, &next->type));
    return -1;
}

/* Sets nexts and stacked values; typed[j] is where stacked value j came to stand. */
static void close_results(scan_work *w, int *typed)
{
    const gr_scan *s = w->raw->scan;
    for (int i = 0; i < s->carries + s->stacked; i++) {
        gr_value *v = gr_expanded(w->x, s->body->results[i], w->raw->at);
        if (!v || gr_is_unknown(v)) {
            w->broken = true;
            continue;
        }
        if (i >= s->carries) {
            typed[i - s->carries] = gr_loop_stack(w->ctx, w->loop, w->raw->out[i + s->carries]->port, v);
        } else if (w->broken || check_carry(w, i, v) != 0) {
            w->broken = true;
        } else {
            gr_loop_next(w->ctx, w->loop, (gr_val)s->body->args[i]->mark, v);
        }
    }
}

static void name_output(scan_work *w, gr_value *raw, gr_value *v)
{
    raw->mark = v;
    if (raw->port) gr_graph_set_name(w->x->to, gr_arena_printf(w->x->arena, "%s.%s", w->raw->name, raw->port), v);
}

static void give_outputs(scan_work *w, gr_node *scan, const int *typed)
{
    const gr_scan *s = w->raw->scan;
    for (int i = 0; i < s->carries; i++) {
        name_output(w, gr_scan_last(w->raw, i), gr_scan_last(scan, i));
        gr_scan_history(w->raw, i)->mark = gr_scan_history(scan, i);
    }
    for (int j = 0; j < s->stacked; j++) {
        gr_value *v = gr_scan_stacked(scan, typed[j]);
        if (v->type.rank > w->time_axis) v = swap_axes(w->x, v, w->time_axis);
        name_output(w, gr_scan_stacked(w->raw, j), v);
    }
    gr_value *first = s->stacked ? gr_scan_stacked(w->raw, 0)->mark : s->carries ? gr_scan_last(scan, 0) : NULL;
    if (first) gr_graph_set_name(w->x->to, w->raw->name, first);
}

void gr_expand_scan(expansion *x, gr_node *raw)
{
    const gr_scan *s = raw->scan;
    scan_work w = {.x = x, .raw = raw, .in = gr_expanded_inputs(x, raw), .ctx = gr_emitter_ctx(x->emitter)};
    int *typed = GR_NEW_ARRAY(x->arena, int, s->stacked + 1);
    gr_graph *around = gr_emitter_graph(x->emitter);
    gr_emitter_at(x->emitter, raw->name, raw->at);
    order_sequences(&w);
    make_zeros(&w);
    gr_emitter_at(x->emitter, "", raw->at);
    w.loop = gr_loop_begin(w.ctx, raw->name, s->reverse);
    open_args(&w);
    gr_expand_nodes(x, s->body);
    gr_emitter_at(x->emitter, "", raw->at);
    close_results(&w, typed);
    gr_val end = NULL;
    if (w.broken) gr_emitter_set_graph(x->emitter, around);
    else end = gr_loop_end(w.ctx, w.loop);
    gr_emitter_at(x->emitter, raw->name, raw->at);
    if (end && !gr_is_unknown(end)) give_outputs(&w, end->node, typed);
    else for (int o = 0; o < raw->num_out; o++) raw->out[o]->mark = gr_unknown_of(x);
    gr_emitter_at(x->emitter, "", (gr_loc){NULL, 0, 0, 0});
}
