/* compare_judge.c - what the runs of a comparison say.
 *
 * Means have Student t intervals over seeds. A model is compared with the first by the differences seed by seed, a
 * paired t test. As there are m such comparisons, each interval has the level 1 - (1 - level) / m (Bonferroni; of a
 * sweep all of them count): the chance that any of them claims what is not so is 1 - level at most, and a difference
 * is significant exactly where its interval leaves out 0. */
#include "train/compare.h"
#include "train/statistics.h"

#include <string.h>

#define ROUNDING 1e-9 /* of differences that would be the same without it, to their mean */

static bool all_equal(const double *x, int n)
{
    bool equal = n > 1;
    for (int i = 1; i < n; i++) equal = equal && x[i] == x[0];
    return equal;
}

gr_estimate gr_estimate_of(const double *x, int n, double level)
{
    if (all_equal(x, n)) return (gr_estimate){n, x[0], x[0], x[0], true}; /* their sum would be rounded */
    const gr_mean_error m = gr_mean_error_of(x, n);
    const double half = n > 1 ? gr_t_within(level, n - 1) * m.error : NAN;
    return (gr_estimate){n, m.mean, m.mean - half, m.mean + half, false};
}

/* Differences that are all the same, as a metric of few values gives them, have no spread for Student's t. By chance all
 * n of them have one sign with 2^(1 - n), two-sided (the exact test that flips signs, Fisher 1935); where that is more
 * than 1 - level the test rejects no mean at all, so that there is no interval. */
gr_estimate gr_estimate_of_differences(const double *x, int n, double level, double *p)
{
    const gr_mean_error m = gr_mean_error_of(x, n);
    gr_estimate e = gr_estimate_of(x, n, level);
    e.equal = n > 1 && m.error <= ROUNDING * fabs(m.mean);
    *p = n < 2 ? (double)NAN : !e.equal ? gr_t_two_sided(m.mean / m.error, n - 1) : m.mean != 0 ? exp2(1 - n) : 1;
    if (e.equal) e.low = e.high = m.mean != 0 && *p > 1 - level ? (double)NAN : e.mean;
    return e;
}

double gr_gradient_at_first(const gr_comparison *c, const gr_contender *k)
{
    double sum = 0;
    if (!k->num_gradient) return NAN;
    for (int i = 0; i < c->num_seeds; i++) sum += log(k->gradient[(ptrdiff_t)i * k->num_gradient]);
    return isnan(sum) ? (double)INFINITY : exp(sum / c->num_seeds);
}

static bool better(const gr_comparison *c, double x, double than) { return c->larger ? x > than : x < than; }

static void judge_points(const gr_comparison *c, gr_trial *t)
{
    for (int i = 0; i < t->num_points; i++) {
        const double x = t->point[i].valid[c->judged];
        if (!isfinite(x) || (t->best_step >= 0 && !better(c, x, t->best))) continue;
        t->best = x;
        t->best_step = t->point[i].step;
    }
    t->final = t->num_points ? t->point[t->num_points - 1].valid[c->judged] : NAN;
}

/* final and best of the metric that is judged; one that is not finite in the end has diverged. */
static void judge_trial(const gr_comparison *c, gr_trial *t)
{
    t->final = t->best = NAN;
    t->best_step = -1;
    if (t->status == GR_TRIAL_WAITING) return;
    judge_points(c, t);
    t->status = t->ended && isfinite(t->final) ? GR_TRIAL_DONE : GR_TRIAL_DIVERGED;
    if (t->ended) t->why = t->status == GR_TRIAL_DONE ? "" : "the metric is not finite in the end";
    if (t->status == GR_TRIAL_DIVERGED) t->final = t->best = NAN;
}

static double judged(const gr_comparison *c, const gr_trial *t) { return c->by_best ? t->best : t->final; }

/* x, room for a number of each seed. */
static void judge_contender(const gr_comparison *c, gr_contender *k, double *x)
{
    int n = 0;
    k->diverged = 0;
    for (int i = 0; i < c->num_seeds; i++) {
        judge_trial(c, &k->trial[i]);
        k->diverged += k->trial[i].status == GR_TRIAL_DIVERGED;
        if (k->trial[i].status == GR_TRIAL_DONE) x[n++] = k->trial[i].final;
    }
    k->final = gr_estimate_of(x, n, c->level);
    n = 0;
    for (int i = 0; i < c->num_seeds; i++)
        if (k->trial[i].status == GR_TRIAL_DONE) x[n++] = k->trial[i].best;
    k->best = gr_estimate_of(x, n, c->level);
}

static bool waits(const gr_comparison *c, const gr_contender *k)
{
    for (int i = 0; i < c->num_seeds; i++)
        if (k->trial[i].status == GR_TRIAL_WAITING) return true;
    return false;
}

/* Its runs are done, and its gradients known where these were asked for. */
static bool is_complete(const gr_comparison *c, const gr_contender *k) { return !waits(c, k) && (!c->gradient || k->num_gradient); }

/* Seeds of which nothing came are no accident of sampling, so nothing is claimed of the rest; and who looks while runs
 * are missing, and stops when they like what they see, is wrong more often than the level says. */
static const char *no_verdict(const gr_comparison *c, const gr_contender *first, const gr_contender *k, int pairs)
{
    if (k->diverged) return k->diverged == c->num_seeds ? "its runs diverged" : "some of its runs diverged";
    if (first->diverged) return first->diverged == c->num_seeds ? "the first model's runs diverged" : "some runs of the first model diverged";
    if (c->num_seeds < 2) return "of one seed nothing is known of the others";
    if (waits(c, first) || waits(c, k)) return "runs are missing";
    return pairs < 2 ? "too few runs are done" : "";
}

static gr_difference difference(const gr_comparison *c, const gr_contender *first, const gr_contender *k, double *x)
{
    const int m = c->num_contenders - gr_comparison_values(c);
    int n = 0;
    for (int i = 0; i < c->num_seeds; i++)
        if (k->trial[i].status == GR_TRIAL_DONE && first->trial[i].status == GR_TRIAL_DONE)
            x[n++] = judged(c, &k->trial[i]) - judged(c, &first->trial[i]);
    gr_difference d = {.why = no_verdict(c, first, k, n)};
    d.of = gr_estimate_of_differences(x, n, 1 - (1 - c->level) / m, &d.p);
    if (n > 1) d.p = fmin(1, m * d.p);
    if (*d.why) return d;
    const bool leaves_out_0 = d.of.low > 0 || d.of.high < 0;
    d.verdict = !leaves_out_0 ? GR_VERDICT_NO : better(c, d.of.mean, 0) ? GR_VERDICT_BETTER : GR_VERDICT_WORSE;
    return d;
}

void gr_compare_judge(gr_comparison *c)
{
    double x[GR_COMPARE_MAX_SEEDS];
    c->complete = true;
    for (int k = 0; k < c->num_contenders; k++) {
        for (int i = 0; i < c->contender[k].num_grid; i++) judge_trial(c, &c->contender[k].grid[i]);
        judge_contender(c, &c->contender[k], x);
        c->complete = c->complete && is_complete(c, &c->contender[k]);
        const gr_estimate none = {0, NAN, NAN, NAN, false};
        const int first = k - k % gr_comparison_models(c);
        c->contender[k].difference = k > first ? difference(c, &c->contender[first], &c->contender[k], x)
                                               : (gr_difference){.of = none, .p = NAN, .why = ""};
    }
}

static bool same_trial(const gr_comparison *c, const gr_trial *x, const gr_trial *y)
{
    bool same = x->num_points > 0 && x->num_points == y->num_points;
    for (int i = 0; same && i < x->num_points; i++)
        same = x->point[i].step == y->point[i].step && memcmp(&x->point[i].train_loss, &y->point[i].train_loss, sizeof(double)) == 0 &&
               memcmp(x->point[i].valid, y->point[i].valid, sizeof(double) * (size_t)c->num_metrics) == 0;
    return same;
}

int gr_compare_twin(const gr_comparison *c, int i)
{
    for (int k = 0; k < i; k++) {
        bool same = true;
        for (int t = 0; same && t < c->num_seeds; t++) same = same_trial(c, &c->contender[k].trial[t], &c->contender[i].trial[t]);
        if (same) return k;
    }
    return -1;
}

const gr_comparison *gr_comparison_at(gr_arena *a, const gr_comparison *c, int i)
{
    const int n = gr_comparison_models(c);
    gr_comparison *to = gr_arena_copy(a, c, sizeof *c);
    to->contender = gr_arena_copy(a, c->contender + (ptrdiff_t)i * n, (size_t)n * sizeof *c->contender);
    to->num_contenders = n;
    to->at = i;
    to->complete = true;
    for (int k = 0; k < n; k++) {
        to->contender[k].name = to->contender[k].model;
        to->complete = to->complete && is_complete(to, &to->contender[k]);
    }
    return to;
}
