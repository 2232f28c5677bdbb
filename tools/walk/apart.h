/* apart.h - calling a function in a process of its own, as one that may crash or never return.
 *
 *     job *j = apart_memory(sizeof *j);          what the function writes there is seen here
 *     const char *how = apart_call(walk, j, 600); NULL: it returned
 *     apart_free(j, sizeof *j);
 *
 * For a caller that has no threads yet. */
#ifndef GR_WALK_APART_H
#define GR_WALK_APART_H

#include <stddef.h>
#include <stdint.h>

/* Zeros that both processes see; NULL: out of memory. */
void *apart_memory(size_t bytes);
void apart_free(void *p, size_t bytes);
/* NULL, or how the process ended before fn returned: "crashed (signal 11, segmentation fault)", "was not done after
 * 600 seconds". The text stands until the next call. */
const char *apart_call(void (*fn)(void *data), void *data, int64_t seconds);
#endif
