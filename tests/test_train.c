/* test_train.c - training: optimisers as PyTorch's, the same bits whatever the threads and
 * after a resume, no allocation, messages, logs. */
#include "failing.h"
#include "tests.h"
#include "train/init.h"
#include "train_support.h"

#include <CUnit/Basic.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- initialisers ---- */

static const gr_type matrix = {.dtype = GR_FLOAT32, .rank = 2, .dim = {40, 30}};

static void init_is_keyed_by_name(void)
{
    float a[1200], b[1200], c[1200];
    gr_error e;
    CU_ASSERT_EQUAL(gr_init_fill(&gr_system_memory, "Uniform low=-2 high=3", 7, "fc.weight", &matrix, a, &e), 0);
    CU_ASSERT_EQUAL(gr_init_fill(&gr_system_memory, "Uniform low=-2 high=3", 7, "fc.weight", &matrix, b, &e), 0);
    CU_ASSERT_EQUAL(gr_init_fill(&gr_system_memory, "Uniform low=-2 high=3", 7, "fc.other", &matrix, c, &e), 0);
    CU_ASSERT_EQUAL(memcmp(a, b, sizeof a), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(a, c, sizeof a), 0);
    double sum = 0, least = 9, most = -9;
    for (int i = 0; i < 1200; i++) sum += (double)a[i], least = fmin(least, (double)a[i]), most = fmax(most, (double)a[i]);
    CU_ASSERT_TRUE(least >= -2 && least < -1.9 && most < 3 && most > 2.9);
    CU_ASSERT_DOUBLE_EQUAL(sum / 1200, 0.5, 0.15);
}

static void init_normal_has_its_moments(void)
{
    float a[1200];
    gr_error e;
    CU_ASSERT_EQUAL(gr_init_fill(&gr_system_memory, "Normal mean=1 std=0.5", 7, "w", &matrix, a, &e), 0);
    double sum = 0, square = 0;
    for (int i = 0; i < 1200; i++) sum += (double)a[i], square += (double)a[i] * (double)a[i];
    double mean = sum / 1200;
    CU_ASSERT_DOUBLE_EQUAL(mean, 1, 0.06);
    CU_ASSERT_DOUBLE_EQUAL(sqrt(square / 1200 - mean * mean), 0.5, 0.04);
}

static void init_orthogonal_is(void)
{
    double q[1200];
    gr_type t = matrix;
    gr_error e;
    t.dtype = GR_FLOAT64;
    CU_ASSERT_EQUAL(gr_init_fill(&gr_system_memory, "Orthogonal gain=2", 7, "w", &t, q, &e), 0);
    for (int i = 0; i < 30; i++) /* 40 rows, 30 columns: the columns are */
        for (int j = 0; j <= i; j++) {
            double dot = 0;
            for (int k = 0; k < 40; k++) dot += q[k * 30 + i] * q[k * 30 + j];
            CU_ASSERT_DOUBLE_EQUAL(dot, i == j ? 4 : 0, 1e-12);
        }
}

static void init_knows_its_names(void)
{
    float a[1200];
    gr_error e;
    CU_ASSERT_NOT_EQUAL(gr_init_fill(&gr_system_memory, "Unifrom low=1", 7, "w", &matrix, a, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "Unifrom"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "did you mean"));
    CU_ASSERT_NOT_EQUAL(gr_init_fill(&gr_system_memory, "Constant", 7, "w", &matrix, a, &e), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "value"));
    gr_type vector = {.dtype = GR_FLOAT32, .rank = 1, .dim = {5}};
    CU_ASSERT_NOT_EQUAL(gr_init_fill(&gr_system_memory, "XavierUniform", 7, "w", &vector, a, &e), 0);
}

/* ---- optimisers ---- */

static void print_rows(FILE *to, const gr_named_tensor *t)
{
    const float *data = t->data;
    fputc('[', to);
    for (int64_t i = 0; i < t->dim[0]; i++) {
        fprintf(to, "%s[", i ? ", " : "");
        for (int64_t j = 0; j < t->dim[1]; j++) fprintf(to, "%s%.9g", j ? ", " : "", (double)data[i * t->dim[1] + j]);
        fputc(']', to);
    }
    fputs("]\n", to);
}

static const char *optimiser_model(const gr_tensors *golden, const char *train)
{
    char *rows = NULL;
    size_t size;
    FILE *f = open_memstream(&rows, &size);
    fputs("    x: ", f);
    print_rows(f, gr_tensors_find(golden, "x"));
    fputs("    y: ", f);
    print_rows(f, gr_tensors_find(golden, "y"));
    fclose(f);
    const char *path = temp_file("optimiser.yaml",
        "graphrun: 1\n"
        "name: optimiser\n"
        "data:\n  op: Inline\n  values:\n%s"
        "graph:\n"
        "  x: {op: Input, shape: [batch, 3], from: data.x}\n"
        "  y: {op: Input, shape: [batch, 2], from: data.y}\n"
        "  hidden: {op: Linear, in: x, out_features: 5}\n"
        "  t: {op: Tanh, in: hidden}\n"
        "  out: {op: Linear, in: t, out_features: 2}\n"
        "  loss: {op: MSELoss, in: {input: out, target: y}}\n"
        "train: {minimize: loss, steps: 20, %s}\n", rows, train);
    free(rows);
    return path;
}

/* The weights that a file holds under "<prefix>/", as a file of their own. */
static const char *weights_under(const gr_tensors *golden, const char *prefix)
{
    gr_named_tensor tensor[8];
    gr_tensors out = {.tensor = tensor};
    size_t n = strlen(prefix);
    for (int i = 0; i < golden->count && out.count < 8; i++)
        if (strncmp(golden->tensor[i].name, prefix, n) == 0 && golden->tensor[i].name[n] == '/') {
            tensor[out.count] = golden->tensor[i];
            tensor[out.count++].name += n + 1;
        }
    const char *path = temp_path("start.safetensors");
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_write(path, &out, &e), 0);
    return path;
}

static double worst_error(gr_session *s, const gr_tensors *golden, const char *name)
{
    double worst = 0, scale = 0;
    size_t n = strlen(name);
    int seen = 0;
    for (int i = 0; i < golden->count; i++) {
        const gr_named_tensor *t = &golden->tensor[i];
        if (strncmp(t->name, name, n) != 0 || t->name[n] != '/') continue;
        gr_type type;
        const float *data = gr_session_state(s, t->name + n + 1, &type), *want = t->data;
        CU_ASSERT_PTR_NOT_NULL_FATAL(data);
        for (int64_t k = 0; k < gr_numel(&type); k++) {
            worst = fmax(worst, fabs((double)data[k] - (double)want[k]));
            scale = fmax(scale, fabs((double)want[k]));
        }
        seen++;
    }
    CU_ASSERT_EQUAL(seen, 4);
    return worst / scale;
}

static void check_optimiser(const gr_tensors *golden, const char *name, const char *train)
{
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true,
                            .weights = weights_under(golden, "start")};
    gr_error e = {0};
    gr_session *s = gr_session_open(optimiser_model(golden, train), &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    FILE *out = fopen("/dev/null", "w");
    const gr_train_options t = {.epochs = -1, .steps = -1, .quiet = true, .out = out};
    gr_train_result r;
    CU_ASSERT_EQUAL(gr_train(s, &t, &r, &e), 0);
    fclose(out);
    CU_ASSERT_EQUAL(r.steps, 20);
    double error = worst_error(s, golden, name);
    if (!(error < 2e-6)) fprintf(stderr, "%s: relative error %.2g\n", name, error);
    CU_ASSERT_TRUE(error < 2e-6);
    gr_session_close(s);
}

static void optimisers_are_pytorchs(void)
{
    gr_arena *a = gr_arena_create();
    gr_tensors golden;
    gr_error e;
    CU_ASSERT_EQUAL_FATAL(gr_safetensors_read(a, GR_SOURCE_DIR "/tests/golden/optimisers.safetensors", &golden, &e), 0);
    int cases = 0;
    for (int i = 0; i < golden.num_metadata; i++) {
        if (!strstr(golden.value[i], "optimizer:")) continue;
        check_optimiser(&golden, golden.key[i], golden.value[i]);
        cases++;
    }
    CU_ASSERT_TRUE(cases >= 29);
    gr_arena_destroy(a);
}

/* ---- the same bits ---- */

#define TRAIN "optimizer: {op: Adam, lr: 0.02}, clip_grad_norm: 0.5, carry: rnn, steps: 12"

static void threads_change_no_bit(void)
{
    const char *model = recurrent_model("threads.yaml", TRAIN);
    const char *one = temp_path("one.safetensors"), *many = temp_path("many.safetensors");
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .save = one}, &e), 0);
    for (int threads = 1; threads <= 3; threads++) {
        CU_ASSERT_EQUAL(train_model(model, threads, (gr_train_options){.epochs = -1, .steps = -1, .save = many}, &e), 0);
        CU_ASSERT_TRUE(same_files(one, many));
    }
}

static void resume_changes_no_bit(void)
{
    const char *model = recurrent_model("resume.yaml", TRAIN);
    const char *whole = temp_path("whole.ckpt"), *part = temp_path("part.ckpt"), *rest = temp_path("rest.ckpt");
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = 12, .checkpoint = whole}, &e), 0);
    CU_ASSERT_EQUAL(train_model(model, 2, (gr_train_options){.epochs = -1, .steps = 5, .checkpoint = part}, &e), 0);
    CU_ASSERT_FALSE(same_files(whole, part));
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = 12, .resume = part,
                                                             .checkpoint = rest}, &e), 0);
    CU_ASSERT_TRUE(same_files(whole, rest));
}

static void steps_allocate_nothing(void)
{
    gr_session *s = open_model(recurrent_model("allocate.yaml", TRAIN), 2);
    const gr_want want = {.update = true, .training = true, .metrics = true};
    gr_error e;
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    gr_meter *meter = gr_meter_create(s);
    long before = 0;
    for (int step = 0; step < 10; step++) {
        const gr_tensor *field;
        CU_ASSERT_EQUAL(gr_data_begin(s->data, "train", step, 0, &e), 0);
        CU_ASSERT_EQUAL_FATAL(gr_data_next(s->data, &field, &e), 1);
        CU_ASSERT_PTR_EQUAL(gr_exec_for_batch(x, field, &e), x);
        CU_ASSERT_EQUAL(gr_exec_feed_batch(x, field, &e), 0);
        CU_ASSERT_EQUAL(gr_run_step(x->run, step), 0);
        gr_meter_add(meter, x);
        if (step == 1) before = gr_count_allocations();
    }
    CU_ASSERT_EQUAL(gr_count_allocations(), before);
    gr_session_close(s);
}

/* ---- what is not finite ---- */

/* Opens a model and trains two steps, the n-th allocation of the one or the other failing. The
 * arena is full when training begins, so that whatever is first asked of it needs memory. */
static int train_failing(const char *model, const char *save, bool opening, long n, gr_error *e)
{
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 2, .quiet = true};
    gr_train_options t = {.epochs = -1, .steps = 2, .quiet = true, .out = fopen("/dev/null", "w"), .save = save,
                          .checkpoint = save};
    gr_train_result r;
    gr_fail_allocation(opening ? n : 0);
    gr_session *s = gr_session_open(model, &o, e);
    gr_fail_allocation(0);
    if (s) gr_arena_alloc(s->arena, 2 << 20);
    gr_fail_allocation(opening ? 0 : n);
    int status = s ? gr_train(s, &t, &r, e) : e->status;
    gr_fail_allocation(0);
    gr_session_close(s);
    fclose(t.out);
    return status;
}

/* Whichever allocation fails: an error that says so, never a crash. */
static void memory_may_end_anywhere(void)
{
    const char *model = recurrent_model("memory.yaml", TRAIN), *save = temp_path("memory.safetensors");
    for (int opening = 0; opening < 2; opening++) {
        int status = -1;
        for (long n = 1; n < 1000 && status; n++) {
            gr_error e = {0};
            status = train_failing(model, save, opening, n, &e);
            if (status) CU_ASSERT_EQUAL_FATAL(e.status, GR_ENOMEM);
        }
        CU_ASSERT_EQUAL(status, 0);
    }
}

static void first_nonfinite_is_named(void)
{
    const char *model = temp_file("nonfinite.yaml",
        "graphrun: 1\nname: bad\n"
        "data:\n  op: Inline\n  values:\n    x: [[0.5], [2.0], [-1.0], [3.0]]\n"
        "graph:\n"
        "  x: {op: Input, shape: [time, 1], from: data.x}\n"
        "  walk:\n"
        "    op: Scan\n"
        "    over: time\n"
        "    in: {v: x}\n"
        "    carry: {h: {init: zeros, size: 1, next: sum}}\n"
        "    step:\n"
        "      root: {op: Log, in: v}\n"
        "      scaled: {op: Linear, in: root, out_features: 1}\n"
        "      sum: {op: Add, in: [h, scaled]}\n"
        "    out: {output: sum}\n"
        "  loss: {op: Mean, in: walk.output}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 3}\n");
    gr_session *s = open_model(model, 1);
    gr_error e;
    gr_train_result r;
    const gr_train_options o = {.epochs = -1, .steps = -1, .quiet = true, .out = stdout};
    CU_ASSERT_EQUAL(gr_train(s, &o, &r, &e), GR_ESTATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "NaN in 'walk.root'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "time step 2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "training step 0"));
    gr_session_close(s);
}

/* `train` of a model whose numbers are 0 to 4; the message begins with the place of the node that met one. */
static void expect_index(const char *layers, const char *classes, const char *says)
{
    const char *model = temp_file("index.yaml",
        "graphrun: 1\nname: index\n"
        "data:\n  op: Inline\n  values:\n    x: [[1, 0, 2, 4, 3]]\n    y: [[0, 1, 4, 3, 2]]\n"
        "graph:\n"
        "  x: {op: Input, shape: [batch, time], dtype: int32, from: data.x}\n"
        "  y: {op: Input, shape: [batch, time], dtype: int32, from: data.y}\n"
        "  e: %s\n"
        "  logits: {op: Linear, in: e, out_features: %s}\n"
        "  loss: {op: CrossEntropyLoss, in: {input: logits, target: y}}\n"
        "train: {minimize: loss, optimizer: {op: SGD, lr: 0.1}, steps: 1}\n", layers, classes);
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1}, &e), GR_ESTATE);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, says));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "index.yaml:"));
    if (!strstr(e.message, says)) fprintf(stderr, "'%s' is not said, but: %s\n", says, e.message);
}

static void an_index_out_of_range_is_told(void)
{
    const char *says = ":13:3: training step 0 was not finite: the first value was NaN in 'loss.rows': target holds 4, but there are 3 classes, 0 to 2";
    expect_index("{op: Embedding, in: x, num_embeddings: 5, embedding_dim: 2}", "3", says);
    expect_index("{op: Embedding, in: x, num_embeddings: 4, embedding_dim: 2}", "5", "NaN in 'e': index holds 4, but there are 4 rows, 0 to 3");
    expect_index("{op: OneHot, in: x, num_classes: 3}", "5", "holds 4, but there are 3");
}

/* ---- files ---- */

static void log_is_json_lines(void)
{
    const char *model = recurrent_model("log.yaml", "optimizer: {op: SGD, lr: 0.1}, epochs: 3"), *log = temp_path("run.jsonl");
    gr_error e;
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = -1, .log = log}, &e), 0);
    char *text = read_text(log, NULL), *next = text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    int reports = 0, ends = 0;
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        json_t *object = json_loads(line, 0, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(object);
        const char *event = json_string_value(json_object_get(object, "event"));
        if (strcmp(event, "report") == 0) {
            CU_ASSERT_EQUAL(json_integer_value(json_object_get(object, "epoch")), ++reports);
            CU_ASSERT_TRUE(json_real_value(json_object_get(object, "loss")) > 0);
            CU_ASSERT_TRUE(json_real_value(json_object_get(json_object_get(object, "metrics"), "perplexity")) > 1);
        } else ends++;
        json_decref(object);
    }
    CU_ASSERT_EQUAL(reports, 3);
    CU_ASSERT_EQUAL(ends, 1);
    free(text);
}

static void weights_must_fit(void)
{
    const char *a = temp_path("a.safetensors");
    gr_error e;
    const char *model = recurrent_model("fit.yaml", TRAIN);
    CU_ASSERT_EQUAL(train_model(model, 1, (gr_train_options){.epochs = -1, .steps = 1, .save = a}, &e), 0);
    const char *other = temp_file("other.yaml",
        "graphrun: 1\nname: other\n"
        "graph:\n"
        "  logits: {op: Parameter, shape: [4], init: {op: Zeros}}\n"
        "  e: {op: Embedding, in: i, num_embeddings: 5, embedding_dim: 3}\n"
        "  i: {op: Constant, value: [1, 2]}\n");
    gr_session_options o = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true, .weights = a};
    gr_session *s = gr_session_open(other, &o, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    const gr_want want = {0};
    gr_exec *x = gr_session_compile(s, &want, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(x);
    const char *text = gr_session_weight_faults(s, x);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "another shape: e.weight"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "not in the model: rnn.weight_hh_l1"));
    gr_session_close(s);
}

/* Trains three pieces an epoch within the file's bounds, or those of `o`; what it reported is to be freed. */
static char *train_within(const char *bounds, gr_train_options o, gr_train_result *r)
{
    char train[200], *text = NULL;
    size_t n;
    gr_error e = {0};
    snprintf(train, sizeof train, "optimizer: {op: SGD, lr: 0.1}, carry: rnn, bptt: 2, %s", bounds);
    const gr_session_options so = {.model = {.real = GR_FLOAT32}, .threads = 1, .quiet = true};
    gr_session *s = gr_session_open(recurrent_model("bounds.yaml", train), &so, &e);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    o.quiet = true;
    o.out = open_memstream(&text, &n);
    CU_ASSERT_EQUAL(gr_train(s, &o, r, &e), 0);
    fclose(o.out);
    gr_session_close(s);
    return text;
}

static void the_bound_that_comes_first_ends(void)
{
    static const struct { const char *bounds; int64_t epochs, steps, made, done; const char *last; } run[] = {
        {"epochs: 3, steps: 4", -1, -1, 4, 1, "step 4 "},    {"epochs: 2, steps: 40", -1, -1, 6, 2, "epoch 2 "},
        {"epochs: 2, steps: 6", -1, -1, 6, 2, "step 6 "} ,   {"epochs: 1, steps: 1", 2, -1, 6, 2, "epoch 2 "},
        {"epochs: 1, steps: 1", -1, 5, 5, 1, "step 5 "},     {"epochs: 9", 2, 5, 5, 1, "step 5 "},
        {"steps: 9", 1, 5, 3, 1, "epoch 1 "},                {"epochs: 2, steps: 0", -1, -1, 0, 0, ""}};
    for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
        gr_train_result r;
        char *text = train_within(run[i].bounds, (gr_train_options){.epochs = run[i].epochs, .steps = run[i].steps}, &r);
        CU_ASSERT_EQUAL(r.steps, run[i].made);
        CU_ASSERT_EQUAL(r.epochs, run[i].done);
        const char *end = text + strlen(text) - (*text != 0), *line = end;
        while (line > text && line[-1] != '\n') line--;
        const bool says = strncmp(line, run[i].last, strlen(run[i].last)) == 0;
        CU_ASSERT(says);
        if (!says) printf("%s: %s", run[i].bounds, text);
        free(text);
    }
}

void test_train(void)
{
    CU_pSuite s = CU_add_suite("train", NULL, NULL);
    CU_add_test(s, "initial values depend on seed and name alone", init_is_keyed_by_name);
    CU_add_test(s, "normal numbers have their moments", init_normal_has_its_moments);
    CU_add_test(s, "an orthogonal matrix is one", init_orthogonal_is);
    CU_add_test(s, "an unknown initialiser is named", init_knows_its_names);
    CU_add_test(s, "twenty steps of each optimiser end where PyTorch's do", optimisers_are_pytorchs);
    CU_add_test(s, "weights are the same on 1, 2 and 3 threads", threads_change_no_bit);
    CU_add_test(s, "a resumed run is the same bit for bit", resume_changes_no_bit);
    CU_add_test(s, "after the first step nothing is allocated", steps_allocate_nothing);
    CU_add_test(s, "out of memory anywhere is an error", memory_may_end_anywhere);
    CU_add_test(s, "the first value that is not finite is named", first_nonfinite_is_named);
    CU_add_test(s, "of epochs and steps the bound that comes first ends", the_bound_that_comes_first_ends);
    CU_add_test(s, "an index out of range is told where it makes a NaN", an_index_out_of_range_is_told);
    CU_add_test(s, "a log is JSON lines", log_is_json_lines);
    CU_add_test(s, "weights that do not fit are listed", weights_must_fit);
}
