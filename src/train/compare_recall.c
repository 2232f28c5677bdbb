/* compare_recall.c - going on: runs of an earlier comparison that would be the same again are taken from its file. */
#include "base/count.h"
#include "base/path.h"
#include "io/file.h"
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

int gr_compare_read_before(gr_compare_work *w, gr_error *e)
{
    if (!w->options->file) return 0;
    const int there = gr_comparison_read(w->arena, w->options->file, &w->before, e);
    return there < 0 ? there : 0;
}

static void recall_trial(gr_trial *t, const gr_trial *list, int n)
{
    for (int i = 0; i < n && t->status == GR_TRIAL_WAITING; i++)
        if (list[i].seed == t->seed && (list[i].lr == t->lr || (isnan(list[i].lr) && isnan(t->lr)))) *t = list[i];
}

static void recall_gradient(const gr_comparison *c, const gr_comparison *before, gr_contender *k, const gr_contender *old)
{
    if (!c->gradient || !before->gradient || strcmp(c->gradient, before->gradient) != 0 || c->num_seeds != before->num_seeds ||
        memcmp(c->seed, before->seed, sizeof *c->seed * (size_t)c->num_seeds) != 0)
        return;
    k->gradient = old->gradient;
    k->num_gradient = old->num_gradient;
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
    recall_gradient(c, before, k, old);
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

/* "report.json" -> "report-0123456789abcdef.json": the same bytes have one copy. */
static const char *copy_name(gr_arena *a, const char *file, uint64_t digest)
{
    const size_t stem = gr_path_stem(file);
    return gr_arena_printf(a, "%.*s-%016llx%s", (int)stem, file, (unsigned long long)digest, file + stem);
}

static int copy_file(gr_arena *a, const char *file, const char **copy, gr_error *e)
{
    char *bytes;
    size_t n;
    gr_writer to;
    if (gr_file_read(a, file, GR_COMPARE_MOST_RESULTS, &bytes, &n, e)) return e->status;
    *copy = copy_name(a, file, gr_hash_bytes(n, bytes, n));
    if (gr_writer_open(&to, *copy, e)) return e->status;
    gr_writer_put(&to, bytes, n);
    return gr_writer_finish(&to, true, e);
}

int gr_compare_keep_before(gr_compare_work *w, gr_error *e)
{
    const char *copy;
    const int lost = w->before ? count_done(w->before) - count_done(w->c) : 0;
    if (lost < 1) return 0;
    if (copy_file(w->arena, w->options->file, &copy, e)) return e->status;
    if (!w->options->session.quiet)
        fprintf(stderr, "graphrun: %s has %d run%s that %s not of this comparison: it is kept as %s\n", w->options->file, lost, gr_s(lost),
                lost == 1 ? "is" : "are", copy);
    return 0;
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
