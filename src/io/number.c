/* number.c - numbers that stand as text in a file. */
#include "io/number.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

gr_number gr_number_read(const char *text, double *x)
{
    static const char *const missing[] = {"", "?", "NA", "N/A", "NaN", "null"};
    char *end;
    *x = NAN;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        if (strcasecmp(text, missing[i]) == 0) return GR_NUMBER_MISSING;
    if (text[strspn(text, "+-.0123456789eE")]) return GR_NUMBER_NOT;
    double read = strtod(text, &end);
    if (end == text || *end || !isfinite(read)) return GR_NUMBER_NOT;
    *x = read;
    return GR_NUMBER_READ;
}
