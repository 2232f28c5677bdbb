/* hoist.h - the parts of the pass "hoist".
 *
 *     hoist.c       which nodes of a loop's body go where
 *     hoist_sum.c   sums: their loop-invariant terms, accumulators
 *     hoist_emit.c  the loops and whole-sequence nodes that take the loop's place */
#ifndef GR_PASS_HOIST_H
#define GR_PASS_HOIST_H

#include "graph/emit.h"
#include "graph/graph.h"
#include "pass/dag.h"
#include "pass/rewrite.h"

typedef enum gr_place {
    GR_ONCE,    /* the same at every step: made once, outside */
    GR_WHOLE,   /* needs no carry: one node over the whole sequence */
    GR_IN_LOOP, /* stays in a loop: that of its group */
} gr_place;

/* A value of the old body as others see it, each made when first asked for. */
typedef struct gr_form {
    gr_value *once;    /* outside, the same at every step */
    gr_value *stacked; /* outside, [time, ...] */
    gr_value *inner;   /* in the body of the new loop `loop` */
    gr_node *loop;
    int carry;         /* in `loop`, if it is the arg of one */
} gr_form;

/* A carry that only gathers: next = carry + terms, read by nobody else. */
typedef struct gr_gather {
    gr_value *arg;
    gr_node *sum;
    gr_value *total; /* outside, once emitted */
    gr_node **kept;  /* deferred nodes that turned out to need the loop, in order */
    int num_kept, cap_kept;
} gr_gather;

typedef struct gr_hoister {
    gr_graph *g;       /* the graph around */
    gr_node *scan;     /* the loop taken apart */
    gr_graph *body;
    gr_emitter *emitter;
    int n;             /* nodes of the body */
    int loops;         /* made so far */
    gr_readers *readers;
    bool *pinned;
    gr_dag *dag;
    gr_partition *groups;
    gr_place *place;   /* by node */
    bool *deferred;    /* by node: made by the accumulator that alone reads it */
    gr_gather **gather;/* by node: of a sum that is an accumulator's next */
    gr_value **total;  /* by carry: its last value where an accumulator made it */
} gr_hoister;

static inline gr_place gr_place_of(const gr_hoister *h, const gr_value *v) { return h->place[gr_number(v->node)]; }
static inline bool gr_is_carry(const gr_value *v, int *number)
{
    return v->node->op->role == GR_ROLE_ARG && gr_arg_kind(v, number) == GR_ARG_CARRY;
}

/* ---- hoist_sum.c ---- */

/* A sum of sums becomes one sum, where the inner one has no other reader. */
void gr_flatten_sums(gr_graph *body);
/* The terms of a sum that are not of its own component become a sum of their own. comp: by
 * node. Returns whether anything changed. */
bool gr_split_sums(gr_graph *body, const int *comp, int num_nodes);
/* Finds the accumulators, and which nodes they make themselves. */
void gr_find_gathers(gr_hoister *h);
/* Emits what can be summed without a loop. The terms that cannot be are left in `rest`;
 * returns their number. */
int gr_emit_gather(gr_hoister *h, gr_gather *a, gr_value **rest);

/* ---- hoist_emit.c ---- */
gr_form *gr_form_of(gr_value *v);
/* v over the whole sequence, [time, ...]. */
gr_value *gr_stacked_form(gr_hoister *h, gr_value *v);
gr_value *gr_once_form(gr_hoister *h, gr_value *v);
/* v as a reader outside that takes either form has it. */
gr_value *gr_outer_form(gr_hoister *h, gr_value *v);
/* The node over whole sequences, or in a loop of its own where it has no batching rule. */
void gr_emit_whole(gr_hoister *h, gr_node *n);
void gr_emit_group(gr_hoister *h, gr_node **members, int num_members);
/* The whole history of a carry, [time + 1, ...], and its last value. */
gr_value *gr_history_form(gr_hoister *h, gr_value *arg, int carry);
gr_value *gr_last_form(gr_hoister *h, gr_value *arg, int carry);
/* A node of the op, seen with its operands' outer forms, calls fn (batch, accumulate), which
 * gives result[0 .. num_out). Returns what fn does. */
int gr_call_outside(gr_hoister *h, gr_node *n, int (*fn)(gr_ctx *), gr_value **result);
#endif
