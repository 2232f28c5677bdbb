/* ts.h - the .ts format of time series (sktime, timeseriesclassification.com).
 *
 *     # comments
 *     @problemName JapaneseVowels
 *     @univariate false
 *     @dimensions 12
 *     @equalLength false
 *     @classLabel true 1 2 3
 *     @data
 *     1.8,1.9,1.7:-0.2,-0.1,-0.3: ... :1
 *
 * A line is a case: its channels with ':' between them, values with ',', the class last; ? is a
 * missing value. Series with time stamps are not read. */
#ifndef GR_IO_TS_H
#define GR_IO_TS_H

#include "base/diag.h"

typedef struct gr_ts_case {
    int64_t line;         /* of the file, from 1 */
    int64_t steps;        /* at least 1 */
    const double *values; /* [channels][steps]; NaN: missing */
    int label;            /* in classes; -1: the file has none */
    double target;        /* with @targetLabel true */
} gr_ts_case;

typedef struct gr_ts {
    int channels;
    int64_t count;
    gr_ts_case *cases;
    int num_classes;      /* 0: the file is not labelled */
    const char **classes; /* in the order of the header */
    bool has_targets;     /* numbers in place of classes */
} gr_ts;

/* text[0..length) ends with a 0. What is wrong is an error with its line. 0 or a status. */
int gr_ts_parse(gr_arena *a, const char *name, const char *text, size_t length, gr_ts *out, gr_error *e);
#endif
