/* nonfinite.c - which value was the first that is not finite.
 *
 * The step is run again by a program that keeps every value; nothing was committed, so it
 * reads the same states. First means: first in the order of the graph; among the values of
 * a loop's body, first in the order of time. */
#include "train/loop.h"

#include <math.h>
#include <string.h>

typedef struct found {
    const gr_value *value;
    int node;       /* position in the root graph */
    int64_t order;  /* which step of the loop, in order of execution; -1: outside loops */
    int64_t time;
    int result;
    double number;
} found;

static int position(const gr_graph *g, const gr_node *n)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i] == n) return i;
    return g->num_nodes;
}

/* The first element that is not finite, -1 if there is none. */
static int64_t first_bad(const void *data, const gr_type *t)
{
    if (!gr_is_float(t->dtype)) return -1;
    for (int64_t i = 0, n = gr_numel(t); i < n; i++)
        if (!isfinite(gr_element(data, t->dtype, i))) return i;
    return -1;
}

/* A stacked value: the bad time step that ran first, and an element of it. */
static int64_t first_bad_step(const void *data, const gr_type *t, bool reverse, int64_t *element)
{
    int64_t steps = t->rank ? t->dim[0] : 0, size = steps ? gr_numel(t) / steps : 0;
    for (int64_t k = 0; k < steps; k++) {
        int64_t time = reverse ? steps - 1 - k : k;
        for (int64_t i = 0; i < size; i++)
            if (!isfinite(gr_element(data, t->dtype, time * size + i))) {
                *element = time * size + i;
                return k;
            }
    }
    return -1;
}

static bool earlier(const found *a, const found *b)
{
    if (!b->value || a->node != b->node) return !b->value || a->node < b->node;
    return a->order != b->order ? a->order < b->order : a->result < b->result;
}

static void look_at(const gr_exec *x, int i, found *best)
{
    gr_type t;
    const gr_value *v = x->graph->results[i];
    const void *data = gr_run_result(x->run, x->graph->result_names[i], &t);
    if (!data || !v) return;
    int64_t element = first_bad(data, &t);
    if (element < 0) return;
    found f = {.value = v, .node = position(x->graph, v->node), .order = -1, .result = i};
    const gr_scan *scan = v->node->scan;
    if (scan && v->index >= 2 * scan->carries) {
        f.order = first_bad_step(data, &t, scan->reverse, &element);
        f.time = scan->reverse ? scan->steps - 1 - f.order : f.order;
    } else if (scan) {
        f.order = scan->steps; /* its last value: any value of a step comes first */
    }
    f.number = gr_element(data, t.dtype, element);
    if (earlier(&f, best)) *best = f;
}

static void say(const gr_exec *x, const found *f, int64_t step, gr_error *e)
{
    gr_arena *a = x->session->arena;
    const gr_scan *scan = f->value->node->scan;
    const bool within = scan && f->order >= 0 && f->order < scan->steps;
    const gr_node *n = within ? scan->body->results[scan->carries + f->value->index - 2 * scan->carries]->node : f->value->node;
    const char *name = scan && !within ? x->graph->result_names[f->result] : n->name, *why = gr_run_reason(x->run, n);
    const char *what = isnan(f->number) ? "NaN" : f->number > 0 ? "inf" : "-inf";
    const char *at = within ? gr_arena_printf(a, " at time step %lld", (long long)f->time) : "";
    const char *line = n->at.source ? gr_arena_printf(a, "%s:%d:%d: ", n->at.source->name, n->at.line, n->at.column) : "";
    gr_set_error(e, GR_ESTATE, "%straining step %lld was not finite: the first value was %s in '%s'%s%s%s%s", line, (long long)step, what,
                 name, n->phase == GR_BACKWARD ? " (in the backward pass)" : "", at, why ? ": " : "", why ? why : "");
}

/* The same step again, whoever fed it, or it might be a finite one that is committed. */
static void feed_alike(gr_exec *to, const gr_exec *from)
{
    const gr_session *s = to->session;
    for (int i = 0; i < s->num_inputs; i++) {
        gr_type t, have;
        void *data = gr_run_feed(to->run, s->inputs[i].name, &t);
        const void *fed = gr_run_feed(from->run, s->inputs[i].name, &have);
        if (data && fed && gr_type_equal(&t, &have)) memcpy(data, fed, (size_t)gr_numel(&t) * gr_dtype_size(t.dtype));
    }
}

void gr_find_nonfinite(const gr_exec *x, int64_t step, gr_error *e)
{
    gr_want want = x->want;
    want.keep_all = true;
    gr_exec *all = gr_session_compile(x->session, &want, e);
    found best = {0};
    if (all) {
        feed_alike(all, x);
        gr_run_step(all->run, step);
        for (int i = 0; i < all->graph->num_results; i++) look_at(all, i, &best);
        if (best.value) {
            say(all, &best, step, e);
            return;
        }
    }
    gr_set_error(e, GR_ESTATE, "training step %lld: the loss or a gradient was not finite", (long long)step);
}
