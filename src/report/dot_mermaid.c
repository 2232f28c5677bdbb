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

static const char *entity(uint32_t c, bool first)
{
    static const char *const known[] = {"#32;", "#33;", "#34;", "#35;", "#36;", "#37;", "#38;", "#39;", "#40;", "#41;", "#42;", "#43;",
                                        "#44;", "#45;", "#46;", "#47;"};
    static const char *const later[] = {['['] = "#91;", ['\\'] = "#92;", [']'] = "#93;", ['^'] = "#94;", ['`'] = "#96;", ['{'] = "#123;",
                                        ['|'] = "#124;", ['}'] = "#125;", ['~'] = "#126;", ['<'] = "#60;", ['>'] = "#62;", [';'] = "#59;",
                                        ['@'] = "#64;", ['?'] = "#63;", [':'] = "#58;"};
    static const char *const digits[] = {"#48;", "#49;", "#50;", "#51;", "#52;", "#53;", "#54;", "#55;", "#56;", "#57;"};
    if (c > 126) return NULL;
    if (first && isdigit((int)c)) return digits[c - '0']; /* "1. " would begin a list */
    if (strchr(first ? " " : " ,._-=+()/", (int)c)) return NULL;
    if (c < 48) return known[c - 32];
    return c < sizeof later / sizeof *later ? later[c] : NULL;
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
    [GR_LOOK_OP] = {"(", ")"},         [GR_LOOK_PART] = {"(", ")"},       [GR_LOOK_INPUT] = {">", "]"},     [GR_LOOK_STATE] = {"[(", ")]"},
    [GR_LOOK_CONSTANT] = {"[", "]"},   [GR_LOOK_SLICE] = {"([", "])"},    [GR_LOOK_CARRY] = {"([", "])"},   [GR_LOOK_VIEW] = {"[", "]"},
    [GR_LOOK_FUSED] = {"[[", "]]"},    [GR_LOOK_TASKS] = {"[", "]"},      [GR_LOOK_HEADING] = {"[", "]"},
};

static const char *const class_of[] = {[GR_FORWARD] = "forward", [GR_BACKWARD] = "backward", [GR_UPDATE] = "update"};

/* A line a task: its name and the threads that share it. */
static void put_tasks(const gr_picture *p, const gr_pic_box *b, FILE *to)
{
    for (int i = 0; i < b->num_tasks; i++) {
        fputs("<br/>", to);
        put_text(p, b->task[i].name, to);
        if (b->task[i].count > 1) fprintf(to, " x%d", b->task[i].count);
        for (int k = 0; k < b->task[i].num_shares && p->threads > 1; k++) fprintf(to, "%s %d", k ? "," : " - thread", b->task[i].share[k]);
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

static void put_box(const gr_picture *p, const gr_pic_box *b, int depth, FILE *to)
{
    if (b->look == GR_LOOK_HEADING) return; /* groups say it */
    indent(depth, to);
    fprintf(to, "n%d%s\"", b->id, bracket[b->look][0]);
    put_text(p, *b->name ? b->name : " ", to);
    if (*b->op && b->look != GR_LOOK_TASKS) fputs("<br/>", to), put_text(p, b->op, to);
    for (int i = 0; i < b->num_lines; i++) fputs("<br/>", to), put_text(p, b->line[i], to);
    put_tasks(p, b, to);
    fprintf(to, "\"%s\n", bracket[b->look][1]);
    indent(depth, to);
    const int thread = only_thread(p, b);
    if (thread >= 0) fprintf(to, "class n%d thread%d\n", b->id, thread % GR_THREAD_COLOURS);
    else fprintf(to, "class n%d %s\n", b->id, b->look == GR_LOOK_STATE ? "parameter" : class_of[b->phase]);
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
        put_text(p, *g->name ? g->name : " ", to);
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

static void put_arrow(const gr_picture *p, const gr_pic_arrow *x, FILE *to)
{
    const char *line = x->flow == GR_FLOW_NEXT || x->phase == GR_UPDATE ? "==>" : x->phase == GR_BACKWARD ? "-.->" : "-->";
    fprintf(to, "    n%d %s", x->from->id, line);
    if (x->num_labels) {
        fputs("|\"", to);
        put_text(p, gr_pic_label(p->arena, x, "\n"), to);
        fputs("\"|", to);
    }
    fprintf(to, " n%d\n", x->to->id);
}

/* Classes that no box has are left out. */
static void put_classes(const gr_picture *p, FILE *to)
{
    for (int i = GR_FORWARD; i <= GR_UPDATE; i++)
        if (gr_pic_has_phase(p, (gr_phase)i))
            fprintf(to, "    classDef %s fill:%s,stroke:%s,color:%s%s\n", class_of[i], gr_light[GR_COLOUR_FORWARD_FILL + i],
                    gr_light[GR_COLOUR_FORWARD_LINE + i], gr_light[GR_COLOUR_TEXT],
                    i == GR_BACKWARD ? ",stroke-dasharray:5 3" : i == GR_UPDATE ? ",stroke-width:3px" : "");
    for (int i = 0; i < p->threads && i < GR_THREAD_COLOURS && p->threads > 1; i++)
        fprintf(to, "    classDef thread%d fill:%s,stroke:%s,color:" GR_INK "\n", i, GR_THREAD_COLOUR(i), gr_light[GR_COLOUR_TEXT]);
    if (!p->threads) fprintf(to, "    classDef parameter fill:%s,stroke:%s,color:%s\n", gr_light[GR_COLOUR_PAGE], gr_light[GR_COLOUR_FORWARD_LINE], gr_light[GR_COLOUR_TEXT]);
}

void gr_picture_write_mermaid(const gr_picture *p, FILE *to)
{
    fputs(p->threads ? "flowchart LR\n" : "flowchart TD\n", to);
    put_group(p, &p->top, 0, to);
    for (int i = 0; i < p->num_arrows; i++) put_arrow(p, p->arrow[i], to);
    put_classes(p, to);
}
