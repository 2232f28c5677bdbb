/* test_ragged.c - batches whose rows end early: the same as each row alone with its own length.
 *
 * Padding of inputs holds NaN throughout, so that reading any of it shows. Parameters start
 * from numbers that depend on their names and shapes alone, so that two models that have the
 * same ones need no copying. tests/test_recurrent.c compares with PyTorch's packed sequences. */
#include "ragged_support.h"
#include "tests.h"
#include "train/gradcheck.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- each row alone ---- */

typedef struct layer {
    const char *op, *attrs;       /* attrs: "hidden_size: 4, num_layers: 2" */
    const char *params[5];        /* "weight_ih", without the layer's suffix */
    const char *state;            /* the carry whose last value is looked at */
    int layers, directions, width; /* width of the last layer */
    bool batch_first;
} layer;

static const layer all_layers[] = {
    {"RNN", "hidden_size: 4", {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}, "h", 1, 1, 4, false},
    {"LSTM", "hidden_size: 4, num_layers: 2, bidirectional: true", {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}, "h", 2, 2, 4, false},
    {"LSTM", "hidden_size: 4, num_layers: 2, bidirectional: true", {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}, "c", 2, 2, 4, true},
    {"LSTM", "hidden_size: 5, proj_size: 2", {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"}, "h", 1, 1, 2, true},
    {"GRU", "hidden_size: 4, num_layers: 2, reset_after: false", {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}, "h", 2, 1, 4, true},
    {"Recurrent", "cell: leaky, hidden_size: 4, bidirectional: true", {"a.weight", "a.bias", "b.weight", "b.bias"}, "s", 1, 2, 4, false},
};

static const char *layer_model(const layer *l, int time, int batch, bool lengths)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "graphrun: 1\nname: rows\n"
             "blocks:\n  leaky:\n    in: [x, s]\n    vars: {hidden_size: 4}\n    graph:\n"
             "      a: {op: Linear, in: x, out_features: $hidden_size}\n      b: {op: Linear, in: s, out_features: $hidden_size}\n"
             "      d: {op: Add, in: [a, b]}\n      e: {op: Tanh, in: d}\n      s2: {op: Add, in: [e, s]}\n    out: {s: s2}\n"
             "graph:\n  x: {op: Input, shape: [%d, %d, %d]}\n%s"
             "  rnn: {op: %s, in: {input: x}%s, %s, batch_first: %s}\n"
             "  sq: {op: Square, in: rnn.output}\n  s1: {op: Sum, in: sq}\n"
             "  q: {op: Square, in: rnn.%s_n}\n  s2: {op: Sum, in: q}\n  loss: {op: Add, in: [s1, s2]}\n",
             l->batch_first ? batch : time, l->batch_first ? time : batch, WIDTH,
             lengths ? "  lengths: {op: Input, shape: [4], dtype: int32}\n" : "", l->op, lengths ? ", lengths: lengths" : "",
             l->attrs, l->batch_first ? "true" : "false", l->state);
    return text;
}

typedef struct names {
    char text[33][64];
    const char *list[34];
    int count;
} names;

/* All parameters, then x. */
static names gradients_of(const layer *l)
{
    names n = {.count = 0};
    for (int i = 0; i < l->layers * l->directions; i++)
        for (int k = 0; k < 5 && l->params[k]; k++)
            snprintf(n.text[n.count++], 64, "rnn.%s_l%d%s", l->params[k], i / l->directions, i % l->directions ? "_reverse" : "");
    snprintf(n.text[n.count++], 64, "x");
    return n;
}

static model compile_layer(const layer *l, names *n, int time, int batch, bool lengths, int threads)
{
    static char state[16];
    static const char *fetch[] = {"rnn.output", state, "loss", NULL};
    snprintf(state, sizeof state, "rnn.%s_n", l->state);
    for (int i = 0; i < n->count; i++) n->list[i] = n->text[i];
    n->list[n->count] = NULL;
    return compile(layer_model(l, time, batch, lengths), threads, fetch, n->list);
}

static void expect_same(const char *what, int row, const float *got, const float *want, int64_t n)
{
    bool same = memcmp(got, want, sizeof *got * (size_t)n) == 0;
    if (!same) fprintf(stderr, "%s of row %d: %g..., alone %g...\n", what, row, (double)got[0], (double)want[0]);
    CU_ASSERT_TRUE(same);
}

/* Outputs and last states of row b have the bits they have alone; beyond its end is zero. */
static void compare_row(const layer *l, const model *all, const model *alone, int b)
{
    static const float zeros[16];
    int wide = l->directions * l->width, states = l->layers * l->directions, length = row_length[b];
    char state[16];
    snprintf(state, sizeof state, "rnn.%s_n", l->state);
    const float *out = result(all, "rnn.output", (int64_t)TIME * BATCH * wide), *want = result(alone, "rnn.output", (int64_t)length * wide);
    for (int t = 0; t < TIME; t++) {
        const float *got = out + (l->batch_first ? b * TIME + t : t * BATCH + b) * wide;
        expect_same(t < length ? "output" : "padding", b, got, t < length ? want + t * wide : zeros, wide);
    }
    int64_t size = strcmp(l->state, "c") == 0 || !strstr(l->attrs, "proj") ? 4 : l->width;
    const float *last = result(all, state, states * BATCH * size), *last_alone = result(alone, state, states * size);
    for (int i = 0; i < states; i++) expect_same("last state", b, last + (i * BATCH + b) * size, last_alone + i * size, size);
    if (l->directions == 1 && strcmp(l->state, "h") == 0) /* the last layer's state is its last output */
        expect_same("last output", b, out + (l->batch_first ? b * TIME + length - 1 : (length - 1) * BATCH + b) * wide,
                    last + ((states - 1) * BATCH + b) * size, size);
}

static void add_gradients(const model *alone, const names *n, double (*sum)[MOST])
{
    for (int i = 0; i + 1 < n->count; i++) {
        char name[80];
        gr_type t;
        snprintf(name, sizeof name, "grad:%s", n->text[i]);
        const float *g = gr_run_result(alone->exec->run, name, &t);
        CU_ASSERT_PTR_NOT_NULL_FATAL(g);
        for (int64_t k = 0; k < gr_numel(&t); k++) sum[i][k] += (double)g[k];
    }
}

static void compare_gradients(const model *all, const names *n, double (*sum)[MOST])
{
    for (int i = 0; i + 1 < n->count; i++) {
        char name[80];
        gr_type t;
        double worst = 0, scale = 1e-3;
        snprintf(name, sizeof name, "grad:%s", n->text[i]);
        const float *g = gr_run_result(all->exec->run, name, &t);
        for (int64_t k = 0; k < gr_numel(&t); k++) {
            double d = fabs((double)g[k] - sum[i][k]);
            worst = isnan(d) ? INFINITY : fmax(worst, d);
            scale = fmax(scale, fabs(sum[i][k]));
        }
        if (!(worst < 1e-5 * scale)) fprintf(stderr, "%s is off by %g of %g\n", name, worst, scale);
        CU_ASSERT_TRUE(worst < 1e-5 * scale);
    }
}

/* The input's gradient is that of the row alone, and zero in the padding. */
static void compare_input_gradient(const layer *l, const model *all, const model *alone, int b)
{
    const float *g = result(all, "grad:x", TIME * BATCH * WIDTH), *want = result(alone, "grad:x", row_length[b] * WIDTH);
    for (int t = 0; t < TIME; t++)
        for (int k = 0; k < WIDTH; k++) {
            float got = g[(l->batch_first ? b * TIME + t : t * BATCH + b) * WIDTH + k];
            if (t < row_length[b]) CU_ASSERT_DOUBLE_EQUAL((double)got, (double)want[t * WIDTH + k], 1e-5)
            else CU_ASSERT_EQUAL(got, 0);
        }
}

static void rows_are_as_alone(void)
{
    static double sum[33][MOST];
    for (size_t i = 0; i < sizeof all_layers / sizeof *all_layers; i++) {
        const layer *l = &all_layers[i];
        names n = gradients_of(l);
        model all = compile_layer(l, &n, TIME, BATCH, true, 1);
        feed_rows(&all, l->batch_first, NAN);
        run(&all);
        memset(sum, 0, sizeof sum);
        for (int b = 0; b < BATCH; b++) {
            model alone = compile_layer(l, &n, row_length[b], 1, false, 1);
            float *x = input(&alone, "x", row_length[b] * WIDTH);
            for (int t = 0; t < row_length[b] * WIDTH; t++) x[t] = real_at(t / WIDTH, b, t % WIDTH);
            run(&alone);
            compare_row(l, &all, &alone, b);
            compare_input_gradient(l, &all, &alone, b);
            add_gradients(&alone, &n, sum);
            gr_session_close(alone.session);
        }
        compare_gradients(&all, &n, sum);
        gr_session_close(all.session);
    }
}

/* ---- bits ---- */

static void padding_and_threads_change_no_bit(void)
{
    static char first[ROOM], other[ROOM];
    const layer *l = &all_layers[1];
    names n = gradients_of(l);
    for (int i = 0; i < 5; i++) {
        static const float padding[] = {NAN, 0, -1e30f, INFINITY, NAN};
        model m = compile_layer(l, &n, TIME, BATCH, true, i < 2 ? 1 : i - 1);
        feed_rows(&m, l->batch_first, padding[i]);
        run(&m);
        int64_t bytes = all_results(&m, i ? other : first);
        if (i) CU_ASSERT_EQUAL(memcmp(first, other, (size_t)bytes), 0);
        gr_session_close(m.session);
    }
}

/* ---- wrong lengths ---- */

static void wrong_lengths_stop_the_run(void)
{
    const layer *l = &all_layers[1];
    char text[2][256];
    names n = gradients_of(l);
    static const struct { int32_t length[BATCH]; const char *says; } wrong[] = {
        {{3, 7, 0, 2}, "'rnn.l0.lengthmask' (LengthMask): the length of row 1 is 7; lengths must be from 1 to 6"},
        {{3, 6, 2, 0}, "the length of row 3 is 0"},
        {{-1, 6, 2, 2000000000}, "the length of row 0 is -1"},
    };
    for (int i = 0; i < 3; i++)
        for (int threads = 1; threads <= 3; threads++) {
            model m = compile_layer(l, &n, TIME, BATCH, true, threads);
            gr_error e = {0};
            feed_rows(&m, l->batch_first, 0);
            memcpy(input(&m, "lengths", BATCH), wrong[i].length, sizeof wrong[i].length);
            CU_ASSERT_EQUAL(gr_exec_step(m.exec, 0, &e), GR_EINVAL);
            CU_ASSERT_PTR_NOT_NULL(strstr(e.message, wrong[i].says));
            if (!strstr(e.message, wrong[i].says)) fprintf(stderr, "%s\n", e.message);
            feed_rows(&m, l->batch_first, 0);
            CU_ASSERT_EQUAL(gr_exec_step(m.exec, 0, &e), 0);
            CU_ASSERT_PTR_NULL(gr_run_fault(m.exec->run, text[0], sizeof text[0]));
            gr_session_close(m.session);
        }
}

/* A step of training that was fed wrong lengths leaves every state as it was. */
static void wrong_lengths_commit_nothing(void)
{
    static const char *const yaml =
        "graphrun: 1\nname: wrong\n"
        "data:\n  op: Inline\n  values:\n    x: [[[1, 2], [2, 1]], [[3, 2], [1, 1]]]\n    lengths: [2, 3]\n"
        "graph:\n  x: {op: Input, shape: [batch, time, 2], from: data.x}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
        "  rnn: {op: GRU, in: x, lengths: lengths, batch_first: true, hidden_size: 3}\n"
        "  sq: {op: Square, in: rnn.output}\n  loss: {op: Sum, in: sq}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 2}\n";
    gr_session *s = open_model(temp_file("wrong.yaml", "%s", yaml), 1);
    const gr_want want = {.update = true, .training = true, .metrics = true};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    gr_type t;
    const float *w = gr_session_state(s, "rnn.weight_hh_l0", &t);
    float before[9];
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), 27);
    memcpy(before, w, sizeof before);
    gr_train_result r;
    gr_train_options o = {.steps = -1, .epochs = -1, .quiet = true, .out = stderr};
    CU_ASSERT_EQUAL(gr_train(s, &o, &r, &e), GR_EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "the length of row 1 is 3; lengths must be from 1 to 2"));
    CU_ASSERT_EQUAL(memcmp(before, w, sizeof before), 0);
    gr_session_close(s);
}

/* ---- Scan ---- */

/* A Scan of a model file that is given lengths, in both directions, over numbers and integers;
 * the step has an input that is called lengths, too. `shape`: of a sequence. */
static const char *scan_model(const char *shape, const char *lengths, bool reverse)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "graphrun: 1\nname: scan\ngraph:\n  x: {op: Input, shape: [%s, 3]}\n  i: {op: Input, shape: [%s], dtype: int32}\n"
             "  other: {op: Constant, value: [0.5]}\n%s"
             "  scan:\n    op: Scan\n    reverse: %s\n%s    in: {x: x, i: i}\n    with: {lengths: other}\n"
             "    carry: {h: {init: zeros, size: 3, next: h2}, n: {init: zeros, size: 1, next: n2}}\n"
             "    step:\n      e: {op: Embedding, in: i, num_embeddings: 5, embedding_dim: 3}\n"
             "      a: {op: Linear, in: [x, h, e], out_features: 3}\n      h2: {op: Tanh, in: a}\n"
             "      n2: {op: Add, in: [n, lengths]}\n"
             "    out: {h: h2, n: n2}\n"
             "  sq: {op: Square, in: scan.h}\n  s1: {op: Sum, in: sq}\n  q: {op: Square, in: scan.h_n}\n  s2: {op: Sum, in: q}\n"
             "  loss: {op: Add, in: [s1, s2]}\n",
             shape, shape, lengths ? "  lengths: {op: Input, shape: [4], dtype: int32}\n" : "", reverse ? "true" : "false",
             lengths ? lengths : "");
    return text;
}

static const char *const scan_fetch[] = {"scan.h", "scan.n", "scan.h_n", "scan.n_n", NULL};

/* Each output of row b against the Scan that has this row alone. */
static void compare_scan_row(const model *all, bool reverse, int b)
{
    static const float zeros[3];
    char shape[32];
    int length = row_length[b];
    snprintf(shape, sizeof shape, "%d, 1", length);
    model alone = compile(scan_model(shape, NULL, reverse), 1, scan_fetch, NULL);
    float *x = input(&alone, "x", length * WIDTH);
    int32_t *id = input(&alone, "i", length);
    for (int t = 0; t < length; t++) {
        for (int k = 0; k < WIDTH; k++) x[t * WIDTH + k] = real_at(t, b, k);
        id[t] = (t + b) % 5;
    }
    run(&alone);
    for (int f = 0; f < 4; f++) {
        int wide = f % 2 ? 1 : 3, steps = f < 2 ? TIME : 1;
        const float *got = result(all, scan_fetch[f], (int64_t)steps * BATCH * wide);
        const float *want = result(&alone, scan_fetch[f], (f < 2 ? length : 1) * wide);
        for (int t = 0; t < steps; t++)
            expect_same(scan_fetch[f], b, got + (t * BATCH + b) * wide, t < (f < 2 ? length : 1) ? want + t * wide : zeros, wide);
    }
    gr_session_close(alone.session);
}

static void scan_rows_are_as_alone(void)
{
    for (int reverse = 0; reverse < 2; reverse++) {
        model all = compile(scan_model("6, 4", "    lengths: lengths\n", reverse), 1 + reverse, scan_fetch, NULL);
        feed_rows(&all, false, NAN);
        int32_t *id = input(&all, "i", TIME * BATCH);
        for (int i = 0; i < TIME * BATCH; i++) id[i] = i / BATCH < row_length[i % BATCH] ? (i / BATCH + i % BATCH) % 5 : -77;
        run(&all);
        for (int b = 0; b < BATCH; b++) compare_scan_row(&all, reverse, b);
        gr_session_close(all.session);
    }
}

/* ---- gradients in double, with NaN nowhere: gradcheck moves inputs ---- */

static void gradients_are_right(void)
{
    static const layer unequal = {"LSTM", "hidden_sizes: [3, 2], bidirectional: true", {0}, "h", 2, 2, 2, true};
    char text[2][2048];
    snprintf(text[0], sizeof text[0], "%s", layer_model(&unequal, TIME, BATCH, true));
    char *last = strstr(text[0], "rnn.h_n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(last);
    memmove(last + 10, last + 7, strlen(last + 7) + 1); /* states of unequal widths: h_n_l0 */
    memcpy(last, "rnn.h_n_l0", 10);
    snprintf(text[1], sizeof text[1], "%s", scan_model("6, 4", "    lengths: lengths\n", true));
    for (int i = 0; i < 2; i++) {
        gr_session_options o = {.model = {.real = GR_FLOAT64}, .threads = 2, .quiet = true};
        gr_error e = {0};
        gr_session *s = gr_session_open(temp_file("check.yaml", "%s", text[i]), &o, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        gr_gradcheck_result r;
        CU_ASSERT_EQUAL(gr_gradcheck(s, "loss", NULL, &r, &e), 0);
        CU_ASSERT_TRUE(r.checked >= 4);
        CU_ASSERT_EQUAL(r.wrong, 0);
        gr_session_close(s);
    }
}

/* ---- what stands in the loop ---- */

/* Products whose node stands in a loop (of any depth) of g, and those outside. */
static void count_products(const gr_graph *g, bool inside, int count[2])
{
    for (int i = 0; i < g->num_nodes; i++) {
        if (g->nodes[i]->scan) count_products(g->nodes[i]->scan->body, true, count);
        count[inside] += (g->nodes[i]->op->traits & GR_CONTRACTION) != 0;
    }
}

static int count_work(const gr_graph *g)
{
    int n = 0;
    for (int i = 0; i < g->num_nodes; i++) n += g->nodes[i]->op->role != GR_ROLE_ARG && !(g->nodes[i]->op->traits & GR_VIEW);
    return n;
}

/* Lengths add no product to a loop, and keep none there that could stand before it; the cell
 * stays one product with an epilogue. */
static void loops_stay_small(void)
{
    int count[2][2] = {{0}};
    for (int i = 0; i < 2; i++) {
        const layer *l = &all_layers[1];
        names n = gradients_of(l);
        model m = compile_layer(l, &n, TIME, BATCH, i == 1, 1);
        count_products(m.exec->graph, false, count[i]);
        for (int k = 0; k < m.exec->graph->num_nodes; k++) {
            const gr_node *node = m.exec->graph->nodes[k];
            if (node->scan && node->phase == GR_FORWARD) CU_ASSERT_EQUAL(count_work(node->scan->body), 1);
        }
        gr_session_close(m.session);
    }
    CU_ASSERT_EQUAL(count[0][true], count[1][true]);
    CU_ASSERT_EQUAL(count[0][false], count[1][false]);
    CU_ASSERT_TRUE(count[0][false] > count[0][true]);
}

/* ---- mistakes ---- */

static void mistakes_are_explained(void)
{
    static const struct { const char *node, *says; } mistake[] = {
        {"rnn: {op: LSTM, in: x, lengths: l5, hidden_size: 2}",
         "lengths must be int32 [batch 4]; an input of [batch, time, features] needs batch_first: true"},
        {"rnn: {op: LSTM, in: x, lengths: f4, hidden_size: 2}", "lengths must be int32, the number of steps of each row, but is float32"},
        {"loss: {op: MSELoss, in: [x, x], lengths: l5}", "with batch_first: false its second axis must be the batch, as that of lengths"},
        {"loss: {op: MSELoss, in: [x, x], lengths: f4}", "lengths must be int32"},
        {"scan: {op: Scan, in: {x: x}, lengths: l5, step: {a: {op: Tanh, in: x}}, out: {a: a}}",
         "lengths is int32 [5], but the slice 'x' is float32 [4, 3] in each step: its first axis must be the batch, as long as lengths"},
        {"scan: {op: Scan, in: {x: x}, lengths: l4, carry: {n: {init: one, next: m}}, step: {s: {op: Sum, in: x}, m: {op: Add, in: [n, s]}}}",
         "but the carry"},
    };
    for (size_t i = 0; i < sizeof mistake / sizeof *mistake; i++) {
        gr_arena *a = gr_arena_create();
        gr_diag *d = gr_diag_create(a);
        gr_error e = {0};
        gr_model_options o = {.real = GR_FLOAT32};
        gr_model *m = gr_model_read(a, temp_file("mistake.yaml",
            "graphrun: 1\ngraph:\n  x: {op: Input, shape: [6, 4, 3]}\n  l4: {op: Input, shape: [4], dtype: int32}\n"
            "  l5: {op: Input, shape: [5], dtype: int32}\n  f4: {op: Input, shape: [4]}\n  one: {op: Constant, value: 1.0}\n  %s\n",
            mistake[i].node), &o, d, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m);
        gr_graph *raw = gr_model_graph(m);
        CU_ASSERT_PTR_NOT_NULL_FATAL(raw);
        const gr_request r = {0};
        CU_ASSERT_PTR_NULL(gr_pass_expand(raw, &r));
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        gr_diag_print(d, f);
        fclose(f);
        CU_ASSERT_EQUAL(gr_diag_count(d), 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, mistake[i].says));
        if (gr_diag_count(d) != 1 || !strstr(text, mistake[i].says)) fprintf(stderr, "%s\n", text);
        free(text);
        gr_arena_destroy(a);
    }
}

void test_ragged(void)
{
    CU_pSuite s = CU_add_suite("ragged", NULL, NULL);
    CU_add_test(s, "rows of a batch are as each alone", rows_are_as_alone);
    CU_add_test(s, "rows of a Scan are as each alone, in both directions", scan_rows_are_as_alone);
    CU_add_test(s, "gradients are differences", gradients_are_right);
    CU_add_test(s, "neither padding nor threads change a bit", padding_and_threads_change_no_bit);
    CU_add_test(s, "lengths add no product to a loop", loops_stay_small);
    CU_add_test(s, "mistakes about lengths are explained", mistakes_are_explained);
    CU_add_test(s, "a length out of range stops the run and names the node", wrong_lengths_stop_the_run);
    CU_add_test(s, "a step with wrong lengths commits nothing", wrong_lengths_commit_nothing);
}
