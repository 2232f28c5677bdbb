/* memory_system.c - memory of the C library. A file of its own, so that tests can link another in its place. */
#include "base/memory.h"

#include <stdlib.h>

static void *system_allocate(void *data, size_t bytes, size_t align)
{
    (void)data;
    void *p = NULL;
    if (align <= 16) return malloc(bytes);
    return posix_memalign(&p, align, bytes) == 0 ? p : NULL;
}

static void system_release(void *data, void *p, size_t bytes)
{
    (void)data, (void)bytes;
    free(p);
}

const gr_memory gr_system_memory = {system_allocate, system_release, NULL};
