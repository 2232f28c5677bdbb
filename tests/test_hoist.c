/* test_hoist.c - what stays in a loop and what leaves it. */
#include "graphs.h"
#include "pass/dag.h"
#include "tests.h"

#include <CUnit/CUnit.h>
#include <string.h>

static gr_pass_fn const hoist[] = {gr_pass_merge, gr_pass_hoist, NULL};
static gr_pass_fn const hoist_and_lay_out[] = {gr_pass_merge, gr_pass_hoist, gr_pass_layout, NULL};

static const gr_graph *body(const test_graph *t, int which)
{
    const gr_node *scan = test_find(t->g, "Scan", which);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scan);
    return scan->scan->body;
}

static void lstm(void)
{
    test_graph t = test_graph_after(&test_lstm, 7, hoist);
    /* Forward: x W_ih and h W_out over the whole sequence, only h W_hh in the loop. Backward:
     * two products toward operands and three weights' gradients, only dgates W_hh inside. */
    CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), 2);
    CU_ASSERT_EQUAL(test_count(t.g, "MatMul", false), 2 + 2 + 3);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(test_count(body(&t, i), "MatMul", true), 1);
        CU_ASSERT_STRING_EQUAL(test_find(body(&t, i), "MatMul", 0)->in[1]->node->name, "w_hh");
        CU_ASSERT_EQUAL(test_find(t.g, "Scan", i)->scan->carries, 2);
    }
    CU_ASSERT_FALSE(test_find(t.g, "Scan", 0)->scan->reverse);
    CU_ASSERT_TRUE(test_find(t.g, "Scan", 1)->scan->reverse);
    CU_ASSERT_STRING_EQUAL(test_find(t.g, "Scan", 0)->name, "rnn");
    CU_ASSERT_STRING_EQUAL(test_find(t.g, "MatMul", 0)->name, "from_x");
    CU_ASSERT_EQUAL(test_find(t.g, "MatMul", 0)->out[0]->type.dim[0], 7);
    test_graph_free(&t);
}

static void weight_gradients_contract_over_time(void)
{
    test_graph t = test_graph_after(&test_lstm, 7, hoist);
    int found = 0;
    for (int i = 0; i < t.g->num_nodes; i++) {
        const gr_node *n = t.g->nodes[i];
        if (strcmp(n->op->name, "MatMul") == 0 && n->in[0]->type.rank == 2 && n->in[0]->type.dim[0] == 7 * 3) found++;
    }
    CU_ASSERT_EQUAL(found, 3);
    test_graph_free(&t);
}

static void two_cells_come_apart(void)
{
    test_graph t = test_graph_after(&test_two_cells, 5, hoist);
    CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), 4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(test_find(t.g, "Scan", i)->scan->carries, 2);
        CU_ASSERT_EQUAL(test_count(body(&t, i), "MatMul", true), 1);
    }
    test_graph_free(&t);
}

/* running = running + x_t^2, and delayed = what x was a step ago. */
static void build_running(test_graph *t, int64_t steps)
{
    gr_val x = test_input(t, "x", gr_arena_printf(t->arena, "[%d, 3, 5]", (int)steps)), x0 = test_input(t, "x0", "[3, 5]");
    gr_val w = test_state(t, "w", 2, (int64_t[]){5, 5});
    gr_loop *l = gr_loop_begin(t->c, "loop", false);
    gr_val xt = gr_loop_slice(t->c, l, "xt", x), running = gr_loop_carry(t->c, l, "running", x0);
    gr_val delayed = gr_loop_carry(t->c, l, "delayed", x0), kept = gr_loop_carry(t->c, l, "kept", x0);
    gr_val w2 = gr_emit2(t->c, "Mul", w, w); /* the same at every step */
    gr_val y = gr_emit2(t->c, "MatMul", delayed, w2);
    gr_loop_next(t->c, l, running, gr_emit2(t->c, "Add", running, gr_emit2(t->c, "Mul", xt, xt)));
    gr_loop_next(t->c, l, delayed, xt);
    gr_loop_next(t->c, l, kept, kept);
    gr_loop_stack(t->c, l, "y", gr_emit2(t->c, "Add", y, kept));
    gr_val last = gr_loop_end(t->c, l);
    test_result(t, "running_n", last);
    test_result(t, "delayed_n", gr_output(t->c, last, 1));
    test_result(t, "delayed_history", gr_output(t->c, last, 4));
    test_result(t, "kept_history", gr_output(t->c, last, 5));
    test_result(t, "y", gr_output(t->c, last, 6));
}

static const test_recipe running = {build_running, NULL};

static void loops_without_need_vanish(void)
{
    test_graph t = test_graph_after(&running, 6, hoist);
    CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), 0);
    CU_ASSERT_EQUAL(test_find(t.g, "Mul", 0)->out[0]->type.rank, 2); /* w * w, made once */
    test_graph_free(&t);
    test_same_values(&running, 6, hoist_and_lay_out);
}

static void same_values(void)
{
    test_same_values(&test_lstm, 7, hoist_and_lay_out);
    test_same_values(&test_lstm_reverse, 7, hoist_and_lay_out);
    test_same_values(&test_two_cells, 5, hoist_and_lay_out);
    test_same_values(&test_minimal_gated, 5, hoist_and_lay_out);
    test_same_values(&test_lstm, 1, hoist_and_lay_out);
}

static void size_does_not_depend_on_steps(void)
{
    static gr_pass_fn const all[] = {gr_pass_merge, gr_pass_hoist, gr_pass_fuse, gr_pass_layout, NULL};
    const int64_t steps[3] = {35, 350, 3500};
    int nodes[3];
    for (int i = 0; i < 3; i++) {
        test_graph t = test_graph_after(&test_two_cells, steps[i], all);
        nodes[i] = test_count(t.g, NULL, true);
        test_graph_free(&t);
    }
    CU_ASSERT_EQUAL(nodes[0], nodes[1]);
    CU_ASSERT_EQUAL(nodes[0], nodes[2]);
}

/* 0 -> 1 <-> 2 -> 3, 0 -> 3 */
static void components_and_groups(void)
{
    gr_arena *a = gr_arena_create();
    gr_dag *d = gr_dag_create(a, 5);
    const gr_edge edges[5] = {{0, 1}, {1, 2}, {2, 1}, {2, 3}, {0, 3}};
    for (int i = 0; i < 5; i++) gr_dag_edge(d, edges[i].from, edges[i].to);
    gr_dag_finish(d);
    int comp[5], order[5];
    CU_ASSERT_EQUAL(gr_dag_components(d, comp), 4);
    CU_ASSERT_EQUAL(comp[1], comp[2]);
    CU_ASSERT_TRUE(comp[0] < comp[1] && comp[1] < comp[3]);
    gr_partition *p = gr_partition_create(d);
    gr_partition_join(p, 1, 2);
    CU_ASSERT_TRUE(gr_partition_apart(p, 0, 3));
    CU_ASSERT_FALSE(gr_partition_apart(p, 0, 1));
    CU_ASSERT_FALSE(gr_partition_apart(p, 3, 4));
    CU_ASSERT_EQUAL(gr_partition_order(p, order), 4);
    CU_ASSERT_TRUE(order[0] == 0 && order[1] == 1 && order[2] == 3 && order[3] == 4);
    gr_arena_destroy(a);
}

void test_hoist(void)
{
    CU_pSuite s = CU_add_suite("hoist", NULL, NULL);
    CU_add_test(s, "components and groups", components_and_groups);
    CU_add_test(s, "an LSTM keeps one product a loop", lstm);
    CU_add_test(s, "weight gradients contract over time", weight_gradients_contract_over_time);
    CU_add_test(s, "two cells come apart", two_cells_come_apart);
    CU_add_test(s, "loops that need no carry vanish", loops_without_need_vanish);
    CU_add_test(s, "the same values as without", same_values);
    CU_add_test(s, "the graph does not grow with the steps", size_does_not_depend_on_steps);
}
