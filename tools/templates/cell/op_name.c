/* op_name.c - OpName, a recurrent cell: one step of a layer.
 *
 *     k  = sigmoid(W_k x + U_k h + b_k)      how much of the state is kept
 *     n  = tanh(W_n x + U_n h + b_n)         what it would become
 *     h' = n + k (h - n)
 *
 * A cell is an op with a carry: an input that is also the name of an output, here h. Recurrent runs it
 * over time, in any number of layers and both directions, ragged or not, and graphrun differentiates, fuses
 * and schedules it as it does LSTM. (A cell whose structure is fixed, as this one's, can be written in
 * YAML as well, without any C: see `blocks` in graphs/language_model/minimal_gated_unit.yaml.) */
#include <graphrun/op.h>

/* One step. Values are symbols: nothing is computed yet. A Linear with two inputs has a weight for each and adds
 * them up; its parameters are called <node>.keep.weight, <node>.keep.weight_1, <node>.keep.bias. */
static int op_name_expand(gr_ctx *c)
{
    gr_val x = gr_in(c, 0), h = gr_in(c, 1), both[2] = {x, h};
    long long size = (long long)gr_int(c, "hidden_size");
    gr_val keep = gr_emit(c, "Linear", "keep", 2, both, "out_features=%lld", size);
    gr_val next = gr_emit(c, "Linear", "next", 2, both, "out_features=%lld", size);
    gr_val k = gr_emit1(c, "Sigmoid", keep), n = gr_emit1(c, "Tanh", next);
    return gr_set_result(c, 0, gr_emit3(c, "Lerp", n, h, k)); /* n + k (h - n) */
}

/* hidden_size is what Recurrent asks of every cell. No default: it must be given. */
static const gr_attr_spec op_name_attrs[] = {
    {.name = "hidden_size", .kind = GR_ATTR_INT, .min = 1, .max = 1e9, .doc = "Width of the state."},
    {0},
};
static const gr_port op_name_inputs[] = {
    {"x", 0, "[batch, in]: the step's input"},
    {"h", 0, "[batch, hidden_size]: the state before the step"},
    {0},
};
static const gr_port op_name_outputs[] = {{"h", 0, "[batch, hidden_size]: the state after it"}, {0}};

/* Nodes to try it with, by `graphrun test-plugin`: attributes, then the inputs, each a kind of numbers and its
 * shape (op.h, gr_case). */
static const gr_case op_name_cases[] = {{"hidden_size=4", "f 2 3; f 2 4"}, {0}};

static const gr_op op_name_op = {
    GR_OP_HEADER,
    .name = "OpName",
    .summary = "A cell with one gate, which keeps the state.",
    .formula = "k = sigmoid(W_k x + U_k h + b_k); n = tanh(W_n x + U_n h + b_n); h' = n + k * (h - n)",
    .attrs = op_name_attrs,
    .inputs = op_name_inputs,
    .outputs = op_name_outputs,
    .expand = op_name_expand,
    .kind = "cells", /* the heading under which `graphrun ops` lists it, and the example that its page has */
    .example = "vars: {time: 4, batch: 2}\n"
               "graph:\n"
               "  x: {op: Full, shape: [time, batch, 3], value: 0.5}\n"
               "  rnn: {op: Recurrent, cell: OpName, in: x, hidden_size: 4}\n",
    .cases = op_name_cases,
};

static const gr_op *const ops[] = {&op_name_op, NULL};
GR_PLUGIN(.ops = ops)
