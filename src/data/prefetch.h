/* prefetch.h - a thread that makes batches one ahead of who reads them.
 *
 * There are two slots; batch b is made in slot b % 2. The slot that was given last belongs to
 * the reader until it asks for the next, so the thread is at most one batch ahead then. */
#ifndef GR_DATA_PREFETCH_H
#define GR_DATA_PREFETCH_H

#include "base/diag.h"

enum { GR_PREFETCH_SLOTS = 2 };

typedef struct gr_prefetch gr_prefetch;
/* Its memory is from m. make(data, batch, slot) runs on the thread. NULL with e filled. */
gr_prefetch *gr_prefetch_create(const gr_memory *m, void (*make)(void *data, int64_t batch, int slot), void *data, gr_error *e);
void gr_prefetch_destroy(gr_prefetch *p); /* NULL is allowed */
/* Waits until the thread makes nothing. What make() reads may be changed from then to start. */
void gr_prefetch_stop(gr_prefetch *p);
/* Batches [first, end) from now on. */
void gr_prefetch_start(gr_prefetch *p, int64_t first, int64_t end);
/* The slot of the next batch; -1: there are no more. */
int gr_prefetch_next(gr_prefetch *p);
#endif
