/* test_tile.c - logits of a large vocabulary are never there at once, and small ones as ever. */
#include "graphs.h"
#include "program/program.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>

static gr_pass_fn const hoist[] = {gr_pass_merge, gr_pass_hoist, NULL};
static gr_pass_fn const tile[] = {gr_pass_merge, gr_pass_hoist, gr_pass_tile, NULL};
static gr_pass_fn const all[] = {gr_pass_merge, gr_pass_hoist, gr_pass_tile, gr_pass_fuse, gr_pass_layout, NULL};

static gr_val emit2(rig *t, const char *op, gr_val a, gr_val b) { return gr_emit2(t->c, op, a, b); }

/* Logits [steps, 1, classes], their loss times `scale`, and how many are right. */
static gr_val build_words(rig *t, int64_t steps, int64_t classes)
{
    gr_val x = rig_input(t, "x", gr_arena_printf(t->a, "%d, 1, 3", (int)steps));
    gr_val spot = rig_input(t, "spot", gr_arena_printf(t->a, "%d, 1", (int)steps));
    gr_val w = test_weight(t, "w", 2, (int64_t[]){classes, 3}), b = test_weight(t, "b", 1, (int64_t[]){classes});
    gr_val half = gr_emit(t->c, "Constant", NULL, 0, NULL, "value=0.5, dtype=float64");
    gr_val many = gr_emit(t->c, "Constant", NULL, 0, NULL, "value=%d, dtype=float64", (int)classes - 1);
    gr_val place = emit2(t, "Mul", emit2(t, "Add", spot, half), many);
    gr_val target = gr_emit(t->c, "Cast", "target", 1, &place, "dtype=int32");
    gr_val logits = gr_emit(t->c, "MatMul", "product", 2, (gr_val[]){x, w}, "transpose_b=true");
    logits = gr_emit(t->c, "Add", "logits", 2, (gr_val[]){logits, b}, NULL);
    gr_val best = gr_emit(t->c, "ArgMax", NULL, 1, &logits, "dim=-1");
    gr_val number = gr_emit(t->c, "Cast", NULL, 1, &best, "dtype=float64");
    test_result(t, "best", number);
    gr_graph_set_name(t->g, "logits", (gr_value *)(uintptr_t)logits);
    return gr_emit(t->c, "CrossEntropyLoss", "ce", 2, (gr_val[]){logits, target}, NULL);
}

enum { CLASSES = 40009 }; /* 210 rows of so many doubles are just large enough */

static void build_large(rig *t, int64_t steps) { test_result(t, "loss", build_words(t, steps, CLASSES)); }
static void build_small(rig *t, int64_t steps) { test_result(t, "loss", build_words(t, steps, 100)); }
/* The gradient toward the logits needs the loss, so all of them. */
static void build_squared(rig *t, int64_t steps)
{
    gr_val loss = build_words(t, steps, CLASSES);
    test_result(t, "loss", emit2(t, "Mul", loss, loss));
}
/* Somebody wants the logits. */
static void build_kept(rig *t, int64_t steps)
{
    test_result(t, "loss", build_words(t, steps, CLASSES));
    test_result(t, "kept", gr_graph_find_name(t->g, "logits"));
}

/* A softmax down the rows, and logits less their sum over the rows: each needs all of them. */
static void build_down(rig *t, int64_t steps)
{
    build_words(t, steps, CLASSES);
    gr_val logits = gr_graph_find_name(t->g, "logits");
    gr_val down = gr_emit(t->c, "Softmax", NULL, 1, &logits, "dim=0");
    test_result(t, "loss", gr_emit(t->c, "Mean", NULL, 1, (gr_val[]){emit2(t, "Mul", down, logits)}, NULL));
}
static void build_centred(rig *t, int64_t steps)
{
    build_words(t, steps, CLASSES);
    gr_val logits = gr_graph_find_name(t->g, "logits");
    gr_val sum = gr_emit(t->c, "Sum", NULL, 1, &logits, "dim=0"), less = emit2(t, "Sub", logits, sum);
    test_result(t, "loss", gr_emit(t->c, "Mean", NULL, 1, (gr_val[]){emit2(t, "Mul", less, less)}, NULL));
}

static const char *const grad[] = {"x", "w", "b", NULL};
static const test_recipe large = {build_large, grad}, evaluated = {build_large, NULL}, small = {build_small, grad},
                         squared = {build_squared, grad}, kept = {build_kept, grad}, down = {build_down, NULL},
                         centred = {build_centred, NULL};

/* The largest value that is no gradient toward the weights. */
static int64_t largest(const gr_graph *g)
{
    int64_t most = 0;
    for (int i = 0; i < g->num_nodes; i++)
        for (int o = 0; o < g->nodes[i]->num_out; o++) {
            const gr_node *n = g->nodes[i];
            int64_t size = gr_numel(&n->out[o]->type);
            bool history = n->scan && o >= n->scan->carries && o < 2 * n->scan->carries;
            if (size > most && !history) most = size;
            if (n->scan && largest(n->scan->body) > most) most = largest(n->scan->body);
        }
    return most;
}

static void one_loop_takes_them(void)
{
    const int64_t steps[] = {210, 211}; /* 3 chunks of 70 rows; 2 of 71 and one of 69 */
    for (int i = 0; i < 2; i++) {
        rig t = test_graph_after(&large, steps[i], tile);
        CU_ASSERT_EQUAL(test_count(t.g, "Scan", true), i + 1);
        CU_ASSERT_EQUAL(test_count(t.g, "MatMul", false), 0);
        CU_ASSERT_EQUAL(test_count(t.g, "MatMul", true), 3 * (i + 1)); /* the logits are made once */
        CU_ASSERT(largest(t.g) <= 71 * CLASSES);
        rig_destroy(&t);
    }
}

static void values_are_the_same(void)
{
    test_same_values(&large, 210, all);
    test_same_values(&large, 211, all);
    test_same_values(&evaluated, 211, all);
}

static void others_are_untouched(void)
{
    const test_recipe *const others[] = {&small, &squared, &kept, &down, &centred};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        rig before = test_graph_after(others[i], 210, hoist), after = test_graph_after(others[i], 210, tile);
        CU_ASSERT_EQUAL(test_count(before.g, NULL, true), test_count(after.g, NULL, true));
        CU_ASSERT_EQUAL(test_count(after.g, "Scan", true), 0);
        rig_destroy(&before);
        rig_destroy(&after);
    }
}

/* 35 x 32 words of 50,000: the logits alone would be 224 MB. */
static void a_word_model_is_small(void)
{
    gr_session *s = open_model(temp_file("words.yaml",
        "graphrun: 1\nname: words\ngraph:\n"
        "  tokens:  {op: Input, shape: [35, 32], dtype: int32}\n  targets: {op: Input, shape: [35, 32], dtype: int32}\n"
        "  words:   {op: Embedding, in: tokens, num_embeddings: 50000, embedding_dim: 64}\n"
        "  rnn:     {op: LSTM, in: words, hidden_size: 64}\n"
        "  logits:  {op: Linear, in: rnn.output, out_features: 50000}\n"
        "  loss:    {op: CrossEntropyLoss, in: {input: logits, target: targets}, label_smoothing: 0.1}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.001}, clip_grad_norm: 1}\n"
        "metrics: [perplexity, accuracy]\n"), 1);
    const gr_want purposes[] = {{.update = true, .training = true}, {.metrics = true}};
    for (int i = 0; i < 2; i++) {
        gr_error e = {0};
        gr_graph *g = gr_session_graph(s, &purposes[i], NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(g);
        gr_program *p = gr_program_create(g->arena, g, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT(p->arena_bytes < (size_t)35 * 32 * 50000 * sizeof(float) * 3 / 5);
    }
    gr_session_close(s);
}

void test_tile(void)
{
    CU_pSuite s = CU_add_suite("tile", NULL, NULL);
    CU_add_test(s, "a loop over chunks makes and reads them", one_loop_takes_them);
    if (GR_TEST_NUMBERS) CU_add_test(s, "loss, metrics and gradients are the same", values_are_the_same);
    CU_add_test(s, "what is small, or needed whole, is left alone", others_are_untouched);
    CU_add_test(s, "a word model needs less than its logits", a_word_model_is_small);
}
