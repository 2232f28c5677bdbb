/* bench_watch.c - whether a machine is quiet enough to measure on, and what its cores can do meanwhile. See bench.h.
 *
 * Three things spoil a measurement: other processes (/proc/stat counts all, getrusage our own),
 * processors that the host gives to another guest (steal), and a host whose other guests slow ours
 * without its seeing it, which the microkernel's peak shows. */
#include "base/sort.h"
#include "bench.h"
#include "kernel/kernel.h"
#include "run/pool.h"
#include "train/progress.h"

#include <math.h>
#include <sys/resource.h>
#include <unistd.h>

/* What may be of each before nothing is reported. */
#define MOST_OTHERS 0.1 /* of the processors' time */
#define MOST_STOLEN 0.05
#define MOST_PEAK_SPREAD 0.15
#define MOST_STEP_SPREAD 0.3

/* The microkernel runs for a slice now and then between the steps, a tenth of their time in all: what a shared
 * machine gives changes within a second. */
#define SLICE 0.005
#define SHARE 0.1
enum { MOST_SLICES = 1 << 14 }; /* of a round: 13 minutes of steps */

/* ---- the peak ---- */

static void run_slice(void *data, int worker)
{
    bench_watch *w = data;
    w->gflops[worker] = gr_gemm_peak(w->real, SLICE);
}

void bench_watch_peak(bench_watch *w, const bench *b, double seconds)
{
    while (w->slices < MOST_SLICES && SLICE * w->slices <= SHARE * seconds) {
        double sum = 0;
        gr_pool_run(b->exec->pool, b->threads, run_slice, w);
        for (int i = 0; i < b->threads; i++) sum += w->gflops[i];
        w->slice[w->slices++] = b->threads / (sum * 1e9);
    }
}

/* ---- a round ---- */

/* Seconds that all processors were busy, and stolen from, since the machine was started. */
static void read_processors(double *busy, double *steal)
{
    unsigned long long t[8] = {0};
    FILE *f = fopen("/proc/stat", "r");
    if (f && fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) < 8)
        t[7] = 0;
    if (f) fclose(f);
    double tick = (double)sysconf(_SC_CLK_TCK);
    *busy = (double)(t[0] + t[1] + t[2] + t[5] + t[6]) / tick; /* user nice system irq softirq */
    *steal = (double)t[7] / tick;
}

static double own_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

void bench_watch_begin(bench_watch *w, const bench *b)
{
    gr_arena *a = b->session->arena;
    if (!w->slice) w->slice = GR_NEW_ARRAY(a, double, MOST_SLICES);
    if (!w->gflops) w->gflops = GR_NEW_ARRAY(a, double, b->threads);
    w->real = b->session->options.model.real;
    w->slices = 0;
    w->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    w->at = gr_seconds();
    w->own = own_seconds();
    read_processors(&w->busy, &w->steal);
}

void bench_watch_end(bench_watch *w, const bench *b)
{
    double busy, steal;
    read_processors(&busy, &steal);
    w->wall += gr_seconds() - w->at;
    w->others += fmax(0, busy - w->busy - (own_seconds() - w->own));
    w->stolen += steal - w->steal;
    const double median = gr_median(w->slice, w->slices); /* sorts them */
    bench_times_add(b->session->arena, &w->peak, median, w->slice[0], w->slices);
}

static const char *add(gr_arena *a, const char *text, const char *more)
{
    return gr_arena_printf(a, "%s%s%s", text ? text : "", text ? "; " : "", more);
}

const char *bench_watch_verdict(gr_arena *a, const bench_watch *w, const bench_times *steps)
{
    const char *text = NULL;
    double time = w->wall * w->cpus, peak = bench_times_spread(&w->peak), spread = bench_times_spread(steps);
    if (w->others > MOST_OTHERS * time)
        text = add(a, text, gr_arena_printf(a, "other processes took %.0f%% of the processors (at most %.0f%%)",
                                            100 * w->others / time, 100 * MOST_OTHERS));
    if (w->stolen > MOST_STOLEN * time)
        text = add(a, text, gr_arena_printf(a, "the host took %.0f%% of them away (at most %.0f%%)", 100 * w->stolen / time,
                                            100 * MOST_STOLEN));
    if (peak > MOST_PEAK_SPREAD)
        text = add(a, text, gr_arena_printf(a, "the microkernel's peak varied by %.0f%% (at most %.0f%%)", 100 * peak,
                                            100 * MOST_PEAK_SPREAD));
    if (spread > MOST_STEP_SPREAD)
        text = add(a, text, gr_arena_printf(a, "the medians of the rounds varied by %.0f%% (at most %.0f%%)", 100 * spread,
                                            100 * MOST_STEP_SPREAD));
    return text;
}
