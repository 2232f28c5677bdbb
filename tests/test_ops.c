/* test_ops.c - every op, by walking the registry: the walk is tools/walk/op_walk.h's. A plugin's ops go
 * the same way. What cases an op must have is said in test_op_cases.c. */
#include "builtin_cases.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

/* What several threads run: the program of a step, in a loop where the node may stand in one. */
static bool walk_threads(const op_case *c, const op_more *more)
{
    unsigned all;
    op_way w = {.real = GR_FLOAT32, .steps = STEPS, .optional = true, .programs = true};
    const int inside = op_sequences(c, more, &all) ? op_try_way(c, w, more) : 0;
    if (inside) return inside > 0;
    w.steps = 0, w.optional = false;
    return op_try_way(c, w, more) > 0;
}

static bool walk_case(const op_case *c)
{
    static const op_more no_loops = {.may_refuse_loops = true}, packing = {.float_differs = true};
    const op_more *more = op_refused_in_loops(c) ? &no_loops : strcmp(c->op, "PackedOperand") == 0 ? &packing : NULL;
    return GR_TEST_NUMBERS ? op_walk_case(c, more) : walk_threads(c, more);
}

static void every_case(void)
{
    int bad = 0;
    for (int i = 0; i < op_num_cases; i++) bad += !walk_case(&op_cases[i]);
    CU_ASSERT_EQUAL(bad, 0);
}

static void other_lengths(void)
{
    int bad = 0;
    const gr_registry *r = op_registry_of(NULL);
    for (int i = 0; i < gr_registry_count(r); i++) {
        const gr_op *op = gr_registry_at(r, i);
        bool met[2] = {false, false}, any = false;
        for (int k = 0; k < op_num_cases; k++) {
            if (strcmp(op_cases[k].op, op->name)) continue;
            any = any || strchr(op_cases[k].inputs, ' '); /* an input that has axes */
            bad += !op_walk_lengths(&op_cases[k], NULL, met);
        }
        for (int to = 0; to < 2; to++) {
            if (!any || met[to]) continue;
            printf("\n  no case of %s works with an axis of length %d\n", op->name, to);
            bad++;
        }
    }
    CU_ASSERT_EQUAL(bad, 0);
}

static void dims_from_both_ends(void)
{
    int bad = 0;
    for (int i = 0; i < op_num_cases; i++) bad += !op_walk_turned(&op_cases[i], NULL);
    CU_ASSERT_EQUAL(bad, 0);
}

/* ---- plugins, and broken ops ---- */

/* Walks the ops of a plugin by their own cases: how many are wrong. The first failure of each is in `says`. */
static int walk_plugin(const char *path, char *says, size_t room)
{
    gr_arena *a = gr_arena_create();
    gr_registry *r = op_registry_create(a);
    gr_error e = {0};
    int bad = 0, first = gr_registry_count(r);
    CU_ASSERT_EQUAL(gr_registry_load(r, path, &e), 0);
    CU_ASSERT(gr_registry_count(r) > first);
    for (int i = first; i < gr_registry_count(r); i++) {
        op_report report = {0};
        bad += !op_walk_op(a, r, gr_registry_at(r, i), &report);
        for (int k = 0; k < OP_NUM_CHECKS; k++)
            if (*report.of[k].failure) snprintf(says, room, "%.*s", (int)room - 1, report.of[k].failure);
    }
    gr_arena_destroy(a);
    return bad;
}

static void plugins_are_walked(void)
{
    static const char *const name[] = {"minimal_gated", "snake", "slstm", "ctc"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        char path[512], says[512] = "";
        snprintf(path, sizeof path, "%s/graphs/plugins/%s.so", GR_BUILD_DIR, name[i]);
        CU_ASSERT_EQUAL(walk_plugin(path, says, sizeof says), 0);
        if (*says) printf("\n  %s: %s\n", name[i], says);
    }
    char says[512] = "";
    CU_ASSERT_EQUAL(walk_plugin(GR_BUILD_DIR "/tests/wrong_gradient.so", says, sizeof says), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(says, "gradient toward input[0]: analytic"));
}

static int wrong_gradient(gr_ctx *c)
{
    return gr_set_grad(c, 0, 0, gr_emit2(c, "Mul", gr_grad(c, 0), gr_out(c, 0))); /* of exp, not tanh */
}

static int reversed_batch(gr_ctx *c)
{
    return gr_set_result(c, 0, gr_emit(c, "Flip", NULL, 1, (gr_val[]){gr_in(c, 0)}, "dims=[0]"));
}

static void broken_ops_are_caught(void)
{
    static const gr_port in[] = {{"input", 0, "[...]"}, {.name = NULL}}, out[] = {{"output", 0, "[...]"}, {.name = NULL}};
    static const gr_attr_spec attrs[] = {{.name = "k", .kind = GR_ATTR_INT, .fallback = "1", .doc = "A number."}, {.name = NULL}};
    static const gr_op broken = {GR_OP_HEADER, .name = "Broken", .summary = "A tanh with a wrong gradient.", .inputs = in, .outputs = out,
                                 .attrs = attrs, .tape = GR_TAPE_TANH, .traits = GR_POINTWISE | GR_ROWWISE, .gradient = wrong_gradient};
    printf("\n  (messages about Broken and Turned follow)");
    gr_arena *a = gr_arena_create();
    gr_registry *r = op_registry_create(a);
    gr_error e;
    const op_more more = {.registry = r};
    gr_op turned = *gr_registry_find(r, "CumSum"); /* a kernel */
    turned.name = "Turned";
    turned.traits &= ~(uint32_t)GR_ROWWISE;
    turned.batch = reversed_batch;
    turned.gradient = NULL;
    turned.traits |= GR_ZERO_GRAD;
    CU_ASSERT_EQUAL(gr_registry_add(r, &broken, &e), 0);
    CU_ASSERT_EQUAL(gr_registry_add(r, &turned, &e), 0);
    CU_ASSERT_FALSE(op_walk_case(&(op_case){"Broken", "", "f 3"}, &more));
    CU_ASSERT_FALSE(op_walk_case(&(op_case){"Turned", "dim=0", "f 3"}, &more));
    CU_ASSERT_NOT_EQUAL(op_walk_gaps(&broken, &(op_case){"Broken", "", "f 3"}, 1, NULL, NULL, NULL), 0); /* k is never another */
    gr_arena_destroy(a);
}

void test_ops(void)
{
    CU_pSuite s = CU_add_suite("ops", NULL, NULL);
    CU_add_test(s, "alone and in loops, before and after the passes, on 1 and 3 threads", every_case);
    if (GR_TEST_NUMBERS) CU_add_test(s, "with axes of length 1 and 0", other_lengths);
    if (GR_TEST_NUMBERS) CU_add_test(s, "dims count from both ends", dims_from_both_ends);
    CU_add_test(s, "plugins' ops are walked, and a wrong gradient is caught", plugins_are_walked);
    CU_add_test(s, "broken ops are caught", broken_ops_are_caught);
}
