/* build.h - what the stages of src/program share while a program is made.
 *
 * The templates, in their order, with every loop run through, are what one thread
 * executes: the sequential program. It is right by itself; all dependencies are found
 * afterwards from the addresses that its templates touch (conflict.c), so that whatever
 * unroll, inplace and plan do to memory, every schedule that respects them gives the
 * sequential program's result. */
#ifndef GR_PROGRAM_BUILD_H
#define GR_PROGRAM_BUILD_H

#include "program/program.h"

/* A carry kept in a ring of two slots: step i reads slot i % 2 and writes the other. */
typedef struct gr_ring { int buffer, loop; } gr_ring;
/* A state whose next value is moved into it by the copy at template `copy`. */
typedef struct gr_commit { int state, copy; } gr_commit;

typedef struct gr_build {
    gr_program *p;
    gr_arena *a;
    gr_error *e;
    int cap_buffers, cap_templates, cap_loops, cap_deps, cap_results;
    gr_ring *rings; int num_rings, cap_rings;
    gr_commit *commits; int num_commits, cap_commits;
    const char *too_large; /* a buffer that no memory can hold; NULL: none */
} gr_build;

/* unroll.c: templates, loops and buffers of the whole graph. 0 or -1 with e filled. */
int gr_unroll(gr_build *b);
/* compute.c: the template of a node that computes. in[i]: where its inputs are (NULL:
 * absent); out[i]: where its outputs shall be. */
int gr_add_compute(gr_build *b, const gr_node *n, int loop, const gr_operand *const *in, const gr_operand *out);
void gr_add_copy(gr_build *b, const gr_node *n, int loop, const gr_operand *from, const gr_operand *to);
/* From the operands as they are: units and scratch. */
void gr_template_measure(gr_build *b, gr_template *t);
/* apart.c: whether t treats the `steps` entries of the leading axis of what it makes one apart from the other;
 * whether its input i then has them in its leading axis (all of a tape have). */
bool gr_steps_apart(gr_arena *a, const gr_template *t, int64_t steps);
bool gr_has_steps(const gr_template *t, int i, int64_t steps);
/* band.c: loops whose rows never meet become one for each of so many workers (0: of the cores), if there are rows
 * enough; before chunk.c. */
void gr_band_loops(gr_build *b, int workers);
/* early.c: what sets much memory free moves up behind what it reads; after band.c. workers: as there,
 * or GR_ANY_WORKERS. */
void gr_order_early(gr_build *b, int workers);
/* chunk.c: what feeds a loop from the loop before it is made chunk by chunk, in a loop around
 * both; before memory is planned. */
void gr_chunk_loops(gr_build *b);
/* inplace.c: lets outputs take the memory of inputs that end there. */
void gr_share_in_place(gr_build *b);
/* plan.c: first and last, offsets; arena_bytes and the like. overlap: loops may run beside others, for which
 * they need more memory. */
void gr_plan_lifetimes(gr_program *p);
void gr_plan_memory(gr_build *b, bool overlap);
/* conflict.c: deps, from the planned addresses. */
void gr_find_dependencies(gr_build *b);

/* operand.c */
int gr_add_buffer(gr_build *b, gr_buffer_kind kind, const char *name, const gr_type *slot, int64_t slots, int loop);
/* The whole of a buffer's first slot as `t`, dense. */
gr_operand gr_operand_dense(int buffer, const gr_type *t);
bool gr_operand_same(const gr_operand *a, const gr_operand *b); /* the same elements at every step */
/* The elements from the first to behind the last that `o` touches in loops [from,
 * GR_MAX_LOOPS) run through and loops before it at index 0, in bytes from the buffer's
 * start. count[l]: the loops' lengths. false: none. */
bool gr_operand_bounds(const gr_operand *o, int from, const int64_t *count, int64_t *low, int64_t *high);
/* Whether [xl, xh) and [yl + s e, yh + s e) overlap for any integer e from -most to most. */
bool gr_ranges_meet(int64_t xl, int64_t xh, int64_t yl, int64_t yh, int64_t s, int64_t most);
/* Whether one of n operands lies in the buffer. */
bool gr_touches(const gr_operand *o, int n, int buffer);
/* Whether t and u may be computed in either order: neither writes where the other reads or writes. By buffers. */
bool gr_may_swap(const gr_template *t, const gr_template *u);
int gr_loop_depth(const gr_program *p, int loop); /* -1: depth -1 */
/* Is `inner` the loop `outer` or within it? Everything is within -1. */
bool gr_loop_within(const gr_program *p, int inner, int outer);
/* The loop around both a and b, -1: none. */
int gr_loop_common(const gr_program *p, int a, int b);
/* The loop around or at `inner` that stands directly in `outer`; -1: inner is outer. */
int gr_loop_below(const gr_program *p, int inner, int outer);
#endif
