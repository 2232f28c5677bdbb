/* failing.h - the C library's memory, counted, with failures on demand: the tests are linked with it in place
 * of gr_system_memory. */
#ifndef GR_TESTS_FAILING_H
#define GR_TESTS_FAILING_H

#include "base/memory.h"

/* Lets the n-th allocation of the process from now on fail (0: none). */
void gr_fail_allocation(long n);
long gr_count_allocations(void);  /* that were asked for so far */
long gr_held_allocations(void);   /* that were not given back yet */

/* Memory for tests, to be given to gr_free. */
static inline void *gr_malloc(size_t bytes) { return gr_allocate(&gr_system_memory, bytes, 0); }
static inline void *gr_malloc_aligned(size_t bytes, size_t align) { return gr_allocate(&gr_system_memory, bytes, align); }
#endif
