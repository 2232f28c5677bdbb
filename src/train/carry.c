/* carry.c - a loop's carries become states of the training loop.
 *
 * Where a loop started from zeros it starts from a state, whose `next` is the carry after
 * the last step: the state goes from batch to batch and no gradient goes through. */
#include "train/loss.h"
#include "train/update.h"

#include <string.h>

static bool belongs_to(const char *node, const char *name)
{
    size_t n = strlen(name);
    return strncmp(node, name, n) == 0 && (node[n] == 0 || node[n] == '.');
}

static int tie_carry(gr_graph *root, gr_node *scan, int c, const char *reset, gr_loc at)
{
    gr_value *init = scan->in[c], *arg = scan->scan->body->args[c];
    double number = 0;
    if (!gr_is_filled(init, &number)) {
        gr_diag_error(root->diag, at, "%s cannot keep its carry '%s': it starts from '%s' and not from zeros", scan->name,
                      arg->node->name, init->node->name);
        return -1;
    }
    const char *name = gr_arena_printf(root->arena, "%s:%s.%s", reset, scan->name, arg->node->name);
    gr_state *s = gr_graph_add_state(root, name, &init->type, gr_arena_printf(root->arena, "Constant value=%.17g", number));
    s->trainable = s->weight = false;
    s->reset = reset;
    s->next = gr_scan_last(scan, c);
    scan->in[c] = s->value;
    return 0;
}

int gr_carry_states(gr_graph *root, const char *const *names, const gr_loc *at, int n, const char *reset)
{
    for (int k = 0; k < (names ? n : 1); k++) {
        int found = 0;
        for (int i = 0; i < root->num_nodes; i++) {
            gr_node *scan = root->nodes[i];
            if (!scan->scan || (names && !belongs_to(scan->name, names[k]))) continue;
            for (int c = 0; c < scan->scan->carries; c++, found++)
                if (tie_carry(root, scan, c, reset, names ? at[k] : scan->at)) return -1;
        }
        if (found || !names) continue;
        gr_diag_error(root->diag, at[k], "'%s' has no state to carry: no loop is called so", names[k]);
        return -1;
    }
    return gr_graph_sort(root);
}
