/* ragged_support.c - models that are fed ragged batches. */
#include "ragged_support.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <string.h>

const int32_t row_length[BATCH] = {3, 6, 1, 4};

model compile(const char *text, int threads, const char *const *fetch, const char *const *grad)
{
    model m = {.session = open_model(temp_file("ragged.yaml", "%s", text), threads)};
    const gr_want want = {.fetch = fetch, .grad = grad, .of = grad ? "loss" : NULL};
    gr_error e = {0};
    m.exec = gr_session_compile(m.session, &want, &e);
    if (!m.exec) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m.exec);
    return m;
}

void *input(const model *m, const char *name, int64_t count)
{
    gr_type t;
    void *to = gr_run_feed(m->exec->run, name, &t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), count);
    return to;
}

const float *result(const model *m, const char *name, int64_t count)
{
    gr_type t;
    const float *data = gr_run_result(m->exec->run, name, &t);
    if (!data) fprintf(stderr, "no result %s\n", name);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), count);
    return data;
}

float real_at(int t, int b, int k) { return sinf((float)(1 + k + 7 * t + 31 * b)); }

void feed_rows(const model *m, bool batch_first, float padding)
{
    float *x = input(m, "x", TIME * BATCH * WIDTH);
    int32_t *lengths = input(m, "lengths", BATCH);
    memcpy(lengths, row_length, sizeof row_length);
    for (int t = 0; t < TIME; t++)
        for (int b = 0; b < BATCH; b++)
            for (int k = 0; k < WIDTH; k++)
                x[((batch_first ? b * TIME + t : t * BATCH + b)) * WIDTH + k] = t < row_length[b] ? real_at(t, b, k) : padding;
}

void run(const model *m) { CU_ASSERT_EQUAL(gr_run_step(m->exec->run, 0), 0); }

int64_t all_results(const model *m, char *to)
{
    int64_t used = 0;
    for (int i = 0; i < m->exec->graph->num_results; i++) {
        gr_type t;
        const void *data = gr_run_result(m->exec->run, m->exec->graph->result_names[i], &t);
        int64_t bytes = gr_numel(&t) * (int64_t)gr_dtype_size(t.dtype);
        CU_ASSERT_FATAL(used + bytes < ROOM);
        memcpy(to + used, data, (size_t)bytes);
        used += bytes;
    }
    return used;
}
