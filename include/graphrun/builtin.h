/* builtin.h - the ops that come with graphrun, defined in ops/. */
#ifndef GRAPHRUN_BUILTIN_H
#define GRAPHRUN_BUILTIN_H

#include <graphrun/op.h>

extern const gr_op *const gr_builtin_ops[]; /* ends with NULL */

#endif
