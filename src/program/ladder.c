/* ladder.c - one program's schedules for fewer and fewer threads, and the memory that all of them need. */
#include "program/schedule.h"

int gr_threads_below(int n, int most) { return n == most || n <= 4 ? n - 1 : n / 2; }

/* May a loop run while workers that are not its own compute something else? */
static bool overlaps(const gr_schedule *s)
{
    for (int i = 0; i < s->num_choices; i++)
        if (s->choices[i].workers < s->threads) return true;
    return s->fewer && overlaps(s->fewer);
}

static int pack(gr_arena *a, gr_program *p, gr_schedule *s, gr_error *e)
{
    int status = p->num_loops > 0 ? gr_program_pack(p, e) : 0;
    for (; !status && s && p->num_loops > 0; s = s->fewer) status = gr_schedule_rewrite(a, p, s, e);
    return status;
}

gr_schedule *gr_schedule_ladder(gr_arena *a, gr_program *p, const gr_topology *t, int threads, int most, gr_error *e)
{
    gr_schedule *top = gr_schedule_create(a, p, t, threads, e), *last = top;
    for (int n = most; top && n > 0; n = gr_threads_below(n, most)) {
        if (n >= top->threads) continue;
        gr_schedule *s = gr_schedule_create(a, p, t, n, e);
        if (!s) return NULL;
        last->fewer = s;
        last = s;
    }
    if (top && !overlaps(top) && pack(a, p, top, e)) return NULL;
    return top;
}
