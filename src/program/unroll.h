/* unroll.h - what the parts of unroll share: where the values of the graph lie. */
#ifndef GR_PROGRAM_UNROLL_H
#define GR_PROGRAM_UNROLL_H

#include "program/build.h"

/* What a value's mark points to while unrolling. */
typedef struct place {
    int readers;
    bool needs_dense;  /* some reader copies it where it has gaps */
    bool own;          /* nothing else lies in its elements */
    bool taken;        /* something is written over it */
    gr_operand *at;    /* NULL: not placed yet */
    gr_operand *dense; /* a dense copy, made in the loop that the value is of */
    gr_operand *wish;  /* where it should be written */
    bool in_parts;     /* a concatenation whose inputs are written there */
} place;

typedef struct unroller {
    gr_build *b;
    gr_program *p;
    gr_arena *a;
    int loop;          /* the innermost open loop */
} unroller;

typedef struct carry_place {
    int buffer;
    bool full;              /* keeps all steps */
    gr_operand read, write; /* in the body */
} carry_place;

typedef struct scan_place {
    gr_node *node;
    const gr_scan *scan;
    int depth;              /* of the new loop */
    carry_place *carry;
    gr_operand *stack;      /* stacked values' slots, in the body */
    gr_operand *stacked;    /* whole, outside */
} scan_place;

place *place_of(unroller *u, const gr_value *v);
/* The value of the body that is stacked as j; what comes of it outside. */
const gr_value *stack_value(const scan_place *s, int j);
const gr_value *stack_output(const scan_place *s, int j);
/* The part of a concatenation's output that is input i. */
gr_operand part_of(const gr_node *n, const gr_operand *whole, int i);
gr_layout layout_of(const gr_operand *o);
/* A view v of what lies at `in`. */
gr_operand viewed(const gr_value *v, const gr_operand *in, const gr_layout *layout);

/* overlay.c: places stacked value j over a sequence that ends there, if there is one; the arguments of
 * the body have their places. */
bool overlay(unroller *u, scan_place *s, int j);
#endif
