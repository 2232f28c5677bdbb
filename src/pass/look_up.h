/* look_up.h - gradients of tables that only look-ups read (gr_state.sparse). */
#ifndef GR_PASS_LOOK_UP_H
#define GR_PASS_LOOK_UP_H

#include "graph/emit.h"
#include "graph/graph.h"

typedef struct gr_look_ups { gr_node **node; int count; } gr_look_ups;

/* The nodes that read s, in all graphs. false after a diagnostic: one is no look-up. */
bool gr_find_look_ups(gr_graph *root, const gr_state *s, gr_look_ups *to);
/* From the gradients toward their outputs, as values of the root (NULL: zero), the gradient of s:
 * [n, ...], with s->rows set. NULL: zero. */
gr_value *gr_look_up_gradient(gr_emitter *e, gr_state *s, const gr_look_ups *l, gr_value *const *grads);
#endif
