/* arena.c - bump allocation in blocks that double up to 1 MiB. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 16 << 10, LARGEST_BLOCK = 1 << 20, ALIGN = 16 };

typedef struct block {
    struct block *next;
    size_t used, size;
    _Alignas(ALIGN) char data[];
} block;

typedef struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *p;
} deferred;

struct gr_arena {
    block *blocks; /* the one in use first */
    deferred *deferred;
    gr_frame *frame;
    size_t bytes;
    gr_status status; /* what it was last unwound for, and */
    char fault[512];  /* in words; "": it has run out of memory */
};

gr_arena *gr_arena_create_in(const gr_memory *m)
{
    gr_arena *a = gr_allocate(m, sizeof *a, 0);
    if (a) *a = (gr_arena){0};
    return a;
}

gr_arena *gr_arena_create(void) { return gr_arena_create_in(&gr_system_memory); }

const gr_memory *gr_arena_memory(const gr_arena *a) { return gr_memory_of(a); }

/* Down to the mark: NULL, 0: all. */
static void free_since(gr_arena *a, const gr_arena_mark *to)
{
    for (deferred *d = a->deferred; d != to->deferred; d = d->next) d->fn(d->p);
    for (block *b = a->blocks, *next; b != to->block; b = next) {
        next = b->next;
        a->bytes -= b->size;
        gr_free(b);
    }
}

void gr_arena_destroy(gr_arena *a)
{
    if (!a) return;
    free_since(a, &(gr_arena_mark){0});
    gr_free(a);
}

gr_arena_mark gr_arena_mark_of(const gr_arena *a)
{
    return (gr_arena_mark){a->blocks, a->deferred, a->blocks ? a->blocks->used : 0};
}

void gr_arena_rewind(gr_arena *a, const gr_arena_mark *to)
{
    free_since(a, to);
    a->deferred = (deferred *)(uintptr_t)to->deferred;
    a->blocks = (block *)(uintptr_t)to->block;
    if (!a->blocks) return;
    a->blocks->used = to->used;
#ifdef GR_CHECKS
    memset(a->blocks->data + to->used, 0xdd, a->blocks->size - to->used); /* so that reading it later shows */
#endif
}

static _Noreturn void unwind(gr_arena *a)
{
    if (!a->frame) abort(); /* nobody has opened it with gr_try */
    longjmp(a->frame->jump, 1);
}

static _Noreturn void run_out(gr_arena *a)
{
    a->status = GR_ENOMEM;
    *a->fault = 0;
    unwind(a);
}

static void note_fault(gr_arena *a, gr_status status, const char *before, const char *fmt, va_list args)
{
    const int n = snprintf(a->fault, sizeof a->fault, "%s", before);
    vsnprintf(a->fault + n, sizeof a->fault - (size_t)n, fmt, args);
    a->status = status;
}

void gr_bug(gr_arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note_fault(a, GR_ESTATE, "a mistake of graphrun's own: ", fmt, args);
    va_end(args);
#ifdef GR_CHECKS
    fprintf(stderr, "graphrun: %s\n", a->fault);
    abort();
#endif
    unwind(a);
}

void gr_blame(gr_arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note_fault(a, GR_EINVAL, "", fmt, args);
    va_end(args);
    unwind(a);
}

gr_status gr_arena_status(const gr_arena *a) { return a->status; }
const char *gr_arena_fault(const gr_arena *a) { return *a->fault ? a->fault : "out of memory"; }

static void add_block(gr_arena *a, size_t bytes)
{
    size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    if (size < bytes) size = bytes;
    block *b = size <= SIZE_MAX - sizeof *b ? gr_allocate(gr_arena_memory(a), sizeof *b + size, ALIGN) : NULL;
    if (!b) run_out(a);
    *b = (block){.next = a->blocks, .size = size};
    a->blocks = b;
    a->bytes += size;
}

void *gr_arena_alloc(gr_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) run_out(a);
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (!a->blocks || a->blocks->size - a->blocks->used < bytes) add_block(a, bytes);
    void *p = a->blocks->data + a->blocks->used;
    a->blocks->used += bytes;
    return memset(p, 0, bytes);
}

void *gr_arena_array(gr_arena *a, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / 2 / size) run_out(a);
    return gr_arena_alloc(a, n * size);
}

void *gr_arena_copy(gr_arena *a, const void *data, size_t bytes)
{
    void *p = gr_arena_alloc(a, bytes);
    if (bytes) memcpy(p, data, bytes);
    return p;
}

char *gr_arena_strndup(gr_arena *a, const char *s, size_t n)
{
    char *p = gr_arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *gr_arena_strdup(gr_arena *a, const char *s) { return s ? gr_arena_strndup(a, s, strlen(s)) : NULL; }

char *gr_arena_vprintf(gr_arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *p = gr_arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    vsnprintf(p, (size_t)(n < 0 ? 0 : n) + 1, fmt, args);
    return p;
}

char *gr_arena_printf(gr_arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *p = gr_arena_vprintf(a, fmt, args);
    va_end(args);
    return p;
}

void gr_arena_defer(gr_arena *a, void (*fn)(void *), void *p)
{
    deferred *d = GR_NEW(a, deferred);
    *d = (deferred){a->deferred, fn, p};
    a->deferred = d;
}

size_t gr_arena_bytes(const gr_arena *a) { return a->bytes; }

void *gr_arena_grow(gr_arena *a, void *items, size_t size, int count, int *cap)
{
    if (count < *cap) return items;
    int larger = *cap ? *cap * 2 : 8;
    while (larger <= count) larger *= 2;
    void *p = gr_arena_array(a, (size_t)larger, size);
    if (count) memcpy(p, items, (size_t)count * size);
    *cap = larger;
    return p;
}

void gr_arena_push(gr_arena *a, gr_frame *frame)
{
    frame->outer = a->frame;
    a->frame = frame;
}

void gr_end_try(gr_arena *a, gr_frame *frame) { a->frame = frame->outer; }
