/* test_cli.c - the command as a person meets it: exit codes, what goes where, files. */
#include "io/npy.h"
#include "io/safetensors.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define HELLO GR_SOURCE_DIR "/graphs/hello.yaml"

static char *out_text, *err_text; /* of the last command */

/* Runs `graphrun <text>` in a shell; gives its exit code. */
GR_PRINTF(1, 2) static int graphrun(const char *fmt, ...)
{
    char arguments[2048], command[4096];
    const char *out = temp_path("stdout"), *err = temp_path("stderr");
    va_list args;
    va_start(args, fmt);
    vsnprintf(arguments, sizeof arguments, fmt, args);
    va_end(args);
    snprintf(command, sizeof command, "'%s/tools/graphrun' %s >'%s' 2>'%s'", GR_BUILD_DIR, arguments, out, err);
    int status = system(command);
    free(out_text);
    free(err_text);
    out_text = read_text(out, NULL);
    err_text = read_text(err, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int lines(const char *text)
{
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void hello_learns_its_word(void)
{
    CU_ASSERT_EQUAL(graphrun("%s", HELLO), 0);
    CU_ASSERT_EQUAL(lines(out_text), 60);
    char *last = strstr(out_text, "epoch 60  ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(last);
    CU_ASSERT_PTR_NOT_NULL(strstr(last, "\"ohlol\""));
    CU_ASSERT_EQUAL(graphrun("%s --quiet --epochs 2", HELLO), 0);
    CU_ASSERT_EQUAL(lines(out_text), 2);
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
    CU_ASSERT_EQUAL(graphrun("train %s --epochs 2 --steps 2", HELLO), 2);
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
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\nstep 2  valid: loss")); /* nothing was trained since the report */
}

static void check_is_silent_when_all_is_well(void)
{
    CU_ASSERT_EQUAL(graphrun("check %s", HELLO), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "");
    CU_ASSERT_STRING_EQUAL(err_text, "");
    const char *bad = temp_file("bad.yaml", "graphrun: 1\nname: bad\ngraph:\n  a: {op: Tahn, in: b}\n");
    CU_ASSERT_EQUAL(graphrun("check %s %s", bad, HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "bad.yaml:4:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "Tanh"));
}

static void open_axes_are_well(void)
{
    const char *model = temp_file("open.yaml", "graphrun: 1\ngraph:\n  x: {op: Input, shape: [time, batch, 4]}\n"
                                               "  r: {op: GRU, in: x, hidden_size: 3}\n");
    CU_ASSERT_EQUAL(graphrun("check %s", model), 0);
    CU_ASSERT_STRING_EQUAL(err_text, "");
    CU_ASSERT_EQUAL(graphrun("run %s", model), 1);
}

static void a_scan_says_its_axis(void)
{
    const char *model = temp_file("over.yaml", "graphrun: 1\nvars: {batch: 2, time: 3}\ngraph:\n"
                                               "  x: {op: Input, shape: [batch, time, 4]}\n"
                                               "  s: {op: Scan, in: {x: x}, carry: {h: {init: zeros, size: 4, next: y}}, "
                                               "step: {y: {op: Add, in: [x, h]}}, out: {output: y}}\n");
    CU_ASSERT_EQUAL(graphrun("check %s", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "say which axis the Scan runs over"));
}

static void names_that_are_not_there_are_listed(void)
{
    CU_ASSERT_EQUAL(graphrun("run %s --fetch nothing_such", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "letters"));
    CU_ASSERT_EQUAL(graphrun("run %s --input z=a.npy", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "it has: x, y"));
    CU_ASSERT_EQUAL(graphrun("run %s --grad nothing_such", HELLO), 1);
    CU_ASSERT_EQUAL(graphrun("run %s --fetch leters", HELLO), 1);
    CU_ASSERT_STRING_EQUAL(err_text, "graphrun: error: the model has no value called 'leters'; did you mean 'letters'?\n");
    CU_ASSERT_EQUAL(graphrun("ops lstm"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "did you mean 'LSTM'?"));
    CU_ASSERT_EQUAL(graphrun("ops Tahn"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "Tanh"));
    CU_ASSERT_EQUAL(graphrun("ops Tanh"), 0);
    CU_ASSERT_EQUAL(graphrun("ops"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\n  CharText "));
    CU_ASSERT_EQUAL(graphrun("ops TextPairs"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "fields:\n  source "));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "$data.NAME:\n  source_vocab "));
    CU_ASSERT_EQUAL(graphrun("ops CharText"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "max_chars"));
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
    CU_ASSERT_EQUAL(graphrun("ops Linear 2>/dev/null >/dev/full #"), 1); /* # hides where output goes else */
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

static void gradients_are_checked(void)
{
    CU_ASSERT_EQUAL(graphrun("gradcheck %s", HELLO), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "4 checked, 0 wrong"));
}

static void checking_nothing_is_an_error(void)
{
    const char *model = temp_file("nothing.yaml", "graphrun: 1\nname: nothing\ngraph:\n  a: {op: Constant, value: [1.5, 2.5]}\n"
                                                  "  loss: {op: Sum, in: a}\n");
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "nothing to check"));
}

static void gradcheck_chooses_lengths(void)
{
    const char *model = temp_file("open.yaml", "graphrun: 1\nname: open\ngraph:\n  x: {op: Input, shape: [time, batch, 3]}\n"
                                               "  rnn: {op: GRU, in: x, hidden_size: 2}\n  loss: {op: Sum, in: rnn.output}\n");
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss", model), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "3 as the length of 'time', which nothing gives"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "x                                              18 elements"));
}

static void wrong_gradients_are_found(void)
{
    const char *model = temp_file("wrong.yaml",
        "graphrun: 1\nname: wrong\n"
        "graph:\n"
        "  p: {op: Parameter, shape: [3], init: {op: Normal}}\n"
        "  q: {op: Parameter, shape: [3], init: {op: Normal}}\n"
        "  bad: {op: HalvedSquare, in: p}\n"
        "  sum: {op: Add, in: [bad, q]}\n"
        "  loss: {op: Sum, in: sum}\n");
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "HalvedSquare")); /* no such op without the plugin */
    CU_ASSERT_EQUAL(graphrun("gradcheck %s --of loss --plugin %s/tests/wrong_gradient.so", model, GR_BUILD_DIR), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "2 checked, 1 wrong"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "WRONG"));
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
    char *said = read_text(temp_path("stop.err"), NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "stopped after step"));
    free(said);
}

static void blocks_without_an_end_are_told_shortly(void)
{
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("endless.yaml", "graphrun: 1\nname: endless\nblocks:\n"
        "  A: {in: [x], graph: {y: {op: B, in: x}}, out: {o: y}}\n  B: {in: [x], graph: {y: {op: A, in: x}}, out: {o: y}}\n"
        "graph:\n  x: {op: Ones, shape: [2]}\n  a: {op: A, in: x}\n")), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "the block uses itself"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "note: in 'a' (A), used here")); /* where it began */
    CU_ASSERT(lines(err_text) < 30);
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
    char *said = read_text(out, NULL);
    long epoch = 0;
    for (const char *at = said; (at = strstr(at, "epoch ")); at++) epoch = atol(at + strlen("epoch "));
    free(said);
    CU_ASSERT(epoch > 0);
    CU_ASSERT_EQUAL(graphrun("train %s --epochs %ld --resume %s", model, epoch + 1, checkpoint), 0);
    char resumed[256];
    snprintf(resumed, sizeof resumed, "\n%s", out_text);
    CU_ASSERT_EQUAL(lines(out_text), 1);
    CU_ASSERT_EQUAL(graphrun("train %s --epochs %ld", model, epoch + 1), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, resumed));
    CU_ASSERT_EQUAL(graphrun("train %s --epochs %ld --resume %s", model, epoch, checkpoint), 0);
    CU_ASSERT_STRING_EQUAL(out_text, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "nothing is left to train"));
}

#define CLASSIFIER \
    "graph:\n  x: {op: Ones, shape: [2, 3]}\n  t: {op: Zeros, shape: [2], dtype: int32}\n  y: {op: Linear, in: x, out_features: 3}\n" \
    "  loss: {op: CrossEntropyLoss, in: {input: y, target: t}}\ntrain: {minimize: loss, optimizer: {op: SGD, lr: 1}"

static void check_says_each_mistake_once(void)
{
    static const struct { const char *text, *message; } mistake[] = {
        {"data: {op: CharText, path: /nowhere/at_all.txt}\n"
         "vars: {batch: 2, time: 3}\ngraph:\n  x: {op: Input, shape: [time, batch], dtype: int32, from: data.tokens}\n"
         "  y: {op: OneHot, in: x, num_classes: $data.vocab}\n", "/nowhere/at_all.txt"},
        {"data: {op: Inline, values: {x: [[1, 2]]}}\n"
         "graph:\n  x: {op: Input, shape: [batch, time], dtype: int32, from: data.z}\n", "no field 'z'"},
        {"vars: {part: 0.5}\ndata: {op: Npy, files: {x: /nowhere/x.npy}, split: {train: $part}}\n"
         "graph:\n  x: {op: Ones, shape: [2]}\n  y: {op: Tahn, in: x}\n", "did you mean 'Tanh'?"},
        {"data: {op: Npy, files: {x: /nowhere/x.npy}}\ngraph:\n  x: {op: Input, shape: [batch, 2], from: data.x}\n"
         "  y: {op: Sum, in: x}\n", "where `data` looks"},
        {"graph:\n  w: {op: Parameter, shape: [2], init: {op: Unifrom}}\n  y: {op: Sum, in: w}\n", "did you mean 'Uniform'?"},
        {"graph:\n  w: {op: Parameter, shape: [2], init: {op: Uniform, lo: 1}}\n  y: {op: Sum, in: w}\n", "does not understand 'lo=1'"},
        {"graph:\n  w: {op: Parameter, shape: [2], init: {op: Orthogonal}}\n  y: {op: Sum, in: w}\n", "needs two axes or more"},
        {"graph:\n  x: {op: Fill, shape: [2], valu: 3}\n", "did you mean 'value'?"},
        {"graph:\n  x: {op: Ones, shape: [2, 3, 4]}\n  y: {op: Scan, in: {v: x}, carry: {h: {init: zeroes, size: 4, "
         "next: n}}, step: {n: {op: Add, in: [h, v]}}, out: {output: n}}\n  z: {op: Sum, in: y.output}\n", "called 'zeroes'"},
        {"graph:\n  x: {op: Parameter, shape: [2], init: {op: Ones}}\n  y: {op: Sum, in: x}\n"
         "train: {minimise: y, optimizer: {op: SGD, lr: 1}}\n", "did you mean 'minimize'?"},
        {"graph:\n  x: {op: Ones, shape: [2, 3]}\n  y: {op: Linear, in: x, out_features: 1000000000000}\n", "must be at most"},
        {CLASSIFIER ", best: accuracy}\nmetrics: [{op: Accuracy, in: {inptu: y, target: t}}]\n", "no input 'inptu'; did you mean 'input'?"},
        {CLASSIFIER ", best: accuracy}\nmetric: [accuracy]\n", "did you mean 'metrics'?"},
        {CLASSIFIER "}\nmetrics: [ConfusionMatrix]\n", "'ConfusionMatrix' is an op, but no metric; there are: Accuracy, "},
        {CLASSIFIER "}\ngenerate: {feed: t, from: logit}\n", "no node called 'logit'; there are: x, t, y, loss"},
        {CLASSIFIER "}\ngenerate: {feed: t, from: y, show: los.weights}\n", "no node called 'los'; did you mean 'loss'?"},
        {"graph:\n  x: {op: Ones, shape: [4, 2, 3]}\n  l: {op: Ones, shape: [2]}\n"
         "  r: {op: LSTM, in: x, hidden_size: 2, bidirectional: true, lengths: l}\n", "an Input says dtype: int32"},
        {"graph:\n  x: {op: Ones, shape: [4, 2, 3]}\n  s: {op: Zeros, shape: [3]}\n  y: {op: Scan, in: {v: x}, carry: {h: {init: s, "
         "next: n}}, step: {n: {op: Add, in: [h, v]}}, out: {output: n}}\n", "Expand repeats what it starts from"},
        {"graph:\n  x: {op: Zeros, shape: [2], dtype: int32}\n  e: {op: Embedding, in: x, num_embeddings: 4, embedding_dim: 6, "
         "when: false}\n  f: {op: Embedding, in: x, num_embeddings: 4, embedding_dim: 6, weight: e.weight}\n", "'e.weight' is absent here"},
        {"vars: {time: 2}\ngraph:\n  x: {op: Zeros, shape: [time], dtype: int32}\n  e: {op: Embedding, in: x, num_embeddings: 4, "
         "embedding_dim: 6, when: false}\n  y: {op: Scan, in: {v: x}, carry: {h: {init: zeros, size: 6, next: n}}, step: {n: {op: "
         "Embedding, in: v, num_embeddings: 4, embedding_dim: 6, weight: e.weight}}}\n", "no parameter called 'e.weight'"},
    };
    for (size_t i = 0; i < sizeof mistake / sizeof *mistake; i++) {
        char text[1024];
        snprintf(text, sizeof text, "graphrun: 1\nname: once\n%s", mistake[i].text);
        CU_ASSERT_EQUAL(graphrun("check %s", temp_file("once.yaml", text)), 1);
        const char *first = strstr(err_text, ": error: ");
        CU_ASSERT_PTR_NOT_NULL_FATAL(first);
        CU_ASSERT_PTR_NOT_NULL(strstr(first, mistake[i].message));
        CU_ASSERT_PTR_NULL(strstr(first + 1, ": error: "));
        if (strstr(first + 1, ": error: ") || !strstr(first, mistake[i].message)) fprintf(stderr, "\n%s", err_text);
    }
}

static void data_of_another_shape_are_placed(void)
{
    temp_file("series.csv", "v\n1\n2\n3\n4\n5\n6\n");
    const char *model = temp_file("series.yaml",
        "graphrun: 1\nname: series\nvars: {batch: 2}\ndata: {op: Series, path: series.csv, window: 2}\n"
        "graph:\n  x: {op: Input, shape: [batch, time, 3], from: data.inputs}\n  y: {op: Linear, in: x, out_features: 1}\n"
        "  loss: {op: Mean, in: y}\ntrain: {minimize: loss, optimizer: {op: SGD, lr: 1}, epochs: 1}\n");
    CU_ASSERT_EQUAL(graphrun("train %s", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "series.yaml:6:3: 'x' is float32 [batch 2, time 2, 3], but data.inputs is [2, 2, 1] in this batch"));
}

static void mistakes_of_a_scan_are_placed(void)
{
    static const char scan[] = "graphrun: 1\nname: places\nvars: {time: 2}\ngraph:\n  x: {op: Input, shape: [time, 3, 4]}\n  y:\n"
                               "    op: Scan\n    in: {v: x}\n    over: %s\n    carry:\n      h: {init: zeros, size: %d, next: n}\n"
                               "    step:\n      n: {op: Add, in: [h, v]}\n    out: {output: n}\n  z: {op: Sum, in: y.output}\n";
    char text[1024];
    snprintf(text, sizeof text, scan, "tiem", 4);
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("place.yaml", text)), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "place.yaml:9:11: error: the Scan 'y' runs over 'tiem'"));
    snprintf(text, sizeof text, scan, "time", 5);
    CU_ASSERT_EQUAL(graphrun("check %s", temp_file("place.yaml", text)), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "place.yaml:13:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "place.yaml:11:7: note: 'h'"));
}

static void indices_out_of_range_are_named(void)
{
    const char *model = temp_file("index.yaml", "graphrun: 1\nname: index\ndata: {op: Inline, values: {x: [[1, 7]]}}\n"
                                  "graph:\n  x: {op: Input, shape: [batch, time], dtype: int32, from: data.x}\n"
                                  "  e: {op: Embedding, in: x, num_embeddings: 4, embedding_dim: 2}\n"
                                  "  l: {op: Sum, in: e}\n"
                                  "train: {minimize: l, optimizer: {op: SGD, lr: 1}, epochs: 1}\n");
    CU_ASSERT_EQUAL(graphrun("train %s", model), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "an index that is out of range gives NaN"));
}

static void graphs_are_drawn(void)
{
    CU_ASSERT_EQUAL(graphrun("dot %s", HELLO), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "digraph", 7), 0);
    CU_ASSERT_EQUAL(graphrun("dot %s -o /nowhere/a.svg", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "graphrun: error: /nowhere/a.svg"));
    const char *fed = temp_file("fed.yaml", "graphrun: 1\ngraph:\n  x: {op: Input, shape: [time, 2, 3]}\n"
                                "  rnn: {op: GRU, in: x, hidden_size: 4}\n  flat: {op: Reshape, in: rnn.output, shape: [-1]}\n");
    CU_ASSERT_EQUAL(graphrun("check %s", fed), 0);
    CU_ASSERT_EQUAL(graphrun("dot %s", fed), 0); /* no length that is made up is shown */
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "&#91;time, 2, 3&#93;"));
    CU_ASSERT_EQUAL(graphrun("dot %s --depth all", fed), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "each step"));
    CU_ASSERT_PTR_NULL(strstr(out_text, "101"));
    CU_ASSERT_PTR_NULL(strstr(out_text, "808"));
    CU_ASSERT_EQUAL(graphrun("dot %s", HELLO), 0);
    CU_ASSERT_PTR_NULL(strstr(out_text, "0x")); /* an address would differ from run to run */
    for (const gr_pass *p = gr_passes; p->name; p++) {
        CU_ASSERT_EQUAL(graphrun("dot %s --after %s", HELLO, p->name), 0);
        CU_ASSERT_EQUAL(strncmp(out_text, "digraph", 7), 0);
    }
}

static void pictures_have_formats(void)
{
    CU_ASSERT_EQUAL(graphrun("dot %s --format mermaid", HELLO), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "flowchart TD\n", 13), 0);
    CU_ASSERT_EQUAL(graphrun("dot %s --format mermaid --steps 2", HELLO), 0);
    CU_ASSERT_EQUAL(strncmp(out_text, "block-beta\n", 11), 0);
    const char *page = temp_path("picture.md");
    CU_ASSERT_EQUAL(graphrun("dot %s -o '%s'", HELLO, page), 0);
    char *text = read_text(page, NULL);
    CU_ASSERT_EQUAL(strncmp(text, "```mermaid\nflowchart TD\n", 24), 0);
    CU_ASSERT_STRING_EQUAL(text + strlen(text) - 4, "```\n");
    free(text);
    CU_ASSERT_EQUAL(graphrun("dot %s -o picture.bmp", HELLO), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "'picture.bmp' ends in none of .dot"));
    CU_ASSERT_EQUAL(graphrun("dot %s --format gif", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("dot %s --depth deep", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("dot %s --steps 0", HELLO), 2);
    CU_ASSERT_EQUAL(graphrun("dot %s --steps 2 --after hoist", HELLO), 2);
}

/* The same file gives the same bytes, in another process and at other addresses. */
static void pictures_are_the_same_each_time(void)
{
    static const char *const options[] = {"", "--after fuse --depth all", "--after hoist", "--steps 3 --threads 2", "--format mermaid --after merge"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        CU_ASSERT_EQUAL(graphrun("dot %s %s", HELLO, options[i]), 0);
        char *first = strdup(out_text);
        CU_ASSERT_EQUAL(graphrun("dot %s %s", HELLO, options[i]), 0);
        CU_ASSERT_STRING_EQUAL(out_text, first);
        free(first);
    }
}

/* A picture that cannot be made leaves what stood at its place. */
static void without_graphviz_pictures_say_how(void)
{
    const char *kept = temp_file("kept.svg", "as it was");
    char line[4096];
    snprintf(line, sizeof line, "PATH=/nowhere '%s/tools/graphrun' dot '%s' -o '%s' 2>'%s'", GR_BUILD_DIR, HELLO, kept, temp_path("stderr"));
    int status = system(line);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    char *err = read_text(temp_path("stderr"), NULL), *text = read_text(kept, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err, "apt-get install graphviz"));
    CU_ASSERT_STRING_EQUAL(text, "as it was");
    free(err);
    free(text);
}

static void batches_are_shown(void)
{
    const char *folder = temp_path("batches");
    CU_ASSERT_EQUAL(graphrun("data %s", HELLO), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "x: int32 [1, 5]"));
    CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "[[1, 0, 2, 2, 3]]"));
    CU_ASSERT_EQUAL(graphrun("data %s -o %s --batches 3", HELLO, folder), 0);
    char file[1024];
    snprintf(file, sizeof file, "%s/y_0.npy", folder);
    CU_ASSERT_EQUAL(access(file, R_OK), 0);
    CU_ASSERT_EQUAL(graphrun("data %s --split valid", HELLO), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err_text, "no split 'valid'; there are: train"));
    CU_ASSERT_EQUAL(graphrun("data %s -o /nowhere/folder", HELLO), 1);
    CU_ASSERT_EQUAL(graphrun("data %s --batches -1", HELLO), 2);
}

void test_cli(void)
{
    CU_pSuite s = CU_add_suite("cli", NULL, NULL);
    CU_add_test(s, "hello.yaml learns its word", hello_learns_its_word);
    CU_add_test(s, "exit code 2: the command line", mistyped_commands_are_2);
    CU_add_test(s, "exit code 1: the model, the data or the machine", wrong_models_are_1);
    CU_add_test(s, "reports come every so many steps", reports_come_every_so_many_steps);
    CU_add_test(s, "check is silent when all is well", check_is_silent_when_all_is_well);
    CU_add_test(s, "unknown names list the known ones", names_that_are_not_there_are_listed);
    CU_add_test(s, "run feeds, fetches and differentiates", run_feeds_and_fetches);
    CU_add_test(s, "what cannot be written fails", what_cannot_be_written_fails);
    CU_add_test(s, "floats are fed as integers if they are whole", floats_are_fed_as_integers_if_they_are_whole);
    CU_add_test(s, "gradcheck passes on every model file", gradients_are_checked);
    CU_add_test(s, "gradcheck chooses lengths that nothing gives", gradcheck_chooses_lengths);
    CU_add_test(s, "gradcheck fails on a wrong gradient", wrong_gradients_are_found);
    CU_add_test(s, "axes without a length are no mistake", open_axes_are_well);
    CU_add_test(s, "a Scan over named axes says which", a_scan_says_its_axis);
    CU_add_test(s, "gradcheck of nothing is an error", checking_nothing_is_an_error);
    CU_add_test(s, "saved weights generate text", weights_generate_text);
    CU_add_test(s, "prompts: several, of a file, with references", prompts_are_many);
    CU_add_test(s, "Ctrl-C saves", interrupt_saves);
    CU_add_test(s, "Ctrl-C loses no output", interrupt_finds_a_slow_reader);
    CU_add_test(s, "reports survive an interruption", reports_survive_an_interruption);
    CU_add_test(s, "check says each mistake once", check_says_each_mistake_once);
    CU_add_test(s, "blocks without an end are told shortly", blocks_without_an_end_are_told_shortly);
    CU_add_test(s, "data of another shape than an Input are told at the Input", data_of_another_shape_are_placed);
    CU_add_test(s, "mistakes of a Scan are placed", mistakes_of_a_scan_are_placed);
    CU_add_test(s, "an index out of range is named", indices_out_of_range_are_named);
    CU_add_test(s, "batches are shown and written", batches_are_shown);
    CU_add_test(s, "the graph is drawn after every pass", graphs_are_drawn);
    CU_add_test(s, "dot writes the format that is asked for", pictures_have_formats);
    CU_add_test(s, "a picture is the same each time", pictures_are_the_same_each_time);
    CU_add_test(s, "without Graphviz dot says how to get it", without_graphviz_pictures_say_how);
}
