/* adapt.c - see adapt.h. */
#include "run/adapt.h"
#include "program/schedule.h"

#define FIRST_UP 100e6
#define FIRST_DOWN 200e6
#define LONGEST_UP 2e9     /* so soon all threads are back once the machine is free */
#define LONGEST_DOWN 10e9
#define LONGEST_ALARM 1e9
#define REST 8             /* times a trial's own length from it to the next downward, at least */
#define REST_UP 16         /* the same upward: a step on a core that is held takes long */
#define SLOW 1.25          /* against the usual pace: something has happened */
#define TAKEN 30e6         /* a core that is shared is taken away every 6 to 8 ms */
#define BETTER 0.95

gr_adapt gr_adapt_start(int most)
{
    gr_adapt a = {.up = {FIRST_UP, FIRST_UP}, .down = {FIRST_DOWN, FIRST_DOWN}, .reach = 1, .cold = true};
    for (int n = most; n > 0 && a.rungs < GR_MAX_RUNGS; n = gr_threads_below(n, most)) a.rung[a.rungs++] = n;
    return a;
}

static void open_window(gr_adapt *a)
{
    a->ns = a->work = a->taken = 0;
}

static bool move_to(gr_adapt *a, int rung)
{
    open_window(a);
    a->cold = true;
    bool moved = a->at != rung;
    a->at = rung;
    return moved;
}

static void settle(gr_adapt *a, int rung)
{
    a->switches += a->home != rung;
    a->home = rung;
    a->usual = a->pace[rung];
    a->trouble = 0;
    a->reach = 1;
}

static void put_off(gr_adapt_way *way, double factor, double longest, double least)
{
    way->pause *= factor;
    if (way->pause > longest) way->pause = longest;
    if (way->pause < least) way->pause = least;
    way->until = way->pause;
}

/* The trial's window is over, after `spent` nanoseconds. */
static bool judge(gr_adapt *a, double spent)
{
    const bool upward = a->at < a->home;
    if (a->pace[a->at] < BETTER * a->pace[a->home]) {
        settle(a, a->at);
        a->up = (gr_adapt_way){FIRST_UP, FIRST_UP};
        a->down = (gr_adapt_way){FIRST_DOWN, FIRST_DOWN};
        if (!upward) a->alarm = (gr_adapt_way){0, 0};
        return false; /* it goes on as it is */
    }
    if (upward) {
        put_off(&a->up, 2, LONGEST_UP, REST_UP * spent);
    } else {
        if (a->trouble >= 2) put_off(&a->alarm, 2, LONGEST_ALARM, REST * spent);
        else put_off(&a->down, 4, LONGEST_DOWN, REST * spent);
        /* Where two cores are gone, one thread less is no better. */
        const int reach = a->trouble >= 2 && a->at + 1 < a->rungs ? a->at + 1 - a->home : 1;
        settle(a, a->home);
        a->reach = reach;
    }
    return move_to(a, a->home);
}

/* A window without a trial is over: is one due? */
static bool look_about(gr_adapt *a, double pace, double spent)
{
    double *known = &a->pace[a->home];
    const bool slow = a->usual > 0 && pace > SLOW * a->usual;
    a->trouble = slow || a->taken * TAKEN >= spent ? a->trouble + 1 : 0;
    if (!slow) a->usual += (pace - a->usual) / (a->usual > 0 ? 8 : 1);
    if (!a->trouble) a->reach = 1;
    if (a->trouble < 2 || pace < *known) *known = pace;
    a->up.until -= spent;
    a->down.until -= spent;
    a->alarm.until -= spent;
    const bool alarmed = a->trouble >= 2 && a->alarm.until <= 0;
    if (a->home + 1 < a->rungs && (alarmed || a->down.until <= 0)) return move_to(a, a->home + a->reach);
    if (a->home > a->top && a->up.until <= 0) return move_to(a, a->home - 1);
    return false;
}

bool gr_adapt_step(gr_adapt *a, double ns, double work, int64_t taken)
{
    const bool cold = a->cold;
    bool moved;
    a->cold = false;
    a->last = ns;
    if ((cold && ns < GR_ADAPT_WINDOW / 4) || work <= 0) return false;
    a->ns += ns;
    a->work += work;
    a->taken += (double)taken;
    if (a->ns < GR_ADAPT_WINDOW) return false;
    const double spent = a->ns, pace = a->ns / a->work;
    if (a->at == a->home) {
        moved = look_about(a, pace, spent);
    } else {
        a->pace[a->at] = pace;
        moved = judge(a, spent);
    }
    open_window(a);
    return moved;
}

bool gr_adapt_bound(gr_adapt *a, int threads)
{
    int top = 0;
    while (top + 1 < a->rungs && a->rung[top + 1] >= threads) top++;
    if (a->at != a->home || (top == a->top && a->home >= top)) return false;
    const int home = a->home == a->top || a->home < top ? top : a->home;
    a->pace[home] = a->pace[a->home]; /* the best guess until a window there is over */
    a->at = a->home = home;
    a->top = top;
    return true;
}

void gr_adapt_force(gr_adapt *a, int threads)
{
    int rung = 0;
    while (rung + 1 < a->rungs && a->rung[rung] > threads) rung++;
    move_to(a, rung);
    a->home = rung;
    a->top = 0;
    a->usual = 0;
    a->trouble = 0;
    a->reach = 1;
}
