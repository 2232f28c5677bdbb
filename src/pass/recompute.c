/* recompute.c - `recompute: N`: a loop of T steps becomes loops inside a loop over chunks.
 *
 *     T = q N + r        for each of q chunks: for each of N steps: body
 *                        for each of the last r steps: body
 *
 * The forward loop over chunks keeps its carries, one of N, and what is read of it outside; its gradient
 * (scan_gradient.c) runs a chunk again and then back through it. The r steps come last, so that
 * the gradient has done with what they stacked before the first chunk runs again. A loop in
 * reverse begins with the last chunk and ends with the first r steps.
 *
 * Each step computes what it did, so values keep their bits. A gradient toward an invariant is a
 * sum over chunks of sums over their steps, so its last bits may differ. */
#include "pass/chunk.h"
#include "pass/lift.h"
#include "pass/rewrite.h"

#include <string.h>

typedef struct cut {
    gr_graph *g;
    gr_node *scan;      /* what is cut */
    int64_t steps, n, q, r;
    int64_t from, rest_from; /* first step, in the order of time, of the chunks and of the rest */
    gr_node *chunks, *inner, *rest;
} cut;

/* ---- pieces of sequences -------------------------------------------------- */

static gr_value *slice(gr_graph *g, const gr_node *origin, gr_value *v, int64_t start, int64_t stop)
{
    if (start == 0 && stop == v->type.dim[0]) return v;
    return gr_add_role(g, GR_ROLE_SLICE, origin, 1, &v, "dim=0, start=%lld, stop=%lld", (long long)start, (long long)stop)->out[0];
}

static gr_value *joined(const cut *c, const gr_value *like, int n, gr_value **part)
{
    gr_value *v = n == 1 ? part[0] : gr_add_role(c->g, GR_ROLE_CONCAT, c->scan, n, part, "dim=0")->out[0];
    memcpy(v->type.axis, like->type.axis, sizeof v->type.axis);
    return v;
}

/* What the chunks stacked, [q, N, ...], as steps. */
static gr_value *as_steps(const cut *c, gr_value *stacked)
{
    return gr_reshape_leading(c->g, c->scan, stacked, 2, 1, (int64_t[]){c->q * c->n});
}

/* ---- the loops ------------------------------------------------------------ */

static void set_steps(gr_node *scan, int64_t steps)
{
    gr_scan *s = scan->scan;
    s->steps = steps;
    s->recompute = 0;
    for (int k = 0; k < s->carries; k++) gr_scan_history(scan, k)->type.dim[0] = steps + 1;
    for (int j = 0; j < s->stacked; j++) gr_scan_stacked(scan, j)->type.dim[0] = steps;
}

/* The loop over the r steps, from where the chunks end. */
static void add_rest(cut *c)
{
    const gr_scan *s = c->scan->scan;
    gr_value **in = GR_NEW_ARRAY(c->g->arena, gr_value *, c->scan->num_in + 1);
    for (int i = 0; i < c->scan->num_in; i++) {
        in[i] = c->scan->in[i];
        if (i < s->carries) in[i] = gr_scan_last(c->chunks, i);
        else if (i < s->carries + s->sequences) in[i] = slice(c->g, c->scan, in[i], c->rest_from, c->rest_from + c->r);
    }
    c->rest = gr_copy_deep(c->g, c->scan, in);
    set_steps(c->rest, c->r);
    c->rest->scan->first = c->rest_from;
    c->rest->scan->span = c->steps;
}

/* The loop over chunks; the old loop's body becomes that of the one inside. */
static void add_chunks(cut *c)
{
    const gr_scan *s = c->scan->scan;
    gr_graph *g = c->g;
    int carries = s->carries;
    gr_node_spec spec = {.op = c->scan->op, .name = c->scan->name, .at = c->scan->at, .phase = c->scan->phase, .attr = c->scan->attr};
    c->chunks = gr_scan_add(g, &spec, s->reverse, c->q);
    gr_value **in = GR_NEW_ARRAY(g->arena, gr_value *, c->scan->num_in + 1);
    for (int i = 0; i < c->scan->num_in; i++) {
        gr_value *v = c->scan->in[i];
        const char *name = s->body->args[i]->node->name;
        if (i >= carries + s->sequences) {
            in[i] = gr_scan_invariant(c->chunks, v);
        } else if (i >= carries) {
            v = slice(g, c->scan, v, c->from, c->from + c->q * c->n);
            in[i] = gr_scan_sequence(c->chunks, gr_reshape_leading(g, c->scan, v, 1, 2, (int64_t[]){c->q, c->n}), name);
        } else {
            in[i] = gr_scan_carry(c->chunks, v, name);
        }
    }
    gr_scan *chunks = c->chunks->scan;
    chunks->chunks = true;
    chunks->first = c->from;
    chunks->each = c->n;
    chunks->span = c->steps;
    c->inner = gr_copy_node(c->chunks->scan->body, c->scan, in);
    set_steps(c->inner, c->n);
    for (int k = 0; k < carries; k++) gr_scan_set_next(c->chunks, k, gr_scan_last(c->inner, k));
}

/* ---- what was read of the old loop ---------------------------------------- */

static gr_value *chunks_stack(const cut *c, gr_value *inner, const char *name)
{
    return as_steps(c, gr_scan_stacked(c->chunks, gr_scan_stack(c->chunks, inner, name)));
}

static void replace_stacked(const cut *c, int j)
{
    gr_value *old = gr_scan_stacked(c->scan, j), *part[2];
    bool reverse = c->scan->scan->reverse;
    part[reverse && c->r] = chunks_stack(c, gr_scan_stacked(c->inner, j), old->port);
    if (c->r) part[!reverse] = gr_scan_stacked(c->rest, j);
    gr_replace(old, joined(c, old, c->r ? 2 : 1, part));
}

/* Forward [T + 1]: what each step read, then the last; in reverse the last, then what they read. */
static void replace_history(const cut *c, int k)
{
    gr_value *old = gr_scan_history(c->scan, k), *part[2];
    bool reverse = c->scan->scan->reverse;
    gr_value *history = gr_scan_history(c->inner, k);
    gr_value *steps = slice(c->chunks->scan->body, c->inner, history, reverse, reverse + c->n);
    gr_value *last = gr_scan_last(c->chunks, k);
    part[reverse] = chunks_stack(c, steps, old->port);
    part[!reverse] = c->r ? gr_scan_history(c->rest, k) : gr_reshape_leading(c->g, c->scan, last, 0, 1, (int64_t[]){1});
    gr_replace(old, joined(c, old, 2, part));
}

static void replace_outputs(const cut *c)
{
    const gr_scan *s = c->inner->scan;
    for (int k = 0; k < s->carries; k++) {
        gr_value *old = gr_scan_last(c->scan, k);
        gr_replace(old, gr_scan_last(c->r ? c->rest : c->chunks, k));
        replace_history(c, k);
    }
    for (int j = 0; j < s->stacked; j++) replace_stacked(c, j);
}

static void cut_loop(gr_graph *g, gr_node *scan)
{
    const gr_scan *s = scan->scan;
    int64_t n = s->recompute < s->steps ? s->recompute : s->steps;
    cut c = {.g = g, .scan = scan, .steps = s->steps, .n = n, .q = s->steps / n, .r = s->steps % n};
    c.from = s->reverse ? c.r : 0;
    c.rest_from = s->reverse ? 0 : c.q * n;
    add_chunks(&c);
    if (c.r) add_rest(&c);
    replace_outputs(&c);
    gr_remove_node(g, scan);
    c.chunks->name = scan->name;
}

/* ---- which loops ---------------------------------------------------------- */

static bool is_within(const gr_graph *g, const gr_graph *body)
{
    while (g && g != body) g = g->parent;
    return g == body;
}

/* The state with a sparse gradient that v is; NULL: none. */
static const gr_state *sparse_table(const gr_graph *root, const gr_value *v)
{
    while (v->node->graph->parent && v->node->op->role == GR_ROLE_ARG) v = gr_arg_outer(v);
    for (int i = 0; i < root->num_states; i++)
        if (root->states[i]->value == v) return root->states[i]->sparse ? root->states[i] : NULL;
    return NULL;
}

/* One that the body looks up. */
static const gr_state *sparse_look_up(const gr_graph *root, const gr_graph *body)
{
    const gr_state *found = NULL;
    for (int i = 0; i < body->num_nodes && !found; i++) {
        const gr_node *n = body->nodes[i];
        if (n->scan) found = sparse_look_up(root, n->scan->body);
        else if (n->op->role == GR_ROLE_TAKE) found = sparse_table(root, n->in[0]);
    }
    return found;
}

/* What is asked by its name must be there for all steps. */
static bool is_asked(gr_graph *root, const gr_graph *body, const char *const *grad, const char *of)
{
    const gr_value *v = of ? gr_find_value(root, of) : NULL;
    if (v && is_within(v->node->graph, body)) return true;
    for (int i = 0; grad && grad[i]; i++) {
        v = gr_find_value(root, grad[i]);
        if (v && is_within(v->node->graph, body)) return true;
    }
    return false;
}

static int check_tables(const gr_graph *root, const gr_node *scan)
{
    const gr_state *s = sparse_look_up(root, scan->scan->body);
    if (!s) return 0;
    gr_diag_error(root->diag, scan->at, "recompute makes the steps of %s again, but they look up '%s', whose gradient is sparse: "
                  "look up before the loop, or leave out recompute or sparse", scan->name, s->name);
    return -1;
}

static int check_axes(const gr_node *scan)
{
    const gr_scan *s = scan->scan;
    bool fits = true;
    for (int i = s->carries; i < s->carries + s->sequences; i++) fits &= scan->in[i]->type.rank < GR_MAX_RANK;
    for (int o = s->carries; o < scan->num_out; o++) fits &= scan->out[o]->type.rank < GR_MAX_RANK;
    if (fits) return 0;
    gr_diag_error(scan->graph->diag, scan->at, "recompute cuts time into two axes, and a value of %s has %d already; leave it out",
                  scan->name, GR_MAX_RANK);
    return -1;
}

static int cut_loops(gr_graph *root, gr_graph *g, const char *const *grad, const char *of)
{
    int n = g->num_nodes, cuts = 0;
    gr_node **nodes = gr_arena_copy(g->arena, g->nodes, sizeof *g->nodes * (size_t)n);
    for (int i = 0; i < n; i++) {
        const gr_scan *s = nodes[i]->scan;
        if (!s) continue;
        if (cut_loops(root, s->body, grad, of) < 0) return -1;
        if (!s->recompute) continue;
        if (check_tables(root, nodes[i]) < 0) return -1;
        if (s->steps < 1 || is_asked(root, s->body, grad, of)) continue;
        if (check_axes(nodes[i]) < 0) return -1;
        cut_loop(g, nodes[i]);
        cuts++;
    }
    return cuts ? gr_graph_sort(g) : 0;
}

int gr_cut_loops(gr_graph *root, const char *const *grad, const char *of) { return cut_loops(root, root, grad, of); }
