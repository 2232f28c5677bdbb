/* machine.h - the workers that a program gets, and what its work is taken to cost. */
#ifndef GR_TRAIN_MACHINE_H
#define GR_TRAIN_MACHINE_H

#include "run/measure.h"
#include "train/session.h"

/* Fills x->schedule and x->pool for x->program, or for another of the same graph. A program too small to gain from a second thread gets the
 * caller alone, and the machine is not looked at; so does one that is to have one thread bound to no core. */
int gr_exec_schedule(gr_exec *x, gr_error *e);
/* The cost model weighs p for the machine t, and tells t what a hand-over costs: by the numbers of
 * options.costs, where p is large enough for them to matter; else by the built-in ones. They are measured
 * for the first program that is large, if the session has its workers, by a few sessions, and by each that is to
 * (options.measure): what is usual counts (gr_costs_usual), for one minute's machine is not the next one's. */
int gr_session_weigh(gr_session *s, gr_program *p, gr_topology *t, gr_error *e);

/* The schedules of *p, which was made for `most` workers, on t, as many threads as options.threads says. Where that is
 * for the schedule to say, and it leaves some of them out, a program that is made for fewer, whose loops are cut into
 * fewer bands, may take less: then *p is that. */
int gr_session_schedule(gr_session *s, gr_topology *t, int most, gr_program **p, gr_schedule **made, gr_error *e);

/* "AMD EPYC-Milan Processor", or "unknown". */
const char *gr_cpu_name(gr_arena *a);

/* costs_file.c: the last measurements, in a file, the oldest first. Their number; 0 where the file is missing, of
 * another machine or number of usable cores, or damaged. What cannot be written is left out: it is measured again. */
int gr_costs_read(gr_arena *a, const char *path, int cores, gr_costs list[GR_COSTS_KEPT]);
void gr_costs_write(gr_arena *a, const char *path, int cores, const gr_costs *list, int count);
#endif
