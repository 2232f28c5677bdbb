/* test_op_misuse.c - ops whose functions do what op.h and host.h forbid, as a plugin's may: each is told with its name,
 * in every build, and the process goes on. */
#include "graph/emit.h"
#include "tests.h"

#include <CUnit/Basic.h>
#include <string.h>

static void no_kernel(const gr_call *call) { (void)call; }

static int no_such_attr(gr_ctx *c) { return (int)gr_int(c, "sise"); }
static int no_such_port(gr_ctx *c) { return gr_in(c, 2) ? 0 : -1; }
static int no_such_index(gr_ctx *c) { return gr_in_at(c, 0, -1) ? 0 : -1; }
static int type_of_nothing(gr_ctx *c) { return gr_type_of(c, NULL)->rank; }
static int silent(gr_ctx *c) { return (void)c, -1; }
static int nothing(gr_ctx *c) { return (void)c, 0; }
static int output_too_many(gr_ctx *c) { return gr_set_output(c, 1, gr_type_of(c, gr_in(c, 0))); }
static int result_in_infer(gr_ctx *c) { return gr_set_result(c, 0, gr_in(c, 0)); }
static int output_in_expand(gr_ctx *c) { return gr_set_output(c, 0, gr_type_of(c, gr_in(c, 0))); }
static int result_too_many(gr_ctx *c) { return gr_set_result(c, 3, gr_in(c, 0)); }
static int grad_in_expand(gr_ctx *c) { return gr_grad(c, 0) ? 0 : -1; }
static int nameless(gr_ctx *c) { return gr_set_result(c, 0, gr_emit1(c, NULL, gr_in(c, 0))); }

static int half_a_type(gr_ctx *c)
{
    const gr_type t = {.dtype = GR_FLOAT32, .rank = 1, .dim = {-2}};
    return gr_set_output(c, 0, &t);
}

static int parameter_of_nothing(gr_ctx *c)
{
    const gr_type t = {.dtype = GR_FLOAT32, .rank = 99};
    return gr_set_result(c, 0, gr_parameter(c, "w", &t, "Zeros"));
}

static int open_loop(gr_ctx *c)
{
    gr_loop *l = gr_loop_begin(c, "loop", false);
    return gr_set_result(c, 0, gr_loop_slice(c, l, "x", gr_in(c, 0)));
}

static int loop_ended_twice(gr_ctx *c)
{
    gr_loop *l = gr_loop_begin(c, "loop", false);
    gr_loop_stack(c, l, "y", gr_loop_slice(c, l, "x", gr_in(c, 0)));
    gr_val y = gr_loop_end(c, l);
    gr_loop_end(c, l);
    return gr_set_result(c, 0, y);
}

static int no_carry(gr_ctx *c)
{
    gr_loop *l = gr_loop_begin(c, "loop", false);
    gr_val x = gr_loop_slice(c, l, "x", gr_in(c, 0)), y = gr_emit1(c, "Tanh", x);
    return gr_loop_next(c, l, y, x);
}

static int asks_later(gr_ctx *c, void *data, int n, const gr_val *values)
{
    (void)data;
    (void)n;
    (void)values;
    return gr_in(c, 0) ? 0 : -1;
}

static const struct {
    int (*expand)(gr_ctx *c), (*infer)(gr_ctx *c);
    const char *says;
} wrong[] = {
    {no_such_attr, NULL, "op Wrong asks for its attribute 'sise', which it does not declare"},
    {no_such_port, NULL, "op Wrong asks for value 0 of its input port 2; it has 1 port, from 0"},
    {no_such_index, NULL, "op Wrong asks for value -1 of its input port 0"},
    {type_of_nothing, NULL, "op Wrong asks for the type of an absent value"},
    {silent, NULL, "op Wrong gives -1 in 'expand' without saying what is wrong"},
    {NULL, silent, "op Wrong gives -1 in 'infer' without saying"},
    {nothing, NULL, "op Wrong gives no output 'output': call gr_set_result()"},
    {NULL, nothing, "op Wrong gives output 'output' no type: call gr_set_output()"},
    {NULL, output_too_many, "op Wrong calls gr_set_output() for output 1; it declares 1"},
    {NULL, result_in_infer, "op Wrong calls gr_set_result() in 'infer'"},
    {output_in_expand, NULL, "op Wrong calls gr_set_output() outside of 'infer'"},
    {result_too_many, NULL, "op Wrong calls gr_set_result() for output 3"},
    {grad_in_expand, NULL, "op Wrong calls gr_grad() in 'infer' or 'expand'"},
    {nameless, NULL, "op Wrong gives gr_emit() no name"},
    {NULL, half_a_type, "op Wrong gives gr_set_output() what is no type"},
    {parameter_of_nothing, NULL, "op Wrong gives gr_parameter() what is no type"},
    {open_loop, NULL, "op Wrong leaves a loop open: call gr_loop_end()"},
    {loop_ended_twice, NULL, "op Wrong calls gr_loop_end() for a loop that is not begun, has ended"},
    {no_carry, NULL, "op Wrong gives gr_loop_next() what is no carry"},
};

static const gr_port one_input[] = {{"input", 0, "[...]"}, {0}}, one_output[] = {{"output", 0, "[...]"}, {0}};
static const gr_kernel kernels[] = {{GR_FLOAT32, no_kernel}, {0}};

/* What the op does when a node of it is made. */
static void emit(gr_arena *a, const gr_op *op)
{
    gr_error e = {0};
    gr_registry *r = gr_registry_create(a);
    if (gr_registry_add(r, op, &e)) gr_blame(a, "%s", e.message);
    gr_graph *g = gr_graph_create(a, r, gr_diag_create(a), GR_FLOAT32);
    g->typed = true;
    gr_ctx *c = gr_emitter_ctx(gr_emitter_create(g, GR_FORWARD));
    gr_emit1(c, op->name, gr_emit(c, "Input", NULL, 0, NULL, "shape=[3, 2]"));
    CU_FAIL("nothing was told");
}

static void each_is_told(void)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const gr_op op = {GR_OP_HEADER, .name = "Wrong", .summary = "An op for tests.", .inputs = one_input, .outputs = one_output,
                          .expand = wrong[i].expand, .infer = wrong[i].infer, .kernels = wrong[i].infer ? kernels : NULL};
        gr_arena *a = gr_arena_create();
        gr_frame frame;
        gr_error e = {0};
        if (gr_try(a, &frame)) {
            emit(a, &op);
            gr_end_try(a, &frame);
        } else {
            gr_caught(a, &e);
        }
        CU_ASSERT_EQUAL(e.status, GR_EINVAL);
        if (!strstr(e.message, wrong[i].says)) fprintf(stderr, "\nnot '%s' but: %s", wrong[i].says, e.message);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.message, wrong[i].says));
        gr_arena_destroy(a);
    }
}

/* Without a node, as in a function that was put off. */
static void so_it_is_without_a_node(void)
{
    gr_arena *a = gr_arena_create();
    gr_registry *r = gr_registry_create(a);
    gr_error e = {0};
    gr_frame frame;
    if (gr_try(a, &frame)) {
        gr_graph *g = gr_graph_create(a, r, gr_diag_create(a), GR_FLOAT32);
        gr_emitter *em = gr_emitter_create(g, GR_FORWARD);
        asks_later(gr_emitter_ctx(em), NULL, 0, NULL);
        gr_end_try(a, &frame);
    } else {
        gr_caught(a, &e);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "in a function of gr_later() there is no node in hand"));
    gr_arena_destroy(a);
}

/* The inputs of a pointwise op are its instruction's operands. */
static void operands_are_counted(void)
{
    static const gr_op lacks = {GR_OP_HEADER, .name = "Lacks", .summary = "An op for tests.", .inputs = one_input, .outputs = one_output,
                                .traits = GR_POINTWISE, .tape = GR_TAPE_ADD};
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    CU_ASSERT_NOT_EQUAL(gr_registry_add(gr_registry_create(a), &lacks, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "an instruction of 2 operands, but 'inputs' has 1 port"));
    gr_arena_destroy(a);
}

static int as_input(gr_ctx *c) { return gr_set_output(c, 0, gr_type_of(c, gr_in(c, 0))); }

static int too_far(const gr_ctx *c, const gr_layout *in, gr_layout *out)
{
    (void)c;
    *out = *in;
    out->offset = 1;
    return 0;
}

static void views_stay_within(void)
{
    static const gr_op far = {GR_OP_HEADER, .name = "Far", .summary = "An op for tests.", .inputs = one_input, .outputs = one_output,
                              .traits = GR_VIEW, .infer = as_input, .view = too_far};
    gr_arena *a = gr_arena_create();
    gr_frame frame;
    gr_error e = {0};
    if (gr_try(a, &frame)) {
        emit(a, &far);
        gr_end_try(a, &frame);
    } else {
        gr_caught(a, &e);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "op Far: 'view' shows elements 1 to 6 of an input that has 6"));
    gr_arena_destroy(a);
}

void test_op_misuse(void)
{
    CU_pSuite s = CU_add_suite("op_misuse", NULL, NULL);
    CU_add_test(s, "each misuse is told with the op's name", each_is_told);
    CU_add_test(s, "also where there is no node", so_it_is_without_a_node);
    CU_add_test(s, "views stay within their input", views_stay_within);
    CU_add_test(s, "operands of an instruction are counted", operands_are_counted);
}
