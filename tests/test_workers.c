/* test_workers.c - steps of real models in the workers: nothing is allocated, no page is met for the
 * first time after the first step, and the number of threads changes no weight. */
#include "run/pool.h"
#include "failing.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { THREADS = 3 };

static const struct model {
    const char *path, *sets[4];
} models[] = {
    {"graphs/language_model/char_lstm.yaml", {"hidden=48", "batch=16"}},
    {"graphs/language_model/layer_norm_lstm.yaml", {"hidden=48", "batch=16"}},
    {"graphs/language_model/transformer.yaml", {"width=32", "batch=8"}},
};

/* A training program of the model with its first batch, on THREADS threads. */
static gr_exec *open_training(const struct model *model)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", GR_SOURCE_DIR, model->path);
    const gr_session_options o = {.model = {.sets = model->sets}, .threads = THREADS, .seed = 1};
    gr_error e = {0};
    gr_session *s = gr_session_open(path, &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const gr_want want = {.update = true, .training = true, .metrics = true};
    const gr_tensor *field;
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_EQUAL_FATAL(gr_data_begin(s->data, "train", 0, 0, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_data_next(s->data, &field, &e), 1);
    x = gr_exec_for_batch(x, field, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_EQUAL_FATAL(gr_exec_feed_batch(x, field, &e), 0);
    return x;
}

static void read_faults(void *data, int worker)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    ((long *)data)[worker] = usage.ru_minflt;
}

static void step_on(gr_exec *x, int threads, int64_t step)
{
    gr_error e = {0};
    gr_pool_use(x->pool, threads);
    CU_ASSERT_EQUAL(gr_exec_step(x, step, &e), 0);
}

/* The sanitizers' own bookkeeping touches pages at any time. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNT_FAULTS = 0 };
#else
enum { COUNT_FAULTS = 1 };
#endif

static void no_page_faults(void)
{
    enum { STEPS = 12 };
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        gr_exec *x = open_training(&models[m]);
        gr_pool *pool = x->pool;
        long before[THREADS], after[THREADS];
        for (int i = 0; i < 6; i++) step_on(x, THREADS - i % 3, i);
        gr_pool_run(pool, THREADS, read_faults, before);
        gr_pool_run(pool, THREADS, read_faults, before); /* the first touched its own stack */
        long allocations = gr_count_allocations();
        for (int i = 0; i < STEPS; i++) step_on(x, THREADS - i % 3, 6 + i);
        CU_ASSERT_EQUAL(gr_count_allocations(), allocations);
        gr_pool_run(pool, THREADS, read_faults, after);
        for (int w = 0; w < THREADS && COUNT_FAULTS; w++) {
            if (after[w] - before[w] > 0) fprintf(stderr, "%s: %ld page faults in worker %d\n", models[m].path, after[w] - before[w], w);
            CU_ASSERT_EQUAL(after[w], before[w]);
        }
        gr_session_close(x->session);
    }
}

/* All states after some steps. */
static char *states_after(const struct model *model, bool switching, size_t *size)
{
    gr_exec *x = open_training(model);
    char *text = NULL;
    for (int i = 0; i < 6; i++) step_on(x, switching ? 1 + (i * 2) % 3 : 1, i);
    FILE *f = open_memstream(&text, size);
    write_states(x->session->store, f);
    fclose(f);
    gr_session_close(x->session);
    return text;
}

static void weights_are_the_same(void)
{
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        size_t n[2];
        char *one = states_after(&models[m], false, &n[0]), *many = states_after(&models[m], true, &n[1]);
        CU_ASSERT_TRUE(n[0] == n[1] && memcmp(one, many, n[0]) == 0);
        free(one);
        free(many);
    }
}

void test_workers(void)
{
    CU_pSuite s = CU_add_suite("workers", NULL, NULL);
    CU_add_test(s, "no page fault and no allocation after the first step", no_page_faults);
    CU_add_test(s, "the same weights while the number of threads changes", weights_are_the_same);
}
