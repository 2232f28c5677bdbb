/* step.c - a node whose op says how it goes on, step by step (gr_op.step). */
#include "pass/stepwise.h"
#include "graph/emit.h"

typedef struct stepper {
    const gr_node *node;
    const gr_step_hook *hook;
    gr_value *const *in;
    const gr_step_past *past;
    gr_value **out;
    int64_t most;
} stepper;

static gr_value *step_in(void *data, gr_emitter *e, int input)
{
    (void)e;
    return ((stepper *)data)->in[input];
}

static int step_result(void *data, gr_emitter *e, int output, gr_value *v)
{
    const stepper *s = data;
    (void)e;
    if (output < 0 || output >= s->node->num_out) return -1;
    s->out[output] = v;
    return 0;
}

static int step_axis(void *data, int input) { return ((stepper *)data)->hook->axis[input]; }

static gr_value *step_numbers(void *data, gr_emitter *e, int64_t most)
{
    stepper *s = data;
    if (most < s->most) s->most = most;
    return s->past->numbers(s->past->data, e);
}

static gr_value *step_past(void *data, gr_emitter *e, int input)
{
    const stepper *s = data;
    return s->past->of(s->past->data, e, s->node, input, s->in[input], s->hook->axis[input]);
}

bool gr_step_emit(gr_graph *to, const gr_node *n, gr_step_hook *hook, gr_value *const *in, const gr_step_past *past, gr_value **out)
{
    stepper s = {.node = n, .hook = hook, .in = in, .past = past, .out = out, .most = INT64_MAX};
    const gr_node_view view = {.node = n, .in = step_in, .set_result = step_result, .step_axis = step_axis, .step_numbers = step_numbers,
                               .past = step_past, .data = &s};
    int faults = gr_diag_count(to->diag);
    bool alike = gr_emitter_call(gr_emitter_create(to, n->phase), &view, n->op->step) == 0 && gr_diag_count(to->diag) == faults;
    for (int o = 0; alike && o < n->num_out; o++) alike = out[o] && gr_type_equal(&out[o]->type, &n->out[o]->type);
    hook->most = s.most;
    return alike;
}

/* ---- whether it can: in a graph that nobody keeps ---- */

typedef struct trial {
    gr_graph *graph;
    int64_t length;
} trial;

static gr_value *add_arg(gr_graph *g, const gr_type *t) { return gr_graph_add_arg(g, g->num_args, "in", t); }

static gr_value *trial_numbers(void *data, gr_emitter *e)
{
    const trial *t = data;
    (void)e;
    return add_arg(t->graph, &(gr_type){.dtype = GR_INT32, .rank = 1, .dim = {t->length}});
}

static gr_value *trial_past(void *data, gr_emitter *e, const gr_node *n, int input, gr_value *v, int axis)
{
    const trial *t = data;
    gr_type all = v->type;
    (void)e;
    (void)n;
    (void)input;
    all.dim[axis] += t->length;
    all.axis[axis] = NULL;
    return add_arg(t->graph, &all);
}

gr_step_hook *gr_step_try(const gr_node *n, int *axis, int64_t length)
{
    gr_arena *a = n->graph->arena;
    trial t = {gr_graph_create(a, gr_graph_root((gr_graph *)(uintptr_t)n->graph)->registry, gr_diag_create(a), n->graph->real), length};
    gr_value **in = GR_NEW_ARRAY(a, gr_value *, n->num_in + 1), **out = GR_NEW_ARRAY(a, gr_value *, n->num_out + 1);
    gr_step_hook *h = GR_NEW(a, gr_step_hook);
    *h = (gr_step_hook){.axis = axis};
    t.graph->typed = true;
    for (int i = 0; i < n->num_in; i++)
        if (n->in[i]) in[i] = add_arg(t.graph, &n->in[i]->type);
    const gr_step_past past = {trial_numbers, trial_past, &t};
    return gr_step_emit(t.graph, n, h, in, &past, out) ? h : NULL;
}
