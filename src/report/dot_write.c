/* dot_write.c - a picture as text for Graphviz.
 *
 * Labels are Graphviz's HTML, in which every character that means something to it has another form, so a
 * node may be called anything. A backward arrow is written from its head to its tail: ranks follow the
 * forward graph, and the gradient runs up beside it. */
#include "report/dot.h"
#include "report/dot_colours.h"
#include "report/dot_picture.h"

#include <stdio.h>
#include <string.h>

enum { PAIR_WEIGHT = 5 }; /* how much more than an arrow pulls boxes to each other */

static const char *const stroke[] = {[GR_FORWARD] = "solid", [GR_BACKWARD] = "dashed", [GR_UPDATE] = "bold"};
static const char *const word[] = {[GR_FORWARD] = "forward, solid", [GR_BACKWARD] = "backward, dashed", [GR_UPDATE] = "update, bold"};

static const char *fill_of(gr_phase phase) { return gr_light[GR_COLOUR_FORWARD_FILL + phase]; }
static const char *shade_of(gr_phase phase) { return gr_light[GR_COLOUR_FORWARD_SHADE + phase]; }
static const char *line_of(gr_phase phase) { return gr_light[GR_COLOUR_FORWARD_LINE + phase]; }

/* ---- text ---- */

static const char *html(uint32_t c, uint32_t before, unsigned char after)
{
    (void)before, (void)after;
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\\': return "&#92;"; /* Graphviz looks for escapes of its own */
    case '[': return "&#91;";
    case ']': return "&#93;";
    default: return NULL;
    }
}

/* Lines of the text as HTML. An empty element would be a mistake to Graphviz. */
static void put_text(const gr_picture *p, const char *text, const char *open, const char *close, FILE *to)
{
    for (const char *line = text; line;) {
        const char *end = strchr(line, '\n');
        const char *one = end ? gr_arena_strndup(p->arena, line, (size_t)(end - line)) : line;
        if (*one) fprintf(to, "%s%s%s%s", line == text ? "" : "<BR/>", open, gr_pic_escape(p->arena, one, html), close);
        line = end ? end + 1 : NULL;
    }
}

/* For use between quotes. */
static const char *quoted(uint32_t c, uint32_t before, unsigned char after)
{
    (void)before, (void)after;
    return c == '"' ? "\\\"" : c == '\\' ? "\\\\" : NULL;
}

/* ---- boxes ---- */

static const char *shape_of(gr_pic_look look)
{
    static const char *const shape[GR_NUM_LOOKS] = {
        [GR_LOOK_OP] = "box", [GR_LOOK_PART] = "box", [GR_LOOK_INPUT] = "note", [GR_LOOK_STATE] = "cylinder",
        [GR_LOOK_CONSTANT] = "plain", [GR_LOOK_SLICE] = "ellipse", [GR_LOOK_CARRY] = "ellipse", [GR_LOOK_VIEW] = "plain",
        [GR_LOOK_FUSED] = "box", [GR_LOOK_TASKS] = "plain", [GR_LOOK_HEADING] = "plain",
        [GR_LOOK_NAMES] = "plain"};
    return shape[look];
}

static void put_label(const gr_picture *p, const gr_pic_box *b, FILE *to)
{
    fputs("label=<", to);
    put_text(p, gr_pic_name(p->arena, b->name), "<B>", "</B>", to);
    if (*b->op) {
        fputs("<BR/>", to);
        put_text(p, b->op, "", "", to);
    }
    for (int i = 0; i < b->num_lines; i++) {
        fputs("<BR/>", to);
        put_text(p, b->line[i], "<FONT POINT-SIZE=\"10\" COLOR=\"#4f5965\">", "</FONT>", to);
    }
    fputs(">", to);
}

static void put_box(const gr_picture *p, const gr_pic_box *b, FILE *to)
{
    const bool plain = strcmp(shape_of(b->look), "plain") == 0;
    fprintf(to, "n%d [", b->id);
    put_label(p, b, to);
    fprintf(to, ", shape=%s", shape_of(b->look));
    if (plain) fputs(", style=\"\"", to);
    else
        fprintf(to, ", fillcolor=\"%s\", color=\"%s\", style=\"filled,%s%s\"", b->look == GR_LOOK_STATE ? gr_light[GR_COLOUR_PAGE] : fill_of(b->phase),
                line_of(b->phase), stroke[b->phase], b->look == GR_LOOK_OP || b->look == GR_LOOK_PART ? ",rounded" : "");
    if (b->result || b->look == GR_LOOK_FUSED) fputs(", peripheries=2", to);
    fputs("];\n", to);
}

/* ---- boxes of the grid ---- */

static int most_shares(const gr_pic_box *b) { return b->brief ? 2 : 3; }

/* Of a cell in the thread's colour. */
static const char *thread_cell(const gr_picture *p, int thread)
{
    static const char *const frame[GR_THREAD_FRAMES] = {"", " BORDER=\"2\" COLOR=\"" GR_INK "\"", " BORDER=\"2\" COLOR=\"" GR_INK "\" STYLE=\"DASHED\""};
    return gr_arena_printf(p->arena, " BGCOLOR=\"%s\"%s", GR_THREAD_COLOUR(thread), frame[GR_THREAD_FRAME(thread)]);
}

/* The threads in their colours, as long as there are few. */
static void put_shares(const gr_picture *p, const gr_pic_box *b, const gr_pic_task *t, FILE *to)
{
    const int most = most_shares(b);
    if (p->threads < 2) return;
    if (t->num_shares > most) fprintf(to, "<TD BGCOLOR=\"%s\">%s</TD>", gr_light[GR_COLOUR_PAGE], gr_pic_threads(p->arena, t));
    for (int i = 0; i < t->num_shares && t->num_shares <= most; i++)
        fprintf(to, "<TD%s><FONT COLOR=\"" GR_INK "\">%d</FONT></TD>", thread_cell(p, t->share[i]), t->share[i]);
}

/* A task's name, and the threads that share it; one alone colours the name, too. */
static void put_task(const gr_picture *p, const gr_pic_box *b, const gr_pic_task *t, FILE *to)
{
    const bool alone = t->num_shares == 1 && p->threads > 1;
    const char *colour = alone ? GR_THREAD_COLOUR(t->share[0]) : b->look == GR_LOOK_NAMES ? gr_light[GR_COLOUR_PAGE] : fill_of(b->phase);
    if (b->brief && p->threads < 2) fputs("<TD>&#160;</TD>", to);
    if (!b->brief) {
        fprintf(to, "<TD ALIGN=\"LEFT\" BGCOLOR=\"%s\"><FONT COLOR=\"%s\">", colour, alone ? GR_INK : gr_light[GR_COLOUR_TEXT]);
        put_text(p, t->name, "", "", to);
        if (t->count > 1) fprintf(to, " x%d", t->count);
        fputs("</FONT></TD>", to);
    }
    put_shares(p, b, t, to);
}

/* One below the other, or in a row where there is room. */
static void put_tasks(const gr_picture *p, const gr_pic_box *b, FILE *to)
{
    const bool beside = !b->brief && b->look == GR_LOOK_TASKS && b->width >= b->num_tasks * GR_TASK_WIDTH;
    fputs("<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"1\" CELLPADDING=\"1\">", to);
    if (*b->op) {
        int cells = 1;
        for (int i = 0; i < b->num_tasks; i++)
            if (b->task[i].num_shares <= most_shares(b) && b->task[i].num_shares > cells) cells = b->task[i].num_shares;
        fprintf(to, "<TR><TD COLSPAN=\"%d\">", b->look == GR_LOOK_NAMES ? 1 : cells + !b->brief);
        put_text(p, b->op, "<B>", "</B>", to);
        fputs("</TD></TR>", to);
    }
    for (int i = 0; i < b->num_tasks; i++) {
        if (i == 0 || !beside) fputs("<TR>", to);
        put_task(p, b, &b->task[i], to);
        if (beside && i + 1 < b->num_tasks) fputs("<TD>&#160;&#160;</TD>", to);
        else fputs("</TR>", to);
    }
    fputs("</TABLE>", to);
}

static void put_cell(const gr_picture *p, const gr_pic_box *b, FILE *to)
{
    fprintf(to, "n%d [label=<", b->id);
    if (b->look == GR_LOOK_TASKS || b->look == GR_LOOK_NAMES) put_tasks(p, b, to);
    else put_text(p, *b->name ? b->name : " ", "<B>", "</B>", to);
    if (b->look == GR_LOOK_HEADING && *b->op) fputs("<BR/>", to), put_text(p, b->op, "", "", to);
    fprintf(to, ">, fontsize=10, pos=\"%.1f,%.1f!\", width=%.3f, height=%.3f, fixedsize=true", b->x + b->width / 2, -(b->y + b->height / 2),
            b->width / 72, b->height / 72);
    if (b->look != GR_LOOK_TASKS) fprintf(to, ", shape=box, style=\"\", penwidth=0, fontcolor=\"%s\"];\n", *b->op ? line_of(b->phase) : gr_light[GR_COLOUR_MUTED]);
    else fprintf(to, ", shape=box, fillcolor=\"%s\", color=\"%s\", style=\"filled,rounded,%s\"];\n", fill_of(b->phase), line_of(b->phase), stroke[b->phase]);
}

static void put_cells(const gr_picture *p, const gr_pic_group *g, FILE *to)
{
    for (int i = 0; i < g->num_boxes; i++) put_cell(p, g->box[i], to);
    for (const gr_pic_group *k = g->first; k; k = k->next) put_cells(p, k, to);
}

static bool is_empty(const gr_pic_group *g)
{
    bool empty = g->num_boxes == 0;
    for (const gr_pic_group *k = g->first; k && empty; k = k->next) empty = is_empty(k);
    return empty;
}

static void put_group(const gr_picture *p, const gr_pic_group *g, FILE *to)
{
    if (is_empty(g)) return;
    const char *line = line_of(g->phase);
    fprintf(to, "subgraph cluster_%d {\nlabel=<", g->id);
    put_text(p, gr_pic_name(p->arena, g->name), "<B>", "</B>", to);
    if (*g->note) put_text(p, g->note, "&#160;&#160;", "", to);
    fprintf(to, ">; style=\"rounded,filled%s\"; fillcolor=\"%s\"; color=\"%s\"; fontcolor=\"%s\"; penwidth=%s;\n",
            g->aside ? ",dotted" : g->phase == GR_BACKWARD ? ",dashed" : "", shade_of(g->phase), line, line, g->loop ? "2.5" : "1");
    for (int i = 0; i < g->num_boxes; i++) put_box(p, g->box[i], to);
    for (const gr_pic_group *k = g->first; k; k = k->next) put_group(p, k, to);
    fputs("}\n", to);
}

static void put_phase(const gr_picture *p, gr_phase phase, FILE *to)
{
    for (int i = 0; i < p->top.num_boxes; i++)
        if (p->top.box[i]->phase == phase) put_box(p, p->top.box[i], to);
    for (const gr_pic_group *k = p->top.first; k; k = k->next)
        if (k->phase == phase) put_group(p, k, to);
}

/* The forward graph as a column, the backward one with the update beside it; a point at the head of each says
 * which stands on the left. */
static void put_columns(const gr_picture *p, FILE *to)
{
    const bool columns = gr_pic_has_phase(p, GR_BACKWARD);
    const char *head = "[shape=point, style=invis, width=0.01]";
    if (columns) fprintf(to, "subgraph cluster_forward {\nlabel=\"\"; style=invis; left %s;\n", head);
    put_phase(p, GR_FORWARD, to);
    if (columns) fprintf(to, "}\nsubgraph cluster_backward {\nlabel=\"\"; style=invis; right %s;\n", head);
    put_phase(p, GR_BACKWARD, to);
    put_phase(p, GR_UPDATE, to);
    if (columns) fputs("}\n{rank=same; left -> right [style=invis]}\n", to);
}

/* ---- arrows ---- */

/* Whether the arrow decides which box stands higher. */
static bool is_rank(const gr_pic_arrow *x)
{
    if (x->flow == GR_FLOW_NEXT) return false;
    return x->flow == GR_FLOW_DATA || (x->to->phase == GR_UPDATE && !x->to->paired);
}

/* The type, on the ground that it stands on, so that it can be read where it comes to stand on a frame or another arrow. */
static void put_type(const gr_picture *p, const gr_pic_arrow *x, const gr_pic_group *in, int widest, FILE *to)
{
    fprintf(to, "label=<<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"0\" CELLPADDING=\"0\"><TR><TD> </TD><TD BGCOLOR=\"%s\">",
            in->parent ? shade_of(in->phase) : gr_light[GR_COLOUR_PAGE]);
    put_text(p, gr_pic_wrap(p->arena, gr_pic_label(p->arena, x, "\n"), widest), "", "", to);
    fputs("</TD></TR></TABLE>>, ", to);
}

/* Boxes of a group are pulled to each other more than to others, so that it stands together and what follows it stands
 * under it rather than beside it. */
static void put_arrow(const gr_picture *p, const gr_pic_arrow *x, int widest, FILE *to)
{
    enum { WITHIN = 8 };
    const bool rank = is_rank(x), up = x->to->phase != GR_FORWARD && rank, kept = x->flow == GR_FLOW_KEPT, next = x->flow == GR_FLOW_NEXT;
    if (x->flow == GR_FLOW_ORDER) {
        const bool turned = x->to->phase != GR_FORWARD;
        fprintf(to, "n%d -> n%d [style=invis];\n", turned ? x->to->id : x->from->id, turned ? x->from->id : x->to->id);
        return;
    }
    const gr_pic_group *in = gr_pic_common_group(x->from, x->to);
    fprintf(to, "n%d -> n%d [", up ? x->to->id : x->from->id, up ? x->from->id : x->to->id);
    if (x->num_labels && !kept) put_type(p, x, in, widest, to);
    if (rank && in->parent) fprintf(to, "weight=%d, ", 1 + WITHIN * gr_pic_depth(in));
    fprintf(to, "color=\"%s\", style=%s%s%s%s%s];\n", line_of(x->phase), kept && x->phase == GR_BACKWARD ? "dotted, penwidth=1.4" : stroke[x->phase],
            up ? ", dir=back" : "", rank ? "" : ", constraint=false", next ? (up ? ", arrowtail=empty" : ", arrowhead=empty") : "",
            next && x->phase != GR_UPDATE ? ", penwidth=2" : "");
}

/* Side by side; with rank=same Graphviz fails where there are many groups. */
static void put_pairs(const gr_pic_group *g, FILE *to)
{
    for (int i = 0; i < g->num_boxes; i++)
        if (g->box[i]->beside) fprintf(to, "n%d -> n%d [style=invis, minlen=0, weight=%d];\n", g->box[i]->beside->id, g->box[i]->id, PAIR_WEIGHT);
    for (const gr_pic_group *k = g->first; k; k = k->next) put_pairs(k, to);
}

/* Where an arrow meets the wide box b: over or under the middle of the other one. */
static void put_end(const gr_pic_box *b, const gr_pic_box *other, int arrow, char end, FILE *to)
{
    const double middle = other->x + other->width / 2, left = b->x + 8, right = b->x + b->width - 8;
    const double x = middle < left ? left : middle > right ? right : middle, y = other->y < b->y ? b->y : b->y + b->height;
    fprintf(to, "p%d%c [shape=point, width=0.01, style=invis, pos=\"%.1f,%.1f!\"];\n", arrow, end, x, -y);
}

static void put_wait(const gr_pic_arrow *x, int i, FILE *to)
{
    const bool tail = x->from->width > x->to->width, head = x->to->width > x->from->width;
    if (tail) put_end(x->from, x->to, i, 't', to);
    if (head) put_end(x->to, x->from, i, 'h', to);
    fprintf(to, tail ? "p%dt" : "n%d", tail ? i : x->from->id);
    fprintf(to, head ? " -> p%dh" : " -> n%d", head ? i : x->to->id);
    fprintf(to, " [color=\"%s\", style=%s];\n", line_of(x->phase), stroke[x->phase]);
}

/* ---- the whole ---- */

static void put_threads(const gr_picture *p, FILE *to)
{
    for (int i = 0; i < p->threads && p->threads > 1; i++)
        fprintf(to, "<TD%s><FONT COLOR=\"" GR_INK "\"> thread %d </FONT></TD><TD> </TD>", thread_cell(p, i), i);
}

static void put_legend(const gr_picture *p, FILE *to)
{
    for (int i = GR_FORWARD; i <= GR_UPDATE; i++) {
        if (!gr_pic_has_phase(p, (gr_phase)i)) continue;
        fprintf(to, "<TD BORDER=\"%s\" STYLE=\"%s\" COLOR=\"%s\" BGCOLOR=\"%s\"> %s </TD><TD> </TD>", i == GR_UPDATE ? "3" : "1",
                i == GR_BACKWARD ? "DASHED" : "SOLID", line_of((gr_phase)i), fill_of((gr_phase)i), word[i]);
    }
    bool kept = false;
    for (int i = 0; i < p->num_arrows; i++) kept |= p->arrow[i]->flow == GR_FLOW_KEPT && p->arrow[i]->phase == GR_BACKWARD;
    if (kept) fprintf(to, "<TD BORDER=\"1\" STYLE=\"DOTTED\" COLOR=\"%s\"> kept for backward, dotted </TD><TD> </TD>", line_of(GR_BACKWARD));
}

static void put_title(const gr_picture *p, FILE *to)
{
    const bool legend = gr_pic_has_phase(p, GR_BACKWARD) || gr_pic_has_phase(p, GR_UPDATE) || p->threads > 1;
    if (!*p->title && !*p->note && !*p->lengths && !legend) return;
    fputs("label=<<TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"4\"><TR><TD><FONT POINT-SIZE=\"15\">", to);
    put_text(p, *p->title ? p->title : " ", "<B>", "</B>", to);
    fputs("</FONT>", to);
    if (*p->note) {
        fputs("<BR/>", to);
        put_text(p, p->note, "", "", to);
    }
    if (*p->lengths) {
        fputs("<BR/>", to);
        put_text(p, p->lengths, "", "", to);
    }
    fputs("</TD></TR>", to);
    if (legend) {
        fputs("<TR><TD><TABLE BORDER=\"0\" CELLBORDER=\"0\" CELLSPACING=\"2\" CELLPADDING=\"3\"><TR>", to);
        put_legend(p, to);
        put_threads(p, to);
        fputs("</TR></TABLE></TD></TR>", to);
    }
    fputs("</TABLE>>;\n", to);
}

void gr_picture_write_dot(const gr_picture *p, FILE *to)
{
    const char *font = "fontname=\"Helvetica,Arial,sans-serif\"";
    fputs("digraph \"", to);
    fputs(gr_pic_escape(p->arena, *p->title ? p->title : "graphrun", quoted), to);
    fprintf(to, "\" {\ngraph [%s, fontsize=12, fontcolor=\"%s\", bgcolor=\"%s\", nodesep=0.2, ranksep=0.35, labelloc=t%s, pad=0.2];\n"
            "node [%s, fontsize=12, fontcolor=\"%s\", height=0.3, margin=\"0.14,0.06\"];\nedge [%s, fontsize=10, fontcolor=\"%s\", arrowsize=0.7];\n",
            font, gr_light[GR_COLOUR_TEXT], gr_light[GR_COLOUR_PAGE], p->effort == 0 ? ", newrank=true" : p->effort == 1 ? "" : ", splines=line", font, gr_light[GR_COLOUR_TEXT], font, gr_light[GR_COLOUR_MUTED]);
    put_title(p, to);
    if (p->threads) {
        fputs("layout=neato; inputscale=72; splines=line; overlap=true; outputorder=edgesfirst;\n", to);
        put_cells(p, &p->top, to);
        for (int i = 0; i < p->num_arrows; i++) put_wait(p->arrow[i], i, to);
        fputs("}\n", to);
        return;
    }
    const int widest = gr_pic_has_phase(p, GR_BACKWARD) ? 19 : 34; /* a type; two columns have less room */
    put_columns(p, to);
    for (int i = 0; i < p->num_arrows; i++) put_arrow(p, p->arrow[i], widest, to);
    if (p->effort < 2) put_pairs(&p->top, to);
    fputs("}\n", to);
}
