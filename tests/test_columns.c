/* test_columns.c - tables and carets stay aligned whatever names are: long ones, accents, wide characters. */
#include "base/column.h"
#include "base/diag.h"
#include "base/utf8.h"
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static void texts_have_columns(void)
{
    static const struct { const char *text; int columns; } list[] = {
        {"", 0}, {"abc", 3}, {"na\xc3\xafve", 5}, {"\xe6\x97\xa5\xe6\x9c\xac", 4}, {"e\xcc\x81", 1}, {"\xf0\x9f\x98\x80", 2}, {"\xff" "a", 2}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) CU_ASSERT_EQUAL(gr_columns(list[i].text), list[i].columns);
    CU_ASSERT_EQUAL(gr_wider(3, "abcd"), 4);
    CU_ASSERT_EQUAL(gr_wider(5, "abcd"), 5);
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    gr_put_left(f, "\xe6\x97\xa5", 4);
    gr_put_right(f, "\xc3\xaf", 3);
    gr_put_left(f, "longer", 2);
    fclose(f);
    CU_ASSERT_STRING_EQUAL(text, "\xe6\x97\xa5    \xc3\xaflonger");
    free(text);
}

/* Of the lines that hold `mark`, from the first that holds `from` on: how many there are, all with it in one column; -1. */
static int aligned(const char *text, const char *from, const char *mark)
{
    int lines = 0, column = -1;
    const char *at = strstr(text, from);
    for (size_t n; at && *at; at += n + (at[n] != 0)) {
        n = strcspn(at, "\n");
        const char *found = memmem(at, n, mark, strlen(mark));
        if (!found) continue;
        const int here = gr_utf8_width(at, (size_t)(found - at));
        if (lines++ && here != column) {
            printf("'%s' in columns %d and %d:\n%s", mark, column, here, text);
            return -1;
        }
        column = here;
    }
    return lines;
}

#define NAME "a_layer_whose_name_is_much_longer_than_any_table_expects"

static void tables_fit_long_names(void)
{
    char model[300];
    snprintf(model, sizeof model, "%s", temp_file("long_names.yaml", "graphrun: 1\nvars: {time: 9, batch: 32}\ngraph:\n"
                                                  "  x: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [$time, $batch, 4]}\n"
                                                  "  " NAME ": {op: LSTM, in: x, hidden_size: 16}\n"
                                                  "  y: {op: Mul, in: [" NAME ".output, " NAME ".output]}\n  loss: {op: Mean, in: y}\n"
                                                  "train: {minimize: loss, optimizer: {op: SGD, lr: 0.5}, epochs: 1}\n"));
    CU_ASSERT_EQUAL(graphrun("trace '%s' --quiet --threads 1", model), 0);
    CU_ASSERT(aligned(out_text, "by kind", "% ") > 6);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\n  " NAME "."));
    CU_ASSERT_EQUAL(graphrun("gradcheck '%s'", model), 0);
    CU_ASSERT(aligned(out_text, "", " elements") >= 2);
    CU_ASSERT_EQUAL(graphrun("plan '%s' --topology core:2", model), 0);
    char *cores = strstr(out_text, "\nthreads ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(cores);
    *cores = 0; /* a table of its own */
    CU_ASSERT(aligned(out_text, "schedule: ", " us   ") >= 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\n  " NAME));
    CU_ASSERT_EQUAL(graphrun("ops"), 0);
    const char *longest = strstr(out_text, "  TransformerDecoderLayer "), *other = strstr(out_text, "  LSTM ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(longest);
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    CU_ASSERT_NOT_EQUAL(longest[2 + strlen("LearnedPositionalEncoding") + 1], ' ');
    CU_ASSERT_EQUAL(other[2 + strlen("LearnedPositionalEncoding")], ' ');
    CU_ASSERT_NOT_EQUAL(other[2 + strlen("LearnedPositionalEncoding") + 1], ' ');
}

static void carets_stand_under_what_is_meant(void)
{
    const char *model = temp_file("wide.yaml", "graphrun: 1\ndoc: x\ngraph: {\xe6\x97\xa5: {op: Zeros, shape: [2]}, n\xc3\xb6: {op: Tahn, in: x}}\n");
    CU_ASSERT_EQUAL(graphrun("check '%s'", model), 1);
    const char *at = NULL;
    for (const char *next = err_text; (next = strstr(next, "Tahn, in")); next++) at = next; /* the last error's line */
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    const char *line = at, *below = strchr(at, '\n') + 1;
    while (line > err_text && line[-1] != '\n') line--;
    const size_t n = strcspn(below, "^");
    CU_ASSERT_EQUAL(gr_utf8_width(line, (size_t)(at - line)), (int)n);
    CU_ASSERT_EQUAL(strncmp(below + n, "^~~~\n", 5), 0);
}

void test_columns(void)
{
    CU_pSuite s = CU_add_suite("columns", NULL, NULL);
    CU_add_test(s, "texts have columns", texts_have_columns);
    CU_add_test(s, "tables fit long names", tables_fit_long_names);
    CU_add_test(s, "carets stand under what is meant", carets_stand_under_what_is_meant);
}
