/* test_layers.c - layers with parameters, and the ops of graphs/plugins, against PyTorch: values,
 * gradients, and what steps of training leave behind.
 *
 * tests/golden/layers.safetensors is made by tools/golden/layers.py, which says what it holds, and
 * plugins.safetensors by plugins.py. Each case is run on one thread and on three, which must give the same bits. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMES = 64 };

typedef struct layer_case {
    const char *name, *graph; /* graph: the lines of the model's section `graph` and sections after it */
    const gr_tensors *tensors;
    gr_arena *arena;
    gr_session *session;
    gr_exec *exec;
    bool good;
} layer_case;

typedef struct named { const char *name; const gr_named_tensor *tensor; } named;

/* The case's tensors "<case>/<kind>:<name>". */
static int of_kind(const layer_case *c, const char *kind, named *out)
{
    const char *prefix = gr_arena_printf(c->arena, "%s/%s:", c->name, kind);
    int n = 0;
    for (int i = 0; i < c->tensors->count && n < MAX_NAMES; i++)
        if (strncmp(c->tensors->tensor[i].name, prefix, strlen(prefix)) == 0)
            out[n++] = (named){c->tensors->tensor[i].name + strlen(prefix), &c->tensors->tensor[i]};
    return n;
}

static int64_t count(const gr_named_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

static void wrong(layer_case *c, const char *what, const char *name)
{
    printf("\n  %s: %s %s", c->name, what, name);
    c->good = false;
}

static const char *input_line(gr_arena *a, const char *name, const gr_named_tensor *t)
{
    static const char *const dtype[GR_NUM_DTYPES] = {"", "float32", "float64", "int32", "bool"};
    const char *dims = "";
    for (int i = 0; i < t->rank; i++) dims = gr_arena_printf(a, "%s%s%lld", dims, i ? ", " : "", (long long)t->dim[i]);
    return gr_arena_printf(a, "  %s: {op: Input, shape: [%s], dtype: %s}\n", name, dims, dtype[t->dtype]);
}

/* With "out:NAME" and "u:NAME" the objective is the sum of NAME * u; a case may have its own. */
static const char *model_text(layer_case *c)
{
    named in[MAX_NAMES], u[MAX_NAMES];
    const char *text = "", *terms = "";
    int n = of_kind(c, "in", in), m = of_kind(c, "u", u);
    for (int i = 0; i < n; i++) text = gr_arena_printf(c->arena, "%s%s", text, input_line(c->arena, in[i].name, in[i].tensor));
    for (int i = 0; i < m; i++) {
        text = gr_arena_printf(c->arena, "%s%s  p%d: {op: Mul, in: [%s, u%d]}\n  s%d: {op: Sum, in: p%d}\n", text,
                               input_line(c->arena, gr_arena_printf(c->arena, "u%d", i), u[i].tensor), i, u[i].name, i, i, i);
        terms = gr_arena_printf(c->arena, "%s%ss%d", terms, i ? ", " : "", i);
    }
    if (m) text = gr_arena_printf(c->arena, "%s  loss: {op: Add, in: [%s]}\n", text, terms);
    const char *folder = strstr(c->graph, "PLUGINS/"), *rest = folder ? folder + strlen("PLUGINS") : "";
    return gr_arena_printf(c->arena, "graphrun: 1\nname: golden\ngraph:\n%s%.*s%s%s\n", text, (int)(folder ? folder - c->graph : (long)strlen(c->graph)), c->graph,
                           folder ? GR_BUILD_DIR "/graphs/plugins" : "", rest);
}

static void copy_in(layer_case *c, void *to, const gr_type *t, const named *from)
{
    if (!to) wrong(c, "the model has no", from->name);
    else if (gr_numel(t) != count(from->tensor) || t->dtype != from->tensor->dtype) wrong(c, "another shape or dtype:", from->name);
    else memcpy(to, from->tensor->data, gr_dtype_size(t->dtype) * (size_t)gr_numel(t));
}

static void compare(layer_case *c, const char *what, const void *got, const gr_type *t, const named *want)
{
    if (!got || gr_numel(t) != count(want->tensor) || t->rank != want->tensor->rank) {
        wrong(c, gr_arena_printf(c->arena, "no %s, or of another shape:", what), want->name);
        return;
    }
    double largest = 1e-3, error = 0;
    for (int64_t i = 0; i < gr_numel(t); i++) {
        double w = gr_element(want->tensor->data, want->tensor->dtype, i), g = gr_element(got, t->dtype, i);
        largest = fmax(largest, fabs(w));
        error = g == w || (isnan(g) && isnan(w)) ? error : isnan(g - w) ? INFINITY : fmax(error, fabs(g - w));
    }
    if (!(error / largest < 2e-5)) wrong(c, gr_arena_printf(c->arena, "%s off by %g of %g:", what, error, largest), want->name);
}

static void compare_results(layer_case *c, const char *kind, const char *prefix)
{
    named all[MAX_NAMES];
    int n = of_kind(c, kind, all);
    for (int i = 0; i < n; i++) {
        gr_type t = {.rank = 0};
        const void *got = gr_run_result(c->exec->run, gr_arena_printf(c->arena, "%s%s", prefix, all[i].name), &t);
        compare(c, kind, got, &t, &all[i]);
    }
}

static void fill_and_feed(layer_case *c)
{
    named all[MAX_NAMES];
    gr_type t;
    int n = of_kind(c, "weight", all);
    for (int i = 0; i < n; i++) copy_in(c, gr_session_state(c->session, all[i].name, &t), &t, &all[i]);
    n = of_kind(c, "in", all);
    for (int i = 0; i < n; i++) copy_in(c, gr_run_feed(c->exec->run, all[i].name, &t), &t, &all[i]);
    n = of_kind(c, "u", all);
    for (int i = 0; i < n; i++) copy_in(c, gr_run_feed(c->exec->run, gr_arena_printf(c->arena, "u%d", i), &t), &t, &all[i]);
}

static void compare_states(layer_case *c)
{
    named all[MAX_NAMES];
    int n = of_kind(c, "after", all);
    for (int i = 0; i < n; i++) {
        gr_type t = {.rank = 0};
        const void *got = gr_session_state(c->session, all[i].name, &t);
        compare(c, "after", got, &t, &all[i]);
    }
}

static const char **names_of(layer_case *c, const char *kind)
{
    named all[MAX_NAMES];
    int n = of_kind(c, kind, all);
    const char **names = GR_NEW_ARRAY(c->arena, const char *, n + 1);
    for (int i = 0; i < n; i++) names[i] = all[i].name;
    return names;
}

/* A case with "after" is trained for `steps` steps, first; one with `mode: eval` is not in
 * training. */
static bool run_case(layer_case *c, int threads)
{
    named any[MAX_NAMES];
    gr_error e = {0};
    const char *steps = gr_tensors_metadata(c->tensors, gr_arena_printf(c->arena, "%s/steps", c->name));
    const char *lr = gr_tensors_metadata(c->tensors, gr_arena_printf(c->arena, "%s/lr", c->name));
    bool training = gr_tensors_metadata(c->tensors, gr_arena_printf(c->arena, "%s/training", c->name)) != NULL;
    gr_want want = {.fetch = names_of(c, "out"), .training = training || steps, .update = lr != NULL};
    if (of_kind(c, "grad", any)) want.grad = names_of(c, "grad"), want.of = "loss";
    c->good = true;
    c->session = open_model(temp_file("layer.yaml", "%s", model_text(c)), threads);
    c->exec = gr_session_compile(c->session, &want, &e);
    if (!c->exec) wrong(c, "does not compile:", e.message);
    if (c->exec) {
        fill_and_feed(c);
        if (lr) gr_exec_set_lr(c->exec, 0, strtod(lr, NULL));
        for (int i = 0; i < (steps ? atoi(steps) : 1); i++)
            if (gr_run_step(c->exec->run, (uint64_t)i) != 0) wrong(c, "does not run", "");
        compare_results(c, "out", "");
        compare_results(c, "grad", "grad:");
        compare_states(c);
    }
    return c->good;
}

static bool same_results(layer_case *a, layer_case *b)
{
    static const char *const kind[] = {"out", "grad"};
    named all[MAX_NAMES];
    for (int k = 0; k < 2; k++)
        for (int i = 0, n = of_kind(a, kind[k], all); i < n; i++) {
            const char *name = gr_arena_printf(a->arena, "%s%s", k ? "grad:" : "", all[i].name);
            gr_type t = {.rank = 0};
            const void *x = gr_run_result(a->exec->run, name, &t), *y = gr_run_result(b->exec->run, name, &t);
            if (memcmp(x, y, gr_dtype_size(t.dtype) * (size_t)gr_numel(&t)) != 0) wrong(a, "other bits on three threads:", name);
        }
    return a->good;
}

/* Every case of the file; gives how many there were. */
static int all_are_pytorchs(const char *path)
{
    gr_arena *a = gr_arena_create();
    gr_tensors tensors;
    gr_error e = {0};
    int bad = 0, cases = 0;
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(a, path, &tensors, &e), 0);
    for (int i = 0; i < tensors.num_metadata; i++) {
        if (strchr(tensors.key[i], '/')) continue;
        layer_case one = {.name = tensors.key[i], .graph = tensors.value[i], .tensors = &tensors, .arena = a}, three = one;
        bool good = run_case(&one, 1), again = run_case(&three, 3);
        bad += !good || !again || !same_results(&one, &three);
        gr_session_close(one.session);
        gr_session_close(three.session);
        cases++;
    }
    CU_ASSERT_EQUAL(bad, 0);
    gr_arena_destroy(a);
    return cases;
}

static void layers_are_pytorchs(void) { CU_ASSERT(all_are_pytorchs(GR_SOURCE_DIR "/tests/golden/layers.safetensors") > 5); }

static void plugins_are_pytorchs(void) { CU_ASSERT(all_are_pytorchs(GR_SOURCE_DIR "/tests/golden/plugins.safetensors") > 10); }

void test_layers(void)
{
    CU_pSuite s = CU_add_suite("layers", NULL, NULL);
    CU_add_test(s, "values, gradients and steps of training are PyTorch's", layers_are_pytorchs);
    CU_add_test(s, "Snake, sLSTM and CTCLoss, from plugins, are PyTorch's", plugins_are_pytorchs);
}
