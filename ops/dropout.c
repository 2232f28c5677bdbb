/* dropout.c - zeroes elements at random while training.
 *
 * The mask depends on the node's name, the training step, the time step and the element's
 * place in that step alone. `like` gives its shape; its values are not read. */
#ifdef REAL

static void NAME(mask_run)(const gr_call *call)
{
    const gr_tensor *o = &call->out[0];
    float p = (float)call->attr[0].f, u[BLOCK];
    REAL keep = p < 1 ? (REAL)(1 / (1 - call->attr[0].f)) : 0;
    int64_t all = op_numel(o), rows = call->random.rows > 0 ? call->random.rows : 1, row = all / rows;
    int64_t blocks = (row + BLOCK - 1) / BLOCK;
    for (int64_t unit = call->begin; unit < call->end; unit++) {
        int64_t r = unit / blocks, first = unit % blocks * BLOCK, n = row - first < BLOCK ? row - first : BLOCK;
        REAL *to = (REAL *)o->data + r * row + first;
        call->math->uniform_f32(call->random.key, call->random.row + (uint64_t)r, first, u, n);
        for (int64_t i = 0; i < n; i++) to[i] = u[i] < p ? 0 : keep;
    }
}

#else
#include "util.h"

enum { BLOCK = 256 };

#define GR_KERNELS "dropout.c"
#include <graphrun/each_real.h>

static int64_t mask_units(const gr_call *call)
{
    int64_t rows = call->random.rows > 0 ? call->random.rows : 1;
    return rows * ((op_numel(&call->out[0]) / rows + BLOCK - 1) / BLOCK);
}

/* As many as a number takes of the generator. */
static double mask_flops(const gr_call *call) { return 8 * (double)op_numel(&call->out[0]); }

static int mask_infer(gr_ctx *c) { return op_need_float(c, 0) < 0 ? -1 : gr_set_output(c, 0, gr_in_type(c, 0)); }

static const gr_attr_spec attrs[] = {{"p", GR_ATTR_FLOAT, "0.5", 0, 1, NULL, "Probability that an element becomes 0."}, OP_END};
static const gr_port like[] = {{"like", 0, "[...]: gives the shape"}, OP_END};
static const gr_port input[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

extern const gr_op gr_op_dropout_mask, gr_op_dropout;
const gr_op gr_op_dropout_mask = {GR_OP_HEADER, .name = "DropoutMask",
    .formula = "u < p ? 0 : 1 / (1 - p), u uniform in [0, 1)", .summary = "0 with probability p, else 1 / (1 - p).",
    .attrs = attrs, .inputs = like, .outputs = output, .traits = GR_ROWWISE | GR_RANDOM | GR_ZERO_GRAD | GR_STRIDED, .infer = mask_infer,
    .units = mask_units, .flops = mask_flops, .kernels = (const gr_kernel[]){{GR_FLOAT32, mask_run_f32}, {GR_FLOAT64, mask_run_f64}, {0, NULL}},
    .kind = "internal"};

/* The mask is made of the shape alone, so that it needs no step of a loop before it. */
static gr_val dropout_shape(gr_ctx *c, gr_val v)
{
    const gr_type *t = gr_type_of(c, v);
    gr_val zero = op_number(c, 0);
    return t->rank ? gr_emit(c, "Expand", NULL, 1, &zero, "shape=%s", op_ints(c, t->rank, t->dim)) : zero;
}

static int dropout_expand(gr_ctx *c)
{
    gr_val in = gr_in(c, 0);
    if (op_need_float(c, 0) < 0) return -1;
    if (!gr_is_training(c) || gr_float(c, "p") == 0) return gr_set_result(c, 0, in);
    gr_val shape = dropout_shape(c, in), mask = gr_emit(c, "DropoutMask", "mask", 1, &shape, "p=%.17g", gr_float(c, "p"));
    return gr_set_result(c, 0, gr_emit2(c, "Mul", in, mask));
}

const gr_op gr_op_dropout = {GR_OP_HEADER, .name = "Dropout",
    .formula = "while training input * m / (1 - p), m of each element 0 with probability p, else 1; otherwise input", .summary = "Zeroes elements at random while training, and scales up the others.",
    .reference = "Srivastava et al. 2014", .attrs = attrs, .inputs = input, .outputs = output, .expand = dropout_expand,
    .kind = "layers",
    .example = OP_X
               "  h: {op: Tanh, in: x}\n"
               "  y: {op: Dropout, in: h, p: 0.3}   # drops in training alone\n"};
#endif
