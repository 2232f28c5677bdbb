/* init_array.c - starter models for arrays, .npy files or members of .npz archives: what the axes mean is told
 * by their number and the dtype.
 *
 *     [n]          one series: floats, or items of a vocabulary; the next one is predicted
 *     [n, d]       floats: a table whose last column is predicted; integers: n sequences
 *     [n, t, d]    n series of t steps: the next step is predicted
 *     with --target FILE.npy, [n] or [n, 1]: what belongs to each of n examples, classes if integers */
#include "init.h"
#include "base/count.h"
#include "base/tensor.h"
#include "io/npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 8, LEAST_STEPS = 40, MOST_ITEMS = 65536 };

typedef struct array {
    gr_tensor t;
    double *value;
    int64_t n, different; /* elements; if they are items: one more than the largest */
    bool items;           /* integers from 0 on */
} array;

static int read_array(init *x, const char *path, array *to, gr_error *e)
{
    if (gr_npy_read(x->arena, path, &to->t, e)) return e->status;
    const int64_t n = to->n = gr_tensor_numel(&to->t);
    if (to->t.rank < 1 || to->t.rank > 3)
        return gr_set_error(e, GR_EINVAL, "%s has %d axes; there are starter models for arrays of 1 to 3: [n], [n, columns], [n, steps, values]", path, to->t.rank);
    to->value = GR_NEW_ARRAY(x->arena, double, n);
    to->items = to->t.dtype == GR_INT32;
    for (int64_t i = 0; i < n; i++) {
        const double v = gr_element(to->t.data, to->t.dtype, i);
        if (!isfinite(v)) return gr_set_error(e, GR_EINVAL, "%s: element %lld is not a finite number: fill in or leave out what is missing", path, (long long)i);
        to->value[i] = v;
        to->items = to->items && v >= 0 && v < MOST_ITEMS;
        if (v + 1 > (double)to->different) to->different = (int64_t)v + 1;
    }
    return 0;
}

static const char *dtype_of(const array *a) { return a->t.dtype == GR_INT32 ? ", dtype: int32" : a->t.dtype == GR_BOOL ? ", dtype: bool" : ""; }

/* "[10, 3]" */
static const char *dims(const init *x, const array *a)
{
    const char *text = "[";
    for (int k = 0; k < a->t.rank; k++) text = gr_arena_printf(x->arena, "%s%s%lld", text, k ? ", " : "", (long long)a->t.dim[k]);
    return gr_arena_printf(x->arena, "%s]", text);
}

static int64_t hidden_for(int64_t n) { return n < 10000 ? 32 : n < 200000 ? 64 : 128; }

/* ---- predicting what comes next ---- */

/* Of [batch, steps] items. */
static void next_item(const init *x, const array *a)
{
    fprintf(x->to,
            "  now:       {op: Slice, in: rows, dim: 1, stop: -1}\n"
            "  next:      {op: Slice, in: rows, dim: 1, start: 1}\n"
            "  vectors:   {op: Embedding, in: now, num_embeddings: %lld, embedding_dim: $hidden}\n"
            "  rnn:       {op: LSTM, in: vectors, hidden_size: $hidden, batch_first: true}   # or GRU, RNN\n"
            "  logits:    {op: Linear, in: rnn.output, out_features: %lld}\n"
            "  loss:      {op: CrossEntropyLoss, in: {input: logits, target: next}}\n\n",
            (long long)a->different, (long long)a->different);
}

/* Of [batch, steps, width] numbers. */
static void next_numbers(const init *x, const array *a, int64_t width, const char *values)
{
    const init_spread s = init_spread_of(a->value, a->n, 1);
    fprintf(x->to,
            "  mean:      {op: Constant, value: %s}   # of all numbers\n"
            "  std:       {op: Constant, value: %s}\n"
            "  apart:     {op: Sub, in: [%s, mean]}\n"
            "  scaled:    {op: Div, in: [apart, std]}\n"
            "  now:       {op: Slice, in: scaled, dim: 1, stop: -1}\n"
            "  next:      {op: Slice, in: scaled, dim: 1, start: 1}\n"
            "  rnn:       {op: LSTM, in: now, hidden_size: $hidden, batch_first: true}   # or GRU, RNN\n"
            "  predicted: {op: Linear, in: rnn.output, out_features: %lld}\n"
            "  loss:      {op: MSELoss, in: {input: predicted, target: next}}\n\n",
            init_number(x->arena, s.mean), init_number(x->arena, s.std), values, (long long)width);
}

static const char *as_floats(const init *x, const array *a, const char *name)
{
    if (a->t.dtype != GR_FLOAT32 && a->t.dtype != GR_FLOAT64) fprintf(x->to, "  numbers:   {op: Cast, in: %s, dtype: float32}\n", name);
    else return name;
    return "numbers";
}

static void end_next(const init *x, const array *a, int64_t steps_per_epoch, bool valid)
{
    init_train(x, "0.005", init_epochs(steps_per_epoch, 800), valid ? "  keep: best            # the weights of the best validation\n" : "");
    if (a->items) fprintf(x->to, "metrics: [perplexity, accuracy]\n");
}

/* One series: the examples of the source are its numbers, a batch some windows one after another. */
static int write_series(init *x, const array *a, gr_error *e)
{
    int64_t n = a->t.dim[0], window = init_power(n / 10, 32), row = window + 1, rows = n / row, batch = init_power(rows / 4, 32);
    int64_t kept = rows / 5, train = rows - kept;
    if (n < LEAST_STEPS) return gr_set_error(e, GR_EINVAL, "%s has %lld number%s; a model of a series needs %d or more", x->path, (long long)n, gr_s(n), LEAST_STEPS);
    x->found = gr_arena_printf(x->arena, "a series of %s %s; predicts the next one", init_count(x->arena, n),
                               a->items ? gr_arena_printf(x->arena, "items, %lld different", (long long)a->different) : "numbers");
    init_head(x, "An LSTM predicts the next element of a series.");
    fprintf(x->to, "vars:\n  window: %-10lld # steps that a gradient reaches back; then change `split` too\n  batch: %-11lld # windows at a time\n"
                   "  hidden: %lld\n\n", (long long)window, (long long)batch, (long long)hidden_for(n));
    fprintf(x->to, "data:\n  op: Npy\n  files: {series: %s}\n  batch_size: \"${batch * (window + 1)}\"   # numbers\n", x->written);
    if (kept) fprintf(x->to, "  split: {train: %lld, valid: %lld}   # each a multiple of window + 1\n\n", (long long)(train * row), (long long)(kept * row));
    else fprintf(x->to, "  max_items: %lld       # a multiple of window + 1\n\n", (long long)(train * row));
    fprintf(x->to, "graph:\n  series:    {op: Input, shape: [numbers]%s, from: data.series}\n", dtype_of(a));
    fprintf(x->to, "  rows:      {op: Reshape, in: series, shape: [-1, \"${window + 1}\"]}   # [windows, window + 1]\n");
    if (a->items) next_item(x, a);
    else {
        fprintf(x->to, "  cells:     {op: Unsqueeze, in: rows, dim: 2}\n");
        next_numbers(x, a, 1, as_floats(x, a, "cells"));
    }
    end_next(x, a, (train + batch - 1) / batch, kept > 0);
    return 0;
}

/* ---- examples along the first axis ---- */

static void write_npy(const init *x, const array *a, const char *target, int64_t batch)
{
    bool valid = a->t.dim[0] >= 20;
    fprintf(x->to, "vars:                # change one for a run: --set hidden=%lld\n  batch: %-11lld # examples at a time\n  hidden: %lld\n\n",
            (long long)hidden_for(a->n) * 2, (long long)batch, (long long)hidden_for(a->n));
    fprintf(x->to, "data:\n  op: Npy\n  files: {x: %s%s%s}\n  batch_size: $batch\n  shuffle: true\n", x->written, target ? ", y: " : "", target ? target : "");
    if (valid) fprintf(x->to, "  split: {train: 0.8, valid: 0.2}\n  random_split: true    # examples are dealt out by chance, always the same\n");
    fputc('\n', x->to);
}

static int write_sequences(init *x, const array *a, gr_error *e)
{
    int64_t n = a->t.dim[0], steps = a->t.dim[1], width = a->t.rank == 3 ? a->t.dim[2] : 1, batch = init_power(n / 8, 32);
    if (steps < 2) return gr_set_error(e, GR_EINVAL, "%s is %s: series of one step have no next one; --target FILE.npy names what belongs to each", x->path, dims(x, a));
    bool items = a->items && a->t.rank == 2;
    x->found = items ? gr_arena_printf(x->arena, "%s sequences of %lld item%s, %lld different; predicts the next one", init_count(x->arena, n), (long long)steps, gr_s(steps), (long long)a->different)
                     : gr_arena_printf(x->arena, "%s series of %lld step%s, %lld number%s a step; predicts the next step", init_count(x->arena, n), (long long)steps, gr_s(steps), (long long)width, gr_s(width));
    init_head(x, "An LSTM predicts the next step of each sequence.");
    write_npy(x, a, NULL, batch);
    fprintf(x->to, "graph:\n  rows:      {op: Input, shape: [batch, time%s]%s, from: data.x}\n",
            a->t.rank == 3 ? gr_arena_printf(x->arena, ", %lld", (long long)width) : "", dtype_of(a));
    if (items) next_item(x, a);
    else next_numbers(x, a, width, as_floats(x, a, "rows"));
    array shown = *a;
    shown.items = items;
    end_next(x, &shown, (n + batch - 1) / batch, n >= 20);
    return 0;
}

/* What is to be told of each example: classes, or numbers [batch, 1] of that name. */
typedef struct answer {
    const array *of;
    bool classes;
    init_spread spread;
} answer;

static void write_answer(const init *x, const answer *y)
{
    if (y->classes)
        fprintf(x->to, "  logits:    {op: Linear, in: state, out_features: %lld}\n  loss:      {op: CrossEntropyLoss, in: {input: logits, target: answer}}\n\n",
                (long long)y->of->different);
    else
        fprintf(x->to,
                "  scaled:    {op: Linear, in: state, out_features: 1}\n"
                "  mean:      {op: Constant, value: %s}   # of what is to be told\n"
                "  std:       {op: Constant, value: %s}\n"
                "  spread:    {op: Mul, in: [scaled, std]}\n"
                "  predicted: {op: Add, in: [spread, mean]}\n"
                "  apart:     {op: Sub, in: [answer, mean]}\n"
                "  goal:      {op: Div, in: [apart, std]}\n"
                "  loss:      {op: MSELoss, in: {input: scaled, target: goal}}\n\n",
                init_number(x->arena, y->spread.mean), init_number(x->arena, y->spread.std));
}

static void end_answer(const init *x, const answer *y, int64_t n, int64_t batch)
{
    init_train(x, "0.005", init_epochs((n + batch - 1) / batch, 1000), n >= 20 ? "  keep: best            # the weights of the best validation\n" : "");
    fputs(y->classes ? "metrics: [accuracy]\n" : "metrics:\n  - {op: RMSE, in: {input: predicted, target: answer}}\n", x->to);
}

static bool is_whole(const double *v, int64_t n, int64_t step, int64_t *different)
{
    *different = 0;
    for (int64_t i = 0; i < n; i++) {
        double y = v[i * step];
        if (y < 0 || y != floor(y)) return false;
        if (y >= (double)*different) *different = (int64_t)y + 1;
    }
    return true;
}

static const char two_layers[] =
    "  normed:    {op: BatchNorm1d, in: %s}   # each column to mean 0 and deviation 1\n"
    "  hidden1:   {op: Linear, in: normed, out_features: $hidden}\n"
    "  active1:   {op: ReLU, in: hidden1}\n"
    "  hidden2:   {op: Linear, in: active1, out_features: $hidden}\n"
    "  state:     {op: ReLU, in: hidden2}\n";

/* A table: the last column by the others. */
static int write_table(init *x, const array *a, gr_error *e)
{
    int64_t n = a->t.dim[0], d = a->t.dim[1], batch = init_power(n / 8, 64);
    array last = *a;
    answer y = {.of = &last};
    if (d < 2) return gr_set_error(e, GR_EINVAL, "%s is %s: of one column nothing can be told by the others; --target FILE.npy names what belongs to each row", x->path, dims(x, a));
    y.classes = is_whole(a->value + d - 1, n, d, &last.different) && last.different >= 2 && last.different <= 20;
    y.spread = init_spread_of(a->value + d - 1, n, d);
    x->found = gr_arena_printf(x->arena, "a table of %s rows and %lld column%s; predicts the last, %s", init_count(x->arena, n), (long long)d, gr_s(d),
                               y.classes ? gr_arena_printf(x->arena, "one of %lld classes", (long long)last.different) : "a number");
    init_head(x, "A network of two hidden layers predicts the last column by the others.");
    write_npy(x, a, NULL, batch);
    fprintf(x->to, "graph:\n  rows:      {op: Input, shape: [batch, %lld]%s, from: data.x}\n", (long long)d, dtype_of(a));
    const char *rows = as_floats(x, a, "rows");
    fprintf(x->to, "  features:  {op: Slice, in: %s, dim: 1, stop: -1}\n", rows);
    if (y.classes) fprintf(x->to, "  column:    {op: Select, in: %s, dim: 1, index: -1}\n  answer:    {op: Cast, in: column, dtype: int32}\n", rows);
    else fprintf(x->to, "  answer:    {op: Slice, in: %s, dim: 1, start: -1}\n", rows);
    fprintf(x->to, two_layers, "features");
    write_answer(x, &y);
    end_answer(x, &y, n, batch);
    return 0;
}

/* Examples of one array, what belongs to them in another. */
static int write_pairs(init *x, const array *a, gr_error *e)
{
    array b = {0};
    answer y = {.of = &b};
    if (read_array(x, x->target, &b, e)) return e->status;
    int64_t n = a->t.dim[0], batch = init_power(n / 8, 64);
    if (b.n != n || a->t.rank < 2)
        return gr_set_error(e, GR_EINVAL, "%s is %s and %s is %s: one number for each example is wanted, [n, ...] and [n]", x->path, dims(x, a), x->target, dims(x, &b));
    y.classes = b.items && b.different <= 1000;
    y.spread = init_spread_of(b.value, b.n, 1);
    const char *target = init_seen(x, x->target);
    x->found = gr_arena_printf(x->arena, "%s examples %s; predicts %s", init_count(x->arena, n), dims(x, a),
                               y.classes ? gr_arena_printf(x->arena, "one of %lld classes", (long long)b.different) : "a number");
    init_head(x, a->t.rank == 3 ? "A GRU reads a series and tells what belongs to it." : "A network of two hidden layers tells what belongs to a row.");
    write_npy(x, a, target, batch);
    fprintf(x->to, "graph:\n  rows:      {op: Input, shape: [batch, %s%lld]%s, from: data.x}\n", a->t.rank == 3 ? "time, " : "",
            (long long)a->t.dim[a->t.rank - 1], dtype_of(a));
    fprintf(x->to, "  %-10s {op: Input, shape: [batch%s]%s, from: data.y}\n", y.classes || b.t.rank == 2 ? "answer:" : "told:", b.t.rank == 2 ? ", 1" : "", dtype_of(&b));
    if (!y.classes && b.t.rank == 1) fprintf(x->to, "  answer:    {op: Unsqueeze, in: told, dim: 1}\n");
    const char *rows = as_floats(x, a, "rows");
    if (a->t.rank == 3)
        fprintf(x->to, "  rnn:       {op: GRU, in: %s, hidden_size: $hidden, batch_first: true}   # or LSTM, RNN\n"
                       "  state:     {op: Select, in: rnn.output, dim: 1, index: -1}\n", rows);
    else fprintf(x->to, two_layers, rows);
    write_answer(x, &y);
    end_answer(x, &y, n, batch);
    return 0;
}

int init_array(init *x, gr_error *e)
{
    array a = {0};
    if (read_array(x, x->path, &a, e)) return e->status;
    if (a.t.dim[0] < LEAST) return gr_set_error(e, GR_EINVAL, "%s is %s; a model needs %d examples or more along the first axis", x->path, dims(x, &a), LEAST);
    if (x->target) return write_pairs(x, &a, e);
    if (a.t.rank == 1) return write_series(x, &a, e);
    return a.t.rank == 3 || a.items ? write_sequences(x, &a, e) : write_table(x, &a, e);
}
