/* expression.h - formulas as text, emitted as nodes.
 *
 *     program    = [name "=" compare ";"]... compare
 *     compare    = sum [("<" | "<=" | ">" | ">=" | "==" | "!=") sum]
 *     sum        = product {("+" | "-") product}
 *     product    = unary {("*" | "/") unary}
 *     unary      = "-" unary | number | name | name "(" compare {"," compare} ")" | "(" compare ")"
 *
 * A name is an earlier one of the program; an attribute of the op; `a`, `b`, `c`, its first
 * three inputs; in a gradient also `y`, its output, and `g`, the gradient toward it. A
 * function is a pointwise op in small letters: "where(a <= 0, 0, g)". Numbers are folded. */
#ifndef GRAPHRUN_OPS_EXPRESSION_H
#define GRAPHRUN_OPS_EXPRESSION_H

#include <graphrun/op.h>

/* NULL after an error. A fault of the text itself aborts: it is a built-in op's. */
gr_val op_expression(gr_ctx *c, const char *text);

/* The op that a function's name means ("rsqrt" -> "Rsqrt"); NULL: none. */
const char *op_function(const char *name, size_t length);
#endif
