/* builtin_cases.h - the cases of the built-in ops, which test_op_cases.c defines and test_ops.c walks. */
#ifndef GR_TESTS_BUILTIN_CASES_H
#define GR_TESTS_BUILTIN_CASES_H

#include "op_walk.h"

extern const op_case op_cases[];
extern const int op_num_cases;

/* Why a case may not stand in a loop; NULL: it must. */
const char *op_refused_in_loops(const op_case *c);
#endif
