/* html.c - escaping. See html.h. */
#include "report/html.h"
#include "base/utf8.h"

#include <string.h>

static const char *entity(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

static bool is_control(uint32_t c) { return (c < 32 && c != '\n' && c != '\t') || (c >= 127 && c < 160); }

void gr_html_text(FILE *to, const char *text)
{
    for (size_t left = text ? strlen(text) : 0; left > 0;) {
        uint32_t c = 0;
        const int n = gr_utf8_decode(text, left, &c);
        const size_t bytes = n > 0 ? (size_t)n : 1;
        const char *as = n == 1 ? entity(*text) : NULL;
        if (n == 0 || is_control(c)) fputs("\xef\xbf\xbd", to);
        else if (as) fputs(as, to);
        else fwrite(text, 1, bytes, to);
        text += bytes;
        left -= bytes;
    }
}
