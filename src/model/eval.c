/* eval.c - documents to values: `$name` and `${...}` in a scalar, lists, vars. */
#include "model/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_VAR_DEPTH = 100,   /* vars that refer to vars */
    MAX_TEXT = 1 << 20,    /* of one interpolated text */
    MAX_VALUES = 1 << 22,  /* in one list, nested ones included */
};

/* ---- vars ---- */

int gr_binding_value(gr_model *m, gr_binding *b, gr_loc at, gr_var *out)
{
    if (b->origin) b->origin->used = true;
    if (b->state == GR_BINDING_BAD) return -1;
    if (b->state == GR_BINDING_BUSY) {
        gr_diag_error(m->diag, at, "'%s' is defined by itself", b->name);
        return -1;
    }
    if (b->state == GR_BINDING_LAZY) {
        if (m->depth >= MAX_VAR_DEPTH) {
            gr_diag_error(m->diag, at, "vars refer to each other more than %d deep", MAX_VAR_DEPTH);
            return -1;
        }
        b->state = GR_BINDING_BUSY;
        m->depth++;
        int r = gr_eval_to(m, b->in, b->doc, &b->value);
        m->depth--;
        b->state = r < 0 ? GR_BINDING_BAD : GR_BINDING_READY;
        if (r < 0) return -1;
    }
    if (b->value.kind == GR_VAR_NONE && b->in == m->scope && b->doc && b->doc->kind == GR_DOC_NULL) {
        gr_diag_error(m->diag, b->origin ? b->origin->at : at, "'%s' must be given: --set %s=...", b->name, b->name);
        b->state = GR_BINDING_BAD;
        return -1;
    }
    *out = b->value;
    return 0;
}

void gr_binding_mention(gr_model *m, gr_binding *b)
{
    if (b->mentioned) return;
    b->mentioned = true;
    if (b->origin) b->origin->used = true;
    if (b->state != GR_BINDING_LAZY || m->depth >= MAX_VAR_DEPTH) return;
    m->depth++;
    gr_mention(m, b->in, b->doc);
    m->depth--;
}

/* ---- text with $ in it ---- */

typedef struct buffer {
    FILE *file;
    char *bytes;
    size_t size;
} buffer;

static void text_close(void *p)
{
    buffer *t = p;
    if (t->file) fclose(t->file);
    free(t->bytes);
    *t = (buffer){0};
}

static bool starts_name(char c) { return isalpha((unsigned char)c) || c == '_'; }

static const char *end_of_word(const char *p)
{
    while (isalnum((unsigned char)*p) || *p == '_') p++;
    return p;
}

/* The end of the name at p: with its dotted parts as long as that is a name that is known, or
 * one of the data source's; `$name.txt` is a var and a text. */
static const char *end_of_name(gr_arena *a, gr_scope *s, const char *p)
{
    const char *end = end_of_word(p), *best = end;
    bool fact = !strncmp(p, "data.", 5);
    while (*end == '.' && starts_name(end[1])) {
        end = end_of_word(end + 1);
        if (fact || gr_scope_find(s, gr_arena_strndup(a, p, (size_t)(end - p)))) best = end;
    }
    return best;
}

/* The `$...` at p: its value and where it ends. dead: mentioned alone. */
static int dollar(gr_model *m, gr_scope *s, const gr_doc *d, const char *p, bool dead, const char **end, gr_var *v)
{
    if (p[1] == '{') {
        if (gr_expr(m, s, d, p + 2, strlen(p + 2), dead, end, v) < 0) return -1;
        if (**end == '}') return ++*end, 0;
        if (**end) gr_diag_error(m->diag, gr_loc_inside(d, *end, 1), "an operator or '}' is expected here, not '%c'", **end);
        else gr_diag_error(m->diag, gr_loc_inside(d, p, 2), "'${' without its '}'");
        return -1;
    }
    if (starts_name(p[1])) {
        *end = end_of_name(m->arena, s, p + 1);
        return gr_expr(m, s, d, p + 1, (size_t)(*end - p - 1), dead, NULL, v);
    }
    gr_diag_error(m->diag, gr_loc_inside(d, p, 1), "a lone '$'; write $$ for a dollar");
    return -1;
}

/* One piece of text after another; dead: nothing is kept. */
static int interpolate(gr_model *m, gr_scope *s, const gr_doc *d, bool dead, buffer *t)
{
    for (const char *p = d->text; *p;) {
        size_t n = strcspn(p, "$");
        if (!dead) fwrite(p, 1, n, t->file);
        p += n;
        if (*p == '$' && p[1] == '$') {
            if (!dead) fputc('$', t->file);
            p += 2;
        } else if (*p) {
            gr_var v = {0};
            if (dollar(m, s, d, p, dead, &p, &v) < 0) return -1;
            if (!dead) fputs(gr_var_text(m->arena, &v), t->file);
        }
        if (!dead && ftell(t->file) > MAX_TEXT) {
            gr_diag_error(m->diag, d->at, "this text grows beyond %d bytes", MAX_TEXT);
            return -1;
        }
    }
    return 0;
}

static int eval_text(gr_model *m, gr_scope *s, gr_doc *d, gr_var *out)
{
    const char *end = NULL;
    if (d->text[0] == '$' && d->text[1] != '$') {
        if (dollar(m, s, d, d->text, false, &end, out) < 0) return -1;
        if (!*end) return 0; /* the whole value: it keeps its type */
    }
    buffer *t = GR_NEW(m->arena, buffer);
    gr_arena_defer(m->arena, text_close, t);
    t->file = open_memstream(&t->bytes, &t->size);
    int r = t->file ? interpolate(m, s, d, false, t) : -1;
    if (t->file) fflush(t->file);
    if (r == 0) *out = (gr_var){.kind = GR_VAR_TEXT, .text = gr_arena_strndup(m->arena, t->bytes, t->size)};
    text_close(t);
    return r;
}

/* ---- documents ---- */

static void eval_plain(const gr_doc *d, gr_var *out)
{
    bool b;
    *out = (gr_var){.kind = GR_VAR_TEXT, .text = d->text};
    if (gr_doc_int(d, &out->i) == 0) out->kind = GR_VAR_INT;
    else if (gr_doc_float(d, &out->f) == 0) out->kind = GR_VAR_FLOAT;
    else if (gr_doc_bool(d, &b) == 0) *out = (gr_var){.kind = GR_VAR_BOOL, .i = b};
}

/* How many values v holds, counted up to a bound: items may be shared, so that a few bytes
 * of a file could stand for very many. */
static int64_t count_values(const gr_var *v, int64_t bound)
{
    int64_t n = 1;
    for (int i = 0; v->kind == GR_VAR_LIST && i < v->count && n < bound; i++)
        n += count_values(&v->item[i], bound - n);
    return n;
}

static int eval_list(gr_model *m, gr_scope *s, gr_doc *d, gr_var *out)
{
    int r = 0;
    *out = (gr_var){.kind = GR_VAR_LIST, .count = d->count, .item = GR_NEW_ARRAY(m->arena, gr_var, d->count)};
    for (int i = 0; i < d->count; i++)
        if (gr_eval_to(m, s, d->item[i], &out->item[i]) < 0) r = -1;
    if (r == 0 && count_values(out, MAX_VALUES) >= MAX_VALUES) {
        gr_diag_error(m->diag, d->at, "a list of more than %d values", MAX_VALUES);
        r = -1;
    }
    return r;
}

int gr_eval_to(gr_model *m, gr_scope *s, gr_doc *d, gr_var *out)
{
    d->used = true;
    *out = (gr_var){0};
    switch (d->kind) {
    case GR_DOC_NULL: return *d->text ? 0 : -1; /* a key without a value was reported */
    case GR_DOC_LIST: return eval_list(m, s, d, out);
    case GR_DOC_MAP:
        gr_diag_error(m->diag, d->at, "a value is expected here, not a map");
        gr_mention(m, s, d);
        return -1;
    case GR_DOC_SCALAR: break;
    }
    if (strchr(d->text, '$')) return eval_text(m, s, d, out);
    eval_plain(d, out);
    return 0;
}

gr_var gr_eval(gr_model *m, gr_scope *s, gr_doc *d)
{
    gr_var v;
    return gr_eval_to(m, s, d, &v) < 0 ? (gr_var){0} : v;
}

/* What a document holds, for a message: as written where that is short. */
static const char *shown(gr_model *m, const gr_doc *d, const gr_var *v)
{
    if (v->kind == GR_VAR_NONE) return "nothing (~)";
    if (v->kind == GR_VAR_LIST) return "a list";
    const char *value = gr_arena_printf(m->arena, "'%.60s'", gr_var_text(m->arena, v));
    if (d->kind == GR_DOC_SCALAR && strchr(d->text, '$')) return gr_arena_printf(m->arena, "%s, which is %s", d->text, value);
    return value;
}

/* Where the one var that d names is given as text: there the quotes are to go. */
static void note_text(gr_model *m, const gr_doc *d, const gr_var *v)
{
    if (v->kind != GR_VAR_TEXT || d->kind != GR_DOC_SCALAR || d->text[0] != '$') return;
    const size_t n = strlen(d->text), brace = d->text[1] == '{' && d->text[n - 1] == '}';
    const gr_binding *b = gr_scope_find(m->scope, gr_arena_strndup(m->arena, d->text + 1 + brace, n - 1 - 2 * brace));
    if (b && b->doc && b->doc->kind == GR_DOC_SCALAR && !b->doc->plain)
        gr_diag_note(m->diag, b->doc->at, "'%s' is text here, because of the quotes: write it without them", b->name);
}

static int not_a(gr_model *m, const gr_doc *d, const gr_var *v, const char *wanted)
{
    if (d->key) gr_diag_error(m->diag, d->at, "'%s' takes %s, not %s", d->key, wanted, shown(m, d, v));
    else gr_diag_error(m->diag, d->at, "%s is expected here, not %s", wanted, shown(m, d, v));
    note_text(m, d, v);
    return -1;
}

int gr_eval_int(gr_model *m, gr_scope *s, gr_doc *d, int64_t min, int64_t *out)
{
    gr_var v;
    if (gr_eval_to(m, s, d, &v) < 0) return -1;
    if (v.kind != GR_VAR_INT) return not_a(m, d, &v, "an integer");
    if (v.i < min) return not_a(m, d, &v, gr_arena_printf(m->arena, "an integer of at least %lld", (long long)min));
    *out = v.i;
    return 0;
}

int gr_eval_float(gr_model *m, gr_scope *s, gr_doc *d, double *out)
{
    gr_var v;
    if (gr_eval_to(m, s, d, &v) < 0) return -1;
    if (v.kind != GR_VAR_INT && v.kind != GR_VAR_FLOAT) return not_a(m, d, &v, "a number");
    *out = v.kind == GR_VAR_INT ? (double)v.i : v.f;
    return 0;
}

int gr_eval_bool(gr_model *m, gr_scope *s, gr_doc *d, bool *out)
{
    gr_var v;
    if (gr_eval_to(m, s, d, &v) < 0) return -1;
    if (v.kind != GR_VAR_BOOL) return not_a(m, d, &v, "true or false");
    *out = v.i != 0;
    return 0;
}

const char *gr_eval_text(gr_model *m, gr_scope *s, gr_doc *d)
{
    gr_var v;
    if (gr_eval_to(m, s, d, &v) < 0) return NULL;
    if (v.kind == GR_VAR_NONE || v.kind == GR_VAR_LIST) {
        not_a(m, d, &v, "a text");
        return NULL;
    }
    bool as_written = d->kind == GR_DOC_SCALAR && !strchr(d->text, '$'); /* 0x10 stays so */
    return as_written ? d->text : gr_var_text(m->arena, &v);
}

int gr_eval_condition(gr_model *m, gr_scope *s, gr_doc *d, bool *out)
{
    if (d->kind != GR_DOC_SCALAR || strchr(d->text, '$')) return gr_eval_bool(m, s, d, out);
    gr_var v;
    d->used = true;
    if (gr_expr(m, s, d, d->text, strlen(d->text), false, NULL, &v) < 0) return -1;
    if (v.kind != GR_VAR_BOOL) return not_a(m, d, &v, "true or false");
    *out = v.i != 0;
    return 0;
}

void gr_mention(gr_model *m, gr_scope *s, gr_doc *d)
{
    d->used = true;
    for (int i = 0; i < d->count; i++) gr_mention(m, s, d->item[i]);
    if (d->kind != GR_DOC_SCALAR) return;
    gr_var ignored;
    if (strchr(d->text, '$')) interpolate(m, s, d, true, NULL);
    else if (d->key && !strcmp(d->key, "when"))
        gr_expr(m, s, d, d->text, strlen(d->text), true, NULL, &ignored);
}

gr_var gr_var_parse(gr_model *m, const char *text)
{
    gr_doc *d = gr_doc_read_text(m->arena, "a value", text, strlen(text), m->diag);
    return d ? gr_eval(m, m->scope, d) : (gr_var){0};
}
