/* look_up.c - gradients of tables that only look-ups read, as the rows met and their sums.
 *
 * Such a table is not differentiated itself. Its look-ups' outputs are, each a row for every entry
 * of an index; entries of one row are then added up. So nothing is as large as the table:
 *
 *     y = table[index], g = dL/dy    ->    rows, order, start = unique(index)
 *                                          gradient = sums of g in that order, [n, ...]
 *
 * What a loop looks up is taken with its index stacked over the steps. */
#include "pass/look_up.h"
#include "pass/lift.h"

static gr_value *outermost(gr_value *v)
{
    while (v && v->node->graph->parent && v->node->op->role == GR_ROLE_ARG) v = gr_arg_outer(v);
    return v;
}

static bool refuse(gr_graph *root, const gr_state *s, const gr_node *n)
{
    gr_diag_error(root->diag, s->sparse_at, "'%s' is to have a sparse gradient, but %s (%s) reads all of it: what is tied cannot be sparse",
                  s->name, n->name, n->op->name);
    return false;
}

/* Adds the look-ups of g and its bodies. false after a message: something else reads the table. */
static bool collect(gr_graph *root, gr_graph *g, const gr_state *s, gr_look_ups *to, int *cap)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        bool reads = false;
        if (n->scan && !collect(root, n->scan->body, s, to, cap)) return false;
        for (int k = 0; !n->scan && k < n->num_in; k++) {
            if (outermost(n->in[k]) != s->value) continue;
            if (n->op->role == GR_ROLE_PUT_ROWS && k == 0) continue; /* makes its next; no loss depends on it */
            if (n->op->role != GR_ROLE_TAKE || k != 0 || n->phase != GR_FORWARD) return refuse(root, s, n);
            reads = true;
        }
        if (reads && gr_value_readers(n->out[0]) > 0) *GR_PUSH(root->arena, to->node, to->count, *cap) = n;
    }
    return true;
}

bool gr_find_look_ups(gr_graph *root, const gr_state *s, gr_look_ups *to)
{
    int cap = 0;
    *to = (gr_look_ups){NULL, 0};
    return collect(root, root, s, to, &cap);
}

/* v with its first axes, which hold n entries, as one. */
static gr_value *as_rows(gr_emitter *e, gr_value *v, int64_t n, const gr_type *table, int kept)
{
    const char *shape = gr_arena_printf(gr_emitter_graph(e)->arena, "[%lld", (long long)n);
    for (int i = 1; i < kept; i++) shape = gr_arena_printf(gr_emitter_graph(e)->arena, "%s, %lld", shape, (long long)table->dim[i]);
    return gr_emit_role(e, GR_ROLE_RESHAPE, 1, &v, "shape=%s]", shape);
}

static gr_value *joined(gr_emitter *e, int n, gr_value **parts)
{
    return n > 1 ? gr_emit_role(e, GR_ROLE_CONCAT, n, parts, "dim=0") : parts[0];
}

gr_value *gr_look_up_gradient(gr_emitter *e, gr_state *s, const gr_look_ups *l, gr_value *const *grads)
{
    gr_arena *a = gr_emitter_graph(e)->arena;
    gr_value **index = GR_NEW_ARRAY(a, gr_value *, l->count + 1), **rows = GR_NEW_ARRAY(a, gr_value *, l->count + 1);
    const gr_type *table = &s->value->type;
    int n = 0;
    for (int i = 0; i < l->count; i++) {
        if (!grads[i]) continue;
        gr_value *at = gr_lift(l->node[i]->in[1]);
        index[n] = as_rows(e, at, gr_numel(&at->type), table, 1);
        rows[n++] = as_rows(e, grads[i], gr_numel(&at->type), table, table->rank);
        s->look_up = l->node[i];
    }
    if (n == 0) return NULL;
    const gr_attr *padding = gr_node_attr(s->look_up, "padding_idx");
    const char *skip = padding->present ? gr_arena_printf(a, ", padding_idx=%lld", (long long)padding->i) : "";
    gr_value *all = joined(e, n, index), *in[3] = {joined(e, n, rows)};
    s->rows = gr_emit_role(e, GR_ROLE_UNIQUE_ROWS, 1, &all, "rows=%lld%s", (long long)table->dim[0], skip);
    in[1] = s->rows->node->out[1];
    in[2] = s->rows->node->out[2];
    return gr_emit_role(e, GR_ROLE_SUM_ROWS, 3, in, NULL);
}
