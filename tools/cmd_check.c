/* cmd_check.c - graphrun check: reads models and types their graphs, runs nothing. */
#include "cli.h"
#include "train/loop.h"

static int check_model(const char *path, const cli_common *common)
{
    gr_session_options o = cli_session_options(common);
    o.facts_only = true;
    gr_session *s = cli_open(path, &o);
    if (!s) return EXIT_MODEL;
    const gr_want want = {.update = s->recipe->minimize != NULL, .training = true, .metrics = true,
                          .assume_axes = true};
    int code = EXIT_DONE;
    bool validates = gr_check_validations(s);
    if (!gr_session_graph(s, &want, "differentiate") || !validates) {
        gr_diag_print(s->diag, stderr);
        code = EXIT_MODEL;
    }
    gr_session_close(s);
    return code;
}

int cmd_check(int argc, char **argv)
{
    const cli_command *self = cli_find("check");
    cli_common common = CLI_DEFAULTS;
    const cli_option own[] = {{0}};
    int count, done = cli_parse(self, argc, argv, own, &common, &count), code = EXIT_DONE;
    if (done >= 0) return done;
    if (!count) return cli_misuse(self, "which model?");
    for (int i = 1; i <= count; i++)
        if (check_model(argv[i], &common)) code = EXIT_MODEL;
    return code;
}
