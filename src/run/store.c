/* store.c - memory that all programs of a session share: states by name, and the workspace. */
#include "graph/graph.h"
#include "run/run.h"
#include <string.h>

/* Kernels may read (never write) a little past the end of what they are given. */
#define PADDING 4096

typedef struct state {
    struct state *next;
    gr_type type;
    void *data;
    bool asked; /* somebody was told that it is new */
    char name[];
} state;

/* Blocks of the workspace, the largest and youngest first. */
typedef struct block {
    struct block *older;
    size_t bytes;
    void *data;
} block;

struct gr_store {
    state *first, **last;
    int count;
    block *workspace;
    const gr_store *shared; /* where else states are, NULL: nowhere */
};

gr_store *gr_store_create(const gr_memory *m)
{
    gr_store *s = gr_allocate(m, sizeof *s, 0);
    if (!s) return NULL;
    *s = (gr_store){.first = NULL, .last = NULL};
    return s;
}

/* x and those behind it. */
static void free_states(state *x)
{
    while (x) {
        state *next = x->next;
        gr_free(x->data);
        gr_free(x);
        x = next;
    }
}

void gr_store_destroy(gr_store *s)
{
    if (s) free_states(s->first);
    for (block *b = s ? s->workspace : NULL; b;) {
        block *older = b->older;
        gr_free(b->data);
        gr_free(b);
        b = older;
    }
    gr_free(s);
}

void gr_store_share(gr_store *s, const gr_store *of) { s->shared = of; }

static state *find_state(const gr_store *s, const char *name)
{
    state *x = s->first;
    while (x && strcmp(x->name, name) != 0) x = x->next;
    return x;
}

static state *find_shared(const gr_store *s, const char *name)
{
    state *x = NULL;
    while (!x && s->shared) {
        s = s->shared;
        x = find_state(s, name);
    }
    return x;
}

static state *add_state(gr_store *s, const char *name, const gr_type *t)
{
    size_t bytes = (size_t)gr_numel(t) * gr_dtype_size(t->dtype) + PADDING;
    state *x = gr_allocate(gr_memory_of(s), sizeof *x + strlen(name) + 1, 0);
    void *data = x ? gr_allocate(gr_memory_of(s), (bytes + 63) / 64 * 64, 64) : NULL;
    if (!data) {
        gr_free(x);
        return NULL;
    }
    memset(data, 0, (bytes + 63) / 64 * 64);
    *x = (state){.type = *t, .data = data};
    strcpy(x->name, name);
    *(s->last ? s->last : &s->first) = x;
    s->last = &x->next;
    s->count++;
    return x;
}

static void *get_state(gr_store *s, state *x, const char *name, const gr_type *t, bool *is_new, gr_error *e)
{
    if (x && !gr_type_equal(&x->type, t)) {
        gr_set_error(e, GR_EINVAL, "state '%s' is kept with another shape or type", name);
        return NULL;
    }
    if (!x) x = add_state(s, name, t);
    if (!x) {
        gr_set_error(e, GR_ENOMEM, "out of memory for state '%s'", name);
        return NULL;
    }
    if (is_new) {
        *is_new = !x->asked;
        x->asked = true;
    }
    return x->data;
}

void *gr_store_get(gr_store *s, const char *name, const gr_type *t, bool *is_new, gr_error *e)
{
    state *x = find_state(s, name);
    return get_state(s, x ? x : find_shared(s, name), name, t, is_new, e);
}

void *gr_store_own(gr_store *s, const char *name, const gr_type *t, gr_error *e)
{
    return get_state(s, find_state(s, name), name, t, NULL, e);
}

int gr_store_count(const gr_store *s) { return s->count; }

void gr_store_shorten(gr_store *s, int count)
{
    state **last = &s->first;
    if (count >= s->count) return;
    for (int i = 0; i < count; i++) last = &(*last)->next;
    free_states(*last);
    *last = NULL;
    s->last = last;
    s->count = count;
}

static const state *state_at(const gr_store *s, int i)
{
    const state *x = s->first;
    while (i-- > 0) x = x->next;
    return x;
}

const char *gr_store_name(const gr_store *s, int i) { return state_at(s, i)->name; }

void *gr_store_data(const gr_store *s, int i, gr_type *t)
{
    const state *x = state_at(s, i);
    if (t) *t = x->type;
    return x->data;
}

void *gr_store_workspace(gr_store *s, size_t bytes)
{
    size_t largest = s->workspace ? s->workspace->bytes : 0, grown = largest + largest / 2;
    if (s->workspace && bytes <= largest) return s->workspace->data;
    block *b = gr_allocate(gr_memory_of(s), sizeof *b, 0);
    if (!b) return NULL;
    *b = (block){s->workspace, bytes > grown ? bytes : grown, NULL};
    b->data = gr_allocate(gr_memory_of(s), b->bytes, 4096);
    if (!b->data) {
        gr_free(b);
        return NULL;
    }
#ifdef GR_CHECKS
    memset(b->data, 0xff, b->bytes); /* NaN, so that reading too early shows */
#endif
    s->workspace = b;
    return b->data;
}

size_t gr_store_workspace_bytes(const gr_store *s)
{
    size_t sum = 0;
    for (const block *b = s->workspace; b; b = b->older) sum += b->bytes;
    return sum;
}
