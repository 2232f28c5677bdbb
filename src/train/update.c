/* update.c - clip, optimiser, commit: emitted into the same graph as forward and backward.
 *
 *     grads -> mean of `accumulate` batches -> clip -> optimiser(param, grad, lr, step, moments) -> Where(commit, next, value)
 *     grads -> SquareSums, which clipping by norm reads too -> its check, loss -> AllFinite -> commit
 *
 * An optimiser's carries are found by its ports: an output that is also an input is one. */
#include "train/groups.h"
#include "train/update.h"

#include <graphrun/optimiser.h>
#include <string.h>

typedef struct updater {
    const gr_recipe *recipe;
    gr_emitter *emitter;
    gr_graph *graph;
    gr_value **lr; /* by rate of the recipe */
    gr_value *step;
    gr_value *commit, *update; /* whether states move; whether parameters and moments do */
    int own_states;            /* those from this one on were made here */
} updater;

/* A parameter that is to be updated. States are found by value, because one that an optimiser
 * does not need is dropped. */
typedef struct target {
    const gr_state *state;
    gr_value *value, *start; /* the state's; what the step starts from, where a look-up has changed it */
    gr_value *grad;          /* with rows: of those alone */
    gr_value *rows;          /* NULL: all */
    const gr_group_spec *group;
    gr_call_spec call;       /* the optimiser with the group's attributes */
} target;

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
    gr_value *in[2] = {loss, NULL};
    if (n) in[1] = gr_emit_role(u->emitter, GR_ROLE_SQUARE_SUMS, n, grads, NULL)->node->out[1];
    return gr_emit_role(u->emitter, GR_ROLE_ALL_FINITE, n ? 2 : 1, in, NULL);
}

/* ---- accumulation ---- */

#define ACCUMULATED "train.accumulated."

static gr_value *fed(updater *u, const char *input, const char *attrs)
{
    const gr_op *op = gr_registry_role(u->graph->registry, GR_ROLE_INPUT);
    return (gr_value *)gr_emit(gr_emitter_ctx(u->emitter), op->name, input + strlen("train."), 0, NULL, "%s", attrs);
}

/* sum + grad, by the number of batches; the sum goes on, or starts anew after an update. */
static gr_value *accumulated(updater *u, const char *param, gr_value *grad, gr_value *batches, gr_value *last)
{
    gr_graph *g = u->graph;
    const char *name = gr_arena_printf(g->arena, ACCUMULATED "%s", param);
    gr_state *s = gr_graph_add_state(g, name, &grad->type, "Zeros");
    s->trainable = s->weight = false;
    gr_value *sum = gr_emit_sum(u->emitter, s->value, grad), *next[3] = {last, gr_emit_number(u->emitter, 0), sum};
    gr_value *both[2] = {sum, batches};
    s->next = gr_emit_role(u->emitter, GR_ROLE_WHERE, 3, next, NULL);
    return gr_emit_tape(u->emitter, GR_TAPE_DIV, 2, both);
}

static int refuse_rows(updater *u, const target *t)
{
    gr_diag_error(u->graph->diag, t->state->sparse_at, "'%s' has a sparse gradient, and `accumulate` adds up dense ones: leave "
                  "one of both out", t->state->name);
    return -1;
}

/* The gradients become their means since the last update. */
static int accumulate(updater *u, int n, const target *targets, gr_value **grads)
{
    u->update = u->commit;
    if (u->recipe->accumulate < 2) return 0;
    gr_value *batches = fed(u, GR_BATCHES_INPUT, "shape=[]"), *last = fed(u, GR_LAST_INPUT, "shape=[], dtype=bool");
    if (!batches || !last) return -1;
    for (int i = 0; i < n; i++)
        if (targets[i].rows) return refuse_rows(u, &targets[i]);
        else if (!(grads[i] = accumulated(u, targets[i].state->name, grads[i], batches, last))) return -1;
    gr_value *both[2] = {u->commit, last};
    u->update = gr_emit_tape(u->emitter, GR_TAPE_LOGICAL_AND, 2, both);
    return u->update ? 0 : -1;
}

/* ---- what all optimisers read ---- */

const char *gr_update_lr_input(gr_arena *a, int i) { return i ? gr_arena_printf(a, "train.lr_%d", i) : "train.lr"; }

static bool learning_rates(updater *u)
{
    u->lr = GR_NEW_ARRAY(u->graph->arena, gr_value *, u->recipe->num_lrs + 1);
    for (int i = 0; i < u->recipe->num_lrs; i++) {
        u->lr[i] = fed(u, gr_update_lr_input(u->graph->arena, i), "shape=[]");
        if (!u->lr[i]) return false;
    }
    return true;
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

static gr_value *moment(updater *u, const target *t, const char *port)
{
    const gr_moment *unusual = unusual_moment(t->call.op, port);
    const char *name = gr_arena_printf(u->graph->arena, "train.%s.%s", port, t->state->name), *init = "Zeros";
    gr_type type = t->value->type;
    if (unusual) {
        double first = unusual->attr ? t->call.attr[gr_op_attr(t->call.op, unusual->attr)].f : unusual->first;
        init = gr_arena_printf(u->graph->arena, "Constant value=%.17g", first);
        if (unusual->scalar) type = (gr_type){.dtype = type.dtype};
    }
    gr_state *s = gr_graph_add_state(u->graph, name, &type, init);
    s->trainable = s->weight = false;
    return s->value;
}

/* What stands at a port of the optimiser: the value that it sees, and the state that is behind. */
typedef struct operand { gr_value *in, *state; } operand;

static operand optimiser_input(updater *u, const gr_port *p, const target *t)
{
    if (strcmp(p->name, "grad") == 0) return (operand){t->grad, NULL};
    if (strcmp(p->name, "lr") == 0) return (operand){u->lr[t->group->lr], NULL};
    if (strcmp(p->name, "step") == 0) return (operand){u->step, NULL};
    bool param = strcmp(p->name, "param") == 0;
    if (!param && gr_op_output(t->call.op, p->name) < 0) return (operand){NULL, NULL};
    gr_value *state = param ? t->value : moment(u, t, p->name);
    if (t->rows) return (operand){gr_sparse_gather(u->emitter, state, t->rows, param ? t->state->look_up : NULL), state};
    return (operand){param ? t->start : state, state};
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

static gr_state *state_of(gr_graph *g, const gr_value *value)
{
    for (int i = 0; i < g->num_states; i++)
        if (g->states[i]->value == value) return g->states[i];
    return NULL;
}

static gr_value *either(updater *u, gr_value *condition, gr_value *yes, gr_value *no)
{
    return gr_emit_role(u->emitter, GR_ROLE_WHERE, 3, (gr_value *[]){condition, yes, no}, NULL);
}

/* What the optimiser gave at a port is what the state behind becomes. */
static void take_result(updater *u, const target *t, const operand *o, gr_value *out)
{
    gr_state *s = o->state ? state_of(u->graph, o->state) : NULL;
    if (!s) return;
    if (out == o->in) {
        drop_state(u->graph, o->state); /* the attributes do not need it */
        return;
    }
    s->gated = t->rows || o->in != o->state;
    if (t->rows) s->next = gr_sparse_put(u->emitter, o->state, t->rows, u->update, out, o->in);
    else if (s->gated) s->next = either(u, u->commit, either(u, u->update, out, o->in), o->state); /* what a look-up changed stays */
    else s->next = out;
}

#define MAX_PORTS 16

static int update_parameter(updater *u, target *t)
{
    if (t->rows && gr_sparse_optimizer(u->graph, t->state, &t->call) < 0) return -1;
    const gr_op *op = t->call.op;
    operand operands[MAX_PORTS];
    gr_value *in[MAX_PORTS], *out[MAX_PORTS];
    const char *names[MAX_PORTS];
    int port[MAX_PORTS + 1], n = gr_op_num_inputs(op);
    if (n > MAX_PORTS) return -1;
    for (int p = 0; p < n; p++) {
        operands[p] = optimiser_input(u, &op->inputs[p], t);
        in[p] = operands[p].in;
        port[p] = p;
    }
    port[n] = n;
    gr_apply apply = {.op = op, .name = t->state->name, .at = t->call.at, .num_in = n, .in = in, .port = port,
                      .attr = t->call.attr, .attr_at = t->call.attr_at};
    int outputs = gr_apply_op(u->emitter, &apply, out, names, MAX_PORTS);
    for (int i = 0; i < outputs; i++) take_result(u, t, &operands[gr_op_input(op, names[i])], out[i]);
    return outputs < 0 ? -1 : 0;
}

/* ---- commit ---- */

/* What an optimiser moves; running statistics, what is accumulated and the like go on with every batch. */
static bool is_optimised(const updater *u, int i)
{
    const gr_state *s = u->graph->states[i];
    return s->trainable || (i >= u->own_states && strncmp(s->name, ACCUMULATED, strlen(ACCUMULATED)) != 0);
}

/* No state moves unless all may: a loss that is not finite changes nothing. */
static void gate_states(updater *u)
{
    for (int i = 0; i < u->graph->num_states; i++) {
        gr_state *s = u->graph->states[i];
        bool done = s->gated;
        s->gated = false;
        s->rows = NULL;
        if (done || !s->next || s->next == s->value) continue;
        s->next = either(u, is_optimised(u, i) ? u->update : u->commit, s->next, s->value);
    }
}

static int update_all(updater *u, int n, target *targets, gr_value **grads)
{
    if (accumulate(u, n, targets, grads)) return -1;
    for (int i = 0; i < u->recipe->num_clips; i++)
        if (clip_gradients(u, &u->recipe->clip[i], n, grads)) return -1;
    for (int i = 0; i < n; i++) {
        targets[i].grad = grads[i];
        if (update_parameter(u, &targets[i])) return -1;
    }
    gate_states(u);
    u->graph->commit = u->commit;
    return 0;
}

int gr_update_emit(void *data, gr_emitter *e, int n, gr_state **params, gr_value **grads, gr_value *loss)
{
    gr_graph *g = gr_emitter_graph(e);
    updater u = {.recipe = data, .emitter = e, .graph = g, .own_states = g->num_states};
    target *targets = GR_NEW_ARRAY(g->arena, target, n + 1);
    gr_value **reached = GR_NEW_ARRAY(g->arena, gr_value *, n + 1);
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (!grads[i]) continue;
        const gr_group_spec *group = &u.recipe->groups[gr_group_of(u.recipe, params[i])];
        const gr_state *s = params[i];
        targets[count] = (target){.state = s, .value = s->value, .start = s->next ? s->next : s->value, .rows = s->rows, .group = group,
                                  .call = {u.recipe->optimizer.op, group->attr, group->attr_at, group->at}};
        reached[count++] = grads[i];
    }
    gr_emitter_at(e, "train", u.recipe->optimizer.at);
    u.commit = all_finite(&u, count, reached, loss);
    u.step = count_step(&u);
    return learning_rates(&u) && u.commit && u.step ? update_all(&u, count, targets, reached) : -1;
}
