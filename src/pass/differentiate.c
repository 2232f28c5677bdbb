/* differentiate.c - reverse mode over a graph.
 *
 * The objective's adjoint is one. Walking the nodes from the last to the first, a
 * node's outputs have all their terms when it is reached, and op->gradient turns
 * them into terms of its inputs. The emitted nodes are ordinary nodes of phase
 * BACKWARD, called after the node they come from. Loops: scan_gradient.c. */
#include "pass/chunk.h"
#include "pass/gradient.h"
#include "pass/lift.h"
#include "pass/look_up.h"
#include <string.h>

/* ---- one node ---- */

typedef struct node_call {
    ad_level *level;
    gr_node *node;
} node_call;

static gr_value *call_in(void *data, gr_emitter *e, int input)
{
    (void)e;
    node_call *c = data;
    gr_value *v = c->node->in[input];
    return v ? ad_import(c->level, v) : NULL;
}

static gr_value *call_out(void *data, gr_emitter *e, int output)
{
    (void)e;
    node_call *c = data;
    return ad_import(c->level, c->node->out[output]);
}

static gr_value *call_grad(void *data, gr_emitter *e, int output)
{
    (void)e;
    node_call *c = data;
    return ad_adjoint(c->level, c->node->out[output]);
}

static bool call_wants(void *data, int input)
{
    node_call *c = data;
    return ad_differentiable(c->node, input) && ad_mark_of(c->node->in[input])->wanted;
}

/* A gradient has its input's shape, or one that the input's broadcasts to, over which it is summed. */
static bool is_gradient_of(const gr_type *grad, const gr_type *t)
{
    const int extra = grad->rank - t->rank;
    bool fits = grad->dtype == t->dtype && extra >= 0;
    for (int i = 0; fits && i < t->rank; i++) fits = t->dim[i] == 1 || t->dim[i] == grad->dim[i + extra];
    return fits;
}

static int call_set_grad(void *data, gr_emitter *e, int input, gr_value *v)
{
    (void)e;
    node_call *c = data;
    const gr_node *n = c->node;
    gr_arena *a = n->graph->arena;
    if (!call_wants(data, input)) return 0;
    if (v && v->type.dtype != GR_UNKNOWN && !is_gradient_of(&v->type, &n->in[input]->type)) {
        gr_diag_error(n->graph->diag, n->at, "op %s: its gradient toward input %d of '%s' is %s, but the input is %s", n->op->name, input,
                      n->name, gr_type_text(a, &v->type), gr_type_text(a, &n->in[input]->type));
        return -1;
    }
    ad_add_term(c->level, c->node->in[input], v);
    return 0;
}

/* ---- ops that name a backward op ---- */

typedef struct backward_inputs {
    gr_value **in;
    int num_in, cap_in;
} backward_inputs;

/* Input port `name` of a backward op: the values of the forward node's port of that
 * name, or for "grad_<output>" the adjoint of that output. -1: no such thing. */
static int gather_port(node_call *c, const char *name, backward_inputs *to)
{
    gr_node *n = c->node;
    gr_arena *a = c->level->backward->arena;
    int p = gr_op_input(n->op, name), o = gr_op_output(n->op, name);
    if (p >= 0) {
        for (int i = n->port[p]; i < n->port[p + 1]; i++)
            *GR_PUSH(a, to->in, to->num_in, to->cap_in) = call_in(c, NULL, i);
    } else if (o >= 0) {
        *GR_PUSH(a, to->in, to->num_in, to->cap_in) = call_out(c, NULL, o);
    } else if (strncmp(name, "grad_", 5) == 0 && (o = gr_op_output(n->op, name + 5)) >= 0) {
        gr_value *g = call_grad(c, NULL, o);
        if (!g) g = gr_emit_zeros(c->level->emitter, &n->out[o]->type);
        *GR_PUSH(a, to->in, to->num_in, to->cap_in) = g;
    } else {
        return -1;
    }
    return 0;
}

/* Attributes that both ops have are handed on. */
static gr_attr *backward_attrs(gr_arena *a, const gr_node *n, const gr_op *op)
{
    gr_attr *attr = gr_attr_defaults(a, op);
    for (int i = 0; i < gr_op_num_attrs(op); i++) {
        int j = gr_op_attr(n->op, op->attrs[i].name);
        if (j >= 0) attr[i] = n->attr[j];
    }
    return attr;
}

static int take_grads(node_call *c, int count, gr_value **out, const char **names)
{
    gr_node *n = c->node;
    for (int o = 0; o < count; o++) {
        int p = strncmp(names[o], "grad_", 5) == 0 ? gr_op_input(n->op, names[o] + 5) : -1;
        if (p < 0) {
            gr_diag_error(n->graph->diag, n->at, "op %s: output '%s' of its backward op is no grad_<input>",
                          n->op->name, names[o]);
            return -1;
        }
        if (n->port[p] < n->port[p + 1] && call_set_grad(c, NULL, n->port[p], out[o])) return -1;
    }
    return 0;
}

static int named_backward(node_call *c)
{
    gr_node *n = c->node;
    gr_graph *g = c->level->backward;
    const gr_op *op = gr_registry_find(g->registry, n->op->backward);
    backward_inputs b = {NULL, 0, 0};
    int ports = op ? gr_op_num_inputs(op) : 0;
    int *port = GR_NEW_ARRAY(g->arena, int, ports + 1);
    for (int p = 0; p < ports; p++) {
        port[p] = b.num_in;
        if (gather_port(c, op->inputs[p].name, &b) == 0) continue;
        gr_diag_error(g->diag, n->at, "op %s: input '%s' of its backward op %s is no port of it", n->op->name,
                      op->inputs[p].name, op->name);
        return -1;
    }
    if (!op) {
        gr_diag_error(g->diag, n->at, "op %s names a backward op %s that does not exist", n->op->name, n->op->backward);
        return -1;
    }
    port[ports] = b.num_in;
    gr_apply apply = {.op = op, .name = "grad", .at = n->at, .num_in = b.num_in, .in = b.in, .port = port,
                      .attr = backward_attrs(g->arena, n, op)};
    gr_value *out[GR_MAX_RANK];
    const char *names[GR_MAX_RANK];
    int count = gr_apply_op(c->level->emitter, &apply, out, names, GR_MAX_RANK);
    return count < 0 ? -1 : take_grads(c, count, out, names);
}

/* ---- the walk ---- */

static bool takes_part(const gr_node *n)
{
    bool has_adjoint = false, wanted = false;
    for (int o = 0; o < n->num_out; o++) has_adjoint |= ad_has_adjoint(n->out[o]);
    for (int o = 0; o < n->num_out; o++) wanted |= ad_mark_of(n->out[o])->wanted;
    if (!has_adjoint || !wanted) return false;
    if (n->scan) return true; /* what is asked for may be inside */
    for (int i = 0; i < n->num_in; i++)
        if (ad_differentiable(n, i) && ad_mark_of(n->in[i])->wanted) return true;
    return false;
}

/* A slice gives its source a part. */
static bool slice_gradient(ad_level *l, gr_node *n)
{
    if (n->op->role != GR_ROLE_SLICE || gr_node_attr(n, "step")->i != 1) return false;
    gr_value *v = n->in[0], *out = n->out[0];
    int64_t dim = gr_node_attr(n, "dim")->i, start = gr_node_attr(n, "start")->i;
    if (dim >= 0) dim -= v->type.rank;
    ad_add_part(l, v, (ad_part){ad_adjoint(l, out), (int)dim, start, start + out->type.dim[out->type.rank + dim]});
    return true;
}

static int node_gradient(ad_level *l, gr_node *n)
{
    if (!takes_part(n)) return 0;
    const char *name = gr_arena_printf(l->backward->arena, "%s'", n->name);
    gr_emitter_at(l->emitter, name, n->at);
    if (n->scan) return ad_scan_gradient(l, n);
    if (slice_gradient(l, n)) return 0;
    node_call c = {l, n};
    if (n->op->gradient) {
        gr_node primed = *n; /* names what is emitted */
        primed.name = name;
        gr_emitter_at(l->emitter, "", n->at);
        gr_node_view view = {.node = &primed, .in = call_in, .out = call_out, .grad = call_grad,
                             .wants = call_wants, .set_grad = call_set_grad, .data = &c};
        return gr_emitter_call(l->emitter, &view, n->op->gradient);
    }
    if (n->op->backward) return named_backward(&c);
    gr_diag_error(n->graph->diag, n->at, "op %s has no gradient, and the gradient asked for passes through %s",
                  n->op->name, n->name);
    return -1;
}

int ad_walk(ad_level *l)
{
    int status = 0;
    for (int i = l->forward->num_nodes - 1; i >= 0; i--) /* grows at the root; new nodes are not walked */
        if (node_gradient(l, l->forward->nodes[i]) != 0) status = -1;
    return status;
}

/* ---- the pass ---- */

static gr_value *ones_like(gr_emitter *e, const gr_type *t)
{
    if (t->rank == 0) return gr_emit_number(e, 1.0);
    gr_value *one = gr_emit_number(e, 1.0);
    const char *shape = "";
    gr_arena *a = gr_emitter_graph(e)->arena;
    for (int i = 0; i < t->rank; i++) shape = gr_arena_printf(a, "%s%s%lld", shape, i ? ", " : "", (long long)t->dim[i]);
    return gr_emit_role(e, GR_ROLE_EXPAND, 1, &one, "shape=[%s]", shape);
}

/* out[i] is d(of)/d(wrt[i]) as a value of the root, NULL where it is zero. */
static int differentiate(gr_graph *g, gr_value *of, int n, gr_value *const *wrt, gr_value **out)
{
    ad_clear_marks(g);
    for (int i = 0; i < n; i++) ad_mark_of(wrt[i])->wanted = gr_is_float(wrt[i]->type.dtype);
    ad_mark_of(of)->useful = true;
    ad_reach_wanted(g);
    ad_reach_useful(g);
    ad_level root = {.forward = g, .backward = g, .emitter = gr_emitter_create(g, GR_BACKWARD)};
    gr_emitter_at(root.emitter, gr_arena_printf(g->arena, "%s'", of->node->name), of->node->at);
    if (ad_mark_of(of)->wanted) ad_add_term(&root, of, ones_like(root.emitter, &of->type));
    if (ad_walk(&root) != 0) return -1;
    for (int i = 0; i < n; i++) {
        ad_level at = root; /* the sum belongs to the graph where the terms are */
        at.backward = ad_adjoint_graph(wrt[i]);
        if (!at.backward) continue;
        gr_emitter_set_graph(at.emitter, at.backward);
        out[i] = gr_lift(ad_adjoint(&at, wrt[i]));
        gr_emitter_set_graph(at.emitter, g);
    }
    return 0;
}

static gr_value *objective(gr_graph *g, const char *name)
{
    gr_value *v = gr_find_value(g, name);
    if (!v) return NULL; /* reported by expand */
    v = gr_lift(v);
    if (gr_is_float(v->type.dtype)) return v;
    gr_diag_error(g->diag, v->node->at, "'%s' is %s: only a float can be differentiated", name,
                  gr_type_text(g->arena, &v->type));
    return NULL;
}

/* What one run of reverse mode answers: first the parameters, then request->grad, then the
 * look-ups of sparse parameters, in whose places nothing else is asked. */
typedef struct questions {
    gr_state **params; int num_params;
    gr_look_ups *look_ups; /* by parameter; none: it is asked for itself */
    gr_value **wrt, **grads; int count, cap;
} questions;

static void ask(gr_graph *g, questions *q, gr_value *v) { *GR_PUSH(g->arena, q->wrt, q->count, q->cap) = v; }

static int ask_params(gr_graph *g, questions *q)
{
    for (int i = 0; i < g->num_states; i++) {
        gr_state *s = g->states[i];
        if (!s->trainable) continue;
        gr_look_ups *l = &q->look_ups[q->num_params];
        q->params[q->num_params++] = s;
        if (s->sparse && !gr_find_look_ups(g, s, l)) return -1;
        ask(g, q, l->count ? l->node[0]->out[0] : s->value);
    }
    return 0;
}

/* The rest of them; what is asked for by name stands between. */
static void ask_look_ups(gr_graph *g, questions *q)
{
    for (int i = 0; i < q->num_params; i++)
        for (int k = 1; k < q->look_ups[i].count; k++) ask(g, q, q->look_ups[i].node[k]->out[0]);
}

static void answer_look_ups(gr_graph *g, questions *q, int next)
{
    for (int i = 0; i < q->num_params; i++) {
        const gr_look_ups *l = &q->look_ups[i];
        if (!l->count) continue;
        gr_value **of = GR_NEW_ARRAY(g->arena, gr_value *, l->count);
        for (int k = 0; k < l->count; k++) of[k] = k ? q->grads[next++] : q->grads[i];
        gr_emitter *e = gr_emitter_create(g, GR_BACKWARD);
        gr_emitter_at(e, gr_arena_printf(g->arena, "%s'", q->params[i]->name), l->node[0]->at);
        q->grads[i] = gr_look_up_gradient(e, q->params[i], l, of);
    }
}

static int ask_names(gr_graph *g, const gr_request *r, questions *q)
{
    for (int i = 0; r->grad[i]; i++) {
        gr_value *v = gr_find_value(g, r->grad[i]);
        if (!v) return -1; /* reported by expand */
        ask(g, q, v);
    }
    return 0;
}

static void answer_names(gr_graph *g, const gr_request *r, gr_value *const *wrt, gr_value **grads)
{
    gr_emitter *e = gr_emitter_create(g, GR_BACKWARD);
    for (int i = 0; r->grad[i]; i++) {
        gr_type t = gr_lift_type(wrt[i]);
        if (!grads[i]) grads[i] = gr_emit_zeros(e, &t);
        gr_graph_add_result(g, g->num_results, gr_arena_printf(g->arena, "grad:%s", r->grad[i]), grads[i]);
    }
}

static questions no_questions(gr_graph *g)
{
    return (questions){.params = GR_NEW_ARRAY(g->arena, gr_state *, g->num_states + 1),
                       .look_ups = GR_NEW_ARRAY(g->arena, gr_look_ups, g->num_states + 1)};
}

/* d(name)/d(...) for the parameters (params) and the names in r->grad (names). */
static int answer(gr_graph *g, const gr_request *r, const char *name, bool params, bool names)
{
    gr_value *of = objective(g, name);
    questions q = no_questions(g);
    if (!of) return -1;
    if (params && ask_params(g, &q) != 0) return -1;
    if (names && ask_names(g, r, &q) != 0) return -1;
    int asked = q.count;
    ask_look_ups(g, &q);
    q.grads = GR_NEW_ARRAY(g->arena, gr_value *, q.count + 1);
    if (differentiate(g, of, q.count, q.wrt, q.grads) != 0) return -1;
    if (names) answer_names(g, r, q.wrt + q.num_params, q.grads + q.num_params);
    answer_look_ups(g, &q, asked);
    if (!params || !r->update) return 0;
    return r->update(r->update_data, gr_emitter_create(g, GR_UPDATE), q.num_params, q.params, q.grads, of);
}

static int sort_all(gr_graph *g)
{
    if (gr_graph_sort(g) != 0) return -1;
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->scan && sort_all(g->nodes[i]->scan->body) != 0) return -1;
    return 0;
}

gr_graph *gr_pass_differentiate(gr_graph *g, const gr_request *r)
{
    const char *of = r->of ? r->of : r->minimize;
    bool names = r->grad && r->grad[0];
    if ((names || r->train) && ad_move_invariants(g) != 0) return NULL;
    if ((names || r->train) && !r->keep_all && gr_cut_loops(g, r->grad, of) != 0) return NULL;
    bool one = names && r->train && strcmp(of, r->minimize) == 0;
    if (names && !one && answer(g, r, of, false, true) != 0) return NULL;
    if (r->train && answer(g, r, r->minimize, true, one) != 0) return NULL;
    if (sort_all(g) != 0) return NULL;
    if (r->keep_all) gr_lift_all(g);
    if (g->num_results > 0) gr_graph_prune(g);
    return g;
}
