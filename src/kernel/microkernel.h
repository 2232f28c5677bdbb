/* microkernel.h - what multiplies panels: BLIS's microkernel, and tiles of our own with the same bits.
 *
 *              V: vw        The vectors of the microkernel run along V. So V is the side along
 *             +-----+       which C is contiguous: n for a row-major C. BLIS calls V its B where
 *       S  sw |  C  |       the microkernel prefers rows, and its A where it prefers columns.
 *             +-----+                                                                          */
#ifndef GR_KERNEL_MICROKERNEL_H
#define GR_KERNEL_MICROKERNEL_H

#include "kernel/isa.h"

#define GR_KC 256          /* the longest block of k: a V panel of 16 KB of floats on AVX2, 32 KB on AVX-512 */
#define GR_S_BYTES 131072  /* of S, to stay in L2 */
#define GR_NC 1024         /* columns of V that are packed at a time, at most */
#define GR_GEMM_SLACK 1024 /* BLIS's skx kernel reads past the end of its panels */

/* What does the products of one dtype. The same for all threads, and constant once it is found. */
typedef struct gr_engine {
    void (*run)(void); /* BLIS's microkernel */
    void *context;     /* and BLIS's context for it */
    int64_t vw, sw;
    bool v_is_b;
    const gr_isa *isa; /* packs; its panel is vw where `own` */
    bool own;          /* isa's tiles give the microkernel's bits */
    bool reads_c;      /* beta = 0 does not keep NaN in C out: sandybridge's */
    bool is_float;
    int64_t size;      /* of an element */
    int64_t mc;        /* rows of S that are packed at a time, a multiple of sw */
    int64_t nc;        /* columns of V that are, a multiple of vw */
} gr_engine;

/* Whether BLIS knows nothing of this CPU, or was told so (BLIS_ARCH_TYPE=generic). */
bool gr_engine_plain(void);
/* Finds the microkernels; writes the name of the one for floats. Called once, first. */
void gr_engine_init(char *name, size_t size);
const gr_engine *gr_engine_of(gr_dtype dtype);
/* The microkernel's GFLOP/s on panels in L1, measured for so long; 0: no memory. */
double gr_engine_measure(gr_dtype dtype, double seconds);

/* C = S V, or C + S V unless `first`: k rows of a packed panel of each. c_ms: from one row of S to the next in C, elements. */
void gr_engine_run(const gr_engine *e, int64_t k, const char *s, const char *v, char *c, int64_t c_ms, int64_t c_ns, bool first);
/* The same for what t says, in vectors of our own; where e->own. */
static inline void gr_engine_run_own(const gr_engine *e, const gr_tile *t)
{
    if (t->v_dtype == GR_BFLOAT16) e->isa->tile_bf16(t);
    else if (t->v_dtype == GR_FLOAT16) e->isa->tile_f16(t);
    else if (e->is_float) e->isa->tile_f32(t);
    else e->isa->tile_f64(t);
}
/* Rows of S, s_rs elements apart, that one tile of our own takes at most. */
static inline int64_t gr_engine_rows(const gr_engine *e, int64_t s_rs) { return s_rs == 1 ? e->isa->max_rows : e->isa->max_streams; }
void gr_engine_clear(const gr_engine *e, char *c, int64_t rows, int64_t cols, int64_t rs, int64_t cs);

#endif
