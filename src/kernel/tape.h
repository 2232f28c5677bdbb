/* tape.h - programs of pointwise instructions and their interpreter.
 *
 * A tape computes its outputs element by element over one iteration space, the shape
 * that its inputs broadcast to. It runs over blocks, rows x columns, so small that what it
 * works on stays in L1. Registers hold a block of the session's real type; inputs and outputs
 * of that type whose rows lie densely are read and written where they are, others are
 * converted and gathered into registers, or scattered from them. All that is the same in every
 * run is worked out once, in a gr_tape_plan.
 * An output may be the memory of an input of the same type and strides. */
#ifndef GR_KERNEL_TAPE_H
#define GR_KERNEL_TAPE_H

#include "base/arena.h"
#include "graph/tape.h"
#include <graphrun/op.h>

#define GR_TAPE_TILE 512 /* elements of a task's unit */

/* Bytes of scratch that a run needs, whatever its operands. */
size_t gr_tape_scratch(const gr_tape *t, gr_dtype real);

/* Rows of one number each, for all tapes that are prepared with them: {NULL} at first, kept in their arena. */
typedef struct gr_tape_constants { struct gr_tape_row *first; } gr_tape_constants;

/* The iteration space `dim` (rank axes, row-major); in[i] and out[i] have broadcast strides over
 * the same axes (0 where they repeat). */
typedef struct gr_tape_run {
    const gr_tape *tape;
    gr_dtype real;
    int rank;
    const int64_t *dim;
    const gr_tensor *in; /* rank and dims as the space's */
    const gr_tensor *out;
    void *scratch;
    gr_tape_constants *constants; /* NULL: its own */
    bool corner; /* rank 2: gr_tape_exec_corner will run it */
} gr_tape_run;

/* Lives in `a`; used by one thread at a time. Output memory that is an input's must be so in `r`
 * already, and then in every run. */
typedef struct gr_tape_plan gr_tape_plan;
gr_tape_plan *gr_tape_prepare(gr_arena *a, const gr_tape_run *r);
/* Where operand i (inputs, then outputs) lies; to be changed between runs. */
void **gr_tape_operand(gr_tape_plan *p, int i);
/* Computes the elements whose flat index in the space is in [begin, end). The bits of an element
 * do not depend on begin and end. */
void gr_tape_exec(gr_tape_plan *p, int64_t begin, int64_t end);
/* The first rows and columns of the space. */
void gr_tape_exec_corner(gr_tape_plan *p, int64_t rows, int64_t cols);
/* What an instruction makes of one element, in double, by plain C and libm; arguments past its arity are not read. */
double gr_tape_plain(gr_tape_op op, double x, double y, double z);
/* [begin, end) of a tape likewise, each instruction rounded to the tape's type: for tests. */
void gr_tape_exec_plain(const gr_tape_run *r, int64_t begin, int64_t end);
int gr_tape_op_arity(gr_tape_op op);
#endif
