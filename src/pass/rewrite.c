/* rewrite.c - numbering, copying and looking through views. */
#include "pass/rewrite.h"
#include "graph/emit.h"

#include <stdio.h>

void gr_number_nodes(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) g->nodes[i]->mark = (void *)(intptr_t)i;
}

static gr_dag *edges_of(const gr_graph *g)
{
    gr_dag *d = gr_dag_create(g->arena, g->num_nodes);
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++)
            if (g->nodes[i]->in[k]) gr_dag_edge(d, gr_number(g->nodes[i]->in[k]->node), i);
    return d;
}

gr_dag *gr_graph_dag(const gr_graph *g)
{
    gr_dag *d = edges_of(g);
    gr_dag_finish(d);
    return d;
}

gr_dag *gr_cyclic_dag(const gr_graph *g)
{
    gr_dag *d = edges_of(g);
    for (int c = 0; g->owner && c < g->owner->scan->carries; c++)
        gr_dag_edge(d, gr_number(g->results[c]->node), gr_number(g->args[c]->node));
    gr_dag_finish(d);
    return d;
}

bool *gr_pinned_nodes(const gr_graph *g)
{
    bool *pinned = GR_NEW_ARRAY(g->arena, bool, g->num_nodes + 1);
    for (int i = 0; i < g->num_results; i++) pinned[gr_number(g->results[i]->node)] = true;
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->next) pinned[gr_number(g->states[i]->next->node)] = true;
    if (g->commit) pinned[gr_number(g->commit->node)] = true;
    return pinned;
}

gr_readers *gr_find_readers(const gr_graph *g)
{
    gr_readers *r = GR_NEW_ARRAY(g->arena, gr_readers, g->num_nodes + 1);
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++)
            if (g->nodes[i]->in[k]) r[gr_number(g->nodes[i]->in[k]->node)].n++;
    for (int i = 0; i < g->num_nodes; i++) {
        r[i].list = GR_NEW_ARRAY(g->arena, gr_node *, r[i].n + 1);
        r[i].n = 0;
    }
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++)
            if (g->nodes[i]->in[k]) {
                gr_readers *of = &r[gr_number(g->nodes[i]->in[k]->node)];
                of->list[of->n++] = g->nodes[i];
            }
    return r;
}

gr_node *gr_copy_node(gr_graph *to, gr_node *n, gr_value *const *in)
{
    gr_node_spec spec = {.op = n->op, .name = n->name, .at = n->at, .phase = n->phase,
                         .num_in = n->num_in, .in = in, .port = n->port, .attr = n->attr};
    gr_node *c = gr_node_add(to, &spec);
    c->attr_at = n->attr_at;
    c->port_at = n->port_at;
    c->path = n->path;
    c->outer_axes = n->outer_axes;
    c->tape = n->tape;
    c->epilogue = n->epilogue;
    c->product_inputs = n->product_inputs;
    for (int i = 0; i < n->num_out; i++) gr_node_add_output(c, n->out[i]->port, &n->out[i]->type);
    c->scan = n->scan;
    if (c->scan) {
        c->scan->body->owner = c;
        c->scan->body->parent = to;
    }
    return c;
}

static gr_value *copied(const gr_value *v) { return v ? ((gr_node *)v->node->mark)->out[v->index] : NULL; }

static gr_graph *copy_body(gr_graph *parent, const gr_graph *body)
{
    gr_graph *to = gr_graph_body(parent);
    gr_arena *a = to->arena;
    for (int i = 0; i < body->num_nodes; i++) {
        gr_node *n = body->nodes[i];
        gr_value **in = GR_NEW_ARRAY(a, gr_value *, n->num_in + 1);
        for (int k = 0; k < n->num_in; k++) in[k] = copied(n->in[k]);
        gr_copy_deep(to, n, in);
    }
    for (int i = 0; i < body->num_args; i++) *GR_PUSH(a, to->args, to->num_args, to->cap_args) = copied(body->args[i]);
    for (int i = 0; i < body->num_results; i++)
        gr_graph_add_result(to, i, body->result_names[i], copied(body->results[i]));
    return to;
}

gr_node *gr_copy_deep(gr_graph *to, gr_node *n, gr_value *const *in)
{
    gr_node shell = *n;
    shell.scan = NULL;
    gr_node *c = gr_copy_node(to, &shell, in);
    n->mark = c;
    if (!n->scan) return c;
    c->scan = gr_arena_copy(to->arena, n->scan, sizeof *n->scan);
    c->scan->body = copy_body(to, n->scan->body);
    c->scan->body->owner = c;
    return c;
}

void gr_remove_node(gr_graph *g, const gr_node *n)
{
    int kept = 0;
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i] != n) g->nodes[kept++] = g->nodes[i];
    g->num_nodes = kept;
}

gr_node *gr_add_role(gr_graph *g, gr_role role, const gr_node *origin, int num_in, gr_value *const *in,
                     const char *attrs, ...)
{
    const gr_op *op = gr_registry_role(g->registry, role);
    gr_attr *attr = gr_attr_defaults(g->arena, op);
    const char *why = "";
    va_list args;
    va_start(args, attrs);
    const char *text = attrs ? gr_arena_vprintf(g->arena, attrs, args) : "";
    va_end(args);
    gr_node_spec spec = {.op = op, .name = origin->name, .at = origin->at, .phase = origin->phase,
                         .num_in = num_in, .in = in, .attr = attr};
    int status = gr_attrs_parse(g->arena, op, text, attr, &why);
    gr_node *n = status == 0 ? gr_node_add(g, &spec) : NULL;
    if (n && gr_infer_node(g, n) == 0) return n;
    gr_bug(g->arena, "cannot make %s(%s) for %s: %s", op->name, text, origin->name, why);
}

gr_value *gr_reshape_leading(gr_graph *g, const gr_node *origin, gr_value *v, int axes, int n, const int64_t *dim)
{
    const char *shape = "";
    for (int i = 0; i < n; i++) shape = gr_arena_printf(g->arena, "%s%s%lld", shape, i ? ", " : "", (long long)dim[i]);
    for (int i = axes; i < v->type.rank; i++)
        shape = gr_arena_printf(g->arena, "%s%s%lld", shape, n || i > axes ? ", " : "", (long long)v->type.dim[i]);
    return gr_add_role(g, GR_ROLE_RESHAPE, origin, 1, &v, "shape=[%s]", shape)->out[0];
}

bool gr_same_dims(const gr_type *a, const gr_type *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

gr_layout gr_dense_layout(const gr_type *t)
{
    gr_layout l = {0};
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        l.stride[i] = stride;
        stride *= t->dim[i];
    }
    return l;
}

bool gr_is_variadic_sum(const gr_node *n)
{
    return (n->op->traits & GR_SUM) && n->num_out == 1 && gr_op_num_inputs(n->op) == 1 &&
           (n->op->inputs[0].flags & GR_PORT_VARIADIC);
}

bool gr_is_view(const gr_node *n) { return (n->op->traits & GR_VIEW) && !n->tape && n->num_in && n->in[0]; }

int gr_view_layout(const gr_value *v, const gr_layout *in, gr_layout *out)
{
    const gr_node *n = v->node;
    gr_layout *all = GR_NEW_ARRAY(n->graph->arena, gr_layout, n->num_out + 1);
    int r = gr_view_node(n, in, all);
    *out = all[v->index];
    return r;
}

/* The value whose memory v looks at, and how; v itself if it is no view. NULL: a view that
 * its input's layout does not allow. */
static gr_value *layout_in_base(gr_value *v, gr_layout *l)
{
    if (!gr_is_view(v->node)) {
        *l = gr_dense_layout(&v->type);
        return v;
    }
    gr_layout in;
    gr_value *base = layout_in_base(v->node->in[0], &in);
    return base && gr_view_layout(v, &in, l) == 0 ? base : NULL;
}

gr_value *gr_product_columns(gr_value *v, int64_t *column)
{
    gr_layout l;
    gr_value *base = layout_in_base(v, &l);
    if (!base || !(base->node->op->traits & GR_CONTRACTION) || base->node->tape) return NULL;
    const gr_type *p = &base->type, *t = &v->type;
    if (p->rank < 1 || t->rank != p->rank) return NULL;
    gr_layout whole = gr_dense_layout(p);
    for (int i = 0; i < p->rank; i++) {
        if (i < p->rank - 1 && t->dim[i] != p->dim[i]) return NULL;
        if (t->dim[i] > 1 && l.stride[i] != whole.stride[i]) return NULL;
    }
    if (l.offset < 0 || l.offset + t->dim[t->rank - 1] > p->dim[p->rank - 1]) return NULL;
    *column = l.offset;
    return base;
}
