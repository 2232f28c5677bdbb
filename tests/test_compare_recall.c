/* test_compare_recall.c - what of the file of an earlier comparison still holds, and what must not be taken from it. */
#include "compare_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The first mark shows which runs come from the file. */
static void mark(gr_arena *a, const gr_compare_options *o, int k)
{
    gr_comparison *c;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_read(a, o->file, &c, &compare_error), 1);
    ((gr_trial_point *)(uintptr_t)c->contender[k].trial[0].point)[0].seconds = 1234;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, o->file, &compare_error), 0);
}

static bool has_mark(const gr_comparison *c, int k) { return c && c->contender[k].trial[0].point[0].seconds == 1234; }

/* Points of an edited file may have fewer numbers than there are metrics. */
static void points_of_other_metrics_are_not_taken(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    gr_comparison *c;
    o.file = temp_path("fewer.json");
    const gr_comparison *whole = tiny_compare(a, &o);
    mark(a, &o, 0);
    CU_ASSERT_FATAL(whole && gr_comparison_read(a, o.file, &c, &compare_error) == 1);
    c->num_metrics = 1;
    c->judged = 0;
    CU_ASSERT_EQUAL_FATAL(gr_comparison_write(c, o.file, &compare_error), 0);
    c = tiny_compare(a, &o);
    CU_ASSERT(c && same_runs(whole, c) && !has_mark(c, 0));
    gr_arena_destroy(a);
}

/* Each of two contenders that are alike has its own runs in the file. */
static void a_model_is_compared_with_itself(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 3);
    double rate[GR_COMPARE_MAX_RATES];
    o.file = temp_path("itself.json");
    CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
    mark(a, &o, 1);
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT(!has_mark(c, 0) && has_mark(c, 1));
    CU_ASSERT(gr_compare_rates("0.1, x1, 0.2, 0.1", 0.1, rate, &compare_error) == 2 && rate[1] == 0.2);
    gr_arena_destroy(a);
}

/* Whose bytes count, not the path. */
static void plugins_built_again_are_other_models(void)
{
    gr_arena *a = gr_arena_create();
    const char *plugin = temp_path("plugin.so"), *more = gr_arena_printf(a, "plugins: ['%s']\n", plugin);
    const char *const path[] = {tiny_gru(), tiny_model("plugged", "LSTM", 6, TINY_DATA, more)};
    gr_compare_options o = tiny_options(path, 2);
    o.file = temp_path("plugged.json");
    CU_ASSERT_EQUAL_FATAL(system(gr_arena_printf(a, "cp '%s/graphs/plugins/minimal_gated.so' '%s'", GR_BUILD_DIR, plugin)), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
    mark(a, &o, 0);
    mark(a, &o, 1);
    CU_ASSERT(has_mark(tiny_compare(a, &o), 1));
    CU_ASSERT_EQUAL_FATAL(system(gr_arena_printf(a, "printf x >> '%s'", plugin)), 0);
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT(has_mark(c, 0) && c && !has_mark(c, 1));
    gr_arena_destroy(a);
}

/* The same letters in the same batch, but in another order. */
static void data_in_another_order_are_other_data(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.file = temp_path("turned.json");
    CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
    mark(a, &o, 1);
    CU_ASSERT(has_mark(tiny_compare(a, &o), 1));
    FILE *f = fopen(temp_path("tiny.txt"), "r+"); /* "the 0 cats sat": a and t, both met before */
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fseek(f, 12, SEEK_SET);
    fputs("ta", f);
    fclose(f);
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT(c && !has_mark(c, 1));
    gr_arena_destroy(a);
}

/* A byte in a file of the data may be in no batch of the first epoch: a space more, behind what max_chars leaves. */
static void the_end_of_the_data_counts(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_model("cut", "GRU", 6, "{op: CharText, path: cut.txt, max_chars: 800, split: {train: 0.75, valid: 0.25}}", ""), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.file = temp_path("end.json");
    o.allow_different_data = true;
    CU_ASSERT_EQUAL_FATAL(system(gr_arena_printf(a, "cp '%s' '%s'", temp_path("tiny.txt"), temp_path("cut.txt"))), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tiny_compare(a, &o));
    mark(a, &o, 0);
    mark(a, &o, 1);
    CU_ASSERT(has_mark(tiny_compare(a, &o), 0));
    CU_ASSERT_EQUAL_FATAL(system(gr_arena_printf(a, "printf ' ' >> '%s'", temp_path("cut.txt"))), 0);
    const gr_comparison *c = tiny_compare(a, &o);
    CU_ASSERT(c && !has_mark(c, 0) && has_mark(c, 1));
    gr_arena_destroy(a);
}

/* Two letters that change places behind the batches that are told one by one. */
static void batches_far_on_are_compared(void)
{
    static const char *const single[] = {"batch=1", "time=1", NULL}, *const *const sets[] = {single, single};
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_model("straight", "GRU", 6, "{op: CharText, path: tiny.txt, partition: sequential, split: {train: 0.75, valid: 0.25}}", ""),
                                tiny_model("turned", "GRU", 6, "{op: CharText, path: far.txt, partition: sequential, split: {train: 0.75, valid: 0.25}}", "")};
    gr_compare_options o = tiny_options(path, 2);
    o.sets = sets;
    char *text = read_text(temp_path("tiny.txt"), NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_FATAL(strlen(text) > 1300 && strncmp(strstr(text + 1200, "cats"), "cats", 4) == 0);
    memcpy(strstr(text + 1200, "cats"), "acts", 4);
    temp_file("far.txt", "%s", text);
    free(text);
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "batches 1000 to"));
    gr_arena_destroy(a);
}

/* How many copies of a file of results there are; the last of them in *copy. */
static size_t find_copies(gr_arena *a, const char *file, gr_comparison **copy)
{
    glob_t found;
    *copy = NULL;
    const int none = glob(gr_arena_printf(a, "%.*s-*.json", (int)(strlen(file) - strlen(".json")), file), 0, NULL, &found);
    for (size_t i = 0; !none && i < found.gl_pathc; i++) CU_ASSERT_EQUAL(gr_comparison_read(a, found.gl_pathv[i], copy, &compare_error), 1);
    const size_t n = none ? 0 : found.gl_pathc;
    if (!none) globfree(&found);
    return n;
}

/* Nothing that is done is lost: what has no place in the comparison stands in a copy. */
static void runs_without_a_place_are_kept(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm(), tiny_model("rnn", "RNN", 6, TINY_DATA, "")};
    gr_compare_options o = tiny_options(path, 3);
    gr_comparison *copy;
    o.file = temp_path("lost.json");
    const gr_comparison *whole = tiny_compare(a, &o);
    CU_ASSERT_PTR_NOT_NULL_FATAL(whole);
    CU_ASSERT(tiny_compare(a, &o) && find_copies(a, o.file, &copy) == 0);
    o.num_models = 2;
    CU_ASSERT(tiny_compare(a, &o) && find_copies(a, o.file, &copy) == 1 && same_runs(whole, copy));
    o.seeds = 1;
    CU_ASSERT(tiny_compare(a, &o) && find_copies(a, o.file, &copy) == 2);
    o.seeds = 2; /* one more seed takes nothing away */
    whole = tiny_compare(a, &o);
    CU_ASSERT(whole && find_copies(a, o.file, &copy) == 2);
    o.amount++; /* all runs are others */
    CU_ASSERT(tiny_compare(a, &o) && find_copies(a, o.file, &copy) == 3);
    gr_arena_destroy(a);
}

/* Of two at once each would write over the other's runs. */
static void one_comparison_writes_a_file(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    o.file = temp_path("shared.json");
    const char *lock = temp_path("shared.json.lock");
    const int other = open(lock, O_RDWR | O_CREAT, 0666);
    CU_ASSERT_FATAL(other >= 0 && flock(other, LOCK_EX) == 0);
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "another comparison is writing"));
    CU_ASSERT(access(o.file, F_OK) != 0 && access(lock, F_OK) == 0);
    close(other); /* as of a process that was killed */
    CU_ASSERT_PTR_NOT_NULL(tiny_compare(a, &o));
    CU_ASSERT(access(o.file, F_OK) == 0 && access(lock, F_OK) != 0);
    gr_arena_destroy(a);
}

static void *edit_after_runs(void *data)
{
    watcher *w = data;
    stop_after_runs(w);
    FILE *f = fopen(w->edited, "a");
    if (f) fputs("one line more\n", f), fclose(f);
    return NULL;
}

/* Each run reads the data anew: those of before and after an edit are never taken for runs of the same data. */
static void data_edited_meanwhile_end_it(void)
{
    gr_arena *a = gr_arena_create();
    const char *const path[] = {tiny_gru(), tiny_lstm()};
    gr_compare_options o = tiny_options(path, 2);
    gr_comparison *c;
    pthread_t thread;
    o.seeds = 100;
    o.file = temp_path("edited_data.json");
    watcher w = {.file = o.file, .after = 2, .edited = temp_path("tiny.txt")};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, edit_after_runs, &w), 0);
    CU_ASSERT_PTR_NULL(tiny_compare(a, &o));
    __atomic_store_n(&w.ended, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(compare_error.message, "tiny.txt has changed since the comparison began"));
    CU_ASSERT_FATAL(gr_comparison_read(a, o.file, &c, &compare_error) == 1 && runs_done(c) >= 2 && runs_done(c) < 200);
    o.seeds = 2;
    c = tiny_compare(a, &o); /* of the edited data, from the beginning */
    o.file = NULL;
    const gr_comparison *plain = tiny_compare(a, &o);
    CU_ASSERT(c && plain && same_runs(c, plain));
    glob_t left;
    CU_ASSERT_NOT_EQUAL(glob(temp_path("edited_data.json*.part"), 0, NULL, &left), 0);
    gr_arena_destroy(a);
}

void test_compare_recall(void)
{
    CU_pSuite s = CU_add_suite("compare_recall", NULL, NULL);
    CU_add_test(s, "points of other metrics are not taken", points_of_other_metrics_are_not_taken);
    CU_add_test(s, "a model is compared with itself", a_model_is_compared_with_itself);
    CU_add_test(s, "plugins built again are other models", plugins_built_again_are_other_models);
    CU_add_test(s, "data in another order are other data", data_in_another_order_are_other_data);
    CU_add_test(s, "the end of the data counts", the_end_of_the_data_counts);
    CU_add_test(s, "batches far on are compared", batches_far_on_are_compared);
    CU_add_test(s, "runs without a place are kept", runs_without_a_place_are_kept);
    CU_add_test(s, "one comparison writes a file", one_comparison_writes_a_file);
    CU_add_test(s, "data edited meanwhile end it", data_edited_meanwhile_end_it);
}
