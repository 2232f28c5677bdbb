/* vocab.c - characters or words and their numbers; as JSON in a weights file. */
#include "base/map.h"
#include "base/utf8.h"
#include "data/desc.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

gr_vocab *gr_vocab_create(gr_arena *a, int count, const char **item)
{
    gr_vocab *v = GR_NEW(a, gr_vocab);
    *v = (gr_vocab){.item = item, .count = count, .unknown = -1, .index = gr_map_create(a)};
    for (int i = 0; i < count; i++)
        if (!gr_map_get(v->index, item[i])) gr_map_set(v->index, item[i], (void *)(intptr_t)(i + 1));
    v->unknown = gr_vocab_find(v, "<unk>");
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

int gr_vocab_encode(const gr_vocab *v, gr_arena *a, const char *text, int32_t **ids, gr_error *e)
{
    int count = 0, cap = 0;
    *ids = NULL;
    while (*text) {
        size_t bytes;
        int id = longest_item(v, text, &bytes);
        if (id < 0) {
            int length = gr_utf8_decode(text, strlen(text), NULL);
            if (!length) return gr_set_error(e, GR_EINVAL, "the text is not UTF-8");
            if (v->unknown < 0)
                return gr_set_error(e, GR_EINVAL, "'%.*s' is not in the vocabulary", length, text);
            id = v->unknown;
            bytes = (size_t)length;
        }
        *GR_PUSH(a, *ids, count, cap) = id;
        text += bytes;
    }
    return count;
}

static void free_json(void *p) { json_decref(p); }

gr_vocab *gr_vocab_from_json(gr_arena *a, const char *json)
{
    json_t *root = json_loads(json, 0, NULL), *list = json_object_get(root, "vocab");
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
    const gr_vocab *v = d->vocab;
    json_t *root = json_object(), *list = json_array(), *settings = json_object();
    json_object_set_new(root, "source", json_string(d->desc->name));
    for (int i = 0; d->desc->attrs[i].name; i++)
        if (d->attr[i].present)
            json_object_set_new(settings, d->desc->attrs[i].name,
                                json_string(gr_attr_text(a, &d->desc->attrs[i], &d->attr[i])));
    json_object_set_new(root, "settings", settings);
    for (int i = 0; i < v->count; i++) json_array_append_new(list, json_string(v->item[i]));
    json_object_set_new(root, "vocab", list);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text) return NULL;
    const char *copy = gr_arena_strdup(a, text);
    free(text);
    return copy;
}

void gr_data_tell_vocab(gr_data *d, int64_t count)
{
    gr_model_set(d->model, "data.vocab", (gr_var){.kind = GR_VAR_INT, .i = count});
}
