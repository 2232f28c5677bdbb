/* op_trial.h - a graph made of one node, for the walk over the ops: alone or in a loop, its
 * inputs fed with numbers that depend on their place alone, its gradients toward an objective
 * in which every output has weights of its own, the Inputs w0, w1, ...
 *
 *     trial t = trial_begin(GR_FLOAT64, &some_case, 0, 0, NULL);
 *     if (trial_outside(&t)) ... gr_eval of t.graph ...
 *     trial_end(&t); */
#ifndef GR_WALK_OP_TRIAL_H
#define GR_WALK_OP_TRIAL_H

#include "eval.h"
#include "graph/emit.h"
#include "op_registry.h"
#include "op_report.h"

enum { MAX_IN = 12, MAX_OUT = 8, STEPS = 3 };
#define GRADIENT_NEAR 2e-6 /* of 1 + |the derivative| */
#define FLOAT_NEAR 1e-4    /* of 1 + |the value|: how far float may be from double */

/* A node to test: op, attributes and inputs as gr_case writes them. */
typedef struct op_case {
    const char *op, *attrs, *inputs;
} op_case;

typedef struct operand {
    char kind;
    int classes;
    gr_type type;
} operand;

typedef struct trial {
    const op_case *c;
    gr_arena *arena;
    gr_diag *diag;
    gr_graph *graph;
    gr_emitter *emitter;
    const gr_op *op;
    operand in[MAX_IN];
    int num_in, steps; /* steps 0: outside of loops */
    gr_value *input[MAX_IN], *out[MAX_OUT];
    int num_out;
    unsigned whole;     /* bit i: input i is the same at every step */
    const char **grads; /* NULL-ended: toward what trial_differentiate() made gradients */
    gr_value *lengths;  /* of rows, where the loop is ragged; else NULL */
    bool quiet;         /* say nothing of failures */
    bool unwound;       /* out of memory, or the plugin called the host wrongly: no refusal, which may be fine */
    op_check check;     /* what is being looked at, for `report` ... */
    bool settled;       /* ... whatever trial_look says */
    op_report *report;  /* NULL: standard output */
} trial;

/* How many inputs the text says; -1: it does not, and *why says what is wrong. */
int trial_operands(const char *text, operand *in, const char **why);

/* The graph and its Inputs in0, in1, ... With steps the Inputs have that many steps, but for
 * inputs that are whole, by their port or the bits of `whole`. */
trial trial_begin(gr_dtype real, const op_case *c, int steps, unsigned whole, const op_more *more);
void trial_end(trial *t);
/* Says what went wrong, and false. */
bool trial_failed(trial *t, const char *what);
/* Computes the graph of e; false, after saying so: it does not run. */
bool trial_run(trial *t, gr_eval *e);
/* What the next failures and comparisons are about; settled: whatever is looked at from then on. */
void trial_look(trial *t, op_check check);
void trial_settle(trial *t, op_check check);
/* Says that so many comparisons were right, and by how much the worst was off. */
void trial_compared(trial *t, int64_t count, double worst);
/* The node on the graph's Inputs. False: it is refused. */
bool trial_outside(trial *t);
/* The node at each step of a loop; out[] are its outputs stacked. */
bool trial_inside(trial *t);
/* Before trial_inside: rows of the leading axis end after `steps`, steps - 1, ... 1, ... steps, and the
 * padding of floats is NaN. False: the inputs have no axis in common. */
bool trial_make_ragged(trial *t);
/* Whether row `row` has ended before the step. */
bool trial_ended(const trial *t, int64_t row, int64_t step);
/* Whether that input of the node is the same at every step. */
bool trial_whole(const trial *t, int input);

/* Inputs, weights of the objective, parameters. */
void trial_fill(trial *t, gr_eval *e);

/* Makes out[0..n) results "out0", ..., their objective "loss" and its gradients toward
 * inputs and parameters, "grad:in0", ... */
bool trial_differentiate(trial *t, gr_value **out, int n);
/* What a result is called in messages: "out0" -> "output `y`", "grad:in1" -> "the gradient toward weight". */
const char *trial_result(const trial *t, const char *name);
/* Holds the gradient toward an Input or a parameter against central differences. */
bool trial_check_gradient(trial *t, gr_eval *e, const char *name);

/* A copy of the graph after all passes, checked. */
gr_graph *trial_optimised(trial *t);
/* The largest |x - y| / (1 + |x|); infinite if shapes differ or one is NaN alone. */
double trial_distance(const gr_tensor *x, const gr_tensor *y);
#endif
