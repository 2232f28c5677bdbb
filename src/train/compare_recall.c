/* compare_recall.c - going on: runs of an earlier comparison that would be the same again are taken from its file. */
#include "train/compare_work.h"

#include <string.h>

int gr_compare_read_before(gr_compare_work *w, gr_error *e)
{
    if (!w->options->file) return 0;
    const int there = gr_comparison_read(w->arena, w->options->file, &w->before, e);
    return there < 0 ? there : 0;
}

static const gr_contender *same_contender(const gr_compare_work *w, const gr_contender *k)
{
    for (int i = 0; w->before && i < w->before->num_contenders; i++)
        if (strcmp(w->before->contender[i].key, k->key) == 0) return &w->before->contender[i];
    return NULL;
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
