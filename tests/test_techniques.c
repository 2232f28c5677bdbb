/* test_techniques.c - what training recipes ask of a model file: tied weights with smoothed
 * targets, dropout between layers and one mask for all steps, teacher forcing. */
#include "tests.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static gr_exec *compile(gr_session *s, const gr_want *want)
{
    gr_error e = {0};
    gr_exec *x = gr_session_compile(s, want, &e);
    if (!x) fprintf(stderr, "%s\n", e.message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    return x;
}

static const float *result(const gr_exec *x, const char *name, int64_t n)
{
    gr_type t;
    const float *data = gr_run_result(x->run, name, &t);
    CU_ASSERT_PTR_NOT_NULL_FATAL(data);
    CU_ASSERT_EQUAL_FATAL(gr_numel(&t), n);
    return data;
}

/* The first batch of the split train, fed. */
static void feed(gr_session *s, gr_exec *x)
{
    const gr_tensor *field;
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(gr_data_begin(s->data, "train", 0, 0, &e), 0);
    CU_ASSERT_EQUAL_FATAL(gr_data_next(s->data, &field, &e), 1);
    CU_ASSERT_EQUAL_FATAL(gr_exec_feed_batch(x, field, &e), 0);
}

/* ---- tied weights, smoothed targets: as PyTorch trains them ---- */

static const char *tied_model(const gr_tensors *golden)
{
    const gr_named_tensor *token = gr_tensors_find(golden, "token"), *next = gr_tensors_find(golden, "next");
    return temp_file("tied.yaml",
        "graphrun: 1\nname: tied\n"
        "data:\n  op: Npy\n  files: {token: %s, next: %s}\n"
        "graph:\n"
        "  token: {op: Input, shape: [time, batch], dtype: int32, from: data.token}\n"
        "  next: {op: Input, shape: [time, batch], dtype: int32, from: data.next}\n"
        "  e: {op: Embedding, in: token, num_embeddings: 5, embedding_dim: 4}\n"
        "  rnn: {op: GRU, in: e, hidden_size: 4}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: 5, weight: e.weight}\n"
        "  loss: {op: CrossEntropyLoss, label_smoothing: 0.1, in: {input: logits, target: next}}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.2, momentum: 0.5}, steps: 10}\n",
        temp_integers("token.npy", 2, token->dim, token->data), temp_integers("next.npy", 2, next->dim, next->data));
}

static const char *start_of(const gr_tensors *golden)
{
    gr_named_tensor tensor[16];
    gr_tensors out = {.tensor = tensor};
    gr_error e;
    for (int i = 0; i < golden->count && out.count < 16; i++)
        if (strncmp(golden->tensor[i].name, "start/", 6) == 0) {
            tensor[out.count] = golden->tensor[i];
            tensor[out.count++].name += 6;
        }
    const char *path = temp_path("tied_start.safetensors");
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_write(path, &out, &e), 0);
    return path;
}

static void check_end(const gr_tensors *golden, const gr_tensors *made)
{
    int seen = 0;
    for (int i = 0; i < golden->count; i++) {
        const gr_named_tensor *want = &golden->tensor[i];
        if (strncmp(want->name, "end/", 4) != 0) continue;
        const gr_named_tensor *got = gr_tensors_find(made, want->name + 4); /* both names of what is tied */
        CU_ASSERT_PTR_NOT_NULL_FATAL(got);
        int64_t n = 1;
        for (int k = 0; k < want->rank; k++) n *= want->dim[k];
        for (int64_t k = 0; k < n; k++) CU_ASSERT_DOUBLE_EQUAL(((const float *)got->data)[k], ((const float *)want->data)[k], 2e-6);
        seen++;
    }
    CU_ASSERT_EQUAL(seen, 7);
}

static void tied_weights_train_as_pytorchs(void)
{
    gr_arena *a = gr_arena_create();
    gr_tensors golden, made;
    gr_error e;
    gr_train_result r;
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(a, GR_SOURCE_DIR "/tests/golden/tied.safetensors", &golden, &e), 0);
    for (int threads = 1; threads < 4; threads += 2) {
        gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = threads, .quiet = true, .weights = start_of(&golden)};
        gr_session *s = gr_session_open(tied_model(&golden), &o, &e);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        const char *save = temp_path("tied_end.safetensors");
        const gr_train_options t = {.epochs = -1, .steps = -1, .quiet = true, .out = fopen("/dev/null", "w"), .save = save};
        CU_ASSERT_EQUAL(gr_train(s, &t, &r, &e), 0);
        fclose(t.out);
        gr_session_close(s);
        CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(a, save, &made, &e), 0);
        check_end(&golden, &made);
    }
    gr_arena_destroy(a);
}

/* ---- dropout ---- */

/* Two layers; everything between them is dropped, or a half. */
static gr_session *layers(const char *p)
{
    return open_model(temp_file("layers.yaml",
        "graphrun: 1\nname: layers\n"
        "data:\n  op: Inline\n  values: {x: [[[1.0, -2.0]], [[0.5, 1.5]], [[-1.0, 0.3]]]}\n"
        "graph:\n"
        "  x: {op: Input, shape: [time, batch, 2], from: data.x}\n"
        "  y: {op: Neg, in: x}\n"
        "  a: {op: LSTM, in: x, hidden_size: 40, num_layers: 2, dropout: %s}\n"
        "  b: {op: LSTM, in: y, hidden_size: 40, num_layers: 2, dropout: %s,\n"
        "      weight_ih_l0: a.weight_ih_l0, weight_hh_l0: a.weight_hh_l0, bias_ih_l0: a.bias_ih_l0, bias_hh_l0: a.bias_hh_l0,\n"
        "      weight_ih_l1: a.weight_ih_l1, weight_hh_l1: a.weight_hh_l1, bias_ih_l1: a.bias_ih_l1, bias_hh_l1: a.bias_hh_l1}\n", p, p), 1);
}

static bool layers_differ(const char *p, bool training, bool *any_zero)
{
    gr_session *s = layers(p);
    const char *const fetch[] = {"a.output", "b.output", NULL};
    const gr_want want = {.training = training, .fetch = fetch};
    gr_exec *x = compile(s, &want);
    gr_error e;
    feed(s, x);
    CU_ASSERT_EQUAL(gr_exec_step(x, 0, &e), 0);
    const float *a = result(x, "a.output", 120), *b = result(x, "b.output", 120);
    bool differ = memcmp(a, b, 120 * sizeof *a) != 0;
    *any_zero = false;
    for (int i = 0; i < 120; i++) *any_zero |= a[i] == 0;
    gr_session_close(s);
    return differ;
}

static void dropout_lies_between_layers(void)
{
    bool zero;
    CU_ASSERT_FALSE(layers_differ("1", true, &zero)); /* the second layer sees nothing of the first ... */
    CU_ASSERT_TRUE(layers_differ("1", false, &zero)); /* ... but when trained no more all of it */
    CU_ASSERT_TRUE(layers_differ("0.5", true, &zero));
    CU_ASSERT_FALSE(zero); /* the last layer's output is not dropped */
}

enum { STEPS = 6, ROWS = 3, HIDDEN = 16 };

/* Recurrent dropout (Gal and Ghahramani 2016): one mask for all steps, made outside of the loop. */
static const char *variational(void)
{
    const int64_t dim[2] = {STEPS, ROWS};
    int32_t token[STEPS * ROWS], next[STEPS * ROWS];
    for (int i = 0; i < STEPS * ROWS; i++) token[i] = i * 7 % 5, next[i] = (i * 7 + 2) % 5;
    return temp_file("variational.yaml",
        "graphrun: 1\nname: variational\nvars: {rows: 3, hidden: 16}\n"
        "data:\n  op: Npy\n  files: {token: %s, next: %s}\n"
        "graph:\n"
        "  token: {op: Input, shape: [time, batch], dtype: int32, from: data.token}\n"
        "  next: {op: Input, shape: [time, batch], dtype: int32, from: data.next}\n"
        "  e: {op: Embedding, in: token, num_embeddings: 5, embedding_dim: 6}\n"
        "  ones: {op: Ones, shape: [$rows, $hidden]}\n"
        "  mask: {op: Dropout, in: ones, p: 0.5}\n"
        "  rnn:\n"
        "    op: Scan\n"
        "    over: time\n"
        "    in: {x: e}\n"
        "    with: {mask: mask}\n"
        "    carry: {h: {init: zeros, size: $hidden, next: cell.h}}\n"
        "    step:\n"
        "      kept: {op: Mul, in: [h, mask]}\n"
        "      cell: {op: GRUCell, in: {input: x, h: kept}, hidden_size: $hidden}\n"
        "    out: {output: cell.h, kept: kept}\n"
        "  logits: {op: Linear, in: rnn.output, out_features: 5}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: next}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.02}, steps: 60}\n"
        "metrics: [accuracy]\n", temp_integers("token.npy", 2, dim, token), temp_integers("next.npy", 2, dim, next));
}

/* Where the mask is 0 every step has dropped, elsewhere none after the first. How many are 0. */
static int check_mask(gr_exec *x, int64_t step, float mask[ROWS * HIDDEN])
{
    gr_error e;
    int zeros = 0;
    CU_ASSERT_EQUAL(gr_exec_step(x, step, &e), 0);
    memcpy(mask, result(x, "mask", ROWS * HIDDEN), ROWS * HIDDEN * sizeof *mask);
    const float *kept = result(x, "rnn.kept", STEPS * ROWS * HIDDEN);
    for (int i = 0; i < ROWS * HIDDEN; i++) {
        zeros += mask[i] == 0;
        for (int t = 1; t < STEPS; t++) CU_ASSERT_EQUAL(kept[t * ROWS * HIDDEN + i] == 0, mask[i] == 0);
    }
    return zeros;
}

static void one_mask_serves_all_steps(void)
{
    gr_session *s = open_model(variational(), 2);
    const char *const fetch[] = {"mask", "rnn.kept", NULL};
    const gr_want training = {.training = true, .fetch = fetch}, plain = {.fetch = fetch};
    float first[ROWS * HIDDEN], second[ROWS * HIDDEN];
    gr_exec *x = compile(s, &training);
    feed(s, x);
    int zeros = check_mask(x, 0, first);
    CU_ASSERT_TRUE(zeros > 8 && zeros < 40); /* of 48 */
    check_mask(x, 1, second);
    CU_ASSERT_NOT_EQUAL(memcmp(first, second, sizeof first), 0);
    x = compile(s, &plain);
    feed(s, x);
    CU_ASSERT_EQUAL(check_mask(x, 0, first), 0);
    gr_session_close(s);
}

static void one_mask_trains(void)
{
    const char *one = temp_path("one.safetensors"), *three = temp_path("three.safetensors");
    gr_error e;
    CU_ASSERT_EQUAL(train_model(variational(), 1, (gr_train_options){.epochs = -1, .steps = -1, .save = one}, &e), 0);
    CU_ASSERT_EQUAL(train_model(variational(), 3, (gr_train_options){.epochs = -1, .steps = -1, .save = three}, &e), 0);
    CU_ASSERT_TRUE(same_files(one, three));
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true, .weights = one};
    gr_session *s = gr_session_open(variational(), &o, &e);
    gr_meter *m = gr_meter_create(s);
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    CU_ASSERT_EQUAL(gr_meter_value(m, s->recipe, 0), 1);
    gr_session_close(s);
}

/* ---- teacher forcing ---- */

/* A decoder that is taught with the right items (`shifted`: 0, then the targets), and the same
 * weights fed with what they chose themselves. The task: say the source backwards. */
static const char taught_graph[] =
    "graph:\n"
    "  source: {op: Input, shape: [time, batch], dtype: int32, from: data.source}\n"
    "  shifted: {op: Input, shape: [steps, batch], dtype: int32, from: data.shifted}\n"
    "  target: {op: Input, shape: [steps, batch], dtype: int32, from: data.target}\n"
    "  start: {op: Select, in: shifted, dim: 0, index: 0}\n"
    "  e: {op: Embedding, in: source, num_embeddings: 4, embedding_dim: 6}\n"
    "  encoder: {op: GRU, in: e, hidden_size: 24}\n"
    "  context: {op: Select, in: encoder.h_n, dim: 0, index: 0}\n"
    "  forced:\n"
    "    op: Scan\n"
    "    over: steps\n"
    "    in: {item: shifted}\n"
    "    carry: {h: {init: context, next: cell.h}}\n"
    "    step:\n"
    "      seen: {op: Embedding, in: item, num_embeddings: 4, embedding_dim: 6}\n"
    "      cell: {op: GRUCell, in: {input: seen, h: h}, hidden_size: 24}\n"
    "      logits: {op: Linear, in: cell.h, out_features: 4}\n"
    "    out: {logits: logits}\n"
    "  free:\n"
    "    op: Scan\n"
    "    over: steps\n"
    "    in: {clock: shifted}\n"
    "    carry: {h: {init: context, next: cell.h}, item: {init: start, next: chosen}}\n"
    "    step:\n"
    "      seen: {op: Embedding, in: item, num_embeddings: 4, embedding_dim: 6, weight: forced.seen.weight}\n"
    "      cell: {op: GRUCell, in: {input: seen, h: h}, hidden_size: 24, weight_ih: forced.cell.weight_ih,\n"
    "             weight_hh: forced.cell.weight_hh, bias_ih: forced.cell.bias_ih, bias_hh: forced.cell.bias_hh}\n"
    "      logits: {op: Linear, in: cell.h, out_features: 4, weight: forced.logits.weight, bias: forced.logits.bias}\n"
    "      chosen: {op: ArgMax, in: logits, dim: -1}\n"
    "    out: {logits: logits}\n";

static const char *taught(void)
{
    const int64_t dim[2] = {4, 12};
    int32_t source[48], shifted[48], target[48];
    for (int b = 0; b < 12; b++)
        for (int t = 0; t < 4; t++) {
            source[t * 12 + b] = 1 + (b * 5 + t * (b % 3 + 1) + b / 4) % 3;
            target[(3 - t) * 12 + b] = source[t * 12 + b];
        }
    for (int i = 0; i < 48; i++) shifted[i] = i < 12 ? 0 : target[i - 12];
    return temp_file("taught.yaml",
        "graphrun: 1\nname: taught\n"
        "data:\n  op: Npy\n  files: {source: %s, shifted: %s, target: %s}\n"
        "%s"
        "  loss: {op: CrossEntropyLoss, in: {input: forced.logits, target: target}}\n"
        "train: {minimize: loss, optimizer: {op: Adam, lr: 0.02}, steps: 150}\n"
        "metrics: [sequence_accuracy, {op: sequence_accuracy, as: alone, in: {input: free.logits, target: target}}]\n",
        temp_integers("source.npy", 2, dim, source), temp_integers("shifted.npy", 2, dim, shifted), temp_integers("target.npy", 2, dim, target), taught_graph);
}

static void measure_taught(const char *weights, double value[2])
{
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 2, .quiet = true, .weights = weights};
    gr_error e = {0};
    gr_session *s = gr_session_open(taught(), &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    gr_meter *m = gr_meter_create(s);
    CU_ASSERT_EQUAL_FATAL(gr_evaluate(s, "train", m, NULL, &e), 0);
    for (int i = 0; i < 2; i++) value[i] = gr_meter_value(m, s->recipe, i);
    gr_session_close(s);
}

static void a_forced_decoder_runs_free(void)
{
    const char *weights = temp_path("taught.safetensors");
    double before[2], after[2];
    gr_error e;
    measure_taught(NULL, before);
    CU_ASSERT_TRUE(before[0] < 0.5 && before[1] < 0.5);
    CU_ASSERT_EQUAL(train_model(taught(), 2, (gr_train_options){.epochs = -1, .steps = -1, .save = weights}, &e), 0);
    measure_taught(weights, after);
    CU_ASSERT_EQUAL(after[0], 1);
    CU_ASSERT_EQUAL(after[1], 1);
}

void test_techniques(void)
{
    CU_pSuite s = CU_add_suite("techniques", NULL, NULL);
    CU_add_test(s, "tied weights and smoothed targets train as PyTorch's", tied_weights_train_as_pytorchs);
    CU_add_test(s, "dropout lies between layers", dropout_lies_between_layers);
    CU_add_test(s, "one mask serves all steps of a loop", one_mask_serves_all_steps);
    CU_add_test(s, "a loop with one mask trains", one_mask_trains);
    CU_add_test(s, "a decoder taught by forcing runs free", a_forced_decoder_runs_free);
}
