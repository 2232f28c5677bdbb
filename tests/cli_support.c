/* cli_support.c - commands in a shell, with what they say kept. */
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <stdlib.h>
#include <sys/wait.h>

char *said, *out_text, *err_text;

/* Exit code of the line with its streams in those files. */
static int run(const char *fmt, va_list args, const char *start, const char *end)
{
    char line[4096], all[8192];
    vsnprintf(line, sizeof line, fmt, args);
    snprintf(all, sizeof all, "{ %s%s\n} %s", start, line, end);
    int status = system(all);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void keep(char **text, const char *file)
{
    free(*text);
    *text = read_text(file, NULL);
}

int shell(const char *fmt, ...)
{
    char end[2048];
    const char *out = temp_path("said");
    va_list args;
    va_start(args, fmt);
    snprintf(end, sizeof end, ">'%s' 2>&1", out);
    int status = run(fmt, args, "", end);
    va_end(args);
    keep(&said, out);
    return status;
}

int graphrun(const char *fmt, ...)
{
    char end[2048];
    const char *out = temp_path("stdout"), *err = temp_path("stderr");
    va_list args;
    va_start(args, fmt);
    snprintf(end, sizeof end, ">'%s' 2>'%s'", out, err);
    int status = run(fmt, args, GRAPHRUN " ", end);
    va_end(args);
    keep(&out_text, out);
    keep(&err_text, err);
    return status;
}

int line_count(const char *text)
{
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}
