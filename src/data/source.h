/* source.h - where batches come from.
 *
 * A data source is a descriptor, as an op is: attributes by the same specs, and named
 * fields ("tokens", "targets") in place of output ports. What it opened gives epochs of
 * batches. The order of an epoch is a function of the seed and the epoch's number alone,
 * so a run can go on in the middle of one. One batch ahead of the caller is made by a
 * thread of its own (prefetch.c); after the first batch nothing is allocated. */
#ifndef GR_DATA_SOURCE_H
#define GR_DATA_SOURCE_H

#include "model/model.h"

typedef struct gr_data gr_data;

typedef struct gr_data_options {
    uint64_t seed;
    const char *metadata; /* what gr_data_metadata gave when the weights were saved; or NULL.
                             The vocabulary is then that one */
    bool facts_only;      /* check, dot, generate: no batches will be asked for, so a file that
                             cannot be read is no error where metadata or the model's vars
                             give what the graph needs */
} gr_data_options;

/* Reads the section `data` (its attributes' mistakes go to the model's diag), opens its
 * files, and tells the model its facts (gr_model_set: "data.vocab") and the lengths of
 * axes. NULL with e filled (or only the diag; then e->status stays GR_OK). */
gr_data *gr_data_open(gr_model *m, gr_doc *section, const gr_data_options *o, gr_error *e);
void gr_data_close(gr_data *d); /* NULL is allowed */

/* One batch's worth of a field; dims are those of a full batch, dense, row-major. Of
 * dtype float32, int32, bool or (a file of doubles) float64. */
typedef struct gr_field {
    const char *name;
    gr_type type;
} gr_field;
/* facts_only: the weights or attributes told all that files would, but how long items are; there
 * are no fields then. */
bool gr_data_unread(const gr_data *d);
int gr_data_fields(const gr_data *d, const gr_field **list);

/* ---- vocabularies: of a field; field NULL: the source's first, which $data.vocab counts ---- */

/* The characters, words or classes, in order of their numbers; NULL if the field has none. */
const char *const *gr_data_vocab(const gr_data *d, const char *field, int *count);
/* What text becomes as an item of the field: numbers, in the arena, with the <bos> and <eos>
 * that the field's items have, without padding. Their count, or -1 with e filled. */
int gr_data_encode(const gr_data *d, gr_arena *a, const char *field, const char *text, int32_t **ids, gr_error *e);
/* Whether these are words, to be written with spaces between them. */
bool gr_data_is_words(const gr_data *d, const char *field);
typedef enum gr_special { GR_UNK, GR_PAD, GR_BOS, GR_EOS, GR_NUM_SPECIALS } gr_special;
/* The number of <unk>, <pad>, <bos>, <eos>; -1: there is none. */
int gr_data_special(const gr_data *d, const char *field, gr_special which);
/* Vocabularies and settings as one line of JSON, for a weights file; NULL if it has none. */
const char *gr_data_metadata(gr_data *d);
/* The name of a vocabulary that is not as in such a line; NULL: all are. */
const char *gr_data_changed_vocab(const gr_data *d, const char *metadata);

/* "train", "valid", ...; a source without splits has "train" alone. */
const char *gr_data_split(const gr_data *d, int i); /* the name of split i; NULL past the last */
bool gr_data_has_split(const gr_data *d, const char *split);
/* The same where files were not read, which may be all that says so: then as the section `data` says. */
bool gr_data_may_have_split(const gr_data *d, const char *split);
int64_t gr_data_batches(const gr_data *d, const char *split); /* in an epoch */

/* File i that the section names and the source reads, to be opened as it is ("x.zip/member.txt", too); NULL past
 * the last. */
const char *gr_data_file(const gr_data *d, int i);

/* Starts epoch number `epoch` (from 0) of a split at batch `first`. 0, or -1 with e filled. */
int gr_data_begin(gr_data *d, const char *split, int64_t epoch, int64_t first, gr_error *e);
/* The next batch of it: 1; 0 at its end; -1 with e filled. field[i] belongs to the source and
 * is valid until the next call; a last batch may be shorter than the field's type says. After a failure the next
 * call begins the epoch again at the batch that failed, which is asked for once more. */
int gr_data_next(gr_data *d, const gr_tensor **field, gr_error *e);
#endif
