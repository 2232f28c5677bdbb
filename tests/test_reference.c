/* test_reference.c - the reference that descriptors write: every page has an example, and every example
 * runs. */
#include "example.h"
#include "io/npy.h"
#include "model/body.h"
#include "report/reference.h"
#include "tests.h"
#include "train/lr_schedule.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLUGINS GR_BUILD_DIR "/graphs/plugins"

/* ---- running an example ---- */

static void write_bytes(const char *name, const unsigned char *head, size_t n, int zeros)
{
    FILE *f = fopen(temp_path(name), "wb");
    if (!f) abort();
    fwrite(head, 1, n, f);
    for (int i = 0; i < zeros; i++) fputc(i % 2, f);
    fclose(f);
}

/* Those that no comment can hold. */
static void write_arrays(void)
{
    static const int64_t six[] = {6};
    static const int32_t classes[] = {0, 1, 2, 0, 1, 2};
    float x[18];
    gr_error e;
    for (int i = 0; i < 18; i++) x[i] = (float)i / 4;
    gr_tensor t = {.data = x, .dtype = GR_FLOAT32, .rank = 2, .dim = {6, 3}, .stride = {3, 1}};
    CU_ASSERT_EQUAL(gr_npy_write(temp_path("x.npy"), &t, &e), 0);
    temp_integers("y.npy", 1, six, classes);
    write_bytes("images.idx3", (const unsigned char[]){0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 28, 0, 0, 0, 28}, 16, 4 * 28 * 28);
    write_bytes("labels.idx1", (const unsigned char[]){0, 0, 8, 1, 0, 0, 0, 4}, 8, 4);
}

/* Whether the example has no mistake and runs, in the folder of temporary files. */
static bool example_runs(const char *name, const char *example, const char *const *plugins)
{
    gr_error e = {0};
    const int status = example_run(temp_path(""), example, plugins, &e);
    if (status) printf("the example of %s does not run: %s\n%s\n", name, e.message, example);
    return status == 0;
}

static void check_example(const char *name, const char *example, const char *const *plugins)
{
    CU_ASSERT_PTR_NOT_NULL(example);
    if (!example) {
        printf("%s has no example\n", name);
        return;
    }
    bool spoken = example_speaks_of(example, name);
    CU_ASSERT(spoken);
    if (!spoken) printf("the example of %s is of something else\n", name);
    CU_ASSERT(example_runs(name, example, plugins));
}

/* A page says what the op computes, and where it comes from or what PyTorch calls it. */
static void check_sources(const gr_op *op)
{
    bool formula = op->formula && *op->formula, reference = op->reference && *op->reference;
    CU_ASSERT(formula && reference);
    if (!formula || !reference) printf("%s has no %s\n", op->name, formula ? "reference" : "formula");
}

/* ---- tests ---- */

static gr_registry *registry(gr_arena *a, const char *const *plugins)
{
    gr_error e = {0};
    gr_registry *r = gr_registry_create(a);
    gr_registry_add_cells(a, r, gr_diag_create(a));
    for (; plugins && *plugins; plugins++) CU_ASSERT_EQUAL(gr_registry_load(r, *plugins, &e), 0);
    return r;
}

/* Those of graphs/plugins, NULL-ended. */
static const char *const *all_plugins(gr_arena *a)
{
    const char **list = NULL;
    int n = 0, cap = 0;
    DIR *d = opendir(PLUGINS);
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (end && strcmp(end, ".so") == 0) *GR_PUSH(a, list, n, cap) = gr_arena_printf(a, PLUGINS "/%s", e->d_name);
    }
    if (d) closedir(d);
    CU_ASSERT(n > 0);
    *GR_PUSH(a, list, n, cap) = NULL;
    return list;
}

static void examples_of_ops_run(void)
{
    gr_arena *a = gr_arena_create();
    const char *const *plugins = all_plugins(a);
    gr_registry *r = registry(a, plugins);
    int n = 0;
    for (int i = 0; i < gr_registry_count(r); i++) {
        const gr_op *op = gr_registry_at(r, i);
        if (strcmp(gr_op_kind(op), "internal") == 0) continue;
        check_example(op->name, op->example, plugins);
        check_sources(op);
        CU_ASSERT_STRING_NOT_EQUAL(gr_op_kind(op), "other");
        n++;
    }
    CU_ASSERT(n > 120);
    gr_arena_destroy(a);
}

static void examples_of_sources_run(void)
{
    gr_arena *a = gr_arena_create();
    const gr_registry *r = registry(a, NULL);
    write_arrays();
    CU_ASSERT(gr_registry_count_sources(r) > 10);
    for (int i = 0; i < gr_registry_count_sources(r); i++)
        check_example(gr_registry_source_at(r, i)->name, gr_registry_source_at(r, i)->example, NULL);
    gr_arena_destroy(a);
}

static void examples_of_schedules_run(void)
{
    for (const gr_lr_schedule *s = gr_lr_schedules; s->name; s++) check_example(s->name, s->example, NULL);
}

static char *written(const gr_reference *r, const char *name)
{
    char *text = NULL;
    size_t size;
    gr_reference to = *r;
    to.to = open_memstream(&text, &size);
    bool found = true;
    if (name) found = gr_reference_page(&to, name);
    else gr_reference_list(&to, false);
    CU_ASSERT(found);
    fclose(to.to);
    return text;
}

static void pages_say_all(void)
{
    gr_arena *a = gr_arena_create();
    const gr_reference r = {.arena = a, .registry = registry(a, NULL)};
    char *text = written(&r, "LSTM");
    static const char *const parts[] = {"i = sigmoid(p_i)", "h = o * tanh(c)", "hidden_size", "hidden_size          integer, optional, at least 1", "  rnn.weight_hh_l1     float32 [16, 4]",
                                        "graphrun: 1\n", "Hochreiter", "(optional)", "default 0, from 0 to 1"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(text, parts[i]));
        if (!strstr(text, parts[i])) printf("not in the page of LSTM: %s\n%s", parts[i], text);
    }
    free(text);
    text = written(&r, "LSTMCell");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "carries, from step to step: h, c\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  proj_size            integer, default 0, at least 0\n"));
    free(text);
    for (const char *const *cell = (const char *const[]){"RNNCell", "GRUCell", "LSTMCell", NULL}; *cell; cell++) {
        text = written(&r, *cell);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "  hidden_size          integer, must be given, at least 1\n"));
        free(text);
    }
    text = written(&r, "Conll");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "example, a whole model file; the files that it reads stand in the comments before it:\n"));
    free(text);
    text = written(&r, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\ncells:\n  GRUCell "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nschedules:\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "TakeGradient"));
    free(text);
    gr_arena_destroy(a);
}

/* A block's `ranges` bound its vars, as an op's attributes are bounded. */
static void ranges_of_blocks_are_kept(void)
{
    static const struct { const char *ranges, *use, *words, *at; } wrong[] = {
        {"{k: [0, 4]}", "5", "4", "5}"}, {"{k: [0, ~]}", "-1", "0", "-1}"}, {"{k: [0, ~]}", "1.5", "integer", "1.5}"},
        {"{k: [3, 4]}", "3", "the default of 'k', 2, is not within", "[3"},
        {"{k: 3}", "1", "a range is [least, most]", "3}"}, {"{j: [0, 1]}", "1", "no var 'j'", "j:"}, {"[0, 1]", "1", "'ranges' is a map", "["}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *after = strstr(wrong[i].at, "}") && i < 3 ? "  y: " : "ranges: ";
        const char *path = temp_file("ranges.yaml", "graphrun: 1\nblocks:\n  B:\n    in: [x]\n    vars: {k: 2}\n    ranges: %s\n    graph:\n"
                                     "      a: {op: Full, shape: [], value: $k}\n      b: {op: Mul, in: [x, a]}\n    out: {y: b}\n"
                                     "graph:\n  x: {op: Ones, shape: [2]}\n  y: {op: B, in: x, k: %s}\n", wrong[i].ranges, wrong[i].use);
        CU_ASSERT(mistake_is_told(path, wrong[i].words, wrong[i].at, after));
    }
}

static void near_names_are_told(void)
{
    gr_arena *a = gr_arena_create();
    const gr_reference r = {.arena = a, .registry = registry(a, NULL)};
    CU_ASSERT_STRING_EQUAL(gr_reference_suggest(&r, "lstm"), "'LSTM'");
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_reference_suggest(&r, "attention"), "'DotAttention'"));
    CU_ASSERT_PTR_NULL(gr_reference_suggest(&r, "qqqqqqqqqq"));
    gr_arena_destroy(a);
}

void test_reference(void)
{
    CU_pSuite s = CU_add_suite("reference", NULL, NULL);
    CU_add_test(s, "every op has a formula, a reference and an example, which runs", examples_of_ops_run);
    CU_add_test(s, "that of every data source", examples_of_sources_run);
    CU_add_test(s, "that of every schedule of learning rates", examples_of_schedules_run);
    CU_add_test(s, "a page says all that the descriptor knows", pages_say_all);
    CU_add_test(s, "ranges of a block's vars", ranges_of_blocks_are_kept);
    CU_add_test(s, "names that were perhaps meant", near_names_are_told);
}
