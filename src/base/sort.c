/* sort.c - see sort.h. */
#include "base/sort.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void gr_sort(double *x, int64_t n) { qsort(x, (size_t)n, sizeof *x, compare); }

double gr_median(double *x, int64_t n)
{
    gr_sort(x, n);
    return n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}
