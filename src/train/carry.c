/* carry.c - a loop's carries become states of the training loop.
 *
 * Where a loop started from its first value it starts from a state, whose `next` is the carry
 * after the last step: the state goes from batch to batch (`carry`) or from piece to piece of one
 * (`bptt`), and no gradient goes through. A first value that is the same number everywhere is put
 * into the state when an epoch, or a batch, begins. Any other, a Parameter or what an encoder
 * gives, is chosen in the graph as long as a second state says that nothing has begun:
 *
 *     start = Where(begun, state, first value)        begun: 0, after one step 1
 *
 * so that it learns from the first batch alone. */
#include "train/loss.h"
#include "train/session.h"
#include "train/update.h"

#include <string.h>

static bool belongs_to(const char *node, const char *name)
{
    size_t n = strlen(name);
    return strncmp(node, name, n) == 0 && (node[n] == 0 || node[n] == '.');
}

int gr_carry_number(const gr_recipe *r, const gr_node *loop)
{
    for (int i = 0; i < r->num_carries; i++)
        if (belongs_to(loop->name, r->carry[i])) return i;
    return -1;
}

/* "epoch:begun": whether a step has been made since the last reset. */
static gr_value *begun(gr_graph *root, gr_emitter *e, const char *reset)
{
    const char *name = gr_arena_printf(root->arena, "%s:begun", reset);
    gr_type t = {.dtype = root->real};
    gr_state *s = gr_graph_find_state(root, name);
    if (s) return s->value;
    s = gr_graph_add_state(root, name, &t, "Constant value=0");
    s->trainable = s->weight = false;
    s->reset = reset;
    gr_value *one = gr_emit_number(e, 1);
    gr_graph_find_state(root, name)->next = one;
    return s->value;
}

/* "epoch:rnn.h[32, 8]": programs for other numbers of rows have states of their own. */
static const char *state_name(gr_arena *a, const char *reset, const gr_node *loop, const gr_value *arg, const gr_type *t)
{
    const char *name = gr_arena_printf(a, "%s:%s.%s[", reset, loop->name, arg->node->name);
    for (int k = 0; k < t->rank; k++) name = gr_arena_printf(a, "%s%s%lld", name, k ? ", " : "", (long long)t->dim[k]);
    return gr_arena_printf(a, "%s]", name);
}

static void tie_carry(gr_graph *root, gr_node *loop, int c, const char *reset)
{
    gr_value *init = loop->in[c], *arg = loop->scan->body->args[c];
    gr_emitter *e = gr_emitter_create(root, GR_FORWARD);
    double number = 0;
    bool filled = gr_is_filled(init, &number);
    gr_emitter_at(e, gr_arena_printf(root->arena, "%s.%s", loop->name, reset), loop->at);
    const char *name = state_name(root->arena, reset, loop, arg, &init->type);
    gr_state *s = gr_graph_add_state(root, name, &init->type, gr_arena_printf(root->arena, "Constant value=%.17g", number));
    s->trainable = s->weight = false;
    s->reset = reset;
    s->next = gr_scan_last(loop, c);
    loop->in[c] = s->value;
    if (filled) return;
    gr_value *in[3] = {begun(root, e, reset), s->value, init};
    loop->in[c] = gr_emit_role(e, GR_ROLE_WHERE, 3, in, NULL);
}

/* A loop that runs backwards in time begins where its batch ends. */
static int check_direction(gr_graph *root, const gr_node *loop, gr_loc at)
{
    if (!loop->scan->reverse) return 0;
    gr_diag_error(root->diag, at, "'%s' runs backwards in time: what it ends with is not where the next steps begin", loop->name);
    return -1;
}

static int tie_loop(gr_graph *root, gr_node *loop, const char *reset, gr_loc at)
{
    if (check_direction(root, loop, at)) return -1;
    for (int c = 0; c < loop->scan->carries; c++) tie_carry(root, loop, c, reset);
    return 0;
}

/* What `carry` may name: loops with a state, by the node of the file. NULL-ended. */
static const char *const *carriers(const gr_graph *root)
{
    const char **names = GR_NEW_ARRAY(root->arena, const char *, root->num_nodes + 1);
    for (int i = 0, n = 0; i < root->num_nodes; i++) {
        const gr_node *loop = root->nodes[i];
        if (!loop->scan || !loop->scan->carries) continue;
        const char *name = gr_arena_strndup(root->arena, loop->name, strcspn(loop->name, "."));
        if (!n || strcmp(names[n - 1], name) != 0) names[n++] = name;
    }
    return names;
}

int gr_carry_names(const gr_graph *root, const gr_recipe *r)
{
    for (int k = 0; k < r->num_carries; k++) {
        bool found = false;
        for (int i = 0; i < root->num_nodes && !found; i++) {
            const gr_node *loop = root->nodes[i];
            found = loop->scan && loop->scan->carries > 0 && gr_carry_number(r, loop) == k;
        }
        if (found) continue;
        gr_diag_error(root->diag, r->carry_at[k], "'%s' has no state to carry: no loop is called so%s", r->carry[k],
                      gr_suggest(root->arena, r->carry[k], carriers(root)));
        return -1;
    }
    return 0;
}

int gr_carry_states(gr_graph *root, const gr_recipe *r, const char *cut, bool training)
{
    for (int i = 0, n = root->num_nodes; i < n; i++) {
        gr_node *loop = root->nodes[i];
        int number = loop->scan ? gr_carry_number(r, loop) : -1;
        if (number >= 0) {
            if (tie_loop(root, loop, training ? "epoch" : "eval", r->carry_at[number])) return -1;
        } else if (loop->scan && cut && !r->num_carries) {
            if (tie_loop(root, loop, training ? "batch" : "eval_batch", r->bptt_at)) return -1;
        }
    }
    return gr_graph_sort(root);
}

int gr_carry_check(const gr_exec *from, const gr_exec *to, bool begins_batch, gr_error *e)
{
    for (int i = 0; from != to && i < to->graph->num_states; i++) {
        const gr_state *state = to->graph->states[i];
        if (!state->reset || (begins_batch && strstr(state->reset, "batch"))) continue;
        bool there = false;
        for (int k = 0; k < from->graph->num_states && !there; k++)
            there = strcmp(from->graph->states[k]->name, state->name) == 0;
        if (there) continue;
        return gr_set_error(e, GR_EINVAL, "a batch is of another number of rows than the one before: '%s' cannot be carried into "
                            "it; choose a batch size that divides the data, or leave out `carry`", state->name);
    }
    return 0;
}
