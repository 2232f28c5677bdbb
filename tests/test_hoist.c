/* test_hoist.c - what stays in a loop and what leaves it. */
#include "graphs.h"
#include "pass/dag.h"
#include "tests.h"

#include <CUnit/CUnit.h>
#include <string.h>

static gr_pass_fn const hoist[] = {gr_pass_merge, gr_pass_hoist, NULL};
static gr_pass_fn const hoist_and_lay_out[] = {gr_pass_merge, gr_pass_hoist, gr_pass_layout, NULL};
static gr_pass_fn const all[] = {gr_pass_merge, gr_pass_hoist, gr_pass_fuse, gr_pass_layout, NULL};

static const gr_graph *body(const rig *t, int which)
{
    const gr_node *scan = test_find(t->g, "Scan", which);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scan);
    return scan->scan->body;
}

static void lstm(void)
{
    rig t = test_graph_after(&test_lstm, 7, hoist);
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
    rig_destroy(&t);
}

static void weight_gradients_contract_over_time(void)
{
    rig t = test_graph_after(&test_lstm, 7, hoist);
    int found = 0;
    for (int i = 0; i < t.g->num_nodes; i++) {
        const gr_node *n = t.g->nodes[i];
        if (strcmp(n->op->name, "MatMul") == 0 && n->in[0]->type.rank == 2 && n->in[0]->type.dim[0] == 7 * 3) found++;
    }
    CU_ASSERT_EQUAL(found, 3);
    rig_destroy(&t);
}

static void two_cells_come_apart(void)
{
    rig t = test_graph_after(&test_two_cells, 5, hoist);
    CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), 4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(test_find(t.g, "Scan", i)->scan->carries, 2);
        CU_ASSERT_EQUAL(test_count(body(&t, i), "MatMul", true), 1);
    }
    rig_destroy(&t);
}

/* running = running + x_t^2, and delayed = what x was a step ago. */
static void build_running(rig *t, int64_t steps)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 3, 5", (int)steps)), x0 = rig_input(t, "x0", "3, 5");
    gr_val w = test_weight(t, "w", 2, (int64_t[]){5, 5});
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
    rig t = test_graph_after(&running, 6, hoist);
    CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), 0);
    CU_ASSERT_EQUAL(test_find(t.g, "Mul", 0)->out[0]->type.rank, 2); /* w * w, made once */
    rig_destroy(&t);
    test_same_values(&running, 6, hoist_and_lay_out);
}

/* A decoder's step: attention over a memory by h, dropout, a loss that the loop sums up,
 * rows beyond their length held. Backward the memory's gradient is two products over all
 * steps, and what it gathers in place, of the step that was best. */
static void build_decoder(rig *t, int64_t steps)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 3, 4", (int)steps)), h0 = rig_input(t, "h0", "3, 4");
    gr_val memory = rig_input(t, "memory", "3, 7, 4"), zero = gr_emit(t->c, "Zeros", NULL, 0, NULL, "shape=[], dtype=float64");
    gr_val mask = rig_input(t, "mask", gr_arena_printf(t->a, "%d, 3, 1", (int)steps));
    gr_val w = test_weight(t, "w", 2, (int64_t[]){4, 4}), u = test_weight(t, "u", 2, (int64_t[]){4, 4});
    t->g->training = true;
    gr_loop *l = gr_loop_begin(t->c, "decoder", steps == 6);
    gr_val xt = gr_loop_slice(t->c, l, "xt", x), mt = gr_loop_slice(t->c, l, "mt", mask);
    gr_val h = gr_loop_carry(t->c, l, "h", h0), loss = gr_loop_carry(t->c, l, "sum", zero);
    gr_val query = gr_emit(t->c, "Unsqueeze", NULL, 1, &h, "dim=1");
    gr_val scores = gr_emit(t->c, "MatMul", "scores", 2, (gr_val[]){query, memory}, "transpose_b=true");
    gr_val weights = gr_emit(t->c, "Softmax", NULL, 1, &scores, "dim=-1");
    gr_val context = gr_emit2(t->c, "MatMul", weights, memory);
    gr_val best = gr_emit(t->c, "ArgMax", NULL, 1, &weights, "dim=-1, keepdim=true");
    gr_val picked[2] = {memory, gr_emit(t->c, "Expand", NULL, 1, &best, "shape=[3, 1, 4]")};
    context = gr_emit2(t->c, "Add", context, gr_emit(t->c, "Gather", NULL, 2, picked, "dim=1"));
    context = gr_emit(t->c, "Squeeze", NULL, 1, &context, "dim=1");
    context = gr_emit(t->c, "Dropout", NULL, 1, &context, "p=0.3");
    gr_val dropped = gr_emit(t->c, "Dropout", NULL, 1, &xt, "p=0.5");
    gr_val sum[2] = {gr_emit2(t->c, "MatMul", context, w), gr_emit2(t->c, "MatMul", dropped, u)};
    gr_val h1 = gr_emit1(t->c, "Tanh", gr_emit(t->c, "Add", NULL, 2, sum, NULL));
    gr_val held = gr_emit3(t->c, "Where", gr_emit2(t->c, "Less", mt, gr_emit1(t->c, "Abs", xt)), h1, h);
    gr_val term = gr_emit2(t->c, "Mul", held, held);
    gr_loop_next(t->c, l, h, held);
    gr_loop_next(t->c, l, loss, gr_emit2(t->c, "Add", loss, gr_emit(t->c, "Sum", NULL, 1, &term, NULL)));
    gr_loop_stack(t->c, l, "weights", weights);
    gr_val last = gr_loop_end(t->c, l);
    test_result(t, "h_n", last);
    test_result(t, "weights", gr_output(t->c, last, 4));
    test_result(t, "loss", gr_output(t->c, last, 1));
}

static const char *const decoder_grad[] = {"x", "h0", "memory", "w", "u", NULL};
static const test_recipe decoder = {build_decoder, decoder_grad};

static void attention(void)
{
    rig t = test_graph_after(&decoder, 5, hoist);
    CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), 3); /* forward, backward, one that adds to memory's gradient */
    const gr_node *product = NULL; /* [batch, memory, time] times [batch, time, features] */
    for (int i = 0; (product = test_find(t.g, "MatMul", i)) && (product->in[0]->type.rank != 3 || product->in[0]->type.dim[1] != 5);) i++;
    CU_ASSERT_PTR_NOT_NULL(product);
    CU_ASSERT_EQUAL(test_count(t.g, "DropoutMask", true), 2); /* that of what h gives, too */
    for (int i = 0; i < 2; i++) {
        const gr_node *mask = test_find(t.g, "DropoutMask", i);
        CU_ASSERT_TRUE(mask && mask->outer_axes == 1);
    }
    CU_ASSERT_EQUAL(test_count(t.g, "Sum", false), 1); /* the loss, over all steps at once */
    rig_destroy(&t);
    test_same_values(&decoder, 5, hoist_and_lay_out);
    test_same_values(&decoder, 5, all);
    test_same_values(&decoder, 6, all);
}

/* A loop in a loop; the inner one reads the outer one's carry and step. */
static void build_nested(rig *t, int64_t steps)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 5, 3, 4", (int)steps)), h0 = rig_input(t, "h0", "3, 4");
    gr_val w = test_weight(t, "w", 2, (int64_t[]){4, 4}), u = test_weight(t, "u", 2, (int64_t[]){4, 4});
    gr_loop *outer = gr_loop_begin(t->c, "outer", false);
    gr_val xs = gr_loop_slice(t->c, outer, "xs", x), h = gr_loop_carry(t->c, outer, "h", h0);
    gr_loop *inner = gr_loop_begin(t->c, "inner", true);
    gr_val xt = gr_loop_slice(t->c, inner, "xt", xs), k = gr_loop_carry(t->c, inner, "k", h);
    gr_val terms[3] = {gr_emit2(t->c, "MatMul", xt, w), gr_emit2(t->c, "MatMul", k, u), h};
    gr_val k1 = gr_emit1(t->c, "Tanh", gr_emit(t->c, "Add", NULL, 3, terms, NULL));
    gr_loop_next(t->c, inner, k, k1);
    gr_loop_stack(t->c, inner, "ks", gr_emit2(t->c, "MatMul", k1, w));
    gr_val last = gr_loop_end(t->c, inner);
    gr_val ks = gr_output(t->c, last, 2);
    gr_loop_next(t->c, outer, h, last);
    gr_loop_stack(t->c, outer, "all", ks);
    last = gr_loop_end(t->c, outer);
    gr_val all_ks = gr_output(t->c, last, 2), square = gr_emit2(t->c, "Mul", all_ks, all_ks);
    test_result(t, "all", all_ks);
    test_result(t, "loss", gr_emit(t->c, "Sum", "loss", 1, &square, NULL));
}

static const char *const nested_grad[] = {"x", "h0", "w", "u", NULL};
static const test_recipe nested = {build_nested, nested_grad};

static void loop_in_loop(void)
{
    rig t = test_graph_after(&nested, 3, hoist);
    CU_ASSERT_EQUAL(test_find(t.g, "MatMul", 0)->out[0]->type.rank, 4); /* out of both loops */
    for (int i = 0; i < 2; i++) CU_ASSERT_EQUAL(test_count(body(&t, i), "MatMul", true), 1);
    rig_destroy(&t);
    test_same_values(&nested, 3, hoist_and_lay_out);
    test_same_values(&nested, 3, all);
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
    const int64_t steps[3] = {35, 350, 3500};
    int nodes[3];
    for (int i = 0; i < 3; i++) {
        rig t = test_graph_after(&test_two_cells, steps[i], all);
        nodes[i] = test_count(t.g, NULL, true);
        rig_destroy(&t);
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
    CU_add_test(s, "attention, dropout, rows held, a loss summed up", attention);
    CU_add_test(s, "a loop in a loop", loop_in_loop);
    CU_add_test(s, "the same values as without", same_values);
    CU_add_test(s, "the graph does not grow with the steps", size_does_not_depend_on_steps);
}
