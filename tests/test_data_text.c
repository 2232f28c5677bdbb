/* test_data_text.c - sources of text by items: lines, labelled texts, pairs; windows; words. */
#include "data_support.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARED GR_SOURCE_DIR "/../shared/data/"

static bool have(const char *path)
{
    if (access(path, R_OK) == 0) return true;
    fprintf(stderr, "\n  skipped: %s is not there\n", path);
    return false;
}

/* A file of this text, and a model whose `data` names it in place of the %s. */
static bench open_on(const char *text, const char *rest_of_model)
{
    const char *path = write_file("items.txt", text, strlen(text));
    char yaml[2048];
    snprintf(yaml, sizeof yaml, rest_of_model, path);
    bench b = open_data(yaml);
    unlink(path);
    if (!b.data) gr_diag_print(b.diag, stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    return b;
}

static const gr_tensor *first_batch(bench *b, const char *split)
{
    const gr_tensor *t = NULL;
    CU_ASSERT_EQUAL(gr_data_begin(b->data, split, 0, 0, &b->error), 0);
    CU_ASSERT_EQUAL_FATAL(gr_data_next(b->data, &t, &b->error), 1);
    return t;
}

/* int32 elements in memory's order. */
static void holds(const gr_tensor *t, int n, const int32_t *want)
{
    int64_t count = 1;
    for (int k = 0; k < t->rank; k++) count *= t->dim[k];
    CU_ASSERT_EQUAL_FATAL(count, n);
    for (int i = 0; i < n; i++) CU_ASSERT_EQUAL(((const int32_t *)t->data)[i], want[i]);
}
#define HOLDS(t, ...) holds(t, sizeof((int32_t[]){__VA_ARGS__}) / 4, (int32_t[]){__VA_ARGS__})

#define LINES "graphrun: 1\nvars: {batch: 3}\ndata: {op: Lines, path: %s, shuffle: false, order: character"

static void lines(void)
{
    bench b = open_on("ab\n\nc\r\nabb", LINES "}\n");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "tokens"), "<unk>|<pad>|<bos>|<eos>|a|b|c|");
    CU_ASSERT_PTR_NULL(gr_data_vocab(b.data, "lengths", &(int){0}));
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.pad").i, 1);
    const gr_tensor *t = first_batch(&b, "train"); /* [time, batch] unless an Input says otherwise */
    CU_ASSERT_TRUE(t[0].dim[0] == 4 && t[0].dim[1] == 3);
    int column[3] = {0}, order[3]; /* items go to the splits by chance */
    for (int r = 0; r < 3; r++) column[((int32_t *)t[2].data)[r] - 2] = r, order[r] = ((int32_t *)t[2].data)[r];
    CU_ASSERT_TRUE(order[0] + order[1] + order[2] == 9);
    static const int32_t tokens[3][4] = {{2, 6, 1, 1}, {2, 4, 5, 1}, {2, 4, 5, 5}}, targets[3][4] = {{6, 3, 1, 1}, {4, 5, 3, 1}, {4, 5, 5, 3}};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            CU_ASSERT_EQUAL(((int32_t *)t[0].data)[k * 3 + column[i]], tokens[i][k]);
            CU_ASSERT_EQUAL(((int32_t *)t[1].data)[k * 3 + column[i]], targets[i][k]);
        }
    int32_t *ids;
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, "tokens", "bx", &ids, &b.error), 3);
    CU_ASSERT_TRUE(ids[0] == 2 && ids[1] == 5 && ids[2] == 0);
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, "targets", "", &ids, &b.error), 1);
    CU_ASSERT_EQUAL(ids[0], 3);
    CU_ASSERT_TRUE(gr_data_encode(b.data, b.arena, "lengths", "", &ids, &b.error) < 0);
    done(&b);
}

static void batch_first(void)
{
    bench b = open_on("ab\nc\n", "graphrun: 1\nvars: {rows: 2}\ndata: {op: Lines, path: %s, shuffle: false, random_split: false}\n"
                      "graph:\n  x: {op: Input, shape: [rows, steps], from: data.tokens}\n"
                      "  y: {op: Input, shape: [steps, rows], from: data.targets}\n"
                      "  n: {op: Input, shape: [rows], from: data.lengths}\n");
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS(&t[0], 2, 4, 5, 2, 6, 1);
    HOLDS(&t[1], 4, 6, 5, 3, 3, 1);
    HOLDS(&t[2], 3, 2);
    done(&b);
}

/* `time` says how long the axis is; items are cut. */
static void fixed_length(void)
{
    bench b = open_on("ab\nc\nabba\n", "graphrun: 1\nvars: {batch: 3, time: 3}\n"
                      "data: {op: Lines, path: %s, shuffle: false, random_split: false, order: character}\n"
                      "graph:\n  x: {op: Input, shape: [batch, time], from: data.tokens}\n"
                      "  n: {op: Input, shape: [batch], from: data.lengths}\n");
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS(&t[0], 2, 4, 5, 2, 6, 1, 2, 4, 5);
    HOLDS(&t[2], 3, 2, 3);
    done(&b);
}

static void names(void)
{
    static const char path[] = SHARED "names.txt";
    if (!have(path)) return;
    bench b = open_data("graphrun: 1\nvars: {batch: 32}\ndata: {op: Lines, path: " SHARED "names.txt, split: {train: 0.8, valid: 0.2}}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    int n;
    gr_data_vocab(b.data, NULL, &n);
    CU_ASSERT_EQUAL(n, 26 + 4);
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train") + gr_data_batches(b.data, "valid"), (25626 + 31) / 32 + (6407 + 31) / 32);
    done(&b);
}

void test_data_text(void)
{
    CU_pSuite s = CU_add_suite("data_text", NULL, NULL);
    CU_add_test(s, "Lines", lines);
    CU_add_test(s, "the axes as Inputs call them", batch_first);
    CU_add_test(s, "a time axis of fixed length", fixed_length);
    CU_add_test(s, "given names", names);
}
