/* cmd_test_plugin.c - graphrun test-plugin: the built-in ones' own checks for the ops and data sources of a plugin. */
#include "cli.h"
#include "op_walk.h"
#include "source_walk.h"

#include <string.h>

typedef struct totals {
    int ops, sources, checks, failed;
} totals;

/* How a finding is told: what was counted, and how far off a comparison may be. */
static const struct { const char *name, *one, *many; double near; } told[OP_NUM_CHECKS] = {
    [OP_CASES] = {"cases", "case", "cases", 0},
    [OP_RUNS] = {"runs", "run alone", "runs alone", 0},
    [OP_GRADIENTS] = {"gradients", "derivative", "derivatives", GRADIENT_NEAR},
    [OP_IN_PLACE] = {"in place", "result", "results", 0},
    [OP_LOOPS] = {"loops", "value of a step", "values of steps", 1e-11},
    [OP_RAGGED] = {"ragged", "comparison", "comparisons", GRADIENT_NEAR},
    [OP_PASSES] = {"passes", "result", "results", 1e-11},
    [OP_PROGRAM] = {"program", "result", "results", FLOAT_NEAR},
    [OP_THREADS] = {"threads", "program on 1 and 3", "programs on 1 and 3", 0},
    [OP_FLOAT] = {"float", "output", "outputs", FLOAT_NEAR},
    [OP_LENGTHS] = {"lengths", "comparison", "comparisons", GRADIENT_NEAR},
    [OP_DIMS] = {"dims", "turned case", "turned cases", 0},
};

/* "SoftCap  gradients  ok  48 derivatives, off by 3e-10 at most (2e-06 is allowed)" */
static void print_finding(const gr_op *op, op_check check, const op_finding *f)
{
    printf("%-20s %-10s ", op->name, told[check].name);
    if (f->failures) {
        printf("FAILED  %s\n", f->failure);
        return;
    }
    printf("ok      %lld %s", (long long)f->count, f->count == 1 ? told[check].one : told[check].many);
    if (told[check].near > 0) printf(", off by %.1g at most (%.0e is allowed)", f->worst, told[check].near);
    printf("%s%s\n", f->note ? "; " : "", f->note ? f->note : "");
}

static void walk_one(const gr_registry *r, const gr_op *op, totals *sum)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    op_report report = {.arena = a};
    if (a && gr_try(a, &frame)) {
        op_walk_op(r, op, &report);
        gr_end_try(a, &frame);
    }
    sum->ops++;
    for (int i = 0; i < OP_NUM_CHECKS; i++) {
        const op_finding *f = &report.of[i];
        if (!f->count && !f->failures && !f->note) continue;
        sum->checks += f->count || f->failures;
        sum->failed += f->failures > 0;
        if (f->count || f->failures) print_finding(op, (op_check)i, f);
        else printf("%-20s %-10s -       %s\n", op->name, told[i].name, f->note);
    }
    fflush(stdout);
    gr_arena_destroy(a);
}

static void walk_source(gr_arena *a, const gr_source *s, const char *file, totals *sum)
{
    const char *const plugins[] = {file, NULL};
    source_report r = {.arena = a};
    source_walk_example(s, &(gr_model_options){.plugins = plugins}, &r);
    sum->sources++;
    for (int i = 0; i < SOURCE_NUM_CHECKS; i++) {
        const source_finding *f = &r.of[i];
        if (!f->count && !f->failures) continue;
        sum->checks++;
        sum->failed += f->failures > 0;
        printf("%-20s %-10s ", s->name, source_check_names[i]);
        if (f->failures) printf("FAILED  %s\n", f->failure);
        else printf("ok      %lld comparison%s\n", (long long)f->count, f->count == 1 ? "" : "s");
    }
    fflush(stdout);
}

static void print_count(int n, const char *what)
{
    if (n) printf(" %d %s%s,", n, what, n == 1 ? "" : "s");
}

/* What came with the file: all after the built-in ones. */
static int walk_file(gr_arena *a, const char *file, gr_error *e)
{
    gr_registry *r = op_registry_create(a);
    int first = gr_registry_count(r), first_source = gr_registry_count_sources(r);
    totals sum = {0};
    if (gr_registry_load(r, file, e) < 0) return EXIT_MODEL;
    for (int i = first; i < gr_registry_count(r); i++) walk_one(r, gr_registry_at(r, i), &sum);
    for (int i = first_source; i < gr_registry_count_sources(r); i++) walk_source(a, gr_registry_source_at(r, i), file, &sum);
    printf("%s:", file);
    print_count(sum.ops, "op");
    print_count(sum.sources, "data source");
    printf(" %d checks, ", sum.checks);
    if (sum.failed) printf("%d failed\n", sum.failed);
    else printf("all right\n");
    return sum.failed ? EXIT_MODEL : EXIT_DONE;
}

static int run(const char *file)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    gr_error e = {0};
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        code = walk_file(a, file, &e);
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return e.status != GR_OK ? cli_fail(&e) : code;
}

int cmd_test_plugin(int argc, char **argv)
{
    const cli_command *self = cli_find("test-plugin");
    cli_common common = CLI_DEFAULTS;
    const cli_option own[] = {{0}};
    int count, done = cli_parse(self, argc, argv, own, &common, &count);
    if (done >= 0) return done;
    if (count != 1) return count ? cli_misuse(self, "one plugin at a time; '%s' is left over", argv[2]) : cli_misuse(self, "which plugin? Give its .so file");
    if ((done = cli_no_model(self, &common)) >= 0) return done;
    return run(argv[1]);
}
