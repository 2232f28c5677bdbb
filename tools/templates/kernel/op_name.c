/* op_name.c - OpName, an op with kernels of its own, forward and backward.
 *
 *     n = sqrt(sum of x^2 over a row + eps)        y = x / n
 *
 * dn/dx = x / n = y, so dy_i/dx_j = (delta_ij - y_i y_j) / n and, g being the gradient toward y,
 *
 *     dL/dx = (g - y (y . g)) / n
 *
 * The kernels are written once for float and double: float trains, double checks gradients. This file
 * includes itself through each_real.h, with REAL the type and NAME(f) the function's name for it. */
#ifdef REAL

/* n of a row. */
static REAL NAME(op_name_norm)(const gr_call *call, const REAL *x, int64_t size)
{
    return NAME(root)(call->math->MATH(dot)(x, x, size) + (REAL)call->attr[0].f);
}

/* Units [begin, end) of the node, on this thread; others may compute the rest at the same time. Inputs and
 * outputs are dense, the last axis innermost (an op with the trait GR_STRIDED sees any strides). */
static void NAME(op_name_run)(const gr_call *call)
{
    int64_t size = row_size(call);
    for (int64_t row = call->begin; row < call->end; row++) {
        const REAL *x = (const REAL *)call->in[0].data + row * size;
        REAL *y = (REAL *)call->out[0].data + row * size, n = NAME(op_name_norm)(call, x, size);
        for (int64_t i = 0; i < size; i++) y[i] = x[i] / n;
    }
}

static void NAME(op_name_back_run)(const gr_call *call)
{
    int64_t size = row_size(call);
    for (int64_t row = call->begin; row < call->end; row++) {
        const REAL *x = (const REAL *)call->in[0].data + row * size, *y = (const REAL *)call->in[1].data + row * size;
        const REAL *g = (const REAL *)call->in[2].data + row * size;
        REAL *dx = (REAL *)call->out[0].data + row * size;
        REAL n = NAME(op_name_norm)(call, x, size), along = call->math->MATH(dot)(y, g, size);
        for (int64_t i = 0; i < size; i++) dx[i] = (g[i] - y[i] * along) / n;
    }
}

#else
#include <graphrun/op.h>
#include <math.h>

static float root_f32(float x) { return sqrtf(x); }
static double root_f64(double x) { return sqrt(x); }

/* The length of a row: the last axis of the output. */
static int64_t row_size(const gr_call *call) { return call->out[0].rank ? call->out[0].dim[call->out[0].rank - 1] : 1; }

#define GR_KERNELS "op_name.c"
#include <graphrun/each_real.h>

/* A unit is a row. What a unit computes may not depend on which others a call has. */
static int64_t op_name_units(const gr_call *call)
{
    int64_t rows = 1;
    for (int i = 0; i + 1 < call->out[0].rank; i++) rows *= call->out[0].dim[i];
    return row_size(call) ? rows : 0;
}

/* Checks the inputs and says what the outputs are. Messages say what is wrong and what to write instead. */
static int op_name_infer(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, 0);
    if (!gr_is_float(t->dtype) || t->rank < 1)
        return gr_fail(c, GR_AT_INPUT, "input", "input must have an axis of floats to normalise; use Cast for integers");
    return gr_set_output(c, 0, t);
}

#define ATTRS {.name = "eps", .kind = GR_ATTR_FLOAT, .fallback = "1e-6", .min = 0, .max = 1, .doc = "Added to the sum of squares."}
static const gr_attr_spec op_name_attrs[] = {ATTRS, {0}};
static const gr_port op_name_inputs[] = {{"input", 0, "[..., size]"}, {0}};
static const gr_port op_name_outputs[] = {{"output", 0, "[..., size]: rows of length 1"}, {0}};

/* GR_ROWWISE: rows do not know of each other, so one node may do all steps of a loop at once. */
static const gr_op op_name_op = {
    GR_OP_HEADER,
    .name = "OpName",
    .summary = "Scales each row to length 1.",
    .formula = "input / sqrt(sum of input^2 over the last axis + eps)",
    .attrs = op_name_attrs,
    .inputs = op_name_inputs,
    .outputs = op_name_outputs,
    .traits = GR_ROWWISE,
    .infer = op_name_infer,
    .backward = "OpNameGradient",
    .units = op_name_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, op_name_run_f32}, {GR_FLOAT64, op_name_run_f64}, {0}},
    .kind = "layers", /* the heading under which `graphrun ops` lists it, and the example that its page has */
    .example = "graph:\n"
               "  x: {op: Constant, value: [[3.0, 4.0], [0.0, -2.0]]}\n"
               "  y: {op: OpName, in: x}\n",
    .cases = (const gr_case[]){{NULL, "f 2 5"}, {"eps=0.5", "f 3"}, {0}},
};

/* What `backward` names: its ports are the op's inputs and outputs and grad_<output>, whichever it reads, and
 * it gives grad_<input>. It has the op's attributes. */
static const gr_port op_name_back_inputs[] = {
    {"input", 0, "[..., size]"}, {"output", 0, "[..., size]"}, {"grad_output", 0, "[..., size]"}, {0}};
static const gr_port op_name_back_outputs[] = {{"grad_input", 0, "[..., size]"}, {0}};

static const gr_op op_name_gradient_op = {
    GR_OP_HEADER,
    .name = "OpNameGradient",
    .summary = "The gradient of OpName toward its input.",
    .formula = "(grad_output - output * sum of output * grad_output) / sqrt(sum of input^2 + eps)",
    .attrs = op_name_attrs,
    .inputs = op_name_back_inputs,
    .outputs = op_name_back_outputs,
    .traits = GR_ROWWISE,
    .infer = op_name_infer,
    .units = op_name_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, op_name_back_run_f32}, {GR_FLOAT64, op_name_back_run_f64}, {0}},
    .kind = "internal", /* models do not name it */
};

static const gr_op *const ops[] = {&op_name_op, &op_name_gradient_op, NULL};
GR_PLUGIN(.ops = ops)
#endif
