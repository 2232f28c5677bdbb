/* minimal_gated.c - a plugin with two ops: a recurrent cell and a pointwise function.
 *
 * Both are composites, so graphrun differentiates, hoists and fuses them as its own. The
 * cell computes what graphs/language_model/minimal_gated_unit.yaml writes in YAML. Built with the project;
 * by hand, in the folder of the sources (where graphrun is installed, $(pkg-config --cflags
 * graphrun) says what -Iinclude says here):
 *
 *     cc -shared -fPIC -Iinclude graphs/plugins/minimal_gated.c -o minimal_gated.so
 *     tools/run train MODEL.yaml --plugin ./minimal_gated.so
 */
#include <graphrun/op.h>

/* ---- the cell: Zhou et al., Minimal Gated Unit for Recurrent Neural Networks, 2016 ---- */

static int minimal_gated_expand(gr_ctx *c)
{
    gr_val x = gr_in(c, 0), h = gr_in(c, 1);
    long long size = (long long)gr_int(c, "hidden_size");
    gr_val f = gr_emit(c, "Linear", "f", 2, (gr_val[]){x, h}, "out_features=%lld", size);
    gr_val gate = gr_emit1(c, "Sigmoid", f);
    gr_val kept = gr_emit2(c, "Mul", gate, h);
    gr_val n = gr_emit(c, "Linear", "c", 2, (gr_val[]){x, kept}, "out_features=%lld", size);
    return gr_set_result(c, 0, gr_emit3(c, "Lerp", h, gr_emit1(c, "Tanh", n), gate));
}

static const gr_attr_spec minimal_gated_attrs[] = {
    {.name = "hidden_size", .kind = GR_ATTR_INT, .min = 1, .max = 1e9, .doc = "Width of the state."},
    {0},
};
static const gr_port minimal_gated_inputs[] = {
    {"x", 0, "[batch, in]: the step's input"},
    {"h", 0, "[batch, hidden_size]: the state before the step"},
    {0},
};
static const gr_port minimal_gated_outputs[] = {
    {"h", 0, "[batch, hidden_size]: the state after it"},
    {0},
};

static const gr_op minimal_gated = {
    GR_OP_HEADER,
    .name = "MinimalGated",
    .summary = "A gated cell with one gate, which forgets and updates.",
    .formula = "f = sigmoid(W_f x + U_f h + b_f); h' = h + f * (tanh(W_c x + U_c (f * h) + b_c) - h)",
    .reference = "Zhou et al., Minimal Gated Unit for Recurrent Neural Networks, 2016",
    .attrs = minimal_gated_attrs,
    .inputs = minimal_gated_inputs,
    .outputs = minimal_gated_outputs,
    .expand = minimal_gated_expand,
    .kind = "cells",
    .example =
        "vars: {time: 4, batch: 2}\n"
        "graph:\n"
        "  x: {op: Full, shape: [time, batch, 3], value: 0.5}\n"
        "  rnn: {op: Recurrent, cell: MinimalGated, in: x, hidden_size: 4}\n"
        "  y: {op: Linear, in: rnn.output, out_features: 2}\n",
    .cases = (const gr_case[]){{"hidden_size=4", "f 2 3; f 2 4"}, {0}},
};

/* ---- a pointwise function ---- */

static int softcap_expand(gr_ctx *c)
{
    gr_val cap = gr_emit(c, "Full", "cap", 0, NULL, "shape=[], value=%.17g", gr_float(c, "cap"));
    gr_val y = gr_emit1(c, "Tanh", gr_emit2(c, "Div", gr_in(c, 0), cap));
    return gr_set_result(c, 0, gr_emit2(c, "Mul", y, cap));
}

static const gr_attr_spec softcap_attrs[] = {
    {.name = "cap", .kind = GR_ATTR_FLOAT, .min = 1e-6, .max = 1e6, .fallback = "30", .doc = "Bound of the result's magnitude."},
    {0},
};
static const gr_port softcap_inputs[] = {{"input", 0, "[...]: any shape"}, {0}};
static const gr_port softcap_outputs[] = {{"output", 0, "[...]: of magnitude below cap"}, {0}};

static const gr_op softcap = {
    GR_OP_HEADER,
    .name = "SoftCap",
    .summary = "Bounds values smoothly, leaving small ones as they are.",
    .formula = "cap * tanh(input / cap)",
    .reference = "Gemma Team, Gemma 2: Improving Open Language Models at a Practical Size, 2024",
    .attrs = softcap_attrs,
    .inputs = softcap_inputs,
    .outputs = softcap_outputs,
    .expand = softcap_expand,
    .kind = "pointwise",
    .example =
        "graph:\n"
        "  x: {op: Constant, value: [-100.0, 0.5, 100.0]}\n"
        "  y: {op: SoftCap, in: x, cap: 30}\n",
    .cases = (const gr_case[]){{NULL, "f 3 4"}, {"cap=0.5", "f 3 4"}, {"cap=2", "f"}, {0}},
};

static const gr_op *const ops[] = {&minimal_gated, &softcap, NULL};
GR_PLUGIN(.ops = ops)
