/* decode.c - what a model says: the likeliest classes as text. */
#include <graphrun/metric.h>

static int decode_expand(gr_ctx *c)
{
    gr_val logits = gr_in(c, 0);
    return gr_set_result(c, 0, gr_emit(c, "ArgMax", NULL, 1, &logits, "dim=-1"));
}

static const gr_metric decode_metric = {.size = sizeof(gr_metric)};
static const gr_port decode_inputs[] = {{"input", 0, "[..., classes]: logits"}, {0}};
static const gr_port decode_outputs[] = {{"chosen", 0, "[...]: number of the largest logit"}, {0}};

const gr_op gr_op_decode = {
    GR_OP_HEADER,
    .name = "Decode", .reference = "torch.argmax; greedy decoding",
    .summary = "The likeliest classes, shown through the data source's vocabulary; of a batch, its first row.",
    .formula = "argmax(input)",
    .inputs = decode_inputs,
    .outputs = decode_outputs,
    .traits = GR_METRIC,
    .expand = decode_expand,
    .data = &decode_metric,
    .example = "data: {op: Inline, vocab: [a, b, c], values: {y: [2, 0]}}\n"
               "graph:\n"
               "  y: {op: Input, shape: [time], dtype: int32, from: data.y}\n"
               "  logits: {op: Parameter, shape: [2, 3], init: Zeros}\n"
               "  loss: {op: CrossEntropyLoss, in: [logits, y]}\n"
               "train: {minimize: loss, optimizer: {op: SGD, lr: 1}, steps: 2}\n"
               "metrics: [{op: Decode, in: logits, as: likeliest}]\n",
};
