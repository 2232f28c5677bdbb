/* test_wavefront.c - stacks of recurrent layers: how compiling grows with them. */
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>

static const char *stack_model(const char *kind, int layers, int time)
{
    return temp_file("stack.yaml",
                     "graphrun: 1\nname: stack\nvars: {time: %d, batch: 2}\n"
                     "graph:\n"
                     "  x: {op: Input, shape: [time, batch, 3]}\n"
                     "  rnn: {op: %s, in: x, hidden_size: 4, num_layers: %d}\n"
                     "  y: {op: Mul, in: [rnn.output, rnn.output]}\n"
                     "  loss: {op: Mean, in: y}\n"
                     "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, clip_grad_norm: 1, epochs: 1}\n",
                     time, kind, layers);
}

static size_t bytes_of_compiling(int layers, int time)
{
    gr_session *s = open_model(stack_model("GRU", layers, time), 1);
    gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    const gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    size_t bytes = gr_arena_bytes(x->arena);
    gr_session_close(s);
    return bytes;
}

/* Of the memory that compiling takes, which measures its work and is always the same. */
static void compiling_grows_with_the_layers(void)
{
    size_t four = bytes_of_compiling(4, 6), sixteen = bytes_of_compiling(16, 6);
    CU_ASSERT_TRUE(sixteen < 4 * four + four / 2);
}

static void compiling_is_the_same_for_all_lengths(void)
{
    size_t some = bytes_of_compiling(2, 35), many = bytes_of_compiling(2, 3500);
    CU_ASSERT_TRUE(many < some + some / 16);
}

void test_wavefront(void)
{
    CU_pSuite s = CU_add_suite("wavefront", NULL, NULL);
    CU_add_test(s, "compiling grows with the number of layers", compiling_grows_with_the_layers);
    CU_add_test(s, "compiling is the same for all lengths", compiling_is_the_same_for_all_lengths);
}
