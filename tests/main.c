/* main.c - runs every suite, or those named on the command line. */
#include "tests.h"
#include "train_support.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

typedef struct suite { const char *name; void (*add)(void); } suite;

#define X(name) {#name, test_##name},
static const suite suites[] = {GR_TESTS {NULL, NULL}};
#undef X

static bool chosen(const char *name, int argc, char **argv)
{
    if (argc < 2) return true;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return false;
}

int main(int argc, char **argv)
{
    setenv("XDG_CACHE_HOME", temp_path("cache"), 1); /* commands that tests run leave the user's alone */
    if (CU_initialize_registry() != CUE_SUCCESS) return EXIT_FAILURE;
    for (const suite *s = suites; s->name; s++)
        if (chosen(s->name, argc, argv)) s->add();
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
