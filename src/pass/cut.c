/* cut.c - the part of a graph that runs for every item fed, taken apart from the rest.
 *
 *     rest (once)              this part (again and again)
 *     source -> encoder --+--> state ------> attention -> ... -> logits
 *                         +--> state = first value of a carry
 *
 * What an op needs of the steps before is a state [room, ...], which starts as zeros; every run puts the rows of its own
 * steps there, in place, before they are read. */
#include "pass/stepwise.h"
#include "pass/rewrite.h"

#include <string.h>

typedef struct cutter {
    const gr_stepwise *s;
    gr_graph *root;
    bool *needed;      /* by number of a node that was there before */
    gr_border *borders; int num_borders, cap_borders;
    int64_t room;      /* steps that are kept */
    gr_value *numbers; /* of those fed; NULL until one asks */
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

/* A state that starts as v, NULL: as zeros. Names hold the type, since all programs of a session share their states and
 * another source has another length. */
static gr_state *add_state(cutter *c, const gr_type *t, const gr_value *v, const char *what, bool carry)
{
    gr_arena *a = c->root->arena;
    const char *name = gr_arena_printf(a, "generate:%s %s", what, gr_type_text(a, t));
    gr_border *b = GR_PUSH(a, c->borders, c->num_borders, c->cap_borders);
    *b = (gr_border){.node = v ? v->node->name : NULL, .output = v ? v->index : 0, .state = name, .type = *t, .what = what, .carry = carry};
    gr_state *s = gr_graph_add_state(c->root, name, t, "Zeros");
    s->trainable = s->weight = false;
    s->reset = "never";
    return s;
}

static gr_value *state_of_border(cutter *c, const gr_value *v)
{
    for (int i = 0; i < c->num_borders; i++)
        if (!c->borders[i].carry && c->borders[i].node && strcmp(c->borders[i].node, v->node->name) == 0 && c->borders[i].output == v->index)
            return gr_graph_find_state(c->root, c->borders[i].state)->value;
    return add_state(c, &v->type, v, gr_arena_printf(c->root->arena, "%s.%d", v->node->name, v->index), false)->value;
}

static void carry_states(cutter *c, gr_node *scan)
{
    for (int i = 0; i < scan->scan->carries; i++) {
        const char *arg = scan->scan->body->args[i]->node->name;
        gr_state *s = add_state(c, &scan->in[i]->type, scan->in[i], gr_arena_printf(c->root->arena, "%s:%s", scan->name, arg), true);
        s->next = gr_scan_last(scan, i);
        scan->in[i] = s->value;
    }
}

/* ---- what ops say themselves ---- */

static gr_value *step_numbers(void *data, gr_emitter *e)
{
    cutter *c = data;
    if (c->numbers) return c->numbers;
    gr_state *s = add_state(c, &(gr_type){.dtype = GR_INT32}, NULL, "steps", true);
    c->numbers = gr_emit_role(e, GR_ROLE_STEP_NUMBERS, 1, &s->value, "n=%lld, room=%lld", (long long)c->s->length, (long long)c->room);
    s->next = c->numbers->node->out[1];
    return c->numbers;
}

/* v with axis `from` in the place of `to`, the others in their order. */
static gr_value *move_axis(gr_emitter *e, gr_value *v, int from, int to)
{
    const char *dims = "";
    if (from == to) return v;
    for (int i = 0, next = 0; i < v->type.rank; i++) {
        if (i != to && next == from) next++;
        dims = gr_arena_printf(v->node->graph->arena, "%s%s%d", dims, i ? ", " : "", i == to ? from : next);
        if (i != to) next++;
    }
    return gr_emit_role(e, GR_ROLE_PERMUTE, 1, &v, "dims=[%s]", dims);
}

/* "attend:key"; of a port's second value and those after it "stack:input.1". */
static const char *past_name(gr_arena *a, const gr_node *n, int input)
{
    int port = 0;
    while (n->port[port + 1] <= input) port++;
    const int place = input - n->port[port];
    const char *name = gr_arena_printf(a, "%s:%s", n->name, n->op->inputs[port].name);
    return place ? gr_arena_printf(a, "%s.%d", name, place) : name;
}

static gr_value *keep_past(void *data, gr_emitter *e, const gr_node *n, int input, gr_value *v, int axis)
{
    cutter *c = data;
    const char *what = past_name(c->root->arena, n, input);
    for (int i = 0; i < c->num_borders; i++) /* asked for once more */
        if (strcmp(c->borders[i].what, what) == 0) return move_axis(e, gr_graph_find_state(c->root, c->borders[i].state)->next, 0, axis);
    gr_value *rows = move_axis(e, v, axis, 0);
    gr_type t = rows->type;
    t.dim[0] = c->room;
    t.axis[0] = NULL;
    gr_state *s = add_state(c, &t, NULL, what, true);
    s->next = gr_emit_role(e, GR_ROLE_PUT_ROWS, 3, (gr_value *[]){s->value, step_numbers(c, e), rows}, NULL);
    return move_axis(e, s->next, 0, axis);
}

static void emit_step(cutter *c, gr_node *n, gr_step_hook *hook)
{
    gr_value **out = GR_NEW_ARRAY(c->root->arena, gr_value *, n->num_out + 1);
    const gr_step_past past = {step_numbers, keep_past, c};
    const int faults = gr_diag_count(c->root->diag);
    if (!gr_step_emit(c->root, n, hook, n->in, &past, out)) {
        if (gr_diag_count(c->root->diag) == faults) gr_bug(c->root->arena, "%s could be stepped, and now cannot", n->name);
        return; /* so much room is too large */
    }
    for (int o = 0; o < n->num_out; o++) gr_replace(n->out[o], out[o]);
}

/* Gives how many steps the nodes can go; 0: any number, as none counts them. */
static int64_t most_steps(const cutter *c, int nodes, int64_t room)
{
    bool any = false;
    for (int i = 0; i < nodes; i++) {
        const gr_step_hook *h = c->s->hook[i];
        if (!c->needed[i] || !h) continue;
        any = true;
        if (h->most < room) room = h->most;
    }
    return any ? room : 0;
}

static void emit_steps(cutter *c, int nodes, int64_t *room)
{
    *room = c->room = most_steps(c, nodes, *room);
    gr_node **list = GR_NEW_ARRAY(c->root->arena, gr_node *, nodes + 1);
    memcpy(list, c->root->nodes, sizeof *list * (size_t)nodes);
    for (int i = 0; i < nodes; i++)
        if (c->needed[i] && c->s->hook[i]) emit_step(c, list[i], c->s->hook[i]);
}

int gr_cut_rest(const gr_stepwise *s, int n, gr_value *const *results, bool step, int64_t *room, gr_border **borders)
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
    if (step) emit_steps(&c, nodes, room);
    *borders = c.borders;
    gr_graph_sort(c.root); /* clears the numbers */
    return c.num_borders;
}

void gr_cut_borders(gr_graph *root, int n, const gr_border *borders)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; borders[i].node && k < root->num_nodes; k++)
            if (strcmp(root->nodes[k]->name, borders[i].node) == 0)
                gr_graph_add_result(root, root->num_results, borders[i].state, root->nodes[k]->out[borders[i].output]);
}
