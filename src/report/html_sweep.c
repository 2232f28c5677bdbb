/* html_sweep.c - models compared with several values of a var: what is judged by the value, and all of each value. */
#include "report/axis.h"
#include "report/chart.h"
#include "report/html_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *gr_value_title(const gr_page *p, int value) { return gr_arena_printf(p->arena, "%s = %s", p->c->sweep, p->c->value[value]); }

/* ---- the axis ---- */

static bool is_number(const char *text, double *x)
{
    char *end;
    *x = strtod(text, &end);
    return end > text && !*end && isfinite(*x);
}

gr_value_axis gr_axis_of_values(const gr_page *p)
{
    const int n = p->c->num_values;
    gr_value_axis a = {GR_NEW_ARRAY(p->arena, int, n), GR_NEW_ARRAY(p->arena, double, n), GR_NEW_ARRAY(p->arena, const char *, n), true, false};
    double x;
    for (int i = 0; i < n; i++) a.numbers = is_number(p->c->value[i], &x) && a.numbers;
    for (int i = 0; i < n; i++) {
        int at = i;
        if (!a.numbers || !is_number(p->c->value[i], &x)) x = i;
        for (; at > 0 && a.x[at - 1] > x; at--) {
            a.x[at] = a.x[at - 1];
            a.order[at] = a.order[at - 1];
        }
        a.x[at] = x;
        a.order[at] = i;
    }
    for (int i = 0; i < n; i++) a.name[i] = p->c->value[a.order[i]];
    a.log = a.numbers && gr_axis_wants_log(a.x[0], a.x[n - 1]);
    return a;
}

/* ---- the sentence ---- */

static bool is_worse(const gr_page *at, int model)
{
    for (int i = 1; i < at->answer.ranked; i++)
        if (at->answer.order[i] == model) return at->answer.told[i];
    return false;
}

static int times_worse(const gr_page *p, int model)
{
    int n = 0;
    for (int v = 0; v < p->c->num_values; v++) n += is_worse(&p->at[v], model);
    return n;
}

/* Of a model that is worse with no value, but has no result of some runs, nobody knows whether it keeps up. */
typedef enum standing { KEEPS_UP, FALLS_BEHIND, UNKNOWN } standing;

static standing standing_of(const gr_page *p, int model)
{
    if (times_worse(p, model) > 0) return FALLS_BEHIND;
    for (int v = 0; v < p->c->num_values; v++)
        if (gr_judged(p->at[v].c, model)->n < p->c->num_seeds) return UNKNOWN;
    return KEEPS_UP;
}

static int count_models(const gr_page *p, standing which)
{
    int n = 0;
    for (int m = 0; m < gr_comparison_models(p->c); m++) n += standing_of(p, m) == which;
    return n;
}

static void write_model(const gr_page *p, int m)
{
    fputs("<bdi>", p->to);
    gr_html_text(p->to, p->c->contender[m].model);
    fputs("</bdi>", p->to);
}

/* "a", "a and b", "a, b and c" */
static void write_models(const gr_page *p, standing which)
{
    const int all = count_models(p, which);
    for (int m = 0, n = 0; m < gr_comparison_models(p->c); m++) {
        if (standing_of(p, m) != which) continue;
        if (n) fputs(n == all - 1 ? " and " : ", ", p->to);
        write_model(p, m);
        n++;
    }
}

static bool is_ranked_anywhere(const gr_page *p)
{
    for (int v = 0; v < p->c->num_values; v++)
        if (p->at[v].answer.ranked) return true;
    return false;
}

/* Whether each model that falls behind does so with the last values of the axis alone (or with the first). */
static bool behind_at_end(const gr_page *p, const gr_value_axis *axis, bool last)
{
    const int n = p->c->num_values;
    for (int m = 0; m < gr_comparison_models(p->c); m++) {
        const int worse = times_worse(p, m);
        for (int i = 0; i < worse; i++)
            if (!is_worse(&p->at[axis->order[last ? n - 1 - i : i]], m)) return false;
    }
    return true;
}

static bool behind_always(const gr_page *p)
{
    for (int m = 0; m < gr_comparison_models(p->c); m++)
        if (times_worse(p, m) % p->c->num_values) return false;
    return true;
}

static const char *where_behind(const gr_page *p)
{
    const gr_value_axis axis = gr_axis_of_values(p);
    if (behind_always(p)) return gr_arena_printf(p->arena, ", whatever %s is", p->c->sweep);
    const bool grows = axis.numbers && behind_at_end(p, &axis, true), shrinks = axis.numbers && behind_at_end(p, &axis, false);
    return gr_arena_printf(p->arena, " as %s %s", p->c->sweep, grows ? "grows" : shrinks ? "shrinks" : "changes");
}

/* What the seeds cannot tell from the best keeps up with it as far as anybody knows: that is said of the last one alone. */
static void write_who_keeps_up(const gr_page *p)
{
    const int best = count_models(p, KEEPS_UP), worse = count_models(p, FALLS_BEHIND), unknown = count_models(p, UNKNOWN);
    const char *end = gr_arena_printf(p->arena, ", whatever %s is", p->c->sweep);
    if (best > 1 && worse) {
        write_models(p, FALLS_BEHIND);
        fprintf(p->to, " fall%s behind the best", worse == 1 ? "s" : "");
        end = where_behind(p);
    } else if (best > 1) {
        fprintf(p->to, "%d seeds cannot tell ", p->c->num_seeds);
        if (unknown) write_models(p, KEEPS_UP);
        else fputs("the models", p->to);
        fputs(" apart", p->to);
    } else if (best) {
        fputs("Only ", p->to);
        write_models(p, KEEPS_UP);
        fputs(worse ? " keeps up with the best" : " never diverged", p->to);
    } else if (worse) {
        fputs("No model keeps up with the best", p->to);
    } else {
        fputs("No model has a result of all runs", p->to);
        end = "";
    }
    gr_html_text(p->to, end);
}

static void write_headline(const gr_page *p)
{
    const gr_comparison *c = p->c;
    const int missing = gr_missing_runs(c), runs = c->num_contenders * c->num_seeds;
    fputs("<h1>", p->to);
    if (!is_ranked_anywhere(p)) {
        fputs("No run has ended with a result", p->to);
        if (missing) fprintf(p->to, ": %d of %d are still missing", missing, runs);
    } else if (missing) {
        fprintf(p->to, "%d of %d runs are still missing", missing, runs);
    } else {
        if (c->num_seeds < 2) fputs("What differs may be chance: one seed was tried", p->to);
        else write_who_keeps_up(p);
        if (count_models(p, UNKNOWN)) {
            fputs("; ", p->to);
            write_models(p, UNKNOWN);
            fputs(" diverged", p->to);
        }
    }
    fputs(".</h1>\n", p->to);
}

/* "a is worse than the best at 40 and 80. b is at 80." */
static void write_lead(const gr_page *p)
{
    const gr_value_axis axis = gr_axis_of_values(p);
    bool first = true;
    if (!count_models(p, FALLS_BEHIND)) return;
    fputs("<p class=\"lead\">", p->to);
    for (int m = 0; m < gr_comparison_models(p->c); m++) {
        const int all = times_worse(p, m);
        if (!all) continue;
        if (!first) fputc(' ', p->to);
        write_model(p, m);
        fputs(first ? " is worse than the best, and not by chance, with " : " is with ", p->to);
        gr_html_text(p->to, p->c->sweep);
        for (int i = 0, n = 0; i < p->c->num_values; i++) {
            if (!is_worse(&p->at[axis.order[i]], m)) continue;
            fputs(n == 0 ? " " : n == all - 1 ? " and " : ", ", p->to);
            gr_html_text(p->to, axis.name[i]);
            n++;
        }
        fputc('.', p->to);
        first = false;
    }
    if (count_models(p, KEEPS_UP) > 1) {
        fprintf(p->to, " With no value can %d seeds tell ", p->c->num_seeds);
        write_models(p, KEEPS_UP);
        fputs(" from the best.", p->to);
    }
    fputs("</p>\n", p->to);
}

void gr_page_sweep_answer(const gr_page *p)
{
    write_headline(p);
    write_lead(p);
    gr_page_warnings(p);
}

/* ---- what is judged by the value ---- */

gr_chart_series *gr_series_by_value(const gr_page *p, const gr_value_axis *axis, gr_by_value *y)
{
    const gr_comparison *c = p->c;
    const int models = gr_comparison_models(c);
    gr_chart_series *list = GR_NEW_ARRAY(p->arena, gr_chart_series, models);
    for (int m = 0; m < models; m++) {
        list[m] = (gr_chart_series){.name = c->contender[m].model, .style = gr_style_of(c, m), .runs = GR_NEW_ARRAY(p->arena, gr_chart_line, c->num_seeds),
                                    .num_runs = c->num_seeds};
        for (int k = 0; k < c->num_seeds; k++) {
            gr_chart_line *l = &list[m].runs[k];
            *l = (gr_chart_line){.x = axis->x, .y = GR_NEW_ARRAY(p->arena, double, c->num_values), .count = c->num_values};
            for (int i = 0; i < l->count; i++) l->y[i] = y(c, &p->at[axis->order[i]].c->contender[m], k);
        }
    }
    return list;
}

static double judged_at(const gr_comparison *c, const gr_contender *x, int seed) { return gr_judged_of(c, &x->trial[seed]); }

static void write_judged(const gr_page *p)
{
    const gr_comparison *c = p->c;
    const gr_value_axis axis = gr_axis_of_values(p);
    const char *metric = gr_metric_title(p, c->judged);
    const gr_chart chart = {
        .title = gr_arena_printf(p->arena, "By %s", c->sweep), .about = gr_arena_printf(p->arena, "%s by %s", metric, c->sweep), .x_label = c->sweep,
        .y_label = gr_arena_printf(p->arena, "%s %s, %s is better", c->by_best ? "best" : "last", metric, c->larger ? "more" : "less"),
        .series = gr_series_by_value(p, &axis, judged_at), .num_series = gr_comparison_models(c), .log_x = axis.log, .may_log_y = !c->larger,
        .tick = axis.x, .tick_name = axis.name, .num_ticks = c->num_values, .level = c->level};
    fputs("<section>\n<h2>", p->to);
    gr_html_text(p->to, gr_arena_printf(p->arena, "As %s changes", c->sweep));
    fputs("</h2>\n", p->to);
    gr_chart_write_legend(chart.series, chart.num_series, p->to);
    gr_chart_write(p->arena, &chart, p->to);
    fputs("<div class=\"below\">\n", p->to);
    gr_page_value_table(p, gr_arena_printf(p->arena, "%s by %s", metric, c->sweep), gr_page_judged_cell);
    fputs("</div>\n", p->to);
    if (c->num_seeds > 1)
        fprintf(p->to, "<p class=\"note\">Means over %d seeds with their %.3g%% intervals (Student's t); thin lines are single seeds. "
                "\"Worse\" is worse than the best with the same value beyond chance, all pairs of all values together (Bonferroni).</p>\n",
                c->num_seeds, 100 * c->level);
    fputs("</section>\n", p->to);
}

/* ---- each value ---- */

static void write_value(const gr_page *at)
{
    fputs("<details class=\"part\"><summary>", at->to);
    gr_html_text(at->to, gr_value_title(at, at->c->at));
    fputs("</summary>\n", at->to);
    gr_page_table(at);
    gr_page_curves(at);
    gr_page_attention(at);
    fputs("</details>\n", at->to);
}

void gr_page_sweep(const gr_page *p)
{
    write_judged(p);
    gr_page_gradient(p);
    fputs("<section>\n<h2>Value by value</h2>\n<p class=\"note\">The models side by side, their curves, and what attention looked at.</p>\n", p->to);
    for (int i = 0; i < p->c->num_values; i++) write_value(&p->at[i]);
    fputs("</section>\n", p->to);
}
