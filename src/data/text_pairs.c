/* text_pairs.c - TextPairs: a text and what it is to become, a line each, by a tab.
 *
 *     source   s1 ... sn <eos>            source_lengths  n + 1
 *     shifted  <bos> t1 ... tm            target_lengths  m + 1
 *     targets        t1 ... tm <eos>
 *
 * What follows a second tab is not read. Empty lines are left out. */
#include "data/items.h"
#include "data/lexicon.h"

#include <string.h>

static const gr_attr_spec text_pairs_attrs[] = {
    GR_ITEM_ATTRS("true", "true"),
    GR_RAGGED_ATTRS,
    {"reverse", GR_ATTR_BOOL, "false", 0, 0, NULL, "the second column is the source"},
    GR_UNIT_ATTR("word"),
    GR_TEXT_ATTRS,
    GR_PUNCTUATION_ATTR,
    GR_VOCAB_ATTRS,
    {"source_vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "size of the source's vocabulary, where the text is not at hand"},
    {"target_vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "size of the target's"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const text_pairs_keys[] = {"path", "split", NULL};
static const char *const text_pairs_numbering[] = {"reverse", "unit", "lower", "keep", "space_punctuation", "min_freq",
                                                   "max_vocab", "order", NULL};
static const char *const text_pairs_vocabs[] = {"target_vocab", "source_vocab", NULL};

enum { SOURCE, TARGET, SIDES };
enum { F_SOURCE, F_SOURCE_LENGTHS, F_SHIFTED, F_TARGETS, F_TARGET_LENGTHS };

typedef struct text_pairs {
    gr_items items;
    gr_sequences side[SIDES]; /* the target's with <bos>; both with <eos> */
    gr_lexicon *lexicon[SIDES];
    gr_vocab *vocab[SIDES];
} text_pairs;

static void add_side(gr_data *d, int side, char *text, size_t n, bool learn)
{
    text_pairs *t = gr_source_state(d);
    gr_lexicon *x = t->lexicon[side];
    gr_sequences *q = &t->side[side];
    text = gr_text_prepare(d, text, &n);
    if (side == TARGET) gr_sequences_add(q, gr_lexicon_add(x, "<bos>", 5, false));
    gr_sequences_text(q, x, text, n, gr_text_is_words(d), learn);
    gr_sequences_add(q, gr_lexicon_add(x, "<eos>", 5, false));
    gr_sequences_end(q);
}

static int add_line(gr_data *d, const gr_part *part, gr_line *l)
{
    bool reverse = gr_source_attr(d, "reverse")->i != 0, learn = gr_part_is_train(part);
    char *tab = memchr(l->text, '\t', l->length), *second = tab ? tab + 1 : NULL;
    if (!tab) {
        gr_source_fail_part(d, part, "'%s', line %ld: no tab between a text and what it is to become", part->path, l->number);
        return -1;
    }
    *tab = 0;
    size_t first_length = (size_t)(tab - l->text), second_length = strcspn(second, "\t");
    second[second_length] = 0;
    if (!first_length || !second_length) {
        gr_source_fail_part(d, part, "'%s', line %ld: nothing stands %s the tab", part->path, l->number,
                      first_length ? "after" : "before");
        return -1;
    }
    add_side(d, reverse ? TARGET : SOURCE, l->text, first_length, learn);
    add_side(d, reverse ? SOURCE : TARGET, second, second_length, learn);
    return 0;
}

static int read_file(gr_data *d, gr_part *part)
{
    const gr_sequences *q = &((text_pairs *)gr_source_state(d))->side[SOURCE];
    const gr_attr *most = gr_source_attr(d, "max_items");
    int64_t begin = q->num;
    size_t n = 0;
    char *text = gr_source_read_text(d, part, &n);
    if (!text) return -1;
    for (gr_line l = {.next = text, .end = text + n}; gr_line_next(&l);) {
        if (most->present && q->num - begin == most->i) break;
        if (l.length && add_line(d, part, &l) < 0) return -1;
    }
    part->end = q->num;
    return gr_part_check(d, part, q->num - begin, "pairs of texts");
}

/* The target's vocabulary is the first: what is generated is of it. */
static int make_vocabs(gr_data *d, bool known)
{
    text_pairs *t = gr_source_state(d);
    for (int side = TARGET; side >= SOURCE; side--) {
        const char *name = side == TARGET ? "target_vocab" : "source_vocab";
        int32_t *number;
        if (known && gr_vocab_add_known(d, name, gr_text_is_words(d), &t->vocab[side]) < 0) return -1;
        if (!known) t->vocab[side] = gr_lexicon_vocab(d, name, t->lexicon[side], gr_text_is_words(d), gr_specials, &number);
        if (!known && !t->vocab[side]) return -1;
        if (!known) gr_sequences_number(&t->side[side], number);
    }
    const gr_vocab *v = t->vocab[TARGET];
    gr_source_tell(d, "vocab", v ? v->count : gr_source_attr(d, "target_vocab")->i);
    if (!v || !t->vocab[SOURCE]) return 0;
    gr_source_tell(d, "pad", v->special[GR_PAD]);
    gr_source_add_text(d, "source", t->vocab[SOURCE], false, true);
    gr_source_add_text(d, "shifted", v, true, false);
    gr_source_add_text(d, "targets", v, false, true);
    return 0;
}

static const void *text_pairs_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const text_pairs *t = gr_source_state(d);
    const gr_sequences *q = &t->side[field == F_SOURCE ? SOURCE : TARGET];
    (void)scratch;
    return q->id + q->start[item] + (field == F_TARGETS);
}

static void add_fields(text_pairs *t)
{
    gr_items *x = &t->items;
    gr_items_field(x, "source", GR_ITEM_RAGGED, SOURCE, GR_INT32)->pad = t->vocab[SOURCE]->special[GR_PAD];
    gr_items_field(x, "source_lengths", GR_ITEM_LENGTHS, SOURCE, GR_INT32);
    gr_items_field(x, "shifted", GR_ITEM_RAGGED, TARGET, GR_INT32)->pad = t->vocab[TARGET]->special[GR_PAD];
    gr_items_field(x, "targets", GR_ITEM_RAGGED, TARGET, GR_INT32)->pad = t->vocab[TARGET]->special[GR_PAD];
    gr_items_field(x, "target_lengths", GR_ITEM_LENGTHS, TARGET, GR_INT32);
}

static int text_pairs_open(gr_data *d)
{
    text_pairs *t = GR_NEW(d->arena, text_pairs);
    gr_items *x = &t->items;
    gr_source_set_state(d, t);
    for (int side = SOURCE; side < SIDES; side++) {
        t->side[side].arena = d->arena;
        t->lexicon[side] = gr_lexicon_create(d->arena);
    }
    x->num_parts = gr_source_paths(d, "path", "a text file of two columns", &x->parts);
    if (!x->num_parts) return -1;
    if (gr_vocabs_known(d, text_pairs_vocabs)) return make_vocabs(d, true) < 0 ? -1 : 1;
    for (int i = 0; i < x->num_parts; i++)
        if (read_file(d, &x->parts[i]) < 0) return -1;
    if (make_vocabs(d, false) < 0) return -1;
    x->count = t->side[SOURCE].num;
    x->get = text_pairs_get;
    x->num_axes = SIDES;
    x->length[SOURCE] = gr_sequences_lengths(&t->side[SOURCE], 0);
    x->length[TARGET] = gr_sequences_lengths(&t->side[TARGET], -1);
    add_fields(t);
    return gr_source_open_items(d, x);
}

static const gr_port text_pairs_fields[] = {
    {"source", 0, "int32 [source_time, batch]: the tokens of a text and <eos>"},
    {"source_lengths", 0, "int32 [batch]: of source"},
    {"shifted", 0, "int32 [time, batch]: <bos> and the tokens of what it is to become"},
    {"targets", 0, "int32 [time, batch]: these tokens and <eos>"},
    {"target_lengths", 0, "int32 [batch]: of shifted and targets"},
    {NULL, 0, NULL},
};
static const gr_port text_pairs_facts[] = {
    {"source_vocab", 0, "items of the source's vocabulary"},
    {"target_vocab", 0, "items of the target's"},
    {"vocab", 0, "the same as target_vocab"},
    {"pad", 0, "the number of <pad>"},
    {NULL, 0, NULL},
};

const gr_source gr_source_text_pairs = {
    GR_SOURCE_HEADER,
    .name = "TextPairs",
    .summary = "Pairs of texts, a line each with a tab between: for models that make one of the other.",
    .attrs = text_pairs_attrs,
    .fields = text_pairs_fields,
    .facts = text_pairs_facts,
    .keys = text_pairs_keys,
    .numbering = text_pairs_numbering,
    .open = text_pairs_open,
    .prepare = gr_text_prepare,
    .example =
        "# pairs.txt:\n"
        "#   go .\tva !\n"
        "#   i am home .\tje suis chez moi .\n"
        "vars: {batch: 2}\n"
        "data: {op: TextPairs, path: pairs.txt}\n"
        "graph:\n"
        "  source: {op: Input, shape: [source_time, batch], dtype: int32, from: data.source}\n"
        "  source_lengths: {op: Input, shape: [batch], dtype: int32, from: data.source_lengths}\n"
        "  shifted: {op: Input, shape: [target_time, batch], dtype: int32, from: data.shifted}\n"
        "  targets: {op: Input, shape: [target_time, batch], dtype: int32, from: data.targets}\n"
        "  target_lengths: {op: Input, shape: [batch], dtype: int32, from: data.target_lengths}\n",
};
