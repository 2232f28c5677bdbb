/* test_plugin.c - the example plugin: loaded only when asked for, its cell the same as the
 * one written in YAML, its gradients right; a broken plugin is refused with a reason. */
#include "minimal_gated.h"
#include "tests.h"
#include "train/gradcheck.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <string.h>

#define PLUGIN GR_BUILD_DIR "/graphs/plugins/minimal_gated.so"

static const char block[] = MINIMAL_GATED_BLOCKS("Cell");

static const char *model(const char *name, const char *blocks, const char *cell)
{
    return temp_file(name,
                     "graphrun: 1\nname: cells\n%sgraph:\n"
                     "  x: {op: Input, shape: [5, 2, 3]}\n"
                     "  rnn: {op: Recurrent, cell: %s, in: x, hidden_size: 4, num_layers: 2}\n"
                     "  loss: {op: Sum, in: rnn.output}\n"
                     "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 1}\n",
                     blocks, cell);
}

static gr_session *open_with(const char *path, const char *plugin, gr_dtype real, gr_error *e)
{
    const char *plugins[] = {plugin, NULL};
    gr_session_options o = {.model = {.real = real, .plugins = plugin ? plugins : NULL}, .threads = 1, .quiet = true};
    return gr_session_open(path, &o, e);
}

/* The output of one run on a fixed input. */
static int outputs(const char *path, const char *plugin, float *to, int room)
{
    static const char *const fetch[] = {"rnn.output", NULL};
    gr_error e = {0};
    gr_type t;
    gr_session *s = open_with(path, plugin, GR_FLOAT32, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    gr_want want = {.fetch = fetch};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    float *in = gr_run_feed(x->run, "x", &t);
    for (int64_t i = 0; i < gr_numel(&t); i++) in[i] = (float)(i % 7) - 3;
    CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
    const float *out = gr_run_result(x->run, "rnn.output", &t);
    int n = (int)gr_numel(&t);
    CU_ASSERT_TRUE_FATAL(n <= room);
    memcpy(to, out, sizeof *to * (size_t)n);
    gr_session_close(s);
    return n;
}

static void plugin_cell_is_the_yaml_cell(void)
{
    float yaml[64], plugin[64];
    int n = outputs(model("yaml_cell.yaml", block, "Cell"), NULL, yaml, 64);
    int m = outputs(model("plugin_cell.yaml", "", "MinimalGated"), PLUGIN, plugin, 64);
    CU_ASSERT_EQUAL(n, m);
    CU_ASSERT_EQUAL(memcmp(yaml, plugin, sizeof *yaml * (size_t)n), 0);
}

static void plugin_gradients_are_right(void)
{
    gr_error e = {0};
    gr_gradcheck_result r = {0};
    const char *path = temp_file("capped.yaml", "graphrun: 1\nname: capped\nplugins: ['%s']\ngraph:\n"
                                                "  x: {op: Input, shape: [5, 2, 3]}\n"
                                                "  rnn: {op: Recurrent, cell: MinimalGated, in: x, hidden_size: 4}\n"
                                                "  cap: {op: SoftCap, in: rnn.output, cap: 0.5}\n"
                                                "  loss: {op: Sum, in: cap}\n"
                                                "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 1}\n", PLUGIN);
    gr_session *s = open_with(path, NULL, GR_FLOAT64, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(gr_gradcheck(s, NULL, NULL, &r, &e), 0);
    CU_ASSERT_EQUAL(r.checked, 7); /* two weights and a bias of each Linear, and x */
    CU_ASSERT_EQUAL(r.wrong, 0);
    gr_session_close(s);
}

static void ops_of_plugins_are_loaded_on_request(void)
{
    gr_arena *a = gr_arena_create();
    gr_registry *r = gr_registry_create(a);
    gr_error e = {0};
    CU_ASSERT_PTR_NULL(gr_registry_find(r, "SoftCap"));
    CU_ASSERT_EQUAL(gr_registry_load(r, PLUGIN, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(gr_registry_find(r, "SoftCap"));
    CU_ASSERT_NOT_EQUAL(gr_registry_load(r, PLUGIN, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "exists already"));
    CU_ASSERT_NOT_EQUAL(gr_registry_load(r, "/nowhere/plugin.so", &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "/nowhere/plugin.so"));
    gr_arena_destroy(a);
}

static int no_expand(gr_ctx *c) { return gr_fail(c, GR_AT_NODE, NULL, "never called"); }

static void broken_descriptors_are_refused(void)
{
    static const gr_op older = {.size = sizeof(gr_op) - 8, .abi = GR_ABI_VERSION, .name = "Older", .summary = "x", .expand = no_expand};
    static const gr_op other = {.size = sizeof(gr_op), .abi = GR_ABI_VERSION + 1, .name = "Other", .summary = "x", .expand = no_expand};
    static const gr_op nothing = {GR_OP_HEADER, .name = "Nothing", .summary = "x"};
    static const gr_op taken = {GR_OP_HEADER, .name = "Tanh", .summary = "x", .expand = no_expand};
    static const gr_attr_spec bad[] = {{.name = "n", .kind = GR_ATTR_INT, .fallback = "many", .doc = "x"}, {0}};
    static const gr_op fallback = {GR_OP_HEADER, .name = "Fallback", .summary = "x", .attrs = bad, .expand = no_expand};
    static const struct { const gr_op *op; const char *says; } cases[] = {
        {&older, "'size'"}, {&other, "'abi'"}, {&nothing, "exactly one of"}, {&taken, "exists already"}, {&fallback, "default of attribute 'n'"}};
    gr_arena *a = gr_arena_create();
    gr_registry *r = gr_registry_create(a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gr_error e = {0};
        CU_ASSERT_NOT_EQUAL(gr_registry_add(r, cases[i].op, &e), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.message, cases[i].says));
    }
    gr_arena_destroy(a);
}

void test_plugin(void)
{
    CU_pSuite s = CU_add_suite("plugin", NULL, NULL);
    CU_add_test(s, "a cell in C is the cell in YAML, bit for bit", plugin_cell_is_the_yaml_cell);
    CU_add_test(s, "gradients of a plugin's ops", plugin_gradients_are_right);
    CU_add_test(s, "plugins are loaded on request, once", ops_of_plugins_are_loaded_on_request);
    CU_add_test(s, "broken descriptors are refused with a reason", broken_descriptors_are_refused);
}
