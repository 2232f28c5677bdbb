/* cost.h - what work costs on this machine: built-in numbers, or measured ones (run/measure.h).
 *
 * They choose who computes what and when, never a bit of a result, and so may be anything. */
#ifndef GR_PROGRAM_COST_H
#define GR_PROGRAM_COST_H

#include "program/program.h"

typedef struct gr_costs {
    double call_ns;       /* of a task, before it does anything */
    double product_ns;    /* of a product, the same */
    double gflops;        /* of one core in products of many rows that sum many numbers, float */
    double short_gflops;  /* in products that sum GR_SHORT_SUM */
    double row_gflops;    /* in products of one row, the other operand in L2 */
    double simple_ns;     /* an element of an instruction of a tape: add, compare, ... */
    double divide_ns;
    double vector_ns;     /* exp, tanh, sigmoid, ... */
    double access_ns;     /* an element that a tape reads or writes, in L1 */
    double l2_bytes_ns, l3_bytes_ns, memory_bytes_ns; /* bytes a nanosecond from there; L3: while GR_L3_TOUCHED are in use */
    double wait_ns;       /* from a worker that counts on to one that spins for it */
    double crowd;         /* how many times as long as one core alone each takes while all compute: they share
                             power, caches and, on a virtual machine, more than they know */
} gr_costs;
enum { GR_COSTS = sizeof(gr_costs) / sizeof(double), GR_SHORT_SUM = 32, GR_L3_TOUCHED = 2 << 20 };

extern const gr_costs gr_builtin_costs; /* of a common core: AVX2, 3 GHz */

/* Predicts every template anew. l2_bytes, l3_bytes: of a core's caches; 0: as is common. */
void gr_program_weigh(gr_program *p, const gr_costs *c, size_t l2_bytes, size_t l3_bytes);
/* Predicted nanoseconds of one run on one thread. */
double gr_program_ns(const gr_program *p);
#endif
