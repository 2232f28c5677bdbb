/* expand.c - the raw graph of a model file becomes a graph of primitive ops with types.
 *
 * The raw nodes are walked in order and applied again to a new graph: a primitive is
 * inferred, a composite (a block, a Scan) expands. gr_value.mark of a raw value is the
 * typed value that it became; a raw output that its op does not give may still be the
 * name of a parameter or of an inner node. What failed is an unknown value, which
 * silences all that reads it. */
#include "pass/lift.h"
#include "pass/pass.h"
#include <string.h>

enum { MAX_OUTPUTS = 256 };

typedef struct expansion {
    gr_graph *to;        /* the typed graph */
    gr_arena *arena;
    const gr_request *request;
    gr_emitter *emitter;
    bool errors_before;  /* the model has mistakes already */
    gr_value *unknown;   /* stands for what could not be made */
} expansion;

/* ---- values ---- */

static gr_value *unknown_value(expansion *x)
{
    if (!x->unknown) {
        gr_graph *g = gr_graph_body(x->to); /* a graph that nobody keeps */
        gr_node_spec spec = {.op = gr_registry_role(g->registry, GR_ROLE_ARG), .name = "unknown"};
        x->unknown = gr_node_add_output(gr_node_add(g, &spec), NULL, NULL);
    }
    return x->unknown;
}

static bool is_unknown(const gr_value *v) { return v && v->type.dtype == GR_UNKNOWN; }

static const char *output_list(expansion *x, const gr_node *raw)
{
    const char *list = "";
    const gr_port *out = raw->op->outputs;
    for (int i = 0; out && out[i].name; i++)
        list = gr_arena_printf(x->arena, "%s%s%s", list, i ? ", " : "", out[i].flags & GR_PORT_VARIADIC ? "0, 1, ..." : out[i].name);
    return list;
}

/* A raw output that the op itself did not give: a parameter, an inner node, a mistake. */
static gr_value *find_inner(expansion *x, const gr_value *raw, gr_loc reader)
{
    const gr_node *n = raw->node;
    if (!raw->port) return unknown_value(x);
    gr_state *s = gr_graph_find_state(x->to, gr_arena_printf(x->arena, "%s.%s", n->params ? n->params : n->name, raw->port));
    if (s) return s->value;
    gr_value *v = gr_graph_find_name(x->to, gr_arena_printf(x->arena, "%s.%s", n->name, raw->port));
    if (v) return is_unknown(v) ? v : gr_lift(v);
    gr_diag_error(x->to->diag, reader.line ? reader : n->at,
                  "'%s' (%s) has no output, parameter or inner node called '%s'; its outputs are: %s", n->name, n->op->name,
                  raw->port, output_list(x, n));
    return unknown_value(x);
}

static gr_value *expanded(expansion *x, gr_value *raw, gr_loc reader)
{
    if (!raw) return NULL;
    if (!raw->mark) raw->mark = find_inner(x, raw, reader);
    return raw->mark;
}

static gr_loc input_place(const gr_node *n, int i)
{
    int p = 0;
    while (p < gr_op_num_inputs(n->op) - 1 && n->port[p + 1] <= i) p++;
    return n->port_at && gr_op_num_inputs(n->op) && n->port_at[p].line ? n->port_at[p] : n->at;
}

static gr_value **expanded_inputs(expansion *x, const gr_node *n)
{
    gr_value **in = GR_NEW_ARRAY(x->arena, gr_value *, n->num_in + 1);
    for (int i = 0; i < n->num_in; i++) in[i] = expanded(x, n->in[i], input_place(n, i));
    return in;
}

/* ---- nodes ---- */

/* An Input's shape with the lengths of its named axes. -1 after a diagnostic. */
static int resolve_axes(expansion *x, const gr_node *n, gr_attr *attr)
{
    int k = gr_op_attr(n->op, "shape"), from = gr_op_attr(n->op, "from"), status = 0;
    bool from_data = from >= 0 && attr[from].s;
    if (k < 0 || !attr[k].names) return 0;
    int64_t *dims = gr_arena_copy(x->arena, attr[k].ints, sizeof *dims * (size_t)attr[k].n);
    for (int i = 0; i < attr[k].n; i++) {
        const char *axis = attr[k].names[i];
        if (dims[i] >= 0 || !axis) continue;
        if (x->request->axis_length) dims[i] = x->request->axis_length(x->request->axis_data, axis);
        if (dims[i] >= 0) continue;
        status = -1;
        if (x->errors_before) continue; /* whatever would have given the length may be at fault */
        gr_diag_error(x->to->diag, n->attr_at && n->attr_at[k].line ? n->attr_at[k] : n->at,
                      "the length of axis '%s' of '%s' is not known: write `vars: {%s: LENGTH}`%s", axis,
                      n->name, axis,
                      from_data ? "; where the data say it themselves, put them where `data` looks for them" : ", or feed the input");
    }
    attr[k].ints = dims;
    return status;
}

static const gr_tie *expanded_ties(expansion *x, const gr_node *n)
{
    if (!n->num_ties) return NULL;
    gr_tie *ties = gr_arena_copy(x->arena, n->ties, sizeof *ties * (size_t)n->num_ties);
    for (int i = 0; i < n->num_ties; i++) ties[i].value = expanded(x, ties[i].value, ties[i].at);
    return ties;
}

static void give_outputs(expansion *x, gr_node *n, int count, gr_value **out, const char **names)
{
    for (int o = 0; o < n->num_out; o++) {
        gr_value *raw = n->out[o];
        if (count < 0) raw->mark = unknown_value(x);
        for (int i = 0; i < count && raw->port; i++)
            if (names[i] && strcmp(names[i], raw->port) == 0) raw->mark = out[i];
        if (!raw->mark && !raw->port && count > 0) raw->mark = out[o < count ? o : 0];
    }
}

/* Kernels count on a place for each port, with nothing in it where an optional one was left out. */
static void place_ports(expansion *x, gr_apply *w)
{
    const int ports = gr_op_num_inputs(w->op);
    gr_value **in = GR_NEW_ARRAY(x->arena, gr_value *, w->num_in + ports + 1);
    int *port = GR_NEW_ARRAY(x->arena, int, ports + 1), n = 0;
    for (int p = 0; p < ports; p++) {
        port[p] = n;
        for (int i = w->port[p]; i < w->port[p + 1]; i++) in[n++] = w->in[i];
        if (n == port[p] && !(w->op->inputs[p].flags & GR_PORT_VARIADIC)) in[n++] = NULL;
    }
    port[ports] = n;
    w->in = in;
    w->port = port;
    w->num_in = n;
}

static void expand_node(expansion *x, gr_node *n)
{
    gr_attr *attr = n->attr ? gr_arena_copy(x->arena, n->attr, sizeof *attr * (size_t)gr_op_num_attrs(n->op)) : NULL;
    gr_value *out[MAX_OUTPUTS];
    const char *names[MAX_OUTPUTS];
    int count = -1;
    if (n->op->role != GR_ROLE_INPUT || resolve_axes(x, n, attr) == 0) {
        gr_apply apply = {.op = n->op, .name = n->name, .at = n->at, .num_in = n->num_in,
                          .in = expanded_inputs(x, n), .port = n->port, .attr = attr, .attr_at = n->attr_at,
                          .port_at = n->port_at, .params = n->params, .ties = expanded_ties(x, n),
                          .num_ties = n->num_ties};
        if (n->op->kernels) place_ports(x, &apply);
        count = gr_apply_op(x->emitter, &apply, out, names, MAX_OUTPUTS);
    }
    give_outputs(x, n, count, out, names);
}

/* Names that the raw graph gave besides those of its nodes ("enc", the last of its copies). */
static void expand_names(expansion *x, const gr_graph *raw)
{
    for (int i = 0; i < raw->num_names; i++) {
        gr_value *v = raw->names[i].value;
        if (v && v->mark && !is_unknown(v->mark)) gr_graph_set_name(x->to, raw->names[i].name, v->mark);
    }
}

/* ---- what ops put off ---- */

/* A value as it is outside of all loops: what comes from outside as it is, the rest stacked. */
static gr_value *outside(gr_value *v)
{
    while (v->node->graph->parent && v->node->op->role == GR_ROLE_ARG) {
        int number;
        if (gr_arg_kind(v, &number) == GR_ARG_CARRY) break;
        v = gr_arg_outer(v);
    }
    return gr_lift(v);
}

static int call_laters(expansion *x)
{
    for (int i = 0; i < x->to->num_laters; i++) {
        const gr_later_call *l = &x->to->laters[i];
        gr_value **values = GR_NEW_ARRAY(x->arena, gr_value *, l->n + 1);
        for (int k = 0; k < l->n; k++) values[k] = outside(l->values[k]);
        gr_emitter_at(x->emitter, l->name, l->at);
        if (l->fn(gr_emitter_ctx(x->emitter), l->data, l->n, (const gr_val *)values) != 0) return -1;
    }
    return 0;
}

/* ---- what was asked for by name ---- */

/* Whether it says nothing new: "fc.output" beside "fc", a parameter's node. */
static bool is_second_name(gr_graph *g, const gr_name *n)
{
    const char *dot = strrchr(n->name, '.');
    if (gr_graph_find_state(g, n->name)) return true;
    return dot && gr_graph_find_name(g, gr_arena_strndup(g->arena, n->name, (size_t)(dot - n->name))) == n->value;
}

/* All names, for a message. */
static const char *all_names(gr_graph *g)
{
    const char *list = "";
    for (int i = 0; i < g->num_names; i++)
        if (!is_second_name(g, &g->names[i]))
            list = gr_arena_printf(g->arena, "%s%s%s", list, *list ? ", " : "", g->names[i].name);
    for (int i = 0; i < g->num_states; i++) list = gr_arena_printf(g->arena, "%s%s%s", list, *list ? ", " : "", g->states[i]->name);
    return list;
}

static const char *const *name_table(gr_graph *g)
{
    const char **t = GR_NEW_ARRAY(g->arena, const char *, g->num_names + g->num_states + 1);
    for (int i = 0; i < g->num_names; i++) t[i] = g->names[i].name;
    for (int i = 0; i < g->num_states; i++) t[g->num_names + i] = g->states[i]->name;
    return t;
}

static gr_value *require(gr_graph *g, const char *name)
{
    gr_value *v = gr_find_value(g, name);
    if (v) return v;
    const char *near = gr_nearest(name, name_table(g));
    if (near) gr_diag_error(g->diag, (gr_loc){NULL, 0, 0, 0}, "the model has no value called '%s'; did you mean '%s'?", name, near);
    else gr_diag_error(g->diag, (gr_loc){NULL, 0, 0, 0}, "the model has no value called '%s'; it has: %s", name, all_names(g));
    return NULL;
}

static bool has_result(const gr_graph *g, const char *name)
{
    for (int i = 0; i < g->num_results; i++)
        if (strcmp(g->result_names[i], name) == 0) return true;
    return false;
}

static void add_result(gr_graph *g, const char *name)
{
    gr_value *v = require(g, name);
    if (v && !is_unknown(v) && !has_result(g, name)) gr_graph_add_result(g, g->num_results, name, gr_lift(v));
}

static int dots(const char *name)
{
    int n = 0;
    for (; *name; name++) n += *name == '.';
    return n;
}

/* What a person calls v: "rnn" rather than "rnn.l0.output". */
static const char *plainest_name(gr_graph *g, const gr_value *v)
{
    const char *best = v->node->num_out > 1 ? gr_arena_printf(g->arena, "%s.%s", v->node->name, v->port) : v->node->name;
    for (int i = 0; i < g->num_names; i++)
        if (g->names[i].value == v && dots(g->names[i].name) < dots(best)) best = g->names[i].name;
    return best;
}

/* Whether it can be asked for by what a person calls it. What an op made on the way to its outputs has no name. */
static bool has_name(gr_graph *g, const gr_value *v)
{
    return gr_find_value(g, plainest_name(g, v)) != NULL;
}

/* Without any request: what no node reads. */
static void add_open_ends(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++)
        for (int o = 0; o < g->nodes[i]->num_out; o++) {
            gr_value *v = g->nodes[i]->out[o];
            bool history = g->nodes[i]->scan && o >= g->nodes[i]->scan->carries && o < 2 * g->nodes[i]->scan->carries;
            if (history || gr_value_readers(v) > 0 || (g->nodes[i]->op->traits & GR_LEAF) || !has_name(g, v)) continue;
            gr_graph_add_result(g, g->num_results, plainest_name(g, v), v);
        }
}

/* With the other mistakes, not after them. */
static void check_loss(gr_graph *g, const char *name)
{
    const gr_value *v = gr_find_value(g, name);
    if (!v || is_unknown(v)) return;
    bool stacked = v->node->graph->parent;
    if (gr_numel(&v->type) == 1 && gr_is_float(v->type.dtype) && !stacked) return;
    gr_diag_error(g->diag, v->node->at, "'%s' is to be minimized, but is %s%s: a loss is one float; reduce it with Mean or Sum",
                  name, gr_type_text(g->arena, &v->type), stacked ? " at every step of a loop" : "");
}

static void check_grads(gr_graph *g, const gr_request *r)
{
    const gr_loc nowhere = {NULL, 0, 0, 0};
    for (int i = 0; r->grad && r->grad[i]; i++) {
        const gr_value *v = require(g, r->grad[i]);
        if (!v || is_unknown(v) || gr_is_float(v->type.dtype)) continue;
        gr_diag_error(g->diag, nowhere, "'%s' is %s: only floats have a gradient", r->grad[i], gr_type_text(g->arena, &v->type));
    }
    if (r->of) require(g, r->of);
    if (r->grad && r->grad[0] && !r->of && !r->minimize)
        gr_diag_error(g->diag, nowhere, "a gradient of what? The model does not say what to minimize, so name a value of it");
}

static void add_results(gr_graph *g, const gr_request *r)
{
    for (int i = 0; r->fetch && r->fetch[i]; i++) add_result(g, r->fetch[i]);
    check_grads(g, r);
    if (r->train) add_result(g, r->minimize);
    if (!r->train && g->num_results == 0 && !(r->grad && r->grad[0])) add_open_ends(g);
}

gr_graph *gr_pass_expand(gr_graph *raw, const gr_request *r)
{
    gr_graph *g = gr_graph_create(r->arena ? r->arena : raw->arena, raw->registry, raw->diag, raw->real);
    int errors = gr_diag_count(g->diag);
    g->typed = true;
    g->training = r->training;
    expansion x = {.to = g, .arena = g->arena, .request = r, .errors_before = errors > 0, .emitter = gr_emitter_create(g, GR_FORWARD)};
    for (int i = 0; i < raw->num_nodes; i++) expand_node(&x, raw->nodes[i]);
    expand_names(&x, raw);
    for (int i = 0; i < raw->num_names; i++)
        gr_graph_set_name(g, raw->names[i].name, expanded(&x, raw->names[i].value, (gr_loc){0}));
    if (r->train) check_loss(g, r->minimize);
    if (gr_diag_count(g->diag) > errors) return NULL;
    if (call_laters(&x) != 0) return NULL;
    if (r->prepare && r->prepare(r->prepare_data, g) != 0) return NULL;
    add_results(g, r);
    return gr_diag_count(g->diag) > errors ? NULL : g;
}
