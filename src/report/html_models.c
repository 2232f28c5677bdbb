/* html_models.c - each model's picture, learning rate and file, and what all of them had in common. */
#include "base/count.h"
#include "report/html_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- pictures ---- */

static void write_base64(FILE *to, const char *text, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) bits = bits << 8 | (i + k < n ? (unsigned char)text[i + k] : 0);
        for (size_t k = 0; k < 4; k++) fputc(i + k > n ? '=' : digit[bits >> (18 - 6 * k) & 63], to);
    }
}

/* Whether it is higher than the frame that report.css gives it, 46rem. */
static bool is_tall(const char *svg)
{
    enum { FRAME = 552 }; /* points */
    const char *height = strstr(svg, "height=\"");
    return height && strtol(height + strlen("height=\""), NULL, 10) > FRAME;
}

/* As an image, so that no name in it can reach the page, and pictures cannot take each other's ids. */
static void write_picture(const gr_page *p, int i)
{
    const gr_model_picture *picture = &p->picture[i];
    if (picture->svg) {
        fputs("<div>", p->to);
        if (is_tall(picture->svg))
            fprintf(p->to, "<input type=\"checkbox\" class=\"whole\" id=\"whole%d\"><label for=\"whole%d\"> The picture is longer than its frame: "
                    "scroll in it, or see all of it</label>\n", i, i);
        fputs("<div class=\"scroll picture\" tabindex=\"0\"><img alt=\"", p->to);
        gr_html_text(p->to, gr_arena_printf(p->arena, "The graph of %s", p->c->contender[i].name));
        fputs("\" src=\"data:image/svg+xml;base64,", p->to);
        write_base64(p->to, picture->svg, strlen(picture->svg));
        fputs("\"></div></div>\n", p->to);
        return;
    }
    fputs("<p class=\"note\">There is no picture: ", p->to);
    gr_html_text(p->to, picture->why);
    fputs("</p>\n", p->to);
}

/* ---- settings of a model ---- */

static void write_term(const gr_page *p, const char *term)
{
    fputs("<div><dt>", p->to);
    gr_html_text(p->to, term);
    fputs("</dt><dd>", p->to);
}

static void end_term(const gr_page *p) { fputs("</dd></div>\n", p->to); }

static void write_fact(const gr_page *p, const char *term, const char *fact)
{
    write_term(p, term);
    gr_html_text(p->to, fact);
    end_term(p);
}

static void write_code(const gr_page *p, const char *term, const char *code)
{
    write_term(p, term);
    fputs("<code>", p->to);
    gr_html_text(p->to, code);
    fputs("</code>", p->to);
    end_term(p);
}

static void write_sets(const gr_page *p, const gr_contender *x)
{
    if (!x->num_sets) return;
    write_term(p, "Set");
    for (int i = 0; i < x->num_sets; i++) {
        fputs(i ? ", <code>" : "<code>", p->to);
        gr_html_text(p->to, x->sets[i]);
        fputs("</code>", p->to);
    }
    end_term(p);
}

/* The rates that were tried, each with what it came to. */
static void write_grid(const gr_page *p, const gr_contender *x)
{
    char number[GR_NUMBER_TEXT];
    if (!x->num_grid) return;
    write_term(p, "Learning rates tried");
    for (int i = 0; i < x->num_grid; i++) {
        const gr_trial *t = &x->grid[i];
        const double v = gr_judged_of(p->c, t);
        const bool taken = t->lr == x->lr;
        fprintf(p->to, "%s%s%.4g%s: %s", i ? ", " : "", taken ? "<b>" : "", t->lr, taken ? "</b>" : "",
                isfinite(v) ? gr_number_text(v, p->decimals, number) : t->status == GR_TRIAL_DIVERGED ? "diverged" : "not done");
    }
    fprintf(p->to, " (seed %llu)", (unsigned long long)p->c->tuning_seed);
    end_term(p);
}

/* "0.003 (in the file: 0.001)" */
static const char *rate_text(const gr_page *p, const gr_contender *x)
{
    if (!isfinite(x->lr)) return "none";
    if (x->lr == x->own_lr) return gr_arena_printf(p->arena, "%.4g", x->lr);
    return isfinite(x->own_lr) ? gr_arena_printf(p->arena, "%.4g (in the file: %.4g)", x->lr, x->own_lr) : gr_arena_printf(p->arena, "%.4g (in the file: none)", x->lr);
}

static void write_model_facts(const gr_page *p, const gr_contender *x)
{
    char number[GR_NUMBER_TEXT];
    fputs("<dl>\n", p->to);
    write_code(p, "File", x->path);
    write_sets(p, x);
    write_fact(p, "Parameters", gr_number_text((double)x->parameters, 0, number));
    if (x->matched) write_fact(p, "Scaled to match", gr_arena_printf(p->arena, "%s from %lld to %lld", x->matched, (long long)x->matched_from, (long long)x->matched_to));
    write_fact(p, "Steps of a run", gr_number_text((double)x->steps, 0, number));
    write_fact(p, "Time of a step", isfinite(x->seconds_per_step) ? gr_arena_printf(p->arena, "%.3g ms", 1e3 * x->seconds_per_step) : "not measured");
    write_fact(p, "Learning rate", rate_text(p, x));
    write_grid(p, x);
    fputs("</dl>\n", p->to);
}

static void write_model(const gr_page *p, int i)
{
    const gr_contender *x = &p->c->contender[i];
    fputs("<article class=\"model\">\n<div>\n<h3>", p->to);
    gr_page_name(p, i);
    fputs("</h3>\n", p->to);
    if (*x->doc) {
        fputs("<p>", p->to);
        gr_html_text(p->to, x->doc);
        fputs("</p>\n", p->to);
    }
    write_model_facts(p, x);
    fputs("</div>\n", p->to);
    if (p->picture) write_picture(p, i);
    fprintf(p->to, "<details class=\"wide\"%s><summary>Its file</summary>\n<pre tabindex=\"0\">", p->picture && !p->picture[i].svg ? " open" : "");
    gr_html_text(p->to, x->yaml);
    fputs("</pre>\n</details>\n</article>\n", p->to);
}

void gr_page_models(const gr_page *p)
{
    fputs("<section>\n<h2>The models</h2>\n", p->to);
    if (p->c->sweep) {
        fputs("<p class=\"note\">With ", p->to);
        gr_html_text(p->to, gr_value_title(p, p->c->at));
        fputs("; the tables have what other values change.</p>\n", p->to);
    }
    for (int i = 0; i < p->c->num_contenders; i++) write_model(p, i);
    fputs("</section>\n", p->to);
}

/* ---- settings of all ---- */

static const char *seeds_text(const gr_page *p)
{
    const char *text = "";
    for (int k = 0; k < p->c->num_seeds; k++) text = gr_arena_printf(p->arena, "%s%s%llu", text, k ? ", " : "", (unsigned long long)p->c->seed[k]);
    return text;
}

static const char *values_text(const gr_page *p)
{
    const char *text = "";
    for (int i = 0; i < p->c->num_values; i++) text = gr_arena_printf(p->arena, "%s%s%s", text, i ? ", " : "", p->c->value[i]);
    return text;
}

static const char *budget_text(const gr_page *p)
{
    char number[GR_NUMBER_TEXT];
    const gr_comparison *c = p->c;
    if (c->budget == GR_BUDGET_SECONDS)
        return gr_arena_printf(p->arena, "%s a run, as many steps as a model makes in it alone", gr_duration_text(c->amount, number));
    return gr_arena_printf(p->arena, "%s %s a run", gr_number_text(c->amount, 0, number), c->budget == GR_BUDGET_STEPS ? "steps" : "tokens");
}

void gr_page_settings(const gr_page *p)
{
    const gr_comparison *c = p->c;
    fputs("<section>\n<h2>Settings</h2>\n<dl>\n", p->to);
    write_code(p, "Command", c->command);
    write_fact(p, "Budget", budget_text(p));
    write_fact(p, "Seeds", seeds_text(p));
    if (c->sweep) write_fact(p, "Swept", gr_arena_printf(p->arena, "%s: %s", c->sweep, values_text(p)));
    write_fact(p, "Judged by", gr_arena_printf(p->arena, "%s %s, %s is better", c->by_best ? "best" : "last", gr_metric_title(p, c->judged), c->larger ? "more" : "less"));
    write_fact(p, "Learning rates", c->tuned ? "chosen for each model on validation data, with a seed that no run has" : "those of the files");
    write_fact(p, "Same data", c->same_data ? "yes: the same batches in the same order for each seed" : "no");
    write_fact(p, "Threads", gr_arena_printf(p->arena, "%d; %d run%s at a time", c->threads, c->at_once, gr_s(c->at_once)));
    write_fact(p, "Numbers", c->dtype);
    write_fact(p, "Processor", c->cpu);
    write_fact(p, "Kernels", c->kernel);
    write_fact(p, "Version", gr_arena_printf(p->arena, "graphrun %s", c->version));
    write_fact(p, "Date", c->date);
    fputs("</dl>\n<details><summary>The data, as in the first file</summary>\n<pre tabindex=\"0\">", p->to);
    gr_html_text(p->to, c->data);
    fputs("</pre>\n</details>\n</section>\n", p->to);
}
