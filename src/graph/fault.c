/* fault.c - what the descriptors of ops and data sources have in common: texts, ports, attributes, sizes. */
#include "graph/fault.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_ENTRIES = 64 }; /* of a list; longer ones have no end */

/* ---- pointers ---- */

bool gr_is_readable(const void *p, size_t bytes)
{
    char copy[256];
    for (size_t at = 0; at < bytes; at += sizeof copy) {
        size_t n = bytes - at < sizeof copy ? bytes - at : sizeof copy;
        struct iovec to = {copy, n}, from = {(char *)(uintptr_t)p + at, n};
        ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
        if (got < 0 && errno != EFAULT) return true; /* not to be asked here */
        if (got != (ssize_t)n) return false;
    }
    return true;
}

bool gr_is_readable_text(const char *s)
{
    while (gr_is_readable(s, 1)) { /* to the end of its 64 bytes, and on */
        size_t n = 64 - (uintptr_t)s % 64;
        if (memchr(s, 0, n)) return true;
        s += n;
    }
    return false;
}

bool gr_has_text(const gr_looker *l, const char *s) { return !l->foreign || gr_is_readable_text(s); }
bool gr_has_bytes(const gr_looker *l, const void *p, size_t n) { return !l->foreign || gr_is_readable(p, n); }

static bool is_name(const char *s)
{
    return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == 0;
}

const char *gr_says(const gr_looker *l, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = gr_arena_vprintf(l->arena, fmt, args);
    va_end(args);
    return text;
}

/* What is wrong with the name of entry i of the field `list`; NULL: nothing, or it ends the list. */
static const char *name_fault(const gr_looker *l, const char *list, int i, const void *p, size_t bytes, const char *const *name)
{
    if (!gr_has_bytes(l, p, bytes)) return gr_says(l, "field '%s' points nowhere after %d entries: end the list with {0}", list, i);
    if (!*name) return NULL;
    if (i >= MOST_ENTRIES) return gr_says(l, "field '%s' has no end after %d entries: end the list with {0}", list, MOST_ENTRIES);
    if (!gr_has_text(l, *name)) return gr_says(l, "%s[%d]: field 'name' points nowhere: end the list with {0}", list, i);
    if (!is_name(*name)) return gr_says(l, "%s[%d]: field 'name' is '%s'; write letters, digits and _ only", list, i, *name);
    return NULL;
}

/* ---- ports ---- */

const char *gr_ports_fault(const gr_looker *l, const char *list, const gr_port *p)
{
    int variadic = 0;
    const uint32_t known = GR_PORT_OPTIONAL | GR_PORT_VARIADIC | GR_PORT_WHOLE | GR_PORT_INT | GR_PORT_BOOL;
    for (int i = 0; p; i++) {
        const char *fault = name_fault(l, list, i, &p[i], sizeof p[i], &p[i].name);
        if (fault) return fault;
        if (!p[i].name) break;
        for (int k = 0; k < i; k++)
            if (strcmp(p[k].name, p[i].name) == 0) return gr_says(l, "%s[%d]: a port called '%s' is there already; give it another name", list, i, p[i].name);
        if (p[i].flags & ~known) return gr_says(l, "%s[%d] ('%s'): field 'flags' has bits that this graphrun does not know: %#x", list, i, p[i].name, p[i].flags & ~known);
        if (p[i].doc && !gr_has_text(l, p[i].doc)) return gr_says(l, "%s[%d] ('%s'): field 'doc' points nowhere", list, i, p[i].name);
        variadic += (p[i].flags & GR_PORT_VARIADIC) != 0;
        if (variadic > 1) return gr_says(l, "%s[%d] ('%s'): field 'flags': one port may be GR_PORT_VARIADIC, and another is already", list, i, p[i].name);
    }
    return NULL;
}

/* ---- attributes ---- */

static const char *choices_fault(const gr_looker *l, const gr_attr_spec *s)
{
    if (!s->choices || !*s->choices) return "field 'choices' is missing; write \"none|mean|sum\"";
    const char *choice = s->choices;
    for (;; choice++) {
        size_t n = strcspn(choice, "|");
        if (!n) return gr_says(l, "field 'choices' has an empty one: \"%s\"", s->choices);
        choice += n;
        if (!*choice) return NULL;
    }
}

static const char *attr_fault(const gr_looker *l, const gr_attr_spec *s)
{
    const char *why = NULL;
    gr_attr v;
    if (s->kind <= GR_ATTR_NONE || s->kind > GR_ATTR_INIT)
        return gr_says(l, "field 'kind' is %d; write what it takes: GR_ATTR_INT, GR_ATTR_FLOAT, GR_ATTR_BOOL, ...", (int)s->kind);
    if ((s->fallback && !gr_has_text(l, s->fallback)) || (s->choices && !gr_has_text(l, s->choices)) || (s->doc && !gr_has_text(l, s->doc)))
        return "field 'fallback', 'choices' or 'doc' points nowhere";
    if (isnan(s->min) || isnan(s->max) || s->min > s->max) return gr_says(l, "fields 'min' and 'max': no number is from %g to %g", s->min, s->max);
    if (s->kind == GR_ATTR_CHOICE && (why = choices_fault(l, s))) return why;
    if (s->fallback && gr_attr_parse(l->arena, s, s->fallback, &v, &why) < 0)
        return gr_says(l, "field 'fallback': the default of attribute '%s', \"%s\", %s", s->name, s->fallback, why);
    return NULL;
}

const char *gr_attrs_fault(const gr_looker *l, const gr_attr_spec *s)
{
    for (int i = 0; s; i++) {
        const char *fault = name_fault(l, "attrs", i, &s[i], sizeof s[i], &s[i].name);
        if (fault) return fault;
        if (!s[i].name) break;
        for (int k = 0; k < i; k++)
            if (strcmp(s[k].name, s[i].name) == 0) return gr_says(l, "attrs[%d]: attribute '%s' is declared twice", i, s[i].name);
        if ((fault = attr_fault(l, &s[i]))) return gr_says(l, "attrs[%d] ('%s'): %s", i, s[i].name, fault);
    }
    return NULL;
}

/* ---- texts and sizes ---- */

const char *gr_title_fault(const gr_looker *l, const char *name, const char *summary)
{
    if (!name) return "field 'name' is missing";
    if (!gr_has_text(l, name)) return "field 'name' points nowhere";
    if (!is_name(name)) return gr_says(l, "field 'name' is '%s'; it must hold letters, digits and _ only", name);
    if (!summary) return "field 'summary' is missing; write one line that says what it does";
    return gr_has_text(l, summary) ? NULL : "field 'summary' points nowhere";
}

const char *gr_texts_fault(const gr_looker *l, const char *list, const char *const *text)
{
    for (int i = 0; text; i++) {
        bool readable = gr_has_bytes(l, &text[i], sizeof *text);
        if (readable && !text[i]) break;
        if (!readable || i >= MOST_ENTRIES) return gr_says(l, "field '%s' has no end after %d entries: end the list with NULL", list, i);
        if (!gr_has_text(l, text[i])) return gr_says(l, "%s[%d] points nowhere: end the list with NULL", list, i);
    }
    return NULL;
}

const char *gr_size_fault(const gr_looker *l, const void *given, size_t first, size_t mine, const char *header, void **whole)
{
    uint32_t head[2]; /* size, abi */
    if (!gr_has_bytes(l, given, sizeof head)) return "its pointer points nowhere";
    memcpy(head, given, sizeof head);
    if (head[1] != GR_ABI_VERSION)
        return gr_says(l, "field 'abi' is %u, this graphrun has %u: it was built for another graphrun; build it again with this one's headers", head[1], GR_ABI_VERSION);
    if (head[0] < first || head[0] % sizeof(void *))
        return gr_says(l, "field 'size' is %u, which it is in no version: %zu or more, in steps of %zu; write %s", head[0], first, sizeof(void *), header);
    if (!gr_has_bytes(l, given, head[0])) return gr_says(l, "field 'size' is %u, of which not all can be read; write %s", head[0], header);
    *whole = gr_arena_alloc(l->arena, mine);
    memcpy(*whole, given, head[0] < mine ? head[0] : mine);
    for (size_t i = mine; i < head[0]; i++)
        if (((const char *)given)[i])
            return gr_says(l, "field 'size' is %u, and byte %zu is in use by a field that this graphrun (%zu bytes) does not know: it was built "
                           "for a newer graphrun; build it again with this one's headers, or install that one", head[0], i, mine);
    return NULL;
}
