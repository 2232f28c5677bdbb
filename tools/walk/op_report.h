/* op_report.h - what the walk found out about one op, check by check. */
#ifndef GR_WALK_OP_REPORT_H
#define GR_WALK_OP_REPORT_H

#include <stdint.h>

typedef enum op_check {
    OP_CASES,     /* a case for each attribute, choice and input */
    OP_RUNS,      /* alone: shapes are inferred, kernels run */
    OP_GRADIENTS, /* against central differences, in double */
    OP_IN_PLACE,  /* the same bits over its own input */
    OP_LOOPS,     /* the steps of a loop are those of the node alone */
    OP_RAGGED,    /* likewise where rows end early and padding is NaN */
    OP_PASSES,    /* the same values after all passes */
    OP_PROGRAM,   /* the program's values are the interpreter's, in float */
    OP_THREADS,   /* the same bits on 1 and 3 threads */
    OP_FLOAT,     /* float against double */
    OP_LENGTHS,   /* axes of length 1 and 0 */
    OP_DIMS,      /* dims counted from the other end */
    OP_EXAMPLE,   /* the example of its page uses it, and runs */
    OP_NUM_CHECKS
} op_check;

typedef struct op_finding {
    int64_t count;       /* comparisons that were made */
    double worst;        /* the largest difference of them */
    int failures;
    const char *note;    /* why it was not made; NULL */
    char failure[600];   /* the first one; "": none */
} op_finding;

/* Without pointers but to constants, so that another process reads it, too (apart.h). */
typedef struct op_report {
    op_check at;     /* what is being looked at, ... */
    char where[300]; /* ... and of which case: {dim=1} of "f 2 3", in a loop */
    op_finding of[OP_NUM_CHECKS];
} op_report;
#endif
