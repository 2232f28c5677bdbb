/* gradcheck.h - gradients against central differences. */
#ifndef GR_TRAIN_GRADCHECK_H
#define GR_TRAIN_GRADCHECK_H

#include "train/session.h"

typedef struct gr_gradcheck_result {
    int checked;       /* parameters and inputs */
    int wrong;         /* of them */
    double worst;      /* largest relative error met */
} gr_gradcheck_result;

/* For every parameter and every float input: all elements up to 200, else a sample of 200 and
 * one random direction. of: what is differentiated, NULL: what the model minimizes. A line each
 * on `out` (NULL: none). The session must be of float64. 0 also where some are wrong. */
int gr_gradcheck(gr_session *s, const char *of, FILE *out, gr_gradcheck_result *result, gr_error *e);
#endif
