/* init_table.c - starter models for tables: a class or a number by the other columns, the class of a text, or a series
 * that goes on. */
#include "init.h"
#include "base/count.h"
#include "base/map.h"
#include "io/csv.h"
#include "io/number.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { LEAST_ROWS = 8, LEAST_STEPS = 20, FEW_TEXTS = 50 };

typedef struct column {
    bool number;       /* every cell that is not missing is one */
    bool whole;        /* and a whole one */
    bool counts;       /* each one more than the one before: a row's number says nothing about it */
    int64_t missing, different;
    init_spread spread;
} column;

typedef struct table {
    gr_csv csv;
    column *column;
    int target;
    char delimiter;
} table;

/* ---- looking at it ---- */

static const char *cell(const table *t, int64_t row, int k) { return t->csv.cell[row * t->csv.columns + k]; }

static void look_at(gr_arena *a, table *t, int k)
{
    column *c = &t->column[k];
    gr_map *seen = gr_map_create(a);
    double *v = GR_NEW_ARRAY(a, double, t->csv.rows);
    *c = (column){.number = true, .whole = true, .counts = t->csv.rows > 1};
    for (int64_t i = 0; i < t->csv.rows; i++) {
        gr_number is = gr_number_read(cell(t, i, k), &v[i]);
        c->missing += is == GR_NUMBER_MISSING;
        c->number = c->number && is != GR_NUMBER_NOT;
        c->whole = c->whole && is == GR_NUMBER_READ && v[i] == floor(v[i]);
        c->counts = c->counts && c->whole && (i == 0 || v[i] == v[i - 1] + 1);
        if (is != GR_NUMBER_MISSING && !gr_map_get(seen, cell(t, i, k))) gr_map_set(seen, cell(t, i, k), a), c->different++;
    }
    if (c->number && c->missing < t->csv.rows) c->spread = init_spread_of(v, t->csv.rows, 1);
    else c->number = false;
}

static bool is_labelled_text(const init *x, table *t);

bool init_is_table(gr_arena *a, const char *text, size_t length, char *delimiter)
{
    for (const char *d = ",;\t"; *d; d++) {
        size_t line = strcspn(text, "\n");
        gr_error e = {0};
        table t = {.delimiter = *d};
        if (!memchr(text, *d, line) || gr_csv_parse(a, "", text, length, *d, GR_CSV_HEADER_AUTO, &t.csv, &e)) continue;
        if (t.csv.columns < 2 || t.csv.rows < 2) continue;
        t.column = GR_NEW_ARRAY(a, column, t.csv.columns);
        for (int k = 0; k < t.csv.columns; k++) {
            look_at(a, &t, k);
            *delimiter = *d;
            if (t.column[k].number) return true;
        }
        t.target = t.csv.columns - 1;
        if (*d == '\t' && is_labelled_text(&(init){0}, &t)) return true;
    }
    return false;
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(name, *list) == 0) return true;
    return false;
}

/* A column by name, or by number from 0; -1: there is none. */
static int find_column(const table *t, const char *name)
{
    double number;
    int k = t->csv.header ? gr_csv_find(&t->csv, name) : -1;
    if (k >= 0 || gr_number_read(name, &number) != GR_NUMBER_READ || number != floor(number)) return k;
    if (number < 0) number += t->csv.columns;
    return number >= 0 && number < t->csv.columns ? (int)number : -1;
}

static int choose_target(const init *x, table *t, gr_error *e)
{
    static const char *const usual[] = {"target", "label", "class", "y", "kind", "species", "category", "outcome", NULL};
    t->target = t->csv.columns - 1;
    for (int k = 0; !x->target && t->csv.header && k < t->csv.columns; k++)
        if (is_one_of(t->csv.header[k], usual)) t->target = k;
    if (!x->target || (t->target = find_column(t, x->target)) >= 0) return 0;
    const char *list = "";
    for (int k = 0; t->csv.header && k < t->csv.columns; k++)
        list = gr_arena_printf(x->arena, "%s%s%s", list, k ? ", " : "; it has: ", t->csv.header[k]);
    return gr_set_error(e, GR_EINVAL, "%s has no column '%s'%s", x->path, x->target, *list ? list : gr_arena_printf(x->arena,
                        "; it has %d, without names, counted from 0", t->csv.columns));
}

/* A first column that says when, or no other column at all. */
static bool is_series(const table *t)
{
    static const char *const times[] = {"time", "date", "datetime", "timestamp", "month", "year", "day", "week", "hour", "step", "t", NULL};
    if (t->csv.rows < LEAST_STEPS || !t->column[t->target].number) return false;
    if (t->csv.columns == 1) return true;
    if (t->target == 0) return false;
    if (t->csv.header && is_one_of(t->csv.header[0], times)) return true;
    const char *first = cell(t, 0, 0), *last = cell(t, t->csv.rows - 1, 0);
    bool dates = first[0] >= '0' && first[0] <= '9' && strpbrk(first, "-/:") && strpbrk(last, "-/:");
    return dates && !t->column[0].number;
}

static bool is_class(const table *t)
{
    const column *c = &t->column[t->target];
    return !c->number || (c->whole && c->different <= 20 && t->csv.rows >= 5 * c->different);
}

/* ---- writing it ---- */

static const char *column_name(const init *x, const table *t, int k)
{
    bool alone = t->csv.header && gr_csv_find(&t->csv, t->csv.header[k]) == k;
    return alone ? init_yaml(x->arena, t->csv.header[k]) : gr_arena_printf(x->arena, "%d", k);
}

/* The columns of numbers but the target, the row's number and, of a series, the time; and which are left out. */
static const char *features(const init *x, const table *t, bool series, int *count, const char **left)
{
    const char *list = "";
    bool others = false; /* there are columns besides that only count */
    for (int k = 0; k < t->csv.columns; k++) others = others || (k != t->target && t->column[k].number && !t->column[k].counts);
    *count = 0;
    *left = "";
    for (int k = 0; k < t->csv.columns; k++) {
        if (!series && k == t->target) continue;
        if (series && k == 0 && t->csv.columns > 1) continue;
        if (t->column[k].number && (series || !others || !t->column[k].counts)) list = gr_arena_printf(x->arena, "%s%s%s", list, (*count)++ ? ", " : "", column_name(x, t, k));
        else *left = gr_arena_printf(x->arena, "%s%s%s", *left, **left ? ", " : "", column_name(x, t, k));
    }
    return gr_arena_printf(x->arena, "[%s]", list);
}

/* What stands for missing numbers; NULL: none is missing. */
static const char *replacement(const init *x, const table *t)
{
    double sum = 0;
    int n = 0;
    for (int k = 0; k < t->csv.columns; k++)
        if (t->column[k].number && t->column[k].missing && k != t->target) sum += t->column[k].spread.mean, n++;
    return n ? init_number(x->arena, sum / n) : NULL;
}

static void write_source(init *x, const table *t, bool series, const char *columns, const char *left)
{
    const char *missing = replacement(x, t);
    x->left = left;
    for (int k = 0; k < t->csv.columns && !series && !x->few; k++) {
        const column *c = &t->column[k];
        if (k != t->target && !c->number && c->different <= FEW_TEXTS && c->different <= t->csv.rows / 2) x->few = column_name(x, t, k);
    }
    fprintf(x->to, "data:\n  op: %s\n  path: %s\n", series ? "Series" : "Csv", x->written);
    if (t->delimiter != ',') fprintf(x->to, "  delimiter: %s\n", t->delimiter == '\t' ? "tab" : "\";\"");
    if (series || *left) fprintf(x->to, "  columns: %s%s%s\n", columns, *left ? "   # left out, texts and row numbers: " : "", left);
    fprintf(x->to, "  standardize: zscore   # mean 0 and deviation 1 for each column\n");
    if (missing) fprintf(x->to, "  missing: %s   # stands for what is empty: the mean\n", missing);
}

/* Which of the inputs the target is: of the columns of numbers but the time. */
static int place_of(const table *t)
{
    int n = 0;
    for (int k = t->csv.columns > 1; k < t->target; k++) n += t->column[k].number;
    return n;
}

static int write_series(init *x, const table *t, gr_error *e)
{
    int count;
    const char *left, *columns = features(x, t, true, &count, &left);
    int64_t rows = t->csv.rows, window = init_power(rows / 8, 32), batch = init_power(rows / 16, 32), hidden = rows < 1000 ? 32 : 64;
    if (t->column[t->target].missing)
        return gr_set_error(e, GR_EINVAL, "%s: values of the series are missing, %lld in all: fill them in first", x->path, (long long)t->column[t->target].missing);
    x->found = gr_arena_printf(x->arena, "a series of %s steps, %d value%s a step; predicts %s", init_count(x->arena, rows), count,
                               gr_s(count), column_name(x, t, t->target));
    init_head(x, "An LSTM predicts the next value of a series from those before.");
    fprintf(x->to, "vars:                # change one for a run: --set window=%lld\n  window: %-10lld # steps that it looks back\n", (long long)window * 2,
            (long long)window);
    fprintf(x->to, "  batch: %-11lld # windows at a time\n  hidden: %lld\n\n", (long long)batch, (long long)hidden);
    write_source(x, t, true, columns, left);
    fprintf(x->to, "  target: %s\n  window: $window\n  split: {train: 0.8, valid: 0.2}   # the end of the series is kept for validation\n\n",
            column_name(x, t, t->target));
    fprintf(x->to,
            "graph:\n"
            "  past:      {op: Input, shape: [$window, batch, $data.features], from: data.inputs}\n"
            "  next:      {op: Input, shape: [batch, 1], from: data.targets}\n"
            "  rnn:       {op: LSTM, in: past, hidden_size: $hidden}   # or GRU, RNN\n"
            "  last:      {op: Select, in: rnn.output, dim: 0, index: -1}\n"
            "  change:    {op: Linear, in: last, out_features: 1}\n"
            "  values:    {op: Select, in: past, dim: 0, index: -1}           # of the last step\n"
            "  present:   {op: Slice, in: values, dim: 1, start: %d, stop: %d}   # the one that is predicted\n"
            "  predicted: {op: Add, in: [present, change]}\n"
            "  loss:      {op: MSELoss, in: {input: predicted, target: next}}\n"
            "  # in the units of the file, for the metric:\n"
            "  std:       {op: Constant, value: $data.std}   # of the training part\n"
            "  error:     {op: Mul, in: [predicted, std]}\n"
            "  truth:     {op: Mul, in: [next, std]}\n\n",
            place_of(t), place_of(t) + 1);
    init_train(x, "0.005", init_epochs(rows * 8 / 10 / batch, 800), "  keep: best            # the weights of the best validation\n");
    fprintf(x->to, "metrics:\n  - {op: RMSE, in: {input: error, target: truth}}\n");
    return 0;
}

/* What a table of rows needs to be one. */
static int check_rows(const init *x, const table *t, int count, gr_error *e)
{
    const column *c = &t->column[t->target];
    const char *name = column_name(x, t, t->target);
    if (!count) return gr_set_error(e, GR_EINVAL, "%s: no column but %s, which is to be predicted, holds numbers", x->path, name);
    if (c->missing)
        return gr_set_error(e, GR_EINVAL, "%s: column %s is to be predicted, but is empty in %lld row%s: leave these out, or name another with --target",
                            x->path, name, (long long)c->missing, gr_s(c->missing));
    if (!c->number && c->different > t->csv.rows / 2)
        return gr_set_error(e, GR_EINVAL, "%s: column %s holds %lld different texts in %lld rows, too many for classes: name another with --target",
                            x->path, name, (long long)c->different, (long long)t->csv.rows);
    if (c->different < 2)
        return gr_set_error(e, GR_EINVAL, "%s: column %s is the same in every row, so there is nothing to predict: name another with --target", x->path, name);
    return 0;
}

static void write_layers(const init *x, const char *outputs)
{
    fprintf(x->to,
            "graph:\n"
            "  features: {op: Input, shape: [batch, $data.features], from: data.features}\n"
            "  hidden1:  {op: Linear, in: features, out_features: $hidden}\n"
            "  active1:  {op: ReLU, in: hidden1}\n"
            "  hidden2:  {op: Linear, in: active1, out_features: $hidden}\n"
            "  active2:  {op: ReLU, in: hidden2}\n"
            "%s\n", outputs);
}

static const char *regression(const init *x, const init_spread *s)
{
    return gr_arena_printf(x->arena,
                           "  scaled:    {op: Linear, in: active2, out_features: 1}\n"
                           "  mean:      {op: Constant, value: %s}   # of the column in the file\n"
                           "  std:       {op: Constant, value: %s}\n"
                           "  spread:    {op: Mul, in: [scaled, std]}\n"
                           "  predicted: {op: Add, in: [spread, mean]}\n"
                           "  target:    {op: Input, shape: [batch, 1], from: data.targets}\n"
                           "  apart:     {op: Sub, in: [target, mean]}\n"
                           "  goal:      {op: Div, in: [apart, std]}\n"
                           "  loss:      {op: MSELoss, in: {input: scaled, target: goal}}\n",
                           init_number(x->arena, s->mean), init_number(x->arena, s->std));
}

static int write_rows(init *x, const table *t, gr_error *e)
{
    int count;
    bool classes = is_class(t);
    const char *left, *columns = features(x, t, false, &count, &left), *target = column_name(x, t, t->target);
    int64_t rows = t->csv.rows, batch = init_power(rows / 8, 64), hidden = rows < 1000 ? 32 : rows < 20000 ? 64 : 128;
    if (check_rows(x, t, count, e)) return e->status;
    x->found = classes ? gr_arena_printf(x->arena, "a table of %s rows, %d column%s of numbers; predicts %s, one of %lld classes", init_count(x->arena, rows),
                                         count, gr_s(count), target, (long long)t->column[t->target].different)
                       : gr_arena_printf(x->arena, "a table of %s rows, %d column%s of numbers; predicts %s, a number", init_count(x->arena, rows), count, gr_s(count),
                                         target);
    init_head(x, classes ? "A network of two hidden layers tells the class of a row." : "A network of two hidden layers predicts a number for each row.");
    fprintf(x->to, "vars:                # change one for a run: --set hidden=%lld\n  batch: %-11lld # rows at a time\n  hidden: %lld\n\n",
            (long long)hidden * 2, (long long)batch, (long long)hidden);
    write_source(x, t, false, columns, left);
    fprintf(x->to, "  %s: %s\n", classes ? "label" : "target", target);
    fprintf(x->to, "  split: {train: 0.8, valid: 0.2}\n  random_split: true    # rows are dealt out by chance, always the same\n\n");
    write_layers(x, classes ? "  logits:   {op: Linear, in: active2, out_features: $data.classes}\n"
                              "  label:    {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
                              "  loss:     {op: CrossEntropyLoss, in: {input: logits, target: label}}\n"
                            : regression(x, &t->column[t->target].spread));
    init_train(x, "0.005", init_epochs(rows * 8 / 10 / batch, 1000), "  keep: best            # the weights of the best validation\n");
    fputs(classes ? "metrics: [accuracy]\n" : "metrics:\n  - {op: RMSE, in: {input: predicted, target: target}}\n", x->to);
    return 0;
}

/* ---- texts with a class ---- */

/* A column of texts that hardly ever repeat; -1: there is none. */
static int text_column(const table *t)
{
    for (int k = 0; k < t->csv.columns; k++)
        if (!t->column[k].number && t->column[k].different > t->csv.rows / 2) return k;
    return -1;
}

/* No numbers but texts, and a class for each. Where the last column is the text, another may be the class. */
static bool is_labelled_text(const init *x, table *t)
{
    int text = text_column(t), count = 0, classes = -1;
    for (int k = 0; k < t->csv.columns; k++) {
        const column *c = &t->column[k];
        bool few = c->different >= 2 && c->different <= FEW_TEXTS && c->different <= t->csv.rows / 2 && !c->missing;
        if (few && k != text) classes = k;
        count += c->number && !c->counts && k != t->target;
    }
    if (text < 0 || classes < 0 || (count && t->target != text)) return false;
    if (t->target == text && !x->target) t->target = classes;
    return t->target != text && t->column[t->target].different <= t->csv.rows / 2;
}

static int write_labelled_text(init *x, const table *t, gr_error *e)
{
    int64_t rows = t->csv.rows, batch = init_power(rows / 8, 32), hidden = rows < 1000 ? 32 : 64;
    for (int64_t i = 0; i < rows * t->csv.columns; i++)
        if (strpbrk(t->csv.cell[i], "\"\n") || strchr(t->csv.cell[i], t->delimiter))
            return gr_set_error(e, GR_EINVAL, "%s has texts between quotes, which the data source of labelled texts does not read: write it with tabs between "
                                "the columns and without quotes", x->path);
    x->found = gr_arena_printf(x->arena, "%s texts; predicts %s, one of %lld classes", init_count(x->arena, rows), column_name(x, t, t->target),
                               (long long)t->column[t->target].different);
    init_head(x, "A GRU in both directions reads a text and tells its class.");
    fprintf(x->to, "vars:                # change one for a run: --set hidden=%lld\n  batch: %-11lld # texts at a time\n  hidden: %lld\n\n",
            (long long)hidden * 2, (long long)batch, (long long)hidden);
    fprintf(x->to,
            "data:\n  op: LabelledText\n  path: %s\n  separator: %s\n  label: %d            # columns, from 0\n  text: %d\n%s"
            "  unit: word          # or character\n  lower: true\n  bucket: 10          # batches of texts of like lengths\n"
            "  split: {train: 0.8, valid: 0.2}\n\n",
            x->written, t->delimiter == '\t' ? "tab" : t->delimiter == ';' ? "semicolon" : "comma", t->target, text_column(t),
            t->csv.header ? "  skip: 1             # the header\n" : "");
    fprintf(x->to,
            "graph:\n"
            "  tokens:  {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
            "  lengths: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n"
            "  label:   {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
            "  words:   {op: Embedding, in: tokens, num_embeddings: $data.vocab, embedding_dim: $hidden}\n"
            "  rnn:     {op: GRU, in: words, hidden_size: $hidden, bidirectional: true, lengths: lengths}\n"
            "  there:   {op: Select, in: rnn.h_n, dim: 0, index: 0}\n"
            "  back:    {op: Select, in: rnn.h_n, dim: 0, index: 1}\n"
            "  both:    {op: Concat, in: [there, back], dim: -1}\n"
            "  drop:    {op: Dropout, in: both, p: 0.3}\n"
            "  logits:  {op: Linear, in: drop, out_features: $data.classes}\n"
            "  loss:    {op: CrossEntropyLoss, in: {input: logits, target: label}}\n\n");
    init_train(x, "0.005", init_epochs(rows * 8 / 10 / batch, 600), "  keep: best            # the weights of the best validation\n");
    fputs("metrics: [accuracy]\n", x->to);
    return 0;
}

int init_table(init *x, const char *text, size_t length, char delimiter, gr_error *e)
{
    table t = {.delimiter = delimiter};
    if (gr_csv_parse(x->arena, x->path, text, length, delimiter, GR_CSV_HEADER_AUTO, &t.csv, e)) return e->status;
    if (t.csv.rows < LEAST_ROWS)
        return gr_set_error(e, GR_EINVAL, "%s has %lld row%s%s; a model needs %d or more to learn anything", x->path, (long long)t.csv.rows,
                            gr_s(t.csv.rows), t.csv.header ? " below its header" : "", LEAST_ROWS);
    t.column = GR_NEW_ARRAY(x->arena, column, t.csv.columns);
    for (int k = 0; k < t.csv.columns; k++) look_at(x->arena, &t, k);
    if (choose_target(x, &t, e)) return e->status;
    if (is_labelled_text(x, &t)) return write_labelled_text(x, &t, e);
    return is_series(&t) ? write_series(x, &t, e) : write_rows(x, &t, e);
}
