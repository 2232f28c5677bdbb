/* data_support.h - a data source opened from a model text, and files for it. */
#ifndef GR_TESTS_DATA_SUPPORT_H
#define GR_TESTS_DATA_SUPPORT_H

#include "data/source.h"

typedef struct bench {
    gr_arena *arena;
    gr_diag *diag;
    gr_model *model;
    gr_data *data;
    gr_error error;
} bench;

/* Writes a file of this run's temporary folder and gives its path. */
const char *write_file(const char *name, const void *bytes, size_t n);
bench open_with(const char *yaml, gr_data_options o);
bench open_data(const char *yaml); /* seed 1 */
void done(bench *b);
/* Opening says this, and nothing else. */
void complains(const char *yaml, const char *words);
/* The items of a vocabulary, each before a bar; "" if there is none. */
const char *vocab_text(bench *b, const char *field);

#define SHARED GR_SOURCE_DIR "/../shared/data/"
/* Whether a file is there; says that a test is skipped if not. */
bool have(const char *path);
/* A file of this text, and a model whose `data` names it in place of the %s. */
bench open_on(const char *text, const char *rest_of_model);
/* Opening a source on this text says that, and nothing else. */
void refuses(const char *text, const char *rest_of_model, const char *words);
const gr_tensor *first_batch(bench *b, const char *split);
/* int32 elements in memory's order. */
void holds(const gr_tensor *t, int n, const int32_t *want);
#define HOLDS(t, ...) holds(t, sizeof((int32_t[]){__VA_ARGS__}) / 4, (int32_t[]){__VA_ARGS__})
void holds_floats(const gr_tensor *t, int n, const double *want); /* to 1e-6 */
#define HOLDS_FLOATS(t, ...) holds_floats(t, sizeof((double[]){__VA_ARGS__}) / 8, (double[]){__VA_ARGS__})
#endif
