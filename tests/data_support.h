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
#endif
