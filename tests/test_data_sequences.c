/* test_data_sequences.c - sources of files with sequences and images: Conll, Ts, Idx. */
#include "data_support.h"
#include "failing.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define CONLL(rest) "graphrun: 1\nvars: {batch: 2}\ndata: {op: Conll, path: %s, shuffle: false, random_split: false" rest "}\n"
#define TS(rest) "graphrun: 1\nvars: {batch: 2}\ndata: {op: Ts, path: %s, shuffle: false, random_split: false" rest "}\n"

/* ---- Conll ---- */

static const char tagged[] = "The DET\ncat NOUN\nsleeps VERB\n\nthe DET\ncat NOUN\n";

static void conll_fields(void)
{
    bench b = open_on(tagged, CONLL(""));
    const gr_tensor *t = first_batch(&b, "train");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "tokens"), "<unk>|<pad>|cat|The|sleeps|the|");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "tags"), "DET|NOUN|VERB|");
    HOLDS(&t[0], 3, 5, 2, 2, 4, 1); /* [time, batch] */
    HOLDS(&t[1], 0, 0, 1, 1, 2, -100);
    HOLDS(&t[2], 3, 2);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.vocab").i, 6);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.tags").i, 3);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.pad").i, 1);
    int32_t *ids;
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, NULL, "the  dog sleeps", &ids, &b.error), 3);
    CU_ASSERT_TRUE(ids[0] == 5 && ids[1] == 0 && ids[2] == 4);
    done(&b);
    b = open_on(tagged, CONLL(", lower: true, min_freq: 2, word: 0, tag: 1")
                "graph:\n  x: {op: Input, shape: [batch, time], dtype: int32, from: data.tokens}\n");
    t = first_batch(&b, "train");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "tokens"), "<unk>|<pad>|the|cat|");
    HOLDS(&t[0], 2, 3, 0, 2, 3, 1);
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, "tokens", "THE", &ids, &b.error), 1);
    CU_ASSERT_EQUAL(ids[0], 2);
    done(&b);
}

/* Words are learnt from train alone; both vocabularies are those of the weights. */
static void conll_files_and_weights(void)
{
    const char more[] = "a DET\ndog NOUN\n\nruns VERB\n", odd[] = "oh DET\n\nruns NOUN\noh INTJ\n";
    const char *train = write_file("train.txt", tagged, strlen(tagged)), *test = write_file("test.txt", more, strlen(more));
    char yaml[512];
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Conll, path: {train: %s, test: %s}, batch_size: 2}\n", train, test);
    bench b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "tokens"), "<unk>|<pad>|cat|The|sleeps|the|");
    HOLDS(first_batch(&b, "test"), 0, 0, 0, 1);
    const char *metadata = gr_data_metadata(b.data);
    bench later = open_with("graphrun: 1\ndata: {op: Conll, path: /no/such, batch_size: 2}\n",
                            (gr_data_options){.metadata = metadata, .facts_only = true});
    CU_ASSERT_STRING_EQUAL(vocab_text(&later, "tags"), "DET|NOUN|VERB|");
    CU_ASSERT_EQUAL(gr_model_var(later.model, "data.vocab").i, 6);
    done(&later);
    const char *path = write_file("odd.txt", odd, strlen(odd));
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Conll, path: %s, batch_size: 2}\n", path);
    later = open_with(yaml, (gr_data_options){.metadata = metadata});
    gr_loc at;
    CU_ASSERT_PTR_NULL(later.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(later.diag, 0, &at), "line 4: 'INTJ' is no tag of the weights"));
    done(&later);
    done(&b);
    unlink(path);
    unlink(train);
    unlink(test);
}

static void conll_mistakes(void)
{
    refuses("The DET\ncat\n", CONLL(""), "line 2: 1 column, but line 1 has 2");
    refuses("The DET\n", CONLL(", format: conllu"), "line 1: 1 column; a word of CoNLL-U has 10");
    refuses("The DET\n", CONLL(", tag: 2"), "there is no column 2");
    refuses("\n\n", CONLL(""), "holds no sentences");
    refuses(tagged, CONLL(", tags: 5"), "'tags' is 5 here, but 3 of the data");
    complains("graphrun: 1\ndata: {op: Conll}\n", "Conll needs 'path', a file of tagged words");
    bench b = open_with("graphrun: 1\ndata: {op: Conll, path: /no/such, vocab: 9, tags: 3}\n", (gr_data_options){.facts_only = true});
    CU_ASSERT_PTR_NOT_NULL(b.data);
    CU_ASSERT_TRUE(gr_model_var(b.model, "data.vocab").i == 9 && gr_model_var(b.model, "data.tags").i == 3);
    done(&b);
}

/* ---- Ts ---- */

#define HEAD "@problemName x\n@univariate false\n@dimensions 2\n@classLabel true yes no\n@data\n"

static void ts_fields(void)
{
    bench b = open_on(HEAD "1,2,3:4,5,6:no\n7:8:yes\n", TS(", split: {train: 0.5, test: 0.5}"));
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 1, 4, 2, 5, 3, 6); /* [time, batch, channels] */
    HOLDS(&t[1], 3);
    HOLDS(&t[2], 1);
    t = first_batch(&b, "test");
    HOLDS_FLOATS(&t[0], 7, 8);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "labels"), "yes|no|");
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.channels").i, 2);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.classes").i, 2);
    done(&b);
    b = open_on(HEAD "1,3:4,4:no\n7:?:yes\n", TS(", standardize: zscore, missing: 4")
                "graph:\n  x: {op: Input, shape: [batch, time, 2], from: data.series}\n");
    t = first_batch(&b, "train");
    double mean = 11.0 / 3, std = sqrt((1 + 9 + 49) / 3.0 - mean * mean);
    HOLDS_FLOATS(&t[0], (1 - mean) / std, 0, (3 - mean) / std, 0, (7 - mean) / std, 0, 0, 0);
    HOLDS(&t[1], 2, 1);
    done(&b);
    b = open_on("@univariate true\n@targetLabel true\n@data\n1,2:0.5\n3:1.5\n", TS(""));
    t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 1, 3, 2, 0);
    HOLDS_FLOATS(&t[2], 0.5, 1.5);
    done(&b);
}

static void ts_files_and_weights(void)
{
    const char one[] = HEAD "1:2:no\n", two[] = "@univariate false\n@classLabel true no yes\n@data\n3:4:no\n";
    const char odd[] = "@univariate false\n@classLabel true no maybe\n@data\n3:4:no\n5:6:maybe\n", wide[] = "@data\n1:2:3\n";
    const char *train = write_file("train.ts", one, strlen(one)), *test = write_file("test.ts", two, strlen(two));
    char yaml[512];
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Ts, path: {train: %s, test: %s}, batch_size: 2}\n", train, test);
    bench b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    HOLDS(&first_batch(&b, "test")[2], 1); /* by the order of the first file */
    bench later = open_with("graphrun: 1\ndata: {op: Ts, path: /no/such, batch_size: 2}\n",
                            (gr_data_options){.metadata = gr_data_metadata(b.data), .facts_only = true});
    CU_ASSERT_PTR_NOT_NULL(later.data);
    CU_ASSERT_TRUE(gr_model_var(later.model, "data.channels").i == 2 && gr_model_var(later.model, "data.classes").i == 2);
    done(&later);
    done(&b);
    write_file("test.ts", odd, strlen(odd));
    complains(yaml, "line 5: 'maybe' is no class of");
    write_file("test.ts", wide, strlen(wide));
    complains(yaml, "has 3 channels and no labels, but");
    unlink(train);
    unlink(test);
}

static void ts_mistakes(void)
{
    refuses(HEAD "1:2:no\n1:?:yes\n", TS(""), "line 7: channel 2, value 1 is missing; `missing: 0`");
    refuses(HEAD "1:2:no\n1:2:perhaps\n", TS(""), "line 7: 'perhaps' is none of the classes");
    refuses(HEAD "1:2:no\n1:no\n", TS(""), "line 7: 1 channel and a class, but the header says 2");
    refuses(HEAD "1:2:no\n", TS(", channels: 3"), "'channels' is 3 here, but 2 of the data");
    refuses(HEAD "1:2:no\n", TS(", classes: 3"), "'classes' is 3 here, but 2 of the data");
    refuses(HEAD, TS(""), "no series after @data");
}

/* ---- Idx ---- */

/* Three images of 2x2 bytes, 10 i + 0 .. 3, and their labels 2, 0, 1. */
static const char images[] = "\0\0\x08\x03\0\0\0\3\0\0\0\2\0\0\0\2\0\1\2\3\12\13\14\15\24\25\26\377", labels[] = "\0\0\x08\1\0\0\0\3\2\0\1";

static bench open_images(const char *more, gr_data_options o)
{
    char yaml[1024];
    const char *x = write_file("images", images, sizeof images - 1), *y = write_file("labels", labels, sizeof labels - 1);
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 2}\ndata: {op: Idx, images: %s, labels: %s, shuffle: false, "
             "random_split: false%s\n", x, y, more);
    bench b = open_with(yaml, o);
    unlink(x);
    unlink(y);
    if (!b.data) gr_diag_print(b.diag, stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    return b;
}

static void idx_fields(void)
{
    bench b = open_images("}", (gr_data_options){0});
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 0, 1 / 255., 2 / 255., 3 / 255., 10 / 255., 11 / 255., 12 / 255., 13 / 255.);
    HOLDS(&t[1], 2, 0);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.classes").i, 3);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "labels"), "0|1|2|");
    CU_ASSERT_EQUAL(gr_data_next(b.data, &t, &b.error), 1);
    CU_ASSERT_EQUAL(((float *)t[0].data)[3], 1);
    bench later = open_with("graphrun: 1\ndata: {op: Idx, images: /no/such, labels: /no/such}\n",
                            (gr_data_options){.metadata = gr_data_metadata(b.data), .facts_only = true});
    CU_ASSERT_EQUAL(gr_model_var(later.model, "data.classes").i, 3);
    done(&later);
    done(&b);
    b = open_images(", scale: 2}\ngraph: {x: {op: Input, shape: [rows, batch, 2], from: data.images}}", (gr_data_options){0});
    HOLDS_FLOATS(first_batch(&b, "train"), 0, 2, 20, 22, 4, 6, 24, 26);
    done(&b);
    b = open_images(", flatten: true, classes: 5, max_items: 1}", (gr_data_options){0});
    t = first_batch(&b, "train");
    CU_ASSERT_TRUE(t[0].rank == 2 && t[0].dim[0] == 1 && t[0].dim[1] == 4);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.classes").i, 5);
    done(&b);
}

/* Big-endian elements of other types, not aligned in the file. */
static void idx_types(void)
{
    const char shorts[] = "\0\0\x0b\x02\0\0\0\1\0\0\0\2\377\376\1\0", doubles[] = "\0\0\x0e\x02\0\0\0\1\0\0\0\1\x3f\xf8\0\0\0\0\0\0";
    const char floats[] = "\0\0\x0d\x02\0\0\0\1\0\0\0\1\xbf\0\0\0", one[] = "\0\0\x08\1\0\0\0\1\0";
    const struct { const char *bytes; size_t n; double first; } cases[] = {
        {shorts, sizeof shorts - 1, -2}, {doubles, sizeof doubles - 1, 1.5}, {floats, sizeof floats - 1, -0.5}};
    for (int i = 0; i < 3; i++) {
        char yaml[512];
        const char *x = write_file("images", cases[i].bytes, cases[i].n), *y = write_file("labels", one, sizeof one - 1);
        snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Idx, images: %s, labels: %s, batch_size: 1}\n", x, y);
        bench b = open_data(yaml);
        CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
        CU_ASSERT_EQUAL(((float *)first_batch(&b, "train")->data)[0], (float)cases[i].first);
        done(&b);
        unlink(x);
        unlink(y);
    }
}

static void idx_mistakes(void)
{
    static const struct { const char *y; size_t n; const char *more, *words; } cases[] = {
        {labels, sizeof labels - 2, "", "holds 2 bytes of elements; its header says 3 of 1 byte"},
        {"\0\0\x08\1\0\0\0\2\2\0", 10, "", "holds 2 labels, but"},
        {"\0\0\x09\1\0\0\0\3\2\0\377", 11, "", "label 2 (from 0) is -1, which is no class"},
        {"\0\0\x0c\1\0\0\0\3\0\0\0\0\177\377\377\377\0\0\0\0", 20, "", "label 1 (from 0) is 2147483647, which is no class; classes are 0 to 1048575"},
        {"\0\0\x0c\1\0\0\0\3\0\0\0\0\0\0\0\0\0\20\0\0", 20, "", "label 2 (from 0) is 1048576, which is no class"},
        {labels, sizeof labels - 1, ", classes: 2", "there is a label 2, but 'classes' says 2 classes, from 0"},
        {images, sizeof images - 1, "", "has 3 axes; labels are integers on 1 axis; are these the images?"},
        {"nothing of the kind", 19, "", "is no IDX file: it begins with 0x6e 0x6f"},
        {"\0\0\x08\1\0\0\0\2", 8, "", "holds 2 labels, but"}, /* compared before elements are read */
        {"\0\0\x08\1\0\0\0\3\1\1\1\1\1", 13, "", "holds more than 12 bytes, which is more than is read at once; its header says 11 bytes"},
        {"\0\0\x0e\2\0\0\0\3\377\377\377\377", 12, "", "its header says 103079215092 bytes; at most"},
    };
    char yaml[512];
    const char *x = write_file("images", images, sizeof images - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *y = write_file("labels", cases[i].y, cases[i].n);
        snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Idx, images: %s, labels: %s%s}\n", x, y, cases[i].more);
        complains(yaml, cases[i].words);
        unlink(y);
    }
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Idx, images: {train: %s}, labels: {test: %s}}\n", x, x);
    complains(yaml, "'images' and 'labels' have a file for the same splits each");
    unlink(x);
    const char *y = write_file("labels", labels, sizeof labels - 1);
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Idx, images: %s, labels: %s}\n", y, y);
    complains(yaml, "has 1 axis; images have at least 2");
    unlink(y);
}

/* ---- all ---- */

/* A gzipped file that ends early. */
static void cut_gzip(void)
{
    const char *path = write_file("cut.ts.gz", "", 0);
    char bytes[4096], yaml[256], text[1024] = HEAD;
    for (int i = 0; i < 40; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%d:%d:no\n", i * 7919, i * 104729);
    gzFile f = gzopen(path, "wb");
    gzputs(f, text);
    gzclose(f);
    FILE *in = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    write_file("cut.ts.gz", bytes, n - n / 3);
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Ts, path: %s, batch_size: 1}\n", path);
    complains(yaml, "ends in the middle of its gzipped contents");
    unlink(path);
}

/* Labels of three epochs; memory stays as it is after the first batch. */
static uint64_t order_of(const char *yaml, int field, uint64_t seed)
{
    uint64_t h = 0;
    const gr_tensor *t;
    long before = 0;
    bench b = open_with(yaml, (gr_data_options){.seed = seed});
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    for (int epoch = 0; epoch < 3; epoch++) {
        gr_data_begin(b.data, "train", epoch, 0, &b.error);
        while (gr_data_next(b.data, &t, &b.error) == 1) {
            for (int64_t i = 0; i < t[field].dim[0]; i++) h = h * 31 + (uint64_t)((int32_t *)t[field].data)[i];
            if (!before) before = gr_count_allocations();
        }
    }
    CU_ASSERT_EQUAL(gr_count_allocations(), before);
    done(&b);
    return h;
}

static void shared_files(void)
{
    static const struct { const char *file, *yaml; int field; int64_t batches; } cases[] = {
        {SHARED "JapaneseVowels_TEST.ts", "graphrun: 1\ndata: {op: Ts, batch_size: 30, bucket: 4, standardize: zscore, path: {train: "
         SHARED "JapaneseVowels_TRAIN.ts, test: " SHARED "JapaneseVowels_TEST.ts}}\n", 2, 9},
        {SHARED "atis/en_atis-ud-train.conllu", "graphrun: 1\ndata: {op: Conll, batch_size: 64, path: {train: " SHARED
         "atis/en_atis-ud-train.conllu, valid: " SHARED "atis/en_atis-ud-dev.conllu}}\n", 2, 67},
        {SHARED "mnist/t10k-images-idx3-ubyte.gz", "graphrun: 1\ndata: {op: Idx, batch_size: 100, images: " SHARED
         "mnist/t10k-images-idx3-ubyte.gz, labels: " SHARED "mnist/t10k-labels-idx1-ubyte.gz}\n", 1, 100},
    };
    for (int i = 0; i < 3; i++) {
        if (!have(cases[i].file)) continue;
        CU_ASSERT_EQUAL(order_of(cases[i].yaml, cases[i].field, 1), order_of(cases[i].yaml, cases[i].field, 1));
        CU_ASSERT_NOT_EQUAL(order_of(cases[i].yaml, cases[i].field, 1), order_of(cases[i].yaml, cases[i].field, 2));
        bench b = open_data(cases[i].yaml);
        CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), cases[i].batches);
        done(&b);
    }
}

void test_data_sequences(void)
{
    CU_pSuite s = CU_add_suite("data_sequences", NULL, NULL);
    CU_add_test(s, "Conll: tokens, tags, lengths", conll_fields);
    CU_add_test(s, "Conll: files by split, and the weights' vocabularies", conll_files_and_weights);
    CU_add_test(s, "Conll: mistakes", conll_mistakes);
    CU_add_test(s, "Ts: series, lengths, labels", ts_fields);
    CU_add_test(s, "Ts: files by split, and the weights' classes", ts_files_and_weights);
    CU_add_test(s, "Ts: mistakes", ts_mistakes);
    CU_add_test(s, "Idx: images and labels", idx_fields);
    CU_add_test(s, "Idx: element types", idx_types);
    CU_add_test(s, "Idx: mistakes", idx_mistakes);
    CU_add_test(s, "a gzipped file that ends early", cut_gzip);
    CU_add_test(s, "JapaneseVowels, ATIS, MNIST", shared_files);
}
