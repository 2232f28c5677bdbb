/* pass.h - the passes: one table, one signature, run in order.
 *
 * A pass takes the graph as the pass before left it and returns it changed, or a new
 * one (expand: in the arena of the request, and whatever follows too). In a debug build the graph's invariants are checked after
 * each. No pass knows an op by name: it asks traits and roles. */
#ifndef GR_PASS_PASS_H
#define GR_PASS_PASS_H

#include "graph/emit.h"
#include "graph/graph.h"

/* What is wanted of the graph, besides what the model's file says. */
typedef struct gr_request {
    gr_arena *arena;             /* of the graph that comes out; NULL: the raw graph's */
    const char *const *fetch;    /* names of values to be results; NULL-ended or NULL */
    const char *const *grad;     /* names: d(of)/d(name) becomes the result "grad:<name>" */
    const char *of;              /* the differentiated value; NULL: minimize */
    const char *minimize;        /* name of the loss; NULL: no training */
    bool train;                  /* with backward pass and update */
    bool training;               /* what Dropout asks: train mode */
    bool frozen;                 /* weights stay as they are from run to run: what is made of them is kept */
    gr_dtype packed_dtype;       /* where frozen: GR_BFLOAT16, GR_FLOAT16: products keep weights so; else as they are */
    bool keep_all;               /* every forward value becomes a result, for finding the first
                                    that is not finite; no hoisting, no fusing */
    /* The training loop's own part, emitted after differentiation: clip, update, commit.
     * params[i] is a trainable state, grads[i] its gradient (NULL: none reaches it).
     * Sets states' `next`. */
    int (*update)(void *data, gr_emitter *e, int n, gr_state **params, gr_value **grads, gr_value *loss);
    void *update_data;
    /* carry: after expansion, ties states to a node ("carry: rnn"). */
    int (*prepare)(void *data, gr_graph *root);
    void *prepare_data;
    int64_t (*axis_length)(void *data, const char *axis); /* -1: unknown */
    void *axis_data;
} gr_request;

typedef gr_graph *(*gr_pass_fn)(gr_graph *g, const gr_request *r);
typedef struct gr_pass {
    const char *name;
    const char *summary;
    gr_pass_fn run;
    bool optimising; /* left out under keep_all */
} gr_pass;

/* expand infer tabulate differentiate merge hoist tile fuse layout; ends with name NULL. */
extern const gr_pass gr_passes[];

/* Runs them up to and including `last` (NULL: all). NULL after diagnostics in g->diag. */
gr_graph *gr_run_passes(gr_graph *g, const gr_request *r, const char *last);

gr_graph *gr_pass_expand(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_infer(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_tabulate(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_differentiate(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_merge(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_hoist(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_tile(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_fuse(gr_graph *g, const gr_request *r);
gr_graph *gr_pass_layout(gr_graph *g, const gr_request *r);
#endif
