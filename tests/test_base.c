/* test_base.c - arenas unwind, diagnostics point at the right place. */
#include "base/arena.h"
#include "base/diag.h"
#include "base/utf8.h"
#include "failing.h"
#include "tests.h"
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

static void arena_grows(void)
{
    gr_arena *a = gr_arena_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    char *big = gr_arena_alloc(a, 1 << 20);
    CU_ASSERT_EQUAL(big[12345], 0);
    int *items = NULL, count = 0, cap = 0;
    for (int i = 0; i < 100; i++) *GR_PUSH(a, items, count, cap) = i;
    CU_ASSERT_EQUAL(items[99], 99);
    CU_ASSERT_STRING_EQUAL(gr_arena_printf(a, "%d-%s", 7, "x"), "7-x");
    gr_arena_destroy(a);
}

static void closed(void *p) { ++*(int *)p; }

static void arena_unwinds(void)
{
    gr_arena *a = gr_arena_create();
    int calls = 0;
    volatile bool unwound = false;
    gr_frame frame;
    gr_arena_defer(a, closed, &calls);
    gr_fail_allocation(1);
    if (gr_try(a, &frame)) {
        gr_arena_alloc(a, 1 << 20);
        gr_end_try(a, &frame);
    } else {
        unwound = true;
    }
    gr_fail_allocation(0);
    CU_ASSERT_TRUE(unwound);
    gr_arena_destroy(a);
    CU_ASSERT_EQUAL(calls, 1);
}

static void nearest_name(void)
{
    const char *names[] = {"hidden_size", "num_layers", "bias", NULL};
    CU_ASSERT_STRING_EQUAL(gr_nearest("hiden_size", names), "hidden_size");
    CU_ASSERT_PTR_NULL(gr_nearest("wholly_other", names));
    static const char *const longer[] = {"hidden_sizes", "hidden_size", "x", "CosineWarmRestarts", "Cosine", NULL};
    CU_ASSERT_STRING_EQUAL(gr_nearest("hidden", longer), "hidden_size");
    CU_ASSERT_STRING_EQUAL(gr_nearest("CosineAnnealingLR", longer), "Cosine");
    CU_ASSERT_PTR_NULL(gr_nearest("h", longer)); /* one letter is near to any other */
}

/* As PyTorch and Keras call things; where nothing here is like it, what to do instead. */
static void names_from_elsewhere(void)
{
    static const char *const linear[] = {"out_features", "bias", NULL}, *const npy[] = {"files", "batch_size", "dim", NULL};
    gr_arena *a = gr_arena_create();
    CU_ASSERT_STRING_EQUAL(gr_nearest_term("units", linear), "out_features");
    CU_ASSERT_STRING_EQUAL(gr_nearest_term("use-bias", linear), "bias");
    CU_ASSERT_STRING_EQUAL(gr_nearest_term("Axis", npy), "dim");
    CU_ASSERT_STRING_EQUAL(gr_nearest_term("batch-size", npy), "batch_size");
    CU_ASSERT_STRING_EQUAL(gr_nearest_term("torch.nn.Bias", linear), "bias");
    CU_ASSERT_STRING_EQUAL(gr_nearest_term("Bias(lr=0.01)", linear), "bias");
    CU_ASSERT_PTR_NULL(gr_nearest_term("in_features", linear)); /* near to out_features, and something else */
    CU_ASSERT_STRING_EQUAL(gr_suggest_term(a, "in_features", linear), "; leave it out: a width is that of what is read");
    CU_ASSERT_STRING_EQUAL(gr_suggest_term(a, "out_feature", linear), "; did you mean 'out_features'?");
    CU_ASSERT_STRING_EQUAL(gr_suggest_term(a, "quite_new", linear), "; there are: out_features, bias");
    CU_ASSERT_STRING_EQUAL(gr_suggest_term(a, "quite_new", linear + 2), "");
    CU_ASSERT_STRING_EQUAL(gr_suggest(a, "units", linear), "; there are: out_features, bias"); /* names of one's own */
    gr_arena_destroy(a);
}

static int width(const char *text) { return gr_utf8_width(text, strlen(text)); }

static void text_is_as_wide_as_its_letters(void)
{
    CU_ASSERT_EQUAL(width(""), 0);
    CU_ASSERT_EQUAL(width("time"), 4);
    CU_ASSERT_EQUAL(width("\xc3\xa9t\xc3\xa9"), 3);
    CU_ASSERT_EQUAL(width("e\xcc\x81t\xc3\xa9"), 3); /* an accent of its own */
    CU_ASSERT_EQUAL(width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
    CU_ASSERT_EQUAL(width("\xf0\x9f\x98\x80!"), 3);
    CU_ASSERT_EQUAL(width("a\xff\xc3"), 3); /* no UTF-8 */
    CU_ASSERT_EQUAL(width("\xe2\x9c\x85"), 2); /* an emoji outside of their own blocks */
    CU_ASSERT_EQUAL(width("\xe0\xa4\x95\xe0\xa5\x81"), 1); /* a vowel of Devanagari below its consonant */
    CU_ASSERT_EQUAL(gr_utf8_fit("\xe6\x97\xa5\xe6\x9c\xac", 6, 3), 3); /* no half of a character */
    CU_ASSERT_EQUAL(gr_utf8_fit("e\xcc\x81t\xc3\xa9", 6, 1), 3); /* and no letter without its accent */
    CU_ASSERT_EQUAL(gr_utf8_fit("time", 4, 9), 4);
}

static void diag_shows_place(void)
{
    gr_arena *a = gr_arena_create();
    gr_diag *d = gr_diag_create(a);
    gr_text s = {"m.yaml", "one\ntwo three\n", 14};
    gr_diag_error(d, (gr_loc){&s, 2, 5, 5}, "no op is called '%s'", "three");
    gr_diag_error(d, (gr_loc){&s, 1, 1, 3}, "first");
    gr_diag_error(d, (gr_loc){&s, 1, 1, 3}, "first");
    CU_ASSERT_EQUAL(gr_diag_count(d), 2);
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    gr_diag_print(d, f);
    fclose(f);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m.yaml:2:5: error: no op is called 'three'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "two three"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "^~~~~"));
    CU_ASSERT_TRUE(strstr(text, "first") < strstr(text, "three"));
    free(text);
    gr_arena_destroy(a);
}

void test_base(void)
{
    CU_pSuite s = CU_add_suite("base", NULL, NULL);
    CU_add_test(s, "an arena grows", arena_grows);
    CU_add_test(s, "running out of memory unwinds", arena_unwinds);
    CU_add_test(s, "the nearest name is found", nearest_name);
    CU_add_test(s, "names from elsewhere", names_from_elsewhere);
    CU_add_test(s, "text is as wide as its letters", text_is_as_wide_as_its_letters);
    CU_add_test(s, "a diagnostic shows its place", diag_shows_place);
}
