/* ctc.c - a plugin with a loss whose kernels, forward and backward, are its own: CTC.
 *
 * Graves, Fernandez, Gomez and Schmidhuber, Connectionist Temporal Classification: Labelling Unsegmented Sequence
 * Data with Recurrent Neural Networks, 2006. A network gives the probabilities of classes at each of T steps;
 * the target is a shorter sequence of symbols, and nobody says which step belongs to which. The loss is
 * -ln of the probability of all ways to write the target over T steps, where a symbol may last several steps
 * and blanks may stand between; between two equal symbols one must.
 *
 * l is the target with a blank before, between and after its S symbols: L = 2 S + 1 of them. All that
 * follows is in logarithms; lp[t, k] is the log probability of class k at step t.
 *
 *     alpha[0, s] = lp[0, l_s], s < 2
 *     alpha[t, s] = lp[t, l_s] + ln(e^alpha[t-1, s] + e^alpha[t-1, s-1] + e^alpha[t-1, s-2])
 *
 * (the last term where l_s is no blank and another than l_{s-2}) sums the ways that are at s at step t;
 * -loss = ln(e^alpha[T-1, L-1] + e^alpha[T-1, L-2]). beta is alpha of the sequence read from its end, so it has
 * lp[t, l_s] in it, too. A way passes step t at exactly one s, and
 *
 *     dloss / dlp[t, k] = - sum over s with l_s = k of e^(alpha[t, s] + beta[t, s] - lp[t, k] + loss)
 *
 * is minus the probability that step t writes k, given the target. This is the derivative with respect to
 * log_probs as they are. torch.nn.CTCLoss gives e^lp more, which is that toward logits where log_probs
 * are a log_softmax of them; the gradient toward the logits is the same.
 *
 *     cc -shared -fPIC -I$(pkg-config --variable=includedir graphrun) -I. ctc.c -o ctc.so
 *     graphrun train ctc.yaml --plugin ./ctc.so
 */
#ifdef REAL

/* lp[t, .] of the row, as its direction reads time. */
static const REAL *NAME(ctc_frame)(const gr_call *call, const ctc_row *r, int64_t t)
{
    int64_t at = r->reverse ? r->steps - 1 - t : t;
    return (const REAL *)call->in[0].data + (at * r->batch + r->row) * r->classes;
}

/* to[s] = lp[t, l_s] + ln(sum of up to three e^from); w has room for 3 L. */
static void NAME(ctc_step)(const gr_call *call, const ctc_row *r, const REAL *lp, const REAL *from, REAL *to, REAL *w)
{
    int64_t n = r->length;
    for (int64_t s = 0; s < n; s++) {
        REAL a = from[s], b = s > 0 ? from[s - 1] : -INFINITY, c = ctc_may_skip(r, s) ? from[s - 2] : -INFINITY;
        REAL max = a > b ? a : b;
        if (c > max) max = c;
        if (!(max > -INFINITY)) max = 0; /* nothing leads here: e^-inf thrice */
        w[s] = a - max, w[n + s] = b - max, w[2 * n + s] = c - max;
        to[s] = lp[ctc_label(r, s)] + max;
    }
    call->math->MATH(exp)(w, w, 3 * n);
    for (int64_t s = 0; s < n; s++) w[s] += w[n + s] + w[2 * n + s];
    call->math->MATH(log)(w, w, n);
    for (int64_t s = 0; s < n; s++) to[s] += w[s];
}

/* alpha [steps, length] */
static void NAME(ctc_alphas)(const gr_call *call, const ctc_row *r, REAL *alpha, REAL *w)
{
    for (int64_t t = 0; t < r->steps; t++) {
        const REAL *lp = NAME(ctc_frame)(call, r, t);
        REAL *to = alpha + t * r->length;
        if (t) NAME(ctc_step)(call, r, lp, to - r->length, to, w);
        for (int64_t s = 0; !t && s < r->length; s++) to[s] = s < 2 ? lp[ctc_label(r, s)] : -INFINITY;
    }
}

/* -ln of all ways. */
static REAL NAME(ctc_loss)(const gr_call *call, const ctc_row *r, const REAL *alpha)
{
    if (!r->steps) return r->length == 1 ? 0 : INFINITY;
    const REAL *last = alpha + (r->steps - 1) * r->length;
    REAL a = last[r->length - 1], b = r->length > 1 ? last[r->length - 2] : -INFINITY, max = a > b ? a : b;
    if (max == -INFINITY) return INFINITY;
    REAL e[2] = {a - max, b - max}, log;
    call->math->MATH(exp)(e, e, 2);
    e[0] += e[1];
    call->math->MATH(log)(&log, e, 1);
    return -max - log;
}

static void NAME(ctc_run)(const gr_call *call)
{
    REAL *w = call->scratch, *alpha = w + 3 * ctc_most_labels(call);
    for (int64_t i = call->begin; i < call->end; i++) {
        ctc_row r;
        bool good = ctc_row_of(call, i, &r);
        if (good) NAME(ctc_alphas)(call, &r, alpha, w);
        ((REAL *)call->out[0].data)[i] = good ? NAME(ctc_loss)(call, &r, alpha) : (REAL)NAN;
    }
}

/* One step's row of the gradient. */
static void NAME(ctc_back_step)(const gr_call *call, const ctc_row *r, int64_t t, const REAL *alpha, const REAL *beta, REAL shift, REAL g, REAL *w)
{
    const REAL *lp = NAME(ctc_frame)(call, r, t), *a = alpha + t * r->length, *b = beta + (r->steps - 1 - t) * r->length;
    REAL *out = (REAL *)call->out[0].data + (t * r->batch + r->row) * r->classes;
    for (int64_t s = 0; s < r->length; s++) {
        REAL here = b[r->length - 1 - s];
        w[s] = a[s] == -INFINITY || here == -INFINITY ? -INFINITY : a[s] + here - lp[ctc_label(r, s)] + shift;
    }
    call->math->MATH(exp)(w, w, r->length);
    for (int64_t s = 0; s < r->length; s++) out[ctc_label(r, s)] -= g * w[s];
}

static void NAME(ctc_back_run)(const gr_call *call)
{
    const REAL *loss = call->in[call->port[4]].data, *grad = call->in[call->port[5]].data;
    int64_t labels = ctc_most_labels(call);
    REAL *w = call->scratch, *alpha = w + 3 * labels, *beta = alpha + labels * call->in[0].dim[0];
    for (int64_t i = call->begin; i < call->end; i++) {
        ctc_row r;
        bool good = ctc_row_of(call, i, &r), known = good && (loss[i] < INFINITY || grad[i] == 0);
        for (int64_t t = 0; t < call->in[0].dim[0]; t++) {
            REAL *out = (REAL *)call->out[0].data + (t * r.batch + i) * r.classes;
            for (int64_t k = 0; k < r.classes; k++) out[k] = known || (good && t >= r.steps) ? 0 : (REAL)NAN;
        }
        if (!known || grad[i] == 0) continue;
        ctc_row back = r;
        back.reverse = true;
        NAME(ctc_alphas)(call, &r, alpha, w);
        NAME(ctc_alphas)(call, &back, beta, w);
        for (int64_t t = 0; t < r.steps; t++) NAME(ctc_back_step)(call, &r, t, alpha, beta, loss[i], grad[i], w);
    }
}

#else
#include <graphrun/op.h>

#include <math.h>
#include <string.h>

/* One row of the batch. */
typedef struct ctc_row {
    const int32_t *target;
    int64_t row, batch, classes, steps, length; /* length: L */
    int32_t blank;
    bool reverse; /* time and target are read from their ends */
} ctc_row;

/* l_s */
static int32_t ctc_label(const ctc_row *r, int64_t s)
{
    int64_t at = r->reverse ? r->length - 1 - s : s;
    return at % 2 ? r->target[at / 2] : r->blank;
}

/* Whether a way may come to s from s - 2, over a blank. */
static bool ctc_may_skip(const ctc_row *r, int64_t s) { return s > 1 && s % 2 && ctc_label(r, s) != ctc_label(r, s - 2); }

static int64_t ctc_most_labels(const gr_call *call) { return 2 * call->in[1].dim[1] + 1; }

/* Entry i of optional lengths, `most` where there are none; -1 after saying that it is out of range. */
static int64_t ctc_length(const gr_call *call, int port, const char *name, int64_t i, int64_t most)
{
    const gr_tensor *t = &call->in[call->port[port]];
    int64_t n = t->data ? ((const int32_t *)t->data)[i] : most;
    if (n >= 0 && n <= most) return n;
    gr_call_fail(call, i, "%s[%lld] is %lld; it must be from 0 to %lld, the length of the axis", name, (long long)i, (long long)n, (long long)most);
    return -1;
}

/* False: its lengths or symbols make no sense. Lengths are told; a symbol that is no class gives NaN, as an index
 * out of range does in Embedding and CrossEntropyLoss. */
static bool ctc_row_of(const gr_call *call, int64_t i, ctc_row *r)
{
    const gr_tensor *lp = &call->in[0], *target = &call->in[1];
    int64_t steps = ctc_length(call, 2, "input_lengths", i, lp->dim[0]), symbols = ctc_length(call, 3, "target_lengths", i, target->dim[1]);
    *r = (ctc_row){(const int32_t *)target->data + i * target->dim[1], i, lp->dim[1], lp->dim[2], steps, 2 * symbols + 1, (int32_t)call->attr[0].i, false};
    for (int64_t k = 0; k < symbols; k++)
        if (r->target[k] < 0 || r->target[k] >= r->classes || r->target[k] == r->blank) return false;
    return steps >= 0 && symbols >= 0 && r->blank < r->classes;
}

#define GR_KERNELS "ctc.c"
#include <graphrun/each_real.h>

static int64_t ctc_units(const gr_call *call) { return call->in[0].dim[1]; }

static size_t ctc_table(const gr_call *call) { return gr_dtype_size(call->in[0].dtype) * (size_t)(ctc_most_labels(call) * call->in[0].dim[0]); }
static size_t ctc_work(const gr_call *call) { return gr_dtype_size(call->in[0].dtype) * (size_t)(3 * ctc_most_labels(call)); }
static size_t ctc_scratch(const gr_call *call) { return ctc_work(call) + ctc_table(call); }
static size_t ctc_back_scratch(const gr_call *call) { return ctc_work(call) + 2 * ctc_table(call); }

/* Three exponentials and a logarithm for each entry of alpha. */
static double ctc_flops(const gr_call *call) { return 60.0 * (double)(ctc_most_labels(call) * call->in[0].dim[0] * call->in[0].dim[1]); }
static double ctc_back_flops(const gr_call *call) { return 3 * ctc_flops(call); }

static int ctc_lengths_fault(gr_ctx *c, int port, const char *name, int64_t batch)
{
    if (!gr_count(c, port)) return 0;
    const gr_type *t = gr_in_type(c, port);
    if (t->dtype == GR_INT32 && t->rank == 1 && t->dim[0] == batch) return 0;
    return gr_fail(c, GR_AT_INPUT, name, "%s must be int32 [batch], one length for each of the %lld rows", name, (long long)batch);
}

static int ctc_check(gr_ctx *c)
{
    const gr_type *lp = gr_in_type(c, 0), *target = gr_in_type(c, 1);
    if (lp->rank != 3 || !gr_is_float(lp->dtype))
        return gr_fail(c, GR_AT_INPUT, "log_probs", "log_probs must be [time, batch, classes] of floats, as LogSoftmax gives it");
    if (target->rank != 2 || target->dtype != GR_INT32 || target->dim[0] != lp->dim[1])
        return gr_fail(c, GR_AT_INPUT, "targets", "targets must be int32 [batch, symbols], one row for each of the %lld of log_probs", (long long)lp->dim[1]);
    if (gr_int(c, "blank") >= lp->dim[2] && lp->dim[2])
        return gr_fail(c, GR_AT_ATTR, "blank", "blank is %lld, but log_probs has %lld classes: 0 to %lld", (long long)gr_int(c, "blank"),
                       (long long)lp->dim[2], (long long)lp->dim[2] - 1);
    if (ctc_lengths_fault(c, 2, "input_lengths", lp->dim[1]) < 0) return -1;
    return ctc_lengths_fault(c, 3, "target_lengths", lp->dim[1]);
}

static int ctc_each_infer(gr_ctx *c)
{
    if (ctc_check(c) < 0) return -1;
    const gr_type *lp = gr_in_type(c, 0);
    gr_type t = {.dtype = lp->dtype, .rank = 1, .dim = {lp->dim[1]}, .axis = {lp->axis[1]}};
    return gr_set_output(c, 0, &t);
}

static int ctc_back_infer(gr_ctx *c) { return ctc_check(c) < 0 ? -1 : gr_set_output(c, 0, gr_in_type(c, 0)); }

/* ---- the loss: what each row's becomes ---- */

static gr_val ctc_number(gr_ctx *c, double value) { return gr_emit(c, "Full", NULL, 0, NULL, "shape=[], value=%.17g", value); }

/* As in PyTorch: the mean over the batch of losses divided by their targets' lengths, of at least 1. */
static int ctc_mean(gr_ctx *c, gr_val loss)
{
    const gr_type *lp = gr_in_type(c, 0), *target = gr_in_type(c, 1);
    gr_val symbols = ctc_number(c, target->dim[1] > 1 ? (double)target->dim[1] : 1);
    if (gr_count(c, 3)) {
        gr_val length = gr_in(c, 3);
        symbols = gr_emit2(c, "Maximum", gr_emit(c, "Cast", NULL, 1, &length, "dtype=float32"), ctc_number(c, 1));
    }
    gr_val mean = gr_emit1(c, "Mean", gr_emit2(c, "Div", loss, symbols));
    gr_mean_of(c, mean, NULL, (double)lp->dim[1]);
    return gr_set_result(c, 0, mean);
}

static int ctc_expand(gr_ctx *c)
{
    if (ctc_check(c) < 0) return -1;
    const char *how = gr_string(c, "reduction");
    gr_val in[4] = {gr_in(c, 0), gr_in(c, 1), gr_count(c, 2) ? gr_in(c, 2) : NULL, gr_count(c, 3) ? gr_in(c, 3) : NULL};
    gr_val loss = gr_emit(c, "CTCEach", "each", 4, in, "blank=%lld", (long long)gr_int(c, "blank"));
    if (gr_bool(c, "zero_infinity")) {
        gr_val endless = gr_emit2(c, "Equal", loss, ctc_number(c, INFINITY));
        loss = gr_emit3(c, "Where", endless, ctc_number(c, 0), loss);
    }
    if (strcmp(how, "mean") == 0) return ctc_mean(c, loss);
    return gr_set_result(c, 0, strcmp(how, "sum") == 0 ? gr_emit1(c, "Sum", loss) : loss);
}

/* ---- descriptors ---- */

#define BLANK {.name = "blank", .kind = GR_ATTR_INT, .min = 0, .max = 1e9, .fallback = "0", .doc = "The class that stands for no symbol."}
static const gr_attr_spec ctc_attrs[] = {
    BLANK,
    {.name = "reduction", .kind = GR_ATTR_CHOICE, .choices = "none|mean|sum", .fallback = "mean",
     .doc = "mean divides each row's loss by the length of its target, and by the rows."},
    {.name = "zero_infinity", .kind = GR_ATTR_BOOL, .fallback = "false", .doc = "Makes the loss 0 where the target does not fit into the steps, not infinite."},
    {0},
};
static const gr_attr_spec each_attrs[] = {BLANK, {0}};

#define INPUTS                                                                                                                  \
    {"log_probs", 0, "[time, batch, classes]: logarithms of probabilities"},                                                    \
    {"targets", GR_PORT_INT, "[batch, symbols]: int32; what stands behind a row's target_length is not read"},                   \
    {"input_lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: int32, how many steps of each row there are; absent: all"},       \
    {"target_lengths", GR_PORT_OPTIONAL | GR_PORT_INT, "[batch]: int32, how many symbols of each row there are; absent: all"}
static const gr_port ctc_inputs[] = {INPUTS, {0}};
static const gr_port back_inputs[] = {INPUTS, {"output", 0, "[batch]"}, {"grad_output", 0, "[batch]"}, {0}};
static const gr_port ctc_outputs[] = {{"output", 0, "[], or [batch] without reduction"}, {0}};
static const gr_port each_outputs[] = {{"output", 0, "[batch]"}, {0}};
static const gr_port back_outputs[] = {{"grad_log_probs", 0, "[time, batch, classes]"}, {0}};

#define PAPER .reference = "torch.nn.CTCLoss; Graves et al., Connectionist Temporal Classification, 2006"

static const gr_op ctc_op = {
    GR_OP_HEADER,
    .name = "CTCLoss",
    .summary = "How unlikely a sequence of symbols is where nobody says which step has which.",
    .formula = "-ln of the sum over all alignments of the product of their steps' probabilities",
    PAPER,
    .attrs = ctc_attrs,
    .inputs = ctc_inputs,
    .outputs = ctc_outputs,
    .expand = ctc_expand,
    .kind = "losses",
    .example = "graph:\n"
               "  logits: {op: Full, shape: [6, 1, 4], value: 0}   # 6 steps, a batch of 1, 4 classes\n"
               "  log_probs: {op: LogSoftmax, in: logits}\n"
               "  word: {op: Constant, value: [[1, 3, 3]]}\n"
               "  loss: {op: CTCLoss, in: {log_probs: log_probs, targets: word}}\n",
    .cases = (const gr_case[]){{"blank=3", "f 6 2 4; i3 2 3"},
                               {"reduction=sum, blank=3", "f 7 2 5; i3 2 3; i8 2; i4 2"},
                               {"reduction=none, zero_infinity=true, blank=4", "f 2 3 5; i4 3 4"},
                               {"reduction=mean, blank=4", "f 6 3 5; i4 3 2; -; i3 3"}, {0}},
};

static const gr_op each_op = {
    GR_OP_HEADER,
    .name = "CTCEach",
    .summary = "CTCLoss of each row.",
    .formula = "-ln of the sum over all alignments of the product of their steps' probabilities",
    PAPER,
    .attrs = each_attrs,
    .inputs = ctc_inputs,
    .outputs = each_outputs,
    .infer = ctc_each_infer,
    .backward = "CTCEachGradient",
    .units = ctc_units,
    .scratch = ctc_scratch,
    .flops = ctc_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, ctc_run_f32}, {GR_FLOAT64, ctc_run_f64}, {0}},
    .kind = "internal",
    .cases = (const gr_case[]){{"blank=3", "f 6 2 4; i3 2 3; i7 2; i4 2"}, {"blank=4", "f 5 2 6; i4 2 1"}, {0}},
};

static const gr_op back_op = {
    GR_OP_HEADER,
    .name = "CTCEachGradient",
    .summary = "The gradient of CTCEach toward log_probs.",
    .formula = "-grad_output times the probability that a step writes a class, given the target",
    PAPER,
    .attrs = each_attrs,
    .inputs = back_inputs,
    .outputs = back_outputs,
    .infer = ctc_back_infer,
    .units = ctc_units,
    .scratch = ctc_back_scratch,
    .flops = ctc_back_flops,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, ctc_back_run_f32}, {GR_FLOAT64, ctc_back_run_f64}, {0}},
    .kind = "internal",
};

static const gr_op *const ops[] = {&ctc_op, &each_op, &back_op, NULL};
GR_PLUGIN(.ops = ops)
#endif
