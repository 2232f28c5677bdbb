/* test_tabulate.c - products and sums of looked-up rows, made of the table instead. */
#include "rig.h"
#include "tests.h"
#include "train/gradcheck.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 45 tokens of an alphabet of 4; each ends in y. */
typedef struct sample {
    const char *graph;
    const char *const *grad;
    int look_ups;  /* after the pass, in all graphs */
    int one_hots;  /* that something still reads */
} sample;

#define TOKENS "  tokens: {op: Input, shape: [time, 5], dtype: int32}\n"
#define LETTERS TOKENS "  letters: {op: OneHot, in: tokens, num_classes: 4}\n"
#define LENGTHS "  lengths: {op: Constant, value: [9, 3, 1, 7, 9]}\n"
#define RNN_GRADS "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0"

static const sample samples[] = {
    {LETTERS "  rnn: {op: GRU, in: letters, hidden_size: 6}\n  y: {op: Tanh, in: rnn.output}\n", (const char *const[]){RNN_GRADS, NULL}, 3, 0},
    {LETTERS "  rnn: {op: GRU, in: letters, hidden_size: 6, reset_after: false}\n  y: {op: Tanh, in: rnn.output}\n", (const char *const[]){RNN_GRADS, NULL}, 3, 0},
    {LETTERS "  rnn: {op: RNN, in: letters, hidden_size: 6, bias: false}\n  y: {op: Tanh, in: rnn.output}\n",
     (const char *const[]){"rnn.weight_ih_l0", "rnn.weight_hh_l0", NULL}, 1, 0},
    {LETTERS "  rnn: {op: LSTM, in: letters, hidden_size: 6, num_layers: 2, bidirectional: true, batch_first: true}\n  y: {op: Tanh, in: rnn.output}\n",
     (const char *const[]){RNN_GRADS, "rnn.weight_ih_l0_reverse", "rnn.bias_hh_l0_reverse", "rnn.weight_ih_l1", NULL}, 2, 0},
    {LETTERS "  rnn: {op: RNN, in: letters, hidden_size: 4}\n  y: {op: Mul, in: [rnn.output, letters]}\n", (const char *const[]){RNN_GRADS, NULL}, 1, 1},
    {LETTERS "  w: {op: Parameter, shape: [4, 6], init: {op: Normal, mean: 0, std: 1}}\n  y: {op: MatMul, in: [letters, w]}\n", (const char *const[]){"w", NULL}, 1, 0},
    {TOKENS "  emb: {op: Embedding, in: tokens, num_embeddings: 4, embedding_dim: 5}\n  rnn: {op: LSTM, in: emb, hidden_size: 6}\n"
     "  y: {op: Tanh, in: rnn.output}\n", (const char *const[]){RNN_GRADS, "emb.weight", NULL}, 1, 0},
    {TOKENS "  emb: {op: Embedding, in: tokens, num_embeddings: 4, embedding_dim: 5}\n  a: {op: Linear, in: emb, out_features: 6}\n"
     "  b: {op: Linear, in: emb, out_features: 6}\n  y: {op: Mul, in: [a, b]}\n", (const char *const[]){"emb.weight", "a.weight", "a.bias", "b.bias", NULL}, 2, 0},
    {LETTERS LENGTHS "  rnn: {op: LSTM, in: letters, lengths: lengths, hidden_size: 6, bidirectional: true}\n  y: {op: Tanh, in: rnn.output}\n",
     (const char *const[]){RNN_GRADS, "rnn.weight_ih_l0_reverse", NULL}, 2, 0},
    {TOKENS LENGTHS "  emb: {op: Embedding, in: tokens, num_embeddings: 4, embedding_dim: 5}\n  rnn: {op: GRU, in: emb, lengths: lengths, hidden_size: 6}\n"
     "  y: {op: Tanh, in: rnn.output}\n", (const char *const[]){RNN_GRADS, "emb.weight", NULL}, 3, 0},
    {LETTERS "  walk:\n    op: Scan\n    over: time\n    in: {x: letters}\n    carry: {h: {init: zeros, size: 6, next: h1}}\n"
     "    step:\n      s: {op: Linear, in: [x, h], out_features: 6}\n      h1: {op: Tanh, in: s}\n    out: {h: h1}\n  y: {op: Tanh, in: walk.h}\n",
     (const char *const[]){"walk.s.weight", "walk.s.weight_1", "walk.s.bias", NULL}, 1, 0},
    {TOKENS "  emb: {op: Embedding, in: tokens, num_embeddings: 4, embedding_dim: 5}\n  norm: {op: LayerNorm, in: emb, normalized_shape: 5}\n"
     "  fc: {op: Linear, in: norm, out_features: 6}\n  y: {op: Tanh, in: fc}\n",
     (const char *const[]){"emb.weight", "norm.weight", "norm.bias", "fc.weight", NULL}, 1, 0},
    {LETTERS "  walk:\n    op: Scan\n    over: time\n    in: {x: letters}\n    carry: {h: {init: zeros, size: 6, next: h1}}\n"
     "    step:\n      a: {op: Linear, in: x, out_features: 6, bias: false}\n      n: {op: LayerNorm, in: a, normalized_shape: 6}\n"
     "      b: {op: Linear, in: h, out_features: 6}\n      s: {op: Add, in: [n, b]}\n      h1: {op: Tanh, in: s}\n    out: {h: h1}\n  y: {op: Tanh, in: walk.h}\n",
     (const char *const[]){"walk.a.weight", "walk.n.weight", "walk.n.bias", "walk.b.weight", NULL}, 1, 0},
    /* its result is of another type */
    {TOKENS "  emb: {op: Embedding, in: tokens, num_embeddings: 4, embedding_dim: 1}\n  most: {op: ArgMax, in: emb, dim: -1, keepdim: true}\n"
     "  hot: {op: OneHot, in: most, num_classes: 1}\n  flat: {op: Reshape, in: hot, shape: [9, 5, 1]}\n  y: {op: Add, in: [emb, flat]}\n",
     (const char *const[]){"emb.weight", NULL}, 1, 1},
    /* over two axes, one of them the batch: each row depends on others */
    {TOKENS "  emb: {op: Embedding, in: tokens, num_embeddings: 4, embedding_dim: 5}\n"
     "  norm: {op: LayerNorm, in: emb, normalized_shape: [5, 5], elementwise_affine: false}\n  y: {op: Tanh, in: norm}\n",
     (const char *const[]){"emb.weight", NULL}, 1, 0},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

static const char *model_file(const char *graph)
{
    return temp_file("rows.yaml", "graphrun: 1\nname: rows\nvars: {time: 9}\ngraph:\n%s  squares: {op: Mul, in: [y, y]}\n  loss: {op: Sum, in: squares}\n"
                     "train: {minimize: loss, optimizer: {op: SGD, lr: 0.01}, clip_grad_norm: 1}\n", graph);
}

static gr_session *open_real(const char *graph, gr_dtype real)
{
    gr_session_options o = {.model = {.real = real}, .threads = 1, .quiet = true, .say = {say_in_file, stderr}};
    gr_error e = {0};
    gr_session *s = gr_session_open(model_file(graph), &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static int count_role(const gr_graph *g, gr_role role)
{
    int n = 0;
    for (int i = 0; i < g->num_nodes; i++) {
        n += g->nodes[i]->op->role == role;
        if (g->nodes[i]->scan) n += count_role(g->nodes[i]->scan->body, role);
    }
    return n;
}

static int count_after(const char *graph, const char *pass, const char *const *grad, gr_role role)
{
    gr_session *s = open_real(graph, GR_FLOAT32);
    gr_want want = {.update = !grad, .training = true, .grad = grad};
    const gr_graph *g = gr_session_graph(s, &want, pass);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    int n = count_role(g, role);
    gr_session_close(s);
    return n;
}

static void products_become_look_ups(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        int look_ups = count_after(samples[i].graph, "differentiate", NULL, GR_ROLE_TAKE), one_hots = count_after(samples[i].graph, "merge", NULL, GR_ROLE_ONE_HOT);
        CU_ASSERT_EQUAL(look_ups, samples[i].look_ups);
        CU_ASSERT_EQUAL(one_hots, samples[i].one_hots);
        if (look_ups != samples[i].look_ups || one_hots != samples[i].one_hots) fprintf(stderr, "    sample %d: %d look-ups, %d one-hots\n", i, look_ups, one_hots);
    }
}

static gr_exec *step_of(gr_session *s, const char *const *fetch, const char *const *grad, bool plain)
{
    gr_want want = {.training = true, .fetch = fetch, .grad = grad, .keep_all = plain};
    gr_error e = {0};
    gr_type t;
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    int32_t *tokens = gr_run_feed(x->run, "tokens", &t);
    for (int i = 0; i < 45; i++) tokens[i] = i * i % 7 % 4;
    CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
    return x;
}

static void compare(int which, const gr_exec *a, const gr_exec *b, const char *name, double limit)
{
    gr_type ta, tb;
    const double *x = gr_run_result(a->run, name, &ta), *y = gr_run_result(b->run, name, &tb);
    CU_ASSERT_FATAL(x && y && gr_type_equal(&ta, &tb));
    double worst = 0, size = 0;
    for (int64_t i = 0; i < gr_numel(&ta); i++) {
        worst = fmax(worst, fabs(x[i] - y[i]));
        size = fmax(size, fabs(x[i]));
    }
    CU_ASSERT(size > 0 && worst <= limit * size);
    if (!(size > 0 && worst <= limit * size)) fprintf(stderr, "    sample %d: %s differs by %g of %g\n", which, name, worst, size);
}

/* What one-hot rows pick has the product's very bits; gradients are summed in another order. */
static void values_are_those_of_the_products(void)
{
    static const char *const fetch[] = {"y", NULL};
    for (int i = 0; i < SAMPLES; i++) {
        gr_session *s = open_real(samples[i].graph, GR_FLOAT64);
        const gr_exec *plain = step_of(s, fetch, samples[i].grad, true), *x = step_of(s, fetch, samples[i].grad, false);
        compare(i, plain, x, "y", 1e-13);
        for (const char *const *g = samples[i].grad; *g; g++) {
            char name[64];
            snprintf(name, sizeof name, "grad:%s", *g);
            compare(i, plain, x, name, 1e-12);
        }
        gr_session_close(s);
    }
}

static void gradients_are_those_of_the_loss(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        gr_gradcheck_result r;
        gr_error e = {0};
        gr_session *s = open_real(samples[i].graph, GR_FLOAT64);
        CU_ASSERT_EQUAL(gr_gradcheck(s, NULL, NULL, &r, &e), 0);
        CU_ASSERT(r.checked > 0 && r.wrong == 0);
        if (r.wrong) fprintf(stderr, "    sample %d: %d of %d are wrong, by %g\n", i, r.wrong, r.checked, r.worst);
        gr_session_close(s);
    }
}

static void threads_change_no_bit(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        char *first = NULL;
        size_t size = 0;
        for (int threads = 1; threads <= 3; threads++) {
            gr_session *s = open_real(samples[i].graph, GR_FLOAT32);
            gr_want want = {.update = true, .training = true};
            session run = session_create(gr_session_graph(s, &want, NULL), threads);
            size_t n;
            char *now = session_outcome(&run, 3, &n);
            if (!first) first = now, size = n;
            CU_ASSERT(n == size && memcmp(first, now, n) == 0);
            if (now != first) free(now);
            session_destroy(&run);
            gr_session_close(s);
        }
        free(first);
    }
}

/* 4 is the number of the row that padding gets; as a token it is none of the alphabet. */
static void an_index_out_of_range_stays_nan(void)
{
    static const char *const fetch[] = {"y", NULL};
    gr_session *s = open_real(LETTERS LENGTHS "  y: {op: RNN, in: letters, lengths: lengths, hidden_size: 6}\n", GR_FLOAT64);
    gr_want want = {.training = true, .fetch = fetch};
    gr_error e = {0};
    gr_type t;
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    int32_t *tokens = gr_run_feed(x->run, "tokens", &t);
    for (int i = 0; i < 45; i++) tokens[i] = i == 0 ? 4 : i == 3 ? -1 : i % 5 == 1 && i > 15 ? 4 : 2;
    CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
    const double *y = gr_run_result(x->run, "y", &t);
    for (int i = 0; i < 5; i++) CU_ASSERT((i == 0 || i == 3) == (bool)isnan(y[i * 6]));
    gr_session_close(s);
}

/* A gradient toward the rows themselves needs the product; a table that is larger than the batch, or
 * whose gradient is no plain sum, is looked up as it was. */
static void what_needs_the_product_keeps_it(void)
{
    static const char *const letters[] = {"letters", NULL};
    CU_ASSERT_EQUAL(count_after(samples[0].graph, "tabulate", letters, GR_ROLE_TAKE), 0);
    static const char *const tables[] = {"num_embeddings: 30", "num_embeddings: 4, padding_idx: 0", "num_embeddings: 4, max_norm: 1",
                                         "num_embeddings: 4, scale_grad_by_freq: true", "num_embeddings: 4, sparse: true"};
    for (int i = 0; i < 5; i++) {
        char graph[512];
        snprintf(graph, sizeof graph, TOKENS "  emb: {op: Embedding, in: tokens, embedding_dim: 3, %s}\n  y: {op: Linear, in: emb, out_features: 6, bias: false}\n", tables[i]);
        gr_session *s = open_real(graph, GR_FLOAT32);
        gr_want want = {.update = true, .training = true};
        const gr_graph *g = gr_session_graph(s, &want, "tabulate");
        CU_ASSERT_PTR_NOT_NULL_FATAL(g);
        for (int k = 0; k < g->num_nodes; k++)
            if (g->nodes[k]->op->role == GR_ROLE_TAKE) CU_ASSERT_EQUAL(g->nodes[k]->out[0]->type.dim[g->nodes[k]->out[0]->type.rank - 1], 3);
        gr_session_close(s);
    }
}

void test_tabulate(void)
{
    CU_pSuite s = CU_add_suite("tabulate", NULL, NULL);
    CU_add_test(s, "products become look-ups", products_become_look_ups);
    CU_add_test(s, "values are those of the products", values_are_those_of_the_products);
    CU_add_test(s, "gradients are those of the loss", gradients_are_those_of_the_loss);
    CU_add_test(s, "threads change no bit", threads_change_no_bit);
    CU_add_test(s, "an index out of range stays NaN", an_index_out_of_range_stays_nan);
    CU_add_test(s, "what needs the product keeps it", what_needs_the_product_keeps_it);
}
