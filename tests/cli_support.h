/* cli_support.h - runs commands as a person does, for tests of what they say. */
#ifndef GR_TESTS_CLI_SUPPORT_H
#define GR_TESTS_CLI_SUPPORT_H

#include "graphrun/types.h"

#define GRAPHRUN "'" GR_BUILD_DIR "/tools/graphrun'"
#define HELLO GR_SOURCE_DIR "/graphs/hello.yaml"

extern char *said;                /* by the last shell(), on both streams */
extern char *out_text, *err_text; /* of the last graphrun() */

/* Runs a line of a shell; gives its exit code, -1: it was killed. */
GR_PRINTF(1, 2) int shell(const char *fmt, ...);
/* Runs `graphrun <text>` with its streams apart. */
GR_PRINTF(1, 2) int graphrun(const char *fmt, ...);
int line_count(const char *text);
#endif
