/* loss.c - losses that are formulas of the input (a) and the target (b), then reduced. */
#include "expression.h"
#include "ragged.h"
#include "util.h"

#include <math.h>
#include <string.h>

static const gr_port pair[] = {{"input", 0, "[...]: the prediction"}, {"target", 0, "[...]: what it should be"}, RAGGED_PORT, OP_END};
static const gr_port weighted[] = {{"input", 0, "[...]: the prediction"}, {"target", 0, "[...]: what it should be"},
                                   {"weight", GR_PORT_OPTIONAL, "[...]: how much each element counts"}, RAGGED_PORT, OP_END};
static const gr_port logits[] = {{"input", 0, "[...]: the logit of each prediction"}, {"target", 0, "[...]: what it should be"},
                                 {"weight", GR_PORT_OPTIONAL, "[...]: how much each element counts"},
                                 {"pos_weight", GR_PORT_OPTIONAL, "[classes], the last axis: how much the target 1 counts beside 0"}, RAGGED_PORT, OP_END};
static const gr_port output[] = {{"output", 0, "[], or [...] without reduction"}, OP_END};

static int same_shape(gr_ctx *c)
{
    const gr_type *a = gr_in_type(c, 0), *b = gr_in_type(c, 1);
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++) same = a->dim[i] == b->dim[i];
    if (same) return 0;
    return gr_fail(c, GR_AT_INPUT, "target", "input is %s and target is %s; they must have one shape", op_type_text(c, a), op_type_text(c, b));
}

/* "beta=0.6": the attributes that the elements' losses depend on. */
static const char *formula_attrs(gr_ctx *c)
{
    const char *text = "reduction=none";
    for (const gr_attr_spec *s = gr_self(c)->attrs; s->name; s++) {
        if (s->kind == GR_ATTR_FLOAT) text = op_text(c, "%s, %s=%.17g", text, s->name, gr_float(c, s->name));
        else if (strcmp(s->name, "log_target") == 0) text = op_text(c, "%s, log_target=%s", text, gr_bool(c, s->name) ? "true" : "false");
    }
    return text;
}

/* The same loss of each element, of inputs that hold zeros for padding; then the real ones. */
static int ragged_expand(gr_ctx *c, gr_val real)
{
    gr_val in[4] = {op_only_real(c, real, gr_in(c, 0), NULL), op_only_real(c, real, gr_in(c, 1), NULL)};
    int n = 2;
    while (strcmp(gr_self(c)->inputs[n].name, "lengths") != 0) in[n] = gr_in(c, n), n++;
    const char *how = gr_string(c, "reduction");
    gr_val loss = gr_emit(c, gr_self(c)->name, "each", n, in, "%s", formula_attrs(c));
    loss = op_only_real(c, real, loss, NULL);
    if (strcmp(how, "none") == 0) return gr_set_result(c, 0, loss);
    gr_val sum = gr_emit1(c, "Sum", loss);
    if (strcmp(how, "sum") == 0) return gr_set_result(c, 0, sum);
    bool steps = strcmp(how, "batchmean") == 0;
    gr_val count = op_count_real(c, real, gr_type_of(c, steps ? real : loss)), mean = gr_emit2(c, "Div", sum, count);
    gr_mean_of(c, mean, count, 0);
    return gr_set_result(c, 0, mean);
}

/* `more`, or NULL: what is added to the formula. */
static int loss_expand(gr_ctx *c, const char *formula, gr_val (*more)(gr_ctx *c))
{
    gr_val real;
    if (same_shape(c) < 0 || op_real_steps(c, 0, &real) < 0) return -1;
    if (real) return ragged_expand(c, real);
    gr_val loss = op_expression(c, formula), added = more ? more(c) : NULL;
    if (added) loss = gr_emit2(c, "Add", loss, added);
    bool has_weight = strcmp(gr_self(c)->inputs[2].name, "weight") == 0;
    if (has_weight && gr_count(c, 2)) loss = gr_emit2(c, "Mul", loss, gr_in(c, 2));
    return gr_set_result(c, 0, op_reduce_loss(c, loss));
}

static int formula_expand(gr_ctx *c) { return loss_expand(c, gr_self(c)->data, NULL); }

/* With beta 0 there is no square, and nothing to divide by. */
static int smooth_l1_expand(gr_ctx *c) { return loss_expand(c, gr_float(c, "beta") > 0 ? gr_self(c)->data : "abs(a - b)", NULL); }

/* ln sigmoid(a) of positive targets, as often as pos_weight is above 1. */
static gr_val more_positives(gr_ctx *c)
{
    if (!gr_count(c, 3)) return NULL;
    gr_val positive = op_expression(c, "s = where(a < -40, 0, a); b * where(a < -40, -a, log1p(exp(-s)))");
    return gr_emit2(c, "Mul", positive, gr_emit2(c, "Sub", gr_in(c, 3), op_number(c, 1)));
}

static int bce_with_logits_expand(gr_ctx *c) { return loss_expand(c, gr_self(c)->data, more_positives); }

/* target (ln target - input), 0 where target is 0. */
static int kl_div_expand(gr_ctx *c)
{
    gr_val real;
    if (same_shape(c) < 0 || op_real_steps(c, 0, &real) < 0) return -1;
    if (real) return ragged_expand(c, real);
    gr_val loss = op_expression(c, gr_bool(c, "log_target") ? "exp(b) * (b - a)"
                                                            : "where(b == 0, 0, b * log(where(b == 0, 1, b))) - b * a");
    if (strcmp(gr_string(c, "reduction"), "batchmean") != 0) return gr_set_result(c, 0, op_reduce_loss(c, loss));
    const gr_type *t = gr_in_type(c, 0);
    double n = t->rank ? (double)t->dim[0] : 1;
    gr_val mean = gr_emit2(c, "Mul", gr_emit1(c, "Sum", loss), op_number(c, 1 / n));
    gr_mean_of(c, mean, NULL, n);
    return gr_set_result(c, 0, mean);
}

#define REDUCTION {"reduction", GR_ATTR_CHOICE, "mean", 0, 0, "none|mean|sum", "What becomes of the elements' losses."}
static const gr_attr_spec plain[] = {REDUCTION, RAGGED_ATTR, OP_END};
static const gr_attr_spec smooth[] = {REDUCTION, {"beta", GR_ATTR_FLOAT, "1", 0, INFINITY, NULL, "Distance at which the square becomes a line."}, RAGGED_ATTR, OP_END};
static const gr_attr_spec huber[] = {REDUCTION, {"delta", GR_ATTR_FLOAT, "1", 0, INFINITY, NULL, "Distance at which the square becomes a line."}, RAGGED_ATTR, OP_END};
static const gr_attr_spec kl[] = {{"reduction", GR_ATTR_CHOICE, "mean", 0, 0, "none|mean|sum|batchmean", "batchmean divides by the first axis, with lengths by the number of real steps."},
                                  {"log_target", GR_ATTR_BOOL, "false", 0, 0, NULL, "The target is a logarithm too."}, RAGGED_ATTR, OP_END};

#define LOSS(NAME, symbol, ports, list, text, math, formula_text, fn)                                                  \
    extern const gr_op gr_op_##symbol;                                                                         \
    const gr_op gr_op_##symbol = {GR_OP_HEADER, .name = #NAME, .summary = text, .formula = math,               \
                                .reference = "torch.nn." #NAME, .attrs = list, .inputs = ports,              \
                                .outputs = output, .expand = fn, .data = formula_text,                      \
                                .kind = "losses", .example = LOSS_EXAMPLE(#NAME)};

LOSS(MSELoss, mse_loss, pair, plain, "The mean squared error.", "(input - target)^2", "d = a - b; d * d", formula_expand)
LOSS(L1Loss, l1_loss, pair, plain, "The mean absolute error.", "|input - target|", "abs(a - b)", formula_expand)
LOSS(SmoothL1Loss, smooth_l1_loss, pair, smooth, "A square near 0, a line far from it.", "d < beta ? d^2 / (2 beta) : d - beta / 2, d = |input - target|",
     "d = abs(a - b); where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)", smooth_l1_expand)
LOSS(HuberLoss, huber_loss, pair, huber, "A square near 0, a line far from it.", "d < delta ? d^2 / 2 : delta * (d - delta / 2), d = |input - target|",
     "d = abs(a - b); where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))", formula_expand)
LOSS(BCELoss, bce_loss, weighted, plain, "Cross entropy of a probability and a target from 0 to 1.",
     "-target ln input - (1 - target) ln(1 - input), logarithms at least -100",
     "s = where(a <= 0, 1, a); t = where(a >= 1, 0, a); "
     "-(b * where(a <= 0, -100, log(s)) + (1 - b) * where(a >= 1, -100, log1p(-t)))", formula_expand)
LOSS(BCEWithLogitsLoss, bce_with_logits_loss, logits, plain, "BCELoss of a sigmoid, exact where it is near 0 or 1.",
     "-pos_weight target ln sigmoid(input) - (1 - target) ln(1 - sigmoid(input))",
     "s = where(a < -40, 0, a); (1 - b) * a + where(a < -40, -a, log1p(exp(-s)))", bce_with_logits_expand)

extern const gr_op gr_op_kl_div_loss;
const gr_op gr_op_kl_div_loss = {GR_OP_HEADER, .name = "KLDivLoss", .summary = "How far log probabilities are from a distribution.",
    .formula = "target * (ln target - input)", .reference = "torch.nn.KLDivLoss", .attrs = kl, .inputs = pair, .outputs = output,
    .expand = kl_div_expand,
    .kind = "losses",
    .example = OP_X
               "  log: {op: LogSoftmax, in: x, dim: -1}\n"
               "  target: {op: Constant, value: [[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]]}\n"
               "  loss: {op: KLDivLoss, in: {input: log, target: target}, reduction: batchmean}\n"};
