/* measure.h - the numbers of cost.h as this machine has them. */
#ifndef GR_RUN_MEASURE_H
#define GR_RUN_MEASURE_H

#include "program/cost.h"
#include "run/run.h"

/* Measures for about 100 ms, on the pool's workers. The least time of a few tries counts, since others may use
 * the machine. false: no memory. */
bool gr_costs_measure(gr_costs *c, gr_arena *a, gr_pool *pool);
/* Each number of *best that is better in *other becomes that one: no machine looks faster than it is. */
void gr_costs_improve(gr_costs *best, const gr_costs *other);
#endif
