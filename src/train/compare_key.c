/* compare_key.c - what the numbers of a model's runs depend on, as one hash: runs of the same key are the same again.
 *
 * Beside settings, batches and the version of graphrun these are the bytes of the plugins and of the data's files:
 * the batches of one epoch need not have all that others have. */
#include "train/compare_work.h"

#include <string.h>

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

void gr_compare_key(gr_compare_work *w, int i)
{
    const gr_comparison *c = w->c;
    gr_contender *k = &w->c->contender[i];
    uint64_t h = hash_text(hash_text(hash_text(hash_text(0, c->version), c->kernel), c->dtype), k->yaml);
    for (int s = 0; s < k->num_sets; s++) h = hash_text(h, k->sets[s]);
    for (int f = 0; f < w->files[i].count; f++) h = gr_mixed(h ^ w->files[i].item[f].digest);
    for (int m = 0; m < c->num_metrics; m++) h = hash_text(h, c->metric[m]);
    for (int t = 0; t < w->traits[i].count; t++) h = hash_text(h, w->traits[i].line[t]);
    h = hash_text(h, gr_arena_printf(w->arena, "%d %.17g %d %016llx", c->budget, c->amount, c->points, (unsigned long long)w->traits[i].ordered));
    k->key = gr_arena_printf(w->arena, "%016llx", (unsigned long long)h);
}
