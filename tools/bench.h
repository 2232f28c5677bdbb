/* bench.h - the parts of graphrun bench.
 *
 *     bench_steps.c   what is measured: a model's training step, its forward pass, one step with state
 *     bench_watch.c   whether the machine was quiet meanwhile
 *     bench_rival.c   other programs that do the same work, measured in turn with ours
 *     bench_file.c    the file of results: written, and compared with what stood there
 *     cmd_bench.c     options, rounds, text */
#ifndef GR_TOOLS_BENCH_H
#define GR_TOOLS_BENCH_H

#include "cli.h"
#include "train/decoder.h"

/* Numbers of seconds and what they come to. */
typedef struct bench_times {
    double *round; int rounds; /* the median of each round */
    double best;               /* of all steps */
    int64_t steps;
} bench_times;
void bench_times_add(gr_arena *a, bench_times *t, double median, double best, int64_t steps);
double bench_times_median(gr_arena *a, const bench_times *t);
/* (largest - smallest) / largest of the rounds. */
double bench_times_spread(const bench_times *t);

/* ---- bench_steps.c ---- */
typedef enum bench_what { BENCH_TRAIN, BENCH_INFER, BENCH_STEP } bench_what;

typedef struct bench {
    gr_session *session;
    bench_what what;
    const char *const *fetch; /* infer: values; NULL: what `generate` chooses from, else what is minimized */
    gr_exec *exec;
    gr_decoder *decoder;   /* of BENCH_STEP */
    const gr_tensor *field; /* the batch */
    double pass_ms, compile_ms;
    int64_t tokens;        /* of a step; 0: the model reads nothing that is counted so */
    double flops;          /* of a step's products */
    int threads, in_use;   /* of the schedule; of most steps, while others may have had a core */
    int64_t *steps_with;   /* by number of threads: steps that had so many */
    int64_t switches;      /* from one number of threads to another */
    double predicted;      /* seconds a step, with as many threads as are in use */
    int64_t done;          /* steps so far */
    double check;          /* of the first step: the loss, or the mean size of what is computed */
    double *time;          /* room for those of a round */
    bench_times times;
} bench;
/* Compiles, feeds a batch and makes the first step. */
int bench_open(bench *b, gr_error *e);
struct bench_watch;
/* Steps for so many seconds: a round of b->times; in between w (NULL: nobody) measures the peak. */
int bench_round(bench *b, struct bench_watch *w, double seconds, gr_error *e);
/* weights.safetensors, and NAME.npy for every Input that is fed, in a folder. */
int bench_write_case(const bench *b, const char *folder, gr_error *e);

/* ---- bench_watch.c ---- */
typedef struct bench_watch {
    double wall, others, stolen; /* seconds: watched; of processors that other processes had, that the host kept */
    bench_times peak;            /* seconds a flop of the microkernel, by round */
    double *slice; int slices;   /* those of this round */
    double *gflops;              /* of the last slice, by thread */
    gr_dtype real;
    int cpus;
    double at, own, busy, steal; /* where this round began */
} bench_watch;
void bench_watch_begin(bench_watch *w, const bench *b);
/* Called between steps that took so many seconds of this round so far, it measures the microkernel on operands in
 * L1 now and then, on all threads of b's schedule at once: a core's share of what they reach together. */
void bench_watch_peak(bench_watch *w, const bench *b, double seconds);
void bench_watch_end(bench_watch *w, const bench *b);
/* What made the machine too noisy to believe what was measured; NULL: nothing. */
const char *bench_watch_verdict(gr_arena *a, const bench_watch *w, const bench_times *steps);

/* ---- bench_rival.c ---- */
typedef struct bench_rival {
    const char *name;
    long pid;    /* of a group of its own */
    int to, from; /* pipes; -1: none */
    bench_times times;
    double rss; /* bytes, at its most */
    bool failed; /* and said so */
} bench_rival;
/* Once, before a program is made: rivals may use the processors that this process has now. */
void bench_rival_prepare(void);
/* "NAME=COMMAND". The command finds the case in the folder named by GRAPHRUN_BENCH_CASE, prints
 * "ready" and the check value of its first step (or "-": it cannot be compared), and then, for each
 * line SECONDS that it reads, "MEDIAN BEST RSS": seconds a step and the bytes of its memory. It ends
 * with its input. One that fails, computes something else or takes longer than the limit (seconds;
 * 20 times those of a round are added) is ended and left out with a note. */
void bench_rival_start(bench_rival *r, const char *text);
void bench_rival_wait(bench_rival *r, double check, double limit);
void bench_rival_round(gr_arena *a, bench_rival *r, double seconds, double limit);
void bench_rival_end(bench_rival *r);

/* ---- bench_file.c ---- */
typedef struct bench_result {
    const char *workload, *what, *unit;
    int threads, in_use;
    long long switches;
    double value, best;   /* in the unit */
    double median_us, best_us, limit; /* limit: what the peak allows, in the unit; 0: no products */
    double share_of_peak, best_share;  /* of peak_gflops, of best_peak_gflops */
    double peak_gflops, best_peak_gflops; /* of a core, while all are at work: the median of the rounds, and the best */
    double predicted_us, compile_ms, pass_ms;
    double arena_bytes, state_bytes, rss_bytes;
    const bench_rival *rivals; const double *rival_value; int num_rivals;
} bench_result;
/* Puts the result in the place of one of the same workload, `what` and threads, if the file has one, and
 * prints what changed. */
int bench_file_put(const char *path, const bench_result *r, gr_error *e);
#endif
