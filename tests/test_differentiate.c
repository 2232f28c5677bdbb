/* test_differentiate.c - reverse mode against central differences in double, loops above
 * all: carries, reversed, nested, histories, invariants, values inside. */
#include "eval.h"
#include "pass/pass.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 4, B = 2, F = 3, H = 3 };

typedef struct model {
    gr_arena *arena;
    gr_diag *diag;
    gr_graph *graph;
    gr_emitter *emitter;
    gr_ctx *c;
} model;

static model model_open(void)
{
    model m = {.arena = gr_arena_create()};
    m.diag = gr_diag_create(m.arena);
    m.graph = gr_graph_create(m.arena, gr_registry_create(m.arena), m.diag, GR_FLOAT64);
    m.graph->typed = true;
    m.emitter = gr_emitter_create(m.graph, GR_FORWARD);
    m.c = gr_emitter_ctx(m.emitter);
    return m;
}

/* ---- building ---- */

static gr_val input(model *m, const char *name, const char *shape)
{
    return gr_emit(m->c, "Input", name, 0, NULL, "shape=%s, dtype=float64", shape);
}

static gr_val named(model *m, const char *op, const char *name, gr_val a)
{
    return gr_emit(m->c, op, name, 1, &a, NULL);
}

static gr_val columns(model *m, gr_val v, int from, int to)
{
    return gr_emit(m->c, "Slice", NULL, 1, &v, "dim=-1, start=%d, stop=%d", from, to);
}

static gr_val total(model *m, gr_val v) { return gr_emit1(m->c, "Sum", gr_emit1(m->c, "Square", v)); }

/* The objective "loss": the sum of the squares of all given values. */
static void loss_of(model *m, int n, const gr_val *v)
{
    gr_val sum = total(m, v[0]);
    for (int i = 1; i < n; i++) sum = gr_emit2(m->c, "Add", sum, total(m, v[i]));
    named(m, "Neg", "loss", sum);
}

static gr_val affine(model *m, gr_val x, gr_val w, gr_val h, gr_val u)
{
    return gr_emit2(m->c, "Add", gr_emit2(m->c, "MatMul", x, w), gr_emit2(m->c, "MatMul", h, u));
}

/* ---- values ---- */

/* One element of one input that is not at its usual value. */
typedef struct nudge {
    const char *name;
    int64_t at;
    double by;
} nudge;

static const double *result(const model *m, const char *name, nudge n)
{
    gr_eval *e = eval_create(m->arena, m->graph);
    eval_fill(e);
    if (n.name) ((double *)eval_memory(e, n.name, NULL))[n.at] += n.by;
    CU_ASSERT_EQUAL_FATAL(eval_run(e), 0);
    const gr_tensor *t = eval_result(e, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    return t->data;
}

/* ---- checking ---- */

typedef void (*build_fn)(model *m);

static const gr_value *find_result(const gr_graph *g, const char *name)
{
    for (int i = 0; i < g->num_results; i++)
        if (strcmp(g->result_names[i], name) == 0) return g->results[i];
    return NULL;
}

/* Every stacked value has a reader, every carry too, in all loops. */
static void check_nothing_idle(const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *n = g->nodes[i];
        if (!n->scan) continue;
        for (int j = 0; j < n->scan->stacked; j++)
            CU_ASSERT_TRUE(gr_value_readers(n->out[2 * n->scan->carries + j]) > 0);
        check_nothing_idle(n->scan->body);
    }
}

static model differentiated(build_fn build, const char *const *names, const char *of)
{
    model m = model_open();
    build(&m);
    gr_value *loss = gr_graph_find_name(m.graph, "loss");
    gr_graph_add_result(m.graph, 0, "loss", loss);
    gr_request r = {.grad = names, .of = of};
    m.graph = gr_pass_differentiate(gr_pass_infer(m.graph, &r), &r);
    gr_diag_print(m.diag, stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.graph);
    const char *why = gr_graph_check(m.graph);
    if (why) {
        gr_graph_print(m.graph, stderr);
        fprintf(stderr, "%s\n", why);
    }
    CU_ASSERT_PTR_NULL_FATAL(why);
    check_nothing_idle(m.graph);
    return m;
}

/* Each gradient against central differences of the same graph's loss. */
static void check(build_fn build, const char *const *names)
{
    model m = differentiated(build, names, "loss");
    nudge none = {NULL, 0, 0};
    for (int k = 0; names[k]; k++) {
        const char *name = gr_arena_printf(m.arena, "grad:%s", names[k]);
        const gr_value *v = find_result(m.graph, name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(v);
        const double *g = result(&m, name, none);
        for (int64_t i = 0; i < gr_numel(&v->type); i++) {
            double step = 1e-5;
            double up = *result(&m, "loss", (nudge){names[k], i, step});
            double down = *result(&m, "loss", (nudge){names[k], i, -step});
            double slope = (up - down) / (2 * step);
            if (fabs(slope - g[i]) > 1e-6 * (1 + fabs(slope)))
                fprintf(stderr, "\n  %s[%lld]: gradient %.10g, slope %.10g", names[k], (long long)i, g[i], slope);
            CU_ASSERT_TRUE(fabs(slope - g[i]) <= 1e-6 * (1 + fabs(slope)));
        }
    }
    gr_arena_destroy(m.arena);
}

#define CHECK(build, ...) check(build, (const char *const[]){__VA_ARGS__, NULL})

/* ---- graphs without a loop ---- */

static void build_layers(model *m)
{
    gr_val x = input(m, "x", "[2, 3]"), w = input(m, "w", "[3, 4]"), b = input(m, "b", "[4]");
    gr_val z = gr_emit2(m->c, "Add", gr_emit2(m->c, "MatMul", x, w), b);
    gr_val y = gr_emit2(m->c, "Mul", gr_emit1(m->c, "Tanh", z), columns(m, z, 1, 2));
    loss_of(m, 2, (gr_val[]){y, columns(m, w, 0, 2)});
}

static void layers(void) { CHECK(build_layers, "x", "w", "b"); }

/* ---- loops ---- */

/* h = tanh(x w + h u + b); the loss reads h at every step and the last. */
static void build_rnn_in(model *m, bool reverse)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), w = input(m, "w", "[3, 3]"), u = input(m, "u", "[3, 3]");
    gr_val b = input(m, "b", "[3]"), h0 = input(m, "h0", "[2, 3]"), k = input(m, "k", "[4, 2, 3]");
    gr_loop *l = gr_loop_begin(m->c, "rnn", reverse);
    gr_val xt = gr_loop_slice(m->c, l, "x", x), h = gr_loop_carry(m->c, l, "h", h0);
    gr_val next = named(m, "Tanh", "rnn.next", gr_emit2(m->c, "Add", affine(m, xt, w, h, u), b));
    gr_loop_next(m->c, l, h, next);
    gr_loop_stack(m->c, l, "output", next);
    gr_val last = gr_loop_end(m->c, l), all = gr_output(m->c, last, 2);
    loss_of(m, 2, (gr_val[]){gr_emit2(m->c, "Mul", all, k), last});
}

static void build_rnn(model *m) { build_rnn_in(m, false); }
static void build_reversed(model *m) { build_rnn_in(m, true); }
static void rnn(void) { CHECK(build_rnn, "x", "w", "u", "b", "h0", "k"); }
static void reversed(void) { CHECK(build_reversed, "x", "w", "u", "b", "h0", "k"); }

/* Two carries and gates that are slices of one product, as in an LSTM. */
static void build_gates(model *m)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), w = input(m, "w", "[3, 12]"), u = input(m, "u", "[3, 12]");
    gr_val h0 = input(m, "h0", "[2, 3]"), c0 = input(m, "c0", "[2, 3]");
    gr_loop *l = gr_loop_begin(m->c, "lstm", false);
    gr_val xt = gr_loop_slice(m->c, l, "x", x);
    gr_val h = gr_loop_carry(m->c, l, "h", h0), c = gr_loop_carry(m->c, l, "c", c0);
    gr_val z = affine(m, xt, w, h, u);
    gr_val i = gr_emit1(m->c, "Sigmoid", columns(m, z, 0, 3)), f = gr_emit1(m->c, "Sigmoid", columns(m, z, 3, 6));
    gr_val g = gr_emit1(m->c, "Tanh", columns(m, z, 6, 9)), o = gr_emit1(m->c, "Sigmoid", columns(m, z, 9, 12));
    gr_val c1 = gr_emit2(m->c, "Add", gr_emit2(m->c, "Mul", f, c), gr_emit2(m->c, "Mul", i, g));
    gr_val h1 = gr_emit2(m->c, "Mul", o, gr_emit1(m->c, "Tanh", c1));
    gr_loop_next(m->c, l, h, h1);
    gr_loop_next(m->c, l, c, c1);
    gr_loop_stack(m->c, l, "output", h1);
    gr_val end = gr_loop_end(m->c, l);
    loss_of(m, 2, (gr_val[]){gr_output(m->c, end, 4), gr_output(m->c, end, 1)});
}

static const gr_graph *backward_body(const gr_graph *g)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (g->nodes[i]->scan && g->nodes[i]->phase == GR_BACKWARD) return g->nodes[i]->scan->body;
    return NULL;
}

/* The gradient toward four slices of one product is one concatenation. */
static void gates(void)
{
    CHECK(build_gates, "x", "w", "u", "h0", "c0");
    model m = differentiated(build_gates, (const char *const[]){"w", NULL}, "loss");
    const gr_graph *body = backward_body(m.graph);
    int joined = 0;
    for (int i = 0; i < body->num_nodes; i++) joined += body->nodes[i]->op->role == GR_ROLE_CONCAT;
    CU_ASSERT_EQUAL(joined, 1);
    gr_arena_destroy(m.arena);
}

/* Slices of an invariant with gaps between them, and slices that overlap. */
static void build_slices(model *m)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), w = input(m, "w", "[3, 9]"), h0 = input(m, "h0", "[2, 3]");
    gr_loop *l = gr_loop_begin(m->c, "loop", false);
    gr_val xt = gr_loop_slice(m->c, l, "x", x), h = gr_loop_carry(m->c, l, "h", h0);
    gr_val z = affine(m, xt, columns(m, w, 1, 4), h, columns(m, w, 5, 8));
    gr_val wide = gr_emit2(m->c, "MatMul", z, w);
    gr_val sum = gr_emit2(m->c, "Add", gr_emit1(m->c, "Tanh", columns(m, wide, 2, 5)), columns(m, wide, 4, 7));
    gr_loop_next(m->c, l, h, gr_emit1(m->c, "Tanh", sum));
    loss_of(m, 1, (gr_val[]){gr_loop_end(m->c, l)});
}

static void slices(void) { CHECK(build_slices, "x", "w", "h0"); }

/* Two biases in one sum get one accumulator. */
static void build_biases(model *m)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), a = input(m, "a", "[3]"), b = input(m, "b", "[3]"), h0 = input(m, "h0", "[2, 3]");
    gr_loop *l = gr_loop_begin(m->c, "loop", false);
    gr_val xt = gr_loop_slice(m->c, l, "x", x), h = gr_loop_carry(m->c, l, "h", h0);
    gr_loop_next(m->c, l, h, gr_emit1(m->c, "Tanh", gr_emit(m->c, "Add", NULL, 4, (gr_val[]){xt, a, h, b}, NULL)));
    loss_of(m, 1, (gr_val[]){gr_loop_end(m->c, l)});
}

static void biases(void)
{
    CHECK(build_biases, "x", "a", "b", "h0");
    model m = differentiated(build_biases, (const char *const[]){"a", "b", NULL}, "loss");
    CU_ASSERT_EQUAL(backward_body(m.graph)->owner->scan->carries, 2); /* h', and one sum */
    gr_arena_destroy(m.arena);
}

/* Nodes outside read the whole history; x and u are read inside and outside. */
static void build_history_in(model *m, bool reverse)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), u = input(m, "u", "[3, 3]"), h0 = input(m, "h0", "[2, 3]");
    gr_val k = input(m, "k", "[5, 2, 3]");
    gr_loop *l = gr_loop_begin(m->c, "rnn", reverse);
    gr_val xt = gr_loop_slice(m->c, l, "x", x), h = gr_loop_carry(m->c, l, "h", h0);
    gr_loop_next(m->c, l, h, gr_emit1(m->c, "Tanh", gr_emit2(m->c, "Add", xt, gr_emit2(m->c, "MatMul", h, u))));
    gr_val history = gr_output(m->c, gr_loop_end(m->c, l), 1);
    loss_of(m, 3, (gr_val[]){gr_emit2(m->c, "Mul", history, k), gr_emit2(m->c, "MatMul", x, u), u});
}

static void build_history(model *m) { build_history_in(m, false); }
static void build_history_reversed(model *m) { build_history_in(m, true); }
static void histories(void)
{
    CHECK(build_history, "x", "u", "h0", "k");
    CHECK(build_history_reversed, "x", "u", "h0", "k");
}

/* For each step of the outer loop the inner one runs over three slices and starts from
 * the outer carry; w is read by both bodies, x twice in the inner one. */
static void build_nested(model *m)
{
    gr_val x = input(m, "x", "[2, 3, 2, 3]"), w = input(m, "w", "[3, 3]"), h0 = input(m, "h0", "[2, 3]");
    gr_val s = input(m, "s", "[3]");
    gr_loop *outer = gr_loop_begin(m->c, "outer", false);
    gr_val xo = gr_loop_slice(m->c, outer, "x", x), h = gr_loop_carry(m->c, outer, "h", h0);
    gr_loop *inner = gr_loop_begin(m->c, "inner", true);
    gr_val xi = gr_loop_slice(m->c, inner, "x", xo), a = gr_loop_carry(m->c, inner, "a", h);
    gr_val mixed = gr_emit2(m->c, "Mul", gr_emit1(m->c, "Sigmoid", xi), gr_emit2(m->c, "MatMul", a, w));
    gr_val a1 = gr_emit1(m->c, "Tanh", gr_emit2(m->c, "Add", mixed, gr_emit2(m->c, "Mul", xi, h)));
    gr_loop_next(m->c, inner, a, a1);
    gr_loop_stack(m->c, inner, "all", mixed);
    gr_val end = gr_loop_end(m->c, inner), all = gr_output(m->c, end, 2);
    gr_val h1 = gr_emit1(m->c, "Tanh", gr_emit2(m->c, "MatMul", gr_emit2(m->c, "Mul", end, s), w));
    gr_loop_next(m->c, outer, h, h1);
    gr_loop_stack(m->c, outer, "all", all);
    gr_val last = gr_loop_end(m->c, outer);
    loss_of(m, 2, (gr_val[]){last, gr_output(m->c, last, 2)});
}

static void nested(void) { CHECK(build_nested, "x", "w", "h0", "s"); }

/* A carry that is handed on unchanged, and one that is overwritten at every step. */
static void build_register(model *m)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), a0 = input(m, "a0", "[2, 3]"), b0 = input(m, "b0", "[2, 3]");
    gr_loop *l = gr_loop_begin(m->c, "shift", false);
    gr_val xt = gr_loop_slice(m->c, l, "x", x);
    gr_val a = gr_loop_carry(m->c, l, "a", a0), b = gr_loop_carry(m->c, l, "b", b0);
    gr_loop_next(m->c, l, a, xt);
    gr_loop_next(m->c, l, b, a);
    gr_loop_stack(m->c, l, "y", gr_emit2(m->c, "Mul", b, xt));
    gr_val end = gr_loop_end(m->c, l);
    loss_of(m, 2, (gr_val[]){gr_output(m->c, end, 4), gr_output(m->c, end, 1)});
}

static void shift_register(void) { CHECK(build_register, "x", "a0", "b0"); }

/* p = m w is the same at every step: its gradient is summed up over the steps, and goes
 * through the product once, outside; nothing is stacked for it. */
static void build_constant_in_body(model *m)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), w = input(m, "w", "[3, 3]"), h0 = input(m, "h0", "[2, 3]"), k = input(m, "m", "[3, 3]");
    gr_loop *l = gr_loop_begin(m->c, "loop", false);
    gr_val xt = gr_loop_slice(m->c, l, "x", x), h = gr_loop_carry(m->c, l, "h", h0);
    gr_val half = gr_emit(m->c, "Full", NULL, 0, NULL, "shape=[], value=0.5, dtype=float64");
    gr_val p = gr_emit2(m->c, "MatMul", gr_emit2(m->c, "Mul", k, half), w);
    gr_loop_next(m->c, l, h, gr_emit1(m->c, "Tanh", gr_emit2(m->c, "MatMul", gr_emit2(m->c, "Add", h, xt), p)));
    loss_of(m, 1, (gr_val[]){gr_loop_end(m->c, l)});
}

static int count_op(const gr_graph *g, const char *op)
{
    int n = 0;
    for (int i = 0; i < g->num_nodes; i++) n += strcmp(g->nodes[i]->op->name, op) == 0;
    return n;
}

static void constant_in_body(void)
{
    CHECK(build_constant_in_body, "x", "w", "h0", "m");
    model m = differentiated(build_constant_in_body, (const char *const[]){"w", "m", NULL}, "loss");
    CU_ASSERT_EQUAL(count_op(backward_body(m.graph), "MatMul"), 2); /* toward h and toward p */
    for (int i = 0; i < m.graph->num_nodes; i++)
        if (m.graph->nodes[i]->scan) CU_ASSERT_TRUE(m.graph->nodes[i]->scan->stacked <= 1);
    gr_arena_destroy(m.arena);
}

/* ---- gradients toward values inside ---- */

/* eps is added to the inner value v, so d/d eps is d/d v, stacked. */
static void build_inner(model *m)
{
    gr_val x = input(m, "x", "[4, 2, 3]"), u = input(m, "u", "[3, 3]"), h0 = input(m, "h0", "[2, 3]");
    gr_val eps = input(m, "eps", "[4, 2, 3]");
    gr_loop *l = gr_loop_begin(m->c, "rnn", true);
    gr_val xt = gr_loop_slice(m->c, l, "x", x), et = gr_loop_slice(m->c, l, "eps", eps);
    gr_val h = gr_loop_carry(m->c, l, "h", h0);
    gr_val z = gr_emit2(m->c, "Add", xt, gr_emit2(m->c, "MatMul", h, u));
    gr_val v = gr_emit(m->c, "Add", "rnn.v", 2, (gr_val[]){z, et}, NULL);
    gr_loop_next(m->c, l, h, named(m, "Tanh", "rnn.next", v));
    gr_loop_stack(m->c, l, "output", h);
    gr_val end = gr_loop_end(m->c, l);
    loss_of(m, 2, (gr_val[]){end, gr_output(m->c, end, 2)});
}

static void inner_value(void)
{
    CHECK(build_inner, "eps");
    const char *const names[] = {"eps", "rnn.v", NULL}, *const alone[] = {"rnn.v", NULL};
    model m = differentiated(build_inner, names, "loss"), o = differentiated(build_inner, alone, "loss");
    nudge none = {NULL, 0, 0};
    const double *eps = result(&m, "grad:eps", none), *v = result(&m, "grad:rnn.v", none);
    const double *by_itself = result(&o, "grad:rnn.v", none);
    CU_ASSERT_EQUAL(find_result(m.graph, "grad:rnn.v")->type.rank, 3);
    for (int i = 0; i < T * B * H; i++) {
        CU_ASSERT_DOUBLE_EQUAL(eps[i], v[i], 1e-14);
        CU_ASSERT_DOUBLE_EQUAL(eps[i], by_itself[i], 1e-14);
    }
    CU_ASSERT_TRUE(fabs(v[0]) > 0);
    gr_arena_destroy(m.arena);
    gr_arena_destroy(o.arena);
}

/* ---- corners ---- */

static void unrelated_target(void)
{
    const char *const names[] = {"k", NULL};
    model m = model_open();
    gr_val x = input(&m, "x", "[2]");
    input(&m, "k", "[3, 2]");
    loss_of(&m, 1, &x);
    gr_request r = {.grad = names, .of = "loss"};
    m.graph = gr_pass_differentiate(m.graph, &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.graph);
    CU_ASSERT_EQUAL(gr_numel(&find_result(m.graph, "grad:k")->type), 6);
    const double *g = result(&m, "grad:k", (nudge){NULL, 0, 0});
    for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(g[i], 0.0);
    gr_arena_destroy(m.arena);
}

/* The gradient of an objective that is no scalar is that of its sum; one inside a loop
 * is stacked first. */
static void not_scalar(void)
{
    const char *const names[] = {"u", NULL};
    model m = differentiated(build_inner, names, "rnn.v");
    const gr_value *v = find_result(m.graph, "grad:u");
    const double *g = result(&m, "grad:u", (nudge){NULL, 0, 0});
    model o = model_open();
    build_inner(&o);
    gr_request r = {.fetch = NULL};
    CU_ASSERT_PTR_NOT_NULL_FATAL(gr_pass_infer(o.graph, &r));
    gr_value *inner = gr_graph_find_name(o.graph, "rnn.v");
    gr_node *scan = inner->node->graph->owner;
    gr_val all = gr_scan_stacked(scan, gr_scan_stack(scan, inner, "v"));
    gr_graph_add_result(o.graph, 0, "sum", (gr_value *)(uintptr_t)named(&o, "Sum", "sum", all));
    for (int i = 0; i < gr_numel(&v->type); i++) {
        double up = *result(&o, "sum", (nudge){"u", i, 1e-5}), down = *result(&o, "sum", (nudge){"u", i, -1e-5});
        CU_ASSERT_DOUBLE_EQUAL(g[i], (up - down) / 2e-5, 1e-6);
    }
    gr_arena_destroy(m.arena);
    gr_arena_destroy(o.arena);
}

/* Training: the update gets every trainable state and its gradient once; states stay where they
 * are however many it adds. */
enum { MANY = 100 };
typedef struct seen { int n; bool all; } seen;

static int look(void *data, gr_emitter *e, int n, gr_state **params, gr_value **grads, gr_value *loss)
{
    seen *s = data;
    s->n = n;
    s->all = loss != NULL;
    for (int i = 0; i < n; i++) {
        s->all &= grads[i] && gr_type_equal(&grads[i]->type, &params[i]->value->type);
        gr_state *moment = gr_graph_add_state(gr_emitter_graph(e), gr_arena_printf(gr_emitter_graph(e)->arena, "%s.m", params[i]->name),
                                              &params[i]->value->type, "Zeros");
        for (int k = 0; k < MANY; k++) gr_graph_add_state(gr_emitter_graph(e), "more", &params[i]->value->type, "Zeros");
        params[i]->next = gr_emit_sum(e, params[i]->value, grads[i]);
        moment->next = grads[i];
    }
    return 0;
}

static void training(void)
{
    model m = model_open();
    gr_type t = {.dtype = GR_FLOAT64, .rank = 2, .dim = {3, 3}};
    gr_val x = input(&m, "x", "[2, 3]"), w = gr_parameter(m.c, "w", &t, "Zeros"), u = gr_parameter(m.c, "u", &t, "Zeros");
    gr_val y = gr_emit2(m.c, "MatMul", gr_emit2(m.c, "MatMul", x, w), u);
    loss_of(&m, 1, &y);
    gr_graph_add_result(m.graph, 0, "loss", gr_graph_find_name(m.graph, "loss"));
    seen s = {0, false};
    gr_request r = {.minimize = "loss", .train = true, .update = look, .update_data = &s};
    m.graph = gr_pass_differentiate(gr_pass_infer(m.graph, &r), &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.graph);
    CU_ASSERT_PTR_NULL(gr_graph_check(m.graph));
    CU_ASSERT_EQUAL(s.n, 2);
    CU_ASSERT_TRUE(s.all);
    CU_ASSERT_EQUAL(m.graph->num_states, 4 + 2 * MANY);
    for (int i = 0; i < m.graph->num_states; i++)
        CU_ASSERT_TRUE(m.graph->states[i]->next || strcmp(m.graph->states[i]->name, "more") == 0);
    gr_arena_destroy(m.arena);
}

/* While `loss` trains the parameters, the gradient of another value is asked for. */
static void two_objectives(void)
{
    model m = model_open();
    gr_type t = {.dtype = GR_FLOAT64, .rank = 2, .dim = {3, 3}};
    gr_val x = input(&m, "x", "[2, 3]"), y = gr_emit2(m.c, "MatMul", x, gr_parameter(m.c, "w", &t, "Zeros"));
    loss_of(&m, 1, &y);
    gr_val half = gr_emit(m.c, "Fill", NULL, 0, NULL, "shape=[], value=0.5, dtype=float64");
    gr_emit(m.c, "Mul", "other", 2, (gr_val[]){x, half}, NULL);
    seen s = {0, false};
    gr_request r = {.minimize = "loss", .train = true, .update = look, .update_data = &s,
                    .grad = (const char *const[]){"x", NULL}, .of = "other"};
    m.graph = gr_pass_differentiate(gr_pass_infer(m.graph, &r), &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.graph);
    CU_ASSERT_PTR_NULL(gr_graph_check(m.graph));
    CU_ASSERT_EQUAL(s.n, 1);
    CU_ASSERT_TRUE(s.all);
    const double *g = result(&m, "grad:x", (nudge){NULL, 0, 0});
    for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(g[i], 0.5);
    gr_arena_destroy(m.arena);
}

/* To find what is not finite, every float value is a result under a name of its own. */
static void keeps_all(void)
{
    model m = model_open();
    build_nested(&m);
    const char *const names[] = {"w", NULL};
    gr_request r = {.grad = names, .of = "loss", .keep_all = true};
    m.graph = gr_pass_differentiate(gr_pass_infer(m.graph, &r), &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.graph);
    CU_ASSERT_PTR_NULL(gr_graph_check(m.graph));
    CU_ASSERT_TRUE(m.graph->num_results > 40);
    for (int i = 0; i < m.graph->num_results; i++)
        CU_ASSERT_PTR_EQUAL(find_result(m.graph, m.graph->result_names[i]), m.graph->results[i]);
    result(&m, "grad:w", (nudge){NULL, 0, 0});
    gr_arena_destroy(m.arena);
}

void test_differentiate(void)
{
    CU_pSuite s = CU_add_suite("differentiate", NULL, NULL);
    CU_add_test(s, "products, slices, broadcasts", layers);
    CU_add_test(s, "a recurrent layer", rnn);
    CU_add_test(s, "a reversed one", reversed);
    CU_add_test(s, "two carries and gates", gates);
    CU_add_test(s, "slices with gaps, slices that overlap", slices);
    CU_add_test(s, "two biases of one sum", biases);
    CU_add_test(s, "a history read outside", histories);
    CU_add_test(s, "a loop in a loop", nested);
    CU_add_test(s, "carries handed on and overwritten", shift_register);
    CU_add_test(s, "what is the same at every step is moved out", constant_in_body);
    CU_add_test(s, "a value inside a loop", inner_value);
    CU_add_test(s, "a target that the loss does not depend on", unrelated_target);
    CU_add_test(s, "an objective that is no scalar", not_scalar);
    CU_add_test(s, "parameters and the update", training);
    CU_add_test(s, "two objectives", two_objectives);
    CU_add_test(s, "every value kept", keeps_all);
}
