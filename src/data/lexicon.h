/* lexicon.h - from text to vocabularies: tokens as they come, counted, then numbered.
 *
 *     for every line:  gr_sequences_text(&q, x, line, ...); gr_sequences_end(&q)
 *                      the tokens' provisional numbers, as they first appear
 *     v = gr_lexicon_vocab(d, "vocab", x, ..., &number)   what they become
 *     gr_sequences_number(&q, number)
 *
 * A vocabulary begins with its special items; the rest follows from the most frequent on
 * (equally frequent ones: the one that came first), or in order of their code points. */
#ifndef GR_DATA_LEXICON_H
#define GR_DATA_LEXICON_H

#include "data/desc.h"

gr_lexicon *gr_lexicon_create(gr_arena *a);
/* The provisional number of a token, from 0. counts false: it is looked up and not learnt from. */
int32_t gr_lexicon_add(gr_lexicon *x, const char *token, size_t bytes, bool counts);
const char *gr_lexicon_token(const gr_lexicon *x, int32_t n);

/* Sequences of tokens one after the other: number i is id[start[i]] to before id[start[i + 1]]. */
typedef struct gr_sequences {
    gr_arena *arena; /* to be set first; all else 0 */
    int32_t *id; int64_t count, cap;
    int64_t *start, num, start_cap;
} gr_sequences;
void gr_sequences_add(gr_sequences *q, int32_t id);
/* Words between white space, or characters. */
void gr_sequences_text(gr_sequences *q, gr_lexicon *x, const char *text, size_t bytes, bool words, bool counts);
void gr_sequences_end(gr_sequences *q); /* the sequence in hand */
void gr_sequences_number(gr_sequences *q, const int32_t *number);
/* Of each sequence, plus `more`. */
int32_t *gr_sequences_lengths(const gr_sequences *q, int more);

extern const char *const gr_specials[]; /* all four */

/* The vocabulary `name` of the source: that of the weights, else what x has learnt, by
 * GR_VOCAB_ATTRS. It is added to d. (*number)[n] is what token n becomes. NULL after a diagnostic. */
gr_vocab *gr_lexicon_vocab(gr_data *d, const char *name, const gr_lexicon *x, bool words, const char *const *specials,
                           int32_t **number);
/* Classes: sorted by name or, where all are integers, by number; no <unk>. A class that x only looked
 * up is -1 in *number. */
gr_vocab *gr_lexicon_classes(gr_data *d, const char *name, const gr_lexicon *x, int32_t **number);

/* Whether each of the vocabularies is known without reading files, and no batch will be asked for. */
bool gr_vocabs_known(gr_data *d, const char *const *names);
/* Adds a vocabulary that is known so: that of the weights, or (*v NULL) only its size. 0 or -1. */
int gr_vocab_add_known(gr_data *d, const char *name, bool words, gr_vocab **v);
#endif
