/* figure.h - a loss or a metric as text for a person: four decimals while these say anything. */
#ifndef GR_TRAIN_FIGURE_H
#define GR_TRAIN_FIGURE_H

#include <math.h>
#include <stdio.h>

enum { GR_FIGURE = 32 };

/* "2.6537", "4e+30"; gives `to`. */
static inline const char *gr_figure(char to[GR_FIGURE], double x)
{
    snprintf(to, GR_FIGURE, fabs(x) < 1e7 ? "%.4f" : "%.4g", x);
    return to;
}
#endif
