/* fuse.h - the parts of the pass "fuse". */
#ifndef GR_PASS_FUSE_H
#define GR_PASS_FUSE_H

#include "graph/graph.h"

/* Products of g (not of the bodies below it) whose only reader is one tape take it as
 * their epilogue. */
void gr_add_epilogues(gr_graph *g);
#endif
