/* test_headers.c - each public header compiles alone, without a warning, in C and in C++. */
#include "tests.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS GR_SOURCE_DIR "/include/graphrun"

/* Whether the shell finds the compiler. */
static bool have_compiler(const char *name)
{
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null", name);
    if (system(command) == 0) return true;
    printf("skipped: there is no %s\n", name);
    return false;
}

/* each_real.h is a part of a loop over types, and means nothing alone. */
static bool stands_alone(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".h") == 0 && strcmp(name, "each_real.h") != 0;
}

static int compile_all(const char *compiler, const char *language)
{
    char command[2048];
    int n = 0;
    DIR *d = opendir(HEADERS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (!stands_alone(e->d_name)) continue;
        snprintf(command, sizeof command, "echo '#include <graphrun/%s>' | %s -x %s -Wall -Wextra -Wshadow -Wpedantic -Werror -fsyntax-only -I'%s/include' -",
                 e->d_name, compiler, language, GR_SOURCE_DIR);
        CU_ASSERT_EQUAL(system(command), 0);
        n++;
    }
    closedir(d);
    return n;
}

static void in_c(void)
{
    if (have_compiler("cc")) CU_ASSERT(compile_all("cc", "c -std=c11") > 8);
}

static void in_cpp(void)
{
    if (have_compiler("c++")) CU_ASSERT(compile_all("c++", "c++ -std=c++11") > 8);
}

void test_headers(void)
{
    CU_pSuite s = CU_add_suite("headers", NULL, NULL);
    CU_add_test(s, "each compiles alone in C", in_c);
    CU_add_test(s, "each compiles alone in C++", in_cpp);
}
