/* test_stacked.c - two cells stacked in a Scan of a model file are a layer of two: PyTorch's
 * values and gradients, and the same loops after hoisting.
 *
 * tests/golden holds, for the case "l2_b0_f0_i0", inputs, parameters, results and gradients
 * of loss = sum(output * u) + sum(h_n * u_h) + sum(c_n * u_c). */
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE "l2_b0_f0_i0" /* two layers, one direction, time first, from zeros */

enum { MAX_NAMES = 64 };

typedef struct golden {
    gr_arena *a;
    gr_tensors file;
    const char *kind;   /* "lstm" */
} golden;

static const gr_named_tensor *part(const golden *g, const char *fmt, const char *name)
{
    char tail[128];
    snprintf(tail, sizeof tail, fmt, name);
    return gr_tensors_find(&g->file, gr_arena_printf(g->a, CASE "/%s", tail));
}

static bool is_lstm(const golden *g) { return strcmp(g->kind, "lstm") == 0; }

static const char *input_line(const golden *g, const char *name)
{
    const gr_named_tensor *t = part(g, "%s", name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    return gr_arena_printf(g->a, "  %s: {op: Input, shape: [%d, %d, %d]}\n", name, (int)t->dim[0], (int)t->dim[1], (int)t->dim[2]);
}

static const char *inputs_text(const golden *g)
{
    const char *text = gr_arena_printf(g->a, "%s%s%s", input_line(g, "x"), input_line(g, "u"), input_line(g, "u_h"));
    if (is_lstm(g)) text = gr_arena_printf(g->a, "%s%s", text, input_line(g, "u_c"));
    return text;
}

/* loss, from the values called output, h_n and c_n. */
static const char *loss_text(const golden *g, const char *output, const char *h, const char *c)
{
    const char *text = gr_arena_printf(g->a,
        "  ou: {op: Mul, in: [%s, u]}\n  s1: {op: Sum, in: ou}\n"
        "  hu: {op: Mul, in: [%s, u_h]}\n  s2: {op: Sum, in: hu}\n", output, h);
    if (!is_lstm(g)) return gr_arena_printf(g->a, "%s  loss: {op: Add, in: [s1, s2]}\n", text);
    return gr_arena_printf(g->a, "%s  cu: {op: Mul, in: [%s, u_c]}\n  s3: {op: Sum, in: cu}\n"
                           "  loss: {op: Add, in: [s1, s2, s3]}\n", text, c);
}

static const char *layer_model(const golden *g)
{
    return gr_arena_printf(g->a, "graphrun: 1\ngraph:\n%s  rnn: {op: LSTM, in: x, hidden_size: 3, num_layers: 2}\n%s",
                           inputs_text(g), loss_text(g, "rnn.output", "rnn.h_n", "rnn.c_n"));
}

/* ---- one run ---- */

static double distance(const char *what, const void *data, const gr_type *t, const gr_named_tensor *want)
{
    double worst = 0, scale = 1e-3;
    const float *got = data, *expected = want->data;
    bool same = data && t->rank == want->rank;
    for (int i = 0; same && i < t->rank; i++) same = t->dim[i] == want->dim[i];
    if (!same) {
        fprintf(stderr, "%s has another shape, or is missing\n", what);
        return INFINITY;
    }
    for (int64_t i = 0; i < gr_numel(t); i++) {
        double d = fabs((double)got[i] - (double)expected[i]);
        if (!(d <= worst)) worst = d;
        scale = fmax(scale, fabs((double)expected[i]));
    }
    return worst / scale;
}

static void check(const golden *g, const char *what, const void *data, const gr_type *t, const gr_named_tensor *want)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(want);
    double error = distance(what, data, t, want);
    if (!(error < 1e-5)) fprintf(stderr, "%s: %s is off by %.2g\n", g->kind, what, error);
    CU_ASSERT_TRUE(error < 1e-5);
}

/* Pairs: name in the model, name in the golden file. */
typedef struct names {
    const char *model[MAX_NAMES], *file[MAX_NAMES];
    int count;
} names;

static void add_name(names *n, const char *model, const char *file)
{
    CU_ASSERT_FATAL(n->count < MAX_NAMES - 1);
    n->model[n->count] = model;
    n->file[n->count++] = file;
    n->model[n->count] = NULL;
}

static void feed_all(const golden *g, gr_exec *x, const names *params)
{
    static const char *const inputs[] = {"x", "u", "u_h", "u_c", NULL};
    gr_type t;
    for (int i = 0; inputs[i]; i++) {
        void *to = gr_run_feed(x->run, inputs[i], &t);
        if (to) memcpy(to, part(g, "%s", inputs[i])->data, (size_t)gr_numel(&t) * sizeof(float));
    }
    for (int i = 0; i < params->count; i++) {
        void *to = gr_session_state(x->session, params->model[i], &t);
        const gr_named_tensor *from = part(g, "%s", params->file[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(to);
        CU_ASSERT_PTR_NOT_NULL_FATAL(from);
        memcpy(to, from->data, (size_t)gr_numel(&t) * sizeof(float));
    }
}

/* Runs the model and compares results (names) and gradients of params and inputs. */
static void run_model(const golden *g, const char *text, const names *results, const names *params)
{
    gr_session *s = open_model(temp_file("stacked.yaml", "%s", text), 1);
    names wanted = *params;
    add_name(&wanted, "x", "x");
    const gr_want want = {.fetch = results->model, .grad = wanted.model, .of = "loss"};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    if (!x) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    feed_all(g, x, params);
    CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
    gr_type t;
    for (int i = 0; i < results->count; i++) {
        const void *data = gr_run_result(x->run, results->model[i], &t);
        check(g, results->model[i], data, &t, part(g, "%s", results->file[i]));
    }
    for (int i = 0; i < wanted.count; i++) {
        const char *name = gr_arena_printf(g->a, "grad:%s", wanted.model[i]);
        const void *data = gr_run_result(x->run, name, &t);
        check(g, name, data, &t, part(g, "grad:%s", wanted.file[i]));
    }
    gr_session_close(s);
}

static void open_golden(golden *g, const char *kind)
{
    gr_error e;
    *g = (golden){.a = gr_arena_create(), .kind = kind};
    const char *path = gr_arena_printf(g->a, "%s/tests/golden/%s.safetensors", GR_SOURCE_DIR, kind);
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(g->a, path, &g->file, &e), 0);
}

/* ---- two cells in a Scan ---- */

static const char *scan_model(const golden *g)
{
    const char *cell = is_lstm(g) ? "LSTMCell" : strcmp(g->kind, "gru") == 0 ? "GRUCell" : "RNNCell";
    bool c = is_lstm(g);
    return gr_arena_printf(g->a, "graphrun: 1\ngraph:\n%s"
        "  two:\n    op: Scan\n    in: {x: x}\n    carry:\n"
        "      h0: {init: zeros, size: 3, next: low.h}\n"
        "      h1: {init: zeros, size: 3, next: high.h}\n%s"
        "    step:\n"
        "      high: {op: %s, in: {input: low, h: h1%s}, hidden_size: 3}\n"
        "      low: {op: %s, in: {input: x, h: h0%s}, hidden_size: 3}\n"
        "    out: {output: high}\n"
        "  h: {op: Stack, in: [two.h0_n, two.h1_n], dim: 0}\n%s%s",
        inputs_text(g),
        c ? "      c0: {init: zeros, size: 3, next: low.c}\n      c1: {init: zeros, size: 3, next: high.c}\n" : "",
        cell, c ? ", c: c1" : "", cell, c ? ", c: c0" : "",
        c ? "  c: {op: Stack, in: [two.c0_n, two.c1_n], dim: 0}\n" : "", loss_text(g, "two.output", "h", "c"));
}

static void check_scan(const char *kind)
{
    static const char *const parts[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
    golden g;
    open_golden(&g, kind);
    names results = {0}, params = {0};
    add_name(&results, "two.output", "output");
    add_name(&results, "h", "h_n");
    for (int i = 0; i < 8; i++)
        add_name(&params, gr_arena_printf(g.a, "two.%s.%s", i < 4 ? "low" : "high", parts[i % 4]),
                 gr_arena_printf(g.a, "%s_l%d", parts[i % 4], i / 4));
    run_model(&g, scan_model(&g), &results, &params);
    gr_arena_destroy(g.a);
}

static void stacked_cells_are_layers(void)
{
    check_scan("rnn");
    check_scan("lstm");
    check_scan("gru");
}

/* Loops of the graph after hoisting, and the products that are left in them. */
static void count_loops(gr_session *s, int *loops, int *products)
{
    const gr_want want = {.of = "loss"};
    gr_graph *g = gr_session_graph(s, &want, "hoist");
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    *loops = *products = 0;
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_scan *scan = g->nodes[i]->scan;
        *loops += scan != NULL;
        for (int k = 0; scan && k < scan->body->num_nodes; k++)
            *products += (scan->body->nodes[k]->op->traits & GR_CONTRACTION) != 0;
    }
}

/* One loop a cell, and nothing in it but h W_hh^T. */
static void stacked_cells_come_apart(void)
{
    golden g;
    open_golden(&g, "lstm");
    for (int i = 0; i < 2; i++) {
        int loops, products;
        gr_session *s = open_model(temp_file("apart.yaml", "%s", i ? layer_model(&g) : scan_model(&g)), 1);
        count_loops(s, &loops, &products);
        CU_ASSERT_EQUAL(loops, 2);
        CU_ASSERT_EQUAL(products, 2);
        gr_session_close(s);
    }
    gr_arena_destroy(g.a);
}

void test_stacked(void)
{
    CU_pSuite s = CU_add_suite("stacked", NULL, NULL);
    CU_add_test(s, "two cells stacked in a Scan are two layers", stacked_cells_are_layers);
    CU_add_test(s, "and come apart as layers do", stacked_cells_come_apart);
}
