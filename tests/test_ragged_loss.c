/* test_ragged_loss.c - losses and metrics of ragged batches: those of their real steps, and NaN
 * in the padding reaches neither a value nor a gradient. */
#include "ragged_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

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
    {"BCELoss", "", false, true}, {"BCEWithLogitsLoss", "", false, true},
    {"BCEWithLogitsLoss", ", weight: one_each, pos_weight: one_each", false, true}, {"KLDivLoss", "", false, true},
    {"KLDivLoss", ", log_target: true", false, false},
};

static const char *loss_model(const loss *l, const char *reduction, const char *axes, const char *more)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "graphrun: 1\nname: losses\ngraph:\n  x: {op: Input, shape: [%s, 3]}\n  y: {op: Input, shape: [%s%s]%s}\n"
             "  lengths: {op: Input, shape: [4], dtype: int32}\n  one_each: {op: Constant, value: [0.5, 2.0, 3.0]}\n"
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
    const loss divergence = {"KLDivLoss", "", false, true};
    for (int k = 0; k < 2; k++) compare_loss(&divergence, "batchmean", k);
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

void test_ragged_loss(void)
{
    CU_pSuite s = CU_add_suite("ragged losses", NULL, NULL);
    CU_add_test(s, "losses leave padding out, as do their gradients", losses_leave_padding_out);
    CU_add_test(s, "metrics leave padding out", metrics_leave_padding_out);
}
