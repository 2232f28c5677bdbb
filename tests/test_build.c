/* test_build.c - model files become graphs: names, inputs, blocks, Scans, ties, copies;
 * recurrent layers have PyTorch's parameters; every mistake is found at its line. */
#include "minimal_gated.h"
#include "model/body.h"
#include "pass/pass.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

typedef struct built {
    gr_arena *a;
    gr_diag *d;
    gr_model *m;
    gr_graph *raw, *typed; /* NULL where it could not be made */
} built;

/* Reads text as a model file and expands its graph. */
static built build(const char *text)
{
    built b = {.a = gr_arena_create()};
    gr_error e = {0};
    gr_model_options o = {.real = GR_FLOAT32, .text = text};
    gr_request r = {.train = false};
    b.d = gr_diag_create(b.a);
    b.m = gr_model_read(b.a, "a model", &o, b.d, &e);
    b.raw = b.m ? gr_model_graph(b.m) : NULL;
    b.typed = b.raw ? gr_pass_expand(b.raw, &r) : NULL;
    if (b.m) gr_model_check_unused(b.m);
    return b;
}

static built build_well(const char *text)
{
    built b = build(text);
    if (gr_diag_count(b.d)) gr_diag_print(b.d, stdout);
    CU_ASSERT_EQUAL(gr_diag_count(b.d), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.typed);
    return b;
}

static void done(built *b) { gr_arena_destroy(b->a); }

static const gr_type *type_of(const built *b, const char *name)
{
    gr_value *v = gr_graph_find_name(b->typed, name);
    if (!v) printf("\nno value is called %s\n", name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    return &v->type;
}

static void has_shape(const built *b, const char *name, int rank, int64_t d0, int64_t d1, int64_t d2)
{
    const gr_type *t = type_of(b, name);
    int64_t want[3] = {d0, d1, d2};
    bool same = t->rank == rank;
    for (int i = 0; same && i < rank; i++) same = t->dim[i] == want[i];
    if (!same) printf("\n%s is %s\n", name, gr_type_text(b->a, t));
    CU_ASSERT(same);
}

static void has_param(const built *b, const char *name, int rank, int64_t d0, int64_t d1)
{
    gr_state *s = gr_graph_find_state(b->typed, name);
    if (!s) printf("\nno parameter is called %s\n", name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const gr_type *t = &s->value->type;
    bool same = t->rank == rank && t->dim[0] == d0 && (rank < 2 || t->dim[1] == d1);
    if (!same) printf("\n%s is %s\n", name, gr_type_text(b->a, t));
    CU_ASSERT(same);
}

/* ---- the graph ---- */

static void inputs_by_any_form(void)
{
    built b = build_well("graphrun: 1\ngraph:\n"
                         "  a: {op: Input, shape: [2, 3]}\n"
                         "  w: {op: Input, shape: [4, 3]}\n"
                         "  one: {op: Tanh, in: a}\n"
                         "  list: {op: MatMul, in: [a, w], transpose_b: true}\n"
                         "  map: {op: Lerp, in: {weight: a, input: one, end: a}}\n"
                         "  key: {op: Tanh, input: a}\n"
                         "  p: {op: Split, in: w, sections: 2, dim: 0}\n"
                         "  second: {op: Neg, in: p.1}\n");
    has_shape(&b, "list", 2, 2, 4, 0);
    has_shape(&b, "second", 2, 2, 3, 0);
    const gr_model_input *in;
    CU_ASSERT_EQUAL(gr_model_inputs(b.m, &in), 2);
    CU_ASSERT_STRING_EQUAL(in[1].name, "w");
    done(&b);
}

static void copies_chain(void)
{
    built b = build_well("graphrun: 1\ngraph:\n"
                         "  x: {op: Input, shape: [2, 3]}\n"
                         "  enc: {op: Linear, in: x, out_features: 3, repeat: 3}\n"
                         "  same: {op: Linear, in: enc, out_features: 3, repeat: 2, share: true}\n"
                         "  first: {op: Neg, in: enc.0}\n");
    has_param(&b, "enc.0.weight", 2, 3, 3);
    has_param(&b, "enc.2.bias", 1, 3, 0);
    has_param(&b, "same.weight", 2, 3, 3);
    CU_ASSERT_EQUAL(b.typed->num_states, 8);
    done(&b);
}

static void weights_tie(void)
{
    built b = build_well("graphrun: 1\ngraph:\n"
                         "  logits: {op: Linear, in: e, out_features: 5, bias: false, weight: e.weight}\n"
                         "  x: {op: Input, shape: [2], dtype: int32}\n"
                         "  e: {op: Embedding, in: x, num_embeddings: 5, embedding_dim: 3}\n"
                         "  w: {op: Parameter, shape: [4, 3], init: {op: Zeros}}\n"
                         "  own: {op: Linear, in: e, out_features: 4, weight: w}\n"
                         "  raw: {op: MatMul, in: [e, e.weight], transpose_b: true}\n"
                         "  neg: {op: Neg, in: own.bias}\n");
    CU_ASSERT_EQUAL(b.typed->num_states, 3);
    has_param(&b, "e.weight", 2, 5, 3);
    CU_ASSERT_EQUAL(gr_graph_find_state(b.typed, "e.weight")->num_aliases, 1);
    done(&b);
}

static void blocks_are_ops(void)
{
    built b = build_well("graphrun: 1\n"
                         "blocks:\n"
                         "  Mlp:\n"
                         "    in: [x, skip?]\n"
                         "    vars: {width: ~, act: Tanh, deep: false, twice: \"${2 * width}\"}\n"
                         "    graph:\n"
                         "      out: {op: Add, in: [b, skip]}\n"
                         "      b: {op: Linear, in: a1, out_features: \"${width(x)}\"}\n"
                         "      a1: {op: $act, in: a}\n"
                         "      a: {op: Linear, in: x, out_features: $twice, when: $deep, else: shallow}\n"
                         "      shallow: {op: Linear, in: x, out_features: $width}\n"
                         "    out: {y: out}\n"
                         "graph:\n"
                         "  x: {op: Input, shape: [2, 3]}\n"
                         "  net: {op: Mlp, in: x, width: 7}\n"
                         "  deep: {op: Mlp, in: {x: net, skip: x}, width: 7, deep: true, act: ReLU}\n");
    has_param(&b, "net.shallow.weight", 2, 7, 3);
    has_param(&b, "net.b.weight", 2, 3, 7);
    has_param(&b, "deep.a.weight", 2, 14, 3);
    CU_ASSERT_PTR_NULL(gr_graph_find_state(b.typed, "net.a.weight"));
    has_shape(&b, "deep.y", 2, 2, 3, 0);
    done(&b);
}

static const char mgu[] = "graphrun: 1\n" MINIMAL_GATED_BLOCKS("Mgu");

static void scans_step(void)
{
    char text[2048];
    snprintf(text, sizeof text, "%s%s", mgu,
             "graph:\n"
             "  x: {op: Input, shape: [batch, time, 3]}\n"
             "  extra: {op: Input, shape: [time, batch, 2]}\n"
             "  start: {op: Input, shape: [batch, 5]}\n"
             "  memory: {op: Input, shape: [batch, 4]}\n"
             "  dec:\n"
             "    op: Scan\n"
             "    over: time\n"
             "    in: {x: x, e: extra}\n"
             "    with: {memory: memory}\n"
             "    carry:\n"
             "      h: {init: start, next: cell.h}\n"
             "      s: {init: zeros, size: 6, next: s1}\n"
             "    step:\n"
             "      cell: {op: Mgu, in: {x: [x, memory, e], h: h}, hidden_size: 5}\n"
             "      s1: {op: RNNCell, in: {input: cell, h: s}, hidden_size: 6}\n"
             "      o: {op: Linear, in: s1, out_features: 2}\n"
             "    out: {output: o, h: h}\n"
             "  y: {op: Linear, in: dec.output, out_features: 7}\n"
             "vars: {batch: 2, time: 4}\n");
    built b = build_well(text);
    has_shape(&b, "dec.output", 3, 2, 4, 2);
    has_shape(&b, "dec.h", 3, 2, 4, 5);
    has_shape(&b, "dec.h_n", 2, 2, 5, 0);
    has_shape(&b, "dec.s_n", 2, 2, 6, 0);
    has_param(&b, "dec.cell.f.weight", 2, 5, 3);
    has_param(&b, "dec.cell.f.weight_1", 2, 5, 4);
    has_param(&b, "dec.cell.f.weight_2", 2, 5, 2);
    has_param(&b, "dec.cell.f.weight_3", 2, 5, 5);
    has_param(&b, "dec.s1.weight_hh", 2, 6, 6);
    done(&b);
}

static void any_cell_recurs(void)
{
    char text[2048];
    snprintf(text, sizeof text, "%s%s", mgu,
             "graph:\n"
             "  x: {op: Input, shape: [4, 2, 3]}\n"
             "  r: {op: Recurrent, cell: Mgu, in: x, hidden_size: 5, num_layers: 2, bidirectional: true}\n"
             "  again: {op: Recurrent, cell: Mgu, in: {input: r.output, h_0: first.h_n}, hidden_size: 6}\n"
             "  first: {op: Recurrent, cell: RNNCell, in: x, hidden_size: 6, nonlinearity: relu, bias: false}\n"
             "  steps: {op: LSTM, in: x, hidden_sizes: $widths}\n"
             "  state: {op: Neg, in: steps.c_n_l1}\n"
             "vars: {widths: [4, 5]}\n");
    built b = build_well(text);
    has_shape(&b, "r.output", 3, 4, 2, 10);
    has_shape(&b, "r.h_n", 3, 4, 2, 5);
    has_param(&b, "r.f.weight_1_l0_reverse", 2, 5, 5);
    has_param(&b, "r.c.weight_l1", 2, 5, 10);
    has_param(&b, "first.weight_ih_l0", 2, 6, 3);
    CU_ASSERT_PTR_NULL(gr_graph_find_state(b.typed, "first.bias_ih_l0"));
    has_shape(&b, "state", 3, 1, 2, 5);
    has_param(&b, "steps.weight_ih_l1", 2, 20, 4);
    done(&b);
}

/* ---- PyTorch's parameters ---- */

typedef struct layer_case {
    const char *op;
    int gates, layers, directions, proj;
    bool bias, batch_first;
} layer_case;

static void check_layer(const layer_case *k)
{
    char text[1024], name[64];
    int hidden = 4, size = k->proj ? k->proj : hidden, d = k->directions;
    snprintf(text, sizeof text,
             "graphrun: 1\ngraph:\n  x: {op: Input, shape: [6, 2, 3]}\n"
             "  rnn: {op: %s, in: x, hidden_size: 4, num_layers: %d, bidirectional: %s, bias: %s, batch_first: %s%s}\n",
             k->op, k->layers, d == 2 ? "true" : "false", k->bias ? "true" : "false", k->batch_first ? "true" : "false",
             k->proj ? ", proj_size: 2" : "");
    built b = build_well(text);
    int expected = 0;
    for (int l = 0; l < k->layers; l++) {
        for (int r = 0; r < d; r++) {
            const char *end = r ? "_reverse" : "";
            int in = l ? size * d : 3, rows = k->gates * hidden;
            snprintf(name, sizeof name, "rnn.weight_ih_l%d%s", l, end), has_param(&b, name, 2, rows, in);
            snprintf(name, sizeof name, "rnn.weight_hh_l%d%s", l, end), has_param(&b, name, 2, rows, size);
            if (k->bias) snprintf(name, sizeof name, "rnn.bias_ih_l%d%s", l, end), has_param(&b, name, 1, rows, 0);
            if (k->bias) snprintf(name, sizeof name, "rnn.bias_hh_l%d%s", l, end), has_param(&b, name, 1, rows, 0);
            if (k->proj) snprintf(name, sizeof name, "rnn.weight_hr_l%d%s", l, end), has_param(&b, name, 2, size, hidden);
            expected += 2 + 2 * k->bias + (k->proj > 0);
        }
    }
    CU_ASSERT_EQUAL(b.typed->num_states, expected);
    int batch = k->batch_first ? 6 : 2;
    has_shape(&b, "rnn.output", 3, 6, 2, size * d);
    has_shape(&b, "rnn", 3, 6, 2, size * d);
    has_shape(&b, "rnn.h_n", 3, k->layers * d, batch, size);
    if (k->gates == 4) has_shape(&b, "rnn.c_n", 3, k->layers * d, batch, hidden);
    done(&b);
}

static void parameters_are_pytorchs(void)
{
    static const struct { const char *op; int gates; } ops[] = {{"RNN", 1}, {"GRU", 3}, {"LSTM", 4}};
    for (int o = 0; o < 3; o++)
        for (int layers = 1; layers <= 3; layers++)
            for (int d = 1; d <= 2; d++)
                for (int p = 0; p <= (o == 2 ? 2 : 0); p += 2)
                    check_layer(&(layer_case){ops[o].op, ops[o].gates, layers, d, p, layers != 2, layers == 3});
}

static void variants_of_cells(void)
{
    built b = build_well("graphrun: 1\ngraph:\n"
                         "  x: {op: Input, shape: [6, 3]}\n"
                         "  g: {op: GRU, in: x, hidden_size: 4, reset_after: false}\n"
                         "  l: {op: LSTM, in: x, hidden_size: 4, forget_bias: 1}\n"
                         "  r: {op: RNN, in: x, hidden_size: 4, nonlinearity: relu}\n"
                         "  one: {op: LSTMCell, in: x, hidden_size: 4}\n");
    has_shape(&b, "g", 2, 6, 4, 0);
    has_shape(&b, "l.c_n", 2, 1, 4, 0);
    has_param(&b, "one.weight_hh", 2, 16, 4);
    has_shape(&b, "one.c", 2, 6, 4, 0);
    done(&b);
}

/* ---- mistakes ---- */

typedef struct mistake {
    const char *line;  /* of the file */
    const char *says;  /* what the message on it holds; NULL: it is right */
} mistake;

static const mistake mistakes[] = {
    {"graphrun: 1", NULL},
    {"vars:", NULL},
    {"  hidden: 8", NULL},
    {"  unread: 3", "'unread' is never used"},
    {"blocks:", NULL},
    {"  Cell:", NULL},
    {"    in: [x, h]", NULL},
    {"    vars: {hidden_size: ~}", NULL},
    {"    graph:", NULL},
    {"      a: {op: Linear, in: [x, hh], out_features: $hidden_size}", "no node called 'hh'"},
    {"    out: {h: a}", NULL},
    {"graph:", NULL},
    {"  x: {op: Input, shape: [6, 2, 3]}", NULL},
    {"  ids: {op: Input, shape: [6, 2], dtype: int32}", NULL},
    {"  op1: {op: Linaer, in: x, out_features: 3}", "'Linear'"},
    {"  attr: {op: Linear, in: x, out_feature: 3, out_features: 3}", "out_feature"},
    {"  missing: {op: Linear, in: x}", "out_features"},
    {"  name: {op: Tanh, in: xx}", "no node called 'xx'"},
    {"  port: {op: Lerp, in: {input: x, end: x, wieght: x}}", "'weight'"},
    {"  many: {op: Tanh, in: [x, x]}", "takes 1 input (input), but 2 are given"},
    {"  none: {op: Tanh}", "needs the input 'input'"},
    {"  output: {op: Neg, in: ids.second}", "no output called 'second'"},
    {"  first: {op: Tanh, in: third}", "wait for each other"},
    {"  third: {op: Tanh, in: first}", NULL},
    {"  noop: {in: x}", "has no 'op'"},
    {"  type: {op: RNN, in: x, hidden_size: wide}", "hidden_size"},
    {"  choice: {op: RNN, in: x, hidden_size: 4, nonlinearity: sine}", "nonlinearity"},
    {"  var: {op: RNN, in: x, hidden_size: $hiden}", "hiden"},
    {"  exact: {op: RNN, in: x, hidden_size: \"${hidden / 3}\"}", "/"},
    {"  repeated: {op: Tanh, in: x, repeat: 0}", "repeat"},
    {"  shared: {op: Tanh, in: x, share: true}", "'share'"},
    {"  cell: {op: Recurrent, cell: Tanh, in: x}", "is no cell"},
    {"  inner: {op: RNN, in: x, hidden_size: 4, weight_ih: ids}", "weight_ih"},
    {"  loop:", NULL},
    {"    op: Scan", NULL},
    {"    over: time", NULL},
    {"    in: {s: x}", NULL},
    {"    carry: {h: {init: zeros, size: 4, next: c}}", NULL},
    {"    step:", NULL},
    {"      c: {op: RNNCell, in: [s, h], hidden_size: 4}", NULL},
    {"      d: {op: Neg, in: ids}", "outside the step"},
    {"    out: {o: c}", NULL},
    {"    revrese: true", "'reverse'"},
    {"  shapes: {op: MatMul, in: [x, x]}", ""},
    {"  after: {op: Linear, in: shapes, out_features: 3}", NULL},
    {"  numbers: {op: Linear, in: ids, out_features: 3}", "integers"},
    {"  none: {op: Tanh, in: x}", "none"},
};

enum { NUM_MISTAKES = (int)(sizeof mistakes / sizeof *mistakes) };

static bool reported(const built *b, int line, const char *says, bool *any)
{
    gr_loc at;
    for (int i = 0; i < gr_diag_count(b->d); i++) {
        const char *text = gr_diag_message(b->d, i, &at);
        if (at.line != line) continue;
        *any = true;
        if (says && strstr(text, says)) return true;
    }
    return false;
}

static void mistakes_are_found(void)
{
    char text[8192] = "";
    int planted = 0;
    for (int i = 0; i < NUM_MISTAKES; i++) {
        strcat(text, mistakes[i].line);
        strcat(text, "\n");
        planted += mistakes[i].says != NULL;
    }
    built b = build(text);
    for (int i = 0; i < NUM_MISTAKES; i++) {
        bool any = false, found = reported(&b, i + 1, mistakes[i].says, &any);
        bool right = mistakes[i].says ? found : !any;
        if (!right) printf("\nline %d: %s\n", i + 1, mistakes[i].line);
        CU_ASSERT(right);
    }
    CU_ASSERT(planted >= 20);
    CU_ASSERT_EQUAL(gr_diag_count(b.d), planted);
    if (gr_diag_count(b.d) != planted) gr_diag_print(b.d, stdout);
    done(&b);
}

/* A mistake that shows within a cell of the library is at the node that uses it. */
static void faults_stand_in_the_model(void)
{
    built b = build("graphrun: 1\ngraph:\n  x: {op: Input, shape: [2, 3]}\n  h: {op: Input, shape: [2, 7]}\n"
                    "  c: {op: RNNCell, in: [x, h], hidden_size: 4}\n");
    gr_loc at = {0};
    CU_ASSERT_EQUAL(gr_diag_count(b.d), 1);
    gr_diag_message(b.d, 0, &at);
    CU_ASSERT_EQUAL(at.line, 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at.source);
    CU_ASSERT_PTR_NOT_NULL(strstr(at.source->name, "a model"));
    done(&b);
}

/* Each text has one mistake, whose message holds `says`. */
static void one_mistake(const char *text, const char *says)
{
    built b = build(text);
    const char *got = gr_diag_count(b.d) ? gr_diag_message(b.d, 0, NULL) : "nothing";
    bool right = gr_diag_count(b.d) == 1 && strstr(got, says);
    if (!right) printf("\nwanted: %s\n", says), gr_diag_print(b.d, stdout);
    CU_ASSERT(right);
    done(&b);
}

static void single_mistakes(void)
{
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [2]}\n  l: {op: Linear, in: x, out_features: 2, wieght: x}\n",
                "wieght");
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [2, 3]}\n"
                "  e: {op: Linear, in: x, out_features: 4}\n  l: {op: Linear, in: e, out_features: 3, weight: e.weight}\n",
                "cannot be tied");
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [2, 3]}\n  l: {op: LSTM, in: x, hidden_size: 3}\n"
                "  y: {op: Neg, in: l.h}\n", "no output");
    one_mistake("graphrun: 1\nblocks:\n  B: {in: x, graph: {a: {op: B, in: x}}, out: {y: a}}\n"
                "graph:\n  x: {op: Input, shape: [2, 3]}\n  b: {op: B, in: x}\n", "uses itself");
    one_mistake("graphrun: 1\nblocks:\n  B: {in: x, graph: {r: {op: Mul, in: [x, x]}, a: {op: Tanh, in: x}}, out: {y: a}}\n"
                "graph:\n  x: {op: Input, shape: [2, 3]}\n  b: {op: B, in: {x: [x, x]}}\n", "stands for 2 values");
    one_mistake("graphrun: 1\ngraph: {x: {op: Input, shape: [2]}, \"a.b\": {op: Neg, in: x}}\n", "letters, digits and _");
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [4, 2, 3]}\n  h: {op: Input, shape: [1, 2, 5]}\n"
                "  l: {op: RNN, in: {input: x, h_0: h}, hidden_size: 4}\n", "h_0 must be");
    one_mistake("graphrun: 1\ngraph: [a, b]\n", "");
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [4, 2, 3]}\n  s: {op: Scan, in: {t: x}, steps: {n: {op: Tanh, in: t}}, out: {o: n}}\n",
                "Scan has no key 'steps'; did you mean 'step'?");
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [4, 2, 3]}\n  s: {op: Scan, in: {t: x}, step: {n: {op: Tanh, in: t}}, out: n}\n",
                "'out' is a map: {name: node of the step}");
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [4, 2, 3]}\n  s: {op: Scan, in: {t: x}, step: {n: {op: Tanh, in: t}}, out: {}}\n",
                "the Scan 's' needs 'out'");
    one_mistake("graphrun: 1\ngraph:\n  x: {op: Input, shape: [2, 3]}\n"
                "  c: {op: RNNCell, in: x, hidden_size: 3, nonlinearity: sine}\n", "tanh|relu");
    one_mistake("graphrun: 1\nblocks:\n  B: {in: x, vars: {unread: 3}, graph: {a: {op: Tanh, in: x}}, out: {y: a}}\n"
                "graph:\n  x: {op: Input, shape: [2, 3]}\n  b: {op: B, in: x}\n", "unread");
    one_mistake("graphrun: 1\nblocks:\n"
                "  B: {in: [x, h], vars: {n: ~}, graph: {a: {op: Linear, in: [x, h], out_features: $n}}, out: {h: a}}\n"
                "graph:\n  x: {op: Input, shape: [4, 2, 3]}\n  b: {op: Recurrent, cell: B, in: x, n: 5}\n", "how wide");
}

void test_build(void)
{
    CU_pSuite s = CU_add_suite("build", NULL, NULL);
    CU_add_test(s, "inputs come as a name, a list, a map or a key", inputs_by_any_form);
    CU_add_test(s, "copies chain, and share when asked", copies_chain);
    CU_add_test(s, "weights tie", weights_tie);
    CU_add_test(s, "blocks are ops", blocks_are_ops);
    CU_add_test(s, "scans step", scans_step);
    CU_add_test(s, "any cell recurs", any_cell_recurs);
    CU_add_test(s, "parameters are PyTorch's", parameters_are_pytorchs);
    CU_add_test(s, "variants of cells", variants_of_cells);
    CU_add_test(s, "every mistake at its line", mistakes_are_found);
    CU_add_test(s, "single mistakes", single_mistakes);
    CU_add_test(s, "faults stand in the model", faults_stand_in_the_model);
}
