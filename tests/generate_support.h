/* generate_support.h - what the suites that generate share: small models, their logits item by item. */
#ifndef GR_TEST_GENERATE_SUPPORT_H
#define GR_TEST_GENERATE_SUPPORT_H

#include "train/decoder.h"

enum { CLASSES = 7 };
extern const int32_t items[8];

#define EMBED "  e: {op: Embedding, in: x, num_embeddings: 7, embedding_dim: 5}\n"
#define OUT(h) "  logits: {op: Linear, in: " h ", out_features: 7}\n"

/* Nodes of a model with the Input x [time 6, batch], that ends in `logits`; section: more of `generate`. */
gr_session *open_text(const char *name, const char *graph, const char *section);
gr_decoder *decoder_of(gr_session *s, bool prefix);
/* The logits after each of `n` items, one after another, [n][CLASSES]. */
void run_items(gr_decoder *d, const int32_t *source, int sources, const int32_t *item, int n, double *logits);
double farthest(const double *a, const double *b, int n);

typedef struct generate_kind { const char *name, *graph; bool steps; } generate_kind;
/* Whether it steps is as expected, and both ways give the same. */
void check_steps(const generate_kind *k);
#endif
