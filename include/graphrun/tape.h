/* tape.h - the instructions of pointwise maths.
 *
 * A tape is a straight-line program over registers; a register holds one tile
 * of elements. Every pointwise op is one or more of these instructions, and the
 * fuser joins chains of them into one tape, which runs over tiles that stay in
 * the L1 cache. All registers are of one real type (float or double); loads and
 * stores convert from and to int32 and bool. A comparison gives 0 or 1. */
#ifndef GRAPHRUN_TAPE_H
#define GRAPHRUN_TAPE_H

#include <graphrun/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, arity, C expression in x, y, z): the definition of every instruction.
 * The plain C meaning; the vector form must give an element the same bits
 * wherever its tile begins. */
#define GR_TAPE_OPS(X)                         \
    X(COPY, 1)      /* x */                    \
    X(ADD, 2)       /* x + y */                \
    X(SUB, 2)       /* x - y */                \
    X(MUL, 2)       /* x * y */                \
    X(DIV, 2)       /* x / y */                \
    X(FMA, 3)       /* x * y + z, rounded once */ \
    X(POW, 2)       /* x to the y */           \
    X(MAXIMUM, 2)   /* the larger; NaN if either is */ \
    X(MINIMUM, 2)                              \
    X(NEG, 1)                                  \
    X(ABS, 1)                                  \
    X(SIGN, 1)      /* -1, 0 or 1; NaN stays */ \
    X(EXP, 1)                                  \
    X(LOG, 1)                                  \
    X(LOG1P, 1)                                \
    X(EXPM1, 1)                                \
    X(SQRT, 1)                                 \
    X(RSQRT, 1)                                \
    X(RECIPROCAL, 1)                           \
    X(SIN, 1)                                  \
    X(COS, 1)                                  \
    X(ERF, 1)                                  \
    X(TANH, 1)                                 \
    X(SIGMOID, 1)                              \
    X(FLOOR, 1)                                \
    X(CEIL, 1)                                 \
    X(ROUND, 1)     /* half to even */         \
    X(EQUAL, 2)                                \
    X(NOT_EQUAL, 2)                            \
    X(LESS, 2)                                 \
    X(LESS_EQUAL, 2)                           \
    X(LOGICAL_AND, 2)                          \
    X(LOGICAL_OR, 2)                           \
    X(LOGICAL_NOT, 1)                          \
    X(WHERE, 3)     /* x != 0 ? y : z, bit for bit */

typedef enum gr_tape_op {
    GR_TAPE_NONE,
#define X(name, arity) GR_TAPE_##name,
    GR_TAPE_OPS(X)
#undef X
    GR_TAPE_NUM_OPS
} gr_tape_op;

#ifdef __cplusplus
}
#endif
#endif
