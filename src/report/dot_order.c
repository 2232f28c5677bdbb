/* dot_order.c - what stands below what, beyond what arrows say.
 *
 * A group reaches from its first box to its last. What reads a box in the middle of it would stand beside the rest of the
 * group, and a long chain of groups would be a picture as wide as it is long. So where group A is read by a unit B (a group
 * or a box beside it, in the same group), all last boxes of A stand above all first ones of B: arrows that are not drawn.
 * Where a way leads from B back to A this cannot be, neither for them nor for what is in them. Large groups that do not
 * read each other stand below each other as if they did. The backward graph runs up: there groups alone stand above those
 * that they read. */
#include "report/dot_graph.h"

enum { MOST = 100 }; /* such arrows between two units; more are not worth their while */

typedef struct crossing { gr_pic_arrow **arrow; int num_arrows, cap_arrows; } crossing;

typedef struct order {
    gr_picture *p;
    crossing *of;        /* by group: the arrows from one of its units to another */
    int *out, *in;       /* by box: how deep the innermost group is that an arrow leads out of it, or into it, within; 0: none */
    gr_map *known;       /* pairs of units that are done */
} order;

static bool is_within(const gr_pic_box *b, const gr_pic_group *around)
{
    const gr_pic_group *g = b->group;
    while (g && g != around) g = g->parent;
    return g != NULL;
}

/* The group in g that the box stands in; NULL: it stands in g itself. */
static gr_pic_group *group_below(const gr_pic_box *b, const gr_pic_group *g)
{
    gr_pic_group *k = NULL;
    for (gr_pic_group *up = b->group; up != g; up = up->parent) k = up;
    return k;
}

/* A number for the unit of g that the box stands in. */
static int unit_of(const order *o, const gr_pic_box *b, const gr_pic_group *g)
{
    const gr_pic_group *k = group_below(b, g);
    return k ? k->id : o->p->num_groups + b->id;
}

static void sort_arrows(order *o)
{
    for (int i = 0; i < o->p->num_arrows; i++) {
        gr_pic_arrow *x = o->p->arrow[i];
        if (x->flow != GR_FLOW_DATA || x->from->phase == GR_UPDATE || x->to->phase != x->from->phase) continue;
        const gr_pic_group *g = gr_pic_common_group(x->from, x->to);
        const int depth = gr_pic_depth(g);
        crossing *c = &o->of[g->id];
        *GR_PUSH(o->p->arena, c->arrow, c->num_arrows, c->cap_arrows) = x;
        if (depth > o->out[x->from->id]) o->out[x->from->id] = depth;
        if (depth > o->in[x->to->id]) o->in[x->to->id] = depth;
    }
}

/* Those of the group's boxes that no arrow leads on from (or to) within it. */
typedef struct ends { gr_pic_box **box; int num_boxes, cap_boxes; } ends;

static void add_ends(const order *o, const gr_pic_group *g, const int *within, int depth, ends *e)
{
    for (int i = 0; i < g->num_boxes; i++)
        if (within[g->box[i]->id] < depth) *GR_PUSH(o->p->arena, e->box, e->num_boxes, e->cap_boxes) = g->box[i];
    for (const gr_pic_group *k = g->first; k; k = k->next) add_ends(o, k, within, depth, e);
}

static void put_above(order *o, const gr_pic_group *a, const gr_pic_group *b, gr_pic_box *head)
{
    ends last = {0}, first = {0};
    add_ends(o, a, o->out, gr_pic_depth(a), &last);
    if (b) add_ends(o, b, o->in, gr_pic_depth(b), &first);
    *GR_PUSH(o->p->arena, first.box, first.num_boxes, first.cap_boxes) = head;
    if ((int64_t)last.num_boxes * first.num_boxes > MOST) return;
    for (int i = 0; i < last.num_boxes; i++)
        for (int k = 0; k < first.num_boxes; k++)
            if (!gr_pic_has_arrow(o->p, last.box[i], first.box[k], head->phase, GR_FLOW_DATA))
                gr_pic_add_arrow(o->p, last.box[i], first.box[k], head->phase, GR_FLOW_ORDER, "");
}

/* Which units of g lead to its group a, that itself among them where it stands in a circle. */
static void find_feeders(const order *o, const gr_pic_group *g, const gr_pic_group *a, bool *feeds)
{
    const crossing *c = &o->of[g->id];
    for (bool more = true; more;) {
        more = false;
        for (int i = c->num_arrows - 1; i >= 0; i--) {
            const int from = unit_of(o, c->arrow[i]->from, g), to = unit_of(o, c->arrow[i]->to, g);
            if ((to != a->id && !feeds[to]) || feeds[from]) continue;
            feeds[from] = more = true;
        }
    }
}

static int count_boxes(const gr_pic_group *g)
{
    int n = g->num_boxes;
    for (const gr_pic_group *k = g->first; k; k = k->next) n += count_boxes(k);
    return n;
}

static gr_pic_box *any_box(const gr_pic_group *g) { return g->num_boxes ? g->box[0] : g->first ? any_box(g->first) : NULL; }

/* Large groups that need not stand side by side, as the directions of an RNN, stand below each other. */
static void pile_up(order *o, const gr_pic_group *g)
{
    enum { LARGE = 8 };
    const gr_pic_group *a = NULL;
    crossing *c = &o->of[g->id];
    for (const gr_pic_group *b = g->first; b; b = b->next) {
        if (b->phase != GR_FORWARD || count_boxes(b) < LARGE) continue;
        bool *feeds = GR_NEW_ARRAY(o->p->arena, bool, o->p->num_groups + o->p->num_boxes + 1);
        if (a) find_feeders(o, g, a, feeds);
        if (a && !feeds[b->id] && any_box(a) && any_box(b)) {
            gr_pic_arrow *x = GR_NEW(o->p->arena, gr_pic_arrow);
            *x = (gr_pic_arrow){.from = any_box(a), .to = any_box(b), .flow = GR_FLOW_ORDER};
            *GR_PUSH(o->p->arena, c->arrow, c->num_arrows, c->cap_arrows) = x;
        }
        a = b;
    }
}

static void order_units(order *o, const gr_pic_group *g)
{
    pile_up(o, g);
    const crossing *c = &o->of[g->id];
    for (const gr_pic_group *a = g->first; a; a = a->next) {
        bool *feeds = GR_NEW_ARRAY(o->p->arena, bool, o->p->num_groups + o->p->num_boxes + 1);
        find_feeders(o, g, a, feeds);
        for (int i = 0; i < c->num_arrows; i++) {
            gr_pic_box *head = c->arrow[i]->to;
            const int b = unit_of(o, head, g);
            if (!is_within(c->arrow[i]->from, a) || feeds[b] || (head->phase == GR_BACKWARD && !group_below(head, g))) continue;
            const char *key = gr_arena_printf(o->p->arena, "%d>%d", a->id, head->id);
            if (!gr_map_get(o->known, key)) put_above(o, a, group_below(head, g), head);
            gr_map_set(o->known, key, head);
        }
        if (!feeds[a->id]) order_units(o, a);
    }
}

void gr_dot_put_in_order(gr_dot *d)
{
    gr_picture *p = d->p;
    order o = {.p = p, .of = GR_NEW_ARRAY(d->a, crossing, p->num_groups + 1), .out = GR_NEW_ARRAY(d->a, int, p->num_boxes + 1),
               .in = GR_NEW_ARRAY(d->a, int, p->num_boxes + 1), .known = gr_map_create(d->a)};
    sort_arrows(&o);
    order_units(&o, &p->top);
}
