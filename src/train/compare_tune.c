/* compare_tune.c - a learning rate for each model, from a small grid.
 *
 * Each rate is tried in a run of its own, of a seed that none of the reported runs has, and the best on
 * validation data is taken: as it is chosen on other runs, the reported ones are no better for it. Rates of groups
 * keep their ratio to the optimiser's own. */
#include "train/compare_work.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool contains(const double *rate, int n, double x)
{
    for (int i = 0; i < n; i++)
        if (rate[i] == x) return true;
    return false;
}

int gr_compare_rates(const char *text, double own, double *rate, gr_error *e)
{
    int n = 0;
    if (strcmp(text, GR_COMPARE_AUTO) == 0) text = "x0.1, x0.3, x1, x3";
    for (const char *at = text; *at;) {
        const bool factor = *at == 'x';
        char *end;
        const double x = strtod(at + factor, &end);
        if (end == at + factor || !isfinite(x) || x <= 0 || (*end && *end != ',' && !isspace((unsigned char)*end)))
            return gr_set_error(e, GR_EINVAL, "learning rates are numbers above 0, \"0.01, 0.1\", or factors of the file's own, \"x0.3, x1, x3\", not '%s'", text);
        if (n == GR_COMPARE_MAX_RATES) return gr_set_error(e, GR_EINVAL, "at most %d learning rates are tried", GR_COMPARE_MAX_RATES);
        rate[n] = factor ? x * own : x;
        n += !contains(rate, n, rate[n]);
        at = end + strspn(end, ", \t\n");
    }
    return n ? n : gr_set_error(e, GR_EINVAL, "no learning rate is given");
}

static int make_grid(gr_compare_work *w, gr_contender *k, gr_error *e)
{
    double rate[GR_COMPARE_MAX_RATES];
    if (!(k->own_lr > 0))
        return gr_set_error(e, GR_EINVAL, "%s: its optimizer has no learning rate above 0, of which there could be others", k->path);
    const int n = gr_compare_rates(w->options->tune, k->own_lr, rate, e);
    if (n < 0) return n;
    gr_trial *grid = GR_NEW_ARRAY(w->arena, gr_trial, n);
    for (int i = 0; i < n; i++) grid[i] = gr_trial_waiting(w->c->tuning_seed, rate[i]);
    k->grid = grid;
    k->num_grid = n;
    return 0;
}

int gr_compare_grid(gr_compare_work *w, gr_error *e)
{
    gr_comparison *c = w->c;
    c->tuned = w->options->tune != NULL;
    c->tuning_seed = w->options->session.seed + GR_TUNING_SEED;
    for (int i = 0; c->tuned && i < c->num_contenders; i++)
        if (make_grid(w, &c->contender[i], e)) return e->status;
    return 0;
}

static bool better(const gr_comparison *c, const gr_trial *a, const gr_trial *than)
{
    const double x = c->by_best ? a->best : a->final, y = c->by_best ? than->best : than->final;
    return c->larger ? x > y : x < y;
}

static void note_edge(const gr_contender *k, const gr_trial *chosen)
{
    bool lower = false, higher = false;
    for (int i = 0; i < k->num_grid; i++) {
        lower = lower || k->grid[i].lr < chosen->lr;
        higher = higher || k->grid[i].lr > chosen->lr;
    }
    if (lower == higher) return;
    fprintf(stderr, "graphrun: %s: the best learning rate, %g, is the %s that was tried; --tune-lr with %s ones may find a better one\n",
            k->name, chosen->lr, higher ? "lowest" : "highest", higher ? "lower" : "higher");
}

static int choose(gr_compare_work *w, gr_contender *k, gr_error *e)
{
    const gr_trial *chosen = NULL;
    for (int i = 0; i < k->num_grid; i++)
        if (k->grid[i].status == GR_TRIAL_DONE && (!chosen || better(w->c, &k->grid[i], chosen))) chosen = &k->grid[i];
    if (!chosen) return gr_set_error(e, GR_ESTATE, "%s diverges with every learning rate that was tried: give lower ones to --tune-lr", k->path);
    k->lr = chosen->lr;
    if (!w->options->session.quiet) note_edge(k, chosen);
    return 0;
}

int gr_compare_choose(gr_compare_work *w, gr_error *e)
{
    for (int i = 0; i < w->c->num_contenders; i++) {
        gr_contender *k = &w->c->contender[i];
        if (w->c->tuned && choose(w, k, e)) return e->status;
        for (int t = 0; t < w->c->num_seeds; t++) /* those of another rate are other runs */
            if (w->c->tuned && k->trial[t].lr != k->lr) k->trial[t] = gr_trial_waiting(k->trial[t].seed, k->lr);
    }
    return 0;
}
