/* measure.c - see measure.h.
 *
 * Work is timed by the thread's own clock, which stands still while another process has the core. What slows
 * it down unseen - a neighbour on the same physical core, a host that takes processors away - comes and goes in
 * milliseconds, and a step has its share of it: each number is the mean of some passes without the fastest and
 * the slowest. Of what all do together the slowest counts at every step, for it keeps the others waiting.
 * Only handing over, for which two must be there, counts as it is at best. */
#include "run/measure.h"
#include "base/sort.h"
#include "kernel/kernel.h"
#include "kernel/tape.h"
#include "run/pool.h"
#include <string.h>
#include <time.h>

#define UNEVEN 4 /* hand-overs in one wait: two workers never come at the same time */

/* Under a sanitizer the numbers mean nothing, and eight passes would take seconds of every test. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PASSES = 3 };
#else
enum { PASSES = 8 };
#endif
enum { TRIES = 2, SIDE = 256, ROWS = 32, ROOM = 16 << 20, TRIPS = 200, TOGETHER = 20, EACH = 2 << 20, MOVED = ROOM / 2 };

typedef struct bench {
    gr_arena *arena;
    const gr_math *math;
    char *room;    /* ROOM bytes, aligned */
    void *scratch;
    int op;        /* the tapes' instruction */
    gr_pool *pool;
    gr_signal signal[2];
    int64_t trips; /* made so far */
    double each[ROOM / EACH][TOGETHER]; /* by worker: nanoseconds of each product */
} bench;

static double now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds of fn(b, n) at best, of tries after one that warms the caches. */
static double best_by(clockid_t clock, bench *b, void (*fn)(bench *, int64_t), int64_t n)
{
    double best = 0;
    fn(b, n);
    for (int i = 0; i < TRIES; i++) {
        const double start = now_ns(clock);
        fn(b, n);
        const double ns = now_ns(clock) - start;
        if (i == 0 || ns < best) best = ns;
    }
    return best > 1 ? best : 1;
}

static double best_of(bench *b, void (*fn)(bench *, int64_t), int64_t n) { return best_by(CLOCK_THREAD_CPUTIME_ID, b, fn, n); }

/* n times [rows, sum] x [sum, SIDE], the second packed; all in `room`, EACH bytes. */
static void multiply(const bench *b, char *room, int64_t rows, int64_t sum, int64_t n)
{
    const size_t packed = b->math->gemm_packed_bytes(GR_FLOAT32, SIDE, SIDE);
    float *a = (float *)(void *)(room + (packed + 4095) / 4096 * 4096), *c = a + ROWS * SIDE + 1024;
    const gr_gemm g = {.dtype = GR_FLOAT32, .m = rows, .n = SIDE, .k = sum, .a = a, .a_rs = sum, .a_cs = 1, .c = c, .c_rs = SIDE,
                       .c_cs = 1, .scratch = c + ROWS * SIDE + 1024, .packed = room, .packed_n = SIDE};
    for (int64_t i = 0; i < n; i++) b->math->gemm(&g);
}
static void multiply_many(bench *b, int64_t n) { multiply(b, b->room, ROWS, SIDE, n); }
static void multiply_short(bench *b, int64_t n) { multiply(b, b->room, ROWS, GR_SHORT_SUM, n); }
static void multiply_one(bench *b, int64_t n) { multiply(b, b->room, 1, SIDE, n); }

/* n times [1, 4] x [4, 4]. */
static void multiply_little(bench *b, int64_t n)
{
    enum { LITTLE = 4 };
    float *a = (float *)(void *)b->room;
    const gr_gemm g = {.dtype = GR_FLOAT32, .m = 1, .n = LITTLE, .k = LITTLE, .a = a, .a_rs = LITTLE, .a_cs = 1, .b = a + 64, .b_rs = LITTLE,
                       .b_cs = 1, .c = a + 128, .c_rs = LITTLE, .c_cs = 1, .scratch = b->scratch};
    for (int64_t i = 0; i < n; i++) b->math->gemm(&g);
}

/* n bytes, and as often as it takes for the clock, which costs a microsecond, not to show. */
static void move(bench *b, int64_t n)
{
    for (int64_t done = 0; done < MOVED; done += n) memcpy(b->room, b->room + ROOM / 2, (size_t)n);
}

/* A tape of `count` instructions on two inputs, all in L1, n times. Each result is read twice, so that none are joined. */
static void run_tape(bench *b, int count, int64_t n)
{
    enum { MOST = 8 };
    gr_tape_ins ins[MOST];
    const uint8_t in_reg[] = {0, 1}, out_reg[] = {2};
    const int64_t dim[] = {GR_TAPE_TILE};
    for (int i = 0; i < count; i++) ins[i] = (gr_tape_ins){(uint8_t)b->op, 2, i ? 2 : 0, i ? 2 : 1, 0};
    const gr_tape tape = {.num_regs = 3, .num_in = 2, .in_reg = in_reg, .num_ins = count, .ins = ins, .num_out = 1, .out_reg = out_reg};
    gr_tensor t[3];
    for (int i = 0; i < 3; i++)
        t[i] = (gr_tensor){.data = b->room + i * 4096, .dtype = GR_FLOAT32, .rank = 1, .dim = {GR_TAPE_TILE}, .stride = {1}};
    const gr_tape_run r = {.tape = &tape, .real = GR_FLOAT32, .rank = 1, .dim = dim, .in = t, .out = t + 2, .scratch = b->scratch};
    gr_tape_plan *plan = gr_tape_prepare(b->arena, &r);
    for (int64_t i = 0; i < n; i++) gr_tape_exec(plan, 0, GR_TAPE_TILE);
}
static void run_short(bench *b, int64_t n) { run_tape(b, 1, n); }
static void run_long(bench *b, int64_t n) { run_tape(b, 8, n); }

static double instruction_ns(bench *b, gr_tape_op op)
{
    enum { TIMES = 400 };
    b->op = (int)op;
    const double ns = (best_of(b, run_long, TIMES) - best_of(b, run_short, TIMES)) / (7.0 * TIMES * GR_TAPE_TILE);
    return ns > 0.001 ? ns : 0.001;
}

/* Two workers hand a number over and back. */
static void play(void *data, int w)
{
    bench *b = data;
    for (int64_t i = b->trips + 1; i <= b->trips + TRIPS; i++) {
        if (w == 0) gr_signal_raise(&b->signal[0], i);
        gr_signal_wait(&b->signal[!w], i, gr_pool_spins(b->pool));
        if (w == 1) gr_signal_raise(&b->signal[1], i);
    }
}

static void hand_over(bench *b, int64_t n)
{
    (void)n;
    gr_pool_run(b->pool, 2, play, b);
    b->trips += TRIPS;
}

/* Workers multiply at once, each for itself. */
static void join_in(void *data, int w)
{
    bench *b = data;
    double start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < TOGETHER; i++) {
        multiply(b, b->room + (int64_t)w * EACH, ROWS, SIDE, 1);
        const double end = now_ns(CLOCK_THREAD_CPUTIME_ID);
        b->each[w][i] = end - start;
        start = end;
    }
}

/* If they waited for each other after each product. */
static double together_ns(bench *b)
{
    const int most = ROOM / EACH, threads = gr_pool_threads(b->pool) < most ? gr_pool_threads(b->pool) : most;
    double ns = 0;
    gr_pool_run(b->pool, threads, join_in, b); /* wakes them */
    gr_pool_run(b->pool, threads, join_in, b);
    for (int i = 0; i < TOGETHER; i++) {
        double slowest = 0;
        for (int w = 0; w < threads; w++)
            if (b->each[w][i] > slowest) slowest = b->each[w][i];
        ns += slowest;
    }
    return ns;
}

static double bytes_ns(bench *b, int64_t bytes)
{
    return 2.0 * MOVED / best_of(b, move, bytes); /* read and written */
}

static void measure_once(bench *b, gr_costs *c)
{
    const double flops = 2.0 * SIDE * SIDE;
    c->gflops = 10 * ROWS * flops / best_of(b, multiply_many, 10);
    c->short_gflops = 40 * ROWS * flops * GR_SHORT_SUM / SIDE / best_of(b, multiply_short, 40);
    c->row_gflops = 40 * flops / best_of(b, multiply_one, 40);
    c->product_ns = best_of(b, multiply_little, 1000) / 1000;
    b->op = GR_TAPE_ADD;
    const double one = best_of(b, run_short, 1000) / (1000.0 * GR_TAPE_TILE);
    c->simple_ns = instruction_ns(b, GR_TAPE_ADD);
    c->divide_ns = instruction_ns(b, GR_TAPE_DIV);
    c->vector_ns = instruction_ns(b, GR_TAPE_TANH);
    c->access_ns = one > c->simple_ns ? (one - c->simple_ns) / 3 : c->simple_ns / 3;
    c->l2_bytes_ns = bytes_ns(b, 64 << 10);
    c->l3_bytes_ns = bytes_ns(b, GR_L3_TOUCHED / 2); /* read there, written here */
    c->memory_bytes_ns = bytes_ns(b, ROOM / 2);
    if (gr_pool_threads(b->pool) > 1) c->wait_ns = UNEVEN * best_by(CLOCK_MONOTONIC, b, hand_over, 0) / (2.0 * TRIPS);
}

/* Rates become times and times rates; all else stays. */
static void turn(double number[GR_COSTS])
{
    static const gr_costs rates = {.gflops = 1, .short_gflops = 1, .row_gflops = 1, .l2_bytes_ns = 1, .l3_bytes_ns = 1, .memory_bytes_ns = 1};
    double is_rate[GR_COSTS];
    memcpy(is_rate, &rates, sizeof is_rate);
    for (int i = 0; i < GR_COSTS; i++)
        if (is_rate[i] > 0) number[i] = 1 / number[i];
}

/* Sorts it. */
static double middle_mean(double *list)
{
    double sum = 0;
    gr_sort(list, PASSES);
    for (int i = 1; i < PASSES - 1; i++) sum += list[i];
    return sum / (PASSES - 2);
}

static void measure(bench *b, gr_costs *c)
{
    double list[GR_COSTS][PASSES], number[GR_COSTS], together[PASSES], wait_ns = gr_builtin_costs.wait_ns;
    for (int pass = 0; pass < PASSES; pass++) {
        gr_costs now = gr_builtin_costs;
        measure_once(b, &now);
        together[pass] = together_ns(b);
        if (pass == 0 || now.wait_ns < wait_ns) wait_ns = now.wait_ns;
        memcpy(number, &now, sizeof now);
        turn(number);
        for (int i = 0; i < GR_COSTS; i++) list[i][pass] = number[i];
    }
    for (int i = 0; i < GR_COSTS; i++) number[i] = middle_mean(list[i]);
    turn(number);
    memcpy(c, number, sizeof *c);
    c->wait_ns = wait_ns;
    c->crowd = middle_mean(together) * c->gflops / (2.0 * ROWS * SIDE * SIDE * TOGETHER);
    if (c->crowd < 1) c->crowd = 1;
}

gr_costs gr_costs_usual(const gr_costs *list, int count)
{
    double x[GR_COSTS_KEPT][GR_COSTS], column[GR_COSTS_KEPT], usual[GR_COSTS];
    for (int i = 0; i < count; i++) {
        memcpy(x[i], &list[i], sizeof *x);
        turn(x[i]);
    }
    for (int k = 0; k < GR_COSTS; k++) {
        for (int i = 0; i < count; i++) column[i] = x[i][k];
        gr_sort(column, count);
        usual[k] = column[(count - 1) / 2];
    }
    turn(usual);
    gr_costs c;
    memcpy(&c, usual, sizeof c);
    for (int i = 0; i < count; i++)
        if (list[i].wait_ns < c.wait_ns) c.wait_ns = list[i].wait_ns;
    return c;
}

bool gr_costs_measure(gr_costs *c, gr_arena *a, gr_pool *pool)
{
    const gr_math *math = gr_math_get();
    const gr_memory *m = gr_arena_memory(a);
    bench *b = gr_allocate(m, sizeof *b, 128);
    char *room = gr_allocate(m, ROOM, 4096);
    void *scratch = gr_allocate(m, math->gemm_scratch(GR_FLOAT32, ROWS, SIDE, SIDE) + 65536, 64);
    gr_frame frame;
    volatile bool done = false;
    *c = gr_builtin_costs;
    if (b && room && scratch && gr_try(a, &frame)) {
        memset(room, 0, ROOM);
        *b = (bench){.arena = a, .math = math, .room = room, .scratch = scratch, .pool = pool};
        b->signal[0].wanted = b->signal[1].wanted = INT64_MAX;
        measure(b, c);
        done = true;
        gr_end_try(a, &frame);
    }
    gr_free(scratch);
    gr_free(room);
    gr_free(b);
    return done;
}
