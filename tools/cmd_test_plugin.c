/* cmd_test_plugin.c - graphrun test-plugin: the built-in ops' own checks for the ops of a plugin, the built-in
 * sources' for its data sources. */
#include "apart.h"
#include "cli.h"
#include "base/column.h"
#include "base/count.h"
#include "example.h"
#include "op_walk.h"
#include "source_walk.h"

#include <errno.h>
#include <string.h>

typedef struct totals {
    int ops, sources, checks, failed;
    int width;     /* of the column of names */
    int64_t limit; /* seconds for each op and source */
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
    [OP_EXAMPLE] = {"example", "model", "models", 0},
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

/* Of what every op goes through. */
static void print_left_out(const gr_op *op, const op_report *report, const totals *sum)
{
    static const op_check every[] = {OP_GRADIENTS, OP_LOOPS, OP_PASSES, OP_PROGRAM, OP_THREADS, OP_FLOAT, OP_LENGTHS, OP_EXAMPLE};
    int n = 0;
    for (size_t i = 0; i < sizeof every / sizeof *every; i++) {
        const op_finding *f = &report->of[every[i]];
        const bool none = (every[i] == OP_GRADIENTS && (op->traits & GR_ZERO_GRAD)) || (every[i] == OP_EXAMPLE && !op->example);
        if (none || f->count || f->failures || f->note) continue;
        if (!n++) print_name(op->name, "-", sum);
        printf("%s%s", n == 1 ? "not run, because of what failed: " : ", ", told[every[i]].name);
    }
    if (n) printf("\n");
}

static void print_op(const gr_op *op, const op_report *report, totals *sum)
{
    const int before = sum->failed;
    for (int i = 0; i < OP_NUM_CHECKS; i++) {
        const op_finding *f = &report->of[i];
        if (!f->count && !f->failures && !f->note) continue;
        sum->checks += f->count || f->failures;
        sum->failed += f->failures > 0;
        print_name(op->name, told[i].name, sum);
        if (f->count || f->failures) print_finding((op_check)i, f);
        else printf("-       %s\n", f->note);
    }
    if (sum->failed > before) print_left_out(op, report, sum);
}

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
}

/* ---- a walk in a process of its own ---- */

/* An op's or, where that is NULL, a source's; in memory that both processes see. */
typedef struct job {
    const gr_registry *registry;
    const gr_op *op;
    const gr_source *source;
    const char *model, *plugin; /* model NULL: the source's example */
    char folder[256];           /* for the op's example; "": none */
    op_report ops;
    source_report sources;
} job;

/* The walk ended in what was looked at. */
static void tell_ending(job *j, const char *how)
{
    if (j->op) {
        op_finding *f = &j->ops.of[j->ops.at];
        if (!f->failures++) snprintf(f->failure, sizeof f->failure, "%s%s%s", j->ops.where, *j->ops.where ? ": " : "", how);
    } else {
        source_finding *f = &j->sources.of[j->sources.at];
        if (!f->failures++) snprintf(f->failure, sizeof f->failure, "%s", how);
    }
}

static void walk_op(job *j, gr_arena *a)
{
    op_walk_op(a, j->registry, j->op, &j->ops);
    if (*j->folder) example_walk(j->folder, j->op, j->plugin, &j->ops);
}

static void walk_source(job *j, gr_arena *a)
{
    const char *const plugins[] = {j->plugin, NULL};
    const gr_model_options o = {.plugins = plugins};
    j->sources.arena = a;
    if (j->model) source_walk(j->model, &o, 64, &j->sources);
    else if (j->source->example) source_walk_example(j->source, &o, &j->sources);
    else tell_ending(j, "it has no example; write one, or name a model that reads it: graphrun test-plugin FILE.so MODEL.yaml");
}

static void walk_here(void *data)
{
    job *j = data;
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    if (a && gr_try(a, &frame)) {
        if (j->op) walk_op(j, a);
        else walk_source(j, a);
        gr_end_try(a, &frame);
    } else {
        tell_ending(j, a ? gr_arena_fault(a) : "out of memory");
    }
    gr_arena_destroy(a);
}

/* What was found before a crash is told, too. */
static int walk(const job *what, totals *sum, gr_error *e)
{
    job *j = apart_memory(sizeof *j);
    if (!j) return gr_set_error(e, GR_ENOMEM, "out of memory");
    *j = *what;
    if (j->op && j->op->example && !example_make_folder(j->folder, sizeof j->folder)) {
        gr_set_error(e, GR_EIO, "cannot make the folder '%s': %s", j->folder, strerror(errno));
        apart_free(j, sizeof *j);
        return -1;
    }
    const char *how = apart_call(walk_here, j, sum->limit);
    if (*j->folder) example_remove_folder(j->folder);
    if (how) tell_ending(j, how);
    if (j->op) print_op(j->op, &j->ops, sum);
    else print_source(j->source->name, &j->sources, sum);
    fflush(stdout);
    apart_free(j, sizeof *j);
    return 0;
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
        gr_set_error(e, GR_ESTATE, "%s: %s", model, a ? gr_arena_fault(a) : "out of memory");
    }
    gr_arena_destroy(a);
    return found;
}

static int walk_ops(const gr_registry *r, int first, const char *file, totals *sum, gr_error *e)
{
    sum->ops = gr_registry_count(r) - first;
    for (int i = first; i < gr_registry_count(r); i++)
        if (walk(&(job){.registry = r, .op = gr_registry_at(r, i), .plugin = file}, sum, e) < 0) return -1;
    return 0;
}

static int walk_sources(const gr_registry *r, int first, const char *file, char **models, totals *sum, gr_error *e)
{
    sum->sources = gr_registry_count_sources(r) - first;
    for (int i = first; !*models && i < gr_registry_count_sources(r); i++)
        if (walk(&(job){.source = gr_registry_source_at(r, i), .plugin = file}, sum, e) < 0) return -1;
    for (; *models; models++) {
        const gr_source *s = source_of(r, first, *models, file, e);
        if (!s || walk(&(job){.source = s, .model = *models, .plugin = file}, sum, e) < 0) return -1;
    }
    return 0;
}

static void print_count(int n, const char *what, const char *before)
{
    if (n) printf("%s%d %s%s", before, n, what, gr_s(n));
}

/* What came with the file: what stands after the built-in ops and sources. */
static int walk_file(gr_arena *a, const char *file, char **models, int64_t limit, gr_error *e)
{
    gr_registry *r = op_registry_create(a);
    int first = gr_registry_count(r), first_source = gr_registry_count_sources(r);
    totals sum = {.width = 20, .limit = limit};
    if (gr_registry_load(r, file, e) < 0) return EXIT_MODEL;
    for (int i = first; i < gr_registry_count(r); i++) sum.width = gr_wider(sum.width, gr_registry_at(r, i)->name);
    for (int i = first_source; i < gr_registry_count_sources(r); i++) sum.width = gr_wider(sum.width, gr_registry_source_at(r, i)->name);
    if (walk_ops(r, first, file, &sum, e) < 0 || walk_sources(r, first_source, file, models, &sum, e) < 0) return EXIT_MODEL;
    printf("%s: ", file);
    print_count(sum.ops, "op", "");
    print_count(sum.sources, "data source", sum.ops ? ", " : "");
    print_count(sum.checks, "check", sum.ops || sum.sources ? ", " : "");
    if (sum.failed) printf(", %d failed\n", sum.failed);
    else printf(", all right\n");
    return sum.failed ? EXIT_MODEL : EXIT_DONE;
}

static int run(const char *file, char **models, int64_t limit)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    gr_error e = {0};
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        code = walk_file(a, file, models, limit, &e);
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return e.status != GR_OK ? cli_fail(&e) : code;
}

int cmd_test_plugin(int argc, char **argv)
{
    const cli_command *self = cli_find("test-plugin");
    cli_common common = CLI_DEFAULTS;
    int64_t limit = 600;
    const cli_option own[] = {
        {"limit", 0, CLI_INT, &limit, "SECONDS", "what the checks of one op or data source may take before they are ended, as an endless loop is; 600 by default"},
        {0},
    };
    int count, done = cli_parse(self, argc, argv, own, &common, &count);
    if (done >= 0) return done;
    if (!count) return cli_misuse(self, "which plugin? Give its .so file");
    if (limit < 1 || limit > INT32_MAX) return cli_misuse(self, "--limit takes a number from 1 to %d", INT32_MAX);
    argv[count + 1] = NULL;
    return run(argv[1], argv + 2, limit);
}
