/* lexicon.c - counting tokens, and the vocabularies that come of it. */
#include "data/lexicon.h"
#include "base/map.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

const char *const gr_specials[] = {"<unk>", "<pad>", "<bos>", "<eos>", NULL};

typedef struct tally {
    const char *token;
    int64_t count; /* in what is learnt from */
    int32_t first; /* its provisional number */
} tally;

struct gr_lexicon {
    gr_arena *arena;
    gr_map *index; /* token -> its number + 1 */
    tally *item;
    int count, cap;
    char *buffer; size_t room; /* a token with its 0 */
};

gr_lexicon *gr_lexicon_create(gr_arena *a)
{
    gr_lexicon *x = GR_NEW(a, gr_lexicon);
    *x = (gr_lexicon){.arena = a, .index = gr_map_create(a), .room = 64, .buffer = gr_arena_alloc(a, 64)};
    return x;
}

int32_t gr_lexicon_add(gr_lexicon *x, const char *token, size_t bytes, bool counts)
{
    if (bytes >= x->room) {
        x->room = 2 * bytes;
        x->buffer = gr_arena_alloc(x->arena, x->room);
    }
    memcpy(x->buffer, token, bytes);
    x->buffer[bytes] = 0;
    intptr_t known = (intptr_t)gr_map_get(x->index, x->buffer);
    if (!known) {
        const char *own = gr_arena_strdup(x->arena, x->buffer);
        *GR_PUSH(x->arena, x->item, x->count, x->cap) = (tally){own, 0, x->count};
        known = x->count;
        gr_map_set(x->index, own, (void *)known);
    }
    x->item[known - 1].count += counts;
    return (int32_t)known - 1;
}

const char *gr_lexicon_token(const gr_lexicon *x, int32_t n) { return x->item[n].token; }

static bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* ---- sequences ---- */

/* Room for one more of n elements; gives the array, moved where it had to grow. */
static void *room_for_one(gr_arena *a, void *items, size_t size, int64_t n, int64_t *cap)
{
    if (n < *cap) return items;
    *cap = *cap ? 2 * *cap : 1024;
    void *larger = gr_arena_array(a, (size_t)*cap, size);
    if (items) memcpy(larger, items, (size_t)n * size);
    return larger;
}

void gr_sequences_add(gr_sequences *q, int32_t id)
{
    q->id = room_for_one(q->arena, q->id, sizeof *q->id, q->count, &q->cap);
    q->id[q->count++] = id;
}

void gr_sequences_text(gr_sequences *q, gr_lexicon *x, const char *text, size_t bytes, bool words, bool counts)
{
    for (size_t i = 0, n; i < bytes; i += n) {
        n = words ? 0 : (size_t)gr_utf8_decode(text + i, bytes - i, NULL);
        while (words && i + n < bytes && !is_white(text[i + n])) n++;
        if (n > 0) gr_sequences_add(q, gr_lexicon_add(x, text + i, n, counts));
        else n = 1; /* white space between words */
    }
}

void gr_sequences_end(gr_sequences *q)
{
    q->start = room_for_one(q->arena, q->start, sizeof *q->start, q->num + 1, &q->start_cap);
    q->start[++q->num] = q->count;
}

void gr_sequences_number(gr_sequences *q, const int32_t *number)
{
    for (int64_t i = 0; i < q->count; i++) q->id[i] = number[q->id[i]];
}

int32_t *gr_sequences_lengths(const gr_sequences *q, int more)
{
    int32_t *length = GR_NEW_ARRAY(q->arena, int32_t, q->num + 1);
    for (int64_t i = 0; i < q->num; i++) length[i] = (int32_t)(q->start[i + 1] - q->start[i]) + more;
    return length;
}

/* ---- vocabularies ---- */

static int by_frequency(const void *pa, const void *pb)
{
    const tally *a = pa, *b = pb;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

static int by_token(const void *pa, const void *pb) { return strcmp(((const tally *)pa)->token, ((const tally *)pb)->token); }

static int by_number(const void *pa, const void *pb)
{
    long long a = atoll(((const tally *)pa)->token), b = atoll(((const tally *)pb)->token);
    return a != b ? (a > b) - (a < b) : by_token(pa, pb);
}

static bool is_one_of(const char *token, const char *const *list)
{
    for (; list && *list; list++)
        if (!strcmp(token, *list)) return true;
    return false;
}

static gr_vocab *learn(gr_data *d, const gr_lexicon *x, const char *const *specials)
{
    const gr_attr *order = gr_data_find_attr(d, "order"), *least = gr_data_find_attr(d, "min_freq");
    const gr_attr *most = gr_data_find_attr(d, "max_vocab");
    tally *sorted = gr_arena_copy(d->arena, x->item, (size_t)x->count * sizeof *sorted);
    int n = 0, size = 0;
    for (int i = 0; i < x->count; i++) /* what does not count goes */
        if (x->item[i].count >= (least ? least->i : 1) && !is_one_of(x->item[i].token, specials)) sorted[n++] = x->item[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_frequency);
    if (most && most->present && most->i < n) n = (int)most->i;
    if (order && order->i) qsort(sorted, (size_t)n, sizeof *sorted, by_token);
    const char **item = GR_NEW_ARRAY(d->arena, const char *, n + GR_NUM_SPECIALS);
    while (specials && specials[size]) item[size] = specials[size], size++;
    for (int i = 0; i < n; i++) item[size++] = sorted[i].token;
    return gr_vocab_create(d->arena, size, item);
}

gr_vocab *gr_lexicon_vocab(gr_data *d, const char *name, const gr_lexicon *x, bool words, const char *const *specials,
                           int32_t **number)
{
    gr_vocab *v = gr_vocab_of_weights(d, name);
    bool old = v != NULL;
    if (!v) v = learn(d, x, specials);
    v->words = words;
    *number = GR_NEW_ARRAY(d->arena, int32_t, x->count + 1);
    for (int i = 0; i < x->count; i++) {
        int id = gr_vocab_find(v, x->item[i].token);
        (*number)[i] = id >= 0 ? id : v->special[GR_UNK];
        if ((*number)[i] >= 0) continue;
        gr_diag_error(d->diag, d->section->key_at, "the data hold '%s', which the vocabulary of %s lacks", x->item[i].token,
                      old ? "the weights" : "the split train");
        return NULL;
    }
    return gr_data_add_vocab(d, name, v) < 0 ? NULL : v;
}

static bool all_integers(const gr_lexicon *x)
{
    for (int i = 0; i < x->count; i++) {
        const char *s = x->item[i].token + (x->item[i].token[0] == '-');
        if (!*s || strspn(s, "0123456789") != strlen(s) || strlen(s) > 18) return false;
    }
    return true;
}

gr_vocab *gr_lexicon_classes(gr_data *d, const char *name, const gr_lexicon *x, int32_t **number)
{
    gr_vocab *v = gr_vocab_of_weights(d, name);
    tally *sorted = gr_arena_copy(d->arena, x->item, (size_t)x->count * sizeof *sorted);
    const char **item = GR_NEW_ARRAY(d->arena, const char *, x->count + 1);
    int n = 0;
    qsort(sorted, (size_t)x->count, sizeof *sorted, all_integers(x) ? by_number : by_token);
    for (int i = 0; i < x->count; i++)
        if (sorted[i].count) item[n++] = sorted[i].token;
    if (!v) v = gr_vocab_create(d->arena, n, item);
    v->words = true;
    *number = GR_NEW_ARRAY(d->arena, int32_t, x->count + 1);
    for (int i = 0; i < x->count; i++) (*number)[i] = gr_vocab_find(v, x->item[i].token);
    return gr_data_add_vocab(d, name, v) < 0 ? NULL : v;
}

/* ---- without files ---- */

static bool is_known(gr_data *d, const char *name)
{
    const gr_attr *size = gr_data_find_attr(d, name);
    return (size && size->present) || gr_vocab_of_weights(d, name);
}

bool gr_vocabs_known(gr_data *d, const char *const *names)
{
    bool known = d->options.facts_only;
    for (; known && *names; names++) known = is_known(d, *names);
    return known;
}

int gr_vocab_add_known(gr_data *d, const char *name, bool words, gr_vocab **v)
{
    *v = gr_vocab_of_weights(d, name);
    if (*v) (*v)->words = words;
    return gr_data_add_vocab(d, name, *v);
}
