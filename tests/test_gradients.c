/* test_gradients.c - gradients of model files' graphs: every parameter and every float
 * input against central differences in double, layers, cells and loops of all kinds. */
#include "minimal_gated.h"
#include "eval.h"
#include "model/model.h"
#include "pass/pass.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Each ends in `loss`. Integer inputs are fed 0, 1, 2, 0, ... */
static const struct { const char *name, *graph; } models[] = {
    {"classifier",
     "  t: {op: Input, shape: [3, 2], dtype: int32}\n"
     "  y: {op: Input, shape: [3, 2], dtype: int32}\n"
     "  emb: {op: Embedding, in: t, num_embeddings: 4, embedding_dim: 3}\n"
     "  fc: {op: Linear, in: emb, out_features: 5}\n"
     "  act: {op: ReLU, in: fc}\n"
     "  logits: {op: Linear, in: [act, emb], out_features: 3}\n"
     "  loss: {op: CrossEntropyLoss, in: {input: logits, target: y}}\n"},
    {"softmax",
     "  x: {op: Input, shape: [2, 3, 4]}\n"
     "  z: {op: Input, shape: [2, 4, 3]}\n"
     "  s: {op: Softmax, in: x, dim: 1}\n"
     "  p: {op: MatMul, in: [s, z]}\n"
     "  l: {op: LogSoftmax, in: p, dim: -1}\n"
     "  m: {op: MSELoss, in: [l, p]}\n"
     "  loss: {op: Add, in: [m, v]}\n"
     "  v: {op: Mean, in: c}\n"
     "  c: {op: Mul, in: [cc, cc]}\n"
     "  cc: {op: Concat, in: [x, zt], dim: -1}\n"
     "  zt: {op: Transpose, in: z, dim0: 1, dim1: 2}\n"},
    {"rnn",
     "  x: {op: Input, shape: [4, 2, 3]}\n"
     "  rnn: {op: RNN, in: x, hidden_size: 3, num_layers: 2, bidirectional: true}\n"
     "  a: {op: Sum, in: sq}\n"
     "  sq: {op: Square, in: rnn.output}\n"
     "  b: {op: Sum, in: rnn.h_n}\n"
     "  loss: {op: Add, in: [a, b]}\n"},
    {"lstm",
     "  x: {op: Input, shape: [4, 2, 3]}\n"
     "  h: {op: Input, shape: [2, 2, 3]}\n"
     "  c: {op: Input, shape: [2, 2, 3]}\n"
     "  rnn: {op: LSTM, in: {input: x, h_0: h, c_0: c}, hidden_size: 3, num_layers: 2}\n"
     "  sq: {op: Square, in: rnn.output}\n"
     "  cq: {op: Square, in: rnn.c_n}\n"
     "  a: {op: Sum, in: sq}\n"
     "  b: {op: Sum, in: cq}\n"
     "  loss: {op: Add, in: [a, b]}\n"},
    {"gru",
     "  x: {op: Input, shape: [2, 4, 3]}\n"
     "  rnn: {op: GRU, in: x, hidden_size: 3, batch_first: true, bidirectional: true}\n"
     "  two: {op: GRU, in: rnn.output, hidden_size: 2, reset_after: false, batch_first: true}\n"
     "  sq: {op: Square, in: two.output}\n"
     "  loss: {op: Sum, in: sq}\n"},
    {"cell",
     "  x: {op: Input, shape: [4, 2, 3]}\n"
     "  rnn: {op: Recurrent, cell: Gated, in: x, hidden_size: 3, num_layers: 2}\n"
     "  sq: {op: Square, in: rnn.output}\n"
     "  loss: {op: Mean, in: sq}\n"},
    {"scan",
     "  x: {op: Input, shape: [4, 2, 3]}\n"
     "  memory: {op: Input, shape: [3, 2, 3]}\n"
     "  dec:\n"
     "    op: Scan\n"
     "    in: {x: x}\n"
     "    with: {memory: memory}\n"
     "    reverse: true\n"
     "    carry: {h: {init: zeros, size: 3, next: two.h}, g: {init: zeros, size: 3, next: one.h}}\n"
     "    step:\n"
     "      keys: {op: Linear, in: memory, out_features: 3}\n"
     "      near: {op: Mul, in: [keys, h]}\n"
     "      score: {op: Sum, in: near, dim: -1, keepdim: true}\n"
     "      weights: {op: Softmax, in: score, dim: 0}\n"
     "      seen: {op: Mul, in: [weights, memory]}\n"
     "      context: {op: Sum, in: seen, dim: 0}\n"
     "      one: {op: Gated, in: {x: x, h: g}, hidden_size: 3}\n"
     "      two: {op: LSTMCell, in: {input: context, h: one.h, c: h}, hidden_size: 3}\n"
     "    out: {output: two.c, weights: weights}\n"
     "  sq: {op: Square, in: dec.output}\n"
     "  loss: {op: Sum, in: sq}\n"},
    {"scan in scan",
     "  x: {op: Input, shape: [2, 3, 2, 3]}\n"
     "  doc:\n"
     "    op: Scan\n"
     "    in: {line: x}\n"
     "    carry: {s: {init: zeros, size: [2, 3], next: up}}\n"
     "    step:\n"
     "      words:\n"
     "        op: Scan\n"
     "        in: {w: line}\n"
     "        with: {s: s}\n"
     "        carry: {h: {init: s, next: cell.h}}\n"
     "        step:\n"
     "          both: {op: Mul, in: [w, s]}\n"
     "          cell: {op: GRUCell, in: {input: both, h: h}, hidden_size: 3}\n"
     "        out: {all: cell.h}\n"
     "      mean: {op: Mean, in: words.all, dim: 0}\n"
     "      up: {op: Tanh, in: sum}\n"
     "      sum: {op: Linear, in: [mean, words.h_n], out_features: 3}\n"
     "    out: {all: words.all}\n"
     "  sq: {op: Square, in: doc.all}\n"
     "  a: {op: Sum, in: sq}\n"
     "  b: {op: Sum, in: doc.s_n}\n"
     "  loss: {op: Add, in: [a, b]}\n"},
    {"dropout and projection",
     "  x: {op: Input, shape: [4, 2, 3]}\n"
     "  rnn: {op: LSTM, in: x, hidden_size: 4, proj_size: 2, num_layers: 2, dropout: 0.5}\n"
     "  drop: {op: Dropout, in: rnn.output, p: 0.3}\n"
     "  sq: {op: Square, in: drop}\n"
     "  loss: {op: Sum, in: sq}\n"},
    {"shared and tied",
     "  t: {op: Input, shape: [4, 2], dtype: int32}\n"
     "  emb: {op: Embedding, in: t, num_embeddings: 5, embedding_dim: 3}\n"
     "  deep: {op: Linear, in: emb, out_features: 3, repeat: 3, share: true}\n"
     "  rnn: {op: GRU, in: deep, hidden_size: 3}\n"
     "  logits: {op: Linear, in: rnn.output, out_features: 5, weight: emb.weight}\n"
     "  loss: {op: CrossEntropyLoss, in: {input: logits, target: t}}\n"},
};

static const char blocks[] = MINIMAL_GATED_BLOCKS("Gated");

typedef struct bench {
    gr_arena *arena;
    gr_diag *diag;
    gr_graph *graph;
    gr_eval *eval;
    const char **names; /* parameters and float inputs, NULL-ended */
} bench;

/* The graph of a file that holds only `graph`, after expand and infer. */
static gr_graph *read_graph(bench *b, const char *graph, const gr_request *r)
{
    const gr_model_options o = {.real = GR_FLOAT64, .text = gr_arena_printf(b->arena, "graphrun: 1\n%sgraph:\n%s", blocks, graph)};
    gr_error e = {0};
    gr_model *m = gr_model_read(b->arena, "a model", &o, b->diag, &e);
    gr_graph *g = m ? gr_model_graph(m) : NULL;
    g = g ? gr_run_passes(g, r, "differentiate") : NULL;
    gr_diag_print(b->diag, stderr);
    return g;
}

static void find_names(bench *b, const gr_graph *g)
{
    int n = 0;
    b->names = GR_NEW_ARRAY(b->arena, const char *, g->num_nodes + 1);
    for (int i = 0; i < g->num_nodes; i++) {
        const gr_node *leaf = g->nodes[i];
        bool takes = leaf->op->role == GR_ROLE_INPUT || leaf->op->role == GR_ROLE_STATE;
        if (takes && gr_is_float(leaf->out[0]->type.dtype)) b->names[n++] = leaf->name;
    }
}

static bench bench_open(const char *graph)
{
    bench b = {.arena = gr_arena_create()};
    b.diag = gr_diag_create(b.arena);
    const char *const fetch[] = {"loss", NULL};
    gr_graph *plain = read_graph(&b, graph, &(gr_request){.fetch = fetch, .training = true});
    CU_ASSERT_PTR_NOT_NULL_FATAL(plain);
    find_names(&b, plain);
    b.graph = read_graph(&b, graph, &(gr_request){.fetch = fetch, .grad = b.names, .of = "loss", .training = true});
    CU_ASSERT_PTR_NOT_NULL_FATAL(b.graph);
    b.eval = eval_create(b.arena, b.graph);
    eval_fill(b.eval);
    return b;
}

static double loss(bench *b)
{
    CU_ASSERT_EQUAL_FATAL(eval_run(b->eval), 0);
    return eval_at(eval_result(b->eval, "loss"), 0);
}

static double slope(bench *b, const char *name, int64_t i)
{
    double *x = eval_memory(b->eval, name, NULL), old = x[i], step = 1e-5;
    x[i] = old + step;
    double up = loss(b);
    x[i] = old - step;
    double down = loss(b);
    x[i] = old;
    return (up - down) / (2 * step);
}

/* The gradient toward `name`, copied. */
static double *gradient(bench *b, const char *name, int64_t *n)
{
    const gr_tensor *t = eval_result(b->eval, gr_arena_printf(b->arena, "grad:%s", name));
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    *n = eval_numel(t);
    double *g = GR_NEW_ARRAY(b->arena, double, *n);
    for (int64_t i = 0; i < *n; i++) g[i] = eval_at(t, i);
    return g;
}

static void check_model(const char *model, const char *graph)
{
    bench b = bench_open(graph);
    int taken = 0;
    for (int k = 0; b.names[k]; k++) {
        int64_t n;
        loss(&b);
        const double *g = gradient(&b, b.names[k], &n);
        for (int64_t i = 0; i < n; i += n > 4 ? n / 3 : 1, taken++) {
            double s = slope(&b, b.names[k], i);
            bool same = fabs(s - g[i]) <= 2e-6 * (1 + fabs(s));
            if (!same) fprintf(stderr, "\n  %s: %s[%lld]: gradient %.10g, slope %.10g", model, b.names[k], (long long)i, g[i], s);
            CU_ASSERT_TRUE(same);
        }
    }
    CU_ASSERT_TRUE(taken >= 6);
    gr_arena_destroy(b.arena);
}

static void all_models(void)
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) check_model(models[i].name, models[i].graph);
}

void test_gradients(void)
{
    CU_pSuite s = CU_add_suite("gradients", NULL, NULL);
    CU_add_test(s, "of model files' graphs", all_models);
}
