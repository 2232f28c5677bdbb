/* model.c - a model file's sections, and its vars. */
#include "model/body.h"
#include "base/path.h"

#include <ctype.h>
#include <string.h>

static const char *const top_keys[] = {"graphrun", "name", "doc",   "vars",    "plugins",  "blocks",
                                       "data",     "graph", "train", "metrics", "generate", NULL};

enum { FORMAT = 1 };

/* ---- accessors ---- */

gr_registry *gr_model_registry(gr_model *m) { return m->registry; }
gr_diag *gr_model_diag(gr_model *m) { return m->diag; }
gr_arena *gr_model_arena(gr_model *m) { return m->arena; }
const char *gr_model_name(const gr_model *m) { return m->name; }
const char *gr_model_doc_text(const gr_model *m) { return m->doc_text; }
const char *gr_model_path(const gr_model *m) { return m->path; }
gr_doc *gr_model_section(gr_model *m, const char *name) { return gr_doc_get(m->root, name); }
gr_var gr_model_eval(gr_model *m, gr_doc *d) { return gr_eval(m, m->scope, d); }
int gr_model_float(gr_model *m, gr_doc *d, double *out) { return gr_eval_float(m, m->scope, d, out); }
const char *gr_model_text(gr_model *m, gr_doc *d) { return gr_eval_text(m, m->scope, d); }

int gr_model_int(gr_model *m, gr_doc *d, int64_t min, int64_t *out)
{
    return gr_eval_int(m, m->scope, d, min, out);
}

void gr_model_set(gr_model *m, const char *name, gr_var v) { gr_scope_set(m->arena, m->scope, name, v, NULL); }

void gr_model_pass_over(gr_model *m, gr_doc *d) { gr_mention(m, m->scope, d); }

void gr_model_no_facts(gr_model *m) { m->no_facts = true; }

gr_var gr_model_var(gr_model *m, const char *name)
{
    gr_binding *b = gr_scope_find(m->scope, name);
    gr_var v = {0};
    if (b && gr_binding_value(m, b, b->origin ? b->origin->at : m->root->at, &v) < 0) v = (gr_var){0};
    return v;
}

/* Whether a text begins with the var of that name: "$folder/a.txt", "${folder}/a.txt". */
static bool begins_with_var(const char *text, const char *name)
{
    bool braces = text[0] == '$' && text[1] == '{';
    size_t n = strlen(name);
    const char *end = text + 1 + braces + n;
    if (text[0] != '$' || strncmp(text + 1 + braces, name, n) != 0) return false;
    return braces ? *end == '}' : !isalnum((unsigned char)*end) && *end != '_';
}

const char *gr_model_file(gr_model *m, gr_doc *d)
{
    const char *path = gr_eval_text(m, m->scope, d);
    if (!path) return NULL;
    /* --set and the shell know paths from where the command runs. */
    bool set = d->at.source != m->root->at.source;
    for (const gr_binding *b = m->scope->items; !set && b < m->scope->items + m->scope->count; b++)
        set = d->kind == GR_DOC_SCALAR && begins_with_var(d->text, b->name) && b->doc &&
              b->doc->at.source != m->root->at.source;
    return *path == '/' || set || !*m->folder ? path : gr_arena_printf(m->arena, "%s/%s", m->folder, path);
}

void gr_model_check_keys(gr_model *m, gr_doc *map, const char *what, const char *const *keys)
{
    for (int i = 0; map->kind == GR_DOC_MAP && i < map->count; i++) {
        gr_doc *d = map->item[i];
        int k = 0;
        while (keys[k] && strcmp(keys[k], d->key) != 0) k++;
        if (keys[k]) continue;
        gr_diag_error(m->diag, d->key_at, "%s has no '%s'%s", what, d->key, gr_suggest_term(m->arena, d->key, keys));
        gr_mention(m, m->scope, d);
    }
}

bool gr_model_nearly_has(const gr_doc *map, const char *const *keys, const char *key)
{
    for (int i = 0; map->kind == GR_DOC_MAP && i < map->count; i++) {
        const char *near = gr_nearest_term(map->item[i]->key, keys);
        if (near && strcmp(near, key) == 0) return true;
    }
    return false;
}

/* ---- sections ---- */

static const char *optional_text(gr_model *m, const char *key)
{
    gr_doc *d = gr_doc_get(m->root, key);
    const char *text = d ? gr_eval_text(m, m->scope, d) : NULL;
    return text ? text : "";
}

static void check_format(gr_model *m)
{
    gr_doc *d = gr_doc_get(m->root, "graphrun");
    int64_t version;
    if (!d) gr_diag_error(m->diag, (gr_loc){m->root->at.source, 1, 1, 1}, "a model file says which format it is in: graphrun: %d",
                          FORMAT);
    else if (gr_doc_int(d, &version) < 0 || version < 1)
        gr_diag_error(m->diag, d->at, "'graphrun' takes the format's number, %d", FORMAT);
    else if (version > FORMAT)
        gr_diag_error(m->diag, d->at, "this file is in format %lld; this graphrun reads format %d", (long long)version,
                      FORMAT);
}

/* The section if it is a map; what: for the message. */
static gr_doc *map_section(gr_model *m, const char *key, const char *what)
{
    gr_doc *d = gr_doc_get(m->root, key);
    if (!d || d->kind == GR_DOC_MAP) return d;
    if (d->kind != GR_DOC_NULL || *d->text) gr_diag_error(m->diag, d->at, "'%s' takes %s", key, what);
    return NULL;
}

static bool is_var_name(const char *s)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    static const char *const words[] = {"and", "or", "not", "if", "else", "true", "false", "none", NULL};
    for (int i = 0; words[i]; i++)
        if (!strcmp(s, words[i])) return false;
    return *s && (*s < '0' || *s > '9') && !s[strspn(s, letters)];
}

static void read_vars(gr_model *m)
{
    gr_doc *vars = map_section(m, "vars", "a map of names and values: {hidden: 256}");
    for (int i = 0; vars && i < vars->count; i++) {
        gr_doc *d = vars->item[i];
        if (is_var_name(d->key)) {
            gr_scope_define(m->arena, m->scope, d->key, d, m->scope, d);
            continue;
        }
        gr_mention(m, m->scope, d);
        gr_diag_error(m->diag, d->key_at, "'%s' is no name for a var; one is made of letters, digits and _, and is no "
                      "word of the expression language", d->key);
    }
}

static void load_plugin(gr_model *m, const char *path, gr_loc at)
{
    gr_error e = {0};
    if (path && gr_registry_load(m->registry, path, &e) < 0) gr_diag_error(m->diag, at, "%s", e.message);
}

static void load_plugins(gr_model *m, const gr_model_options *o)
{
    gr_doc *d = gr_doc_get(m->root, "plugins");
    for (int i = 0; o && o->plugins && o->plugins[i]; i++) load_plugin(m, o->plugins[i], (gr_loc){0});
    if (!d) return;
    if (d->kind == GR_DOC_SCALAR) load_plugin(m, gr_model_file(m, d), d->at);
    else if (d->kind == GR_DOC_LIST)
        for (int i = 0; i < d->count; i++) load_plugin(m, gr_model_file(m, d->item[i]), d->item[i]->at);
    else gr_diag_error(m->diag, d->at, "'plugins' takes a list of files");
}

static const char *folder_of(gr_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return "";
    return slash == path ? "/" : gr_arena_strndup(a, path, (size_t)(slash - path));
}

/* "models/lstm.yaml": "lstm", where the file gives no name. */
static const char *name_of(gr_model *m)
{
    const char *name = optional_text(m, "name"), *file = gr_path_name(m->path);
    return *name ? name : gr_arena_strndup(m->arena, file, gr_path_stem(file));
}

gr_model *gr_model_read(gr_arena *a, const char *path, const gr_model_options *o, gr_diag *d, gr_error *e)
{
    gr_doc *root = o && o->text ? gr_doc_read_text(a, path, o->text, strlen(o->text), d) : gr_doc_read_file(a, path, d, e);
    if (!root && o && o->text) gr_set_error(e, GR_EINVAL, "'%s' is not a model that can be read", path);
    if (!root) return NULL;
    if (root->kind != GR_DOC_MAP) {
        gr_diag_error(d, root->at, "a model is a map of sections: graphrun, vars, graph, ...");
        gr_set_error(e, GR_EINVAL, "'%s' is not a model", path);
        return NULL;
    }
    gr_model *m = GR_NEW(a, gr_model);
    *m = (gr_model){.arena = a, .diag = d, .root = root, .path = gr_arena_strdup(a, path)};
    m->folder = folder_of(a, path);
    m->real = o && o->real ? o->real : GR_FLOAT32;
    m->registry = gr_registry_create(a);
    m->scope = gr_scope_create(a, NULL);
    gr_model_builtin_blocks(m);
    for (int i = 0; o && o->sets && o->sets[i]; i++) gr_model_apply_set(m, o->sets[i]);
    read_vars(m);
    check_format(m);
    gr_model_check_keys(m, m->root, "a model", top_keys);
    m->name = name_of(m);
    m->doc_text = optional_text(m, "doc");
    load_plugins(m, o);
    m->blocks = map_section(m, "blocks", "a map of blocks: {Cell: {in: ..., graph: ..., out: ...}}");
    m->graph = map_section(m, "graph", "a map of nodes: {name: {op: ..., in: ...}}");
    gr_model_blocks(m);
    return m;
}

/* ---- going back ---- */

struct gr_model_state {
    gr_model model;
    gr_scope scope;
    gr_binding *item; /* copies: vars are evaluated when first read */
};

gr_model_state *gr_model_save(gr_model *m)
{
    gr_model_state *s = GR_NEW(m->arena, gr_model_state);
    *s = (gr_model_state){*m, *m->scope, gr_arena_copy(m->arena, m->scope->items, (size_t)m->scope->count * sizeof(gr_binding))};
    return s;
}

void gr_model_restore(gr_model *m, const gr_model_state *before)
{
    *m = before->model;
    *m->scope = before->scope;
    if (m->scope->count) memcpy(m->scope->items, before->item, (size_t)m->scope->count * sizeof(gr_binding));
    for (int i = 0; i < m->num_axes; i++) m->axes[i]->fed = -1;
}

/* ---- what nobody used ---- */

static bool same_place(gr_loc error, gr_loc d)
{
    return error.source == d.source && error.line == d.line && error.column >= d.column &&
           error.column < d.column + d.length;
}

/* Whether a mistake was found at d or one of its own entries: their reader may have stopped. */
static bool has_mistake(const gr_model *m, const gr_doc *d)
{
    gr_loc at;
    for (int k = 0; gr_diag_message(m->diag, k, &at); k++) {
        if (same_place(at, d->at) || (d->key && same_place(at, d->key_at))) return true;
        for (int i = 0; i < d->count; i++)
            if (same_place(at, d->item[i]->at) || (d->item[i]->key && same_place(at, d->item[i]->key_at))) return true;
    }
    return false;
}

/* Entries to report, found before any is: one must not hide the next. */
typedef struct unused_list {
    const gr_doc **item;
    int count, cap;
} unused_list;

static void find_unused(gr_model *m, const gr_doc *d, unused_list *list)
{
    for (int i = 0; i < d->count; i++) {
        const gr_doc *item = d->item[i];
        if (item->used) find_unused(m, item, list);
        else if (item->key && !has_mistake(m, d)) *GR_PUSH(m->arena, list->item, list->count, list->cap) = item;
    }
}

/* An axis whose length nothing gives, and which the var was likely meant for: batch_size. */
static const char *meant_axis(gr_model *m, const char *name)
{
    const char **names = GR_NEW_ARRAY(m->arena, const char *, m->num_axes + 1);
    int n = 0;
    for (int i = 0; i < m->num_axes; i++)
        if (m->axes[i]->length < 0 && !gr_scope_find(m->scope, m->axes[i]->name)) names[n++] = m->axes[i]->name;
    const char *near = gr_nearest(name, names);
    return near ? gr_arena_printf(m->arena, "; the axis '%s' has no length", near) : "";
}

static void report_vars(gr_model *m, const gr_doc *vars)
{
    for (int i = 0; vars && vars->kind == GR_DOC_MAP && i < vars->count; i++)
        if (!vars->item[i]->used)
            gr_diag_error(m->diag, vars->item[i]->key_at, "the var '%s' is never used%s", vars->item[i]->key, meant_axis(m, vars->item[i]->key));
}

static void check_block(gr_model *m, const gr_doc *block, unused_list *list)
{
    const gr_doc *vars = gr_doc_peek(block, "vars");
    if (!block->used) return;
    for (int i = 0; i < block->count; i++)
        if (block->item[i] != vars) find_unused(m, block->item[i], list);
    gr_scope *s = gr_scope_create(m->arena, m->scope);
    for (int i = 0; vars && i < vars->count; i++)
        gr_scope_define(m->arena, s, vars->item[i]->key, vars->item[i], s, vars->item[i]);
    for (int i = 0; i < block->count; i++)
        if (block->item[i] != vars) gr_mention(m, s, block->item[i]);
    report_vars(m, vars);
}

/* A bare name in any `shape` names an axis, and so uses the var of that name. */
static void mention_axes(gr_model *m, const gr_doc *d)
{
    bool shape = d->key && !strcmp(d->key, "shape") && d->kind == GR_DOC_LIST;
    for (int i = 0; i < d->count; i++) {
        gr_binding *b = shape && d->item[i]->kind == GR_DOC_SCALAR ? gr_scope_find(m->scope, d->item[i]->text) : NULL;
        if (b) gr_binding_mention(m, b);
        mention_axes(m, d->item[i]);
    }
}

void gr_model_check_unused(gr_model *m)
{
    gr_doc *vars = gr_doc_peek(m->root, "vars");
    unused_list list = {0};
    for (int i = 0; i < m->root->count; i++) {
        const gr_doc *section = m->root->item[i];
        if (section->used && section != vars && section != m->blocks) find_unused(m, section, &list);
    }
    for (int i = 0; m->blocks && i < m->blocks->count; i++) check_block(m, m->blocks->item[i], &list);
    for (int i = 0; i < list.count; i++)
        gr_diag_error(m->diag, list.item[i]->key_at, "'%s' means nothing here; nothing reads it", list.item[i]->key);
    /* A var counts as used wherever it is mentioned, in a section that this command does not
     * read and in a node that another mistake kept from being read, too. */
    for (int i = 0; i < m->root->count; i++)
        if (m->root->item[i] != vars && m->root->item[i] != m->blocks) gr_mention(m, m->scope, m->root->item[i]);
    mention_axes(m, m->root);
    report_vars(m, vars);
}
