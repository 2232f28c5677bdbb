/* items.c - items in batches: which items a split has, their order, and what fields they fill.
 *
 * kept[]   all items that are used; a split is a range of it
 * order[]  the items of the epoch in hand, first[b] where batch b begins in it */
#include "data/items.h"
#include "base/count.h"
#include "base/tensor.h"

#include <string.h>

static int64_t flag(const gr_data *d, const char *name)
{
    const gr_attr *a = gr_data_find_attr(d, name);
    return a && a->present ? a->i : 0;
}

/* ---- which items ---- */

static bool too_long(const gr_batches *x, int64_t item, int64_t most)
{
    for (int k = 0; k < x->in.num_axes; k++)
        if (x->in.length[k][item] > most) return true;
    return false;
}

/* Items [begin, end) that are not left out go to kept. */
static void keep_items(const gr_data *d, gr_batches *x, int64_t begin, int64_t end)
{
    int64_t most_items = flag(d, "max_items"), most = flag(d, "max_length"), start = x->num_kept;
    for (int64_t i = begin; i < end; i++) {
        if (most_items && x->num_kept - start == most_items) return;
        if (most && !flag(d, "truncate") && too_long(x, i, most)) continue;
        x->kept[x->num_kept++] = i;
    }
}

/* Splits as ranges of kept. */
static int cut_splits(gr_data *d, gr_batches *x)
{
    bool by_files = x->in.num_parts && x->in.parts[0].split;
    gr_part *part = gr_arena_copy(d->arena, x->in.parts, (size_t)x->in.num_parts * sizeof *part);
    x->kept = GR_NEW_ARRAY(d->arena, int64_t, x->in.count + 1);
    for (int64_t i = 0, from = 0; i < x->in.num_parts; i++) {
        keep_items(d, x, from, part[i].end - x->in.gap);
        from = part[i].end;
        part[i].end = x->num_kept;
    }
    if (!x->in.num_parts) keep_items(d, x, 0, x->in.count - x->in.gap);
    if (!by_files && flag(d, "random_split")) gr_order_deal(x->kept, x->num_kept);
    return x->in.cut ? gr_data_part_splits(d, part, x->in.num_parts) : gr_data_read_splits(d, x->num_kept, part, x->in.num_parts);
}

static int check_splits(gr_data *d, const gr_batches *x)
{
    for (int i = 0; i < d->num_splits; i++) {
        const gr_split *s = &d->splits[i];
        gr_doc *at = gr_doc_get(d->section, "split");
        if (s->end > s->begin) continue;
        gr_diag_error(d->diag, at ? at->at : x->in.num_parts ? gr_part_at(&x->in.parts[i < x->in.num_parts ? i : 0]) : d->section->key_at,
                      "the split '%s' has none of the %lld item%s%s", s->name, (long long)x->in.count, gr_s(x->in.count),
                      flag(d, "max_length") ? "; 'max_length' leaves out longer ones" : "");
        return -1;
    }
    return 0;
}

/* ---- axes ---- */

static int rank_of(const gr_item_field *f) { return f->rank + (f->kind == GR_ITEM_RAGGED) + 1; }

void gr_items_squeeze(gr_data *d, gr_item_field *f)
{
    int rank = rank_of(f);
    if (!f->rank || f->dim[f->rank - 1] != 1 || gr_data_input_shape(d, f->name, rank)) return;
    if (gr_data_input_shape(d, f->name, rank - 1)) f->rank--;
}

/* What the batch axis is called: as the only axis of an Input is. */
static const char *batch_name(gr_data *d, const gr_batches *x)
{
    for (int i = 0; i < x->in.num_fields; i++) {
        gr_doc *shape = rank_of(&x->in.field[i]) == 1 ? gr_data_input_shape(d, x->in.field[i].name, 1) : NULL;
        if (shape && gr_data_axis_name(shape->item[0])) return gr_data_axis_name(shape->item[0]);
    }
    return "batch";
}

/* One more length that the axis is said to have; 0, or -1 where another said otherwise. */
static int agree(gr_data *d, gr_doc *entry, const char *what, int64_t *length)
{
    int64_t n = gr_data_axis_length(d, entry);
    if (n < 0 || *length == n) return 0;
    if (*length < 0) {
        *length = n;
        return 0;
    }
    gr_diag_error(d->diag, entry->at, "%s is %lld here, but %lld elsewhere", what, (long long)n, (long long)*length);
    return -1;
}

/* Where the batch axis of each field is, and the lengths that Inputs give. */
static int read_axes(gr_data *d, gr_batches *x)
{
    const char *name = batch_name(d, x);
    int r = 0;
    x->batch = flag(d, "batch_size") ? flag(d, "batch_size") : -1;
    for (int k = 0; k < GR_ITEM_AXES; k++) x->fixed[k] = flag(d, "steps") ? flag(d, "steps") : -1;
    for (int i = 0; i < x->in.num_fields; i++) {
        const gr_item_field *f = &x->in.field[i];
        bool ragged = f->kind == GR_ITEM_RAGGED;
        gr_doc *shape = gr_data_input_shape(d, f->name, rank_of(f));
        x->place[i] = f->batch_axis ? f->batch_axis - 1 : ragged;
        for (int k = 0; shape && !f->batch_axis && k < shape->count; k++) {
            const char *axis = gr_data_axis_name(shape->item[k]);
            if (axis && !strcmp(axis, name)) x->place[i] = k;
        }
        if (!shape) continue;
        r |= agree(d, shape->item[x->place[i]], "the length of the batch axis", &x->batch);
        x->batch_named |= gr_data_axis_length(d, shape->item[x->place[i]]) > 0;
        if (ragged) r |= agree(d, shape->item[x->place[i] == 0], "the length of the time axis", &x->fixed[f->axis]);
    }
    if (x->batch < 0) x->batch = gr_data_var(d, name);
    x->batch_named |= x->batch > 0 && !flag(d, "batch_size");
    return r;
}

/* The length of an axis where the longest item is as long as n. */
static int64_t padded(const gr_data *d, const gr_batches *x, int axis, int64_t n)
{
    int64_t multiple = flag(d, "pad_multiple");
    return x->fixed[axis] > 0 ? x->fixed[axis] : gr_round_up(n < 1 ? 1 : n, multiple ? multiple : 1);
}

/* Cuts what is longer than it may be, and finds the longest, as sources write them and as batches hold them. */
static void cut_items(const gr_data *d, gr_batches *x)
{
    for (int k = 0; k < x->in.num_axes; k++) /* all of them first: axes may share one list of lengths */
        for (int64_t i = 0; i < x->num_kept; i++)
            if (x->in.length[k][x->kept[i]] > x->uncut[k]) x->uncut[k] = x->in.length[k][x->kept[i]];
    for (int k = 0; k < x->in.num_axes; k++) {
        int64_t most = flag(d, "max_length");
        if (x->fixed[k] > 0 && (!most || x->fixed[k] < most)) most = x->fixed[k];
        for (int64_t i = 0; i < x->num_kept; i++) {
            int32_t *n = &x->in.length[k][x->kept[i]];
            if (most && *n > most) *n = (int32_t)most;
            if (*n > x->longest[k]) x->longest[k] = *n;
        }
    }
}

/* The dims of a field for n items; time: of its ragged axis. */
static void field_dims(const gr_batches *x, int field, int64_t n, int64_t time, int64_t *dim)
{
    const gr_item_field *f = &x->in.field[field];
    int rank = 0, from = 0;
    for (int k = 0; k < rank_of(f); k++) {
        if (k == x->place[field]) dim[rank++] = n;
        else if (f->kind == GR_ITEM_RAGGED && time >= 0) dim[rank++] = time, time = -1;
        else dim[rank++] = f->dim[from++];
    }
}

/* ---- sizes ---- */

static int64_t size_of(const gr_split *s) { return s->end - s->begin; }

/* A full batch is that of the split train. */
static int count_batches(gr_data *d, gr_batches *x)
{
    int64_t most = size_of(&d->splits[0]), batches = 0;
    for (int i = 0; i < d->num_splits; i++)
        if (gr_split_is_train(&d->splits[i])) most = size_of(&d->splits[i]);
    if (x->batch < 0 && x->in.num_axes) {
        gr_diag_error(d->diag, d->section->key_at, "%s needs to know how many items a batch has: vars: {batch: 32}, or "
                      "'batch_size'", d->desc->name);
        return -1;
    }
    /* Where the model says how long the axis is, one batch of fewer items is a short last one. */
    if (x->batch < 0 || (x->batch > most && !x->batch_named)) x->batch = most;
    for (int i = 0; i < d->num_splits; i++) {
        gr_split *s = &d->splits[i];
        bool drop = flag(d, "drop_last") && gr_split_is_train(s);
        s->batches = (size_of(s) + (drop ? 0 : x->batch - 1)) / x->batch;
        if (s->batches > batches) batches = s->batches;
    }
    x->first = GR_NEW_ARRAY(d->arena, int64_t, batches + 1);
    return 0;
}

/* The elements of `times` items of a field; -1: too many to be counted. */
static int64_t elements(const gr_item_field *f, int64_t times, int64_t time)
{
    gr_type t = {.dtype = f->dtype, .rank = f->rank};
    memcpy(t.dim, f->dim, sizeof t.dim);
    int64_t n = gr_type_elements(&t);
    return n < 0 || __builtin_mul_overflow(n, times, &n) || __builtin_mul_overflow(n, time, &n) || n > GR_MAX_ELEMENTS ? -1 : n;
}

static int add_fields(gr_data *d, gr_batches *x)
{
    int64_t most = 0;
    for (int i = 0; i < x->in.num_fields; i++) {
        const gr_item_field *f = &x->in.field[i];
        bool ragged = f->kind == GR_ITEM_RAGGED;
        int64_t dim[GR_MAX_RANK], time = ragged ? padded(d, x, f->axis, x->longest[f->axis]) : 1;
        int64_t item = elements(f, 1, ragged && x->uncut[f->axis] > time ? x->uncut[f->axis] : time);
        if (item < 0 || elements(f, x->batch, time) < 0)
            return gr_source_fail(d, GR_AT_INPUT, f->name, "%s: a batch of %lld items makes '%s' too large for memory; take fewer items or smaller ones",
                                  d->desc->name, (long long)x->batch, f->name);
        field_dims(x, i, x->batch, time, dim);
        if (gr_data_add_field(d, f->name, f->dtype, rank_of(f), dim) < 0) return -1;
        if (item > most) most = item;
    }
    x->scratch = d->options.facts_only ? NULL : GR_NEW_ARRAY(d->arena, double, most);
    return 0;
}

/* ---- what a source got wrong, in its terms; NULL: nothing ---- */

static const char *field_fault(gr_arena *a, const gr_items *x, const gr_item_field *f)
{
    if (!f->name) return "a field has no name";
    if (f->dtype != GR_FLOAT32 && f->dtype != GR_FLOAT64 && f->dtype != GR_INT32 && f->dtype != GR_BOOL)
        return gr_arena_printf(a, "the dtype of the field '%s' is %d; write GR_FLOAT32, GR_FLOAT64, GR_INT32 or GR_BOOL", f->name, (int)f->dtype);
    if (f->rank < 0 || rank_of(f) > GR_MAX_RANK || f->batch_axis < 0 || f->batch_axis > rank_of(f))
        return gr_arena_printf(a, "the rank or batch_axis of the field '%s' is out of range", f->name);
    if (f->kind != GR_ITEM_FIXED && (f->axis < 0 || f->axis >= x->num_axes))
        return gr_arena_printf(a, "the axis of the field '%s' is %d, but gr_items.num_axes %d", f->name, f->axis, x->num_axes);
    if (f->kind == GR_ITEM_LENGTHS && (f->rank || f->dtype != GR_INT32))
        return gr_arena_printf(a, "the field '%s' is of lengths; give it rank 0 and dtype int32", f->name);
    for (int k = 0; k < f->rank; k++)
        if (f->dim[k] < 0) return gr_arena_printf(a, "dim[%d] of the field '%s' is %lld; write 0 or more", k, f->name, (long long)f->dim[k]);
    return elements(f, 1, 1) < 0 ? gr_arena_printf(a, "an item of the field '%s' has too many elements for memory", f->name) : NULL;
}

/* Lengths, and where the parts end. */
static const char *lists_fault(gr_arena *a, const gr_items *x)
{
    for (int k = 0; k < x->num_axes; k++) {
        if (!x->length[k]) return "gr_items.length is missing for an axis";
        for (int64_t i = 0; i < x->count; i++)
            if (x->length[k][i] < 0)
                return gr_arena_printf(a, "gr_items.length[%d][%lld] is %d; write 0 or more", k, (long long)i, x->length[k][i]);
    }
    if (x->num_parts && !x->parts) return "gr_items.parts is missing; num_parts says that there are some";
    for (int i = 0; i < x->num_parts; i++) {
        int64_t from = i ? x->parts[i - 1].end : 0;
        if (x->parts[i].end < from || x->parts[i].end > x->count)
            return gr_arena_printf(a, "gr_items.parts[%d].end is %lld; write where its items end, from %lld to the count, %lld", i,
                                   (long long)x->parts[i].end, (long long)from, (long long)x->count);
    }
    return NULL;
}

static const char *items_fault(gr_arena *a, const gr_items *x)
{
    if (!x->get) return "gr_items.get is missing";
    if (x->count < 0 || x->gap < 0 || x->num_parts < 0) return "gr_items.count, gap or num_parts is negative";
    if (x->num_fields < 1 || x->num_fields > GR_MAX_FIELDS)
        return gr_arena_printf(a, "gr_items.num_fields is %d; write 1 to %d", x->num_fields, GR_MAX_FIELDS);
    if (x->num_axes < 0 || x->num_axes > GR_ITEM_AXES) return gr_arena_printf(a, "gr_items.num_axes is %d; write 0 to %d", x->num_axes, GR_ITEM_AXES);
    const char *fault = NULL;
    for (int i = 0; !fault && i < x->num_fields; i++) fault = field_fault(a, x, &x->field[i]);
    return fault ? fault : lists_fault(a, x);
}

/* ---- opening ---- */

int gr_items_open(gr_data *d, gr_items *in)
{
    const char *fault = items_fault(d->arena, in);
    if (fault) return gr_source_fail(d, GR_AT_NODE, NULL, "%s: %s", d->desc->name, fault);
    gr_batches *x = d->batches = GR_NEW(d->arena, gr_batches);
    memcpy(&x->in, in, in->size < sizeof x->in ? in->size : sizeof x->in);
    if (cut_splits(d, x) < 0 || check_splits(d, x) < 0 || read_axes(d, x) < 0) return -1;
    cut_items(d, x);
    if (count_batches(d, x) < 0 || add_fields(d, x) < 0) return -1;
    x->order = GR_NEW_ARRAY(d->arena, int64_t, x->num_kept);
    x->spare = GR_NEW_ARRAY(d->arena, int64_t, x->num_kept);
    return 0;
}

const int64_t *gr_items_of(const gr_data *d, const gr_split *s, int64_t *n)
{
    for (int i = 0; !s && i < d->num_splits; i++)
        if (gr_split_is_train(&d->splits[i])) s = &d->splits[i];
    if (!s) s = &d->splits[0];
    *n = size_of(s);
    return d->batches->kept + s->begin;
}

/* ---- the order of an epoch ---- */

static bool shorter(const gr_batches *x, int64_t a, int64_t b)
{
    for (int k = 0; k < x->in.num_axes; k++)
        if (x->in.length[k][a] != x->in.length[k][b]) return x->in.length[k][a] < x->in.length[k][b];
    return false;
}

/* Merges runs of 1, 2, 4, ... items, the shortest first; equal ones stay in their order. */
static void sort_by_length(gr_batches *x, int64_t *item, int64_t n)
{
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t at = 0; at < n; at += 2 * run) {
            int64_t a = at, a_end = at + run < n ? at + run : n, b = a_end, b_end = at + 2 * run < n ? at + 2 * run : n;
            for (int64_t to = a; to < b_end; to++)
                x->spare[to] = a < a_end && (b == b_end || !shorter(x, item[b], item[a])) ? item[a++] : item[b++];
        }
        memcpy(item, x->spare, (size_t)n * sizeof *item);
    }
}

void gr_items_begin(gr_data *d, const gr_split *s, int64_t epoch)
{
    gr_batches *x = d->batches;
    int64_t n = size_of(s), pool = flag(d, "bucket") * x->batch;
    bool shuffle = flag(d, "shuffle") && gr_split_is_train(s);
    memcpy(x->order, x->kept + s->begin, (size_t)n * sizeof *x->order);
    if (shuffle) gr_order_shuffle(d, epoch, 0, x->order, n);
    for (int64_t at = 0; pool > 0 && at < n; at += pool) sort_by_length(x, x->order + at, pool < n - at ? pool : n - at);
    for (int64_t b = 0; b < s->batches; b++) x->first[b] = b * x->batch;
    /* A last batch that is not full stays the last. */
    if (shuffle && pool > 0) gr_order_shuffle(d, epoch, n, x->first, n / x->batch < s->batches ? n / x->batch : s->batches);
}

/* ---- batches ---- */

/* n elements of what stands past an item's end. */
static void put_pad(const gr_item_field *f, char *to, int64_t n)
{
    switch (f->dtype) {
    case GR_FLOAT32: for (int64_t i = 0; i < n; i++) ((float *)(void *)to)[i] = (float)f->pad; break;
    case GR_FLOAT64: for (int64_t i = 0; i < n; i++) ((double *)(void *)to)[i] = f->pad; break;
    case GR_INT32: for (int64_t i = 0; i < n; i++) ((int32_t *)(void *)to)[i] = (int32_t)f->pad; break;
    default: memset(to, f->pad != 0, (size_t)n);
    }
}

/* One item of a field seen as [outer, batch, inner]: the first `n` elements of the item are there. */
static void put_item(const gr_item_field *f, const char *from, int64_t n, char *to, int64_t row, int64_t rows,
                     int64_t outer, int64_t inner)
{
    size_t size = gr_dtype_size(f->dtype);
    for (int64_t o = 0; o < outer; o++) {
        int64_t have = n - o * inner;
        char *at = to + (size_t)((o * rows + row) * inner) * size;
        have = have < 0 ? 0 : have > inner ? inner : have;
        memcpy(at, from + (size_t)(o * inner) * size, (size_t)have * size);
        if (have < inner) put_pad(f, at + (size_t)have * size, inner - have);
    }
}

static void fill_field(gr_data *d, int field, const int64_t *item, int64_t rows, gr_tensor *to)
{
    gr_batches *x = d->batches;
    const gr_item_field *f = &x->in.field[field];
    int64_t time = 1, outer = 1, inner = 1, step = 1;
    if (f->kind == GR_ITEM_LENGTHS) {
        for (int64_t r = 0; r < rows; r++) ((int32_t *)to->data)[r] = x->in.length[f->axis][item[r]];
    } else if (f->kind == GR_ITEM_RAGGED) {
        int32_t longest = 0;
        for (int64_t r = 0; r < rows; r++) longest = x->in.length[f->axis][item[r]] > longest ? x->in.length[f->axis][item[r]] : longest;
        time = padded(d, x, f->axis, longest);
    }
    field_dims(x, field, rows, time, to->dim);
    gr_tensor_set_dense(to);
    for (int k = 0; k < to->rank; k++)
        if (k != x->place[field]) *(k < x->place[field] ? &outer : &inner) *= to->dim[k];
    for (int k = 0; k < f->rank; k++) step *= f->dim[k];
    for (int64_t r = 0; r < rows && f->kind != GR_ITEM_LENGTHS; r++) {
        int64_t n = f->kind == GR_ITEM_RAGGED ? x->in.length[f->axis][item[r]] : 1;
        const void *from = x->in.get(d, item[r], field, x->scratch);
        if (!from && n * step > 0) gr_data_leave(d, "%s: gr_items.get gives NULL for item %lld of the field '%s'", d->desc->name, (long long)item[r], f->name);
        put_item(f, from, n * step, to->data, r, rows, outer, inner);
    }
}

void gr_items_fill(gr_data *d, const gr_split *s, int64_t batch, gr_tensor *field)
{
    const gr_batches *x = d->batches;
    int64_t first = x->first[batch], rows = size_of(s) - first;
    if (rows > x->batch) rows = x->batch;
    for (int i = 0; i < x->in.num_fields; i++) fill_field(d, i, x->order + first, rows, &field[i]);
}
