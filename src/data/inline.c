/* inline.c - Inline: values written in the model file, one batch of all of them. */
#include "data/desc.h"

static const gr_attr_spec inline_attrs[] = {{NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL}};
static const char *const inline_keys[] = {"values", "vocab", NULL};

/* Nested lists of numbers by name, as attributes of the map itself. */
static gr_attr *read_values(gr_data *d, gr_doc *map)
{
    gr_attr_spec *specs = GR_NEW_ARRAY(d->arena, gr_attr_spec, map->count + 1);
    for (int i = 0; i < map->count; i++)
        specs[i] = (gr_attr_spec){.name = map->item[i]->key, .kind = GR_ATTR_TENSOR, .doc = ""};
    return gr_model_attrs(d->model, map, specs, "values", NULL, NULL);
}

static void add_values(gr_data *d, const gr_doc *doc, const gr_attr *v, void **values)
{
    bool integers = v->i != 0;
    for (int64_t i = 0; i < v->n; i++) integers = integers && v->floats[i] >= INT32_MIN && v->floats[i] <= INT32_MAX;
    if (v->i && !integers) gr_diag_error(d->diag, doc->at, "'%s' has integers beyond 32 bits", doc->key);
    if (!v->n) gr_diag_error(d->diag, doc->at, "'%s' holds no values", doc->key);
    *values = (void *)v->floats;
    if (integers) {
        int32_t *to = GR_NEW_ARRAY(d->arena, int32_t, v->n);
        for (int64_t i = 0; i < v->n; i++) to[i] = (int32_t)v->floats[i];
        *values = to;
    }
    gr_source_add_field(d, doc->key, integers ? GR_INT32 : GR_FLOAT64, v->shape.rank, v->shape.dim);
}

static int read_vocab(gr_data *d, gr_doc *doc)
{
    gr_var v = gr_model_eval(d->model, doc);
    if (v.kind == GR_VAR_INT && v.i > 0) { /* the number alone */
        gr_source_tell(d, "vocab", v.i);
        return 0;
    }
    bool fine = v.kind == GR_VAR_LIST && v.count > 0;
    const char **item = GR_NEW_ARRAY(d->arena, const char *, fine ? v.count : 1);
    for (int i = 0; fine && i < v.count; i++) {
        fine = doc->kind != GR_DOC_LIST || doc->item[i]->kind == GR_DOC_SCALAR;
        item[i] = v.item[i].kind == GR_VAR_TEXT ? v.item[i].text : fine && doc->kind == GR_DOC_LIST ? doc->item[i]->text : NULL;
        fine = fine && item[i] && *item[i];
    }
    if (!fine) {
        gr_diag_error(d->diag, doc->at, "'vocab' takes a list of texts, [e, h, l, o]: what the numbers 0, 1, ... mean");
        return -1;
    }
    return gr_data_add_vocab(d, "vocab", gr_vocab_create(d->arena, v.count, item));
}

static int inline_open(gr_data *d)
{
    gr_doc *map = gr_doc_get(d->section, "values"), *vocab = gr_doc_get(d->section, "vocab");
    if (vocab && read_vocab(d, vocab) < 0) return -1;
    if (!map || map->kind != GR_DOC_MAP || !map->count || map->count > GR_MAX_FIELDS) {
        gr_diag_error(d->diag, map ? map->at : d->section->key_at,
                      "Inline needs 'values', lists by name: {x: [[1, 0, 2]], ...} (at most %d)", GR_MAX_FIELDS);
        return -1;
    }
    gr_attr *v = read_values(d, map);
    if (!v) return -1;
    void **values = GR_NEW_ARRAY(d->arena, void *, map->count);
    for (int i = 0; i < map->count; i++) add_values(d, map->item[i], &v[i], &values[i]);
    gr_source_set_state(d, values);
    if (gr_data_read_splits(d, 1, NULL, 0) < 0) return -1;
    d->splits[0].batches = 1;
    return 0;
}

static void inline_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    (void)s;
    (void)batch;
    void **values = gr_source_state(d);
    for (int i = 0; i < d->num_fields; i++) field[i].data = values[i];
}

static const gr_port inline_fields[] = {
    {"values", GR_PORT_VARIADIC, "of the shape written: the values of that name, in one batch"},
    {NULL, 0, NULL},
};
static const gr_port inline_facts[] = {
    {"vocab", 0, "items of the vocabulary"},
    {NULL, 0, NULL},
};

const gr_source gr_source_inline = {
    GR_SOURCE_HEADER,
    .name = "Inline",
    .summary = "Values written in the model file, one batch of all of them.",
    .attrs = inline_attrs,
    .fields = inline_fields,
    .facts = inline_facts,
    .keys = inline_keys,
    .flags = GR_SOURCE_DIRECT,
    .open = inline_open,
    .fill = inline_fill,
    .example =
        "data:\n"
        "  op: Inline\n"
        "  vocab: [e, h, l, o]\n"
        "  values:\n"
        "    x: [[1, 0, 2, 2, 3]]    # h e l l o\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, time], dtype: int32, from: data.x}\n"
        "  letters: {op: OneHot, in: x, num_classes: $data.vocab}\n",
};
