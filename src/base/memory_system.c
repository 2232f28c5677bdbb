/* memory_system.c - memory of the C library. A file of its own, so that tests can link another in its place. */
#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)

/* Large pages, where the system gives them: on small ones what a step computes lies wherever there was a page, some of it on
 * the same sets of L2, and a virtual machine looks each up twice. NULL: no memory, so aligned. */
static void *on_large_pages(size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, LARGE_PAGE, bytes) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(p, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* advice: without it all works as well, more slowly */
#endif
    return p;
}

static void *system_allocate(void *data, size_t bytes, size_t align)
{
    (void)data;
    void *p = NULL;
    if (bytes >= LARGE_PAGE && align <= LARGE_PAGE && (p = on_large_pages(bytes))) return p;
    if (align <= 16) return malloc(bytes);
    return posix_memalign(&p, align, bytes) == 0 ? p : NULL;
}

static void system_release(void *data, void *p, size_t bytes)
{
    (void)data, (void)bytes;
    free(p);
}

const gr_memory gr_system_memory = {system_allocate, system_release, NULL};
