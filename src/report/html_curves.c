/* html_curves.c - how the models came to their results: by step, or by tokens where these are the budget, and by
 * the time that their steps take. */
#include "base/count.h"
#include "report/chart.h"
#include "report/html_parts.h"

#include <math.h>

typedef struct time_unit { double seconds; const char *label; } time_unit;

/* So that the axis has numbers that people read. */
static time_unit unit_of_time(const gr_comparison *c)
{
    double longest = 0;
    for (int i = 0; i < c->num_contenders; i++) longest = fmax(longest, (double)c->contender[i].steps * c->contender[i].seconds_per_step);
    if (longest > 3 * 3600) return (time_unit){3600, "time, hours"};
    if (longest > 180) return (time_unit){60, "time, minutes"};
    if (longest < 1) return (time_unit){1e-3, "time, milliseconds"};
    return (time_unit){1, "time, seconds"};
}

enum { TRAIN_LOSS = -1 }; /* in the place of a metric */

/* Where a point lies: factor 0 asks for tokens, 1 for steps, another is the time of a step. */
static double place(const gr_trial_point *q, double factor) { return factor > 0 ? (double)q->step * factor : (double)q->tokens; }

static gr_chart_line line_of(const gr_page *p, const gr_trial *t, int metric, double factor)
{
    gr_chart_line l = {.x = GR_NEW_ARRAY(p->arena, double, t->num_points + 1), .y = GR_NEW_ARRAY(p->arena, double, t->num_points + 1), .count = t->num_points};
    for (int i = 0; i < t->num_points; i++) {
        l.x[i] = place(&t->point[i], factor);
        l.y[i] = metric == TRAIN_LOSS ? t->point[i].train_loss : t->point[i].valid[metric];
    }
    return l;
}

/* unit of time, or NULL: by step or by tokens. */
static gr_chart_series *series_of(const gr_page *p, int metric, const time_unit *unit)
{
    gr_chart_series *list = GR_NEW_ARRAY(p->arena, gr_chart_series, p->c->num_contenders + 1);
    for (int i = 0; i < p->c->num_contenders; i++) {
        const gr_contender *x = &p->c->contender[i];
        const double factor = unit ? x->seconds_per_step / unit->seconds : p->c->budget == GR_BUDGET_TOKENS ? 0 : 1;
        list[i] = (gr_chart_series){.name = x->name, .style = gr_style_of(p->c, i), .runs = GR_NEW_ARRAY(p->arena, gr_chart_line, p->c->num_seeds + 1)};
        for (int k = 0; k < p->c->num_seeds; k++)
            if (isfinite(factor)) list[i].runs[list[i].num_runs++] = line_of(p, &x->trial[k], metric, factor);
    }
    return list;
}

static void write_chart(const gr_page *p, int metric, const char *name, const time_unit *unit)
{
    const char *by = unit ? "time" : p->c->budget == GR_BUDGET_TOKENS ? "tokens" : "step";
    const gr_chart chart = {
        .title = gr_arena_printf(p->arena, "By %s", by),
        .about = gr_arena_printf(p->arena, "%s by %s", name, by),
        .x_label = unit ? unit->label : by,
        .y_label = name,
        .series = series_of(p, metric, unit),
        .num_series = p->c->num_contenders,
        .level = p->c->level,
        .may_log_y = metric == TRAIN_LOSS || !p->c->larger,
    };
    gr_chart_write(p->arena, &chart, p->to);
}

static void write_pair(const gr_page *p, int metric, const char *name)
{
    const time_unit unit = unit_of_time(p->c);
    fputs("<section>\n<h2>", p->to);
    gr_html_text(p->to, gr_arena_printf(p->arena, "%c%s", name[0] - 'a' + 'A', name + 1));
    fputs("</h2>\n", p->to);
    gr_chart_write_legend(series_of(p, metric, NULL), p->c->num_contenders, p->to);
    fputs("<div class=\"pair\">\n", p->to);
    write_chart(p, metric, name, NULL);
    write_chart(p, metric, name, &unit);
    fputs("</div>\n</section>\n", p->to);
}

void gr_page_curves(const gr_page *p)
{
    write_pair(p, p->c->judged, gr_metric_title(p, p->c->judged));
    write_pair(p, TRAIN_LOSS, "train loss");
    fputs("<p class=\"note\">", p->to);
    if (p->c->num_seeds > 1)
        fprintf(p->to, "Lines are means over seeds, bands their %.3g%% intervals, thin lines single seeds; "
                "a mean ends where one of its runs does and leaves out what is not finite. ", 100 * p->c->level);
    fprintf(p->to, "Train loss is the mean since the point before. Time counts a model's steps at the speed that it has alone on %d thread%s.</p>\n",
            p->c->threads, gr_s(p->c->threads));
}
