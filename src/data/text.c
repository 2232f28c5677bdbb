/* text.c - reading text files, and what is done to text before it is cut into tokens. */
#include "base/utf8.h"
#include "data/desc.h"

#include <locale.h>
#include <string.h>
#include <wctype.h>

static const size_t MAX_TEXT = (size_t)1 << 30;

static size_t join_line_ends(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        bool cr = text[i] == '\r';
        if (cr && i + 1 < n && text[i + 1] == '\n') continue;
        text[to++] = cr ? '\n' : text[i];
    }
    return to;
}

static void report_bytes(gr_data *d, const gr_part *part, const char *text, size_t bad)
{
    long line = 1;
    for (size_t i = 0; i < bad; i++) line += text[i] == '\n';
    gr_source_fail_part(d, part, "'%s' is not UTF-8 text: line %ld, byte %zu is 0x%02x", part->path, line, bad,
                  (unsigned char)text[bad]);
}

char *gr_text_read(gr_data *d, const gr_part *part, size_t *length)
{
    char *text;
    if (gr_source_read(d, part, MAX_TEXT, &text, length) < 0) return NULL;
    if (*length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, *length -= 3;
    size_t bad = gr_utf8_check(text, *length), zero = strlen(text);
    if (zero < bad) bad = zero; /* no text holds one */
    if (bad < *length) {
        report_bytes(d, part, text, bad);
        return NULL;
    }
    *length = join_line_ends(text, *length);
    if (!*length) {
        gr_source_fail_part(d, part, "'%s' is empty", part->path);
        return NULL;
    }
    text[*length] = 0;
    return text;
}

/* ---- preparing ---- */

static size_t keep_letters(char *text, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter) text[to++] = c;
        else if (i == 0 || to == 0 || text[to - 1] != ' ') text[to++] = ' ';
    }
    return to;
}

static void free_locale_of(void *p) { freelocale((locale_t)p); }

/* Small letters by Unicode, which may take more or fewer bytes. */
static char *lower(gr_data *d, const char *text, size_t *n)
{
    char *out = gr_arena_alloc(d->arena, 2 * *n + 1); /* no small letter has three times the bytes */
    size_t to = 0;
    if (!d->unicode && (d->unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)))
        gr_arena_defer(d->arena, free_locale_of, d->unicode);
    for (size_t i = 0; i < *n;) {
        uint32_t c = 0;
        i += (size_t)gr_utf8_decode(text + i, *n - i, &c);
        if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
        else if (c >= 0x80 && d->unicode) c = (uint32_t)towlower_l((wint_t)c, (locale_t)d->unicode);
        to += (size_t)gr_utf8_encode(c, out + to);
    }
    *n = to;
    return out;
}

/* A space before , . ! ? where there is none; and for U+00A0 and U+202F, which are non-breaking ones. */
static char *space_punctuation(gr_data *d, const char *text, size_t *n)
{
    char *out = gr_arena_alloc(d->arena, 2 * *n + 1);
    size_t to = 0;
    for (size_t i = 0; i < *n;) {
        uint32_t c = 0;
        int bytes = gr_utf8_decode(text + i, *n - i, &c);
        bool mark = c == ',' || c == '.' || c == '!' || c == '?';
        if (mark && to > 0 && out[to - 1] != ' ') out[to++] = ' ';
        if (c == 0xa0 || c == 0x202f) out[to++] = ' ';
        else memcpy(out + to, text + i, (size_t)bytes), to += (size_t)bytes;
        i += (size_t)bytes;
    }
    *n = to;
    return out;
}

static bool asks(const gr_data *d, const char *attr)
{
    const gr_attr *a = gr_data_find_attr(d, attr);
    return a && a->i;
}

bool gr_text_is_words(const gr_data *d) { return asks(d, "unit"); }

char *gr_text_prepare(gr_data *d, char *text, size_t *n)
{
    if (asks(d, "keep")) *n = keep_letters(text, *n);
    if (asks(d, "space_punctuation")) text = space_punctuation(d, text, n);
    return asks(d, "lower") ? lower(d, text, n) : text;
}

bool gr_line_next(gr_line *l)
{
    if (l->next >= l->end) return false;
    char *end = memchr(l->next, '\n', (size_t)(l->end - l->next));
    l->text = l->next;
    l->length = (size_t)((end ? end : l->end) - l->next);
    l->text[l->length] = 0;
    l->next = l->text + l->length + 1;
    l->number++;
    return true;
}
