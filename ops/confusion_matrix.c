/* confusion_matrix.c - how often each class was taken for each. */
#include "class_counts.h"

static int confusion_matrix_expand(gr_ctx *c)
{
    class_counts k;
    if (class_counts_emit(c, &k) < 0) return -1;
    const gr_val in[2] = {k.target, k.chosen};
    return gr_set_result(c, 0, gr_emit(c, "MatMul", NULL, 2, in, "transpose_a=true"));
}

static const gr_port confusion_matrix_outputs[] = {{"counts", 0, "[classes, classes]: row target, column chosen"}, {0}};

const gr_op gr_op_confusion_matrix = {
    GR_OP_HEADER,
    .name = "ConfusionMatrix",
    .summary = "How often each class was taken for each.",
    .formula = "counts[i, j] = number of targets i with argmax(input) = j",
    .attrs = metric_target_attrs,
    .inputs = metric_target_inputs,
    .outputs = confusion_matrix_outputs,
    .expand = confusion_matrix_expand,
    .kind = "internal",
};
