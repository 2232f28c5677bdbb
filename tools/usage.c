/* usage.c - a command's usage: what its row has by hand (arguments, what must be given, what excludes each other), then
 * every other option of its table, so that none can be left out. */
#include "cli.h"

#include <string.h>

enum { WIDTH = 100 };

/* Whether the text has the word, with no letter or dash around it. */
static bool has_word(const char *text, const char *word)
{
    static const char part[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
    const size_t n = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || !strchr(part, at[-1])) && (!at[n] || !strchr(part, at[n]))) return true;
    return false;
}

const char *cli_usage(const cli_command *c, const cli_option *list, int total)
{
    gr_arena *a = cli_memory();
    const char *text = c->usage;
    for (int i = 0; i < total; i++) {
        const cli_option *o = &list[i];
        const char *name = gr_arena_printf(a, "--%s", o->name), *letter = gr_arena_printf(a, "-%c", o->letter ? o->letter : ' ');
        if (has_word(c->usage, name) || has_word(c->usage, letter)) continue;
        text = gr_arena_printf(a, "%s%s[%s%s%s]%s", text, *text ? " " : "", o->letter ? letter : name, o->value ? " " : "", o->value ? o->value : "",
                               o->kind == CLI_LIST ? "..." : "");
    }
    return text;
}

/* To the blank that is in no brackets. */
static size_t word_length(const char *text)
{
    size_t n = 0;
    for (int depth = 0; text[n] && (text[n] != ' ' || depth); n++) depth += (text[n] == '[') - (text[n] == ']');
    return n;
}

void cli_print_usage(const cli_command *c, const cli_option *list, int total, FILE *to)
{
    const int indent = fprintf(to, "usage: graphrun%s%s", *c->name ? " " : "", c->name);
    int column = indent;
    const char *text = cli_usage(c, list, total);
    for (size_t n; *text; text += n + (text[n] == ' ')) {
        n = word_length(text);
        if (column > indent && column + 1 + (int)n > WIDTH) column = fprintf(to, "\n%*s", indent, "") - 1;
        column += fprintf(to, " %.*s", (int)n, text);
    }
    fputc('\n', to);
}
