/* infer.c - every type again from the leaves, loop bodies too, and what must hold
 * between types: a carry's next is like its init, a loop's sequences are of one length. A carry that starts
 * without names of axes gets those of its next, and the body is inferred once more with them. */
#include "pass/pass.h"

static int infer_graph(gr_graph *g);

/* Both sides of a mismatch, each with the place that made it. */
static int mismatch(gr_node *n, const char *what, const gr_value *a, const gr_value *b)
{
    gr_arena *ar = n->graph->arena;
    gr_diag *d = n->graph->diag;
    gr_diag_error(d, n->at, "%s (%s): %s: '%s' is %s, '%s' is %s", n->name, n->op->name, what, a->node->name,
                  gr_type_text(ar, &a->type), b->node->name, gr_type_text(ar, &b->type));
    gr_diag_note(d, a->node->at, "'%s' is %s", a->node->name, gr_type_text(ar, &a->type));
    gr_diag_note(d, b->node->at, "'%s' is %s", b->node->name, gr_type_text(ar, &b->type));
    return -1;
}

static int infer_args(gr_node *n)
{
    gr_scan *s = n->scan;
    for (int i = 0; i < n->num_in; i++) {
        bool sequence = i >= s->carries && i < s->carries + s->sequences;
        const gr_type *t = &n->in[i]->type;
        if (sequence && (t->rank < 1 || t->dim[0] != s->steps))
            return mismatch(n, "sequences of one loop must have one length", n->in[s->carries], n->in[i]);
        s->body->args[i]->type = sequence ? gr_type_slice(t) : *t;
    }
    return 0;
}

/* Whether a carry's arg got a name. */
static bool name_carries(gr_node *n)
{
    bool named = false;
    for (int i = 0; i < n->scan->carries; i++) {
        gr_type *t = &n->scan->body->args[i]->type;
        const gr_type was = *t;
        gr_type_take_names(t, &n->scan->body->results[i]->type);
        for (int k = 0; k < t->rank; k++) named |= t->axis[k] != was.axis[k];
    }
    return named;
}

static int infer_scan(gr_node *n)
{
    gr_scan *s = n->scan;
    gr_graph *body = s->body;
    if (infer_args(n) != 0 || infer_graph(body) != 0 || (name_carries(n) && infer_graph(body) != 0)) return -1;
    for (int i = 0; i < s->carries; i++) {
        if (!gr_type_equal(&body->args[i]->type, &body->results[i]->type))
            return mismatch(n, "the next value of a carry must be like the first", body->args[i], body->results[i]);
        gr_scan_last(n, i)->type = body->args[i]->type;
        gr_scan_history(n, i)->type = gr_type_stacked(&body->args[i]->type, s->steps + 1, NULL);
    }
    for (int j = 0; j < s->stacked; j++) { /* the axis of time stays */
        gr_type *t = &gr_scan_stacked(n, j)->type;
        *t = gr_type_stacked(&body->results[s->carries + j]->type, s->steps, t->axis[0]);
    }
    return 0;
}

/* What a type is given from outside. */
static bool is_given(const gr_node *n)
{
    return n->op->role == GR_ROLE_ARG || n->op->role == GR_ROLE_INPUT || n->op->role == GR_ROLE_STATE;
}

static int infer_graph(gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        gr_node *n = g->nodes[i];
        if (is_given(n)) continue;
        if ((n->scan ? infer_scan(n) : gr_infer_node(g, n)) != 0) return -1;
    }
    return 0;
}

gr_graph *gr_pass_infer(gr_graph *g, const gr_request *r)
{
    (void)r;
    return infer_graph(g) == 0 ? g : NULL;
}
