/* plugin.c - ops and data sources from shared objects.
 *
 * A file is opened by its path, never looked for, if it is whole, and stays open as long as the registry's arena. Its
 * descriptors are checked (fault.h) before anything of them is called; a plugin that is wrong anywhere
 * gives nothing. */
#include "graph/fault.h"
#include "graph/registry.h"

#include <dlfcn.h>
#include <string.h>

enum { MOST = 256 }; /* ops or sources of a plugin; a longer list has no end */

static void close_plugin(void *handle) { dlclose(handle); }

/* Without a slash dlopen searches the system's folders; a plugin is a file. */
static const char *file_of(gr_registry *r, const char *path) { return gr_arena_printf(r->arena, "%s%s", strchr(path, '/') ? "" : "./", path); }

/* The handle; NULL after a message. *again: the file is open already. */
static void *open_file(gr_registry *r, const char *path, const char *file, bool *again, gr_error *e)
{
    const char *fault = gr_elf_fault(r->arena, file);
    if (fault) return gr_set_error(e, GR_EINVAL, "cannot load plugin '%s': it %s", path, fault), NULL;
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return gr_set_error(e, GR_EINVAL, "cannot load plugin '%s': %s", path, dlerror()), NULL;
    gr_arena_defer(r->arena, close_plugin, handle);
    for (int i = 0; i < r->num_plugins; i++) *again = *again || r->plugins[i] == handle;
    return handle;
}

/* The plugin's table with this graphrun's fields; NULL after a message. */
static const gr_plugin *read_table(gr_registry *r, void *handle, const char *path, gr_error *e)
{
    gr_plugin_fn fn;
    *(void **)&fn = dlsym(handle, GR_PLUGIN_SYMBOL);
    if (!fn) return gr_set_error(e, GR_EINVAL, "plugin '%s' does not export " GR_PLUGIN_SYMBOL "(); end its file with GR_PLUGIN(.ops = ops)", path), NULL;
    const gr_plugin *given = fn(GR_ABI_VERSION, (uint32_t)sizeof(gr_host));
    if (!given)
        return gr_set_error(e, GR_EINVAL, "plugin '%s' was built for another graphrun (this one has abi %u and a host table of %u bytes); build it again "
                            "with this one's headers", path, GR_ABI_VERSION, (unsigned)sizeof(gr_host)), NULL;
    gr_looker l = {r->arena, true};
    gr_plugin *table = NULL;
    const char *fault = gr_size_fault(&l, given, offsetof(gr_plugin, ops), sizeof *table, "GR_PLUGIN_HEADER", (void **)&table);
    if (fault) return gr_set_error(e, GR_EINVAL, "plugin '%s': its gr_plugin: %.900s", path, fault), NULL;
    return table;
}

/* Entry n of the list of ops or sources; NULL: it ends there, with *wrong where it does not end. */
static const void *entry(const char *path, const char *field, const void *const *list, int n, bool *wrong, gr_error *e)
{
    if (!list || *wrong) return NULL;
    *wrong = !gr_is_readable(&list[n], sizeof *list) || (n == MOST && list[n]);
    if (*wrong) gr_set_error(e, GR_EINVAL, "plugin '%s': field '%s' has no end after %d: end the list with NULL", path, field, n);
    return *wrong ? NULL : list[n];
}

/* What follows a list that has no end is no descriptor. */
static const char *entry_fault(const void *given)
{
    return gr_is_readable(given, 2 * sizeof(uint32_t)) ? NULL : "points nowhere: end the list with NULL";
}

static int refuse(const char *path, const char *what, const char *name, int n, const char *fault, gr_error *e)
{
    return gr_set_error(e, GR_EINVAL, "plugin '%s': %s '%s' (number %d): %.900s", path, what, name && gr_is_readable_text(name) ? name : "?", n + 1, fault);
}

/* The ops of a plugin, NULL-ended and checked; NULL after a message. */
static const gr_op **read_ops(gr_registry *r, const gr_plugin *p, const char *path, gr_error *e)
{
    const gr_op **ops = GR_NEW_ARRAY(r->arena, const gr_op *, MOST + 1);
    bool wrong = false;
    const gr_op *given;
    for (int n = 0; (given = entry(path, "ops", (const void *const *)p->ops, n, &wrong, e)); n++) {
        const char *fault = entry_fault(given);
        if (!fault) fault = gr_foreign_op_fault(r->arena, given, &ops[n]);
        for (int i = 0; !fault && i < n; i++)
            if (strcmp(ops[i]->name, ops[n]->name) == 0) fault = "field 'name': the plugin has another op of that name";
        if (!fault && gr_registry_find(r, ops[n]->name)) fault = "field 'name': an op of that name exists already; give it another";
        if (fault) return refuse(path, "op", ops[n] ? ops[n]->name : NULL, n, fault, e), NULL;
    }
    return wrong ? NULL : ops;
}

/* Likewise its data sources. */
static const gr_source **read_sources(gr_registry *r, const gr_plugin *p, const char *path, gr_error *e)
{
    const gr_source **sources = GR_NEW_ARRAY(r->arena, const gr_source *, MOST + 1);
    bool wrong = false;
    const gr_source *given;
    for (int n = 0; (given = entry(path, "sources", (const void *const *)p->sources, n, &wrong, e)); n++) {
        const char *fault = entry_fault(given);
        if (!fault) fault = gr_foreign_source_fault(r->arena, given, &sources[n]);
        for (int i = 0; !fault && i < n; i++)
            if (strcmp(sources[i]->name, sources[n]->name) == 0) fault = "field 'name': the plugin has another data source of that name";
        if (!fault && gr_registry_find_source(r, sources[n]->name)) fault = "field 'name': a data source of that name exists already; give it another";
        if (fault) return refuse(path, "data source", sources[n] ? sources[n]->name : NULL, n, fault, e), NULL;
    }
    return wrong ? NULL : sources;
}

/* What `backward` names must be there. */
static int check_backwards(gr_registry *r, const gr_op *const *ops, const char *path, gr_error *e)
{
    for (int i = 0; ops[i]; i++) {
        bool there = !ops[i]->backward || gr_registry_find(r, ops[i]->backward);
        for (int k = 0; !there && ops[k]; k++) there = strcmp(ops[k]->name, ops[i]->backward) == 0;
        if (!there) return gr_set_error(e, GR_EINVAL, "plugin '%s': op '%s': field 'backward' is '%s', and no op is called that", path, ops[i]->name, ops[i]->backward);
    }
    return 0;
}

static int load(gr_registry *r, const char *path, gr_error *e)
{
    bool again = false;
    r->plugin_asked = true;
    const char *file = file_of(r, path);
    void *handle = open_file(r, path, file, &again, e);
    if (!handle || again) return handle ? 0 : -1;
    const gr_plugin *table = read_table(r, handle, path, e);
    const gr_op **ops = table ? read_ops(r, table, path, e) : NULL;
    const gr_source **sources = ops ? read_sources(r, table, path, e) : NULL;
    if (!sources || check_backwards(r, ops, path, e) < 0) return -1;
    if (!ops[0] && !sources[0])
        return gr_set_error(e, GR_EINVAL, "plugin '%s' gives nothing: fields 'ops' and 'sources' of its gr_plugin are empty", path);
    for (int i = 0; ops[i]; i++) gr_registry_put(r, ops[i]);
    for (int i = 0; sources[i]; i++) gr_registry_put_source(r, sources[i]);
    *GR_PUSH(r->arena, r->plugins, r->num_plugins, r->cap_plugins) = handle;
    *GR_PUSH(r->arena, r->plugin_path, r->num_paths, r->cap_paths) = file;
    return 0;
}

int gr_registry_load(gr_registry *r, const char *path, gr_error *e)
{
    if (load(r, path, e) == 0) return 0;
    r->plugin_missing = true;
    return -1;
}

void gr_registry_hint_plugins(const gr_registry *r, gr_diag *d)
{
    if (!r->plugin_asked) gr_diag_hint(d, "is it a plugin's? They are loaded by `plugins: [FILE.so]` in the model file, or by --plugin FILE");
}

const char *gr_registry_plugin(const gr_registry *r, int n) { return n < r->num_paths ? r->plugin_path[n] : NULL; }
