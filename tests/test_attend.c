/* test_attend.c - attention in tiles beside the plain path of the same node: its weights times the
 * values. Where all keys fit one tile the bits are the same, values and gradients. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A node whose output is made in tiles, and the same from its weights. heads: 0 for [batch, time, width]. */
typedef struct attend_case {
    const char *name;
    int queries, keys, batch, heads;
    const char *attrs;   /* of ScaledDotProductAttention */
    bool attn_mask, bias, padding, lengths, hidden;
    double within;       /* 0: the same bits */
} attend_case;

static const attend_case cases[] = {
    {.name = "one tile", .queries = 32, .keys = 32, .batch = 2, .heads = 3, .attrs = ""},
    {.name = "other lengths", .queries = 17, .keys = 128, .batch = 2, .heads = 0, .attrs = ", scale: 0.3"},
    {.name = "causal", .queries = 40, .keys = 40, .batch = 2, .heads = 2, .attrs = ", is_causal: true"},
    {.name = "causal, more keys", .queries = 20, .keys = 33, .batch = 1, .heads = 2, .attrs = ", is_causal: true"},
    {.name = "a mask and padding", .queries = 24, .keys = 31, .batch = 3, .heads = 2, .attrs = "", .attn_mask = true, .padding = true},
    {.name = "hidden rows", .queries = 24, .keys = 31, .batch = 3, .heads = 2, .attrs = "", .padding = true, .hidden = true},
    {.name = "a bias", .queries = 18, .keys = 30, .batch = 2, .heads = 2, .attrs = "", .bias = true},
    {.name = "lengths", .queries = 18, .keys = 30, .batch = 3, .heads = 2, .attrs = "", .lengths = true},
    {.name = "dropout", .queries = 32, .keys = 50, .batch = 2, .heads = 2, .attrs = ", dropout_p: 0.3"},
    {.name = "two tiles of queries", .queries = 200, .keys = 40, .batch = 1, .heads = 2, .attrs = "", .within = 2e-6},
    {.name = "tiles of keys", .queries = 30, .keys = 300, .batch = 1, .heads = 2, .attrs = "", .within = 2e-6},
    {.name = "tiles, causal", .queries = 300, .keys = 300, .batch = 1, .heads = 2, .attrs = ", is_causal: true", .within = 2e-6},
    {.name = "tiles, causal, few queries", .queries = 20, .keys = 300, .batch = 1, .heads = 1, .attrs = ", is_causal: true", .within = 2e-6},
    {.name = "tiles, dropout and padding", .queries = 140, .keys = 270, .batch = 2, .heads = 2, .attrs = ", dropout_p: 0.4", .padding = true, .within = 2e-6},
    {.name = "tiles, hidden rows", .queries = 140, .keys = 270, .batch = 3, .heads = 1, .attrs = "", .padding = true, .hidden = true, .within = 2e-6},
};
enum { NUM_CASES = sizeof cases / sizeof *cases };

static void write_parameter(FILE *f, const attend_case *c, const char *name, int steps, int width)
{
    fprintf(f, "  %s: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [%d, ", name, c->batch);
    if (c->heads) fprintf(f, "%d, ", c->heads);
    fprintf(f, "%d, %d]}\n", steps, width);
}

/* Every third key is padding; hidden: all of the last row's. */
static void write_padding(FILE *f, const attend_case *c)
{
    fprintf(f, "  padding: {op: Constant, dtype: bool, value: [");
    for (int b = 0; b < c->batch; b++) {
        fprintf(f, "%s[", b ? ", " : "");
        for (int k = 0; k < c->keys; k++) fprintf(f, "%s%d", k ? ", " : "", (k + b) % 3 == 2 || (c->hidden && b == c->batch - 1));
        fprintf(f, "]");
    }
    fprintf(f, "]}\n");
}

static const char *write_case(const attend_case *c)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "graphrun: 1\nname: attend\ngraph:\n");
    write_parameter(f, c, "q", c->queries, 8);
    write_parameter(f, c, "k", c->keys, 8);
    write_parameter(f, c, "v", c->keys, 5);
    write_parameter(f, c, "u", c->queries, 5);
    if (c->bias) fprintf(f, "  bias: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [%d, %d]}\n", c->queries, c->keys);
    if (c->attn_mask) fprintf(f, "  ones: {op: Ones, shape: [%d, %d]}\n  near: {op: Tril, in: ones, diagonal: 12}\n  mask: {op: Cast, in: near, dtype: bool}\n", c->queries, c->keys);
    if (c->padding) write_padding(f, c);
    if (c->lengths) fprintf(f, "  lengths: {op: Constant, value: [30, 7, 21]}\n");
    fprintf(f, "  node: {op: ScaledDotProductAttention%s, in: {query: q, key: k, value: v%s%s%s%s}}\n", c->attrs, c->attn_mask ? ", attn_mask: mask" : "",
            c->bias ? ", attn_mask: bias" : "", c->padding ? ", key_padding_mask: padding" : "", c->lengths ? ", lengths: lengths" : "");
    fprintf(f, "  plain: {op: MatMul, in: [node.weights, v]}\n");
    for (int i = 0; i < 2; i++)
        fprintf(f, "  p%d: {op: Mul, in: [%s, u]}\n  loss%d: {op: Sum, in: p%d}\n", i, i ? "plain" : "node.output", i, i);
    fclose(f);
    const char *path = temp_file("attend.yaml", "%s", text);
    free(text);
    return path;
}

/* ---- one case ---- */

static const char *const grads[] = {"q", "k", "v", "bias", NULL};

/* Output and gradients in tiles (way 0) or by the plain path (1). */
static gr_exec *run_way(gr_session *s, const attend_case *c, int way)
{
    gr_error e = {0};
    const char *of[2] = {"loss0", "loss1"}, *out[2] = {"node.output", "plain"}, *grad[5] = {"q", "k", "v", c->bias ? "bias" : NULL, NULL};
    gr_want want = {.fetch = (const char *[]){out[way], NULL}, .grad = grad, .of = of[way], .training = true};
    gr_exec *x = gr_session_compile(s, &want, &e);
    if (!x) fprintf(stderr, "%s: %s\n", c->name, e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_EQUAL(gr_run_step(x->run, 0), 0);
    return x;
}

/* The largest difference, relative to the largest number; 0 only if the bits are the same. */
static double distance(const float *a, const float *b, int64_t n)
{
    double most = 0, scale = 1e-3;
    if (memcmp(a, b, sizeof *a * (size_t)n) == 0) return 0;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(a[i]) != isnan(b[i])) return INFINITY;
        scale = fmax(scale, fabs((double)b[i]));
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    return fmax(most / scale, 1e-9);
}

static bool alike(const attend_case *c, gr_exec *const x[2], const char *in_tiles, const char *plain)
{
    gr_type t, u;
    const float *a = gr_run_result(x[0]->run, in_tiles, &t), *b = gr_run_result(x[1]->run, plain, &u);
    CU_ASSERT_FATAL(a && b && gr_numel(&t) == gr_numel(&u));
    double d = distance(a, b, gr_numel(&t));
    if (d > c->within) fprintf(stderr, "%s: %s is off by %g\n", c->name, in_tiles, d);
    return d <= c->within;
}

static bool uses(const gr_exec *x, const char *op)
{
    for (int i = 0; i < x->graph->num_nodes; i++)
        if (strcmp(x->graph->nodes[i]->op->name, op) == 0) return true;
    return false;
}

static bool try_case(const attend_case *c)
{
    gr_session *s = open_model(write_case(c), 1);
    gr_exec *x[2] = {run_way(s, c, 0), run_way(s, c, 1)};
    bool good = alike(c, x, "node.output", "plain");
    for (int i = 0; grads[i] && (i < 3 || c->bias); i++) {
        char name[16];
        snprintf(name, sizeof name, "grad:%s", grads[i]);
        good &= alike(c, x, name, name);
    }
    CU_ASSERT(uses(x[0], "Attend") && !uses(x[1], "Attend"));
    CU_ASSERT(uses(x[0], "AttendGradient") == !c->bias);
    gr_session_close(s);
    return good;
}

static void tiles_give_what_the_plain_path_does(void)
{
    int bad = 0;
    for (int i = 0; i < NUM_CASES; i++) bad += !try_case(&cases[i]);
    CU_ASSERT_EQUAL(bad, 0);
}

/* ---- what is stored, what is asked ---- */

static const char encoder[] = "graphrun: 1\nname: encoder\nvars: {batch: 2, time: 160}\ngraph:\n"
                              "  x: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [$time, $batch, 12]}\n"
                              "  look: {op: MultiheadAttention, in: x, num_heads: 3, dropout: 0.2, is_causal: true}\n"
                              "  square: {op: Square, in: look.attn_output}\n  loss: {op: Sum, in: square}\n";

static void no_scores_are_stored(void)
{
    gr_session *s = open_model(temp_file("stored.yaml", encoder), 1);
    gr_error e = {0};
    gr_want want = {.fetch = (const char *[]){"loss", NULL}, .grad = (const char *[]){"x", NULL}, .of = "loss", .training = true};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    for (int i = 0; i < x->program->num_buffers; i++) CU_ASSERT(gr_numel(&x->program->buffers[i].type) < 160 * 160);
    gr_session_close(s);
}

/* Weights that are asked for are those that the output was made with; asking changes no bit of it. */
static void asking_for_weights_changes_nothing(void)
{
    gr_session *s = open_model(temp_file("asked.yaml", encoder), 1);
    gr_error e = {0};
    gr_type t, w;
    gr_want want = {.fetch = (const char *[]){"look.attn_output", NULL}, .training = true};
    gr_want both = {.fetch = (const char *[]){"look.attn_output", "look.attn_output_weights", NULL}, .training = true};
    gr_exec *x = gr_session_compile(s, &want, &e), *y = gr_session_compile(s, &both, &e);
    CU_ASSERT_FATAL(x && y && gr_run_step(x->run, 3) == 0 && gr_run_step(y->run, 3) == 0);
    const float *a = gr_run_result(x->run, "look.attn_output", &t), *b = gr_run_result(y->run, "look.attn_output", &t);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof *a * (size_t)gr_numel(&t)), 0);
    const float *weights = gr_run_result(y->run, "look.attn_output_weights", &w);
    CU_ASSERT_FATAL(w.rank == 3 && w.dim[1] == 160);
    CU_ASSERT_EQUAL(weights[1], 0); /* causal */
    gr_session_close(s);
}

/* A query whose keys are all masked: NaN where weights are looked at, else zeros, as PyTorch has it. */
static void masked_rows(void)
{
    const char *path = temp_file("masked.yaml",
                                 "graphrun: 1\nname: masked\ngraph:\n  x: {op: Parameter, init: Ones, shape: [16, 1, 4]}\n"
                                 "  all: {op: Full, shape: [1, 16], value: 1, dtype: bool}\n"
                                 "  nan: {op: MultiheadAttention, in: {query: x, key_padding_mask: all}, num_heads: 2}\n"
                                 "  zero: {op: MultiheadAttention, in: {query: x, key_padding_mask: all}, num_heads: 2, need_weights: false}\n");
    gr_session *s = open_model(path, 1);
    gr_error e = {0};
    gr_type t;
    gr_want want = {.fetch = (const char *[]){"nan.attn_output", "zero.attn_output", NULL}};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_FATAL(x && uses(x, "Attend") && gr_run_step(x->run, 0) == 0);
    const float *nan = gr_run_result(x->run, "nan.attn_output", &t), *zero = gr_run_result(x->run, "zero.attn_output", &t);
    for (int64_t i = 0; i < gr_numel(&t); i++) CU_ASSERT(isnan(nan[i]) && zero[i] == 0);
    gr_session_close(s);
}

/* Few keys, and queries and keys that broadcast, take the plain path; few queries do not, which may be a piece of more. */
static void few_take_the_plain_path(void)
{
    static const char *const shape[][2] = {{"[2, 15, 4]", "[2, 40, 4]"}, {"[2, 40, 4]", "[2, 15, 4]"}, {"[2, 40, 4]", "[40, 4]"}, {"[2, 16, 4]", "[2, 16, 4]"}};
    for (int i = 0; i < 4; i++) {
        gr_session *s = open_model(temp_file("few.yaml", "graphrun: 1\nname: few\ngraph:\n  q: {op: Input, shape: %s}\n  k: {op: Input, shape: %s}\n"
                                             "  node: {op: ScaledDotProductAttention, in: [q, k, k]}\n", shape[i][0], shape[i][1]), 1);
        gr_error e = {0};
        gr_want want = {.fetch = (const char *[]){"node.output", NULL}};
        gr_exec *x = gr_session_compile(s, &want, &e);
        CU_ASSERT_FATAL(x != NULL);
        CU_ASSERT_EQUAL(uses(x, "Attend"), i == 0 || i == 3);
        gr_session_close(s);
    }
}

/* A mask may widen the scores, and then no tile of queries is of one row of the batch. */
static void masks_that_widen_take_the_plain_path(void)
{
    static const char *const mask[][2] = {{"[4, 20, 18]", "bool"}, {"[4, 20, 18]", "float32"}, {"[4, 1, 1]", "bool"}, {"[1, 20, 18]", "float32"}, {"[18]", "bool"}};
    for (int i = 0; i < 5; i++) {
        gr_session *s = open_model(temp_file("widen.yaml", "graphrun: 1\nname: widen\ngraph:\n"
                                             "  q: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [1, 20, 8]}\n"
                                             "  k: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [1, 18, 8]}\n"
                                             "  mask: {op: Full, shape: %s, value: 1, dtype: %s}\n"
                                             "  node: {op: ScaledDotProductAttention, in: {query: q, key: k, value: k, attn_mask: mask}}\n"
                                             "  plain: {op: ScaledDotProductAttention, in: [q, k, k]}\n"
                                             "  same: {op: MatMul, in: [plain.weights, k]}\n", mask[i][0], mask[i][1]), 1);
        gr_error e = {0};
        gr_type t, u;
        gr_want want = {.fetch = (const char *[]){"node.output", "same", NULL}};
        gr_exec *x = gr_session_compile(s, &want, &e);
        if (!x) fprintf(stderr, "mask %s: %s\n", mask[i][0], e.message);
        CU_ASSERT_FATAL(x && gr_run_step(x->run, 0) == 0);
        CU_ASSERT_EQUAL(uses(x, "Attend"), i >= 3);
        const float *a = gr_run_result(x->run, "node.output", &t), *b = gr_run_result(x->run, "same", &u);
        CU_ASSERT_FATAL(t.rank == 3 && t.dim[0] == (i < 3 ? 4 : 1) && t.dim[1] == 20);
        for (int64_t row = 0; row < t.dim[0]; row++) CU_ASSERT(distance(a + row * gr_numel(&u), b, gr_numel(&u)) < 2e-6);
        gr_session_close(s);
    }
}

/* The gradient's statistics may be views of another order, and masks that hide nothing and add nothing left out. */
static void statistics_may_be_views(void)
{
    static const char *const give[] = {"grad_query", "grad_key", "grad_value"}, *const node[] = {"dense", "view", "bare"};
    gr_session *s = open_model(temp_file("views.yaml", "graphrun: 1\nname: views\nvars: {q: 20}\ngraph:\n"
                                         "  x: {op: Parameter, init: {op: Normal, mean: 0, std: 1}, shape: [3, 2, $q, 4]}\n"
                                         "  last: {op: Parameter, init: {op: Normal, mean: 3, std: 1}, shape: [$q, 2, 3]}\n"
                                         "  sum: {op: Parameter, init: {op: Normal, mean: 9, std: 1}, shape: [$q, 2, 3]}\n"
                                         "  one: {op: Parameter, init: Ones, shape: [3, 2, $q]}\n"
                                         "  no: {op: Full, shape: [1, 1, 1, $q], value: 0, dtype: bool}\n  few: {op: Zeros, shape: [1, 1, $q, 1]}\n"
                                         "  large: {op: Permute, in: last, dims: [2, 1, 0]}\n  total: {op: Permute, in: sum, dims: [2, 1, 0]}\n"
                                         "  large1: {op: Mul, in: [large, one]}\n  total1: {op: Mul, in: [total, one]}\n"
                                         "  view: {op: AttendGradient, in: {query: x, key: x, value: x, hide: no, bias: few, largest: large, total: total, output: x, grad_output: x}}\n"
                                         "  dense: {op: AttendGradient, in: {query: x, key: x, value: x, hide: no, bias: few, largest: large1, total: total1, output: x, grad_output: x}}\n"
                                         "  bare: {op: AttendGradient, in: {query: x, key: x, value: x, largest: large, total: total, output: x, grad_output: x}}\n"), 1);
    gr_error e = {0};
    gr_want want = {.fetch = (const char *[]){"view.grad_query", "view.grad_key", "view.grad_value", "dense.grad_query", "dense.grad_key", "dense.grad_value",
                                              "bare.grad_query", "bare.grad_key", "bare.grad_value", NULL}};
    gr_exec *x = gr_session_compile(s, &want, &e);
    if (!x) fprintf(stderr, "views: %s\n", e.message);
    CU_ASSERT_FATAL(x && gr_run_step(x->run, 0) == 0);
    for (int i = 0; i < 3; i++) {
        const float *got[3];
        gr_type t;
        for (int k = 0; k < 3; k++) {
            char name[32];
            snprintf(name, sizeof name, "%s.%s", node[k], give[i]);
            got[k] = gr_run_result(x->run, name, &t);
            CU_ASSERT_EQUAL(distance(got[0], got[k], gr_numel(&t)), 0);
        }
    }
    gr_session_close(s);
}

void test_attend(void)
{
    CU_pSuite s = CU_add_suite("attend", NULL, NULL);
    CU_add_test(s, "tiles give what the plain path does", tiles_give_what_the_plain_path_does);
    CU_add_test(s, "no scores are stored", no_scores_are_stored);
    CU_add_test(s, "asking for weights changes nothing", asking_for_weights_changes_nothing);
    CU_add_test(s, "rows that are masked throughout", masked_rows);
    CU_add_test(s, "few keys take the plain path", few_take_the_plain_path);
    CU_add_test(s, "masks that widen the scores take the plain path", masks_that_widen_take_the_plain_path);
    CU_add_test(s, "the gradient's statistics may be views, its masks absent", statistics_may_be_views);
}
