/* registry.c - the ops that a model may use: built in, from plugins, from blocks. */
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
    gr_registry *r = GR_NEW(a, gr_registry);
    r->arena = a;
    r->by_name = gr_map_create(a);
    for (const gr_op *const *op = gr_builtin_ops; *op; op++) {
        gr_error e;
        if (gr_registry_add(r, *op, &e) < 0) {
            fprintf(stderr, "graphrun: built-in op: %s\n", e.message);
            abort();
        }
    }
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

static const char *attrs_fault(gr_arena *a, const gr_op *op)
{
    for (int i = 0; op->attrs && op->attrs[i].name; i++) {
        const gr_attr_spec *s = &op->attrs[i];
        const char *why = NULL;
        gr_attr v;
        if (!valid_name(s->name)) return "an attribute's name may hold letters, digits and _ only";
        if (gr_op_attr(op, s->name) != i) return gr_arena_printf(a, "attribute '%s' is declared twice", s->name);
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
    if (!fault) fault = attrs_fault(r->arena, op);
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
    const gr_op *const *ops = fn(GR_ABI_VERSION, (uint32_t)sizeof(gr_host));
    if (!ops)
        return gr_set_error(e, GR_EINVAL, "plugin '%s' was built for another graphrun; build it again", path);
    for (; *ops; ops++) {
        gr_error inner;
        if (gr_registry_add(r, *ops, &inner) < 0)
            return gr_set_error(e, GR_EINVAL, "plugin '%s': %.900s", path, inner.message);
    }
    return 0;
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
