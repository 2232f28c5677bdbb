/* cmd_schema.c - graphrun schema: the format of model files for editors. */
#include "cli.h"
#include "report/schema.h"

int cmd_schema(int argc, char **argv)
{
    const cli_command *self = cli_find("schema");
    cli_common common = CLI_DEFAULTS;
    const cli_option own[] = {{0}};
    int count, done = cli_parse(self, argc, argv, own, &common, &count);
    if (done >= 0) return done;
    if (count) return cli_misuse(self, "it takes options alone, not '%s'", argv[1]);
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        gr_error e = {0};
        gr_registry *r = cli_registry(a, &common, &e);
        if (r && gr_schema_write(r, stdout)) gr_set_error(&e, GR_ENOMEM, "out of memory");
        code = e.status ? cli_fail(&e) : EXIT_DONE;
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return code;
}
