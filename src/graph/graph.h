/* graph.h - the graph that a model becomes: nodes, values, loops, states.
 *
 * A node is an op applied to values; a value is immutable and made by one output
 * of one node. A Scan node holds a body graph, which is one time step. The root
 * graph is one step of the training loop: its states are that loop's carries.
 *
 * Invariants (gr_graph_check): nodes stand in an order in which every input is made
 * before it is read; a node reads only values of its own graph (a body gets what it
 * needs from outside through args); names are unique within a graph; every value has
 * a known type after the pass "infer".
 *
 * A raw graph, as built from a model file, is the exception: its nodes may be
 * composite and its types unknown. The pass "expand" makes a typed graph of it. */
#ifndef GR_GRAPH_GRAPH_H
#define GR_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/diag.h"
#include <graphrun/op.h>
#include <graphrun/source.h>

typedef struct gr_graph gr_graph;
typedef struct gr_node gr_node;
typedef struct gr_value gr_value;
typedef struct gr_registry gr_registry;
struct gr_tape; /* graph/tape.h */

typedef enum gr_phase { GR_FORWARD, GR_BACKWARD, GR_UPDATE } gr_phase;

struct gr_value {
    gr_node *node;
    int index;        /* which output of node */
    const char *port; /* its output port's name */
    gr_type type;
    void *mark;       /* scratch of the pass at work; means nothing between passes */
};

/* A loop. The node's inputs are [inits of the carries][sequences][invariants], the
 * body's args the same in the same order; the body's results are [next of each
 * carry][stacked]; the node's outputs [last of each carry][history of each
 * carry][stacked]. history[T + 1, ...]: at t the carry that step t reads (reverse:
 * makes), so that forward history[0] is the init, reverse history[T]. Sequences,
 * histories and stacked values have time as axis 0 and are in the order of time
 * whatever the direction.
 *
 * A loop of T steps may be cut into chunks, a loop over chunks around one over the steps of
 * a chunk, and what is left over (pass/chunk.h). `first`, `each` and `span` say which of the T steps
 * an iteration stands for, so that random numbers stay what they were: iteration i begins at
 * step first + i * each of span. */
typedef struct gr_scan {
    gr_graph *body;
    bool reverse;
    int64_t steps; /* 0 until known */
    int carries, sequences, invariants, stacked;
    int64_t recompute;          /* its gradient keeps every N-th carry alone; 0: all that it reads */
    bool chunks;                /* made to save memory: it is left whole, and its gradient runs it again */
    int64_t first, each, span;  /* each, span 0: 1 and steps */
} gr_scan;

/* How the tape of a product's epilogue sees the product. The product is the matrix
 * [rows, columns], columns the last axis of its type, rows all axes before it. The
 * tape's space has the same leading axes and `width` as its last one; every output of
 * the node has the space's dims. Tape input i < num_slices is the product's columns
 * [column[i], column[i] + width), of which no two are alike; tape input num_slices + j
 * is the node's in[product_inputs + j], broadcast to the space. So the tile [rows,
 * columns) of the space needs num_slices blocks of the product, at column[i] + the
 * tile's first column, and nothing else of it: the product itself is not a value
 * any more. What else reads it is an output of the tape (a COPY of a slice).
 *
 *     product  | i . . . | f . . . | g . . . | o . . . |     column = {0, H, 2H, 3H}
 *     tape's space, width H: one tile takes the same columns of each
 */
typedef struct gr_epilogue {
    gr_type product;   /* the product's own type */
    int num_slices;
    const int64_t *column;
    int64_t width;
} gr_epilogue;

/* A parameter of a node that is another's, or any value: `weight: embedding.weight`.
 * gr_parameter() gives the other instead of making one. */
typedef struct gr_tie {
    const char *param;  /* within the node: "weight" */
    gr_value *value;    /* what it is; NULL: */
    const char *target; /* the state of this name, without suffix ("embedding.weight") */
    gr_loc at;          /* where it is written: at fault if no such parameter is asked for */
} gr_tie;

struct gr_node {
    const gr_op *op;
    gr_graph *graph;
    const char *name;  /* full path: "rnn.l0.gates"; derived nodes keep their origin's
                          name in it: a node that its gradient needs is "rnn.l0.gates'.mul" */
    gr_loc at;
    gr_phase phase;
    gr_attr *attr;     /* by position in op->attrs */
    const gr_loc *attr_at;  /* by attribute, where written; NULL if not from a file */
    const gr_loc *port_at;  /* by input port; NULL likewise */
    gr_value **in;     /* port after port; NULL: absent */
    int *port;         /* port p is in[port[p]] .. in[port[p + 1] - 1]; ports + 1 entries */
    int num_in, num_out;
    gr_value **out;
    gr_scan *scan;     /* loops only */
    struct gr_tape *tape; /* fused nodes (in[i] is tape input i, broadcast to the dims that
                             all outputs have), and products with an epilogue */
    gr_epilogue *epilogue; /* NULL: none */
    const char *params;   /* raw graph: what its parameters' names begin with, if not its
                             own name (copies that share); or NULL */
    const gr_tie *ties;   /* raw graph */
    int num_ties;
    int product_inputs;   /* with an epilogue: in[0..product_inputs) are the product's own,
                             and `port` counts these alone; in[product_inputs..) the tape's */
    uint64_t path;     /* hash of the name at creation: key of random numbers */
    int outer_axes;    /* random ops: how many leading axes hoisting added */
    void *mark;        /* scratch of the pass at work */
};

/* A carry of the training loop: a parameter, a moment, a kept recurrent state. */
typedef struct gr_state {
    const char *name;   /* as in the weights file */
    gr_value *value;    /* what this step reads */
    gr_value *next;     /* what the next one will read; NULL: never changes */
    const char *init;   /* initialiser as text */
    bool trainable;     /* an optimiser may give it a `next` */
    bool weight;        /* belongs to the weights file; else to a checkpoint alone */
    const char **alias; int num_aliases, cap_aliases; /* tied parameters: its other names */
    const char *reset;  /* "epoch": set to init when an epoch begins; NULL: never */
    bool sparse;        /* its gradient is that of the rows which look-ups met */
    gr_loc sparse_at;   /* where that was asked for */
    const gr_node *look_up; /* sparse: one of them, from differentiation to update ... */
    gr_value *rows;     /* ... and the rows, [n], -1 behind the last; the gradient is [n, ...] */
    bool gated;         /* while the update is emitted: `next` knows already whether it may be taken */
} gr_state;

/* What an op wants done once the model is expanded (gr_later). */
typedef struct gr_later_call {
    gr_later_fn fn;
    void *data;
    int n;
    gr_value **values;
    const char *name;
    gr_loc at;
} gr_later_call;

typedef struct gr_name { /* a name a person may ask for: "rnn", "rnn.output" */
    const char *name;
    gr_value *value;     /* of this graph or of a body below it */
} gr_name;

typedef struct gr_mean { /* `mean` is a sum divided by how many elements it is of */
    gr_value *mean;
    gr_value *count;     /* NULL: always n */
    double n;
} gr_mean;

/* An op as it was applied, if it is a composite or a file says so: what nodes are to a person. */
typedef struct gr_applied {
    const char *name;    /* full path, as in its nodes' names */
    const gr_op *op;
    const gr_attr *attr; /* by position in op->attrs */
    int num_in, num_out;
    gr_value *const *in, *const *out;
} gr_applied;

struct gr_graph {
    gr_arena *arena;
    gr_graph *parent;  /* of a body */
    gr_node *owner;    /* the Scan node of a body; set by gr_node_set_body */
    const gr_registry *registry; /* of the root; bodies have it too */
    gr_diag *diag;
    gr_dtype real;     /* what "float" is: GR_FLOAT32 or GR_FLOAT64 */
    bool training;     /* what gr_is_training() says */
    bool typed;        /* false: raw */
    struct gr_map *taken; /* node names of this graph -> times used */
    gr_node **nodes; int num_nodes, cap_nodes;
    gr_value **args; int num_args, cap_args;
    gr_value **results; int num_results, cap_results;
    /* the root alone: */
    const char **result_names; int cap_result_names;
    gr_state **states; int num_states, cap_states; /* each stays where it is while others come */
    gr_name *names; int num_names, cap_names;
    struct gr_map *name_index; /* name -> 1 + its place in names */
    gr_mean *means; int num_means, cap_means; /* as they were expanded; later passes do not keep them */
    gr_later_call *laters; int num_laters, cap_laters;
    gr_applied *applied; int num_applied, cap_applied; /* inner ones first; their values are those of expansion. A clone has none */
    gr_value *commit;  /* bool scalar: states take their next only if it is true; or NULL */
};

/* An empty root graph. */
gr_graph *gr_graph_create(gr_arena *a, const gr_registry *r, gr_diag *d, gr_dtype real);
gr_graph *gr_graph_body(gr_graph *parent); /* an empty body */
gr_graph *gr_graph_root(gr_graph *g);

/* ---- building, without inference (passes that know the types, and the raw graph) */

typedef struct gr_node_spec {
    const gr_op *op;
    const char *name; /* full path; made unique by "_2", "_3", ... if taken; NULL: from the op */
    gr_loc at;
    gr_phase phase;
    int num_in;
    gr_value *const *in;
    const int *port;  /* NULL: distribute as gr_emit does */
    const gr_attr *attr; /* NULL: defaults */
} gr_node_spec;
/* Appends a node without outputs. */
gr_node *gr_node_add(gr_graph *g, const gr_node_spec *spec);
/* Appends an output; port NULL: named by the op's descriptor. */
gr_value *gr_node_add_output(gr_node *n, const char *port, const gr_type *t);
/* Gives n that name, made unique; its path stays. */
void gr_node_rename(gr_node *n, const char *name);
/* Adds an input to the last port that is used (loops). */
void gr_node_add_input(gr_node *n, int position, gr_value *v);
gr_value *gr_graph_add_arg(gr_graph *body, int position, const char *name, const gr_type *t);
void gr_graph_add_result(gr_graph *g, int position, const char *name, gr_value *v);
gr_state *gr_graph_add_state(gr_graph *g, const char *name, const gr_type *t, const char *init);
gr_state *gr_graph_find_state(gr_graph *g, const char *name);
void gr_graph_set_name(gr_graph *root, const char *name, gr_value *v); /* replaces */
gr_value *gr_graph_find_name(const gr_graph *root, const char *name);

/* Loops: add a sequence or an invariant (the arg of an equal one is given again), a
 * carry, a stacked result. Each keeps node and body in step. Types of the outputs are
 * set from the body's when `steps` is known. */
gr_node *gr_scan_add(gr_graph *g, const gr_node_spec *spec, bool reverse, int64_t steps);
/* `scan` runs over the same steps as `other`, or over their chunks, if that does. */
void gr_scan_stands_for(gr_scan *scan, const gr_scan *other);
gr_value *gr_scan_invariant(gr_node *scan, gr_value *outer);
gr_value *gr_scan_sequence(gr_node *scan, gr_value *outer, const char *name);
gr_value *gr_scan_carry(gr_node *scan, gr_value *init, const char *name); /* gives the arg */
/* What has no name of a carry's axes, in the body and outside, gets that of t, which is a step's: a carry that
 * starts from zeros has names from what it becomes alone. */
void gr_scan_name_carry(gr_node *scan, int carry, const gr_type *t);
/* The name of the axis that the loop runs over, NULL: none is known. */
const char *gr_scan_axis(const gr_node *scan);
void gr_scan_set_next(gr_node *scan, int carry, gr_value *inner);
/* A Scan that stands in no graph yet; gr_scan_insert appends it, so that its inputs may be
 * made while its body is. */
gr_node *gr_scan_detached(gr_graph *g, const gr_node_spec *spec, bool reverse, int64_t steps);
void gr_scan_insert(gr_node *scan);
int gr_scan_stack(gr_node *scan, gr_value *inner, const char *name);      /* j of gr_scan_stacked */
gr_value *gr_scan_last(gr_node *scan, int carry);
gr_value *gr_scan_history(gr_node *scan, int carry);
gr_value *gr_scan_stacked(gr_node *scan, int j);
enum gr_arg_kind { GR_ARG_CARRY, GR_ARG_SEQUENCE, GR_ARG_INVARIANT };
/* What kind an arg of a body is, and its number among those of its kind. */
enum gr_arg_kind gr_arg_kind(const gr_value *arg, int *number);
/* The value outside that arg stands for: its init, its sequence, itself. */
gr_value *gr_arg_outer(const gr_value *arg);
/* v as seen in graph g: v itself, or args that hand it down through every loop between. */
gr_value *gr_graph_capture(gr_graph *g, gr_value *v);

/* ---- rewriting ---- */

/* Every reader of `from` (nodes of its graph, results, states, names) reads `to`. */
void gr_replace(gr_value *from, gr_value *to);
/* The same for many values of g at once, in one walk; a `to` may be the `from` of another. Sets
 * all marks of g's values to NULL. */
typedef struct gr_change { gr_value *from, *to; } gr_change;
void gr_replace_all(gr_graph *g, const gr_change *list, int n);
/* Drops nodes, args, carries and results of bodies that no result, state or effect needs. */
void gr_graph_prune(gr_graph *root);
/* Drops what nothing in g itself needs; its args and results stay, and all bodies below. For
 * passes that change one body after another: pruning looks at the whole graph each time. */
void gr_graph_sweep(gr_graph *g);
/* Puts nodes in dependency order, keeping the present order where free. -1: a cycle. */
int gr_graph_sort(gr_graph *g);
/* Checks the invariants of g and all bodies; NULL or what is wrong. */
const char *gr_graph_check(const gr_graph *g);
/* A deep copy in `a`: nodes, bodies, states, names. */
gr_graph *gr_graph_clone(const gr_graph *g, gr_arena *a);
/* Readers of v within its graph (results, states count once each). */
int gr_value_readers(const gr_value *v);
/* For debugging: one line a node. */
void gr_graph_print(const gr_graph *g, FILE *to);

/* ---- types ---- */
const char *gr_dtype_name(gr_dtype t); /* "float32" */
bool gr_type_equal(const gr_type *a, const gr_type *b); /* dtype, rank, dims */
const char *gr_type_text(gr_arena *a, const gr_type *t); /* "float32 [time 35, batch 32]" */
/* No value has more elements, so that no count of bytes overflows. */
#define GR_MAX_ELEMENTS ((int64_t)1 << 44)
/* -1: a length is negative or there are too many elements; else how many there are, or would be
 * if no length were 0 (strides are made of the others, too). */
int64_t gr_type_elements(const gr_type *t);
/* n of t under a new leading axis; of unknown type where t has all the axes it can have. */
gr_type gr_type_stacked(const gr_type *t, int64_t n, const char *axis);
/* t without its leading axis. */
gr_type gr_type_slice(const gr_type *t);
/* Axes of t without a name get that of the same axis of `from`, if it is as long. */
void gr_type_take_names(gr_type *t, const gr_type *from);
/* NumPy broadcasting; -1 if they do not fit. */
int gr_broadcast(const gr_type *a, const gr_type *b, gr_type *out);

/* ---- attributes ---- */
gr_attr *gr_node_attr(const gr_node *n, const char *name); /* aborts on an unknown name */
/* The position of an attribute or a port in its op's list, -1 if there is none. */
int gr_op_attr(const gr_op *op, const char *name);
int gr_op_input(const gr_op *op, const char *name);
int gr_op_output(const gr_op *op, const char *name);
int gr_op_num_attrs(const gr_op *op);
/* Whether input i of n comes in at a port that is read as a whole (GR_PORT_WHOLE). */
bool gr_is_whole_input(const gr_node *n, int i);
int gr_op_num_inputs(const gr_op *op);
/* One attribute from its text as a model file has it (also defaults and gr_emit). 0, or
 * -1 with a message in *why (in a). */
int gr_attr_parse(gr_arena *a, const gr_attr_spec *spec, const char *text, gr_attr *out, const char **why);
/* All attributes at their defaults. */
gr_attr *gr_attr_defaults(gr_arena *a, const gr_op *op);
/* "dim=-1, keepdim=true" into attrs (as gr_emit has it). 0 or -1 with *why. */
int gr_attrs_parse(gr_arena *a, const gr_op *op, const char *text, gr_attr *attrs, const char **why);
/* Back to text. */
const char *gr_attr_text(gr_arena *a, const gr_attr_spec *spec, const gr_attr *v);

/* ---- the registry ---- */
gr_registry *gr_registry_create(gr_arena *a); /* with all built-in ops and data sources */
/* Checks the descriptor (abi, size, names, which functions go together). */
int gr_registry_add(gr_registry *r, const gr_op *op, gr_error *e);
int gr_registry_add_source(gr_registry *r, const gr_source *s, gr_error *e);
/* The ops and sources of a plugin; loading a file again does nothing. */
int gr_registry_load(gr_registry *r, const char *plugin_path, gr_error *e);
/* The file of plugin n, in the order of loading; NULL: there are no more. */
const char *gr_registry_plugin(const gr_registry *r, int n);
/* After the error of an op or a data source that is not known: how plugins are loaded, unless one was asked for. */
void gr_registry_hint_plugins(const gr_registry *r, gr_diag *d);
const gr_op *gr_registry_find(const gr_registry *r, const char *name);
const gr_op *gr_registry_role(const gr_registry *r, gr_role role);
int gr_registry_count(const gr_registry *r);
const gr_op *gr_registry_at(const gr_registry *r, int i);
const char *const *gr_registry_names(const gr_registry *r); /* of ops that a person writes; NULL-ended, for gr_suggest_term */
const gr_source *gr_registry_find_source(const gr_registry *r, const char *name);
int gr_registry_count_sources(const gr_registry *r);
const gr_source *gr_registry_source_at(const gr_registry *r, int i);
const char *const *gr_registry_source_names(const gr_registry *r);
#endif
