/* test_graphs.c - every model file of graphs/ trains to its stored result (graphs/results.txt)
 * and has right gradients. */
#include "tests.h"
#include "train/gradcheck.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SETS = 16, MAX_LINE = 512 };

typedef struct stored {
    char file[64], sets_text[256], result[256];
    const char *sets[MAX_SETS];
    char path[1024];
} stored;

static char *trim(char *s)
{
    while (isspace((unsigned char)*s)) s++;
    for (char *end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);) *--end = 0;
    return s;
}

static bool parse_line(char *line, stored *m)
{
    char *options = strchr(line, '|'), *result = options ? strchr(options + 1, '|') : NULL;
    int n = 0;
    if (line[0] == '#' || !result) return false;
    *options++ = *result++ = 0;
    snprintf(m->file, sizeof m->file, "%s", trim(line));
    snprintf(m->sets_text, sizeof m->sets_text, "%s", trim(options));
    snprintf(m->result, sizeof m->result, "%s", trim(result));
    snprintf(m->path, sizeof m->path, "%s/graphs/%s", GR_SOURCE_DIR, m->file);
    for (char *s = strtok(m->sets_text, " "); s && n < MAX_SETS - 1; s = strtok(NULL, " ")) m->sets[n++] = s;
    m->sets[n] = NULL;
    return true;
}

/* Calls fn for every line of the table; gives how many there were. */
static int each_model(void (*fn)(const stored *))
{
    char line[MAX_LINE];
    int n = 0;
    FILE *f = fopen(GR_SOURCE_DIR "/graphs/results.txt", "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    while (fgets(line, sizeof line, f)) {
        stored m;
        if (!parse_line(line, &m)) continue;
        n++;
        if (m.sets[0] && access("/usr/share/common-licenses/GPL-3", R_OK) != 0)
            printf("skipped %s: this machine has no /usr/share/common-licenses/GPL-3\n", m.file);
        else
            fn(&m);
    }
    fclose(f);
    return n;
}

static gr_session *open_stored(const stored *m, gr_dtype real)
{
    gr_session_options o = {.model = {.real = real, .sets = m->sets}, .seed = 1, .quiet = true};
    gr_error e = {0};
    gr_session *s = gr_session_open(m->path, &o, &e);
    if (!s) fprintf(stderr, "%s: %s\n", m->file, e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    return s;
}

/* Numbers with a point may be off by 2 parts in 1000; all else must be the same. */
static bool same_report(const char *got, const char *want)
{
    while (*got && *want) {
        char *got_end, *want_end;
        if (isdigit((unsigned char)*got) && isdigit((unsigned char)*want)) {
            double a = strtod(got, &got_end), b = strtod(want, &want_end);
            if (fabs(a - b) > 2e-3 * fabs(b)) return false;
            got = got_end;
            want = want_end;
        } else if (*got++ != *want++) {
            return false;
        }
    }
    return !*got && !*want;
}

static void train_one(const stored *m)
{
    char *text = NULL, *last;
    size_t size = 0;
    gr_error e = {0};
    gr_train_result r;
    gr_session *s = open_stored(m, GR_FLOAT32);
    FILE *out = open_memstream(&text, &size);
    gr_train_options o = {.epochs = -1, .steps = -1, .quiet = true, .out = out};
    int status = gr_train(s, &o, &r, &e);
    fclose(out);
    CU_ASSERT_EQUAL(status, 0);
    last = trim(text);
    if (strrchr(last, '\n')) last = strrchr(last, '\n') + 1;
    if (!same_report(last, m->result)) fprintf(stderr, "%s ends with\n  %s\nand not with\n  %s\n", m->file, last, m->result);
    CU_ASSERT_TRUE(same_report(last, m->result));
    free(text);
    gr_session_close(s);
}

/* Small enough for a sample of every parameter. */
static void check_gradients_of(const stored *m)
{
    stored small = *m;
    if (m->sets[0]) {
        static const char *const sets[] = {"hidden=5", "batch=2", "time=4", "chars=300", NULL};
        memcpy(small.sets, sets, sizeof sets);
    }
    gr_gradcheck_result r = {0};
    gr_error e = {0};
    gr_session *s = open_stored(&small, GR_FLOAT64);
    CU_ASSERT_EQUAL(gr_gradcheck(s, NULL, NULL, &r, &e), 0);
    if (r.wrong) fprintf(stderr, "%s: %d of %d gradients are wrong, by %g\n", m->file, r.wrong, r.checked, r.worst);
    CU_ASSERT_EQUAL(r.wrong, 0);
    CU_ASSERT_TRUE(r.checked >= 4);
    gr_session_close(s);
}

static void models_train_to_their_results(void)
{
    int files = 0;
    DIR *d = opendir(GR_SOURCE_DIR "/graphs");
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    for (struct dirent *e; (e = readdir(d));) files += strstr(e->d_name, ".yaml") != NULL;
    closedir(d);
    CU_ASSERT_EQUAL(each_model(train_one), files);
}

static void gradients_of_models_are_right(void) { each_model(check_gradients_of); }

void test_graphs(void)
{
    CU_pSuite s = CU_add_suite("graphs", NULL, NULL);
    CU_add_test(s, "every model trains to its stored result", models_train_to_their_results);
    CU_add_test(s, "gradcheck passes on every model", gradients_of_models_are_right);
}
