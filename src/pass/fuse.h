/* fuse.h - the parts of the pass "fuse". */
#ifndef GR_PASS_FUSE_H
#define GR_PASS_FUSE_H

#include "pass/pass.h"

/* Products of g (not of the bodies below it) whose only reader is one tape take it as
 * their epilogue. */
void gr_add_epilogues(gr_graph *g);
/* Every pointwise node of g (not of the bodies below it) becomes a tape by itself. The old
 * nodes are left for pruning, the new ones for sorting. */
void gr_tape_lone_nodes(gr_graph *g);
/* Gives products of g their right operands packed ahead where that pays (prepack.c). */
void gr_prepack(gr_graph *g, const gr_request *r);
#endif
