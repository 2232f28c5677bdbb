/* test_doc.c - the tree of a YAML file: places, scalars, every kind of mistake, hostile bytes. */
#include "base/diag.h"
#include "model/doc.h"
#include "failing.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench {
    gr_arena *arena;
    gr_diag *diag;
    gr_doc *doc;
} bench;

static bench read_bytes(const char *text, size_t length)
{
    bench b = {gr_arena_create(), NULL, NULL};
    b.diag = gr_diag_create(b.arena);
    b.doc = gr_doc_read_text(b.arena, "m.yaml", text, length, b.diag);
    return b;
}

static bench read_text(const char *text) { return read_bytes(text, strlen(text)); }
static void done(bench *b) { gr_arena_destroy(b->arena); }

/* The text has exactly one mistake, at that place, whose message holds those words. */
static void expect(const char *text, int line, int column, const char *words)
{
    bench b = read_text(text);
    gr_loc at = {0};
    const char *message = gr_diag_message(b.diag, 0, &at);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 1);
    bool fine = message && strstr(message, words) && at.line == line && at.column == column;
    if (!fine) fprintf(stderr, "\n%s-> %d:%d %s (expected %d:%d %s)\n", text, at.line, at.column,
                       message ? message : "no message", line, column, words);
    CU_ASSERT_TRUE(fine);
    done(&b);
}

static void places(void)
{
    bench b = read_text("graph:\n  rnn: {op: RNN, hidden_size: 32}\n  \"x y\": [1,\n    22]\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.doc);
    gr_doc *graph = gr_doc_get(b.doc, "graph"), *rnn = gr_doc_get(graph, "rnn");
    gr_doc *size = gr_doc_get(rnn, "hidden_size");
    CU_ASSERT_PTR_NOT_NULL_FATAL(size);
    CU_ASSERT_EQUAL(rnn->key_at.line, 2);
    CU_ASSERT_EQUAL(rnn->key_at.column, 3);
    CU_ASSERT_EQUAL(rnn->key_at.length, 3);
    CU_ASSERT_EQUAL(rnn->at.column, 8);
    CU_ASSERT_EQUAL(size->at.line, 2);
    CU_ASSERT_EQUAL(size->at.column, 31);
    CU_ASSERT_EQUAL(size->at.length, 2);
    CU_ASSERT_TRUE(size->used);
    gr_doc *list = gr_doc_get(graph, "x y");
    CU_ASSERT_EQUAL_FATAL(list->count, 2);
    CU_ASSERT_EQUAL(list->item[1]->at.line, 4);
    CU_ASSERT_EQUAL(list->item[1]->at.column, 5);
    CU_ASSERT_FALSE(list->item[1]->used);
    CU_ASSERT_PTR_NULL(gr_doc_get(graph, "none"));
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 0);
    done(&b);
}

static void scalars(void)
{
    bench b = read_text("[n, on, no, 1e-5, 0o17, 0x1F, -3, '5', ~, TRUE, .inf, 1., .5, 1_000, 08, +7, -.INF, '~', "
                        "9223372036854775808, 0o9]");
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.doc);
    gr_doc **v = b.doc->item;
    int64_t i = 0;
    double f = 0;
    bool t = false;
    for (int k = 0; k < 3; k++) {
        CU_ASSERT_EQUAL(gr_doc_bool(v[k], &t), -1);
        CU_ASSERT_EQUAL(gr_doc_float(v[k], &f), -1);
        CU_ASSERT_EQUAL(v[k]->kind, GR_DOC_SCALAR);
    }
    CU_ASSERT_EQUAL(gr_doc_int(v[3], &i), -1);
    CU_ASSERT_EQUAL(gr_doc_float(v[3], &f), 0);
    CU_ASSERT_EQUAL(f, 1e-5);
    CU_ASSERT_TRUE(gr_doc_int(v[4], &i) == 0 && i == 15);
    CU_ASSERT_TRUE(gr_doc_int(v[5], &i) == 0 && i == 31);
    CU_ASSERT_TRUE(gr_doc_int(v[6], &i) == 0 && i == -3);
    CU_ASSERT_EQUAL(gr_doc_int(v[7], &i), -1);
    CU_ASSERT_EQUAL(v[8]->kind, GR_DOC_NULL);
    CU_ASSERT_TRUE(gr_doc_bool(v[9], &t) == 0 && t);
    CU_ASSERT_TRUE(gr_doc_float(v[10], &f) == 0 && f > 1e308);
    CU_ASSERT_TRUE(gr_doc_float(v[11], &f) == 0 && f == 1);
    CU_ASSERT_TRUE(gr_doc_float(v[12], &f) == 0 && f == 0.5);
    CU_ASSERT_EQUAL(gr_doc_float(v[13], &f), -1);
    CU_ASSERT_TRUE(gr_doc_int(v[14], &i) == 0 && i == 8);
    CU_ASSERT_TRUE(gr_doc_int(v[15], &i) == 0 && i == 7);
    CU_ASSERT_TRUE(gr_doc_float(v[16], &f) == 0 && f < -1e308);
    CU_ASSERT_EQUAL(v[17]->kind, GR_DOC_SCALAR);
    CU_ASSERT_EQUAL(gr_doc_int(v[18], &i), -1);
    CU_ASSERT_EQUAL(gr_doc_float(v[19], &f), -1);
    done(&b);
}

static void mistakes(void)
{
    expect("a: 1\nb: 2\na: 3\n", 3, 1, "'a' is given twice");
    expect("rnn:\nop: RNN\n", 1, 1, "'rnn' has no value");
    expect("g:\n  rnn:\n  op: RNN\n", 2, 3, "'rnn' has no value");
    expect("l:\n- 1\n-\n- 2\n", 3, 2, "an empty list item");
    expect("a: 1\n\tb: 2\n", 2, 1, "tab");
    expect("a: {b: ${2 * hidden}}\n", 1, 8, "write \"${2 * hidden}\"");
    expect("a: [${n}, 2]\n", 1, 5, "write \"${n}\"");
    expect("a: {b: 1\nc: 2\n", 2, 2, "',' or '}' is expected");
    expect("a: b: c\n", 1, 5, "a ':' cannot stand here");
    expect("a: 1\n b: 2\n", 2, 3, "a ':' cannot stand here");
    expect("a:\n    b: 1\n  c: 2\n", 3, 3, "not indented like the keys around it");
    expect("a: 'never ends\n", 2, 1, "ends inside a quoted text");
    expect("a: @x\n", 1, 4, "'@' cannot begin a value");
    expect("--- 1\n--- 2\n", 2, 1, "a second document");
    expect("", 1, 1, "empty");
    expect("# nothing\n", 1, 1, "empty");
    expect("a: *b\n", 1, 4, "no anchor '&b'");
    expect("a: &b [*b]\n", 1, 8, "inside what '&b' names");
    expect("a: !!str 5\n", 1, 4, "tags");
    expect("? [a, b]\n: c\n", 1, 3, "a key must be a name");
    expect("a: \"x\\0y\"\n", 1, 4, "NUL");
    expect("a: caf\xe9\n", 1, 7, "not UTF-8");
    expect("a: \xc3\xa9\x01\n", 1, 5, "control character");
}

static void fine_things(void)
{
    bench b = read_text("\xef\xbb\xbf# a model\na: &x {b: 1, c: [2]}\nd: *x\ne: ${2 * n} # block style needs no quotes\n");
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.doc);
    gr_doc *a = gr_doc_get(b.doc, "a"), *d = gr_doc_get(b.doc, "d");
    CU_ASSERT_STRING_EQUAL(d->key, "d");
    CU_ASSERT_STRING_EQUAL(a->key, "a");
    CU_ASSERT_PTR_NOT_EQUAL(gr_doc_get(a, "c"), gr_doc_get(d, "c"));
    CU_ASSERT_STRING_EQUAL(gr_doc_get(d, "c")->item[0]->text, "2");
    CU_ASSERT_STRING_EQUAL(gr_doc_get(b.doc, "e")->text, "${2 * n}");
    done(&b);
}

static void bytes_that_are_not_text(void)
{
    bench b = read_bytes("a: 1\0b", 6);
    gr_loc at;
    CU_ASSERT_PTR_NULL(b.doc);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &at), "NUL"));
    done(&b);
    size_t size = (16u << 20) + 1;
    char *big = malloc(size);
    memset(big, '#', size);
    b = read_bytes(big, size);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &at), "16 MiB"));
    done(&b);
    free(big);
}

static void deep_and_many(void)
{
    char text[4096];
    for (int depth = 60; depth < 2000; depth += depth < 70 ? 1 : 700) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        bench b = read_bytes(text, 2 * (size_t)depth);
        CU_ASSERT_EQUAL(gr_diag_count(b.diag), depth > 64);
        CU_ASSERT_EQUAL(b.doc == NULL, depth > 64);
        done(&b);
    }
    /* each level names the one before nine times */
    size_t n = (size_t)sprintf(text, "a0: &a0 [1, 2]\n");
    for (int i = 1; i < 12; i++) {
        n += (size_t)sprintf(text + n, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++) n += (size_t)sprintf(text + n, "*a%d,", i - 1);
        n += (size_t)sprintf(text + n, "]\n");
    }
    bench b = read_text(text);
    gr_loc at;
    CU_ASSERT_PTR_NULL(b.doc);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(b.diag, 0, &at), "too large"));
    done(&b);
}

static const char good[] =
    "graphrun: 1\nname: x\nvars: {n: 3, \"q\": 'it''s', e: \"\\u00e9\\n\"}\n"
    "blocks:\n  Cell:\n    in: [x, h]\n    vars: {hidden_size: ~}\n    out: {h: h1}\n"
    "graph: &g\n  rnn:   {op: LSTM, in: [a, b.c], hidden_size: $n, f: \"${2 * n}\"}\n"
    "  text: >\n    folded\n    text\n  keep: |-\n    as is\n  list:\n  - 1\n  - {a: 1e-5}\n"
    "train: *g\n# the end\n";

static void any_truncation(void)
{
    for (size_t n = 0; n <= strlen(good); n++) {
        char *exact = malloc(n + 1); /* so that a read past the end is seen */
        memcpy(exact, good, n);
        bench b = read_bytes(exact, n);
        CU_ASSERT_TRUE(b.doc != NULL || gr_diag_count(b.diag) > 0);
        done(&b);
        free(exact);
    }
}

static uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u, *state >> 8; }

static void any_bytes(void)
{
    static const char set[] = "{}[],:#&*!|>'\"%@`-?\n\n  ab${}\t~\xc3\xa9";
    uint32_t state = 1;
    for (int round = 0; round < 3000; round++) {
        char text[sizeof good];
        size_t n = sizeof good - 1;
        if (round % 3 == 0) { /* noise */
            n = next_random(&state) % 200;
            for (size_t i = 0; i < n; i++) text[i] = (char)next_random(&state);
        } else if (round % 3 == 1) { /* YAML's own characters in any order */
            n = next_random(&state) % 200;
            for (size_t i = 0; i < n; i++) text[i] = set[next_random(&state) % (sizeof set - 1)];
        } else { /* a good file with some bytes changed */
            memcpy(text, good, n);
            for (int k = 0; k < 3; k++)
                text[next_random(&state) % n] = set[next_random(&state) % (sizeof set - 1)];
        }
        bench b = read_bytes(text, n);
        CU_ASSERT_TRUE(b.doc != NULL || gr_diag_count(b.diag) > 0);
        done(&b);
    }
}

static void out_of_memory(void)
{
    for (volatile long n = 1; n < 200; n++) {
        gr_arena *a = gr_arena_create();
        gr_diag *d = gr_diag_create(a);
        gr_frame frame;
        gr_fail_allocation(n);
        if (gr_try(a, &frame)) {
            gr_doc_read_text(a, "m.yaml", good, strlen(good), d);
            gr_end_try(a, &frame);
        }
        gr_fail_allocation(0);
        gr_arena_destroy(a);
    }
}

static void missing_file(void)
{
    gr_arena *a = gr_arena_create();
    gr_diag *d = gr_diag_create(a);
    gr_error e = {0};
    CU_ASSERT_PTR_NULL(gr_doc_read_file(a, "/no/such/file.yaml", d, &e));
    CU_ASSERT_EQUAL(e.status, GR_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "/no/such/file.yaml"));
    CU_ASSERT_PTR_NULL(gr_doc_read_file(a, "/", d, &e));
    CU_ASSERT_EQUAL(e.status, GR_EIO);
    gr_arena_destroy(a);
}

void test_doc(void)
{
    CU_pSuite s = CU_add_suite("doc", NULL, NULL);
    CU_add_test(s, "every value knows its place", places);
    CU_add_test(s, "scalars are those of YAML 1.2", scalars);
    CU_add_test(s, "every mistake has its place and words", mistakes);
    CU_add_test(s, "aliases, byte order mark, comments", fine_things);
    CU_add_test(s, "bytes that are not text", bytes_that_are_not_text);
    CU_add_test(s, "depth and aliases are bounded", deep_and_many);
    CU_add_test(s, "a good file cut anywhere", any_truncation);
    CU_add_test(s, "any bytes", any_bytes);
    CU_add_test(s, "running out of memory", out_of_memory);
    CU_add_test(s, "a file that cannot be read", missing_file);
}
