/* cmd_generate.c - graphrun generate. */
#include "cli.h"
#include "train/generate.h"

#include <math.h>

int cmd_generate(int argc, char **argv)
{
    const cli_command *self = cli_find("generate");
    cli_common common = CLI_DEFAULTS;
    const char *weights = NULL, *prompt = NULL;
    int64_t length = INT64_MIN, top_k = INT64_MIN; /* not given */
    double temperature = -INFINITY;
    const cli_option own[] = {
        {"weights", 0, CLI_TEXT, &weights, "FILE", "the trained weights"},
        {"prompt", 0, CLI_TEXT, &prompt, "TEXT", "what to continue"},
        {"length", 0, CLI_INT, &length, "N", "characters or words to add"},
        {"temperature", 0, CLI_FLOAT, &temperature, "X", "above 0: draw by probability, sharper below 1"},
        {"top-k", 0, CLI_INT, &top_k, "K", "draw among the K likeliest"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &common);
    if (done >= 0) return done;
    if (!weights) return cli_misuse(self, "--weights FILE is needed");
    if (length != INT64_MIN && length < 0) return cli_misuse(self, "--length takes a number of at least 0");
    if (top_k != INT64_MIN && top_k < 0) return cli_misuse(self, "--top-k takes a number of at least 0");
    if (temperature != -INFINITY && !(temperature >= 0 && temperature < INFINITY))
        return cli_misuse(self, "--temperature takes a number of at least 0");
    gr_session_options o = cli_session_options(&common);
    o.weights = weights;
    o.facts_only = true;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    gr_generate_options g = gr_generate_defaults(s);
    if (prompt) g.prompt = prompt;
    if (length >= 0) g.length = length;
    if (temperature >= 0) g.temperature = temperature;
    if (top_k >= 0) g.top_k = top_k;
    if (g.top_k > 0 && g.temperature <= 0) g.temperature = 1;
    g.out = stdout;
    gr_error e = {0};
    int code = gr_generate(s, &g, &e) ? cli_fail(&e) : EXIT_DONE;
    gr_session_close(s);
    return code;
}
