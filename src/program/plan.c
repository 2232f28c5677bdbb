/* plan.c - every buffer gets its place before the first step.
 *
 * A buffer lives, in the order of one thread, from its first write to its last access;
 * if it is touched inside a loop that it is older than, through all of that loop. Buffers
 * that never live together may share memory. conflict.c works on the addresses that come
 * out of this, so the order that sharing needs becomes dependencies like any other. */
#include "program/build.h"
#include <stdlib.h>
#include <string.h>

static void touch(gr_program *p, const gr_operand *o, int n, int t)
{
    for (int i = 0; i < n; i++) {
        if (o[i].buffer < 0) continue;
        gr_buffer *b = &p->buffers[o[i].buffer];
        int first = t, last = t;
        for (int l = p->templates[t].loop; l != b->loop && l >= 0; l = p->loops[l].parent) {
            first = p->loops[l].first;
            last = p->loops[l].last - 1;
        }
        if (b->first < 0 || first < b->first) b->first = first;
        if (last > b->last) b->last = last;
    }
}

void gr_plan_lifetimes(gr_program *p)
{
    for (int i = 0; i < p->num_buffers; i++) p->buffers[i].first = p->buffers[i].last = -1;
    for (int t = 0; t < p->num_templates; t++) {
        touch(p, p->templates[t].in, p->templates[t].num_in, t);
        touch(p, p->templates[t].out, p->templates[t].num_out, t);
    }
}

/* Largest first, then the older. */
static int by_size(const void *a, const void *b)
{
    const gr_buffer *x = *(gr_buffer *const *)a, *y = *(gr_buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return (x > y) - (x < y);
}

static int by_offset(const void *a, const void *b)
{
    const gr_buffer *x = *(gr_buffer *const *)a, *y = *(gr_buffer *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool together(const gr_buffer *a, const gr_buffer *b) { return a->first <= b->last && b->first <= a->last; }

/* The offset of the tightest gap between those placed that live with b. */
static size_t best_fit(gr_buffer **placed, int n, const gr_buffer *b)
{
    size_t end = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
    for (int i = 0; i < n; i++) {
        if (!together(placed[i], b)) continue;
        if (placed[i]->offset > end) {
            size_t gap = placed[i]->offset - end;
            if (gap >= b->bytes && gap < best_gap) {
                best = end;
                best_gap = gap;
            }
        }
        if (placed[i]->offset + placed[i]->bytes > end) end = placed[i]->offset + placed[i]->bytes;
    }
    return best == SIZE_MAX ? end : best;
}

static void plan_arena(gr_build *b)
{
    gr_program *p = b->p;
    gr_buffer **todo = GR_NEW_ARRAY(b->a, gr_buffer *, p->num_buffers + 1);
    gr_buffer **placed = GR_NEW_ARRAY(b->a, gr_buffer *, p->num_buffers + 1);
    int n = 0;
    for (int i = 0; i < p->num_buffers; i++)
        if (p->buffers[i].kind == GR_BUFFER_ARENA && p->buffers[i].first >= 0 && p->buffers[i].bytes > 0)
            todo[n++] = &p->buffers[i];
    qsort(todo, (size_t)n, sizeof *todo, by_size);
    for (int i = 0; i < n; i++) {
        todo[i]->offset = best_fit(placed, i, todo[i]);
        size_t end = todo[i]->offset + todo[i]->bytes;
        if (end > p->arena_bytes) p->arena_bytes = end;
        placed[i] = todo[i];
        for (int k = i; k > 0 && by_offset(&placed[k - 1], &placed[k]) > 0; k--) {
            gr_buffer *swap = placed[k];
            placed[k] = placed[k - 1];
            placed[k - 1] = swap;
        }
    }
}

void gr_plan_memory(gr_build *b)
{
    gr_program *p = b->p;
    gr_plan_lifetimes(p);
    plan_arena(b);
    size_t *total[] = {[GR_BUFFER_STATE] = &p->state_bytes, [GR_BUFFER_FEED] = &p->feed_bytes,
                       [GR_BUFFER_CONSTANT] = &p->constant_bytes, [GR_BUFFER_RESULT] = &p->result_bytes};
    for (int i = 0; i < p->num_buffers; i++) {
        gr_buffer *buffer = &p->buffers[i];
        if (buffer->kind == GR_BUFFER_ARENA) continue;
        buffer->offset = *total[buffer->kind];
        *total[buffer->kind] += buffer->bytes;
    }
}
