/* test_html.c - the page of a comparison: what it says, that names cannot break it, that it needs nothing from outside. */
#include "base/arena.h"
#include "failing.h"
#include "compare_support.h"
#include "html_sample.h"
#include "report/axis.h"
#include "report/html.h"
#include "report/html_compare.h"
#include "failing.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gr_arena *arena;

static char *page_of(const gr_comparison *c, const gr_model_picture *picture)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(gr_compare_page_write(&(gr_compare_page){.comparison = c, .picture = picture}, f), 0);
    fclose(f);
    return out;
}

static bool has(const char *page, const char *what)
{
    const bool found = strstr(page, what) != NULL;
    if (!found) printf("\nnot in the page: %s\n", what);
    return found;
}

static int count(const char *in, const char *what)
{
    int n = 0;
    for (const char *s = in; (s = strstr(s, what)); s += strlen(what)) n++;
    return n;
}

/* ---- well formed ---- */

enum { DEEPEST = 64, NAME = 32 };

static bool is_void(const char *tag) { return strcmp(tag, "meta") == 0 || strcmp(tag, "img") == 0 || strcmp(tag, "wbr") == 0 || strcmp(tag, "input") == 0 || tag[0] == '!'; }

/* Past the tag that s begins with, its name in `tag`; quoted attributes may hold anything. */
static const char *read_tag(const char *s, char tag[NAME], bool *empty)
{
    size_t n = strcspn(s + 1, " \n\t/>");
    if (s[1] == '/') n = strcspn(s + 2, " >") + 1;
    snprintf(tag, NAME, "%.*s", (int)n, s + 1);
    bool quoted = false;
    for (s++; *s && (quoted || *s != '>'); s++) quoted ^= *s == '"';
    *empty = s[-1] == '/' || is_void(tag);
    return *s ? s + 1 : s;
}

/* Every element is closed where it should be. Style and script are passed over. */
static bool is_balanced(const char *page)
{
    char open[DEEPEST][NAME], tag[NAME];
    int depth = 0;
    for (const char *s = page; (s = strchr(s, '<'));) {
        bool empty;
        s = read_tag(s, tag, &empty);
        if (tag[0] == '/') {
            if (!depth || strcmp(open[depth - 1], tag + 1) != 0) return printf("\n<%s> closes <%s>\n", tag, depth ? open[depth - 1] : ""), false;
            depth--;
        } else if (!empty) {
            if (depth == DEEPEST) return false;
            strcpy(open[depth++], tag);
            if (strcmp(tag, "style") == 0 || strcmp(tag, "script") == 0) s = strstr(s, strcmp(tag, "style") == 0 ? "</style" : "</script");
        }
    }
    return depth == 0;
}

/* ---- what it says ---- */

static void says_who_is_best(void)
{
    gr_comparison *c = test_comparison(arena, 5);
    char *page = page_of(c, NULL);
    CU_ASSERT(is_balanced(page));
    CU_ASSERT(has(page, "<h1><bdi>char-lstm</bdi> leads, but 5 seeds cannot tell it from <bdi>char-gru</bdi>.</h1>"));
    CU_ASSERT(has(page, "which may be chance"));
    CU_ASSERT(has(page, "<bdi>transformer</bdi> and <bdi>char-rnn</bdi> are worse, and not by chance."));
    CU_ASSERT(has(page, "<dd>1, 2, 3, 4, 5</dd>"));
    CU_ASSERT(has(page, "83,211"));
    CU_ASSERT_EQUAL(count(page, "<figure class=\"chart\">"), 4);
    CU_ASSERT_EQUAL(count(page, "class=\"run "), 4 * 4 * 5);
    free(page);
}

static void says_what_is_certain(void)
{
    gr_comparison *c = test_comparison(arena, 5);
    c->num_contenders = 2; /* an RNN and a GRU far apart */
    gr_compare_judge(c);
    char *page = page_of(c, NULL);
    CU_ASSERT(has(page, "<h1><bdi>char-gru</bdi> is best, and not by chance.</h1>"));
    CU_ASSERT(has(page, "<span class=\"verdict better\">better</span>"));
    free(page);
    c->larger = true;
    gr_compare_judge(c);
    page = page_of(c, NULL);
    CU_ASSERT(has(page, "<h1><bdi>char-rnn</bdi> is best, and not by chance.</h1>"));
    CU_ASSERT(has(page, " lower ("));
    free(page);
}

static void says_what_one_seed_cannot(void)
{
    char *page = page_of(test_comparison(arena, 1), NULL);
    CU_ASSERT(is_balanced(page));
    CU_ASSERT(has(page, "leads on the one seed that was tried."));
    CU_ASSERT(has(page, "one seed cannot say how much of this is chance"));
    CU_ASSERT_PTR_NULL(strstr(page, "not finite"));
    CU_ASSERT_PTR_NULL(strstr(page, "nan"));
    free(page);
}

static void says_what_is_missing(void)
{
    gr_comparison *c = test_comparison(arena, 3);
    c->contender[2].trial[1].status = GR_TRIAL_DIVERGED;
    c->contender[2].trial[1].ended = false;
    c->contender[2].trial[1].why = "loss is not finite at step 120";
    c->contender[2].trial[1].num_points = 4;
    c->complete = false;
    for (int k = 0; k < 3; k++) c->contender[0].trial[k] = (gr_trial){.seed = c->seed[k], .why = "", .final = NAN, .best = NAN};
    gr_compare_judge(c);
    char *page = page_of(c, NULL);
    CU_ASSERT(is_balanced(page));
    CU_ASSERT(has(page, "<bdi>char-lstm</bdi>: 1 of 3 runs diverged"));
    CU_ASSERT(has(page, "diverged: loss is not finite at step 120"));
    CU_ASSERT(has(page, "Not all runs are done yet"));
    CU_ASSERT(has(page, "<h1><bdi>char-gru</bdi> leads so far: 3 of 12 runs are still missing.</h1>")); /* what never diverged stands before what did */
    CU_ASSERT_PTR_NULL(strstr(page, "nan"));
    free(page);
    c->num_contenders = 1;
    page = page_of(c, NULL);
    CU_ASSERT(has(page, "No run has ended with a result: 3 of 3 are still missing."));
    free(page);
}

/* Two models far apart, but a third or more seeds may change which is best. */
static void missing_runs_make_no_claim(void)
{
    for (int missing = 1; missing <= 5; missing++) {
        gr_comparison *c = test_comparison(arena, 5);
        c->num_contenders = 2;
        for (int k = 5 - missing; k < 5; k++) c->contender[0].trial[k] = (gr_trial){.seed = c->seed[k], .why = ""};
        gr_compare_judge(c);
        CU_ASSERT(!c->complete);
        char *page = page_of(c, NULL);
        CU_ASSERT_PTR_NULL(strstr(page, "not by chance"));
        CU_ASSERT(has(page, gr_arena_printf(arena, "%d of 10 runs are still missing.</h1>", missing)));
        free(page);
    }
}

/* Rules without a rate to choose, and speeds that nobody measured. */
static void says_what_was_not_measured(void)
{
    gr_comparison *c = test_comparison(arena, 2);
    gr_contender *x = &c->contender[1];
    x->seconds_per_step = x->tokens_per_second = x->lr = x->own_lr = NAN;
    c->contender[2].own_lr = NAN;
    char *page = page_of(c, NULL);
    CU_ASSERT(has(page, "<dt>Time of a step</dt><dd>not measured</dd>"));
    CU_ASSERT(has(page, "<dt>Learning rate</dt><dd>none</dd>"));
    CU_ASSERT(has(page, "0.003 (in the file: none)"));
    CU_ASSERT_PTR_NULL(strstr(page, "nan"));
    free(page);
}

/* Seeds that are all equal have no interval, and models that are have no leader. */
static void says_what_is_equal(void)
{
    gr_comparison *c = synthetic_comparison(arena, 3, 3, (const double[]){1, 1, 1, 1, 1, 1, 5, 6, 7});
    char *page = page_of(c, NULL);
    CU_ASSERT(has(page, "<h1>No model leads: 3 seeds cannot tell <bdi>m0</bdi> from <bdi>m1</bdi>"));
    CU_ASSERT(has(page, "loss of <bdi>m0</bdi> is <b>1.0</b> with each of 3 seeds. That of <bdi>m1</bdi> is the same with each seed."));
    CU_ASSERT(has(page, "<b>1.0</b> <span class=\"spread\">all 3 seeds equal</span>"));
    CU_ASSERT(has(page, "<span class=\"verdict\">no difference</span>"));
    CU_ASSERT(has(page, "<bdi>m0</bdi> and <bdi>m1</bdi> made the same runs"));
    CU_ASSERT_EQUAL(count(page, "<tr class=\"best\">"), 0);
    CU_ASSERT_PTR_NULL(strstr(page, ">1.0 to 1.0<"));
    free(page);
    page = page_of(synthetic_comparison(arena, 2, 1, (const double[]){1, 1}), NULL);
    CU_ASSERT(has(page, "<h1>No model leads: one seed cannot tell <bdi>m0</bdi> from <bdi>m1</bdi>.</h1>"));
    CU_ASSERT(has(page, " is the same."));
    free(page);
    page = page_of(synthetic_comparison(arena, 2, 2, (const double[]){1, 1, 2, 2}), NULL);
    CU_ASSERT(has(page, "higher with each seed, which may be chance."));
    free(page);
}

/* Of more models than there are colours none looks like another. */
static void many_models_differ_in_style(void)
{
    double value[32];
    char marker[40];
    for (int i = 0; i < 32; i++) value[i] = 1 + i;
    char *page = page_of(synthetic_comparison(arena, 16, 2, value), NULL);
    for (int i = 0; i < 16; i++) {
        snprintf(marker, sizeof marker, "<path class=\"marker s%d\"", i);
        CU_ASSERT(has(page, marker));
        snprintf(marker, sizeof marker, ".s%d { --c: var(--s%d); }", i, i % 8);
        CU_ASSERT(has(page, marker));
    }
    free(page);
}

static void shows_attention_and_pictures(void)
{
    const gr_model_picture picture[] = {{.svg = "<svg>any</svg>"}, {.why = "Graphviz is not installed"}, {.svg = "<svg height=\"553pt\">  "},
                                        {.svg = "<svg height=\"552pt\">"}};
    char *page = page_of(test_comparison(arena, 2), picture);
    CU_ASSERT(is_balanced(page));
    CU_ASSERT(has(page, "src=\"data:image/svg+xml;base64,PHN2Zz5hbnk8L3N2Zz4=\""));
    CU_ASSERT(has(page, "base64,PHN2ZyBoZWlnaHQ9IjU1M3B0Ij4gIA==\""));
    CU_ASSERT(has(page, "base64,PHN2ZyBoZWlnaHQ9IjU1MnB0Ij4=\""));
    CU_ASSERT(has(page, "There is no picture: Graphviz is not installed"));
    CU_ASSERT_EQUAL(count(page, "longer than its frame"), 1); /* the third alone */
    CU_ASSERT(has(page, "<label for=\"whole2\">"));
    CU_ASSERT(has(page, "<details class=\"wide\" open><summary>Its file"));
    CU_ASSERT(has(page, "<title>o looks at o: 0."));
    CU_ASSERT(has(page, "&lt;eos&gt; looks most at &lt;eos&gt;"));
    free(page);
}

/* ---- what it must not do ---- */

static void names_cannot_break_it(void)
{
    static const char evil[] = "\"'><script>alert(1)</script><!-- & \x01\xff";
    gr_comparison *c = test_comparison(arena, 2);
    gr_contender *x = &c->contender[3];
    gr_attention_map map = *x->attention;
    const char *tokens[] = {evil, evil, evil, evil, evil, evil}, *metric[] = {evil, evil}, *sets[] = {evil};
    map.row = map.column = tokens;
    map.name = map.prompt = evil;
    for (int i = 0; i < c->num_contenders; i++) c->contender[i].name = evil;
    x->path = x->yaml = x->doc = x->matched = evil;
    x->sets = sets;
    x->num_sets = 1;
    x->attention = &map;
    x->trial[0].status = GR_TRIAL_DIVERGED;
    x->trial[0].ended = false;
    x->trial[0].why = c->command = c->date = c->version = c->kernel = c->cpu = c->dtype = c->different = c->data = evil;
    c->metric = metric;
    c->same_data = false;
    char *page = page_of(c, (gr_model_picture[]){{.why = evil}, {.svg = evil}, {.svg = evil}, {.svg = evil}});
    CU_ASSERT(is_balanced(page));
    CU_ASSERT_EQUAL(count(page, "<script"), 1);
    CU_ASSERT_EQUAL(count(page, "<!--"), 0);
    CU_ASSERT(has(page, "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!-- &amp; \xef\xbf\xbd\xef\xbf\xbd"));
    free(page);
}

static void needs_nothing_from_outside(void)
{
    char *page = page_of(test_comparison(arena, 2), NULL);
    CU_ASSERT_EQUAL(count(page, "src="), 0);
    CU_ASSERT_EQUAL(count(page, "@import"), 0);
    CU_ASSERT_EQUAL(count(page, "url("), 0);
    CU_ASSERT_EQUAL(count(page, "<link"), 0);
    CU_ASSERT_EQUAL(count(page, "http"), count(page, "http://www.w3.org/2000/svg") + count(page, "http-equiv"));
    free(page);
}

static void is_the_same_twice(void)
{
    const gr_comparison *c = test_comparison(arena, 3);
    char *one = page_of(c, NULL), *two = page_of(c, NULL);
    CU_ASSERT_STRING_EQUAL(one, two);
    free(one);
    free(two);
}

static void a_full_disk_is_seen(void)
{
    FILE *f = fopen("/dev/full", "w");
    if (!f) return;
    gr_compare_page_write(&(gr_compare_page){.comparison = test_comparison(arena, 1)}, f);
    CU_ASSERT(fflush(f) != 0 || ferror(f));
    fclose(f);
}

static void memory_may_run_out(void)
{
    const gr_comparison *c = test_comparison(arena, 1);
    FILE *f = fopen("/dev/null", "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    int failed = 0, done = -1;
    for (long n = 1; done != 0 && n < 10000; n++) {
        gr_fail_allocation(n);
        done = gr_compare_page_write(&(gr_compare_page){.comparison = c}, f);
        failed += done != 0;
        gr_fail_allocation(0);
    }
    CU_ASSERT_EQUAL(done, 0);
    CU_ASSERT(failed > 0);
    fclose(f);
}

/* ---- the command ---- */

static char *file_text(const char *path)
{
    char *text = calloc(1, 1 << 21);
    FILE *f = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT(fread(text, 1, (1 << 21) - 1, f) > 0);
    fclose(f);
    return text;
}

static void the_command_writes_it(void)
{
    char folder[] = "/tmp/graphrun-html-XXXXXX", command[2048], path[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/report.html", folder);
    snprintf(command, sizeof command,
             "'%s/tools/graphrun' compare '%s/graphs/toy/copy_attention.yaml' '%s/graphs/toy/copy.yaml' --set hidden=4 --set items=40 "
             "--set length=3 --set batch=4 --seeds 2 --steps 4 --points 2 --quiet -o '%s' > /dev/null",
             GR_BUILD_DIR, GR_SOURCE_DIR, GR_SOURCE_DIR, path);
    CU_ASSERT_EQUAL(system(command), 0);
    char *page = file_text(path);
    CU_ASSERT(is_balanced(page));
    CU_ASSERT(has(page, "<h1><bdi>copy"));
    CU_ASSERT(has(page, "--steps 4 --points 2"));
    CU_ASSERT_EQUAL(count(page, "src=\"data:image/svg+xml;base64,") + count(page, "a picture needs Graphviz"), 2);
    free(page);
    remove(path);
    memcpy(path + strlen(path) - strlen("html"), "json", sizeof "json"); /* what it goes on from */
    page = file_text(path);
    CU_ASSERT(has(page, "\"kind\": \"graphrun comparison\"") && has(page, "\"complete\": true"));
    free(page);
    remove(path);
    snprintf(command, sizeof command, "'%s/tools/graphrun' compare '%s/graphs/toy/copy.yaml' '%s/graphs/toy/copy.yaml' -o '%s/none/report.html' 2> /dev/null",
             GR_BUILD_DIR, GR_SOURCE_DIR, GR_SOURCE_DIR, folder);
    CU_ASSERT_EQUAL(system(command) >> 8, 1); /* before anything is trained */
    rmdir(folder);
}

/* ---- axes and numbers ---- */

static void axes_have_round_numbers(void)
{
    static const struct { double lo, hi; int most; bool log; const char *labels; } axis[] = {
        {0, 600, 5, false, "0 200 400 600"},
        {0, 1, 6, false, "0.0 0.2 0.4 0.6 0.8 1.0"},
        {0.9712, 0.9853, 6, false, "0.975 0.980 0.985"},
        {-3, 3, 5, false, "\xe2\x88\x92" "2 0 2"},
        {0, 2.5e6, 5, false, "0 1M 2M"},
        {4.9, 61, 6, true, "5 10 20 50"},
        {1e-3, 1e4, 6, true, "0.01 1 100 10,000"},
        {2e-9, 3e-5, 6, true, "1e\xe2\x88\x92" "8 1e\xe2\x88\x92" "7 1e\xe2\x88\x92" "6 1e\xe2\x88\x92" "5"},
        {7, 7, 5, false, "6.5 7.0 7.5"},
        {1e-12, 1e12, 6, true, "1e\xe2\x88\x92" "10 1e\xe2\x88\x92" "5 1 100,000 1e10"},
    };
    for (size_t i = 0; i < sizeof axis / sizeof *axis; i++) {
        const gr_axis a = gr_axis_make(axis[i].lo, axis[i].hi, axis[i].most, axis[i].log);
        char all[256] = "", label[GR_AXIS_LABEL];
        for (int k = 0; k < a.num_ticks; k++) {
            strcat(strcat(all, k ? " " : ""), gr_axis_label(&a, k, label));
            CU_ASSERT(gr_axis_place(&a, a.tick[k]) > -1e-9 && gr_axis_place(&a, a.tick[k]) < 1 + 1e-9);
        }
        CU_ASSERT_STRING_EQUAL(all, axis[i].labels);
        if (strcmp(all, axis[i].labels) != 0) printf("\n%g..%g: %s, not %s\n", axis[i].lo, axis[i].hi, all, axis[i].labels);
    }
}

/* Of numbers that are the same but for rounding, and of those at the ends of what a double holds. */
static void axes_have_ticks_in_any_case(void)
{
    static const double at[] = {343 / 400.0, 22 / 400.0, 1, -0.1, 0, 1e-300, 1e-310, 5e-324, 1e18, -1e300, 1.7e308};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        for (int k = 0; k < 6; k++) {
            double lo = at[i], hi = at[i];
            for (int n = 0; n < k; n++) lo = nextafter(lo, -INFINITY), hi = nextafter(hi, n % 2 ? INFINITY : lo);
            const gr_axis a = gr_axis_make(lo, hi, 5, k % 2);
            CU_ASSERT(a.lo < a.hi && a.num_ticks > 0 && a.num_ticks <= 5);
            for (int n = 0; n < a.num_ticks; n++) CU_ASSERT(isfinite(a.tick[n]) && (n == 0 || a.tick[n] > a.tick[n - 1]));
        }
    const gr_axis wide = gr_axis_make(-1.7e308, 1.7e308, 5, false), none = gr_axis_make(INFINITY, -INFINITY, 5, false);
    CU_ASSERT(isfinite(wide.tick[0]) && isfinite(none.tick[0]) && none.lo < none.hi);
}

/* All seeds of all models right as often. */
static void pages_of_equal_numbers_end(void)
{
    static const double value[] = {343 / 400.0, 22 / 400.0, 1e-300, 1e300};
    for (size_t v = 0; v < sizeof value / sizeof *value; v++) {
        gr_comparison *c = test_comparison(arena, 5);
        for (int i = 0; i < c->num_contenders; i++)
            for (int k = 0; k < c->num_seeds; k++)
                for (int n = 0; n < c->contender[i].trial[k].num_points; n++)
                    ((double *)(uintptr_t)c->contender[i].trial[k].point[n].valid)[c->judged] = value[v];
        gr_compare_judge(c);
        char *page = page_of(c, NULL);
        CU_ASSERT(is_balanced(page));
        CU_ASSERT_PTR_NULL(strstr(page, "nan%"));
        free(page);
    }
}

static void numbers_read_well(void)
{
    char room[GR_NUMBER_TEXT];
    CU_ASSERT_STRING_EQUAL(gr_number_text(1234567.891, 2, room), "1,234,567.89");
    CU_ASSERT_STRING_EQUAL(gr_number_text(-0.31, 3, room), "\xe2\x88\x92" "0.310");
    CU_ASSERT_STRING_EQUAL(gr_number_text(-0.0001, 2, room), "0.00");
    CU_ASSERT_STRING_EQUAL(gr_number_text(NAN, 2, room), "not finite");
    CU_ASSERT_EQUAL(gr_number_decimals(5.21, 0.043), 3);
    CU_ASSERT_EQUAL(gr_number_decimals(5.21, 0), 4);
    CU_ASSERT_EQUAL(gr_number_decimals(81234, 0), 0);
    CU_ASSERT_STRING_EQUAL(gr_duration_text(0.42, room), "0.42 s");
    CU_ASSERT_STRING_EQUAL(gr_duration_text(200, room), "3 min 20 s");
    CU_ASSERT_STRING_EQUAL(gr_bytes_text(3.4 * 1048576, room), "3.4 MiB");
}

static int make_arena(void) { return (arena = gr_arena_create()) ? 0 : -1; }
static int free_arena(void) { return gr_arena_destroy(arena), 0; }

void test_html(void)
{
    CU_pSuite s = CU_add_suite("html", make_arena, free_arena);
    CU_add_test(s, "the page says who leads and who is not told apart", says_who_is_best);
    CU_add_test(s, "the page says what is certain", says_what_is_certain);
    CU_add_test(s, "one seed gives no interval", says_what_one_seed_cannot);
    CU_add_test(s, "diverged and missing runs are told", says_what_is_missing);
    CU_add_test(s, "missing runs make no claim", missing_runs_make_no_claim);
    CU_add_test(s, "what was not measured is told", says_what_was_not_measured);
    CU_add_test(s, "says what is equal", says_what_is_equal);
    CU_add_test(s, "many models differ in style", many_models_differ_in_style);
    CU_add_test(s, "attention maps and pictures", shows_attention_and_pictures);
    CU_add_test(s, "hostile names are text", names_cannot_break_it);
    CU_add_test(s, "nothing comes from outside", needs_nothing_from_outside);
    CU_add_test(s, "the same bytes twice", is_the_same_twice);
    CU_add_test(s, "a write error shows", a_full_disk_is_seen);
    CU_add_test(s, "memory runs out cleanly", memory_may_run_out);
    CU_add_test(s, "compare -o writes the page", the_command_writes_it);
    CU_add_test(s, "axes have round numbers", axes_have_round_numbers);
    CU_add_test(s, "axes have ticks in any case", axes_have_ticks_in_any_case);
    CU_add_test(s, "pages of equal numbers end", pages_of_equal_numbers_end);
    CU_add_test(s, "numbers read well", numbers_read_well);
}
