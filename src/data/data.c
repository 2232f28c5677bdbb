/* data.c - opening a source, its fields and splits, epochs of batches. */
#include "base/tensor.h"
#include "data/host.h"
#include "data/items.h"
#include "graph/names.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define X(name) extern const gr_source gr_source_##name;
#include "data/list.h"
#undef X
#define X(name) &gr_source_##name,
const gr_source *const gr_builtin_sources[] = {
#include "data/list.h"
    NULL};
#undef X

/* ---- for sources ---- */

static int attr_index(const gr_data *d, const char *name)
{
    for (int i = 0; d->specs[i].name; i++)
        if (!strcmp(d->specs[i].name, name)) return i;
    return -1;
}

const gr_attr *gr_data_find_attr(const gr_data *d, const char *name)
{
    int i = attr_index(d, name);
    return i < 0 ? NULL : &d->attr[i];
}

/* ---- what a source does wrong ---- */

static void vcomplain(gr_data *d, const char *fmt, va_list args)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&d->complaint, &none, 1)) return;
    vsnprintf(d->complaint_text, sizeof d->complaint_text, fmt, args);
    d->complaint_batch = d->making;
    atomic_store(&d->complaint, 2);
}

void gr_data_complain(gr_data *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vcomplain(d, fmt, args);
    va_end(args);
}

void gr_data_leave(gr_data *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vcomplain(d, fmt, args);
    va_end(args);
    longjmp(d->back, 1);
}

void gr_data_opening(gr_data *d, const char *name)
{
    if (d->opened)
        gr_data_leave(d, "%s calls %s() %s, which 'open' alone may", d->desc->name, name, d->making < 0 ? "in 'begin'" : "while it makes a batch");
}

/* What was wrong in making the batch, or before it; NULL: nothing. */
static const char *complaint(const gr_data *d, int64_t batch)
{
    return atomic_load(&d->complaint) == 2 && d->complaint_batch <= batch ? d->complaint_text : NULL;
}

gr_loc gr_data_attr_at(const gr_data *d, const char *name) { return d->attr_at[attr_index(d, name)]; }

static bool can_be_field(gr_dtype t) { return t == GR_FLOAT32 || t == GR_FLOAT64 || t == GR_INT32 || t == GR_BOOL; }

int gr_data_add_field(gr_data *d, const char *name, gr_dtype dtype, int rank, const int64_t *dim)
{
    bool fits = rank >= 0 && rank <= GR_MAX_RANK && can_be_field(dtype);
    for (int i = 0; fits && i < rank; i++) fits = dim[i] >= 0;
    if (!fits)
        return gr_source_fail(d, GR_AT_NODE, NULL, "%s gives a field '%s' of a dtype or a shape that no field has", d->desc->name, name);
    if (d->num_fields == GR_MAX_FIELDS)
        return gr_source_fail(d, GR_AT_NODE, NULL, "%s gives more than %d fields", d->desc->name, GR_MAX_FIELDS);
    if (!d->fields) d->fields = GR_NEW_ARRAY(d->arena, gr_field, GR_MAX_FIELDS);
    gr_field *f = &d->fields[d->num_fields++];
    f->name = gr_arena_strdup(d->arena, name);
    f->type.dtype = dtype;
    f->type.rank = rank;
    for (int i = 0; i < rank; i++) f->type.dim[i] = dim[i];
    return 0;
}

gr_doc *gr_data_entry(const gr_doc *map, const char *key)
{
    for (int i = 0; map && map->kind == GR_DOC_MAP && i < map->count; i++)
        if (!strcmp(map->item[i]->key, key)) return map->item[i];
    return NULL;
}

static bool reads(const gr_doc *node, const char *field)
{
    const gr_doc *from = gr_data_entry(node, "from");
    return from && from->kind == GR_DOC_SCALAR && !strncmp(from->text, "data.", 5) && !strcmp(from->text + 5, field);
}

gr_doc *gr_data_input(gr_data *d, const char *field)
{
    gr_doc *graph = gr_model_section(d->model, "graph");
    for (int i = 0; graph && graph->kind == GR_DOC_MAP && i < graph->count; i++)
        if (reads(graph->item[i], field)) return graph->item[i];
    return NULL;
}

gr_doc *gr_data_input_shape(gr_data *d, const char *field, int rank)
{
    gr_doc *graph = gr_model_section(d->model, "graph");
    for (int i = 0; graph && graph->kind == GR_DOC_MAP && i < graph->count; i++) {
        gr_doc *shape = gr_data_entry(graph->item[i], "shape");
        if (reads(graph->item[i], field) && shape && shape->kind == GR_DOC_LIST && shape->count == rank) return shape;
    }
    return NULL;
}

const char *gr_data_axis_name(const gr_doc *entry)
{
    char c = entry->kind == GR_DOC_SCALAR ? entry->text[0] : 0;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ? entry->text : NULL;
}

int64_t gr_data_var(gr_data *d, const char *name)
{
    gr_var v = gr_model_var(d->model, name);
    return v.kind == GR_VAR_INT && v.i > 0 ? v.i : -1;
}

int64_t gr_data_axis_length(gr_data *d, gr_doc *entry)
{
    const char *name = gr_data_axis_name(entry);
    if (name) return gr_data_var(d, name);
    gr_var v = gr_model_eval(d->model, entry);
    return v.kind == GR_VAR_INT && v.i > 0 ? v.i : -1;
}

/* Which of names an entry of a shape is; -1: none. */
static int axis_number(const gr_doc *item, int n, const char *const *names)
{
    for (int i = 0; i < n; i++)
        if (gr_data_axis_name(item) && !strcmp(item->text, names[i])) return i;
    return -1;
}

gr_loc gr_data_axes(gr_data *d, const char *field, int n, const char *const *names, int64_t *length, int *order)
{
    gr_doc *shape = gr_data_input_shape(d, field, n);
    unsigned seen = 0;
    for (int k = 0; k < n; k++) {
        order[k] = k;
        length[k] = shape ? -1 : gr_data_var(d, names[k]);
    }
    for (int k = 0; shape && k < n; k++) {
        int i = axis_number(shape->item[k], n, names);
        if (i >= 0) seen |= 1u << i;
    }
    bool by_name = seen == (1u << n) - 1;
    for (int k = 0; shape && k < n; k++) {
        gr_doc *item = shape->item[k];
        if (by_name) order[k] = axis_number(item, n, names);
        length[order[k]] = gr_data_axis_length(d, item);
    }
    return shape ? shape->at : d->section->key_at;
}

/* ---- opening ---- */

static const gr_source *find_desc(gr_data *d)
{
    const gr_registry *r = gr_model_registry(d->model);
    gr_doc *op = gr_doc_get(d->section, "op");
    const char *name = op ? gr_model_text(d->model, op) : NULL, *list = "";
    const gr_source *s = name ? gr_source_named(r, name) : NULL;
    if (s || (op && !name) || (op && gr_registry_lacks_plugin(r))) return s;
    const char *const *names = gr_registry_source_names(r);
    for (int i = 0; names[i]; i++) list = gr_arena_printf(d->arena, "%s%s%s", list, i ? ", " : "", names[i]);
    if (!op) gr_diag_error(d->diag, d->section->key_at, "'data' needs 'op', a source: %s", list);
    else gr_diag_error(d->diag, op->at, "no data source is called '%s'%s", name, gr_suggest_term(d->arena, name, names));
    if (op) gr_registry_hint_plugins(r, d->diag);
    return NULL;
}

/* A full batch of a field, in memory that is there. */
static void shape_slot(const gr_field *f, gr_tensor *to)
{
    to->dtype = f->type.dtype;
    to->rank = f->type.rank;
    memcpy(to->dim, f->type.dim, sizeof to->dim);
}

/* Memory for full batches. */
static void make_slots(gr_data *d)
{
    for (int s = 0; s < GR_PREFETCH_SLOTS; s++) {
        for (int i = 0; i < d->num_fields; i++) {
            const gr_type *t = &d->fields[i].type;
            size_t bytes = (size_t)gr_numel(t) * gr_dtype_size(t->dtype);
            uintptr_t at = (uintptr_t)gr_arena_alloc(d->arena, bytes + 64);
            d->slot[s][i].data = (void *)((at + 63) & ~(uintptr_t)63);
        }
    }
}

/* What a source that gave batches must have given besides. */
static int check_opened(gr_data *d)
{
    if (d->options.facts_only || (d->num_fields && d->num_splits && (d->batches || d->desc->fill))) return 0;
    return gr_source_fail(d, GR_AT_NODE, NULL, "%s gives no batches: its 'open' has to end in gr_source_open_items(), or to add "
                          "fields and splits for its 'fill'", d->desc->name);
}

/* What a file of data would be cut into, where nobody has looked into it: mistakes in `split` are told all the same. */
static int check_splits(gr_data *d)
{
    bool takes = false;
    for (int i = 0; d->desc->keys && d->desc->keys[i]; i++) takes = takes || strcmp(d->desc->keys[i], "split") == 0;
    if (!takes || d->num_splits || !d->options.facts_only) return 0;
    const int status = gr_data_read_splits(d, INT64_MAX, NULL, 0);
    d->num_splits = 0;
    return status;
}

/* Where a file is not there and nobody asks for more than its facts: the sizes that would do, "--set data.vocab=N". */
static void hint_sizes(gr_data *d)
{
    const char *sizes = "";
    bool absent = false;
    for (int i = 0; i < d->num_files; i++) absent |= access(d->files[i], R_OK) != 0;
    for (int i = 0; absent && d->specs[i].name; i++) {
        bool fact = false;
        for (const gr_port *f = d->desc->facts; f && f->name; f++) fact |= strcmp(f->name, d->specs[i].name) == 0;
        if (!fact || d->specs[i].kind != GR_ATTR_INT || !d->attr || d->attr[i].present) continue;
        sizes = gr_arena_printf(d->arena, "%s --set data.%s=N", sizes, d->specs[i].name);
    }
    if (*sizes) gr_diag_hint(d->diag, gr_arena_printf(d->arena, "where the data are not at hand, their sizes do:%s", sizes));
}

static int open_source(gr_data *d)
{
    static const gr_attr_spec none[] = {GR_END_ATTRS};
    int before = gr_diag_count(d->diag);
    d->desc = find_desc(d);
    if (!d->desc) return -1;
    d->specs = d->desc->attrs ? d->desc->attrs : none;
    d->attr = gr_model_attrs(d->model, d->section, d->specs, d->desc->name, d->desc->keys, &d->attr_at);
    int opened = d->attr && gr_data_compare_settings(d) == 0 ? d->desc->open(d) : -1;
    if (complaint(d, -1)) opened = gr_source_fail(d, GR_AT_NODE, NULL, "%s", complaint(d, -1));
    d->unread = opened > 0;
    if (opened >= 0 && check_splits(d)) opened = -1;
    if (opened < 0 || d->options.facts_only) /* the rest was not read; its keys are known ones */
        for (int i = 0; d->desc->keys && d->desc->keys[i]; i++) {
            gr_doc *rest = gr_doc_get(d->section, d->desc->keys[i]);
            if (rest) gr_model_pass_over(d->model, rest);
        }
    if (opened < 0 && d->options.facts_only) hint_sizes(d);
    if (opened < 0) return -1;
    if (gr_diag_count(d->diag) > before || check_opened(d) < 0) return -1;
    if (!d->options.facts_only) make_slots(d);
    if (d->num_vocabs || d->num_numbers) d->metadata = gr_data_to_json(d);
    d->opened = true;
    return 0;
}

gr_data *gr_data_open(gr_model *m, gr_doc *section, const gr_data_options *o, gr_error *e)
{
    gr_arena *a = gr_model_arena(m);
    gr_data *d = GR_NEW(a, gr_data);
    d->head.host = &gr_source_host_functions;
    d->arena = a;
    d->model = m;
    d->diag = gr_model_diag(m);
    d->section = section;
    d->options = *o;
    d->making = -1;
    if (e) *e = (gr_error){0};
    if (section->kind != GR_DOC_MAP) {
        gr_diag_error(d->diag, section->at, "'data' takes a map: {op: CharText, path: FILE}");
        return NULL;
    }
    return open_source(d) < 0 ? NULL : d;
}

void gr_data_close(gr_data *d)
{
    if (d) gr_prefetch_destroy(d->prefetch);
}

/* ---- what there is ---- */

bool gr_data_unread(const gr_data *d) { return d->unread; }

int gr_data_fields(const gr_data *d, const gr_field **list)
{
    *list = d->fields;
    return d->num_fields;
}

const char *gr_data_metadata(gr_data *d) { return d->metadata; }

static const gr_split *find_split(const gr_data *d, const char *name)
{
    for (int i = 0; i < d->num_splits; i++)
        if (!strcmp(d->splits[i].name, name)) return &d->splits[i];
    return NULL;
}

const char *gr_data_file(const gr_data *d, int i) { return i >= 0 && i < d->num_files ? d->files[i] : NULL; }

const char *gr_data_split(const gr_data *d, int i) { return i < d->num_splits ? d->splits[i].name : NULL; }
bool gr_data_has_split(const gr_data *d, const char *split) { return find_split(d, split) != NULL; }

bool gr_data_may_have_split(const gr_data *d, const char *split)
{
    bool named = find_split(d, split) != NULL;
    for (int i = 0; !d->num_splits && i < d->section->count; i++) named |= gr_data_entry(d->section->item[i], split) != NULL;
    return named;
}

int64_t gr_data_batches(const gr_data *d, const char *split)
{
    const gr_split *s = find_split(d, split);
    return s ? s->batches : 0;
}

/* ---- batches ---- */

/* What a source left of a field, which has to be a full batch or less. */
static void check_filled(gr_data *d, const gr_field *f, gr_tensor *got)
{
    bool right = got->data && got->dtype == f->type.dtype && got->rank == f->type.rank;
    for (int k = 0; right && k < got->rank; k++) right = got->dim[k] >= 0 && got->dim[k] <= f->type.dim[k];
    if (right) return;
    gr_data_complain(d, "%s: batch %lld: the field '%s' is larger than was announced, of another rank or dtype, or has no data: 'fill' may lower "
                     "its dims, and nothing else", d->desc->name, (long long)d->making, f->name);
    shape_slot(f, got);
}

static void begin_guarded(gr_data *d, const gr_split *s, int64_t epoch)
{
    if (setjmp(d->back) == 0) d->desc->begin(d, s, epoch);
}

static void fill_guarded(gr_data *d, int64_t batch, gr_tensor *field)
{
    if (setjmp(d->back)) return;
    if (d->batches) gr_items_fill(d, d->split, batch, field);
    else d->desc->fill(d, d->split, batch, field);
}

void gr_data_make(gr_data *d, int64_t batch, gr_tensor *field)
{
    for (int i = 0; i < d->num_fields; i++) shape_slot(&d->fields[i], &field[i]);
    d->making = batch;
    fill_guarded(d, batch, field);
    for (int i = 0; i < d->num_fields; i++) {
        if (!d->batches) check_filled(d, &d->fields[i], &field[i]);
        gr_tensor_set_dense(&field[i]);
    }
}

static void fill_slot(void *data, int64_t batch, int slot)
{
    gr_data *d = data;
    gr_data_make(d, batch, d->slot[slot]);
}

static int unknown_split(const gr_data *d, const char *split, gr_error *e)
{
    const char *list = "";
    for (int i = 0; i < d->num_splits; i++)
        list = gr_arena_printf(d->arena, "%s%s%s", list, i ? ", " : "", d->splits[i].name);
    return gr_set_error(e, GR_EINVAL, "the data have no split '%s'; there are: %s", split, list);
}

/* No batch is made any more: d's fields may change. */
static void stop_making(gr_data *d)
{
    if (d->prefetch) gr_prefetch_stop(d->prefetch);
}

/* The epoch in hand from d->next on: at first, and after a failure. No batch is being made. */
static int begin_here(gr_data *d, gr_error *e)
{
    atomic_store(&d->complaint, 0);
    d->making = -1;
    if (d->batches) gr_items_begin(d, d->split, d->epoch);
    else if (d->desc->begin) begin_guarded(d, d->split, d->epoch);
    d->failed = complaint(d, -1) != NULL;
    if (d->failed) return gr_set_error(e, GR_EINVAL, "%s", complaint(d, -1));
    if (d->prefetch) gr_prefetch_start(d->prefetch, d->next, d->end);
    return 0;
}

int gr_data_begin(gr_data *d, const char *split, int64_t epoch, int64_t first, gr_error *e)
{
    const gr_split *s = find_split(d, split);
    if (!s) return unknown_split(d, split, e);
    if (first < 0 || first > s->batches)
        return gr_set_error(e, GR_EINVAL, "an epoch of '%s' ends before batch %lld: it has %lld", split,
                            (long long)first, (long long)s->batches);
    if (!(d->desc->flags & GR_SOURCE_DIRECT) && !d->prefetch &&
        !(d->prefetch = gr_prefetch_create(gr_arena_memory(d->arena), fill_slot, d, e)))
        return GR_ENOMEM;
    stop_making(d);
    d->split = s;
    d->epoch = epoch;
    d->next = first;
    d->end = s->batches;
    return begin_here(d, e);
}

int gr_data_next(gr_data *d, const gr_tensor **field, gr_error *e)
{
    if (!d->split) return gr_set_error(e, GR_EINVAL, "no epoch has begun");
    int slot = 0;
    if (d->failed) {
        stop_making(d);
        if (begin_here(d, e)) return -1;
    }
    if (d->prefetch) slot = gr_prefetch_next(d->prefetch);
    else if (d->next >= d->end) slot = -1;
    else fill_slot(d, d->next, slot);
    d->failed = complaint(d, d->next) != NULL;
    if (d->failed) {
        gr_set_error(e, GR_EINVAL, "%s", complaint(d, d->next));
        return -1;
    }
    if (slot < 0) return 0;
    d->next++;
    *field = d->slot[slot];
    return 1;
}
