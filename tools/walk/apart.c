/* apart.c - see apart.h. */
#include "apart.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void *apart_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void apart_free(void *p, size_t bytes)
{
    if (p) munmap(p, bytes);
}

/* The child's part. Whoever catches signals here (a sanitizer, the command) would hide which it was. */
static void call_here(void (*fn)(void *data), void *data, int64_t seconds, volatile bool *returned)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) signal(fatal[i], SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)seconds);
    fn(data);
    fflush(NULL);
    *returned = true;
    _exit(0);
}

static const char *ending(int status, int64_t seconds)
{
    static char text[120];
    if (!WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "ended the process (exit code %d)", WEXITSTATUS(status));
    } else if (WTERMSIG(status) == SIGALRM) {
        snprintf(text, sizeof text, "was not done after %lld second%s", (long long)seconds, seconds == 1 ? "" : "s");
    } else {
        const char *name = strsignal(WTERMSIG(status));
        snprintf(text, sizeof text, "crashed (signal %d, %c%s)", WTERMSIG(status), tolower((unsigned char)*name), name + 1);
    }
    return text;
}

const char *apart_call(void (*fn)(void *data), void *data, int64_t seconds)
{
    volatile bool *returned = apart_memory(sizeof *returned);
    int status = 0;
    fflush(NULL); /* or both processes write it */
    const pid_t child = returned ? fork() : -1;
    if (child == 0) call_here(fn, data, seconds, returned);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    const char *how = child < 0 ? "there is no memory for a process" : *returned ? NULL : ending(status, seconds);
    apart_free((void *)(uintptr_t)returned, sizeof *returned);
    return how;
}
