/* test_command_line.c - options: which command takes which, what is no value of one, and what a message says then. */
#include "cli_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The line is refused, with that in the message, and nothing is done. */
static void refused(const char *line, const char *why)
{
    CU_ASSERT_EQUAL(graphrun("%s", line), 2);
    CU_ASSERT_STRING_EQUAL(out_text, "");
    bool says = strstr(err_text, why) != NULL;
    CU_ASSERT(says);
    if (!says) printf("graphrun %s\nnot '%s' but: %s", line, why, err_text);
}

static void numbers_that_are_none(void)
{
    refused("train " HELLO " --seed 99999999999999999999", "--seed 99999999999999999999 is more than a whole number holds: 9223372036854775807 at most");
    refused("train " HELLO " --seed -99999999999999999999", "--seed wants a whole number from 0 up, such as 100, not '-99999999999999999999'");
    refused("train " HELLO " --steps 1e3", "--steps wants a whole number from 0 up, such as 100, not '1e3'");
    refused("train " HELLO " --steps ''", "--steps wants a whole number from 0 up, such as 100, not ''");
    refused("train " HELLO " --every 0 --checkpoint x", "--every takes a number of at least 1");
    refused("train " HELLO " --report 0", "--report takes a number of at least 1");
    refused("bench " HELLO " --seconds 1e999", "--seconds 1e999 is more than a number holds: 1.8e+308 at most");
    static const char *const none[] = {"nan", "inf", "", "2s", "1,5", "0.5 0.5"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CU_ASSERT_EQUAL(graphrun("bench %s --seconds '%s'", HELLO, none[i]), 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "--seconds "));
        CU_ASSERT_STRING_EQUAL(out_text, "");
    }
    CU_ASSERT_EQUAL(graphrun("train %s --steps 1 --quiet --seed 9223372036854775807", HELLO), 0);
}

static void options_that_are_none(void)
{
    refused("train " HELLO " --epocs=2", "there is no option '--epocs=2' here; did you mean --epochs");
    refused("train " HELLO " --quiet=1", "--quiet takes no value: leave out '=1'");
    refused("train " HELLO " --epochs", "--epochs needs a value: --epochs N");
    refused("dot " HELLO " -o", "-o needs a value: -o FILE");
    refused("train -xq " HELLO, "there is no option '-x' here; --help lists those that are");
    refused("bench " HELLO " --rival-limit 3", "--rival-limit is about --rival NAME=COMMAND, which is not given");
    refused("dot " HELLO " --threads 2", "--threads says who runs what in the picture that --steps T draws");
    refused("train " HELLO " --save ''", "--save wants FILE, not ''");
    refused("train " HELLO " --lr 0.1", "and --set KEY=VALUE changes the model, as in --set train.optimizer.lr=0.1");
    refused("train " HELLO " --set =3", "--set wants KEY=VALUE, not '=3'");
    refused("run " HELLO " --input x", "--input wants NAME=FILE.npy, not 'x'");
    refused("run " HELLO " --fetch loss=", "--fetch wants NAME=FILE.npy or NAME, not 'loss='");
    refused("predict " HELLO, "'predict' is neither a command nor a file; did you mean 'run'?");
    refused("help trian", "did you mean 'train'?");
    CU_ASSERT_EQUAL(graphrun("help train"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "--resume FILE"));
}

/* A command takes those of the common options that can change what it does, says so in its help, and refuses the others. */
static void options_that_change_nothing(void)
{
    static const char *const option[][2] = {
        {"set", "a=1"}, {"threads", "2"}, {"seed", "2"}, {"dtype", "float64"}, {"plugin", "/nowhere.so"}};
    int commands = 0, taken = 0;
    CU_ASSERT_EQUAL_FATAL(graphrun("--help"), 0);
    char *list = strdup(out_text), name[32], rest[200], line[100], why[100];
    for (char *at = list; at; at = strchr(at, '\n'), at += at != NULL) {
        if (sscanf(at, " graphrun %31[a-z-] %199[^\n]", name, rest) != 2) continue;
        CU_ASSERT_EQUAL(graphrun("%s --help", name), 0);
        char *help = strdup(strstr(out_text, "\ncommon options:\n"));
        commands++;
        for (size_t i = 0; i < sizeof option / sizeof *option; i++) {
            snprintf(line, sizeof line, " --%s ", option[i][0]);
            if (strstr(help, line)) taken++;
            if (strstr(help, line)) continue;
            snprintf(line, sizeof line, "%s --%s %s", name, option[i][0], option[i][1]);
            snprintf(why, sizeof why, "there is nothing that --%s could change here: leave it out", option[i][0]);
            refused(line, why);
        }
        CU_ASSERT_PTR_NOT_NULL(strstr(help, "--quiet"));
        free(help);
    }
    free(list);
    CU_ASSERT(commands > 15 && taken > 40);
    refused("ops LSTM --set hidden=3", "--set could change here");
    refused("check " HELLO " --threads 2", "--threads could change here");
    refused("plan " HELLO " --seed 2", "--seed could change here");
    CU_ASSERT_EQUAL(graphrun("schema --plugin /nowhere.so"), 1);
}

/* Whether the text names it, with nothing behind that would make it another name. */
static bool names(const char *text, const char *option)
{
    const size_t n = strlen(option);
    for (const char *at = text; (at = strstr(at, option)); at++)
        if (at[n] != '-' && (at[n] < 'a' || at[n] > 'z')) return true;
    return false;
}

/* "--NAME" of each option that the table of a command's help lists is in its usage, or its letter is; gives how many. */
static int check_usage(const char *command)
{
    char letter[2], name[40], word[44];
    int n = 0;
    CU_ASSERT_EQUAL(graphrun("%s --help", command), 0);
    char *usage = strdup(out_text), *table = strstr(out_text, "\noptions:\n");
    *strstr(usage, table ? "\noptions:\n" : "\ncommon options:\n") = 0;
    for (char *at = table ? table : strstr(out_text, "\ncommon options:\n"); at; at = strchr(at, '\n'), at += at != NULL) {
        const bool has_letter = sscanf(at, " -%1[a-z], --%39[a-z-]", letter, name) == 2;
        if ((!has_letter && sscanf(at, " --%39[a-z-]", name) != 1) || strcmp(name, "help") == 0 || strcmp(name, "version") == 0) continue;
        snprintf(word, sizeof word, has_letter ? "-%s" : "--%s", has_letter ? letter : name);
        CU_ASSERT(names(usage, word));
        if (!names(usage, word)) printf("graphrun %s: %s is not in\n%s\n", command, word, usage);
        n++;
    }
    for (const char *at = usage; (at = strstr(at, "[--")); at++) {
        sscanf(at + 1, "%43[a-z-]", word);
        CU_ASSERT(names(table ? table : out_text, word));
    }
    for (char *line = strtok(usage, "\n"); line; line = strtok(NULL, "\n")) CU_ASSERT(strlen(line) <= 120);
    free(usage);
    return n;
}

/* A usage leaves out no option of its command, nor has it others; what is wrong in a line brings the same one. */
static void usages_name_every_option(void)
{
    int options = check_usage(HELLO);
    char name[32];
    CU_ASSERT_EQUAL_FATAL(graphrun("--help"), 0);
    char *list = strdup(out_text);
    for (char *at = list; at; at = strchr(at, '\n'), at += at != NULL)
        if (sscanf(at, " graphrun %31[a-z-]", name) == 1) options += check_usage(name);
    free(list);
    CU_ASSERT(options > 130);
    CU_ASSERT_EQUAL(graphrun("compare --help"), 0);
    char *usage = strndup(out_text, (size_t)(strstr(out_text, "\nSays") + 1 - out_text));
    CU_ASSERT_PTR_NOT_NULL(strstr(usage, "[--sweep VAR=A,B,...] [--gradient VALUE]"));
    refused("compare --nosuch", usage);
    free(usage);
}

/* What --set names and the model lacks, and files that could not be written, which is said before the work. */
static void what_a_model_lacks(void)
{
    static const char *const line[][2] = {
        {"check " HELLO " --set lr=0.1", "the model has no var 'lr'; a key is named with its section, as in train.optimizer.lr"},
        {"check " HELLO " --set rnn.over=time", "'rnn' is a node: write graph.rnn.over=time"},
        {"check " HELLO " --set train.early_stopping=true", "'early_stopping' is after how many validations"},
        {"check " HELLO " --set graph.x.from=data.z", "--set:1:14: error: the data source has no field 'z'; there are: x, y"},
        {"check " HELLO " --set 'graph.letters={op: OneHot, in: x[0], num_classes: 4}'", "'[' cannot follow a name; an output of a node is NODE.NAME"},
        {"bench " HELLO " --json /nowhere/b.json", "/nowhere/b.json"},
    };
    for (size_t i = 0; i < sizeof line / sizeof *line; i++) {
        CU_ASSERT_EQUAL(graphrun("%s", line[i][0]), 1);
        CU_ASSERT_STRING_EQUAL(out_text, "");
        bool says = strstr(err_text, line[i][1]) != NULL;
        CU_ASSERT(says);
        if (!says) printf("not '%s' but: %s", line[i][1], err_text);
    }
    const char *weights = temp_path("eval.safetensors");
    CU_ASSERT_EQUAL(graphrun("train %s --steps 1 --quiet --save '%s'", HELLO, weights), 0);
    CU_ASSERT_EQUAL(graphrun("eval %s --weights '%s' --json /nowhere/e.json", HELLO, weights), 1);
    CU_ASSERT_STRING_EQUAL(out_text, "");
}

/* ---- compare: the command as it is kept, and files set otherwise ---- */

static const char *comparable(void)
{
    return temp_file("compared it's.yaml",
        "graphrun: 1\nname: small\nvars: {hidden: 4}\n"
        "data: {op: Task, task: parity, items: 40, length: 4, split: {train: 0.5, valid: 0.5}, batch_size: 10}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  label: {op: Input, shape: [batch], dtype: int32, from: data.labels}\n"
        "  bits: {op: OneHot, in: tokens, num_classes: $data.vocab}\n"
        "  rnn: {op: RNN, in: bits, hidden_size: $hidden}\n"
        "  last: {op: Select, in: rnn.output, dim: 0, index: -1}\n"
        "  logits: {op: Linear, in: last, out_features: 2}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: label}}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 2}\n");
}

/* A text of a file of results: of the whole, or of a model. */
static char *kept(const char *file, int model, const char *key)
{
    json_t *root = json_load_file(file, 0, NULL), *list = json_object_get(root, "models");
    json_t *value = json_object_get(model < 0 ? root : json_array_get(list, (size_t)model), key);
    char *text = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(root);
    return text;
}

/* What is kept can be given to a shell again. */
static void commands_are_kept(void)
{
    const char *model = comparable(), *file = temp_path("kept command.json");
    remove(file);
    CU_ASSERT_EQUAL(graphrun("compare \"%s\" \"%s,hidden=3\" --seeds 2 --steps 2 --points 1 --json '%s'", model, model, file), 0);
    char *command = kept(file, -1, "command");
    CU_ASSERT_PTR_NOT_NULL_FATAL(command);
    CU_ASSERT_PTR_NOT_NULL(strstr(command, "/compared it'\\''s.yaml' '"));
    CU_ASSERT_PTR_NOT_NULL(strstr(command, "/compared it'\\''s.yaml,hidden=3' --seeds 2 --steps 2 --points 1 --json '"));
    CU_ASSERT_EQUAL(strncmp(command, "graphrun compare '", 18), 0);
    CU_ASSERT_EQUAL(graphrun("%s", command + strlen("graphrun ")), 0);
    free(command);
}

/* Commas within braces, brackets and quotes are of the setting. */
static void settings_have_commas(void)
{
    const char *model = comparable(), *file = temp_path("settings.json");
    remove(file);
    CU_ASSERT_EQUAL(graphrun("compare \"%s,data.split={train: 0.5, valid: 0.5},hidden=3\" \"%s,train.optimizer={op: Adam, lr: 0.1, betas: [0.8, 0.9]}\" "
                             "--seeds 2 --steps 2 --points 1 --json '%s'", model, model, file), 0);
    char *first = kept(file, 0, "sets"), *second = kept(file, 1, "sets");
    CU_ASSERT_STRING_EQUAL(first, "[\"data.split={train: 0.5, valid: 0.5}\",\"hidden=3\"]");
    CU_ASSERT_STRING_EQUAL(second, "[\"train.optimizer={op: Adam, lr: 0.1, betas: [0.8, 0.9]}\"]");
    free(first);
    free(second);
    CU_ASSERT_EQUAL(graphrun("compare \"%s,hidden=3,4\" \"%s\"", model, model), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "after a model's comma stands KEY=VALUE, not '4'"));
}

/* Each line is "graphrun NAME   what it does". */
static void summaries_begin_in_one_column(void)
{
    CU_ASSERT_EQUAL(graphrun("--help"), 0);
    size_t column = 0;
    for (const char *line = out_text; *line; line += strcspn(line, "\n") + 1) {
        const char *name = strstr(line, "graphrun ");
        if (!name || strncmp(line, "graphrun ", 9) == 0) continue;
        const char *summary = name + 9 + strcspn(name + 9, " ");
        summary += strspn(summary, " ");
        if (!column) column = (size_t)(summary - line);
        CU_ASSERT_EQUAL((size_t)(summary - line), column);
    }
    CU_ASSERT(column > 0);
}

void test_command_line(void)
{
    CU_pSuite s = CU_add_suite("command line", NULL, NULL);
    CU_add_test(s, "numbers that are none", numbers_that_are_none);
    CU_add_test(s, "options that are none", options_that_are_none);
    CU_add_test(s, "options that change nothing", options_that_change_nothing);
    CU_add_test(s, "usages name every option", usages_name_every_option);
    CU_add_test(s, "summaries begin in one column", summaries_begin_in_one_column);
    CU_add_test(s, "what a model lacks", what_a_model_lacks);
    CU_add_test(s, "compare: its command is kept", commands_are_kept);
    CU_add_test(s, "compare: settings with commas", settings_have_commas);
}
