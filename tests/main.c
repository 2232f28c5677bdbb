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

/* Adds the suites of that name, all for NULL. */
static bool add(const char *name)
{
    bool found = false;
    for (const suite *s = suites; s->name; s++)
        if (!name || strcmp(s->name, name) == 0) {
            s->add();
            found = true;
        }
    return found;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* the test that ends the process by a signal is named */
    setenv("XDG_CACHE_HOME", temp_path("cache"), 1); /* commands that tests run leave the user's alone */
    if (CU_initialize_registry() != CUE_SUCCESS) return EXIT_FAILURE;
    if (argc < 2) add(NULL);
    for (int i = 1; i < argc; i++)
        if (!add(argv[i])) {
            fprintf(stderr, "there is no suite '%s'\n", argv[i]);
            return EXIT_FAILURE;
        }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failure_records();
    CU_cleanup_registry();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
