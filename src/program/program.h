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

#include "base/tensor.h"
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
    int loop;          /* the innermost loop that all accesses stand in, -1: none; every
                          iteration of it writes the buffer before it reads it */
    int first, last;   /* template positions of first write and last access */
    const gr_node *fill; /* GR_BUFFER_CONSTANT: the constant, or the kernel without inputs, that fills it */
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

typedef enum gr_template_kind {
    GR_TASK_KERNEL,  /* the op's kernel */
    GR_TASK_TAPE,    /* pointwise: in and out have one iteration space, axes joined where
                        they can be; a unit is GR_TAPE_TILE elements of it */
    GR_TASK_COPY,    /* moves in[0] to out[0]; a unit is GR_COPY_UNIT elements */
    GR_TASK_PRODUCT, /* a contraction with an epilogue; a unit is a tile of the product */
} gr_template_kind;
#define GR_COPY_UNIT 4096

/* A task template: one node, to be run at every step of the loops around it. */
typedef struct gr_template {
    gr_template_kind kind;
    const gr_node *node; /* a copy: the node that it serves, NULL: a state's or a result's */
    const struct gr_tape *tape;
    gr_kernel_fn run;
    int loop;          /* the innermost loop it stands in, -1: none */
    int num_in, num_out;
    gr_operand *in, *out;
    int64_t units;     /* how many independent pieces; a function of shapes alone */
    double cost;       /* predicted nanoseconds of all units, one step */
    size_t scratch;
    /* GR_TASK_PRODUCT: its scratch is [block's own][the blocks of a tile][the tape's]; the
       space of the tape is [rows, columns]. A worker runs neighbouring tiles of the same rows
       at once, up to run_cols columns. */
    int64_t tile_rows, tile_cols, run_cols;
    size_t block_scratch, tile_scratch;
    int64_t steps;     /* a chunk of a whole sequence: the length of its leading axis; 0: the node's own */
} gr_template;

typedef struct gr_loop_info {
    const gr_node *scan;
    int parent;        /* -1: outermost */
    int depth;         /* 0: outermost; the index into stride[], ring[] of operands */
    int64_t count;
    bool reverse;
    bool chunks;       /* runs through chunks of the one loop in it, which has `count` steps of each: steps
                          begin .. of `steps` in all, in order of execution (chunk.c) */
    int64_t begin, steps; /* of a loop in a loop of chunks; steps 0: it stands in none */
    int64_t first_row, rows; /* the band of its rows that it goes through, others through the rest (band.c); rows 0: all */
    int first, last;   /* templates [first, last) stand in it (also through inner loops) */
} gr_loop_info;

/* floor((mul * j + add) / div) where div > 0; nothing to say where div is 0. */
typedef struct gr_lag { int64_t mul, add, div; } gr_lag;

/* Iteration i of `loop` (-1: none) of template `after` must wait until all of template
 * `before` in iteration i - distance of that loop is done (inner loops run to their end).
 *
 * Where both stand in loops of their own below `loop`, lag.div > 0 says less: iteration j of
 * after's loop waits for the iterations 0 .. lag(j) of before's alone (none if that is
 * negative, all if there are not so many), so that one loop may run behind the other:
 *
 *     before's loop   | 0 | 1 | 2 | 3 | 4 | 5 |        lag(j) = floor((2 j + 1) / 1)
 *     after's loop            |   0   |   1   |   2   |
 *
 * All waits point backwards in the order of one thread, so no schedule can lock up. */
typedef struct gr_dependency { int before, after, loop; int64_t distance; gr_lag lag; } gr_dependency;

typedef struct gr_program_result { const char *name; gr_operand at; } gr_program_result;

typedef struct gr_schedule gr_schedule; /* schedule.h */

typedef struct gr_program {
    gr_arena *arena;
    gr_graph *graph;
    gr_dtype real;
    gr_buffer *buffers; int num_buffers;
    gr_template *templates; int num_templates; /* in an order that one thread may run */
    gr_loop_info *loops; int num_loops;
    gr_dependency *deps; int num_deps;
    gr_program_result *results; int num_results;
    int commit;              /* index of the commit predicate's hidden result, -1: none */
    size_t arena_bytes, scratch_bytes;
    size_t state_bytes, feed_bytes, constant_bytes, result_bytes;
} gr_program;

/* From a graph that all passes have run on, for any number of workers. NULL with e filled. */
gr_program *gr_program_create(gr_arena *a, gr_graph *g, gr_error *e);
/* The same, made for so many workers, which changes no bit of a result. 0: as many as there are cores, which is looked up
 * only where a loop can be cut. */
#define GR_ANY_WORKERS (-1)
gr_program *gr_program_create_for(gr_arena *a, gr_graph *g, int workers, gr_error *e);
/* Plans its memory again, as is enough where no loop runs beside another. Schedules made before must be written
 * again (gr_schedule_rewrite). 0 or a negative status with e filled. */
int gr_program_pack(gr_program *p, gr_error *e);
/* The buffer of a state or an Input by name; the result's index; -1 if there is none. */
int gr_program_state(const gr_program *p, const char *name);
int gr_program_feed(const gr_program *p, const char *name);
int gr_program_find_result(const gr_program *p, const char *name);
/* The template as a call for op->units and the like: in and out hold num_in and num_out
 * tensors, one at least; data is not NULL where the operand is present, but points
 * nowhere. A product with an epilogue is shown as the product alone. */
void gr_template_call(const gr_template *t, gr_call *call, gr_tensor *in, gr_tensor *out);
/* How often in one run of the program what stands in the loop runs; 1 in -1, none. */
double gr_iterations(const gr_program *p, int loop);
/* What a person knows the template by. */
const char *gr_template_name(const gr_template *t);
/* Whether it is a product, alone or with an epilogue. */
bool gr_is_product(const gr_template *t);
/* Floating-point operations of a product in one step; 0: it is none. */
double gr_template_flops(const gr_template *t);
/* Operations of any template on its elements in one step, a product's included; exp and the like count as one. */
double gr_template_operations(const gr_template *t);
/* The value of a lag at j; INT64_MAX where it has nothing to say. */
static inline int64_t gr_lag_at(const gr_lag *p, int64_t j)
{
    if (p->div == 0) return INT64_MAX;
    int64_t n = p->mul * j + p->add, q = n / p->div;
    return q * p->div > n ? q - 1 : q;
}
/* Which iteration loop l is in, in the order of time; of one in a loop of chunks, among all of them. */
static inline int64_t gr_loop_iteration(const gr_loop_info *l, const int64_t *index)
{
    int64_t n = l->steps ? l->steps : l->count, i = index[l->depth];
    if (l->steps) i += l->begin + index[l->depth - 1] * l->count;
    return l->reverse ? n - 1 - i : i;
}
/* One line a template, buffer and dependency. */
void gr_program_print(const gr_program *p, FILE *to);
#endif
