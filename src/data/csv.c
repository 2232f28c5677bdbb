/* csv.c - Csv: the rows of a table, each an item.
 *
 *     features   float32 [batch, features]   the chosen columns; then, for each column of `one_hot`, a 1
 *                                            in the place of its word, of the words in order, and else 0
 *     targets    float32 [batch, columns]    numbers to predict (an Input of one axis: [batch])
 *     labels     int32 [batch]               the class, a word or a number */
#include "data/items.h"
#include "data/lexicon.h"
#include "data/scale.h"
#include "data/table.h"

#include <string.h>

static const gr_attr_spec csv_attrs[] = {
    GR_ITEM_ATTRS("true", "false"),
    GR_TABLE_ATTRS,
    GR_SCALE_ATTRS,
    {"features", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many columns are features, where no file is at hand"},
    {"classes", GR_ATTR_INT, "~", 1, 1e9, NULL, "how many classes `label` has, where no file is at hand"},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};
static const char *const csv_keys[] = {"path", "split", "columns", "target", "label", "one_hot", NULL};
static const char *const csv_numbering[] = {"standardize", "missing", NULL};

enum { FEATURES, TARGETS, LABELS, ONE_HOT, KINDS };

typedef struct csv_source {
    gr_items items;
    gr_table *tables;
    int *column[KINDS]; int columns[KINDS];
    double *raw;         /* features that are numbers, as the file has them: [items][columns] */
    int32_t **word;      /* by column of one_hot: [items], the word's number; -1: missing */
    int *words;          /* likewise: how many */
    int features;        /* in all */
    float *value[2];     /* FEATURES, TARGETS: [items][columns] */
    int32_t *label;      /* [items] */
    int kind[KINDS];     /* of each field */
} csv_source;

/* ---- columns ---- */

static bool names(const csv_source *s, int kind, int column)
{
    for (int i = 0; i < s->columns[kind]; i++)
        if (s->column[kind][i] == column) return true;
    return false;
}

static bool taken(const csv_source *s, int column)
{
    for (int k = TARGETS; k < KINDS; k++)
        if (names(s, k, column)) return true;
    return false;
}

/* A column of `one_hot` is a feature whether `columns` names it or not. */
static void leave_to_one_hot(csv_source *s)
{
    int kept = 0;
    for (int i = 0; i < s->columns[FEATURES]; i++)
        if (!names(s, ONE_HOT, s->column[FEATURES][i])) s->column[FEATURES][kept++] = s->column[FEATURES][i];
    s->columns[FEATURES] = kept;
}

static int choose_columns(gr_data *d, csv_source *s)
{
    static const char *const keys[KINDS] = {"columns", "target", "label", "one_hot"};
    for (int k = 0; k < KINDS; k++) {
        gr_doc *doc = gr_doc_get(d->section, keys[k]);
        if (doc && (s->columns[k] = gr_table_columns(d, &s->tables[0], doc, &s->column[k])) < 0) return -1;
        if (k != LABELS || s->columns[k] <= 1) continue;
        gr_diag_error(d->diag, doc->at, "'label' is one column; this names %d", s->columns[k]);
        return -1;
    }
    leave_to_one_hot(s);
    if (s->column[FEATURES]) return 0;
    s->column[FEATURES] = GR_NEW_ARRAY(d->arena, int, s->tables[0].csv.columns);
    for (int i = 0; i < s->tables[0].csv.columns; i++)
        if (!taken(s, i)) s->column[FEATURES][s->columns[FEATURES]++] = i;
    if (s->columns[FEATURES] || s->columns[ONE_HOT]) return 0;
    gr_source_fail(d, GR_AT_NODE, NULL, "no column is left to be a feature");
    return -1;
}

/* ---- rows ---- */

static int read_row(gr_data *d, csv_source *s, const gr_table *t, int64_t row, int64_t item)
{
    for (int i = 0; i < s->columns[FEATURES]; i++)
        if (gr_table_number(d, t, row, s->column[FEATURES][i], &s->raw[item * s->columns[FEATURES] + i])) return -1;
    for (int i = 0; i < s->columns[TARGETS]; i++) {
        double x;
        if (gr_table_number(d, t, row, s->column[TARGETS][i], &x)) return -1;
        s->value[TARGETS][item * s->columns[TARGETS] + i] = (float)x;
    }
    return 0;
}

static int read_rows(gr_data *d, csv_source *s, gr_part *parts, int num_parts)
{
    gr_items *x = &s->items;
    for (int p = 0; p < num_parts; p++) parts[p].end = x->count += s->tables[p].csv.rows;
    s->raw = GR_NEW_ARRAY(d->arena, double, x->count * s->columns[FEATURES]);
    s->value[TARGETS] = GR_NEW_ARRAY(d->arena, float, x->count * s->columns[TARGETS]);
    for (int64_t p = 0, item = 0; p < num_parts; p++)
        for (int64_t row = 0; row < s->tables[p].csv.rows; row++, item++)
            if (read_row(d, s, &s->tables[p], row, item)) return -1;
    return 0;
}

/* The words of a column, of all files, so that each is known whatever the split. number: by item; -1 where
 * a cell is missing and that is no mistake. */
static const gr_vocab *read_words(gr_data *d, csv_source *s, int num_parts, int column, const char *name, bool missing, int32_t *number)
{
    gr_lexicon *x = gr_lexicon_create(d->arena);
    int32_t *known, *to = number;
    for (int p = 0; p < num_parts; p++)
        for (int64_t row = 0; row < s->tables[p].csv.rows; row++) {
            const char *cell = gr_table_cell(&s->tables[p], row, column);
            *to++ = *cell ? gr_lexicon_add(x, cell, strlen(cell), true) : -1;
            if (*cell || missing) continue;
            gr_source_fail_part(d, s->tables[p].part, "%s: the class is missing", gr_table_place(d, &s->tables[p], row, column));
            return NULL;
        }
    const gr_vocab *v = gr_lexicon_classes(d, name, x, &known);
    to = number;
    for (int p = 0; v && p < num_parts; p++)
        for (int64_t row = 0; row < s->tables[p].csv.rows; row++, to++) {
            if (*to < 0 || (*to = known[*to]) >= 0) continue;
            gr_source_fail_part(d, s->tables[p].part, "%s: '%s' is no class of the weights",
                                gr_table_place(d, &s->tables[p], row, column), gr_table_cell(&s->tables[p], row, column));
            return NULL;
        }
    return v;
}

static int read_labels(gr_data *d, csv_source *s, int num_parts)
{
    s->label = GR_NEW_ARRAY(d->arena, int32_t, s->items.count);
    const gr_vocab *v = read_words(d, s, num_parts, s->column[LABELS][0], "classes", false, s->label);
    if (v) gr_source_add_text(d, "labels", v, false, false);
    return v ? 0 : -1;
}

/* After the labels, whose vocabulary is the first then. */
static int read_one_hot(gr_data *d, csv_source *s, int num_parts)
{
    bool missing = gr_source_attr(d, "missing")->present;
    s->word = GR_NEW_ARRAY(d->arena, int32_t *, s->columns[ONE_HOT]);
    s->words = GR_NEW_ARRAY(d->arena, int, s->columns[ONE_HOT]);
    s->features = s->columns[FEATURES];
    for (int i = 0; i < s->columns[ONE_HOT]; i++) {
        int column = s->column[ONE_HOT][i];
        const char *name = s->tables[0].csv.header ? gr_arena_printf(d->arena, "one_hot:%s", s->tables[0].csv.header[column])
                                                   : gr_arena_printf(d->arena, "one_hot:%d", column);
        s->word[i] = GR_NEW_ARRAY(d->arena, int32_t, s->items.count);
        const gr_vocab *v = read_words(d, s, num_parts, column, name, missing, s->word[i]);
        if (!v) return -1;
        s->features += s->words[i] = v->count;
    }
    return gr_source_count(d, "features", s->features);
}

static int standardize(gr_data *d, csv_source *s)
{
    const gr_items *x = &s->items;
    int n = s->columns[FEATURES];
    gr_scale *scale = gr_scale_create(d, "features", n);
    if (!scale) return -1;
    int64_t num_train;
    const int64_t *train = gr_source_items_of(d, NULL, &num_train);
    for (int64_t i = 0; i < num_train; i++)
        for (int k = 0; k < n; k++) gr_scale_learn(scale, k, s->raw[train[i] * n + k]);
    gr_scale_finish(d, scale);
    s->value[FEATURES] = GR_NEW_ARRAY(d->arena, float, x->count * s->features);
    for (int64_t i = 0; i < x->count; i++) {
        float *to = s->value[FEATURES] + i * s->features;
        for (int k = 0; k < n; k++) *to++ = (float)gr_scale_apply(scale, k, s->raw[i * n + k]);
        for (int k = 0; k < s->columns[ONE_HOT]; to += s->words[k++])
            if (s->word[k][i] >= 0) to[s->word[k][i]] = 1;
    }
    return 0;
}

/* ---- opening ---- */

static const void *csv_get(gr_data *d, int64_t item, int field, void *scratch)
{
    const csv_source *s = gr_source_state(d);
    int kind = s->kind[field];
    (void)scratch;
    if (kind == LABELS) return s->label + item;
    return s->value[kind] + item * (kind == FEATURES ? s->features : s->columns[kind]);
}

static void add_fields(gr_data *d, csv_source *s)
{
    static const char *const names[ONE_HOT] = {"features", "targets", "labels"};
    gr_items *x = &s->items;
    for (int k = 0; k < ONE_HOT; k++) {
        int columns = k == FEATURES ? s->features : s->columns[k];
        if (!columns) continue;
        s->kind[x->num_fields] = k;
        gr_item_field *f = gr_items_field(x, names[k], GR_ITEM_FIXED, 0, k == LABELS ? GR_INT32 : GR_FLOAT32);
        if (k == LABELS) continue;
        f->dim[f->rank++] = columns;
        if (k == TARGETS) gr_items_squeeze(d, f);
    }
}

/* What is known without a file; false: nothing. */
static bool known_facts(gr_data *d)
{
    bool features = gr_source_known_count(d, "features");
    gr_vocab *classes = gr_vocab_of_weights(d, "classes");
    return gr_data_add_vocab(d, "classes", classes) == 0 && (features || classes || gr_source_attr(d, "classes")->present);
}

static int csv_open(gr_data *d)
{
    gr_part *parts;
    csv_source *s = GR_NEW(d->arena, csv_source);
    int n = gr_source_paths(d, "path", "a csv file", &parts);
    gr_source_set_state(d, s);
    if (!n) return -1;
    if (gr_source_absent(d, parts, n) && known_facts(d)) return 1;
    s->tables = GR_NEW_ARRAY(d->arena, gr_table, n);
    for (int i = 0; i < n; i++)
        if (gr_table_read(d, &parts[i], &s->tables[i])) return -1;
    if (gr_table_check_alike(d, s->tables, n) || choose_columns(d, s)) return -1;
    if (read_rows(d, s, parts, n) || (s->columns[LABELS] && read_labels(d, s, n)) || read_one_hot(d, s, n)) return -1;
    s->items.parts = parts;
    s->items.num_parts = n;
    s->items.get = csv_get;
    add_fields(d, s);
    return gr_source_open_items(d, &s->items) < 0 ? -1 : standardize(d, s);
}

static const gr_port csv_fields[] = {
    {"features", 0, "float32 [batch, features]: the columns that are read"},
    {"targets", GR_PORT_OPTIONAL, "float32 [batch, ...]: the columns of `target`"},
    {"labels", GR_PORT_OPTIONAL, "int32 [batch]: the classes of the column `label`"},
    {NULL, 0, NULL},
};
static const gr_port csv_facts[] = {
    {"features", 0, "how many columns are read"},
    {"classes", 0, "how many classes there are"},
    {NULL, 0, NULL},
};

const gr_source gr_source_csv = {
    GR_SOURCE_HEADER,
    .name = "Csv", .reference = "RFC 4180",
    .summary = "The rows of a table: features, and targets (numbers) or labels (classes); columns, target, label, one_hot (of words, "
               "each word a feature): names, numbers from 0 (-1: the last), ranges \"0:64\", or lists of these.",
    .attrs = csv_attrs,
    .fields = csv_fields,
    .facts = csv_facts,
    .keys = csv_keys,
    .numbering = csv_numbering,
    .open = csv_open,
    .example =
        "# flowers.csv:\n"
        "#   petal,sepal,kind\n"
        "#   1.4,5.1,setosa\n"
        "#   4.7,7.0,versicolor\n"
        "#   1.3,4.9,setosa\n"
        "#   4.5,6.4,versicolor\n"
        "vars: {batch: 4}\n"
        "data: {op: Csv, path: flowers.csv, label: kind, standardize: zscore}\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, $data.features], from: data.features}\n"
        "  y: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
        "  logits: {op: Linear, in: x, out_features: $data.classes}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: y}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.01}, steps: 3}\n"
        "metrics: [accuracy]\n",
};
