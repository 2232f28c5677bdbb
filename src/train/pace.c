/* pace.c - the rates of an update, and what a checkpoint needs to know of them. */
#include "train/pace.h"

#include <stdlib.h>
#include <string.h>

static bool watches(const gr_lr_spec *lr) { return lr->schedule && lr->schedule->watches; }

gr_pace gr_pace_start(gr_arena *a, const gr_recipe *r)
{
    gr_pace p = {.recipe = r, .lr = GR_NEW_ARRAY(a, double, r->num_lrs + 1), .plateau = GR_NEW_ARRAY(a, gr_plateau, r->num_lrs + 1)};
    for (int i = 0; i < r->num_lrs; i++)
        if (watches(&r->lrs[i])) p.plateau[i] = gr_plateau_start(r->lrs[i].attr, r->lrs[i].lr);
    return p;
}

/* Update number u (from 0) of a warm-up of n is made with (u + 1) / n of what the schedule says. */
static double warmed(const gr_lr_spec *lr, double rate, int64_t u)
{
    return u + 1 < lr->warmup ? rate * (double)(u + 1) / (double)lr->warmup : rate;
}

void gr_pace_set(gr_pace *p, gr_exec *x, int64_t epoch, bool ends_epoch, int64_t per_epoch)
{
    int64_t n = p->recipe->accumulate;
    p->last = p->pending + 1 >= n || (per_epoch >= n && ends_epoch);
    gr_exec_set_accumulated(x, p->pending + 1, p->last);
    for (int i = 0; i < p->recipe->num_lrs; i++) {
        const gr_lr_spec *lr = &p->recipe->lrs[i];
        double rate = lr->lr;
        if (watches(lr)) rate = p->plateau[i].lr;
        else if (lr->schedule) rate = lr->schedule->at(lr->attr, lr->lr, lr->by_step ? p->updates : epoch);
        p->lr[i] = warmed(lr, rate, p->updates);
        gr_exec_set_lr(x, i, p->lr[i]);
    }
}

void gr_pace_step(gr_pace *p)
{
    p->updates += p->last;
    p->pending = p->last ? 0 : p->pending + 1;
}

static double measured(const gr_recipe *r, const gr_meter *m, const char *metric)
{
    for (int i = 0; metric && i < r->num_metrics; i++)
        if (strcmp(r->metrics[i].label, metric) == 0) return gr_meter_value(m, r, i);
    return gr_meter_loss(m);
}

void gr_pace_see(gr_pace *p, const gr_meter *of)
{
    for (int i = 0; i < p->recipe->num_lrs; i++) {
        const gr_lr_spec *lr = &p->recipe->lrs[i];
        if (watches(lr)) gr_plateau_see(lr->attr, &p->plateau[i], measured(p->recipe, of, gr_plateau_metric(lr->attr)));
    }
}

bool gr_pace_watches(const gr_pace *p)
{
    for (int i = 0; i < p->recipe->num_lrs; i++)
        if (watches(&p->recipe->lrs[i])) return true;
    return false;
}

/* "updates pending", the rates of the last step and, of each that watches, "lr best bad cooldown"; doubles as
 * hexadecimal text. */
const char *gr_pace_text(gr_arena *a, const gr_pace *p)
{
    const char *text = gr_arena_printf(a, "%lld %lld", (long long)p->updates, (long long)p->pending);
    for (int i = 0; i < p->recipe->num_lrs; i++) text = gr_arena_printf(a, "%s %a", text, p->lr[i]);
    for (int i = 0; i < p->recipe->num_lrs; i++) {
        const gr_plateau *s = &p->plateau[i];
        if (watches(&p->recipe->lrs[i]))
            text = gr_arena_printf(a, "%s %a %a %lld %lld", text, s->lr, s->best, (long long)s->bad, (long long)s->cooldown);
    }
    return text;
}

void gr_pace_from_text(gr_pace *p, const char *text)
{
    char *end;
    p->updates = strtoll(text, &end, 10);
    p->pending = strtoll(end, &end, 10);
    for (int i = 0; i < p->recipe->num_lrs; i++) p->lr[i] = strtod(end, &end);
    for (int i = 0; i < p->recipe->num_lrs; i++) {
        gr_plateau *s = &p->plateau[i];
        if (!watches(&p->recipe->lrs[i]) || !*end) continue;
        s->lr = strtod(end, &end);
        s->best = strtod(end, &end);
        s->bad = strtoll(end, &end, 10);
        s->cooldown = strtoll(end, &end, 10);
    }
}
