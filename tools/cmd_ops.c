/* cmd_ops.c - graphrun ops: the reference, printed from the descriptors. */
#include "cli.h"
#include "model/body.h"
#include "graph/graph.h"
#include "train/lr_schedule.h"

#include <stdlib.h>
#include <string.h>

static void print_ports(const char *title, const gr_port *p)
{
    if (!p || !p->name) return;
    printf("\n%s:\n", title);
    for (; p->name; p++)
        printf("  %-20s %s%s%s\n", p->name, p->doc ? p->doc : "", p->flags & GR_PORT_OPTIONAL ? " (optional)" : "",
               p->flags & GR_PORT_VARIADIC ? " (one or more)" : "");
}

static void print_attr(const gr_attr_spec *a)
{
    static const char *const kind[] = {"", "true/false", "integer", "number", "text", "choice", "dtype", "integers",
                                       "numbers", "shape", "numbers, nested", "initialiser"};
    bool any = a->kind == GR_ATTR_STRING && a->choices && strcmp(a->choices, "*") == 0; /* a var without default, which has no kind */
    printf("  %-20s %s", a->name, any ? "any value" : a->kind == GR_ATTR_CHOICE ? a->choices : kind[a->kind]);
    if (!a->fallback) printf(", must be given");
    else if (strcmp(a->fallback, "~") != 0) printf(", default %s", a->fallback);
    if (a->min != 0 || a->max != 0) printf(", from %.10g to %.10g", a->min, a->max);
    if (a->doc && *a->doc) printf("\n  %-20s %s", "", a->doc);
    printf("\n");
}

static void print_op(const gr_op *op)
{
    printf("%s - %s\n", op->name, op->summary);
    if (op->formula) printf("\n  %s\n", op->formula);
    print_ports("inputs", op->inputs);
    print_ports("outputs", op->outputs);
    if (op->attrs && op->attrs->name) printf("\nattributes:\n");
    for (const gr_attr_spec *a = op->attrs; a && a->name; a++) print_attr(a);
    if (op->reference) printf("\nsee %s\n", op->reference);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const gr_op *const *)a)->name, (*(const gr_op *const *)b)->name);
}

static int list_ops(const gr_registry *r)
{
    int n = gr_registry_count(r);
    const gr_op **all = calloc((size_t)n + 1, sizeof *all);
    if (!all) return EXIT_MODEL;
    for (int i = 0; i < n; i++) all[i] = gr_registry_at(r, i);
    qsort(all, (size_t)n, sizeof *all, by_name);
    for (int i = 0; i < n; i++) printf("%-22s %s\n", all[i]->name, all[i]->summary ? all[i]->summary : "");
    free(all);
    printf("\ndata sources:\n");
    for (int i = 0; i < gr_registry_count_sources(r); i++) {
        const gr_source *s = gr_registry_source_at(r, i);
        printf("%-22s %s\n", s->name, s->summary);
    }
    printf("\nschedules of learning rates:\n");
    for (const gr_lr_schedule *s = gr_lr_schedules; s->name; s++) printf("%-22s %s\n", s->name, s->summary);
    return EXIT_DONE;
}

static void print_source(const gr_source *s)
{
    printf("%s - %s\n", s->name, s->summary);
    print_ports("fields", s->fields);
    print_ports("numbers for expressions, $data.NAME", s->facts);
    if (s->keys) printf("\nkeys of `data`: ");
    for (int i = 0; s->keys && s->keys[i]; i++) printf("%s%s", s->keys[i], s->keys[i + 1] ? ", " : "\n");
    if (s->attrs && s->attrs->name) printf("\nattributes:\n");
    for (const gr_attr_spec *a = s->attrs; a && a->name; a++) print_attr(a);
    if (s->reference) printf("\nsee %s\n", s->reference);
}

static void print_schedule(const gr_lr_schedule *s)
{
    printf("%s - a schedule of learning rates. %s\n\n  %s\n\n", s->name, s->summary, s->formula);
    if (s->watches) printf("It sees every validation or, without a split `valid`, the loss of every epoch.\n");
    else printf("k counts the epochs before, or with `by: step` the updates before; both begin at 0.\n");
    printf("\nattributes:\n  %-20s number, default %s\n  %-20s The rate%s%s%s.\n", "lr", s->lr ? s->lr : "the optimizer's", "",
           s->lr_alias ? "; PyTorch's name for it, " : "", s->lr_alias ? s->lr_alias : "", s->lr_alias ? ", is taken too" : "");
    if (!s->watches) printf("  %-20s epoch|step, default epoch\n", "by");
    bool warmup = false;
    for (const gr_attr_spec *a = s->attrs; a->name; warmup = warmup || strcmp(a->name, "warmup") == 0, a++) print_attr(a);
    if (!warmup) printf("  %-20s integer, default 0\n  %-20s Update u, from 0, is made with (u + 1) / warmup of the rate until u + 1 = warmup.\n",
                        "warmup", "");
    printf("\nsee %s\n", s->reference);
}

static int show_op(const gr_registry *r, const char *name)
{
    const gr_op *op = gr_registry_find(r, name);
    const gr_source *source = gr_registry_find_source(r, name);
    const gr_lr_schedule *schedule = gr_lr_schedule_find(name);
    if (op) print_op(op);
    if (source) print_source(source);
    if (op && schedule) printf("\n"); /* Linear is a layer, too */
    if (schedule) print_schedule(schedule);
    if (op || source || schedule) return EXIT_DONE;
    const char *near = gr_nearest(name, gr_registry_names(r));
    fprintf(stderr, "graphrun: error: there is no op called '%s'%s%s%s\n", name, near ? "; did you mean '" : "; `graphrun "
            "ops` lists them", near ? near : "", near ? "'?" : "");
    return EXIT_MODEL;
}

int cmd_ops(int argc, char **argv)
{
    const cli_command *self = cli_find("ops");
    cli_common common = CLI_DEFAULTS;
    const cli_option own[] = {{0}};
    int count, done = cli_parse(self, argc, argv, own, &common, &count);
    if (done >= 0) return done;
    if (count > 1) return cli_misuse(self, "one op at a time");
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        gr_registry *r = gr_registry_create(a);
        gr_registry_add_cells(a, r, gr_diag_create(a));
        gr_error e = {0};
        int failed = 0;
        for (int i = 0; i < common.plugins.count && !failed; i++) failed = gr_registry_load(r, common.plugins.item[i], &e);
        code = failed ? cli_fail(&e) : count ? show_op(r, argv[1]) : list_ops(r);
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return code;
}
