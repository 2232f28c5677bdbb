/* test_costs.c - what work costs: measured, kept in a file, absurd; bits never depend on it. */
#include "tests.h"
#include "train/machine.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void numbers_of(const gr_costs *c, double to[GR_COSTS]) { memcpy(to, c, sizeof *c); }

static void measured(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    for (int threads = 1; threads <= 2; threads++) {
        gr_pool *pool = gr_pool_create(&gr_system_memory, gr_topology_get(a, NULL, &e), threads, &e);
        gr_costs c;
        double number[GR_COSTS];
        CU_ASSERT_TRUE(gr_costs_measure(&c, a, pool));
        numbers_of(&c, number);
        for (int i = 0; i < GR_COSTS; i++) CU_ASSERT_TRUE(isfinite(number[i]) && number[i] > 0);
        gr_pool_destroy(pool);
    }
    gr_arena_destroy(a);
}

static bool same_costs(const gr_costs *a, const gr_costs *b)
{
    double x[GR_COSTS], y[GR_COSTS];
    bool same = true;
    numbers_of(a, x);
    numbers_of(b, y);
    for (int i = 0; i < GR_COSTS; i++) same = same && fabs(x[i] - y[i]) < 1e-4 * x[i];
    return same;
}

/* Writes c as if it had been measured `count` times. */
static void keep(gr_arena *a, const char *path, int cores, const gr_costs *c, int count)
{
    gr_costs list[GR_COSTS_KEPT];
    for (int i = 0; i < count; i++) list[i] = *c;
    gr_costs_write(a, path, cores, list, count);
}

static void kept(void)
{
    gr_arena *a = gr_arena_create();
    const char *path = temp_path("costs");
    gr_costs list[2] = {gr_builtin_costs, gr_builtin_costs}, read[GR_COSTS_KEPT];
    list[0].gflops = 1234.5;
    CU_ASSERT_EQUAL(0, gr_costs_read(a, path, 2, read));
    gr_costs_write(a, path, 2, list, 2);
    CU_ASSERT_EQUAL(2, gr_costs_read(a, path, 2, read));
    CU_ASSERT_TRUE(same_costs(&list[0], &read[0]) && same_costs(&list[1], &read[1]));
    CU_ASSERT_EQUAL(0, gr_costs_read(a, path, 3, read)); /* of other cores */
    keep(a, temp_path("folder/costs"), 2, list, GR_COSTS_KEPT);
    CU_ASSERT_EQUAL(GR_COSTS_KEPT, gr_costs_read(a, temp_path("folder/costs"), 2, read));
    gr_costs_write(a, temp_path("no/such/folder/costs"), 2, list, 2); /* says nothing */
    gr_arena_destroy(a);
}

/* Of another machine, cut off at any byte, with numbers that are none or too many. */
static void damaged(void)
{
    gr_arena *a = gr_arena_create();
    const char *path = temp_path("damaged");
    gr_costs read[GR_COSTS_KEPT];
    size_t length;
    keep(a, path, 2, &gr_builtin_costs, 2);
    char *text = read_text(path, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (size_t n = 0; n < length; n++) {
        temp_file("damaged", "%.*s", (int)n, text);
        CU_ASSERT_EQUAL(0, gr_costs_read(a, path, 2, read));
    }
    const size_t head = strcspn(text, "\n") + 1, first = head + strcspn(text + head, "\n") + 1;
    static const char *const number[] = {"nan", "-1", "0", "inf", "1e300", "x", "1 2"}, *const count[] = {"0", "1", "3", "6", "nan", "-2", "x"};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        temp_file("damaged", "%.*s%s%s", (int)first, text, number[i], text + first + strcspn(text + first, "\n"));
        CU_ASSERT_EQUAL(0, gr_costs_read(a, path, 2, read));
        temp_file("damaged", "%.*s%s%s", (int)head, text, count[i], text + first - 1);
        CU_ASSERT_EQUAL(0, gr_costs_read(a, path, 2, read));
    }
    temp_file("damaged", "x%s", text);
    CU_ASSERT_EQUAL(0, gr_costs_read(a, path, 2, read));
    temp_file("damaged", "%s", text);
    CU_ASSERT_EQUAL(2, gr_costs_read(a, path, 2, read));
    free(text);
    gr_arena_destroy(a);
}

/* All states after three steps of training; *ns: predicted for one of them. */
static char *train_with(const char *costs, bool measure, size_t *size, double *ns)
{
    const char *const sets[] = {"hidden=64", "batch=24", NULL};
    const gr_session_options o = {.model = {.sets = sets}, .threads = 3, .seed = 1, .costs = costs, .measure = measure};
    gr_error e = {0};
    gr_session *s = gr_session_open(GR_SOURCE_DIR "/graphs/language_model/char_lstm.yaml", &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const gr_want want = {.update = true, .training = true, .metrics = true};
    const gr_tensor *field;
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_EQUAL_FATAL(gr_data_begin(s->data, "train", 0, 0, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_data_next(s->data, &field, &e), 1);
    x = gr_exec_for_batch(x, field, &e);
    CU_ASSERT_EQUAL_FATAL(gr_exec_feed_batch(x, field, &e), 0);
    for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL(gr_exec_step(x, i, &e), 0);
    *ns = gr_program_ns(x->program);
    char *text = NULL;
    FILE *f = open_memstream(&text, size);
    write_states(s->store, f);
    fclose(f);
    gr_session_close(s);
    return text;
}

static void absurd(void)
{
    gr_arena *a = gr_arena_create();
    const char *path = temp_path("absurd");
    size_t size, n;
    double usual, ns;
    gr_error e = {0};
    char *want = train_with(NULL, false, &size, &usual);
    for (int k = 0; k < 4; k++) {
        double number[GR_COSTS];
        gr_costs c;
        for (int i = 0; i < GR_COSTS; i++) number[i] = (i * 7 + k * 5) % 3 == k % 3 ? 1e5 : 1e-4;
        memcpy(&c, number, sizeof c);
        keep(a, path, gr_topology_get(a, NULL, &e)->cores, &c, GR_COSTS_KEPT);
        char *got = train_with(path, false, &n, &ns);
        CU_ASSERT_TRUE(n == size && memcmp(got, want, n) == 0);
        CU_ASSERT_TRUE(ns < usual / 10 || ns > usual * 10); /* they were taken at their word */
        free(got);
    }
    free(want);
    gr_arena_destroy(a);
}

/* A few runs of a large model measure, the next find it; one that is to measures again, and the oldest is forgotten. */
static void measured_a_few_times(void)
{
    enum { RUNS = GR_COSTS_KEPT + 3, TOLD = RUNS - 1 };
    gr_arena *a = gr_arena_create();
    const char *path = temp_path("measured");
    gr_costs now[GR_COSTS_KEPT] = {gr_builtin_costs}, before[GR_COSTS_KEPT];
    gr_error e = {0};
    const int cores = gr_topology_get(a, NULL, &e)->cores;
    size_t n;
    double ns;
    for (int i = 0; i < RUNS; i++) {
        memcpy(before, now, sizeof before);
        free(train_with(path, i == TOLD, &n, &ns));
        const int count = gr_costs_read(a, path, cores, now);
        CU_ASSERT_EQUAL(count, i < GR_COSTS_KEPT ? i + 1 : GR_COSTS_KEPT);
        for (int k = 0; k < count && i > 0; k++)
            if (i < TOLD) CU_ASSERT(k == i || same_costs(&now[k], &before[k]));
    }
    for (int k = 1; k < GR_COSTS_KEPT; k++) CU_ASSERT(same_costs(&now[k - 1], &before[k]));
    CU_ASSERT_FALSE(same_costs(&now[GR_COSTS_KEPT - 1], &before[GR_COSTS_KEPT - 1]));
    gr_arena_destroy(a);
}

/* A small program, which measures nothing, leaves it to the large one that follows. */
static void measured_after_a_small_program(void)
{
    const char *path = temp_path("later"), *const sets[] = {"hidden=64", "batch=24", NULL};
    for (int times = 1; times <= GR_COSTS_KEPT; times += GR_COSTS_KEPT - 1) { /* known already; once more because it is to */
        const gr_session_options o = {.model = {.sets = sets}, .threads = 2, .seed = 1, .costs = path, .measure = times > 1};
        const gr_axis_size axes[] = {{"time", 1}, {"batch", 1}};
        const gr_want small = {.metrics = true, .axes = axes, .num_axes = 2}, large = {.update = true, .training = true, .metrics = true};
        gr_error e = {0};
        gr_costs now[GR_COSTS_KEPT];
        gr_session *s = gr_session_open(GR_SOURCE_DIR "/graphs/language_model/char_lstm.yaml", &o, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        const int cores = gr_topology_get(s->arena, NULL, &e)->cores;
        keep(s->arena, path, cores, &gr_builtin_costs, times);
        CU_ASSERT_PTR_NOT_NULL_FATAL(gr_session_compile(s, &small, &e));
        CU_ASSERT_TRUE(s->costs_known && same_costs(&s->costs, &gr_builtin_costs));
        CU_ASSERT_PTR_NOT_NULL_FATAL(gr_session_compile(s, &large, &e));
        const int count = gr_costs_read(s->arena, path, cores, now);
        CU_ASSERT_EQUAL_FATAL(count, times < GR_COSTS_KEPT ? times + 1 : GR_COSTS_KEPT);
        CU_ASSERT_FALSE(same_costs(&now[count - 1], &gr_builtin_costs));
        const gr_costs usual = gr_costs_usual(now, count);
        CU_ASSERT_TRUE(same_costs(&usual, &s->costs));
        gr_session_close(s);
    }
}

/* A machine that stood still while it was measured is forgotten; of hand-overs the best counts. */
static void usual(void)
{
    gr_costs list[3] = {gr_builtin_costs, gr_builtin_costs, gr_builtin_costs};
    list[0].crowd = 150, list[1].crowd = 1.1, list[2].crowd = 1.3;
    list[0].gflops = 1, list[1].gflops = 60, list[2].gflops = 90;
    list[0].wait_ns = 5000, list[1].wait_ns = 100, list[2].wait_ns = 300;
    gr_costs c = gr_costs_usual(list, 3);
    CU_ASSERT_DOUBLE_EQUAL(c.crowd, 1.3, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(c.gflops, 60, 1e-9);
    CU_ASSERT_EQUAL(c.wait_ns, 100);
    c = gr_costs_usual(list, 2);
    CU_ASSERT_DOUBLE_EQUAL(c.crowd, 1.1, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(c.gflops, 60, 1e-9);
    CU_ASSERT_TRUE((c = gr_costs_usual(list, 1), same_costs(&c, &list[0])));
}

static gr_program *program_of(gr_session *s)
{
    const gr_want want = {.update = true, .training = true, .assume_axes = true};
    gr_error e = {0};
    gr_program *p = gr_program_create(s->arena, gr_session_graph(s, &want, NULL), &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p;
}

/* The language model of characters, without workers. */
static gr_session *open_characters(const char *set)
{
    const char *const sets[] = {set, NULL};
    const gr_session_options o = {.model = {.sets = sets}, .seed = 1};
    gr_error e = {0};
    gr_session *s = gr_session_open(GR_SOURCE_DIR "/graphs/language_model/char_lstm.yaml", &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

/* Nanoseconds of all calls of templates of one kind. */
static double ns_of(const gr_program *p, gr_template_kind kind)
{
    double ns = 0;
    for (int i = 0; i < p->num_templates; i++)
        if (p->templates[i].kind == kind) ns += p->templates[i].cost * gr_iterations(p, p->templates[i].loop);
    return ns;
}

/* Caches that hold what is used again save time, of pointwise work above all; and only then. */
static void caches(void)
{
    gr_session *s = open_characters("hidden=128");
    gr_program *p = program_of(s);
    const size_t kib = 1024, size[] = {16 * kib, 512 * kib, 64 * kib * kib};
    double tapes[3], products[3];
    for (int i = 0; i < 3; i++) {
        gr_program_weigh(p, &gr_builtin_costs, size[i], 4 * size[i]);
        tapes[i] = ns_of(p, GR_TASK_TAPE);
        products[i] = ns_of(p, GR_TASK_PRODUCT);
    }
    CU_ASSERT_TRUE(tapes[0] > 1.1 * tapes[1] && tapes[1] > 1.1 * tapes[2]);
    CU_ASSERT_TRUE(products[0] < 1.3 * products[2]); /* they read ahead */
    gr_session_close(s);
}

/* Cores that hinder each other make a step on two of them longer, one on one of them not. */
static void crowd(void)
{
    gr_error e = {0};
    gr_session *s = open_characters("hidden=128");
    gr_program *p = program_of(s);
    gr_topology *t = gr_topology_get(s->arena, "core:2", &e);
    double ns[2][2];
    for (int i = 0; i < 2; i++) {
        t->crowd = i + 1;
        for (int k = 0; k < 2; k++) ns[i][k] = gr_schedule_create(s->arena, p, t, k + 1, &e)->predicted;
    }
    CU_ASSERT_EQUAL(ns[0][0], ns[1][0]);
    CU_ASSERT_TRUE(ns[0][1] < 0.7 * ns[0][0]);
    CU_ASSERT_TRUE(ns[1][1] > 1.5 * ns[0][1]);
    gr_session_close(s);
}

/* On a machine that is worse in one thing no work is cheaper, and some is dearer. */
static void slower_machines_are_never_cheaper(void)
{
    enum { WAIT = offsetof(gr_costs, wait_ns) / sizeof(double), GFLOPS = offsetof(gr_costs, gflops) / sizeof(double) };
    const char *const sets[] = {"batch=4", NULL};
    const gr_session_options o = {.model = {.sets = sets}, .seed = 1};
    const size_t l2 = 64 << 10, l3 = 1 << 20; /* so that some is in each and some in memory */
    gr_error e = {0};
    gr_session *s = gr_session_open(GR_SOURCE_DIR "/graphs/language_model/layer_norm_lstm.yaml", &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    gr_program *p = program_of(s);
    double *usual = GR_NEW_ARRAY(s->arena, double, p->num_templates);
    gr_program_weigh(p, &gr_builtin_costs, l2, l3);
    for (int t = 0; t < p->num_templates; t++) usual[t] = p->templates[t].cost;
    for (int i = 0; i < WAIT; i++) {
        double number[GR_COSTS];
        gr_costs c;
        numbers_of(&gr_builtin_costs, number);
        number[i] *= number[i] >= 2 && i >= GFLOPS ? 0.5 : 2; /* rates are large numbers, times of elements small ones */
        if (i == GFLOPS) number[i + 1] *= 0.5;                /* short sums gain nothing by slow long ones */
        memcpy(&c, number, sizeof c);
        gr_program_weigh(p, &c, l2, l3);
        bool dearer = false;
        for (int t = 0; t < p->num_templates; t++) {
            CU_ASSERT_TRUE(p->templates[t].cost >= usual[t] * (1 - 1e-9));
            dearer |= p->templates[t].cost > usual[t] * 1.001;
        }
        CU_ASSERT_TRUE(dearer);
    }
    gr_session_close(s);
}

/* More cores gain, never more than there are of them, and none in the end: each of them waits for all. */
static void speed_up_ends(void)
{
    gr_error e = {0};
    gr_session *s = open_characters("hidden=64");
    gr_program *p = program_of(s);
    gr_topology *t = gr_topology_get(s->arena, "core:64", &e);
    double before = gr_program_ns(p), last = 0;
    for (int n = 1; n <= 64; n *= 2) {
        last = gr_schedule_create(s->arena, p, t, n, &e)->predicted;
        CU_ASSERT_TRUE(last * n >= gr_program_ns(p) * (1 - 1e-9));
        if (n <= 8) CU_ASSERT_TRUE(last <= before * (1 + 1e-9));
        before = last;
    }
    t->wait_ns *= 10;
    CU_ASSERT_TRUE(gr_schedule_create(s->arena, p, t, 64, &e)->predicted > gr_schedule_create(s->arena, p, t, 8, &e)->predicted);
    gr_session_close(s);
}

/* Where handing over takes longer than all the work, one worker has it, and waits for nobody. */
static void one_worker_waits_for_nobody(void)
{
    gr_error e = {0};
    gr_session *s = open_model(GR_SOURCE_DIR "/graphs/hello.yaml", 1);
    gr_program *p = program_of(s);
    gr_topology *t = gr_topology_get(s->arena, "core:4", &e);
    t->wait_ns = 1e9;
    const gr_schedule *one = gr_schedule_create(s->arena, p, t, 1, &e), *four = gr_schedule_create(s->arena, p, t, 4, &e);
    for (int w = 1; w < 4; w++) CU_ASSERT_EQUAL(four->worker[w].tasks, 0);
    CU_ASSERT_DOUBLE_EQUAL(four->predicted, gr_program_ns(p), 1e-6 * gr_program_ns(p));
    CU_ASSERT_EQUAL(four->predicted, one->predicted);
    gr_session_close(s);
}

/* A model as small as the first one looks at no machine, makes no thread and measures nothing. */
static void small_models_wait_for_nothing(void)
{
    const char *path = temp_path("unmeasured");
    const gr_session_options o = {.seed = 1, .costs = path};
    gr_error e = {0};
    gr_session *s = gr_session_open(GR_SOURCE_DIR "/graphs/hello.yaml", &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const gr_want want = {.update = true, .training = true, .metrics = true};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    CU_ASSERT_EQUAL(gr_pool_threads(x->pool), 1);
    CU_ASSERT_PTR_NULL(s->topology);
    CU_ASSERT_PTR_NULL(read_text(path, &(size_t){0}));
    gr_session_close(s);
}

/* Without workers, as a plan has none, nothing is measured; what is known is told to the machine given. */
static void known_without_workers(void)
{
    const char *path = temp_path("planned"), *const sets[] = {"hidden=64", "batch=24", NULL};
    const gr_session_options o = {.model = {.sets = sets}, .seed = 1, .costs = path};
    for (int known = 0; known < 2; known++) {
        gr_error e = {0};
        gr_session *s = gr_session_open(GR_SOURCE_DIR "/graphs/language_model/char_lstm.yaml", &o, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        gr_program *p = program_of(s);
        gr_topology *t = gr_topology_get(s->arena, NULL, &e);
        gr_costs c = gr_builtin_costs;
        c.wait_ns = 1234;
        if (known) keep(s->arena, path, t->cores, &c, 4);
        CU_ASSERT_EQUAL(gr_session_weigh(s, p, t, &e), 0);
        CU_ASSERT_EQUAL(t->wait_ns, known ? 1234 : gr_builtin_costs.wait_ns);
        CU_ASSERT_PTR_NULL(s->pool);
        char *text = read_text(path, &(size_t){0});
        CU_ASSERT_EQUAL(text != NULL, known);
        free(text);
        gr_session_close(s);
    }
}

void test_costs(void)
{
    CU_pSuite s = CU_add_suite("costs", NULL, NULL);
    CU_add_test(s, "measured", measured);
    CU_add_test(s, "kept in a file", kept);
    CU_add_test(s, "a damaged file", damaged);
    CU_add_test(s, "the same bits with absurd ones", absurd);
    CU_add_test(s, "measured a few times", measured_a_few_times);
    CU_add_test(s, "measured after a small program", measured_after_a_small_program);
    CU_add_test(s, "usual of several measurements", usual);
    CU_add_test(s, "known without workers", known_without_workers);
    CU_add_test(s, "caches that hold what is used again", caches);
    CU_add_test(s, "cores that hinder each other", crowd);
    CU_add_test(s, "slower machines are never cheaper", slower_machines_are_never_cheaper);
    CU_add_test(s, "speed-up ends", speed_up_ends);
    CU_add_test(s, "one worker waits for nobody", one_worker_waits_for_nobody);
    CU_add_test(s, "small models wait for nothing", small_models_wait_for_nothing);
}
