/* graphs.c - graphs that the tests of passes share, and running them before and after. */
#include "graphs.h"
#include "eval.h"
#include "program/program.h"
#include "program/schedule.h"
#include "run/run.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <string.h>

gr_val test_weight(rig *t, const char *name, int rank, const int64_t *dim)
{
    const gr_val v = rig_state(t, name, rank, dim);
    gr_state *s = gr_graph_find_state(t->g, name);
    s->trainable = s->weight = true;
    return v;
}

static gr_value *value(gr_val v) { return (gr_value *)(uintptr_t)v; }

void test_result(rig *t, const char *name, gr_val v)
{
    rig_result(t, name, v);
    gr_graph_set_name(t->g, name, value(v));
}

/* ---- models ---- */

static gr_val emit(rig *t, const char *op, const char *name, int n, const gr_val *in)
{
    return gr_emit(t->c, op, name, n, in, NULL);
}
static gr_val emit1(rig *t, const char *op, gr_val a) { return emit(t, op, NULL, 1, &a); }
static gr_val emit2(rig *t, const char *op, gr_val a, gr_val b) { return emit(t, op, NULL, 2, (gr_val[]){a, b}); }
static gr_val product(rig *t, const char *name, gr_val x, gr_val w)
{
    return gr_emit(t->c, "MatMul", name, 2, (gr_val[]){x, w}, "transpose_b=true");
}
static gr_val columns(rig *t, gr_val v, int part, int width)
{
    return gr_emit(t->c, "Slice", NULL, 1, &v, "dim=-1, start=%d, stop=%d", part * width, (part + 1) * width);
}
static void mean_square(rig *t, gr_val v)
{
    gr_val square = emit2(t, "Mul", v, v);
    test_result(t, "loss", gr_emit(t->c, "Sum", "loss", 1, &square, NULL));
}

enum { BATCH = 3, IN = 5, HIDDEN = 4, OUT = 6 };

typedef struct lstm_weights {
    gr_val ih, hh, b_ih, b_hh;
} lstm_weights;

static lstm_weights make_weights(rig *t, const char *suffix, int64_t in, int64_t gates)
{
    gr_arena *a = t->a;
    return (lstm_weights){
        test_weight(t, gr_arena_printf(a, "w_ih%s", suffix), 2, (int64_t[]){gates * HIDDEN, in}),
        test_weight(t, gr_arena_printf(a, "w_hh%s", suffix), 2, (int64_t[]){gates * HIDDEN, HIDDEN}),
        test_weight(t, gr_arena_printf(a, "b_ih%s", suffix), 1, (int64_t[]){gates * HIDDEN}),
        test_weight(t, gr_arena_printf(a, "b_hh%s", suffix), 1, (int64_t[]){gates * HIDDEN}),
    };
}

/* h, c after one step of an LSTM. */
static void lstm_step(rig *t, gr_val x, gr_val *h, gr_val *c, lstm_weights w)
{
    gr_val terms[4] = {product(t, "from_x", x, w.ih), w.b_ih, product(t, "from_h", *h, w.hh), w.b_hh};
    gr_val sum = emit(t, "Add", "sum", 4, terms);
    gr_val i = emit1(t, "Sigmoid", columns(t, sum, 0, HIDDEN)), f = emit1(t, "Sigmoid", columns(t, sum, 1, HIDDEN));
    gr_val g = emit1(t, "Tanh", columns(t, sum, 2, HIDDEN)), o = emit1(t, "Sigmoid", columns(t, sum, 3, HIDDEN));
    *c = emit2(t, "Add", emit2(t, "Mul", f, *c), emit2(t, "Mul", i, g));
    *h = emit2(t, "Mul", o, emit1(t, "Tanh", *c));
}

static gr_val zeros(rig *t) { return gr_emit(t->c, "Zeros", NULL, 0, NULL, "shape=[%d, %d], dtype=float64", BATCH, HIDDEN); }

static void build_lstm(rig *t, int64_t steps, bool reverse)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, %d, %d", (int)steps, BATCH, IN));
    gr_val h0 = rig_input(t, "h0", "3, 4"), w_out = test_weight(t, "w_out", 2, (int64_t[]){OUT, HIDDEN});
    lstm_weights w = make_weights(t, "", IN, 4);
    gr_val zero = zeros(t);
    gr_loop *l = gr_loop_begin(t->c, "rnn", reverse);
    gr_val xt = gr_loop_slice(t->c, l, "xt", x);
    gr_val h = gr_loop_carry(t->c, l, "h", h0), c = gr_loop_carry(t->c, l, "c", zero);
    gr_val h1 = h, c1 = c;
    lstm_step(t, xt, &h1, &c1, w);
    gr_loop_next(t->c, l, h, h1);
    gr_loop_next(t->c, l, c, c1);
    gr_val y = product(t, "y", h1, w_out);
    gr_loop_stack(t->c, l, "y", y);
    gr_val last = gr_loop_end(t->c, l);
    gr_val out = gr_output(t->c, last, 4);
    test_result(t, "out", out);
    test_result(t, "c_n", gr_output(t->c, last, 1));
    mean_square(t, out);
}

static void build_lstm_forward(rig *t, int64_t steps) { build_lstm(t, steps, false); }
static void build_lstm_reverse(rig *t, int64_t steps) { build_lstm(t, steps, true); }

static const char *const lstm_grad[] = {"x", "h0", "w_ih", "w_hh", "b_ih", "b_hh", "w_out", NULL};
const test_recipe test_lstm = {build_lstm_forward, lstm_grad};
const test_recipe test_lstm_reverse = {build_lstm_reverse, lstm_grad};

static void build_two_cells(rig *t, int64_t steps)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, %d, %d", (int)steps, BATCH, IN));
    lstm_weights w0 = make_weights(t, "_0", IN, 4), w1 = make_weights(t, "_1", HIDDEN, 4);
    gr_val zero = zeros(t);
    gr_loop *l = gr_loop_begin(t->c, "rnn", false);
    gr_val xt = gr_loop_slice(t->c, l, "xt", x), start[4], next[4];
    const char *const name[4] = {"h_0", "c_0", "h_1", "c_1"};
    for (int i = 0; i < 4; i++) next[i] = start[i] = gr_loop_carry(t->c, l, name[i], zero);
    lstm_step(t, xt, &next[0], &next[1], w0);
    lstm_step(t, next[0], &next[2], &next[3], w1);
    for (int i = 0; i < 4; i++) gr_loop_next(t->c, l, start[i], next[i]);
    gr_loop_stack(t->c, l, "y", next[2]);
    gr_val out = gr_output(t->c, gr_loop_end(t->c, l), 8);
    test_result(t, "out", out);
    mean_square(t, out);
}

static const char *const two_grad[] = {"x", "w_ih_0", "w_hh_0", "b_ih_0", "w_ih_1", "w_hh_1", "b_hh_1", NULL};
const test_recipe test_two_cells = {build_two_cells, two_grad};

/* f = sigmoid(x Wf + h Uf), c = tanh(x Wc + (f h) Uc), h' = h + f (c - h) */
static void build_minimal_gated(rig *t, int64_t steps)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, %d, %d", (int)steps, BATCH, IN));
    lstm_weights f = make_weights(t, "_f", IN, 1), c = make_weights(t, "_c", IN, 1);
    gr_val zero = zeros(t);
    gr_loop *l = gr_loop_begin(t->c, "rnn", false);
    gr_val xt = gr_loop_slice(t->c, l, "xt", x), h = gr_loop_carry(t->c, l, "h", zero);
    gr_val fs[3] = {product(t, "fx", xt, f.ih), product(t, "fh", h, f.hh), f.b_ih};
    gr_val gate = emit1(t, "Sigmoid", emit(t, "Add", NULL, 3, fs));
    gr_val cs[3] = {product(t, "cx", xt, c.ih), product(t, "ch", emit2(t, "Mul", gate, h), c.hh), c.b_ih};
    gr_val candidate = emit1(t, "Tanh", emit(t, "Add", NULL, 3, cs));
    gr_val h1 = emit2(t, "Add", h, emit2(t, "Mul", gate, emit2(t, "Sub", candidate, h)));
    gr_loop_next(t->c, l, h, h1);
    gr_loop_stack(t->c, l, "y", h1);
    gr_val out = gr_output(t->c, gr_loop_end(t->c, l), 2);
    test_result(t, "out", out);
    mean_square(t, out);
}

static const char *const gated_grad[] = {"x", "w_ih_f", "w_hh_f", "b_ih_f", "w_ih_c", "w_hh_c", "b_ih_c", NULL};
const test_recipe test_minimal_gated = {build_minimal_gated, gated_grad};

/* ---- passes ---- */

rig test_graph_after(const test_recipe *m, int64_t steps, gr_pass_fn const *passes)
{
    rig t = rig_create(GR_FLOAT64);
    gr_request r = {.grad = m->grad, .of = "loss"};
    m->build(&t, steps);
    if (m->grad) t.g = gr_pass_differentiate(t.g, &r);
    for (int i = 0; t.g && passes[i]; i++) {
        t.g = passes[i](t.g, &r);
        const char *why = t.g ? gr_graph_check(t.g) : "no graph";
        if (why) {
            CU_FAIL("the graph's invariants hold");
            printf("    %s\n", why);
            if (t.g) gr_graph_print(t.g, stdout);
            break;
        }
    }
    CU_ASSERT_EQUAL(gr_diag_count(t.d), 0);
    if (gr_diag_count(t.d)) gr_diag_print(t.d, stdout);
    return t;
}

int test_count(const gr_graph *g, const char *op, bool deep)
{
    int n = 0;
    for (int i = 0; i < g->num_nodes; i++) {
        n += !op || strcmp(g->nodes[i]->op->name, op) == 0;
        if (deep && g->nodes[i]->scan) n += test_count(g->nodes[i]->scan->body, op, true);
    }
    return n;
}

gr_node *test_find(const gr_graph *g, const char *op, int which)
{
    for (int i = 0; i < g->num_nodes; i++)
        if (strcmp(g->nodes[i]->op->name, op) == 0 && which-- == 0) return g->nodes[i];
    return NULL;
}

/* ---- values ---- */

/* Numbers that depend on the name and the place alone. */
static void fill(const char *name, double *to, const gr_type *t)
{
    uint64_t s = 1469598103934665603u;
    for (; *name; name++) s = (s ^ (uint8_t)*name) * 1099511628211u;
    for (int64_t i = 0; i < gr_numel(t); i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        to[i] = (double)(int64_t)(s >> 33) / 2147483648.0 - 0.5;
    }
}

typedef struct running {
    gr_store *store;
    gr_pool *pool;
    gr_run *run;
} running;

static running start(rig *t)
{
    running r = {.store = gr_store_create(&gr_system_memory)};
    gr_error e = {0};
    gr_program *p = gr_program_create(t->a, t->g, &e);
    gr_topology *machine = gr_topology_get(t->a, NULL, &e);
    gr_schedule *s = p && machine ? gr_schedule_create(t->a, p, machine, 1, &e) : NULL;
    r.pool = s ? gr_pool_create(&gr_system_memory, machine, 1, &e) : NULL;
    for (int i = 0; i < t->g->num_states; i++) {
        gr_state *state = t->g->states[i];
        double *data = gr_store_get(r.store, state->name, &state->value->type, NULL, &e);
        fill(state->name, data, &state->value->type);
    }
    r.run = r.pool ? gr_run_create(p, s, r.pool, r.store, 1, &e) : NULL;
    CU_ASSERT_PTR_NOT_NULL(r.run);
    if (!r.run) {
        printf("    %s\n", e.message);
        return r;
    }
    for (int i = 0; i < t->g->num_nodes; i++) {
        const gr_node *n = t->g->nodes[i];
        gr_type type;
        void *feed = n->op->role == GR_ROLE_INPUT ? gr_run_feed(r.run, n->name, &type) : NULL;
        if (feed) fill(n->name, feed, &type);
    }
    CU_ASSERT_EQUAL(gr_run_step(r.run, 0), 0);
    return r;
}

static void stop(running *r)
{
    gr_run_destroy(r->run);
    gr_pool_destroy(r->pool);
    gr_store_destroy(r->store);
}

static void compare(const char *name, const running *a, const running *b)
{
    gr_type ta, tb;
    const double *x = gr_run_result(a->run, name, &ta), *y = gr_run_result(b->run, name, &tb);
    CU_ASSERT_FATAL(x && y && gr_type_equal(&ta, &tb));
    double worst = 0, size = 0;
    for (int64_t i = 0; i < gr_numel(&ta); i++) {
        double d = fabs(x[i] - y[i]);
        worst = d > worst || isnan(d) ? d : worst;
        size = fabs(x[i]) > size ? fabs(x[i]) : size;
    }
    CU_ASSERT(size > 0 && worst <= 1e-12 * (1 + size));
    if (!(worst <= 1e-12 * (1 + size)) || !(size > 0)) printf("    %s: differs by %g of %g; %g and %g\n", name, worst, size, x[0], y[0]);
}

/* The plain interpreter's values of the graph that no pass touched. */
static void same_by_interpreter(const test_recipe *m, int64_t steps, gr_pass_fn const *passes)
{
    gr_pass_fn const none[] = {NULL};
    rig before = test_graph_after(m, steps, none), after = test_graph_after(m, steps, passes);
    double worst = eval_compare(before.a, before.g, after.g);
    CU_ASSERT(worst >= 0 && worst <= 1e-12);
    if (!(worst >= 0 && worst <= 1e-12)) printf("    the interpreter differs by %g\n", worst);
    rig_destroy(&before);
    rig_destroy(&after);
}

void test_same_values(const test_recipe *m, int64_t steps, gr_pass_fn const *passes)
{
    same_by_interpreter(m, steps, passes);
    gr_pass_fn const plain[] = {gr_pass_layout, NULL};
    rig before = test_graph_after(m, steps, plain), after = test_graph_after(m, steps, passes);
    running a = start(&before), b = start(&after);
    if (a.run && b.run) {
        CU_ASSERT_EQUAL(before.g->num_results, after.g->num_results);
        for (int i = 0; i < before.g->num_results; i++) compare(before.g->result_names[i], &a, &b);
    }
    stop(&a);
    stop(&b);
    rig_destroy(&before);
    rig_destroy(&after);
}
