/* tape.h - programs of pointwise instructions and their interpreter.
 *
 * A tape computes its outputs element by element over one iteration space, the shape
 * that its inputs broadcast to. Registers hold one tile each (GR_TAPE_TILE elements at
 * most) of the session's real type; inputs are loaded (converted, gathered by stride)
 * into registers first, constants are filled in once a call, outputs stored last.
 * An output may be the memory of an input of the same type and strides. */
#ifndef GR_KERNEL_TAPE_H
#define GR_KERNEL_TAPE_H

#include "graph/tape.h"
#include <graphrun/op.h>

#define GR_TAPE_TILE 512

/* Bytes of scratch that a run needs. */
size_t gr_tape_scratch(const gr_tape *t, gr_dtype real);

/* Computes elements of the iteration space `dim` (rank axes, row-major) whose flat index
 * is in [begin, end). in[i] and out[i] have broadcast strides over the same axes (0 where
 * they repeat). The bits of an element do not depend on begin and end. */
typedef struct gr_tape_run {
    const gr_tape *tape;
    gr_dtype real;
    int rank;
    const int64_t *dim;
    const gr_tensor *in; /* rank and dims as the space's */
    const gr_tensor *out;
    void *scratch;
} gr_tape_run;
void gr_tape_exec(const gr_tape_run *r, int64_t begin, int64_t end);
/* The same in plain C with libm in double or float, for tests. */
void gr_tape_exec_plain(const gr_tape_run *r, int64_t begin, int64_t end);
const char *gr_tape_op_name(gr_tape_op op); /* "tanh" */
int gr_tape_op_arity(gr_tape_op op);
#endif
