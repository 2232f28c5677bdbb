/* comparison.c - the table that graphrun compare prints. */
#include "report/comparison.h"
#include "report/number.h"
#include "train/compare.h"

#include <string.h>

enum { COLUMNS = 7, ROOM = 160, MOST_COLUMNS = 1 + 64 };

typedef struct cell { char text[ROOM]; } cell;

/* ---- numbers as people read them ---- */

static void short_number(char to[ROOM], double x)
{
    static const char unit[] = " kMGT";
    int i = 0;
    if (isnan(x)) {
        snprintf(to, ROOM, "?");
        return;
    }
    for (; x >= 10000 && i < 4; i++) x /= 1000;
    if (i) snprintf(to, ROOM, "%.1f%c", x, unit[i]);
    else snprintf(to, ROOM, "%.*f", x < 10 && x != floor(x), x);
}

/* Decimals that give x so many digits. */
static int decimals(double x, int digits)
{
    const int n = x > 0 ? digits - 1 - (int)floor(log10(x)) : 4;
    return n < 0 ? 0 : n > 8 ? 8 : n;
}

/* "12.34 ± 0.56"; of one seed the number alone. n: of how many seeds there could be. */
static void estimate_text(char to[ROOM], const gr_estimate *x, int n, bool sign)
{
    const double half = 0.5 * (x->high - x->low);
    const int of_half = decimals(half, 2), of_mean = decimals(fabs(x->mean), 3), places = of_half > of_mean ? of_half : of_mean;
    char of[40] = "";
    if (x->n < n) snprintf(of, sizeof of, " (%d of %d)", x->n, n);
    if (x->n == 0) snprintf(to, ROOM, "-%s", of);
    else {
        char mean[40];
        snprintf(mean, sizeof mean, sign ? "%+.*f" : "%.*f", places, x->mean);
        if (isnan(half)) snprintf(to, ROOM, "%s%s", mean, of);
        else snprintf(to, ROOM, "%s ± %.*f%s", mean, places, half, of);
    }
}

/* ---- the table ---- */

static void head(const gr_comparison *c, cell *row)
{
    snprintf(row[0].text, ROOM, "model");
    snprintf(row[1].text, ROOM, "parameters");
    bool tokens = true;
    for (int i = 0; i < c->num_contenders; i++) tokens = tokens && !isnan(c->contender[i].tokens_per_second);
    snprintf(row[2].text, ROOM, tokens ? "tokens/s" : "steps/s");
    snprintf(row[3].text, ROOM, "memory");
    snprintf(row[4].text, ROOM, "%s at the end", c->metric[c->judged]);
    snprintf(row[5].text, ROOM, "at its best");
    snprintf(row[6].text, ROOM, "difference to %.50s", c->num_contenders ? c->contender[0].name : "");
}

static void difference_text(char to[ROOM], const gr_comparison *c, const gr_contender *k)
{
    static const char *const word[] = {"", "not significant", "better", "worse"};
    const gr_difference *d = &k->difference;
    char x[ROOM];
    estimate_text(x, &d->of, c->num_seeds, true);
    if (d->of.n < 1) snprintf(to, ROOM, "%s", d->why);
    else if (d->verdict == GR_VERDICT_NONE) snprintf(to, ROOM, "%.30s  no verdict", x);
    else snprintf(to, ROOM, d->p < 0.0001 ? "%.30s  %s (p < 0.0001)" : "%.30s  %s (p %.4f)", x, word[d->verdict], d->p);
}

static void row_of(const gr_comparison *c, int i, cell *row)
{
    const gr_contender *k = &c->contender[i];
    snprintf(row[0].text, ROOM, "%.70s", k->name);
    snprintf(row[1].text, ROOM, "%lld", (long long)k->parameters);
    short_number(row[2].text, isnan(k->tokens_per_second) ? 1 / k->seconds_per_step : k->tokens_per_second);
    gr_bytes_text((double)k->memory, row[3].text);
    estimate_text(row[4].text, &k->final, c->num_seeds, false);
    estimate_text(row[5].text, &k->best, c->num_seeds, false);
    row[6].text[0] = 0;
    if (i) difference_text(row[6].text, c, k);
}

/* In characters; bytes that go on with one are none. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* The first column is on the left, and so is the last where it holds words. */
static void print_row(const cell *row, const int *width, int columns, bool words, FILE *to)
{
    for (int i = 0; i < columns; i++) {
        const int pad = width[i] - width_of(row[i].text);
        const bool last = i == columns - 1, left = i == 0 || (last && words);
        if (i && (!last || *row[i].text)) fputs("  ", to);
        fprintf(to, "%*s%s%*s", left ? 0 : pad, "", row[i].text, left && !last ? pad : 0, "");
    }
    fputc('\n', to);
}

static void print_table(const gr_comparison *c, FILE *to)
{
    int width[COLUMNS] = {0};
    cell row[COLUMNS];
    for (int pass = 0; pass < 2; pass++)
        for (int r = -1; r < c->num_contenders; r++) {
            if (r < 0) head(c, row);
            else row_of(c, r, row);
            for (int i = 0; i < COLUMNS; i++) width[i] = width_of(row[i].text) > width[i] ? width_of(row[i].text) : width[i];
            if (pass) print_row(row, width, COLUMNS, true, to);
        }
}

/* ---- a sweep ---- */

static const char *gradient_text(char to[ROOM], const gr_comparison *c, const gr_contender *k)
{
    const double x = gr_gradient_at_first(c, k);
    if (isfinite(x)) snprintf(to, ROOM, "%.2g", x);
    else snprintf(to, ROOM, "%s", isnan(x) ? "-" : "overflows");
    return to;
}

/* A row for each value of the sweep (-1: the heads of columns), a column for each model. */
static void value_row(const gr_comparison *c, int value, bool gradient, cell *row)
{
    const int models = gr_comparison_models(c);
    snprintf(row[0].text, ROOM, "%.70s", value < 0 ? c->sweep : c->value[value]);
    for (int m = 0; m < models; m++) {
        const gr_contender *k = &c->contender[(value < 0 ? 0 : value * models) + m];
        if (value < 0) snprintf(row[1 + m].text, ROOM, "%.70s", k->model);
        else if (gradient) gradient_text(row[1 + m].text, c, k);
        else estimate_text(row[1 + m].text, c->by_best ? &k->best : &k->final, c->num_seeds, false);
    }
}

static void print_values(const gr_comparison *c, bool gradient, FILE *to)
{
    int width[MOST_COLUMNS] = {0};
    cell row[MOST_COLUMNS];
    const int columns = 1 + gr_comparison_models(c);
    if (columns > MOST_COLUMNS) return; /* no terminal is so wide: the tables below have the same */
    for (int pass = 0; pass < 2; pass++)
        for (int v = -1; v < c->num_values; v++) {
            value_row(c, v, gradient, row);
            for (int i = 0; i < columns; i++) width[i] = width_of(row[i].text) > width[i] ? width_of(row[i].text) : width[i];
            if (pass) print_row(row, width, columns, false, to);
        }
    fputc('\n', to);
}

static void print_sweep(const gr_comparison *c, FILE *to)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    if (!a) return;
    print_values(c, false, to);
    if (gr_try(a, &frame)) {
        for (int v = 0; v < c->num_values; v++) {
            fprintf(to, "%s = %s\n", c->sweep, c->value[v]);
            print_table(gr_comparison_at(a, c, v), to);
            fputc('\n', to);
        }
        gr_end_try(a, &frame);
    }
    gr_arena_destroy(a);
}

/* ---- what the numbers mean ---- */

static void print_gradient(const gr_comparison *c, FILE *to)
{
    char x[ROOM];
    if (!c->gradient) return;
    fprintf(to, "\nLength of the loss's gradient toward %s at its first step, before training%s:\n", c->gradient, c->num_seeds > 1 ? " (geometric means over seeds)" : "");
    if (c->sweep) print_values(c, true, to);
    for (int i = 0; i < c->num_contenders && !c->sweep; i++) fprintf(to, "%s %s\n", c->contender[i].name, gradient_text(x, c, &c->contender[i]));
}

static void print_budget(const gr_comparison *c, FILE *to)
{
    char amount[ROOM];
    static const char *const unit[] = {"step", "second", "token"};
    short_number(amount, c->amount);
    bool alike = true;
    for (int i = 1; i < c->num_contenders; i++) alike = alike && c->contender[i].steps == c->contender[0].steps;
    fprintf(to, "%s of the split valid, %s is better; %d seed%s of %s %s%s each", c->metric[c->judged], c->larger ? "larger" : "smaller", c->num_seeds,
            c->num_seeds == 1 ? "" : "s", amount, unit[c->budget], c->amount == 1 ? "" : "s");
    for (int i = 0; i < c->num_contenders && (c->budget != GR_BUDGET_STEPS || !alike); i++)
        fprintf(to, "%s%s %lld step%s", i ? ", " : ": ", c->contender[i].name, (long long)c->contender[i].steps, c->contender[i].steps == 1 ? "" : "s");
    fputs("\n", to);
}

static void print_statistics(const gr_comparison *c, FILE *to)
{
    const int m = c->num_contenders - gr_comparison_values(c);
    if (c->num_seeds < 2) {
        fputs("One seed: nothing is known of what another would give, so there are no intervals and no verdict; --seeds 5 has them.\n", to);
        return;
    }
    fprintf(to, "± is half of a %g%% interval of the mean over seeds (Student's t). Differences are taken seed by seed, of the metric %s", 100 * c->level,
            c->by_best ? "at its best" : "at the end");
    if (m > 1) fprintf(to, "; their\nintervals are of %.4g%%, so that all %d hold together with %g%% (Bonferroni), and p is %d times that of one", 100 * (1 - (1 - c->level) / m), m, 100 * c->level, m);
    fputs(".\n", to);
}

static void print_rates(const gr_comparison *c, FILE *to)
{
    if (!c->tuned) return;
    fprintf(to, "Learning rates were chosen on seed %llu, which is not among those reported:", (unsigned long long)c->tuning_seed);
    for (int i = 0; i < c->num_contenders; i++)
        fprintf(to, "%s %s %g (file: %g, of %d)", i ? "," : "", c->contender[i].name, c->contender[i].lr, c->contender[i].own_lr, c->contender[i].num_grid);
    fputs(".\n", to);
}

static void print_matched(const gr_comparison *c, FILE *to)
{
    for (int i = 0; i < c->num_contenders; i++) {
        const gr_contender *k = &c->contender[i];
        if (k->matched)
            fprintf(to, "%s: %s was scaled from %lld to %lld, so that it has %lld parameters (%+.2f%%).\n", k->name, k->matched, (long long)k->matched_from,
                    (long long)k->matched_to, (long long)k->parameters, 100 * ((double)k->parameters / (double)c->contender[i - i % gr_comparison_models(c)].parameters - 1));
    }
}

static void print_diverged(const gr_comparison *c, FILE *to)
{
    for (int i = 0; i < c->num_contenders; i++) {
        const gr_contender *k = &c->contender[i];
        if (!k->diverged) continue;
        fprintf(to, "%s: %d of %d runs diverged; its means are of the others, and no verdict is made.", k->name, k->diverged, c->num_seeds);
        for (int t = 0; t < c->num_seeds; t++)
            if (k->trial[t].status == GR_TRIAL_DIVERGED) fprintf(to, "\n  seed %llu: %s", (unsigned long long)k->trial[t].seed, k->trial[t].why);
        fputc('\n', to);
    }
}

void gr_comparison_print(const gr_comparison *c, FILE *to)
{
    print_budget(c, to);
    fputc('\n', to);
    if (c->sweep) print_sweep(c, to);
    else {
        print_table(c, to);
        fputc('\n', to);
    }
    print_statistics(c, to);
    fprintf(to, "Speeds are of training alone with %d thread%s, models by turns.\n", c->threads, c->threads == 1 ? "" : "s");
    print_rates(c, to);
    print_matched(c, to);
    print_diverged(c, to);
    print_gradient(c, to);
    if (!c->same_data) fprintf(to, "The data are not the same:\n%s\n", c->different);
}
