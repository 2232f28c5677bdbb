/* share.c - see share.h. A part is taken by grains, of which it has at most GRAINS. */
#include "run/share.h"

#define GRAINS 8

/* A part: turn (32 bits), next grain (16), end (16). */
static uint64_t pack(uint32_t turn, unsigned next, unsigned end) { return (uint64_t)turn << 32 | next << 16 | end; }
static uint32_t turn_of(uint64_t word) { return (uint32_t)(word >> 32); }

static int64_t first_unit(const gr_share *s, int part) { return s->units * part / s->workers; }

static unsigned grains_of(const gr_share *s, int part)
{
    const int64_t units = first_unit(s, part + 1) - first_unit(s, part);
    return units < GRAINS ? (unsigned)units : GRAINS;
}

gr_share *gr_share_create(gr_arena *a, int workers, int64_t units)
{
    gr_share *s = GR_NEW(a, gr_share);
    char *room = gr_arena_alloc(a, ((size_t)workers + 1) * sizeof *s->part);
    *s = (gr_share){.workers = workers, .units = units};
    s->part = (gr_share_part *)(void *)(((uintptr_t)room + sizeof *s->part - 1) & ~(uintptr_t)(sizeof *s->part - 1));
    for (int p = 0; p < workers; p++) atomic_init(&s->part[p].left, 0);
    return s;
}

/* Of what is left of a part: its owner three quarters, from the beginning, for it is most often not hindered and
 * few large calls are faster; another half, from the end. */
static bool take_from(gr_share *s, int part, bool own, uint32_t turn, int64_t *begin, int64_t *end)
{
    const unsigned grains = grains_of(s, part);
    const int64_t first = first_unit(s, part), units = first_unit(s, part + 1) - first;
    uint64_t was = atomic_load_explicit(&s->part[part].left, memory_order_relaxed), now;
    unsigned from, to;
    do {
        const bool old = turn_of(was) != turn;
        if (old && (int32_t)(turn_of(was) - turn) > 0) return false; /* others are a turn ahead */
        const unsigned next = old ? 0 : (unsigned)(was >> 16 & 0xffff), last = old ? grains : (unsigned)(was & 0xffff);
        if (next >= last) return false;
        const unsigned left = last - next, n = own ? (3 * left + 3) / 4 : (left + 1) / 2;
        from = own ? next : last - n;
        to = from + n;
        now = own ? pack(turn, to, last) : pack(turn, next, from);
    } while (!atomic_compare_exchange_weak_explicit(&s->part[part].left, &was, now, memory_order_relaxed, memory_order_relaxed));
    *begin = first + units * from / grains;
    *end = first + units * to / grains;
    return true;
}

bool gr_share_take(gr_share *s, int me, uint32_t turn, int64_t *begin, int64_t *end)
{
    for (int i = 0; i < s->workers; i++)
        if (take_from(s, (me + i) % s->workers, i == 0, turn, begin, end)) return true;
    return false;
}
