/* cse.c - equal nodes become one. */
#include "pass/cse.h"
#include "base/map.h"

static bool is_mergeable(const gr_node *n)
{
    return n->num_in && !n->scan && !n->tape && n->op->role != GR_ROLE_ARG &&
           !(n->op->traits & (GR_LEAF | GR_RANDOM | GR_EFFECT));
}

/* Op, attributes and inputs as text. */
static const char *key_of(gr_arena *a, const gr_node *n)
{
    const char *key = n->op->name;
    for (int i = 0; i < gr_op_num_attrs(n->op); i++)
        key = gr_arena_printf(a, "%s,%s", key, gr_attr_text(a, &n->op->attrs[i], &n->attr[i]));
    for (int p = 0; p < gr_op_num_inputs(n->op); p++) key = gr_arena_printf(a, "%s;%d", key, n->port[p]);
    for (int i = 0; i < n->num_in; i++) key = gr_arena_printf(a, "%s %p", key, (const void *)n->in[i]);
    return key;
}

void gr_merge_equal_nodes(gr_graph *g)
{
    gr_map *seen = gr_map_create(g->arena);
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->scan) gr_merge_equal_nodes(n->scan->body);
        if (!is_mergeable(n)) continue;
        const char *key = key_of(g->arena, n);
        gr_node *first = gr_map_get(seen, key);
        if (!first) gr_map_set(seen, key, n);
        else for (int k = 0; k < n->num_out && k < first->num_out; k++) gr_replace(n->out[k], first->out[k]);
    }
}
