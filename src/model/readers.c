/* readers.c - which places of a model file read a var: by naming it, by a var made of it, or by an axis of its name. */
#include "model/internal.h"

#include <ctype.h>
#include <string.h>

typedef struct search {
    gr_arena *arena;
    const char **name; int num_names, cap_names; /* the var, and those made of it */
    const char **place; int num_places, cap_places;
} search;

static size_t word_length(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_') n++;
    return n;
}

static bool is_name(const search *x, const char *word, size_t n)
{
    for (int i = 0; i < x->num_names; i++)
        if (strlen(x->name[i]) == n && memcmp(x->name[i], word, n) == 0) return true;
    return false;
}

/* The words of an expression, those of texts in it too: at worst a place too many is found. */
static bool expression_reads(const search *x, const char *text, size_t length)
{
    for (const char *p = text, *end = text + length; p < end;) {
        const size_t n = word_length(p);
        if (n && is_name(x, p, n)) return true;
        p += n ? n : 1;
    }
    return false;
}

static bool text_reads(const search *x, const char *text)
{
    for (const char *p = text; (p = strchr(p, '$')); p++) {
        if (p[1] == '$') p++;
        else if (p[1] == '{' ? expression_reads(x, p + 2, strcspn(p + 2, "}")) : is_name(x, p + 1, word_length(p + 1))) return true;
    }
    return false;
}

/* A bare name in a `shape` names an axis, and `when` may leave out the ${ }. */
static bool reads(const search *x, const gr_doc *d, bool in_shape)
{
    if (d->kind != GR_DOC_SCALAR) return false;
    if (in_shape && is_name(x, d->text, strlen(d->text))) return true;
    if (d->key && strcmp(d->key, "when") == 0 && !strchr(d->text, '$')) return expression_reads(x, d->text, strlen(d->text));
    return text_reads(x, d->text);
}

static bool reads_anywhere(const search *x, const gr_doc *d)
{
    bool found = reads(x, d, false);
    for (int i = 0; i < d->count; i++) found = found || reads_anywhere(x, d->item[i]);
    return found;
}

/* Vars made of what is found already, until there are no more. */
static void add_dependents(search *x, const gr_doc *vars)
{
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < vars->count; i++) {
            const gr_doc *d = vars->item[i];
            if (is_name(x, d->key, strlen(d->key)) || !reads_anywhere(x, d)) continue;
            *GR_PUSH(x->arena, x->name, x->num_names, x->cap_names) = d->key;
            more = true;
        }
    }
}

static void find_places(search *x, const gr_doc *d, const char *path, bool in_shape)
{
    if (reads(x, d, in_shape)) *GR_PUSH(x->arena, x->place, x->num_places, x->cap_places) = path;
    const bool shape = d->kind == GR_DOC_LIST && d->key && strcmp(d->key, "shape") == 0;
    for (int i = 0; i < d->count; i++) {
        const char *key = d->kind == GR_DOC_MAP ? d->item[i]->key : gr_arena_printf(x->arena, "%d", i);
        find_places(x, d->item[i], gr_arena_printf(x->arena, "%s%s%s", path, *path ? "." : "", key), shape);
    }
}

const char *const *gr_model_readers(gr_model *m, const char *var)
{
    search x = {.arena = m->arena};
    const gr_doc *vars = gr_doc_peek(m->root, "vars");
    *GR_PUSH(x.arena, x.name, x.num_names, x.cap_names) = var;
    if (vars && vars->kind == GR_DOC_MAP) add_dependents(&x, vars);
    for (int i = 0; i < m->root->count; i++)
        if (m->root->item[i] != vars) find_places(&x, m->root->item[i], m->root->item[i]->key, false);
    *GR_PUSH(x.arena, x.place, x.num_places, x.cap_places) = NULL;
    return x.place;
}
