/* set.c - `--set KEY=VALUE`: another value for a var, or for any place in the file.
 *
 * The value is read as YAML, and takes the place of what the file has, so that whatever
 * reads it complains of it in the same words; its place is then the command line. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

/* Moves d, which was read from VALUE, to where it stands in KEY=VALUE. */
static void move_doc(gr_doc *d, const gr_text *to, int columns)
{
    if (d->at.line == 1) d->at.column += columns;
    if (d->key && d->key_at.line == 1) d->key_at.column += columns;
    d->at.source = to;
    if (d->key) d->key_at.source = to;
    for (int i = 0; i < d->count; i++) move_doc(d->item[i], to, columns);
}

static gr_doc *read_value(gr_model *m, const gr_text *source, int equals)
{
    const char *text = source->text + equals + 1;
    if (!*text) text = "''";
    gr_doc *d = gr_doc_read_text(m->arena, source->name, text, strlen(text), m->diag);
    if (!d) return NULL;
    move_doc(d, source, equals + 1);
    d->used = false;
    return d;
}

static void put(gr_model *m, gr_doc *map, int i, const char *key, gr_doc *value)
{
    value->key = gr_arena_strdup(m->arena, key);
    value->key_at = (gr_loc){value->at.source, 1, 1, (int)strlen(value->at.source->text)};
    if (map->kind == GR_DOC_LIST) value->key = NULL;
    if (i < map->count) {
        map->item[i] = value;
        return;
    }
    gr_doc **items = GR_NEW_ARRAY(m->arena, gr_doc *, map->count + 1);
    if (map->count) memcpy(items, map->item, sizeof *items * (size_t)map->count);
    items[map->count++] = value;
    map->item = items;
}

/* Where a part of a path is in d: an index, d->count if it can be added, -1 if not at all. */
static int find_part(const gr_doc *d, const char *part, bool last)
{
    if (d->kind == GR_DOC_LIST) {
        char *end;
        long i = strtol(part, &end, 10);
        return *part && !*end && i >= 0 && i < d->count ? (int)i : -1;
    }
    if (d->kind != GR_DOC_MAP) return -1;
    for (int i = 0; i < d->count; i++)
        if (!strcmp(d->item[i]->key, part)) return i;
    return last ? d->count : -1;
}

static void no_such_place(gr_model *m, gr_loc at, const gr_doc *d, const char *where, const char *part)
{
    gr_arena *a = m->arena;
    if (d->kind == GR_DOC_LIST) gr_diag_error(m->diag, at, "'%s' is a list of %d; '%s' is no place in it", where, d->count, part);
    else if (d->kind != GR_DOC_MAP) gr_diag_error(m->diag, at, "'%s' is a value and has no '%s'", where, part);
    else if (*where) gr_diag_error(m->diag, at, "'%s' has no '%s'%s", where, part, gr_suggest(a, part, gr_doc_keys(a, d)));
    else if (gr_doc_peek(gr_doc_peek(d, "graph"), part)) gr_diag_error(m->diag, at, "'%s' is a node: write graph.%s", part, at.source->text);
    else gr_diag_error(m->diag, at, "the model has no section '%s'%s", part, gr_suggest(a, part, gr_doc_keys(a, d)));
}

static void set_path(gr_model *m, const gr_text *source, const char *key, int equals)
{
    gr_doc *d = m->root;
    char *path = gr_arena_strdup(m->arena, key), *save = NULL;
    const char *where = "";
    for (char *part = strtok_r(path, ".", &save); part;) {
        char *next = strtok_r(NULL, ".", &save);
        int i = find_part(d, part, !next && d != m->root);
        if (i < 0) {
            gr_loc at = {source, 1, 1, equals};
            no_such_place(m, at, d, where, part);
            return;
        }
        if (!next) {
            gr_doc *value = read_value(m, source, equals);
            if (value) put(m, d, i, part, value);
            return;
        }
        d = d->item[i];
        where = *where ? gr_arena_printf(m->arena, "%s.%s", where, part) : part;
        part = next;
    }
    gr_diag_error(m->diag, (gr_loc){source, 1, 1, 1}, "--set takes KEY=VALUE");
}

static void set_var(gr_model *m, const gr_text *source, const char *key, int equals)
{
    gr_doc *vars = gr_doc_peek(m->root, "vars");
    gr_arena *a = m->arena;
    int i = vars && vars->kind == GR_DOC_MAP ? find_part(vars, key, false) : -1;
    if (i >= 0) {
        gr_doc *value = read_value(m, source, equals);
        if (value) put(m, vars, i, key, value);
        return;
    }
    gr_loc at = {source, 1, 1, equals};
    gr_diag_error(m->diag, at, "the model has no var '%s'%s; a key is named with its section, as in train.optimizer.lr", key,
                  vars && vars->count ? gr_suggest(a, key, gr_doc_keys(a, vars)) : "");
}

void gr_model_apply_set(gr_model *m, const char *set)
{
    gr_text *source = GR_NEW(m->arena, gr_text);
    *source = (gr_text){"--set", gr_arena_strdup(m->arena, set), strlen(set)};
    const char *equals = strchr(set, '=');
    if (!equals || equals == set) {
        gr_diag_error(m->diag, (gr_loc){source, 1, 1, 1}, "--set takes KEY=VALUE");
        return;
    }
    const char *key = gr_arena_strndup(m->arena, set, (size_t)(equals - set));
    if (strchr(key, '.')) set_path(m, source, key, (int)(equals - set));
    else set_var(m, source, key, (int)(equals - set));
}
