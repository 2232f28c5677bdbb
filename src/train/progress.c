/* progress.c - the bar and the lines. */
#include "train/progress.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define BAR_SECONDS 0.1   /* between two drawings */
#define LINE_SECONDS 10.0 /* between two lines where no terminal is */

double gr_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void gr_progress_start(gr_progress *p, FILE *to, int64_t first, int64_t total)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    p->to = to;
    p->terminal = to && isatty(fileno(to)) && !(term && strcmp(term, "dumb") == 0);
    p->color = p->terminal && !(no_color && *no_color);
    p->first = first;
    p->total = total;
    p->start = p->shown = gr_seconds();
    p->drawn = false;
}

/* "1.2k", "3.4M" */
static void short_number(char *to, size_t size, double x)
{
    static const char unit[] = " kMG";
    int i = 0;
    for (; x >= 1000 && i < 3; i++) x /= 1000;
    if (i) snprintf(to, size, "%.1f%c", x, unit[i]);
    else snprintf(to, size, "%.*f", x < 10, x);
}

static void short_time(char *to, size_t size, double s)
{
    int64_t t = (int64_t)s;
    if (t >= 3600) snprintf(to, size, "%lld:%02lld:%02lld", (long long)t / 3600, (long long)t / 60 % 60, (long long)t % 60);
    else snprintf(to, size, "%lld:%02lld", (long long)t / 60, (long long)t % 60);
}

static void status(const gr_progress *p, char *to, size_t size, int64_t done, int64_t tokens, double now)
{
    double elapsed = now - p->start, made = (double)(done - p->first);
    char rate[16], left[24] = "?";
    short_number(rate, sizeof rate, (tokens ? (double)tokens : made) / (elapsed > 0 ? elapsed : 1));
    if (p->total > 0 && made > 0) short_time(left, sizeof left, elapsed / made * (double)(p->total - done));
    if (p->total > 0)
        snprintf(to, size, "step %lld/%lld  %s %s/s  %s left", (long long)done, (long long)p->total, rate,
                 tokens ? "tokens" : "steps", left);
    else snprintf(to, size, "step %lld  %s %s/s", (long long)done, rate, tokens ? "tokens" : "steps");
}

static void draw_bar(gr_progress *p, const char *text, int64_t done)
{
    char bar[BAR_WIDTH + 1];
    int full = p->total > 0 ? (int)(BAR_WIDTH * done / p->total) : 0;
    for (int i = 0; i < BAR_WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    fprintf(p->to, "\r\033[K%s[%s]%s %s", p->color ? "\033[32m" : "", bar, p->color ? "\033[0m" : "", text);
    fflush(p->to);
    p->drawn = true;
}

void gr_progress_step(gr_progress *p, int64_t done, int64_t tokens)
{
    if (!p->to) return;
    double now = gr_seconds();
    if (now - p->shown < (p->terminal ? BAR_SECONDS : LINE_SECONDS)) return;
    p->shown = now;
    char text[160];
    status(p, text, sizeof text, done, tokens, now);
    if (p->terminal) draw_bar(p, text, done);
    else fprintf(p->to, "%s\n", text);
}

void gr_progress_clear(gr_progress *p)
{
    if (p->drawn) fprintf(p->to, "\r\033[K");
    p->drawn = false;
}
