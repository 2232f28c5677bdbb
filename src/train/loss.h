/* loss.h - a loss taken apart into means, so that batches of unlike sizes add up. */
#ifndef GR_TRAIN_LOSS_H
#define GR_TRAIN_LOSS_H

#include "graph/graph.h"

#define GR_LOSS_TERMS 16

/* The terms that the value `loss` is the sum of become results, "loss:0:0" and so on: of term i,
 * "loss:i:0" is a mean, "loss:i:1" of how many elements, "loss:i:2" its factor in the sum. The last
 * batch of a split may be smaller than the others, and its means then count for less. */
void gr_loss_emit(gr_graph *root, const char *loss);

/* Whether v is one number everywhere, whatever is fed; which one. */
bool gr_is_filled(const gr_value *v, double *number);
#endif
