/* test_compare_sweep.c - models compared with several values of a var, and how far their gradients reach. */
#include "cli_support.h"
#include "compare_support.h"
#include "report/chart.h"
#include "report/html_compare.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static const char *const hidden[] = {"4", "6", "9"};

static gr_compare_options sweep_options(const char *const *path, int values)
{
    gr_compare_options o = tiny_options(path, 2);
    o.sweep = "hidden";
    o.value = hidden;
    o.num_values = values;
    return o;
}

/* A value of a sweep is the comparison that --set would make. */
static void a_value_is_a_comparison(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()}, *const set[] = {"hidden=6", NULL};
    gr_compare_options o = sweep_options(path, 3);
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(c->num_contenders == 6 && gr_comparison_models(c) == 2 && gr_comparison_values(c) == 3);
    CU_ASSERT_STRING_EQUAL(c->contender[3].name, "lstm hidden=6");
    CU_ASSERT_STRING_EQUAL(c->contender[3].model, "lstm");
    const gr_comparison *at = gr_comparison_at(a, c, 1);
    o = tiny_options(path, 2);
    o.session.model.sets = set;
    const gr_comparison *plain = tiny_compare(a, &o);
    CU_ASSERT_FATAL(plain && at->complete);
    CU_ASSERT(same_runs(plain, at) && strcmp(at->contender[1].name, plain->contender[1].name) == 0);
    CU_ASSERT(at->contender[1].difference.of.mean == plain->contender[1].difference.of.mean);
    gr_arena_destroy(a);
}

/* Of all values together: the intervals of a sweep are those of as many comparisons. */
static void intervals_hold_all_together(void)
{
    static const double value[] = {1, 1.1, 1.05, 2, 2.1, 2.2, 3, 3.3, 3.1, 5, 5.2, 5.1};
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_comparison(a, 4, 3, value);
    double by[3];
    for (int i = 0; i < 4; i++) c->contender[i].model = i % 2 ? "b" : "a";
    c->sweep = "x";
    c->value = hidden;
    c->num_values = 2;
    c->at = -1;
    gr_compare_judge(c);
    for (int i = 0; i < 3; i++) by[i] = value[9 + i] - value[6 + i];
    const gr_estimate e = gr_estimate_of(by, 3, 0.975);
    CU_ASSERT(c->contender[2].difference.of.n == 0 && c->contender[1].difference.of.n == 3);
    CU_ASSERT(c->contender[3].difference.of.low == e.low && c->contender[3].difference.of.high == e.high);
    gr_arena_destroy(a);
}

static void one_more_value_is_gone_on_with(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = sweep_options(path, 2);
    gr_comparison *c;
    o.file = temp_path("sweep.json");
    o.gradient = "letters";
    CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, o.file, &c, &compare_error), 1);
    CU_ASSERT_FATAL(c->num_contenders == 4 && c->num_values == 2 && c->at == -1 && c->contender[3].num_gradient == 8);
    CU_ASSERT_STRING_EQUAL(c->sweep, "hidden");
    CU_ASSERT_STRING_EQUAL(c->value[1], "6");
    CU_ASSERT_STRING_EQUAL(c->contender[2].model, "gru");
    CU_ASSERT_STRING_EQUAL(c->gradient, "letters");
    ((gr_trial_point *)(uintptr_t)c->contender[3].trial[1].point)[0].seconds = 1234;
    c->contender[3].gradient[8 + 7] = 1234;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, o.file, &compare_error), 0);
    o.num_values = 3;
    c = tiny_compare(a, &o);
    CU_ASSERT(c && c->complete && c->contender[3].trial[1].point[0].seconds == 1234 && c->contender[3].gradient[15] == 1234);
    CU_ASSERT(c && c->contender[5].num_gradient == 8);
    gr_arena_destroy(a);
}

/* A loss of the last step alone: its gradient is that of `run --grad`, and falls on the way back. */
static const char *last_step(const char *name, const char *op)
{
    return temp_file(name, "graphrun: 1\nvars: {batch: 4, time: 20, hidden: 6}\n"
        "data: {op: Task, task: recall, items: 40, symbols: 3, delay: 18, split: {train: 0.5, valid: 0.5}}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  labels: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
        "  letters: {op: OneHot, in: tokens, num_classes: $data.vocab}\n"
        "  rnn: {op: %s, in: letters, hidden_size: $hidden}\n"
        "  last: {op: Select, in: rnn.output, dim: 0, index: -1}\n"
        "  logits: {op: Linear, in: last, out_features: 3}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: labels}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 1}\n", op);
}

static void gradients_are_measured(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {last_step("far.yaml", "RNN"), last_step("gated.yaml", "LSTM")};
    gr_compare_options o = tiny_options(path, 2);
    o.gradient = "letters";
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    const gr_contender *k = &c->contender[0];
    CU_ASSERT_EQUAL_FATAL(k->num_gradient, 20);
    for (int seed = 0; seed < 2; seed++) {
        const double *at = k->gradient + 20 * seed;
        CU_ASSERT(at[19] > 1e-3 && at[0] > 0 && at[0] < 1e-2 * at[19] && at[5] < at[12] && at[12] < at[19]);
    }
    CU_ASSERT_NOT_EQUAL(k->gradient[3], k->gradient[23]);
    o.session.threads = 3;
    const gr_comparison *again = tiny_compare(a, &o);
    CU_ASSERT(again && memcmp(again->contender[0].gradient, k->gradient, 40 * sizeof(double)) == 0);
    gr_arena_destroy(a);
}

static void a_value_without_steps_is_told(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {last_step("far.yaml", "RNN"), last_step("gated.yaml", "LSTM")};
    gr_compare_options o = tiny_options(path, 2);
    o.gradient = "last";
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "'last' has no axis of steps"));
    gr_arena_destroy(a);
}

/* ---- what is shown ---- */

static bool contains(const char *text, const char *what)
{
    const bool found = text && strstr(text, what);
    if (!found) printf("\nnot there: %s\n", what);
    return found;
}

static char *page_of(const gr_comparison *c)
{
    char *out = NULL;
    size_t size;
    FILE *f = open_memstream(&out, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(gr_compare_page_write(&(gr_compare_page){.comparison = c}, f), 0);
    fclose(f);
    return out;
}

/* All runs are in the file, but none of the gradients that the next call asks for. */
static void stopped_before_gradients_is_not_complete(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    const sig_atomic_t stop = 1;
    gr_compare_options o = tiny_options(path, 2);
    o.file = temp_path("gradients.json");
    CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
    o.gradient = "letters";
    o.stop = &stop;
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT(c && !c->complete && c->contender[1].trial[1].status == GR_TRIAL_DONE);
    char *page = c ? page_of(c) : NULL;
    CU_ASSERT(contains(page, "Not all gradients are measured yet"));
    free(page);
    o.stop = NULL;
    c = tiny_compare(a, &o);
    CU_ASSERT(c && c->complete && c->contender[1].num_gradient == 8);
    gr_arena_destroy(a);
}

/* Two models, values 4 and 6 of x; the second falls behind at 6. */
static gr_comparison *synthetic_sweep(gr_arena *a)
{
    static const double value[] = {1, 1.1, 1.05, 1.02, 1.1, 1.03, 1, 1.1, 1.05, 5, 5.2, 5.1};
    static double gradient[] = {1e-19, 1e-3, 1e-19, 1e-3, 1e-19, 1e-3};
    gr_comparison *c = synthetic_comparison(a, 4, 3, value);
    for (int i = 0; i < 4; i++) {
        c->contender[i].model = i % 2 ? "slow" : "fast";
        c->contender[i].gradient = gradient;
        c->contender[i].num_gradient = 2;
    }
    c->sweep = "x";
    c->value = hidden;
    c->num_values = 2;
    c->at = -1;
    c->gradient = "letters";
    gr_compare_judge(c);
    return c;
}

static void the_page_says_who_falls_behind(void)
{
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_sweep(a);
    char *page = page_of(c);
    CU_ASSERT(contains(page, "<h1>Only <bdi>fast</bdi> keeps up with the best, whatever x is.</h1>"));
    CU_ASSERT(contains(page, "<bdi>slow</bdi> is worse than the best, and not by chance, with x 6."));
    CU_ASSERT(contains(page, "2 values of x"));
    CU_ASSERT(contains(page, "<b>1.0e-19</b> in <bdi>fast</bdi> and"));
    CU_ASSERT(contains(page, "<details class=\"part\"><summary>x = 6</summary>"));
    CU_ASSERT_PTR_NULL(strstr(page, "nan"));
    free(page);
    c->contender[2].trial[1] = (gr_trial){.seed = 2, .why = ""};
    gr_compare_judge(c);
    page = page_of(c);
    CU_ASSERT(contains(page, "<h1>1 of 12 runs are still missing.</h1>"));
    free(page);
    gr_arena_destroy(a);
}

static void what_cannot_be_told_apart_is_no_praise(void)
{
    static const double value[] = {1, 1.1, 1.05, 1.02, 1.1, 1.03, 1.01, 1.1, 1.04, 1, 1.1, 1.05, 1.03, 1.1, 1.06, 5, 5.2, 5.1};
    static const char *const name[] = {"a", "b", "c"};
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_comparison(a, 6, 3, value);
    for (int i = 0; i < 6; i++) c->contender[i].model = name[i % 3];
    c->sweep = "x";
    c->value = hidden;
    c->num_values = 2;
    c->at = -1;
    gr_compare_judge(c);
    char *page = page_of(c);
    CU_ASSERT(contains(page, "<h1><bdi>c</bdi> falls behind the best as x grows.</h1>"));
    CU_ASSERT(contains(page, "with x 6. With no value can 3 seeds tell <bdi>a</bdi> and <bdi>b</bdi> from the best.</p>"));
    free(page);
    static const char *const down[] = {"6", "4"}, *const words[] = {"x", "y"};
    c->value = down;
    page = page_of(c);
    CU_ASSERT(contains(page, "falls behind the best as x shrinks.</h1>"));
    free(page);
    c->value = words;
    page = page_of(c);
    CU_ASSERT(contains(page, "falls behind the best as x changes.</h1>"));
    free(page);
    for (int i = 0; i < 3; i++) ((double *)(uintptr_t)c->contender[2].trial[i].point[0].valid)[0] = 6 + 0.1 * i;
    gr_compare_judge(c);
    page = page_of(c);
    CU_ASSERT(contains(page, "<h1><bdi>c</bdi> falls behind the best, whatever x is.</h1>"));
    free(page);
    gr_arena_destroy(a);
}

static void a_gradient_that_overflows_is_told(void)
{
    static double gradient[] = {INFINITY, 1e-3, 1e-19, 1e-3, 1e-19, 1e-3};
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_sweep(a), *back;
    c->contender[3].gradient = gradient;
    c->contender[1].num_gradient = 0;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, temp_path("inf.json"), &compare_error), 0);
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, temp_path("inf.json"), &back, &compare_error), 1);
    CU_ASSERT(isinf(back->contender[3].gradient[0]) && back->contender[3].gradient[1] == 1e-3 && isinf(gr_gradient_at_first(back, &back->contender[3])));
    char *out = printed(back);
    CU_ASSERT(contains(out, "\nx   fast       slow\n4  1e-19          -\n6  1e-19  overflows\n"));
    free(out);
    out = page_of(back);
    CU_ASSERT(contains(out, "overflows</td>") && contains(out, "not measured</td>") && contains(out, "(it overflows)"));
    CU_ASSERT(!strstr(out, "nan") && !strstr(out, "\"inf") && !strstr(out, " inf"));
    free(out);
    gr_arena_destroy(a);
}

static void break_run(gr_comparison *c, int contender, int seed)
{
    gr_trial *t = &c->contender[contender].trial[seed];
    *t = (gr_trial){.seed = t->seed, .status = GR_TRIAL_DIVERGED, .why = "broken"};
}

static void what_diverged_is_no_praise(void)
{
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_sweep(a);
    break_run(c, 3, 1);
    gr_compare_judge(c);
    char *page = page_of(c);
    CU_ASSERT(contains(page, "<h1>Only <bdi>fast</bdi> never diverged, whatever x is; <bdi>slow</bdi> diverged.</h1>"));
    free(page);
    break_run(c, 0, 0);
    gr_compare_judge(c);
    page = page_of(c);
    CU_ASSERT(contains(page, "<h1>No model has a result of all runs; <bdi>fast</bdi> and <bdi>slow</bdi> diverged.</h1>"));
    free(page);
    for (int i = 0; i < 12; i++) break_run(c, i / 3, i % 3);
    gr_compare_judge(c);
    page = page_of(c);
    CU_ASSERT(contains(page, "<h1>No run has ended with a result.</h1>"));
    free(page);
    gr_arena_destroy(a);
}

/* The others' mean stands where one seed diverged. */
static void a_run_that_diverged_takes_no_mean_away(void)
{
    static double x[] = {0, 1, 2}, one[] = {1, NAN, NAN}, other[] = {3, 4, NAN};
    gr_arena *a = gr_arena_create();
    gr_chart_line run[] = {{x, one, 3}, {x, other, 3}};
    const gr_band b = gr_chart_band(a, &(gr_chart_series){.name = "s", .runs = run, .num_runs = 2}, 0.95, false);
    CU_ASSERT(b.count == 3 && b.mean[0] == 2 && b.lo[0] < 1 && b.mean[1] == 4 && b.lo[1] == 4 && isnan(b.mean[2]));
    gr_arena_destroy(a);
}

/* Words stand one after another, in the order in which they were given; their names cannot break the page. */
static void values_may_be_words(void)
{
    static const char *const words[] = {"b<i>", "a"};
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_sweep(a);
    c->value = words;
    c->sweep = "\"><script>";
    char *page = page_of(c);
    CU_ASSERT(contains(page, ">b&lt;i&gt;</text>") && contains(page, ">a</text>") && strstr(page, ">b&lt;i&gt;</text>") < strstr(page, ">a</text>"));
    CU_ASSERT_PTR_NULL(strstr(page, "<i>"));
    CU_ASSERT_PTR_NULL(strstr(page, "\"><script>"));
    free(page);
    gr_arena_destroy(a);
}

static void the_terminal_has_a_row_for_each_value(void)
{
    gr_arena *a = gr_arena_create();
    char *out = printed(synthetic_sweep(a));
    CU_ASSERT(contains(out, "\nx         fast         slow\n4  1.05"));
    CU_ASSERT(contains(out, "\nx = 6\nmodel"));
    CU_ASSERT(contains(out, "so that all 2 hold together"));
    CU_ASSERT(contains(out, "\nx   fast   slow\n4  1e-19  1e-19\n"));
    free(out);
    gr_arena_destroy(a);
}

/* ---- the command line ---- */

static void odd_sweeps_are_told(void)
{
    const char *gru = tiny_gru(), *lstm = tiny_lstm();
    const struct { const char *sweep, *says; } wrong[] = {
        {"hidden", "names a var and its values"},
        {"=4,5", "names a var and its values"},
        {"hidden=4", "names one value, which --set gives"},
        {"hidden=", "names one value, which --set gives"},
        {"hidden=4,,5", "has an empty value"},
        {"hidden=4,5,", "has an empty value"},
        {"hidden=4,5,4", "has the value 4 twice"},
        {"hidden=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "at most 16 values"},
        {"batch=2,4", "batch is swept, so leave out batch=4"},
        {"train.epochs=1,2", "one budget, which --steps N gives"},
        {"train.steps=1,2", "one budget, which --steps N gives"},
        {"train.early_stopping.patience=1,2", "one budget, which --steps N gives"},
        {"train.valid_every=1,2", "--points N gives"},
        {"train.keep=best,last", "the first model's file says"},
        {"generate.length=1,2", "no text is generated"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_EQUAL(graphrun("compare '%s,batch=4' '%s' --sweep '%s' --steps 2 --seeds 1 --points 1", gru, lstm, wrong[i].sweep), 2);
        CU_ASSERT(contains(err_text, wrong[i].says));
    }
    CU_ASSERT_EQUAL(graphrun("compare '%s' '%s' --sweep train.optimizer.lr=1,2 --tune-lr auto --steps 2", gru, lstm), 2);
    CU_ASSERT(contains(err_text, "both give the learning rate"));
    CU_ASSERT_EQUAL(graphrun("compare '%s' '%s' --sweep nosuch=4,5 --steps 2 --seeds 1 --points 1", gru, lstm), 1);
    CU_ASSERT(contains(err_text, "nosuch"));
    CU_ASSERT_EQUAL(graphrun("compare '%s' '%s' --gradient nosuch --steps 2 --seeds 1 --points 1", gru, lstm), 1);
    CU_ASSERT(contains(err_text, "nosuch"));
    CU_ASSERT_EQUAL(graphrun("compare '%s' '%s' --sweep 'train.optimizer.lr=0.1, 0.01' --steps 2 --seeds 1 --points 1", gru, lstm), 0);
    CU_ASSERT(contains(out_text, "\ntrain.optimizer.lr = 0.01\n"));
}

static void one_model_is_compared_with_itself(void)
{
    const char *gru = tiny_gru();
    CU_ASSERT_EQUAL(graphrun("compare '%s' --steps 2", gru), 2);
    CU_ASSERT(contains(err_text, "--sweep VAR=A,B"));
    CU_ASSERT_EQUAL(graphrun("compare '%s,batch=4' --sweep train.optimizer.lr=0.1,0.01,0.001 --steps 2 --seeds 2 --points 1", gru), 0);
    CU_ASSERT(contains(out_text, "batch=4 train.optimizer.lr=0.1"));
    CU_ASSERT(contains(out_text, "batch=4 train.optimizer.lr=0.001"));
}

static void models_of_one_name_go_by_their_files(void)
{
    const char *gru = tiny_gru();
    char *text = read_text(gru, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    const char *other = temp_file("other.name.yaml", "%s", text);
    CU_ASSERT_EQUAL(graphrun("compare '%s' '%s' --steps 2 --seeds 1 --points 1", gru, other), 0);
    CU_ASSERT(contains(out_text, "other.name "));
    CU_ASSERT_FALSE(contains(out_text, "(2)"));
    free(text);
}

/* Of more models than stand beside each other none is left out. */
static void many_models_have_a_column_each(void)
{
    enum { MODELS = 70 };
    double value[2 * MODELS * 2];
    gr_arena *a = gr_arena_create();
    for (int i = 0; i < 2 * MODELS * 2; i++) value[i] = 1 + i;
    gr_comparison *c = synthetic_comparison(a, 2 * MODELS, 2, value);
    for (int i = 0; i < 2 * MODELS; i++) c->contender[i].model = gr_arena_printf(a, "model%d", i % MODELS);
    c->sweep = "x";
    c->value = hidden;
    c->num_values = 2;
    c->at = -1;
    gr_compare_judge(c);
    char *out = printed(c);
    const char *end = strstr(out, "\nx = 4\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    for (int i = 0; i < MODELS; i++) {
        const char *at = strstr(out, c->contender[i].model);
        CU_ASSERT(at && at < end);
    }
    for (const char *line = out; line < end; line = strchr(line, '\n') + 1) CU_ASSERT(strcspn(line, "\n") < 200);
    free(out);
    gr_arena_destroy(a);
}

/* A model whose vars feed what a comparison takes from elsewhere: `last` the epochs alone, by way of `half`. */
static const char *fed_model(const char *name, const char *op)
{
    return temp_file(name, "graphrun: 1\nvars: {batch: 4, time: 20, hidden: 6, half: 2, last: \"${half * 2}\", rate: 0.01, both: 5}\n"
        "data: {op: Task, task: recall, items: 40, symbols: 3, delay: 18, split: {train: 0.5, valid: 0.5}}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  labels: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
        "  letters: {op: OneHot, in: tokens, num_classes: $data.vocab}\n"
        "  rnn: {op: %s, in: letters, hidden_size: $hidden}\n"
        "  last: {op: Select, in: rnn.output, dim: 0, index: -1}\n"
        "  logits: {op: Linear, in: last, out_features: 3}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: labels}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: {op: Cosine, lr: $rate, T_max: $both}}, epochs: $last, valid_every: $both}\n", op);
}

static void vars_that_change_nothing_are_told(void)
{
    const char *rnn = fed_model("fed.yaml", "RNN"), *gru = fed_model("fed_too.yaml", "GRU");
    const struct { const char *options; int code; const char *says; } line[] = {
        {"--sweep half=2,3", 1, "--sweep half would change nothing: in "},
        {"--sweep half=2,3", 1, "fed.yaml it is train.epochs, and all models train for one budget, which --steps N gives"},
        {"--sweep vars.half=2,3", 1, "it is train.epochs"},
        {"--sweep rate=0.1,0.2 --tune-lr auto", 1, "it is train.optimizer.lr.lr, and --tune-lr chooses it"},
        {"--sweep rate=0.1,0.2", 0, ""},
        {"--sweep both=2,3", 0, "both is also train.valid_every, where it changes nothing: --points N gives"},
        {"--sweep batch=2,5", 0, ""},
        {"--sweep seed=1,2", 1, "--seeds N makes N runs of each"},
        {"--sweep epochs=1,2", 1, "one budget, which --steps N gives"},
    };
    for (size_t i = 0; i < sizeof line / sizeof *line; i++) {
        CU_ASSERT_EQUAL(graphrun("compare '%s' '%s' %s --steps 2 --seeds 1 --points 1", rnn, gru, line[i].options), line[i].code);
        CU_ASSERT(contains(err_text, line[i].says));
        CU_ASSERT(line[i].code == 0 || !*out_text);
    }
    CU_ASSERT_EQUAL(graphrun("compare '%s' '%s' --sweep batch=2,5 --steps 2 --seeds 1 --points 1", rnn, gru), 0);
    CU_ASSERT_PTR_NULL(strstr(err_text, "changes nothing"));
}

void test_compare_sweep(void)
{
    CU_pSuite s = CU_add_suite("compare_sweep", NULL, NULL);
    CU_add_test(s, "one model is compared with itself", one_model_is_compared_with_itself);
    CU_add_test(s, "models of one name go by their files", models_of_one_name_go_by_their_files);
    CU_add_test(s, "a value is a comparison", a_value_is_a_comparison);
    CU_add_test(s, "intervals hold all together", intervals_hold_all_together);
    CU_add_test(s, "one more value is gone on with", one_more_value_is_gone_on_with);
    CU_add_test(s, "gradients are measured", gradients_are_measured);
    CU_add_test(s, "a value without steps is told", a_value_without_steps_is_told);
    CU_add_test(s, "the page says who falls behind", the_page_says_who_falls_behind);
    CU_add_test(s, "what cannot be told apart is no praise", what_cannot_be_told_apart_is_no_praise);
    CU_add_test(s, "what diverged is no praise", what_diverged_is_no_praise);
    CU_add_test(s, "a run that diverged takes no mean away", a_run_that_diverged_takes_no_mean_away);
    CU_add_test(s, "a gradient that overflows is told", a_gradient_that_overflows_is_told);
    CU_add_test(s, "stopped before gradients is not complete", stopped_before_gradients_is_not_complete);
    CU_add_test(s, "values may be words", values_may_be_words);
    CU_add_test(s, "the terminal has a row for each value", the_terminal_has_a_row_for_each_value);
    CU_add_test(s, "many models have a column each", many_models_have_a_column_each);
    CU_add_test(s, "odd sweeps are told", odd_sweeps_are_told);
    CU_add_test(s, "vars that change nothing are told", vars_that_change_nothing_are_told);
}
