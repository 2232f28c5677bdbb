/* update.c - clip, optimiser, commit: emitted into the same graph as forward and backward.
 *
 *     grads -> clip -> optimiser(param, grad, lr, step, moments) -> Where(commit, next, value)
 *     loss, grads -> AllFinite -> commit
 *
 * An optimiser's carries are found by its ports: an output that is also an input is one. */
#include "train/update.h"

#include <graphrun/optimiser.h>
#include <string.h>

typedef struct updater {
    const gr_recipe *recipe;
    gr_emitter *emitter;
    gr_graph *graph;
    gr_value *lr, *step, *commit;
} updater;

/* ---- gradients ---- */

static int clip_gradients(updater *u, const gr_call_spec *clip, int n, gr_value **grads)
{
    const char **names = GR_NEW_ARRAY(u->graph->arena, const char *, n + 1);
    gr_value **out = GR_NEW_ARRAY(u->graph->arena, gr_value *, n + 1);
    gr_apply apply = {.op = clip->op, .at = clip->at, .num_in = n, .in = grads, .attr = clip->attr};
    if (gr_apply_op(u->emitter, &apply, out, names, n) != n) return -1;
    memcpy(grads, out, (size_t)n * sizeof *grads);
    return 0;
}

static gr_value *all_finite(updater *u, int n, gr_value **grads, gr_value *loss)
{
    gr_value **in = GR_NEW_ARRAY(u->graph->arena, gr_value *, n + 1);
    in[0] = loss;
    memcpy(in + 1, grads, (size_t)n * sizeof *grads);
    return gr_emit_role(u->emitter, GR_ROLE_ALL_FINITE, n + 1, in, NULL);
}

/* ---- what all optimisers read ---- */

static gr_value *learning_rate(updater *u)
{
    const gr_op *input = gr_registry_role(u->graph->registry, GR_ROLE_INPUT);
    return (gr_value *)gr_emit(gr_emitter_ctx(u->emitter), input->name, "lr", 0, NULL, "shape=[]");
}

/* Counts committed updates; this one's number. */
static gr_value *count_step(updater *u)
{
    gr_type t = {.dtype = u->graph->real};
    gr_state *s = gr_graph_add_state(u->graph, GR_STEP_STATE, &t, "Zeros");
    s->trainable = s->weight = false;
    gr_value *next = gr_emit_sum(u->emitter, s->value, gr_emit_number(u->emitter, 1));
    gr_graph_find_state(u->graph, GR_STEP_STATE)->next = next;
    return next;
}

/* ---- one parameter ---- */

/* What the optimiser says of a moment that is no zeros of the parameter's shape; NULL: nothing. */
static const gr_moment *unusual_moment(const gr_op *op, const char *port)
{
    const gr_optimiser *says = op->traits & GR_OPTIMISER ? op->data : NULL;
    for (const gr_moment *m = says ? says->moments : NULL; m && m->port; m++)
        if (strcmp(m->port, port) == 0) return m;
    return NULL;
}

static gr_value *moment(updater *u, const char *param, const char *port, const gr_type *t)
{
    const gr_call_spec *opt = &u->recipe->optimizer;
    const gr_moment *unusual = unusual_moment(opt->op, port);
    const char *name = gr_arena_printf(u->graph->arena, "train.%s.%s", port, param), *init = "Zeros";
    gr_type scalar = {.dtype = t->dtype};
    if (unusual) {
        double first = unusual->attr ? opt->attr[gr_op_attr(opt->op, unusual->attr)].f : unusual->first;
        init = gr_arena_printf(u->graph->arena, "Constant value=%.17g", first);
        if (unusual->scalar) t = &scalar;
    }
    gr_state *s = gr_graph_add_state(u->graph, name, t, init);
    s->trainable = s->weight = false;
    return s->value;
}

/* Input port p of the optimiser for a parameter of that name. */
static gr_value *optimiser_input(updater *u, const gr_port *p, const char *param, gr_value *value, gr_value *grad)
{
    if (strcmp(p->name, "param") == 0) return value;
    if (strcmp(p->name, "grad") == 0) return grad;
    if (strcmp(p->name, "lr") == 0) return u->lr;
    if (strcmp(p->name, "step") == 0) return u->step;
    return gr_op_output(u->recipe->optimizer.op, p->name) >= 0 ? moment(u, param, p->name, &value->type) : NULL;
}

static void drop_state(gr_graph *g, const gr_value *value)
{
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->value == value) {
            memmove(&g->states[i], &g->states[i + 1], (size_t)(g->num_states - i - 1) * sizeof g->states[0]);
            g->num_states--;
            return;
        }
}

static void set_next(gr_graph *g, const gr_value *value, gr_value *next)
{
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->value == value) g->states[i]->next = next;
}

#define MAX_PORTS 16

static int update_parameter(updater *u, const char *param, gr_value *value, gr_value *grad)
{
    const gr_call_spec *opt = &u->recipe->optimizer;
    gr_value *in[MAX_PORTS], *out[MAX_PORTS];
    const char *names[MAX_PORTS];
    int port[MAX_PORTS + 1], n = gr_op_num_inputs(opt->op);
    if (n > MAX_PORTS) return -1;
    for (int p = 0; p < n; p++) {
        in[p] = optimiser_input(u, &opt->op->inputs[p], param, value, grad);
        port[p] = p;
    }
    port[n] = n;
    gr_apply apply = {.op = opt->op, .name = param, .at = opt->at, .num_in = n, .in = in, .port = port, .attr = opt->attr};
    int outputs = gr_apply_op(u->emitter, &apply, out, names, MAX_PORTS);
    if (outputs < 0) return -1;
    for (int i = 0; i < outputs; i++) {
        gr_value *carry = in[gr_op_input(opt->op, names[i])];
        if (out[i] == carry) drop_state(u->graph, carry); /* the attributes do not need it */
        else set_next(u->graph, carry, out[i]);
    }
    return 0;
}

/* ---- commit ---- */

/* No state moves unless all may: a loss that is not finite changes nothing. */
static void gate_states(updater *u)
{
    for (int i = 0; i < u->graph->num_states; i++) {
        gr_state *s = u->graph->states[i];
        if (!s->next || s->next == s->value) continue;
        gr_value *in[3] = {u->commit, s->next, s->value};
        gr_value *next = gr_emit_role(u->emitter, GR_ROLE_WHERE, 3, in, NULL);
        u->graph->states[i]->next = next;
    }
}

static int update_all(updater *u, int n, const char **names, gr_value **values, gr_value **grads)
{
    for (int i = 0; i < u->recipe->num_clips; i++)
        if (clip_gradients(u, &u->recipe->clip[i], n, grads)) return -1;
    for (int i = 0; i < n; i++)
        if (update_parameter(u, names[i], values[i], grads[i])) return -1;
    gate_states(u);
    u->graph->commit = u->commit;
    return 0;
}

int gr_update_emit(void *data, gr_emitter *e, int n, gr_state **params, gr_value **grads, gr_value *loss)
{
    gr_graph *g = gr_emitter_graph(e);
    updater u = {.recipe = data, .emitter = e, .graph = g};
    /* States are found by value from here on: one that an optimiser does not need is dropped. */
    const char **names = GR_NEW_ARRAY(g->arena, const char *, n + 1);
    gr_value **values = GR_NEW_ARRAY(g->arena, gr_value *, n + 1), **reached = GR_NEW_ARRAY(g->arena, gr_value *, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (!grads[i]) continue;
        names[count] = params[i]->name;
        values[count] = params[i]->value;
        reached[count++] = grads[i];
    }
    gr_emitter_at(e, "train", u.recipe->optimizer.at);
    u.commit = all_finite(&u, count, reached, loss);
    u.lr = learning_rate(&u);
    u.step = count_step(&u);
    return u.commit && u.lr && u.step ? update_all(&u, count, names, values, reached) : -1;
}
