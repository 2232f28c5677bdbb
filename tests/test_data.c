/* test_data.c - sources: fields, partitions as d2l's, vocabularies, order by seed, bad files. */
#include "data_support.h"
#include "io/npy.h"
#include "failing.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define HEAD "graphrun: 1\nvars: {time: 5, batch: 2}\n"
#define INPUTS "graph:\n  tokens: {op: Input, shape: [time, batch], from: data.tokens}\n" \
               "  targets: {op: Input, shape: [time, batch], from: data.targets}\n"

static void inline_values(void)
{
    bench b = open_data(HEAD "data: {op: Inline, vocab: [e, h, l, o], values: {x: [[1, 0, 2, 2, 3]], y: [0.5, 1]}}\n");
    const gr_field *fields;
    const gr_tensor *t;
    int n = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_EQUAL_FATAL(gr_data_fields(b.data, &fields), 2);
    CU_ASSERT_STRING_EQUAL(fields[0].name, "x");
    CU_ASSERT_TRUE(fields[0].type.rank == 2 && fields[0].type.dim[1] == 5 && fields[0].type.dtype == GR_INT32);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.vocab").i, 4);
    CU_ASSERT_STRING_EQUAL(gr_data_vocab(b.data, NULL, &n)[3], "o");
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 1);
    for (int epoch = 0; epoch < 3; epoch++) {
        CU_ASSERT_EQUAL(gr_data_begin(b.data, "train", epoch, 0, &b.error), 0);
        CU_ASSERT_EQUAL(gr_data_next(b.data, &t, &b.error), 1);
        CU_ASSERT_EQUAL(((int32_t *)t[0].data)[4], 3);
        CU_ASSERT_EQUAL(((double *)t[1].data)[0], 0.5);
        CU_ASSERT_EQUAL(gr_data_next(b.data, &t, &b.error), 0);
    }
    int32_t *ids;
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, NULL, "hello", &ids, &b.error), 5);
    CU_ASSERT_TRUE(ids[0] == 1 && ids[4] == 3);
    CU_ASSERT_TRUE(gr_data_encode(b.data, b.arena, NULL, "help", &ids, &b.error) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.error.message, "'p' is not in the vocabulary"));
    done(&b);
}

/* A text of 0..n-1 as letters in a row, so that a token tells its place. */
static const char *letters_file(int n)
{
    char text[256];
    for (int i = 0; i < n; i++) text[i] = (char)('0' + i);
    return write_file("letters.txt", text, (size_t)n);
}

static int place(const gr_data *d, int32_t id)
{
    int n;
    return gr_data_vocab(d, NULL, &n)[id][0] - '0';
}

static bench open_letters(int n, const char *more, uint64_t seed)
{
    char yaml[1024];
    const char *path = letters_file(n);
    snprintf(yaml, sizeof yaml, HEAD "data: {op: CharText, path: %s, order: character%s}\n" INPUTS, path, more);
    bench b = open_with(yaml, (gr_data_options){.seed = seed});
    unlink(path);
    if (!b.data) gr_diag_print(b.diag, stderr);
    return b;
}

/* Targets are one on from tokens; gives the place of row 0 and 1's first token. */
static void check_batch(bench *b, const gr_tensor *t, int first[2])
{
    const int32_t *tokens = t[0].data, *targets = t[1].data;
    CU_ASSERT_TRUE(t[0].dim[0] == 5 && t[0].dim[1] == 2);
    for (int r = 0; r < 2; r++) {
        first[r] = place(b->data, tokens[r]);
        for (int k = 0; k < 5; k++) {
            CU_ASSERT_EQUAL(place(b->data, tokens[k * 2 + r]), first[r] + k);
            CU_ASSERT_EQUAL(place(b->data, targets[k * 2 + r]), first[r] + k + 1);
        }
    }
}

static void sequential(void)
{
    bench b = open_letters(60, ", partition: sequential", 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    const gr_tensor *t;
    /* (60 - 5 - 1) / 2 = 27 characters a row, 5 batches of 5 */
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 5);
    int offsets = 0;
    for (int epoch = 0; epoch < 30; epoch++) {
        gr_data_begin(b.data, "train", epoch, 0, &b.error);
        int first[2], offset = 0, row = 0, batch = 0;
        for (; gr_data_next(b.data, &t, &b.error) == 1; batch++) {
            check_batch(&b, t, first);
            if (batch == 0) offset = first[0], row = first[1] - first[0];
            CU_ASSERT_EQUAL(first[0], offset + 5 * batch);
            CU_ASSERT_EQUAL(first[1], offset + row + 5 * batch);
        }
        CU_ASSERT_EQUAL(batch, 5);
        CU_ASSERT_TRUE(offset >= 0 && offset <= 5);
        CU_ASSERT_EQUAL(row, (60 - offset - 1) / 2);
        offsets |= 1 << offset;
    }
    CU_ASSERT_EQUAL(offsets, 63); /* each of 0..5 in 30 epochs */
    done(&b);
}

static void random_pieces(void)
{
    bench b = open_letters(60, "", 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    const gr_tensor *t;
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 5); /* (60 - 4 - 1) / 5 / 2 */
    bool moved = false;
    for (int epoch = 0; epoch < 10; epoch++) {
        uint64_t seen = 0;
        int offset = -1, first[2], last = -1;
        gr_data_begin(b.data, "train", epoch, 0, &b.error);
        while (gr_data_next(b.data, &t, &b.error) == 1) {
            check_batch(&b, t, first);
            if (offset < 0) offset = first[0] % 5;
            for (int r = 0; r < 2; r++) {
                CU_ASSERT_EQUAL(first[r] % 5, offset);
                CU_ASSERT_FALSE(seen >> first[r] & 1);
                seen |= (uint64_t)1 << first[r];
                moved |= first[r] < last;
                last = first[r];
            }
        }
        CU_ASSERT_EQUAL(__builtin_popcountll(seen), 10);
    }
    CU_ASSERT_TRUE(moved);
    done(&b);
}

/* The tokens of three epochs, from batch `first` of epoch 1 on. */
static uint64_t hash_of(uint64_t seed, int64_t first)
{
    bench b = open_letters(60, "", seed);
    uint64_t h = 14695981039346656037u;
    const gr_tensor *t;
    if (first) { /* some other epoch before, stopped half-way */
        gr_data_begin(b.data, "train", 7, 0, &b.error);
        gr_data_next(b.data, &t, &b.error);
    }
    for (int epoch = 1; epoch < 3; epoch++) {
        gr_data_begin(b.data, "train", epoch, epoch == 1 ? first : 0, &b.error);
        for (int64_t k = epoch == 1 ? first : 0; gr_data_next(b.data, &t, &b.error) == 1; k++)
            for (int i = 0; i < 10 && (epoch > 1 || k >= 2); i++) h = (h ^ (uint64_t)((int32_t *)t[0].data)[i]) * 1099511628211u;
    }
    done(&b);
    return h;
}

static void order_depends_on_the_seed(void)
{
    CU_ASSERT_EQUAL(hash_of(1, 0), hash_of(1, 0));
    CU_ASSERT_NOT_EQUAL(hash_of(1, 0), hash_of(2, 0));
    CU_ASSERT_EQUAL(hash_of(1, 0), hash_of(1, 2)); /* gone on with from batch 2 */
}

static void splits_and_layout(void)
{
    const char *path = letters_file(60);
    char yaml[1024];
    snprintf(yaml, sizeof yaml, HEAD "data: {op: CharText, path: %s, partition: sequential, split: {train: 0.5, valid: 0.5}}\n"
             "graph:\n  a: {op: Input, shape: [batch, time], from: data.tokens}\n"
             "  b: {op: Input, shape: [time, batch], from: data.targets}\n", path);
    bench b = open_data(yaml);
    unlink(path);
    const gr_tensor *t;
    const gr_field *f;
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    gr_data_fields(b.data, &f);
    CU_ASSERT_TRUE(f[0].type.dim[0] == 2 && f[0].type.dim[1] == 5 && f[1].type.dim[0] == 5);
    CU_ASSERT_TRUE(gr_data_has_split(b.data, "valid") && !gr_data_has_split(b.data, "test"));
    CU_ASSERT_EQUAL(gr_data_begin(b.data, "valid", 3, 0, &b.error), 0);
    CU_ASSERT_EQUAL(gr_data_next(b.data, &t, &b.error), 1);
    CU_ASSERT_EQUAL(place(b.data, ((int32_t *)t[0].data)[0]), 30); /* no offset where nothing is trained */
    CU_ASSERT_EQUAL(place(b.data, ((int32_t *)t[0].data)[1]), 31);
    CU_ASSERT_EQUAL(place(b.data, ((int32_t *)t[0].data)[5]), 44);
    CU_ASSERT_EQUAL(place(b.data, ((int32_t *)t[1].data)[2]), 32);
    CU_ASSERT_TRUE(gr_data_begin(b.data, "test", 0, 0, &b.error) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.error.message, "there are: train, valid"));
    CU_ASSERT_TRUE(gr_data_begin(b.data, "train", 0, 99, &b.error) < 0);
    done(&b);
}

static bench open_text(const char *text, size_t n, const char *more)
{
    char yaml[1024];
    const char *path = write_file("text.txt", text, n);
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {time: 2, batch: 1}\ndata: {op: CharText, path: %s%s}\n" INPUTS, path, more);
    bench b = open_data(yaml);
    unlink(path);
    return b;
}

static void vocabularies(void)
{
    static const char text[] = "\xef\xbb\xbf" "Abba, B\xc3\x84!\r\n";
    bench b = open_text(text, sizeof text - 1, "");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "<unk>|b|A|a|,| |B|\xc3\x84|!|\n|");
    done(&b);
    b = open_text(text, sizeof text - 1, ", order: character, unk: false");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "\n| |!|,|A|B|a|b|\xc3\x84|");
    done(&b);
    b = open_text(text, sizeof text - 1, ", lower: true, keep: letters");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "<unk>|b|a| |");
    int32_t *ids;
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, NULL, "A.. x", &ids, &b.error), 3);
    CU_ASSERT_TRUE(ids[0] == 2 && ids[1] == 3 && ids[2] == 0);
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, "tokens", "ab", &ids, &b.error), 2);
    CU_ASSERT_EQUAL(gr_data_special(b.data, "tokens", GR_UNK), 0);
    CU_ASSERT_EQUAL(gr_data_special(b.data, NULL, GR_EOS), -1);
    const char *metadata = gr_data_metadata(b.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(metadata);
    CU_ASSERT_PTR_NOT_NULL(strstr(metadata, "\"source\":\"CharText\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(metadata, "\"keep\":\"letters\""));
    done(&b);
    b = open_text(text, sizeof text - 1, ", lower: true");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "<unk>|b|a|,| |\xc3\xa4|!|\n|");
    done(&b);
}

/* The text is not there, so the vocabulary is that of the weights; settings that made it must be the same. */
static void vocabularies_of_weights(void)
{
    static const char text[] = "Abba, B!\r\n";
    bench b = open_text(text, sizeof text - 1, ", lower: true, keep: letters");
    const char *metadata = gr_data_metadata(b.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(metadata);
    bench other = open_with("graphrun: 1\ndata: {op: CharText, path: /no/such, lower: true, keep: letters}\ngraph: {}\n",
                            (gr_data_options){.metadata = metadata, .facts_only = true});
    CU_ASSERT_STRING_EQUAL(vocab_text(&other, NULL), "<unk>|b|a| |");
    done(&other);
    other = open_with("graphrun: 1\ndata: {op: CharText, path: /no/such, keep: letters}\ngraph: {}\n",
                      (gr_data_options){.metadata = metadata, .facts_only = true});
    gr_loc at;
    CU_ASSERT_PTR_NULL(other.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(other.diag, 0, &at), "'lower' is false here, but was true when the weights"));
    done(&other);
    other = open_with("graphrun: 1\ndata: {op: WordText, path: /no/such, keep: letters}\ngraph: {}\n",
                      (gr_data_options){.metadata = metadata, .facts_only = true});
    CU_ASSERT_PTR_NULL(other.data);
    CU_ASSERT_EQUAL(gr_diag_count(other.diag), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(other.diag, 0, &at), "made with the data source CharText"));
    done(&other);
    done(&b);
}

static void bad_texts(void)
{
    static const char broken[] = "one\ntwo \xff three";
    bench b = open_text(broken, sizeof broken - 1, "");
    gr_loc at;
    CU_ASSERT_PTR_NULL(b.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &at), "not UTF-8 text: line 2, byte 8 is 0xff"));
    CU_ASSERT_EQUAL(at.line, 3);
    done(&b);
    b = open_text("", 0, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &at), "is empty"));
    done(&b);
    b = open_text("ab", 2, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &at), "has 2 characters; one batch of 1 rows of 2 takes 3"));
    done(&b);
    complains(HEAD "data: {op: CharText, path: /no/such.txt}\n" INPUTS, "/no/such.txt: No such file");
    complains(HEAD "data: {op: CharText}\n" INPUTS, "CharText needs 'path'");
    complains(HEAD "data: {op: CharTxt}\n", "did you mean 'CharText'?");
    complains(HEAD "data: {path: x}\n", "'data' needs 'op'");
    complains(HEAD "data: [1]\n", "'data' takes a map");
    complains(HEAD "data: {op: CharText, path: x, lowr: true}\n", "did you mean 'lower'?");
    complains(HEAD "data: {op: Inline}\n", "Inline needs 'values'");
    complains(HEAD "data: {op: Inline, values: {x: [[1], [1, 2]]}}\n", "a row of 2 here, and rows of 1");
    complains(HEAD "data: {op: Inline, values: {x: [3000000000]}}\n", "beyond 32 bits");
    complains(HEAD "data: {op: Inline, vocab: [[a]], values: {x: [3]}}\n", "'vocab' takes a list of texts");
}

static void known_facts(void)
{
    bench b = open_with("graphrun: 1\ndata: {op: CharText, path: /no/such, vocab: 28}\ngraph: {}\n",
                        (gr_data_options){.facts_only = true});
    CU_ASSERT_PTR_NOT_NULL(b.data);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.vocab").i, 28);
    done(&b);
    b = open_text("abcabc", 6, ", vocab: 28");
    gr_loc at;
    CU_ASSERT_PTR_NULL(b.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &at), "'vocab' is 28 here, but 4 of the data"));
    done(&b);
}

static void gzipped(void)
{
    const char *path = temp_path("text.gz");
    char yaml[512];
    gzFile f = gzopen(path, "wb");
    gzputs(f, "hello hello");
    gzclose(f);
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {time: 2, batch: 1}\ndata: {op: CharText, path: %s}\n" INPUTS, path);
    bench b = open_data(yaml);
    unlink(path);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "<unk>|l|h|e|o| |");
    done(&b);
}

/* x[i] = [i, i + 100], y[k][i] = i + 1000 k: 7 examples, along axis 0 of x. */
static const char *array_file(const char *name, bool along_one)
{
    static int32_t values[14];
    gr_tensor t = {.data = values, .dtype = GR_INT32, .rank = 2};
    gr_error e;
    t.dim[0] = along_one ? 2 : 7;
    t.dim[1] = along_one ? 7 : 2;
    t.stride[0] = t.dim[1];
    t.stride[1] = 1;
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < 2; k++) values[along_one ? k * 7 + i : i * 2 + k] = i + 100 * k;
    const char *path = temp_path(name);
    CU_ASSERT_EQUAL(gr_npy_write(path, &t, &e), 0);
    return path;
}

static bench open_arrays(const char *x, const char *more)
{
    char yaml[512];
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Npy, files: {x: %s}%s}\n", x, more);
    return open_data(yaml);
}

static void arrays(void)
{
    const gr_tensor *t;
    for (int along_one = 0; along_one < 2; along_one++) {
        const char *path = array_file("x.npy", along_one);
        bench b = open_arrays(path, along_one ? ", batch_size: 3, dim: -1" : ", batch_size: 3");
        unlink(path);
        CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
        CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 3);
        for (int epoch = 0; epoch < 2; epoch++) {
            gr_data_begin(b.data, "train", epoch, 0, &b.error);
            for (int i = 0; gr_data_next(b.data, &t, &b.error) == 1; i += 3) {
                int64_t n = i == 6 ? 1 : 3;
                const int32_t *v = t->data;
                CU_ASSERT_EQUAL(t->dim[along_one], n);
                CU_ASSERT_EQUAL(v[0], i);
                CU_ASSERT_EQUAL(v[along_one ? n : 1], i + 100);
                CU_ASSERT_EQUAL(v[2 * n - 1], i + (int)n - 1 + 100);
            }
        }
        done(&b);
    }
}

static void shuffled_arrays(void)
{
    const char *path = array_file("x.npy", false);
    bench b = open_arrays(path, ", batch_size: 2, shuffle: true, split: {train: 0.8, test: 0.2}");
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    const gr_tensor *t;
    int orders[4] = {0};
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 3); /* 5 of the 7 */
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "test"), 1);
    for (int epoch = 0; epoch < 4; epoch++) {
        unsigned seen = 0;
        gr_data_begin(b.data, "train", epoch, 0, &b.error);
        while (gr_data_next(b.data, &t, &b.error) == 1)
            for (int64_t i = 0; i < t->dim[0]; i++) {
                int32_t v = ((int32_t *)t->data)[2 * i];
                seen |= 1u << v;
                orders[epoch] = orders[epoch] * 10 + v;
            }
        CU_ASSERT_EQUAL(seen, 31);
    }
    CU_ASSERT_TRUE(orders[0] != orders[1] || orders[1] != orders[2] || orders[2] != orders[3]);
    done(&b);
    b = open_arrays(path, "");
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 1);
    done(&b);
    unlink(path);
    b = open_arrays("/no/such.npy", "");
    CU_ASSERT_PTR_NULL(b.data);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 1);
    done(&b);
}

/* The book that d2l uses: 28 kinds of characters, 173,428 of them once prepared. */
static void time_machine(void)
{
    static const char path[] = GR_SOURCE_DIR "/../shared/data/timemachine.txt";
    char yaml[1024];
    if (access(path, R_OK)) {
        fprintf(stderr, "\n  skipped: %s is not there\n", path);
        return;
    }
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {time: 35, batch: 32}\n"
             "data: {op: CharText, path: %s, lower: true, keep: letters, max_chars: 10000, partition: sequential}\n" INPUTS, path);
    bench b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    int n = 0;
    const char *const *v = gr_data_vocab(b.data, NULL, &n);
    CU_ASSERT_EQUAL(n, 28);
    CU_ASSERT_STRING_EQUAL(v[1], " ");
    CU_ASSERT_STRING_EQUAL(v[2], "e");
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), (10000 - 35 - 1) / 32 / 35);
    done(&b);
}

/* After an epoch's first batch nothing is allocated. */
static void nothing_is_allocated(void)
{
    bench b = open_letters(60, "", 1);
    const gr_tensor *t;
    gr_data_begin(b.data, "train", 0, 0, &b.error);
    gr_data_next(b.data, &t, &b.error);
    long before = gr_count_allocations();
    size_t bytes = gr_arena_bytes(b.arena);
    for (int epoch = 0; epoch < 5; epoch++) {
        gr_data_begin(b.data, "train", epoch, 0, &b.error);
        while (gr_data_next(b.data, &t, &b.error) == 1) {}
    }
    CU_ASSERT_EQUAL(gr_count_allocations(), before);
    CU_ASSERT_EQUAL(gr_arena_bytes(b.arena), bytes);
    done(&b);
}

void test_data(void)
{
    CU_pSuite s = CU_add_suite("data", NULL, NULL);
    CU_add_test(s, "Inline", inline_values);
    CU_add_test(s, "sequential partition", sequential);
    CU_add_test(s, "random partition", random_pieces);
    CU_add_test(s, "the order is the seed's and the epoch's", order_depends_on_the_seed);
    CU_add_test(s, "splits, and the layout that Inputs ask for", splits_and_layout);
    CU_add_test(s, "vocabularies", vocabularies);
    CU_add_test(s, "vocabularies of weights", vocabularies_of_weights);
    CU_add_test(s, "texts that cannot be read", bad_texts);
    CU_add_test(s, "facts without a file", known_facts);
    CU_add_test(s, "gzipped text", gzipped);
    CU_add_test(s, "Npy in order", arrays);
    CU_add_test(s, "Npy shuffled", shuffled_arrays);
    CU_add_test(s, "The Time Machine", time_machine);
    CU_add_test(s, "nothing is allocated after the first batch", nothing_is_allocated);
}
