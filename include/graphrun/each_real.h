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
 * MATH(exp) is the gr_math function of the type: call->math->MATH(exp)(dst, src, n). */
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
