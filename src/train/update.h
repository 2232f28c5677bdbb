/* update.h - the training loop's own part of the graph: gr_request.update and .prepare. */
#ifndef GR_TRAIN_UPDATE_H
#define GR_TRAIN_UPDATE_H

#include "pass/pass.h"
#include "train/recipe.h"

#define GR_STEP_STATE "train.step"

/* With `accumulate`: how many batches there were since the last update, this one counted, and whether
 * this one makes an update. */
#define GR_BATCHES_INPUT "train.batches"
#define GR_LAST_INPUT "train.last"
/* Name of the Input that rate i of the recipe is fed to. */
const char *gr_update_lr_input(gr_arena *a, int i);

/* Clips, gives each parameter its optimiser, and lets every state take its `next` only if
 * the loss and all gradients are finite. data: the gr_recipe. */
int gr_update_emit(void *data, gr_emitter *e, int n, gr_state **params, gr_value **grads, gr_value *loss);

/* Carries of the loops that `carry` names become states, reset when an epoch begins; with an axis
 * that is cut (cut.h) and without `carry` those of all loops, reset when a batch begins. Training
 * and evaluation have states of their own. -1 after a diagnostic. */
int gr_carry_states(gr_graph *root, const gr_recipe *r, const char *cut, bool training);
/* Every name under `carry` is that of a loop with a state; -1 after a diagnostic. */
int gr_carry_names(const gr_graph *root, const gr_recipe *r);
/* Which entry of `carry` names the loop; -1: none does. */
int gr_carry_number(const gr_recipe *r, const gr_node *loop);

/* ---- sparse.c: parameters with a sparse gradient (gr_state.sparse) ---- */
/* opt becomes the optimiser for s's rows. -1 after a diagnostic: it moves every row. */
int gr_sparse_optimizer(gr_graph *g, const gr_state *s, gr_call_spec *opt);
/* table[rows]; look_up: as that node looks up, NULL: plainly. Zeros where a row is -1. */
gr_value *gr_sparse_gather(gr_emitter *e, gr_value *table, gr_value *rows, const gr_node *look_up);
/* The table with those rows as they are now, or, unless `commit`, as they were before. */
gr_value *gr_sparse_put(gr_emitter *e, gr_value *table, gr_value *rows, gr_value *commit, gr_value *now, gr_value *before);
#endif
