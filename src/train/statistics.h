/* statistics.h - Student's t: intervals of means of a few numbers. */
#ifndef GR_TRAIN_STATISTICS_H
#define GR_TRAIN_STATISTICS_H

/* P(|T| >= |t|) of Student's distribution with df > 0 degrees of freedom. */
double gr_t_two_sided(double t, double df);
/* The t >= 0 with P(|T| <= t) = level, 0 <= level < 1: 2.776 for 0.95 and df 4. */
double gr_t_within(double level, double df);

/* Of n numbers: mean, and standard error of the mean (NaN where n < 2). n 0: both NaN. */
typedef struct gr_mean_error { int n; double mean, error; } gr_mean_error;
gr_mean_error gr_mean_error_of(const double *x, int n);
#endif
