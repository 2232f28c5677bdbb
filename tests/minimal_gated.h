/* minimal_gated.h - the cell of graphs/language_model/minimal_gated_unit.yaml as the text of a block, for the
 * tests that need a cell of the user's own. NAME: a string literal. */
#ifndef GR_TESTS_MINIMAL_GATED_H
#define GR_TESTS_MINIMAL_GATED_H

#define MINIMAL_GATED_BLOCKS(NAME)                                  \
    "blocks:\n"                                                     \
    "  " NAME ":\n"                                                 \
    "    in: [x, h]\n"                                              \
    "    vars: {hidden_size: ~}\n"                                  \
    "    graph:\n"                                                  \
    "      f:  {op: Linear, in: [x, h], out_features: $hidden_size}\n" \
    "      f1: {op: Sigmoid, in: f}\n"                              \
    "      r:  {op: Mul, in: [f1, h]}\n"                            \
    "      c:  {op: Linear, in: [x, r], out_features: $hidden_size}\n" \
    "      c1: {op: Tanh, in: c}\n"                                 \
    "      h1: {op: Lerp, in: [h, c1, f1]}\n"                       \
    "    out: {h: h1}\n"

#endif
