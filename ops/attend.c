/* attend.c - softmax(scale query key^T, masked) value, and its gradient, in tiles (attend_tiles.c). */
#include "attend.h"
#include "attention.h"

#include <string.h>

/* ---- types ---- */

#define INPUTS                                                                                                                   \
    {"query", 0, "[batch..., queries, width], the steps on axis dim"}, {"key", 0, "[batch..., keys, width]"},                    \
    {"value", 0, "[batch..., keys, size]"},                                                                                      \
    {"hide", GR_PORT_OPTIONAL | GR_PORT_BOOL, "[batch..., queries, keys]: true where a query may not look; axes of length 1 repeat"}, \
    {"bias", GR_PORT_OPTIONAL, "[batch..., queries, keys]: added to the scores; axes of length 1 repeat"}
static const gr_port past_inputs[] = {INPUTS, {"numbers", GR_PORT_INT, "[queries]: which step each query is; keys and values of the steps up to the last of them stand in front"}, OP_END};
#define STATISTICS {"largest", 0, "[batch..., queries]: the largest score of each query, 0 of one that sees no key"}, {"total", 0, "[batch..., queries]: sum of e^(score - largest)"}
#define AS_QUERY "[batch..., queries, size], the steps on axis dim"
static const gr_port inputs[] = {INPUTS, OP_END};
static const gr_port outputs[] = {{"output", 0, AS_QUERY}, STATISTICS, OP_END};
static const gr_port back_inputs[] = {INPUTS, STATISTICS, {"output", 0, AS_QUERY}, {"grad_output", 0, AS_QUERY}, OP_END};
static const gr_port back_outputs[] = {{"grad_query", 0, "[...]: as query"}, {"grad_key", 0, "[...]: as key"}, {"grad_value", 0, "[...]: as value"}, OP_END};

/* A mask that broadcasts to scores [batch..., queries, keys] of `want`. */
static int attend_mask_fits(gr_ctx *c, int port, gr_dtype dtype, const gr_type *want)
{
    if (!gr_count(c, port)) return 0;
    const gr_type *t = gr_in_type(c, port);
    bool fits = t->rank == want->rank && t->dtype == dtype;
    for (int i = 0; fits && i < t->rank; i++) fits = t->dim[i] == 1 || t->dim[i] == want->dim[i];
    return fits ? 0 : gr_fail(c, GR_AT_INPUT, inputs[port].name, "'%s' must be of the scores' shape or of length 1 where it repeats: %s, but is %s",
                              inputs[port].name, op_type_text(c, want), op_type_text(c, t));
}

/* out: as the output; row: as the statistics. */
static int attend_types(gr_ctx *c, gr_type *out, gr_type *row)
{
    const gr_type *q = gr_in_type(c, QUERY), *k = gr_in_type(c, KEY), *v = gr_in_type(c, VALUE);
    for (int p = QUERY; p <= VALUE; p++)
        if (op_need_float(c, p) < 0) return -1;
    int at = op_dim(c, "dim", gr_int(c, "dim"), q->rank, 0), n = 0;
    if (at < 0) return -1;
    if (at > q->rank - 2) return gr_fail(c, GR_AT_ATTR, "dim", "the axis of the steps cannot be the last one, which is the width");
    gr_set_attr_int(c, "dim", at - q->rank);
    bool fits = k->rank == q->rank && v->rank == q->rank && k->dim[k->rank - 1] == q->dim[q->rank - 1];
    *row = (gr_type){.dtype = q->dtype, .rank = q->rank - 1};
    *out = *q;
    for (int i = 0; fits && i < q->rank - 1; i++) {
        fits = k->dim[i] == v->dim[i] && (i == at || k->dim[i] == q->dim[i]);
        if (i != at) row->dim[n] = q->dim[i], row->axis[n++] = q->axis[i];
    }
    if (!fits)
        return gr_fail(c, GR_AT_NODE, NULL, "query %s, key %s and value %s must have the same axes but for the steps, and query and key one width",
                       op_type_text(c, q), op_type_text(c, k), op_type_text(c, v));
    row->dim[n] = q->dim[at], row->axis[n] = q->axis[at];
    out->dim[q->rank - 1] = v->dim[v->rank - 1], out->axis[q->rank - 1] = v->axis[v->rank - 1];
    gr_type scores = *row;
    scores.dim[scores.rank++] = k->dim[at];
    return attend_mask_fits(c, HIDE, GR_BOOL, &scores) < 0 ? -1 : attend_mask_fits(c, BIAS, q->dtype, &scores);
}

static int attend_infer(gr_ctx *c)
{
    gr_type out, row;
    if (attend_types(c, &out, &row) < 0) return -1;
    return gr_set_output(c, 0, &out) < 0 || gr_set_output(c, 1, &row) < 0 ? -1 : gr_set_output(c, 2, &row);
}

static int attend_past_infer(gr_ctx *c)
{
    const gr_type *n = gr_in_type(c, NUMBERS), *q = gr_in_type(c, QUERY);
    if (attend_infer(c) < 0) return -1;
    if (n->dtype == GR_INT32 && n->rank == 1 && n->dim[0] == q->dim[q->rank + (int)gr_int(c, "dim")]) return 0;
    return gr_fail(c, GR_AT_INPUT, "numbers", "'numbers' must be an int32 for each query, but is %s", op_type_text(c, n));
}

static bool same_dims(const gr_type *a, const gr_type *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof *a->dim * (size_t)a->rank) == 0;
}

static int attend_back_infer(gr_ctx *c)
{
    gr_type out, row;
    if (attend_types(c, &out, &row) < 0) return -1;
    for (int p = LARGEST; p <= GRAD_OUTPUT; p++)
        if (!same_dims(gr_in_type(c, p), p <= TOTAL ? &row : &out))
            return gr_fail(c, GR_AT_INPUT, back_inputs[p].name, "'%s' must be what Attend gives for these inputs, but is %s", back_inputs[p].name,
                           op_type_text(c, gr_in_type(c, p)));
    for (int p = QUERY; p <= VALUE; p++)
        if (gr_set_output(c, p, gr_in_type(c, p)) < 0) return -1;
    return 0;
}

/* ---- gradient ---- */

static gr_val optional(gr_ctx *c, int port) { return gr_count(c, port) ? gr_in(c, port) : NULL; }

static gr_val product(gr_ctx *c, gr_val a, gr_val b, bool ta, bool tb)
{
    gr_val in[2] = {a, b};
    return gr_emit(c, "MatMul", NULL, 2, in, "transpose_a=%s, transpose_b=%s", ta ? "true" : "false", tb ? "true" : "false");
}

/* d(largest) reaches the largest score, ties share it; d(total) all of them, since total = sum of
 * e^(score - largest). */
static gr_val statistics_gradient(gr_ctx *c, gr_val scores, gr_val grad)
{
    gr_val top = op_unsqueeze(c, gr_out(c, 1), -1), total = op_unsqueeze(c, gr_out(c, 2), -1), g[2] = {gr_grad(c, 1), gr_grad(c, 2)};
    gr_val is_top = gr_emit(c, "Cast", NULL, 1, (gr_val[]){gr_emit2(c, "Equal", scores, top)}, "dtype=float32");
    gr_val ties = gr_emit2(c, "Maximum", gr_emit(c, "Sum", NULL, 1, &is_top, "dim=-1, keepdim=true"), op_number(c, 1));
    is_top = gr_emit2(c, "Div", is_top, ties);
    if (g[0]) grad = gr_emit2(c, "Add", grad, gr_emit2(c, "Mul", op_unsqueeze(c, g[0], -1), is_top));
    if (!g[1]) return grad;
    gr_val slope = gr_emit2(c, "Sub", gr_emit1(c, "Exp", gr_emit2(c, "Sub", scores, top)), gr_emit2(c, "Mul", is_top, total));
    return gr_emit2(c, "Add", grad, gr_emit2(c, "Mul", op_unsqueeze(c, g[1], -1), slope));
}

/* Where the gradient toward the scores themselves is needed: by the ops that make it whole. */
static int plain_gradient(gr_ctx *c)
{
    const gr_type *t = gr_in_type(c, QUERY);
    int dim = (int)gr_int(c, "dim"), at = t->rank + dim;
    op_mask mask = {.hide = optional(c, HIDE), .bias = optional(c, BIAS)};
    double scale = gr_float(c, "scale"), p = gr_float(c, "dropout");
    if (gr_bool(c, "is_causal")) op_mask_causal(&mask, t->dim[at], gr_in_type(c, KEY)->dim[at]);
    gr_val q = op_scale(c, op_steps_last(c, gr_in(c, QUERY), dim), scale), k = op_steps_last(c, gr_in(c, KEY), dim);
    gr_val v = op_steps_last(c, gr_in(c, VALUE), dim), g = gr_grad(c, 0) ? op_steps_last(c, gr_grad(c, 0), dim) : NULL;
    gr_val scores = op_mask_apply(c, &mask, product(c, q, k, false, true)), kept = NULL;
    gr_val weights = gr_emit(c, "Softmax", NULL, 1, &scores, "dim=-1, safe=%s", gr_bool(c, "safe") ? "true" : "false");
    if (p > 0) gr_draw_as(c, kept = gr_emit(c, "DropoutMask", NULL, 1, &weights, "p=%.17g", p), NULL);
    gr_val ds = op_scale(c, weights, 0), dropped = kept ? gr_emit2(c, "Mul", weights, kept) : weights;
    if (g) {
        gr_val dp = product(c, g, v, false, true), in[2] = {weights, kept ? gr_emit2(c, "Mul", dp, kept) : dp};
        ds = gr_emit(c, "SoftmaxGradient", NULL, 2, in, "dim=-1");
        if (gr_set_grad(c, VALUE, 0, op_steps_back(c, product(c, dropped, g, true, false), dim)) < 0) return -1;
    }
    ds = statistics_gradient(c, scores, ds);
    if (mask.bias && gr_set_grad(c, BIAS, 0, op_sum_to(c, ds, gr_in_type(c, BIAS))) < 0) return -1;
    if (gr_set_grad(c, KEY, 0, op_steps_back(c, product(c, ds, q, true, false), dim)) < 0) return -1;
    return gr_set_grad(c, QUERY, 0, op_steps_back(c, op_scale(c, product(c, ds, k, false, false), scale), dim));
}

static int attend_gradient(gr_ctx *c)
{
    if (gr_grad(c, 1) || gr_grad(c, 2) || gr_wants(c, BIAS, 0)) return plain_gradient(c);
    gr_val in[9] = {gr_in(c, QUERY), gr_in(c, KEY), gr_in(c, VALUE), optional(c, HIDE), optional(c, BIAS),
                    gr_out(c, 1), gr_out(c, 2), gr_out(c, 0), gr_grad(c, 0)};
    gr_val d = gr_emit(c, "AttendGradient", NULL, 9, in, "dim=%d, scale=%.17g, is_causal=%s, safe=%s, dropout=%.17g", (int)gr_int(c, "dim"),
                       gr_float(c, "scale"), gr_bool(c, "is_causal") ? "true" : "false", gr_bool(c, "safe") ? "true" : "false", gr_float(c, "dropout"));
    gr_draw_as(c, d, NULL);
    for (int p = QUERY; p <= VALUE; p++)
        if (gr_set_grad(c, p, 0, gr_output(c, d, p)) < 0) return -1;
    return 0;
}

/* ---- step: queries look at the keys that were there before, or at a memory that stays ---- */

/* A mask goes along with the queries, or with the keys; how much of a memory a query sees does not hang on its number. */
static bool steps_fit(gr_ctx *c, bool back)
{
    int rank = gr_in_type(c, QUERY)->rank, at = rank + (int)gr_int(c, "dim"), keys = back ? at : -1;
    bool fit = gr_step_axis(c, QUERY, 0) == at && gr_step_axis(c, KEY, 0) == keys && gr_step_axis(c, VALUE, 0) == keys;
    for (int p = HIDE; p <= BIAS; p++) {
        int axis = gr_step_axis(c, p, 0);
        fit = fit && (axis < 0 || axis == rank - 2 || (back && axis == rank - 1));
    }
    return fit && gr_bool(c, "is_causal") == back && gr_float(c, "dropout") == 0;
}

static gr_val attend_all(gr_ctx *c, int port)
{
    int axis = gr_step_axis(c, port, 0), rank = gr_in_type(c, QUERY)->rank;
    return port >= HIDE && axis == rank - 2 ? gr_in(c, port) : axis < 0 ? optional(c, port) : gr_past(c, port, 0);
}

static int attend_step(gr_ctx *c)
{
    bool back = gr_step_axis(c, KEY, 0) >= 0;
    gr_val in[6] = {gr_in(c, QUERY)};
    if (!steps_fit(c, back)) return 1;
    for (int p = KEY; p <= BIAS; p++) in[p] = back ? attend_all(c, p) : optional(c, p);
    if (back) in[NUMBERS] = gr_step_numbers(c, 0);
    gr_val v = gr_emit(c, back ? "AttendPast" : "Attend", NULL, back ? 6 : 5, in, "dim=%d, scale=%.17g, is_causal=%s, safe=%s",
                       (int)gr_int(c, "dim"), gr_float(c, "scale"), gr_bool(c, "is_causal") ? "true" : "false",
                       gr_bool(c, "safe") ? "true" : "false");
    for (int o = 0; o < 3; o++)
        if (gr_set_result(c, o, gr_output(c, v, o)) < 0) return -1;
    return 0;
}

/* ---- descriptors ---- */

#define ATTRS                                                                                                                    \
    {"dim", GR_ATTR_INT, "-2", 0, 0, NULL, "The axis of the steps; all others but the last one are the batch's."},               \
    {"scale", GR_ATTR_FLOAT, "1", 0, 0, NULL, "What the query is multiplied by."},                                               \
    {"is_causal", GR_ATTR_BOOL, "false", 0, 0, NULL, "Query i sees the keys up to its own alone."},                              \
    {"safe", GR_ATTR_BOOL, "false", 0, 0, NULL, "A query that sees no key gets zeros, not NaN."}
static const gr_attr_spec past_attrs[] = {ATTRS, OP_END};
static const gr_attr_spec attrs[] = {ATTRS,
    {"dropout", GR_ATTR_FLOAT, "0", 0, 1, NULL, "Probability that a weight becomes 0; the others are scaled up."},
    OP_END};
#define TRAITS .attrs = attrs, .traits = GR_ROWWISE | GR_STRIDED | GR_RANDOM
#define REALS(fn) (const gr_kernel[]){{GR_FLOAT32, fn##_f32}, {GR_FLOAT64, fn##_f64}, {0, NULL}}

extern const gr_op gr_op_attend, gr_op_attend_past, gr_op_attend_gradient;
const gr_op gr_op_attend = {GR_OP_HEADER, .name = "Attend", .summary = "Values mixed by how well their keys match each query, in tiles.",
    .formula = "softmax(scale query key^T + bias) value, the scores never whole", .reference = "Dao et al. 2022; Milakov and Gimelshein 2018",
    .inputs = inputs, .outputs = outputs, TRAITS, .infer = attend_infer, .gradient = attend_gradient, .step = attend_step,
    .units = attend_units, .scratch = attend_scratch, .flops = attend_flops, .kernels = REALS(attend_run),
    .kind = "internal"};
const gr_op gr_op_attend_gradient = {GR_OP_HEADER, .name = "AttendGradient", .summary = "The gradients of Attend, which makes the weights again.",
    .reference = "Dao et al. 2022", .inputs = back_inputs, .outputs = back_outputs, TRAITS, .infer = attend_back_infer,
    .units = attend_back_units, .scratch = attend_back_scratch, .flops = attend_back_flops, .kernels = REALS(attend_back_run),
    .kind = "internal"};
const gr_op gr_op_attend_past = {GR_OP_HEADER, .name = "AttendPast", .summary = "Attend for the last steps of a sequence, whose keys and values are kept.",
    .formula = "softmax(scale query key^T + bias) value, of the first numbers[-1] + 1 keys", .attrs = past_attrs, .inputs = past_inputs,
    .outputs = outputs, .traits = GR_STRIDED, .infer = attend_past_infer, .units = attend_units, .scratch = attend_scratch,
    .flops = attend_flops, .kernels = REALS(attend_past_run),
    .kind = "internal"};
