/* mark.h - a point of a session to go back to, with the memory that it had there.
 *
 *     mark = gr_session_mark_of(s)     costs nothing
 *     gr_session_keep(s, &mark)        before graphs are made: what that changes is kept, in the arena
 *     gr_session_rewind(s, &mark)      drops what was made since: programs, states that they alone have, diagnostics
 *
 * Between the two no run, pool or pointer into what goes may be handed out that is used after. */
#ifndef GR_TRAIN_MARK_H
#define GR_TRAIN_MARK_H

#include "train/session.h"

typedef struct gr_session_mark {
    gr_arena_mark arena;
    const gr_model_state *model; /* NULL: nothing was kept, no graph made */
    gr_exec **execs; int num_execs, cap_execs;
    gr_reset *resets; int num_resets, cap_resets;
    gr_rounding rounding;
    gr_topology *topology;
    gr_pool *pool, *alone;
    int states;
} gr_session_mark;

gr_session_mark gr_session_mark_of(const gr_session *s);
void gr_session_keep(gr_session *s, gr_session_mark *m);
void gr_session_rewind(gr_session *s, const gr_session_mark *m);
#endif
