/* test_run.c - programs give the right numbers, the same on any number of threads. */
#include "eval.h"
#include "failing.h"
#include "rig.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void expect(const session *s, const char *name, const double *want, int n)
{
    gr_type t;
    const double *got = gr_run_result(s->run, name, &t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_EQUAL(gr_numel(&t), n);
    for (int i = 0; i < n; i++) CU_ASSERT_DOUBLE_EQUAL(got[i], want[i], 1e-12);
}

static gr_val recurrence(rig *r, bool reverse, gr_val xs, gr_val init)
{
    gr_loop *l = gr_loop_begin(r->c, "loop", reverse);
    gr_val x = gr_loop_slice(r->c, l, "x", xs), h = gr_loop_carry(r->c, l, "h", init);
    gr_val next = gr_emit1(r->c, "Tanh", gr_emit2(r->c, "Add", h, x));
    gr_loop_next(r->c, l, h, next);
    gr_loop_stack(r->c, l, "out", next);
    gr_loop_stack(r->c, l, "x", x);
    gr_loop_stack(r->c, l, "before", h);
    return gr_loop_end(r->c, l);
}

static void loop_runs(bool reverse)
{
    rig r = rig_create(GR_FLOAT64);
    gr_val out = recurrence(&r, reverse, rig_input(&r, "xs", "5, 2"), rig_input(&r, "h0", "2"));
    static const char *const name[] = {"last", "history", "out", "x", "before"};
    for (int i = 0; i < 5; i++) rig_result(&r, name[i], gr_output(r.c, out, i));
    session s = session_create(r.g, 1);
    CU_ASSERT_EQUAL(gr_run_step(s.run, 0), 0);
    double xs[10], h[2], stacked[10], history[12], before[10];
    rig_numbers("xs", GR_FLOAT64, 10, xs);
    rig_numbers("h0", GR_FLOAT64, 2, h);
    memcpy(history + (reverse ? 10 : 0), h, sizeof h);
    for (int i = 0; i < 5; i++) {
        int t = reverse ? 4 - i : i;
        for (int k = 0; k < 2; k++) {
            before[2 * t + k] = h[k];
            h[k] = tanh(h[k] + xs[2 * t + k]);
            stacked[2 * t + k] = h[k];
            history[2 * (reverse ? t : t + 1) + k] = h[k];
        }
    }
    expect(&s, "last", h, 2);
    expect(&s, "history", history, 12);
    expect(&s, "out", stacked, 10);
    expect(&s, "x", xs, 10);
    expect(&s, "before", before, 10);
    session_destroy(&s);
    rig_destroy(&r);
}

static void forward_loop(void) { loop_runs(false); }
static void reverse_loop(void) { loop_runs(true); }

/* Two carries that change places at every step need both slots. */
static void carries_swap(void)
{
    rig r = rig_create(GR_FLOAT64);
    gr_val xs = rig_input(&r, "xs", "3, 2"), a0 = rig_input(&r, "a0", "2"), b0 = rig_input(&r, "b0", "2");
    gr_loop *l = gr_loop_begin(r.c, "loop", false);
    gr_val x = gr_loop_slice(r.c, l, "x", xs), a = gr_loop_carry(r.c, l, "a", a0), b = gr_loop_carry(r.c, l, "b", b0);
    gr_loop_next(r.c, l, a, b);
    gr_loop_next(r.c, l, b, gr_emit2(r.c, "Add", a, x));
    gr_val out = gr_loop_end(r.c, l);
    rig_result(&r, "a", out);
    rig_result(&r, "b", gr_output(r.c, out, 1));
    session s = session_create(r.g, 1);
    gr_run_step(s.run, 0);
    double x_[6], a_[2], b_[2];
    rig_numbers("xs", GR_FLOAT64, 6, x_);
    rig_numbers("a0", GR_FLOAT64, 2, a_);
    rig_numbers("b0", GR_FLOAT64, 2, b_);
    for (int t = 0; t < 3; t++)
        for (int k = 0; k < 2; k++) {
            double old = a_[k];
            a_[k] = b_[k];
            b_[k] = old + x_[2 * t + k];
        }
    expect(&s, "a", a_, 2);
    expect(&s, "b", b_, 2);
    session_destroy(&s);
    rig_destroy(&r);
}

/* out[i, j] = running sum over j of x[i, j] + running sum over i of the last of those */
static void nested_loops(void)
{
    rig r = rig_create(GR_FLOAT64);
    gr_val xs = rig_input(&r, "xs", "3, 4, 2"), zero = rig_input(&r, "z", "2");
    gr_loop *outer = gr_loop_begin(r.c, "outer", true);
    gr_val row = gr_loop_slice(r.c, outer, "row", xs), sum = gr_loop_carry(r.c, outer, "sum", zero);
    gr_loop *inner = gr_loop_begin(r.c, "inner", false);
    gr_val x = gr_loop_slice(r.c, inner, "x", row), h = gr_loop_carry(r.c, inner, "h", sum);
    gr_val next = gr_emit2(r.c, "Add", h, x);
    gr_loop_next(r.c, inner, h, next);
    gr_loop_stack(r.c, inner, "next", gr_emit2(r.c, "Mul", next, sum));
    gr_val in = gr_loop_end(r.c, inner);
    gr_loop_next(r.c, outer, sum, gr_emit2(r.c, "Sub", in, sum));
    gr_loop_stack(r.c, outer, "all", gr_output(r.c, in, 2));
    gr_val out = gr_loop_end(r.c, outer);
    rig_result(&r, "sum", out);
    rig_result(&r, "all", gr_output(r.c, out, 2));
    session s = session_create(r.g, 1);
    gr_run_step(s.run, 0);
    double x_[24], all[24], sum_[2];
    rig_numbers("xs", GR_FLOAT64, 24, x_);
    rig_numbers("z", GR_FLOAT64, 2, sum_);
    for (int i = 2; i >= 0; i--) {
        double h_[2] = {sum_[0], sum_[1]};
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 2; k++) {
                h_[k] += x_[8 * i + 2 * j + k];
                all[8 * i + 2 * j + k] = h_[k] * sum_[k];
            }
        for (int k = 0; k < 2; k++) sum_[k] = h_[k] - sum_[k];
    }
    expect(&s, "sum", sum_, 2);
    expect(&s, "all", all, 24);
    session_destroy(&s);
    rig_destroy(&r);
}

static void commit_is_reported(void)
{
    rig r = rig_create(GR_FLOAT64);
    gr_val w = rig_state(&r, "w", 1, (int64_t[]){3}), x = rig_input(&r, "x", "3"), limit = rig_input(&r, "limit", "");
    gr_val sum = gr_emit(r.c, "Sum", NULL, 1, &x, NULL);
    gr_val commit = gr_emit2(r.c, "Less", sum, limit);
    gr_val next = gr_emit3(r.c, "Where", commit, gr_emit2(r.c, "Add", w, x), w);
    rig_next(&r, "w", next);
    r.g->commit = (gr_value *)(uintptr_t)commit;
    session s = session_create(r.g, 1);
    double *state = gr_store_get(s.store, "w", &gr_graph_find_state(r.g, "w")->value->type, NULL, NULL);
    double *feed = gr_run_feed(s.run, "x", NULL), *top = gr_run_feed(s.run, "limit", NULL);
    for (int i = 0; i < 3; i++) state[i] = i, feed[i] = 1;
    *top = 10;
    CU_ASSERT_EQUAL(gr_run_step(s.run, 0), 0);
    CU_ASSERT_EQUAL(state[2], 3);
    *top = 2;
    CU_ASSERT_EQUAL(gr_run_step(s.run, 1), GR_ESTATE);
    CU_ASSERT_EQUAL(state[2], 3);
    session_destroy(&s);
    rig_destroy(&r);
}

/* States that take each other's place. */
static void states_swap(void)
{
    rig r = rig_create(GR_FLOAT64);
    gr_val a = rig_state(&r, "a", 1, (int64_t[]){2}), b = rig_state(&r, "b", 1, (int64_t[]){2});
    rig_next(&r, "a", b);
    rig_next(&r, "b", a);
    session s = session_create(r.g, 1);
    gr_run_step(s.run, 0);
    double was[2];
    const gr_type *t = &gr_graph_find_state(r.g, "a")->value->type;
    rig_numbers("a", GR_FLOAT64, 2, was);
    CU_ASSERT_EQUAL(memcmp(gr_store_get(s.store, "b", t, NULL, NULL), was, sizeof was), 0);
    rig_numbers("b", GR_FLOAT64, 2, was);
    CU_ASSERT_EQUAL(memcmp(gr_store_get(s.store, "a", t, NULL, NULL), was, sizeof was), 0);
    session_destroy(&s);
    rig_destroy(&r);
}

/* What comes of attributes alone is there before the first step, even where an op has inputs that are not given. */
static void constants_are_filled_once(void)
{
    rig r = rig_create(GR_FLOAT64);
    gr_val x = rig_input(&r, "x", "3, 2");
    gr_val rows = gr_emit(r.c, "Sinusoids", NULL, 0, NULL, "steps=3, width=2");
    rig_result(&r, "sum", gr_emit2(r.c, "Add", x, rows));
    session s = session_create(r.g, 1);
    for (int i = 0; i < s.p->num_templates; i++)
        CU_ASSERT_TRUE(s.p->templates[i].node == NULL || strcmp(s.p->templates[i].node->op->name, "Sinusoids") != 0);
    double *feed = gr_run_feed(s.run, "x", NULL), want[6];
    for (int step = 0; step < 2; step++) {
        for (int i = 0; i < 6; i++) feed[i] = 10 * step + i, want[i] = feed[i] + (i % 2 ? cos(i / 2) : sin(i / 2));
        gr_run_step(s.run, step);
        expect(&s, "sum", want, 6);
    }
    session_destroy(&s);
    rig_destroy(&r);
}

static void threads_do_not_matter(bool optimise)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        char *first = NULL;
        size_t size = 0;
        for (int threads = 1; threads <= 3; threads++) {
            rig r = rig_create(GR_FLOAT32);
            rig_random(&r, seed);
            if (optimise) rig_optimise(&r);
            session s = session_create(r.g, threads);
            size_t n;
            char *out = session_outcome(&s, 3, &n);
            if (!first) first = out, size = n;
            bool same = n == size && memcmp(first, out, n) == 0;
            if (!same) fprintf(stderr, "seed %d differs on %d threads\n", (int)seed, threads);
            CU_ASSERT_TRUE(same);
            if (out != first) free(out);
            session_destroy(&s);
            rig_destroy(&r);
        }
        free(first);
    }
}

static void same_bits(void) { threads_do_not_matter(false); }
static void same_bits_optimised(void) { threads_do_not_matter(true); }

/* Another number of threads at every step, out of one to three. */
static void switching_threads(void)
{
    int seen[4] = {0};
    for (uint64_t seed = 0; seed < 40; seed++) {
        char *out[2];
        size_t n[2];
        for (int switching = 0; switching < 2; switching++) {
            rig r = rig_create(GR_FLOAT32);
            rig_random(&r, seed);
            rig_optimise(&r);
            session s = session_create(r.g, switching ? 3 : 1);
            for (int i = 0; i < 9; i++) {
                if (switching) gr_pool_use(s.pool, 1 + (int)(seed + (uint64_t)i * 2) % 3);
                seen[gr_pool_in_use(s.pool)] += switching;
                gr_run_step(s.run, i);
            }
            out[switching] = session_outcome(&s, 0, &n[switching]);
            session_destroy(&s);
            rig_destroy(&r);
        }
        CU_ASSERT_TRUE(n[0] == n[1] && memcmp(out[0], out[1], n[0]) == 0);
        free(out[0]);
        free(out[1]);
    }
    for (int threads = 1; threads <= 3; threads++) CU_ASSERT_EQUAL(seen[threads], 120);
}

static double difference(const void *got, const gr_type *t, const gr_tensor *want)
{
    double worst = gr_numel(t) == eval_numel(want) ? 0 : INFINITY;
    gr_tensor mine = {.data = (void *)(uintptr_t)got, .dtype = t->dtype};
    for (int64_t i = 0; i < gr_numel(t) && worst < INFINITY; i++) {
        double x = eval_at(&mine, i), y = eval_at(want, i), error = fabs(x - y) / (1 + fabs(y));
        if (isnan(x) != isnan(y)) return INFINITY;
        if (error > worst) worst = error;
    }
    return worst;
}

/* The largest difference between one step of the program and the plain interpreter. */
static double against_eval(rig *r, int threads)
{
    gr_eval *e = eval_create(r->a, r->g);
    eval_seed(e, 1, 0);
    session s = session_create(r->g, threads);
    double worst = 0, d;
    gr_type t;
    for (int i = 0; i < s.p->num_buffers; i++) {
        const gr_buffer *b = &s.p->buffers[i];
        bool feed = b->kind == GR_BUFFER_FEED;
        if (!feed && b->kind != GR_BUFFER_STATE) continue;
        void *from = feed ? gr_run_feed(s.run, b->name, NULL) : gr_store_get(s.store, b->name, &b->type, NULL, NULL);
        memcpy(eval_memory(e, b->name, NULL), from, (size_t)gr_numel(&b->type) * gr_dtype_size(b->type.dtype));
    }
    CU_ASSERT_EQUAL(eval_run(e), 0);
    gr_run_step(s.run, 0);
    for (int i = 0; i < s.p->num_results; i++) {
        const void *got = gr_run_result(s.run, s.p->results[i].name, &t);
        d = difference(got, &t, eval_result(e, s.p->results[i].name));
        if (d > worst) worst = d;
    }
    for (int i = 0; i < gr_store_count(s.store); i++) {
        const void *got = gr_store_data(s.store, i, &t);
        d = difference(got, &t, eval_next(e, gr_store_name(s.store, i)));
        if (d > worst) worst = d;
    }
    session_destroy(&s);
    return worst;
}

static void as_the_interpreter(bool optimise)
{
    for (uint64_t seed = 0; seed < 150; seed++) {
        rig r = rig_create(GR_FLOAT64);
        rig_random(&r, seed);
        if (optimise) rig_optimise(&r);
        double worst = against_eval(&r, 1 + (int)(seed % 2));
        if (!(worst < 1e-9)) fprintf(stderr, "seed %d differs by %g\n", (int)seed, worst);
        CU_ASSERT_TRUE(worst < 1e-9);
        rig_destroy(&r);
    }
}

/* A running sum whose value before each step is stacked is no mere total. */
static void stacked_accumulator(void)
{
    rig r = rig_create(GR_FLOAT64);
    gr_val xs = rig_input(&r, "xs", "5, 2"), init = rig_input(&r, "init", "2");
    gr_loop *l = gr_loop_begin(r.c, "loop", false);
    gr_val x = gr_loop_slice(r.c, l, "x", xs), sum = gr_loop_carry(r.c, l, "sum", init);
    gr_loop_next(r.c, l, sum, gr_emit2(r.c, "Add", sum, x));
    gr_loop_stack(r.c, l, "before", sum);
    gr_val out = gr_loop_end(r.c, l);
    rig_result(&r, "last", out);
    rig_result(&r, "before", gr_output(r.c, out, 2));
    rig_optimise(&r);
    CU_ASSERT_TRUE(against_eval(&r, 1) < 1e-12);
    rig_destroy(&r);
}

static void values_are_right(void) { as_the_interpreter(false); }
static void values_are_right_optimised(void) { as_the_interpreter(true); }

static void nothing_is_allocated(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        rig r = rig_create(GR_FLOAT32);
        rig_random(&r, 3);
        session s = session_create(r.g, threads);
        gr_run_step(s.run, 0);
        long before = gr_count_allocations();
        for (int i = 1; i < 10; i++) gr_run_step(s.run, i);
        CU_ASSERT_EQUAL(gr_count_allocations(), before);
        session_destroy(&s);
        rig_destroy(&r);
    }
}

/* The n-th allocation fails, for all n: an error each time, never a crash. */
static void running_out_of_memory(void)
{
    rig r = rig_create(GR_FLOAT32);
    rig_random(&r, 7);
    session s = session_create(r.g, 2);
    gr_run *run = NULL;
    for (long n = 1; n < 1000 && !run; n++) {
        gr_error e = {.message = ""};
        gr_fail_allocation(n);
        run = gr_run_create(s.p, s.s, s.pool, s.store, 1, &e);
        gr_fail_allocation(0);
        if (!run) CU_ASSERT_EQUAL(e.status, GR_ENOMEM);
    }
    CU_ASSERT_PTR_NOT_NULL(run);
    gr_run_destroy(run);
    session_destroy(&s);
    rig_destroy(&r);
}

static void store_keeps(void)
{
    gr_store *s = gr_store_create(&gr_system_memory);
    gr_type t = {.dtype = GR_FLOAT32, .rank = 1, .dim = {3}}, other = {.dtype = GR_FLOAT32, .rank = 1, .dim = {4}};
    bool is_new;
    gr_error e;
    float *w = gr_store_get(s, "w", &t, &is_new, &e);
    CU_ASSERT_TRUE(is_new);
    CU_ASSERT_PTR_EQUAL(gr_store_get(s, "w", &t, &is_new, &e), w);
    CU_ASSERT_FALSE(is_new);
    CU_ASSERT_PTR_NULL(gr_store_get(s, "w", &other, &is_new, &e));
    CU_ASSERT_PTR_NOT_NULL(gr_store_get(s, "v", &other, &is_new, &e));
    CU_ASSERT_EQUAL(gr_store_count(s), 2);
    CU_ASSERT_STRING_EQUAL(gr_store_name(s, 1), "v");
    gr_store_destroy(s);
}

void test_run(void)
{
    CU_pSuite s = CU_add_suite("run", NULL, NULL);
    CU_add_test(s, "a loop forward", forward_loop);
    CU_add_test(s, "a loop backward", reverse_loop);
    CU_add_test(s, "carries that change places", carries_swap);
    CU_add_test(s, "a loop in a loop", nested_loops);
    CU_add_test(s, "a step that is not committed", commit_is_reported);
    CU_add_test(s, "states that change places", states_swap);
    CU_add_test(s, "constants are filled once", constants_are_filled_once);
    CU_add_test(s, "same bits on 1, 2 and 3 threads", same_bits);
    CU_add_test(s, "same bits after all passes", same_bits_optimised);
    CU_add_test(s, "same bits while the number of threads changes", switching_threads);
    CU_add_test(s, "an accumulator that is stacked", stacked_accumulator);
    CU_add_test(s, "values as the plain interpreter's", values_are_right);
    CU_add_test(s, "the same after all passes", values_are_right_optimised);
    CU_add_test(s, "nothing is allocated in a step", nothing_is_allocated);
    CU_add_test(s, "running out of memory", running_out_of_memory);
    CU_add_test(s, "the store of states", store_keeps);
}
