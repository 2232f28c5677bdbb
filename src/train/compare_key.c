/* compare_key.c - what the numbers of a model's runs depend on, as one hash: runs of the same key are the same again.
 *
 * Beside settings, batches and the version of graphrun these are the bytes of the plugins and of the data's files:
 * the batches of one epoch need not have all that others have. */
#include "io/file.h"
#include "train/compare_work.h"

#include <string.h>
#include <unistd.h>

uint64_t gr_hash_bytes(uint64_t h, const char *bytes, size_t n)
{
    for (uint64_t word; n >= sizeof word; bytes += sizeof word, n -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        h = gr_mixed(h ^ word);
    }
    for (size_t i = 0; i < n; i++) h = gr_mixed(h ^ (unsigned char)bytes[i]);
    return h;
}

static uint64_t hash_text(uint64_t h, const char *text) { return gr_hash_bytes(gr_mixed(h ^ strlen(text)), text, strlen(text)); }

static int hash_reader(gr_reader *r, uint64_t *h, gr_error *e)
{
    char bytes[1 << 16];
    *h = gr_mixed(*h ^ (uint64_t)r->size);
    for (int64_t at = 0; at < r->size && !e->status; at += (int64_t)sizeof bytes) {
        const int64_t n = r->size - at < (int64_t)sizeof bytes ? r->size - at : (int64_t)sizeof bytes;
        if (gr_reader_get(r, bytes, n, at, e) == 0) *h = gr_hash_bytes(*h, bytes, (size_t)n);
    }
    return e->status;
}

/* Its bytes. A member of an archive is hashed with the whole of it. */
static int hash_file(gr_arena *a, const char *path, uint64_t *h, gr_error *e)
{
    gr_reader r;
    char *file = gr_arena_strdup(a, path);
    for (char *slash; access(file, F_OK) != 0 && (slash = strrchr(file, '/')) && slash > file;) *slash = 0;
    if (gr_reader_open(&r, file, e)) return e->status;
    hash_reader(&r, h, e);
    gr_reader_close(&r);
    return e->status;
}

static int hash_files(gr_arena *a, const gr_session *s, uint64_t *h, gr_error *e)
{
    const char *path;
    for (int i = 0; (path = gr_registry_plugin(gr_model_registry(s->model), i)); i++)
        if (hash_file(a, path, h, e)) return e->status;
    for (int i = 0; (path = gr_data_file(s->data, i)); i++)
        if (hash_file(a, path, h, e)) return e->status;
    return 0;
}

int gr_compare_key(gr_compare_work *w, int i, gr_error *e)
{
    const gr_comparison *c = w->c;
    gr_contender *k = &w->c->contender[i];
    uint64_t h = hash_text(hash_text(hash_text(hash_text(0, c->version), c->kernel), c->dtype), k->yaml);
    for (int s = 0; s < k->num_sets; s++) h = hash_text(h, k->sets[s]);
    if (hash_files(w->arena, w->open[i], &h, e)) return e->status;
    for (int m = 0; m < c->num_metrics; m++) h = hash_text(h, c->metric[m]);
    for (int t = 0; t < w->traits[i].count; t++) h = hash_text(h, w->traits[i].line[t]);
    h = hash_text(h, gr_arena_printf(w->arena, "%d %.17g %d %016llx", c->budget, c->amount, c->points, (unsigned long long)w->traits[i].ordered));
    k->key = gr_arena_printf(w->arena, "%016llx", (unsigned long long)h);
    return 0;
}
