/* test_expand.c - raw graphs become typed ones: axes, composites, names, loops, and one
 * message for one mistake. */
#include "pass/pass.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct model {
    gr_arena *arena;
    gr_registry *registry;
    gr_diag *diag;
    gr_graph *raw;
} model;

static const gr_text source = {"m.yaml", "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\n", 30};

static gr_loc line(int n) { return (gr_loc){&source, n, 1, 1}; }

/* A composite whose loop has a named node inside: s = tanh(s + x_t). */
static int walk_expand(gr_ctx *c)
{
    gr_val x = gr_in(c, 0), zero = gr_emit(c, "Zeros", "start", 0, NULL, "shape=[2]");
    gr_loop *l = gr_loop_begin(c, "loop", false);
    gr_val xt = gr_loop_slice(c, l, "x", x), s = gr_loop_carry(c, l, "s", zero);
    gr_val sum = gr_emit2(c, "Add", s, xt), next = gr_emit(c, "Tanh", "next", 1, &sum, NULL);
    gr_loop_next(c, l, s, next);
    return gr_set_result(c, 0, gr_loop_end(c, l));
}

static const gr_op walk = {GR_OP_HEADER, .name = "Walk", .summary = "A loop.",
    .inputs = (const gr_port[]){{"input", 0, "[time, 2]"}, {NULL, 0, NULL}},
    .outputs = (const gr_port[]){{"last", 0, "[2]"}, {NULL, 0, NULL}}, .expand = walk_expand};

static model model_open(void)
{
    model m = {.arena = gr_arena_create()};
    m.registry = gr_registry_create(m.arena);
    gr_error e = {0};
    CU_ASSERT_EQUAL_FATAL(gr_registry_add(m.registry, &walk, &e), 0);
    m.diag = gr_diag_create(m.arena);
    m.raw = gr_graph_create(m.arena, m.registry, m.diag, GR_FLOAT32);
    return m;
}

/* A raw node on a line of the file, with its first output. */
static gr_value *node(model *m, int at, const char *name, const char *op, const char *attrs, int n, gr_value *const *in)
{
    const gr_op *o = gr_registry_find(m->registry, op);
    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
    gr_attr *attr = gr_attr_defaults(m->arena, o);
    const char *why = NULL;
    CU_ASSERT_EQUAL_FATAL(gr_attrs_parse(m->arena, o, attrs, attr, &why), 0);
    gr_node *made = gr_node_add(m->raw, &(gr_node_spec){.op = o, .name = name, .at = line(at), .num_in = n, .in = in, .attr = attr});
    return gr_node_add_output(made, NULL, NULL);
}

static int64_t lengths(void *data, const char *axis)
{
    (void)data;
    return strcmp(axis, "time") == 0 ? 5 : strcmp(axis, "batch") == 0 ? 3 : -1;
}

static const gr_value *result(const gr_graph *g, const char *name)
{
    for (int i = 0; i < g->num_results; i++)
        if (strcmp(g->result_names[i], name) == 0) return g->results[i];
    return NULL;
}

static void axes(void)
{
    model m = model_open();
    node(&m, 1, "x", "Input", "shape=[time, batch, 4]", 0, NULL);
    gr_request r = {.axis_length = lengths, .fetch = (const char *const[]){"x", NULL}};
    gr_graph *g = gr_pass_expand(m.raw, &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    const gr_type *t = &result(g, "x")->type;
    CU_ASSERT_EQUAL(t->rank, 3);
    CU_ASSERT_EQUAL(t->dim[0], 5);
    CU_ASSERT_EQUAL(t->dim[1], 3);
    CU_ASSERT_STRING_EQUAL(t->axis[0], "time");
    CU_ASSERT_PTR_NULL(t->axis[2]);
    gr_arena_destroy(m.arena);
}

static void unknown_axis(void)
{
    model m = model_open();
    gr_value *x = node(&m, 2, "x", "Input", "shape=[width, 4]", 0, NULL);
    node(&m, 3, "y", "Tanh", "", 1, &x);
    gr_request r = {.axis_length = lengths};
    CU_ASSERT_PTR_NULL(gr_pass_expand(m.raw, &r));
    gr_loc at;
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(m.diag), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(m.diag, 0, &at), "'width'"));
    CU_ASSERT_EQUAL(at.line, 2);
    gr_arena_destroy(m.arena);
}

/* fc.weight is read by a node and fetched; nothing of the composite is left. */
static void composite(void)
{
    model m = model_open();
    gr_value *x = node(&m, 1, "x", "Input", "shape=[batch, 4]", 0, NULL);
    gr_value *y = node(&m, 2, "fc", "Linear", "out_features=6", 1, &x);
    gr_value *w = gr_node_add_output(y->node, "weight", NULL);
    node(&m, 3, "norm", "Square", "", 1, &w);
    gr_request r = {.axis_length = lengths, .fetch = (const char *const[]){"fc", "fc.output", "fc.bias", "norm", NULL}};
    gr_graph *g = gr_pass_expand(m.raw, &r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    CU_ASSERT_PTR_EQUAL(result(g, "fc"), result(g, "fc.output"));
    CU_ASSERT_EQUAL(result(g, "fc")->type.dim[1], 6);
    CU_ASSERT_STRING_EQUAL(result(g, "fc")->type.axis[0], "batch");
    CU_ASSERT_EQUAL(result(g, "fc.bias")->type.dim[0], 6);
    CU_ASSERT_EQUAL(result(g, "norm")->type.dim[1], 4);
    for (int i = 0; i < g->num_nodes; i++) CU_ASSERT_PTR_NULL(g->nodes[i]->op->expand);
    CU_ASSERT_PTR_NOT_NULL(gr_graph_find_state(g, "fc.weight"));
    CU_ASSERT_PTR_NULL(gr_graph_check(g));
    gr_arena_destroy(m.arena);
}

/* A value inside a loop, fetched and read outside, is stacked by step. */
static void inner_value(void)
{
    model m = model_open();
    gr_value *x = node(&m, 1, "x", "Input", "shape=[time, 2]", 0, NULL);
    gr_value *w = node(&m, 2, "walk", "Walk", "", 1, &x);
    gr_value *inner = gr_node_add_output(w->node, "next", NULL);
    node(&m, 3, "all", "Neg", "", 1, &inner);
    gr_request r = {.axis_length = lengths, .fetch = (const char *const[]){"walk.next", "all", "walk", NULL}};
    gr_graph *g = gr_pass_expand(m.raw, &r);
    gr_diag_print(m.diag, stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    CU_ASSERT_EQUAL(result(g, "walk")->type.rank, 1);
    CU_ASSERT_EQUAL(result(g, "walk.next")->type.rank, 2);
    CU_ASSERT_EQUAL(result(g, "walk.next")->type.dim[0], 5);
    CU_ASSERT_EQUAL(result(g, "all")->type.dim[0], 5);
    CU_ASSERT_PTR_NOT_NULL(gr_pass_infer(g, &r));
    CU_ASSERT_EQUAL(result(g, "walk.next")->type.dim[0], 5);
    CU_ASSERT_PTR_NULL(gr_graph_check(g));
    gr_arena_destroy(m.arena);
}

/* A shape error tells both shapes and where each was made; what follows is silent. */
static void one_mistake(void)
{
    model m = model_open();
    gr_value *a = node(&m, 1, "a", "Input", "shape=[batch, 4]", 0, NULL), *b = node(&m, 2, "b", "Input", "shape=[batch, 5]", 0, NULL);
    gr_value *sum = node(&m, 3, "sum", "Add", "", 2, (gr_value *[]){a, b});
    gr_value *more = node(&m, 4, "more", "Tanh", "", 1, &sum);
    node(&m, 5, "fc", "Linear", "out_features=2", 1, &more);
    gr_request r = {.axis_length = lengths};
    CU_ASSERT_PTR_NULL(gr_pass_expand(m.raw, &r));
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(m.diag), 1);
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    gr_diag_print(m.diag, f);
    fclose(f);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m.yaml:3:1: error"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "[batch 3, 4]"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "[batch 3, 5]"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m.yaml:1:1: note"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m.yaml:2:1: note"));
    free(text);
    gr_arena_destroy(m.arena);
}

static void unknown_names(void)
{
    model m = model_open();
    gr_value *x = node(&m, 1, "sample", "Input", "shape=[batch, 4]", 0, NULL);
    gr_value *fc = node(&m, 2, "fc", "Linear", "out_features=2", 1, &x);
    gr_value *wrong = gr_node_add_output(fc->node, "wieght", NULL);
    node(&m, 3, "y", "Neg", "", 1, &wrong);
    gr_request r = {.axis_length = lengths};
    CU_ASSERT_PTR_NULL(gr_pass_expand(m.raw, &r));
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(m.diag), 1);
    gr_loc at;
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(m.diag, 0, &at), "wieght"));
    CU_ASSERT_EQUAL(at.line, 3);
    gr_arena_destroy(m.arena);

    m = model_open();
    node(&m, 1, "sample", "Input", "shape=[batch, 4]", 0, NULL);
    r.fetch = (const char *const[]){"sampel", NULL};
    CU_ASSERT_PTR_NULL(gr_pass_expand(m.raw, &r));
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(m.diag), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(m.diag, 0, &at), "did you mean 'sample'"));
    gr_arena_destroy(m.arena);
}

static void gradients_of_nothing(void)
{
    model m = model_open();
    node(&m, 1, "x", "Input", "shape=[batch, 4], dtype=int32", 0, NULL);
    gr_request r = {.axis_length = lengths, .grad = (const char *const[]){"x", NULL}};
    CU_ASSERT_PTR_NULL(gr_pass_expand(m.raw, &r));
    CU_ASSERT_EQUAL(gr_diag_count(m.diag), 2); /* of what, and toward integers */
    gr_arena_destroy(m.arena);
}

static void loss_is_scalar(void)
{
    model m = model_open();
    gr_value *x = node(&m, 1, "x", "Input", "shape=[batch, 4]", 0, NULL);
    node(&m, 2, "loss", "Tanh", "", 1, &x);
    gr_request r = {.axis_length = lengths, .train = true, .minimize = "loss"};
    CU_ASSERT_PTR_NULL(gr_run_passes(m.raw, &r, "infer"));
    CU_ASSERT_EQUAL_FATAL(gr_diag_count(m.diag), 1);
    gr_loc at;
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_diag_message(m.diag, 0, &at), "[batch 3, 4]"));
    CU_ASSERT_EQUAL(at.line, 2);
    gr_arena_destroy(m.arena);
}

/* Two nodes that share have one weight; a tied one is an alias of it. */
static void shared_and_tied(void)
{
    model m = model_open();
    gr_value *x = node(&m, 1, "x", "Input", "shape=[batch, 4]", 0, NULL);
    gr_value *a = node(&m, 2, "fc.0", "Linear", "out_features=4, bias=false", 1, &x);
    gr_value *b = node(&m, 3, "fc.1", "Linear", "out_features=4, bias=false", 1, &a);
    gr_value *c = node(&m, 4, "out", "Linear", "out_features=4, bias=false", 1, &b);
    a->node->params = b->node->params = "fc";
    gr_tie tie = {.param = "weight", .target = "fc.weight", .at = line(4)};
    c->node->ties = &tie;
    c->node->num_ties = 1;
    gr_request r = {.axis_length = lengths, .fetch = (const char *const[]){"out.weight", NULL}};
    gr_graph *g = gr_pass_expand(m.raw, &r);
    gr_diag_print(m.diag, stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(g);
    CU_ASSERT_EQUAL(g->num_states, 1);
    CU_ASSERT_PTR_EQUAL(result(g, "out.weight"), g->states[0]->value);
    gr_arena_destroy(m.arena);
}

static void table(void)
{
    const char *order[] = {"expand", "infer", "tabulate", "differentiate", "merge", "hoist", "tile", "fuse", "layout"};
    for (int i = 0; i < 9; i++) CU_ASSERT_STRING_EQUAL(gr_passes[i].name, order[i]);
    CU_ASSERT_PTR_NULL(gr_passes[9].name);
}

void test_expand(void)
{
    CU_pSuite s = CU_add_suite("expand", NULL, NULL);
    CU_add_test(s, "the passes stand in order", table);
    CU_add_test(s, "an Input takes the lengths of its axes", axes);
    CU_add_test(s, "an axis without a length is one error", unknown_axis);
    CU_add_test(s, "a composite and its parameters", composite);
    CU_add_test(s, "a value inside a loop is stacked", inner_value);
    CU_add_test(s, "one mistake gives one message", one_mistake);
    CU_add_test(s, "unknown names", unknown_names);
    CU_add_test(s, "gradients toward integers, of nothing", gradients_of_nothing);
    CU_add_test(s, "a loss is one number", loss_is_scalar);
    CU_add_test(s, "shared and tied weights", shared_and_tied);
}
