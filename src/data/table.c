/* table.c - csv files as sources see them. */
#include "data/table.h"
#include "base/count.h"
#include "io/number.h"

#include <stdlib.h>
#include <string.h>

static int read_delimiter(gr_data *d, char *c)
{
    const char *text = gr_source_attr(d, "delimiter")->s;
    *c = !strcmp(text, "tab") ? '\t' : text[0];
    if (*c > 0 && *c != '"' && *c != '\n' && (*c == '\t' || !text[1])) return 0;
    gr_source_fail(d, GR_AT_ATTR, "delimiter", "'delimiter' takes one character or `tab`, not '%s'", text);
    return -1;
}

int gr_table_read(gr_data *d, const gr_part *part, gr_table *t)
{
    size_t n = 0;
    char delimiter;
    gr_error e = {0};
    *t = (gr_table){.part = part};
    if (read_delimiter(d, &delimiter)) return -1;
    const char *text = gr_source_read_text(d, part, &n);
    if (!text) return -1;
    gr_csv_header header = (gr_csv_header)gr_source_attr(d, "header")->i;
    if (gr_csv_parse(d->arena, part->path, text, n, delimiter, header, &t->csv, &e) == 0 && t->csv.rows) return 0;
    if (e.status) gr_source_fail_part(d, part, "%s", e.message);
    else gr_source_fail_part(d, part, "%s: holds no rows but a header", part->path);
    return -1;
}

int gr_table_check_alike(gr_data *d, const gr_table *t, int n)
{
    const gr_csv *first = &t[0].csv;
    for (int i = 1; i < n; i++) {
        const gr_csv *other = &t[i].csv;
        const char *differ = NULL;
        if (other->columns != first->columns)
            differ = gr_arena_printf(d->arena, "%d column%s, but '%s' has %d", other->columns, gr_s(other->columns), first->name, first->columns);
        else if (!other->header != !first->header)
            differ = gr_arena_printf(d->arena, "%s header, but '%s' has %s", other->header ? "a" : "no", first->name,
                                     first->header ? "one" : "none");
        for (int k = 0; !differ && first->header && k < first->columns; k++)
            if (strcmp(first->header[k], other->header[k]))
                differ = gr_arena_printf(d->arena, "a column '%s' where '%s' has '%s'", other->header[k], first->name,
                                         first->header[k]);
        if (!differ) continue;
        gr_source_fail_part(d, t[i].part, "%s: has %s", other->name, differ);
        return -1;
    }
    return 0;
}

/* ---- which columns ---- */

/* A number of a column, which may count from the end; -1: it is none of them. */
static int column_number(const gr_csv *t, int64_t n)
{
    if (n < 0) n += t->columns;
    return n >= 0 && n < t->columns ? (int)n : -1;
}

static const char *near_name(gr_data *d, const gr_csv *t, const char *name)
{
    if (!t->header) return "; it has no header, and columns are numbers from 0";
    const char **names = GR_NEW_ARRAY(d->arena, const char *, t->columns + 1);
    memcpy(names, t->header, (size_t)t->columns * sizeof *names);
    return gr_suggest(d->arena, name, names);
}

/* "2", "-1" */
static bool whole_number(const char *text, int64_t *n)
{
    char *end;
    *n = strtoll(text, &end, 10);
    return end != text && !*end;
}

/* "0:64", ":3", "-2:"; false: it is none. */
static bool read_range(gr_data *d, const gr_csv *t, const char *text, int64_t *from, int64_t *to)
{
    const char *colon = strchr(text, ':');
    if (!colon) return false;
    const char *begin = gr_arena_strndup(d->arena, text, (size_t)(colon - text)), *end = colon + 1;
    *from = 0;
    *to = t->columns;
    if (*begin && !whole_number(begin, from)) return false;
    if (*end && !whole_number(end, to)) return false;
    if (*from < 0) *from += t->columns;
    if (*to < 0) *to += t->columns;
    return *from >= 0 && *from < *to && *to <= t->columns;
}

static int add_column(gr_data *d, const gr_table *t, gr_doc *doc, const gr_var *v, int *column)
{
    const gr_csv *csv = &t->csv;
    int64_t n = v->i, to = 0;
    if (v->kind == GR_VAR_TEXT) {
        int found = gr_csv_find(csv, v->text);
        if (found >= 0) return *column = found, 1;
        if (found == -2) {
            gr_diag_error(d->diag, doc->at, "%s: has several columns '%s'; name it by its number, from 0", csv->name, v->text);
            return -1;
        }
        if (read_range(d, csv, v->text, &n, &to)) {
            for (int64_t i = n; i < to; i++) column[i - n] = (int)i;
            return (int)(to - n);
        }
        if (!whole_number(v->text, &n)) {
            gr_diag_error(d->diag, doc->at, "%s: has no column '%s'%s", csv->name, v->text, near_name(d, csv, v->text));
            return -1;
        }
    }
    *column = v->kind == GR_VAR_INT || v->kind == GR_VAR_TEXT ? column_number(csv, n) : -1;
    if (*column >= 0) return 1;
    gr_diag_error(d->diag, doc->at, "%s: has %d column%s, 0 to %d; a column is a name, a number, or a range \"0:%d\"",
                  csv->name, csv->columns, gr_s(csv->columns), csv->columns - 1, csv->columns);
    return -1;
}

int gr_table_columns(gr_data *d, const gr_table *t, gr_doc *doc, int **column)
{
    gr_var v = gr_model_eval(d->model, doc);
    int count = 0;
    if (v.kind == GR_VAR_NONE) return -1;
    bool list = v.kind == GR_VAR_LIST;
    int64_t n = list ? v.count : 1;
    *column = GR_NEW_ARRAY(d->arena, int, n * t->csv.columns);
    for (int i = 0; i < n; i++) {
        bool written = list && doc->kind == GR_DOC_LIST && i < doc->count;
        int more = add_column(d, t, written ? doc->item[i] : doc, list ? &v.item[i] : &v, *column + count);
        if (more < 0) return -1;
        count += more;
    }
    if (count) return count;
    gr_diag_error(d->diag, doc->at, "'%s' names no columns", doc->key);
    return -1;
}

/* ---- cells ---- */

const char *gr_table_cell(const gr_table *t, int64_t row, int column) { return t->csv.cell[row * t->csv.columns + column]; }

const char *gr_table_place(gr_data *d, const gr_table *t, int64_t row, int column)
{
    const char *name = t->csv.header ? gr_arena_printf(d->arena, "'%s'", t->csv.header[column])
                                     : gr_arena_printf(d->arena, "%d (from 0)", column);
    return gr_arena_printf(d->arena, "%s: line %lld, column %s", t->csv.name, (long long)t->csv.line[row], name);
}

int gr_table_number(gr_data *d, const gr_table *t, int64_t row, int column, double *x)
{
    const char *cell = gr_table_cell(t, row, column);
    const gr_attr *missing = gr_source_attr(d, "missing");
    gr_number is = gr_number_read(cell, x);
    if (is == GR_NUMBER_READ) return 0;
    if (is == GR_NUMBER_MISSING && missing->present) return *x = missing->f, 0;
    const char *place = gr_table_place(d, t, row, column);
    if (is == GR_NUMBER_MISSING)
        gr_source_fail_part(d, t->part, "%s: a value is missing; `missing: 0` says what it counts as", place);
    else
        gr_source_fail_part(d, t->part, "%s: '%.40s' is not a number", place, cell);
    return -1;
}
