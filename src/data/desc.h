/* desc.h - what the host knows of an opened source, and what sources built in may ask besides
 * <graphrun/source.h>, which all of them implement.
 *
 * All memory is the model's arena's; `begin` and `fill` allocate none. */
#ifndef GR_DATA_DESC_H
#define GR_DATA_DESC_H

#include "data/prefetch.h"
#include "data/source.h"
#include <graphrun/builtin.h>
#include <graphrun/source.h>
#include <setjmp.h>
#include <stdatomic.h>

struct gr_vocab {
    const char *name; /* of the fact that counts it: "vocab" is $data.vocab */
    const char **item;
    int count;
    bool words; /* text is cut at white space; false: into the longest items it begins with */
    int special[GR_NUM_SPECIALS];
    struct gr_map *index; /* item -> its number + 1, as a pointer */
};

/* A field that a vocabulary numbers. */
typedef struct gr_text_field {
    const char *field;
    const gr_vocab *vocab;
    bool begins, ends; /* its items start with <bos>, end with <eos> */
} gr_text_field;

/* What a source learnt besides: counts, means. */
typedef struct gr_numbers {
    const char *name;
    int count;
    const double *value;
} gr_numbers;

typedef struct gr_batches gr_batches;

struct gr_data {
    gr_data_head head;
    const gr_source *desc;
    const gr_attr_spec *specs; /* of desc; never NULL */
    gr_model *model;
    gr_arena *arena;
    gr_diag *diag;
    gr_doc *section;
    gr_attr *attr;
    gr_loc *attr_at;
    gr_data_options options;
    bool unread;         /* what it tells is known without its files */
    void *unicode;       /* text.c's locale_t */
    gr_batches *batches; /* of a source that has items (items.h) */
    gr_field *fields; int num_fields;
    gr_split *splits; int num_splits;
    const char **files; int num_files, cap_files; /* that it reads */
    gr_vocab **vocabs; int num_vocabs, cap_vocabs;
    gr_text_field *texts; int num_texts, cap_texts; /* none: any field is of the first vocabulary */
    gr_numbers *numbers; int num_numbers, cap_numbers;
    const char *metadata;
    void *saved;         /* options.metadata, as metadata.c reads it */
    /* the epoch in hand */
    const gr_split *split;
    int64_t epoch, next, end;
    bool failed;         /* at `next`, from where it has to begin again */
    gr_prefetch *prefetch;
    /* what the source said or did wrong in `begin` or in making a batch, on whichever thread */
    bool opened;         /* `open` has returned: what it alone may call is refused */
    jmp_buf back;        /* out of such a call */
    int64_t making;      /* the batch in hand, -1: `begin` or `open` */
    atomic_int complaint; /* 0: none; 2: the text stands, and of which batch */
    int64_t complaint_batch;
    char complaint_text[512];
    gr_tensor slot[GR_PREFETCH_SLOTS][GR_MAX_FIELDS];
};

/* ---- data.c: for the host and sources built in; functions with a namesake gr_source_* are as it says ---- */
const gr_attr *gr_data_find_attr(const gr_data *d, const char *name); /* NULL: the source has none so called */
/* Keeps the first thing that is wrong, for whoever asks for a batch: this may be another thread, where nothing can be
 * unwound or said. */
GR_PRINTF(2, 3) void gr_data_complain(gr_data *d, const char *fmt, ...);
/* The same, and leaves the source's function in hand. */
GR_PRINTF(2, 3) _Noreturn void gr_data_leave(gr_data *d, const char *fmt, ...);
/* In the host's function `name`, which `open` alone may call. */
void gr_data_opening(gr_data *d, const char *name);
gr_loc gr_data_attr_at(const gr_data *d, const char *name);
/* An entry of a map, not marked used; NULL if absent. */
gr_doc *gr_data_entry(const gr_doc *map, const char *key);
/* The Input that is fed from a field; NULL if there is none. */
gr_doc *gr_data_input(gr_data *d, const char *field);
int gr_data_add_field(gr_data *d, const char *name, gr_dtype dtype, int rank, const int64_t *dim);
/* Gives the place to complain at. */
gr_loc gr_data_axes(gr_data *d, const char *field, int n, const char *const *names, int64_t *length, int *order);
/* The shape of the Input that is fed from a field, as a list of `rank`; NULL if there is none. */
gr_doc *gr_data_input_shape(gr_data *d, const char *field, int rank);
int64_t gr_data_var(gr_data *d, const char *name);
/* Of an entry of such a shape: the name of its axis or NULL; its length, -1: not known. */
const char *gr_data_axis_name(const gr_doc *entry);
int64_t gr_data_axis_length(gr_data *d, gr_doc *entry);

/* A batch of the epoch in hand into field[i].data, which has room for a full one. On this thread, so the
 * thread that is ahead must have nothing to make. */
void gr_data_make(gr_data *d, int64_t batch, gr_tensor *field);

/* ---- split.c ---- */

gr_loc gr_part_at(const gr_part *part); /* where the model file names it */
const void *gr_part_place(gr_data *d, gr_loc at);
/* Of files by split, a split each. Else `split: {train: 0.9, valid: 0.1}` of `total` units, or counts of
 * them, {train: 1000, valid: 100}; without it, all is train. 0 or -1. */
int gr_data_read_splits(gr_data *d, int64_t total, const gr_part *part, int num_parts);
bool gr_part_is_train(const gr_part *part); /* vocabularies are learnt from it */
/* A diagnostic where a file had none of `what`: 0 or -1. */
int gr_part_check(gr_data *d, const gr_part *part, int64_t count, const char *what);
/* A split each, whatever `split` says. */
int gr_data_part_splits(gr_data *d, const gr_part *part, int num_parts);
bool gr_split_is_train(const gr_split *s); /* the one that is shuffled */

/* The file that an entry of the section names, to be opened as it is; NULL after a diagnostic. It is among
 * gr_data_file() from then on. */
const char *gr_data_path(gr_data *d, gr_doc *entry);
int gr_data_paths(gr_data *d, const char *key, const char *example, gr_part **parts);

/* ---- order.c: numbers that depend on seed, epoch and position alone ---- */

int64_t gr_order_number(const gr_data *d, int64_t epoch, int64_t bound); /* in [0, bound) */
/* With numbers `first` and on of the epoch, 1 and on apart from that of gr_order_number. */
void gr_order_shuffle(const gr_data *d, int64_t epoch, int64_t first, int64_t *item, int64_t n);
/* The same order for every seed. */
void gr_order_deal(int64_t *item, int64_t n);
/* A number in [0, bound) of a made-up item, the same for every seed. */
int64_t gr_order_draw(int64_t item, int64_t position, int64_t bound);

/* vocab.c */
gr_vocab *gr_vocab_create(gr_arena *a, int count, const char **item);
int gr_vocab_find(const gr_vocab *v, const char *item); /* -1: not there */
/* Makes v one of the source's vocabularies and tells $data.NAME. v NULL: tells what the attribute NAME
 * gives, if it does. -1 after a diagnostic: that attribute says otherwise. */
int gr_data_add_vocab(gr_data *d, const char *name, gr_vocab *v);
void gr_data_add_text(gr_data *d, const char *field, const gr_vocab *v, bool begins, bool ends);
/* $data.NAME, a number */
void gr_data_tell(gr_data *d, const char *name, int64_t value);

/* ---- metadata.c ---- */

/* The vocabulary of that name in the weights that are loaded; NULL if there is none. */
gr_vocab *gr_vocab_of_weights(gr_data *d, const char *name);
/* The numbers of that name, likewise. */
const double *gr_numbers_of_weights(gr_data *d, const char *name, int *count);
/* The vocabularies, the numbers and the source's attributes. */
const char *gr_data_to_json(const gr_data *d);
/* Whether the settings in desc->numbering are those of the weights. 0, or -1 after diagnostics. */
int gr_data_compare_settings(gr_data *d);

/* ---- text.c ---- */

/* As gr_source_read_text(). */
char *gr_text_read(gr_data *d, const gr_part *part, size_t *length);
/* What the attributes of GR_TEXT_ATTRS ask for, in place or in the arena; *n is the new length. */
char *gr_text_prepare(gr_data *d, char *text, size_t *n);
#define GR_TEXT_ATTRS                                                                                            \
    {"lower", GR_ATTR_BOOL, "false", 0, 0, NULL, "turn capital letters into small ones"},                        \
    {"keep", GR_ATTR_CHOICE, "all", 0, 0, "all|letters", "letters: what is not A-Z or a-z becomes one space a run"}
#define GR_PUNCTUATION_ATTR                                                                                      \
    {"space_punctuation", GR_ATTR_BOOL, "false", 0, 0, NULL, "a space before each , . ! and ?, and spaces in place of " \
     "non-breaking ones"}
#define GR_UNIT_ATTR(fallback) {"unit", GR_ATTR_CHOICE, fallback, 0, 0, "character|word", "what a token is"}
bool gr_text_is_words(const gr_data *d); /* by the attribute `unit` */

/* for (gr_line l = {.next = text, .end = text + n}; gr_line_next(&l);) */
typedef struct gr_line {
    char *next, *end;
    char *text; size_t length; /* without its \n, but with a 0 in its place */
    long number;               /* from 1 */
} gr_line;
bool gr_line_next(gr_line *l);
#endif
