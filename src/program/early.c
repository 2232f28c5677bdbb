/* early.c - what is the last to read much is computed right behind what makes it.
 *
 * The gradient of a loop's weights is needed by no other gradient, so the order of the graph leaves it to the
 * end, and all that it reads stays until then. Moved up, it finds in the cache what the loop has just left there,
 * and frees it:
 *
 *     loop B'   loop A'   weights of A   weights of B    ->    loop B'   weights of B   loop A'   weights of A
 *
 * What is made for it alone (a packed operand) comes along. Loops that may run beside others stay neighbours:
 * only those of which each worker has a band are passed where there are several workers. */
#include "program/build.h"
#include <string.h>

#define LEAST_BYTES 65536 /* less is not worth another order */

typedef struct mover {
    gr_program *p;
    bool alone;  /* one worker */
    int first;   /* where template `last` and those that come along may stand */
    int last;
    bool *along; /* by template: moves with `last`, or is it */
    int *list, count; /* those */
    bool *moved; /* by template: has moved, once for all */
    int *order;  /* scratch: the new places; what is there */
    gr_template *templates;
    bool *was;
} mover;

static bool has_effect(const gr_template *t) { return t->node && (t->node->op->traits & GR_EFFECT); }

/* Whether nobody but those that move reads or writes what u makes. */
static bool made_for_it(const mover *m, int u)
{
    const gr_template *maker = &m->p->templates[u];
    if (maker->loop >= 0 || maker->num_out == 0 || has_effect(maker)) return false;
    for (int i = 0; i < maker->num_out; i++) {
        if (m->p->buffers[maker->out[i].buffer].kind != GR_BUFFER_ARENA) return false;
        for (int t = 0; t < m->p->num_templates; t++) {
            const gr_template *x = &m->p->templates[t];
            const bool touches = gr_touches(x->in, x->num_in, maker->out[i].buffer) || gr_touches(x->out, x->num_out, maker->out[i].buffer);
            if (touches && t != u && !m->along[t]) return false;
        }
    }
    return true;
}

/* Whether all that move may stand before template u. */
static bool may_pass_all(const mover *m, int u)
{
    for (int i = 0; i < m->count; i++)
        if (!gr_may_swap(&m->p->templates[m->list[i]], &m->p->templates[u])) return false;
    return true;
}

/* The first template of a loop that they may stand before; -1: they may not. */
static int above_loop(const mover *m, int loop)
{
    const gr_loop_info *l = &m->p->loops[loop];
    if (!m->alone && !l->rows) return -1;
    for (int u = l->first; u < l->last; u++)
        if (!may_pass_all(m, u)) return -1;
    return l->first;
}

static void take_along(mover *m, int t)
{
    m->along[t] = true;
    m->list[m->count++] = t;
}

/* How far up template `last` can go, and with whom; whether it passes anything. */
static bool find_way(mover *m)
{
    const gr_program *p = m->p;
    memset(m->along, 0, sizeof *m->along * (size_t)p->num_templates);
    m->count = 0;
    take_along(m, m->last);
    m->first = m->last;
    for (int u = m->last - 1; u >= 0; u--) {
        const int loop = p->templates[u].loop >= 0 ? gr_loop_below(p, p->templates[u].loop, -1) : -1;
        if (loop >= 0) {
            u = above_loop(m, loop);
            if (u < 0) break;
        } else if (!may_pass_all(m, u)) {
            if (!made_for_it(m, u)) break;
            take_along(m, u);
            continue;
        }
        m->first = u;
    }
    return m->first < m->last;
}

/* Whether it pays: what they set free is more than what they make for others, and something large is made among what
 * they pass, which may have that memory. */
static bool pays(const mover *m)
{
    double freed = 0;
    bool wanted = false;
    for (int i = 0; i < m->p->num_buffers; i++) {
        const gr_buffer *b = &m->p->buffers[i];
        if (b->kind != GR_BUFFER_ARENA || b->first < 0) continue;
        if (b->last == m->last && !m->along[b->first]) freed += (double)b->bytes;
        if (m->along[b->first] && b->last > m->last) freed -= (double)b->bytes;
        wanted |= b->first >= m->first && b->first < m->last && !m->along[b->first] && b->bytes >= LEAST_BYTES;
    }
    return wanted && freed >= LEAST_BYTES;
}

/* The templates in their new order. */
static void move_up(mover *m)
{
    gr_program *p = m->p;
    const size_t count = (size_t)(m->last - m->first + 1);
    int n = m->first;
    for (int pass = 0; pass < 2; pass++)
        for (int t = m->first; t <= m->last; t++)
            if (m->along[t] == (pass == 0)) m->order[t] = n++;
    for (int t = m->first; t <= m->last; t++) {
        m->templates[m->order[t]] = p->templates[t];
        m->was[m->order[t]] = m->along[t] || m->moved[t];
    }
    memcpy(p->templates + m->first, m->templates + m->first, sizeof *m->templates * count);
    memcpy(m->moved + m->first, m->was + m->first, sizeof *m->moved * count);
    for (int l = 0; l < p->num_loops; l++) {
        if (p->loops[l].first < m->first || p->loops[l].first > m->last) continue;
        const int shift = m->order[p->loops[l].first] - p->loops[l].first;
        p->loops[l].first += shift;
        p->loops[l].last += shift;
    }
}

/* Whether it has not moved, and is the last to read something large. */
static bool may_move(const mover *m)
{
    const gr_template *t = &m->p->templates[m->last];
    if (m->moved[m->last] || t->loop >= 0 || t->num_out == 0 || has_effect(t)) return false;
    for (int i = 0; i < t->num_in; i++) {
        if (t->in[i].buffer < 0) continue;
        const gr_buffer *b = &m->p->buffers[t->in[i].buffer];
        if (b->kind == GR_BUFFER_ARENA && b->last == m->last && b->bytes >= LEAST_BYTES) return true;
    }
    return false;
}

/* From the end: when what was read last has moved away, something else is. */
void gr_order_early(gr_build *b, int workers)
{
    gr_program *p = b->p;
    const int n = p->num_templates;
    mover m = {.p = p, .alone = workers == 1, .last = n - 1};
    m.along = GR_NEW_ARRAY(b->a, bool, n + 1);
    m.list = GR_NEW_ARRAY(b->a, int, n + 1);
    m.moved = GR_NEW_ARRAY(b->a, bool, n + 1);
    m.was = GR_NEW_ARRAY(b->a, bool, n + 1);
    m.order = GR_NEW_ARRAY(b->a, int, n + 1);
    m.templates = GR_NEW_ARRAY(b->a, gr_template, n + 1);
    gr_plan_lifetimes(p);
    while (m.last > 0) {
        if (may_move(&m) && find_way(&m) && pays(&m)) {
            move_up(&m);
            gr_plan_lifetimes(p);
        } else {
            m.last--;
        }
    }
}
