/* generate_text.h - items as words and words as items; tables of attention. Private to generate. */
#ifndef GR_TRAIN_GENERATE_TEXT_H
#define GR_TRAIN_GENERATE_TEXT_H

#include "train/search.h"

/* How the items of an Input are written: in the vocabulary of its field, else as numbers. */
typedef struct gr_words {
    gr_session *session;
    const char *field;        /* of the data source; NULL: the default vocabulary */
    const char *const *vocab; int words; /* NULL: numbers */
    bool spaced;              /* words, with spaces between them */
    int start, stop, unknown; /* items; -1: none */
} gr_words;

gr_words gr_words_of(gr_session *s, const gr_model_input *in);
/* start and stop as the section has them: a word, or a number where there is no vocabulary; NULL:
 * <bos> (else the first word) and <eos>; "" for stop: none. */
int gr_words_specials(gr_words *it, const char *start, const char *stop, gr_error *e);
/* The items of a text; their number, or -1 with e filled. Words that the vocabulary lacks are
 * named in a note and become <unk>. */
int gr_words_read(const gr_words *it, const char *text, int32_t **items, gr_error *e);
const char *gr_words_text(const gr_words *it, int32_t item);

/* A row for each item of an output, a column for each of its source. */
typedef struct gr_table {
    int rows, columns, heads; /* of each row: [heads][columns] */
    const char **row, **column; /* words; column NULL: numbers */
    const double *value;
} gr_table;
gr_table gr_table_of(gr_arena *a, const gr_found *f, const gr_words *source, const int32_t *source_item, int n, const gr_words *feed);
void gr_table_print(const gr_table *t, FILE *out);

/* Tables for a file: tensor "0" is the first prompt's, float32 [rows, columns] or [rows, heads,
 * columns]; metadata "0.rows" and "0.columns" have the words. */
typedef struct gr_attention {
    gr_tensors tensors;
    int cap_tensors, cap_keys, cap_values;
} gr_attention;
void gr_attention_add(gr_attention *to, gr_arena *a, int which, const gr_table *t);
#endif
