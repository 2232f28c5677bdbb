/* isa_steps.h - eight steps of a product's sum for 4 to 6 rows of two AVX2 vectors, instruction by instruction.
 *
 * A step of 6 rows needs 12 fma, 6 broadcasts and 2 loads, which take the multipliers 6 cycles. Compilers add 4 to 6 moves
 * and additions, free as long as a thread has its core to itself. Where two threads share one (of which a virtual machine is
 * not told), each gets half of the instructions a cycle: then they cost a quarter of the speed.
 *
 *     ymm13, ymm14   two vectors of v, rows of which lie side by side
 *     ymm15          an element of s; row i lies i times `step` bytes from row 0 */
#ifndef GR_KERNEL_ISA_STEPS_H
#define GR_KERNEL_ISA_STEPS_H

#include "kernel/vec.h"

#if VEC_BYTES == 32 && VEC_FMA
#define GR_STEPS_F32 1

#define GR_ROW(place, first, second)                           \
    "vbroadcastss " place ", %%ymm15\n\t"                      \
    "vfmadd231ps %%ymm13, %%ymm15, %[a" #first "]\n\t"         \
    "vfmadd231ps %%ymm14, %%ymm15, %[a" #second "]\n\t"
#define GR_V(l) "vmovups 64*" #l "(%[v]), %%ymm13\n\tvmovups 64*" #l "+32(%[v]), %%ymm14\n\t"
#define GR_STEP4(l)                                                                                                         \
    GR_V(l) GR_ROW("4*" #l "(%[s])", 0, 1) GR_ROW("4*" #l "(%[s],%[step])", 2, 3) GR_ROW("4*" #l "(%[s],%[step],2)", 4, 5) \
    GR_ROW("4*" #l "(%[s],%[step3])", 6, 7)
#define GR_STEP5(l) GR_STEP4(l) GR_ROW("4*" #l "(%[s],%[step],4)", 8, 9)
#define GR_STEP6(l) GR_STEP5(l) GR_ROW("4*" #l "(%[s],%[step5])", 10, 11)
#define GR_STEPS(step)                                                                                      \
    "prefetcht1 (%[ahead])\n\tprefetcht1 64(%[ahead])\n\t" step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7)

#define GR_SUMS4 [a0] "+x"(acc[0]), [a1] "+x"(acc[1]), [a2] "+x"(acc[2]), [a3] "+x"(acc[3]), [a4] "+x"(acc[4]), \
                 [a5] "+x"(acc[5]), [a6] "+x"(acc[6]), [a7] "+x"(acc[7])
#define GR_SUMS5 GR_SUMS4, [a8] "+x"(acc[8]), [a9] "+x"(acc[9])
#define GR_SUMS6 GR_SUMS5, [a10] "+x"(acc[10]), [a11] "+x"(acc[11])
#define GR_FROM [v] "r"(v), [s] "r"(s), [step] "r"(step), [step3] "r"(3 * step), [ahead] "r"(ahead)

/* ahead: two cache lines to ask for. */
static inline __attribute__((always_inline)) void gr_steps_f32(const int rows, vf *acc, const float *v, const float *s, const int64_t step,
                                                               const char *ahead)
{
    if (rows == 6) __asm__(GR_STEPS(GR_STEP6) : GR_SUMS6 : GR_FROM, [step5] "r"(5 * step) : "xmm13", "xmm14", "xmm15", "memory");
    else if (rows == 5) __asm__(GR_STEPS(GR_STEP5) : GR_SUMS5 : GR_FROM : "xmm13", "xmm14", "xmm15", "memory");
    else __asm__(GR_STEPS(GR_STEP4) : GR_SUMS4 : GR_FROM : "xmm13", "xmm14", "xmm15", "memory");
}
#endif
#endif
