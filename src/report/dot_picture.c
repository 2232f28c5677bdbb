/* dot_picture.c - making a picture's boxes, groups and arrows, and their texts. */
#include "report/dot_picture.h"
#include "base/map.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

gr_picture *gr_pic_create(gr_arena *a, const char *title)
{
    gr_picture *p = GR_NEW(a, gr_picture);
    *p = (gr_picture){.arena = a, .title = title ? title : "", .note = "", .lengths = "", .top = {.name = "", .note = ""}, .arrows = gr_map_create(a)};
    return p;
}

gr_pic_group *gr_pic_add_group(gr_picture *p, gr_pic_group *in, const char *name, gr_phase phase)
{
    gr_pic_group *g = GR_NEW(p->arena, gr_pic_group);
    *g = (gr_pic_group){.parent = in, .id = ++p->num_groups, .name = name, .note = "", .phase = phase};
    if (in->last) in->last->next = g;
    else in->first = g;
    in->last = g;
    return g;
}

gr_pic_box *gr_pic_add_box(gr_picture *p, gr_pic_group *in, gr_pic_look look, gr_phase phase, const char *name, const char *op)
{
    gr_pic_box *b = GR_NEW(p->arena, gr_pic_box);
    *b = (gr_pic_box){.id = ++p->num_boxes, .look = look, .phase = phase, .name = name, .op = op, .path = "", .group = in};
    *GR_PUSH(p->arena, in->box, in->num_boxes, in->cap_boxes) = b;
    return b;
}

void gr_pic_add_line(gr_picture *p, gr_pic_box *b, const char *text)
{
    *GR_PUSH(p->arena, b->line, b->num_lines, b->cap_lines) = text;
}

static const char *arrow_key(const gr_picture *p, const gr_pic_box *from, const gr_pic_box *to, gr_phase phase, gr_pic_flow flow)
{
    return gr_arena_printf(p->arena, "%d>%d>%d>%d", from->id, to->id, (int)phase, (int)flow);
}

bool gr_pic_has_arrow(const gr_picture *p, const gr_pic_box *from, const gr_pic_box *to, gr_phase phase, gr_pic_flow flow)
{
    return gr_map_get(p->arrows, arrow_key(p, from, to, phase, flow)) != NULL;
}

void gr_pic_add_arrow(gr_picture *p, gr_pic_box *from, gr_pic_box *to, gr_phase phase, gr_pic_flow flow, const char *label)
{
    const char *key = arrow_key(p, from, to, phase, flow);
    gr_pic_arrow *x = gr_map_get(p->arrows, key);
    if (!x) {
        x = GR_NEW(p->arena, gr_pic_arrow);
        *x = (gr_pic_arrow){.from = from, .to = to, .phase = phase, .flow = flow};
        *GR_PUSH(p->arena, p->arrow, p->num_arrows, p->cap_arrows) = x;
        gr_map_set(p->arrows, key, x);
    }
    for (int i = 0; i < x->num_labels; i++)
        if (strcmp(x->label[i], label) == 0) return;
    if (*label) *GR_PUSH(p->arena, x->label, x->num_labels, x->cap_labels) = label;
}

void gr_pic_put_beside(gr_pic_box *b, gr_pic_box *other)
{
    b->beside = other;
    b->paired = other->paired = true;
}

int gr_pic_depth(const gr_pic_group *g)
{
    int n = 0;
    for (; g->parent; g = g->parent) n++;
    return n;
}

const gr_pic_group *gr_pic_common_group(const gr_pic_box *a, const gr_pic_box *b)
{
    const gr_pic_group *g = a->group, *k = b->group;
    for (int n = gr_pic_depth(g), m = gr_pic_depth(k); g != k;)
        if (n >= m) g = g->parent, n--;
        else k = k->parent, m--;
    return g;
}

static bool group_has_phase(const gr_pic_group *g, gr_phase phase)
{
    for (int i = 0; i < g->num_boxes; i++)
        if (g->box[i]->phase == phase) return true;
    for (const gr_pic_group *k = g->first; k; k = k->next)
        if (group_has_phase(k, phase)) return true;
    return false;
}

bool gr_pic_has_phase(const gr_picture *p, gr_phase phase) { return group_has_phase(&p->top, phase); }

const char *gr_pic_label(gr_arena *a, const gr_pic_arrow *x, const char *between)
{
    enum { MOST = 2 };
    const int shown = x->num_labels <= MOST ? x->num_labels : MOST - 1;
    const char *text = "";
    for (int i = 0; i < shown; i++) text = gr_arena_printf(a, "%s%s%s", text, i ? between : "", x->label[i]);
    return shown == x->num_labels ? text : gr_arena_printf(a, "%s%sand %d more", text, between, x->num_labels - shown);
}

const char *gr_pic_steps(const gr_picture *p, int column)
{
    if (column < p->shown || p->columns == p->shown + 1) return gr_arena_printf(p->arena, "%d", column);
    return gr_arena_printf(p->arena, "%d to %lld", column, (long long)p->columns - 1);
}

const char *gr_pic_threads(gr_arena *a, const gr_pic_task *t)
{
    const char *text = "";
    for (int i = 0, end; i < t->num_shares; i = end) {
        for (end = i + 1; end < t->num_shares && t->share[end] == t->share[end - 1] + 1;) end++;
        text = gr_arena_printf(a, end - i > 1 ? "%s%s%d-%d" : "%s%s%d", text, i ? ", " : "", t->share[i], t->share[end - 1]);
    }
    return text;
}

/* ---- text ---- */

/* What XML, and so SVG, cannot hold. */
static bool is_no_text(uint32_t c) { return (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff; }

char *gr_pic_escape(gr_arena *a, const char *text, const char *(*escape)(uint32_t c, uint32_t before, unsigned char after))
{
    size_t n = strlen(text), room = 0, used = 0;
    char *out = NULL;
    for (int pass = 0; pass < 2; pass++) {
        uint32_t before = 0;
        used = 0;
        for (size_t i = 0; i < n;) {
            uint32_t c = 0xfffd;
            char one[5] = "";
            int bytes = gr_utf8_decode(text + i, n - i, &c);
            i += bytes ? (size_t)bytes : 1;
            if (!bytes || is_no_text(c)) c = 0xfffd;
            else if (c < 32) c = ' ';
            const char *as = escape(c, before, (unsigned char)text[i]);
            before = c;
            if (!as) one[gr_utf8_encode(c, one)] = 0, as = one;
            size_t length = strlen(as);
            if (out) memcpy(out + used, as, length);
            used += length;
        }
        room = used + 1;
        if (!out) out = gr_arena_alloc(a, room);
    }
    return out;
}

const char *gr_pic_cut(gr_arena *a, const char *text, int width)
{
    const size_t n = strlen(text);
    if (gr_utf8_fit(text, n, width) == n) return text;
    return gr_arena_printf(a, "%.*s..", (int)gr_utf8_fit(text, n, width - 2), text);
}

static const char *attr_text(gr_arena *a, const gr_attr_spec *spec, const gr_attr *v)
{
    enum { LONGEST = 26 };
    if (spec->kind == GR_ATTR_FLOAT) return gr_arena_printf(a, "%g", v->f);
    if (spec->kind == GR_ATTR_TENSOR && v->n == 1) return gr_arena_printf(a, "%g", v->floats[0]);
    const char *text = gr_attr_text(a, spec, v);
    return text ? gr_pic_cut(a, text, LONGEST) : "";
}

const char *gr_pic_attrs(gr_arena *a, const gr_op *op, const gr_attr *attr)
{
    const char *text = "";
    for (int i = 0, n = attr ? gr_op_num_attrs(op) : 0; i < n; i++)
        if (attr[i].given && attr[i].present)
            text = gr_arena_printf(a, "%s%s%s=%s", text, *text ? ", " : "", op->attrs[i].name, attr_text(a, &op->attrs[i], &attr[i]));
    return text;
}

/* How much of the text goes on a line: up to the last space that fits, else the last underscore or dot, else what fits and
 * the comma after it. */
static size_t line_length(const char *text, size_t n, int width)
{
    const size_t line = strcspn(text, "\n"), fit = gr_utf8_fit(text, line < n ? line : n, width);
    size_t space = 0, mark = 0;
    if (fit == n) return n;
    if (fit == line || text[fit] == ' ') return fit + 1;
    for (size_t i = 0; i < fit; i++) {
        if (text[i] == ' ') space = i + 1;
        if (text[i] == '_' || text[i] == '.') mark = i + 1;
    }
    if (!space && !mark && text[fit] == ',') return fit + 1 + (text[fit + 1] == ' ');
    return space ? space : mark ? mark : fit ? fit : n;
}

const char *gr_pic_wrap(gr_arena *a, const char *text, int width)
{
    size_t n = strlen(text), used = 0;
    char *out = gr_arena_alloc(a, 2 * n + 1);
    for (size_t i = 0; i < n;) {
        size_t length = line_length(text + i, n - i, width);
        memcpy(out + used, text + i, length);
        used += length;
        i += length;
        if (i < n && (out[used - 1] == ' ' || out[used - 1] == '\n')) used--;
        if (i < n) out[used++] = '\n';
    }
    return out;
}

const char *gr_pic_name(gr_arena *a, const char *name)
{
    enum { WIDEST = 34 };
    return *name ? gr_pic_wrap(a, name, WIDEST) : " ";
}

const char *gr_pic_number(gr_arena *a, int64_t n)
{
    const char *text = n < 1000 ? gr_arena_printf(a, "%lld", (long long)n) : NULL;
    return text ? text : gr_arena_printf(a, "%s,%03lld", gr_pic_number(a, n / 1000), (long long)(n % 1000));
}
