/* test_schema.c - the JSON Schema accepts every model of graphs/ and finds planted mistakes, by a validator
 * that is not ours (python3-jsonschema; without it the test is skipped, saying so). */
#include "model/doc.h"
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PLUGIN GR_BUILD_DIR "/graphs/plugins/minimal_gated.so"

/* ---- YAML to JSON ---- */

static json_t *to_json(const gr_doc *d)
{
    int64_t i;
    double f;
    bool yes;
    json_t *made;
    switch (d->kind) {
    case GR_DOC_NULL: return json_null();
    case GR_DOC_LIST:
        made = json_array();
        for (int k = 0; k < d->count; k++) json_array_append_new(made, to_json(d->item[k]));
        return made;
    case GR_DOC_MAP:
        made = json_object();
        for (int k = 0; k < d->count; k++) json_object_set_new(made, d->item[k]->key, to_json(d->item[k]));
        return made;
    case GR_DOC_SCALAR: break;
    }
    if (d->plain && gr_doc_bool(d, &yes) == 0) return json_boolean(yes);
    if (d->plain && gr_doc_int(d, &i) == 0) return json_integer(i);
    if (d->plain && gr_doc_float(d, &f) == 0 && isfinite(f)) return json_real(f);
    return json_string(d->text);
}

/* folder/name.json */
static void write_json(const char *folder, const char *name, const char *yaml)
{
    gr_arena *a = gr_arena_create();
    gr_diag *diag = gr_diag_create(a);
    gr_doc *d = gr_doc_read_text(a, name, yaml, strlen(yaml), diag);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    json_t *root = to_json(d);
    CU_ASSERT_EQUAL(json_dump_file(root, gr_arena_printf(a, "%s/%s.json", folder, name), JSON_COMPACT), 0);
    json_decref(root);
    gr_arena_destroy(a);
}

static int write_graphs(const char *folder, const char *path, const char *prefix)
{
    DIR *dir = opendir(path);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char file[1024], name[512];
        const char *end = strrchr(e->d_name, '.');
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        snprintf(name, sizeof name, "%s_%s", prefix, e->d_name);
        if (e->d_name[0] != '.' && e->d_type == DT_DIR) n += write_graphs(folder, file, name);
        if (!end || strcmp(end, ".yaml") != 0) continue;
        char *text = read_text(file, NULL);
        write_json(folder, name, text);
        free(text);
        n++;
    }
    if (dir) closedir(dir);
    return n;
}

/* ---- the validator ---- */

static bool has_validator(void)
{
    static int known = -1;
    if (known < 0) known = system("python3 -c 'import jsonschema' 2>/dev/null") == 0;
    if (!known) printf("skipped: python3-jsonschema is not installed\n");
    return known;
}

/* What it says of all files of a folder, to be freed. */
static char *validate(const char *folder, const char *options)
{
    char command[8192];
    const char *schema = temp_path("schema.json"), *out = temp_path("validated");
    snprintf(command, sizeof command, "'%s/tools/graphrun' schema %s >'%s' && python3 '%s/tests/validate_schema.py' '%s' '%s' >'%s'", GR_BUILD_DIR,
             options, schema, GR_SOURCE_DIR, schema, folder, out);
    CU_ASSERT_EQUAL(system(command), 0);
    return read_text(out, NULL);
}

static const char *new_folder(const char *name)
{
    const char *folder = temp_path(name);
    mkdir(folder, 0700);
    return folder;
}

/* "--plugin 'a.so' --plugin 'b.so'" for those of graphs/plugins. */
static void all_plugins(char *to, size_t room)
{
    DIR *d = opendir(GR_BUILD_DIR "/graphs/plugins");
    size_t n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (end && strcmp(end, ".so") == 0)
            n += (size_t)snprintf(to + n, room - n, " --plugin '" GR_BUILD_DIR "/graphs/plugins/%s'", e->d_name);
    }
    if (d) closedir(d);
    CU_ASSERT(n > 0 && n < room);
}

static void graphs_fit(void)
{
    if (!has_validator()) return;
    const char *folder = new_folder("schema_graphs");
    int n = write_graphs(folder, GR_SOURCE_DIR "/graphs", "graphs"), fit = 0;
    char plugins[4096];
    all_plugins(plugins, sizeof plugins);
    char *text = validate(folder, plugins);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        bool fits = strstr(line, "\tfits") != NULL;
        fit += fits;
        if (!fits) printf("%s\n", line);
    }
    CU_ASSERT(n > 30);
    CU_ASSERT_EQUAL(fit, n);
    free(text);
}

/* ---- planted mistakes ---- */

static const char model[] =
    "graphrun: 1\n"
    "vars: {time: 5, batch: 2, hidden: 8, rate: 0.1}\n"
    "data: {op: CharText, path: a.txt, lower: true, split: {train: 0.9, valid: 0.1}}\n"
    "graph:\n"
    "  x: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
    "  y: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
    "  p: {op: Parameter, shape: [4], init: {op: Uniform, low: -1, high: 1}}\n"
    "  e: {op: Embedding, in: x, num_embeddings: $data.vocab, embedding_dim: \"${1 * hidden}\"}\n"
    "  rnn: {op: LSTM, in: {input: e}, hidden_size: $hidden, num_layers: 2}\n"
    "  logits: {op: Linear, in: rnn.output, out_features: $data.vocab, weight: e.weight}\n"
    "  again:\n"
    "    op: Scan\n"
    "    over: time\n"
    "    in: {a: rnn.output}\n"
    "    carry: {h: {init: zeros, size: $hidden, next: cell}}\n"
    "    step: {cell: {op: GRUCell, in: {input: a, h: h}, hidden_size: $hidden}}\n"
    "    out: {output: cell}\n"
    "  loss: {op: CrossEntropyLoss, in: {input: logits, target: y}, reduction: mean}\n"
    "train:\n"
    "  minimize: loss\n"
    "  optimizer: {op: Adam, lr: {op: Step, lr: $rate, step_size: 5}, betas: [0.9, 0.99], groups: [{params: e.weight, lr: 0.01}, {params: p, frozen: true}]}\n"
    "  epochs: 3\n"
    "  clip_grad_norm: 1\n"
    "  bptt: 20\n"
    "  early_stopping: {metric: loss, patience: 3}\n"
    "metrics: [perplexity, {op: TokenF1, average: macro}]\n"
    "generate: {feed: x, from: logits, prompt: a, length: 5, beam: 4, length_penalty: 1}\n";

typedef struct mistake { const char *right, *wrong, *place; } mistake;

static const mistake mistakes[] = {
    {"op: LSTM", "op: LSMT", "graph/rnn/op"},
    {"hidden_size: $hidden, num", "hidden_sise: $hidden, num", "graph/rnn"},
    {"num_layers: 2", "num_layers: 0", "graph/rnn/num_layers"},
    {"num_layers: 2", "num_layers: two", "graph/rnn/num_layers"},
    {"num_layers: 2", "num_layers: 1.5", "graph/rnn/num_layers"},
    {"in: {input: e}", "in: {inptu: e}", "graph/rnn/in"},
    {"num_layers: 2", "bias: 3", "graph/rnn/bias"},
    {"reduction: mean", "reduction: average", "graph/loss/reduction"},
    {"dtype: int32, from: data.tokens", "dtype: int31, from: data.tokens", "graph/x/dtype"},
    {"in: x, num", "in: [x, y], num", "graph/e/in"},
    {"embedding_dim: \"${1 * hidden}\"", "when: true", "graph/e"},
    {"embedding_dim: \"${1 * hidden}\"", "embedding_dim: [8]", "graph/e/embedding_dim"},
    {"over: time", "ovre: time", "graph/again"},
    {"next: cell}}", "nxt: cell}}", "graph/again/carry/h"},
    {"op: GRUCell, in: {input: a", "op: GRUCell, in: {inputs: a", "graph/again/step/cell/in"},
    {"op: GRUCell", "op: GRUCel", "graph/again/step/cell/op"},
    {"op: LSTM", "op: Recurrent, cell: LSTMCel", "graph/rnn/cell"},
    {"out: {output: cell}", "share: true", "graph/again"},
    {"shape: [time, batch], dtype: int32, from: data.targets", "shape: {time: 1}, from: data.targets", "graph/y/shape"},
    {"logits: {op", "\"log its\": {op", "graph"},
    {"vars: {", "var: {", ": "},
    {"graphrun: 1", "graphrun: 2", "graphrun"},
    {"graphrun: 1\n", "", ": "},
    {"op: CharText", "op: CharTxt", "data/op"},
    {"lower: true", "lowr: true", "data"},
    {"lower: true", "lower: 5", "data/lower"},
    {"minimize: loss", "minimise: loss", "train"},
    {"epochs: 3", "epoch: 3", "train"},
    {"epochs: 3", "epochs: -3", "train/epochs"},
    {"op: Adam", "op: Admm", "train/optimizer"},
    {"betas: [0.9, 0.99]", "beta: [0.9, 0.99]", "train/optimizer"},
    {"step_size: 5", "step_sise: 5", "train/optimizer"},
    {"op: Step", "op: Stp", "train/optimizer"},
    {"metrics: [perplexity", "metrics: [perplxity", "metrics/0"},
    {"average: macro", "average: mcro", "metrics/1"},
    {"from: logits", "form: logits", "generate"},
    {"length: 5", "length: long", "generate/length"},
    {"lr: {op: Step, lr: $rate, step_size: 5}", "lr: -1", "train/optimizer"},
    {"lr: $rate", "lr: -1", "train/optimizer"},
    {"lr: $rate", "lr: [1]", "train/optimizer"},
    {"step_size: 5", "step_size: 0", "train/optimizer"},
    {"step_size: 5", "by: batch, step_size: 5", "train/optimizer"},
    {"betas: [0.9, 0.99]", "betas: [0.9, 1.5]", "train/optimizer"},
    {"e.weight, lr: 0.01", "e.weight, lr: -0.01", "train/optimizer"},
    {"e.weight, lr: 0.01", "e.weight, rate: 0.01", "train/optimizer"},
    {"p, frozen: true", "p, frozen: true, lr: 0.1", "train/optimizer"},
    {"{params: p, frozen", "{param: p, frozen", "train/optimizer"},
    {"init: zeros, size: $hidden", "init: 3, size: $hidden", "graph/again/carry/h"},
    {"init: zeros, size: $hidden", "init: zeros", "graph/again/carry/h"},
    {"init: zeros, size: $hidden", "init: e, size: 3", "graph/again/carry/h"},
    {"init: zeros, size: $hidden", "init: zeros, size: 0", "graph/again/carry/h"},
    {"clip_grad_norm: 1", "clip_grad_norm: 0", "train/clip_grad_norm"},
    {"bptt: 20", "bptt: 0", "train/bptt"},
    {"bptt: 20", "valid_every: 0", "train/valid_every"},
    {"bptt: 20", "accumulate: 0", "train/accumulate"},
    {"patience: 3", "patience: 0", "train/early_stopping"},
    {"early_stopping: {metric: loss, patience: 3}", "early_stopping: 0", "train/early_stopping"},
    {"metric: loss, patience: 3", "metric: loss", "train/early_stopping"},
    {"beam: 4", "beam: 4000", "generate/beam"},
    {"length_penalty: 1", "length_penalty: -1", "generate/length_penalty"},
    {"prompt: a", "prompt: a, prompts: [b]", "generate"},
    {"split: {train: 0.9, valid: 0.1}", "split: {train: 0.9, valid: 0}", "data/split"},
    {"minimize: loss", "minimize: {}", "train/minimize"},
    {"minimize: loss", "minimize: []", "train/minimize"},
    {"epochs: 3", "epochs: $", "train/epochs"},
    {"lr: $rate", "lr: ~", "train/optimizer"},
    {"params: e.weight", "params: []", "train/optimizer"},
    {"op: Uniform, low", "op: Unifrom, low", "graph/p/init"},
    {"low: -1", "lo: -1", "graph/p/init"},
    {"init: {op: Uniform, low: -1, high: 1}", "init: Zeroes", "graph/p/init"},
};
enum { NUM_MISTAKES = sizeof mistakes / sizeof *mistakes };

static void plant(const char *folder, const char *right, const mistake *m, int i)
{
    char text[sizeof model + 256], name[32];
    const char *at = strstr(right, m->right);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    CU_ASSERT_FATAL(snprintf(text, sizeof text, "%.*s%s%s", (int)(at - right), right, m->wrong, at + strlen(m->right)) < (int)sizeof text);
    snprintf(name, sizeof name, "m%02d", i);
    write_json(folder, name, text);
}

/* Of the files m00, m01, ..., how many have their mistake found at its place. */
static int count_found(char *text, const mistake *list)
{
    int found = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int i;
        char want[128];
        if (sscanf(line, "m%d.json", &i) != 1) continue;
        snprintf(want, sizeof want, "\t%s", list[i].place);
        bool there = strstr(line, want) != NULL;
        found += there;
        if (!there) printf("%s for %s: %s\n", list[i].wrong, list[i].right, line);
    }
    return found;
}

/* What the schema refuses `check` refuses, and the right one it takes. */
static void check_agrees(const char *right, const mistake *m, int i)
{
    char text[sizeof model + 256];
    const char *at = strstr(right, m->right);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - right), right, m->wrong, at + strlen(m->right));
    const int refused = graphrun("check --set data.vocab=9 '%s'", temp_file("planted.yaml", "%s", text));
    CU_ASSERT_EQUAL(refused, 1);
    if (refused != 1) printf("check takes mistake %d, %s\n", i, m->wrong);
}

static void mistakes_are_found(void)
{
    CU_ASSERT_EQUAL(graphrun("check --set data.vocab=9 '%s'", temp_file("planted.yaml", "%s", model)), 0);
    for (int i = 0; i < NUM_MISTAKES; i++) check_agrees(model, &mistakes[i], i);
    if (!has_validator()) return;
    const char *folder = new_folder("schema_mistakes");
    write_json(folder, "right", model);
    for (int i = 0; i < NUM_MISTAKES; i++) plant(folder, model, &mistakes[i], i);
    char *text = validate(folder, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "right.json\tfits\n"));
    CU_ASSERT_EQUAL(count_found(text, mistakes), NUM_MISTAKES);
    free(text);
}

static void plugins_and_blocks_have_ops(void)
{
    if (!has_validator()) return;
    const char *folder = new_folder("schema_more");
    write_json(folder, "plugin", "graphrun: 1\ngraph:\n  x: {op: Ones, shape: [2]}\n  y: {op: SoftCap, in: x, cap: 3}\n");
    write_json(folder, "wrong", "graphrun: 1\ngraph:\n  x: {op: Ones, shape: [2]}\n  y: {op: SoftCap, in: x, cup: 3}\n");
    write_json(folder, "block", "graphrun: 1\nblocks: {Own: {in: x, vars: {depth: 2}, ranges: {depth: [1, ~]}, graph: {y: {op: Tanh, in: x}}, out: {y: y}}}\ngraph:\n"
                                "  x: {op: Ones, shape: [2]}\n  y: {op: Own, in: x, depth: 3}\n");
    char *without = validate(folder, ""), *with = validate(folder, "--plugin " PLUGIN);
    CU_ASSERT_PTR_NULL(strstr(without, "plugin.json\tfits"));
    CU_ASSERT_PTR_NOT_NULL(strstr(with, "plugin.json\tfits"));
    CU_ASSERT_PTR_NULL(strstr(with, "wrong.json\tfits"));
    CU_ASSERT_PTR_NOT_NULL(strstr(with, "block.json\tfits"));
    free(without);
    free(with);
}

/* A model with blocks, of which one uses the other, a plugin, and each mistake in an op's name that only the schema of this very
 * file can find. */
static const char owning[] =
    "graphrun: 1\n"
    "plugins: ['" PLUGIN "']\n"
    "blocks:\n"
    "  Half: {in: x, graph: {y: {op: Mul, in: [x, half]}, half: {op: Constant, value: 0.5}}, out: {y: y}}\n"
    "  Cell: {in: [x, h], vars: {hidden_size: ~, slope: 0.1}, graph: {a: {op: Linear, in: [x, h], out_features: $hidden_size},"
    " b: {op: Half, in: a}, h1: {op: LeakyReLU, in: b, negative_slope: $slope}}, out: {h: h1}}\n"
    "graph:\n"
    "  x: {op: Ones, shape: [4, 2, 3]}\n"
    "  rnn: {op: Recurrent, cell: Cell, in: x, hidden_size: 3}\n"
    "  soft: {op: SoftCap, in: rnn.output, cap: 3}\n"
    "  half: {op: Half, in: soft}\n"
    "  loop: {op: Scan, over: time, in: {a: half}, step: {b: {op: Half, in: a}}, out: {o: b}}\n";

static const mistake owning_mistakes[] = {
    {"cell: Cell", "cell: Sell", "graph/rnn/cell"},
    {"op: SoftCap", "op: SoftCup", "graph/soft/op"},
    {"half: {op: Half", "half: {op: Haff", "graph/half/op"},
    {"op: Half, in: soft", "op: Half, on: soft", "graph/half"},
    {"op: Half, in: a}}, out", "op: Helf, in: a}}, out", "graph/loop/step/b/op"},
    {"op: Half, in: a}, h1", "op: Calf, in: a}, h1", "blocks/Cell/graph/b/op"},
    {"op: LeakyReLU", "op: LeakyRelu", "blocks/Cell/graph/h1/op"},
};
enum { NUM_OWNING = sizeof owning_mistakes / sizeof *owning_mistakes };

static void a_file_has_a_schema_of_its_own(void)
{
    if (!has_validator()) return;
    const char *folder = new_folder("schema_owning");
    char path[300];
    snprintf(path, sizeof path, "%s", temp_file("owning.yaml", "%s", owning));
    write_json(folder, "right", owning);
    for (int i = 0; i < NUM_OWNING; i++) plant(folder, owning, &owning_mistakes[i], i);
    char *text = validate(folder, path), *general = validate(folder, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "right.json\tfits\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(general, "right.json\tfits\n"));
    CU_ASSERT_EQUAL(count_found(text, owning_mistakes), NUM_OWNING);
    free(text);
    free(general);
    CU_ASSERT_EQUAL(graphrun("schema '%s'", temp_file("bad_block.yaml", "graphrun: 1\nblocks: {A: {in: x, out: {y: x}}}\ngraph: {}\n")), 1);
    CU_ASSERT_EQUAL(graphrun("schema /nowhere.yaml"), 1);
    CU_ASSERT_EQUAL(graphrun("schema --set a=1"), 2);
}

void test_schema(void)
{
    CU_pSuite s = CU_add_suite("schema", NULL, NULL);
    CU_add_test(s, "every model of graphs/ fits", graphs_fit);
    CU_add_test(s, "planted mistakes are found where they are", mistakes_are_found);
    CU_add_test(s, "ops of plugins and blocks", plugins_and_blocks_have_ops);
    CU_add_test(s, "a file has a schema of its own", a_file_has_a_schema_of_its_own);
}
