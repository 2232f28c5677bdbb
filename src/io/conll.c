/* conll.c - sentences of tagged words. */
#include "io/conll.h"
#include "base/count.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { U_COLUMNS = 10, MOST_COLUMNS = 64 };

static const char *const u_names[U_COLUMNS + 1] = {"id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps",
                                                  "misc", NULL};

typedef struct reader {
    gr_arena *arena;
    const char *name;
    gr_conll *t;
    gr_error *error;
    bool u;              /* CoNLL-U */
    const char *wanted[2];
    int column[2];       /* of word and tag */
    int columns;         /* of every line; 0: not known yet */
    int64_t line, columns_line, words;
    bool inside;         /* a sentence has begun */
    int cap;
} reader;

#define wrong(r, ...) gr_set_line_error((r)->error, (r)->name, (r)->line, __VA_ARGS__)

/* Cuts a line into its columns; how many there are, which may be more than are kept. */
static int cut(char *line, bool tabs, char *column[MOST_COLUMNS])
{
    int n = 0;
    for (char *next = line; next;) {
        if (!tabs) next += strspn(next, " \t");
        if (!tabs && !*next) break;
        size_t length = strcspn(next, tabs ? "\t" : " \t");
        if (n < MOST_COLUMNS) column[n] = next;
        n++;
        bool more = next[length] != 0;
        next[length] = 0;
        next = more ? next + length + 1 : NULL;
    }
    return n;
}

/* ---- which columns ---- */

static bool looks_like_u(const char *text)
{
    while (*text == '#' || *text == '\n') {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    int tabs = 0;
    for (; *text && *text != '\n'; text++) tabs += *text == '\t';
    return tabs == U_COLUMNS - 1;
}

static int find_column(reader *r, const char *wanted, int fallback, int *column)
{
    char *end;
    const char *near;
    if (!wanted) return *column = fallback, GR_OK;
    for (int i = 0; r->u && i < U_COLUMNS; i++)
        if (!strcasecmp(u_names[i], wanted)) return *column = i, GR_OK;
    long n = strtol(wanted, &end, 10);
    if (end != wanted && !*end) {
        if (n < 0) n += r->columns;
        if (n >= 0 && n < r->columns && n < MOST_COLUMNS) return *column = (int)n, GR_OK;
        return wrong(r, "has %d column%s, 0 to %d; there is no column %s", r->columns, gr_s(r->columns), r->columns - 1, wanted);
    }
    if (!r->u) return wrong(r, "columns have no names here; '%s' is to be a number, 0 for the first", wanted);
    near = gr_nearest(wanted, u_names);
    return wrong(r, "no column of CoNLL-U is called '%s'%s%s%s", wanted, near ? "; did you mean '" : "", near ? near : "",
                 near ? "'?" : "");
}

/* At the first word of the file. */
static int find_columns(reader *r, int columns)
{
    r->columns = columns;
    r->columns_line = r->line;
    if (r->u && columns != U_COLUMNS) return GR_OK; /* said by the caller */
    if (find_column(r, r->wanted[0], r->u ? 1 : 0, &r->column[0])) return -1;
    return find_column(r, r->wanted[1], r->u ? 3 : columns - 1, &r->column[1]);
}

/* ---- lines ---- */

/* "1-2", "1.1": no words of the sentence. */
static bool is_no_word(const char *id)
{
    size_t n = strspn(id, "0123456789");
    return n && (id[n] == '-' || id[n] == '.') && id[n + 1] && !id[n + 1 + strspn(id + n + 1, "0123456789")];
}

static int check_columns(reader *r, int n)
{
    if (!r->columns && find_columns(r, n)) return -1;
    if (r->u && n != U_COLUMNS)
        return wrong(r, "%d column%s; a word of CoNLL-U has %d, with a tab between them", n, gr_s(n), U_COLUMNS);
    if (n == r->columns && n <= MOST_COLUMNS) return GR_OK;
    if (n > MOST_COLUMNS) return wrong(r, "more than %d columns", MOST_COLUMNS);
    return wrong(r, "%d column%s, but line %lld has %d", n, gr_s(n), (long long)r->columns_line, r->columns);
}

static int take_word(reader *r, char *text)
{
    char *column[MOST_COLUMNS];
    int n = cut(text, r->u, column);
    if (check_columns(r, n)) return -1;
    if (r->u && is_no_word(column[0])) return GR_OK;
    if (r->u && column[0][strspn(column[0], "0123456789")])
        return wrong(r, "'%.40s' is no number of a word", column[0]);
    for (int k = 0; k < 2; k++)
        if (!*column[r->column[k]]) return wrong(r, "column %d is empty", r->column[k]);
    if (!r->inside) {
        int count = (int)r->t->count;
        *GR_PUSH(r->arena, r->t->sentences, count, r->cap) = (gr_conll_sentence){r->words, 0};
        r->t->count = count;
        r->inside = true;
    }
    r->t->line[r->words] = r->line;
    r->t->word[r->words] = column[r->column[0]];
    r->t->tag[r->words++] = column[r->column[1]];
    r->t->sentences[r->t->count - 1].length++;
    return GR_OK;
}

static int take_line(reader *r, char *text)
{
    size_t n = strlen(text);
    if (n && text[n - 1] == '\r') text[--n] = 0;
    if (!text[strspn(text, " \t")]) return r->inside = false, GR_OK;
    if (r->u && *text == '#') return GR_OK;
    if (!r->u && !strncmp(text, "-DOCSTART-", 10)) return GR_OK;
    return take_word(r, text);
}

int gr_conll_parse(gr_arena *a, const char *name, char *text, size_t length, gr_conll_format format, const char *word,
                   const char *tag, gr_conll *out, gr_error *e)
{
    *out = (gr_conll){0};
    reader r = {.arena = a, .name = name, .t = out, .error = e, .line = 1, .wanted = {word, tag}};
    size_t lines = 1;
    for (size_t i = 0; i < length; i++) {
        if (!text[i]) return r.line = (int64_t)lines, wrong(&r, "a byte 0, which no text has");
        lines += text[i] == '\n';
    }
    r.u = format == GR_CONLL_U || (format == GR_CONLL_AUTO && looks_like_u(text));
    out->word = GR_NEW_ARRAY(a, const char *, lines);
    out->tag = GR_NEW_ARRAY(a, const char *, lines);
    out->line = GR_NEW_ARRAY(a, int64_t, lines);
    for (char *next = text; next; r.line++) {
        char *line = next, *newline = memchr(line, '\n', (size_t)(text + length - line));
        if (newline) *newline = 0;
        next = newline ? newline + 1 : NULL;
        if (take_line(&r, line)) return GR_EINVAL;
    }
    return out->count ? GR_OK : gr_set_error(e, GR_EINVAL, "%s: holds no sentences", name);
}
