/* lift.h - values by name, and values of loops' bodies as values of the root. */
#ifndef GR_PASS_LIFT_H
#define GR_PASS_LIFT_H

#include "graph/graph.h"

/* A value by the name that a person knows it by: a node, node.port, an inner node, a
 * parameter. NULL: there is none. It may be of a loop's body. */
gr_value *gr_find_value(gr_graph *root, const char *name);
/* v as a value of the root: of a body, stacked by step, the innermost loop last. */
gr_value *gr_lift(gr_value *v);
/* The type that gr_lift(v) has. */
gr_type gr_lift_type(const gr_value *v);
/* The output of `scan` that is `inner` of its body stacked; made unless it exists. */
gr_value *gr_stack_once(gr_node *scan, gr_value *inner);
/* Makes every float value of all graphs a result under its node's name. */
void gr_lift_all(gr_graph *root);
#endif
