/* running_text.c - CharText and WordText: a text, token by token; targets are the next ones.
 *
 * The first two partitions are those of "Dive into Deep Learning" (d2l.ai, 9.3 of its first
 * edition), the third is that of its second:
 *
 *     random       an offset in [0, steps); then pieces of `steps`, shuffled
 *     sequential   an offset in [0, steps]; then `batch` rows, each a contiguous piece of the
 *                  text, and batch i is steps [i * steps, (i + 1) * steps) of every row, so
 *                  that a row goes on from batch to batch
 *     windows      tokens [i, i + steps) for every i; items in the sense of items.h
 *
 * The offset is drawn anew each epoch, for the split `train` alone. So that every epoch has
 * as many batches, their number is that of the largest offset. The vocabulary is of the whole
 * text, before `max_chars` cuts it, or of the file of the split `train`. */
#include "data/items.h"
#include "data/lexicon.h"

#include <string.h>

#define RUNNING_TEXT_ATTRS(max, what)                                                                                    \
    GR_TEXT_ATTRS,                                                                                                       \
    {max, GR_ATTR_INT, "-1", -1, 9e15, NULL, "how many " what " of a file are used, from the start; -1: all"},           \
    {"partition", GR_ATTR_CHOICE, "random", 0, 0, "random|sequential|windows", "how the text is cut into batches"},      \
    {"shuffle", GR_ATTR_BOOL, "true", 0, 0, NULL, "random, windows: the split train in another order each epoch"},       \
    GR_VOCAB_ATTRS,                                                                                                      \
    {"unk", GR_ATTR_BOOL, "true", 0, 0, NULL, "the vocabulary begins with <unk>, for " what " that it lacks"},           \
    {"vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "its size, where the text is not at hand"},                                \
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL}

static const gr_attr_spec char_text_attrs[] = {RUNNING_TEXT_ATTRS("max_chars", "characters")};
static const gr_attr_spec word_text_attrs[] = {RUNNING_TEXT_ATTRS("max_words", "words")};
static const char *const running_text_keys[] = {"path", "split", NULL};
static const char *const running_text_numbering[] = {"lower", "keep", "min_freq", "max_vocab", "order", "unk", NULL};
static const char *const running_text_specials[] = {"<unk>", NULL};
static const char *const running_text_vocabs[] = {"vocab", NULL};

enum partition { RANDOM, SEQUENTIAL, WINDOWS };
enum { TIME, BATCH, AXES };
static const char *const axis_names[AXES] = {"time", "batch"};

typedef struct running_text {
    gr_items items;      /* windows */
    gr_part *parts; int num_parts;
    gr_sequences text;
    int64_t length[AXES];
    int order[2][AXES];  /* of tokens, targets */
    int64_t offset;      /* of the epoch in hand, from the split's begin */
    int64_t row;         /* sequential: tokens from row to row */
    int64_t *piece;      /* random: the pieces in their order */
} running_text;

static int64_t partition_of(const gr_data *d) { return gr_source_attr(d, "partition")->i; }
static bool is_words(const gr_data *d) { return gr_data_find_attr(d, "max_words") != NULL; }

/* ---- the text ---- */

static int read_text(gr_data *d, gr_part *part, gr_lexicon *x)
{
    running_text *t = gr_source_state(d);
    int64_t most = gr_source_attr(d, is_words(d) ? "max_words" : "max_chars")->i, begin = t->text.count;
    size_t n = 0;
    char *text = gr_source_read_text(d, part, &n);
    if (!text) return -1;
    text = gr_text_prepare(d, text, &n);
    gr_sequences_text(&t->text, x, text, n, is_words(d), gr_part_is_train(part));
    if (most >= 0 && t->text.count - begin > most) t->text.count = begin + most;
    part->end = t->text.count;
    return 0;
}

static int read_texts(gr_data *d)
{
    running_text *t = gr_source_state(d);
    gr_lexicon *x = gr_lexicon_create(d->arena);
    const char *const *specials = running_text_specials + (gr_source_attr(d, "unk")->i == 0);
    int32_t *number;
    for (int i = 0; i < t->num_parts; i++)
        if (read_text(d, &t->parts[i], x) < 0) return -1;
    if (!gr_lexicon_vocab(d, "vocab", x, is_words(d), specials, &number)) return -1;
    gr_sequences_number(&t->text, number);
    return 0;
}

/* ---- opening ---- */

static int read_lengths(gr_data *d)
{
    running_text *t = gr_source_state(d);
    static const char *const names[] = {"tokens", "targets"};
    int64_t other[AXES];
    gr_loc at = gr_data_axes(d, names[0], AXES, axis_names, t->length, t->order[0]);
    gr_loc at_targets = gr_data_axes(d, names[1], AXES, axis_names, other, t->order[1]);
    for (int k = 0; k < AXES; k++) {
        if (t->length[k] < 0) t->length[k] = other[k];
        if (t->length[k] > 0 && (other[k] < 0 || other[k] == t->length[k])) continue;
        const gr_var length = gr_model_var(d->model, axis_names[k]);
        if (length.kind != GR_VAR_NONE && !(length.kind == GR_VAR_INT && length.i > 0)) {
            gr_diag_error(d->diag, at, "'%s' is no whole number of at least 1", axis_names[k]);
            return -1;
        }
        if (d->options.facts_only) return 1;
        if (other[k] > 0)
            gr_diag_error(d->diag, at_targets, "targets have another length of '%s' than tokens, %lld and %lld",
                          axis_names[k], (long long)other[k], (long long)t->length[k]);
        else
            gr_diag_error(d->diag, at, "%s needs to know how many steps and how many rows a batch has: vars: "
                          "{time: 35, batch: 32}", d->desc->name);
        return -1;
    }
    for (int f = 0; f < 2 && partition_of(d) != WINDOWS; f++) {
        int64_t dim[AXES];
        for (int k = 0; k < AXES; k++) dim[k] = t->length[t->order[f][k]];
        gr_source_add_field(d, names[f], GR_INT32, AXES, dim);
    }
    return 0;
}

/* The largest offset of an epoch: d2l's, or less where the text is that short. */
static int64_t largest_offset(const gr_data *d, const gr_split *s)
{
    const running_text *t = gr_source_state(d);
    int64_t most = partition_of(d) == RANDOM ? t->length[TIME] - 1 : t->length[TIME];
    int64_t spare = s->end - s->begin - 1 - t->length[TIME] * t->length[BATCH];
    if (!gr_split_is_train(s) || spare < 0) return 0;
    return spare < most ? spare : most;
}

static int64_t count_batches(const gr_data *d, const gr_split *s)
{
    const running_text *t = gr_source_state(d);
    int64_t n = s->end - s->begin - 1 - largest_offset(d, s);
    if (n <= 0) return 0;
    return partition_of(d) == RANDOM ? n / t->length[TIME] / t->length[BATCH] : n / t->length[BATCH] / t->length[TIME];
}

static int cut_splits(gr_data *d)
{
    running_text *t = gr_source_state(d);
    if (gr_data_read_splits(d, t->text.count, t->parts, t->num_parts) < 0) return -1;
    for (int i = 0; i < d->num_splits; i++) {
        gr_split *s = &d->splits[i];
        s->batches = count_batches(d, s);
        if (s->batches) continue;
        gr_doc *at = gr_doc_get(d->section, "split");
        gr_diag_error(d->diag, at ? at->at : d->section->key_at, "the split '%s' has %lld %s; one batch of %lld "
                      "rows of %lld takes %lld", s->name, (long long)(s->end - s->begin), is_words(d) ? "words" : "characters",
                      (long long)t->length[BATCH], (long long)t->length[TIME], (long long)(t->length[BATCH] * t->length[TIME] + 1));
        return -1;
    }
    t->piece = GR_NEW_ARRAY(d->arena, int64_t, t->text.count / t->length[TIME] + 1);
    return 0;
}

/* ---- windows ---- */

static const void *window(gr_data *d, int64_t item, int field, void *scratch)
{
    (void)scratch;
    return ((running_text *)gr_source_state(d))->text.id + item + field;
}

/* As items. One that would reach from one file into the next is none. */
static int open_windows(gr_data *d)
{
    running_text *t = gr_source_state(d);
    gr_items *x = &t->items;
    static const char *const names[] = {"tokens", "targets"};
    for (int f = 0; f < 2; f++) {
        gr_item_field *field = gr_items_field(x, names[f], GR_ITEM_FIXED, 0, GR_INT32);
        field->rank = 1;
        field->dim[0] = t->length[TIME];
        field->batch_axis = t->order[f][0] == BATCH ? 1 : 2;
    }
    x->count = t->text.count;
    x->get = window;
    x->parts = t->parts;
    x->num_parts = t->num_parts;
    x->gap = t->length[TIME];
    return gr_source_open_items(d, x);
}

static int running_text_open(gr_data *d)
{
    running_text *t = GR_NEW(d->arena, running_text);
    gr_source_set_state(d, t);
    t->text.arena = d->arena;
    if (partition_of(d) == SEQUENTIAL && gr_source_attr(d, "shuffle")->given) {
        gr_source_fail(d, GR_AT_ATTR, "shuffle", "rows of a sequential partition go on from batch to batch; "
                      "leave 'shuffle' out");
        return -1;
    }
    t->num_parts = gr_source_paths(d, "path", "a text file", &t->parts);
    if (!t->num_parts) return -1;
    gr_vocab *v;
    bool known = gr_vocabs_known(d, running_text_vocabs);
    if ((known ? gr_vocab_add_known(d, "vocab", is_words(d), &v) : read_texts(d)) < 0) return -1;
    int r = read_lengths(d);
    if (r < 0) return -1;
    if (known || r > 0) return known;
    if (partition_of(d) == WINDOWS) return open_windows(d);
    return d->options.facts_only ? 0 : cut_splits(d);
}

/* ---- batches ---- */

static void running_text_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    running_text *t = gr_source_state(d);
    int64_t most = largest_offset(d, s), offset = most ? gr_source_number(d, epoch, most + 1) : 0;
    int64_t n = s->end - s->begin - offset - 1;
    t->offset = s->begin + offset;
    t->row = n / t->length[BATCH];
    if (partition_of(d) != RANDOM) return;
    int64_t pieces = n / t->length[TIME];
    for (int64_t i = 0; i < pieces; i++) t->piece[i] = i;
    if (gr_split_is_train(s) && gr_source_attr(d, "shuffle")->i) gr_source_shuffle(d, epoch, 0, t->piece, pieces);
}

static void running_text_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    const running_text *t = gr_source_state(d);
    int64_t rows = t->length[BATCH], steps = t->length[TIME];
    (void)s;
    for (int64_t r = 0; r < rows; r++) {
        int64_t at = partition_of(d) == RANDOM ? t->piece[batch * rows + r] * steps : r * t->row + batch * steps;
        const int32_t *from = t->text.id + t->offset + at;
        for (int f = 0; f < 2; f++) {
            bool time_first = t->order[f][0] == TIME;
            int32_t *to = (int32_t *)field[f].data + (time_first ? r : r * steps);
            for (int64_t k = 0; k < steps; k++) to[time_first ? k * rows : k] = from[k + f];
        }
    }
}

static const gr_port running_text_fields[] = {
    {"tokens", 0, "int32 [time, batch]: the numbers of tokens"},
    {"targets", 0, "int32 [time, batch]: the next ones"},
    {NULL, 0, NULL},
};
static const gr_port running_text_facts[] = {
    {"vocab", 0, "items of the vocabulary"},
    {NULL, 0, NULL},
};

const gr_source gr_source_char_text = {
    GR_SOURCE_HEADER,
    .name = "CharText",
    .summary = "A text, character by character: tokens, and as targets the next ones; the vars time and batch say how many.",
    .attrs = char_text_attrs,
    .fields = running_text_fields,
    .facts = running_text_facts,
    .keys = running_text_keys,
    .numbering = running_text_numbering,
    .open = running_text_open,
    .begin = running_text_begin,
    .fill = running_text_fill,
    .prepare = gr_text_prepare,
    .example =
        "# words.txt:\n"
        "#   the cat sat on the mat and the dog sat on the cat and the mat sat on the dog\n"
        "vars: {time: 5, batch: 2}\n"
        "data: {op: CharText, path: words.txt, lower: true}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  letters: {op: Embedding, in: tokens, num_embeddings: $data.vocab, embedding_dim: 4}\n",
};

const gr_source gr_source_word_text = {
    GR_SOURCE_HEADER,
    .name = "WordText",
    .summary = "A text, word by word: tokens, and as targets the next ones; the vars time and batch say how many.",
    .attrs = word_text_attrs,
    .fields = running_text_fields,
    .facts = running_text_facts,
    .keys = running_text_keys,
    .numbering = running_text_numbering,
    .open = running_text_open,
    .begin = running_text_begin,
    .fill = running_text_fill,
    .prepare = gr_text_prepare,
    .example =
        "# words.txt:\n"
        "#   the cat sat on the mat and the dog sat on the cat and the mat sat on the dog\n"
        "vars: {time: 5, batch: 2}\n"
        "data: {op: WordText, path: words.txt}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  letters: {op: Embedding, in: tokens, num_embeddings: $data.vocab, embedding_dim: 4}\n",
};
