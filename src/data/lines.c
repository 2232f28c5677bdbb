/* lines.c - Lines: each line of a file is an item.
 *
 *     tokens   <bos> w1 ... wn           of one line
 *     targets        w1 ... wn <eos>
 *     lengths  n + 1
 *
 * Empty lines are left out. */
#include "data/items.h"
#include "data/lexicon.h"

static const gr_attr_spec lines_attrs[] = {
    GR_ITEM_ATTRS("true", "true"),
    GR_RAGGED_ATTRS,
    GR_UNIT_ATTR("character"),
    GR_TEXT_ATTRS,
    GR_PUNCTUATION_ATTR,
    GR_VOCAB_ATTRS,
    {"vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "size of the vocabulary, where the text is not at hand"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const lines_keys[] = {"path", "split", NULL};
static const char *const lines_numbering[] = {"unit", "lower", "keep", "space_punctuation", "min_freq", "max_vocab", "order", NULL};

static const char *const lines_vocabs[] = {"vocab", NULL};

typedef struct lines {
    gr_items items;
    gr_sequences text; /* <bos> w1 ... wn <eos> of each line */
} lines;

static int read_file(gr_data *d, gr_part *part, gr_lexicon *x)
{
    gr_sequences *q = &((lines *)gr_source_state(d))->text;
    const gr_attr *most = gr_source_attr(d, "max_items");
    int64_t begin = q->num;
    size_t n = 0;
    char *text = gr_source_read_text(d, part, &n);
    if (!text) return -1;
    for (gr_line l = {.next = text, .end = text + n}; gr_line_next(&l);) {
        char *line = gr_text_prepare(d, l.text, &l.length);
        int64_t before = q->count;
        if (most->present && q->num - begin == most->i) break;
        gr_sequences_add(q, gr_lexicon_add(x, "<bos>", 5, false));
        gr_sequences_text(q, x, line, l.length, gr_text_is_words(d), gr_part_is_train(part));
        gr_sequences_add(q, gr_lexicon_add(x, "<eos>", 5, false));
        if (q->count == before + 2) q->count = before; /* an empty line */
        else gr_sequences_end(q);
    }
    part->end = q->num;
    return gr_part_check(d, part, q->num - begin, "lines of text");
}

static const void *lines_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const gr_sequences *q = &((lines *)gr_source_state(d))->text;
    (void)scratch;
    return q->id + q->start[item] + field;
}

static int open_items(gr_data *d, gr_part *parts, int num_parts, const gr_vocab *v)
{
    lines *s = gr_source_state(d);
    gr_items *x = &s->items;
    x->count = s->text.num;
    x->parts = parts;
    x->num_parts = num_parts;
    x->get = lines_get;
    x->num_axes = 1;
    x->length[0] = gr_sequences_lengths(&s->text, -1);
    gr_items_field(x, "tokens", GR_ITEM_RAGGED, 0, GR_INT32)->pad = v->special[GR_PAD];
    gr_items_field(x, "targets", GR_ITEM_RAGGED, 0, GR_INT32)->pad = v->special[GR_PAD];
    gr_items_field(x, "lengths", GR_ITEM_LENGTHS, 0, GR_INT32);
    return gr_source_open_items(d, x);
}

static void tell_fields(gr_data *d, const gr_vocab *v)
{
    gr_source_add_text(d, "tokens", v, true, false);
    gr_source_add_text(d, "targets", v, false, true);
    gr_source_tell(d, "pad", v->special[GR_PAD]);
}

static int lines_open(gr_data *d)
{
    lines *s = GR_NEW(d->arena, lines);
    gr_lexicon *x = gr_lexicon_create(d->arena);
    gr_part *parts;
    int32_t *number;
    gr_vocab *v;
    gr_source_set_state(d, s);
    s->text.arena = d->arena;
    int n = gr_source_paths(d, "path", "a text file", &parts);
    if (!n) return -1;
    if (gr_vocabs_known(d, lines_vocabs)) {
        if (gr_vocab_add_known(d, "vocab", gr_text_is_words(d), &v) < 0) return -1;
        if (v) tell_fields(d, v);
        return 1;
    }
    for (int i = 0; i < n; i++)
        if (read_file(d, &parts[i], x) < 0) return -1;
    v = gr_lexicon_vocab(d, "vocab", x, gr_text_is_words(d), gr_specials, &number);
    if (!v) return -1;
    gr_sequences_number(&s->text, number);
    tell_fields(d, v);
    return open_items(d, parts, n, v);
}

static const gr_port lines_fields[] = {
    {"tokens", 0, "int32 [time, batch]: <bos> and the tokens of a line"},
    {"targets", 0, "int32 [time, batch]: the tokens of a line and <eos>"},
    {"lengths", 0, "int32 [batch]: of both"},
    {NULL, 0, NULL},
};
static const gr_port lines_facts[] = {
    {"vocab", 0, "items of the vocabulary"},
    {"pad", 0, "the number of <pad>"},
    {NULL, 0, NULL},
};

const gr_source gr_source_lines = {
    GR_SOURCE_HEADER,
    .name = "Lines",
    .summary = "Each line of a text is an item: tokens after <bos>, and as targets the next ones, to <eos>.",
    .attrs = lines_attrs,
    .fields = lines_fields,
    .facts = lines_facts,
    .keys = lines_keys,
    .numbering = lines_numbering,
    .open = lines_open,
    .prepare = gr_text_prepare,
    .example =
        "# names.txt:\n"
        "#   anna\n"
        "#   bob\n"
        "#   ottilie\n"
        "#   maximilian\n"
        "vars: {batch: 2}\n"
        "data: {op: Lines, path: names.txt, unit: character}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n",
};
