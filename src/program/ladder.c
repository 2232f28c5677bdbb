/* ladder.c - one program's schedules for fewer and fewer threads. */
#include "program/schedule.h"

int gr_threads_below(int n, int most) { return n == most || n <= 4 ? n - 1 : n / 2; }

gr_schedule *gr_schedule_ladder(gr_arena *a, const gr_program *p, const gr_topology *t, int threads, int most, gr_error *e)
{
    gr_schedule *top = gr_schedule_create(a, p, t, threads, e), *last = top;
    for (int n = most; top && n > 0; n = gr_threads_below(n, most)) {
        if (n >= top->threads) continue;
        gr_schedule *s = gr_schedule_create(a, p, t, n, e);
        if (!s) return NULL;
        last->fewer = s;
        last = s;
    }
    return top;
}
