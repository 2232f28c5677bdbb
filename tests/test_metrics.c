/* test_metrics.c - metrics: BLEU as the book defines it, F1 as scikit-learn does, whole
 * sequences, and their sums over batches. */
#include "tests.h"
#include "train_support.h"

#include <graphrun/bleu.h>

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- BLEU ---- */

static gr_sequence read_sequence(char *text, int32_t *to)
{
    gr_sequence s = {.at = to, .stride = 1};
    for (char *word; (word = strsep(&text, " "));)
        if (*word) to[s.length++] = (int32_t)strtol(word, NULL, 10);
    return s;
}

static void bleu_is_the_books(void)
{
    char *text = read_text(GR_SOURCE_DIR "/tests/golden/bleu.txt", NULL), *next = text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    int cases = 0;
    for (char *line; (line = strsep(&next, "\n")) && *line; cases++) {
        int32_t pred[16], label[16];
        int64_t k = strtoll(strsep(&line, "|"), NULL, 10), end = strtoll(strsep(&line, "|"), NULL, 10);
        gr_sequence p = read_sequence(strsep(&line, "|"), pred), l = read_sequence(strsep(&line, "|"), label);
        double score = gr_bleu(gr_sequence_until(p, (int32_t)end), gr_sequence_until(l, (int32_t)end), k);
        CU_ASSERT_DOUBLE_EQUAL(score, strtod(line, NULL), 1e-14);
    }
    CU_ASSERT_EQUAL(cases, 60);
    free(text);
}

/* ---- metrics of a model ---- */

/* A model whose logits choose `chosen`; both are written [time, batch]. */
static gr_session *chosen_model(const char *chosen, const char *target, const char *metrics)
{
    return open_model(temp_file("metrics.yaml",
        "graphrun: 1\nname: metrics\n"
        "data:\n  op: Inline\n  values:\n    chosen: %s\n    target: %s\n"
        "graph:\n"
        "  chosen: {op: Input, shape: [time, batch], dtype: int32, from: data.chosen}\n"
        "  target: {op: Input, shape: [time, batch], dtype: int32, from: data.target}\n"
        "  logits: {op: OneHot, in: chosen, num_classes: 4}\n"
        "metrics: [%s]\n", chosen, target, metrics), 1);
}

#define TAKES "in: {input: logits, target: target}"

static void expect_values(const char *chosen, const char *target, const char *metrics, int n, const double *want)
{
    gr_session *s = chosen_model(chosen, target, metrics);
    gr_meter *m = gr_meter_create(s);
    gr_error e = {0};
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    CU_ASSERT_EQUAL_FATAL(m->num_metrics, n);
    for (int i = 0; i < n; i++) CU_ASSERT_DOUBLE_EQUAL(gr_meter_value(m, s->recipe, i), want[i], 1e-6);
    gr_session_close(s);
}

/* From scikit-learn's page of f1_score: y_true 0 1 2 0 1 2, y_pred 0 2 1 0 0 1. */
static void token_f1_is_scikit_learns(void)
{
    expect_values("[[0], [2], [1], [0], [0], [1]]", "[[0], [1], [2], [0], [1], [2]]",
                  "{op: TokenF1, " TAKES "}, {op: TokenF1, average: macro, " TAKES "}, {op: TokenF1, class: 0, " TAKES "}, "
                  "{op: TokenF1, class: 2, " TAKES "}",
                  4, (const double[]){2.0 / 6, 0.8 / 3, 0.8, 0});
}

/* Class 0 bears no tag: right 2, given 3, of it 4. What is ignored is no class at all. */
static void token_f1_leaves_the_outside_out(void)
{
    expect_values("[[1, 0], [2, 1], [0, 2], [3, 0]]", "[[1, 0], [2, 0], [3, 1], [-100, 0]]",
                  "{op: token_f1, outside: 0, " TAKES "}, {op: token_f1, outside: 0, average: macro, " TAKES "}, "
                  "{op: token_f1, class: 1, " TAKES "}",
                  3, (const double[]){2.0 * 2 / (4 + 4), (0.5 + 2.0 / 3 + 0) / 3, 0.5});
}

static void sequences_are_right_as_a_whole(void)
{
    /* Rows: right; wrong at the end; right but where it does not count; nothing counts. */
    const char *chosen = "[[1, 1, 1, 0], [2, 2, 2, 0], [3, 0, 0, 0]]";
    const char *target = "[[1, 1, 1, -100], [2, 2, 2, -100], [3, 3, -100, -100]]";
    expect_values(chosen, target, "{op: SequenceAccuracy, " TAKES "}, {op: Accuracy, " TAKES "}", 2,
                  (const double[]){2.0 / 3, 7.0 / 8});
    expect_values("[[1, 2, 3], [1, 2, 0]]", "[[1, 2, 3], [1, 2, 3]]",
                  "{op: SequenceAccuracy, batch_first: true, " TAKES "}, {op: SequenceAccuracy, " TAKES "}", 2,
                  (const double[]){0.5, 2.0 / 3});
}

static void bleu_ends_at_the_end(void)
{
    /* 3 ends a sequence. Rows: the same until then; one of two right; nothing. */
    expect_values("[[1, 1, 3], [2, 0, 1], [3, 3, 1], [0, 1, 1]]", "[[1, 1, 2], [2, 2, 3], [3, 3, 3], [1, 3, 3]]",
                  "{op: bleu, eos: 3, " TAKES "}, {op: bleu, eos: 3, k: 1, " TAKES "}", 2,
                  (const double[]){1.0 / 3, (1 + sqrt(0.5)) / 3});
    expect_values("[[1, 2, 1], [1, 2, 0]]", "[[1, 2, 1], [1, 2, -100]]", "{op: bleu, batch_first: true, " TAKES "}", 1,
                  (const double[]){(1 + sqrt(2.0 / 3) * pow(0.5, 0.25)) / 2});
}

/* A tagger's and a translator's targets by the names that their vocabularies give. */
static void classes_have_names(void)
{
    static const char *const source =
        "graphrun: 1\nname: named\n"
        "data:\n  op: Inline\n  vocab: [O, B, I, <eos>]\n  values: {chosen: [[1, 0], [2, 1], [0, 2], [3, 0]], target: [[1, 0], [2, 0], [3, 1], [3, 0]]}\n"
        "graph:\n"
        "  chosen: {op: Input, shape: [time, batch], dtype: int32, from: data.chosen}\n"
        "  target: {op: Input, shape: [time, batch], dtype: int32, from: data.target}\n"
        "  logits: {op: OneHot, in: chosen, num_classes: 4}\n"
        "metrics: [%s]\n";
    gr_session *s = open_model(temp_file("named.yaml", source, "{op: TokenF1, outside: O, " TAKES "}, {op: TokenF1, class: B, " TAKES "}, "
                                         "{op: TokenF1, class: 1, " TAKES "}, {op: bleu, " TAKES "}"), 1);
    gr_meter *m = gr_meter_create(s);
    gr_error e = {0};
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    CU_ASSERT_DOUBLE_EQUAL(gr_meter_value(m, s->recipe, 0), 2.0 * 3 / (5 + 5), 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(gr_meter_value(m, s->recipe, 1), 2.0 * 1 / (2 + 2), 1e-6);
    CU_ASSERT_EQUAL(gr_meter_value(m, s->recipe, 1), gr_meter_value(m, s->recipe, 2));
    /* 1 2 0 against 1 2; 0 1 2 0 against 0 0 1 0: unigrams 2 / 3 and 3 / 4, bigrams 1 / 2 and 1 / 3. */
    CU_ASSERT_DOUBLE_EQUAL(gr_meter_value(m, s->recipe, 3),
                           (sqrt(2.0 / 3) * pow(0.5, 0.25) + sqrt(3.0 / 4) * pow(1.0 / 3, 0.25)) / 2, 1e-6);
    gr_session_close(s);
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true};
    printf("\n  (a message about the class 'b' follows)\n");
    CU_ASSERT_PTR_NULL(gr_session_open(temp_file("unnamed.yaml", source, "{op: TokenF1, outside: bB, " TAKES "}"), &o, &e));
}

static void mistakes_are_told(void)
{
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true};
    gr_error e;
    const char *model = temp_file("mistake.yaml",
        "graphrun: 1\nname: mistake\n"
        "graph:\n"
        "  logits: {op: Input, shape: [4]}\n"
        "  target: {op: Input, shape: [], dtype: int32}\n"
        "metrics: [{op: SequenceAccuracy, " TAKES "}]\n");
    gr_session *s = gr_session_open(model, &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const gr_want want = {.metrics = true};
    printf("\n  (a message about SequenceAccuracy follows)\n");
    CU_ASSERT_PTR_NULL(gr_session_compile(s, &want, &e));
    gr_session_close(s);
}

void test_metrics(void)
{
    CU_pSuite s = CU_add_suite("metrics", NULL, NULL);
    CU_add_test(s, "BLEU is the book's", bleu_is_the_books);
    CU_add_test(s, "F1 of tokens is scikit-learn's", token_f1_is_scikit_learns);
    CU_add_test(s, "F1 of tokens leaves the outside out", token_f1_leaves_the_outside_out);
    CU_add_test(s, "sequences are right as a whole", sequences_are_right_as_a_whole);
    CU_add_test(s, "BLEU reads up to the end of a sequence", bleu_ends_at_the_end);
    CU_add_test(s, "classes have names", classes_have_names);
    CU_add_test(s, "a sequence without time is a mistake", mistakes_are_told);
}
