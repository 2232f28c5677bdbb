/* test_data_task.c - Task: made-up items are what their task says, and the same every time. */
#include "data_support.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE, SHIFTED, TARGETS, SOURCE_LENGTHS, TARGET_LENGTHS };

static const gr_tensor *open_batch(bench *b, const char *yaml)
{
    *b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b->data);
    return first_batch(b, "train");
}

/* Element [step, row] of a field [time, batch]. */
static int32_t at(const gr_tensor *t, int64_t step, int64_t row)
{
    return ((const int32_t *)t->data)[step * t->stride[0] + row * t->stride[1]];
}

static int32_t length(const gr_tensor *t, int64_t row) { return ((const int32_t *)t->data)[row]; }

static void sequences(const char *task, bool reverse)
{
    char yaml[256];
    bench b;
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Task, task: %s, items: 200, length: 7, min_length: 2, batch_size: 50}\n", task);
    const gr_tensor *t = open_batch(&b, yaml);
    bool varies = false;
    for (int64_t r = 0; r < 50; r++) {
        int32_t n = length(&t[SOURCE_LENGTHS], r);
        CU_ASSERT_TRUE(n >= 2 && n <= 7);
        CU_ASSERT_EQUAL(length(&t[TARGET_LENGTHS], r), n + 1);
        CU_ASSERT_EQUAL(at(&t[SHIFTED], 0, r), gr_data_special(b.data, NULL, GR_BOS));
        CU_ASSERT_EQUAL(at(&t[TARGETS], n, r), gr_data_special(b.data, NULL, GR_EOS));
        for (int32_t i = 0; i < n; i++) {
            CU_ASSERT_EQUAL(at(&t[TARGETS], i, r), at(&t[SOURCE], reverse ? n - 1 - i : i, r));
            CU_ASSERT_EQUAL(at(&t[SHIFTED], i + 1, r), at(&t[TARGETS], i, r));
        }
        varies |= n != length(&t[SOURCE_LENGTHS], 0);
    }
    CU_ASSERT_TRUE(varies);
    done(&b);
}

static void copies_and_reverses(void)
{
    sequences("copy", false);
    sequences("reverse", true);
}

/* The text of a row of a field. */
static void text_of(bench *b, const gr_tensor *t, int64_t row, char *to)
{
    int count;
    const char *const *vocab = gr_data_vocab(b->data, NULL, &count);
    for (int64_t i = 0; i < t->dim[0]; i++) to[i] = vocab[at(t, i, row)][0];
    to[t->dim[0]] = 0;
}

static void turn(char *s)
{
    for (size_t i = 0, n = strlen(s); i < n / 2; i++) {
        char c = s[i];
        s[i] = s[n - 1 - i];
        s[n - 1 - i] = c;
    }
}

static void adds(const char *reversed, bool question, bool sum)
{
    char yaml[256], q[16], a[16];
    bench b;
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Task, task: addition, items: 900, length: 2, batch_size: 900, shuffle: false, "
             "reversed: %s}\n", reversed);
    const gr_tensor *t = open_batch(&b, yaml);
    char *seen = calloc(1, 10000);
    CU_ASSERT_EQUAL(t[SOURCE].dim[0], 5);
    CU_ASSERT_EQUAL(t[TARGETS].dim[0], 3);
    for (int64_t r = 0; r < 900; r++) {
        text_of(&b, &t[SOURCE], r, q);
        text_of(&b, &t[TARGETS], r, a);
        if (question) turn(q);
        if (sum) turn(a);
        long x = strtol(q, NULL, 10), y = strtol(strchr(q, '+'), NULL, 10);
        CU_ASSERT_EQUAL(strtol(a, NULL, 10), x + y);
        CU_ASSERT_EQUAL(seen[x * 100 + y] + (x == y ? 0 : seen[y * 100 + x]), 0);
        seen[x * 100 + y] = 1;
    }
    free(seen);
    done(&b);
}

static void additions_add_up(void)
{
    adds("none", false, false);
    adds("question", true, false);
    adds("both", true, true);
    complains("graphrun: 1\ndata: {op: Task, task: addition, length: 1, items: 30}\n", "ask for at most 25");
    complains("graphrun: 1\ndata: {op: Task, task: addition, length: 5}\n", "at most 4 digits");
}

static void first_symbols_are_recalled(void)
{
    bench b;
    const gr_tensor *t = open_batch(&b, "graphrun: 1\ndata: {op: Task, task: recall, items: 40, delay: 6, symbols: 3, batch_size: 40}\n");
    CU_ASSERT_EQUAL(t[0].dim[0], 8);
    for (int64_t r = 0; r < 40; r++) {
        CU_ASSERT_EQUAL(at(&t[0], 0, r), length(&t[1], r));
        CU_ASSERT_TRUE(at(&t[0], 0, r) < 3);
        for (int64_t i = 1; i < 7; i++) CU_ASSERT_TRUE(at(&t[0], i, r) == 3 || at(&t[0], i, r) == 4);
        CU_ASSERT_EQUAL(at(&t[0], 7, r), 5);
    }
    done(&b);
}

/* An item is written as a whole, and what the Inputs have room for is taken of it. */
static void long_items_are_cut(void)
{
    bench b = open_data("graphrun: 1\ndata: {op: Task, task: recall, items: 40, delay: 4000, steps: 5, symbols: 3, batch_size: 10, drop_last: true}\n");
    const gr_tensor *t;
    int batches = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_EQUAL(gr_data_begin(b.data, "train", 0, 0, &b.error), 0);
    for (; gr_data_next(b.data, &t, &b.error) > 0; batches++) {
        CU_ASSERT_EQUAL(t[0].dim[0], 5);
        for (int64_t r = 0; r < 10; r++) {
            CU_ASSERT_EQUAL(at(&t[0], 0, r), length(&t[1], r));
            CU_ASSERT_TRUE(at(&t[0], 4, r) == 3 || at(&t[0], 4, r) == 4);
            CU_ASSERT_EQUAL(length(&t[2], r), 5);
        }
    }
    CU_ASSERT_EQUAL(batches, 4);
    done(&b);
}

static void parities_are_right(void)
{
    bench b;
    const gr_tensor *t = open_batch(&b, "graphrun: 1\ndata: {op: Task, task: parity, items: 40, length: 9, min_length: 3, batch_size: 40}\n");
    for (int64_t r = 0; r < 40; r++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < length(&t[3], r); i++) {
            sum ^= at(&t[0], i, r);
            CU_ASSERT_EQUAL(at(&t[2], i, r), sum);
        }
        CU_ASSERT_EQUAL(length(&t[1], r), sum);
    }
    done(&b);
}

/* Items belong to the task; only their order is the seed's. */
static void items_are_the_same_for_every_seed(void)
{
    const char *yaml = "graphrun: 1\ndata: {op: Task, task: copy, items: 30, batch_size: 30, shuffle: false}\n";
    const gr_tensor *t, *u;
    bench b = open_with(yaml, (gr_data_options){.seed = 1}), c = open_with(yaml, (gr_data_options){.seed = 2});
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.data);
    gr_data_begin(b.data, "train", 0, 0, &b.error);
    gr_data_begin(c.data, "train", 3, 0, &c.error);
    gr_data_next(b.data, &t, &b.error);
    gr_data_next(c.data, &u, &c.error);
    CU_ASSERT_EQUAL(memcmp(t[0].data, u[0].data, 5 * 30 * sizeof(int32_t)), 0);
    done(&b);
    done(&c);
}

static void what_a_task_does_not_use_is_an_error(void)
{
    complains("graphrun: 1\ndata: {op: Task, task: recall, length: 5}\n", "the task recall does not use 'length'");
    complains("graphrun: 1\ndata: {op: Task, task: parity, symbols: 5}\n", "the task parity does not use 'symbols'");
    complains("graphrun: 1\ndata: {op: Task, task: copy, delay: 5}\n", "the task copy does not use 'delay'");
    complains("graphrun: 1\ndata: {op: Task, task: copy, length: 3, min_length: 5}\n", "min_length is 5, but length only 3");
}

void test_data_task(void)
{
    CU_pSuite s = CU_add_suite("data_task", NULL, NULL);
    CU_add_test(s, "copies and reversals", copies_and_reverses);
    CU_add_test(s, "additions add up, no pair twice", additions_add_up);
    CU_add_test(s, "recall names the first symbol", first_symbols_are_recalled);
    CU_add_test(s, "items longer than the Inputs are cut", long_items_are_cut);
    CU_add_test(s, "parities are right", parities_are_right);
    CU_add_test(s, "items are the same for every seed", items_are_the_same_for_every_seed);
    CU_add_test(s, "what a task does not use is an error", what_a_task_does_not_use_is_an_error);
}
