/* recipe_watch.c - reads which weights are kept and when training stops early.
 *
 *     train:
 *       early_stopping: {metric: accuracy, patience: 5, min_delta: 0.001, mode: max}
 *       best: accuracy | {metric: accuracy, mode: max}
 *       keep: best | last
 *       valid_every: 500
 *
 * One quantity is watched: the loss, or a metric of the section `metrics` by its name. */
#include "train/recipe_read.h"

#include <graphrun/metric.h>
#include <string.h>

const gr_attr_spec gr_stop_attrs[] = {
    {"metric", GR_ATTR_STRING, "~", 0, 0, NULL, "loss, or a metric by its name"},
    {"patience", GR_ATTR_INT, NULL, 1, 1e15, NULL, "validations in a row without getting better"},
    {"min_delta", GR_ATTR_FLOAT, "0", 0, 1e300, NULL, "what counts as better"},
    {"mode", GR_ATTR_CHOICE, "~", 0, 0, "min|max", "min: smaller is better"},
    {0}};
const gr_attr_spec gr_best_attrs[] = {
    {"metric", GR_ATTR_STRING, "~", 0, 0, NULL, "loss, or a metric by its name"},
    {"mode", GR_ATTR_CHOICE, "~", 0, 0, "min|max", "min: smaller is better"},
    {0}};

/* What is watched is told in two places at most, which must agree. */
typedef struct asked {
    gr_doc *doc;           /* NULL: not asked */
    const char *metric;    /* NULL: not said */
    const gr_attr *mode;
} asked;

/* Something else is wrong that keeps a metric from being read: what is watched may well be that one. */
static bool metrics_unread(gr_model *m, const gr_recipe *r)
{
    const gr_doc *d = gr_model_section(m, "metrics");
    return gr_diag_count(gr_model_diag(m)) > 0 && (!d || d->count > r->num_metrics);
}

static int find_metric(gr_model *m, const gr_recipe *r, const asked *a)
{
    const char **names = GR_NEW_ARRAY(gr_model_arena(m), const char *, r->num_metrics + 2);
    names[0] = "loss";
    if (strcmp(a->metric, "loss") == 0) return -1;
    for (int i = 0; i < r->num_metrics; i++) {
        if (strcmp(r->metrics[i].label, a->metric) == 0) return i;
        names[i + 1] = r->metrics[i].label;
    }
    if (metrics_unread(m, r)) return -1;
    gr_diag_error(gr_model_diag(m), a->doc->at, "the section `metrics` has no '%s'%s", a->metric, gr_suggest(gr_model_arena(m), a->metric, names));
    return -1;
}

static void choose_metric(gr_model *m, gr_recipe *r, const asked *a)
{
    gr_watch_spec *w = &r->watch;
    w->metric = a->metric ? find_metric(m, r, a) : -1;
    const gr_metric *metric = w->metric < 0 ? NULL : r->metrics[w->metric].call.op->data;
    if (metric && !metric->finish)
        gr_diag_error(gr_model_diag(m), a->doc->at, "'%s' is text: there is no better or worse", a->metric);
    w->larger = metric && metric->larger_is_better;
    if (a->mode && a->mode->present) w->larger = strcmp(a->mode->s, "max") == 0;
}

/* `early_stopping: 5` is that of 5 validations. */
static asked read_stopping(gr_model *m, gr_doc *train, gr_recipe *r)
{
    gr_doc *d = gr_doc_get(train, "early_stopping");
    asked a = {.doc = d};
    if (!d) return a;
    if (d->kind != GR_DOC_MAP) {
        const gr_var v = gr_model_eval(m, d);
        if (v.kind == GR_VAR_INT && v.i > 0) r->watch.patience = v.i;
        else if (v.kind != GR_VAR_NONE || d->kind == GR_DOC_NULL)
            gr_diag_error(gr_model_diag(m), d->at, "'early_stopping' is after how many validations without a better one training ends, as in 5, or a map: "
                          "{metric: accuracy, patience: 5}");
        return a;
    }
    gr_loc *at;
    const gr_attr *v = gr_model_attrs(m, d, gr_stop_attrs, "early_stopping", NULL, &at);
    if (!v) return a;
    a.metric = v[0].present ? v[0].s : NULL;
    a.mode = &v[3];
    r->watch.patience = v[1].i;
    r->watch.min_delta = v[2].f;
    return a;
}

static asked read_best(gr_model *m, gr_doc *train)
{
    gr_doc *d = gr_doc_get(train, "best");
    asked a = {.doc = d};
    if (!d) return a;
    if (d->kind != GR_DOC_MAP) {
        a.metric = gr_model_text(m, d);
        return a;
    }
    gr_loc *at;
    const gr_attr *v = gr_model_attrs(m, d, gr_best_attrs, "best", NULL, &at);
    if (!v) return a;
    a.metric = v[0].present ? v[0].s : NULL;
    a.mode = &v[1];
    return a;
}

static void read_keep(gr_model *m, gr_doc *train, gr_recipe *r)
{
    gr_doc *d = gr_doc_get(train, "keep");
    const char *text = d ? gr_model_text(m, d) : NULL;
    if (!text) return;
    bool best = strcmp(text, "best") == 0;
    if (!best && strcmp(text, "last") != 0) gr_diag_error(gr_model_diag(m), d->at, "'keep' is best or last, not '%s'", text);
    else if (!best && gr_doc_get(train, "best"))
        gr_diag_error(gr_model_diag(m), d->at, "'best' says which weights to keep, and 'keep' that the last are; leave one out");
    r->watch.keep = best;
    if (best) r->watch.at = d->at;
}

void gr_recipe_read_watch(gr_model *m, gr_doc *train, gr_recipe *r)
{
    const asked stop = read_stopping(m, train, r), best = read_best(m, train);
    const asked *says = best.metric || best.mode ? &best : &stop;
    if (stop.metric && best.metric && strcmp(stop.metric, best.metric) != 0)
        gr_diag_error(gr_model_diag(m), best.doc->at, "early_stopping watches '%s': the best is of the same metric", stop.metric);
    r->watch.keep = stop.doc || best.doc;
    r->watch.at = stop.doc ? stop.doc->at : best.doc ? best.doc->at : train->at;
    read_keep(m, train, r);
    r->watch.given = r->watch.keep || stop.doc;
    choose_metric(m, r, says);
    gr_doc *every = gr_doc_get(train, "valid_every");
    if (!every) return;
    gr_recipe_count(m, train, gr_train_counts, "valid_every", &r->valid_every);
    r->valid_every_at = every->at;
}
