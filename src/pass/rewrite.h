/* rewrite.h - what several passes need to change a graph. */
#ifndef GR_PASS_REWRITE_H
#define GR_PASS_REWRITE_H

#include "graph/graph.h"
#include "pass/dag.h"

/* Sets every node's mark to its number, so that gr_number() gives it. */
void gr_number_nodes(gr_graph *g);
static inline int gr_number(const gr_node *n) { return (int)(intptr_t)n->mark; }
/* Edges of g's numbered nodes from maker to reader, without carries. */
gr_dag *gr_graph_dag(const gr_graph *g);
/* The same with an edge from each carry's next back to the carry, if g is a loop's body. */
gr_dag *gr_cyclic_dag(const gr_graph *g);
/* pinned[number] of nodes of which a result, a state or the commit reads a value. */
bool *gr_pinned_nodes(const gr_graph *g);

/* By node number: who reads any of its values, once for each time. */
typedef struct gr_readers {
    gr_node **list;
    int n;
} gr_readers;
gr_readers *gr_find_readers(const gr_graph *g);

/* A node like n in graph `to` with other inputs (as many, at the same ports) and outputs of
 * the same types; a loop's body moves along. It has n's name if that is free there. */
gr_node *gr_copy_node(gr_graph *to, gr_node *n, gr_value *const *in);
/* Takes n out of the list of g's nodes; nobody may read it any more. */
void gr_remove_node(gr_graph *g, const gr_node *n);
/* The same with a copy of the body, and of the bodies in it. Marks the nodes copied with their copies. */
gr_node *gr_copy_deep(gr_graph *to, gr_node *n, gr_value *const *in);
/* A node of the op with that role, its attributes as text, its outputs inferred. */
gr_node *gr_add_role(gr_graph *g, gr_role role, const gr_node *origin, int num_in, gr_value *const *in,
                     const char *attrs, ...) GR_PRINTF(6, 7);
/* v with its first `axes` axes replaced by the n of `dim`, which hold as many elements. */
gr_value *gr_reshape_leading(gr_graph *g, const gr_node *origin, gr_value *v, int axes, int n, const int64_t *dim);

/* Whether v, seen through views, is columns [*column, *column + width) of the rows of a
 * product: a node's output of whose type the last axis is the columns. Gives the product's
 * value, v itself if it is one; NULL if v is nothing of the kind. */
gr_value *gr_product_columns(gr_value *v, int64_t *column);
gr_layout gr_dense_layout(const gr_type *t);
bool gr_is_view(const gr_node *n);
/* Whether n adds up inputs of which there may be any number. */
bool gr_is_variadic_sum(const gr_node *n);
/* The layout of v, made by a view whose input has the layout `in`. 0; 1: needs a dense one. */
int gr_view_layout(const gr_value *v, const gr_layout *in, gr_layout *out);
bool gr_same_dims(const gr_type *a, const gr_type *b);
#endif
