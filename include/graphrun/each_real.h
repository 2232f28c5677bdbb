/* each_real.h - compiles the kernels of an op for every real type.
 *
 * A file with kernels includes itself through this header:
 *
 *     #ifdef REAL
 *     static void NAME(softmax_rows)(const gr_call *call) { ... REAL ... }
 *     #else
 *     #include <graphrun/op.h>
 *     #define GR_KERNELS "softmax.c"
 *     #include <graphrun/each_real.h>
 *     ... the rest of the op, which names softmax_rows_f32 and softmax_rows_f64 ...
 *     #endif
 *
 * MATH(exp) is the gr_math function of the type: call->math->MATH(exp)(dst, src, n).
 * Alone, without GR_KERNELS, it does nothing; behind op.h that is a mistake. */
#ifdef GR_KERNELS
#define REAL float
#define NAME(n) n##_f32
#define MATH(n) n##_f32
#include GR_KERNELS
#undef REAL
#undef NAME
#undef MATH
#define REAL double
#define NAME(n) n##_f64
#define MATH(n) n##_f64
#include GR_KERNELS
#undef REAL
#undef NAME
#undef MATH
#undef GR_KERNELS
#elif defined(GRAPHRUN_OP_H)
#error "graphrun/each_real.h compiles the kernels of the file that GR_KERNELS names: write #define GR_KERNELS \"my_op.c\", this file's own name, before it"
#else
#include <graphrun/types.h> /* not to be empty */
#endif
