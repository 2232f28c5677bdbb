/* host.c - the functions that sources get (graphrun/source.h), over those of this folder. */
#include "data/host.h"
#include "data/facts.h"
#include "data/items.h"
#include "data/lexicon.h"
#include "io/file.h"

#include <stdio.h>
#include <string.h>

/* ---- messages ---- */

static gr_loc place_of(gr_data *d, gr_at at, const char *which)
{
    gr_loc place = d->section->key_at;
    const gr_doc *entry = at == GR_AT_ATTR ? gr_data_entry(d->section, which) : NULL;
    const gr_doc *input = at == GR_AT_INPUT ? gr_data_input(d, which) : NULL;
    if (entry) return entry->at;
    if (input) return input->key_at;
    return place;
}

/* Where there is no place to show any more the batch in hand fails with it. */
static int fail_batch(gr_data *d, const char *fmt, va_list args)
{
    char text[sizeof d->complaint_text];
    vsnprintf(text, sizeof text, fmt, args);
    gr_data_complain(d, "%s: %s", d->desc->name, text);
    return -1;
}

static int host_fail(gr_data *d, gr_at at, const char *which, const char *fmt, va_list args)
{
    if (d->opened) return fail_batch(d, fmt, args);
    gr_diag_verror(d->diag, place_of(d, at, which), fmt, args);
    return -1;
}

static int host_fail_part(gr_data *d, const gr_part *part, const char *fmt, va_list args)
{
    if (d->opened) return fail_batch(d, fmt, args);
    gr_diag_verror(d->diag, gr_part_at(part), fmt, args);
    return -1;
}

/* ---- attributes, files ---- */

static void *host_alloc(gr_data *d, size_t bytes)
{
    gr_data_opening(d, "gr_source_alloc");
    return gr_arena_alloc(d->arena, bytes);
}

static const gr_attr *host_attr(const gr_data *d, const char *name)
{
    static const gr_attr absent = {.s = ""};
    const gr_attr *a = gr_data_find_attr(d, name);
    if (!a)
        gr_data_complain((gr_data *)(uintptr_t)d, "%s asks for its attribute '%s', which it does not declare: add it to 'attrs' of the source, or "
                         "correct the name", d->desc->name, name);
    return a ? a : &absent;
}

static int host_read(gr_data *d, const gr_part *part, size_t most, char **bytes, size_t *n)
{
    gr_data_opening(d, "gr_source_read");
    gr_error e = {0};
    if (gr_file_read(d->arena, part->path, most, bytes, n, &e) == 0) return 0;
    return gr_source_fail_part(d, part, "%s", e.message);
}

static void host_axes(gr_data *d, const char *field, int n, const char *const *names, int64_t *length, int *order)
{
    gr_data_opening(d, "gr_source_axes");
    gr_data_axes(d, field, n, names, length, order);
}

static gr_split *host_splits(gr_data *d, int64_t total, const gr_part *parts, int num_parts, int *n)
{
    gr_data_opening(d, "gr_source_splits");
    if (gr_data_read_splits(d, total, parts, num_parts) < 0) return NULL;
    *n = d->num_splits;
    return d->splits;
}

/* ---- vocabularies ---- */

static gr_lexicon *host_lexicon(gr_data *d)
{
    gr_data_opening(d, "gr_source_lexicon");
    return gr_lexicon_create(d->arena);
}

static const gr_vocab *host_learn_vocab(gr_data *d, const char *name, const gr_lexicon *x, bool words,
                                        const char *const *specials, int32_t **number)
{
    gr_data_opening(d, "gr_source_learn_vocab");
    return gr_lexicon_vocab(d, gr_arena_strdup(d->arena, name), x, words, specials, number);
}

static const gr_vocab *host_add_vocab(gr_data *d, const char *name, int count, const char *const *items, bool words)
{
    gr_data_opening(d, "gr_source_add_vocab");
    const gr_vocab *then = gr_vocab_of_weights(d, name);
    const char **own = GR_NEW_ARRAY(d->arena, const char *, count);
    for (int i = 0; i < count; i++) {
        own[i] = gr_arena_strdup(d->arena, items[i]);
        if (!then || (then->count == count && !strcmp(then->item[i], own[i]))) continue;
        gr_source_fail(d, GR_AT_NODE, NULL, "the weights were made with another '%s'", name);
        return NULL;
    }
    gr_vocab *v = gr_vocab_create(d->arena, count, own);
    v->words = words;
    return gr_data_add_vocab(d, gr_arena_strdup(d->arena, name), v) < 0 ? NULL : v;
}

static bool host_known_vocab(gr_data *d, const char *name, bool words, const gr_vocab **v)
{
    gr_data_opening(d, "gr_source_known_vocab");
    gr_vocab *known = NULL;
    bool found = gr_vocabs_known(d, (const char *const[]){name, NULL}) &&
                 gr_vocab_add_known(d, gr_arena_strdup(d->arena, name), words, &known) == 0;
    *v = known;
    return found;
}

/* ---- functions of this folder that `open` alone may call ---- */

#define OPENING(result, name, params, call)           \
    static result opening_##name params               \
    {                                                 \
        gr_data_opening(d, "gr_source_" #name);       \
        return call;                                  \
    }
OPENING(int, paths, (gr_data *d, const char *key, const char *example, gr_part **parts), gr_data_paths(d, key, example, parts))
OPENING(char *, read_text, (gr_data *d, const gr_part *part, size_t *n), gr_text_read(d, part, n))
OPENING(int, add_field, (gr_data *d, const char *name, gr_dtype t, int rank, const int64_t *dim), gr_data_add_field(d, name, t, rank, dim))
OPENING(int64_t, var, (gr_data *d, const char *name), gr_data_var(d, name))
OPENING(int, open_items, (gr_data *d, gr_items *x), gr_items_open(d, x))
OPENING(int, count, (gr_data *d, const char *name, int64_t n), gr_data_count(d, name, n))
OPENING(bool, known_count, (gr_data *d, const char *name), gr_data_known_count(d, name))
OPENING(void, tell, (gr_data *d, const char *name, int64_t n), gr_data_tell(d, name, n))
OPENING(void, keep, (gr_data *d, const char *name, int n, const double *x), gr_data_add_numbers(d, name, n, x))
OPENING(const double *, kept, (gr_data *d, const char *name, int *n), gr_numbers_of_weights(d, name, n))
OPENING(void, add_text, (gr_data *d, const char *field, const gr_vocab *v, bool begins, bool ends), gr_data_add_text(d, field, v, begins, ends))

const gr_source_host gr_source_host_functions = {
    .size = sizeof(gr_source_host),
    .fail = host_fail, .fail_part = host_fail_part, .alloc = host_alloc, .attr = host_attr,
    .paths = opening_paths, .read = host_read, .read_text = opening_read_text, .absent = gr_data_absent,
    .add_field = opening_add_field, .axes = host_axes, .var = opening_var, .splits = host_splits,
    .open_items = opening_open_items, .items_of = gr_items_of,
    .count = opening_count, .known_count = opening_known_count, .tell = opening_tell,
    .keep = opening_keep, .kept = opening_kept,
    .lexicon = host_lexicon, .add_token = gr_lexicon_add, .learn_vocab = host_learn_vocab,
    .add_vocab = host_add_vocab, .known_vocab = host_known_vocab, .find = gr_vocab_find,
    .add_text = opening_add_text,
    .number = gr_order_number, .shuffle = gr_order_shuffle, .draw = gr_order_draw,
};
