/* measure.h - the numbers of cost.h as this machine has them. */
#ifndef GR_RUN_MEASURE_H
#define GR_RUN_MEASURE_H

#include "program/cost.h"
#include "run/run.h"

/* Measures for about 100 ms, on the pool's workers; what other processes take of the machine meanwhile does not
 * count. false: no memory. */
bool gr_costs_measure(gr_costs *c, gr_arena *a, gr_pool *pool);
/* *mean, of so many times, becomes that of one more; but wait_ns is the least ever seen, for whatever two workers
 * wait longer is not the machine's. */
void gr_costs_join(gr_costs *mean, int times, const gr_costs *now);
#endif
