/* exec.h - a worker's list with all addresses worked out, and its execution. */
#ifndef GR_RUN_EXEC_H
#define GR_RUN_EXEC_H

#include "kernel/tape.h"
#include "run/fault.h"
#include "run/pool.h"
#include "run/trace.h"

/* A pointer that changes in loops: base + sum of stride * index (modulo ring). In bytes. */
typedef struct gr_move_term { int64_t stride; int32_t depth, ring, shift; } gr_move_term;
typedef struct gr_move {
    void **to;
    char *base;
    int num_terms;
    gr_move_term term[GR_MAX_LOOPS];
} gr_move;

typedef struct gr_worker_run gr_worker_run;

typedef struct gr_task {
    const gr_template *t;
    gr_worker_run *worker;
    int64_t begin, end;
    gr_kernel_fn run;      /* GR_TASK_KERNEL */
    gr_call call;          /* its tensors are this task's own */
    gr_tape_plan *tape;    /* GR_TASK_TAPE; of a tile: GR_TASK_PRODUCT */
    gr_tensor *in, *out;   /* all of the template's operands */
    gr_move *moves;
    int num_moves;
    bool random;
    int64_t random_rows;
} gr_task;

struct gr_worker_run {
    const gr_program *program;
    gr_faults *faults;     /* of all workers */
    gr_faults *reasons;    /* likewise, why values are NaN */
    const gr_worker_list *list;
    gr_task *task;         /* by instruction; only RUNs are filled */
    char *scratch;
    gr_tape_constants *constants; /* of all workers */
    int index, threads, spins;
    int64_t *base;         /* progress of all workers when the run began */
    int64_t *seen;         /* the highest count seen of each worker */
    gr_signal **progress;
    uint64_t seed;
    int64_t step;
    int64_t *loop_index;   /* where each loop is, by depth */
    gr_trace *trace;       /* NULL: none */
};

/* Works out all that is the same in every run. where[b]: the memory of buffer b. All lives
 * in `a`. */
void gr_prepare_worker(gr_arena *a, gr_worker_run *w, char *const *where);
/* Runs the list once. With several workers it waits, and counts if another waits for it. */
void gr_run_list(gr_worker_run *w);
#endif
