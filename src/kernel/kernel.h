/* kernel.h - which kernels this CPU runs: products, vector maths, tapes.
 *
 * Chosen once, by CPU and by the environment variable BLIS_ARCH_TYPE where set.
 * microkernel.c is the only user of blis.h. */
#ifndef GR_KERNEL_KERNEL_H
#define GR_KERNEL_KERNEL_H

#include <graphrun/op.h>

/* Thread-safe; the first call chooses. Never NULL. */
const gr_math *gr_math_get(void);
/* "haswell 6x16, avx2": the microkernel with its tile in float, and the set of the vector maths. */
const char *gr_kernel_name(void);
/* GFLOP/s of the microkernel alone on operands in L1, one core, measured for `seconds`. */
double gr_gemm_peak(gr_dtype dtype, double seconds);
#endif
