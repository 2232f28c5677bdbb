/* gradient.h - what differentiate.c, reach.c and scan_gradient.c share.
 *
 * Reverse mode walks the nodes of a graph from the last to the first. The adjoint
 * of a value is the derivative of the objective with respect to it: the sum of what
 * each of its readers contributes. At the root, adjoints are emitted into the graph
 * itself. The adjoints of a loop's body are emitted into the body of a second loop
 * that runs the other way, and forward values are imported into it on demand. */
#ifndef GR_PASS_GRADIENT_H
#define GR_PASS_GRADIENT_H

#include "pass/pass.h"

/* A term of an adjoint that lies in [start, stop) of axis `dim` (negative). */
typedef struct ad_part {
    gr_value *grad;
    int dim;
    int64_t start, stop;
} ad_part;

/* gr_value.mark of a forward value while the pass is at work. */
typedef struct ad_mark {
    bool wanted; /* depends on a value whose gradient is asked for */
    bool useful; /* the objective depends on it */
    gr_value **terms; int num_terms, cap_terms; /* of its adjoint, in the backward graph */
    ad_part *parts; int num_parts, cap_parts;
    gr_value *import; /* the value as the backward graph sees it */
} ad_mark;

/* One graph under differentiation. */
typedef struct ad_level {
    struct ad_level *outer;
    gr_graph *forward, *backward; /* the same at the root, and where the forward nodes stand again */
    gr_node *scan;                /* whose body `forward` is; NULL at the root */
    gr_node *loop;                /* whose body `backward` is */
    gr_value **arg, **result;     /* of the scan's body, as `forward` has them */
    gr_emitter *emitter;          /* into `backward` */
    gr_value *summed_from, *summed; /* the last term that was summed down, and to what */
    struct ad_sum { gr_value *term, *carry; } *sums; /* accumulators of the loop */
    int num_sums, cap_sums;
    gr_value **stacked; int num_stacked, cap_stacked; /* forward values that are imported from memory of their own */
} ad_level;

/* invariant.c */
/* Moves what is the same at every step out of all loops. 0 or -1. */
int ad_move_invariants(gr_graph *g);
/* Whether v's node has no inputs and may be made again anywhere. */
bool ad_is_constant(const gr_value *v);

/* reach.c */
ad_mark *ad_mark_of(gr_value *v);
/* Forgets the marks of g and all bodies. */
void ad_clear_marks(gr_graph *g);
/* Whether input i of a node passes gradients on at all. */
bool ad_differentiable(const gr_node *n, int i);
/* Spread `wanted` along the edges, and `useful` against them, to a fixpoint through
 * the carries of loops. */
void ad_reach_wanted(gr_graph *g);
void ad_reach_useful(gr_graph *g);

/* adjoint.c */
bool ad_has_adjoint(gr_value *v);
/* The adjoint of a forward value of the level, NULL where it is zero. */
gr_value *ad_adjoint(ad_level *l, gr_value *v);
/* The graph that it is in; NULL where it is zero. */
gr_graph *ad_adjoint_graph(gr_value *v);
/* Adds a term; one with v's broadcast shape is summed down to v's own. */
void ad_add_term(ad_level *l, gr_value *v, gr_value *term);
void ad_add_part(ad_level *l, gr_value *v, ad_part part);

/* differentiate.c */
/* Emits the gradients of all nodes of l->forward. 0 or -1. */
int ad_walk(ad_level *l);

/* scan_gradient.c */
int ad_scan_gradient(ad_level *outer, gr_node *scan);
/* The forward value v as l->backward sees it, at the step in hand. */
gr_value *ad_import(ad_level *l, gr_value *v);
#endif
