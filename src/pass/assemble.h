/* assemble.h - from pointwise nodes to a tape. */
#ifndef GR_PASS_ASSEMBLE_H
#define GR_PASS_ASSEMBLE_H

#include "graph/graph.h"
#include "graph/tape.h"

#define GR_TAPE_MAX_INS 1024

/* What the tape of a group reads and writes, in the order of its inputs and outputs. */
typedef struct gr_assembly {
    gr_tape *tape;
    int num_in, num_out;
    gr_value *in[GR_TAPE_MAX_REGS];
    gr_value *out[GR_TAPE_MAX_REGS];
} gr_assembly;

/* Whether the pointwise node is one that a tape can hold. */
bool gr_is_tapeable(const gr_node *n);
/* Whether v is one number everywhere, known now; looks through views and into loops. */
bool gr_known_number(const gr_value *v, double *number);
/* Writes the tape of `members` (in an order in which values are made before they are read)
 * that stores the values of `stored`. false: too many registers or instructions. With
 * `a` NULL it only tries, and leaves out->tape NULL. Uses and clears the marks of values. */
bool gr_assemble(gr_arena *a, gr_node *const *members, int num_members, gr_value *const *stored, int num_stored,
                 gr_assembly *out);
#endif
