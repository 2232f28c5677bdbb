/* test_data_tables.c - sources of tables: Csv and Series. */
#include "data_support.h"
#include "failing.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define CSV(rest) "graphrun: 1\nvars: {batch: 2}\ndata: {op: Csv, path: %s, shuffle: false, " rest "}\n"
#define SERIES(rest) "graphrun: 1\nvars: {batch: 2}\ndata: {op: Series, path: %s, shuffle: false, " rest "}\n"

/* ---- Csv ---- */

static const char flowers[] = "length,width,kind,size\n1,10,rose,0.5\n3,10,lily,1.5\n2,40,rose,2.5\n8,20,aster,3.5\n";

static void csv_fields(void)
{
    bench b = open_on(flowers, CSV("label: kind, target: size"));
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 1, 10, 3, 10);
    HOLDS_FLOATS(&t[1], 0.5, 1.5);
    CU_ASSERT_TRUE(t[1].rank == 2 && t[1].dim[0] == 2 && t[1].dim[1] == 1);
    HOLDS(&t[2], 2, 1);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "labels"), "aster|lily|rose|");
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.features").i, 2);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.classes").i, 3);
    CU_ASSERT_EQUAL(gr_data_next(b.data, &t, &b.error), 1);
    HOLDS_FLOATS(&t[0], 2, 40, 8, 20);
    CU_ASSERT_EQUAL(gr_data_next(b.data, &t, &b.error), 0);
    done(&b);
}

/* The feature columns of the first row, by each way to choose them. */
static void csv_columns(void)
{
    static const struct { const char *columns; int n; double first[4]; } cases[] = {
        {"columns: width", 1, {10}}, {"columns: [3, length]", 2, {0.5, 1}},  {"columns: \"0:2\"", 2, {1, 10}},
        {"columns: -1", 1, {0.5}},   {"columns: [\":2\", -1]", 3, {1, 10, 0.5}}, {"columns: \"-1:\"", 1, {0.5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Csv, path: %%s, shuffle: false, batch_size: 1, %s}\n", cases[i].columns);
        bench b = open_on(flowers, yaml);
        holds_floats(first_batch(&b, "train"), cases[i].n, cases[i].first);
        done(&b);
    }
    bench b = open_on("1;5\n2;6\n", "graphrun: 1\ndata: {op: Csv, path: %s, shuffle: false, delimiter: \";\", target: 1}\n"
                      "graph: {y: {op: Input, shape: [batch], from: data.targets}}\n");
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 1, 2);
    HOLDS_FLOATS(&t[1], 5, 6);
    CU_ASSERT_EQUAL(t[1].rank, 1); /* as the Input has it */
    done(&b);
}

/* Of the first three rows; the fourth is not learnt from. */
static void csv_one_hot(void)
{
    static const char words[] = "color,size,price,kind\nred,1,10,a\nblue,2,20,b\n,3,30,a\nred,4,40,b\n";
    char yaml[512], metadata[1024];
    bench b = open_on(words, CSV("one_hot: color, label: kind, standardize: minmax, missing: 0"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    const gr_tensor *field = first_batch(&b, "train");
    HOLDS_FLOATS(&field[0], 0, 0, 0, 1, 1. / 3, 1. / 3, 1, 0); /* size, price, then blue, red */
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "labels"), "a|b|");
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.features").i, 4);
    CU_ASSERT_EQUAL(gr_data_next(b.data, &field, &b.error), 1);
    HOLDS_FLOATS(&field[0], 2. / 3, 2. / 3, 0, 0, 1, 1, 0, 1); /* no colour; red */
    snprintf(metadata, sizeof metadata, "%s", gr_data_metadata(b.data));
    done(&b);
    b = open_on(words, CSV("columns: [color, size], one_hot: color, label: kind, standardize: minmax, missing: 0"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    HOLDS_FLOATS(&first_batch(&b, "train")[0], 0, 0, 1, 1. / 3, 1, 0);
    done(&b);
    refuses(words, CSV("one_hot: color, label: kind"), "line 4, column 'color': the class is missing");
    /* With weights a word has the place that it had; another is none of theirs. */
    const char *path = temp_file("later.csv", "color,size,price,kind\nred,1,10,a\n");
    snprintf(yaml, sizeof yaml, CSV("one_hot: color, label: kind, standardize: minmax, missing: 0"), path);
    b = open_with(yaml, (gr_data_options){.seed = 1, .metadata = metadata});
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    HOLDS_FLOATS(first_batch(&b, "train"), 0, 0, 0, 1);
    done(&b);
    path = temp_file("later.csv", "color,size,price,kind\ngreen,1,10,a\n");
    b = open_with(yaml, (gr_data_options){.seed = 1, .metadata = metadata});
    CU_ASSERT_PTR_NULL(b.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &(gr_loc){0}), "column 'color': 'green' is no class of the weights"));
    done(&b);
    unlink(path);
}

static void csv_standardized(void)
{
    bench b = open_on(flowers, CSV("label: kind, columns: [length, width], standardize: zscore, split: {train: 0.75, test: 0.25}"));
    const double std = sqrt(2.0 / 3), wide = sqrt(200);
    HOLDS_FLOATS(first_batch(&b, "train"), -1 / std, -10 / wide, 1 / std, -10 / wide);
    HOLDS_FLOATS(first_batch(&b, "test"), 6 / std, 0);
    const char *metadata = gr_data_metadata(b.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(metadata);
    /* The same numbers for other rows, and the classes by their numbers. */
    const char other[] = "length,width,kind,size\n2,20,rose,0\n2,20,lily,0\n";
    const char *path = write_file("other.csv", other, strlen(other));
    char yaml[512];
    snprintf(yaml, sizeof yaml, CSV("label: kind, columns: [length, width], standardize: zscore"), path);
    bench again = open_with(yaml, (gr_data_options){.seed = 1, .metadata = metadata});
    CU_ASSERT_PTR_NOT_NULL_FATAL(again.data);
    const gr_tensor *t = first_batch(&again, "train");
    HOLDS_FLOATS(&t[0], 0, 0, 0, 0);
    HOLDS(&t[1], 2, 1);
    CU_ASSERT_STRING_EQUAL(gr_data_metadata(again.data), metadata);
    done(&again);
    unlink(path);
    again = open_with(yaml, (gr_data_options){.facts_only = true, .metadata = metadata});
    CU_ASSERT_PTR_NOT_NULL(again.data);
    CU_ASSERT_EQUAL(gr_model_var(again.model, "data.features").i, 2);
    CU_ASSERT_STRING_EQUAL(vocab_text(&again, "labels"), "aster|lily|rose|");
    done(&again);
    snprintf(yaml, sizeof yaml, CSV("label: kind, columns: [length, width], standardize: minmax"), path);
    again = open_with(yaml, (gr_data_options){.metadata = metadata});
    CU_ASSERT_PTR_NULL(again.data);
    done(&again);
    done(&b);
    b = open_on(flowers, CSV("columns: [length, width, width], standardize: minmax, split: {train: 0.5, test: 0.5}"));
    HOLDS_FLOATS(first_batch(&b, "train"), 0, 0, 0, 1, 0, 0); /* constant columns become 0 */
    HOLDS_FLOATS(first_batch(&b, "test"), 0.5, 30, 30, 3.5, 10, 10);
    done(&b);
}

static void csv_missing(void)
{
    bench b = open_on("a,b\n1,\n?,4\n", CSV("missing: -1"));
    HOLDS_FLOATS(first_batch(&b, "train"), 1, -1, -1, 4);
    done(&b);
    refuses("a,b\n1,2\n\n,4\n", CSV("target: b"), "line 4, column 'a': a value is missing; `missing: 0`");
    refuses("1,2\n3,x\n", CSV("header: false"), "line 2, column 1 (from 0): 'x' is not a number");
    refuses("a,b\n1,2\n3\n", CSV("target: b"), "line 3 has 1 column, but line 1 has 2");
    refuses("a,b\n1,2\n", CSV("target: c"), "has no column 'c'");
    refuses("alpha,b\n1,2\n", CSV("target: alhpa"), "did you mean 'alpha'?");
    refuses("a,b\n1,2\n3,4\n", CSV("split: {train: 0.5, val: 0.5}"), "train, valid and test: call 'val' 'valid'");
    refuses("a,b\n1,2\n3,4\n", CSV("split: {train: 0.5, dev: 0.5}"), "call 'dev' 'valid'");
    refuses("a,b\n1,2\n", CSV("target: 2"), "has 2 columns, 0 to 1; a column is a name, a number, or a range");
    refuses("1,2\n", CSV("target: b"), "has no column 'b'; it has no header");
    refuses("a,a\n1,2\n", CSV("target: a"), "has several columns 'a'");
    refuses("a,b\n1,2\n", CSV("label: [a, b]"), "'label' is one column; this names 2");
    refuses("a\n1\n", CSV("target: a"), "no column is left to be a feature");
    refuses("a,b\n1,\n", CSV("label: b"), "line 2, column 'b': the class is missing");
    refuses("a,b\n1,2\n", CSV("target: b, features: 2"), "'features' is 2 here, but 1 of the data");
    refuses("a,b\n1,2\n", CSV("label: b, classes: 3"), "'classes' is 3 here, but 1 of the data");
    refuses("a,b\n1,2\n", CSV("delimiter: xy"), "'delimiter' takes one character");
    refuses("a,b\n", CSV("header: true"), "holds no rows but a header");
    refuses("", CSV("target: b"), "is empty");
    refuses("a,b\n1,\xff\n", CSV("target: b"), "is not UTF-8 text: line 2");
    complains("graphrun: 1\ndata: {op: Csv, path: /no/such.csv}\n", "/no/such.csv: No such file");
}

static void csv_files_by_split(void)
{
    const char one[] = "a,b\n1,x\n2,y\n", two[] = "a,b\n3,z\n", odd[] = "a,c\n3,z\n";
    const char *train = write_file("train.csv", one, strlen(one)), *test = write_file("test.csv", two, strlen(two));
    const char *other = write_file("odd.csv", odd, strlen(odd));
    char yaml[512];
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Csv, path: {train: %s, test: %s}, label: b}\n", train, test);
    bench b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "x|y|z|");
    const gr_tensor *t = first_batch(&b, "test");
    HOLDS_FLOATS(&t[0], 3);
    HOLDS(&t[1], 2);
    done(&b);
    snprintf(yaml, sizeof yaml, "graphrun: 1\ndata: {op: Csv, path: {train: %s, test: %s}, label: b}\n", train, other);
    complains(yaml, "has a column 'c' where");
    unlink(train);
    unlink(test);
    unlink(other);
}

/* ---- Series ---- */

static const char counts[] = "day,n,m\na,1,10\nb,2,20\nc,3,30\nd,4,40\ne,5,50\nf,6,60\ng,7,70\n";

static void windows(void)
{
    bench b = open_on(counts, SERIES("columns: n, window: 3, horizon: 2"));
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 1, 2, 3, 2, 3, 4); /* [batch, time, 1] where no Input says otherwise */
    HOLDS_FLOATS(&t[1], 4, 5, 5, 6);
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 2); /* 7 - 3 - 2 + 1 windows */
    done(&b);
    b = open_on(counts, SERIES("window: 3, target: m, stride: 3") "graph:\n  x: {op: Input, shape: [time, batch, 2], from: data.inputs}\n"
                "  y: {op: Input, shape: [batch], from: data.targets}\n");
    t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 1, 10, 4, 40, 2, 20, 5, 50, 3, 30, 6, 60);
    HOLDS_FLOATS(&t[1], 40, 70);
    CU_ASSERT_TRUE(t[1].rank == 1 && t[0].dim[0] == 3 && t[0].dim[1] == 2);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.features").i, 2);
    done(&b);
    b = open_on(counts, SERIES("columns: n, window: 3, horizon: 2, predict: each")
                "graph:\n  x: {op: Input, shape: [time, batch], from: data.inputs}\n"
                "  y: {op: Input, shape: [time, batch, 2], from: data.targets}\n");
    t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 1, 2, 2, 3, 3, 4);
    HOLDS_FLOATS(&t[1], 2, 3, 3, 4, 3, 4, 4, 5, 4, 5, 5, 6);
    done(&b);
}

static void series_splits(void)
{
    bench b = open_on(counts, SERIES("columns: n, window: 1, split: {train: 4, test: 3}, standardize: minmax"));
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 2); /* 3 windows */
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "test"), 1);
    const gr_tensor *t = first_batch(&b, "test");
    HOLDS_FLOATS(&t[0], 4.0 / 3, 5.0 / 3); /* 5 and 6, between 1 and 4 */
    HOLDS_FLOATS(&t[1], 5.0 / 3, 2);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.mean").f, 1);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.std").f, 3);
    const char *metadata = gr_data_metadata(b.data), yaml[] = "graphrun: 1\ndata: {op: Series, path: /no/such, window: 1, standardize: minmax}\n";
    bench facts = open_with(yaml, (gr_data_options){.facts_only = true, .metadata = metadata});
    CU_ASSERT_PTR_NOT_NULL(facts.data);
    CU_ASSERT_EQUAL(gr_model_var(facts.model, "data.std").f, 3);
    done(&facts);
    done(&b);
    refuses(counts, SERIES("window: 3, split: {train: 4, test: 3}"), "the split 'test' has 3 rows; a window of 3 and 1 to predict take 4");
    refuses(counts, SERIES("horizon: 3"), "Series needs 'window'");
    refuses(counts, SERIES("window: 3, random_split: true"), "a series is split in order of time");
    refuses("day\nx\n", SERIES("window: 3"), "no column holds numbers");
}

static void transforms(void)
{
    const char text[] = "n\n1\n10\n1000\n";
    bench b = open_on(text, SERIES("window: 1, transform: log, batch_size: 1"));
    HOLDS_FLOATS(first_batch(&b, "train"), 0);
    HOLDS_FLOATS(&first_batch(&b, "train")[1], log(10));
    done(&b);
    b = open_on(text, SERIES("window: 1, transform: diff"));
    HOLDS_FLOATS(first_batch(&b, "train"), 9);
    HOLDS_FLOATS(&first_batch(&b, "train")[1], 990);
    done(&b);
    b = open_on(text, SERIES("window: 1, transform: logdiff"));
    HOLDS_FLOATS(&first_batch(&b, "train")[1], log(100));
    done(&b);
    refuses("n\n1\n0\n2\n", SERIES("window: 1, transform: log"), "line 3, column 'n': 0 has no logarithm");
}

/* ---- both ---- */

static uint64_t order_of(const char *text, const char *model, uint64_t seed)
{
    const char *path = write_file("items.txt", text, strlen(text));
    char yaml[512];
    snprintf(yaml, sizeof yaml, model, path);
    bench b = open_with(yaml, (gr_data_options){.seed = seed});
    unlink(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    uint64_t h = 0;
    const gr_tensor *t;
    long before = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        gr_data_begin(b.data, "train", epoch, 0, &b.error);
        while (gr_data_next(b.data, &t, &b.error) == 1) {
            h = h * 31 + (uint64_t)((float *)t[0].data)[0];
            if (!before) before = gr_count_allocations();
        }
    }
    CU_ASSERT_EQUAL(gr_count_allocations(), before); /* nothing after the first batch */
    done(&b);
    return h;
}

static void orders(void)
{
    static const char *const models[] = {"graphrun: 1\ndata: {op: Csv, path: %s, columns: n, batch_size: 2}\n",
                                         "graphrun: 1\ndata: {op: Series, path: %s, columns: n, window: 1, batch_size: 2}\n"};
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(order_of(counts, models[i], 1), order_of(counts, models[i], 1));
        CU_ASSERT_NOT_EQUAL(order_of(counts, models[i], 1), order_of(counts, models[i], 2));
    }
}

static void shared_files(void)
{
    if (!have(SHARED "digits.csv.gz") || !have(SHARED "AirPassengers.csv")) return;
    bench b = open_data("graphrun: 1\ndata: {op: Csv, path: " SHARED "digits.csv.gz, label: -1, standardize: minmax, split: {train: 1500, "
                        "test: 297}, batch_size: 100, max_items: 1797}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 15);
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "test"), 3);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.features").i, 64);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "labels"), "0|1|2|3|4|5|6|7|8|9|");
    done(&b);
    b = open_data("graphrun: 1\ndata: {op: Series, path: " SHARED "AirPassengers.csv, window: 12, shuffle: false, batch_size: 1, split: "
                  "{train: 0.67, test: 0.33}}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 96 - 12);
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "test"), 48 - 12);
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS_FLOATS(&t[0], 112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118);
    HOLDS_FLOATS(&t[1], 115);
    done(&b);
}

void test_data_tables(void)
{
    CU_pSuite s = CU_add_suite("data_tables", NULL, NULL);
    CU_add_test(s, "Csv: features, targets, labels", csv_fields);
    CU_add_test(s, "Csv: columns", csv_columns);
    CU_add_test(s, "Csv: words as columns of 0 and 1", csv_one_hot);
    CU_add_test(s, "Csv: standardized by the training part", csv_standardized);
    CU_add_test(s, "Csv: what is missing or wrong", csv_missing);
    CU_add_test(s, "Csv: a file a split", csv_files_by_split);
    CU_add_test(s, "Series: windows", windows);
    CU_add_test(s, "Series: splits in order of time", series_splits);
    CU_add_test(s, "Series: transforms", transforms);
    CU_add_test(s, "the order is the seed's, in memory that is there", orders);
    CU_add_test(s, "digits, AirPassengers", shared_files);
}
