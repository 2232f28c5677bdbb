/* op.h - what an op is, for built-in ops and plugins alike.
 *
 * An op is one `const gr_op`. It is one of
 *   pointwise   `tape` names its instruction; the fuser and the tape do the rest
 *   kernel      `infer` and `kernels`, and `gradient`, which emits nodes
 *   view        `infer` and `view`: other strides over the same memory
 *   composite   `expand` emits other nodes; nothing else is needed
 *
 * Everything an op does to a graph goes through the gr_ctx it is handed: a
 * context carries a table of the host's functions, so that a plugin links
 * against nothing. A context is used by one thread, lives for one call, and
 * owns all that it returns.
 *
 * Functions that return int give 0, or -1 after gr_fail() has said what is
 * wrong; a caller passes -1 on. A NULL gr_val is an absent optional input. */
#ifndef GRAPHRUN_OP_H
#define GRAPHRUN_OP_H

#include <graphrun/tape.h>
#include <graphrun/types.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_ABI_VERSION 2u

typedef struct gr_op gr_op;
typedef struct gr_ctx gr_ctx;
typedef const struct gr_value *gr_val; /* a value in a graph; opaque to ops */

/* ---- attributes ---------------------------------------------------------- */

typedef enum gr_attr_kind {
    GR_ATTR_NONE,
    GR_ATTR_BOOL,   /* .i is 0 or 1 */
    GR_ATTR_INT,    /* .i */
    GR_ATTR_FLOAT,  /* .f; an integer is taken too */
    GR_ATTR_STRING, /* .s */
    GR_ATTR_CHOICE, /* .s, and .i is its index in `choices` */
    GR_ATTR_DTYPE,  /* .i is a gr_dtype */
    GR_ATTR_INTS,   /* .ints, .n; a single integer is a list of one */
    GR_ATTR_FLOATS, /* .floats, .n; a single number is a list of one */
    GR_ATTR_SHAPE,  /* .ints, .n, and .names where an entry names an axis (-1 there
                       until its length is known) */
    GR_ATTR_TENSOR, /* nested list of numbers: .floats, .n, .shape; .i: is of integers */
    GR_ATTR_INIT,   /* .s: an initialiser as text, "Uniform low=-1 high=1" */
} gr_attr_kind;

typedef struct gr_attr_spec {
    const char *name;
    gr_attr_kind kind;
    const char *fallback; /* default, as a model file would have it; NULL: must be
                             given; "~": absent unless given */
    double min, max;      /* of each number; both 0: any */
    const char *choices;  /* GR_ATTR_CHOICE: "none|mean|sum" */
    const char *doc;      /* one sentence, with units */
} gr_attr_spec;

typedef struct gr_attr {
    bool present; /* false: absent ("~") */
    bool given;   /* written by the user rather than defaulted */
    int64_t i;
    double f;
    const char *s;
    int64_t n;
    const int64_t *ints;
    const double *floats;
    const char *const *names;
    gr_type shape;
} gr_attr;

/* ---- ports --------------------------------------------------------------- */

enum {
    GR_PORT_OPTIONAL = 1 << 0,
    GR_PORT_VARIADIC = 1 << 1, /* takes one value or more; at most one such port an op */
    GR_PORT_WHOLE = 1 << 2,    /* a ROWWISE op sees this input whole: no leading axes may be added */
    GR_PORT_INT = 1 << 3,      /* integers; never differentiated */
    GR_PORT_BOOL = 1 << 4,
};

typedef struct gr_port {
    const char *name;
    uint32_t flags;
    const char *doc; /* shape first: "[..., in_features]: ..." */
} gr_port;

/* ---- traits: what passes ask instead of names ---------------------------- */

enum {
    GR_POINTWISE = 1 << 0,   /* element by element, inputs broadcast as in NumPy. `tape` takes
                                one input or more in the order of the ports; an op with a
                                VARIADIC port has an instruction of two, which is a chain from
                                the left: max(max(a, b), c) */
    GR_ROWWISE = 1 << 1,     /* leading axes are independent: the same node on inputs
                                that all (but WHOLE ports) got one more leading axis gives
                                the outputs with that axis. `infer` must have turned dims
                                into negative ones with gr_set_attr_int(s). */
    GR_CONTRACTION = 1 << 2, /* a sum of products over a shared axis; takes an epilogue */
    GR_VIEW = 1 << 3,        /* the output is the first input's memory under other strides */
    GR_SUM = 1 << 4,         /* the sum of its inputs (any order of terms is as good) */
    GR_INPLACE = 1 << 5,     /* output 0 may be written over input 0 of the same type */
    GR_RANDOM = 1 << 6,      /* reads gr_call.random */
    GR_STRIDED = 1 << 7,     /* kernels take inputs of any strides; without it they get
                                dense row-major inputs. Outputs are always dense. */
    GR_LEAF = 1 << 8,        /* has no inputs and is filled by the run: Input, Parameter, ... */
    GR_EFFECT = 1 << 9,      /* kept though nothing reads it */
    GR_ZERO_GRAD = 1 << 10,  /* its derivative is zero or undefined: gradients stop here */
    GR_METRIC = 1 << 11,     /* `data` is a gr_metric (metric.h); for the section `metrics` */
    GR_OVER_CELL = 1 << 12,  /* applies a cell over time; `data` is a gr_over */
    GR_OPTIMISER = 1 << 13,  /* `data` is a gr_optimiser (optimiser.h) */
};

/* Ops that the passes themselves must emit; at most one op has each role. */
typedef enum gr_role {
    GR_ROLE_NONE,
    GR_ROLE_INPUT,     /* fed by the caller or a data source */
    GR_ROLE_STATE,     /* a carry of the training loop: parameter, moment, ... */
    GR_ROLE_CONSTANT,  /* value attribute */
    GR_ROLE_FILL,      /* attributes shape, value, dtype: zeros and the like */
    GR_ROLE_ARG,       /* input of a Scan's body */
    GR_ROLE_SCAN,      /* a loop over a body graph */
    GR_ROLE_FUSED,     /* a tape */
    GR_ROLE_ADD,       /* variadic pointwise sum */
    GR_ROLE_COPY,      /* the same values, dense */
    GR_ROLE_RESHAPE,   /* attribute shape */
    GR_ROLE_PERMUTE,   /* attribute dims */
    GR_ROLE_SLICE,     /* attributes dim, start, stop, step */
    GR_ROLE_SELECT,    /* attributes dim, index */
    GR_ROLE_CONCAT,    /* variadic, attribute dim */
    GR_ROLE_REDUCE_SUM,/* attributes dim, keepdim */
    GR_ROLE_EXPAND,    /* attribute shape: broadcast */
    GR_ROLE_CAST,      /* attribute dtype */
    GR_ROLE_WHERE,     /* condition, input, other */
    GR_ROLE_ALL_FINITE,/* variadic: bool scalar, no input holds inf or NaN */
    GR_ROLE_LENGTH_MASK,/* attribute size: bool [size, ...], whether index < length */
    GR_ROLE_TAKE,      /* table, index; attributes padding_idx, max_norm, missing: rows of a table */
    GR_ROLE_UNIQUE_ROWS,/* index; attributes rows, padding_idx -> rows, order, start */
    GR_ROLE_SUM_ROWS,  /* input, order, start */
    GR_ROLE_PUT_ROWS,  /* table, rows, input */
    GR_ROLE_SQUARE_SUMS,/* variadic: sums of squares, and as output 1 their check: 0, or NaN where not finite */
    GR_ROLE_COUNT
} gr_role;

/* ---- kernels ------------------------------------------------------------- */

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

/* Whether a kernel has failed in this run; for all that this call depends on it is certain. */
static inline bool gr_call_failed(const gr_call *call) { return call->failed && call->failed(call); }

typedef void (*gr_kernel_fn)(const gr_call *call);

typedef struct gr_kernel {
    gr_dtype dtype; /* of the node's first float value, outputs before inputs; if it has
                       none, of its first output */
    gr_kernel_fn run;
} gr_kernel;

/* A view's place in its input's memory, in elements. */
typedef struct gr_layout {
    int64_t offset;
    int64_t stride[GR_MAX_RANK];
} gr_layout;

/* What a GR_OVER_CELL op runs over time. A node of one takes the attributes of its cell
 * besides its own, and has a port <carry>_0 and an output <carry>_n for each carry (the
 * cell's outputs named like an input of it), and a port for each further input of the
 * cell but the first: an op like that is made for the node where its descriptor does not
 * say so already. */
typedef struct gr_over {
    const char *cell; /* NULL: the attribute `cell` names it */
} gr_over;

struct gr_op {
    uint32_t size; /* sizeof(gr_op) */
    uint32_t abi;  /* GR_ABI_VERSION */
    const char *name;
    const char *summary; /* one line, as a sentence */
    const char *formula;
    const char *reference; /* paper or PyTorch class; may be NULL */
    const gr_attr_spec *attrs;    /* ends with name NULL; may be NULL */
    const gr_port *inputs;        /* ends with name NULL; may be NULL */
    const gr_port *outputs;       /* likewise; one VARIADIC entry: named 0, 1, ... */
    uint32_t traits;
    gr_role role;
    gr_tape_op tape; /* pointwise: its instruction */

    int (*infer)(gr_ctx *c);    /* check inputs and attributes, gr_set_output each type;
                                   NULL on a pointwise op: broadcast, real type */
    int (*expand)(gr_ctx *c);   /* composite: emit nodes, gr_set_result each output */
    int (*gradient)(gr_ctx *c); /* emit nodes, gr_set_grad each wanted input */
    const char *backward;       /* instead of `gradient`: an op whose input ports are named
                                   as this op's inputs, outputs, or grad_<output>, and
                                   whose outputs are grad_<input> */
    int (*batch)(gr_ctx *c);    /* if not ROWWISE: emit what T of this node at once is; inputs
                                   that gr_is_stacked() have a leading axis of T, all results
                                   must. NULL: cannot. May return 1: not with these. */
    int (*accumulate)(gr_ctx *c); /* emit the sum over the leading axis T of output 0 of
                                   the T nodes, as one node. Return 1: not with these. */
    int (*view)(const gr_ctx *c, const gr_layout *in, gr_layout *out); /* 1: needs a dense input */
    int64_t (*units)(const gr_call *call);   /* NULL: 1 */
    size_t (*scratch)(const gr_call *call);  /* bytes; NULL: 0 */
    double (*flops)(const gr_call *call);    /* NULL: one for each output element */
    /* CONTRACTION: the product is a matrix, [rows, columns]; compute a block of it
     * into dst (ld elements between rows). A node with an epilogue runs by this. */
    void (*block)(const gr_call *call, int64_t row, int64_t rows, int64_t col, int64_t cols,
                  void *dst, int64_t ld);
    /* CONTRACTION: emit a form of the right operand that is faster to read, for a node that
     * runs many times while that operand stays the same, or once but with many rows. The result
     * becomes the node's last input port, which is optional. Operands that change from one run of
     * the node to the next are NULL. 1: no gain. */
    int (*prepack)(gr_ctx *c);
    const gr_kernel *kernels; /* ends with run NULL */
    const void *data;         /* the op's own; blocks keep their definition here */
    /* How `graphrun ops` shows it. kind: under which heading, "layers", "losses", "pointwise", or one of the
     * op's own; "internal": only other ops and passes emit it; NULL: what its traits say.
     * example: a small model file that uses it, without its first line `graphrun: 1`; a file that it
     * reads stands in comments, "# words.txt:" and each of its lines behind "#   ". */
    const char *kind;
    const char *example;
};

/* ---- the host ------------------------------------------------------------ */

/* What can be at fault, for a message that points at the right place. */
typedef enum gr_at { GR_AT_NODE, GR_AT_ATTR, GR_AT_INPUT } gr_at;

typedef struct gr_loop gr_loop; /* a Scan under construction */

/* What gr_later() calls; the values as they are outside of all loops. 0, or -1 after gr_fail(). */
typedef int (*gr_later_fn)(gr_ctx *c, void *data, int n, const gr_val *values);

typedef struct gr_host {
    uint32_t size;
    int (*fail)(gr_ctx *c, gr_at at, const char *which, const char *fmt, va_list args);
    const gr_attr *(*attr)(const gr_ctx *c, const char *name);
    int (*set_attr)(gr_ctx *c, const char *name, int64_t n, const int64_t *values);
    int (*count)(const gr_ctx *c, int port);
    gr_val (*in)(gr_ctx *c, int port, int index);
    const gr_type *(*type)(const gr_ctx *c, gr_val v);
    int (*set_output)(gr_ctx *c, int index, const gr_type *t);
    int (*set_result)(gr_ctx *c, const char *name, int index, gr_val v);
    gr_val (*emit)(gr_ctx *c, const char *op, const char *name, int n, const gr_val *in,
                   const char *attrs, va_list args);
    gr_val (*output)(gr_ctx *c, gr_val v, int index);
    gr_val (*parameter)(gr_ctx *c, const char *name, const gr_type *t, const char *init, va_list args);
    gr_val (*out)(gr_ctx *c, int index);
    gr_val (*grad)(gr_ctx *c, int index);
    bool (*wants)(gr_ctx *c, int port, int index);
    int (*set_grad)(gr_ctx *c, int port, int index, gr_val v);
    bool (*is_stacked)(gr_ctx *c, int port, int index);
    gr_loop *(*loop_begin)(gr_ctx *c, const char *name, bool reverse);
    gr_val (*loop_slice)(gr_ctx *c, gr_loop *l, const char *name, gr_val sequence);
    gr_val (*loop_carry)(gr_ctx *c, gr_loop *l, const char *name, gr_val init);
    int (*loop_next)(gr_ctx *c, gr_loop *l, gr_val carry, gr_val next);
    int (*loop_stack)(gr_ctx *c, gr_loop *l, const char *name, gr_val v);
    gr_val (*loop_end)(gr_ctx *c, gr_loop *l);
    const gr_op *(*find_op)(gr_ctx *c, const char *name);
    void *(*alloc)(gr_ctx *c, size_t bytes);
    const gr_op *(*self)(const gr_ctx *c);
    int (*scope)(gr_ctx *c, const char *name); /* NULL leaves the innermost */
    void (*suffix)(gr_ctx *c, const char *suffix);
    gr_dtype (*real)(const gr_ctx *c);
    bool (*is_training)(const gr_ctx *c);
    void (*freeze)(gr_ctx *c, gr_val parameter);
    int (*loop_lengths)(gr_ctx *c, gr_loop *l, gr_val lengths);
    void (*mean_of)(gr_ctx *c, gr_val mean, gr_val count, double n);
    gr_val (*buffer)(gr_ctx *c, const char *name, const gr_type *t, const char *init, va_list args);
    int (*set_next)(gr_ctx *c, gr_val state, gr_val next);
    gr_val (*next)(gr_ctx *c, gr_val state);
    void (*later)(gr_ctx *c, gr_later_fn fn, void *data, int n, const gr_val *values);
    void (*sparse)(gr_ctx *c, gr_val parameter, const char *attr);
    void (*loop_recompute)(gr_ctx *c, gr_loop *l, int64_t every);
    void (*draw_as)(gr_ctx *c, gr_val v, const char *name);
    gr_dtype (*packed_dtype)(const gr_ctx *c);
} gr_host;

struct gr_ctx {
    const gr_host *host; /* the rest is the host's own */
};

/* ---- messages ---- */

/* Say what is wrong and what to write instead; `which` names the attribute or the
 * input port at fault. Returns -1. */
GR_PRINTF(4, 5)
static inline int gr_fail(gr_ctx *c, gr_at at, const char *which, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int r = c->host->fail(c, at, which, fmt, args);
    va_end(args);
    return r;
}

/* ---- the node in hand ---- */

/* The attribute of that name; never NULL (an unknown name is a bug and aborts). */
static inline const gr_attr *gr_get(const gr_ctx *c, const char *name) { return c->host->attr(c, name); }
static inline int64_t gr_int(const gr_ctx *c, const char *name) { return gr_get(c, name)->i; }
static inline bool gr_bool(const gr_ctx *c, const char *name) { return gr_get(c, name)->i != 0; }
static inline double gr_float(const gr_ctx *c, const char *name) { return gr_get(c, name)->f; }
static inline const char *gr_string(const gr_ctx *c, const char *name) { return gr_get(c, name)->s; }

/* In infer: write an attribute's canonical form (a dim counted from the end). */
static inline int gr_set_attr_int(gr_ctx *c, const char *name, int64_t v)
{
    return c->host->set_attr(c, name, 1, &v);
}
static inline int gr_set_attr_ints(gr_ctx *c, const char *name, int64_t n, const int64_t *v)
{
    return c->host->set_attr(c, name, n, v);
}

/* Inputs: how many a port has (0: absent), one of them, and its type. */
static inline int gr_count(const gr_ctx *c, int port) { return c->host->count(c, port); }
static inline gr_val gr_in(gr_ctx *c, int port) { return c->host->in(c, port, 0); }
static inline gr_val gr_in_at(gr_ctx *c, int port, int index) { return c->host->in(c, port, index); }
static inline const gr_type *gr_type_of(const gr_ctx *c, gr_val v) { return c->host->type(c, v); }
static inline const gr_type *gr_in_type(gr_ctx *c, int port) { return gr_type_of(c, gr_in(c, port)); }
static inline const gr_op *gr_self(const gr_ctx *c) { return c->host->self(c); }

/* Memory that lives as long as the graph; never NULL (running out unwinds). */
static inline void *gr_alloc(gr_ctx *c, size_t bytes) { return c->host->alloc(c, bytes); }

/* ---- infer ---- */
static inline int gr_set_output(gr_ctx *c, int index, const gr_type *t) { return c->host->set_output(c, index, t); }

/* ---- expand, gradient, batch, accumulate: emitting nodes ---- */

/* A new node; gives its first output (gr_output for others), NULL after an error.
 * `name` is its name inside the node in hand, NULL for one made from the op's.
 * Inputs fill the ports in order; a variadic port takes all that the ports after it
 * leave over; NULL is an absent optional input. Attributes are text as in a model
 * file, "dim=-1, keepdim=true, shape=[2, 3]", with printf conversions; NULL: none. */
GR_PRINTF(6, 7)
static inline gr_val gr_emit(gr_ctx *c, const char *op, const char *name, int n, const gr_val *in,
                             const char *attrs, ...)
{
    va_list args;
    va_start(args, attrs);
    gr_val v = c->host->emit(c, op, name, n, in, attrs, args);
    va_end(args);
    return v;
}
static inline gr_val gr_output(gr_ctx *c, gr_val v, int index) { return c->host->output(c, v, index); }
static inline gr_val gr_emit1(gr_ctx *c, const char *op, gr_val a) { return gr_emit(c, op, NULL, 1, &a, NULL); }
static inline gr_val gr_emit2(gr_ctx *c, const char *op, gr_val a, gr_val b)
{
    gr_val in[2] = {a, b};
    return gr_emit(c, op, NULL, 2, in, NULL);
}
static inline gr_val gr_emit3(gr_ctx *c, const char *op, gr_val a, gr_val b, gr_val d)
{
    gr_val in[3] = {a, b, d};
    return gr_emit(c, op, NULL, 3, in, NULL);
}

/* The op of that name, NULL if there is none. */
static inline const gr_op *gr_find_op(gr_ctx *c, const char *name) { return c->host->find_op(c, name); }

/* expand: the value of output `index`; with an op whose outputs are declared by the
 * node rather than the op, `name` names it (else NULL). */
static inline int gr_set_result(gr_ctx *c, int index, gr_val v) { return c->host->set_result(c, NULL, index, v); }

/* A trainable parameter of the node in hand, called <node>.<name>. init: an
 * initialiser with its arguments as text, "Uniform low=%.17g high=%.17g". It lives
 * outside all loops. Asking twice for one name gives the same parameter. The name ""
 * is the node's own. */
GR_PRINTF(4, 5)
static inline gr_val gr_parameter(gr_ctx *c, const char *name, const gr_type *t, const char *init, ...)
{
    va_list args;
    va_start(args, init);
    gr_val v = c->host->parameter(c, name, t, init, args);
    va_end(args);
    return v;
}

/* No optimiser changes this parameter. */
static inline void gr_freeze(gr_ctx *c, gr_val parameter) { c->host->freeze(c, parameter); }

/* A tensor that is saved with the weights as <node>.<name> but that no optimiser changes: a
 * running statistic. Not in a loop, each of whose steps would renew it. */
GR_PRINTF(4, 5)
static inline gr_val gr_register_buffer(gr_ctx *c, const char *name, const gr_type *t, const char *init, ...)
{
    va_list args;
    va_start(args, init);
    gr_val v = c->host->buffer(c, name, t, init, args);
    va_end(args);
    return v;
}
/* What a buffer is in the next run, once this one has been found finite; asked again, the
 * last counts. Without it a buffer stays. Of a parameter it is what an optimiser starts from. */
static inline int gr_set_next(gr_ctx *c, gr_val buffer, gr_val next) { return c->host->set_next(c, buffer, next); }
/* What gr_set_next() last said it is, or the buffer itself. */
static inline gr_val gr_next(gr_ctx *c, gr_val buffer) { return c->host->next(c, buffer); }
/* expand: has fn called when the whole model is expanded, to emit outside of all loops. Parameters
 * come to it as they are, what a loop computes stacked over its steps. data: lives as long as the
 * graph. In fn there is no node in hand: no gr_in, gr_get and the like. */
static inline void gr_later(gr_ctx *c, gr_later_fn fn, void *data, int n, const gr_val *values)
{
    c->host->later(c, fn, data, n, values);
}
/* The gradient of this parameter is one of rows: those that look-ups (GR_ROLE_TAKE), its only readers,
 * met. attr: the attribute that asks for it, at fault where something else reads the parameter. */
static inline void gr_sparse(gr_ctx *c, gr_val parameter, const char *attr) { c->host->sparse(c, parameter, attr); }

/* What "float" is here: GR_FLOAT32, or GR_FLOAT64 under --dtype float64. */
static inline gr_dtype gr_real(const gr_ctx *c) { return c->host->real(c); }
/* In prepack: what a float operand is to be kept as, GR_BFLOAT16 or GR_FLOAT16; GR_UNKNOWN: as it is. */
static inline gr_dtype gr_packed_dtype(const gr_ctx *c) { return c->host->packed_dtype(c); }
/* Whether the graph trains (Dropout drops) or not. */
static inline bool gr_is_training(const gr_ctx *c) { return c->host->is_training(c); }

/* The node of v, an op with GR_RANDOM, draws the random numbers that a node of that name inside the
 * node in hand does; NULL: that the node in hand itself does. So a gradient may make again what was
 * drawn, and two forms of one computation draw alike. */
static inline void gr_draw_as(gr_ctx *c, gr_val v, const char *name) { c->host->draw_as(c, v, name); }

/* Until left, nodes emitted are named <name>.<...>; the names of parameters leave it
 * out. suffix: text put after the name of every parameter ("_l0_reverse"), NULL for
 * none. A node emitted with the name "" adds nothing to the names of what it emits. */
static inline int gr_scope_enter(gr_ctx *c, const char *name) { return c->host->scope(c, name); }
static inline void gr_scope_leave(gr_ctx *c) { c->host->scope(c, NULL); }
static inline void gr_parameter_suffix(gr_ctx *c, const char *suffix) { c->host->suffix(c, suffix); }

/* A loop over the leading axis (time) of its sequences. Between begin and end, nodes
 * are emitted into its body; a value from outside may be used as it is, and is then
 * seen whole by every step. loop_end gives the node's first output; of C carries and
 * S stacked values, output i is carry i after the last step, C + i all of its values
 * ([T + 1, ...], at [t] the one that step t reads or, if reverse, that it makes), 2C + j
 * stacked value j ([T, ...], in the order of time whatever the direction). */
static inline gr_loop *gr_loop_begin(gr_ctx *c, const char *name, bool reverse)
{
    return c->host->loop_begin(c, name, reverse);
}
/* Right after gr_loop_begin: row i takes part in the first lengths[i] steps only (in reverse:
 * begins there). lengths is int32; its axes are the leading ones of every slice, carry and
 * stacked value: the batch. A row that has ended keeps its carries and stacks zeros, and what
 * its slices held there, NaN too, is zero before the loop. */
static inline int gr_loop_lengths(gr_ctx *c, gr_loop *l, gr_val lengths) { return c->host->loop_lengths(c, l, lengths); }
/* Its gradient needs less memory and more time: of the carries only every `every`-th is kept, and the
 * steps between run again when the gradient comes to them. */
static inline void gr_loop_recompute(gr_ctx *c, gr_loop *l, int64_t every) { c->host->loop_recompute(c, l, every); }
static inline gr_val gr_loop_slice(gr_ctx *c, gr_loop *l, const char *name, gr_val sequence)
{
    return c->host->loop_slice(c, l, name, sequence);
}
static inline gr_val gr_loop_carry(gr_ctx *c, gr_loop *l, const char *name, gr_val init)
{
    return c->host->loop_carry(c, l, name, init);
}
static inline int gr_loop_next(gr_ctx *c, gr_loop *l, gr_val carry, gr_val next)
{
    return c->host->loop_next(c, l, carry, next);
}
static inline int gr_loop_stack(gr_ctx *c, gr_loop *l, const char *name, gr_val v)
{
    return c->host->loop_stack(c, l, name, v);
}
static inline gr_val gr_loop_end(gr_ctx *c, gr_loop *l) { return c->host->loop_end(c, l); }

/* ---- gradient ---- */

/* gr_in() and gr_out() give the forward values (inside a loop's gradient: as that
 * step had them); gr_grad() the derivative of the objective with respect to an
 * output, NULL where it is zero. Set one for each input that is wanted; the host
 * adds up what several readers of a value give, and a gradient of a broadcast
 * pointwise input may have the output's shape (the host sums it). */
static inline gr_val gr_out(gr_ctx *c, int index) { return c->host->out(c, index); }
static inline gr_val gr_grad(gr_ctx *c, int index) { return c->host->grad(c, index); }
static inline bool gr_wants(gr_ctx *c, int port, int index) { return c->host->wants(c, port, index); }
static inline int gr_set_grad(gr_ctx *c, int port, int index, gr_val v) { return c->host->set_grad(c, port, index, v); }

/* expand: says that the scalar `mean` is a sum divided by the scalar `count` (NULL: by n), as a
 * loss is, so that batches of unlike sizes can be added up to what one of all would give. */
static inline void gr_mean_of(gr_ctx *c, gr_val mean, gr_val count, double n) { c->host->mean_of(c, mean, count, n); }

/* ---- batch, accumulate ---- */
static inline bool gr_is_stacked(gr_ctx *c, int port, int index) { return c->host->is_stacked(c, port, index); }

/* ---- plugins ------------------------------------------------------------- */

/* What a plugin holds; lives as long as it is loaded. */
typedef struct gr_plugin {
    uint32_t size; /* sizeof(gr_plugin) */
    uint32_t abi;  /* GR_ABI_VERSION */
    const gr_op *const *ops;                /* NULL-ended; may be NULL */
    const struct gr_source *const *sources; /* data sources (source.h), likewise */
} gr_plugin;

/* The one symbol that a plugin exports. `host_size` is the host's sizeof(gr_host), `abi` its
 * GR_ABI_VERSION; a plugin that needs more returns NULL. */
#define GR_PLUGIN_SYMBOL "graphrun_plugin"
typedef const gr_plugin *(*gr_plugin_fn)(uint32_t abi, uint32_t host_size);

#define GR_PLUGIN_HEADER .size = sizeof(gr_plugin), .abi = GR_ABI_VERSION
#define GR_OP_HEADER .size = sizeof(gr_op), .abi = GR_ABI_VERSION

#ifdef __cplusplus
}
#endif
#endif
