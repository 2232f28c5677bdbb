/* piece.c - see piece.h. */
#include "train/piece.h"
#include "pass/lift.h"

#include <string.h>

typedef struct maker {
    gr_piece_spec spec;
    const char *const *results;
    int64_t length, other_length;
    const gr_graph *other; /* the model at other_length */
    gr_piece *to;
} maker;

int64_t gr_length_beside(int64_t length) { return length > 2 ? length - 1 : length + 1; }

/* ---- refusing ---- */

/* Whether the result needs no more than the steps fed so far; says which node does. */
static bool steps(const maker *m, const gr_stepwise *s, const char *name, const gr_value *v)
{
    gr_diag *d = s->graph->diag;
    const gr_reach r = gr_reach_of(s, v);
    if (r == GR_REACH_STEP || r == GR_REACH_LAST) return true;
    if (r != GR_REACH_MIXED) {
        gr_diag_error(d, v->node->at, "'%s' does not depend on what is fed along '%s'", name, m->spec.axis);
        return false;
    }
    const gr_node *n = gr_stepwise_fault(s, v);
    if (!n) n = v->node;
    gr_diag_error(d, n->at, "'%s' (%s) mixes the steps of '%s', so '%s' cannot be computed step by step: feed whole sequences",
                  n->name, n->op->name, m->spec.axis, name);
    return false;
}

/* ---- cutting ---- */

static int cut_piece(void *data, gr_graph *root)
{
    maker *m = data;
    int n = 0;
    while (m->results[n]) n++;
    gr_value **result = GR_NEW_ARRAY(root->arena, gr_value *, n + 1);
    for (int i = 0; i < n; i++) {
        gr_value *v = gr_find_value(root, m->results[i]);
        if (!v) return 0; /* which is said when results are added */
        result[i] = gr_lift(v);
    }
    gr_stepwise *s = gr_stepwise_create(root, m->length, m->other, m->other_length, m->spec.feed, m->spec.lengths);
    if (!s && m->spec.strict) {
        gr_diag_error(root->diag, (gr_loc){0}, "with another length of '%s' the model is another graph, not only of other sizes", m->spec.axis);
        return -1;
    }
    for (int i = 0; m->spec.strict && i < n; i++)
        if (!steps(m, s, m->results[i], result[i])) return -1;
    if (!s) return 0;
    const int faults = gr_diag_count(root->diag);
    m->to->room = m->spec.room;
    m->to->num_borders = gr_cut_rest(s, n, result, m->spec.step, &m->to->room, &m->to->borders);
    if (gr_diag_count(root->diag) > faults) return -1;
    if (!m->spec.step) m->to->room = 0;
    m->to->begins = false;
    for (int i = 0; i < m->to->num_borders; i++) m->to->begins = m->to->begins || m->to->borders[i].node;
    return 0;
}

static int cut_before(void *data, gr_graph *root)
{
    const gr_piece *p = data;
    gr_cut_borders(root, p->num_borders, p->borders);
    return 0;
}

/* ---- compiling ---- */

int gr_piece_compile(gr_session *s, const gr_want *w, const gr_piece_spec *spec, gr_piece *to, gr_error *e)
{
    gr_axis_size axes[GR_MAX_PIECE_AXES];
    gr_want typed = {.fetch = w->fetch, .axes = axes, .num_axes = w->num_axes}, cut = *w;
    maker *m = GR_NEW(s->arena, maker);
    *to = (gr_piece){.exec = NULL};
    *m = (maker){.spec = *spec, .results = w->fetch, .to = to};
    if (w->num_axes > GR_MAX_PIECE_AXES) return gr_set_error(e, GR_EINVAL, "more than %d axes", GR_MAX_PIECE_AXES);
    for (int i = 0; i < w->num_axes; i++) {
        axes[i] = w->axes[i];
        if (strcmp(axes[i].axis, spec->axis) != 0) continue;
        m->length = axes[i].length;
        axes[i].length = m->other_length = gr_length_beside(m->length);
    }
    if (!(m->other = gr_session_graph(s, &typed, "expand"))) return gr_session_tell(s, e);
    cut.cut = cut_piece;
    cut.cut_data = m;
    to->exec = gr_session_compile(s, &cut, e);
    return to->exec ? 0 : e->status;
}

gr_exec *gr_before_compile(gr_session *s, const gr_want *w, const gr_piece *piece, gr_error *e)
{
    gr_want before = *w;
    gr_piece *p = gr_arena_copy(s->arena, piece, sizeof *piece);
    before.fetch = NULL;
    before.frozen = false;
    before.cut = cut_before;
    before.cut_data = p;
    return gr_session_compile(s, &before, e);
}
