/* test_graphs.c - every model file below graphs/ gives its stored result (graphs/results.txt),
 * has no mistakes, right gradients and a picture. It goes through the command, as a user does. */
#include "tests.h"

#include <CUnit/Basic.h>
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINE = 1024, MAX_COMMAND = 4096, MAX_OUTPUT = 1 << 20 };
#define DATA GR_SOURCE_DIR "/../shared/data/"

typedef struct stored {
    const char *file, *options, *small, *result;
    char path[MAX_LINE];
} stored;

static char *trim(char *s)
{
    while (isspace((unsigned char)*s)) s++;
    for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);) *--end = 0;
    return s;
}

static bool parse_line(char *line, stored *m)
{
    char *field[4] = {line, NULL, NULL, NULL};
    for (int i = 1; i < 4; i++) {
        if (line[0] == '#' || !(field[i] = strchr(field[i - 1], '|'))) return false;
        *field[i]++ = 0;
    }
    *m = (stored){trim(field[0]), trim(field[1]), trim(field[2]), trim(field[3]), ""};
    snprintf(m->path, sizeof m->path, "%s/graphs/%s", GR_SOURCE_DIR, m->file);
    return true;
}

/* " --set a=1 --set text='.../x.txt' --of value --plugin .../name.so"; false: a file that it names is not there. */
static bool options_text(const char *options, char *to, size_t room)
{
    char copy[MAX_LINE], path[MAX_LINE];
    size_t n = 0;
    bool there = true;
    snprintf(copy, sizeof copy, "%s", options);
    to[0] = 0;
    for (char *s = strtok(copy, " "); s; s = strtok(NULL, " ")) {
        char *data = strstr(s, "=DATA/");
        if (data) {
            snprintf(path, sizeof path, "%s%s", DATA, data + 6);
            there &= access(path, R_OK) == 0;
            data[1] = 0;
        }
        if (strncmp(s, "of=", 3) == 0) n += (size_t)snprintf(to + n, room - n, " --of %s", s + 3);
        else if (strncmp(s, "plugin=", 7) == 0)
            n += (size_t)snprintf(to + n, room - n, " --plugin '%s/graphs/plugins/%s.so'", GR_BUILD_DIR, s + 7);
        else n += (size_t)snprintf(to + n, room - n, " --set '%s%s'", s, data ? path : "");
    }
    return there;
}

/* Runs `graphrun COMMAND FILE OPTIONS MORE`: what it prints on standard output, to be freed; its
 * exit status. NULL: a data file is missing. */
static char *run_command(const stored *m, const char *command, const char *options, const char *more, int *status)
{
    char text[MAX_COMMAND], sets[MAX_COMMAND / 2];
    if (!options_text(options, sets, sizeof sets)) {
        printf("skipped %s: ../shared/data is not there\n", m->file);
        return NULL;
    }
    snprintf(text, sizeof text, "'%s/tools/graphrun' %s '%s'%s %s", GR_BUILD_DIR, command, m->path, sets, more);
    char *out = calloc(1, MAX_OUTPUT);
    FILE *f = popen(text, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    size_t n = fread(out, 1, MAX_OUTPUT - 1, f);
    out[n] = 0;
    *status = pclose(f);
    if (*status) fprintf(stderr, "failed: %s\n%s\n", text, out);
    return out;
}

/* Calls fn for every line of a table; gives how many there were. */
static int each_line(const char *table, void (*fn)(const stored *))
{
    char line[MAX_LINE];
    int n = 0;
    FILE *f = fopen(table, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof line, f)) {
        stored m;
        if (!parse_line(line, &m)) continue;
        n++;
        fn(&m);
    }
    fclose(f);
    return n;
}

static int each_model(void (*fn)(const stored *)) { return each_line(GR_SOURCE_DIR "/graphs/results.txt", fn); }

/* Whether `got` begins with `want`. Numbers with a point may be off by 2 parts in 1000; all else
 * must be the same. */
static bool same_report(const char *got, const char *want)
{
    while (*want) {
        char *got_end, *want_end;
        if (isdigit((unsigned char)*got) && isdigit((unsigned char)*want)) {
            double a = strtod(got, &got_end), b = strtod(want, &want_end);
            bool whole = !memchr(want, '.', (size_t)(want_end - want));
            if (whole ? a != b : fabs(a - b) > 2e-3 * fabs(b)) return false;
            got = got_end;
            want = want_end;
        } else if (*got++ != *want++) {
            return false;
        }
    }
    return true;
}

static bool some_line_begins(const char *text, const char *want)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (same_report(line, want)) return true;
    return false;
}

static void gives_result(const stored *m)
{
    int status;
    bool trained = strncmp(m->result, "epoch ", 6) == 0 || strncmp(m->result, "step ", 5) == 0;
    char wanted[MAX_LINE], *text = run_command(m, trained ? "train" : "run", m->options, "--quiet", &status);
    if (!text) return;
    CU_ASSERT_EQUAL(status, 0);
    char *last = trim(text);
    if (trained && strrchr(last, '\n')) last = strrchr(last, '\n') + 1;
    snprintf(wanted, sizeof wanted, "%s", m->result);
    for (char *part = strtok(wanted, ";"); part; part = strtok(NULL, ";")) {
        bool same = trained ? same_report(last, trim(part)) : some_line_begins(last, trim(part));
        if (!same) fprintf(stderr, "%s ends with\n  %s\nand not with\n  %s\n", m->file, last, trim(part));
        CU_ASSERT_TRUE(same);
    }
    free(text);
}

static void has_no_mistakes(const stored *m)
{
    int status;
    char *text = run_command(m, "check", m->options, "", &status);
    if (!text) return;
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(text, "");
    free(text);
}

/* A line of graphs/published.txt: name | model | options | ... */
static void full_size_has_no_mistakes(const stored *line)
{
    stored m = {.file = line->options, .options = line->small};
    snprintf(m.path, sizeof m.path, "%s/graphs/%s", GR_SOURCE_DIR, m.file);
    has_no_mistakes(&m);
}

static void has_right_gradients(const stored *m)
{
    int status;
    char *text = run_command(m, "gradcheck", m->small, "--quiet", &status);
    if (!text) return;
    CU_ASSERT_EQUAL(status, 0);
    free(text);
}

static void has_a_picture(const stored *m)
{
    int status;
    char *text = run_command(m, "dot", m->options, "", &status);
    if (!text) return;
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "digraph"));
    free(text);
}

/* Model files in a folder and those below it. */
static int count_models(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[MAX_LINE];
        struct stat at;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &at)) continue;
        if (S_ISDIR(at.st_mode)) n += count_models(path);
        else n += strstr(e->d_name, ".yaml") != NULL;
    }
    closedir(d);
    return n;
}

static void models_give_their_results(void)
{
    CU_ASSERT_EQUAL(each_model(gives_result), count_models(GR_SOURCE_DIR "/graphs"));
}

static void models_have_no_mistakes(void)
{
    each_model(has_no_mistakes);
    CU_ASSERT(each_line(GR_SOURCE_DIR "/graphs/published.txt", full_size_has_no_mistakes) > 0);
}
static void gradients_of_models_are_right(void) { each_model(has_right_gradients); }
static void models_have_pictures(void) { each_model(has_a_picture); }

void test_graphs(void)
{
    CU_pSuite s = CU_add_suite("graphs", NULL, NULL);
    CU_add_test(s, "every model gives its stored result", models_give_their_results);
    if (GR_TEST_NUMBERS) CU_add_test(s, "no model has a mistake", models_have_no_mistakes);
    if (GR_TEST_NUMBERS) CU_add_test(s, "gradcheck passes on every model", gradients_of_models_are_right);
    if (GR_TEST_NUMBERS) CU_add_test(s, "dot draws every model", models_have_pictures);
}
