/* test_carry.c - what goes from batch to batch and from piece to piece: carried, given and
 * learned initial states, batches that are cut along time. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 14, ROWS = 3, CLASSES = 5 };

typedef struct variant {
    bool batch_first;
    int steps;           /* of a batch */
    const char *init;    /* more nodes */
    const char *rnn;     /* more of the loop's keys */
    const char *train;
} variant;

/* Fourteen steps of three rows; a batch has `steps` of them, one after the other in time. */
static const char *stream(const char *name, const variant *v)
{
    const int64_t dim[2] = {v->batch_first ? ROWS : TIME, v->batch_first ? TIME : ROWS};
    int32_t token[TIME * ROWS], next[TIME * ROWS];
    for (int t = 0; t < TIME; t++)
        for (int b = 0; b < ROWS; b++) {
            int at = v->batch_first ? b * TIME + t : t * ROWS + b, i = t * ROWS + b;
            token[at] = (i * 7 + i * i / 5) % CLASSES;
            next[at] = i % 11 == 3 ? -100 : (i * 3 + i / 2) % CLASSES;
        }
    const char *shape = v->batch_first ? "batch, time" : "time, batch";
    return temp_file(name,
        "graphrun: 1\nname: stream\nvars: {batch: 3}\n"
        "data:\n  op: Npy\n  files: {token: %s, next: %s}\n  batch_size: %d\n  dim: %d\n"
        "graph:\n"
        "  token: {op: Input, shape: [%s], dtype: int32, from: data.token}\n"
        "  next: {op: Input, shape: [%s], dtype: int32, from: data.next}\n"
        "  e: {op: Embedding, in: token, num_embeddings: 5, embedding_dim: 6}\n"
        "%s"
        "  rnn: {op: GRU, hidden_size: 7, num_layers: 2, batch_first: %s, %s}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: 5}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: next}}\n"
        "train: {minimize: loss, %s}\n"
        "metrics: [{op: perplexity, in: {input: logits, target: next}}]\n",
        temp_integers("token.npy", 2, dim, token), temp_integers("next.npy", 2, dim, next), v->steps, v->batch_first, shape, shape,
        v->init, v->batch_first ? "true" : "false", v->rnn, v->train);
}

#define SGD "optimizer: {op: SGD, lr: 0.3}, epochs: 3"
#define ADAM "optimizer: {op: Adam, lr: 0.02}, epochs: 3"
#define ZEROS .init = "", .rnn = "in: e"
/* A Parameter for each layer, the same for all rows. */
#define LEARNED .init = "  start: {op: Parameter, shape: [2, 1, 7], init: {op: Normal, std: 0.3}}\n" \
                        "  h_0: {op: Expand, in: start, shape: [2, \"$batch\", 7]}\n", .rnn = "in: {input: e, h_0: h_0}"

static double loss_of(const char *model)
{
    gr_session *s = open_model(model, 1);
    gr_meter *m = gr_meter_create(s);
    gr_error e = {0};
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    double loss = gr_meter_loss(m);
    gr_session_close(s);
    return loss;
}

static void train_to(const char *model, int threads, const char *save)
{
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(train_model(model, threads, (gr_train_options){.epochs = -1, .steps = -1, .save = save}, &e), 0);
}

/* A stream in batches whose state is carried, and in one batch. */
static void carried_batches_are_one_sequence(void)
{
    for (int first = 0; first < 2; first++) {
        double whole = loss_of(stream("whole.yaml", &(variant){first, TIME, ZEROS, SGD}));
        double carried = loss_of(stream("carried.yaml", &(variant){first, 4, ZEROS, SGD ", carry: rnn"}));
        double forgotten = loss_of(stream("forgotten.yaml", &(variant){first, 4, ZEROS, SGD}));
        CU_ASSERT_DOUBLE_EQUAL(whole, carried, 1e-6);
        CU_ASSERT_TRUE(fabs(whole - forgotten) > 1e-4);
        whole = loss_of(stream("whole.yaml", &(variant){first, TIME, LEARNED, SGD}));
        carried = loss_of(stream("carried.yaml", &(variant){first, 4, LEARNED, SGD ", carry: [rnn]"}));
        CU_ASSERT_DOUBLE_EQUAL(whole, carried, 1e-6);
    }
}

/* One batch of fourteen steps cut into 4, 4, 4 and 2 trains as four batches do that are carried. */
static void pieces_are_carried_batches(void)
{
    const char *a = temp_path("pieces.safetensors"), *b = temp_path("batches.safetensors");
    for (int i = 0; i < 4; i++) {
        variant cut = {i % 2, TIME, ZEROS, ADAM ", bptt: 4"}, carried = {i % 2, 4, ZEROS, ADAM ", carry: rnn"};
        if (i > 1) cut = (variant){i % 2, TIME, LEARNED, ADAM ", bptt: 4"}, carried = (variant){i % 2, 4, LEARNED, ADAM ", carry: rnn"};
        train_to(stream("cut.yaml", &cut), 1 + i % 3, a);
        train_to(stream("carried.yaml", &carried), 1, b);
        CU_ASSERT_TRUE(same_files(a, b));
        CU_ASSERT_DOUBLE_EQUAL(loss_of(stream("cut.yaml", &cut)), loss_of(stream("carried.yaml", &carried)), 1e-6);
    }
}

static void threads_and_going_on_change_no_bit(void)
{
    static const variant variants[] = {{false, TIME, ZEROS, ADAM ", bptt: 4"}, {true, TIME, LEARNED, ADAM ", bptt: 4"},
                                       {false, TIME, LEARNED, ADAM ", bptt: 4, carry: rnn"}, {true, 5, LEARNED, ADAM ", bptt: 2, carry: rnn"},
                                       {false, TIME, ZEROS, ADAM ", bptt: 4, accumulate: 3"}};
    const char *whole = temp_path("whole.ckpt"), *part = temp_path("part.ckpt"), *rest = temp_path("rest.ckpt");
    gr_error e;
    for (int i = 0; i < 5; i++) {
        const char *model = stream("going.yaml", &variants[i]);
        CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .checkpoint = whole}, &e), 0);
        CU_ASSERT_EQUAL(train_model(model, 3, (gr_train_options){.epochs = -1, .steps = -1, .checkpoint = rest}, &e), 0);
        CU_ASSERT_TRUE(same_files(whole, rest));
        for (int64_t steps = 1; steps < 9; steps++) {
            CU_ASSERT_EQUAL(train_model(model, 2, (gr_train_options){.epochs = -1, .steps = steps, .checkpoint = part}, &e), 0);
            CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .resume = part, .checkpoint = rest}, &e), 0);
            CU_ASSERT_TRUE(same_files(whole, rest));
        }
    }
}

/* ---- the start that is learned ---- */

static void read_start(gr_session *s, float to[14])
{
    gr_type t;
    const void *data = gr_session_state(s, "start", &t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL(gr_numel(&t), 14);
    memcpy(to, data, 14 * sizeof *to);
}

/* Only the first batch of an epoch starts from it, so only there does it learn. */
static void a_start_learns_where_it_is_read(void)
{
    gr_session *s = open_model(stream("learned.yaml", &(variant){false, 4, LEARNED, SGD ", carry: rnn"}), 1);
    gr_error e;
    gr_train_result r;
    float before[14], after[14];
    for (int64_t step = 1; step <= 8; step++) { /* an epoch has four batches */
        if (step > 1) read_start(s, before);
        const char *to = temp_path("learned.ckpt");
        gr_train_options o = {.epochs = -1, .steps = step, .quiet = true, .checkpoint = to, .resume = step > 1 ? to : NULL};
        o.out = fopen("/dev/null", "w");
        gr_session_close(s);
        s = open_model(stream("learned.yaml", &(variant){false, 4, LEARNED, SGD ", carry: rnn"}), 1);
        CU_ASSERT_EQUAL(gr_train(s, &o, &r, &e), 0);
        fclose(o.out);
        read_start(s, after);
        if (step > 1) CU_ASSERT_EQUAL(memcmp(before, after, sizeof after) != 0, step == 5);
    }
    gr_session_close(s);
}

/* ---- evaluation ---- */

static void evaluation_leaves_the_carry_alone(void)
{
    const char *a = temp_path("a.safetensors"), *b = temp_path("b.safetensors");
    const char *plain = stream("plain.yaml", &(variant){false, 2, LEARNED, ADAM ", carry: rnn"});
    train_to(plain, 1, a);
    gr_session *s = open_model(plain, 1);
    gr_error e;
    const gr_want want = {.update = true, .training = true, .metrics = true};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    gr_meter *m = gr_meter_create(s);
    int64_t step = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        CU_ASSERT_EQUAL(gr_session_reset(s, "epoch", &e), 0);
        for (int64_t batch = 0; batch < 7; batch++) {
            const gr_tensor *field;
            CU_ASSERT_EQUAL(gr_evaluate(s, "train", m, NULL, &e), 0);
            CU_ASSERT_EQUAL(gr_data_begin(s->data, "train", epoch, batch, &e), 0);
            CU_ASSERT_EQUAL_FATAL(gr_data_next(s->data, &field, &e), 1);
            x = gr_exec_for_batch(x, field, &e);
            CU_ASSERT_EQUAL(gr_exec_feed_batch(x, field, &e), 0);
            for (int i = 0; i < 1; i++) gr_exec_set_lr(x, i, 0.02);
            CU_ASSERT_EQUAL(gr_exec_step(x, step++, &e), 0);
        }
    }
    CU_ASSERT_EQUAL(gr_session_save(s, x, b, &e), 0);
    CU_ASSERT_TRUE(same_files(a, b));
    gr_session_close(s);
}

/* ---- mistakes ---- */

static void expect_refusal(const char *model, const char *says)
{
    gr_session *s = open_model(model, 1);
    gr_error e;
    gr_train_result r;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    gr_train_options o = {.epochs = -1, .steps = -1, .quiet = true, .out = to};
    s->options.say = (gr_sink){say_in_file, to};
    int status = gr_train(s, &o, &r, &e);
    fclose(to);
    CU_ASSERT_NOT_EQUAL(status, 0);
    bool said = strstr(text, says) || strstr(e.message, says);
    if (!said) fprintf(stderr, "'%s' is not said, but: %s%s\n", says, text, e.message);
    CU_ASSERT_TRUE(said);
    free(text);
    gr_session_close(s);
}

static void mistakes_are_told(void)
{
    expect_refusal(stream("back.yaml", &(variant){false, 4, "", "in: e, bidirectional: true", SGD ", carry: rnn"}), "runs backwards in time");
    expect_refusal(stream("cut.yaml", &(variant){false, TIME, "", "in: e, bidirectional: true", SGD ", bptt: 4"}), "runs backwards in time");
    expect_refusal(stream("none.yaml", &(variant){false, 4, ZEROS, SGD ", carry: logits"}), "'logits' has no state to carry");
    expect_refusal(stream("neither.yaml", &(variant){false, TIME, ZEROS, SGD ", carry: rn, bptt: 4"}), "'rn' has no state to carry");
    expect_refusal(stream("long.yaml", &(variant){false, TIME, "  n: {op: Constant, value: [4, 4, 4]}\n", "in: e, lengths: n", SGD ", bptt: 4"}),
                   "rows that have lengths cannot be cut");
    const char *rows = temp_file("rows.yaml",
        "graphrun: 1\nname: rows\n"
        "data:\n  op: Npy\n  files: {token: %s}\n  batch_size: 2\n"
        "graph:\n"
        "  token: {op: Input, shape: [batch, 3], dtype: int32, from: data.token}\n"
        "  e: {op: Embedding, in: token, num_embeddings: 5, embedding_dim: 6}\n"
        "  rnn: {op: GRU, in: e, hidden_size: 7, batch_first: true}\n"
        "  loss: {op: Mean, in: rnn.output}\n"
        "train: {minimize: loss, optimizer: SGD, epochs: 1, %%s}\n",
        temp_integers("rows.npy", 2, (const int64_t[]){3, 3}, (const int32_t[]){1, 2, 3, 0, 1, 2, 2, 1, 4}));
    char *text = read_text(rows, NULL);
    expect_refusal(temp_file("rows_carry.yaml", text, "carry: rnn"), "another number of rows than the one before");
    expect_refusal(temp_file("rows_cut.yaml", text, "bptt: 2"), "has no name; give it one");
    free(text);
}

void test_carry(void)
{
    CU_pSuite s = CU_add_suite("carry", NULL, NULL);
    CU_add_test(s, "batches that are carried are one sequence", carried_batches_are_one_sequence);
    CU_add_test(s, "pieces of a batch are batches that are carried", pieces_are_carried_batches);
    CU_add_test(s, "threads and going on change no bit", threads_and_going_on_change_no_bit);
    CU_add_test(s, "a start learns where it is read", a_start_learns_where_it_is_read);
    CU_add_test(s, "an evaluation leaves the carry alone", evaluation_leaves_the_carry_alone);
    CU_add_test(s, "what cannot be carried or cut is told", mistakes_are_told);
}
