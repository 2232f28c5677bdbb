/* host.h - what an op may ask of graphrun, and do to a graph, in the functions of its descriptor.
 *
 * Everything goes through the gr_ctx that the function was handed: a context carries a table of the host's
 * functions, so that a plugin links against nothing. A context is used by one thread, lives for one
 * call, and owns all that it returns. Functions that return int give 0, or -1 after gr_fail() has said
 * what is wrong; a caller passes -1 on. A NULL gr_val is an absent optional input. */
#ifndef GRAPHRUN_HOST_H
#define GRAPHRUN_HOST_H

#include <graphrun/op.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What can be at fault, for a message that points at the right place. */
typedef enum gr_at { GR_AT_NODE, GR_AT_ATTR, GR_AT_INPUT } gr_at;

typedef struct gr_loop gr_loop; /* a Scan under construction */

/* What gr_later() calls; the values as they are outside of all loops. 0, or -1 after gr_fail(). */
typedef int (*gr_later_fn)(gr_ctx *c, void *data, int n, const gr_val *values);

/* What the functions below call, each of the same name and with the same meaning. Grows at its end. */
typedef struct gr_host {
    uint32_t size; /* sizeof(gr_host) of the host */
    int (*fail)(gr_ctx *c, gr_at at, const char *which, const char *fmt, va_list args);
    const gr_attr *(*attr)(const gr_ctx *c, const char *name);
    int (*set_attr)(gr_ctx *c, const char *name, int64_t n, const int64_t *values);
    int (*count)(const gr_ctx *c, int port);
    gr_val (*in)(gr_ctx *c, int port, int index);
    const gr_type *(*type)(const gr_ctx *c, gr_val v);
    int (*set_output)(gr_ctx *c, int index, const gr_type *t);
    int (*set_result)(gr_ctx *c, const char *name, int index, gr_val v);
    gr_val (*emit)(gr_ctx *c, const char *op, const char *name, int n, const gr_val *in,
                   const char *attrs, va_list args);
    gr_val (*output)(gr_ctx *c, gr_val v, int index);
    gr_val (*parameter)(gr_ctx *c, const char *name, const gr_type *t, const char *init, va_list args);
    gr_val (*out)(gr_ctx *c, int index);
    gr_val (*grad)(gr_ctx *c, int index);
    bool (*wants)(gr_ctx *c, int port, int index);
    int (*set_grad)(gr_ctx *c, int port, int index, gr_val v);
    bool (*is_stacked)(gr_ctx *c, int port, int index);
    gr_loop *(*loop_begin)(gr_ctx *c, const char *name, bool reverse);
    gr_val (*loop_slice)(gr_ctx *c, gr_loop *l, const char *name, gr_val sequence);
    gr_val (*loop_carry)(gr_ctx *c, gr_loop *l, const char *name, gr_val init);
    int (*loop_next)(gr_ctx *c, gr_loop *l, gr_val carry, gr_val next);
    int (*loop_stack)(gr_ctx *c, gr_loop *l, const char *name, gr_val v);
    gr_val (*loop_end)(gr_ctx *c, gr_loop *l);
    const gr_op *(*find_op)(gr_ctx *c, const char *name);
    void *(*alloc)(gr_ctx *c, size_t bytes);
    const gr_op *(*self)(const gr_ctx *c);
    int (*scope)(gr_ctx *c, const char *name); /* NULL leaves the innermost */
    void (*suffix)(gr_ctx *c, const char *suffix);
    gr_dtype (*real)(const gr_ctx *c);
    bool (*is_training)(const gr_ctx *c);
    void (*freeze)(gr_ctx *c, gr_val parameter);
    int (*loop_lengths)(gr_ctx *c, gr_loop *l, gr_val lengths);
    void (*mean_of)(gr_ctx *c, gr_val mean, gr_val count, double n);
    gr_val (*buffer)(gr_ctx *c, const char *name, const gr_type *t, const char *init, va_list args);
    int (*set_next)(gr_ctx *c, gr_val state, gr_val next);
    gr_val (*next)(gr_ctx *c, gr_val state);
    void (*later)(gr_ctx *c, gr_later_fn fn, void *data, int n, const gr_val *values);
    void (*sparse)(gr_ctx *c, gr_val parameter, const char *attr);
    void (*loop_recompute)(gr_ctx *c, gr_loop *l, int64_t every);
    void (*draw_as)(gr_ctx *c, gr_val v, const char *name);
    gr_dtype (*packed_dtype)(const gr_ctx *c);
    int (*step_axis)(gr_ctx *c, int port, int index);
    gr_val (*step_numbers)(gr_ctx *c, int64_t most);
    gr_val (*past)(gr_ctx *c, int port, int index);
} gr_host;

struct gr_ctx {
    const gr_host *host; /* the rest is the host's own */
};

/* ---- messages ---- */

/* Say what is wrong and what to write instead; `which` names the attribute or the
 * input port at fault. Returns -1. */
GR_PRINTF(4, 5)
static inline int gr_fail(gr_ctx *c, gr_at at, const char *which, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int r = c->host->fail(c, at, which, fmt, args);
    va_end(args);
    return r;
}

/* ---- the node in hand ---- */

/* The attribute of that name; never NULL: asking for one that the op does not declare ends the call, and the model
 * fails with a message that names it (a debug build of graphrun aborts). */
static inline const gr_attr *gr_get(const gr_ctx *c, const char *name) { return c->host->attr(c, name); }
static inline int64_t gr_int(const gr_ctx *c, const char *name) { return gr_get(c, name)->i; }
static inline bool gr_bool(const gr_ctx *c, const char *name) { return gr_get(c, name)->i != 0; }
static inline double gr_float(const gr_ctx *c, const char *name) { return gr_get(c, name)->f; }
static inline const char *gr_string(const gr_ctx *c, const char *name) { return gr_get(c, name)->s; }

/* In infer: write an attribute's canonical form (a dim counted from the end). */
static inline int gr_set_attr_int(gr_ctx *c, const char *name, int64_t v)
{
    return c->host->set_attr(c, name, 1, &v);
}
static inline int gr_set_attr_ints(gr_ctx *c, const char *name, int64_t n, const int64_t *v)
{
    return c->host->set_attr(c, name, n, v);
}

/* Inputs: how many port number `port` has (0: absent), one of them (NULL where it is absent), and its type, which what
 * is absent has not. */
static inline int gr_count(const gr_ctx *c, int port) { return c->host->count(c, port); }
static inline gr_val gr_in(gr_ctx *c, int port) { return c->host->in(c, port, 0); }
static inline gr_val gr_in_at(gr_ctx *c, int port, int index) { return c->host->in(c, port, index); }
static inline const gr_type *gr_type_of(const gr_ctx *c, gr_val v) { return c->host->type(c, v); }
static inline const gr_type *gr_in_type(gr_ctx *c, int port) { return gr_type_of(c, gr_in(c, port)); }
/* The op of the node, with the ports and attributes that it has there. */
static inline const gr_op *gr_self(const gr_ctx *c) { return c->host->self(c); }

/* Memory that lives as long as the graph; never NULL (running out unwinds). */
static inline void *gr_alloc(gr_ctx *c, size_t bytes) { return c->host->alloc(c, bytes); }

/* ---- infer ---- */
/* The type of output `index`, copied; each output has to get one. */
static inline int gr_set_output(gr_ctx *c, int index, const gr_type *t) { return c->host->set_output(c, index, t); }

/* ---- expand, gradient, batch, accumulate: emitting nodes ---- */

/* A new node; gives its first output (gr_output for others), after an error a value of type GR_UNKNOWN: what is emitted
 * from that says nothing more.
 * `name` is its name inside the node in hand, NULL for one made from the op's.
 * Inputs fill the ports in order; a variadic port takes all that the ports after it
 * leave over; NULL is an absent optional input. Attributes are text as in a model
 * file, "dim=-1, keepdim=true, shape=[2, 3]", with printf conversions; NULL: none. */
GR_PRINTF(6, 7)
static inline gr_val gr_emit(gr_ctx *c, const char *op, const char *name, int n, const gr_val *in,
                             const char *attrs, ...)
{
    va_list args;
    va_start(args, attrs);
    gr_val v = c->host->emit(c, op, name, n, in, attrs, args);
    va_end(args);
    return v;
}
/* Output `index` of the node whose first output gr_emit() gave. */
static inline gr_val gr_output(gr_ctx *c, gr_val v, int index) { return c->host->output(c, v, index); }
/* Ops of one to three inputs, by themselves. */
static inline gr_val gr_emit1(gr_ctx *c, const char *op, gr_val a) { return gr_emit(c, op, NULL, 1, &a, NULL); }
static inline gr_val gr_emit2(gr_ctx *c, const char *op, gr_val a, gr_val b)
{
    gr_val in[2] = {a, b};
    return gr_emit(c, op, NULL, 2, in, NULL);
}
static inline gr_val gr_emit3(gr_ctx *c, const char *op, gr_val a, gr_val b, gr_val d)
{
    gr_val in[3] = {a, b, d};
    return gr_emit(c, op, NULL, 3, in, NULL);
}

/* The op of that name, NULL if there is none. */
static inline const gr_op *gr_find_op(gr_ctx *c, const char *name) { return c->host->find_op(c, name); }

/* expand: the value of output `index`; with an op whose outputs are declared by the
 * node rather than the op, `name` names it (else NULL). */
static inline int gr_set_result(gr_ctx *c, int index, gr_val v) { return c->host->set_result(c, NULL, index, v); }

/* A trainable parameter of the node in hand, called <node>.<name>. init: an
 * initialiser with its arguments as text, "Uniform low=%.17g high=%.17g". It lives
 * outside all loops. Asking twice for one name gives the same parameter. The name ""
 * is the node's own. */
GR_PRINTF(4, 5)
static inline gr_val gr_parameter(gr_ctx *c, const char *name, const gr_type *t, const char *init, ...)
{
    va_list args;
    va_start(args, init);
    gr_val v = c->host->parameter(c, name, t, init, args);
    va_end(args);
    return v;
}

/* No optimiser changes this parameter. */
static inline void gr_freeze(gr_ctx *c, gr_val parameter) { c->host->freeze(c, parameter); }

/* A tensor that is saved with the weights as <node>.<name> but that no optimiser changes: a
 * running statistic. Not in a loop, each of whose steps would renew it. */
GR_PRINTF(4, 5)
static inline gr_val gr_register_buffer(gr_ctx *c, const char *name, const gr_type *t, const char *init, ...)
{
    va_list args;
    va_start(args, init);
    gr_val v = c->host->buffer(c, name, t, init, args);
    va_end(args);
    return v;
}
/* What a buffer is in the next run, once this one has been found finite; asked again, the
 * last counts. Without it a buffer stays. Of a parameter it is what an optimiser starts from. */
static inline int gr_set_next(gr_ctx *c, gr_val buffer, gr_val next) { return c->host->set_next(c, buffer, next); }
/* What gr_set_next() last said it is, or the buffer itself. */
static inline gr_val gr_next(gr_ctx *c, gr_val buffer) { return c->host->next(c, buffer); }
/* expand: has fn called when the whole model is expanded, to emit outside of all loops. Parameters
 * come to it as they are, what a loop computes stacked over its steps. data: lives as long as the
 * graph. In fn there is no node in hand: no gr_in, gr_get and the like. */
static inline void gr_later(gr_ctx *c, gr_later_fn fn, void *data, int n, const gr_val *values)
{
    c->host->later(c, fn, data, n, values);
}
/* The gradient of this parameter is one of rows: those that look-ups (GR_ROLE_TAKE), its only readers,
 * met. attr: the attribute that asks for it, at fault where something else reads the parameter. */
static inline void gr_sparse(gr_ctx *c, gr_val parameter, const char *attr) { c->host->sparse(c, parameter, attr); }

/* What "float" is here: GR_FLOAT32, or GR_FLOAT64 under --dtype float64. */
static inline gr_dtype gr_real(const gr_ctx *c) { return c->host->real(c); }
/* In prepack: what a float operand is to be kept as, GR_BFLOAT16 or GR_FLOAT16; GR_UNKNOWN: as it is. */
static inline gr_dtype gr_packed_dtype(const gr_ctx *c) { return c->host->packed_dtype(c); }
/* Whether the graph trains (Dropout drops) or not. */
static inline bool gr_is_training(const gr_ctx *c) { return c->host->is_training(c); }

/* The node of v, an op with GR_RANDOM, draws the random numbers that a node of that name inside the
 * node in hand does; NULL: that the node in hand itself does. So a gradient may make again what was
 * drawn, and two forms of one computation draw alike. */
static inline void gr_draw_as(gr_ctx *c, gr_val v, const char *name) { c->host->draw_as(c, v, name); }

/* Until left, nodes emitted are named <name>.<...>; the names of parameters leave it
 * out. suffix: text put after the name of every parameter ("_l0_reverse"), NULL for
 * none. A node emitted with the name "" adds nothing to the names of what it emits. */
static inline int gr_scope_enter(gr_ctx *c, const char *name) { return c->host->scope(c, name); }
static inline void gr_scope_leave(gr_ctx *c) { c->host->scope(c, NULL); }
static inline void gr_parameter_suffix(gr_ctx *c, const char *suffix) { c->host->suffix(c, suffix); }

/* A loop over the leading axis (time) of its sequences. Between begin and end, nodes
 * are emitted into its body; a value from outside may be used as it is, and is then
 * seen whole by every step. loop_end gives the node's first output; of C carries and
 * S stacked values, output i is carry i after the last step, C + i all of its values
 * ([T + 1, ...], at [t] the one that step t reads or, if reverse, that it makes), 2C + j
 * stacked value j ([T, ...], in the order of time whatever the direction). */
static inline gr_loop *gr_loop_begin(gr_ctx *c, const char *name, bool reverse)
{
    return c->host->loop_begin(c, name, reverse);
}
/* Right after gr_loop_begin: row i takes part in the first lengths[i] steps only (in reverse:
 * begins there). lengths is int32; its axes are the leading ones of every slice, carry and
 * stacked value: the batch. A row that has ended keeps its carries and stacks zeros, and what
 * its slices held there, NaN too, is zero before the loop. */
static inline int gr_loop_lengths(gr_ctx *c, gr_loop *l, gr_val lengths) { return c->host->loop_lengths(c, l, lengths); }
/* Its gradient needs less memory and more time: of the carries only every `every`-th is kept, and the
 * steps between run again when the gradient comes to them. */
static inline void gr_loop_recompute(gr_ctx *c, gr_loop *l, int64_t every) { c->host->loop_recompute(c, l, every); }
/* sequence [T, ...]: its slice [...] of the step in hand. The first one says how many steps there are. */
static inline gr_val gr_loop_slice(gr_ctx *c, gr_loop *l, const char *name, gr_val sequence)
{
    return c->host->loop_slice(c, l, name, sequence);
}
/* What the step before left; init: what the first step reads. Each carry has to get its `next`, of the same type. */
static inline gr_val gr_loop_carry(gr_ctx *c, gr_loop *l, const char *name, gr_val init)
{
    return c->host->loop_carry(c, l, name, init);
}
static inline int gr_loop_next(gr_ctx *c, gr_loop *l, gr_val carry, gr_val next)
{
    return c->host->loop_next(c, l, carry, next);
}
/* Makes v [...] of every step an output [T, ...] of the loop, number 2C + j for the j-th call. */
static inline int gr_loop_stack(gr_ctx *c, gr_loop *l, const char *name, gr_val v)
{
    return c->host->loop_stack(c, l, name, v);
}
static inline gr_val gr_loop_end(gr_ctx *c, gr_loop *l) { return c->host->loop_end(c, l); }

/* ---- gradient ---- */

/* gr_in() and gr_out() give the forward values (inside a loop's gradient: as that
 * step had them); gr_grad() the derivative of the objective with respect to an
 * output, NULL where it is zero. Set one for each input that is wanted; the host
 * adds up what several readers of a value give, and a gradient of a broadcast
 * pointwise input may have the output's shape (the host sums it). */
static inline gr_val gr_out(gr_ctx *c, int index) { return c->host->out(c, index); }
static inline gr_val gr_grad(gr_ctx *c, int index) { return c->host->grad(c, index); }
static inline bool gr_wants(gr_ctx *c, int port, int index) { return c->host->wants(c, port, index); }
static inline int gr_set_grad(gr_ctx *c, int port, int index, gr_val v) { return c->host->set_grad(c, port, index, v); }

/* expand: says that the scalar `mean` is a sum divided by the scalar `count` (NULL: by n), as a
 * loss is, so that batches of unlike sizes can be added up to what one of all would give. */
static inline void gr_mean_of(gr_ctx *c, gr_val mean, gr_val count, double n) { c->host->mean_of(c, mean, count, n); }

/* ---- batch, accumulate ---- */
static inline bool gr_is_stacked(gr_ctx *c, int port, int index) { return c->host->is_stacked(c, port, index); }

/* ---- step ---- */

/* In `step`: which axis of an input is that of the steps, [n] of which are fed now; -1: it has none and is the same at
 * every step. */
static inline int gr_step_axis(gr_ctx *c, int port, int index) { return c->host->step_axis(c, port, index); }
/* int32 [n]: the numbers of the steps fed now, ascending, from 0 in the first run. `most`: there are no more steps
 * than that (rows of a table of positions); 0: any number of them. */
static inline gr_val gr_step_numbers(gr_ctx *c, int64_t most) { return c->host->step_numbers(c, most); }
/* An input that has such an axis, with all steps so far there: step t at index t, those fed now too. The axis is longer than
 * that; what stands behind has no meaning. */
static inline gr_val gr_past(gr_ctx *c, int port, int index) { return c->host->past(c, port, index); }

#ifdef __cplusplus
}
#endif
#endif
