/* cli_support.h - runs the command as a person does, for tests of what it says. */
#ifndef GR_TESTS_CLI_SUPPORT_H
#define GR_TESTS_CLI_SUPPORT_H

#include "graphrun/types.h"

#define HELLO GR_SOURCE_DIR "/graphs/hello.yaml"

extern char *out_text, *err_text; /* of the last command */

/* Runs `graphrun <text>` in a shell; gives its exit code. */
GR_PRINTF(1, 2) int graphrun(const char *fmt, ...);
int line_count(const char *text);
#endif
