/* test_source.c - data sources as descriptors: built-in ones and those of plugins keep the promises of
 * graphrun/source.h, which the walk checks; broken ones are found and refused. */
#include "data_support.h"
#include "graph/fault.h"
#include "source_walk.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <string.h>
#include <unistd.h>

#define ADDING GR_BUILD_DIR "/graphs/plugins/adding_problem.so"
#define WRONG GR_BUILD_DIR "/tests/wrong_source.so"

static const char *const plugins[] = {ADDING, WRONG, NULL};
static const gr_model_options with_plugins = {.plugins = plugins};

/* ---- the walk over built-in sources ---- */

static const char words[] = "the cat sat on the mat\na dog ran\nthe end of it\nno more\nbut one\nand two\n";
static const char table[] = "a,b,c,kind\n1,2,3,x\n2,3,4,y\n3,4,5,x\n4,5,6,y\n5,6,7,x\n6,7,8,y\n7,8,9,x\n8,9,1,y\n9,1,2,x\n";
static const char pairs[] = "one two\tun deux\nthree\ttrois\nfour five six\tquatre cinq six\nseven\tsept\n";
static const char labelled[] = "pos\tgood film\nneg\tbad\npos\tvery good\nneg\tso bad a film\n";
static const char tagged[] = "the D\ncat N\nsat V\n\na D\ndog N\n\nit P\nran V\n\n";
static const char series_ts[] = "@problemName x\n@timeStamps false\n@missing false\n@univariate true\n@equalLength false\n"
                                "@classLabel true a b\n@data\n1,2,3:a\n4,5:b\n6,7,8,9:a\n1,1:b\n";
static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 1};

/* %s in `data`: the file that holds `text`, or the first `bytes` of it. */
typedef struct source_case {
    const char *source, *data, *text;
    size_t bytes;
} source_case;

static const source_case cases[] = {
    {"Inline", "values: {x: [[1, 2], [3, 4]], y: [1.5, 2]}", "", 0},
    {"CharText", "path: '%s', partition: random, split: {train: 0.7, valid: 0.3}", words, 0},
    {"CharText", "path: '%s', partition: sequential", words, 0},
    {"CharText", "path: '%s', partition: windows, split: {train: 0.7, valid: 0.3}", words, 0},
    {"WordText", "path: '%s'", words, 0},
    {"Lines", "path: '%s', batch_size: 2, bucket: 2, split: {train: 4, valid: 2}", words, 0},
    {"Lines", "path: '%s', batch_size: 4, unit: word, steps: 3", words, 0},
    {"LabelledText", "path: '%s', batch_size: 3, separator: tab, split: {train: 0.5, valid: 0.5}", labelled, 0},
    {"TextPairs", "path: '%s', batch_size: 3, split: {train: 0.75, valid: 0.25}", pairs, 0},
    {"Task", "task: copy, items: 40, length: 6, min_length: 3, batch_size: 7, split: {train: 0.8, valid: 0.2}", "", 0},
    {"Task", "task: addition, items: 20, length: 2, batch_size: 8, drop_last: true", "", 0},
    {"Task", "task: recall, items: 20, delay: 3, batch_size: 8, max_items: 15", "", 0},
    {"AddingProblem", "items: 40, length: 2000, max_length: 20, truncate: true, batch_size: 7, split: {train: 0.5, valid: 0.5}", "", 0},
    {"Csv", "path: '%s', batch_size: 4, label: kind, target: c, standardize: zscore, split: {train: 0.7, valid: 0.3}", table, 0},
    {"Series", "path: '%s', batch_size: 2, columns: [a, b], window: 3, split: {train: 0.5, valid: 0.5}", table, 0},
    {"Conll", "path: '%s', batch_size: 2, format: columns, random_split: false", tagged, 0},
    {"Ts", "path: '%s', batch_size: 3, standardize: minmax", series_ts, 0},
};

static bool walk_case(const char *source, const char *data)
{
    source_report r = {.arena = gr_arena_create()};
    const char *path = temp_file("walk.yaml", "graphrun: 1\nname: m\nvars: {time: 3, batch: 2}\ndata: {op: %s, %s}\ngraph: {}\n", source, data);
    bool good = source_walk(path, &with_plugins, 64, &r);
    for (int c = 0; c < SOURCE_NUM_CHECKS; c++) {
        if (*r.of[c].failure) fprintf(stderr, "\n%s, %s: %s: %s", source, data, source_check_names[c], r.of[c].failure);
        if (!r.of[c].count) fprintf(stderr, "\n%s, %s: %s was not checked", source, data, source_check_names[c]);
        good &= r.of[c].count > 0;
    }
    gr_arena_destroy(r.arena);
    return good;
}

static bool has_case(const char *source)
{
    bool found = !strcmp(source, "Npy") || !strcmp(source, "Idx"); /* of two files each, below */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) found |= !strcmp(cases[i].source, source);
    return found;
}

static void built_in_sources_keep_their_promises(void)
{
    char data[1024], path[512];
    for (const gr_source *const *s = gr_builtin_sources; *s; s++) {
        if (!has_case((*s)->name)) fprintf(stderr, "\n%s has no case", (*s)->name);
        CU_ASSERT_TRUE(has_case((*s)->name));
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const source_case *c = &cases[i];
        snprintf(data, sizeof data, c->data, *c->text ? write_file("walk.txt", c->text, strlen(c->text)) : "");
        CU_ASSERT_TRUE(walk_case(c->source, data));
    }
    snprintf(path, sizeof path, "%s", write_file("labels.idx", labels, sizeof labels));
    snprintf(data, sizeof data, "images: '%s', labels: '%s', batch_size: 3", write_file("images.idx", images, sizeof images), path);
    CU_ASSERT_TRUE(walk_case("Idx", data));
    snprintf(data, sizeof data, "files: {x: '%s'}, shuffle: true, batch_size: 2, split: {train: 0.5, valid: 0.5}",
             temp_integers("x.npy", 2, (const int64_t[]){5, 2}, (const int32_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
    CU_ASSERT_TRUE(walk_case("Npy", data));
}

/* ---- sources of plugins ---- */

static gr_registry *registry(gr_arena *a)
{
    gr_registry *r = gr_registry_create(a);
    gr_error e = {0};
    for (int i = 0; plugins[i]; i++) CU_ASSERT_EQUAL(gr_registry_load(r, plugins[i], &e), 0);
    return r;
}

static bool walk_examples(const char *name, source_report *r)
{
    const gr_source *s = gr_registry_find_source(registry(r->arena), name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return source_walk_example(s, &with_plugins, r);
}

static void sources_of_plugins_keep_them(void)
{
    static const char *const good[] = {"AddingProblem", "GoodSource"};
    for (int i = 0; i < 2; i++) {
        source_report r = {.arena = gr_arena_create()};
        CU_ASSERT_TRUE(walk_examples(good[i], &r));
        for (int c = 0; c < SOURCE_NUM_CHECKS; c++) {
            if (*r.of[c].failure) fprintf(stderr, "\n%s: %s: %s", good[i], source_check_names[c], r.of[c].failure);
            CU_ASSERT_TRUE(r.of[c].count > 0);
        }
        gr_arena_destroy(r.arena);
    }
}

static void broken_promises_are_found(void)
{
    static const struct { const char *source; source_check check; const char *says; } wrong[] = {
        {"CountsEpochs", SOURCE_ORDER, "function of the seed and its number"},
        {"CountsBatches", SOURCE_ORDER, "batch 0"},
        {"CountsBatches", SOURCE_FILL, "from the last to the first"},
        {"WritesNotAll", SOURCE_FILL, "write all of its fields"},
        {"Allocates", SOURCE_ORDER, "calls gr_source_alloc() while it makes a batch, which 'open' alone may"},
        {"AllocatesEarly", SOURCE_ORDER, "calls gr_source_alloc() in 'begin'"},
        {"WritesMore", SOURCE_ORDER, "'x' is larger than was announced"},
        {"FailsInFill", SOURCE_ORDER, "FailsInFill: row 7 is not there"},
        {"Overlaps", SOURCE_SPLITS, "'train' and 'valid' have 5 to 6 in common"},
        {"GivesUndeclared", SOURCE_FIELDS, "'y' is not declared"},
        {"GivesNothing", SOURCE_OPENS, "gr_source_open_items()"},
        {"AsksInFill", SOURCE_ORDER, "asks for its attribute 'siez'"},
        {"AsksInOpen", SOURCE_OPENS, "asks for its attribute 'sort'"},
        {"Refuses", SOURCE_OPENS, "does not please"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        source_report r = {.arena = gr_arena_create()};
        CU_ASSERT_FALSE(walk_examples(wrong[i].source, &r));
        const char *failure = r.of[wrong[i].check].failure;
        bool found = strstr(failure, wrong[i].says);
        if (!found) fprintf(stderr, "\n%s: %s", wrong[i].source, *failure ? failure : "nothing was found");
        CU_ASSERT_TRUE(found);
        gr_arena_destroy(r.arena);
    }
}

/* ---- in model files ---- */

/* What a model on these plugins is told, with line, caret and all. */
static void says(const char *data, const char *text)
{
    gr_error e = {0};
    char got[4096] = "";
    gr_arena *a = gr_arena_create();
    gr_diag *diag = gr_diag_create(a);
    const char *path = temp_file("plugged.yaml", "graphrun: 1\nname: m\nplugins: ['%s', '%s']\ndata:\n%sgraph:\n"
                                                 "  x: {op: Input, shape: [4, 3], from: data.x}\n", ADDING, WRONG, data);
    gr_model *m = gr_model_read(a, path, NULL, diag, &e);
    gr_data_options o = {.seed = 1};
    CU_ASSERT_PTR_NULL(gr_data_open(m, gr_model_section(m, "data"), &o, &e));
    FILE *to = fmemopen(got, sizeof got, "w");
    gr_diag_print(diag, to);
    fclose(to);
    const char *after = strchr(got, ':'); /* the path */
    bool same = after && !strcmp(after, text);
    if (!same) fprintf(stderr, "\n%s-> %s", data, got);
    CU_ASSERT_TRUE(same);
    gr_arena_destroy(a);
}

static void mistakes_are_shown_where_they_stand(void)
{
    says("  op: GoodSorce\n", ":5:7: error: no data source is called 'GoodSorce'; did you mean 'GoodSource'?\n    5 |   op: GoodSorce\n      |       ^~~~~~~~~\n");
    says("  op: GoodSource\n  siez: 3\n", ":6:3: error: GoodSource has no 'siez'; did you mean 'size'?\n    6 |   siez: 3\n      |   ^~~~\n");
    says("  op: GoodSource\n  size: 99\n", ":6:9: error: 'size' must be from 1 to 10, not 99\n    6 |   size: 99\n      |         ^~\n");
    says("  op: Refuses\n  size: 7\n", ":6:9: error: size is 7, which does not please\n    6 |   size: 7\n      |         ^\n");
    says("  op: Refuses\n", ":4:1: error: size is 3, which does not please\n    4 | data:\n      | ^~~~\n");
}

static void wrong_items_are_refused(void)
{
    static const struct { const char *wrong, *text; } wrong[] = {
        {"fields", "gr_items.num_fields is 35; write 1 to 32"},
        {"dim", "dim[1] of the field 'x' is -3; write 0 or more"},
        {"size", "an item of the field 'x' has too many elements for memory"},
        {"length", "gr_items.length[0][2] is -7; write 0 or more"},
        {"end", "gr_items.parts[0].end is 5; write where its items end, from 0 to the count, 4"},
        {"order", "gr_items.parts[1].end is 3; write where its items end, from 4 to the count, 4"},
    };
    char data[128], text[512];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(data, sizeof data, "  op: WrongItems\n  wrong: %s\n", wrong[i].wrong);
        snprintf(text, sizeof text, ":4:1: error: WrongItems: %s\n    4 | data:\n      | ^~~~\n", wrong[i].text);
        says(data, text);
    }
}

/* In a, with the seed 1. */
static gr_data *open_section(gr_arena *a, const char *path)
{
    gr_error e = {0};
    gr_model *m = gr_model_read(a, path, NULL, gr_diag_create(a), &e);
    const gr_data_options o = {.seed = 1};
    gr_data *d = gr_data_open(m, gr_model_section(m, "data"), &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    return d;
}

/* In `open` at the section, in `fill`, which runs on another thread, with the batch. */
static void unknown_attributes_fail(void)
{
    says("  op: AsksInOpen\n", ":4:1: error: AsksInOpen asks for its attribute 'sort', which it does not declare: add it to 'attrs' of the source, "
                               "or correct the name\n    4 | data:\n      | ^~~~\n");
    const char *path = temp_file("asks.yaml", "graphrun: 1\nname: m\nplugins: ['%s']\ndata: {op: AsksInFill}\ngraph: {}\n", WRONG);
    gr_error e = {0};
    gr_arena *a = gr_arena_create();
    gr_data *d = open_section(a, path);
    const gr_tensor *field;
    for (int again = 0; again < 2; again++) {
        CU_ASSERT_EQUAL(gr_data_begin(d, "train", again, 0, &e), 0);
        CU_ASSERT_EQUAL(gr_data_next(d, &field, &e), -1);
        CU_ASSERT_EQUAL(e.status, GR_EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "AsksInFill asks for its attribute 'siez'"));
    }
    gr_data_close(d);
    gr_arena_destroy(a);
}

/* The batches before it are given, however far ahead the thread that makes them is. */
static void a_batch_fails_when_its_turn_comes(void)
{
    static const struct { const char *source, *says; } wrong[] = {
        {"FailsLater", "FailsLater: batch 3 cannot be read"}, {"AddsTextLater", "AddsTextLater calls gr_source_lexicon() while it makes a batch"},
        {"NoItem", "NoItem: gr_items.get gives NULL for item 3 of the field 'x'"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *path = temp_file("later.yaml", "graphrun: 1\nname: m\nplugins: ['%s']\nvars: {batch: 1}\ndata: {op: %s}\ngraph: {}\n", WRONG, wrong[i].source);
        gr_error e = {0};
        gr_arena *a = gr_arena_create();
        gr_data *d = open_section(a, path);
        const gr_tensor *field;
        for (int again = 0; again < 2; again++) {
            CU_ASSERT_EQUAL(gr_data_begin(d, "train", again, 0, &e), 0);
            for (int b = 0; b < 3; b++) CU_ASSERT_EQUAL(gr_data_next(d, &field, &e), 1);
            for (int k = 0; k < 2; k++) CU_ASSERT_EQUAL(gr_data_next(d, &field, &e), -1);
            CU_ASSERT_EQUAL(e.status, GR_EINVAL);
            if (!strstr(e.message, wrong[i].says)) fprintf(stderr, "\n%s: %s", wrong[i].source, e.message);
            CU_ASSERT_PTR_NOT_NULL(strstr(e.message, wrong[i].says));
        }
        gr_data_close(d);
        gr_arena_destroy(a);
    }
}

/* A failure is not for good: the call after it asks for the same batch again, or for the epoch that did not begin. */
static void what_failed_is_asked_for_again(void)
{
    static const struct { int epoch, failing; } epochs[] = {{0, 3}, {1, -1}};
    const char *path = temp_file("once.yaml", "graphrun: 1\nname: m\nplugins: ['%s']\ndata: {op: FailsOnce}\ngraph: {}\n", WRONG);
    gr_error e = {0};
    gr_arena *a = gr_arena_create();
    gr_data *d = open_section(a, path);
    const gr_tensor *field;
    for (int i = 0; i < 2; i++) {
        float first = 0;
        CU_ASSERT_EQUAL(gr_data_begin(d, "train", epochs[i].epoch, 0, &e) != 0, epochs[i].failing < 0);
        for (int b = 0; b < 12; b++) {
            if (b == epochs[i].failing) CU_ASSERT_EQUAL(gr_data_next(d, &field, &e), -1);
            CU_ASSERT_EQUAL_FATAL(gr_data_next(d, &field, &e), 1);
            const float x = *(const float *)field->data;
            if (b == 0) first = x;
            CU_ASSERT_EQUAL(x, first + (float)(100 * b));
        }
        CU_ASSERT_EQUAL(gr_data_next(d, &field, &e), 0);
    }
    gr_data_close(d);
    gr_arena_destroy(a);
}

/* The example learns: who always answers 0.5 has a loss of 0.042. */
static void plugin_feeds_training(void)
{
    char line[512] = "";
    double loss = 1;
    FILE *f = popen("'" GR_BUILD_DIR "/tools/graphrun' train '" GR_SOURCE_DIR "/graphs/plugins/adding_problem.yaml' --plugin '" ADDING
                    "' --quiet --threads 1 --set items=2000 --set train.epochs=5", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof line, f)) {}
    CU_ASSERT_EQUAL(pclose(f), 0);
    const char *valid = strstr(line, "valid: loss ");
    CU_ASSERT_TRUE(valid && sscanf(valid, "valid: loss %lf", &loss) == 1);
    CU_ASSERT_TRUE(loss < 0.002);
}

/* ---- descriptors ---- */

static int no_open(gr_data *d) { return gr_source_fail(d, GR_AT_NODE, NULL, "never called"); }

#define ANY .name = "Any", .summary = "x", .fields = one, .open = no_open
static void broken_descriptors_are_refused(void)
{
    static const gr_port one[] = {{"x", 0, "int32 [batch]: x"}, GR_END_PORTS}, twice[] = {{"x", 0, "x"}, {"x", 0, "x"}, GR_END_PORTS};
    static const gr_attr_spec bad[] = {{"n", GR_ATTR_INT, "many", 0, 0, NULL, "x"}, GR_END_ATTRS};
    static const char *const none[] = {"m", NULL}, *const attr[] = {"n", NULL};
    static const gr_attr_spec fine[] = {{"n", GR_ATTR_INT, "1", 0, 0, NULL, "x"}, GR_END_ATTRS};
    static const gr_source small = {.size = 16, .abi = GR_ABI_VERSION, ANY}, abi = {.size = sizeof(gr_source), .abi = GR_ABI_VERSION + 1, ANY};
    static const gr_source host = {.size = sizeof(gr_source), .abi = GR_ABI_VERSION, .host_size = sizeof(gr_source_host) + 8, ANY};
    static const gr_source nameless = {GR_SOURCE_HEADER, .name = "a b", .summary = "x", .fields = one, .open = no_open};
    static const gr_source unsaid = {GR_SOURCE_HEADER, .name = "Any", .fields = one, .open = no_open};
    static const gr_source closed = {GR_SOURCE_HEADER, .name = "Any", .summary = "x", .fields = one};
    static const gr_source fieldless = {GR_SOURCE_HEADER, .name = "Any", .summary = "x", .open = no_open};
    static const gr_source two = {GR_SOURCE_HEADER, .name = "Any", .summary = "x", .open = no_open, .fields = twice};
    static const gr_source fallback = {GR_SOURCE_HEADER, ANY, .attrs = bad}, numbering = {GR_SOURCE_HEADER, ANY, .attrs = fine, .numbering = none};
    static const gr_source keys = {GR_SOURCE_HEADER, ANY, .attrs = fine, .keys = attr};
    static const gr_source taken = {GR_SOURCE_HEADER, .name = "CharText", .summary = "x", .fields = one, .open = no_open};
    static const struct { gr_source s; int64_t more; } newer = {{.size = sizeof(gr_source) + 8, .abi = GR_ABI_VERSION, ANY}, 1};
    static const struct { const gr_source *s; const char *says; } wrong[] = {
        {&small, "'size'"}, {&abi, "'abi'"}, {&host, "'host_size'"}, {&nameless, "'name'"}, {&unsaid, "'summary'"}, {&closed, "'open'"},
        {&fieldless, "'fields'"}, {&two, "is there already"}, {&fallback, "default of attribute 'n'"}, {&numbering, "numbering[0]: there is no attribute 'm'"},
        {&keys, "keys[0]: 'n' is an attribute"}, {&taken, "exists already"}, {&newer.s, "newer graphrun"}};
    gr_arena *a = gr_arena_create();
    gr_registry *r = gr_registry_create(a);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gr_error e = {0};
        const gr_source *whole = NULL;
        const char *fault = gr_foreign_source_fault(a, wrong[i].s, &whole); /* as where a plugin is loaded */
        if (!fault && gr_registry_add_source(r, whole, &e) < 0) fault = e.message;
        bool told = fault && strstr(fault, wrong[i].says);
        if (!told) fprintf(stderr, "\n%s (expected %s)", fault ? fault : "no fault", wrong[i].says);
        CU_ASSERT_TRUE(told);
    }
    gr_arena_destroy(a);
}

static void older_and_newer_descriptors_are_taken(void)
{
    static const gr_port one[] = {{"x", 0, "int32 [batch]: x"}, GR_END_PORTS};
    static const struct { gr_source s; int64_t more; } newer = {{.size = sizeof(gr_source) + 8, .abi = GR_ABI_VERSION, .name = "Newer", .summary = "x",
                                                               .fields = one, .open = no_open}, 0};
    gr_source older = {.size = offsetof(gr_source, example), .abi = GR_ABI_VERSION, .name = "Older", .summary = "x", .fields = one,
                       .open = no_open, .example = "none"}; /* what stands after it is not read */
    gr_arena *a = gr_arena_create();
    const gr_source *whole = NULL;
    CU_ASSERT_PTR_NULL(gr_foreign_source_fault(a, &newer.s, &whole));
    CU_ASSERT_PTR_NULL(gr_foreign_source_fault(a, &older, &whole));
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    CU_ASSERT_PTR_NULL(whole->example);
    gr_arena_destroy(a);
}

void test_source(void)
{
    CU_pSuite s = CU_add_suite("source", NULL, NULL);
    CU_add_test(s, "built-in sources keep their promises", built_in_sources_keep_their_promises);
    CU_add_test(s, "so do those of plugins", sources_of_plugins_keep_them);
    CU_add_test(s, "a broken promise is found", broken_promises_are_found);
    CU_add_test(s, "mistakes are shown where they stand", mistakes_are_shown_where_they_stand);
    CU_add_test(s, "wrong items are refused", wrong_items_are_refused);
    CU_add_test(s, "an attribute that is not declared fails with its name", unknown_attributes_fail);
    CU_add_test(s, "a batch fails when its turn comes", a_batch_fails_when_its_turn_comes);
    CU_add_test(s, "what failed is asked for again", what_failed_is_asked_for_again);
    CU_add_test(s, "a plugin's batches feed Inputs", plugin_feeds_training);
    CU_add_test(s, "broken descriptors are refused with a reason", broken_descriptors_are_refused);
    CU_add_test(s, "older and newer descriptors are taken", older_and_newer_descriptors_are_taken);
}
