/* cmd_test_plugin.c - graphrun test-plugin: the built-in ops' own checks for the ops of a plugin, the built-in
 * sources' for its data sources. */
#include "cli.h"
#include "base/column.h"
#include "base/count.h"
#include "op_walk.h"
#include "source_walk.h"

#include <string.h>

typedef struct totals {
    int ops, sources, checks, failed;
    int width; /* of the column of names */
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

static void print_name(const char *name, const char *check, const totals *sum)
{
    gr_put_left(stdout, name, sum->width);
    printf(" %-10s ", check);
}

/* "SoftCap  gradients  ok  48 derivatives, off by 3e-10 at most (2e-06 is allowed)" */
static void print_finding(op_check check, const op_finding *f)
{
    if (f->failures) {
        printf("FAILED  %s\n", f->failure);
        return;
    }
    printf("ok      %lld %s", (long long)f->count, f->count == 1 ? told[check].one : told[check].many);
    if (told[check].near > 0) printf(", off by %.1g at most (%.0e is allowed)", f->worst, told[check].near);
    printf("%s%s\n", f->note ? "; " : "", f->note ? f->note : "");
}

/* Why gr_try was left. */
static const char *unwound(const gr_arena *a) { return a ? gr_arena_fault(a) : "out of memory"; }

static void walk_one(const gr_registry *r, const gr_op *op, totals *sum)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    op_report report = {.arena = a};
    if (a && gr_try(a, &frame)) {
        op_walk_op(r, op, &report);
        gr_end_try(a, &frame);
    } else {
        report.of[OP_RUNS] = (op_finding){.failures = 1, .failure = unwound(a)};
    }
    sum->ops++;
    for (int i = 0; i < OP_NUM_CHECKS; i++) {
        const op_finding *f = &report.of[i];
        if (!f->count && !f->failures && !f->note) continue;
        sum->checks += f->count || f->failures;
        sum->failed += f->failures > 0;
        print_name(op->name, told[i].name, sum);
        if (f->count || f->failures) print_finding((op_check)i, f);
        else printf("-       %s\n", f->note);
    }
    fflush(stdout);
    gr_arena_destroy(a);
}

/* ---- data sources ---- */

static void print_source(const char *name, const source_report *report, totals *sum)
{
    static const char *const counted[SOURCE_NUM_CHECKS] = {"openings", "comparisons", "splits", "batches in order", "batches one by one", "splits"};
    for (int i = 0; i < SOURCE_NUM_CHECKS; i++) {
        const source_finding *f = &report->of[i];
        if (!f->count && !f->failures) continue;
        sum->checks++;
        sum->failed += f->failures > 0;
        print_name(name, source_check_names[i], sum);
        if (f->failures) printf("FAILED  %s\n", f->failure);
        else printf("ok      %lld %s\n", (long long)f->count, counted[i]);
    }
    fflush(stdout);
}

/* A source on its example (model NULL), or that of a model's data. */
static void walk_source(const gr_source *s, const char *model, const char *plugin, totals *sum)
{
    const char *const plugins[] = {plugin, NULL};
    const gr_model_options o = {.plugins = plugins};
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    source_report report = {.arena = a};
    if (a && gr_try(a, &frame)) {
        if (model) source_walk(model, &o, 64, &report);
        else if (s->example) source_walk_example(s, &o, &report);
        else report.of[SOURCE_OPENS] = (source_finding){.failures = 1, .failure = "it has no example; write one, or name a model that reads it: "
                                                                                  "graphrun test-plugin FILE.so MODEL.yaml"};
        gr_end_try(a, &frame);
    } else {
        report.of[SOURCE_OPENS] = (source_finding){.failures = 1, .failure = unwound(a)};
    }
    print_source(s->name, &report, sum);
    gr_arena_destroy(a);
}

/* The source of a model's data, which has to be one of the plugin's, from `first` on. */
static const gr_source *read_source(gr_arena *a, const gr_registry *r, int first, const char *model, const char *plugin, gr_error *e)
{
    const char *const plugins[] = {plugin, NULL};
    const gr_model_options o = {.plugins = plugins};
    gr_diag *d = gr_diag_create(a);
    gr_model *m = gr_model_read(a, model, &o, d, e);
    gr_doc *data = m ? gr_model_section(m, "data") : NULL, *op = data ? gr_doc_get(data, "op") : NULL;
    const char *name = op ? gr_model_text(m, op) : NULL;
    const gr_source *found = NULL;
    for (int i = first; name && i < gr_registry_count_sources(r); i++)
        if (strcmp(gr_registry_source_at(r, i)->name, name) == 0) found = gr_registry_source_at(r, i);
    if (m && gr_diag_count(d)) gr_diag_print(d, stderr);
    if (m && !found) gr_set_error(e, GR_EINVAL, "%s: its data are not of this plugin, but of %s", model, name ? name : "none");
    return found;
}

static const gr_source *source_of(const gr_registry *r, int first, const char *model, const char *plugin, gr_error *e)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    const gr_source *volatile found = NULL;
    if (a && gr_try(a, &frame)) {
        found = read_source(a, r, first, model, plugin, e);
        gr_end_try(a, &frame);
    } else {
        gr_set_error(e, GR_ESTATE, "%s: %s", model, unwound(a));
    }
    gr_arena_destroy(a);
    return found;
}

static int walk_sources(const gr_registry *r, int first, const char *file, char **models, totals *sum, gr_error *e)
{
    sum->sources = gr_registry_count_sources(r) - first;
    for (int i = first; !*models && i < gr_registry_count_sources(r); i++) walk_source(gr_registry_source_at(r, i), NULL, file, sum);
    for (; *models; models++) {
        const gr_source *s = source_of(r, first, *models, file, e);
        if (!s) return -1;
        walk_source(s, *models, file, sum);
    }
    return 0;
}

static void print_count(int n, const char *what, const char *before)
{
    if (n) printf("%s%d %s%s", before, n, what, gr_s(n));
}

/* What came with the file: what stands after the built-in ops and sources. */
static int walk_file(gr_arena *a, const char *file, char **models, gr_error *e)
{
    gr_registry *r = op_registry_create(a);
    int first = gr_registry_count(r), first_source = gr_registry_count_sources(r);
    totals sum = {.width = 20};
    if (gr_registry_load(r, file, e) < 0) return EXIT_MODEL;
    for (int i = first; i < gr_registry_count(r); i++) sum.width = gr_wider(sum.width, gr_registry_at(r, i)->name);
    for (int i = first_source; i < gr_registry_count_sources(r); i++) sum.width = gr_wider(sum.width, gr_registry_source_at(r, i)->name);
    for (int i = first; i < gr_registry_count(r); i++) walk_one(r, gr_registry_at(r, i), &sum);
    if (walk_sources(r, first_source, file, models, &sum, e) < 0) return EXIT_MODEL;
    printf("%s: ", file);
    print_count(sum.ops, "op", "");
    print_count(sum.sources, "data source", sum.ops ? ", " : "");
    printf("%s%d check%s, ", sum.ops || sum.sources ? ", " : "", sum.checks, gr_s(sum.checks));
    if (sum.failed) printf("%d failed\n", sum.failed);
    else printf("all right\n");
    return sum.failed ? EXIT_MODEL : EXIT_DONE;
}

static int run(const char *file, char **models)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    gr_error e = {0};
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        code = walk_file(a, file, models, &e);
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
    if (!count) return cli_misuse(self, "which plugin? Give its .so file");
    argv[count + 1] = NULL;
    return run(argv[1], argv + 2);
}
