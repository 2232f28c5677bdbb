/* cse.h - equal nodes become one. */
#ifndef GR_PASS_CSE_H
#define GR_PASS_CSE_H

#include "graph/graph.h"

/* In g and all bodies: of nodes with the same op, attributes and inputs the first stays.
 * Leaves, loops, random numbers and effects are left alone. Prunes nothing. */
void gr_merge_equal_nodes(gr_graph *g);
#endif
