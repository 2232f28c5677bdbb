/* trace.h - a recorded step as a timeline, and as a summary. */
#ifndef GR_REPORT_TRACE_H
#define GR_REPORT_TRACE_H

#include "run/trace.h"

/* Of a trace that is stopped, in the Trace Event Format (JSON), which Perfetto and chrome://tracing open: a row a
 * thread; each task under its node's name with time step, units and GFLOP/s; waits. 0; -1: out of memory. What
 * `to` makes of it is the caller's to see. */
int gr_trace_write(const gr_trace *t, const char *title, FILE *to);
/* Time by kind and by node, GFLOP/s of products, what waiting takes, predicted against measured. */
void gr_trace_print(const gr_trace *t, const char *title, FILE *to);
#endif
