/* compare_files.c - the files that models read: their data and plugins.
 *
 * Each run reads them anew, so that one that is edited meanwhile would give runs of different data under one name. Their
 * bytes are hashed when a model is added, and after each opening and each run; others than those end the comparison. */
#include "io/file.h"
#include "train/compare_work.h"

#include <string.h>
#include <unistd.h>

static int hash_reader(gr_reader *r, uint64_t *h, gr_error *e)
{
    char bytes[1 << 16];
    *h = gr_mixed((uint64_t)r->size);
    for (int64_t at = 0; at < r->size && !e->status; at += (int64_t)sizeof bytes) {
        const int64_t n = r->size - at < (int64_t)sizeof bytes ? r->size - at : (int64_t)sizeof bytes;
        if (gr_reader_get(r, bytes, n, at, e) == 0) *h = gr_hash_bytes(*h, bytes, (size_t)n);
    }
    return e->status;
}

static int hash_file(const char *path, uint64_t *h, gr_error *e)
{
    gr_reader r;
    if (gr_reader_open(&r, path, e)) return e->status;
    hash_reader(&r, h, e);
    gr_reader_close(&r);
    return e->status;
}

/* A member of an archive counts with the whole of it. */
static int note(gr_compare_work *w, gr_used_files *to, const char *path, gr_error *e)
{
    uint64_t digest;
    char *file = gr_arena_strdup(w->arena, path);
    for (char *slash; access(file, F_OK) != 0 && (slash = strrchr(file, '/')) && slash > file;) *slash = 0;
    if (hash_file(file, &digest, e)) return e->status;
    *GR_PUSH(w->arena, to->item, to->count, to->cap) = (gr_used_file){file, digest};
    return 0;
}

int gr_compare_note_files(gr_compare_work *w, int i, gr_error *e)
{
    const gr_session *s = w->open[i];
    const char *path;
    w->files[i] = (gr_used_files){0};
    for (int k = 0; (path = gr_registry_plugin(gr_model_registry(s->model), k)); k++)
        if (note(w, &w->files[i], path, e)) return e->status;
    for (int k = 0; (path = gr_data_file(s->data, k)); k++)
        if (note(w, &w->files[i], path, e)) return e->status;
    return 0;
}

int gr_compare_check_files(const gr_compare_work *w, int i, gr_error *e)
{
    const gr_used_files *f = &w->files[i];
    for (int k = 0; k < f->count; k++) {
        uint64_t digest;
        if (hash_file(f->item[k].path, &digest, e)) return e->status;
        if (digest != f->item[k].digest)
            return gr_set_error(e, GR_EINVAL, "%s has changed since the comparison began, and runs of before and after cannot be compared: the same "
                                "command begins with what it holds now", f->item[k].path);
    }
    return 0;
}
