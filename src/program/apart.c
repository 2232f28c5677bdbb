/* apart.c - which templates treat the entries of a leading axis (steps, or rows) one apart from the other. */
#include "graph/emit.h"
#include "program/build.h"

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
    gr_type *type = GR_NEW_ARRAY(a, gr_type, num_in + 1);
    for (int i = 0; i < num_in; i++) {
        if (!n->in[i]) continue;
        const gr_type *t = &n->in[i]->type;
        bool has = t->rank > 0 && t->dim[0] == steps && !gr_is_whole_input(n, i);
        if (!has && now == 0 && !gr_is_whole_input(n, i)) return false;
        type[i] = has ? at_steps(t, now) : *t;
    }
    const gr_node *c = gr_infer_as(a, n, num_in, type);
    if (!c || c->num_out != num_out) return false;
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
    return v && v->type.rank > 0 && v->type.dim[0] == steps && !gr_is_whole_input(t->node, i);
}
