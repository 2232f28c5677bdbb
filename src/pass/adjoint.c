/* adjoint.c - what is known of a value's adjoint while the walk is on: terms of its own
 * shape, and parts, the terms that slices of it give.
 *
 * Parts that lie side by side become one concatenation, with zeros in the gaps: the
 * gradient toward gates that are slices of one product is written once, not summed up
 * from as many padded copies. */
#include "pass/gradient.h"

bool ad_has_adjoint(gr_value *v)
{
    const ad_mark *m = ad_mark_of(v);
    return m->num_terms > 0 || m->num_parts > 0;
}

/* A value of the level's backward graph, NULL if nothing can be added. */
static gr_value *in_reach(ad_level *l, gr_value *v)
{
    if (!v || v->type.dtype == GR_UNKNOWN) return NULL;
    return v->node->graph == l->backward ? v : gr_graph_capture(l->backward, v);
}

/* Summed down to type t; two biases of one sum ask for the same in turn. */
static gr_value *sum_to(ad_level *l, gr_value *term, const gr_type *t)
{
    if (l->summed_from != term || !gr_type_equal(&l->summed->type, t)) {
        l->summed_from = term;
        l->summed = gr_emit_sum_to(l->emitter, term, t);
    }
    return l->summed;
}

void ad_add_term(ad_level *l, gr_value *v, gr_value *term)
{
    ad_mark *m = ad_mark_of(v);
    if (!m->wanted || !(term = in_reach(l, term))) return;
    if (!gr_type_equal(&term->type, &v->type)) term = sum_to(l, term, &v->type);
    gr_type_take_names(&term->type, &v->type);
    *GR_PUSH(l->backward->arena, m->terms, m->num_terms, m->cap_terms) = term;
}

void ad_add_part(ad_level *l, gr_value *v, ad_part part)
{
    ad_mark *m = ad_mark_of(v);
    if (!m->wanted || !(part.grad = in_reach(l, part.grad))) return;
    int i = m->num_parts; /* sorted by start */
    GR_PUSH(l->backward->arena, m->parts, m->num_parts, m->cap_parts);
    for (; i > 0 && m->parts[i - 1].start > part.start; i--) m->parts[i] = m->parts[i - 1];
    m->parts[i] = part;
}

/* Zeros like t, but of `length` along axis `dim`. */
static gr_value *gap(gr_emitter *e, const gr_type *t, int dim, int64_t length)
{
    gr_type z = *t;
    z.dim[t->rank + dim] = length;
    return gr_emit_zeros(e, &z);
}

/* Takes the first part and all that lie beside it along the same axis out of m, and
 * gives them as one value of type t. */
static gr_value *join_parts(ad_level *l, gr_emitter *e, ad_mark *m, const gr_type *t)
{
    gr_value **piece = GR_NEW_ARRAY(l->backward->arena, gr_value *, 2 * m->num_parts + 1);
    int n = 0, kept = 0, dim = m->parts[0].dim;
    int64_t at = 0;
    for (int i = 0; i < m->num_parts; i++) {
        ad_part p = m->parts[i];
        if (p.dim != dim || p.start < at) {
            m->parts[kept++] = p;
            continue;
        }
        if (p.start > at) piece[n++] = gap(e, t, dim, p.start - at);
        piece[n++] = p.grad;
        at = p.stop;
    }
    m->num_parts = kept;
    if (at < t->dim[t->rank + dim]) piece[n++] = gap(e, t, dim, t->dim[t->rank + dim] - at);
    return n == 1 ? piece[0] : gr_emit_role(e, GR_ROLE_CONCAT, n, piece, "dim=%d", dim);
}

gr_value *ad_adjoint(ad_level *l, gr_value *v)
{
    ad_mark *m = ad_mark_of(v);
    if (m->num_parts == 0 && m->num_terms < 2) return m->num_terms ? m->terms[0] : NULL;
    gr_emitter *e = gr_emitter_create(l->backward, GR_BACKWARD); /* the sum is called after v, not after who asks for it */
    gr_emitter_at(e, gr_arena_printf(l->backward->arena, "%s'", v->node->name), v->node->at);
    while (m->num_parts > 0) {
        gr_value *joined = join_parts(l, e, m, &v->type);
        *GR_PUSH(l->backward->arena, m->terms, m->num_terms, m->cap_terms) = joined;
    }
    if (m->num_terms > 1) {
        m->terms[0] = gr_emit_role(e, GR_ROLE_ADD, m->num_terms, m->terms, NULL);
        m->num_terms = 1;
    }
    return m->terms[0];
}

gr_graph *ad_adjoint_graph(gr_value *v)
{
    const ad_mark *m = ad_mark_of(v);
    const gr_value *any = m->num_terms ? m->terms[0] : m->num_parts ? m->parts[0].grad : NULL;
    return any ? any->node->graph : NULL;
}
