/* conll.c - Conll: sentences whose words are tagged, one word a line.
 *
 *     tokens    int32 [time, batch]   the words
 *     tags      int32 [time, batch]   -100 past a sentence's end, which losses and metrics ignore
 *     lengths   int32 [batch]
 *
 * Words are learnt from the split train (from the whole file where there is one), tags from all. */
#include "data/items.h"
#include "data/lexicon.h"
#include "io/conll.h"

#include <string.h>

static const gr_attr_spec conll_attrs[] = {
    GR_ITEM_ATTRS("true", "true"),
    GR_RAGGED_ATTRS,
    {"format", GR_ATTR_CHOICE, "auto", 0, 0, "auto|conllu|columns",
     "conllu: ten columns between tabs, # begins a comment; columns: white space between them"},
    {"word", GR_ATTR_STRING, "~", 0, 0, NULL, "the column of the words: its name (conllu) or number from 0; absent: form, or 0"},
    {"tag", GR_ATTR_STRING, "~", 0, 0, NULL, "the column of the tags; absent: upos, or -1, the last"},
    {"lower", GR_ATTR_BOOL, "false", 0, 0, NULL, "turn capital letters of words into small ones"},
    GR_VOCAB_ATTRS,
    {"vocab", GR_ATTR_INT, "~", 1, 1e9, NULL, "size of the vocabulary of words, where no file is at hand"},
    {"tags", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many tags there are, where no file is at hand"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const conll_keys[] = {"path", "split", NULL};
static const char *const conll_numbering[] = {"word", "tag", "lower", "min_freq", "max_vocab", "order", NULL};
static const char *const conll_specials[] = {"<unk>", "<pad>", NULL};
static const char *const conll_vocabs[] = {"vocab", "tags", NULL};

enum { TOKENS, TAGS, KINDS };

typedef struct conll {
    gr_items items;
    gr_conll *files;
    gr_lexicon *lexicon[KINDS];
    gr_sequences sequences[KINDS];
} conll;

static void add_sentence(gr_data *d, conll *s, const gr_conll *f, const gr_conll_sentence *sentence, bool learn)
{
    for (int64_t i = sentence->first; i < sentence->first + sentence->length; i++) {
        size_t n = strlen(f->word[i]);
        const char *word = gr_text_prepare(d, (char *)(uintptr_t)f->word[i], &n);
        gr_sequences_add(&s->sequences[TOKENS], gr_lexicon_add(s->lexicon[TOKENS], word, n, learn));
        gr_sequences_add(&s->sequences[TAGS], gr_lexicon_add(s->lexicon[TAGS], f->tag[i], strlen(f->tag[i]), true));
    }
    for (int k = 0; k < KINDS; k++) gr_sequences_end(&s->sequences[k]);
}

static int read_file(gr_data *d, conll *s, gr_part *part, gr_conll *f)
{
    size_t n;
    gr_error e = {0};
    gr_conll_format format = (gr_conll_format)gr_source_attr(d, "format")->i;
    char *text = gr_source_read_text(d, part, &n);
    if (!text) return -1;
    if (gr_conll_parse(d->arena, part->path, text, n, format, gr_source_attr(d, "word")->s, gr_source_attr(d, "tag")->s, f, &e)) {
        gr_source_fail_part(d, part, "%s", e.message);
        return -1;
    }
    bool learn = gr_part_is_train(part);
    for (int64_t i = 0; i < f->count; i++) add_sentence(d, s, f, &f->sentences[i], learn);
    part->end = s->items.count += f->count;
    return 0;
}

/* A tag that the weights lack is the one mistake that words cannot make: they have <unk>. */
static int check_tags(gr_data *d, const conll *s, const gr_part *parts, int n, const int32_t *number)
{
    const int32_t *id = s->sequences[TAGS].id;
    for (int p = 0; p < n; p++) {
        const gr_conll *f = &s->files[p];
        int64_t words = f->sentences[f->count - 1].first + f->sentences[f->count - 1].length;
        for (int64_t i = 0; i < words; i++) {
            if (number[*id++] >= 0) continue;
            gr_source_fail_part(d, &parts[p], "%s: line %lld: '%.40s' is no tag of the weights", parts[p].path,
                          (long long)f->line[i], f->tag[i]);
            return -1;
        }
    }
    return 0;
}

static void tell_vocabs(gr_data *d, const gr_vocab *words, const gr_vocab *tags)
{
    if (words) gr_source_add_text(d, "tokens", words, false, false);
    if (words) gr_source_tell(d, "pad", words->special[GR_PAD]);
    if (tags) gr_source_add_text(d, "tags", tags, false, false);
}

static int number_words(gr_data *d, conll *s, const gr_part *parts, int n)
{
    int32_t *number[KINDS];
    gr_vocab *words = gr_lexicon_vocab(d, "vocab", s->lexicon[TOKENS], true, conll_specials, &number[TOKENS]);
    gr_vocab *tags = words ? gr_lexicon_classes(d, "tags", s->lexicon[TAGS], &number[TAGS]) : NULL;
    if (!tags || check_tags(d, s, parts, n, number[TAGS])) return -1;
    for (int k = 0; k < KINDS; k++) gr_sequences_number(&s->sequences[k], number[k]);
    tell_vocabs(d, words, tags);
    gr_items_field(&s->items, "tokens", GR_ITEM_RAGGED, 0, GR_INT32)->pad = words->special[GR_PAD];
    gr_items_field(&s->items, "tags", GR_ITEM_RAGGED, 0, GR_INT32)->pad = -100;
    gr_items_field(&s->items, "lengths", GR_ITEM_LENGTHS, 0, GR_INT32);
    return 0;
}

static const void *conll_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const gr_sequences *q = &((conll *)gr_source_state(d))->sequences[field];
    (void)scratch;
    return q->id + q->start[item];
}

static int known_facts(gr_data *d)
{
    gr_vocab *words, *tags;
    if (gr_vocab_add_known(d, "vocab", true, &words) < 0 || gr_vocab_add_known(d, "tags", true, &tags) < 0) return -1;
    tell_vocabs(d, words, tags);
    return 0;
}

static int conll_open(gr_data *d)
{
    gr_part *parts;
    conll *s = GR_NEW(d->arena, conll);
    int n = gr_source_paths(d, "path", "a file of tagged words", &parts);
    gr_source_set_state(d, s);
    if (!n) return -1;
    if (gr_source_absent(d, parts, n) && gr_vocabs_known(d, conll_vocabs)) return known_facts(d) < 0 ? -1 : 1;
    s->files = GR_NEW_ARRAY(d->arena, gr_conll, n);
    for (int k = 0; k < KINDS; k++) {
        s->lexicon[k] = gr_lexicon_create(d->arena);
        s->sequences[k].arena = d->arena;
    }
    for (int i = 0; i < n; i++)
        if (read_file(d, s, &parts[i], &s->files[i])) return -1;
    if (number_words(d, s, parts, n)) return -1;
    s->items.parts = parts;
    s->items.num_parts = n;
    s->items.num_axes = 1;
    s->items.length[0] = gr_sequences_lengths(&s->sequences[TOKENS], 0);
    s->items.get = conll_get;
    return gr_source_open_items(d, &s->items);
}

static const gr_port conll_fields[] = {
    {"tokens", 0, "int32 [time, batch]: the words of a sentence"},
    {"tags", 0, "int32 [time, batch]: the tag of each; -100 past its end"},
    {"lengths", 0, "int32 [batch]: of both"},
    {NULL, 0, NULL},
};
static const gr_port conll_facts[] = {
    {"vocab", 0, "items of the vocabulary"},
    {"tags", 0, "how many tags there are"},
    {"pad", 0, "the number of <pad>"},
    {NULL, 0, NULL},
};

const gr_source gr_source_conll = {
    GR_SOURCE_HEADER,
    .name = "Conll", .reference = "universaldependencies.org/format.html; Tjong Kim Sang and De Meulder 2003",
    .summary = "Sentences whose words are tagged, one word a line, in CoNLL-U or in columns.",
    .attrs = conll_attrs,
    .fields = conll_fields,
    .facts = conll_facts,
    .keys = conll_keys,
    .numbering = conll_numbering,
    .open = conll_open,
    .prepare = gr_text_prepare,
    .example =
        "# tagged.txt:\n"
        "#   the DET\n"
        "#   cat NOUN\n"
        "#   sleeps VERB\n"
        "#   \n"
        "#   dogs NOUN\n"
        "#   bark VERB\n"
        "vars: {batch: 2}\n"
        "data: {op: Conll, path: tagged.txt}\n"
        "graph:\n"
        "  words: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  tags: {op: Input, shape: [time, batch], dtype: int32, from: data.tags}\n"
        "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n",
};
