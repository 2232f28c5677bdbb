/* compare_support.c - see compare_support.h. */
#include "compare_support.h"
#include "report/comparison.h"
#include "train/loop.h"
#include "train_support.h"

#include <string.h>
#include <unistd.h>

static gr_trial synthetic_trial(gr_arena *a, uint64_t seed, double value)
{
    gr_trial_point *p = GR_NEW(a, gr_trial_point);
    *p = (gr_trial_point){.step = 10, .tokens = 100, .seconds = 1, .train_loss = value, .valid = gr_arena_copy(a, &value, sizeof value)};
    return (gr_trial){.seed = seed, .lr = 0.5, .status = GR_TRIAL_DONE, .ended = true, .why = "", .point = p, .num_points = 1};
}

gr_comparison *synthetic_comparison(gr_arena *a, int n, int seeds, const double *value)
{
    static const char *const metric[] = {"loss"};
    gr_comparison *c = GR_NEW(a, gr_comparison);
    uint64_t *seed = GR_NEW_ARRAY(a, uint64_t, seeds);
    *c = (gr_comparison){.command = "graphrun compare", .date = "today", .version = "0", .kernel = "k", .cpu = "c", .dtype = "float32", .threads = 2,
                         .at_once = 1, .amount = 10, .same_data = true, .different = "", .data = "data: {}", .metric = metric, .num_metrics = 1,
                         .level = 0.95, .num_seeds = seeds, .seed = seed, .points = 1, .num_contenders = n};
    c->contender = GR_NEW_ARRAY(a, gr_contender, n);
    for (int k = 0; k < n; k++) {
        gr_contender *x = &c->contender[k];
        *x = (gr_contender){.name = gr_arena_printf(a, "m%d", k), .path = "m.yaml", .doc = "", .yaml = "graphrun: 1\n", .key = "0", .parameters = 7,
                            .memory = 1 << 20, .steps = 10, .tokens_per_second = 1e4, .seconds_per_step = 1e-3, .own_lr = 0.5, .lr = 0.5};
        x->trial = GR_NEW_ARRAY(a, gr_trial, seeds);
        for (int i = 0; i < seeds; i++) x->trial[i] = synthetic_trial(a, seed[i] = (uint64_t)i + 1, value[k * seeds + i]);
    }
    gr_compare_judge(c);
    return c;
}

static void write_text(void)
{
    FILE *f = fopen(temp_path("tiny.txt"), "w");
    for (int i = 0; f && i < 60; i++) fprintf(f, "the %d cats sat on %d mats and %s\n", i, i * 7 % 13, i % 3 ? "slept" : "sang");
    if (f) fclose(f);
}

const char *tiny_model(const char *name, const char *op, int hidden, const char *data, const char *more)
{
    char file[64];
    write_text();
    snprintf(file, sizeof file, "%s.yaml", name);
    return temp_file(file,
        "graphrun: 1\nname: %s\nvars: {batch: 4, time: 8, hidden: %d}\ndata: %s\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  letters: {op: OneHot, in: tokens, num_classes: $data.vocab}\n"
        "  rnn: {op: %s, in: letters, hidden_size: $hidden}\n"
        "  kept: {op: Dropout, in: rnn.output, p: 0.1}\n"
        "  logits: {op: Linear, in: kept, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: targets}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, epochs: 100}\nmetrics: [perplexity, Accuracy]\n%s", name, hidden, data, op, more);
}

const char *tiny_gru(void) { return tiny_model("gru", "GRU", 6, TINY_DATA, ""); }
const char *tiny_lstm(void) { return tiny_model("lstm", "LSTM", 6, TINY_DATA, ""); }

gr_error compare_error;

gr_comparison *tiny_compare(gr_arena *a, const gr_compare_options *o)
{
    gr_comparison *c;
    compare_error = (gr_error){0};
    return gr_compare(a, o, &c, &compare_error) ? NULL : c;
}

gr_compare_options tiny_options(const char *const *path, int n)
{
    return (gr_compare_options){.path = path, .num_models = n, .session = {.model = {.real = GR_FLOAT32}, .threads = 2, .seed = 1, .quiet = true},
                                .seeds = 2, .amount = 12, .points = 3, .version = "test"};
}

static bool same_trial(const gr_comparison *c, const gr_trial *x, const gr_trial *y)
{
    bool same = x->seed == y->seed && x->lr == y->lr && x->status == y->status && x->num_points == y->num_points;
    for (int i = 0; same && i < x->num_points; i++)
        same = x->point[i].step == y->point[i].step && x->point[i].tokens == y->point[i].tokens &&
               memcmp(&x->point[i].train_loss, &y->point[i].train_loss, sizeof(double)) == 0 &&
               memcmp(x->point[i].valid, y->point[i].valid, sizeof(double) * (size_t)c->num_metrics) == 0;
    return same;
}

bool same_runs(const gr_comparison *a, const gr_comparison *b)
{
    bool same = a->num_contenders == b->num_contenders && a->num_seeds == b->num_seeds && a->num_metrics == b->num_metrics;
    for (int k = 0; same && k < a->num_contenders; k++)
        for (int i = 0; same && i < a->num_seeds; i++) same = same_trial(a, &a->contender[k].trial[i], &b->contender[k].trial[i]);
    return same;
}

char *printed(const gr_comparison *c)
{
    char *text = NULL;
    size_t size;
    gr_error e;
    FILE *f = open_memstream(&text, &size);
    if (!f) return strdup("");
    if (gr_comparison_print(c, f, &e)) fputs(e.message, f);
    fclose(f);
    return text;
}

int runs_done(const gr_comparison *c)
{
    int n = 0;
    for (int k = 0; k < c->num_contenders; k++)
        for (int i = 0; i < c->num_seeds; i++) n += c->contender[k].trial[i].status == GR_TRIAL_DONE;
    return n;
}

void *stop_after_runs(void *data)
{
    watcher *w = data;
    for (int n = 0; n < w->after && !gr_stop_asked(&w->ended); usleep(1000)) {
        gr_arena *a = gr_arena_create();
        gr_comparison *c;
        gr_error e;
        n = gr_comparison_read(a, w->file, &c, &e) == 1 ? runs_done(c) : 0;
        gr_arena_destroy(a);
    }
    __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
    return NULL;
}
