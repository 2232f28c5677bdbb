/* test_data_items.c - what all sources of items share: the order of an epoch, buckets, padding,
 * what is left out, and that a run can be taken up in the middle. */
#include "data_support.h"
#include "failing.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ITEMS = 100 };

/* Line i is the number i, then up to 30 more words, how many by a fixed pseudo-random rule. */
static const char *lines_file(void)
{
    char *text = calloc(ITEMS, 256);
    size_t used = 0;
    uint32_t x = 7;
    for (int i = 0; i < ITEMS; i++) {
        used += (size_t)sprintf(text + used, "n%02d", i);
        x = x * 1664525u + 1013904223u;
        for (uint32_t k = 0; k < x >> 27; k++) used += (size_t)sprintf(text + used, " w");
        used += (size_t)sprintf(text + used, "\n");
    }
    const char *path = write_file("lines.txt", text, used);
    free(text);
    return path;
}

static bench open_lines(uint64_t seed, const char *more)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 8}\ndata: {op: Lines, unit: word, path: %s%s}\n", lines_file(), more);
    bench b = open_with(yaml, (gr_data_options){.seed = seed});
    if (!b.data) gr_diag_print(b.diag, stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    return b;
}

/* Of an epoch: which items came, how much of the batches is padding, the first words in order. */
typedef struct epoch {
    int items, batches, seen[ITEMS];
    int64_t elements, padding, distinct; /* distinct lengths */
    int64_t time[16]; /* of each batch */
    uint64_t hash;
} epoch;

static epoch read_epoch(bench *b, const char *split, int64_t number, int64_t first)
{
    epoch e = {.hash = 14695981039346656037u};
    const gr_tensor *t;
    int n, lengths[64] = {0};
    const char *const *v = gr_data_vocab(b->data, NULL, &n);
    CU_ASSERT_EQUAL(gr_data_begin(b->data, split, number, first, &b->error), 0);
    for (; gr_data_next(b->data, &t, &b->error) == 1; e.batches++) {
        int64_t time = t[0].dim[0], rows = t[0].dim[1], longest = 0;
        e.distinct += !lengths[time]++;
        e.time[e.batches] = time;
        for (int64_t r = 0; r < rows; r++) {
            int32_t length = ((int32_t *)t[2].data)[r], word = ((int32_t *)t[0].data)[rows + r];
            CU_ASSERT_EQUAL_FATAL(v[word][0], 'n');
            e.seen[atoi(v[word] + 1)]++;
            e.items++;
            e.elements += time;
            e.padding += time - length;
            if (length > longest) longest = length;
            e.hash = (e.hash ^ (uint64_t)word) * 1099511628211u;
            for (int64_t k = 0; k < time; k++) CU_ASSERT_EQUAL(((int32_t *)t[0].data)[k * rows + r] == 1, k >= length);
        }
        e.hash = (e.hash ^ (uint64_t)time) * 1099511628211u;
        CU_ASSERT_TRUE(time >= longest);
    }
    return e;
}

static void every_item_once(void)
{
    static const char *const settings[] = {"", ", bucket: 3", ", shuffle: false", ", bucket: 100, shuffle: false"};
    for (int k = 0; k < 4; k++) {
        bench b = open_lines(1, settings[k]);
        CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 13);
        epoch a = read_epoch(&b, "train", 0, 0), c = read_epoch(&b, "train", 1, 0);
        CU_ASSERT_TRUE(a.items == ITEMS && a.batches == 13);
        for (int i = 0; i < ITEMS; i++) CU_ASSERT_TRUE(a.seen[i] == 1 && c.seen[i] == 1);
        CU_ASSERT_EQUAL(a.hash == c.hash, k >= 2);
        done(&b);
    }
}

static void order_by_seed(void)
{
    static const char *const settings[] = {"", ", bucket: 3"};
    for (int k = 0; k < 2; k++) {
        bench one = open_lines(1, settings[k]), same = open_lines(1, settings[k]), other = open_lines(2, settings[k]);
        CU_ASSERT_EQUAL(read_epoch(&one, "train", 5, 0).hash, read_epoch(&same, "train", 5, 0).hash);
        CU_ASSERT_NOT_EQUAL(read_epoch(&one, "train", 5, 0).hash, read_epoch(&other, "train", 5, 0).hash);
        epoch whole = read_epoch(&one, "train", 5, 0), rest = read_epoch(&same, "train", 5, 9);
        CU_ASSERT_EQUAL(rest.batches, 4); /* taken up at batch 9 */
        for (int i = 0; i < ITEMS; i++) CU_ASSERT_TRUE(rest.seen[i] <= whole.seen[i]);
        gr_data_begin(one.data, "train", 5, 0, &one.error);
        const gr_tensor *t, *u;
        for (int i = 0; i < 9; i++) gr_data_next(one.data, &t, &one.error);
        gr_data_begin(same.data, "train", 5, 9, &same.error);
        while (gr_data_next(one.data, &t, &one.error) == 1) {
            CU_ASSERT_EQUAL_FATAL(gr_data_next(same.data, &u, &same.error), 1);
            CU_ASSERT_EQUAL_FATAL(t[0].dim[0], u[0].dim[0]);
            CU_ASSERT_EQUAL(memcmp(t[0].data, u[0].data, (size_t)(t[0].dim[0] * t[0].dim[1]) * 4), 0);
        }
        done(&one);
        done(&same);
        done(&other);
    }
}

static void buckets_save_padding(void)
{
    bench plain = open_lines(1, ""), pools = open_lines(1, ", bucket: 4"), all = open_lines(1, ", bucket: 13");
    epoch a = read_epoch(&plain, "train", 0, 0), c = read_epoch(&pools, "train", 0, 0), d = read_epoch(&all, "train", 0, 0);
    CU_ASSERT_TRUE(a.padding > a.elements / 3);
    CU_ASSERT_TRUE(c.padding < a.padding / 2);
    CU_ASSERT_TRUE(d.padding < c.padding && d.padding < d.elements / 12);
    epoch next = read_epoch(&all, "train", 1, 0); /* the batches come in another order each time */
    int falls = 0;
    for (int i = 1; i < 12; i++) falls += d.time[i] < d.time[i - 1];
    CU_ASSERT_TRUE(falls > 1 && memcmp(d.time, next.time, sizeof d.time) != 0);
    done(&plain);
    done(&pools);
    done(&all);
    bench few = open_lines(1, ", pad_multiple: 8");
    CU_ASSERT_TRUE(a.distinct > 4 && read_epoch(&few, "train", 0, 0).distinct <= 4);
    done(&few);
}

static void what_is_left_out(void)
{
    bench b = open_lines(1, ", drop_last: true, split: {train: 50, valid: 50}");
    CU_ASSERT_EQUAL(read_epoch(&b, "train", 0, 0).items, 48);
    CU_ASSERT_EQUAL(read_epoch(&b, "valid", 0, 0).items, 50);
    epoch train = read_epoch(&b, "train", 0, 0), valid = read_epoch(&b, "valid", 0, 0);
    bool shuffled = false;
    for (int i = 0; i < ITEMS; i++) {
        CU_ASSERT_TRUE(train.seen[i] + valid.seen[i] <= 1);
        shuffled |= i < 50 && valid.seen[i];
    }
    CU_ASSERT_TRUE(shuffled);
    bench other = open_lines(99, ", drop_last: true, split: {train: 50, valid: 50}"); /* the seed moves no item */
    CU_ASSERT_EQUAL(memcmp(read_epoch(&other, "valid", 0, 0).seen, valid.seen, sizeof valid.seen), 0);
    done(&other);
    done(&b);
    b = open_lines(1, ", random_split: false, split: {train: 0.5, valid: 0.5}");
    CU_ASSERT_TRUE(read_epoch(&b, "train", 0, 0).seen[49] == 1 && read_epoch(&b, "valid", 0, 0).seen[50] == 1);
    done(&b);
    b = open_lines(1, ", max_items: 20");
    epoch e = read_epoch(&b, "train", 0, 0);
    CU_ASSERT_TRUE(e.items == 20 && e.seen[19] == 1);
    done(&b);
    b = open_lines(1, ", max_length: 9");
    e = read_epoch(&b, "train", 0, 0);
    CU_ASSERT_TRUE(e.items > 10 && e.items < 60);
    done(&b);
    b = open_lines(1, ", max_length: 9, truncate: true, bucket: 2, pad_multiple: 4");
    e = read_epoch(&b, "train", 0, 0);
    CU_ASSERT_TRUE(e.items == ITEMS && e.distinct <= 3);
    done(&b);
}

static void nothing_is_allocated(void)
{
    bench b = open_lines(1, ", bucket: 3");
    read_epoch(&b, "train", 0, 0);
    long before = gr_count_allocations();
    size_t bytes = gr_arena_bytes(b.arena);
    for (int k = 1; k < 4; k++) read_epoch(&b, "train", k, 0);
    CU_ASSERT_EQUAL(gr_count_allocations(), before);
    CU_ASSERT_EQUAL(gr_arena_bytes(b.arena), bytes);
    done(&b);
}

#define MODEL \
    "graphrun: 1\nvars: {batch: 8}\n" \
    "data: {op: Lines, unit: word, path: %s, bucket: 2, split: {train: 0.9, valid: 0.1}}\n" \
    "graph:\n" \
    "  x: {op: Input, shape: [%s], dtype: int32, from: data.tokens}\n" \
    "  y: {op: Input, shape: [%s], dtype: int32, from: data.targets}\n" \
    "  n: {op: Input, shape: [batch], dtype: int32, from: data.lengths}\n" \
    "  e: {op: Embedding, in: x, num_embeddings: $data.vocab, embedding_dim: 4}\n" \
    "  rnn: {op: GRU, in: {input: e, lengths: n}, hidden_size: 5, batch_first: %s}\n" \
    "  z: {op: Linear, in: rnn.output, out_features: $data.vocab}\n" \
    "  loss: {op: CrossEntropyLoss, in: {input: z, target: y, lengths: n}, batch_first: %s}\n" \
    "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 2}\n"

/* A whole model on batches of all lengths: time first and batch first give the same. */
static void a_model_of_ragged_batches(void)
{
    float bias[2][512];
    for (int first = 0; first < 2; first++) {
        const char *axes = first ? "batch, time" : "time, batch", *is = first ? "true" : "false";
        const char *path = temp_file("ragged.yaml", MODEL, lines_file(), axes, axes, is, is);
        gr_session *s = open_model(path, 1);
        gr_train_options o = {.epochs = -1, .steps = -1, .quiet = true, .out = fopen("/dev/null", "w")};
        gr_train_result result;
        gr_error e;
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        CU_ASSERT_EQUAL(gr_train(s, &o, &result, &e), 0);
        CU_ASSERT_EQUAL(result.steps, 24);
        gr_type t;
        float *data = gr_session_state(s, "z.bias", &t);
        CU_ASSERT_TRUE_FATAL(data && gr_numel(&t) < 512);
        memcpy(bias[first], data, (size_t)gr_numel(&t) * sizeof *data);
        if (first)
            for (int64_t i = 0; i < gr_numel(&t); i++) CU_ASSERT_DOUBLE_EQUAL(bias[0][i], bias[1][i], 1e-5);
        fclose(o.out);
        gr_session_close(s);
    }
}

/* A checkpoint of another text is not gone on with. */
static void a_text_that_has_changed(void)
{
    const char *file = lines_file(), *checkpoint = temp_path("changed.ckpt");
    const char *path = temp_file("changed.yaml", MODEL, file, "batch, time", "batch, time", "true", "true");
    gr_train_options o = {.epochs = -1, .steps = 2, .quiet = true, .checkpoint = checkpoint};
    gr_error e = {0};
    CU_ASSERT_EQUAL(train_model(path, 1, o, &e), 0);
    o = (gr_train_options){.epochs = -1, .steps = 3, .quiet = true, .resume = checkpoint};
    CU_ASSERT_EQUAL(train_model(path, 1, o, &e), 0);
    temp_file("lines.txt", "a b\nc d\n");
    CU_ASSERT_NOT_EQUAL(train_model(path, 1, o, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "was made with other data: 'vocab'"));
}

/* check, where the file is absent and the size of the vocabulary is given. */
static void a_model_without_its_data(void)
{
    const char *sets[] = {"data.vocab=30", NULL}, *none[] = {NULL};
    const char *path = temp_file("absent.yaml", MODEL, "/no/such.txt", "batch, time", "batch, time", "true", "true");
    gr_session_options o = {.facts_only = true, .threads = 1, .model = {.sets = sets, .plugins = none}};
    const gr_want want = {.update = true, .training = true, .assume_axes = true};
    gr_error e;
    gr_session *s = gr_session_open(path, &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_PTR_NOT_NULL(gr_session_graph(s, &want, NULL));
    gr_session_close(s);
}

void test_data_items(void)
{
    CU_pSuite s = CU_add_suite("data_items", NULL, NULL);
    CU_add_test(s, "every item once", every_item_once);
    CU_add_test(s, "the order is the seed's", order_by_seed);
    CU_add_test(s, "buckets save padding", buckets_save_padding);
    CU_add_test(s, "what is left out", what_is_left_out);
    CU_add_test(s, "nothing is allocated", nothing_is_allocated);
    CU_add_test(s, "a model of ragged batches", a_model_of_ragged_batches);
    CU_add_test(s, "a text that has changed", a_text_that_has_changed);
    CU_add_test(s, "a model without its data", a_model_without_its_data);
}
