/* text.c - reading text files. */
#include "base/utf8.h"
#include "data/desc.h"
#include "io/file.h"

#include <string.h>

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

static void report_bytes(gr_data *d, const char *path, gr_loc at, const char *text, size_t bad)
{
    long line = 1;
    for (size_t i = 0; i < bad; i++) line += text[i] == '\n';
    gr_diag_error(d->diag, at, "'%s' is not UTF-8 text: line %ld, byte %zu is 0x%02x", path, line, bad,
                  (unsigned char)text[bad]);
}

char *gr_text_read(gr_data *d, const char *path, gr_loc at, size_t *length)
{
    gr_error e = {0};
    char *text;
    if (gr_file_read(d->arena, path, MAX_TEXT, &text, length, &e) < 0) {
        gr_diag_error(d->diag, at, "%s", e.message);
        return NULL;
    }
    if (*length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, *length -= 3;
    size_t bad = gr_utf8_check(text, *length);
    if (bad < *length) {
        report_bytes(d, path, at, text, bad);
        return NULL;
    }
    *length = join_line_ends(text, *length);
    if (!*length) {
        gr_diag_error(d->diag, at, "'%s' is empty", path);
        return NULL;
    }
    return text;
}
