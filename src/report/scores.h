/* scores.h - what an evaluation measured, as a table and as JSON. */
#ifndef GR_REPORT_SCORES_H
#define GR_REPORT_SCORES_H

#include "train/metrics.h"

typedef struct gr_scores {
    gr_session *session;
    const gr_meter *meter;
    const char *split;
    double seconds;
    const gr_meter *exact; /* the same with weights as they are, where products kept them with 16 bits; NULL: they did not */
} gr_scores;

/* Scores of one class, as scikit-learn defines them: 0 where nothing was to be found or was. */
typedef struct gr_class_scores {
    double precision, recall, f1;
    double support; /* targets of it */
} gr_class_scores;

/* Class i of counts [classes, classes], rows targets, columns chosen. */
gr_class_scores gr_scores_of_class(const double *counts, int64_t classes, int64_t i);
/* The mean over the classes that occur as target or choice; weighted: by their support. */
gr_class_scores gr_scores_mean(const double *counts, int64_t classes, bool weighted);

/* Loss and metrics with the number of elements each is of; for each pair of logits and targets
 * whose classes were counted also the confusion matrix, where it is not too wide to be read, and
 * the scores of every class that occurs. */
void gr_scores_print(const gr_scores *s, FILE *to);
/* The same, the matrix whole, as one JSON object. */
int gr_scores_write(const gr_scores *s, const char *path, gr_error *e);
#endif
