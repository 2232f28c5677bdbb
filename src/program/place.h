/* place.h - who computes each template. */
#ifndef GR_PROGRAM_PLACE_H
#define GR_PROGRAM_PLACE_H

#include "program/schedule.h"

/* Fills the schedule's teams, choices and `predicted`. */
void gr_place(gr_arena *a, const gr_program *p, const gr_topology *topo, int threads, gr_schedule *s);
/* Template t waits for deps [at[t], at[t + 1]). */
int *gr_dependencies_of(gr_arena *a, const gr_program *p);
#endif
