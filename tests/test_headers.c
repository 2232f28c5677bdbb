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

static bool is_header(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".h") == 0;
}

static int compile_all(const char *compiler, const char *language)
{
    char command[2048];
    int n = 0;
    DIR *d = opendir(HEADERS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (!is_header(e->d_name)) continue;
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

/* Whether the lines compile; what the compiler says of those that do not is in `said`. */
static bool compiles(const char *lines, char *said, size_t room)
{
    char command[2048];
    snprintf(command, sizeof command, "printf '%s' | cc -x c -std=c11 -Wall -Werror -fsyntax-only -I'%s/include' - 2>&1", lines, GR_SOURCE_DIR);
    FILE *f = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    said[fread(said, 1, room - 1, f)] = 0;
    return pclose(f) == 0;
}

static void kernels_are_to_be_named(void)
{
    char said[4096];
    if (!have_compiler("cc")) return;
    CU_ASSERT_FALSE(compiles("#include <graphrun/op.h>\n#include <graphrun/each_real.h>\n", said, sizeof said));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "write #define GR_KERNELS"));
    CU_ASSERT(compiles("#define GR_KERNELS <graphrun/types.h>\n#include <graphrun/op.h>\n#include <graphrun/each_real.h>\n"
                       "#if defined REAL || defined GR_KERNELS\n#error left\n#endif\n", said, sizeof said));
}

void test_headers(void)
{
    CU_pSuite s = CU_add_suite("headers", NULL, NULL);
    CU_add_test(s, "each compiles alone in C", in_c);
    CU_add_test(s, "each compiles alone in C++", in_cpp);
    CU_add_test(s, "each_real.h says that kernels are to be named", kernels_are_to_be_named);
}
