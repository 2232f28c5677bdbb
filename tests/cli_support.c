/* cli_support.c - the command in a shell, with what it says kept. */
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <stdlib.h>
#include <sys/wait.h>

char *out_text, *err_text;

int graphrun(const char *fmt, ...)
{
    char arguments[2048], command[4096];
    const char *out = temp_path("stdout"), *err = temp_path("stderr");
    va_list args;
    va_start(args, fmt);
    vsnprintf(arguments, sizeof arguments, fmt, args);
    va_end(args);
    snprintf(command, sizeof command, "'%s/tools/graphrun' %s >'%s' 2>'%s'", GR_BUILD_DIR, arguments, out, err);
    int status = system(command);
    free(out_text);
    free(err_text);
    out_text = read_text(out, NULL);
    err_text = read_text(err, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int line_count(const char *text)
{
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}
