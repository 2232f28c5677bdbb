/* test_eval.c - measuring a split: the same whatever its batches; scores of classes. */
#include "report/scores.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
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

/* ---- classes ---- */

/* scikit-learn's example of classification_report: y_true 0 1 2 2 2, y_pred 0 0 2 2 1. Class 3
 * never occurs, and what is ignored is of no class. */
static const char *classifier(void)
{
    return temp_file("classifier.yaml",
        "graphrun: 1\nname: classifier\n"
        "data:\n  op: Inline\n  vocab: [zero, \"fünf\", two, never]\n  values:\n"
        "    chosen: [0, 0, 2, 2, 1, 3]\n    target: [0, 1, 2, 2, 2, -100]\n"
        "graph:\n"
        "  chosen: {op: Input, shape: [batch], dtype: int32, from: data.chosen}\n"
        "  target: {op: Input, shape: [batch], dtype: int32, from: data.target}\n"
        "  logits: {op: OneHot, in: chosen, num_classes: 4}\n"
        "metrics: [{op: accuracy, in: [logits, target]}, {op: token_f1, in: [logits, target], average: macro}]\n");
}

static void expect_scores(const gr_class_scores *s, double precision, double recall, double f1, double support)
{
    CU_ASSERT_DOUBLE_EQUAL(s->precision, precision, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(s->recall, recall, 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(s->f1, f1, 1e-12);
    CU_ASSERT_EQUAL(s->support, support);
}

static void classes_score_as_in_scikit_learn(void)
{
    static const double want[16] = {[0] = 1, [4] = 1, [9] = 1, [10] = 2};
    static const double score[4][4] = {{0.5, 1, 2.0 / 3, 1}, {0, 0, 0, 1}, {1, 2.0 / 3, 0.8, 3}, {0, 0, 0, 0}};
    gr_session *s = open_model(classifier(), 2);
    gr_meter *m = gr_meter_create(s);
    gr_error e = {0};
    m->count_classes = true;
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    CU_ASSERT_EQUAL_FATAL(m->counts[0].size, 16);
    CU_ASSERT_EQUAL(m->counts[1].size, 0); /* counted once */
    for (int i = 0; i < 16; i++) CU_ASSERT_EQUAL(m->counts[0].value[i], want[i]);
    for (int i = 0; i < 4; i++) {
        gr_class_scores c = gr_scores_of_class(m->counts[0].value, 4, i);
        expect_scores(&c, score[i][0], score[i][1], score[i][2], score[i][3]);
    }
    gr_class_scores macro = gr_scores_mean(m->counts[0].value, 4, false), weighted = gr_scores_mean(m->counts[0].value, 4, true);
    expect_scores(&macro, 0.5, 5.0 / 9, 22.0 / 45, 5);
    expect_scores(&weighted, 0.7, 0.6, 46.0 / 75, 5);
    CU_ASSERT_DOUBLE_EQUAL(gr_meter_value(m, s->recipe, 1), macro.f1, 1e-7);
    gr_session_close(s);
}

static const char *const table =
    "train: 1 batch, 6 examples, 0.25 s\n"
    "metric           value            of\n"
    "accuracy        0.6000             5\n"
    "token_f1        0.4889\n"
    "\n"
    "confusion (rows: targets, columns: chosen)\n"
    "      zero  fünf   two\n"
    "zero     1     0     0\n"
    "fünf     1     0     0\n"
    "two      0     1     2\n"
    "\n"
    "class             precision     recall         f1    support\n"
    "zero                 0.5000     1.0000     0.6667          1\n"
    "fünf                 0.0000     0.0000     0.0000          1\n"
    "two                  1.0000     0.6667     0.8000          3\n"
    "macro average        0.5000     0.5556     0.4889          5\n"
    "weighted average     0.7000     0.6000     0.6133          5\n";

static void an_evaluation_is_a_table(void)
{
    gr_session *s = open_model(classifier(), 1);
    gr_meter *m = gr_meter_create(s);
    gr_error e = {0};
    m->count_classes = true;
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    const gr_scores scores = {s, m, "train", 0.25, NULL};
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    gr_scores_print(&scores, to);
    fclose(to);
    if (strcmp(text, table) != 0) printf("\n%s", text);
    CU_ASSERT_STRING_EQUAL(text, table);
    free(text);
    const char *json = temp_path("scores.json");
    CU_ASSERT_EQUAL(gr_scores_write(&scores, json, &e), 0);
    json_t *all = json_load_file(json, 0, NULL), *counted = json_array_get(json_object_get(all, "counted"), 0);
    CU_ASSERT_DOUBLE_EQUAL(json_real_value(json_object_get(json_object_get(all, "metrics"), "accuracy")), 0.6, 1e-7);
    CU_ASSERT_TRUE(json_is_null(json_object_get(all, "loss")));
    CU_ASSERT_EQUAL(json_integer_value(json_array_get(json_array_get(json_object_get(counted, "confusion"), 2), 2)), 2);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(json_object_get(counted, "classes"), 1), "class")), "fünf");
    CU_ASSERT_EQUAL(json_array_size(json_object_get(counted, "classes")), 4);
    json_decref(all);
    CU_ASSERT_NOT_EQUAL(gr_scores_write(&scores, "/nowhere/scores.json", &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "/nowhere/scores.json"));
    gr_session_close(s);
}

void test_eval(void)
{
    CU_pSuite s = CU_add_suite("eval", NULL, NULL);
    CU_add_test(s, "batches do not matter to loss and metrics", batches_do_not_matter);
    CU_add_test(s, "classes score as in scikit-learn", classes_score_as_in_scikit_learn);
    CU_add_test(s, "an evaluation is a table, and JSON", an_evaluation_is_a_table);
}
