/* attr.c - attributes between text and values.
 *
 * One parser serves defaults, gr_emit and the command line; a model file's values come
 * as text too once their expressions are evaluated. */
#include "graph/graph.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    gr_arena *arena;
    const gr_attr_spec *spec;
    const char *why;
} parser;

static int wrong(parser *p, const char *fmt, const char *a, const char *b)
{
    p->why = gr_arena_printf(p->arena, fmt, a, b);
    return -1;
}

static const char *trimmed(gr_arena *a, const char *s, size_t n)
{
    while (n && isspace((unsigned char)*s)) s++, n--;
    while (n && isspace((unsigned char)s[n - 1])) n--;
    return gr_arena_strndup(a, s, n);
}

static int in_range(parser *p, double v)
{
    const gr_attr_spec *s = p->spec;
    if ((s->min == 0 && s->max == 0) || (v >= s->min && v <= s->max)) return 0;
    if (s->max >= 1e9 && v > s->max) p->why = gr_arena_printf(p->arena, "must be at most %.10g, not %.10g", s->max, v);
    else if (s->max >= 1e9) p->why = gr_arena_printf(p->arena, "must be at least %.10g, not %.10g", s->min, v);
    else p->why = gr_arena_printf(p->arena, "must be from %.10g to %.10g, not %.10g", s->min, s->max, v);
    return -1;
}

static int read_int(parser *p, const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 0);
    if (end == text || *end || errno) return wrong(p, "takes an integer, not '%s'%s", text, "");
    return in_range(p, (double)*out);
}

static int read_float(parser *p, const char *text, double *out)
{
    char *end;
    const char *digits = text + (*text == '-' || *text == '+');
    bool word = digits[0] == '.' && (digits[1] == 'i' || digits[1] == 'n'); /* .inf and .nan, as YAML has them */
    *out = strtod(word ? digits + 1 : text, &end);
    if (word && *text == '-') *out = -*out;
    if (end == text || *end) return wrong(p, "takes a number, not '%s'%s", text, "");
    return in_range(p, *out);
}

static int read_bool(parser *p, const char *text, int64_t *out)
{
    *out = strcmp(text, "true") == 0;
    if (!*out && strcmp(text, "false") != 0) return wrong(p, "takes true or false, not '%s'%s", text, "");
    return 0;
}

static int read_choice(parser *p, const char *text, gr_attr *out)
{
    const char *c = p->spec->choices;
    size_t n = strlen(text);
    for (int64_t i = 0; c; i++) {
        size_t length = strcspn(c, "|");
        if (length == n && strncmp(c, text, n) == 0) {
            out->i = i;
            out->s = text;
            return 0;
        }
        c = c[length] ? c + length + 1 : NULL;
    }
    return wrong(p, "takes one of %s, not '%s'", p->spec->choices, text);
}

static int read_dtype(parser *p, const char *text, int64_t *out)
{
    for (int i = 1; i <= GR_BOOL; i++)
        if (strcmp(text, gr_dtype_name((gr_dtype)i)) == 0) {
            *out = i;
            return 0;
        }
    return wrong(p, "takes float32, float64, int32 or bool, not '%s'%s", text, "");
}

/* Splits "[a, [b, c], d]" into its items; a bare text is one item. */
static const char **split_list(gr_arena *a, const char *text, int64_t *n)
{
    const char **items = NULL;
    int count = 0, cap = 0, depth = 0;
    size_t length = strlen(text);
    if (length < 2 || text[0] != '[' || text[length - 1] != ']') {
        *GR_PUSH(a, items, count, cap) = text;
        *n = 1;
        return items;
    }
    const char *start = text + 1, *end = text + length - 1;
    for (const char *s = start; s <= end; s++) {
        if (s < end && *s == '[') depth++;
        if (s < end && *s == ']') depth--;
        if (s < end && (*s != ',' || depth)) continue;
        const char *item = trimmed(a, start, (size_t)(s - start));
        if (*item || s < end) *GR_PUSH(a, items, count, cap) = item;
        start = s + 1;
    }
    *n = count;
    return items;
}

static int read_ints(parser *p, const char *text, gr_attr *out)
{
    const char **items = split_list(p->arena, text, &out->n);
    int64_t *v = GR_NEW_ARRAY(p->arena, int64_t, out->n);
    for (int64_t i = 0; i < out->n; i++)
        if (read_int(p, items[i], &v[i]) < 0) return -1;
    out->ints = v;
    return 0;
}

static int read_floats(parser *p, const char *text, gr_attr *out)
{
    const char **items = split_list(p->arena, text, &out->n);
    double *v = GR_NEW_ARRAY(p->arena, double, out->n);
    for (int64_t i = 0; i < out->n; i++)
        if (read_float(p, items[i], &v[i]) < 0) return -1;
    out->floats = v;
    return 0;
}

static int read_shape(parser *p, const char *text, gr_attr *out)
{
    const char **items = split_list(p->arena, text, &out->n);
    int64_t *v = GR_NEW_ARRAY(p->arena, int64_t, out->n);
    const char **names = GR_NEW_ARRAY(p->arena, const char *, out->n);
    if (out->n > GR_MAX_RANK) return wrong(p, "has more than 8 axes: %s%s", text, "");
    for (int64_t i = 0; i < out->n; i++) {
        if (isalpha((unsigned char)items[i][0]) || items[i][0] == '_') {
            names[i] = items[i];
            v[i] = -1;
        } else if (read_int(p, items[i], &v[i]) < 0) {
            return -1;
        }
    }
    out->ints = v;
    out->names = names;
    return 0;
}

typedef struct tensor_reader {
    parser *p;
    double *values;
    int count, cap;
    bool integers;
    gr_type shape;
} tensor_reader;

static int read_nested(tensor_reader *r, const char *text, int depth)
{
    if (text[0] != '[') {
        double v = strcmp(text, "true") == 0;
        if (v == 0 && strcmp(text, "false") != 0 && read_float(r->p, text, &v) < 0) return -1;
        if (depth != r->shape.rank) return wrong(r->p, "has rows of different depth%s%s", "", "");
        if (strpbrk(text, ".eEn")) r->integers = false;
        *GR_PUSH(r->p->arena, r->values, r->count, r->cap) = v;
        return 0;
    }
    int64_t n;
    const char **items = split_list(r->p->arena, text, &n);
    if (depth >= GR_MAX_RANK) return wrong(r->p, "has more than 8 axes%s%s", "", "");
    if (depth == r->shape.rank && r->count == 0) r->shape.dim[r->shape.rank++] = n;
    else if (depth >= r->shape.rank || r->shape.dim[depth] != n)
        return wrong(r->p, "has rows of different lengths%s%s", "", "");
    for (int64_t i = 0; i < n; i++)
        if (read_nested(r, items[i], depth + 1) < 0) return -1;
    return 0;
}

static int read_tensor(parser *p, const char *text, gr_attr *out)
{
    tensor_reader r = {.p = p, .integers = true};
    if (read_nested(&r, text, 0) < 0) return -1;
    out->floats = r.values;
    out->n = r.count;
    out->shape = r.shape;
    out->i = r.integers;
    return 0;
}

static int read_kind(parser *p, const char *text, gr_attr *out)
{
    switch (p->spec->kind) {
    case GR_ATTR_BOOL: return read_bool(p, text, &out->i);
    case GR_ATTR_INT: return read_int(p, text, &out->i);
    case GR_ATTR_FLOAT: return read_float(p, text, &out->f);
    case GR_ATTR_CHOICE: return read_choice(p, text, out);
    case GR_ATTR_DTYPE: return read_dtype(p, text, &out->i);
    case GR_ATTR_INTS: return read_ints(p, text, out);
    case GR_ATTR_FLOATS: return read_floats(p, text, out);
    case GR_ATTR_SHAPE: return read_shape(p, text, out);
    case GR_ATTR_TENSOR: return read_tensor(p, text, out);
    case GR_ATTR_STRING:
    case GR_ATTR_INIT: out->s = text; return 0;
    case GR_ATTR_NONE: break;
    }
    return wrong(p, "has no kind%s%s", "", "");
}

int gr_attr_parse(gr_arena *a, const gr_attr_spec *spec, const char *text, gr_attr *out, const char **why)
{
    parser p = {a, spec, NULL};
    *out = (gr_attr){0};
    text = trimmed(a, text, strlen(text));
    if (strcmp(text, "~") == 0) return 0;
    out->present = true;
    int r = read_kind(&p, text, out);
    if (r < 0 && why) *why = p.why;
    return r;
}

gr_attr *gr_attr_defaults(gr_arena *a, const gr_op *op)
{
    int n = gr_op_num_attrs(op);
    gr_attr *attr = GR_NEW_ARRAY(a, gr_attr, n);
    for (int i = 0; i < n; i++)
        if (op->attrs[i].fallback) gr_attr_parse(a, &op->attrs[i], op->attrs[i].fallback, &attr[i], NULL);
    return attr;
}

static int parse_pair(gr_arena *a, const gr_op *op, const char *pair, gr_attr *attrs, const char **why)
{
    const char *eq = strchr(pair, '=');
    const char *key = trimmed(a, pair, eq ? (size_t)(eq - pair) : strlen(pair));
    int i = gr_op_attr(op, key);
    if (!eq || i < 0) {
        *why = gr_arena_printf(a, "%s has no attribute '%s'", op->name, key);
        return -1;
    }
    const char *reason = "";
    if (gr_attr_parse(a, &op->attrs[i], eq + 1, &attrs[i], &reason) < 0) {
        *why = gr_arena_printf(a, "attribute '%s' %s", key, reason);
        return -1;
    }
    attrs[i].given = true;
    return 0;
}

int gr_attrs_parse(gr_arena *a, const gr_op *op, const char *text, gr_attr *attrs, const char **why)
{
    if (!text || !*text) return 0;
    int64_t n;
    const char **pairs = split_list(a, gr_arena_printf(a, "[%s]", text), &n);
    for (int64_t i = 0; i < n; i++)
        if (parse_pair(a, op, pairs[i], attrs, why) < 0) return -1;
    return 0;
}

static const char *list_text(gr_arena *a, const gr_attr *v, bool integers)
{
    char *text = gr_arena_strdup(a, "[");
    for (int64_t i = 0; i < v->n; i++) {
        const char *comma = i ? ", " : "";
        if (v->names && v->names[i]) text = gr_arena_printf(a, "%s%s%s", text, comma, v->names[i]);
        else if (integers) text = gr_arena_printf(a, "%s%s%" PRId64, text, comma, v->ints[i]);
        else text = gr_arena_printf(a, "%s%s%.17g", text, comma, v->floats[i]);
    }
    return gr_arena_printf(a, "%s]", text);
}

static const char *tensor_text(gr_arena *a, const gr_attr *v, int axis, int64_t *at)
{
    if (axis == v->shape.rank) {
        double x = v->floats[(*at)++];
        const char *number = gr_arena_printf(a, "%.17g", x);
        return v->i || strpbrk(number, ".ein") ? number : gr_arena_printf(a, "%s.0", number);
    }
    char *text = gr_arena_strdup(a, "[");
    for (int64_t i = 0; i < v->shape.dim[axis]; i++)
        text = gr_arena_printf(a, "%s%s%s", text, i ? ", " : "", tensor_text(a, v, axis + 1, at));
    return gr_arena_printf(a, "%s]", text);
}

const char *gr_attr_text(gr_arena *a, const gr_attr_spec *spec, const gr_attr *v)
{
    int64_t at = 0;
    if (!v->present) return "~";
    switch (spec->kind) {
    case GR_ATTR_BOOL: return v->i ? "true" : "false";
    case GR_ATTR_INT: return gr_arena_printf(a, "%" PRId64, v->i);
    case GR_ATTR_FLOAT: return gr_arena_printf(a, "%.17g", v->f);
    case GR_ATTR_DTYPE: return gr_dtype_name((gr_dtype)v->i);
    case GR_ATTR_INTS:
    case GR_ATTR_SHAPE: return list_text(a, v, true);
    case GR_ATTR_FLOATS: return list_text(a, v, false);
    case GR_ATTR_TENSOR: return tensor_text(a, v, 0, &at);
    default: return v->s;
    }
}
