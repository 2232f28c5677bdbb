/* compare_speed.c - how fast each model is trained alone.
 *
 * Models take turns, so that what else the machine does meets all of them; the median of the rounds counts.
 * Each has all threads of the comparison, as a person would train it. */
#include "train/compare_work.h"

#include <stdlib.h>

enum { ROUNDS = 5, SEVERAL = 8 };

typedef struct speed { double per_step[ROUNDS], tokens[ROUNDS]; int rounds; } speed;

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, compare_doubles);
    return n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}

/* A step that is not finite ends the round: r has the steps before it. */
static int train(gr_compare_work *w, int i, int64_t steps, gr_train_result *r, gr_error *e)
{
    const gr_train_options t = {.steps = steps, .epochs = -1, .validations = -1, .quiet = true, .stop = w->options->stop};
    const int status = gr_train(w->open[i], &t, r, e);
    if (status == GR_ESTATE) *e = (gr_error){0};
    return status == GR_ESTATE ? 0 : status;
}

static void note(speed *s, const gr_train_result *r)
{
    if (r->steps < 1 || r->seconds <= 0) return;
    s->per_step[s->rounds] = r->seconds / (double)r->steps;
    s->tokens[s->rounds++] = (double)r->tokens / r->seconds;
}

/* A sweep of many models takes no longer than SEVERAL do, unless its budget hangs on the speeds. */
static double round_seconds(const gr_compare_work *w)
{
    const int n = w->c->num_contenders;
    const bool whole = n <= SEVERAL || w->c->budget == GR_BUDGET_SECONDS;
    return w->options->round_seconds * (whole ? 1 : (double)SEVERAL / n);
}

/* Steps that take about so long: programs are compiled and threads settled by then. 0: the model diverges, and
 * the steps before that are its one round, as there may be no others, unless the program was just made. */
static int warm_up(gr_compare_work *w, int i, int64_t *steps, speed *s, gr_error *e)
{
    const double round = round_seconds(w);
    gr_train_result r;
    *steps = 2;
    for (double taken = 0; taken < round / 2 && !gr_compare_stopped(w);) {
        if (train(w, i, *steps, &r, e)) return e->status;
        if (r.steps < *steps) {
            if (taken > 0 && !gr_compare_stopped(w)) note(s, &r);
            *steps = 0;
            return 0;
        }
        taken = r.seconds;
        const double more = round / fmax(taken / (double)*steps, 1e-7);
        if (taken < round / 2) *steps = (int64_t)fmax(1, fmin(more, 10.0 * (double)*steps));
        if (taken >= round) *steps = (int64_t)fmax(1, more);
    }
    return 0;
}

static void take(gr_contender *k, speed *s)
{
    k->seconds_per_step = median(s->per_step, s->rounds);
    const double tokens = median(s->tokens, s->rounds);
    if (tokens > 0) k->tokens_per_second = tokens;
}

static int measure(gr_compare_work *w, int i, int64_t steps, speed *to, gr_error *e)
{
    gr_train_result r;
    if (train(w, i, steps, &r, e)) return e->status;
    if (!gr_compare_stopped(w)) note(to, &r);
    return 0;
}

int gr_compare_speed(gr_compare_work *w, gr_error *e)
{
    gr_comparison *c = w->c;
    speed *s = GR_NEW_ARRAY(w->arena, speed, c->num_contenders);
    int64_t *steps = GR_NEW_ARRAY(w->arena, int64_t, c->num_contenders);
    for (int i = 0; i < c->num_contenders && w->options->round_seconds > 0; i++)
        if (isnan(c->contender[i].seconds_per_step) && warm_up(w, i, &steps[i], &s[i], e)) return e->status;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < c->num_contenders; i++)
            if (steps[i] && !gr_compare_stopped(w) && measure(w, i, steps[i], &s[i], e)) return e->status;
    for (int i = 0; i < c->num_contenders; i++)
        if (s[i].rounds) take(&c->contender[i], &s[i]);
    return 0;
}
