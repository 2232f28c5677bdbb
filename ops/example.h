/* example.h - what examples of built-in ops begin with (gr_op.example). */
#ifndef GR_OPS_EXAMPLE_H
#define GR_OPS_EXAMPLE_H

#define OP_X "graph:\n  x: {op: Constant, value: [[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]}   # [2, 3]\n"
#define OP_XY OP_X "  y: {op: Constant, value: [[2.0, 1.0, 0.5], [4.0, 3.0, 1.0]]}\n"
#define OP_SEQUENCE "vars: {time: 4, batch: 2}\ngraph:\n  x: {op: Full, shape: [time, batch, 3], value: 0.5}\n"

/* options: what stands behind the inputs, ", value: 0" */
#define OP_EXAMPLE_ONE(NAME, options) OP_X "  result: {op: " NAME ", in: x" options "}\n"
#define OP_EXAMPLE_TWO(NAME) OP_XY "  result: {op: " NAME ", in: [x, y]}\n"

/* A loss of predictions and targets from 0 to 1. */
#define LOSS_EXAMPLE(NAME) \
    "graph:\n" \
    "  prediction: {op: Constant, value: [[0.2, 0.9], [0.5, 0.1]]}\n" \
    "  target: {op: Constant, value: [[0.0, 1.0], [1.0, 0.0]]}\n" \
    "  loss: {op: " NAME ", in: {input: prediction, target: target}}\n"

/* optimizer: its map, "{op: SGD, lr: 0.1}" */
#define OPT_EXAMPLE(optimizer) \
    "graph:\n" \
    "  w: {op: Parameter, shape: [3], init: Ones}\n" \
    "  square: {op: Square, in: w}\n" \
    "  loss: {op: Sum, in: square}\n" \
    "train:\n" \
    "  minimize: loss\n" \
    "  optimizer: " optimizer "\n" \
    "  steps: 3\n"

/* metric: as an entry of `metrics` */
#define METRIC_OF(loss, prediction, target, metric) \
    "graph:\n" \
    "  prediction: {op: Parameter, shape: " prediction ", init: Zeros}\n" \
    "  target: {op: Constant, value: " target "}\n" \
    "  loss: {op: " loss ", in: {input: prediction, target: target}}\n" \
    "train: {minimize: loss, optimizer: {op: SGD, lr: 1}, steps: 2}\n" \
    "metrics: [" metric "]\n"
#define METRIC_EXAMPLE(metric) METRIC_OF("CrossEntropyLoss", "[2, 3]", "[2, 0]", metric)
#define METRIC_SEQUENCE_EXAMPLE(metric) METRIC_OF("CrossEntropyLoss", "[4, 2, 3]", "[[2, 0], [1, 1], [0, 2], [2, 2]]", metric)
#define METRIC_ERROR_EXAMPLE(metric) METRIC_OF("MSELoss", "[2]", "[0.5, 1.5]", metric)

#endif
