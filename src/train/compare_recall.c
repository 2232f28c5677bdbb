/* compare_recall.c - going on: runs of an earlier comparison that would be the same again are taken from its file. */
#include "train/compare_work.h"

#include <string.h>

int gr_compare_ordinal(const gr_comparison *c, const gr_contender *k)
{
    int n = 0;
    for (int i = 0; &c->contender[i] < k; i++) n += strcmp(c->contender[i].key, k->key) == 0;
    return n;
}

/* Points have a number for each metric, so that those of a file that was edited may not be what the key says. */
static bool same_metrics(const gr_comparison *x, const gr_comparison *y)
{
    bool same = x->num_metrics == y->num_metrics;
    for (int i = 0; same && i < x->num_metrics; i++) same = strcmp(x->metric[i], y->metric[i]) == 0;
    return same;
}

static const gr_contender *same_contender(const gr_compare_work *w, const gr_contender *k)
{
    int n = gr_compare_ordinal(w->c, k);
    if (!w->before || !same_metrics(w->before, w->c)) return NULL;
    for (int i = 0; i < w->before->num_contenders; i++)
        if (strcmp(w->before->contender[i].key, k->key) == 0 && n-- == 0) return &w->before->contender[i];
    return NULL;
}

static bool is_done(const gr_trial *t) { return t->status != GR_TRIAL_WAITING; }

static bool is_compared(const gr_comparison *c, const gr_contender *old)
{
    for (int i = 0; i < c->num_contenders; i++)
        if (strcmp(c->contender[i].name, old->name) == 0 || strcmp(c->contender[i].key, old->key) == 0) return true;
    return false;
}

/* A model of the file that is compared no longer; NULL: there is none with runs. */
static const gr_contender *lost_contender(const gr_compare_work *w)
{
    for (int i = 0; i < w->before->num_contenders; i++) {
        const gr_contender *old = &w->before->contender[i];
        bool done = false;
        for (int t = 0; t < w->before->num_seeds; t++) done = done || is_done(&old->trial[t]);
        for (int t = 0; t < old->num_grid; t++) done = done || is_done(&old->grid[t]);
        if (done && !is_compared(w->c, old)) return old;
    }
    return NULL;
}

/* A run of a seed that is no longer made, of a model that is as it was. */
static const gr_trial *lost_trial(const gr_compare_work *w)
{
    for (int i = 0; i < w->c->num_contenders; i++) {
        const gr_contender *k = &w->c->contender[i], *old = same_contender(w, k);
        for (int t = 0; old && t < w->before->num_seeds; t++) {
            bool there = !is_done(&old->trial[t]);
            for (int s = 0; s < w->c->num_seeds && !there; s++) there = k->trial[s].seed == old->trial[t].seed;
            if (!there) return &old->trial[t];
        }
    }
    return NULL;
}

/* Results are written over those of before, so that all of these must have a place in them. */
static int check_lost(const gr_compare_work *w, gr_error *e)
{
    const gr_contender *k = lost_contender(w);
    const gr_trial *t = k ? NULL : lost_trial(w);
    if (k) return gr_set_error(e, GR_EINVAL, "%s holds runs of %s, which is not compared now: they would be lost; compare it as well, or "
                               "name another file for the results", w->options->file, k->name);
    if (t) return gr_set_error(e, GR_EINVAL, "%s holds runs of seed %llu, which is not compared now: they would be lost; give its seeds as well "
                               "(--seeds %d from --seed %llu), or name another file for the results", w->options->file, (unsigned long long)t->seed,
                               w->before->num_seeds, (unsigned long long)w->before->seed[0]);
    return 0;
}

int gr_compare_read_before(gr_compare_work *w, gr_error *e)
{
    if (!w->options->file) return 0;
    const int there = gr_comparison_read(w->arena, w->options->file, &w->before, e);
    if (there < 0) return there;
    return there ? check_lost(w, e) : 0;
}

static void recall_trial(gr_trial *t, const gr_trial *list, int n)
{
    for (int i = 0; i < n && t->status == GR_TRIAL_WAITING; i++)
        if (list[i].seed == t->seed && (list[i].lr == t->lr || (isnan(list[i].lr) && isnan(t->lr)))) *t = list[i];
}

/* Speeds are of a machine and a number of threads, but the steps of a budget in seconds are those of the runs. */
static void recall(const gr_compare_work *w, gr_contender *k, const gr_contender *old)
{
    const gr_comparison *c = w->c, *before = w->before;
    if (c->budget == GR_BUDGET_SECONDS) k->steps = old->steps;
    if (before->threads == c->threads && strcmp(before->cpu, c->cpu) == 0) {
        k->seconds_per_step = old->seconds_per_step;
        k->tokens_per_second = old->tokens_per_second;
    }
    for (int i = 0; i < k->num_grid; i++) recall_trial(&k->grid[i], old->grid, old->num_grid);
    for (int i = 0; i < c->num_seeds; i++) recall_trial(&k->trial[i], old->trial, before->num_seeds);
    if (k->trial[0].status == GR_TRIAL_WAITING) return; /* it is to look at its attention itself */
    k->attention = old->attention;
    k->num_attention = old->num_attention;
}

static int count_done(const gr_comparison *c)
{
    int n = 0;
    for (int k = 0; k < c->num_contenders; k++) {
        for (int i = 0; i < c->contender[k].num_grid; i++) n += c->contender[k].grid[i].status != GR_TRIAL_WAITING;
        for (int i = 0; i < c->num_seeds; i++) n += c->contender[k].trial[i].status != GR_TRIAL_WAITING;
    }
    return n;
}

/* That the file has this model otherwise. */
static void tell_changed(const gr_compare_work *w, const gr_contender *k)
{
    for (int i = 0; i < w->before->num_contenders; i++) {
        const gr_contender *old = &w->before->contender[i];
        if (strcmp(old->name, k->name) != 0) continue;
        fprintf(stderr, "graphrun: %s: %s since %s was written: its runs are made again\n", k->name,
                strcmp(old->yaml, k->yaml) != 0 ? "its file has changed" : "its settings, data or budget have changed", w->options->file);
        return;
    }
}

void gr_compare_recall(gr_compare_work *w)
{
    for (int i = 0; i < w->c->num_contenders; i++) {
        const gr_contender *old = same_contender(w, &w->c->contender[i]);
        if (old) recall(w, &w->c->contender[i], old);
    }
}

void gr_compare_tell_recalled(const gr_compare_work *w)
{
    const int n = count_done(w->c);
    if (!w->before || w->options->session.quiet) return;
    for (int i = 0; i < w->c->num_contenders; i++)
        if (!same_contender(w, &w->c->contender[i])) tell_changed(w, &w->c->contender[i]);
    if (n) fprintf(stderr, "graphrun: %d run%s taken from %s\n", n, n == 1 ? " is" : "s are", w->options->file);
}
