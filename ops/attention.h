/* attention.h - what the attention ops share: masks, lengths and the products themselves.
 *
 * Everything here sees queries [..., queries, width], keys [..., keys, width] and values
 * [..., keys, size], leading axes (batch, heads) broadcast. Axes are brought there by views. */
#ifndef GRAPHRUN_OPS_ATTENTION_H
#define GRAPHRUN_OPS_ATTENTION_H

#include "ragged.h"
#include "util.h"

/* What a query must not see. Both broadcast to the scores [..., queries, keys]; NULL: nothing. */
typedef struct op_mask {
    gr_val hide; /* bool: true where a query may not look */
    gr_val bias; /* float: added to the scores */
} op_mask;

/* Puts a mask on top of m: a bool one that is true where a query may not look (or may, if
 * `true_looks`), or a float one. `port` is where it was given, for messages. */
int op_mask_add(gr_ctx *c, op_mask *m, const char *port, gr_val mask, bool true_looks);
/* Query i sees the keys 0 .. i alone. */
void op_mask_causal(gr_ctx *c, op_mask *m, int64_t queries, int64_t keys);
/* The scores as m leaves them. */
gr_val op_mask_apply(gr_ctx *c, const op_mask *m, gr_val scores);

/* v [a.., n] with axes of length 1 before the last one, so that it has `rank` axes and its
 * leading ones stand where those of scores of that rank do. */
gr_val op_align(gr_ctx *c, gr_val v, int rank);

/* Lengths: checks the port, whose value must have `rows` axes, those of `of` from `first` on, and
 * gives which of `size` keys are real, bool [rows.., size]. NULL after a message. */
gr_val op_real_keys(gr_ctx *c, const char *port, gr_val lengths, int rows, const gr_type *of, int first, int64_t size);

/* One attention. */
typedef struct op_attention {
    gr_val scores, value;
    op_mask mask;
    double dropout;
    bool safe;              /* a row that is masked throughout gives zeros, not NaN */
    gr_val output, weights; /* results */
} op_attention;
void op_attend(gr_ctx *c, op_attention *a);

gr_val op_swap(gr_ctx *c, gr_val v, int dim0, int dim1);
gr_val op_unsqueeze(gr_ctx *c, gr_val v, int dim);
gr_val op_scale(gr_ctx *c, gr_val v, double factor); /* v itself if it is 1 */
/* 0, or -1 after a message: what is at `port` must be float and have one of two ranks. */
int op_need_rank(gr_ctx *c, int port, int low, int high, const char *shape);
#endif
