/* tile.c - values too large to be there at once are made chunk by chunk.
 *
 * Logits over a large vocabulary, [time, batch, classes], are made by a product, and what reads them
 * keeps their rows apart (a loss, its gradient, a metric, the gradient toward the product's
 * rows) or sums over the rows (the weights' gradients). These nodes become one loop over chunks
 * of rows, in which the logits of a chunk are made once for all that reads them:
 *
 *     H [R, k], W         for each of q chunks of R / q rows:
 *     Y = H W    large        y = h W       dy = loss'(y)
 *     L = loss(Y)      ->     l = loss(y)   dh = dy W'          stacked
 *     dY = loss'(Y) large     dW += h' dy                       carried
 *     dH = dY W', dW = H' dY
 *
 * What a node does with its rows is asked by traits and tried by inferring it with another number
 * of rows. The nodes must have no path that leaves them and comes back: then all of Y would be
 * needed before dY. Rows keep their bits; what is summed over rows is summed by chunk. All this
 * is a function of shapes, and nothing changes where no value is as large as LARGE. */
#include "graph/emit.h"
#include "pass/pass.h"
#include "pass/rewrite.h"

#include <string.h>

enum { LARGE = 64 << 20, CHUNK = 32 << 20, PROBE = 1000003, NO_AXIS = -1 }; /* bytes, bytes, rows, rows */

typedef enum tile_kind {
    OUTSIDE,
    ROWS,   /* its outputs have the rows of its inputs */
    TOTAL,  /* a sum over rows */
} tile_kind;

/* Chunks of rows that one loop goes over: all of them, or the rest. */
typedef struct tile_loop {
    int64_t from, chunks, rows; /* first row, how many chunks, rows of each */
    gr_node *scan;
    gr_value **inner;           /* by node: its first output in the loop */
} tile_loop;

typedef struct tiler {
    gr_graph *g;
    gr_arena *a;
    int n;                 /* nodes when it was begun */
    int64_t rows;
    gr_readers *readers;
    bool *pinned;
    tile_kind *kind;       /* by node */
    bool **rowed;          /* by node: which of its inputs have rows */
    gr_value **todo; int num_todo, cap_todo; /* large values with rows */
    tile_loop loop[2];
    int loops;
} tiler;

static size_t bytes_of(const gr_type *t) { return (size_t)gr_numel(t) * gr_dtype_size(t->dtype); }
static bool is_large(const gr_value *v) { return bytes_of(&v->type) >= LARGE; }

/* How many leading axes hold the rows; 0: none do. */
static int lead_of(const tiler *t, const gr_type *type)
{
    int64_t n = 1;
    for (int i = 0; i < type->rank; i++) {
        n *= type->dim[i];
        if (n == t->rows) return i + 1;
        if (n == 0 || n > t->rows) return 0;
    }
    return 0;
}

/* The type with `rows` rows on one axis; NO_AXIS: of one row. */
static gr_type with_rows(const tiler *t, const gr_type *type, int64_t rows)
{
    int lead = lead_of(t, type), axes = rows != NO_AXIS;
    gr_type r = {.dtype = type->dtype, .rank = type->rank - lead + axes};
    r.dim[0] = rows;
    for (int i = axes; i < r.rank; i++) r.dim[i] = type->dim[i + lead - axes];
    return r;
}

/* ---- what a node does with rows ------------------------------------------- */

/* n inferred with so many rows where rowed[i]; NULL: it cannot be. */
static const gr_node *probe(const tiler *t, const gr_node *n, const bool *rowed, int64_t rows)
{
    gr_type *type = GR_NEW_ARRAY(t->a, gr_type, n->num_in + 1);
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i]) type[i] = rowed[i] ? with_rows(t, &n->in[i]->type, rows) : n->in[i]->type;
    const gr_node *c = gr_infer_as(t->a, n, n->num_in, type);
    return c && c->num_out == n->num_out ? c : NULL;
}

static tile_kind outcome(const tiler *t, const gr_node *n, const gr_node *tried, int64_t tried_rows)
{
    bool rows = true, total = true;
    for (int o = 0; o < n->num_out; o++) {
        const gr_type *type = &n->out[o]->type, *got = &tried->out[o]->type;
        gr_type expected = lead_of(t, type) ? with_rows(t, type, tried_rows) : *type;
        rows &= lead_of(t, type) && gr_type_equal(&expected, got);
        total &= gr_type_equal(type, got);
    }
    return rows ? ROWS : total ? TOTAL : OUTSIDE;
}

/* Pointwise: an input has rows if its leading axes are the output's. Others must not reach that far. */
static bool find_pointwise_rows(const tiler *t, const gr_node *n, bool *rowed)
{
    const gr_type *out = &n->out[0]->type;
    int lead = lead_of(t, out);
    for (int i = 0; i < n->num_in; i++) {
        const gr_type *in = n->in[i] ? &n->in[i]->type : NULL;
        if (!in || in->rank <= out->rank - lead) continue;
        rowed[i] = in->rank == out->rank && memcmp(in->dim, out->dim, sizeof *in->dim * (size_t)lead) == 0;
        if (!rowed[i]) return false;
    }
    return lead > 0;
}

/* Axes that a sum over all rows, and perhaps more, has where the rows are one axis, as text; NULL: it
 * is no such sum. */
static const char *summed_axes(const tiler *t, const gr_node *n)
{
    const gr_attr *dim = gr_node_attr(n, "dim");
    const char *axes = "0";
    int lead = lead_of(t, &n->in[0]->type), of_rows = 0;
    if (gr_node_attr(n, "keepdim")->i || !dim->present) return NULL;
    for (int64_t i = 0; i < dim->n; i++) {
        int64_t d = dim->ints[i] < 0 ? dim->ints[i] + n->in[0]->type.rank : dim->ints[i];
        if (d < lead) of_rows++; /* they are all different */
        else axes = gr_arena_printf(t->a, "%s, %lld", axes, (long long)(d - lead + 1));
    }
    return lead > 0 && of_rows == lead ? axes : NULL;
}

static tile_kind try_rows(const tiler *t, const gr_node *n, bool *rowed)
{
    const gr_node *tried = probe(t, n, rowed, PROBE);
    return tried ? outcome(t, n, tried, PROBE) : OUTSIDE;
}

/* A node that can be made of one row alone is, by its trait, the same for each of many: so an axis that
 * it works along (a softmax, a running sum) is none of the rows'. */
static bool keeps_rows_apart(const tiler *t, const gr_node *n, const bool *rowed)
{
    const gr_node *tried = probe(t, n, rowed, NO_AXIS);
    return tried && outcome(t, n, tried, NO_AXIS) == ROWS;
}

/* A product with rows on the left, or on both sides and summed over. */
static tile_kind product_kind(const tiler *t, const gr_node *n, bool *rowed)
{
    rowed[0] = lead_of(t, &n->in[0]->type) > 0;
    if (rowed[0] && try_rows(t, n, rowed) == ROWS) return ROWS;
    rowed[1] = lead_of(t, &n->in[1]->type) > 0;
    return rowed[0] && rowed[1] && try_rows(t, n, rowed) == TOTAL ? TOTAL : OUTSIDE;
}

static tile_kind kind_of(const tiler *t, const gr_node *n, bool *rowed)
{
    if (n->scan || !n->num_in || !n->num_out || (n->op->traits & (GR_RANDOM | GR_EFFECT | GR_LEAF))) return OUTSIDE;
    if (n->op->role == GR_ROLE_RESHAPE) {
        rowed[0] = true;
        return lead_of(t, &n->in[0]->type) && lead_of(t, &n->out[0]->type) ? ROWS : OUTSIDE;
    }
    if (n->op->role == GR_ROLE_REDUCE_SUM && summed_axes(t, n)) return rowed[0] = true, TOTAL;
    if (n->op->traits & GR_POINTWISE)
        return find_pointwise_rows(t, n, rowed) && try_rows(t, n, rowed) == ROWS ? ROWS : OUTSIDE;
    if (n->op->traits & GR_CONTRACTION) return product_kind(t, n, rowed);
    if (!(n->op->traits & GR_ROWWISE)) return OUTSIDE;
    for (int i = 0; i < n->num_in; i++) {
        rowed[i] = n->in[i] && !gr_is_whole_input(n, i);
        if (rowed[i] && !lead_of(t, &n->in[i]->type)) return OUTSIDE;
    }
    return keeps_rows_apart(t, n, rowed) && try_rows(t, n, rowed) == ROWS ? ROWS : OUTSIDE;
}

/* ---- which nodes ---------------------------------------------------------- */

static void want_value(tiler *t, gr_value *v)
{
    for (int i = 0; i < t->num_todo; i++)
        if (t->todo[i] == v) return;
    *GR_PUSH(t->a, t->todo, t->num_todo, t->cap_todo) = v;
}

/* Takes the node in, and the large values with rows that it reads and makes. false: it cannot be. */
static bool take_node(tiler *t, const gr_node *n)
{
    int at = gr_number(n);
    if (t->kind[at] != OUTSIDE) return true;
    bool *rowed = GR_NEW_ARRAY(t->a, bool, n->num_in + 1);
    tile_kind kind = kind_of(t, n, rowed);
    if (kind == OUTSIDE) return false;
    t->kind[at] = kind;
    t->rowed[at] = rowed;
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && is_large(n->in[i]) && rowed[i]) want_value(t, n->in[i]);
    for (int o = 0; o < n->num_out && kind != TOTAL; o++)
        if (is_large(n->out[o])) want_value(t, n->out[o]);
    return true;
}

static bool reads_rows(const tiler *t, const gr_node *n, const gr_value *v)
{
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] == v && !t->rowed[gr_number(n)][i]) return false;
    return true;
}

/* All that makes or reads the large values; false: something needs one whole. */
static bool grow(tiler *t)
{
    for (int i = 0; i < t->num_todo; i++) {
        gr_value *v = t->todo[i];
        const gr_readers *r = &t->readers[gr_number(v->node)];
        if (t->pinned[gr_number(v->node)] || !take_node(t, v->node)) return false;
        for (int k = 0; k < r->n; k++) {
            bool reads = false;
            for (int j = 0; j < r->list[k]->num_in; j++) reads |= r->list[k]->in[j] == v;
            if (reads && (!take_node(t, r->list[k]) || !reads_rows(t, r->list[k], v))) return false;
        }
    }
    return true;
}

/* Whether a path leaves the nodes and comes back, or what is summed over rows is read within. */
static bool comes_back(const tiler *t)
{
    bool *after = GR_NEW_ARRAY(t->a, bool, t->n + 1); /* outside, and behind one of them */
    for (int i = 0; i < t->n; i++) {
        const gr_node *n = t->g->nodes[i];
        for (int k = 0; k < n->num_in; k++) {
            int from = n->in[k] ? gr_number(n->in[k]->node) : -1;
            if (from < 0) continue;
            if (t->kind[i] != OUTSIDE && (after[from] || t->kind[from] == TOTAL)) return true;
            if (t->kind[i] == OUTSIDE) after[i] |= after[from] || t->kind[from] != OUTSIDE;
        }
    }
    return false;
}

/* ---- the loops ------------------------------------------------------------ */

/* The rows of v that the loop goes over, [chunks, rows, ...]. */
static gr_value *cut_rows(const tiler *t, const tile_loop *l, gr_value *v)
{
    int64_t end = l->from + l->chunks * l->rows;
    if (t->loops > 1) {
        v = gr_reshape_leading(t->g, v->node, v, lead_of(t, &v->type), 1, &t->rows);
        v = gr_add_role(t->g, GR_ROLE_SLICE, v->node, 1, &v, "dim=0, start=%lld, stop=%lld", (long long)l->from, (long long)end)->out[0];
    }
    int lead = t->loops > 1 ? 1 : lead_of(t, &v->type);
    return gr_reshape_leading(t->g, v->node, v, lead, 2, (int64_t[]){l->chunks, l->rows});
}

static gr_value *inner_of(const tile_loop *l, const gr_value *v) { return l->inner[gr_number(v->node)]->node->out[v->index]; }

static bool is_inside(const tiler *t, const gr_value *v) { return t->kind[gr_number(v->node)] != OUTSIDE; }

/* v as a node of the loop reads it. cut: by node, the sequences made so far. */
static gr_value *inner_input(const tiler *t, tile_loop *l, gr_value **cut, gr_value *v, bool rows)
{
    int at = gr_number(v->node);
    if (is_inside(t, v)) return inner_of(l, v);
    if (!rows) return gr_scan_invariant(l->scan, v);
    if (v->index > 0) return gr_scan_sequence(l->scan, cut_rows(t, l, v), v->node->name);
    if (!cut[at]) cut[at] = cut_rows(t, l, v);
    return gr_scan_sequence(l->scan, cut[at], v->node->name);
}

static void emit_inner(const tiler *t, tile_loop *l, gr_value **cut, gr_node *n)
{
    int at = gr_number(n);
    gr_graph *body = l->scan->scan->body;
    gr_value **in = GR_NEW_ARRAY(t->a, gr_value *, n->num_in + 1);
    gr_type own = with_rows(t, &n->out[0]->type, l->rows);
    for (int i = 0; i < n->num_in; i++) in[i] = n->in[i] ? inner_input(t, l, cut, n->in[i], t->rowed[at][i]) : NULL;
    if (n->op->role == GR_ROLE_RESHAPE) {
        l->inner[at] = gr_reshape_leading(body, n, in[0], in[0]->type.rank, own.rank, own.dim);
    } else if (n->op->role == GR_ROLE_REDUCE_SUM && t->kind[at] == TOTAL) {
        l->inner[at] = gr_add_role(body, GR_ROLE_REDUCE_SUM, n, 1, in, "dim=[%s]", summed_axes(t, n))->out[0];
    } else {
        gr_node *copy = gr_copy_node(body, n, in);
        if (gr_infer_node(body, copy) != 0) gr_bug(t->a, "%s cannot be made in chunks", n->name); /* it was tried */
        l->inner[at] = copy->out[0];
    }
}

static void emit_loop(const tiler *t, tile_loop *l)
{
    gr_node *first = t->todo[0]->node;
    gr_node_spec spec = {.op = gr_registry_role(t->g->registry, GR_ROLE_SCAN), .name = first->name, .at = first->at, .phase = first->phase};
    gr_value **cut = GR_NEW_ARRAY(t->a, gr_value *, t->n + 1);
    l->scan = gr_scan_add(t->g, &spec, false, l->chunks);
    l->scan->scan->chunks = true;
    l->inner = GR_NEW_ARRAY(t->a, gr_value *, t->n + 1);
    for (int i = 0; i < t->n; i++)
        if (t->kind[i] != OUTSIDE) emit_inner(t, l, cut, t->g->nodes[i]);
}

/* A sum over rows is added to a carry, which goes on from loop to loop. */
static gr_value *carried(tiler *t, gr_node *n)
{
    gr_emitter *e = gr_emitter_create(t->g, n->phase);
    gr_emitter_at(e, n->name, n->at);
    gr_value *total = gr_emit_zeros(e, &n->out[0]->type);
    for (int k = 0; k < t->loops; k++) {
        gr_node *scan = t->loop[k].scan;
        int carry = scan->scan->carries;
        gr_value *in[2] = {gr_scan_carry(scan, total, n->name), t->loop[k].inner[gr_number(n)]};
        gr_scan_set_next(scan, carry, gr_add_role(scan->scan->body, GR_ROLE_ADD, n, 2, in, NULL)->out[0]);
        total = gr_scan_last(scan, carry);
    }
    return total;
}

static gr_value *stacked(tiler *t, gr_node *n, const gr_value *v)
{
    gr_value *part[2];
    for (int k = 0; k < t->loops; k++) {
        tile_loop *l = &t->loop[k];
        part[k] = gr_scan_stacked(l->scan, gr_scan_stack(l->scan, inner_of(l, v), n->name));
        if (t->loops > 1) part[k] = gr_reshape_leading(t->g, n, part[k], 2, 1, (int64_t[]){l->chunks * l->rows});
    }
    gr_value *all = t->loops > 1 ? gr_add_role(t->g, GR_ROLE_CONCAT, n, 2, part, "dim=0")->out[0] : part[0];
    all = gr_reshape_leading(t->g, n, all, t->loops > 1 ? 1 : 2, lead_of(t, &v->type), v->type.dim);
    memcpy(all->type.axis, v->type.axis, sizeof v->type.axis);
    return all;
}

static bool is_read_outside(const tiler *t, const gr_node *n, const gr_value *v)
{
    const gr_readers *r = &t->readers[gr_number(n)];
    if (t->pinned[gr_number(n)]) return true;
    for (int k = 0; k < r->n; k++)
        for (int i = 0; i < r->list[k]->num_in && t->kind[gr_number(r->list[k])] == OUTSIDE; i++)
            if (r->list[k]->in[i] == v) return true;
    return false;
}

static void replace_outputs(tiler *t, gr_node *n)
{
    tile_kind kind = t->kind[gr_number(n)];
    for (int o = 0; o < n->num_out; o++) {
        gr_value *v = n->out[o];
        if (is_read_outside(t, n, v)) gr_replace(v, kind == TOTAL ? carried(t, n) : stacked(t, n, v));
    }
}

/* Chunks whose largest value is about CHUNK bytes: all alike where a number of them divides the
 * rows, else the last has what is left. */
static void find_chunks(tiler *t)
{
    int64_t row = 1, most, least, q;
    for (int i = 0; i < t->num_todo; i++)
        if ((int64_t)bytes_of(&t->todo[i]->type) / t->rows > row) row = (int64_t)bytes_of(&t->todo[i]->type) / t->rows;
    most = CHUNK / row > 1 ? CHUNK / row : 1;
    least = q = (t->rows + most - 1) / most;
    while (t->rows % q && q < 2 * least) q++;
    if (t->rows % q) q = least;
    int64_t rows = (t->rows + q - 1) / q, whole = t->rows / rows, rest = t->rows - whole * rows;
    t->loop[0] = (tile_loop){.from = 0, .chunks = whole, .rows = rows};
    t->loop[1] = (tile_loop){.from = whole * rows, .chunks = 1, .rows = rest};
    t->loops = rest ? 2 : 1;
}

static void emit_loops(tiler *t)
{
    for (int k = 0; k < t->loops; k++) emit_loop(t, &t->loop[k]);
    for (int i = 0; i < t->n; i++)
        if (t->kind[i] != OUTSIDE) replace_outputs(t, t->g->nodes[i]);
    gr_graph_sort(t->g);
    gr_graph_prune(t->g);
}

/* ---- the pass ------------------------------------------------------------- */

/* A product larger than what it is made of, with rows on the left. */
static bool is_seed(const gr_value *v)
{
    const gr_node *n = v->node;
    return (n->op->traits & GR_CONTRACTION) && is_large(v) && v->type.rank > 1 && gr_numel(&v->type) > gr_numel(&n->in[0]->type) &&
           gr_numel(&v->type) > gr_numel(&n->in[1]->type);
}

static bool tile_from(gr_graph *g, gr_value *v)
{
    tiler t = {.g = g, .a = g->arena, .n = g->num_nodes, .rows = gr_numel(&v->type) / v->type.dim[v->type.rank - 1]};
    gr_number_nodes(g);
    t.readers = gr_find_readers(g);
    t.pinned = gr_pinned_nodes(g);
    t.kind = GR_NEW_ARRAY(t.a, tile_kind, t.n + 1);
    t.rowed = GR_NEW_ARRAY(t.a, bool *, t.n + 1);
    want_value(&t, v);
    if (!grow(&t) || comes_back(&t)) return false;
    find_chunks(&t);
    emit_loops(&t);
    return true;
}

gr_graph *gr_pass_tile(gr_graph *g, const gr_request *r)
{
    (void)r;
    for (int i = 0; i < g->num_nodes; i++) {
        gr_value *v = g->nodes[i]->num_out ? g->nodes[i]->out[0] : NULL;
        if (v && is_seed(v) && tile_from(g, v)) i = -1; /* another graph */
    }
    return g;
}
