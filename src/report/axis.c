/* axis.c - round numbers for axes.
 *
 * A linear axis has ticks at the multiples of 1, 2 or 5 times a power of ten. One of ratios has 1, 2, 5 of each
 * decade while these fit, else the decades, else every second, third, ... of them. */
#include "report/axis.h"
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rounding errors of multiples and powers are smaller than this part of a step. */
#define SLACK 1e-9
/* Numbers closer than this part of their size are the same: between two neighbours there is no multiple of a step. */
#define SAME 1e-12
/* Steps of smaller axes would round to 0, those of larger ones overflow. */
#define SMALLEST 1e-290
#define LARGEST 1e290

bool gr_axis_wants_log(double lo, double hi) { return lo > 0 && hi / lo >= 5; }

static double round_step(double least)
{
    const double power = pow(10, floor(log10(least)));
    static const double of_ten[] = {1, 2, 5, 10};
    for (int i = 0; i < 3; i++)
        if (of_ten[i] * power >= least * (1 - SLACK)) return of_ten[i] * power;
    return 10 * power;
}

static void linear_ticks(gr_axis *a, int most)
{
    for (double step = round_step((a->hi - a->lo) / most);; step = round_step(step * 1.5)) {
        const double first = ceil(a->lo / step - SLACK), last = floor(a->hi / step + SLACK);
        if (last - first + 1 > most) continue;
        a->num_ticks = last < first ? 0 : (int)(last - first) + 1;
        for (int i = 0; i < a->num_ticks; i++) a->tick[i] = (first + i) * step;
        return;
    }
}

/* The ticks of the first `each` of 1, 2, 5 in every `stride`-th decade; how many there are, which may be more than fit. */
static int decade_ticks(gr_axis *a, int each, int stride, int most)
{
    static const double of_ten[] = {1, 2, 5};
    int n = 0;
    const int first = (int)floor(log10(a->lo)), last = (int)ceil(log10(a->hi));
    for (int k = first; k <= last; k++) {
        if (((k % stride) + stride) % stride) continue;
        for (int i = 0; i < each; i++) {
            const double v = of_ten[i] * pow(10, k);
            if (v < a->lo * (1 - SLACK) || v > a->hi * (1 + SLACK)) continue;
            if (n < most) a->tick[n] = v;
            n++;
        }
    }
    return n;
}

static void log_ticks(gr_axis *a, int most)
{
    int n = decade_ticks(a, 3, 1, most);
    for (int stride = 1; n > most; stride++) n = decade_ticks(a, 1, stride, most);
    a->num_ticks = n;
    if (n < 3) linear_ticks(a, most); /* too narrow for decades */
}

gr_axis gr_axis_make(double lo, double hi, int most, bool log)
{
    if (!isfinite(lo) || !isfinite(hi)) lo = hi = 0;
    lo = fmin(fmax(lo, -LARGEST), LARGEST);
    hi = fmin(fmax(hi, -LARGEST), LARGEST);
    const double size = fmax(fabs(lo), fabs(hi));
    if (!(hi - lo > fmax(SAME * size, SMALLEST))) {
        const double room = size > 10 * SMALLEST ? size * 0.1 : 1;
        lo -= room;
        hi += room;
    }
    gr_axis a = {.lo = lo, .hi = hi, .log = log && lo > 0};
    if (most > GR_AXIS_TICKS) most = GR_AXIS_TICKS;
    if (a.log) log_ticks(&a, most);
    else linear_ticks(&a, most);
    return a;
}

double gr_axis_place(const gr_axis *a, double v)
{
    if (!a->log) return (v - a->lo) / (a->hi - a->lo);
    return v > 0 ? log(v / a->lo) / log(a->hi / a->lo) : -1;
}

/* The fewest decimals that write v, up to 6. */
static int decimals_of(double v)
{
    int d = 0;
    for (double scaled = fabs(v); d < 6 && fabs(scaled - round(scaled)) > 1e-6 * fmax(scaled, 1); scaled *= 10) d++;
    return d;
}

const char *gr_axis_label(const gr_axis *a, int tick, char room[GR_AXIS_LABEL])
{
    const double v = a->tick[tick], size = fabs(v);
    double largest = fabs(a->tick[a->num_ticks - 1]);
    char number[GR_NUMBER_TEXT];
    int decimals = 0;
    if (size > 0 && (size < 1e-4 || size >= 1e9)) {
        const int power = (int)floor(log10(size) + SLACK);
        snprintf(room, GR_AXIS_LABEL, "%s%.0fe%s%d", v < 0 ? "\xe2\x88\x92" : "", size / pow(10, power), power < 0 ? "\xe2\x88\x92" : "",
                 power < 0 ? -power : power);
        return room;
    }
    const double unit = largest >= 1e6 && (!a->log || size >= 1e6) ? 1e6 : 1;
    for (int i = 0; i < a->num_ticks; i++) { /* of a linear axis all have as many decimals */
        const int d = decimals_of(a->tick[i] / unit);
        if ((!a->log || i == tick) && d > decimals) decimals = d;
    }
    snprintf(room, GR_AXIS_LABEL, "%s%s", gr_number_text(v / unit, decimals, number), unit > 1 && v != 0 ? "M" : "");
    return room;
}
