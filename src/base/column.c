/* column.c - see column.h. */
#include "base/column.h"
#include "base/utf8.h"

#include <string.h>

int gr_columns(const char *text) { return gr_utf8_width(text, strlen(text)); }

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
