/* expression.c - a parser of formulas that emits nodes as it reads. */
#include "expression.h"
#include "util.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 8, MAX_ARGS = 3 };

typedef struct term {
    gr_val value; /* NULL: a number, or the result of an error */
    double number;
} term;

typedef struct reader {
    gr_ctx *c;
    const char *text, *at;
    struct { const char *name; size_t length; term value; } names[MAX_NAMES];
    int num_names;
} reader;

static _Noreturn void fault(const reader *r, const char *what)
{
    fprintf(stderr, "graphrun: op %s: %s at '%s' in '%s'\n", gr_self(r->c)->name, what, r->at, r->text);
    abort();
}

static void skip(reader *r) { while (isspace((unsigned char)*r->at)) r->at++; }

static bool take(reader *r, const char *token)
{
    skip(r);
    size_t n = strlen(token);
    if (strncmp(r->at, token, n) != 0) return false;
    r->at += n;
    return true;
}

static gr_val as_value(reader *r, term t) { return t.value ? t.value : op_number(r->c, t.number); }

static term binary(reader *r, const char *op, term x, term y)
{
    return (term){.value = gr_emit2(r->c, op, as_value(r, x), as_value(r, y))};
}

static bool is_number(term t, double v) { return !t.value && t.number == v; }

static term add(reader *r, term x, term y, bool minus)
{
    if (!x.value && !y.value) return (term){.number = minus ? x.number - y.number : x.number + y.number};
    return binary(r, minus ? "Sub" : "Add", x, y);
}

static term multiply(reader *r, term x, term y, bool divide)
{
    if (!x.value && !y.value) return (term){.number = divide ? x.number / y.number : x.number * y.number};
    if (is_number(y, 1)) return x;
    if (is_number(x, 1) && !divide) return y;
    if (is_number(x, 1)) return (term){.value = gr_emit1(r->c, "Reciprocal", y.value)};
    if (is_number(x, -1) && !divide) return (term){.value = gr_emit1(r->c, "Neg", y.value)};
    return binary(r, divide ? "Div" : "Mul", x, y);
}

static term read_compare(reader *r);

static term read_call(reader *r, const char *name, size_t length)
{
    const char *op = op_function(name, length);
    if (!op) fault(r, "no such function");
    gr_val args[MAX_ARGS];
    int n = 0;
    do {
        if (n == MAX_ARGS) fault(r, "too many arguments");
        args[n++] = as_value(r, read_compare(r));
    } while (take(r, ","));
    if (!take(r, ")")) fault(r, "')' expected");
    return (term){.value = gr_emit(r->c, op, NULL, n, args, NULL)};
}

static bool is_name(const char *name, size_t length, const char *is) { return strlen(is) == length && strncmp(name, is, length) == 0; }

static term read_name(reader *r, const char *name, size_t length)
{
    for (int i = 0; i < r->num_names; i++)
        if (r->names[i].length == length && strncmp(r->names[i].name, name, length) == 0) return r->names[i].value;
    if (is_name(name, length, "y")) return (term){.value = gr_out(r->c, 0)};
    if (is_name(name, length, "g")) return (term){.value = gr_grad(r->c, 0)};
    if (length == 1 && *name >= 'a' && *name <= 'c') return (term){.value = gr_in(r->c, *name - 'a')};
    for (const gr_attr_spec *s = gr_self(r->c)->attrs; s && s->name; s++) {
        if (!is_name(name, length, s->name)) continue;
        const gr_attr *a = gr_get(r->c, s->name);
        return (term){.number = s->kind == GR_ATTR_FLOAT ? a->f : (double)a->i};
    }
    fault(r, "unknown name");
}

static size_t name_length(const char *s)
{
    size_t n = 0;
    if (!isalpha((unsigned char)*s)) return 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_') n++;
    return n;
}

static term read_unary(reader *r)
{
    if (take(r, "-")) return multiply(r, (term){.number = -1}, read_unary(r), false);
    if (take(r, "(")) {
        term t = read_compare(r);
        if (!take(r, ")")) fault(r, "')' expected");
        return t;
    }
    const char *name = r->at;
    size_t length = name_length(name);
    if (!length) {
        char *end;
        term t = {.number = strtod(r->at, &end)};
        if (end == r->at) fault(r, "a term expected");
        r->at = end;
        return t;
    }
    r->at += length;
    return take(r, "(") ? read_call(r, name, length) : read_name(r, name, length);
}

static term read_product(reader *r)
{
    term t = read_unary(r);
    for (;;) {
        if (take(r, "*")) t = multiply(r, t, read_unary(r), false);
        else if (take(r, "/")) t = multiply(r, t, read_unary(r), true);
        else return t;
    }
}

static term read_sum(reader *r)
{
    term t = read_product(r);
    for (;;) {
        if (take(r, "+")) t = add(r, t, read_product(r), false);
        else if (take(r, "-")) t = add(r, t, read_product(r), true);
        else return t;
    }
}

static term read_compare(reader *r)
{
    term t = read_sum(r);
    if (take(r, "<=")) return binary(r, "LessEqual", t, read_sum(r));
    if (take(r, ">=")) return binary(r, "LessEqual", read_sum(r), t);
    if (take(r, "==")) return binary(r, "Equal", t, read_sum(r));
    if (take(r, "!=")) return binary(r, "NotEqual", t, read_sum(r));
    if (take(r, "<")) return binary(r, "Less", t, read_sum(r));
    if (take(r, ">")) return binary(r, "Less", read_sum(r), t);
    return t;
}

/* "name = ..." opens a definition; "name == ..." does not. */
static bool opens_definition(reader *r)
{
    skip(r);
    const char *s = r->at + name_length(r->at);
    if (s == r->at) return false;
    while (isspace((unsigned char)*s)) s++;
    return s[0] == '=' && s[1] != '=';
}

gr_val op_expression(gr_ctx *c, const char *text)
{
    reader r = {.c = c, .text = text, .at = text};
    while (opens_definition(&r)) {
        if (r.num_names == MAX_NAMES) fault(&r, "too many names");
        const char *name = r.at;
        size_t length = name_length(name);
        r.at += length;
        take(&r, "=");
        term value = read_compare(&r);
        if (!take(&r, ";")) fault(&r, "';' expected");
        r.names[r.num_names].name = name;
        r.names[r.num_names].length = length;
        r.names[r.num_names++].value = value;
    }
    term t = read_compare(&r);
    skip(&r);
    if (*r.at) fault(&r, "an operator expected");
    return as_value(&r, t);
}
