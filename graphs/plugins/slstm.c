/* slstm.c - a plugin with a recurrent cell: the sLSTM of the xLSTM.
 *
 * Beck, Poeppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter and Hochreiter, xLSTM: Extended Long
 * Short-Term Memory, 2024, section 2.2. Its input gate is an exponential, so that a step can outweigh all
 * before it; the normalizer n keeps count of the weights, and m, the logarithm of the largest, keeps both in
 * range. i~, f~, z~ and o~ are rows of W x + R h + b, in this order:
 *
 *     z  = tanh(z~)          o  = sigmoid(o~)
 *     l  = ln f              f = sigmoid(f~) or exp(f~)
 *     m' = max(l + m, i~)    the stabilizer; i~ where n is 0 and l + m > i~ + 80
 *     i' = exp(i~ - m')      f' = exp(l + m - m')
 *     c' = f' c + i' z       n' = f' n + i'
 *     h' = o c' / n'
 *
 * h' is the same whatever m holds, as c' and n' are scaled alike. Where n is 0, as at the first step, nothing came
 * before; were m' far above i~ there, n' would be 0 in float. R is dense: one head, in the paper's words.
 * The forget gate's bias begins at forget_bias; at 0 half of the state is forgotten in a step.
 *
 *     cc -shared -fPIC -I$(pkg-config --variable=includedir graphrun) slstm.c -o slstm.so
 *     graphrun train slstm.yaml --plugin ./slstm.so
 */
#include <graphrun/op.h>

#include <math.h>
#include <string.h>

/* W x + R h + b, [batch, 4 hidden], as four gates. */
static int slstm_gates(gr_ctx *c, gr_val gate[4])
{
    int64_t hidden = gr_int(c, "hidden_size");
    const gr_type *x = gr_in_type(c, 0);
    if (x->rank < 1) return gr_fail(c, GR_AT_INPUT, "x", "x must have an axis of features");
    gr_type w = {.dtype = gr_real(c), .rank = 2, .dim = {4 * hidden, x->dim[x->rank - 1]}};
    gr_type r = {.dtype = gr_real(c), .rank = 2, .dim = {4 * hidden, hidden}}, b = {.dtype = gr_real(c), .rank = 1, .dim = {4 * hidden}};
    double bound = 1 / sqrt((double)hidden);
    const char *init = "Uniform low=%.17g high=%.17g";
    gr_val ih[2] = {gr_in(c, 0), gr_parameter(c, "weight_ih", &w, init, -bound, bound)};
    gr_val hh[2] = {gr_in(c, 1), gr_parameter(c, "weight_hh", &r, init, -bound, bound)};
    gr_val from_x = gr_emit(c, "MatMul", "from_x", 2, ih, "transpose_b=true"), from_h = gr_emit(c, "MatMul", "from_h", 2, hh, "transpose_b=true");
    gr_val sum = gr_emit3(c, "Add", from_x, gr_parameter(c, "bias", &b, "Zeros"), from_h);
    gr_val part = gr_emit(c, "Split", "gates", 1, &sum, "sections=4, dim=-1");
    for (int i = 0; i < 4; i++) gate[i] = gr_output(c, part, i);
    return 0;
}

static int slstm_expand(gr_ctx *c)
{
    gr_val gate[4], old_c = gr_in(c, 2), old_n = gr_in(c, 3), old_m = gr_in(c, 4);
    if (slstm_gates(c, gate) < 0) return -1;
    gr_val forget = gate[1];
    if (gr_float(c, "forget_bias") != 0)
        forget = gr_emit2(c, "Add", forget, gr_emit(c, "Full", "forget_bias", 0, NULL, "shape=[], value=%.17g", gr_float(c, "forget_bias")));
    gr_val log_forget = strcmp(gr_string(c, "forget_gate"), "sigmoid") == 0 ? gr_emit1(c, "LogSigmoid", forget) : forget;
    gr_val kept = gr_emit2(c, "Add", log_forget, old_m);
    gr_val most = gr_emit(c, "Full", "most", 0, NULL, "shape=[], value=80");
    gr_val first = gr_emit2(c, "Equal", old_n, gr_emit(c, "Full", "nothing", 0, NULL, "shape=[], value=0"));
    gr_val lost = gr_emit2(c, "Less", most, gr_emit2(c, "Sub", kept, gate[0])); /* exp(i~ - m') would be 0 in float */
    gr_val m = gr_emit3(c, "Where", gr_emit2(c, "LogicalAnd", first, lost), gate[0], gr_emit2(c, "Maximum", kept, gate[0]));
    /* Above 0 only at the first step, where 0 is multiplied by the exponential: it has to be finite. */
    gr_val log_f = gr_emit2(c, "Minimum", gr_emit2(c, "Sub", kept, m), most);
    gr_val i = gr_emit1(c, "Exp", gr_emit2(c, "Sub", gate[0], m)), f = gr_emit1(c, "Exp", log_f);
    gr_val z = gr_emit1(c, "Tanh", gate[2]), o = gr_emit1(c, "Sigmoid", gate[3]);
    gr_val cell = gr_emit2(c, "Add", gr_emit2(c, "Mul", f, old_c), gr_emit2(c, "Mul", i, z));
    gr_val n = gr_emit2(c, "Add", gr_emit2(c, "Mul", f, old_n), i);
    gr_set_result(c, 0, gr_emit2(c, "Mul", o, gr_emit2(c, "Div", cell, n)));
    gr_set_result(c, 1, cell);
    gr_set_result(c, 2, n);
    return gr_set_result(c, 3, m);
}

static const gr_attr_spec slstm_attrs[] = {
    {.name = "hidden_size", .kind = GR_ATTR_INT, .min = 1, .max = 1e9, .doc = "Width of the state."},
    {.name = "forget_gate", .kind = GR_ATTR_CHOICE, .choices = "sigmoid|exp", .fallback = "sigmoid", .doc = "What becomes of f~."},
    {.name = "forget_bias", .kind = GR_ATTR_FLOAT, .min = -100, .max = 100, .fallback = "0", .doc = "Added to f~."},
    {0},
};
static const gr_port slstm_inputs[] = {
    {"x", 0, "[batch, in]: the step's input"},
    {"h", 0, "[batch, hidden_size]: the output of the step before"},
    {"c", 0, "[batch, hidden_size]: the cell state"},
    {"n", 0, "[batch, hidden_size]: the normalizer, 0 or more"},
    {"m", 0, "[batch, hidden_size]: the stabilizer"},
    {0},
};
static const gr_port slstm_outputs[] = {
    {"h", 0, "[batch, hidden_size]"}, {"c", 0, "[batch, hidden_size]"}, {"n", 0, "[batch, hidden_size]"}, {"m", 0, "[batch, hidden_size]"}, {0}};

static const gr_op slstm_op = {
    GR_OP_HEADER,
    .name = "SLSTMCell",
    .summary = "One step of an LSTM with an exponential input gate.",
    .formula = "m' = max(ln f + m, i~), i~ where n is 0 and ln f + m > i~ + 80; c' = exp(ln f + m - m') c + exp(i~ - m') tanh(z~); n' = exp(ln f + m - m') n + exp(i~ - m'); "
               "h' = sigmoid(o~) c' / n'",
    .reference = "Beck et al., xLSTM: Extended Long Short-Term Memory, 2024",
    .attrs = slstm_attrs,
    .inputs = slstm_inputs,
    .outputs = slstm_outputs,
    .expand = slstm_expand,
    .kind = "cells",
    .example = "vars: {time: 4, batch: 2}\n"
               "graph:\n"
               "  x: {op: Full, shape: [time, batch, 3], value: 0.5}\n"
               "  rnn: {op: Recurrent, cell: SLSTMCell, in: x, hidden_size: 4, forget_bias: 1}\n"
               "  y: {op: Linear, in: rnn.output, out_features: 2}\n",
    .cases = (const gr_case[]){{"hidden_size=4", "f 2 3; f 2 4; f 2 4; p 2 4; f 2 4"},
                               {"hidden_size=3, forget_gate=exp, forget_bias=0.5", "f 2 5; f 2 3; f 2 3; p 2 3; f 2 3"}, {0}},
};

static const gr_op *const ops[] = {&slstm_op, NULL};
GR_PLUGIN(.ops = ops)
