/* cmd_gradcheck.c - graphrun gradcheck. */
#include "cli.h"
#include "train/gradcheck.h"

#include <string.h>

int cmd_gradcheck(int argc, char **argv)
{
    const cli_command *self = cli_find("gradcheck");
    cli_common common = CLI_DEFAULTS;
    const char *of = NULL, *weights = NULL;
    const cli_option own[] = {{"of", 0, CLI_TEXT, &of, "VALUE", "differentiate this; what the model minimizes where not given"},
                              {"weights", 0, CLI_TEXT, &weights, "FILE", "at these weights"}, {0}};
    int done = cli_parse_model(self, argc, argv, own, &common);
    if (done >= 0) return done;
    if (common.dtype && strcmp(common.dtype, "float64") != 0)
        return cli_misuse(self, "gradients are checked in float64: leave out --dtype %s", common.dtype);
    gr_session_options o = cli_session_options(&common);
    o.model.real = GR_FLOAT64;
    o.weights = weights;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    gr_gradcheck_result r;
    gr_error e = {0};
    int code = EXIT_DONE;
    if (!gr_gradcheck(s, of, common.quiet ? NULL : stdout, &r, &e) && r.checked == 0)
        gr_set_error(&e, GR_EINVAL, "nothing to check: the value depends on no parameter and no input of floats");
    if (e.status != GR_OK) code = cli_fail(&e);
    else if (r.wrong) code = EXIT_MODEL;
    if (e.status == GR_OK) printf("%d checked, %d wrong, worst relative error %.1e\n", r.checked, r.wrong, r.worst);
    gr_session_close(s);
    return code;
}
