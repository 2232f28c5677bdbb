/* test_schedule.c - schedules order every conflict; topologies are read. */
#include "check_schedule.h"
#include "rig.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static gr_topology *eager(gr_arena *a, const char *text)
{
    gr_error e = {.message = ""};
    gr_topology *t = gr_topology_get(a, text, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    t->wait_ns = 0; /* everything that can be split pays */
    return t;
}

static void random_schedules_are_safe(void)
{
    int splits = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        rig r = rig_create(GR_FLOAT32);
        rig_random(&r, seed);
        gr_error e = {.message = ""};
        gr_program *p = gr_program_create(r.a, r.g, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        gr_topology *t = eager(r.a, "core:4");
        for (int n = 1; n <= 4; n++) {
            gr_schedule *s = gr_schedule_create(r.a, p, t, n, &e);
            const char *wrong = check_schedule(p, s);
            if (wrong) {
                fprintf(stderr, "seed %d, %d threads: %s\n", (int)seed, n, wrong);
                gr_program_print(p, stderr);
            }
            CU_ASSERT_PTR_NULL_FATAL(wrong);
            for (int w = 1; w < n; w++) splits += s->worker[w].num_waits > 0;
        }
        rig_destroy(&r);
    }
    CU_ASSERT_TRUE(splits > 300);
}

/* Leaving any wait out must be noticed somewhere: the check can fail. */
static void missing_waits_are_found(void)
{
    int found = 0, tried = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        rig r = rig_create(GR_FLOAT32);
        rig_random(&r, seed);
        gr_error e = {.message = ""};
        gr_program *p = gr_program_create(r.a, r.g, &e);
        gr_schedule *s = gr_schedule_create(r.a, p, eager(r.a, "core:2"), 2, &e);
        for (int i = 0; i < s->worker[1].num_ins; i++) {
            gr_instruction *ins = &s->worker[1].ins[i];
            int waits = ins->num_waits;
            if (!waits) continue;
            ins->num_waits = 0;
            tried++;
            found += check_schedule(p, s) != NULL;
            ins->num_waits = waits;
        }
        rig_destroy(&r);
    }
    CU_ASSERT_TRUE(tried > 50);
    CU_ASSERT_TRUE(found * 10 > tried * 9);
}

static void one_thread_waits_for_nothing(void)
{
    rig r = rig_create(GR_FLOAT32);
    rig_random(&r, 5);
    gr_error e = {.message = ""};
    gr_program *p = gr_program_create(r.a, r.g, &e);
    gr_topology *t = gr_topology_get(r.a, "core:8", &e);
    gr_schedule *s = gr_schedule_create(r.a, p, t, 0, &e);
    CU_ASSERT_EQUAL(s->threads, 1); /* too small to gain */
    CU_ASSERT_EQUAL(s->worker[0].num_waits, 0);
    rig_destroy(&r);
}

static void large_work_is_split(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val x = rig_input(&r, "x", "512, 512"), y = rig_input(&r, "y", "512, 512");
    rig_result(&r, "z", gr_emit2(r.c, "MatMul", x, y));
    gr_error e = {.message = ""};
    gr_program *p = gr_program_create(r.a, r.g, &e);
    gr_schedule *s = gr_schedule_create(r.a, p, gr_topology_get(r.a, "core:2", &e), 0, &e);
    CU_ASSERT_EQUAL(s->threads, 2);
    CU_ASSERT_EQUAL(s->worker[0].tasks, 1);
    CU_ASSERT_EQUAL(s->worker[1].tasks, 1);
    rig_destroy(&r);
}

static gr_val direction(rig *r, bool reverse, const char *from, gr_val init)
{
    gr_val xs = rig_input(r, from, "50, 64, 64");
    gr_loop *l = gr_loop_begin(r->c, NULL, reverse);
    gr_val x = gr_loop_slice(r->c, l, "x", xs), h = gr_loop_carry(r->c, l, "h", init);
    gr_val y = gr_emit(r->c, "Softmax", NULL, 1, &h, "dim=-1");
    gr_val next = gr_emit1(r->c, "Tanh", gr_emit2(r->c, "Add", y, x));
    gr_loop_next(r->c, l, h, next);
    gr_loop_stack(r->c, l, "out", next);
    return gr_output(r->c, gr_loop_end(r->c, l), 2);
}

/* Two loops that do not need each other run side by side, without a wait inside. */
static void loops_run_side_by_side(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val init = rig_input(&r, "h", "64, 64");
    gr_val a = direction(&r, false, "x", init), b = direction(&r, true, "y", init);
    rig_result(&r, "both", gr_emit2(r.c, "Add", a, b));
    gr_error e = {.message = ""};
    gr_program *p = gr_program_create(r.a, r.g, &e);
    gr_schedule *s = gr_schedule_create(r.a, p, gr_topology_get(r.a, "core:2", &e), 2, &e);
    CU_ASSERT_EQUAL(p->num_loops, 2);
    for (int w = 0; w < 2; w++) {
        int loops = 0, waits = 0;
        for (int i = 0; i < s->worker[w].num_ins; i++) {
            const gr_instruction *ins = &s->worker[w].ins[i];
            loops += ins->kind == GR_LOOP_BEGIN;
            if (ins->kind == GR_RUN && p->templates[ins->template_index].loop >= 0) waits += ins->num_waits;
        }
        CU_ASSERT_EQUAL(loops, 1);
        CU_ASSERT_TRUE(waits <= 1); /* for what the loop reads */
    }
    CU_ASSERT_PTR_NULL(check_schedule(p, s));
    rig_destroy(&r);
}

static void topologies_are_read(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {.message = ""};
    gr_topology *t = gr_topology_get(a, "pack:2 l3:1 l2:4 core:1 pu:2", &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_EQUAL(t->cores, 8);
    CU_ASSERT_TRUE(t->l2_bytes > 0);
    CU_ASSERT_PTR_NULL(gr_topology_get(a, "nonsense", &e));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "nonsense"));
    t = gr_topology_get(a, NULL, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_TRUE(t->cores >= 1);
    gr_arena_destroy(a);
}

static void *count_when_bound(void *to)
{
    gr_topology_bind(0);
    *(int *)to = gr_topology_usable();
    return NULL;
}

/* A core that the caller was bound to is not all that there is. */
static void cores_are_counted_as_before_binding(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {.message = ""};
    const gr_topology *t = gr_topology_get(a, NULL, &e);
    int bound = 0;
    pthread_t thread;
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_EQUAL(gr_topology_usable(), t->cores);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, count_when_bound, &bound), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(bound, t->cores);
    gr_arena_destroy(a);
}

void test_schedule(void)
{
    CU_pSuite s = CU_add_suite("schedule", NULL, NULL);
    CU_add_test(s, "schedules of random graphs are safe", random_schedules_are_safe);
    CU_add_test(s, "a missing wait is found", missing_waits_are_found);
    CU_add_test(s, "a small graph runs on one thread", one_thread_waits_for_nothing);
    CU_add_test(s, "large work is split", large_work_is_split);
    CU_add_test(s, "loops run side by side", loops_run_side_by_side);
    CU_add_test(s, "topologies are read", topologies_are_read);
    CU_add_test(s, "cores are counted as before binding", cores_are_counted_as_before_binding);
}
