/* test_eval.c - measuring a split: the same whatever its batches. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

enum { ROWS = 7, TIME = 4, CLASSES = 5 };

/* A small tagger over seven rows of unlike numbers of targets that count. */
static const char *tagger(const char *name, int batch, const char *loss, const char *rest)
{
    const int64_t dim[] = {ROWS, TIME};
    int32_t token[ROWS * TIME], tag[ROWS * TIME];
    for (int i = 0; i < ROWS * TIME; i++) {
        token[i] = (i * 7 + i / 5) % CLASSES;
        tag[i] = i % TIME > i / TIME ? -100 : (i * 3 + i / 2) % CLASSES; /* row 0 has one target, row 3 four */
    }
    return temp_file(name,
        "graphrun: 1\nname: tagger\n"
        "vars: {batch: %d}\n"
        "data:\n  op: Npy\n  files: {token: %s, tag: %s}\n  batch_size: $batch\n"
        "graph:\n"
        "  token: {op: Input, shape: [batch, time], dtype: int32, from: data.token}\n"
        "  tag: {op: Input, shape: [batch, time], dtype: int32, from: data.tag}\n"
        "  e: {op: Embedding, in: token, num_embeddings: 5, embedding_dim: 6}\n"
        "  rnn: {op: GRU, in: e, hidden_size: 7, batch_first: true}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: 5}\n"
        "%s"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 2}\n"
        "metrics: [{op: perplexity, in: {input: logits, target: tag}}, {op: TokenF1, average: macro, in: {input: logits, target: tag}}, "
        "{op: sequence_accuracy, batch_first: true, in: {input: logits, target: tag}}]\n%s",
        batch, temp_integers("token.npy", 2, dim, token), temp_integers("tag.npy", 2, dim, tag), loss, rest);
}

#define CLASS_LOSS "  loss: {op: CrossEntropyLoss, in: {input: logits, target: tag}}\n"
/* Means of unlike numbers of elements, a factor, a difference and a rest without elements. */
#define MANY_LOSSES                                                                      \
    "  ce: {op: CrossEntropyLoss, label_smoothing: 0.1, in: {input: logits, target: tag}}\n" \
    "  square: {op: Square, in: logits}\n"                                               \
    "  size: {op: Mean, in: square}\n"                                                   \
    "  quarter: {op: Constant, value: 0.25}\n"                                           \
    "  part: {op: Mul, in: [quarter, size]}\n"                                           \
    "  difference: {op: Sub, in: [ce, part]}\n"                                          \
    "  weight: {op: Norm, in: logits.weight}\n"                                          \
    "  loss: {op: Add, in: [difference, weight]}\n"

static void measure(const char *model, int threads, double *value)
{
    gr_session *s = open_model(model, threads);
    gr_meter *m = gr_meter_create(s);
    gr_error e = {0};
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    value[0] = gr_meter_loss(m);
    for (int i = 0; i < 3; i++) value[1 + i] = gr_meter_value(m, s->recipe, i);
    gr_session_close(s);
}

static void batches_do_not_matter(void)
{
    const char *const losses[] = {CLASS_LOSS, MANY_LOSSES};
    for (int i = 0; i < 2; i++) {
        double whole[4], cut[4];
        measure(tagger("whole.yaml", ROWS, losses[i], ""), 1, whole);
        CU_ASSERT_TRUE(isfinite(whole[0]));
        for (int batch = 1; batch < ROWS; batch++) {
            measure(tagger("cut.yaml", batch, losses[i], ""), 1 + batch % 3, cut);
            for (int k = 0; k < 4; k++) CU_ASSERT_DOUBLE_EQUAL(cut[k], whole[k], 2e-6);
        }
    }
}

void test_eval(void)
{
    CU_pSuite s = CU_add_suite("eval", NULL, NULL);
    CU_add_test(s, "batches do not matter to loss and metrics", batches_do_not_matter);
}
