/* recipe_read.h - what the readers of a model file's sections share; private to recipe*.c. */
#ifndef GR_TRAIN_RECIPE_READ_H
#define GR_TRAIN_RECIPE_READ_H

#include "train/recipe.h"

/* Says that `key` is missing, unless another one was likely meant to be it, of which
 * gr_model_check_keys has told. */
void gr_recipe_missing_key(gr_model *m, gr_doc *map, const char *const *keys, const char *key, const char *what);
/* A whole number of at least 0, if the map has the key. */
void gr_recipe_count(gr_model *m, gr_doc *map, const char *key, int64_t *out);
/* Whether the file writes a node of that name, be it one that could not be built. */
bool gr_recipe_is_written(gr_model *m, const char *node);

/* recipe_generate.c: the section `generate`. */
void gr_recipe_read_generate(gr_model *m, gr_recipe *r);
/* recipe_watch.c: reads early_stopping, best, keep and valid_every; after the metrics. */
void gr_recipe_read_watch(gr_model *m, gr_doc *train, gr_recipe *r);
#endif
