/* test_library_memory.c - graphrun.h and memory: it is all from the hook, any of it may not be there, and what was
 * done once is given back. */
#include "failing.h"
#include "library_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN GR_BUILD_DIR "/graphs/plugins/minimal_gated.so"

static float whole[STEPS * CLASSES];

/* ---- streams ---- */

static int step(gr_stream *s, int32_t item, gr_failure **why)
{
    gr_tensor x;
    if (gr_stream_input(s, "x", &x, why)) return -1;
    *(int32_t *)x.data = item;
    return gr_stream_run(s, why);
}

static const gr_axis_size one[] = {{"time", 1}, {"batch", 1}}, turned[] = {{"batch", 1}, {"time", 1}}, two[] = {{"time", 2}, {"batch", 1}};

/* Opens, steps, clones and resizes; false with a failure, which says that there is no memory and left the stream as
 * it was, and where it was opening one no memory either. */
static bool live_on(purse *p, const char *path, const char *from)
{
    const gr_memory m = purse_memory(p);
    const gr_network_options o = {.size = sizeof o, .weights = from, .seed = 1, .memory = &m};
    const gr_stream_options so = {.size = sizeof so, .results = logits_name, .along = "time", .axes = one, .num_axes = 2};
    gr_network *n = NULL;
    gr_stream *s = NULL, *c = NULL;
    gr_failure *why = NULL;
    size_t before = 0;
    bool done = !gr_network_open(path, &o, &n, &why) && (before = p->bytes, !gr_stream_open(n, &so, &s, &why)) && !step(s, tokens[0], &why) &&
                (before = p->bytes, !gr_stream_clone(s, &c, &why)) && !gr_stream_resize(c, two, 2, &why) && !step(c, tokens[0], &why);
    const int next = s ? 1 : 0;
    if (!done) expect(&why, GR_ENOMEM, "memory");
    if (!done && !c) CU_ASSERT_EQUAL(p->bytes, before);
    p->fail_at = 0; /* it goes on as if nothing had been */
    if (n && !s) gr_stream_open(n, &so, &s, NULL);
    if (s) CU_ASSERT_TRUE(distance(run_stream(s, tokens + next, 1), whole + next * CLASSES, CLASSES) < 1e-5);
    if (s) CU_ASSERT_EQUAL(gr_stream_resize(s, two, 2, NULL), 0);
    if (s) CU_ASSERT_TRUE(distance(run_stream(s, tokens + next + 1, 2), whole + (next + 1) * CLASSES, 2 * CLASSES) < 1e-5);
    gr_stream_close(c);
    gr_stream_close(s);
    gr_network_close(n);
    return done;
}

static void may_fail(const char *path, const char *from)
{
    gr_network *n = open_network(path, from);
    run_whole(n, whole);
    gr_network_close(n);
    purse p = {0};
    const long others = gr_count_allocations();
    CU_ASSERT_TRUE(live_on(&p, path, from));
    CU_ASSERT_EQUAL(gr_count_allocations(), others); /* all of it through the hook */
    CU_ASSERT_EQUAL(p.held, 0);
    const long all = p.asked;
    long failed = 0;
    CU_ASSERT_TRUE(all > 20);
    for (long k = 1; k <= all; k++) {
        p = (purse){.fail_at = k};
        failed += !live_on(&p, path, from);
        CU_ASSERT_EQUAL(p.held, 0);
    }
    CU_ASSERT_TRUE(failed > all / 2 && failed < all); /* the last are of what goes on */
}

static void every_allocation_may_fail(void)
{
    if (!GR_TEST_NUMBERS) return;
    make_trained();
    may_fail(trained_model, trained_weights);
}

static void so_it_may_for_prepared_weights(void)
{
    if (!GR_TEST_NUMBERS) return;
    may_fail(prepared_model("fail.yaml", "", "  rnn: {op: LSTM, in: e, hidden_size: 64}\n"), NULL);
    may_fail(prepared_model("fail_plugin.yaml", "plugins: ['" PLUGIN "']\n", "  rnn: {op: Recurrent, cell: MinimalGated, in: e, hidden_size: 64}\n"), NULL);
}

static void runs_allocate_nothing(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    gr_stream *s = open_stream(n, "time", 1, 1);
    run_stream(s, tokens, 1);
    const long before = gr_count_allocations();
    for (int i = 1; i < STEPS; i++) run_stream(s, tokens + i, 1);
    gr_stream_reset(s);
    run_stream(s, tokens, 1);
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
    const gr_memory m = purse_memory(&p);
    const gr_network_options o = {.size = sizeof o, .memory = &m};
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
        if (gr_stream_open(n, &kinds[i % 4], &s, &why)) library_fail("stream", why);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        for (int k = 0; i % 4 && k < 100; k++) CU_ASSERT_EQUAL(gr_stream_resize(s, k % 2 ? k % 4 == 1 ? one : turned : two, 2, NULL), 0);
        gr_stream_close(s);
        if (i == 7) held = p.bytes;
    }
    CU_ASSERT_EQUAL(p.bytes, held);
    gr_network_close(n);
    CU_ASSERT_EQUAL(p.bytes, 0);
}

/* Streams that cannot be, for whichever reason, as often as one asks: before anything was compiled, while, and after. */
static void refused_streams_leave_nothing(void)
{
    const char *path = temp_file("mixed.yaml", "graphrun: 1\nname: mixed\nvars: {width: \"${1 + 2}\"}\nblocks:\n"
                                 "  Same: {in: x, vars: {n: ~}, graph: {y: {op: Linear, in: x, out_features: $n}}, out: {y: y}}\n"
                                 "graph:\n  x: {op: Input, shape: [time, batch], dtype: int32}\n"
                                 "  e: {op: Embedding, in: x, num_embeddings: 5, embedding_dim: $width}\n"
                                 "  both: {op: LSTM, in: e, hidden_size: 4, bidirectional: true}\n  s: {op: Same, in: both.output, n: 3}\n");
    static const char *const both[] = {"s", NULL}, *const none[] = {"nothing", NULL};
    static const gr_axis_size wrong[] = {{"batch", 1}, {"tiem", 1}}, many[] = {{"batch", 1}, {"time", (int64_t)1 << 60}};
    const struct { gr_stream_options o; const char *says; int status; } refused[] = {
        {{.size = sizeof(gr_stream_options), .results = both, .along = "time", .axes = one, .num_axes = 2}, "step by step", GR_EINVAL},
        {{.size = sizeof(gr_stream_options), .results = none, .axes = one, .num_axes = 2}, "nothing", GR_EINVAL},
        {{.size = sizeof(gr_stream_options), .results = both, .axes = one, .num_axes = 1}, "batch", GR_EINVAL},
        {{.size = sizeof(gr_stream_options), .results = both, .axes = wrong, .num_axes = 2}, "no Input has an axis 'tiem'", GR_EINVAL},
        {{.size = sizeof(gr_stream_options), .results = both, .along = "tiem", .axes = one, .num_axes = 2}, "no Input has an axis 'tiem'", GR_EINVAL},
        {{.size = sizeof(gr_stream_options), .results = both, .axes = many, .num_axes = 2}, "too large", GR_EINVAL}};
    enum { REFUSED = sizeof refused / sizeof *refused };
    purse p = {0};
    const gr_memory m = purse_memory(&p);
    const gr_network_options o = {.size = sizeof o, .memory = &m};
    const gr_stream_options good = {.size = sizeof good, .results = both, .axes = two, .num_axes = 2};
    gr_network *n = NULL;
    gr_stream *s = NULL;
    gr_failure *why = NULL;
    CU_ASSERT_EQUAL_FATAL(gr_network_open(path, &o, &n, NULL), 0);
    for (int i = 0; i < 10 * REFUSED; i++) {
        const size_t before = p.bytes;
        CU_ASSERT_EQUAL(gr_stream_open(n, &refused[i % REFUSED].o, &s, &why), refused[i % REFUSED].status);
        if (why) expect(&why, refused[i % REFUSED].status, refused[i % REFUSED].says);
        CU_ASSERT_PTR_NULL(s);
        CU_ASSERT_EQUAL(p.bytes, before);
        if (i % REFUSED != 3) continue;
        CU_ASSERT_EQUAL_FATAL(gr_stream_open(n, &good, &s, NULL), 0); /* which goes on working, and is met from then on */
        CU_ASSERT_EQUAL(gr_stream_run(s, NULL), 0);
        gr_stream_close(s);
        s = NULL;
    }
    gr_network_close(n);
    CU_ASSERT_EQUAL(p.bytes, 0);
}

/* Opened and refused again and again; what the libraries for YAML and JSON take the address sanitizer sees. */
static void networks_leave_nothing(void)
{
    make_trained();
    purse p = {0};
    const gr_memory m = purse_memory(&p);
    const gr_network_options o = {.size = sizeof o, .weights = trained_weights, .memory = &m};
    const char *wrong = temp_file("left.yaml", "graphrun: 1\nname: left\ngraph:\n  x: {op: Linaer}\n");
    for (int i = 0; i < 20; i++) {
        gr_network *n = NULL;
        CU_ASSERT_EQUAL(gr_network_open(i % 2 ? trained_model : wrong, &o, &n, NULL), i % 2 ? 0 : GR_EINVAL);
        gr_network_close(n);
        CU_ASSERT_EQUAL(p.held, 0);
    }
}

/* ---- training ---- */

enum { TRAINED = 5 };

/* What a call that fails is when it is made again; memory is there by then. */
static int again(purse *p, int status, gr_failure **why, bool *failed)
{
    if (!status) return 0;
    expect(why, GR_ENOMEM, "memory");
    p->fail_at = 0;
    *failed = true;
    return 1;
}

/* As many steps as there are, whatever fails on the way, and the weights then; false: something did. */
static bool train_on(purse *p, const char *path, const char *saved)
{
    const gr_memory m = purse_memory(p);
    const gr_training_options o = {.size = sizeof o, .threads = 1, .memory = &m};
    gr_training *t = NULL;
    gr_failure *why = NULL;
    bool failed = false;
    if (again(p, gr_training_open(path, &o, &t, &why), &why, &failed)) CU_ASSERT_EQUAL_FATAL(gr_training_open(path, &o, &t, NULL), 0);
    for (int i = 0; i < TRAINED; i++) {
        if (again(p, gr_training_next(t, &why), &why, &failed)) {
            CU_ASSERT_EQUAL(gr_training_next(t, &why), 0);
        }
        if (again(p, gr_training_step(t, NULL, &why), &why, &failed)) CU_ASSERT_EQUAL(gr_training_step(t, NULL, &why), 0);
    }
    if (again(p, gr_training_save(t, saved, &why), &why, &failed)) CU_ASSERT_EQUAL(gr_training_save(t, saved, &why), 0);
    gr_training_close(t);
    return !failed;
}

/* A step's batch, or piece, is the same whichever call had no memory. */
static void training_goes_on_after_a_failure(void)
{
    if (!GR_TEST_NUMBERS) return;
    const char *path = recurrent_model("fail_train.yaml", "optimizer: {op: SGD, lr: 0.5}, bptt: 4, accumulate: 2, steps: 7");
    const char *right = temp_path("fail_right.safetensors"), *saved = temp_path("fail_saved.safetensors");
    purse p = {0};
    CU_ASSERT_TRUE(train_on(&p, path, right));
    CU_ASSERT_EQUAL(p.held, 0);
    const long all = p.asked;
    CU_ASSERT_TRUE(all > 20);
    for (long k = 1; k <= all; k++) {
        p = (purse){.fail_at = k};
        CU_ASSERT_FALSE(train_on(&p, path, saved));
        CU_ASSERT_TRUE(same_files(saved, right));
        CU_ASSERT_EQUAL(p.held, 0);
    }
}

void test_library_memory(void)
{
    CU_pSuite s = CU_add_suite("library_memory", NULL, NULL);
    CU_add_test(s, "every allocation may fail", every_allocation_may_fail);
    CU_add_test(s, "so it may where weights are prepared, and with a plugin", so_it_may_for_prepared_weights);
    CU_add_test(s, "training goes on after a failure", training_goes_on_after_a_failure);
    CU_add_test(s, "streams leave nothing behind", streams_leave_nothing);
    CU_add_test(s, "streams that are refused leave nothing behind", refused_streams_leave_nothing);
    CU_add_test(s, "networks leave nothing behind", networks_leave_nothing);
    CU_add_test(s, "runs allocate nothing", runs_allocate_nothing);
}
