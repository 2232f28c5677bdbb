/* wrong_gradient.c - a plugin whose op squares and claims half the derivative, so that a
 * test can show that gradcheck notices. */
#include <graphrun/op.h>

static int halved_square_infer(gr_ctx *c) { return gr_set_output(c, 0, gr_in_type(c, 0)); }

static int halved_square_gradient(gr_ctx *c)
{
    return gr_set_grad(c, 0, 0, gr_emit2(c, "Mul", gr_grad(c, 0), gr_in(c, 0)));
}

static void halved_square_f64(const gr_call *call)
{
    const double *x = call->in[0].data;
    double *y = call->out[0].data;
    int64_t n = 1;
    for (int k = 0; k < call->in[0].rank; k++) n *= call->in[0].dim[k];
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * x[i];
}

static const gr_port halved_square_inputs[] = {{"input", 0, "[...]"}, {0}};
static const gr_port halved_square_outputs[] = {{"output", 0, "[...]"}, {0}};
static const gr_kernel halved_square_kernels[] = {{GR_FLOAT64, halved_square_f64}, {0}};

static const gr_op halved_square = {
    GR_OP_HEADER,
    .name = "HalvedSquare",
    .summary = "A square whose gradient is wrong.",
    .inputs = halved_square_inputs,
    .outputs = halved_square_outputs,
    .infer = halved_square_infer,
    .gradient = halved_square_gradient,
    .kernels = halved_square_kernels,
    .cases = (const gr_case[]){{NULL, "f 3"}, {0}},
};

static const gr_op *const ops[] = {&halved_square, NULL};
GR_PLUGIN(.ops = ops)
