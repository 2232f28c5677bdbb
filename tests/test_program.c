/* test_program.c - what unroll, in-place sharing and planning make of small graphs. */
#include "failing.h"
#include "rig.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static gr_program *program_of(rig *r)
{
    gr_error e = {.message = ""};
    gr_program *p = gr_program_create(r->a, r->g, &e);
    if (!p) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p;
}

static int count_kind(const gr_program *p, gr_template_kind kind)
{
    int n = 0;
    for (int i = 0; i < p->num_templates; i++) n += p->templates[i].kind == kind;
    return n;
}

/* A loop h = tanh(h + x_t) over 5 steps of [2]; what is asked of it varies. */
static gr_val add_loop(rig *r, bool stack, bool history, gr_val *last)
{
    gr_val xs = rig_input(r, "xs", "5, 2"), init = rig_input(r, "h0", "2");
    gr_loop *l = gr_loop_begin(r->c, "loop", false);
    gr_val x = gr_loop_slice(r->c, l, "x", xs), h = gr_loop_carry(r->c, l, "h", init);
    gr_val next = gr_emit1(r->c, "Tanh", gr_emit2(r->c, "Add", h, x));
    gr_loop_next(r->c, l, h, next);
    if (stack) gr_loop_stack(r->c, l, "out", next);
    gr_val out = gr_loop_end(r->c, l);
    *last = out;
    if (history) return gr_output(r->c, out, 1);
    return stack ? gr_output(r->c, out, 2) : out;
}

static void carry_is_written_in_place(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val last;
    rig_result(&r, "h", add_loop(&r, false, false, &last));
    gr_program *p = program_of(&r);
    CU_ASSERT_EQUAL(count_kind(p, GR_TASK_COPY), 1); /* the start */
    CU_ASSERT_EQUAL(p->num_loops, 1);
    for (int i = 0; i < p->num_buffers; i++)
        if (p->buffers[i].kind == GR_BUFFER_RESULT) CU_ASSERT_EQUAL(p->buffers[i].slots, 1);
    rig_destroy(&r);
}

static void stacked_carry_is_not_copied(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val last;
    gr_val stacked = add_loop(&r, true, false, &last);
    rig_result(&r, "out", stacked);
    rig_result(&r, "h", last);
    gr_program *p = program_of(&r);
    CU_ASSERT_EQUAL(count_kind(p, GR_TASK_COPY), 1);
    CU_ASSERT_EQUAL(p->result_bytes, 64); /* 6 slots of 8 bytes hold start, all steps, and the last */
    rig_destroy(&r);
}

static void time_does_not_grow_the_program(void)
{
    int templates = 0, deps = 0;
    for (int steps = 5; steps < 600; steps *= 100) {
        rig r = rig_create(GR_FLOAT32);
        gr_val xs = rig_input(&r, "xs", steps == 5 ? "5, 3" : "500, 3");
        gr_val init = rig_input(&r, "h", "3");
        gr_loop *l = gr_loop_begin(r.c, "loop", true);
        gr_val x = gr_loop_slice(r.c, l, "x", xs);
        gr_val h = gr_loop_carry(r.c, l, "h", init);
        gr_val y = gr_emit(r.c, "Softmax", NULL, 1, &x, "dim=-1");
        gr_loop_next(r.c, l, h, gr_emit2(r.c, "Add", h, y));
        gr_loop_stack(r.c, l, "y", y);
        rig_result(&r, "y", gr_output(r.c, gr_loop_end(r.c, l), 2));
        gr_program *p = program_of(&r);
        if (steps == 5) templates = p->num_templates, deps = p->num_deps;
        CU_ASSERT_EQUAL(p->num_templates, templates);
        CU_ASSERT_EQUAL(p->num_deps, deps);
        rig_destroy(&r);
    }
}

static void states_are_updated_in_place(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val w = rig_state(&r, "w", 2, (int64_t[]){3, 4}), x = rig_input(&r, "x", "3, 4");
    gr_val y = gr_emit1(r.c, "Tanh", gr_emit2(r.c, "Mul", w, x));
    rig_next(&r, "w", gr_emit2(r.c, "Sub", w, y));
    gr_program *p = program_of(&r);
    CU_ASSERT_EQUAL(count_kind(p, GR_TASK_COPY), 0);
    CU_ASSERT_EQUAL(p->templates[p->num_templates - 1].out[0].buffer, gr_program_state(p, "w"));
    rig_destroy(&r);
}

static void states_that_are_read_later_are_copied(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val w = rig_state(&r, "w", 2, (int64_t[]){3, 4}), x = rig_input(&r, "x", "3, 4");
    rig_next(&r, "w", gr_emit2(r.c, "Sub", w, x));
    rig_result(&r, "y", gr_emit2(r.c, "Mul", w, x)); /* the value of before the step */
    gr_program *p = program_of(&r);
    CU_ASSERT_EQUAL(count_kind(p, GR_TASK_COPY), 1);
    rig_destroy(&r);
}

static void temporaries_share_memory(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val v = rig_input(&r, "x", "16, 16");
    for (int i = 0; i < 20; i++) v = gr_emit(r.c, "Softmax", NULL, 1, &v, "dim=-1");
    rig_result(&r, "y", v);
    gr_program *p = program_of(&r);
    CU_ASSERT_EQUAL(p->arena_bytes, 2 * 16 * 16 * 4);
    rig_destroy(&r);
    r = rig_create(GR_FLOAT32);
    v = rig_input(&r, "x", "16, 16");
    for (int i = 0; i < 20; i++) v = gr_emit1(r.c, "Tanh", v);
    rig_result(&r, "y", v);
    CU_ASSERT_EQUAL(program_of(&r)->arena_bytes, 16 * 16 * 4);
    rig_destroy(&r);
}

/* No two buffers that live together overlap. */
static void plans_are_disjoint(void)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        rig r = rig_create(GR_FLOAT32);
        rig_random(&r, seed);
        gr_program *p = program_of(&r);
        for (int i = 0; i < p->num_buffers; i++)
            for (int k = 0; k < i; k++) {
                const gr_buffer *a = &p->buffers[i], *b = &p->buffers[k];
                bool planned = a->kind == GR_BUFFER_ARENA && b->kind == GR_BUFFER_ARENA && a->first >= 0 && b->first >= 0;
                bool together = a->first <= b->last && b->first <= a->last;
                if (!planned || !together) continue;
                CU_ASSERT_TRUE(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
            }
        rig_destroy(&r);
    }
}

/* The n-th allocation fails, for all n: an error each time, never a crash. */
static void running_out_of_memory(void)
{
    rig r = rig_create(GR_FLOAT32);
    rig_random(&r, 11);
    bool done = false;
    for (long n = 1; n < 1000 && !done; n++) {
        gr_arena *a = gr_arena_create();
        gr_error e = {.message = ""};
        gr_fail_allocation(n);
        done = gr_program_create(a, r.g, &e) != NULL;
        gr_fail_allocation(0);
        if (!done) CU_ASSERT_EQUAL(e.status, GR_ENOMEM);
        gr_arena_destroy(a);
    }
    CU_ASSERT_TRUE(done);
    rig_destroy(&r);
}

/* Each value fits, all steps of it do not: 2^30 steps of 2^34 elements. */
static void what_no_memory_holds_is_refused(void)
{
    rig r = rig_create(GR_FLOAT32);
    gr_val x = rig_input(&r, "x", "1073741824, 1"), h0 = gr_emit(r.c, "Zeros", "h0", 0, NULL, "shape=[17179869184]");
    gr_loop *l = gr_loop_begin(r.c, "loop", false);
    gr_val slice = gr_loop_slice(r.c, l, "x", x), h = gr_loop_carry(r.c, l, "h", h0);
    gr_loop_next(r.c, l, h, gr_emit2(r.c, "Add", h, slice));
    gr_loop_stack(r.c, l, "all", h);
    gr_val last = gr_loop_end(r.c, l);
    rig_result(&r, "all", gr_output(r.c, last, 1));
    gr_error e = {.message = ""};
    CU_ASSERT_PTR_NULL(gr_program_create(r.a, r.g, &e));
    CU_ASSERT_EQUAL(e.status, GR_ENOMEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "larger than any machine's"));
    rig_destroy(&r);
}

void test_program(void)
{
    CU_pSuite s = CU_add_suite("program", NULL, NULL);
    CU_add_test(s, "a carry without history takes one slot", carry_is_written_in_place);
    CU_add_test(s, "a stacked carry is written once", stacked_carry_is_not_copied);
    CU_add_test(s, "a program does not grow with time", time_does_not_grow_the_program);
    CU_add_test(s, "states are updated in place", states_are_updated_in_place);
    CU_add_test(s, "states that are read later are not", states_that_are_read_later_are_copied);
    CU_add_test(s, "temporaries share memory", temporaries_share_memory);
    CU_add_test(s, "what no memory holds is refused", what_no_memory_holds_is_refused);
    CU_add_test(s, "running out of memory", running_out_of_memory);
    CU_add_test(s, "buffers that live together do not overlap", plans_are_disjoint);
}
