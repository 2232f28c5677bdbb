/* packed_operand.h - what a product knows of its packed right operand. */
#ifndef GRAPHRUN_OPS_PACKED_OPERAND_H
#define GRAPHRUN_OPS_PACKED_OPERAND_H

#include <graphrun/op.h>

/* Elements that PackedOperand gives for [k, n]. */
int64_t packed_operand_room(int64_t k, int64_t n);
/* Whether this CPU's panels fit in there; if not, it is left unpacked. */
bool packed_operand_fits(const gr_math *math, const gr_tensor *packed, int64_t k, int64_t n);
#endif
