/* eval.h - a plain interpreter of graphs, to hold passes and programs against.
 *
 * Evaluates any typed graph, before or after any pass, one node after another in memory of
 * its own: views by copying, tapes element by element, loops step by step. It shares the ops'
 * kernels with the program, and nothing of src/program, src/run or the tape interpreter, so
 * it is what a pass is held against.
 *
 *     gr_eval *e = eval_create(arena, graph);
 *     double *x = eval_memory(e, "x", NULL);      an Input or a state, to be filled
 *     eval_run(e);
 *     const gr_tensor *y = eval_result(e, "loss"); */
#ifndef GR_WALK_EVAL_H
#define GR_WALK_EVAL_H

#include "graph/graph.h"

typedef struct gr_eval gr_eval;

/* The graph may not change while the evaluation is used; its values' marks are. */
gr_eval *eval_create(gr_arena *a, gr_graph *g);
/* What random ops depend on; 0, 0 at first. */
void eval_seed(gr_eval *e, uint64_t seed, int64_t step);
/* Kernels that may (GR_INPLACE) write output 0 over input 0 from now on. */
void eval_in_place(gr_eval *e);
/* Memory of the Input or state of that name, zero at first; NULL: there is none. */
void *eval_memory(gr_eval *e, const char *name, gr_type *t);
/* Fills it from doubles, converted. Says false if there is none. */
bool eval_set(gr_eval *e, const char *name, const double *values);
/* Fills every float Input and state with numbers from -1 to 1 that depend on its name, so
 * that two graphs get the same; integers with 0, 1, 2, 0, ... */
void eval_fill(gr_eval *e);
/* The next run calls each kernel several times, to find one whose outputs are not always the same or not all written. */
void eval_doubt(gr_eval *e);
/* Computes everything. 0, or -1: something cannot be run, or a kernel did what it may not. eval_fault says
 * what, until the next run; NULL: nothing was wrong. */
int eval_run(gr_eval *e);
const char *eval_fault(const gr_eval *e);
/* After a run, until the next one: a result by name, a state's next value (its value if it has none), any
 * value of the root graph. Dense; NULL: no such. Another evaluation of the same graph takes them away, too. */
const gr_tensor *eval_result(gr_eval *e, const char *name);
const gr_tensor *eval_next(gr_eval *e, const char *state);
const gr_tensor *eval_value(gr_eval *e, const gr_value *v);
/* Element i, whatever the dtype. */
double eval_at(const gr_tensor *t, int64_t i);
int64_t eval_numel(const gr_tensor *t);

/* Runs both graphs on the same numbers (eval_fill) and compares all results and states that
 * both have, by name. The largest |x - y| / (1 + |x|), infinite where one is NaN alone or
 * shapes differ; negative: one could not be run (after a line on stderr), or nothing was compared. */
double eval_compare(gr_arena *a, gr_graph *x, gr_graph *y);
#endif
