/* rewrite.c - replacing, pruning, sorting, copying. */
#include "base/map.h"
#include "graph/graph.h"

#include <string.h>

static void replace_in(gr_value **list, int n, gr_value *from, gr_value *to)
{
    for (int i = 0; i < n; i++)
        if (list[i] == from) list[i] = to;
}

void gr_replace(gr_value *from, gr_value *to)
{
    gr_graph *g = from->node->graph, *root = gr_graph_root(g);
    for (int i = 0; i < g->num_nodes; i++) replace_in(g->nodes[i]->in, g->nodes[i]->num_in, from, to);
    replace_in(g->results, g->num_results, from, to);
    for (int i = 0; i < root->num_states; i++)
        if (root->states[i]->next == from) root->states[i]->next = to;
    for (int i = 0; i < root->num_names; i++)
        if (root->names[i].value == from) root->names[i].value = to;
    if (root->commit == from) root->commit = to;
}

static gr_value *in_place_of(gr_value *v)
{
    while (v && v->mark) v = v->mark;
    return v;
}

void gr_replace_all(gr_graph *g, const gr_change *list, int n)
{
    gr_graph *root = gr_graph_root(g);
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_out; k++) g->nodes[i]->out[k]->mark = NULL;
    for (int i = 0; i < n; i++) list[i].from->mark = list[i].to;
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++) g->nodes[i]->in[k] = in_place_of(g->nodes[i]->in[k]);
    for (int i = 0; i < g->num_results; i++) g->results[i] = in_place_of(g->results[i]);
    if (g == root) {
        for (int i = 0; i < g->num_states; i++) g->states[i]->next = in_place_of(g->states[i]->next);
        g->commit = in_place_of(g->commit);
    }
    for (int i = 0; i < root->num_names; i++)
        if (root->names[i].value && root->names[i].value->node->graph == g) root->names[i].value = in_place_of(root->names[i].value);
    for (int i = 0; i < n; i++) list[i].from->mark = NULL;
}

int gr_value_readers(const gr_value *v)
{
    const gr_graph *g = v->node->graph;
    int readers = 0;
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++) readers += g->nodes[i]->in[k] == v;
    for (int i = 0; i < g->num_results; i++) readers += g->results[i] == v;
    for (int i = 0; i < g->num_states; i++) readers += g->states[i]->next == v;
    return readers + (g->commit == v);
}

/* ---- pruning: mark what is needed, from the results back, then sweep ---- */

/* Values that are needed, and whose makers have not been asked yet: a list through their marks, whose last has itself as
 * mark. A list, not a recursion: chains of nodes may be long, stacks of threads small. */
typedef gr_value *needed;

static void need(needed *list, gr_value *v)
{
    if (!v || v->mark) return;
    v->mark = *list ? *list : v;
    *list = v;
}

/* A carry's next is needed once its arg, last or history is. */
static void need_carry(needed *list, gr_node *scan, int c)
{
    need(list, scan->in[c]);
    need(list, scan->scan->body->args[c]);
    need(list, scan->scan->body->results[c]);
}

static void need_arg(needed *list, gr_value *arg)
{
    gr_node *scan = arg->node->graph->owner;
    int number;
    if (gr_arg_kind(arg, &number) == GR_ARG_CARRY) need_carry(list, scan, number);
    else need(list, gr_arg_outer(arg));
}

static void need_scan_output(needed *list, gr_value *v)
{
    gr_scan *s = v->node->scan;
    if (v->index < 2 * s->carries) need_carry(list, v->node, v->index % s->carries);
    else need(list, s->body->results[v->index - s->carries]);
}

static void need_node(needed *list, gr_node *n)
{
    if (n->mark) return;
    n->mark = n;
    if (n->scan) return;
    for (int i = 0; i < n->num_in; i++) need(list, n->in[i]);
}

/* Marks all that the values of the list need in turn. */
static void spread(needed list)
{
    while (list) {
        gr_value *v = list;
        list = v->mark == v ? NULL : v->mark;
        need_node(&list, v->node);
        if (v->node->scan) need_scan_output(&list, v);
        if (v->node->op->role == GR_ROLE_ARG && v->node->graph->owner) need_arg(&list, v);
    }
}

static void clear_marks(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        n->mark = NULL;
        for (int k = 0; k < n->num_out; k++) n->out[k]->mark = NULL;
        if (n->scan) clear_marks(n->scan->body);
    }
}

static void need_effects(needed *list, gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->op->traits & GR_EFFECT) need_node(list, n);
        if (n->scan) need_effects(list, n->scan->body);
    }
}

/* Keeps the entries of in, args (or outputs, results) whose arg or output is marked. */
static int keep_marked(gr_value **values, gr_value **beside, const char **names, int first, int n, int to)
{
    for (int i = first; i < first + n; i++) {
        if (!values[i]->mark) continue;
        values[to] = values[i];
        if (beside) beside[to] = beside[i];
        if (names) names[to] = names[i];
        to++;
    }
    return to;
}

static void sweep(gr_graph *g);

static void sweep_scan(gr_node *n)
{
    gr_scan *s = n->scan;
    gr_graph *body = s->body;
    int old_carries = s->carries, old_stacked = s->stacked;
    /* Outputs: last and history stay as long as their carry does; stacked if read. */
    int out = 0, result = 0;
    for (int half = 0; half < 2; half++)
        for (int c = 0; c < old_carries; c++)
            if (body->args[c]->mark) n->out[out++] = n->out[half * old_carries + c];
    for (int c = 0; c < old_carries; c++)
        if (body->args[c]->mark) {
            body->result_names[result] = body->result_names[c];
            body->results[result++] = body->results[c];
        }
    for (int j = 0; j < old_stacked; j++) {
        gr_value *v = n->out[2 * old_carries + j];
        if (!v->mark) continue;
        body->result_names[result] = body->result_names[old_carries + j];
        body->results[result++] = body->results[old_carries + j];
        n->out[out++] = v;
    }
    n->num_out = out;
    body->num_results = result;
    for (int i = 0; i < out; i++) n->out[i]->index = i;
    int a = keep_marked(body->args, n->in, NULL, 0, old_carries, 0);
    s->carries = a;
    int b = keep_marked(body->args, n->in, NULL, old_carries, s->sequences, a);
    int c = keep_marked(body->args, n->in, NULL, old_carries + s->sequences, s->invariants, b);
    s->sequences = b - a;
    s->invariants = c - b;
    s->stacked = result - a;
    body->num_args = n->num_in = c;
    n->port[gr_op_num_inputs(n->op)] = c;
    sweep(body);
}

static void sweep(gr_graph *g)
{
    int kept = 0;
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (!n->mark) continue;
        if (n->scan) sweep_scan(n);
        g->nodes[kept++] = n;
    }
    g->num_nodes = kept;
}

static void sweep_names(gr_graph *root)
{
    int kept = 0;
    for (int i = 0; i < root->num_names; i++)
        if (root->names[i].value && root->names[i].value->mark) root->names[kept++] = root->names[i];
    if (kept == root->num_names) return;
    root->num_names = kept;
    root->name_index = gr_map_create(root->arena);
    for (int i = 0; i < kept; i++) gr_map_set(root->name_index, root->names[i].name, (void *)(intptr_t)(i + 1));
}

void gr_graph_prune(gr_graph *root)
{
    needed list = NULL;
    clear_marks(root);
    for (int i = 0; i < root->num_results; i++) need(&list, root->results[i]);
    for (int i = 0; i < root->num_states; i++) {
        need(&list, root->states[i]->next);
        need(&list, root->states[i]->value);
    }
    need(&list, root->commit);
    need_effects(&list, root);
    spread(list);
    sweep(root);
    sweep_names(root);
    clear_marks(root);
}

/* ---- the same for one graph alone ---- */

static bool has_effect(const gr_node *n)
{
    if (n->op->traits & GR_EFFECT) return true;
    for (int i = 0; n->scan && i < n->scan->body->num_nodes; i++)
        if (has_effect(n->scan->body->nodes[i])) return true;
    return false;
}

/* The node and all nodes that it reads from; a list as that of need(). */
static void need_here(gr_node *first)
{
    if (first->mark) return;
    first->mark = first;
    for (gr_node *list = first; list;) {
        gr_node *n = list;
        list = n->mark == n ? NULL : n->mark;
        for (int i = 0; i < n->num_in; i++) {
            gr_node *from = n->in[i] ? n->in[i]->node : n;
            if (from->mark) continue;
            from->mark = list ? list : from;
            list = from;
        }
    }
}

static void need_value(const gr_value *v)
{
    if (v) need_here(v->node);
}

void gr_graph_sweep(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) g->nodes[i]->mark = NULL;
    for (int i = 0; i < g->num_args; i++) need_value(g->args[i]);
    for (int i = 0; i < g->num_results; i++) need_value(g->results[i]);
    for (int i = 0; i < g->num_states; i++) {
        need_value(g->states[i]->next);
        need_value(g->states[i]->value);
    }
    need_value(g->commit);
    int kept = 0;
    for (int i = 0; i < g->num_nodes; i++)
        if (has_effect(g->nodes[i])) need_here(g->nodes[i]);
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->mark) g->nodes[kept++] = g->nodes[i];
    g->num_nodes = kept;
    for (int i = 0; i < kept; i++) g->nodes[i]->mark = NULL;
}

/* ---- sorting ---- */

typedef enum color { WHITE, GREY, BLACK } color;

static color color_of(const gr_node *n) { return (color)(intptr_t)n->mark; }

/* Nodes as they are found in depth. The way down to the node in hand grows from the end of `order`; a node is in one of
 * both parts, so they do not meet:
 *
 *     order  | sorted ... | free | in hand ... first |      next  | ... of first | ... of in hand | free | */
typedef struct sorting {
    gr_node **order, **top, **end; /* top: the node in hand */
    int count;                     /* that are sorted */
    int *next;                     /* by depth: which input comes next */
} sorting;

static void enter(sorting *s, gr_node *n)
{
    s->next[s->end - s->top] = 0;
    *--s->top = n;
    n->mark = (void *)(intptr_t)GREY;
}

static void leave(sorting *s)
{
    gr_node *n = *s->top++;
    n->mark = (void *)(intptr_t)BLACK;
    s->order[s->count++] = n;
}

static int visit(sorting *s, gr_node *first)
{
    if (color_of(first) == WHITE) enter(s, first);
    while (s->top < s->end) {
        const gr_node *n = *s->top;
        int *next = &s->next[s->end - s->top - 1];
        if (*next == n->num_in) {
            leave(s);
            continue;
        }
        const gr_value *in = n->in[(*next)++];
        if (in && color_of(in->node) == GREY) return -1;
        if (in && color_of(in->node) == WHITE) enter(s, in->node);
    }
    return 0;
}

int gr_graph_sort(gr_graph *g)
{
    gr_arena *a = g->arena;
    const int n = g->num_nodes;
    sorting s = {.order = GR_NEW_ARRAY(a, gr_node *, n), .next = GR_NEW_ARRAY(a, int, n)};
    s.top = s.end = s.order + n;
    int status = 0;
    for (int i = 0; i < n; i++) g->nodes[i]->mark = NULL;
    for (int i = 0; i < n && status == 0; i++) status = visit(&s, g->nodes[i]);
    for (int i = 0; i < n; i++) g->nodes[i]->mark = NULL;
    if (status < 0) return -1;
    memcpy(g->nodes, s.order, sizeof *s.order * (size_t)s.count);
    return 0;
}

/* ---- copying ---- */

static gr_value *copy_of(gr_value *v) { return v ? v->mark : NULL; }

static gr_graph *clone_graph(const gr_graph *g, gr_arena *a, gr_graph *parent);

static gr_node *clone_node(const gr_node *n, gr_graph *to)
{
    gr_arena *a = to->arena;
    gr_node *c = gr_arena_copy(a, n, sizeof *n);
    c->graph = to;
    c->mark = NULL;
    c->attr = gr_arena_copy(a, n->attr, sizeof *n->attr * (size_t)gr_op_num_attrs(n->op));
    c->port = gr_arena_copy(a, n->port, sizeof *n->port * (size_t)(gr_op_num_inputs(n->op) + 1));
    c->in = GR_NEW_ARRAY(a, gr_value *, n->num_in);
    for (int i = 0; i < n->num_in; i++) c->in[i] = copy_of(n->in[i]);
    c->out = GR_NEW_ARRAY(a, gr_value *, n->num_out);
    for (int i = 0; i < n->num_out; i++) {
        c->out[i] = gr_arena_copy(a, n->out[i], sizeof **n->out);
        c->out[i]->node = c;
        c->out[i]->mark = NULL;
        n->out[i]->mark = c->out[i];
    }
    if (n->scan) {
        c->scan = gr_arena_copy(a, n->scan, sizeof *n->scan);
        c->scan->body = clone_graph(n->scan->body, a, to);
        c->scan->body->owner = c;
    }
    return c;
}

static gr_value **clone_values(gr_arena *a, gr_value **list, int n)
{
    gr_value **copy = GR_NEW_ARRAY(a, gr_value *, n);
    for (int i = 0; i < n; i++) copy[i] = copy_of(list[i]);
    return copy;
}

static gr_graph *clone_graph(const gr_graph *g, gr_arena *a, gr_graph *parent)
{
    gr_graph *c = gr_graph_create(a, g->registry, g->diag, g->real);
    c->parent = parent;
    c->training = g->training;
    c->typed = g->typed;
    for (int i = 0; i < g->num_nodes; i++) {
        *GR_PUSH(a, c->nodes, c->num_nodes, c->cap_nodes) = clone_node(g->nodes[i], c);
        gr_map_set(c->taken, g->nodes[i]->name, (void *)(intptr_t)1);
    }
    c->args = clone_values(a, g->args, g->num_args);
    c->num_args = c->cap_args = g->num_args;
    for (int i = 0; i < g->num_results; i++)
        gr_graph_add_result(c, i, g->result_names[i], copy_of(g->results[i]));
    for (int i = 0; i < g->num_states; i++) {
        gr_state *s = gr_arena_copy(a, g->states[i], sizeof *s);
        *GR_PUSH(a, c->states, c->num_states, c->cap_states) = s;
        s->value = copy_of(s->value);
        s->next = copy_of(s->next);
    }
    return c;
}

gr_graph *gr_graph_clone(const gr_graph *g, gr_arena *a)
{
    gr_graph *c = clone_graph(g, a, NULL);
    for (int i = 0; i < g->num_names; i++) gr_graph_set_name(c, g->names[i].name, copy_of(g->names[i].value));
    c->commit = copy_of(g->commit);
    clear_marks((gr_graph *)(uintptr_t)g);
    return c;
}
