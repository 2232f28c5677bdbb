/* gemm.h - what math.c puts into the table: see gr_math for each. */
#ifndef GR_KERNEL_GEMM_H
#define GR_KERNEL_GEMM_H

#include "kernel/isa.h"

void gr_gemm_run(const gr_gemm *g);
void gr_gemm_run_stack(const gr_gemm *g, int64_t count, int64_t a_step, int64_t b_step, int64_t c_step);
size_t gr_gemm_scratch(gr_dtype dtype, int64_t m, int64_t n, int64_t k);
int64_t gr_gemm_panel(gr_dtype dtype);
size_t gr_gemm_packed_bytes(gr_dtype dtype, int64_t k, int64_t n);
void gr_gemm_pack(gr_dtype dtype, int64_t k, int64_t n, const void *b, int64_t rs, int64_t cs, int64_t first,
                  int64_t cols, void *packed);
#endif
