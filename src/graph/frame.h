/* frame.h - what an emitter knows while an op speaks; private to src/graph.
 *
 * A frame stands for one node in hand. Frames nest as composites expand; each says where
 * its inputs come from and where its results go. */
#ifndef GR_GRAPH_FRAME_H
#define GR_GRAPH_FRAME_H

#include "graph/emit.h"

typedef enum gr_frame_kind {
    GR_FRAME_INFER,  /* a node of the graph; its types are wanted */
    GR_FRAME_EXPAND, /* a composite that becomes other nodes */
    GR_FRAME_VIEW,   /* a node that a pass shows through a gr_node_view */
} gr_frame_kind;

typedef struct gr_op_frame {
    struct gr_op_frame *outer;
    gr_frame_kind kind;
    const gr_op *op;
    gr_attr *attr;
    const gr_loc *attr_at, *port_at;
    gr_loc at;
    const char *prefix;  /* of nodes emitted; scopes add to it */
    const char *params;  /* of parameters emitted */
    const char **scopes; int num_scopes, cap_scopes; /* the prefixes to go back to */
    gr_node *node;       /* INFER */
    gr_value *const *in; /* INFER, EXPAND */
    const int *port;
    int num_in;
    gr_value **result; int num_results, cap_results; /* EXPAND */
    const gr_tie *ties; int num_ties; bool *tie_used; /* EXPAND */
    const gr_node_view *view;
} gr_op_frame;

/* The outputs of a composite, so that gr_output() finds the others by the first. */
typedef struct gr_emitted {
    const gr_value *first;
    gr_value **out;
    int count;
} gr_emitted;

struct gr_emitter {
    gr_ctx ctx;
    gr_graph *graph;  /* where nodes go now */
    gr_phase phase;
    gr_op_frame *frame;
    const char *prefix, *params, *suffix;
    gr_loc at;
    void *in_hand;    /* gr_emitter_in_hand */
    gr_value *unknown; /* stands for every value that could not be made */
    gr_emitted *emitted; int num_emitted, cap_emitted;
};

/* What output i of the op is called: by its port, or its number. */
const char *gr_output_name(gr_emitter *e, const gr_op *op, int i);

extern const gr_host gr_host_functions;

/* Those of gr_host that are about loops (loop.c). */
gr_loop *gr_host_loop_begin(gr_ctx *c, const char *name, bool reverse);
int gr_host_loop_lengths(gr_ctx *c, gr_loop *l, gr_val lengths);
void gr_host_loop_recompute(gr_ctx *c, gr_loop *l, int64_t every);
gr_val gr_host_loop_slice(gr_ctx *c, gr_loop *l, const char *name, gr_val sequence);
gr_val gr_host_loop_carry(gr_ctx *c, gr_loop *l, const char *name, gr_val init);
int gr_host_loop_next(gr_ctx *c, gr_loop *l, gr_val carry, gr_val next);
int gr_host_loop_stack(gr_ctx *c, gr_loop *l, const char *name, gr_val v);
gr_val gr_host_loop_end(gr_ctx *c, gr_loop *l);

/* "a.b"; an empty part adds nothing. */
const char *gr_path_join(gr_arena *a, const char *prefix, const char *name);
gr_value *gr_unknown_value(gr_emitter *e);
/* The other outputs of the op whose first output v is. */
gr_value *gr_emitted_output(gr_emitter *e, gr_value *v, int index);
/* -1 after a message if no value of g can be of type t. */
int gr_check_type(gr_emitter *e, const gr_graph *g, const gr_type *t);
/* An op did what op.h or host.h forbids, "asks for ...": it is not gone on with (gr_blame), and its name is told. */
GR_PRINTF(2, 3) _Noreturn void gr_misuse(const gr_ctx *c, const char *fmt, ...);
/* Where an attribute or input of the node in hand is written, or the node itself. */
gr_loc gr_fault_place(const gr_emitter *e, gr_at at, const char *which);
int gr_frame_fail(gr_emitter *e, gr_at at, const char *which, const char *fmt, va_list args);
#endif
