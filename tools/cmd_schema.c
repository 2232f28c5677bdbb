/* cmd_schema.c - graphrun schema: the format of model files for editors, of all of them or of one with its own blocks
 * and plugins. */
#include "cli.h"
#include "report/schema.h"

typedef struct schema_args {
    cli_common common;
    const char *model; /* NULL: of all */
} schema_args;

/* The ops of that file too; what is wrong in its blocks and plugins is said, and e->message is "" then. */
static gr_registry *registry_of_model(gr_arena *a, const schema_args *x, gr_error *e)
{
    const gr_model_options o = {.plugins = x->common.plugins.item, .sets = x->common.sets.item};
    gr_diag *d = gr_diag_create(a);
    gr_model *m = gr_model_read(a, x->model, &o, d, e);
    if (!gr_diag_count(d)) return m ? gr_model_registry(m) : NULL;
    gr_diag_print(d, stderr);
    gr_set_error(e, GR_EINVAL, "%s", "");
    return NULL;
}

static int write_schema(gr_arena *a, const schema_args *x)
{
    gr_error e = {0};
    gr_registry *r = x->model ? registry_of_model(a, x, &e) : cli_registry(a, &x->common, &e);
    if (r && gr_schema_write(r, x->model != NULL, stdout)) gr_set_error(&e, GR_ENOMEM, "out of memory");
    return e.status ? cli_fail(&e) : EXIT_DONE;
}

int cmd_schema(int argc, char **argv)
{
    const cli_command *self = cli_find("schema");
    schema_args x = {.common = CLI_DEFAULTS};
    const cli_option own[] = {{0}};
    int count, done = cli_parse(self, argc, argv, own, &x.common, &count);
    if (done >= 0) return done;
    if (count > 1) return cli_misuse(self, "one model at a time; '%s' is left over", argv[2]);
    if (!count && x.common.sets.count) return cli_misuse(self, "--set is for a schema of one model: name it");
    x.model = count ? argv[1] : NULL;
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        code = write_schema(a, &x);
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return code;
}
