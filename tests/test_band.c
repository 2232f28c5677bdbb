/* test_band.c - loops cut into bands of rows: which are, that bands wait for none of each other, and that
 * no bit shows how many there are. */
#include "check_schedule.h"
#include "cli_support.h"
#include "run/fault.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

/* A recurrent model over [time, batch, 16]; `cell` is its node "rnn". */
static const char *write_model(const char *cell, int batch)
{
    return temp_file("band.yaml",
        "graphrun: 1\nname: band\nvars: {time: 9, batch: %d}\ngraph:\n"
        "  x: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [$time, $batch, 16]}\n"
        "  rnn: %s\n"
        "  y: {op: Mul, in: [rnn.output, rnn.output]}\n  loss: {op: Mean, in: y}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.5}, epochs: 1}\n", batch, cell);
}

static const char lstm[] = "{op: LSTM, in: x, hidden_size: 48, num_layers: 2}";
/* Each step takes the mean over the batch off its state. */
static const char mixing[] =
    "{op: Scan, over: time, in: {x: x}, carry: {h: {init: start, next: n}}, out: {output: n}, step: {"
    "g: {op: Linear, in: [x, h], out_features: 48}, m: {op: Mean, in: g, dim: 0, keepdim: true}, d: {op: Sub, in: [g, m]}, "
    "n: {op: Tanh, in: d}}}\n  start: {op: Zeros, shape: [$batch, 48]}";

/* Kernels that go through rows. */
static const char normalized[] =
    "{op: Scan, over: time, in: {x: x}, carry: {h: {init: start, next: n}}, out: {output: n}, step: {"
    "g: {op: Linear, in: [x, h], out_features: 80}, m: {op: LayerNorm, in: g, normalized_shape: 80}, n: {op: Tanh, in: m}}}\n"
    "  start: {op: Zeros, shape: [$batch, 80]}";

static int count_bands(const gr_program *p)
{
    int n = 0;
    for (int l = 0; l < p->num_loops; l++) n += p->loops[l].rows > 0;
    return n;
}

/* Two layers, forward and backward, are four loops. */
static void rows_are_cut_where_they_stay_apart(void)
{
    const struct { const char *cell; int batch, workers, bands; } cases[] = {
        {lstm, 32, 1, 0}, {lstm, 32, 2, 8}, {lstm, 33, 2, 8}, {lstm, 32, 4, 16}, {lstm, 24, 3, 12},
        {lstm, 15, 2, 0}, {lstm, 32, 5, 0}, {mixing, 32, 2, 0}, {normalized, 32, 2, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_session *s = open_model(write_model(cases[i].cell, cases[i].batch), 1);
        gr_arena *a = gr_arena_create();
        const int bands = count_bands(training_program(a, s, cases[i].workers));
        if (bands != cases[i].bands) fprintf(stderr, "case %d: %d bands\n", (int)i, bands);
        CU_ASSERT_EQUAL(bands, cases[i].bands);
        gr_arena_destroy(a);
        gr_session_close(s);
    }
}

/* Each band has a worker of its own, which waits in its loop for what came before the loop alone. */
static void bands_wait_for_none_of_each_other(void)
{
    gr_session *s = open_model(write_model(lstm, 32), 1);
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    gr_program *p = training_program(a, s, 2);
    gr_schedule *two = gr_schedule_create(a, p, gr_topology_get(a, "core:2", &e), 2, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(two);
    CU_ASSERT_PTR_NULL(check_schedule(p, two));
    CU_ASSERT_EQUAL(two->num_choices, 8);
    for (int i = 0; i < two->num_choices; i++) CU_ASSERT_EQUAL(two->choices[i].workers, 1);
    for (int i = 0; i < p->num_deps; i++) {
        const gr_template *x = &p->templates[p->deps[i].before], *y = &p->templates[p->deps[i].after];
        const bool bands = x->loop >= 0 && y->loop >= 0 && x->loop != y->loop && p->loops[x->loop].scan == p->loops[y->loop].scan;
        CU_ASSERT_FALSE(bands);
    }
    int pairs = 0;
    for (int l = 0; l < p->num_loops; l++)
        for (int k = l + 1; k < p->num_loops; k++) {
            if (p->loops[l].scan != p->loops[k].scan || p->loops[l].first_row == p->loops[k].first_row || !p->loops[l].rows) continue;
            const gr_team *x = &two->team[p->loops[l].first], *y = &two->team[p->loops[k].first];
            CU_ASSERT(x->count == 1 && y->count == 1 && x->first != y->first);
            pairs++;
        }
    CU_ASSERT_EQUAL(pairs, 4);
    gr_arena_destroy(a);
    gr_session_close(s);
}

/* The loss of three steps of training, then every parameter. */
static char *outcome(const char *model, int threads, size_t *size)
{
    gr_session *s = open_model(model, threads);
    const gr_want want = {.update = true, .training = true, .fetch = (const char *[]){"loss", NULL}};
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_EQUAL(count_bands(x->program) > 0, threads > 1);
    char *text = NULL;
    FILE *f = open_memstream(&text, size);
    for (int step = 0; step < 3; step++) {
        gr_type t;
        CU_ASSERT_EQUAL(gr_exec_step(x, step, &e), 0);
        fwrite(gr_run_result(x->run, "loss", &t), sizeof(float), 1, f);
    }
    write_states(s->store, f);
    fclose(f);
    gr_session_close(s);
    return text;
}

static void no_bit_shows_the_bands(void)
{
    static const char *const cells[] = {lstm, normalized, "{op: GRU, in: x, hidden_size: 48}", "{op: RNN, in: x, hidden_size: 80}",
                                        "{op: LSTM, in: x, hidden_size: 48, bidirectional: true}"};
    for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
        const char *model = write_model(cells[c], 33);
        size_t n, m;
        char *one = outcome(model, 1, &n);
        for (int threads = 2; threads <= 4; threads++) {
            char *many = outcome(model, threads, &m);
            CU_ASSERT(n == m && memcmp(one, many, n) == 0);
            free(many);
        }
        free(one);
    }
}

/* Whether a step of training on that machine has a task that is called so often. Nothing is measured, for there is
 * nowhere to keep it. */
static bool calls(const char *machine, const char *model, int times)
{
    char words[32];
    CU_ASSERT_EQUAL(shell("env -u XDG_CACHE_HOME -u HOME HWLOC_SYNTHETIC='%s' " GRAPHRUN " trace '%s' --quiet", machine, model), 0);
    snprintf(words, sizeof words, " %d calls ", times);
    return strstr(said, words) != NULL;
}

/* Hardware threads of one core are no workers to make bands for. The loops have 9 steps. */
static void bands_are_for_cores(void)
{
    char model[300];
    snprintf(model, sizeof model, "%s", write_model(lstm, 32));
    CU_ASSERT_FALSE(calls("core:1 pu:4", model, 2 * 9));
    CU_ASSERT(calls("core:1 pu:4", model, 9));
    CU_ASSERT(calls("core:2 pu:2", model, 2 * 9));
    CU_ASSERT_FALSE(calls("core:2 pu:2", model, 4 * 9));
}

static void fail(gr_faults *f, const gr_template *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    gr_faults_add(f, t, 0, 0, fmt, args);
    va_end(args);
}

/* A kernel that names a row counts from the first of its band, which the message therefore says. */
static void a_fault_says_where_its_band_begins(void)
{
    gr_session *s = open_model(write_model(lstm, 32), 1);
    gr_arena *a = gr_arena_create();
    const gr_program *p = training_program(a, s, 2);
    int from_rows = 0, bands = 0;
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        gr_faults f = {.busy = ATOMIC_FLAG_INIT};
        char text[512];
        if (x->loop < 0) continue;
        fail(&f, x, "row %d is wrong", 3);
        const bool from_16 = strstr(gr_faults_text(&f, p, text, sizeof text), "row 3 is wrong (it counts rows from row 16 on)") != NULL;
        CU_ASSERT_EQUAL(from_16, p->loops[x->loop].first_row == 16);
        from_rows += from_16;
        bands += p->loops[x->loop].rows > 0;
    }
    CU_ASSERT_EQUAL(2 * from_rows, bands);
    CU_ASSERT(from_rows > 0);
    gr_arena_destroy(a);
    gr_session_close(s);
}

void test_band(void)
{
    CU_pSuite s = CU_add_suite("band", NULL, NULL);
    CU_add_test(s, "rows are cut where they stay apart", rows_are_cut_where_they_stay_apart);
    CU_add_test(s, "bands wait for none of each other", bands_wait_for_none_of_each_other);
    CU_add_test(s, "no bit shows the bands", no_bit_shows_the_bands);
    CU_add_test(s, "bands are for cores, not for hardware threads", bands_are_for_cores);
    CU_add_test(s, "a fault says where its band begins", a_fault_says_where_its_band_begins);
}
