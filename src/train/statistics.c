/* statistics.c - the t distribution by the regularised incomplete beta function.
 *
 *     P(|T| >= t) = I_x(df / 2, 1 / 2),  x = df / (df + t^2)
 *
 * I by its continued fraction (Abramowitz and Stegun 26.5.8), evaluated by Lentz's method as Thompson
 * and Barnett changed it (J. Comput. Phys. 64, 1986). */
#include "train/statistics.h"

#include <float.h>
#include <math.h>

#define LEAST 1e-300 /* in place of a denominator that is 0 */

/* lgamma() writes a global. */
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

static double not_zero(double x) { return fabs(x) < LEAST ? LEAST : x; }

/* Converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    double c = 1, d = 1 / not_zero(1 - (a + b) * x / (a + 1)), f = d;
    for (int m = 1; m <= 1000; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / not_zero(1 + even * d);
        c = not_zero(1 + even / c);
        f *= d * c;
        d = 1 / not_zero(1 + odd * d);
        c = not_zero(1 + odd / c);
        f *= d * c;
        if (fabs(d * c - 1) < 2 * DBL_EPSILON) break;
    }
    return f;
}

/* I_x(a, b); y = 1 - x, given apart because near 1 the difference has few digits. */
static double incomplete_beta(double x, double y, double a, double b)
{
    if (x <= 0) return 0;
    if (y <= 0) return 1;
    const double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(y, b, a) / b;
}

double gr_t_two_sided(double t, double df)
{
    if (isnan(t)) return t;
    if (isinf(t)) return 0;
    return incomplete_beta(df / (df + t * t), t * t / (df + t * t), df / 2, 0.5);
}

/* The tail falls from 1 to 0, so the place where it is 1 - level is halved in upon until doubles end. */
double gr_t_within(double level, double df)
{
    double low = 0, high = 1;
    while (gr_t_two_sided(high, df) > 1 - level && high < 1e300) high *= 2;
    for (;;) {
        const double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) return high;
        if (gr_t_two_sided(middle, df) > 1 - level) low = middle;
        else high = middle;
    }
}

gr_mean_error gr_mean_error_of(const double *x, int n)
{
    gr_mean_error r = {n, NAN, NAN};
    double sum = 0, squares = 0;
    if (n < 1) return r;
    for (int i = 0; i < n; i++) sum += x[i];
    r.mean = sum / n;
    for (int i = 0; i < n; i++) squares += (x[i] - r.mean) * (x[i] - r.mean);
    if (n > 1) r.error = sqrt(squares / (n - 1) / n);
    return r;
}
