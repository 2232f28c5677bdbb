/* pool.c - threads that sleep when there is nothing to do.
 *
 * As many as the program can use are pinned, each to its core. Fewer are not: they are fewer because another
 * process has one of the cores, and the kernel knows which. */
#include "base/count.h"
#include "run/adapt.h"
#include "run/pool.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define relax() _mm_pause()
#elif defined(__aarch64__)
#define relax() __asm__ volatile("isb" ::: "memory")
#else
#define relax() atomic_signal_fence(memory_order_seq_cst)
#endif

/* Between runs about 20 to 60 microseconds, a few hand-overs: the caller may be long away. Within a run 1 to 4 milliseconds:
 * a core that goes to sleep in a virtual machine is the host's to give away, and comes back late or as half of one that is
 * busy. With more threads than cores waiting steals the core from who is waited for. */
#define SPINS_BETWEEN 1500
#define SPINS_WITHIN 100000
#define SPINS_CROWDED 20

typedef struct worker {
    gr_signal start, done, progress;
    gr_pool *pool;
    pthread_t thread;
    int index, core;
    int bound; /* the core that it is bound to now, -1: to none */
    long taken, taken_before; /* how often others took its core, counted at the end of runs */
} worker;

struct gr_pool {
    int threads, spins;
    gr_adapt adapt; /* the caller's */
    bool pinned;    /* where the next run's workers belong: to their cores */
    bool counts;    /* whether the run counts what others take */
    worker *worker;
    void (*fn)(void *, int); /* NULL: end */
    void *data;
};

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

void gr_signal_raise(gr_signal *s, int64_t count)
{
    atomic_store(&s->count, count);
    if (count < atomic_load(&s->wanted)) return;
    atomic_store(&s->wanted, INT64_MAX);
    atomic_store(&s->epoch, atomic_load(&s->epoch) + 1);
    futex(&s->epoch, FUTEX_WAKE, INT_MAX);
}

static void want(gr_signal *s, int64_t count)
{
    int64_t wanted = atomic_load(&s->wanted);
    while (count < wanted && !atomic_compare_exchange_weak(&s->wanted, &wanted, count)) {}
}

int64_t gr_signal_wait(gr_signal *s, int64_t count, int spins)
{
    int64_t now;
    for (int i = 0; i < spins; i++) {
        now = atomic_load_explicit(&s->count, memory_order_acquire);
        if (now >= count) return now;
        relax();
    }
    for (;;) {
        uint32_t epoch = atomic_load(&s->epoch);
        want(s, count);
        now = atomic_load(&s->count);
        if (now >= count) return now; /* a wish left behind costs one wake-up too many */
        futex(&s->epoch, FUTEX_WAIT, epoch);
    }
}

static void bind(worker *w)
{
    int core = w->pool->pinned ? w->core : -1;
    if (core == w->bound) return;
    gr_topology_bind(core);
    w->bound = core;
}

/* A system call of microseconds, so it is made once or twice a window of gr_adapt, not every step. */
static void count_taken(worker *w)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) == 0) w->taken = usage.ru_nivcsw;
}

static void *work(void *arg)
{
    worker *w = arg;
    gr_pool *p = w->pool;
    gr_topology_bind(w->core);
    w->bound = w->core;
    for (int64_t next = 1;; next++) {
        gr_signal_wait(&w->start, next, p->spins < SPINS_BETWEEN ? p->spins : SPINS_BETWEEN);
        if (!p->fn) return NULL;
        bind(w);
        p->fn(p->data, w->index);
        if (p->counts) count_taken(w);
        gr_signal_raise(&w->done, next);
    }
}

void gr_pool_run(gr_pool *p, int threads, void (*fn)(void *, int), void *data)
{
    p->fn = fn;
    p->data = data;
    p->counts = gr_adapt_closes(&p->adapt);
    if (gr_adapt_opens(&p->adapt)) { /* what the caller did since the last step, reading data, is no step's */
        count_taken(&p->worker[0]);
        p->worker[0].taken_before = p->worker[0].taken;
    }
    for (int w = 1; w < threads; w++) {
        gr_signal *start = &p->worker[w].start;
        gr_signal_raise(start, atomic_load_explicit(&start->count, memory_order_relaxed) + 1);
    }
    fn(data, 0);
    if (p->counts) count_taken(&p->worker[0]);
    for (int w = 1; w < threads; w++) {
        worker *x = &p->worker[w];
        gr_signal_wait(&x->done, atomic_load_explicit(&x->start.count, memory_order_relaxed), p->spins);
    }
}

gr_signal *gr_pool_progress(gr_pool *p, int w) { return &p->worker[w].progress; }
int gr_pool_spins(const gr_pool *p) { return p->spins; }
int gr_pool_threads(const gr_pool *p) { return p->threads; }
int gr_pool_in_use(const gr_pool *p) { return gr_adapt_settled(&p->adapt); }
int64_t gr_pool_switches(const gr_pool *p) { return p->adapt.switches; }

static void follow_adapt(gr_pool *p)
{
    p->pinned = p->adapt.at <= p->adapt.top;
    bind(&p->worker[0]);
}

int gr_pool_next_threads(gr_pool *p, int most)
{
    if (gr_adapt_bound(&p->adapt, most)) follow_adapt(p);
    return gr_adapt_threads(&p->adapt);
}

void gr_pool_took(gr_pool *p, double ns, double work)
{
    int64_t taken = 0;
    for (int w = 0; w < p->threads; w++) {
        taken += p->worker[w].taken - p->worker[w].taken_before;
        p->worker[w].taken_before = p->worker[w].taken;
    }
    if (gr_adapt_step(&p->adapt, ns, work, taken)) follow_adapt(p);
}

void gr_pool_use(gr_pool *p, int threads)
{
    gr_adapt_force(&p->adapt, threads);
    follow_adapt(p);
}

static void end_workers(gr_pool *p, int threads)
{
    p->fn = NULL;
    for (int w = 1; w < threads; w++) {
        gr_signal *start = &p->worker[w].start;
        gr_signal_raise(start, atomic_load_explicit(&start->count, memory_order_relaxed) + 1);
        pthread_join(p->worker[w].thread, NULL);
    }
}

/* Signals are the caller's. */
static int start_thread(worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

gr_pool *gr_pool_create(const gr_memory *m, const gr_topology *t, int threads, gr_error *e)
{
    if (threads < 1) threads = 1;
    gr_pool *p = gr_allocate(m, sizeof *p, 0);
    worker *w = p ? gr_allocate(m, sizeof *w * (size_t)threads, 128) : NULL;
    if (!w) {
        gr_free(p);
        gr_set_error(e, GR_ENOMEM, "out of memory for %d thread%s", threads, gr_s(threads));
        return NULL;
    }
    memset(w, 0, sizeof *w * (size_t)threads);
    *p = (gr_pool){.threads = threads, .worker = w, .spins = threads > t->cores ? SPINS_CROWDED : SPINS_WITHIN,
                   .adapt = gr_adapt_start(threads), .pinned = true};
    for (int i = 0; i < threads; i++) {
        w[i].pool = p;
        w[i].start.wanted = w[i].done.wanted = w[i].progress.wanted = INT64_MAX;
        w[i].index = i;
        w[i].core = threads <= t->cores && t->core ? t->core[i] : -1;
        w[i].bound = -1;
        if (i == 0 || start_thread(&w[i]) == 0) continue;
        end_workers(p, i);
        gr_free(w);
        gr_free(p);
        gr_set_error(e, GR_ENOMEM, "the system gives no more than %d thread%s", i, gr_s(i));
        return NULL;
    }
    if (threads > 1) bind(&w[0]);
    return p;
}

void gr_pool_destroy(gr_pool *p)
{
    if (!p) return;
    end_workers(p, p->threads);
    p->pinned = false;
    bind(&p->worker[0]);
    gr_free(p->worker);
    gr_free(p);
}
