/* bench_rival.c - a program that does the same work, asked for a round at a time. See bench.h. */
#include "bench.h"
#include "train/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOLERANCE 1e-3 /* of check values: PyTorch rounds otherwise */
#define ROUNDS 20      /* a round may take so many times what is asked, for steps that last longer */
#define GRACE 10.0     /* seconds to end in */

/* Threads of some rivals wait for work by spinning, so a rival is stopped while it is not its turn. Should
 * this process be killed meanwhile, the kernel wakes the stopped group, orphaned then, with a SIGHUP. */
static void suspend(const bench_rival *r) { kill(-(pid_t)r->pid, SIGSTOP); }
static void resume(const bench_rival *r) { kill(-(pid_t)r->pid, SIGCONT); }

/* ---- ending ---- */

/* Whether it ends within so many seconds; it is not reaped, so that its group keeps its number. */
static bool ends(const bench_rival *r, double seconds)
{
    const double until = gr_seconds() + seconds;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOWAIT | WNOHANG) != 0 || info.si_pid) return true;
        if (gr_seconds() >= until) return false;
        usleep(2000);
    }
}

void bench_rival_end(bench_rival *r)
{
    if (r->to >= 0) close(r->to);
    if (r->from >= 0) close(r->from);
    r->to = r->from = -1;
    if (r->pid <= 0) return;
    resume(r);
    const pid_t group = (pid_t)r->pid;
    if (r->failed || !ends(r, GRACE)) {
        kill(-group, SIGTERM);
        ends(r, GRACE);
    }
    kill(-group, SIGKILL); /* with all that the shell started */
    while (waitpid(group, NULL, 0) < 0 && errno == EINTR) continue;
    r->pid = -1;
}

GR_PRINTF(2, 3) static void leave_out(bench_rival *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "graphrun: %s is left out: ", r->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    r->failed = true;
    bench_rival_end(r); /* it would go on computing beside the others */
}

/* ---- starting ---- */

static cpu_set_t processors; /* of this process, before its threads were bound */

void bench_rival_prepare(void) { sched_getaffinity(0, sizeof processors, &processors); }

static void be_rival(const char *command, const int in[2], const int out[2])
{
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    close(in[1]);
    close(out[0]);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* an interrupt from the keyboard does not reach its group */
    signal(SIGPIPE, SIG_DFL);
    sched_setaffinity(0, sizeof processors, &processors);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

void bench_rival_start(bench_rival *r, const char *text)
{
    char *name;
    const char *command;
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    cli_split(text, &name, &command);
    *r = (bench_rival){.name = name, .pid = -1, .to = -1, .from = -1};
    signal(SIGPIPE, SIG_IGN); /* one that has ended is told by what it answers */
    bool piped = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0;
    fflush(NULL);
    if (piped) r->pid = fork();
    if (r->pid == 0) be_rival(command, in, out);
    const int error = errno;
    for (int i = 0; i < 2; i++) {
        if ((i == 0 || r->pid < 0) && in[i] >= 0) close(in[i]);
        if ((i == 1 || r->pid < 0) && out[i] >= 0) close(out[i]);
    }
    if (r->pid < 0) {
        leave_out(r, "it cannot be started: %s", strerror(error));
        return;
    }
    setpgid((pid_t)r->pid, (pid_t)r->pid); /* here too: whichever of the two comes first */
    r->to = in[1];
    r->from = out[0];
}

/* ---- asking ---- */

/* A line without its end, within so many seconds. 0; ETIMEDOUT; EPIPE: it has ended, or closed its output. */
static int get_line(const bench_rival *r, char *line, size_t room, double seconds)
{
    const double until = gr_seconds() + seconds;
    for (size_t n = 0; n + 1 < room;) {
        struct pollfd p = {.fd = r->from, .events = POLLIN};
        const double left = until - gr_seconds();
        const int ready = left > 0 ? poll(&p, 1, left < 1e6 ? (int)(left * 1e3) + 1 : 1000000000) : 0;
        if (left <= 0) return ETIMEDOUT;
        if (ready <= 0) continue;
        if (read(r->from, line + n, 1) != 1) return EPIPE;
        line[n + 1] = 0;
        if (line[n++] != '\n') continue;
        line[n - 1] = 0;
        return 0;
    }
    return 0;
}

void bench_rival_wait(bench_rival *r, double check, double limit)
{
    char line[256], *end;
    if (r->failed) return;
    const int status = get_line(r, line, sizeof line, limit);
    if (status == ETIMEDOUT) leave_out(r, "it did not get ready in %g s (--rival-limit)", limit);
    else if (status) leave_out(r, "it did not get ready");
    else if (strncmp(line, "ready ", 6) != 0) leave_out(r, "it did not get ready but printed \"%s\"", line);
    if (r->failed) return;
    double own = strtod(line + 6, &end);
    if (end > line + 6 && !(fabs(own - check) <= TOLERANCE * fabs(check)))
        leave_out(r, "it computes something else: %g, not %g", own, check);
    if (!r->failed) suspend(r);
}

void bench_rival_round(gr_arena *a, bench_rival *r, double seconds, double limit)
{
    char line[256];
    double median, best, rss;
    if (r->failed) return;
    limit += ROUNDS * seconds;
    resume(r);
    const int status = dprintf(r->to, "%g\n", seconds) > 0 ? get_line(r, line, sizeof line, limit) : EPIPE;
    if (status == ETIMEDOUT) leave_out(r, "it did not end a round of %g s in %g s (--rival-limit)", seconds, limit);
    else if (status) leave_out(r, "it ended in the middle");
    else if (sscanf(line, "%lf %lf %lf", &median, &best, &rss) != 3 || !(median > 0))
        leave_out(r, "it answered \"%s\", not the median, the best and the memory", line);
    if (r->failed) return;
    suspend(r);
    bench_times_add(a, &r->times, median, best, 1);
    r->rss = fmax(r->rss, rss);
}
