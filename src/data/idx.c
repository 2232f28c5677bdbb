/* idx.c - Idx: images and labels in IDX files, as MNIST's are.
 *
 *     images   float32 [batch, rows, columns]; rows as steps of time where an Input says
 *              [rows, batch, columns]; `flatten`: [batch, rows * columns]
 *     labels   int32 [batch]
 *
 * Bytes stay bytes in memory and become numbers from 0 to 1 when a batch is made. */
#include "base/count.h"
#include "data/items.h"
#include "io/file.h"
#include "io/idx.h"

#include <string.h>

enum { MAX_CLASSES = 1 << 20 }; /* each has a name */

static const gr_attr_spec idx_attrs[] = {
    GR_ITEM_ATTRS("true", "true"),
    {"flatten", GR_ATTR_BOOL, "false", 0, 0, NULL, "an image is one row of numbers"},
    {"scale", GR_ATTR_FLOAT, "~", 0, 0, NULL, "what elements are multiplied by; absent: 1/255 for bytes, else 1"},
    {"classes", GR_ATTR_INT, "~", 1, MAX_CLASSES, NULL, "how many classes there are; absent: one more than the largest label"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const idx_keys[] = {"images", "labels", "split", NULL};
static const char *const idx_numbering[] = {"scale", NULL};

enum { IMAGES, LABELS, KINDS };
static const size_t MAX_FILE = (size_t)1 << 33;

typedef struct idx {
    gr_items items;
    gr_part *parts[KINDS]; int num_parts[KINDS];
    gr_idx *file[KINDS];   /* by part */
    int64_t inner;         /* elements of an image */
    float scale;
    float byte[256];       /* what a byte becomes */
    int32_t *label;        /* [items] */
} idx;

/* ---- files ---- */

/* What a file says of itself, so that a wrong one need not be unpacked. */
static int read_head(gr_data *d, const gr_part *p, int kind, gr_idx *out)
{
    char bytes[GR_IDX_HEAD];
    size_t n;
    gr_error e = {0};
    if (gr_file_begin(gr_arena_memory(d->arena), p->path, bytes, sizeof bytes, &n, &e) || gr_idx_head(p->path, bytes, n, out, &e))
        return gr_source_fail_part(d, p, "%s", e.message);
    bool whole = out->type != GR_STORED_F32 && out->type != GR_STORED_F64;
    if (out->bytes > MAX_FILE)
        return gr_source_fail_part(d, p, "%s: its header says %zu bytes; at most %zu are read", p->path, out->bytes, MAX_FILE);
    if (kind == IMAGES ? out->rank >= 2 : out->rank == 1 && whole) return 0;
    return gr_source_fail_part(d, p, "%s: has %d ax%s%s; %s", p->path, out->rank, out->rank == 1 ? "is" : "es",
                               whole ? "" : " of fractions",
                               kind == IMAGES ? "images have at least 2: their number and their size; are these the labels?"
                                              : "labels are integers on 1 axis; are these the images?");
}

/* All of it, and no more than a byte beyond what its header says. */
static int read_elements(gr_data *d, const gr_part *p, gr_idx *file)
{
    char *bytes;
    size_t n;
    gr_error e = {0};
    if (gr_file_read(d->arena, p->path, file->bytes + 1, &bytes, &n, &e))
        return gr_source_fail_part(d, p, "%s; its header says %zu bytes", e.message, file->bytes);
    return gr_idx_parse(p->path, bytes, n, file, &e) ? gr_source_fail_part(d, p, "%s", e.message) : 0;
}

/* The labels that go with the images of a split. */
static int find_part(const idx *s, int image_part)
{
    const char *split = s->parts[IMAGES][image_part].split;
    for (int i = 0; i < s->num_parts[LABELS]; i++) {
        const char *other = s->parts[LABELS][i].split;
        if (split ? other && !strcmp(split, other) : !other) return i;
    }
    return -1;
}

static bool same_size(const gr_idx *a, const gr_idx *b)
{
    return a->rank == b->rank && a->type == b->type && !memcmp(a->dim + 1, b->dim + 1, (size_t)(a->rank - 1) * sizeof *a->dim);
}

static int read_part(gr_data *d, idx *s, int i)
{
    gr_part *images = &s->parts[IMAGES][i];
    int k = find_part(s, i);
    if (k < 0 || s->num_parts[LABELS] != s->num_parts[IMAGES]) {
        gr_source_fail_part(d, &s->parts[LABELS][0], "'images' and 'labels' have a file for the same splits each");
        return -1;
    }
    if (read_head(d, images, IMAGES, &s->file[IMAGES][i]) || read_head(d, &s->parts[LABELS][k], LABELS, &s->file[LABELS][i])) return -1;
    const gr_idx *x = &s->file[IMAGES][i], *y = &s->file[LABELS][i];
    if (x->dim[0] != y->dim[0]) {
        gr_source_fail_part(d, &s->parts[LABELS][k], "%s: holds %lld label%s, but %s %lld image%s", s->parts[LABELS][k].path,
                      (long long)y->dim[0], gr_s(y->dim[0]), images->path, (long long)x->dim[0], gr_s(x->dim[0]));
        return -1;
    }
    if (!same_size(x, &s->file[IMAGES][0])) {
        gr_source_fail_part(d, images, "%s: its images have another size or type than those of '%s'", images->path,
                      s->parts[IMAGES][0].path);
        return -1;
    }
    images->end = s->items.count += x->dim[0];
    return read_elements(d, images, &s->file[IMAGES][i]) || read_elements(d, &s->parts[LABELS][k], &s->file[LABELS][i]) ? -1 : 0;
}

/* ---- labels ---- */

/* The largest; -1: there is none; -2 after a diagnostic. */
static int number_labels(gr_data *d, idx *s)
{
    int32_t *to = s->label = GR_NEW_ARRAY(d->arena, int32_t, s->items.count), most = -1;
    for (int i = 0; i < s->num_parts[IMAGES]; i++) {
        const gr_idx *y = &s->file[LABELS][i];
        const gr_part *p = &s->parts[LABELS][find_part(s, i)];
        gr_stored_convert(y->type, true, y->data, to, y->dim[0]);
        for (int64_t k = 0; k < y->dim[0]; k++) {
            if (to[k] > most) most = to[k];
            if (to[k] >= 0 && to[k] < MAX_CLASSES) continue;
            gr_source_fail_part(d, p, "%s: label %lld (from 0) is %d, which is no class; classes are 0 to %d at most", p->path, (long long)k, to[k],
                                MAX_CLASSES - 1);
            return -2;
        }
        to += y->dim[0];
    }
    return most;
}

/* Classes are called by their numbers. */
static int read_labels(gr_data *d, idx *s)
{
    const gr_attr *classes = gr_source_attr(d, "classes");
    gr_vocab *v = gr_vocab_of_weights(d, "classes");
    int most = number_labels(d, s), count = v ? v->count : classes->present ? (int)classes->i : most + 1;
    if (most < -1) return -1;
    if (most >= count) {
        gr_diag_error(d->diag, classes->present ? gr_data_attr_at(d, "classes") : d->section->key_at,
                      "there is a label %d, but %s %d classes, from 0", most, v ? "the weights have" : "'classes' says", count);
        return -1;
    }
    const char **name = GR_NEW_ARRAY(d->arena, const char *, count);
    for (int i = 0; i < count; i++) name[i] = gr_arena_printf(d->arena, "%d", i);
    if (!v) v = gr_vocab_create(d->arena, count, name);
    v->words = true;
    gr_source_add_text(d, "labels", v, false, false);
    return gr_data_add_vocab(d, "classes", v);
}

/* ---- opening ---- */

static const void *idx_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const idx *s = gr_source_state(d);
    int part = 0;
    if (field == LABELS) return s->label + item;
    while (item >= s->parts[IMAGES][part].end) part++;
    const gr_idx *x = &s->file[IMAGES][part];
    int64_t first = part ? s->parts[IMAGES][part - 1].end : 0;
    const unsigned char *from = (const unsigned char *)x->data + (size_t)((item - first) * s->inner) * gr_stored_size(x->type);
    float *to = scratch;
    if (x->type == GR_STORED_U8) {
        for (int64_t i = 0; i < s->inner; i++) to[i] = s->byte[from[i]];
        return to;
    }
    for (int64_t i = 0; i < s->inner; i++) {
        double wide;
        int32_t whole;
        bool is_double = x->type == GR_STORED_F64, is_float = x->type == GR_STORED_F32;
        gr_stored_convert(x->type, true, from + (size_t)i * gr_stored_size(x->type),
                          is_double ? (void *)&wide : is_float ? (void *)&to[i] : &whole, 1);
        to[i] = s->scale * (is_double ? (float)wide : is_float ? to[i] : (float)whole);
    }
    return to;
}

static void add_fields(gr_data *d, idx *s)
{
    const gr_idx *x = &s->file[IMAGES][0];
    const gr_attr *scale = gr_source_attr(d, "scale");
    gr_item_field *f = gr_items_field(&s->items, "images", GR_ITEM_FIXED, 0, GR_FLOAT32);
    gr_items_field(&s->items, "labels", GR_ITEM_FIXED, 0, GR_INT32);
    s->scale = scale->present ? (float)scale->f : 1;
    for (int i = 0; i < 256; i++) s->byte[i] = scale->present ? (float)i * s->scale : (float)i / 255;
    s->inner = 1;
    for (int k = 1; k < x->rank; k++) s->inner *= f->dim[f->rank++] = x->dim[k];
    if (!gr_source_attr(d, "flatten")->i) return;
    f->rank = 1;
    f->dim[0] = s->inner;
}

static bool known_facts(gr_data *d)
{
    gr_vocab *classes = gr_vocab_of_weights(d, "classes");
    return gr_data_add_vocab(d, "classes", classes) == 0 && (classes || gr_source_attr(d, "classes")->present);
}

static int idx_open(gr_data *d)
{
    static const char *const keys[KINDS] = {"images", "labels"};
    idx *s = GR_NEW(d->arena, idx);
    bool absent = false;
    gr_source_set_state(d, s);
    for (int k = 0; k < KINDS; k++) {
        s->num_parts[k] = gr_source_paths(d, keys[k], "an IDX file", &s->parts[k]);
        if (!s->num_parts[k]) return -1;
        absent |= gr_source_absent(d, s->parts[k], s->num_parts[k]);
        s->file[k] = GR_NEW_ARRAY(d->arena, gr_idx, s->num_parts[IMAGES]);
    }
    if (absent && known_facts(d)) return 1;
    for (int i = 0; i < s->num_parts[IMAGES]; i++)
        if (read_part(d, s, i)) return -1;
    if (read_labels(d, s) < 0) return -1;
    s->items.parts = s->parts[IMAGES];
    s->items.num_parts = s->num_parts[IMAGES];
    s->items.get = idx_get;
    add_fields(d, s);
    return gr_source_open_items(d, &s->items);
}

static const gr_port idx_fields[] = {
    {"images", 0, "float32 [batch, rows, columns]: an image"},
    {"labels", 0, "int32 [batch]: classes"},
    {NULL, 0, NULL},
};
static const gr_port idx_facts[] = {
    {"classes", 0, "how many classes there are"},
    {NULL, 0, NULL},
};

const gr_source gr_source_idx = {
    GR_SOURCE_HEADER,
    .name = "Idx", .reference = "LeCun, Cortes and Burges, The MNIST database",
    .summary = "Images and labels in IDX files, as MNIST's are.",
    .attrs = idx_attrs,
    .fields = idx_fields,
    .facts = idx_facts,
    .keys = idx_keys,
    .numbering = idx_numbering,
    .open = idx_open,
    .example =
        "# The files of MNIST are such: train-images-idx3-ubyte.gz and so on.\n"
        "vars: {batch: 2}\n"
        "data: {op: Idx, images: images.idx3, labels: labels.idx1}\n"
        "graph:\n"
        "  image: {op: Input, shape: [28, batch, 28], from: data.images}   # [rows, batch, columns]\n"
        "  label: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n",
};
