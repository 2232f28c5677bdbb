/* plan.c - every buffer gets its place before the first step.
 *
 * A buffer lives, in the order of one thread, from its first write to its last access;
 * if it is touched inside a loop that it is older than, through all of that loop. Buffers
 * that never live together may share memory. Where loops are to run beside others, they may not if
 * that alone would order a loop before what could run beside it. conflict.c works on the addresses
 * that come out of this, so the order that sharing needs becomes dependencies like any other. */
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

/* ---- which items must follow which ----------------------------------------- */

/* An item is a template outside all loops, or an outermost loop. */
typedef struct order {
    int items, words;
    int *item;        /* of each template */
    bool *loop;       /* is it a loop? */
    bool *part;       /* one with more steps to come, in another item (chunk.c) */
    uint64_t *before; /* [item * words]: bits of the items that it must follow */
    uint64_t *behind; /* the same: loops that it follows step by step, so that both may run */
} order;

#define MAX_ITEMS 4096 /* beyond that the bits are not worth their memory */

static bool follows(const order *o, int item, int other) { return o->before[item * o->words + other / 64] >> (other % 64) & 1; }

/* by_steps: no more than step by step, as far as this is known. */
static void follow(order *o, int item, int other, bool by_steps)
{
    if (item == other || other < 0) return;
    uint64_t *before = o->before + item * o->words, *behind = o->behind + item * o->words;
    bool some = by_steps || o->part[other];
    for (int i = 0; i < o->words; i++) {
        before[i] |= o->before[other * o->words + i];
        *(some ? &behind[i] : &before[i]) |= o->behind[other * o->words + i];
    }
    (by_steps ? behind : before)[other / 64] |= 1ull << (other % 64);
}

/* Do both go through the steps, and the same way? */
static bool go_along(const gr_operand *x, const gr_operand *y)
{
    return x->ring[0] == 0 && y->ring[0] == 0 && (x->stride[0] > 0 ? y->stride[0] > 0 : x->stride[0] < 0 && y->stride[0] < 0);
}

typedef struct writer { int item; const gr_operand *at; } writer;

/* By buffers alone, before they share memory: what reads follows the last writer, what writes
 * follows it too. */
static void order_items(gr_build *b, order *o)
{
    const gr_program *p = b->p;
    writer *last = GR_NEW_ARRAY(b->a, writer, p->num_buffers + 1);
    for (int i = 0; i < p->num_buffers; i++) last[i].item = -1;
    for (int t = 0; t < p->num_templates; t++) {
        const gr_template *x = &p->templates[t];
        for (int i = 0; i < x->num_in; i++) {
            if (x->in[i].buffer < 0) continue;
            const writer *w = &last[x->in[i].buffer];
            follow(o, o->item[t], w->item, w->at && x->loop >= 0 && go_along(&x->in[i], w->at));
        }
        for (int i = 0; i < x->num_out; i++) {
            follow(o, o->item[t], last[x->out[i].buffer].item, false);
            last[x->out[i].buffer] = (writer){o->item[t], x->loop >= 0 ? &x->out[i] : NULL};
        }
    }
}

static order *find_order(gr_build *b)
{
    const gr_program *p = b->p;
    order *o = GR_NEW(b->a, order);
    o->item = GR_NEW_ARRAY(b->a, int, p->num_templates + 1);
    o->loop = GR_NEW_ARRAY(b->a, bool, p->num_templates + 1);
    o->part = GR_NEW_ARRAY(b->a, bool, p->num_templates + 1);
    int last = -1;
    for (int t = 0; t < p->num_templates; t++) {
        int loop = p->templates[t].loop;
        while (loop >= 0 && p->loops[loop].parent >= 0) loop = p->loops[loop].parent;
        if (loop < 0 || loop != last) o->items++;
        last = loop;
        o->item[t] = o->items - 1;
        o->loop[o->items - 1] = loop >= 0;
        o->part[o->items - 1] = loop >= 0 && p->loops[loop].chunks && p->loops[loop + 1].steps > p->loops[loop].count * p->loops[loop + 1].count &&
                                p->loops[loop + 1].begin == 0;
    }
    if (o->items == 0 || o->items > MAX_ITEMS) return NULL;
    o->words = (o->items + 63) / 64;
    o->before = GR_NEW_ARRAY(b->a, uint64_t, o->items * o->words);
    o->behind = GR_NEW_ARRAY(b->a, uint64_t, o->items * o->words);
    order_items(b, o);
    return o;
}

/* ---- the arena ------------------------------------------------------------- */

/* Must a and b have memory of their own? They must if they live together. They also must if
 * one dies in a loop and the other is born in what need not follow that loop (the other
 * direction of a layer): sharing would make it follow. */
static bool apart(const order *o, const gr_buffer *a, const gr_buffer *b)
{
    if (a->first <= b->last && b->first <= a->last) return true;
    const gr_buffer *old = a->last < b->first ? a : b, *young = old == a ? b : a;
    if (!o) return false;
    int from = o->item[old->last], to = o->item[young->first];
    return from != to && o->loop[from] && !follows(o, to, from);
}

/* The offset of the tightest gap between those placed that live with b. */
static size_t best_fit(const order *o, gr_buffer **placed, int n, const gr_buffer *b)
{
    size_t end = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
    for (int i = 0; i < n; i++) {
        if (!apart(o, placed[i], b)) continue;
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

static void plan_arena(gr_build *b, bool overlap)
{
    gr_program *p = b->p;
    gr_buffer **todo = GR_NEW_ARRAY(b->a, gr_buffer *, p->num_buffers + 1);
    gr_buffer **placed = GR_NEW_ARRAY(b->a, gr_buffer *, p->num_buffers + 1);
    const order *o = overlap ? find_order(b) : NULL;
    int n = 0;
    for (int i = 0; i < p->num_buffers; i++)
        if (p->buffers[i].kind == GR_BUFFER_ARENA && p->buffers[i].first >= 0 && p->buffers[i].bytes > 0)
            todo[n++] = &p->buffers[i];
    qsort(todo, (size_t)n, sizeof *todo, by_size);
    for (int i = 0; i < n; i++) {
        todo[i]->offset = best_fit(o, placed, i, todo[i]);
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

void gr_plan_memory(gr_build *b, bool overlap)
{
    gr_program *p = b->p;
    p->arena_bytes = p->state_bytes = p->feed_bytes = p->constant_bytes = p->result_bytes = 0;
    gr_plan_lifetimes(p);
    plan_arena(b, overlap);
    size_t *total[] = {[GR_BUFFER_STATE] = &p->state_bytes, [GR_BUFFER_FEED] = &p->feed_bytes,
                       [GR_BUFFER_CONSTANT] = &p->constant_bytes, [GR_BUFFER_RESULT] = &p->result_bytes};
    for (int i = 0; i < p->num_buffers; i++) {
        gr_buffer *buffer = &p->buffers[i];
        if (buffer->kind == GR_BUFFER_ARENA) continue;
        buffer->offset = *total[buffer->kind];
        *total[buffer->kind] += buffer->bytes;
    }
}
