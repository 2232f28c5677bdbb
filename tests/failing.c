/* failing.c - see failing.h. The linker puts __wrap_X where graphrun says X (--wrap). */
#include "failing.h"

#include <stdatomic.h>

extern const gr_memory __real_gr_system_memory, __wrap_gr_system_memory;

static atomic_long fail_at, asked, held;

void gr_fail_allocation(long n) { atomic_store(&fail_at, n); }
long gr_count_allocations(void) { return atomic_load(&asked); }
long gr_held_allocations(void) { return atomic_load(&held); }

static void *allocate(void *data, size_t bytes, size_t align)
{
    (void)data;
    atomic_fetch_add(&asked, 1);
    if (atomic_load(&fail_at) > 0 && atomic_fetch_sub(&fail_at, 1) == 1) return NULL;
    void *p = __real_gr_system_memory.allocate(NULL, bytes, align);
    if (p) atomic_fetch_add(&held, 1);
    return p;
}

static void release(void *data, void *p, size_t bytes)
{
    (void)data;
    atomic_fetch_sub(&held, 1);
    __real_gr_system_memory.release(NULL, p, bytes);
}

const gr_memory __wrap_gr_system_memory = {allocate, release, NULL};
