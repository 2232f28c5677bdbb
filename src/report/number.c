/* number.c - numbers as people read them. See number.h. */
#include "report/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *gr_number_text(double value, int decimals, char room[GR_NUMBER_TEXT])
{
    char plain[GR_NUMBER_TEXT / 2];
    if (!isfinite(value)) return strcpy(room, "not finite");
    if (fabs(value) >= 1e15) return snprintf(room, GR_NUMBER_TEXT, "%.3g", value), room;
    const int n = snprintf(plain, sizeof plain, "%.*f", decimals, fabs(value));
    const char *point = strchr(plain, '.');
    const int whole = point ? (int)(point - plain) : n;
    char *to = room;
    if (value < 0 && strspn(plain, "0.") < (size_t)n) to = stpcpy(to, "\xe2\x88\x92");
    for (int i = 0; i < n; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0) *to++ = ',';
        *to++ = plain[i];
    }
    *to = 0;
    return room;
}

int gr_number_decimals(double value, double width)
{
    const bool by_width = isfinite(width) && width > 0;
    const double of = by_width ? width : fabs(value);
    if (!isfinite(of) || of <= 0) return 4;
    const int decimals = (by_width ? 1 : 4) - (int)floor(log10(of));
    return decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
}

const char *gr_bytes_text(double bytes, char room[GR_NUMBER_TEXT])
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    int i = 0;
    for (; bytes >= 1024 && i < 4; i++) bytes /= 1024;
    snprintf(room, GR_NUMBER_TEXT, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
    return room;
}

const char *gr_duration_text(double seconds, char room[GR_NUMBER_TEXT])
{
    const long long whole = (long long)(seconds + 0.5);
    if (seconds < 9.95) snprintf(room, GR_NUMBER_TEXT, "%.2g s", seconds);
    else if (whole < 120) snprintf(room, GR_NUMBER_TEXT, "%lld s", whole);
    else if (whole < 7200) snprintf(room, GR_NUMBER_TEXT, "%lld min %lld s", whole / 60, whole % 60);
    else snprintf(room, GR_NUMBER_TEXT, "%lld h %lld min", whole / 3600, whole % 3600 / 60);
    return room;
}
