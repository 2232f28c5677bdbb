/* expand.h - what expand.c and expand_scan.c share. */
#ifndef GR_PASS_EXPAND_H
#define GR_PASS_EXPAND_H

#include "pass/pass.h"

typedef struct expansion {
    gr_graph *to;        /* the typed root */
    gr_arena *arena;
    const gr_request *request;
    gr_emitter *emitter; /* its graph is the one in hand: the root or a body */
    gr_value *unknown;   /* stands for what could not be made */
} expansion;

/* The typed value of a raw one (NULL of NULL), as the graph in hand may read it. `reader`:
 * the place at fault if there is no such value. */
gr_value *gr_expanded(expansion *x, gr_value *raw, gr_loc reader);
gr_value **gr_expanded_inputs(expansion *x, const gr_node *raw);
bool gr_is_unknown(const gr_value *v);
gr_value *gr_unknown_of(expansion *x);
void gr_expand_nodes(expansion *x, const gr_graph *raw);
/* Builds a raw loop anew in the graph in hand. */
void gr_expand_scan(expansion *x, gr_node *raw);
/* A value by the name that a person knows it by: a node, node.port, an inner node, a
 * parameter. NULL: there is none. */
gr_value *gr_find_value(gr_graph *root, const char *name);
#endif
