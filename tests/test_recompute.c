/* test_recompute.c - `recompute: N`: the same steps and updates in the memory of T/N + N of them. */
#include "rig.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 23 };

/* %s stands for "recompute: N" or nothing. */
static const char *const models[] = {
    "  x: {op: Input, shape: [23, 3, 6]}\n"
    "  y: {op: LSTM, in: x, hidden_size: 5, num_layers: 2%s}\n",
    /* Both directions, rows that end early; the first states are learned. */
    "  x: {op: Input, shape: [23, 3, 6]}\n"
    "  lengths: {op: Input, shape: [3], dtype: int32}\n"
    "  h: {op: Parameter, shape: [4, 3, 5], init: {op: Uniform, low: -1, high: 1}}\n"
    "  y: {op: GRU, in: {input: x, lengths: lengths, h_0: h}, hidden_size: 5, num_layers: 2, bidirectional: true%s}\n",
    /* Backwards, numbers drawn at each step, and an unread last carry. */
    "  x: {op: Input, shape: [23, 3, 6]}\n"
    "  y:\n    op: Scan\n    in: {x: x}\n    reverse: true%s\n"
    "    carry: {h: {init: zeros, size: 5, next: mixed}, n: {init: zeros, size: 1, next: count}}\n"
    "    step:\n"
    "      cell: {op: RNNCell, in: {input: x, h: h}, hidden_size: 5}\n"
    "      mixed: {op: Dropout, in: cell.h, p: 0.4}\n"
    "      count: {op: Add, in: [n, tenth]}\n"
    "      tenth: {op: Constant, value: 0.1}\n"
    "      seen: {op: Mul, in: [mixed, count]}\n"
    "    out: {output: seen}\n",
    /* A loop in a loop, with Dropout in the inner one. */
    "  x: {op: Input, shape: [23, 3, 6]}\n"
    "  memory: {op: Input, shape: [7, 3, 6]}\n"
    "  y:\n    op: Scan\n    in: {x: x}\n    with: {memory: memory}%s\n"
    "    carry: {h: {init: zeros, size: 6, next: out}}\n"
    "    step:\n"
    "      look: {op: Scan, in: {m: memory}, with: {q: h, x: x}, carry: {a: {init: zeros, size: 6, next: sum}}, out: {s: sum},\n"
    "             step: {sum: {op: Add, in: [a, dropped]}, dropped: {op: Dropout, in: w, p: 0.3}, w: {op: Tanh, in: both}, both: {op: Add, in: [mq, x]}, mq: {op: Mul, in: [m, q]}}}\n"
    "      out: {op: Linear, in: look.a_n, out_features: 6}\n"
    "    out: {output: out}\n",
    /* Backwards inside a loop, with Dropout that needs no carry. */
    "  x: {op: Input, shape: [4, 3, 6]}\n"
    "  memory: {op: Input, shape: [23, 3, 6]}\n"
    "  y:\n    op: Scan\n    in: {x: x}\n    with: {memory: memory}\n"
    "    carry: {h: {init: zeros, size: 6, next: out}}\n"
    "    step:\n"
    "      look:\n        op: Scan\n        in: {m: memory}\n        with: {q: h, x: x}\n        reverse: true%s\n"
    "        carry: {a: {init: zeros, size: 6, next: sum}}\n        out: {s: sum}\n"
    "        step: {sum: {op: RNNCell, in: {input: dropped, h: a}, hidden_size: 6}, dropped: {op: Dropout, in: both, p: 0.3}, both: {op: Add, in: [m, x]}}\n"
    "      out: {op: Linear, in: look.a_n, out_features: 6}\n"
    "    out: {output: out}\n"};
enum { MODELS = sizeof models / sizeof *models };

/* "recompute: N" as model `which` has it. */
static const char *cut_of(int which, const char *recompute)
{
    static char text[64];
    snprintf(text, sizeof text, "%s%s", which < 2 ? ", " : which < 4 ? "\n    " : "\n        ", recompute);
    return text;
}

static const char *model_file(int which, const char *recompute)
{
    char body[2048];
    snprintf(body, sizeof body, models[which], recompute);
    return temp_file("recompute.yaml", "graphrun: 1\nname: long\ngraph:\n%s"
                     "  out: {op: Linear, in: y.output, out_features: 2}\n"
                     "  square: {op: Mul, in: [out, out]}\n  loss: {op: Mean, in: square}\n"
                     "train: {minimize: loss, optimizer: {op: SGD, lr: 1}}\n", body);
}

static gr_session *open_at(const char *path, int threads, gr_dtype real)
{
    gr_session_options o = {.model = {.real = real}, .threads = threads, .quiet = true, .seed = 3};
    gr_error e = {0};
    gr_session *s = gr_session_open(path, &o, &e);
    if (!s) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static gr_exec *training_step(gr_session *s)
{
    static const char *const fetch[] = {"loss", "y.output", NULL};
    gr_want want = {.update = true, .training = true, .fetch = fetch};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    if (!x) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    return x;
}

static void feed(gr_exec *x)
{
    for (int i = 0; i < x->session->num_inputs; i++) {
        gr_type t;
        void *to = gr_run_feed(x->run, x->session->inputs[i].name, &t);
        if (!to) continue;
        rig_numbers(x->session->inputs[i].name, t.dtype, gr_numel(&t), to);
        for (int64_t k = 0; t.dtype == GR_INT32 && k < gr_numel(&t); k++) ((int32_t *)to)[k] = (int32_t)(TIME - 6 * k);
    }
}

/* Two steps of training: what was fetched of the second, and all states. */
static gr_session *train_two(int which, const char *recompute, int threads, gr_dtype real, gr_exec **x)
{
    gr_session *s = open_at(model_file(which, recompute), threads, real);
    *x = training_step(s);
    feed(*x);
    CU_ASSERT_EQUAL(gr_run_step((*x)->run, 0), 0);
    CU_ASSERT_EQUAL(gr_run_step((*x)->run, 1), 0);
    return s;
}

static double worst_difference(gr_session *a, gr_session *b)
{
    double worst = 0;
    CU_ASSERT_EQUAL_FATAL(gr_store_count(a->store), gr_store_count(b->store));
    for (int i = 0; i < gr_store_count(a->store); i++) {
        gr_type t;
        const void *u = gr_store_data(a->store, i, &t), *v = gr_session_state(b, gr_store_name(a->store, i), &t);
        for (int64_t k = 0; k < gr_numel(&t); k++) {
            double d = fabs(gr_element(u, t.dtype, k) - gr_element(v, t.dtype, k));
            if (!(d <= worst)) worst = d;
        }
    }
    return worst;
}

static void same_updates(void)
{
    static const char *const every[] = {"recompute: 1", "recompute: 5", "recompute: 7", "recompute: 23", "recompute: 40"};
    for (int m = 0; m < MODELS; m++)
        for (int i = 0; i < 5; i++) {
            const char *text = cut_of(m, every[i]);
            gr_exec *x, *y;
            gr_session *plain = train_two(m, "", 1, GR_FLOAT64, &x), *cut = train_two(m, text, 1, GR_FLOAT64, &y);
            double d = worst_difference(plain, cut);
            if (!(d < 1e-12)) fprintf(stderr, "model %d, %s: off by %g\n", m, every[i], d);
            CU_ASSERT(d < 1e-12);
            gr_session_close(plain);
            gr_session_close(cut);
        }
}

/* The first step's values have the same bits, so the same numbers were drawn. */
static void same_bits_forward(void)
{
    for (int m = 0; m < MODELS; m++) {
        gr_session *s[2];
        gr_exec *x[2];
        for (int k = 0; k < 2; k++) {
            s[k] = open_at(model_file(m, k ? cut_of(m, "recompute: 5") : ""), 1, GR_FLOAT32);
            x[k] = training_step(s[k]);
            feed(x[k]);
            CU_ASSERT_EQUAL(gr_run_step(x[k]->run, 0), 0);
        }
        gr_type t;
        const void *a = gr_run_result(x[0]->run, "y.output", &t), *b = gr_run_result(x[1]->run, "y.output", &t);
        CU_ASSERT_EQUAL(memcmp(a, b, (size_t)gr_numel(&t) * sizeof(float)), 0);
        for (int k = 0; k < 2; k++) gr_session_close(s[k]);
    }
}

static void same_on_threads(void)
{
    for (int m = 0; m < MODELS; m++) {
        gr_exec *x, *y;
        const char *text = cut_of(m, "recompute: 5");
        gr_session *one = train_two(m, text, 1, GR_FLOAT32, &x), *three = train_two(m, text, 3, GR_FLOAT32, &y);
        CU_ASSERT_EQUAL(worst_difference(one, three), 0);
        gr_session_close(one);
        gr_session_close(three);
    }
}

static size_t arena_of(int time, const char *recompute)
{
    return working_bytes(temp_file("memory.yaml", "graphrun: 1\nname: memory\ngraph:\n"
        "  x: {op: Input, shape: [%d, 4, 1]}\n  y: {op: LSTM, in: x, hidden_size: 64%s}\n"
        "  loss: {op: Mean, in: y.h_n}\ntrain: {minimize: loss, optimizer: {op: SGD, lr: 1}}\n", time, recompute));
}

/* T/N carries and a chunk of N steps are left of T steps. */
static void memory_falls(void)
{
    size_t weights = arena_of(2, ""), whole = arena_of(1024, "") - weights, chunk = arena_of(32, "") - weights;
    size_t carries = 33 * 2 * 4 * 64 * sizeof(float);
    CU_ASSERT(arena_of(1024, ", recompute: 32") - weights < 2 * chunk + carries);
    CU_ASSERT(arena_of(1031, ", recompute: 32") - weights < 2 * chunk + carries);
    CU_ASSERT(whole > 25 * chunk);
}

static int stacked_values(const char *op)
{
    gr_session *s = open_model(temp_file("stacked.yaml", "graphrun: 1\nname: stacked\ngraph:\n  x: {op: Input, shape: [5, 2, 3]}\n"
        "  y: {op: %s, in: x, hidden_size: 4}\n  loss: {op: Mean, in: y.h_n}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 1}}\n", op), 1);
    gr_want want = {.update = true, .training = true};
    const gr_graph *g = gr_session_graph(s, &want, "hoist");
    int stacked = -1;
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    for (int i = 0; i < g->num_nodes && stacked < 0; i++)
        if (g->nodes[i]->scan) stacked = g->nodes[i]->scan->stacked;
    gr_session_close(s);
    return stacked;
}

/* The gates, and the GRU's part of h before its reset; of h - n, a subtraction, nothing. */
static void cheap_values_are_made_again(void)
{
    CU_ASSERT_EQUAL(stacked_values("GRU"), 4);
    CU_ASSERT_EQUAL(stacked_values("LSTM"), 5);
}

/* Bytes of the programs that an epoch over one batch of so many steps, in pieces of 35, makes. */
static size_t bytes_of_pieces(int64_t steps)
{
    int32_t *data = calloc((size_t)steps * 2, sizeof *data);
    for (int64_t i = 0; i < 2 * steps; i++) data[i] = (int32_t)(i * i % 7);
    const char *path = temp_integers("long.npy", 2, (int64_t[]){2, steps}, data);
    const char *model = temp_file("bptt.yaml", "graphrun: 1\nname: pieces\ndata: {op: Npy, files: {x: %s}, batch_size: 2}\ngraph:\n"
        "  x: {op: Input, shape: [batch, time], dtype: int32, from: data.x}\n"
        "  e: {op: Embedding, in: x, num_embeddings: 7, embedding_dim: 4}\n"
        "  rnn: {op: GRU, in: e, hidden_size: 8, batch_first: true}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: 7}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: x}}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 1}, bptt: 35, epochs: 1}\n", path);
    gr_session *s = open_model(model, 1);
    gr_train_result r;
    gr_error e = {0};
    FILE *out = fopen("/dev/null", "w");
    size_t bytes = 0;
    CU_ASSERT_EQUAL(gr_train(s, &(gr_train_options){.quiet = true, .out = out}, &r, &e), 0);
    for (int i = 0; i < s->num_execs; i++) {
        const gr_program *p = s->execs[i]->program;
        bytes += p->arena_bytes + p->feed_bytes + p->state_bytes + p->constant_bytes + p->result_bytes;
    }
    fclose(out);
    gr_session_close(s);
    free(data);
    return bytes;
}

static void pieces_need_no_more(void) { CU_ASSERT_EQUAL(bytes_of_pieces(70), bytes_of_pieces(9800)); }

static void mistakes(void)
{
    CU_ASSERT_TRUE(mistake_is_told(model_file(0, ", recompute: 0"), "'recompute' must be at least 1, not 0", "0}", "recompute"));
    CU_ASSERT_TRUE(mistake_is_told(model_file(2, "\n    recompute: 0"), "'recompute' takes an integer of at least 1, not '0'", "0\n", "recompute"));
    CU_ASSERT_TRUE(mistake_is_told(model_file(2, "\n    recompute: often"), "'recompute' takes an integer", "often", "recompute"));
}

/* What a name asks the gradient of keeps its loop whole. */
static void gradients_by_name(void)
{
    gr_session *s = open_at(model_file(2, "\n    recompute: 5"), 1, GR_FLOAT32);
    static const char *const grad[] = {"y.cell", NULL};
    gr_want want = {.grad = grad, .of = "loss"};
    gr_error e = {0};
    gr_type t;
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_PTR_NOT_NULL(gr_run_result(x->run, "grad:y.cell", &t));
    CU_ASSERT_EQUAL(t.dim[0], TIME);
    gr_session_close(s);
}

/* The largest difference of d(of)/d(cell's weight) with a loop of 23 steps cut by 5 from that without. */
static double gradient_differs(const char *of)
{
    static const char *const grad[] = {"y.cell.weight_ih", NULL};
    gr_session *s[2];
    const double *g[2];
    gr_type t;
    double worst = 0, largest = 0;
    for (int k = 0; k < 2; k++) {
        s[k] = open_at(temp_file("unread.yaml", "graphrun: 1\nname: unread\ngraph:\n  x: {op: Input, shape: [23, 3, 6]}\n"
            "  y:\n    op: Scan\n    in: {x: x}\n%s"
            "    carry: {h: {init: zeros, size: 5, next: cell.h}}\n"
            "    step: {cell: {op: RNNCell, in: {input: x, h: h}, hidden_size: 5}, square: {op: Mul, in: [cell.h, cell.h]}}\n"
            "    out: {unread: square}\n  loss: {op: Mean, in: y.h_n}\n"
            "train: {minimize: loss, optimizer: {op: SGD, lr: 1}}\n", k ? "    recompute: 5\n" : ""), 1, GR_FLOAT64);
        gr_want want = {.grad = grad, .of = of};
        gr_error e = {0};
        gr_exec *x = gr_session_compile(s[k], &want, &e);
        if (!x) fprintf(stderr, "%s\n", e.message);
        CU_ASSERT_PTR_NOT_NULL_FATAL(x);
        feed(x);
        CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(g[k] = gr_run_result(x->run, "grad:y.cell.weight_ih", &t));
    }
    for (int64_t i = 0; i < gr_numel(&t); i++) {
        worst = fmax(worst, fabs(g[0][i] - g[1][i]));
        largest = fmax(largest, fabs(g[0][i]));
    }
    CU_ASSERT(largest > 0.01);
    for (int k = 0; k < 2; k++) gr_session_close(s[k]);
    return worst;
}

/* What nothing reads but the name, of the loop and of its step. */
static void gradients_of_names(void)
{
    CU_ASSERT(gradient_differs("y.unread") < 1e-12);
    CU_ASSERT(gradient_differs("y.square") < 1e-12);
    CU_ASSERT(gradient_differs("loss") < 1e-12);
}

static void sparse_tables(void)
{
    const char *model = temp_file("table.yaml", "graphrun: 1\nname: table\ngraph:\n  x: {op: Input, shape: [23, 3], dtype: int32}\n"
        "  first: {op: Parameter, shape: [3, 5], init: Zeros}\n  y:\n    op: Scan\n    in: {x: x}\n    recompute: 5\n"
        "    carry: {h: {init: first, next: cell.h}}\n"
        "    step:\n      e: {op: Embedding, in: x, num_embeddings: 7, embedding_dim: 4, sparse: true}\n"
        "      cell: {op: RNNCell, in: {input: e, h: h}, hidden_size: 5}\n"
        "  loss: {op: Mean, in: y.h_n}\ntrain: {minimize: loss, optimizer: {op: SGD, lr: 1}}\n");
    CU_ASSERT_TRUE(mistake_is_told(model, "look up 'y.e.weight', whose gradient is sparse: look up before the loop", "y:", "graph:"));
}

void test_recompute(void)
{
    CU_pSuite s = CU_add_suite("recompute", NULL, NULL);
    if (GR_TEST_NUMBERS) {
        CU_add_test(s, "updates are those without, at every N", same_updates);
        CU_add_test(s, "values of the forward loop keep their bits", same_bits_forward);
    }
    CU_add_test(s, "one thread and three give the same bits", same_on_threads);
    CU_add_test(s, "memory is that of T/N + N steps", memory_falls);
    CU_add_test(s, "10,000 steps in pieces of 35 need the memory of 35", pieces_need_no_more);
    CU_add_test(s, "what is cheap is computed again anyway", cheap_values_are_made_again);
    CU_add_test(s, "N is an integer, at least 1", mistakes);
    CU_add_test(s, "a gradient asked for by name", gradients_by_name);
    if (GR_TEST_NUMBERS) CU_add_test(s, "a gradient of what has a name alone", gradients_of_names);
    CU_add_test(s, "a sparse table in the step is refused", sparse_tables);
}
