/* diag.c - collecting diagnostics and printing them with their source lines. */
#include "base/diag.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    gr_loc at;
    const char *text;
    bool note;  /* explains the error before it */
    int order;
} entry;

typedef struct ranking { /* errors in the order of print, as of so many entries */
    const entry **list;
    int cap, entries;
} ranking;

struct gr_diag {
    gr_arena *arena;
    ranking *ranking;
    entry *entries;
    int count, cap, errors;
    bool muted; /* the last error was known; so are its notes */
};

int gr_set_error(gr_error *e, gr_status status, const char *fmt, ...)
{
    if (e) {
        e->status = status;
        va_list args;
        va_start(args, fmt);
        vsnprintf(e->message, sizeof e->message, fmt, args);
        va_end(args);
    }
    return status;
}

int gr_set_line_error(gr_error *e, const char *name, int64_t line, const char *fmt, ...)
{
    char what[sizeof e->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return gr_set_error(e, GR_EINVAL, "%s: line %lld: %s", name, (long long)line, what);
}

int gr_caught(const gr_arena *a, gr_error *e) { return gr_set_error(e, gr_arena_status(a), "%s", gr_arena_fault(a)); }

void gr_say(const gr_sink *to, gr_tone tone, const char *text)
{
    if (to->write) to->write(to->data, tone, text);
}

gr_diag *gr_diag_create(gr_arena *a)
{
    gr_diag *d = GR_NEW(a, gr_diag);
    d->arena = a;
    d->ranking = GR_NEW(a, ranking);
    return d;
}

static bool known(const gr_diag *d, gr_loc at, const char *text)
{
    for (int i = 0; i < d->count; i++) {
        const entry *e = &d->entries[i];
        if (!e->note && e->at.source == at.source && e->at.line == at.line && e->at.column == at.column &&
            strcmp(e->text, text) == 0)
            return true;
    }
    return false;
}

static void add(gr_diag *d, gr_loc at, bool note, const char *text)
{
    entry e = {at, text, note, d->count};
    *GR_PUSH(d->arena, d->entries, d->count, d->cap) = e;
    d->errors += !note;
}

void gr_diag_verror(gr_diag *d, gr_loc at, const char *fmt, va_list args)
{
    const char *text = gr_arena_vprintf(d->arena, fmt, args);
    d->muted = known(d, at, text);
    if (!d->muted) add(d, at, false, text);
}

void gr_diag_error(gr_diag *d, gr_loc at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    gr_diag_verror(d, at, fmt, args);
    va_end(args);
}

void gr_diag_note(gr_diag *d, gr_loc at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!d->muted) add(d, at, true, gr_arena_vprintf(d->arena, fmt, args));
    va_end(args);
}

void gr_diag_hint(gr_diag *d, const char *text)
{
    bool told = d->muted;
    for (int i = 0; i < d->count; i++) told = told || (d->entries[i].note && strcmp(d->entries[i].text, text) == 0);
    if (!told) add(d, (gr_loc){0}, true, text);
}

int gr_diag_count(const gr_diag *d) { return d->errors; }

void gr_diag_clear(gr_diag *d)
{
    *d->ranking = (ranking){0};
    *d = (gr_diag){.arena = d->arena, .ranking = d->ranking};
}

/* Errors by place; a note keeps to its error. */
static int compare(const void *pa, const void *pb)
{
    const entry *a = *(const entry *const *)pa, *b = *(const entry *const *)pb;
    if (a->at.source != b->at.source) return a->order - b->order;
    if (a->at.line != b->at.line) return a->at.line - b->at.line;
    if (a->at.column != b->at.column) return a->at.column - b->at.column;
    return a->order - b->order;
}

/* The errors in the order of print. */
static const entry **sorted(const gr_diag *d)
{
    ranking *r = d->ranking;
    int n = 0;
    if (r->entries == d->count) return r->list;
    if (r->cap < d->errors) r->list = GR_NEW_ARRAY(d->arena, const entry *, r->cap = 2 * d->errors);
    for (int i = 0; i < d->count; i++)
        if (!d->entries[i].note) r->list[n++] = &d->entries[i];
    qsort(r->list, (size_t)n, sizeof *r->list, compare);
    r->entries = d->count;
    return r->list;
}

enum { LONGEST_LINE = 200 }; /* bytes that are shown */

/* As many marks as the character at line[*i] has columns, and goes behind it. */
static char *put_mark(char *to, const char *line, size_t length, size_t *i, char mark)
{
    const int n = gr_utf8_decode(line + *i, length - *i, NULL), bytes = n ? n : 1;
    if (line[*i] == '\t') *to++ = mark == ' ' ? '\t' : mark;
    else
        for (int k = gr_utf8_width(line + *i, (size_t)bytes); k > 0; k--) *to++ = mark;
    *i += (size_t)bytes;
    return to;
}

/* The source line, and under it "   ^~~~". Columns of a place count characters. */
static const char *caret_text(gr_arena *a, const gr_loc *at)
{
    const char *line = at->source->text, *end = line + at->source->length;
    for (int n = 1; n < at->line && line < end; n++) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        if (!eol) return "";
        line = eol + 1;
    }
    const char *eol = memchr(line, '\n', (size_t)(end - line));
    size_t length = (size_t)((eol ? eol : end) - line), i = 0;
    if (length > LONGEST_LINE) length = gr_utf8_check(line, LONGEST_LINE);
    char *mark = gr_arena_alloc(a, 2 * length + 2), *to = mark;
    for (int column = 1; column < at->column && i < length; column++) to = put_mark(to, line, length, &i, ' ');
    char *first = to;
    for (int k = 0; k < at->length && i < length; k++) to = put_mark(to, line, length, &i, '~');
    *first = '^';
    return gr_arena_printf(a, "%5d | %.*s\n      | %s\n", at->line, (int)length, line, mark);
}

static const char *entry_text(gr_arena *a, const entry *e)
{
    const gr_text *source = e->at.source;
    const char *where = !source ? "graphrun: " : e->at.line > 0 ? gr_arena_printf(a, "%s:%d:%d: ", source->name, e->at.line, e->at.column)
                                                                : gr_arena_printf(a, "%s: ", source->name);
    const char *caret = source && source->text && e->at.line > 0 ? caret_text(a, &e->at) : "";
    return gr_arena_printf(a, "%s%s: %s\n%s", where, e->note ? "note" : "error", e->text, caret);
}

/* Of many, the outermost and the innermost: blocks may be nested deep. */
static const char *notes_text(const gr_diag *d, int first)
{
    enum { HEAD = 4, TAIL = 2 };
    const char *text = "";
    int n = 0;
    while (first + n < d->count && d->entries[first + n].note) n++;
    for (int k = 0; k < n; k++) {
        if (n <= HEAD + TAIL + 1 || k < HEAD || k >= n - TAIL)
            text = gr_arena_printf(d->arena, "%s%s", text, entry_text(d->arena, &d->entries[first + k]));
        else if (k == HEAD) text = gr_arena_printf(d->arena, "%s(%d notes more)\n", text, n - HEAD - TAIL);
    }
    return text;
}

void gr_diag_tell(const gr_diag *d, const gr_sink *to)
{
    const entry **list = sorted(d);
    for (int i = 0; i < d->errors; i++)
        gr_say(to, GR_ERROR, gr_arena_printf(d->arena, "%s%s", entry_text(d->arena, list[i]), notes_text(d, list[i]->order + 1)));
}

static void write_file(void *file, gr_tone tone, const char *text)
{
    (void)tone;
    fputs(text, file);
}

void gr_diag_print(const gr_diag *d, FILE *to) { gr_diag_tell(d, &(gr_sink){write_file, to}); }

const char *gr_diag_message(const gr_diag *d, int i, gr_loc *at)
{
    if (i < 0 || i >= d->errors) return NULL;
    const entry *e = sorted(d)[i];
    if (at) *at = e->at;
    return e->text;
}
