/* op_walk.h - the walk over an op's cases, for the built-in ops (tests/test_ops.c) and for those of
 * plugins (graphrun test-plugin).
 *
 * A node of a case is put into graphs: alone; in a loop over three steps, with all its inputs as
 * sequences, with one of them as a sequence and the others the same at every step, and with rows that
 * end early. Of each graph gradients toward inputs and parameters are held against central differences
 * in double, values after all passes against those before, a loop against as many nodes alone (which
 * proves what an op claims of leading axes, `batch` and `accumulate`), a kernel that may write over its
 * input against itself, float against double, and what a program computes in float against that, on
 * one thread and on three. Then each length of the case becomes 1 and 0, and dims are counted from the
 * other end.
 *
 * What is found goes into op_more.report, else failures are said on standard output. Not for several
 * threads at a time. */
#ifndef GR_WALK_OP_WALK_H
#define GR_WALK_OP_WALK_H

#include "op_trial.h"

/* Whether the node is as it should be, alone and in loops. */
bool op_walk_case(const op_case *c, const op_more *more);
/* Likewise with each of its lengths as 0 and as 1, unless that is refused with a message;
 * met[0] and met[1] become true if one was not. */
bool op_walk_lengths(const op_case *c, const op_more *more, bool met[2]);
/* Whether dims that are counted from the other end make the same node. */
bool op_walk_turned(const op_case *c, const op_more *more);

/* All of it for an op by its own cases, in words of the report. Whether everything is right. a: for the walk. */
bool op_walk_op(gr_arena *a, const gr_registry *r, const gr_op *op, op_report *report);

/* A way to put the node into a graph. */
typedef struct op_way {
    gr_dtype real;
    int steps;
    unsigned whole; /* bit i: input i is the same at every step */
    bool optional;  /* a refusal with a message is fine, too */
    bool ragged;    /* rows end early */
    bool programs;  /* run as a program, on 1 and on 3 threads */
    op_check as;    /* the check that all of it belongs to; 0: each part to its own */
} op_way;
/* 1: as it should; 0: refused, as it may be; -1: wrong, and said. */
int op_try_way(const op_case *c, op_way w, const op_more *more);
/* How many inputs can be sequences, and which. */
int op_sequences(const op_case *c, const op_more *more, unsigned *all);
bool op_is_composite(const op_case *c, const op_more *more);

/* Runs the graph after the passes as a program. */
bool op_try_programs(trial *t, gr_eval *before, gr_graph *after);

/* What cannot be asked of an op: `what` of it, NULL: anything. Lists end with op NULL. */
typedef struct op_exemption {
    const char *op, *what, *why;
} op_exemption;
const char *op_exempt(const op_exemption *list, const char *op, const char *what);

/* What the cases leave out of an op's attributes, choices and inputs, each said: how many. */
int op_walk_gaps(const gr_op *op, const op_case *cases, int n, const op_exemption *no_attr, const op_exemption *no_port,
                 op_report *report);
#endif
