/* chart.h - line charts with bands, as SVG that stands in a page.
 *
 * The plot is as wide as its place and as high as the style sheet says; lines are drawn in
 * a square of 1000 x 1000 that is stretched over it with strokes left alone, and everything
 * else is placed by percent, so that text has one size on a phone and on a desk. Colours,
 * dashes and markers are classes s0, s1, ... of report.css. */
#ifndef GR_REPORT_CHART_H
#define GR_REPORT_CHART_H

#include "base/arena.h"
#include "report/axis.h"
#include <stdio.h>

enum { GR_CHART_STYLES = 16 }; /* that differ in colour, dashes and marker, the second half of which are hollow */

/* Points with rising x; what is not finite in y is a gap. */
typedef struct gr_chart_line { double *x, *y; int count; } gr_chart_line;

typedef struct gr_chart_series {
    const char *name;
    int style;
    gr_chart_line *runs; int num_runs; /* one a seed */
} gr_chart_series;

typedef struct gr_chart {
    const char *title;       /* what is written above it: "By step" */
    const char *about;       /* the same for those who do not see what it stands in: "validation perplexity by step" */
    const char *x_label;     /* "step", "wall time, minutes" */
    const char *y_label;     /* "perplexity" */
    gr_chart_series *series; int num_series;
    bool log_x;
    bool may_log_y;          /* where y differs by its ratios: a loss, no accuracy */
    bool by_ratio;           /* y are lengths over many decades, 0 among them: a log axis, and means are geometric */
    const double *tick; const char *const *tick_name; int num_ticks; /* x are these few settings, rising, not a course:
                                markers on every one; 0: it is a course. At most GR_AXIS_TICKS */
    double level;            /* of the intervals: 0.95 */
} gr_chart;

/* What a series comes to: the mean over its runs at x, and its interval. */
typedef struct gr_band { double *x, *mean, *lo, *hi; int count; } gr_band;

/* From the runs of s that have points, as far as all of them go; they have the same x up to there. lo and hi: the
 * interval of the mean at that level, or the mean itself where there is one run. What is not finite (by_ratio: NaN) is
 * left out, so that a run that diverged takes nothing from the others; where all of it is, so is the mean. by_ratio: of the geometric mean, 0
 * where a run has 0. */
gr_band gr_chart_band(gr_arena *a, const gr_chart_series *s, double level, bool by_ratio);

/* A figure. Scratch memory comes from a. What `to` makes of it is the caller's to see. */
void gr_chart_write(gr_arena *a, const gr_chart *c, FILE *to);
/* The names of the series, each with its line and marker. */
void gr_chart_write_legend(const gr_chart_series *s, int n, FILE *to);
/* The marker of a style as SVG around the origin, about 8 wide. */
void gr_chart_write_marker(int style, FILE *to);
#endif
