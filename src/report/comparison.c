/* comparison.c - the table that graphrun compare prints. */
#include "report/comparison.h"
#include "base/column.h"
#include "base/count.h"
#include "report/number.h"
#include "train/compare.h"

enum { COLUMNS = 7, BLOCK = 8 }; /* BLOCK: models of a sweep beside each other; others stand below */

typedef struct print {
    const gr_comparison *c;
    gr_arena *arena; /* of texts */
    FILE *to;
} print;

/* ---- numbers as people read them ---- */

static const char *short_number(const print *p, double x)
{
    static const char unit[] = " kMGT";
    int i = 0;
    if (isnan(x)) return "?";
    for (; x >= 10000 && i < 4; i++) x /= 1000;
    return i ? gr_arena_printf(p->arena, "%.1f%c", x, unit[i]) : gr_arena_printf(p->arena, "%.*f", x < 10 && x != floor(x), x);
}

/* Decimals that give x so many digits. */
static int decimals(double x, int digits)
{
    const int n = x > 0 ? digits - 1 - (int)floor(log10(x)) : 4;
    return n < 0 ? 0 : n > 8 ? 8 : n;
}

/* "12.34 ± 0.56 (4 of 5)"; of one seed the number alone. */
static const char *estimate_text(const print *p, const gr_estimate *x, bool sign)
{
    const double half = 0.5 * (x->high - x->low);
    const int of_half = x->equal ? 0 : decimals(half, 2), of_mean = decimals(fabs(x->mean), x->equal ? 4 : 3), places = of_half > of_mean ? of_half : of_mean;
    const char *of = x->n < p->c->num_seeds ? gr_arena_printf(p->arena, " (%d of %d)", x->n, p->c->num_seeds) : "";
    if (x->n == 0) return gr_arena_printf(p->arena, "-%s", of);
    const char *mean = gr_arena_printf(p->arena, sign ? "%+.*f" : "%.*f", places, x->mean);
    if (x->equal) return gr_arena_printf(p->arena, "%s (all %d%s equal)", mean, x->n, *of ? gr_arena_printf(p->arena, " of %d", p->c->num_seeds) : "");
    return isnan(half) ? gr_arena_printf(p->arena, "%s%s", mean, of) : gr_arena_printf(p->arena, "%s ± %.*f%s", mean, places, half, of);
}

/* ---- the table ---- */

/* What a speed is measured in; of a model that diverges at once there is none. */
static bool has_tokens(const gr_comparison *c)
{
    bool tokens = false;
    for (int i = 0; i < c->num_contenders; i++) tokens = tokens || !isnan(c->contender[i].tokens_per_second);
    return tokens;
}

static void head(const print *p, const gr_comparison *c, const char **row)
{
    row[0] = "model";
    row[1] = "parameters";
    row[2] = has_tokens(c) ? "tokens/s" : "steps/s";
    row[3] = "memory";
    row[4] = gr_arena_printf(p->arena, "%s at the end", c->metric[c->judged]);
    row[5] = "at its best";
    row[6] = gr_arena_printf(p->arena, "difference to %s", c->contender[0].name);
}

static const char *difference_text(const print *p, const gr_difference *d)
{
    static const char *const word[] = {"", "not significant", "better", "worse"};
    if (d->of.n < 1) return d->why;
    if (d->of.equal && d->of.mean == 0) return gr_arena_printf(p->arena, "none (all %d equal)", d->of.n);
    const char *x = estimate_text(p, &d->of, true);
    if (d->verdict == GR_VERDICT_NONE) return gr_arena_printf(p->arena, "%s  no verdict", x);
    return gr_arena_printf(p->arena, d->p < 0.0001 ? "%s  %s (p < 0.0001)" : "%s  %s (p %.4f)", x, word[d->verdict], d->p);
}

static void row_of(const print *p, const gr_comparison *c, int i, const char **row)
{
    const gr_contender *k = &c->contender[i];
    row[0] = k->name;
    row[1] = gr_arena_printf(p->arena, "%lld", (long long)k->parameters);
    row[2] = short_number(p, has_tokens(c) ? k->tokens_per_second : 1 / k->seconds_per_step);
    row[3] = gr_bytes_text((double)k->memory, gr_arena_alloc(p->arena, GR_NUMBER_TEXT));
    row[4] = estimate_text(p, &k->final, false);
    row[5] = estimate_text(p, &k->best, false);
    row[6] = i ? difference_text(p, &k->difference) : "";
}

/* The first column is on the left, and so is the last where it holds words. */
static void print_row(const char *const *row, const int *width, int columns, bool words, FILE *to)
{
    for (int i = 0; i < columns; i++) {
        const bool last = i == columns - 1, left = i == 0 || (last && words);
        if (i && (!last || *row[i])) fputs("  ", to);
        if (left) gr_put_left(to, row[i], last ? 0 : width[i]);
        else gr_put_right(to, row[i], width[i]);
    }
    fputc('\n', to);
}

static void widen(const char *const *row, int *width, int columns)
{
    for (int i = 0; i < columns; i++) width[i] = gr_wider(width[i], row[i]);
}

static void print_table(const print *p, const gr_comparison *c)
{
    int width[COLUMNS] = {0};
    const char *row[COLUMNS];
    for (int pass = 0; pass < 2; pass++)
        for (int r = -1; r < c->num_contenders; r++) {
            if (r < 0) head(p, c, row);
            else row_of(p, c, r, row);
            if (pass) print_row(row, width, COLUMNS, true, p->to);
            else widen(row, width, COLUMNS);
        }
    fputc('\n', p->to);
}

/* ---- a sweep ---- */

static const char *gradient_text(const print *p, const gr_contender *k)
{
    const double x = gr_gradient_at_first(p->c, k);
    return isfinite(x) ? gr_arena_printf(p->arena, "%.2g", x) : isnan(x) ? "-" : "overflows";
}

/* A row for each value of the sweep (-1: the heads of columns), a column for each of n models from `first` on. */
static void value_row(const print *p, int value, int first, int n, bool gradient, const char **row)
{
    const gr_comparison *c = p->c;
    row[0] = value < 0 ? c->sweep : c->value[value];
    for (int m = 0; m < n; m++) {
        const gr_contender *k = &c->contender[(value < 0 ? 0 : value * gr_comparison_models(c)) + first + m];
        row[1 + m] = value < 0 ? k->model : gradient ? gradient_text(p, k) : estimate_text(p, c->by_best ? &k->best : &k->final, false);
    }
}

static void print_values(const print *p, bool gradient)
{
    const int models = gr_comparison_models(p->c);
    for (int first = 0; first < models; first += BLOCK) {
        const int n = models - first < BLOCK ? models - first : BLOCK;
        int width[1 + BLOCK] = {0};
        const char *row[1 + BLOCK];
        for (int pass = 0; pass < 2; pass++)
            for (int v = -1; v < p->c->num_values; v++) {
                value_row(p, v, first, n, gradient, row);
                if (pass) print_row(row, width, 1 + n, false, p->to);
                else widen(row, width, 1 + n);
            }
        fputc('\n', p->to);
    }
}

static void print_sweep(const print *p)
{
    print_values(p, false);
    for (int v = 0; v < p->c->num_values; v++) {
        fprintf(p->to, "%s = %s\n", p->c->sweep, p->c->value[v]);
        print_table(p, gr_comparison_at(p->arena, p->c, v));
    }
}

/* ---- what the numbers mean ---- */

static void print_gradient(const print *p)
{
    const gr_comparison *c = p->c;
    FILE *to = p->to;
    if (!c->gradient) return;
    fprintf(to, "\nLength of the loss's gradient toward %s at its first step, before training%s:\n", c->gradient, c->num_seeds > 1 ? " (geometric means over seeds)" : "");
    if (c->sweep) print_values(p, true);
    for (int i = 0; i < c->num_contenders && !c->sweep; i++) fprintf(to, "%s %s\n", c->contender[i].name, gradient_text(p, &c->contender[i]));
}

static void print_budget(const print *p)
{
    const gr_comparison *c = p->c;
    FILE *to = p->to;
    static const char *const unit[] = {"step", "second", "token"};
    bool alike = true;
    for (int i = 1; i < c->num_contenders; i++) alike = alike && c->contender[i].steps == c->contender[0].steps;
    fprintf(to, "%s of the split valid, %s is better; %d seed%s of %s %s%s each", c->metric[c->judged], c->larger ? "larger" : "smaller", c->num_seeds,
            gr_s(c->num_seeds), short_number(p, c->amount), unit[c->budget], c->amount == 1 ? "" : "s");
    for (int i = 0; i < c->num_contenders && (c->budget != GR_BUDGET_STEPS || !alike); i++)
        fprintf(to, "%s%s %lld step%s", i ? ", " : ": ", c->contender[i].name, (long long)c->contender[i].steps, gr_s(c->contender[i].steps));
    fputs("\n", to);
}

static bool any_equal(const gr_comparison *c)
{
    bool any = false;
    for (int i = 0; i < c->num_contenders; i++) any = any || c->contender[i].final.equal || c->contender[i].best.equal || c->contender[i].difference.of.equal;
    return any;
}

static void print_statistics(const print *p)
{
    const gr_comparison *c = p->c;
    FILE *to = p->to;
    const int m = c->num_contenders - gr_comparison_values(c);
    if (c->num_seeds < 2) {
        fputs("One seed: nothing is known of what another would give, so there are no intervals and no verdict; --seeds 5 has them.\n", to);
        return;
    }
    fprintf(to, "± is half of a %g%% interval of the mean over seeds (Student's t). Differences are taken seed by seed, of the metric %s", 100 * c->level,
            c->by_best ? "at its best" : "at the end");
    if (m > 1) fprintf(to, "; their\nintervals are of %.4g%%, so that all %d hold together with %g%% (Bonferroni), and p is %d times that of one", 100 * (1 - (1 - c->level) / m), m, 100 * c->level, m);
    fputs(".\n", to);
    if (any_equal(c)) fputs("Where seeds are all equal there is no interval: numbers without a spread do not say how far another seed may be off.\n", to);
}

static void print_rates(const print *p)
{
    const gr_comparison *c = p->c;
    if (!c->tuned) return;
    fprintf(p->to, "Learning rates were chosen on seed %llu, which is not among those reported:", (unsigned long long)c->tuning_seed);
    for (int i = 0; i < c->num_contenders; i++)
        fprintf(p->to, "%s %s %g (file: %g, of %d)", i ? "," : "", c->contender[i].name, c->contender[i].lr, c->contender[i].own_lr, c->contender[i].num_grid);
    fputs(".\n", p->to);
}

static void print_matched(const print *p)
{
    const gr_comparison *c = p->c;
    for (int i = 0; i < c->num_contenders; i++) {
        const gr_contender *k = &c->contender[i];
        if (k->matched)
            fprintf(p->to, "%s: %s was scaled from %lld to %lld, so that it has %lld parameters (%+.2f%%).\n", k->name, k->matched, (long long)k->matched_from,
                    (long long)k->matched_to, (long long)k->parameters, 100 * ((double)k->parameters / (double)c->contender[i - i % gr_comparison_models(c)].parameters - 1));
    }
}

static void print_diverged(const print *p)
{
    const gr_comparison *c = p->c;
    for (int i = 0; i < c->num_contenders; i++) {
        const gr_contender *k = &c->contender[i];
        if (!k->diverged) continue;
        if (k->diverged == c->num_seeds) fprintf(p->to, "%s: all runs diverged.", k->name);
        else fprintf(p->to, "%s: %d of %d runs diverged; its means are of the others, and no verdict is made.", k->name, k->diverged, c->num_seeds);
        for (int t = 0; t < c->num_seeds; t++)
            if (k->trial[t].status == GR_TRIAL_DIVERGED) fprintf(p->to, "\n  seed %llu: %s", (unsigned long long)k->trial[t].seed, k->trial[t].why);
        fputc('\n', p->to);
    }
}

static void print_twins(const print *p)
{
    for (int i = 0; i < p->c->num_contenders; i++) {
        const int twin = gr_compare_twin(p->c, i);
        if (twin >= 0)
            fprintf(p->to, "%s and %s made the same runs: training reads nothing in which they differ.\n", p->c->contender[twin].name, p->c->contender[i].name);
    }
}

static void print_all(const print *p)
{
    const gr_comparison *c = p->c;
    print_budget(p);
    fputc('\n', p->to);
    if (c->sweep) print_sweep(p);
    else print_table(p, c);
    print_statistics(p);
    fprintf(p->to, "Speeds are of training alone with %d thread%s, models by turns.\n", c->threads, gr_s(c->threads));
    print_rates(p);
    print_matched(p);
    print_diverged(p);
    print_twins(p);
    print_gradient(p);
    if (!c->same_data) fprintf(p->to, "The data are not the same:\n%s\n", c->different);
}

int gr_comparison_print(const gr_comparison *c, FILE *to, gr_error *e)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    *e = (gr_error){0};
    if (a && gr_try(a, &frame)) {
        print_all(&(print){c, a, to});
        gr_end_try(a, &frame);
    } else if (a) {
        gr_caught(a, e);
    } else {
        gr_set_error(e, GR_ENOMEM, "out of memory");
    }
    gr_arena_destroy(a);
    return e->status;
}
