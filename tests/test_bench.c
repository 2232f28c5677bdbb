/* test_bench.c - graphrun bench: its file of results, rivals, what it refuses. No time is judged. */
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRU GR_SOURCE_DIR "/graphs/language_model/char_gru.yaml --set hidden=16 --set batch=4 --set time=5 --set chars=400"
#define SHORT "--seconds 0.05 --rounds 2 --noisy --threads 1"

static bool says(const char *words)
{
    if (strstr(said, words)) return true;
    fprintf(stderr, "\n  not \"%s\" but\n%s", words, said);
    return false;
}

static json_t *load(const char *path)
{
    json_t *list = json_load_file(path, 0, NULL);
    CU_ASSERT_TRUE_FATAL(json_is_array(list));
    return list;
}

static void results_have_their_fields(void)
{
    static const char *const numbers[] = {"value", "best", "share_of_peak", "best_share", "peak_gflops", "best_peak_gflops", "limit", "median_us", "best_us", "compile_ms",
                                          "passes_ms", "predicted_us", "threads_in_use", "state_bytes", "process_bytes", "arena_bytes", NULL};
    const char *file = temp_path("fields.json");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench " GRU " " SHORT " --json %s", file), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench " GRU " " SHORT " --what infer --json %s", file), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench " GRU " " SHORT " --what step --json %s", file), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench " GRU " " SHORT " --what infer --fetch rnn.output"), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --name word --unit us --json %s", HELLO, file), 0);
    json_t *list = load(file);
    static const char *const names[][2] = {{"char-gru", "tokens/s"}, {"char-gru infer", "tokens/s"}, {"char-gru step", "us"}, {"word", "us"}};
    CU_ASSERT_EQUAL_FATAL(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *o = json_array_get(list, i);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(o, "workload")), names[i][0]);
        CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(o, "unit")), names[i][1]);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(o, "threads")), 1);
        CU_ASSERT_TRUE(json_is_object(json_object_get(o, "rivals")));
        for (int k = 0; numbers[k]; k++) CU_ASSERT_TRUE(json_number_value(json_object_get(o, numbers[k])) > 0);
    }
    json_decref(list);
}

static void second_runs_say_what_changed(void)
{
    const char *file = temp_file("change.json", "[{\"workload\": \"hello\", \"threads\": 1, \"value\": 1e9, \"unit\": \"tokens/s\", "
                                 "\"peak_gflops\": 1}, {\"workload\": \"other\", \"threads\": 1}]");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --json %s", HELLO, file), 0);
    CU_ASSERT_TRUE(says("1e+09 -> "));
    CU_ASSERT_TRUE(says("  change"));
    json_t *list = load(file);
    CU_ASSERT_EQUAL(json_array_size(list), 2); /* what else stood there stays */
    CU_ASSERT_TRUE(json_number_value(json_object_get(json_array_get(list, 0), "value")) < 1e9);
    json_decref(list);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --name new --json %s", HELLO, file), 0);
    CU_ASSERT_PTR_NULL(strstr(said, "  change"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --name new --what infer --json %s", HELLO, file), 0); /* another thing */
    CU_ASSERT_PTR_NULL(strstr(said, "  change"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --json %s", HELLO, temp_file("text.json", "no list")), 1);
    CU_ASSERT_TRUE(says("is no file of results"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --json /nowhere/x.json", HELLO), 1);
}

/* A rival of the shell's, which looks for its case first. */
#define RIVAL(value) "'same=test -f $GRAPHRUN_BENCH_CASE/weights.safetensors -a -f $GRAPHRUN_BENCH_CASE/x.npy && echo ready " value \
    " && while read s; do echo 0.5 0.25 1048576; done'"

static void rivals_take_turns(void)
{
    const char *file = temp_path("rivals.json");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --unit us --json %s --rival " RIVAL("-"), HELLO, file), 0);
    CU_ASSERT_TRUE(says("  same        500000.0 us median, 250000.0 us best: graphrun is "));
    json_t *list = load(file), *rivals = json_object_get(json_array_get(list, 0), "rivals");
    CU_ASSERT_EQUAL(json_number_value(json_object_get(rivals, "same")), 500000);
    json_decref(list);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --json %s --rival " RIVAL("1.5") " --rival 'none=exit 3' --rival 'short=echo ready -'", HELLO,
                          file), 0);
    CU_ASSERT_TRUE(says("same is left out: it computes something else: 1.5, not "));
    CU_ASSERT_TRUE(says("none is left out: it did not get ready\n"));
    CU_ASSERT_TRUE(says("short is left out: it ended in the middle"));
    list = load(file);
    CU_ASSERT_EQUAL(json_object_size(json_object_get(json_array_get(list, 0), "rivals")), 0);
    json_decref(list);
}

/* None of them ends by itself. What a rival started is ended with it: `kill -0` finds nobody. */
static void rivals_are_not_waited_for(void)
{
    char command[512];
    const char *pids = temp_path("rivals.pid");
    remove(pids);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --rival-limit 0.3 --rival 'mute=sleep 1000' --rival 'slow=echo $$ >>%s; echo ready -; sleep 1000 & "
                          "echo $! >>%s; wait' --rival 'other=echo $$ >>%s; echo ready 7; while :; do sleep 1; done' "
                          "--rival 'talks=echo hello; sleep 1000'", HELLO, pids, pids, pids), 0);
    CU_ASSERT_TRUE(says("mute is left out: it did not get ready in 0.3 s"));
    CU_ASSERT_TRUE(says("slow is left out: it did not end a round of 0.025 s in 0.8 s"));
    CU_ASSERT_TRUE(says("other is left out: it computes something else"));
    CU_ASSERT_TRUE(says("talks is left out: it did not get ready but printed \"hello\""));
    snprintf(command, sizeof command, "test $(wc -l <%s) = 3 && for p in $(cat %s); do ! kill -0 $p 2>/dev/null || "
             "grep -q '^State:.*Z' /proc/$p/status || exit 1; done", pids, pids);
    CU_ASSERT_EQUAL(system(command), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --rival 'piped=echo ready -; sh -c \"kill -PIPE \\$\\$\" || while read s; do echo 1 1 1; done'", HELLO), 0);
    CU_ASSERT_PTR_NULL(strstr(said, "left out")); /* the signal is not ignored */
}

static void the_case_lies_in_tmpdir(void)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s", temp_path("it's here"));
    CU_ASSERT_EQUAL(mkdir(folder, 0777), 0);
    char *before = getenv("TMPDIR");
    before = before ? strdup(before) : NULL;
    setenv("TMPDIR", folder, 1);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --rival 'same=case \"$GRAPHRUN_BENCH_CASE\" in *here/graphrun-bench-*) echo ready -; esac; "
                          "while read s; do echo 1 1 1; done'", HELLO), 0);
    CU_ASSERT_PTR_NULL(strstr(said, "left out"));
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing is left in it */
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --rival same=true", HELLO), 1);
    CU_ASSERT_TRUE(says("cannot be made"));
    if (before) setenv("TMPDIR", before, 1);
    else unsetenv("TMPDIR");
    free(before);
}

/* The first loss is what training would report of the first batch. */
static void the_same_is_computed(void)
{
    char command[512], loss[64];
    snprintf(command, sizeof command, "'%s/tools/graphrun' train %s --steps 1 --quiet >%s", GR_BUILD_DIR, HELLO, temp_path("loss.out"));
    CU_ASSERT_EQUAL(system(command), 0);
    char *text = read_text(temp_path("loss.out"), NULL), *at = text ? strstr(text, "loss ") : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    snprintf(loss, sizeof loss, "%.6f", atof(at + 5));
    free(text);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s " SHORT " --rival 'same=echo ready %s; while read s; do echo 1 1 1; done'", HELLO, loss), 0);
    CU_ASSERT_PTR_NULL(strstr(said, "left out"));
}

#define LITTLE "--set width=8 --set heads=2 --set layers=1 --what step "

static void what_cannot_be_measured_is_told(void)
{
    const char *runs = temp_file("runs.yaml", "graphrun: 1\ngraph:\n  x: {op: Ones, shape: [2]}\n");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s", runs), 1);
    CU_ASSERT_TRUE(says("there is no training step to measure"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --what infer", runs), 1);
    CU_ASSERT_TRUE(says("--fetch VALUE says what to compute"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --what infer --fetch x " SHORT, runs), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --what step", HELLO), 1);
    CU_ASSERT_TRUE(says("has no `generate` section"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s/graphs/language_model/transformer.yaml " LITTLE "--set graph.encoder.is_causal=false", GR_SOURCE_DIR), 1);
    CU_ASSERT_TRUE(says("does not step: 'encoder.layers.0.self_attn.scores' (MatMul) mixes the steps of 'time'"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s/graphs/language_model/transformer.yaml " LITTLE SHORT, GR_SOURCE_DIR), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --what generate", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --fetch loss", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --rounds 0", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --seconds 0", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --rival python", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --unit hours", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --unit us", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --name '\xff' --json x.json", HELLO), 2);
    CU_ASSERT_TRUE(says("--name is not UTF-8"));
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --rival '\xff=true'", HELLO), 2);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --rival-limit 0", HELLO), 2);
    const char *none = temp_path("none.json");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --what infer --fetch x --unit tokens/s --json %s " SHORT, runs, none), 1);
    CU_ASSERT_TRUE(says("reads nothing that is counted as tokens"));
    CU_ASSERT_NOT_EQUAL(access(none, F_OK), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " bench %s --weights /nowhere.safetensors", HELLO), 1);
}

/* Processes that do nothing but turn keep it from reporting. */
static void noise_is_refused(void)
{
    char command[1024];
    const char *file = temp_path("noise.json"), *out = temp_path("noise.out");
    snprintf(command, sizeof command, "pids=; for i in $(seq %ld); do (while :; do :; done) & pids=\"$pids $!\"; done; '%s/tools/graphrun' "
             "bench %s --seconds 0.5 --json %s >%s 2>&1; code=$?; kill $pids; exit $code", 1 + sysconf(_SC_NPROCESSORS_ONLN) / 10,
             GR_BUILD_DIR, HELLO, file, out);
    int status = system(command);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    char *text = read_text(out, NULL);
    CU_ASSERT_PTR_NOT_NULL(text ? strstr(text, "too noisy to report anything: other processes took ") : NULL);
    CU_ASSERT_PTR_NULL(text ? strstr(text, "GFLOP/s") : "");
    free(text);
    CU_ASSERT_NOT_EQUAL(access(file, F_OK), 0);
}

void test_bench(void)
{
    CU_pSuite s = CU_add_suite("bench", NULL, NULL);
    CU_add_test(s, "results have their fields", results_have_their_fields);
    CU_add_test(s, "a second run says what changed", second_runs_say_what_changed);
    CU_add_test(s, "rivals take turns", rivals_take_turns);
    CU_add_test(s, "rivals are not waited for for ever", rivals_are_not_waited_for);
    CU_add_test(s, "the case lies in TMPDIR", the_case_lies_in_tmpdir);
    CU_add_test(s, "what rivals are compared with is the first loss", the_same_is_computed);
    CU_add_test(s, "what cannot be measured is told", what_cannot_be_measured_is_told);
    CU_add_test(s, "a noisy machine is refused", noise_is_refused);
}
