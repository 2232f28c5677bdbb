/* test_compare.c - what runs say: intervals, differences, verdicts, and how often these are wrong. */
#include "compare_support.h"
#include "kernel/kernel.h"
#include "tests.h"
#include "train/compare_work.h"
#include "train/statistics.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool near(double x, double y, double relative) { return fabs(x - y) <= relative * fabs(y); }

/* scipy.stats.t: 2 * sf(t, df), and ppf((1 + level) / 2, df). */
static void students_t_is_that_of_scipy(void)
{
    static const struct { double t, df, tail; } tail[] = {
        {2, 4, 0.11611652351681559}, {0.5, 1, 0.70483276469913345}, {3.3, 9, 0.0092299083185470231}, {1.96, 1000, 0.050273184955748718},
        {40, 4, 2.3340163226012686e-6}, {1e-3, 7, 0.99923001724499884}, {-2, 4, 0.11611652351681559}};
    static const struct { double level, df, t; } within[] = {
        {0.95, 1, 12.706204736174705}, {0.95, 2, 4.3026527297494639}, {0.95, 4, 2.7764451051977944}, {0.95, 9, 2.2621571627982055},
        {0.95, 30, 2.0422724563012383}, {0.975, 4, 3.4954059325164377}, {0.99, 4, 4.6040948713499932}, {0.5, 3, 0.7648923284043453},
        {0.9999, 2, 99.992499843744531}, {0.95, 1e6, 1.959966356814107}};
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) CU_ASSERT(near(gr_t_two_sided(tail[i].t, tail[i].df), tail[i].tail, 1e-11));
    for (size_t i = 0; i < sizeof within / sizeof *within; i++) CU_ASSERT(near(gr_t_within(within[i].level, within[i].df), within[i].t, 1e-9));
    CU_ASSERT_EQUAL(gr_t_two_sided(0, 4), 1);
    CU_ASSERT_EQUAL(gr_t_two_sided(INFINITY, 4), 0);
    CU_ASSERT(isnan(gr_t_two_sided(NAN, 4)));
    CU_ASSERT_EQUAL(gr_t_within(0, 4) < 1e-300, true);
}

/* [3, 5, 4, 6, 2] and [2.5, 4.1, 3.4, 5.2, 1.1] by scipy.stats.ttest_rel, t.interval. */
static void differences_are_paired(void)
{
    gr_arena *a = gr_arena_create();
    const double value[] = {3, 5, 4, 6, 2, 2.5, 4.1, 3.4, 5.2, 1.1};
    const gr_comparison *c = synthetic_comparison(a, 2, 5, value);
    const gr_contender *first = &c->contender[0], *second = &c->contender[1];
    CU_ASSERT(c->complete);
    CU_ASSERT(near(first->final.mean, 4, 1e-15) && near(first->final.low, 2.0367568385224393, 1e-9) && near(first->final.high, 5.963243161477561, 1e-9));
    CU_ASSERT(near(second->difference.of.mean, -0.74, 1e-12));
    CU_ASSERT(near(second->difference.of.low, -0.965559466629904, 1e-9) && near(second->difference.of.high, -0.514440533370096, 1e-9));
    CU_ASSERT(near(second->difference.p, 0.0008057456843671328, 1e-9));
    CU_ASSERT_EQUAL(second->difference.verdict, GR_VERDICT_BETTER); /* a smaller loss */
    CU_ASSERT_EQUAL(first->difference.of.n, 0);
    gr_arena_destroy(a);
}

/* A third model makes every interval wider, and p twice as large; a larger metric turns the verdict. */
static void several_comparisons_are_corrected(void)
{
    gr_arena *a = gr_arena_create();
    const double value[] = {3, 5, 4, 6, 2, 2.5, 4.1, 3.4, 5.2, 1.1, 3.1, 4.9, 4.2, 5.8, 2.2};
    gr_comparison *c = synthetic_comparison(a, 3, 5, value);
    const gr_difference *d = &c->contender[1].difference;
    CU_ASSERT(near(0.5 * (d->of.high - d->of.low), 0.225559466629904 * 3.4954059325164377 / 2.7764451051977944, 1e-9));
    CU_ASSERT(near(d->p, 2 * 0.0008057456843671328, 1e-9));
    CU_ASSERT_EQUAL(c->contender[2].difference.verdict, GR_VERDICT_NO);
    CU_ASSERT(c->contender[2].difference.p <= 1);
    c->larger = true;
    gr_compare_judge(c);
    CU_ASSERT_EQUAL(c->contender[1].difference.verdict, GR_VERDICT_WORSE);
    gr_arena_destroy(a);
}

static void one_seed_has_no_interval(void)
{
    gr_arena *a = gr_arena_create();
    const gr_comparison *c = synthetic_comparison(a, 2, 1, (const double[]){3, 2});
    CU_ASSERT(c->contender[1].final.mean == 2 && isnan(c->contender[1].final.low));
    CU_ASSERT_EQUAL(c->contender[1].difference.of.mean, -1);
    CU_ASSERT_EQUAL(c->contender[1].difference.verdict, GR_VERDICT_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(c->contender[1].difference.why, "one seed"));
    gr_arena_destroy(a);
}

/* They are counted, no mean is made of them, and no verdict of the rest. */
static void runs_that_diverge_are_shown(void)
{
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_comparison(a, 3, 4, (const double[]){3, 3.1, 3.2, 3.1, 1, NAN, 1.1, 1.2, INFINITY, NAN, NAN, NAN});
    CU_ASSERT_EQUAL(c->contender[1].diverged, 1);
    CU_ASSERT_EQUAL(c->contender[1].trial[1].status, GR_TRIAL_DIVERGED);
    CU_ASSERT(c->contender[1].final.n == 3 && near(c->contender[1].final.mean, 1.1, 1e-12));
    CU_ASSERT_EQUAL(c->contender[1].difference.verdict, GR_VERDICT_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(c->contender[1].difference.why, "diverged"));
    CU_ASSERT(c->contender[2].diverged == 4 && c->contender[2].final.n == 0 && isnan(c->contender[2].final.mean));
    CU_ASSERT_STRING_EQUAL(c->contender[2].difference.why, "its runs diverged");
    CU_ASSERT(c->complete); /* there is nothing left to be made */
    c->contender[2].tokens_per_second = c->contender[2].seconds_per_step = NAN;
    char *text = printed(c);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m2: all runs diverged.\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "model  parameters  tokens/s "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nm1              7     10.0k "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nm2              7         ? "));
    free(text);
    gr_arena_destroy(a);
}

/* As of half a comparison. */
static void missing_runs_make_no_verdict(void)
{
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_comparison(a, 2, 4, (const double[]){3, 3.1, 3.2, 3.1, 1, 1.1, 1.2, 1.05});
    CU_ASSERT_EQUAL(c->contender[1].difference.verdict, GR_VERDICT_BETTER);
    c->contender[0].trial[3].status = GR_TRIAL_WAITING;
    gr_compare_judge(c);
    CU_ASSERT(!c->complete && c->contender[0].final.n == 3 && c->contender[1].difference.of.n == 3);
    CU_ASSERT_EQUAL(c->contender[1].difference.verdict, GR_VERDICT_NONE);
    CU_ASSERT_STRING_EQUAL(c->contender[1].difference.why, "runs are missing");
    gr_arena_destroy(a);
}

/* What seeds do not change: no spread, no chance. */
static void equal_numbers_are_no_difference(void)
{
    gr_arena *a = gr_arena_create();
    const gr_comparison *c = synthetic_comparison(a, 3, 3, (const double[]){2, 4, 3, 2, 4, 3, 2.5, 4.5, 3.5});
    CU_ASSERT_EQUAL(c->contender[1].difference.verdict, GR_VERDICT_NO);
    CU_ASSERT_EQUAL(c->contender[1].difference.p, 1);
    gr_arena_destroy(a);
}

/* A metric of few values gives differences without spread: of n seeds all have one sign by chance with 2^(1 - n). */
static void equal_differences_are_judged_by_their_signs(void)
{
    gr_arena *a = gr_arena_create();
    const gr_difference *d = &synthetic_comparison(a, 2, 2, (const double[]){0.9, 0.8, 0.8, 0.7})->contender[1].difference;
    CU_ASSERT(d->verdict == GR_VERDICT_NO && d->p == 0.5 && isnan(d->of.low) && isnan(d->of.high) && near(d->of.mean, -0.1, 1e-12));
    const double value[] = {1, 2, 3, 4, 5, 6, 2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6, 7};
    d = &synthetic_comparison(a, 2, 6, value)->contender[1].difference;
    CU_ASSERT(d->verdict == GR_VERDICT_WORSE && d->p == 0.03125 && d->of.low == 1 && d->of.high == 1);
    d = &synthetic_comparison(a, 3, 6, value)->contender[1].difference;
    CU_ASSERT(d->verdict == GR_VERDICT_NO && d->p == 0.0625 && isnan(d->of.low));
    gr_arena_destroy(a);
}

/* Six times 0.1 make less than 0.6: a sum would hide that they are equal. */
static void equal_seeds_have_no_interval(void)
{
    gr_arena *a = gr_arena_create();
    const gr_comparison *c = synthetic_comparison(a, 3, 6, (const double[]){0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 1, 1, 1, 1, 1, 1, 0.2, 0.3, 0.2, NAN, 0.2, 0.2});
    const gr_estimate *e = &c->contender[0].final;
    CU_ASSERT(e->equal && e->mean == 0.1 && e->low == 0.1 && e->high == 0.1);
    CU_ASSERT(!c->contender[2].final.equal && c->contender[1].difference.of.equal && !c->contender[2].difference.of.equal);
    char *text = printed(c);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  0.1000 (all 6 equal)  "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "+0.9000 (all 6 equal)  not significant"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " ± 0.056 (5 of 6)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Where seeds are all equal there is no interval"));
    CU_ASSERT_PTR_NULL(strstr(text, "± 0.00"));
    free(text);
    text = printed(synthetic_comparison(a, 2, 3, (const double[]){0.5, NAN, 0.5, 1, 2, 3}));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "0.5000 (all 2 of 3 equal)"));
    free(text);
    gr_arena_destroy(a);
}

/* Models that training cannot tell apart are named, and no others. */
static void equal_runs_are_told(void)
{
    gr_arena *a = gr_arena_create();
    const gr_comparison *c = synthetic_comparison(a, 4, 3, (const double[]){3, 4, 5, 2, 4, 5, 3, 4, 5, 3, NAN, 5});
    CU_ASSERT(gr_compare_twin(c, 0) == -1 && gr_compare_twin(c, 1) == -1 && gr_compare_twin(c, 2) == 0 && gr_compare_twin(c, 3) == -1);
    char *text = printed(c);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m0 and m2 made the same runs: training reads nothing in which they differ.\n"));
    free(text);
    gr_arena_destroy(a);
}

/* However long they are, in whatever letters. */
static void names_are_whole(void)
{
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_comparison(a, 2, 2, (const double[]){-123456, 234567, 12345, 1e9});
    const char *name = "";
    for (int i = 0; i < 60; i++) name = gr_arena_printf(a, "%s\u00e9=%d,", name, i);
    c->contender[0].name = name;
    c->contender[1].name = gr_arena_printf(a, "%s!", name);
    char *text = printed(c);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, gr_arena_printf(a, "\n%s!  ", name)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, gr_arena_printf(a, "difference to %s\n", name)));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  not significant (p "));
    free(text);
    gr_arena_destroy(a);
}

static double normal(uint64_t key, int64_t i)
{
    float u[2];
    gr_math_get()->uniform_f32((const uint64_t[2]){key, 1}, 0, (uint64_t)(2 * i), u, 2);
    return sqrt(-2 * log(1 - (double)u[0])) * cos(2 * 3.14159265358979323846 * (double)u[1]);
}

/* How often one of n - 1 models that are all alike is said to differ from the first. */
static int false_verdicts(int n, int seeds, int times)
{
    int wrong = 0;
    double value[64];
    for (int t = 0; t < times; t++) {
        gr_arena *a = gr_arena_create();
        for (int i = 0; i < n * seeds; i++) value[i] = 10 + normal((uint64_t)(1000 * n + seeds), (int64_t)t * n * seeds + i);
        const gr_comparison *c = synthetic_comparison(a, n, seeds, value);
        bool any = false;
        for (int k = 1; k < n; k++) any = any || c->contender[k].difference.verdict > GR_VERDICT_NO;
        wrong += any;
        gr_arena_destroy(a);
    }
    return wrong;
}

/* Of 2000 with 5% each, 100 +- 10; Bonferroni's correction is somewhat too careful, as all differences are to the
 * same model. */
static void verdicts_are_wrong_as_often_as_they_say(void)
{
    const int two = false_verdicts(2, 5, 2000), four = false_verdicts(4, 5, 2000), three_seeds = false_verdicts(2, 3, 2000);
    CU_ASSERT(two >= 70 && two <= 130);
    CU_ASSERT(three_seeds >= 70 && three_seeds <= 130);
    CU_ASSERT(four >= 50 && four <= 130);
}

static void files_hold_all_of_it(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e;
    const char *path = temp_path("synthetic.json");
    gr_comparison *c = synthetic_comparison(a, 2, 3, (const double[]){3, 0.1, 4, 6, NAN, 1.0 / 3}), *back;
    const gr_attention_map map = {.name = "a.weights", .prompt = "p \"q\"", .seed = 1, .rows = 2, .heads = 1, .columns = 2,
                                  .row = (const char *const[]){"x", "y"}, .value = (const double[]){0.5, 0.5, 1.0 / 3, 2.0 / 3}};
    c->contender[1].attention = &map;
    c->contender[1].num_attention = 1;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, path, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, path, &back, &e), 1);
    CU_ASSERT_EQUAL(back->num_contenders, 2);
    CU_ASSERT_EQUAL(back->contender[0].trial[1].final, 0.1);
    CU_ASSERT_EQUAL(back->contender[1].trial[2].final, 1.0 / 3);
    CU_ASSERT_EQUAL(back->contender[1].trial[1].status, GR_TRIAL_DIVERGED);
    CU_ASSERT_EQUAL(back->contender[1].difference.of.mean, c->contender[1].difference.of.mean);
    CU_ASSERT_EQUAL_FATAL(back->contender[1].num_attention, 1);
    const gr_attention_map *m = back->contender[1].attention;
    CU_ASSERT_STRING_EQUAL(m->prompt, "p \"q\"");
    CU_ASSERT_STRING_EQUAL(m->row[1], "y");
    CU_ASSERT(m->value[2] == 1.0 / 3 && !m->column);
    CU_ASSERT_STRING_EQUAL(back->contender[0].yaml, "graphrun: 1\n");
    CU_ASSERT_EQUAL(gr_comparison_read(a, temp_path("no such file"), &back, &e), 0);
    gr_arena_destroy(a);
}

/* A path or an argument need not be UTF-8, which JSON is. */
static void bytes_that_are_no_text_are_replaced(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e = {0};
    const char *path = temp_path("bytes.json");
    gr_comparison *c = synthetic_comparison(a, 2, 2, (const double[]){3, 1, 4, 6}), *back;
    c->contender[0].path = "a\xff\u00e9.yaml";
    c->command = "compare \xc3";
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, path, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, path, &back, &e), 1);
    CU_ASSERT_STRING_EQUAL(back->contender[0].path, "a\ufffd\u00e9.yaml");
    CU_ASSERT_STRING_EQUAL(back->command, "compare \ufffd");
    CU_ASSERT_EQUAL(back->num_contenders, 2);
    gr_arena_destroy(a);
}

/* What is no such file is not overwritten, and what was cut off or edited never crashes. */
static void damaged_files_are_told(void)
{
    gr_arena *a = gr_arena_create();
    gr_error e;
    gr_comparison *c = synthetic_comparison(a, 2, 2, (const double[]){3, 1, 4, 6}), *back;
    const char *path = temp_path("whole.json");
    CU_ASSERT(gr_comparison_read(a, temp_file("other.json", "{\"some\": \"thing\"}"), &back, &e) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "is no comparison"));
    CU_ASSERT(gr_comparison_read(a, temp_file("list.json", "[1, 2]"), &back, &e) < 0);
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, path, &e), 0);
    size_t length;
    char *text = read_text(path, &length);
    for (size_t n = 0; n + 2 < length; n += 97) {
        CU_ASSERT(gr_comparison_read(a, temp_file("cut.json", "%.*s", (int)n, text), &back, &e) < 0);
    }
    char *runs = strstr(text, "\"runs\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(runs);
    memcpy(runs, "\"ruin\"", 6); /* the first model has none */
    CU_ASSERT_EQUAL(gr_comparison_read(a, temp_file("edited.json", "%s", text), &back, &e), 1);
    CU_ASSERT(!back->complete && back->contender[0].trial[1].status == GR_TRIAL_WAITING);
    free(text);
    gr_arena_destroy(a);
}

/* The table and what is said below it. */
static void tables_say_what_they_mean(void)
{
    gr_arena *a = gr_arena_create();
    gr_comparison *c = synthetic_comparison(a, 3, 3, (const double[]){3, 4, 5, 2.0, 3.1, 3.95, 1, NAN, 1.1});
    c->contender[1].matched = "hidden";
    c->contender[1].matched_from = 8;
    c->contender[1].matched_to = 12;
    char *text = printed(c);
    static const char *const lines[] = {
        "loss of the split valid, smaller is better; 3 seeds of 10 steps each\n",
        "model  parameters  tokens/s   memory       loss at the end           at its best  difference to m0\n",
        "m0              7     10.0k  1.0 MiB           4.00 \u00b1 2.48           4.00 \u00b1 2.48\n",
        "-0.983 \u00b1 0.274  better (p 0.0040)\n", "1.05 \u00b1 0.64 (2 of 3)", "no verdict\n", "97.5%, so that all 2 hold together with 95% (Bonferroni)",
        "m1: hidden was scaled from 8 to 12", "m2: 1 of 3 runs diverged", "  seed 2: the metric is not finite in the end\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(text, lines[i]));
        if (!strstr(text, lines[i])) fprintf(stderr, "missing: %s\n%s", lines[i], text);
    }
    free(text);
    gr_arena_destroy(a);
}

/* What else a machine does makes rounds longer: four of five may be stalled without making the model any slower. */
static void stalls_are_no_speed(void)
{
    static const struct { double round[6]; int n, agree; double speed; } cases[] = {
        {{1, 1.02, 0.98, 1.01, 0.99}, 5, 5, 1}, {{9, 1.02, 7, 0.98, 1}, 5, 3, 1}, {{8, 9, 1, 7, 9, 1.04}, 6, 2, 1.02}, {{5, 2, 9}, 3, 1, 2}, {{3}, 1, 1, 3}};
    double speed;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CU_ASSERT_EQUAL(gr_rounds_agree(cases[i].round, cases[i].n, &speed), cases[i].agree);
        CU_ASSERT(near(speed, cases[i].speed, 1e-12));
    }
    CU_ASSERT_EQUAL(gr_rounds_agree(NULL, 0, &speed), 0);
    CU_ASSERT(isnan(speed));
}

void test_compare(void)
{
    CU_pSuite s = CU_add_suite("compare", NULL, NULL);
    CU_add_test(s, "Student's t is that of scipy", students_t_is_that_of_scipy);
    CU_add_test(s, "differences are paired by seed", differences_are_paired);
    CU_add_test(s, "several comparisons are corrected", several_comparisons_are_corrected);
    CU_add_test(s, "one seed has no interval", one_seed_has_no_interval);
    CU_add_test(s, "runs that diverge are shown", runs_that_diverge_are_shown);
    CU_add_test(s, "missing runs make no verdict", missing_runs_make_no_verdict);
    CU_add_test(s, "equal numbers are no difference", equal_numbers_are_no_difference);
    CU_add_test(s, "equal differences are judged by their signs", equal_differences_are_judged_by_their_signs);
    CU_add_test(s, "equal seeds have no interval", equal_seeds_have_no_interval);
    CU_add_test(s, "equal runs are told", equal_runs_are_told);
    CU_add_test(s, "stalls are no speed", stalls_are_no_speed);
    CU_add_test(s, "names are whole", names_are_whole);
    CU_add_test(s, "verdicts are wrong as often as they say", verdicts_are_wrong_as_often_as_they_say);
    CU_add_test(s, "files hold all of it", files_hold_all_of_it);
    CU_add_test(s, "bytes that are no text are replaced", bytes_that_are_no_text_are_replaced);
    CU_add_test(s, "damaged files are told", damaged_files_are_told);
    CU_add_test(s, "tables say what they mean", tables_say_what_they_mean);
}
