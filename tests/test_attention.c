/* test_attention.c - attention, Transformers and positional encodings against PyTorch: values
 * and every gradient, on 1 and 3 threads, which must agree to the last bit.
 *
 * The golden file is made by tools/golden/attention.py, which says what it holds. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 96, NAME = 96 };

typedef struct names {
    int count;
    char name[MAX_NAMES][NAME];        /* as the golden file has it, behind "<case>/<kind>:" */
    const gr_named_tensor *tensor[MAX_NAMES];
} names;

typedef struct golden_case {
    const char *name, *node;
    names in, param, out, u, grad;
    gr_session *session;
    gr_exec *exec;
} golden_case;

static int64_t count(const gr_named_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

static void read_names(const gr_tensors *all, const char *name, const char *kind, names *to)
{
    char begin[NAME];
    size_t n = (size_t)snprintf(begin, sizeof begin, "%s/%s:", name, kind);
    for (int i = 0; i < all->count; i++) {
        if (strncmp(all->tensor[i].name, begin, n) != 0) continue;
        CU_ASSERT_FATAL(to->count < MAX_NAMES);
        snprintf(to->name[to->count], NAME, "%s", all->tensor[i].name + n);
        to->tensor[to->count++] = &all->tensor[i];
    }
}

/* ---- the model ---- */

static void write_input(FILE *f, const char *prefix, const char *name, const gr_named_tensor *t)
{
    fprintf(f, "  %s%s: {op: Input, dtype: %s, shape: [", prefix, name,
            t->dtype == GR_BOOL ? "bool" : t->dtype == GR_INT32 ? "int32" : "float32");
    for (int i = 0; i < t->rank; i++) fprintf(f, "%s%lld", i ? ", " : "", (long long)t->dim[i]);
    fprintf(f, "]}\n");
}

static const char *write_model(const golden_case *g)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "graphrun: 1\nname: golden\ngraph:\n");
    for (int i = 0; i < g->in.count; i++) write_input(f, "", g->in.name[i], g->in.tensor[i]);
    fprintf(f, "  node: %s\n", g->node);
    for (int i = 0; i < g->u.count; i++) {
        const char *port = g->u.name[i];
        write_input(f, "u_", port, g->u.tensor[i]);
        fprintf(f, "  p_%s: {op: Mul, in: [node.%s, u_%s]}\n  s_%s: {op: Sum, in: p_%s}\n", port, port, port, port, port);
    }
    fprintf(f, "  loss: {op: Add, in: [");
    for (int i = 0; i < g->u.count; i++) fprintf(f, "%ss_%s", i ? ", " : "", g->u.name[i]);
    fprintf(f, "]}\n");
    fclose(f);
    const char *path = temp_file("attention.yaml", "%s", text);
    free(text);
    return path;
}

static bool is_parameter(const golden_case *g, const char *name)
{
    for (int i = 0; i < g->param.count; i++)
        if (strcmp(g->param.name[i], name) == 0) return true;
    return false;
}

static void open_case(golden_case *g, int threads)
{
    static char fetch_room[MAX_NAMES][NAME + 8], grad_room[MAX_NAMES][NAME + 8];
    const char *fetch[MAX_NAMES + 1] = {NULL}, *grad[MAX_NAMES + 1] = {NULL};
    gr_error e = {0};
    for (int i = 0; i < g->out.count; i++) {
        snprintf(fetch_room[i], sizeof fetch_room[i], "node.%s", g->out.name[i]);
        fetch[i] = fetch_room[i];
    }
    for (int i = 0; i < g->grad.count; i++) {
        snprintf(grad_room[i], sizeof grad_room[i], "%s%s", is_parameter(g, g->grad.name[i]) ? "node." : "", g->grad.name[i]);
        grad[i] = grad_room[i];
    }
    g->session = open_model(write_model(g), threads);
    gr_want want = {.fetch = fetch, .grad = grad, .of = "loss"};
    g->exec = gr_session_compile(g->session, &want, &e);
    if (!g->exec) fprintf(stderr, "%s: %s\n", g->name, e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g->exec);
}

/* ---- numbers in ---- */

static void put(const golden_case *g, const char *name, void *to, const gr_type *t, const gr_named_tensor *from)
{
    if (!to || gr_numel(t) != count(from)) fprintf(stderr, "%s: no place for %s\n", g->name, name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    CU_ASSERT_EQUAL_FATAL(gr_numel(t), count(from));
    memcpy(to, from->data, gr_dtype_size(from->dtype) * (size_t)count(from));
}

static void feed_all(golden_case *g)
{
    char name[NAME + 8];
    gr_type t;
    for (int i = 0; i < g->in.count; i++) put(g, g->in.name[i], gr_run_feed(g->exec->run, g->in.name[i], &t), &t, g->in.tensor[i]);
    for (int i = 0; g->grad.count && i < g->u.count; i++) {
        snprintf(name, sizeof name, "u_%s", g->u.name[i]);
        put(g, name, gr_run_feed(g->exec->run, name, &t), &t, g->u.tensor[i]);
    }
    for (int i = 0; i < g->param.count; i++) {
        snprintf(name, sizeof name, "node.%s", g->param.name[i]);
        put(g, name, gr_session_state(g->session, name, &t), &t, g->param.tensor[i]);
    }
}

/* ---- numbers out ---- */

static bool near(const float *got, const gr_named_tensor *want)
{
    const float *w = want->data;
    double largest = 0.02, error = 0;
    for (int64_t i = 0; i < count(want); i++) {
        if (isnan(got[i]) && isnan(w[i])) continue;
        if (isnan(got[i]) || isnan(w[i])) return false;
        largest = fmax(largest, fabs((double)w[i]));
        error = fmax(error, fabs((double)got[i] - (double)w[i]));
    }
    return error / largest < 1e-5;
}

/* Compares a result with what is wanted, and its bits with those of another run, if any. */
static bool compare(const golden_case *g, const golden_case *other, const char *result, const gr_named_tensor *want)
{
    gr_type t;
    const float *got = gr_run_result(g->exec->run, result, &t);
    bool shape = got && t.rank == want->rank && memcmp(t.dim, want->dim, sizeof *t.dim * (size_t)t.rank) == 0;
    bool good = shape && near(got, want);
    if (!good) fprintf(stderr, "%s: %s %s\n", g->name, result, shape ? "has other values than PyTorch's" : "has another shape than PyTorch's");
    if (!good || !other) return good;
    bool same = memcmp(got, gr_run_result(other->exec->run, result, &t), sizeof(float) * (size_t)count(want)) == 0;
    if (!same) fprintf(stderr, "%s: %s has other bits on 3 threads\n", g->name, result);
    return same;
}

static bool compare_all(const golden_case *g, const golden_case *other)
{
    char name[NAME + 16];
    bool good = true;
    for (int i = 0; i < g->out.count; i++) {
        snprintf(name, sizeof name, "node.%s", g->out.name[i]);
        good &= compare(g, other, name, g->out.tensor[i]);
    }
    for (int i = 0; i < g->grad.count; i++) {
        snprintf(name, sizeof name, "grad:%s%s", is_parameter(g, g->grad.name[i]) ? "node." : "", g->grad.name[i]);
        good &= compare(g, other, name, g->grad.tensor[i]);
    }
    return good;
}

/* The state has these parameters and no others. */
static bool has_parameters(const golden_case *g)
{
    int found = 0;
    for (int i = 0; i < gr_store_count(g->session->store); i++)
        found += strncmp(gr_store_name(g->session->store, i), "node.", 5) == 0;
    if (found != g->param.count) fprintf(stderr, "%s: %d parameters, PyTorch has %d\n", g->name, found, g->param.count);
    return found == g->param.count;
}

static bool try_case(const gr_tensors *all, const char *name, const char *node)
{
    static golden_case one, three;
    golden_case *both[2] = {&one, &three};
    bool good = true;
    for (int k = 0; k < 2; k++) {
        golden_case *g = both[k];
        *g = (golden_case){.name = name, .node = node};
        read_names(all, name, "in", &g->in);
        read_names(all, name, "param", &g->param);
        read_names(all, name, "out", &g->out);
        read_names(all, name, "u", &g->u);
        read_names(all, name, "grad", &g->grad);
        open_case(g, k ? 3 : 1);
        feed_all(g);
        CU_ASSERT_EQUAL(gr_run_step(g->exec->run, 0), 0);
        good &= has_parameters(g) && compare_all(g, k ? both[0] : NULL);
    }
    for (int k = 0; k < 2; k++) gr_session_close(both[k]->session);
    return good;
}

static void golden(void)
{
    gr_arena *a = gr_arena_create();
    gr_tensors all;
    gr_error e = {0};
    int bad = 0;
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(a, GR_SOURCE_DIR "/tests/golden/attention.safetensors", &all, &e), 0);
    for (int i = 0; i < all.num_metadata; i++) bad += !try_case(&all, all.key[i], all.value[i]);
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT(all.num_metadata > 60);
    gr_arena_destroy(a);
}

/* ---- names of axes, first weights ---- */

/* A Scan over the output of attention runs over time, wherever that stands. */
static void axes_keep_their_names(void)
{
    const char *path = temp_file("axes.yaml",
                                 "graphrun: 1\nname: axes\nvars: {batch: 2, time: 3}\ngraph:\n"
                                 "  x: {op: Input, shape: [batch, time, 4]}\n"
                                 "  look: {op: MultiheadAttention, in: x, num_heads: 2, batch_first: true}\n"
                                 "  last: {op: Scan, over: time, in: {q: look.attn_output}, carry: {h: {init: zeros, size: 4, next: n}},\n"
                                 "         step: {n: {op: Add, in: [q, h]}}, out: {output: n}}\n");
    gr_session *s = open_model(path, 1);
    gr_error e = {0};
    gr_type t;
    gr_want want = {.fetch = (const char *[]){"last.output", "last.h_n", NULL}};
    gr_exec *exec = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(exec);
    gr_run_result(exec->run, "last.output", &t);
    CU_ASSERT_EQUAL_FATAL(t.rank, 3);
    CU_ASSERT_EQUAL(t.dim[0], 2);
    CU_ASSERT_EQUAL(t.dim[1], 3);
    gr_run_result(exec->run, "last.h_n", &t);
    CU_ASSERT_EQUAL(t.dim[0], 2);
    gr_session_close(s);
}

/* The largest absolute value, and the mean square. */
static double extent(gr_session *s, const char *name, double *square)
{
    gr_type t;
    const float *w = gr_session_state(s, name, &t);
    double largest = 0, sum = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    for (int64_t i = 0; i < gr_numel(&t); i++) {
        largest = fmax(largest, fabs((double)w[i]));
        sum += (double)w[i] * (double)w[i];
    }
    *square = sum / (double)gr_numel(&t);
    return largest;
}

/* Uniform from -bound to bound, whose mean square is bound^2 / 3. */
static void check_uniform(gr_session *s, const char *name, double bound)
{
    double square, largest = extent(s, name, &square);
    if (!(largest <= bound && largest > 0.98 * bound && fabs(3 * square / (bound * bound) - 1) < 0.1))
        fprintf(stderr, "%s: at most %g (%g), mean square %g\n", name, largest, bound, square);
    CU_ASSERT_TRUE(largest <= bound && largest > 0.98 * bound && fabs(3 * square / (bound * bound) - 1) < 0.1);
}

static void first_weights_are_as_pytorchs(void)
{
    const char *path = temp_file("first.yaml",
                                 "graphrun: 1\nname: first\ngraph:\n  x: {op: Input, shape: [3, 2, 48]}\n  m: {op: Input, shape: [3, 2, 16]}\n"
                                 "  enc: {op: TransformerEncoder, in: x, num_layers: 2, nhead: 2, dim_feedforward: 64}\n"
                                 "  wide: {op: MultiheadAttention, in: [x, m], num_heads: 2}\n"
                                 "  look: {op: AdditiveAttention, in: [x, m], hidden_size: 40}\n");
    gr_session *s = open_model(path, 1);
    gr_error e = {0};
    double square;
    gr_type t;
    gr_want want = {.fetch = (const char *[]){"enc", "wide", "look", NULL}};
    CU_ASSERT_PTR_NOT_NULL_FATAL(gr_session_compile(s, &want, &e));
    check_uniform(s, "enc.layers.0.self_attn.in_proj_weight", sqrt(6.0 / (3 * 48 + 48)));
    check_uniform(s, "enc.layers.1.self_attn.out_proj.weight", 1 / sqrt(48));
    check_uniform(s, "enc.layers.1.linear1.weight", 1 / sqrt(48));
    check_uniform(s, "enc.layers.1.linear2.weight", 1 / sqrt(64));
    check_uniform(s, "wide.q_proj_weight", sqrt(6.0 / (48 + 48)));
    check_uniform(s, "wide.k_proj_weight", sqrt(6.0 / (48 + 16)));
    check_uniform(s, "look.query.weight", 1 / sqrt(48));
    check_uniform(s, "look.memory.weight", 1 / sqrt(16));
    CU_ASSERT_EQUAL(extent(s, "enc.layers.0.self_attn.in_proj_bias", &square), 0);
    CU_ASSERT_EQUAL(extent(s, "enc.layers.0.self_attn.out_proj.bias", &square), 0);
    const void *first = gr_session_state(s, "enc.layers.0.linear1.weight", &t), *second = gr_session_state(s, "enc.layers.1.linear1.weight", &t);
    CU_ASSERT_NOT_EQUAL(memcmp(first, second, sizeof(float) * (size_t)gr_numel(&t)), 0);
    gr_session_close(s);
}

void test_attention(void)
{
    CU_pSuite s = CU_add_suite("attention", NULL, NULL);
    CU_add_test(s, "values and gradients are PyTorch's", golden);
    CU_add_test(s, "axes keep their names", axes_keep_their_names);
    CU_add_test(s, "first weights are as PyTorch's, and no layer has another's", first_weights_are_as_pytorchs);
}
