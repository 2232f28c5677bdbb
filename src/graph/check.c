/* check.c - the invariants of a graph, and its one-line-a-node print. */
#include "base/map.h"
#include "graph/graph.h"

static const char *check_graph(const gr_graph *g);

static const char *check_scan(const gr_node *n)
{
    const gr_scan *s = n->scan;
    const gr_graph *b = s->body;
    gr_arena *a = n->graph->arena;
    if (b->owner != n || b->parent != n->graph) return gr_arena_printf(a, "%s: its body has another owner", n->name);
    if (n->num_in != s->carries + s->sequences + s->invariants || b->num_args != n->num_in)
        return gr_arena_printf(a, "%s: %d inputs, %d args, %d + %d + %d declared", n->name, n->num_in, b->num_args,
                               s->carries, s->sequences, s->invariants);
    if (b->num_results != s->carries + s->stacked || n->num_out != 2 * s->carries + s->stacked)
        return gr_arena_printf(a, "%s: %d outputs, %d results, %d carries and %d stacked declared", n->name,
                               n->num_out, b->num_results, s->carries, s->stacked);
    for (int i = 0; i < b->num_results; i++)
        if (!b->results[i]) return gr_arena_printf(a, "%s: result %d is missing", n->name, i);
    for (int c = 0; n->graph->typed && c < s->carries; c++)
        if (!gr_type_equal(&b->args[c]->type, &b->results[c]->type))
            return gr_arena_printf(a, "%s: carry %d starts as %s and goes on as %s", n->name, c,
                                   gr_type_text(a, &b->args[c]->type), gr_type_text(a, &b->results[c]->type));
    return check_graph(b);
}

static const char *check_node(const gr_node *n, const gr_map *seen)
{
    gr_arena *a = n->graph->arena;
    if (n->port[gr_op_num_inputs(n->op)] != (n->epilogue ? n->product_inputs : n->num_in)) return gr_arena_printf(a, "%s: ports and inputs differ", n->name);
    for (int i = 0; i < n->num_in; i++) {
        const gr_value *v = n->in[i];
        if (!v) continue;
        if (v->node->graph != n->graph)
            return gr_arena_printf(a, "%s reads %s of another graph", n->name, v->node->name);
        if (gr_map_get(seen, v->node->name) != v->node)
            return gr_arena_printf(a, "%s reads %s, which comes later or is gone", n->name, v->node->name);
    }
    for (int i = 0; i < n->num_out; i++) {
        if (n->out[i]->node != n || n->out[i]->index != i) return gr_arena_printf(a, "%s: output %d is not its own", n->name, i);
        if (n->graph->typed && n->out[i]->type.dtype == GR_UNKNOWN)
            return gr_arena_printf(a, "%s: output %d has no type", n->name, i);
    }
    return n->scan ? check_scan(n) : NULL;
}

static const char *check_graph(const gr_graph *g)
{
    gr_map *seen = gr_map_create(g->arena);
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (n->graph != g) return gr_arena_printf(g->arena, "%s stands in a graph that is not its own", n->name);
        if (gr_map_get(seen, n->name)) return gr_arena_printf(g->arena, "two nodes are called %s", n->name);
        const char *fault = check_node(n, seen);
        if (fault) return fault;
        gr_map_set(seen, n->name, n);
    }
    for (int i = 0; i < g->num_results; i++)
        if (g->results[i] && gr_map_get(seen, g->results[i]->node->name) != g->results[i]->node)
            return gr_arena_printf(g->arena, "result %d (%s) is of another graph", i, g->results[i]->node->name);
    for (int i = 0; i < g->num_states; i++) {
        const gr_state *s = g->states[i];
        if (s->next && g->typed && !gr_type_equal(&s->value->type, &s->next->type))
            return gr_arena_printf(g->arena, "state %s changes its type to %s", s->name,
                                   gr_type_text(g->arena, &s->next->type));
    }
    return NULL;
}

const char *gr_graph_check(const gr_graph *g) { return check_graph(g); }

static void print_graph(const gr_graph *g, int indent, FILE *to)
{
    static const char *const phase[] = {"", " (backward)", " (update)"};
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        fprintf(to, "%*s", indent, "");
        for (int k = 0; k < n->num_out; k++)
            fprintf(to, "%s%s", k ? ", " : "", gr_type_text(g->arena, &n->out[k]->type));
        fprintf(to, " %s = %s(", n->name, n->op->name);
        for (int k = 0; k < n->num_in; k++) {
            const gr_value *v = n->in[k];
            fprintf(to, "%s%s", k ? ", " : "", v ? v->node->name : "-");
            if (v && v->node->num_out > 1) fprintf(to, ".%s", v->port);
        }
        fprintf(to, ")%s\n", phase[n->phase]);
        if (n->scan) print_graph(n->scan->body, indent + 4, to);
    }
    for (int i = 0; i < g->num_results; i++)
        fprintf(to, "%*sresult %s = %s.%s\n", indent, "", g->result_names[i] ? g->result_names[i] : "",
                g->results[i] ? g->results[i]->node->name : "-", g->results[i] ? g->results[i]->port : "");
}

void gr_graph_print(const gr_graph *g, FILE *to) { print_graph(g, 0, to); }
