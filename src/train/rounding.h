/* rounding.h - what it does to the weights that products keep them with 16 bits. */
#ifndef GR_TRAIN_ROUNDING_H
#define GR_TRAIN_ROUNDING_H

#include "train/session.h"

/* bfloat16 or float16 by name; GR_UNKNOWN: another name. */
gr_dtype gr_half_by_name(const char *name);
/* Adds to s->rounding the weights that what g keeps with 16 bits is made of, each once.
 * GR_EINVAL where one is too large for float16. Their states are filled. */
int gr_rounding_measure(gr_session *s, const gr_graph *g, gr_error *e);
/* "products keep 3 parameters as bfloat16, rounded by 0.17% (root mean square; most in
 * rnn.weight_hh_l0)", in the session's memory; NULL where weights stay as they are. */
const char *gr_rounding_text(gr_session *s);
#endif
