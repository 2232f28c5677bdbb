/* source_fault.c - what is wrong with the descriptor of a data source. */
#include "graph/fault.h"

#include <string.h>

static bool has_attr(const gr_source *s, const char *name)
{
    for (const gr_attr_spec *a = s->attrs; a && a->name; a++)
        if (strcmp(a->name, name) == 0) return true;
    return false;
}

static const char *lists_fault(const gr_looker *l, const gr_source *s)
{
    const char *fault = gr_ports_fault(l, "fields", s->fields);
    if (!fault) fault = gr_ports_fault(l, "facts", s->facts);
    if (!fault) fault = gr_attrs_fault(l, s->attrs);
    if (!fault) fault = gr_texts_fault(l, "keys", s->keys);
    if (!fault) fault = gr_texts_fault(l, "numbering", s->numbering);
    for (int i = 0; !fault && s->keys && s->keys[i]; i++)
        if (has_attr(s, s->keys[i])) fault = gr_says(l, "keys[%d]: '%s' is an attribute, too; leave out one of them", i, s->keys[i]);
    for (int i = 0; !fault && s->numbering && s->numbering[i]; i++)
        if (!has_attr(s, s->numbering[i])) fault = gr_says(l, "numbering[%d]: there is no attribute '%s'", i, s->numbering[i]);
    return fault;
}

static const char *whole_fault(const gr_looker *l, const gr_source *s)
{
    const char *fault = gr_title_fault(l, s->name, s->summary);
    if (!fault && ((s->reference && !gr_has_text(l, s->reference)) || (s->example && !gr_has_text(l, s->example))))
        fault = "field 'reference' or 'example' points nowhere";
    if (!fault) fault = lists_fault(l, s);
    if (fault) return fault;
    if (!s->fields || !s->fields->name) return "field 'fields' is missing: it names what the source gives";
    if (s->host_size > sizeof(gr_source_host))
        return gr_says(l, "field 'host_size' is %u, this graphrun's table has %zu bytes: it was built for a newer graphrun; build it again with this one's headers",
                       s->host_size, sizeof(gr_source_host));
    if (!s->open) return "field 'open' is missing";
    return s->begin && !s->fill ? "field 'begin' needs field 'fill'" : NULL;
}

const char *gr_source_fault(gr_arena *a, const gr_source *s)
{
    if (s->size != sizeof(gr_source) || s->abi != GR_ABI_VERSION) return "fields 'size' and 'abi' are not this graphrun's; write GR_SOURCE_HEADER";
    return whole_fault(&(gr_looker){a, false}, s);
}

const char *gr_foreign_source_fault(gr_arena *a, const gr_source *s, const gr_source **whole)
{
    gr_looker l = {a, true};
    gr_source *copy = NULL;
    const char *fault = gr_size_fault(&l, s, offsetof(gr_source, prepare), sizeof *s, "GR_SOURCE_HEADER", (void **)&copy);
    if (copy) copy->size = sizeof *copy;
    *whole = copy;
    return fault ? fault : whole_fault(&l, copy);
}
