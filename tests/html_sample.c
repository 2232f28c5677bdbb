/* html_sample.c - curves that fall as those of language models do, with noise that depends on the seed. */
#include "html_sample.h"

#include <stdlib.h>

enum { MODELS = 4, POINTS = 20, STEPS = 600, METRICS = 2 };

static const char *const name[MODELS] = {"char-rnn", "char-gru", "char-lstm", "transformer"};
static const double ends_at[MODELS] = {2.02, 1.705, 1.69, 1.83}, falls_in[MODELS] = {130, 110, 120, 80}, step_time[MODELS] = {0.011, 0.026, 0.031, 0.044};

/* In [-1, 1], the same for the same numbers. */
static double noise(int model, int seed, int i)
{
    uint64_t x = (uint64_t)model * 7919 + (uint64_t)seed * 104729 + (uint64_t)i * 1299709 + 12345;
    for (int k = 0; k < 3; k++) x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    return (double)(x >> 11) * 0x1p-52 - 1;
}

static void fill_trial(gr_arena *a, gr_trial *t, int model, int seed)
{
    gr_trial_point *point = GR_NEW_ARRAY(a, gr_trial_point, POINTS);
    const double shift = 0.02 * noise(0, seed, 1) + 0.012 * noise(model, seed, 2);
    for (int i = 0; i < POINTS; i++) {
        double *valid = GR_NEW_ARRAY(a, double, METRICS);
        const int step = (i + 1) * STEPS / POINTS;
        const double loss = ends_at[model] + shift + 2.2 * exp(-step / falls_in[model]) + 0.01 * noise(model, seed, 10 + i);
        valid[0] = loss;
        valid[1] = exp(loss);
        point[i] = (gr_trial_point){.step = step, .tokens = step * 1024, .seconds = step * step_time[model],
                                    .train_loss = loss - 0.15 * step / STEPS + 0.1 * exp(-step / 60.), .valid = valid};
    }
    *t = (gr_trial){.seed = (uint64_t)seed + 1, .lr = 0.003, .status = GR_TRIAL_DONE, .ended = true, .why = "", .point = point, .num_points = POINTS};
}

static const gr_attention_map *make_map(gr_arena *a)
{
    static const char *const read[] = {"h", "e", "l", "l", "o", "<eos>"}, *const written[] = {"o", "l", "l", "e", "h", "<eos>"};
    enum { N = 6 };
    gr_attention_map *m = GR_NEW(a, gr_attention_map);
    double *v = GR_NEW_ARRAY(a, double, N * N);
    for (int r = 0; r < N; r++) {
        double sum = 0;
        for (int k = 0; k < N; k++) sum += v[r * N + k] = exp(-1.5 * abs(r < 5 ? 4 - r - k : 5 - k) + 0.3 * noise(r, k, 0));
        for (int k = 0; k < N; k++) v[r * N + k] /= sum;
    }
    *m = (gr_attention_map){.name = "decoder.look.weights", .prompt = "hello", .seed = 1, .rows = N, .heads = 1, .columns = N,
                            .row = written, .column = read, .value = v};
    return m;
}

static void fill_contender(gr_arena *a, gr_contender *x, int model, int seeds)
{
    static const int64_t parameters[MODELS] = {83211, 82977, 84124, 81952};
    *x = (gr_contender){.name = name[model], .doc = "Predicts the next character of a text.", .parameters = parameters[model],
                        .path = gr_arena_printf(a, "graphs/compare/%s.yaml", name[model]), .memory = 3000000 + 2500000 * model,
                        .yaml = "graphrun: 1\nname: model\n\nvars: {batch: 16, time: 64}\n", .steps = STEPS, .seconds_per_step = step_time[model],
                        .tokens_per_second = 1024 / step_time[model], .own_lr = 0.003, .lr = 0.003, .trial = GR_NEW_ARRAY(a, gr_trial, seeds)};
    for (int k = 0; k < seeds; k++) fill_trial(a, &x->trial[k], model, k);
    if (model != MODELS - 1) return;
    x->attention = make_map(a);
    x->num_attention = 1;
}

gr_comparison *test_comparison(gr_arena *a, int seeds)
{
    static const char *const metric[METRICS] = {"loss", "perplexity"};
    gr_comparison *c = GR_NEW(a, gr_comparison);
    uint64_t *seed = GR_NEW_ARRAY(a, uint64_t, seeds);
    for (int k = 0; k < seeds; k++) seed[k] = (uint64_t)k + 1;
    *c = (gr_comparison){.command = "graphrun compare char_rnn.yaml char_gru.yaml char_lstm.yaml transformer.yaml --steps 600 -o report.html",
                         .date = "2026-01-02 03:04 UTC", .version = "0.1.0", .kernel = "avx512", .cpu = "A processor", .dtype = "float32",
                         .threads = 2, .at_once = 2, .budget = GR_BUDGET_STEPS, .amount = STEPS, .same_data = true, .different = "",
                         .data = "op: CharText\npath: GPL-3\n", .metric = metric, .num_metrics = METRICS, .judged = 1, .level = 0.95,
                         .num_seeds = seeds, .seed = seed, .complete = true, .contender = GR_NEW_ARRAY(a, gr_contender, MODELS), .num_contenders = MODELS};
    for (int i = 0; i < MODELS; i++) fill_contender(a, &c->contender[i], i, seeds);
    gr_compare_judge(c);
    return c;
}
