/* test_learning_rate.c - schedules as PyTorch's, warm-up, what they watch; groups of parameters. */
#include "tests.h"
#include "train/pace.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- schedules ---- */

/* A model that trains w, b and frozen.w; `optimizer`: its map. */
static const char *small_model(const char *optimizer, const char *rest)
{
    return temp_file("small.yaml",
        "graphrun: 1\n"
        "name: small\n"
        "data:\n  op: Inline\n  values:\n    x: [[0.5, -1.0], [2.0, 0.25], [1.5, -0.75]]\n    y: [[1.0], [0.0], [-1.0]]\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, 2], from: data.x}\n"
        "  y: {op: Input, shape: [batch, 1], from: data.y}\n"
        "  enc: {op: Linear, in: x, out_features: 3}\n"
        "  act: {op: Tanh, in: enc}\n"
        "  out: {op: Linear, in: act, out_features: 1}\n"
        "  loss: {op: MSELoss, in: {input: out, target: y}}\n"
        "train: {minimize: loss, optimizer: {%s}%s}\n"
        "metrics: [{op: MAE, in: {input: out, target: y}}]\n", optimizer, rest);
}

static int read_numbers(char *text, double *to, int max)
{
    int n = 0;
    for (char *end; n < max; text = end) {
        to[n] = strtod(text, &end);
        if (end == text) break;
        n++;
    }
    return n;
}

static double worst_of(const gr_lr_spec *lr, const double *want, const double *measured, int n)
{
    double worst = 0;
    gr_plateau p = lr->schedule->watches ? gr_plateau_start(lr->attr, lr->lr) : (gr_plateau){0};
    for (int k = 0; k < n; k++) {
        double rate = lr->schedule->watches ? p.lr : lr->schedule->at(lr->attr, lr->lr, k);
        worst = fmax(worst, fabs(rate - want[k]) / (fabs(want[k]) + 1e-6));
        if (lr->schedule->watches) gr_plateau_see(lr->attr, &p, measured[k]);
    }
    return worst;
}

static void check_schedule(char *line)
{
    enum { POSITIONS = 40 };
    double want[2][POSITIONS], measured[POSITIONS];
    char *next = line, *text = strsep(&next, "|");
    for (int g = 0; g < 2; g++) CU_ASSERT_EQUAL_FATAL(read_numbers(strsep(&next, "|"), want[g], POSITIONS), POSITIONS);
    read_numbers(next, measured, POSITIONS);
    const char *lr = strstr(text, "max_lr: 0.4") ? strstr(text, "max_lr: ") + 4 : strstr(text, "lr: ");
    double half = lr && !strstr(text, "Noam, d") ? strtod(lr + 4, NULL) / 2 : 0.5;
    char optimizer[512];
    snprintf(optimizer, sizeof optimizer, "op: SGD, lr: {%s}, groups: [{params: '*.bias', lr: %.17g}]", text, half);
    gr_session *s = open_model(small_model(optimizer, ", epochs: 1"), 1);
    CU_ASSERT_EQUAL_FATAL(s->recipe->num_lrs, 2);
    for (int g = 0; g < 2; g++) {
        double worst = worst_of(&s->recipe->lrs[g], want[g], measured, POSITIONS);
        if (!(worst < 1e-9)) fprintf(stderr, "\n  %s: group %d is %.2g off\n", text, g, worst);
        CU_ASSERT_TRUE(worst < 1e-9);
    }
    gr_session_close(s);
}

static void schedules_are_pytorchs(void)
{
    char *text = read_text(GR_SOURCE_DIR "/tests/golden/lr_schedules.txt", NULL), *next = text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    bool seen[32] = {false};
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        for (int i = 0; gr_lr_schedules[i].name; i++) {
            size_t n = strlen(gr_lr_schedules[i].name);
            if (strncmp(line + 4, gr_lr_schedules[i].name, n) == 0 && line[4 + n] == ',') seen[i] = true;
        }
        check_schedule(line);
    }
    for (int i = 0; gr_lr_schedules[i].name; i++) CU_ASSERT_TRUE(seen[i]);
    free(text);
}

/* The rates that --log tells, one a report. */
static int logged_rates(const char *model, int64_t steps, double *rates, int max)
{
    const char *log = temp_path("rates.jsonl");
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = steps, .log = log}, &e), 0);
    char *text = read_text(log, NULL), *next = text;
    int n = 0;
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        json_t *object = json_loads(line, 0, NULL), *lr = json_object_get(object, "lr");
        if (lr && n < max) rates[n++] = json_number_value(lr);
        json_decref(object);
    }
    free(text);
    return n;
}

static void warmup_is_a_line(void)
{
    static const double want[] = {0.02, 0.04, 0.06, 0.08, 0.1, 0.05, 0.05, 0.05};
    const char *const ways[] = {
        "op: SGD, lr: {op: Step, lr: 0.1, step_size: 5, gamma: 0.5, warmup: 5}",
        "op: SGD, warmup: 5, lr: {op: Step, lr: 0.1, step_size: 5, gamma: 0.5, by: step}",
    };
    for (int w = 0; w < 2; w++) {
        double rates[8];
        CU_ASSERT_EQUAL_FATAL(logged_rates(small_model(ways[w], ", steps: 8"), -1, rates, 8), 8);
        for (int k = 0; k < 8; k++) CU_ASSERT_DOUBLE_EQUAL(rates[k], want[k], 1e-12);
    }
    double rates[4];
    CU_ASSERT_EQUAL_FATAL(logged_rates(small_model("op: SGD, lr: {lr: 0.4, warmup: 4}", ", steps: 4"), -1, rates, 4), 4);
    for (int k = 0; k < 4; k++) CU_ASSERT_DOUBLE_EQUAL(rates[k], 0.1 * (k + 1), 1e-12);
}

#define PLATEAU "op: SGD, lr: {op: ReduceOnPlateau, lr: 0.1, factor: 0.5, patience: 1, threshold: 0.9}"

/* Every second epoch is the second that is no better by so much: a rate that falls, and does so in
 * a run that was interrupted too. */
static void plateau_goes_on(void)
{
    double rates[7];
    CU_ASSERT_EQUAL_FATAL(logged_rates(small_model(PLATEAU, ", epochs: 7"), -1, rates, 7), 7);
    static const double want[] = {0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025};
    for (int k = 0; k < 7; k++) CU_ASSERT_DOUBLE_EQUAL(rates[k], want[k], 1e-12);
    CU_ASSERT_EQUAL_FATAL(logged_rates(small_model(PLATEAU, ", steps: 7"), -1, rates, 7), 7);
    for (int k = 0; k < 7; k++) CU_ASSERT_DOUBLE_EQUAL(rates[k], want[k], 1e-12);
    const char *model = small_model(PLATEAU, ", epochs: 9");
    const char *whole = temp_path("whole.ckpt"), *part = temp_path("part.ckpt"), *rest = temp_path("rest.ckpt");
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = 9, .steps = -1, .checkpoint = whole}, &e), 0);
    for (int at = 1; at < 9; at++) {
        CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = at, .steps = -1, .checkpoint = part}, &e), 0);
        CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = 9, .steps = -1, .resume = part,
                                                                 .checkpoint = rest}, &e), 0);
        CU_ASSERT_TRUE(same_files(whole, rest));
    }
}

/* A group's rate follows the optimiser's schedule from a start of its own, in the log too. */
static void groups_follow_the_schedule(void)
{
    const char *model = small_model("op: SGD, lr: {op: Exponential, lr: 0.4, gamma: 0.5}, groups: [{params: enc.*, lr: 0.1}]",
                                    ", epochs: 3"), *log = temp_path("groups.jsonl");
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log}, &e), 0);
    char *text = read_text(log, NULL), *next = text;
    int n = 0;
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        json_t *object = json_loads(line, 0, NULL), *rates = json_object_get(object, "lrs");
        for (size_t i = 0; rates && i < 2; i++)
            CU_ASSERT_DOUBLE_EQUAL(json_number_value(json_array_get(rates, i)), (i ? 0.1 : 0.4) * pow(0.5, n), 1e-12);
        n += rates != NULL;
        json_decref(object);
    }
    free(text);
    CU_ASSERT_EQUAL(n, 3);
}

/* ---- groups ---- */

static void state_values(gr_session *s, const char *name, double *to, int max)
{
    gr_type t;
    const void *data = gr_session_state(s, name, &t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    for (int i = 0; i < max; i++) to[i] = i < gr_numel(&t) ? gr_element(data, t.dtype, i) : 0;
}

/* What one step takes off a parameter's first two elements. */
static void moved(const char *optimizer, const char *more, const char *param, double *by)
{
    char rest[128];
    snprintf(rest, sizeof rest, "%s, steps: 1", more);
    gr_session *s = open_model(small_model(optimizer, rest), 1);
    const gr_want want = {.update = true, .training = true, .metrics = true};
    gr_error e;
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    double before[2], after[2];
    state_values(s, param, before, 2);
    gr_train_result r;
    FILE *out = fopen("/dev/null", "w");
    const gr_train_options o = {.epochs = -1, .steps = -1, .quiet = true, .out = out};
    CU_ASSERT_EQUAL(gr_train(s, &o, &r, &e), 0);
    fclose(out);
    state_values(s, param, after, 2);
    for (int i = 0; i < 2; i++) by[i] = before[i] - after[i];
    gr_session_close(s);
}

static void groups_have_their_own(void)
{
    double plain[2], other[2];
    moved("op: SGD, lr: 0.1", "", "enc.weight", plain);
    CU_ASSERT_TRUE(fabs(plain[0]) > 1e-4);
    moved("op: SGD, lr: 0.1, groups: [{params: enc.weight, lr: 0.3}, {params: '*', lr: 7}]", "", "enc.weight", other);
    for (int i = 0; i < 2; i++) CU_ASSERT_DOUBLE_EQUAL(other[i], 3 * plain[i], 1e-6);
    moved("op: SGD, lr: 0.1, groups: [{params: [out.*, enc.bias], lr: 0.3}]", "", "enc.weight", other);
    for (int i = 0; i < 2; i++) CU_ASSERT_DOUBLE_EQUAL(other[i], plain[i], 1e-7);
    moved("op: SGD, lr: 0.1, groups: [{params: enc.*, lr: {op: Noam, lr: 0.4, d_model: 4, warmup: 1}}]", "", "enc.weight", other);
    for (int i = 0; i < 2; i++) CU_ASSERT_DOUBLE_EQUAL(other[i], 2 * plain[i], 1e-6);
    moved("op: SGD, lr: 0.1, groups: [{params: enc.weight, frozen: true}]", "", "enc.weight", other);
    for (int i = 0; i < 2; i++) CU_ASSERT_EQUAL(other[i], 0);
    double decayed[2], whole[2];
    moved("op: SGD, lr: 0.1, weight_decay: 0.5", "", "enc.weight", whole);
    moved("op: SGD, lr: 0.1, groups: [{params: enc.*, weight_decay: 0.5}]", "", "enc.weight", decayed);
    for (int i = 0; i < 2; i++) CU_ASSERT_DOUBLE_EQUAL(decayed[i], whole[i], 1e-7);
    CU_ASSERT_TRUE(fabs(decayed[0] - plain[0]) > 1e-4);
    moved("op: SGD, lr: 0.1, weight_decay: 0.5, groups: [{params: enc.*, weight_decay: 0}]", "", "enc.weight", other);
    for (int i = 0; i < 2; i++) CU_ASSERT_DOUBLE_EQUAL(other[i], plain[i], 1e-7);
}

static int count_nodes(const char *optimizer, const char *last)
{
    gr_session *s = open_model(small_model(optimizer, ", steps: 1"), 1);
    const gr_want want = {.update = true, .training = true};
    gr_graph *g = gr_session_graph(s, &want, last);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    int n = g->num_nodes;
    gr_session_close(s);
    return n;
}

/* With its encoder frozen a model has no gradient of tanh and of the first product. */
static void frozen_have_no_gradient(void)
{
    int all = count_nodes("op: SGD, lr: 0.1", "differentiate");
    int fewer = count_nodes("op: SGD, lr: 0.1, groups: [{params: enc.*, frozen: true}]", "differentiate");
    int fewest = count_nodes("op: SGD, lr: 0.1, groups: [{params: [enc.*, out.weight], frozen: true}]", "differentiate");
    CU_ASSERT_TRUE(fewer < all - 10);
    CU_ASSERT_TRUE(fewest < fewer);
}

/* The joint norm is that of what is trained: all else frozen, one gradient has it all. */
static void clip_is_over_the_trained(void)
{
    double alone[2], among[2];
    moved("op: SGD, lr: 1, groups: [{params: [enc.*, out.weight], frozen: true}]", ", clip_grad_norm: 1e-3", "out.bias", alone);
    moved("op: SGD, lr: 1", ", clip_grad_norm: 1e-3", "out.bias", among);
    CU_ASSERT_DOUBLE_EQUAL(fabs(alone[0]), 1e-3, 1e-5);
    CU_ASSERT_TRUE(fabs(among[0]) < 0.95e-3);
}

/* ---- mistakes ---- */

static void mistakes_are_placed(void)
{
    static const char *const all[][3] = {
        {"op: SGD, lr: {op: Stepp, lr: 1, step_size: 2}", "no schedule is called 'Stepp'; did you mean 'Step'?", "Stepp"},
        {"op: SGD, lr: {op: Quite, lr: 1}", "there are: Step, MultiStep", "Quite"},
        {"op: SGD, lr: {op: Step, lr: 1}", "Step needs 'step_size'", "lr: {op"},
        {"op: SGD, lr: {op: Step, lr: 1, step_size: 0}", "at least 1", "0}"},
        {"op: SGD, lr: {op: Step, lr: 1, stepsize: 3}", "did you mean 'step_size'?", "stepsize"},
        {"op: SGD, lr: {op: Step, lr: -1, step_size: 3}", "at least 0", "-1"},
        {"op: SGD, lr: {op: Step, lr: 1, step_size: 3, by: batch}", "one of epoch|step", "batch}"},
        {"op: SGD, lr: {op: OneCycle, lr: 1}", "'total_steps' is missing", "{op: OneCycle"},
        {"op: SGD, lr: {op: OneCycle, lr: 1, max_lr: 2, total_steps: 9}", "give one of them", "1, max"},
        {"op: SGD, lr: {op: OneCycle, lr: 1, total_steps: 9, epochs: 3}", "one or the other", "9, epochs"},
        {"op: SGD, lr: {op: ReduceOnPlateau, lr: 1, metric: accuracy}", "no metric is called so", "{op: Reduce"},
        {"op: SGD, lr: {op: ReduceOnPlateau, lr: 1, by: step}", "has no 'by'", "by: step"},
        {"op: SGD, lr: {op: ReduceOnPlateau, lr: 1, factor: 1}", "must be below 1", "1}"},
        {"op: SGD, lr: {lr: 1, warmup: -3}", "at least 0", "-3"},
        {"op: SGD, warmup: 3, lr: {lr: 1, warmup: 3}", "given twice", "3, lr"},
        {"op: SGD, lr: fast", "number", "fast"},
        {"op: Adam, groups: {params: a}", "expected a list", "{params"},
        {"op: Adam, groups: [enc]", "expected a map", "enc]"},
        {"op: Adam, groups: [{lr: 1}]", "missing key 'params'", "{lr: 1"},
        {"op: Adam, groups: [{params: emb.*}]", "fits no parameter; there are: enc.weight", "emb.*"},
        {"op: Adam, groups: [{params: [enc.*, emb.*], lr: 1}]", "fits no parameter", "emb.*"},
        {"op: Adam, groups: [{params: enc.*}, {params: enc.bias}]", "in a group before", "enc.bias"},
        {"op: Adam, groups: [{params: enc.*, momentum: 1}]", "Adam has no 'momentum'", "momentum"},
        {"op: Adam, groups: [{params: enc.*, betas: [0.9]}]", "expected two numbers", "[0.9]"},
        {"op: Adam, groups: [{params: enc.*, frozen: maybe}]", "true or false", "maybe"},
        {"op: Adam, groups: [{params: enc.*, frozen: true, lr: 1}]", "the group is frozen", "lr: 1"},
        {"op: Adam, groups: [{params: enc.*, lr: {op: Cosine}}]", "Cosine needs 'T_max'", "lr: {"},
        {"op: Adam, group: []", "did you mean 'groups'?", "group: "},
        {"op: Adam, groups: [{params: '*', frozen: true}]", "nothing is left to train", "{op: Adam"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) CU_ASSERT_TRUE(mistake_is_told(small_model(all[i][0], ", steps: 1"), all[i][1], all[i][2], "optimizer: "));
}

void test_learning_rate(void)
{
    CU_pSuite s = CU_add_suite("learning rate", NULL, NULL);
    CU_add_test(s, "schedules are PyTorch's", schedules_are_pytorchs);
    CU_add_test(s, "a warm-up is a line", warmup_is_a_line);
    CU_add_test(s, "a rate that watches goes on where it was", plateau_goes_on);
    CU_add_test(s, "groups have attributes and rates of their own", groups_have_their_own);
    CU_add_test(s, "groups follow the schedule", groups_follow_the_schedule);
    CU_add_test(s, "clipping is over what is trained", clip_is_over_the_trained);
    CU_add_test(s, "mistakes are told where they are", mistakes_are_placed);
    CU_add_test(s, "no gradient is computed for what is frozen", frozen_have_no_gradient);
}
