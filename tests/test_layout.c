/* test_layout.c - copies where a view cannot be, and only there. */
#include "graphs.h"
#include "tests.h"

#include <CUnit/CUnit.h>

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

void test_layout(void)
{
    CU_pSuite s = CU_add_suite("layout", NULL, NULL);
    CU_add_test(s, "copies where a view cannot be", copies);
    CU_add_test(s, "every pointwise node is a tape", every_pointwise_node_is_a_tape);
}
