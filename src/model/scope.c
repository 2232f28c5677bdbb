/* scope.c - names and their values, and values as text. */
#include "model/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gr_scope *gr_scope_create(gr_arena *a, gr_scope *parent)
{
    gr_scope *s = GR_NEW(a, gr_scope);
    s->parent = parent;
    return s;
}

static gr_binding *find_here(gr_scope *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->items[i].name, name) == 0) return &s->items[i];
    return NULL;
}

gr_binding *gr_scope_find(gr_scope *s, const char *name)
{
    for (; s; s = s->parent) {
        gr_binding *b = find_here(s, name);
        if (b) return b;
    }
    return NULL;
}

static gr_binding *slot(gr_arena *a, gr_scope *s, const char *name)
{
    gr_binding *b = find_here(s, name);
    if (!b) b = GR_PUSH(a, s->items, s->count, s->cap);
    *b = (gr_binding){.name = gr_arena_strdup(a, name)};
    return b;
}

void gr_scope_set(gr_arena *a, gr_scope *s, const char *name, gr_var v, gr_doc *origin)
{
    gr_binding *b = slot(a, s, name);
    b->state = GR_BINDING_READY;
    b->value = v;
    b->origin = origin;
}

void gr_scope_define(gr_arena *a, gr_scope *s, const char *name, gr_doc *doc, gr_scope *in, gr_doc *origin)
{
    gr_binding *b = slot(a, s, name);
    b->state = GR_BINDING_LAZY;
    b->doc = doc;
    b->in = in;
    b->origin = origin;
}

/* ---- values as text ---- */

/* A number that reads back as the same float, and as a float. */
static void print_float(FILE *f, double v)
{
    char text[40];
    if (__builtin_isnan(v) || __builtin_isinf(v)) {
        fputs(__builtin_isnan(v) ? ".nan" : v < 0 ? "-.inf" : ".inf", f);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (sscanf(text, "%lf", &back) == 1 && back == v) break;
    }
    fprintf(f, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void print_var(FILE *f, const gr_var *v)
{
    switch (v->kind) {
    case GR_VAR_NONE: fputs("~", f); break;
    case GR_VAR_INT: fprintf(f, "%" PRId64, v->i); break;
    case GR_VAR_FLOAT: print_float(f, v->f); break;
    case GR_VAR_BOOL: fputs(v->i ? "true" : "false", f); break;
    case GR_VAR_TEXT: fputs(v->text, f); break;
    case GR_VAR_LIST:
        fputc('[', f);
        for (int i = 0; i < v->count; i++) {
            if (i) fputs(", ", f);
            print_var(f, &v->item[i]);
        }
        fputc(']', f);
    }
}

const char *gr_var_text(gr_arena *a, const gr_var *v)
{
    char *text = NULL;
    size_t size = 0;
    if (v->kind == GR_VAR_TEXT) return v->text;
    FILE *f = open_memstream(&text, &size);
    if (f) {
        print_var(f, v);
        fclose(f);
    }
    const char *copy = gr_arena_strndup(a, text ? text : "", size);
    free(text);
    return copy;
}
