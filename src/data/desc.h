/* desc.h - what a data source is, inside src/data.
 *
 * A source is one `const gr_source_desc` in the table of data.c. `open` reads files and says
 * what there is; an epoch's order is made by `begin`; `fill` makes one batch and is a function
 * of that order and the batch's number alone, so that a thread ahead of the caller may run it
 * (one call at a time, never during `begin`). All memory is the model's arena's; `begin` and
 * `fill` allocate none. */
#ifndef GR_DATA_DESC_H
#define GR_DATA_DESC_H

#include "data/prefetch.h"
#include "data/source.h"

enum { GR_MAX_FIELDS = 32 };

typedef struct gr_split {
    const char *name;
    int64_t begin, end; /* of what the source counts: characters, examples */
    int64_t batches;    /* set by open */
} gr_split;

typedef struct gr_vocab {
    const char *name; /* of the fact that counts it: "vocab" is $data.vocab */
    const char **item;
    int count;
    bool words; /* text is cut at white space; false: into the longest items it begins with */
    int special[GR_NUM_SPECIALS];
    struct gr_map *index; /* item -> its number + 1, as a pointer */
} gr_vocab;

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

typedef struct gr_source_desc {
    const char *name, *summary;
    const gr_attr_spec *attrs;  /* ends with name NULL */
    const char *const *keys;    /* what `open` reads besides; NULL-ended */
    const gr_port *fields;      /* all that it may give (VARIADIC: named by the user); ends with name NULL */
    const gr_port *facts;       /* what expressions may ask for as $data.NAME; likewise, or NULL */
    bool direct;                /* batches cost nothing: no thread */
    int (*open)(gr_data *d, gr_error *e); /* 0; -1 with e filled or a diagnostic */
    void (*begin)(gr_data *d, const gr_split *s, int64_t epoch); /* NULL: any order is the same */
    void (*fill)(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field);
    char *(*prepare)(gr_data *d, char *text, size_t *n); /* what is done to text before it is
                                           numbered, also to a prompt; NULL: nothing */
    const char *const *numbering; /* attributes that say what a number means, which is to be the
                                     same with the weights as without; NULL-ended or NULL */
} gr_source_desc;

typedef struct gr_items gr_items;

#define X(name) extern const gr_source_desc gr_source_##name;
#include "data/list.h"
#undef X
extern const gr_source_desc *const gr_sources[]; /* NULL-ended */

struct gr_data {
    const gr_source_desc *desc;
    gr_model *model;
    gr_arena *arena;
    gr_diag *diag;
    gr_doc *section;
    gr_attr *attr;
    gr_loc *attr_at;
    gr_data_options options;
    bool unread;         /* what it tells is known without its files */
    void *state;         /* the source's own */
    void *unicode;       /* text.c's locale_t */
    gr_items *items;     /* of a source that has items (items.h) */
    gr_field *fields; int num_fields;
    gr_split *splits; int num_splits;
    gr_vocab **vocabs; int num_vocabs, cap_vocabs;
    gr_text_field *texts; int num_texts, cap_texts; /* none: any field is of the first vocabulary */
    gr_numbers *numbers; int num_numbers, cap_numbers;
    const char *metadata;
    void *saved;         /* options.metadata, as metadata.c reads it */
    /* the epoch in hand */
    const gr_split *split;
    int64_t next, end;
    gr_prefetch *prefetch;
    gr_tensor slot[GR_PREFETCH_SLOTS][GR_MAX_FIELDS];
};

/* ---- for sources ---- */
const gr_attr *gr_data_attr(const gr_data *d, const char *name);
const gr_attr *gr_data_find_attr(const gr_data *d, const char *name); /* NULL: the source has none so called */
gr_loc gr_data_attr_at(const gr_data *d, const char *name);
void gr_data_add_field(gr_data *d, const char *name, gr_dtype dtype, int rank, const int64_t *dim);
/* The lengths that the model's Inputs give the axes of a field, by name ("time", "batch") or,
 * where they are called otherwise, by position. order[k]: which of names is axis k in the
 * Input. A length that is not known is -1. Gives the place to complain at. */
gr_loc gr_data_axes(gr_data *d, const char *field, int n, const char *const *names, int64_t *length, int *order);
/* The shape of the Input that is fed from a field, as a list of `rank`; NULL if there is none. */
gr_doc *gr_data_input_shape(gr_data *d, const char *field, int rank);
/* A var that is a length, -1 if there is none. */
int64_t gr_data_var(gr_data *d, const char *name);
/* Of an entry of such a shape: the name of its axis or NULL; its length, -1: not known. */
const char *gr_data_axis_name(const gr_doc *entry);
int64_t gr_data_axis_length(gr_data *d, gr_doc *entry);

/* ---- split.c ---- */

/* A file that a source reads: the only one, or that of a split. */
typedef struct gr_part {
    const char *split; /* NULL: the only one */
    const char *path;
    gr_loc at;
    int64_t end;       /* for the source: its items are those up to here, after the part before */
} gr_part;
/* Of files by split, a split each. Else `split: {train: 0.9, valid: 0.1}` of `total` units, or counts of
 * them, {train: 1000, valid: 100}; without it, all is train. 0 or -1. */
int gr_data_read_splits(gr_data *d, int64_t total, const gr_part *part, int num_parts);
bool gr_part_is_train(const gr_part *part); /* vocabularies are learnt from it */
/* A diagnostic where a file had none of `what`: 0 or -1. */
int gr_part_check(gr_data *d, const gr_part *part, int64_t count, const char *what);
/* A split each, whatever `split` says. */
int gr_data_part_splits(gr_data *d, const gr_part *part, int num_parts);
bool gr_split_is_train(const gr_split *s); /* the one that is shuffled */

/* `path: FILE` or `path: {train: FILE, valid: FILE}`; example says what file: "a text file". Their
 * number, 0 after a diagnostic. */
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
/* Numbers of the longest items that text is made of. Their count, or -1 with e filled. */
int gr_vocab_encode(const gr_vocab *v, gr_arena *a, const char *text, int32_t **ids, gr_error *e);
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

/* A whole file, plain or packed, checked to be UTF-8 text; a diagnostic at `at` if it is not.
 * Line ends become \n. Ends in 0. NULL after a diagnostic. */
char *gr_text_read(gr_data *d, const char *path, gr_loc at, size_t *length);
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
