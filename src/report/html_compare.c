/* html_compare.c - the page of a comparison: its frame, and what its parts share. */
#include "report/html_compare.h"
#include "base/count.h"
#include "report/chart.h"
#include "report/html_parts.h"
#include "train/compare.h"

#include <math.h>
#include <string.h>

int gr_style_of(const gr_comparison *c, int contender) { return contender % gr_comparison_models(c) % GR_CHART_STYLES; }

const char *gr_metric_title(const gr_page *p, int metric) { return gr_arena_printf(p->arena, "validation %s", p->c->metric[metric]); }

void gr_page_estimate(const gr_page *p, const gr_estimate *e, int decimals, bool is_difference)
{
    char number[GR_NUMBER_TEXT];
    if (e->n < 1) {
        fputs("none", p->to);
        return;
    }
    fprintf(p->to, "<b>%s%s</b>", is_difference && e->mean > 0 ? "+" : "", gr_number_text(e->mean, decimals, number));
    if (!isfinite(e->low) && !e->equal) return;
    fputs(" <span class=\"spread\">", p->to);
    gr_page_interval(p, e, decimals);
    fputs("</span>", p->to);
}

void gr_page_interval(const gr_page *p, const gr_estimate *e, int decimals)
{
    char number[GR_NUMBER_TEXT];
    if (e->equal) {
        fprintf(p->to, "all %d seeds equal", e->n);
        return;
    }
    fputs(gr_number_text(e->low, decimals, number), p->to);
    fprintf(p->to, " to %s", gr_number_text(e->high, decimals, number));
}

/* "seq2seq attention=additive" may be broken after the '=' where it is narrow. */
static void write_name(const gr_page *p, const char *name)
{
    for (size_t n; *name; name += n) {
        n = strcspn(name, "=");
        n += name[n] == '=';
        gr_html_text(p->to, gr_arena_strndup(p->arena, name, n));
        if (name[n]) fputs("<wbr>", p->to);
    }
}

void gr_page_name(const gr_page *p, int contender)
{
    fputs("<svg class=\"mark\" viewBox=\"-7 -7 14 14\" width=\"14\" height=\"14\" aria-hidden=\"true\">", p->to);
    gr_chart_write_marker(gr_style_of(p->c, contender), p->to);
    fputs("</svg><bdi>", p->to);
    write_name(p, p->c->contender[contender].name);
    fputs("</bdi>", p->to);
}

/* Two digits of the narrowest interval. */
static int decimals_of_judged(const gr_comparison *c)
{
    double width = INFINITY, value = 0;
    for (int i = 0; i < c->num_contenders; i++) {
        const gr_estimate *e = gr_judged(c, i);
        if (e->n < 1) continue;
        if (fabs(e->mean) > value) value = fabs(e->mean);
        const double half = (e->high - e->low) / 2;
        if (e->n > 1 && half > 0 && half < width) width = half;
    }
    const int most = gr_number_decimals(value, 0), wanted = isfinite(width) ? gr_number_decimals(value, width) : most;
    return wanted < most ? wanted : most;
}

static const gr_builtin_file *file_called(const char *name)
{
    const gr_builtin_file *f = gr_report_files;
    while (f->name && strcmp(f->name, name) != 0) f++;
    return f;
}

static void write_amount(const gr_page *p)
{
    char number[GR_NUMBER_TEXT];
    const gr_comparison *c = p->c;
    const char *s = c->amount == 1 ? "" : "s";
    switch (c->budget) {
    case GR_BUDGET_STEPS: fprintf(p->to, "%s step%s each", gr_number_text(c->amount, 0, number), s); break;
    case GR_BUDGET_TOKENS: fprintf(p->to, "%s token%s each", gr_number_text(c->amount, 0, number), s); break;
    case GR_BUDGET_SECONDS: fprintf(p->to, "%s each", gr_duration_text(c->amount, number)); break;
    }
}

static void write_head(const gr_page *p)
{
    const gr_builtin_file *style = file_called("report.css");
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
          "<title>", p->to);
    const int models = gr_comparison_models(p->c);
    for (int i = 0; i < models; i++)
        gr_html_text(p->to, gr_arena_printf(p->arena, "%s%s", i ? ", " : "", p->at ? p->c->contender[i].model : p->c->contender[i].name));
    fputs(": graphrun compare</title>\n<style>\n", p->to);
    fwrite(style->text, 1, style->length, p->to);
    fputs("</style>\n</head>\n<body>\n<header>\n<p class=\"over\">graphrun compare <span aria-hidden=\"true\">\xc2\xb7</span> ", p->to);
    static const char dot[] = " <span aria-hidden=\"true\">\xc2\xb7</span> ";
    fprintf(p->to, "%d models%s", models, dot);
    if (p->at) {
        gr_html_text(p->to, gr_arena_printf(p->arena, "%d values of %s", p->c->num_values, p->c->sweep));
        fputs(dot, p->to);
    }
    fprintf(p->to, "%d seed%s%s", p->c->num_seeds, gr_s(p->c->num_seeds), dot);
    write_amount(p);
    fputs("</p>\n", p->to);
}

static void write_foot(const gr_page *p)
{
    const gr_builtin_file *script = file_called("report.js");
    fputs("</main>\n<footer><p>", p->to);
    gr_html_text(p->to, gr_arena_printf(p->arena, "Made by graphrun %s on %s.", p->c->version, p->c->date));
    fputs("</p></footer>\n<script>\n", p->to);
    fwrite(script->text, 1, script->length, p->to);
    fputs("</script>\n</body>\n</html>\n", p->to);
}

static void write_one(const gr_page *p)
{
    gr_page_answer(p);
    fputs("</header>\n<main>\n", p->to);
    gr_page_table(p);
    gr_page_curves(p);
    gr_page_gradient(p);
    gr_page_attention(p);
    gr_page_models(p);
}

static void write_sweep(const gr_page *p)
{
    gr_page_sweep_answer(p);
    fputs("</header>\n<main>\n", p->to);
    gr_page_sweep(p);
    gr_page_models(&p->at[0]);
}

static const gr_page *pages_of_values(const gr_page *p)
{
    gr_page *at = GR_NEW_ARRAY(p->arena, gr_page, p->c->num_values);
    for (int i = 0; i < p->c->num_values; i++) {
        at[i] = *p;
        at[i].c = gr_comparison_at(p->arena, p->c, i);
        at[i].answer = gr_answer_of(p->arena, at[i].c);
    }
    return at;
}

static void write_page(const gr_compare_page *page, gr_arena *a, FILE *to)
{
    const gr_comparison *c = page->comparison;
    gr_page p = {.c = c, .picture = page->picture, .decimals = decimals_of_judged(c), .arena = a, .to = to};
    if (c->sweep) p.at = pages_of_values(&p);
    else p.answer = gr_answer_of(a, c);
    write_head(&p);
    if (c->sweep) write_sweep(&p);
    else write_one(&p);
    gr_page_runs(&p);
    gr_page_settings(&p);
    write_foot(&p);
}

int gr_compare_page_write(const gr_compare_page *p, FILE *to)
{
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    if (!a) return -1;
    const bool done = gr_try(a, &frame) ? (write_page(p, a, to), gr_end_try(a, &frame), true) : false;
    gr_arena_destroy(a);
    return done ? 0 : -1;
}
