/* cut.c - the part of a graph that runs for every item fed, taken apart from the rest.
 *
 *     rest (once)              this part (again and again)
 *     source -> encoder --+--> state ------> attention -> ... -> logits
 *                         +--> state = first value of a carry   */
#include "pass/stepwise.h"
#include "pass/rewrite.h"

#include <string.h>

typedef struct cutter {
    const gr_stepwise *s;
    gr_graph *root;
    bool *needed;      /* by number of a node that was there before */
    gr_border *borders; int num_borders, cap_borders;
} cutter;

/* Whether n belongs to the part that runs again. */
static bool runs_again(const cutter *c, const gr_node *n)
{
    for (int o = 0; o < n->num_out; o++)
        if (gr_reach_of(c->s, n->out[o]) != GR_REACH_NONE) return true;
    return false;
}

static bool is_border(const cutter *c, const gr_value *v)
{
    return gr_reach_of(c->s, v) == GR_REACH_NONE && gr_is_dynamic(c->s, v);
}

/* A loop that takes a slice of what is fed at every step. */
static bool steps_along(const cutter *c, const gr_node *n)
{
    return n->scan && n->scan->sequences > 0 && gr_reach_of(c->s, n->in[n->scan->carries]) == GR_REACH_STEP;
}

static void find_needed(cutter *c, int n, gr_value *const *results)
{
    for (int i = 0; i < n; i++) c->needed[gr_number(results[i]->node)] = true;
    for (int i = c->root->num_nodes - 1; i >= 0; i--) {
        const gr_node *node = c->root->nodes[i];
        for (int k = 0; c->needed[i] && k < node->num_in; k++)
            if (node->in[k] && !is_border(c, node->in[k])) c->needed[gr_number(node->in[k]->node)] = true;
    }
}

/* A state of v's type. Names hold the type, since all programs of a session share their states and
 * another source has another length. */
static gr_state *add_state(cutter *c, const gr_value *v, const char *what, bool carry)
{
    gr_arena *a = c->root->arena;
    const char *name = gr_arena_printf(a, "generate:%s %s", what, gr_type_text(a, &v->type));
    gr_border *b = GR_PUSH(a, c->borders, c->num_borders, c->cap_borders);
    *b = (gr_border){.node = v->node->name, .output = v->index, .state = name, .what = what, .carry = carry};
    gr_state *s = gr_graph_add_state(c->root, name, &v->type, "Zeros");
    s->trainable = s->weight = false;
    s->reset = "never";
    return s;
}

static gr_value *state_of_border(cutter *c, const gr_value *v)
{
    for (int i = 0; i < c->num_borders; i++)
        if (!c->borders[i].carry && strcmp(c->borders[i].node, v->node->name) == 0 && c->borders[i].output == v->index)
            return gr_graph_find_state(c->root, c->borders[i].state)->value;
    return add_state(c, v, gr_arena_printf(c->root->arena, "%s.%d", v->node->name, v->index), false)->value;
}

static void carry_states(cutter *c, gr_node *scan)
{
    for (int i = 0; i < scan->scan->carries; i++) {
        const char *arg = scan->scan->body->args[i]->node->name;
        gr_state *s = add_state(c, scan->in[i], gr_arena_printf(c->root->arena, "%s:%s", scan->name, arg), true);
        s->next = gr_scan_last(scan, i);
        scan->in[i] = s->value;
    }
}

int gr_cut_rest(const gr_stepwise *s, int n, gr_value *const *results, bool step, gr_border **borders)
{
    cutter c = {.s = s, .root = s->graph};
    int nodes = c.root->num_nodes;
    c.needed = GR_NEW_ARRAY(c.root->arena, bool, nodes + 1);
    find_needed(&c, n, results);
    for (int i = 0; i < nodes; i++) {
        gr_node *node = c.root->nodes[i];
        if (!c.needed[i] || !runs_again(&c, node)) continue;
        int first = 0;
        if (step && steps_along(&c, node)) {
            carry_states(&c, node);
            first = node->scan->carries;
        }
        for (int k = first; k < node->num_in; k++)
            if (node->in[k] && is_border(&c, node->in[k])) node->in[k] = state_of_border(&c, node->in[k]);
    }
    *borders = c.borders;
    gr_graph_sort(c.root); /* clears the numbers */
    return c.num_borders;
}

void gr_cut_borders(gr_graph *root, int n, const gr_border *borders)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < root->num_nodes; k++)
            if (strcmp(root->nodes[k]->name, borders[i].node) == 0)
                gr_graph_add_result(root, root->num_results, borders[i].state, root->nodes[k]->out[borders[i].output]);
}
