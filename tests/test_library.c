/* test_library.c - graphrun.h, as a host program uses it. */
#include "failing.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <graphrun/graphrun.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 9, CLASSES = 5 };
static const int32_t items[STEPS] = {1, 0, 4, 2, 2, 3, 0, 1, 4};

/* A small language model and weights that were trained a little. */
static const char *model, *weights;

static void make_model(void)
{
    gr_error e;
    if (model) return;
    model = strdup(recurrent_model("library.yaml", "optimizer: {op: Adam, lr: 0.05}, steps: 8"));
    weights = strdup(temp_path("library.safetensors"));
    CU_ASSERT_EQUAL_FATAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = weights}, &e), 0);
}

static int fail(const char *what, gr_failure *why)
{
    fprintf(stderr, "%s: %s\n", what, why ? gr_failure_text(why) : "no failure");
    gr_failure_free(why);
    return -1;
}

static gr_network *open_network(const char *path, const char *from)
{
    const gr_network_options o = {.size = sizeof o, .weights = from, .seed = 1};
    gr_network *n = NULL;
    gr_failure *why = NULL;
    if (gr_network_open(path, &o, &n, &why)) fail(path, why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(n);
    return n;
}

static const char *const logits_name[] = {"logits", NULL};

static gr_stream *open_stream(gr_network *n, const char *along, int64_t time, int64_t batch)
{
    const gr_axis_size axes[] = {{"time", time}, {"batch", batch}};
    const gr_stream_options o = {.size = sizeof o, .results = logits_name, .along = along, .axes = axes, .num_axes = 2};
    gr_stream *s = NULL;
    gr_failure *why = NULL;
    if (gr_stream_open(n, &o, &s, &why)) fail("stream", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

/* Feeds n items and gives the logits, [n][CLASSES]. */
static const float *run(gr_stream *s, const int32_t *item, int n)
{
    gr_tensor x, y;
    gr_failure *why = NULL;
    if (gr_stream_input(s, "x", &x, &why) || gr_stream_result(s, "logits", &y, &why)) fail("names", why);
    CU_ASSERT_TRUE_FATAL(x.dtype == GR_INT32 && x.rank == 2 && x.dim[0] == n && x.dim[1] == 1 && x.stride[0] == 1);
    CU_ASSERT_TRUE_FATAL(y.dtype == GR_FLOAT32 && y.rank == 3 && y.dim[0] == n && y.dim[2] == CLASSES);
    memcpy(x.data, item, sizeof *item * (size_t)n);
    if (gr_stream_run(s, &why)) fail("run", why);
    return y.data;
}

/* ---- what comes out ---- */

static float whole[STEPS * CLASSES];

static void run_whole(gr_network *n)
{
    gr_stream *s = open_stream(n, NULL, STEPS, 1);
    memcpy(whole, run(s, items, STEPS), sizeof whole);
    gr_stream_close(s);
}

static double distance(const float *a, const float *b, int n)
{
    double d = 0;
    for (int i = 0; i < n; i++) d = fmax(d, fabs((double)a[i] - (double)b[i]));
    return d;
}

static void steps_are_the_whole(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    run_whole(n);
    gr_stream *s = open_stream(n, "time", 1, 1);
    for (int again = 0; again < 2; again++) {
        double worst = 0;
        for (int i = 0; i < STEPS; i++) worst = fmax(worst, distance(run(s, items + i, 1), whole + i * CLASSES, CLASSES));
        CU_ASSERT_TRUE(worst < 1e-5);
        CU_ASSERT_TRUE(distance(run(s, items, 1), whole, CLASSES) > 1e-4); /* it goes on */
        gr_stream_reset(s);
    }
    gr_stream_close(s);
    gr_network_close(n);
}

static void pieces_of_any_length_go_on(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    run_whole(n);
    gr_stream *s = open_stream(n, "time", 4, 1);
    const gr_axis_size one[] = {{"time", 1}, {"batch", 1}}, four[] = {{"time", 4}, {"batch", 1}};
    CU_ASSERT_TRUE(distance(run(s, items, 4), whole, 4 * CLASSES) < 1e-5);
    CU_ASSERT_EQUAL(gr_stream_resize(s, one, 2, NULL), 0);
    CU_ASSERT_TRUE(distance(run(s, items + 4, 1), whole + 4 * CLASSES, CLASSES) < 1e-5);
    CU_ASSERT_EQUAL(gr_stream_resize(s, four, 2, NULL), 0);
    CU_ASSERT_TRUE(distance(run(s, items + 5, 4), whole + 5 * CLASSES, 4 * CLASSES) < 1e-5);
    const gr_axis_size wide[] = {{"time", 1}, {"batch", 3}};
    gr_tensor x, y;
    CU_ASSERT_EQUAL(gr_stream_resize(s, wide, 2, NULL), 0); /* a state of another shape: from the beginning */
    CU_ASSERT_TRUE(!gr_stream_input(s, "x", &x, NULL) && !gr_stream_result(s, "logits", &y, NULL) && x.dim[1] == 3);
    for (int i = 0; i < 3; i++) ((int32_t *)x.data)[i] = items[0];
    CU_ASSERT_EQUAL(gr_stream_run(s, NULL), 0);
    for (int i = 0; i < 3; i++) CU_ASSERT_TRUE(distance((float *)y.data + i * CLASSES, whole, CLASSES) < 1e-5);
    gr_stream_close(s);
    gr_network_close(n);
}

static void clones_part_ways(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    run_whole(n);
    gr_stream *s = open_stream(n, "time", 1, 1), *c = NULL;
    for (int i = 0; i < 3; i++) run(s, items + i, 1);
    CU_ASSERT_EQUAL_FATAL(gr_stream_clone(s, &c, NULL), 0);
    run(s, items, 1); /* elsewhere */
    CU_ASSERT_TRUE(distance(run(c, items + 3, 1), whole + 3 * CLASSES, CLASSES) < 1e-5);
    CU_ASSERT_EQUAL(gr_stream_copy_state(s, c, NULL), 0);
    gr_network_close(n); /* its streams keep it */
    gr_stream_close(c);
    CU_ASSERT_TRUE(distance(run(s, items + 4, 1), whole + 4 * CLASSES, CLASSES) < 1e-5);
    gr_stream_close(s);
}

/* Weights large enough to be prepared once, by a run that has states of the same names. */
static void streams_of_prepared_weights_are_apart(void)
{
    gr_network *n = open_network(temp_file("prepared.yaml",
        "graphrun: 1\n"
        "name: prepared\n"
        "graph:\n"
        "  x: {op: Input, shape: [time, batch], dtype: int32}\n"
        "  e: {op: Embedding, in: x, num_embeddings: 5, embedding_dim: 32}\n"
        "  rnn: {op: LSTM, in: e, hidden_size: 64}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: 5}\n"), NULL);
    run_whole(n);
    gr_stream *s = open_stream(n, "time", 1, 1), *ahead = open_stream(n, "time", 1, 1);
    run(ahead, items, 1);
    for (int i = 0; i < STEPS; i++) {
        CU_ASSERT_TRUE(distance(run(s, items + i, 1), whole + i * CLASSES, CLASSES) < 1e-5);
        if (i + 1 < STEPS) CU_ASSERT_TRUE(distance(run(ahead, items + i + 1, 1), whole + (i + 1) * CLASSES, CLASSES) < 1e-5);
    }
    gr_stream_close(s);
    gr_stream_close(ahead);
    gr_network_close(n);
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 40 };

static void *use_network(void *network)
{
    gr_network *n = network;
    bool right = true;
    for (int r = 0; r < ROUNDS && right; r++) {
        gr_stream *s = open_stream(n, r % 5 ? "time" : NULL, r % 5 ? 1 + r % 3 : STEPS, 1);
        const int piece = r % 5 ? 1 + r % 3 : STEPS;
        for (int i = 0; i + piece <= STEPS; i += piece) right = right && distance(run(s, items + i, piece), whole + i * CLASSES, piece * CLASSES) < 1e-5;
        gr_stream_close(s);
    }
    return right ? n : NULL;
}

static void threads_share_weights(void)
{
    pthread_t t[THREADS];
    make_model();
    gr_network *n = open_network(model, weights);
    run_whole(n);
    for (int i = 0; i < THREADS; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, use_network, n), 0);
    for (int i = 0; i < THREADS; i++) {
        void *right = NULL;
        pthread_join(t[i], &right);
        CU_ASSERT_PTR_NOT_NULL(right);
    }
    gr_network_close(n);
}

/* ---- texts ---- */

static void words_are_of_the_vocabulary(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    int32_t item[4] = {-1, -1, -1, -1};
    gr_type t;
    CU_ASSERT_STRING_EQUAL(gr_network_input(n, 0, &t), "x");
    CU_ASSERT_TRUE(t.rank == 2 && t.dim[0] == -1 && strcmp(t.axis[0], "time") == 0 && t.dtype == GR_INT32);
    CU_ASSERT_PTR_NULL(gr_network_input(n, 2, NULL));
    CU_ASSERT_EQUAL(gr_network_words(n, "x"), CLASSES);
    CU_ASSERT_STRING_EQUAL(gr_network_word(n, "x", 3), "d");
    CU_ASSERT_PTR_NULL(gr_network_word(n, "x", CLASSES));
    CU_ASSERT_EQUAL(gr_network_encode(n, "x", "bad", item, 2, NULL), 3);
    CU_ASSERT_TRUE(item[0] == 1 && item[1] == 0 && item[2] == -1);
    gr_failure *why = NULL;
    CU_ASSERT_EQUAL(gr_network_encode(n, "x", "bz", item, 4, &why), GR_EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_failure_text(why), "'z'"));
    gr_failure_free(why);
    gr_network_close(n);
}

/* ---- failures ---- */

static void expect(gr_failure **why, int status, const char *says)
{
    const bool right = *why && (int)gr_failure_status(*why) == status && strstr(gr_failure_text(*why), says);
    if (!right) fprintf(stderr, "not '%s' but: %s\n", says, *why ? gr_failure_text(*why) : "nothing");
    CU_ASSERT_TRUE(right);
    gr_failure_free(*why);
    *why = NULL;
}

static void failures_say_all(void)
{
    gr_network *n = NULL;
    gr_failure *why = NULL;
    make_model();
    const char *wrong = temp_file("wrong.yaml", "graphrun: 1\nname: wrong\ngraph:\n  x: {op: Input, shape: [4]}\n"
                                  "  y: {op: Linaer, in: x}\n  z: {op: Linear, in: w, out_features: 3}\n");
    CU_ASSERT_EQUAL(gr_network_open(wrong, NULL, &n, &why), GR_EINVAL);
    CU_ASSERT_PTR_NULL(n);
    CU_ASSERT_TRUE(why && strstr(gr_failure_text(why), "Linaer") && strstr(gr_failure_text(why), "^~~"));
    expect(&why, GR_EINVAL, "'w'"); /* the second mistake in the same text */
    CU_ASSERT_EQUAL(gr_network_open("/nowhere.yaml", NULL, &n, &why), GR_EIO);
    expect(&why, GR_EIO, "/nowhere.yaml");
    const gr_network_options other = {.size = sizeof other, .weights = wrong};
    CU_ASSERT_EQUAL(gr_network_open(model, &other, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "safetensors");
    const gr_network_options sized = {.size = 3};
    CU_ASSERT_EQUAL(gr_network_open(model, &sized, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "size");
    struct { gr_network_options o; int more; } newer = {.o = {.size = sizeof newer}, .more = 1};
    CU_ASSERT_EQUAL(gr_network_open(model, &newer.o, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "newer");
    const char *const sets[] = {"nothing=1", NULL};
    const gr_network_options set = {.size = sizeof set, .sets = sets};
    CU_ASSERT_EQUAL(gr_network_open(model, &set, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "nothing");
}

/* A failure outlives the network that it is of. */
static void failures_outlive(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    gr_failure *why = NULL;
    gr_stream *s;
    const gr_stream_options o = {.size = sizeof o, .along = "nothing"};
    CU_ASSERT_EQUAL(gr_stream_open(n, &o, &s, &why), GR_EINVAL);
    gr_network_close(n);
    expect(&why, GR_EINVAL, "'nothing'");
}

static void refuse(gr_network *n, const char *along, const char *result, const char *axis, const char *says)
{
    const gr_axis_size axes[] = {{axis, 1}};
    const char *const results[] = {result, NULL};
    const gr_stream_options o = {.size = sizeof o, .results = results, .along = along, .axes = axes, .num_axes = 1};
    gr_stream *s;
    gr_failure *why = NULL;
    CU_ASSERT_EQUAL(gr_stream_open(n, &o, &s, &why), GR_EINVAL);
    CU_ASSERT_PTR_NULL(s);
    expect(&why, GR_EINVAL, says);
}

static void streams_refuse_what_cannot_be(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    gr_failure *why = NULL;
    gr_tensor t;
    refuse(n, "time", "logits", "wide", "'wide'; there are: time, batch");
    refuse(n, "length", "logits", "batch", "'length'");
    refuse(n, "time", "logit", "batch", "did you mean 'logits'");
    refuse(n, NULL, "logit", "batch", "did you mean 'logits'");
    refuse(n, "time", "loss", "batch", "mixes the steps of 'time'");
    gr_stream *s = open_stream(n, "time", 1, 1); /* after all that */
    CU_ASSERT_EQUAL(gr_stream_input(s, "z", &t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "no Input 'z'");
    CU_ASSERT_EQUAL(gr_stream_input(s, "y", &t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "no result of the stream needs 'y'");
    CU_ASSERT_EQUAL(gr_stream_result(s, "rnn.output", &t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "'rnn.output'");
    CU_ASSERT_STRING_EQUAL(gr_stream_result_name(s, 0), "logits");
    CU_ASSERT_PTR_NULL(gr_stream_result_name(s, 1));
    run(s, items, 1);
    gr_stream_close(s);
    gr_network_close(n);
}

/* By default: what no node reads, and nothing that a loss made on its way. */
static void default_results_are_what_the_model_ends_in(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    const gr_axis_size axes[] = {{"time", 3}, {"batch", 1}};
    const gr_stream_options o = {.size = sizeof o, .axes = axes, .num_axes = 2};
    gr_stream *s = NULL;
    gr_failure *why = NULL;
    if (gr_stream_open(n, &o, &s, &why)) fail("stream", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    int count = 0;
    bool loss = false;
    for (const char *name; (name = gr_stream_result_name(s, count)); count++) {
        loss = loss || strcmp(name, "loss") == 0;
        CU_ASSERT_TRUE(strncmp(name, "loss.", 5) != 0);
    }
    CU_ASSERT_TRUE(loss);
    gr_stream_close(s);
    gr_network_close(n);
}

/* ---- training ---- */

/* As many steps as graphrun train makes of the model, saved; the loss of the first and of the last. */
static const char *train_by_hand(const char *path, int steps, double loss[2])
{
    const gr_training_options o = {.size = sizeof o, .threads = 1};
    const char *saved = temp_path("by_hand.safetensors");
    gr_training *t = NULL;
    gr_failure *why = NULL;
    if (gr_training_open(path, &o, &t, &why)) fail(path, why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    for (int i = 0; i < steps; i++)
        if (gr_training_next(t, &why) || gr_training_step(t, &loss[i > 0], &why)) fail("step", why);
    CU_ASSERT_EQUAL(gr_training_save(t, saved, &why), 0);
    gr_training_close(t);
    return saved;
}

static void training_is_that_of_the_command(void)
{
    static const char *const train[] = {"optimizer: {op: Adam, lr: 0.05}, steps: 8",
                                        "optimizer: {op: SGD, lr: {op: Step, lr: 0.5, step_size: 2}}, bptt: 4, accumulate: 2, steps: 7"};
    for (int i = 0; i < 2; i++) {
        const char *path = recurrent_model("trained.yaml", train[i]), *saved = temp_path("by_command.safetensors");
        double loss[2];
        gr_error e;
        CU_ASSERT_EQUAL_FATAL(train_model(path, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = saved}, &e), 0);
        CU_ASSERT_TRUE(same_files(train_by_hand(path, i ? 7 : 8, loss), saved));
        CU_ASSERT_TRUE(loss[1] < loss[0]);
    }
}

static void training_is_fed_by_hand(void)
{
    const char *path = temp_file("line.yaml", "graphrun: 1\nname: line\ngraph:\n  x: {op: Input, shape: [batch, 1]}\n"
                                 "  y: {op: Input, shape: [batch, 1]}\n  p: {op: Linear, in: x, out_features: 1}\n"
                                 "  loss: {op: MSELoss, in: {input: p, target: y}}\n"
                                 "train: {minimize: loss, optimizer: {op: SGD, lr: 7}}\n");
    const gr_axis_size axis = {"batch", 2};
    const gr_training_options o = {.size = sizeof o, .axes = &axis, .num_axes = 1};
    gr_training *t = NULL;
    gr_failure *why = NULL;
    gr_tensor x, y;
    double loss = 1;
    if (gr_training_open(path, &o, &t, &why) || gr_training_input(t, "x", &x, &why) || gr_training_input(t, "y", &y, &why)) fail("line", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_EQUAL(gr_training_next(t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "no `data` section");
    gr_training_set_lr(t, 0.1); /* 7 would diverge */
    for (int i = 0; i < 300; i++) {
        for (int k = 0; k < 2; k++) ((float *)x.data)[k] = (float)k, ((float *)y.data)[k] = (float)(3 * k - 1);
        CU_ASSERT_EQUAL(gr_training_step(t, &loss, &why), 0);
    }
    CU_ASSERT_TRUE(loss < 1e-6);
    ((float *)x.data)[0] = NAN;
    CU_ASSERT_EQUAL(gr_training_step(t, &loss, &why), GR_ESTATE);
    expect(&why, GR_ESTATE, "not finite");
    gr_training_close(t);
}

/* The batch of another shape is compiled for the axes of the options, whose memory is gone by then. */
static void options_are_copied(void)
{
    const char *table = temp_file("axes.csv", "a,b\n1,2\n2,3\n3,4\n");
    const char *path = temp_file("axes.yaml", "graphrun: 1\nname: axes\ndata: {op: Csv, path: '%s', target: b, batch_size: 2}\n"
                                 "graph:\n  x: {op: Input, shape: [batch, 1], from: data.features}\n  w: {op: Input, shape: [wide]}\n"
                                 "  p: {op: Linear, in: x, out_features: 1}\n  loss: {op: MSELoss, in: {input: p, target: x}}\n"
                                 "  s: {op: Sum, in: w}\n  both: {op: Add, in: [loss, s]}\n"
                                 "train: {minimize: both, optimizer: {op: SGD, lr: 0.1}}\n", table);
    gr_axis_size *axis = malloc(sizeof *axis);
    char *name = strdup("wide");
    *axis = (gr_axis_size){name, 2};
    const gr_training_options o = {.size = sizeof o, .axes = axis, .num_axes = 1};
    gr_training *t = NULL;
    gr_failure *why = NULL;
    gr_tensor w;
    if (gr_training_open(path, &o, &t, &why)) fail("axes", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    memset(name, 'x', strlen(name));
    free(name);
    free(axis);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_TRUE((!gr_training_next(t, &why) && !gr_training_step(t, NULL, &why)) || fail("axes", why) == 0);
    CU_ASSERT_EQUAL(gr_training_input(t, "w", &w, NULL), 0);
    CU_ASSERT_EQUAL(w.dim[0], 2);
    gr_training_close(t);
}

/* ---- memory ---- */

typedef struct purse { long asked, held, fail_at; size_t bytes; } purse;

static void *purse_allocate(void *data, size_t bytes, size_t align)
{
    purse *p = data;
    if (++p->asked == p->fail_at) return NULL;
    p->held++;
    p->bytes += bytes;
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void purse_release(void *data, void *memory, size_t bytes)
{
    ((purse *)data)->held--;
    ((purse *)data)->bytes -= bytes;
    free(memory);
}

static int step(gr_stream *s, int32_t item, gr_failure **why)
{
    gr_tensor x;
    if (gr_stream_input(s, "x", &x, why)) return -1;
    *(int32_t *)x.data = item;
    return gr_stream_run(s, why);
}

/* Opens, steps and clones; false with a failure, which says that there is no memory. */
static bool live_on(purse *p)
{
    const gr_memory m = {purse_allocate, purse_release, p};
    const gr_network_options o = {.size = sizeof o, .weights = weights, .memory = &m};
    const gr_axis_size axes[] = {{"time", 1}, {"batch", 1}}, two[] = {{"time", 2}, {"batch", 1}};
    const gr_stream_options so = {.size = sizeof so, .results = logits_name, .along = "time", .axes = axes, .num_axes = 2};
    gr_network *n = NULL;
    gr_stream *s = NULL, *c = NULL;
    gr_failure *why = NULL;
    bool done = !gr_network_open(model, &o, &n, &why) && !gr_stream_open(n, &so, &s, &why) && !step(s, items[0], &why) &&
                !gr_stream_clone(s, &c, &why) && !gr_stream_resize(c, two, 2, &why) && !step(c, items[0], &why);
    const int next = s ? 1 : 0;
    if (!done) expect(&why, GR_ENOMEM, "memory");
    if (!done && n && !s) { /* it goes on as if nothing had been */
        p->fail_at = 0;
        gr_stream_open(n, &so, &s, &why);
    }
    if (s) CU_ASSERT_TRUE(distance(run(s, items + next, 1), whole + next * CLASSES, CLASSES) < 1e-5);
    gr_stream_close(c);
    gr_stream_close(s);
    gr_network_close(n);
    return done;
}

static void every_allocation_may_fail(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    run_whole(n);
    gr_network_close(n);
    purse p = {0};
    const long others = gr_count_allocations();
    CU_ASSERT_TRUE(live_on(&p));
    CU_ASSERT_EQUAL(gr_count_allocations(), others); /* all of it through the hook */
    CU_ASSERT_EQUAL(p.held, 0);
    const long all = p.asked;
    CU_ASSERT_TRUE(all > 20);
    for (long k = 1; k <= all; k++) {
        p = (purse){.fail_at = k};
        CU_ASSERT_FALSE(live_on(&p));
        CU_ASSERT_EQUAL(p.held, 0);
    }
}

static void runs_allocate_nothing(void)
{
    make_model();
    gr_network *n = open_network(model, weights);
    gr_stream *s = open_stream(n, "time", 1, 1);
    run(s, items, 1);
    const long before = gr_count_allocations();
    for (int i = 1; i < STEPS; i++) run(s, items + i, 1);
    gr_stream_reset(s);
    run(s, items, 1);
    CU_ASSERT_EQUAL(gr_count_allocations(), before);
    gr_stream_close(s);
    gr_network_close(n);
}

/* Streams of kinds and lengths that were met come and go, and change their lengths, as often as one likes. */
static void streams_leave_nothing(void)
{
    const char *path = temp_file("plain.yaml", "graphrun: 1\nname: plain\ngraph:\n  x: {op: Input, shape: [time, batch], dtype: int32}\n"
                                 "  e: {op: Embedding, in: x, num_embeddings: 5, embedding_dim: 3}\n  rnn: {op: LSTM, in: e, hidden_size: 4}\n"
                                 "  logits: {op: Linear, in: rnn.output, out_features: 5}\n");
    purse p = {0};
    const gr_memory m = {purse_allocate, purse_release, &p};
    const gr_network_options o = {.size = sizeof o, .memory = &m};
    const gr_axis_size one[] = {{"time", 1}, {"batch", 1}}, turned[] = {{"batch", 1}, {"time", 1}}, two[] = {{"time", 2}, {"batch", 1}};
    const gr_stream_options kinds[] = {{.size = sizeof *kinds, .axes = one, .num_axes = 2},
                                       {.size = sizeof *kinds, .results = logits_name, .along = "time", .axes = one, .num_axes = 2},
                                       {.size = sizeof *kinds, .results = logits_name, .along = "time", .axes = turned, .num_axes = 2},
                                       {.size = sizeof *kinds, .results = logits_name, .along = "time", .axes = turned, .num_axes = 1}};
    gr_network *n = NULL;
    gr_stream *s = NULL;
    gr_failure *why = NULL;
    size_t held = 0;
    CU_ASSERT_EQUAL_FATAL(gr_network_open(path, &o, &n, NULL), 0);
    for (int i = 0; i < 200; i++) {
        if (gr_stream_open(n, &kinds[i % 4], &s, &why)) fail("stream", why);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        for (int k = 0; i % 4 && k < 100; k++) CU_ASSERT_EQUAL(gr_stream_resize(s, k % 2 ? k % 4 == 1 ? one : turned : two, 2, NULL), 0);
        gr_stream_close(s);
        if (i == 7) held = p.bytes;
    }
    CU_ASSERT_EQUAL(p.bytes, held);
    gr_network_close(n);
    CU_ASSERT_EQUAL(p.bytes, 0);
}

void test_library(void)
{
    CU_pSuite s = CU_add_suite("library", NULL, NULL);
    CU_add_test(s, "steps give what the whole gives", steps_are_the_whole);
    CU_add_test(s, "pieces of any length go on", pieces_of_any_length_go_on);
    CU_add_test(s, "clones part ways", clones_part_ways);
    CU_add_test(s, "streams of prepared weights are apart", streams_of_prepared_weights_are_apart);
    CU_add_test(s, "threads share weights", threads_share_weights);
    CU_add_test(s, "words are of the vocabulary", words_are_of_the_vocabulary);
    CU_add_test(s, "failures say all", failures_say_all);
    CU_add_test(s, "failures outlive what failed", failures_outlive);
    CU_add_test(s, "streams refuse what cannot be", streams_refuse_what_cannot_be);
    CU_add_test(s, "default results", default_results_are_what_the_model_ends_in);
    CU_add_test(s, "training is that of the command", training_is_that_of_the_command);
    CU_add_test(s, "training is fed by hand", training_is_fed_by_hand);
    CU_add_test(s, "options are copied", options_are_copied);
    CU_add_test(s, "every allocation may fail", every_allocation_may_fail);
    CU_add_test(s, "streams leave nothing behind", streams_leave_nothing);
    CU_add_test(s, "runs allocate nothing", runs_allocate_nothing);
}
