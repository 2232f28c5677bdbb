/* cli.h - what the subcommands of graphrun share: options as tables, sessions, exit codes.
 *
 * Exit codes: 0 done; 1 the model, the data or the machine; 2 the command line. Results go
 * to standard output, progress and diagnostics to standard error. */
#ifndef GR_TOOLS_CLI_H
#define GR_TOOLS_CLI_H

#include "train/loop.h"
#include "train/session.h"

#define CLI_WEIGHTS_DTYPE(to) {"weights-dtype", 0, CLI_TEXT, to, "float32|bfloat16|float16", "products keep weights as bfloat16 or float16, half the memory to read; arithmetic is float32"}

enum { EXIT_DONE = 0, EXIT_MODEL = 1, EXIT_USAGE = 2 };

typedef enum cli_kind { CLI_FLAG, CLI_TEXT, CLI_INT, CLI_FLOAT, CLI_LIST } cli_kind;

typedef struct cli_list { /* NULL-ended; lives as long as the process */
    const char **item;
    int count;
} cli_list;

typedef struct cli_option {
    const char *name;
    char letter;           /* 0: none */
    cli_kind kind;
    void *to;              /* bool, const char *, int64_t, double, cli_list */
    const char *value;     /* "FILE"; "a|b": one of these words and nothing else; NULL for a flag. Completion goes by it */
    const char *doc;
} cli_option;

typedef struct cli_common {
    cli_list sets, plugins;
    int64_t threads, seed;
    const char *dtype;
    bool quiet;
} cli_common;
#define CLI_DEFAULTS {.seed = 1} /* a seed with which graphs/hello.yaml learns its word */

/* The options that commands have in common. A command takes those that can change what it does; --quiet all of them. */
enum { CLI_SETS = 1, CLI_THREADS = 2, CLI_SEED = 4, CLI_DTYPE = 8, CLI_PLUGINS = 16, CLI_QUIET = 32,
       CLI_GRAPH = CLI_SETS | CLI_DTYPE | CLI_PLUGINS, CLI_RUN = CLI_GRAPH | CLI_THREADS | CLI_SEED };

typedef struct cli_command {
    const char *name;
    const char *usage;     /* "MODEL [--epochs N | --steps N]": what a list of its options would not say (usage.c) */
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
    unsigned common;       /* which of the common options it takes: CLI_SETS, ... */
} cli_command;

extern const cli_command cli_commands[]; /* ends with name NULL */
extern const cli_command cli_default;    /* graphrun MODEL */
const cli_command *cli_find(const char *name);

/* What the command line makes, which lives as long as the process. */
gr_arena *cli_memory(void);

/* Options are told by the very table that the command parses with: fn gets it, first the `own` ones, then
 * the common ones that it takes, `total` in all. Nothing is run. Completion and manual are made of that. */
typedef void (*cli_visit_fn)(void *data, const cli_command *c, const cli_option *list, int own, int total);
void cli_visit(const cli_command *c, cli_visit_fn fn, void *data);
/* The command's arguments and all of its options, as one line; and the same on several behind "usage: graphrun NAME". */
const char *cli_usage(const cli_command *c, const cli_option *list, int total);
void cli_print_usage(const cli_command *c, const cli_option *list, int total, FILE *to);

/* Reads the options of a command, its own and common ones; positional arguments are moved to
 * argv[1 ...], *count of them. -1: go on; else the exit code. */
int cli_parse(const cli_command *self, int argc, char **argv, const cli_option *own, cli_common *common, int *count);
/* The same for a command that takes one model. */
int cli_parse_model(const cli_command *self, int argc, char **argv, const cli_option *own, cli_common *common);
/* Says "graphrun: error: ..." unless the message is empty; gives EXIT_MODEL. */
int cli_fail(const gr_error *e);
GR_PRINTF(2, 3) int cli_misuse(const cli_command *self, const char *fmt, ...); /* EXIT_USAGE */

/* Options of a session from the common ones. */
gr_session_options cli_session_options(const cli_common *c);
/* --weights-dtype: what products keep weights as. -1: go on; else the exit code. */
int cli_weights_dtype(const cli_command *self, const cli_common *c, const char *name, gr_session_options *to);
/* All ops: built in, cells, those of --plugin. NULL with e filled. */
gr_registry *cli_registry(gr_arena *a, const cli_common *c, gr_error *e);
/* Says on standard error what that did to the weights, unless quiet. */
void cli_note_rounding(gr_session *s);
/* NULL after saying why. */
gr_session *cli_open(const char *model, const gr_session_options *o);
/* fn(s, data), and what out of memory in it comes to. */
int cli_guard(gr_session *s, int (*fn)(gr_session *s, void *data), void *data);
/* "NAME=FILE" cut at the first '='; file NULL where there is none. */
void cli_split(const char *text, char **name, const char **file);
/* Ctrl-C sets it instead of ending the process; a second one ends it. */
const volatile sig_atomic_t *cli_catch_interrupt(void);

int cmd_default(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_gradcheck(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_dot(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_manual(int argc, char **argv);
int cmd_ops(int argc, char **argv);
int cmd_schema(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_new_op(int argc, char **argv);
int cmd_test_plugin(int argc, char **argv);
int cmd_trace(int argc, char **argv);
#endif
