/* test_ragged.c - batches whose rows end early: the same as each row alone with its own length.
 *
 * Padding of inputs holds NaN throughout, so that reading any of it shows. Parameters start
 * from numbers that depend on their names and shapes alone, so that two models that have the
 * same ones need no copying. tests/test_recurrent.c compares with PyTorch's packed sequences. */
#include "tests.h"
#include "train/gradcheck.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 6, BATCH = 4, WIDTH = 3, MOST = 4096 };

static const int32_t row_length[BATCH] = {3, 6, 1, 4};

/* ---- models ---- */

typedef struct model {
    gr_session *session;
    gr_exec *exec;
} model;

static model compile(const char *text, int threads, const char *const *fetch, const char *const *grad)
{
    model m = {.session = open_model(temp_file("ragged.yaml", "%s", text), threads)};
    const gr_want want = {.fetch = fetch, .grad = grad, .of = grad ? "loss" : NULL};
    gr_error e = {0};
    m.exec = gr_session_compile(m.session, &want, &e);
    if (!m.exec) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.exec);
    return m;
}

static void *input(const model *m, const char *name, int64_t count)
{
    gr_type t;
    void *to = gr_run_feed(m->exec->run, name, &t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), count);
    return to;
}

static const float *result(const model *m, const char *name, int64_t count)
{
    gr_type t;
    const float *data = gr_run_result(m->exec->run, name, &t);
    if (!data) fprintf(stderr, "no result %s\n", name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), count);
    return data;
}

/* What row b has at step t; what stands in the padding besides. */
static float real_at(int t, int b, int k) { return sinf((float)(1 + k + 7 * t + 31 * b)); }

/* x [time, batch, WIDTH], or with batch first. */
static void feed_rows(const model *m, bool batch_first, float padding)
{
    float *x = input(m, "x", TIME * BATCH * WIDTH);
    int32_t *lengths = input(m, "lengths", BATCH);
    memcpy(lengths, row_length, sizeof row_length);
    for (int t = 0; t < TIME; t++)
        for (int b = 0; b < BATCH; b++)
            for (int k = 0; k < WIDTH; k++)
                x[((batch_first ? b * TIME + t : t * BATCH + b)) * WIDTH + k] = t < row_length[b] ? real_at(t, b, k) : padding;
}

static void run(const model *m) { CU_ASSERT_EQUAL(gr_run_step(m->exec->run, 0), 0); }

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

/* A run's results, gradients included, end to end. */
static int64_t all_results(const model *m, char *to)
{
    int64_t used = 0;
    for (int i = 0; i < m->exec->graph->num_results; i++) {
        gr_type t;
        const void *data = gr_run_result(m->exec->run, m->exec->graph->result_names[i], &t);
        int64_t bytes = gr_numel(&t) * (int64_t)gr_dtype_size(t.dtype);
        CU_ASSERT_FATAL(used + bytes < 1 << 18);
        memcpy(to + used, data, (size_t)bytes);
        used += bytes;
    }
    return used;
}

static void padding_and_threads_change_no_bit(void)
{
    static char first[1 << 18], other[1 << 18];
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

/* ---- losses and metrics ---- */

enum { REAL_STEPS = 3 + 6 + 1 + 4, CLASSES = 3 };

typedef struct loss {
    const char *op, *attrs;
    bool classes;          /* targets are numbers of classes */
    bool shares;           /* input and target are from 0 to 1 */
} loss;

static const loss all_losses[] = {
    {"CrossEntropyLoss", "", true, false}, {"CrossEntropyLoss", ", label_smoothing: 0.1, ignore_index: 2", true, false},
    {"NLLLoss", "", true, false}, {"MSELoss", "", false, false}, {"L1Loss", "", false, false},
    {"SmoothL1Loss", ", beta: 0.3", false, false}, {"HuberLoss", ", delta: 0.3", false, false},
    {"BCELoss", "", false, true}, {"BCEWithLogitsLoss", "", false, true}, {"KLDivLoss", "", false, true},
    {"KLDivLoss", ", log_target: true", false, false},
};

static const char *loss_model(const loss *l, const char *reduction, const char *axes, const char *more)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "graphrun: 1\nname: losses\ngraph:\n  x: {op: Input, shape: [%s, 3]}\n  y: {op: Input, shape: [%s%s]%s}\n"
             "  lengths: {op: Input, shape: [4], dtype: int32}\n"
             "  each: {op: %s, in: {input: x, target: y}%s, reduction: %s%s}\n  loss: {op: Sum, in: each}\n",
             axes, axes, l->classes ? "" : ", 3", l->classes ? ", dtype: int32" : "", l->op, l->attrs, reduction, more);
    return text;
}

/* Element k of step t of row b, as prediction or target. */
static float value_at(const loss *l, int t, int b, int k, bool target)
{
    float v = sinf((float)(3 + k + 5 * t + 17 * b + (target ? 40 : 0)));
    return l->shares ? 0.5f + 0.45f * v : v;
}

static void put_step(const loss *l, const model *m, int at, int t, int b)
{
    float *x = gr_run_feed(m->exec->run, "x", NULL), *y = gr_run_feed(m->exec->run, "y", NULL);
    bool real = t < row_length[b];
    for (int k = 0; k < 3; k++) x[3 * at + k] = real ? value_at(l, t, b, k, false) : NAN;
    if (l->classes) ((int32_t *)(void *)y)[at] = real ? (t + 2 * b) % CLASSES : 1000000;
    else for (int k = 0; k < 3; k++) y[3 * at + k] = real ? value_at(l, t, b, k, true) : NAN;
}

/* The loss of a ragged batch and the one of its real steps in one row. */
static void compare_loss(const loss *l, const char *reduction, bool batch_first)
{
    static const char *const grad[] = {"x", NULL}, *const fetch[] = {"each", NULL};
    model real = compile(loss_model(l, reduction, "14", ""), 1, fetch, grad);
    model all = compile(loss_model(l, reduction, batch_first ? "4, 6" : "6, 4",
                                   batch_first ? ", lengths: lengths, batch_first: true" : ", lengths: lengths"), 2, fetch, grad);
    memcpy(input(&all, "lengths", BATCH), row_length, sizeof row_length);
    int n = 0, place[REAL_STEPS];
    bool padding[TIME * BATCH] = {false};
    for (int b = 0; b < BATCH; b++)
        for (int t = 0; t < TIME; t++) {
            int at = batch_first ? b * TIME + t : t * BATCH + b;
            put_step(l, &all, at, t, b);
            padding[at] = t >= row_length[b];
            if (padding[at]) continue;
            put_step(l, &real, n, t, b);
            place[n++] = at;
        }
    run(&real);
    run(&all);
    gr_type t, want_type;
    const float *each = gr_run_result(all.exec->run, "each", &t), *want = gr_run_result(real.exec->run, "each", &want_type);
    const float *g = result(&all, "grad:x", TIME * BATCH * 3), *want_g = result(&real, "grad:x", REAL_STEPS * 3);
    double worst = 0;
    int wide = strcmp(reduction, "none") != 0 ? 0 : l->classes ? 1 : 3;
    if (!wide) worst = fabs((double)each[0] - (double)want[0]) / fabs((double)want[0]);
    for (int i = 0; i < REAL_STEPS; i++) {
        for (int k = 0; k < wide; k++) worst += fabs((double)each[place[i] * wide + k] - (double)want[i * wide + k]);
        for (int k = 0; k < 3; k++) worst += fabs((double)g[place[i] * 3 + k] - (double)want_g[i * 3 + k]);
    }
    for (int i = 0; i < TIME * BATCH; i++) {
        if (!padding[i]) continue;
        for (int k = 0; k < wide; k++) worst += fabs((double)each[i * wide + k]);
        for (int k = 0; k < 3; k++) worst += fabs((double)g[i * 3 + k]);
    }
    if (!(worst < 1e-5)) fprintf(stderr, "%s %s %s%s: %g\n", l->op, l->attrs, reduction, batch_first ? " batch first" : "", worst);
    CU_ASSERT_TRUE(worst < 1e-5);
    gr_session_close(all.session);
    gr_session_close(real.session);
}

static void losses_leave_padding_out(void)
{
    static const char *const reductions[] = {"none", "sum", "mean"};
    for (size_t i = 0; i < sizeof all_losses / sizeof *all_losses; i++)
        for (int k = 0; k < 6; k++) compare_loss(&all_losses[i], reductions[k % 3], k >= 3);
}

/* Metrics of a model that is evaluated on ragged data, and on its real steps in one row. */
static void metrics_leave_padding_out(void)
{
    static const char *const data[] = {
        "    x: [[[1, 2, 0], [2, 1, 0], [0, 0, 1]], [[3, 2, 1], [0, 9, 0], [7, 0, 0]]]\n    y: [[0, 0, 1], [0, 7, 7]]\n"
        "    z: [[[1, 1, 1], [2, 2, 0], [0, 0, 0]], [[1, 2, 1], [0, 0, 9], [1, 2, 3]]]\n    lengths: [3, 1]\n",
        "    x: [[[1, 2, 0], [2, 1, 0], [0, 0, 1], [3, 2, 1]]]\n    y: [[0, 0, 1, 0]]\n"
        "    z: [[[1, 1, 1], [2, 2, 0], [0, 0, 0], [1, 2, 1]]]\n    lengths: [4]\n"};
    double value[2][8];
    for (int i = 0; i < 2; i++) {
        gr_session *s = open_model(temp_file("metrics.yaml",
            "graphrun: 1\nname: metrics\ndata:\n  op: Inline\n  values:\n%s"
            "graph:\n  x: {op: Input, shape: [batch, time, 3], from: data.x}\n"
            "  y: {op: Input, shape: [batch, time], dtype: int32, from: data.y}\n"
            "  z: {op: Input, shape: [batch, time, 3], from: data.z}\n"
            "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
            "  loss: {op: CrossEntropyLoss, in: [x, y], lengths: lengths, batch_first: true}\n"
            "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 1}\n"
            "metrics: [perplexity, bits_per_char, accuracy, {op: MAE, in: [x, z], lengths: lengths, batch_first: true},\n"
            "  {op: RMSE, in: {input: x, target: z, lengths: lengths}, batch_first: true}, {op: TokenF1}]\n", data[i]), 1);
        gr_meter *m = gr_meter_create(s);
        gr_error e = {0};
        CU_ASSERT_EQUAL(gr_evaluate(s, "train", m, NULL, &e), 0);
        value[i][0] = gr_meter_loss(m);
        CU_ASSERT_EQUAL_FATAL(s->recipe->num_metrics, 6);
        for (int k = 0; k < 6; k++) value[i][1 + k] = gr_meter_value(m, s->recipe, k);
        gr_session_close(s);
    }
    for (int k = 0; k < 7; k++) CU_ASSERT_DOUBLE_EQUAL(value[0][k], value[1][k], 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(value[0][3], 0.5, 1e-6); /* accuracy: rows 2 and 4 of 4 */
}

/* ---- programs of other lengths ---- */

static gr_exec *of_length(gr_session *s, int64_t time)
{
    static const char *const grad[] = {"x", "rnn.weight_hh_l0", NULL}, *const fetch[] = {"rnn.output", NULL};
    const gr_axis_size axes[] = {{"time", time}, {"batch", BATCH}};
    const gr_want want = {.fetch = fetch, .grad = grad, .of = "loss", .axes = axes, .num_axes = 2};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    float *data = gr_run_feed(x->run, "x", NULL);
    for (int64_t i = 0; i < time * BATCH * WIDTH; i++) data[i] = real_at((int)i, (int)time, 0);
    return x;
}

/* Programs use the same memory in turn, but neither what a run was fed nor what it gave is lost
 * when another runs. */
static void programs_share_a_workspace(void)
{
    static char first[3][1 << 18], again[1 << 18];
    static const int64_t length[3] = {7, 3, 12};
    gr_session *s = open_model(temp_file("share.yaml",
        "graphrun: 1\nname: share\ngraph:\n  x: {op: Input, shape: [time, batch, 3]}\n"
        "  rnn: {op: LSTM, in: x, hidden_size: 40, num_layers: 2}\n  sq: {op: Square, in: rnn.output}\n"
        "  loss: {op: Sum, in: sq}\n"), 2);
    model m[3];
    int64_t bytes[3];
    size_t workspace[3];
    for (int i = 0; i < 3; i++) {
        m[i] = (model){s, of_length(s, length[i])};
        workspace[i] = gr_store_workspace_bytes(s->store);
        run(&m[i]);
        bytes[i] = all_results(&m[i], first[i]);
    }
    CU_ASSERT_EQUAL(workspace[0], workspace[1]); /* 7 has room for 3 */
    CU_ASSERT_TRUE(workspace[1] < workspace[2]);
    CU_ASSERT_TRUE(workspace[0] >= m[0].exec->program->arena_bytes);
    CU_ASSERT_TRUE(workspace[2] < 3 * (m[2].exec->program->arena_bytes + 3 * (m[2].exec->program->scratch_bytes + 8192)));
    for (int turn = 0; turn < 6; turn++)
        for (int i = 0; i < 3; i++) {
            CU_ASSERT_EQUAL(all_results(&m[i], again), bytes[i]); /* of its last run, though others ran since */
            CU_ASSERT_EQUAL(memcmp(first[i], again, (size_t)bytes[i]), 0);
            run(&m[(i + turn) % 3]);
        }
    gr_session_close(s);
}

/* Lines of 1 to 12 letters. */
static const char *lines_model(void)
{
    FILE *f = fopen(temp_path("ragged.txt"), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (int i = 0; i < 40; i++) {
        for (int k = 0; k <= i * 7 % 12; k++) fputc('a' + (i * k + k * k) % 9, f);
        fputc('\n', f);
    }
    fclose(f);
    return temp_file("lines.yaml",
        "graphrun: 1\nname: lines\ndata: {op: Lines, path: ragged.txt, bucket: 4}\n"
        "vars: {batch: 4}\n"
        "graph:\n  x: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  y: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
        "  e: {op: Embedding, in: x, num_embeddings: $data.vocab, embedding_dim: 5}\n"
        "  rnn: {op: GRU, in: e, lengths: lengths, hidden_size: 6}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: [logits, y], lengths: lengths}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 3}\n");
}

/* Programs that are dropped and made again change no bit, and there are never many. */
static void programs_are_dropped(void)
{
    const char *path = lines_model();
    float weight[2][18 * 6];
    int programs[2];
    for (int i = 0; i < 2; i++) {
        gr_session *s = open_model(path, 1);
        s->keep_bytes = i;
        gr_train_result r;
        gr_train_options o = {.steps = -1, .epochs = -1, .quiet = true, .out = fopen("/dev/null", "w")};
        gr_error e = {0};
        CU_ASSERT_EQUAL(gr_train(s, &o, &r, &e), 0);
        fclose(o.out);
        gr_type t;
        const void *w = gr_session_state(s, "rnn.weight_hh_l0", &t);
        CU_ASSERT_PTR_NOT_NULL_FATAL(w);
        memcpy(weight[i], w, sizeof weight[i]);
        programs[i] = s->num_execs;
        gr_session_close(s);
    }
    CU_ASSERT_TRUE(programs[0] > 5);
    CU_ASSERT_TRUE(programs[1] <= 3);
    CU_ASSERT_EQUAL(memcmp(weight[0], weight[1], sizeof weight[0]), 0);
}

void test_ragged(void)
{
    CU_pSuite s = CU_add_suite("ragged", NULL, NULL);
    CU_add_test(s, "rows of a batch are as each alone", rows_are_as_alone);
    CU_add_test(s, "neither padding nor threads change a bit", padding_and_threads_change_no_bit);
    CU_add_test(s, "losses leave padding out, as do their gradients", losses_leave_padding_out);
    CU_add_test(s, "metrics leave padding out", metrics_leave_padding_out);
    CU_add_test(s, "programs of other lengths share a workspace", programs_share_a_workspace);
    CU_add_test(s, "programs are dropped where they need much memory", programs_are_dropped);
    CU_add_test(s, "a length out of range stops the run and names the node", wrong_lengths_stop_the_run);
    CU_add_test(s, "a step with wrong lengths commits nothing", wrong_lengths_commit_nothing);
}
