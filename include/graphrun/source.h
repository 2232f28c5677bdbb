/* source.h - what a data source is, for built-in sources and plugins alike.
 *
 * A source is one `const gr_source`: attributes by the same specs as an op's, and named fields
 * ("tokens", "targets"), which feed the Inputs that say `from: data.tokens`. `open` says what
 * there is, and gives it in one of two ways:
 *
 *   items    gr_source_open_items(): how many there are, how long each is, and a function that
 *            hands one out. Splits, shuffling, batches, buckets and padding are the host's.
 *   batches  gr_source_add_field() and gr_source_splits(); the source's `begin` and `fill` make
 *            the batches of an epoch themselves.
 *
 * Functions get the gr_data that they belong to, and reach the host through its table, so that
 * a plugin links against nothing. Everything that they are given lives as long as the gr_data,
 * in its arena, and so does what gr_source_alloc() gives. There may be several gr_data of one
 * source at a time: state belongs into gr_source_set_state(), not into static variables.
 *
 * Threads. `open` and `begin` run on the thread that asks for data. `fill` and gr_items.get run
 * on a thread that is one batch ahead, one call at a time and never while `begin` runs; what they
 * read is to be written by `open` and `begin` alone. They may call gr_source_attr(), _state(), _find(),
 * _draw(), _uniform(), and gr_source_fail(), with which the batch in hand fails; `begin` also _number(), _shuffle() and
 * _items_of(). What else of the host they call is refused with a message, and they are not gone on with. They allocate
 * nothing. A batch that failed may be asked for again: its epoch begins once more first. `prepare` may be called by
 * several threads at once, each with a gr_data of its own that has the same state.
 *
 * Order. What an epoch holds is a function of the seed and of its number, a batch one of the
 * epoch and of its own number, whichever was made before: a run that is resumed begins in the
 * middle. gr_source_shuffle() and gr_source_number() give numbers that are.
 *
 * Functions that return int give 0, or -1 after gr_source_fail() has said what is wrong; a
 * caller passes -1 on. Mistakes are shown at the line of the model file that they are about. */
#ifndef GRAPHRUN_SOURCE_H
#define GRAPHRUN_SOURCE_H

#include <graphrun/op.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_data gr_data;       /* an opened source; the host's, but for its head */
typedef struct gr_vocab gr_vocab;     /* items of text and their numbers */
typedef struct gr_lexicon gr_lexicon; /* tokens being counted, before they are numbered */

enum { GR_MAX_FIELDS = 32 };

/* Part of the data: "train" (which alone is shuffled), "valid", "test", or of the user's choice. */
typedef struct gr_split {
    const char *name;
    int64_t begin, end; /* of what the source counts: characters, items */
    int64_t batches;    /* in an epoch; set by `open`, with items by the host */
} gr_split;

/* A file of the source: the only one, or that of a split. */
typedef struct gr_part {
    const char *split; /* NULL: the only one */
    const char *path;  /* to be opened as it is */
    int64_t end;       /* for the source: its items are those before this and after the part before */
    const void *place; /* the host's: where the model file names it */
} gr_part;

/* ---- items ---------------------------------------------------------------
 *
 *     item      fixed   [dim ...]          a label, an image, a window of a series
 *               ragged  [length, dim ...]  a sentence, a series
 *     field     the same with the batch axis where the Input that it feeds has the axis that is
 *               called "batch" (or as the Inputs of one axis call it); where no Input says so:
 *               first, after the time axis of a ragged field. The time axis is as long as the
 *               longest item of the batch, or as long as the Input says it is (vars: {time: 20});
 *               items are then cut.
 *     lengths   int32 [batch] of a ragged axis
 *
 * An item has at most GR_ITEM_AXES lengths (source and target of a translation). */
enum { GR_ITEM_AXES = 2 };

typedef enum gr_item_kind { GR_ITEM_FIXED, GR_ITEM_RAGGED, GR_ITEM_LENGTHS } gr_item_kind;

typedef struct gr_item_field {
    const char *name;
    gr_item_kind kind;
    int axis;       /* ragged, lengths: which of the item's lengths */
    gr_dtype dtype; /* GR_FLOAT32, GR_FLOAT64, GR_INT32 or GR_BOOL */
    int rank;       /* of an item, without the ragged axis */
    int64_t dim[GR_MAX_RANK];
    double pad;     /* what stands past the end of an item */
    int batch_axis; /* where the batch axis is, from 1; 0: as Inputs say */
} gr_item_field;

/* All zero to begin with; the source fills it in. What it points to stays the source's. */
typedef struct gr_items {
    uint32_t size; /* set by gr_source_open_items() */
    int num_fields, num_axes, num_parts;
    gr_item_field field[GR_MAX_FIELDS]; /* by gr_items_field() */
    int64_t count;
    gr_part *parts;                  /* of gr_source_paths(), with `end` set; none: `split` cuts */
    int32_t *length[GR_ITEM_AXES];   /* by item; shortened where items are cut */
    int64_t gap;                     /* the last so many of each part are no items */
    bool cut;                        /* the parts are splits already, for the source has cut them */
    /* The values of an item in a field that holds no lengths: dense, row-major and of the field's
     * dtype, length x dims of them (at least so many as `length` says after cutting). In the
     * source's memory, or written to scratch, which has room for the longest item. */
    const void *(*get)(gr_data *d, int64_t item, int field, void *scratch);
} gr_items;

/* Adds a field and gives it, of rank 0 (a scalar an item, or a step). One beyond GR_MAX_FIELDS is only counted, so
 * that gr_source_open_items() says so. */
static inline gr_item_field *gr_items_field(gr_items *x, const char *name, gr_item_kind kind, int axis, gr_dtype dtype)
{
    int i = x->num_fields++;
    gr_item_field *f = &x->field[i < GR_MAX_FIELDS ? i : GR_MAX_FIELDS - 1];
    f->name = name;
    f->kind = kind;
    f->axis = axis;
    f->dtype = dtype;
    return f;
}

/* Attributes of all sources of items, the first lines of their tables. */
#define GR_ITEM_ATTRS(shuffle, random_split)                                                                           \
    {"batch_size", GR_ATTR_INT, "~", 1, 1e12, NULL, "items of a batch; absent: as the batch axis of the Inputs says"},  \
    {"shuffle", GR_ATTR_BOOL, shuffle, 0, 0, NULL, "the split train in another order each epoch"},                      \
    {"drop_last", GR_ATTR_BOOL, "false", 0, 0, NULL, "leave out a last batch of train that is not full"},               \
    {"max_items", GR_ATTR_INT, "~", 1, 1e15, NULL, "how many items are used, from the start of each file"},             \
    {"random_split", GR_ATTR_BOOL, random_split, 0, 0, NULL,                                                            \
     "`split` deals items out by chance (always the same), not in the order of the file"}
/* Of sources with ragged fields, besides. */
#define GR_RAGGED_ATTRS                                                                                                 \
    {"bucket", GR_ATTR_INT, "0", 0, 1e9, NULL, "batches of items of like lengths: sorts the items of so many batches"}, \
    {"pad_multiple", GR_ATTR_INT, "1", 1, 1e9, NULL, "a batch's length is the next multiple of this"},                  \
    {"max_length", GR_ATTR_INT, "~", 1, 1e9, NULL, "items that are longer are left out"},                               \
    {"steps", GR_ATTR_INT, "~", 1, 1e9, NULL, "the time axes have so many steps: shorter items are padded, longer ones cut"}, \
    {"truncate", GR_ATTR_BOOL, "false", 0, 0, NULL, "items longer than max_length are cut instead"}
/* Of sources that learn a vocabulary, besides. */
#define GR_VOCAB_ATTRS                                                                                                  \
    {"min_freq", GR_ATTR_INT, "1", 1, 1e15, NULL, "what comes less often becomes <unk>"},                               \
    {"max_vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many items the vocabulary has at most, <unk> and the like besides"}, \
    {"order", GR_ATTR_CHOICE, "frequency", 0, 0, "frequency|character", "of the vocabulary"}
/* Ends a table of attributes, of fields or of facts. */
#define GR_END_ATTRS {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL}
#define GR_END_PORTS {NULL, 0, NULL}

/* ---- the descriptor ------------------------------------------------------ */

enum {
    GR_SOURCE_DIRECT = 1 << 0, /* batches cost nothing: no thread; `fill` may set field[i].data to memory
                                  of the source's own */
};

typedef struct gr_source {
    uint32_t size;      /* sizeof(gr_source) */
    uint32_t abi;       /* GR_ABI_VERSION */
    uint32_t host_size; /* sizeof(gr_source_host): what it may call */
    uint32_t flags;
    const char *name, *summary; /* summary: one line, as a sentence */
    const char *reference;      /* paper or format; may be NULL */
    const gr_attr_spec *attrs;  /* ends with name NULL; may be NULL */
    const char *const *keys;    /* what `open` reads of the section besides, by gr_source_paths() and
                                   gr_source_splits() ("path", "split"); NULL-ended; may be NULL */
    const gr_port *fields;      /* all that it may give, "int32 [time, batch]: ..."; ends with name NULL */
    const gr_port *facts;       /* what expressions may ask for as $data.NAME; likewise; may be NULL */
    const char *const *numbering; /* attributes that say what a number means, and so have to be the same
                                   with the weights as without; NULL-ended; may be NULL */
    /* 0; -1 after gr_source_fail(). 1: files were not read, for gr_source_absent() was true and all
     * facts have been told without them. */
    int (*open)(gr_data *d);
    /* Unless `open` gave items: makes an epoch's order. NULL: any is the same. */
    void (*begin)(gr_data *d, const gr_split *s, int64_t epoch);
    /* Likewise: makes one batch. field[i], in the order in which fields were added, has the dims of a
     * full batch and room for it; a shorter one lowers them. Values are dense and row-major. */
    void (*fill)(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field);
    /* What is done to text before it is numbered, also to a prompt, in place or in new memory; *n is
     * its length, and the new one. NULL: nothing. */
    char *(*prepare)(gr_data *d, char *text, size_t *n);
    /* A small model file that uses it, as in gr_op: for the reference and, where it opens without any file,
     * for `graphrun test-plugin`. May be NULL. */
    const char *example;
} gr_source;

#define GR_SOURCE_HEADER .size = sizeof(gr_source), .abi = GR_ABI_VERSION, .host_size = sizeof(gr_source_host)

/* ---- the host ------------------------------------------------------------ */

typedef struct gr_source_host {
    uint32_t size;
    int (*fail)(gr_data *d, gr_at at, const char *which, const char *fmt, va_list args);
    int (*fail_part)(gr_data *d, const gr_part *part, const char *fmt, va_list args);
    void *(*alloc)(gr_data *d, size_t bytes);
    const gr_attr *(*attr)(const gr_data *d, const char *name);
    int (*paths)(gr_data *d, const char *key, const char *example, gr_part **parts);
    int (*read)(gr_data *d, const gr_part *part, size_t most, char **bytes, size_t *n);
    char *(*read_text)(gr_data *d, const gr_part *part, size_t *n);
    bool (*absent)(const gr_data *d, const gr_part *parts, int n);
    int (*add_field)(gr_data *d, const char *name, gr_dtype dtype, int rank, const int64_t *dim);
    void (*axes)(gr_data *d, const char *field, int n, const char *const *names, int64_t *length, int *order);
    int64_t (*var)(gr_data *d, const char *name);
    gr_split *(*splits)(gr_data *d, int64_t total, const gr_part *parts, int num_parts, int *n);
    int (*open_items)(gr_data *d, gr_items *x);
    const int64_t *(*items_of)(const gr_data *d, const gr_split *s, int64_t *n);
    int (*count)(gr_data *d, const char *name, int64_t n);
    bool (*known_count)(gr_data *d, const char *name);
    void (*tell)(gr_data *d, const char *name, int64_t n);
    void (*keep)(gr_data *d, const char *name, int n, const double *x);
    const double *(*kept)(gr_data *d, const char *name, int *n);
    gr_lexicon *(*lexicon)(gr_data *d);
    int32_t (*add_token)(gr_lexicon *x, const char *token, size_t bytes, bool counts);
    const gr_vocab *(*learn_vocab)(gr_data *d, const char *name, const gr_lexicon *x, bool words,
                                   const char *const *specials, int32_t **number);
    const gr_vocab *(*add_vocab)(gr_data *d, const char *name, int count, const char *const *items, bool words);
    bool (*known_vocab)(gr_data *d, const char *name, bool words, const gr_vocab **v);
    int (*find)(const gr_vocab *v, const char *item);
    void (*add_text)(gr_data *d, const char *field, const gr_vocab *v, bool begins, bool ends);
    int64_t (*number)(const gr_data *d, int64_t epoch, int64_t bound);
    void (*shuffle)(const gr_data *d, int64_t epoch, int64_t first, int64_t *item, int64_t n);
    int64_t (*draw)(int64_t item, int64_t position, int64_t bound);
} gr_source_host;

/* How every gr_data begins. */
typedef struct gr_data_head {
    const gr_source_host *host;
    void *state;
} gr_data_head;

static inline const gr_source_host *gr_source_host_of(const gr_data *d)
{
    return ((const gr_data_head *)(const void *)d)->host;
}

/* The source's own, between its functions. */
static inline void *gr_source_state(const gr_data *d) { return ((const gr_data_head *)(const void *)d)->state; }
static inline void gr_source_set_state(gr_data *d, void *state) { ((gr_data_head *)(void *)d)->state = state; }

/* Zeroed, 16-byte aligned, never NULL (running out unwinds). Not in `begin` and `fill`. */
static inline void *gr_source_alloc(gr_data *d, size_t bytes) { return gr_source_host_of(d)->alloc(d, bytes); }

/* ---- messages ---- */

/* Says what is wrong and what to write instead. GR_AT_ATTR: `which` is the attribute or key at fault;
 * GR_AT_INPUT: the field, shown at the Input that it feeds; GR_AT_NODE: the section `data`. Returns -1. */
GR_PRINTF(4, 5)
static inline int gr_source_fail(gr_data *d, gr_at at, const char *which, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int r = gr_source_host_of(d)->fail(d, at, which, fmt, args);
    va_end(args);
    return r;
}

/* The same at the place where the model file names a file. */
GR_PRINTF(3, 4)
static inline int gr_source_fail_part(gr_data *d, const gr_part *part, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int r = gr_source_host_of(d)->fail_part(d, part, fmt, args);
    va_end(args);
    return r;
}

/* ---- attributes and files ---- */

/* The attribute of that name; never NULL: one that the source does not declare is absent, and `open` or the batch
 * in hand fails with a message that names it. */
static inline const gr_attr *gr_source_attr(const gr_data *d, const char *name) { return gr_source_host_of(d)->attr(d, name); }
static inline int64_t gr_source_int(const gr_data *d, const char *name) { return gr_source_attr(d, name)->i; }
static inline bool gr_source_bool(const gr_data *d, const char *name) { return gr_source_attr(d, name)->i != 0; }
static inline double gr_source_float(const gr_data *d, const char *name) { return gr_source_attr(d, name)->f; }
static inline const char *gr_source_string(const gr_data *d, const char *name) { return gr_source_attr(d, name)->s; }

/* `path: FILE` or `path: {train: FILE, valid: FILE}` for a key of `keys`; example says what file, for the
 * message that one is missing: "a text file". Paths are relative to the model file. Their number, 0 after
 * a message. */
static inline int gr_source_paths(gr_data *d, const char *key, const char *example, gr_part **parts)
{
    return gr_source_host_of(d)->paths(d, key, example, parts);
}
/* A whole file into memory, unpacked if it is gzip's; at most so many bytes. A 0 stands after them. 0 or -1. */
static inline int gr_source_read(gr_data *d, const gr_part *part, size_t most, char **bytes, size_t *n)
{
    return gr_source_host_of(d)->read(d, part, most, bytes, n);
}
/* The same of UTF-8 text that is not empty; line ends become \n. NULL after a message. */
static inline char *gr_source_read_text(gr_data *d, const gr_part *part, size_t *n)
{
    return gr_source_host_of(d)->read_text(d, part, n);
}
/* Whether facts alone are asked for (check, dot, generate) and a file is not there. */
static inline bool gr_source_absent(const gr_data *d, const gr_part *parts, int n)
{
    return gr_source_host_of(d)->absent(d, parts, n);
}

/* ---- items ---- */

/* Cuts items into splits and batches and adds the fields; batches are made from them then. */
static inline int gr_source_open_items(gr_data *d, gr_items *x)
{
    x->size = (uint32_t)sizeof *x;
    return gr_source_host_of(d)->open_items(d, x);
}
/* After it: the items of a split, in the order of the file; s NULL: of train, or of the first split if
 * there is no train: what may be learnt from. */
static inline const int64_t *gr_source_items_of(const gr_data *d, const gr_split *s, int64_t *n)
{
    return gr_source_host_of(d)->items_of(d, s, n);
}

/* ---- batches of one's own ---- */

/* A field, with the dims of a full batch. */
static inline int gr_source_add_field(gr_data *d, const char *name, gr_dtype dtype, int rank, const int64_t *dim)
{
    return gr_source_host_of(d)->add_field(d, name, dtype, rank, dim);
}
/* The lengths that the model's Inputs give the axes of a field, by name ("time", "batch") or, where
 * they are called otherwise, by position; without such an Input, the vars of those names. order[k]:
 * which of names is axis k in the Input. A length that is not known is -1. */
static inline void gr_source_axes(gr_data *d, const char *field, int n, const char *const *names, int64_t *length, int *order)
{
    gr_source_host_of(d)->axes(d, field, n, names, length, order);
}
/* A var that is a length, -1 if there is none. */
static inline int64_t gr_source_var(gr_data *d, const char *name) { return gr_source_host_of(d)->var(d, name); }
/* The splits: of files by split, one each; else as `split: {train: 0.9, valid: 0.1}` cuts `total` units; else
 * all is train. `batches` of each is to be set. Their number in *n; NULL after a message. */
static inline gr_split *gr_source_splits(gr_data *d, int64_t total, const gr_part *parts, int num_parts, int *n)
{
    return gr_source_host_of(d)->splits(d, total, parts, num_parts, n);
}

/* ---- facts: what expressions see as $data.NAME; kept with the weights ---- */

/* A count that the data have. -1: the attribute of that name says otherwise. */
static inline int gr_source_count(gr_data *d, const char *name, int64_t n) { return gr_source_host_of(d)->count(d, name, n); }
/* A number that the attributes give, so that it need not be kept. */
static inline void gr_source_tell(gr_data *d, const char *name, int64_t n) { gr_source_host_of(d)->tell(d, name, n); }
/* Without the data: tells what the weights or else the attribute say. False: neither does. */
static inline bool gr_source_known_count(gr_data *d, const char *name) { return gr_source_host_of(d)->known_count(d, name); }
/* Numbers that were learnt (means), to be used again with the weights; name and x live as long as d. */
static inline void gr_source_keep(gr_data *d, const char *name, int n, const double *x)
{
    gr_source_host_of(d)->keep(d, name, n, x);
}
/* Those of the weights that are loaded; NULL if there are none. */
static inline const double *gr_source_kept(gr_data *d, const char *name, int *n) { return gr_source_host_of(d)->kept(d, name, n); }

/* ---- vocabularies ---- */

/* Counts tokens. */
static inline gr_lexicon *gr_source_lexicon(gr_data *d) { return gr_source_host_of(d)->lexicon(d); }
/* The provisional number of a token, from 0. counts false: it is looked up and not learnt from. */
static inline int32_t gr_source_add_token(gr_data *d, gr_lexicon *x, const char *token, size_t bytes, bool counts)
{
    return gr_source_host_of(d)->add_token(x, token, bytes, counts);
}
/* The vocabulary that $data.NAME counts: that of the weights, else what x has learnt by GR_VOCAB_ATTRS:
 * first the specials (NULL-ended; of "<unk>", "<pad>", "<bos>", "<eos>"), then the most frequent.
 * (*number)[i]: what token i becomes. words: text is cut at white space. NULL after a message. */
static inline const gr_vocab *gr_source_learn_vocab(gr_data *d, const char *name, const gr_lexicon *x, bool words,
                                                    const char *const *specials, int32_t **number)
{
    return gr_source_host_of(d)->learn_vocab(d, name, x, words, specials, number);
}
/* One that is given, item by item. NULL after a message: the attribute of that name, or the weights, have
 * another. */
static inline const gr_vocab *gr_source_add_vocab(gr_data *d, const char *name, int count, const char *const *items,
                                                  bool words)
{
    return gr_source_host_of(d)->add_vocab(d, name, count, items, words);
}
/* Without the data: the vocabulary of the weights or, *v NULL, its size by the attribute of that name. False:
 * neither says it. */
static inline bool gr_source_known_vocab(gr_data *d, const char *name, bool words, const gr_vocab **v)
{
    return gr_source_host_of(d)->known_vocab(d, name, words, v);
}
/* The number of an item, -1: it has none. */
static inline int gr_source_find(const gr_data *d, const gr_vocab *v, const char *item)
{
    return gr_source_host_of(d)->find(v, item);
}
/* A field holds numbers of v, after <bos> or before <eos> where so said: prompts are numbered so, and
 * what comes out is shown as text. */
static inline void gr_source_add_text(gr_data *d, const char *field, const gr_vocab *v, bool begins, bool ends)
{
    gr_source_host_of(d)->add_text(d, field, v, begins, ends);
}

/* ---- numbers that depend on seed, epoch and position alone ---- */

/* In [0, bound), for the epoch. */
static inline int64_t gr_source_number(const gr_data *d, int64_t epoch, int64_t bound)
{
    return gr_source_host_of(d)->number(d, epoch, bound);
}
/* Shuffles in place; draws numbers `first` to before first + n of the epoch. */
static inline void gr_source_shuffle(const gr_data *d, int64_t epoch, int64_t first, int64_t *item, int64_t n)
{
    gr_source_host_of(d)->shuffle(d, epoch, first, item, n);
}
/* A number in [0, bound), bound up to 2^48, of a made-up item, the same for every seed. */
static inline int64_t gr_source_draw(const gr_data *d, int64_t item, int64_t position, int64_t bound)
{
    return gr_source_host_of(d)->draw(item, position, bound);
}
/* Likewise one in [0, 1), of 48 bits. */
static inline double gr_source_uniform(const gr_data *d, int64_t item, int64_t position)
{
    return (double)gr_source_draw(d, item, position, (int64_t)1 << 48) * (1.0 / 281474976710656.0);
}

#ifdef __cplusplus
}
#endif
#endif
