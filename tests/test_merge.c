/* test_merge.c - products of one operand, equal nodes. */
#include "graphs.h"
#include "tests.h"

#include <CUnit/CUnit.h>

static gr_pass_fn const merge[] = {gr_pass_merge, NULL};
static gr_pass_fn const hoist[] = {gr_pass_merge, gr_pass_hoist, NULL};
static gr_pass_fn const merge_and_lay_out[] = {gr_pass_merge, gr_pass_layout, NULL};

static void build_products(rig *t, int64_t rows)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 6", (int)rows)), p[3];
    for (int i = 0; i < 3; i++) {
        gr_val w = test_weight(t, gr_arena_printf(t->a, "w%d", i), 2, (int64_t[]){6 + i, 6});
        p[i] = gr_emit(t->c, "MatMul", NULL, 2, (gr_val[]){x, w}, "transpose_b=true");
        test_result(t, gr_arena_printf(t->a, "p%d", i), p[i]);
    }
}

static const test_recipe products = {build_products, NULL};

static void products_of_one_operand(void)
{
    rig t = test_graph_after(&products, 50, merge);
    CU_ASSERT_EQUAL(test_count(t.g, "MatMul", true), 1);
    CU_ASSERT_EQUAL(test_find(t.g, "MatMul", 0)->out[0]->type.dim[1], 6 + 7 + 8);
    CU_ASSERT_EQUAL(test_count(t.g, "Slice", true), 3);
    rig_destroy(&t);
    test_same_values(&products, 50, merge_and_lay_out);
}

/* Of weights much larger than all that is multiplied with them a copy is dear. */
static void build_dear(rig *t, int64_t rows)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 300", (int)rows));
    for (int i = 0; i < 2; i++) {
        gr_val w = test_weight(t, i ? "w1" : "w0", 2, (int64_t[]){300, 300});
        test_result(t, i ? "p1" : "p0", gr_emit(t->c, "MatMul", NULL, 2, (gr_val[]){x, w}, "transpose_b=true"));
    }
}

static const test_recipe dear = {build_dear, NULL};

static void only_where_it_pays(void)
{
    rig t = test_graph_after(&dear, 2, merge);
    CU_ASSERT_EQUAL(test_count(t.g, "MatMul", true), 2);
    rig_destroy(&t);
    t = test_graph_after(&dear, 4000, merge);
    CU_ASSERT_EQUAL(test_count(t.g, "MatMul", true), 1);
    rig_destroy(&t);
}

/* x Wf and x Wc leave the loop as one product; h Uf and (f h) Uc stay as they are. */
static void minimal_gated(void)
{
    const test_recipe forward = {test_minimal_gated.build, NULL};
    rig t = test_graph_after(&forward, 5, hoist);
    CU_ASSERT_EQUAL(test_count(t.g, "MatMul", false), 1);
    CU_ASSERT_EQUAL(test_count(t.g, "MatMul", true), 3);
    rig_destroy(&t);
    test_same_values(&test_minimal_gated, 5, merge_and_lay_out);
}

/* Backward dgates is read by the product toward x, which leaves the loop, and by that toward
 * h, which does not. */
static void stays_apart(void)
{
    rig t = test_graph_after(&test_lstm, 7, merge);
    CU_ASSERT_EQUAL(test_count(t.g, "Concat", false), 0);
    rig_destroy(&t);
}

static void build_equal(rig *t, int64_t steps)
{
    (void)steps;
    gr_val x = rig_input(t, "x", "4");
    test_result(t, "y", gr_emit2(t->c, "Mul", gr_emit1(t->c, "Exp", x), gr_emit1(t->c, "Exp", x)));
}

static void equal_nodes(void)
{
    const test_recipe equal = {build_equal, NULL};
    rig t = test_graph_after(&equal, 1, merge);
    CU_ASSERT_EQUAL(test_count(t.g, "Exp", true), 1);
    rig_destroy(&t);
}

void test_merge(void)
{
    CU_pSuite s = CU_add_suite("merge", NULL, NULL);
    CU_add_test(s, "products of one operand", products_of_one_operand);
    CU_add_test(s, "only where it pays", only_where_it_pays);
    CU_add_test(s, "a minimal gated unit", minimal_gated);
    CU_add_test(s, "what leaves a loop and what stays", stays_apart);
    CU_add_test(s, "equal nodes", equal_nodes);
}
