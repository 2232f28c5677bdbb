/* structure.c - ops that the passes use to hold a graph together. */
#include "util.h"

static const gr_port values_in[] = {{"input", GR_PORT_VARIADIC | GR_PORT_OPTIONAL, "[...]: any"}, OP_END};
static const gr_port values_out[] = {{"output", GR_PORT_VARIADIC, "[...]: any"}, OP_END};

static int given_infer(gr_ctx *c)
{
    (void)c; /* whoever makes the node sets its types */
    return 0;
}

extern const gr_op gr_op_arg, gr_op_scan, gr_op_fused;
const gr_op gr_op_arg = {GR_OP_HEADER, .name = "Arg",
    .formula = "output = what the Scan's node is given, or its slice of this step", .summary = "What the body of a Scan gets from outside.",
    .outputs = values_out, .role = GR_ROLE_ARG, .infer = given_infer,
    .kind = "internal"};
const gr_op gr_op_scan = {GR_OP_HEADER, .name = "Scan", .reference = "jax.lax.scan", .summary = "Repeats a graph for each step of a sequence.",
    .formula = "{op: Scan, over: AXIS, in: {x: SEQUENCE}, with: {w: WHOLE}, reverse: false, lengths: LENGTHS, recompute: N,\n"
               "   carry: {h: {init: zeros or VALUE, size: LENGTH, next: NODE}}, step: {NODES}, out: {output: NODE}}\n\n"
               "  The step reads x (one slice of the sequence), w and h; out stacks its nodes over the steps.",
    .inputs = values_in, .outputs = values_out, .role = GR_ROLE_SCAN, .infer = given_infer,
    .kind = "layers",
    .example = OP_SEQUENCE
               "  rnn:\n"
               "    op: Scan\n"
               "    over: time\n"
               "    in: {slice: x}                # one step of x at a time\n"
               "    carry: {h: {init: zeros, size: 4, next: cell}}\n"
               "    step:\n"
               "      cell: {op: RNNCell, in: {input: slice, h: h}, hidden_size: 4}\n"
               "    out: {output: cell}           # rnn.output: [time, batch, 4]\n"};
const gr_op gr_op_fused = {GR_OP_HEADER, .name = "Fused",
    .formula = "the instructions of its tape, one element after another", .summary = "Pointwise ops joined into one pass over memory.",
    .inputs = values_in, .outputs = values_out, .role = GR_ROLE_FUSED, .infer = given_infer,
    .kind = "internal"};
