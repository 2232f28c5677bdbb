/* frozen.h - what depends on weights alone, where these stay as they are. */
#ifndef GR_PASS_FROZEN_H
#define GR_PASS_FROZEN_H

#include "pass/stepwise.h"

/* Whether v, of the root, is made of weights that this graph does not change and of constants. */
bool gr_is_frozen(const gr_value *v);
/* After the last pass: such values as the rest of the graph reads become states, whose names begin
 * with prefix. Their number, and a list in the graph's arena. */
int gr_cut_frozen(gr_graph *root, const char *prefix, gr_border **borders);
/* Leaves of the same graph, made again, these values alone, as results under their states' names. */
void gr_keep_frozen(gr_graph *root, int n, const gr_border *borders);
#endif
