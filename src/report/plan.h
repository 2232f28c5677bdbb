/* plan.h - what a program will take, before it runs: memory, work, time, who does what. */
#ifndef GR_REPORT_PLAN_H
#define GR_REPORT_PLAN_H

#include "program/schedule.h"

typedef struct gr_plan {
    const char *title;              /* "lstm, one training step, batch 32, time 35" */
    const gr_program *program;
    const gr_schedule *schedule;    /* for the threads that were asked for, or as many as pay */
    const gr_topology *topology;
    const gr_schedule *const *by_cores; /* schedules for 1, 2, 4, ... threads, NULL-ended */
} gr_plan;

void gr_plan_print(const gr_plan *p, FILE *to);
#endif
