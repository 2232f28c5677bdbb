/* train_support.h - small models and files for the tests of training. */
#ifndef GR_TESTS_TRAIN_SUPPORT_H
#define GR_TESTS_TRAIN_SUPPORT_H

#include "train/loop.h"

/* A path in this run's own temporary folder; static memory, good for 64 calls. */
const char *temp_path(const char *name);
/* Writes a file there and gives its path. */
GR_PRINTF(2, 3) const char *temp_file(const char *name, const char *fmt, ...);
/* Writes an array of integers there as .npy and gives its path. */
const char *temp_integers(const char *name, int rank, const int64_t *dim, const int32_t *data);
bool same_files(const char *a, const char *b);
/* The whole file, to be freed; NULL if there is none. */
char *read_text(const char *path, size_t *length);

/* A gr_sink's write to a FILE. */
void say_in_file(void *file, gr_tone tone, const char *text);
/* A session of the model, or a failed assertion. */
gr_session *open_model(const char *path, int threads);
/* The program of a training step, made for so many workers, in arena a; or a failed assertion. */
gr_program *training_program(gr_arena *a, gr_session *s, int workers);
/* Bytes that a step of its training works in, on one thread. */
size_t working_bytes(const char *path);
/* The bytes of all states, in their order. */
void write_states(const gr_store *s, FILE *to);
/* Trains for so many steps. quiet, results thrown away. */
int train_model(const char *path, int threads, gr_train_options o, gr_error *e);
/* A model with every kind of state: Dropout, momentum, a carried h. `train`: its section. */
const char *recurrent_model(const char *name, const char *train);
/* Whether `check` says these words of the model and nothing else, at the place of the text `at`, the
 * first after the text `after`. */
bool mistake_is_told(const char *model, const char *words, const char *at, const char *after);
#endif
