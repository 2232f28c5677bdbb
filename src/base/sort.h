/* sort.h - numbers in order. */
#ifndef GR_BASE_SORT_H
#define GR_BASE_SORT_H

#include <stdint.h>

/* Ascending; none of them is NaN. */
void gr_sort(double *x, int64_t n);
/* Of n > 0 numbers, which it sorts; of an even number the mean of the middle two. */
double gr_median(double *x, int64_t n);
#endif
