/* update.h - the training loop's own part of the graph: gr_request.update and .prepare. */
#ifndef GR_TRAIN_UPDATE_H
#define GR_TRAIN_UPDATE_H

#include "pass/pass.h"
#include "train/recipe.h"

#define GR_STEP_STATE "train.step"

/* Name of the Input that rate i of the recipe is fed to. */
const char *gr_update_lr_input(gr_arena *a, int i);

/* Clips, gives each parameter its optimiser, and lets every state take its `next` only if
 * the loss and all gradients are finite. data: the gr_recipe. */
int gr_update_emit(void *data, gr_emitter *e, int n, gr_state **params, gr_value **grads, gr_value *loss);

/* Carries of loops become states: of the nodes named, or of all loops (names NULL). A loop's
 * carry may start from zeros alone. reset: as in gr_state. -1 after a diagnostic. */
int gr_carry_states(gr_graph *root, const char *const *names, const gr_loc *at, int n, const char *reset);
#endif
