/* tape.h - programs of pointwise instructions, as nodes carry them.
 *
 * The fuser makes them; kernel/tape.h runs them. */
#ifndef GR_GRAPH_TAPE_H
#define GR_GRAPH_TAPE_H

#include <graphrun/tape.h>

#define GR_TAPE_MAX_REGS 48

typedef struct gr_tape_ins {
    uint8_t op; /* gr_tape_op */
    uint8_t dst, x, y, z; /* dst may be one of x, y, z */
} gr_tape_ins;

typedef struct gr_tape {
    int num_regs;
    int num_in;                /* input i is loaded into register in_reg[i] */
    const uint8_t *in_reg;
    int num_const;             /* register const_reg[i] is filled with value[i] */
    const uint8_t *const_reg;
    const double *value;
    int num_ins;
    const gr_tape_ins *ins;
    int num_out;               /* output i is stored from register out_reg[i] */
    const uint8_t *out_reg;
} gr_tape;

#endif
