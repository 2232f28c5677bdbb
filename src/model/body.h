/* body.h - a map of nodes (the `graph:` of a file or a block, the `step:` of a Scan)
 * made into nodes of a graph.
 *
 * One mechanism serves all: the root's nodes are added to a raw graph, a block's and a
 * step's are emitted into a typed one while their op expands. Making a body reads its
 * nodes (when, op, inputs), orders them by what they read, and adds them one by one. A
 * node that is bad has been reported; what reads it is bad too and stays silent. */
#ifndef GR_MODEL_BODY_H
#define GR_MODEL_BODY_H

#include "graph/emit.h"
#include "model/internal.h"

typedef struct gr_body gr_body;

/* What a body is given by name: an input of a block, a sequence or a carry of a Scan. */
typedef struct gr_body_input {
    const char *name;
    int count;               /* 0: absent; more than 1: handed on to a port that takes many */
    gr_value *const *value;
    gr_loc at;               /* where it was given */
} gr_body_input;

/* One name that a node reads. */
typedef struct gr_use {
    int port;                /* input port of the reader; -1: the node's `else` */
    gr_doc *doc;
    const char *text;
    int input, item;         /* what the part before the first dot is; the other is -1 */
    const char *rest;        /* the part behind it, or NULL */
} gr_use;

typedef struct gr_item_tie {
    const char *param;
    gr_use use;
    const char *outer;       /* full name of an outer body's parameter, or NULL */
} gr_item_tie;

typedef enum gr_item_state { GR_ITEM_NEW, GR_ITEM_BUSY, GR_ITEM_DONE } gr_item_state;

typedef struct gr_item {
    const char *name;
    gr_doc *doc;
    const gr_op *op;
    gr_item_state state;
    bool absent;             /* its `when` is false */
    bool bad;
    bool share;
    int64_t repeat;          /* 0: not repeated */
    gr_use *uses; int num_uses, cap_uses;
    gr_item_tie *ties; int num_ties, cap_ties;
    int *before; int num_before, cap_before; /* items to be made before this one, though it reads none of them */
    int visited;             /* while ordering: how many of uses, ties and before, in this order, have been seen to */
    /* once made; of a repeated node the last copy's */
    gr_node *raw;
    gr_value **out; const char **out_name; int num_out;
    gr_value **copy;         /* first output of each copy */
} gr_item;

struct gr_body {
    gr_model *m;
    gr_scope *scope;
    gr_doc *doc;             /* map of nodes */
    const char *what;        /* for messages: "this graph", "block 'Cell'" */
    gr_body *outer;          /* of a Scan's step */
    const gr_body_input *inputs; int num_inputs;
    gr_graph *raw;           /* where nodes are added, or */
    gr_emitter *e;           /*   emitted; neither: only checked, what `vars` hide unknown */
    const char *params;      /* what names of its parameters begin with */
    gr_item *items; int num_items;
    int *busy; int num_busy; /* the way down while ordering */
};

/* Reads, orders and makes all nodes. Gives the number of nodes that are bad. */
int gr_body_make(gr_body *b);
/* The value that doc names, seen from the body; NULL if it is bad (said so) or absent
 * (an error here, in `what`). */
gr_value *gr_body_value(gr_body *b, gr_doc *doc, const char *what);
gr_item *gr_body_find(const gr_body *b, const char *name);

/* ---- shared by body.c, item.c ---- */
/* Fills u from doc; -1 if no such name is here (said so). */
int gr_body_use(gr_body *b, gr_doc *doc, gr_use *u);
/* when, op, repeat, inputs, ties of one node. */
void gr_item_read(gr_body *b, gr_item *it);
/* Adds or emits it; what it reads is made. */
void gr_item_make(gr_body *b, gr_item *it);
/* The values of a use. 1: some, 0: absent, -1: bad. */
int gr_use_values(gr_body *b, const gr_use *u, gr_value *const **v, int *n);

/* ---- ops that are made for a node ---- */
bool gr_op_is_block(const gr_op *op);
bool gr_op_is_scan(const gr_op *op); /* one that gr_scan_op made */
/* A Scan: an op whose ports are its sequences, `with` and initial values; adds uses. */
const gr_op *gr_scan_op(gr_body *b, gr_item *it, const gr_op *scan);
/* A GR_OVER_CELL op with the attributes and carries of its cell; NULL after an error. */
const gr_op *gr_over_op(gr_body *b, gr_item *it, const gr_op *over);

/* ---- blocks ---- */
/* Registers the blocks of ops/ *.yaml, and those of the file. */
void gr_model_builtin_blocks(gr_model *m);
void gr_model_blocks(gr_model *m);
/* The blocks of ops/ alone, for a graph that no model file describes. */
void gr_registry_add_cells(gr_arena *a, gr_registry *r, gr_diag *d);
#endif
