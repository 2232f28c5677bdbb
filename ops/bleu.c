/* bleu.c - BLEU of the likeliest items against the targets. */
#ifdef REAL

static void NAME(sequence_bleu_run)(const gr_call *call)
{
    REAL *score = call->out[0].data;
    for (int64_t row = call->begin; row < call->end; row++) score[row] = (REAL)sequence_bleu(call, row);
}

#else
#include "metric.h"

#include <graphrun/bleu.h>

/* ---- SequenceBLEU: a unit is a sequence ---- */

enum { IGNORE_INDEX, BATCH_FIRST, K, EOS };

static int sequence_bleu_infer(gr_ctx *c)
{
    const gr_type *chosen = gr_in_type(c, 0), *target = gr_in_type(c, 1);
    bool same = chosen->rank == target->rank;
    for (int i = 0; same && i < chosen->rank; i++) same = chosen->dim[i] == target->dim[i];
    if (!same) return gr_fail(c, GR_AT_INPUT, "target", "input and target must have as many steps and rows");
    int time = metric_time_axis(c);
    if (time < 0) return -1;
    gr_type t = {.dtype = gr_real(c)};
    for (int i = 0; i < target->rank; i++) {
        if (i == time) continue;
        t.axis[t.rank] = target->axis[i];
        t.dim[t.rank++] = target->dim[i];
    }
    return gr_set_output(c, 0, &t);
}

static int64_t sequence_bleu_units(const gr_call *call)
{
    int64_t n = 1;
    for (int i = 0; i < call->out[0].rank; i++) n *= call->out[0].dim[i];
    return n;
}

/* Row `row` of [time, rows] or, batch first, of [batch, time, rest]. */
static gr_sequence sequence_of(const gr_call *call, int input, int64_t row)
{
    const gr_tensor *t = &call->in[input];
    int time = call->attr[BATCH_FIRST].i && t->rank > 1;
    int64_t inner = 1;
    for (int i = time + 1; i < t->rank; i++) inner *= t->dim[i];
    int64_t at = row / inner * t->dim[time] * inner + row % inner;
    gr_sequence s = {(const int32_t *)t->data + at, inner, t->dim[time]};
    const gr_attr *eos = &call->attr[EOS];
    return eos->present ? gr_sequence_until(s, (int32_t)eos->i) : s;
}

static double sequence_bleu(const gr_call *call, int64_t row)
{
    gr_sequence target = gr_sequence_until(sequence_of(call, 1, row), (int32_t)call->attr[IGNORE_INDEX].i);
    return gr_bleu(sequence_of(call, 0, row), target, call->attr[K].i);
}

#define GR_KERNELS "bleu.c"
#include <graphrun/each_real.h>

static const gr_attr_spec bleu_attrs[] = {
    METRIC_TARGET_SPECS,
    {"k", GR_ATTR_INT, "2", 1, 64, NULL, "Longest n-grams that count."},
    {"eos", GR_ATTR_INT, "~", 0, 2147483647, GR_METRIC_EOS, "Number of the item that ends a sequence; it and what follows do not count."},
    {0}};
static const gr_port sequence_bleu_inputs[] = {{"input", GR_PORT_INT, "[time, batch]: what was chosen"},
                                               {"target", GR_PORT_INT, "[time, batch]: what is right"}, {0}};
static const gr_port sequence_bleu_outputs[] = {{"score", 0, "[batch]"}, {0}};

const gr_op gr_op_sequence_bleu = {
    GR_OP_HEADER,
    .name = "SequenceBLEU",
    .summary = "BLEU of each sequence of numbers.",
    .formula = "exp(min(0, 1 - target length / input length)) * product of p_n^(0.5^n), n up to k",
    .reference = "Zhang et al., Dive into Deep Learning, section 10.7",
    .attrs = bleu_attrs,
    .inputs = sequence_bleu_inputs,
    .outputs = sequence_bleu_outputs,
    .traits = GR_ZERO_GRAD,
    .infer = sequence_bleu_infer,
    .units = sequence_bleu_units,
    .kernels = (const gr_kernel[]){{GR_FLOAT32, sequence_bleu_run_f32}, {GR_FLOAT64, sequence_bleu_run_f64}, {0, NULL}},
    .kind = "internal",
};

/* ---- BLEU ---- */

static int bleu_expand(gr_ctx *c)
{
    metric_rows r;
    if (metric_take_rows(c, &r) < 0) return -1;
    const gr_val in[2] = {gr_emit(c, "ArgMax", NULL, 1, &r.input, "dim=-1"), r.target};
    const gr_attr *eos = gr_get(c, "eos");
    gr_val score = gr_emit(c, "SequenceBLEU", NULL, 2, in, eos->present ? "ignore_index=%lld, batch_first=%s, k=%lld, eos=%lld"
                                                                       : "ignore_index=%lld, batch_first=%s, k=%lld",
                           (long long)gr_int(c, "ignore_index"), gr_bool(c, "batch_first") ? "true" : "false", (long long)gr_int(c, "k"), (long long)eos->i);
    const gr_type *t = score ? gr_type_of(c, score) : NULL;
    gr_val count = gr_emit(c, "Constant", NULL, 0, NULL, "value=%.17e", t ? (double)gr_numel(t) : 1);
    return metric_set_ratio(c, gr_emit1(c, "Sum", score), count);
}

static double bleu_finish(const gr_sums *s) { return s->sum[0][0] / s->sum[1][0]; }

static const gr_metric bleu_metric = {.size = sizeof(gr_metric), .finish = bleu_finish, .larger_is_better = true};

const gr_op gr_op_bleu = {
    GR_OP_HEADER,
    .name = "BLEU",
    .summary = "How many n-grams of the likeliest items are the target's, the mean over sequences.",
    .formula = "mean of exp(min(0, 1 - target length / input length)) * product of p_n^(0.5^n), n up to k",
    .reference = "Zhang et al., Dive into Deep Learning, section 10.7; Papineni et al. 2002",
    .attrs = bleu_attrs,
    .inputs = metric_target_inputs,
    .outputs = metric_ratio_outputs,
    .traits = GR_METRIC,
    .expand = bleu_expand,
    .data = &bleu_metric,
    .example = METRIC_SEQUENCE_EXAMPLE("{op: BLEU, k: 2}"),
};
#endif
