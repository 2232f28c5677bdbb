/* scalar.c - the scalars of YAML 1.2's core schema, and small questions about a document. */
#include "model/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

gr_doc *gr_doc_peek(const gr_doc *map, const char *key)
{
    if (!map || map->kind != GR_DOC_MAP) return NULL;
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->item[i]->key, key) == 0) return map->item[i];
    return NULL;
}

gr_doc *gr_doc_get(gr_doc *map, const char *key)
{
    gr_doc *d = gr_doc_peek(map, key);
    if (d) d->used = true;
    return d;
}

const char *const *gr_doc_keys(gr_arena *a, const gr_doc *map)
{
    bool is_map = map && map->kind == GR_DOC_MAP;
    const char **keys = GR_NEW_ARRAY(a, const char *, (is_map ? map->count : 0) + 1);
    for (int i = 0; is_map && i < map->count; i++) keys[i] = map->item[i]->key;
    return keys;
}

void gr_doc_use_all(gr_doc *d)
{
    d->used = true;
    for (int i = 0; i < d->count; i++) gr_doc_use_all(d->item[i]);
}

static bool is_digits(const char *s, const char *set) { return *s && s[strspn(s, set)] == 0; }

int gr_doc_int(const gr_doc *d, int64_t *v)
{
    if (d->kind != GR_DOC_SCALAR || !d->plain) return -1;
    const char *s = d->text;
    int base = 10;
    if (strncmp(s, "0o", 2) == 0 && is_digits(s + 2, "01234567")) base = 8, s += 2;
    else if (strncmp(s, "0x", 2) == 0 && is_digits(s + 2, "0123456789abcdefABCDEF")) base = 16;
    else if (!is_digits(s + (*s == '-' || *s == '+'), "0123456789")) return -1;
    errno = 0;
    long long n = strtoll(s, NULL, base);
    if (errno == ERANGE) return -1;
    *v = n;
    return 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_number(const char *s)
{
    s += *s == '-' || *s == '+';
    size_t whole = strspn(s, "0123456789");
    s += whole;
    if (*s == '.') {
        size_t part = strspn(++s, "0123456789");
        if (!whole && !part) return false;
        s += part;
    } else if (!whole) {
        return false;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        return is_digits(s + (*s == '-' || *s == '+'), "0123456789");
    }
    return !*s;
}

static bool is_one_of(const char *s, const char *a, const char *b, const char *c)
{
    return !strcmp(s, a) || !strcmp(s, b) || !strcmp(s, c);
}

int gr_doc_float(const gr_doc *d, double *v)
{
    if (d->kind != GR_DOC_SCALAR || !d->plain) return -1;
    int64_t i;
    if (gr_doc_int(d, &i) == 0) return *v = (double)i, 0;
    const char *s = d->text, *unsigned_text = s + (*s == '-' || *s == '+');
    if (is_number(s)) return *v = strtod(s, NULL), 0;
    if (is_one_of(unsigned_text, ".inf", ".Inf", ".INF")) return *v = *s == '-' ? -__builtin_inf() : __builtin_inf(), 0;
    if (is_one_of(s, ".nan", ".NaN", ".NAN")) return *v = __builtin_nan(""), 0;
    return -1;
}

int gr_doc_bool(const gr_doc *d, bool *v)
{
    if (d->kind != GR_DOC_SCALAR || !d->plain) return -1;
    if (is_one_of(d->text, "true", "True", "TRUE")) return *v = true, 0;
    if (is_one_of(d->text, "false", "False", "FALSE")) return *v = false, 0;
    return -1;
}
