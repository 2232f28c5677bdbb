/* op.h - what an op is, for built-in ops and plugins alike.
 *
 * An op is one `const gr_op`. It is one of
 *   pointwise   `tape` names its instruction; the fuser and the tape do the rest
 *   kernel      `infer` and `kernels`, and `gradient`, which emits nodes
 *   view        `infer` and `view`: other strides over the same memory
 *   composite   `expand` emits other nodes; nothing else is needed
 *
 * What its functions may do is in host.h, what its kernels see in kernel.h, its attributes
 * are in attr.h; this header includes them all, and is all that a plugin needs.
 *
 * Layouts. A gr_op says its size, so that fields may be added at its end: those that an older plugin
 * does not have read as zero. The structs that it points to (gr_port, gr_attr_spec, gr_kernel, gr_case) have
 * no size and change with GR_ABI_VERSION alone. */
#ifndef GRAPHRUN_OP_H
#define GRAPHRUN_OP_H

#include <graphrun/attr.h>
#include <graphrun/kernel.h>
#include <graphrun/tape.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GR_ABI_VERSION 2u

typedef struct gr_op gr_op;
typedef struct gr_ctx gr_ctx;
typedef const struct gr_value *gr_val; /* a value in a graph; opaque to ops */

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
                                into negative ones with gr_set_attr_int(s), and
                                refuse an input of too few axes. */
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
    GR_ROLE_LENGTH_MASK,/* attributes size and axis, its name: bool [size, ...], whether index < length */
    GR_ROLE_TAKE,      /* table, index; attributes padding_idx, max_norm, missing: rows of a table */
    GR_ROLE_UNIQUE_ROWS,/* index; attributes rows, padding_idx -> rows, order, start */
    GR_ROLE_SUM_ROWS,  /* input, order, start */
    GR_ROLE_PUT_ROWS,  /* table, rows, input */
    GR_ROLE_SQUARE_SUMS,/* variadic: sums of squares, and as output 1 their check: 0, or NaN where not finite */
    GR_ROLE_ONE_HOT,   /* index; attribute num_classes: a 1 in the index's place of a row of zeros, NaN for an index that has none */
    GR_ROLE_STEP_NUMBERS,/* start; attributes n, room -> numbers start, start + 1, ... [n], and the one after them */
    GR_ROLE_COUNT
} gr_role;

/* ---- descriptors --------------------------------------------------------- */

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

/* A node to try the op with, for `graphrun test-plugin`. attrs: as in a model file, "dim=0, keepdim=true"; NULL:
 * none. inputs: one after another by port, with ';' between them, each a kind and the lengths of its axes:
 *     f  numbers from -1.5 to 1.5      p  from 0.3 to 1.7     u  from 0.05 to 0.95
 *     iN integers 0 .. N - 1           b  bools               -  absent
 *     t  few numbers with ties         n  as f                q  as p
 * "f 2 3; i5 2" is [2, 3] of floats and [2] of integers below 5. Gradients are checked toward f, p, u and t inputs:
 * a gradient's own op has n and q. Small ones do; the axes of one case best have lengths of their own,
 * since the walk makes each 0 and 1. There should be one for each attribute, choice and input. */
typedef struct gr_case {
    const char *attrs;
    const char *inputs;
} gr_case;

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
    const gr_case *cases;     /* ends with inputs NULL; may be NULL */
    /* A model that is fed its own choices runs a few steps at a time (`generate`, streams). For a node that mixes steps or
     * counts them, whose traits do not tell: emit what it is for the steps fed now, of types as its outputs, with
     * gr_step_axis(), gr_step_numbers() and gr_past(). NULL: cannot; may return 1: not with these. Called before it is known
     * whether the rest of the model steps, too, and again when it does; -1 counts as 1. */
    int (*step)(gr_ctx *c);
};

#define GR_OP_HEADER .size = sizeof(gr_op), .abi = GR_ABI_VERSION

/* ---- plugins ------------------------------------------------------------- */

/* What a plugin holds; lives as long as it is loaded. */
typedef struct gr_plugin {
    uint32_t size; /* sizeof(gr_plugin) */
    uint32_t abi;  /* GR_ABI_VERSION */
    const gr_op *const *ops;                /* NULL-ended; may be NULL */
    const struct gr_source *const *sources; /* data sources (source.h), likewise */
} gr_plugin;
#define GR_PLUGIN_HEADER .size = sizeof(gr_plugin), .abi = GR_ABI_VERSION

/* The one symbol that a plugin exports. `abi` is the host's GR_ABI_VERSION, `host_size` its
 * sizeof(gr_host); a plugin that needs more returns NULL. */
#define GR_PLUGIN_SYMBOL "graphrun_plugin"
typedef const gr_plugin *(*gr_plugin_fn)(uint32_t abi, uint32_t host_size);

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const gr_plugin *graphrun_plugin(uint32_t abi, uint32_t host_size);

/* The last line of a plugin's file, with the fields of its gr_plugin: GR_PLUGIN(.ops = ops, .sources = sources) */
#define GR_PLUGIN(...)                                                               \
    const gr_plugin *graphrun_plugin(uint32_t abi, uint32_t host_size)               \
    {                                                                                \
        static const gr_plugin plugin = {GR_PLUGIN_HEADER, __VA_ARGS__};             \
        return abi == GR_ABI_VERSION && host_size >= sizeof(gr_host) ? &plugin : NULL; \
    }

#ifdef __cplusplus
}
#endif

#include <graphrun/host.h>
#endif
