/* one_hot.c - a number as a row of zeros with a 1 in its place. */
#ifdef REAL

static void NAME(one_hot_run)(const gr_call *call)
{
    int64_t n = call->out[0].dim[call->out[0].rank - 1];
    const int32_t *index = call->in[0].data;
    for (int64_t u = call->begin; u < call->end; u++) {
        REAL *row = (REAL *)call->out[0].data + u * n;
        bool valid = index[u] >= 0 && index[u] < n;
        if (!valid) op_explain_index(call, u, "input", index[u], n, "classes");
        for (int64_t k = 0; k < n; k++) row[k] = valid ? k == index[u] : (REAL)NAN;
    }
}

#else
#include "util.h"

#include <math.h>

#define GR_KERNELS "one_hot.c"
#include <graphrun/each_real.h>

static int one_hot_infer(gr_ctx *c)
{
    gr_type t = *gr_in_type(c, 0);
    if (t.dtype != GR_INT32) return gr_fail(c, GR_AT_INPUT, "input", "input must be int32, but is %s; Cast converts", op_type_text(c, &t));
    if (t.rank == GR_MAX_RANK) return gr_fail(c, GR_AT_INPUT, "input", "input has %d axes already", GR_MAX_RANK);
    t.dtype = gr_real(c);
    t.axis[t.rank] = NULL;
    t.dim[t.rank++] = gr_int(c, "num_classes");
    return gr_set_output(c, 0, &t);
}

static int64_t one_hot_units(const gr_call *call)
{
    int64_t n = 1;
    for (int i = 0; i < call->in[0].rank; i++) n *= call->in[0].dim[i];
    return n;
}

static const gr_attr_spec attrs[] = {{"num_classes", GR_ATTR_INT, NULL, 1, 2147483647, NULL, "Length of a row."}, OP_END};
static const gr_port inputs[] = {{"input", GR_PORT_INT, "[...]: from 0 to num_classes - 1"}, OP_END};
static const gr_port outputs[] = {{"output", 0, "[..., num_classes]; NaN where an input is out of range"}, OP_END};

extern const gr_op gr_op_one_hot;
const gr_op gr_op_one_hot = {GR_OP_HEADER, .name = "OneHot", .summary = "A number as a row of zeros with a 1 in its place.",
    .formula = "output[..., k] = (input[...] == k)", .reference = "torch.nn.functional.one_hot, but float", .attrs = attrs,
    .inputs = inputs, .outputs = outputs, .role = GR_ROLE_ONE_HOT, .traits = GR_ROWWISE | GR_ZERO_GRAD, .infer = one_hot_infer, .units = one_hot_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, one_hot_run_f32}, {GR_FLOAT64, one_hot_run_f64}, {0, NULL}},
    .kind = "shapes",
    .example = "graph:\n"
               "  letters: {op: Constant, value: [0, 2, 1]}\n"
               "  y: {op: OneHot, in: letters, num_classes: 3}   # [3, 3]\n"};
#endif
