/* stepwise.c - which values keep the steps of a fed axis apart. */
#include "pass/stepwise.h"
#include "graph/emit.h"
#include "pass/rewrite.h"

#include <string.h>

/* A node beside the same node of the graph at the other length. */
typedef struct pair {
    const gr_stepwise *s;
    const gr_node *n, *m;
    bool same_attrs;
} pair;

static int number_of(const gr_stepwise *s, const gr_value *v) { return s->first[gr_number(v->node)] + v->index; }
gr_reach gr_reach_of(const gr_stepwise *s, const gr_value *v) { return s->reach[number_of(s, v)]; }
bool gr_is_dynamic(const gr_stepwise *s, const gr_value *v) { return s->dynamic[number_of(s, v)]; }

/* ---- comparing ---- */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool same_attr(const gr_attr *x, const gr_attr *y)
{
    if (x->present != y->present || x->i != y->i || x->n != y->n || memcmp(&x->f, &y->f, sizeof x->f) != 0) return false;
    if (!x->ints != !y->ints || !x->floats != !y->floats || !gr_type_equal(&x->shape, &y->shape)) return false;
    if (x->ints && memcmp(x->ints, y->ints, sizeof *x->ints * (size_t)x->n) != 0) return false;
    if (x->floats && memcmp(x->floats, y->floats, sizeof *x->floats * (size_t)x->n) != 0) return false;
    return same_text(x->s, y->s);
}

static bool same_attrs(const gr_node *n, const gr_node *m)
{
    for (int i = 0; i < gr_op_num_attrs(n->op); i++)
        if (!same_attr(&n->attr[i], &m->attr[i])) return false;
    return true;
}

static bool same_types(const gr_node *n, const gr_node *m)
{
    for (int o = 0; o < n->num_out; o++)
        if (!gr_type_equal(&n->out[o]->type, &m->out[o]->type)) return false;
    return true;
}

static bool is_alike(const gr_graph *g, const gr_graph *h);

static bool node_is_alike(const gr_node *n, const gr_node *m)
{
    if (strcmp(n->op->name, m->op->name) != 0 || strcmp(n->name, m->name) != 0) return false;
    if (n->num_in != m->num_in || n->num_out != m->num_out || !n->scan != !m->scan) return false;
    for (int o = 0; o < n->num_out; o++)
        if (n->out[o]->type.rank != m->out[o]->type.rank) return false;
    if (!n->scan) return true;
    const gr_scan *a = n->scan, *b = m->scan;
    return a->carries == b->carries && a->sequences == b->sequences && a->invariants == b->invariants &&
           a->stacked == b->stacked && is_alike(a->body, b->body);
}

/* Node by node; what they read is alike, too, for both are made by the same emitters. */
static bool is_alike(const gr_graph *g, const gr_graph *h)
{
    if (g->num_nodes != h->num_nodes) return false;
    for (int i = 0; i < g->num_nodes; i++)
        if (!node_is_alike(g->nodes[i], h->nodes[i])) return false;
    return true;
}

/* A body at one length is that at another. */
static bool is_same_body(const gr_graph *g, const gr_graph *h)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i], *m = h->nodes[i];
        if (!same_types(n, m) || !same_attrs(n, m)) return false;
        if (n->scan && (n->scan->steps != m->scan->steps || !is_same_body(n->scan->body, m->scan->body))) return false;
    }
    return true;
}

int gr_time_axis(const gr_stepwise *s, const gr_value *v, const gr_value *other)
{
    int axis = -1;
    for (int k = 0; k < v->type.rank; k++) {
        if (v->type.dim[k] == other->type.dim[k]) continue;
        if (axis >= 0 || v->type.dim[k] != s->length || other->type.dim[k] != s->other_length) return -1;
        axis = k;
    }
    return axis;
}

static int axis_of_input(const pair *p, int i) { return gr_time_axis(p->s, p->n->in[i], p->m->in[i]); }
static int axis_of_output(const pair *p, int o) { return gr_time_axis(p->s, p->n->out[o], p->m->out[o]); }

static gr_reach reach_of_input(const pair *p, int i) { return p->n->in[i] ? gr_reach_of(p->s, p->n->in[i]) : GR_REACH_NONE; }

static bool every_output_has_time(const pair *p)
{
    for (int o = 0; o < p->n->num_out; o++)
        if (axis_of_output(p, o) < 0) return false;
    return true;
}

/* ---- views ---- */

/* Whether all that v shows of its input x has one index on axis k of x, apart from what v's own
 * axis `own` (-1: none) walks along it: which one, -1 if not.
 *
 *     element of x:  outer | k: stride[k], length T | inner < stride[k] */
static int64_t shown_index(const gr_value *v, int own, const gr_value *x, int k)
{
    gr_layout from = gr_dense_layout(&x->type), l;
    if (gr_view_layout(v, &from, &l) != 0) return -1;
    int64_t step = from.stride[k], block = step * x->type.dim[k];
    if (block < 1) return -1;
    int64_t least = l.offset % block, most = least;
    for (int j = 0; j < v->type.rank; j++) {
        if (v->type.dim[j] < 2) continue; /* its stride says nothing */
        if (j == own && l.stride[j] != step) return -1;
        if (j == own) continue;
        int64_t reach = (v->type.dim[j] - 1) * (l.stride[j] % block);
        if (reach < 0) least += reach;
        else most += reach;
    }
    return least >= 0 && least / step == most / step && most < block ? least / step : -1;
}

static gr_reach reach_of_view(const pair *p)
{
    const gr_value *x = p->n->in[0];
    int k = axis_of_input(p, 0);
    gr_reach all = GR_REACH_MIXED;
    for (int o = 0; o < p->n->num_out; o++) {
        int own = axis_of_output(p, o);
        int64_t at = shown_index(p->n->out[o], own, x, k), other = shown_index(p->m->out[o], own, p->m->in[0], k);
        gr_reach r = GR_REACH_MIXED;
        if (own >= 0 && at == 0 && other == 0) r = GR_REACH_STEP;
        if (own < 0 && gr_type_equal(&p->n->out[o]->type, &p->m->out[o]->type) && at == p->s->length - 1 &&
            other == p->s->other_length - 1)
            r = GR_REACH_LAST;
        if (o > 0 && r != all) return GR_REACH_MIXED;
        all = r;
    }
    return all;
}

/* ---- rows ---- */

static gr_type without_leading(const gr_type *t, int n)
{
    gr_type r = {.dtype = t->dtype, .rank = t->rank - n};
    for (int k = 0; k < r.rank; k++) r.dim[k] = t->dim[k + n], r.axis[k] = t->axis[k + n];
    return r;
}

/* Infers n with `lead` axes fewer on every input that is not seen whole. NULL if it cannot. */
static const gr_node *infer_without(const gr_node *n, int lead)
{
    gr_arena *a = n->graph->arena;
    gr_type *type = GR_NEW_ARRAY(a, gr_type, n->num_in + 1);
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i]) type[i] = gr_is_whole_input(n, i) ? n->in[i]->type : without_leading(&n->in[i]->type, lead);
    const gr_node *c = gr_infer_as(a, n, n->num_in, type);
    return c && c->num_out == n->num_out ? c : NULL;
}

/* A ROWWISE node whose rows begin behind the axis of time treats the steps alike. */
static bool keeps_rows_apart(const pair *p)
{
    int k = -1;
    for (int i = 0; i < p->n->num_in; i++) {
        if (!p->n->in[i]) continue;
        bool step = reach_of_input(p, i) == GR_REACH_STEP;
        if (step == gr_is_whole_input(p->n, i)) return false;
        if (!step) continue;
        if (k >= 0 && axis_of_input(p, i) != k) return false;
        k = axis_of_input(p, i);
    }
    const gr_node *c = k >= 0 ? infer_without(p->n, k + 1) : NULL;
    for (int o = 0; c && o < p->n->num_out; o++) {
        gr_type t = p->n->out[o]->type;
        if (axis_of_output(p, o) != k) return false;
        t = without_leading(&t, k + 1);
        if (!gr_type_equal(&t, &c->out[o]->type)) return false;
    }
    return c != NULL;
}

/* ---- loops ---- */

/* One that runs forward over the fed axis, all of whose sequences are fed step by step. */
static bool loop_goes_along(const pair *p)
{
    const gr_scan *s = p->n->scan, *t = p->m->scan;
    if (s->reverse || s->steps != p->s->length || t->steps != p->s->other_length || !is_same_body(s->body, t->body)) return false;
    for (int i = 0; i < p->n->num_in; i++) {
        bool sequence = i >= s->carries && i < s->carries + s->sequences;
        gr_reach r = reach_of_input(p, i);
        if (sequence ? r != GR_REACH_STEP || axis_of_input(p, i) != 0 : r != GR_REACH_NONE) return false;
    }
    return true;
}

static gr_reach reach_of_loop_output(const gr_scan *s, int o)
{
    if (o < s->carries) return GR_REACH_LAST;
    return o < 2 * s->carries ? GR_REACH_MIXED : GR_REACH_STEP;
}

/* ---- nodes ---- */

/* Whether all slices of an output along time are one and the same: a number everywhere, or something
 * that does not depend on time, repeated. */
static bool repeats(const pair *p, int o)
{
    const gr_node *n = p->n;
    int axis = axis_of_output(p, o);
    if (axis < 0) return false;
    if (n->op->role == GR_ROLE_FILL) return same_attr(gr_node_attr(n, "value"), gr_node_attr(p->m, "value"));
    if (n->op->role != GR_ROLE_EXPAND || reach_of_input(p, 0) != GR_REACH_NONE) return false;
    gr_layout from = gr_dense_layout(&n->in[0]->type), l;
    return gr_view_layout(n->out[o], &from, &l) == 0 && l.stride[axis] == 0;
}

static gr_reach reach_of_step_node(const pair *p, int o)
{
    const gr_node *n = p->n;
    if (n->scan) return loop_goes_along(p) ? reach_of_loop_output(n->scan, o) : GR_REACH_MIXED;
    if (n->op->traits & GR_VIEW) return n->num_in == 1 ? reach_of_view(p) : GR_REACH_MIXED;
    if (!p->same_attrs || (n->op->traits & GR_RANDOM) || !every_output_has_time(p)) return GR_REACH_MIXED;
    /* Time is on one axis of each: were it summed or met itself, the output would have none or two. */
    if (n->op->traits & (GR_POINTWISE | GR_CONTRACTION)) return GR_REACH_STEP;
    return (n->op->traits & GR_ROWWISE) && keeps_rows_apart(p) ? GR_REACH_STEP : GR_REACH_MIXED;
}

static gr_reach reach_of_output(const pair *p, int o)
{
    unsigned seen = 0;
    for (int i = 0; i < p->n->num_in; i++) seen |= 1u << reach_of_input(p, i);
    bool same = p->same_attrs && same_types(p->n, p->m);
    if (p->n->scan) same = same && p->n->scan->steps == p->m->scan->steps && is_same_body(p->n->scan->body, p->m->scan->body);
    if (seen & 1u << GR_REACH_MIXED) return GR_REACH_MIXED;
    bool step = seen & 1u << GR_REACH_STEP, last = seen & 1u << GR_REACH_LAST, length = seen & 1u << GR_REACH_LENGTH;
    if (!step && !last && !length && repeats(p, o)) return GR_REACH_STEP;
    if (!step && !last) return length || !same ? GR_REACH_LENGTH : GR_REACH_NONE;
    if (length || (step && last)) return GR_REACH_MIXED;
    if (last) return same ? GR_REACH_LAST : GR_REACH_MIXED;
    return reach_of_step_node(p, o);
}

/* ---- ops that say it themselves ---- */

/* The same attributes, or lengths of time. */
static bool attrs_go_along(const pair *p)
{
    for (int i = 0; i < gr_op_num_attrs(p->n->op); i++) {
        gr_attr longer = p->n->attr[i];
        if (same_attr(&longer, &p->m->attr[i])) continue;
        longer.i += p->s->other_length - p->s->length;
        if (!same_attr(&longer, &p->m->attr[i])) return false;
    }
    return true;
}

static gr_step_hook *find_hook(const pair *p)
{
    const gr_node *n = p->n;
    int *axis = GR_NEW_ARRAY(n->graph->arena, int, n->num_in + 1);
    if (!n->op->step || !every_output_has_time(p) || !attrs_go_along(p)) return NULL;
    for (int i = 0; i < n->num_in; i++) {
        gr_reach r = reach_of_input(p, i);
        axis[i] = r == GR_REACH_STEP ? axis_of_input(p, i) : -1;
        if (r != GR_REACH_NONE && axis[i] < 0) return NULL;
    }
    return gr_step_try(n, axis, p->s->length);
}

static bool is_settled(const gr_stepwise *s, const gr_node *n)
{
    for (int o = 0; o < n->num_out; o++)
        if (gr_reach_of(s, n->out[o]) == GR_REACH_MIXED || gr_reach_of(s, n->out[o]) == GR_REACH_LENGTH) return false;
    return true;
}

static void ask_op(gr_stepwise *s, const pair *p)
{
    const gr_node *n = p->n;
    if (is_settled(s, n) || !(s->hook[gr_number(n)] = find_hook(p))) return;
    for (int o = 0; o < n->num_out; o++) s->reach[number_of(s, n->out[o])] = GR_REACH_STEP;
}

static bool reads_dynamic(const gr_stepwise *s, const gr_node *n)
{
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && gr_is_dynamic(s, n->in[i])) return true;
    return n->op->role == GR_ROLE_INPUT;
}

static bool is_input(const gr_node *n, const char *name)
{
    return name && n->op->role == GR_ROLE_INPUT && strcmp(n->name, name) == 0;
}

static void follow(gr_stepwise *s, const gr_node *n, const gr_node *m, const char *feed, const char *lengths)
{
    const pair p = {.s = s, .n = n, .m = m, .same_attrs = same_attrs(n, m)};
    bool dynamic = reads_dynamic(s, n);
    bool is_fed = feed ? is_input(n, feed) : n->op->role == GR_ROLE_INPUT && !is_input(n, lengths) && axis_of_output(&p, 0) >= 0;
    bool goes_along = is_fed || (n->op->role == GR_ROLE_LENGTH_MASK && is_input(n->in[0]->node, lengths));
    for (int o = 0; o < n->num_out; o++) {
        int at = s->first[gr_number(n)] + o;
        s->dynamic[at] = dynamic;
        if (goes_along) s->reach[at] = axis_of_output(&p, o) >= 0 ? GR_REACH_STEP : GR_REACH_MIXED;
        else s->reach[at] = is_input(n, lengths) ? GR_REACH_LENGTH : reach_of_output(&p, o);
    }
    ask_op(s, &p);
}

gr_stepwise *gr_stepwise_create(gr_graph *root, int64_t length, const gr_graph *other, int64_t other_length, const char *feed,
                                const char *lengths)
{
    gr_stepwise *s = GR_NEW(root->arena, gr_stepwise);
    if (!is_alike(root, other)) return NULL;
    gr_number_nodes(root);
    *s = (gr_stepwise){.graph = root, .length = length, .other_length = other_length};
    s->first = GR_NEW_ARRAY(root->arena, int, root->num_nodes + 1);
    for (int i = 0; i < root->num_nodes; i++) s->first[i + 1] = s->first[i] + root->nodes[i]->num_out;
    s->reach = GR_NEW_ARRAY(root->arena, gr_reach, s->first[root->num_nodes] + 1);
    s->dynamic = GR_NEW_ARRAY(root->arena, bool, s->first[root->num_nodes] + 1);
    s->hook = GR_NEW_ARRAY(root->arena, gr_step_hook *, root->num_nodes + 1);
    for (int i = 0; i < root->num_nodes; i++) follow(s, root->nodes[i], other->nodes[i], feed, lengths);
    return s;
}

bool gr_stepwise_loops(const gr_stepwise *s)
{
    for (int i = 0; i < s->graph->num_nodes; i++) {
        const gr_node *n = s->graph->nodes[i];
        for (int k = 0; n->scan && n->scan->steps == s->length && k < n->num_in; k++)
            if (gr_reach_of(s, n->in[k]) >= GR_REACH_STEP) return true;
    }
    return false;
}

/* Whether n is where steps are mixed, not one that reads what has been. */
static bool mixes(const gr_stepwise *s, const gr_node *n)
{
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i] && gr_reach_of(s, n->in[i]) == GR_REACH_MIXED) return false;
    for (int o = 0; o < n->num_out; o++)
        if (gr_reach_of(s, n->out[o]) == GR_REACH_MIXED && (!n->scan || o < n->scan->carries || o >= 2 * n->scan->carries)) return true;
    return false;
}

const gr_node *gr_stepwise_fault(const gr_stepwise *s, const gr_value *v)
{
    const gr_node *first = NULL;
    bool *needed = GR_NEW_ARRAY(s->graph->arena, bool, s->graph->num_nodes + 1);
    needed[gr_number(v->node)] = true;
    for (int i = s->graph->num_nodes - 1; i >= 0; i--) {
        const gr_node *n = s->graph->nodes[i];
        if (!needed[i]) continue;
        if (mixes(s, n)) first = n;
        for (int k = 0; k < n->num_in; k++)
            if (n->in[k]) needed[gr_number(n->in[k]->node)] = true;
    }
    return first;
}
