/* trace.h - a recorded step as a timeline, and as a summary. */
#ifndef GR_REPORT_TRACE_H
#define GR_REPORT_TRACE_H

#include "run/trace.h"

typedef struct gr_trace_report {
    const char *title;
    const gr_program *program;
    const gr_schedule *schedule;
    const gr_trace *trace;    /* stopped */
} gr_trace_report;

/* In the Trace Event Format (JSON), which Perfetto and chrome://tracing open: a row a thread; each task
 * under its node's name with time step, units and GFLOP/s; waits. 0; -1: out of memory. What `to` makes
 * of it is the caller's to see. */
int gr_trace_write(const gr_trace_report *r, FILE *to);
/* Time by kind and by node, GFLOP/s of products, what waiting takes, predicted against measured. */
void gr_trace_print(const gr_trace_report *r, FILE *to);
#endif
