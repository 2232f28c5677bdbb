/* tensor.c - see tensor.h. */
#include "base/tensor.h"

void gr_tensor_set_dense(gr_tensor *t)
{
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        t->stride[i] = stride;
        stride *= t->dim[i];
    }
}

bool gr_tensor_dense(const gr_tensor *t)
{
    int64_t stride = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dim[i] == 0) return true;
        if (t->dim[i] != 1 && t->stride[i] != stride) return false;
        stride *= t->dim[i];
    }
    return true;
}

gr_tensor gr_tensor_over(const void *data, const gr_type *t)
{
    gr_tensor v = {.data = (void *)(uintptr_t)data, .dtype = t->dtype, .rank = t->rank};
    for (int i = 0; i < t->rank; i++) v.dim[i] = t->dim[i];
    gr_tensor_set_dense(&v);
    return v;
}

double gr_element(const void *data, gr_dtype dtype, int64_t i)
{
    switch (dtype) {
    case GR_FLOAT32: return (double)((const float *)data)[i];
    case GR_FLOAT64: return ((const double *)data)[i];
    case GR_INT32: return ((const int32_t *)data)[i];
    default: return ((const uint8_t *)data)[i];
    }
}

void gr_put_element(void *data, gr_dtype dtype, int64_t i, double x)
{
    switch (dtype) {
    case GR_FLOAT32: ((float *)data)[i] = (float)x; break;
    case GR_FLOAT64: ((double *)data)[i] = x; break;
    case GR_INT32: ((int32_t *)data)[i] = (int32_t)x; break;
    default: ((uint8_t *)data)[i] = x != 0;
    }
}
