/* test_plugin.c - the example plugin: loaded only when asked for, its cell the same as the
 * one written in YAML, its gradients right; a broken plugin is refused with a reason. */
#include "minimal_gated.h"
#include "tests.h"
#include "train/gradcheck.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <link.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN GR_BUILD_DIR "/graphs/plugins/minimal_gated.so"
#define SLSTM GR_BUILD_DIR "/graphs/plugins/slstm.so"

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

/* At the first step nothing was kept, however open the forget gate is. */
static void an_open_forget_gate_is_finite(void)
{
    const char *path = temp_file("open.yaml", "graphrun: 1\nname: open\ngraph:\n"
                                              "  x: {op: Input, shape: [3, 16, 4]}\n"
                                              "  k: {op: Full, shape: [], value: 9}\n  big: {op: Mul, in: [x, k]}\n"
                                              "  rnn: {op: Recurrent, cell: SLSTMCell, in: big, hidden_size: 1, forget_gate: exp, forget_bias: %s}\n"
                                              "  loss: {op: Sum, in: rnn.output}\n"
                                              "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 1}\n", "100");
    float out[3 * 16];
    gr_error e = {0};
    gr_gradcheck_result r = {0};
    int n = outputs(path, SLSTM, out, 3 * 16), finite = 0;
    for (int i = 0; i < n; i++) finite += isfinite(out[i]) != 0;
    CU_ASSERT_EQUAL(finite, 3 * 16);
    gr_session *s = open_with(path, SLSTM, GR_FLOAT64, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(gr_gradcheck(s, NULL, NULL, &r, &e), 0);
    CU_ASSERT_TRUE(r.checked > 0);
    CU_ASSERT_EQUAL(r.wrong, 0);
    gr_session_close(s);
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
    int count = gr_registry_count(r);
    CU_ASSERT_EQUAL(gr_registry_load(r, PLUGIN, &e), 0); /* the file is open already */
    CU_ASSERT_EQUAL(gr_registry_count(r), count);
    CU_ASSERT_NOT_EQUAL(gr_registry_load(r, "/nowhere/plugin.so", &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "/nowhere/plugin.so"));
    gr_arena_destroy(a);
}

/* ---- broken plugins ---- */

static const struct { const char *what, *says[3]; } odd[] = {
    {"newer_in_use", {"op 'Odd'", "field 'size'", "built for a newer graphrun; build it again"}},
    {"too_small", {"'size' is 40", "in no version", "write GR_OP_HEADER"}},
    {"odd_size", {"which it is in no version: 192 or more, in steps of 8", "write GR_OP_HEADER"}},
    {"huge_size", {"'size' is 3735928559, which it is in no version", "write GR_OP_HEADER"}},
    {"other_abi", {"field 'abi'", "build it again"}},
    {"built_in_name", {"op 'Tanh'", "field 'name'", "exists already; give it another"}},
    {"bad_name", {"op 'Odd One'", "field 'name'", "letters, digits and _ only"}},
    {"no_name", {"op '?' (number 1)", "field 'name' is missing"}},
    {"no_summary", {"op 'Odd'", "field 'summary' is missing"}},
    {"no_outputs", {"op 'Odd'", "field 'outputs' is missing"}},
    {"unknown_trait", {"op 'Odd'", "field 'traits' has bits"}},
    {"metric_without_data", {"op 'Odd'", "field 'data' is missing"}},
    {"no_backward", {"op 'Odd'", "field 'backward' is 'OddGradient'"}},
    {"no_way_to_run", {"op 'Odd'", "'tape', 'view', 'kernels', 'expand'"}},
    {"attr_without_kind", {"op 'Odd'", "attrs[0] ('k'): field 'kind' is 0", "GR_ATTR_INT"}},
    {"bad_default", {"op 'Odd'", "attrs[0] ('k'): field 'fallback'", "default of attribute 'k', \"9\","}},
    {"bad_range", {"op 'Odd'", "attrs[0] ('k'): fields 'min' and 'max'", "from 5 to 1"}},
    {"no_choices", {"op 'Odd'", "attrs[0] ('k'): field 'choices' is missing"}},
    {"attrs_without_end", {"op 'Odd'", "attrs[1]", "end the list with {0}"}},
    {"port_twice", {"op 'Odd'", "inputs[1]: a port called 'input'"}},
    {"port_name", {"op 'Odd'", "inputs[1]: field 'name' is 'second input'"}},
    {"ops_without_end", {"(number 2)", "end the list with NULL"}},
    {"table_size", {"its gr_plugin: field 'size' is 4", "write GR_PLUGIN_HEADER"}},
    {"needs_more", {"was built for another graphrun", "build it again"}},
    {"no_ops", {"gives nothing", "'ops' and 'sources'"}},
    {"no_symbol", {"does not export graphrun_plugin()"}},
};

static const char *odd_path(const char *what)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/odd_%s.so", GR_BUILD_DIR, what);
    return path;
}

static void broken_plugins_are_refused(void)
{
    gr_arena *a = gr_arena_create();
    gr_registry *r = gr_registry_create(a);
    int before = gr_registry_count(r);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        gr_error e = {0};
        CU_ASSERT_NOT_EQUAL(gr_registry_load(r, odd_path(odd[i].what), &e), 0);
        bool says = strstr(e.message, odd_path(odd[i].what)) != NULL;
        for (int k = 0; k < 3 && odd[i].says[k]; k++) says = says && strstr(e.message, odd[i].says[k]);
        CU_ASSERT(says);
        if (!says) printf("\n  %s: %s\n", odd[i].what, e.message);
    }
    CU_ASSERT_EQUAL(gr_registry_count(r), before); /* they gave nothing */
    gr_arena_destroy(a);
}

/* ---- files that are not whole ---- */

/* `bytes` of the plugin with the byte at `at` made `byte` (at < 0: as it is); what loading it says. */
static const char *load_damaged(gr_arena *a, const char *whole, size_t bytes, long at, int byte)
{
    gr_error e = {0};
    const char *path = temp_path("damaged.so");
    FILE *f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fwrite(whole, 1, bytes, f);
    if (at >= 0 && fseek(f, at, SEEK_SET) == 0) fputc(byte, f);
    fclose(f);
    CU_ASSERT_NOT_EQUAL(gr_registry_load(gr_registry_create(a), path, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, path));
    remove(path);
    return gr_arena_strdup(a, e.message);
}

/* Mapped, the pages behind the end of a file that was cut are a bus error. */
static void files_that_are_not_whole_are_refused(void)
{
    gr_arena *a = gr_arena_create();
    size_t size;
    char *whole = read_text(PLUGIN, &size);
    CU_ASSERT_TRUE_FATAL(whole && size > 4096);
    for (size_t n = 16; n < size; n = n < 64 ? n + 16 : n + 997) CU_ASSERT_PTR_NOT_NULL(strstr(load_damaged(a, whole, n, -1, 0), "is cut short or damaged: its "));
    CU_ASSERT_PTR_NOT_NULL(strstr(load_damaged(a, whole, size, offsetof(ElfW(Ehdr), e_phentsize), 1), "no table of segments"));
    CU_ASSERT_PTR_NOT_NULL(strstr(load_damaged(a, whole, size, offsetof(ElfW(Ehdr), e_phoff) + 6, 1), "its table of segments takes"));
    long segment = (long)sizeof(ElfW(Ehdr));
    CU_ASSERT_PTR_NOT_NULL(strstr(load_damaged(a, whole, size, segment + (long)offsetof(ElfW(Phdr), p_filesz) + 6, 1), "its segment 0 takes"));
    CU_ASSERT_PTR_NOT_NULL(strstr(load_damaged(a, whole, size, segment + (long)offsetof(ElfW(Phdr), p_offset) + 7, 255), "its segment 0 takes"));
    CU_ASSERT_PTR_NULL(strstr(load_damaged(a, whole, size, 0, 'x'), "is cut short")); /* no ELF file: dlopen's word */
    free(whole);
    gr_arena_destroy(a);
}

/* Older: what it does not have is zero. Newer: what is not in use does no harm. */
static void other_sizes_are_taken(void)
{
    static const char *const what[] = {"right", "older", "newer"};
    for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
        gr_arena *a = gr_arena_create();
        gr_registry *r = gr_registry_create(a);
        gr_error e = {0};
        CU_ASSERT_EQUAL(gr_registry_load(r, odd_path(what[i]), &e), 0);
        const gr_op *op = gr_registry_find(r, "Odd");
        CU_ASSERT_PTR_NOT_NULL_FATAL(op);
        CU_ASSERT_EQUAL(op->size, sizeof(gr_op));
        CU_ASSERT_PTR_NULL(op->cases);
        gr_arena_destroy(a);
        const char *path = temp_file("odd.yaml", "graphrun: 1\nplugins: ['%s']\ngraph:\n  x: {op: Ones, shape: [2]}\n  y: {op: Odd, in: x}\n", odd_path(what[i]));
        gr_session *s = open_with(path, NULL, GR_FLOAT32, &e);
        CU_ASSERT_PTR_NOT_NULL(s);
        gr_session_close(s);
    }
}

/* Summed up where it has fewer axes, it would be read past its end. */
static void a_gradient_has_its_inputs_shape(void)
{
    char told[2048] = "";
    FILE *to = fmemopen(told, sizeof told, "w");
    gr_error e = {0};
    const char *path = temp_file("odd_gradient.yaml", "graphrun: 1\nplugins: ['%s']\ngraph:\n  w: {op: Parameter, shape: [3], init: Ones}\n"
                                 "  y: {op: Odd, in: w}\n  loss: {op: Sum, in: y}\n"
                                 "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 1}\n", odd_path("other_gradient"));
    const gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .say = {say_in_file, to}};
    gr_session *s = gr_session_open(path, &o, &e);
    const gr_want w = {.update = true, .training = true};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_PTR_NULL(gr_session_compile(s, &w, &e));
    gr_session_close(s);
    fclose(to);
    CU_ASSERT_PTR_NOT_NULL(strstr(told, "odd_gradient.yaml:5:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(told, "op Odd: its gradient toward input 0 of 'y' is float32 [], but the input is float32 [3]"));
}

void test_plugin(void)
{
    CU_pSuite s = CU_add_suite("plugin", NULL, NULL);
    CU_add_test(s, "a cell in C is the cell in YAML, bit for bit", plugin_cell_is_the_yaml_cell);
    CU_add_test(s, "an sLSTM whose forget gate is open", an_open_forget_gate_is_finite);
    CU_add_test(s, "gradients of a plugin's ops", plugin_gradients_are_right);
    CU_add_test(s, "plugins are loaded on request, once", ops_of_plugins_are_loaded_on_request);
    CU_add_test(s, "a gradient has its input's shape", a_gradient_has_its_inputs_shape);
    CU_add_test(s, "broken plugins are refused, with file, op and field", broken_plugins_are_refused);
    CU_add_test(s, "files that were cut or damaged are refused", files_that_are_not_whole_are_refused);
    CU_add_test(s, "older and newer plugins are taken where they can be", other_sizes_are_taken);
}
