/* test_layout.c - copies where a view cannot be, and only there. */
#include "graphs.h"
#include "tests.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>

static gr_pass_fn const lay_out[] = {gr_pass_layout, NULL};
static gr_pass_fn const all[] = {gr_pass_merge, gr_pass_hoist, gr_pass_fuse, gr_pass_layout, NULL};

static void build_views(rig *t, int64_t steps)
{
    (void)steps;
    gr_val x = rig_input(t, "x", "4, 6");
    gr_val turned = gr_emit(t->c, "Transpose", NULL, 1, &x, "dim0=0, dim1=1");
    gr_val flat = gr_emit(t->c, "Reshape", NULL, 1, &turned, "shape=[24]");
    test_result(t, "tanh", gr_emit1(t->c, "Tanh", turned)); /* a tape takes any strides */
    test_result(t, "flat", gr_emit1(t->c, "Exp", flat));    /* no view of a transposed value */
}

static const test_recipe views = {build_views, NULL};

static void copies(void)
{
    rig t = test_graph_after(&views, 1, lay_out);
    CU_ASSERT_EQUAL(test_count(t.g, "Fused", true), 3); /* tanh, exp, and one copy */
    rig_destroy(&t);
    test_same_values(&views, 1, all);
}

static void every_pointwise_node_is_a_tape(void)
{
    rig t = test_graph_after(&test_lstm, 4, lay_out);
    CU_ASSERT_EQUAL(test_count(t.g, "Tanh", true) + test_count(t.g, "Mul", true) + test_count(t.g, "Add", true), 0);
    rig_destroy(&t);
}

/* What a Concat joins as it lies, and what it joins of dense copies. */
static void build_joins(rig *t, int64_t steps)
{
    static const char *const dim[] = {"dim=0", "dim=1", "dim=-1"}, *const name[] = {"a", "b", "c", "d", "e", "f"};
    (void)steps;
    const gr_val x = rig_input(t, "x", "4, 6, 2"), one = rig_input(t, "one", ""), thin = rig_input(t, "thin", "6, 1, 2");
    const gr_val turned = gr_emit(t->c, "Permute", NULL, 1, &x, "dims=[1, 0, 2]"), part = gr_emit(t->c, "Slice", NULL, 1, &turned, "dim=1, start=1, stop=3");
    const gr_val wide = gr_emit(t->c, "Expand", NULL, 1, &thin, "shape=[6, 4, 2]");
    const gr_val scattered = gr_emit(t->c, "Permute", NULL, 1, &x, "dims=[1, 2, 0]"), rest = gr_emit(t->c, "Slice", NULL, 1, &scattered, "dim=2, start=1, stop=3");
    for (int i = 0; i < 6; i++) {
        gr_val as_they_lie[] = {i < 3 ? turned : scattered, i == 1 ? part : i < 3 ? wide : i == 5 ? rest : scattered}, dense[2];
        for (int k = 0; k < 2; k++) dense[k] = gr_emit2(t->c, "Mul", as_they_lie[k], one);
        gr_val joined = gr_emit(t->c, "Concat", NULL, 2, as_they_lie, "%s", dim[i % 3]), scaled = gr_emit2(t->c, "Mul", joined, one);
        test_result(t, name[i], gr_emit2(t->c, "Sub", scaled, gr_emit(t->c, "Concat", NULL, 2, dense, "%s", dim[i % 3])));
    }
}

static const test_recipe joins = {build_joins, NULL};

static void concatenations_take_any_strides(void)
{
    rig t = test_graph_after(&joins, 1, lay_out);
    session s = session_create(t.g, 1);
    size_t size;
    char *out = session_outcome(&s, 1, &size);
    int wrong = 0;
    for (size_t i = 0; i < size; i++) wrong += out[i] != 0; /* equal numbers differ by zero bytes */
    CU_ASSERT_TRUE(size > 0);
    CU_ASSERT_EQUAL(wrong, 0);
    free(out);
    session_destroy(&s);
    rig_destroy(&t);
}

void test_layout(void)
{
    CU_pSuite s = CU_add_suite("layout", NULL, NULL);
    CU_add_test(s, "copies where a view cannot be", copies);
    CU_add_test(s, "concatenations take any strides", concatenations_take_any_strides);
    CU_add_test(s, "every pointwise node is a tape", every_pointwise_node_is_a_tape);
}
