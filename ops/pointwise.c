/* pointwise.c - every op that is one instruction of a tape.
 *
 * One table, a row an op: its name, its name as a function in formulas, its instruction,
 * its ports, the kind of its result, and its gradient toward each input as a formula over
 * a, b, c (inputs), y (output) and g (the gradient toward y). An op that takes two inputs
 * or more is a chain of its instruction, from the left; its gradient is written in C. */
#include "expression.h"
#include "util.h"

#include <string.h>

typedef enum result_kind {
    NUMBER, /* the wider type of the inputs: bool and int32 give int32, float wins */
    REAL,   /* float whatever the inputs */
    TRUTH,  /* bool */
    CHOICE, /* the wider type of inputs 1 and 2 */
    CASTED, /* attribute dtype */
    SAME,   /* that of input 0 */
} result_kind;

typedef struct row {
    result_kind result;
    const char *gradient[3]; /* NULL: not differentiable there */
} row;

static const gr_port one[] = {{"input", 0, "[...]"}, OP_END};
static const gr_port two[] = {{"input", 0, "[...]"}, {"other", 0, "[...], broadcast against input"}, OP_END};
static const gr_port many[] = {{"input", GR_PORT_VARIADIC, "[...]: two or more, broadcast against each other"}, OP_END};
static const gr_port base_exponent[] = {{"input", 0, "[...]: base"}, {"exponent", 0, "[...]"}, OP_END};
static const gr_port choice[] = {{"condition", 0, "[...]: bool"}, {"input", 0, "[...]: taken where it is true"},
                                 {"other", 0, "[...]: taken where it is false"}, OP_END};
static const gr_port output[] = {{"output", 0, "[...]: as wide as the inputs broadcast"}, OP_END};

static gr_dtype wider(gr_dtype a, gr_dtype b)
{
    if (gr_is_float(a)) return a;
    if (gr_is_float(b)) return b;
    return a == GR_INT32 || b == GR_INT32 ? GR_INT32 : GR_BOOL;
}

static gr_dtype result_dtype(gr_ctx *c, result_kind kind, int first)
{
    gr_dtype t = GR_BOOL;
    for (int p = first; gr_self(c)->inputs[p].name; p++)
        for (int i = 0; i < gr_count(c, p); i++) t = wider(t, gr_type_of(c, gr_in_at(c, p, i))->dtype);
    switch (kind) {
    case NUMBER: return t == GR_BOOL ? GR_INT32 : t;
    case REAL: return gr_real(c);
    case TRUTH: return GR_BOOL;
    case CASTED: return gr_is_float((gr_dtype)gr_int(c, "dtype")) ? gr_real(c) : (gr_dtype)gr_int(c, "dtype");
    default: return t;
    }
}

static int pointwise_infer(gr_ctx *c)
{
    const row *r = gr_self(c)->data;
    gr_type t = *gr_in_type(c, 0);
    for (int p = 0; gr_self(c)->inputs[p].name; p++)
        for (int i = 0; i < gr_count(c, p); i++) {
            const gr_type *other = gr_type_of(c, gr_in_at(c, p, i));
            if (op_broadcast(&t, other, &t) < 0)
                return gr_fail(c, GR_AT_NODE, NULL,
                               "shapes %s and %s do not broadcast: an axis must have one length (and name), or be 1",
                               op_type_text(c, gr_in_type(c, 0)), op_type_text(c, other));
        }
    t.dtype = result_dtype(c, r->result, r->result == CHOICE ? 1 : 0);
    return gr_set_output(c, 0, &t);
}

static int pointwise_gradient(gr_ctx *c)
{
    const row *r = gr_self(c)->data;
    for (int p = 0; gr_self(c)->inputs[p].name; p++)
        if (gr_wants(c, p, 0) && r->gradient[p] && gr_set_grad(c, p, 0, op_expression(c, r->gradient[p])) < 0) return -1;
    return 0;
}

static int add_gradient(gr_ctx *c)
{
    for (int i = 0; i < gr_count(c, 0); i++)
        if (gr_wants(c, 0, i) && gr_set_grad(c, 0, i, gr_grad(c, 0)) < 0) return -1;
    return 0;
}

/* d(x0 x1 ... xn)/dxi is the product of the others. */
static int mul_gradient(gr_ctx *c)
{
    int n = gr_count(c, 0);
    gr_val *factor = gr_alloc(c, sizeof *factor * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        if (!gr_wants(c, 0, i)) continue;
        int count = 0;
        factor[count++] = gr_grad(c, 0);
        for (int k = 0; k < n; k++)
            if (k != i) factor[count++] = gr_in_at(c, 0, k);
        gr_val v = count == 1 ? factor[0] : gr_emit(c, "Mul", NULL, count, factor, NULL);
        if (gr_set_grad(c, 0, i, v) < 0) return -1;
    }
    return 0;
}

/* The inputs that equal the result share its gradient. */
static int extremum_gradient(gr_ctx *c)
{
    int n = gr_count(c, 0);
    gr_val *is = gr_alloc(c, sizeof *is * (size_t)n);
    for (int i = 0; i < n; i++) is[i] = gr_emit2(c, "Equal", gr_in_at(c, 0, i), gr_out(c, 0));
    gr_val share = gr_emit2(c, "Div", gr_grad(c, 0), gr_emit(c, "Add", NULL, n, is, NULL));
    for (int i = 0; i < n; i++)
        if (gr_wants(c, 0, i) && gr_set_grad(c, 0, i, gr_emit2(c, "Mul", share, is[i])) < 0) return -1;
    return 0;
}

static const gr_attr_spec cast_attrs[] = {{"dtype", GR_ATTR_DTYPE, NULL, 0, 0, NULL, "What the elements become; float32 "
                                           "is float64 under --dtype float64."}, OP_END};

/* OP(name, function, instruction, source, ports, result, gradients, extra fields, summary, formula) */
#define FORMULAS(...) {__VA_ARGS__}
#define OP(NAME, function, instruction, source, ports, kind, grads, more, text, math)                                \
    static const row NAME##_row = {kind, grads};                                                             \
    extern const gr_op gr_op_##function;                                                                         \
    const gr_op gr_op_##function = {GR_OP_HEADER, .name = #NAME, .summary = text, .formula = math,               \
                                .inputs = ports, .outputs = output, .tape = GR_TAPE_##instruction,           \
                                .infer = pointwise_infer, .data = &NAME##_row,                                \
                                .reference = source, .example = EXAMPLE_##ports(#NAME), more};

/* Examples go by the names of the ports, some of which have more than one for that. */
#define positive one
#define cast_one one
#define EXAMPLE_one(NAME) OP_EXAMPLE_ONE(NAME, "")
#define EXAMPLE_positive(NAME) OP_XY "  result: {op: " NAME ", in: y}\n"
#define EXAMPLE_cast_one(NAME) OP_EXAMPLE_ONE(NAME, ", dtype: int32")
#define EXAMPLE_two(NAME) OP_EXAMPLE_TWO(NAME)
#define EXAMPLE_many(NAME) OP_EXAMPLE_TWO(NAME)
#define EXAMPLE_base_exponent(NAME) OP_XY "  result: {op: " NAME ", in: [y, x]}\n"
#define EXAMPLE_choice(NAME) OP_XY "  less: {op: Less, in: [x, y]}\n  result: {op: " NAME ", in: [less, x, y]}\n"

#define DIFFERENTIABLE .traits = GR_POINTWISE | GR_ROWWISE | GR_INPLACE, .gradient = pointwise_gradient
#define FLAT .traits = GR_POINTWISE | GR_ROWWISE | GR_INPLACE | GR_ZERO_GRAD
#define CHAIN(how) .traits = GR_POINTWISE | GR_ROWWISE | GR_INPLACE, .gradient = how
#define PLUS .traits = GR_POINTWISE | GR_ROWWISE | GR_INPLACE | GR_SUM, .role = GR_ROLE_ADD, .gradient = add_gradient
#define ROLE(r) .role = r, DIFFERENTIABLE
#define INTERNAL(r) .kind = "internal", ROLE(r)
#define CAST .attrs = cast_attrs, ROLE(GR_ROLE_CAST)

#define POINTWISE_OPS                                                                                                        \
    OP(Add, add, ADD, "torch.add", many, NUMBER, FORMULAS(NULL), PLUS, "Adds two inputs or more.", "input_0 + input_1 + ...") \
    OP(Sub, sub, SUB, "torch.sub", two, NUMBER, FORMULAS("g", "-g"), DIFFERENTIABLE, "Subtracts.", "input - other")          \
    OP(Mul, mul, MUL, "torch.mul", many, NUMBER, FORMULAS(NULL), CHAIN(mul_gradient), "Multiplies two inputs or more.",      \
       "input_0 * input_1 * ...")                                                                                            \
    OP(Div, div, DIV, "torch.div", two, REAL, FORMULAS("g / b", "-g * y / b"), DIFFERENTIABLE, "Divides.", "input / other")  \
    OP(Pow, pow, POW, "torch.pow", base_exponent, REAL,                                                                      \
       FORMULAS("where(b == 0, 0, g * b * pow(a, b - 1))", "where(a == 0, 0, g * y * log(a))"),                              \
       DIFFERENTIABLE, "Raises to a power.", "input^exponent")                                                               \
    OP(Maximum, maximum, MAXIMUM, "torch.maximum", many, NUMBER, FORMULAS(NULL), CHAIN(extremum_gradient),                   \
       "The largest of two inputs or more; NaN if any is.", "max(input_0, input_1, ...)")                                    \
    OP(Minimum, minimum, MINIMUM, "torch.minimum", many, NUMBER, FORMULAS(NULL), CHAIN(extremum_gradient),                   \
       "The smallest of two inputs or more; NaN if any is.", "min(input_0, input_1, ...)")                                   \
    OP(Neg, neg, NEG, "torch.neg", one, NUMBER, FORMULAS("-g"), DIFFERENTIABLE, "Changes the sign.", "-input")               \
    OP(Abs, abs, ABS, "torch.abs", one, NUMBER, FORMULAS("g * sign(a)"), DIFFERENTIABLE, "The absolute value.", "|input|")   \
    OP(Sign, sign, SIGN, "torch.sign", one, NUMBER, FORMULAS(NULL), FLAT, "-1, 0 or 1.", "sign(input)")                      \
    OP(Exp, exp, EXP, "torch.exp", one, REAL, FORMULAS("g * y"), DIFFERENTIABLE, "The exponential.", "e^input")              \
    OP(Log, log, LOG, "torch.log", positive, REAL, FORMULAS("g / a"), DIFFERENTIABLE, "The natural logarithm.", "ln input")  \
    OP(Log1p, log1p, LOG1P, "torch.log1p", positive, REAL, FORMULAS("g / (1 + a)"), DIFFERENTIABLE,                          \
       "The natural logarithm of 1 + input, exact near 0.", "ln(1 + input)")                                                 \
    OP(Expm1, expm1, EXPM1, "torch.expm1", one, REAL, FORMULAS("g * (y + 1)"), DIFFERENTIABLE,                               \
       "The exponential less 1, exact near 0.", "e^input - 1")                                                               \
    OP(Sqrt, sqrt, SQRT, "torch.sqrt", positive, REAL, FORMULAS("g / (2 * y)"), DIFFERENTIABLE, "The square root.", "sqrt(input)") \
    OP(Rsqrt, rsqrt, RSQRT, "torch.rsqrt", positive, REAL, FORMULAS("-0.5 * g * y * y * y"), DIFFERENTIABLE,                 \
       "One over the square root.", "1 / sqrt(input)")                                                                       \
    OP(Reciprocal, reciprocal, RECIPROCAL, "torch.reciprocal", positive, REAL, FORMULAS("-g * y * y"), DIFFERENTIABLE,       \
       "One over the input.", "1 / input")                                                                                   \
    OP(Sin, sin, SIN, "torch.sin", one, REAL, FORMULAS("g * cos(a)"), DIFFERENTIABLE, "The sine, of radians.", "sin(input)") \
    OP(Cos, cos, COS, "torch.cos", one, REAL, FORMULAS("-g * sin(a)"), DIFFERENTIABLE, "The cosine, of radians.", "cos(input)") \
    OP(Erf, erf, ERF, "torch.erf", one, REAL, FORMULAS("g * 1.1283791670955126 * exp(-a * a)"), DIFFERENTIABLE,              \
       "The error function.", "2 / sqrt(pi) * integral from 0 to input of e^(-t^2)")                                         \
    OP(Tanh, tanh, TANH, "torch.tanh", one, REAL, FORMULAS("g * (1 - y * y)"), DIFFERENTIABLE,                               \
       "The hyperbolic tangent.", "tanh(input)")                                                                             \
    OP(Sigmoid, sigmoid, SIGMOID, "torch.sigmoid", one, REAL, FORMULAS("g * y * (1 - y)"), DIFFERENTIABLE,                   \
       "The logistic function.", "1 / (1 + e^-input)")                                                                       \
    OP(Floor, floor, FLOOR, "torch.floor", one, NUMBER, FORMULAS(NULL), FLAT, "Rounds down.", "floor(input)")                \
    OP(Ceil, ceil, CEIL, "torch.ceil", one, NUMBER, FORMULAS(NULL), FLAT, "Rounds up.", "ceil(input)")                       \
    OP(Round, round, ROUND, "torch.round", one, NUMBER, FORMULAS(NULL), FLAT, "Rounds to the nearest, halves to even.", "round(input)") \
    OP(Equal, equal, EQUAL, "torch.eq", two, TRUTH, FORMULAS(NULL), FLAT, "Whether the two are equal.", "input == other")    \
    OP(NotEqual, not_equal, NOT_EQUAL, "torch.ne", two, TRUTH, FORMULAS(NULL), FLAT, "Whether the two differ.", "input != other") \
    OP(Less, less, LESS, "torch.lt", two, TRUTH, FORMULAS(NULL), FLAT, "Whether input is smaller.", "input < other")         \
    OP(LessEqual, less_equal, LESS_EQUAL, "torch.le", two, TRUTH, FORMULAS(NULL), FLAT, "Whether input is not larger.",      \
       "input <= other")                                                                                                     \
    OP(LogicalAnd, logical_and, LOGICAL_AND, "torch.logical_and", two, TRUTH, FORMULAS(NULL), FLAT, "Whether both are not 0.", \
       "input != 0 and other != 0")                                                                                          \
    OP(LogicalOr, logical_or, LOGICAL_OR, "torch.logical_or", two, TRUTH, FORMULAS(NULL), FLAT, "Whether either is not 0.",  \
       "input != 0 or other != 0")                                                                                           \
    OP(LogicalNot, logical_not, LOGICAL_NOT, "torch.logical_not", one, TRUTH, FORMULAS(NULL), FLAT, "Whether the input is 0.", "input == 0") \
    OP(Where, where, WHERE, "torch.where", choice, CHOICE, FORMULAS(NULL, "where(a, g, 0)", "where(a, 0, g)"),               \
       ROLE(GR_ROLE_WHERE), "Takes from one input where a condition is true, else from the other.",                          \
       "condition ? input : other")                                                                                          \
    OP(Cast, cast, COPY, "torch.Tensor.to", cast_one, CASTED, FORMULAS("g"), CAST,                                           \
       "Converts to another dtype; a float becomes an integer by dropping its fraction.", "dtype(input)")                    \
    OP(Copy, copy, COPY, "torch.clone", one, SAME, FORMULAS("g"), INTERNAL(GR_ROLE_COPY), "The same values, in memory of their own.", "input") \
    OP(StopGradient, stop_gradient, COPY, "torch.Tensor.detach", one, SAME, FORMULAS(NULL), FLAT,                            \
       "The input; no gradient passes back through it.", "input")

POINTWISE_OPS
#undef OP

const char *op_function(const char *name, size_t length)
{
    static const struct { const char *function, *op; } table[] = {
#define OP(NAME, function, ...) {#function, #NAME},
        POINTWISE_OPS
#undef OP
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].function) == length && strncmp(table[i].function, name, length) == 0) return table[i].op;
    return NULL;
}
