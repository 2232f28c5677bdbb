/* scores.c - tables of metrics, confusions and classes. */
#include "report/scores.h"
#include "base/column.h"
#include "train/rounding.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_WIDTH 120 /* of a confusion matrix, in characters */
#define MAX_CLASSES 60 /* that are listed */

/* ---- classes ---- */

typedef struct classes {
    int64_t count;
    const double *counts;      /* [count, count] */
    const char *const *name;   /* NULL: their numbers */
    const char *label;         /* the metric that had them counted */
} classes;

static double ratio(double a, double b) { return b > 0 ? a / b : 0; }

gr_class_scores gr_scores_of_class(const double *counts, int64_t n, int64_t i)
{
    gr_class_scores s = {0};
    double chosen = 0, right = counts[i * n + i];
    for (int64_t k = 0; k < n; k++) {
        s.support += counts[i * n + k];
        chosen += counts[k * n + i];
    }
    s.precision = ratio(right, chosen);
    s.recall = ratio(right, s.support);
    s.f1 = ratio(2 * right, chosen + s.support);
    return s;
}

static bool occurs(const double *counts, int64_t n, int64_t i)
{
    for (int64_t k = 0; k < n; k++)
        if (counts[i * n + k] > 0 || counts[k * n + i] > 0) return true;
    return false;
}

gr_class_scores gr_scores_mean(const double *counts, int64_t n, bool weighted)
{
    gr_class_scores sum = {0};
    double weights = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!occurs(counts, n, i)) continue;
        gr_class_scores s = gr_scores_of_class(counts, n, i);
        double weight = weighted ? s.support : 1;
        sum.precision += weight * s.precision;
        sum.recall += weight * s.recall;
        sum.f1 += weight * s.f1;
        sum.support += s.support;
        weights += weight;
    }
    return (gr_class_scores){ratio(sum.precision, weights), ratio(sum.recall, weights), ratio(sum.f1, weights), sum.support};
}

static bool classes_of(const gr_scores *s, int metric, classes *c)
{
    const gr_meter_sum *sum = &s->meter->counts[metric];
    const gr_metric_spec *x = &s->session->recipe->metrics[metric];
    if (!sum->size) return false;
    int64_t n = (int64_t)(sqrt((double)sum->size) + 0.5);
    int named = 0;
    const char *const *names = gr_metric_classes(s->session, x, &named);
    *c = (classes){n, sum->value, named == n ? names : NULL, x->label};
    return true;
}

static const char *class_name(const classes *c, int64_t i, char number[24])
{
    snprintf(number, 24, "%lld", (long long)i);
    return c->name ? c->name[i] : number;
}

static int name_width(const classes *c, const char *least)
{
    int width = gr_columns(least);
    char number[24];
    for (int64_t i = 0; i < c->count; i++)
        if (occurs(c->counts, c->count, i)) width = gr_wider(width, class_name(c, i, number));
    return width;
}

/* ---- text ---- */

static void print_confusion(const classes *c, FILE *to)
{
    int left = name_width(c, ""), cell = left, shown = 0;
    char number[24];
    for (int64_t i = 0; i < c->count * c->count; i++) {
        int w = snprintf(number, sizeof number, "%.0f", c->counts[i]);
        if (w > cell) cell = w;
    }
    for (int64_t i = 0; i < c->count; i++) shown += occurs(c->counts, c->count, i);
    if (left + shown * (cell + 2) > MAX_WIDTH) {
        fprintf(to, "the confusion matrix of %d classes is too wide to be shown; --json FILE writes it\n\n", shown);
        return;
    }
    fprintf(to, "confusion (rows: targets, columns: chosen)\n%*s", left, "");
    for (int64_t k = 0; k < c->count; k++)
        if (occurs(c->counts, c->count, k)) fputs("  ", to), gr_put_right(to, class_name(c, k, number), cell);
    fputc('\n', to);
    for (int64_t i = 0; i < c->count; i++) {
        if (!occurs(c->counts, c->count, i)) continue;
        gr_put_left(to, class_name(c, i, number), left);
        for (int64_t k = 0; k < c->count; k++)
            if (occurs(c->counts, c->count, k)) fprintf(to, "  %*.0f", cell, c->counts[i * c->count + k]);
        fputc('\n', to);
    }
    fputc('\n', to);
}

static void print_class(FILE *to, const char *name, int width, const gr_class_scores *s)
{
    gr_put_left(to, name, width);
    fprintf(to, "  %9.4f  %9.4f  %9.4f  %9.0f\n", s->precision, s->recall, s->f1, s->support);
}

static void print_classes(const classes *c, FILE *to)
{
    int width = name_width(c, "weighted average"), met = 0;
    char number[24];
    gr_put_left(to, "class", width);
    fprintf(to, "  %9s  %9s  %9s  %9s\n", "precision", "recall", "f1", "support");
    for (int64_t i = 0; i < c->count; i++) {
        gr_class_scores s = gr_scores_of_class(c->counts, c->count, i);
        if (occurs(c->counts, c->count, i) && met++ < MAX_CLASSES) print_class(to, class_name(c, i, number), width, &s);
    }
    if (met > MAX_CLASSES) fprintf(to, "... and %d class%s more; --json FILE writes all\n", met - MAX_CLASSES, met - MAX_CLASSES == 1 ? "" : "es");
    gr_class_scores macro = gr_scores_mean(c->counts, c->count, false), weighted = gr_scores_mean(c->counts, c->count, true);
    print_class(to, "macro average", width, &macro);
    print_class(to, "weighted average", width, &weighted);
}

/* What metric i was measured of: its output "count", if it has one; -1: it has none. */
static double count_of(const gr_scores *s, int i)
{
    int k = gr_op_output(s->session->recipe->metrics[i].call.op, "count");
    const gr_meter_sum *sum = k < 0 ? NULL : &s->meter->sum[i][k];
    return sum && sum->size == 1 ? sum->value[0] : -1;
}

/* exact: beside it, NULL: nothing. */
static void print_value(FILE *to, const char *name, int width, const double *exact, double value, double count)
{
    gr_put_left(to, name, width);
    if (exact) fprintf(to, "  %12.4f", *exact);
    fprintf(to, "  %12.4f", value);
    if (count >= 0) fprintf(to, "  %12.0f", count);
    fputc('\n', to);
}

static void print_values(const gr_scores *s, FILE *to)
{
    const gr_recipe *r = s->session->recipe;
    const gr_meter *m = s->meter, *exact = s->exact;
    double loss = exact ? gr_meter_loss(exact) : 0;
    int width = gr_columns("metric");
    for (int i = 0; i < m->num_metrics; i++) width = gr_wider(width, r->metrics[i].label);
    gr_put_left(to, "metric", width);
    if (exact) fprintf(to, "  %12s  %12s  %12s\n", "float32", gr_dtype_name(s->session->options.weights_dtype), "of");
    else fprintf(to, "  %12s  %12s\n", "value", "of");
    if (m->num_terms) print_value(to, "loss", width, exact ? &loss : NULL, gr_meter_loss(m), m->num_terms == 1 ? m->term[0].count : -1);
    for (int i = 0; i < m->num_metrics; i++) {
        const gr_metric *metric = r->metrics[i].call.op->data;
        if (metric->finish) {
            double value = exact ? gr_meter_value(exact, r, i) : 0;
            print_value(to, r->metrics[i].label, width, exact ? &value : NULL, gr_meter_value(m, r, i), count_of(s, i));
        } else {
            gr_put_left(to, r->metrics[i].label, width);
            if (exact) fprintf(to, "  \"%s\"", exact->text[i]);
            fprintf(to, "  \"%s\"\n", m->text[i]);
        }
    }
}

void gr_scores_print(const gr_scores *s, FILE *to)
{
    const gr_meter *m = s->meter;
    fprintf(to, "%s: %lld %s", s->split, (long long)m->batches, m->batches == 1 ? "batch" : "batches");
    if (m->examples) fprintf(to, ", %lld %s", (long long)m->examples, m->examples == 1 ? "example" : "examples");
    fprintf(to, ", %.2f s\n", s->seconds);
    print_values(s, to);
    if (s->exact) fprintf(to, "%s\n", gr_rounding_text(s->session));
    for (int i = 0; i < m->num_metrics; i++) {
        classes c;
        if (!classes_of(s, i, &c)) continue;
        fputc('\n', to);
        print_confusion(&c, to);
        print_classes(&c, to);
    }
}

/* ---- JSON ---- */

/* JSON has no NaN. */
static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *scores_json(const gr_class_scores *s)
{
    return json_pack("{s:f, s:f, s:f, s:f}", "precision", s->precision, "recall", s->recall, "f1", s->f1, "support", s->support);
}

static json_t *classes_json(const classes *c)
{
    json_t *list = json_array(), *matrix = json_array();
    char text[24];
    for (int64_t i = 0; i < c->count; i++) {
        gr_class_scores s = gr_scores_of_class(c->counts, c->count, i);
        json_t *one = scores_json(&s), *row = json_array();
        json_object_set_new(one, "class", json_string(class_name(c, i, text)));
        json_array_append_new(list, one);
        for (int64_t k = 0; k < c->count; k++) json_array_append_new(row, json_integer((json_int_t)c->counts[i * c->count + k]));
        json_array_append_new(matrix, row);
    }
    gr_class_scores macro = gr_scores_mean(c->counts, c->count, false), weighted = gr_scores_mean(c->counts, c->count, true);
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "metric", c->label, "confusion", matrix, "classes", list, "macro",
                     scores_json(&macro), "weighted", scores_json(&weighted));
}

static json_t *values_json(const gr_scores *s, const gr_meter *m)
{
    const gr_recipe *r = s->session->recipe;
    json_t *values = json_object();
    for (int i = 0; i < m->num_metrics; i++) {
        const gr_metric *metric = r->metrics[i].call.op->data;
        json_object_set_new(values, r->metrics[i].label,
                            metric->finish ? number(gr_meter_value(m, r, i)) : json_string(m->text[i]));
    }
    return values;
}

/* What weights as they are gave, and how far the others are from them. */
static json_t *exact_json(const gr_scores *s)
{
    const gr_rounding *r = &s->session->rounding;
    return json_pack("{s:o, s:o, s:s, s:f}", "loss", number(gr_meter_loss(s->exact)), "metrics", values_json(s, s->exact), "weights_dtype",
                     gr_dtype_name(s->session->options.weights_dtype), "rounding", r->size > 0 ? sqrt(r->change / r->size) : 0.0);
}

int gr_scores_write(const gr_scores *s, const char *path, gr_error *e)
{
    FILE *to = fopen(path, "w");
    if (!to) return gr_set_error(e, GR_EIO, "cannot write %s: %s", path, strerror(errno));
    json_t *counted = json_array();
    for (int i = 0; i < s->meter->num_metrics; i++) {
        classes c;
        if (classes_of(s, i, &c)) json_array_append_new(counted, classes_json(&c));
    }
    json_t *all = json_pack("{s:s, s:s, s:I, s:I, s:f, s:o, s:o, s:o}", "model", gr_model_name(s->session->model), "split", s->split,
                            "batches", (json_int_t)s->meter->batches, "examples", (json_int_t)s->meter->examples, "seconds",
                            s->seconds, "loss", number(gr_meter_loss(s->meter)), "metrics", values_json(s, s->meter), "counted", counted);
    if (all && s->exact) json_object_set_new(all, "float32", exact_json(s));
    int bad = !all || json_dumpf(all, to, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(all);
    bad |= fputc('\n', to) == EOF;
    bad |= fclose(to) != 0;
    return bad ? gr_set_error(e, GR_EIO, "cannot write %s: %s", path, strerror(errno)) : 0;
}
