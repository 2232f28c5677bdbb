/* hoist.c - loop distribution: a Scan comes apart along its components.
 *
 * The nodes of a body with an edge from each carry's next back to the carry make a graph
 * whose strongly connected components are what must be computed step by step. Each becomes
 * a Scan of its own; everything else needs no carry and becomes nodes over whole sequences:
 *
 *     step t:   g = x_t Wx + h Wh     before:  gx = X Wx        [time, batch, 4 hidden]
 *               h = tail(g)           loop:    h = tail(gx_t + h Wh)
 *               y = h Wy              after:   Y = H Wy         [time, batch, out]
 *
 * What reads nothing that changes is made once. An accumulator (carry + term, read by no
 * one else) becomes a sum over time, a contraction over [time * batch] where its op knows
 * how. Pointwise work that only a loop reads, on operands that the loop has anyway, stays
 * in the loop: its tape does it where the data is. */
#include "pass/hoist.h"
#include "pass/assemble.h"
#include "pass/cse.h"
#include "pass/pass.h"

/* ---- components ---- */

/* Sums are flattened, then split by component, until that changes nothing. */
static void prepare_sums(gr_graph *body)
{
    gr_flatten_sums(body);
    gr_number_nodes(body);
    gr_dag *d = gr_cyclic_dag(body);
    int *comp = GR_NEW_ARRAY(body->arena, int, body->num_nodes + 1);
    gr_dag_components(d, comp);
    if (gr_split_sums(body, comp, body->num_nodes)) gr_graph_sort(body);
}

static void join_components(gr_hoister *h)
{
    int *comp = GR_NEW_ARRAY(h->g->arena, int, h->n + 1);
    int count = gr_dag_components(h->dag, comp);
    int *first = GR_NEW_ARRAY(h->g->arena, int, count + 1);
    for (int i = 0; i < h->n; i++) {
        int *f = &first[comp[i]];
        if (*f) {
            gr_partition_join(h->groups, *f - 1, i);
            h->place[*f - 1] = h->place[i] = GR_IN_LOOP;
        } else {
            *f = i + 1;
        }
    }
}

/* ---- places ---- */

/* Random numbers differ from step to step, and effects happen at each. */
static bool varies_by_itself(const gr_node *n)
{
    if (n->op->traits & (GR_RANDOM | GR_EFFECT)) return true;
    for (int i = 0; n->scan && i < n->scan->body->num_nodes; i++)
        if (varies_by_itself(n->scan->body->nodes[i])) return true;
    return false;
}

static bool is_once(const gr_hoister *h, const gr_node *n)
{
    int number;
    if (n->op->role == GR_ROLE_ARG) {
        if (gr_is_carry(n->out[0], &number)) return h->body->results[number] == n->out[0];
        return gr_arg_kind(n->out[0], NULL) == GR_ARG_INVARIANT;
    }
    if (varies_by_itself(n)) return false;
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && gr_place_of(h, n->in[i]) != GR_ONCE) return false;
    return true;
}

/* A loop over chunks is left whole but for what is the same in each. */
static void keep_together(gr_hoister *h)
{
    int first = -1;
    for (int i = 0; i < h->n; i++) {
        if (h->place[i] == GR_ONCE) continue;
        h->place[i] = GR_IN_LOOP;
        if (first >= 0) gr_partition_join(h->groups, first, i);
        else first = i;
    }
}

static void find_places(gr_hoister *h)
{
    for (int i = 0; i < h->n; i++) h->place[i] = GR_WHOLE;
    join_components(h);
    for (int i = 0; i < h->n; i++)
        if (h->place[i] == GR_WHOLE && is_once(h, h->body->nodes[i])) h->place[i] = GR_ONCE;
}

/* The one loop that all readers of node i stay in; -1 if there is none. */
static int only_loop(gr_hoister *h, int i)
{
    const gr_readers *r = &h->readers[i];
    if (h->pinned[i] || !r->n) return -1;
    int loop = gr_partition_find(h->groups, gr_number(r->list[0]));
    for (int k = 0; k < r->n; k++) {
        int reader = gr_number(r->list[k]);
        if (h->place[reader] != GR_IN_LOOP || gr_partition_find(h->groups, reader) != loop) return -1;
    }
    return loop;
}

static bool loop_reads(gr_hoister *h, int loop, const gr_value *v, const gr_node *but)
{
    const gr_readers *r = &h->readers[gr_number(v->node)];
    for (int i = 0; i < r->n; i++) {
        if (r->list[i] == but || gr_partition_find(h->groups, gr_number(r->list[i])) != loop) continue;
        for (int k = 0; k < r->list[i]->num_in; k++)
            if (r->list[i]->in[k] == v) return true;
    }
    return false;
}

/* Whether the loop would read no more sequences with node n in it than with n's result. A
 * product's result is no such operand: what follows it outside is its epilogue there. */
static bool costs_no_sequence(gr_hoister *h, int loop, const gr_node *n)
{
    int sequences = 0;
    for (int i = 0; i < n->num_in; i++) {
        const gr_value *v = n->in[i];
        int64_t column;
        if (!v || gr_place_of(h, v) == GR_ONCE) continue;
        for (int k = 0; k < i && v; k++) v = n->in[k] == v ? NULL : v; /* counted already */
        if (!v || gr_partition_find(h->groups, gr_number(v->node)) == loop || loop_reads(h, loop, v, n)) continue;
        if (gr_product_columns(n->in[i], &column)) return false;
        sequences++;
    }
    return sequences <= 1;
}

static void keep_cheap_nodes_in_loops(gr_hoister *h)
{
    for (int i = h->n - 1; i >= 0; i--) {
        const gr_node *n = h->body->nodes[i];
        if (h->place[i] != GR_WHOLE || h->deferred[i] || !gr_is_tapeable(n) || varies_by_itself(n)) continue;
        int loop = only_loop(h, i);
        if (loop < 0 || h->gather[loop] || !costs_no_sequence(h, loop, n)) continue;
        gr_partition_join(h->groups, i, loop);
        h->place[i] = GR_IN_LOOP;
    }
}

/* The rest of a longer loop: its steps are not all that the numbers of its random nodes count. */
static bool is_rest(const gr_scan *s) { return s->span && !s->chunks; }

static bool batches(const gr_hoister *h, const gr_node *n)
{
    if (n->op->role == GR_ROLE_ARG || n->op->batch) return true;
    if (n->op->traits & GR_EFFECT) return false;
    if ((n->op->traits & GR_RANDOM) && is_rest(h->scan->scan)) return false;
    if (n->op->traits & GR_POINTWISE) return true;
    if (!(n->op->traits & GR_ROWWISE) || !n->num_in) return false;
    for (int p = 0; p < gr_op_num_inputs(n->op); p++)
        for (int i = n->port[p]; i < n->port[p + 1]; i++)
            if ((n->op->inputs[p].flags & GR_PORT_WHOLE) && n->in[i] && gr_place_of(h, n->in[i]) != GR_ONCE)
                return false;
    return true;
}

/* Nodes that cannot take whole sequences run step by step, neighbours in one loop. */
static void join_unbatched(gr_hoister *h)
{
    bool *loose = GR_NEW_ARRAY(h->g->arena, bool, h->n + 1);
    for (int i = 0; i < h->n; i++) {
        const gr_node *n = h->body->nodes[i];
        if (h->place[i] != GR_WHOLE || h->deferred[i] || batches(h, n)) continue;
        loose[i] = true;
        h->place[i] = GR_IN_LOOP;
        for (int k = 0; k < n->num_in; k++) {
            int from = n->in[k] ? gr_number(n->in[k]->node) : i;
            if (from != i && loose[from] && !gr_partition_apart(h->groups, from, i))
                gr_partition_join(h->groups, from, i);
        }
    }
}

/* ---- the whole ---- */

static void emit_groups(gr_hoister *h)
{
    int *order = GR_NEW_ARRAY(h->g->arena, int, h->n + 1);
    gr_node **members = GR_NEW_ARRAY(h->g->arena, gr_node *, h->n + 1);
    int count = gr_partition_order(h->groups, order);
    for (int k = 0; k < count; k++) {
        int num_members = 0;
        for (int i = order[k]; i >= 0; i = h->groups->next[i]) {
            int at = num_members++;
            for (; at && gr_number(members[at - 1]) > i; at--) members[at] = members[at - 1];
            members[at] = h->body->nodes[i];
        }
        gr_emit_group(h, members, num_members);
    }
}

/* How often each output of the loop is read. */
static int *count_readers(const gr_hoister *h)
{
    const gr_graph *g = h->g;
    int *readers = GR_NEW_ARRAY(g->arena, int, h->scan->num_out + 1);
    for (int i = 0; i < g->num_nodes; i++)
        for (int k = 0; k < g->nodes[i]->num_in; k++)
            if (g->nodes[i]->in[k] && g->nodes[i]->in[k]->node == h->scan) readers[g->nodes[i]->in[k]->index]++;
    for (int i = 0; i < g->num_results; i++)
        if (g->results[i]->node == h->scan) readers[g->results[i]->index]++;
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->next && g->states[i]->next->node == h->scan) readers[g->states[i]->next->index]++;
    if (g->commit && g->commit->node == h->scan) readers[g->commit->index]++;
    return readers;
}

static gr_value *output_form(gr_hoister *h, int output)
{
    const gr_scan *s = h->scan->scan;
    int c = output % (s->carries ? s->carries : 1);
    if (output >= 2 * s->carries) return gr_stacked_form(h, h->body->results[output - s->carries]);
    return output < s->carries ? gr_last_form(h, h->body->args[c], c) : gr_history_form(h, h->body->args[c], c);
}

static void replace_outputs(gr_hoister *h)
{
    const gr_scan *s = h->scan->scan;
    int *readers = count_readers(h), n = 0;
    gr_change *change = GR_NEW_ARRAY(h->g->arena, gr_change, h->scan->num_out + 1);
    for (int c = 0; c < s->carries; c++) /* of a carry, what is last before its history */
        for (int o = c; o < 2 * s->carries; o += s->carries)
            if (readers[o]) change[n++] = (gr_change){h->scan->out[o], output_form(h, o)};
    for (int o = 2 * s->carries; o < h->scan->num_out; o++)
        if (readers[o]) change[n++] = (gr_change){h->scan->out[o], output_form(h, o)};
    gr_replace_all(h->g, change, n);
}

static void move_names(gr_hoister *h)
{
    gr_graph *root = gr_graph_root(h->g);
    for (int i = 0; i < root->num_names; i++) {
        gr_value *v = root->names[i].value;
        if (!v || v->node->graph != h->body) continue;
        const gr_form *f = gr_form_of(v);
        gr_value *now = f->inner ? f->inner : f->stacked ? f->stacked : f->once;
        if (now) root->names[i].value = now;
    }
}

static void clear_forms(gr_graph *body)
{
    for (int i = 0; i < body->num_nodes; i++)
        for (int k = 0; k < body->nodes[i]->num_out; k++) body->nodes[i]->out[k]->mark = NULL;
}

static void hoist_scan(gr_graph *g, gr_node *scan)
{
    gr_graph *body = scan->scan->body;
    gr_arena *a = g->arena;
    if (!scan->scan->chunks) prepare_sums(body);
    gr_number_nodes(body);
    clear_forms(body);
    gr_hoister h = {.g = g, .scan = scan, .body = body, .n = body->num_nodes};
    h.emitter = gr_emitter_create(g, scan->phase);
    h.readers = gr_find_readers(body);
    h.pinned = gr_pinned_nodes(body);
    h.dag = gr_cyclic_dag(body);
    h.groups = gr_partition_create(h.dag);
    h.place = GR_NEW_ARRAY(a, gr_place, h.n + 1);
    h.deferred = GR_NEW_ARRAY(a, bool, h.n + 1);
    h.gather = GR_NEW_ARRAY(a, gr_gather *, h.n + 1);
    h.total = GR_NEW_ARRAY(a, gr_value *, scan->scan->carries + 1);
    find_places(&h);
    if (scan->scan->chunks) {
        keep_together(&h);
    } else {
        gr_find_gathers(&h);
        keep_cheap_nodes_in_loops(&h);
        join_unbatched(&h);
    }
    emit_groups(&h);
    replace_outputs(&h);
    move_names(&h);
    gr_remove_node(g, scan);
}

static void hoist_graph(gr_graph *g)
{
    int n = g->num_nodes;
    gr_node **scans = GR_NEW_ARRAY(g->arena, gr_node *, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++)
        if (g->nodes[i]->scan) scans[count++] = g->nodes[i];
    for (int i = 0; i < count; i++) {
        hoist_graph(scans[i]->scan->body);
        if (scans[i]->scan->steps > 0) hoist_scan(g, scans[i]);
    }
    if (count) {
        gr_graph_sweep(g);
        gr_graph_sort(g);
    }
}

gr_graph *gr_pass_hoist(gr_graph *g, const gr_request *r)
{
    (void)r;
    gr_graph_prune(g);
    hoist_graph(g);
    gr_merge_equal_nodes(g);
    gr_graph_prune(g);
    return g;
}
