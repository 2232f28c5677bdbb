/* test_update.c - updates made of several batches, and of several losses. */
#include "io/npy.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- accumulation ---- */

enum { ROWS = 12 };

/* x [12, 2] and y [12, 1], read in batches of so many rows. */
static const char *batched_model(int batch_size, const char *train)
{
    float x[2 * ROWS], y[ROWS];
    for (int i = 0; i < 2 * ROWS; i++) x[i] = (float)sin(1.3 * i);
    for (int i = 0; i < ROWS; i++) y[i] = (float)cos(0.7 * i);
    const char *files[2] = {temp_path("rows_x.npy"), temp_path("rows_y.npy")};
    const gr_tensor t[2] = {{.data = x, .dtype = GR_FLOAT32, .rank = 2, .dim = {ROWS, 2}, .stride = {2, 1}},
                            {.data = y, .dtype = GR_FLOAT32, .rank = 2, .dim = {ROWS, 1}, .stride = {1, 1}}};
    gr_error e;
    for (int i = 0; i < 2; i++) CU_ASSERT_EQUAL_FATAL(gr_npy_write(files[i], &t[i], &e), 0);
    return temp_file("batched.yaml",
        "graphrun: 1\n"
        "name: batched\n"
        "data: {op: Npy, files: {x: rows_x.npy, y: rows_y.npy}, batch_size: %d}\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, 2], from: data.x}\n"
        "  y: {op: Input, shape: [batch, 1], from: data.y}\n"
        "  enc: {op: Linear, in: x, out_features: 3}\n"
        "  act: {op: Tanh, in: enc}\n"
        "  out: {op: Linear, in: act, out_features: 1}\n"
        "  loss: {op: MSELoss, in: {input: out, target: y}}\n"
        "train: {minimize: loss, %s}\n", batch_size, train);
}

typedef struct ended { double weight[6], bias[3], updates; int64_t steps; } ended;

static void read_state(gr_session *s, const char *name, double *to)
{
    gr_type t;
    const void *data = gr_session_state(s, name, &t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (int64_t i = 0; i < gr_numel(&t); i++) to[i] = gr_element(data, t.dtype, i);
}

/* Trains as the model says, quietly; gives how many steps that took. */
static int64_t train_quietly(gr_session *s)
{
    gr_error e;
    gr_train_result r;
    const gr_train_options o = {.epochs = -1, .steps = -1, .quiet = true, .out = fopen("/dev/null", "w")};
    CU_ASSERT_EQUAL_FATAL(gr_train(s, &o, &r, &e), 0);
    fclose(o.out);
    return r.steps;
}

static ended train_to_end(const char *model)
{
    gr_session *s = open_model(model, 1);
    ended end = {.steps = train_quietly(s)};
    read_state(s, "enc.weight", end.weight);
    read_state(s, "enc.bias", end.bias);
    read_state(s, "train.step", &end.updates);
    gr_session_close(s);
    return end;
}

static bool same_weights(const ended *a, const ended *b)
{
    double worst = 0;
    for (int i = 0; i < 6; i++) worst = fmax(worst, fabs(a->weight[i] - b->weight[i]));
    for (int i = 0; i < 3; i++) worst = fmax(worst, fabs(a->bias[i] - b->bias[i]));
    return worst < 2e-6;
}

#define ADAM "optimizer: {op: Adam, lr: 0.05}, clip_grad_norm: 0.1, epochs: 4"

static void batches_are_one(void)
{
    ended many = train_to_end(batched_model(2, ADAM ", accumulate: 3")), one = train_to_end(batched_model(6, ADAM));
    CU_ASSERT_EQUAL(many.steps, 24);
    CU_ASSERT_EQUAL(many.updates, 8);
    CU_ASSERT_EQUAL(one.updates, 8);
    CU_ASSERT_TRUE(same_weights(&many, &one));
    ended plain = train_to_end(batched_model(2, ADAM));
    CU_ASSERT_FALSE(same_weights(&many, &plain));
}

/* Of six batches four make an update and the two that are left another. */
static void leftover_is_an_update(void)
{
    ended many = train_to_end(batched_model(2, ADAM ", accumulate: 4")), unlike = train_to_end(batched_model(8, ADAM));
    CU_ASSERT_EQUAL(many.updates, 8);
    CU_ASSERT_EQUAL(unlike.updates, 8);
    CU_ASSERT_TRUE(same_weights(&many, &unlike));
}

/* An epoch of one batch has nothing left over: three epochs make an update. */
static void short_epochs_go_on(void)
{
    ended many = train_to_end(batched_model(12, "optimizer: {op: Adam, lr: 0.05}, epochs: 6, accumulate: 3"));
    ended two = train_to_end(batched_model(12, "optimizer: {op: Adam, lr: 0.05}, epochs: 2"));
    CU_ASSERT_EQUAL(many.updates, 2);
    CU_ASSERT_TRUE(same_weights(&many, &two));
}

/* A rate that counts steps counts updates. */
static void schedules_count_updates(void)
{
    const char *lr = "optimizer: {op: SGD, lr: {op: Exponential, lr: 0.5, gamma: 0.5, by: step, warmup: 3}}, epochs: 4";
    char both[256];
    snprintf(both, sizeof both, "%s, accumulate: 3", lr);
    ended many = train_to_end(batched_model(2, both)), one = train_to_end(batched_model(6, lr));
    CU_ASSERT_TRUE(same_weights(&many, &one));
}

#define STATEFUL "optimizer: {op: Adam, lr: 0.02}, clip_grad_norm: 0.5, carry: rnn, accumulate: 3"

static void resume_within_an_update(void)
{
    const char *model = recurrent_model("accumulate.yaml", STATEFUL ", steps: 11");
    const char *whole = temp_path("whole.ckpt"), *part = temp_path("part.ckpt"), *rest = temp_path("rest.ckpt");
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = 11, .checkpoint = whole}, &e), 0);
    for (int at = 3; at < 7; at++) {
        CU_ASSERT_EQUAL(train_model(model, 2, (gr_train_options){.epochs = -1, .steps = at, .checkpoint = part}, &e), 0);
        CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = 11, .resume = part,
                                                                 .checkpoint = rest}, &e), 0);
        CU_ASSERT_TRUE(same_files(whole, rest));
    }
}

/* Running statistics go on with every batch, parameters with every third. */
static void statistics_go_on(void)
{
    const char *model = temp_file("statistics.yaml",
        "graphrun: 1\nname: statistics\n"
        "data: {op: Inline, values: {x: [[0.5, 1.0], [2.0, -1.0], [0.25, 3.0]]}}\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, 2], from: data.x}\n"
        "  norm: {op: BatchNorm1d, in: x}\n"
        "  square: {op: Square, in: norm}\n"
        "  loss: {op: Mean, in: square}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, accumulate: 3, steps: 5}\n");
    gr_session *s = open_model(model, 1);
    train_quietly(s);
    double batches, updates, mean[2];
    read_state(s, "norm.num_batches_tracked", &batches);
    read_state(s, "train.step", &updates);
    read_state(s, "norm.running_mean", mean);
    CU_ASSERT_EQUAL(batches, 5);
    CU_ASSERT_EQUAL(updates, 1);
    CU_ASSERT_DOUBLE_EQUAL(mean[1], 1 - pow(0.9, 5), 1e-6);
    gr_session_close(s);
}

/* ---- several losses ---- */

static const char *two_losses(const char *minimize, const char *more)
{
    return temp_file("two.yaml",
        "graphrun: 1\nname: two\n"
        "data:\n  op: Inline\n  values: {x: [[0.5, -1.0], [2.0, 0.25], [1.5, -0.75]], y: [[1.0], [0.0], [-1.0]]}\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, 2], from: data.x}\n"
        "  y: {op: Input, shape: [batch, 1], from: data.y}\n"
        "  enc: {op: Linear, in: x, out_features: 3}\n"
        "  act: {op: Tanh, in: enc}\n"
        "  out: {op: Linear, in: act, out_features: 1}\n"
        "  far: {op: MSELoss, in: {input: out, target: y}}\n"
        "  square: {op: Square, in: act}\n"
        "  size: {op: Mean, in: square}\n"
        "%s"
        "train: {minimize: %s, optimizer: {op: SGD, lr: 0.2}, epochs: 5}\n"
        "metrics: [%s]\n", more, minimize, *more ? "{op: MAE, in: [out, y]}" : "mae");
}

static void total_is_minimized(void)
{
    const char *written = "  third: {op: Constant, value: 0.3}\n  part: {op: Mul, in: [size, third]}\n"
                          "  sum: {op: Add, in: [far, part]}\n  both: {op: Add, in: [far, size]}\n";
    ended weighted = train_to_end(two_losses("{far: 1, size: 0.3}", "")), list = train_to_end(two_losses("[far, size]", ""));
    ended sum = train_to_end(two_losses("sum", written)), both = train_to_end(two_losses("both", written));
    ended half = train_to_end(two_losses("{far: 0.5}", "")), alone = train_to_end(two_losses("far", ""));
    CU_ASSERT_TRUE(same_weights(&weighted, &sum));
    CU_ASSERT_TRUE(same_weights(&list, &both));
    CU_ASSERT_FALSE(same_weights(&weighted, &list));
    CU_ASSERT_FALSE(same_weights(&half, &alone));
}

/* Gradients of 1e30 are finite, though their squares are not: SGD takes them, 1e30 * 1e-30 from each. */
static void large_gradients_count(void)
{
    double weight[3];
    gr_session *s = open_model(temp_file("large.yaml",
        "graphrun: 1\n"
        "name: large\n"
        "graph:\n"
        "  w: {op: Parameter, shape: [3], init: Zeros}\n"
        "  by: {op: Constant, value: 1.0e30}\n"
        "  far: {op: Mul, in: [w, by]}\n"
        "  loss: {op: Sum, in: far}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 1.0e-30}, steps: 1}\n"), 1);
    train_quietly(s);
    read_state(s, "w", weight);
    for (int i = 0; i < 3; i++) CU_ASSERT_DOUBLE_EQUAL(weight[i], -1, 1e-6);
    gr_session_close(s);
}

static void each_is_reported(void)
{
    const char *model = two_losses("{far: 2, size: 0.5}", ""), *log = temp_path("two.jsonl");
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log}, &e), 0);
    char *text = read_text(log, NULL), *next = text;
    int reports = 0;
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        json_t *object = json_loads(line, 0, NULL), *losses = json_object_get(object, "losses");
        if (losses) {
            double far = json_real_value(json_object_get(losses, "far")), size = json_real_value(json_object_get(losses, "size"));
            CU_ASSERT_TRUE(far > 0 && size > 0);
            CU_ASSERT_DOUBLE_EQUAL(json_real_value(json_object_get(object, "loss")), 2 * far + 0.5 * size, 1e-6);
            CU_ASSERT_TRUE(json_real_value(json_object_get(json_object_get(object, "metrics"), "mae")) > 0);
            reports++;
        }
        json_decref(object);
    }
    free(text);
    CU_ASSERT_EQUAL(reports, 5);
}

static void mistakes_are_placed(void)
{
    static const char *const all[][3] = {
        {"{far: 1, sise: 2}", "no node is called 'sise'; did you mean 'size'?", "sise"},
        {"[far, square]", "'square' is to be minimized, but is float32 [batch 3, 3]", "square]"},
        {"[far, size.more]", "no value is called 'size.more'", "size.more"},
        {"{far: much}", "takes a number, not 'much'", "much"},
        {"{far: .inf}", "a weight must be finite", ".inf"},
        {"[far, far]", "given twice", "far]"},
        {"[]", "no loss is named", "[]"},
        {"far, accumulate: 0", "at least 1", "0, opt"},
        {"far, accumulate: often", "integer", "often"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CU_ASSERT_TRUE(mistake_is_told(two_losses(all[i][0], ""), all[i][1], all[i][2], "minimize: "));
}

/* The norm is of all, however many they are. */
static void many_parameters_are_clipped(void)
{
    const char *path = temp_file("deep.yaml",
        "graphrun: 1\nname: deep\ndata: {op: Inline, values: {x: [[1, 2]]}}\ngraph:\n"
        "  x: {op: Input, shape: [batch, 2], from: data.x}\n"
        "  deep: {op: Linear, in: x, out_features: 2, repeat: 200}\n"
        "  loss: {op: Sum, in: deep}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, clip_grad_norm: 1}\n");
    gr_error e = {0};
    CU_ASSERT_EQUAL(train_model(path, 1, (gr_train_options){.epochs = -1, .steps = 2}, &e), 0);
}

void test_update(void)
{
    CU_pSuite s = CU_add_suite("update", NULL, NULL);
    CU_add_test(s, "accumulated batches are one large batch", batches_are_one);
    CU_add_test(s, "what an epoch leaves over makes an update", leftover_is_an_update);
    CU_add_test(s, "epochs shorter than an update go on", short_epochs_go_on);
    CU_add_test(s, "a schedule counts updates", schedules_count_updates);
    CU_add_test(s, "a run goes on in the middle of an update", resume_within_an_update);
    CU_add_test(s, "running statistics go on with every batch", statistics_go_on);
    CU_add_test(s, "of several losses the weighted sum is minimized", total_is_minimized);
    CU_add_test(s, "a gradient may be so large that its square is not finite", large_gradients_count);
    CU_add_test(s, "mistakes are told where they are", mistakes_are_placed);
    CU_add_test(s, "each of several losses is reported", each_is_reported);
    CU_add_test(s, "many parameters are clipped", many_parameters_are_clipped);
}
