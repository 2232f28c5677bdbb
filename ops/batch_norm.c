/* batch_norm.c - BatchNorm1d: each channel brought to mean 0 and deviation 1 over the batch.
 *
 *     training   y = (x - mean) / sqrt(var + eps) * weight + bias, over the batch (and time)
 *                running = (1 - momentum) running + momentum * (mean, or var n / (n - 1))
 *     else       the running statistics stand for mean and var
 *
 * The running statistics are buffers: saved with the weights, renewed by training alone. */
#include "util.h"

typedef struct channels {
    const gr_type *x;
    gr_type each;         /* [channels] */
    int64_t shape[2];     /* [channels, 1]: how a channel's number meets the input */
    int rank;
    double n;             /* numbers of one channel */
    const char *over;     /* the axes that are summed */
} channels;

static int find_channels(gr_ctx *c, channels *k)
{
    k->x = gr_in_type(c, 0);
    if (op_need_float(c, 0) < 0) return -1;
    if (k->x->rank != 2 && k->x->rank != 3)
        return gr_fail(c, GR_AT_INPUT, "input", "the input is %s; it must be [batch, channels] or [batch, channels, time]",
                       op_type_text(c, k->x));
    k->each = (gr_type){.dtype = gr_real(c), .rank = 1, .dim = {k->x->dim[1]}};
    k->rank = k->x->rank - 1;
    k->shape[0] = k->x->dim[1];
    k->shape[1] = 1;
    k->n = (double)k->x->dim[0] * (k->x->rank == 3 ? (double)k->x->dim[2] : 1);
    k->over = k->x->rank == 3 ? "[0, 2]" : "[0]";
    return 0;
}

static gr_val broad(gr_ctx *c, const channels *k, gr_val v) { return op_reshape(c, v, k->rank, k->shape); }

static gr_val mean_of(gr_ctx *c, const channels *k, gr_val v)
{
    gr_val sum = gr_emit(c, "Sum", NULL, 1, &v, "dim=%s", k->over);
    return gr_emit2(c, "Mul", sum, op_number(c, 1 / k->n));
}

/* (1 - momentum) old + momentum new */
static int renew(gr_ctx *c, gr_val buffer, gr_val now, gr_val momentum)
{
    gr_val kept = gr_emit2(c, "Mul", buffer, gr_emit2(c, "Sub", op_number(c, 1), momentum));
    gr_val next = gr_emit2(c, "Add", kept, gr_emit2(c, "Mul", gr_emit1(c, "StopGradient", now), momentum));
    return gr_set_next(c, buffer, next);
}

/* momentum: null counts each batch so far alike: batch n has 1 / n. */
static gr_val momentum_of(gr_ctx *c, gr_val count)
{
    const gr_attr *momentum = gr_get(c, "momentum");
    if (momentum->present || !momentum->given) return op_number(c, momentum->present ? momentum->f : 0.1);
    return gr_emit1(c, "Reciprocal", gr_emit(c, "Cast", NULL, 1, &count, "dtype=float32"));
}

typedef struct running { gr_val mean, var, count; } running;

static int renew_all(gr_ctx *c, const channels *k, const running *r, gr_val mean, gr_val var)
{
    gr_val count = gr_emit2(c, "Add", r->count, gr_emit(c, "Constant", NULL, 0, NULL, "value=1")), momentum = momentum_of(c, count);
    if (renew(c, r->mean, mean, momentum) < 0) return -1;
    if (renew(c, r->var, gr_emit2(c, "Mul", var, op_number(c, k->n / (k->n - 1))), momentum) < 0) return -1;
    return gr_set_next(c, r->count, count);
}

static int batch_norm_expand(gr_ctx *c)
{
    channels k;
    running r = {NULL, NULL, NULL};
    bool tracks = gr_bool(c, "track_running_stats");
    if (find_channels(c, &k) < 0) return -1;
    gr_val weight = NULL, bias = NULL, mean, var, x = gr_in(c, 0);
    if (gr_bool(c, "affine")) weight = gr_parameter(c, "weight", &k.each, "Ones"), bias = gr_parameter(c, "bias", &k.each, "Zeros");
    if (tracks) {
        gr_type count = {.dtype = GR_INT32};
        r.mean = gr_register_buffer(c, "running_mean", &k.each, "Zeros");
        if (gr_type_of(c, r.mean)->dtype == GR_UNKNOWN) return -1;
        r.var = gr_register_buffer(c, "running_var", &k.each, "Ones");
        r.count = gr_register_buffer(c, "num_batches_tracked", &count, "Zeros");
    }
    mean = r.mean, var = r.var;
    if (gr_is_training(c) || !tracks) {
        if (gr_is_training(c) && k.n < 2)
            return gr_fail(c, GR_AT_INPUT, "input", "%s has %s for each channel, of which there is no deviation; training needs more",
                           op_type_text(c, k.x), k.n ? "one number" : "no number");
        mean = mean_of(c, &k, x);
    }
    gr_val far = gr_emit2(c, "Sub", x, broad(c, &k, mean));
    if (mean != r.mean) var = mean_of(c, &k, gr_emit2(c, "Mul", far, far));
    if (tracks && gr_is_training(c) && renew_all(c, &k, &r, mean, var) < 0) return -1;
    gr_val scale = gr_emit1(c, "Rsqrt", gr_emit2(c, "Add", var, op_number(c, gr_float(c, "eps"))));
    if (weight) scale = gr_emit2(c, "Mul", scale, weight);
    gr_val y = gr_emit2(c, "Mul", far, broad(c, &k, scale));
    return gr_set_result(c, 0, bias ? gr_emit2(c, "Add", y, broad(c, &k, bias)) : y);
}

static const gr_attr_spec batch_norm_attrs[] = {
    {"eps", GR_ATTR_FLOAT, "1e-5", 0, 1e30, NULL, "Added to the variance."},
    {"momentum", GR_ATTR_FLOAT, "~", 0, 1, NULL, "How much of a batch's statistics the running ones take over; absent: 0.1, null: they are the mean of all batches."},
    {"affine", GR_ATTR_BOOL, "true", 0, 0, NULL, "Whether the result is scaled and shifted by what is learned."},
    {"track_running_stats", GR_ATTR_BOOL, "true", 0, 0, NULL, "Keep statistics for use outside training; false: those of the batch always."},
    OP_END};
static const gr_port batch_norm_in[] = {{"input", 0, "[batch, channels] or [batch, channels, time]"}, OP_END};
static const gr_port batch_norm_out[] = {{"output", 0, "[...]: as the input"}, OP_END};

extern const gr_op gr_op_batch_norm1d;
const gr_op gr_op_batch_norm1d = {GR_OP_HEADER, .name = "BatchNorm1d", .summary = "Each channel brought to mean 0 and deviation 1 over the batch.",
    .formula = "(input - mean) / sqrt(var + eps) * weight + bias", .reference = "torch.nn.BatchNorm1d; Ioffe and Szegedy 2015",
    .attrs = batch_norm_attrs, .inputs = batch_norm_in, .outputs = batch_norm_out, .expand = batch_norm_expand,
    .kind = "layers",
    .example = OP_X
               "  y: {op: BatchNorm1d, in: x}   # [batch, channels]\n"};
