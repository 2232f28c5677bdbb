/* tape_move.h - converting copies between registers of a tape and memory. */
#ifndef GR_KERNEL_TAPE_MOVE_H
#define GR_KERNEL_TAPE_MOVE_H

#include <graphrun/op.h>

/* n elements of `real` at dst from every ss-th element of `from` at src; ss 0: the same for all. */
void gr_tape_load(gr_dtype real, void *dst, const void *src, gr_dtype from, int64_t ss, int64_t n);
/* n elements of `real` at src to every ds-th element of `to` at dst. */
void gr_tape_store(gr_dtype real, void *dst, gr_dtype to, int64_t ds, const void *src, int64_t n);
/* n times `value`, rounded to `real`. */
void gr_tape_fill(gr_dtype real, void *dst, double value, int64_t n);
#endif
