/* op_walk.h - what the walk over the ops (test_ops.c) and the demands on its cases (test_op_cases.c)
 * share. */
#ifndef GR_TESTS_OP_WALK_H
#define GR_TESTS_OP_WALK_H

#include "op_trial.h"

extern const op_case op_cases[]; /* of the built-in ops */
extern const int op_num_cases;

/* Whether the node is as it should be, alone and in loops. */
bool op_walk_case(const op_case *c, const op_more *more);
/* Likewise with each of its lengths as 0 and as 1, unless that is refused with a message;
 * met[0] and met[1] become true if one was not. */
bool op_walk_lengths(const op_case *c, const op_more *more, bool met[2]);
/* What the cases leave out of the ops of `more` (NULL: of the built-in ones), each said: how many. */
int op_walk_gaps(const op_case *cases, int n, const op_more *more);

/* Why a case may not stand in a loop; NULL: it must. */
const char *op_refused_in_loops(const op_case *c);
/* Why no case of the op can have an axis of that length; NULL: one must. */
const char *op_without_length(const char *op, int length);
#endif
