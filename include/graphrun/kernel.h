/* kernel.h - what a kernel is called with: tensors, attributes, a piece of the work, vector maths.
 *
 * Kernels run on any of the workers' threads, several at a time on different units; they allocate
 * nothing and keep nothing from one call to the next. */
#ifndef GRAPHRUN_KERNEL_H
#define GRAPHRUN_KERNEL_H

#include <graphrun/attr.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A dense matrix product on row-strided operands: C[m,n] = sum over k A[m,k] B[k,n]
 * (+ C when `accumulate`). rs, cs: strides between rows and between columns.
 * The bits of an element of C depend on k, the strides' kind and the CPU alone,
 * not on m, n or where the block stands, so a product may be computed in any
 * blocks. scratch: see gr_math.gemm_scratch. */
typedef struct gr_gemm {
    gr_dtype dtype;
    int64_t m, n, k;
    const void *a; int64_t a_rs, a_cs;
    const void *b; int64_t b_rs, b_cs;
    void *c; int64_t c_rs, c_cs;
    bool accumulate;
    void *scratch;
    const void *packed;  /* B packed ahead by gr_math.gemm_pack; `b` is then not read. NULL: not packed */
    int64_t packed_n;    /* how many columns were packed ... */
    int64_t packed_col;  /* ... and which of them is column 0 of this product; fastest at a
                            multiple of gr_math.gemm_panel */
    gr_dtype packed_dtype; /* GR_BFLOAT16, GR_FLOAT16: what gemm_pack was given, of a float product; else not read */
} gr_gemm;

/* Vector maths of this CPU, chosen at start; thread-safe, no allocation. dst may
 * be src. Sums use a fixed tree that depends on n alone. */
typedef struct gr_math {
    uint32_t size;
    void (*exp_f32)(float *dst, const float *src, int64_t n);
    void (*exp_f64)(double *dst, const double *src, int64_t n);
    void (*log_f32)(float *dst, const float *src, int64_t n);
    void (*log_f64)(double *dst, const double *src, int64_t n);
    float (*sum_f32)(const float *src, int64_t n);
    double (*sum_f64)(const double *src, int64_t n);
    float (*max_f32)(const float *src, int64_t n); /* NaN if any is */
    double (*max_f64)(const double *src, int64_t n);
    float (*dot_f32)(const float *a, const float *b, int64_t n);
    double (*dot_f64)(const double *a, const double *b, int64_t n);
    void (*gemm)(const gr_gemm *g);
    size_t (*gemm_scratch)(gr_dtype dtype, int64_t m, int64_t n, int64_t k); /* bytes */
    /* Philox4x32-10: out[0..n) uniform in [0, 1), element i of stream (key, row). */
    void (*uniform_f32)(const uint64_t key[2], uint64_t row, int64_t first, float *out, int64_t n);
    /* Packing the B of a product ahead, for an operand that many products share (weights, all
     * steps of a loop): the same bits, faster. Columns lie in panels of gemm_panel; gemm_pack
     * packs columns [first, first + cols) of B [k, n], first being a multiple of the panel,
     * so that several threads may pack parts. `packed` is 64-byte aligned. GR_BFLOAT16, GR_FLOAT16: B is
     * float and is rounded to that; the product is that of the rounded B, bit for bit. */
    int64_t (*gemm_panel)(gr_dtype dtype);
    size_t (*gemm_packed_bytes)(gr_dtype dtype, int64_t k, int64_t n);
    void (*gemm_pack)(gr_dtype dtype, int64_t k, int64_t n, const void *b, int64_t rs, int64_t cs, int64_t first,
                      int64_t cols, void *packed);
    /* Rows; sums have the tree of sum_f32, square sums that of dot_f32. dst = exp(src - shift), and
     * the sum of that; dst NULL: the sum alone. */
    float (*exp_sum_f32)(float *dst, const float *src, float shift, int64_t n);
    double (*exp_sum_f64)(double *dst, const double *src, double shift, int64_t n);
    float (*square_sum_f32)(const float *src, float shift, int64_t n); /* of (src - shift)^2 */
    double (*square_sum_f64)(const double *src, double shift, int64_t n);
    void (*divide_f32)(float *dst, const float *src, float by, int64_t n); /* src / by */
    void (*divide_f64)(double *dst, const double *src, double by, int64_t n);
    /* (src - mean) rstd w + b; w and b may be NULL. */
    void (*normalize_f32)(float *dst, const float *src, float mean, float rstd, const float *w, const float *b, int64_t n);
    void (*normalize_f64)(double *dst, const double *src, double mean, double rstd, const double *w, const double *b,
                          int64_t n);
    /* With u = grad w and h = (src - mean) rstd: rstd (u - mean of u - h mean of u h), the mean of u
     * only if centred. dst is no source. */
    void (*normalize_back_f32)(float *dst, const float *src, const float *grad, const float *w, float mean, float rstd,
                               bool centred, int64_t n);
    void (*normalize_back_f64)(double *dst, const double *src, const double *grad, const double *w, double mean,
                               double rstd, bool centred, int64_t n);
    /* dst[j] = the sum over rows r, `step` elements apart, of src[r][j] for j < n; of grad[r][j]
     * (src[r][j] - mean[r]) rstd[r]. Rows one after another by chunks of 64, chunks likewise, so
     * that a column's bits do not depend on n. */
    void (*column_sums_f32)(float *dst, const float *src, int64_t step, int64_t rows, int64_t n);
    void (*column_sums_f64)(double *dst, const double *src, int64_t step, int64_t rows, int64_t n);
    void (*normalize_weight_back_f32)(float *dst, const float *src, const float *grad, const float *mean, const float *rstd,
                                      int64_t step, int64_t rows, int64_t n);
    void (*normalize_weight_back_f64)(double *dst, const double *src, const double *grad, const double *mean,
                                      const double *rstd, int64_t step, int64_t rows, int64_t n);
    /* `count` products that differ in where their operands lie: so many elements further for each. With a
     * `packed` B, which all share, b_step is not read. */
    void (*gemm_stack)(const gr_gemm *g, int64_t count, int64_t a_step, int64_t b_step, int64_t c_step);
    /* dst[j] = the sum of src[row[k] step + j], k = 0 .. count - 1 one after another, for j < n. dst overlaps none
     * of these rows. */
    void (*row_sums_f32)(float *dst, const float *src, int64_t step, const int32_t *row, int64_t count, int64_t n);
    void (*row_sums_f64)(double *dst, const double *src, int64_t step, const int32_t *row, int64_t count, int64_t n);
} gr_math;

/* Where a random op stands. Element i of outer row r (time step) draws number i
 * of stream (key, r), so it is the same hoisted or not and on any thread. */
typedef struct gr_random {
    uint64_t key[2]; /* from the seed, the node's path and the training step */
    uint64_t row;    /* the time step (0 outside a loop) of the first outer row */
    int64_t rows;    /* how many time steps the leading axes hold: 1 unless hoisted */
} gr_random;

/* One call of a kernel: it computes units [begin, end) of the node's outputs.
 * A unit is what the op's `units` counts (a row, a tile). The bits of a unit do
 * not depend on which other units the call computes. */
typedef struct gr_call {
    uint32_t size;
    const gr_attr *attr;  /* by position in op->attrs */
    const gr_tensor *in;  /* all inputs, port after port; an absent one has data NULL */
    const int *port;      /* port p's inputs are in[port[p]] .. in[port[p + 1] - 1] */
    const gr_tensor *out;
    int num_in, num_out;
    int64_t begin, end;
    void *scratch;        /* op->scratch bytes, 64-byte aligned, this worker's own */
    const gr_math *math;
    gr_random random;
    void (*fail)(const struct gr_call *call, int64_t place, const char *fmt, va_list args); /* see gr_call_fail */
    bool (*failed)(const struct gr_call *call);
    void (*explain)(const struct gr_call *call, int64_t place, const char *fmt, va_list args); /* see gr_call_explain */
} gr_call;

/* For what a kernel was fed and cannot mean anything: the run goes on, so outputs must be
 * written, but commits no state and ends in an error with the node's name and this text.
 * Of several the first in the program is told, of one node's that of the lowest `place`, so
 * that the message does not depend on threads. */
GR_PRINTF(3, 4)
static inline void gr_call_fail(const gr_call *call, int64_t place, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (call->fail) call->fail(call, place, fmt, args);
    va_end(args);
}

/* For an output that is NaN because of an input that is no fault where nothing counts on it (an index out of
 * range may be padding): why. Told where the NaN is the first in a training step that was not finite. */
GR_PRINTF(3, 4)
static inline void gr_call_explain(const gr_call *call, int64_t place, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (call->size >= sizeof *call && call->explain) call->explain(call, place, fmt, args);
    va_end(args);
}

/* Whether a kernel has failed in this run; for all that this call depends on it is certain. */
static inline bool gr_call_failed(const gr_call *call) { return call->failed && call->failed(call); }

typedef void (*gr_kernel_fn)(const gr_call *call);

typedef struct gr_kernel {
    gr_dtype dtype; /* of the node's first float value, outputs before inputs; if it has
                       none, of its first output */
    gr_kernel_fn run;
} gr_kernel;

#ifdef __cplusplus
}
#endif
#endif
