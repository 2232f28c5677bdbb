/* test_library.c - graphrun.h, as a host program uses it. */
#include "library_support.h"
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what comes out ---- */

static float whole[STEPS * CLASSES];

static void steps_are_the_whole(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    run_whole(n, whole);
    gr_stream *s = open_stream(n, "time", 1, 1);
    for (int again = 0; again < 2; again++) {
        double worst = 0;
        for (int i = 0; i < STEPS; i++) worst = fmax(worst, distance(run_stream(s, tokens + i, 1), whole + i * CLASSES, CLASSES));
        CU_ASSERT_TRUE(worst < 1e-5);
        CU_ASSERT_TRUE(distance(run_stream(s, tokens, 1), whole, CLASSES) > 1e-4); /* it goes on */
        gr_stream_reset(s);
    }
    gr_stream_close(s);
    gr_network_close(n);
}

static void pieces_of_any_length_go_on(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    run_whole(n, whole);
    gr_stream *s = open_stream(n, "time", 4, 1);
    const gr_axis_size one[] = {{"time", 1}, {"batch", 1}}, four[] = {{"time", 4}, {"batch", 1}};
    CU_ASSERT_TRUE(distance(run_stream(s, tokens, 4), whole, 4 * CLASSES) < 1e-5);
    CU_ASSERT_EQUAL(gr_stream_resize(s, one, 2, NULL), 0);
    CU_ASSERT_TRUE(distance(run_stream(s, tokens + 4, 1), whole + 4 * CLASSES, CLASSES) < 1e-5);
    CU_ASSERT_EQUAL(gr_stream_resize(s, four, 2, NULL), 0);
    CU_ASSERT_TRUE(distance(run_stream(s, tokens + 5, 4), whole + 5 * CLASSES, 4 * CLASSES) < 1e-5);
    const gr_axis_size wide[] = {{"time", 1}, {"batch", 3}};
    gr_tensor x, y;
    CU_ASSERT_EQUAL(gr_stream_resize(s, wide, 2, NULL), 0); /* a state of another shape: from the beginning */
    CU_ASSERT_TRUE(!gr_stream_input(s, "x", &x, NULL) && !gr_stream_result(s, "logits", &y, NULL) && x.dim[1] == 3);
    for (int i = 0; i < 3; i++) ((int32_t *)x.data)[i] = tokens[0];
    CU_ASSERT_EQUAL(gr_stream_run(s, NULL), 0);
    for (int i = 0; i < 3; i++) CU_ASSERT_TRUE(distance((float *)y.data + i * CLASSES, whole, CLASSES) < 1e-5);
    gr_stream_close(s);
    gr_network_close(n);
}

static gr_stream *open_causal(gr_network *n, int64_t time, int64_t room, gr_failure **why)
{
    const gr_axis_size axes[] = {{"time", time}, {"batch", 1}};
    const gr_stream_options o = {.size = sizeof o, .results = logits_name, .along = "time", .axes = axes, .num_axes = 2, .room = room};
    gr_stream *s = NULL;
    CU_ASSERT_EQUAL(gr_stream_open(n, &o, &s, why) != 0, s == NULL);
    return s;
}

/* A piece of 4, the state of which a clone and a copy have, and of 1 step. */
static void check_causal_pieces(gr_network *n, gr_stream *s)
{
    const gr_axis_size one[] = {{"time", 1}, {"batch", 1}};
    gr_stream *clone, *copy = open_causal(n, 4, 9, NULL);
    CU_ASSERT_TRUE(distance(run_stream(s, tokens, 4), whole, 4 * CLASSES) < 1e-5);
    CU_ASSERT_EQUAL_FATAL(gr_stream_clone(s, &clone, NULL), 0);
    CU_ASSERT_EQUAL(gr_stream_copy_state(copy, s, NULL), 0);
    gr_stream *of[] = {s, clone, copy};
    for (int k = 0; k < 3; k++) {
        CU_ASSERT_EQUAL(gr_stream_resize(of[k], one, 2, NULL), 0);
        for (int i = 4; i < STEPS; i++) CU_ASSERT_TRUE(distance(run_stream(of[k], tokens + i, 1), whole + i * CLASSES, CLASSES) < 1e-5);
    }
    gr_stream_close(clone);
    gr_stream_close(copy);
}

/* Nine steps and no more, until it is reset. */
static void attention_looks_back(void)
{
    gr_network *n = open_network(prepared_model("causal.yaml", "vars: {time: 9}\n",
        "  p: {op: LearnedPositionalEncoding, in: e, max_len: 12}\n"
        "  rnn: {op: TransformerEncoder, in: p, nhead: 4, num_layers: 2, dim_feedforward: 64, is_causal: true}\n"), NULL);
    gr_failure *why = NULL;
    run_whole(n, whole);
    gr_stream *s = open_causal(n, 4, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    check_causal_pieces(n, s);
    CU_ASSERT_EQUAL(gr_stream_run(s, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "has been fed 9 steps and is fed 1 more, but there is room for 9");
    gr_stream_reset(s);
    CU_ASSERT_TRUE(distance(run_stream(s, tokens, 1), whole, CLASSES) < 1e-5);
    gr_stream_close(s);
    CU_ASSERT_PTR_NULL(open_causal(n, 4, 3, &why));
    expect(&why, GR_EINVAL, "a piece has 4 steps of 'time', but there is room for 3");
    CU_ASSERT_PTR_NULL(open_causal(n, 13, 20, &why)); /* as long as the table of positions */
    expect(&why, GR_EINVAL, "positions for max_len = 12");
    CU_ASSERT_PTR_NULL(open_causal(n, 4, -1, &why));
    expect(&why, GR_EINVAL, "'room' is -1");
    gr_network_close(n);
}

/* A decoder that looks at a memory goes on after a piece of any length, 16 steps being enough for tiles. */
static void long_pieces_keep_the_state(void)
{
    enum { ALL = 19 };
    int32_t item[ALL];
    float all[ALL * CLASSES];
    gr_network *n = open_network(prepared_model("memory.yaml", "vars: {time: 20, batch: 1}\n",
        "  memory: {op: Parameter, shape: [20, 1, 32], init: {op: Normal, std: 1}}\n"
        "  rnn: {op: TransformerDecoder, in: {tgt: e, memory: memory}, nhead: 4, num_layers: 1, dim_feedforward: 64, is_causal: true}\n"), NULL);
    for (int i = 0; i < ALL; i++) item[i] = tokens[i % STEPS];
    gr_stream *s = open_causal(n, ALL, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    memcpy(all, run_stream(s, item, ALL), sizeof all);
    for (int64_t first = 15; first <= 17; first++) {
        gr_stream_reset(s);
        CU_ASSERT_EQUAL_FATAL(gr_stream_resize(s, (gr_axis_size[]){{"time", first}, {"batch", 1}}, 2, NULL), 0);
        CU_ASSERT_TRUE(distance(run_stream(s, item, (int)first), all, (int)first * CLASSES) < 1e-5);
        CU_ASSERT_EQUAL_FATAL(gr_stream_resize(s, (gr_axis_size[]){{"time", 1}, {"batch", 1}}, 2, NULL), 0);
        for (int64_t i = first; i < ALL; i++) CU_ASSERT_TRUE(distance(run_stream(s, item + i, 1), all + i * CLASSES, CLASSES) < 1e-5);
    }
    gr_stream_close(s);
    gr_network_close(n);
}

static void clones_part_ways(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    run_whole(n, whole);
    gr_stream *s = open_stream(n, "time", 1, 1), *c = NULL;
    for (int i = 0; i < 3; i++) run_stream(s, tokens + i, 1);
    CU_ASSERT_EQUAL_FATAL(gr_stream_clone(s, &c, NULL), 0);
    run_stream(s, tokens, 1); /* elsewhere */
    CU_ASSERT_TRUE(distance(run_stream(c, tokens + 3, 1), whole + 3 * CLASSES, CLASSES) < 1e-5);
    CU_ASSERT_EQUAL(gr_stream_copy_state(s, c, NULL), 0);
    gr_network_close(n); /* its streams keep it */
    gr_stream_close(c);
    CU_ASSERT_TRUE(distance(run_stream(s, tokens + 4, 1), whole + 4 * CLASSES, CLASSES) < 1e-5);
    gr_stream_close(s);
}

/* Weights large enough to be prepared once, by a run that has states of the same names. */
static void streams_of_prepared_weights_are_apart(void)
{
    gr_network *n = open_network(prepared_model("prepared.yaml", "", "  rnn: {op: LSTM, in: e, hidden_size: 64}\n"), NULL);
    run_whole(n, whole);
    gr_stream *s = open_stream(n, "time", 1, 1), *ahead = open_stream(n, "time", 1, 1);
    run_stream(ahead, tokens, 1);
    for (int i = 0; i < STEPS; i++) {
        CU_ASSERT_TRUE(distance(run_stream(s, tokens + i, 1), whole + i * CLASSES, CLASSES) < 1e-5);
        if (i + 1 < STEPS) CU_ASSERT_TRUE(distance(run_stream(ahead, tokens + i + 1, 1), whole + (i + 1) * CLASSES, CLASSES) < 1e-5);
    }
    gr_stream_close(s);
    gr_stream_close(ahead);
    gr_network_close(n);
}

/* ---- states ---- */

static void feed_rows(gr_stream *s, int32_t a, int32_t b, const float *logits[2])
{
    gr_tensor x, y;
    CU_ASSERT_TRUE_FATAL(!gr_stream_input(s, "x", &x, NULL) && !gr_stream_result(s, "logits", &y, NULL) && x.dim[1] == 2);
    ((int32_t *)x.data)[0] = a;
    ((int32_t *)x.data)[1] = b;
    CU_ASSERT_EQUAL(gr_stream_run(s, NULL), 0);
    for (int i = 0; i < 2; i++) logits[i] = (float *)y.data + i * CLASSES;
}

/* Of a batch one row begins again while the other goes on. */
static void a_row_begins_again(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    run_whole(n, whole);
    gr_stream *s = open_stream(n, "time", 1, 2);
    const float *row[2];
    const char *name = "";
    gr_tensor h;
    for (int i = 0; i < 3; i++) feed_rows(s, tokens[i], tokens[i], row);
    for (int i = 0; gr_stream_state(s, i, &name, &h, NULL) == 1; i++) {
        CU_ASSERT_TRUE_FATAL(h.dtype == GR_FLOAT32 && h.rank > 1 && h.dim[h.rank - 2] == 2);
        CU_ASSERT_TRUE(strncmp(name, "rnn", 3) == 0 && strchr(name, ':'));
        memset((float *)h.data + h.dim[h.rank - 1], 0, sizeof(float) * (size_t)h.dim[h.rank - 1]);
    }
    CU_ASSERT_TRUE(*name);
    feed_rows(s, tokens[3], tokens[0], row);
    CU_ASSERT_TRUE(distance(row[0], whole + 3 * CLASSES, CLASSES) < 1e-5 && distance(row[1], whole, CLASSES) < 1e-5);
    gr_stream_close(s);
    gr_network_close(n);
}

/* Kept, and given to another stream, in another network of the same weights, before its first run. */
static void states_may_be_kept(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights), *later = open_network(trained_model, trained_weights);
    run_whole(n, whole);
    gr_stream *s = open_stream(n, "time", 1, 1), *t = open_stream(later, "time", 1, 1), *u = open_stream(n, NULL, STEPS, 1);
    gr_tensor from, to;
    int i = 0;
    for (int k = 0; k < 4; k++) run_stream(s, tokens + k, 1);
    for (; gr_stream_state(s, i, NULL, &from, NULL) == 1; i++) {
        CU_ASSERT_EQUAL_FATAL(gr_stream_state(t, i, NULL, &to, NULL), 1);
        memcpy(to.data, from.data, sizeof(float) * (size_t)from.dim[from.rank - 1]);
    }
    CU_ASSERT_TRUE(i > 0);
    CU_ASSERT_TRUE(distance(run_stream(t, tokens + 4, 1), whole + 4 * CLASSES, CLASSES) < 1e-5);
    CU_ASSERT_EQUAL(gr_stream_state(u, 0, NULL, &to, NULL), 0); /* whole sequences carry nothing on */
    CU_ASSERT_EQUAL(gr_stream_state(s, -1, NULL, &to, NULL), 0);
    gr_stream_close(s);
    gr_stream_close(t);
    gr_stream_close(u);
    gr_network_close(n);
    gr_network_close(later);
}

/* ---- the host's language ---- */

/* Whether a number is written with a comma now, as in half of Europe. */
static bool write_commas(void)
{
    char command[1024];
    const char *source = temp_file("comma.src", "comment_char %%\nescape_char /\nLC_NUMERIC\ndecimal_point \"<U002C>\"\n"
                                   "thousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n");
    snprintf(command, sizeof command, "localedef -c -i '%s' -f UTF-8 '%s' >/dev/null 2>&1", source, temp_path("comma.utf8"));
    if (system(command)) { /* it warns of what the source leaves out */ }
    const char *folder = temp_path("");
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_NUMERIC, "comma.utf8") && strtod("0.5", NULL) == 0;
}

static void numbers_have_a_point_anywhere(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    run_whole(n, whole);
    gr_network_close(n);
    if (write_commas()) {
        n = open_network(trained_model, trained_weights); /* its attributes have fractions */
        gr_stream *s = open_stream(n, "time", STEPS, 1);
        CU_ASSERT_TRUE(distance(run_stream(s, tokens, STEPS), whole, STEPS * CLASSES) < 1e-5);
        gr_stream_close(s);
        gr_network_close(n);
        const gr_training_options o = {.size = sizeof o, .threads = 1};
        gr_training *t = NULL;
        gr_failure *why = NULL;
        if (gr_training_open(trained_model, &o, &t, &why) || gr_training_next(t, &why) || gr_training_step(t, NULL, &why)) library_fail("commas", why);
        CU_ASSERT_PTR_NULL(why);
        gr_training_close(t);
        CU_ASSERT_EQUAL(strtod("0.5", NULL), 0); /* the host's language is as it was */
    } else {
        fprintf(stderr, "skipped: localedef makes no locale with commas here; ");
    }
    setlocale(LC_NUMERIC, "C");
    unsetenv("LOCPATH");
}

/* ---- texts ---- */

static void words_are_of_the_vocabulary(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    int32_t item[4] = {-1, -1, -1, -1};
    gr_type t;
    CU_ASSERT_STRING_EQUAL(gr_network_input(n, 0, &t), "x");
    CU_ASSERT_TRUE(t.rank == 2 && t.dim[0] == -1 && strcmp(t.axis[0], "time") == 0 && t.dtype == GR_INT32);
    CU_ASSERT_PTR_NULL(gr_network_input(n, 2, NULL));
    CU_ASSERT_EQUAL(gr_network_words(n, "x"), CLASSES);
    CU_ASSERT_STRING_EQUAL(gr_network_word(n, "x", 3), "d");
    CU_ASSERT_PTR_NULL(gr_network_word(n, "x", CLASSES));
    CU_ASSERT_EQUAL(gr_network_encode(n, "x", "bad", item, 2, NULL), 3);
    CU_ASSERT_TRUE(item[0] == 1 && item[1] == 0 && item[2] == -1);
    gr_failure *why = NULL;
    CU_ASSERT_EQUAL(gr_network_encode(n, "x", "bz", item, 4, &why), GR_EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(gr_failure_text(why), "'z'"));
    gr_failure_free(why);
    gr_network_close(n);
}

/* ---- failures ---- */

static void failures_say_all(void)
{
    gr_network *n = NULL;
    gr_failure *why = NULL;
    make_trained();
    const char *wrong = temp_file("wrong.yaml", "graphrun: 1\nname: wrong\ngraph:\n  x: {op: Input, shape: [4]}\n"
                                  "  y: {op: Linaer, in: x}\n  z: {op: Linear, in: w, out_features: 3}\n");
    CU_ASSERT_EQUAL(gr_network_open(wrong, NULL, &n, &why), GR_EINVAL);
    CU_ASSERT_PTR_NULL(n);
    CU_ASSERT_TRUE(why && strstr(gr_failure_text(why), "Linaer") && strstr(gr_failure_text(why), "^~~"));
    expect(&why, GR_EINVAL, "'w'"); /* the second mistake in the same text */
    CU_ASSERT_EQUAL(gr_network_open("/nowhere.yaml", NULL, &n, &why), GR_EIO);
    expect(&why, GR_EIO, "/nowhere.yaml");
    const gr_network_options other = {.size = sizeof other, .weights = wrong};
    CU_ASSERT_EQUAL(gr_network_open(trained_model, &other, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "safetensors");
    const gr_network_options sized = {.size = 3};
    CU_ASSERT_EQUAL(gr_network_open(trained_model, &sized, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "size");
    struct { gr_network_options o; int more; } newer = {.o = {.size = sizeof newer}, .more = 1};
    CU_ASSERT_EQUAL(gr_network_open(trained_model, &newer.o, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "newer");
    const char *const sets[] = {"nothing=1", NULL};
    const gr_network_options set = {.size = sizeof set, .sets = sets};
    CU_ASSERT_EQUAL(gr_network_open(trained_model, &set, &n, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "nothing");
}

/* A failure outlives the network that it is of. */
static void failures_outlive(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    gr_failure *why = NULL;
    gr_stream *s;
    const gr_stream_options o = {.size = sizeof o, .along = "nothing"};
    CU_ASSERT_EQUAL(gr_stream_open(n, &o, &s, &why), GR_EINVAL);
    gr_network_close(n);
    expect(&why, GR_EINVAL, "'nothing'");
}

static void refuse(gr_network *n, const char *along, const char *result, const char *axis, const char *says)
{
    const gr_axis_size axes[] = {{axis, 1}};
    const char *const results[] = {result, NULL};
    const gr_stream_options o = {.size = sizeof o, .results = results, .along = along, .axes = axes, .num_axes = 1};
    gr_stream *s;
    gr_failure *why = NULL;
    CU_ASSERT_EQUAL(gr_stream_open(n, &o, &s, &why), GR_EINVAL);
    CU_ASSERT_PTR_NULL(s);
    expect(&why, GR_EINVAL, says);
}

static void streams_refuse_what_cannot_be(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    gr_failure *why = NULL;
    gr_tensor t;
    refuse(n, "time", "logits", "wide", "'wide'; there are: time, batch");
    refuse(n, "length", "logits", "batch", "'length'");
    refuse(n, "time", "logit", "batch", "did you mean 'logits'");
    refuse(n, NULL, "logit", "batch", "did you mean 'logits'");
    refuse(n, "time", "loss", "batch", "mixes the steps of 'time'");
    gr_stream *s = open_stream(n, "time", 1, 1); /* after all that */
    CU_ASSERT_EQUAL(gr_stream_input(s, "z", &t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "no Input 'z'");
    CU_ASSERT_EQUAL(gr_stream_input(s, "y", &t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "no result of the stream needs 'y'");
    CU_ASSERT_EQUAL(gr_stream_result(s, "rnn.output", &t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "'rnn.output'");
    CU_ASSERT_STRING_EQUAL(gr_stream_result_name(s, 0), "logits");
    CU_ASSERT_PTR_NULL(gr_stream_result_name(s, 1));
    run_stream(s, tokens, 1);
    gr_stream_close(s);
    gr_network_close(n);
}

/* By default: what no node reads, and nothing that a loss made on its way. */
static void default_results_are_what_the_model_ends_in(void)
{
    make_trained();
    gr_network *n = open_network(trained_model, trained_weights);
    const gr_axis_size axes[] = {{"time", 3}, {"batch", 1}};
    const gr_stream_options o = {.size = sizeof o, .axes = axes, .num_axes = 2};
    gr_stream *s = NULL;
    gr_failure *why = NULL;
    if (gr_stream_open(n, &o, &s, &why)) library_fail("stream", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    int count = 0;
    bool loss = false;
    for (const char *name; (name = gr_stream_result_name(s, count)); count++) {
        loss = loss || strcmp(name, "loss") == 0;
        CU_ASSERT_TRUE(strncmp(name, "loss.", 5) != 0);
    }
    CU_ASSERT_TRUE(loss);
    gr_stream_close(s);
    gr_network_close(n);
}

/* ---- training ---- */

/* As many steps as graphrun train makes of the model, saved; the loss of the first and of the last. */
static const char *train_by_hand(const char *path, int steps, double loss[2])
{
    const gr_training_options o = {.size = sizeof o, .threads = 1};
    const char *saved = temp_path("by_hand.safetensors");
    gr_training *t = NULL;
    gr_failure *why = NULL;
    if (gr_training_open(path, &o, &t, &why)) library_fail(path, why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    for (int i = 0; i < steps; i++)
        if (gr_training_next(t, &why) || gr_training_step(t, &loss[i > 0], &why)) library_fail("step", why);
    CU_ASSERT_EQUAL(gr_training_save(t, saved, &why), 0);
    gr_training_close(t);
    return saved;
}

static void training_is_that_of_the_command(void)
{
    static const char *const train[] = {"optimizer: {op: Adam, lr: 0.05}, steps: 8",
                                        "optimizer: {op: SGD, lr: {op: Step, lr: 0.5, step_size: 2}}, bptt: 4, accumulate: 2, steps: 7"};
    for (int i = 0; i < 2; i++) {
        const char *path = recurrent_model("trained.yaml", train[i]), *saved = temp_path("by_command.safetensors");
        double loss[2];
        gr_error e;
        CU_ASSERT_EQUAL_FATAL(train_model(path, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = saved}, &e), 0);
        CU_ASSERT_TRUE(same_files(train_by_hand(path, i ? 7 : 8, loss), saved));
        CU_ASSERT_TRUE(loss[1] < loss[0]);
    }
}

static void training_is_fed_by_hand(void)
{
    const char *path = temp_file("line.yaml", "graphrun: 1\nname: line\ngraph:\n  x: {op: Input, shape: [batch, 1]}\n"
                                 "  y: {op: Input, shape: [batch, 1]}\n  p: {op: Linear, in: x, out_features: 1}\n"
                                 "  loss: {op: MSELoss, in: {input: p, target: y}}\n"
                                 "train: {minimize: loss, optimizer: {op: SGD, lr: 7}}\n");
    const gr_axis_size axis = {"batch", 2};
    const gr_training_options o = {.size = sizeof o, .axes = &axis, .num_axes = 1};
    gr_training *t = NULL;
    gr_failure *why = NULL;
    gr_tensor x, y;
    double loss = 1;
    if (gr_training_open(path, &o, &t, &why) || gr_training_input(t, "x", &x, &why) || gr_training_input(t, "y", &y, &why)) library_fail("line", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    CU_ASSERT_EQUAL(gr_training_next(t, &why), GR_EINVAL);
    expect(&why, GR_EINVAL, "no `data` section");
    gr_training_set_lr(t, 0.1); /* 7 would diverge */
    for (int i = 0; i < 300; i++) {
        for (int k = 0; k < 2; k++) ((float *)x.data)[k] = (float)k, ((float *)y.data)[k] = (float)(3 * k - 1);
        CU_ASSERT_EQUAL(gr_training_step(t, &loss, &why), 0);
    }
    CU_ASSERT_TRUE(loss < 1e-6);
    ((float *)x.data)[0] = NAN;
    CU_ASSERT_EQUAL(gr_training_step(t, &loss, &why), GR_ESTATE);
    expect(&why, GR_ESTATE, "the first value was NaN in 'x'");
    ((float *)x.data)[0] = 0;
    CU_ASSERT_EQUAL(gr_training_step(t, &loss, &why), 0); /* looking for it has changed nothing */
    CU_ASSERT_TRUE(loss < 1e-6);
    gr_training_close(t);
}

/* Losses of steps that go into a second epoch; how often gr_training_next failed, behind which there is no step. */
static int train_from(const char *source, double *loss, int steps)
{
    const char *path = temp_file("source.yaml", "graphrun: 1\nname: m\nplugins: ['%s']\n"
                                 "data: {op: %s, split: {train: 0.5, valid: 0.5}}\ngraph:\n"
                                 "  x: {op: Input, shape: [4, 3], from: data.x}\n  p: {op: Linear, in: x, out_features: 1}\n"
                                 "  y: {op: Mul, in: [p, p]}\n  loss: {op: Mean, in: y}\n"
                                 "train: {minimize: loss, optimizer: {op: SGD, lr: 0.00000001}}\n", GR_BUILD_DIR "/tests/wrong_source.so", source);
    const gr_training_options o = {.size = sizeof o, .threads = 1};
    gr_training *t = NULL;
    gr_failure *why = NULL;
    int failures = 0;
    if (gr_training_open(path, &o, &t, &why)) library_fail(source, why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    for (int i = 0; i < steps; i++) {
        while (failures < 3 && gr_training_next(t, &why)) {
            expect(&why, GR_EINVAL, failures++ ? "epoch 1 cannot begin yet" : "batch 3 cannot be read yet");
            CU_ASSERT_EQUAL(gr_training_step(t, NULL, &why), GR_EINVAL);
            expect(&why, GR_EINVAL, "the last gr_training_next failed");
        }
        if (gr_training_step(t, &loss[i], &why)) library_fail(source, why);
    }
    gr_training_close(t);
    return failures;
}

static void a_source_that_failed_is_asked_again(void)
{
    double good[8] = {0}, once[8] = {1};
    CU_ASSERT_EQUAL(train_from("GoodSource", good, 8), 0);
    CU_ASSERT_EQUAL(train_from("FailsOnce", once, 8), 2);
    CU_ASSERT_EQUAL(memcmp(good, once, sizeof good), 0);
}

/* The batch of another shape is compiled for the axes of the options, whose memory is gone by then. */
static void options_are_copied(void)
{
    const char *table = temp_file("axes.csv", "a,b\n1,2\n2,3\n3,4\n");
    const char *path = temp_file("axes.yaml", "graphrun: 1\nname: axes\ndata: {op: Csv, path: '%s', target: b, batch_size: 2}\n"
                                 "graph:\n  x: {op: Input, shape: [batch, 1], from: data.features}\n  w: {op: Input, shape: [wide]}\n"
                                 "  p: {op: Linear, in: x, out_features: 1}\n  loss: {op: MSELoss, in: {input: p, target: x}}\n"
                                 "  s: {op: Sum, in: w}\n  both: {op: Add, in: [loss, s]}\n"
                                 "train: {minimize: both, optimizer: {op: SGD, lr: 0.1}}\n", table);
    gr_axis_size *axis = malloc(sizeof *axis);
    char *name = strdup("wide");
    *axis = (gr_axis_size){name, 2};
    const gr_training_options o = {.size = sizeof o, .axes = axis, .num_axes = 1};
    gr_training *t = NULL;
    gr_failure *why = NULL;
    gr_tensor w;
    if (gr_training_open(path, &o, &t, &why)) library_fail("axes", why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    memset(name, 'x', strlen(name));
    free(name);
    free(axis);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_TRUE((!gr_training_next(t, &why) && !gr_training_step(t, NULL, &why)) || library_fail("axes", why) == 0);
    CU_ASSERT_EQUAL(gr_training_input(t, "w", &w, NULL), 0);
    CU_ASSERT_EQUAL(w.dim[0], 2);
    gr_training_close(t);
}

void test_library(void)
{
    CU_pSuite s = CU_add_suite("library", NULL, NULL);
    CU_add_test(s, "steps give what the whole gives", steps_are_the_whole);
    CU_add_test(s, "pieces of any length go on", pieces_of_any_length_go_on);
    CU_add_test(s, "attention looks back at the steps before", attention_looks_back);
    CU_add_test(s, "long pieces keep the state", long_pieces_keep_the_state);
    CU_add_test(s, "clones part ways", clones_part_ways);
    CU_add_test(s, "streams of prepared weights are apart", streams_of_prepared_weights_are_apart);
    CU_add_test(s, "a row of a batch begins again", a_row_begins_again);
    CU_add_test(s, "states may be kept", states_may_be_kept);
    CU_add_test(s, "numbers have a point, whatever the host's language", numbers_have_a_point_anywhere);
    CU_add_test(s, "words are of the vocabulary", words_are_of_the_vocabulary);
    CU_add_test(s, "failures say all", failures_say_all);
    CU_add_test(s, "failures outlive what failed", failures_outlive);
    CU_add_test(s, "streams refuse what cannot be", streams_refuse_what_cannot_be);
    CU_add_test(s, "default results", default_results_are_what_the_model_ends_in);
    CU_add_test(s, "training is that of the command", training_is_that_of_the_command);
    CU_add_test(s, "training is fed by hand", training_is_fed_by_hand);
    CU_add_test(s, "a source that failed is asked again", a_source_that_failed_is_asked_again);
    CU_add_test(s, "options are copied", options_are_copied);
}
