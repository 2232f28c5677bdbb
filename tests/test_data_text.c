/* test_data_text.c - sources of text by items: lines, labelled texts, pairs; windows; words. */
#include "data_support.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- pairs ---- */

#define PAIRS "data: {op: TextPairs, path: %s, lower: true, space_punctuation: true, shuffle: false, random_split: false, order: character"
#define PAIR_INPUTS \
    "graph:\n  s: {op: Input, shape: [batch, source_time], from: data.source}\n" \
    "  sn: {op: Input, shape: [batch], from: data.source_lengths}\n" \
    "  h: {op: Input, shape: [target_time, batch], from: data.shifted}\n" \
    "  y: {op: Input, shape: [batch, target_time], from: data.targets}\n" \
    "  yn: {op: Input, shape: [batch], from: data.target_lengths}\n"

static void pairs(void)
{
    bench b = open_on("Go.\tVa\xc2\xa0!\tby someone\nHi, you\tSalut toi!\n", "graphrun: 1\nvars: {batch: 2}\n" PAIRS "}\n" PAIR_INPUTS);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "source"), "<unk>|<pad>|<bos>|<eos>|,|.|go|hi|you|");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "targets"), "<unk>|<pad>|<bos>|<eos>|!|salut|toi|va|");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), vocab_text(&b, "shifted"));
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.source_vocab").i, 9);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.target_vocab").i, 8);
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.vocab").i, 8);
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS(&t[0], 6, 5, 3, 1, 7, 4, 8, 3);
    HOLDS(&t[1], 3, 4);
    HOLDS(&t[2], 2, 2, 7, 5, 4, 6, 1, 4);
    HOLDS(&t[3], 7, 4, 3, 1, 5, 6, 4, 3);
    HOLDS(&t[4], 3, 4);
    int32_t *ids;
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, "source", "GO, man.", &ids, &b.error), 5);
    CU_ASSERT_TRUE(ids[0] == 6 && ids[1] == 4 && ids[2] == 0 && ids[3] == 5 && ids[4] == 3);
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, "shifted", "", &ids, &b.error), 1);
    CU_ASSERT_EQUAL(ids[0], gr_data_special(b.data, "shifted", GR_BOS));
    /* All that generate needs is in the weights. */
    const char *metadata = gr_data_metadata(b.data);
    bench g = open_with("graphrun: 1\n" "data: {op: TextPairs, path: /no/such, lower: true, space_punctuation: true, order: character}\ngraph: {}\n",
                        (gr_data_options){.metadata = metadata, .facts_only = true});
    CU_ASSERT_PTR_NOT_NULL_FATAL(g.data);
    CU_ASSERT_STRING_EQUAL(vocab_text(&g, "source"), vocab_text(&b, "source"));
    CU_ASSERT_EQUAL(gr_data_encode(g.data, g.arena, "source", "Hi, you", &ids, &g.error), 4);
    CU_ASSERT_EQUAL(gr_model_var(g.model, "data.pad").i, 1);
    done(&g);
    done(&b);
}

static void reversed_pairs_of_fixed_length(void)
{
    bench b = open_on("a\tb c d e\n", "graphrun: 1\nvars: {batch: 1}\n" PAIRS ", reverse: true, steps: 3}\n" PAIR_INPUTS);
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS(&t[0], 4, 5, 6); /* d2l cuts <eos> as well */
    HOLDS(&t[1], 3);
    HOLDS(&t[2], 2, 4, 1);
    HOLDS(&t[3], 4, 3, 1);
    HOLDS(&t[4], 2);
    done(&b);
}

/* What d2l's own code makes of the file. */
static void english_and_french(void)
{
    static const char path[] = SHARED "fra-eng.zip";
    static const struct { const char *more; int source, target; int64_t items; } want[] = {
        {", min_freq: 2", 10012, 17850, 167130}, {", max_items: 600", 261, 545, 600}, {", max_items: 640, min_freq: 2", 195, 213, 640}};
    for (int i = have(path) ? 0 : 3; i < 3; i++) {
        char yaml[1024];
        snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 1}\ndata: {op: TextPairs, path: %s%s, lower: true, space_punctuation: true%s}\n",
                 path, i ? "/fra.txt" : "", want[i].more);
        bench b = open_data(yaml);
        if (!b.data) gr_diag_print(b.diag, stderr);
        CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
        CU_ASSERT_EQUAL(gr_model_var(b.model, "data.source_vocab").i, want[i].source);
        CU_ASSERT_EQUAL(gr_model_var(b.model, "data.target_vocab").i, want[i].target);
        CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), want[i].items);
        done(&b);
    }
}

/* ---- labels ---- */

static void labelled(void)
{
    bench b = open_on("id,what,said\n7,spam,buy now now\n8,ham,see you\n9,ham,\n", "graphrun: 1\nvars: {batch: 2}\n"
                      "data: {op: LabelledText, path: %s, separator: comma, skip: 1, label: 1, text: 2, shuffle: false, random_split: false}\n");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "labels"), "ham|spam|");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "tokens"), "<unk>|<pad>|now|buy|see|you|");
    CU_ASSERT_EQUAL(gr_model_var(b.model, "data.classes").i, 2);
    const gr_tensor *t = first_batch(&b, "train");
    HOLDS(&t[0], 3, 4, 2, 5, 2, 1);
    HOLDS(&t[1], 3, 2);
    HOLDS(&t[2], 1, 0);
    done(&b);
}

static void a_file_for_each_label(void)
{
    const char *german = temp_file("german.txt", "Schmidt\nWolf\n"), *irish = temp_file("irish.txt", "O'Neil\n\n");
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 3}\ndata: {op: LabelledText, files: {'10': %s, '9': %s}, unit: character, lower: true}\n",
             german, irish);
    bench b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "labels"), "9|10|"); /* numbers in their order */
    int classes[2] = {0};
    const gr_tensor *t = first_batch(&b, "train");
    for (int i = 0; i < 3; i++) classes[((int32_t *)t[2].data)[i]]++;
    CU_ASSERT_TRUE(classes[0] == 1 && classes[1] == 2);
    done(&b);
}

/* ---- splits by files ---- */

static void files_by_split(void)
{
    const char *train = temp_file("train.txt", "x\ta b\ny\tc\n"), *test = temp_file("test.txt", "y\ta d\n");
    const char *strange = temp_file("strange.txt", "z\ta\n");
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 2}\ndata: {op: LabelledText, path: {train: %s, test: %s}}\n", train, test);
    bench b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, "tokens"), "<unk>|<pad>|a|b|c|"); /* of train alone */
    const gr_tensor *t = first_batch(&b, "test");
    HOLDS(&t[0], 2, 0);
    HOLDS(&t[2], 1);
    done(&b);
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 2}\ndata: {op: LabelledText, path: {train: %s, test: %s}}\n", train, strange);
    complains(yaml, "label 'z', which is none of the 2 classes that the split train has");
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 2}\ndata: {op: LabelledText, path: {train: %s, test: %s}, split: {train: 1}}\n", train, test);
    complains(yaml, "each split has its file already");
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {time: 2, batch: 1}\ndata: {op: WordText, path: {train: %s, valid: %s}, partition: windows}\n", train, test);
    b = open_data(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "train"), 3); /* x a b y c: none reaches into the other file */
    CU_ASSERT_EQUAL(gr_data_batches(b.data, "valid"), 1);
    done(&b);
}

/* ---- running text ---- */

static void words(void)
{
    bench b = open_on("the cat\n the  dog, the end", "graphrun: 1\nvars: {time: 2, batch: 1}\ndata: {op: WordText, path: %s, partition: sequential}\n");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "<unk>|the|cat|dog,|end|");
    int32_t *ids;
    CU_ASSERT_EQUAL(gr_data_encode(b.data, b.arena, NULL, "the  end of", &ids, &b.error), 3);
    CU_ASSERT_TRUE(ids[0] == 1 && ids[1] == 4 && ids[2] == 0);
    done(&b);
    b = open_on("a b a c b a d e f g", "graphrun: 1\nvars: {time: 2, batch: 1}\ndata: {op: WordText, path: %s, max_vocab: 3, min_freq: 2}\n");
    CU_ASSERT_STRING_EQUAL(vocab_text(&b, NULL), "<unk>|a|b|");
    done(&b);
}

/* d2l's second edition: 10,000 and 5,000 windows of 32 characters. */
static void windows_of_the_time_machine(void)
{
    static const char path[] = SHARED "timemachine.txt";
    if (!have(path)) return;
    for (int letters = 1; letters >= 0; letters--) {
        char yaml[1024];
        snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {time: 32, batch: 1024}\ndata: {op: %s, path: %s, lower: true, keep: letters, "
                 "partition: windows, split: {train: 10000, valid: 5000}}\n", letters ? "CharText" : "WordText", path);
        bench b = open_data(yaml);
        if (!b.data) gr_diag_print(b.diag, stderr);
        CU_ASSERT_PTR_NOT_NULL_FATAL(b.data);
        CU_ASSERT_EQUAL(gr_model_var(b.model, "data.vocab").i, letters ? 28 : 4580);
        CU_ASSERT_TRUE(gr_data_batches(b.data, "train") == 10 && gr_data_batches(b.data, "valid") == 5);
        const gr_tensor *t = first_batch(&b, "valid");
        CU_ASSERT_TRUE(t[0].dim[0] == 32 && t[0].dim[1] == 1024);
        int n;
        const char *const *v = gr_data_vocab(b.data, NULL, &n);
        const int32_t *tokens = t[0].data, *targets = t[1].data;
        for (int k = 0; letters && k < 32; k++) /* window i begins at character 10000 + i */
            for (int i = 0; i < 3; i++) {
                CU_ASSERT_EQUAL(v[tokens[k * 1024 + i]][0], "del there were also perhaps a dozen cand"[k + i]);
                CU_ASSERT_EQUAL(v[targets[k * 1024 + i]][0], "del there were also perhaps a dozen cand"[k + i + 1]);
            }
        first_batch(&b, "train");
        for (int i = 1; i < 10; i++) CU_ASSERT_EQUAL(gr_data_next(b.data, &t, &b.error), 1);
        CU_ASSERT_EQUAL(t[0].dim[1], 10000 - 9 * 1024); /* the last batch is shorter */
        done(&b);
    }
}

/* ---- mistakes ---- */

static void source_refuses(const char *data, const char *text, const char *words)
{
    char yaml[1024];
    const char *path = write_file("bad.txt", text, strlen(text));
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {time: 2, batch: 1}\ndata: {op: %s%s, path: %s}\n", data, *text ? "" : " ", path);
    complains(yaml, words);
}

static void mistakes(void)
{
    source_refuses("TextPairs", "a\tb\nno tab\n", "bad.txt', line 2: no tab between a text and what it is to become");
    source_refuses("TextPairs", "a\tb\n\n\tb\n", "bad.txt', line 3: nothing stands before the tab");
    source_refuses("TextPairs", "a\t\n", "line 1: nothing stands after the tab");
    source_refuses("TextPairs", "", "is empty");
    source_refuses("TextPairs", "\n\n", "holds no pairs of texts");
    source_refuses("TextPairs", "a\tb\n\xff\tb\n", "is not UTF-8 text: line 2, byte 4 is 0xff");
    source_refuses("Lines", "\n\n\n", "holds no lines of text");
    source_refuses("LabelledText", "spam\n", "line 1: no column 1; 'label', 'text' and 'separator' say where columns are");
    source_refuses("LabelledText", "a\tb\n\tb\n", "line 2: the label is empty");
    source_refuses("LabelledText, skip: 5", "a\tb\n", "holds no texts");
    source_refuses("LabelledText, max_length: 1", "a\tb c\n", "the split 'train' has none of the 1 item; 'max_length' leaves out longer ones");
    source_refuses("LabelledText, files: {a: b}", "a\tb\n", "takes 'path' or 'files', not both");
    source_refuses("Lines, split: {train: 3, valid: 2}", "a\nb\nc\nd\n", "the splits take 5, but there are only 4");
    source_refuses("Lines, split: {train: 3, valid: 0.5}", "a\nb\nc\nd\n", "all parts of 1 or all counts");
    source_refuses("CharText, partition: sequential, shuffle: true", "abcdef", "leave 'shuffle' out");
    source_refuses("CharText, partition: windows, split: {train: 9}", "abcdef", "the splits take 9, but there are only 4");
    complains("graphrun: 1\ndata: {op: Lines, path: [a]}\n", "Lines needs 'path', a text file, or one by split");
    complains("graphrun: 1\ndata: {op: LabelledText, files: 3}\n", "a text file for each label");
    const char *zero = write_file("zero.txt", "ab\ncd\0ef", 8);
    char yaml[256];
    snprintf(yaml, sizeof yaml, "graphrun: 1\nvars: {batch: 1}\ndata: {op: Lines, path: %s}\n", zero);
    complains(yaml, "is not UTF-8 text: line 2, byte 5 is 0x00");
}

void test_data_text(void)
{
    CU_pSuite s = CU_add_suite("data_text", NULL, NULL);
    CU_add_test(s, "Lines", lines);
    CU_add_test(s, "the axes as Inputs call them", batch_first);
    CU_add_test(s, "a time axis of fixed length", fixed_length);
    CU_add_test(s, "given names", names);
    CU_add_test(s, "TextPairs", pairs);
    CU_add_test(s, "pairs reversed and cut", reversed_pairs_of_fixed_length);
    CU_add_test(s, "English and French as d2l has them", english_and_french);
    CU_add_test(s, "LabelledText", labelled);
    CU_add_test(s, "a file for each label", a_file_for_each_label);
    CU_add_test(s, "a file for each split", files_by_split);
    CU_add_test(s, "WordText", words);
    CU_add_test(s, "windows of the Time Machine", windows_of_the_time_machine);
    CU_add_test(s, "mistakes", mistakes);
}
