/* pool.h - threads that run one function together, and the counters they wait for.
 *
 * A signal is a counter that one thread raises and others wait for. Waiting spins for a
 * bounded time and then sleeps on a futex.
 *
 *     raises   count = n;  if (n >= wanted) { wanted = never;  epoch++;  wake }
 *     sleeps   e = epoch;  wanted = min(wanted, n);  if (count < n) sleep while epoch == e
 *
 * All of it sequentially consistent. Either the sleeper's look at count sees n, or the
 * raiser's look at wanted sees the sleeper (Dekker). If the raiser takes back a wish that
 * came after its look, its epoch++ comes later still than the sleeper's look at epoch, so
 * the sleeper does not sleep but tries again. */
#ifndef GR_RUN_POOL_H
#define GR_RUN_POOL_H

#include "run/run.h"
#include <stdatomic.h>

typedef struct gr_signal {
    _Alignas(128) _Atomic int64_t count; /* a cache line pair of its own; one thread raises it */
    _Atomic int64_t wanted;              /* the least count that a sleeper waits for */
    _Atomic uint32_t epoch;              /* the futex word */
} gr_signal;

void gr_signal_raise(gr_signal *s, int64_t count);
/* Until the counter is `count` at least; gives the counter. */
int64_t gr_signal_wait(gr_signal *s, int64_t count, int spins);

/* Calls fn(data, w) on workers 0 .. threads - 1, the caller being worker 0, and returns
 * when all have. One call at a time. */
void gr_pool_run(gr_pool *p, int threads, void (*fn)(void *data, int worker), void *data);
/* Worker w's progress: tasks done since the pool was made. Only w raises it. */
gr_signal *gr_pool_progress(gr_pool *p, int w);
/* How often a worker that waits within a run looks before it sleeps. */
int gr_pool_spins(const gr_pool *p);
/* For how many threads the next step is, of a program that has lists for `most` and for fewer. (adapt.h) */
int gr_pool_next_threads(gr_pool *p, int most);
/* A step of a run on so many took so long; `work` is what one thread was predicted
 * to need for it. */
void gr_pool_took(gr_pool *p, double ns, double work);
#endif
