/* cmd_train.c - graphrun train, and graphrun MODEL. */
#include "cli.h"
#include "train/generate.h"
#include "train/progress.h"
#include "print.h"

#include <math.h>

typedef struct train_args {
    cli_common common;
    gr_train_options train;
    const char *weights, *partial;
    double start; /* of the command */
} train_args;

static gr_session *open_for_training(const train_args *a, const char *model)
{
    gr_session_options o = cli_session_options(&a->common);
    o.weights = a->partial ? a->partial : a->weights;
    o.partial = a->partial != NULL;
    return cli_open(model, &o);
}

static int run_training(const train_args *a, gr_session *s, bool then_generate)
{
    gr_train_options t = a->train;
    t.quiet = a->common.quiet;
    t.out = stdout;
    t.progress = stderr;
    t.stop = cli_catch_interrupt();
    gr_error e = {0};
    gr_train_result r;
    int code = gr_train(s, &t, &r, &e) ? cli_fail(&e) : EXIT_DONE;
    if (code == EXIT_DONE && !a->common.quiet && r.seconds > 0)
        fprintf(stderr, "%lld %s in %.2f s, %.0f %s a second; %.2f s in all, with reading, compiling, validating and saving\n",
                (long long)r.steps, r.steps == 1 ? "step" : "steps", r.seconds, (r.tokens ? (double)r.tokens : (double)r.steps) / r.seconds,
                r.tokens ? "tokens" : "steps", gr_seconds() - a->start);
    if (code == EXIT_DONE && then_generate && !r.stopped && s->recipe->generate.feed) {
        gr_generate_options g = gr_generate_defaults(s);
        g.out = stdout;
        if (gr_generate(s, &g, &e)) code = cli_fail(&e);
    }
    return code;
}

static int parse_training(const cli_command *self, int argc, char **argv, train_args *a)
{
    a->train.epochs = a->train.steps = a->train.every = a->train.report = -1;
    const cli_option own[] = {
        {"epochs", 0, CLI_INT, &a->train.epochs, "N", "times through the data; with --steps, whichever comes first"},
        {"steps", 0, CLI_INT, &a->train.steps, "N", "training steps in all, also with --resume"},
        {"weights", 0, CLI_TEXT, &a->weights, "FILE", "start from these (safetensors)"},
        {"weights-partial", 0, CLI_TEXT, &a->partial, "FILE", "start from those of them that fit"},
        {"save", 0, CLI_TEXT, &a->train.save, "FILE", "write the weights at the end"},
        {"checkpoint", 0, CLI_TEXT, &a->train.checkpoint, "FILE", "write all that --resume needs"},
        {"every", 0, CLI_INT, &a->train.every, "N", "steps between checkpoints"},
        {"report", 0, CLI_INT, &a->train.report, "N", "steps between reports, in place of one an epoch"},
        {"resume", 0, CLI_TEXT, &a->train.resume, "FILE", "go on from a checkpoint, bit for bit"},
        {"log", 0, CLI_TEXT, &a->train.log, "FILE", "write the run as JSON lines"},
        {0},
    };
    int done = cli_parse_model(self, argc, argv, own, &a->common);
    if (done >= 0) return done;
    if (a->weights && a->partial) return cli_misuse(self, "--weights or --weights-partial, not both");
    if (a->train.resume && (a->weights || a->partial))
        return cli_misuse(self, "--resume goes on from the weights of the checkpoint: leave out --weights%s", a->partial ? "-partial" : "");
    if (a->train.every >= 0 && !a->train.checkpoint) return cli_misuse(self, "--every needs --checkpoint FILE");
    if (!a->train.every || !a->train.report) return cli_misuse(self, "--%s takes a number of at least 1", a->train.every ? "report" : "every");
    if (a->train.every < 0) a->train.every = 0;
    if (a->train.report < 0) a->train.report = 0;
    return -1;
}

int cmd_train(int argc, char **argv)
{
    train_args a = {.common = CLI_DEFAULTS, .start = gr_seconds()};
    int done = parse_training(cli_find("train"), argc, argv, &a);
    if (done >= 0) return done;
    gr_session *s = open_for_training(&a, argv[1]);
    int code = s ? run_training(&a, s, false) : EXIT_MODEL;
    gr_session_close(s);
    return code;
}

/* Whether an option says how to train; that a model has no `train` is then an error. */
static bool asks_to_train(const train_args *a)
{
    const gr_train_options *t = &a->train;
    return t->epochs >= 0 || t->steps >= 0 || t->report || t->save || t->checkpoint || t->resume || t->log;
}

int cmd_default(int argc, char **argv)
{
    train_args a = {.common = CLI_DEFAULTS, .start = gr_seconds()};
    int done = parse_training(&cli_default, argc, argv, &a);
    if (done >= 0) return done;
    gr_session *s = open_for_training(&a, argv[1]);
    bool trains = s && (s->recipe->minimize || asks_to_train(&a));
    int code = trains ? run_training(&a, s, true) : s ? EXIT_DONE : EXIT_MODEL;
    gr_session_close(s);
    return trains || code ? code : print_all_outputs(argv[1], &a.common, a.partial ? a.partial : a.weights, a.partial != NULL);
}
