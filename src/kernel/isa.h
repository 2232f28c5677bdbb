/* isa.h - what is compiled once per instruction set, as a table each.
 *
 * isa.c, isa_reduce.c, isa_rows.c and isa_gemm.c are built into one static library a set (meson.build), with
 * -DGR_ISA=<set>; math.c picks a table at start. */
#ifndef GR_KERNEL_ISA_H
#define GR_KERNEL_ISA_H

#include <graphrun/op.h>

/* One instruction of a tape on a block of rows x cols: dst[i, j] = op(x[i, j], y[i, j], z[i, j]).
 * at[slot] is where row 0 of an operand lies, ld how many elements on the next row begins (0:
 * every row is the same one); elements of a row lie side by side. dst may be an operand with the
 * same ld, but not overlap one otherwise. Slots that the arity leaves out are not read. */
typedef struct gr_tape_step gr_tape_step;
typedef void (*gr_tape_fn)(const gr_tape_step *s, char *const *at, int64_t rows, int64_t cols);
struct gr_tape_step {
    gr_tape_fn run;
    int32_t dst, x, y, z;
    int64_t ld_dst, ld_x, ld_y, ld_z;
    int64_t flat; /* the ld of all that are no single number: as many columns make one long row; or -1 */
};

/* Products of a few rows, for edges, vectors and small matrices: C[i, j] = the sum over l of
 * s[i, l] v[l, j], one fma after another from zero, and then + C unless `first`. j counts along
 * the vectors, which lie side by side: v_ks elements from one l to the next. */
typedef struct gr_tile {
    int64_t rows, cols, k;
    int64_t skip; /* columns of the first panel of v that are left out; cols does not count them */
    gr_dtype v_dtype; /* GR_BFLOAT16, GR_FLOAT16: v is packed so, the rest is float; else as the rest */
    const void *v; int64_t v_ks;
    int64_t v_ps; /* from one panel of `panel` columns to the next */
    const void *s; int64_t s_rs, s_ks;
    void *c; int64_t c_rs, c_cs;
    bool first;
    const void *ahead; /* a cache line of it is asked for every GR_AHEAD steps of k; NULL: nothing is */
} gr_tile;
#define GR_AHEAD 4
#define GR_LINE 64 /* bytes of a cache line */

/* Pairs of instructions: ADD, SUB or MUL, and behind it one of them, TANH or SIGMOID. */
enum { GR_TAPE_FIRSTS = 3, GR_TAPE_SECONDS = 5 };

typedef struct gr_isa {
    const char *name;
    bool fma;
    int panel_f32, panel_f64; /* two vectors: how many columns a panel has */
    int max_rows;             /* of a gr_tile */
    int max_streams;          /* of them where they do not lie side by side */
    gr_tape_fn tape_f32[GR_TAPE_NUM_OPS], tape_f64[GR_TAPE_NUM_OPS];
    /* [first][second][side]: dst = second(first(x, y), z), or second(z, first(x, y)); second(first(x, y)). */
    gr_tape_fn pair_f32[GR_TAPE_FIRSTS][GR_TAPE_SECONDS][2], pair_f64[GR_TAPE_FIRSTS][GR_TAPE_SECONDS][2];
    gr_math math; /* its sums, rows and random numbers; math.c adds what is the same for all sets */
    void (*tile_f32)(const gr_tile *t);
    void (*tile_f64)(const gr_tile *t);
    /* The same for any strides of v (v_ps: from one column to the next), element by element. */
    void (*tiny_f32)(const gr_tile *t);
    void (*tiny_f64)(const gr_tile *t);
    /* Panels of `width` columns, one behind the other: column p * width + j, j < width, of row l
     * goes to dst[(p * k + l) * width + j] from src[column * cs + l * ks]; zero for the columns
     * that the last panel has beyond `cols`. */
    void (*pack_f32)(float *dst, int64_t width, const float *src, int64_t cs, int64_t ks, int64_t cols, int64_t k);
    void (*pack_f64)(double *dst, int64_t width, const double *src, int64_t cs, int64_t ks, int64_t cols, int64_t k);
    /* Panels kept with 16 bits an element: the same, each converted to float when it is read. In
     * a panel's row, bfloat16 j of the first vector and j of the second are neighbours. */
    void (*tile_bf16)(const gr_tile *t);
    void (*tile_f16)(const gr_tile *t);
    /* Such rows of a panel as floats. */
    void (*widen_bf16)(float *dst, const uint16_t *src, int64_t rows);
    void (*widen_f16)(float *dst, const uint16_t *src, int64_t rows);
} gr_isa;

extern const gr_isa gr_isa_generic;
#if defined(__x86_64__)
extern const gr_isa gr_isa_avx2, gr_isa_avx512;
#endif

/* The set chosen for this CPU; thread-safe. */
const gr_isa *gr_isa_get(void);
/* The i-th set that this CPU can run, best first; NULL after the last. */
const gr_isa *gr_isa_at(int i);
#endif
