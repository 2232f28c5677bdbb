/* test_library_threads.c - graphrun.h used by several threads at once. The thread sanitizer looks on where the tests
 * are built with it; the numbers are looked at anyhow. */
#include "library_support.h"
#include "minimal_gated.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN GR_BUILD_DIR "/graphs/plugins/minimal_gated.so"

enum { THREADS = 3, ROUNDS = GR_TEST_NUMBERS ? 6 : 3, SHORT = 4 };

/* What a user of a network does, and what must come out. */
typedef struct user {
    gr_network *n;
    gr_stream *first;       /* opened before the caller let go of the network */
    const float *whole, *less; /* logits of all tokens, and of the first SHORT alone */
    int number;
    bool steps;             /* the model can run step by step */
    bool right;
} user;

/* An encoder's Input, where there is one: read at the beginning alone. */
static void feed_source(gr_stream *s)
{
    gr_tensor t;
    if (s && gr_stream_input(s, "source", &t, NULL) == 0)
        for (int64_t i = 0; i < t.dim[0]; i++) ((int32_t *)t.data)[i] = tokens[i];
}

static bool same(const float *got, const float *wanted, int n) { return distance(got, wanted, n * CLASSES) < 1e-5; }

/* Items from `from` on in pieces, as far as they go. */
static bool follow(const user *u, gr_stream *s, int from, int piece)
{
    const gr_axis_size axes[] = {{"time", piece}, {"batch", 1}};
    bool right = gr_stream_resize(s, axes, 2, NULL) == 0;
    for (; right && from + piece <= STEPS; from += piece) right = same(run_stream(s, tokens + from, piece), u->whole + from * CLASSES, piece);
    return right;
}

static bool step_by_step(const user *u, gr_stream *s, int round)
{
    const int piece = 1 + (u->number + round) % 3;
    gr_stream *c = NULL;
    gr_stream_reset(s);
    feed_source(s);
    bool right = follow(u, s, 0, piece); /* the source is kept from here on */
    gr_stream_reset(s);
    right = right && follow(u, s, 0, 5) && gr_stream_clone(s, &c, NULL) == 0 && follow(u, s, 5, 2) && follow(u, c, 5, piece);
    if (c) gr_stream_reset(c);
    right = right && follow(u, c, 0, 2);
    gr_stream_close(c);
    return right;
}

static bool whole_and_short(const user *u, gr_stream *s)
{
    const gr_axis_size less[] = {{"time", SHORT}, {"batch", 1}}, all[] = {{"time", STEPS}, {"batch", 1}};
    feed_source(s);
    return s && gr_stream_resize(s, less, 2, NULL) == 0 && same(run_stream(s, tokens, SHORT), u->less, SHORT) &&
           gr_stream_resize(s, all, 2, NULL) == 0 && same(run_stream(s, tokens, STEPS), u->whole, STEPS);
}

static void *use(void *arg)
{
    user *u = arg;
    gr_type t;
    u->right = true;
    for (int r = 0; r < ROUNDS && u->right; r++) {
        gr_stream *s = open_stream(u->n, u->steps && r % 3 ? "time" : NULL, u->steps && r % 3 ? 1 : STEPS, 1);
        u->right = s && (u->steps && r % 3 ? step_by_step(u, s, r) : whole_and_short(u, s));
        gr_stream_close(s);
        const char *name = gr_network_input(u->n, 0, &t);
        u->right = u->right && name && t.rank == 2 && t.dim[0] == -1 && strcmp(t.axis[1], "batch") == 0;
    }
    return NULL;
}

/* The streams that were opened before hold the network. */
static void *use_first(void *arg)
{
    user *u = arg;
    for (int r = 0; r < 2 && u->right; r++) u->right = u->steps ? step_by_step(u, u->first, r) : whole_and_short(u, u->first);
    gr_stream_close(u->first);
    return NULL;
}

static void in_threads(user *u, void *(*fn)(void *), gr_network *closed)
{
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, fn, &u[i]), 0);
    gr_network_close(closed);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
}

static void run_short(gr_network *n, float *to)
{
    gr_stream *s = open_stream(n, NULL, SHORT, 1);
    feed_source(s);
    const float *y = run_stream(s, tokens, SHORT);
    CU_ASSERT_PTR_NOT_NULL_FATAL(y);
    memcpy(to, y, SHORT * CLASSES * sizeof *y);
    gr_stream_close(s);
}

static void share(const char *what, const char *path, gr_network_options o, bool steps)
{
    float whole[STEPS * CLASSES], less[SHORT * CLASSES];
    user u[THREADS];
    o.seed = 1;
    gr_network *calm = open_network_with(path, o), *n = open_network_with(path, o);
    gr_stream *s = open_stream(calm, NULL, STEPS, 1);
    feed_source(s);
    const float *y = run_stream(s, tokens, STEPS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(y);
    memcpy(whole, y, sizeof whole);
    gr_stream_close(s);
    run_short(calm, less);
    gr_network_close(calm);
    for (int i = 0; i < THREADS; i++) u[i] = (user){.n = n, .whole = whole, .less = less, .number = i, .steps = steps};
    in_threads(u, use, NULL); /* every plan is made while others run */
    bool right = true;
    for (int i = 0; i < THREADS; i++) {
        right = right && u[i].right;
        u[i].first = open_stream(n, steps ? "time" : NULL, steps ? 1 : STEPS, 1);
    }
    in_threads(u, use_first, n);
    for (int i = 0; i < THREADS; i++) right = right && u[i].right;
    if (!right) fprintf(stderr, "\n%s: threads disturb each other", what);
    CU_ASSERT_TRUE(right);
}

#define LSTM "  rnn: {op: LSTM, in: e, hidden_size: 64, num_layers: 2}\n"

static void weights_are_shared(void)
{
    const char *path = prepared_model("threads.yaml", "", LSTM);
    share("LSTM", path, (gr_network_options){0}, true);
    share("LSTM of bfloat16", path, (gr_network_options){.weights_dtype = GR_BFLOAT16}, true);
    share("LSTM of float16", path, (gr_network_options){.weights_dtype = GR_FLOAT16}, true);
}

static void trained_weights_are_shared(void)
{
    make_trained();
    share("trained", trained_model, (gr_network_options){.weights = trained_weights}, true);
}

/* Each with threads of its own. */
static void streams_may_have_threads(void)
{
    const char *path = prepared_model("crowd.yaml", "", "  rnn: {op: LSTM, in: e, hidden_size: 96}\n");
    share("LSTM on two threads", path, (gr_network_options){.threads = 2}, true);
}

static void cells_may_be_anybodys(void)
{
    share("cell of YAML", prepared_model("cell.yaml", MINIMAL_GATED_BLOCKS("Cell"), "  rnn: {op: Recurrent, cell: Cell, in: e, hidden_size: 64}\n"),
          (gr_network_options){0}, true);
    share("cell and op of a plugin", prepared_model("plugged.yaml", "plugins: ['" PLUGIN "']\n",
                                                    "  cap: {op: SoftCap, in: e, cap: 2}\n"
                                                    "  rnn: {op: Recurrent, cell: MinimalGated, in: cap, hidden_size: 64}\n"),
          (gr_network_options){0}, true);
}

static void decoders_may_look_back(void)
{
    share("attention over an encoder", prepared_model("decoder.yaml", "",
          "  source: {op: Input, shape: [6, batch], dtype: int32}\n"
          "  words: {op: Embedding, in: source, num_embeddings: 5, embedding_dim: 32}\n"
          "  encoder: {op: GRU, in: words, hidden_size: 64}\n"
          "  last: {op: Select, in: encoder.h_n, dim: 0, index: 0}\n"
          "  rnn:\n    op: Scan\n    over: time\n    in: {v: e}\n    with: {memory: encoder.output}\n"
          "    carry:\n      h: {init: last, next: cell}\n"
          "    step:\n"
          "      look: {op: AdditiveAttention, in: {query: h, memory: memory}, hidden_size: 64}\n"
          "      both: {op: Concat, in: [look.context, v], dim: -1}\n"
          "      cell: {op: GRUCell, in: [both, h], hidden_size: 64}\n"
          "    out: {output: cell}\n"), (gr_network_options){0}, true);
}

static void whole_sequences_run_apart(void)
{
    share("both directions", prepared_model("both.yaml", "", "  rnn: {op: LSTM, in: e, hidden_size: 64, bidirectional: true}\n"), (gr_network_options){0}, false);
    share("self-attention", prepared_model("self.yaml", "", "  rnn: {op: TransformerEncoder, in: e, nhead: 4, num_layers: 2, dim_feedforward: 64}\n"),
          (gr_network_options){0}, false);
}

/* ---- training ---- */

typedef struct trainer {
    const char *model, *saved;
    int threads;
    bool right;
} trainer;

static void *train(void *arg)
{
    trainer *x = arg;
    const gr_training_options o = {.size = sizeof o, .threads = x->threads};
    gr_training *t = NULL;
    x->right = gr_training_open(x->model, &o, &t, NULL) == 0;
    for (int i = 0; x->right && i < 5; i++) x->right = !gr_training_next(t, NULL) && !gr_training_step(t, NULL, NULL);
    x->right = x->right && gr_training_save(t, x->saved, NULL) == 0;
    gr_training_close(t);
    return NULL;
}

static void trainings_run_apart(void)
{
    const char *model = recurrent_model("trainings.yaml", "optimizer: {op: Adam, lr: 0.05}, bptt: 4, steps: 7");
    trainer x[THREADS + 1];
    pthread_t t[THREADS];
    for (int i = 0; i <= THREADS; i++) {
        char name[32];
        snprintf(name, sizeof name, "trainings%d.safetensors", i);
        x[i] = (trainer){.model = model, .saved = temp_path(name), .threads = i % 2 + 1};
    }
    train(&x[THREADS]);
    for (int i = 0; i < THREADS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, train, &x[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        CU_ASSERT_TRUE(x[i].right && x[THREADS].right && same_files(x[i].saved, x[THREADS].saved));
    }
}

/* ---- small stacks ---- */

/* What graphrun.h asks for, 256 KiB; a sanitizer's frames are several times as large. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK = 4 << 20 };
#else
enum { STACK = 256 << 10 };
#endif

/* A chain of nodes of which each is written before the one that it reads. */
static void write_chain(FILE *to, int nodes)
{
    fputs("graphrun: 1\ngraph:\n", to);
    for (int i = 0; i < nodes; i++) fprintf(to, "  x%d: {op: Neg, in: x%d}\n", i, i + 1);
    fprintf(to, "  x%d: {op: Ones, shape: [2]}\n", nodes);
}

/* Blocks that use one another, around a layer. */
static void write_blocks(FILE *to, int blocks)
{
    fputs("graphrun: 1\nblocks:\n", to);
    for (int i = 0; i < blocks; i++) {
        fprintf(to, "  B%d: {in: [x], graph: {y: {op: ", i);
        if (i + 1 < blocks) fprintf(to, "B%d, in: x}}, out: {y: y}}\n", i + 1);
        else fputs("LSTM, in: x, hidden_size: 2}}, out: {y: y}}\n", to);
    }
    fputs("graph:\n  ones: {op: Ones, shape: [3, 2, 2]}\n  x0: {op: B0, in: ones}\n", to);
}

/* path -> path, NULL where something failed. */
static void *run_once(void *path)
{
    const char *const results[] = {"x0", NULL};
    const gr_stream_options so = {.size = sizeof so, .results = results};
    gr_network *n = NULL;
    gr_stream *s = NULL;
    gr_tensor t;
    bool right = gr_network_open(path, NULL, &n, NULL) == 0 && gr_stream_open(n, &so, &s, NULL) == 0 && gr_stream_run(s, NULL) == 0 &&
                 gr_stream_result(s, "x0", &t, NULL) == 0;
    gr_stream_close(s);
    gr_network_close(n);
    return right ? path : NULL;
}

static void small_stacks_suffice(void)
{
    /* A chain of any length needs no more, so that one of 5,000 makes do with half. */
    static const struct { void (*write)(FILE *to, int n); int n; size_t stack; } model[] = {{write_chain, 5000, STACK / 2}, {write_blocks, 60, STACK}};
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        const char *path = temp_file("stack.yaml", "%s", "");
        FILE *f = fopen(path, "w");
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        model[i].write(f, model[i].n);
        fclose(f);
        pthread_attr_t small;
        pthread_t t;
        void *done = NULL;
        pthread_attr_init(&small);
        CU_ASSERT_EQUAL(pthread_attr_setstacksize(&small, model[i].stack), 0);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&t, &small, run_once, (void *)(uintptr_t)path), 0);
        pthread_attr_destroy(&small);
        pthread_join(t, &done);
        CU_ASSERT_PTR_EQUAL(done, path);
    }
}

void test_library_threads(void)
{
    CU_pSuite s = CU_add_suite("library_threads", NULL, NULL);
    CU_add_test(s, "prepared weights are shared, whatever their bits", weights_are_shared);
    CU_add_test(s, "trained weights are shared", trained_weights_are_shared);
    CU_add_test(s, "streams may have threads of their own", streams_may_have_threads);
    CU_add_test(s, "cells of the user and of a plugin", cells_may_be_anybodys);
    CU_add_test(s, "decoders that look back at an encoder", decoders_may_look_back);
    CU_add_test(s, "whole sequences", whole_sequences_run_apart);
    CU_add_test(s, "trainings", trainings_run_apart);
    CU_add_test(s, "256 KiB of stack suffice", small_stacks_suffice);
}
