/* layout.c - which values are memory of their own and which are views of others.
 *
 * A value is dense (row-major, in memory of its own) unless a view op makes it: then it is
 * its input's memory under other strides. This pass puts a Copy wherever that cannot be:
 *
 *   - before a view that needs a dense input and has none;
 *   - before a kernel that takes dense inputs alone (no GR_STRIDED) and would get another;
 *   - before a loop over a sequence whose last axis lies scattered: a gather a step costs more.
 *
 * A copy of what comes into a loop from outside is made outside. Tapes take any strides;
 * histories are dense, and so are stacked values until unroll.c writes them over others. After this
 * pass no pointwise node is left: what was not fused, the copies too, is a tape of its own. */
#include "pass/fuse.h"
#include "pass/pass.h"
#include "pass/rewrite.h"

/* A value's mark. */
typedef struct place {
    gr_layout layout;
    gr_value *dense; /* its copy, once made */
} place;

static place *place_of(gr_value *v)
{
    if (!v->mark) {
        place *p = v->mark = GR_NEW(v->node->graph->arena, place);
        p->layout = gr_dense_layout(&v->type);
    }
    return v->mark;
}

/* Whether the last `rank` axes of v lie densely. */
static bool is_dense(gr_value *v, int rank)
{
    const gr_layout *l = &place_of(v)->layout;
    int64_t stride = 1;
    for (int i = v->type.rank - 1; i >= v->type.rank - rank; i--) {
        if (v->type.dim[i] != 1 && l->stride[i] != stride) return false;
        stride *= v->type.dim[i];
    }
    return true;
}

static gr_value *dense_form(gr_value *v);

static gr_value *make_dense(gr_value *v)
{
    gr_graph *g = v->node->graph;
    if (v->node->op->role == GR_ROLE_ARG && g->owner) {
        gr_value *outer = gr_arg_outer(v);
        switch (gr_arg_kind(v, NULL)) {
        case GR_ARG_INVARIANT: return gr_scan_invariant(g->owner, dense_form(outer));
        case GR_ARG_SEQUENCE: return gr_scan_sequence(g->owner, dense_form(outer), v->node->name);
        default: return v;
        }
    }
    return gr_add_role(g, GR_ROLE_COPY, v->node, 1, &v, NULL)->out[0];
}

static gr_value *dense_form(gr_value *v)
{
    place *p = place_of(v);
    if (is_dense(v, v->type.rank)) return v;
    if (!p->dense) p->dense = make_dense(v);
    return p->dense;
}

static void lay_out_view(gr_node *n)
{
    for (int i = 0; i < n->num_out; i++) {
        gr_layout out;
        if (gr_view_layout(n->out[i], &place_of(n->in[0])->layout, &out) != 0) {
            n->in[0] = dense_form(n->in[0]);
            if (gr_view_layout(n->out[i], &place_of(n->in[0])->layout, &out) != 0) continue;
        }
        place_of(n->out[i])->layout = out;
    }
}

static void lay_out_graph(gr_graph *g);

static void lay_out_loop(gr_node *n)
{
    gr_scan *s = n->scan;
    for (int i = s->carries; i < n->num_in; i++) {
        bool sequence = i < s->carries + s->sequences;
        if (sequence && !is_dense(n->in[i], 1)) n->in[i] = dense_form(n->in[i]);
        gr_layout *to = &place_of(s->body->args[i])->layout, from = place_of(n->in[i])->layout;
        for (int k = 0; k < s->body->args[i]->type.rank; k++) to->stride[k] = from.stride[k + sequence];
    }
    lay_out_graph(s->body);
}

static void lay_out_node(gr_node *n)
{
    if (gr_is_view(n)) {
        lay_out_view(n);
    } else if (n->scan) {
        lay_out_loop(n);
    } else if (!n->tape && !(n->op->traits & (GR_STRIDED | GR_POINTWISE | GR_LEAF)) && n->op->kernels) {
        for (int i = 0; i < n->num_in; i++)
            if (n->in[i]) n->in[i] = dense_form(n->in[i]);
    }
}

static void lay_out_graph(gr_graph *g)
{
    int n = g->num_nodes;
    gr_node **nodes = gr_arena_copy(g->arena, g->nodes, sizeof *nodes * (size_t)(n ? n : 1));
    for (int i = 0; i < n; i++) lay_out_node(nodes[i]);
}

static void finish_graph(gr_graph *g)
{
    gr_tape_lone_nodes(g);
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->scan) finish_graph(g->nodes[i]->scan->body);
}

static void sort_graph(gr_graph *g)
{
    gr_graph_sort(g);
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->scan) sort_graph(g->nodes[i]->scan->body);
}

gr_graph *gr_pass_layout(gr_graph *g, const gr_request *r)
{
    (void)r;
    gr_graph_prune(g); /* also clears all marks */
    lay_out_graph(g);
    gr_graph_prune(g);
    sort_graph(g);
    finish_graph(g);
    gr_graph_prune(g);
    sort_graph(g);
    return g;
}
