/* test_ops.c - every op, by walking the registry: gradients against central differences in
 * double, many steps at once against one after another, all passes against none.
 *
 * Values are held against PyTorch's, which tools/golden/ops.py wrote down. A node of a case is put into three graphs: alone, for its gradients; alone after all
 * passes; and in a loop over three steps, before and after hoisting, which proves what it
 * claims of leading axes, `batch` and `accumulate`. */
#include "eval.h"
#include "graph/emit.h"
#include "pass/pass.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IN = 8, MAX_OUT = 8, STEPS = 3 };

typedef struct op_case {
    const char *op, *attrs, *inputs;
} op_case;

static const op_case cases[] = {
#define CASE(op, attrs, inputs) {op, attrs, inputs},
#include "op_cases.h"
#undef CASE
};
enum { NUM_CASES = sizeof cases / sizeof *cases };

/* ---- making a graph of a case ---- */

typedef struct operand {
    char kind;
    int classes;
    gr_type type;
} operand;

typedef struct trial {
    const op_case *c;
    gr_arena *arena;
    gr_diag *diag;
    gr_graph *graph;
    gr_emitter *emitter;
    const gr_op *op;
    operand in[MAX_IN];
    int num_in;
    gr_value *input[MAX_IN], *out[MAX_OUT];
    int num_out;
} trial;

static int read_operands(const char *text, operand *in)
{
    int n = 0;
    while (*text) {
        while (*text == ' ' || *text == ';') text++;
        operand o = {.kind = *text++};
        char *end;
        if (o.kind == 'i') o.classes = (int)strtol(text, &end, 10), text = end;
        o.type.dtype = o.kind == 'i' ? GR_INT32 : o.kind == 'b' ? GR_BOOL : GR_FLOAT64;
        while (*text && *text != ';') {
            o.type.dim[o.type.rank++] = strtol(text, &end, 10);
            text = end;
        }
        in[n++] = o;
    }
    return n;
}

static const char *dims_text(gr_arena *a, const gr_type *t, bool stacked)
{
    const char *text = gr_arena_printf(a, stacked ? "[%d" : "[", STEPS);
    for (int i = 0; i < t->rank; i++)
        text = gr_arena_printf(a, "%s%s%lld", text, i || stacked ? ", " : "", (long long)t->dim[i]);
    return gr_arena_printf(a, "%s]", text);
}

static bool whole(const trial *t, int input)
{
    const gr_port *p = t->op->inputs;
    for (int i = 0; p && p[i].name; i++)
        if (i == input || (p[i].flags & GR_PORT_VARIADIC)) return p[i].flags & GR_PORT_WHOLE;
    return false;
}

static gr_registry *extended(gr_arena *a, const gr_op *more)
{
    gr_registry *r = gr_registry_create(a);
    gr_error e;
    if (more && gr_registry_add(r, more, &e) < 0) printf("%s\n", e.message);
    return r;
}

static trial begin_in(gr_dtype real, const op_case *c, bool stacked, const gr_op *more)
{
    static const char *const dtype[GR_NUM_DTYPES] = {"", "float32", "float64", "int32", "bool"};
    trial t = {.c = c, .arena = gr_arena_create()};
    gr_registry *r = extended(t.arena, more);
    t.diag = gr_diag_create(t.arena);
    t.graph = gr_graph_create(t.arena, r, t.diag, real);
    t.graph->typed = t.graph->training = true;
    t.emitter = gr_emitter_create(t.graph, GR_FORWARD);
    t.op = gr_registry_find(r, c->op);
    t.num_in = read_operands(c->inputs, t.in);
    for (int i = 0; t.op && i < t.num_in; i++) {
        if (t.in[i].kind == '-') continue;
        const gr_type *type = &t.in[i].type;
        t.input[i] = (gr_value *)(uintptr_t)gr_emit(gr_emitter_ctx(t.emitter), "Input", gr_arena_printf(t.arena, "in%d", i), 0, NULL,
                                                    "shape=%s, dtype=%s", dims_text(t.arena, type, stacked && !whole(&t, i)), dtype[type->dtype]);
        gr_graph_set_name(t.graph, t.input[i]->node->name, t.input[i]);
    }
    return t;
}

static trial begin(const op_case *c, bool stacked, const gr_op *more) { return begin_in(GR_FLOAT64, c, stacked, more); }

static void apply(trial *t, gr_value *const *in)
{
    t->num_out = -1;
    if (!t->op) return;
    gr_attr *attr = gr_attr_defaults(t->arena, t->op);
    const char *why = "";
    const char *text = t->c->attrs + strspn(t->c->attrs, ", ");
    if (gr_attrs_parse(t->arena, t->op, text, attr, &why) < 0) gr_diag_error(t->diag, (gr_loc){0}, "%s", why);
    gr_apply w = {.op = t->op, .name = "node", .num_in = t->num_in, .in = in, .attr = attr};
    t->num_out = gr_apply_op(t->emitter, &w, t->out, NULL, MAX_OUT);
}

static void end(trial *t) { gr_arena_destroy(t->arena); }

/* The sum over all float outputs of the output times numbers of its own: the Inputs w0, ... */
static gr_value *objective(trial *t, gr_value **out, int n)
{
    gr_ctx *c = gr_emitter_ctx(t->emitter);
    gr_val sum = NULL;
    for (int i = 0; i < n; i++) {
        if (!gr_is_float(out[i]->type.dtype)) continue;
        gr_val w = gr_emit(c, "Input", gr_arena_printf(t->arena, "w%d", i), 0, NULL, "shape=%s", dims_text(t->arena, &out[i]->type, false));
        gr_val term = gr_emit1(c, "Sum", gr_emit2(c, "Mul", out[i], w));
        sum = sum ? gr_emit2(c, "Add", sum, term) : term;
    }
    return (gr_value *)(uintptr_t)sum;
}

static bool failed(trial *t, const char *what)
{
    printf("\n  %s {%s} of %s: %s\n", t->c->op, t->c->attrs, t->c->inputs, what);
    gr_diag_print(t->diag, stdout);
    return false;
}

/* ---- numbers ---- */

static double number(const operand *o, uint64_t i)
{
    double u = (double)((i * 0x9e3779b97f4a7c15u >> 20) % 100003) / 100003;
    switch (o->kind) {
    case 'i': return (double)((i * 7 + 3) % (uint64_t)o->classes);
    case 'b': return (double)(i % 3 == 0);
    case 'p':
    case 'q': return 0.3 + 1.4 * u;
    case 'u': return 0.05 + 0.9 * u;
    case 't': return (double)(i % 3);
    default: return 3 * u - 1.5;
    }
}

static void fill_parameters(trial *t, gr_eval *e)
{
    for (int i = 0; i < t->graph->num_states; i++) {
        gr_type type;
        double *w = eval_memory(e, t->graph->states[i]->name, &type);
        for (int64_t k = 0; w && k < gr_numel(&type); k++) w[k] = number(&(operand){.kind = 'f'}, (uint64_t)(k + 300 * i + 5000));
    }
}

static void fill(trial *t, gr_eval *e)
{
    fill_parameters(t, e);
    for (int i = 0; i < MAX_OUT; i++) {
        gr_type type;
        double *w = eval_memory(e, gr_arena_printf(t->arena, "w%d", i), &type);
        for (int64_t k = 0; w && k < gr_numel(&type); k++) w[k] = number(&(operand){.kind = 'f'}, (uint64_t)(k + 1000 * i + 77));
    }
    for (int i = 0; i < t->num_in; i++) {
        gr_type type;
        const char *name = gr_arena_printf(t->arena, "in%d", i);
        if (!eval_memory(e, name, &type)) continue;
        double *v = GR_NEW_ARRAY(t->arena, double, gr_numel(&type) + 1);
        for (int64_t k = 0; k < gr_numel(&type); k++) v[k] = number(&t->in[i], (uint64_t)(k + 1 + 500 * i));
        eval_set(e, name, v);
    }
}

static double distance(const gr_tensor *x, const gr_tensor *y)
{
    double worst = x->rank != y->rank || eval_numel(x) != eval_numel(y) ? INFINITY : 0;
    for (int64_t i = 0; worst < INFINITY && i < eval_numel(x); i++) {
        double a = eval_at(x, i), b = eval_at(y, i), d = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b) / (1 + fabs(a));
        worst = isnan(d) ? INFINITY : fmax(worst, d);
    }
    return worst;
}

/* ---- gradients ---- */

static bool wants_gradient(const trial *t, int i)
{
    return strchr("fput", t->in[i].kind) && t->in[i].kind && t->input[i] && t->input[i]->node && gr_numel(&t->input[i]->type) > 0;
}

static bool check_gradient(trial *t, gr_eval *e, int i)
{
    double *x = eval_memory(e, t->input[i]->node->name, NULL), step = 1e-6;
    eval_run(e);
    const gr_tensor *g = eval_result(e, gr_arena_printf(t->arena, "grad:in%d", i));
    if (!g) return failed(t, "has no gradient");
    int64_t n = eval_numel(g), stride = n > 60 ? n / 60 : 1;
    double *analytic = gr_arena_copy(t->arena, g->data, sizeof(double) * (size_t)n);
    for (int64_t k = 0; k < n; k += stride) {
        double at = x[k], up, down;
        x[k] = at + step;
        eval_run(e);
        up = eval_at(eval_result(e, "loss"), 0);
        x[k] = at - step;
        eval_run(e);
        down = eval_at(eval_result(e, "loss"), 0);
        x[k] = at;
        double numeric = (up - down) / (2 * step);
        if (fabs(numeric - analytic[k]) <= 2e-6 * (1 + fabs(numeric))) continue;
        return failed(t, gr_arena_printf(t->arena, "d/d in%d[%lld] is %.10g, differences give %.10g", i, (long long)k, analytic[k], numeric));
    }
    return true;
}

static void add_result(trial *t, const char *name, gr_value *v)
{
    gr_graph_add_result(t->graph, t->graph->num_results, name, v);
}

/* The graph of a node, its objective "loss" and what the differentiate pass makes of it. */
static bool differentiate(trial *t, gr_value **out, int n)
{
    const char *names[MAX_IN + 1] = {NULL};
    int count = 0;
    gr_value *loss = objective(t, out, n);
    for (int i = 0; i < n; i++) add_result(t, gr_arena_printf(t->arena, "out%d", i), out[i]);
    if (!loss) return true;
    for (int i = 0; i < t->num_in; i++)
        if (wants_gradient(t, i)) names[count++] = t->input[i]->node->name;
    gr_graph_set_name(t->graph, "loss", loss);
    add_result(t, "loss", loss);
    gr_request r = {.grad = names, .of = "loss", .training = true};
    if (count && !gr_pass_differentiate(t->graph, &r)) return failed(t, "cannot be differentiated");
    return gr_graph_check(t->graph) ? failed(t, gr_graph_check(t->graph)) : true;
}

/* A ZERO_GRAD op's gradient is 0 by definition, whatever differences say. */
static bool smooth(const trial *t) { return !(t->op->traits & GR_ZERO_GRAD); }

static bool try_gradients(const op_case *c, const gr_op *more)
{
    trial t = begin(c, false, more);
    bool good = false;
    apply(&t, t.input);
    if (t.num_out < 0 || gr_diag_count(t.diag)) failed(&t, "is refused");
    else if (differentiate(&t, t.out, t.num_out)) {
        gr_eval *e = eval_create(t.arena, t.graph);
        fill(&t, e);
        good = eval_run(e) == 0 || failed(&t, "does not run");
        for (int i = 0; good && i < t.num_in; i++)
            if (wants_gradient(&t, i) && eval_result(e, "loss") && t.in[i].kind != 't' && smooth(&t)) good = check_gradient(&t, e, i);
    }
    end(&t);
    return good;
}

/* ---- all passes ---- */

static bool same_results(trial *t, gr_graph *before, gr_graph *after)
{
    gr_eval *x = eval_create(t->arena, before), *y = eval_create(t->arena, after);
    fill(t, x);
    fill(t, y);
    if (eval_run(x) < 0 || eval_run(y) < 0) return failed(t, "does not run");
    for (int i = 0; i < before->num_results; i++) {
        const gr_tensor *other = eval_result(y, before->result_names[i]);
        double d = other ? distance(eval_result(x, before->result_names[i]), other) : INFINITY;
        if (d > 1e-11) return failed(t, gr_arena_printf(t->arena, "%s differs by %g after the passes", before->result_names[i], d));
    }
    return true;
}

static gr_graph *optimised(trial *t)
{
    gr_request r = {.training = true};
    gr_graph *g = gr_graph_clone(t->graph, t->arena);
    g = gr_pass_merge(g, &r);
    g = g ? gr_pass_hoist(g, &r) : NULL;
    g = g ? gr_pass_fuse(g, &r) : NULL;
    g = g ? gr_pass_layout(g, &r) : NULL;
    const char *wrong = g ? gr_graph_check(g) : "a pass fails";
    if (wrong) failed(t, wrong);
    return wrong ? NULL : g;
}

static bool try_passes(const op_case *c)
{
    trial t = begin(c, false, NULL);
    apply(&t, t.input);
    bool good = (t.num_out >= 0 && !gr_diag_count(t.diag)) || failed(&t, "is refused");
    good = good && differentiate(&t, t.out, t.num_out);
    gr_graph *after = good ? optimised(&t) : NULL;
    good = after && same_results(&t, t.graph, after);
    end(&t);
    return good;
}

/* ---- in a loop ---- */

/* The node at each of three steps; its outputs are stacked. Values of the loop are found
 * by position, as a loop has no carries here. */
static bool loop_outputs(trial *t, gr_value **stacked)
{
    gr_ctx *c = gr_emitter_ctx(t->emitter);
    gr_value *in[MAX_IN] = {NULL};
    bool any = false;
    gr_loop *l = gr_loop_begin(c, "loop", false);
    for (int i = 0; i < t->num_in; i++) {
        if (!t->input[i]) continue;
        bool slice = !whole(t, i);
        any |= slice;
        in[i] = slice ? (gr_value *)(uintptr_t)gr_loop_slice(c, l, gr_arena_printf(t->arena, "x%d", i), t->input[i]) : t->input[i];
    }
    if (!any) return false;
    apply(t, in);
    for (int i = 0; i < t->num_out; i++) gr_loop_stack(c, l, gr_arena_printf(t->arena, "y%d", i), t->out[i]);
    gr_val first = gr_loop_end(c, l);
    for (int i = 0; i < t->num_out; i++) stacked[i] = (gr_value *)(uintptr_t)gr_output(c, first, i);
    return t->num_out > 0 && !gr_diag_count(t->diag);
}

/* A node that may have a leading axis of steps must leave the loop for good. */
static bool claims_batches(const gr_node *n) { return (n->op->traits & (GR_POINTWISE | GR_ROWWISE)) || n->op->batch || n->op->role == GR_ROLE_ARG; }

static bool left_the_loop(trial *t, const gr_graph *after)
{
    if (gr_diag_count(t->diag)) return failed(t, "gives errors in the passes");
    for (int i = 0; i < after->num_nodes; i++) {
        const gr_node *n = after->nodes[i];
        bool all = n->scan && n->phase == GR_FORWARD;
        for (int k = 0; all && k < n->scan->body->num_nodes; k++) all = claims_batches(n->scan->body->nodes[k]);
        if (all) return failed(t, "stays in a loop, against its claim");
    }
    return true;
}

static bool try_loop(const op_case *c)
{
    trial t = begin(c, true, NULL);
    gr_value *stacked[MAX_OUT];
    bool has_input = false, good = true;
    for (int i = 0; i < t.num_in; i++) has_input |= t.input[i] && !whole(&t, i);
    if (has_input) {
        good = loop_outputs(&t, stacked) || failed(&t, "cannot be put into a loop");
        good = good && differentiate(&t, stacked, t.num_out);
        gr_graph *after = good ? optimised(&t) : NULL;
        good = after && left_the_loop(&t, after) && same_results(&t, t.graph, after);
    }
    end(&t);
    return good;
}

/* ---- the tests ---- */

static void gradients(void)
{
    int bad = 0;
    for (int i = 0; i < NUM_CASES; i++) bad += !try_gradients(&cases[i], NULL);
    CU_ASSERT_EQUAL(bad, 0);
}

static void passes(void)
{
    int bad = 0;
    for (int i = 0; i < NUM_CASES; i++) bad += !try_passes(&cases[i]);
    CU_ASSERT_EQUAL(bad, 0);
}

static void loops(void)
{
    int bad = 0;
    for (int i = 0; i < NUM_CASES; i++) bad += !try_loop(&cases[i]);
    CU_ASSERT_EQUAL(bad, 0);
}

static bool has_case(const char *name)
{
    for (int i = 0; i < NUM_CASES; i++)
        if (strcmp(cases[i].op, name) == 0) return true;
    return false;
}

/* Whatever computes must be tested here; what only expands is tested by what it expands to. */
static void every_op_has_a_case(void)
{
    gr_arena *a = gr_arena_create();
    gr_registry *r = gr_registry_create(a);
    for (int i = 0; i < gr_registry_count(r); i++) {
        const gr_op *op = gr_registry_at(r, i);
        bool computes = op->tape || op->view || (op->kernels && op->kernels->run);
        if (computes && !has_case(op->name)) printf("\n  %s has no case in op_cases.h\n", op->name);
        CU_ASSERT(!computes || has_case(op->name));
    }
    for (int i = 0; i < NUM_CASES; i++) {
        if (!gr_registry_find(r, cases[i].op)) printf("\n  no op is called %s\n", cases[i].op);
        CU_ASSERT_PTR_NOT_NULL(gr_registry_find(r, cases[i].op));
    }
    gr_arena_destroy(a);
}

/* ---- values ---- */

/* "2 3:0.5 1 ...": whether v has these dims and values. */
static bool equals_text(const gr_tensor *v, char *text)
{
    char *values = strchr(text, ':'), *at = text;
    int rank = 0;
    double near = v->dtype == GR_FLOAT32 ? 2e-6 : 1e-12;
    *values++ = 0;
    while (*at) {
        int64_t d = strtol(at, &at, 10);
        if (rank >= v->rank || v->dim[rank++] != d) return false;
    }
    if (rank != v->rank) return false;
    for (int64_t i = 0; i < eval_numel(v); i++) {
        double want = strtod(values, &values), got = eval_at(v, i);
        if (want == got || (isnan(want) && isnan(got))) continue;
        if (fabs(want - got) <= near * (1 + fabs(want))) continue;
        printf("\n  element %lld is %.17g, PyTorch has %.17g", (long long)i, got, want);
        return false;
    }
    return true;
}

/* Evaluates a line of tests/golden/ops.txt: op|attributes|inputs|output... */
static bool try_golden(gr_dtype real, char *line)
{
    char *op = strsep(&line, "|"), *attrs = strsep(&line, "|"), *inputs = strsep(&line, "|");
    op_case c = {op, attrs, inputs};
    trial t = begin_in(real, &c, false, NULL);
    apply(&t, t.input);
    bool good = t.num_out >= 0 && !gr_diag_count(t.diag);
    gr_eval *e = eval_create(t.arena, t.graph);
    fill(&t, e);
    good = (good && eval_run(e) == 0) || failed(&t, "does not run");
    for (int i = 0; good && line; i++)
        good = (i < t.num_out && equals_text(eval_value(e, t.out[i]), strsep(&line, "|"))) || failed(&t, "has another value than PyTorch's");
    end(&t);
    return good;
}

/* Hands every line of a file to fn, twice: for float and for double. Gives how many. */
static int each_line(const char *path, bool (*fn)(gr_dtype real, char *line), int *bad)
{
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    char *line = NULL;
    size_t size = 0;
    int count = 0;
    while (getline(&line, &size, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *copy = strdup(line);
        *bad += !fn(GR_FLOAT64, line) + !fn(GR_FLOAT32, copy);
        free(copy);
        count++;
    }
    free(line);
    fclose(f);
    return count;
}

static void golden(void)
{
    int bad = 0;
    CU_ASSERT(each_line(GR_SOURCE_DIR "/tests/golden/ops.txt", try_golden, &bad) > 500);
    CU_ASSERT_EQUAL(bad, 0);
}

/* "3:1 2 3;3:0 0 0" becomes the inputs of a case of kind f (or i, b), and their values. */
static const char *edge_inputs(gr_arena *a, const char *op, const char *text, const double **values)
{
    const char *inputs = "";
    for (int i = 0; *text; i++) {
        char *end;
        size_t dims = strcspn(text, ":");
        bool classes = i == 1 && (strcmp(op, "CrossEntropyLoss") == 0 || strcmp(op, "NLLLoss") == 0), flags = i == 0 && strcmp(op, "Where") == 0;
        inputs = gr_arena_printf(a, "%s%s%s%.*s", inputs, i ? "; " : "", classes ? "i9 " : flags ? "b" : "f", (int)dims, text);
        double *v = GR_NEW_ARRAY(a, double, 64);
        text += dims + 1;
        for (int k = 0; *text && *text != ';'; k++, text = end) v[k] = strtod(text, &end);
        values[i] = v;
        text += *text == ';';
    }
    return inputs;
}

/* A line of tests/golden/op_edges.txt: op|attributes|inputs|output|gradients. */
static bool try_edge(gr_dtype real, char *line)
{
    gr_arena *a = gr_arena_create();
    const double *values[MAX_IN];
    char *op = strsep(&line, "|"), *attrs = strsep(&line, "|"), *text = strsep(&line, "|"), *output = strsep(&line, "|");
    op_case c = {op, attrs, edge_inputs(a, op, text, values)};
    trial t = begin_in(real, &c, false, NULL);
    apply(&t, t.input);
    bool good = (t.num_out > 0 && differentiate(&t, t.out, 1)) || failed(&t, "cannot be differentiated");
    gr_eval *e = eval_create(t.arena, t.graph);
    for (int i = 0; i < t.num_in; i++) eval_set(e, t.input[i]->node->name, values[i]);
    gr_type type;
    void *w = eval_memory(e, "w0", &type);
    double *ones = GR_NEW_ARRAY(a, double, gr_numel(&type) + 1);
    for (int64_t k = 0; w && k < gr_numel(&type); k++) ones[k] = 1;
    eval_set(e, "w0", ones);
    good = good && eval_run(e) == 0 && (equals_text(eval_result(e, "out0"), output) || failed(&t, "has another value than PyTorch's"));
    for (int i = 0; good && i < t.num_in; i++) {
        char *want = strsep(&line, ";");
        const gr_tensor *g = eval_result(e, gr_arena_printf(a, "grad:in%d", i));
        if (*want) good = (g && equals_text(g, want)) || failed(&t, gr_arena_printf(a, "has another gradient %d than PyTorch's", i));
    }
    end(&t);
    gr_arena_destroy(a);
    return good;
}

static void edges(void)
{
    int bad = 0;
    CU_ASSERT(each_line(GR_SOURCE_DIR "/tests/golden/op_edges.txt", try_edge, &bad) > 40);
    CU_ASSERT_EQUAL(bad, 0);
}

/* ---- a broken op must be caught ---- */

static int wrong_gradient(gr_ctx *c)
{
    return gr_set_grad(c, 0, 0, gr_emit2(c, "Mul", gr_grad(c, 0), gr_out(c, 0))); /* of exp, not tanh */
}

static void a_broken_op_is_caught(void)
{
    static const gr_port in[] = {{"input", 0, "[...]"}, {.name = NULL}}, out[] = {{"output", 0, "[...]"}, {.name = NULL}};
    static const gr_op broken = {GR_OP_HEADER, .name = "Broken", .summary = "A tanh with a wrong gradient.", .inputs = in,
                                 .outputs = out, .tape = GR_TAPE_TANH, .traits = GR_POINTWISE | GR_ROWWISE, .gradient = wrong_gradient};
    printf("\n  (a message about Broken follows)");
    CU_ASSERT_FALSE(try_gradients(&(op_case){"Broken", "", "f 3"}, &broken));
}

void test_ops(void)
{
    CU_pSuite s = CU_add_suite("ops", NULL, NULL);
    CU_add_test(s, "every op that computes has a case", every_op_has_a_case);
    CU_add_test(s, "values are PyTorch's", golden);
    CU_add_test(s, "values and gradients at kinks and extremes are PyTorch's", edges);
    CU_add_test(s, "gradients agree with differences", gradients);
    CU_add_test(s, "the passes change no value", passes);
    CU_add_test(s, "many steps at once are each step", loops);
    CU_add_test(s, "a wrong gradient is caught", a_broken_op_is_caught);
}
