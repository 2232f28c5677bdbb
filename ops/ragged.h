/* ragged.h - what losses and metrics of ragged batches share: leaving padding out.
 *
 * An op has the port and the attribute below; its values are [time, batch, ...] or, batch
 * first, [batch, time, ...]. Padding is replaced before anything is computed of it, so that
 * NaN there reaches neither a value nor a gradient. */
#ifndef GRAPHRUN_OPS_RAGGED_H
#define GRAPHRUN_OPS_RAGGED_H

#include <graphrun/op.h>

#define RAGGED_PORT \
    {"lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: int32, how many steps of each row are real; padding does not count and may be NaN"}
#define RAGGED_ATTR \
    {"batch_first", GR_ATTR_BOOL, "false", 0, 0, NULL, "With lengths: whether the first axes are [batch, time], not [time, batch]."}

/* Which steps are real: bool, of the first two axes of what is on `port`; NULL where the op was
 * given no lengths. 0, or -1 after a message. */
int op_real_steps(gr_ctx *c, int port, gr_val *real);
/* v, which begins with the axes of `real`, with `other` (a scalar; NULL: zero) in the padding. */
gr_val op_only_real(gr_ctx *c, gr_val real, gr_val v, gr_val other);
/* How many elements of t are not padding, as a real scalar. */
gr_val op_count_real(gr_ctx *c, gr_val real, const gr_type *t);
#endif
