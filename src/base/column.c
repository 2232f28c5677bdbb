/* column.c - see column.h. Widths are the C library's, of its locale C.UTF-8, whatever the process's is. */
#include "base/column.h"
#include "base/utf8.h"

#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

static int width_of(uint32_t c, bool known)
{
    const int width = known ? wcwidth((wchar_t)c) : 1;
    return width < 0 ? 0 : width;
}

static bool is_plain(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] < ' ' || text[i] > '~') return false;
    return true;
}

int gr_columns_of(const char *text, size_t bytes)
{
    if (is_plain(text, bytes)) return (int)bytes;
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = utf8 ? uselocale(utf8) : (locale_t)0;
    int columns = 0;
    for (size_t i = 0; i < bytes;) {
        uint32_t c;
        const int n = gr_utf8_decode(text + i, bytes - i, &c);
        columns += n ? width_of(c, utf8 != (locale_t)0) : 1;
        i += n ? (size_t)n : 1;
    }
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
    return columns;
}

int gr_columns(const char *text) { return gr_columns_of(text, strlen(text)); }

int gr_wider(int width, const char *text)
{
    const int columns = gr_columns(text);
    return columns > width ? columns : width;
}

static int pad(const char *text, int width)
{
    const int columns = gr_columns(text);
    return columns < width ? width - columns : 0;
}

void gr_put_left(FILE *to, const char *text, int width) { fprintf(to, "%s%*s", text, pad(text, width), ""); }
void gr_put_right(FILE *to, const char *text, int width) { fprintf(to, "%*s%s", pad(text, width), "", text); }
