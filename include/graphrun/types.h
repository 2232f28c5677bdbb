/* types.h - the few types that every part of graphrun shares.
 *
 * Dims, strides and counts are int64_t and count elements, never bytes, unless
 * a name says otherwise. Shapes are written [outermost, ..., innermost]. */
#ifndef GRAPHRUN_TYPES_H
#define GRAPHRUN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_MAX_RANK 8

#if defined(__GNUC__)
#define GR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define GR_PRINTF(fmt, args)
#endif

/* GR_UNKNOWN is the type of a value whose making failed: what reads it stays
 * silent, so that one mistake gives one message. */
typedef enum gr_dtype {
    GR_UNKNOWN,
    GR_FLOAT32,
    GR_FLOAT64,
    GR_INT32,
    GR_BOOL, /* one byte, 0 or 1 */
    GR_BFLOAT16, GR_FLOAT16, /* how products may keep a packed operand (PackedOperand); of no other value */
    GR_NUM_DTYPES
} gr_dtype;

static inline bool gr_is_float(gr_dtype t) { return t == GR_FLOAT32 || t == GR_FLOAT64; }

static inline bool gr_is_half(gr_dtype t) { return t == GR_BFLOAT16 || t == GR_FLOAT16; }

static inline size_t gr_dtype_size(gr_dtype t)
{
    static const size_t size[GR_NUM_DTYPES] = {0, 4, 8, 4, 1, 2, 2};
    return size[t];
}

/* What is known of a value before it is computed. axis[i] is the interned name
 * of axis i ("time", "batch"), or NULL. Names only check; dims decide. */
typedef struct gr_type {
    gr_dtype dtype;
    int rank;
    int64_t dim[GR_MAX_RANK];
    const char *axis[GR_MAX_RANK];
} gr_type;

static inline int64_t gr_numel(const gr_type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

/* A value in memory, as a kernel sees it. Strides are in elements; a stride of
 * 0 repeats. The kernel owns nothing. */
typedef struct gr_tensor {
    void *data;
    gr_dtype dtype;
    int rank;
    int64_t dim[GR_MAX_RANK];
    int64_t stride[GR_MAX_RANK];
} gr_tensor;

/* What functions return that can fail; success is 0 or more. */
typedef enum gr_status {
    GR_OK = 0,
    GR_EINVAL = -1, /* the model, an argument or a file's contents */
    GR_ENOMEM = -2, /* no memory, or no thread */
    GR_EIO = -3,    /* a file */
    GR_ESTATE = -4  /* not finite, interrupted, or a mistake of graphrun's own */
} gr_status;

/* How long an axis is: {"time", 35}. */
typedef struct gr_axis_size { const char *axis; int64_t length; } gr_axis_size;

/* Where memory comes from. Its functions are called by several threads at once. */
typedef struct gr_memory {
    /* `bytes` (more than 0) at a multiple of `align`, a power of two; NULL: there is none. */
    void *(*allocate)(void *data, size_t bytes, size_t align);
    /* What `allocate` gave, with the number of bytes that were asked for. */
    void (*release)(void *data, void *p, size_t bytes);
    void *data;
} gr_memory;

#ifdef __cplusplus
}
#endif
#endif
