/* test_new_op.c - projects that new-op writes: each builds with one command against this build tree and passes its
 * own check; names that cannot be, and folders that are there, are refused. */
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void lacks(const char *text)
{
    CU_ASSERT_PTR_NULL(strstr(said, text));
    if (strstr(said, text)) printf("\n%s\n", said);
}

static void says(const char *text)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(said, text));
    if (!strstr(said, text)) printf("\n  no '%s' in:\n%s\n", text, said);
}

/* Whether there is a make and a pkg-config; says that a test is skipped if not. */
static bool can_build(void)
{
    if (system("command -v make cc pkg-config >/dev/null") == 0) return true;
    printf("skipped: projects of new-op need make, cc and pkg-config\n");
    return false;
}

/* The sanitizers must be in the command, or a plugin alone: it is built as a user's compiler does. */
static void project_passes(const char *kind, const char *op, const char *file)
{
    const char *folder = temp_path(file);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " new-op %s --kind %s -o '%s'", op, kind, folder), 0);
    says(file);
    CU_ASSERT_EQUAL(shell("grep -rqE 'OpName|op_name|GRAPHRUN_BUILD_TREE' '%s'", folder), 1); /* no word of the template is left */
    CU_ASSERT_EQUAL(shell("make -C '%s' check CFLAGS='-O1 -Wall -Wextra -Werror'", folder), 0);
    says("all right");
    says(", 0 wrong");
    lacks("FAILED");
    CU_ASSERT_EQUAL(shell("make -n -C '%s' bench BENCH=--noisy", folder), 0);
    says("--seconds 2 --noisy\n");
    CU_ASSERT_EQUAL(shell("make -C '%s' train", folder), 0);
    says("epoch ");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " ops %s --plugin '%s/%s.so'", op, folder, file), 0);
    says(op);
    CU_ASSERT_EQUAL(shell("cd '%s' && " GRAPHRUN " check %s.yaml", folder, file), 0);
}

static void a_composite_project(void) { if (can_build()) project_passes("composite", "SoftSwish", "soft_swish"); }
static void a_kernel_project(void) { if (can_build()) project_passes("kernel", "RowUnit2", "row_unit2"); }
static void a_cell_project(void) { if (can_build()) project_passes("cell", "SLeaky", "s_leaky"); }
static void a_data_project(void) { if (can_build()) project_passes("data", "TwoWaves", "two_waves"); }

/* Against an installed graphrun: headers and command are where graphrun.pc says, whatever else the PATH has. */
static void an_installed_graphrun_is_found(void)
{
    if (!can_build()) return;
    const char *folder = temp_path("installed");
    temp_file("graphrun.pc", "includedir=%s/include\ngraphrun=%s/tools/graphrun\nName: graphrun\nDescription: x\nVersion: 1\n"
              "Requires.private: what-is-not-there\n", GR_SOURCE_DIR, GR_BUILD_DIR);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " new-op Installed -o '%s'", folder), 0);
    CU_ASSERT_EQUAL(shell("printf '#!/bin/sh\necho an older one; exit 1\n' >'%s/../graphrun'; chmod +x '%s/../graphrun'", folder, folder), 0);
    CU_ASSERT_EQUAL(shell("PATH='%s/..':$PATH PKG_CONFIG_PATH='%s/..' make -C '%s' GRAPHRUN= check", folder, folder, folder), 0);
    says("\n'" GR_BUILD_DIR "/tools/graphrun' test-plugin");
    says("all right");
    CU_ASSERT_NOT_EQUAL(shell("PKG_CONFIG_PATH=/nowhere make -B -C '%s' GRAPHRUN=/nowhere", folder), 0);
    says("make GRAPHRUN=/path/to/its/build");
    temp_file("graphrun.pc", "includedir=%s/include\nName: graphrun\nDescription: x\nVersion: 1\n", GR_SOURCE_DIR); /* names no command */
    CU_ASSERT_NOT_EQUAL(shell("PATH='%s/..':$PATH PKG_CONFIG_PATH='%s/..' make -C '%s' GRAPHRUN= check", folder, folder, folder), 0);
    lacks("an older one");
    says("pkg-config finds no graphrun with headers and a command");
}

/* The check of a project notices a gradient that is wrong. */
static void the_check_can_fail(void)
{
    if (!can_build()) return;
    const char *folder = temp_path("wrong_one");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " new-op WrongOne --kind kernel -o '%s'", folder), 0);
    CU_ASSERT_EQUAL(shell("sed -i 's/g\\[i\\] - y\\[i\\] \\* along/g[i] + y[i] * along/' '%s/wrong_one.c'", folder), 0);
    CU_ASSERT_NOT_EQUAL(shell("make -C '%s' check", folder), 0);
    says("gradients  FAILED");
    says("the gradient toward input[0]: analytic");
}

static void what_is_there_is_left_alone(void)
{
    const char *folder = temp_path("there");
    CU_ASSERT_EQUAL(mkdir(folder, 0700), 0);
    CU_ASSERT_EQUAL(shell("echo mine > '%s/there.c'", folder), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " new-op There -o '%s'", folder), 1);
    says("exists already, and was left alone");
    CU_ASSERT_EQUAL(shell("cat '%s'/*", folder), 0);
    CU_ASSERT_STRING_EQUAL(said, "mine\n");
}

static void names_are_checked(void)
{
    static const struct { const char *arguments, *says; } wrong[] = {
        {"", "what is the op to be called?"}, {"2fast", "write Op2fast"}, {"my-op", "write MyOp"}, {"'a b'", "write AB"}, {"''", "write MyOp"}, {"swish", "in CamelCase: a capital, then letters and digits, at most 60; write Swish"},
        {"soft_swish", "write SoftSwish"}, {"tanh", "write MyTanh"}, {"Soft_Swish", "write SoftSwish"},
        {"Tanh", "graphrun has an op called 'Tanh'"}, {"LSTMCell", "write another name, MyLSTMCell"},
        {"CharText --kind data", "graphrun has a data source called 'CharText'"}, {"One Two", "'Two' is left over"},
        {"One --kind kernal", "--kind is composite|kernel|cell|data"}, {"One --threads 2", "there is nothing that --threads could change here: leave it out"}, {"One --knd cell", "did you mean --kind"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CU_ASSERT_EQUAL(shell("cd '%s/..' && " GRAPHRUN " new-op %s", temp_path("x"), wrong[i].arguments), 2);
        says(wrong[i].says);
    }
}

/* A project's files and folder. */
static void files_are_called_as_words(void)
{
    static const struct { const char *op, *file; } name[] = {
        {"SquaredReLU", "squared_relu"}, {"ReLU2", "relu2"}, {"CTCLoss", "ctc_loss"}, {"RNNCell2", "rnn_cell2"}, {"MyGRU", "my_gru"}, {"SLSTM", "slstm"},
        {"PReLU3", "prelu3"}, {"SiLUCell", "silu_cell"}, {"SoftSwish", "soft_swish"}, {"SLeaky", "s_leaky"}};
    const char *folder = temp_path("words");
    CU_ASSERT_EQUAL(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        char line[100];
        CU_ASSERT_EQUAL(shell("cd '%s' && " GRAPHRUN " new-op %s", folder, name[i].op), 0);
        snprintf(line, sizeof line, "%s/ holds the op %s ", name[i].file, name[i].op);
        says(line);
    }
}

static void help_keeps_choices_and_text_apart(void)
{
    CU_ASSERT_EQUAL(shell(GRAPHRUN " new-op --help"), 0);
    says("  --kind composite|kernel|cell|data\n                                   made of other ops");
}

/* In the list, in suggestions, in the checks and in the pictures of a model. */
static void a_plugins_op_is_like_any_other(void)
{
    const char *text = "graphrun: 1\nname: like\nvars: {bend: SoftCap}\nplugins: ['" GR_BUILD_DIR "/graphs/plugins/minimal_gated.so']\ngraph:\n"
                       "  x: {op: Input, shape: [5, 2, 3]}\n  rnn: {op: Recurrent, cell: MinimalGated, in: x, hidden_size: 4}\n"
                       "  capped: {op: $bend, in: rnn.output, cap: 2}\n  loss: {op: Sum, in: capped}\n"
                       "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 2}\n";
    const char *model = temp_file("like.yaml", "%s", text);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " ops --plugin '" GR_BUILD_DIR "/graphs/plugins/minimal_gated.so'"), 0);
    says("SoftCap ");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " check '%s'", model), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " check '%s' --set bend=SoftKap", model), 1);
    says("did you mean 'SoftCap'?");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " gradcheck '%s'", model), 0);
    says(", 0 wrong");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " dot '%s'", model), 0);
    says("SoftCap");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " dot '%s' --after differentiate", model), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " plan '%s'", model), 0);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " trace '%s' --steps 2", model), 0);
    says("rnn");
}

/* Told once, whatever is unknown; not where a plugin was asked for. */
static void unknown_ops_may_be_of_plugins(void)
{
    static const char note[] = "graphrun: note: is it a plugin's? They are loaded by `plugins: [FILE.so]` in the model file, or by --plugin FILE\n";
    static const char *const model[] = {"ctc", "slstm", "snake", "adding_problem"};
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        CU_ASSERT_EQUAL(shell("sed '/^plugins:/d' '%s/graphs/plugins/%s.yaml' >'%s'; " GRAPHRUN " check '%s'", GR_SOURCE_DIR, model[i], temp_path("bare.yaml"),
                              temp_path("bare.yaml")), 1);
        says(note);
        if (strstr(said, note)) CU_ASSERT_PTR_NULL(strstr(strstr(said, note) + sizeof note - 1, "is it a plugin's"));
    }
    CU_ASSERT_EQUAL(shell(GRAPHRUN " check '%s' --plugin '%s/graphs/plugins/ctc.so'", temp_path("bare.yaml"), GR_BUILD_DIR), 1);
    lacks("is it a plugin's");
    const char *wrong = temp_file("optimiser.yaml", "graphrun: 1\ngraph:\n  w: {op: Parameter, shape: [2]}\n  y: {op: Sum, in: w}\n"
                                  "train: {minimize: y, optimizer: {op: Lion2, lr: 0.1}, steps: 1%s}\n", "");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " check '%s'", wrong), 1);
    says(note);
    CU_ASSERT_EQUAL(shell(GRAPHRUN " ops Snake"), 2);
    says("note: is it a plugin's? They are loaded by --plugin FILE");
}

static void test_plugin_says_what_it_wants(void)
{
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin"), 2);
    says("which plugin?");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin /nowhere/x.so"), 1);
    says("/nowhere/x.so");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin '%s/tests/odd_right.so'", GR_BUILD_DIR), 1); /* it has no cases */
    says("FAILED  there is no case at all");
    says("odd_right.so: 1 op, 1 check, 1 failed\n");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin '%s/tests/wrong_source.so'", GR_BUILD_DIR), 1);
    says("GoodSource           order      ok      ");
    says("CountsEpochs         order      FAILED  split 'train', epoch 1, batch 0: is another when its epoch is read again");
    says("19 data sources, ");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin '%s/graphs/plugins/adding_problem.so' '%s/graphs/plugins/adding_problem.yaml'", GR_BUILD_DIR,
                          GR_SOURCE_DIR), 0);
    says("adding_problem.so: 1 data source, 6 checks, all right");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin '%s/graphs/plugins/adding_problem.so' '%s/graphs/hello.yaml'", GR_BUILD_DIR, GR_SOURCE_DIR), 1);
    says("its data are not of this plugin, but of Inline");
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin '%s/tests/odd_bad_default.so'", GR_BUILD_DIR), 1);
    says("default of attribute 'k'");
}

/* Each op of the plugin does one thing that a kernel may not. */
static void test_plugin_names_a_kernels_fault(void)
{
    static const struct { const char *op, *says; } wrong[] = {
        {"Beyond", "runs       FAILED  {} of \"f 5\": Beyond writes beyond output `y`, element 5 of 5\n"},
        {"FarBeyond", "runs       FAILED  {} of \"f 5\": FarBeyond writes beyond output `y`, element 45 of 5\n"},
        {"Before", "runs       FAILED  {} of \"f 5\": Before writes beyond output `y`, element -1 of 5\n"},
        {"IntoInput", "runs       FAILED  {} of \"f 5\": IntoInput writes to its input `x`, element 2 of 5\n"},
        {"BeyondScratch", "runs       FAILED  {} of \"f 5\": BeyondScratch writes beyond its scratch, byte 40 of 40\n"},
        {"Partly", "runs       FAILED  {} of \"f 5\": Partly: output `y`[4] was never written\n"},
        {"Adding", "runs       FAILED  {} of \"f 5\": Adding: output `y`[0] depends on what output and scratch held before the call\n"},
        {"ByBegin", "runs       FAILED  {} of \"f 5\": ByBegin: output `y`[2] depends on which units a call has\n"},
        {"FromFirst", "runs       FAILED  {} of \"f 5\": FromFirst: output `y`[3] depends on which units a call has\n"},
        {"Counts", "runs       FAILED  {} of \"f 5\": Counts: output `y`[0] is another when the kernel is called again: it keeps something between calls\n"},
        {"Single", "runs       FAILED  {} of \"f 5\": Single has no kernel for float64, which checking gradients needs\n"},
        {"Partly", "-          not run, because of what failed: gradients, loops, passes, program, threads, float, lengths\n"},
        {"RightExample", "example    ok      1 model\n"},
        {"RightExample", "gradients  ok      "},
        {"WrongExample", "example    FAILED  example.yaml:4:29: error: the graph has no node called 'z'"},
        {"OtherExample", "example    FAILED  its example does not use it\n"},
        {"Crash", "runs       FAILED  {} of \"f 5\": crashed (signal 11, segmentation fault)\n"},
        {"Aborts", "runs       FAILED  {} of \"f 5\": crashed (signal 6, aborted)\n"},
        {"Leave", "runs       FAILED  {} of \"f 5\": ended the process (exit code 0)\n"},
        {"Endless", "runs       FAILED  {} of \"f 5\": was not done after 2 seconds\n"},
    };
    CU_ASSERT_EQUAL(shell(GRAPHRUN " test-plugin '%s/tests/wrong_kernels.so' --limit 2", GR_BUILD_DIR), 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[300];
        snprintf(line, sizeof line, "\n%-20s %s", wrong[i].op, wrong[i].says);
        says(line);
    }
}

void test_new_op(void)
{
    CU_pSuite s = CU_add_suite("new_op", NULL, NULL);
    if (GR_TEST_NUMBERS) CU_add_test(s, "a composite's project builds and passes its check", a_composite_project);
    if (GR_TEST_NUMBERS) CU_add_test(s, "a kernel's project builds and passes its check", a_kernel_project);
    if (GR_TEST_NUMBERS) CU_add_test(s, "a cell's project builds and passes its check", a_cell_project);
    if (GR_TEST_NUMBERS) CU_add_test(s, "a data source's project builds and passes its check", a_data_project);
    CU_add_test(s, "an installed graphrun is found by pkg-config", an_installed_graphrun_is_found);
    if (GR_TEST_NUMBERS) CU_add_test(s, "the check of a project can fail", the_check_can_fail);
    CU_add_test(s, "nothing is overwritten", what_is_there_is_left_alone);
    CU_add_test(s, "names and kinds are checked", names_are_checked);
    CU_add_test(s, "files are called as words", files_are_called_as_words);
    CU_add_test(s, "help keeps choices and text apart", help_keeps_choices_and_text_apart);
    CU_add_test(s, "a plugin's op is like any other", a_plugins_op_is_like_any_other);
    CU_add_test(s, "an op that is not known may be a plugin's", unknown_ops_may_be_of_plugins);
    CU_add_test(s, "test-plugin says what it wants", test_plugin_says_what_it_wants);
    CU_add_test(s, "test-plugin names what a kernel may not do", test_plugin_names_a_kernels_fault);
}
