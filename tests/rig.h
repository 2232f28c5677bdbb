/* rig.h - small graphs made by hand or at random, and ways to run them. */
#ifndef GR_RIG_H
#define GR_RIG_H

#include "graph/emit.h"
#include "run/run.h"

typedef struct rig {
    gr_arena *a;
    gr_diag *d;
    gr_graph *g;
    gr_emitter *e;
    gr_ctx *c;
} rig;

rig rig_create(gr_dtype real);
void rig_destroy(rig *r);
/* shape: "2, 3" */
gr_val rig_input(rig *r, const char *name, const char *shape);
gr_val rig_state(rig *r, const char *name, int rank, const int64_t *dim);
void rig_next(rig *r, const char *state, gr_val next);
void rig_result(rig *r, const char *name, gr_val v);
/* A graph of loops, views, products, pointwise and row ops, drawn by `seed`: feeds "x0", ...,
 * states "s0", ..., results "r0", ... */
void rig_random(rig *r, uint64_t seed);
/* A stack of loops over one sequence, which read each other's steps at once or through products,
 * row ops and pointwise ops over the whole sequence; the same names. */
void rig_random_stack(rig *r, uint64_t seed);
/* Runs the passes from `infer` on that leave values the same. */
void rig_optimise(rig *r);

/* A program that is being run. */
typedef struct session {
    gr_arena *a;
    gr_program *p;
    gr_schedule *s;
    gr_pool *pool;
    gr_store *store;
    gr_run *run;
} session;
/* Costs are such that everything that can be split is. Fills feeds and states with numbers
 * drawn by their names. Aborts if something fails. */
session session_create(gr_graph *g, int threads);
/* The same where a hand-over between threads is thought to cost so much. */
session session_create_waiting(gr_graph *g, int threads, double wait_ns);
void session_destroy(session *s);
/* Bytes of all results and states after `steps` steps, one after another; freed by the caller. */
char *session_outcome(session *s, int steps, size_t *size);
/* n numbers in (-1, 1) that depend on `name` alone. */
void rig_numbers(const char *name, gr_dtype t, int64_t n, void *to);
#endif
