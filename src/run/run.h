/* run.h - workers that run programs.
 *
 * A gr_pool is a set of threads (the caller is worker 0). A gr_run is a program
 * with its memory, bound to state memory that outlives it. After gr_run_create nothing
 * is allocated. */
#ifndef GR_RUN_RUN_H
#define GR_RUN_RUN_H

#include "program/schedule.h"

typedef struct gr_pool gr_pool;
gr_pool *gr_pool_create(const gr_memory *m, const gr_topology *t, int threads, gr_error *e);
void gr_pool_destroy(gr_pool *p);
int gr_pool_threads(const gr_pool *p);
/* Of them, how many runs use now: fewer while another process holds a core (adapt.h). How often that
 * has changed. Results do not depend on it. */
int gr_pool_in_use(const gr_pool *p);
int64_t gr_pool_switches(const gr_pool *p);
/* So many at most from the next step on, until steps show that another number is faster. */
void gr_pool_use(gr_pool *p, int threads);

/* What all programs of a session share: the memory of states, by name, and a workspace, since
 * one of them runs at a time. */
typedef struct gr_store gr_store;
gr_store *gr_store_create(const gr_memory *m);
/* States that `of` has, and s has not, are those of `of` from now on. It must outlive s, and whoever asks s for a
 * state while others use `of` holds their lock. */
void gr_store_share(gr_store *s, const gr_store *of);
void gr_store_destroy(gr_store *s);
/* Memory for a state of that type, zeros at first; the same again for the same name. NULL: no memory, or
 * another type. *is_new (may be NULL) tells whoever asks first that it has not been filled yet. */
void *gr_store_get(gr_store *s, const char *name, const gr_type *t, bool *is_new, gr_error *e);
/* As gr_store_get, but never what a store that s shares has under that name. */
void *gr_store_own(gr_store *s, const char *name, const gr_type *t, gr_error *e);
int gr_store_count(const gr_store *s);
/* Frees those that came after the first `count`, which no run has. */
void gr_store_shorten(gr_store *s, int count);
const char *gr_store_name(const gr_store *s, int i);
void *gr_store_data(const gr_store *s, int i, gr_type *t);

/* At least so many bytes, aligned to pages, whose content means nothing between runs. What was
 * given before stays, so ask for the largest first; the sum of all is at most thrice the
 * largest. NULL: no memory. */
void *gr_store_workspace(gr_store *s, size_t bytes);
size_t gr_store_workspace_bytes(const gr_store *s); /* of all of it */

typedef struct gr_run gr_run;
/* Plans memory, and lists for the schedule and for those of fewer threads that it leads to; the program
 * must outlive the run. */
gr_run *gr_run_create(const gr_program *p, const gr_schedule *s, gr_pool *pool, gr_store *store, uint64_t seed, gr_error *e);
void gr_run_destroy(gr_run *r); /* NULL is allowed */
size_t gr_run_bytes(const gr_run *r); /* its own memory, without the workspace */
/* The memory of an Input, to be filled before a step; of a result, to be read after. Both are
 * the run's own and stay as they are while others run. NULL: no such name. */
void *gr_run_feed(gr_run *r, const char *name, gr_type *t);
const void *gr_run_result(const gr_run *r, const char *name, gr_type *t);
/* One run of the program; `step` numbers the training step (random numbers depend on it).
 * 0; GR_ESTATE when the commit predicate was false and no state changed; GR_EINVAL when a
 * kernel refused what it was fed, which a predicate counts as false. */
int gr_run_step(gr_run *r, int64_t step);
/* What a kernel refused in the last run, and which node's; NULL: nothing. */
const char *gr_run_fault(gr_run *r, char *to, size_t room);
/* Why the first value that was NaN for a reason that its kernel knows was NaN in the last run, if node n made it; else NULL. */
const char *gr_run_reason(const gr_run *r, const gr_node *n);
/* Steps from now on are recorded in t (run/trace.h), NULL: no longer. t must be for the run's own
 * schedule and have room for them. */
struct gr_trace;
void gr_run_set_trace(gr_run *r, struct gr_trace *t);
#endif
