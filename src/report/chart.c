/* chart.c - line charts: axes with round numbers, bands, lines of single runs.
 *
 *     <svg>                              as wide and high as the style sheet says; text may stand beside it
 *       grid and ticks                   by percent
 *       <svg viewBox="0 0 1000 1000">    stretched over it: bands, runs, means; strokes keep their width
 *       markers                          by percent
 *     </svg>
 *
 * The numbers of the means stand in data- attributes, for the read-out of report.js. */
#include "report/chart.h"
#include "base/utf8.h"
#include "report/html.h"
#include "train/compare.h"

#include <math.h>
#include <string.h>

enum { MAX_X_TICKS = 5, MAX_Y_TICKS = 6 };

typedef struct plot {
    const gr_chart *chart;
    gr_band *band; /* by series */
    gr_axis x, y;
    gr_arena *arena;
    FILE *to;
} plot;

/* ---- means and intervals ---- */

static void set_band(gr_band *b, int i, const gr_estimate *e, bool by_ratio)
{
    b->mean[i] = by_ratio ? exp(e->mean) : e->mean;
    const bool known = e->n > 1 && (!by_ratio || isfinite(e->low));
    b->lo[i] = !known ? b->mean[i] : by_ratio ? exp(e->low) : e->low;
    b->hi[i] = !known ? b->mean[i] : by_ratio ? exp(e->high) : e->high;
}

gr_band gr_chart_band(gr_arena *a, const gr_chart_series *s, double level, bool by_ratio)
{
    const gr_chart_line **run = GR_NEW_ARRAY(a, const gr_chart_line *, s->num_runs + 1);
    double *at = GR_NEW_ARRAY(a, double, s->num_runs + 1);
    int runs = 0;
    gr_band b = {0};
    for (int k = 0; k < s->num_runs; k++) {
        if (!s->runs[k].count) continue;
        if (!runs || s->runs[k].count < b.count) b.count = s->runs[k].count;
        run[runs++] = &s->runs[k];
    }
    double **part[] = {&b.x, &b.mean, &b.lo, &b.hi};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) *part[i] = GR_NEW_ARRAY(a, double, b.count + 1);
    for (int i = 0; i < b.count; i++) {
        int n = 0;
        for (int k = 0; k < runs; k++) {
            at[n] = by_ratio ? log(run[k]->y[i]) : run[k]->y[i];
            n += by_ratio ? !isnan(at[n]) : isfinite(at[n]);
        }
        const gr_estimate e = gr_estimate_of(at, n, level);
        b.x[i] = run[0]->x[i];
        set_band(&b, i, &e, by_ratio);
    }
    return b;
}

/* ---- what the axes must hold ---- */

typedef struct range { double lo, hi; } range;

static void widen(range *r, double v)
{
    if (!isfinite(v)) return;
    if (v < r->lo) r->lo = v;
    if (v > r->hi) r->hi = v;
}

/* A log axis leaves out what is not above 0, where an interval reaches below. */
static gr_axis axis_of_y(const plot *p)
{
    range r = {INFINITY, -INFINITY};
    for (int s = 0; s < p->chart->num_series; s++)
        for (int k = 0; k < p->chart->series[s].num_runs; k++) {
            const gr_chart_line *l = &p->chart->series[s].runs[k];
            for (int i = 0; i < l->count; i++) widen(&r, p->chart->by_ratio && l->y[i] <= 0 ? NAN : l->y[i]);
        }
    if (p->chart->by_ratio || (p->chart->may_log_y && gr_axis_wants_log(r.lo, r.hi))) {
        const double room = pow(r.hi / r.lo, 0.03);
        return gr_axis_make(r.lo / room, r.hi * room, MAX_Y_TICKS, true);
    }
    const range most = {r.lo - (r.hi - r.lo) / 3, r.hi + (r.hi - r.lo) / 3}; /* an interval of few seeds may dwarf them */
    for (int s = 0; s < p->chart->num_series; s++)
        for (int i = 0; p->chart->num_ticks && i < p->band[s].count; i++)
            widen(&r, fmax(p->band[s].lo[i], most.lo)), widen(&r, fmin(p->band[s].hi[i], most.hi));
    const double room = (r.hi - r.lo) * 0.04;
    return gr_axis_make(r.lo - room, r.hi + room, MAX_Y_TICKS, false);
}

static gr_axis axis_of_x(const plot *p)
{
    range r = {INFINITY, -INFINITY};
    for (int s = 0; s < p->chart->num_series; s++)
        for (int k = 0; k < p->chart->series[s].num_runs; k++) {
            const gr_chart_line *l = &p->chart->series[s].runs[k];
            for (int i = 0; i < l->count; i++) widen(&r, l->x[i]);
        }
    if (!p->chart->num_ticks && r.lo > 0) r.lo = 0;
    gr_axis x = gr_axis_make(r.lo, r.hi, MAX_X_TICKS, p->chart->log_x);
    for (int i = 0; i < p->chart->num_ticks; i++) x.tick[i] = p->chart->tick[i];
    if (p->chart->num_ticks) x.num_ticks = p->chart->num_ticks;
    return x;
}

/* ---- axes ---- */

static double percent_x(const plot *p, double v) { return 100 * gr_axis_place(&p->x, v); }
static double percent_y(const plot *p, double v) { return 100 * (1 - gr_axis_place(&p->y, v)); }

/* The ticks of settings may be near each other: one whose name would stand on that before is left without. A phone
 * shows about 40 characters. */
static void write_x_labels(const plot *p)
{
    const double wide = 100. / 40;
    double end = -100;
    char label[GR_AXIS_LABEL];
    for (int i = 0; i < p->x.num_ticks; i++) {
        const char *text = p->chart->num_ticks ? p->chart->tick_name[i] : gr_axis_label(&p->x, i, label);
        const double at = percent_x(p, p->x.tick[i]), half = 0.5 * wide * gr_utf8_width(text, strlen(text));
        fprintf(p->to, "<line class=\"tick\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"100%%\" y2=\"100%%\" transform=\"translate(0 4)\"/>", at, at);
        if (p->chart->num_ticks && at - half < end + 0.5 * wide) continue;
        end = at + half;
        fprintf(p->to, "<text class=\"x\" x=\"%.2f%%\" y=\"100%%\" dy=\"20\">", at);
        gr_html_text(p->to, text);
        fputs("</text>\n", p->to);
    }
}

static void write_grid(const plot *p)
{
    char label[GR_AXIS_LABEL];
    for (int i = 0; i < p->y.num_ticks; i++) {
        const double at = percent_y(p, p->y.tick[i]);
        fprintf(p->to, "<line class=\"grid\" x2=\"100%%\" y1=\"%.2f%%\" y2=\"%.2f%%\"/><text class=\"y\" y=\"%.2f%%\" dx=\"-8\" dy=\".35em\">%s</text>\n",
                at, at, at, gr_axis_label(&p->y, i, label));
    }
    write_x_labels(p);
    fputs("<line class=\"axis\" x2=\"100%\" y1=\"100%\" y2=\"100%\"/>\n<text class=\"x name\" x=\"100%\" y=\"100%\" dy=\"37\">", p->to);
    gr_html_text(p->to, p->chart->x_label);
    fputs("</text>\n", p->to);
}

/* ---- lines ---- */

/* A place in the square; far outside is enough where an interval leaves it. */
static void write_point(const plot *p, char command, double x, double y)
{
    const double at = fmin(fmax(10 * percent_y(p, y), -2000), 3000);
    fprintf(p->to, "%c%.1f %.1f", command, 10 * percent_x(p, x), at);
}

static void write_path(const plot *p, const char *kind, int style, const double *x, const double *y, int n)
{
    bool pen_down = false;
    fprintf(p->to, "<path class=\"%s s%d\" d=\"", kind, style);
    for (int i = 0; i < n; i++) {
        if (isfinite(y[i])) write_point(p, pen_down ? 'L' : 'M', x[i], y[i]);
        pen_down = isfinite(y[i]);
    }
    fputs("\"/>\n", p->to);
}

/* A piece for each stretch without a gap. */
static void write_band(const plot *p, int style, const gr_band *b)
{
    if (b->count < 2) return;
    fprintf(p->to, "<path class=\"band s%d\" d=\"", style);
    for (int from = 0, end; from < b->count; from = end + 1) {
        for (end = from; end < b->count && isfinite(b->lo[end]) && isfinite(b->hi[end]);) end++;
        if (end - from < 2) continue;
        for (int i = from; i < end; i++) write_point(p, i > from ? 'L' : 'M', b->x[i], b->hi[i]);
        for (int i = end - 1; i >= from; i--) write_point(p, 'L', b->x[i], b->lo[i]);
        fputc('Z', p->to);
    }
    fputs("\"/>\n", p->to);
}

static void write_lines(const plot *p)
{
    fputs("<svg class=\"lines\" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" width=\"100%\" height=\"100%\">\n", p->to);
    for (int s = 0; s < p->chart->num_series; s++) write_band(p, p->chart->series[s].style, &p->band[s]);
    for (int s = 0; s < p->chart->num_series; s++)
        for (int k = 0; k < p->chart->series[s].num_runs && p->chart->series[s].num_runs > 1; k++) {
            const gr_chart_line *l = &p->chart->series[s].runs[k];
            write_path(p, "run", p->chart->series[s].style, l->x, l->y, l->count);
        }
    for (int s = 0; s < p->chart->num_series; s++)
        write_path(p, "mean", p->chart->series[s].style, p->band[s].x, p->band[s].mean, p->band[s].count);
    fputs("</svg>\n", p->to);
}

/* ---- markers ---- */

void gr_chart_write_marker(int style, FILE *to)
{
    enum { SHAPES = GR_CHART_STYLES / 2 };
    static const char *const shape[SHAPES] = {
        "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z",     /* circle */
        "M-3.6-3.6H3.6V3.6H-3.6Z",                /* square */
        "M0-4.8 4.6 3.4H-4.6Z",                   /* triangle */
        "M0-5.2 5.2 0 0 5.2-5.2 0Z",              /* diamond */
        "M0 4.8 4.6-3.4H-4.6Z",                   /* triangle, on its head */
        "M-1.5-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z", /* plus */
        "M-5 0-2.5-4.3H2.5L5 0 2.5 4.3H-2.5Z",    /* hexagon */
        "M-4.5-2.4-2.4-4.5 0-2.1 2.4-4.5 4.5-2.4 2.1 0 4.5 2.4 2.4 4.5 0 2.1-2.4 4.5-4.5 2.4-2.1 0Z", /* cross */
    };
    fprintf(to, "<path class=\"marker s%d\" d=\"%s\"/>", style, shape[style % SHAPES]);
}

static void write_marker_at(const plot *p, int style, double x, double y)
{
    fprintf(p->to, "<svg class=\"at\" x=\"%.2f%%\" y=\"%.2f%%\">", percent_x(p, x), percent_y(p, y));
    gr_chart_write_marker(style, p->to);
    fputs("</svg>\n", p->to);
}

/* At the end of a line, or at all of its few points. */
static void write_markers(const plot *p)
{
    for (int s = 0; s < p->chart->num_series; s++) {
        const gr_band *b = &p->band[s];
        for (int i = p->chart->num_ticks ? 0 : b->count - 1; i >= 0 && i < b->count; i++)
            if (isfinite(b->mean[i]) && (!p->chart->by_ratio || b->mean[i] >= p->y.lo)) write_marker_at(p, p->chart->series[s].style, b->x[i], b->mean[i]);
    }
}

/* ---- for the read-out ---- */

static void write_numbers(FILE *to, const char *name, const double *v, int n)
{
    fprintf(to, " data-%s=\"", name);
    for (int i = 0; i < n; i++)
        if (isfinite(v[i])) fprintf(to, "%s%.5g", i ? "," : "", v[i]);
        else fputs(i ? "," : "", to);
    fputc('"', to);
}

static void write_data(const plot *p)
{
    for (int s = 0; s < p->chart->num_series; s++) {
        const gr_band *b = &p->band[s];
        fprintf(p->to, "<g class=\"data\" data-style=\"%d\" data-name=\"", p->chart->series[s].style);
        gr_html_text(p->to, p->chart->series[s].name);
        fputc('"', p->to);
        write_numbers(p->to, "x", b->x, b->count);
        write_numbers(p->to, "mean", b->mean, b->count);
        if (p->chart->series[s].num_runs > 1) {
            write_numbers(p->to, "lo", b->lo, b->count);
            write_numbers(p->to, "hi", b->hi, b->count);
        }
        fputs("></g>\n", p->to);
    }
}

static const char *number_text(const plot *p, double v, char number[GR_NUMBER_TEXT])
{
    return p->chart->by_ratio && isfinite(v) ? gr_arena_printf(p->arena, "%.2g", v) : gr_number_text(v, gr_number_decimals(v, 0), number);
}

/* What the picture shows, for those who do not see it: where each line begins and ends. */
static void write_description(const plot *p)
{
    char number[GR_NUMBER_TEXT];
    gr_html_text(p->to, gr_arena_printf(p->arena, "Line chart: %s.", p->chart->about));
    for (int s = 0; s < p->chart->num_series; s++) {
        const gr_band *b = &p->band[s];
        if (!b->count) continue;
        const double first = b->mean[0], last = b->mean[b->count - 1];
        gr_html_text(p->to, gr_arena_printf(p->arena, " %s: from %s", p->chart->series[s].name, number_text(p, first, number)));
        gr_html_text(p->to, gr_arena_printf(p->arena, " to %s.", number_text(p, last, number)));
    }
}

static bool has_points(const plot *p)
{
    for (int s = 0; s < p->chart->num_series; s++)
        for (int i = 0; i < p->band[s].count; i++)
            if (isfinite(p->band[s].mean[i])) return true;
    return false;
}

static void write_plot(const plot *p)
{
    fprintf(p->to, "<div class=\"plot\"><svg role=\"img\" data-x0=\"%.9g\" data-x1=\"%.9g\" data-y0=\"%.9g\" data-y1=\"%.9g\" data-log=\"%s%s\"",
            p->x.lo, p->x.hi, p->y.lo, p->y.hi, p->x.log ? "x" : "", p->y.log ? "y" : "");
    fputs(" data-of=\"", p->to);
    gr_html_text(p->to, p->chart->x_label);
    fputs("\" aria-label=\"", p->to);
    write_description(p);
    fputs("\">\n", p->to);
    write_grid(p);
    write_lines(p);
    write_markers(p);
    write_data(p);
    fputs("</svg></div>\n", p->to);
}

void gr_chart_write(gr_arena *a, const gr_chart *c, FILE *to)
{
    plot p = {.chart = c, .band = GR_NEW_ARRAY(a, gr_band, c->num_series + 1), .arena = a, .to = to};
    for (int s = 0; s < c->num_series; s++) p.band[s] = gr_chart_band(a, &c->series[s], c->level, c->by_ratio);
    fputs("<figure class=\"chart\">\n<figcaption>", to);
    gr_html_text(to, c->title);
    fputs("</figcaption>\n", to);
    if (has_points(&p)) {
        p.x = axis_of_x(&p);
        p.y = axis_of_y(&p);
        fputs("<p class=\"unit\">", to);
        gr_html_text(to, c->y_label);
        fputs(p.y.log ? ", log scale</p>\n" : "</p>\n", to);
        write_plot(&p);
    } else {
        fputs("<p class=\"note\">Nothing was measured.</p>\n", to);
    }
    fputs("</figure>\n", to);
}

void gr_chart_write_legend(const gr_chart_series *s, int n, FILE *to)
{
    fputs("<ul class=\"legend\">\n", to);
    for (int i = 0; i < n; i++) {
        fprintf(to, "<li><svg viewBox=\"-20 -7 40 14\" width=\"40\" height=\"14\" aria-hidden=\"true\"><path class=\"mean s%d\" d=\"M-19 0H19\"/>", s[i].style);
        gr_chart_write_marker(s[i].style, to);
        fputs("</svg><bdi>", to);
        gr_html_text(to, s[i].name);
        fputs("</bdi></li>\n", to);
    }
    fputs("</ul>\n", to);
}
