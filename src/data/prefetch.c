/* prefetch.c - one mutex guards all of a gr_prefetch but `make` and `data`; make() runs
 * without it, while `busy` says so. */
#include "data/prefetch.h"

#include "program/schedule.h"

#include <pthread.h>
#include <signal.h>

struct gr_prefetch {
    void (*make)(void *data, int64_t batch, int slot);
    void *data;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t made, given, end; /* the next batch to make, the next to give, the first not there */
    bool held;                /* the reader still uses batch given - 1 */
    bool busy, quit;
};

static bool may_make(const gr_prefetch *p)
{
    return p->made < p->end && p->made < p->given + GR_PREFETCH_SLOTS - (p->held ? 1 : 0);
}

static void *make_batches(void *arg)
{
    gr_prefetch *p = arg;
    gr_topology_bind(-1); /* not to the core of the worker that made this thread */
    pthread_mutex_lock(&p->lock);
    while (!p->quit) {
        if (!may_make(p)) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        int64_t batch = p->made;
        p->busy = true;
        pthread_mutex_unlock(&p->lock);
        p->make(p->data, batch, (int)(batch % GR_PREFETCH_SLOTS));
        pthread_mutex_lock(&p->lock);
        p->busy = false;
        p->made++;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(gr_prefetch *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&p->thread, NULL, make_batches, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

gr_prefetch *gr_prefetch_create(const gr_memory *m, void (*make)(void *data, int64_t batch, int slot), void *data, gr_error *e)
{
    gr_prefetch *p = gr_allocate(m, sizeof *p, 0);
    if (!p) {
        gr_set_error(e, GR_ENOMEM, "out of memory");
        return NULL;
    }
    *p = (gr_prefetch){.make = make, .data = data};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (start_thread(p) == 0) return p;
    gr_set_error(e, GR_ENOMEM, "no thread can be started to read data");
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    gr_free(p);
    return NULL;
}

void gr_prefetch_destroy(gr_prefetch *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    gr_free(p);
}

void gr_prefetch_stop(gr_prefetch *p)
{
    pthread_mutex_lock(&p->lock);
    p->end = 0;
    while (p->busy) pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void gr_prefetch_start(gr_prefetch *p, int64_t first, int64_t end)
{
    gr_prefetch_stop(p);
    pthread_mutex_lock(&p->lock);
    p->made = p->given = first;
    p->end = end;
    p->held = false;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

int gr_prefetch_next(gr_prefetch *p)
{
    int slot = -1;
    pthread_mutex_lock(&p->lock);
    p->held = false;
    pthread_cond_broadcast(&p->changed);
    if (p->given < p->end) {
        while (p->made <= p->given) pthread_cond_wait(&p->changed, &p->lock);
        slot = (int)(p->given % GR_PREFETCH_SLOTS);
        p->given++;
        p->held = true;
    }
    pthread_mutex_unlock(&p->lock);
    return slot;
}
