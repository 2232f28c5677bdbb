/* text.c - reading text files. */
#include "base/utf8.h"
#include "data/desc.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 1 << 20 };

static void close_gz(void *p)
{
    gzFile *f = p;
    if (*f) gzclose(*f);
    *f = NULL;
}

/* zlib hands plain files through as they are. */
static char *read_all(gr_data *d, gzFile f, size_t *length)
{
    char *text = NULL;
    size_t n = 0, cap = 0;
    for (int got = 1; got > 0; n += (size_t)got) {
        if (n + PIECE > cap) {
            cap = cap ? 2 * cap : 2 * PIECE;
            char *bigger = gr_arena_alloc(d->arena, cap);
            if (n) memcpy(bigger, text, n);
            text = bigger;
        }
        got = gzread(f, text + n, PIECE);
        if (got < 0) return NULL;
    }
    *length = n;
    return text;
}

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
    gzFile *f = GR_NEW(d->arena, gzFile);
    gr_arena_defer(d->arena, close_gz, f);
    errno = 0;
    *f = gzopen(path, "rb");
    char *text = *f ? read_all(d, *f, length) : NULL;
    int why = errno, zlib_error = Z_OK;
    const char *zlib_words = *f ? gzerror(*f, &zlib_error) : "";
    if (!text) {
        gr_diag_error(d->diag, at, "cannot read '%s': %s", path,
                      zlib_error != Z_OK && zlib_error != Z_ERRNO ? zlib_words : strerror(why ? why : ENOMEM));
        close_gz(f);
        return NULL;
    }
    close_gz(f);
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
