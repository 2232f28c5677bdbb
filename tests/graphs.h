/* graphs.h - graphs that the tests of passes share, and running them before and after. */
#ifndef GR_TESTS_GRAPHS_H
#define GR_TESTS_GRAPHS_H

#include "pass/pass.h"
#include "rig.h"

/* A parameter: a state that is trained. */
gr_val test_weight(rig *t, const char *name, int rank, const int64_t *dim);
/* A result, and a name for its value. */
void test_result(rig *t, const char *name, gr_val v);

/* A recipe makes its nodes and results; the value "loss" is differentiated toward the
 * NULL-ended names in `grad`. */
typedef struct test_recipe {
    void (*build)(rig *t, int64_t steps);
    const char *const *grad;
} test_recipe;

/* The graph of the recipe after differentiation and the NULL-ended passes. */
rig test_graph_after(const test_recipe *m, int64_t steps, gr_pass_fn const *passes);
/* Every result of the recipe has the same values, to 1e-12, whether the passes run or not. */
void test_same_values(const test_recipe *m, int64_t steps, gr_pass_fn const *passes);

/* Nodes of the graph, and of its bodies if `deep`, of an op, or of any if op is NULL. */
int test_count(const gr_graph *g, const char *op, bool deep);
gr_node *test_find(const gr_graph *g, const char *op, int which); /* the which-th, NULL */

extern const test_recipe test_lstm;          /* one LSTM layer, a projection of its outputs, a loss */
extern const test_recipe test_lstm_reverse;
extern const test_recipe test_two_cells;     /* two stacked cells in one loop */
extern const test_recipe test_minimal_gated; /* a cell of two products of x and two of h */
#endif
