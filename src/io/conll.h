/* conll.h - sentences of tagged words, a word a line, an empty line between sentences.
 *
 *     CoNLL-U                              columns (CoNLL-2000, 2003, 2009)
 *     # text = what is the cost            EU NNP B-NP B-ORG
 *     1 <tab> what <tab> what <tab> PRON   rejects VBZ B-VP O
 *
 * CoNLL-U has ten columns with a tab between them, called id form lemma upos xpos feats head deprel
 * deps misc; lines that begin with # are comments, ranges of words (1-2) and words that are not there
 * (1.1) are passed over. Columns stand apart by white space; a line -DOCSTART- is passed over. */
#ifndef GR_IO_CONLL_H
#define GR_IO_CONLL_H

#include "base/diag.h"

typedef enum gr_conll_format {
    GR_CONLL_AUTO, /* CoNLL-U if the first line that is neither empty nor a comment has ten columns and tabs */
    GR_CONLL_U,
    GR_CONLL_COLUMNS,
} gr_conll_format;

typedef struct gr_conll_sentence {
    int64_t first; /* of word and tag */
    int64_t length;
} gr_conll_sentence;

typedef struct gr_conll {
    int64_t count;
    gr_conll_sentence *sentences;
    const char **word, **tag; /* of all sentences, one after another */
    int64_t *line;            /* of each word, from 1 */
} gr_conll;

/* text[0..length), with a 0 behind it, is cut into the words. word, tag: a column's name (CoNLL-U) or
 * number, from 0, or from the end if negative; NULL: form and upos, or the first and the last. What is
 * wrong is an error with its line. 0 or a status. */
int gr_conll_parse(gr_arena *a, const char *name, char *text, size_t length, gr_conll_format format, const char *word,
                   const char *tag, gr_conll *out, gr_error *e);
#endif
