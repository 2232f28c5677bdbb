/* arena.h - memory that is freed all at once.
 *
 * Everything that belongs to one model, graph or program lives in one arena.
 * gr_arena_alloc never returns NULL: when memory runs out it unwinds to the
 * innermost gr_try on this arena, which frees nothing itself; the owner then
 * destroys the arena. What is not memory (a FILE, a parser) is registered with
 * gr_arena_defer so that unwinding closes it too. An arena is used by one
 * thread at a time. */
#ifndef GR_BASE_ARENA_H
#define GR_BASE_ARENA_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include "base/memory.h"

typedef struct gr_arena gr_arena;

/* NULL when there is no memory. */
gr_arena *gr_arena_create(void);
gr_arena *gr_arena_create_in(const gr_memory *m); /* m must outlive it */
const gr_memory *gr_arena_memory(const gr_arena *a);
/* Runs the deferred calls, last first, and frees all memory. NULL is allowed. */
void gr_arena_destroy(gr_arena *a);

/* 16-byte aligned and zeroed. */
void *gr_arena_alloc(gr_arena *a, size_t bytes);
void *gr_arena_copy(gr_arena *a, const void *data, size_t bytes);
char *gr_arena_strdup(gr_arena *a, const char *s);
char *gr_arena_strndup(gr_arena *a, const char *s, size_t n);
GR_PRINTF(2, 3) char *gr_arena_printf(gr_arena *a, const char *fmt, ...);
char *gr_arena_vprintf(gr_arena *a, const char *fmt, va_list args);
/* Calls fn(p) when the arena is destroyed. */
void gr_arena_defer(gr_arena *a, void (*fn)(void *), void *p);
size_t gr_arena_bytes(const gr_arena *a);

/* A point to go back to: gr_arena_rewind runs what was deferred since, last first, and frees what was allocated since.
 * Whoever rewinds sees to it that nothing older points there. */
typedef struct gr_arena_mark {
    const void *block, *deferred;
    size_t used;
} gr_arena_mark;
gr_arena_mark gr_arena_mark_of(const gr_arena *a);
void gr_arena_rewind(gr_arena *a, const gr_arena_mark *to);

#define GR_NEW(arena, type) ((type *)gr_arena_alloc((arena), sizeof(type)))
#define GR_NEW_ARRAY(arena, type, n) ((type *)gr_arena_array((arena), (size_t)(n), sizeof(type)))
/* Checks n * size for overflow. */
void *gr_arena_array(gr_arena *a, size_t n, size_t size);

/* Grows an array that lives in the arena so that it holds one more element, and
 * gives the new element. `items`, `count` and `cap` are lvalues. */
#define GR_PUSH(arena, items, count, cap)                                                     \
    ((items) = gr_arena_grow((arena), (items), sizeof *(items), (count), &(cap)), &(items)[(count)++])
void *gr_arena_grow(gr_arena *a, void *items, size_t size, int count, int *cap);

/* if (gr_try(a, &frame)) { work; gr_end_try(a, &frame); } else { out of memory; }
 * Frames nest; leaving the block without gr_end_try is a bug. */
typedef struct gr_frame {
    jmp_buf jump;
    struct gr_frame *outer;
} gr_frame;
#define gr_try(arena, frame) (gr_arena_push((arena), (frame)), setjmp((frame)->jump) == 0 ? true : (gr_end_try((arena), (frame)), false))
void gr_arena_push(gr_arena *a, gr_frame *frame);
void gr_end_try(gr_arena *a, gr_frame *frame);

/* What we did wrong, not who uses us: a debug build says so and aborts; else it unwinds as running out
 * of memory does, and gr_caught (diag.h) tells the caller. */
GR_PRINTF(2, 3) _Noreturn void gr_bug(gr_arena *a, const char *fmt, ...);
/* What a plugin's code did wrong, to which nothing can be returned: unwinds in every build. The text names it. */
GR_PRINTF(2, 3) _Noreturn void gr_blame(gr_arena *a, const char *fmt, ...);
/* In the else branch of gr_try: what it last unwound for, GR_ENOMEM, GR_ESTATE (gr_bug) or GR_EINVAL (gr_blame); in
 * words. */
gr_status gr_arena_status(const gr_arena *a);
const char *gr_arena_fault(const gr_arena *a);
#endif
