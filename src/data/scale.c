/* scale.c - standardized columns. */
#include "data/scale.h"
#include "base/count.h"

#include <math.h>
#include <string.h>

enum { NONE, ZSCORE, MINMAX };

static int64_t kind(const gr_data *d) { return gr_source_attr(d, "standardize")->i; }

static const char *key(const gr_data *d, const gr_scale *s, const char *what)
{
    return gr_arena_printf(d->arena, "%s_%s", s->name, what);
}

gr_scale *gr_scale_create(gr_data *d, const char *name, int columns)
{
    gr_scale *s = GR_NEW(d->arena, gr_scale);
    double *all = GR_NEW_ARRAY(d->arena, double, 5 * (int64_t)columns);
    *s = (gr_scale){.name = name, .columns = columns, .count = GR_NEW_ARRAY(d->arena, int64_t, columns)};
    s->mean = all;
    s->std = all + columns;
    s->least = all + 2 * columns;
    s->most = all + 3 * columns;
    s->square = all + 4 * columns;
    int known = 0, known_std = 0;
    const double *mean = kind(d) ? gr_source_kept(d, key(d, s, "mean"), &known) : NULL;
    const double *std = kind(d) ? gr_source_kept(d, key(d, s, "std"), &known_std) : NULL;
    if (!mean || !std) return s;
    if (known != columns || known_std != columns) {
        gr_source_fail(d, GR_AT_NODE, NULL, "the data have %d column%s of '%s', but the weights were made with %d",
                      columns, gr_s(columns), name, known);
        return NULL;
    }
    s->known = true;
    memcpy(s->mean, mean, (size_t)columns * sizeof *mean);
    memcpy(s->std, std, (size_t)columns * sizeof *std);
    return s;
}

/* Welford's update: the mean moves by the n-th part of the distance. */
void gr_scale_learn(gr_scale *s, int column, double x)
{
    if (s->known) return;
    int64_t n = ++s->count[column];
    double far = x - s->mean[column];
    s->mean[column] += far / (double)n;
    s->square[column] += far * (x - s->mean[column]);
    if (n == 1 || x < s->least[column]) s->least[column] = x;
    if (n == 1 || x > s->most[column]) s->most[column] = x;
}

void gr_scale_finish(gr_data *d, gr_scale *s)
{
    for (int k = 0; !s->known && k < s->columns; k++) {
        double n = s->count[k] ? (double)s->count[k] : 1;
        if (kind(d) == NONE) s->mean[k] = 0, s->std[k] = 1;
        else if (kind(d) == ZSCORE) s->std[k] = sqrt(s->square[k] / n);
        else s->mean[k] = s->least[k], s->std[k] = s->most[k] - s->least[k];
        if (!(s->std[k] > 0)) s->std[k] = 1;
    }
    if (kind(d) == NONE) return;
    gr_source_keep(d, key(d, s, "mean"), s->columns, s->mean);
    gr_source_keep(d, key(d, s, "std"), s->columns, s->std);
}

double gr_scale_apply(const gr_scale *s, int column, double x) { return (x - s->mean[column]) / s->std[column]; }

static void tell(gr_data *d, const char *name, int n, const double *x)
{
    gr_var *item = GR_NEW_ARRAY(d->arena, gr_var, n), all = {.kind = GR_VAR_LIST, .count = n, .item = item};
    for (int i = 0; i < n; i++) item[i] = (gr_var){.kind = GR_VAR_FLOAT, .f = x[i]};
    gr_model_set(d->model, name, n == 1 ? item[0] : all);
}

void gr_scale_tell(gr_data *d, const gr_scale *s)
{
    static const double zero = 0, one = 1;
    tell(d, "data.mean", s ? s->columns : 1, s ? s->mean : &zero);
    tell(d, "data.std", s ? s->columns : 1, s ? s->std : &one);
}
