/* op_registry.h - the ops that a test sees: all built-in ones, those of YAML too, and more. */
#ifndef GR_TESTS_OP_REGISTRY_H
#define GR_TESTS_OP_REGISTRY_H

#include "graph/graph.h"

/* The ops that are tested beside the built-in ones. */
typedef struct op_more {
    const char *plugin; /* a file, or NULL */
    const gr_op *op;    /* or NULL */
} op_more;

/* more: NULL for none. */
gr_registry *trial_registry(gr_arena *a, const op_more *more);
#endif
