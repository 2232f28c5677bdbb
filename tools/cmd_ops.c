/* cmd_ops.c - graphrun ops: the reference, printed from the descriptors. */
#include "cli.h"
#include "model/body.h"
#include "report/reference.h"

#include <string.h>

typedef struct ops_args {
    cli_common common;
    const char *format;
    bool all;
} ops_args;

static int show(const gr_reference *r, const char *name)
{
    if (gr_reference_page(r, name)) return EXIT_DONE;
    const char *near = gr_reference_suggest(r, name);
    fprintf(stderr, "graphrun: error: there is no op called '%s'; %s%s%s\n", name, near ? "did you mean " : "`graphrun ops` lists them",
            near ? near : "", near ? "?" : "");
    if (!gr_registry_plugin(r->registry, 0)) fprintf(stderr, "graphrun: note: is it a plugin's? They are loaded by --plugin FILE\n");
    return EXIT_USAGE;
}

static int write_reference(gr_arena *a, const ops_args *o, const char *name)
{
    gr_error e = {0};
    gr_registry *r = cli_registry(a, &o->common, &e);
    if (!r) return cli_fail(&e);
    const gr_reference ref = {.arena = a, .registry = r, .plugins = o->common.plugins.item,
                              .markdown = o->format && strcmp(o->format, "markdown") == 0, .to = stdout};
    if (name) return show(&ref, name);
    if (ref.markdown) gr_reference_all(&ref);
    else gr_reference_list(&ref, o->all);
    return EXIT_DONE;
}

int cmd_ops(int argc, char **argv)
{
    const cli_command *self = cli_find("ops");
    ops_args o = {.common = CLI_DEFAULTS};
    const cli_option own[] = {
        {"all", 0, CLI_FLAG, &o.all, NULL, "list those that only other ops and passes use, too"},
        {"format", 0, CLI_TEXT, &o.format, "text|markdown", "markdown without a name: every page, as one document"},
        {0},
    };
    int count, done = cli_parse(self, argc, argv, own, &o.common, &count);
    if (done >= 0) return done;
    if (count > 1) return cli_misuse(self, "one op at a time");
    if (o.all && (count || (o.format && strcmp(o.format, "text") != 0))) return cli_misuse(self, "--all is for the list of names");
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        code = write_reference(a, &o, count ? argv[1] : NULL);
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return code;
}
