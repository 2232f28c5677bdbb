/* vocab.c - characters or words and their numbers; as JSON in a weights file. */
#include "base/map.h"
#include "base/utf8.h"
#include "data/desc.h"

#include <jansson.h>
#include <stdlib.h>
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

int gr_vocab_encode(const gr_vocab *v, gr_arena *a, const char *text, int32_t **ids, gr_error *e)
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

static void free_json(void *p) { json_decref(p); }

gr_vocab *gr_vocab_from_json(gr_arena *a, const char *json, const char *name)
{
    json_t *root = json_loads(json, 0, NULL), *list = json_object_get(root, name);
    size_t n = json_array_size(list);
    if (root) gr_arena_defer(a, free_json, root);
    if (!n || n > INT32_MAX) return NULL;
    const char **item = GR_NEW_ARRAY(a, const char *, n);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !*text) return NULL;
        item[i] = text; /* lives as long as the arena */
    }
    return gr_vocab_create(a, (int)n, item);
}

const char *gr_data_to_json(const gr_data *d)
{
    gr_arena *a = d->arena;
    json_t *root = json_object(), *settings = json_object();
    json_object_set_new(root, "source", json_string(d->desc->name));
    for (int i = 0; d->desc->attrs[i].name; i++)
        if (d->attr[i].present)
            json_object_set_new(settings, d->desc->attrs[i].name,
                                json_string(gr_attr_text(a, &d->desc->attrs[i], &d->attr[i])));
    json_object_set_new(root, "settings", settings);
    for (int k = 0; k < d->num_vocabs; k++) {
        const gr_vocab *v = d->vocabs[k];
        json_t *list = json_array();
        for (int i = 0; i < v->count; i++) json_array_append_new(list, json_string(v->item[i]));
        json_object_set_new(root, v->name, list);
    }
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text) return NULL;
    const char *copy = gr_arena_strdup(a, text);
    free(text);
    return copy;
}

/* ---- of a source ---- */

void gr_data_tell(gr_data *d, const char *name, int64_t value)
{
    gr_model_set(d->model, gr_arena_printf(d->arena, "data.%s", name), (gr_var){.kind = GR_VAR_INT, .i = value});
}

void gr_data_add_vocab(gr_data *d, const char *name, gr_vocab *v)
{
    v->name = name;
    *GR_PUSH(d->arena, d->vocabs, d->num_vocabs, d->cap_vocabs) = v;
    gr_data_tell(d, name, v->count);
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

int gr_data_special(const gr_data *d, const char *field, gr_special which)
{
    const gr_vocab *v = text_field(d, field).vocab;
    return v ? v->special[which] : -1;
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
    if (d->desc->prepare) copy = gr_arena_strndup(a, d->desc->prepare((gr_data *)d, copy, &n), n);
    int count = gr_vocab_encode(f.vocab, a, copy, &inner, e), size = 0;
    if (count < 0) return -1;
    *ids = GR_NEW_ARRAY(a, int32_t, count + 2);
    if (f.begins) (*ids)[size++] = f.vocab->special[GR_BOS];
    for (int i = 0; i < count; i++) (*ids)[size++] = inner[i];
    if (f.ends) (*ids)[size++] = f.vocab->special[GR_EOS];
    return size;
}
