/* search.h - choosing items one after another: the likeliest, drawn, or by beam search. */
#ifndef GR_TRAIN_SEARCH_H
#define GR_TRAIN_SEARCH_H

#include "train/decoder.h"

typedef struct gr_search {
    int64_t length;        /* no more items than that */
    int stop;              /* item that ends the output and is not of it; -1: none */
    double temperature;    /* 0: the likeliest each time; else drawn from softmax(logits / temperature) */
    int64_t top_k;         /* drawn among the k likeliest, and what equals the last of them; 0: all */
    int64_t beam;          /* outputs kept side by side; 0: no beam search */
    double length_penalty; /* a: outputs compare by (sum of log p) / (number of items, `stop` too)^a */
    uint64_t seed, stream; /* of draws: the same numbers for the same pair */
} gr_search;

typedef struct gr_found {
    int32_t *item; int count, cap;
    bool stopped;
    double score;            /* sum of log p of the items, and of `stop` if it was chosen */
    double *row; int64_t row_size; int rows; /* what `show` names, as each item and `stop` was chosen */
} gr_found;

/* From where the decoder stands after `start`, which is fed first. All memory is the session's. */
int gr_search_run(gr_decoder *d, const gr_search *how, const int32_t *start, int n, gr_arena *a, gr_found *found, gr_error *e);
#endif
