/* test_tables.c - the readers of csv, .ts, CoNLL and IDX: what they give, and the line of each mistake. */
#include "io/conll.h"
#include "io/csv.h"
#include "io/idx.h"
#include "io/number.h"
#include "io/ts.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void numbers(void)
{
    static const struct { const char *text; gr_number is; double x; } cases[] = {
        {"1.5", GR_NUMBER_READ, 1.5}, {"-2e3", GR_NUMBER_READ, -2000}, {".5", GR_NUMBER_READ, 0.5},
        {"", GR_NUMBER_MISSING, 0},   {"?", GR_NUMBER_MISSING, 0},     {"nan", GR_NUMBER_MISSING, 0},
        {"na", GR_NUMBER_MISSING, 0}, {"inf", GR_NUMBER_NOT, 0},       {"0x10", GR_NUMBER_NOT, 0},
        {"1e999", GR_NUMBER_NOT, 0},  {"1 2", GR_NUMBER_NOT, 0},       {"1949-01", GR_NUMBER_NOT, 0},
        {"-", GR_NUMBER_NOT, 0},      {"e", GR_NUMBER_NOT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double x;
        CU_ASSERT_EQUAL(gr_number_read(cases[i].text, &x), cases[i].is);
        CU_ASSERT_TRUE(cases[i].is == GR_NUMBER_READ ? x == cases[i].x : isnan(x));
    }
}

/* The text as memory of exactly its length and a 0, so that a sanitizer sees what lies beyond. */
static char *exact_copy(const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}

typedef int (*parse_fn)(gr_arena *a, char *text, size_t n, gr_error *e);

static int parse_csv(gr_arena *a, char *text, size_t n, gr_error *e)
{
    gr_csv t;
    return gr_csv_parse(a, "f", text, n, ',', GR_CSV_HEADER_AUTO, &t, e);
}

static int parse_ts(gr_arena *a, char *text, size_t n, gr_error *e)
{
    gr_ts t;
    return gr_ts_parse(a, "f", text, n, &t, e);
}

static int parse_conll(gr_arena *a, char *text, size_t n, gr_error *e)
{
    gr_conll t;
    return gr_conll_parse(a, "f", text, n, GR_CONLL_AUTO, NULL, NULL, &t, e);
}

static int parse_idx(gr_arena *a, char *text, size_t n, gr_error *e)
{
    gr_idx t;
    (void)a;
    return gr_idx_parse("f", text, n, &t, e);
}

static void complains_of(parse_fn parse, const char *text, size_t n, const char *words)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    char *copy = exact_copy(text, n);
    bool fine = parse(a, copy, n, &e) < 0 && strstr(e.message, words);
    if (!fine) fprintf(stderr, "\n%s\n-> %s (expected %s)\n", text, e.message, words);
    CU_ASSERT_TRUE(fine);
    gr_arena_destroy(a);
    free(copy);
}

static void complains(parse_fn parse, const char *text, const char *words) { complains_of(parse, text, strlen(text), words); }

/* Cut off behind every byte, and with every byte replaced: a status, never a crash. */
static void survives(parse_fn parse, const char *text, size_t n)
{
    static const char wrong[] = {0, '"', ':', '\n', '\t', ',', (char)0xff};
    int failed = 0;
    for (size_t cut = 0; cut <= n; cut++) {
        gr_arena *a = gr_arena_create();
        gr_error e = {0};
        char *copy = exact_copy(text, cut);
        failed += parse(a, copy, cut, &e) < 0;
        free(copy);
        copy = exact_copy(text, n);
        if (cut < n) copy[cut] = wrong[cut % sizeof wrong];
        (void)parse(a, copy, n, &e);
        free(copy);
        gr_arena_destroy(a);
    }
    CU_ASSERT_TRUE(failed > 0);
}

/* ---- csv ---- */

static const char table_text[] = "\"date\",\"a \"\"b\"\"\", n\n1949-01,\"x,\ny\", 1 \n\n1949-02,,2.5\n";

static void csv_tables(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    gr_csv t;
    CU_ASSERT_EQUAL(gr_csv_parse(a, "f", table_text, strlen(table_text), ',', GR_CSV_HEADER_AUTO, &t, &e), 0);
    CU_ASSERT_TRUE(t.rows == 2 && t.columns == 3);
    CU_ASSERT_STRING_EQUAL(t.header[1], "a \"b\"");
    CU_ASSERT_STRING_EQUAL(t.cell[1], "x,\ny");
    CU_ASSERT_STRING_EQUAL(t.cell[2], "1");
    CU_ASSERT_STRING_EQUAL(t.cell[4], "");
    CU_ASSERT_TRUE(t.line[0] == 2 && t.line[1] == 5);
    CU_ASSERT_TRUE(gr_csv_find(&t, "n") == 2 && gr_csv_find(&t, "m") == -1);
    CU_ASSERT_EQUAL(gr_csv_parse(a, "f", "1;2\n3;4", 7, ';', GR_CSV_HEADER_AUTO, &t, &e), 0);
    CU_ASSERT_TRUE(t.rows == 2 && t.columns == 2 && !t.header && !strcmp(t.cell[3], "4"));
    CU_ASSERT_EQUAL(gr_csv_parse(a, "f", "1;2\n3;4", 7, ';', GR_CSV_HEADER_YES, &t, &e), 0);
    CU_ASSERT_TRUE(t.rows == 1 && !strcmp(t.header[1], "2") && t.line[0] == 2);
    CU_ASSERT_EQUAL(gr_csv_parse(a, "f", "x,x\n3,4", 7, ',', GR_CSV_HEADER_AUTO, &t, &e), 0);
    CU_ASSERT_EQUAL(gr_csv_find(&t, "x"), -2);
    gr_arena_destroy(a);
}

static void bad_csv(void)
{
    complains(parse_csv, "a,b\n1,2\n\n3\n", "f: line 4 has 1 column, but line 1 has 2");
    complains(parse_csv, "a,b\n1,2\n3,4,5\n", "f: line 3 has 3 columns, but line 1 has 2");
    complains(parse_csv, "a,b\n\"1\n\n2\",2\n3,4,5", "f: line 5 has 3 columns, but line 1 has 2");
    complains(parse_csv, "a,b\n1,2\n3,4\"5\n", "f: line 3, byte 4: a quote in the middle of a cell");
    complains(parse_csv, "a,b\n1,\"2\n3,4\n", "f: line 2: a quote that is never closed");
    complains(parse_csv, "", "f: holds no rows");
    complains(parse_csv, "\n\n", "f: holds no rows");
    complains_of(parse_csv, "a,b\n1,2\n3,\0\n", 11, "f: line 3: a byte 0");
    survives(parse_csv, table_text, strlen(table_text));
}

/* ---- .ts ---- */

#define TS_HEAD "# of vowels\n@problemName x\n@timeStamps false\n@univariate false\n@dimensions 2\n" \
                "@equalLength false\n@classLabel true one two\n@data\n"

static void ts_series(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    gr_ts t;
    const char text[] = TS_HEAD "1, 2,3:4,5,6:one\n\n7.5,?:-1e1,8:two";
    CU_ASSERT_EQUAL(gr_ts_parse(a, "f", text, strlen(text), &t, &e), 0);
    CU_ASSERT_TRUE(t.channels == 2 && t.count == 2 && t.num_classes == 2 && !t.has_targets);
    CU_ASSERT_TRUE(t.cases[0].steps == 3 && t.cases[1].steps == 2);
    CU_ASSERT_TRUE(t.cases[0].label == 0 && t.cases[1].label == 1 && t.cases[1].line == 11);
    CU_ASSERT_TRUE(t.cases[0].values[2] == 3 && t.cases[0].values[3] == 4 && t.cases[0].values[5] == 6);
    CU_ASSERT_TRUE(t.cases[1].values[0] == 7.5 && isnan(t.cases[1].values[1]) && t.cases[1].values[2] == -10);
    const char numbers_text[] = "@univariate true\n@targetLabel true\n@data\n1,2:0.5\n3:-1\n";
    CU_ASSERT_EQUAL(gr_ts_parse(a, "f", numbers_text, strlen(numbers_text), &t, &e), 0);
    CU_ASSERT_TRUE(t.channels == 1 && t.has_targets && t.cases[1].target == -1 && t.cases[1].steps == 1);
    const char bare[] = "@data\n1,2:3,4\n";
    CU_ASSERT_EQUAL(gr_ts_parse(a, "f", bare, strlen(bare), &t, &e), 0);
    CU_ASSERT_TRUE(t.channels == 2 && t.num_classes == 0 && t.cases[0].label == -1);
    gr_arena_destroy(a);
}

static void bad_ts(void)
{
    complains(parse_ts, TS_HEAD "1,2:3,4:three\n", "f: line 9: 'three' is none of the classes of @classLabel");
    complains(parse_ts, TS_HEAD "1,2:3,4:one\n1:2:3:one\n", "f: line 10: 3 channels and a class, but the header says 2");
    complains(parse_ts, TS_HEAD "1,2:3,4\n", "f: line 9: 1 channel and a class, but the header says 2");
    complains(parse_ts, TS_HEAD "1,2:3,4:5,6\n", "f: line 9: ends without a class");
    complains(parse_ts, TS_HEAD "1,2:3,4,5:one\n", "f: line 9: channel 2 has 3 values, but channel 1 has 2");
    complains(parse_ts, TS_HEAD "1,2:3,x:one\n", "f: line 9: channel 2, value 2: 'x' is not a number");
    complains(parse_ts, TS_HEAD "1,,2:3,4,5:one\n", "f: line 9: channel 1, value 2 is empty");
    complains(parse_ts, TS_HEAD, "no series after @data");
    complains(parse_ts, "@univariate maybe\n@data\n1\n", "f: line 1: @univariate takes true or false, not 'maybe'");
    complains(parse_ts, "@timeStamps true\n", "f: line 1: series with time stamps are not read");
    complains(parse_ts, "@dimensions none\n", "f: line 1: @dimensions takes a count, not 'none'");
    complains(parse_ts, "@classLabel true\n", "f: line 1: @classLabel true is followed by the classes");
    complains(parse_ts, "\n@clasLabel true\n", "f: line 2: no key of a .ts file is called '@clasLabel'");
    complains(parse_ts, "1,2,3\n", "f: line 1: values before @data");
    complains(parse_ts, "@univariate true\n", "the file ends without @data");
    complains(parse_ts, "@seriesLength 3\n@equalLength true\n@data\n1,2\n", "f: line 4: a series of 2 values");
    complains(parse_ts, "@equalLength true\n@data\n1,2\n1,2,3\n", "f: line 4: a series of 3 values");
    complains(parse_ts, "@data\n1:2\n1\n", "f: line 3: 1 channel, but the lines before have 2");
    complains_of(parse_ts, "@data\n1\0\n", 9, "f: line 2: a byte 0");
    const char text[] = TS_HEAD "1, 2,3:4,5,6:one\n7.5,?:-1e1,8:two\n";
    survives(parse_ts, text, strlen(text));
}

/* ---- CoNLL ---- */

#define REST "\t_\t_\t0\troot\t_\t_\n"
static const char u_text[] = "# sent_id = 1\n1-2\tdel\t_\t_" REST "1\tde\tde\tADP" REST "2\tel\tel\tDET" REST "2.1\tx\tx\tX" REST
                             "\n# two\n1\ta b\ta\tNOUN" REST;
static const char columns_text[] = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n# # B-NP O\n";

static void conll_sentences(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    gr_conll t;
    char *text = gr_arena_strdup(a, u_text);
    CU_ASSERT_EQUAL(gr_conll_parse(a, "f", text, strlen(text), GR_CONLL_AUTO, NULL, NULL, &t, &e), 0);
    CU_ASSERT_TRUE(t.count == 2 && t.sentences[0].length == 2 && t.sentences[1].first == 2 && t.sentences[1].length == 1);
    CU_ASSERT_TRUE(!strcmp(t.word[0], "de") && !strcmp(t.tag[1], "DET") && !strcmp(t.word[2], "a b"));
    CU_ASSERT_TRUE(t.line[0] == 3 && t.line[1] == 4 && t.line[2] == 8);
    text = gr_arena_strdup(a, u_text);
    CU_ASSERT_EQUAL(gr_conll_parse(a, "f", text, strlen(text), GR_CONLL_AUTO, "lemma", "-3", &t, &e), 0);
    CU_ASSERT_TRUE(!strcmp(t.word[2], "a") && !strcmp(t.tag[2], "root"));
    text = gr_arena_strdup(a, columns_text);
    CU_ASSERT_EQUAL(gr_conll_parse(a, "f", text, strlen(text), GR_CONLL_AUTO, NULL, NULL, &t, &e), 0);
    CU_ASSERT_TRUE(t.count == 2 && t.sentences[0].length == 2 && !strcmp(t.tag[0], "B-ORG") && !strcmp(t.word[2], "#"));
    text = gr_arena_strdup(a, columns_text);
    CU_ASSERT_EQUAL(gr_conll_parse(a, "f", text, strlen(text), GR_CONLL_COLUMNS, "1", "2", &t, &e), 0);
    CU_ASSERT_TRUE(!strcmp(t.word[1], "VBZ") && !strcmp(t.tag[1], "B-VP"));
    CU_ASSERT_TRUE(gr_conll_parse(a, "f", gr_arena_strdup(a, u_text), strlen(u_text), GR_CONLL_U, "upso", NULL, &t, &e) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "f: line 2: no column of CoNLL-U is called 'upso'; did you mean 'upos'?"));
    CU_ASSERT_TRUE(gr_conll_parse(a, "f", gr_arena_strdup(a, "a b\n"), 4, GR_CONLL_COLUMNS, "form", NULL, &t, &e) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "'form' is to be a number"));
    CU_ASSERT_TRUE(gr_conll_parse(a, "f", gr_arena_strdup(a, "a b\n"), 4, GR_CONLL_COLUMNS, "2", NULL, &t, &e) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "has 2 columns, 0 to 1; there is no column 2"));
    gr_arena_destroy(a);
}

static void bad_conll(void)
{
    complains(parse_conll, "# c\n1\tde\tde\tADP" REST "2\tel\tel\n", "f: line 3: 3 columns; a word of CoNLL-U has 10");
    complains(parse_conll, "1\tde\tde\tADP" REST "x\tel\tel\tADP" REST, "f: line 2: 'x' is no number of a word");
    complains(parse_conll, "1\t\tde\tADP" REST, "f: line 1: column 1 is empty");
    complains(parse_conll, "\nEU NNP O\nrejects VBZ\n", "f: line 3: 2 columns, but line 2 has 3");
    complains(parse_conll, "", "f: holds no sentences");
    complains(parse_conll, "\n \n", "f: holds no sentences");
    complains_of(parse_conll, "EU O\na\0 O\n", 10, "f: line 2: a byte 0");
    survives(parse_conll, u_text, strlen(u_text));
    survives(parse_conll, columns_text, strlen(columns_text));
}

/* ---- IDX ---- */

static void idx_arrays(void)
{
    gr_error e = {0};
    gr_idx t;
    const char bytes[] = "\0\0\x08\x02\0\0\0\2\0\0\0\3abcdef", shorts[] = "\0\0\x0b\1\0\0\0\2\1\0\377\377";
    CU_ASSERT_EQUAL(gr_idx_parse("f", bytes, 18, &t, &e), 0);
    CU_ASSERT_TRUE(t.rank == 2 && t.dim[0] == 2 && t.dim[1] == 3 && t.type == GR_STORED_U8);
    CU_ASSERT_EQUAL(memcmp(t.data, "abcdef", 6), 0);
    CU_ASSERT_EQUAL(gr_idx_parse("f", shorts, 12, &t, &e), 0);
    int32_t x[2];
    CU_ASSERT_EQUAL(gr_stored_convert(t.type, true, t.data, x, 2), 2);
    CU_ASSERT_TRUE(x[0] == 256 && x[1] == -1);
    complains_of(parse_idx, bytes, 17, "f: holds 5 bytes of elements; its header says 6 of 1 byte");
    complains_of(parse_idx, bytes, 19, "f: holds 7 bytes of elements");
    complains_of(parse_idx, bytes, 9, "f: ends after 9 bytes, in the middle of the sizes of its 2 axes");
    complains_of(parse_idx, bytes, 2, "f: 2 bytes are too few");
    complains_of(parse_idx, "abcdef", 6, "f: is no IDX file: it begins with 0x61 0x62");
    complains_of(parse_idx, "\0\0\x0a\1\0\0\0\0", 8, "f: byte 2 is 0x0a");
    complains_of(parse_idx, "\0\0\x08\0\0\0\0\0", 8, "f: byte 3 says that it has 0 axes");
    complains_of(parse_idx, "\0\0\x08\x03\377\377\377\377\377\377\377\377\377\377\377\377", 16, "its header says more than");
    survives(parse_idx, bytes, 18);
    survives(parse_idx, shorts, 12);
}

void test_tables(void)
{
    CU_pSuite s = CU_add_suite("tables", NULL, NULL);
    CU_add_test(s, "numbers", numbers);
    CU_add_test(s, "csv", csv_tables);
    CU_add_test(s, "csv that cannot be read", bad_csv);
    CU_add_test(s, ".ts", ts_series);
    CU_add_test(s, ".ts that cannot be read", bad_ts);
    CU_add_test(s, "CoNLL", conll_sentences);
    CU_add_test(s, "CoNLL that cannot be read", bad_conll);
    CU_add_test(s, "IDX", idx_arrays);
}
