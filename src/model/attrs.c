/* attrs.c - attributes of a descriptor from the entries of a map. */
#include "model/internal.h"

#include <string.h>

/* ---- nested lists of numbers ---- */

typedef struct tensor {
    gr_model *m;
    const gr_attr_spec *spec;
    gr_loc at;
    double *values;
    int count, cap;
    bool integers;
    gr_type shape;
} tensor;

static int tensor_number(tensor *t, const gr_var *v, gr_loc at)
{
    const gr_attr_spec *s = t->spec;
    if (v->kind != GR_VAR_INT && v->kind != GR_VAR_FLOAT && v->kind != GR_VAR_BOOL) {
        gr_diag_error(t->m->diag, at, "'%s' takes numbers, not '%s'", s->name, gr_var_text(t->m->arena, v));
        return -1;
    }
    double x = v->kind == GR_VAR_FLOAT ? v->f : (double)v->i;
    if ((s->min != 0 || s->max != 0) && !(x >= s->min && x <= s->max)) {
        gr_diag_error(t->m->diag, at, "'%s' takes numbers from %g to %g, not %g", s->name, s->min, s->max, x);
        return -1;
    }
    if (v->kind == GR_VAR_FLOAT) t->integers = false;
    *GR_PUSH(t->m->arena, t->values, t->count, t->cap) = x;
    return 0;
}

/* d: the document of v where v was written there, else NULL. */
static int tensor_values(tensor *t, const gr_var *v, const gr_doc *d, int axis)
{
    gr_loc at = d ? d->at : t->at;
    bool list = v->kind == GR_VAR_LIST, first = t->count == 0 && axis == t->shape.rank;
    if (list && axis == GR_MAX_RANK) {
        gr_diag_error(t->m->diag, at, "'%s' has more than %d axes", t->spec->name, GR_MAX_RANK);
        return -1;
    }
    if (list && first) t->shape.dim[t->shape.rank++] = v->count;
    if (list ? axis >= t->shape.rank : axis != t->shape.rank) {
        gr_diag_error(t->m->diag, at, "'%s' is a list in one place and a number in another, at one depth", t->spec->name);
        return -1;
    }
    if (!list) return tensor_number(t, v, at);
    if (v->count != t->shape.dim[axis]) {
        gr_diag_error(t->m->diag, at, "'%s' has a row of %d here, and rows of %lld before", t->spec->name, v->count,
                      (long long)t->shape.dim[axis]);
        return -1;
    }
    bool written = d && d->kind == GR_DOC_LIST;
    for (int i = 0; i < v->count; i++)
        if (tensor_values(t, &v->item[i], written ? d->item[i] : NULL, axis + 1) < 0) return -1;
    return 0;
}

static int read_tensor(gr_model *m, const gr_doc *d, const gr_var *v, const gr_attr_spec *spec, gr_attr *out)
{
    tensor t = {.m = m, .spec = spec, .at = d->at, .integers = true};
    if (tensor_values(&t, v, d, 0) < 0) return -1;
    out->present = true;
    out->floats = t.values;
    out->n = t.count;
    out->i = t.integers;
    out->shape = t.shape;
    return 0;
}

/* ---- initialisers: {op: Uniform, low: -1, high: 1} or Uniform ---- */

static int read_init(gr_model *m, gr_scope *s, gr_doc *d, gr_attr *out)
{
    gr_doc *op = gr_doc_get(d, "op");
    const char *text = NULL;
    d->used = true;
    if (d->kind == GR_DOC_SCALAR) text = gr_eval_text(m, s, d);
    else if (op) text = gr_eval_text(m, s, op);
    else gr_diag_error(m->diag, d->at, "'%s' takes an initialiser, {op: Uniform, low: -1, high: 1}", d->key);
    if (!text) {
        gr_mention(m, s, d);
        return -1;
    }
    for (int i = 0; d->kind == GR_DOC_MAP && i < d->count; i++) {
        gr_var v;
        if (d->item[i] == op) continue;
        if (gr_eval_to(m, s, d->item[i], &v) < 0) return -1;
        text = gr_arena_printf(m->arena, "%s %s=%s", text, d->item[i]->key, gr_var_text(m->arena, &v));
    }
    out->present = true;
    out->s = text;
    return 0;
}

/* ---- one attribute ---- */

static const char *attr_name(const gr_doc *d, const gr_attr_spec *spec) { return d->key ? d->key : spec->name; }

static const char *kind_words(const gr_attr_spec *s)
{
    static const char *const words[] = {
        [GR_ATTR_BOOL] = "true or false",     [GR_ATTR_INT] = "an integer",     [GR_ATTR_FLOAT] = "a number",
        [GR_ATTR_STRING] = "a text",          [GR_ATTR_CHOICE] = "one word",    [GR_ATTR_DTYPE] = "a dtype",
        [GR_ATTR_INTS] = "integers",          [GR_ATTR_FLOATS] = "numbers",     [GR_ATTR_SHAPE] = "a shape",
        [GR_ATTR_TENSOR] = "a list of numbers",
    };
    size_t k = (size_t)s->kind;
    return k < sizeof words / sizeof *words && words[k] ? words[k] : "another kind of value";
}

static int wrong_kind(gr_model *m, const gr_doc *d, const gr_attr_spec *spec, const char *is)
{
    const char *words = spec->kind == GR_ATTR_CHOICE ? gr_arena_printf(m->arena, "one of %s", spec->choices)
                                                     : kind_words(spec);
    gr_diag_error(m->diag, d->at, "'%s' takes %s, not %s", attr_name(d, spec), words, is);
    return -1;
}

/* Names in a shape name axes; a var of that name gives the length. */
static int resolve_axes(gr_model *m, gr_scope *s, const gr_doc *d, gr_attr *out)
{
    int64_t *dims = gr_arena_copy(m->arena, out->ints, (size_t)out->n * sizeof *dims);
    const char **names = GR_NEW_ARRAY(m->arena, const char *, out->n);
    for (int64_t i = 0; i < out->n; i++) {
        bool written = d->kind == GR_DOC_LIST && i < d->count;
        if (!out->names[i]) continue;
        names[i] = gr_axis_find(m, out->names[i])->name;
        dims[i] = gr_axis_length(m, s, out->names[i], written ? d->item[i]->at : d->at);
    }
    out->ints = dims;
    out->names = names;
    return 0;
}

static int parse_value(gr_model *m, gr_scope *s, const gr_doc *d, const gr_var *v, const gr_attr_spec *spec,
                       gr_attr *out)
{
    const char *why = "", *text = gr_var_text(m->arena, v);
    bool computed = d->kind == GR_DOC_SCALAR && strchr(d->text, '$');
    bool list = v->kind == GR_VAR_LIST;
    bool takes_list = spec->kind == GR_ATTR_INTS || spec->kind == GR_ATTR_FLOATS || spec->kind == GR_ATTR_SHAPE;
    if (list && !takes_list) return wrong_kind(m, d, spec, "a list");
    if (gr_attr_parse(m->arena, spec, text, out, &why) < 0) {
        gr_diag_error(m->diag, d->at, computed ? "'%s' %s (%s)" : "'%s' %s", attr_name(d, spec), why, d->text);
        return -1;
    }
    return spec->kind == GR_ATTR_SHAPE ? resolve_axes(m, s, d, out) : 0;
}

/* One attribute from one document. 0 or -1. */
static int eval_attr(gr_model *m, gr_scope *s, gr_doc *d, const gr_attr_spec *spec, gr_attr *out)
{
    bool optional = spec->fallback && !strcmp(spec->fallback, "~");
    bool anything = spec->kind == GR_ATTR_STRING && spec->choices && !strcmp(spec->choices, "*");
    gr_var v;
    *out = (gr_attr){.given = true};
    if (spec->kind == GR_ATTR_INIT && d->kind != GR_DOC_NULL) return read_init(m, s, d, out);
    if (d->kind == GR_DOC_MAP) {
        gr_mention(m, s, d);
        return wrong_kind(m, d, spec, "a map");
    }
    if (gr_eval_to(m, s, d, &v) < 0) return -1;
    if (v.kind == GR_VAR_NONE) return optional ? 0 : wrong_kind(m, d, spec, "nothing (~)");
    if (spec->kind == GR_ATTR_TENSOR) return read_tensor(m, d, &v, spec, out);
    int r = 0;
    if (anything || (spec->kind == GR_ATTR_STRING && v.kind != GR_VAR_LIST)) {
        bool as_written = d->kind == GR_DOC_SCALAR && !strchr(d->text, '$');
        out->s = as_written ? d->text : gr_var_text(m->arena, &v);
        out->present = true;
    } else {
        r = parse_value(m, s, d, &v, spec, out);
    }
    out->given = true;
    return r;
}

/* ---- all of them ---- */

static bool listed(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (!strcmp(*names, name)) return true;
    return false;
}

static int find_spec(const gr_attr_spec *specs, const char *name)
{
    for (int i = 0; specs && specs[i].name; i++)
        if (!strcmp(specs[i].name, name)) return i;
    return -1;
}

/* The attribute that the name was likely meant for is not reported as missing too. */
static void mark_meant(const gr_attr_spec *specs, const char *const *names, const char *name, bool *seen)
{
    const char *near = gr_nearest_term(name, names);
    int i = near ? find_spec(specs, near) : -1;
    if (i >= 0) seen[i] = true;
}

static void unknown_key(gr_model *m, const gr_doc *d, const gr_attr_spec *specs, const char *what,
                        const char *const *skip, bool *seen)
{
    const char **names = NULL;
    int count = 0, cap = 0;
    for (int i = 0; specs && specs[i].name; i++) *GR_PUSH(m->arena, names, count, cap) = specs[i].name;
    for (; skip && *skip; skip++) *GR_PUSH(m->arena, names, count, cap) = *skip;
    *GR_PUSH(m->arena, names, count, cap) = NULL;
    gr_diag_error(m->diag, d->key_at, "%s has no '%s'%s", what, d->key, gr_suggest_term(m->arena, d->key, names));
    mark_meant(specs, names, d->key, seen);
}

gr_attr *gr_eval_attrs(gr_model *m, gr_scope *s, gr_doc *map, const gr_attr_spec *specs, const char *what,
                       const char *const *skip, gr_loc **at)
{
    int n = 0;
    bool failed = false;
    while (specs && specs[n].name) n++;
    gr_attr *attr = GR_NEW_ARRAY(m->arena, gr_attr, n + 1);
    gr_loc *places = GR_NEW_ARRAY(m->arena, gr_loc, n + 1);
    bool *seen = GR_NEW_ARRAY(m->arena, bool, n + 1);
    for (int i = 0; i < n; i++) places[i] = map->at;
    for (int k = 0; map->kind == GR_DOC_MAP && k < map->count; k++) {
        gr_doc *d = map->item[k];
        int i = find_spec(specs, d->key);
        if (listed(skip, d->key) || !strcmp(d->key, "op")) continue;
        if (i < 0) {
            if (!gr_doc_is_missing(d)) /* else that has been said: it is not meant for a key */
                unknown_key(m, d, specs, what, skip, seen);
            gr_mention(m, s, d);
            failed = true;
            continue;
        }
        places[i] = d->at;
        seen[i] = true;
        if (eval_attr(m, s, d, &specs[i], &attr[i]) < 0) failed = true;
    }
    for (int i = 0; i < n; i++) {
        if (seen[i]) continue;
        if (specs[i].fallback) {
            gr_attr_parse(m->arena, &specs[i], specs[i].fallback, &attr[i], NULL);
            continue;
        }
        const char *doc = specs[i].doc ? specs[i].doc : "";
        gr_diag_error(m->diag, map->key ? map->key_at : map->at, *doc ? "%s needs '%s': %s" : "%s needs '%s'%s", what,
                      specs[i].name, doc);
        failed = true;
    }
    if (at) *at = places;
    return failed ? NULL : attr;
}

gr_attr *gr_model_attrs(gr_model *m, gr_doc *map, const gr_attr_spec *specs, const char *what,
                        const char *const *skip, gr_loc **at)
{
    return gr_eval_attrs(m, m->scope, map, specs, what, skip, at);
}
