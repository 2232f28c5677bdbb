/* metadata.c - vocabularies and settings of a source as JSON in a weights file, and back.
 *
 *     {"source": "Lines", "settings": {"unit": "word", ...}, "vocab": ["<unk>", ...], ...,
 *      "numbers": {"features_mean": [0.5, ...], ...}} */
#include "data/desc.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void free_json(void *p) { json_decref(p); }

/* Lives as long as the arena. NULL if it is no JSON. */
static json_t *read_json(gr_arena *a, const char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    if (root) gr_arena_defer(a, free_json, root);
    return root;
}

/* What the weights say; NULL if they say nothing. */
static json_t *of_weights(gr_data *d)
{
    if (!d->saved && d->options.metadata) d->saved = read_json(d->arena, d->options.metadata);
    return d->saved;
}

gr_vocab *gr_vocab_of_weights(gr_data *d, const char *name)
{
    json_t *list = json_object_get(of_weights(d), name);
    size_t n = json_array_size(list);
    if (!n || n > INT32_MAX) return NULL;
    const char **item = GR_NEW_ARRAY(d->arena, const char *, n);
    for (size_t i = 0; i < n; i++) {
        item[i] = json_string_value(json_array_get(list, i));
        if (!item[i] || !*item[i]) return NULL;
    }
    return gr_vocab_create(d->arena, (int)n, item);
}

const double *gr_numbers_of_weights(gr_data *d, const char *name, int *count)
{
    json_t *list = json_object_get(json_object_get(of_weights(d), "numbers"), name);
    size_t n = json_array_size(list);
    if (!n || n > INT32_MAX) return NULL;
    double *x = GR_NEW_ARRAY(d->arena, double, n);
    for (size_t i = 0; i < n; i++) x[i] = json_number_value(json_array_get(list, i));
    *count = (int)n;
    return x;
}

const char *gr_data_to_json(const gr_data *d)
{
    gr_arena *a = d->arena;
    json_t *root = json_object(), *settings = json_object();
    json_object_set_new(root, "source", json_string(d->desc->name));
    for (int i = 0; d->specs[i].name; i++)
        if (d->attr[i].present)
            json_object_set_new(settings, d->specs[i].name,
                                json_string(gr_attr_text(a, &d->specs[i], &d->attr[i])));
    json_object_set_new(root, "settings", settings);
    for (int k = 0; k < d->num_vocabs; k++) {
        const gr_vocab *v = d->vocabs[k];
        json_t *list = json_array();
        for (int i = 0; i < v->count; i++) json_array_append_new(list, json_string(v->item[i]));
        json_object_set_new(root, v->name, list);
    }
    json_t *numbers = json_object();
    for (int k = 0; k < d->num_numbers; k++) {
        json_t *list = json_array();
        for (int i = 0; i < d->numbers[k].count; i++) json_array_append_new(list, json_real(d->numbers[k].value[i]));
        json_object_set_new(numbers, d->numbers[k].name, list);
    }
    json_object_set_new(root, "numbers", numbers);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text) return NULL;
    const char *copy = gr_arena_strdup(a, text);
    free(text);
    return copy;
}

/* A setting that the file does not know is as its default. */
static const char *saved_setting(const json_t *settings, const gr_attr_spec *spec)
{
    const char *text = json_string_value(json_object_get(settings, spec->name));
    if (text) return text;
    return spec->fallback && strcmp(spec->fallback, "~") ? spec->fallback : "absent";
}

static int of_another_source(gr_data *d, const char *source)
{
    gr_diag_error(d->diag, d->section->key_at, "the weights were made with the data source %s, whose vocabulary is used, and not with %s: "
                  "give weights of this model", source, d->desc->name);
    return -1;
}

int gr_data_compare_settings(gr_data *d)
{
    const json_t *settings = json_object_get(of_weights(d), "settings");
    const char *source = json_string_value(json_object_get(of_weights(d), "source"));
    int differ = 0;
    for (int i = 0; settings && d->desc->numbering && d->desc->numbering[i]; i++) {
        const char *name = d->desc->numbering[i];
        const gr_attr *attr = gr_source_attr(d, name);
        const gr_attr_spec *spec = &d->specs[attr - d->attr];
        const char *now = attr->present ? gr_attr_text(d->arena, spec, attr) : "absent", *then = saved_setting(settings, spec);
        if (!strcmp(now, then)) continue;
        if (source && strcmp(source, d->desc->name)) return of_another_source(d, source);
        gr_diag_error(d->diag, attr->given ? gr_data_attr_at(d, name) : d->section->key_at, "'%s' is %s here, but was %s when the weights "
                      "were made, whose vocabulary is used", name, now, then);
        differ = -1;
    }
    return differ;
}

const char *gr_data_changed_vocab(const gr_data *d, const char *metadata)
{
    const json_t *then = read_json(d->arena, metadata), *now = d->metadata ? read_json(d->arena, d->metadata) : NULL;
    for (int i = 0; now && i < d->num_vocabs; i++) {
        const char *name = d->vocabs[i]->name;
        if (!json_equal(json_object_get(then, name), json_object_get(now, name))) return name;
    }
    return NULL;
}
