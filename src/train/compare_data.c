/* compare_data.c - whether models read the same data in the same batches.
 *
 * The batches themselves are compared, so that settings may be written in different ways and a file may lie
 * in two places; settings explain a difference. Axes may be in another order ([time, batch], [batch, time]):
 * what is compared of a batch is its lengths, sorted, and a sum over its elements. */
#include "train/compare_work.h"
#include "train/cut.h"

#include <stdlib.h>
#include <string.h>

enum { TOLD = 1000 }; /* batches of a split that have a line each; what follows has one together */

static void add(gr_arena *a, gr_data_traits *t, const char *line) { *GR_PUSH(a, t->line, t->count, t->cap) = line; }

/* ---- batches ---- */

static int larger_first(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static const char *lengths_text(gr_arena *a, const int64_t *dim, int rank)
{
    int64_t sorted[GR_MAX_RANK];
    const char *text = "";
    memcpy(sorted, dim, sizeof *dim * (size_t)rank);
    qsort(sorted, (size_t)rank, sizeof *sorted, larger_first);
    for (int i = 0; i < rank; i++) text = gr_arena_printf(a, "%s%s%lld", text, i ? " x " : "", (long long)sorted[i]);
    return text;
}

static uint64_t bits_of(double x)
{
    uint64_t z;
    memcpy(&z, &x, sizeof z);
    return z;
}

static int64_t last_axis(const gr_tensor *t, const int64_t *of) { return t->rank ? of[t->rank - 1] : 1; }

/* The sum, and in *ordered what depends on where each element stands as well: runs that are gone on with read the
 * same batches to the element. */
static uint64_t sum_of(const gr_tensor *t, uint64_t *ordered)
{
    int64_t index[GR_MAX_RANK] = {0};
    const int64_t n = gr_tensor_numel(t), columns = last_axis(t, t->dim), stride = last_axis(t, t->stride);
    uint64_t sum = 0, h = *ordered;
    for (int k = 0; k < t->rank; k++) h = gr_mixed(h ^ (uint64_t)t->dim[k]);
    for (int64_t left = n; left > 0; left -= columns) {
        int64_t at = 0;
        for (int k = 0; k < t->rank - 1; k++) at += index[k] * t->stride[k];
        for (int64_t i = 0; i < columns; i++) {
            const uint64_t x = gr_mixed(bits_of(gr_element(t->data, t->dtype, at + i * stride)));
            sum += x;
            h = ((h << 29 | h >> 35) ^ x) * 0x9e3779b97f4a7c15; /* x is mixed already */
        }
        for (int k = t->rank - 2; k >= 0 && ++index[k] == t->dim[k]; k--) index[k] = 0;
    }
    *ordered = gr_mixed(h);
    return sum;
}

/* A line for batch b, or its numbers in *rest. */
static void add_batch(gr_arena *a, gr_data_traits *to, const char *split, int64_t b, const gr_tensor *field, const gr_field *list, int n, uint64_t *rest)
{
    const char *text = b < TOLD ? gr_arena_printf(a, "batch %lld of '%s'", (long long)b, split) : NULL;
    for (int i = 0; i < n; i++) {
        const uint64_t sum = sum_of(&field[i], &to->ordered);
        if (text)
            text = gr_arena_printf(a, "%s, %s %s %016llx", text, list[i].name, lengths_text(a, field[i].dim, field[i].rank), (unsigned long long)sum);
        else *rest = gr_mixed(*rest ^ sum ^ gr_mixed((uint64_t)gr_tensor_numel(&field[i])));
    }
    if (text) add(a, to, text);
}

static int add_batches(gr_arena *a, gr_data_traits *to, gr_session *s, const char *split, gr_error *e)
{
    const gr_field *list;
    const gr_tensor *field;
    const int n = gr_data_fields(s->data, &list);
    uint64_t rest = 0;
    int64_t b = 0;
    int more;
    if (gr_data_begin(s->data, split, 0, 0, e)) return e->status;
    while ((more = gr_data_next(s->data, &field, e)) > 0) add_batch(a, to, split, b++, field, list, n, &rest);
    if (b > TOLD)
        add(a, to, gr_arena_printf(a, "batches %d to %lld of '%s', together %016llx", TOLD, (long long)b - 1, split, (unsigned long long)rest));
    return more < 0 ? e->status : 0;
}

int gr_data_traits_of(gr_session *s, gr_arena *a, gr_data_traits *to, gr_error *e)
{
    const gr_field *list;
    const char *split;
    int words = 0;
    const int n = gr_data_fields(s->data, &list);
    for (int i = 0; i < n; i++)
        add(a, to, gr_arena_printf(a, "field '%s' of %s %s", list[i].name, gr_dtype_name(list[i].type.dtype),
                                   lengths_text(a, list[i].type.dim, list[i].type.rank)));
    gr_data_vocab(s->data, NULL, &words);
    add(a, to, gr_arena_printf(a, "a vocabulary of %d", words));
    for (int i = 0; (split = gr_data_split(s->data, i)); i++)
        add(a, to, gr_arena_printf(a, "%lld batch%s of '%s'", (long long)gr_data_batches(s->data, split), gr_data_batches(s->data, split) == 1 ? "" : "es", split));
    for (int i = 0; (split = gr_data_split(s->data, i)); i++)
        if (add_batches(a, to, s, split, e)) return e->status;
    return 0;
}

/* ---- settings ---- */

/* As one line of YAML, vars by name: where they differ, what is made of them has been told. */
static const char *doc_text(gr_arena *a, const gr_doc *d)
{
    const char *text = d->kind == GR_DOC_MAP ? "{" : "[";
    if (d->kind == GR_DOC_NULL) return "~";
    if (d->kind == GR_DOC_SCALAR) return d->text;
    for (int i = 0; i < d->count; i++)
        text = gr_arena_printf(a, "%s%s%s%s%s", text, i ? ", " : "", d->kind == GR_DOC_MAP ? d->item[i]->key : "",
                               d->kind == GR_DOC_MAP ? ": " : "", doc_text(a, d->item[i]));
    return gr_arena_printf(a, "%s%s", text, d->kind == GR_DOC_MAP ? "}" : "]");
}

static gr_doc *entry(gr_doc *map, const char *key)
{
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->item[i]->key, key) == 0) return map->item[i];
    return NULL;
}

/* Adds "; `KEY` is X, and Y" of keys that both have otherwise and those that `of` alone has; turned: of these
 * alone, what `of` has comes second. */
static const char *settings(gr_arena *a, const char *text, gr_session *of, gr_session *other, bool turned)
{
    gr_doc *map = gr_model_section(of->model, "data"), *against = gr_model_section(other->model, "data");
    for (int i = 0; i < map->count; i++) {
        gr_doc *there = entry(against, map->item[i]->key);
        if (turned && there) continue;
        const char *x = doc_text(a, map->item[i]), *y = there ? doc_text(a, there) : "not given";
        if (strcmp(x, y) != 0)
            text = gr_arena_printf(a, "%s; `%s` is %s, and %s", text, map->item[i]->key, turned ? y : x, turned ? x : y);
    }
    return text;
}

const char *gr_data_difference(const gr_compare_work *w, int i)
{
    gr_arena *to = w->arena;
    const int first = gr_compare_first(w->c, i);
    const gr_data_traits *x = &w->traits[first], *y = &w->traits[i];
    gr_session *a = w->open[first], *b = w->open[i];
    for (int k = 0; k < x->count || k < y->count; k++) {
        const char *of_a = k < x->count ? x->line[k] : "nothing more", *of_b = k < y->count ? y->line[k] : "nothing more";
        if (strcmp(of_a, of_b) == 0) continue;
        return settings(to, settings(to, gr_arena_printf(to, "%s against %s", of_a, of_b), a, b, false), b, a, true);
    }
    return NULL;
}

/* ---- a budget of tokens ---- */

/* What is left of the tokens after an epoch, all of which are counted in *steps; or 0. */
static double read_epoch(const gr_exec *x, int64_t epoch, double tokens, int64_t *steps, gr_error *e)
{
    gr_session *s = x->session;
    const gr_field *list;
    const gr_tensor *field;
    gr_tensor *room = GR_NEW_ARRAY(s->arena, gr_tensor, gr_data_fields(s->data, &list) + 1);
    int more = 1;
    if (gr_data_begin(s->data, "train", epoch, 0, e)) return 0;
    while (tokens > 0 && (more = gr_data_next(s->data, &field, e)) > 0)
        for (int64_t i = 0; tokens > 0 && i < gr_cut_pieces(s, field); i++, (*steps)++)
            tokens -= (double)gr_count_tokens(x, gr_cut_piece(s, field, i, room));
    return more < 0 ? 0 : fmax(tokens, 0);
}

static int64_t steps_of_tokens(const gr_exec *x, double tokens, gr_error *e)
{
    int64_t steps = 0;
    double left = tokens;
    for (int64_t epoch = 0; left > 0 && !e->status; epoch++) {
        left = read_epoch(x, epoch, left, &steps, e);
        if (left < tokens) continue;
        gr_set_error(e, GR_EINVAL, "%s reads no whole numbers, so a budget of tokens means nothing here: give --steps or --seconds",
                     gr_model_path(x->session->model));
    }
    return e->status ? 0 : steps;
}

int64_t gr_steps_of_tokens(const gr_exec *x, double tokens, gr_error *e)
{
    gr_frame frame;
    if (!gr_try(x->session->arena, &frame)) {
        gr_set_error(e, GR_ENOMEM, "out of memory");
        return 0;
    }
    const int64_t steps = steps_of_tokens(x, tokens, e);
    gr_end_try(x->session->arena, &frame);
    return steps;
}
