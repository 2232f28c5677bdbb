/* memory.c - blocks with a note of where they are from. See memory.h. */
#include "base/memory.h"

typedef struct note {
    const gr_memory *memory;
    size_t bytes; /* of all of it */
    void *base;
} note;

static note *note_of(const void *p) { return (note *)(uintptr_t)p - 1; }

void *gr_allocate(const gr_memory *m, size_t bytes, size_t align)
{
    if (align < 16) align = 16;
    const size_t gap = (sizeof(note) + align - 1) / align * align;
    if (bytes > SIZE_MAX - gap) return NULL;
    char *base = m->allocate(m->data, gap + bytes, align);
    if (!base) return NULL;
    *note_of(base + gap) = (note){m, gap + bytes, base};
    return base + gap;
}

void gr_free(void *p)
{
    if (!p) return;
    const note n = *note_of(p);
    const gr_memory m = *n.memory; /* it may lie in the block */
    m.release(m.data, n.base, n.bytes);
}

const gr_memory *gr_memory_of(const void *p) { return note_of(p)->memory; }

void *gr_allocate_alone(const gr_memory *m, size_t bytes)
{
    gr_memory *copy = gr_allocate(m, bytes, 0);
    if (!copy) return NULL;
    *copy = *m;
    note_of(copy)->memory = copy;
    return copy;
}
