/* test_mistakes.c - `graphrun check` finds all mistakes of a file in one go: those that the
 * comments of mistakes.yaml name, each at its line, and no other. */
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define FILE_NAME GR_SOURCE_DIR "/tests/mistakes.yaml"
enum { MAX_LINES = 200, WIDTH = 512 };

typedef struct messages {
    int count;
    int line[MAX_LINES];
    char text[MAX_LINES][WIDTH];
    int status;
} messages;

static void run_check(messages *m)
{
    char line[2048];
    FILE *f = popen(GR_BUILD_DIR "/tools/graphrun check " FILE_NAME " 2>&1", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "mistakes.yaml:"), *text = strstr(line, ": error: ");
        if (!at || !text || m->count == MAX_LINES) continue;
        m->line[m->count] = atoi(at + strlen("mistakes.yaml:"));
        snprintf(m->text[m->count++], WIDTH, "%s", text + strlen(": error: "));
    }
    m->status = WEXITSTATUS(pclose(f));
}

/* Takes the message of that line away. */
static bool take(messages *m, int line, const char *words)
{
    for (int i = 0; i < m->count; i++) {
        if (m->line[i] != line || !strstr(m->text[i], words)) continue;
        m->line[i] = 0;
        return true;
    }
    fprintf(stderr, "\n  line %d: no message says: %s\n", line, words);
    return false;
}

static void all_in_one_go(void)
{
    static messages m;
    char line[2048];
    int planted = 0, number = 0;
    FILE *f = fopen(FILE_NAME, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    run_check(&m);
    CU_ASSERT_EQUAL(m.status, 1);
    while (fgets(line, sizeof line, f)) {
        char *words = strstr(line, " # ! ");
        number++;
        if (!words) continue;
        words[strcspn(words, "\n")] = 0;
        CU_ASSERT_TRUE(take(&m, number, words + strlen(" # ! ")));
        planted++;
    }
    fclose(f);
    CU_ASSERT_TRUE(planted >= 20);
    for (int i = 0; i < m.count; i++) {
        if (m.line[i]) fprintf(stderr, "\n  line %d: an error that nobody planted: %s", m.line[i], m.text[i]);
        CU_ASSERT_EQUAL(m.line[i], 0);
    }
}

void test_mistakes(void)
{
    CU_pSuite s = CU_add_suite("mistakes", NULL, NULL);
    CU_add_test(s, "every mistake at its place, and no other", all_in_one_go);
}
