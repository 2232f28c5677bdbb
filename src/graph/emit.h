/* emit.h - adding nodes to a typed graph: inference, expansion, capture.
 *
 * The host's side of gr_ctx. gr_emit on a typed graph infers a primitive op at once
 * and expands a composite one at once, so that whoever emits knows every type. On a
 * value of an outer graph it captures, on unknown types it stays silent. */
#ifndef GR_GRAPH_EMIT_H
#define GR_GRAPH_EMIT_H

#include "graph/graph.h"

typedef struct gr_emitter gr_emitter;

/* What a pass tells an emitter when it lets an op speak for a node (gradient, batch,
 * accumulate, step): how forward values are seen where nodes are emitted now. */
typedef struct gr_node_view {
    const gr_node *node;
    gr_value *(*in)(void *data, gr_emitter *e, int input);   /* index over all inputs */
    gr_value *(*out)(void *data, gr_emitter *e, int output);
    gr_value *(*grad)(void *data, gr_emitter *e, int output);
    bool (*wants)(void *data, int input);
    int (*set_grad)(void *data, gr_emitter *e, int input, gr_value *v);
    bool (*stacked)(void *data, int input);
    int (*set_result)(void *data, gr_emitter *e, int output, gr_value *v);
    int (*step_axis)(void *data, int input);                          /* step: these three, too */
    gr_value *(*step_numbers)(void *data, gr_emitter *e, int64_t most);
    gr_value *(*past)(void *data, gr_emitter *e, int input);
    void *data;
    gr_dtype packed_dtype; /* prepack: what a float operand is kept as; GR_UNKNOWN: as it is */
} gr_node_view;

/* Emits into g. prefix: the path of emitted names, "" at top; NULL-safe. */
gr_emitter *gr_emitter_create(gr_graph *g, gr_phase phase);
gr_graph *gr_emitter_graph(gr_emitter *e);
void gr_emitter_set_graph(gr_emitter *e, gr_graph *g);
/* Where nodes made from now on come from, and their name's prefix ("rnn.l0"). */
void gr_emitter_at(gr_emitter *e, const char *prefix, gr_loc at);
gr_ctx *gr_emitter_ctx(gr_emitter *e); /* to call gr_emit with */
gr_emitter *gr_ctx_emitter(gr_ctx *c); /* the other way, for an op of the host's own in its expand */
/* What names of nodes and of parameters emitted now begin with: "", "net", without the dot. */
const char *gr_emitter_prefix(const gr_emitter *e);
const char *gr_emitter_params(const gr_emitter *e);

/* Whoever expands may keep something here while it does, and put back what was there: blocks know by it which of them
 * are in hand. Where memory runs out the emitter goes with it. */
void **gr_emitter_in_hand(gr_emitter *e);

/* One node of any op with given attributes (copied), inferred or expanded. Outputs are
 * out[0..]; returns their number, or -1 after a diagnostic. `out` holds up to `max`.
 * name is relative to the prefix. view's functions may be NULL where not needed. */
typedef struct gr_apply {
    const gr_op *op;
    const char *name;
    gr_loc at;
    int num_in;
    gr_value *const *in;
    const int *port;        /* NULL: distribute */
    const gr_attr *attr;    /* NULL: defaults */
    const gr_loc *attr_at, *port_at;
    const char *params;     /* what its parameters' names begin with, if not `name`; relative too */
    const gr_tie *ties;     /* each must be asked for, or is an error at its place */
    int num_ties;
} gr_apply;
int gr_apply_op(gr_emitter *e, const gr_apply *what, gr_value **out, const char **names, int max);

/* Calls op->gradient, batch or accumulate of view->node with gr_ctx functions bound to
 * the view. Names are made from the node's own. Returns what fn returns. */
int gr_emitter_call(gr_emitter *e, const gr_node_view *view, int (*fn)(gr_ctx *));

/* Infers node n again from its inputs (types of its outputs are set). 0 or -1. */
int gr_infer_node(gr_graph *g, gr_node *n);
/* The same node with the first num_in of its inputs of other types, in a graph that nobody keeps; type[i] is read where
 * n has input i. NULL: it takes no such inputs. */
gr_node *gr_infer_as(gr_arena *a, const gr_node *n, int num_in, const gr_type *type);
/* A view op's layout from its input's. 0, 1 (needs a dense input), -1. */
int gr_view_node(const gr_node *n, const gr_layout *in, gr_layout *out);

/* ---- conveniences for passes: nodes by role ---- */
gr_value *gr_emit_role(gr_emitter *e, gr_role role, int n, gr_value *const *in, const char *attrs, ...)
    GR_PRINTF(5, 6);
/* The pointwise op whose instruction is `tape`. */
gr_value *gr_emit_tape(gr_emitter *e, gr_tape_op tape, int n, gr_value *const *in);
gr_value *gr_emit_sum(gr_emitter *e, gr_value *a, gr_value *b); /* NULL is zero */
/* v summed down to type t, the reverse of broadcasting t to v's shape. */
gr_value *gr_emit_sum_to(gr_emitter *e, gr_value *v, const gr_type *t);
gr_value *gr_emit_zeros(gr_emitter *e, const gr_type *t);
/* Zeros that a carry starts from, under that name. shape: "2, 8". */
gr_value *gr_emit_initial(gr_emitter *e, const char *name, const char *shape);
gr_value *gr_emit_number(gr_emitter *e, double value); /* real scalar */
#endif
