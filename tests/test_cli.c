/* test_cli.c - the command as a person meets it: exit codes, what goes where, files. */
#include "cli_support.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void hello_learns_its_word(void)
{
    CU_ASSERT_EQUAL(graphrun("%s", HELLO), 0);
    CU_ASSERT_EQUAL(line_count(out_text), 60);
    char *last = strstr(out_text, "epoch 60  ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(last);
    CU_ASSERT_PTR_NOT_NULL(strstr(last, "\"ohlol\""));
    CU_ASSERT_EQUAL(graphrun("%s --quiet --epochs 2", HELLO), 0);
    CU_ASSERT_EQUAL(line_count(out_text), 2);
    CU_ASSERT_STRING_EQUAL(err_text, "");
}

static void mistyped_commands_are_2(void)
{
    CU_ASSERT_EQUAL(graphrun(" "), 2);
    CU_ASSERT_EQUAL(graphrun("--help"), 0);
    CU_ASSERT_EQUAL(graphrun("--version"), 0);
    CU_ASSERT_EQUAL(graphrun("train --help"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "--resume FILE"));
    CU_ASSERT_EQUAL(graphrun("tran %s", HELLO), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "did you mean 'train'"));
    CU_ASSERT_EQUAL(graphrun("train %s --epoch 2", HELLO), 0); /* an unambiguous beginning of an option */
    CU_ASSERT_EQUAL(graphrun("train %s --epocs 2", HELLO), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "did you mean --epochs"));
    CU_ASSERT_EQUAL(graphrun("train %s --epochs", HELLO), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "--epochs needs a value"));
    CU_ASSERT_EQUAL(graphrun("train -h"), 0);
    CU_ASSERT_EQUAL(graphrun("train %s --epochs two", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("train %s --resume a --weights b", HELLO), 2); /* nothing is accepted and ignored */
    CU_ASSERT_EQUAL(graphrun("run %s --of loss", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --dtype float32", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("train %s --dtype float16", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("train"), 2);
}

static void wrong_models_are_1(void)
{
    CU_ASSERT_EQUAL(graphrun("check %s --set train.optimizer.op=SGD --set train.optimizer.nesterov=true", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "Nesterov momentum needs"));
    CU_ASSERT_PTR_NULL(strstr(err_text, "note:")); /* shapes have nothing to do with it */
    const char *runs = temp_file("runs.yaml", "graphrun: 1\ngraph:\n  x: {op: Ones, shape: [2]}\n");
    CU_ASSERT_EQUAL(graphrun("%s", runs), 0);
    CU_ASSERT_EQUAL(graphrun("%s --epochs 2", runs), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "has no `train` section"));
    CU_ASSERT_EQUAL(graphrun("check /nowhere/at_all.yaml"), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "/nowhere/at_all.yaml"));
    CU_ASSERT_EQUAL(graphrun("train %s --weights /nowhere/w.safetensors", HELLO), 1);
    CU_ASSERT_EQUAL(graphrun("train %s --save /nowhere/w.safetensors", HELLO), 1);
    CU_ASSERT_STRING_EQUAL(out_text, ""); /* said before training, not after */
    CU_ASSERT_EQUAL(graphrun("train %s --checkpoint /nowhere/w.ckpt", HELLO), 1);
    CU_ASSERT_STRING_EQUAL(out_text, "");
    CU_ASSERT_EQUAL(graphrun("dot %s --after hoisting", HELLO), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "hoist"));
    CU_ASSERT_EQUAL(graphrun("train %s --set nothing=1", HELLO), 1);
}

static void reports_come_every_so_many_steps(void)
{
    CU_ASSERT_EQUAL(graphrun("train %s --steps 40 --report 20", HELLO), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "step 20  loss", 13), 0);
    CU_ASSERT_PTR_NULL(strstr(out_text, "step 10"));
    const char *task = temp_file("task.yaml", "graphrun: 1\ndata: {op: Task, task: parity, items: 40, length: 4, split: {train: 0.5, valid: 0.5}, "
                                 "batch_size: 10}\ngraph:\n  x: {op: Input, shape: [4, 10], dtype: int32, from: data.tokens}\n"
                                 "  f: {op: Cast, in: x, dtype: float32}\n  w: {op: Parameter, shape: [10], init: {op: Ones}}\n"
                                 "  p: {op: Mul, in: [f, w]}\n  loss: {op: Mean, in: p}\n"
                                 "train: {minimize: loss, optimizer: {op: SGD, lr: 1}, epochs: 1}\n");
    CU_ASSERT_EQUAL(graphrun("train %s --report 2", task), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "step 2  loss", 12), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\nepoch 1  loss")); /* of all its steps, and none since the report */
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "  valid: loss"));
}

static void run_feeds_and_fetches(void)
{
    const char *in = temp_path("x.npy"), *out = temp_path("h.npy"), *grad = temp_path("g.npy");
    int32_t letters[6] = {0, 1, 2, 3, 2, 1};
    gr_tensor t = {.data = letters, .dtype = GR_INT32, .rank = 2, .dim = {2, 3}, .stride = {3, 1}};
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(gr_npy_write(in, &t, &e), 0);
    CU_ASSERT_EQUAL(graphrun("run %s --input x=%s --input y=%s --fetch rnn.output=%s --grad rnn.cell.weight_hh=%s", HELLO, in,
                             in, out, grad), 0);
    gr_arena *a = gr_arena_create();
    CU_ASSERT_EQUAL_FATAL(gr_npy_read(a, out, &t, &e), 0);
    CU_ASSERT_EQUAL(t.rank, 3);
    CU_ASSERT_TRUE(t.dim[0] == 2 && t.dim[1] == 3 && t.dim[2] == 4);
    CU_ASSERT_EQUAL_FATAL(gr_npy_read(a, grad, &t, &e), 0);
    CU_ASSERT_TRUE(t.rank == 2 && t.dim[0] == 4 && t.dim[1] == 4);
    gr_arena_destroy(a);
}

/* A full disk is told. */
static void what_cannot_be_written_fails(void)
{
    CU_ASSERT_EQUAL(graphrun("train %s --quiet --log /dev/full", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "log cannot be written"));
    CU_ASSERT_EQUAL(graphrun("train %s --quiet --save /dev/full", HELLO), 1);
    CU_ASSERT_EQUAL(graphrun("trace %s --output /dev/full", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "/dev/full: cannot be written"));
    CU_ASSERT_EQUAL(graphrun("ops Linear 2>/dev/null >/dev/full"), 1);
}

/* Whole numbers may come as floats; others are no tokens. */
static void floats_are_fed_as_integers_if_they_are_whole(void)
{
    const char *in = temp_path("x.npy");
    float letters[5] = {0, 1, 2, 3, 2};
    gr_tensor t = {.data = letters, .dtype = GR_FLOAT32, .rank = 2, .dim = {1, 5}, .stride = {5, 1}};
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(gr_npy_write(in, &t, &e), 0);
    CU_ASSERT_EQUAL(graphrun("run %s --input x=%s --fetch loss", HELLO, in), 0);
    for (int i = 0; i < 3; i++) {
        letters[4] = (float[]){1.5f, 3e9f, NAN}[i];
        CU_ASSERT_EQUAL_FATAL(gr_npy_write(in, &t, &e), 0);
        CU_ASSERT_EQUAL(graphrun("run %s --input x=%s --fetch loss", HELLO, in), 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "'x' is of integers of 32 bits"));
    }
}

static const char *text_model(void)
{
    FILE *f = fopen(temp_path("text.txt"), "w");
    for (int i = 0; f && i < 200; i++) fputs("abcde fghij ", f);
    if (f) fclose(f);
    return temp_file("text.yaml",
        "graphrun: 1\nname: text\nvars: {batch: 4, time: 8}\n"
        "data: {op: CharText, path: text.txt, partition: sequential}\n"
        "graph:\n"
        "  tokens: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
        "  targets: {op: Input, shape: [time, batch], dtype: int32, from: data.targets}\n"
        "  letters: {op: OneHot, in: tokens, num_classes: $data.vocab}\n"
        "  rnn: {op: GRU, in: letters, hidden_size: 24}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: $data.vocab}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: targets}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.02}, clip_grad_norm: 1, epochs: 6, carry: rnn}\n"
        "metrics: [perplexity]\n"
        "generate: {feed: tokens, from: logits, prompt: abc, length: 12}\n");
}

static void weights_generate_text(void)
{
    const char *model = text_model(), *weights = temp_path("text.safetensors");
    CU_ASSERT_EQUAL(graphrun("train %s --save %s", model, weights), 0);
    remove(temp_path("text.txt")); /* the vocabulary is in the weights */
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s", model, weights), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "abcde fghij abc\n");
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompt 'fgh' --length 2", model, weights), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "fghij\n");
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --temperature 0.1 --top-k 2 --length 40", model, weights), 0);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --temperature -1", model, weights), 2);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --temperature nan", model, weights), 2);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --length -2", model, weights), 2);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompt '' --length 2", model, weights), 0);
    CU_ASSERT_EQUAL(strlen(out_text), 3);
    CU_ASSERT_EQUAL(graphrun("eval %s --weights %s", model, weights), 1);
    text_model();
    CU_ASSERT_EQUAL(graphrun("eval %s --weights %s", model, weights), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "perplexity        1."));
}

static void prompts_are_many(void)
{
    const char *model = text_model(), *weights = temp_path("text.safetensors");
    const char *file = temp_file("prompts.txt", "abc\r\n\nfgh\n"), *scored = temp_file("scored.txt", "abc\tde f\nfgh\tij\n");
    const char *mixed = temp_file("mixed.txt", "abc\tde f\nfgh\n"), *empty = temp_file("empty.txt", "\n\n");
    CU_ASSERT_EQUAL(graphrun("train %s --save %s", model, weights), 0);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompt abc --prompt fgh --length 2", model, weights), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "abcde\nfghij\n");
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompts %s --length 2 --beam 3", model, weights, file), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "abcde\nfghij\n");
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompts %s --length 2", model, weights, scored), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "abcde  bleu 0.368\nfghij  bleu 1.000\nmean bleu 0.684 of 2\n");
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompts %s", model, weights, mixed), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "mixed.txt: line 2 has no reference"));
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompts %s", model, weights, empty), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "holds no prompts"));
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompts %s", model, weights, temp_path("absent.txt")), 1);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompts %s --prompt a", model, weights, file), 2);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --beam 3 --temperature 1", model, weights), 2);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --top-k 3 --temperature 0", model, weights), 2);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --length-penalty 1", model, weights), 1);
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --beam 1001", model, weights), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "at most 1000"));
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --show", model, weights), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "show: VALUE"));
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --prompt aXbXY --length 0", model, weights), 0);
    CU_ASSERT_STRING_EQUAL(err_text, "graphrun: the vocabulary has <unk> for 'X', 'Y'\n");
    CU_ASSERT_STRING_EQUAL(out_text, "aXbXY\n");
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --set generate.feed=token", model, weights), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "no Input is called 'token'; did you mean 'tokens'?"));
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --set generate.stop=Q", model, weights), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "'stop' is 'Q', which is not in the vocabulary"));
    CU_ASSERT_EQUAL(graphrun("generate %s --weights %s --set generate.stop=d --prompt abc", model, weights), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "abc\n");
}

static void interrupt_saves(void)
{
    const char *model = text_model(), *weights = temp_path("stop.safetensors"), *log = temp_path("stop.jsonl");
    const char *checkpoint = temp_path("stop.ckpt");
    char command[2048];
    snprintf(command, sizeof command, "'%s/tools/graphrun' train %s --epochs 1000000 --save %s --checkpoint %s --log %s "
             ">/dev/null 2>%s & pid=$!; while [ ! -s %s ]; do sleep 0.01; done; kill -INT $pid; wait $pid", GR_BUILD_DIR,
             model, weights, checkpoint, log, temp_path("stop.err"), log);
    int status = system(command);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    gr_arena *a = gr_arena_create();
    gr_tensors t;
    gr_error e;
    CU_ASSERT_EQUAL(gr_safetensors_read(a, weights, &t, &e), 0);
    CU_ASSERT_EQUAL(gr_safetensors_read(a, checkpoint, &t, &e), 0);
    gr_arena_destroy(a);
    char *text = read_text(temp_path("stop.err"), NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "stopped after step"));
    free(text);
}

/* Ctrl-C while output waits for its reader loses none of it. */
static void interrupt_finds_a_slow_reader(void)
{
    const char *code = temp_path("slow.code");
    char command[2048];
    snprintf(command, sizeof command, "{ '%s/tools/graphrun' train %s --epochs 100000 --quiet & pid=$!; sleep 0.2; kill -INT $pid; "
             "wait $pid; echo $? >%s; } | { sleep 0.5; cat >/dev/null; }", GR_BUILD_DIR, HELLO, code);
    CU_ASSERT_EQUAL(system(command), 0);
    char *text = read_text(code, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, "0\n");
    free(text);
}

/* An epoch that was interrupted is reported, in the end, as if it had not been. */
static void reports_survive_an_interruption(void)
{
    const char *model = text_model(), *checkpoint = temp_path("within.ckpt"), *out = temp_path("within.out");
    char command[2048];
    snprintf(command, sizeof command, "'%s/tools/graphrun' train %s --epochs 1000000 --checkpoint %s >%s 2>/dev/null & "
             "pid=$!; while [ ! -s %s ]; do sleep 0.01; done; kill -INT $pid; wait $pid", GR_BUILD_DIR, model, checkpoint,
             out, out);
    CU_ASSERT_EQUAL(system(command), 0);
    char *text = read_text(out, NULL);
    long epoch = 0;
    for (const char *at = text; (at = strstr(at, "epoch ")); at++) epoch = atol(at + strlen("epoch "));
    free(text);
    CU_ASSERT(epoch > 0);
    CU_ASSERT_EQUAL(graphrun("train %s --epochs %ld --resume %s", model, epoch + 1, checkpoint), 0);
    char resumed[256];
    snprintf(resumed, sizeof resumed, "\n%s", out_text);
    CU_ASSERT_EQUAL(line_count(out_text), 1);
    CU_ASSERT_EQUAL(graphrun("train %s --epochs %ld", model, epoch + 1), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, resumed));
    CU_ASSERT_EQUAL(graphrun("train %s --epochs %ld --resume %s", model, epoch, checkpoint), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "nothing is left to train"));
}

void test_cli(void)
{
    CU_pSuite s = CU_add_suite("cli", NULL, NULL);
    CU_add_test(s, "hello.yaml learns its word", hello_learns_its_word);
    CU_add_test(s, "exit code 2: the command line", mistyped_commands_are_2);
    CU_add_test(s, "exit code 1: the model, the data or the machine", wrong_models_are_1);
    CU_add_test(s, "reports come every so many steps", reports_come_every_so_many_steps);
    CU_add_test(s, "run feeds, fetches and differentiates", run_feeds_and_fetches);
    CU_add_test(s, "what cannot be written fails", what_cannot_be_written_fails);
    CU_add_test(s, "floats are fed as integers if they are whole", floats_are_fed_as_integers_if_they_are_whole);
    CU_add_test(s, "saved weights generate text", weights_generate_text);
    CU_add_test(s, "prompts: several, of a file, with references", prompts_are_many);
    CU_add_test(s, "Ctrl-C saves", interrupt_saves);
    CU_add_test(s, "Ctrl-C loses no output", interrupt_finds_a_slow_reader);
    CU_add_test(s, "reports survive an interruption", reports_survive_an_interruption);
}
