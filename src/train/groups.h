/* groups.h - which parameters are trained alike, and which not at all. */
#ifndef GR_TRAIN_GROUPS_H
#define GR_TRAIN_GROUPS_H

#include "train/recipe.h"

/* The first group of the recipe of which a pattern fits one of the state's names. */
int gr_group_of(const gr_recipe *r, const gr_state *s);
/* Every pattern must fit a parameter that no group before has. -1 after diagnostics. */
int gr_groups_check(const gr_recipe *r, const gr_graph *root);
/* Parameters of frozen groups become such that nothing trains, so that no gradient is computed
 * for them. -1 after a diagnostic: nothing is left to train. */
int gr_groups_freeze(const gr_recipe *r, gr_graph *root);
#endif
