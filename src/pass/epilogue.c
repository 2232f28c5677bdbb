/* epilogue.c - a tape that is all that reads a product runs on the product's tiles.
 *
 *     p = x W                       [rows, 4 hidden], read through four slices
 *     h, c = tape(p's slices, c)    [rows, hidden]
 * becomes one node of the product's op that makes h and c; p is never stored. The struct
 * gr_epilogue says how the tape sees the product. */
#include "pass/fuse.h"
#include "graph/tape.h"
#include "pass/rewrite.h"

static bool is_fused(const gr_node *n) { return n->tape && n->op->role == GR_ROLE_FUSED; }

/* Whether every value of n that the tape reads is columns of `product` as wide as its space. */
static bool reads_as_columns(const gr_node *tape, const gr_node *n, const gr_value *product)
{
    for (int i = 0; i < tape->num_in; i++) {
        int64_t column;
        gr_value *v = tape->in[i];
        if (v->node != n) continue;
        if (gr_product_columns(v, &column) != product || !gr_same_dims(&v->type, &tape->out[0]->type)) return false;
    }
    return true;
}

/* Whether the tape alone reads node n (the product or a view of it), as its epilogue can. */
static bool read_by_tape_alone(const gr_node *tape, const gr_node *n, const gr_value *product, const gr_readers *all,
                               const bool *pinned)
{
    const gr_readers *r = &all[gr_number(n)];
    if (pinned[gr_number(n)]) return false;
    for (int i = 0; i < r->n; i++) {
        const gr_node *reader = r->list[i];
        if (reader == tape ? !reads_as_columns(tape, n, product)
                           : !gr_is_view(reader) || !read_by_tape_alone(tape, reader, product, all, pinned))
            return false;
    }
    return true;
}

static bool takes_epilogue(const gr_node *product, const gr_node *tape)
{
    return product->op->block && product->num_out == 1 && !product->tape && product->phase == tape->phase;
}

static int64_t weight(const gr_node *product)
{
    int64_t n = 0;
    for (int i = 0; i < product->num_in; i++)
        if (product->in[i]) n += gr_numel(&product->in[i]->type);
    return n;
}

/* The product that gains most from taking the tape as its epilogue; NULL: none can. */
static gr_value *choose_product(const gr_node *tape, const gr_readers *all, const bool *pinned)
{
    gr_value *best = NULL;
    for (int i = 0; i < tape->num_in; i++) {
        int64_t column;
        gr_value *p = gr_product_columns(tape->in[i], &column);
        if (!p || p == best || !takes_epilogue(p->node, tape)) continue;
        if (best && weight(p->node) <= weight(best->node)) continue;
        if (read_by_tape_alone(tape, p->node, p, all, pinned)) best = p;
    }
    return best;
}

/* The tape's inputs that are columns of the product come first. false: two are alike. */
static bool order_inputs(const gr_node *tape, const gr_value *product, int *order, gr_epilogue *e)
{
    int64_t *column = GR_NEW_ARRAY(tape->graph->arena, int64_t, tape->num_in + 1);
    int n = 0;
    for (int i = 0; i < tape->num_in; i++) {
        int64_t at;
        if (gr_product_columns(tape->in[i], &at) != product) continue;
        for (int k = 0; k < n; k++)
            if (column[k] == at) return false;
        column[n] = at;
        order[n++] = i;
    }
    e->num_slices = n;
    e->column = column;
    for (int i = 0; i < tape->num_in; i++) {
        int64_t at;
        if (gr_product_columns(tape->in[i], &at) != product) order[n++] = i;
    }
    return true;
}

static gr_tape *reorder(gr_arena *a, const gr_tape *t, const int *order)
{
    gr_tape *r = gr_arena_copy(a, t, sizeof *t);
    uint8_t *in_reg = GR_NEW_ARRAY(a, uint8_t, t->num_in + 1);
    for (int i = 0; i < t->num_in; i++) in_reg[i] = t->in_reg[order[i]];
    r->in_reg = in_reg;
    return r;
}

static void add_epilogue(gr_node *tape, gr_node *product)
{
    gr_graph *g = tape->graph;
    gr_arena *a = g->arena;
    gr_epilogue *e = GR_NEW(a, gr_epilogue);
    int *order = GR_NEW_ARRAY(a, int, tape->num_in + 1);
    if (!order_inputs(tape, product->out[0], order, e)) return;
    const gr_type *space = &tape->out[0]->type;
    e->product = product->out[0]->type;
    e->width = space->dim[space->rank - 1];
    gr_node_spec spec = {.op = product->op, .name = tape->name, .at = product->at, .phase = tape->phase,
                         .num_in = product->num_in, .in = product->in, .port = product->port, .attr = product->attr};
    gr_node *n = gr_node_add(g, &spec);
    n->name = tape->name;
    n->path = tape->path;
    n->tape = reorder(a, tape->tape, order);
    n->epilogue = e;
    n->product_inputs = product->num_in;
    n->num_in = product->num_in + tape->num_in - e->num_slices;
    n->in = GR_NEW_ARRAY(a, gr_value *, n->num_in + 1);
    for (int i = 0; i < product->num_in; i++) n->in[i] = product->in[i];
    for (int i = e->num_slices; i < tape->num_in; i++)
        n->in[product->num_in + i - e->num_slices] = tape->in[order[i]];
    for (int i = 0; i < tape->num_out; i++)
        gr_replace(tape->out[i], gr_node_add_output(n, tape->out[i]->port, &tape->out[i]->type));
}

void gr_add_epilogues(gr_graph *g)
{
    gr_number_nodes(g);
    gr_readers *all = gr_find_readers(g);
    bool *pinned = gr_pinned_nodes(g);
    int n = g->num_nodes;
    for (int i = 0; i < n; i++) {
        gr_node *tape = g->nodes[i];
        if (!is_fused(tape)) continue;
        gr_value *product = choose_product(tape, all, pinned);
        if (product) add_epilogue(tape, product->node);
    }
}
