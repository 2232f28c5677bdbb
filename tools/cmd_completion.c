/* cmd_completion.c - graphrun completion: scripts for shells, made of the tables of options.
 *
 * What may follow an option is told by its metavariable: FILE or FILE.so, FOLDER, PASS, SPLIT, METRIC, VAR, a value of the
 * graph (VALUE, NAME=FILE), KEY=VALUE or VAR=... of the section `vars`, "a|b". What a command takes is told by
 * the words of its usage: MODEL, OP, "a|b", or a file. */
#include "cli.h"
#include "report/reference.h"
#include "pass/pass.h"
#include "train/recipe.h"

#include <ctype.h>
#include <string.h>

/* ---- what completes ---- */

typedef enum completes { NOTHING, FILES, FOLDERS, WORDS, VARS, VARS_EQUAL, VALUES } completes;

/* What follows: words of WORDS, or the ending of FILES, ".so", "" for any. */
typedef struct follows { completes kind; const char *text; } follows;

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static const char *spaced(gr_arena *a, const char *list, size_t n)
{
    char *words = gr_arena_strndup(a, list, n);
    for (char *c = words; *c; c++)
        if (*c == '|') *c = ' ';
    return words;
}

static const char *pass_names(gr_arena *a)
{
    const char *text = "";
    for (const gr_pass *p = gr_passes; p->name; p++) text = gr_arena_printf(a, "%s%s%s", text, *text ? " " : "", p->name);
    return text;
}

/* "loss perplexity ...", as reports call them. */
static const char *metric_names(gr_arena *a)
{
    gr_error e = {0};
    const gr_registry *r = cli_registry(a, &(cli_common)CLI_DEFAULTS, &e);
    const char *text = "loss";
    for (int i = 0; r && i < gr_registry_count(r); i++)
        if (gr_registry_at(r, i)->traits & GR_METRIC) text = gr_arena_printf(a, "%s %s", text, gr_metric_label(a, gr_registry_at(r, i)->name));
    return text;
}

/* The ending of "FILE.so"; a file of a list or in brackets has none. */
static const char *ending(const char *value) { return value[4] == '.' && isalpha((unsigned char)value[5]) ? value + 4 : ""; }

static follows after_option(gr_arena *a, const cli_option *o)
{
    const char *v = o->value;
    if (strchr(v, '|')) return (follows){WORDS, spaced(a, v, strlen(v))};
    if (strcmp(v, "PASS") == 0) return (follows){WORDS, pass_names(a)};
    if (strcmp(v, "SPLIT") == 0) return (follows){WORDS, "train valid test"};
    if (strcmp(v, "METRIC") == 0) return (follows){WORDS, metric_names(a)};
    if (strcmp(v, "VAR") == 0) return (follows){VARS, ""};
    if (strcmp(v, "KEY=VALUE") == 0 || begins(v, "VAR=")) return (follows){VARS_EQUAL, ""};
    if (begins(v, "VALUE") || begins(v, "NAME=FILE") || begins(v, "NAME[=FILE")) return (follows){VALUES, ""};
    if (begins(v, "FILE")) return (follows){FILES, ending(v)};
    return (follows){strcmp(v, "FOLDER") == 0 ? FOLDERS : NOTHING, ""};
}

typedef enum takes { TAKES_FILES, TAKES_MODELS, TAKES_OPS, TAKES_WORDS, TAKES_NOTHING } takes;

/* words: filled for TAKES_WORDS; for TAKES_FILES the ending. */
static takes command_takes(gr_arena *a, const cli_command *c, const char **words)
{
    const char *first = c->usage + (*c->usage == '[');
    size_t n = strcspn(first, " ].");
    *words = "";
    if ((n == 5 && strncmp(first, "MODEL", n) == 0) || strncmp(first + n, ".yaml", 5) == 0) return TAKES_MODELS;
    if (n == 2 && strncmp(first, "OP", n) == 0) return TAKES_OPS;
    if (n == 0 || (n == 4 && strncmp(first, "NAME", n) == 0) || *first == '-') return TAKES_NOTHING;
    if (memchr(first, '|', n)) {
        *words = spaced(a, first, n);
        return TAKES_WORDS;
    }
    if (begins(first, "FILE.so")) *words = ".so";
    return TAKES_FILES;
}

static const char *op_names(gr_arena *a)
{
    gr_error e = {0};
    const gr_reference r = {.arena = a, .registry = cli_registry(a, &(cli_common)CLI_DEFAULTS, &e)};
    const char *text = "";
    for (const char *const *n = gr_reference_names(&r); *n; n++) text = gr_arena_printf(a, "%s%s%s", text, *text ? " " : "", *n);
    return text;
}

static const char *command_names(gr_arena *a)
{
    const char *text = "";
    for (const cli_command *c = cli_commands; c->name; c++) text = gr_arena_printf(a, "%s%s%s", text, *text ? " " : "", c->name);
    return text;
}

/* ---- both shells ---- */

/* The keys of a section of the model on the command line, one a line: {a: 1, b: 2}, or lines of one indentation. */
static const char keys_of_section[] =
    "        awk -v section=\"$1:\" '\n"
    "            index($0, section) == 1 { on = 1; flow = 0; indent = 0; $0 = \" \" substr($0, length(section) + 1); if (/^ *[{]/) flow = 1 }\n"
    "            /^[^ #]/ { on = 0 }\n"
    "            ! on { next }\n"
    "            { sub(/(^| )#.*/, \"\") }\n"
    "            flow { while (match($0, /[{, ][A-Za-z0-9_]+:/)) { print substr($0, RSTART + 1, RLENGTH - 2); $0 = substr($0, RSTART + RLENGTH) } next }\n"
    "            match($0, /^ +[A-Za-z0-9_]+:/) { match($0, /^ +/); if (! indent) indent = RLENGTH\n"
    "                if (RLENGTH == indent) { sub(/:.*/, \"\"); sub(/^ +/, \"\"); print } }' \"$word\"\n";

/* ---- bash ---- */

static const char bash_head[] =
    "# Completion of graphrun for bash, made by `graphrun completion bash`.\n"
    "_graphrun_keys() {\n"
    "    local word\n"
    "    for word in \"${COMP_WORDS[@]}\"; do\n"
    "        [[ $word == *.yaml || $word == *.yml ]] && [[ -f $word ]] || continue\n";
static const char bash_files[] =
    "    done\n"
    "}\n"
    "_graphrun_files() { # those that end so, and folders\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    COMPREPLY+=($(compgen -f -X \"!*$1\" -- \"$cur\") $([[ -z $1 ]] || compgen -d -- \"$cur\"))\n"
    "}\n"
    "_graphrun() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word options= takes=model words=\n"
    "    COMPREPLY=()\n"
    "    if [[ $cur == = ]]; then prev='=' cur=; fi\n"
    "    if [[ $prev == = ]]; then # --option=value; what stands behind the = of NAME=FILE is no option's\n"
    "        prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "        [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
    "        [[ $prev == -* ]] || { _graphrun_files; return; }\n"
    "    fi\n";

static const char bash_tail[] =
    "    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")); return; fi\n"
    "    if [[ $COMP_CWORD == 1 ]]; then COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")); fi\n"
    "    case $takes in\n"
    "    model) _graphrun_files .yaml; COMPREPLY+=($(compgen -f -X '!*.yml' -- \"$cur\")) ;;\n"
    "    files) _graphrun_files \"$words\" ;;\n"
    "    words) COMPREPLY+=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _graphrun graphrun\n";

typedef struct script {
    gr_arena *arena;
    const char *command; /* whose options these are; "" for graphrun MODEL */
    const char *options; /* bash: of the command, so far */
} script;

/* "train:--save|train:-s" */
static const char *bash_pattern(const script *s, const cli_option *o)
{
    const char *text = gr_arena_printf(s->arena, "%s:--%s", s->command, o->name);
    return o->letter ? gr_arena_printf(s->arena, "%s|%s:-%c", text, s->command, o->letter) : text;
}

static void bash_value(const script *s, const cli_option *o)
{
    const follows f = after_option(s->arena, o);
    printf("    %s) ", bash_pattern(s, o));
    if (f.kind == WORDS) printf("COMPREPLY=($(compgen -W '%s' -- \"$cur\")); ", f.text);
    if (f.kind == VARS) printf("COMPREPLY=($(compgen -W \"$(_graphrun_keys vars)\" -- \"$cur\")); ");
    if (f.kind == VARS_EQUAL) printf("compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -S = -W \"$(_graphrun_keys vars)\" -- \"$cur\")); ");
    if (f.kind == VALUES) printf("COMPREPLY=($(compgen -W \"$(_graphrun_keys graph)\" -- \"$cur\")); ");
    if (f.kind == FILES) printf("_graphrun_files %s; ", f.text);
    if (f.kind == FOLDERS) printf("compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\")); ");
    printf("return ;;\n");
}

static void bash_values(void *data, const cli_command *c, const cli_option *list, int own, int total)
{
    script *s = data;
    (void)own;
    s->command = c->name;
    for (int i = 0; i < total; i++)
        if (list[i].value) bash_value(s, &list[i]);
}

static void bash_options(void *data, const cli_command *c, const cli_option *list, int own, int total)
{
    static const char *const names[] = {[TAKES_FILES] = "files", [TAKES_MODELS] = "model", [TAKES_OPS] = "words", [TAKES_WORDS] = "words",
                                        [TAKES_NOTHING] = "nothing"};
    script *s = data;
    const char *words;
    takes what = command_takes(s->arena, c, &words);
    (void)own;
    printf("    %s) takes=%s", *c->name ? c->name : "''", names[what]);
    if (what == TAKES_OPS) printf(" words='%s'", op_names(s->arena));
    if (what == TAKES_WORDS || what == TAKES_FILES) printf(" words='%s'", words);
    printf(" options='");
    for (int i = 0; i < total; i++) printf("--%s ", list[i].name);
    printf("--help --version' ;;\n");
}

static void write_bash(gr_arena *a)
{
    script s = {.arena = a};
    fputs(bash_head, stdout);
    fputs(keys_of_section, stdout);
    fputs(bash_files, stdout);
    printf("    local commands='%s'\n", command_names(a));
    printf("    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
           "        [[ \" $commands \" == *\" $word \"* ]] && command=$word && break\n"
           "    done\n"
           "    case $command:$prev in\n");
    cli_visit(&cli_default, bash_values, &s);
    for (const cli_command *c = cli_commands; c->name; c++) cli_visit(c, bash_values, &s);
    printf("    esac\n"
           "    case $command in\n");
    cli_visit(&cli_default, bash_options, &s);
    for (const cli_command *c = cli_commands; c->name; c++) cli_visit(c, bash_options, &s);
    printf("    esac\n");
    fputs(bash_tail, stdout);
}

/* ---- zsh ---- */

/* Text between [ and ] of a spec, inside single quotes. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text)) printf("\\%c", *text);
        else putchar(*text);
    }
}

/* "FILE:_files", as it stands behind an option or its letter. */
static void zsh_value(const script *s, const cli_option *o)
{
    static const char *const action[] = {[NOTHING] = "", [FILES] = "_files", [FOLDERS] = "_files -/", [VARS] = "_graphrun_vars",
                                         [VARS_EQUAL] = "_graphrun_settings", [VALUES] = "_graphrun_values"};
    const follows f = after_option(s->arena, o);
    putchar(':');
    zsh_text(o->value);
    if (f.kind == WORDS) printf(":(%s)", f.text);
    else printf(":%s", action[f.kind]);
    if (f.kind == FILES && *f.text) printf(" -g \"*%s\"", f.text);
}

static void zsh_spelling(const script *s, const cli_option *o, const char *spelling)
{
    printf(" \\\n      '%s%s[", o->kind == CLI_LIST ? "*" : "", spelling);
    zsh_text(o->doc);
    putchar(']');
    if (o->value) zsh_value(s, o);
    putchar('\'');
}

static void zsh_option(const script *s, const cli_option *o)
{
    if (o->letter) zsh_spelling(s, o, gr_arena_printf(s->arena, "-%c", o->letter));
    zsh_spelling(s, o, gr_arena_printf(s->arena, "--%s%s", o->name, o->value ? "=" : ""));
}

static void zsh_command(void *data, const cli_command *c, const cli_option *list, int own, int total)
{
    script *s = data;
    const char *words;
    takes what = command_takes(s->arena, c, &words);
    (void)own;
    printf("    %s) _arguments -s", *c->name ? c->name : "*");
    for (int i = 0; i < total; i++) zsh_option(s, &list[i]);
    printf(" \\\n      '--help[this page]' '--version'");
    if (what == TAKES_MODELS) printf(" \\\n      '*:model:_files -g \"*.(yaml|yml)\"'");
    if (what == TAKES_FILES) printf(" \\\n      '*:file:_files%s%s%s'", *words ? " -g \"*" : "", words, *words ? "\"" : "");
    if (what == TAKES_NOTHING && *c->usage) printf(" \\\n      ':name:'"); /* what options stand behind */
    if (what == TAKES_OPS) printf(" \\\n      ':op:(%s)'", op_names(s->arena));
    if (what == TAKES_WORDS) printf(" \\\n      ':word:(%s)'", words);
    printf(" ;;\n");
}

static void write_zsh(gr_arena *a)
{
    script s = {.arena = a};
    printf("#compdef graphrun\n"
           "# Completion of graphrun for zsh, made by `graphrun completion zsh`.\n"
           "_graphrun_keys() {\n"
           "    local word\n"
           "    for word in $words; do\n"
           "        [[ $word == *.(yaml|yml) && -f $word ]] || continue\n"
           "%s"
           "    done\n"
           "}\n"
           "_graphrun_vars() { compadd -- ${(f)\"$(_graphrun_keys vars)\"} }\n"
           "_graphrun_settings() { compset -P '*=' || compadd -S = -- ${(f)\"$(_graphrun_keys vars)\"} }\n"
           "_graphrun_values() { if compset -P '*='; then _files; else compadd -- ${(f)\"$(_graphrun_keys graph)\"}; fi }\n"
           "_graphrun() {\n"
           "  local -a commands\n"
           "  commands=(\n", keys_of_section);
    for (const cli_command *c = cli_commands; c->name; c++) {
        printf("    '%s:", c->name);
        zsh_text(c->summary);
        printf("'\n");
    }
    printf("  )\n"
           "  if (( CURRENT == 2 )); then\n"
           "    _describe command commands\n"
           "    _files -g '*.(yaml|yml)'\n"
           "    return\n"
           "  fi\n"
           "  local command=$words[2]\n"
           "  if (( ${commands[(I)$command:*]} )); then shift words; (( CURRENT-- )); fi\n"
           "  case $command in\n");
    for (const cli_command *c = cli_commands; c->name; c++) cli_visit(c, zsh_command, &s);
    cli_visit(&cli_default, zsh_command, &s);
    printf("  esac\n"
           "}\n"
           "_graphrun \"$@\"\n");
}

int cmd_completion(int argc, char **argv)
{
    const cli_command *self = cli_find("completion");
    cli_common common = CLI_DEFAULTS;
    const cli_option own[] = {{0}};
    int count, done = cli_parse(self, argc, argv, own, &common, &count);
    if (done >= 0) return done;
    if (count != 1) return cli_misuse(self, count ? "one shell at a time" : "for which shell?");
    bool bash = strcmp(argv[1], "bash") == 0;
    if (!bash && strcmp(argv[1], "zsh") != 0) return cli_misuse(self, "there is completion for bash and zsh, not for '%s'", argv[1]);
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    int code = EXIT_MODEL;
    if (a && gr_try(a, &frame)) {
        if (bash) write_bash(a);
        else write_zsh(a);
        code = EXIT_DONE;
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
    return code;
}
