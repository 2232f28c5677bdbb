/* init.h - how states get their first values.
 *
 * An initialiser is text, "Uniform low=-0.1 high=0.1", with the names and defaults of
 * torch.nn.init. Random numbers are Philox's, keyed by the seed and the state's name:
 * they depend neither on the order of states nor on what else a model has. */
#ifndef GR_TRAIN_INIT_H
#define GR_TRAIN_INIT_H

#include "base/diag.h"
#include <graphrun/types.h>

/* Fills `data`, dense and of type t, for the state `name`; what it needs meanwhile is from m. -1 with e filled: an unknown
 * initialiser or argument (names the known ones), or a shape it has no meaning for. */
int gr_init_fill(const gr_memory *m, const char *text, uint64_t seed, const char *name, const gr_type *t, void *data, gr_error *e);
/* Whether it could be filled. */
int gr_init_check(const char *text, const char *name, const gr_type *t, gr_error *e);
/* The i-th initialiser's name, and its arguments', NULL-ended; NULL: there are no more. */
const char *gr_init_name(int i, const char *const **arguments);
#endif
