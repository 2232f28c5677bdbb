/* apart.c - which templates treat the entries of a leading axis (steps, or rows) one apart from the other. */
#include "graph/emit.h"
#include "program/build.h"

static bool is_whole_port(const gr_node *n, int i)
{
    int p = 0;
    while (n->port[p + 1] <= i) p++;
    return (n->op->inputs[p].flags & GR_PORT_WHOLE) != 0;
}

/* The type at another number of steps: 0 takes the axis away. */
static gr_type at_steps(const gr_type *t, int64_t steps)
{
    gr_type r = *t;
    r.dim[0] = steps;
    return steps ? r : gr_type_slice(t);
}

/* Whether n, inferred from inputs of that many steps, gives its outputs at so many. */
static bool scales(gr_arena *a, const gr_node *n, int num_in, const gr_type *out, int num_out, int64_t steps, int64_t now)
{
    gr_graph *g = gr_graph_create(a, n->graph->registry, gr_diag_create(a), n->graph->real);
    gr_value **in = GR_NEW_ARRAY(a, gr_value *, num_in + 1);
    for (int i = 0; i < num_in; i++) {
        if (!n->in[i]) continue;
        const gr_type *t = &n->in[i]->type;
        bool has = t->rank > 0 && t->dim[0] == steps && !is_whole_port(n, i);
        if (!has && now == 0 && !is_whole_port(n, i)) return false;
        gr_type other = has ? at_steps(t, now) : *t;
        in[i] = gr_graph_add_arg(g, i, n->in[i]->node->name, &other);
    }
    gr_node_spec spec = {.op = n->op, .name = n->name, .num_in = num_in, .in = in, .port = n->port,
                         .attr = gr_arena_copy(a, n->attr, sizeof *n->attr * (size_t)gr_op_num_attrs(n->op))};
    gr_node *c = gr_node_add(g, &spec);
    g->typed = true;
    if (gr_infer_node(g, c) != 0 || c->num_out != num_out) return false;
    for (int i = 0; i < num_out; i++) {
        if (out[i].rank < 1 || out[i].dim[0] != steps) return false;
        gr_type want = at_steps(&out[i], now);
        if (!gr_type_equal(&c->out[i]->type, &want)) return false;
    }
    return true;
}

/* A product has one row after the other where another number of steps shows in the leading
 * axis of its result alone; a ROWWISE node where it is the same node on a step. */
bool gr_steps_apart(gr_arena *a, const gr_template *t, int64_t steps)
{
    const gr_node *n = t->node;
    if (t->kind == GR_TASK_TAPE || t->kind == GR_TASK_COPY) return true;
    if (n->op->traits & (GR_RANDOM | GR_EFFECT)) return false;
    if (t->kind == GR_TASK_PRODUCT) return scales(a, n, n->product_inputs, &n->epilogue->product, 1, steps, steps + 1);
    gr_type *out = GR_NEW_ARRAY(a, gr_type, n->num_out + 1);
    for (int i = 0; i < n->num_out; i++) out[i] = n->out[i]->type;
    if (n->op->traits & GR_CONTRACTION) return scales(a, n, n->num_in, out, n->num_out, steps, steps + 1);
    return (n->op->traits & GR_ROWWISE) && scales(a, n, n->num_in, out, n->num_out, steps, 0);
}

bool gr_has_steps(const gr_template *t, int i, int64_t steps)
{
    bool product = t->kind == GR_TASK_PRODUCT && i < t->node->product_inputs;
    if (t->kind != GR_TASK_KERNEL && !product) return true;
    const gr_value *v = t->node->in[i];
    return v && v->type.rank > 0 && v->type.dim[0] == steps && !is_whole_port(t->node, i);
}
