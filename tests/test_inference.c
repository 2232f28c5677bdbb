/* test_inference.c - programs that never change weights: what is made of these is made once. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <string.h>

enum { BATCH = 3, FEATURES = 40, HIDDEN = 40, TIME = 5 };

static gr_session *open_stack(const char *name, int threads)
{
    return open_model(temp_file(name, "graphrun: 1\nname: small\nvars: {time: 5, batch: 3}\ngraph:\n"
                                "  x: {op: Input, shape: [time, batch, 40]}\n"
                                "  r: {op: LSTM, in: x, hidden_size: 40, num_layers: 2}\n"
                                "  y: {op: Linear, in: r.output, out_features: 40}\n"), threads);
}

/* Runs `steps` steps of the same numbers; y [steps, BATCH, HIDDEN]. */
static gr_exec *run_forward(gr_session *s, bool frozen, int64_t steps, float *y)
{
    static const char *const fetch[] = {"y", NULL};
    static float x[TIME * BATCH * FEATURES];
    const gr_axis_size axis = {"time", steps};
    const gr_want want = {.fetch = fetch, .frozen = frozen, .axes = &axis, .num_axes = 1};
    for (int i = 0; i < TIME * BATCH * FEATURES; i++) x[i] = (float)(i * 37 % 101) / 50 - 1;
    gr_tensor t = {.data = x, .dtype = GR_FLOAT32, .rank = 3, .dim = {steps, BATCH, FEATURES}, .stride = {BATCH * FEATURES, FEATURES, 1}};
    gr_error e = {0};
    gr_exec *exec = gr_session_compile(s, &want, &e);
    if (!exec || gr_exec_feed(exec, "x", &t, &e) || gr_exec_step(exec, 0, &e)) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_EQUAL_FATAL(e.status, 0);
    memcpy(y, gr_run_result(exec->run, "y", NULL), (size_t)(steps * BATCH * HIDDEN) * sizeof *y);
    return exec;
}

static int count_frozen(const gr_session *s)
{
    int n = 0;
    for (int i = 0; i < gr_store_count(s->store); i++) n += strncmp(gr_store_name(s->store, i), "frozen:", 7) == 0;
    return n;
}

static bool packs(const gr_exec *x)
{
    for (int i = 0; i < x->program->num_templates; i++) {
        const gr_node *n = x->program->templates[i].node;
        if (n && strcmp(n->op->name, "PackedOperand") == 0) return true;
    }
    return false;
}

/* Packed with the program, not by every run: the same bits. */
static void weights_are_packed_once(void)
{
    float plain[TIME * BATCH * HIDDEN], kept[TIME * BATCH * HIDDEN];
    for (int threads = 1; threads <= 3; threads++) {
        gr_session *s = open_stack("once", threads);
        CU_ASSERT_TRUE(packs(run_forward(s, false, TIME, plain)));
        CU_ASSERT_EQUAL(count_frozen(s), 0);
        CU_ASSERT_FALSE(packs(run_forward(s, true, TIME, kept)));
        CU_ASSERT_EQUAL(memcmp(plain, kept, sizeof plain), 0);
        CU_ASSERT_EQUAL(count_frozen(s), 5); /* of each layer two, and the Linear's */
        gr_session_close(s);
    }
}

static void lengths_share_what_is_packed(void)
{
    float five[TIME * BATCH * HIDDEN], four[TIME * BATCH * HIDDEN];
    gr_session *s = open_stack("share", 1);
    run_forward(s, true, TIME, five);
    int frozen = count_frozen(s);
    run_forward(s, true, TIME - 1, four);
    CU_ASSERT_EQUAL(count_frozen(s), frozen);
    CU_ASSERT_EQUAL(memcmp(five, four, sizeof *four * (TIME - 1) * BATCH * HIDDEN), 0);
    gr_session_close(s);
}

void test_inference(void)
{
    CU_pSuite s = CU_add_suite("inference", NULL, NULL);
    CU_add_test(s, "weights are packed once", weights_are_packed_once);
    CU_add_test(s, "programs of other lengths share them", lengths_share_what_is_packed);
}
