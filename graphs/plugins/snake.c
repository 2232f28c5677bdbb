/* snake.c - a plugin with one pointwise op, an activation that keeps a network periodic where it saw no data.
 *
 * It is made of built-in pointwise ops, so nothing is said of its gradient, and graphrun fuses it with its
 * neighbours: Linear, Snake and their gradients each go once over memory. Built with the project; by hand, where
 * graphrun is installed:
 *
 *     cc -shared -fPIC -I$(pkg-config --variable=includedir graphrun) snake.c -o snake.so
 *     graphrun train snake.yaml --plugin ./snake.so
 */
#include <graphrun/op.h>

/* x + sin^2(a x) / a; the derivative, 1 + sin(2 a x), follows. */
static int snake_expand(gr_ctx *c)
{
    const gr_type *in = gr_in_type(c, 0);
    double alpha = gr_float(c, "alpha");
    gr_val x = gr_in(c, 0), a;
    if (gr_bool(c, "learned")) {
        if (in->rank < 1) return gr_fail(c, GR_AT_ATTR, "learned", "input is a single number and has no features to learn alpha for; leave out `learned`");
        gr_type t = {.dtype = gr_real(c), .rank = 1, .dim = {in->dim[in->rank - 1]}};
        a = gr_parameter(c, "alpha", &t, "Constant value=%.17g", alpha);
    } else {
        a = gr_emit(c, "Full", "alpha", 0, NULL, "shape=[], value=%.17g", alpha);
    }
    gr_val sine = gr_emit1(c, "Sin", gr_emit2(c, "Mul", a, x));
    gr_val bump = gr_emit2(c, "Div", gr_emit2(c, "Mul", sine, sine), a);
    return gr_set_result(c, 0, gr_emit2(c, "Add", x, bump));
}

static const gr_attr_spec snake_attrs[] = {
    {.name = "alpha", .kind = GR_ATTR_FLOAT, .min = 1e-6, .max = 1e6, .fallback = "1", .doc = "Frequency; where it is learned, what each begins with."},
    {.name = "learned", .kind = GR_ATTR_BOOL, .fallback = "false", .doc = "Whether each feature of the last axis has a trainable alpha."},
    {0},
};
static const gr_port snake_inputs[] = {{"input", 0, "[..., features]: any shape"}, {0}};
static const gr_port snake_outputs[] = {{"output", 0, "[..., features]: as input"}, {0}};

static const gr_op snake_op = {
    GR_OP_HEADER,
    .name = "Snake",
    .summary = "An activation that rises and waves, for periodic data.",
    .formula = "input + sin(alpha * input)^2 / alpha",
    .reference = "Ziyin, Hartwig and Ueda, Neural Networks Fail to Learn Periodic Functions and How to Fix It, 2020",
    .attrs = snake_attrs,
    .inputs = snake_inputs,
    .outputs = snake_outputs,
    .expand = snake_expand,
    .kind = "pointwise",
    .example = "graph:\n"
               "  x: {op: Constant, value: [-3.0, 0.5, 3.0]}\n"
               "  y: {op: Snake, in: x, alpha: 2}\n",
    .cases = (const gr_case[]){{NULL, "f 2 3"}, {"alpha=0.5", "f"}, {"learned=true, alpha=2", "f 4 3"}, {0}},
};

static const gr_op *const ops[] = {&snake_op, NULL};
GR_PLUGIN(.ops = ops)
