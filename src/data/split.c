/* split.c - the splits of a source: parts of what one file holds, or a file each. */
#include "data/desc.h"

#include <string.h>

gr_loc gr_part_at(const gr_part *part) { return *(const gr_loc *)part->place; }
const void *gr_part_place(gr_data *d, gr_loc at) { return gr_arena_copy(d->arena, &at, sizeof at); }

bool gr_split_is_train(const gr_split *s) { return !strcmp(s->name, "train"); }

bool gr_part_is_train(const gr_part *part) { return !part->split || !strcmp(part->split, "train"); }

int gr_part_check(gr_data *d, const gr_part *part, int64_t count, const char *what)
{
    if (count > 0) return 0;
    gr_source_fail_part(d, part, "'%s' holds no %s", part->path, what);
    return -1;
}

static void add_split(gr_data *d, const char *name, int64_t begin, int64_t end)
{
    d->splits[d->num_splits++] = (gr_split){.name = name, .begin = begin, .end = end};
}

/* The units of a split: a part of 1, or how many. *sum: so far, in the same measure. */
static int64_t units_of(gr_data *d, gr_doc *entry, int64_t total, double *sum, int *counts)
{
    double part;
    entry->used = true;
    if (gr_model_float(d->model, entry, &part) < 0) return -1;
    bool is_count = part > 1 && part == (double)(int64_t)part;
    if (*counts < 0) *counts = is_count;
    *sum += part;
    if (is_count != *counts && part > 0) {
        gr_diag_error(d->diag, entry->at, "splits are all parts of 1 or all counts: {train: 10000, valid: 5000}");
    } else if (*counts && *sum > (double)total) {
        gr_diag_error(d->diag, entry->at, "the splits take %.0f, but there are only %lld", *sum, (long long)total);
    } else if (!(part > 0) || (!*counts && *sum > 1 + 1e-9)) {
        gr_diag_error(d->diag, entry->at, "a split is more than 0 and all together at most 1, not %g", part > 0 ? *sum : part);
    } else {
        return *counts ? (int64_t)*sum : *sum > 1 - 1e-9 ? total : (int64_t)(*sum * (double)total);
    }
    return -1;
}

/* Training looks for `train` and `valid`, so one that is called `val` would never be used. Other
 * names beside these are those of splits of one's own. */
static int check_split_names(gr_data *d, gr_doc *map)
{
    static const char *const known[] = {"train", "valid", "test", NULL};
    for (int i = 0; i < map->count; i++) {
        const char *name = map->item[i]->key, *near = gr_nearest_term(name, known);
        if (!near || gr_doc_get(map, near)) continue;
        gr_diag_error(d->diag, map->item[i]->key_at, "the splits that are looked for are train, valid and test: call '%s' '%s'", name, near);
        return -1;
    }
    return 0;
}

int gr_data_part_splits(gr_data *d, const gr_part *part, int n)
{
    d->splits = GR_NEW_ARRAY(d->arena, gr_split, n);
    for (int i = 0; i < n; i++) add_split(d, part[i].split, i ? part[i - 1].end : 0, part[i].end);
    return 0;
}

int gr_data_read_splits(gr_data *d, int64_t total, const gr_part *part, int num_parts)
{
    gr_doc *map = gr_doc_get(d->section, "split");
    if (num_parts && part[0].split && !map) return gr_data_part_splits(d, part, num_parts);
    if (num_parts && part[0].split) {
        gr_diag_error(d->diag, map->at, "each split has its file already; leave 'split' out");
        return -1;
    }
    double sum = 0;
    int counts = -1;
    d->splits = GR_NEW_ARRAY(d->arena, gr_split, map && map->kind == GR_DOC_MAP ? map->count + 1 : 1);
    if (!map) {
        add_split(d, "train", 0, total);
        return 0;
    }
    if (map->kind != GR_DOC_MAP || !map->count) {
        gr_diag_error(d->diag, map->at, "'split' takes parts of 1 by name, {train: 0.9, valid: 0.1}, or counts");
        return -1;
    }
    if (check_split_names(d, map)) return -1;
    for (int64_t i = 0, begin = 0, end; i < map->count; i++, begin = end) {
        if ((end = units_of(d, map->item[i], total, &sum, &counts)) < 0) return -1;
        add_split(d, map->item[i]->key, begin, end);
    }
    return 0;
}

const char *gr_data_path(gr_data *d, gr_doc *entry)
{
    const char *path = gr_model_file(d->model, entry);
    if (path) *GR_PUSH(d->arena, d->files, d->num_files, d->cap_files) = path;
    return path;
}

int gr_data_paths(gr_data *d, const char *key, const char *example, gr_part **parts)
{
    gr_doc *doc = gr_doc_get(d->section, key);
    bool map = doc && doc->kind == GR_DOC_MAP;
    int n = map ? doc->count : 1;
    if (!doc || (!map && doc->kind != GR_DOC_SCALAR) || !n) {
        gr_diag_error(d->diag, doc ? doc->at : d->section->key_at, "%s needs '%s', %s, or one by split: {train: FILE, "
                      "valid: FILE}", d->desc->name, key, example);
        return 0;
    }
    if (map && check_split_names(d, doc)) return 0;
    *parts = GR_NEW_ARRAY(d->arena, gr_part, n);
    for (int i = 0; i < n; i++) {
        gr_doc *entry = map ? doc->item[i] : doc;
        entry->used = true;
        (*parts)[i] = (gr_part){.split = map ? entry->key : NULL, .path = gr_data_path(d, entry), .place = gr_part_place(d, entry->at)};
        if (!(*parts)[i].path) return 0;
    }
    return n;
}
