/* all_finite.c - one bit for a whole step: is every number finite, and has no kernel failed? */
#ifdef REAL

/* x - x is 0 for every finite x, and NaN for infinity and NaN. */
static bool NAME(all_finite)(const REAL *x, int64_t n)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++) finite &= x[i] - x[i] == 0;
    return finite;
}

#else
#include "util.h"

#define GR_KERNELS "all_finite.c"
#include <graphrun/each_real.h>

static const gr_port inputs[] = {{"input", GR_PORT_VARIADIC, "[...]: any; integers are finite"}, OP_END};
static const gr_port outputs[] = {{"output", 0, "[]: bool"}, OP_END};

static int all_finite_infer(gr_ctx *c)
{
    gr_type t = {.dtype = GR_BOOL};
    return gr_set_output(c, 0, &t);
}

static void all_finite_run(const gr_call *call)
{
    bool finite = !gr_call_failed(call);
    for (int i = 0; i < call->num_in && finite; i++) {
        const gr_tensor *t = &call->in[i];
        int64_t n = 1;
        for (int d = 0; d < t->rank; d++) n *= t->dim[d];
        if (t->dtype == GR_FLOAT32) finite = all_finite_f32(t->data, n);
        else if (t->dtype == GR_FLOAT64) finite = all_finite_f64(t->data, n);
    }
    *(uint8_t *)call->out[0].data = finite;
}

extern const gr_op gr_op_all_finite;
const gr_op gr_op_all_finite = {GR_OP_HEADER, .name = "AllFinite",
    .formula = "all elements of all inputs: |x| < inf", .summary = "Whether no input holds an infinity or NaN.",
    .inputs = inputs, .outputs = outputs, .traits = GR_ZERO_GRAD, .role = GR_ROLE_ALL_FINITE, .infer = all_finite_infer,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, all_finite_run}, {GR_FLOAT64, all_finite_run}, {GR_INT32, all_finite_run},
                                   {GR_BOOL, all_finite_run}, {0, NULL}},
    .kind = "internal"};
#endif
