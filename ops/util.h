/* util.h - what the built-in ops share: dims, messages, small pieces of graphs. */
#ifndef GRAPHRUN_OPS_UTIL_H
#define GRAPHRUN_OPS_UTIL_H

#include "example.h"
#include <graphrun/op.h>

#define OP_END {.name = NULL}

static inline int64_t op_smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Index from the front, 0 .. rank - 1, of a dim that may count from the end; -1 after a
 * message that names `attr`. extra: how many more places there are (Unsqueeze, Stack: 1). */
int op_dim(gr_ctx *c, const char *attr, int64_t dim, int rank, int extra);
/* The list attribute `attr` as indices from the end, -rank .. -1, ascending, without
 * repeats; absent: all. Written back, so that leading axes may be added. Gives how many,
 * or -1. */
int op_dims(gr_ctx *c, const char *attr, int rank, int64_t dims[GR_MAX_RANK]);

/* "[2, 3]"; lives as long as the graph. */
const char *op_ints(gr_ctx *c, int64_t n, const int64_t *v);
/* "float32 [time 35, batch 32]" */
const char *op_type_text(gr_ctx *c, const gr_type *t);
GR_PRINTF(2, 3) const char *op_text(gr_ctx *c, const char *fmt, ...);

/* NumPy broadcasting of dims and axis names; -1 if they do not fit. The dtype is that of
 * `a`. */
int op_broadcast(const gr_type *a, const gr_type *b, gr_type *out);
/* 0, or -1 after a message: input `port` must be float, or must be integers. */
int op_need_float(gr_ctx *c, int port);
int op_need_int(gr_ctx *c, int port);

/* Says of a kernel's NaN that input `port` holds an index which is none of the n. */
void op_explain_index(const gr_call *call, int64_t place, const char *port, int64_t index, int64_t n, const char *of);

gr_val op_number(gr_ctx *c, double value); /* a real scalar */
gr_val op_reshape(gr_ctx *c, gr_val v, int rank, const int64_t *dim); /* v itself if it has them */
gr_val op_sum_to(gr_ctx *c, gr_val v, const gr_type *t); /* undoes broadcasting */
/* The type of input 0 of a view, whose context is const. */
const gr_type *op_view_input(const gr_ctx *c);
/* Mean, sum or all of a loss, by the attribute "reduction". */
gr_val op_reduce_loss(gr_ctx *c, gr_val loss);
/* The mean of losses that count as much as `weight` says, as the loop may add it up. */
gr_val op_mean_loss(gr_ctx *c, gr_val loss, gr_val weight);

/* The lines of elements along one axis of a dense tensor: n entries, `step` apart. */
typedef struct op_lines { int64_t n, step, count; } op_lines;
op_lines op_lines_of(const gr_tensor *t, int64_t dim); /* dim from the end; a scalar is a line of one */
int64_t op_line_start(const op_lines *l, int64_t line);
int64_t op_numel(const gr_tensor *t);

/* Row-major strides of dims. */
void op_dense(int rank, const int64_t *dim, int64_t *stride);
/* Place of element `flat` (row-major over rank axes of dim) under strides. */
int64_t op_at(int64_t flat, int rank, const int64_t *dim, const int64_t *stride);
#endif
