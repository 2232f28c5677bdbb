/* loss.h - a loss taken apart into means, so that batches of unlike sizes add up. */
#ifndef GR_TRAIN_LOSS_H
#define GR_TRAIN_LOSS_H

#include "train/recipe.h"

#define GR_LOSS_TERMS 16

/* Gives the sum of several losses, each times its weight, the name GR_TOTAL_LOSS. -1 after a
 * diagnostic. Nothing where the recipe minimizes one value as it is. */
int gr_loss_total(const gr_recipe *r, gr_graph *root);

/* The terms that the losses are the sums of become results, "loss:0:0" and so on: of term i,
 * "loss:i:0" is a mean, "loss:i:1" of how many elements, "loss:i:2" its factor in the sum, "loss:i:3"
 * the number of its loss. The last batch of a split may be smaller than the others, and its means
 * then count for less. */
void gr_loss_emit(const gr_recipe *r, gr_graph *root);

/* Whether v is one number everywhere, whatever is fed; which one. */
bool gr_is_filled(const gr_value *v, double *number);
#endif
