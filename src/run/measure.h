/* measure.h - the numbers of cost.h as this machine has them. */
#ifndef GR_RUN_MEASURE_H
#define GR_RUN_MEASURE_H

#include "program/cost.h"
#include "run/run.h"

/* Measures for about 100 ms, on the pool's workers; what other processes take of the machine meanwhile does not
 * count. false: no memory. */
bool gr_costs_measure(gr_costs *c, gr_arena *a, gr_pool *pool);
enum { GR_COSTS_KEPT = 5 };
/* Of up to GR_COSTS_KEPT measurements, at least one, each number's median (of an even count the faster of the two):
 * one that the machine stood still in does not count. But wait_ns is the least, for whatever two workers wait longer
 * is not the machine's. */
gr_costs gr_costs_usual(const gr_costs *list, int count);
#endif
