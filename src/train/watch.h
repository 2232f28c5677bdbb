/* watch.h - the best weights by validation, and when no better ones are to be expected. */
#ifndef GR_TRAIN_WATCH_H
#define GR_TRAIN_WATCH_H

#include "train/loop.h"

/* What the recipe's `watch` asks for; memory is the session's. */
typedef struct gr_watch gr_watch;
gr_watch *gr_watch_create(gr_session *s);

/* A validation was made of the weights as they are now: they are kept if they are the best. */
void gr_watch_see(gr_watch *w, const gr_exec *x, const gr_meter *valid, int64_t epoch, int64_t step);
/* Whether `patience` validations in a row were no better. */
bool gr_watch_is_over(const gr_watch *w);
/* The best weights in place of the last. false: there are none. */
bool gr_watch_restore(gr_watch *w);
/* "epoch 7, valid loss 1.2345" */
const char *gr_watch_best_text(const gr_watch *w, gr_arena *a);
/* Fills what `result` tells of it. */
void gr_watch_result(const gr_watch *w, gr_train_result *result);
/* "loss", or the metric's name */
const char *gr_watch_metric(const gr_watch *w);

/* For a checkpoint: what has been seen as text, and the best weights as tensors called
 * "best:NAME"; their number. */
const char *gr_watch_text(const gr_watch *w, gr_arena *a);
int gr_watch_tensors(const gr_watch *w, gr_arena *a, gr_named_tensor **list);
/* Both back from the checkpoint that the session has loaded. x: whose states are the weights. */
int gr_watch_read(gr_watch *w, const gr_exec *x, const char *text, gr_error *e);
#endif
