/* test_cli_models.c - the subcommands that look at a model: check, gradcheck, dot, data. */
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_is_silent_when_all_is_well(void)
{
    CU_ASSERT_EQUAL(graphrun("check %s", HELLO), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "");
    CU_ASSERT_STRING_EQUAL(err_text, "");
    const char *bad = temp_file("bad.yaml", "graphrun: 1\nname: bad\ngraph:\n  a: {op: Tahn, in: b}\n");
    CU_ASSERT_EQUAL(graphrun("check %s %s", bad, HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "bad.yaml:4:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "Tanh"));
}

static void open_axes_are_well(void)
{
    const char *model = temp_file("open.yaml", "graphrun: 1\ngraph:\n  x: {op: Input, shape: [time, batch, 4]}\n"
                                               "  r: {op: GRU, in: x, hidden_size: 3}\n");
    CU_ASSERT_EQUAL(graphrun("check %s", model), 0);
    CU_ASSERT_STRING_EQUAL(err_text, "");
    CU_ASSERT_EQUAL(graphrun("run %s", model), 1);
}

static void a_scan_says_its_axis(void)
{
    const char *model = temp_file("over.yaml", "graphrun: 1\nvars: {batch: 2, time: 3}\ngraph:\n"
                                               "  x: {op: Input, shape: [batch, time, 4]}\n"
                                               "  s: {op: Scan, in: {x: x}, carry: {h: {init: zeros, size: 4, next: y}}, "
                                               "step: {y: {op: Add, in: [x, h]}}, out: {output: y}}\n");
    CU_ASSERT_EQUAL(graphrun("check %s", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "say which axis the Scan runs over"));
}

static void names_that_are_not_there_are_listed(void)
{
    CU_ASSERT_EQUAL(graphrun("run %s --fetch nothing_such", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "letters"));
    CU_ASSERT_EQUAL(graphrun("run %s --input z=a.npy", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "it has: x, y"));
    CU_ASSERT_EQUAL(graphrun("run %s --grad nothing_such", HELLO), 1);
    CU_ASSERT_EQUAL(graphrun("run %s --fetch leters", HELLO), 1);
    CU_ASSERT_STRING_EQUAL(err_text, "graphrun: error: the model has no value called 'leters'; did you mean 'letters'?\n");
    CU_ASSERT_EQUAL(graphrun("ops lstm"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "did you mean 'LSTM'?"));
    CU_ASSERT_EQUAL(graphrun("ops Tahn"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "Tanh"));
    CU_ASSERT_EQUAL(graphrun("ops Tanh"), 0);
    CU_ASSERT_EQUAL(graphrun("ops"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\n  CharText "));
    CU_ASSERT_EQUAL(graphrun("ops TextPairs"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "fields:\n  source "));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "$data.NAME:\n  source_vocab "));
    CU_ASSERT_EQUAL(graphrun("ops CharText"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "max_chars"));
}

static void gradients_are_checked(void)
{
    CU_ASSERT_EQUAL(graphrun("gradcheck %s", HELLO), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "4 checked, 0 wrong"));
}

static void checking_nothing_is_an_error(void)
{
    const char *model = temp_file("nothing.yaml", "graphrun: 1\nname: nothing\ngraph:\n  a: {op: Constant, value: [1.5, 2.5]}\n"
                                                  "  loss: {op: Sum, in: a}\n");
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "nothing to check"));
}

static void gradcheck_chooses_lengths(void)
{
    const char *model = temp_file("open.yaml", "graphrun: 1\nname: open\ngraph:\n  x: {op: Input, shape: [time, batch, 3]}\n"
                                               "  rnn: {op: GRU, in: x, hidden_size: 2}\n  loss: {op: Sum, in: rnn.output}\n");
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss", model), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "3 as the length of 'time', which nothing gives"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, " 18 elements"));
}

static void formats_fit_their_files(void)
{
    CU_ASSERT_EQUAL(graphrun("dot " GR_SOURCE_DIR "/graphs/hello.yaml --format mermaid -o %s", temp_path("picture.svg")), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "--format mermaid does not belong into"));
    CU_ASSERT_EQUAL(graphrun("dot " GR_SOURCE_DIR "/graphs/hello.yaml --format mermaid -o %s", temp_path("picture.md")), 0);
    CU_ASSERT_EQUAL(graphrun("dot " GR_SOURCE_DIR "/graphs/hello.yaml --format dot -o %s", temp_path("picture")), 0);
}

static void wrong_gradients_are_found(void)
{
    const char *model = temp_file("wrong.yaml",
        "graphrun: 1\nname: wrong\n"
        "graph:\n"
        "  p: {op: Parameter, shape: [3], init: {op: Normal}}\n"
        "  q: {op: Parameter, shape: [3], init: {op: Normal}}\n"
        "  bad: {op: HalvedSquare, in: p}\n"
        "  sum: {op: Add, in: [bad, q]}\n"
        "  loss: {op: Sum, in: sum}\n");
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "HalvedSquare")); /* no such op without the plugin */
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss --plugin %s/tests/wrong_gradient.so", model, GR_BUILD_DIR), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "2 checked, 1 wrong"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "WRONG\n    element ["));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "]: the gradient is "));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, ", finite differences give "));
}

/* Each says what is meant, and nothing else besides. */
static void one_mistake_is_told_once(void)
{
    static const char head[] = "graphrun: 1\nname: m\n";
    static const struct { const char *text, *says; int errors; } models[] = {
        {"graph:\n  x: {op: Input, shape: [time, batch, 2]}\n  s:\n    op: Scan\n    over: tyme\n    in: {v: x}\n"
         "    carry: {h: {init: zeros, size: 2, next: n}}\n    step:\n      n: {op: Add, in: [v, h]}\n    out: {output: n}\n", "did you mean 'time'?", 1},
        {"data: {op: Inline, values: {x: [[[1.0]], [[2.0]]]}}\ngraph:\n  x: {op: Input, shape: [time, batch, 1], from: data.x}\n"
         "  rnn: {op: RNN, in: x, hidden_size: 2}\n  loss: {op: Mean, in: rnn.output}\n"
         "train: {minimize: loss, optimizer: SGD, epochs: 1, carry: rn}\n", "no loop is called so; did you mean 'rnn'?", 1},
        {"vars: {n: \"24\"}\ngraph:\n  x: {op: Parameter, shape: [2], init: Normal}\n  loss: {op: Sum, in: x}\n"
         "train: {minimize: loss, optimizer: SGD, steps: $n}\n", ":3:11: note: 'n' is text here, because of the quotes", 1},
        {"\tgraph: {}\n", "a tab; YAML is indented with spaces alone", 1},
        {"graph:\n  x: {op: Input, shape: [time, batch, 2]}\n  s:\n    op: Scan\n    over: time\n    in: {v: x}\n"
         "    carry: {h: {init: zeros, size: 2, next: n}}\n    out: {output: n}\n    step:\n    n: {op: Add, in: [v, h]}\n", "'step' has no value; indent", 1},
        {"plugins: [absent.so]\ngraph:\n  x: {op: Input, shape: [2]}\n  y: {op: SoftSwish, in: x}\n", "absent.so: cannot open", 1},
        {"graph:\n  x: {op: parameter, shape: [2], init: Normal}\n  y: {op: log_softmax, in: x}\n", "", 0},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        int errors = 0;
        CU_ASSERT_EQUAL(graphrun("check %s", temp_file("mistake.yaml", "%s%s", head, models[i].text)), models[i].errors ? 1 : 0);
        for (const char *at = err_text; (at = strstr(at, "error: ")); at++) errors++;
        CU_ASSERT_EQUAL(errors, models[i].errors);
        CU_ASSERT_PTR_NOT_NULL(strstr(err_text, models[i].says));
        if (errors != models[i].errors || !strstr(err_text, models[i].says)) fprintf(stderr, "model %d: '%s', but: %s", (int)i, models[i].says, err_text);
    }
}

static void growing_losses_are_told(void)
{
    const char *model = temp_file("growing.yaml",
        "graphrun: 1\nname: growing\n"
        "data: {op: Inline, values: {x: [[1.0], [2.0], [-1.0]]}}\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, 1], from: data.x}\n"
        "  y: {op: Linear, in: x, out_features: 1}\n"
        "  s: {op: Square, in: y}\n"
        "  loss: {op: Mean, in: s}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.01}, epochs: 3}\n");
    CU_ASSERT_EQUAL(graphrun("%s --set train.optimizer.lr=1e6", model), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "e+")); /* no row of digits */
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "training diverged: the loss grew from "));
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "a smaller lr may help, and so may clip_grad_norm: 1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, " s in all, with reading, compiling"));
    CU_ASSERT_EQUAL(graphrun("%s", model), 0);
    CU_ASSERT_PTR_NULL(strstr(err_text, "diverged"));
}

static void blocks_without_an_end_are_told_shortly(void)
{
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("endless.yaml", "graphrun: 1\nname: endless\nblocks:\n"
        "  A: {in: [x], graph: {y: {op: B, in: x}}, out: {o: y}}\n  B: {in: [x], graph: {y: {op: A, in: x}}, out: {o: y}}\n"
        "graph:\n  x: {op: Ones, shape: [2]}\n  a: {op: A, in: x}\n")), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "endless.yaml:4:3: error: block 'A' uses itself without an end: A -> B -> A; a 'when'"));
    CU_ASSERT_EQUAL(line_count(err_text), 3);
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("endless.yaml", "graphrun: 1\nblocks:\n"
        "  A: {in: [x], graph: {y: {op: A, in: x}, z: {op: A, in: x}, s: {op: Add, in: [y, z]}}, out: {o: s}}\n"
        "graph:\n  x: {op: Ones, shape: [2]}\n  a: {op: A, in: x}\n")), 1); /* soon */
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "A -> A; a 'when'"));
    CU_ASSERT_EQUAL(line_count(err_text), 3);
}

/* Expanding recurses: a chain of thousands would run out of stack. */
static void chains_of_blocks_have_an_end(void)
{
    static const struct { int blocks, status; } cases[] = {{64, 0}, {65, 1}, {6000, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        fputs("graphrun: 1\nname: chain\nblocks:\n", f);
        for (int k = 1; k < cases[i].blocks; k++) fprintf(f, "  B%d: {in: [x], graph: {y: {op: B%d, in: x}}, out: {y: y}}\n", k, k + 1);
        fprintf(f, "  B%d: {in: [x], graph: {y: {op: Tanh, in: x}}, out: {y: y}}\n", cases[i].blocks);
        fputs("graph:\n  x: {op: Ones, shape: [2]}\n  a: {op: B1, in: x}\n", f);
        fclose(f);
        CU_ASSERT_EQUAL(graphrun("check %s", temp_file("chain.yaml", "%s", text)), cases[i].status);
        CU_ASSERT_EQUAL(strstr(err_text, "chain.yaml:4:3: error: block 'B1' uses a block that uses another, and so on, more than 64 deep") != NULL,
                        cases[i].status);
        CU_ASSERT_EQUAL(line_count(err_text), 3 * cases[i].status);
        free(text);
    }
}

#define CLASSIFIER \
    "graph:\n  x: {op: Ones, shape: [2, 3]}\n  t: {op: Zeros, shape: [2], dtype: int32}\n  y: {op: Linear, in: x, out_features: 3}\n" \
    "  loss: {op: CrossEntropyLoss, in: {input: y, target: t}}\ntrain: {minimize: loss, optimizer: {op: SGD, lr: 1}"

/* What a file says, and words of the one message that it gets. */
static const struct { const char *text, *message; } mistake[] = {
    {"data: {op: CharText, path: /nowhere/at_all.txt}\n"
     "vars: {batch: 2, time: 3}\ngraph:\n  x: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
     "  y: {op: OneHot, in: x, num_classes: $data.vocab}\n", "/nowhere/at_all.txt"},
    {"data: {op: Inline, values: {x: [[1, 2]]}}\n"
     "graph:\n  x: {op: Input, shape: [batch, time], dtype: int32, from: data.z}\n", "no field 'z'"},
    {"vars: {part: 0.5}\ndata: {op: Npy, files: {x: /nowhere/x.npy}, split: {train: $part}}\n"
     "graph:\n  x: {op: Ones, shape: [2]}\n  y: {op: Tahn, in: x}\n", "did you mean 'Tanh'?"},
    {"data: {op: Npy, files: {x: /nowhere/x.npy}}\ngraph:\n  x: {op: Input, shape: [batch, 2], from: data.x}\n"
     "  y: {op: Sum, in: x}\n", "where `data` looks"},
    {"graph:\n  w: {op: Parameter, shape: [2], init: {op: Unifrom}}\n  y: {op: Sum, in: w}\n", "did you mean 'Uniform'?"},
    {"graph:\n  w: {op: Parameter, shape: [2], init: {op: Uniform, lo: 1}}\n  y: {op: Sum, in: w}\n", "does not understand 'lo=1'"},
    {"graph:\n  w: {op: Parameter, shape: [2], init: {op: Orthogonal}}\n  y: {op: Sum, in: w}\n", "needs two axes or more"},
    {"graph:\n  x: {op: Fill, shape: [2], valu: 3}\n", "did you mean 'value'?"},
    {"graph:\n  x: {op: Ones, shape: [2, 3, 4]}\n  y: {op: Scan, in: {v: x}, carry: {h: {init: zeroes, size: 4, "
     "next: n}}, step: {n: {op: Add, in: [h, v]}}, out: {output: n}}\n  z: {op: Sum, in: y.output}\n", "called 'zeroes'"},
    {"graph:\n  x: {op: Parameter, shape: [2], init: {op: Ones}}\n  y: {op: Sum, in: x}\n"
     "train: {minimise: y, optimizer: {op: SGD, lr: 1}}\n", "did you mean 'minimize'?"},
    {"graph:\n  x: {op: Ones, shape: [2, 3]}\n  y: {op: Linear, in: x, out_features: 1000000000000}\n", "must be at most"},
    {CLASSIFIER ", best: accuracy}\nmetrics: [{op: Accuracy, in: {inptu: y, target: t}}]\n", "no input 'inptu'; did you mean 'input'?"},
    {CLASSIFIER ", best: accuracy}\nmetric: [accuracy]\n", "did you mean 'metrics'?"},
    {CLASSIFIER "}\nmetrics: [ConfusionMatrix]\n", "'ConfusionMatrix' is an op, but no metric; there are: Accuracy, "},
    {CLASSIFIER "}\ngenerate: {feed: t, from: logit}\n", "no node called 'logit'; there are: x, t, y, loss"},
    {CLASSIFIER "}\ngenerate: {feed: t, from: y, show: los.weights}\n", "no node called 'los'; did you mean 'loss'?"},
    {"graph:\n  x: {op: Ones, shape: [4, 2, 3]}\n  l: {op: Ones, shape: [2]}\n"
     "  r: {op: LSTM, in: x, hidden_size: 2, bidirectional: true, lengths: l}\n", "an Input says dtype: int32"},
    {"graph:\n  x: {op: Ones, shape: [4, 2, 3]}\n  s: {op: Zeros, shape: [3]}\n  y: {op: Scan, in: {v: x}, carry: {h: {init: s, "
     "next: n}}, step: {n: {op: Add, in: [h, v]}}, out: {output: n}}\n", "Expand repeats what it starts from"},
    {"graph:\n  x: {op: Zeros, shape: [2], dtype: int32}\n  e: {op: Embedding, in: x, num_embeddings: 4, embedding_dim: 6, "
     "when: false}\n  f: {op: Embedding, in: x, num_embeddings: 4, embedding_dim: 6, weight: e.weight}\n", "'e.weight' is absent here"},
    {"vars: {time: 2}\ngraph:\n  x: {op: Zeros, shape: [time], dtype: int32}\n  e: {op: Embedding, in: x, num_embeddings: 4, "
     "embedding_dim: 6, when: false}\n  y: {op: Scan, in: {v: x}, carry: {h: {init: zeros, size: 6, next: n}}, step: {n: {op: "
     "Embedding, in: v, num_embeddings: 4, embedding_dim: 6, weight: e.weight}}}\n", "no parameter called 'e.weight'"},
};

static void check_says_each_mistake_once(void)
{
    for (size_t i = 0; i < sizeof mistake / sizeof *mistake; i++) {
        char text[1024];
        snprintf(text, sizeof text, "graphrun: 1\nname: once\n%s", mistake[i].text);
        CU_ASSERT_EQUAL(graphrun("check %s", temp_file("once.yaml", text)), 1);
        const char *first = strstr(err_text, ": error: ");
        CU_ASSERT_PTR_NOT_NULL_FATAL(first);
        CU_ASSERT_PTR_NOT_NULL(strstr(first, mistake[i].message));
        CU_ASSERT_PTR_NULL(strstr(first + 1, ": error: "));
        if (strstr(first + 1, ": error: ") || !strstr(first, mistake[i].message)) fprintf(stderr, "\n%s", err_text);
    }
}

static void data_of_another_shape_are_placed(void)
{
    temp_file("series.csv", "v\n1\n2\n3\n4\n5\n6\n");
    const char *model = temp_file("series.yaml",
        "graphrun: 1\nname: series\nvars: {batch: 2}\ndata: {op: Series, path: series.csv, window: 2}\n"
        "graph:\n  x: {op: Input, shape: [batch, time, 3], from: data.inputs}\n  y: {op: Linear, in: x, out_features: 1}\n"
        "  loss: {op: Mean, in: y}\ntrain: {minimize: loss, optimizer: {op: SGD, lr: 1}, epochs: 1}\n");
    CU_ASSERT_EQUAL(graphrun("train %s", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "series.yaml:6:3: 'x' is float32 [batch 2, time 2, 3], but data.inputs is [2, 2, 1] in this batch"));
}

static void mistakes_of_a_scan_are_placed(void)
{
    static const char scan[] = "graphrun: 1\nname: places\nvars: {time: 2}\ngraph:\n  x: {op: Input, shape: [time, 3, 4]}\n  y:\n"
                               "    op: Scan\n    in: {v: x}\n    over: %s\n    carry:\n      h: {init: zeros, size: %d, next: n}\n"
                               "    step:\n      n: {op: Add, in: [h, v]}\n    out: {output: n}\n  z: {op: Sum, in: y.output}\n";
    char text[1024];
    snprintf(text, sizeof text, scan, "tiem", 4);
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("place.yaml", text)), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "place.yaml:9:11: error: the Scan 'y' runs over 'tiem'"));
    snprintf(text, sizeof text, scan, "time", 5);
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("place.yaml", text)), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "place.yaml:13:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "place.yaml:11:7: note: 'h'"));
    /* A carry that starts from zeros has the axes of its next. */
    static const char rows[] = "graphrun: 1\nvars: {time: 4, batch: 3, rows: 3}\ngraph:\n  x: {op: Input, shape: [time, batch, 5]}\n"
                               "  y: {op: Input, shape: [rows, 5]}\n  s:\n    op: Scan\n    over: time\n    in: {x: x}\n    with: {y: y}\n"
                               "    carry: {h: {init: zeros, size: 5, next: n}}\n    step:\n      o: {op: Add, in: [h, y]}\n"
                               "      n: {op: Tanh, in: x}\n    out: {output: o}\n";
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("rows.yaml", rows)), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "rows.yaml:13:7: error: s.o (Add): shapes float32 [batch 3, 5] and float32 [rows 3, 5]"));
}

static void indices_out_of_range_are_named(void)
{
    const char *model = temp_file("index.yaml", "graphrun: 1\nname: index\ndata: {op: Inline, values: {x: [[1, 7]]}}\n"
                                  "graph:\n  x: {op: Input, shape: [batch, time], dtype: int32, from: data.x}\n"
                                  "  e: {op: Embedding, in: x, num_embeddings: 4, embedding_dim: 2}\n"
                                  "  l: {op: Sum, in: e}\n"
                                  "train: {minimize: l, optimizer: {op: SGD, lr: 1}, epochs: 1}\n");
    CU_ASSERT_EQUAL(graphrun("train %s", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "index.yaml:6:3: training step 0 was not finite: the first value was NaN in 'e': index holds 7, but there are 4 rows, 0 to 3"));
}

static void graphs_are_drawn(void)
{
    CU_ASSERT_EQUAL(graphrun("dot %s", HELLO), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "digraph", 7), 0);
    CU_ASSERT_EQUAL(graphrun("dot %s -o /nowhere/a.svg", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "graphrun: error: /nowhere/a.svg"));
    const char *fed = temp_file("fed.yaml", "graphrun: 1\ngraph:\n  x: {op: Input, shape: [time, 2, 3]}\n"
                                "  rnn: {op: GRU, in: x, hidden_size: 4}\n  flat: {op: Reshape, in: rnn.output, shape: [-1]}\n");
    CU_ASSERT_EQUAL(graphrun("check %s", fed), 0);
    CU_ASSERT_EQUAL(graphrun("dot %s", fed), 0); /* no length that is made up is shown */
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "&#91;time, 2, 3&#93;"));
    CU_ASSERT_EQUAL(graphrun("dot %s --depth all", fed), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "each step"));
    CU_ASSERT_PTR_NULL(strstr(out_text, "101"));
    CU_ASSERT_PTR_NULL(strstr(out_text, "808"));
    CU_ASSERT_EQUAL(graphrun("dot %s", HELLO), 0);
    CU_ASSERT_PTR_NULL(strstr(out_text, "0x")); /* an address would differ from run to run */
    for (const gr_pass *p = gr_passes; p->name; p++) {
        CU_ASSERT_EQUAL(graphrun("dot %s --after %s", HELLO, p->name), 0);
        CU_ASSERT_EQUAL(strncmp(out_text, "digraph", 7), 0);
    }
}

static void pictures_have_formats(void)
{
    CU_ASSERT_EQUAL(graphrun("dot %s --format mermaid", HELLO), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "flowchart TD\n", 13), 0);
    CU_ASSERT_EQUAL(graphrun("dot %s --format mermaid --steps 2", HELLO), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "block-beta\n", 11), 0);
    const char *page = temp_path("picture.md");
    CU_ASSERT_EQUAL(graphrun("dot %s -o '%s'", HELLO, page), 0);
    char *text = read_text(page, NULL);
    CU_ASSERT_EQUAL(strncmp(text, "```mermaid\nflowchart TD\n", 24), 0);
    CU_ASSERT_STRING_EQUAL(text + strlen(text) - 4, "```\n");
    free(text);
    CU_ASSERT_EQUAL(graphrun("dot %s -o picture.bmp", HELLO), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "'picture.bmp' ends in none of .dot"));
    CU_ASSERT_EQUAL(graphrun("dot %s --format gif", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("dot %s --depth deep", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("dot %s --steps 0", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("dot %s --steps 2 --after hoist", HELLO), 2);
}

/* The same file gives the same bytes, in another process and at other addresses. */
static void pictures_are_the_same_each_time(void)
{
    static const char *const options[] = {"", "--after fuse --depth all", "--after hoist", "--steps 3 --threads 2", "--format mermaid --after merge"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        CU_ASSERT_EQUAL(graphrun("dot %s %s", HELLO, options[i]), 0);
        char *first = strdup(out_text);
        CU_ASSERT_EQUAL(graphrun("dot %s %s", HELLO, options[i]), 0);
        CU_ASSERT_STRING_EQUAL(out_text, first);
        free(first);
    }
}

/* A picture that cannot be made leaves what stood at its place. */
static void without_graphviz_pictures_say_how(void)
{
    const char *kept = temp_file("kept.svg", "as it was");
    char line[4096];
    snprintf(line, sizeof line, "PATH=/nowhere '%s/tools/graphrun' dot '%s' -o '%s' 2>'%s'", GR_BUILD_DIR, HELLO, kept, temp_path("stderr"));
    int status = system(line);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    char *err = read_text(temp_path("stderr"), NULL), *text = read_text(kept, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "apt-get install graphviz"));
    CU_ASSERT_STRING_EQUAL(text, "as it was");
    free(err);
    free(text);
}

static void batches_are_shown(void)
{
    const char *folder = temp_path("batches");
    CU_ASSERT_EQUAL(graphrun("data %s", HELLO), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "x: int32 [1, 5]"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "[[1, 0, 2, 2, 3]]"));
    CU_ASSERT_EQUAL(graphrun("data %s -o %s --batches 3", HELLO, folder), 0);
    char file[1024];
    snprintf(file, sizeof file, "%s/y_0.npy", folder);
    CU_ASSERT_EQUAL(access(file, R_OK), 0);
    CU_ASSERT_EQUAL(graphrun("data %s --split valid", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "no split 'valid'; there are: train"));
    CU_ASSERT_EQUAL(graphrun("data %s -o /nowhere/folder", HELLO), 1);
    CU_ASSERT_EQUAL(graphrun("data %s --batches -1", HELLO), 2);
}

void test_cli_models(void)
{
    CU_pSuite s = CU_add_suite("cli_models", NULL, NULL);
    CU_add_test(s, "formats of pictures fit their files", formats_fit_their_files);
    CU_add_test(s, "check is silent when all is well", check_is_silent_when_all_is_well);
    CU_add_test(s, "unknown names list the known ones", names_that_are_not_there_are_listed);
    CU_add_test(s, "gradcheck passes on every model file", gradients_are_checked);
    CU_add_test(s, "losses that grow are told", growing_losses_are_told);
    CU_add_test(s, "one mistake is told once", one_mistake_is_told_once);
    CU_add_test(s, "gradcheck chooses lengths that nothing gives", gradcheck_chooses_lengths);
    CU_add_test(s, "gradcheck fails on a wrong gradient", wrong_gradients_are_found);
    CU_add_test(s, "axes without a length are no mistake", open_axes_are_well);
    CU_add_test(s, "a Scan over named axes says which", a_scan_says_its_axis);
    CU_add_test(s, "gradcheck of nothing is an error", checking_nothing_is_an_error);
    CU_add_test(s, "check says each mistake once", check_says_each_mistake_once);
    CU_add_test(s, "blocks without an end are told shortly", blocks_without_an_end_are_told_shortly);
    CU_add_test(s, "chains of blocks have an end", chains_of_blocks_have_an_end);
    CU_add_test(s, "data of another shape than an Input are told at the Input", data_of_another_shape_are_placed);
    CU_add_test(s, "mistakes of a Scan are placed", mistakes_of_a_scan_are_placed);
    CU_add_test(s, "an index out of range is named", indices_out_of_range_are_named);
    CU_add_test(s, "batches are shown and written", batches_are_shown);
    CU_add_test(s, "the graph is drawn after every pass", graphs_are_drawn);
    CU_add_test(s, "dot writes the format that is asked for", pictures_have_formats);
    CU_add_test(s, "a picture is the same each time", pictures_are_the_same_each_time);
    CU_add_test(s, "without Graphviz dot says how to get it", without_graphviz_pictures_say_how);
}
