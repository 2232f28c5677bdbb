/* ragged_support.h - what the tests of ragged batches share. */
#ifndef GR_TESTS_RAGGED_SUPPORT_H
#define GR_TESTS_RAGGED_SUPPORT_H

#include "train/session.h"

enum { TIME = 6, BATCH = 4, WIDTH = 3, MOST = 4096, ROOM = 1 << 18 };
extern const int32_t row_length[BATCH];

typedef struct model {
    gr_session *session;
    gr_exec *exec;
} model;

/* The program that gives these results and the gradients of `loss`; or a failed assertion. */
model compile(const char *text, int threads, const char *const *fetch, const char *const *grad);
/* The memory of an Input and of a result, of so many elements. */
void *input(const model *m, const char *name, int64_t count);
const float *result(const model *m, const char *name, int64_t count);
void run(const model *m);
/* All results, gradients too, end to end in `to` (ROOM bytes); how many bytes that are. */
int64_t all_results(const model *m, char *to);

/* What row b has at step t. */
float real_at(int t, int b, int k);
/* lengths, and x [time, batch, WIDTH] or with the batch first. */
void feed_rows(const model *m, bool batch_first, float padding);

#endif
