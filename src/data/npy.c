/* npy.c - Npy: arrays in files, cut into batches along one axis.
 *
 * An array is seen as [outer, examples, inner]; a batch is the same with fewer examples. */
#include "data/desc.h"
#include "io/npy.h"

#include <string.h>
#include <unistd.h>

static const gr_attr_spec npy_attrs[] = {
    {"batch_size", GR_ATTR_INT, "~", 1, 1e15, NULL, "how many examples a batch has; absent: all"},
    {"dim", GR_ATTR_INT, "0", -GR_MAX_RANK, GR_MAX_RANK - 1, NULL, "the axis along which the examples lie"},
    {"shuffle", GR_ATTR_BOOL, "false", 0, 0, NULL, "the split train in another order each epoch"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const npy_keys[] = {"files", "split", NULL};

typedef struct array {
    gr_tensor t;
    int dim;
    int64_t outer, inner;
} array;

typedef struct npy {
    array *arrays;
    int64_t examples, batch;
    int64_t *order; /* the examples of the epoch in hand */
} npy;

/* ---- opening ---- */

static int read_array(gr_data *d, gr_doc *doc, array *a)
{
    gr_error e = {0};
    doc->used = true;
    const char *path = gr_model_file(d->model, doc);
    int64_t dim = gr_data_attr(d, "dim")->i;
    if (!path) return -1;
    if (gr_npy_read(d->arena, path, &a->t, &e) < 0) {
        gr_diag_error(d->diag, doc->at, "%s", e.message);
        return -1;
    }
    a->dim = (int)(dim < 0 ? dim + a->t.rank : dim);
    if (a->dim < 0 || a->dim >= a->t.rank) {
        gr_diag_error(d->diag, doc->at, "'dim' is %lld, but '%s' has %d axes", (long long)dim, doc->key, a->t.rank);
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
        there &= path && access(path, F_OK) == 0;
    }
    return there;
}

static int count_examples(gr_data *d, const gr_doc *map, npy *x)
{
    x->examples = x->arrays[0].t.dim[x->arrays[0].dim];
    for (int i = 1; i < map->count; i++) {
        const array *a = &x->arrays[i];
        if (a->t.dim[a->dim] == x->examples) continue;
        gr_diag_error(d->diag, map->item[i]->at, "'%s' holds %lld examples, but '%s' %lld", map->item[i]->key,
                      (long long)a->t.dim[a->dim], map->item[0]->key, (long long)x->examples);
        return -1;
    }
    if (x->examples > 0) return 0;
    gr_diag_error(d->diag, map->item[0]->at, "'%s' holds no examples", map->item[0]->key);
    return -1;
}

static int64_t size_of(const gr_split *s) { return s->end - s->begin; }

/* A full batch is that of the split train; the last one of a split may be shorter. */
static int cut_batches(gr_data *d, npy *x)
{
    const gr_attr *size = gr_data_attr(d, "batch_size");
    if (gr_data_read_splits(d, x->examples) < 0) return -1;
    int64_t most = size_of(&d->splits[0]);
    for (int i = 0; i < d->num_splits; i++)
        if (gr_split_is_train(&d->splits[i])) most = size_of(&d->splits[i]);
    for (int i = 0; i < d->num_splits; i++) {
        if (size_of(&d->splits[i]) > 0) continue;
        gr_diag_error(d->diag, gr_doc_get(d->section, "split")->at, "the split '%s' has none of the %lld examples",
                      d->splits[i].name, (long long)x->examples);
        return -1;
    }
    x->batch = size->present && size->i < most ? size->i : most;
    for (int i = 0; i < d->num_splits; i++) d->splits[i].batches = (size_of(&d->splits[i]) + x->batch - 1) / x->batch;
    x->order = GR_NEW_ARRAY(d->arena, int64_t, x->examples);
    return 0;
}

static int npy_open(gr_data *d, gr_error *e)
{
    gr_doc *map = gr_doc_get(d->section, "files");
    npy *x = GR_NEW(d->arena, npy);
    int r = 0;
    (void)e;
    d->state = x;
    if (!map || map->kind != GR_DOC_MAP || !map->count || map->count > GR_MAX_FIELDS) {
        gr_diag_error(d->diag, map ? map->at : d->section->key_at, "Npy needs 'files', arrays by name: {x: x.npy, ...} "
                      "(at most %d)", GR_MAX_FIELDS);
        return -1;
    }
    x->arrays = GR_NEW_ARRAY(d->arena, array, map->count);
    if (d->options.facts_only && !all_there(d, map)) return 0; /* Npy tells nothing but lengths */
    for (int i = 0; i < map->count; i++) r |= read_array(d, map->item[i], &x->arrays[i]);
    if (r || count_examples(d, map, x) < 0 || cut_batches(d, x) < 0) return -1;
    for (int i = 0; i < map->count; i++) {
        gr_tensor t = x->arrays[i].t;
        t.dim[x->arrays[i].dim] = x->batch;
        gr_data_add_field(d, map->item[i]->key, t.dtype, t.rank, t.dim);
    }
    return 0;
}

/* ---- batches ---- */

static void npy_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    npy *x = d->state;
    for (int64_t i = 0; i < size_of(s); i++) x->order[i] = s->begin + i;
    if (gr_data_attr(d, "shuffle")->i && gr_split_is_train(s)) gr_order_shuffle(d, epoch, x->order, size_of(s));
}

static void copy_examples(const array *a, const int64_t *order, int64_t n, gr_tensor *to)
{
    size_t bytes = (size_t)a->inner * gr_dtype_size(a->t.dtype);
    int64_t stride = 1;
    for (int k = a->t.rank - 1; k >= 0; k--) {
        to->dim[k] = k == a->dim ? n : a->t.dim[k];
        to->stride[k] = stride;
        stride *= to->dim[k];
    }
    for (int64_t o = 0; o < a->outer; o++) {
        const char *from = (const char *)a->t.data + (size_t)(o * a->t.dim[a->dim]) * bytes;
        char *dst = (char *)to->data + (size_t)(o * n) * bytes;
        for (int64_t i = 0; i < n; i++) memcpy(dst + (size_t)i * bytes, from + (size_t)order[i] * bytes, bytes);
    }
}

static void npy_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    const npy *x = d->state;
    int64_t first = batch * x->batch, n = size_of(s) - first;
    if (n > x->batch) n = x->batch;
    for (int i = 0; i < d->num_fields; i++) copy_examples(&x->arrays[i], x->order + first, n, &field[i]);
}

const gr_source_desc gr_source_npy = {
    .name = "Npy",
    .summary = "Arrays in .npy files, cut into batches along one axis.",
    .attrs = npy_attrs,
    .keys = npy_keys,
    .open = npy_open,
    .begin = npy_begin,
    .fill = npy_fill,
};
