/* op_name.c - OpName, an op made of other ops.
 *
 * A composite has no kernel and no gradient of its own: it says which nodes it stands for, and graphrun
 * differentiates, fuses and schedules those. Pointwise maths, as here, becomes one pass over memory. */
#include <graphrun/op.h>

/* Called once for each node. Values are symbols here: nothing is computed yet, but their types (dtype,
 * shape) are known, by gr_type_of(). Op and attribute names are those of model files; `graphrun ops` lists
 * them. NULL, or -1 after gr_fail(), is handed on: graphrun tells the mistake once. */
static int op_name_expand(gr_ctx *c)
{
    gr_val x = gr_in(c, 0);
    gr_val beta = gr_emit(c, "Full", "beta", 0, NULL, "shape=[], value=%.17g", gr_float(c, "beta"));
    gr_val gate = gr_emit1(c, "Sigmoid", gr_emit2(c, "Mul", beta, x));
    return gr_set_result(c, 0, gr_emit2(c, "Mul", x, gate));
}

/* Lists end with {0}. Default (`fallback`) and range are as in a model file; no default: must be given. */
static const gr_attr_spec op_name_attrs[] = {
    {.name = "beta", .kind = GR_ATTR_FLOAT, .fallback = "1", .min = -100, .max = 100, .doc = "How steep the gate is."},
    {0},
};
static const gr_port op_name_inputs[] = {{"input", 0, "[...]: any shape"}, {0}};
static const gr_port op_name_outputs[] = {{"output", 0, "[...]: as input"}, {0}};

/* Nodes to try it with, by `graphrun test-plugin`: attributes, then the inputs, each a kind of numbers and its
 * shape (op.h, gr_case). Each attribute should once have another value than its default. */
static const gr_case op_name_cases[] = {{NULL, "f 2 3"}, {"beta=1.5", "f 4"}, {0}};

static const gr_op op_name_op = {
    GR_OP_HEADER,
    .name = "OpName",
    .summary = "Lets large values through and small ones half.",
    .formula = "input * sigmoid(beta * input)",
    .reference = "Ramachandran et al., Searching for Activation Functions, 2017",
    .attrs = op_name_attrs,
    .inputs = op_name_inputs,
    .outputs = op_name_outputs,
    .expand = op_name_expand,
    .kind = "pointwise", /* the heading under which `graphrun ops` lists it, and the example that its page has */
    .example = "graph:\n"
               "  x: {op: Constant, value: [-1.0, 0.0, 2.0]}\n"
               "  y: {op: OpName, in: x, beta: 2}\n",
    .cases = op_name_cases,
};

/* All ops of this file, which may be several. */
static const gr_op *const ops[] = {&op_name_op, NULL};
GR_PLUGIN(.ops = ops)
