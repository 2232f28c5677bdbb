/* emit.c - applying ops to values: inference of primitives, expansion of composites. */
#include "graph/frame.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

gr_emitter *gr_emitter_create(gr_graph *g, gr_phase phase)
{
    gr_emitter *e = GR_NEW(g->arena, gr_emitter);
    e->ctx.host = &gr_host_functions;
    e->graph = g;
    e->phase = phase;
    e->prefix = e->params = "";
    return e;
}

gr_graph *gr_emitter_graph(gr_emitter *e) { return e->graph; }
void gr_emitter_set_graph(gr_emitter *e, gr_graph *g) { e->graph = g; }
gr_ctx *gr_emitter_ctx(gr_emitter *e) { return &e->ctx; }
gr_emitter *gr_ctx_emitter(gr_ctx *c) { return (gr_emitter *)c; }
const char *gr_emitter_prefix(const gr_emitter *e) { return e->frame ? e->frame->prefix : e->prefix; }
const char *gr_emitter_params(const gr_emitter *e) { return e->frame ? e->frame->params : e->params; }

void **gr_emitter_in_hand(gr_emitter *e) { return &e->in_hand; }

void gr_emitter_at(gr_emitter *e, const char *prefix, gr_loc at)
{
    e->prefix = e->params = prefix ? gr_arena_strdup(e->graph->arena, prefix) : "";
    e->at = at;
}

const char *gr_path_join(gr_arena *a, const char *prefix, const char *name)
{
    if (!name || !*name) return prefix;
    return *prefix ? gr_arena_printf(a, "%s.%s", prefix, name) : gr_arena_strdup(a, name);
}

gr_value *gr_unknown_value(gr_emitter *e)
{
    if (!e->unknown) {
        gr_graph *g = gr_graph_body(gr_graph_root(e->graph)); /* a graph that nobody keeps */
        gr_node_spec spec = {.op = gr_registry_role(g->registry, GR_ROLE_ARG), .name = "unknown"};
        e->unknown = gr_node_add_output(gr_node_add(g, &spec), NULL, NULL);
    }
    return e->unknown;
}

static bool is_unknown(const gr_value *v) { return v && v->type.dtype == GR_UNKNOWN; }

static void push_frame(gr_emitter *e, gr_op_frame *f)
{
    f->outer = e->frame;
    e->frame = f;
}

static void pop_frame(gr_emitter *e) { e->frame = e->frame->outer; }

/* ---- messages ---- */

static gr_loc fault_place(const gr_op_frame *f, gr_at at, const char *which)
{
    const gr_loc *list = at == GR_AT_ATTR ? f->attr_at : at == GR_AT_INPUT ? f->port_at : NULL;
    int i = !list || !which ? -1 : at == GR_AT_ATTR ? gr_op_attr(f->op, which) : gr_op_input(f->op, which);
    return i >= 0 && list[i].line ? list[i] : f->at;
}

gr_loc gr_fault_place(const gr_emitter *e, gr_at at, const char *which)
{
    return e->frame ? fault_place(e->frame, at, which) : e->at;
}

static const char *frame_name(const gr_op_frame *f)
{
    if (f->kind == GR_FRAME_INFER) return f->node->name;
    return f->kind == GR_FRAME_VIEW ? f->view->node->name : f->prefix;
}

/* A note for each composite around that was written in another place than the fault. */
static void explain(gr_emitter *e, const gr_op_frame *f, gr_loc at)
{
    for (const gr_op_frame *o = f->outer; o; o = o->outer) {
        if (o->at.line == at.line && o->at.source == at.source) continue;
        gr_diag_note(e->graph->diag, o->at, "in '%s' (%s), used here", frame_name(o), o->op->name);
        at = o->at;
    }
}

/* The innermost frame that was written in the file of the outermost: a mistake that
 * shows inside a built-in block is one of the node that uses the block. */
static const gr_op_frame *frame_at_fault(const gr_op_frame *f)
{
    const gr_op_frame *outermost = f;
    while (outermost->outer) outermost = outermost->outer;
    while (f->outer && f->at.source != outermost->at.source) f = f->outer;
    return f;
}

/* What an optimiser reads nobody wrote into the file. */
static void note_inputs(gr_emitter *e, const gr_op_frame *f)
{
    if (f->op->traits & GR_OPTIMISER) return;
    for (int i = 0; i < f->num_in; i++) {
        const gr_value *v = f->in ? f->in[i] : NULL;
        if (v && v->node->at.line && !is_unknown(v))
            gr_diag_note(e->graph->diag, v->node->at, "'%s' is %s", v->node->name, gr_type_text(e->graph->arena, &v->type));
    }
}

int gr_frame_fail(gr_emitter *e, gr_at at, const char *which, const char *fmt, va_list args)
{
    const gr_op_frame *f = e->frame;
    const char *text = gr_arena_vprintf(e->graph->arena, fmt, args);
    if (!f) {
        gr_diag_error(e->graph->diag, e->at, "%s", text);
        return -1;
    }
    const gr_op_frame *shown = frame_at_fault(f);
    gr_loc place = shown == f ? fault_place(f, at, which) : shown->at;
    gr_diag_error(e->graph->diag, place, "%s (%s): %s", frame_name(f), f->op->name, text);
    note_inputs(e, f);
    explain(e, shown, place);
    return -1;
}

GR_PRINTF(4, 5)
static int fail(gr_emitter *e, gr_at at, const char *which, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int r = gr_frame_fail(e, at, which, fmt, args);
    va_end(args);
    return r;
}

/* ---- inference ---- */

/* Types of values keep their counts within int64_t, and an axis free for each loop around them,
 * since whatever is in a loop may be stacked over its steps. */
int gr_check_type(gr_emitter *e, const gr_graph *g, const gr_type *t)
{
    int loops = 0;
    for (; g->parent; g = g->parent) loops++;
    if (t->rank + loops > GR_MAX_RANK)
        return fail(e, GR_AT_NODE, NULL, "the result has %d axes; inside a Scan it can have %d at most", t->rank, GR_MAX_RANK - loops);
    if (gr_type_elements(t) < 0)
        return fail(e, GR_AT_NODE, NULL, "%s is too large: a value has at most 2^44 elements", gr_type_text(g->arena, t));
    return 0;
}

/* NumPy broadcasting over all inputs; float if any input is. */
static int infer_pointwise(gr_emitter *e, gr_node *n)
{
    if (!n->in[0]) return fail(e, GR_AT_NODE, NULL, "its first input is absent");
    gr_type t = n->in[0]->type;
    for (int i = 1; i < n->num_in; i++) {
        if (!n->in[i]) continue;
        if (gr_broadcast(&t, &n->in[i]->type, &t) < 0)
            return fail(e, GR_AT_NODE, NULL, "shapes %s and %s do not broadcast: an axis must have one length (and name), or be 1",
                        gr_type_text(n->graph->arena, &n->in[0]->type), gr_type_text(n->graph->arena, &n->in[i]->type));
    }
    if (gr_check_type(e, n->graph, &t) < 0) return -1;
    if (n->num_out) n->out[0]->type = t;
    else gr_node_add_output(n, NULL, &t);
    return 0;
}

/* ---- what an op's functions have to leave ---- */

/* That a function failed in silence would leave a person without a message. */
static void check_said(gr_emitter *e, const char *function)
{
    if (gr_diag_count(e->graph->diag) == 0) gr_misuse(&e->ctx, "gives -1 in '%s' without saying what is wrong: call gr_fail()", function);
}

static int num_declared(const gr_op *op)
{
    int n = 0;
    while (op->outputs && op->outputs[n].name && !(op->outputs[n].flags & GR_PORT_VARIADIC)) n++;
    return n;
}

/* Its node has a type for each output. */
static void check_typed(gr_emitter *e, const gr_node *n)
{
    int i = 0;
    while (i < n->num_out && (n->out[i]->type.dtype != GR_UNKNOWN || !e->graph->typed)) i++;
    if (i < n->num_out || i < num_declared(n->op))
        gr_misuse(&e->ctx, "gives output '%s' no type: call gr_set_output() for each in 'infer'", gr_output_name(e, n->op, i));
}

/* It gives its first output at least, and nodes go where they went. */
static void check_expanded(gr_emitter *e, const gr_op_frame *f, const gr_graph *before)
{
    if (e->graph != before) gr_misuse(&e->ctx, "leaves a loop open: call gr_loop_end()");
    if (!f->num_results || !f->result[0]) gr_misuse(&e->ctx, "gives no output '%s': call gr_set_result() in 'expand'", gr_output_name(e, f->op, 0));
}

static int infer_in(gr_emitter *e, gr_node *n)
{
    gr_op_frame f = {.kind = GR_FRAME_INFER, .op = n->op, .attr = n->attr, .attr_at = n->attr_at,
                     .port_at = n->port_at, .at = n->at, .prefix = n->name, .params = n->name, .node = n,
                     .in = n->in, .port = n->port, .num_in = n->num_in};
    push_frame(e, &f);
    int r = n->op->infer ? n->op->infer(&e->ctx) : n->num_in ? infer_pointwise(e, n) : 0;
    if (r < 0) check_said(e, "infer");
    else check_typed(e, n);
    pop_frame(e);
    return r;
}

int gr_infer_node(gr_graph *g, gr_node *n) { return infer_in(gr_emitter_create(g, n->phase), n); }

gr_node *gr_infer_as(gr_arena *a, const gr_node *n, int num_in, const gr_type *type)
{
    gr_graph *aside = gr_graph_create(a, n->graph->registry, gr_diag_create(a), n->graph->real);
    gr_value **in = GR_NEW_ARRAY(a, gr_value *, num_in + 1);
    for (int i = 0; i < num_in; i++)
        if (n->in[i]) in[i] = gr_graph_add_arg(aside, aside->num_args, n->in[i]->node->name, &type[i]);
    gr_node_spec spec = {.op = n->op, .name = n->name, .num_in = num_in, .in = in, .port = n->port,
                         .attr = gr_arena_copy(a, n->attr, sizeof *n->attr * (size_t)gr_op_num_attrs(n->op))};
    gr_node *c = gr_node_add(aside, &spec);
    aside->typed = true;
    return gr_infer_node(aside, c) == 0 ? c : NULL;
}

int gr_view_node(const gr_node *n, const gr_layout *in, gr_layout *out)
{
    gr_emitter *e = gr_emitter_create(n->graph, n->phase);
    gr_op_frame f = {.kind = GR_FRAME_INFER, .op = n->op, .attr = n->attr, .at = n->at, .prefix = n->name,
                     .params = n->name, .node = (gr_node *)(uintptr_t)n, .in = n->in, .port = n->port,
                     .num_in = n->num_in};
    push_frame(e, &f);
    int r = n->op->view(&e->ctx, in, out);
    pop_frame(e);
    return r;
}

/* ---- applying ---- */

typedef struct outputs {
    gr_value **out;
    const char **names;
    int max, count;
} outputs;

static void put(outputs *o, gr_value *v, const char *name)
{
    if (o->count < o->max) {
        o->out[o->count] = v;
        if (o->names) o->names[o->count] = name;
    }
    o->count++;
}

/* Every output that the op declares is unknown. */
static int give_unknown(gr_emitter *e, const gr_op *op, outputs *o)
{
    for (int i = 0; op->outputs && op->outputs[i].name; i++) put(o, gr_unknown_value(e), op->outputs[i].name);
    if (!o->count) put(o, gr_unknown_value(e), "output");
    return -1;
}

/* What a view shows has to be within its input, or it would read whatever lies there. */
static void check_view(gr_emitter *e, const gr_node *n)
{
    gr_layout in = {0}, *out = GR_NEW_ARRAY(e->graph->arena, gr_layout, n->num_out + 1);
    int64_t stride = 1;
    for (int k = n->in[0]->type.rank - 1; k >= 0; k--) in.stride[k] = stride, stride *= n->in[0]->type.dim[k];
    if (gr_view_node(n, &in, out) != 0) return;
    for (int o = 0; o < n->num_out; o++) {
        const gr_type *t = &n->out[o]->type;
        int64_t least = out[o].offset, most = least;
        for (int k = 0; k < t->rank; k++) *(out[o].stride[k] < 0 ? &least : &most) += (t->dim[k] - 1) * out[o].stride[k];
        if (gr_numel(t) > 0 && (least < 0 || most >= stride))
            gr_blame(e->graph->arena, "op %s: 'view' shows elements %lld to %lld of an input that has %lld", n->op->name, (long long)least,
                     (long long)most, (long long)stride);
    }
}

static gr_attr *copy_attrs(gr_emitter *e, const gr_apply *w)
{
    size_t bytes = sizeof(gr_attr) * (size_t)gr_op_num_attrs(w->op);
    return w->attr ? gr_arena_copy(e->graph->arena, w->attr, bytes) : gr_attr_defaults(e->graph->arena, w->op);
}

static void remove_last_node(gr_graph *g) { g->num_nodes--; }

static int apply_primitive(gr_emitter *e, const gr_apply *w, const char *path, outputs *o)
{
    gr_graph *g = e->graph;
    gr_value **in = GR_NEW_ARRAY(g->arena, gr_value *, w->num_in);
    for (int i = 0; i < w->num_in; i++) in[i] = gr_graph_capture(g, w->in[i]);
    gr_node_spec spec = {.op = w->op, .name = path, .at = w->at, .phase = e->phase, .num_in = w->num_in, .in = in,
                         .port = w->port, .attr = w->attr};
    gr_node *n = gr_node_add(g, &spec);
    n->attr_at = w->attr_at;
    n->port_at = w->port_at;
    if (infer_in(e, n) < 0) {
        remove_last_node(g);
        return give_unknown(e, w->op, o);
    }
    if (n->op->view && g->typed && n->num_in && n->in[0]) check_view(e, n);
    for (int i = 0; i < n->num_out; i++) put(o, n->out[i], n->out[i]->port);
    return o->count;
}

static int check_ties(gr_emitter *e, const gr_op_frame *f)
{
    for (int i = 0; i < f->num_ties; i++)
        if (!f->tie_used[i]) {
            gr_diag_error(e->graph->diag, f->ties[i].at, "%s (%s) has no input, attribute or parameter '%s'", f->prefix,
                          f->op->name, f->ties[i].param);
            return -1;
        }
    return 0;
}

const char *gr_output_name(gr_emitter *e, const gr_op *op, int i)
{
    const int n = num_declared(op);
    return i < n ? op->outputs[i].name : gr_arena_printf(e->graph->arena, "%d", i);
}

static int apply_composite(gr_emitter *e, const gr_apply *w, const char *path, const char *params, outputs *o)
{
    gr_arena *a = e->graph->arena;
    gr_op_frame f = {.kind = GR_FRAME_EXPAND, .op = w->op, .attr = copy_attrs(e, w), .attr_at = w->attr_at,
                     .port_at = w->port_at, .at = w->at, .prefix = path, .params = params, .in = w->in,
                     .port = w->port, .num_in = w->num_in, .ties = w->ties, .num_ties = w->num_ties,
                     .tie_used = GR_NEW_ARRAY(a, bool, w->num_ties)};
    const gr_graph *before = e->graph;
    push_frame(e, &f);
    int r = w->op->expand(&e->ctx);
    if (r < 0) check_said(e, "expand");
    else check_expanded(e, &f, before);
    pop_frame(e);
    if (r < 0 || check_ties(e, &f) < 0) return give_unknown(e, w->op, o);
    for (int i = 0; i < f.num_results; i++) put(o, f.result[i], gr_output_name(e, w->op, i));
    return o->count;
}

/* Required ports have a value; `port` is made where the caller left it out. */
static int check_ports(gr_emitter *e, const gr_apply *w, const char *path)
{
    for (int p = 0; p < gr_op_num_inputs(w->op); p++) {
        const gr_port *port = &w->op->inputs[p];
        int n = w->port[p + 1] - w->port[p];
        if ((port->flags & GR_PORT_OPTIONAL) || (n > 0 && w->in[w->port[p]])) continue;
        gr_diag_error(e->graph->diag, w->at, "%s (%s) needs the input '%s'", path, w->op->name, port->name);
        return -1;
    }
    return 0;
}

/* The inputs laid over the ports, through a node that nobody keeps. */
static void lay_out(gr_emitter *e, gr_apply *w)
{
    gr_graph *g = gr_graph_body(e->graph);
    gr_node_spec spec = {.op = w->op, .name = "layout", .num_in = w->num_in, .in = w->in, .attr = w->attr};
    gr_node *n = gr_node_add(g, &spec);
    w->port = n->port;
    w->in = n->in;
    w->num_in = n->num_in;
}

static bool reads_unknown(const gr_apply *w)
{
    for (int i = 0; i < w->num_in; i++)
        if (is_unknown(w->in[i])) return true;
    return false;
}

/* Names that a person may ask for: of named nodes of the model, composites and what is
 * inside them; not of what passes and gradients emit. */
static void enter_names(gr_emitter *e, const char *path, const outputs *o)
{
    if (e->phase != GR_FORWARD || !e->graph->typed || (e->frame && e->frame->kind != GR_FRAME_EXPAND)) return;
    gr_graph *root = gr_graph_root(e->graph);
    if (o->count > 0 && o->max > 0) gr_graph_set_name(root, path, o->out[0]);
    for (int i = 0; i < o->count && i < o->max && o->names; i++)
        if (o->names[i]) gr_graph_set_name(root, gr_path_join(root->arena, path, o->names[i]), o->out[i]);
}

/* For pictures: what a name stands for, with attributes as they were before inference. */
static void note_applied(gr_emitter *e, const char *path, const gr_apply *w, const outputs *o)
{
    gr_graph *root = gr_graph_root(e->graph);
    const int num_out = o->count < o->max ? o->count : o->max;
    *GR_PUSH(root->arena, root->applied, root->num_applied, root->cap_applied) =
        (gr_applied){.name = path, .op = w->op, .attr = copy_attrs(e, w), .num_in = w->num_in, .num_out = num_out,
                     .in = gr_arena_copy(root->arena, w->in, (size_t)w->num_in * sizeof *w->in),
                     .out = gr_arena_copy(root->arena, o->out, (size_t)num_out * sizeof *o->out)};
}

int gr_apply_op(gr_emitter *e, const gr_apply *what, gr_value **out, const char **names, int max)
{
    gr_apply w = *what;
    gr_arena *a = e->graph->arena;
    outputs o = {out, names, max, 0};
    char *own = NULL;
    if (!w.name) {
        own = gr_arena_strdup(a, w.op->name);
        for (char *s = own; *s; s++) *s = (char)tolower((unsigned char)*s);
    }
    const char *path = gr_path_join(a, gr_emitter_prefix(e), own ? own : w.name);
    const char *params = gr_path_join(a, gr_emitter_params(e), w.params ? w.params : own ? own : w.name);
    if (!w.at.line && e->frame) w.at = e->frame->at;
    else if (!w.at.line) w.at = e->at;
    if (!w.port) lay_out(e, &w);
    if (check_ports(e, &w, path) < 0 || reads_unknown(&w)) return give_unknown(e, w.op, &o);
    int n = w.op->expand ? apply_composite(e, &w, path, params, &o) : apply_primitive(e, &w, path, &o);
    if (n > 0 && w.name) enter_names(e, path, &o);
    if (n > 0 && (w.op->expand || w.attr_at)) note_applied(e, path, &w, &o);
    if (n > 1) {
        gr_value **all = GR_NEW_ARRAY(a, gr_value *, o.count);
        memcpy(all, out, sizeof *all * (size_t)(o.count < max ? o.count : max));
        *GR_PUSH(a, e->emitted, e->num_emitted, e->cap_emitted) = (gr_emitted){out[0], all, o.count < max ? o.count : max};
    }
    return n;
}

gr_value *gr_emitted_output(gr_emitter *e, gr_value *v, int index)
{
    if (!v || is_unknown(v)) return v;
    for (int i = e->num_emitted - 1; i >= 0; i--)
        if (e->emitted[i].first == v && index < e->emitted[i].count) return e->emitted[i].out[index];
    return index < v->node->num_out ? v->node->out[index] : NULL;
}

int gr_emitter_call(gr_emitter *e, const gr_node_view *view, int (*fn)(gr_ctx *))
{
    const gr_node *n = view->node;
    const char *path = *e->prefix ? gr_path_join(e->graph->arena, e->prefix, n->name) : n->name;
    gr_op_frame f = {.kind = GR_FRAME_VIEW, .op = n->op, .attr = n->attr, .attr_at = n->attr_at, .port_at = n->port_at,
                     .at = n->at, .prefix = path, .params = path, .port = n->port, .num_in = 0, .view = view};
    const gr_graph *before = e->graph;
    push_frame(e, &f);
    int r = fn(&e->ctx);
    if (r >= 0 && e->graph != before) gr_misuse(&e->ctx, "leaves a loop open: call gr_loop_end()");
    pop_frame(e);
    return r;
}
