/* activation.c - pointwise ops that are formulas over other pointwise ops.
 *
 * They become those others before any pass sees them. A branch that is not taken still
 * passes a zero gradient back, and 0 times infinity is NaN; so what overflows is given a
 * safe input first ("s = where(0 < a, 0, a)"). At a kink the gradient is PyTorch's. */
#include "expression.h"
#include "util.h"

#include <string.h>

static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port two[] = {{"input", 0, "[...]"}, {"other", 0, "[...], broadcast against input"}, OP_END};
static const gr_port ends[] = {{"input", 0, "[...]: at weight 0"}, {"end", 0, "[...]: at weight 1"}, {"weight", 0, "[...]"}, OP_END};
static const gr_port masked[] = {{"input", 0, "[...]"}, {"mask", 0, "[...]: bool; true is replaced"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]"}, OP_END};

static int formula_expand(gr_ctx *c) { return gr_set_result(c, 0, op_expression(c, gr_self(c)->data)); }

static int clamp_expand(gr_ctx *c)
{
    bool min = gr_get(c, "min")->present, max = gr_get(c, "max")->present;
    if (!min && !max) return gr_fail(c, GR_AT_NODE, NULL, "give min, max or both");
    const char *text = !max ? "where(a < min, min, a)" : !min ? "where(a > max, max, a)"
                     : gr_float(c, "min") > gr_float(c, "max") ? "where(a < min, max, where(a > max, max, a))"
                                                               : "where(a < min, min, where(a > max, max, a))";
    return gr_set_result(c, 0, op_expression(c, text));
}

static int gelu_expand(gr_ctx *c)
{
    bool tanh = strcmp(gr_string(c, "approximate"), "tanh") == 0;
    return gr_set_result(c, 0, op_expression(c, tanh
        ? "0.5 * a * (1 + tanh(0.7978845608028654 * (a + 0.044715 * a * a * a)))"
        : "0.5 * a * (1 + erf(0.7071067811865476 * a))"));
}

#define NUMBER_ATTR(name, value, doc) {name, GR_ATTR_FLOAT, value, 0, 0, NULL, doc}
static const gr_attr_spec slope[] = {NUMBER_ATTR("negative_slope", "0.01", "Slope below 0."), OP_END};
static const gr_attr_spec alpha[] = {NUMBER_ATTR("alpha", "1", "Minus the value far below 0."), OP_END};
static const gr_attr_spec softplus[] = {NUMBER_ATTR("beta", "1", "Sharpness of the bend."),
                                        NUMBER_ATTR("threshold", "20", "The input itself where beta * input is above it."), OP_END};
static const gr_attr_spec hardtanh[] = {NUMBER_ATTR("min_val", "-1", "Smallest value."), NUMBER_ATTR("max_val", "1", "Largest value."), OP_END};
static const gr_attr_spec limits[] = {NUMBER_ATTR("min", "~", "Smallest value; absent: none."),
                                      NUMBER_ATTR("max", "~", "Largest value; absent: none."), OP_END};
static const gr_attr_spec threshold[] = {NUMBER_ATTR("threshold", NULL, "What the input must be above."),
                                         NUMBER_ATTR("value", NULL, "What stands in its place otherwise."), OP_END};
static const gr_attr_spec fill[] = {NUMBER_ATTR("value", NULL, "What stands where the mask is true."), OP_END};
static const gr_attr_spec gelu[] = {{"approximate", GR_ATTR_CHOICE, "none", 0, 0, "none|tanh", "Exact, or by tanh."}, OP_END};

#define FORMULA(NAME, symbol, ports, list, source, text, math, expression)                                                   \
    extern const gr_op gr_op_##symbol;                                                                         \
    const gr_op gr_op_##symbol = {GR_OP_HEADER, .name = #NAME, .summary = text, .formula = math,               \
                                .attrs = list, .inputs = ports, .outputs = output,                           \
                                .expand = formula_expand, .data = expression,                                \
                                .reference = source, .kind = "pointwise", .example = EXAMPLE_##ports(#NAME)};
#define BY_HAND(NAME, symbol, ports, list, source, text, math, function)                                                     \
    extern const gr_op gr_op_##symbol;                                                                         \
    const gr_op gr_op_##symbol = {GR_OP_HEADER, .name = #NAME, .summary = text, .formula = math,               \
                                .attrs = list, .inputs = ports, .outputs = output, .expand = function,       \
                                .reference = source, .kind = "pointwise", .example = EXAMPLE_##ports(#NAME)};

/* Examples go by the names of the ports, some of which have more than one for that. */
#define limited one
#define cut one
#define EXAMPLE_one(NAME) OP_EXAMPLE_ONE(NAME, "")
#define EXAMPLE_limited(NAME) OP_EXAMPLE_ONE(NAME, ", min: -1, max: 1")
#define EXAMPLE_cut(NAME) OP_EXAMPLE_ONE(NAME, ", threshold: 0.1, value: 0")
#define EXAMPLE_two(NAME) OP_EXAMPLE_TWO(NAME)
#define EXAMPLE_ends(NAME) OP_XY "  half: {op: Constant, value: 0.5}\n  result: {op: " NAME ", in: [x, y, half]}\n"
#define EXAMPLE_masked(NAME) OP_XY "  mask: {op: Less, in: [x, y]}\n  result: {op: " NAME ", in: [x, mask], value: 0}\n"

FORMULA(Square, square, one, NULL, "torch.square",
        "The input times itself.", "input^2", "a * a")
FORMULA(Greater, greater, two, NULL, "torch.gt",
        "Whether input is larger.", "input > other", "a > b")
FORMULA(GreaterEqual, greater_equal, two, NULL, "torch.ge",
        "Whether input is not smaller.", "input >= other", "a >= b")
FORMULA(Lerp, lerp, ends, NULL, "torch.lerp",
        "From input to end by weight.", "input + weight * (end - input)", "a + c * (b - a)")
FORMULA(MaskedFill, masked_fill, masked, fill, "torch.Tensor.masked_fill",
        "Replaces what a mask covers by a number.", "mask ? value : input", "where(b, value, a)")
BY_HAND(Clamp, clamp, limited, limits, "torch.clamp",
        "Limits to a range.", "min(max(input, min), max)", clamp_expand)
FORMULA(ReLU, relu, one, NULL, "torch.nn.ReLU; Nair and Hinton 2010",
        "The positive part.", "max(input, 0)", "where(a <= 0, 0, a)")
FORMULA(LeakyReLU, leaky_relu, one, slope, "torch.nn.LeakyReLU; Maas et al. 2013",
        "The input, less steep below 0.", "max(input, 0) + negative_slope * min(input, 0)",
        "where(0 < a, a, negative_slope * a)")
FORMULA(ELU, elu, one, alpha, "torch.nn.ELU; Clevert et al. 2015",
        "The input above 0, an exponential below.", "input > 0 ? input : alpha * (e^input - 1)",
        "s = where(0 < a, 0, a); where(0 < a, a, alpha * expm1(s))")
FORMULA(SELU, selu, one, NULL, "torch.nn.SELU; Klambauer et al. 2017",
        "ELU scaled to keep mean 0 and variance 1.", "scale * (input > 0 ? input : alpha * (e^input - 1))",
        "s = where(0 < a, 0, a); 1.0507009873554805 * where(0 < a, a, 1.6732632423543772 * expm1(s))")
FORMULA(CELU, celu, one, alpha, "torch.nn.CELU; Barron 2017",
        "ELU with a continuous derivative.", "input > 0 ? input : alpha * (e^(input / alpha) - 1)",
        "s = where(0 < a, 0, a); where(0 < a, a, alpha * expm1(s / alpha))")
BY_HAND(GELU, gelu, one, gelu, "torch.nn.GELU; Hendrycks and Gimpel 2016",
        "The input times the probability that a normal number is below it.", "input * Phi(input)", gelu_expand)
FORMULA(SiLU, silu, one, NULL, "torch.nn.SiLU; Ramachandran et al. 2017",
        "The input times its sigmoid.", "input * sigmoid(input)", "a * sigmoid(a)")
FORMULA(Mish, mish, one, NULL, "torch.nn.Mish; Misra 2019",
        "The input times the tanh of its softplus.", "input * tanh(ln(1 + e^input))",
        "s = where(20 < a, 0, a); a * tanh(where(20 < a, a, log1p(exp(s))))")
FORMULA(Softplus, softplus, one, softplus, "torch.nn.Softplus",
        "A smooth ReLU.", "ln(1 + e^(beta * input)) / beta",
        "s = where(beta * a > threshold, 0, a); where(beta * a > threshold, a, log1p(exp(beta * s)) / beta)")
FORMULA(Softsign, softsign, one, NULL, "torch.nn.Softsign",
        "A slow tanh.", "input / (1 + |input|)", "a / (1 + abs(a))")
FORMULA(Hardtanh, hardtanh, one, hardtanh, "torch.nn.Hardtanh",
        "Limits to a range.", "min(max(input, min_val), max_val)",
        "where(a <= min_val, min_val, where(a >= max_val, max_val, a))")
FORMULA(Hardsigmoid, hardsigmoid, one, NULL, "torch.nn.Hardsigmoid",
        "A sigmoid of three lines.", "min(max(input / 6 + 1/2, 0), 1)",
        "where(a <= -3, 0, where(a >= 3, 1, a / 6 + 0.5))")
FORMULA(Hardswish, hardswish, one, NULL, "torch.nn.Hardswish; Howard et al. 2019",
        "The input times its hard sigmoid.", "input * min(max(input / 6 + 1/2, 0), 1)",
        "where(a <= -3, 0, where(a >= 3, a, a * (a + 3) / 6))")
FORMULA(LogSigmoid, log_sigmoid, one, NULL, "torch.nn.LogSigmoid",
        "The logarithm of the sigmoid.", "-ln(1 + e^-input)",
        "s = where(a < -40, 0, a); where(a < -40, a, -log1p(exp(-s)))")
FORMULA(Tanhshrink, tanhshrink, one, NULL, "torch.nn.Tanhshrink",
        "What tanh takes away.", "input - tanh(input)", "a - tanh(a)")
FORMULA(Threshold, threshold, cut, threshold, "torch.nn.Threshold",
        "The input where it is above a threshold, else a number.",
        "input > threshold ? input : value", "where(a <= threshold, value, a)")
