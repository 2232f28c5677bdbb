/* attention.h - what the attention ops share: masks, lengths and the products themselves.
 *
 * Scores and masks are [..., queries, keys]. Queries [..., queries, width], keys [..., keys, width]
 * and values [..., keys, size] have their steps on any axis but the last one; the others (batch,
 * heads) are the scores' leading axes and broadcast. */
#ifndef GRAPHRUN_OPS_ATTENTION_H
#define GRAPHRUN_OPS_ATTENTION_H

#include "ragged.h"
#include "util.h"

/* What a query must not see. Values broadcast to the scores [..., queries, keys]; NULL: nothing. */
typedef struct op_mask {
    gr_val hide; /* bool: true where a query may not look */
    gr_val bias; /* float: added to the scores */
    bool causal; /* query i of `queries` sees the first i + 1 of `keys` alone */
    int64_t queries, keys;
} op_mask;

/* Puts a mask on top of m: a bool one that is true where a query may not look (or may, if
 * `true_looks`), or a float one. `port` is where it was given, for messages. */
int op_mask_add(gr_ctx *c, op_mask *m, const char *port, gr_val mask, bool true_looks);
/* Query i sees the keys 0 .. i alone. */
void op_mask_causal(op_mask *m, int64_t queries, int64_t keys);
/* The scores as m leaves them. */
gr_val op_mask_apply(gr_ctx *c, const op_mask *m, gr_val scores);

/* v [a.., n] with axes of length 1 before the last one, so that it has `rank` axes and its
 * leading ones stand where those of scores of that rank do. */
gr_val op_align(gr_ctx *c, gr_val v, int rank);

/* Lengths: checks the port, whose value must have `rows` axes, those of `of` from `first` on, and
 * gives which of `size` keys, axis 0 of `of` where `first` is not 0 and else its last but one, are real:
 * bool [rows.., size]. NULL after a message. */
gr_val op_real_keys(gr_ctx *c, const char *port, gr_val lengths, int rows, const gr_type *of, int first, int64_t size);

/* [..., steps, width] of v whose steps stand on axis `dim`, counted from the end; and back. */
gr_val op_steps_last(gr_ctx *c, gr_val v, int dim);
gr_val op_steps_back(gr_ctx *c, gr_val v, int dim);

/* One attention. Of many queries and keys the output is made in tiles (Attend), and the weights are
 * nodes beside it, which nobody computes unless something reads them; of few the output is made of the weights. */
typedef struct op_attention {
    gr_val query, key, value;
    gr_val scores;          /* in place of query and key, where they are not scale query key^T */
    int dim;                /* axis of the steps, from the end; 0: -2 */
    double scale;
    op_mask mask;
    double dropout;
    bool safe;              /* a row that is masked throughout gives zeros, not NaN */
    gr_val output, weights; /* results: [..., queries, size] with the queries on axis dim, [..., queries, keys] */
} op_attention;
void op_attend(gr_ctx *c, op_attention *a);

gr_val op_swap(gr_ctx *c, gr_val v, int dim0, int dim1);
gr_val op_unsqueeze(gr_ctx *c, gr_val v, int dim);
gr_val op_scale(gr_ctx *c, gr_val v, double factor); /* v itself if it is 1 */
/* 0, or -1 after a message: what is at `port` must be float and have one of two ranks. */
int op_need_rank(gr_ctx *c, int port, int low, int high, const char *shape);
#endif
