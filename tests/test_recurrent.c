/* test_recurrent.c - RNN, LSTM and GRU against PyTorch: values and every gradient, for 1 to 3
 * layers, one and two directions, batch or time first, initial states given or not, and of
 * ragged batches with NaN in their padding.
 *
 * The golden files are made by tools/golden/recurrent.py, which says what they hold. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 4, INPUT = 3, HIDDEN = 3, MAX_NAMES = 64 };

typedef struct golden_case {
    const char *op;
    int layers, bidirectional, batch_first, initial;
    int batch;
    bool lstm, ragged;
    const gr_tensors *tensors;
    char prefix[32];
    gr_session *session;
    gr_exec *exec;
    double worst; /* relative to the largest element of a tensor */
} golden_case;

static const char *shape_text(const golden_case *g)
{
    static char text[64];
    snprintf(text, sizeof text, "[%d, %d, %d]", g->layers * (1 + g->bidirectional), g->batch, HIDDEN);
    return text;
}

static const char *write_model(const golden_case *g)
{
    int wide = HIDDEN * (1 + g->bidirectional), first = g->batch_first ? g->batch : TIME, second = g->batch_first ? TIME : g->batch;
    char states[256] = "", inputs[64] = "", last[256] = "", lengths[64] = "";
    const char *s = shape_text(g);
    if (g->initial) {
        snprintf(states, sizeof states, "  h_0: {op: Input, shape: %s}\n  c_0: {op: Input, shape: %s}\n", s, s);
        snprintf(inputs, sizeof inputs, ", h_0: h_0%s", g->lstm ? ", c_0: c_0" : "");
        if (!g->lstm) snprintf(states, sizeof states, "  h_0: {op: Input, shape: %s}\n", s);
    }
    if (g->ragged) snprintf(lengths, sizeof lengths, "  lengths: {op: Input, shape: [%d], dtype: int32}\n", g->batch);
    if (g->lstm)
        snprintf(last, sizeof last, "  u_c: {op: Input, shape: %s}\n  pc: {op: Mul, in: [rnn.c_n, u_c]}\n  sc: {op: Sum, in: pc}\n", s);
    return temp_file("recurrent.yaml",
                     "graphrun: 1\nname: golden\ngraph:\n  x: {op: Input, shape: [%d, %d, %d]}\n%s%s"
                     "  rnn: {op: %s, in: {input: x%s}%s, hidden_size: %d, num_layers: %d, bidirectional: %s, batch_first: %s}\n"
                     "  u: {op: Input, shape: [%d, %d, %d]}\n  u_h: {op: Input, shape: %s}\n"
                     "  p: {op: Mul, in: [rnn.output, u]}\n  s: {op: Sum, in: p}\n"
                     "  ph: {op: Mul, in: [rnn.h_n, u_h]}\n  sh: {op: Sum, in: ph}\n%s"
                     "  loss: {op: Add, in: [s, sh%s]}\n",
                     first, second, INPUT, states, lengths, g->op, inputs, g->ragged ? ", lengths: lengths" : "", HIDDEN, g->layers, g->bidirectional ? "true" : "false",
                     g->batch_first ? "true" : "false", first, second, wide, s, last, g->lstm ? ", sc" : "");
}

static const gr_named_tensor *golden(const golden_case *g, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", g->prefix, name);
    const gr_named_tensor *t = gr_tensors_find(g->tensors, path);
    if (!t) fprintf(stderr, "the golden file has no %s\n", path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    return t;
}

static int64_t count(const gr_named_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

static void compare(golden_case *g, const char *what, const float *got, const gr_named_tensor *want)
{
    const float *w = want->data;
    double largest = 1e-3, error = 0;
    for (int64_t i = 0; i < count(want); i++) {
        largest = fmax(largest, fabs((double)w[i]));
        double d = fabs((double)got[i] - (double)w[i]);
        error = isnan(d) ? INFINITY : fmax(error, d);
    }
    if (!(error / largest < 1e-5)) fprintf(stderr, "%s %s %s: %g of %g\n", g->op, g->prefix, what, error, largest);
    g->worst = fmax(g->worst, error / largest);
}

/* The names of the case's tensors behind `begin`: parameters, or what gradients there are. */
static int names_of(const golden_case *g, const char *begin, const char **names)
{
    size_t n = strlen(g->prefix);
    int found = 0;
    for (int i = 0; i < g->tensors->count; i++) {
        const char *name = g->tensors->tensor[i].name;
        if (strncmp(name, g->prefix, n) != 0 || name[n] != '/') continue;
        if (strncmp(name + n + 1, begin, strlen(begin)) == 0) names[found++] = name + n + 1;
    }
    return found;
}

static void fill_parameters(golden_case *g)
{
    const char *names[MAX_NAMES];
    static const char *const kinds[] = {"weight_", "bias_"};
    for (int k = 0; k < 2; k++) {
        int n = names_of(g, kinds[k], names);
        CU_ASSERT_EQUAL(n, 2 * g->layers * (1 + g->bidirectional));
        for (int i = 0; i < n; i++) {
            char state[64];
            gr_type t;
            const gr_named_tensor *want = golden(g, names[i]);
            snprintf(state, sizeof state, "rnn.%s", names[i]);
            void *data = gr_session_state(g->session, state, &t);
            if (!data) fprintf(stderr, "%s: no parameter %s\n", g->op, state);
            CU_ASSERT_PTR_NOT_NULL_FATAL(data);
            CU_ASSERT_EQUAL_FATAL(gr_numel(&t), count(want));
            memcpy(data, want->data, sizeof(float) * (size_t)count(want));
        }
    }
}

static void feed(golden_case *g, const char *name)
{
    gr_type t;
    void *to = gr_run_feed(g->exec->run, name, &t);
    const gr_named_tensor *v = golden(g, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), count(v));
    memcpy(to, v->data, gr_dtype_size(t.dtype) * (size_t)count(v));
}

static void feed_all(golden_case *g)
{
    static const char *const always[] = {"x", "u", "u_h"};
    for (int i = 0; i < 3; i++) feed(g, always[i]);
    if (g->ragged) feed(g, "lengths");
    if (g->lstm) feed(g, "u_c");
    if (g->initial) feed(g, "h_0");
    if (g->initial && g->lstm) feed(g, "c_0");
}

static void compare_result(golden_case *g, const char *result, const char *name)
{
    gr_type t;
    const float *got = gr_run_result(g->exec->run, result, &t);
    const gr_named_tensor *want = golden(g, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), count(want));
    compare(g, name, got, want);
}

/* "grad:weight_ih_l0" of the golden file is "rnn.weight_ih_l0" of the model. */
static int gradient_names(const golden_case *g, const char **golden_names, const char **model_names, char (*room)[80])
{
    int n = names_of(g, "grad:", golden_names);
    for (int i = 0; i < n; i++) {
        const char *of = golden_names[i] + 5;
        bool parameter = strncmp(of, "weight", 6) == 0 || strncmp(of, "bias", 4) == 0;
        snprintf(room[i], sizeof room[i], "%s%s", parameter ? "rnn." : "", of);
        model_names[i] = room[i];
    }
    model_names[n] = NULL;
    return n;
}

static void check_case(golden_case *g, int threads)
{
    const char *fetch[] = {"rnn.output", "rnn.h_n", "rnn.c_n", NULL};
    const char *golden_names[MAX_NAMES], *model_names[MAX_NAMES];
    char room[MAX_NAMES][80], result[96];
    gr_error e = {0};
    if (!g->lstm) fetch[2] = NULL;
    int n = gradient_names(g, golden_names, model_names, room);
    g->session = open_model(write_model(g), threads);
    gr_want want = {.fetch = fetch, .grad = model_names, .of = "loss"};
    g->exec = gr_session_compile(g->session, &want, &e);
    if (!g->exec) fprintf(stderr, "%s %s: %s\n", g->op, g->prefix, e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g->exec);
    fill_parameters(g);
    feed_all(g);
    CU_ASSERT_EQUAL(gr_run_step(g->exec->run, 0), 0);
    for (int i = 0; fetch[i]; i++) compare_result(g, fetch[i], fetch[i] + 4);
    for (int i = 0; i < n; i++) {
        snprintf(result, sizeof result, "grad:%s", model_names[i]);
        compare_result(g, result, golden_names[i]);
    }
    gr_session_close(g->session);
}

static void check_op(const char *op, const char *file, int layers, bool ragged)
{
    gr_arena *a = gr_arena_create();
    gr_tensors tensors;
    gr_error e = {0};
    char path[512];
    double worst = 0;
    snprintf(path, sizeof path, "%s/tests/golden/%s.safetensors", GR_SOURCE_DIR, file);
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(a, path, &tensors, &e), 0);
    for (int i = 0; i < 8 * layers; i++) {
        golden_case g = {.op = op, .layers = 1 + i / 8, .bidirectional = i / 4 % 2, .batch_first = i / 2 % 2,
                         .initial = i % 2, .batch = ragged ? 3 : 2, .lstm = strcmp(op, "LSTM") == 0, .ragged = ragged,
                         .tensors = &tensors};
        snprintf(g.prefix, sizeof g.prefix, "l%d_b%d_f%d_i%d", g.layers, g.bidirectional, g.batch_first, g.initial);
        check_case(&g, 1 + i % 2);
        worst = fmax(worst, g.worst);
    }
    CU_ASSERT_TRUE(worst < 1e-5);
    gr_arena_destroy(a);
}

static void rnn_is_pytorchs(void) { check_op("RNN", "rnn", 3, false); }
static void lstm_is_pytorchs(void) { check_op("LSTM", "lstm", 3, false); }
static void gru_is_pytorchs(void) { check_op("GRU", "gru", 3, false); }
static void ragged_rnn_is_pytorchs(void) { check_op("RNN", "rnn_ragged", 2, true); }
static void ragged_lstm_is_pytorchs(void) { check_op("LSTM", "lstm_ragged", 2, true); }
static void ragged_gru_is_pytorchs(void) { check_op("GRU", "gru_ragged", 2, true); }

void test_recurrent(void)
{
    CU_pSuite s = CU_add_suite("recurrent", NULL, NULL);
    CU_add_test(s, "RNN: values and gradients are PyTorch's", rnn_is_pytorchs);
    CU_add_test(s, "LSTM: values and gradients are PyTorch's", lstm_is_pytorchs);
    CU_add_test(s, "GRU: values and gradients are PyTorch's", gru_is_pytorchs);
    CU_add_test(s, "RNN with lengths: values and gradients are those of a packed sequence", ragged_rnn_is_pytorchs);
    CU_add_test(s, "LSTM with lengths: values and gradients are those of a packed sequence", ragged_lstm_is_pytorchs);
    CU_add_test(s, "GRU with lengths: values and gradients are those of a packed sequence", ragged_gru_is_pytorchs);
}
