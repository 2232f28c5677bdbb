/* wrong_kernels.c - a plugin of ops that all double their input, each with a kernel that does one thing that kernels
 * may not, or with an example that is wrong, so that tests can show that test-plugin says what. */
#ifdef REAL

/* ---- writing where it may not ---- */

static void NAME(beyond_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i <= numel(call); i++) y[i] = i < numel(call) ? 2 * x[i] : 7;
}

static void NAME(far_beyond_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i < numel(call); i++) y[i] = 2 * x[i];
    y[numel(call) + 40] = 7;
}

static void NAME(before_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i < numel(call); i++) y[i] = 2 * x[i];
    y[-1] = 7;
}

static void NAME(into_input_run)(const gr_call *call)
{
    REAL *x = call->in[0].data, *y = call->out[0].data;
    for (int64_t i = 0; i < numel(call); i++) y[i] = 2 * x[i];
    x[2] = 7;
}

static void NAME(beyond_scratch_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data, *sum = call->scratch;
    for (int64_t i = 0; i <= numel(call); i++) sum[i] = i < numel(call) ? 2 * x[i] : 7;
    for (int64_t i = 0; i < numel(call); i++) y[i] = sum[i];
}

static void NAME(right_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i < numel(call); i++) y[i] = 2 * x[i];
}

/* ---- outputs that are not always the same ---- */

static void NAME(partly_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i + 1 < numel(call); i++) y[i] = 2 * x[i];
}

static void NAME(adding_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i < numel(call); i++) y[i] = (y[i] == y[i] ? y[i] : 0) + 2 * x[i];
}

static void NAME(by_begin_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = call->begin; i < call->end; i++) y[i] = 2 * x[i] + (i == call->begin);
}

static void NAME(from_first_run)(const gr_call *call)
{
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i < call->end - call->begin; i++) y[i] = 2 * x[i];
}

static void NAME(counts_run)(const gr_call *call)
{
    static int calls;
    const REAL *x = call->in[0].data;
    REAL *y = call->out[0].data;
    for (int64_t i = 0; i < numel(call); i++) y[i] = 2 * x[i] + (REAL)calls;
    calls++;
}

/* ---- never coming back ---- */

static void NAME(crash_run)(const gr_call *call)
{
    *(volatile int *)(uintptr_t)(64 * call->end) = 1;
}

static void NAME(aborts_run)(const gr_call *call)
{
    (void)call;
    abort();
}

static void NAME(leave_run)(const gr_call *call)
{
    (void)call;
    exit(0);
}

static void NAME(endless_run)(const gr_call *call)
{
    for (volatile bool go_on = call != NULL; go_on;) continue;
}

#else
#include <graphrun/op.h>
#include <stdlib.h>

static int64_t numel(const gr_call *call)
{
    int64_t n = 1;
    for (int k = 0; k < call->in[0].rank; k++) n *= call->in[0].dim[k];
    return n;
}

static size_t of_input(const gr_call *call) { return (size_t)numel(call) * gr_dtype_size(call->in[0].dtype); }

#define GR_KERNELS "wrong_kernels.c"
#include <graphrun/each_real.h>

static void single_run(const gr_call *call)
{
    const float *x = call->in[0].data;
    float *y = call->out[0].data;
    for (int64_t i = 0; i < numel(call); i++) y[i] = 2 * x[i];
}

static int doubling_infer(gr_ctx *c) { return gr_set_output(c, 0, gr_in_type(c, 0)); }
static int doubling_gradient(gr_ctx *c) { return gr_set_grad(c, 0, 0, gr_emit2(c, "Add", gr_grad(c, 0), gr_grad(c, 0))); }

static const gr_port in[] = {{"x", 0, "[...]"}, {0}}, out[] = {{"y", 0, "[...]"}, {0}};

#define OP_BY(kernel, id, title, ...)                                                                                                  \
    static const gr_op id = {                                                                                                          \
        GR_OP_HEADER, .name = title, .summary = "Doubles, wrongly.", .inputs = in, .outputs = out, .infer = doubling_infer,              \
        .gradient = doubling_gradient, .kernels = (const gr_kernel[]){{GR_FLOAT32, kernel##_f32}, {GR_FLOAT64, kernel##_f64}, {0}},      \
        .cases = (const gr_case[]){{NULL, "f 5"}, {0}}, __VA_ARGS__};
#define OP(id, ...) OP_BY(id##_run, id, __VA_ARGS__)

OP(beyond, "Beyond")
OP(far_beyond, "FarBeyond")
OP(before, "Before")
OP(into_input, "IntoInput")
OP(beyond_scratch, "BeyondScratch", .scratch = of_input)

OP(partly, "Partly")
OP(adding, "Adding")
OP(by_begin, "ByBegin", .units = numel)
OP(from_first, "FromFirst", .units = numel)
OP(counts, "Counts")
OP(crash, "Crash")
OP(aborts, "Aborts")
OP(leave, "Leave")
OP(endless, "Endless")

static const gr_op single = {
    GR_OP_HEADER, .name = "Single", .summary = "Doubles, in float alone.", .inputs = in, .outputs = out, .infer = doubling_infer,
    .gradient = doubling_gradient, .kernels = (const gr_kernel[]){{GR_FLOAT32, single_run}, {0}}, .cases = (const gr_case[]){{NULL, "f 5"}, {0}}};

OP_BY(right_run, right_example, "RightExample", .example = "graph:\n  x: {op: Full, shape: [3], value: 2}\n  y: {op: RightExample, in: x}\n")
OP_BY(right_run, wrong_example, "WrongExample", .example = "graph:\n  x: {op: Input, shape: [3]}\n  y: {op: WrongExample, in: z}\n")
OP_BY(right_run, other_example, "OtherExample", .example = "graph:\n  x: {op: Input, shape: [3]}\n  y: {op: Tanh, in: x}\n")

static const gr_op *const ops[] = {&right_example, &wrong_example, &other_example, &partly, &adding, &by_begin, &from_first, &counts, &single, &beyond, &far_beyond, &before, &into_input, &beyond_scratch, &crash, &aborts, &leave, &endless, NULL};
GR_PLUGIN(.ops = ops)
#endif
