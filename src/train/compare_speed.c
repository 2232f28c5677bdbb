/* compare_speed.c - how fast each model is trained alone.
 *
 * Models take turns, so that what else the machine does meets all of them. It only ever makes steps longer, so the
 * fastest rounds count, and rounds go on until several agree with the fastest. Each model has all threads of the
 * comparison, as a person would train it. */
#include "train/compare_work.h"
#include "base/sort.h"

enum { AGREE = 3, SEVERAL = 8 }; /* AGREE: rounds that are enough where they are alike */

typedef struct speed { double per_step[GR_SPEED_ROUNDS], tokens[GR_SPEED_ROUNDS]; int64_t steps; int tries, rounds; } speed;

int gr_rounds_agree(const double *per_step, int n, double *median_of_these)
{
    double fastest = INFINITY, alike[GR_SPEED_ROUNDS];
    int count = 0;
    for (int i = 0; i < n; i++) fastest = fmin(fastest, per_step[i]);
    for (int i = 0; i < n; i++)
        if (per_step[i] <= GR_SPEED_ALIKE * fastest) alike[count++] = per_step[i];
    *median_of_these = count ? gr_median(alike, count) : (double)NAN;
    return count;
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
    s->tokens[s->rounds++] = (double)r->tokens / (double)r->steps;
}

/* A sweep of many models takes no longer than SEVERAL do, unless its budget hangs on the speeds. */
static double round_seconds(const gr_compare_work *w)
{
    const int n = w->c->num_contenders;
    const bool whole = n <= SEVERAL || w->c->budget == GR_BUDGET_SECONDS;
    return w->options->round_seconds * (whole ? 1 : (double)SEVERAL / n);
}

/* Steps that take about so long: programs are compiled and threads settled by then. Left 0: the model diverges, and
 * the steps before that are its one round, as there may be no others, unless the program was just made. */
static int warm_up(gr_compare_work *w, int i, speed *s, gr_error *e)
{
    const double round = round_seconds(w);
    gr_train_result r;
    int64_t steps = 2;
    for (double taken = 0; taken < round / 2 && !gr_compare_stopped(w);) {
        if (train(w, i, steps, &r, e)) return e->status;
        if (r.steps < steps) {
            if (taken > 0 && !gr_compare_stopped(w)) note(s, &r);
            return 0;
        }
        taken = r.seconds;
        const double more = round / fmax(taken / (double)steps, 1e-7);
        if (taken < round / 2) steps = (int64_t)fmax(1, fmin(more, 10.0 * (double)steps));
        if (taken >= round) steps = (int64_t)fmax(1, more);
    }
    s->steps = steps;
    return 0;
}

/* A round that is far too short says that what its steps were counted by had been held up: the next ones are longer. */
static int measure(gr_compare_work *w, int i, speed *s, gr_error *e)
{
    const double round = round_seconds(w);
    gr_train_result r;
    s->tries++;
    if (train(w, i, s->steps, &r, e)) return e->status;
    if (gr_compare_stopped(w)) return 0;
    if (r.steps == s->steps && r.seconds < round / 3) s->steps = (int64_t)fmin(10.0 * (double)s->steps, (double)s->steps * round / fmax(r.seconds, 1e-7));
    else note(s, &r);
    return 0;
}

static bool wants_more(const speed *s)
{
    double unused;
    if (!s->steps || s->tries >= GR_SPEED_ROUNDS) return false;
    return s->tries < GR_SPEED_LEAST || gr_rounds_agree(s->per_step, s->rounds, &unused) < AGREE;
}

/* Where rounds disagree to the end, the speed is that of the fastest, and may be too low. */
static void take(const gr_compare_work *w, gr_contender *k, speed *s)
{
    const int agree = gr_rounds_agree(s->per_step, s->rounds, &k->seconds_per_step);
    const double tokens = gr_median(s->tokens, s->rounds) / k->seconds_per_step;
    if (tokens > 0) k->tokens_per_second = tokens;
    if (!s->steps || agree >= AGREE || w->options->session.quiet) return;
    fprintf(stderr, "graphrun: %s: its speed is uncertain: of %d rounds of measuring only %d took about as long as the fastest, as something else "
            "keeps this machine busy%s\n", k->name, s->rounds, agree,
            w->c->budget == GR_BUDGET_SECONDS ? "; --steps N is a budget that does not depend on it" : "");
}

int gr_compare_speed(gr_compare_work *w, gr_error *e)
{
    gr_comparison *c = w->c;
    speed *s = GR_NEW_ARRAY(w->arena, speed, c->num_contenders);
    for (int i = 0; i < c->num_contenders && w->options->round_seconds > 0; i++)
        if (isnan(c->contender[i].seconds_per_step) && warm_up(w, i, &s[i], e)) return e->status;
    for (int round = 0; round < GR_SPEED_ROUNDS; round++)
        for (int i = 0; i < c->num_contenders; i++)
            if (wants_more(&s[i]) && !gr_compare_stopped(w) && measure(w, i, &s[i], e)) return e->status;
    for (int i = 0; i < c->num_contenders; i++)
        if (s[i].rounds) take(w, &c->contender[i], &s[i]);
    return 0;
}
