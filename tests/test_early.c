/* test_early.c - what frees much is computed early, and only where nothing stands in its way. That no bit
 * changes is shown by all that runs on one thread and on several. */
#include "program/build.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <string.h>

static gr_session *open_layers(const char *options)
{
    return open_model(temp_file("early.yaml",
                                "graphrun: 1\nname: early\nvars: {time: 12, batch: 32}\ngraph:\n"
                                "  x: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [$time, $batch, 64]}\n"
                                "  rnn: {op: LSTM, in: x, hidden_size: 64, %s}\n"
                                "  y: {op: Mul, in: [rnn.output, rnn.output]}\n  loss: {op: Mean, in: y}\n"
                                "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 1}\n", options), 1);
}

/* Where the gradient of a layer's recurrent weights is computed. */
static int weights_of(const gr_program *p, const char *layer)
{
    for (int t = 0; t < p->num_templates; t++) {
        const char *name = gr_template_name(&p->templates[t]);
        if (p->templates[t].loop < 0 && strncmp(name, layer, strlen(layer)) == 0 && strstr(name, ".from_h'.matmul_2") && !strstr(name, "packed"))
            return t;
    }
    CU_FAIL("no gradient of recurrent weights");
    return -1;
}

static int last_loop(const gr_program *p)
{
    int first = 0;
    for (int l = 0; l < p->num_loops; l++)
        if (p->loops[l].parent < 0 && p->loops[l].first > first) first = p->loops[l].first;
    return first;
}

/* The backward loops come in the order: last layer, first layer. */
static void gradients_of_weights_follow_their_loop(void)
{
    gr_session *s = open_layers("num_layers: 2");
    gr_arena *a = gr_arena_create();
    const gr_program *any = training_program(a, s, GR_ANY_WORKERS), *one = training_program(a, s, 1), *bands = training_program(a, s, 2);
    CU_ASSERT_TRUE(weights_of(any, "rnn.l1") > last_loop(any)); /* layers may run beside each other */
    CU_ASSERT_TRUE(weights_of(one, "rnn.l1") < last_loop(one));
    CU_ASSERT_TRUE(weights_of(bands, "rnn.l1") < last_loop(bands));
    CU_ASSERT_TRUE(weights_of(one, "rnn.l0") > last_loop(one));
    CU_ASSERT_TRUE(one->arena_bytes < any->arena_bytes);
    gr_arena_destroy(a);
    gr_session_close(s);
}

static void all_directions_keep_less(void)
{
    gr_session *s = open_layers("bidirectional: true");
    gr_arena *a = gr_arena_create();
    CU_ASSERT_TRUE(training_program(a, s, 1)->arena_bytes < training_program(a, s, GR_ANY_WORKERS)->arena_bytes);
    gr_arena_destroy(a);
    gr_session_close(s);
}

/* Where template t of p stands in other, made of the same graph: it has the same operands. */
static int place_in(const gr_program *other, const gr_template *t)
{
    for (int u = 0; u < other->num_templates; u++) {
        const gr_template *x = &other->templates[u];
        if (x->node == t->node && x->kind == t->kind && x->num_out == t->num_out && x->num_in == t->num_in &&
            (t->num_out == 0 || gr_operand_same(&x->out[0], &t->out[0])))
            return u;
    }
    return -1;
}

static void what_depends_keeps_its_order(void)
{
    gr_session *s = open_layers("num_layers: 3, bidirectional: true");
    gr_arena *a = gr_arena_create();
    const gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    gr_graph *g = gr_session_graph(s, &want, NULL);
    const gr_program *any = gr_program_create(a, g, &e), *one = gr_program_create_for(a, g, 1, &e);
    CU_ASSERT_FATAL(any && one && any->num_templates == one->num_templates);
    int moved = 0, wrong = 0;
    for (int u = 0; u < any->num_templates; u++) {
        const int now = place_in(one, &any->templates[u]);
        moved += now != u;
        for (int t = 0; t < u; t++) {
            const int before = place_in(one, &any->templates[t]);
            wrong += now < 0 || (before > now && !gr_may_swap(&any->templates[t], &any->templates[u]));
        }
    }
    CU_ASSERT_TRUE(moved > 10);
    CU_ASSERT_EQUAL(wrong, 0);
    gr_arena_destroy(a);
    gr_session_close(s);
}

void test_early(void)
{
    CU_pSuite s = CU_add_suite("early", NULL, NULL);
    CU_add_test(s, "gradients of weights follow their loop", gradients_of_weights_follow_their_loop);
    CU_add_test(s, "all directions keep less", all_directions_keep_less);
    CU_add_test(s, "what depends keeps its order", what_depends_keeps_its_order);
}
