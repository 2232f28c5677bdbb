/* merge.c - work that is done twice, or in pieces, is done once.
 *
 *   - Equal nodes become one (cse.c).
 *   - Products of one left operand with operands that stay the same become one product with
 *     their concatenation; what each gave is a slice of its columns:
 *         x W1, x W2, x W3   ->   p = x [W1 W2 W3];  p[:, :n1], p[:, n1:n2], p[:, n2:]
 *
 * When products pay to merge: the concatenation copies k (n1 + n2 + ...) elements, once for
 * a loop. Each product saved packs its left operand again (rows k elements) and is a task of
 * its own (about TASK elements' worth of time), at every step that it runs. Inside a loop
 * only products of one component are merged: a product that hoisting takes out of the loop
 * must not be tied to one that stays. */
#include "pass/cse.h"
#include "pass/pass.h"
#include "pass/product.h"
#include "pass/rewrite.h"

#include <string.h>

enum { TASK = 2000, MAX_MERGED = 32 };

/* ---- products ---- */

static bool is_mergeable(const gr_node *n) { return gr_is_matrix_product(n) && gr_is_fixed(n->in[1]); }

static bool same_form(gr_graph *g, const gr_node *a, const gr_node *b)
{
    if (a->op != b->op || a->in[0] != b->in[0] || a->phase != b->phase) return false;
    for (int i = 0; i < gr_op_num_attrs(a->op); i++) {
        const gr_attr_spec *spec = &a->op->attrs[i];
        const char *x = gr_attr_text(g->arena, spec, &a->attr[i]), *y = gr_attr_text(g->arena, spec, &b->attr[i]);
        if (strcmp(x, y) != 0) return false;
    }
    return true;
}

static int64_t columns(const gr_node *n) { return n->out[0]->type.dim[n->out[0]->type.rank - 1]; }

/* See the top of this file. in_loop: the products stay in the loop whose body g is. */
static bool pays(const gr_graph *g, gr_node **list, int n, bool in_loop)
{
    int64_t copied = 0, steps = g->owner ? g->owner->scan->steps : 1, width = columns(list[0]);
    if (n < 2 || width < 1) return false;
    for (int i = 0; i < n; i++) copied += gr_numel(&list[i]->in[1]->type);
    int64_t rows = gr_numel(&list[0]->out[0]->type) / width, k = gr_numel(&list[0]->in[1]->type) / width;
    int64_t runs = in_loop ? steps : 1;
    if (!in_loop) rows *= steps;
    return (rows * k + TASK) * runs * (n - 1) > copied;
}

static void merge_products_of(gr_graph *g, gr_node **list, int n)
{
    int axis = gr_columns_axis(g, list[0]);
    if (axis < 0) return;
    gr_value *right[MAX_MERGED];
    for (int i = 0; i < n; i++) right[i] = list[i]->in[1];
    gr_node *joined = gr_add_role(g, GR_ROLE_CONCAT, list[0], n, right, "dim=%d", axis - 2);
    gr_value **in = GR_NEW_ARRAY(g->arena, gr_value *, list[0]->num_in);
    in[0] = list[0]->in[0];
    in[1] = joined->out[0];
    gr_node *product = gr_copy_node(g, list[0], in);
    if (gr_infer_node(g, product) < 0) return;
    int64_t at = 0;
    for (int i = 0; i < n; i++) {
        int64_t end = at + columns(list[i]);
        gr_node *part = gr_add_role(g, GR_ROLE_SLICE, list[i], 1, product->out, "dim=-1, start=%lld, stop=%lld",
                                    (long long)at, (long long)end);
        gr_replace(list[i]->out[0], part->out[0]);
        at = end;
    }
}

static bool in_cycle(const int *comp, int n, int node)
{
    for (int i = 0; i < n; i++)
        if (i != node && comp[i] == comp[node]) return true;
    return false;
}

static void merge_products(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->scan) merge_products(g->nodes[i]->scan->body);
    gr_number_nodes(g);
    int n = g->num_nodes;
    int *comp = GR_NEW_ARRAY(g->arena, int, n + 1);
    bool *done = GR_NEW_ARRAY(g->arena, bool, n + 1);
    gr_dag_components(gr_cyclic_dag(g), comp);
    for (int i = 0; i < n; i++) {
        gr_node *list[MAX_MERGED];
        int count = 0;
        if (done[i] || !is_mergeable(g->nodes[i])) continue;
        bool cyclic = in_cycle(comp, n, i);
        for (int k = i; k < n && count < MAX_MERGED; k++) {
            if (done[k] || !is_mergeable(g->nodes[k]) || !same_form(g, g->nodes[i], g->nodes[k])) continue;
            if (cyclic ? comp[k] != comp[i] : in_cycle(comp, n, k)) continue;
            done[k] = true;
            list[count++] = g->nodes[k];
        }
        if (pays(g, list, count, cyclic)) merge_products_of(g, list, count);
    }
    gr_graph_sweep(g);
    gr_graph_sort(g);
}

gr_graph *gr_pass_merge(gr_graph *g, const gr_request *r)
{
    (void)r;
    gr_graph_prune(g);
    gr_merge_equal_nodes(g);
    gr_graph_prune(g);
    merge_products(g);
    gr_graph_prune(g);
    return g;
}
