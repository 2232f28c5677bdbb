/* scale.h - standardized columns: x becomes (x - mean) / std, by the split train alone.
 *
 * With `minmax` mean is the least value and std the range, so that value * std + mean is the
 * original either way; with `none` they are 0 and 1. What was learnt stands in the weights'
 * metadata, and is used where there are weights. A column that is constant has std 1. */
#ifndef GR_DATA_SCALE_H
#define GR_DATA_SCALE_H

#include "data/desc.h"

#define GR_SCALE_ATTRS                                                                                               \
    {"standardize", GR_ATTR_CHOICE, "none", 0, 0, "none|zscore|minmax",                                              \
     "zscore: mean 0 and standard deviation 1, minmax: from 0 to 1, each column by the split train"},                \
    {"missing", GR_ATTR_FLOAT, "~", 0, 0, NULL, "stands for what is empty, ?, NA or NaN; absent: that is a mistake"}

typedef struct gr_scale {
    const char *name; /* of the metadata: NAME_mean, NAME_std */
    int columns;
    bool known;       /* of the weights: nothing is to be learnt */
    double *mean, *std;
    int64_t *count;
    double *least, *most, *square; /* square: sum of squared distances from the mean */
} gr_scale;

/* NULL after a diagnostic: the weights know another number of columns. */
gr_scale *gr_scale_create(gr_data *d, const char *name, int columns);
void gr_scale_learn(gr_scale *s, int column, double x);
/* After all values were given. Remembers mean and std for the metadata. */
void gr_scale_finish(gr_data *d, gr_scale *s);
double gr_scale_apply(const gr_scale *s, int column, double x);
/* $data.mean and $data.std; numbers, or lists of several columns. s NULL: no file is at hand. */
void gr_scale_tell(gr_data *d, const gr_scale *s);
#endif
