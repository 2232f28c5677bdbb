/* program.h - the unrolled time-step graph as templates, its memory, its schedule.
 *
 *     unroll    graph after "layout" -> steps: nodes with operands whose addresses are
 *               affine in the loop indices, in a tree of loops
 *     plan      every buffer gets an offset in one arena
 *     schedule  for a number of threads: a list for each worker
 *
 * A program is immutable once scheduled and may be run by one run at a time. */
#ifndef GR_PROGRAM_PROGRAM_H
#define GR_PROGRAM_PROGRAM_H

#include "graph/graph.h"
#include "kernel/tape.h"

#define GR_MAX_LOOPS 4 /* nested loops */

/* A piece of memory of the program: a value and all views of it, all steps of it. */
typedef enum gr_buffer_kind {
    GR_BUFFER_ARENA,    /* planned, lives between its first writer and last reader */
    GR_BUFFER_STATE,    /* a state: session memory, kept between runs */
    GR_BUFFER_FEED,     /* an Input: filled by the caller before a run */
    GR_BUFFER_CONSTANT, /* filled once, when the program is made */
    GR_BUFFER_RESULT,   /* readable after a run; never shared */
} gr_buffer_kind;

typedef struct gr_buffer {
    gr_buffer_kind kind;
    const char *name;
    gr_type type;      /* of one slot */
    int64_t slots;     /* how many steps of it are kept; 1 outside loops */
    size_t bytes;      /* in all, a multiple of 64 */
    size_t offset;     /* in the arena, once planned */
    int first, last;   /* template positions of first write and last access */
} gr_buffer;

/* address = base(buffer) + element size * (offset + sum over l of stride[l] * index(l)),
 * where the index of loop l runs 0 .. count-1 in order of execution, and with ring[l] > 0
 * is taken modulo ring[l] (plus ring_shift[l]) first. */
typedef struct gr_operand {
    int buffer;        /* -1: absent */
    gr_tensor tensor;  /* data NULL; dims and strides of what the kernel sees */
    int64_t offset;
    int64_t stride[GR_MAX_LOOPS];
    int32_t ring[GR_MAX_LOOPS], ring_shift[GR_MAX_LOOPS];
} gr_operand;

/* A task template: one node, to be run at every step of the loops around it. */
typedef struct gr_template {
    const gr_node *node;
    int loop;          /* the innermost loop it stands in, -1: none */
    int num_in, num_out;
    gr_operand *in, *out;
    int64_t units;     /* how many independent pieces; a function of shapes alone */
    double cost;       /* predicted nanoseconds of all units, one step */
    size_t scratch;
} gr_template;

typedef struct gr_loop_info {
    const gr_node *scan;
    int parent;        /* -1: outermost */
    int64_t count;
    bool reverse;
    int first, last;   /* templates [first, last) stand in it (also through inner loops) */
} gr_loop_info;

/* Template `reader` must wait for `writer`, `distance` iterations of their innermost common
 * loop earlier (0: the same). */
typedef struct gr_dependency { int writer, reader, distance; } gr_dependency;

typedef struct gr_schedule gr_schedule; /* schedule.h */

typedef struct gr_program {
    gr_arena *arena;
    gr_graph *graph;
    gr_dtype real;
    gr_buffer *buffers; int num_buffers;
    gr_template *templates; int num_templates; /* in an order that one thread may run */
    gr_loop_info *loops; int num_loops;
    gr_dependency *deps; int num_deps;
    size_t arena_bytes, scratch_bytes;
    size_t state_bytes, feed_bytes, constant_bytes, result_bytes;
} gr_program;

/* From a graph that all passes have run on. NULL with e filled. */
gr_program *gr_program_create(gr_arena *a, gr_graph *g, gr_error *e);
/* The buffer of a state, an Input, a result by name; -1 if there is none. */
int gr_program_state(const gr_program *p, const char *name);
int gr_program_feed(const gr_program *p, const char *name);
int gr_program_result(const gr_program *p, const char *name);
#endif
