/* vocab.c - characters, words or classes and their numbers; the vocabularies of a source. */
#include "base/map.h"
#include "base/utf8.h"
#include "data/desc.h"

#include <string.h>

#define WHITE " \t\n\r\f\v"

gr_vocab *gr_vocab_create(gr_arena *a, int count, const char **item)
{
    gr_vocab *v = GR_NEW(a, gr_vocab);
    static const char *const specials[GR_NUM_SPECIALS] = {"<unk>", "<pad>", "<bos>", "<eos>"};
    *v = (gr_vocab){.item = item, .count = count, .index = gr_map_create(a)};
    for (int i = 0; i < count; i++)
        if (!gr_map_get(v->index, item[i])) gr_map_set(v->index, item[i], (void *)(intptr_t)(i + 1));
    for (int i = 0; i < GR_NUM_SPECIALS; i++) v->special[i] = gr_vocab_find(v, specials[i]);
    return v;
}

int gr_vocab_find(const gr_vocab *v, const char *item) { return (int)(intptr_t)gr_map_get(v->index, item) - 1; }

/* The longest item that text begins with, -1 if none does; *bytes: its length. */
static int longest_item(const gr_vocab *v, const char *text, size_t *bytes)
{
    int best = -1;
    *bytes = 0;
    for (int i = 0; i < v->count; i++) {
        size_t n = strlen(v->item[i]);
        if (n > *bytes && strncmp(v->item[i], text, n) == 0) best = i, *bytes = n;
    }
    return best;
}

/* The item that text begins with, a word or the longest; *bytes: how much of it that is. */
static int next_item(const gr_vocab *v, gr_arena *a, const char *text, size_t *bytes)
{
    int id;
    if (v->words) {
        *bytes = strcspn(text, WHITE);
        id = gr_vocab_find(v, gr_arena_strndup(a, text, *bytes));
    } else if ((id = longest_item(v, text, bytes)) < 0) {
        *bytes = (size_t)gr_utf8_decode(text, strlen(text), NULL);
    }
    return id >= 0 ? id : v->special[GR_UNK];
}

/* Numbers of the longest items that text is made of. Their count, or -1 with e filled. */
static int encode(const gr_vocab *v, gr_arena *a, const char *text, int32_t **ids, gr_error *e)
{
    int count = 0, cap = 0;
    *ids = NULL;
    while (v->words ? *(text += strspn(text, WHITE)) : *text) {
        size_t bytes;
        int id = next_item(v, a, text, &bytes);
        if (id < 0) return gr_set_error(e, GR_EINVAL, "'%.*s' is not in the vocabulary", (int)bytes, text);
        *GR_PUSH(a, *ids, count, cap) = id;
        text += bytes;
    }
    return count;
}

/* ---- of a source ---- */

void gr_data_tell(gr_data *d, const char *name, int64_t value)
{
    gr_model_set(d->model, gr_arena_printf(d->arena, "data.%s", name), (gr_var){.kind = GR_VAR_INT, .i = value});
}

int gr_data_add_vocab(gr_data *d, const char *name, gr_vocab *v)
{
    const gr_attr *size = gr_data_find_attr(d, name);
    bool given = size && size->present;
    if (v) *GR_PUSH(d->arena, d->vocabs, d->num_vocabs, d->cap_vocabs) = v;
    if (v) v->name = name;
    if (v && given && size->i != v->count) {
        gr_diag_error(d->diag, gr_data_attr_at(d, name), "'%s' is %lld here, but %d of the data", name, (long long)size->i, v->count);
        return -1;
    }
    if (v || given) gr_data_tell(d, name, v ? v->count : size->i);
    return 0;
}

void gr_data_add_text(gr_data *d, const char *field, const gr_vocab *v, bool begins, bool ends)
{
    *GR_PUSH(d->arena, d->texts, d->num_texts, d->cap_texts) = (gr_text_field){field, v, begins, ends};
}

/* How text is numbered as the field; vocab NULL: it is not. */
static gr_text_field text_field(const gr_data *d, const char *field)
{
    gr_text_field none = {0};
    for (int i = 0; field && i < d->num_texts; i++)
        if (!strcmp(d->texts[i].field, field)) return d->texts[i];
    if ((!field || !d->num_texts) && d->num_vocabs) none.vocab = d->vocabs[0];
    return none;
}

const char *const *gr_data_vocab(const gr_data *d, const char *field, int *count)
{
    const gr_vocab *v = text_field(d, field).vocab;
    if (!v) return NULL;
    *count = v->count;
    return v->item;
}

bool gr_data_is_words(const gr_data *d, const char *field)
{
    const gr_vocab *v = text_field(d, field).vocab;
    bool words = v && v->words;
    for (int i = 0; v && i < v->count && !words; i++) /* <unk> and the like do not count */
        words = v->item[i][0] != '<' && strlen(v->item[i]) > 4; /* longer than any character in UTF-8 */
    return words;
}

int gr_data_special(const gr_data *d, const char *field, gr_special which)
{
    const gr_vocab *v = text_field(d, field).vocab;
    return v ? v->special[which] : -1;
}

/* By a copy of the source that has an arena and messages of its own, so that any thread may. NULL with e filled. */
static char *prepare(const gr_data *d, gr_arena *a, char *text, size_t *n, gr_error *e)
{
    gr_data within = {.head = d->head, .desc = d->desc, .specs = d->specs, .model = d->model, .arena = a, .diag = gr_diag_create(a),
                      .section = d->section, .attr = d->attr, .attr_at = d->attr_at, .options = d->options, .unicode = d->unicode, .making = -1};
    text = d->desc->prepare(&within, text, n);
    const char *said = gr_diag_message(within.diag, 0, NULL);
    if (text && !said && !atomic_load(&within.complaint)) return text;
    gr_set_error(e, GR_EINVAL, "%s", said ? said : atomic_load(&within.complaint) ? within.complaint_text : "the data source's 'prepare' gives NULL");
    return NULL;
}

int gr_data_encode(const gr_data *d, gr_arena *a, const char *field, const char *text, int32_t **ids, gr_error *e)
{
    gr_text_field f = text_field(d, field);
    size_t n = strlen(text);
    int32_t *inner;
    if (!f.vocab)
        return gr_set_error(e, GR_EINVAL, field && d->num_vocabs ? "the field '%s' of the data source has no vocabulary"
                                                                 : "the data source has no vocabulary", field);
    if (gr_utf8_check(text, n) < n) return gr_set_error(e, GR_EINVAL, "the text is not UTF-8");
    char *copy = gr_arena_strdup(a, text);
    if (d->desc->prepare && !(copy = prepare(d, a, copy, &n, e))) return -1;
    copy = gr_arena_strndup(a, copy, n);
    int count = encode(f.vocab, a, copy, &inner, e), size = 0;
    if (count < 0) return -1;
    *ids = GR_NEW_ARRAY(a, int32_t, count + 2);
    if (f.begins) (*ids)[size++] = f.vocab->special[GR_BOS];
    for (int i = 0; i < count; i++) (*ids)[size++] = inner[i];
    if (f.ends) (*ids)[size++] = f.vocab->special[GR_EOS];
    return size;
}
