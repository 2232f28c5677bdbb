/* host.c - the functions that an op reaches through its gr_ctx. */
#include "base/count.h"
#include "base/map.h"
#include "graph/frame.h"

#include <string.h>

/* Outputs of a variadic port, as one for each parameter of a model: a loop that asks for more has no end. And those
 * of one node that an op emits by name. */
enum { MOST_OUTPUTS = 1 << 16, MAX_OUTPUTS = 256 };

static gr_emitter *emitter(const gr_ctx *c) { return (gr_emitter *)(uintptr_t)c; }
/* Values are immutable to ops alone. */
static gr_value *value(gr_val v) { return (gr_value *)(uintptr_t)v; }
static bool unknown(const gr_value *v) { return v && v->type.dtype == GR_UNKNOWN; }

void gr_misuse(const gr_ctx *c, const char *fmt, ...)
{
    char text[384];
    const gr_op_frame *f = emitter(c)->frame;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    gr_blame(emitter(c)->graph->arena, "op %s%s %s", f ? f->op->name : "", f ? "" : "(in a function of gr_later)", text);
}

static gr_op_frame *frame(const gr_ctx *c)
{
    if (!emitter(c)->frame) gr_misuse(c, "asks for what a node has; in a function of gr_later() there is no node in hand");
    return emitter(c)->frame;
}

/* Of a gradient, batch or accumulate. */
static const gr_node_view *view_of(const gr_ctx *c, const char *function)
{
    if (frame(c)->kind != GR_FRAME_VIEW) gr_misuse(c, "calls %s() in 'infer' or 'expand', where there is no such thing", function);
    return frame(c)->view;
}

/* The number of an input among all; that of the next port where the index is too large. */
static int input_number(const gr_ctx *c, int port, int index)
{
    const gr_op_frame *f = frame(c);
    const int ports = gr_op_num_inputs(f->op);
    if (port < 0 || port >= ports || index < 0) gr_misuse(c, "asks for value %d of its input port %d; it has %d port%s, from 0", index, port, ports, gr_s(ports));
    return f->port[port] + index;
}

/* How many outputs the op can have. */
static int most_outputs(const gr_op *op)
{
    int n = 0;
    for (; op->outputs && op->outputs[n].name; n++)
        if (op->outputs[n].flags & GR_PORT_VARIADIC) return MOST_OUTPUTS;
    return n;
}

static void check_output(const gr_ctx *c, int index, const char *function)
{
    const gr_op *op = frame(c)->op;
    if (index < 0 || index >= most_outputs(op)) gr_misuse(c, "calls %s() for output %d; it declares %d output%s, from 0", function, index, most_outputs(op), gr_s(most_outputs(op)));
}

static void check_given(const gr_ctx *c, const gr_type *t, const char *function)
{
    if (!t) gr_misuse(c, "gives %s() no type", function);
    bool right = t->dtype > GR_UNKNOWN && t->dtype < GR_NUM_DTYPES && t->rank >= 0 && t->rank <= GR_MAX_RANK;
    for (int i = 0; right && i < t->rank; i++) right = t->dim[i] >= 0;
    if (!right) gr_misuse(c, "gives %s() what is no type: dtype %d, rank %d, or a dim below 0", function, (int)t->dtype, t->rank);
}

static int host_fail(gr_ctx *c, gr_at at, const char *which, const char *fmt, va_list args)
{
    return gr_frame_fail(emitter(c), at, which, fmt, args);
}

static int attr_index(const gr_ctx *c, const char *name)
{
    int i = gr_op_attr(frame(c)->op, name);
    if (i < 0) gr_misuse(c, "asks for its attribute '%s', which it does not declare: add it to 'attrs', or correct the name", name ? name : "");
    return i;
}

static const gr_attr *host_attr(const gr_ctx *c, const char *name) { return &frame(c)->attr[attr_index(c, name)]; }

static int host_set_attr(gr_ctx *c, const char *name, int64_t n, const int64_t *values)
{
    int i = attr_index(c, name);
    gr_attr *at = &frame(c)->attr[i];
    at->present = true;
    if (frame(c)->op->attrs[i].kind == GR_ATTR_INTS || frame(c)->op->attrs[i].kind == GR_ATTR_SHAPE) {
        at->ints = gr_arena_copy(emitter(c)->graph->arena, values, sizeof *values * (size_t)n);
        at->n = n;
        at->names = NULL;
    } else {
        at->i = values[0];
    }
    return 0;
}

static int host_count(const gr_ctx *c, int port)
{
    const gr_op_frame *f = frame(c);
    int first = input_number(c, port, 0), n = f->port[port + 1] - first;
    gr_value *const *in = f->kind == GR_FRAME_VIEW ? f->view->node->in : f->in;
    return n == 1 && !in[first] ? 0 : n;
}

static gr_val host_in(gr_ctx *c, int port, int index)
{
    const gr_op_frame *f = frame(c);
    int i = input_number(c, port, index);
    if (i >= f->port[port + 1]) return NULL;
    if (f->kind == GR_FRAME_VIEW) return f->view->node->in[i] ? f->view->in(f->view->data, emitter(c), i) : NULL;
    return f->in[i];
}

static const gr_type *host_type(const gr_ctx *c, gr_val v)
{
    if (!v) gr_misuse(c, "asks for the type of an absent value");
    return &v->type;
}

static int host_set_output(gr_ctx *c, int index, const gr_type *t)
{
    gr_node *n = frame(c)->node;
    if (frame(c)->kind != GR_FRAME_INFER) gr_misuse(c, "calls gr_set_output() outside of 'infer'; gr_set_result() gives the values of 'expand'");
    check_output(c, index, "gr_set_output");
    check_given(c, t, "gr_set_output");
    if (gr_check_type(emitter(c), n->graph, t) < 0) return -1;
    while (n->num_out <= index) gr_node_add_output(n, NULL, t);
    n->out[index]->type = *t;
    return 0;
}

static int host_set_result(gr_ctx *c, const char *name, int index, gr_val v)
{
    gr_op_frame *f = frame(c);
    (void)name;
    if (f->kind == GR_FRAME_INFER) gr_misuse(c, "calls gr_set_result() in 'infer'; gr_set_output() gives its types");
    if (f->kind == GR_FRAME_EXPAND) check_output(c, index, "gr_set_result");
    if (!v && gr_diag_count(emitter(c)->graph->diag) == 0) /* else what failed has been said */
        gr_fail(c, GR_AT_NODE, NULL, "output '%s' would have to come from an input that is not given; give it",
                gr_output_name(emitter(c), f->op, index));
    if (!v) return -1;
    if (f->kind == GR_FRAME_VIEW) return f->view->set_result(f->view->data, emitter(c), index, value(v));
    while (f->num_results <= index)
        *GR_PUSH(emitter(c)->graph->arena, f->result, f->num_results, f->cap_results) = NULL;
    f->result[index] = value(v);
    return 0;
}

static gr_val host_emit(gr_ctx *c, const char *op, const char *name, int n, const gr_val *in, const char *attrs,
                        va_list args)
{
    gr_emitter *e = emitter(c);
    gr_arena *a = e->graph->arena;
    if (!op || n < 0 || (n > 0 && !in)) gr_misuse(c, "gives gr_emit() no name of an op, or %d inputs without their values", n);
    gr_apply w = {.op = gr_registry_find(e->graph->registry, op), .name = name, .num_in = n,
                  .in = (gr_value *const *)in};
    if (!w.op) {
        gr_fail(c, GR_AT_NODE, NULL, "there is no op called '%s'", op);
        return gr_unknown_value(e);
    }
    if (attrs) {
        const char *why = "";
        gr_attr *attr = gr_attr_defaults(a, w.op);
        if (gr_attrs_parse(a, w.op, gr_arena_vprintf(a, attrs, args), attr, &why) < 0) {
            gr_fail(c, GR_AT_NODE, NULL, "%s", why);
            return gr_unknown_value(e);
        }
        w.attr = attr;
    }
    gr_value *out[MAX_OUTPUTS];
    const char *names[MAX_OUTPUTS];
    gr_apply_op(e, &w, out, names, MAX_OUTPUTS);
    return out[0];
}

static gr_val host_output(gr_ctx *c, gr_val v, int index) { return gr_emitted_output(emitter(c), value(v), index); }

/* ---- parameters ---- */

/* The part of `path` behind a frame's own: what a tie on that node calls it. */
static const char *relative(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    if (!n) return path;
    return strncmp(path, prefix, n) == 0 && path[n] == '.' ? path + n + 1 : NULL;
}

static const gr_tie *find_tie(gr_emitter *e, const char *path)
{
    for (gr_op_frame *f = e->frame; f; f = f->outer) {
        const char *name = relative(path, f->params);
        for (int i = 0; name && i < f->num_ties; i++)
            if (strcmp(f->ties[i].param, name) == 0) {
                f->tie_used[i] = true;
                return &f->ties[i];
            }
    }
    return NULL;
}

static gr_val tied(gr_ctx *c, const char *path, const gr_type *t, const gr_tie *tie)
{
    gr_emitter *e = emitter(c);
    gr_arena *a = e->graph->arena;
    if (tie->value) {
        if (unknown(tie->value) || gr_type_equal(&tie->value->type, t)) return gr_graph_capture(e->graph, tie->value);
        gr_diag_error(e->graph->diag, tie->at, "'%s' is %s, but '%s' is %s", path, gr_type_text(a, t), tie->value->node->name,
                      gr_type_text(a, &tie->value->type));
        return gr_unknown_value(e);
    }
    gr_state *s = gr_graph_find_state(gr_graph_root(e->graph), tie->target);
    if (!s) {
        gr_diag_error(e->graph->diag, tie->at, "there is no parameter called '%s' to tie '%s' to", tie->target, path);
        return gr_unknown_value(e);
    }
    if (!gr_type_equal(&s->value->type, t)) {
        gr_diag_error(e->graph->diag, tie->at, "'%s' is %s and cannot be tied to '%s', which is %s", path,
                      gr_type_text(a, t), tie->target, gr_type_text(a, &s->value->type));
        return gr_unknown_value(e);
    }
    if (strcmp(s->name, path) != 0)
        *GR_PUSH(a, s->alias, s->num_aliases, s->cap_aliases) = gr_arena_strdup(a, path);
    return gr_graph_capture(e->graph, s->value);
}

static gr_val host_parameter(gr_ctx *c, const char *name, const gr_type *t, const char *init, va_list args)
{
    gr_emitter *e = emitter(c);
    gr_arena *a = e->graph->arena;
    check_given(c, t, "gr_parameter");
    if (!init) gr_misuse(c, "gives the parameter '%s' no initial values; write \"Zeros\"", name ? name : "");
    const char *bare = gr_path_join(a, gr_emitter_params(e), name);
    const char *path = e->suffix ? gr_arena_printf(a, "%s%s", bare, e->suffix) : bare;
    const gr_tie *tie = find_tie(e, path);
    if (tie) return tied(c, path, t, tie);
    gr_graph *root = gr_graph_root(e->graph);
    gr_state *s = gr_graph_find_state(root, path);
    if (gr_check_type(e, root, t) < 0) return gr_unknown_value(e);
    if (!s) {
        gr_type plain = *t; /* parameters have no named axes */
        memset(plain.axis, 0, sizeof plain.axis);
        s = gr_graph_add_state(root, path, &plain, gr_arena_vprintf(a, init, args));
        s->trainable = s->weight = true;
        s->value->node->at = e->frame ? e->frame->at : e->at;
    } else if (!gr_type_equal(&s->value->type, t)) {
        gr_fail(c, GR_AT_NODE, NULL, "parameter '%s' is %s here and %s elsewhere; give one of the nodes another name", path,
                gr_type_text(a, t), gr_type_text(a, &s->value->type));
        return gr_unknown_value(e);
    }
    return gr_graph_capture(e->graph, s->value);
}

/* ---- views of a node: gradient, batch, accumulate ---- */

static gr_val host_out(gr_ctx *c, int index)
{
    const gr_node_view *v = view_of(c, "gr_out");
    if (index < 0 || index >= v->node->num_out) gr_misuse(c, "calls gr_out() for output %d; it has %d, from 0", index, v->node->num_out);
    return v->out(v->data, emitter(c), index);
}

static gr_val host_grad(gr_ctx *c, int index)
{
    const gr_node_view *v = view_of(c, "gr_grad");
    if (!v->grad) gr_misuse(c, "calls gr_grad() outside of 'gradient'");
    return index >= 0 && index < v->node->num_out ? v->grad(v->data, emitter(c), index) : NULL;
}

static bool host_wants(gr_ctx *c, int port, int index)
{
    const gr_op_frame *f = frame(c);
    const gr_node_view *v = view_of(c, "gr_wants");
    int i = input_number(c, port, index);
    return i < f->port[port + 1] && v->node->in[i] && (!v->wants || v->wants(v->data, i));
}

static int host_set_grad(gr_ctx *c, int port, int index, gr_val v)
{
    const gr_op_frame *f = frame(c);
    if (!view_of(c, "gr_set_grad")->set_grad) gr_misuse(c, "calls gr_set_grad() outside of 'gradient'");
    if (!v || !host_wants(c, port, index)) return 0;
    return f->view->set_grad(f->view->data, emitter(c), f->port[port] + index, value(v));
}

static bool host_is_stacked(gr_ctx *c, int port, int index)
{
    const gr_op_frame *f = frame(c);
    const gr_node_view *v = view_of(c, "gr_is_stacked");
    int i = input_number(c, port, index);
    return i < f->port[port + 1] && v->stacked && v->stacked(v->data, i);
}

/* ---- views of a node: step ---- */

static const gr_node_view *step_view(const gr_ctx *c, const char *function)
{
    const gr_node_view *v = view_of(c, function);
    if (!v->step_axis) gr_misuse(c, "calls %s() outside of 'step'", function);
    return v;
}

static int host_step_axis(gr_ctx *c, int port, int index)
{
    const gr_node_view *v = step_view(c, "gr_step_axis");
    int i = input_number(c, port, index);
    return i < frame(c)->port[port + 1] && v->node->in[i] ? v->step_axis(v->data, i) : -1;
}

static gr_val host_step_numbers(gr_ctx *c, int64_t most)
{
    const gr_node_view *v = step_view(c, "gr_step_numbers");
    return v->step_numbers(v->data, emitter(c), most > 0 ? most : INT64_MAX);
}

static gr_val host_past(gr_ctx *c, int port, int index)
{
    const gr_node_view *v = step_view(c, "gr_past");
    if (host_step_axis(c, port, index) < 0) gr_misuse(c, "calls gr_past() for port %d, which has no axis of steps", port);
    return v->past(v->data, emitter(c), input_number(c, port, index));
}

/* ---- the rest ---- */

static const gr_op *host_find_op(gr_ctx *c, const char *name)
{
    return gr_registry_find(emitter(c)->graph->registry, name);
}

static void *host_alloc(gr_ctx *c, size_t bytes) { return gr_arena_alloc(emitter(c)->graph->arena, bytes); }
static const gr_op *host_self(const gr_ctx *c) { return frame(c)->op; }
static gr_dtype host_real(const gr_ctx *c) { return emitter(c)->graph->real; }
static bool host_is_training(const gr_ctx *c) { return emitter(c)->graph->training; }

static void host_mean_of(gr_ctx *c, gr_val mean, gr_val count, double n)
{
    gr_emitter *e = emitter(c);
    gr_graph *g = e->graph;
    bool known = mean && mean->type.dtype != GR_UNKNOWN && (!count || count->type.dtype != GR_UNKNOWN);
    if (g->parent || !known || gr_numel(&mean->type) != 1) return;
    *GR_PUSH(g->arena, g->means, g->num_means, g->cap_means) = (gr_mean){value(mean), value(count), n};
}

/* The state that v is, perhaps handed down into loops; NULL: none. */
static gr_state *state_of(gr_ctx *c, gr_value *v)
{
    while (v && v->node->graph->owner && v->node->op->role == GR_ROLE_ARG) v = gr_arg_outer(v);
    gr_graph *root = gr_graph_root(emitter(c)->graph);
    for (int i = 0; i < root->num_states; i++)
        if (root->states[i]->value == v) return root->states[i];
    return NULL;
}

static void host_freeze(gr_ctx *c, gr_val parameter)
{
    gr_state *s = state_of(c, value(parameter));
    if (s) s->trainable = false;
}

static gr_val host_buffer(gr_ctx *c, const char *name, const gr_type *t, const char *init, va_list args)
{
    if (emitter(c)->graph->parent) {
        gr_fail(c, GR_AT_NODE, NULL, "'%s' is renewed once a batch, so this node cannot stand in a loop, of which every step would "
                "renew it; put the node before or after the loop", name);
        return gr_unknown_value(emitter(c));
    }
    gr_val v = host_parameter(c, name, t, init, args);
    host_freeze(c, v);
    return v;
}

static int host_set_next(gr_ctx *c, gr_val state, gr_val next)
{
    gr_state *s = state_of(c, value(state));
    if (!state || !next || unknown(value(state)) || unknown(value(next))) return -1;
    if (!s || value(next)->node->graph->parent) gr_misuse(c, "gives a next to what is no state, or from inside a loop");
    if (!gr_type_equal(&s->value->type, &next->type)) gr_misuse(c, "gives a next of another type than the state's");
    s->next = value(next);
    return 0;
}

static gr_val host_next(gr_ctx *c, gr_val state)
{
    gr_state *s = state_of(c, value(state));
    return s && s->next ? s->next : s ? s->value : state;
}

static void host_later(gr_ctx *c, gr_later_fn fn, void *data, int n, const gr_val *values)
{
    gr_emitter *e = emitter(c);
    gr_graph *root = gr_graph_root(e->graph);
    gr_value **kept = GR_NEW_ARRAY(root->arena, gr_value *, n + 1);
    for (int i = 0; i < n; i++) kept[i] = value(values[i]);
    *GR_PUSH(root->arena, root->laters, root->num_laters, root->cap_laters) =
        (gr_later_call){fn, data, n, kept, gr_emitter_prefix(e), e->frame ? e->frame->at : e->at};
}

static void host_sparse(gr_ctx *c, gr_val parameter, const char *attr)
{
    gr_state *s = state_of(c, value(parameter));
    if (!s || s->sparse) return;
    s->sparse = true;
    s->sparse_at = gr_fault_place(emitter(c), GR_AT_ATTR, attr);
}

static void host_draw_as(gr_ctx *c, gr_val v, const char *name)
{
    gr_emitter *e = emitter(c);
    if (!v || unknown(value(v))) return;
    value(v)->node->path = name ? gr_hash(gr_path_join(e->graph->arena, gr_emitter_prefix(e), name)) : frame(c)->view->node->path;
}

static gr_dtype host_packed_dtype(const gr_ctx *c)
{
    const gr_op_frame *f = emitter(c)->frame;
    return f && f->kind == GR_FRAME_VIEW ? f->view->packed_dtype : GR_UNKNOWN;
}

static int host_scope(gr_ctx *c, const char *name)
{
    gr_op_frame *f = frame(c);
    gr_arena *a = emitter(c)->graph->arena;
    if (name) {
        *GR_PUSH(a, f->scopes, f->num_scopes, f->cap_scopes) = f->prefix;
        f->prefix = gr_path_join(a, f->prefix, name);
    } else if (f->num_scopes) {
        f->prefix = f->scopes[--f->num_scopes];
    }
    return 0;
}

static void host_suffix(gr_ctx *c, const char *suffix)
{
    emitter(c)->suffix = suffix ? gr_arena_strdup(emitter(c)->graph->arena, suffix) : NULL;
}

const gr_host gr_host_functions = {
    .size = sizeof(gr_host),
    .fail = host_fail, .attr = host_attr, .set_attr = host_set_attr,
    .count = host_count, .in = host_in, .type = host_type,
    .set_output = host_set_output, .set_result = host_set_result,
    .emit = host_emit, .output = host_output, .parameter = host_parameter,
    .out = host_out, .grad = host_grad, .wants = host_wants, .set_grad = host_set_grad,
    .is_stacked = host_is_stacked,
    .loop_begin = gr_host_loop_begin, .loop_slice = gr_host_loop_slice, .loop_carry = gr_host_loop_carry,
    .loop_next = gr_host_loop_next, .loop_stack = gr_host_loop_stack, .loop_end = gr_host_loop_end,
    .find_op = host_find_op, .alloc = host_alloc, .self = host_self, .scope = host_scope,
    .suffix = host_suffix, .real = host_real, .is_training = host_is_training, .freeze = host_freeze, .mean_of = host_mean_of,
    .loop_lengths = gr_host_loop_lengths,
    .loop_recompute = gr_host_loop_recompute,
    .buffer = host_buffer, .set_next = host_set_next, .next = host_next, .later = host_later, .sparse = host_sparse,
    .draw_as = host_draw_as,
    .packed_dtype = host_packed_dtype,
    .step_axis = host_step_axis, .step_numbers = host_step_numbers, .past = host_past,
};
