/* bench_rival.c - a program that does the same work, asked for a round at a time. See bench.h. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOLERANCE 1e-3 /* of check values: PyTorch rounds otherwise */

GR_PRINTF(2, 3) static void leave_out(bench_rival *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "graphrun: %s is left out: ", r->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    r->failed = true;
}

static cpu_set_t processors; /* of this process, before its threads were bound */

void bench_rival_prepare(void) { sched_getaffinity(0, sizeof processors, &processors); }

static void be_rival(const char *command, const int in[2], const int out[2])
{
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close(in[1]);
    close(out[0]);
    sched_setaffinity(0, sizeof processors, &processors);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

void bench_rival_start(bench_rival *r, const char *text, const char *folder)
{
    char *name;
    const char *command;
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    cli_split(text, &name, &command);
    *r = (bench_rival){.name = name, .pid = -1};
    signal(SIGPIPE, SIG_IGN); /* one that has ended is told by what it answers */
    setenv("GRAPHRUN_BENCH_CASE", folder, 1);
    bool piped = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0;
    fflush(NULL);
    if (piped) r->pid = fork();
    if (r->pid == 0) be_rival(command, in, out);
    for (int i = 0; i < 2; i++) {
        if ((i == 0 || r->pid < 0) && in[i] >= 0) close(in[i]);
        if ((i == 1 || r->pid < 0) && out[i] >= 0) close(out[i]);
    }
    if (r->pid < 0) {
        leave_out(r, "it cannot be started: %s", strerror(errno));
        return;
    }
    r->to = fdopen(in[1], "w");
    r->from = fdopen(out[0], "r");
}

void bench_rival_wait(bench_rival *r, double check)
{
    char line[256], *end;
    if (r->failed) return;
    if (!fgets(line, sizeof line, r->from) || strncmp(line, "ready ", 6) != 0) {
        leave_out(r, "it did not get ready");
        return;
    }
    double own = strtod(line + 6, &end);
    if (end > line + 6 && !(fabs(own - check) <= TOLERANCE * fabs(check)))
        leave_out(r, "it computes something else: %g, not %g", own, check);
}

void bench_rival_round(gr_arena *a, bench_rival *r, double seconds)
{
    char line[256];
    double median, best, rss;
    if (r->failed) return;
    fprintf(r->to, "%g\n", seconds);
    fflush(r->to);
    if (!fgets(line, sizeof line, r->from) || sscanf(line, "%lf %lf %lf", &median, &best, &rss) != 3 || !(median > 0)) {
        leave_out(r, "it ended in the middle");
        return;
    }
    bench_times_add(a, &r->times, median, best, 1);
    r->rss = fmax(r->rss, rss);
}

void bench_rival_end(bench_rival *r)
{
    if (r->to) fclose(r->to);
    if (r->from) fclose(r->from);
    if (r->pid > 0) waitpid((pid_t)r->pid, NULL, 0);
    r->pid = -1;
    r->to = r->from = NULL;
}
