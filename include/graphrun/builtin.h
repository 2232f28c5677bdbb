/* builtin.h - the ops and data sources that come with graphrun, defined in ops/ and src/data/. */
#ifndef GRAPHRUN_BUILTIN_H
#define GRAPHRUN_BUILTIN_H

#include <graphrun/op.h>
#include <graphrun/source.h>

extern const gr_op *const gr_builtin_ops[]; /* ends with NULL */
extern const gr_source *const gr_builtin_sources[]; /* likewise */

#endif
