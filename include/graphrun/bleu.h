/* bleu.h - BLEU of one sequence of numbers against another.
 *
 * As in Zhang et al., Dive into Deep Learning, after Papineni et al. 2002:
 *
 *     exp(min(0, 1 - label / pred)) * product over n = 1 .. min(k, pred) of p_n^(0.5^n)
 *
 * pred, label: their lengths; p_n: the share of the prediction's n-grams that are found in
 * the label, each of the label's being found once. Longer n-grams weigh more, as a root of
 * a small number is nearer 1. Nothing is allocated; time grows with the product of the lengths. */
#ifndef GRAPHRUN_BLEU_H
#define GRAPHRUN_BLEU_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* A sequence in memory: item i is at[i * stride]. */
typedef struct gr_sequence {
    const int32_t *at;
    int64_t stride, length;
} gr_sequence;

/* s up to the first item of that number, which is left out. */
static inline gr_sequence gr_sequence_until(gr_sequence s, int32_t end)
{
    int64_t n = 0;
    while (n < s.length && s.at[n * s.stride] != end) n++;
    s.length = n;
    return s;
}

static inline bool gr_same_ngram(gr_sequence a, int64_t i, gr_sequence b, int64_t j, int64_t n)
{
    for (int64_t k = 0; k < n; k++)
        if (a.at[(i + k) * a.stride] != b.at[(j + k) * b.stride]) return false;
    return true;
}

/* How many of s's n-grams before `end` are the one at x[i]. */
static inline int64_t gr_count_ngram(gr_sequence s, int64_t end, gr_sequence x, int64_t i, int64_t n)
{
    int64_t count = 0;
    for (int64_t j = 0; j < end; j++) count += gr_same_ngram(s, j, x, i, n);
    return count;
}

/* From 0 to 1. An empty prediction scores 0, against an empty label 1. */
static inline double gr_bleu(gr_sequence pred, gr_sequence label, int64_t k)
{
    if (pred.length == 0) return label.length == 0;
    double score = exp(fmin(0, 1 - (double)label.length / (double)pred.length));
    for (int64_t n = 1; n <= k && n <= pred.length; n++) {
        int64_t grams = pred.length - n + 1, found = 0;
        for (int64_t i = 0; i < grams; i++) /* the first of its kind is found if the label has one, ... */
            found += gr_count_ngram(pred, i, pred, i, n) < gr_count_ngram(label, label.length - n + 1, pred, i, n);
        score *= pow((double)found / (double)grams, pow(0.5, (double)n));
    }
    return score;
}
#endif
