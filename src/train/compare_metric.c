/* compare_metric.c - what is measured of all models, and by which of it they are judged. */
#include "train/compare_work.h"

#include <string.h>

/* Number of the metric in the recipe, -1 for the loss, -2: it has none of that name that is a number. */
static int find(const gr_recipe *r, const char *name)
{
    if (strcmp(name, "loss") == 0) return -1;
    for (int i = 0; i < r->num_metrics; i++) {
        const gr_metric *m = r->metrics[i].call.op->data;
        if (m->finish && strcmp(r->metrics[i].label, name) == 0) return i;
    }
    return -2;
}

double gr_compare_metric(const gr_comparison *c, int i, const gr_session *s, const gr_meter *m)
{
    const int k = find(s->recipe, c->metric[i]);
    return k == -1 ? gr_meter_loss(m) : k < 0 ? NAN : gr_meter_value(m, s->recipe, k);
}

/* The same name may stand for different ops. */
static bool all_have(const gr_compare_work *w, int metric)
{
    const gr_metric_spec *x = &w->open[0]->recipe->metrics[metric];
    for (int i = 1; i < w->c->num_contenders; i++) {
        const gr_recipe *r = w->open[i]->recipe;
        const int k = find(r, x->label);
        if (k < 0 || strcmp(r->metrics[k].call.op->name, x->call.op->name) != 0) return false;
    }
    return true;
}

static const char *metric_list(const gr_compare_work *w, const gr_recipe *r)
{
    const char *list = "loss";
    for (int i = 0; i < r->num_metrics; i++)
        if (find(r, r->metrics[i].label) >= 0) list = gr_arena_printf(w->arena, "%s, %s", list, r->metrics[i].label);
    return list;
}

/* What is judged: as asked for, else as the first model says. */
static const char *judged_name(const gr_compare_work *w)
{
    const gr_recipe *r = w->open[0]->recipe;
    if (w->options->metric) return w->options->metric;
    if (r->watch.given) return r->watch.metric < 0 ? "loss" : r->metrics[r->watch.metric].label;
    for (int i = 0; i < r->num_metrics; i++)
        if (find(r, r->metrics[i].label) >= 0) return r->metrics[i].label;
    return "loss";
}

static const char *common_list(const gr_compare_work *w)
{
    const char *list = "loss";
    for (int i = 1; i < w->c->num_metrics; i++) list = gr_arena_printf(w->arena, "%s, %s", list, w->c->metric[i]);
    return list;
}

static int missing(const gr_compare_work *w, const char *name, gr_error *e)
{
    for (int i = 0; i < w->c->num_contenders; i++)
        if (find(w->open[i]->recipe, name) == -2)
            return gr_set_error(e, GR_EINVAL, "%s has no metric '%s' that is a number; it has: %s. --metric NAME judges by what all models have: %s",
                                w->c->contender[i].path, name, metric_list(w, w->open[i]->recipe), common_list(w));
    return gr_set_error(e, GR_EINVAL, "'%s' is not the same metric in all models", name);
}

int gr_compare_metrics(gr_compare_work *w, gr_error *e)
{
    gr_comparison *c = w->c;
    const gr_recipe *r = w->open[0]->recipe;
    const char **list = GR_NEW_ARRAY(w->arena, const char *, r->num_metrics + 1), *name = judged_name(w);
    list[c->num_metrics++] = "loss";
    for (int i = 0; i < r->num_metrics; i++)
        if (find(r, r->metrics[i].label) == i && all_have(w, i)) list[c->num_metrics++] = gr_arena_strdup(w->arena, r->metrics[i].label);
    c->metric = list;
    for (c->judged = 0; c->judged < c->num_metrics && strcmp(list[c->judged], name) != 0;) c->judged++;
    if (c->judged == c->num_metrics) return missing(w, name, e);
    const int k = find(r, name);
    const gr_metric *m = k < 0 ? NULL : r->metrics[k].call.op->data;
    c->larger = r->watch.given && r->watch.metric == k ? r->watch.larger : m && m->larger_is_better;
    c->by_best = r->watch.keep;
    return 0;
}
