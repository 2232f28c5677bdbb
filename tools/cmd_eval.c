/* cmd_eval.c - graphrun eval: a table of what a split gives. */
#include "cli.h"
#include "io/file.h"
#include "report/scores.h"
#include "train/progress.h"

typedef struct eval_args {
    const char *weights, *split, *json;
    gr_dtype weights_dtype;
} eval_args;

/* With weights as they are, and before that, where asked, as products keep them with 16 bits. */
static gr_meter *measure(gr_session *s, const char *split, gr_dtype weights_dtype, gr_error *e)
{
    const gr_want want = {.metrics = true, .counts = true};
    s->options.weights_dtype = weights_dtype;
    gr_exec *x = gr_session_compile(s, &want, e);
    gr_meter *meter = gr_meter_create(s);
    meter->count_classes = true;
    if (!x || gr_session_check_weights(s, x, e) || gr_evaluate(s, split, meter, NULL, e)) return NULL;
    return meter;
}

static int evaluate(gr_session *s, void *data)
{
    const eval_args *a = data;
    const char *split = a->split ? a->split : s->data && gr_data_has_split(s->data, "valid") ? "valid" : "train";
    gr_error e = {0};
    gr_scores scores = {.session = s, .split = split};
    if (a->json && gr_writer_try(a->json, &e)) return cli_fail(&e);
    if (a->weights_dtype && !(scores.exact = measure(s, split, GR_UNKNOWN, &e))) return cli_fail(&e);
    double start = gr_seconds();
    if (!(scores.meter = measure(s, split, a->weights_dtype, &e))) return cli_fail(&e);
    scores.seconds = gr_seconds() - start;
    gr_scores_print(&scores, stdout);
    return a->json && gr_scores_write(&scores, a->json, &e) ? cli_fail(&e) : EXIT_DONE;
}

int cmd_eval(int argc, char **argv)
{
    const cli_command *self = cli_find("eval");
    cli_common common = CLI_DEFAULTS;
    eval_args a = {0};
    const char *weights_dtype = NULL;
    const cli_option own[] = {{"weights", 0, CLI_TEXT, &a.weights, "FILE", "the trained weights"},
                              CLI_WEIGHTS_DTYPE(&weights_dtype),
                              {"split", 0, CLI_TEXT, &a.split, "SPLIT", "of the data; valid where there is one"},
                              {"json", 0, CLI_TEXT, &a.json, "FILE", "write the same as JSON"}, {0}};
    int done = cli_parse_model(self, argc, argv, own, &common);
    if (done >= 0) return done;
    if (!a.weights) return cli_misuse(self, "--weights FILE is needed");
    gr_session_options o = cli_session_options(&common);
    if ((done = cli_weights_dtype(self, &common, weights_dtype, &o)) >= 0) return done;
    a.weights_dtype = o.weights_dtype;
    o.weights = a.weights;
    gr_session *s = cli_open(argv[1], &o);
    if (!s) return EXIT_MODEL;
    int code = cli_guard(s, evaluate, &a);
    gr_session_close(s);
    return code;
}
