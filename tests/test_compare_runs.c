/* test_compare_runs.c - graphrun compare at work: the same numbers however it is run, interrupted or gone on with. */
#include "cli_support.h"
#include "compare_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct stopper { volatile sig_atomic_t stop; unsigned after; } stopper; /* microseconds */

static void *stop_soon(void *data)
{
    stopper *s = data;
    usleep(s->after);
    __atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Threads and runs side by side change nothing, nor does what else is compared. */
static void numbers_do_not_depend_on_threads(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.session.threads = 1;
    const gr_comparison *first = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT(first->complete && first->contender[0].trial[0].num_points == 3);
    CU_ASSERT_EQUAL(first->contender[0].trial[0].point[2].step, 12);
    CU_ASSERT_EQUAL(first->contender[0].trial[0].point[2].tokens, 12 * 4 * 8);
    CU_ASSERT_EQUAL(first->num_metrics, 3);
    CU_ASSERT_STRING_EQUAL(first->metric[first->judged], "perplexity");
    for (int n = 2; n <= 3; n++) {
        o.session.threads = n;
        o.at_once = 0;
        CU_ASSERT(same_runs(first, tiny_compare(a, &o)));
        o.at_once = 1; /* each run on all threads */
        CU_ASSERT(same_runs(first, tiny_compare(a, &o)));
    }
    CU_ASSERT(first->contender[0].trial[0].final != first->contender[0].trial[1].final);
    gr_arena_destroy(a);
}

/* A run is what `graphrun train` with that seed would be: the metric of its last step is that of the weights. */
static void a_run_is_training(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    gr_session *s = open_model(path[1], 1);
    o.session.seed = s->options.seed;
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    gr_train_options t = {.steps = 12, .epochs = -1, .quiet = true};
    gr_train_result r;
    gr_error e;
    gr_meter *m = gr_meter_create(s);
    CU_ASSERT_EQUAL_FATAL(gr_train(s, &t, &r, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "valid", m, NULL, &e), 0);
    CU_ASSERT_EQUAL(c->contender[1].trial[0].point[2].valid[0], gr_meter_loss(m));
    CU_ASSERT_EQUAL(c->contender[1].trial[0].final, gr_meter_value(m, s->recipe, 0));
    gr_session_close(s);
    gr_arena_destroy(a);
}

/* More seeds, another metric: what is there already is taken from the file. */
static void what_is_done_is_gone_on_with(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.seeds = 3;
    const gr_comparison *whole = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    o.file = temp_path("gone_on.json");
    o.seeds = 1;
    CU_ASSERT_PTR_NOT_NULL(tiny_compare(a, &o));
    gr_comparison *c;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, o.file, &c, &compare_error), 1);
    CU_ASSERT_STRING_EQUAL(c->metric[c->judged], "perplexity");
    /* A mark in the file shows which runs come from there. */
    ((gr_trial_point *)(uintptr_t)c->contender[0].trial[0].point)[0].seconds = 1234;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, o.file, &compare_error), 0);
    o.seeds = 3;
    o.metric = "Accuracy";
    const gr_comparison *more = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(more);
    CU_ASSERT(same_runs(whole, more));
    CU_ASSERT_EQUAL(more->contender[0].trial[0].point[0].seconds, 1234);
    CU_ASSERT(more->larger && more->contender[0].trial[0].final <= 1);
    /* Another budget is another comparison. */
    o.amount = 6;
    const gr_comparison *other = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    CU_ASSERT(other->contender[0].trial[0].point[0].seconds != 1234);
    CU_ASSERT_EQUAL(other->contender[0].trial[0].point[2].step, 6);
    gr_arena_destroy(a);
}

/* Of a model whose file has changed nothing is taken, of the others all. */
static void changed_models_are_run_again(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    gr_comparison *c;
    o.file = temp_path("changed.json");
    CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, o.file, &c, &compare_error), 1);
    for (int k = 0; k < 2; k++) ((gr_trial_point *)(uintptr_t)c->contender[k].trial[0].point)[0].seconds = 1234;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, o.file, &compare_error), 0);
    tiny_model("lstm", "LSTM", 7, TINY_DATA, "");
    c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(c->contender[0].trial[0].point[0].seconds, 1234);
    CU_ASSERT(c->contender[1].trial[0].point[0].seconds != 1234);
    gr_arena_destroy(a);
}

static void other_data_are_refused(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_model("other", "LSTM", 6, "{op: CharText, path: tiny.txt, split: {train: 0.75, valid: 0.25}, lower: true, max_chars: 1500}", "")};
    gr_compare_options o = tiny_options(path, 2);
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "read different data"));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "`max_chars` is not given, and 1500"));
    o.allow_different_data = true;
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(!c->same_data && strstr(c->different, "max_chars"));
    const char *const batches[] = {tiny_gru(), tiny_lstm()};
    const char *const longer[] = {"time=9", NULL}, *const *sets[] = {(const char *const[]){NULL}, longer};
    o = tiny_options(batches, 2);
    o.sets = sets;
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "field 'tokens' of int32 8 x 4 against field 'tokens' of int32 9 x 4"));
    gr_arena_destroy(a);
}

/* The same batches with their axes the other way round are the same data, and a setting that changes none is none. */
static void the_order_of_axes_is_no_difference(void)
{
    gr_arena *a = gr_arena_create();
    const char *first = tiny_gru();
    const char *turned = temp_file("turned.yaml",
        "graphrun: 1\nname: turned\nvars: {batch: 4, time: 8}\n"
        "data: {op: CharText, path: tiny.txt, split: {train: 0.75, valid: 0.25}, lower: true}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [batch, time], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [batch, time], dtype: int32, from: data.targets}\n"
        "  letters: {op: OneHot, in: tokens, num_classes: $data.vocab}\n"
        "  rnn: {op: RNN, in: letters, hidden_size: 4, batch_first: true}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: targets}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 1}\nmetrics: [perplexity]\n");
    const char *const path[] = {first, turned};
    const gr_compare_options o = tiny_options(path, 2);
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL(c);
    if (c) CU_ASSERT(c->same_data && c->num_metrics == 2); /* what both have: loss, perplexity */
    if (!c) fprintf(stderr, "%s\n", compare_error.message);
    gr_arena_destroy(a);
}

/* Sizes that make no model are stepped over: 4 heads divide the width. */
static void parameters_are_matched(void)
{
    gr_arena *a = gr_arena_create();
    const char *heads = temp_file("heads.yaml",
        "graphrun: 1\nname: heads\nvars: {batch: 4, time: 8, hidden: 8}\ndata: " TINY_DATA "\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  embedded: {op: Embedding, in: tokens, num_embeddings: $data.vocab, embedding_dim: $hidden}\n"
        "  look: {op: MultiheadAttention, in: {query: embedded}, num_heads: 4}\n"
        "  logits: {op: Linear, in: look.attn_output, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: targets}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 1}\nmetrics: [perplexity]\n");
    const char *const path[] = {tiny_model("gru", "GRU", 24, TINY_DATA, ""), tiny_lstm(), heads};
    gr_compare_options o = tiny_options(path, 3);
    o.seeds = 1;
    o.match = "hidden";
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    const int64_t target = c->contender[0].parameters;
    CU_ASSERT_PTR_NULL(c->contender[0].matched);
    CU_ASSERT_STRING_EQUAL(c->contender[1].matched, "hidden");
    CU_ASSERT(c->contender[1].matched_from == 6 && c->contender[1].matched_to == 20);
    CU_ASSERT_EQUAL(c->contender[2].matched_to % 4, 0);
    CU_ASSERT(llabs(c->contender[2].parameters - target) < target / 8);
    CU_ASSERT_STRING_EQUAL(c->contender[1].sets[0], "hidden=20");
    o.match = "width";
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "'width' is no var of it"));
    o.match = "time"; /* changes no parameter */
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    const char *const turned[] = {path[1], path[0]}; /* the second has enough of them as it is */
    o.path = turned;
    o.num_models = 2;
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "whatever the var is"));
    gr_arena_destroy(a);
}

/* Of a model that generates nothing: the values called weights, for the first example, with its words. */
static void attention_is_kept(void)
{
    gr_arena *a = gr_arena_create();
    const char *look = temp_file("look.yaml",
        "graphrun: 1\nname: look\nvars: {batch: 4, time: 8}\ndata: " TINY_DATA "\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  embedded: {op: Embedding, in: tokens, num_embeddings: $data.vocab, embedding_dim: 8}\n"
        "  look: {op: MultiheadAttention, in: {query: embedded}, num_heads: 2, is_causal: true}\n"
        "  logits: {op: Linear, in: look.attn_output, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: targets}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 1}\nmetrics: [perplexity]\n");
    const char *const path[] = {tiny_gru(), look};
    gr_compare_options o = tiny_options(path, 2);
    o.file = temp_path("look.json");
    for (int again = 0; again < 2; again++) { /* made, and from the file */
        const gr_comparison *c = tiny_compare(a, &o);
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        CU_ASSERT_EQUAL(c->contender[0].num_attention, 0);
        CU_ASSERT_EQUAL_FATAL(c->contender[1].num_attention, 1);
        const gr_attention_map *m = c->contender[1].attention;
        CU_ASSERT_STRING_EQUAL(m->name, "look.attn_output_weights");
        CU_ASSERT(m->rows == 8 && m->columns == 8 && m->heads == 1 && m->seed == 1);
        CU_ASSERT_EQUAL(m->value[0], 1); /* the first step sees itself alone */
        CU_ASSERT(m->value[1] == 0 && fabs(m->value[8] + m->value[9] - 1) < 1e-6 && m->value[10] == 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(m->row);
        for (int i = 0; i < 8; i++) CU_ASSERT(strlen(m->row[i]) == 1 && strcmp(m->row[i], m->column[i]) == 0);
    }
    gr_arena_destroy(a);
}

/* The best of the grid, found on a seed of its own, and seeds that are run with it. */
static void learning_rates_are_chosen(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.tune = "x0.001, 0.02, 1e30";
    o.file = temp_path("tuned.json");
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    const gr_contender *k = &c->contender[0];
    CU_ASSERT(c->tuned && k->num_grid == 3 && k->own_lr == 0.01);
    CU_ASSERT(k->lr == 0.02 && k->trial[0].lr == 0.02 && k->trial[0].status == GR_TRIAL_DONE);
    CU_ASSERT(fabs(k->grid[0].lr - 1e-5) < 1e-12 && k->grid[0].final > k->grid[1].final);
    for (int i = 0; i < c->num_seeds; i++) CU_ASSERT(c->seed[i] != c->tuning_seed);
    CU_ASSERT(c->complete);
    const gr_comparison *again = tiny_compare(a, &o);
    CU_ASSERT(again && same_runs(c, again) && again->contender[0].trial[0].point[0].seconds == k->trial[0].point[0].seconds);
    gr_arena_destroy(a);
}

/* Runs of the file's own rate are no runs of the one that is chosen. */
static void other_rates_are_other_runs(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.tune = "0.02, 1e-5";
    const gr_comparison *tuned = tiny_compare(a, &o);
    o.file = temp_path("rates.json");
    o.tune = NULL;
    const gr_comparison *own = tiny_compare(a, &o);
    o.tune = "0.02, 1e-5";
    const gr_comparison *after = tiny_compare(a, &o);
    CU_ASSERT_FATAL(tuned && own && after);
    CU_ASSERT(!same_runs(own, tuned) && same_runs(after, tuned));
    gr_arena_destroy(a);
}

/* A stop in the middle of a run: it goes on there, to the same bits. */
static void interrupted_runs_go_on(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    gr_comparison *cut = NULL;
    o.seeds = 1;
    o.at_once = 1;
    o.amount = 1500;
    o.points = 30;
    const gr_comparison *whole = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    stopper s = {.after = 20000};
    o.stop = &s.stop;
    o.file = temp_path("part.json");
    for (int i = 0; i < 40; i++) {
        pthread_t thread;
        s.stop = 0;
        s.after += s.after / 2; /* however slow the machine is, there is an end to it */
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, stop_soon, &s), 0);
        cut = tiny_compare(a, &o);
        pthread_join(thread, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
        if (cut->complete) break;
        CU_ASSERT_EQUAL(cut->contender[1].difference.verdict, GR_VERDICT_NONE);
    }
    CU_ASSERT(cut->complete && same_runs(whole, cut));
    CU_ASSERT(cut->contender[0].trial[0].steps == 1500 && cut->contender[0].trial[0].tokens == 1500 * 32);
    char command[1024];
    snprintf(command, sizeof command, "ls %s.*.part >/dev/null 2>&1", o.file);
    CU_ASSERT(system(command) != 0); /* nothing is left lying about */
    gr_arena_destroy(a);
}

static void a_model_that_diverges_is_shown(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    const char *const wild[] = {"train.optimizer.lr=1e30", NULL}, *const *sets[] = {(const char *const[]){NULL}, wild};
    gr_compare_options o = tiny_options(path, 2);
    o.sets = sets;
    o.file = temp_path("wild.json");
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(c->complete && c->contender[1].diverged == 2);
    CU_ASSERT(*c->contender[1].trial[0].why);
    CU_ASSERT_EQUAL(c->contender[1].difference.verdict, GR_VERDICT_NONE);
    CU_ASSERT_EQUAL(c->contender[0].final.n, 2);
    c = tiny_compare(a, &o); /* they are not tried again */
    CU_ASSERT(c && c->contender[1].diverged == 2);
    gr_arena_destroy(a);
}

static void budgets_are_steps_in_the_end(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.seeds = 1;
    o.budget = GR_BUDGET_TOKENS;
    o.amount = 300; /* of 32 a step */
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(c->contender[0].steps == 10 && c->contender[0].trial[0].point[2].tokens == 320);
    o.budget = GR_BUDGET_SECONDS;
    o.amount = 1e-3;
    o.round_seconds = 1e-3;
    o.file = temp_path("seconds.json");
    c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(c->contender[0].steps >= 1 && c->contender[0].trial[0].point[c->contender[0].trial[0].num_points - 1].step == c->contender[0].steps);
    const gr_comparison *again = tiny_compare(a, &o); /* the steps are those of before, whatever the speed now */
    CU_ASSERT(again && again->contender[0].steps == c->contender[0].steps && same_runs(c, again));
    o = tiny_options(path, 2);
    o.seeds = 1;
    o.amount = 0; /* 100 epochs are cut short */
    o.points = 1;
    c = tiny_compare(a, &o);
    CU_ASSERT(c && c->contender[0].steps == GR_COMPARE_STEPS);
    gr_arena_destroy(a);
}

static void *break_after_runs(void *data)
{
    stop_after_runs(data);
    FILE *f = fopen(((watcher *)data)->edited, "w");
    if (f) fputs("no model\n", f), fclose(f);
    return NULL;
}

/* All runs are of the models as they were when the comparison began. */
static void an_edit_meanwhile_changes_no_run(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.seeds = 6;
    o.at_once = 1;
    const gr_comparison *whole = tiny_compare(a, &o);
    o.file = temp_path("edited_meanwhile.json");
    watcher w = {.file = o.file, .after = 1, .edited = path[1]};
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, break_after_runs, &w), 0);
    const gr_comparison *edited = tiny_compare(a, &o);
    __atomic_store_n(&w.ended, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CU_ASSERT(whole && edited && edited->complete && same_runs(whole, edited));
    gr_arena_destroy(a);
}

/* A stop loses no run that is done, and the same comparison goes on to the same numbers. */
static void interrupted_comparisons_go_on(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.amount = 200;
    o.seeds = 6;
    o.at_once = 1;
    const gr_comparison *whole = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    o.file = temp_path("stopped.json");
    watcher w = {.file = o.file, .after = 3};
    pthread_t thread;
    o.stop = &w.stop;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, stop_after_runs, &w), 0);
    gr_comparison *cut = tiny_compare(a, &o);
    __atomic_store_n(&w.ended, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
    CU_ASSERT(!cut->complete && runs_done(cut) >= 3 && runs_done(cut) < 12);
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, o.file, &cut, &compare_error), 1);
    ((gr_trial_point *)(uintptr_t)cut->contender[0].trial[0].point)[0].seconds = 1234;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(cut, o.file, &compare_error), 0);
    o.stop = NULL;
    const gr_comparison *after = tiny_compare(a, &o);
    CU_ASSERT_FATAL(after && after->complete);
    CU_ASSERT(same_runs(whole, after) && after->contender[0].trial[0].point[0].seconds == 1234);
    gr_arena_destroy(a);
}

/* The command says how to go on. */
static void ctrl_c_says_how_to_go_on(void)
{
    const char *first = tiny_gru(), *second = tiny_lstm(), *file = temp_path("ctrl_c.json"), *err = temp_path("ctrl_c.err");
    char command[2048];
    snprintf(command, sizeof command, "'%s/tools/graphrun' compare %s %s --steps 200 --seeds 300 --json %s >/dev/null 2>%s & pid=$!; "
             "while [ ! -s %s ]; do sleep 0.01; done; kill -INT $pid; wait $pid", GR_BUILD_DIR, first, second, file, err, file);
    const int status = system(command);
    CU_ASSERT(WIFEXITED(status));
    char *text = read_text(err, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "the same command goes on"));
    free(text);
}

/* A kill between the two leaves a checkpoint that is newer than the results: what was validated between is not lost. */
static void checkpoints_go_with_the_results(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    gr_comparison *cut = NULL;
    gr_trial *t = NULL;
    o.seeds = o.at_once = 1;
    o.amount = 3000;
    o.points = 60;
    const gr_comparison *whole = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    o.file = temp_path("newer.json");
    stopper s = {.after = 10000};
    for (int i = 0; i < 40 && !(t && t->status == GR_TRIAL_WAITING && t->num_points > 1); i++, s.after += s.after / 4) {
        pthread_t thread;
        s.stop = 0;
        o.stop = &s.stop;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, stop_soon, &s), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, o.file, &cut, &compare_error), 1);
        t = &cut->contender[cut->contender[0].trial[0].status == GR_TRIAL_DONE].trial[0];
    }
    CU_ASSERT_FATAL(t && t->status == GR_TRIAL_WAITING && t->num_points > 1);
    t->num_points = 1;
    t->steps = t->point[0].step;
    t->tokens = t->point[0].tokens;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(cut, o.file, &compare_error), 0);
    o.stop = NULL;
    const gr_comparison *after = tiny_compare(a, &o);
    CU_ASSERT(after && after->complete && same_runs(whole, after));
    gr_arena_destroy(a);
}

/* A page, results and models are files of their own. */
static void no_file_is_written_over(void)
{
    const char *first = tiny_gru(), *second = tiny_lstm(), *page = temp_path("one.html");
    const struct { const char *page, *json, *says; } wrong[] = {
        {page, page, "-o and --json are both"},
        {page, temp_path("./one.html"), "-o and --json are both"},
        {temp_file("there.html", "a page"), temp_path("./there.html"), "-o and --json are both"},
        {second, NULL, "would write over that model"},
        {temp_path("./gru.yaml"), page, "would write over that model"},
        {page, first, "would write over that model"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_EQUAL(graphrun("compare '%s' '%s,hidden=5' --steps 2 --seeds 1 --points 1 --quiet -o '%s' %s%s", first, second, wrong[i].page,
                                        wrong[i].json ? "--json " : "", wrong[i].json ? wrong[i].json : ""), 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(err_text, wrong[i].says));
    }
    CU_ASSERT_NOT_EQUAL(access(page, F_OK), 0);
    char *text = read_text(second, NULL), *there = read_text(temp_path("there.html"), NULL);
    CU_ASSERT(strncmp(text, "graphrun: 1\n", 12) == 0 && strcmp(there, "a page") == 0);
    free(text);
    free(there);
}

/* Of a model that diverges at its second step: it counts, also in rounds that measure speeds. */
static void steps_before_diverging_are_told(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_model("relu", "RNN, nonlinearity: relu", 6, TINY_DATA, "")};
    const char *const wild[] = {"train.optimizer.lr=1e30", NULL}, *const *sets[] = {(const char *const[]){NULL}, wild};
    gr_compare_options o = tiny_options(path, 2);
    o.sets = sets;
    o.seeds = 1;
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    const gr_trial *t = &c->contender[1].trial[0];
    long long step = -1;
    const char *text = strstr(t->why, "training step ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL_FATAL(sscanf(text, "training step %lld", &step), 1);
    CU_ASSERT(t->status == GR_TRIAL_DIVERGED && step > 0 && t->steps == step);
    o.budget = GR_BUDGET_SECONDS;
    o.amount = 0.01;
    o.round_seconds = 1e-3;
    c = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(c->complete && c->contender[0].diverged == 0 && c->contender[1].diverged == 1);
    CU_ASSERT(isnan(c->contender[1].tokens_per_second)); /* of one step, with the making of its program */
    gr_arena_destroy(a);
}

static void what_cannot_be_compared_is_told(void)
{
    gr_arena *a = gr_arena_create();
    const char *const one[] = {tiny_gru(), temp_file("no_data.yaml", "graphrun: 1\ngraph:\n  w: {op: Parameter, shape: [2], init: {op: Ones}}\n"
        "  loss: {op: Sum, in: w}\ntrain: {minimize: loss, optimizer: {op: SGD, lr: 1}, epochs: 1}\n")};
    gr_compare_options o = tiny_options(one, 2);
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "no `data` section"));
    const char *const two[] = {tiny_gru(), tiny_model("whole", "GRU", 6, "{op: CharText, path: tiny.txt}", "")};
    o = tiny_options(two, 2);
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "no split 'valid'"));
    const char *const three[] = {tiny_gru(), tiny_lstm()};
    o = tiny_options(three, 2);
    o.metric = "bleu";
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "it has: loss, perplexity, Accuracy. --metric NAME judges by what all models have: loss, perplexity, Accuracy"));
    o.metric = NULL;
    o.file = temp_file("mine.json", "{\"mine\": 1}");
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "would be overwritten"));
    o.file = "/nowhere/at/all.json";
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    gr_arena_destroy(a);
}

void test_compare_runs(void)
{
    CU_pSuite s = CU_add_suite("compare_runs", NULL, NULL);
    CU_add_test(s, "numbers do not depend on threads", numbers_do_not_depend_on_threads);
    CU_add_test(s, "a run is training", a_run_is_training);
    CU_add_test(s, "what is done is gone on with", what_is_done_is_gone_on_with);
    CU_add_test(s, "changed models are run again", changed_models_are_run_again);
    CU_add_test(s, "other data are refused", other_data_are_refused);
    CU_add_test(s, "the order of axes is no difference", the_order_of_axes_is_no_difference);
    CU_add_test(s, "parameters are matched", parameters_are_matched);
    CU_add_test(s, "attention is kept", attention_is_kept);
    CU_add_test(s, "learning rates are chosen", learning_rates_are_chosen);
    CU_add_test(s, "other rates are other runs", other_rates_are_other_runs);
    CU_add_test(s, "interrupted runs go on", interrupted_runs_go_on);
    CU_add_test(s, "a model that diverges is shown", a_model_that_diverges_is_shown);
    CU_add_test(s, "budgets are steps in the end", budgets_are_steps_in_the_end);
    CU_add_test(s, "interrupted comparisons go on", interrupted_comparisons_go_on);
    CU_add_test(s, "an edit meanwhile changes no run", an_edit_meanwhile_changes_no_run);
    CU_add_test(s, "no file is written over", no_file_is_written_over);
    CU_add_test(s, "Ctrl-C says how to go on", ctrl_c_says_how_to_go_on);
    CU_add_test(s, "checkpoints go with the results", checkpoints_go_with_the_results);
    CU_add_test(s, "steps before diverging are told", steps_before_diverging_are_told);
    CU_add_test(s, "what cannot be compared is told", what_cannot_be_compared_is_told);
}
