/* interpret.h - a graph interpreter for tests: node after node, every value dense, loops step
 * by step, no planning. What passes and programs are held against. */
#ifndef GR_TESTS_INTERPRET_H
#define GR_TESTS_INTERPRET_H

#include "graph/graph.h"

/* Fills an Input or a state with its value for this run. */
typedef void (*gr_eval_fill)(void *data, const char *name, const gr_type *t, void *to);

typedef struct gr_eval gr_eval;
/* Runs g, at any stage of the passes. What it gives lives in `a`; uses the marks of g's values. */
gr_eval *gr_eval_run(gr_arena *a, gr_graph *g, gr_eval_fill fill, void *data);
/* The result of that name, dense; NULL if there is none. t may be NULL. */
const void *gr_eval_result(const gr_eval *e, const char *name, gr_type *t);
#endif
