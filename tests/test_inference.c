/* test_inference.c - programs that never change weights: what is made of these is made once, and
 * products may keep weights with 16 bits. */
#include "base/half.h"
#include "tests.h"
#include "train_support.h"

#include "train/rounding.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

enum { BATCH = 3, FEATURES = 40, HIDDEN = 40, TIME = 5 };

static const char *stack_model(const char *name)
{
    return temp_file(name, "graphrun: 1\nname: small\nvars: {time: 5, batch: 3}\ngraph:\n"
                     "  x: {op: Input, shape: [time, batch, 40]}\n"
                     "  r: {op: LSTM, in: x, hidden_size: 40, num_layers: 2}\n"
                     "  y: {op: Linear, in: r.output, out_features: 40}\n");
}

static gr_session *open_stack(const char *name, int threads) { return open_model(stack_model(name), threads); }

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

/* What weights are made into is filled by a run in the middle of others. */
static void preparing_leaves_what_is_carried(void)
{
    gr_session *s = open_model(temp_file("carried.yaml", "graphrun: 1\nname: small\nvars: {time: 5, batch: 3}\ngraph:\n"
                               "  x: {op: Input, shape: [time, batch, 40]}\n  r: {op: LSTM, in: x, hidden_size: 40}\n"
                               "  loss: {op: Mean, in: r.output}\ntrain: {minimize: loss, carry: r, optimizer: {op: SGD, lr: 0.1}}\n"), 1);
    int changed = 0;
    for (int time = 2; time <= 4; time++) {
        const gr_axis_size axis = {"time", time};
        const gr_want want = {.metrics = true, .frozen = true, .axes = &axis, .num_axes = 1};
        gr_error e = {0};
        CU_ASSERT_PTR_NOT_NULL_FATAL(gr_session_compile(s, &want, &e));
        for (int i = 0; i < s->num_resets; i++) {
            gr_type t;
            char *data = gr_session_state(s, s->resets[i].state, &t);
            const size_t bytes = (size_t)gr_numel(&t) * gr_dtype_size(t.dtype);
            for (size_t k = 0; k < bytes && time > 2; k++) changed += data[k] != 1;
            memset(data, 1, bytes);
        }
    }
    CU_ASSERT_EQUAL(changed, 0);
    CU_ASSERT_TRUE(s->num_resets == 2 && count_frozen(s) > 0);
    gr_session_close(s);
}

/* ---- weights with 16 bits ---- */

static const gr_dtype halves[] = {GR_BFLOAT16, GR_FLOAT16};

static gr_session *open_half(const char *name, int threads, gr_dtype half)
{
    gr_session *s = open_stack(name, threads);
    s->options.weights_dtype = half;
    return s;
}

/* What the products of `small` keep with 16 bits, as float32 in the session's states. */
static int round_matrices(gr_session *s, gr_dtype half)
{
    int n = 0;
    for (int i = 0; i < gr_store_count(s->store); i++) {
        gr_type t;
        float *x = gr_store_data(s->store, i, &t);
        if (!strstr(gr_store_name(s->store, i), "weight")) continue;
        for (int64_t k = 0; k < gr_numel(&t); k++)
            x[k] = half == GR_BFLOAT16 ? gr_from_bf16(gr_to_bf16(x[k])) : gr_from_f16(gr_to_f16(x[k]));
        n++;
    }
    return n;
}

/* The bits of products in float with the rounded weights, on any number of threads and for a step, too. */
static void programs_are_those_of_rounded_weights(void)
{
    float plain[TIME * BATCH * HIDDEN], exact[TIME * BATCH * HIDDEN], half[TIME * BATCH * HIDDEN];
    for (int h = 0; h < 2; h++)
        for (int64_t steps = 1; steps <= TIME; steps += TIME - 1) {
            gr_session *s = open_stack("rounded", 1);
            run_forward(s, false, steps, exact);
            CU_ASSERT_EQUAL(round_matrices(s, halves[h]), 5);
            run_forward(s, false, steps, plain);
            gr_session_close(s);
            for (int threads = 1; threads <= 3; threads++) {
                s = open_half("half", threads, halves[h]);
                run_forward(s, false, steps, half);
                CU_ASSERT_EQUAL(memcmp(plain, half, sizeof *half * (size_t)(steps * BATCH * HIDDEN)), 0);
                CU_ASSERT_NOT_EQUAL(memcmp(exact, half, sizeof *half * (size_t)(steps * BATCH * HIDDEN)), 0);
                gr_session_close(s);
            }
        }
}

static size_t packed_bytes(const gr_session *s)
{
    size_t bytes = 0;
    for (int i = 0; i < gr_store_count(s->store); i++) {
        gr_type t;
        gr_store_data(s->store, i, &t);
        if (strstr(gr_store_name(s->store, i), ".packed")) bytes += (size_t)gr_numel(&t) * gr_dtype_size(t.dtype);
    }
    return bytes;
}

static void packed_weights_take_half(void)
{
    float y[TIME * BATCH * HIDDEN];
    gr_session *s = open_stack("whole", 1);
    run_forward(s, true, TIME, y);
    size_t whole = packed_bytes(s);
    s->options.weights_dtype = GR_FLOAT16; /* the same session may have both */
    run_forward(s, true, TIME, y);
    CU_ASSERT_TRUE(whole > 0);
    CU_ASSERT_EQUAL(packed_bytes(s), whole + whole / 2);
    CU_ASSERT_EQUAL(s->rounding.num_parameters, 5);
    CU_ASSERT_TRUE(sqrt(s->rounding.change / s->rounding.size) < 0x1p-11);
    CU_ASSERT_TRUE(sqrt(s->rounding.change / s->rounding.size) > 0x1p-14);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_rounding_text(s), "5 parameters as float16"));
    gr_session_close(s);
}

static bool refused(gr_session *s, const gr_want *w, const char *words)
{
    gr_error e = {0};
    bool told = !gr_session_compile(s, w, &e) && strstr(e.message, words);
    if (!told) fprintf(stderr, "%s\n", e.message);
    return told;
}

static void what_cannot_be_is_told(void)
{
    static const char *const fetch[] = {"y", NULL}, *const grad[] = {"x", NULL};
    const gr_want forward = {.fetch = fetch}, train = {.update = true}, gradient = {.fetch = fetch, .grad = grad, .of = "y"};
    gr_session *s = open_half("refused", 1, GR_BFLOAT16);
    CU_ASSERT_TRUE(refused(s, &train, "training needs float32"));
    CU_ASSERT_TRUE(refused(s, &gradient, "a gradient needs float32"));
    gr_session_close(s);
    gr_session_options o = {.model = {.real = GR_FLOAT64}, .threads = 1, .weights_dtype = GR_FLOAT16};
    gr_error e = {0};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s = gr_session_open(stack_model("refused"), &o, &e));
    CU_ASSERT_TRUE(refused(s, &forward, "not in float64"));
    gr_session_close(s);
}

static void what_is_too_large_is_named(void)
{
    float y[TIME * BATCH * HIDDEN];
    static const char *const fetch[] = {"y", NULL};
    gr_session *s = open_stack("large", 1);
    run_forward(s, false, TIME, y);
    float *weight = gr_session_state(s, "r.weight_hh_l1", NULL), *bias = gr_session_state(s, "r.bias_hh_l0", NULL);
    CU_ASSERT_TRUE_FATAL(weight && bias);
    bias[3] = 1e6f; /* stays float */
    weight[77] = -65520;
    s->options.weights_dtype = GR_FLOAT16;
    CU_ASSERT_TRUE(refused(s, &(gr_want){.fetch = fetch}, "'r.weight_hh_l1' has -65520: bfloat16 has room for it"));
    weight[77] = -65519;
    run_forward(s, false, TIME, y);
    s->options.weights_dtype = GR_BFLOAT16;
    run_forward(s, false, TIME, y);
    gr_session_close(s);
}

void test_inference(void)
{
    CU_pSuite s = CU_add_suite("inference", NULL, NULL);
    CU_add_test(s, "weights are packed once", weights_are_packed_once);
    CU_add_test(s, "programs of other lengths share them", lengths_share_what_is_packed);
    CU_add_test(s, "preparing them leaves what is carried", preparing_leaves_what_is_carried);
    CU_add_test(s, "weights of 16 bits give the bits of rounded ones", programs_are_those_of_rounded_weights);
    CU_add_test(s, "packed weights take half the memory", packed_weights_take_half);
    CU_add_test(s, "training, gradients and doubles are refused", what_cannot_be_is_told);
    CU_add_test(s, "a weight too large for float16 is named", what_is_too_large_is_named);
}
