/* html_attention.c - what attention looked at: a map for each head, rows are what is written, columns what is read.
 *
 *          c o l u m n s
 *     row  . . # .        the stronger, the larger the weight; each cell has its number as a title
 *     row  # . . .
 */
#include "base/column.h"
#include "base/utf8.h"
#include "report/html_parts.h"

#include <math.h>
#include <string.h>

enum { LONGEST = 14, LABEL = 8 }; /* letters of a token that are shown; pixels that one is wide, in type of 13 */
enum { CARD = 300 }; /* how wide a card is inside, at least, on a desk */

/* Of a map: sizes in pixels. */
typedef struct layout { int cell, font, left, top; bool upright; } layout;

/* A token as it is shown: blanks can be seen, long ones are cut. By number where there are no tokens. */
static const char *token(const gr_page *p, const char *const *list, int i)
{
    if (!list) return gr_arena_printf(p->arena, "%d", i + 1);
    const char *text = list[i];
    if (strcmp(text, " ") == 0) return "\xe2\x90\xa3";
    if (strcmp(text, "\n") == 0) return "\xe2\x8f\x8e";
    const size_t n = strlen(text);
    if (gr_utf8_width(text, n) <= LONGEST) return text;
    return gr_arena_printf(p->arena, "%.*s\xe2\x80\xa6", (int)gr_utf8_fit(text, n, LONGEST - 1), text);
}

static int longest(const gr_page *p, const char *const *list, int n)
{
    int most = 1;
    for (int i = 0; i < n; i++) most = gr_wider(most, token(p, list, i));
    return most;
}

static layout layout_of(const gr_page *p, const gr_attention_map *m)
{
    const int most = m->columns > m->rows ? m->columns : m->rows, wide = longest(p, m->column, m->columns);
    layout l = {.cell = most <= 28 ? 22 : most <= 56 ? 14 : 9};
    l.font = l.cell == 22 ? 13 : l.cell == 14 ? 11 : 8;
    l.upright = wide <= 2 && l.cell == 22;
    l.left = longest(p, m->row, m->rows) * LABEL * l.font / 13 + 8;
    l.top = l.upright ? 20 : wide * LABEL * l.font / 13 + 8;
    return l;
}

static void write_labels(const gr_page *p, const gr_attention_map *m, const layout *l)
{
    for (int r = 0; r < m->rows; r++) {
        fprintf(p->to, "<text class=\"row\" x=\"%d\" y=\"%.1f\" dy=\".35em\">", l->left - 6, l->top + (r + 0.5) * l->cell);
        gr_html_text(p->to, token(p, m->row, r));
        fputs("</text>", p->to);
    }
    for (int k = 0; k < m->columns; k++) {
        const double x = l->left + (k + 0.5) * l->cell;
        if (l->upright) fprintf(p->to, "<text class=\"column\" x=\"%.1f\" y=\"%d\">", x, l->top - 6);
        else fprintf(p->to, "<text class=\"turned\" transform=\"translate(%.1f %d) rotate(-90)\" dy=\".35em\">", x, l->top - 5);
        gr_html_text(p->to, token(p, m->column, k));
        fputs("</text>", p->to);
    }
    fputc('\n', p->to);
}

static void write_cells(const gr_page *p, const gr_attention_map *m, const layout *l, int head)
{
    for (int r = 0; r < m->rows; r++)
        for (int k = 0; k < m->columns; k++) {
            const double v = m->value[((size_t)r * m->heads + head) * m->columns + k];
            if (!isfinite(v)) continue;
            fprintf(p->to, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill-opacity=\"%.3f\"><title>", l->left + k * l->cell,
                    l->top + r * l->cell, l->cell, l->cell, fmin(fmax(v, 0), 1));
            gr_html_text(p->to, gr_arena_printf(p->arena, "%s looks at %s: %.3f", token(p, m->row, r), token(p, m->column, k), v));
            fputs("</title></rect>\n", p->to);
        }
}

/* Where each row looks most, for those who do not see the picture. */
static void write_description(const gr_page *p, const gr_attention_map *m, int head)
{
    gr_html_text(p->to, gr_arena_printf(p->arena, "Attention weights %s.", m->name));
    for (int r = 0; r < m->rows && r < 40; r++) {
        int most = 0;
        const double *v = &m->value[((size_t)r * m->heads + head) * m->columns];
        for (int k = 1; k < m->columns; k++)
            if (v[k] > v[most]) most = k;
        gr_html_text(p->to, gr_arena_printf(p->arena, " %s looks most at %s, %.2f.", token(p, m->row, r), token(p, m->column, most), v[most]));
    }
}

static void write_head(const gr_page *p, const gr_attention_map *m, int head)
{
    const layout l = layout_of(p, m);
    const int width = l.left + m->columns * l.cell + 1, height = l.top + m->rows * l.cell + 1;
    fputs("<figure class=\"map\">\n", p->to);
    if (m->heads > 1) fprintf(p->to, "<figcaption>Head %d</figcaption>\n", head + 1);
    fprintf(p->to, "<div class=\"scroll\" tabindex=\"0\"><svg role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-size=\"%d\" aria-label=\"",
            width, height, width, height, l.font);
    write_description(p, m, head);
    fputs("\">\n", p->to);
    write_labels(p, m, &l);
    fprintf(p->to, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", l.left, l.top, m->columns * l.cell, m->rows * l.cell);
    write_cells(p, m, &l, head);
    fputs("</svg></div>\n</figure>\n", p->to);
}

static void write_map(const gr_page *p, const gr_attention_map *m)
{
    fputs("<p class=\"note\"><code>", p->to);
    gr_html_text(p->to, m->name);
    fputs("</code> ", p->to);
    if (*m->prompt) {
        fputs("on <q>", p->to);
        gr_html_text(p->to, m->prompt);
        fputs("</q>", p->to);
    } else {
        fputs("on the first validation example", p->to);
    }
    fprintf(p->to, ", seed %llu</p>\n<div class=\"maps\">\n", (unsigned long long)m->seed);
    for (int h = 0; h < m->heads; h++) write_head(p, m, h);
    fputs("</div>\n", p->to);
}

/* A map that a card of a column would cut off. */
static bool is_wide(const gr_page *p, const gr_contender *x)
{
    bool wide = false;
    for (int i = 0; i < x->num_attention; i++) {
        const layout l = layout_of(p, &x->attention[i]);
        wide = wide || l.left + x->attention[i].columns * l.cell > CARD;
    }
    return wide;
}

void gr_page_attention(const gr_page *p)
{
    int maps = 0;
    for (int i = 0; i < p->c->num_contenders; i++) maps += p->c->contender[i].num_attention;
    if (!maps) return;
    fputs("<section>\n<h2>What attention looked at</h2>\n<p class=\"note\">A row for each token written, a column for each token read; "
          "the stronger the colour of a cell, the larger its weight. Point at a cell for its number.</p>\n<div class=\"cards\">\n", p->to);
    for (int i = 0; i < p->c->num_contenders; i++) {
        const gr_contender *x = &p->c->contender[i];
        if (!x->num_attention) continue;
        fprintf(p->to, "<article%s>\n<h3>", is_wide(p, x) ? " class=\"wide\"" : "");
        gr_page_name(p, i);
        fputs("</h3>\n", p->to);
        for (int k = 0; k < x->num_attention; k++) write_map(p, &x->attention[k]);
        fputs("</article>\n", p->to);
    }
    fputs("</div>\n</section>\n", p->to);
}
