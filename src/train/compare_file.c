/* compare_file.c - a comparison as JSON: what it found for whoever reads it, and what it goes on from.
 *
 * A number that is not finite is null, as JSON has no NaN; a gradient's length that overflows is "inf". What follows
 * from the runs (means, differences) is written for readers, and made anew when the file is read. */
#include "base/utf8.h"
#include "io/file.h"
#include "train/compare_work.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIND "graphrun comparison"
#define OVERFLOWS "inf"
enum { FORMAT = 1 };

static const char *const budget_names[] = {"steps", "seconds", "tokens"};
static const char *const status_names[] = {"waiting", "done", "diverged"};
static const char *const verdict_names[] = {"none", "no", "better", "worse"};

/* ---- writing ---- */

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

/* JSON is UTF-8, a path or an argument need not be: what is none becomes U+FFFD. */
static json_t *replaced(const char *s)
{
    char *to = malloc(3 * strlen(s) + 1), *end = to;
    for (int n; to && *s; s += n ? n : 1) {
        n = gr_utf8_decode(s, strlen(s), NULL);
        memcpy(end, n ? s : "\xef\xbf\xbd", (size_t)(n ? n : 3));
        end += n ? n : 3;
    }
    json_t *x = to ? json_stringn(to, (size_t)(end - to)) : NULL;
    free(to);
    return x;
}

static json_t *text(const char *s)
{
    if (!s) return json_null();
    return gr_utf8_check(s, strlen(s)) == strlen(s) ? json_string(s) : replaced(s);
}

/* The list with x; NULL where there is no room for one of them. */
static json_t *with(json_t *list, json_t *x)
{
    if (x && json_array_append_new(list, x) == 0) return list;
    json_decref(list);
    return NULL;
}

/* All of both; NULL where one is missing. */
static json_t *joined(json_t *o, json_t *rest)
{
    const bool whole = o && rest && json_object_update(o, rest) == 0;
    json_decref(rest);
    if (whole) return o;
    json_decref(o);
    return NULL;
}

static json_t *texts(const char *const *list, int n)
{
    json_t *to = json_array();
    for (int i = 0; to && i < n; i++) to = with(to, text(list[i]));
    return to;
}

static json_t *numbers(const double *list, int64_t n)
{
    json_t *to = json_array();
    for (int64_t i = 0; to && i < n; i++) to = with(to, number(list[i]));
    return to;
}

static json_t *estimate_json(const gr_estimate *x)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:b}", "n", x->n, "mean", number(x->mean), "low", number(x->low), "high", number(x->high), "equal", x->equal);
}

static json_t *points_json(const gr_trial *t, int metrics)
{
    json_t *list = json_array();
    for (int i = 0; list && i < t->num_points; i++) {
        const gr_trial_point *p = &t->point[i];
        list = with(list, json_pack("{s:I, s:I, s:o, s:o, s:o}", "step", (json_int_t)p->step, "tokens", (json_int_t)p->tokens, "seconds",
                                              number(p->seconds), "train_loss", number(p->train_loss), "valid", numbers(p->valid, metrics)));
    }
    return list;
}

static json_t *trials_json(const gr_trial *t, int n, int metrics)
{
    json_t *list = json_array();
    for (int i = 0; list && i < n; i++)
        list = with(list, json_pack("{s:I, s:o, s:s, s:b, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o}", "seed", (json_int_t)t[i].seed, "lr", number(t[i].lr),
                                              "status", status_names[t[i].status], "ended", t[i].ended, "why", text(t[i].why), "final", number(t[i].final),
                                              "best", number(t[i].best), "best_step", (json_int_t)t[i].best_step, "steps",
                                              (json_int_t)t[i].steps, "tokens", (json_int_t)t[i].tokens, "seconds", number(t[i].seconds),
                                              "points", points_json(&t[i], metrics)));
    return list;
}

static json_t *attention_json(const gr_contender *k)
{
    json_t *list = json_array();
    for (int i = 0; list && i < k->num_attention; i++) {
        const gr_attention_map *m = &k->attention[i];
        list = with(list, json_pack("{s:o, s:o, s:I, s:i, s:i, s:i, s:o, s:o, s:o}", "name", text(m->name), "prompt", text(m->prompt), "seed",
                                              (json_int_t)m->seed, "rows", m->rows, "heads", m->heads, "columns", m->columns, "row",
                                              m->row ? texts(m->row, m->rows) : json_null(), "column",
                                              m->column ? texts(m->column, m->columns) : json_null(), "value",
                                              numbers(m->value, (int64_t)m->rows * m->heads * m->columns)));
    }
    return list;
}

static json_t *difference_json(const gr_difference *d)
{
    return json_pack("{s:o, s:o, s:s, s:o}", "of", estimate_json(&d->of), "p", number(d->p), "verdict", verdict_names[d->verdict], "why", text(d->why));
}

static json_t *length_json(double x) { return isinf(x) ? json_string(OVERFLOWS) : number(x); }

/* A list a seed. */
static json_t *gradient_json(const gr_contender *k, int seeds)
{
    json_t *list = json_array();
    for (int i = 0; list && k->num_gradient && i < seeds; i++) {
        json_t *of_seed = json_array();
        for (int t = 0; of_seed && t < k->num_gradient; t++) of_seed = with(of_seed, length_json(k->gradient[(ptrdiff_t)i * k->num_gradient + t]));
        list = with(list, of_seed);
    }
    return list;
}

static json_t *contender_json(const gr_comparison *c, const gr_contender *k)
{
    json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:I, s:o, s:I, s:I, s:I}", "name", text(k->name), "model", text(k->model), "path", text(k->path), "doc", text(k->doc),
                          "yaml", text(k->yaml), "sets", texts(k->sets, k->num_sets), "key", k->key, "parameters", (json_int_t)k->parameters, "memory",
                          (json_int_t)k->memory, "matched", text(k->matched), "matched_from", (json_int_t)k->matched_from, "matched_to",
                          (json_int_t)k->matched_to, "steps", (json_int_t)k->steps);
    json_t *rest = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "tokens_per_second", number(k->tokens_per_second),
                             "seconds_per_step", number(k->seconds_per_step), "own_lr", number(k->own_lr), "lr", number(k->lr), "grid",
                             trials_json(k->grid, k->num_grid, c->num_metrics), "runs", trials_json(k->trial, c->num_seeds, c->num_metrics),
                             "diverged", k->diverged, "final", estimate_json(&k->final), "best", estimate_json(&k->best), "difference",
                             difference_json(&k->difference), "attention", attention_json(k), "gradient",
                             gradient_json(k, c->num_seeds));
    return joined(o, rest);
}

static json_t *comparison_json(const gr_comparison *c)
{
    json_t *models = json_array(), *seeds = json_array();
    for (int i = 0; models && i < c->num_contenders; i++) models = with(models, contender_json(c, &c->contender[i]));
    for (int i = 0; seeds && i < c->num_seeds; i++) seeds = with(seeds, json_integer((json_int_t)c->seed[i]));
    json_t *o = json_pack("{s:s, s:i, s:o, s:o, s:s, s:s, s:o, s:s, s:i, s:i}", "kind", KIND, "format", FORMAT, "command", text(c->command), "date", text(c->date),
                          "version", c->version, "kernel", c->kernel, "cpu", text(c->cpu), "dtype", c->dtype, "threads", c->threads, "at_once",
                          c->at_once);
    json_t *rest = json_pack("{s:s, s:f, s:b, s:o, s:o, s:o, s:o, s:b, s:b, s:f, s:o, s:i, s:b, s:I, s:b, s:o, s:o, s:o, s:o}", "budget", budget_names[c->budget],
                             "amount", c->amount, "same_data", c->same_data, "different", text(c->different), "data", text(c->data), "metrics",
                             texts(c->metric, c->num_metrics), "judged", text(c->metric[c->judged]), "larger_is_better", c->larger, "by_best", c->by_best,
                             "level", c->level, "seeds", seeds, "points", c->points, "tuned", c->tuned, "tuning_seed", (json_int_t)c->tuning_seed,
                             "complete", c->complete, "sweep", text(c->sweep), "values", texts(c->value, c->sweep ? c->num_values : 0),
                             "gradient", text(c->gradient), "models", models);
    return joined(o, rest);
}

int gr_comparison_write(const gr_comparison *c, const char *path, gr_error *e)
{
    json_t *o = comparison_json(c);
    char *dump = o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    gr_writer w;
    int status = dump ? gr_writer_open(&w, path, e) : gr_set_error(e, GR_ENOMEM, "out of memory while writing %s", path);
    if (!status) {
        gr_writer_put(&w, dump, strlen(dump));
        gr_writer_put(&w, "\n", 1);
        status = gr_writer_finish(&w, true, e);
    }
    free(dump);
    json_decref(o);
    return status;
}

/* ---- reading: a file may have been edited, so that anything may be missing ---- */

static const char *get_text(gr_arena *a, const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return gr_arena_strdup(a, s ? s : "");
}

static double as_number(const json_t *x) { return json_is_number(x) ? json_number_value(x) : (double)NAN; }
static double get_number(const json_t *o, const char *key) { return as_number(json_object_get(o, key)); }
static int64_t get_integer(const json_t *o, const char *key) { return json_integer_value(json_object_get(o, key)); }
static bool get_bool(const json_t *o, const char *key) { return json_is_true(json_object_get(o, key)); }

static int get_choice(const json_t *o, const char *key, const char *const *names, int n)
{
    const char *s = json_string_value(json_object_get(o, key));
    for (int i = 0; s && i < n; i++)
        if (strcmp(s, names[i]) == 0) return i;
    return 0;
}

static const char *const *get_texts(gr_arena *a, const json_t *list, int *n)
{
    *n = (int)json_array_size(list);
    const char **to = GR_NEW_ARRAY(a, const char *, *n + 1);
    for (int i = 0; i < *n; i++) {
        const char *s = json_string_value(json_array_get(list, (size_t)i));
        to[i] = gr_arena_strdup(a, s ? s : "");
    }
    return to;
}

/* n numbers, whatever the list has. */
static const double *get_numbers(gr_arena *a, const json_t *list, int64_t n)
{
    double *to = GR_NEW_ARRAY(a, double, n + 1);
    for (int64_t i = 0; i < n; i++) to[i] = as_number(json_array_get(list, (size_t)i));
    return to;
}

static gr_trial get_trial(gr_arena *a, const json_t *o, int metrics)
{
    const json_t *points = json_object_get(o, "points");
    gr_trial t = {.seed = (uint64_t)get_integer(o, "seed"), .lr = get_number(o, "lr"), .ended = get_bool(o, "ended"), .why = get_text(a, o, "why"),
                  .status = (gr_trial_status)get_choice(o, "status", status_names, 3), .num_points = (int)json_array_size(points),
                  .final = NAN, .best = NAN, .best_step = -1, .steps = get_integer(o, "steps"), .tokens = get_integer(o, "tokens"),
                  .seconds = get_number(o, "seconds")};
    gr_trial_point *p = GR_NEW_ARRAY(a, gr_trial_point, t.num_points + 1);
    for (int i = 0; i < t.num_points; i++) {
        const json_t *x = json_array_get(points, (size_t)i);
        p[i] = (gr_trial_point){get_integer(x, "step"), get_integer(x, "tokens"), get_number(x, "seconds"), get_number(x, "train_loss"),
                                get_numbers(a, json_object_get(x, "valid"), metrics)};
    }
    t.point = p;
    return t;
}

static gr_trial *get_trials(gr_arena *a, const json_t *list, int n, int metrics)
{
    gr_trial *t = GR_NEW_ARRAY(a, gr_trial, n + 1);
    for (int i = 0; i < n; i++) t[i] = get_trial(a, json_array_get(list, (size_t)i), metrics);
    return t;
}

/* A map whose numbers do not go with its lengths is left out. */
static bool get_map(gr_arena *a, const json_t *o, gr_attention_map *m)
{
    int rows, columns;
    const json_t *value = json_object_get(o, "value"), *row = json_object_get(o, "row"), *column = json_object_get(o, "column");
    *m = (gr_attention_map){.name = get_text(a, o, "name"), .prompt = get_text(a, o, "prompt"), .seed = (uint64_t)get_integer(o, "seed"),
                            .rows = (int)get_integer(o, "rows"), .heads = (int)get_integer(o, "heads"), .columns = (int)get_integer(o, "columns")};
    const int64_t n = (int64_t)json_array_size(value);
    if (m->rows < 1 || m->heads < 1 || m->columns < 1 || (double)m->rows * m->heads * m->columns != (double)n) return false;
    m->value = get_numbers(a, value, n);
    const char *const *of_rows = get_texts(a, row, &rows), *const *of_columns = get_texts(a, column, &columns);
    if (rows == m->rows) m->row = of_rows;
    if (columns == m->columns) m->column = of_columns;
    return true;
}

static void get_attention(gr_arena *a, const json_t *list, gr_contender *k)
{
    gr_attention_map *m = GR_NEW_ARRAY(a, gr_attention_map, json_array_size(list) + 1);
    for (size_t i = 0; i < json_array_size(list); i++) k->num_attention += get_map(a, json_array_get(list, i), &m[k->num_attention]);
    k->attention = m;
}

static double as_length(const json_t *x)
{
    const char *s = json_string_value(x);
    return s && strcmp(s, OVERFLOWS) == 0 ? (double)INFINITY : as_number(x);
}

/* As many steps as the first list has. */
static void get_gradient(gr_arena *a, const json_t *list, int seeds, gr_contender *k)
{
    if ((int)json_array_size(list) != seeds) return;
    k->num_gradient = (int)json_array_size(json_array_get(list, 0));
    double *to = GR_NEW_ARRAY(a, double, (int64_t)seeds * k->num_gradient + 1);
    for (int i = 0; i < seeds * k->num_gradient; i++)
        to[i] = as_length(json_array_get(json_array_get(list, (size_t)(i / k->num_gradient)), (size_t)(i % k->num_gradient)));
    k->gradient = to;
}

static void get_contender(gr_arena *a, const gr_comparison *c, const json_t *o, gr_contender *k)
{
    const json_t *grid = json_object_get(o, "grid");
    *k = (gr_contender){.name = get_text(a, o, "name"), .model = get_text(a, o, "model"), .path = get_text(a, o, "path"), .doc = get_text(a, o, "doc"), .yaml = get_text(a, o, "yaml"),
                        .key = get_text(a, o, "key"), .parameters = get_integer(o, "parameters"), .memory = get_integer(o, "memory"),
                        .matched_from = get_integer(o, "matched_from"), .matched_to = get_integer(o, "matched_to"), .steps = get_integer(o, "steps"),
                        .tokens_per_second = get_number(o, "tokens_per_second"), .seconds_per_step = get_number(o, "seconds_per_step"),
                        .own_lr = get_number(o, "own_lr"), .lr = get_number(o, "lr"), .num_grid = (int)json_array_size(grid)};
    k->sets = get_texts(a, json_object_get(o, "sets"), &k->num_sets);
    if (json_is_string(json_object_get(o, "matched"))) k->matched = get_text(a, o, "matched");
    k->grid = get_trials(a, grid, k->num_grid, c->num_metrics);
    k->trial = get_trials(a, json_object_get(o, "runs"), c->num_seeds, c->num_metrics);
    get_attention(a, json_object_get(o, "attention"), k);
    get_gradient(a, json_object_get(o, "gradient"), c->num_seeds, k);
}

static void get_settings(gr_arena *a, const json_t *o, gr_comparison *c)
{
    *c = (gr_comparison){.command = get_text(a, o, "command"), .date = get_text(a, o, "date"), .version = get_text(a, o, "version"),
                         .kernel = get_text(a, o, "kernel"), .cpu = get_text(a, o, "cpu"), .dtype = get_text(a, o, "dtype"),
                         .threads = (int)get_integer(o, "threads"), .at_once = (int)get_integer(o, "at_once"),
                         .budget = (gr_budget)get_choice(o, "budget", budget_names, 3), .amount = get_number(o, "amount"),
                         .same_data = get_bool(o, "same_data"), .different = get_text(a, o, "different"), .data = get_text(a, o, "data"),
                         .larger = get_bool(o, "larger_is_better"), .by_best = get_bool(o, "by_best"), .level = get_number(o, "level"),
                         .points = (int)get_integer(o, "points"), .tuned = get_bool(o, "tuned"), .tuning_seed = (uint64_t)get_integer(o, "tuning_seed")};
    c->metric = get_texts(a, json_object_get(o, "metrics"), &c->num_metrics);
    c->judged = get_choice(o, "judged", c->metric, c->num_metrics);
    c->value = get_texts(a, json_object_get(o, "values"), &c->num_values);
    if (json_is_string(json_object_get(o, "sweep"))) c->sweep = get_text(a, o, "sweep");
    if (json_is_string(json_object_get(o, "gradient"))) c->gradient = get_text(a, o, "gradient");
    c->at = c->sweep ? -1 : 0;
    const json_t *seeds = json_object_get(o, "seeds");
    c->num_seeds = (int)json_array_size(seeds);
    uint64_t *seed = GR_NEW_ARRAY(a, uint64_t, c->num_seeds + 1);
    for (int i = 0; i < c->num_seeds; i++) seed[i] = (uint64_t)json_integer_value(json_array_get(seeds, (size_t)i));
    c->seed = seed;
}

static gr_comparison *get_comparison(gr_arena *a, const json_t *o)
{
    const json_t *models = json_object_get(o, "models");
    gr_comparison *c = GR_NEW(a, gr_comparison);
    get_settings(a, o, c);
    c->num_contenders = (int)json_array_size(models);
    c->contender = GR_NEW_ARRAY(a, gr_contender, c->num_contenders + 1);
    for (int i = 0; i < c->num_contenders; i++) get_contender(a, c, json_array_get(models, (size_t)i), &c->contender[i]);
    return c;
}

/* All models for each value of a sweep. */
static bool is_swept_evenly(const json_t *o)
{
    const size_t models = json_array_size(json_object_get(o, "models")), values = json_array_size(json_object_get(o, "values"));
    return !json_is_string(json_object_get(o, "sweep")) || (values > 0 && models % values == 0);
}

static bool is_comparison(const json_t *o)
{
    const char *kind = json_string_value(json_object_get(o, "kind"));
    const double level = get_number(o, "level");
    const size_t seeds = json_array_size(json_object_get(o, "seeds"));
    return kind && strcmp(kind, KIND) == 0 && get_integer(o, "format") == FORMAT && level > 0 && level < 1 && seeds <= GR_COMPARE_MAX_SEEDS &&
           json_array_size(json_object_get(o, "metrics")) > 0 && is_swept_evenly(o);
}

static void free_json(void *o) { json_decref(o); }

int gr_comparison_read(gr_arena *a, const char *path, gr_comparison **out, gr_error *e)
{
    char *dump;
    size_t length;
    json_error_t at;
    *out = NULL;
    if (access(path, F_OK) != 0) return 0;
    if (gr_file_read(a, path, GR_COMPARE_MOST_RESULTS, &dump, &length, e)) return e->status;
    json_t *o = json_loadb(dump, length, 0, &at);
    if (o) gr_arena_defer(a, free_json, o);
    if (!o) return gr_set_error(e, GR_EINVAL, "%s: line %d: %s; it holds no comparison that could be gone on with: remove it or name another file", path, at.line, at.text);
    if (!is_comparison(o))
        return gr_set_error(e, GR_EINVAL, "%s is no comparison of this version of graphrun and would be overwritten: remove it or name another file", path);
    *out = get_comparison(a, o);
    gr_compare_judge(*out);
    return 1;
}
