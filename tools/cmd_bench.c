/* cmd_bench.c - graphrun bench: how fast a model is on this machine.
 *
 *     --what train   a training step (where not given)
 *     --what infer   a batch forward only, weights packed once
 *     --what step    one item more of `generate`, with state: the latency
 *
 * One batch is taken from the data source and the same step is run on it again and again;
 * the median counts. The share of the peak compares the arithmetic of the model's products
 * with what BLIS's microkernel reaches in the same run on operands that lie in L1. */
#include "cli.h"
#include "kernel/kernel.h"
#include "train/decoder.h"
#include "train/progress.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef enum bench_what { WHAT_TRAIN, WHAT_INFER, WHAT_STEP } bench_what;
static const char *const what_names[] = {"train", "infer", "step", NULL};

typedef struct bench {
    gr_session *session;
    bench_what what;
    gr_exec *exec;
    gr_decoder *decoder; /* of WHAT_STEP */
    const char *const *fetch;
    double pass_ms, compile_ms;
    double median, best; /* seconds a step */
    int64_t steps, tokens;
    double flops, peak;  /* of a step's products; flop/s of one core's microkernel */
    int threads, in_use; /* of the schedule; at the end, while others may have had a core */
    int64_t switches;
    double predicted;    /* seconds a step, of the schedule in use */
} bench;

/* Numbers of the first integer field: tokens of a step; 0 where there is none. */
static int64_t bench_tokens(const gr_exec *x)
{
    for (int i = 0; i < x->session->num_inputs; i++) {
        gr_type t;
        if (gr_run_feed(x->run, x->session->inputs[i].name, &t) && t.dtype == GR_INT32) return gr_numel(&t);
    }
    return 0;
}

static double program_flops(const gr_program *p)
{
    double total = 0;
    for (int i = 0; i < p->num_templates; i++) {
        double flops = gr_template_flops(&p->templates[i]);
        for (int l = p->templates[i].loop; l >= 0; l = p->loops[l].parent) flops *= (double)p->loops[l].count;
        total += flops;
    }
    return total;
}

static int bench_compile(bench *b, gr_error *e)
{
    const bool trains = b->what == WHAT_TRAIN;
    gr_want want = {.update = trains, .training = trains, .frozen = !trains, .fetch = b->fetch};
    double start = gr_seconds();
    if (!gr_session_graph(b->session, &want, NULL)) return gr_set_error(e, GR_EINVAL, "%s", "");
    b->pass_ms = (gr_seconds() - start) * 1e3;
    start = gr_seconds();
    b->exec = gr_session_compile(b->session, &want, e);
    b->compile_ms = (gr_seconds() - start) * 1e3;
    return b->exec ? 0 : e->status;
}

static int bench_feed(bench *b, gr_error *e)
{
    const gr_tensor *field = NULL;
    if (!b->session->data) return 0;
    if (gr_data_begin(b->session->data, "train", 0, 0, e) || gr_data_next(b->session->data, &field, e) < 0) return -1;
    b->exec = gr_exec_for_batch(b->exec, field, e);
    return b->exec ? gr_exec_feed_batch(b->exec, field, e) : -1;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The program that makes a step of `generate`: it exists once an item has been fed. */
static int bench_begin(bench *b, gr_error *e)
{
    const int32_t zero = 0;
    double start = gr_seconds();
    if (!(b->decoder = gr_decoder_create(b->session, false, e))) return e->status;
    if (!gr_decoder_steps(b->decoder))
        return gr_set_error(e, GR_EINVAL, "%s generates on the whole prefix again and again: it has no step to measure",
                            gr_model_name(b->session->model));
    if (gr_decoder_begin(b->decoder, &zero, 1, e) || gr_decoder_feed(b->decoder, &zero, 1, e)) return e->status;
    b->compile_ms = (gr_seconds() - start) * 1e3;
    b->exec = gr_decoder_exec(b->decoder);
    return 0;
}

static int bench_step(bench *b, int64_t step, gr_error *e)
{
    const int32_t item = 0;
    if (b->what == WHAT_STEP) return gr_decoder_feed(b->decoder, &item, 1, e);
    int status = gr_exec_step(b->exec, step, e);
    return status == GR_ESTATE ? gr_set_error(e, GR_ESTATE, "a value of the step is not finite") : status;
}

/* Steps for so many seconds, at least 10 and at most as many as `time` holds. */
static int bench_run(bench *b, double seconds, double *time, int64_t room, gr_error *e)
{
    enum { WARM_UP = 3 };
    double end = 0;
    for (int i = 0; b->what == WHAT_TRAIN && i < b->session->recipe->num_lrs; i++) /* the same step again must not diverge */
        gr_exec_set_lr(b->exec, i, b->session->recipe->lrs[i].lr * 1e-3);
    for (int64_t i = -WARM_UP; i < room; i++) {
        double start = gr_seconds();
        if (bench_step(b, i + WARM_UP, e)) return e->status;
        double now = gr_seconds();
        if (i == -1) end = now + seconds;
        if (i < 0) continue;
        time[b->steps++] = now - start;
        if (b->steps >= 10 && now > end) break;
    }
    qsort(time, (size_t)b->steps, sizeof *time, compare_doubles);
    b->median = time[b->steps / 2];
    b->best = time[0];
    return 0;
}

static void print_text(const bench *b)
{
    double share = b->flops / b->median / (b->peak * b->threads);
    printf("%s, %d thread%s, %s\n", gr_model_name(b->session->model), b->threads, b->threads == 1 ? "" : "s", gr_kernel_name());
    printf("  step      %10.1f us median, %.1f us best of %lld\n", b->median * 1e6, b->best * 1e6, (long long)b->steps);
    if (b->tokens) printf("  tokens    %10.0f a second, %.0f at best\n", (double)b->tokens / b->median, (double)b->tokens / b->best);
    printf("  products  %10.2f GFLOP/s, %.1f%% of the microkernel's peak (%.1f a core)\n", b->flops / b->median * 1e-9,
           100 * share, b->peak * 1e-9);
    printf("  predicted %10.1f us, %.2f of the median\n", b->predicted * 1e6, b->predicted / b->median);
    printf("  threads   %10d in use at the end, changed %lld times\n", b->in_use, (long long)b->switches);
    printf("  compiling %10.2f ms", b->compile_ms);
    if (b->pass_ms > 0) printf(", of which passes %.2f ms", b->pass_ms);
    putchar('\n');
}

static void print_json(const bench *b)
{
    json_t *o = json_pack("{s:s, s:s, s:i, s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:i, s:I}", "model", gr_model_name(b->session->model), "what",
                          what_names[b->what], "threads", b->threads, "median_us", b->median * 1e6, "best_us", b->best * 1e6, "tokens", (json_int_t)b->tokens,
                          "share_of_peak", b->flops / b->median / (b->peak * b->threads), "peak_gflops", b->peak * 1e-9,
                          "compile_ms", b->compile_ms, "passes_ms", b->pass_ms, "predicted_us", b->predicted * 1e6,
                          "threads_in_use", b->in_use, "thread_switches", (json_int_t)b->switches);
    if (o) json_dumpf(o, stdout, JSON_REAL_PRECISION(6) | JSON_COMPACT);
    putchar('\n');
    json_decref(o);
}

static int measure(bench *b, double seconds, gr_error *e)
{
    enum { ROOM = 1 << 20 };
    double *time = malloc(sizeof *time * ROOM);
    int status = time ? 0 : gr_set_error(e, GR_ENOMEM, "out of memory");
    if (!status) status = b->what == WHAT_STEP ? bench_begin(b, e) : bench_compile(b, e);
    if (!status && b->what != WHAT_STEP) status = bench_feed(b, e);
    if (!status) status = bench_run(b, seconds, time, ROOM, e);
    free(time);
    if (status) return status;
    b->threads = b->in_use = b->exec->schedule->threads;
    if (b->in_use > gr_pool_in_use(b->session->pool)) b->in_use = gr_pool_in_use(b->session->pool);
    b->switches = gr_pool_switches(b->session->pool);
    b->predicted = b->exec->schedule->predicted * 1e-9;
    b->tokens = bench_tokens(b->exec);
    b->flops = program_flops(b->exec->program);
    b->peak = gr_gemm_peak(b->session->options.model.real, 0.2) * 1e9;
    return 0;
}

int cmd_bench(int argc, char **argv)
{
    const cli_command *self = cli_find("bench");
    cli_common common = CLI_DEFAULTS;
    double seconds = 2;
    bool json = false;
    const char *what = what_names[WHAT_TRAIN];
    cli_list fetch = {0};
    const cli_option own[] = {{"what", 0, CLI_TEXT, &what, "WHAT", "train: a training step; infer: a batch forward; step: an item of generate, with state"},
                              {"fetch", 0, CLI_LIST, &fetch, "VALUE", "of infer: what is computed; all that the model gives where not given"},
                              {"seconds", 0, CLI_FLOAT, &seconds, "S", "for how long steps are run"},
                              {"json", 0, CLI_FLAG, &json, NULL, "one JSON object instead of text"}, {0}};
    int done = cli_parse_model(self, argc, argv, own, &common);
    if (done >= 0) return done;
    bench b = {.fetch = fetch.item};
    while (what_names[b.what] && strcmp(what, what_names[b.what]) != 0) b.what++;
    if (!what_names[b.what]) return cli_misuse(self, "--what is train, infer or step, not '%s'", what);
    if (fetch.count && b.what != WHAT_INFER) return cli_misuse(self, "--fetch says what --what infer computes");
    gr_session_options o = cli_session_options(&common);
    o.facts_only = b.what == WHAT_STEP;
    if (!(b.session = cli_open(argv[1], &o))) return EXIT_MODEL;
    gr_error e = {0};
    int code = EXIT_DONE;
    if (b.what == WHAT_TRAIN && !b.session->recipe->minimize) {
        gr_set_error(&e, GR_EINVAL, "%s has no section `train`: there is no training step to measure; write --what infer", argv[1]);
        code = cli_fail(&e);
    } else if (measure(&b, seconds, &e)) {
        code = cli_fail(&e);
    } else if (json) {
        print_json(&b);
    } else {
        print_text(&b);
    }
    gr_session_close(b.session);
    return code;
}
