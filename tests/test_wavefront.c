/* test_wavefront.c - stacks of recurrent layers: layers that run behind each other, what stands
 * between them chunk by chunk, and how compiling grows with them. */
#include "check_schedule.h"
#include "eval.h"
#include "rig.h"
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double waits[] = {0, 300, 20000}; /* the first splits all that it can, the last keeps loops whole */
enum { WAITS = 3 };

static gr_schedule *schedule_of(gr_arena *a, const gr_program *p, const char *topology, int threads, double wait_ns)
{
    gr_error e = {.message = ""};
    gr_topology *t = gr_topology_get(a, topology, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    t->wait_ns = wait_ns;
    gr_schedule *s = gr_schedule_create(a, p, t, threads, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

static gr_program *random_stack(rig *r, uint64_t seed, bool optimise)
{
    gr_error e = {.message = ""};
    *r = rig_create(GR_FLOAT32);
    rig_random_stack(r, seed);
    if (optimise) rig_optimise(r);
    gr_program *p = gr_program_create(r->a, r->g, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p;
}

static int count_lags(const gr_schedule *s)
{
    int n = 0;
    for (int w = 0; w < s->threads; w++)
        for (int i = 0; i < s->worker[w].num_waits; i++) n += s->worker[w].waits[i].lag.div > 0;
    return n;
}

static bool has_chunks(const gr_program *p)
{
    for (int l = 0; l < p->num_loops; l++)
        if (p->loops[l].chunks) return true;
    return false;
}

static void random_stacks_are_safe(void)
{
    int lags = 0, chunks = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        rig r;
        gr_program *p = random_stack(&r, seed, seed % 3 > 0);
        chunks += has_chunks(p);
        for (int n = 2; n <= 4; n++)
            for (int k = 0; k < WAITS; k++) {
                gr_schedule *s = schedule_of(r.a, p, "core:4", n, waits[k]);
                const char *wrong = check_schedule(p, s);
                if (wrong) {
                    fprintf(stderr, "seed %d, %d threads: %s\n", (int)seed, n, wrong);
                    gr_program_print(p, stderr);
                }
                CU_ASSERT_PTR_NULL_FATAL(wrong);
                lags += count_lags(s);
            }
        rig_destroy(&r);
    }
    CU_ASSERT_TRUE(lags > 50);
    CU_ASSERT_TRUE(chunks > 10);
}

/* A wait for one step too few must be noticed: the check can fail. */
static void too_little_lag_is_found(void)
{
    int found = 0, tried = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        rig r;
        gr_program *p = random_stack(&r, seed, seed % 3 > 0);
        gr_schedule *s = schedule_of(r.a, p, "core:4", 4, waits[seed % 2]);
        for (int w = 0; w < 4; w++)
            for (int i = 0; i < s->worker[w].num_waits; i++) {
                gr_wait *x = &s->worker[w].waits[i];
                if (!x->lag.div) continue;
                int64_t last = x->last;
                x->lag.add -= x->lag.div;
                x->last--;
                tried++;
                found += check_schedule(p, s) != NULL;
                x->lag.add += x->lag.div;
                x->last = last;
            }
        rig_destroy(&r);
    }
    CU_ASSERT_TRUE(tried > 20);
    CU_ASSERT_TRUE(found * 5 > tried * 4); /* some follow from other waits */
}

static void same_bits_on_any_threads(void)
{
    for (uint64_t seed = 0; seed < 24; seed++) {
        char *first = NULL;
        size_t size = 0;
        for (int k = 0; k < (seed % 8 ? 6 : 8); k++) {
            rig r = rig_create(GR_FLOAT32);
            rig_random_stack(&r, seed);
            if (seed % 2) rig_optimise(&r);
            session s = session_create_waiting(r.g, k < 2 ? 1 : k < 4 ? 2 : k < 6 ? 3 : 8, k % 2 ? waits[2] : 0);
            size_t n;
            char *out = session_outcome(&s, 2, &n);
            if (!first) first = out, size = n;
            bool same = n == size && memcmp(first, out, n) == 0;
            if (!same) fprintf(stderr, "seed %d differs in case %d\n", (int)seed, k);
            CU_ASSERT_TRUE(same);
            if (out != first) free(out);
            session_destroy(&s);
            rig_destroy(&r);
        }
        free(first);
    }
}

/* The largest difference to the plain interpreter, which knows neither loops of chunks nor passes. */
static double against_eval(rig *r)
{
    gr_eval *e = eval_create(r->a, r->g);
    eval_seed(e, 1, 0);
    session s = session_create(r->g, 2);
    double worst = 0;
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
        gr_type t;
        const double *got = gr_run_result(s.run, s.p->results[i].name, &t);
        const gr_tensor *want = eval_result(e, s.p->results[i].name);
        for (int64_t k = 0; k < gr_numel(&t); k++) worst = fmax(worst, fabs(got[k] - eval_at(want, k)));
    }
    session_destroy(&s);
    return worst;
}

static void stacks_are_as_the_interpreter(void)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        rig r = rig_create(GR_FLOAT64);
        rig_random_stack(&r, seed);
        if (seed % 2) rig_optimise(&r);
        double worst = against_eval(&r);
        if (!(worst < 1e-9)) fprintf(stderr, "seed %d differs by %g\n", (int)seed, worst);
        CU_ASSERT_TRUE(worst < 1e-9);
        rig_destroy(&r);
    }
}

/* ---- models ---------------------------------------------------------------- */

static const char *stack_model(const char *kind, int layers, int time)
{
    return temp_file("stack.yaml",
                     "graphrun: 1\nname: stack\nvars: {time: %d, batch: 2}\n"
                     "graph:\n"
                     "  x: {op: Input, shape: [time, batch, 3]}\n"
                     "  rnn: {op: %s, in: x, hidden_size: 4, num_layers: %d}\n"
                     "  y: {op: Mul, in: [rnn.output, rnn.output]}\n"
                     "  loss: {op: Mean, in: y}\n"
                     "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, clip_grad_norm: 1, epochs: 1}\n",
                     time, kind, layers);
}

static size_t bytes_of_compiling(int layers, int time)
{
    gr_session *s = open_model(stack_model("GRU", layers, time), 1);
    gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    const gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    size_t bytes = gr_arena_bytes(x->arena);
    gr_session_close(s);
    return bytes;
}

/* Of the memory that compiling takes, which measures its work and is always the same. */
static void compiling_grows_with_the_layers(void)
{
    size_t four = bytes_of_compiling(4, 6), sixteen = bytes_of_compiling(16, 6);
    CU_ASSERT_TRUE(sixteen < 4 * four + four / 2);
}

/* Four layers on eight cores: each layer on a team of its own, each behind the one before; and
 * in the backward pass. */
static void layers_make_a_wavefront(void)
{
    gr_session *s = open_model(temp_file("four.yaml",
        "graphrun: 1\nname: four\nvars: {time: 35, batch: 32}\ngraph:\n"
        "  x: {op: Input, shape: [time, batch, 64]}\n"
        "  rnn: {op: LSTM, in: x, hidden_size: 64, num_layers: 4}\n"
        "  y: {op: Mul, in: [rnn.output, rnn.output]}\n  loss: {op: Mean, in: y}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 1}\n"), 1);
    gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    gr_arena *a = gr_arena_create();
    const gr_program *p = gr_program_create(a, gr_session_graph(s, &want, NULL), &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    gr_schedule *eight = schedule_of(a, p, "pack:1 l3:1 core:8 pu:1", 8, 300);
    CU_ASSERT_EQUAL(eight->num_choices, 1 + 3 * 2 + 1 + 3 * 2); /* 35 steps in chunks of 4, and 3 left over */
    for (int i = 0; i < eight->num_choices; i++) {
        const gr_choice *c = &eight->choices[i];
        CU_ASSERT_EQUAL(c->split, GR_SPLIT_WAVEFRONT);
        CU_ASSERT_EQUAL(c->workers, 2);
        CU_ASSERT_TRUE(c->ns[GR_SPLIT_WAVEFRONT] < c->ns[GR_SPLIT_COLUMNS]);
    }
    CU_ASSERT_TRUE(count_lags(eight) > 0);
    CU_ASSERT_EQUAL(schedule_of(a, p, "core:1", 1, 300)->num_choices, 0);
    gr_arena_destroy(a);
    gr_session_close(s);
}

static size_t arena_of(const char *model, const char *topology, int threads)
{
    gr_session *s = open_model(model, 1);
    gr_want want = {.update = true, .training = true};
    gr_error e = {0};
    gr_arena *a = gr_arena_create();
    gr_program *p = gr_program_create(a, gr_session_graph(s, &want, NULL), &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    gr_schedule *l = gr_schedule_ladder(a, p, gr_topology_get(a, topology, &e), threads, threads, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    for (; l; l = l->fewer) CU_ASSERT_PTR_NULL(check_schedule(p, l));
    const size_t bytes = p->arena_bytes;
    gr_arena_destroy(a);
    gr_session_close(s);
    return bytes;
}

/* Buffers are kept apart for loops that run side by side, where there are any. */
static void memory_is_packed_where_loops_take_turns(void)
{
    const char *model = temp_file("five.yaml",
        "graphrun: 1\nname: five\nvars: {time: 8, batch: 8}\ngraph:\n"
        "  x: {op: Input, shape: [time, batch, 64]}\n"
        "  rnn: {op: GRU, in: x, hidden_size: 64, num_layers: 5}\n"
        "  y: {op: Mul, in: [rnn.output, rnn.output]}\n  loss: {op: Mean, in: y}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, epochs: 1}\n");
    const size_t one = arena_of(model, "core:1", 1), two = arena_of(model, "core:2", 2), eight = arena_of(model, "core:8", 8);
    CU_ASSERT_EQUAL(one, two);
    CU_ASSERT_TRUE(one + one / 8 < eight);
}

static void compiling_is_the_same_for_all_lengths(void)
{
    size_t some = bytes_of_compiling(2, 35), many = bytes_of_compiling(2, 3500);
    CU_ASSERT_TRUE(many < some + some / 16);
}

void test_wavefront(void)
{
    CU_pSuite s = CU_add_suite("wavefront", NULL, NULL);
    if (GR_TEST_NUMBERS) CU_add_test(s, "schedules of random stacks are safe", random_stacks_are_safe);
    if (GR_TEST_NUMBERS) CU_add_test(s, "a wait for too little is found", too_little_lag_is_found);
    CU_add_test(s, "same bits on 1, 2, 3 and 8 threads", same_bits_on_any_threads);
    CU_add_test(s, "values as the plain interpreter's", stacks_are_as_the_interpreter);
    CU_add_test(s, "layers make a wavefront", layers_make_a_wavefront);
    if (GR_TEST_NUMBERS) CU_add_test(s, "memory is packed where loops take turns", memory_is_packed_where_loops_take_turns);
    CU_add_test(s, "compiling grows with the number of layers", compiling_grows_with_the_layers);
    CU_add_test(s, "compiling is the same for all lengths", compiling_is_the_same_for_all_lengths);
}
