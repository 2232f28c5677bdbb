/* op_registry.h - the ops that a walk sees: all built-in ones, those of YAML too, and more. */
#ifndef GR_WALK_OP_REGISTRY_H
#define GR_WALK_OP_REGISTRY_H

#include "graph/graph.h"

/* How a walk differs from that over the built-in ops. */
typedef struct op_more {
    const gr_registry *registry; /* where the ops are; NULL: with the built-in ones */
    struct op_report *report;    /* what is found goes there; NULL: failures to standard output */
    bool may_refuse_loops;       /* an op that says in a message that it stands in no loop is fine */
    bool float_differs;          /* its outputs in float are something else than in double */
} op_more;

/* With the built-in ops. */
gr_registry *op_registry_create(gr_arena *a);
/* more: NULL for none. */
const gr_registry *op_registry_of(const op_more *more);
#endif
