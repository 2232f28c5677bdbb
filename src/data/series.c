/* series.c - Series: windows of a series, and what comes after each.
 *
 *     rows of the file   x0 x1 x2 x3 x4 x5 ...          window: 3, horizon: 2, stride: 1
 *     predict: end       x0 x1 x2 -> x3 x4              x1 x2 x3 -> x4 x5
 *     predict: each      x0 x1 x2 -> x1 x2, x2 x3, x3 x4
 *
 *     inputs    float32 [time, batch, columns] (one column: an Input of two axes takes it too)
 *     targets   end:  [batch, horizon, targets], each: [time, batch, horizon, targets]; without
 *               the last axis where there is one target
 *
 * A part of the series is cut into windows after it was split in order of time, so that none
 * straddles two splits. */
#include "base/count.h"
#include "data/items.h"
#include "data/scale.h"
#include "data/table.h"
#include "io/number.h"

#include <math.h>
#include <string.h>

static const gr_attr_spec series_attrs[] = {
    GR_ITEM_ATTRS("true", "false"),
    GR_TABLE_ATTRS,
    GR_SCALE_ATTRS,
    {"window", GR_ATTR_INT, NULL, 1, 1e9, NULL, "how many steps an input has"},
    {"horizon", GR_ATTR_INT, "1", 1, 1e9, NULL, "how many steps after it are to be predicted"},
    {"stride", GR_ATTR_INT, "1", 1, 1e9, NULL, "steps from one window to the next"},
    {"predict", GR_ATTR_CHOICE, "end", 0, 0, "end|each", "end: what follows the window; each: what follows each of its steps"},
    {"transform", GR_ATTR_CHOICE, "none", 0, 0, "none|log|diff|logdiff",
     "of the values, before they are standardized: logarithm, difference from the step before, both"},
    {"features", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many columns are inputs, where no file is at hand"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const series_keys[] = {"path", "split", "columns", "target", NULL};
static const char *const series_numbering[] = {"standardize", "transform", "missing", NULL};

enum { INPUTS, TARGETS, KINDS };
enum { LOG = 1, DIFF = 2 }; /* bits of `transform` */

typedef struct matrix {
    int columns, *column;
    double *raw;  /* [rows][columns], transformed */
    float *value; /* standardized */
    gr_scale *scale;
} matrix;

typedef struct series {
    gr_items items;
    gr_table *tables;
    int64_t rows;
    matrix part[KINDS];
    int64_t window, horizon;
    bool each;
    gr_part *ranges; int num_ranges; /* of rows, a split each; end: of its windows */
    int64_t *end_row;                /* of a range */
    int64_t *start;                  /* [items]: the first row of a window */
} series;

/* ---- columns ---- */

/* All columns in whose first cell a number stands. */
static int number_columns(gr_data *d, const gr_table *t, int **column)
{
    int n = 0;
    double x;
    *column = GR_NEW_ARRAY(d->arena, int, t->csv.columns);
    for (int i = 0; i < t->csv.columns; i++)
        if (gr_number_read(gr_table_cell(t, 0, i), &x) != GR_NUMBER_NOT) (*column)[n++] = i;
    if (!n) gr_source_fail_part(d, t->part, "%s: no column holds numbers", t->csv.name);
    return n ? n : -1;
}

static int choose_columns(gr_data *d, series *s)
{
    gr_doc *columns = gr_doc_get(d->section, "columns"), *target = gr_doc_get(d->section, "target");
    matrix *in = &s->part[INPUTS], *out = &s->part[TARGETS];
    in->columns = columns ? gr_table_columns(d, s->tables, columns, &in->column) : number_columns(d, s->tables, &in->column);
    if (in->columns < 0) return -1;
    *out = *in;
    if (target) out->columns = gr_table_columns(d, s->tables, target, &out->column);
    return out->columns < 0 ? -1 : gr_source_count(d, "features", in->columns);
}

/* ---- rows ---- */

static int read_cell(gr_data *d, const gr_table *t, int64_t row, int column, int64_t transform, double *x)
{
    if (gr_table_number(d, t, row, column, x)) return -1;
    if (!(transform & LOG)) return 0;
    if (*x > 0) return *x = log(*x), 0;
    gr_source_fail_part(d, t->part, "%s: %g has no logarithm", gr_table_place(d, t, row, column), *x);
    return -1;
}

/* A difference leaves out the first row of a file. */
static int read_rows(gr_data *d, const gr_table *t, matrix *m, int64_t first)
{
    int64_t transform = gr_source_attr(d, "transform")->i, lost = (transform & DIFF) != 0;
    for (int k = 0; k < m->columns; k++) {
        double before = 0, x;
        for (int64_t row = 0; row < t->csv.rows; row++) {
            if (read_cell(d, t, row, m->column[k], transform, &x)) return -1;
            if (row >= lost) m->raw[(first + row - lost) * m->columns + k] = lost ? x - before : x;
            before = x;
        }
    }
    return 0;
}

static int read_tables(gr_data *d, series *s, gr_part *parts, int n)
{
    int64_t lost = (gr_source_attr(d, "transform")->i & DIFF) != 0, first = 0;
    for (int p = 0; p < n; p++) parts[p].end = s->rows += s->tables[p].csv.rows - lost;
    for (int k = 0; k < KINDS; k++) {
        s->part[k].raw = GR_NEW_ARRAY(d->arena, double, s->rows * s->part[k].columns);
        s->part[k].value = GR_NEW_ARRAY(d->arena, float, s->rows * s->part[k].columns);
    }
    for (int p = 0; p < n; first = parts[p++].end)
        for (int k = 0; k < KINDS; k++)
            if (read_rows(d, &s->tables[p], &s->part[k], first)) return -1;
    return 0;
}

/* ---- windows ---- */

/* The rows of each split: a file each, or `split` of the only one. */
static int cut_ranges(gr_data *d, series *s, gr_part *parts, int n)
{
    if (gr_data_read_splits(d, s->rows, parts, n) < 0) return -1;
    s->num_ranges = d->num_splits;
    s->ranges = GR_NEW_ARRAY(d->arena, gr_part, d->num_splits);
    for (int i = 0; i < d->num_splits; i++) {
        const gr_part *part = &parts[n > 1 ? i : 0];
        s->ranges[i] = (gr_part){.split = d->splits[i].name, .path = part->path, .place = part->place, .end = d->splits[i].end};
    }
    d->num_splits = 0; /* splits of windows will stand in their place */
    s->items.cut = true;
    s->end_row = GR_NEW_ARRAY(d->arena, int64_t, s->num_ranges);
    for (int i = 0; i < s->num_ranges; i++) s->end_row[i] = s->ranges[i].end;
    return 0;
}

static int cut_windows(gr_data *d, series *s)
{
    int64_t stride = gr_source_attr(d, "stride")->i, need = s->window + s->horizon, begin = 0;
    s->start = GR_NEW_ARRAY(d->arena, int64_t, s->rows);
    for (int i = 0; i < s->num_ranges; begin = s->end_row[i++]) {
        if (s->end_row[i] - begin < need) {
            gr_source_fail_part(d, &s->ranges[i], "the split '%s' has %lld row%s; a window of %lld and %lld to predict take %lld",
                          s->ranges[i].split, (long long)(s->end_row[i] - begin), gr_s(s->end_row[i] - begin),
                          (long long)s->window, (long long)s->horizon, (long long)need);
            return -1;
        }
        for (int64_t row = begin; row + need <= s->end_row[i]; row += stride) s->start[s->items.count++] = row;
        s->ranges[i].end = s->items.count;
    }
    return 0;
}

/* Means are of all rows of the training part, not of its windows, which overlap. */
static int standardize(gr_data *d, series *s, matrix *m, const char *name)
{
    int train = 0;
    for (int i = 0; i < s->num_ranges; i++)
        if (!strcmp(s->ranges[i].split, "train")) train = i;
    m->scale = gr_scale_create(d, name, m->columns);
    if (!m->scale) return -1;
    for (int64_t row = train ? s->end_row[train - 1] : 0; row < s->end_row[train]; row++)
        for (int k = 0; k < m->columns; k++) gr_scale_learn(m->scale, k, m->raw[row * m->columns + k]);
    gr_scale_finish(d, m->scale);
    for (int64_t i = 0; i < s->rows * m->columns; i++)
        m->value[i] = (float)gr_scale_apply(m->scale, (int)(i % m->columns), m->raw[i]);
    return 0;
}

/* ---- opening ---- */

static const void *series_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const series *s = gr_source_state(d);
    const matrix *m = &s->part[field];
    const float *from = m->value + s->start[item] * m->columns;
    int64_t n = s->horizon * m->columns;
    if (field == INPUTS) return from;
    if (!s->each) return from + s->window * m->columns;
    for (int64_t k = 0; k < s->window; k++)
        memcpy((float *)scratch + k * n, from + (k + 1) * m->columns, (size_t)n * sizeof(float));
    return scratch;
}

static void add_fields(gr_data *d, series *s)
{
    gr_item_field *in = gr_items_field(&s->items, "inputs", GR_ITEM_FIXED, 0, GR_FLOAT32);
    gr_item_field *out = gr_items_field(&s->items, "targets", GR_ITEM_FIXED, 0, GR_FLOAT32);
    in->dim[in->rank++] = s->window;
    in->dim[in->rank++] = s->part[INPUTS].columns;
    if (s->each) out->dim[out->rank++] = s->window;
    out->dim[out->rank++] = s->horizon;
    if (s->part[TARGETS].columns > 1) out->dim[out->rank++] = s->part[TARGETS].columns;
    gr_items_squeeze(d, in);
    gr_items_squeeze(d, out);
}

static int known_facts(gr_data *d)
{
    int n = 0, std = 0;
    const double *mean = gr_source_kept(d, "targets_mean", &n);
    gr_scale s = {.columns = n, .mean = (double *)(uintptr_t)mean,
                  .std = (double *)(uintptr_t)gr_source_kept(d, "targets_std", &std)};
    gr_scale_tell(d, n > 0 && n == std ? &s : NULL);
    return gr_source_known_count(d, "features");
}

static int series_open(gr_data *d)
{
    gr_part *parts;
    series *s = GR_NEW(d->arena, series);
    int n = gr_source_paths(d, "path", "a csv file", &parts);
    gr_source_set_state(d, s);
    if (!n) return -1;
    if (gr_source_attr(d, "random_split")->i) {
        gr_source_fail(d, GR_AT_ATTR, "random_split", "a series is split in order of time; leave 'random_split' out");
        return -1;
    }
    if (gr_source_absent(d, parts, n) && known_facts(d)) return 1;
    s->tables = GR_NEW_ARRAY(d->arena, gr_table, n);
    s->window = gr_source_attr(d, "window")->i;
    s->horizon = gr_source_attr(d, "horizon")->i;
    s->each = gr_source_attr(d, "predict")->i;
    for (int i = 0; i < n; i++)
        if (gr_table_read(d, &parts[i], &s->tables[i])) return -1;
    if (gr_table_check_alike(d, s->tables, n) || choose_columns(d, s) || read_tables(d, s, parts, n)) return -1;
    if (cut_ranges(d, s, parts, n) || cut_windows(d, s)) return -1;
    if (standardize(d, s, &s->part[INPUTS], "inputs") || standardize(d, s, &s->part[TARGETS], "targets")) return -1;
    gr_scale_tell(d, s->part[TARGETS].scale);
    s->items.parts = s->ranges;
    s->items.num_parts = s->num_ranges;
    s->items.get = series_get;
    add_fields(d, s);
    return gr_source_open_items(d, &s->items);
}

static const gr_port series_fields[] = {
    {"inputs", 0, "float32 [batch, time, features]: a window"},
    {"targets", 0, "float32 [batch, ...]: the values that follow"},
    {NULL, 0, NULL},
};
static const gr_port series_facts[] = {
    {"features", 0, "columns of inputs"},
    {NULL, 0, NULL},
};

const gr_source gr_source_series = {
    GR_SOURCE_HEADER,
    .name = "Series",
    .summary = "Windows of a series in a csv file, and the values that follow; columns, target: names, numbers from 0, ranges \"0:4\".",
    .attrs = series_attrs,
    .fields = series_fields,
    .facts = series_facts,
    .keys = series_keys,
    .numbering = series_numbering,
    .open = series_open,
    .example =
        "# months.csv:\n"
        "#   month,passengers\n"
        "#   1,112\n"
        "#   2,118\n"
        "#   3,132\n"
        "#   4,129\n"
        "#   5,121\n"
        "#   6,135\n"
        "#   7,148\n"
        "vars: {window: 3, batch: 4}\n"
        "data: {op: Series, path: months.csv, columns: passengers, window: $window, standardize: zscore}\n"
        "graph:\n"
        "  months: {op: Input, shape: [$window, batch, 1], from: data.inputs}\n"
        "  next: {op: Input, shape: [batch, 1], from: data.targets}\n"
        "  last: {op: Select, in: months, dim: 0, index: -1}\n"
        "  loss: {op: MSELoss, in: {input: last, target: next}}   # of guessing that nothing changes\n",
};
