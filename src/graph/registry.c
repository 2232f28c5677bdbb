/* registry.c - the ops and data sources that a model may use: built in, from plugins, from blocks. */
#include "graph/fault.h"
#include "graph/names.h"
#include "graph/registry.h"
#include <graphrun/builtin.h>

#include <ctype.h>
#include <string.h>

static int count_attrs(const gr_attr_spec *s)
{
    int n = 0;
    while (s && s[n].name) n++;
    return n;
}

static int count_ports(const gr_port *p)
{
    int n = 0;
    while (p && p[n].name) n++;
    return n;
}

int gr_op_num_attrs(const gr_op *op) { return count_attrs(op->attrs); }
int gr_op_num_inputs(const gr_op *op) { return count_ports(op->inputs); }

int gr_op_attr(const gr_op *op, const char *name)
{
    for (int i = 0; op->attrs && op->attrs[i].name; i++)
        if (strcmp(op->attrs[i].name, name) == 0) return i;
    return -1;
}

static int find_port(const gr_port *p, const char *name)
{
    for (int i = 0; p && p[i].name; i++)
        if (strcmp(p[i].name, name) == 0) return i;
    return -1;
}

int gr_op_input(const gr_op *op, const char *name) { return find_port(op->inputs, name); }
int gr_op_output(const gr_op *op, const char *name) { return find_port(op->outputs, name); }

gr_registry *gr_registry_create(gr_arena *a)
{
    gr_error e;
    gr_registry *r = GR_NEW(a, gr_registry);
    r->arena = a;
    r->by_name = gr_map_create(a);
    for (const gr_op *const *op = gr_builtin_ops; *op; op++)
        if (gr_registry_add(r, *op, &e) < 0) gr_bug(a, "built in: %s", e.message);
    for (const gr_source *const *source = gr_builtin_sources; *source; source++)
        if (gr_registry_add_source(r, *source, &e) < 0) gr_bug(a, "built in: %s", e.message);
    return r;
}

void gr_registry_put(gr_registry *r, const gr_op *op)
{
    *GR_PUSH(r->arena, r->ops, r->count, r->cap) = op;
    gr_map_set(r->by_name, op->name, (void *)(uintptr_t)op);
    if (op->role) r->role[op->role] = op;
}

void gr_registry_put_source(gr_registry *r, const gr_source *s)
{
    *GR_PUSH(r->arena, r->sources, r->num_sources, r->cap_sources) = s;
}

int gr_registry_add(gr_registry *r, const gr_op *op, gr_error *e)
{
    const char *fault = gr_op_fault(r->arena, op);
    if (!fault && gr_registry_find(r, op->name)) fault = "an op of that name exists already; give it another";
    if (fault) return gr_set_error(e, GR_EINVAL, "op '%s': %s", op->abi == GR_ABI_VERSION && op->name ? op->name : "?", fault);
    gr_registry_put(r, op);
    return 0;
}

int gr_registry_add_source(gr_registry *r, const gr_source *s, gr_error *e)
{
    const char *fault = gr_source_fault(r->arena, s);
    if (!fault && gr_registry_find_source(r, s->name)) fault = "a data source of that name exists already; give it another";
    if (fault) return gr_set_error(e, GR_EINVAL, "data source '%s': %s", s->abi == GR_ABI_VERSION && s->name ? s->name : "?", fault);
    gr_registry_put_source(r, s);
    return 0;
}

const gr_op *gr_registry_find(const gr_registry *r, const char *name) { return gr_map_get(r->by_name, name); }

bool gr_same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "_");
        b += strspn(b, "_");
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
        if (!*a) return true;
    }
}

const gr_op *gr_op_named(const gr_registry *r, const char *name)
{
    const gr_op *op = gr_registry_find(r, name);
    for (int i = 0; !op && i < r->count; i++)
        if (gr_same_name(r->ops[i]->name, name)) op = r->ops[i];
    return op;
}

const gr_source *gr_source_named(const gr_registry *r, const char *name)
{
    const gr_source *s = gr_registry_find_source(r, name);
    for (int i = 0; !s && i < r->num_sources; i++)
        if (gr_same_name(r->sources[i]->name, name)) s = r->sources[i];
    return s;
}

bool gr_registry_lacks_plugin(const gr_registry *r) { return r->plugin_missing; }

const gr_op *gr_registry_role(const gr_registry *r, gr_role role) { return r->role[role]; }
int gr_registry_count(const gr_registry *r) { return r->count; }
const gr_op *gr_registry_at(const gr_registry *r, int i) { return r->ops[i]; }

const char *const *gr_registry_names(const gr_registry *r)
{
    const char **names = GR_NEW_ARRAY(r->arena, const char *, r->count + 1);
    int n = 0;
    for (int i = 0; i < r->count; i++)
        if (!r->ops[i]->kind || strcmp(r->ops[i]->kind, "internal") != 0) names[n++] = r->ops[i]->name;
    return names;
}

const gr_source *gr_registry_find_source(const gr_registry *r, const char *name)
{
    for (int i = 0; i < r->num_sources; i++)
        if (!strcmp(r->sources[i]->name, name)) return r->sources[i];
    return NULL;
}

int gr_registry_count_sources(const gr_registry *r) { return r->num_sources; }
const gr_source *gr_registry_source_at(const gr_registry *r, int i) { return r->sources[i]; }

const char *const *gr_registry_source_names(const gr_registry *r)
{
    const char **names = GR_NEW_ARRAY(r->arena, const char *, r->num_sources + 1);
    for (int i = 0; i < r->num_sources; i++) names[i] = r->sources[i]->name;
    return names;
}
