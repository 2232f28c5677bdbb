/* frozen.c - what depends on weights alone, where these stay as they are.
 *
 * Packed operands, merged weights, tables of positions: a program that runs for every item
 * would make them again and again. They become states, filled once by the graph that they
 * were taken out of. Runs on graphs after the last pass, whose nodes are what is computed. */
#include "pass/frozen.h"
#include "pass/rewrite.h"

static bool is_weight(const gr_value *v)
{
    const gr_graph *g = v->node->graph;
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->value == v) return g->states[i]->weight && !g->states[i]->next;
    return false;
}

bool gr_is_frozen(const gr_value *v)
{
    const gr_node *n = v->node;
    if (n->op->role == GR_ROLE_STATE) return is_weight(v);
    if (n->op->traits & GR_LEAF) return n->op->role == GR_ROLE_CONSTANT || n->op->role == GR_ROLE_FILL;
    if (n->scan || n->op->role == GR_ROLE_ARG || (n->op->traits & (GR_RANDOM | GR_EFFECT))) return false;
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && !gr_is_frozen(n->in[i])) return false;
    return true;
}

/* Computed, and of something. */
static bool is_worth_keeping(const gr_node *n)
{
    return n->num_in > 0 && n->num_out > 0 && !gr_is_view(n) && gr_is_frozen(n->out[0]);
}

/* Whether any of the readers is not itself left out. */
static bool is_read(const gr_readers *r)
{
    for (int i = 0; i < r->n; i++)
        if (!is_worth_keeping(r->list[i])) return true;
    return false;
}

int gr_cut_frozen(gr_graph *root, const char *prefix, gr_border **borders)
{
    int n = root->num_nodes, count = 0, cap = 0;
    *borders = NULL;
    gr_number_nodes(root);
    bool *pinned = gr_pinned_nodes(root);
    gr_readers *readers = gr_find_readers(root);
    for (int i = 0; i < n; i++) {
        gr_node *node = root->nodes[i];
        if (pinned[i] || !is_worth_keeping(node) || !is_read(&readers[i])) continue;
        for (int o = 0; o < node->num_out; o++) {
            const char *name = gr_arena_printf(root->arena, "%s:%s.%d", prefix, node->name, o);
            *GR_PUSH(root->arena, *borders, count, cap) = (gr_border){.node = node->name, .output = o, .state = name};
        }
    }
    for (int i = 0; i < count; i++) {
        const gr_border *b = &(*borders)[i];
        for (int k = 0; k < n; k++) {
            gr_node *node = root->nodes[k];
            if (node->name != b->node) continue;
            gr_state *s = gr_graph_add_state(root, b->state, &node->out[b->output]->type, "Zeros");
            s->trainable = s->weight = false;
            gr_replace(node->out[b->output], s->value);
        }
    }
    gr_graph_prune(root);
    gr_graph_sort(root);
    return count;
}

void gr_keep_frozen(gr_graph *root, int n, const gr_border *borders)
{
    root->num_results = 0;
    root->commit = NULL;
    for (int i = 0; i < root->num_states; i++) root->states[i]->next = NULL;
    gr_cut_borders(root, n, borders);
    gr_graph_prune(root);
}
