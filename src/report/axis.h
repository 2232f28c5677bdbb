/* axis.h - from numbers to places on an axis, and the round numbers that it shows. */
#ifndef GR_REPORT_AXIS_H
#define GR_REPORT_AXIS_H

#include <stdbool.h>

enum { GR_AXIS_TICKS = 16, GR_AXIS_LABEL = 32 };

typedef struct gr_axis {
    double lo, hi;    /* its ends, lo < hi; above 0 where log */
    bool log;
    double tick[GR_AXIS_TICKS]; int num_ticks; /* rising, between the ends */
} gr_axis;

/* An axis over numbers from lo to hi with about `most` ticks, never more, at 1, 2 or 5 times a power of ten.
 * `log` is followed where both are above 0. Numbers that are all the same get room around them. */
gr_axis gr_axis_make(double lo, double hi, int most, bool log);
/* Whether numbers from lo to hi are told apart better by their ratios: both above 0 and one at least five times the other. */
bool gr_axis_wants_log(double lo, double hi);
/* 0 at lo, 1 at hi; not cut off beyond them. */
double gr_axis_place(const gr_axis *a, double value);
/* "0.05", "2,000", "1.5M", "1e−6" */
const char *gr_axis_label(const gr_axis *a, int tick, char room[GR_AXIS_LABEL]);
#endif
