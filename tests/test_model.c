/* test_model.c - reading a model's sections: vars, --set, attributes, axes, what is unused. */
#include "model/internal.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <string.h>

typedef struct bench {
    gr_arena *arena;
    gr_diag *diag;
    gr_model *m;
    gr_error error;
} bench;

static bench read_model(const char *yaml, const char *const *sets)
{
    bench b = {.arena = gr_arena_create()};
    b.diag = gr_diag_create(b.arena);
    b.m = gr_model_read(b.arena, "/tmp/told.yaml", &(gr_model_options){.sets = sets, .text = yaml}, b.diag, &b.error);
    return b;
}

static void done(bench *b) { gr_arena_destroy(b->arena); }

/* Whether some message holds the words, at that line and column. */
static bool says(const bench *b, int line, int column, const char *words)
{
    gr_loc at;
    const char *message;
    for (int i = 0; (message = gr_diag_message(b->diag, i, &at)); i++)
        if (at.line == line && at.column == column && strstr(message, words)) return true;
    fprintf(stderr, "\nexpected %d:%d %s\n", line, column, words);
    gr_diag_print(b->diag, stderr);
    return false;
}

static const char good[] =
    "graphrun: 1\n"                                                      /* 1 */
    "name: a\n"
    "doc: some words\n"
    "vars: {batch: 32, time: 35, hidden: 256, text: some.txt}\n"         /* 4 */
    "data: {op: CharText, path: $text}\n"
    "graph:\n"
    "  x: {op: Input, shape: [time, batch, 8]}\n"
    "  y: {op: Linear, in: x, out_features: $hidden}\n"
    "train: {minimize: y, optimizer: {op: SGD, lr: 2}, epochs: 5}\n";    /* 9 */

static void sections(void)
{
    bench b = read_model(good, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.m);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 0);
    CU_ASSERT_STRING_EQUAL(gr_model_name(b.m), "a");
    CU_ASSERT_STRING_EQUAL(gr_model_path(b.m), "/tmp/told.yaml");
    CU_ASSERT_STRING_EQUAL(gr_model_doc_text(b.m), "some words");
    CU_ASSERT_EQUAL(gr_model_var(b.m, "hidden").i, 256);
    CU_ASSERT_EQUAL(gr_model_var(b.m, "nothing").kind, GR_VAR_NONE);
    CU_ASSERT_STRING_EQUAL(gr_model_file(b.m, gr_doc_get(gr_model_section(b.m, "data"), "path")), "/tmp/some.txt");
    CU_ASSERT_PTR_NULL(gr_model_section(b.m, "generate"));
    gr_model_set(b.m, "data.vocab", (gr_var){.kind = GR_VAR_INT, .i = 28});
    CU_ASSERT_EQUAL(gr_model_var(b.m, "data.vocab").i, 28);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 0);
    done(&b);
}

static void sets(void)
{
    const char *const set[] = {"hidden=512", "train.optimizer.lr=0.1", "train.optimizer.momentum=0.9", "data.vocab=28",
                               "text=here.txt", NULL};
    bench b = read_model(good, set);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.m);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 0);
    CU_ASSERT_EQUAL(gr_model_var(b.m, "hidden").i, 512);
    gr_doc *optimizer = gr_doc_get(gr_model_section(b.m, "train"), "optimizer");
    double lr = 0, momentum = 0;
    gr_model_float(b.m, gr_doc_get(optimizer, "lr"), &lr);
    gr_model_float(b.m, gr_doc_get(optimizer, "momentum"), &momentum);
    CU_ASSERT_EQUAL(lr, 0.1);
    CU_ASSERT_EQUAL(momentum, 0.9);
    CU_ASSERT_STRING_EQUAL(gr_doc_get(gr_model_section(b.m, "data"), "vocab")->text, "28");
    /* a path on the command line is meant from where the command runs */
    CU_ASSERT_STRING_EQUAL(gr_model_file(b.m, gr_doc_get(gr_model_section(b.m, "data"), "path")), "here.txt");
    done(&b);
    static const char folder[] = "graphrun: 1\nvars: {d: x, of: y}\ndata: {a: $d/a.txt, b: \"${d}/b.txt\", c: c.txt, e: $of/e.txt}\n";
    const char *const set_folder[] = {"d=here", NULL};
    static const char *const paths[] = {"a", "here/a.txt", "b", "here/b.txt", "c", "/tmp/c.txt", "e", "/tmp/y/e.txt"};
    b = read_model(folder, set_folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.m);
    for (int i = 0; i < 8; i += 2)
        CU_ASSERT_STRING_EQUAL(gr_model_file(b.m, gr_doc_get(gr_model_section(b.m, "data"), paths[i])), paths[i + 1]);
    done(&b);
}

static void a_model_without_a_name_has_its_files(void)
{
    bench b = read_model("graphrun: 1\n", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.m);
    CU_ASSERT_STRING_EQUAL(gr_model_name(b.m), "told");
    done(&b);
}

static void bad_sets(void)
{
    const char *const set[] = {"hiden=1", "train.optimiser.lr=1", "nothing", "trian.x=1", "train.epochs.n=1",
                               "hidden=[1", "vars.hidden.x=1", NULL};
    bench b = read_model(good, set);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.m);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 7);
    CU_ASSERT_TRUE(says(&b, 1, 1, "no var 'hiden'; did you mean 'hidden'?"));
    CU_ASSERT_TRUE(says(&b, 1, 1, "'train' has no 'optimiser'; did you mean 'optimizer'?"));
    CU_ASSERT_TRUE(says(&b, 1, 1, "--set takes KEY=VALUE"));
    CU_ASSERT_TRUE(says(&b, 1, 1, "no section 'trian'; did you mean 'train'?"));
    CU_ASSERT_TRUE(says(&b, 1, 1, "'train.epochs' is a value and has no 'n'"));
    done(&b);
    const char *const wrong[] = {"hidden=many", NULL};
    b = read_model(good, wrong);
    int64_t n;
    gr_doc *y = gr_doc_get(b.m->graph, "y");
    CU_ASSERT_EQUAL(gr_model_int(b.m, gr_doc_get(y, "out_features"), 1, &n), -1);
    CU_ASSERT_TRUE(says(&b, 8, 40, "takes an integer, not $hidden, which is 'many'"));
    done(&b);
}

static void bad_sections(void)
{
    bench b = read_model("name: x\nvarss: {a: 1}\nvars: {2a: 1, if: 2, b: ~}\ngraph: 3\nplugins: no/such.so\n", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.m);
    CU_ASSERT_TRUE(says(&b, 1, 1, "graphrun: 1"));
    CU_ASSERT_TRUE(says(&b, 2, 1, "did you mean 'vars'?"));
    CU_ASSERT_TRUE(says(&b, 3, 8, "'2a' is no name"));
    CU_ASSERT_TRUE(says(&b, 3, 15, "'if' is no name"));
    CU_ASSERT_TRUE(says(&b, 4, 8, "'graph' takes a map"));
    CU_ASSERT_TRUE(says(&b, 5, 10, "no/such.so"));
    gr_model_var(b.m, "b");
    CU_ASSERT_TRUE(says(&b, 3, 25, "--set b="));
    done(&b);
    b = read_model("graphrun: 2\n", NULL);
    CU_ASSERT_TRUE(says(&b, 1, 11, "format 2"));
    done(&b);
    b = read_model("graphrun: 1\nvars: {a: \"\xc3\xa9\xc3\xbc $ x\"}\n", NULL); /* columns are characters */
    gr_model_var(b.m, "a");
    CU_ASSERT_TRUE(says(&b, 2, 15, "a lone '$'"));
    done(&b);
    b = read_model("[1]\n", NULL);
    CU_ASSERT_PTR_NULL(b.m);
    CU_ASSERT_TRUE(says(&b, 1, 1, "a map of sections"));
    done(&b);
}

static const gr_attr_spec specs[] = {
    {"size", GR_ATTR_INT, NULL, 1, 1e9, NULL, "how wide"},
    {"bias", GR_ATTR_BOOL, "true", 0, 0, NULL, ""},
    {"rate", GR_ATTR_FLOAT, "0.5", 0, 1, NULL, ""},
    {"mode", GR_ATTR_CHOICE, "mean", 0, 0, "none|mean|sum", ""},
    {"dims", GR_ATTR_INTS, "~", 0, 0, NULL, ""},
    {"shape", GR_ATTR_SHAPE, "~", 0, 0, NULL, ""},
    {"values", GR_ATTR_TENSOR, "~", 0, 0, NULL, ""},
    {"init", GR_ATTR_INIT, "~", 0, 0, NULL, ""},
    {"label", GR_ATTR_STRING, "~", 0, 0, NULL, ""},
    {"any", GR_ATTR_STRING, "~", 0, 0, "*", ""},
    {NULL, GR_ATTR_NONE, NULL, 0, 0, NULL, NULL},
};

static gr_doc *map_of(bench *b, const char *text)
{
    return gr_doc_read_text(b->arena, "x.yaml", text, strlen(text), b->diag);
}

static void attributes(void)
{
    bench b = read_model(good, NULL);
    gr_loc *at = NULL;
    gr_doc *map = map_of(&b, "{op: X, size: $hidden, mode: sum, dims: 3, shape: [time, 4, other], values: [[1, 2], [3, 4.5]], "
                             "init: {op: Uniform, low: -1, high: \"${1 / 4.0}\"}, label: 0x10, any: [1, tanh], in: x}");
    const char *const skip[] = {"in", NULL};
    gr_attr *v = gr_model_attrs(b.m, map, specs, "X", skip, &at);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    CU_ASSERT_TRUE(v[0].i == 256 && v[0].given && v[0].present);
    CU_ASSERT_EQUAL(at[0].column, 15);
    CU_ASSERT_TRUE(v[1].i == 1 && !v[1].given && v[1].present);
    CU_ASSERT_EQUAL(v[2].f, 0.5);
    CU_ASSERT_EQUAL(v[3].i, 2);
    CU_ASSERT_TRUE(v[4].n == 1 && v[4].ints[0] == 3);
    CU_ASSERT_TRUE(v[5].n == 3 && v[5].ints[0] == 35 && v[5].ints[1] == 4 && v[5].ints[2] == -1);
    CU_ASSERT_STRING_EQUAL(v[5].names[0], "time");
    CU_ASSERT_PTR_NULL(v[5].names[1]);
    CU_ASSERT_TRUE(v[6].n == 4 && v[6].shape.rank == 2 && v[6].shape.dim[1] == 2 && v[6].floats[3] == 4.5 && !v[6].i);
    CU_ASSERT_STRING_EQUAL(v[7].s, "Uniform low=-1 high=0.25");
    CU_ASSERT_STRING_EQUAL(v[8].s, "0x10");
    CU_ASSERT_STRING_EQUAL(v[9].s, "[1, tanh]");
    CU_ASSERT_TRUE(gr_doc_get(b.m->root, "vars")->item[1]->used); /* time, by its name in a shape */
    done(&b);
}

static void bad_attributes(void)
{
    bench b = read_model(good, NULL);
    gr_doc *map = map_of(&b, "{op: X, bias: 1,\nrate: 2,\nmode: meen,\ndims: [1, x],\nvalues: [[1, 2], [3]],\nlabel: [1],\nsise: 3,\n"
                             "shape: {a: 1},\nany: ~, init: 3}");
    CU_ASSERT_PTR_NULL(gr_model_attrs(b.m, map, specs, "X", NULL, NULL));
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 8); /* not that X needs 'size', too */
    CU_ASSERT_TRUE(says(&b, 1, 15, "'bias' takes true or false, not '1'"));
    CU_ASSERT_TRUE(says(&b, 2, 7, "'rate' must be from 0 to 1, not 2"));
    CU_ASSERT_TRUE(says(&b, 3, 7, "'mode' takes one of none|mean|sum, not 'meen'"));
    CU_ASSERT_TRUE(says(&b, 4, 7, "'dims' takes an integer, not 'x'"));
    CU_ASSERT_TRUE(says(&b, 5, 18, "a row of 1 here, and rows of 2"));
    CU_ASSERT_TRUE(says(&b, 6, 8, "'label' takes a text, not a list"));
    CU_ASSERT_TRUE(says(&b, 7, 1, "X has no 'sise'; did you mean 'size'?"));
    CU_ASSERT_TRUE(says(&b, 8, 8, "'shape' takes a shape, not a map"));
    done(&b);
}

static void axes(void)
{
    bench b = read_model(good, NULL);
    gr_loc at = {0};
    CU_ASSERT_EQUAL(gr_model_set_axis(b.m, "time", 35), 0);
    CU_ASSERT_EQUAL(gr_model_set_axis(b.m, "other", 7), 0);
    CU_ASSERT_EQUAL(gr_axis_length(b.m, b.m->scope, "other", at), 7);
    gr_model_feed_axis(b.m, "batch", 5);
    CU_ASSERT_EQUAL(gr_axis_length(b.m, b.m->scope, "batch", at), 5);
    gr_model_feed_axis(b.m, "batch", -1);
    CU_ASSERT_EQUAL(gr_axis_length(b.m, b.m->scope, "batch", at), 32);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 0);
    CU_ASSERT_EQUAL(gr_model_set_axis(b.m, "time", 40), -1);
    CU_ASSERT_TRUE(says(&b, 4, 25, "'time' is 35 long here, but 40 are fed"));
    CU_ASSERT_EQUAL(gr_model_set_axis(b.m, "other", 8), -1);
    CU_ASSERT_EQUAL(gr_axis_length(b.m, b.m->scope, "text", (gr_loc){b.m->root->at.source, 9, 1, 1}), -1);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 3);
    done(&b);
}

static void unused(void)
{
    bench b = read_model("graphrun: 1\n"
                         "vars: {a: 1, b: $a, c: 3, time: 5, d: 6}\n"
                         "graph: {x: {shape: [time]}}\n"
                         "train: {optimizer: {lr: $b, extra: 2}, epochs: 1, more: 1}\n"
                         "generate: {length: $c, whatever: 1}\n", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.m);
    gr_doc_use_all(b.m->graph);
    gr_doc *train = gr_model_section(b.m, "train");
    double lr = 0;
    gr_model_float(b.m, gr_doc_get(gr_doc_get(train, "optimizer"), "lr"), &lr);
    gr_doc_get(train, "epochs");
    gr_model_check_unused(b.m);
    CU_ASSERT_EQUAL(lr, 1);
    CU_ASSERT_EQUAL(gr_diag_count(b.diag), 3);
    CU_ASSERT_TRUE(says(&b, 2, 36, "the var 'd' is never used"));
    CU_ASSERT_TRUE(says(&b, 4, 29, "'extra' means nothing here"));
    CU_ASSERT_TRUE(says(&b, 4, 51, "'more' means nothing here"));
    done(&b);
}

/* Reads all of it as a command would. */
static void read_all(const char *yaml, const char *const *set)
{
    bench b = read_model(yaml, set);
    if (b.m) {
        gr_model_graph(b.m);
        gr_model_check_unused(b.m);
    }
    CU_ASSERT_TRUE(b.m || gr_diag_count(b.diag));
    done(&b);
}

static void any_truncation(void)
{
    char text[sizeof good];
    for (size_t n = 0; n < sizeof good; n++) {
        memcpy(text, good, n);
        text[n] = 0;
        read_all(text, NULL);
    }
}

static void any_change(void)
{
    static const char set[] = "{}[],:#&*!|>'\"$\n  abr";
    char text[sizeof good];
    uint32_t state = 3;
    for (int round = 0; round < 500; round++) {
        memcpy(text, good, sizeof good);
        for (int k = 0; k < 2; k++) {
            state = state * 1664525u + 1013904223u;
            text[(state >> 8) % (sizeof good - 1)] = set[(state >> 20) % (sizeof set - 1)];
        }
        read_all(text, NULL);
    }
}

void test_model(void)
{
    CU_pSuite s = CU_add_suite("model", NULL, NULL);
    CU_add_test(s, "sections and vars", sections);
    CU_add_test(s, "a name", a_model_without_a_name_has_its_files);
    CU_add_test(s, "--set", sets);
    CU_add_test(s, "--set of what is not there", bad_sets);
    CU_add_test(s, "sections that are wrong", bad_sections);
    CU_add_test(s, "attributes of every kind", attributes);
    CU_add_test(s, "attributes that are wrong", bad_attributes);
    CU_add_test(s, "axes", axes);
    CU_add_test(s, "what nobody uses", unused);
    CU_add_test(s, "a model cut anywhere", any_truncation);
    CU_add_test(s, "a model with bytes changed", any_change);
}
