/* comparison.h - a comparison of models as a table. */
#ifndef GR_REPORT_COMPARISON_H
#define GR_REPORT_COMPARISON_H

#include "base/diag.h"
#include "train/comparison.h"
#include <stdio.h>

/* A row a model: size, speed, memory, the metric at the end and at its best with intervals over seeds, the
 * difference to the first model; and below what the numbers mean. 0, or a status with e filled: the table is not whole. */
int gr_comparison_print(const gr_comparison *c, FILE *to, gr_error *e);
#endif
