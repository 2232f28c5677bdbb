/* npy.c - Npy: arrays in files, cut into batches along one axis.
 *
 * An array is seen as [outer, examples, inner]; a batch is the same with fewer examples. */
#include "base/count.h"
#include "data/items.h"
#include "io/file.h"
#include "io/npy.h"

#include <string.h>

static const gr_attr_spec npy_attrs[] = {
    GR_ITEM_ATTRS("false", "false"),
    {"dim", GR_ATTR_INT, "0", -GR_MAX_RANK, GR_MAX_RANK - 1, NULL, "the axis along which the examples lie"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const npy_keys[] = {"files", "split", NULL};

typedef struct array {
    gr_tensor t;
    int dim;
    int64_t outer, inner;
} array;

typedef struct npy {
    gr_items items;
    array *arrays;
} npy;

/* ---- opening ---- */

static int read_array(gr_data *d, gr_doc *doc, array *a)
{
    gr_error e = {0};
    doc->used = true;
    const char *path = gr_data_path(d, doc);
    int64_t dim = gr_source_attr(d, "dim")->i;
    if (!path) return -1;
    if (gr_npy_read(d->arena, path, &a->t, &e) < 0) {
        gr_diag_error(d->diag, doc->at, "%s", e.message);
        return -1;
    }
    a->dim = (int)(dim < 0 ? dim + a->t.rank : dim);
    if (a->dim < 0 || a->dim >= a->t.rank) {
        gr_diag_error(d->diag, doc->at, "'dim' is %lld, but '%s' has %d %s", (long long)dim, doc->key, a->t.rank,
                      a->t.rank == 1 ? "axis" : "axes");
        return -1;
    }
    a->outer = a->inner = 1;
    for (int k = 0; k < a->dim; k++) a->outer *= a->t.dim[k];
    for (int k = a->dim + 1; k < a->t.rank; k++) a->inner *= a->t.dim[k];
    return 0;
}

static bool all_there(gr_data *d, gr_doc *map)
{
    bool there = true;
    for (int i = 0; i < map->count; i++) {
        const char *path = gr_model_file(d->model, map->item[i]);
        there &= path && gr_file_exists(path);
    }
    return there;
}

static int count_examples(gr_data *d, const gr_doc *map, npy *x)
{
    x->items.count = x->arrays[0].t.dim[x->arrays[0].dim];
    for (int i = 1; i < map->count; i++) {
        const array *a = &x->arrays[i];
        if (a->t.dim[a->dim] == x->items.count) continue;
        gr_diag_error(d->diag, map->item[i]->at, "'%s' holds %lld example%s, but '%s' %lld", map->item[i]->key,
                      (long long)a->t.dim[a->dim], gr_s(a->t.dim[a->dim]), map->item[0]->key, (long long)x->items.count);
        return -1;
    }
    if (x->items.count > 0) return 0;
    gr_diag_error(d->diag, map->item[0]->at, "'%s' holds no examples", map->item[0]->key);
    return -1;
}

static const void *npy_get(gr_data *d, int64_t item, int field, void *scratch);

static void add_field(npy *x, const char *name, const array *a)
{
    gr_item_field *f = gr_items_field(&x->items, name, GR_ITEM_FIXED, 0, a->t.dtype);
    for (int k = 0; k < a->t.rank; k++)
        if (k != a->dim) f->dim[f->rank++] = a->t.dim[k];
    f->batch_axis = a->dim + 1;
}

static int npy_open(gr_data *d)
{
    gr_doc *map = gr_doc_get(d->section, "files");
    npy *x = GR_NEW(d->arena, npy);
    int r = 0;
    gr_source_set_state(d, x);
    if (!map || map->kind != GR_DOC_MAP || !map->count || map->count > GR_MAX_FIELDS) {
        gr_diag_error(d->diag, map ? map->at : d->section->key_at, "Npy needs 'files', arrays by name: {x: x.npy, ...} "
                      "(at most %d)", GR_MAX_FIELDS);
        return -1;
    }
    x->arrays = GR_NEW_ARRAY(d->arena, array, map->count);
    if (d->options.facts_only && !all_there(d, map)) return 0; /* Npy tells nothing but lengths */
    for (int i = 0; i < map->count; i++) r |= read_array(d, map->item[i], &x->arrays[i]);
    if (r || count_examples(d, map, x) < 0) return -1;
    for (int i = 0; i < map->count; i++) add_field(x, map->item[i]->key, &x->arrays[i]);
    x->items.get = npy_get;
    return gr_source_open_items(d, &x->items);
}

/* ---- items ---- */

static const void *npy_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const array *a = &((npy *)gr_source_state(d))->arrays[field];
    size_t bytes = (size_t)a->inner * gr_dtype_size(a->t.dtype);
    const char *from = (const char *)a->t.data + (size_t)item * bytes;
    if (a->outer == 1) return from;
    for (int64_t o = 0; o < a->outer; o++)
        memcpy((char *)scratch + (size_t)o * bytes, from + (size_t)(o * a->t.dim[a->dim]) * bytes, bytes);
    return scratch;
}

static const gr_port npy_fields[] = {
    {"files", GR_PORT_VARIADIC, "as in the file, with the axis `dim` cut: the array of that name"},
    {NULL, 0, NULL},
};

const gr_source gr_source_npy = {
    GR_SOURCE_HEADER,
    .name = "Npy", .reference = "numpy.lib.format",
    .summary = "Arrays in .npy files, or in .npz archives as FILE.npz/NAME, cut into batches along one axis.",
    .attrs = npy_attrs,
    .fields = npy_fields,
    .keys = npy_keys,
    .open = npy_open,
    .example =
        "# x.npy holds float32 [6, 3], y.npy int32 [6]: an example a row.\n"
        "vars: {batch: 2}\n"
        "data: {op: Npy, files: {x: x.npy, y: y.npy}, batch_size: $batch, shuffle: true}\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, 3], from: data.x}\n"
        "  y: {op: Input, shape: [batch], dtype: int32, from: data.y}\n",
};
