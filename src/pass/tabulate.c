/* tabulate.c - what is made of looked-up rows is made of the table, and looked up then.
 *
 *     one_hot(i) W      ->  W[i]
 *     E[i] W            ->  (E W)[i]
 *     E[i] + b          ->  (E + b)[i]       b: the same for every entry of i
 *     E[i][..., a:b]    ->  E[..., a:b][i]
 *     norm(E[i])        ->  norm(E)[i]       what is done to each row apart from the others
 *
 * A batch has more tokens than an alphabet letters. This is done before differentiating, so that the gradient
 * follows by itself: what all entries of one letter send is added up first, and goes through the product once. A look-up's
 * row is bit for bit what the product of a row of zeros with a 1 gives, but that 0 times inf or NaN elsewhere
 * in W is not met; what is done to rows of the table that nobody looks up is met by gradients, with 0 before it. Rows are
 * followed into loops, through their sequences, and through views that keep them whole; padding that was made zeros is a row
 * of zeros behind the table's. A value toward which a gradient is asked for keeps its place. */
#include "graph/emit.h"
#include "pass/assemble.h"
#include "pass/lift.h"
#include "pass/pass.h"
#include "pass/product.h"
#include "pass/rewrite.h"

enum {
    LEAST_ROWS = 32,   /* laying W out by rows takes about as long as a product with so many */
    MOST_ROWS = 1 << 24, /* of a table with padding: their numbers go through floats */
};

typedef struct tabulator {
    gr_graph *root;
    const gr_request *request;
} tabulator;

/* ---- where rows come from ---- */

static bool is_asked(const tabulator *t, const gr_value *v)
{
    const char *const *name = t->request->grad;
    for (; name && *name; name++)
        if (gr_find_value(t->root, *name) == v) return true;
    return false;
}

/* Whether v is a table of which only the rows met get a gradient. */
static bool is_sparse(const tabulator *t, const gr_value *v)
{
    while (v->node->op->role == GR_ROLE_ARG && v->node->graph->owner) v = gr_arg_outer(v);
    for (int i = 0; i < t->root->num_states; i++)
        if (t->root->states[i]->value == v) return t->root->states[i]->sparse;
    return false;
}

/* A look-up that does nothing else, and whose gradient is the plain sum. */
static bool is_look_up(const tabulator *t, const gr_value *v)
{
    const gr_node *n = v->node;
    return n->op->role == GR_ROLE_TAKE && n->in[0]->type.rank > 1 && !gr_node_attr(n, "padding_idx")->present &&
           !gr_node_attr(n, "max_norm")->present && !gr_node_attr(n, "scale_grad_by_freq")->i && !is_sparse(t, n->in[0]) && !is_asked(t, v);
}

/* Whether v is its source with the axes before the last in another order: order[i] is axis i's place there. */
static bool reorders_rows(const gr_value *v, int *order)
{
    if (!gr_is_view(v->node)) return false;
    const gr_type *from = &v->node->in[0]->type, *to = &v->type;
    const gr_layout in = gr_dense_layout(from);
    gr_layout out;
    if (from->rank != to->rank || gr_view_layout(v, &in, &out) != 0 || out.offset != 0) return false;
    bool used[GR_MAX_RANK] = {false};
    for (int i = 0; i < to->rank; i++) {
        int k = 0;
        while (k < to->rank && (used[k] || out.stride[i] != in.stride[k] || to->dim[i] != from->dim[k])) k++;
        if (k == to->rank) return false;
        used[order[i] = k] = true;
    }
    return order[to->rank - 1] == to->rank - 1;
}

/* Whether v is in[1] of its node, with zeros for rows where a mask is false. */
static bool pads_rows(const gr_value *v)
{
    const gr_node *n = v->node;
    double number;
    if (n->op->role != GR_ROLE_WHERE || !gr_same_dims(&n->in[1]->type, &v->type)) return false;
    const gr_type *mask = &n->in[0]->type;
    return mask->rank == v->type.rank && mask->dim[mask->rank - 1] == 1 && gr_known_number(n->in[2], &number) && number == 0;
}

/* The rows of a value. */
typedef struct source {
    const gr_node *from; /* the look-up or the one-hot that gives them, of one axis; NULL: none does */
    int64_t rows;        /* of its table */
    bool padded;         /* row number `rows` stands for zeros */
} source;

static source source_of(const tabulator *t, const gr_value *v)
{
    const gr_node *n = v->node;
    int order[GR_MAX_RANK];
    if (is_asked(t, v)) return (source){NULL, 0, false};
    if (n->op->role == GR_ROLE_ONE_HOT) return (source){n, v->type.dim[v->type.rank - 1], false};
    if (is_look_up(t, v) && n->in[0]->type.rank == 2) return (source){n, n->in[0]->type.dim[0], false};
    if (reorders_rows(v, order)) return source_of(t, n->in[0]);
    if (pads_rows(v)) {
        source s = source_of(t, n->in[1]);
        s.padded = true;
        return s.rows < MOST_ROWS ? s : (source){NULL, 0, false};
    }
    if (n->op->role != GR_ROLE_ARG || !n->graph->owner || gr_arg_kind(v, NULL) == GR_ARG_CARRY) return (source){NULL, 0, false};
    const gr_value *outer = gr_arg_outer(v);
    return outer->type.rank > 1 ? source_of(t, outer) : (source){NULL, 0, false};
}

/* mask ? index : rows; an index that is `rows` is none of the table, and stays none. */
static gr_value *padded_index(const gr_node *n, gr_value *index, int64_t rows)
{
    gr_emitter *e = gr_emitter_create(n->graph, n->phase);
    gr_emitter_at(e, n->name, n->at);
    const gr_type *mask = &n->in[0]->type;
    gr_value *open = gr_reshape_leading(n->graph, n, n->in[0], mask->rank, mask->rank - 1, mask->dim);
    gr_value *zeros = gr_emit_role(e, GR_ROLE_FILL, 0, NULL, "shape=[], value=%lld, dtype=int32", (long long)rows);
    gr_value *none = gr_emit_role(e, GR_ROLE_FILL, 0, NULL, "shape=[], value=-1, dtype=int32");
    gr_value *beyond = gr_emit_tape(e, GR_TAPE_EQUAL, 2, (gr_value *[]){index, zeros});
    gr_value *given = gr_emit_role(e, GR_ROLE_WHERE, 3, (gr_value *[]){beyond, none, index}, NULL);
    return gr_emit_role(e, GR_ROLE_WHERE, 3, (gr_value *[]){open, given, zeros}, NULL);
}

/* The index of v's rows, whose source is s, in v's graph. */
static gr_value *index_of(gr_value *v, const source *s)
{
    gr_node *n = v->node;
    int order[GR_MAX_RANK];
    if (n == s->from) return n->in[n->op->role == GR_ROLE_TAKE];
    if (n->op->role == GR_ROLE_ARG) {
        gr_value *outer = index_of(gr_arg_outer(v), s);
        return gr_arg_kind(v, NULL) == GR_ARG_INVARIANT ? gr_graph_capture(n->graph, outer)
                                                        : gr_scan_sequence(n->graph->owner, outer, n->name);
    }
    if (!reorders_rows(v, order)) return padded_index(n, index_of(n->in[1], s), s->rows);
    gr_value *index = index_of(n->in[0], s);
    const char *dims = "";
    for (int i = 0; i < index->type.rank; i++) dims = gr_arena_printf(n->graph->arena, "%s%s%d", dims, i ? ", " : "", order[i]);
    return gr_add_role(n->graph, GR_ROLE_PERMUTE, n, 1, &index, "dims=[%s]", dims)->out[0];
}

/* ---- what may be done of the table ---- */

/* Entries that an index with v's leading axes has, in all steps of the loop. */
static int64_t entries(const gr_value *v, int axes)
{
    int64_t n = v->node->graph->owner ? v->node->graph->owner->scan->steps : 1;
    for (int i = 0; i < axes; i++) n *= v->type.dim[i];
    return n;
}

/* Whether a look-up takes as many rows as its table has. */
static bool takes_many(const gr_node *look_up)
{
    return entries(look_up->out[0], look_up->in[1]->type.rank) >= look_up->in[0]->type.dim[0];
}

static bool is_same_for_all(const gr_value *v) { return !v->node->graph->owner || gr_is_fixed(v); }

/* In place of n's output: the table's rows. n's name goes to the look-up, which is what stands for it now. */
static void look_up_instead(gr_node *n, gr_value *table, gr_value *index, const gr_node *like)
{
    const bool missing = like->op->role == GR_ROLE_TAKE && gr_node_attr(like, "missing")->i;
    gr_node *look_up = gr_add_role(n->graph, GR_ROLE_TAKE, n, 2, (gr_value *[]){table, index}, "missing=%s", missing ? "true" : "false");
    const char *name = look_up->name;
    if (!gr_type_equal(&look_up->out[0]->type, &n->out[0]->type)) return;
    look_up->name = n->name;
    n->name = name;
    gr_type_take_names(&look_up->out[0]->type, &n->out[0]->type);
    gr_replace(n->out[0], look_up->out[0]);
}

/* The product of the source's table with n's right operand, whose axis `columns` holds the columns: W by rows, or E W. */
static gr_value *product_of_table(gr_node *n, const source *s, int columns)
{
    gr_graph *g = n->graph;
    if (s->from->op->role == GR_ROLE_ONE_HOT) return columns ? n->in[1] : gr_add_role(g, GR_ROLE_PERMUTE, n, 1, &n->in[1], "dims=[1, 0]")->out[0];
    gr_value **in = GR_NEW_ARRAY(g->arena, gr_value *, n->num_in);
    in[0] = gr_graph_capture(g, s->from->in[0]);
    in[1] = n->in[1];
    gr_node *product = gr_copy_node(g, n, in);
    return gr_infer_node(g, product) == 0 ? product->out[0] : NULL;
}

static gr_value *with_zeros(const gr_node *n, gr_value *table)
{
    gr_value *row = gr_add_role(n->graph, GR_ROLE_FILL, n, 0, NULL, "shape=[1, %lld], value=0, dtype=%s", (long long)table->type.dim[1],
                                gr_dtype_name(table->type.dtype))->out[0];
    return gr_add_role(n->graph, GR_ROLE_CONCAT, n, 2, (gr_value *[]){table, row}, "dim=0")->out[0];
}

static bool pays(const tabulator *t, const gr_node *n, const source *s)
{
    const int64_t rows = entries(n->in[0], n->in[0]->type.rank - 1);
    if (s->from->op->role == GR_ROLE_ONE_HOT) return rows >= LEAST_ROWS || t->request->frozen;
    return rows >= 2 * s->rows;
}

static void tabulate_product(const tabulator *t, gr_node *n)
{
    if (!gr_is_matrix_product(n) || !is_same_for_all(n->in[1])) return;
    const source s = source_of(t, n->in[0]);
    if (!s.from || !pays(t, n, &s) || !gr_keeps_rows(n->graph, n)) return;
    const int columns = gr_columns_axis(n->graph, n);
    gr_value *table = columns < 0 ? NULL : product_of_table(n, &s, columns);
    if (!table) return;
    if (s.padded) table = with_zeros(n, table);
    look_up_instead(n, table, index_of(n->in[0], &s), s.from);
}

/* Whether a term of a sum adds the same to every row of the table. */
static bool adds_to_rows(const gr_value *term, const gr_type *table)
{
    return term->type.rank < table->rank && term->type.dtype == table->dtype && is_same_for_all(term);
}

/* Whether no sum that v may melt into has a term before it. */
static bool comes_first(const gr_value *v)
{
    const gr_graph *g = v->node->graph;
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        if (!gr_is_variadic_sum(n)) continue;
        for (int k = 0; k < n->num_in; k++)
            if (n->in[k] == v && (k > 0 || !comes_first(n->out[0]))) return false;
    }
    return true;
}

/* Terms are added in the order that they would have without this, so that no bit depends on whether it pays:
 * hoisting takes what needs no carry aside, [look-up, b, ...], and adds it behind the others. */
static void tabulate_sum(const tabulator *t, gr_node *n, const int *comp)
{
    gr_graph *g = n->graph;
    gr_value **own = GR_NEW_ARRAY(g->arena, gr_value *, n->num_in), **other = GR_NEW_ARRAY(g->arena, gr_value *, n->num_in);
    int num_own = 0, num_other = 0, of_rows = 1;
    for (int i = 0; i < n->num_in; i++) {
        const bool cyclic = n->in[i]->node->op->role != GR_ROLE_TAKE && comp[gr_number(n->in[i]->node)] == comp[gr_number(n)];
        if (cyclic) own[num_own++] = n->in[i];
        else other[num_other++] = n->in[i];
    }
    if (!num_other || !is_look_up(t, other[0]) || !gr_same_dims(&other[0]->type, &n->out[0]->type) || !comes_first(n->out[0])) return;
    gr_node *from = other[0]->node;
    const gr_type *table = &from->in[0]->type;
    if (gr_node_attr(from, "missing")->i) return; /* zeros and b are b */
    while (of_rows < num_other && adds_to_rows(other[of_rows], table)) of_rows++;
    if (of_rows < 2 || !takes_many(from)) return;
    other[0] = from->in[0];
    gr_value *sum = gr_add_role(g, GR_ROLE_ADD, n, of_rows, other, NULL)->out[0];
    if (!gr_same_dims(&sum->type, table)) return;
    if (num_own + num_other == of_rows) {
        look_up_instead(n, sum, from->in[1], from);
        return;
    }
    own[num_own++] = gr_copy_node(g, from, (gr_value *[]){sum, from->in[1]})->out[0];
    for (int i = of_rows; i < num_other; i++) own[num_own++] = other[i];
    n->in = own;
    n->num_in = n->port[1] = num_own;
}

static bool is_columns(const gr_node *n)
{
    return n->op->role == GR_ROLE_SLICE && gr_node_attr(n, "dim")->i == -1;
}

/* Whether all nodes that read v take columns of it. */
static bool read_by_columns(const gr_value *v)
{
    const gr_graph *g = v->node->graph;
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++)
            if (g->nodes[i]->in[k] == v && !is_columns(g->nodes[i])) return false;
    return true;
}

static void tabulate_columns(const tabulator *t, gr_node *n)
{
    if (!is_columns(n) || !is_look_up(t, n->in[0]) || !read_by_columns(n->in[0])) return;
    const gr_node *from = n->in[0]->node;
    if (!takes_many(from)) return;
    gr_node *part = gr_copy_node(n->graph, n, from->in);
    if (gr_infer_node(n->graph, part) == 0) look_up_instead(n, part->out[0], from->in[1], from);
}

static bool is_alike(const gr_value *a, const gr_value *b) { return a->type.dtype == b->type.dtype && gr_same_dims(&a->type, &b->type); }

/* Whether n, as it takes a row alone, takes any number of rows apart (GR_ROWWISE). */
static bool takes_a_row(const gr_node *n)
{
    gr_arena *a = n->graph->arena;
    gr_type *type = GR_NEW_ARRAY(a, gr_type, n->num_in);
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i]) type[i] = n->in[i]->type;
    const gr_type *in = &n->in[0]->type;
    type[0] = (gr_type){.dtype = in->dtype, .rank = 1, .dim = {in->dim[in->rank - 1]}};
    const gr_node *trial = gr_infer_as(a, n, n->num_in, type);
    return trial && trial->num_out == n->num_out && is_alike(trial->out[0], trial->in[0]);
}

/* Rows in, rows out: of the other inputs each is the same for all rows, and of the outputs the first alone is read. */
static bool maps_rows(const gr_node *n)
{
    const uint32_t other = GR_POINTWISE | GR_CONTRACTION | GR_VIEW | GR_RANDOM | GR_EFFECT;
    if (!(n->op->traits & GR_ROWWISE) || (n->op->traits & other) || n->tape || !n->num_in || !n->in[0] || n->port[1] != 1) return false;
    if (gr_is_whole_input(n, 0) || !n->num_out || !is_alike(n->out[0], n->in[0])) return false;
    for (int i = 1; i < n->num_in; i++)
        if (n->in[i] && !(gr_is_whole_input(n, i) && is_same_for_all(n->in[i]))) return false;
    for (int k = 1; k < n->num_out; k++)
        if (gr_value_readers(n->out[k]) > 0) return false;
    return true;
}

static void tabulate_rows(const tabulator *t, gr_node *n)
{
    if (!maps_rows(n) || !is_look_up(t, n->in[0]) || n->in[0]->node->in[0]->type.rank != 2) return;
    const gr_node *from = n->in[0]->node;
    if (gr_node_attr(from, "missing")->i) return; /* what is made of zeros may be none */
    if (!takes_many(from) || !takes_a_row(n)) return;
    gr_value **in = gr_arena_copy(n->graph->arena, n->in, sizeof *n->in * (size_t)n->num_in);
    in[0] = from->in[0];
    gr_node *rows = gr_copy_node(n->graph, n, in);
    if (gr_infer_node(n->graph, rows) == 0) look_up_instead(n, rows->out[0], from->in[1], from);
}

/* ---- the whole ---- */

static void tabulate(const tabulator *t, gr_graph *g)
{
    int *comp = GR_NEW_ARRAY(g->arena, int, g->num_nodes + 1);
    gr_number_nodes(g);
    gr_dag_components(gr_cyclic_dag(g), comp);
    for (int i = 0, n = g->num_nodes; i < n; i++) {
        gr_node *node = g->nodes[i];
        if (node->scan) tabulate(t, node->scan->body);
        tabulate_product(t, node);
        if (gr_is_variadic_sum(node)) tabulate_sum(t, node, comp);
        tabulate_columns(t, node);
        tabulate_rows(t, node);
    }
}

static void sort_all(gr_graph *g)
{
    gr_graph_sort(g);
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->scan) sort_all(g->nodes[i]->scan->body);
}

gr_graph *gr_pass_tabulate(gr_graph *g, const gr_request *r)
{
    const tabulator t = {.root = g, .request = r};
    tabulate(&t, g);
    sort_all(g);
    return g;
}
