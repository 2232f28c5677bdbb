/* library_support.h - what the tests of graphrun.h share: a small language model of five characters, networks and
 * streams that must open, a gr_memory that counts and fails. */
#ifndef GR_TESTS_LIBRARY_SUPPORT_H
#define GR_TESTS_LIBRARY_SUPPORT_H

#include <graphrun/graphrun.h>

enum { STEPS = 9, CLASSES = 5 };
extern const int32_t tokens[STEPS];
extern const char *const logits_name[]; /* the results that streams here are opened for */

/* A model with data and `train`, and weights that were trained a little; made once. */
extern const char *trained_model, *trained_weights;
void make_trained(void);
/* A model whose weights are large enough to be prepared, packed; `rnn`: its recurrent layer, from e to rnn.output. */
const char *prepared_model(const char *name, const char *head, const char *rnn);

int library_fail(const char *what, gr_failure *why); /* prints it; -1 */
/* *why has that status and says that; it is freed. */
void expect(gr_failure **why, int status, const char *says);
gr_network *open_network(const char *path, const char *from);
gr_network *open_network_with(const char *path, gr_network_options o);
gr_stream *open_stream(gr_network *n, const char *along, int64_t time, int64_t batch);
/* Feeds n tokens and gives the logits, [n][CLASSES]; NULL after a message. Any thread may call it. */
const float *run_stream(gr_stream *s, const int32_t *item, int n);
/* The logits of all tokens in one run. */
void run_whole(gr_network *n, float to[STEPS * CLASSES]);
double distance(const float *a, const float *b, int n);

/* ---- memory ---- */

typedef struct purse { long asked, held, fail_at; size_t bytes; } purse;
gr_memory purse_memory(purse *p); /* of one thread at a time */
#endif
