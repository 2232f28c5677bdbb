/* html_gradient.c - why a model does not learn what lies far back: how much of the loss's gradient reaches each step.
 *
 * Lengths differ by many powers of ten, so that their means are geometric and axes show ratios. */
#include "report/chart.h"
#include "report/html_parts.h"
#include "train/compare.h"

#include <math.h>

enum { MOST_POINTS = 200 }; /* of a line */

static double length_at(const gr_contender *x, int seed, int step) { return x->gradient[(ptrdiff_t)seed * x->num_gradient + step]; }

static const char *length_text(const gr_page *p, double x)
{
    return isnan(x) ? "not measured" : isinf(x) ? "overflows" : x == 0 ? "0" : gr_arena_printf(p->arena, x < 0.001 || x >= 1000 ? "%.1e" : "%.2g", x);
}

/* By how many steps before the last it is. */
static gr_chart_line line_by_step(const gr_page *p, const gr_contender *x, int seed)
{
    const int stride = (x->num_gradient + MOST_POINTS - 1) / MOST_POINTS, n = x->num_gradient ? (x->num_gradient - 1) / stride + 1 : 0;
    gr_chart_line l = {GR_NEW_ARRAY(p->arena, double, n + 1), GR_NEW_ARRAY(p->arena, double, n + 1), n};
    for (int i = 0; i < n; i++) {
        l.x[i] = i * stride;
        l.y[i] = length_at(x, seed, x->num_gradient - 1 - i * stride);
    }
    return l;
}

static gr_chart_series *series_by_step(const gr_page *p)
{
    const gr_comparison *c = p->c;
    gr_chart_series *list = GR_NEW_ARRAY(p->arena, gr_chart_series, c->num_contenders);
    for (int m = 0; m < c->num_contenders; m++) {
        list[m] = (gr_chart_series){.name = c->contender[m].name, .style = gr_style_of(c, m), .runs = GR_NEW_ARRAY(p->arena, gr_chart_line, c->num_seeds),
                                    .num_runs = c->num_seeds};
        for (int k = 0; k < c->num_seeds; k++) list[m].runs[k] = line_by_step(p, &c->contender[m], k);
    }
    return list;
}

static void write_by_step(const gr_page *p, const char *title)
{
    const gr_chart chart = {.title = title, .about = gr_arena_printf(p->arena, "length of the loss's gradient by steps before the last, %s", title),
                            .x_label = "steps before the last", .y_label = "length of the gradient", .series = series_by_step(p),
                            .num_series = p->c->num_contenders, .by_ratio = true, .level = p->c->level};
    gr_chart_write(p->arena, &chart, p->to);
}

static double first_length(const gr_comparison *c, const gr_contender *x, int seed)
{
    (void)c;
    return x->num_gradient ? length_at(x, seed, 0) : (double)NAN;
}

static void write_by_value(const gr_page *p)
{
    const gr_comparison *c = p->c;
    const gr_value_axis axis = gr_axis_of_values(p);
    const gr_chart chart = {.title = gr_arena_printf(p->arena, "At the first step, by %s", c->sweep),
                            .about = gr_arena_printf(p->arena, "length of the loss's gradient at the first step by %s", c->sweep), .x_label = c->sweep,
                            .y_label = "length of the gradient", .series = gr_series_by_value(p, &axis, first_length), .num_series = gr_comparison_models(c),
                            .log_x = axis.log, .by_ratio = true, .tick = axis.x, .tick_name = axis.name, .num_ticks = c->num_values, .level = c->level};
    gr_chart_write(p->arena, &chart, p->to);
}

static void gradient_cell(const gr_page *at, int i)
{
    const double x = gr_gradient_at_first(at->c, &at->c->contender[i]);
    if (isfinite(x)) fprintf(at->to, "<td data-v=\"%.9g\">", x);
    else fputs("<td>", at->to);
    fprintf(at->to, "%s</td>", length_text(at, x));
}

/* "At the first step its length is 7.6e-19 in rnn and 1.9e-4 in attention." */
static void write_lead(const gr_page *p)
{
    const gr_comparison *c = p->c;
    fputs("<p>At the first step its length is ", p->to);
    for (int m = 0; m < c->num_contenders; m++) {
        if (m) fputs(m == c->num_contenders - 1 ? " and " : ", ", p->to);
        const double x = gr_gradient_at_first(c, &c->contender[m]);
        fprintf(p->to, "<b>%s</b> in <bdi>", isinf(x) ? "beyond all numbers (it overflows)" : length_text(p, x));
        gr_html_text(p->to, c->contender[m].name);
        fputs("</bdi>", p->to);
    }
    if (c->sweep) {
        fputs(" with ", p->to);
        gr_html_text(p->to, gr_value_title(p, c->at));
    }
    fputs(".</p>\n", p->to);
}

static void write_note(const gr_page *p)
{
    fputs("<p class=\"note\">The length of the loss's gradient toward <code>", p->to);
    gr_html_text(p->to, p->c->gradient);
    fprintf(p->to, "</code> at each step, on the first validation batch, with the weights that training begins with%s. Where it is next to nothing, "
            "training cannot know what that step has to do with the loss; 0 is less than %s can hold.</p>\n",
            p->c->num_seeds > 1 ? ": geometric means over the seeds, thin lines single ones" : "", p->c->dtype);
}

void gr_page_gradient(const gr_page *p)
{
    const gr_comparison *c = p->c;
    if (!c->gradient) return;
    const gr_page *last = p->at ? &p->at[gr_axis_of_values(p).order[c->num_values - 1]] : p;
    fputs("<section>\n<h2>How far the gradient reaches back</h2>\n", p->to);
    write_lead(last);
    gr_chart_write_legend(series_by_step(last), last->c->num_contenders, p->to);
    if (p->at) {
        fputs("<div class=\"pair\">\n", p->to);
        write_by_value(p);
        write_by_step(last, gr_arena_printf(p->arena, "By step, with %s", gr_value_title(p, last->c->at)));
        fputs("</div>\n<div class=\"below\">\n", p->to);
        gr_page_value_table(p, gr_arena_printf(p->arena, "length of the gradient at the first step by %s", c->sweep), gradient_cell);
        fputs("</div>\n", p->to);
    } else {
        write_by_step(p, "By step");
    }
    write_note(p);
    fputs("</section>\n", p->to);
}
