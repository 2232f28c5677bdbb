/* expr.c - parsing and evaluating what stands in ${...}.
 *
 *     expr    = or [ "if" or "else" expr ]
 *     or      = and { "or" and }            and  = not { "and" not }
 *     not     = "not" not | sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *     sum     = term { ("+" | "-") term }   term = unary { ("*" | "/" | "//" | "%") unary }
 *     unary   = ("-" | "+") unary | atom [ "**" unary ]
 *     atom    = number | 'text' | name | function "(" ... ")" | "(" expr ")" | "[" ... "]"
 *               { "[" expr "]" }
 *
 * Parsing evaluates as it goes. What is not reached (the other arm of an `if`, what follows
 * a false `and`) is parsed with `dead` > 0: names count as used, nothing is computed. The
 * first mistake is reported and ends the expression. */
#include "base/count.h"
#include "base/utf8.h"
#include "model/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTING = 100 };

typedef struct parser {
    gr_model *m;
    gr_scope *scope;
    const gr_doc *doc;
    const char *p, *end;
    int dead, depth;
} parser;

static int parse_expr(parser *s, gr_var *out);
static int parse_unary(parser *s, gr_var *out);
static int parse_not(parser *s, gr_var *out);

/* ---- places and messages ---- */

/* Columns of messages count characters. */
static int characters(const char *text, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; count++) {
        const int bytes = gr_utf8_decode(text + i, n - i, NULL);
        i += bytes ? (size_t)bytes : 1;
    }
    return count;
}

gr_loc gr_loc_inside(const gr_doc *d, const char *part, int length)
{
    /* Exact where the text stands in the file as it is: on one line, without escapes. */
    gr_loc at = d->at;
    const int quotes = d->plain ? 0 : 1;
    if (at.length != characters(d->text, strlen(d->text)) + 2 * quotes) return at;
    at.column += quotes + characters(d->text, (size_t)(part - d->text));
    at.length = length > 0 ? characters(part, strnlen(part, (size_t)length)) : 1;
    if (at.length < 1) at.length = 1;
    return at;
}

GR_PRINTF(4, 5)
static int fail_at(parser *s, const char *from, const char *to, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    gr_diag_verror(s->m->diag, gr_loc_inside(s->doc, from, (int)(to - from)), fmt, args);
    va_end(args);
    return -1;
}

static void skip_space(parser *s)
{
    while (s->p < s->end && isspace((unsigned char)*s->p)) s->p++;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Takes a symbol or a word if it is next. */
static bool take(parser *s, const char *symbol)
{
    size_t n = strlen(symbol);
    skip_space(s);
    if ((size_t)(s->end - s->p) < n || strncmp(s->p, symbol, n) != 0) return false;
    if (is_word(symbol[0]) && s->p + n < s->end && is_word(s->p[n])) return false;
    s->p += n;
    return true;
}

static int expect(parser *s, const char *symbol, const char *what)
{
    if (take(s, symbol)) return 0;
    return fail_at(s, s->p < s->end ? s->p : s->end, s->p + 1, "'%s' is expected here, after %s", symbol, what);
}

static int enter(parser *s)
{
    if (s->depth++ < MAX_NESTING) return 0;
    return fail_at(s, s->p, s->p + 1, "an expression nested more than %d deep", MAX_NESTING);
}

/* ---- names ---- */

static const char *const *known_names(gr_arena *a, gr_scope *s)
{
    const char **names = NULL;
    int count = 0, cap = 0;
    for (; s; s = s->parent)
        for (int i = 0; i < s->count; i++) *GR_PUSH(a, names, count, cap) = s->items[i].name;
    *GR_PUSH(a, names, count, cap) = NULL;
    return names;
}

static bool has_facts(gr_scope *s)
{
    for (; s; s = s->parent)
        for (int i = 0; i < s->count; i++)
            if (!strncmp(s->items[i].name, "data.", 5)) return true;
    return false;
}

/* No var of that name: says so, with what is near. */
static void unknown_name(gr_model *m, gr_scope *s, gr_loc at, const char *name)
{
    gr_arena *a = m->arena;
    const char *const *names = known_names(a, s);
    const char *near = gr_nearest(name, names);
    if (near) gr_binding_mention(m, gr_scope_find(s, near)); /* likely what was meant */
    if (!strncmp(name, "data.", 5) && m->no_facts) return;
    if (!strncmp(name, "data.", 5) && !has_facts(s))
        gr_diag_error(m->diag, at, "'%s' is not known: %s; --set %s=N gives it", name,
                      gr_doc_peek(m->root, "data") ? "the data source does not tell" : "there is no section 'data'",
                      name);
    else if (!names[0]) gr_diag_error(m->diag, at, "no var is called '%s'; there are none here", name);
    else gr_diag_error(m->diag, at, "no var is called '%s'%s", name, gr_suggest(a, name, names));
}

static int parse_name(parser *s, const char *from, gr_var *out)
{
    while (s->p + 1 < s->end && *s->p == '.' && (isalpha((unsigned char)s->p[1]) || s->p[1] == '_'))
        for (s->p++; s->p < s->end && is_word(*s->p);) s->p++;
    const char *name = gr_arena_strndup(s->m->arena, from, (size_t)(s->p - from));
    gr_loc at = gr_loc_inside(s->doc, from, (int)(s->p - from));
    gr_binding *b = gr_scope_find(s->scope, name);
    if (s->dead) {
        if (b) gr_binding_mention(s->m, b);
        return 0;
    }
    if (b) return gr_binding_value(s->m, b, at, out);
    if (gr_is_function(name)) return fail_at(s, from, s->p, "%s is a function: %s(...)", name, name);
    unknown_name(s->m, s->scope, at, name);
    return -1;
}

/* ---- atoms ---- */

static int parse_number(parser *s, gr_var *out)
{
    const char *from = s->p;
    bool hex = s->end - from > 2 && from[0] == '0' && from[1] == 'x', real = false;
    while (s->p < s->end) {
        char c = *s->p;
        bool exponent = !hex && (c == 'e' || c == 'E');
        bool sign = (c == '+' || c == '-') && s->p > from && !hex && (s->p[-1] == 'e' || s->p[-1] == 'E');
        if (!is_word(c) && c != '.' && !sign) break;
        real |= exponent || c == '.';
        s->p++;
    }
    char *end, *text = gr_arena_strndup(s->m->arena, from, (size_t)(s->p - from));
    errno = 0;
    if (real) *out = (gr_var){.kind = GR_VAR_FLOAT, .f = strtod(text, &end)};
    else *out = (gr_var){.kind = GR_VAR_INT, .i = strtoll(text, &end, hex ? 16 : 10)};
    if (*end) return fail_at(s, from, s->p, "'%s' is no number", text);
    if (errno == ERANGE && !real) return fail_at(s, from, s->p, "'%s' is beyond 64 bits", text);
    return 0;
}

static int parse_text(parser *s, gr_var *out)
{
    const char *from = s->p++, *stop = memchr(s->p, *from, (size_t)(s->end - s->p));
    if (!stop) return fail_at(s, from, s->end, "this text has no closing %c", *from);
    *out = (gr_var){.kind = GR_VAR_TEXT, .text = gr_arena_strndup(s->m->arena, s->p, (size_t)(stop - s->p))};
    s->p = stop + 1;
    return 0;
}

/* Values up to a closing bracket. */
static int parse_items(parser *s, const char *close, gr_var **items, int *count)
{
    int cap = 0;
    *items = NULL;
    *count = 0;
    if (take(s, close)) return 0;
    do {
        gr_var v = {0};
        if (parse_expr(s, &v) < 0) return -1;
        *GR_PUSH(s->m->arena, *items, *count, cap) = v;
    } while (take(s, ","));
    return expect(s, close, "the last value");
}

static int parse_width(parser *s, const char *from, gr_var *out)
{
    skip_space(s);
    const char *start = s->p;
    while (s->p < s->end && is_word(*s->p)) s->p++;
    const char *port = gr_arena_strndup(s->m->arena, start, (size_t)(s->p - start));
    if (!*port) return fail_at(s, from, s->p, "width() takes the name of an input");
    if (expect(s, ")", "the input's name") < 0) return -1;
    gr_scope *scope = s->scope;
    while (scope && !scope->width) scope = scope->parent;
    if (s->dead) return 0;
    if (!scope) return fail_at(s, from, s->p, "width() has a meaning in a block alone");
    int64_t n = scope->width(scope->data, port);
    if (n == -1)
        return fail_at(s, start, start + strlen(port), "no input is called '%s'%s", port,
                       scope->ports ? gr_suggest(s->m->arena, port, scope->ports) : "");
    if (n < 0) return -1;
    *out = (gr_var){.kind = GR_VAR_INT, .i = n};
    return 0;
}

static int parse_call(parser *s, const char *from, const char *name, gr_var *out)
{
    gr_var *arg;
    int n;
    const char *why = NULL;
    if (!gr_is_function(name))
        return fail_at(s, from, from + strlen(name), "no function is called '%s'%s", name,
                       gr_suggest(s->m->arena, name, gr_function_names));
    if (!strcmp(name, "width")) return parse_width(s, from, out);
    if (parse_items(s, ")", &arg, &n) < 0) return -1;
    if (s->dead || gr_apply_function(s->m->arena, name, n, arg, out, &why) == 0) return 0;
    return fail_at(s, from, s->p, "%s", why);
}

static bool is_keyword(const char *word, gr_var *out)
{
    static const struct { const char *word; gr_var value; } table[] = {
        {"true", {.kind = GR_VAR_BOOL, .i = 1}},  {"True", {.kind = GR_VAR_BOOL, .i = 1}},
        {"false", {.kind = GR_VAR_BOOL, .i = 0}}, {"False", {.kind = GR_VAR_BOOL, .i = 0}},
        {"none", {.kind = GR_VAR_NONE}},          {"None", {.kind = GR_VAR_NONE}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(word, table[i].word) != 0) continue;
        *out = table[i].value;
        return true;
    }
    return false;
}

static int parse_word(parser *s, gr_var *out)
{
    const char *from = s->p;
    while (s->p < s->end && is_word(*s->p)) s->p++;
    const char *word = gr_arena_strndup(s->m->arena, from, (size_t)(s->p - from));
    if (is_keyword(word, out)) return 0;
    const char *end = s->p;
    if (take(s, "(")) return parse_call(s, from, word, out);
    s->p = end;
    return parse_name(s, from, out);
}

static int parse_primary(parser *s, gr_var *out)
{
    skip_space(s);
    if (s->p >= s->end) return fail_at(s, s->end, s->end + 1, "the expression ends too early");
    const char *from = s->p;
    char c = *from;
    if (isdigit((unsigned char)c) || c == '.') return parse_number(s, out);
    if (isalpha((unsigned char)c) || c == '_') return parse_word(s, out);
    if (c == '\'' || c == '"') return parse_text(s, out);
    if (take(s, "(")) return parse_expr(s, out) < 0 ? -1 : expect(s, ")", "the value in parentheses");
    if (take(s, "[")) {
        out->kind = GR_VAR_LIST;
        return parse_items(s, "]", &out->item, &out->count);
    }
    if (c == '$') return fail_at(s, from, from + 1, "inside ${ } a var stands without '$'");
    return fail_at(s, from, from + 1, "a value is expected here, not '%c'", c);
}

static int parse_atom(parser *s, gr_var *out)
{
    const char *from = s->p;
    if (parse_primary(s, out) < 0) return -1;
    while (take(s, "[")) {
        gr_var at = {0};
        if (parse_expr(s, &at) < 0 || expect(s, "]", "the index") < 0) return -1;
        if (s->dead) continue;
        if (out->kind != GR_VAR_LIST || at.kind != GR_VAR_INT)
            return fail_at(s, from, s->p, "[ ] takes an item of a list by its number");
        int64_t i = at.i < 0 ? at.i + out->count : at.i;
        if (i < 0 || i >= out->count) return fail_at(s, from, s->p, "the list has %d item%s", out->count, gr_s(out->count));
        *out = (gr_var)out->item[i];
    }
    return 0;
}

/* ---- operators ---- */

static int apply(parser *s, const char *from, const char *op, gr_var *x, const gr_var *y)
{
    const char *why = NULL;
    gr_var r = {0};
    if (s->dead) return 0;
    if (gr_apply_binary(s->m->arena, op, x, y, &r, &why) < 0) {
        while (from < s->p && isspace((unsigned char)*from)) from++;
        return fail_at(s, from, s->p, "%s", why);
    }
    *x = r;
    return 0;
}

static int parse_power(parser *s, gr_var *out)
{
    const char *from = s->p;
    gr_var y = {0};
    if (parse_atom(s, out) < 0) return -1;
    if (!take(s, "**")) return 0;
    return parse_unary(s, &y) < 0 ? -1 : apply(s, from, "**", out, &y);
}

static int parse_unary(parser *s, gr_var *out)
{
    gr_var zero = {.kind = GR_VAR_INT}, y = {0};
    if (enter(s) < 0) return -1;
    const char *from = s->p;
    bool minus = take(s, "-"), sign = minus || take(s, "+");
    int r = sign ? parse_unary(s, minus ? &y : out) : parse_power(s, out);
    if (r == 0 && minus) {
        if (y.kind == GR_VAR_FLOAT) *out = (gr_var){.kind = GR_VAR_FLOAT, .f = -y.f};
        else r = apply(s, from, "-", &zero, &y), *out = zero;
    }
    s->depth--;
    return r;
}

/* A chain of left-associative operators of one level. ops is NULL-ended, longer ones first. */
static int parse_chain(parser *s, const char *const *ops, int (*next)(parser *, gr_var *), gr_var *out)
{
    const char *from = s->p;
    if (next(s, out) < 0) return -1;
    for (;;) {
        const char *op = NULL;
        for (int i = 0; ops[i] && !op; i++)
            if (take(s, ops[i])) op = ops[i];
        gr_var y = {0};
        if (!op) return 0;
        if (next(s, &y) < 0 || apply(s, from, op, out, &y) < 0) return -1;
    }
}

static int parse_term(parser *s, gr_var *out)
{
    static const char *const ops[] = {"*", "//", "/", "%", NULL};
    return parse_chain(s, ops, parse_unary, out);
}

static int parse_sum(parser *s, gr_var *out)
{
    static const char *const ops[] = {"+", "-", NULL};
    return parse_chain(s, ops, parse_term, out);
}

static int parse_comparison(parser *s, gr_var *out)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">", NULL};
    const char *from = s->p;
    int count = 0;
    if (parse_sum(s, out) < 0) return -1;
    for (int i = 0; ops[i]; i++) {
        gr_var y = {0};
        if (!take(s, ops[i])) continue;
        if (count++) return fail_at(s, s->p - strlen(ops[i]), s->p, "comparisons are joined by 'and'");
        if (parse_sum(s, &y) < 0 || apply(s, from, ops[i], out, &y) < 0) return -1;
        i = -1;
    }
    return 0;
}

static int need_bool(parser *s, const char *from, const gr_var *v)
{
    if (s->dead || v->kind == GR_VAR_BOOL) return 0;
    while (from < s->p && isspace((unsigned char)*from)) from++;
    return fail_at(s, from, s->p, "true or false is expected here, not %s", gr_var_text(s->m->arena, v));
}

static int parse_not_inner(parser *s, gr_var *out)
{
    if (!take(s, "not")) return parse_comparison(s, out);
    const char *from = s->p;
    if (parse_not(s, out) < 0 || need_bool(s, from, out) < 0) return -1;
    *out = (gr_var){.kind = GR_VAR_BOOL, .i = !out->i};
    return 0;
}

static int parse_not(parser *s, gr_var *out)
{
    if (enter(s) < 0) return -1;
    int r = parse_not_inner(s, out);
    s->depth--;
    return r;
}

/* x and y and ...: stops to compute at the first that decides. */
static int parse_logic(parser *s, const char *word, bool decides, int (*next)(parser *, gr_var *), gr_var *out)
{
    const char *from = s->p;
    int skipped = 0, r = next(s, out);
    while (r == 0 && take(s, word)) {
        r = need_bool(s, from, out);
        if (r == 0 && !s->dead && (out->i != 0) == decides) s->dead++, skipped++;
        gr_var y = {0};
        from = s->p;
        if (r == 0) r = next(s, &y);
        if (r == 0) r = need_bool(s, from, &y);
        if (r == 0 && !s->dead) *out = y;
    }
    s->dead -= skipped;
    return r;
}

static int parse_and(parser *s, gr_var *out) { return parse_logic(s, "and", false, parse_not, out); }
static int parse_or(parser *s, gr_var *out) { return parse_logic(s, "or", true, parse_and, out); }

/* The `if` that belongs to the expression at s->p; NULL if it has none. Its condition must be
 * known before the value that stands ahead of it is computed. */
static const char *find_if(const parser *s)
{
    int nested = 0;
    for (const char *p = s->p; p < s->end; p++) {
        if (*p == '\'' || *p == '"') {
            p = memchr(p + 1, *p, (size_t)(s->end - p - 1));
            if (!p) return NULL;
        } else if (strchr("([{", *p)) {
            nested++;
        } else if (strchr(")]}", *p)) {
            if (nested-- == 0) return NULL;
        } else if (nested == 0 && *p == ',') {
            return NULL;
        } else if (nested == 0 && is_word(*p)) {
            const char *from = p;
            while (p + 1 < s->end && is_word(p[1])) p++;
            if (p - from == 1 && from[0] == 'i' && from[1] == 'f') return from;
        }
    }
    return NULL;
}

static int parse_dead_if(parser *s, bool dead, int (*parse)(parser *, gr_var *), gr_var *out)
{
    s->dead += dead;
    int r = parse(s, out);
    s->dead -= dead;
    return r;
}

static int parse_ternary(parser *s, gr_var *out)
{
    const char *start = s->p, *word = find_if(s), *otherwise;
    gr_var condition = {0}, unused = {0};
    if (!word) return parse_or(s, out);
    const char *from = s->p = word + 2;
    if (parse_or(s, &condition) < 0 || need_bool(s, from, &condition) < 0) return -1;
    if (expect(s, "else", "the condition") < 0) return -1;
    bool first = condition.i != 0;
    otherwise = s->p;
    s->p = start;
    if (parse_dead_if(s, !first, parse_or, first ? out : &unused) < 0) return -1;
    skip_space(s);
    if (s->p != word) return fail_at(s, s->p, s->p + 1, "an operator is expected here, not '%c'", *s->p);
    s->p = otherwise;
    return parse_dead_if(s, first, parse_expr, first ? &unused : out);
}

static int parse_expr(parser *s, gr_var *out)
{
    if (enter(s) < 0) return -1;
    int r = parse_ternary(s, out);
    s->depth--;
    return r;
}

int gr_expr(gr_model *m, gr_scope *scope, const gr_doc *d, const char *text, size_t n, bool dead, const char **stop,
            gr_var *out)
{
    parser s = {m, scope, d, text, text + n, dead, 0};
    *out = (gr_var){0};
    if (parse_expr(&s, out) < 0) return -1;
    skip_space(&s);
    if (stop) *stop = s.p;
    else if (s.p < s.end) return fail_at(&s, s.p, s.p + 1, "an operator is expected here, not '%c'", *s.p);
    return 0;
}
