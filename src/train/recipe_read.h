/* recipe_read.h - what the readers of a model file's sections share; private to recipe*.c. */
#ifndef GR_TRAIN_RECIPE_READ_H
#define GR_TRAIN_RECIPE_READ_H

#include "train/recipe.h"

/* Says that `key` is missing, unless another one was likely meant to be it, of which
 * gr_model_check_keys has told. */
void gr_recipe_missing_key(gr_model *m, gr_doc *map, const char *const *keys, const char *key, const char *what);
/* A whole number, if the map has the key; else the default of its spec, if that is a number. */
void gr_recipe_count(gr_model *m, gr_doc *map, const gr_attr_spec *specs, const char *key, int64_t *out);
const gr_attr_spec *gr_recipe_spec(const gr_attr_spec *specs, const char *name); /* which is one of them */
/* Whether the file writes a node of that name, be it one that could not be built. */
bool gr_recipe_is_written(gr_model *m, const char *node);

/* `SGD` or `{op: SGD, ...}`: an op of a kind with its attributes; skip: keys that are none. what: the
 * kind in messages. false after a message. */
bool gr_recipe_call(gr_model *m, gr_doc *d, bool (*kind)(const gr_op *), const char *what, const char *const *skip,
                    gr_call_spec *out);

/* recipe_optimizer.c: `optimizer`, with schedules and groups, and what is done to gradients before it.
 * keys: of the section `train`. */
void gr_recipe_read_optimizer(gr_model *m, gr_doc *train, const char *const *keys, gr_recipe *r);
/* A schedule may watch a metric only if there is one; after the metrics are read. */
void gr_recipe_check_watched(gr_model *m, const gr_recipe *r);
/* recipe_generate.c: the section `generate`. */
void gr_recipe_read_generate(gr_model *m, gr_recipe *r);
/* recipe_watch.c: reads early_stopping, best, keep and valid_every; after the metrics. */
void gr_recipe_read_watch(gr_model *m, gr_doc *train, gr_recipe *r);
#endif
