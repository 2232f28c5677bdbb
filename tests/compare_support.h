/* compare_support.h - tiny models to compare, and comparisons made of numbers alone. */
#ifndef GR_TESTS_COMPARE_SUPPORT_H
#define GR_TESTS_COMPARE_SUPPORT_H

#include "train/compare.h"

/* A comparison of n models by `loss`, of which value[model * seeds + seed] is the last and the best; NaN: the
 * metric was not finite in the end. */
gr_comparison *synthetic_comparison(gr_arena *a, int n, int seeds, const double *value);

/* A language model of a recurrent op on a text of its own folder; more: further lines of the file. */
const char *tiny_model(const char *name, const char *op, int hidden, const char *data, const char *more);
#define TINY_DATA "{op: CharText, path: tiny.txt, split: {train: 0.75, valid: 0.25}}"

const char *tiny_gru(void), *tiny_lstm(void); /* of 6 on TINY_DATA */

extern gr_error compare_error; /* of the last comparison */
/* NULL after an error. */
gr_comparison *tiny_compare(gr_arena *a, const gr_compare_options *o);
/* Options for a few steps and seeds of such models. */
gr_compare_options tiny_options(const char *const *path, int n);
/* Whether all runs of a and b have the same bits: losses and metrics at every point. */
bool same_runs(const gr_comparison *a, const gr_comparison *b);
/* Waits in a thread until a file of results has so many runs that are done, or until `ended`, then sets `stop`. */
typedef struct watcher { volatile sig_atomic_t stop, ended; const char *file, *edited; int after; } watcher;
void *stop_after_runs(void *data);
int runs_done(const gr_comparison *c);
/* What the command prints of it, to be freed. */
char *printed(const gr_comparison *c);
#endif
