/* registry.c - the ops and data sources that a model may use: built in, from plugins, from blocks. */
#include "base/map.h"
#include "graph/graph.h"
#include <graphrun/builtin.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct gr_registry {
    gr_arena *arena;
    gr_map *by_name;
    const gr_op **ops; int count, cap;
    const gr_source **sources; int num_sources, cap_sources;
    const gr_op *role[GR_ROLE_COUNT];
};

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

static int find_spec(const gr_attr_spec *s, const char *name)
{
    for (int i = 0; s && s[i].name; i++)
        if (strcmp(s[i].name, name) == 0) return i;
    return -1;
}

int gr_op_attr(const gr_op *op, const char *name) { return find_spec(op->attrs, name); }

static int find_port(const gr_port *p, const char *name)
{
    for (int i = 0; p && p[i].name; i++)
        if (strcmp(p[i].name, name) == 0) return i;
    return -1;
}

int gr_op_input(const gr_op *op, const char *name) { return find_port(op->inputs, name); }
int gr_op_output(const gr_op *op, const char *name) { return find_port(op->outputs, name); }

static _Noreturn void refuse_builtin(const gr_error *e)
{
    fprintf(stderr, "graphrun: built in: %s\n", e->message);
    abort();
}

gr_registry *gr_registry_create(gr_arena *a)
{
    gr_error e;
    gr_registry *r = GR_NEW(a, gr_registry);
    r->arena = a;
    r->by_name = gr_map_create(a);
    for (const gr_op *const *op = gr_builtin_ops; *op; op++)
        if (gr_registry_add(r, *op, &e) < 0) refuse_builtin(&e);
    for (const gr_source *const *source = gr_builtin_sources; *source; source++)
        if (gr_registry_add_source(r, *source, &e) < 0) refuse_builtin(&e);
    return r;
}

static bool valid_name(const char *s)
{
    return s && *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == 0;
}

static const char *ports_fault(const gr_port *p)
{
    int variadic = 0;
    for (int i = 0; p && p[i].name; i++) {
        if (!valid_name(p[i].name)) return "a port's name may hold letters, digits and _ only";
        if (find_port(p, p[i].name) != i) return "two ports have one name";
        variadic += (p[i].flags & GR_PORT_VARIADIC) != 0;
    }
    return variadic > 1 ? "more than one port is variadic" : NULL;
}

static const char *attrs_fault(gr_arena *a, const gr_attr_spec *specs)
{
    for (int i = 0; specs && specs[i].name; i++) {
        const gr_attr_spec *s = &specs[i];
        const char *why = NULL;
        gr_attr v;
        if (!valid_name(s->name)) return "an attribute's name may hold letters, digits and _ only";
        if (find_spec(specs, s->name) != i) return gr_arena_printf(a, "attribute '%s' is declared twice", s->name);
        if (s->fallback && gr_attr_parse(a, s, s->fallback, &v, &why) < 0)
            return gr_arena_printf(a, "the default of attribute '%s' %s", s->name, why);
    }
    return NULL;
}

/* What is wrong with a descriptor; NULL: nothing. */
static const char *op_fault(gr_registry *r, const gr_op *op)
{
    if (op->size < sizeof(gr_op)) return "field 'size': the op was built for an older graphrun; build it again";
    if (op->abi != GR_ABI_VERSION) return "field 'abi': the op was built for another graphrun; build it again";
    if (!valid_name(op->name)) return "field 'name' must hold letters, digits and _ only";
    if (gr_registry_find(r, op->name)) return gr_arena_printf(r->arena, "an op called '%s' exists already", op->name);
    if (!op->summary) return "field 'summary' is missing";
    const char *fault = ports_fault(op->inputs);
    if (!fault) fault = ports_fault(op->outputs);
    if (!fault) fault = attrs_fault(r->arena, op->attrs);
    if (fault) return fault;
    bool pointwise = op->tape != GR_TAPE_NONE, view = op->view != NULL;
    bool kernel = op->kernels && op->kernels->run, leaf = (op->traits & GR_LEAF) || op->role == GR_ROLE_SCAN ||
                                                         op->role == GR_ROLE_FUSED || op->role == GR_ROLE_ARG;
    if (pointwise + view + kernel + leaf + (op->expand != NULL) != 1)
        return "must have exactly one of 'tape', 'view', 'kernels', 'expand'";
    if ((kernel || view) && !op->infer) return "field 'infer' is missing";
    if (view != ((op->traits & GR_VIEW) != 0)) return "field 'view' and the trait GR_VIEW go together";
    if (pointwise != ((op->traits & GR_POINTWISE) != 0)) return "field 'tape' and the trait GR_POINTWISE go together";
    if ((op->traits & GR_CONTRACTION) && !op->block) return "the trait GR_CONTRACTION needs field 'block'";
    return NULL;
}

int gr_registry_add(gr_registry *r, const gr_op *op, gr_error *e)
{
    const char *fault = op_fault(r, op);
    if (fault) return gr_set_error(e, GR_EINVAL, "op '%s': %s", op->abi == GR_ABI_VERSION && op->name ? op->name : "?", fault);
    *GR_PUSH(r->arena, r->ops, r->count, r->cap) = op;
    gr_map_set(r->by_name, op->name, (void *)(uintptr_t)op);
    if (op->role) r->role[op->role] = op;
    return 0;
}

/* ---- data sources ---- */

static const char *source_fault(const gr_registry *r, const gr_source *s)
{
    if (s->abi != GR_ABI_VERSION) return "field 'abi': the source was built for another graphrun; build it again";
    if (s->host_size > sizeof(gr_source_host)) return "field 'host_size': the source was built for a newer graphrun";
    if (!valid_name(s->name)) return "field 'name' must hold letters, digits and _ only";
    if (gr_registry_find_source(r, s->name)) return gr_arena_printf(r->arena, "a data source called '%s' exists already", s->name);
    if (!s->summary) return "field 'summary' is missing";
    if (!s->open) return "field 'open' is missing";
    if (!s->fields || !s->fields->name) return "field 'fields' is missing: it names what the source gives";
    if (s->begin && !s->fill) return "field 'begin' needs field 'fill'";
    const char *fault = ports_fault(s->fields);
    if (!fault) fault = ports_fault(s->facts);
    if (!fault) fault = attrs_fault(r->arena, s->attrs);
    for (int i = 0; !fault && s->keys && s->keys[i]; i++) {
        if (!valid_name(s->keys[i])) fault = "field 'keys': a key may hold letters, digits and _ only";
        else if (find_spec(s->attrs, s->keys[i]) >= 0)
            fault = gr_arena_printf(r->arena, "field 'keys': '%s' is an attribute, too", s->keys[i]);
    }
    for (int i = 0; !fault && s->numbering && s->numbering[i]; i++)
        if (find_spec(s->attrs, s->numbering[i]) < 0)
            fault = gr_arena_printf(r->arena, "field 'numbering': there is no attribute '%s'", s->numbering[i]);
    return fault;
}

/* A descriptor of this host's size: an older one lacks its last fields, a newer one must not use those
 * that are unknown here. NULL with *fault. */
static const gr_source *whole_source(gr_registry *r, const gr_source *given, const char **fault)
{
    const unsigned char *bytes = (const unsigned char *)given;
    size_t size = given->size;
    if (size == sizeof *given) return given;
    if (size < offsetof(gr_source, prepare)) *fault = "field 'size' is smaller than that of any graphrun's gr_source";
    for (size_t i = sizeof *given; !*fault && i < size; i++)
        if (bytes[i]) *fault = "field 'size': the source was built for a newer graphrun, of which it uses fields that are unknown here";
    if (*fault) return NULL;
    gr_source *own = GR_NEW(r->arena, gr_source);
    memcpy(own, given, size < sizeof *own ? size : sizeof *own);
    return own;
}

int gr_registry_add_source(gr_registry *r, const gr_source *given, gr_error *e)
{
    const char *fault = NULL, *name = given->size >= offsetof(gr_source, summary) && given->abi == GR_ABI_VERSION ? given->name : NULL;
    const gr_source *s = whole_source(r, given, &fault);
    if (!fault) fault = source_fault(r, s);
    if (fault) return gr_set_error(e, GR_EINVAL, "data source '%s': %s", name ? name : "?", fault);
    *GR_PUSH(r->arena, r->sources, r->num_sources, r->cap_sources) = s;
    return 0;
}

static void close_plugin(void *handle) { dlclose(handle); }

int gr_registry_load(gr_registry *r, const char *path, gr_error *e)
{
    /* Without a slash dlopen searches the system's folders; a plugin is a file. */
    const char *file = strchr(path, '/') ? path : gr_arena_printf(r->arena, "./%s", path);
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return gr_set_error(e, GR_EINVAL, "cannot load plugin '%s': %s", path, dlerror());
    gr_arena_defer(r->arena, close_plugin, handle);
    gr_plugin_fn fn;
    *(void **)&fn = dlsym(handle, GR_PLUGIN_SYMBOL);
    if (!fn) return gr_set_error(e, GR_EINVAL, "plugin '%s' does not export " GR_PLUGIN_SYMBOL "()", path);
    gr_error inner = {0};
    const gr_plugin *plugin = fn(GR_ABI_VERSION, (uint32_t)sizeof(gr_host));
    if (!plugin || plugin->size != sizeof *plugin || plugin->abi != GR_ABI_VERSION)
        return gr_set_error(e, GR_EINVAL, "plugin '%s' was built for another graphrun; build it again", path);
    for (int i = 0; !inner.status && plugin->ops && plugin->ops[i]; i++) gr_registry_add(r, plugin->ops[i], &inner);
    for (int i = 0; !inner.status && plugin->sources && plugin->sources[i]; i++) gr_registry_add_source(r, plugin->sources[i], &inner);
    return inner.status ? gr_set_error(e, GR_EINVAL, "plugin '%s': %.900s", path, inner.message) : 0;
}

const gr_op *gr_registry_find(const gr_registry *r, const char *name) { return gr_map_get(r->by_name, name); }
const gr_op *gr_registry_role(const gr_registry *r, gr_role role) { return r->role[role]; }
int gr_registry_count(const gr_registry *r) { return r->count; }
const gr_op *gr_registry_at(const gr_registry *r, int i) { return r->ops[i]; }

const char *const *gr_registry_names(const gr_registry *r)
{
    const char **names = GR_NEW_ARRAY(r->arena, const char *, r->count + 1);
    for (int i = 0; i < r->count; i++) names[i] = r->ops[i]->name;
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
