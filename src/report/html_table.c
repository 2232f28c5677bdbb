/* html_table.c - the models side by side, and every run of them.
 *
 * Cells carry the number that they are sorted by as data-v; report.js makes headers of
 * class "sort" buttons. */
#include "base/count.h"
#include "report/html_parts.h"

#include <math.h>

/* ---- cells ---- */

static void open_table(const gr_page *p, const char *label)
{
    fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", p->to);
    gr_html_text(p->to, label);
    fputs("\"><table>\n", p->to);
}

static void close_table(const gr_page *p) { fputs("</tbody>\n</table></div>\n", p->to); }

static void write_header(const gr_page *p, const char *text, const char *more)
{
    fputs("<th scope=\"col\" class=\"sort\">", p->to);
    gr_html_text(p->to, text);
    if (*more) {
        fputs(" <small>", p->to);
        gr_html_text(p->to, more);
        fputs("</small>", p->to);
    }
    fputs("</th>\n", p->to);
}

static void open_cell(const gr_page *p, double sort_by)
{
    if (isfinite(sort_by)) fprintf(p->to, "<td data-v=\"%.9g\">", sort_by);
    else fputs("<td>", p->to);
}

static void write_number(const gr_page *p, double v, int decimals)
{
    char number[GR_NUMBER_TEXT];
    open_cell(p, v);
    fputs(isfinite(v) ? gr_number_text(v, decimals, number) : "none", p->to);
    fputs("</td>", p->to);
}

static void write_estimate(const gr_page *p, const gr_estimate *e, int decimals)
{
    open_cell(p, e->n > 0 ? e->mean : NAN);
    gr_page_estimate(p, e, decimals, false);
    fputs("</td>", p->to);
}

static void write_row_name(const gr_page *p, int contender)
{
    fputs("<th scope=\"row\">", p->to);
    gr_page_name(p, contender);
    fputs("</th>", p->to);
}

/* ---- models ---- */

static void write_difference(const gr_page *p, int i)
{
    const gr_difference *d = &p->c->contender[i].difference;
    if (i == 0) {
        fputs("<td data-v=\"0\"><span class=\"quiet\">compared to</span></td>", p->to);
        return;
    }
    open_cell(p, d->of.n > 0 ? d->of.mean : NAN);
    switch (d->verdict) {
    case GR_VERDICT_BETTER: fputs("<span class=\"verdict better\">better</span> ", p->to); break;
    case GR_VERDICT_WORSE: fputs("<span class=\"verdict worse\">worse</span> ", p->to); break;
    case GR_VERDICT_NO: fprintf(p->to, "<span class=\"verdict\">%s</span> ", d->of.equal && d->of.mean == 0 ? "no difference" : "may be chance"); break;
    case GR_VERDICT_NONE:
        fputs("<span class=\"verdict\">", p->to);
        gr_html_text(p->to, d->why);
        fputs("</span> ", p->to);
        break;
    }
    if (d->of.n > 0) gr_page_estimate(p, &d->of, p->decimals, true);
    fputs("</td>", p->to);
}

static void write_bytes(const gr_page *p, int64_t bytes)
{
    char text[GR_NUMBER_TEXT];
    open_cell(p, (double)bytes);
    fprintf(p->to, "%s</td>", gr_bytes_text((double)bytes, text));
}

static void write_time(const gr_page *p, double seconds)
{
    char text[GR_NUMBER_TEXT];
    open_cell(p, seconds);
    fprintf(p->to, "%s</td>", isfinite(seconds) ? gr_duration_text(seconds, text) : "none");
}

static void write_model_row(const gr_page *p, int i)
{
    const gr_contender *x = &p->c->contender[i];
    const bool is_best = p->answer.ranked && !p->answer.tied && p->answer.order[0] == i;
    fprintf(p->to, "<tr%s>", is_best ? " class=\"best\"" : "");
    write_row_name(p, i);
    write_estimate(p, gr_judged(p->c, i), p->decimals);
    if (p->c->num_contenders > 1) write_difference(p, i);
    write_estimate(p, p->c->by_best ? &x->final : &x->best, p->decimals);
    write_number(p, (double)x->parameters, 0);
    write_number(p, x->tokens_per_second, 0);
    write_time(p, (double)x->steps * x->seconds_per_step);
    write_bytes(p, x->memory);
    open_cell(p, x->lr);
    fprintf(p->to, "%s</td></tr>\n", isfinite(x->lr) ? gr_arena_printf(p->arena, "%.4g", x->lr) : "none");
}

void gr_page_table(const gr_page *p)
{
    const gr_comparison *c = p->c;
    const char *metric = gr_metric_title(p, c->judged);
    fputs("<section>\n<h2>Side by side</h2>\n", p->to);
    open_table(p, "The models side by side");
    fputs("<thead><tr>\n", p->to);
    write_header(p, "Model", "");
    write_header(p, gr_arena_printf(p->arena, "%s %s", c->by_best ? "Best" : "Last", metric), c->larger ? "more is better" : "less is better");
    if (c->num_contenders > 1)
        write_header(p, gr_arena_printf(p->arena, "Difference to %s", c->contender[0].name), "paired by seed");
    write_header(p, gr_arena_printf(p->arena, "%s", c->by_best ? "Last" : "Best of the run"), "");
    write_header(p, "Parameters", "trained numbers");
    write_header(p, "Tokens a second", gr_arena_printf(p->arena, "%d thread%s", c->threads, gr_s(c->threads)));
    write_header(p, "Time", "of one run");
    write_header(p, "Memory", "of a step");
    write_header(p, "Learning rate", "");
    fputs("</tr></thead>\n<tbody>\n", p->to);
    for (int i = 0; i < c->num_contenders; i++) write_model_row(p, i);
    close_table(p);
    if (c->num_seeds > 1)
        fprintf(p->to, "<p class=\"note\">Means over %d seeds and their %.3g%% intervals (Student's t); "
                "those of the differences hold all together (Bonferroni).%s</p>\n", c->num_seeds, 100 * c->level,
                !c->sweep && c->num_contenders > 2 ? " What stands above allows for all pairs, of which the best was found by looking, and takes more to be told." : "");
    fputs("</section>\n", p->to);
}

/* ---- values of a sweep by model ---- */

void gr_page_judged_cell(const gr_page *p, int i)
{
    const gr_answer *of = &p->answer;
    int place = 0;
    while (place < of->ranked && of->order[place] != i) place++;
    const gr_estimate *e = gr_judged(p->c, i);
    open_cell(p, e->n > 0 ? e->mean : NAN);
    gr_page_estimate(p, e, p->decimals, false);
    if (place > 0 && place < of->ranked && of->told[place]) fputs(" <span class=\"verdict worse\">worse</span>", p->to);
    if (e->n < p->c->num_seeds) fprintf(p->to, " <span class=\"verdict\">%d of %d runs</span>", e->n, p->c->num_seeds);
    fputs("</td>", p->to);
}

void gr_page_value_table(const gr_page *p, const char *label, void (*cell)(const gr_page *at, int contender))
{
    open_table(p, label);
    fputs("<thead><tr>\n", p->to);
    write_header(p, p->c->sweep, "");
    for (int m = 0; m < gr_comparison_models(p->c); m++) write_header(p, p->c->contender[m].model, "");
    fputs("</tr></thead>\n<tbody>\n", p->to);
    const gr_value_axis order = gr_axis_of_values(p);
    for (int i = 0; i < p->c->num_values; i++) {
        const int v = order.order[i];
        fprintf(p->to, "<tr><th scope=\"row\" data-v=\"%.9g\">", order.x[i]);
        gr_html_text(p->to, p->c->value[v]);
        fputs("</th>", p->to);
        for (int m = 0; m < p->at[v].c->num_contenders; m++) cell(&p->at[v], m);
        fputs("</tr>\n", p->to);
    }
    close_table(p);
}

/* ---- runs ---- */

static void write_status(const gr_page *p, const gr_trial *t)
{
    fputs("<td class=\"words\">", p->to);
    switch (t->status) {
    case GR_TRIAL_DONE: fputs("done", p->to); break;
    case GR_TRIAL_WAITING: fputs("not done yet", p->to); break;
    case GR_TRIAL_DIVERGED: gr_html_text(p->to, gr_arena_printf(p->arena, "diverged: %s", t->why)); break;
    }
    fputs("</td>", p->to);
}

/* Every metric where the run ended. */
static void write_metrics(const gr_page *p, const gr_trial *t)
{
    for (int m = 0; m < p->c->num_metrics; m++) {
        const double v = t->num_points ? t->point[t->num_points - 1].valid[m] : NAN;
        write_number(p, v, gr_number_decimals(v, 0));
    }
}

static void write_run_row(const gr_page *p, int contender, const gr_trial *t)
{
    const gr_trial_point *last = t->num_points ? &t->point[t->num_points - 1] : NULL;
    fputs("<tr>", p->to);
    write_row_name(p, contender);
    fprintf(p->to, "<td data-v=\"%llu\">%llu</td>", (unsigned long long)t->seed, (unsigned long long)t->seed);
    write_number(p, last ? (double)last->step : 0, 0);
    write_number(p, last ? last->train_loss : NAN, last ? gr_number_decimals(last->train_loss, 0) : 0);
    write_metrics(p, t);
    write_number(p, t->best, gr_number_decimals(t->best, 0));
    write_number(p, t->status == GR_TRIAL_DONE ? (double)t->best_step : NAN, 0);
    write_status(p, t);
    fputs("</tr>\n", p->to);
}

void gr_page_runs(const gr_page *p)
{
    const gr_comparison *c = p->c;
    fputs("<section>\n<h2>Every run</h2>\n<details><summary>", p->to);
    fprintf(p->to, "%d run%s, one by one</summary>\n", c->num_contenders * c->num_seeds, gr_s(c->num_contenders * c->num_seeds));
    open_table(p, "Every run");
    fputs("<thead><tr>\n", p->to);
    write_header(p, "Model", "");
    write_header(p, "Seed", "");
    write_header(p, "Steps", "");
    write_header(p, "Train loss", "last");
    for (int m = 0; m < c->num_metrics; m++) write_header(p, gr_metric_title(p, m), "last");
    write_header(p, gr_arena_printf(p->arena, "Best %s", c->metric[c->judged]), "");
    write_header(p, "At step", "");
    write_header(p, "State", "");
    fputs("</tr></thead>\n<tbody>\n", p->to);
    for (int i = 0; i < c->num_contenders; i++)
        for (int k = 0; k < c->num_seeds; k++) write_run_row(p, i, &c->contender[i].trial[k]);
    close_table(p);
    fputs("</details>\n</section>\n", p->to);
}
