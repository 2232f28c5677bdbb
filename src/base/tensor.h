/* tensor.h - tensors in memory: how many elements they have, whether those lie dense, and one of them as a number. */
#ifndef GR_BASE_TENSOR_H
#define GR_BASE_TENSOR_H

#include <graphrun/types.h>

static inline int64_t gr_tensor_numel(const gr_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}
/* Gives it the strides of its dims: row-major, without gaps. */
void gr_tensor_set_dense(gr_tensor *t);
/* Whether it is row-major without gaps; axes of 1 do not matter. */
bool gr_tensor_dense(const gr_tensor *t);
/* A dense tensor of that type, over memory that stays the caller's. */
gr_tensor gr_tensor_over(const void *data, const gr_type *t);

/* Element i of dense memory of one of the four types of values; writing rounds to the type, a bool is whether x is not 0,
 * and an int32 is to hold x. */
double gr_element(const void *data, gr_dtype dtype, int64_t i);
void gr_put_element(void *data, gr_dtype dtype, int64_t i, double x);
#endif
