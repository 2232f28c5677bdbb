/* graphrun.c - the command. */
#include "base/column.h"
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRAINS "MODEL [--epochs N] [--steps N] [--weights FILE | --weights-partial FILE]"

const cli_command cli_commands[] = {
    {"init", "[FILE]", "Writes a starter model for a text, a table or an array.", cmd_init, 0},
    {"check", "MODEL...", "Reports every mistake in model files; silent when there are none.", cmd_check, CLI_GRAPH},
    {"train", TRAINS, "Trains a model.", cmd_train, CLI_RUN},
    {"eval", "MODEL --weights FILE", "Measures a model on a split of its data; a classifier by class.", cmd_eval, CLI_RUN},
    {"run", "MODEL", "Runs a model once, and writes values and gradients.", cmd_run, CLI_RUN},
    {"generate", "MODEL --weights FILE", "Continues texts, or answers them.", cmd_generate, CLI_RUN},
    {"gradcheck", "MODEL", "Compares every gradient with central differences, in double.", cmd_gradcheck, CLI_RUN},
    {"data", "MODEL", "Shows what a model's data source gives.", cmd_data, CLI_SETS | CLI_PLUGINS | CLI_SEED},
    {"dot", "MODEL [--after PASS | --steps T]", "Draws the model, what a pass made of it, or who runs what.", cmd_dot, CLI_GRAPH | CLI_THREADS},
    {"plan", "MODEL", "Says what a step takes: memory, work, time, threads.", cmd_plan, CLI_GRAPH | CLI_THREADS},
    {"trace", "MODEL", "Shows where the time of a step goes, task by task.", cmd_trace, CLI_RUN},
    {"bench", "MODEL", "Measures how fast a model is: its training step, forward pass or one step.", cmd_bench, CLI_RUN},
    {"compare", "A.yaml B.yaml... [--steps N | --seconds S | --tokens N]",
     "Says which of several models is better for their data, and how sure that is.", cmd_compare, CLI_RUN},
    {"ops", "[OP]", "Lists the ops, or says all about one.", cmd_ops, CLI_PLUGINS},
    {"schema", "[MODEL]", "Writes the format of model files, or of one with its own blocks, as a JSON Schema for editors.", cmd_schema,
     CLI_SETS | CLI_PLUGINS},
    {"completion", "bash|zsh", "Writes completion for a shell: source <(graphrun completion bash).", cmd_completion, 0},
    {"manual", "", "Writes the man page: graphrun manual | man -l -.", cmd_manual, 0},
    {"new-op", "NAME", "Writes the project of an op of one's own in C.", cmd_new_op, 0},
    {"test-plugin", "FILE.so [MODEL]...", "Checks the ops and data sources of a plugin as the built-in ones are: gradients, loops, batches.", cmd_test_plugin, 0},
    {0},
};

const cli_command cli_default = {"", TRAINS, "Does what the file asks for: trains the model, or runs it once.", cmd_default, CLI_RUN};

const cli_command *cli_find(const char *name)
{
    for (const cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

static void print_usage(FILE *to)
{
    int width = 0;
    for (const cli_command *c = cli_commands; c->name; c++) width = gr_wider(width, c->name);
    fprintf(to, "usage: graphrun %-*s   what the file asks for: train it, or run it once\n", width, "MODEL");
    for (const cli_command *c = cli_commands; c->name; c++)
        fprintf(to, "       graphrun %-*s   %s\n", width, c->name, c->summary);
    fprintf(to, "graphrun COMMAND --help says more.\n");
}

static int unknown_command(const char *name)
{
    const char *names[32] = {NULL};
    for (int i = 0; cli_commands[i].name; i++) names[i] = cli_commands[i].name;
    const char *near = gr_nearest_term(name, names);
    fprintf(stderr, "graphrun: '%s' is neither a command nor a file%s%s%s\n", name, near ? "; did you mean '" : "",
            near ? near : "", near ? "'?" : "");
    print_usage(stderr);
    return EXIT_USAGE;
}

static int run_command(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2) {
        const cli_command *about = cli_find(argv[2]);
        return about ? about->run(2, (char *[]){argv[2], "--help", NULL}) : unknown_command(argv[2]);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("graphrun %s\n", GR_VERSION);
        return EXIT_DONE;
    }
    const cli_command *c = cli_find(argv[1]);
    if (c) return c->run(argc - 1, argv + 1);
    if (argv[1][0] == '-' || access(argv[1], F_OK) == 0 || strchr(argv[1], '.')) return cmd_default(argc, argv);
    return unknown_command(argv[1]);
}

/* What was printed may still wait to be written. */
int main(int argc, char **argv)
{
    setenv("HWLOC_PLUGINS_PATH", "", 0); /* those of hwloc look for devices that are not used, for a third of a short run */
    int code = run_command(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "graphrun: error: standard output cannot be written: %s\n", strerror(errno));
    return code ? code : EXIT_MODEL;
}
