/* test_adapt.c - how many threads a run uses: decided on made-up timings. */
#include "program/schedule.h"
#include "run/adapt.h"
#include "tests.h"
#include <CUnit/Basic.h>

/* A machine with `cores` cores, `held` of them by others. A step is so many nanoseconds on one
 * thread alone; threads that share a core wait for each other at every hand-over. */
typedef struct machine {
    gr_adapt adapt;
    int cores, held;
    double step, wall, units; /* what has passed, what has been done */
    uint64_t noise;           /* 0: none */
} machine;

static machine machine_of(int cores, double step)
{
    return (machine){.adapt = gr_adapt_start(cores), .cores = cores, .step = step};
}

static double step_time(machine *m, int threads)
{
    bool crowded = threads + m->held > m->cores;
    double ns = m->step / threads * (crowded ? 3.0 : 1.0);
    if (!m->noise) return ns;
    m->noise = m->noise * 6364136223846793005u + 1442695040888963407u;
    return ns * (0.85 + 0.3 * (double)(m->noise >> 40) / (double)(1 << 24));
}

/* Steps for so many seconds; gives the mean time of one. counted: the system tells of lost cores. */
static double work(machine *m, double seconds, bool counted)
{
    double wall = 0;
    int64_t steps = 0;
    for (; wall < seconds * 1e9; steps++) {
        int threads = gr_adapt_threads(&m->adapt);
        double ns = step_time(m, threads), before = wall;
        wall += ns;
        int64_t slices = (int64_t)(wall / 7e6) - (int64_t)(before / 7e6);
        gr_adapt_step(&m->adapt, ns, m->step, counted && threads + m->held > m->cores ? slices : 0);
    }
    return wall / (double)steps;
}

static void ladders(void)
{
    gr_adapt a = gr_adapt_start(16);
    static const int want[] = {16, 15, 7, 3, 2, 1};
    CU_ASSERT_EQUAL(a.rungs, 6);
    for (int i = 0; i < 6; i++) CU_ASSERT_EQUAL(a.rung[i], want[i]);
    CU_ASSERT_EQUAL(gr_adapt_start(1).rungs, 1);
    CU_ASSERT_TRUE(gr_adapt_start(4096).rungs <= GR_MAX_RUNGS);
}

/* Nobody else: all threads, and trials cost little. */
static void alone(void)
{
    static const double steps[] = {1e5, 1e6, 1e8};
    for (int cores = 1; cores <= 16; cores *= 2) {
        for (int i = 0; i < 3; i++) {
            const double step = steps[i];
            machine m = machine_of(cores, step);
            m.noise = 1;
            double mean = work(&m, 30 + 100 * step * 1e-9, true);
            CU_ASSERT_TRUE(mean < 1.04 * step / cores);
            CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), cores);
            CU_ASSERT_EQUAL(m.adapt.switches, 0);
        }
    }
}

/* A core is taken, then given back: whether or not the system tells, and whether or not it was
 * taken from the beginning. */
static void a_core_is_taken(bool counted, bool from_start)
{
    for (int cores = 2; cores <= 16; cores *= 2) {
        for (double step = 3e5; step < 1e9; step *= 30) {
            machine m = machine_of(cores, step);
            if (!from_start) work(&m, 3 + 30 * step * 1e-9, counted);
            m.held = 1;
            work(&m, 3 + 60 * step * 1e-9, counted);
            CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), cores - 1);
            double mean = work(&m, 20 + 100 * step * 1e-9, counted);
            CU_ASSERT_TRUE(mean < 1.10 * step / (cores - 1));
            m.held = 0;
            work(&m, 4 + 60 * step * 1e-9, counted);
            CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), cores);
            CU_ASSERT_TRUE(work(&m, 20 + 100 * step * 1e-9, counted) < 1.04 * step / cores);
        }
    }
}

static void taken_and_told(void) { a_core_is_taken(true, false); }
static void taken_untold(void) { a_core_is_taken(false, false); }
static void taken_from_the_start(void) { a_core_is_taken(true, true); }

/* Fast where the system tells: a tenth of a second. */
static void told_soon(void)
{
    machine m = machine_of(2, 1e6);
    work(&m, 5, true);
    m.held = 1;
    work(&m, 0.1, true);
    CU_ASSERT_EQUAL(gr_adapt_threads(&m.adapt), 1);
}

/* Most cores are taken: further down, rung by rung. */
static void many_are_taken(void)
{
    machine m = machine_of(16, 1e7);
    m.held = 9;
    work(&m, 10, true);
    CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), 7);
    m.held = 0;
    work(&m, 20, true);
    CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), 16);
}

static void forced(void)
{
    gr_adapt a = gr_adapt_start(8);
    gr_adapt_force(&a, 6);
    CU_ASSERT_EQUAL(gr_adapt_threads(&a), 3);
    gr_adapt_force(&a, 100);
    CU_ASSERT_EQUAL(gr_adapt_threads(&a), 8);
    gr_adapt_force(&a, 0);
    CU_ASSERT_EQUAL(gr_adapt_threads(&a), 1);
    CU_ASSERT_FALSE(gr_adapt_step(&a, 1e9, 0, 0)); /* no work, nothing learned */
}

/* A program that uses fewer threads than there are: trials begin where they change something, and one that
 * uses all has all of them again. */
static void bounded(void)
{
    machine m = machine_of(64, 1e7);
    CU_ASSERT_TRUE(gr_adapt_bound(&m.adapt, 4));
    CU_ASSERT_EQUAL(gr_adapt_threads(&m.adapt), 7);
    CU_ASSERT_FALSE(gr_adapt_bound(&m.adapt, 4));
    work(&m, 3, true);
    CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), 7);
    m.held = 61;
    work(&m, 3, true);
    CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), 3);
    m.held = 0;
    work(&m, 4, true);
    CU_ASSERT_EQUAL(gr_adapt_settled(&m.adapt), 7);
    m.adapt.at = m.adapt.home;
    CU_ASSERT_TRUE(gr_adapt_bound(&m.adapt, 64));
    CU_ASSERT_EQUAL(gr_adapt_threads(&m.adapt), 64);
}

void test_adapt(void)
{
    CU_pSuite s = CU_add_suite("adapt", NULL, NULL);
    CU_add_test(s, "numbers of threads", ladders);
    CU_add_test(s, "alone on the machine", alone);
    CU_add_test(s, "a core is taken and given back", taken_and_told);
    CU_add_test(s, "the same by time alone", taken_untold);
    CU_add_test(s, "a core taken from the start", taken_from_the_start);
    CU_add_test(s, "soon", told_soon);
    CU_add_test(s, "many cores are taken", many_are_taken);
    CU_add_test(s, "a number forced", forced);
    CU_add_test(s, "a program of few threads", bounded);
}
