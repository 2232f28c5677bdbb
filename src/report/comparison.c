/* comparison.c - the table that graphrun compare prints. */
#include "report/comparison.h"
#include "report/number.h"

#include <string.h>

enum { COLUMNS = 7, ROOM = 160 };

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

static void print_row(const cell *row, const int *width, FILE *to)
{
    for (int i = 0; i < COLUMNS; i++) {
        const int pad = width[i] - width_of(row[i].text);
        const bool left = i == 0 || i == COLUMNS - 1;
        if (i && (i < COLUMNS - 1 || *row[i].text)) fputs("  ", to);
        fprintf(to, "%*s%s%*s", left ? 0 : pad, "", row[i].text, left && i < COLUMNS - 1 ? pad : 0, "");
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
            if (pass) print_row(row, width, to);
        }
}

/* ---- what the numbers mean ---- */

static void print_budget(const gr_comparison *c, FILE *to)
{
    char amount[ROOM];
    static const char *const unit[] = {"steps", "seconds", "tokens"};
    short_number(amount, c->amount);
    bool alike = true;
    for (int i = 1; i < c->num_contenders; i++) alike = alike && c->contender[i].steps == c->contender[0].steps;
    fprintf(to, "%s of the split valid, %s is better; %d seed%s of %s %s each", c->metric[c->judged], c->larger ? "larger" : "smaller", c->num_seeds,
            c->num_seeds == 1 ? "" : "s", amount, unit[c->budget]);
    for (int i = 0; i < c->num_contenders && (c->budget != GR_BUDGET_STEPS || !alike); i++)
        fprintf(to, "%s%s %lld steps", i ? ", " : ": ", c->contender[i].name, (long long)c->contender[i].steps);
    fputs("\n", to);
}

static void print_statistics(const gr_comparison *c, FILE *to)
{
    const int m = c->num_contenders - 1;
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
                    (long long)k->matched_to, (long long)k->parameters, 100 * ((double)k->parameters / (double)c->contender[0].parameters - 1));
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
    print_table(c, to);
    fputc('\n', to);
    print_statistics(c, to);
    fprintf(to, "Speeds are of training alone with %d thread%s, models by turns.\n", c->threads, c->threads == 1 ? "" : "s");
    print_rates(c, to);
    print_matched(c, to);
    print_diverged(c, to);
    if (!c->same_data) fprintf(to, "The data are not the same:\n%s\n", c->different);
}
