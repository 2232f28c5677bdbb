/* fuse.c - chains of pointwise nodes become one node with a tape.
 *
 * A group is a set of pointwise nodes of one phase whose outputs have the same dims,
 * such that no path leads out of it and back. Groups grow greedily along edges, and across
 * the readers of one product, as long as a tape can hold them. A value that only its own
 * group reads is never stored.
 *
 * First, pointwise nodes that are read only through slices move behind the slices:
 *     slice(x W + u) = slice(x W) + slice(u)
 * so that the gates of a cell and what becomes of them share one space, [batch, hidden],
 * and the tape can follow the product as its epilogue (epilogue.c). */
#include "pass/fuse.h"
#include "graph/emit.h"
#include "pass/assemble.h"
#include "pass/cse.h"
#include "pass/pass.h"
#include "pass/rewrite.h"

typedef struct fuser {
    gr_graph *g;
    gr_dag *dag;
    gr_partition *groups;
    bool *pinned;
    gr_node **members;  /* scratch: of the group in hand, in order */
    gr_value **stored;  /* scratch: its values that others read */
    int num_members, num_stored;
    gr_change *made;    /* stored values, and what the tapes give in their place */
    int num_made, cap_made;
} fuser;

/* ---- groups ---- */

static bool may_join(const gr_node *a, const gr_node *b)
{
    return gr_is_tapeable(a) && gr_is_tapeable(b) && a->phase == b->phase &&
           gr_same_dims(&a->out[0]->type, &b->out[0]->type);
}

static void add_members(fuser *f, int representative)
{
    for (int i = representative; i >= 0; i = f->groups->next[i]) {
        int at = f->num_members++;
        for (; at && gr_number(f->members[at - 1]) > i; at--) f->members[at] = f->members[at - 1];
        f->members[at] = f->g->nodes[i];
    }
}

static bool read_outside(fuser *f, int node, int group_a, int group_b)
{
    if (f->pinned[node]) return true;
    for (int e = f->dag->first[node]; e < f->dag->first[node + 1]; e++) {
        int g = gr_partition_find(f->groups, f->dag->succ[e]);
        if (g != group_a && g != group_b) return true;
    }
    return false;
}

/* Members and stored values of the union of two groups (or of one, given twice). */
static void gather(fuser *f, int a, int b)
{
    f->num_members = f->num_stored = 0;
    add_members(f, a);
    if (a != b) add_members(f, b);
    for (int i = 0; i < f->num_members; i++)
        if (read_outside(f, gr_number(f->members[i]), a, b)) f->stored[f->num_stored++] = f->members[i]->out[0];
}

static void try_join(fuser *f, int x, int y)
{
    int a = gr_partition_find(f->groups, x), b = gr_partition_find(f->groups, y);
    if (a == b || !may_join(f->g->nodes[a], f->g->nodes[b]) || gr_partition_apart(f->groups, a, b)) return;
    gather(f, a, b);
    gr_assembly trial;
    if (f->num_stored <= GR_TAPE_MAX_REGS &&
        gr_assemble(NULL, f->members, f->num_members, f->stored, f->num_stored, &trial))
        gr_partition_join(f->groups, a, b);
}

static void join_along_edges(fuser *f)
{
    for (int i = 0; i < f->g->num_nodes; i++) {
        const gr_node *n = f->g->nodes[i];
        if (!gr_is_tapeable(n)) continue;
        for (int k = n->num_in - 1; k >= 0; k--)
            if (gr_is_tapeable(n->in[k]->node)) try_join(f, gr_number(n->in[k]->node), i);
    }
}

/* Readers of one product, whole or by columns, take it together: its epilogue can be but one. */
static void join_across_products(fuser *f)
{
    int *reader = GR_NEW_ARRAY(f->g->arena, int, f->g->num_nodes + 1);
    for (int i = 0; i < f->g->num_nodes; i++) {
        const gr_node *n = f->g->nodes[i];
        if (!gr_is_tapeable(n)) continue;
        for (int k = 0; k < n->num_in; k++) {
            int64_t column;
            gr_value *product = gr_product_columns(n->in[k], &column);
            if (!product) continue;
            int *first = &reader[gr_number(product->node)];
            if (*first) try_join(f, *first - 1, i);
            else *first = i + 1;
        }
    }
}

/* ---- from groups to nodes ---- */

static void emit_fused(fuser *f, int representative)
{
    gr_assembly made;
    gather(f, representative, representative);
    if (!f->num_stored) return; /* nobody reads it: pruned */
    if (!gr_assemble(f->g->arena, f->members, f->num_members, f->stored, f->num_stored, &made)) return;
    const gr_node *last = f->members[f->num_members - 1];
    gr_node_spec spec = {.op = gr_registry_role(f->g->registry, GR_ROLE_FUSED), .name = last->name,
                         .at = last->at, .phase = last->phase, .num_in = made.num_in, .in = made.in};
    gr_node *n = gr_node_add(f->g, &spec);
    n->name = last->name;
    n->path = last->path;
    n->tape = made.tape;
    for (int i = 0; i < made.num_out; i++) {
        const gr_value *v = made.out[i];
        gr_value *now = gr_node_add_output(n, made.num_out == 1 ? NULL : v->node->name, &v->type);
        *GR_PUSH(f->g->arena, f->made, f->num_made, f->cap_made) = (gr_change){made.out[i], now};
    }
}

static void fuse_groups(gr_graph *g, bool join)
{
    gr_number_nodes(g);
    fuser f = {.g = g, .dag = gr_graph_dag(g)};
    f.groups = gr_partition_create(f.dag);
    f.pinned = gr_pinned_nodes(g);
    f.members = GR_NEW_ARRAY(g->arena, gr_node *, g->num_nodes + 1);
    f.stored = GR_NEW_ARRAY(g->arena, gr_value *, g->num_nodes + 1);
    if (join) {
        join_along_edges(&f);
        join_across_products(&f);
    }
    int n = g->num_nodes;
    for (int i = 0; i < n; i++)
        if (gr_partition_find(f.groups, i) == i && gr_is_tapeable(g->nodes[i])) emit_fused(&f, i);
    gr_replace_all(g, f.made, f.num_made);
}

/* ---- pointwise nodes move behind the slices that read them ---- */

/* The axis that slice n cuts, from the end; 0 if it is no plain slice. */
static int sliced_axis(const gr_node *n)
{
    if (n->op->role != GR_ROLE_SLICE || !n->in[0]) return 0;
    int64_t dim = gr_node_attr(n, "dim")->i;
    return (int)(dim < 0 ? dim : dim - n->in[0]->type.rank);
}

static bool read_by_pointwise(const gr_readers *r)
{
    for (int i = 0; i < r->n; i++)
        if (gr_is_tapeable(r->list[i])) return true;
    return false;
}

/* Whether n is read through slices along one axis alone, for more pointwise work, and
 * would not be computed twice. */
static bool may_sink(const gr_node *n, const gr_readers *all)
{
    const gr_readers *r = &all[gr_number(n)];
    int64_t elements = 0;
    if (!gr_is_tapeable(n) || !r->n) return false;
    for (int i = 0; i < r->n; i++) {
        int axis = sliced_axis(r->list[i]);
        if (!axis || axis != sliced_axis(r->list[0]) || !read_by_pointwise(&all[gr_number(r->list[i])])) return false;
        elements += gr_numel(&r->list[i]->out[0]->type);
    }
    return elements <= gr_numel(&n->out[0]->type);
}

/* slice(v), v itself where it is broadcast along the axis. */
static gr_value *slice_like(gr_graph *g, gr_node *slice, int axis, gr_value *v)
{
    int at = v->type.rank + axis;
    if (at < 0 || v->type.dim[at] == 1) return v;
    gr_node *s = gr_copy_node(g, slice, &v);
    gr_attr *dim = gr_node_attr(s, "dim");
    dim->i = axis;
    gr_type t = v->type;
    t.dim[at] = slice->out[0]->type.dim[slice->out[0]->type.rank + axis];
    t.axis[at] = NULL;
    s->out[0]->type = t;
    return s->out[0];
}

static void sink(gr_graph *g, gr_node *n, const gr_readers *r)
{
    for (int i = 0; i < r->n; i++) {
        gr_node *slice = r->list[i];
        int axis = sliced_axis(slice);
        gr_value **in = GR_NEW_ARRAY(g->arena, gr_value *, n->num_in + 1);
        for (int k = 0; k < n->num_in; k++) in[k] = slice_like(g, slice, axis, n->in[k]);
        gr_node *piece = gr_copy_node(g, n, in);
        piece->out[0]->type = slice->out[0]->type;
        gr_replace(slice->out[0], piece->out[0]);
    }
}

/* What is known of the readers of n's inputs, and of what those slice, is no longer true. */
static void spoil_inputs(const gr_node *n, bool *skip)
{
    for (int k = 0; k < n->num_in; k++) {
        const gr_node *from = n->in[k] ? n->in[k]->node : NULL;
        if (!from) continue;
        skip[gr_number(from)] = true;
        if (sliced_axis(from)) skip[gr_number(from->in[0]->node)] = true;
    }
}

/* In rounds: readers are found once for all nodes that do not get in each other's way. */
static void sink_behind_slices(gr_graph *g)
{
    for (bool again = true; again;) {
        again = false;
        gr_number_nodes(g);
        gr_readers *all = gr_find_readers(g);
        bool *pinned = gr_pinned_nodes(g);
        for (int i = g->num_nodes - 1; i >= 0; i--) {
            gr_node *n = g->nodes[i];
            if (pinned[i] || !may_sink(n, all)) continue;
            sink(g, n, &all[i]);
            spoil_inputs(n, pinned);
            again = true;
        }
        if (again) gr_graph_sweep(g);
    }
    gr_graph_sort(g);
}

/* ---- variadic nodes too wide for a tape ---- */

enum { WIDE = 16 };

/* op(a, b, ..., z) = op(op(a, ..., p), q, ..., z): the order of the terms stays. */
static void narrow_node(gr_graph *g, gr_node *n)
{
    gr_value *v = n->in[0];
    for (int i = 1; i < n->num_in; i += WIDE - 1) {
        gr_value *in[WIDE] = {v};
        int count = 1;
        for (int k = i; k < n->num_in && count < WIDE; k++) in[count++] = n->in[k];
        gr_node_spec spec = {.op = n->op, .name = n->name, .at = n->at, .phase = n->phase, .num_in = count,
                             .in = in, .attr = n->attr};
        gr_node *part = gr_node_add(g, &spec);
        gr_infer_node(g, part);
        v = part->out[0];
    }
    gr_replace(n->out[0], v);
}

static void narrow_wide_nodes(gr_graph *g)
{
    int n = g->num_nodes;
    for (int i = 0; i < n; i++)
        if (gr_is_tapeable(g->nodes[i]) && g->nodes[i]->num_in > WIDE) narrow_node(g, g->nodes[i]);
}

static void fuse_graph(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->scan) fuse_graph(g->nodes[i]->scan->body);
    narrow_wide_nodes(g);
    sink_behind_slices(g);
    fuse_groups(g, true);
    gr_graph_sweep(g);
    gr_graph_sort(g);
    gr_add_epilogues(g);
    gr_graph_sweep(g);
    gr_graph_sort(g);
}

void gr_tape_lone_nodes(gr_graph *g)
{
    narrow_wide_nodes(g);
    fuse_groups(g, false);
}

gr_graph *gr_pass_fuse(gr_graph *g, const gr_request *r)
{
    gr_graph_prune(g);
    gr_prepack(g, r);
    gr_merge_equal_nodes(g); /* two loops may have packed the same */
    gr_graph_prune(g);
    fuse_graph(g);
    gr_graph_prune(g);
    return g;
}
