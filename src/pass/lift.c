/* lift.c - values by name; values of a loop's body as values outside of it. */
#include "pass/lift.h"
#include "base/map.h"

gr_value *gr_find_value(gr_graph *g, const char *name)
{
    gr_state *s = gr_graph_find_state(g, name); /* inside a loop its name is an arg's, too */
    return s ? s->value : gr_graph_find_name(g, name);
}

gr_value *gr_stack_once(gr_node *scan, gr_value *inner)
{
    const gr_scan *s = scan->scan;
    for (int j = 0; j < s->stacked; j++)
        if (s->body->results[s->carries + j] == inner) return gr_scan_stacked(scan, j);
    const gr_node *n = inner->node;
    const char *name = n->num_out > 1 && inner->port ? gr_arena_printf(s->body->arena, "%s.%s", n->name, inner->port)
                                                     : n->name;
    return gr_scan_stacked(scan, gr_scan_stack(scan, inner, name));
}

gr_value *gr_lift(gr_value *v)
{
    while (v->node->graph->parent) v = gr_stack_once(v->node->graph->owner, v);
    return v;
}

gr_type gr_lift_type(const gr_value *v)
{
    gr_type t = v->type;
    for (const gr_graph *g = v->node->graph; g->parent; g = g->parent) t = gr_type_stacked(&t, g->owner->scan->steps, gr_scan_axis(g->owner));
    return t;
}

/* A result under a name that no other has: nodes of two bodies may be called alike. */
static void add_result(gr_graph *root, gr_map *taken, const char *name, gr_value *v)
{
    const char *own = name;
    for (int k = 2; gr_map_get(taken, own); k++) own = gr_arena_printf(root->arena, "%s#%d", name, k);
    gr_map_set(taken, own, v);
    gr_graph_add_result(root, root->num_results, own, v);
}

static void lift_values(gr_graph *root, gr_graph *g, gr_map *taken)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->scan) {
            lift_values(root, n->scan->body, taken);
            continue;
        }
        for (int o = 0; o < n->num_out; o++) {
            gr_value *v = n->out[o];
            if (!gr_is_float(v->type.dtype) || n->op->role == GR_ROLE_ARG || v->type.rank >= GR_MAX_RANK) continue;
            const char *name = n->num_out > 1 && v->port ? gr_arena_printf(root->arena, "%s.%s", n->name, v->port)
                                                         : n->name;
            add_result(root, taken, name, gr_lift(v));
        }
    }
}

void gr_lift_all(gr_graph *root)
{
    gr_map *taken = gr_map_create(root->arena);
    for (int i = 0; i < root->num_results; i++) gr_map_set(taken, root->result_names[i], root->results[i]);
    lift_values(root, root, taken);
}
