/* dot_mermaid.c - a picture as text for Mermaid, which README pages draw by themselves.
 *
 * A label stands between quotes; every character that is not plain text in it is written as an entity
 * (#60;), so that neither Mermaid nor the HTML and Markdown that it reads labels as see any syntax. */
#include "report/dot.h"
#include "report/dot_colours.h"
#include "report/dot_picture.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- text ---- */

#define NOTHING "#8203;" /* a space without width keeps characters apart that would mean something together */

/* Labels are read as Markdown, too, whose marks stay marks however they are written: those for emphasis are
 * replaced by their likes, the others are kept from what they would mark. */
static const char *entity(uint32_t c, uint32_t before, unsigned char after)
{
    static const char *const known[128] = {
        ['!'] = "#33;", ['"'] = "#34;", ['#'] = "#35;", ['$'] = "#36;", ['%'] = "#37;", ['&'] = "#38;", ['\''] = "#39;", ['/'] = "#47;",
        ['*'] = "#8727;", ['`'] = "#715;", ['~'] = "#8764;", ['_'] = NOTHING "_" NOTHING, [':'] = "#58;" NOTHING, [';'] = "#59;",
        ['<'] = "#60;", ['>'] = "#62;", ['?'] = "#63;", ['@'] = "#64;" NOTHING, ['['] = "#91;", ['\\'] = "#92;" NOTHING, [']'] = "#93;",
        ['^'] = "#94;", ['{'] = "#123;", ['|'] = "#124;", ['}'] = "#125;"};
    static const char *const begins[128] = { /* a list, a heading, a line */
        ['+'] = NOTHING "+", ['-'] = NOTHING "-", ['='] = NOTHING "=", ['#'] = NOTHING "#35;", ['>'] = NOTHING "#62;", ['0'] = NOTHING "0",
        ['1'] = NOTHING "1", ['2'] = NOTHING "2", ['3'] = NOTHING "3", ['4'] = NOTHING "4", ['5'] = NOTHING "5", ['6'] = NOTHING "6",
        ['7'] = NOTHING "7", ['8'] = NOTHING "8", ['9'] = NOTHING "9"};
    if (c >= 128) return NULL;
    if (c == '_' && before < 128 && isalnum((int)before) && isalnum(after)) return NULL; /* within a word */
    if (c == ']' && (after == '(' || after == '[' || after == ':')) return "#93;" NOTHING; /* no link */
    return !before && begins[c] ? begins[c] : known[c];
}

static void put_text(const gr_picture *p, const char *text, FILE *to)
{
    for (const char *line = text; line;) {
        const char *end = strchr(line, '\n');
        const char *one = end ? gr_arena_strndup(p->arena, line, (size_t)(end - line)) : line;
        fprintf(to, "%s%s", line == text ? "" : "<br/>", gr_pic_escape(p->arena, one, entity));
        line = end ? end + 1 : NULL;
    }
}

static void indent(int depth, FILE *to) { fprintf(to, "%*s", 4 * depth, ""); }

/* ---- boxes ---- */

/* What stands around a label. */
static const char *const bracket[GR_NUM_LOOKS][2] = {
    [GR_LOOK_OP] = {"(", ")"},         [GR_LOOK_PART] = {"(", ")"},       [GR_LOOK_INPUT] = {"[/", "/]"},     [GR_LOOK_STATE] = {"[(", ")]"},
    [GR_LOOK_CONSTANT] = {"[", "]"},   [GR_LOOK_SLICE] = {"([", "])"},    [GR_LOOK_CARRY] = {"([", "])"},   [GR_LOOK_VIEW] = {"[", "]"},
    [GR_LOOK_FUSED] = {"[[", "]]"},
};

static const char *const class_of[] = {[GR_FORWARD] = "forward", [GR_BACKWARD] = "backward", [GR_UPDATE] = "update"};

static void put_box(const gr_picture *p, const gr_pic_box *b, int depth, FILE *to)
{
    indent(depth, to);
    fprintf(to, "n%d%s\"", b->id, bracket[b->look][0]);
    put_text(p, gr_pic_name(p->arena, b->name), to);
    if (*b->op) fputs("<br/>", to), put_text(p, b->op, to);
    for (int i = 0; i < b->num_lines; i++) fputs("<br/>", to), put_text(p, b->line[i], to);
    fprintf(to, "\"%s\n", bracket[b->look][1]);
    indent(depth, to);
    fprintf(to, "class n%d %s\n", b->id, b->look == GR_LOOK_STATE ? "parameter" : class_of[b->phase]);
}

static bool is_empty(const gr_pic_group *g)
{
    bool empty = g->num_boxes == 0;
    for (const gr_pic_group *k = g->first; k && empty; k = k->next) empty = is_empty(k);
    return empty;
}

static void put_group(const gr_picture *p, const gr_pic_group *g, int depth, FILE *to)
{
    if (is_empty(g)) return;
    if (g->parent) {
        indent(depth, to);
        fprintf(to, "subgraph g%d[\"", g->id);
        put_text(p, gr_pic_name(p->arena, g->name), to);
        if (*g->note) fputs(" - ", to), put_text(p, g->note, to);
        fputs("\"]\n", to);
    }
    for (int i = 0; i < g->num_boxes; i++) put_box(p, g->box[i], depth + 1, to);
    for (const gr_pic_group *k = g->first; k; k = k->next) put_group(p, k, depth + 1, to);
    if (g->parent) {
        indent(depth, to);
        fputs("end\n", to);
        indent(depth, to);
        fprintf(to, "style g%d fill:none,stroke:%s,stroke-width:%s\n", g->id, gr_light[GR_COLOUR_FORWARD_LINE + g->phase], g->loop ? "3px" : "1px");
    }
}

/* ---- arrows ---- */

/* What goes to the next step is a line without direction, written from the carry on: an arrow back would
 * turn the step's layout round. */
static void put_arrow(const gr_picture *p, const gr_pic_arrow *x, FILE *to)
{
    const bool next = x->flow == GR_FLOW_NEXT;
    const char *line = next ? "o==o" : x->phase == GR_UPDATE ? "==>" : x->phase == GR_BACKWARD ? "-.->" : "-->";
    fprintf(to, "    n%d %s", next ? x->to->id : x->from->id, line);
    if (x->num_labels || next) {
        fputs("|\"", to);
        if (next) fputs(x->num_labels ? "next step, " : "next step", to);
        put_text(p, gr_pic_label(p->arena, x, "\n"), to);
        fputs("\"|", to);
    }
    fprintf(to, " n%d\n", next ? x->from->id : x->to->id);
}

/* ---- the grid: a block diagram ---- */

/* A line a task: its name and the threads that share it. */
static void put_tasks(const gr_picture *p, const gr_pic_box *b, FILE *to)
{
    if (*b->op) put_text(p, b->op, to);
    for (int i = 0; i < b->num_tasks; i++) {
        if (i || *b->op) fputs("<br/>", to);
        put_text(p, b->task[i].name, to);
        if (b->task[i].count > 1) fprintf(to, " x%d", b->task[i].count);
        if (b->task[i].num_shares && p->threads > 1) fprintf(to, " - thread %s", gr_pic_threads(p->arena, &b->task[i]));
    }
}

/* The thread that runs all of the box, -1: none does alone. */
static int only_thread(const gr_picture *p, const gr_pic_box *b)
{
    int found = b->num_tasks && p->threads > 1 && b->task[0].num_shares == 1 ? b->task[0].share[0] : -1;
    for (int i = 1; i < b->num_tasks && found >= 0; i++)
        if (b->task[i].num_shares != 1 || b->task[i].share[0] != found) found = -1;
    return found;
}

static void put_cell(const gr_picture *p, const gr_pic_box *b, FILE *to)
{
    const int thread = only_thread(p, b);
    fprintf(to, "    n%d[\"", b->id);
    put_tasks(p, b, to);
    fprintf(to, "\"]:%d\n", b->span);
    if (thread >= 0) fprintf(to, "    class n%d thread%d\n", b->id, thread % (GR_THREAD_COLOURS * GR_THREAD_FRAMES));
    else fprintf(to, "    class n%d %s\n", b->id, class_of[b->phase]);
}

/* A row: the lane's name, its boxes by column, spaces between them. */
static void put_lane(const gr_picture *p, const gr_pic_group *g, int columns, FILE *to)
{
    fprintf(to, "    g%d[\"", g->id);
    put_text(p, g->name, to);
    fputs("<br/>", to);
    put_text(p, g->note, to);
    fputs("\"]\n", to);
    for (int column = 0; column < columns;) {
        const gr_pic_box *here = NULL;
        for (int i = 0; i < g->num_boxes; i++)
            if (g->box[i]->column == column) here = g->box[i];
        if (here) put_cell(p, here, to);
        else fputs("    space\n", to);
        column += here ? here->span : 1;
    }
}

/* Without arrows: between neighbours Mermaid 11 turns the heads of all to the right. */
static void put_grid(const gr_picture *p, FILE *to)
{
    int columns = 1;
    for (const gr_pic_group *g = p->top.first; g; g = g->next)
        for (int i = 0; i < g->num_boxes; i++)
            if (g->box[i]->column + g->box[i]->span > columns) columns = g->box[i]->column + g->box[i]->span;
    fprintf(to, "block-beta\n    columns %d\n    space\n", columns + 1);
    for (int c = 0; c < columns; c++)
        if (p->columns == 1 || c > p->shown) fputs("    space\n", to);
        else fprintf(to, "    t%d[\"t = %s\"]\n", c, gr_pic_steps(p, c));
    for (const gr_pic_group *g = p->top.first; g; g = g->next) put_lane(p, g, columns, to);
}

/* Classes that no box has are left out. */
static void put_classes(const gr_picture *p, FILE *to)
{
    for (int i = GR_FORWARD; i <= GR_UPDATE; i++)
        if (gr_pic_has_phase(p, (gr_phase)i))
            fprintf(to, "    classDef %s fill:%s,stroke:%s,color:%s%s\n", class_of[i], gr_light[GR_COLOUR_FORWARD_FILL + i],
                    gr_light[GR_COLOUR_FORWARD_LINE + i], gr_light[GR_COLOUR_TEXT],
                    i == GR_BACKWARD ? ",stroke-dasharray:5 3" : i == GR_UPDATE ? ",stroke-width:3px" : "");
    static const char *const frame[GR_THREAD_FRAMES] = {"", ",stroke-width:3px", ",stroke-width:3px,stroke-dasharray:5 3"};
    for (int i = 0; i < p->threads && i < GR_THREAD_COLOURS * GR_THREAD_FRAMES && p->threads > 1; i++)
        fprintf(to, "    classDef thread%d fill:%s,stroke:%s,color:" GR_INK "%s\n", i, GR_THREAD_COLOUR(i), gr_light[GR_COLOUR_TEXT], frame[GR_THREAD_FRAME(i)]);
    if (!p->threads) fprintf(to, "    classDef parameter fill:%s,stroke:%s,color:%s\n", gr_light[GR_COLOUR_PAGE], gr_light[GR_COLOUR_FORWARD_LINE], gr_light[GR_COLOUR_TEXT]);
}

void gr_picture_write_mermaid(const gr_picture *p, FILE *to)
{
    if (p->threads) {
        put_grid(p, to);
    } else {
        fputs("flowchart TD\n", to);
        if (*p->lengths) {
            fputs("    lengths[\"", to);
            put_text(p, p->lengths, to);
            fputs("\"]\n    style lengths fill:none,stroke:none\n", to);
        }
        put_group(p, &p->top, 0, to);
        for (int i = 0; i < p->num_arrows; i++)
            if (p->arrow[i]->flow != GR_FLOW_ORDER) put_arrow(p, p->arrow[i], to);
    }
    put_classes(p, to);
}
