/* share.h - the parts of one task that several workers compute together.
 *
 *     part of each worker   | turn | next | end |    a word, on a cache line of its own
 *
 * Each worker begins with its own part, always the same units, so that it finds what they read in its
 * cache. It takes most of it at once; who is done with his takes from the far end of the others', so that
 * a core that is slow for a while holds nobody up for long. Who computes a unit
 * changes no bit of it.
 *
 * A task runs again and again; its turns count that. Whoever comes to a part first in a turn writes its
 * word anew: a worker goes on to the next turn only when nothing of this one is left, so a word of a later
 * turn says that all is taken. */
#ifndef GR_RUN_SHARE_H
#define GR_RUN_SHARE_H

#include "base/arena.h"
#include <stdatomic.h>
#include <stdint.h>

typedef struct gr_share_part { _Alignas(64) _Atomic uint64_t left; } gr_share_part;

typedef struct gr_share {
    gr_share_part *part;      /* by worker of the team */
    int workers;
    int64_t units;      /* of the task; worker p's own are units * p / workers on */
} gr_share;

gr_share *gr_share_create(gr_arena *a, int workers, int64_t units);
/* The next units for worker `me` of the team in this turn, which counts from 1; false: all are taken. */
bool gr_share_take(gr_share *s, int me, uint32_t turn, int64_t *begin, int64_t *end);
#endif
