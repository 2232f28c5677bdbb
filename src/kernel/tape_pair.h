/* tape_pair.h - two steps of a tape in one. */
#ifndef GR_KERNEL_TAPE_PAIR_H
#define GR_KERNEL_TAPE_PAIR_H

#include "kernel/isa.h"

/* What the steps' slots are. */
typedef struct gr_tape_slots {
    int operands;      /* slots 0 .. operands - 1 are memory of the caller's */
    const int *memory; /* of each such: the first operand that lies where it lies */
    int end;           /* slots operands .. end - 1 are registers, */
    const bool *kept;  /* which are read after the last step, or are not */
} gr_tape_slots;

/* A sum, difference or product that one other of these takes, or a tanh or sigmoid, is computed in it, rounded as before,
 * without a register between. op[k]: the gr_tape_op of step k. Gives how many steps are left; their ld and `flat` are not read. */
int gr_tape_join(gr_tape_step *steps, uint8_t *op, int n, gr_dtype real, const gr_tape_slots *slots);
#endif
