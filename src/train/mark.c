/* mark.c - going back to before programs that are given up. */
#include "train/mark.h"

gr_session_mark gr_session_mark_of(const gr_session *s) { return (gr_session_mark){.arena = gr_arena_mark_of(s->arena)}; }

void gr_session_keep(gr_session *s, gr_session_mark *m)
{
    m->model = gr_model_save(s->model);
    m->execs = s->execs, m->num_execs = s->num_execs, m->cap_execs = s->cap_execs;
    m->resets = s->resets, m->num_resets = s->num_resets, m->cap_resets = s->cap_resets;
    m->rounding = s->rounding;
    m->topology = s->topology;
    m->pool = s->pool, m->alone = s->alone;
    m->states = gr_store_count(s->store);
}

void gr_session_rewind(gr_session *s, const gr_session_mark *m)
{
    gr_diag_clear(s->diag);
    if (m->model) {
        while (s->num_execs > m->num_execs) gr_session_drop(s, s->num_execs - 1);
        s->execs = m->execs, s->num_execs = m->num_execs, s->cap_execs = m->cap_execs;
        s->resets = m->resets, s->num_resets = m->num_resets, s->cap_resets = m->cap_resets;
        s->rounding = m->rounding;
        gr_store_shorten(s->store, m->states);
        if (s->pool != m->pool) gr_pool_destroy(s->pool);
        if (s->alone != m->alone) gr_pool_destroy(s->alone);
        s->pool = m->pool, s->alone = m->alone;
        s->topology = m->topology;
        gr_model_restore(s->model, m->model);
    }
    gr_arena_rewind(s->arena, &m->arena);
}
