/* labelled_text.c - LabelledText: texts and the class of each.
 *
 * A line is a label and a text in two columns; or there is a file of texts for each label
 * (files: {Arabic: names/Arabic.txt, ...}), a line a text. Empty lines are left out. */
#include "data/items.h"
#include "data/lexicon.h"

#include <string.h>

static const gr_attr_spec labelled_text_attrs[] = {
    GR_ITEM_ATTRS("true", "true"),
    GR_RAGGED_ATTRS,
    {"label", GR_ATTR_INT, "0", 0, 1000, NULL, "the column of the label, from 0"},
    {"text", GR_ATTR_INT, "1", 0, 1000, NULL, "the column of the text"},
    {"separator", GR_ATTR_CHOICE, "tab", 0, 0, "tab|comma|semicolon", "what stands between columns"},
    {"skip", GR_ATTR_INT, "0", 0, 1e9, NULL, "how many lines come before the first item"},
    GR_UNIT_ATTR("word"),
    GR_TEXT_ATTRS,
    GR_PUNCTUATION_ATTR,
    GR_VOCAB_ATTRS,
    {"vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "size of the vocabulary, where the text is not at hand"},
    {"classes", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many classes there are then"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const labelled_text_keys[] = {"path", "files", "split", NULL};
static const char *const labelled_text_numbering[] = {"unit", "lower", "keep", "space_punctuation", "min_freq",
                                                      "max_vocab", "order", NULL};
static const char *const labelled_text_specials[] = {"<unk>", "<pad>", NULL};
static const char *const labelled_text_vocabs[] = {"vocab", "classes", NULL};

enum { F_TOKENS, F_LENGTHS, F_LABELS };

typedef struct labelled_text {
    gr_items items;
    gr_sequences text, label; /* of each item; one label in each sequence */
    gr_lexicon *words, *classes;
} labelled_text;

/* ---- reading ---- */

/* Column `number` of a line; NULL: it has fewer. */
static char *column(const gr_data *d, char *line, int64_t number, size_t *n)
{
    char separator = "\t,;"[gr_source_attr(d, "separator")->i];
    for (; line && number > 0; number--) line = (line = strchr(line, separator)) ? line + 1 : NULL;
    if (line) *n = strcspn(line, (char[]){separator, 0});
    return line;
}

/* An item, unless its text is empty. */
static void add_item(gr_data *d, const gr_part *part, const char *label, size_t label_length, char *text, size_t n)
{
    labelled_text *t = gr_source_state(d);
    int64_t before = t->text.count;
    text = gr_text_prepare(d, gr_arena_strndup(d->arena, text, n), &n);
    gr_sequences_text(&t->text, t->words, text, n, gr_text_is_words(d), gr_part_is_train(part));
    if (t->text.count == before) return;
    gr_sequences_end(&t->text);
    gr_sequences_add(&t->label, gr_lexicon_add(t->classes, label, label_length, gr_part_is_train(part)));
    gr_sequences_end(&t->label);
}

static int add_columns(gr_data *d, const gr_part *part, const gr_line *l)
{
    int64_t label_column = gr_source_attr(d, "label")->i, text_column = gr_source_attr(d, "text")->i;
    size_t label_length = 0, n = 0;
    char *label = column(d, l->text, label_column, &label_length), *text = column(d, l->text, text_column, &n);
    if (label && text && label_length) {
        add_item(d, part, label, label_length, text, n);
        return 0;
    }
    if (label && text) gr_source_fail_part(d, part, "'%s', line %ld: the label is empty", part->path, l->number);
    else
        gr_source_fail_part(d, part, "'%s', line %ld: no column %lld; 'label', 'text' and 'separator' say where columns are",
                      part->path, l->number, (long long)(label ? text_column : label_column));
    return -1;
}

/* label NULL: it stands in the line. */
static int read_file(gr_data *d, gr_part *part, const char *label)
{
    const labelled_text *t = gr_source_state(d);
    const gr_attr *most = gr_source_attr(d, "max_items");
    int64_t begin = t->text.num;
    size_t n = 0;
    char *text = gr_source_read_text(d, part, &n);
    if (!text) return -1;
    for (gr_line l = {.next = text, .end = text + n}; gr_line_next(&l);) {
        if (most->present && t->text.num - begin == most->i) break;
        if (l.number <= gr_source_attr(d, "skip")->i || !l.length) continue;
        if (label) add_item(d, part, label, strlen(label), l.text, l.length);
        else if (add_columns(d, part, &l) < 0) return -1;
    }
    part->end = t->text.num;
    return gr_part_check(d, part, t->text.num - begin, "texts");
}

/* A file for each label. They are no splits. */
static int read_by_label(gr_data *d, gr_doc *files)
{
    gr_doc *path = gr_doc_get(d->section, "path");
    if (path || files->kind != GR_DOC_MAP || !files->count) {
        gr_diag_error(d->diag, path ? path->at : files->at, "%s", path ? "LabelledText takes 'path' or 'files', not both"
                      : "'files' takes a text file for each label: {Arabic: names/Arabic.txt, ...}");
        return -1;
    }
    for (int i = 0; i < files->count; i++) {
        gr_doc *entry = files->item[i];
        entry->used = true;
        gr_part part = {.path = gr_data_path(d, entry), .place = gr_part_place(d, entry->at)};
        if (!part.path || read_file(d, &part, entry->key) < 0) return -1;
    }
    return 0;
}

static int read_all(gr_data *d)
{
    gr_items *x = &((labelled_text *)gr_source_state(d))->items;
    gr_doc *files = gr_doc_get(d->section, "files");
    if (files) return read_by_label(d, files);
    x->num_parts = gr_source_paths(d, "path", "a text file of a label and a text a line", &x->parts);
    if (!x->num_parts) return -1;
    for (int i = 0; i < x->num_parts; i++)
        if (read_file(d, &x->parts[i], NULL) < 0) return -1;
    return 0;
}

/* ---- vocabularies ---- */

static int number_labels(gr_data *d, const gr_vocab *classes, const int32_t *number)
{
    const labelled_text *t = gr_source_state(d);
    for (int64_t i = 0; i < t->label.count; i++) {
        const char *label = gr_lexicon_token(t->classes, t->label.id[i]);
        if ((t->label.id[i] = number[t->label.id[i]]) >= 0) continue;
        gr_source_fail(d, GR_AT_NODE, NULL, "an item has the label '%s', which is none of the %d classes that %s", label,
                      classes->count, d->options.metadata ? "the weights were made for" : "the split train has");
        return -1;
    }
    return 0;
}

static void tell(gr_data *d, const gr_vocab *words, const gr_vocab *classes)
{
    if (words) gr_source_add_text(d, "tokens", words, false, false);
    if (classes) gr_source_add_text(d, "labels", classes, false, false);
    if (words) gr_source_tell(d, "pad", words->special[GR_PAD]);
}

static int known_vocabs(gr_data *d)
{
    gr_vocab *words, *classes;
    if (gr_vocab_add_known(d, "vocab", gr_text_is_words(d), &words) < 0) return -1;
    if (gr_vocab_add_known(d, "classes", true, &classes) < 0) return -1;
    tell(d, words, classes);
    return 0;
}

static int make_vocabs(gr_data *d)
{
    labelled_text *t = gr_source_state(d);
    int32_t *word, *class;
    gr_vocab *words = gr_lexicon_vocab(d, "vocab", t->words, gr_text_is_words(d), labelled_text_specials, &word);
    gr_vocab *classes = words ? gr_lexicon_classes(d, "classes", t->classes, &class) : NULL;
    if (!classes || number_labels(d, classes, class) < 0) return -1;
    gr_sequences_number(&t->text, word);
    tell(d, words, classes);
    gr_items_field(&t->items, "tokens", GR_ITEM_RAGGED, 0, GR_INT32)->pad = words->special[GR_PAD];
    return 0;
}

/* ---- opening ---- */

static const void *labelled_text_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const labelled_text *t = gr_source_state(d);
    (void)scratch;
    return field == F_LABELS ? t->label.id + item : t->text.id + t->text.start[item];
}

static int labelled_text_open(gr_data *d)
{
    labelled_text *t = GR_NEW(d->arena, labelled_text);
    gr_items *x = &t->items;
    gr_source_set_state(d, t);
    t->text.arena = t->label.arena = d->arena;
    t->words = gr_lexicon_create(d->arena);
    t->classes = gr_lexicon_create(d->arena);
    if (gr_vocabs_known(d, labelled_text_vocabs)) return known_vocabs(d) < 0 ? -1 : 1;
    if (read_all(d) < 0 || make_vocabs(d) < 0) return -1;
    x->count = t->text.num;
    x->get = labelled_text_get;
    x->num_axes = 1;
    x->length[0] = gr_sequences_lengths(&t->text, 0);
    gr_items_field(x, "lengths", GR_ITEM_LENGTHS, 0, GR_INT32);
    gr_items_field(x, "labels", GR_ITEM_FIXED, 0, GR_INT32);
    return gr_source_open_items(d, x);
}

static const gr_port labelled_text_fields[] = {
    {"tokens", 0, "int32 [time, batch]: the tokens of a text"},
    {"lengths", 0, "int32 [batch]: of tokens"},
    {"labels", 0, "int32 [batch]: classes"},
    {NULL, 0, NULL},
};
static const gr_port labelled_text_facts[] = {
    {"vocab", 0, "items of the vocabulary"},
    {"classes", 0, "how many classes there are"},
    {"pad", 0, "the number of <pad>"},
    {NULL, 0, NULL},
};

const gr_source gr_source_labelled_text = {
    GR_SOURCE_HEADER,
    .name = "LabelledText",
    .summary = "Texts and the class of each, from a file of two columns or a file for each class.",
    .attrs = labelled_text_attrs,
    .fields = labelled_text_fields,
    .facts = labelled_text_facts,
    .keys = labelled_text_keys,
    .numbering = labelled_text_numbering,
    .open = labelled_text_open,
    .prepare = gr_text_prepare,
    .example =
        "# reviews.txt:\n"
        "#   good; what a fine film\n"
        "#   bad; a dull film\n"
        "#   good; fine and funny\n"
        "vars: {batch: 3}\n"
        "data: {op: LabelledText, path: reviews.txt, separator: semicolon}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
        "  labels: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n",
};
