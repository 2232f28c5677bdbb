/* memory.h - the one seam to whoever gives memory: malloc, or a host program's gr_memory.
 *
 *     [gap ... | gr_memory *, bytes, base][what gr_allocate gives]
 *
 * A block remembers where it is from, so it is given back without being told, and what is made
 * beside it can come from there too. */
#ifndef GR_BASE_MEMORY_H
#define GR_BASE_MEMORY_H

#include <graphrun/types.h>

extern const gr_memory gr_system_memory; /* the C library's */

/* `bytes` at a multiple of `align`, a power of two (0: 16). *m must outlive the block, unless it lies in
 * the block itself. NULL: no memory. */
void *gr_allocate(const gr_memory *m, size_t bytes, size_t align);
void gr_free(void *p); /* NULL is allowed */
/* A block that begins with a copy of *m, on which alone it depends. What begins so gives memory to others. */
void *gr_allocate_alone(const gr_memory *m, size_t bytes);
/* Where p, which gr_allocate gave, is from. */
const gr_memory *gr_memory_of(const void *p);
#endif
