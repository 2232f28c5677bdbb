/* product.h - how the axes of a product's operands and of its result belong together.
 *
 * A contraction does not say which axis it sums over: that is found by inferring it again with one entry more. */
#ifndef GR_PASS_PRODUCT_H
#define GR_PASS_PRODUCT_H

#include "graph/graph.h"

/* Whether n is the product of a value with axes and a matrix, and nothing else. */
bool gr_is_matrix_product(const gr_node *n);
/* The axis of its right operand that holds the result's columns, -1 if there is none. */
int gr_columns_axis(gr_graph *g, const gr_node *n);
/* Whether row for row of the left operand the result has a row: it is summed over the last axis. */
bool gr_keeps_rows(gr_graph *g, const gr_node *n);
/* Whether v is the same whenever nodes of its graph run: a leaf, what comes unchanged into a loop, or a view of such. */
bool gr_is_fixed(const gr_value *v);
#endif
