/* cmd_manual.c - graphrun manual: the man page graphrun(1), of the tables of options and the sections
 * below. It is made when graphrun is built; `graphrun manual | man -l -` shows it. */
#include "cli.h"

#include <string.h>

/* Text in which a dash, a backslash or a dot in front means itself. */
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'') fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '-') fputs("\\-", stdout);
        else if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '\n' && (text[1] == '.' || text[1] == '\'')) fputs("\n\\&", stdout);
        else putchar(*text);
    }
}

static void heading(const char *macro, const char *text)
{
    printf("%s \"", macro);
    roff(text);
    fputs("\"\n", stdout);
}

static void option(const cli_option *o)
{
    fputs(".TP\n", stdout);
    if (o->letter) printf("\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", stdout);
    roff(o->name);
    fputs("\\fR", stdout);
    if (o->value) fputs(" \\fI", stdout), roff(o->value), fputs("\\fR", stdout);
    putchar('\n');
    roff(o->doc);
    putchar('\n');
}

static void options(const cli_option *list, int n)
{
    for (int i = 0; i < n; i++) option(&list[i]);
}

static void command(void *data, const cli_command *c, const cli_option *list, int own, int total)
{
    (void)data;
    heading(".SS", *c->name ? c->name : "graphrun MODEL");
    fputs("\\fBgraphrun", stdout);
    if (*c->name) putchar(' '), roff(c->name);
    fputs("\\fR ", stdout);
    roff(cli_usage(c, list, total));
    fputs("\n.PP\n", stdout);
    roff(c->summary);
    putchar('\n');
    options(list, own);
    fputs(".PP\nCommon options:", stdout);
    for (int i = own; i < total; i++) printf("%s \\fB\\-\\-%s\\fR", i > own ? "," : "", list[i].name);
    putchar('\n');
}

static void common(void *data, const cli_command *c, const cli_option *list, int own, int total)
{
    (void)data;
    (void)c;
    options(list + own, total - own);
}

/* A section by hand: paragraphs, and between lines of "---" text that stays as it is. */
typedef struct section { const char *title, *text; } section;

static const section before[] = {
    {"DESCRIPTION",
     "graphrun trains and runs sequence models on CPUs. A model is a YAML file: a graph of ops, the data that feed it and how it\n"
     "is trained. graphrun checks the file, differentiates the graph, schedules it on the machine's cores and runs it.\n"
     "Without a command it does what the file asks for: it trains the model, or runs it once.\n"},
    {NULL, NULL},
};

static const section after[] = {
    {"MODEL FILES",
     "The sections of a model file are graphrun (the version of the format, 1), name, doc, vars, plugins, blocks, data, graph,\n"
     "train, metrics and generate. \"graphrun ops\" lists ops, data sources, optimisers and metrics, and \"graphrun ops NAME\" says\n"
     "all about one, with an example. \"graphrun schema\" writes the format as a JSON Schema, by which editors complete and check it,\n"
     "and \"graphrun schema MODEL\" that of one file with its own blocks and plugins.\n"
     "Training ends after train.epochs times through the data or train.steps steps, of both whichever comes first; --epochs and\n"
     "--steps take the place of both.\n"
     "---\n"
     "graphrun: 1\n"
     "vars: {hidden: 64}\n"
     "data: {op: CharText, path: book.txt}\n"
     "graph:\n"
     "  tokens:  {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
     "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
     "  letters: {op: OneHot, in: tokens, num_classes: $data.vocab}\n"
     "  rnn:     {op: LSTM, in: letters, hidden_size: $hidden}\n"
     "  logits:  {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
     "  loss:    {op: CrossEntropyLoss, in: {input: logits, target: targets}}\n"
     "train: {minimize: loss, optimizer: {op: Adam, lr: 0.002}, epochs: 10}\n"
     "---\n"},
    {"EXIT STATUS",
     "0: done. 1: the model, the data or the machine are at fault. 2: the command line is. Results go to standard output,\n"
     "progress and diagnostics to standard error.\n"},
    {"ENVIRONMENT",
     "NO_COLOR: set, no colours are written. XDG_CACHE_HOME: where measured costs of work are kept, else ~/.cache. Removing the\n"
     "file graphrun-*-costs-* there has them measured anew; no result depends on it.\n"},
    {"EXAMPLES",
     "Write a starter model for a text and train it, change a var of it, look at its graph:\n"
     "---\n"
     "graphrun init book.txt\n"
     "graphrun book.yaml --set hidden=128 --epochs 5\n"
     "graphrun dot book.yaml -o book.svg\n"
     "---\n"
     "Train, and keep the weights; continue a text with them:\n"
     "---\n"
     "graphrun train book.yaml --save book.safetensors\n"
     "graphrun generate book.yaml --weights book.safetensors --prompt \"It was\"\n"
     "---\n"},
    {NULL, NULL},
};

static void write_section(const section *s)
{
    bool code = false;
    heading(".SH", s->title);
    for (const char *line = s->text; *line; line += strcspn(line, "\n") + 1) {
        char text[256];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
        if (strcmp(text, "---") != 0) roff(text), putchar('\n');
        else printf(code ? ".EE\n.RE\n.PP\n" : ".PP\n.RS 4\n.EX\n"), code = !code;
    }
}

static void write_manual(void)
{
    printf(".TH GRAPHRUN 1 \"\" \"graphrun %s\" \"User Commands\"\n.nh\n.ad l\n", GR_VERSION);
    printf(".SH NAME\ngraphrun \\- train and run sequence models on CPUs\n");
    printf(".SH SYNOPSIS\n\\fBgraphrun\\fR \\fIMODEL\\fR [\\fIoption\\fR]...\n.br\n"
           "\\fBgraphrun\\fR \\fIcommand\\fR [\\fIargument\\fR]... [\\fIoption\\fR]...\n");
    for (const section *s = before; s->title; s++) write_section(s);
    printf(".SH COMMANDS\n");
    cli_visit(&cli_default, command, NULL);
    for (const cli_command *c = cli_commands; c->name; c++) cli_visit(c, command, NULL);
    printf(".SH COMMON OPTIONS\nA command takes those that can change what it does.\n");
    cli_visit(&cli_default, common, NULL);
    printf(".TP\n\\fB\\-\\-help\\fR\nsay what a command takes\n.TP\n\\fB\\-\\-version\\fR\nsay which version this is\n");
    for (const section *s = after; s->title; s++) write_section(s);
}

int cmd_manual(int argc, char **argv)
{
    const cli_command *self = cli_find("manual");
    cli_common c = CLI_DEFAULTS;
    const cli_option own[] = {{0}};
    int count, done = cli_parse(self, argc, argv, own, &c, &count);
    if (done >= 0) return done;
    if (count) return cli_misuse(self, "it takes nothing: %s", argv[1]);
    write_manual();
    return EXIT_DONE;
}
