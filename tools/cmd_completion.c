/* cmd_completion.c - graphrun completion: scripts for shells, made of the tables of options.
 *
 * What may follow an option is told by its metavariable: FILE, FOLDER, PASS, KEY=VALUE, VAR=, "a|b". What a
 * command takes is told by the first word of its usage: MODEL, OP, or a file. */
#include "cli.h"
#include "report/reference.h"
#include "pass/pass.h"

#include <string.h>

/* ---- what completes ---- */

typedef enum completes { NOTHING, FILES, FOLDERS, WORDS, VARS } completes;

static const char *const splits = "train valid test";

/* words: filled for WORDS. */
static completes completes_value(gr_arena *a, const cli_option *o, const char **words)
{
    *words = "";
    if (strchr(o->value, '|')) {
        char *list = gr_arena_strdup(a, o->value);
        for (char *c = list; *c; c++)
            if (*c == '|') *c = ' ';
        *words = list;
        return WORDS;
    }
    if (strcmp(o->value, "PASS") == 0) {
        for (const gr_pass *p = gr_passes; p->name; p++) *words = gr_arena_printf(a, "%s%s%s", *words, **words ? " " : "", p->name);
        return WORDS;
    }
    if (strcmp(o->name, "split") == 0) {
        *words = splits;
        return WORDS;
    }
    if (strcmp(o->value, "KEY=VALUE") == 0 || strncmp(o->value, "VAR=", 4) == 0) return VARS;
    if (strncmp(o->value, "FILE", 4) == 0) return FILES;
    return strcmp(o->value, "FOLDER") == 0 ? FOLDERS : NOTHING;
}

typedef enum takes { TAKES_FILES, TAKES_MODELS, TAKES_OPS, TAKES_WORDS, TAKES_NOTHING } takes;

/* words: filled for TAKES_WORDS. */
static takes command_takes(gr_arena *a, const cli_command *c, const char **words)
{
    const char *first = c->usage + (*c->usage == '[');
    size_t n = strcspn(first, " ].");
    *words = "";
    if ((n == 5 && strncmp(first, "MODEL", n) == 0) || strncmp(first + n, ".yaml", 5) == 0) return TAKES_MODELS;
    if (n == 2 && strncmp(first, "OP", n) == 0) return TAKES_OPS;
    if (n == 0 || (n == 4 && strncmp(first, "NAME", n) == 0) || *first == '-') return TAKES_NOTHING;
    if (!memchr(first, '|', n)) return TAKES_FILES;
    char *list = gr_arena_strndup(a, first, n);
    for (char *s = list; *s; s++)
        if (*s == '|') *s = ' ';
    *words = list;
    return TAKES_WORDS;
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

/* ---- bash ---- */

static const char bash_head[] =
    "# Completion of graphrun for bash, made by `graphrun completion bash`.\n"
    "_graphrun_vars() { # names in the section `vars` of the model on the command line\n"
    "    local word\n"
    "    for word in \"${COMP_WORDS[@]}\"; do\n"
    "        [[ $word == *.yaml || $word == *.yml ]] && [[ -f $word ]] || continue\n"
    "        sed -n '/^vars:/,/^[^ #v]/p' \"$word\" | sed '/^[^ #v]/d; s/^vars://; s/#.*//' |\n"
    "            grep -oE '(^ *|[{,] *)[A-Za-z_][A-Za-z0-9_]*:' | tr -d ' {,' | sort -u | tr ':' '='\n"
    "    done\n"
    "}\n"
    "_graphrun() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word options= takes=model words=\n"
    "    COMPREPLY=()\n";

static const char bash_tail[] =
    "    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")); return; fi\n"
    "    if [[ $COMP_CWORD == 1 ]]; then COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")); fi\n"
    "    case $takes in\n"
    "    model) compopt -o filenames 2>/dev/null\n"
    "        COMPREPLY+=($(compgen -f -X '!*.yaml' -- \"$cur\") $(compgen -f -X '!*.yml' -- \"$cur\") $(compgen -d -- \"$cur\")) ;;\n"
    "    files) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
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
    const char *words;
    completes kind = completes_value(s->arena, o, &words);
    printf("    %s)", bash_pattern(s, o));
    if (kind == WORDS) printf(" COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
    if (kind == VARS) printf(" compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W \"$(_graphrun_vars)\" -- \"$cur\"))");
    if (kind == FILES) printf(" compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"))");
    if (kind == FOLDERS) printf(" compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\"))");
    printf("%sreturn ;;\n", kind == NOTHING ? " " : "; ");
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
    if (what == TAKES_WORDS) printf(" words='%s'", words);
    printf(" options='");
    for (int i = 0; i < total; i++) printf("--%s ", list[i].name);
    printf("--help --version' ;;\n");
}

static void write_bash(gr_arena *a)
{
    script s = {.arena = a};
    fputs(bash_head, stdout);
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

static void zsh_option(const script *s, const cli_option *o)
{
    const char *words;
    completes kind = o->value ? completes_value(s->arena, o, &words) : NOTHING;
    if (o->letter) printf(" \\\n      '-%c[", o->letter), zsh_text(o->doc), printf("]%s'", o->value ? ":value:_files" : "");
    printf(" \\\n      '%s--%s[", o->kind == CLI_LIST ? "*" : "", o->name);
    zsh_text(o->doc);
    putchar(']');
    if (o->value) {
        putchar(':');
        zsh_text(o->value);
        putchar(':');
    }
    if (kind == WORDS) printf("(%s)", words);
    if (kind == FILES) printf("_files");
    if (kind == FOLDERS) printf("_files -/");
    if (kind == VARS) printf("_graphrun_vars");
    putchar('\'');
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
    if (what == TAKES_FILES) printf(" \\\n      '*:file:_files'");
    if (what == TAKES_OPS) printf(" \\\n      ':op:(%s)'", op_names(s->arena));
    if (what == TAKES_WORDS) printf(" \\\n      ':word:(%s)'", words);
    printf(" ;;\n");
}

static void write_zsh(gr_arena *a)
{
    script s = {.arena = a};
    printf("#compdef graphrun\n"
           "# Completion of graphrun for zsh, made by `graphrun completion zsh`.\n"
           "_graphrun_vars() {\n"
           "  local -a names\n"
           "  local word\n"
           "  for word in $words; do\n"
           "    [[ $word == *.(yaml|yml) && -f $word ]] || continue\n"
           "    names+=(${(f)\"$(sed -n '/^vars:/,/^[^ #v]/p' $word | sed '/^[^ #v]/d; s/^vars://; s/#.*//' |\n"
           "      grep -oE '(^ *|[{,] *)[A-Za-z_][A-Za-z0-9_]*:' | tr -d ' {,:' | sort -u)\"})\n"
           "  done\n"
           "  compadd -S = -- $names\n"
           "}\n"
           "_graphrun() {\n"
           "  local -a commands\n"
           "  commands=(\n");
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
