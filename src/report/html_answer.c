/* html_answer.c - which model is best and how sure that is: one sentence, and a picture of the intervals. */
#include "base/count.h"
#include "report/html_parts.h"
#include "report/axis.h"
#include "report/chart.h"
#include "train/compare.h"

#include <math.h>
#include <string.h>

/* ---- what is judged ---- */

const gr_estimate *gr_judged(const gr_comparison *c, int i)
{
    return c->by_best ? &c->contender[i].best : &c->contender[i].final;
}

double gr_judged_of(const gr_comparison *c, const gr_trial *t)
{
    if (t->status != GR_TRIAL_DONE) return NAN;
    return c->by_best ? t->best : t->final;
}

/* ---- the order ---- */

static bool before(const gr_comparison *c, int a, int b)
{
    const gr_contender *x = &c->contender[a], *y = &c->contender[b];
    if ((x->diverged > 0) != (y->diverged > 0)) return y->diverged > 0;
    const double p = gr_judged(c, a)->mean, q = gr_judged(c, b)->mean;
    return c->larger ? p > q : p < q;
}

static void put_in_order(const gr_comparison *c, gr_answer *answer)
{
    for (int i = 0; i < c->num_contenders; i++) {
        if (gr_judged(c, i)->n < 1) continue;
        int at = answer->ranked++;
        for (; at > 0 && before(c, i, answer->order[at - 1]); at--) answer->order[at] = answer->order[at - 1];
        answer->order[at] = i;
    }
}

/* Paired by seed. */
static gr_estimate difference(gr_arena *a, const gr_comparison *c, int one, int other, double level)
{
    double *by = GR_NEW_ARRAY(a, double, c->num_seeds + 1);
    int n = 0;
    for (int k = 0; k < c->num_seeds; k++) {
        by[n] = gr_judged_of(c, &c->contender[one].trial[k]) - gr_judged_of(c, &c->contender[other].trial[k]);
        n += isfinite(by[n]);
    }
    return gr_estimate_of_differences(by, n, level, &(double){0});
}

gr_answer gr_answer_of(gr_arena *a, const gr_comparison *c)
{
    const int n = c->num_contenders;
    gr_answer answer = {.order = GR_NEW_ARRAY(a, int, n + 1), .behind = GR_NEW_ARRAY(a, gr_estimate, n + 1), .told = GR_NEW_ARRAY(a, bool, n + 1)};
    put_in_order(c, &answer);
    const int pairs = answer.ranked * (answer.ranked - 1) / 2 * (c->sweep ? c->num_values : 1);
    for (int i = 1; i < answer.ranked; i++) {
        const int best = answer.order[0], other = answer.order[i];
        gr_estimate *e = &answer.behind[i];
        *e = difference(a, c, other, best, 1 - (1 - c->level) / pairs);
        const bool whole = !gr_missing_runs(c) && c->contender[best].diverged == 0 && c->contender[other].diverged == 0;
        answer.told[i] = whole && e->n > 1 && (c->larger ? e->high < 0 : e->low > 0);
        answer.untold += !answer.told[i];
    }
    answer.tied = answer.ranked > 1 && answer.behind[1].n == c->num_seeds && answer.behind[1].mean == 0 && (answer.behind[1].equal || c->num_seeds == 1);
    return answer;
}

/* ---- the sentence ---- */

static const char *name_at(const gr_page *p, int place) { return p->c->contender[p->answer.order[place]].name; }

static void write_name_at(const gr_page *p, int place)
{
    fputs("<bdi>", p->to);
    gr_html_text(p->to, name_at(p, place));
    fputs("</bdi>", p->to);
}

/* "a", "a and b", "a, b and 2 others" of those at places that are told apart from the best, or are not. */
static void write_names(const gr_page *p, bool told)
{
    const int all = told ? p->answer.ranked - 1 - p->answer.untold : p->answer.untold, shown = all > 3 ? 2 : all;
    for (int i = 1, n = 0; i < p->answer.ranked && n < shown; i++) {
        if (p->answer.told[i] != told) continue;
        if (n) fputs(n == all - 1 ? " and " : ", ", p->to);
        write_name_at(p, i);
        n++;
    }
    if (all > shown) fprintf(p->to, " and %d other%s", all - shown, gr_s(all - shown));
}

int gr_missing_runs(const gr_comparison *c)
{
    int n = 0;
    for (int i = 0; i < c->num_contenders; i++)
        for (int k = 0; k < c->num_seeds; k++) n += c->contender[i].trial[k].status == GR_TRIAL_WAITING;
    return n;
}

static void write_headline(const gr_page *p)
{
    const int missing = gr_missing_runs(p->c), runs = p->c->num_contenders * p->c->num_seeds;
    fputs("<h1>", p->to);
    if (p->answer.ranked == 0) {
        fputs("No run has ended with a result", p->to);
        if (missing) fprintf(p->to, ": %d of %d are still missing", missing, runs);
        fputs(".</h1>\n", p->to);
        return;
    }
    if (p->answer.tied && !missing) {
        fprintf(p->to, "No model leads: %s cannot tell ", p->c->num_seeds == 1 ? "one seed" : gr_arena_printf(p->arena, "%d seeds", p->c->num_seeds));
        write_name_at(p, 0);
        fputs(" from ", p->to);
        write_names(p, false);
        fputs(".</h1>\n", p->to);
        return;
    }
    write_name_at(p, 0);
    if (p->answer.ranked == 1) {
        fputs(missing ? " alone has a result so far: " : " alone has a result.", p->to);
        if (missing) fprintf(p->to, "%d of %d runs are still missing.", missing, runs);
    } else if (missing) {
        fprintf(p->to, " leads so far: %d of %d runs are still missing.", missing, runs);
    } else if (p->c->num_seeds < 2) {
        fputs(" leads on the one seed that was tried.", p->to);
    } else if (p->answer.untold) {
        fprintf(p->to, " leads, but %d seeds cannot tell it from ", p->c->num_seeds);
        write_names(p, false);
        fputc('.', p->to);
    } else {
        fputs(" is best, and not by chance.", p->to);
    }
    fputs("</h1>\n", p->to);
}

/* "0.31 higher (0.12 to 0.50)" */
static void write_behind(const gr_page *p, const gr_estimate *e)
{
    char number[GR_NUMBER_TEXT];
    const double sign = e->mean < 0 ? -1 : 1;
    fprintf(p->to, "%s %s", gr_number_text(fabs(e->mean), p->decimals, number), e->mean < 0 ? "lower" : "higher");
    if (!isfinite(e->low) || e->equal) return;
    fprintf(p->to, " (%s", gr_number_text(sign < 0 ? -e->high : e->low, p->decimals, number));
    fprintf(p->to, " to %s)", gr_number_text(sign < 0 ? -e->low : e->high, p->decimals, number));
}

static void write_runner_up(const gr_page *p)
{
    const gr_estimate *e = &p->answer.behind[1];
    fputs(" That of ", p->to);
    write_name_at(p, 1);
    if (e->n < 1) {
        fputs(" has no run of the same seed to be compared with.", p->to);
        return;
    }
    fputs(" is ", p->to);
    if (p->answer.tied) {
        fputs(p->c->num_seeds < 2 ? "the same." : "the same with each seed.", p->to);
        return;
    }
    write_behind(p, e);
    const char *seeds = e->equal ? "with each seed" : "on the same seeds";
    if (p->c->num_seeds < 2) fputs("; one seed cannot say how much of this is chance.", p->to);
    else fprintf(p->to, " %s%s.", seeds, p->answer.told[1] ? "" : ", which may be chance");
}

/* "5.21 (95% interval 5.10 to 5.32)" */
static void write_mean(const gr_page *p, const gr_estimate *e)
{
    char number[GR_NUMBER_TEXT];
    fprintf(p->to, "<b>%s</b>", gr_number_text(e->mean, p->decimals, number));
    if (e->n < 2 || e->equal) return;
    fprintf(p->to, " (%.3g%% interval ", 100 * p->c->level);
    gr_page_interval(p, e, p->decimals);
    fputc(')', p->to);
}

static void write_lead(const gr_page *p)
{
    const gr_comparison *c = p->c;
    if (!p->answer.ranked) return;
    const gr_estimate *e = gr_judged(c, p->answer.order[0]);
    fprintf(p->to, "<p class=\"lead\">%s %s ", p->answer.tied ? "The" : "Its", c->by_best ? "best" : "last");
    gr_html_text(p->to, gr_metric_title(p, c->judged));
    if (p->answer.tied) {
        fputs(" of ", p->to);
        write_name_at(p, 0);
    }
    fputs(" is ", p->to);
    write_mean(p, e);
    if (e->equal) fprintf(p->to, " with each of %d seeds.", e->n);
    else if (e->n > 1) fprintf(p->to, " on average over %d seeds.", e->n);
    else fputc('.', p->to);
    if (p->answer.ranked > 1) write_runner_up(p);
    if (p->answer.untold && p->answer.ranked - 1 > p->answer.untold) {
        fputc(' ', p->to);
        write_names(p, true);
        fprintf(p->to, "%s worse, and not by chance.", p->answer.ranked - 1 - p->answer.untold == 1 ? " is" : " are");
    }
    fputs("</p>\n", p->to);
}

/* ---- the ranking ---- */

typedef struct range { double lo, hi; } range;

static void widen(range *r, double v)
{
    if (!isfinite(v)) return;
    r->lo = fmin(r->lo, v);
    r->hi = fmax(r->hi, v);
}

static gr_axis ranking_axis(const gr_page *p)
{
    range r = {INFINITY, -INFINITY};
    for (int i = 0; i < p->answer.ranked; i++) {
        const gr_contender *x = &p->c->contender[p->answer.order[i]];
        for (int k = 0; k < p->c->num_seeds; k++) widen(&r, gr_judged_of(p->c, &x->trial[k]));
    }
    if (!p->c->larger && gr_axis_wants_log(r.lo, r.hi)) return gr_axis_make(r.lo / 1.1, r.hi * 1.1, 5, true);
    for (int i = 0; i < p->answer.ranked; i++) {
        const gr_estimate *e = gr_judged(p->c, p->answer.order[i]);
        widen(&r, e->low), widen(&r, e->high);
    }
    const double room = 0.05 * (r.hi - r.lo);
    return gr_axis_make(r.lo - room, r.hi + room, 5, false);
}

static double percent(const gr_axis *x, double v) { return fmin(fmax(100 * gr_axis_place(x, v), -5), 105); }

/* Grid, interval, a dot a seed, the mean. */
static void write_strip(const gr_page *p, const gr_axis *x, int contender)
{
    const gr_estimate *e = gr_judged(p->c, contender);
    const int style = gr_style_of(p->c, contender);
    fputs("<svg class=\"strip\" aria-hidden=\"true\">", p->to);
    for (int i = 0; i < x->num_ticks; i++) {
        const double at = percent(x, x->tick[i]);
        fprintf(p->to, "<line class=\"grid\" x1=\"%.2f%%\" x2=\"%.2f%%\" y2=\"100%%\"/>", at, at);
    }
    if (e->n > 1 && isfinite(e->low))
        fprintf(p->to, "<line class=\"interval s%d\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"50%%\" y2=\"50%%\"/>", style, percent(x, e->low), percent(x, e->high));
    for (int k = 0; k < p->c->num_seeds && p->c->num_seeds > 1; k++) {
        const double v = gr_judged_of(p->c, &p->c->contender[contender].trial[k]);
        if (isfinite(v)) fprintf(p->to, "<line class=\"seed s%d\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"22%%\" y2=\"78%%\"/>", style, percent(x, v), percent(x, v));
    }
    fprintf(p->to, "<svg class=\"at\" x=\"%.2f%%\" y=\"50%%\">", percent(x, e->mean));
    gr_chart_write_marker(style, p->to);
    fputs("</svg></svg>", p->to);
}

static void write_rank_row(const gr_page *p, const gr_axis *x, int place)
{
    const int i = p->answer.order[place];
    char number[GR_NUMBER_TEXT];
    const gr_estimate *e = gr_judged(p->c, i);
    fputs("<li>", p->to);
    fputs("<span class=\"who\">", p->to);
    gr_page_name(p, i);
    fprintf(p->to, "</span><span class=\"value\">%s", gr_number_text(e->mean, p->decimals, number));
    if (e->n > 1) {
        fputs(" <small>", p->to);
        gr_page_interval(p, e, p->decimals);
        fputs("</small>", p->to);
    }
    fputs("</span>", p->to);
    write_strip(p, x, i);
    fputs("</li>\n", p->to);
}

static void write_ranking(const gr_page *p)
{
    if (p->answer.ranked < 1) return;
    const gr_axis x = ranking_axis(p);
    char label[GR_AXIS_LABEL];
    fputs("<figure class=\"ranking\">\n<ol>\n", p->to);
    for (int i = 0; i < p->answer.ranked; i++) write_rank_row(p, &x, i);
    fputs("</ol>\n<div class=\"scale\"><svg class=\"strip\" aria-hidden=\"true\">", p->to);
    for (int i = 0; i < x.num_ticks; i++)
        fprintf(p->to, "<text x=\"%.2f%%\" y=\"12\">%s</text>", percent(&x, x.tick[i]), gr_axis_label(&x, i, label));
    fputs("</svg></div>\n<figcaption>", p->to);
    gr_html_text(p->to, gr_arena_printf(p->arena, "%s %s, %s is better%s.", p->c->by_best ? "Best" : "Last", gr_metric_title(p, p->c->judged),
                   p->c->larger ? "more" : "less", x.log ? "; log scale" : ""));
    if (p->c->num_seeds > 1) fprintf(p->to, " Thick: %.3g%% interval of the mean; thin: single seeds.", 100 * p->c->level);
    fputs("</figcaption>\n</figure>\n", p->to);
}

/* ---- what weakens the answer ---- */

void gr_page_warnings(const gr_page *p)
{
    const gr_comparison *c = p->c;
    if (!c->complete)
        fprintf(p->to, "<p class=\"warning\">Not all %s yet: the same command goes on where it was interrupted.</p>\n",
                gr_missing_runs(c) ? "runs are done" : "gradients are measured");
    if (!c->same_data) {
        fputs("<p class=\"warning\">The models did not see the same data: ", p->to);
        gr_html_text(p->to, c->different);
        fputs(".</p>\n", p->to);
    }
    for (int i = 0; i < c->num_contenders; i++) {
        if (!c->contender[i].diverged) continue;
        fputs("<p class=\"warning\"><bdi>", p->to);
        gr_html_text(p->to, c->contender[i].name);
        if (c->contender[i].diverged == c->num_seeds) fputs("</bdi>: all runs diverged.</p>\n", p->to);
        else fprintf(p->to, "</bdi>: %d of %d runs diverged; means are over the others, and nothing is said of chance.</p>\n", c->contender[i].diverged, c->num_seeds);
    }
    for (int i = 0; i < c->num_contenders; i++) {
        const int twin = gr_compare_twin(c, i);
        if (twin < 0) continue;
        fputs("<p class=\"warning\"><bdi>", p->to);
        gr_html_text(p->to, c->contender[twin].name);
        fputs("</bdi> and <bdi>", p->to);
        gr_html_text(p->to, c->contender[i].name);
        fputs("</bdi> made the same runs: training reads nothing in which they differ.</p>\n", p->to);
    }
}

void gr_page_answer(const gr_page *p)
{
    write_headline(p);
    write_lead(p);
    gr_page_warnings(p);
    write_ranking(p);
}
