/* test_fuse.c - pointwise chains as tapes, tapes as epilogues. */
#include "graphs.h"
#include "graph/tape.h"
#include "tests.h"

#include <CUnit/CUnit.h>

static gr_pass_fn const fuse_alone[] = {gr_pass_fuse, gr_pass_layout, NULL};
static gr_pass_fn const fuse[] = {gr_pass_merge, gr_pass_hoist, gr_pass_fuse, NULL};
static gr_pass_fn const all[] = {gr_pass_merge, gr_pass_hoist, gr_pass_fuse, gr_pass_layout, NULL};

static void lstm(void)
{
    rig t = test_graph_after(&test_lstm, 7, fuse);
    const gr_node *scan = test_find(t.g, "Scan", 0), *step = test_find(scan->scan->body, "MatMul", 0);
    CU_ASSERT_EQUAL(test_count(scan->scan->body, "MatMul", true), 1);
    CU_ASSERT_EQUAL(test_count(scan->scan->body, "Fused", true), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(step->epilogue);
    CU_ASSERT_EQUAL(step->product_inputs, 3); /* too small to be packed ahead: the third is absent */
    CU_ASSERT_PTR_NULL(step->in[2]);
    CU_ASSERT_EQUAL(step->epilogue->num_slices, 4);
    CU_ASSERT_EQUAL(step->epilogue->width, 4);
    for (int i = 0; i < 4; i++) CU_ASSERT_EQUAL(step->epilogue->column[i] % 4, 0);
    CU_ASSERT_EQUAL(step->epilogue->product.dim[1], 16);
    CU_ASSERT_EQUAL(step->tape->num_in, 4 + 4 + 1);
    CU_ASSERT_EQUAL(step->tape->num_out, step->num_out);
    /* The biases are the epilogue of x W_ih; backward one tape makes all of dgates. */
    CU_ASSERT_PTR_NOT_NULL(test_find(t.g, "MatMul", 0)->epilogue);
    CU_ASSERT_EQUAL(test_count(test_find(t.g, "Scan", 1)->scan->body, "Fused", true), 1);
    rig_destroy(&t);
}

/* Products with a vector, one row of all the result's columns or several, in tiles of part of a row and of many. */
static void build_scores(rig *t, int64_t steps)
{
    static const char *const shape[] = {"5, 1, 6, 7", "3, 2, 70, 7", "300, 4, 7", "2, 5, 7"};
    char name[] = "x0";
    gr_val w = test_weight(t, "w", 1, (int64_t[]){7});
    (void)steps;
    for (int i = 0; i < 4; i++, name[1]++) {
        gr_val x = rig_input(t, gr_arena_printf(t->a, "%s", name), shape[i]);
        if (i == 3) x = gr_emit(t->c, "Permute", NULL, 1, &x, "dims=[1, 0, 2]"); /* rows that do not follow each other */
        gr_val y = gr_emit2(t->c, "MatMul", x, w);
        test_result(t, gr_arena_printf(t->a, "y%d", i), gr_emit1(t->c, "Tanh", y));
    }
}

static void products_with_vectors(void)
{
    static const test_recipe scores = {build_scores, NULL};
    rig t = test_graph_after(&scores, 1, all);
    CU_ASSERT_PTR_NOT_NULL(test_find(t.g, "MatMul", 0)->epilogue);
    rig_destroy(&t);
    test_same_values(&scores, 1, all);
}

static void same_values(void)
{
    test_same_values(&test_lstm, 7, fuse_alone);
    test_same_values(&test_lstm, 7, all);
    test_same_values(&test_lstm_reverse, 7, all);
    test_same_values(&test_two_cells, 5, all);
    test_same_values(&test_minimal_gated, 5, all);
}

/* a -> Sum -> b, a -> b: the chain must not close over the sum. And 60 terms in one Add,
 * a number known now, an integer in between. */
static void build_chains(rig *t, int64_t steps)
{
    (void)steps;
    gr_val x = rig_input(t, "x", "4, 6");
    gr_val a = gr_emit1(t->c, "Exp", x);
    gr_val sum = gr_emit(t->c, "Sum", NULL, 1, &a, "dim=-1, keepdim=true");
    gr_val softmax = gr_emit2(t->c, "Div", a, sum);
    gr_val many[60];
    for (int i = 0; i < 60; i++) many[i] = i % 2 ? softmax : gr_emit1(t->c, i % 4 ? "Sin" : "Cos", x);
    test_result(t, "softmax", softmax);
    test_result(t, "many", gr_emit(t->c, "Add", NULL, 60, many, NULL));
    gr_val ten = gr_emit(t->c, "Constant", NULL, 0, NULL, "value=10.0");
    gr_val whole = gr_emit(t->c, "Cast", NULL, 1, (gr_val[]){gr_emit2(t->c, "Mul", x, ten)}, "dtype=int32");
    test_result(t, "whole", gr_emit(t->c, "Cast", NULL, 1, &whole, "dtype=float64"));
}

static const test_recipe chains = {build_chains, NULL};

static void chains_and_cycles(void)
{
    rig t = test_graph_after(&chains, 1, fuse);
    CU_ASSERT_EQUAL(test_count(t.g, "Sum", true), 1);
    CU_ASSERT_EQUAL(test_count(t.g, "Fused", true), 3);
    CU_ASSERT_EQUAL(test_count(t.g, "Constant", true), 0);
    rig_destroy(&t);
    test_same_values(&chains, 1, all);
}

/* More values alive at once than a tape has registers. */
static void build_wide(rig *t, int64_t steps)
{
    gr_val x = rig_input(t, "x", "9"), v[100];
    v[0] = x;
    for (int i = 1; i < 100; i++) v[i] = gr_emit1(t->c, "Sin", v[i - 1]);
    gr_val sum = v[0];
    for (int i = 1; i < 100; i++) sum = gr_emit2(t->c, "Mul", gr_emit2(t->c, "Add", sum, v[99 - i]), v[i]);
    (void)steps;
    test_result(t, "sum", sum);
}

static const test_recipe wide = {build_wide, NULL};

static void register_limit(void)
{
    rig t = test_graph_after(&wide, 1, fuse);
    CU_ASSERT_TRUE(test_count(t.g, "Fused", true) > 1);
    for (int i = 0; i < t.g->num_nodes; i++)
        if (t.g->nodes[i]->tape) CU_ASSERT_TRUE(t.g->nodes[i]->tape->num_regs <= GR_TAPE_MAX_REGS);
    rig_destroy(&t);
    test_same_values(&wide, 1, all);
}

/* A loop in a loop multiplies with weights from outside of both. */
static void build_weights(rig *t, int64_t steps)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 2, 3, 40", (int)steps)), h0 = rig_input(t, "h0", "3, 40");
    gr_val w = test_weight(t, "w", 2, (int64_t[]){40, 40});
    gr_loop *outer = gr_loop_begin(t->c, "outer", false);
    gr_val xs = gr_loop_slice(t->c, outer, "xs", x), h = gr_loop_carry(t->c, outer, "h", h0);
    gr_loop *inner = gr_loop_begin(t->c, "inner", false);
    gr_val xt = gr_loop_slice(t->c, inner, "xt", xs), k = gr_loop_carry(t->c, inner, "k", h);
    gr_val next = gr_emit2(t->c, "Add", gr_emit(t->c, "MatMul", NULL, 2, (gr_val[]){k, w}, "transpose_b=true"), xt);
    gr_loop_next(t->c, inner, k, gr_emit1(t->c, "Tanh", next));
    gr_loop_next(t->c, outer, h, gr_loop_end(t->c, inner));
    gr_val last = gr_loop_end(t->c, outer), square = gr_emit2(t->c, "Mul", last, last);
    test_result(t, "loss", gr_emit(t->c, "Sum", "loss", 1, &square, NULL));
}

static void weights_are_packed_once(void)
{
    static const char *const grad[] = {"x", "w", NULL};
    const test_recipe weights = {build_weights, grad};
    rig t = test_graph_after(&weights, 4, fuse);
    CU_ASSERT_EQUAL(test_count(t.g, "PackedOperand", false), 2); /* as it is for h W', transposed for dh W */
    CU_ASSERT_EQUAL(test_count(t.g, "PackedOperand", true), 2);
    rig_destroy(&t);
    test_same_values(&weights, 4, all);
}

/* A product that is asked for itself takes no epilogue. */
static void build_kept_product(rig *t, int64_t steps)
{
    (void)steps;
    gr_val x = rig_input(t, "x", "4, 6"), w = rig_input(t, "w", "6, 8");
    gr_val p = gr_emit2(t->c, "MatMul", x, w);
    test_result(t, "p", p);
    test_result(t, "y", gr_emit1(t->c, "Tanh", p));
}

static const test_recipe kept_product = {build_kept_product, NULL};

static void asked_for_product_stays(void)
{
    rig t = test_graph_after(&kept_product, 1, fuse);
    CU_ASSERT_PTR_NULL(test_find(t.g, "MatMul", 0)->epilogue);
    rig_destroy(&t);
    test_same_values(&kept_product, 1, all);
}

void test_fuse(void)
{
    CU_pSuite s = CU_add_suite("fuse", NULL, NULL);
    CU_add_test(s, "an LSTM step is one product with its tail", lstm);
    CU_add_test(s, "chains, and no cycles", chains_and_cycles);
    CU_add_test(s, "as many registers as there are", register_limit);
    CU_add_test(s, "weights are packed once", weights_are_packed_once);
    CU_add_test(s, "a product asked for stays", asked_for_product_stays);
    CU_add_test(s, "products with vectors", products_with_vectors);
    CU_add_test(s, "the same values as without", same_values);
}
