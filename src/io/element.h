/* element.h - how files store numbers, and their conversion to the four types that graphrun has. */
#ifndef GR_IO_ELEMENT_H
#define GR_IO_ELEMENT_H

#include <graphrun/types.h>

typedef enum gr_stored {
    GR_STORED_NONE,
    GR_STORED_BOOL,
    GR_STORED_I8, GR_STORED_I16, GR_STORED_I32, GR_STORED_I64,
    GR_STORED_U8, GR_STORED_U16, GR_STORED_U32, GR_STORED_U64,
    GR_STORED_F16, GR_STORED_BF16, GR_STORED_F32, GR_STORED_F64,
} gr_stored;

size_t gr_stored_size(gr_stored s);
/* Integers become int32, half and bfloat16 float32. */
gr_dtype gr_stored_dtype(gr_stored s);
/* Converts n elements; swapped: their bytes stand in the other order. Returns n, or the index
 * of the first integer that int32 does not hold. dst and src do not overlap. */
int64_t gr_stored_convert(gr_stored s, bool swapped, const void *src, void *dst, int64_t n);
/* The product of the dims. False if it is too large, also when only a 0 among them hides it:
 * strides are products of some of them. */
bool gr_stored_count(int rank, const int64_t *dim, int64_t *count);
#endif
