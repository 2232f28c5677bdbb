/* schedule.h - who runs what, and when: one static list a worker.
 *
 * A list is a tree of loops, flattened: instructions run in order, LOOP jumps back until
 * its count is done. Each worker counts the tasks that it has finished; the number after
 * any task is affine in the loop indices, so a wait is "worker w has finished at least
 * base + sum over loops of step[l] * index[l]". One that keeps behind another loop adds `each`
 * for every iteration of that loop which it waits for: q = lag(index[depth]), at most `last`;
 * it is void where q < 0. */
#ifndef GR_PROGRAM_SCHEDULE_H
#define GR_PROGRAM_SCHEDULE_H

#include "program/program.h"

typedef struct gr_wait {
    int worker, depth;
    int64_t base, step[GR_MAX_LOOPS];
    gr_lag lag;           /* div 0: none */
    int64_t each, last;
} gr_wait;

/* What w waits for at these indices of the open loops; INT64_MIN: nothing. */
static inline int64_t gr_wait_count(const gr_wait *w, const int64_t *index)
{
    int64_t count = w->base;
    for (int l = 0; l < GR_MAX_LOOPS; l++) count += w->step[l] * index[l];
    if (w->lag.div == 0) return count;
    int64_t q = gr_lag_at(&w->lag, index[w->depth]);
    return q < 0 ? INT64_MIN : count + w->each * (q < w->last ? q : w->last);
}

typedef enum gr_instruction_kind { GR_RUN, GR_LOOP_BEGIN, GR_LOOP_END } gr_instruction_kind;

typedef struct gr_instruction {
    gr_instruction_kind kind;
    int loop;               /* LOOP_*: which; the jump target is `jump` */
    int jump;
    int template_index;     /* RUN */
    int64_t begin, end;     /* its units */
    int first_wait, num_waits;
} gr_instruction;

/* What follows LOOP_BEGIN or LOOP_END, the i-th of a list, and the loop's index then. */
static inline int gr_follow_loop(const gr_program *p, const gr_instruction *ins, int i, int64_t *index)
{
    const gr_loop_info *loop = &p->loops[ins->loop];
    if (ins->kind == GR_LOOP_END && ++index[loop->depth] < loop->count) return ins->jump;
    index[loop->depth] = 0;
    return i + 1;
}

typedef struct gr_worker_list {
    gr_instruction *ins; int num_ins;
    gr_wait *waits; int num_waits;
    int64_t tasks;          /* finished in one run of the program */
    bool awaited;           /* another worker waits for one of its tasks */
    int core;               /* hwloc logical index of its core; -1: not bound */
    double load;            /* predicted nanoseconds */
} gr_worker_list;

/* How a group of loops is shared out (place.c). */
typedef enum gr_loop_split {
    GR_SPLIT_COLUMNS,   /* each loop by columns over all workers, or on one where that is faster */
    GR_SPLIT_WAVEFRONT, /* each layer or direction on a team of its own, beside or behind the others */
    GR_SPLIT_WHOLE,     /* the same with teams of one worker */
    GR_LOOP_SPLITS
} gr_loop_split;

/* What was chosen for an outermost loop, and why. */
typedef struct gr_choice {
    int loop;
    gr_loop_split split;
    int workers;                /* that share each of its steps */
    double ns[GR_LOOP_SPLITS];  /* predicted for its group and what follows up to the next; 0: not tried */
} gr_choice;

/* Workers first .. first + count - 1, each with a share of the units. */
typedef struct gr_team { int first, count; } gr_team;

struct gr_schedule {
    int threads;
    const gr_team *team;    /* of each template */
    gr_choice *choices; int num_choices; /* of every outermost loop, where there are several workers */
    gr_worker_list *worker;
    double predicted;       /* nanoseconds of one run */
    gr_schedule *fewer;     /* the same program for fewer threads, NULL: it is not made */
};

/* What scheduling knows of the machine. */
typedef struct gr_topology {
    int cores;              /* usable by this process */
    const int *core;        /* hwloc logical indices, nearest together first */
    size_t l1_bytes, l2_bytes, l3_bytes; /* of one core, of one core, shared */
    double gflops;          /* of a core, in products */
    double bytes_per_ns;    /* memory bandwidth of a core */
    double wait_ns;         /* of a hand-over between cores */
    double crowd;           /* how many times as long each takes while all compute; 0: as long */
} gr_topology;

/* synthetic: hwloc's description, or NULL for this machine. topology.c is the only user
 * of hwloc.h. */
gr_topology *gr_topology_get(gr_arena *a, const char *synthetic, gr_error *e);
/* How many cores this process may use, however many of its threads are bound. Reads the machine, when first asked. */
int gr_topology_usable(void);
/* Binds the calling thread to the core, -1: to all that the process may use; a failure is
 * harmless. Threads inherit the binding of the one that makes them. */
void gr_topology_bind(int core);

/* threads 0: as many as pay. The results of a run do not depend on it. */
gr_schedule *gr_schedule_create(gr_arena *a, const gr_program *p, const gr_topology *t, int threads, gr_error *e);
/* The same with those for fewer threads, a few numbers down to one, as its `fewer`. `most`: of the workers
 * that there are. Where none of them lets loops run beside others, the program's memory is packed. */
gr_schedule *gr_schedule_ladder(gr_arena *a, gr_program *p, const gr_topology *t, int threads, int most, gr_error *e);
/* The lists again, for the dependencies as they are now; who computes what stays. 0 or a negative status. */
int gr_schedule_rewrite(gr_arena *a, const gr_program *p, gr_schedule *s, gr_error *e);
/* The number of threads that follows n on the way down from `most`; 0 after 1. */
int gr_threads_below(int n, int most);
#endif
