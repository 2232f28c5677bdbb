/* store.c - memory of states by name, shared by all programs of a session. */
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

struct gr_store {
    state *first, **last;
    int count;
};

gr_store *gr_store_create(void)
{
    gr_store *s = gr_malloc(sizeof *s);
    if (!s) return NULL;
    *s = (gr_store){.first = NULL, .last = NULL};
    return s;
}

void gr_store_destroy(gr_store *s)
{
    for (state *x = s ? s->first : NULL; x;) {
        state *next = x->next;
        gr_free(x->data);
        gr_free(x);
        x = next;
    }
    gr_free(s);
}

static state *add_state(gr_store *s, const char *name, const gr_type *t)
{
    size_t bytes = (size_t)gr_numel(t) * gr_dtype_size(t->dtype) + PADDING;
    state *x = gr_malloc(sizeof *x + strlen(name) + 1);
    void *data = x ? gr_malloc_aligned((bytes + 63) / 64 * 64, 64) : NULL;
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

void *gr_store_get(gr_store *s, const char *name, const gr_type *t, bool *is_new, gr_error *e)
{
    state *x = s->first;
    while (x && strcmp(x->name, name) != 0) x = x->next;
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

int gr_store_count(const gr_store *s) { return s->count; }

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
