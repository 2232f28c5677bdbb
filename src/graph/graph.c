/* graph.c - making graphs, nodes, values and states. */
#include "graph/graph.h"
#include "base/map.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

gr_graph *gr_graph_create(gr_arena *a, const gr_registry *r, gr_diag *d, gr_dtype real)
{
    gr_graph *g = GR_NEW(a, gr_graph);
    g->arena = a;
    g->registry = r;
    g->diag = d;
    g->real = real;
    g->taken = gr_map_create(a);
    return g;
}

gr_graph *gr_graph_body(gr_graph *parent)
{
    gr_graph *g = gr_graph_create(parent->arena, parent->registry, parent->diag, parent->real);
    g->parent = parent;
    g->training = parent->training;
    g->typed = parent->typed;
    return g;
}

gr_graph *gr_graph_root(gr_graph *g)
{
    while (g->parent) g = g->parent;
    return g;
}

/* `name`, or with the first free "_2", "_3", ... */
static const char *unique_name(gr_graph *g, const char *name)
{
    intptr_t used = (intptr_t)gr_map_get(g->taken, name);
    if (!used) {
        const char *own = gr_arena_strdup(g->arena, name);
        gr_map_set(g->taken, own, (void *)(intptr_t)1);
        return own;
    }
    const char *next;
    do next = gr_arena_printf(g->arena, "%s_%" PRIdPTR, name, ++used);
    while (gr_map_get(g->taken, next));
    gr_map_set(g->taken, gr_arena_strdup(g->arena, name), (void *)used);
    gr_map_set(g->taken, next, (void *)(intptr_t)1);
    return next;
}

static const char *name_from_op(gr_graph *g, const gr_op *op)
{
    char *name = gr_arena_strdup(g->arena, op->name);
    for (char *s = name; *s; s++) *s = (char)tolower((unsigned char)*s);
    return name;
}

/* How many inputs the variadic port gets when n are handed over in order: those that the
 * required ports behind it leave. */
static int variadic_share(const gr_op *op, int n)
{
    int share = n;
    bool behind = false;
    for (int p = 0; p < gr_op_num_inputs(op); p++) {
        uint32_t flags = op->inputs[p].flags;
        if (flags & GR_PORT_VARIADIC) behind = true;
        else if (!behind || !(flags & GR_PORT_OPTIONAL)) share--;
    }
    return share > 0 ? share : 0;
}

/* Lays n inputs over the op's ports: node->in and node->port. */
static void distribute(gr_node *node, int n, gr_value *const *in)
{
    gr_arena *a = node->graph->arena;
    int ports = gr_op_num_inputs(node->op), next = 0;
    node->port = GR_NEW_ARRAY(a, int, ports + 1);
    node->in = GR_NEW_ARRAY(a, gr_value *, n + ports);
    for (int p = 0; p < ports; p++) {
        node->port[p] = node->num_in;
        int take = node->op->inputs[p].flags & GR_PORT_VARIADIC ? variadic_share(node->op, n) : 1;
        for (int k = 0; k < take; k++, next++) node->in[node->num_in++] = next < n ? in[next] : NULL;
    }
    node->port[ports] = node->num_in;
}

static gr_node *node_make(gr_graph *g, const gr_node_spec *s)
{
    gr_node *n = GR_NEW(g->arena, gr_node);
    n->op = s->op;
    n->graph = g;
    n->name = unique_name(g, s->name ? s->name : name_from_op(g, s->op));
    n->path = gr_hash(n->name);
    n->at = s->at;
    n->phase = s->phase;
    n->attr = s->attr ? gr_arena_copy(g->arena, s->attr, sizeof *s->attr * (size_t)gr_op_num_attrs(s->op))
                      : gr_attr_defaults(g->arena, s->op);
    if (s->port) {
        n->num_in = s->num_in;
        n->in = gr_arena_copy(g->arena, s->in, sizeof *s->in * (size_t)s->num_in);
        n->port = gr_arena_copy(g->arena, s->port, sizeof *s->port * (size_t)(gr_op_num_inputs(s->op) + 1));
    } else {
        distribute(n, s->num_in, s->in);
    }
    return n;
}

static void append_node(gr_node *n)
{
    gr_graph *g = n->graph;
    *GR_PUSH(g->arena, g->nodes, g->num_nodes, g->cap_nodes) = n;
}

gr_node *gr_node_add(gr_graph *g, const gr_node_spec *spec)
{
    gr_node *n = node_make(g, spec);
    append_node(n);
    return n;
}

void gr_node_rename(gr_node *n, const char *name) { n->name = unique_name(n->graph, name); }

static const char *default_port(gr_arena *a, const gr_op *op, int index)
{
    for (int i = 0; op->outputs && op->outputs[i].name; i++) {
        if (op->outputs[i].flags & GR_PORT_VARIADIC) break;
        if (i == index) return op->outputs[i].name;
    }
    return gr_arena_printf(a, "%d", index);
}

static gr_value *value_make(gr_node *n, const char *port, const gr_type *t)
{
    gr_value *v = GR_NEW(n->graph->arena, gr_value);
    v->node = n;
    v->port = port;
    if (t) v->type = *t;
    return v;
}

static void insert_output(gr_node *n, int position, gr_value *v)
{
    gr_value **out = GR_NEW_ARRAY(n->graph->arena, gr_value *, n->num_out + 1);
    for (int i = 0; i < n->num_out + 1; i++) {
        out[i] = i < position ? n->out[i] : i == position ? v : n->out[i - 1];
        out[i]->index = i;
    }
    n->out = out;
    n->num_out++;
}

gr_value *gr_node_add_output(gr_node *n, const char *port, const gr_type *t)
{
    gr_value *v = value_make(n, port ? port : default_port(n->graph->arena, n->op, n->num_out), t);
    insert_output(n, n->num_out, v);
    return v;
}

void gr_node_add_input(gr_node *n, int position, gr_value *v)
{
    gr_value **in = GR_NEW_ARRAY(n->graph->arena, gr_value *, n->num_in + 1);
    for (int i = 0; i < n->num_in + 1; i++) in[i] = i < position ? n->in[i] : i == position ? v : n->in[i - 1];
    n->in = in;
    n->num_in++;
    n->port[gr_op_num_inputs(n->op)]++;
}

bool gr_is_whole_input(const gr_node *n, int i)
{
    int p = 0;
    while (n->port[p + 1] <= i) p++;
    return (n->op->inputs[p].flags & GR_PORT_WHOLE) != 0;
}

gr_value *gr_graph_add_arg(gr_graph *body, int position, const char *name, const gr_type *t)
{
    gr_node_spec spec = {.op = gr_registry_role(body->registry, GR_ROLE_ARG), .name = name};
    if (body->owner) spec.at = body->owner->at, spec.phase = body->owner->phase;
    gr_value *v = gr_node_add_output(gr_node_add(body, &spec), NULL, t);
    body->args = gr_arena_grow(body->arena, body->args, sizeof *body->args, body->num_args, &body->cap_args);
    for (int i = body->num_args++; i > position; i--) body->args[i] = body->args[i - 1];
    body->args[position] = v;
    return v;
}

void gr_graph_add_result(gr_graph *g, int position, const char *name, gr_value *v)
{
    int cap = g->cap_results;
    g->results = gr_arena_grow(g->arena, g->results, sizeof *g->results, g->num_results, &g->cap_results);
    if (cap != g->cap_results) {
        const char **names = GR_NEW_ARRAY(g->arena, const char *, g->cap_results);
        for (int i = 0; i < g->num_results; i++) names[i] = g->result_names[i];
        g->result_names = names;
    }
    for (int i = g->num_results++; i > position; i--) {
        g->results[i] = g->results[i - 1];
        g->result_names[i] = g->result_names[i - 1];
    }
    g->results[position] = v;
    g->result_names[position] = name;
}

gr_state *gr_graph_add_state(gr_graph *g, const char *name, const gr_type *t, const char *init)
{
    gr_node_spec spec = {.op = gr_registry_role(g->registry, GR_ROLE_STATE), .name = name};
    gr_value *v = gr_node_add_output(gr_node_add(g, &spec), NULL, t);
    gr_state *s = GR_NEW(g->arena, gr_state);
    *GR_PUSH(g->arena, g->states, g->num_states, g->cap_states) = s;
    *s = (gr_state){.name = gr_arena_strdup(g->arena, name), .value = v, .init = init};
    return s;
}

gr_state *gr_graph_find_state(gr_graph *g, const char *name)
{
    for (int i = 0; i < g->num_states; i++) {
        if (strcmp(g->states[i]->name, name) == 0) return g->states[i];
        for (int k = 0; k < g->states[i]->num_aliases; k++)
            if (strcmp(g->states[i]->alias[k], name) == 0) return g->states[i];
    }
    return NULL;
}

void gr_graph_set_name(gr_graph *root, const char *name, gr_value *v)
{
    if (!root->name_index) root->name_index = gr_map_create(root->arena);
    intptr_t at = (intptr_t)gr_map_get(root->name_index, name);
    if (at) {
        root->names[at - 1].value = v;
        return;
    }
    const char *own = gr_arena_strdup(root->arena, name);
    *GR_PUSH(root->arena, root->names, root->num_names, root->cap_names) = (gr_name){own, v};
    gr_map_set(root->name_index, own, (void *)(intptr_t)root->num_names);
}

gr_value *gr_graph_find_name(const gr_graph *root, const char *name)
{
    intptr_t at = root->name_index ? (intptr_t)gr_map_get(root->name_index, name) : 0;
    return at ? root->names[at - 1].value : NULL;
}

gr_attr *gr_node_attr(const gr_node *n, const char *name)
{
    int i = gr_op_attr(n->op, name);
    if (i < 0) gr_bug(n->graph->arena, "op %s has no attribute '%s'", n->op->name, name);
    return &n->attr[i];
}

/* ---- loops ---- */

gr_node *gr_scan_detached(gr_graph *g, const gr_node_spec *spec, bool reverse, int64_t steps)
{
    gr_node *n = node_make(g, spec);
    n->scan = GR_NEW(g->arena, gr_scan);
    n->scan->body = gr_graph_body(g);
    n->scan->body->owner = n;
    n->scan->reverse = reverse;
    n->scan->steps = steps;
    return n;
}

void gr_scan_insert(gr_node *scan) { append_node(scan); }

gr_node *gr_scan_add(gr_graph *g, const gr_node_spec *spec, bool reverse, int64_t steps)
{
    gr_node *n = gr_scan_detached(g, spec, reverse, steps);
    gr_scan_insert(n);
    return n;
}

void gr_scan_stands_for(gr_scan *scan, const gr_scan *other)
{
    scan->chunks = other->chunks;
    scan->first = other->first;
    scan->each = other->each;
    scan->span = other->span;
}

const char *gr_scan_axis(const gr_node *scan)
{
    const gr_scan *s = scan->scan;
    for (int i = 0; i < s->sequences; i++)
        if (scan->in[s->carries + i]->type.axis[0]) return scan->in[s->carries + i]->type.axis[0];
    for (int i = 2 * s->carries; i < scan->num_out; i++)
        if (scan->out[i]->type.axis[0]) return scan->out[i]->type.axis[0];
    return NULL;
}

gr_value *gr_scan_invariant(gr_node *scan, gr_value *outer)
{
    gr_scan *s = scan->scan;
    int first = s->carries + s->sequences;
    for (int i = first; i < first + s->invariants; i++)
        if (scan->in[i] == outer) return s->body->args[i];
    int position = first + s->invariants++;
    gr_node_add_input(scan, position, outer);
    return gr_graph_add_arg(s->body, position, outer->node->name, &outer->type);
}

gr_value *gr_scan_sequence(gr_node *scan, gr_value *outer, const char *name)
{
    gr_scan *s = scan->scan;
    for (int i = s->carries; i < s->carries + s->sequences; i++)
        if (scan->in[i] == outer) return s->body->args[i];
    if (!s->steps) s->steps = outer->type.dim[0];
    int position = s->carries + s->sequences++;
    gr_type t = gr_type_slice(&outer->type);
    gr_node_add_input(scan, position, outer);
    return gr_graph_add_arg(s->body, position, name ? name : outer->node->name, &t);
}

gr_value *gr_scan_carry(gr_node *scan, gr_value *init, const char *name)
{
    gr_scan *s = scan->scan;
    int c = s->carries++;
    gr_type history = gr_type_stacked(&init->type, s->steps + 1, NULL);
    gr_node_add_input(scan, c, init);
    insert_output(scan, c, value_make(scan, gr_arena_printf(scan->graph->arena, "%s_n", name), &init->type));
    insert_output(scan, 2 * c + 1,
                  value_make(scan, gr_arena_printf(scan->graph->arena, "%s_history", name), &history));
    gr_graph_add_result(s->body, c, name, NULL);
    return gr_graph_add_arg(s->body, c, name, &init->type);
}

void gr_scan_name_carry(gr_node *scan, int carry, const gr_type *t)
{
    const gr_type steps = gr_type_stacked(t, scan->scan->steps + 1, NULL);
    gr_type_take_names(&scan->scan->body->args[carry]->type, t);
    gr_type_take_names(&gr_scan_last(scan, carry)->type, t);
    gr_type_take_names(&gr_scan_history(scan, carry)->type, &steps);
}

void gr_scan_set_next(gr_node *scan, int carry, gr_value *inner) { scan->scan->body->results[carry] = inner; }

int gr_scan_stack(gr_node *scan, gr_value *inner, const char *name)
{
    gr_scan *s = scan->scan;
    for (int j = 0; j < s->stacked; j++)
        if (s->body->results[s->carries + j] == inner) return j;
    gr_type t = gr_type_stacked(&inner->type, s->steps, gr_scan_axis(scan));
    gr_graph_add_result(s->body, s->carries + s->stacked, name, inner);
    insert_output(scan, scan->num_out,
                  value_make(scan, name ? name : gr_arena_printf(scan->graph->arena, "%s", inner->node->name), &t));
    return s->stacked++;
}

gr_value *gr_scan_last(gr_node *scan, int carry) { return scan->out[carry]; }
gr_value *gr_scan_history(gr_node *scan, int carry) { return scan->out[scan->scan->carries + carry]; }
gr_value *gr_scan_stacked(gr_node *scan, int j) { return scan->out[2 * scan->scan->carries + j]; }

static int arg_index(const gr_value *arg)
{
    const gr_graph *body = arg->node->graph;
    for (int i = 0; i < body->num_args; i++)
        if (body->args[i] == arg) return i;
    gr_bug(body->arena, "'%s' is no argument of a loop", arg->node->name);
}

enum gr_arg_kind gr_arg_kind(const gr_value *arg, int *number)
{
    const gr_scan *s = arg->node->graph->owner->scan;
    int i = arg_index(arg);
    enum gr_arg_kind kind = i < s->carries                  ? GR_ARG_CARRY
                            : i < s->carries + s->sequences ? GR_ARG_SEQUENCE
                                                            : GR_ARG_INVARIANT;
    if (number) *number = i - (kind == GR_ARG_CARRY ? 0 : kind == GR_ARG_SEQUENCE ? s->carries : s->carries + s->sequences);
    return kind;
}

gr_value *gr_arg_outer(const gr_value *arg) { return arg->node->graph->owner->in[arg_index(arg)]; }

gr_value *gr_graph_capture(gr_graph *g, gr_value *v)
{
    if (!v || v->node->graph == g || !g->parent) return v;
    return gr_scan_invariant(g->owner, gr_graph_capture(g->parent, v));
}
