/* cmd_bench.c - graphrun bench: how fast a model is on this machine.
 *
 * One batch is taken from the data source and the same step is run on it again and again, for several
 * rounds; the median of the rounds' medians counts. The share of the peak compares the arithmetic of
 * the model's products with what BLIS's microkernel reaches on operands that lie in L1, between the
 * steps of the same rounds, on as many threads at once: like with like, the median step with the
 * median peak and the best with the best. Rivals, if any, have their turn in each round. */
#include "base/column.h"
#include "base/count.h"
#include "base/utf8.h"
#include "bench.h"
#include "io/file.h"
#include "kernel/kernel.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct bench_args {
    cli_common common;
    const char *what, *name, *unit, *json, *weights, *weights_dtype;
    double seconds, rival_limit;
    int64_t rounds;
    bool noisy;
    cli_list rivals, fetch;
} bench_args;

enum { MAX_RIVALS = 16 };

typedef struct turn { /* all that takes turns */
    bench_args *args;
    bench b;
    bench_watch watch;
    bench_rival rival[MAX_RIVALS];
    int rivals;
} turn;

/* ---- rounds ---- */

static int start_rivals(turn *t, gr_error *e)
{
    const char *temporary = getenv("TMPDIR");
    if (!t->args->rivals.count) return 0;
    char *folder = gr_arena_printf(t->b.session->arena, "%s/graphrun-bench-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(folder)) return gr_set_error(e, GR_EIO, "%s cannot be made: %s", folder, strerror(errno));
    setenv("GRAPHRUN_BENCH_CASE", folder, 1);
    int status = bench_write_case(&t->b, folder, e);
    for (; !status && t->rivals < t->args->rivals.count; t->rivals++)
        bench_rival_start(&t->rival[t->rivals], t->args->rivals.item[t->rivals]);
    if (!status) status = bench_round(&t->b, NULL, 0, e); /* the check value */
    t->b.times = (bench_times){0};
    for (int i = 0; i < t->rivals; i++) bench_rival_wait(&t->rival[i], t->b.check, t->args->rival_limit);
    if (system("rm -rf -- \"$GRAPHRUN_BENCH_CASE\"") != 0) fprintf(stderr, "graphrun: %s could not be removed\n", folder);
    return status;
}

static int run_rounds(turn *t, gr_error *e)
{
    gr_session *s = t->b.session;
    double each = t->args->seconds / (double)t->args->rounds;
    for (int64_t i = 0; i < t->args->rounds; i++) {
        bench_watch_begin(&t->watch, &t->b);
        int status = bench_round(&t->b, &t->watch, each, e);
        if (status) return status;
        bench_watch_end(&t->watch, &t->b);
        for (int k = 0; k < t->rivals; k++) bench_rival_round(s->arena, &t->rival[k], each, t->args->rival_limit);
    }
    return 0;
}

/* ---- results ---- */

static const char *const whats[] = {"train", "infer", "step", NULL};

/* Seconds a step, in the unit. */
static double in_unit(const bench *b, const char *unit, double seconds)
{
    return strcmp(unit, "us") == 0 ? seconds * 1e6 : strcmp(unit, "steps/s") == 0 ? 1 / seconds : (double)b->tokens / seconds;
}

static const char *unit_of(const turn *t)
{
    if (t->args->unit) return t->args->unit;
    return t->b.what == BENCH_STEP ? "us" : t->b.tokens ? "tokens/s" : "steps/s";
}

static bench_result result_of(const turn *t)
{
    const bench *b = &t->b;
    gr_arena *a = b->session->arena;
    const gr_program *p = b->exec->program;
    const double median = bench_times_median(a, &b->times), peak = bench_times_median(a, &t->watch.peak), best_peak = t->watch.peak.best;
    const double each = b->flops / b->threads, limit = each * peak; /* of a core; seconds */
    double *rival = GR_NEW_ARRAY(a, double, t->rivals + 1);
    const char *unit = unit_of(t), *name = gr_model_name(b->session->model);
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    if (b->what != BENCH_TRAIN) name = gr_arena_printf(a, "%s %s", name, whats[b->what]);
    for (int i = 0; i < t->rivals; i++)
        if (!t->rival[i].failed) rival[i] = in_unit(b, unit, bench_times_median(a, &t->rival[i].times));
    return (bench_result){.workload = t->args->name ? t->args->name : name, .what = whats[b->what], .unit = unit,
                          .threads = b->threads, .value = in_unit(b, unit, median), .best = in_unit(b, unit, b->times.best),
                          .median_us = median * 1e6, .best_us = b->times.best * 1e6,
                          .limit = limit > 0 ? in_unit(b, unit, limit) : 0, .share_of_peak = limit / median,
                          .best_share = each * best_peak / b->times.best, .peak_gflops = 1e-9 / peak,
                          .best_peak_gflops = 1e-9 / best_peak, .predicted_us = b->predicted * 1e6,
                          .in_use = b->in_use, .switches = b->switches, .compile_ms = b->compile_ms, .pass_ms = b->pass_ms,
                          .arena_bytes = (double)p->arena_bytes, .state_bytes = (double)p->state_bytes,
                          .rss_bytes = 1024.0 * (double)own.ru_maxrss, .rivals = t->rival, .rival_value = rival, .num_rivals = t->rivals};
}

static void print_text(const turn *t, const bench_result *r)
{
    const bench *b = &t->b;
    printf("%s, %d thread%s, %s\n", r->workload, b->threads, gr_s(b->threads), gr_kernel_name());
    printf("  step      %10.1f us median of %d round%s, %.1f us best of %lld step%s\n", r->median_us, b->times.rounds, gr_s(b->times.rounds),
           r->best_us, (long long)b->times.steps, gr_s(b->times.steps));
    if (b->tokens && b->what != BENCH_STEP)
        printf("  tokens    %10.0f a second, %.0f at best\n", (double)b->tokens / r->median_us * 1e6, (double)b->tokens / r->best_us * 1e6);
    printf("  products  %10.2f GFLOP/s, %.1f%% of the microkernel's peak in the same rounds (%.1f a core)\n",
           b->flops / r->median_us * 1e-3, 100 * r->share_of_peak, r->peak_gflops);
    printf("  at best   %10.2f GFLOP/s, %.1f%% of the best peak (%.1f a core)\n", b->flops / r->best_us * 1e-3, 100 * r->best_share,
           r->best_peak_gflops);
    printf("  predicted %10.1f us, %.2f of the median\n", r->predicted_us, r->predicted_us / r->median_us);
    if (r->switches) printf("  threads   %10d in most steps, changed %lld time%s\n", r->in_use, r->switches, gr_s(r->switches));
    printf("  memory    %10.1f MiB of values, %.1f of states; the process %.1f\n", r->arena_bytes / 0x1p20, r->state_bytes / 0x1p20,
           r->rss_bytes / 0x1p20);
    printf("  compiling %10.2f ms, of which passes %.2f ms\n", b->compile_ms, b->pass_ms);
    int width = 9;
    for (int i = 0; i < r->num_rivals; i++) width = gr_wider(width, t->rival[i].name);
    for (int i = 0; i < r->num_rivals; i++) {
        const bench_rival *v = &t->rival[i];
        if (v->failed) continue;
        double median = bench_times_median(b->session->arena, &v->times) * 1e6;
        fputs("  ", stdout);
        gr_put_left(stdout, v->name, width);
        printf(" %10.1f us median, %.1f us best: graphrun is %.2f times as fast; %.1f MiB\n", median, v->times.best * 1e6,
               median / r->median_us, v->rss / 0x1p20);
    }
}

static int report(turn *t, gr_error *e)
{
    const char *noise = bench_watch_verdict(t->b.session->arena, &t->watch, &t->b.times);
    if (noise && !t->args->noisy)
        return gr_set_error(e, GR_ESTATE, "the machine is too noisy to report anything: %s; try again, or --noisy", noise);
    if (noise && !t->args->common.quiet) fprintf(stderr, "graphrun: a noisy machine: %s\n", noise);
    bench_result r = result_of(t);
    print_text(t, &r);
    return t->args->json ? bench_file_put(t->args->json, &r, e) : 0;
}

/* ---- the command ---- */

static int measure(gr_session *s, void *data)
{
    turn *t = data;
    gr_error e = {0};
    t->b.session = s;
    int status = t->args->json ? gr_writer_try(t->args->json, &e) : 0;
    if (!status) status = bench_open(&t->b, &e);
    if (!status && t->args->unit && !strcmp(t->args->unit, "tokens/s") && !t->b.tokens)
        status = gr_set_error(&e, GR_EINVAL, "%s reads nothing that is counted as tokens: --unit steps/s or us", gr_model_path(s->model));
    if (!status && t->args->weights) status = gr_session_check_weights(s, t->b.exec, &e);
    if (!status) status = start_rivals(t, &e);
    if (!status) status = run_rounds(t, &e);
    if (!status) status = report(t, &e);
    for (int i = 0; i < t->rivals; i++) bench_rival_end(&t->rival[i]);
    return status ? cli_fail(&e) : EXIT_DONE;
}

static int index_of(const char *word, const char *const *list)
{
    int i = 0;
    while (list[i] && strcmp(list[i], word) != 0) i++;
    return list[i] ? i : -1;
}

static bool is_utf8(const char *text) { return gr_utf8_check(text, strlen(text)) == strlen(text); }

static int check_args(const cli_command *self, const bench_args *a)
{
    if (a->unit && !a->json) return cli_misuse(self, "--unit is the unit of the result in --json FILE, which is not given");
    if (a->fetch.count && strcmp(a->what, "infer") != 0) return cli_misuse(self, "--fetch says what --what infer computes");
    if (a->rounds < 1) return cli_misuse(self, "--rounds takes a number of at least 1");
    if (!(a->seconds > 0 && a->seconds < 1e6)) return cli_misuse(self, "--seconds takes a number above 0 and below 1e6");
    if (!isnan(a->rival_limit) && !a->rivals.count) return cli_misuse(self, "--rival-limit is about --rival NAME=COMMAND, which is not given");
    if (a->rival_limit <= 0) return cli_misuse(self, "--rival-limit takes a number above 0");
    if (a->name && !is_utf8(a->name)) return cli_misuse(self, "--name is not UTF-8: '%s'", a->name);
    if (a->rivals.count > MAX_RIVALS) return cli_misuse(self, "at most %d rivals", MAX_RIVALS);
    for (int i = 0; i < a->rivals.count; i++) {
        const char *rival = a->rivals.item[i], *equals = strchr(rival, '=');
        if (!equals) return cli_misuse(self, "--rival wants NAME=COMMAND, not '%s'", rival);
        const size_t n = (size_t)(equals - rival);
        if (gr_utf8_check(rival, n) < n) return cli_misuse(self, "--rival: the name is not UTF-8: '%.*s'", (int)n, rival);
    }
    return -1;
}

static int check_model(const gr_session *s, const bench_args *a)
{
    const gr_recipe *r = s->recipe;
    gr_error e = {0};
    if (!strcmp(a->what, "train") && !r->minimize)
        gr_set_error(&e, GR_EINVAL, "%s has no section `train`: there is no training step to measure; --what infer measures the rest",
                     gr_model_path(s->model));
    else if (!strcmp(a->what, "infer") && !a->fetch.count && !r->generate.from && !r->minimize)
        gr_set_error(&e, GR_EINVAL, "%s says neither what to generate from nor what to minimize: --fetch VALUE says what to compute",
                     gr_model_path(s->model));
    return e.status ? cli_fail(&e) : -1;
}

int cmd_bench(int argc, char **argv)
{
    const cli_command *self = cli_find("bench");
    bench_args a = {.common = CLI_DEFAULTS, .what = "train", .seconds = 2, .rival_limit = NAN, .rounds = 5};
    const cli_option own[] = {
        {"what", 0, CLI_TEXT, &a.what, "train|infer|step", "train: a training step; infer: a forward pass; step: one item, as `generate` runs it"},
        {"fetch", 0, CLI_LIST, &a.fetch, "VALUE", "what infer computes; what `generate` chooses from where not given"},
        {"weights", 0, CLI_TEXT, &a.weights, "FILE", "these instead of initial ones"},
        CLI_WEIGHTS_DTYPE(&a.weights_dtype),
        {"seconds", 0, CLI_FLOAT, &a.seconds, "S", "for how long steps are run, in all rounds; 2 where not given"},
        {"rounds", 0, CLI_INT, &a.rounds, "N", "whose medians count; 5 where not given"},
        {"rival", 0, CLI_LIST, &a.rivals, "NAME=COMMAND", "a program that does the same, in turn (tools/bench_rival.py)"},
        {"rival-limit", 0, CLI_FLOAT, &a.rival_limit, "S", "a rival that is not ready then, or late by as much, is left out; 600 where not given"},
        {"json", 0, CLI_TEXT, &a.json, "FILE", "put the result into this list; say what changed since the last one"},
        {"name", 0, CLI_TEXT, &a.name, "NAME", "what the result is called there; the model's name where not given"},
        {"unit", 0, CLI_TEXT, &a.unit, "tokens/s|steps/s|us", "of the result there"},
        {"noisy", 0, CLI_FLAG, &a.noisy, NULL, "report although the machine does other work"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &a.common);
    if (done < 0) done = check_args(self, &a);
    if (done >= 0) return done;
    if (isnan(a.rival_limit)) a.rival_limit = 600;
    gr_session_options o = cli_session_options(&a.common);
    if ((done = cli_weights_dtype(self, &a.common, a.weights_dtype, &o)) >= 0) return done;
    o.weights = a.weights;
    o.measure = true;
    o.inference = strcmp(a.what, "train") != 0;
    o.facts_only = strcmp(a.what, "step") == 0;
    bench_rival_prepare();
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    static turn t;
    t = (turn){.args = &a, .b = {.what = (bench_what)index_of(a.what, whats), .fetch = a.fetch.item}};
    int code = check_model(s, &a);
    if (code < 0) code = cli_guard(s, measure, &t);
    gr_session_close(s);
    return code;
}
