/* test_attention_loop.c - attention inside a loop: what leaves it, and that the passes change no
 * value. */
#include "graphs.h"
#include "tests.h"

#include <CUnit/CUnit.h>

static gr_pass_fn const hoist[] = {gr_pass_merge, gr_pass_hoist, NULL};
static gr_pass_fn const all[] = {gr_pass_merge, gr_pass_hoist, gr_pass_fuse, gr_pass_layout, NULL};

/* A decoder: h looks at a memory [7, 3, 4] with lengths, and what it finds makes the next h. */
static void build_decoder(rig *t, int64_t steps, const char *op, const char *attrs)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 3, 4", (int)steps)), h0 = rig_input(t, "h0", "3, 4");
    gr_val memory = rig_input(t, "memory", "7, 3, 4"), w = test_weight(t, "w", 2, (int64_t[]){4, 4});
    gr_val lengths = gr_emit(t->c, "Constant", "lengths", 0, NULL, "value=[7, 2, 5]");
    gr_loop *l = gr_loop_begin(t->c, "decoder", false);
    gr_val xt = gr_loop_slice(t->c, l, "xt", x), h = gr_loop_carry(t->c, l, "h", h0);
    gr_val look = gr_emit(t->c, op, "look", 3, (gr_val[]){h, memory, lengths}, "%s", attrs);
    gr_val sum = gr_emit2(t->c, "Add", gr_emit(t->c, "MatMul", "mix", 2, (gr_val[]){look, w}, NULL), xt);
    gr_loop_next(t->c, l, h, gr_emit1(t->c, "Tanh", sum));
    gr_loop_stack(t->c, l, "weights", gr_output(t->c, look, 1));
    gr_val last = gr_loop_end(t->c, l);
    test_result(t, "h_n", last);
    test_result(t, "weights", gr_output(t->c, last, 2));
    gr_val square = gr_emit1(t->c, "Square", last);
    test_result(t, "loss", gr_emit(t->c, "Sum", "loss", 1, &square, NULL));
}

static void build_additive(rig *t, int64_t steps) { build_decoder(t, steps, "AdditiveAttention", "hidden_size=5"); }
static void build_dot(rig *t, int64_t steps) { build_decoder(t, steps, "DotAttention", ""); }
static void build_bilinear(rig *t, int64_t steps) { build_decoder(t, steps, "BilinearAttention", ""); }

static const char *const additive_grad[] = {"x", "h0", "memory", "w", "look.query.weight", "look.memory.weight", "look.score.weight", NULL};
static const char *const dot_grad[] = {"x", "h0", "memory", "w", NULL};
static const char *const bilinear_grad[] = {"x", "h0", "memory", "w", "look.weight", NULL};
static const test_recipe additive = {build_additive, additive_grad}, dot = {build_dot, dot_grad}, bilinear = {build_bilinear, bilinear_grad};

/* What is in the forward loop and in the backward one. */
static void check_loops(const test_recipe *m, int forward, int backward)
{
    rig t = test_graph_after(m, 6, hoist);
    const gr_node *scan[2] = {test_find(t.g, "Scan", 0), test_find(t.g, "Scan", 1)};
    CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), 2); /* none that gathers a gradient */
    CU_ASSERT_PTR_NOT_NULL_FATAL(scan[1]);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(scan[i]->scan->carries, 1);
        CU_ASSERT_EQUAL(test_count(scan[i]->scan->body, "MatMul", true), i ? backward : forward);
        CU_ASSERT_EQUAL(test_count(scan[i]->scan->body, "LengthMask", true), 0);
    }
    rig_destroy(&t);
}

/* Forward stay: the query's part, scores, context, h's product. Backward the same toward the
 * query; what goes to the memory, its projection and the weights is one product each outside. */
static void the_memory_is_projected_once(void)
{
    check_loops(&additive, 4, 3); /* the gradient of score . tanh(...) is no product */
    check_loops(&bilinear, 3, 3);
    check_loops(&dot, 3, 3);
}

static void the_passes_change_no_value(void)
{
    test_same_values(&additive, 6, all);
    test_same_values(&bilinear, 6, all);
    test_same_values(&dot, 6, all);
}

void test_attention_loop(void)
{
    CU_pSuite s = CU_add_suite("attention in a loop", NULL, NULL);
    CU_add_test(s, "the memory is projected once", the_memory_is_projected_once);
    CU_add_test(s, "the passes change no value", the_passes_change_no_value);
}
